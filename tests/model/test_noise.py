"""Noise: moments, bounds, sub-Gaussianity."""

import math

import numpy as np
import pytest
from scipy import integrate

from pairint.model import GaussianNoise, RademacherNoise, UniformNoise

LAWS = [GaussianNoise, UniformNoise, RademacherNoise]
FOURTH = {GaussianNoise: 3.0, UniformNoise: 9 / 5, RademacherNoise: 1.0}


@pytest.mark.parametrize("law", LAWS)
def test_moments(law):
    noise = law(0.3).sample((200, 300), np.random.default_rng(0)) / 0.3
    assert noise.shape == (200, 300)
    n = noise.size
    assert abs(noise.mean()) < 4.5 / math.sqrt(n)
    assert abs((noise**2).mean() - 1) < 4.5 * math.sqrt((FOURTH[law] - 1) / n) + 1e-12
    assert (noise**4).mean() == pytest.approx(FOURTH[law], rel=0.05)


def test_bounds():
    rng = np.random.default_rng(0)
    assert set(np.unique(RademacherNoise(2.0).sample((100,), rng))) == {-2.0, 2.0}
    assert 1.9 * math.sqrt(3) < np.abs(UniformNoise(2.0).sample((5000,), rng)).max() <= 2 * math.sqrt(3)


@pytest.mark.parametrize("law", [UniformNoise, RademacherNoise])
def test_claim_of_strict_sub_gaussianity(law):
    """E exp(t eta) <= exp(t^2 / 2): sinh and cosh against the Gaussian, and quadrature against sinh."""
    t = np.linspace(0.01, 20, 400)
    side = math.sqrt(3)
    mgf = np.cosh(t) if law is RademacherNoise else np.sinh(side * t) / (side * t)
    assert np.all(np.log(mgf) <= t**2 / 2)
    if law is UniformNoise:
        value, _ = integrate.quad(lambda u: math.exp(1.5 * u) / (2 * side), -side, side)
        assert value == pytest.approx(math.sinh(side * 1.5) / (side * 1.5))


@pytest.mark.parametrize("law", LAWS)
def test_no_noise(law):
    assert np.all(law(0.0).sample((5,), np.random.default_rng(0)) == 0.0)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    ("std", "error", "message"),
    [
        (-0.1, ValueError, r"std must be >= 0\.0, got -0\.1"),
        (math.nan, ValueError, "std must be finite, got nan"),
        ("1", TypeError, "std must be a real number, got '1'"),
    ],
)
def test_bad_arguments(law, std, error, message):
    with pytest.raises(error, match=message):
        law(std)
