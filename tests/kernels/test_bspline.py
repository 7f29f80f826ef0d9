"""B-splines as local polynomials, against SciPy and against their defining properties."""

import numpy as np
import pytest
import rounding
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from pairint.kernels import (
    bspline_pieces,
    evaluate_pieces,
    piecewise_coefficients,
    refinement_matrix,
)
from pairint.kernels.bspline import local_coordinates, local_powers

DEGREES = range(9)
LOWER, UPPER = -1.3, 2.1


def scipy_spline(coefficients, degree, n_intervals):
    """The same function from SciPy: uniform knots, ``degree`` of them beyond either end."""
    width = (UPPER - LOWER) / n_intervals
    knots = LOWER + width * np.arange(-degree, n_intervals + degree + 1)
    return BSpline(knots, coefficients, degree)


def points(n_intervals, n=400):
    """Points inside, none of them a knot."""
    u = np.random.default_rng(7).uniform(LOWER, UPPER, n)
    fraction = (u - LOWER) / (UPPER - LOWER) * n_intervals % 1
    return u[(fraction > 1e-6) & (fraction < 1 - 1e-6)]


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize("n_intervals", [1, 2, 7])
def test_values_and_slopes_are_those_of_scipy(degree, n_intervals):
    coefficients = np.random.default_rng(degree).standard_normal(n_intervals + degree)
    reference = scipy_spline(coefficients, degree, n_intervals)
    polynomials = piecewise_coefficients(coefficients, degree)
    assert polynomials.shape == (n_intervals, degree + 1)
    u = points(n_intervals)
    # One value adds degree + 1 basis functions; a slope is per cell width, of a degree less.
    bound = rounding.pair_sum_error(u, LOWER, UPPER, n_intervals, degree) * np.abs(coefficients).sum()
    assert np.abs(evaluate_pieces(u, polynomials, LOWER, UPPER) - reference(u)).max() <= bound
    slopes = evaluate_pieces(u, polynomials, LOWER, UPPER, derivative=1)
    steep = 4 * degree * bound * n_intervals / (UPPER - LOWER)
    assert np.abs(slopes - (reference.derivative()(u) if degree else 0.0 * u)).max() <= steep


@pytest.mark.parametrize("degree", DEGREES)
def test_pieces_of_every_derivative(degree):
    t = np.linspace(0.05, 0.95, 7)
    for order in range(degree + 2):
        table = bspline_pieces(degree, order)
        assert table.shape == (degree + 1, degree + 1)
        values = local_powers(t, degree) @ table.T
        for piece in range(degree + 1):
            # On cell 0 of unit width, piece l belongs to the B-spline with knots l - s, ..., l + 1.
            knots = np.arange(piece - degree, piece + 2.0)
            element = BSpline.basis_element(knots, extrapolate=False)
            expected = element.derivative(order)(t) if order <= degree else 0 * t
            terms = np.abs(table).sum()  # the error of the table, and of the powers
            assert np.abs(values[:, piece] - expected).max() <= 2 * rounding.gamma(10 * (degree + 1)) * terms


@pytest.mark.parametrize("degree", DEGREES)
def test_partition_of_unity(degree):
    pieces = bspline_pieces(degree)
    constant = np.eye(degree + 1)[0]
    slopes = bspline_pieces(degree, 1)
    small = rounding.gamma(10 * (degree + 1))
    assert np.all(np.abs(pieces.sum(axis=0) - constant) <= small * np.abs(pieces).sum(axis=0))
    assert np.all(np.abs(slopes.sum(axis=0)) <= small * np.abs(slopes).sum(axis=0))
    values = local_powers(np.linspace(0, 1, 50), degree) @ pieces.T
    assert values.min() >= -rounding.basis_error(degree)


@pytest.mark.parametrize("degree", range(1, 9))
def test_pieces_join_with_all_derivatives_but_the_last(degree):
    for order in range(degree):
        pieces = bspline_pieces(degree, order)
        at_end, at_start = pieces.sum(axis=1), pieces[:, 0]
        # A basis function leaves cell k as piece l and enters cell k + 1 as piece l - 1.
        bound = rounding.gamma(10 * (degree + 1)) * np.abs(pieces).sum(axis=1).max()
        assert np.abs(at_end[1:] - at_start[:-1]).max() <= bound
        assert abs(at_end[0]) <= bound
    last = bspline_pieces(degree, degree)
    assert np.abs(last.sum(axis=1)[1:] - last[:-1, 0]).max() > 0.5


def test_pieces_cannot_be_spoilt_by_their_user():
    bspline_pieces(3, 1)[...] = 0.0
    with pytest.raises(ValueError, match="read-only"):
        bspline_pieces(3)[0, 0] = 5.0
    assert bspline_pieces(3)[0, 0] == pytest.approx(1 / 6)


@pytest.mark.parametrize("degree", DEGREES)
@pytest.mark.parametrize(("n_intervals", "factor"), [(1, 2), (2, 3), (5, 4), (3, 1)])
def test_coarse_splines_are_fine_splines(degree, n_intervals, factor):
    coarse = np.random.default_rng(degree).standard_normal(n_intervals + degree)
    R = refinement_matrix(n_intervals, degree, factor)
    assert R.shape == (factor * n_intervals + degree, n_intervals + degree)
    # Outside too: the linear continuations agree, since value and slope at the ends do (for s >= 1).
    u = np.linspace(LOWER - (degree > 0), UPPER + (degree > 0), 301)
    np.testing.assert_allclose(
        evaluate_pieces(u, piecewise_coefficients(R @ coarse, degree), LOWER, UPPER),
        evaluate_pieces(u, piecewise_coefficients(coarse, degree), LOWER, UPPER),
        atol=1e-11,
    )


@pytest.mark.parametrize("degree", DEGREES)
def test_continuation_is_linear(degree):
    coefficients = np.random.default_rng(3).standard_normal(4 + degree)
    polynomials = piecewise_coefficients(coefficients, degree)
    ends = np.array([LOWER, UPPER])
    value = evaluate_pieces(ends, polynomials, LOWER, UPPER)
    slope = evaluate_pieces(ends, polynomials, LOWER, UPPER, derivative=1)
    if degree == 0:
        assert np.all(slope == 0.0)
    for away in (1e-9, 0.3, 50.0):
        beyond = np.array([-away, away])
        np.testing.assert_allclose(
            evaluate_pieces(ends + beyond, polynomials, LOWER, UPPER), value + slope * beyond, rtol=1e-9
        )
        np.testing.assert_allclose(
            evaluate_pieces(ends + beyond, polynomials, LOWER, UPPER, derivative=1), slope, rtol=1e-12
        )


def test_local_coordinates():
    u = np.array([-3.0, -1.0, -0.5, 0.0, 0.999, 1.0, 4.0])
    cell, t, beyond = local_coordinates(u, -1.0, 1.0, 4)
    np.testing.assert_array_equal(cell, [0, 0, 1, 2, 3, 3, 3])
    np.testing.assert_allclose(t, [0, 0, 0, 0, 0.998, 1, 1], atol=1e-12)
    np.testing.assert_allclose(beyond, [-4, 0, 0, 0, 0, 0, 6])


@pytest.mark.slow
@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e6),
    st.integers(1, 500),
    st.lists(st.floats(-3e6, 3e6), min_size=1, max_size=20),
)
@settings(max_examples=60, deadline=None)
def test_local_coordinates_reconstruct_the_point(lower, length, n_intervals, u):
    upper = lower + length
    u = np.array(u)
    cell, t, beyond = local_coordinates(u, lower, upper, n_intervals)
    assert cell.min() >= 0 and cell.max() <= n_intervals - 1
    assert t.min() >= 0 and t.max() <= 1
    back = lower + (cell + t + beyond) * (upper - lower) / n_intervals
    np.testing.assert_allclose(back, u, rtol=1e-9, atol=1e-9 * (abs(lower) + length))


@given(st.integers(0, 8), st.integers(1, 30), st.integers(0, 2**32 - 1))
@settings(max_examples=40, deadline=None)
def test_spline_stays_between_its_coefficients(degree, n_intervals, seed):
    coefficients = np.random.default_rng(seed).uniform(-5, 3, n_intervals + degree)
    u = np.linspace(LOWER, UPPER, 57)
    values = evaluate_pieces(u, piecewise_coefficients(coefficients, degree), LOWER, UPPER)
    bound = rounding.basis_error(degree) * (degree + 1) * np.abs(coefficients).max()
    assert values.min() >= coefficients.min() - bound
    assert values.max() <= coefficients.max() + bound


def test_shape_is_kept():
    polynomials = piecewise_coefficients(np.arange(6.0), 3)
    assert evaluate_pieces(np.zeros((2, 1, 3)), polynomials, 0.0, 1.0).shape == (2, 1, 3)
    assert evaluate_pieces(np.array(0.5), polynomials, 0.0, 1.0).shape == ()
    assert local_powers(np.zeros((2, 3)), 4).shape == (2, 3, 5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bspline_pieces(-1), "degree must be >= 0 and <= 50, got -1"),
        (lambda: bspline_pieces(2, -1), "derivative must be >= 0, got -1"),
        (lambda: refinement_matrix(0, 2, 2), "n_intervals must be >= 1, got 0"),
        (lambda: refinement_matrix(3, 2, 0), "factor must be >= 1, got 0"),
        (lambda: refinement_matrix(3, -2, 2), "degree must be >= 0 and <= 50, got -2"),
        (lambda: piecewise_coefficients(np.ones(3), 3), "at least degree \\+ 1 = 4 numbers, got 3"),
        (
            lambda: evaluate_pieces(np.ones(2), np.ones((2, 2)), 0.0, 1.0, 2),
            "derivative must be one of 0, 1; got 2",
        ),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("size", [2, 200_000])
def test_nan_gives_nan_for_few_points_and_for_many(size):
    u = np.linspace(-1.0, 1.0, size)
    u[0] = np.nan
    values = evaluate_pieces(u, np.ones((3, 2)), -1.0, 1.0)
    assert np.isnan(values[0]) and np.isfinite(values[1:]).all()


def test_complex_points_are_refused():
    with pytest.raises(TypeError, match="u must hold real numbers, got dtype complex128"):
        evaluate_pieces(np.ones(2, dtype=complex), np.ones((3, 2)), -1.0, 1.0)
