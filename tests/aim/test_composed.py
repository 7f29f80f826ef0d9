"""Channels with a scale of their own: composed, cut at thresholds, and sampled; all identities for each."""

import math

import numpy as np
import pytest
from scipy.integrate import quad

from pairint.aim import (
    AIMTeacher,
    HardmaxChannel,
    LinearChannel,
    NoisyChannel,
    SampledChannel,
    SemicirclePrior,
    SoftmaxChannel,
    ThresholdChannel,
    WishartPrior,
    amp,
    check_channel,
    state_evolution,
)
from pairint.aim.channels import PublishedHardmaxChannel


def right_channels():
    return {
        "noisy linear": NoisyChannel("linear", 0.5, 1),
        "noisy softmax": NoisyChannel(SoftmaxChannel(log_labels=True), 0.5, 1),
        "noisy hardmax": NoisyChannel("hardmax", 0.7, 1),
        "noise twice": NoisyChannel(NoisyChannel("linear", 0.2, 1), 0.3, 2),
        "signs": ThresholdChannel([0.0]),
        "cells": ThresholdChannel([-1.0, 0.3, 2.0]),
        "mislabelled": ThresholdChannel([-0.5, 0.5], 0.2, 1),
        "noisy cells": NoisyChannel(ThresholdChannel([-0.5, 0.5], 0.1, 1), 0.4, 2),
    }


@pytest.mark.parametrize("name", right_channels())
def test_scores_and_information_belong_together(name):
    """Nishimori and the size of the scores, for each."""
    check_channel(right_channels()[name], 4000, rng=3)


@pytest.mark.filterwarnings("ignore:AMP")
@pytest.mark.parametrize("name", [*right_channels(), "sampled"])
def test_message_passing_reads_each(name):
    """Labels that are whole numbers, too: at least half of what is open without them is learned."""
    channel = (
        SampledChannel(lambda h: np.sign(h).astype(int), n_draws=300, n_predictions=50, rng=2)
        if name == "sampled"
        else right_channels()[name]
    )
    teacher = AIMTeacher(20, 0.5, channel=channel, rng=0)
    X, y = teacher.sample(500, 1)
    assert teacher.error(amp(X, y, 0.5, channel, max_iter=12).S) < 0.5 * WishartPrior(0.5).variance


@pytest.mark.parametrize("name", ["noisy hardmax", "cells"])
def test_a_wrong_information_is_noticed(name):
    right = right_channels()[name]
    wrong = type(
        "Wrong",
        (type(right),),
        {"information": lambda self, q, V: 1.15 * type(right).information(self, q, V)},
    )
    channel = wrong("hardmax", 0.7, 1) if name == "noisy hardmax" else wrong([-1.0, 0.3, 2.0])
    with pytest.raises(ValueError, match="must be what g_out is worth"):
        check_channel(channel, 40_000, rng=3)


def budget(channel, total):
    """A quarter of the integral of K over q, by log V."""
    return quad(
        lambda x: channel.information(total - math.exp(x), math.exp(x)) * math.exp(x) / 4,
        math.log(total) - 30, math.log(total) - 1e-12, epsrel=1e-7, limit=300,
    )[0]  # fmt: skip


@pytest.mark.parametrize(("thresholds", "error"), [([0.0], 0.0), ([-1.0, 0.3, 2.0], 0.0), ([-0.5, 0.5], 0.2)])
def test_the_information_budget_of_cells(thresholds, error):
    """What labels teach in all is their entropy, less that which remains when S is known."""
    total, channel = 1.3, ThresholdChannel(thresholds, error)

    def entropy(scale):
        from scipy.special import ndtr

        p = np.diff(ndtr(np.array([-np.inf, *thresholds, np.inf]) / scale))
        p = (1 - error) * p + error / len(p)
        return float(-(p * np.log(p)).sum())

    cells = len(thresholds) + 1
    known = np.full(cells, error / cells) + (1 - error) * (np.arange(cells) == 0)
    left = float(-(known[known > 0] * np.log(known[known > 0])).sum())
    # One index off the diagonal, of variance Q0, and two on it, of twice that.
    expected = entropy(math.sqrt(total)) + 2 * entropy(math.sqrt(2 * total)) - 3 * left
    assert budget(channel, total) == pytest.approx(expected, rel=1e-4)


def test_the_information_budget_of_noisy_hardmax():
    """Noise takes information: a quarter of the integral is what a noisy label tells of S."""
    total, noise = 1.0, 0.5
    found = budget(NoisyChannel("hardmax", noise), total)
    # Without noise, at the variance Q0 + s^2: the whole entropy, and the part beyond q = Q0.
    exact = HardmaxChannel()
    whole = budget(exact, total + noise)
    beyond = quad(lambda q: exact.information(q, total + noise - q) / 4, total, total + noise, epsrel=1e-6)[0]
    assert whole == pytest.approx(1.362705, abs=1e-4)
    assert found == pytest.approx(whole - beyond, abs=2e-3)
    # The published density fails the budget.
    assert abs(budget(PublishedHardmaxChannel(), total) - 1.362705) > 0.5


def test_noise_is_a_remainder_that_stays():
    noisy = NoisyChannel("linear", 0.5)
    assert noisy.information(1.0, 0.3) == pytest.approx(6 / 0.8)
    twice = NoisyChannel(NoisyChannel("linear", 0.2), 0.3)
    assert twice.information(1.0, 0.3) == pytest.approx(noisy.information(1.0, 0.3))
    assert NoisyChannel("softmax", 0.0).information(1.0, 0.3) == SoftmaxChannel().information(1.0, 0.3)
    with pytest.raises(TypeError, match="has no kappa"):
        noisy.kappa(1.0)


def test_state_evolution_of_noisy_linear_labels_is_ridge_regression():
    # A full Gaussian matrix: V = delta / (1 + delta) with delta = (V + s^2) / (6 alpha).
    alphas, noise = np.array([0.05, 0.1, 0.4]), 0.2
    found = state_evolution(alphas, SemicirclePrior(), NoisyChannel("linear", noise))
    delta = (found.mmse + noise) / (6 * alphas)
    np.testing.assert_allclose(found.mmse, delta / (1 + delta), rtol=1e-8)
    assert (found.mmse > 0).all()


def test_many_cells_are_noiseless_indices_and_one_is_a_sign():
    fine = ThresholdChannel(np.arange(-6, 6.001, 0.05))
    assert fine.information(0.6, 0.4) == pytest.approx(LinearChannel().information(0.6, 0.4), rel=2e-3)
    assert ThresholdChannel([0.0]).information(0.0, 1.0) == pytest.approx(6 * 2 / math.pi)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:AMP")
def test_message_passing_with_noise():
    d, alpha, noise = 40, 0.3, 0.3
    expected = float(state_evolution(alpha / (1 + 1 / d), 0.5, NoisyChannel("linear", noise)).mmse)
    errors = []
    for seed in range(4):
        channel = NoisyChannel("linear", noise, seed)
        teacher = AIMTeacher(d, 0.5, channel=channel, rng=seed)
        X, y = teacher.sample(round(alpha * d * d), rng=100 + seed)
        errors.append(teacher.error(amp(X, y, teacher.rho, channel).S))
    assert abs(np.mean(errors) - expected) < 4 * np.std(errors, ddof=1) / 2 + 4 / d * expected


class TestSampled:
    def test_hardmax_without_its_formula(self):
        sampled = SampledChannel(lambda h: h.argmax(axis=-1), n_predictions=200, n_draws=600, rng=0)
        exact = HardmaxChannel()
        for q, V in ((0.1, 1.4), (0.7, 0.8), (1.2, 0.3)):
            error = sampled.information_error(q, V)
            assert abs(sampled.information(q, V) - exact.information(q, V)) < 5 * error
            assert error < 0.1 * exact.information(q, V)
            # The density in the place of the derivative is excluded.
            assert abs(sampled.information(q, V) - PublishedHardmaxChannel().information(q, V)) > 5 * error

    def test_its_scores_are_posterior_means(self):
        sampled = SampledChannel(lambda h: h.argmax(axis=-1), n_draws=4000, n_predictions=50, rng=0)
        exact, rng = HardmaxChannel(), np.random.default_rng(1)
        omega = rng.standard_normal((6, 2, 2))
        omega = (omega + omega.transpose(0, 2, 1)) / 2
        labels = sampled.output(omega)
        g = sampled.g_out(sampled.observe(labels), omega, 0.5)
        reference = exact.g_out(exact.observe(np.eye(2)[labels]), omega, 0.5)
        np.testing.assert_allclose(g, reference, atol=0.15)
        assert abs(g).max() > 0.3

    def test_continuous_labels_are_refused(self):
        with pytest.raises(ValueError, match="round a label"):
            SampledChannel(lambda h: h).information(0.5, 0.5)
        with pytest.raises(ValueError, match="met again"):
            SampledChannel(lambda h: np.round(1e6 * h).astype(int), n_draws=100).information(0.5, 0.5)
        with pytest.raises(TypeError, match="function must be callable"):
            SampledChannel("argmax")


class TestMistakes:
    def test_arguments(self):
        with pytest.raises(ValueError, match="noise must be >= 0"):
            NoisyChannel("linear", -1.0)
        with pytest.raises(ValueError, match="thresholds must increase"):
            ThresholdChannel([1.0, 0.0])
        with pytest.raises(ValueError, match="label_error must be"):
            ThresholdChannel([0.0], 1.0)
        with pytest.raises(ValueError, match="V must be > 0"):
            ThresholdChannel([0.0]).information(1.0, 0.0)
        with pytest.raises(ValueError, match="cells 0 to 1"):
            ThresholdChannel([0.0]).observe(np.full((2, 2, 2), 3.0))
        with pytest.raises(ValueError, match="symmetric"):
            ThresholdChannel([0.0]).observe(np.array([[[0.0, 1.0], [0.0, 0.0]]]))
