"""Exact samples of the posterior: against quadrature, against the prior, and what is refused."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from pairint.aim.channels import SoftmaxChannel, make_channel
from pairint.aim.indices import indices
from pairint.aim.posterior import (
    conditioned_weights,
    hardmax_weights,
    label_equations,
    posterior_weights,
)
from pairint.aim.teacher import AIMTeacher


def standard_error(values, blocks=40):
    """Return that of the mean of a chain, from means of blocks."""
    means = values[: len(values) // blocks * blocks].reshape(blocks, -1).mean(axis=1)
    return means.std(ddof=1) / math.sqrt(blocks)


def centred(values):
    """Say whether independent numbers may have mean zero: Student's t, one false alarm in ten thousand."""
    values = np.array(values)
    limit = stats.t.ppf(1 - 0.5e-4, len(values) - 1)
    return bool(abs(values.mean()) < limit * values.std(ddof=1) / math.sqrt(len(values)))


@pytest.mark.slow
@pytest.mark.parametrize(
    "A", [np.diag([1.0, 4.0]), np.array([[4.0, 0.5], [0.5, 0.6]])], ids=["axes", "turned"]
)
def test_a_point_on_an_ellipse(A):
    """Two Gaussian numbers given one equation: by an integral over the angle, not by a chain.

    With w = r(t) (cos t, sin t) the density of the angle is exp(-r^2/2) r^2, the volume of the shell
    between b and b + db; without the co-area factor it is exp(-r^2/2) times the length of the curve.
    """
    b = 2.0

    def radius(t):
        u = np.array([np.cos(t), np.sin(t)])
        return math.sqrt(b / (u @ A @ u))

    def length(t):
        ahead, behind = ((radius(s) * np.array([np.cos(s), np.sin(s)])) for s in (t + 1e-5, t - 1e-5))
        return float(np.linalg.norm(ahead - behind)) / 2e-5

    def mean_square(weight):
        bottom = quad(weight, 0, 2 * np.pi)[0]
        return quad(lambda t: weight(t) * (radius(t) * np.cos(t)) ** 2, 0, 2 * np.pi)[0] / bottom

    expected = mean_square(lambda t: math.exp(-(radius(t) ** 2) / 2) * radius(t) ** 2)
    without = mean_square(lambda t: math.exp(-(radius(t) ** 2) / 2) * length(t))
    chain = conditioned_weights(A[None], [b], [[1.0], [0.5]], n_draws=3000, step=0.4, n_steps=4, rng=0)
    squares = chain.weights[:, 0, 0] ** 2
    error = standard_error(squares)
    assert abs(squares.mean() - expected) < 4 * error
    assert abs(without - expected) > 6 * error  # what a chain without the factor would give
    assert chain.residual < 1e-9 and chain.acceptance > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("size", [1e-7, 1.0])
def test_tiny_weights_are_told_apart(size):
    """On a tiny ellipse the prior is flat: the mean of w_1^2 is half of its largest value.

    Steps are as long as the short axis. Were a step "retraced" that comes back to another solution, or an
    equation "solved" whose terms are smaller than the tolerance, the chain would have another law.
    """
    b = 2e-2 * size**2  # small enough that exp(-|w|^2 / 2) is one to a percent also at size one
    start = math.sqrt(b / 2) * np.array([[1.0], [1 / 3]])
    chain = conditioned_weights(
        np.diag([1.0, 9.0])[None], [b], start, n_draws=3000, step=0.03 * size, n_steps=3, rng=0
    )
    assert chain.residual < 1e-9 * b
    assert 0.3 < chain.acceptance < 0.9  # some steps are refused
    squares = chain.weights[:, 0, 0] ** 2 / b
    assert abs(squares.mean() - 0.5) < 4 * standard_error(squares) + 0.01


@pytest.mark.slow
def test_a_chain_from_the_truth_stays_a_draw_of_the_prior():
    """Over many problems: the mean of |W|^2 is after fifteen trajectories as at the start; W has moved.

    Geweke's test of the joint law. Without the force of the determinant in the rule of Metropolis, or with a
    weight that is wrong by a factor, the norm drifts.
    """
    d, r, n = 4, 2, 2
    norms, moved = [], []
    for seed in range(150):
        teacher = AIMTeacher(d, r / d, channel="softmax", rng=seed)
        X, y = teacher.sample(n, 1000 + seed)
        W = posterior_weights(X, y, teacher.W, n_draws=1, thin=15, step=0.3, n_steps=3, rng=seed).weights[0]
        norms.append((W**2).sum() - (teacher.W**2).sum())
        moved.append(((W - teacher.W) ** 2).sum())
    norms = np.array(norms)
    assert np.mean(moved) > 0.5 * d * r
    assert centred(norms)


def nearer(first, second, truth):
    """Return a number between -1 and 1, positive if the first is nearer to the truth."""
    first, second = ((matrix - truth) ** 2 for matrix in (first, second))
    return (second.sum() - first.sum()) / (second.sum() + first.sum())


@pytest.mark.slow
def test_two_chains_agree_and_the_truth_is_one_draw():
    """From the truth and from elsewhere; and the mean is as far from the truth as the draws spread.

    A chain that remembers its start is nearer to the truth if that was its start. Problem by problem the
    difference is then positive, however slowly the means settle; else its sign is a matter of chance.
    """
    left, remembered, stuck = [], [], []
    for seed in range(12):
        teacher = AIMTeacher(6, 0.5, rng=seed)
        X, y = teacher.sample(5, 200 + seed)
        start = np.random.default_rng(1000 + seed).standard_normal(teacher.W.shape)
        options = {"n_draws": 200, "step": 0.3, "n_steps": 4}
        chains = [posterior_weights(X, y, W, rng=k, **options) for k, W in enumerate((teacher.W, start))]
        first, second = (chain.matrices[60:] for chain in chains)
        spread = (first.var(axis=0).sum() + second.var(axis=0).sum()) / 2
        left.append(((first.mean(axis=0) - teacher.S) * (second.mean(axis=0) - teacher.S)).sum() - spread)
        remembered.append(nearer(first.mean(axis=0), second.mean(axis=0), teacher.S))
        slow = {"n_draws": 1, "step": 1e-3, "n_steps": 1}
        first, second = (posterior_weights(X, y, W, rng=0, **slow).matrices[0] for W in (teacher.W, start))
        stuck.append(nearer(first, second, teacher.S))
    assert centred(left)
    assert centred(remembered)
    assert not centred(stuck)  # chains that have not moved do remember


@pytest.mark.parametrize("n_tokens", [2, 3])
@pytest.mark.parametrize("channel", ["softmax", "linear"])
def test_equations_hold_for_the_truth_and_for_nothing_else(channel, n_tokens):
    teacher = AIMTeacher(6, 0.5, n_tokens, channel, rng=0)
    X, y = teacher.sample(7, 1)
    A, b = label_equations(X, y, channel)
    count = n_tokens * (n_tokens + 1) // 2 - (channel == "softmax")
    assert A.shape == (7 * count, 6, 6) and np.linalg.matrix_rank(A.reshape(len(A), -1)) == min(len(A), 21)
    np.testing.assert_allclose(np.einsum("iab,ab->i", A, teacher.S), b, atol=1e-11)
    other = np.eye(6)
    assert np.abs(np.einsum("iab,ab->i", A, other) - b).max() > 0.1
    # A matrix that solves them has the labels.
    chain = posterior_weights(X[:2], y[:2], teacher.W, channel, n_draws=3, thin=5, rng=2)
    same = make_channel(channel, n_tokens).output(indices(X[:2], chain.matrices[-1]))
    np.testing.assert_allclose(same, y[:2], atol=1e-8)
    assert np.abs(chain.matrices[-1] - teacher.S).max() > 0.1


def test_same_seed_same_chain():
    teacher = AIMTeacher(5, 0.5, rng=0)
    X, y = teacher.sample(2, 1)
    first, second, other = (posterior_weights(X, y, teacher.W, n_draws=5, rng=s).weights for s in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0.01


def problem(n=3):
    teacher = AIMTeacher(5, 0.5, rng=0)
    return *teacher.sample(n, 1), teacher.W


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_draws": 0}, "n_draws must be >= 1"),
        ({"thin": 0}, "thin must be >= 1"),
        ({"step": 0.0}, "step must be > 0"),
        ({"n_steps": 0}, "n_steps must be >= 1"),
        ({"start": np.ones((4, 2))}, "start must have shape"),
        ({"channel": "hardmax"}, "channel must be softmax or linear"),
        ({"y": np.full((2, 2, 2), 0.5)}, "y has 2 samples, X has 3"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_input(change, message):
    X, y, W = problem()
    with pytest.raises(ValueError, match=message):
        posterior_weights(**({"X": X, "y": y, "start": W} | change))


def test_more_equations_than_freedom_is_refused():
    X, y, W = problem(12)
    with pytest.raises(ValueError, match="fewer than the weights have freedom"):
        posterior_weights(X, y, W)


def test_equations_without_a_solution_are_refused():
    with pytest.raises(ValueError, match=r"no solution of the equations|must be independent"):
        conditioned_weights(np.eye(3)[None], [-1.0], np.ones((3, 1)))
    with pytest.raises(ValueError, match="symmetric"):
        conditioned_weights(np.triu(np.ones((1, 3, 3))), [1.0], np.ones((3, 1)))


def test_logarithms_give_the_same_equations():
    X, y, _ = problem()
    channel = SoftmaxChannel(2, log_labels=True)
    np.testing.assert_allclose(
        label_equations(X, np.log(y), channel)[1], label_equations(X, y)[1], atol=1e-12
    )


def hardmax_problems(k, d=3, rho=0.67, n=4):
    teachers = [AIMTeacher(d, rho, channel="hardmax", rng=seed) for seed in range(k)]
    X, y = map(np.array, zip(*(t.sample(n, 500 + s) for s, t in enumerate(teachers)), strict=True))
    return teachers, X, y


def test_draws_have_the_hardmax_labels():
    teachers, X, y = hardmax_problems(5)
    start = np.array([t.W for t in teachers])
    draws = hardmax_weights(X, y, start, n_draws=4, thin=20, rng=0)
    assert np.abs(draws[-1] - start).max() > 0.3
    for weights in draws:
        for teacher, tokens, labels, W in zip(teachers, X, y, weights, strict=True):
            S = W @ W.T / math.sqrt(W.size)
            np.testing.assert_array_equal(teacher.channel.output(indices(tokens, S)), labels)


def test_slices_are_the_prior_cut_to_the_labels():
    """Against rejection: draws of the prior, of which those with the labels are kept."""
    teachers, X, y = hardmax_problems(1, n=2)
    chain = hardmax_weights(X, y, teachers[0].W[None], n_draws=6000, thin=1, rng=1)[:, 0]
    rng = np.random.default_rng(2)
    W = rng.standard_normal((60_000, *teachers[0].W.shape))
    S = W @ W.swapaxes(1, 2)
    h = np.einsum("ntd,kde,nse->knts", X[0], S, X[0]) - np.trace(S, axis1=1, axis2=2)[
        :, None, None, None
    ] * np.eye(2)
    kept = (h.argmax(axis=-1) == y[0].argmax(axis=-1)).all(axis=(1, 2))
    assert kept.sum() > 1000
    for f in (lambda W: (W @ W.swapaxes(1, 2))[:, 0, 1], lambda W: (W @ W.swapaxes(1, 2))[:, 2, 2]):
        exact, ours = f(W[kept]), f(chain)
        error = math.hypot(standard_error(ours), exact.std() / math.sqrt(len(exact)))
        assert abs(ours.mean() - exact.mean()) < 4 * error
    off = (W @ W.swapaxes(1, 2))[:, 0, 1]  # the labels tell something: this mean is zero without them
    assert abs(off[kept].mean()) > 5 * off.std() / math.sqrt(kept.sum())


def test_hardmax_starts_must_have_the_labels():
    teachers, X, y = hardmax_problems(2)
    start = np.array([t.W for t in teachers])
    with pytest.raises(ValueError, match="weights that have the labels"):
        hardmax_weights(X, y, -start[::-1] + 3, rng=0)
    with pytest.raises(ValueError, match="start must have shape"):
        hardmax_weights(X, y, start[:1], rng=0)
