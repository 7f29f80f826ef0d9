"""Channels and priors of one's own: a class with two or three methods works everywhere."""

import math

import numpy as np
import pytest
from scipy import special

from pairint.aim import (
    AIMTeacher,
    Channel,
    LinearChannel,
    Prior,
    WishartPrior,
    amp,
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


def test_amp_is_the_projection_that_ridge_regression_is():
    """Without noise, the Bayes estimate of a Gaussian layer is the shortest one that fits the labels."""
    d, n = 30, 60
    teacher = AIMTeacher(d, Gaussian(), channel=LinearChannel(), rng=0)
    X, y = teacher.sample(n, rng=1)
    rows, columns = np.triu_indices(d)
    basis = np.zeros((len(rows), d, d))
    norm = np.where(rows == columns, 1.0, math.sqrt(0.5))
    basis[np.arange(len(rows)), rows, columns] = basis[np.arange(len(rows)), columns, rows] = norm
    design = np.stack([indices(X, B)[:, *np.triu_indices(2)].ravel() for B in basis], axis=1)
    labels = y[:, *np.triu_indices(2)].ravel()
    coefficients = np.linalg.lstsq(design, labels, rcond=None)[0]
    exact = np.einsum("k,kij->ij", coefficients, basis)
    result = amp(X, y, Gaussian(), "linear", max_iter=2000, tol=1e-10)
    assert result.converged
    # Message passing knows the tokens' second moments only on average: a share of order 1/d of the error.
    assert teacher.error(result.S) == pytest.approx(teacher.error(exact), rel=3 / d)
    assert np.sum((result.S - exact) ** 2) < 0.02 * np.sum((teacher.S - exact) ** 2)


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
