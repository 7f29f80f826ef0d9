"""The untied layer: its singular law against matrices, its labels, and its message passing."""

import math
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

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
from pairint.aim.indices import indices


def limit(measure, d, n):
    """Return what means tend to as d grows, and their standard errors, from n matrices of sizes d and 2 d.

    The mean of a smooth function of the spectrum differs from its limit by c / d, which the two sizes take
    out, and by terms of order 1 / d^2, which are far below the standard error.
    """
    small, large = (
        np.array([measure(size, np.random.default_rng(k)) for k in range(n)]) for size in (d, 2 * d)
    )
    errors = np.sqrt((4 * large.var(axis=0, ddof=1) + small.var(axis=0, ddof=1)) / n)
    return 2 * large.mean(axis=0) - small.mean(axis=0), errors


@pytest.mark.parametrize("rho", [0.2, 1.0, 4.0])
def test_the_transform_against_singular_values(rho):
    z, prior, d = np.array([0.3 + 0.5j, 2 + 0.4j, 1 + 0.4j]), UntiedPrior(rho), 80

    def transform(size, rng):
        values = np.linalg.svd(prior.draw(size, rng), compute_uv=False)[:, None]
        mean = (0.5 / (z - values) + 0.5 / (z + values)).mean(axis=0)
        return np.concatenate([mean.real, mean.imag])

    measured, errors = limit(transform, d, 20)
    found = prior.stieltjes(z)
    # Twenty differences of six numbers at three widths: 4.5 standard errors, by Student's t, are one in 200.
    assert (abs(measured - np.concatenate([found.real, found.imag])) < 4.5 * errors).all()
    assert errors.max() < 0.01
    assert (found.imag < 0).all()
    # It solves its equation.
    np.testing.assert_allclose(1 / found + rho * found / (rho - found**2), z, rtol=1e-10)
    # The largest singular value fluctuates by d^(-2/3) times a number of order one (Tracy and Widom).
    largest = np.linalg.svd(prior.draw(400, np.random.default_rng(0)), compute_uv=False)[0]
    assert largest == pytest.approx(prior.support[-1][1], rel=3 * 400 ** (-2 / 3))


@pytest.mark.parametrize("rho", [0.05, 1.0, 40.0, 100.0])
def test_the_root_near_zero(rho):
    """Two of the three roots are there tiny beside the third, and lose all digits in Cardano's formula."""
    z = np.geomspace(1e-14, 1e3, 35) * np.exp(1j * np.array([[1e-6], [0.5], [3.0]]))
    g = UntiedPrior(rho).stieltjes(z)
    terms = z * g**3, (rho - 1) * g**2, -rho * z * g, rho + 0 * z
    assert (abs(sum(terms)) < 1e-14 * sum(abs(term) for term in terms)).all()
    assert (g.imag < 0).all()


@pytest.mark.parametrize(
    ("rho", "delta"), [(40.0, 5.443134383763527), (80.0, 1.478465929071304), (50.0, 4.38)]
)
def test_a_wide_layer_has_no_error_above_the_linear_one(rho, delta):
    """Free of cumulants but for 1 / rho, and so between the linear error and its first correction."""
    linear = delta / (1 + delta)
    # The fourth cumulant 1 / rho changes an error of at most one by at most that.
    assert linear - 1 / rho < UntiedPrior(rho).error(delta) <= linear * (1 + 1e-12)


@pytest.mark.parametrize(("rho", "delta"), [(0.3, 0.1), (0.3, 1.0), (2.0, 0.4)])
def test_the_denoiser_on_matrices(rho, delta):
    prior = UntiedPrior(rho)

    def errors(d, rng):
        S = prior.draw(d, rng)
        left, values, right = np.linalg.svd(S + math.sqrt(delta / d) * rng.standard_normal((d, d)))
        f = prior.denoise(values[::-1], delta)[::-1]
        estimates = (left * f) @ right, (left * (values / (1 + delta))) @ right
        return [((S - estimate) ** 2).sum() / d for estimate in estimates]

    measured, deviations = limit(errors, 60, 16)
    # The best linear estimate is worse, here and in the theory.
    theory = np.array([prior.error(delta), delta / (1 + delta)])
    assert theory[0] < theory[1] and measured[0] < measured[1]
    assert (abs(measured - theory) < 4.5 * deviations).all()
    assert (deviations < 0.02 * theory).all()


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
            # Linear labels have one equation a sample for the antisymmetric part, which has d^2 / 2 unknowns.
            open_ = rho == 2.0 and kind == "linear"
            expected = 1 / 2 if open_ else count / kappa
            assert exact_recovery_threshold(UntiedPrior(rho), channel) == pytest.approx(expected)
            alphas = np.array([0.95, 1.05]) * count / kappa
            with (
                pytest.warns(UserWarning, match="leave a part of the layer open") if open_ else nullcontext()
            ):
                below, above = state_evolution(alphas, UntiedPrior(rho), channel).mmse
            assert below > 0 and above == 0


@pytest.mark.parametrize(("rho", "parameters"), [(0.4, 0.16), (0.5, 0.25), (1.0, 0.5), (3.0, 0.5)])
def test_the_antisymmetric_part_counts_where_it_has_too_few_equations(rho, parameters):
    """Continuous in rho; for two tokens no obstacle up to 2/5, where both counts agree."""
    channel, prior = untied_channel("linear"), UntiedPrior(rho)
    assert channel.least_samples(prior) == pytest.approx(parameters)
    assert exact_recovery_threshold(prior, channel) == pytest.approx(
        max(parameters, (2 * rho - rho**2) / 4 if rho < 1 else 1 / 4)
    )
    if rho == 0.4:
        assert channel.least_samples(prior) == pytest.approx((2 * rho - rho**2) / 4)


def test_a_wide_layer_is_ridge_regression():
    found = state_evolution(0.1, UntiedPrior(100.0), untied_channel("linear"))
    half = state_evolution(0.1, UntiedPrior(50.0), untied_channel("linear"))
    # The correction falls at least like 1 / rho: at most what it fell by between rho = 50 and 100 is left.
    assert 0 < 0.6 - found.mmse <= found.mmse - half.mmse


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
    # Terms of order 1/d are left out: for tied layers they are 1.9 to 2.6 times 1/d, +- 0.5 (the table at the
    # end of the page on the five figures), of an error that is not small.
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


def test_tokens_beside_themselves_do_not_see_the_antisymmetric_part():
    """By rank: linear labels beyond their count leave just what the antisymmetric count leaves."""
    d, rng = 12, np.random.default_rng(0)
    basis = np.eye(d * d).reshape(-1, d, d)
    for n, t in ((44, 2), (18, 3), (70, 2)):
        X = rng.standard_normal((n, t, d))
        design = np.stack([indices(X, B).ravel() for B in basis], axis=1)
        left = max(0, d * (d - 1) // 2 - n * t * (t - 1) // 2)
        assert n * t * t > d * d  # the count of all equations
        assert np.linalg.matrix_rank(design) == d * d - left


@pytest.mark.slow
def test_exact_recovery_is_not_claimed_where_the_antisymmetric_part_is_open():
    d, rng = 50, np.random.default_rng([1, 7])
    S = UntiedPrior(1.0).draw(d, rng)
    for alpha, recovered in ((1.3 / 4, False), (0.7, True)):
        X = rng.standard_normal((round(alpha * d * d), 2, d))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = untied_amp(X, indices(X, S), 1.0, "linear", tol=1e-2, max_iter=200)
        assert found.mmse < 1e-3  # so it believes
        assert (np.sum((found.S - S) ** 2) / d < 0.01) == recovered
        assert found.converged == recovered and ("antisymmetric" in found.reason) == (not recovered)
