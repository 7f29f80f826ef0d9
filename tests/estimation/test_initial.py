"""Where the search starts: each start finds what it is made for, and misses what it is not."""

import math

import numpy as np
import pytest
import rounding

from pairint.estimation.initial import linear_start, quadratic_start, random_start, truncated_factors
from pairint.model import (
    AttentionModel,
    GaussianNoise,
    Sphere,
    TruncatedGaussian,
    UniformCube,
    interaction_matrix,
)


def overlap(factors, matrix):
    """Absolute cosine between the matrix of the factors and another one."""
    found = factors[0] @ factors[1].T
    return abs((found * matrix).sum()) / np.linalg.norm(found) / np.linalg.norm(matrix)


def draw(activation, d=8, rank=2, n_samples=3000, n_tokens=3, seed=0, tokens=UniformCube):
    matrix = interaction_matrix(d, rank, seed, kind="coordinate")
    model = AttentionModel(activation, matrix, tokens(d), GaussianNoise(0.1))
    return matrix, *model.sample(n_samples, n_tokens, seed)


@pytest.mark.parametrize("n_tokens", [2, 3, 6])
def test_linear_start_is_exact_for_a_linear_activation(n_tokens):
    matrix = interaction_matrix(4, 2, 0)
    model = AttentionModel(lambda u: 3 * u, matrix, UniformCube(4))
    X, Y = model.sample(3000, n_tokens, 1)
    # Up to the mean of Y, which the regression takes out.
    assert overlap(linear_start(X, Y, 2, n_iter=30), matrix) > 0.9999


@pytest.mark.parametrize("tokens", [UniformCube, Sphere])
def test_each_start_finds_its_kind(tokens):
    for activation, right_start, wrong_start in (
        (lambda u: np.sin(u), linear_start, quadratic_start),
        (lambda u: np.cos(2 * u), quadratic_start, linear_start),
    ):
        matrix, X, Y = draw(activation, tokens=tokens)
        assert overlap(right_start(X, Y, 2), matrix) > 0.9
        assert overlap(wrong_start(X, Y, 2), matrix) < 0.3


def completed(basis):
    """Append the third unit vector to two orthonormal ones."""
    return np.column_stack([basis, np.cross(basis[:, 0], basis[:, 1])])


def gaussian_weights(activation, singular, linear):
    """``E[phi(U) x_k y_k]`` or ``E[phi(U)(x_k^2 - 1)]`` for Gaussian tokens and two singular values.

    Given x, the score is Gaussian; y_k is replaced by its conditional mean.
    """
    nodes = (np.arange(-80, 80) + 0.5) / 10  # the trapezoidal rule, beside zero
    weights = np.exp(-(nodes**2) / 2) / np.exp(-(nodes**2) / 2).sum()
    x = np.meshgrid(nodes, nodes, nodes, indexing="ij", sparse=True)
    mass = np.einsum("i,j,k->ijk", weights, weights, weights)
    scale = np.sqrt((singular[0] * x[0]) ** 2 + (singular[1] * x[1]) ** 2)
    values = mass * activation(scale * x[2])
    if linear:
        return np.array([(values * x[k] * x[2] * singular[k] * x[k] / scale).sum() for k in (0, 1)])
    return np.array([(values * (x[k] ** 2 - 1)).sum() for k in (0, 1)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("activation", "linear", "proportional"),
    [(lambda u: np.tanh(2 * u), True, 1), (lambda u: np.cos(2 * u), False, 2)],
    ids=["linear, tanh", "quadratic, cosine"],
)
def test_moments_have_the_singular_vectors_of_the_matrix_with_other_weights(activation, linear, proportional):
    """Gaussian tokens: diagonal in the singular basis, weights E[phi'(U) (p_k x)^2] s_k and alike."""
    singular = np.array([0.95, 0.31])
    left, right = (np.linalg.qr(np.random.default_rng(k).standard_normal((3, 3)))[0][:, :2] for k in (0, 1))
    law = TruncatedGaussian(3, 12.0)  # Gaussian: the ball cuts nothing
    X = law.sample(400_000, 2, 2)
    x, y = X[:, 0], X[:, 1]
    output = activation(((x @ left * singular) * (y @ right)).sum(axis=1))
    first = x @ completed(left)
    if linear:
        second = y @ completed(right)
        samples = output[:, None, None] * first[:, :, None] * second[:, None, :]
    else:
        samples = output[:, None, None] * (first[:, :, None] * first[:, None, :] - np.eye(3))
    expected = np.zeros((3, 3))
    weights = gaussian_weights(activation, singular, linear)
    expected[[0, 1], [0, 1]] = weights
    standard_error = samples.std(axis=0) / math.sqrt(len(samples))
    assert np.abs((samples.mean(axis=0) - expected) / standard_error).max() < 4.5
    # Not proportional to A, or to A A': the ratio of the two is off by far.
    assert weights[0] / weights[1] < 0.7 * (singular[0] / singular[1]) ** proportional


def test_the_mean_slope_does_not_decide():
    """Gaussian tokens, rank one, ``phi(u) = sin u - c sin 3u``.

    ``E cos(w U) = (1 + w^2)^(-1/2)``, so the mean slope vanishes at ``c = sqrt(5) / 3`` and ``E[phi(U) U]``
    at ``c = 5 sqrt(5) / 3``. The linear start fails at the second.
    """
    matrix = interaction_matrix(4, 1, 0)
    found, slopes, moments = [], [], []
    for c in (math.sqrt(5) / 3, 5 * math.sqrt(5) / 3):
        model = AttentionModel(
            lambda u, c=c: np.sin(u) - c * np.sin(3 * u), matrix, TruncatedGaussian(4, 12.0)
        )
        X, Y = model.sample(20_000, 2, 1)
        found.append(overlap(linear_start(X, Y, 1), matrix))
        U = model.scores(X)[:, 0, 1]
        slopes.append(np.mean(np.cos(U) - 3 * c * np.cos(3 * U)))
        moments.append(np.mean(model.activation(U) * U))
    assert found[0] > 0.98 and found[1] < 0.6
    assert slopes == pytest.approx([0.0, -math.sqrt(8)], abs=0.1)
    assert moments == pytest.approx([math.sqrt(2) / 5, 0.0], abs=0.1)


def test_quadratic_start_of_large_rank_needs_no_regression():
    _, X, Y = draw(lambda u: u**2, d=8, rank=6, n_samples=200)
    left, right = quadratic_start(X, Y, 6)  # 36 products, 666 pairs of them
    assert left.shape == right.shape == (8, 6)
    assert np.isfinite(left).all() and np.isfinite(right).all()


def test_truncated_factors():
    matrix = np.random.default_rng(0).standard_normal((5, 5))
    left, right = truncated_factors(matrix, 2)
    u, s, vt = np.linalg.svd(matrix)
    best = (u[:, :2] * s[:2]) @ vt[:2]
    # Backward error of a decomposition (ten d^2 roundings); singular vectors turn by it over the gap.
    accuracy = rounding.gamma(10 * 5**2) * s[0] / min(s[0] - s[1], s[1] - s[2])
    assert np.abs(left @ right.T - best / np.linalg.norm(best)).max() <= 4 * accuracy < 1e-11
    assert np.abs(left.T @ left - right.T @ right).max() <= rounding.gamma(10 * 5**2)


def test_no_signal_gives_some_direction():
    X = np.random.default_rng(0).standard_normal((20, 3, 4))
    for start in (linear_start, quadratic_start):
        left, right = start(X, np.ones((20, 3)), 2)
        assert np.isfinite(left).all() and np.linalg.norm(left @ right.T) > 0
    left, right = truncated_factors(np.zeros((3, 3)), 2)
    assert np.linalg.matrix_rank(left @ right.T) == 2


def test_random_start():
    left, right = random_start(6, 3, np.random.default_rng(0), np.zeros(1))
    assert np.linalg.matrix_rank(left @ right.T) == 3
    assert np.linalg.norm(left @ right.T) == pytest.approx(1.0)
    np.testing.assert_array_equal(left, random_start(6, 3, np.random.default_rng(0), np.zeros(1))[0])
    assert np.any(left != random_start(6, 3, np.random.default_rng(1), np.zeros(1))[0])
