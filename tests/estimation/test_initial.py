"""Where the search starts: each start finds what it is made for, and misses what it is not."""

import numpy as np
import pytest

from pairint.estimation.initial import linear_start, quadratic_start, random_start, truncated_factors
from pairint.model import AttentionModel, GaussianNoise, Sphere, UniformCube, interaction_matrix


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
    np.testing.assert_allclose(left @ right.T, best / np.linalg.norm(best), atol=1e-12)
    np.testing.assert_allclose(left.T @ left, right.T @ right, atol=1e-12)


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
