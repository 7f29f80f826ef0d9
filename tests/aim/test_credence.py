"""An algorithm that is sure of itself and wrong: what labels refuse, and what they do not."""

import importlib
import math
import warnings

import fake_cupy
import numpy as np
import pytest
from magnitudes import Magnitudes
from sklearn.exceptions import ConvergenceWarning

from pairint.aim import (
    AIMTeacher,
    HardmaxChannel,
    LinearChannel,
    NoisyChannel,
    SampledChannel,
    SoftmaxChannel,
    ThresholdChannel,
    UntiedLinearChannel,
    UntiedPrior,
    UntiedSoftmaxChannel,
    WishartPrior,
    amp,
    untied_amp,
)
from pairint.aim.credence import beyond_repair, contradiction, refusable
from pairint.aim.indices import indices

CHANNELS = {
    "linear": LinearChannel,
    "softmax": lambda: SoftmaxChannel(2, log_labels=True),
    "hardmax": HardmaxChannel,
    "noisy linear": lambda: NoisyChannel("linear", 0.05, 1),
    "noisy softmax": lambda: NoisyChannel(SoftmaxChannel(log_labels=True), 0.05, 1),
    "noisy hardmax": lambda: NoisyChannel("hardmax", 0.05, 1),
    "signs": lambda: ThresholdChannel([0.0]),
    "cells": lambda: ThresholdChannel([-1.0, 0.3, 2.0]),
    "mislabelled": lambda: ThresholdChannel([-0.5, 0.5], 0.2, 1),
    "noisy cells": lambda: NoisyChannel(ThresholdChannel([-0.5, 0.5], 0.1, 1), 0.05, 2),
    "magnitudes": Magnitudes,
}
OTHERS = {
    "three tokens": lambda: SoftmaxChannel(3, log_labels=True),
    "hardmax of three": lambda: HardmaxChannel(3),
    "sampled": lambda: SampledChannel(lambda h: np.sign(h).astype(int), 2, 100, 400, rng=2),
    "untied linear": UntiedLinearChannel,
    "untied softmax": lambda: UntiedSoftmaxChannel(2, log_labels=True),
}


@pytest.mark.parametrize("gamma", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("s", [0.1, 0.5, 0.9, 1.0])
def test_beyond_the_factor_a_claim_falls_for_ever(gamma, s):
    """The two equations of the module, iterated: the ratio of claim and error."""

    def ratio(r, n):
        error, claim = 1.0, r
        ratios = [r]
        for _ in range(n):
            r = claim / error
            next_claim = s * r * claim
            error, claim = (
                (1 - gamma * r) ** 2 * error + gamma**2 * next_claim,
                (1 - gamma) * claim + gamma * next_claim,
            )
            ratios.append(claim / error)
        return np.array(ratios)

    below = ratio(0.999 / beyond_repair(gamma), 300)
    assert (np.diff(below[below > 1e-100]) < 0).all() and below[-1] < 0.01
    if s == 1.0:  # where the factor is sharp
        above = ratio(1.001 / beyond_repair(gamma), 300)
        assert (np.diff(above)[:5] > 0).all() and above[-1] > 0.9


def worth(channel, q, true, scored, rng, n=500):
    """Weighted squares of scores at an error; the indices have another about their predictions."""
    t = channel.n_tokens

    def drawn():
        z = rng.standard_normal((n, t, t))
        return (z + z.transpose(0, 2, 1)) / math.sqrt(2) if channel.symmetric else z

    omega = math.sqrt(q) * drawn()
    observed = channel.observe(channel.output(omega + math.sqrt(true) * drawn()))
    squares = channel.g_out(observed, omega, scored) ** 2
    return (squares * ((1 + np.eye(t)) ** 2 if channel.symmetric else 1)).sum(axis=(1, 2))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CHANNELS, *OTHERS])
def test_labels_refuse_what_is_beyond_repair_and_nothing_else(name):
    channel = {**CHANNELS, **OTHERS}[name]()
    rng, q = np.random.default_rng(5), 1.0

    def said(claim, true):
        error = refusable(claim, 1.0)
        return contradiction(worth(channel, q, true, error, rng), q, error, channel)

    draws = 2 if name == "sampled" else 5
    # Right ones, ones at the edge (each has a chance of one in a thousand), and what is as good as zero.
    for claim, true in ((0.2, 0.2), (0.2, 0.4), (1e-3, 1e-3), (1e-9, 2e-3)):
        assert [said(claim, true) for _ in range(draws)] == [""] * draws
    # Five times and a hundred times beyond the edge.
    for claim, true in ((0.2, 2.0), (0.005, 1.0)):
        assert all("refuse" in said(claim, true) for _ in range(draws))


@pytest.mark.slow
def test_labels_that_no_draw_gives():
    """Their score is zero, which the mean square takes for agreement; their number is another witness."""
    channel, q = SampledChannel(lambda h: np.round(4 * np.abs(h)).clip(0, 8).astype(int), rng=2), 1.0
    rng = np.random.default_rng(4)

    def drawn(true, n=300):
        z = rng.standard_normal((2, n, 2, 2))
        omega, xi = (z + z.transpose(0, 1, 3, 2)) / math.sqrt(2)
        return channel.observe(channel.output(omega + math.sqrt(true) * xi)), omega

    error = refusable(1e-6, 1.0)
    observed, omega = drawn(0.5)
    squares = 4 * (channel.g_out(observed, omega, error) ** 2).sum(axis=(1, 2))
    assert squares.mean() < channel.information_here(q, error)[0]  # contradicted, and silent
    assert channel.are_strange(observed, omega, error, 1e-3)
    assert NoisyChannel(channel, error / 2).are_strange(observed, omega, error / 2, 1e-3)
    assert "met by no draw" in contradiction(0 * squares, q, error, channel, True)
    for true in (error, error / 2):  # right, with more kinds of labels than one can count, too
        assert not channel.are_strange(*drawn(true), error, 1e-3)
    fine = SampledChannel(lambda h: np.floor(1e6 * h).astype(np.int64), n_draws=100, rng=2)
    omega = drawn(0.1)[1]
    labels = fine.observe(fine.output(omega + 0.1))
    assert not fine.are_strange(labels, omega, 1.0, 1e-3)  # no draw meets any, and none was to be expected
    # No other channel needs it.
    signs = ThresholdChannel([0.0])
    assert not signs.are_strange(signs.observe(signs.output(-omega)), omega, 1e-6, 1e-3)


def test_a_few_labels_do_not_hide_the_others():
    """One label that dwarfs the rest makes the mean square a poor witness; the count of labels is another."""
    channel, error = LinearChannel(), 1.0
    expected = channel.information(1.0, error)
    many = np.full(300, 50 * expected)
    assert "refuse" in contradiction(many, 1.0, error, channel)
    hidden = np.where(np.arange(300) == 0, 1e6 * expected, 50 * expected)
    spread = hidden.std() / math.sqrt(300)
    assert hidden.mean() < expected + 3 * spread  # which a test of the mean would take
    assert "refuse" in contradiction(hidden, 1.0, error, channel)
    alone = np.where(np.arange(300) == 0, 1e6 * expected, 0.5 * expected)  # and one alone proves nothing
    assert contradiction(alone, 1.0, error, channel) == ""


def magnitudes(seed, alpha, rho=0.1, d=100):
    teacher = AIMTeacher(d, rho, channel=Magnitudes(), rng=np.random.default_rng([1, seed]))
    return teacher, teacher.sample(round(alpha * d * d), np.random.default_rng([2, seed]))


@pytest.mark.parametrize("seed", [3, 9, 11])
def test_magnitudes_without_damping(monkeypatch, seed):
    """The iteration stands still after a few steps, far from the truth, and believes that it knows it."""
    teacher, (X, y) = magnitudes(seed, 0.025)
    with pytest.warns(ConvergenceWarning, match="the labels refuse .* smaller damping, or a start"):
        found = amp(X, y, 0.1, Magnitudes(), damping=1.0)
    assert not found.converged and "refuse" in found.reason
    assert teacher.error(found.S) > 1 and found.mmse < 1e-9
    # Nothing else tells: without the question it has converged.
    monkeypatch.setattr(importlib.import_module("pairint.aim.amp"), "contradiction", lambda *args: "")
    blind = amp(X, y, 0.1, Magnitudes(), damping=1.0)
    assert blind.converged and blind.reason == ""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 9, 11])
def test_what_the_message_says_helps(seed):
    teacher, (X, y) = magnitudes(seed, 0.025)
    found = amp(X, y, 0.1, Magnitudes(), damping=0.1)
    assert found.converged and found.reason == ""
    assert teacher.error(found.S) < beyond_repair(0.1) * found.mmse


def test_the_shortest_way_to_an_information():
    """A sampled channel is asked at one place, and one that shows it noisy indices passes the question on."""
    sampled = SampledChannel(lambda h: np.sign(h).astype(int), 2, 100, 400, rng=2)
    value, error = sampled.information_here(1.0, 0.5)
    exact = ThresholdChannel([0.0]).information(1.0, 0.5)
    assert abs(value - exact) < 5 * error < 0.5 * exact
    assert NoisyChannel(sampled, 0.2).information_here(1.0, 0.3) == (value, error)
    assert ThresholdChannel([0.0]).information_here(1.0, 0.5) == (pytest.approx(exact), 0.0)


class Sure(WishartPrior):
    """A denoiser that hardly listens: what it does not answer to, it takes for known."""

    def denoise(self, eigenvalues, delta):
        return self.mean + 1e-9 * eigenvalues


class SureUntied(UntiedPrior):
    def denoise(self, eigenvalues, delta):
        return 1e-9 * eigenvalues


# Labels that know no scale correct a claim themselves.
@pytest.mark.parametrize("name", [name for name in [*CHANNELS, "three tokens"] if name != "hardmax"])
def test_tied_layers(name):
    channel = {**CHANNELS, **OTHERS}[name]()
    teacher = AIMTeacher(30, 0.5, channel.n_tokens, channel, rng=0)
    X, y = teacher.sample(400, 1)
    with pytest.warns(ConvergenceWarning, match="refuse"):
        found = amp(X, y, Sure(0.5), channel, damping=1.0)
    assert not found.converged and "refuse" in found.reason and found.mmse < 1e-3


@pytest.mark.parametrize("kind", ["linear", "hardmax"])
def test_on_the_device(monkeypatch, kind):
    """What is asked of labels there is answered there, and said in the same words."""
    teacher = AIMTeacher(20, 0.5, 2, kind, rng=0)
    X, y = teacher.sample(300, 1)
    prior, damping = (Sure(0.5), 1.0) if kind == "linear" else (0.5, "auto")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = amp(X, y, prior, kind, tol=1e-3, damping=damping)
        cupy = fake_cupy.install(monkeypatch)
        found = amp(cupy.asarray(X), cupy.asarray(y), prior, kind, tol=1e-3, damping=damping)
    assert found.n_iter == expected.n_iter < 1000
    assert (found.converged, found.reason) == (expected.converged, expected.reason)
    assert found.converged == (kind == "hardmax")


@pytest.mark.parametrize("channel", [UntiedLinearChannel(), UntiedSoftmaxChannel(2, log_labels=True)])
def test_untied_layers(channel):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 2, 30))
    S = UntiedPrior(0.5).draw(30, rng)
    y = channel.output(indices(X, S))
    with pytest.warns(ConvergenceWarning, match="refuse"):
        found = untied_amp(X, y, SureUntied(0.5), channel, damping=1.0)
    assert not found.converged and "refuse" in found.reason and found.mmse < 1e-3
    right = untied_amp(X, y, 0.5, channel, tol=1e-2)
    assert right.converged and right.reason == ""


ALPHAS = {
    "linear": (0.03, 0.08, 0.2),
    "softmax": (0.05, 0.12, 0.3),
    "hardmax": (0.03, 0.3, 1.0),
    "magnitudes": (0.02, 0.2, 0.4),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANNELS)
def test_honest_runs_are_believed(name):
    """Nine runs of each of eleven channels, below and above what suffices: none is refused wrongly."""
    refused = believed = 0
    for i, alpha in enumerate(ALPHAS.get(name, (0.05, 0.2, 0.6))):
        for rho in (0.1, 0.5, 2.0):
            channel = CHANNELS[name]()
            teacher = AIMTeacher(50, rho, channel=channel, rng=np.random.default_rng([3, i, int(10 * rho)]))
            X, y = teacher.sample(round(alpha * 50**2), np.random.default_rng([4, i, int(10 * rho)]))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # slow is allowed
                found = amp(
                    X, y, rho, channel, max_iter=300, tol=1e-4,
                    damping=0.3 if name == "magnitudes" else "auto",
                )  # fmt: skip
            if "refuse" in found.reason:
                # Not one whose own account is right, to the factor that is asked for.
                assert teacher.error(found.S) > refusable(found.mmse, found.damping)
                refused += 1
            believed += found.converged
    assert believed >= 6 and refused <= 1
