"""The likelihood of hardmax labels and its information, against other ways to compute them."""

import itertools
import math

import numpy as np
import pytest

from pairint.aim.amp import amp
from pairint.aim.bivariate import bivariate_log_cdf
from pairint.aim.channels import HardmaxChannel, index_variances, make_channel
from pairint.aim.hardmax import (
    hardmax_information,
    hardmax_labels,
    hardmax_likelihood,
    hardmax_tail_constant,
    possible_label,
)
from pairint.aim.state_evolution import (
    large_alpha_error,
    state_evolution,
    weak_recovery_threshold,
)
from pairint.aim.teacher import AIMTeacher


def symmetric(rng, n, t, variance=1.0, diagonal=2.0):
    a, b = np.triu_indices(t)
    h = np.empty((n, t, t))
    h[:, a, b] = h[:, b, a] = rng.standard_normal((n, len(a))) * np.sqrt(
        variance * np.where(a == b, diagonal, 1)
    )
    return h


@pytest.mark.parametrize("scale", [0.0, 1.0, 8.0])
def test_two_tokens_against_the_bivariate_normal_distribution(scale):
    rng = np.random.default_rng(0)
    variance, channel = 0.6, HardmaxChannel(2)
    omega = scale * symmetric(rng, 400, 2)
    y = channel.output(omega + symmetric(rng, 400, 2, variance))
    signs = channel.observe(y)
    kappa = signs * (omega.diagonal(axis1=1, axis2=2) - omega[:, 0, 1, None]) / math.sqrt(3 * variance)
    log_p, g = hardmax_likelihood(y.argmax(-1), omega, variance, step=1 / 16, reach=7.5)
    expected = bivariate_log_cdf(kappa[:, 0], kappa[:, 1], signs[:, 0] * signs[:, 1] / 3)
    np.testing.assert_allclose(log_p, expected, atol=1e-9)
    np.testing.assert_allclose(g, channel.g_out(signs, omega, variance), atol=1e-7)


@pytest.mark.parametrize("t", [3, 4])
def test_probabilities_of_all_labels_add_up_and_match_frequencies(t):
    rng = np.random.default_rng(t)
    omega = symmetric(rng, 1, t, 0.5)
    labels = np.array(list(itertools.product(range(t), repeat=t)))
    labels = labels[possible_label(labels)]
    assert len(labels) == sum(count for _, count in hardmax_labels(t))
    log_p, _ = hardmax_likelihood(labels, np.repeat(omega, len(labels), axis=0), step=1 / 8)
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-6)
    n = 40_000
    drawn = (omega + symmetric(rng, n, t)).argmax(-1)
    codes = t ** np.arange(t)
    frequency = np.bincount(drawn @ codes, minlength=t**t)[labels @ codes] / n
    assert frequency.sum() == 1  # impossible labels do not occur
    z = (frequency - np.exp(log_p)) / np.sqrt(np.exp(log_p) / n)
    assert np.abs(z[np.exp(log_p) * n > 20]).max() < 4.5


@pytest.mark.parametrize("t", [3, 4, 5])
def test_scores_are_the_derivatives(t):
    rng = np.random.default_rng(10 + t)
    omega = symmetric(rng, 12, t, 2.0)
    targets = (omega + symmetric(rng, 12, t, 0.7)).argmax(-1)
    _, g = hardmax_likelihood(targets, omega, 0.7, step=1 / 8)
    step = 1e-4
    for a, b in [(0, 0), (0, t - 1), (1, 2)]:
        move = np.zeros((t, t))
        move[a, b] = move[b, a] = step
        above, below = (hardmax_likelihood(targets, omega + s * move, 0.7, step=1 / 8)[0] for s in (1, -1))
        np.testing.assert_allclose(g[:, a, b], (above - below) / (2 * step), atol=2e-4)
    # A shift of all indices changes no label.
    np.testing.assert_allclose(np.triu(np.ones((t, t)))[None] * g @ np.ones(t) @ np.ones(t), 0, atol=1e-4)


@pytest.mark.slow
def test_nishimori_holds_for_three_tokens_and_fails_for_the_wrong_variance_of_the_diagonal():
    rng = np.random.default_rng(7)
    n, t, q, variance = 8000, 3, 0.6, 0.4
    upper = np.triu(index_variances(t))
    z = {}
    for diagonal in (2.0, 1.0):  # of the world in which the labels are made
        omega = symmetric(rng, n, t, q, diagonal)
        rest = symmetric(rng, n, t, variance, diagonal)
        channel = HardmaxChannel(t)
        g = channel.g_out(channel.observe(channel.output(omega + rest)), omega, variance)
        gap = (np.triu(g * rest) - upper * variance * g**2).sum(axis=(1, 2))
        z[diagonal] = gap.mean() / (gap.std() / math.sqrt(n))
    assert abs(z[2.0]) < 4 < 8 < abs(z[1.0])


def test_information_without_knowledge():
    assert hardmax_information(2).start == pytest.approx(float(HardmaxChannel(2).kappa(0.0)), abs=1e-8)
    assert weak_recovery_threshold("hardmax", 3) == pytest.approx(1 / 5.7014969163, rel=1e-9)
    assert weak_recovery_threshold("hardmax", 4) == pytest.approx(1 / 9.5103876, rel=1e-7)


def test_two_token_interpolation_stays_within_its_stated_error():
    tau = np.geomspace(1e-4, 1e6, 200)
    gap = np.abs(hardmax_information(2).kappa(tau) - HardmaxChannel(2).kappa(tau))
    assert (gap <= hardmax_information(2).kappa_error(tau)).all()
    assert gap.max() > 1e-5  # the two are different computations


def test_curves_have_their_limits_and_grow_with_the_tokens():
    tau = np.geomspace(1e-3, 1e8, 60)
    curves = [make_channel("hardmax", t).kappa(tau) for t in (2, 3, 4)]
    for t, curve in zip((2, 3, 4), curves, strict=True):
        assert curve[-1] * 1e4 == pytest.approx(hardmax_tail_constant(t), rel=1e-3)
        # K = kappa (1 + tau) at Q_0 = 1 increases: the more is known, the more a label teaches.
        assert np.all(np.diff(curve * (1 + tau)) > 0)
        assert np.all(curve < t * (t + 1) - 2)  # a softmax label tells more
    assert np.all(np.diff(curves, axis=0) > 0)


def test_state_evolution_of_three_tokens():
    alpha = np.geomspace(0.02, 100, 12)
    two, three = (state_evolution(alpha, 0.5, "hardmax", t) for t in (2, 3))
    assert np.all(np.diff(three.mmse) < 0) and np.all(three.mmse < two.mmse)
    assert np.all(two.mmse_error == 0)
    assert np.all(three.mmse_error > 0) and np.all(three.mmse_error < 3e-3 * three.mmse)
    assert three.mmse[-1] == pytest.approx(large_alpha_error(100.0, 0.5, 3), rel=0.02)


@pytest.mark.slow
def test_message_passing_follows_the_state_evolution_of_three_tokens():
    d, alpha, errors = 50, 0.2, []
    for seed in range(3):
        teacher = AIMTeacher(d, 0.5, 3, "hardmax", rng=seed)
        X, y = teacher.sample(round(alpha * (1 + 1 / d) * d * d), 10 + seed)
        errors.append(teacher.error(amp(X, y, 0.5, "hardmax", tol=1e-4).S))
    assert np.mean(errors) == pytest.approx(float(state_evolution(alpha, 0.5, "hardmax", 3).mmse), rel=0.06)


def test_bad_labels_are_named():
    cycle = np.eye(3)[[[1, 2, 0]]]
    assert not possible_label([[1, 2, 0]])[0]
    with pytest.raises(ValueError, match="cycle"):
        HardmaxChannel(3).observe(cycle)
    with pytest.raises(ValueError, match="cycle"):
        hardmax_likelihood([[1, 2, 0]], np.zeros((1, 3, 3)))
    with pytest.raises(ValueError, match="one-hot"):
        HardmaxChannel(3).observe(np.full((1, 3, 3), 1 / 3))
    with pytest.raises(ValueError, match="n_tokens"):
        HardmaxChannel(6).kappa(1.0)
    with pytest.raises(ValueError, match="variance"):
        hardmax_likelihood([[0, 0, 0]], np.zeros((1, 3, 3)), -1.0)
