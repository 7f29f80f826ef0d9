"""Polynomial attention: the linear form against all pairs, and how many features a polynomial needs."""

import math

import numpy as np
import pytest

from pairint.model import feature_count, linear_attention, monomial_features, polynomial_attention

EPS = np.finfo(float).eps


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize(("rank", "degree"), [(1, 5), (2, 3), (5, 2), (3, 0), (4, 4)])
def test_both_forms_are_one_function(rank, degree):
    queries, keys, values = draw(2, 3, 9, rank), draw(2, 3, 9, rank, seed=1) + 1, draw(2, 3, 9, 4, seed=2)
    coefficients = 1 + np.random.default_rng(3).random((3, degree + 1))
    coefficients[:, 0] += 50 * 9**degree / 9  # denominators of one sign
    slow = polynomial_attention(queries, keys, values, coefficients=coefficients)
    fast = linear_attention(queries, keys, values, coefficients=coefficients)
    np.testing.assert_allclose(fast, slow, atol=1e4 * EPS)
    # By hand, one row.
    t = (keys[1, 2] - keys[1, 2].mean(axis=0)) @ queries[1, 2, 5]
    p = sum(a * t**m for m, a in enumerate(coefficients[2]))
    np.testing.assert_allclose(slow[1, 2, 5], p @ values[1, 2] / p.sum(), atol=1e4 * EPS)


def test_blocks_change_nothing(monkeypatch):
    queries, keys, values = draw(11, 3), draw(11, 3, seed=1), draw(11, 2, seed=2)
    whole = linear_attention(queries, keys, values, coefficients=[9.0, 1.0, 1.0])
    monkeypatch.setattr("pairint.model.polynomial.BLOCK", 25)
    parts = linear_attention(queries, keys, values, coefficients=[9.0, 1.0, 1.0])
    np.testing.assert_allclose(parts, whole, atol=1e3 * EPS)


def test_single_precision_stays():
    X = draw(4, 2).astype(np.float32)
    for form in (linear_attention, polynomial_attention):
        assert form(X, X, X, coefficients=[1.0, 0.5]).dtype == np.float32


@pytest.mark.parametrize(("rank", "degree"), [(1, 6), (3, 4), (6, 2)])
def test_monomials_give_the_powers(rank, degree):
    x, y = draw(20, rank), draw(20, rank, seed=1)
    product = monomial_features(x, degree) * monomial_features(y, degree)
    start = 0
    for m in range(degree + 1):
        end = start + math.comb(rank + m - 1, m)
        scale = (np.abs(x) * np.abs(y)).sum(axis=1) ** m
        error = np.abs(product[:, start:end].sum(axis=1) - (x * y).sum(axis=1) ** m)
        assert (error <= 100 * EPS * scale).all()
        start = end
    assert start == feature_count(rank, degree)


def rank_of(kernel):
    singular = np.linalg.svd(kernel, compute_uv=False)
    return int((singular > 1e-10 * singular[0]).sum())


@pytest.mark.parametrize(("rank", "degree"), [(1, 4), (2, 3), (3, 3), (4, 2)])
def test_no_fewer_features_will_do(rank, degree):
    """The matrix of p(x'y) at more points than features has the rank of the proposition, and not one less."""
    count = feature_count(rank, degree)
    x, y = (np.random.default_rng(seed).uniform(-1, 1, (count + 20, rank)) for seed in (0, 1))
    t = x @ y.T
    p = np.array([1.0, -0.7, 0.5, 0.9, 0.4])[: degree + 1]
    assert rank_of(np.polynomial.polynomial.polyval(t, p)) == count
    # The control: a power that is missing takes its monomials with it.
    p[1] = 0.0
    assert rank_of(np.polynomial.polynomial.polyval(t, p)) == count - rank


def test_what_is_refused():
    X = draw(4, 2)
    with pytest.raises(ValueError, match="degree must be >= 0 and <= 32, got 33"):
        feature_count(2, 33)
    with pytest.raises(ValueError, match=r"keys must have shape \(4, 2\), got \(4, 3\)"):
        polynomial_attention(X, draw(4, 3), X, coefficients=[1.0])
    with pytest.raises(ValueError, match="coefficients must have leading axes that match"):
        linear_attention(X, X, X, coefficients=np.ones((3, 2)))
    with pytest.raises(ValueError, match=r"queries must have shape \(..., N, r\)"):
        linear_attention(X[0], X[0], X[0], coefficients=[1.0])


def test_powers_beyond_the_precision_are_refused():
    with pytest.raises(ValueError, match="X must hold numbers of size at most"):
        monomial_features(np.full((3, 2), 1e84), 7)
    with pytest.raises(ValueError, match="X must hold numbers of size at most"):
        monomial_features(np.full((3, 2), 1e20, dtype=np.float32), 2)
    features = monomial_features(np.full((3, 2), 1e20), 7)
    assert np.isfinite(features @ features.T).all()
