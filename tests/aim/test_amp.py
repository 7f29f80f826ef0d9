"""AMP follows its state evolution, step by step, settles without tuning, and needs its Onsager term."""

import math
import warnings

import fake_cupy
import numpy as np
import pytest
from device_cases import AMP_CASES
from scipy import stats
from sklearn.exceptions import ConvergenceWarning

from pairint.aim.amp import _Samples as Samples
from pairint.aim.amp import _score as score
from pairint.aim.amp import _State as State
from pairint.aim.amp import amp
from pairint.aim.channels import HardmaxChannel
from pairint.aim.gradient_descent import gradient_descent
from pairint.aim.priors import Prior
from pairint.aim.spectrum import NoisySpectrum
from pairint.aim.state_evolution import exact_recovery_threshold, state_evolution, state_evolution_iterates
from pairint.aim.teacher import AIMTeacher

D = 100


class Shrinking(Prior):
    """A denoiser of slope 0.3, whatever the noise."""

    mean, second_moment = 0.0, 1.0

    def error(self, delta):
        return 0.5

    def denoise(self, eigenvalues, delta):
        return 0.3 * eigenvalues + 0.1


def run(channel, alpha, rho=0.5, seed=0, d=D, n_tokens=2, **options):
    teacher = AIMTeacher(d, rho, n_tokens, channel, rng=10 * seed + 1)
    X, y = teacher.sample(round(alpha * d**2), 10 * seed + 2)
    result = amp(X, y, teacher.rho, channel, truth=teacher.S, **options)
    return result, teacher.error(result.S)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channel", "alpha"), [("softmax", 0.05), ("softmax", 0.1), ("linear", 0.05), ("hardmax", 0.3)]
)
def test_error_is_that_of_the_state_evolution(channel, alpha):
    outcomes = [run(channel, alpha, seed=seed) for seed in range(3)]
    assert all(result.converged for result, _ in outcomes)
    expected = state_evolution(alpha / (1 + 1 / D), 0.5, channel).mmse
    errors = np.array([error for _, error in outcomes])
    assert errors.mean() == pytest.approx(expected, rel=0.06)
    # What the algorithm believes, without knowing the truth.
    assert np.mean([result.mmse for result, _ in outcomes]) == pytest.approx(expected, rel=0.1)


def trajectory(channel, alpha, n_tokens, d, n_iter, onsager=True):
    """Mean errors of the first undamped steps, and the iterates of the state evolution."""
    histories = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for seed in range(3):
            options = {"damping": 1.0, "max_iter": n_iter, "tol": 1e-12, "onsager": onsager}
            result, _ = run(channel, alpha, seed=seed, d=d, n_tokens=n_tokens, **options)
            histories.append(result.history["error"])
    iterates = state_evolution_iterates(alpha / (1 + 1 / d), 0.5, channel, n_tokens, n_iter)
    return np.mean(histories, axis=0), iterates[1:]


TRAJECTORIES = pytest.mark.parametrize(
    ("channel", "alpha", "n_tokens", "d", "n_iter"),
    [("hardmax", 0.3, 2, D, 8), ("softmax", 0.06, 2, 160, 5), ("softmax", 0.02, 3, 160, 5),
     ("linear", 0.05, 2, 160, 5)],
)  # fmt: skip


@pytest.mark.slow
@TRAJECTORIES
def test_trajectory_follows_the_iterates(channel, alpha, n_tokens, d, n_iter):
    errors, iterates = trajectory(channel, alpha, n_tokens, d, n_iter)
    np.testing.assert_allclose(errors, iterates, rtol=0.06)


@pytest.mark.slow
@TRAJECTORIES
def test_trajectory_needs_the_onsager_term(channel, alpha, n_tokens, d, n_iter):
    errors, iterates = trajectory(channel, alpha, n_tokens, d, n_iter, onsager=False)
    assert errors[0] == pytest.approx(iterates[0], rel=0.06)  # the first step has no echo yet
    assert np.abs(errors[1:] / iterates[1:] - 1).max() > 0.3


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_noise_follows_the_iterates_too():
    result, _ = run("hardmax", 0.3, damping=1.0, max_iter=6, tol=1e-12)
    errors = state_evolution_iterates(0.3 / (1 + 1 / D), 0.5, "hardmax", n_iter=6)[1:]
    predicted = [NoisySpectrum(0.5, delta).mmse for delta in result.history["delta"]]
    np.testing.assert_allclose(predicted, errors, rtol=0.06)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onsager_term_is_needed_with_damping():
    _, right = run("softmax", 0.1, max_iter=60)
    _, wrong = run("softmax", 0.1, max_iter=60, onsager=False)
    assert wrong > 1.2 * right


@pytest.mark.slow
@pytest.mark.parametrize(
    ("channel", "fraction", "rho", "d", "n_tokens"),
    [
        ("hardmax", 1.0, 0.2, 60, 2),
        ("hardmax", 2.0, 0.5, 50, 2),
        ("hardmax", 0.03, 0.1, 60, 2),
        ("softmax", 0.2, 0.3, 60, 2),
        ("softmax", 0.8, 1.0, 60, 2),
        ("softmax", 1.2, 0.5, 60, 2),
        ("softmax", 0.5, 0.5, 50, 6),
        ("softmax", 1.2, 0.1, 50, 2),
        ("softmax", 0.5, 0.5, 200, 2),
        ("softmax", 0.8, 0.1, 200, 2),
        ("linear", 0.8, 2.0, 50, 2),
    ],
)
def test_it_settles_without_tuning(channel, fraction, rho, d, n_tokens):
    threshold = exact_recovery_threshold(rho, channel, n_tokens)
    alpha = fraction * (threshold if math.isfinite(threshold) else 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        result, error = run(channel, alpha, rho, d=d, n_tokens=n_tokens)
    assert result.converged
    expected = float(state_evolution(alpha / (1 + 1 / d), rho, channel, n_tokens).mmse)
    assert error == pytest.approx(expected, rel=0.35, abs=5e-3)


@pytest.mark.slow
def test_scale_of_hardmax_is_that_of_the_prior():
    result, _ = run("hardmax", 1.0, 0.2, d=40)
    assert np.trace(result.S) == pytest.approx(math.sqrt(0.2) * 40)
    # Nothing else could tell it: the labels do not change with the scale of the matrix.
    teacher = AIMTeacher(12, 0.5, 2, "hardmax", rng=0)
    X, y = teacher.sample(200, 1)
    teacher.S = 3 * teacher.S
    np.testing.assert_array_equal(teacher.labels(X), y)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.slow
def test_a_narrow_layer_is_not_surer_than_it_may_be(seed):
    """Where few large eigenvalues make the first steps worse than expected, nothing must stop there."""
    teacher = AIMTeacher(24, 0.1, 2, "hardmax", rng=np.random.default_rng([1, seed]))
    X, y = teacher.sample(8 * 24**2, np.random.default_rng([2, seed]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # slow is allowed, false is not
        result = amp(X, y, teacher.rho, "hardmax")
    # Labels do not tell the scale of the matrix: the distance to the nearest multiple of the truth.
    angle = np.sum(result.S * teacher.S) ** 2 / (np.sum(result.S**2) * np.sum(teacher.S**2))
    error = (1 - angle) * np.sum(result.S**2) / teacher.d
    # A sum of squares over the parameters of a matrix of this rank, but for its scale.
    count = teacher.width * teacher.d - teacher.width * (teacher.width - 1) // 2 - 1
    assert error < stats.chi2.ppf(1 - 1e-6, count) / count * result.mmse


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_tokens", "factor"), [(2, 1e-8), (2, 1e-2), (2, 1.0), (2, 4.0), (3, 1e-2), (3, 1.0)]
)
def test_labels_refuse_an_error_that_is_too_small(n_tokens, factor):
    """Gaussian indices about their predictions, scored as if their variance were another."""
    rng, n, true = np.random.default_rng(n_tokens), 500, 0.04
    channel = HardmaxChannel(n_tokens)

    def gaussian(variance):
        z = rng.standard_normal((n, n_tokens, n_tokens))
        return math.sqrt(variance / 2) * (z + z.transpose(0, 2, 1))

    omega = gaussian(1.0)
    observed = channel.observe(channel.output(omega + gaussian(true)))
    samples = Samples(np.zeros((n, n_tokens, 2)), observed, channel, None)
    error = score(samples, State(np.zeros((2, 2)), factor * true, omega, 0.0), 1.0).error
    if factor >= 1:  # a large one is not refused: the next step corrects it
        assert error == factor * true
        return
    slopes = 0.5 * (samples.half * channel.g_out(observed, omega, true) * omega).sum(axis=(1, 2))
    spread = 1 / math.sqrt(float((slopes**2).sum()))  # of the most likely log V (Cramér, Rao)
    assert math.log(error / true) == pytest.approx(0, abs=5 * spread + 1e-3)


@pytest.mark.slow
def test_single_precision_agrees():
    double, _ = run("softmax", 0.1, d=50)
    single, _ = run("softmax", 0.1, d=50, dtype="float32")
    assert single.S.dtype == np.float32
    np.testing.assert_allclose(single.S, double.S, atol=2e-2)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:gradient descent")
@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
def test_other_precisions_are_taken_as_double(dtype):
    teacher = AIMTeacher(6, 0.5, rng=0)
    X, y = teacher.sample(20, 1)
    X = X.astype(dtype)
    double = X.astype(np.float64)
    assert np.array_equal(amp(X, y, 0.5).S, amp(double, y, 0.5).S)
    runs = [gradient_descent(tokens, y, 3, max_iter=5, rng=0).S for tokens in (X, double)]
    assert np.array_equal(*runs)


def test_response_counts_each_direction_of_a_symmetric_matrix_once():
    """A linear denoiser has the same slope in d (d + 1) / 2 directions; the response is over d^2 / 2."""
    d = 8
    teacher = AIMTeacher(d, 0.5, channel="linear", rng=0)
    X, y = teacher.sample(30, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        result = amp(X, y, Shrinking(), "linear", damping=1.0, max_iter=1)
    assert result.mmse == pytest.approx(result.history["delta"][0] * 0.3 * (1 + 1 / d), rel=1e-9)


def test_it_says_when_it_has_not_converged():
    with pytest.warns(ConvergenceWarning, match="not converged after 3 iterations"):
        result, _ = run("softmax", 0.1, d=30, max_iter=3)
    assert not result.converged and result.n_iter == 3
    assert all(len(values) == 3 for values in result.history.values())


def test_labels_are_checked():
    X = np.random.default_rng(0).standard_normal((20, 2, 6))
    y = np.full((20, 2, 2), 0.5)
    for bad, match in (
        (y + 0.1, "sum"),
        (np.where(np.eye(2), 1.0, 0.0) + 0 * y, "log"),
        (np.full_like(y, math.nan), "finite"),
    ):
        with pytest.raises(ValueError, match=match):
            amp(X, bad, 0.5)
    with pytest.raises(ValueError, match="one-hot"):
        amp(X, y, 0.5, "hardmax")
    with pytest.raises(ValueError, match=r"^y has 19 samples, X has 20$"):
        amp(X, y[:-1], 0.5)


@pytest.mark.parametrize(
    ("shape", "match"),
    [((0, 2, 6), "at least one sample"), ((20, 2, 1), "two dimensions"), ((20, 6), "X must have shape")],
    ids=["no sample", "one dimension", "no tokens"],
)
@pytest.mark.parametrize("channel", ["softmax", "linear", "hardmax"])
def test_tokens_of_no_use(channel, shape, match):
    y = np.broadcast_to(np.eye(2) if channel == "hardmax" else np.full((2, 2), 0.5), (shape[0], 2, 2))
    with pytest.raises(ValueError, match=match):
        amp(np.zeros(shape), y, 0.5, channel)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["repeated", "zero", "equal", "in a plane"])
@pytest.mark.parametrize("channel", ["softmax", "linear"])
def test_dependent_tokens_are_named(monkeypatch, channel, kind, dtype):
    teacher = AIMTeacher(20, 0.5, 3, channel, rng=0)
    X, _ = teacher.sample(40, 1)
    if kind == "repeated":
        X[7, 2] = X[7, 0]
    elif kind == "zero":
        X[7, 1] = 0
    elif kind == "equal":
        X[:] = X[0, 0]
    else:
        X[7, 2] = 0.3 * X[7, 0] + 0.7 * X[7, 1]
    X, y = X.astype(dtype), teacher.labels(X).astype(dtype)
    with pytest.raises(ValueError, match="X must hold linearly independent tokens"):
        amp(X, y, teacher.rho, channel)
    cupy = fake_cupy.install(monkeypatch)  # whose inverses of singular matrices are garbage, and no error
    with pytest.raises(ValueError, match="X must hold linearly independent tokens"):
        amp(cupy.asarray(X), cupy.asarray(y), teacher.rho, channel)
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        result = amp(X, y, teacher.rho, channel, token_covariance=False, max_iter=3)
    assert np.isfinite(result.S).all()


@pytest.mark.parametrize("channel", ["softmax", "linear", "hardmax"])
@pytest.mark.parametrize("tokens", [np.zeros, np.ones], ids=["zeros", "ones"])
def test_tokens_that_teach_nothing_raise_no_numpy_error(channel, tokens):
    teacher = AIMTeacher(10, 0.5, 2, channel, rng=0)
    X = tokens((30, 2, 10))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        result = amp(X, teacher.labels(X), teacher.rho, channel, token_covariance=False, max_iter=5)
    assert np.isfinite(result.S).all() and math.isfinite(result.mmse)


@pytest.mark.parametrize("channel", ["softmax", "linear"])
def test_labels_of_no_symmetric_matrix_are_refused(channel):
    teacher = AIMTeacher(20, 0.5, 3, channel, rng=0)
    X, y = teacher.sample(40, 1)
    y[7, 0] = y[7, 0, [1, 2, 0]]  # the row still sums to 1
    with pytest.raises(ValueError, match=r"symmetric matrix of indices: 1 of 40 .* sample 7"):
        amp(X, y, teacher.rho, channel)


@pytest.mark.slow
@pytest.mark.parametrize(("channel", "n_tokens", "alpha"), AMP_CASES)
def test_it_stays_on_the_device(monkeypatch, channel, n_tokens, alpha):
    d, options = 20, {"max_iter": 12, "tol": 1e-12}
    teacher = AIMTeacher(d, 0.5, n_tokens, channel, rng=1)
    X, y = teacher.sample(round(alpha * d**2), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = amp(X, y, teacher.rho, channel, truth=teacher.S, **options)
        cupy = fake_cupy.install(monkeypatch)
        device = [cupy.asarray(a) for a in (X, y, teacher.S)]
        result = amp(*device[:2], teacher.rho, channel, truth=device[2], **options)
    assert isinstance(result.S, cupy.ndarray)
    # Eigenvalues, and for the sorting of hardmax labels of three tokens the labels and a number a sample.
    assert max(fake_cupy.transfers) <= (len(X) * n_tokens if (channel, n_tokens) == ("hardmax", 3) else d)
    np.testing.assert_allclose(result.S.get(), expected.S, rtol=1e-9, atol=1e-11)
    for name, values in expected.history.items():
        np.testing.assert_allclose(result.history[name], values, rtol=1e-8)
    with pytest.raises(TypeError, match="mixed"):
        amp(device[0], y, teacher.rho, channel)
