"""The limiting spectrum against one large matrix, and an independent solution of the cubic."""

import math

import numpy as np
import pytest

from pairint.aim.priors import WishartPrior
from pairint.aim.spectrum import NoisySpectrum, limiting_moments, parameter_count, wishart_density
from pairint.aim.teacher import AIMTeacher


def distribution(spectrum, x):
    """Distribution function of the law by integrating its density."""
    total = np.zeros(len(x))
    for low, high in spectrum.edges:
        grid = low + (high - low) * (1 - np.cos(np.linspace(0, np.pi, 4001))) / 2
        density = spectrum.density(grid)
        mass = np.concatenate([[0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(grid))])
        total += np.interp(x, grid, mass)
    return total


@pytest.mark.slow
@pytest.mark.parametrize(("rho", "delta"), [(0.3, 0.02)])
def test_eigenvalues_of_a_matrix_of_2000(rho, delta):
    d = 2000
    rng = np.random.default_rng(0)
    S = AIMTeacher(d, rho, rng=rng).S
    noise = rng.standard_normal((d, d))
    values = np.linalg.eigvalsh(S + np.sqrt(delta / (2 * d)) * (noise + noise.T))
    spectrum = NoisySpectrum(rho, delta)
    assert spectrum.n_bulks == 2
    middle = (np.arange(d) + 0.5) / d

    def distance(law):
        return np.abs(distribution(law, values) - middle).max()

    # The eigenvalues of one matrix are rigid: the distance is of order 1/d, not 1/sqrt(d).
    assert distance(spectrum) < 2 / d + 1e-3
    # Negative controls: another width, another noise.
    assert distance(NoisySpectrum(1.05 * rho, delta)) > 0.01
    assert distance(NoisySpectrum(rho, 1.2 * delta)) > 0.01


def cubic_law(rho, delta, x):
    """Density from the complex root of the cubic of the Stieltjes transform."""
    a = np.sqrt(rho)
    # x g (a - g) = (a - g) + delta g^2 (a - g) + rho g, with leading coefficient one.
    matrices = np.zeros((len(x), 3, 3))
    matrices[:, 1, 0] = matrices[:, 2, 1] = 1
    coefficients = (
        np.stack([a + 0 * x, rho - 1 - x * a, delta * a + x], axis=1) / -delta
    )  # of 1, g, g^2, where g^3 has -delta
    matrices[:, :, 2] = -coefficients
    return np.abs(np.linalg.eigvals(matrices).imag).max(axis=1) / np.pi


@pytest.mark.parametrize(("rho", "delta"), [(0.05, 1e-3), (0.5, 0.3), (1.0, 1.0), (3.0, 20.0)])
def test_density_solves_the_cubic(rho, delta):
    spectrum = NoisySpectrum(rho, delta)
    for low, high in spectrum.edges:
        x = np.linspace(low, high, 203)[1:-1]
        np.testing.assert_allclose(spectrum.density(x), cubic_law(rho, delta, x), rtol=1e-6, atol=1e-9)
        outside = np.array([low - 0.02 * (high - low), high + 0.02 * (high - low)])
        alone = [not any(lo < v < hi for lo, hi in spectrum.edges) for v in outside]
        assert np.all(spectrum.density(outside)[alone] == 0)
        assert np.all(cubic_law(rho, delta, outside)[alone] < 1e-6)


@pytest.mark.parametrize("rho", [0.3, 2.0])
def test_without_noise_the_law_is_that_of_the_matrix(rho):
    spectrum = NoisySpectrum(rho, 1e-7)
    low, high = spectrum.edges[-1]
    x = np.linspace(low, high, 50)[5:-5]
    np.testing.assert_allclose(spectrum.density(x), wishart_density(x, rho), rtol=1e-4)


def test_denoiser_increases_and_shrinks():
    for rho, delta in ((0.3, 0.02), (0.5, 2.0), (5.0, 0.1)):
        spectrum = NoisySpectrum(rho, delta)
        x = np.linspace(spectrum.edges[0][0] - 0.3, spectrum.edges[-1][1] + 0.3, 400)
        f = spectrum.denoise(x)
        assert np.all(f > 0) and np.all(np.diff(f) > -1e-12)


@pytest.mark.parametrize(
    ("rho", "delta", "match"),
    [(0.0, 1.0, "rho"), (-1.0, 1.0, "rho"), (0.5, 0.0, "delta"), (0.5, np.nan, "delta")],
)
def test_bad_input_is_named(rho, delta, match):
    with pytest.raises(ValueError, match=match):
        NoisySpectrum(rho, delta)


@pytest.mark.parametrize("rho", [1e-4, 0.5, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("delta", [1e6, 1e9, 1e13])
def test_strong_noise_leaves_the_first_two_moments(rho, delta):
    """The best estimator is linear then, with error delta/(1 + delta), up to a share 1/(rho delta^2)."""
    spectrum = NoisySpectrum(rho, delta)
    # The ends of the bulk in f differ by a share 4/sqrt(rho delta): so much is lost of the digits.
    rounding = 1e2 * np.finfo(float).eps * max(1.0, np.sqrt(rho * delta))
    assert spectrum.moment(0) == pytest.approx(1, abs=rounding)
    assert spectrum.moment(2) == pytest.approx(limiting_moments(rho, delta, 2)[2], rel=rounding)
    assert spectrum.mmse == pytest.approx(delta / (1 + delta), rel=2 / (rho * delta**2) + rounding / delta)


@pytest.mark.parametrize("rho", [1e-8, 1e-4, 0.5, 0.99])
def test_a_prior_knows_its_limits(rho):
    """Where the law is too narrow to be integrated, noise counts for nothing, or for everything."""
    prior = WishartPrior(rho)
    for delta in (1e-40, 1e-30):
        assert prior.dimension(delta) == parameter_count(rho)
        assert prior.error(delta) == delta * parameter_count(rho)
    for delta in (1e20, 1e300):
        assert prior.error(delta) == 1 and prior.dimension(delta) == pytest.approx(1 / delta)
    assert prior.error(math.inf) == 1 and prior.dimension(math.inf) == 0


@pytest.mark.parametrize(("rho", "delta"), [(0.5, 1e-40), (1e-9, 1e-20), (1e6, 1e30)])
def test_a_law_that_cannot_be_integrated_is_refused(rho, delta):
    with pytest.raises(ValueError, match=r"rho and delta must be less extreme, got rho = .* and delta = "):
        _ = NoisySpectrum(rho, delta).mmse


@pytest.mark.parametrize(("rho", "delta"), [(0.1, 1e-3), (0.05, 1e-2), (0.3, 1e-3)])
def test_between_two_bulks_the_denoiser_is_the_transform_of_the_density(rho, delta):
    """In the gap f(x) = x - 2 delta int density(y) / (x - y) dy, an ordinary integral there."""
    spectrum = NoisySpectrum(rho, delta)
    assert spectrum.n_bulks == 2
    (_, low), (high, _) = spectrum.edges
    x = low + (high - low) * np.array([0.2, 0.5, 0.8])
    expected = []
    for point in x:
        parts = []
        for start, end in spectrum.edges:
            # y = middle + half width * sin: the density vanishes like a root at each end.
            angle, weight = np.polynomial.legendre.leggauss(400)
            y = 0.5 * (start + end) + 0.5 * (end - start) * np.sin(0.5 * np.pi * angle)
            stretch = 0.25 * np.pi * (end - start) * np.cos(0.5 * np.pi * angle)
            parts.append(np.sum(weight * stretch * spectrum.density(y) / (point - y)))
        expected.append(point - 2 * delta * sum(parts))
    np.testing.assert_allclose(spectrum.denoise(x), expected, rtol=1e-8)
    assert np.all(np.diff(spectrum.denoise(np.linspace(low, high, 9))) >= 0)
