r"""Attention whose weights are a polynomial of the score, with all pairs formed and without.

For queries q, keys k and values v of one window let :math:`t_{ij} = q_i^\top (k_j - \bar k)`, the score less
the mean of its row, and

.. math:: y_i = \frac{\sum_j p(t_{ij})\, v_j}{\sum_j p(t_{ij})}, \qquad p(t) = \sum_{m=0}^{\ell} a_m t^m .

As :math:`(x^\top y)^m = \sum_{|\alpha| = m} \binom{m}{\alpha} x^\alpha y^\alpha`, a score to the power m is
an inner product of monomials, and the sums over j are formed once for all i: time and memory grow like N, not
like its square, times the number of monomials (Katharopoulos et al., 2020, for feature maps in general).
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace
from pairint.validation import check_floats, check_integer, check_size

__all__ = ["feature_count", "linear_attention", "monomial_features", "polynomial_attention"]

#: A polynomial of the score of a higher degree is not one for floating point.
HIGHEST_DEGREE = 32
#: Features are made in blocks of tokens that hold so many numbers: half a megabyte, which stays in a cache.
BLOCK = 60_000


def feature_count(rank: int, degree: int) -> int:
    """Return how many features a polynomial of a score of this rank needs: ``C(rank + degree, degree)``.

    Book: :doc:`/book/polynomial_attention`.

    No fewer will do if no coefficient of the polynomial is zero.

    Parameters
    ----------
    rank : int
        Coordinates of queries and keys, at least 1.
    degree : int
        From 0 to 32.

    Examples
    --------
    >>> feature_count(4, 4), feature_count(32, 2), feature_count(32, 4)
    (70, 561, 58905)
    """
    rank = check_integer("rank", rank, 1, 10**6)
    return math.comb(rank + check_integer("degree", degree, 0, HIGHEST_DEGREE), degree)


def monomial_features(X: Any, degree: int) -> Any:
    r"""Return the monomials of degree at most ``degree``, scaled to give the powers :math:`(x^\top y)^m`.

    Book: :doc:`/book/polynomial_attention`.

    Parameters
    ----------
    X : array_like, shape (..., r)
        NumPy or CuPy. Its powers up to twice ``degree`` must be within its precision.
    degree : int
        From 0 to 32.

    Returns
    -------
    array, shape (..., C(r + degree, degree))
        By degree; the inner product of the features of degree m at x and at y is the m-th power of that of x
        and y.

    Examples
    --------
    >>> x, y = monomial_features([[1.0, 2.0], [3.0, -1.0]], 2)
    >>> [round(float(x[part] @ y[part]), 9) for part in (slice(1), slice(1, 3), slice(3, 6))]
    [1.0, 1.0, 1.0]
    """
    X = _tokens("X", X)
    degree = check_integer("degree", degree, 0, HIGHEST_DEGREE)
    size = feature_count(X.shape[-1], degree)
    check_size("X and degree", max(math.prod(X.shape[:-1]), X.shape[-1]), size)
    # The inner products of the features stay finite.
    check_floats("X", X, largest=float(np.finfo(X.dtype).max) ** (0.5 / max(degree, 1)) / X.shape[-1])
    return _monomials(X, degree, scaled=True)


def polynomial_attention(queries: Any, keys: Any, values: Any, *, coefficients: Any) -> Any:
    """Return the outputs of attention by a polynomial, forming all pairs.

    Book: :doc:`/book/polynomial_attention`.

    Parameters
    ----------
    queries, keys : array_like, shape (..., N, r)
        NumPy or CuPy. The score of a pair is their inner product.
    values : array_like, shape (..., N, v)
    coefficients : array_like, shape (..., degree + 1)
        Of the polynomial of the score less its row's mean, the constant first. Leading axes match those of
        the queries: one polynomial for each head, or one for all.

    Returns
    -------
    array, shape (..., N, v)
        Not finite where the weights of a row add up to zero. They may be negative.

    Raises
    ------
    ValueError
        If shapes do not match.
    """
    queries, keys, values, coefficients = _checked(queries, keys, values, coefficients)
    scores = queries @ _swapped(keys)
    powers, weights = scores, coefficients[..., 0, None, None] + 0.0 * scores
    for m in range(1, coefficients.shape[-1]):
        weights = weights + coefficients[..., m, None, None] * powers
        powers = powers * scores
    return _quotient(weights @ values, weights.sum(axis=-1, keepdims=True))


def linear_attention(queries: Any, keys: Any, values: Any, *, coefficients: Any) -> Any:
    """Return the same outputs as :func:`polynomial_attention` without ever forming a pair.

    Book: :doc:`/book/polynomial_attention`.

    Time and memory grow like N times the number of features.

    Parameters
    ----------
    queries, keys : array_like, shape (..., N, r)
    values : array_like, shape (..., N, v)
    coefficients : array_like, shape (..., degree + 1)
        As in :func:`polynomial_attention`.

    Returns
    -------
    array, shape (..., N, v)
    """
    queries, keys, values, coefficients = _checked(queries, keys, values, coefficients)
    xp, n_tokens, rank = array_namespace(queries), queries.shape[-2], queries.shape[-1]
    degree = coefficients.shape[-1] - 1
    check_size("rank and degree", feature_count(rank, degree), max(rank, values.shape[-1] + 1))
    _, _, squares, degrees = _recipe(rank, degree)
    squares = xp.asarray(squares, dtype=queries.dtype)
    values = xp.concatenate([values, xp.ones_like(values[..., :1])], axis=-1)
    leading = math.prod(queries.shape[:-2]) or 1
    step = max(1, BLOCK // (len(degrees) * leading))
    blocks = [slice(start, start + step) for start in range(0, n_tokens, step)]
    state = sum(_swapped(_monomials(keys[..., block, :], degree)) @ values[..., block, :] for block in blocks)
    state = (coefficients[..., xp.asarray(degrees)] * squares)[..., None] * state
    sums = xp.concatenate([_monomials(queries[..., block, :], degree) @ state for block in blocks], axis=-2)
    return _quotient(sums[..., :-1], sums[..., -1:])


@functools.lru_cache(maxsize=64)
def _recipe(rank: int, degree: int) -> tuple[Any, Any, NDArray[np.float64], NDArray[np.intp]]:
    """Return how each monomial is made of one of lower degree, its multinomial number, and its degree."""
    exponents = np.zeros((1, rank), dtype=np.intp)
    last = np.zeros(1, dtype=np.intp)
    parents, factors, squares, degrees = [], [], [np.ones(1)], [np.zeros(1, dtype=np.intp)]
    for m in range(1, degree + 1):
        # A monomial is multiplied by the coordinates from its last one on: each product is met once.
        repeats = rank - last
        parent = np.repeat(np.arange(len(last), dtype=np.intp), repeats)
        start = np.cumsum(repeats) - repeats
        factor = np.arange(len(parent), dtype=np.intp) - start[parent] + last[parent]
        exponents = exponents[parent]
        exponents[np.arange(len(parent)), factor] += 1
        # m! / alpha!, from that of the parent.
        squares.append(squares[-1][parent] * m / exponents[np.arange(len(parent)), factor])
        degrees.append(np.full(len(parent), m, dtype=np.intp))
        parents.append(parent)
        factors.append(factor)
        last = factor
    return tuple(parents), tuple(factors), np.concatenate(squares), np.concatenate(degrees)


def _monomials(X: Any, degree: int, scaled: bool = False) -> Any:
    xp = array_namespace(X)
    parents, factors, squares, _ = _recipe(X.shape[-1], degree)
    parts = [xp.ones_like(X[..., :1])]
    for parent, factor in zip(parents, factors, strict=True):
        parts.append(parts[-1][..., xp.asarray(parent)] * X[..., xp.asarray(factor)])
    features = xp.concatenate(parts, axis=-1)
    return features * xp.asarray(np.sqrt(squares), dtype=X.dtype) if scaled else features


def _quotient(sums: Any, totals: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return sums / totals


def _swapped(X: Any) -> Any:
    return array_namespace(X).swapaxes(X, -1, -2)


def _tokens(name: str, X: Any) -> Any:
    X = check_floats(name, X)
    if X.ndim < 1 or 0 in X.shape:
        raise ValueError(f"{name} must have shape (..., r) with r >= 1, got {tuple(X.shape)}")
    return X


def _checked(queries: Any, keys: Any, values: Any, coefficients: Any) -> tuple[Any, Any, Any, Any]:
    """Return the four as arrays that fit each other, the keys less their mean."""
    queries = _tokens("queries", queries)
    if queries.ndim < 2:
        raise ValueError(f"queries must have shape (..., N, r), got {tuple(queries.shape)}")
    keys = check_floats("keys", keys, queries.shape)
    values = check_floats("values", values, (*queries.shape[:-1], None))
    coefficients = check_floats("coefficients", coefficients)
    if coefficients.ndim < 1 or not 1 <= coefficients.shape[-1] <= HIGHEST_DEGREE + 1:
        raise ValueError(
            f"coefficients must have shape (..., degree + 1) with a degree from 0 to {HIGHEST_DEGREE}, got "
            f"{tuple(coefficients.shape)}"
        )
    leading, wanted = coefficients.shape[:-1], queries.shape[:-2]
    fits = len(leading) <= len(wanted) and all(
        size in (1, other) for size, other in zip(leading[::-1], wanted[::-1], strict=False)
    )
    if not fits:
        raise ValueError(
            f"coefficients must have leading axes that match those of queries, {tuple(wanted)}, "
            f"got {tuple(leading)}"
        )
    xp = array_namespace(queries)
    coefficients = xp.asarray(coefficients, dtype=queries.dtype)
    return queries, keys - keys.mean(axis=-2, keepdims=True), values, coefficients
