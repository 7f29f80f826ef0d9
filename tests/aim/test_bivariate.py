"""The bivariate normal distribution: closed forms, quadrature of its definition, and what it is not."""

import itertools
import math

import fake_cupy
import numpy as np
import pytest
from scipy import integrate, special

from pairint.aim.bivariate import (
    bivariate_log_cdf,
    bivariate_log_density,
    bivariate_scores,
    normal_functions,
)

#: The documented accuracy of the logarithm, and that of the quadrature below.
ACCURACY, ORACLE = 1e-13, 1e-11
CORRELATIONS = (-0.5, -1 / 3, 0.0, 1 / 3, 0.5)
#: The centre, both tails, and far out on one or both sides.
POINTS = [
    (0.0, 0.0),
    (1.3, -0.4),
    (4.0, 5.0),
    (-2.5, -3.0),
    (-6.0, 2.0),
    (-9.0, -8.0),
    (-30.0, -28.0),
    (0.5, -20.0),
]


def oracle(x, y, c):
    """The logarithm of the definition: the conditional probability, averaged over the smaller variable."""
    x, y = min(x, y), max(x, y)
    s = math.sqrt(1 - c * c)

    def exponent(t):
        return -0.5 * t * t + special.log_ndtr((y - c * t) / s)

    grid = np.linspace(x - 40, x, 200_001)
    peak = grid[exponent(grid).argmax()]
    top = exponent(peak)
    pieces = sorted({x - 40, peak - 1, peak - 0.05, peak, min(peak + 1, x), x})
    total = sum(
        integrate.quad(lambda t: math.exp(exponent(t) - top), a, b, epsabs=0, epsrel=1e-12, limit=200)[0]
        for a, b in itertools.pairwise(pieces)
    )
    return top + math.log(total) - 0.5 * math.log(2 * math.pi)


@pytest.mark.parametrize("c", CORRELATIONS)
@pytest.mark.parametrize(("x", "y"), POINTS)
def test_it_is_the_integral_of_its_definition(x, y, c):
    found = bivariate_log_cdf(np.array([x, y]), np.array([y, x]), c)
    np.testing.assert_allclose(found, oracle(x, y, c), rtol=0, atol=ORACLE)


@pytest.mark.parametrize("c", CORRELATIONS)
def test_closed_forms(c):
    """A quadrant is an angle; a variable that is no constraint leaves the other's distribution."""
    zero = np.zeros(1)
    quadrant = math.log(0.25 + math.asin(c) / (2 * math.pi))
    assert bivariate_log_cdf(zero, zero, c)[0] == pytest.approx(quadrant, abs=ACCURACY)
    x = np.linspace(-5, 5, 21)
    np.testing.assert_allclose(bivariate_log_cdf(x, 40.0 + 0 * x, c), special.log_ndtr(x), atol=10 * ACCURACY)
    if c == 0:
        y = x[:, None]
        product = special.log_ndtr(x) + special.log_ndtr(y)
        np.testing.assert_allclose(bivariate_log_cdf(x, y, c), product, rtol=ACCURACY, atol=10 * ACCURACY)


@pytest.mark.parametrize("c", CORRELATIONS)
@pytest.mark.parametrize(("x", "y"), POINTS)
def test_scores_are_the_derivatives(x, y, c):
    """The derivative in x is the density of x times the probability of the other, given x."""
    log_p, first, second = (a[0] for a in bivariate_scores(*(np.array([v]) for v in (x, y, c))))
    s = math.sqrt(1 - c * c)
    expected = oracle(x, y, c)
    assert log_p == pytest.approx(expected, abs=ORACLE)
    for score, u, v in ((first, x, y), (second, y, x)):
        log_joint = -0.5 * u * u - 0.5 * math.log(2 * math.pi) + special.log_ndtr((v - c * u) / s)
        assert score == pytest.approx(math.exp(log_joint - expected), rel=ORACLE)


@pytest.mark.parametrize("c", [-1 / 3, 0.2])
def test_scores_are_differences_of_the_logarithm(c):
    """To the accuracy of the logarithm over the step, and a third derivative times its square."""
    x, y = np.meshgrid(np.linspace(-3, 3, 13), np.linspace(-3, 3, 13))
    _, first, _ = bivariate_scores(x, y, np.full_like(x, c))
    step = 1e-4
    ahead, behind = (bivariate_log_cdf(x + h, y, c) for h in (step, -step))
    np.testing.assert_allclose(
        (ahead - behind) / (2 * step), first, rtol=0, atol=10 * ACCURACY / step + 10 * step**2
    )


@pytest.mark.parametrize("c", [-1 / 3, 0.2])
def test_the_density_is_the_mixed_derivative_and_no_other(c):
    """Plackett: also the derivative in the correlation. It is not the derivative in one variable."""
    x, y = np.meshgrid(np.linspace(-2, 2, 9), np.linspace(-2, 2, 9))
    step = 1e-4
    ahead, behind = (np.exp(bivariate_log_cdf(x, y, c + h)) for h in (step, -step))
    density = np.exp(bivariate_log_density(x, y, c))
    np.testing.assert_allclose(
        (ahead - behind) / (2 * step), density, atol=10 * ACCURACY / step + 10 * step**2
    )
    log_p, first, _ = bivariate_scores(x, y, np.full_like(x, c))
    assert np.abs(density - first * np.exp(log_p)).max() > 0.1


def test_it_stays_on_the_device(monkeypatch):
    x, y = np.linspace(-12, 3, 40), np.linspace(2, -12, 40)
    expected = bivariate_scores(x, y, np.full_like(x, -1 / 3))
    cupy = fake_cupy.install(monkeypatch)
    found = bivariate_scores(*(cupy.asarray(a) for a in (x, y, np.full_like(x, -1 / 3))))
    for there, here in zip(found, expected, strict=True):
        assert isinstance(there, cupy.ndarray)
        np.testing.assert_allclose(there.get(), here, rtol=1e-13)


def test_normal_functions_are_those_of_the_library():
    ndtr, log_ndtr = normal_functions(np.zeros(1))
    assert ndtr(np.zeros(1))[0] == 0.5
    assert log_ndtr(np.array(-40.0)) == pytest.approx(float(special.log_ndtr(-40.0)), rel=1e-15)
