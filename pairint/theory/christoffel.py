"""The largest square of a polynomial whose square has mean one: a maximum on a cell, not on a grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["WORST_CONDITION", "largest_squares"]

#: Beyond this condition number of a Gram matrix the maximum has few digits left: it counts as infinite.
WORST_CONDITION = 1e10


def largest_squares(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    r"""Return :math:`\max_{-1 \le t \le 1} P(t)^\top G^{-1} P(t)` for Gram matrices G of polynomials.

    P are Legendre's polynomials up to degree k. The function of t is a polynomial of degree 2k; it is largest
    at an end or at a zero of its derivative. All zeros are tried, by the eigenvalues of their companion
    matrix in Chebyshev's basis: the maximum is missed only by the square of the rounding of a zero.

    Parameters
    ----------
    gram : ndarray, shape (n, k + 1, k + 1)
        Symmetric, not negative.

    Returns
    -------
    ndarray, shape (n,)
        Infinite where the condition number of G is :data:`WORST_CONDITION` or more.
    """
    largest = np.full(len(gram), np.inf)
    with np.errstate(invalid="ignore"):
        good = np.linalg.cond(gram) < WORST_CONDITION
    if good.any():
        inverse = np.linalg.inv(gram[good])
        points = np.clip(_stationary(inverse), -1, 1)
        ends = np.broadcast_to([-1.0, 1.0], (len(points), 2))
        points = np.concatenate([ends, points], axis=1)
        largest[good] = _kernel(inverse, points).max(axis=1)
    return largest


def _kernel(inverse: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return P(t)' G^-1 P(t) at the points of each cell, shape (n, points)."""
    powers = np.polynomial.legendre.legvander(t, inverse.shape[-1] - 1)
    return np.einsum("cpi,cij,cpj->cp", powers, inverse, powers)


def _stationary(inverse: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the real parts of the zeros of the derivative of the kernel, shape (n, 2k - 1)."""
    count, degree = len(inverse), 2 * (inverse.shape[-1] - 1)
    if degree == 0:
        return np.empty((count, 0))

    def values(t: Any) -> Any:
        return _kernel(inverse, np.broadcast_to(t, (count, len(t)))).T

    # The leading coefficient is positive, since G^-1 is.
    series = np.polynomial.chebyshev.chebinterpolate(values, degree)
    slope = np.polynomial.chebyshev.chebder(series).T
    n = degree - 1
    if n == 1:
        return -slope[:, :1] / slope[:, 1:]
    # As in numpy.polynomial.chebyshev.chebcompanion, for all cells at once.
    companion = np.zeros((count, n, n))
    beside = np.full(n - 1, 0.5)
    beside[0] = np.sqrt(0.5)
    index = np.arange(n - 1)
    companion[:, index, index + 1] = companion[:, index + 1, index] = beside
    scale = np.full(n, np.sqrt(0.5))
    scale[0] = 1.0
    companion[:, :, -1] -= slope[:, :-1] / slope[:, -1:] * (scale / scale[-1]) * 0.5
    return np.linalg.eigvals(companion).real
