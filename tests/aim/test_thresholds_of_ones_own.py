"""Thresholds and limits of a channel of one's own: right, or refused; and how many digits are right."""

import math

import numpy as np
import pytest
from magnitudes import Magnitudes

from pairint.aim import (
    HardmaxChannel,
    NoisyChannel,
    SoftmaxChannel,
    ThresholdChannel,
    exact_recovery_threshold,
    fixed_points,
    small_width_limit,
    state_evolution,
    weak_recovery_threshold,
)


class Free(SoftmaxChannel):
    """The book's channel, of which nobody says anything."""

    recovers_exactly = False
    one_fixed_point = False


class Claims(Magnitudes):
    """Magnitudes do recover exactly, but kappa is not constant."""

    recovers_exactly = True


class Empty(SoftmaxChannel):
    def kappa(self, tau):
        return 0.0


def test_magnitudes_recover_exactly_where_equations_suffice():
    for rho in (0.1, 0.5):
        found = exact_recovery_threshold(rho, Magnitudes())
        # The curve is followed to a noise of 1e-12 of the prior's variance: kappa lacks a share of the order
        # of its square root there.
        assert found == pytest.approx((2 * rho - rho**2) / 6, rel=1e-5)
        points = fixed_points([0.99 * found, 1.01 * found], rho, Magnitudes())
        assert [point.alpha for point in points if point.error == 0] == [1.01 * found]


def test_others():
    assert exact_recovery_threshold(0.5, Free()) == pytest.approx(exact_recovery_threshold(0.5), rel=1e-5)
    for channel in (ThresholdChannel([0.0]), NoisyChannel("linear", 0.1), HardmaxChannel()):
        assert exact_recovery_threshold(0.5, channel) == math.inf


@pytest.mark.parametrize(("channel", "match"), [(Claims(), "must be constant"), (Empty(), "must be > 0")])
def test_a_channel_that_contradicts_itself_is_refused(channel, match):
    for ask in (
        lambda: exact_recovery_threshold(0.1, channel),
        lambda: small_width_limit(1.0, channel),
        lambda: state_evolution(0.05, 0.1, channel),
    ):
        with pytest.raises(ValueError, match=rf"^{type(channel).__name__}.kappa {match}"):
            ask()


def test_labels_that_teach_nothing_at_first():
    assert weak_recovery_threshold(Magnitudes()) == math.inf
    # The root of the narrow limit would say an error of one for all samples; zero is right beyond 1/3.
    with pytest.raises(ValueError, match="one fixed point where layers are narrow, Magnitudes"):
        small_width_limit(1.0, Magnitudes())
    np.testing.assert_allclose(
        small_width_limit([0.2, 0.4], Free()), small_width_limit([0.2, 0.4]), atol=1e-9
    )


@pytest.mark.parametrize("rho", [1e-3, 0.1, 0.5, 5.0])
def test_the_error_has_ten_decimals(rho):
    """Points a billionth apart lie on a line, but for rounding; the narrower a layer, the more of it."""
    places = np.linspace(-1, 1, 21)
    for fraction in (0.5, 0.99, 1 - 1e-5, 1 - 1e-7):
        alphas = fraction * exact_recovery_threshold(rho) * (1 + 5e-10 * places)
        found = state_evolution(alphas, rho).mmse
        assert np.abs(found - np.polyval(np.polyfit(places, found, 1), places)).max() < 1e-9
