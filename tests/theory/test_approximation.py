import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairint.theory import approximation as ap
from pairint.theory.rates import holder_degree


@st.composite
def holder_functions(draw):
    beta = draw(st.floats(0.3, 4.0))
    n_terms = draw(st.integers(1, 6))
    centres = draw(st.lists(st.floats(-2, 2), min_size=n_terms, max_size=n_terms))
    weights = draw(st.lists(st.floats(-3, 3), min_size=n_terms, max_size=n_terms))
    return ap.HolderSum(centres, weights, beta)


@pytest.mark.slow
@given(holder_functions(), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_taylor_constant_bounds_the_best_uniform_error(f, n_intervals):
    best = ap.best_uniform_error(
        f, n_intervals=n_intervals, degree=holder_degree(f.beta), score_bound=2.0, n_points=30
    )
    if f.holder_constant > 1e-100:  # smaller ones are refused
        bound = ap.taylor_error(n_intervals, beta=f.beta, holder_constant=f.holder_constant, score_bound=2.0)
        assert best <= bound * (1 + 1e-6) + 1e-9


@pytest.mark.slow
@given(holder_functions(), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_best_pieces_obey_their_bound(f, n_intervals):
    best = ap.best_uniform_error(
        f, n_intervals=n_intervals, degree=holder_degree(f.beta), score_bound=2.0, n_points=30
    )
    if f.holder_constant > 1e-100:  # smaller ones are refused
        bound = ap.pieces_error(n_intervals, beta=f.beta, holder_constant=f.holder_constant, score_bound=2.0)
        assert best <= bound * (1 + 1e-6) + 1e-9
        assert bound <= ap.taylor_error(
            n_intervals, beta=f.beta, holder_constant=f.holder_constant, score_bound=2.0
        ) * (1 + 1e-12)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0, 3.0, 4.0])
def test_constant_of_the_best_pieces_is_sharp(beta):
    """Where it is claimed to be: no factor below 1 would do. One power, and all of the cell on its right."""
    f = ap.HolderSum([-1.0], [1.0], beta)
    best = ap.best_uniform_error(f, n_intervals=1, degree=holder_degree(beta), score_bound=1.0, n_points=400)
    bound = ap.pieces_error(1, beta=beta, holder_constant=1.0, score_bound=1.0)
    # 400 Chebyshev points miss an extremum of a polynomial of degree 4 by at most (4 pi / 800)^2 / 2.
    assert bound * (1 - 2e-4) < best <= bound * (1 + 1e-6)


@given(holder_functions(), st.integers(1, 12), st.integers(0, 2))
@settings(max_examples=60, deadline=None)
def test_continuous_interpolant_obeys_its_bound(f, n_intervals, extra):
    degree = max(1, holder_degree(f.beta)) + extra
    p = ap.spline_interpolant(f, n_intervals=n_intervals, degree=degree, score_bound=2.0)
    u = np.linspace(-2, 2, 1501)
    error = np.abs(p(u) - f(u)).max()
    if f.holder_constant > 1e-100:  # smaller ones are refused
        bound = ap.spline_error(
            n_intervals, beta=f.beta, holder_constant=f.holder_constant, score_bound=2.0, degree=degree
        )
        assert error <= bound * (1 + 1e-9) + 1e-12


@pytest.mark.parametrize("beta", [0.5, 1.0])
def test_constant_is_sharp_below_smoothness_one(beta):
    # The best constant misses a monotone function by half of its range.
    f = ap.HolderSum([-2.0], [1.0], beta)
    best = ap.best_uniform_error(f, n_intervals=1, degree=0, score_bound=2.0)
    assert best == pytest.approx(0.5 * 4.0**beta, rel=1e-6)
    bound = ap.taylor_error(1, beta=beta, holder_constant=1.0, score_bound=2.0)
    assert 0.7 * bound < best <= bound * (1 + 1e-9)


def test_taylor_remainder_is_sharp_for_one_power():
    # u_+^beta at distance x from its own centre: the Taylor polynomial there is zero.
    f = ap.HolderSum([0.0], [1.0], 2.5)
    assert f(0.8) == pytest.approx(ap.taylor_error(1, beta=2.5, holder_constant=1.0, score_bound=0.8))


@pytest.mark.parametrize("beta", [0.5, 1.5, 2.0, 3.7])
def test_constant_is_attained_by_a_one_sided_power_not_by_a_two_sided_one(beta):
    """c |u|^1.5 = c (u_+^1.5 + (-u)_+^1.5) has the same Taylor error but sqrt(2) times the radius."""
    one_sided = ap.HolderSum([0.3], [1.0], beta)
    assert one_sided.holder_constant == 1
    assert one_sided.radius_on_grid(-2, 2) == pytest.approx(1, rel=1e-9)
    slope = lambda u: np.sign(u) * np.abs(u) ** 0.5  # noqa: E731  derivative of c |u|^1.5
    assert (slope(0.7) - slope(-0.7)) / 1.4**0.5 == pytest.approx(np.sqrt(2))


@given(holder_functions())
@settings(max_examples=60, deadline=None)
def test_holder_constant_is_a_radius_and_at_most_the_sum_of_moduli(f):
    assert f.radius_on_grid(-4, 4, 200) <= f.holder_constant * (1 + 1e-6) + 1e-9
    assert f.holder_constant <= np.abs(f.weights).sum() + 1e-12


@given(holder_functions(), st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_holder_constant_is_the_best_radius_for_integers(f, beta):
    f = ap.HolderSum(f.centres, f.weights, float(beta))
    # Slopes of the top derivative: distinct centres that nearly coincide would need a finer grid.
    if np.all(np.diff(np.unique(f.centres)) > 1e-6):
        assert f.radius_on_grid(-4, 4, 200) == pytest.approx(f.holder_constant, rel=1e-6, abs=1e-9)


def test_holder_constant_by_hand():
    # In the order of the centres: 1, -2, 1.5; partial sums 1, -1, 0.5.
    centres, weights = [0.9, -1.1, 0.13], [1.5, 1.0, -2.0]
    assert ap.HolderSum(centres, weights, 1.0).holder_constant == 1.0
    assert ap.HolderSum(centres, weights, 1.5).holder_constant == 2.0
    assert ap.HolderSum([0.2, 0.2], [1.0, -3.0], 0.5).holder_constant == 2.0


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_interpolation_reproduces_polynomials(degree):
    rng = np.random.default_rng(degree)
    polynomial = np.polynomial.Polynomial(rng.standard_normal(degree + 1))
    p = ap.spline_interpolant(polynomial, n_intervals=4, degree=degree, score_bound=1.5)
    u = np.linspace(-1.5, 1.5, 101)
    assert np.allclose(p(u), polynomial(u), atol=1e-12)
    assert ap.best_l2_error(polynomial, n_intervals=4, degree=degree, score_bound=1.5) < 1e-12
    assert ap.best_uniform_error(polynomial, n_intervals=2, degree=degree, score_bound=1.5) < 1e-6


def test_interpolant_is_continuous():
    p = ap.spline_interpolant(np.cos, n_intervals=5, degree=3, score_bound=2.0)
    knots = -2 + 0.8 * np.arange(1, 5)
    assert np.allclose(p(knots - 1e-12), p(knots + 1e-12), atol=1e-10)


def test_lebesgue_constants_against_known_values():
    assert ap.lebesgue_constant(1) == 1
    assert ap.lebesgue_constant(2) == pytest.approx(1.25, rel=2e-3)
    assert ap.lebesgue_constant(3) == pytest.approx(5 / 3, rel=2e-3)


@pytest.mark.slow
def test_errors_are_ordered_and_decay_at_the_right_order():
    f = ap.HolderSum([-1.1, 0.13, 0.9], [1.0, -2.0, 1.5], 1.5)
    cells = np.array([4, 8, 16, 32, 64])
    uniform = np.array([ap.best_uniform_error(f, n_intervals=k, degree=1, score_bound=2.0) for k in cells])
    l2 = np.array([ap.best_l2_error(f, n_intervals=k, degree=1, score_bound=2.0) for k in cells])
    bound = np.array(
        [ap.taylor_error(k, beta=1.5, holder_constant=f.holder_constant, score_bound=2.0) for k in cells]
    )
    assert np.all(l2 <= uniform) and np.all(uniform <= bound)
    assert np.polyfit(np.log(cells), np.log(uniform), 1)[0] == pytest.approx(-1.5, abs=0.2)
    # Three isolated kinks: in mean square the function is half an order smoother than its Hölder index.
    assert np.polyfit(np.log(cells), np.log(l2), 1)[0] < -1.8


def test_l2_error_of_a_line_by_constants():
    # A line of slope 1 on cells of width h: the variance of a uniform variable, h^2 / 12.
    assert ap.best_l2_error(lambda u: u, n_intervals=10, degree=0, score_bound=1.0) == pytest.approx(
        0.2 / np.sqrt(12)
    )
    density = lambda u: np.where(np.abs(u) < 0.5, 1.0, 0.0)  # noqa: E731
    assert ap.best_l2_error(
        lambda u: u, n_intervals=8, degree=0, score_bound=1.0, density=density
    ) == pytest.approx(0.25 / np.sqrt(12))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ap.taylor_error(3, beta=0.0, holder_constant=1, score_bound=1), "beta must be > 0"),
        (
            lambda: ap.taylor_error(3, beta=1.0, holder_constant=0, score_bound=1),
            "holder_constant must be > 0",
        ),
        (lambda: ap.taylor_error(0, beta=1.0, holder_constant=1, score_bound=1), "n_intervals must be >= 1"),
        (
            lambda: ap.spline_error(3, beta=3.5, holder_constant=1, score_bound=1, degree=2),
            "degree must be >= 3",
        ),
        (lambda: ap.spline_error(3, beta=1.0, holder_constant=1, score_bound=0), "score_bound must be > 0"),
        (
            lambda: ap.best_uniform_error(np.cos, n_intervals=1, degree=3, score_bound=1.0, n_points=4),
            "n_points must be >= 5",
        ),
        (lambda: ap.HolderSum([0.0, 1.0], [1.0], 1.0), "weights must have shape"),
        (lambda: ap.interpolation_nodes(0), "degree must be >= 1"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
