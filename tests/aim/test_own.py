"""Channels and priors of one's own: a class with two or three methods works everywhere."""

import math

import numpy as np
import pytest
from scipy import special, stats

from pairint.aim import (
    AIMTeacher,
    Channel,
    HardmaxChannel,
    LinearChannel,
    Prior,
    SoftmaxChannel,
    WishartPrior,
    amp,
    check_channel,
    check_prior,
    exact_recovery_threshold,
    state_evolution,
)
from pairint.aim.channels import index_variances
from pairint.aim.indices import indices
from pairint.aim.state_evolution import alpha_of_noise, state_evolution_iterates


class Signs(Channel):
    """The sign of each index."""

    scale_free = True

    def output(self, h):
        return np.sign(h)

    def g_out(self, y, omega, variance):
        scale = np.sqrt(variance * index_variances(self.n_tokens, omega))
        x = y * omega / scale
        return y / scale * np.exp(-(x**2) / 2 - special.log_ndtr(x)) / math.sqrt(2 * math.pi)

    def kappa(self, tau):
        z, weight = np.polynomial.hermite_e.hermegauss(200)
        x = np.sqrt(np.asarray(tau, dtype=float))[..., None] * z
        j = np.exp(-(x**2) - special.log_ndtr(x) - special.log_ndtr(-x)) / (2 * math.pi)
        return (self.n_tokens * (self.n_tokens + 1) * (j @ weight) / math.sqrt(2 * math.pi))[()]


class Gaussian(Prior):
    """A symmetric matrix of independent Gaussian entries, off-diagonal variance 1/d."""

    mean, second_moment = 0.0, 1.0

    def error(self, delta):
        return delta / (1 + delta)

    def denoise(self, eigenvalues, delta):
        return eigenvalues / (1 + delta)

    def draw(self, d, rng):
        z = rng.standard_normal((d, d))
        return (z + z.T) / math.sqrt(2 * d)


@pytest.mark.filterwarnings("ignore:AMP. not converged")
def test_a_wishart_prior_is_a_width_ratio():
    alphas = np.array([0.05, 0.1, 0.2])
    by_number, by_prior = (state_evolution(alphas, rho, "softmax") for rho in (0.5, WishartPrior(0.5)))
    np.testing.assert_array_equal(by_number.mmse, by_prior.mmse)
    assert exact_recovery_threshold(WishartPrior(0.5)) == exact_recovery_threshold(0.5)
    assert alpha_of_noise(0.3, WishartPrior(0.5)) == alpha_of_noise(0.3, 0.5)
    teacher = AIMTeacher(16, 0.5, rng=0)
    X, y = teacher.sample(40, rng=1)
    np.testing.assert_array_equal(amp(X, y, 0.5, max_iter=30).S, amp(X, y, WishartPrior(0.5), max_iter=30).S)


@pytest.mark.parametrize("n_tokens", [2, 3])
def test_linear_labels_of_a_gaussian_layer_are_ridge_regression(n_tokens):
    """n T (T + 1) / 2 equations for d (d + 1) / 2 unknowns: each takes its share of the error."""
    kappa = n_tokens * (n_tokens + 1)
    alphas = np.array([0.2, 0.5, 0.9]) / kappa
    found = state_evolution(alphas, Gaussian(), "linear", n_tokens)
    np.testing.assert_allclose(found.mmse, 1 - kappa * alphas, rtol=1e-9)
    np.testing.assert_allclose(found.q, kappa * alphas, rtol=1e-9)
    assert exact_recovery_threshold(Gaussian(), "linear", n_tokens) == 1 / kappa
    assert state_evolution(2 / kappa, Gaussian(), "linear", n_tokens).mmse == 0
    iterates = state_evolution_iterates(0.5 / kappa, Gaussian(), "linear", n_tokens, n_iter=200)
    assert iterates[0] == 1 and iterates[-1] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("d", "n"), [(20, 27), (30, 60)])
def test_amp_is_ridge_regression(d, n):
    """Without noise, the Bayes estimate of a Gaussian layer is the shortest one that fits the labels."""
    teacher = AIMTeacher(d, Gaussian(), channel=LinearChannel(), rng=0)
    X, y = teacher.sample(n, rng=1)
    rows, columns = np.triu_indices(d)
    norm = np.where(rows == columns, 1.0, math.sqrt(0.5))
    basis = np.zeros((len(rows), d, d))
    basis[np.arange(len(rows)), rows, columns] = basis[np.arange(len(rows)), columns, rows] = norm
    design = np.stack([indices(X, B)[:, *np.triu_indices(2)].ravel() for B in basis], axis=1)
    labels = y[:, *np.triu_indices(2)].ravel()
    exact = np.einsum("k,kij->ij", np.linalg.lstsq(design, labels, rcond=None)[0], basis)
    result = amp(X, y, Gaussian(), "linear", max_iter=2000, tol=1e-14)
    assert result.converged
    # Both lie in the span of the measurements, and what is left of the truth is orthogonal to it.
    gap = np.sum((result.S - exact) ** 2) / d
    assert teacher.error(result.S) == pytest.approx(teacher.error(exact) + gap, rel=1e-9)
    # Estimate and residual come from the same weights, as in ridge regression: what is not fitted is "noise"
    # with the covariance of each sample.
    estimate = np.einsum("ij,kij->k", result.S, basis)
    weights = np.linalg.lstsq(design.T, estimate, rcond=None)[0]
    noise = np.concatenate(
        [D @ (D.T @ w) for D, w in zip(np.split(design, n), np.split(weights, n), strict=True)]
    )
    residual = labels - design @ estimate
    level = noise @ residual / (noise @ noise)
    np.testing.assert_allclose(residual, level * noise, atol=1e-6 * np.abs(labels).max())
    # It is a share of the error. The response is counted over d^2/2 directions of d (d + 1) / 2, which makes
    # 1/d; and the variance is measured on these labels, whose size varies as a chi-square does.
    share = labels.size / len(rows)
    spread = math.sqrt(2 * (1 - share) / labels.size)
    assert level / result.mmse == pytest.approx(1 / d, abs=5 * spread)


@pytest.mark.slow
def test_signs_are_read_as_state_evolution_says():
    """The error of message passing, averaged over teachers, lies where theory puts it."""
    alpha, d = 0.5, 40
    expected = float(state_evolution(alpha / (1 + 1 / d), 0.5, Signs()).mmse)
    errors = []
    for seed in range(6):
        teacher = AIMTeacher(d, 0.5, channel=Signs(), rng=seed)
        X, y = teacher.sample(round(alpha * d * d), rng=100 + seed)
        result = amp(X, y, 0.5, Signs(), max_iter=1000)
        assert result.converged
        errors.append(teacher.error(result.S))
    spread = np.std(errors, ddof=1) / math.sqrt(len(errors))
    assert abs(np.mean(errors) - expected) < 4 * spread + expected * 2 / d  # terms of order 1/d are left out
    blind = float(state_evolution(1e-9, 0.5, Signs()).mmse)
    assert expected < 0.5 * blind  # the labels have taught something


def test_signs_tell_what_their_score_is_worth():
    """kappa is V times twice the mean square of g_out: the two methods of the class belong together."""
    rng, n, tau, variance = np.random.default_rng(0), 400_000, 1.7, 0.3
    sigma = np.sqrt(index_variances(2, np.zeros(1)))

    def symmetric():
        z = rng.standard_normal((n, 2, 2))
        z[:, 1, 0] = z[:, 0, 1]
        return sigma * z

    omega = math.sqrt(tau * variance) * symmetric()
    y = Signs().output(omega + math.sqrt(variance) * symmetric())
    g = Signs().g_out(y, omega, variance)
    squares = g[:, 0, 1] ** 2 + 2 * (g[:, 0, 0] ** 2 + g[:, 1, 1] ** 2)
    measured, error = 2 * variance * squares.mean(), 2 * variance * squares.std() / math.sqrt(n)
    assert abs(measured - Signs().kappa(tau)) < 5 * error
    assert abs(measured - Signs().kappa(2 * tau)) > 20 * error
    assert Signs().kappa(0.0) == pytest.approx(6 * 2 / math.pi)


class Observed(Channel):
    """Linear labels, with the three documented methods and no more."""

    recovers_exactly = True

    def output(self, h):
        return h.copy()

    def g_out(self, y, omega, variance):
        return (y - omega) / (index_variances(self.n_tokens, omega) * variance)

    def kappa(self, tau):
        return np.full(np.shape(tau), 6.0)[()]


@pytest.mark.slow
def test_three_methods_are_enough_where_labels_determine_indices():
    """A channel of one's own is read by g_out; the package's own, told to, in the same way."""
    teacher = AIMTeacher(20, 0.5, channel=Observed(), rng=0)
    X, y = teacher.sample(60, rng=1)
    own = amp(X, y, teacher.rho, Observed())
    assert own.converged
    built_in = amp(X, y, teacher.rho, "linear", token_covariance=False)
    np.testing.assert_allclose(own.S, built_in.S, rtol=1e-9, atol=1e-12)
    assert exact_recovery_threshold(0.5, Observed()) == exact_recovery_threshold(0.5, "linear")


class TestChecks:
    @pytest.mark.parametrize("n_tokens", [2, 3])
    @pytest.mark.parametrize("channel", [Signs, LinearChannel, SoftmaxChannel, HardmaxChannel, Observed])
    def test_right_channels_pass(self, channel, n_tokens):
        if channel is Observed and n_tokens > 2:
            return
        rows = check_channel(channel(n_tokens), 1000, rng=1)
        assert [row["tau"] for row in rows] == [0, 1, 10]

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "prior", [Gaussian(), WishartPrior(0.3), WishartPrior(3.0)], ids=["Gaussian", "narrow", "wide"]
    )
    def test_right_priors_pass(self, prior):
        rows = check_prior(prior, 20, 30, rng=1)
        assert {row["quantity"] for row in rows} == {"Tr S / d", "Tr S^2 / d", "error", "Tr S' (S - S') / d"}

    @pytest.mark.slow
    def test_false_alarms_are_as_frequent_as_stated(self):
        """At a rate of one half, right classes are refused about every second time or less often."""
        refused = 0
        for seed in range(40):
            try:
                check_channel(Signs(), 400, rng=seed, false_alarm=0.5)
            except ValueError:
                refused += 1
        # Bonferroni bounds the rate from above; a test that never fired would be none.
        assert stats.binom.sf(refused - 1, 40, 0.5) > 1e-6 and refused > 0

    @pytest.mark.parametrize(
        ("method", "change", "message"),
        [
            (
                "kappa",
                lambda right: lambda self, tau: 3 * right(self, tau),
                "kappa must be what g_out is worth",
            ),
            (
                "kappa",
                lambda right: lambda self, tau: right(self, 2 * tau),
                "kappa must be what g_out is worth",
            ),
            ("kappa", lambda right: lambda self, tau: math.nan, "kappa must return a finite number"),
            ("g_out", lambda right: lambda self, *a: -right(self, *a), "product with the remainder"),
            ("g_out", lambda right: lambda self, *a: 1.5 * right(self, *a), "twice the mean square"),
            (
                "g_out",
                lambda right: lambda self, *a: right(self, *a)[:, 0],
                r"g_out must return .*\(5000, 2, 2\)",
            ),
            ("output", lambda right: lambda self, h: right(self, h - 1), "must not change with the scale"),
        ],
    )
    def test_wrong_channels_are_refused(self, method, change, message):
        wrong = type("Wrong", (Signs,), {method: change(getattr(Signs, method))})
        with pytest.raises(ValueError, match=rf"Wrong\..*{message}"):
            check_channel(wrong(), 5000, rng=1)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("method", "change", "message"),
        [
            (
                "error",
                lambda right: lambda self, delta: 1.2 * right(self, delta),
                "error at delta = 0.1 must be",
            ),
            ("error", lambda right: lambda self, delta: -1.0, "error must return a finite number > 0"),
            ("denoise", lambda right: lambda self, *a: 0.9 * right(self, *a), r"Tr S' \(S - S'\) / d"),
            (
                "denoise",
                lambda right: lambda self, *a: right(self, *a)[:3],
                r"denoise returns must have shape",
            ),
            ("draw", lambda right: lambda self, *a: 1.2 * right(self, *a), r"Tr S\^2 / d must be 1"),
            (
                "draw",
                lambda right: lambda self, *a: right(self, *a)[0],
                "draw must return a finite symmetric",
            ),
        ],
    )
    def test_wrong_priors_are_refused(self, method, change, message):
        wrong = type("Wrong", (Gaussian,), {method: change(getattr(Gaussian, method))})
        with pytest.raises(ValueError, match=message):
            check_prior(wrong(), 20, 60, rng=1)

    def test_what_is_no_channel_or_prior(self):
        with pytest.raises(TypeError, match="channel must be a Channel"):
            check_channel("softmax")
        with pytest.raises(TypeError, match="prior must be a Prior"):
            check_prior(0.5)
        with pytest.raises(ValueError, match="false_alarm must be >= 1e-12 and < 1"):
            check_channel(Signs(), false_alarm=1.0)


class TestMistakes:
    def test_a_channel_without_a_method(self):
        class Half(Channel):
            def output(self, h):
                return h

        with pytest.raises(TypeError, match=r"abstract.*g_out.*kappa"):
            Half()

    def test_a_prior_without_a_method(self):
        class Half(Prior):
            mean, second_moment = 0.0, 1.0

        with pytest.raises(TypeError, match=r"abstract.*denoise.*error"):
            Half()

    @pytest.mark.parametrize(
        ("moments", "message"),
        [
            ({"mean": math.nan}, "Broken.mean must be finite"),
            ({"second_moment": None}, "Broken.second_moment must be a real number"),
            ({"mean": 2.0}, r"Broken.second_moment must be > mean\*\*2"),
            ({"parameters": 0.0}, "Broken.parameters must be > 0"),
        ],
    )
    def test_moments_that_cannot_be(self, moments, message):
        broken = type("Broken", (Gaussian,), moments)
        with pytest.raises((TypeError, ValueError), match=message):
            state_evolution(0.1, broken())

    def test_a_prior_that_draws_nothing(self):
        class Silent(Gaussian):
            draw = Prior.draw

        with pytest.raises(TypeError, match="no teacher can be drawn"):
            AIMTeacher(5, Silent())

    @pytest.mark.parametrize(
        ("value", "shown"), [(math.nan, "nan"), (-1.0, r"-1\."), ([1.0, 2.0], r"1\., 2\.")]
    )
    def test_a_kappa_that_is_no_information(self, value, shown):
        broken = type("Broken", (Signs,), {"kappa": lambda self, tau: np.array(value)[()]})()
        for ask in (lambda: state_evolution(0.1, 0.5, broken), lambda: alpha_of_noise(0.3, 0.5, broken)):
            with pytest.raises(ValueError, match=rf"Broken.kappa must return a finite number >= 0.*{shown}"):
                ask()

    def test_a_kappa_that_moves_where_labels_determine_indices(self):
        broken = type("Broken", (Observed,), {"kappa": lambda self, tau: 6.0 + tau})()
        with pytest.raises(ValueError, match=r"Broken.kappa must be constant where recovers_exactly"):
            state_evolution(0.1, 0.5, broken)

    def test_labels_that_teach_nothing_at_first(self):
        silent = type("Silent", (Signs,), {"kappa": lambda self, tau: 0.0 * tau})()
        with pytest.raises(ValueError, match=r"Silent.kappa must be > 0 where state evolution starts"):
            state_evolution(0.1, Gaussian(), silent)

    @pytest.mark.parametrize("value", [-0.1, 0.0, math.nan])
    def test_an_error_that_is_none(self, value):
        broken = type("Broken", (Gaussian,), {"error": lambda self, delta: value})()
        with pytest.raises(ValueError, match=r"Broken.error must return a finite number > 0"):
            state_evolution(0.1, broken)

    def test_results_of_the_wrong_shape(self):
        teacher = AIMTeacher(8, 0.5, channel=Signs(), rng=0)
        X, y = teacher.sample(20, rng=1)
        short = type("Short", (Gaussian,), {"denoise": lambda self, eigenvalues, delta: eigenvalues[1:]})()
        with pytest.raises(ValueError, match=r"Short.denoise returns must have shape \(8\), got \(7,\)"):
            amp(X, y, short, Signs())
        flat = type("Flat", (Signs,), {"g_out": lambda self, y, omega, variance: omega[:, 0]})()
        with pytest.raises(ValueError, match=r"Flat.g_out must return an array of shape \(20, 2, 2\)"):
            amp(X, y, 0.5, flat)
        lost = type("Lost", (Signs,), {"g_out": lambda self, y, omega, variance: math.nan * omega})()
        with pytest.raises(ValueError, match=r"Lost.g_out must return numbers, got NaN"):
            amp(X, y, 0.5, lost)

    def test_a_layer_of_infinite_width(self):
        X, y = AIMTeacher(8, 0.5, rng=0).sample(20, rng=1)
        with pytest.raises(ValueError, match="rho must be finite"):
            amp(X, y, WishartPrior(math.inf))
        with pytest.raises(ValueError, match="rho must be finite"):
            AIMTeacher(8, WishartPrior(math.inf))
