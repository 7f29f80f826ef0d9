"""Layers of any spectral law: against the package's own quartic, against matrices, and against themselves."""

import math

import numpy as np
import pytest

from pairint.aim import (
    AtomicPrior,
    NoisyLaw,
    PowerLawPrior,
    SemicirclePrior,
    SpectralPrior,
    UntiedPrior,
    WishartPrior,
    check_prior,
    haar_rotation,
    state_evolution,
)
from pairint.aim.priors import Prior


class Product(SpectralPrior):
    """The layer of the book, by its Stieltjes transform."""

    def __init__(self, rho):
        self.a = math.sqrt(rho)
        self.mean, self.second_moment = self.a, 1 + rho
        self.ends = (1 - self.a) ** 2 / self.a, (1 + self.a) ** 2 / self.a
        self.support = [(0.0, 0.0), self.ends] if rho < 1 else [self.ends]

    def stieltjes(self, z):
        low, high = self.ends
        return 2 * self.a / (self.a * z + 1 - self.a**2 + self.a * np.sqrt(z - low) * np.sqrt(z - high))


LAWS = {
    "semicircle": SemicirclePrior(2.0, 1.0),
    "projector": AtomicPrior([0, 1], [0.7, 0.3]),
    "signs": AtomicPrior([1, -1], [0.5, 0.5]),
    "three atoms": AtomicPrior([-1, 0, 2], [0.2, 0.5, 0.3]),
    "power law": PowerLawPrior(1.0, 100.0),
    "untied": UntiedPrior(0.3),
    "wide untied": UntiedPrior(3.0),
}


@pytest.mark.parametrize("rho", [0.1, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("delta", [1e-4, 0.05, 0.4, 3.0, 100.0])
def test_a_product_of_gaussians_by_two_roads(rho, delta):
    old, new = WishartPrior(rho), Product(rho)
    assert new.error(delta) == pytest.approx(old.error(delta), rel=1e-9)
    edges = new.noisy(delta).edges
    x = np.concatenate([np.linspace(low, high, 9)[1:-1] for low, high in edges])
    np.testing.assert_allclose(new.denoise(x, delta), old.denoise(x, delta), rtol=1e-9, atol=1e-12)
    # Another width is another law.
    assert abs(Product(1.1 * rho).error(delta) / old.error(delta) - 1) > 1e-6


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("delta", [0.01, 0.3, 1.7, 20.0])
def test_the_slope_of_the_information_is_the_error(name, delta):
    prior, step = LAWS[name], 1e-3
    up, down = (prior.information(delta * math.exp(sign * step)) for sign in (1, -1))
    # Differences are right to the square of the step, and to rounding over the step.
    size = max(prior.error(delta) / (4 * delta), 1e-6)
    slope = -(up - down) / (2 * step)
    assert slope == pytest.approx(prior.error(delta) / (4 * delta), abs=1e-5 * size)
    linear = prior.variance / (prior.variance + delta) / 4  # of the best linear estimate
    assert name == "semicircle" or delta > 2 or abs(slope - linear) > 1e-4 * size


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("delta", [0.01, 1.0])
def test_two_forms_of_the_error_and_of_the_information(name, delta):
    prior, law = LAWS[name], LAWS[name].noisy(delta)
    other = prior.variance - float(law.probabilities @ (law.denoised - prior.mean) ** 2)
    assert other == pytest.approx(law.mmse, abs=1e-8 * prior.variance)
    assert float(law.probabilities @ law.values) == pytest.approx(prior.mean, abs=1e-8)
    second = float(law.probabilities @ law.values**2)
    assert second == pytest.approx(prior.second_moment + delta, rel=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["semicircle", "projector", "untied"])
def test_the_closed_form_is_the_integral_of_the_error(name):
    for delta in (0.1, 2.0):
        assert Prior.information(LAWS[name], delta) == pytest.approx(LAWS[name].information(delta), rel=1e-6)
    assert WishartPrior(0.5).information(0.3) == pytest.approx(Product(0.5).information(0.3), rel=1e-7)


@pytest.mark.parametrize("name", [name for name in LAWS if "law" not in name])
def test_atoms_count_what_can_be_learned(name):
    prior = LAWS[name]
    noise = 1e-6 * prior.variance
    assert prior.error(noise) / noise == pytest.approx(prior.parameters, abs=2e-3)


def test_a_semicircle_is_linear():
    prior = SemicirclePrior(2.0)
    for delta in (0.1, 5.0):
        x = np.linspace(-3, 3, 7)
        np.testing.assert_allclose(prior.denoise(x, delta), x * 2 / (2 + delta), rtol=1e-7, atol=1e-9)
        assert prior.error(delta) == pytest.approx(2 * delta / (2 + delta), rel=1e-10)
        assert prior.information(delta) == pytest.approx(math.log(1 + 2 / delta) / 4, rel=1e-9)
        # Beyond the ends the tangent is followed: here the line itself.
        np.testing.assert_allclose(prior.denoise([50.0], delta), [100 / (2 + delta)], rtol=1e-4)


@pytest.mark.parametrize("delta", [0.25, 0.28, 0.286648, 0.29])
def test_a_gap_beside_another_bulk_is_found_to_its_ends(delta):
    """Just before the bulks touch: the whole mass, and the count of eigenvalues at zero."""
    law = UntiedPrior(0.3).noisy(delta)
    assert len(law.edges) == 3
    assert float(law.probabilities.sum()) == pytest.approx(1, abs=1e-9)
    middle = abs(law.values) < law.edges[1][1]
    assert float(law.probabilities[middle].sum()) == pytest.approx(0.7, abs=1e-9)


def test_signs_split_at_noise_one():
    prior = AtomicPrior([-1, 1], [0.5, 0.5])
    assert len(prior.noisy(0.99).edges) == 2 and len(prior.noisy(1.01).edges) == 1
    # In the gap the estimates join the bulks.
    (_, low), (high, _) = prior.noisy(0.5).edges
    f = prior.denoise(np.linspace(low - 0.01, high + 0.01, 21), 0.5)
    assert (np.diff(f) > 0).all() and f[10] == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize(
    "prior",
    [SemicirclePrior(2.0, 1.0), AtomicPrior([0, 1], [0.7, 0.3]), PowerLawPrior(1.0, 10.0)],
    ids=["semicircle", "projector", "power law"],
)
def test_laws_agree_with_their_matrices(prior):
    check_prior(prior, 40, 30, rng=1)


@pytest.mark.slow
def test_a_wrong_law_is_noticed():
    class Wrong(AtomicPrior):
        def quantile(self, p):
            return np.where(p < 0.6, 0.0, 1.0)

    with pytest.raises(ValueError, match="Wrong: "):
        check_prior(Wrong([0, 1], [0.7, 0.3]), 40, 30, rng=1)


def test_the_transform_of_a_power_law_is_its_integral():
    prior = PowerLawPrior(1.3, 50.0)
    p = (np.arange(200_000) + 0.5) / 200_000
    values = prior.quantile(p)
    assert values.mean() == pytest.approx(prior.mean, rel=1e-5)
    for z in (0.5 + 0.3j, 3 + 0.2j, -1 + 0.01j, 0.01 + 0.05j):
        assert prior.stieltjes(np.array([z]))[0] == pytest.approx(np.mean(1 / (z - values)), rel=1e-4)


def test_state_evolution_with_a_law_of_its_own():
    """Linear labels of a full Gaussian matrix: each equation takes its share of the error."""
    found = state_evolution(np.array([0.05, 0.1]), SemicirclePrior(), "linear")
    np.testing.assert_allclose(found.mmse, [0.7, 0.4], rtol=1e-8)


def test_a_haar_rotation_is_one():
    q = haar_rotation(7, np.random.default_rng(0))
    np.testing.assert_allclose(q @ q.T, np.eye(7), atol=1e-12)


class TestMistakes:
    def test_a_transform_of_the_wrong_mass(self):
        class Half(AtomicPrior):
            def stieltjes(self, z):
                return 0.5 * super().stieltjes(z)

        with pytest.raises(ValueError, match="mass"):
            Half([0, 1], [0.5, 0.5]).error(0.3)

    @pytest.mark.parametrize("support", [[(1.0, 0.0)], [(0.0, 1.0), (0.5, 2.0)], []])
    def test_a_support_that_is_none(self, support):
        prior = AtomicPrior([0, 1], [0.5, 0.5])
        prior.support = support
        with pytest.raises(ValueError, match=r"AtomicPrior.support must"):
            prior.error(0.3)

    @pytest.mark.parametrize(
        ("values", "shares", "message"),
        [
            ([0, 0], [0.5, 0.5], "at least two different"),
            ([0, 1], [0.5, 0.6], "sum to 1"),
            ([0, 1], [0.0, 1.0], "> 0"),
            ([0, 1], [1.0], "shares must have shape"),
        ],
    )
    def test_atoms_that_are_none(self, values, shares, message):
        with pytest.raises(ValueError, match=message):
            AtomicPrior(values, shares)

    def test_a_law_that_draws_nothing(self):
        with pytest.raises(TypeError, match="no teacher can be drawn"):
            Product(0.5).draw(5, np.random.default_rng(0))

    def test_a_noise_that_is_none(self):
        with pytest.raises(ValueError, match="delta must be > 0"):
            SemicirclePrior().error(0.0)
        assert NoisyLaw.__name__ in type(SemicirclePrior().noisy(0.1)).__name__
