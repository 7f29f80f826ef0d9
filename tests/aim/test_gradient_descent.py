"""Gradient descent: its gradient, what it recovers, what averaging gains, and what it refuses."""

import math
import sys
import warnings

import fake_cupy
import numpy as np
import pytest
import rounding
from sklearn.exceptions import ConvergenceWarning

from pairint.aim.channels import SoftmaxChannel, make_channel
from pairint.aim.gradient_descent import gradient_descent, loss_and_gradient
from pairint.aim.indices import indices
from pairint.aim.teacher import AIMTeacher, matrix_error


def problem(d=20, alpha=0.35, n_tokens=2, channel="softmax", rho=0.5, seed=0):
    teacher = AIMTeacher(d, rho, n_tokens, channel, rng=seed)
    return teacher, *teacher.sample(round(alpha * d * d), 100 + seed)


def quiet(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return gradient_descent(*arguments, **options)


def rounding_errors(W, X, y, beta=1.0):
    """Return bounds of how far two computations of the loss, and of the gradient's entries, are apart.

    Every term by its absolute value. A residual moves by at most twice ``beta`` times its indices (the map of
    softmax; plain differences for linear labels), its gradient ``G`` by four times ``beta`` times that.
    """
    (n, t, d), width = X.shape, W.shape[1]
    scale = 1 / (d * math.sqrt(width))
    pulled = np.abs(X) @ np.abs(W)
    size = scale * (pulled @ pulled.swapaxes(1, 2) + (W**2).sum())
    delta = 2 * beta * 2 * rounding.gamma(2 * d + 2 * width + 10) * size
    residual = np.maximum(1.0, size) + np.abs(y)
    total = 2 * rounding.gamma(n * t * t + 4) * (residual**2).sum() + 2 * (residual * delta).sum()
    G = 8 * beta / d * (delta * np.maximum(1.0, beta) + 2 * rounding.gamma(n * t + d + 20) * residual)
    gradient = scale * ((np.abs(X).swapaxes(1, 2) @ (G @ pulled)).sum(axis=0) + G.sum() * np.abs(W))
    return total / d, gradient


# The loss and its gradient


@pytest.mark.parametrize("width", [3, 9], ids=["narrow", "wide"])
@pytest.mark.parametrize("n_tokens", [2, 3, 4])
@pytest.mark.parametrize("channel", ["softmax", "linear"])
def test_loss_is_its_formula(channel, n_tokens, width):
    _, X, y = problem(6, 0.3, n_tokens, channel)
    W = np.random.default_rng(1).standard_normal((6, width))
    p = make_channel(channel, n_tokens).output(indices(X, W @ W.T / math.sqrt(6 * width)))
    bound, _ = rounding_errors(W, X, y)
    expected = ((p - y) ** 2).sum() / 6
    assert abs(loss_and_gradient(W, X, y, channel)[0] - expected) <= bound < 1e-9 * expected


@pytest.mark.parametrize("width", [3, 9], ids=["narrow", "wide"])
@pytest.mark.parametrize("n_tokens", [2, 3, 4])
@pytest.mark.parametrize(
    "channel", ["softmax", "linear", lambda t: SoftmaxChannel(t, 2.5)], ids=["softmax", "linear", "cold"]
)
def test_gradient_is_that_of_finite_differences(channel, n_tokens, width):
    model = channel(n_tokens) if callable(channel) else channel
    _, X, y = problem(6, 0.3, n_tokens, model)
    W = np.random.default_rng(1).standard_normal((6, width))
    _, gradient = loss_and_gradient(W, X, y, model)
    step = 3e-5

    def differences(step):
        result = np.empty_like(W)
        for entry in np.ndindex(W.shape):
            shift = np.zeros_like(W)
            shift[entry] = step
            above, below = (loss_and_gradient(W + sign * shift, X, y, model)[0] for sign in (1, -1))
            result[entry] = (above - below) / (2 * step)
        return result

    numerical, coarser = differences(step), differences(2 * step)
    beta = getattr(model, "inverse_temperature", 1.0)
    rounded = rounding_errors(W, X, y, beta)[0] / step
    # The error of a central difference is c step^2: twice the step shows 3c step^2 (and its own rounding).
    bound = np.abs(coarser - numerical).max() + 2 * rounded
    assert np.abs(numerical - gradient).max() <= bound < 1e-4 * np.abs(gradient).max()


@pytest.mark.parametrize("channel", ["softmax", "linear"])
def test_the_teacher_is_a_stationary_point_of_zero_loss(channel):
    teacher, X, y = problem(channel=channel)
    loss, gradient = loss_and_gradient(teacher.W, X, y, channel)
    # Residuals that are rounding: the labels were computed from S, in another order.
    size = (np.abs(X) @ np.abs(teacher.W)) @ (np.abs(X) @ np.abs(teacher.W)).swapaxes(1, 2)
    size = (size + (teacher.W**2).sum()) / (20 * math.sqrt(teacher.width))
    residual = 4 * rounding.gamma(2 * 20 + 2 * teacher.width + 10) * size
    assert loss <= (residual**2).sum() / 20 < 1e-20
    assert np.all(np.abs(gradient) <= rounding_errors(teacher.W, X, y)[1])


def test_students_are_evaluated_together_or_one_by_one():
    _, X, y = problem(8)
    W = np.random.default_rng(1).standard_normal((3, 8, 5))
    losses, gradients = loss_and_gradient(W, X, y)
    for k in range(3):
        loss, gradient = loss_and_gradient(W[k], X, y)
        bounds = rounding_errors(W[k], X, y)
        assert abs(losses[k] - loss) <= bounds[0]
        assert np.all(np.abs(gradients[k] - gradient) <= bounds[1])


@pytest.mark.parametrize("width", [4, 20], ids=["narrow", "wide"])
def test_blocks_do_not_matter(monkeypatch, width):
    _, X, y = problem(10, n_tokens=3)
    W = np.random.default_rng(1).standard_normal((2, 10, width))
    whole = loss_and_gradient(W, X, y)
    for entries in (1, 7 * 3 * 40):  # one sample at a time; blocks that do not divide the samples
        monkeypatch.setattr(sys.modules[gradient_descent.__module__], "_BLOCK", entries)
        losses, gradients = loss_and_gradient(W, X, y)
        for k in range(2):
            bounds = rounding_errors(W[k], X, y)
            assert abs(losses[k] - whole[0][k]) <= bounds[0]
            assert np.all(np.abs(gradients[k] - whole[1][k]) <= bounds[1])


def test_order_of_samples_does_not_matter():
    _, X, y = problem(10)
    W = np.random.default_rng(1).standard_normal((10, 5))
    order = np.random.default_rng(2).permutation(len(X))
    difference = loss_and_gradient(W, X[order], y[order])[1] - loss_and_gradient(W, X, y)[1]
    assert np.all(np.abs(difference) <= rounding_errors(W, X, y)[1])


# Training


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channel", "n_tokens", "alpha", "d"),
    [("softmax", 2, 0.35, 20), ("softmax", 3, 0.14, 24), ("linear", 2, 0.25, 20)],
)
def test_recovers_exactly_above_the_threshold(channel, n_tokens, alpha, d):
    teacher, X, y = problem(d, alpha, n_tokens, channel, seed=1)
    result = quiet(X, y, teacher.width, channel, n_runs=2, truth=teacher.S, tol=1e-10, rng=3)
    assert (result.history["error"][-1] < 1e-5).all()
    assert teacher.error(result.S) < 1e-5
    assert result.spread < 1e-5  # whatever the start, the same matrix


@pytest.mark.slow
def test_the_average_beats_each_run_below_the_threshold():
    for seed in range(3):
        teacher, X, y = problem(24, 0.08, seed=seed)
        result = quiet(X, y, teacher.width, n_runs=8, truth=teacher.S, rng=seed, max_iter=400)
        single = result.history["error"][-1]
        average = result.history["average_error"][-1]
        assert average < single.min()
        # Draws of a posterior: 1 + 1/8 Bayes errors against 2 (Nishimori). Halfway to no gain at all.
        assert average < (9 / 16 + 1) / 2 * single.mean()
        # single = average of infinitely many + spread; average of k = that + spread / k: exact in the mean
        assert single.mean() == pytest.approx(average + (1 - 1 / 8) * result.spread, rel=1e-9)


def test_shuffled_labels_teach_nothing():
    teacher, X, y = problem(20, 0.35, seed=1)
    shuffled = np.random.default_rng(5).permutation(y)
    with pytest.warns(ConvergenceWarning, match="2 of 2 runs have not converged"):
        result = gradient_descent(X, shuffled, teacher.width, n_runs=2, truth=teacher.S, max_iter=300, rng=0)
    assert not result.converged
    assert result.history["average_error"][-1] > 1 - 0.1  # the error of no data is 1


def test_history_is_that_of_what_is_returned():
    teacher, X, y = problem(20, 0.1)
    result = quiet(X, y, teacher.width, n_runs=3, truth=teacher.S, rng=2, tol=1e-3)
    assert result.n_iter == len(result.history["loss"]) == len(result.history["average_error"])
    loss, _ = loss_and_gradient(result.weights, X, y)
    constant = ((y - 0.5) ** 2).sum() / 20
    np.testing.assert_allclose(result.history["loss"][-1], loss / constant, rtol=1e-9)
    for k in range(3):
        S = result.weights[k] @ result.weights[k].T / math.sqrt(20 * teacher.width)
        np.testing.assert_allclose(result.runs[k], S, atol=1e-13)
        assert result.history["error"][-1, k] == pytest.approx(matrix_error(teacher.S, S), rel=1e-10)
    np.testing.assert_allclose(result.S, result.runs.mean(axis=0), atol=1e-14)
    assert result.history["average_error"][-1] == pytest.approx(teacher.error(result.S), rel=1e-10)


def test_a_run_does_not_depend_on_the_others_even_when_they_stop_earlier():
    teacher, X, y = problem(16, 0.1)
    options = {"tol": 1e-2, "rng": 4, "max_iter": 200}
    many = quiet(X, y, teacher.width, n_runs=5, **options)
    stops = np.argmax(many.history["loss"] <= 1e-2, axis=0)
    assert many.converged and len(set(stops.tolist())) > 1  # at different times
    one = quiet(X, y, teacher.width, n_runs=1, **options)
    np.testing.assert_allclose(one.runs[0], many.runs[0], rtol=1e-6, atol=1e-8)
    assert one.n_iter == stops[0] + 1
    free = quiet(X, y, teacher.width, n_runs=5, tol=1e-15, rng=4, max_iter=many.n_iter)
    for k, stop in enumerate(stops):
        losses = many.history["loss"][:, k]
        np.testing.assert_allclose(losses[: stop + 1], free.history["loss"][: stop + 1, k], rtol=1e-6)
        np.testing.assert_array_equal(losses[stop:], losses[stop])  # and stays where it is


def test_steps_are_those_of_adam():
    """Against the algorithm as published, written out with its usual constants."""
    teacher, X, y = problem(12, 0.2)
    W = quiet(X, y, teacher.width, rng=5, max_iter=1).weights[0]  # the start: no step has been made
    first, second = np.zeros_like(W), np.zeros_like(W)
    for t in range(1, 6):
        _, g = loss_and_gradient(W, X, y)
        first = 0.9 * first + 0.1 * g
        second = 0.999 * second + 0.001 * g**2
        W = W - 0.07 * (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - 0.999**t)) + 1e-8)
    result = quiet(X, y, teacher.width, rng=5, max_iter=6, learning_rate=0.07)
    np.testing.assert_allclose(result.weights[0], W, rtol=1e-9, atol=1e-12)


def test_same_seed_same_result():
    teacher, X, y = problem(12, 0.2)
    first, second, other = (quiet(X, y, teacher.width, n_runs=2, rng=seed, max_iter=30) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first.S, second.S)
    assert np.abs(first.S - other.S).max() > 1e-3


def test_a_student_does_not_start_at_a_teacher_of_the_same_seed():
    teacher, X, y = problem(12, 0.2, seed=3)
    result = quiet(X, y, teacher.width, rng=3, max_iter=1, truth=teacher.S)
    assert result.history["error"][0, 0] > 1


def test_limit_of_iterations_is_reported():
    teacher, X, y = problem(12, 0.2)
    with pytest.warns(ConvergenceWarning, match="1 of 1 runs have not converged after 5 iterations"):
        result = gradient_descent(X, y, teacher.width, max_iter=5, rng=0)
    assert result.n_iter == 5 and not result.converged and math.isnan(result.spread)


def test_a_wild_learning_rate_is_an_error():
    teacher, X, y = problem(12, 0.2, channel="linear")
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="learning_rate is 1e"):
        gradient_descent(X, y, teacher.width, "linear", learning_rate=1e100, rng=0)


def test_single_precision():
    teacher, X, y = problem(20, 0.35, seed=1)
    result = quiet(X, y, teacher.width, rng=3, dtype="float32", max_iter=600, tol=1e-8)
    assert result.S.dtype == np.float32
    assert teacher.error(result.S) < 1e-3


def test_log_labels_that_underflow():
    """At temperature 1/400 most labels are 0 to double precision; their logarithms are accepted."""
    channel = SoftmaxChannel(2, inverse_temperature=400.0, log_labels=True)
    teacher, X, y = problem(8, 0.5, channel=channel)
    assert (np.exp(y) == 0).any()
    loss, gradient = loss_and_gradient(teacher.W, X, y, channel)
    assert loss < 1e-20 and np.isfinite(gradient).all()
    with pytest.raises(ValueError, match="underflowed"):
        gradient_descent(X, np.exp(y), teacher.width, SoftmaxChannel(2, 400.0))


def test_logarithms_and_probabilities_train_alike():
    teacher, X, y = problem(12, 0.2)
    channel = SoftmaxChannel(2, log_labels=True)
    plain = quiet(X, y, teacher.width, rng=1, max_iter=40)
    logs = quiet(X, np.log(y), teacher.width, channel, rng=1, max_iter=40)
    np.testing.assert_allclose(logs.S, plain.S, atol=1e-8)


def test_stays_on_the_device(monkeypatch):
    teacher, X, y = problem(8, 0.3)
    expected = quiet(X, y, teacher.width, n_runs=3, truth=teacher.S, rng=2, tol=2e-2, max_iter=60)
    cupy = fake_cupy.install(monkeypatch)
    result = quiet(
        *map(cupy.asarray, (X, y)),
        teacher.width,
        n_runs=3,
        truth=cupy.asarray(teacher.S),
        rng=2,
        tol=2e-2,
        max_iter=60,
    )
    assert isinstance(result.S, cupy.ndarray)
    assert max(fake_cupy.transfers) <= 4  # losses and errors of the runs, and nothing else
    np.testing.assert_allclose(result.S.get(), expected.S, atol=1e-7)
    assert result.spread == pytest.approx(expected.spread, rel=1e-6)


# What is refused


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"width": 0}, ValueError, "width must be >= 1, got 0"),
        ({"width": 2.0}, TypeError, "width must be an integer"),
        ({"n_runs": 0}, ValueError, "n_runs must be >= 1"),
        ({"max_iter": 0}, ValueError, "max_iter must be >= 1"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate must be > 0"),
        ({"tol": math.nan}, ValueError, "tol must be finite"),
        ({"X": np.zeros((0, 2, 6)), "y": np.zeros((0, 2, 2))}, ValueError, "X must hold at least one sample"),
        ({"X": np.zeros((20, 6))}, ValueError, "X must have shape"),
        ({"X": np.full((20, 2, 6), math.nan)}, ValueError, "X must be finite"),
        ({"y": np.full((20, 2, 2), math.nan)}, ValueError, "y must be finite"),
        ({"y": np.full((20, 2, 2), 0.6)}, ValueError, "y must hold probabilities whose rows sum to 1"),
        ({"y": np.full((20, 2, 2), 0.5)}, ValueError, "y must vary"),
        ({"y": np.full((20, 3, 3), 1 / 3)}, ValueError, "y must have shape"),
        ({"y": np.full((19, 2, 2), 0.5)}, ValueError, "y has 19 samples, X has 20"),
        ({"channel": "hardmax"}, ValueError, "channel must be softmax or linear"),
        ({"channel": "relu"}, ValueError, "channel must be one of"),
        ({"channel": SoftmaxChannel(3)}, ValueError, "the channel expects 3"),
        ({"truth": np.eye(5)}, ValueError, "truth must have shape"),
        ({"dtype": "float16"}, ValueError, "dtype must be one of"),
        ({"rng": "seed"}, TypeError, "rng must be"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input(change, error, match):
    X = np.random.default_rng(0).standard_normal((20, 2, 6))
    y = make_channel("softmax").output(indices(X, np.eye(6)))
    arguments = {"X": X, "y": y, "width": 3} | change
    with pytest.raises(error, match=match):
        gradient_descent(**arguments)


def test_weights_of_the_wrong_shape():
    _, X, y = problem(6, 0.3)
    with pytest.raises(ValueError, match="W must have shape"):
        loss_and_gradient(np.zeros((5, 3)), X, y)


# Equations, plain descent, steps that change


@pytest.mark.parametrize("n_tokens", [2, 3])
def test_equations_are_indices_up_to_a_constant(n_tokens):
    """The loss is that of the indices, the mean of a sample taken off; at the teacher it is zero."""
    teacher, X, y = problem(6, 0.4, n_tokens)
    W = np.random.default_rng(1).standard_normal((6, 3))
    off = indices(X, W @ W.T / math.sqrt(18)) - indices(X, teacher.S)
    expected = ((off - off.mean(axis=(1, 2), keepdims=True)) ** 2).sum() / 6
    assert loss_and_gradient(W, X, y, loss="equations")[0] == pytest.approx(expected, rel=1e-9)
    assert loss_and_gradient(teacher.W, X, y, loss="equations")[0] < 1e-18 * expected
    cold = SoftmaxChannel(n_tokens, 2.5)
    again = loss_and_gradient(W, X, cold.output(indices(X, teacher.S)), cold, loss="equations")[0]
    assert again == pytest.approx(expected, rel=1e-9)  # the temperature is taken out


def test_gradient_of_the_equations():
    _, X, y = problem(6, 0.4, 3)
    rng = np.random.default_rng(2)
    W, move = rng.standard_normal((2, 6, 3))
    _, gradient = loss_and_gradient(W, X, y, loss="equations")
    ahead, behind = (loss_and_gradient(W + s * 1e-5 * move, X, y, loss="equations")[0] for s in (1, -1))
    assert (ahead - behind) / 2e-5 == pytest.approx((gradient * move).sum(), rel=1e-6)


def test_plain_steps_follow_the_gradient_and_their_length_changes():
    teacher, X, y = problem(12, 0.2)
    options = {
        "optimizer": "plain",
        "loss": "equations",
        "learning_rate": 0.004,
        "final_learning_rate": 0.001,
    }
    W = quiet(X, y, teacher.width, rng=5, max_iter=1, **options).weights[0]
    for rate in (0.004, 0.002, 0.001):  # a factor of two a step: four evaluations are three steps
        W = W - rate * 12 * loss_and_gradient(W, X, y, loss="equations")[1]
    result = quiet(X, y, teacher.width, rng=5, max_iter=4, **options)
    np.testing.assert_allclose(result.weights[0], W, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_plain_descent_of_a_wide_layer_samples_the_posterior():
    """As the theorem says of the limit: the spread over the error of infinitely many runs is near one."""
    ratios = []
    for seed in range(6):
        teacher, X, y = problem(10, 0.12, rho=30.0, seed=seed)
        result = quiet(
            X, y, teacher.width, n_runs=8, truth=teacher.S, rng=seed, max_iter=1500,
            optimizer="plain", loss="equations", learning_rate=0.02, tol=1e-9,
        )  # fmt: skip
        one = result.history["error"][-1].mean()
        ratios.append((result.spread, one - result.spread))
    spread, infinite = np.array(ratios).T
    # Twelve samples of 55 unknowns: errors vary by a quarter from teacher to teacher, their mean by a tenth.
    assert spread.mean() / infinite.mean() == pytest.approx(1, abs=0.3)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"loss": "logits"}, "loss must be one of"),
        ({"optimizer": "sgd"}, "optimizer must be one of"),
        ({"final_learning_rate": 0.0}, "final_learning_rate must be > 0"),
    ],
)
def test_bad_choices(change, match):
    _, X, y = problem(6, 0.4)
    with pytest.raises(ValueError, match=match):
        gradient_descent(X, y, 3, **change)
