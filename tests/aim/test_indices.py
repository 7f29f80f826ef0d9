"""The indices, their adjoint, and their covariance given the tokens."""

import numpy as np
import pytest

from pairint.aim.amp import amp
from pairint.aim.channels import make_channel
from pairint.aim.indices import IndexCovariance, adjoint, indices
from pairint.aim.state_evolution import exact_recovery_threshold
from pairint.aim.teacher import AIMTeacher

T, D = 3, 20
ABOVE = [(a, b) for a in range(T) for b in range(a, T)]


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).standard_normal((4, T, D))


def symmetric(shape, seed):
    values = np.random.default_rng(seed).standard_normal(shape)
    return values + values.swapaxes(-1, -2)


def dense(covariance, sample):
    """The matrix of Gamma in the coordinates a <= b of one sample."""
    columns = []
    for a, b in ABOVE:
        weights = np.zeros((len(covariance.gram), T, T))
        weights[:, a, b] += 0.5
        weights[:, b, a] += 0.5
        image = covariance.apply(weights)[sample]
        columns.append([image[c] for c in ABOVE])
    return np.array(columns)


def test_adjoint(X):
    weights, matrix = symmetric((4, T, T), 1), symmetric((D, D), 2)
    assert (weights * indices(X, matrix)).sum() == pytest.approx((adjoint(X, weights) * matrix).sum())


def test_covariance_is_the_map_after_its_adjoint(X):
    covariance = IndexCovariance(X)
    weights = symmetric((4, T, T), 3)
    for k in range(4):
        expected = 2 / D * indices(X[[k]], adjoint(X[[k]], weights[[k]]))[0]
        np.testing.assert_allclose(covariance.apply(weights)[k], expected, atol=1e-12)


def test_solve_is_the_inverse(X):
    covariance = IndexCovariance(X)
    weights = symmetric((4, T, T), 4)
    np.testing.assert_allclose(covariance.solve(covariance.apply(weights)), weights, atol=1e-12)
    np.testing.assert_allclose(covariance.apply(covariance.solve(weights)), weights, atol=1e-12)


@pytest.mark.slow
def test_it_is_the_covariance_of_random_matrices(X):
    Z = symmetric((20_000, D, D), 5) / np.sqrt(2 * D)
    x = X[0]
    h = (
        np.einsum("ad,mde,be->mab", x, Z, x) - np.eye(T) * np.trace(Z, axis1=1, axis2=2)[:, None, None]
    ) / D**0.5
    sampled = np.cov(np.array([h[:, a, b] for a, b in ABOVE]))
    np.testing.assert_allclose(sampled, dense(IndexCovariance(X), 0), atol=6 * 2 / np.sqrt(20_000))


def test_mean_over_tokens_is_the_usual_variance():
    X = np.random.default_rng(6).standard_normal((40_000, T, D))
    covariance = IndexCovariance(X)
    ones = np.ones((len(X), 1, 1)) * np.eye(T)
    mean = covariance.apply(ones).mean(axis=0)  # the sum over the columns of the diagonal indices
    np.testing.assert_allclose(mean, 2 * (1 + 1 / D) * np.eye(T), atol=0.03)


def test_scores_are_generalised_least_squares(X):
    covariance = IndexCovariance(X)
    omega, variance = symmetric((4, T, T), 7), 0.3
    h = symmetric((4, T, T), 8)
    half = 0.5 * (np.ones((T, T)) + np.eye(T))
    for name in ("linear", "softmax"):
        channel = make_channel(name, T)
        g = channel.g_out_given(channel.observe(channel.output(h)), omega, variance, covariance) / half
        for k in range(4):
            precision = np.linalg.inv(variance * dense(covariance, k))
            residual = np.array([(h - omega)[k][c] for c in ABOVE])
            if name == "softmax":  # all indices of a sample are known up to one constant
                one = np.ones(len(ABOVE))
                residual = residual - (one @ precision @ residual) / (one @ precision @ one)
            np.testing.assert_allclose([g[k][c] for c in ABOVE], precision @ residual, atol=1e-10)


def test_labels_of_ranks_have_no_such_scores(X):
    with pytest.raises(TypeError, match="HardmaxChannel does not define g_out_given"):
        make_channel("hardmax", 2).g_out_given(None, None, 1.0, None)


@pytest.mark.slow
def test_the_average_covariance_loses_information():
    """Six tokens in thirty dimensions are far from orthogonal: samples must be weighted accordingly."""
    d, n_tokens, rho = 30, 6, 2.0
    n = round(0.5 * exact_recovery_threshold(rho, "linear", n_tokens) * d**2)
    errors = {True: [], False: []}
    for seed in range(6):
        teacher = AIMTeacher(d, rho, n_tokens, "linear", rng=seed)
        X, y = teacher.sample(n, 100 + seed)
        for given, values in errors.items():
            values.append(teacher.error(amp(X, y, rho, "linear", token_covariance=given).S))
    gain = np.array(errors[False]) / errors[True]
    assert 1.02 < gain.mean() < 1.12


def test_dependent_tokens_have_no_inverse(X):
    X = X.copy()
    X[2, 1] = 2 * X[2, 0]
    with pytest.raises(ValueError, match="linearly independent"):
        IndexCovariance(X)


def test_without_room_for_the_tokens_the_average_is_used():
    teacher = AIMTeacher(10, 1.0, 6, "linear", rng=0)
    X, y = teacher.sample(20, 1)
    np.testing.assert_array_equal(
        amp(X, y, 1.0, "linear").S, amp(X, y, 1.0, "linear", token_covariance=False).S
    )
