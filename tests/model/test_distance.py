"""Distance as a score: what the lift gives, and that fewer coordinates do not give it."""

import numpy as np
import pytest

from pairint.model import distance_matrix, distance_rank, distance_tokens


def kernel(points):
    z = distance_tokens(points)
    return z @ distance_matrix(points.shape[1]) @ z.T


@pytest.mark.parametrize("d", [1, 2, 5])
def test_scores_are_squared_distances(d):
    points = np.random.default_rng(d).normal(size=(30, d))
    wanted = ((points[:, None] - points) ** 2).sum(axis=2)
    np.testing.assert_allclose(kernel(points), wanted, atol=1e-13 * wanted.max())
    assert np.linalg.matrix_rank(distance_matrix(d)) == d + 2


@pytest.mark.parametrize("d", [1, 2, 3, 6])
def test_the_rank_is_exact(d):
    """Points in general position need d + 2, on a sphere d + 1, in a hyperplane one less again."""
    points = np.random.default_rng(d).normal(size=(60, d))
    assert distance_rank(points) == d + 2
    assert distance_rank(points + 5.0) == d + 2
    if d > 1:
        sphere = points / np.linalg.norm(points, axis=1, keepdims=True)
        assert distance_rank(3 + 2 * sphere) == d + 1
        flat = points.copy()
        flat[:, 0] = 7.0
        assert distance_rank(flat) == d + 1
    assert distance_rank(points[:1]) == 0


@pytest.mark.parametrize("d", [1, 2, 4])
def test_it_cannot_be_done_with_less(d):
    """The negative control: no score of rank d + 1 is near, and fits from random starts stay away.

    Eckart and Young: the best error is the last singular value. A constant is no help off a sphere.
    """
    rng = np.random.default_rng(d)
    points = rng.uniform(-1, 1, (50, d))
    wanted = kernel(points)
    least = np.linalg.svd(wanted, compute_uv=False)[d + 1]
    assert least > 1e-3 * np.linalg.norm(wanted)
    for _ in range(3):
        right = rng.normal(size=(50, d + 1))
        for _ in range(200):
            left = np.linalg.lstsq(right, wanted.T, rcond=None)[0].T
            right = np.linalg.lstsq(left, wanted, rcond=None)[0].T
        assert np.linalg.norm(left @ right.T - wanted) >= least * (1 - 1e-9)
    for constant in (-1.0, 0.5, 2.0):
        assert np.linalg.svd(wanted - constant, compute_uv=False)[d + 1] > 1e-4 * np.linalg.norm(wanted)


def test_a_function_of_the_distance_needs_two_on_a_line_and_more_in_the_plane():
    points = np.random.default_rng(0).uniform(-1, 1, (60, 2))
    line = points[:, :1]
    rank = np.linalg.matrix_rank
    assert rank(np.cosh(line - line.T), tol=1e-10) == 2
    apart = np.sqrt(kernel(points).clip(0))
    for function in (np.cosh, np.cos, np.exp, np.sqrt, lambda r: r**4):
        values = np.linalg.svd(function(apart), compute_uv=False)
        assert values[4] > 1e-9 * values[0], "a function of distance with rank d + 2 = 4"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: distance_tokens(3.0), "X must have shape"),
        (lambda: distance_tokens([[np.nan]]), "X must be finite"),
        (lambda: distance_matrix(0), "d must be >= 1"),
        (lambda: distance_rank(np.ones(3)), "points must have"),
        (lambda: distance_rank(np.ones((3, 1)), 2.0), "tolerance must be"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
