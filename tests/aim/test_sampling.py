"""Sampled information, against closed forms: one layer, a sum of layers, separate heads."""

import math

import numpy as np
import pytest

from pairint.aim.channels import (
    HardmaxChannel,
    LinearChannel,
    PublishedHardmaxChannel,
    SoftmaxChannel,
    make_channel,
)
from pairint.aim.sampling import (
    SampledHardmaxChannel,
    label_error,
    label_information,
    layered_point,
    sampled_kappa,
    summed_layers,
)
from pairint.aim.state_evolution import alpha_of_noise, state_evolution


def first_layer(h):
    return h[:, 0].argmax(-1)


def rounded_softmax(levels):
    """Both rows of a two-token softmax, rounded to a number of levels."""

    def output(h):
        difference = h[:, 0].diagonal(axis1=1, axis2=2) - h[:, 0, 0, 1, None]
        return np.floor(levels / (1 + np.exp(-difference))).astype(np.int64)

    return output


@pytest.mark.parametrize("channel", [SoftmaxChannel(3, log_labels=True), LinearChannel(2)])
@pytest.mark.parametrize("tau", [0.0, 2.0, 50.0])
def test_sampling_gives_the_closed_forms(channel, tau):
    value, error = sampled_kappa(channel, tau, 4000, 0)
    assert abs(value - channel.kappa(tau)) < 4 * error < 0.5


@pytest.mark.parametrize(("t", "n"), [(2, 20_000), (3, 6000), (4, 2000)])
@pytest.mark.parametrize("tau", [0.3, 3.0, 20.0])
def test_sampling_gives_the_hardmax_curve(t, n, tau):
    channel = HardmaxChannel(t)
    value, error = sampled_kappa(channel, tau, n, 1)
    assert abs(value - channel.kappa(tau)) < 4 * error < 0.2 * value


@pytest.mark.parametrize("t", [2, 3])
def test_the_error_of_linear_labels_is_that_of_the_matrix(t):
    value, error = label_error("linear", overlap=0.7, mmse=0.4, n_tokens=t, rng=0)
    assert abs(value - 0.4 * (t + 1)) < 4 * error < 0.1
    assert label_error("linear", overlap=0.7, mmse=0.0, n_tokens=t, rng=0)[0] == 0


def test_without_a_prediction_a_hardmax_label_of_two_tokens_is_two_coins():
    value, error = label_error("hardmax", overlap=0.0, mmse=1.3, rng=0)
    assert abs(value - 0.5) < 4 * error < 0.05


def test_the_error_of_a_label_is_its_variance_given_the_prediction():
    """By the other road: the mean over many remainders is taken out of the label."""
    q, V, n, m = 0.6, 0.5, 1500, 400
    rng = np.random.default_rng(3)

    def symmetric(*shape):
        z = rng.standard_normal((*shape, 2, 2))
        return (z + z.swapaxes(-1, -2)) / math.sqrt(2)

    channel = SoftmaxChannel(2)
    labels = channel.output(
        (math.sqrt(q) * symmetric(n)[:, None] + math.sqrt(V) * symmetric(n, m)).reshape(-1, 2, 2)
    )
    spread = labels.reshape(n, m, -1).var(axis=1, ddof=1).sum(axis=-1) / 2
    value, error = label_error("softmax", overlap=q, mmse=V, n_samples=20_000, rng=0)
    assert abs(value - spread.mean()) < 4 * math.hypot(error, spread.std() / math.sqrt(n))
    wrong, _ = label_error("softmax", overlap=q, mmse=2 * V, n_samples=20_000, rng=0)  # a negative control
    assert abs(wrong - spread.mean()) > 10 * error


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overlap": -0.1}, "overlap must be"),
        ({"mmse": math.nan}, "mmse must be"),
        ({"n_samples": 1}, "n_samples must be"),
    ],
)
def test_bad_settings_of_a_label_error_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        label_error("softmax", **{"overlap": 0.5, "mmse": 0.5, **changes})


def test_same_seed_gives_a_smooth_curve():
    values = [sampled_kappa("hardmax", tau, 500, 3)[0] for tau in (1.0, 1.001, 1.002)]
    assert abs(values[0] - 2 * values[1] + values[2]) < 1e-5
    assert values[0] > values[1] > values[2]


def test_sampled_channel_gives_the_exact_curve():
    tau = np.geomspace(1e-3, 1e4, 40)
    exact = HardmaxChannel(2)
    channel = SampledHardmaxChannel(2, 20_000, 1)
    off = (channel.kappa(tau) - exact.kappa(tau)) / channel.kappa_error(tau)
    assert np.abs(off).max() < 4
    assert (channel.kappa_error(tau) < 0.05 * exact.kappa(tau))[tau < 10].all()
    # The error is not so generous that anything would pass.
    wrong = channel.kappa(tau) - PublishedHardmaxChannel().kappa(tau)
    assert (np.abs(wrong) / channel.kappa_error(tau)).max() > 10


@pytest.mark.slow
def test_error_of_the_sampled_channel_is_the_spread_over_seeds():
    tau = np.array([0.0, 1.0, 30.0])
    channels = [SampledHardmaxChannel(2, 500, seed) for seed in range(40)]
    spread = np.std([c.kappa(tau) for c in channels], axis=0, ddof=1)
    stated = np.mean([c.kappa_error(tau) for c in channels], axis=0)
    np.testing.assert_allclose(spread, stated, rtol=0.4)


@pytest.mark.slow
def test_three_tokens_sampled_and_interpolated_agree():
    channel = SampledHardmaxChannel(3, 1500, 0)
    sampled = state_evolution([0.1, 0.5, 2.0], 0.5, channel)
    cubic = state_evolution([0.1, 0.5, 2.0], 0.5, "hardmax", 3)
    assert (sampled.mmse_error > cubic.mmse_error).all()
    assert (np.abs(sampled.mmse - cubic.mmse) < 4 * sampled.mmse_error).all()
    assert SampledHardmaxChannel(3, 50, 7).kappa(1.0) == SampledHardmaxChannel(3, 50, 7).kappa(1.0)
    assert repr(channel) == "SampledHardmaxChannel(n_tokens=3, n_samples=1500)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((6,), "n_tokens must be >= 2 and <= 5"), ((3, 1), "n_samples must be >= 2"), ((3, 10, "x"), "rng")],
)
def test_bad_sampled_channels(arguments, message):
    with pytest.raises((TypeError, ValueError), match=message):
        SampledHardmaxChannel(*arguments)


@pytest.mark.parametrize(("t", "tau"), [(2, 1.0), (3, 0.0), (3, 2.0)])
def test_rejection_needs_no_scores(t, tau):
    result = label_information(first_layer, [[tau]], [[1.0]], t, 6000, 0)
    assert abs(result.K[0, 0] - make_channel("hardmax", t).kappa(tau)) < 4 * result.error[0, 0] < 0.35
    # On average at most as many proposals as labels, and rounds are not stopped early.
    assert result.n_proposals < 6000 * t**t + 2**18


@pytest.mark.slow
def test_softmax_is_the_limit_of_its_rounded_labels():
    results = [label_information(rounded_softmax(m), [[0.5]], [[1.0]], 2, 4000, 2) for m in (2, 8, 32)]
    values = [r.K[0, 0] for r in results]
    errors = [r.error[0, 0] for r in results]
    assert abs(values[0] - HardmaxChannel().kappa(0.5)) < 4 * errors[0]  # one bit a row
    assert values[0] < values[1] < values[2]
    assert abs(values[2] - SoftmaxChannel().kappa(0.5)) < 3 * errors[2] < 0.3


@pytest.mark.parametrize("delta", [2.0, 0.5])
def test_sum_of_two_layers_is_one_wider_layer(delta):
    point = layered_point(delta, 0.3, lambda h: h.sum(axis=1).argmax(-1), 2, "alike", 2, 6000, 3)
    assert (
        abs(point.alpha - alpha_of_noise(delta, 0.6, "hardmax")) < 4 * point.alpha_error < 0.25 * point.alpha
    )
    assert point.deviation < 4
    assert point.mmse == pytest.approx(
        summed_layers(alpha_of_noise(delta, 0.6, "hardmax"), 0.3, 2, "hardmax").mmse, abs=1e-8
    )


def test_heads_seen_separately_are_two_problems():
    point = layered_point(0.5, 0.3, lambda h: h.argmax(-1), 2, "separate", 2, 6000, 4)
    assert abs(point.alpha - alpha_of_noise(0.5, 0.3, "hardmax")) < 4 * point.alpha_error
    assert point.deviation < 4
    assert point.mmse == pytest.approx(
        state_evolution(alpha_of_noise(0.5, 0.3, "hardmax"), 0.3, "hardmax").mmse, abs=1e-8
    )


def test_wrong_structure_shows():
    heads = layered_point(0.5, 0.3, lambda h: h.argmax(-1), 2, "alike", 2, 2000, 5)
    total = layered_point(0.5, 0.3, lambda h: h.sum(axis=1).argmax(-1), 2, "separate", 2, 2000, 5)
    assert heads.deviation > 6 and total.deviation > 6


def test_layers_of_a_sum_are_not_told_apart():
    alpha = np.array([0.01, 0.1, 0.5])
    for n_layers in (1, 2, 3):
        each = summed_layers(alpha, 0.4, n_layers)
        assert each.mmse.shape == alpha.shape
        assert each.mmse[-1] == pytest.approx(1 - 1 / n_layers, abs=1e-12)  # the sum is known exactly
        assert np.all(np.diff(each.mmse) < 0)
    np.testing.assert_allclose(summed_layers(alpha, 0.4, 1).mmse, state_evolution(alpha, 0.4).mmse)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="remainder"):
        label_information(first_layer, [[1.0]], [[0.0]], 2, 10, 0)
    with pytest.raises(ValueError, match="overlap"):
        label_information(first_layer, [[-1.0]], [[1.0]], 2, 10, 0)
    with pytest.raises(ValueError, match="output"):
        label_information(lambda h: h[:, 0], [[1.0]], [[1.0]], 2, 10, 0)
    with pytest.raises(RuntimeError, match="too many labels"):
        label_information(rounded_softmax(10**6), [[1.0]], [[1.0]], 2, 10, 0, max_proposals=10**5)
    with pytest.raises(ValueError, match="structure"):
        layered_point(1.0, 0.5, first_layer, 1, "both")
    with pytest.raises(ValueError, match="tau"):
        sampled_kappa("hardmax", -1.0)
