"""Interaction matrices: rank, norm, law."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pairint.model import interaction_matrix, query_key_matrix

KINDS = ["gaussian", "orthogonal", "coordinate"]


@given(st.sampled_from(KINDS), st.integers(1, 12), st.data())
@settings(max_examples=60, deadline=None)
def test_rank_and_norm(kind, d, data):
    rank = data.draw(st.integers(1, d))
    norm = data.draw(st.floats(1e-3, 1e3))
    matrix = interaction_matrix(d, rank, data.draw(st.integers(0, 2**32 - 1)), kind=kind, norm=norm)
    assert matrix.shape == (d, d)
    singular = np.linalg.svd(matrix, compute_uv=False)
    assert np.linalg.norm(singular) == pytest.approx(norm, rel=1e-12)
    assert np.all(singular[rank:] <= 1e-12 * norm)
    assert singular[rank - 1] > 1e-8 * norm
    if kind != "gaussian":
        np.testing.assert_allclose(singular[:rank], norm / math.sqrt(rank), rtol=1e-10)


def test_coordinate_matrices_pair_coordinates():
    seen = set()
    for seed in range(60):
        matrix = interaction_matrix(3, 2, seed, kind="coordinate")
        rows, columns = np.nonzero(matrix)
        assert len(set(rows)) == len(set(columns)) == 2
        np.testing.assert_allclose(np.abs(matrix[rows, columns]), 1 / math.sqrt(2))
        seen.update(zip(rows, columns, matrix[rows, columns] > 0, strict=True))
    assert len(seen) == 18  # every place, with either sign


def test_orthogonal_matrices_prefer_no_direction():
    norm = math.sqrt(3)
    entries = [interaction_matrix(3, 3, seed, kind="orthogonal", norm=norm)[0, 0] for seed in range(400)]
    # An entry of a Haar matrix in three dimensions is uniform on [-1, 1]: a coordinate of the sphere.
    assert stats.kstest(entries, stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_seeds_are_reproducible():
    for kind in KINDS:
        np.testing.assert_array_equal(
            interaction_matrix(4, 2, 1, kind=kind), interaction_matrix(4, 2, 1, kind=kind)
        )


def test_query_key_matrix():
    rng = np.random.default_rng(0)
    query, key = rng.standard_normal((5, 3)), rng.standard_normal((5, 3))
    x, y = rng.standard_normal(5), rng.standard_normal(5)
    matrix = query_key_matrix(query, key)
    assert x @ matrix @ y == pytest.approx((x @ query) @ (y @ key) / math.sqrt(3))
    assert np.linalg.matrix_rank(matrix) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: interaction_matrix(0, 1), "d must be >= 1, got 0"),
        (lambda: interaction_matrix(3, 0), "rank must be >= 1 and <= 3, got 0"),
        (lambda: interaction_matrix(3, 4), "rank must be >= 1 and <= 3, got 4"),
        (lambda: interaction_matrix(3, 1, norm=0.0), r"norm must be > 0\.0, got 0\.0"),
        (lambda: interaction_matrix(3, 1, norm=math.nan), "norm must be finite, got nan"),
        (lambda: interaction_matrix(3, 1, kind="sparse"), "kind must be one of .* got 'sparse'"),
        (lambda: query_key_matrix(np.ones((3, 2)), np.eye(2)), r"key must have shape \(3, 2\), got \(2, 2\)"),
        (lambda: query_key_matrix(np.ones((3, 0)), np.ones((3, 0))), "query must have at least one column"),
        (lambda: query_key_matrix([[np.inf]], [[1.0]]), "query must be finite"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
