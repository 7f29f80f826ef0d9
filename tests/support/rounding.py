"""How far rounding may carry a result: bounds that hold on every processor and every BLAS."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pairint.estimation.inner import RIDGE
from pairint.kernels import bspline_pieces
from pairint.model import Exponential, ReLU, RoughActivation, Spline, Tanh

UNIT = float(np.finfo(float).eps) / 2


def gamma(n_operations: int) -> float:
    r"""Return Higham's :math:`\gamma_n = n u / (1 - n u)`, the relative error of ``n`` operations."""
    return n_operations * UNIT / (1 - n_operations * UNIT)


def score_size(X: Any, matrix: Any) -> Any:
    """Return the scores with every term by its absolute value, shape ``(M, N, N)``."""
    return np.abs(X) @ np.abs(matrix) @ np.swapaxes(np.abs(X), -1, -2)


def score_error(X: Any, matrix: Any) -> Any:
    """Return a bound of how far two computations of ``X_i' A X_j`` are apart (``2 d`` terms each)."""
    return 2 * gamma(2 * X.shape[-1] + 2) * score_size(X, matrix)


def value_error(activation: Any, u: Any, delta: Any = 0.0) -> Any:
    """Return a bound of how far two computed values of an activation are apart, of the shape of ``u``.

    The argument is off by ``delta``, and by a few operations on the way into the activation. The activation
    carries that on by its modulus of continuity, and adds the rounding of its own terms.
    """
    largest = float(np.abs(u).max())
    shift, terms, operations = _inside(activation, largest)
    delta = delta + 2 * gamma(6) * (np.abs(u) + shift)
    return _modulus(activation, delta, largest) + 2 * gamma(operations) * terms


def forward_error(activation: Any, X: Any, matrix: Any) -> Any:
    """Return a bound of how far two computations of the forward operator are apart, shape ``(M, N)``."""
    n_tokens = X.shape[1]
    size = score_size(X, matrix)
    _, terms, _ = _inside(activation, float(size.max()))
    values = value_error(activation, size, score_error(X, matrix)) * ~np.eye(n_tokens, dtype=bool)
    return values.sum(axis=2) / (n_tokens - 1) + 2 * gamma(n_tokens + 1) * terms


def basis_error(degree: int, beyond: float = 0.0) -> float:
    """Return a bound of the rounding error of a B-spline's value, at ``beyond`` cells outside.

    Powers of the local coordinate, at most one, times the pieces of :func:`bspline_pieces`, themselves built
    in ``degree`` rounds of a few operations.
    """
    value = np.abs(bspline_pieces(degree)).sum(axis=1).max()
    slope = np.abs(bspline_pieces(degree, 1)).sum(axis=1).max()
    return gamma(10 * (degree + 1)) * float(value + beyond * slope)


def pair_sum_error(scores: Any, lower: float, upper: float, n_intervals: int, degree: int) -> float:
    """Return a bound of how far two computations of the basis, averaged over partners, are apart.

    The place of a score among the cells is off by a few operations on it and on the ends of the interval; per
    cell a basis function changes by at most one (its jumps, at degree zero, are met by no score).
    """
    farthest, width = float(np.abs(scores).max()), (upper - lower) / n_intervals
    place = gamma(6) * (farthest + max(abs(lower), abs(upper))) / width
    beyond = max(float(scores.max()) - upper, lower - float(scores.min()), 0.0) / width
    return 2 * (place + basis_error(degree, beyond) + gamma(scores.shape[-1]) * (1 + beyond))


def least_squares_error(F: Any) -> float:
    """Return a bound of the relative error of least-squares coefficients by normal equations.

    The error of accumulating and factoring the Gram matrix, and the ridge that is added to it, relative to
    its least eigenvalue.
    """
    rows, columns = F.shape
    return (gamma(rows + 4 * columns**2) + RIDGE) * float(np.linalg.cond(F)) ** 2


def _inside(activation: Any, largest: float) -> tuple[float, float, int]:
    """What is added to a score inside; the sum of the absolute terms of a value; the operations on each.

    A transcendental function counts as eight operations (vector routines are within four units in the last
    place).
    """
    if isinstance(activation, RoughActivation):  # the phases are below one period
        amplitudes = float(np.abs(activation._amplitudes).sum())
        return 2 * activation.bound, amplitudes, 8 + 2 * len(activation.frequencies)
    if isinstance(activation, Spline):
        space = activation.space
        beyond = max(largest - space.upper, largest + space.lower, 0.0) / space.width
        pieces = [float(np.abs(bspline_pieces(space.degree, k)).sum()) for k in (0, 1)]
        terms = float(np.abs(activation.coefficients).max()) * (pieces[0] + beyond * pieces[1])
        return max(abs(space.lower), abs(space.upper)), terms, 10 * (space.degree + 1)
    if isinstance(activation, Exponential):
        return 0.0, math.exp(abs(activation.rate) * largest), 8
    return 0.0, max(1.0, largest), 8


def _modulus(activation: Any, delta: Any, largest: float) -> Any:
    """Return how much the activation can change over a distance ``delta``."""
    if isinstance(activation, RoughActivation):
        if activation.beta <= 1:
            return activation.holder_constant() * delta**activation.beta
        return float(np.abs(activation._amplitudes) @ activation.frequencies) * delta
    if isinstance(activation, Spline):  # the derivative averages differences of coefficients over a cell
        return np.abs(np.diff(activation.coefficients)).max() / activation.space.width * delta
    if isinstance(activation, Exponential):
        return abs(activation.rate) * math.exp(abs(activation.rate) * largest) * delta
    if isinstance(activation, Tanh | ReLU):
        return getattr(activation, "slope", 1.0) * delta
    raise TypeError(f"no modulus of continuity is known for {activation!r}")
