"""Values, identities and limits of the state evolution; the mutated channel must fail them."""

import math

import numpy as np
import pytest

from pairint.aim.channels import HardmaxChannel, PublishedHardmaxChannel, two_token_kappa_integral
from pairint.aim.indices import indices
from pairint.aim.spectrum import NoisySpectrum, limiting_moments
from pairint.aim.state_evolution import (
    exact_recovery_threshold,
    large_alpha_error,
    small_width_limit,
    small_width_samples,
    state_evolution,
    weak_recovery_threshold,
)
from pairint.aim.teacher import NORMALISATIONS, AIMTeacher, convert_error, convert_matrix, matrix_error

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("rho", "alpha", "channel", "n_tokens", "mmse", "q_hat"),
    [
        (0.5, 0.05, "softmax", 2, 0.7236774222, 0.2763662288),
        (0.5, 0.10, "softmax", 2, 0.3921960173, 1.019898169),
        (1.0, 0.20, "softmax", 2, 0.0842649373, 9.493865724),
        (0.5, 0.05, "softmax", 3, 0.2472852684, 2.021956274),
        (0.5, 0.10, "linear", 2, 0.1281308963, 4.682711332),
        (0.5, 1.0, "hardmax", 2, 0.07893168856, 8.247928925),
        (1.0, 1.0, "hardmax", 2, 0.1344688098, 5.45701012),
    ],
)
def test_state_evolution_values(rho, alpha, channel, n_tokens, mmse, q_hat):
    # Computed independently, by iterating the fixed point with other quadratures.
    result = state_evolution(alpha, rho, channel, n_tokens)
    assert result.mmse == pytest.approx(mmse, abs=2e-9)
    assert result.q_hat == pytest.approx(q_hat, rel=2e-8)
    assert result.q == pytest.approx(1 + rho - mmse, abs=2e-9)


@pytest.mark.parametrize("rho", [0.01, 0.1, 0.5, 1.0, 2.0, 10.0])
@pytest.mark.parametrize("delta", [1e-6, 1e-3, 0.1, 1.0, 30.0, 1e4])
def test_density_has_mass_one_and_the_moments_of_the_sum(rho, delta):
    spectrum = NoisySpectrum(rho, delta)
    wanted = limiting_moments(rho, delta, 4)
    for order in range(5):
        scale = max(abs(wanted[order]), (1 + rho + delta) ** (order / 2))
        assert spectrum.moment(order) == pytest.approx(wanted[order], abs=1e-10 * scale)


@pytest.mark.parametrize(("rho", "delta"), [(0.3, 0.05), (0.5, 1.0), (2.0, 0.5)])
def test_density_and_denoiser_against_a_large_matrix(rho, delta):
    d = 700
    rng = np.random.default_rng(5)
    S = AIMTeacher(d, rho, rng=rng).S
    noise = rng.standard_normal((d, d))
    values, vectors = np.linalg.eigh(S + math.sqrt(delta / (2 * d)) * (noise + noise.T))
    spectrum = NoisySpectrum(rho, delta)
    for order in (1, 2, 3):
        assert np.mean(values**order) == pytest.approx(spectrum.moment(order), rel=0.03, abs=0.02)
    estimate = (vectors * spectrum.denoise(values)) @ vectors.T
    assert np.sum((estimate - S) ** 2) / d == pytest.approx(spectrum.mmse, rel=0.03)
    # A denoiser that shrinks a little more, or less, is worse: it is the optimum.
    for factor in (0.9, 1.1):
        worse = (vectors * (factor * spectrum.denoise(values))) @ vectors.T
        assert np.sum((worse - S) ** 2) > np.sum((estimate - S) ** 2)


def _information(q: float, total: float) -> float:
    """E sum_y P log P for two tokens, by quadrature: the other side of the identity."""
    from pairint.aim.bivariate import bivariate_log_cdf
    from pairint.aim.channels import two_token_average

    def integrand(x, y, sigma):
        log_p = bivariate_log_cdf(x, y, sigma / 3)
        return np.exp(log_p) * log_p

    return two_token_average(integrand, q / (total - q))


def test_i_mmse_identity_holds_for_the_derivative_and_not_for_the_density():
    q, total, step = 0.5, 1.0, 1e-3
    derivative = (_information(q + step, total) - _information(q - step, total)) / (2 * step)

    def fisher(channel):
        return two_token_kappa_integral(channel, q / (total - q)) / (total - q)

    assert fisher(HardmaxChannel) == pytest.approx(4 * derivative, rel=1e-5)
    assert fisher(HardmaxChannel) == pytest.approx(3.75070, abs=1e-4)
    assert abs(fisher(PublishedHardmaxChannel) / (4 * derivative) - 1) > 0.3


@pytest.mark.parametrize(("channel", "holds"), [("hardmax", True), ("published", False), ("softmax", True)])
def test_nishimori_identity(channel, holds):
    # E[g (h - omega)] = E[sigma^2 V g^2] entry by entry, labels drawn from the model.
    rng = np.random.default_rng(3)
    n, q, variance = 400_000, 0.6, 0.4
    from pairint.aim.channels import make_channel

    g_channel = PublishedHardmaxChannel() if channel == "published" else make_channel(channel, 2)
    sigma = np.array([[math.sqrt(2.0), 1.0], [1.0, math.sqrt(2.0)]])

    def symmetric():
        z = rng.standard_normal((n, 2, 2))
        z[:, 1, 0] = z[:, 0, 1]
        return z * sigma

    omega = math.sqrt(q) * symmetric()
    h = omega + math.sqrt(variance) * symmetric()
    g = g_channel.g_out(g_channel.observe(g_channel.output(h)), omega, variance)
    weight = np.array([[1.0, 1.0], [0.0, 1.0]])
    left = (weight * g * (h - omega)).sum(axis=(1, 2))
    right = (weight * sigma**2 * variance * g**2).sum(axis=(1, 2))
    error = np.std(left - right) / math.sqrt(n)
    # For softmax both sides agree sample by sample, to rounding.
    assert (abs(np.mean(left - right)) < 5 * error + 1e-12) == holds


def test_thresholds():
    assert exact_recovery_threshold(0.5) == pytest.approx((2 * 0.5 - 0.25) / 4)
    assert exact_recovery_threshold(2.0, "linear", 3) == pytest.approx(1 / 12)
    assert exact_recovery_threshold(1.0, "hardmax") == math.inf
    theta = math.asin(1 / 3)
    k0 = 8 / 3 * (3 * math.pi - 2 * theta) / (math.pi**2 - 4 * theta**2)
    assert weak_recovery_threshold("hardmax") == pytest.approx(1 / k0, rel=1e-9)
    assert weak_recovery_threshold("softmax", 3) == pytest.approx(0.1)


@pytest.mark.parametrize("rho", [0.2, 1.0, 2.0])
def test_exact_recovery_is_the_limit_of_the_error(rho):
    threshold = exact_recovery_threshold(rho)
    errors = state_evolution(threshold * np.array([0.9, 0.99, 0.999, 1.001]), rho).mmse
    assert errors[0] > errors[1] > errors[2] > 0 == errors[3]
    assert errors[2] < 0.02 * errors[0]


@pytest.mark.parametrize("channel", ["softmax", "hardmax"])
def test_small_width_is_the_limit_of_narrow_layers(channel):
    threshold = weak_recovery_threshold(channel)
    for ratio in (1.2, 1.7):
        limit = small_width_limit(ratio * threshold, channel)
        gaps = [
            abs(state_evolution(ratio * threshold * r, r, channel).mmse - limit) for r in (0.1, 0.01, 0.001)
        ]
        assert gaps[0] > gaps[1] > gaps[2] and gaps[2] < 0.05
    assert small_width_limit(0.9 * threshold, channel) == 1.0
    assert small_width_samples(1.0, channel) == pytest.approx(threshold)
    for t in (0.0, -0.1, 1.1):
        with pytest.raises(ValueError, match=r"^t must lie in \(0, 1\]"):
            small_width_samples(t, channel)


def test_errors_fall_with_alpha_and_like_its_inverse_square_for_hardmax():
    alpha = np.geomspace(0.02, 300, 25)
    errors = state_evolution(alpha, 0.5, "hardmax").mmse
    assert np.all(np.diff(errors) < 0)
    assert errors[-1] == pytest.approx(large_alpha_error(300.0, 0.5), rel=0.02)
    assert np.log(errors[-1] / errors[-3]) / np.log(alpha[-1] / alpha[-3]) == pytest.approx(-2, abs=0.05)


def test_indices_against_the_definition():
    rng = np.random.default_rng(0)
    X, M = rng.standard_normal((5, 3, 7)), rng.standard_normal((7, 7))
    M = M + M.T
    expected = (np.einsum("nai,ij,nbj->nab", X, M, X) - np.trace(M) * np.eye(3)) / math.sqrt(7)
    np.testing.assert_allclose(indices(X, M), expected, rtol=1e-12)


def test_index_variance_is_q0_off_and_twice_q0_on_the_diagonal():
    teacher = AIMTeacher(60, 0.5, channel="linear", rng=1)
    _, h = teacher.sample(40_000, 2)
    q0 = np.trace(teacher.S @ teacher.S) / 60
    assert np.var(h[:, 0, 1]) == pytest.approx(q0, rel=0.04)
    assert np.var(h[:, 0, 0]) == pytest.approx(2 * q0, rel=0.04)
    assert q0 == pytest.approx(1.5, rel=0.1)


def conventions(W):
    """The matrix of a layer in each normalisation, as written in the documentation."""
    d, r = W.shape
    gram = W @ W.T
    return {
        "aim": gram / math.sqrt(r * d),
        "sqrt_width": gram / math.sqrt(r),
        "width": gram / r,
        "sqrt_dimension": gram / math.sqrt(d),
        "dimension": gram / d,
        "gram": gram,
    }


def test_normalisations_are_their_formulas():
    rng = np.random.default_rng(0)
    matrices, estimates = (conventions(rng.standard_normal((7, 3))) for _ in range(2))
    assert matrices.keys() == NORMALISATIONS.keys()
    for source in matrices:
        error = matrix_error(matrices[source], estimates[source])
        for target in matrices:
            converted = convert_matrix(matrices[source], 7, 3, source, target)
            np.testing.assert_allclose(converted, matrices[target], rtol=1e-13)
            wanted = matrix_error(matrices[target], estimates[target])
            assert convert_error(error, 7, 3, source, target) == pytest.approx(wanted, rel=1e-12)
    np.testing.assert_array_equal(convert_matrix(matrices["gram"], 7, 3, "gram"), matrices["aim"])
    teacher = AIMTeacher(7, 3 / 7, rng=1)
    np.testing.assert_allclose(teacher.S, conventions(teacher.W)["aim"], rtol=1e-13)


@pytest.mark.parametrize("convert", [convert_matrix, convert_error])
@pytest.mark.parametrize(
    ("change", "match"),
    [({"source": "frobenius"}, "source"), ({"target": "aims"}, "target"), ({"d": 0}, "d")],
)
def test_unknown_normalisations_are_named(convert, change, match):
    with pytest.raises(ValueError, match=match):
        convert(1.0, **{"d": 7, "width": 3, "source": "gram"} | change)


def test_tokens_of_the_seed_of_the_weights_are_not_the_weights():
    for teacher_seed, sample_seed in ((0, 0), (np.random.SeedSequence(5), 5), (np.random.default_rng(7), 7)):
        teacher = AIMTeacher(6, 0.5, rng=teacher_seed)
        X, _ = teacher.sample(20, sample_seed)
        assert not np.isin(teacher.W, X).any()
        # Students of the same seed start elsewhere too: their weights are drawn from its first child.
        student = np.random.default_rng(sample_seed).spawn(1)[0].standard_normal(18)
        assert not np.isin(student, X).any()
        np.testing.assert_array_equal(X, teacher.sample(20, sample_seed)[0])  # and a seed gives one set
    X, _ = AIMTeacher(6, 0.5, rng=0).sample(20, 1)  # any other seed, and any generator, is used as it is
    np.testing.assert_array_equal(X, np.random.default_rng(1).standard_normal((20, 2, 6)))
    X, _ = AIMTeacher(6, 0.5, rng=0).sample(20, np.random.default_rng(0))
    np.testing.assert_array_equal(X, np.random.default_rng(0).standard_normal((20, 2, 6)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 0.5), "alpha"),
        ((-1.0, 0.5), "alpha"),
        ((math.nan, 0.5), "alpha"),
        ((0.1, 0.0), "rho"),
        ((0.1, 0.5, "softmx"), "channel"),
        ((0.1, 0.5, "softmax", 1), "n_tokens"),
        ((0.1, 0.5, "hardmax", 6), "n_tokens"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises((ValueError, TypeError), match=message):
        state_evolution(*arguments)
