"""The exact constant: the saddle point, the least informative prior, both bounds, and how they meet."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.special import eval_legendre, jn_zeros, jv

from pairint.model import Sphere
from pairint.theory.pinsker import (
    averaged_basis,
    ball_information,
    filtered_coefficients,
    odd_legendre,
    pinsker_constant,
    pinsker_filter,
    projection_factor,
    sobolev_bounds,
    sobolev_weights,
)
from pairint.theory.rates import parameter_price

COMMON = {"energy": 1.0, "n_tokens": 3, "noise_std": 0.5}


def cosines(n_samples, n_tokens, rng):
    X = Sphere(3).sample(n_samples, n_tokens, rng)
    return np.clip(np.einsum("mia,mja->mij", X, X) / 3, -1.0, 1.0)


# ------------------------------------------------------------------------------------------- the basis


def test_the_basis_is_orthonormal_for_a_uniform_score():
    nodes, weights = np.polynomial.legendre.leggauss(60)
    basis = odd_legendre(nodes, 25)
    # Exact quadrature of polynomials of degree 98; the recursion loses a few digits of 16.
    assert np.allclose(basis * weights / 2 @ basis.T, np.eye(25), atol=1e-12)
    assert np.allclose(basis[6], math.sqrt(27) * eval_legendre(13, nodes), atol=1e-12)
    assert odd_legendre(np.array([1.0]), 25)[:, 0] == pytest.approx(np.sqrt(4 * np.arange(1, 26) - 1))


def test_averages_leave_a_token_with_itself_out():
    scores = cosines(4, 5, np.random.default_rng(0))
    features = averaged_basis(scores, 3)
    for m, i in ((0, 0), (3, 2)):
        others = [scores[m, i, j] for j in range(5) if j != i]
        assert features[:, m, i] == pytest.approx(odd_legendre(np.array(others), 3).mean(axis=1))


@pytest.mark.parametrize("n_tokens", [2, 3, 6])
def test_every_coefficient_is_seen_equally_well(n_tokens):
    """E F F' = I / (N - 1) for tokens on the sphere: within five standard errors (false alarm 1e-5)."""
    F = averaged_basis(cosines(20_000, n_tokens, np.random.default_rng(n_tokens)), 4)
    per_sample = np.einsum("kmi,lmi->mkl", F, F) / n_tokens
    error = 5 * per_sample.std(axis=0) / math.sqrt(len(per_sample))
    distance = np.abs(per_sample.mean(axis=0) - np.eye(4) / (n_tokens - 1))
    assert np.all(distance <= error)
    if n_tokens > 2:  # as if the partners of a token were not averaged, or as if one more were
        assert np.any(np.abs(per_sample.mean(axis=0) - np.eye(4)) > error)
        assert np.any(np.abs(per_sample.mean(axis=0) - np.eye(4) / n_tokens) > error)


def test_the_averaged_basis_is_bounded_as_the_proof_says():
    scores = cosines(500, 3, np.random.default_rng(1))
    scores[0] = 1.0
    for size in (1, 4, 11):
        squares = (averaged_basis(scores, size) ** 2).sum(axis=0)
        assert squares.max() == pytest.approx(size * (2 * size + 1))


# ------------------------------------------------------------------------------------------ the filter


def worst_error(factors, price, beta, energy):
    """Return the largest error of a filter over the ellipsoid: bias in the worst direction, and variance."""
    n = len(factors)
    a = sobolev_weights(n + 1, beta)
    bias = np.append((1 - factors) ** 2, 1.0) / a**2
    return energy * bias.max() + price * np.sum(factors**2)


SETTINGS = [
    (float(10 ** rng.uniform(-7, 0)), float(rng.uniform(0.2, 4)), float(10 ** rng.uniform(-1, 2)))
    for rng in map(np.random.default_rng, range(12))
]


@pytest.mark.parametrize(("price", "beta", "energy"), SETTINGS)
def test_the_filter_and_the_worst_truth_are_a_saddle_point(price, beta, energy):
    best = pinsker_filter(price, beta=beta, energy=energy)
    a = sobolev_weights(best.size + 1, beta)
    rounding = 1e-10 * best.size
    assert best.risk == pytest.approx(price * best.factors.sum(), rel=rounding)
    assert np.sum(a[:-1] ** 2 * best.variances) == pytest.approx(energy, rel=rounding)
    assert np.all(best.factors > 0) and best.cut * a[-1] >= 1
    assert worst_error(best.factors, price, beta, energy) == pytest.approx(best.risk, rel=rounding)
    # Against the worst truth no filter is better; and in the worst case no other is.
    rng = np.random.default_rng(0)
    for scale in (1e-3, 0.03, 0.3):
        other = np.clip(best.factors + scale * rng.standard_normal(best.size), 0, 1)
        error = np.sum((1 - other) ** 2 * best.variances) + price * np.sum(other**2)
        assert error >= best.risk * (1 - rounding)
        assert worst_error(other, price, beta, energy) >= best.risk * (1 - rounding)
    # Random truths of the class, with coefficients beyond the filter.
    for _ in range(20):
        theta = rng.standard_normal(best.size + 5) * rng.exponential(size=best.size + 5) ** 3
        theta *= math.sqrt(energy) / np.linalg.norm(sobolev_weights(best.size + 5, beta) * theta)
        bias = np.sum(((1 - best.factors) * theta[: best.size]) ** 2) + np.sum(theta[best.size :] ** 2)
        assert bias <= best.bias * (1 + rounding)


@pytest.mark.parametrize("beta", [0.3, 1.0, 2.5])
def test_the_constant_is_the_limit(beta):
    """A sum of D terms, monotone and between 0 and 1, against its integral, beta / (beta + 1) D; twice."""
    for price in (1e-5, 1e-8):
        best = pinsker_filter(price, beta=beta, energy=2.0)
        share = 1 / (2 * beta + 1)
        limit = pinsker_constant(beta) * 2.0**share * price ** (2 * beta * share)
        assert best.risk == pytest.approx(limit, rel=2 * (1 + 1 / beta) / best.size)
    # The weights of all degrees, k^beta in place of (2k)^beta: another constant.
    assert best.risk < limit * 4 ** (beta * share) * (1 - 2 * (1 + 1 / beta) / best.size)


@pytest.mark.slow
def test_the_best_cut_off_series_is_worse_by_its_factor():
    price, energy = 1e-12, 1.0
    for beta in (0.5, 1.0, 3.0):
        best = pinsker_filter(price, beta=beta, energy=energy)
        a = sobolev_weights(2 * best.size, beta)
        cut = np.min(price * np.arange(1, len(a)) + energy / a[1:] ** 2)
        assert cut / best.risk == pytest.approx(projection_factor(beta), rel=5 / best.size)
        assert projection_factor(beta) > 1


# ------------------------------------------------------------------------------------------- the prior


def test_zeros_of_bessel_functions():
    assert ball_information(1) == pytest.approx(math.pi**2)
    assert ball_information(3) == pytest.approx(4 * math.pi**2 / 3)
    for n in (2, 4, 10, 60):
        assert ball_information(n) == pytest.approx(4 * jn_zeros(n // 2 - 1, 1)[0] ** 2 / n)
    shares = [ball_information(n) / n for n in (1, 2, 3, 5, 10, 100, 10_000, 10**6)]
    assert all(x > y > 1 for x, y in itertools.pairwise(shares)) and shares[-1] < 1.001


@pytest.mark.parametrize("n", [2, 3, 7])
def test_the_prior_has_this_information(n):
    """4 int |grad f|^2 / n over the unit ball, f radial, by differences and a fine grid."""
    zero = math.sqrt(ball_information(n) * n / 4)
    r = np.linspace(0, 1, 20_001)[1:]
    f = r ** (1 - n / 2) * jv(n / 2 - 1, zero * r)
    assert abs(f[-1]) < 1e-9 and np.all(f[:-1] > 0)
    middle = (r[1:] + r[:-1]) / 2
    slope = np.diff(f) / np.diff(r)
    information = 4 * np.sum(slope**2 * middle ** (n - 1)) / np.sum(f**2 * r ** (n - 1)) / n
    assert information == pytest.approx(ball_information(n), rel=2e-3)


def test_one_coefficient_against_the_exact_bayes_risk():
    """Prior cos^2 on [-1, 1], one Gaussian observation: van Trees is below, and not with the 4 left out."""
    theta = np.linspace(-1, 1, 801)[1:-1]
    prior = np.cos(math.pi * theta / 2) ** 2
    prior /= prior.sum()
    for price in (0.02, 0.2, 2.0):
        spread = 1 + 8 * math.sqrt(price)
        z = np.linspace(-spread, spread, 4001)
        joint = prior[:, None] * np.exp(-((z - theta[:, None]) ** 2) / (2 * price))
        mean = (theta @ joint) / joint.sum(axis=0)
        risk = np.sum(joint * (theta[:, None] - mean) ** 2) / joint.sum()
        assert 1 / (1 / price + ball_information(1)) <= risk
        assert 1 / (1 / price + ball_information(1) / 4) > risk


# ------------------------------------------------------------------------------------------ the bounds


def lower_bound_by_hand(blocks, price, beta, energy):
    """Return the formula for blocks whose energies are those of the proof."""
    size = sum(blocks)
    a = sobolev_weights(size + 1, beta)
    profile = a[:size] * (a[size] - a[:size])
    total, start = 0.0, 0
    for n in blocks:
        k = slice(start, start + n)
        q = energy * profile[k].sum() / profile.sum()
        total += np.sum(1 / (1 / price + a[k] ** 2 * ball_information(n) / q))
        start += n
    return total


@pytest.mark.slow
@pytest.mark.parametrize("beta", [0.3, 0.6, 1.0, 2.0, 4.0])
def test_bounds_are_in_order(beta):
    """Below the filter's risk, which is attained if the Gram matrix is I, and above it."""
    for n_samples in (1, 10, 10**3, 10**5, 10**8):
        for n_tokens in (2, 5, 64):
            bound = sobolev_bounds(n_samples, beta=beta, energy=3.0, n_tokens=n_tokens, noise_std=0.7)
            price = 0.49 * (n_tokens - 1) / (n_samples * n_tokens)
            assert 0 < bound.lower <= bound.linear * (1 + 1e-12)
            assert bound.lower <= bound.upper <= 3.0 / 2**beta
            assert bound.upper >= min(bound.linear, 3.0 / 2**beta) * (1 - 1e-12)
            assert bound.lower == pytest.approx(lower_bound_by_hand(bound.blocks, price, beta, 3.0))
            assert (bound.threshold is None) == (bound.upper == 3.0 / 2**beta)


def test_a_prior_that_says_less_than_possible_is_found_out():
    """A quarter of the information, or a Gaussian that fills the ball: above the risk of an estimator."""
    price, beta = 1e-9, 1.0
    best = pinsker_filter(price, beta=beta, energy=1.0)
    a = sobolev_weights(best.size + 1, beta)
    profile = a[:-1] * (a[-1] - a[:-1])
    energies = profile / profile.sum()
    sum_with = {
        factor: np.sum(1 / (1 / price + a[:-1] ** 2 * factor / energies)) / best.risk for factor in (0.25, 1)
    }
    assert sum_with[0.25] > 1.1
    assert sum_with[1] == pytest.approx(1, abs=2 / best.size)


def upper_bound_by_hand(bound, n_samples, n_tokens, beta, energy, noise_std):
    """Return the formula of the text at the threshold of the bound, minimised over the other level."""
    price = parameter_price(n_samples, n_tokens=n_tokens, noise_std=noise_std)
    best = pinsker_filter(price, beta=beta, energy=energy)
    leverage = best.size * (2 * best.size + 1) / (n_tokens - 1)
    delta = math.sqrt((leverage + (n_tokens - 2) / (n_tokens - 1) * (best.size + 2)) / n_samples)

    def chance(level):
        return best.size * math.exp(-(1 - level + level * math.log(level)) / delta**2)

    least = bound.threshold
    values = [
        best.cut**2 * energy * (1 + delta / least) ** 2
        + price * np.sum(best.factors**2) * (1 / level + chance(level) / least)
        + energy / 2**beta * chance(least)
        for level in np.linspace(least, 1, 4000, endpoint=False)
    ]
    return min(values)


@pytest.mark.parametrize(("n_samples", "beta"), [(10**4, 2.0), (10**6, 2.0), (10**9, 1.0), (10**12, 1.0)])
def test_the_upper_bound_is_that_of_the_text(n_samples, beta):
    bound = sobolev_bounds(n_samples, beta=beta, **COMMON)
    by_hand = upper_bound_by_hand(bound, n_samples, 3, beta, 1.0, 0.5)
    # Two grids of the level: 120 points towards 1 on a logarithmic scale, 4000 on a linear one.
    assert bound.upper == pytest.approx(by_hand, rel=0.01)


@pytest.mark.parametrize("beta", [1.0, 2.0, 4.0])
def test_the_corridor_closes(beta):
    ratios = []
    for n_samples in (10**6, 10**8, 10**10, 10**12, 10**15):
        bound = sobolev_bounds(n_samples, beta=beta, **COMMON)
        ratios.append(bound.upper / bound.lower)
    assert all(x >= y > 1 for x, y in itertools.pairwise(ratios))
    assert ratios[-1] < 1.15
    # Sums of D terms against integrals.
    assert bound.linear == pytest.approx(bound.limit, rel=1 / bound.n_coefficients)


def test_tokens_enter_through_the_price_alone_from_below():
    pairs = sobolev_bounds(10**5, beta=1.0, energy=1.0, n_tokens=2, noise_std=0.5)
    more = sobolev_bounds(10**5 * 8 * 7 // 14, beta=1.0, energy=1.0, n_tokens=8, noise_std=0.5 * 2)
    # sigma^2 (N - 1) / (M N): 1/8 over 1e5, and 7/8 over 4e5.
    assert parameter_price(10**5, n_tokens=2, noise_std=0.5) == pytest.approx(1.25e-6)
    assert parameter_price(4 * 10**5, n_tokens=8, noise_std=1.0) == pytest.approx(2.1875e-6)
    assert more.lower / pairs.lower == pytest.approx((2.1875 / 1.25) ** (2 / 3), rel=0.02)


# -------------------------------------------------------------------------------------- the estimator


def simulated_errors(n_samples, n_tokens, noise_std, beta, repetitions, seed=0):
    """Return errors of the theorem's estimator for truths on the boundary of the class, each a mean of 8."""
    rng = np.random.default_rng(seed)
    best = pinsker_filter(
        parameter_price(n_samples, n_tokens=n_tokens, noise_std=noise_std), beta=beta, energy=1.0
    )
    size = best.size
    a = sobolev_weights(size + 1, beta)
    errors = []
    for repetition in range(repetitions):
        if repetition % 2:
            theta = np.append(rng.choice([-1, 1], size) * np.sqrt(best.variances), 0.0)
        else:
            theta = np.eye(1, size + 1, size * (repetition % 4 // 2))[0] / a
        F = averaged_basis(cosines(n_samples, n_tokens, rng), size + 1).reshape(size + 1, -1)
        Y = (theta @ F)[:, None] + noise_std * rng.standard_normal((F.shape[1], 8))
        scale = (n_tokens - 1) / F.shape[1]
        found = filtered_coefficients(scale * F[:size] @ F[:size].T, scale * F[:size] @ Y, best.factors)
        errors.append(np.sum((found.T - theta[:size]) ** 2) / 8 + theta[size] ** 2)
    return np.array(errors), best


@pytest.mark.slow
@pytest.mark.parametrize("n_tokens", [2, 3, 8])
def test_measured_errors_lie_between_the_bounds_and_on_the_constant(n_tokens):
    n_samples = 5000
    errors, best = simulated_errors(n_samples, n_tokens, 0.5, 2.0, 80)
    bound = sobolev_bounds(n_samples, beta=2.0, energy=1.0, n_tokens=n_tokens, noise_std=0.5)
    mean, error = errors.mean(), errors.std() / math.sqrt(len(errors))
    assert bound.lower < mean - 3 * error and mean + 3 * error < bound.upper
    # E G^-1 exceeds I by about the mean of F'F over M: D (N - 1) / M and fourth moments, less than D^2 N / M.
    excess = best.size**2 * n_tokens / n_samples
    assert mean == pytest.approx(best.risk, abs=5 * error + excess * best.risk)


@pytest.mark.slow
def test_what_the_tail_adds_is_bounded():
    """E |v_e|^2 <= delta^2 ||e||^2, for tails of one coefficient and of many."""
    rng = np.random.default_rng(0)
    size, n_samples = 5, 50
    for n_tokens in (2, 3, 6):
        # The last is as large as possible at the end of the interval, where the basis is largest too.
        for tail in (np.eye(1, 10)[0], rng.standard_normal(10), np.sqrt(4 * np.arange(6, 16) - 1)):
            squares = []
            for _ in range(200):
                F = averaged_basis(cosines(n_samples, n_tokens, rng), size + 10).reshape(size + 10, -1)
                vector = (n_tokens - 1) / F.shape[1] * F[:size] @ (tail @ F[size:])
                squares.append(vector @ vector)
            leverage = size * (2 * size + 1) / (n_tokens - 1)
            delta2 = (leverage + (n_tokens - 2) / (n_tokens - 1) * (size + 2)) / n_samples
            error = np.std(squares) / math.sqrt(len(squares))
            assert np.mean(squares) - 5 * error <= delta2 * (tail @ tail)


@pytest.mark.slow
@pytest.mark.parametrize("n_tokens", [2, 3, 12, 40])
def test_second_moment_of_a_gram_matrix_falls_with_the_context(n_tokens):
    """E Z^2 at most kappa/n + (1 - 1/n)(D + 2): in each direction, at five standard errors.

    The directions: the largest polynomial at the end of the interval, the first and the last coefficient.
    The bound is one of E |z|^2 <z, a>^2, which without kappa/n would be false for two tokens, and without
    one of the two pairings beside D for forty.
    """
    size, n = 5, n_tokens - 1
    rng = np.random.default_rng(n_tokens)
    end = np.sqrt(4 * np.arange(1, size + 1) - 1)
    directions = np.stack([end / np.linalg.norm(end), np.eye(size)[0], np.eye(size)[-1]])
    z = math.sqrt(n) * averaged_basis(cosines(80_000 // n_tokens, n_tokens, rng), size)
    along = np.einsum("ksi,dk->dsi", z, directions)
    moved = np.einsum("ksi,dsi->dks", z, along) / n_tokens
    fourth = ((z**2).sum(axis=0) * along**2).mean(axis=2)
    assert np.all((moved**2).sum(axis=1).mean(axis=1) <= fourth.mean(axis=1))  # squaring is convex
    mean, error = fourth.mean(axis=1), fourth.std(axis=1) / math.sqrt(fourth.shape[1])
    leverage, rest = size * (2 * size + 1) / n, (n - 1) / n
    assert np.all(mean - 5 * error <= leverage + rest * (size + 2))
    if n_tokens == 2:
        assert mean[0] - 5 * error[0] > size + 2
    if n_tokens == 40:
        assert mean[0] - 5 * error[0] > rest * (size + 1)


@pytest.mark.slow
def test_a_long_context_is_no_obstacle():
    """The range N - 1 of the Gram matrix made the bound empty; now it is within a third of its limit."""
    bounds = [
        sobolev_bounds(10**8, beta=1.0, energy=1.0, n_tokens=n, noise_std=0.5) for n in (2, 64, 10**4, 10**6)
    ]
    ratios = [bound.upper / bound.limit for bound in bounds]
    assert all(x > y for x, y in itertools.pairwise(ratios)) and ratios[-1] < 4 / 3
    rough = sobolev_bounds(10**10, beta=0.4, energy=1.0, n_tokens=10**7, noise_std=0.5)
    assert rough.upper / rough.limit < 4 / 3


def test_the_supremum_of_the_basis_is_needed_there():
    """N = 2, a tail that is large at the ends: the mean of |psi|^2 e^2 by quadrature, far above D ||e||^2."""
    nodes, weights = np.polynomial.legendre.leggauss(60)
    basis = odd_legendre(nodes, 15)
    tail = np.sqrt(4 * np.arange(6, 16) - 1)
    mean = np.sum(weights / 2 * np.sum(basis[:5] ** 2, axis=0) * (tail @ basis[5:]) ** 2)
    assert 3 * 5 * (tail @ tail) < mean < 5 * 11 * (tail @ tail)


def test_filtered_least_squares():
    rng = np.random.default_rng(3)
    F = averaged_basis(cosines(300, 3, rng), 4).reshape(4, -1)
    gram = 2 / F.shape[1] * F @ F.T
    theta = rng.standard_normal((4, 2))
    found = filtered_coefficients(gram, gram @ theta, np.ones(4))
    assert found == pytest.approx(theta, rel=1e-9)
    factors = np.array([1, 0.5, 0.25, 0.1])
    assert filtered_coefficients(gram, gram @ theta[:, 0], factors) == pytest.approx(
        factors * theta[:, 0], rel=1e-9
    )
    least = np.linalg.eigvalsh(gram)[0]
    assert 0.1 < least < 1
    assert not filtered_coefficients(gram, gram @ theta, factors, least * 1.001).any()
    assert filtered_coefficients(gram, gram @ theta, factors, least * 0.999).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": 0.0}, "beta must be > 0"),
        ({"beta": 101.0}, "beta must be > 0 and <= 100"),
        ({"energy": 0.0}, "energy"),
        ({"n_tokens": 1}, "n_tokens"),
        ({"noise_std": 0.0}, "noise_std"),
        ({"noise_std": 1e-12, "beta": 0.5}, "energy / price must leave at most 10,000,000"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        sobolev_bounds(1000, **{"beta": 1.0, **COMMON} | change)


def test_bad_arrays():
    with pytest.raises(ValueError, match="scores must have shape"):
        averaged_basis(np.zeros((3, 2, 4)), 2)
    with pytest.raises(ValueError, match="number of tokens"):
        averaged_basis(np.zeros((3, 1, 1)), 2)
    with pytest.raises(ValueError, match="moments must have shape"):
        filtered_coefficients(np.eye(3), np.zeros(2), np.ones(3))
    with pytest.raises(ValueError, match="gram must have shape"):
        filtered_coefficients(np.eye(2), np.zeros(3), np.ones(3))
    with pytest.raises(ValueError, match="threshold"):
        filtered_coefficients(np.eye(3), np.zeros(3), np.ones(3), 0.0)


def test_numbers_of_narrow_types_are_numbers():
    """Sizes beyond an integer of eight bits occur on the way; fractions meet floating point there."""
    wide = sobolev_bounds(100, beta=1.0, energy=1.0, n_tokens=2, noise_std=1.0)
    narrow = sobolev_bounds(
        np.int8(100), beta=np.float32(1), energy=Fraction(1), n_tokens=np.int8(2), noise_std=1
    )
    assert (narrow.lower, narrow.upper) == (wide.lower, wide.upper)
