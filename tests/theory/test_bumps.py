"""The hypotheses of the lower bounds lie in the class, and fill it."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate

from pairint.theory.bumps import BumpFamily, SplineFamily, tall_profile
from pairint.theory.rates import holder_degree

BETAS = (0.3, 1.0, 1.4, 2.0, 2.6, 3.0, 4.5, 7.0, 10.0)


def tall(beta, n_bumps, *, radius=1.0, interval=(0.3, 2.0), odd=False, zero_mean=False):
    return BumpFamily(
        beta=beta,
        holder_constant=radius,
        n_bumps=n_bumps,
        interval=interval,
        odd=odd,
        zero_mean=zero_mean,
        shape="tall",
    )


def largest_ratio(f, family, beta, rng):
    """Largest |f^(k)(x) - f^(k)(y)| / |x - y|^(beta - k), over random pairs and over pairs around knots."""
    k, reach = holder_degree(beta), family.interval[1] + 0.2
    x = rng.uniform(-reach, reach, 6000)
    y = np.concatenate([rng.uniform(-reach, reach, 3000), x[3000:] + rng.normal(size=3000) * family.width])
    step = family.width * 10 ** rng.uniform(-3, -0.3, 40)
    ends = np.repeat(family.knots, 40)
    x = np.concatenate([x, ends + np.tile(step, len(family.knots))])
    y = np.concatenate([y, ends - np.tile(step, len(family.knots))])
    return np.max(np.abs(f.derivative(x, k) - f.derivative(y, k)) / np.abs(x - y) ** (beta - k))


@pytest.mark.slow
@given(
    beta=st.floats(0.2, 8.0),
    n_bumps=st.integers(1, 12),
    odd=st.booleans(),
    zero_mean=st.booleans(),
    extreme=st.booleans(),
    begins_at_zero=st.booleans(),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_sums_of_tall_bumps_are_in_the_class(beta, n_bumps, odd, zero_mean, extreme, begins_at_zero, seed):
    rng = np.random.default_rng(seed)
    interval = (0.0 if begins_at_zero else 0.3, 2.0)
    family = tall(beta, n_bumps, radius=0.7, interval=interval, odd=odd, zero_mean=zero_mean)
    word = rng.choice([-1.0, 1.0], n_bumps) if extreme else rng.uniform(-1, 1, n_bumps)
    # Pairs are at least 1e-3 of a width apart: rounding of the integrals is far below 1e-7 there.
    assert largest_ratio(family.activation(word), family, beta, rng) <= 0.7 * (1 + 1e-7)


@pytest.mark.parametrize("beta", BETAS)
def test_the_class_is_used_up(beta):
    """Neighbours of opposite signs (equal ones for even k): a bump 1 % taller would leave the class."""
    for word in ([1.0, -1.0, 1.0], [1.0, 1.0, 1.0]):
        family = tall(beta, 3)
        ratio = largest_ratio(family.activation(word), family, beta, np.random.default_rng(0))
        if ratio > 0.995:
            break
    assert 0.995 < ratio <= 1 + 1e-7


def test_words_in_signs_leave_the_class_with_smooth_bumps():
    """The Omega of one sign is not enough for two: what the tall bump pays, the smooth one must pay too."""
    family = BumpFamily(beta=0.3, holder_constant=1.0, n_bumps=2, interval=(0.0, 2.0))
    ratio = largest_ratio(family.activation([1.0, -1.0]), family, 0.3, np.random.default_rng(0))
    assert ratio > 1.2


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("zero_mean", [False, True])
def test_a_tall_bump_is_k_times_integrable_to_zero(beta, zero_mean):
    """Each derivative is the integral of the next, and all below beta vanish at both ends."""
    profile, k = tall_profile(beta, zero_mean), holder_degree(beta)
    grid = np.linspace(-0.5, 0.5, 20_001)
    for order in range(k + 1):
        values = profile.evaluate(grid, order)
        scale = np.abs(values).max()
        assert np.abs(values[[0, -1]]).max() <= 1e-9 * scale
        if order < k:
            slope = profile.evaluate(grid, order + 1)
            grown = integrate.cumulative_trapezoid(slope, grid, initial=0.0)
            # The trapezoidal rule: step^(1 + alpha) times the length, per unit of the largest slope.
            allowed = (grid[1] - grid[0]) * np.abs(slope).max() + 1e-9 * scale
            assert np.abs(grown - values).max() <= allowed
    mean = integrate.trapezoid(profile.evaluate(grid, 0), grid)
    assert (abs(mean) < 1e-7 * profile.sup) == zero_mean
    # Between two points of the grid the bump rises by less than this.
    step = grid[1] - grid[0]
    rise = step**beta if k == 0 else step * np.abs(profile.evaluate(grid, 1)).max()
    assert -1e-12 * profile.sup <= profile.sup - np.abs(profile.evaluate(grid, 0)).max() <= rise
    square = integrate.trapezoid(profile.evaluate(grid, 0) ** 2, grid)
    assert profile.squared_norm == pytest.approx(square, rel=1e-4 if beta < 0.5 else 1e-7)


def test_the_bump_of_smoothness_two_in_rational_arithmetic():
    """Second derivative +1, -1, -1, +1 on quarters; energy 23/15360, height 1/16."""

    def exact(t):
        y = Fraction(1, 2) - abs(t)
        return y**2 / 2 if y <= Fraction(1, 4) else Fraction(1, 16) - (Fraction(1, 2) - y) ** 2 / 2

    profile = tall_profile(2.0)
    for numerator in range(-50, 51):
        t = Fraction(numerator, 100)
        assert profile.evaluate(float(t), 0) == pytest.approx(float(exact(t)), abs=1e-17)
    assert profile.squared_norm == pytest.approx(23 / 15360, rel=1e-14)
    assert profile.sup == 1 / 16
    assert tall_profile(1.0).squared_norm == pytest.approx(1 / 12, rel=1e-14)


@pytest.mark.parametrize("beta", [1, 2, 3, 5, 8])
def test_integer_smoothness_gives_the_perfect_spline(beta):
    """The derivative of order beta changes sign at Chebyshev's points, and nowhere else."""
    profile = tall_profile(float(beta))
    knots = np.cos(np.pi * np.arange(beta + 1, -1, -1) / (beta + 1)) / 2
    middles = (knots[:-1] + knots[1:]) / 2
    step = 1e-3 * np.diff(knots)
    last = [profile.evaluate(middles + sign * step, beta - 1) for sign in (1, -1)]
    np.testing.assert_allclose((last[0] - last[1]) / (2 * step), (-1.0) ** np.arange(beta + 1), rtol=1e-8)


@pytest.mark.parametrize("beta", [0.3, 1.0, 2.0, 3.5])
def test_tall_bumps_have_more_energy_than_smooth_ones(beta):
    """For both signs. The proof of optimality for beta <= 1: b(x) + b(y) <= L (x + y)^beta across an end."""
    smooth = BumpFamily(beta=beta, holder_constant=1.0, n_bumps=3, interval=(0, 2.0), odd=True)
    ratio = tall(beta, 3, interval=(0, 2.0), odd=True).squared_norm / smooth.squared_norm
    assert ratio > 1
    if beta == 2.0:
        # (23 / 15360) / (128 / 315 / 32^2)
        assert ratio == pytest.approx(23 / 15360 * 315 * 1024 / 128, rel=1e-12)


def test_energies_of_tall_bumps_by_quadrature():
    for beta in (0.4, 1.5, 2.0):
        family = tall(beta, 3, odd=True)
        bump = family.activation([0.0, 1.0, 0.0])
        half = family.interval[0] + family.width * 1.5
        points = [family.interval[0] + family.width, half, family.interval[0] + 2 * family.width]

        def integrand(u, bump=bump):
            return 2 * float(bump(np.array(u))) ** 2 * 0.1 * math.exp(-u)

        energy = integrate.quad(integrand, points[0], points[2], points=[half], limit=200)[0]
        energies = family.energies(lambda u: 0.1 * np.exp(-np.abs(u)))
        assert energies[1] == pytest.approx(energy, rel=1e-7)


def spline(beta, n_bumps, *, sup_bound=math.inf, odd=True, radius=0.6, interval=None):
    return SplineFamily(
        beta=beta,
        holder_constant=radius,
        sup_bound=sup_bound,
        n_bumps=n_bumps,
        interval=interval or ((0.0, 3.0) if odd else (-3.0, 3.0)),
        odd=odd,
        score_bound=3.0,
    )


@pytest.mark.parametrize("beta", [2, 3, 4, 6])
@pytest.mark.parametrize("odd", [True, False])
@pytest.mark.parametrize("n_bumps", [1, 2, 7])
@pytest.mark.parametrize("interval", [None, (0.0, 2.0), (0.7, 2.5)])
def test_splines_are_in_the_class(beta, odd, n_bumps, interval):
    """|phi^(beta)| <= L if and only if all differences of order beta are at most L step^beta."""
    rng = np.random.default_rng(beta)
    family, largest = spline(beta, n_bumps, odd=odd, interval=interval), 0.0
    for _ in range(10):
        f = family.activation(rng.choice([-1.0, 1.0], n_bumps))
        step = 10 ** rng.uniform(-1.5, math.log10(6 / beta), 300)
        u = rng.uniform(-3, 3 - beta * step)
        difference = sum((-1) ** (beta - j) * math.comb(beta, j) * f(u + j * step) for j in range(beta + 1))
        largest = max(largest, np.max(np.abs(difference) / step**beta))
    # Rounding: 2^beta values of size L 5^beta / beta!, over the smallest step^beta.
    rounding = 2**beta * 0.6 * 5**beta / math.factorial(beta) * 1e-15 / 10 ** (-1.5 * beta)
    assert 0.6 * 0.9 < largest <= 0.6 + rounding


def test_odd_splines_are_odd_and_bounded():
    family = spline(3, 5, sup_bound=0.25)
    rng = np.random.default_rng(0)
    u = np.linspace(-3, 3, 1001)
    largest = 0.0
    for word in [np.ones(5), *rng.choice([-1.0, 1.0], (20, 5))]:
        f = family.activation(word)(u)
        np.testing.assert_allclose(f, -f[::-1], atol=1e-15)
        largest = max(largest, np.abs(f).max())
    assert largest == pytest.approx(0.25, rel=1e-12)


@pytest.mark.parametrize(("odd", "interval"), [(True, (0.5, 1.0)), (False, (1.0, 2.0))])
def test_splines_stay_bounded_where_no_cell_is(odd, interval):
    """Beyond the cells they go on as polynomials: B must hold up to the score bound."""
    family = spline(2, 3, sup_bound=0.25, odd=odd, interval=interval)
    u = np.linspace(-3, 3, 1001)
    words = np.array(list(itertools.product([-1.0, 1.0], repeat=3)))
    largest = np.abs(family.basis(u) @ words.T).max()
    assert 0.02 < largest <= 0.25
    # Mutated: bounded on the cells only, they leave the class.
    narrow = SplineFamily(beta=2, holder_constant=0.6, sup_bound=0.05, n_bumps=3, interval=interval, odd=odd)
    assert np.abs(narrow.basis(u) @ words.T).max() > 0.05


def test_gram_matrix_of_splines_by_quadrature():
    for odd in (True, False):
        family = spline(2, 4, odd=odd)
        gram = family.gram(lambda u: 0.1 * np.exp(-np.abs(u)))
        ends = np.linspace(-3, 3, 9)
        for i, j in ((0, 0), (1, 3), (2, 2)):

            def integrand(u, i=i, j=j, family=family):
                row = family.basis(np.array([u]))[0]
                return row[i] * row[j] * 0.1 * math.exp(-abs(u))

            parts = [integrate.quad(integrand, a, b)[0] for a, b in itertools.pairwise(ends)]
            assert gram[i, j] == pytest.approx(sum(parts), rel=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tall_profile(0.0), "beta must be > 0"),
        (lambda: tall_profile(11.0), "beta must be"),
        (lambda: spline(1, 3), "beta must be"),
        (lambda: spline(2, 0), "n_bumps must be >= 1"),
        (lambda: spline(2, 1, interval=(-0.1, 1.0)), "interval.0. must be >= 0"),
        (
            lambda: BumpFamily(beta=1.0, holder_constant=1.0, n_bumps=1, interval=(0, 1), shape="flat"),
            "shape must be one of",
        ),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
