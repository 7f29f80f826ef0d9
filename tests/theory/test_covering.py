import math

import numpy as np
import pytest

from pairint.model import SplineSpace, interaction_matrix
from pairint.theory import covering as cov


def operator_distance(point, points):
    return np.linalg.norm(points - point, 2, axis=(1, 2))


def sup_distance(point, points):
    return np.abs(points - point).max(axis=tuple(range(1, points.ndim)))


@pytest.mark.parametrize("accuracy", [0.3, 0.6])
def test_ball_is_covered_by_as_many_points_as_claimed(accuracy):
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (2000, 2))
    packed = cov.greedy_packing(points, 2 * accuracy, sup_distance)
    assert 1 < len(packed) <= math.exp(cov.log_cover_ball(accuracy, dimension=2, radius=1.0))
    # The converse inclusion of the proof: a maximal separated set is a covering.
    chosen = points[cov.greedy_packing(points, accuracy, sup_distance)]
    assert all(sup_distance(p, chosen).min() <= accuracy for p in points)
    assert len(chosen) <= math.exp(cov.log_cover_ball(accuracy, dimension=2, radius=1.0))


@pytest.mark.slow
@pytest.mark.parametrize(("d", "rank"), [(2, 1), (3, 1), (3, 2)])
def test_low_rank_bound_exceeds_packings(d, rank):
    rng = np.random.default_rng(1)
    points = np.stack([interaction_matrix(d, rank, rng) for _ in range(1500)])
    points /= np.linalg.norm(points, 2, axis=(1, 2))[:, None, None]
    points *= rng.uniform(0, 1, (1500, 1, 1))
    packed = cov.greedy_packing(points, 0.8, operator_distance)
    assert 4 < len(packed) <= math.exp(cov.log_cover_low_rank(0.4, d=d, rank=rank, radius=1.0))


def test_low_rank_bound_counts_parameters():
    # Squaring the accuracy (small) doubles the logarithm per parameter: slope 2 d r in log(1 / eps).
    fine, finer = (cov.log_cover_low_rank(e, d=7, rank=2, radius=1.0) for e in (1e-8, 1e-12))
    assert (finer - fine) / math.log(1e4) == pytest.approx(2 * 7 * 2, rel=1e-6)


def test_markov_lipschitz_bounds_random_splines():
    rng = np.random.default_rng(2)
    u = np.linspace(-2, 2, 4001)
    largest = 0.0
    for degree in (1, 2, 3, 4):
        space = SplineSpace(-2.0, 2.0, 6, degree)
        for _ in range(30):
            f = space.spline(rng.standard_normal(space.dimension))
            bound = cov.markov_lipschitz(
                n_intervals=6, degree=degree, sup_bound=np.abs(f(u)).max() * 1.001, score_bound=2.0
            )
            largest = max(largest, np.abs(f.derivative(u)).max() / bound)
    assert 0.1 < largest <= 1


def test_markov_is_attained_by_chebyshev():
    t5 = np.polynomial.chebyshev.Chebyshev.basis(5)
    assert t5.deriv()(1.0) == pytest.approx(
        cov.markov_lipschitz(n_intervals=1, degree=5, sup_bound=1.0, score_bound=1.0)
    )


def test_interactions_are_covered_as_the_proof_says():
    """Move each factor within the accuracy the proof grants it: the interaction moves by at most eps."""
    rng = np.random.default_rng(3)
    accuracy, sup_bound, degree, n_intervals, d = 0.05, 1.0, 2, 4, 3
    tokens = rng.standard_normal((200, d))
    tokens /= np.linalg.norm(tokens, axis=1)[:, None]  # unit sphere: |x'Ay| <= ||A|| = 1
    space = SplineSpace(-1.0, 1.0, n_intervals, degree)
    slope = cov.markov_lipschitz(n_intervals=n_intervals, degree=degree, sup_bound=sup_bound, score_bound=1.0)
    worst = 0.0
    for _ in range(50):
        coefficients = rng.uniform(-1, 1, space.dimension)  # a partition of unity: bounded by 1
        a = interaction_matrix(d, 1, rng)
        a /= np.linalg.norm(a, 2)
        shift = interaction_matrix(d, 1, rng)
        shift *= accuracy / (2 * slope) / np.linalg.norm(shift, 2)
        moved = coefficients + rng.uniform(-1, 1, space.dimension) * accuracy / 2
        before = space.spline(coefficients)(np.clip(tokens @ a @ tokens.T, -1, 1))
        after = space.spline(moved)(np.clip(tokens @ (a + shift) @ tokens.T, -1, 1))
        worst = max(worst, np.abs(before - after).max())
    assert 0.2 * accuracy < worst <= accuracy


def test_interactions_bound_is_the_sum_of_its_parts():
    value = cov.log_cover_interactions(
        0.01, d=5, rank=2, n_intervals=10, degree=2, sup_bound=1.5, support_ratio=5.0
    )
    spline = 21 * math.log(1 + 4 * 1.5 / 0.01)
    matrix = 20 * math.log(1 + 8 * 4 * 10 * 1.5 * 5 / 0.01)
    assert value == pytest.approx(spline + matrix, rel=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cov.log_cover_ball(0, dimension=2, radius=1), "accuracy must be > 0"),
        (lambda: cov.log_cover_ball(1, dimension=2, radius=-1), "radius must be > 0"),
        (lambda: cov.log_cover_low_rank(1, d=2, rank=3, radius=1), "rank must be >= 1 and <= 2"),
        (
            lambda: cov.log_cover_interactions(
                1, d=2, rank=1, n_intervals=3, degree=0, sup_bound=1, support_ratio=1
            ),
            "degree must be >= 1",
        ),
        (
            lambda: cov.log_cover_interactions(
                1, d=2, rank=1, n_intervals=3, degree=1, sup_bound=1, support_ratio=0.5
            ),
            "support_ratio must be >= 1",
        ),
        (lambda: cov.greedy_packing(np.zeros((3, 1)), 0, sup_distance), "separation must be > 0"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
