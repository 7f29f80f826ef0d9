"""Upper bounds without a logarithm: each step of the proof attacked, and the estimator itself run."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from pairint.model import UniformCube
from pairint.theory import Setting, matrix_lower_bound, split_upper_bound, upper_bound
from pairint.theory.approximation import HolderSum, taylor_error
from pairint.theory.christoffel import largest_squares
from pairint.theory.coercivity import product_density
from pairint.theory.fourth_moment import lower_tail_exponent
from pairint.theory.rates import minimax_exponent
from pairint.theory.splitting import fit_error, modulus, moved_cells
from pairint.theory.upper_known import christoffel_number

SETTING = Setting(
    beta=2.0, n_tokens=3, noise_std=0.5, holder_constant=1.0, d=5, rank=1, score_bound=3.0, sup_bound=1.0
)


def density(u):
    return product_density(u, 3.0)


def uniform(u):
    return np.full_like(u, 1 / 6)


def written_out(bound, setting, odd, support_ratio):
    """The bound of the theorem for the parameters that were returned."""
    n, d, r = setting.n_tokens, setting.d, setting.rank
    taylor = taylor_error(
        bound.n_intervals,
        beta=setting.beta,
        holder_constant=setting.holder_constant,
        score_bound=setting.score_bound,
    )
    tau = bound.accuracy * setting.score_bound / bound.n_intervals
    delta, big = taylor + modulus(tau, setting), 2 * setting.sup_bound + taylor
    b = (delta**2 + setting.sup_bound**2 * bound.dropped) * (1 if odd else n - 1)
    v = (n - 1) / n * setting.noise_std**2 * bound.dimension / bound.n_fit
    zeta = bound.lost
    omega = 3 - 2 / (n - 1) if odd else min(n - 1, 3 + 6 * (n - 1) ** (-2 / 3) + 4 / (n - 1))
    w = omega * big**2 / (n - 1)
    lam = bound.temperature
    c = -math.expm1(-(lam - 2 * lam**2 * setting.noise_std**2 / n) * w) / w
    rate = zeta + (1 - zeta) * math.log(1 - zeta)
    counts = omega if odd else n - 1
    bad = bound.dimension * math.exp(-rate * bound.n_fit / (counts * bound.christoffel))
    first = (math.sqrt((b + v) / (1 - zeta)) + math.sqrt(b)) ** 2
    first += (1 if odd else n - 1) * big**2 * min(1, bad)
    net = 2 * d * r * math.log1p(4 * support_ratio * setting.score_bound / tau)
    return lam / c * first + (n - 1) * net / (c * bound.n_select)


@pytest.mark.slow
@given(
    n_samples=st.integers(2, 10**12),
    beta=st.floats(0.2, 4),
    n_tokens=st.integers(2, 64),
    noise_std=st.floats(0, 3),
    d=st.integers(1, 300),
    odd=st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_the_value_is_the_formula_of_the_theorem(n_samples, beta, n_tokens, noise_std, d, odd):
    setting = replace(SETTING, beta=beta, n_tokens=n_tokens, noise_std=noise_std, d=d)
    bound = split_upper_bound(n_samples, setting, density=density, odd=odd, n_intervals=8)
    assert bound.n_fit + bound.n_select == n_samples
    # A difference of two logarithms near 0 in c: rounding of mu over mu.
    assert bound.value == pytest.approx(written_out(bound, setting, odd, d), rel=1e-9)


@pytest.mark.slow
def test_more_samples_never_hurt_and_more_dimensions_never_help():
    for n_tokens, odd in ((2, True), (3, True), (64, True), (512, True), (3, False)):
        setting = replace(SETTING, n_tokens=n_tokens)
        values = [float(split_upper_bound(10**p, setting, density=density, odd=odd)) for p in (3, 5, 7, 9)]
        assert all(a > b > 0 for a, b in itertools.pairwise(values))
        bounds = [
            split_upper_bound(10**6, replace(setting, d=d), density=density, odd=odd) for d in (1, 30, 300)
        ]
        assert bounds[0].value < bounds[1].value < bounds[2].value


@pytest.mark.slow
@pytest.mark.parametrize("beta", [1.5, 2.0, 3.0])
def test_the_rate_is_reached_without_a_logarithm(beta):
    """Bound times M^(2 beta/(2 beta+1)), the matrix left out, is constant; with a covering it grows.

    Uniform scores: the Christoffel number is proportional to K, and M is large against N kappa log M. Over
    four decades the logarithm of M grows by a factor 1.5, to the power 2 beta/(2 beta + 1) at least 1.35;
    that of a multiple of M by a little less.
    """
    setting = replace(SETTING, beta=beta)
    scaled, covered = [], []
    for m in (10**8, 10**12):
        split = split_upper_bound(m, setting, density=uniform, odd=True)
        cover = upper_bound(m, setting, odd=True)
        rate = m ** minimax_exponent(beta)
        scaled.append((split.value - split.matrix) * rate)
        covered.append((cover.value - cover.matrix) * rate)
    assert scaled[1] < 1.05 * scaled[0]
    assert covered[1] > 1.2 * covered[0]


@pytest.mark.slow
def test_it_beats_the_covering_for_large_samples_and_not_for_small():
    better = [
        split_upper_bound(m, SETTING, density=density, odd=True).value
        < upper_bound(m, SETTING, odd=True).value
        for m in (10**4, 10**7, 10**10)
    ]
    assert better == [False, True, True]


@pytest.mark.slow
def test_it_is_above_the_price_of_the_matrix():
    for m in (10**5, 10**8, 10**11):
        for d in (2, 30):
            setting = replace(SETTING, d=d)
            below = matrix_lower_bound(m, setting, token_bound=(3 * d) ** 0.5, coordinate_bound=3**0.5)
            assert below.value < split_upper_bound(m, setting, density=density, odd=True).value


# The fit: projection on a convex set.


def fits(features, truth, noise, radius):
    """Bounded least squares for every noise, and the noise's share of the linear fit."""
    for eta in noise:
        yield lsq_linear(features, truth + eta, (-radius, radius), tol=1e-14).x


@pytest.mark.slow
@given(seed=st.integers(0, 2**31), n_outputs=st.integers(2, 7), cells=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_bounded_least_squares_given_the_tokens(seed, n_outputs, cells):
    """E |psi|_M^2 <= |e|_M^2 + sigma^2 D / (MN), every sign of the noise enumerated; steps, bounded by 1."""
    rng = np.random.default_rng(seed)
    features = rng.dirichlet(np.full(cells + 1, 0.5), n_outputs)[:, :cells]
    phi0 = rng.uniform(-1, 1, cells)
    e = rng.standard_normal(n_outputs) * rng.uniform(0, 2)
    sigma = rng.uniform(0.1, 3)
    noise = sigma * np.array(list(itertools.product([-1, 1], repeat=n_outputs)))
    size = [
        np.mean((features @ (theta - phi0)) ** 2) for theta in fits(features, features @ phi0 + e, noise, 1.0)
    ]
    bound = np.mean(e**2) + sigma**2 * cells / n_outputs
    assert np.mean(size) <= bound * (1 + 1e-8)


def test_the_noise_of_each_coefficient_counts():
    """Without bounds and bias the fit is linear: equality, and half of the variance is too little."""
    features = np.kron(np.eye(3), np.ones((2, 1)))
    noise = np.array(list(itertools.product([-1, 1], repeat=6)))
    size = [np.mean((features @ theta) ** 2) for theta in fits(features, np.zeros(6), noise, 100.0)]
    assert np.mean(size) == pytest.approx(3 / 6, rel=1e-9)


def test_fit_error_is_minkowski():
    assert fit_error(1.0, 0.0, 0.0) == pytest.approx(4.0)
    assert fit_error(0.0, 2.0, 0.5) == pytest.approx(4.0)
    assert fit_error(1.0, 3.0, 0.0) == pytest.approx(9.0)


@pytest.mark.parametrize("ratio", [2, 3, 10])
@pytest.mark.parametrize("lost", [0.1, 0.5, 0.8])
def test_tail_exponent_for_one_dimension(ratio, lost):
    """Weights 0 and R, R with probability 1/R: the exact chance of a mean below 1 - zeta."""
    for m in (20, 100):
        count = np.arange(m + 1)
        log_binomial = math.lgamma(m + 1) - np.array(
            [math.lgamma(k + 1) + math.lgamma(m - k + 1) for k in count]
        )
        p = 1 / ratio
        weight = np.exp(log_binomial + count * math.log(p) + (m - count) * math.log1p(-p))
        chance = weight[ratio * count / m < 1 - lost].sum()
        assert chance <= math.exp(-lower_tail_exponent(lost) * m / ratio)


def test_tail_exponent_cannot_be_doubled():
    """Large R is Poisson: Cramer's exponent is attained up to a power of M."""
    m, ratio, lost = 10**6, 1000, 0.5
    count = np.arange(int(m / ratio * (1 - lost)) + 1)
    log_weight = -m / ratio + count * math.log(m / ratio) - np.array([math.lgamma(k + 1) for k in count])
    chance = np.exp(log_weight - log_weight.max()).sum() * math.exp(log_weight.max())
    assert (
        math.exp(-2 * lower_tail_exponent(lost) * m / ratio)
        < chance
        < math.exp(-lower_tail_exponent(lost) * m / ratio)
    )


# The net: scores that are a little off.


@given(
    beta=st.floats(0.3, 3.5), seed=st.integers(0, 2**31), size=st.floats(0.2, 3), distance=st.floats(1e-4, 2)
)
@settings(max_examples=40, deadline=None)
def test_modulus_bounds_functions_of_the_class(beta, seed, size, distance):
    rng = np.random.default_rng(seed)
    phi = HolderSum(rng.uniform(-1.5, 1.5, 3), rng.standard_normal(3), beta)
    abar = 1.5
    u = np.linspace(-abar, abar, 1001)
    # The largest value between the points of a grid: Lipschitz on the grid's scale, at most doubled.
    top = float(np.abs(phi(u)).max()) * 1.01 + 1e-3
    setting = Setting(
        beta=beta,
        n_tokens=2,
        noise_std=1,
        holder_constant=phi.holder_constant,
        score_bound=abar,
        sup_bound=top,
    )
    step = np.abs(phi(np.minimum(u + distance, abar)) - phi(u)).max()
    assert step <= modulus(distance, setting) * (1 + 1e-9)


def test_modulus_is_attained_for_rough_functions_and_needs_both_terms_for_smooth_ones():
    for beta in (0.4, 1.0):
        setting = replace(SETTING, beta=beta, holder_constant=0.7)
        assert modulus(0.1, setting) == pytest.approx(0.7 * 0.1**beta)
    # L = 0 would be a line through B and -B: the slope of the polynomial part is needed.
    line = replace(SETTING, beta=2.0, holder_constant=1e-9)
    assert 1 / 3 <= modulus(1.0, line) <= 1 / 3 + 1e-6
    # A kink in the derivative: without the second term the slope is missed.
    bent = replace(SETTING, beta=2.0, holder_constant=100.0, sup_bound=1e-3)
    h = 0.004  # |u|^2 50 <= 1e-3 on [-h, h]
    assert 100 * h <= modulus(1.0, bent)


def pushed(omega, degree, towards):
    """Christoffel numbers of scores that are uniform before somebody moves them by up to omega h."""
    k, per_cell = 4, 40_000
    half = 3.0 / k
    u = -3 + (np.arange(k * per_cell) + 0.5) * 2 * half / per_cell
    centre = -3 + half * (2 * np.floor((u + 3) / (2 * half)) + 1)
    moved = np.clip(u + omega * half * towards((u - centre) / half), -3, 3)
    numbers = []
    for c in -3 + half * (2 * np.arange(k) + 1):
        t = (moved[np.abs(moved - c) <= half] - c) / half
        powers = np.polynomial.legendre.legvander(t, degree)
        numbers.append(powers.T @ powers / (k * per_cell))
    return largest_squares(np.array(numbers))


@pytest.mark.parametrize("degree", [0, 1, 2])
@pytest.mark.parametrize("omega", [0.01, 0.05])
def test_christoffel_numbers_of_scores_that_are_off(omega, degree):
    cells = moved_cells(uniform, n_intervals=4, degree=degree, score_bound=3.0, accuracy=omega)
    adversaries = [np.sign, lambda t: -np.sign(t), np.ones_like, lambda t: np.sign(np.sin(40 * t))]
    for towards in adversaries:
        # The sum over points stands for an integral: off by the share of one point.
        assert np.all(pushed(omega, degree, towards) <= cells.christoffel * (1 + 1e-3))


def test_without_the_room_at_the_ends_the_numbers_are_too_small():
    omega, degree = 0.05, 2
    still = christoffel_number(uniform, n_intervals=4, degree=degree, score_bound=3.0)
    assert pushed(omega, degree, lambda t: -np.sign(t)).max() > 1.05 * still
    assert moved_cells(uniform, n_intervals=4, degree=0, score_bound=3.0, accuracy=omega).mass.sum() > 1.03


def test_scores_that_do_not_move_give_the_number_of_the_known_matrix():
    cells = moved_cells(density, n_intervals=8, degree=1, score_bound=3.0, accuracy=1e-9)
    known = christoffel_number(density, n_intervals=8, degree=1, score_bound=3.0)
    assert cells.christoffel.max() == pytest.approx(known, rel=1e-5)


def test_cells_that_are_never_visited_are_left_out():
    """Scores of modulus at most 2.25 only: of the outer of eight cells a moved score sees a strip."""

    def inside(u):
        return np.where(np.abs(u) < 2.25, 1 / 4.5, 0.0)

    bound = split_upper_bound(10**6, SETTING, density=inside, odd=True, n_intervals=8)
    assert math.isfinite(bound.christoffel)
    assert bound.dropped == pytest.approx(2 * bound.accuracy * 3 / 8 / 4.5, rel=1e-9)
    assert bound.value < 0.1


def test_the_number_of_tokens_disappears():
    """Charged N - 1 times, the Gram matrix of the best bound for 512 tokens would surely be lost."""
    few, many = (
        split_upper_bound(10**6, replace(SETTING, n_tokens=n), density=density, odd=True) for n in (2, 512)
    )
    assert (few.spread, many.spread) == pytest.approx((1, 3 - 2 / 511))
    exponent = lower_tail_exponent(many.lost) * many.n_fit / many.christoffel
    assert many.dimension * math.exp(-exponent / 511) > 1 > 1e3 * many.dimension * math.exp(-exponent / 3)
    # The noise is paid (N - 1)/N times, and the range omega_N times: 2 and 3.
    assert many.value < 6 * few.value < 0.1
    any_function = split_upper_bound(10**6, replace(SETTING, n_tokens=512), density=density, n_intervals=8)
    assert any_function.spread == 511


def test_dropping_cells_cures_high_dimension():
    """On a sphere the density of the score vanishes at the ends to the order (d - 3) / 2 for A = I."""

    def sphere(u):
        power = (30 - 3) / 2
        scale = math.gamma(15) / (math.gamma(14.5) * math.sqrt(math.pi))
        return scale * np.maximum(1 - u**2, 0.0) ** power

    setting = replace(SETTING, score_bound=1.0, d=30, holder_constant=0.2)
    bound = split_upper_bound(10**8, setting, density=sphere, odd=True)
    assert 0 < bound.dropped < 1e-6
    full = christoffel_number(sphere, n_intervals=bound.n_intervals, degree=1, score_bound=1.0)
    assert full > 10**8  # no bound through all cells at this M and K
    assert bound.value < 1e-3


# The estimator of the theorem, run.


def split_estimate(m, bound, setting, phi, rng):
    """Return the error of the estimator of the theorem in dimension one, with odd steps of the score."""
    k, half = bound.n_intervals, setting.score_bound / bound.n_intervals
    X = UniformCube(1).sample(m, 2, rng)[..., 0]
    product = X[:, 0] * X[:, 1]  # N = 2: one score, seen by both tokens
    Y = phi(product)[:, None] + setting.noise_std * rng.choice([-1, 1], (m, 2))
    reach = setting.score_bound / 3.0  # tokens in [-sqrt 3, sqrt 3]
    count = math.ceil(1 / (bound.accuracy / k))
    net = np.linspace(-reach, reach, 2 * count + 1)
    radius = setting.sup_bound + taylor_error(
        k, beta=setting.beta, holder_constant=setting.holder_constant, score_bound=setting.score_bound
    )
    target = Y.mean(axis=1)
    fit = slice(0, bound.n_fit)

    def steps(a, where):
        u = np.clip(a * product[where], -setting.score_bound, setting.score_bound)
        return np.minimum((np.abs(u) / (2 * half)).astype(int), k // 2 - 1), np.sign(u)

    best, risk = None, math.inf
    for a in net:
        cell, sign = steps(a, fit)
        n = np.bincount(cell, minlength=k // 2)
        total = np.bincount(cell, sign * target[fit], minlength=k // 2)
        theta = np.clip(total / np.maximum(n, 1), -radius, radius)
        cell, sign = steps(a, slice(bound.n_fit, None))
        loss = np.mean((target[bound.n_fit :] - sign * theta[cell]) ** 2)
        if loss < risk:
            best, risk = (a, theta), loss
    a, theta = best
    fresh = UniformCube(1).sample(10**5, 2, rng)[..., 0].prod(axis=1)
    u = np.clip(a * fresh, -setting.score_bound, setting.score_bound)
    cell = np.minimum((np.abs(u) / (2 * half)).astype(int), k // 2 - 1)
    return float(np.mean((phi(fresh) - np.sign(u) * theta[cell]) ** 2))


@pytest.mark.slow
def test_the_estimator_of_the_theorem_stays_below_the_bound():
    """tanh(u/2) is Lipschitz with 1/2, bounded by 1; the estimator zero has an error of about 0.17."""
    setting = Setting(
        beta=1.0, n_tokens=2, noise_std=0.3, holder_constant=0.5, d=1, rank=1, score_bound=3.0, sup_bound=1.0
    )
    rng = np.random.default_rng(0)

    def phi(u):
        return np.tanh(u / 2)

    u = UniformCube(1).sample(10**5, 2, rng)[..., 0].prod(axis=1)
    bound = split_upper_bound(30_000, setting, density=density, odd=True, n_intervals=12, support_ratio=1.0)
    errors = [split_estimate(30_000, bound, setting, phi, rng) for _ in range(3)]
    assert 0 < max(errors) < bound.value < np.mean(phi(u) ** 2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"n_samples": 1}, "n_samples must be >= 2"),
        ({"n_intervals": 7}, "n_intervals must be even"),
        ({"density": 0.2}, "density must be a function of the score"),
        ({"density": lambda u: np.ones_like(u)}, "density must have a mass of at most 1"),
        ({"density": lambda u: density(u) / 2}, "as the theorem asks that all scores are there; got 0.49"),
        ({"support_ratio": 0.5}, "support_ratio must be >= 1"),
        ({"odd": 2}, "odd must be"),
        ({"setting": replace(SETTING, sup_bound=math.inf)}, "sup_bound must be finite for split_upper_bound"),
    ],
)
def test_bad_arguments(changed, message):
    arguments = {"n_samples": 1000, "setting": SETTING, "density": density, "n_intervals": 4}
    with pytest.raises((TypeError, ValueError), match=message):
        split_upper_bound(**arguments | changed)
