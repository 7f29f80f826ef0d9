"""The state evolution against an independent solution, and its general properties."""

import math

import numpy as np
import pytest

from pairint.aim.channels import HardmaxChannel, PublishedHardmaxChannel, make_channel
from pairint.aim.priors import WishartPrior
from pairint.aim.state_evolution import (
    alpha_of_noise,
    exact_recovery_threshold,
    large_alpha_error,
    small_width_limit,
    state_evolution,
    state_evolution_iterates,
    weak_recovery_threshold,
)


def denoising_error(rho, delta):
    """E(delta) by the roots of the cubic and Chebyshev quadrature: nothing is shared with the package."""
    a = math.sqrt(rho)

    def density(x):
        matrices = np.zeros((len(x), 3, 3))
        matrices[:, 1, 0] = matrices[:, 2, 1] = 1
        matrices[:, :, 2] = np.stack([a + 0 * x, rho - 1 - x * a, delta * a + x], axis=1) / delta
        return np.abs(np.linalg.eigvals(matrices).imag).max(axis=1) / np.pi

    spread = 3 * (math.sqrt(delta) + 1)
    grid = np.linspace(-2.1 * math.sqrt(delta) - 0.1, a + 1 / a + 2 + spread, 4000)
    inside = density(grid) > 1e-7
    changes = np.flatnonzero(np.diff(inside.astype(np.int64)))
    edges = []
    for i in changes:  # bisection of the ends
        low, high = grid[i], grid[i + 1]
        for _ in range(45):
            middle = 0.5 * (low + high)
            if (density(np.array([middle]))[0] > 1e-9) == inside[i]:
                low = middle
            else:
                high = middle
        edges.append(0.5 * (low + high))
    angle = (np.arange(400) + 0.5) * np.pi / 400
    third = 0.0
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        x = 0.5 * (low + high) + 0.5 * (high - low) * np.cos(angle)
        third += (density(x) ** 3 * np.sin(angle)).sum() * 0.5 * (high - low) * np.pi / 400
    return delta - 4 * np.pi**2 / 3 * delta**2 * third


@pytest.mark.parametrize(
    ("rho", "alpha", "channel", "t"),
    [(0.5, 0.1, "softmax", 2), (1.5, 0.03, "linear", 3), (0.3, 0.4, "hardmax", 2)],
)
def test_solution_satisfies_the_equations_computed_otherwise(rho, alpha, channel, t):
    s = state_evolution(alpha, rho, channel, t)
    assert denoising_error(rho, 1 / s.q_hat) == pytest.approx(s.mmse, abs=1e-8)
    kappa = float(make_channel(channel, t).kappa(s.q / s.mmse))
    assert s.q_hat == pytest.approx(alpha * kappa / s.mmse, rel=1e-9)


@pytest.mark.parametrize(("channel", "alpha"), [("softmax", 0.08), ("hardmax", 0.5)])
def test_iteration_ends_at_the_root(channel, alpha):
    iterates = state_evolution_iterates(alpha, 0.5, channel, n_iter=150)
    assert iterates[0] == 1 and np.all(np.diff(iterates) < 1e-13)
    assert iterates[-1] == pytest.approx(state_evolution(alpha, 0.5, channel).mmse, abs=1e-8)


@pytest.mark.parametrize(("channel", "t"), [("softmax", 2), ("softmax", 4), ("linear", 3), ("hardmax", 2)])
def test_arrays_are_many_scalars_and_errors_fall(channel, t):
    alphas = np.array([[0.02, 0.05, 0.08], [0.11, 0.14, 0.2]])
    together = state_evolution(alphas, 0.7, channel, t)
    for name in ("mmse", "q", "q_hat", "mmse_error"):
        one_by_one = [getattr(state_evolution(float(a), 0.7, channel, t), name) for a in alphas.ravel()]
        np.testing.assert_array_equal(getattr(together, name).ravel(), one_by_one)
    positive = together.mmse.ravel()[together.mmse.ravel() > 0]
    assert np.all(np.diff(positive) < 0)
    assert np.ndim(state_evolution(0.1, 0.7).mmse) == 0


def test_width_ratios_broadcast_against_samples():
    alphas, rhos = np.array([[0.02], [0.1]]), [0.3, 1.0, math.inf]
    together = state_evolution(alphas, rhos)
    np.testing.assert_array_equal(together.alpha, np.repeat(alphas, 3, axis=1))
    np.testing.assert_array_equal(together.rho, [rhos, rhos])
    for name in ("mmse", "q", "q_hat", "mmse_error"):
        one_by_one = [[getattr(state_evolution(float(a), r), name) for r in rhos] for a in alphas[:, 0]]
        np.testing.assert_array_equal(getattr(together, name), one_by_one)
    assert state_evolution([0.1, 0.2], np.array([0.5, 1.0])).mmse.shape == (2,)
    assert state_evolution(0.1, [0.5]).mmse.shape == (1,)
    for scalar in (0.5, np.float64(0.5), np.array(0.5)):
        result = state_evolution(0.1, scalar)
        assert type(result.rho) is float and np.ndim(result.mmse) == 0
        assert result.mmse == state_evolution(0.1, 0.5).mmse
    assert type(state_evolution([0.1, 0.2], 0.5).rho) is float


class BiasedHardmax(HardmaxChannel):
    """Hardmax whose information is off by a factor, and says so."""

    def __init__(self, n_tokens, factor, relative_error):
        super().__init__(n_tokens)
        self.factor, self.relative_error = factor, relative_error

    def kappa(self, tau):
        return self.factor * super().kappa(tau)

    def kappa_error(self, tau):
        return self.relative_error * self.kappa(tau)


@pytest.mark.parametrize("rho", [0.1, 2.0])
def test_error_of_the_channel_is_that_of_a_wrong_channel(rho):
    alphas = np.array([0.02, 0.2, 2.0])
    shift = 1e-4
    less, more = (state_evolution(alphas, rho, BiasedHardmax(2, 1 + s * shift, 0)).mmse for s in (-1, 1))
    stated = state_evolution(alphas, rho, BiasedHardmax(2, 1.0, shift)).mmse_error
    np.testing.assert_allclose(stated, (less - more) / 2, rtol=1e-5)


@pytest.mark.parametrize("rho", [0.05, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("channel", ["softmax", "hardmax"])
def test_noise_determines_the_samples_and_back(rho, channel):
    deltas = np.geomspace(1e-4, 1e3, 15)
    alphas = [alpha_of_noise(delta, rho, channel) for delta in deltas]
    assert np.all(np.diff(alphas) < 0)
    for delta, alpha in zip(deltas[::5], alphas[::5], strict=True):
        assert 1 / state_evolution(alpha, rho, channel).q_hat == pytest.approx(delta, rel=1e-6)


@pytest.mark.parametrize(("rho", "parameters"), [(0.3, 0.51), (1.0, 1.0), (2.0, 1.0)])
@pytest.mark.parametrize(("channel", "t", "equations"), [("softmax", 3, 10), ("linear", 3, 12)])
def test_the_error_vanishes_where_equations_are_parameters(rho, parameters, channel, t, equations):
    threshold = exact_recovery_threshold(rho, channel, t)
    assert threshold == pytest.approx(parameters / equations, rel=1e-14)
    for factor in (1 - 1e-4, 1 + 1e-12):
        assert (state_evolution(factor * threshold, rho, channel, t).mmse > 0) == (factor < 1)


def test_thresholds_are_limits():
    for rho, channel, t in ((0.4, "softmax", 2), (2.0, "linear", 3)):
        limit = alpha_of_noise(1e-9, rho, channel, t)
        assert limit == pytest.approx(exact_recovery_threshold(rho, channel, t), rel=1e-3)
    bars = weak_recovery_threshold("hardmax", 3) * np.array([0.98, 1.02, 1.5])
    errors = small_width_limit(bars, "hardmax", 3)
    assert errors[0] == 1 > errors[1] > errors[2] and errors[1] > 0.99


def test_density_in_place_of_the_derivative_decays_too_slowly():
    alphas = np.array([500.0, 1000.0])
    for channel, exponent in ((HardmaxChannel(), -2), (PublishedHardmaxChannel(), -1)):
        errors = state_evolution(alphas, 0.5, channel).mmse
        assert np.log2(errors[1] / errors[0]) == pytest.approx(exponent, abs=0.02)
    np.testing.assert_allclose(
        state_evolution(alphas, 0.5, "hardmax").mmse, large_alpha_error(alphas, 0.5), rtol=0.01
    )


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: state_evolution([0.1, -0.1], 0.5), "alpha"),
        (lambda: state_evolution([0.1, math.nan], 0.5), "alpha"),
        (lambda: state_evolution(0.1, math.inf, "hardmax"), "rho"),
        (lambda: state_evolution(0.1, math.nan), "rho"),
        (lambda: state_evolution(0.1, -0.5), "rho"),
        (lambda: state_evolution(0.1, -math.inf), "rho"),
        (lambda: state_evolution(0.1, "0.5"), "rho must be a real number"),
        (lambda: state_evolution(0.1, None), "rho must be a real number"),
        (lambda: state_evolution(0.1, [0.5, 0.0]), "rho must be > 0"),
        (lambda: state_evolution(0.1, [0.5, math.nan]), "rho must be finite"),
        (lambda: state_evolution(0.1, [0.5, math.inf], "hardmax"), "rho must be finite"),
        (lambda: state_evolution(0.1, ["0.5"]), "rho must hold real numbers"),
        (lambda: state_evolution([0.1, 0.2], [0.5, 1.0, 2.0]), "alpha and rho must have shapes"),
        (lambda: alpha_of_noise(1.0, "0.5"), "rho must be a real number"),
        (lambda: alpha_of_noise(1.0, math.inf, "hardmax"), "rho must be finite"),
        (lambda: state_evolution("0.1", 0.5), "alpha"),
        (lambda: state_evolution_iterates(0.0, 0.5), "alpha"),
        (lambda: alpha_of_noise(0.0, 0.5), "delta"),
        (lambda: small_width_limit([0.0]), "alpha_bar"),
        (lambda: exact_recovery_threshold(-1.0), "rho"),
        (lambda: exact_recovery_threshold("0.5", "hardmax"), "rho must be a real number"),
        (lambda: state_evolution(0.1, np.array(math.inf), "hardmax"), "rho must be finite"),
        (lambda: state_evolution(0.1, WishartPrior(math.inf), "hardmax"), "rho must be finite"),
        (lambda: state_evolution(0.1, np.ma.masked_array(0.5, mask=True)), "rho must have no masked entry"),
        (lambda: state_evolution(0.1, 0.5, "softmax", 10**200), "n_tokens must be >= 2 and <="),
        (lambda: large_alpha_error(5.0, 0.5, 10**200), "n_tokens must be >= 2 and <="),
    ],
)
def test_bad_input_is_named(call, match):
    with pytest.raises((ValueError, TypeError), match=match):
        call()


@pytest.mark.parametrize("channel", ["softmax", "hardmax"])
@pytest.mark.parametrize("alpha", [1e-140, 1e-25])
def test_hardly_any_data_teach_hardly_anything(channel, alpha):
    """The precision is alpha times the information of a label to those who know the mean of the layer."""
    found = state_evolution(alpha, 0.5, channel)
    assert found.mmse == 1 and found.q == 0.5
    assert found.q_hat == pytest.approx(alpha * float(make_channel(channel).kappa(0.5)), rel=1e-9)


@pytest.mark.parametrize("alpha", [-3.0, 0.0, [1.0, -1.0]])
def test_no_samples_have_no_asymptotic_error(alpha):
    for ask in (large_alpha_error, state_evolution):
        with pytest.raises(ValueError, match="alpha must be > 0"):
            ask(alpha, 0.5)
    with pytest.raises(ValueError, match="alpha_bar must be > 0"):
        small_width_limit(alpha)
