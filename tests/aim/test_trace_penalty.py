"""Weight decay: the minimiser by its conditions and by training; its theory by identities and minimisers."""

import math
import warnings

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq, minimize
from sklearn.exceptions import ConvergenceWarning

from pairint.aim import (
    AIMTeacher,
    AtomicPrior,
    NoisySpectrum,
    SemicirclePrior,
    UntiedPrior,
    WishartPrior,
    exact_recovery_threshold,
    make_channel,
    state_evolution,
    student_error,
    trace_penalised,
    weight_decay,
    weight_decay_threshold,
)
from pairint.aim.gradient_descent import loss_and_gradient
from pairint.aim.indices import adjoint, indices
from pairint.aim.trace_penalty import Copy, shrunk

PROJECTOR = AtomicPrior([0.0, 1.0], [0.6, 0.4])


@pytest.mark.parametrize(
    ("delta", "threshold"), [(0.1, 0.3), (1.0, 2.0), (0.01, 0.1), (1.0, -5.0), (0.1, 9.0)]
)
def test_integrals_with_a_kink(delta, threshold):
    """Against adaptive quadrature of the density from the kink on."""
    law, prior = NoisySpectrum(0.5, delta), WishartPrior(0.5)
    x, best, weights = prior.quadrature(delta)

    def integral(g):
        pieces = [(max(low, threshold), high) for low, high in law.edges if high > threshold]
        return sum(
            quad(lambda u: g(u) * float(law.density(u)), *piece, epsabs=1e-11, epsrel=1e-10, limit=300)[0]
            for piece in pieces
        )

    def f(u):
        return float(law.denoise(np.array([u]))[0])

    found = shrunk(prior, delta, threshold)
    nothing = prior.error(delta) + float(weights @ best**2)  # of no estimate
    over = [
        lambda u: (u - threshold) * (u - threshold - 2 * f(u)),
        lambda u: u - threshold,
        lambda u: 1.0,
        lambda u: (u - threshold) * (u - f(u)) / delta,
    ]
    expected = np.array([integral(g) for g in over])
    np.testing.assert_allclose([found.error - nothing, *found[1:]], expected, atol=1e-8)
    if 0 < threshold < 5:  # the rule alone does not see the kink
        assert abs(float(weights[x > threshold].sum()) - found.rank) > 1e-4


def test_shrinking_as_a_student():
    """Where nothing is cut, the shrunk copy is a student's: error and response by their own formulas."""
    found = shrunk(WishartPrior(0.5), 0.1, -3.0)

    class Shifted(SemicirclePrior):
        def denoise(self, eigenvalues, delta):
            return eigenvalues + 3.0

    expected = student_error(0.5, Shifted(), 0.1)
    assert found.error == pytest.approx(expected.error, rel=1e-9)
    assert found.response == pytest.approx(1.0, rel=1e-9) and found.rank == pytest.approx(1.0, rel=1e-9)


def nested(rate, prior, decay, noise):
    """Solve the equations the other way round, with two roots: a noise for each strength, then the strength.

    The threshold is ``t sqrt(delta)``; the decay that belongs to t grows with it.
    """

    def noise_at(t):
        def excess(log_delta):
            delta = math.exp(log_delta)
            return math.log((shrunk(prior, delta, t * math.sqrt(delta)).error + noise) / (rate * delta))

        high = math.log((prior.second_moment + noise) / rate)
        while excess(high) > 0:
            high += 1.0
            if high > 60:
                return math.inf
        low = high
        while excess(low) <= 0:
            low -= 1.0
            if low < -30:
                return 0.0
        return math.exp(brentq(excess, low, high, xtol=1e-13))

    def misfit(t):
        delta = noise_at(t)
        if delta in (0.0, math.inf):
            return -1.0
        return t * math.sqrt(delta) * (rate - shrunk(prior, delta, t * math.sqrt(delta)).response) - decay

    high = 1.0
    while misfit(high) < 0:
        high *= 2
    t = brentq(misfit, 0.0, high, xtol=1e-12)
    delta = noise_at(t)
    found = shrunk(prior, delta, t * math.sqrt(delta))
    return found.error, found.trace, found.rank, delta, t * math.sqrt(delta), found.response


LAWS = {
    "Wishart": WishartPrior(0.5),
    "projector": PROJECTOR,
    "signs": AtomicPrior([-1.0, 1.0], [0.5, 0.5]),
    "semicircle": SemicirclePrior(),
}


@pytest.mark.parametrize(
    ("law", "alpha", "decay", "noise"),
    [
        ("Wishart", 0.1, 1e-3, 0.0),
        ("Wishart", 0.6, 0.1, 0.2),
        ("projector", 0.1, 0.1, 0.0),
        ("signs", 0.03, 2.0, 0.2),
        ("semicircle", 0.2, 0.1, 0.2),
        pytest.param("projector", 0.2, 1e-2, 0.0, marks=pytest.mark.slow),
    ],
)
def test_the_equations_solved_the_other_way_round(law, alpha, decay, noise):
    prior = LAWS[law]
    found = weight_decay(alpha, prior, decay, "linear", noise=noise)
    expected = nested(6 * alpha, prior, decay, noise)
    here = found.error, found.trace, found.rank, found.delta, found.threshold, found.response
    np.testing.assert_allclose(here, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("law", LAWS)
def test_one_threshold_for_each_decay(law):
    """The response falls as the threshold rises, by minus what of x - f lies beyond it over the noise."""
    for delta in (1e-2, 1.0):
        copy = Copy.of(LAWS[law], delta)
        thresholds = np.linspace(copy.x[0], copy.x[-1], 41)
        response = np.array([copy.shrunk(t).response for t in thresholds])
        # Between the bulks of a law the slope is constant, and not zero.
        assert (np.diff(response) < 1e-9).all() and response[-1] < 1e-3 < response[0]
        h = 1e-3 * math.sqrt(delta)
        for t in thresholds[5:-5:6]:
            slope = (copy.shrunk(t + h).response - copy.shrunk(t - h).response) / (2 * h)
            beyond = copy.x > t
            expected = -float(copy.weights[beyond] @ (copy.x - copy.best)[beyond]) / delta
            # The rule that stops at a node misses up to half of one, here beside a slope of order one.
            node = float(copy.weights.max()) * float(abs(copy.x - copy.best).max()) / delta
            assert slope == pytest.approx(expected, abs=node + 1e-5)
        for decay in (0.0, 0.1, 3.0):
            t = copy.threshold(0.3, decay)
            assert t * (0.3 - copy.shrunk(t).response) == pytest.approx(decay, abs=1e-12)
    assert Copy.of(LAWS[law], 1.0).threshold(1.0, 0.0) == 0.0  # more equations than directions


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(("alpha", "decay", "noise"), [(0.05, 0.0, 0.0), (0.12, 0.01, 0.0), (0.3, 0.1, 0.5)])
def test_one_noise_reproduces_itself(law, alpha, decay, noise):
    """Observed: over twelve decades the noise is raised below the solution, and reduced above it."""
    prior, rate = LAWS[law], 6 * alpha
    solution = float(weight_decay(alpha, prior, decay, "linear", noise=noise).delta)
    for factor in np.geomspace(1e-3, 1e3, 25):
        copy = Copy.of(prior, factor * solution)
        raised = (copy.shrunk(copy.threshold(rate, decay)).error + noise) / rate > copy.delta
        assert raised == (factor < 1) or factor == pytest.approx(1)


def test_a_point_takes_few_laws():
    """A law of many pieces takes milliseconds: one at each step of one root, none within it.

    Doubling steps bracket a noise between 1e-10 and 1 in six; the root of a smooth function takes a dozen.
    """

    class Counted(AtomicPrior):
        asked = 0

        def quadrature(self, delta):
            self.asked += 1
            return super().quadrature(delta)

    prior = Counted([0.0, 1.0], [0.6, 0.4])
    for alpha, decay in ((0.1, 0.1), (0.1, 0.0), (0.2, 1e-3), (0.6, 0.2)):
        prior.asked = 0
        weight_decay(alpha, prior, decay, "linear")
        assert 0 < prior.asked <= 40


@pytest.mark.parametrize("kind", ["linear", "softmax"])
@pytest.mark.parametrize("truth", [0.5, PROJECTOR], ids=["Wishart", "projector"])
@pytest.mark.parametrize(("alpha", "decay", "noise"), [(0.1, 0.1, 0.0), (0.1, 0.5, 0.3), (0.6, 0.2, 0.1)])
def test_slope_of_the_minimum_is_the_trace(kind, truth, alpha, decay, noise):
    """The envelope theorem ties loss, trace, error and response together, which do not know of it."""
    h = 1e-3 * decay
    ends = [weight_decay(alpha, truth, decay + step, kind, noise=noise) for step in (-h, h)]
    low, high = (float(end.loss + end.decay * end.trace) for end in ends)
    here = weight_decay(alpha, truth, decay, kind, noise=noise)
    # The difference quotient is off by h^2 times a third derivative of order trace / decay^2.
    assert (high - low) / (2 * h) == pytest.approx(float(here.trace), rel=1e-5)
    # Without the Onsager term in the decay the identity fails.
    wrong = [float(end.loss + end.threshold * alpha * 6 * end.trace) for end in ends]
    strengths = [float(end.threshold) * alpha * 6 for end in ends]
    assert abs((wrong[1] - wrong[0]) / (strengths[1] - strengths[0]) / float(here.trace) - 1) > 1e-2


def test_limits():
    found = weight_decay(0.1, 0.5, [0.0, 1e-4, 1e3], "linear")
    assert found.response[0] == pytest.approx(0.6, rel=1e-9)  # as many directions as equations
    assert found.error[1] == pytest.approx(found.error[0], rel=1e-3)
    assert found.error[2] == pytest.approx(1.5) and found.rank[2] == 0  # nothing is learned
    # Many labels, no decay, noise: positivity alone; the equations fit what their number allows.
    many = weight_decay(2.0, 0.5, 0.0, "linear", noise=0.5)
    assert many.threshold == 0 and many.loss > 0
    assert many.delta == pytest.approx((many.error + 0.5) / 12, rel=1e-9)
    # Never better than the best.
    for alpha in (0.05, 0.1):
        errors = weight_decay(alpha, 0.5, np.geomspace(1e-3, 3, 8), "linear").error
        assert errors.min() > float(state_evolution(alpha, 0.5, "linear").mmse)


def test_equal_worth_equal_theory():
    """Linear and softmax labels of two tokens differ by what a label is worth, 6 and 4."""
    one, other = weight_decay(0.1, 0.5, 0.1, "linear"), weight_decay(0.15, 0.5, 0.1, "softmax")
    assert one.error == pytest.approx(float(other.error), rel=1e-9)


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9])
def test_threshold(rho):
    threshold = weight_decay_threshold(rho, "linear")
    assert exact_recovery_threshold(rho, "linear") < threshold < 1 / 6
    assert weight_decay(1.01 * threshold, rho, 0.0, "linear").error == 0
    assert weight_decay(0.98 * threshold, rho, 0.0, "linear").error > 1e-6
    assert weight_decay_threshold(rho) == pytest.approx(1.5 * threshold)  # softmax: 4 for 6
    # The minimum over strengths of what is left at small noise, by quadrature.
    strengths = np.linspace(0, 2 * math.sqrt(1 - rho), 200)
    left = np.array([shrunk(WishartPrior(rho), 1e-6, t * 1e-3).error / 1e-6 for t in strengths])
    # Below the limit by the order of the root of the noise; above by what the grid misses, with M'' <= 4.
    assert 6 * threshold - 4e-3 < left.min() <= 6 * threshold + 4 * (strengths[1] / 2) ** 2 / 2
    assert left[-1] > left.min() + 1e-3


@pytest.mark.parametrize("rho", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("law", ["Wishart", "projector", "three atoms"])
def test_what_is_left_is_at_most_the_limit(law, rho):
    """Error over noise is at most M(t), for any law of this rank and any noise; M by quadrature here."""
    prior = {
        "Wishart": WishartPrior(rho),
        "projector": AtomicPrior([0.0, 1.0], [1 - rho, rho]),
        "three atoms": AtomicPrior([0.0, 0.2, 3.0], [1 - rho, rho / 2, rho / 2]),
    }[law]
    p = 1 - rho
    for t in (0.3, 1.0, 1.7):
        outside = 0.0
        if t < 2 * math.sqrt(p):
            outside = quad(
                lambda y, t=t: (y - t) ** 2 * math.sqrt(4 * p - y * y) / (2 * math.pi), t, 2 * math.sqrt(p)
            )[0]
        limit = 2 * rho - rho**2 + rho * t * t + outside
        found = [
            shrunk(prior, delta, t * math.sqrt(delta)).error / delta for delta in np.geomspace(1e-5, 1e2, 8)
        ]
        assert max(found) < limit + 1e-9
        assert found[0] > limit - 0.1  # and near it where the noise is weak


@pytest.mark.parametrize("noise", [0.0, 1e-6, 0.3])
@pytest.mark.parametrize("truth", [0.5, 1.0, SemicirclePrior()], ids=repr)
def test_solutions_solve_the_equations(truth, noise):
    for alpha in (0.05, 0.5, 2.0, 100.0):
        for decay in (1e-3, 1.0, 1e3):
            found = weight_decay(alpha, truth, decay, "linear", noise=noise)
            spare = 6 * alpha - found.response
            assert found.threshold * spare == pytest.approx(decay, rel=1e-6)
            assert found.delta * 6 * alpha == pytest.approx(found.error + noise, rel=1e-6)


def test_nearly_recovered():
    """The error falls like the square of the decay, and the rank is not that of the truth."""
    first, second = weight_decay(0.2, 0.5, [1e-4, 2e-4], "linear").error
    assert second / first == pytest.approx(4, rel=1e-2)  # up to the order of the decay
    limit = weight_decay(0.2, 0.5, 0.0, "linear")
    assert limit.error == 0 and 0.5 < limit.rank < 0.6
    assert weight_decay(0.2, 0.5, 1e-4, "linear").rank == pytest.approx(float(limit.rank), abs=1e-3)
    # A truth with negative eigenvalues is never recovered: half of it is lost.
    assert weight_decay(100.0, SemicirclePrior(), 0.0, "linear").error == pytest.approx(0.5, rel=1e-2)


def test_thresholds_of_wide_and_narrow_layers():
    assert 6 * weight_decay_threshold(1.0, "linear") == pytest.approx(1.0)
    assert 6 * weight_decay_threshold(3.0, "linear") == 1.0
    factor = [6 * weight_decay_threshold(rho, "linear") / (2 * rho) for rho in (1e-5, 1e-6, 1e-7)]
    missing = np.log(3 - np.array(factor))
    assert 3 > factor[-1] > factor[0] > 2.9
    # The exponent tends to 2/5 like rho^(2/5) itself.
    assert np.diff(missing) / np.log(0.1) == pytest.approx([0.4, 0.4], abs=0.01)


@pytest.fixture(scope="module", params=["linear", "softmax"])
def problem(request):
    teacher = AIMTeacher(16, 0.5, channel=request.param, rng=0)
    X, y = teacher.sample(40, 1)
    return request.param, X, y, trace_penalised(X, y, 0.2, request.param, tol=1e-8)


class TestTheMinimiser:
    def test_conditions_of_a_minimum(self, problem):
        """J, computed here, is what is said, and is less nowhere near."""
        kind, X, y, found = problem
        d = X.shape[2]

        def value(S):
            loss = loss_and_gradient(root(S), X, y, kind, loss="equations")[0]
            return loss / 2 + 0.2 * np.trace(S)

        def root(S):  # of the layer that has this matrix
            values, vectors = np.linalg.eigh(S)
            return vectors * np.sqrt(np.maximum(values, 0) * d)

        assert found.converged and found.violation <= 1e-8
        assert value(found.S) / d == pytest.approx(found.objective, rel=1e-9)
        rng = np.random.default_rng(2)
        for size in (1e-3, 1e-1, 1.0):
            for _ in range(5):
                W = root(found.S) + size * rng.standard_normal((d, d))
                assert value(W @ W.T / d) > value(found.S)

    @pytest.mark.parametrize("width", [16, 24])
    def test_training_finds_it(self, problem, width):
        kind, X, y, found = problem
        d = X.shape[2]

        def objective(flat):
            W = flat.reshape(d, width)
            loss, gradient = loss_and_gradient(W, X, y, kind, loss="equations")
            scale = 0.2 / math.sqrt(width * d)
            return loss / 2 + scale * (W**2).sum(), (gradient / 2 + 2 * scale * W).ravel()

        options = {"maxiter": 5000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 1e-9}
        for seed in range(2):
            start = np.random.default_rng(seed).standard_normal(d * width)
            trained = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
            # The minimum is degenerate where eigenvalues of W vanish: its value is known best.
            assert trained.fun / d == pytest.approx(found.objective, rel=1e-6)
            W = trained.x.reshape(d, width)
            assert np.linalg.norm(W @ W.T / math.sqrt(width * d) - found.S) < 1e-2 * np.linalg.norm(found.S)

    def test_a_narrow_layer_cannot_hold_it(self, problem):
        kind, X, y, found = problem
        d = X.shape[2]

        def objective(flat):
            W = flat.reshape(d, 1)
            loss, gradient = loss_and_gradient(W, X, y, kind, loss="equations")
            scale = 0.2 / math.sqrt(d)
            return loss / 2 + scale * (W**2).sum(), (gradient / 2 + 2 * scale * W).ravel()

        start = np.random.default_rng(0).standard_normal(d)
        trained = minimize(objective, start, jac=True, method="L-BFGS-B")
        assert trained.fun / d > 1.05 * found.objective

    def test_nothing_beyond_the_largest_eigenvalue(self, problem):
        kind, X, y, _ = problem
        d = X.shape[2]
        residual = make_channel(kind).observe(y)
        if kind == "softmax":  # up to a constant of the sample
            residual = residual - residual.mean(axis=(1, 2), keepdims=True)
        edge = float(np.linalg.eigvalsh(adjoint(X, residual))[-1]) / d
        assert not trace_penalised(X, y, 1.001 * edge, kind).S.any()
        assert np.linalg.matrix_rank(trace_penalised(X, y, 0.99 * edge, kind).S, tol=1e-6) >= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "alpha", "decay", "noise"),
    [("linear", 0.1, 0.1, 0.0), ("softmax", 0.15, 0.1, 0.0), ("linear", 0.1, 0.4, 0.3)],
)
def test_minimisers_against_the_theory(kind, alpha, decay, noise):
    """Two sizes, carried on to infinite d: what is left of order 1/d cancels."""
    theory = weight_decay(alpha, PROJECTOR, decay, kind, noise=noise)
    means, errors = [], []
    for d, count in ((20, 40), (40, 16)):
        ratios = []
        for seed in range(count):
            rng = np.random.default_rng([4, seed])
            teacher = AIMTeacher(d, PROJECTOR, channel=kind, rng=np.random.default_rng([3, seed]))
            X, y = teacher.sample(round(alpha * (1 + 1 / d) * d * d), rng)
            if noise:  # symmetric, of variance one and twice that on the diagonal
                error = rng.standard_normal(y.shape)
                y = y + math.sqrt(noise / 2) * (error + error.swapaxes(1, 2))
            found = trace_penalised(X, y, decay, kind, tol=1e-3)
            measured = teacher.error(found.S), found.loss, np.trace(found.S) / d
            ratios.append(np.divide(measured, [theory.error, theory.loss, theory.trace]))
        means.append(np.mean(ratios, axis=0))
        errors.append(np.std(ratios, axis=0, ddof=1) / math.sqrt(count))
    carried = 2 * means[1] - means[0]
    allowed = 4 * np.sqrt(4 * errors[1] ** 2 + errors[0] ** 2)
    assert (np.abs(carried - 1) < allowed).all(), (carried, allowed)
    assert (allowed < 0.25).all()  # the test is sharp


def test_loss_of_the_minimiser():
    """The residuals at the minimiser, computed here."""
    teacher = AIMTeacher(12, 0.5, channel="linear", rng=0)
    X, y = teacher.sample(30, 1)
    found = trace_penalised(X, y, 0.1, "linear")
    assert found.loss == pytest.approx(((y - indices(X, found.S)) ** 2).sum() / (2 * 144), rel=1e-12)
    assert found.objective == pytest.approx(found.loss + 0.1 * np.trace(found.S) / 12, rel=1e-12)


class TestMistakes:
    def test_arguments(self):
        with pytest.raises(ValueError, match="channel must be linear in the indices"):
            weight_decay(0.1, 0.5, 0.1, "hardmax")
        with pytest.raises(ValueError, match=r"alpha must hold numbers in \[1e-6, 1e6\]"):
            weight_decay(0.0, 0.5, 0.1)
        with pytest.raises(ValueError, match=r"decay must hold numbers in \[0, 1e6\]"):
            weight_decay(0.1, 0.5, -0.1)
        with pytest.raises(ValueError, match="alpha and decay must have shapes that broadcast"):
            weight_decay([0.1, 0.2], 0.5, [0.1, 0.2, 0.3])
        with pytest.raises(ValueError, match="alpha and n_tokens must give at most 1000 equations"):
            weight_decay(1e3, 0.5, 0.1)
        with pytest.raises(ValueError, match="truth must be a symmetric layer"):
            weight_decay(0.1, UntiedPrior(0.5), 0.1)
        with pytest.raises(ValueError, match="truth must be"):
            weight_decay(0.1, math.inf, 0.1)
        with pytest.raises(ValueError, match="rho must be > 0"):
            weight_decay_threshold(0.0)

    def test_data(self):
        teacher = AIMTeacher(6, 0.5, rng=0)
        X, y = teacher.sample(5, 1)
        with pytest.raises(ValueError, match="channel must be softmax or linear"):
            trace_penalised(X, y, 0.1, "hardmax")
        with pytest.raises(ValueError, match="X has 2 tokens per sample, the channel expects 3"):
            trace_penalised(X, y, 0.1, make_channel("softmax", 3))
        with pytest.raises(ValueError, match="y has 4 samples, X has 5"):
            trace_penalised(X, y[:4], 0.1)
        with pytest.raises(ValueError, match="decay must be > 0"):
            trace_penalised(X, y, 0.0)
        with pytest.raises(ValueError, match="rows sum to 1"):
            trace_penalised(X, 2 * y, 0.1)
        with pytest.warns(ConvergenceWarning, match="not converged after 2 steps"):
            trace_penalised(X, y, 0.1, max_iter=2)

    def test_one_dimension_and_one_sample(self):
        """A number: the minimum by hand."""
        X, y = np.array([[[2.0], [1.0]]]), np.zeros((1, 2, 2))
        h = np.array([[3.0, 2.0], [2.0, 0.0]])  # of S = 1: squares less one, and products
        y[0] = 5 * h
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = trace_penalised(X, y, 2.0, "linear", tol=1e-10)
        assert pytest.approx(np.array([[5 - 2 / 17]]), rel=1e-8) == found.S
