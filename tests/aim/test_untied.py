"""The untied layer: its singular law against matrices, its labels, and its message passing."""

import math

import numpy as np
import pytest

from pairint.aim import (
    AIMTeacher,
    UntiedLinearChannel,
    UntiedPrior,
    UntiedSoftmaxChannel,
    amp,
    check_channel,
    exact_recovery_threshold,
    make_channel,
    state_evolution,
    untied_amp,
    untied_channel,
)


@pytest.mark.parametrize("rho", [0.2, 1.0, 4.0])
def test_the_transform_against_singular_values(rho):
    d = 400
    values = np.linalg.svd(UntiedPrior(rho).draw(d, np.random.default_rng(0)), compute_uv=False)
    both = np.concatenate([values, -values])
    for z in (0.3 + 0.5j, 2 + 0.4j, 1 + 0.4j):
        found = UntiedPrior(rho).stieltjes(np.array([z]))[0]
        assert found == pytest.approx(np.mean(1 / (z - both)), abs=0.03)
        assert found.imag < 0
        # It solves its equation.
        assert z == pytest.approx(1 / found + rho * found / (rho - found**2), rel=1e-10)
    assert values.max() == pytest.approx(UntiedPrior(rho).support[-1][1], rel=0.05)


@pytest.mark.parametrize(("rho", "delta"), [(0.3, 0.1), (0.3, 1.0), (2.0, 0.4)])
def test_the_denoiser_on_matrices(rho, delta):
    d, rng, prior = 300, np.random.default_rng(1), UntiedPrior(rho)
    S = prior.draw(d, rng)
    left, values, right = np.linalg.svd(S + math.sqrt(delta / d) * rng.standard_normal((d, d)))
    f = prior.denoise(values[::-1], delta)[::-1]
    assert ((S - (left * f) @ right) ** 2).sum() / d == pytest.approx(prior.error(delta), rel=0.03)
    # The best linear estimate is worse.
    linear = values / (1 + delta)
    assert ((S - (left * linear) @ right) ** 2).sum() > ((S - (left * f) @ right) ** 2).sum()
    assert delta / (1 + delta) > prior.error(delta)


@pytest.mark.parametrize("n_tokens", [2, 3])
@pytest.mark.parametrize("channel", [UntiedLinearChannel, UntiedSoftmaxChannel])
def test_labels_tell_what_their_score_is_worth(channel, n_tokens):
    check_channel(channel(n_tokens), 2000, rng=1)
    wrong = type("Wrong", (channel,), {"kappa": lambda self, tau: 1.2 * channel(n_tokens).kappa(tau)})
    with pytest.raises(ValueError, match="kappa must be what g_out is worth"):
        check_channel(wrong(n_tokens), 20_000, rng=1)


def test_equations_against_parameters():
    # r (2d - r) parameters, T^2 - T and T^2 equations a sample.
    for rho in (0.3, 2.0):
        count = 2 * rho - rho**2 if rho < 1 else 1.0
        for kind, kappa in (("softmax", 2), ("linear", 4)):
            channel = untied_channel(kind)
            assert exact_recovery_threshold(UntiedPrior(rho), channel) == pytest.approx(count / kappa)
            below, above = state_evolution(
                np.array([0.95, 1.05]) * count / kappa, UntiedPrior(rho), channel
            ).mmse
            assert below > 0 and above == 0


def test_a_wide_layer_is_ridge_regression():
    found = state_evolution(0.1, UntiedPrior(100.0), untied_channel("linear"))
    assert found.mmse == pytest.approx(0.6, abs=5e-3)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "alpha"), [("linear", 0.1), ("softmax", 0.15)])
def test_message_passing_against_the_theory(kind, alpha):
    d, rho = 50, 0.3
    errors = []
    for seed in range(3):
        teacher = AIMTeacher(d, UntiedPrior(rho), channel=untied_channel(kind), rng=seed)
        X, y = teacher.sample(round(alpha * d * d), rng=100 + seed)
        result = untied_amp(X, y, rho, kind, truth=teacher.S)
        assert result.converged
        assert result.history["error"][-1] == pytest.approx(teacher.error(result.S), rel=1e-9)
        errors.append(teacher.error(result.S))
    expected = float(state_evolution(alpha, UntiedPrior(rho), untied_channel(kind)).mmse)
    spread = np.std(errors, ddof=1) / math.sqrt(3)
    assert abs(np.mean(errors) - expected) < 4 * spread + 4 / d * max(expected, 0.2)


class TestMistakes:
    def test_tied_and_untied_are_not_mixed(self):
        with pytest.raises(ValueError, match="channel must be of the prior's kind"):
            state_evolution(0.1, UntiedPrior(0.5), "softmax")
        with pytest.raises(ValueError, match="channel must be of the prior's kind"):
            state_evolution(0.1, 0.5, UntiedSoftmaxChannel())
        with pytest.raises(ValueError, match="channel must be of the kind of rho"):
            AIMTeacher(8, UntiedPrior(0.5))
        with pytest.raises(ValueError, match="of a symmetric layer"):
            make_channel(UntiedLinearChannel())
        with pytest.raises(ValueError, match="of an untied layer"):
            untied_channel(make_channel("linear"))
        with pytest.raises(ValueError, match="untied_amp reads the others"):
            amp(np.ones((3, 2, 4)), np.ones((3, 2, 2)), UntiedPrior(0.5))

    def test_labels_of_the_wrong_kind(self):
        X = np.random.default_rng(0).standard_normal((5, 2, 4))
        with pytest.raises(ValueError, match="rows sum to 1"):
            untied_amp(X, np.ones((5, 2, 2)), 0.5)
        with pytest.raises(ValueError, match="y has 4 samples"):
            untied_amp(X, np.full((4, 2, 2), 0.5), 0.5)
        with pytest.raises(ValueError, match="channel must be linear in the indices of 2"):
            untied_amp(X, np.full((5, 2, 2), 0.5), 0.5, UntiedSoftmaxChannel(3))
        with pytest.raises(ValueError, match=r"rho must be >= 0\.001"):
            UntiedPrior(0.0)
