"""Activations: slopes, supports, smoothness as claimed."""

import math

import numpy as np
import pytest
import rounding
from hypothesis import given, settings
from hypothesis import strategies as st

from pairint.model import (
    Cosine,
    Exponential,
    ReLU,
    RoughActivation,
    Spline,
    SplineSpace,
    Tanh,
    spline_activation,
)

SMOOTH = {
    "spline 2": spline_activation(2, 0),
    "spline 3": spline_activation(3, 1),
    "spline 8": spline_activation(8, 2),
    "rough 1.5": RoughActivation(1.5, 3),
    "rough 4.5": RoughActivation(4.5, 4),
    "tanh": Tanh(1.7),
    "cosine": Cosine(1.5),
    "exponential": Exponential(0.6),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivative_is_the_slope(name):
    """Against central differences, at their own accuracy: the error falls with the step."""
    phi = SMOOTH[name]
    u = np.random.default_rng(0).uniform(-2.5, 2.5, 200)
    errors = []
    for h in (1e-2, 1e-3) if name != "rough 1.5" else (2.0**-16, 2.0**-20):
        slope = (phi(u + h) - phi(u - h)) / (2 * h)
        errors.append(np.abs(slope - phi.derivative(u)).max() / np.abs(phi.derivative(u)).max())
    assert errors[1] < 0.5 * errors[0] or errors[1] < 1e-6
    assert errors[1] < 0.02


def test_relu():
    u = np.array([-2.0, 0.0, 3.0])
    np.testing.assert_array_equal(ReLU()(u), [0, 0, 3])
    np.testing.assert_array_equal(ReLU().derivative(u), [0, 0, 1])
    assert ReLU().derivative(np.arange(2)).dtype == np.float64


def test_values_of_the_usual_ones():
    u = np.linspace(-3, 3, 11)
    np.testing.assert_allclose(Tanh(2.0)(u), np.tanh(2 * u))
    np.testing.assert_allclose(Exponential(-0.5)(u), np.exp(-u / 2))
    np.testing.assert_allclose(Cosine(1.5)(u), np.cos(1.5 * u))
    assert (ReLU().smoothness, Tanh().smoothness, Exponential().smoothness) == (1.0, math.inf, math.inf)


@pytest.mark.parametrize("degree", range(1, 9))
def test_spline_truth_vanishes_outside_its_support(degree):
    phi = spline_activation(degree, degree, bound=2.5)
    outside = np.array([-1e3, -2.6, -2.5, 2.5, 2.5000001, 7.0])
    assert np.abs(phi(outside[1:])).max() <= rounding.value_error(phi, outside[1:]).max()
    assert abs(phi(outside[0])) <= rounding.value_error(phi, outside[0])
    inside = np.linspace(-2.5, 2.5, 5001)
    assert np.abs(phi(inside)).max() == pytest.approx(1.0, abs=2e-3)
    assert phi.smoothness == degree
    # Supported up to the very ends.
    assert np.abs(phi(np.array([-2.5 + 0.05, 2.5 - 0.05]))).min() > 0.0


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
def test_spline_truth_has_the_smoothness_of_its_degree(degree):
    """The derivative of order P is bounded, by differences of order P; that of order P + 1 is not."""
    phi = spline_activation(degree, 3)
    assert phi.space.n_intervals - 2 * (degree == 1) == degree + 5

    def largest(order, h):
        u = np.linspace(-3, 3, 4001)
        signs = [(-1) ** k * math.comb(order, k) for k in range(order + 1)]
        return np.abs(sum(s * phi(u + (order / 2 - k) * h) for k, s in enumerate(signs))).max() / h**order

    assert largest(degree, 0.02) <= 1.05 * largest(degree, 0.04)
    assert largest(degree + 1, 0.02) >= 1.6 * largest(degree + 1, 0.04)


def test_spline_truth_with_chosen_cells():
    phi = spline_activation(3, 0, bound=1.0, n_intervals=4)
    assert phi.space.n_intervals == 4 and np.count_nonzero(phi.coefficients) == 1


# ---------------------------------------------------------------------- rough at every scale


def increments(function, scales, n=4000):
    """Root mean square of function(u + h) - function(u), for each scale h."""
    u = np.random.default_rng(1).uniform(-3, 3, n)
    return np.array([np.sqrt(np.mean((function(u + h) - function(u)) ** 2)) for h in scales])


@pytest.mark.parametrize(("beta", "order"), [(0.5, 0), (0.75, 0), (1.25, 1), (1.5, 1), (1.75, 1)])
def test_rough_truth_has_its_holder_index(beta, order):
    """Increments of the function, or of its derivative, scale with the index, at every place."""
    phi = RoughActivation(beta, 5)
    function = phi if order == 0 else phi.derivative
    scales = 2.0 ** -np.arange(3, 10)
    sizes = increments(function, scales)
    slopes = np.diff(np.log2(sizes)) / -1.0
    assert np.polyfit(np.log(scales), np.log(sizes), 1)[0] == pytest.approx(beta - order, abs=0.06)
    assert np.abs(slopes - (beta - order)).max() < 0.25
    # Everywhere: no part of the line is smoother than another.
    for centre in (-2.0, 0.0, 1.0):
        u = np.linspace(centre - 0.2, centre + 0.2, 2000)
        local = [np.sqrt(np.mean((function(u + h) - function(u)) ** 2)) for h in (2.0**-7, 2.0**-12)]
        assert math.log2(local[0] / local[1]) / 5 == pytest.approx(beta - order, abs=0.12)


@pytest.mark.parametrize("beta", [2.5, 3.5, 4.5])
def test_rough_truth_of_higher_index(beta):
    """By differences of higher order, of which smooth functions have ever smaller ones."""
    phi = RoughActivation(beta, 6)
    order = math.ceil(beta)
    signs = [(-1) ** k * math.comb(order, k) for k in range(order + 1)]
    u = np.random.default_rng(1).uniform(-3, 3, 4000)
    scales = 2.0 ** -np.arange(2, 6)
    sizes = [np.sqrt(np.mean(sum(s * phi(u + k * h) for k, s in enumerate(signs)) ** 2)) for h in scales]
    assert np.polyfit(np.log(scales), np.log(sizes), 1)[0] == pytest.approx(beta, abs=0.15)


@pytest.mark.parametrize("beta", [0.5, 0.8, 1.0, 1.3, 2.0])
@pytest.mark.parametrize("bound", [3.0, 0.7])
def test_holder_constant_bounds_the_quotients(beta, bound):
    phi = RoughActivation(beta, 8, bound)
    function, index = (phi, beta) if beta <= 1 else (phi.derivative, beta - 1)
    rng = np.random.default_rng(2)
    u = rng.uniform(-2 * bound, 2 * bound, 20_000)
    h = bound * 2.0 ** rng.uniform(-16, 1, u.size)
    quotients = np.abs(function(u + h) - function(u)) / h**index
    constant = phi.holder_constant()
    assert quotients.max() <= constant * (1 + 1e-9)
    assert quotients.max() >= 0.1 * constant  # not an empty bound


def test_rough_truth_has_mean_square_one_half():
    for beta in (0.5, 1.0, 3.3, 5.0):
        phi = RoughActivation(beta, 1, bound=1.3)
        u = np.linspace(-1.3, 1.3, 2**16, endpoint=False) + 1e-5
        if beta > 0.5:  # octaves above the grid's own frequency cannot be integrated on it
            assert np.mean(phi(u) ** 2) == pytest.approx(0.5, rel=1e-4)
        assert np.linalg.norm(phi._amplitudes) == pytest.approx(1.0)
        v = u[:50]  # a rough function feels the last bit of its argument
        assert np.all(np.abs(phi(v) - phi(v + 2.6)) <= rounding.value_error(phi, np.abs(v) + 2.6))


def test_neglected_octaves_are_small():
    for beta, expected in ((0.5, 32), (1.0, 25), (5.0, 6)):
        phi = RoughActivation(beta, 0)
        assert phi.n_terms == expected
    assert 2.0 ** (-1.0 * RoughActivation(1.0, 0).n_terms) < 2.0**-24


def test_seeds_are_reproducible():
    u = np.linspace(-3, 3, 20)
    for make in (lambda seed: spline_activation(3, seed), lambda seed: RoughActivation(1.0, seed)):
        np.testing.assert_array_equal(make(4)(u), make(4)(u))
        assert np.any(make(4)(u) != make(5)(u))


@given(st.integers(1, 6), st.floats(0.2, 5.0), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_scaled_and_mirrored_splines(degree, factor, seed):
    rng = np.random.default_rng(seed)
    space = SplineSpace(-1.0, 2.0, 4, degree)
    phi = space.spline(rng.standard_normal(space.dimension))
    u = rng.uniform(-3, 4, 30)
    bound = rounding.value_error(phi, u)
    assert np.all(np.abs(phi.scaled(factor)(factor * u) - phi(u)) <= bound)
    assert np.all(np.abs(phi.mirrored()(-u) - phi(u)) <= bound)
    lower = SplineSpace(-1.0, 2.0, 4, degree - 1).spline(np.diff(phi.coefficients) / space.width)
    bound = rounding.value_error(lower, u)  # the derivative is this spline inside, and constant beyond
    assert np.all(np.abs(phi.mirrored().derivative(-u) + phi.derivative(u)) <= bound)


def test_spline_space():
    space = SplineSpace(-1.0, 2.0, 6, 2)
    assert space.dimension == 8 and space.width == 0.5
    u = np.linspace(-2, 3, 40)
    c = np.arange(8.0) ** 2
    assert np.all(
        np.abs(space.design(u) @ c - space.spline(c)(u)) <= rounding.value_error(space.spline(c), u)
    )
    coarse, embedding = space.coarsen(3)
    assert coarse.n_intervals == 2
    np.testing.assert_allclose(coarse.design(u), space.design(u) @ embedding, atol=1e-12)


def test_spline_keeps_its_coefficients():
    space = SplineSpace(-1.0, 2.0, 6, 2)
    c = np.ones(8)
    phi = Spline(space, c)
    c[...] = 0.0
    np.testing.assert_array_equal(phi.coefficients, 1.0)
    assert phi == phi and phi != Spline(space, np.ones(8))  # splines are compared as objects


@pytest.mark.parametrize("order", [1, 2, 3])
def test_difference_penalty(order):
    space = SplineSpace(0.0, 1.0, 5, 3)
    c = np.random.default_rng(0).standard_normal(8)
    assert c @ space.difference_penalty(order) @ c == pytest.approx((np.diff(c, order) ** 2).sum())
    line = np.arange(8.0) if order > 1 else np.ones(8)
    np.testing.assert_allclose(space.difference_penalty(order) @ line, 0.0, atol=1e-12)


@pytest.mark.parametrize(("n_intervals", "degree"), [(1, 0), (2, 0), (1, 1)])
def test_fewer_than_three_coefficients_have_no_second_difference(n_intervals, degree):
    """A constant and a line are not shrunk."""
    np.testing.assert_array_equal(SplineSpace(-1.0, 1.0, n_intervals, degree).difference_penalty(), 0.0)


SPACE = SplineSpace(0.0, 1.0, 6, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spline_activation(0), "degree must be >= 1 and <= 50, got 0"),
        (lambda: spline_activation(3, n_intervals=3), "n_intervals must be >= 4 and <= 9999998, got 3"),
        (lambda: spline_activation(3, bound=0.0), r"bound must be > 0\.0, got 0\.0"),
        (lambda: RoughActivation(0.4), r"beta must be >= 0\.5 and <= 5\.0, got 0\.4"),
        (lambda: RoughActivation(5.1), r"beta must be >= 0\.5 and <= 5\.0, got 5\.1"),
        (lambda: RoughActivation(math.nan), "beta must be finite, got nan"),
        (lambda: RoughActivation(1.0, bound=-1.0), r"bound must be > 0\.0, got -1\.0"),
        (lambda: RoughActivation(1.0, n_terms=0), "n_terms must be >= 1 and <= 40, got 0"),
        (lambda: RoughActivation(1.0, 0).derivative(0.0), r"exists for beta > 1 only, got beta = 1\.0"),
        (lambda: Tanh(0.0), r"slope must be > 0\.0, got 0\.0"),
        (lambda: Cosine(math.nan), "frequency must be finite, got nan"),
        (lambda: Exponential(math.inf), "rate must be finite, got inf"),
        (lambda: SplineSpace(1.0, 1.0, 3, 2), r"upper must be > 1\.0 and <= 1e\+300, got 1\.0"),
        (lambda: SplineSpace(0.0, 1.0, 0, 2), "n_intervals must be >= 1 and <= 10000000, got 0"),
        (lambda: SplineSpace(0.0, 1.0, 3, -1), "degree must be >= 0 and <= 50, got -1"),
        (lambda: SPACE.coarsen(4), "factor must divide n_intervals = 6, got 4"),
        (lambda: SPACE.scaled(0.0), r"factor must be > 0\.0, got 0\.0"),
        (lambda: SPACE.spline(np.ones(7)), r"coefficients must have shape \(8\), got \(7,\)"),
        (lambda: SPACE.spline(np.full(8, np.nan)), "coefficients must be finite, got 8 NaN"),
        (
            lambda: SPACE.spline(np.ones(8))([0.1, math.nan]),
            "u must be finite, got 1 NaN or infinite entries",
        ),
        (lambda: SPACE.spline(np.ones(8)).derivative(math.inf), "u must be finite, got 1 NaN"),
        (lambda: SPACE.design(np.ones((2, 2))), r"u must have shape \(any\), got \(2, 2\)"),
        (lambda: SPACE.difference_penalty(0), "order must be >= 1, got 0"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5, 2.0, 2.5])
def test_holder_constant_of_one_wave(beta):
    """Its derivative of order m has height f^m; min(2, f delta) / delta^gamma is largest at delta = 2/f."""
    phi = RoughActivation(beta, 0, 2.0, n_terms=1)
    frequency, order = np.pi / 2, math.ceil(beta) - 1
    gamma = beta - order
    increment = 2 * frequency**order / (2 / frequency) ** gamma
    assert phi.holder_constant() == pytest.approx(2 ** (1 - gamma) * increment, rel=1e-12)


def test_a_rough_truth_keeps_its_phases_and_not_their_generator():
    rng = np.random.default_rng(3)
    phi = RoughActivation(1.0, rng)
    assert phi.rng is None  # drawn from once, whoever goes on with it
    assert phi(0.3) == phi(0.3)
    assert phi(0.3) != RoughActivation(1.0, rng)(0.3)


def test_a_rough_truth_is_the_sum_that_its_docstring_says():
    """Stored tables rest on it: the phases are the generator's first numbers, and come with a plus."""
    phi, terms = RoughActivation(0.8, 11, 1.5, n_terms=6), np.arange(6)
    phases = np.random.default_rng(11).uniform(0, 2 * np.pi, 6)
    u = np.linspace(-3, 3, 13)
    waves = np.cos(2.0**terms * np.pi * u[:, None] / 1.5 + phases)
    sizes = 2.0 ** (-0.8 * terms)
    np.testing.assert_allclose(phi(u), waves @ sizes / np.linalg.norm(sizes), rtol=0, atol=1e-13)
