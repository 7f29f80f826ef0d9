r"""The free energy of every channel and every prior, built in and sampled, at a solution of state evolution.

.. math:: \phi(\alpha) = I(1/\hat q) - \tfrac14 \hat q V + \alpha G(q), \qquad G(q) = \tfrac14\int_q^{q_1} K,

is stationary in both arguments: I-MMSE of the matrix, :math:`I' = V/4`, and of a label,
:math:`\hat q = \alpha K`. So :math:`\phi'(\alpha) = G`: a further sample tells what its label still holds.
"""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from pairint.aim import (
    AtomicPrior,
    HardmaxChannel,
    LinearChannel,
    NoisyChannel,
    PowerLawPrior,
    Prior,
    SampledChannel,
    SemicirclePrior,
    SoftmaxChannel,
    ThresholdChannel,
    UntiedLinearChannel,
    UntiedPrior,
    UntiedSoftmaxChannel,
    WishartPrior,
    state_evolution,
)
from pairint.aim.channels import PublishedHardmaxChannel
from pairint.aim.sampling import SampledHardmaxChannel


class Ridge(Prior):
    """A user's class: independent Gaussian entries, and nothing but what must be defined."""

    mean, second_moment = 0.0, 1.0

    def error(self, delta):
        return delta / (1 + delta)

    def denoise(self, eigenvalues, delta):
        return eigenvalues / (1 + delta)


def signs(h):
    return np.sign(h).astype(int)


CHANNELS = {
    "linear": lambda: LinearChannel(),
    "softmax": lambda: SoftmaxChannel(),
    "softmax of four": lambda: SoftmaxChannel(4),
    "hardmax": lambda: HardmaxChannel(),
    "hardmax of three": lambda: HardmaxChannel(3),
    "published hardmax": lambda: PublishedHardmaxChannel(),
    "sampled hardmax": lambda: SampledHardmaxChannel(2, 2000, 0),
    "noisy linear": lambda: NoisyChannel("linear", 0.5, 1),
    "noisy hardmax": lambda: NoisyChannel("hardmax", 0.5, 1),
    "cells": lambda: ThresholdChannel([-1.0, 0.3, 2.0]),
    "mislabelled": lambda: ThresholdChannel([-0.5, 0.5], 0.2, 1),
    "sampled signs": lambda: SampledChannel(signs, n_predictions=100, n_draws=300, rng=2),
}
PRIORS = {
    "narrow": WishartPrior(0.1),
    "wide": WishartPrior(2.0),
    "semicircle": SemicirclePrior(),
    "projector": AtomicPrior([0.0, 1.0], [0.6, 0.4]),
    "power law": PowerLawPrior(1.0, 100.0),
    "of one's own": Ridge(),
}
#: Samples over d^2, times the entries of a label: more are known exactly by some channels.
ALPHA = 0.32
PAIRS = [
    *(pytest.param(channel, "middle", id=channel) for channel in CHANNELS),
    *(pytest.param("noisy linear", prior, id=prior) for prior in PRIORS),
    pytest.param("untied linear", "untied", id="untied linear"),
    pytest.param("untied softmax", "untied", id="untied softmax"),
]


def made(channel, prior):
    laws = PRIORS | {"middle": WishartPrior(0.5), "untied": UntiedPrior(0.5)}
    kinds = CHANNELS | {"untied linear": UntiedLinearChannel, "untied softmax": UntiedSoftmaxChannel}
    return kinds[channel](), laws[prior]


def solved(alpha, prior, channel):
    """Return V, q_hat and q."""
    found = state_evolution(alpha, prior, channel)
    return float(found.mmse), float(found.q_hat), prior.second_moment - float(found.mmse)


def label_left(channel, prior, low, high, factor=1.0):
    """Return a quarter of the integral of K from q = low to high."""
    found = quad(lambda q: channel.information(q, prior.second_moment - q), low, high, epsrel=1e-10)
    return factor * found[0] / 4


@pytest.mark.parametrize(("channel", "prior"), PAIRS)
def test_the_free_energy_is_stationary(channel, prior):
    channel, prior = made(channel, prior)
    alpha = ALPHA / channel.n_tokens**2
    V, q_hat, q = solved(alpha, prior, channel)
    assert 0.02 * prior.variance < V < 0.98 * prior.variance  # something is known, and something is open
    # State evolution solves its equation to 1e-10 (sampled informations are smooth functions, too).
    assert q_hat == pytest.approx(alpha * channel.information(q, V), rel=1e-8)
    # Differences of five points: the fourth power of the step, and the accuracy of I (1e-9) over it.
    h = 1e-2
    at = [prior.information(1 / (q_hat * (1 + k * h))) for k in (-2, -1, 1, 2)]
    slope = (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h * q_hat)
    assert slope == pytest.approx(V / 4, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("channel", "prior"), PAIRS)
def test_a_further_sample_tells_what_its_label_still_holds(channel, prior):
    channel, prior = made(channel, prior)
    alpha, h = ALPHA / channel.n_tokens**2, 1e-2
    points = {k: solved(alpha * (1 + k * h), prior, channel) for k in (-2, -1, 0, 1, 2)}
    end = max(q for _, _, q in points.values())

    def free_energy(k, factor):
        V, q_hat, q = points[k]
        holds = alpha * (1 + k * h) * label_left(channel, prior, q, end, factor)
        return prior.information(1 / q_hat) - q_hat * V / 4 + holds

    def slope(factor):
        at = [free_energy(k, factor) for k in (-2, -1, 1, 2)]
        return (at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * h * alpha)

    expected = label_left(channel, prior, points[0][2], end)
    # Of the terms that cancel the largest is q_hat V / 4 over alpha: differences know it to h^4.
    size = points[0][0] * points[0][1] / (4 * alpha)
    assert slope(1.0) == pytest.approx(expected, abs=1e-5 * size)
    # Labels that tell a twentieth more than K are not those of the solution.
    assert abs(slope(1.05) - 1.05 * expected) > 1e-3 * size


@pytest.mark.parametrize("n_tokens", [2, 3, 5])
def test_the_budget_of_labels_that_are_numbers(n_tokens):
    """Indices that are known to a variance V hold half a logarithm each: all, or all but one."""
    for channel, known in ((LinearChannel(n_tokens), 0), (SoftmaxChannel(n_tokens), 1)):
        numbers = n_tokens * (n_tokens + 1) / 2 - known
        found = label_left(channel, SemicirclePrior(), 0.2, 0.9)
        assert found == pytest.approx(numbers / 2 * math.log(0.8 / 0.1), rel=1e-9)


@pytest.mark.parametrize("name", ["sampled hardmax", "sampled signs"])
def test_the_budget_of_sampled_channels(name):
    """A quarter of the integral is the entropy of a label, as nearly as the sampling knows it."""
    channel, total = CHANNELS[name](), 1.0

    # In u = sqrt(V) the integrand K dq = 2 u K du is bounded: to its ends, where K u may be infinite.
    def integrand(u):
        return channel.information(total - u * u, u * u) * u / 2

    def doubt(u):
        return channel.information_error(total - u * u, u * u) * u / 2

    found = quad(integrand, 1e-4, 1 - 1e-6, epsrel=1e-5, limit=200)[0]
    # The same draws serve all nodes: errors add up as they are, and this is four standard errors at least.
    allowed = 4 * quad(doubt, 1e-4, 1 - 1e-6, epsrel=1e-3, limit=200)[0]
    entropy = 1.362705 if name == "sampled hardmax" else 3 * math.log(2)
    assert abs(found - entropy) < allowed < 0.25 * entropy
    # The published density is outside of it.
    assert abs(0.5017 - entropy) > allowed
