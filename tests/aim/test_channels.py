"""Labels that cannot be, labels that underflow, and the two wrong versions of the hardmax score."""

import math

import numpy as np
import pytest

from pairint.aim.channels import (
    HardmaxChannel,
    LinearChannel,
    PublishedHardmaxChannel,
    SoftmaxChannel,
    make_channel,
    two_token_kappa_integral,
)

SOFT = np.full((3, 2, 2), 0.5)
HARD = np.repeat(np.eye(2)[None], 3, axis=0)


def with_entry(y, value):
    y = y.copy()
    y[1, 0, 0] = value
    return y


@pytest.mark.parametrize(
    ("channel", "y", "match"),
    [
        (SoftmaxChannel(), with_entry(SOFT, 0.6), "sum to 1"),
        (SoftmaxChannel(), with_entry(SOFT, -0.5), "sum to 1"),
        (SoftmaxChannel(), HARD, "underflowed"),
        (SoftmaxChannel(), with_entry(SOFT, math.nan), "NaN"),
        (SoftmaxChannel(), SOFT[0], "shape"),
        (SoftmaxChannel(3), SOFT, "shape"),
        (SoftmaxChannel(log_labels=True), SOFT, "logarithms"),
        (SoftmaxChannel(log_labels=True), with_entry(np.log(SOFT), -math.inf), "infinite"),
        (HardmaxChannel(), SOFT, "one-hot"),
        (HardmaxChannel(), 0 * HARD, "one-hot"),
        (HardmaxChannel(), with_entry(HARD, math.nan), "NaN"),
        (LinearChannel(), with_entry(SOFT, math.inf), "infinite"),
    ],
)
def test_labels_that_cannot_be(channel, y, match):
    with pytest.raises(ValueError, match=match):
        channel.observe(y)


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: make_channel("sparsemax"), "channel"),
        (lambda: make_channel("softmax", 1), "n_tokens"),
        (lambda: make_channel("softmax", 2.5), "n_tokens"),
        (lambda: SoftmaxChannel(inverse_temperature=0.0), "inverse_temperature"),
        (lambda: PublishedHardmaxChannel(3), "n_tokens"),
    ],
)
def test_channels_that_cannot_be(build, match):
    with pytest.raises((ValueError, TypeError), match=match):
        build()


def test_underflowing_softmax_is_handled_in_logs():
    rng = np.random.default_rng(0)
    h = 2000 * rng.standard_normal((50, 3, 3))
    h = h + h.transpose(0, 2, 1)
    with pytest.raises(ValueError, match="log_labels"):
        SoftmaxChannel(3).observe(SoftmaxChannel(3).output(h))
    channel = SoftmaxChannel(3, log_labels=True)
    gap = channel.observe(channel.output(h)) - h
    assert np.ptp(gap, axis=(1, 2)).max() < 1e-9  # one constant a sample
    omega = np.zeros_like(h)
    constant = gap[:, :1, :1]
    g = channel.g_out(channel.observe(channel.output(h)), omega, 1.0)
    np.testing.assert_allclose(g, channel.g_out(h + constant, omega, 1.0), atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "channel",
    [LinearChannel(3), SoftmaxChannel(3), SoftmaxChannel(4, 0.1), SoftmaxChannel(3, log_labels=True)],
    ids=["linear", "softmax", "warm", "logs"],
)
def test_labels_come_from_a_symmetric_matrix_or_are_refused(channel, dtype):
    t = channel.n_tokens
    h = np.random.default_rng(0).standard_normal((200, t, t))
    h = h + h.transpose(0, 2, 1)
    y = channel.output(h.astype(dtype))
    channel.observe(y)  # rounding is no asymmetry
    h[7, 0, 1] += 0.2
    with pytest.raises(ValueError, match=r"1 of 200 samples do not; .* of sample 7 differs .* by 0\.2"):
        channel.observe(channel.output(h.astype(dtype)))
    with pytest.raises(ValueError, match="symmetric matrix"):
        channel.observe(channel.output(np.random.default_rng(1).standard_normal((5, t, t)).astype(dtype)))


def test_probabilities_that_nearly_underflow_have_few_digits_and_are_accepted():
    h = np.zeros((1, 3, 3))
    h[0, 0, 1] = h[0, 1, 0] = -741.3  # a subnormal probability, off by several per cent
    y = SoftmaxChannel(3).output(h)
    assert 0 < y.min() < 1e-320
    phi = SoftmaxChannel(3).observe(y)
    assert np.ptp(phi - h) < 0.1


def test_density_variant_has_a_value_of_its_own():
    # q = 1/2, Q_0 = 1: quadrature of the density in place of the derivative, and the right score.
    assert 2 * two_token_kappa_integral(PublishedHardmaxChannel, 1.0) == pytest.approx(2.0057138, abs=5e-8)
    assert 2 * two_token_kappa_integral(HardmaxChannel, 1.0) == pytest.approx(3.7507001, abs=5e-8)
    assert 2 * float(PublishedHardmaxChannel().kappa(1.0)) == pytest.approx(2.0057138, abs=1e-6)


@pytest.mark.parametrize(("diagonal", "holds"), [(2.0, True), (1.0, False)])
def test_variance_of_the_diagonal_is_twice_that_of_the_rest(diagonal, holds):
    # Labels come from a world with this variance; the score assumes 2.
    rng = np.random.default_rng(1)
    n, q, variance = 200_000, 0.5, 0.5
    sigma = np.array([math.sqrt(diagonal), 1.0, math.sqrt(diagonal)])
    predicted = math.sqrt(q) * sigma * rng.standard_normal((n, 3))
    rest = math.sqrt(variance) * sigma * rng.standard_normal((n, 3))
    place = np.array([[0, 1], [1, 2]])
    channel = HardmaxChannel()
    y = channel.output((predicted + rest)[:, place])
    g = channel.g_out(channel.observe(y), predicted[:, place], variance)
    scores = np.stack([g[:, 0, 0], g[:, 0, 1], g[:, 1, 1]], axis=1)
    gap = (scores * rest - variance * np.array([2.0, 1.0, 2.0]) * scores**2).sum(axis=1)
    assert (abs(gap.mean()) < 5 * gap.std() / math.sqrt(n)) == holds
