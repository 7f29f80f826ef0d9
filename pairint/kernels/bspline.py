r"""Uniform B-splines as local polynomials.

On ``[lower, upper]`` cut into ``K`` equal cells of width ``h``, a spline of degree ``s`` is
:math:`\varphi(u) = \sum_{k=0}^{K+s-1} c_k B_k(u)` with translates :math:`B_k` of one cardinal
B-spline. In cell ``k`` only :math:`B_k, \dots, B_{k+s}` differ from zero, and with the local
coordinate :math:`t \in [0, 1]` they are the same ``s + 1`` polynomials in every cell. Outside the
interval each basis function is continued linearly, so that the values and slopes stay continuous
(for ``s >= 1``; for ``s = 0`` the continuation is constant).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace
from pairint.kernels.dispatch import compiled_loops, native
from pairint.validation import check_choice, check_floats, check_integer, check_real, check_size

__all__ = [
    "BLOCK",
    "MAX_DEGREE",
    "bspline_pieces",
    "check_interval",
    "derivative_pieces",
    "evaluate_pieces",
    "local_coordinates",
    "local_powers",
    "piecewise_coefficients",
    "refinement_matrix",
]

#: The pieces are accurate to rounding up to here, and beyond; the time to make them grows as the cube.
MAX_DEGREE = 50

#: Largest end of an interval: widths are numbers.
_LARGEST_END = 1e300

#: Numbers that NumPy takes at once: its temporaries stay in the cache of the processor.
BLOCK = 16_384


@functools.cache
def _pieces(degree: int) -> NDArray[np.float64]:
    pieces: list[NDArray[Any]] = [np.ones(1)]
    for s in range(1, degree + 1):
        previous = [np.zeros(1), *pieces, np.zeros(1)]  # previous[l + 1] is piece l of degree s - 1
        pieces = []
        for piece in range(s + 1):
            rising = np.polynomial.polynomial.polymul([(s - piece) / s, 1 / s], previous[piece])
            falling = np.polynomial.polynomial.polymul([(piece + 1) / s, -1 / s], previous[piece + 1])
            pieces.append(np.polynomial.polynomial.polyadd(rising, falling))
    table = np.zeros((degree + 1, degree + 1))
    for row, polynomial in zip(table, pieces, strict=True):
        row[: min(len(polynomial), degree + 1)] = polynomial[: degree + 1]
    table.flags.writeable = False
    return table


def check_interval(lower: Any, upper: Any) -> tuple[float, float]:
    """Return the ends of an interval as floats, or raise naming the one that is wrong."""
    lower = check_real("lower", lower, -_LARGEST_END, _LARGEST_END)
    return lower, check_real("upper", upper, lower, _LARGEST_END, exclusive_minimum=True)


def bspline_pieces(degree: int, derivative: int = 0) -> NDArray[np.float64]:
    """Return the local polynomials of the cardinal B-spline.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    degree : int
        Degree ``s`` from 0 to 50.
    derivative : int
        Order of the derivative with respect to the local coordinate ``t``.

    Returns
    -------
    ndarray, shape (s + 1, s + 1)
        Entry ``[l, p]`` is the coefficient of ``t**p`` in the piece of ``B_{k+l}`` on cell ``k``
        (Cox-de Boor recursion, carried out on polynomials).
    """
    degree = check_integer("degree", degree, 0, MAX_DEGREE)
    table = _pieces(degree)
    for _ in range(min(check_integer("derivative", derivative, 0), degree + 1)):  # then all is zero
        powers = np.arange(1, degree + 1)
        table = np.concatenate([table[:, 1:] * powers, np.zeros((degree + 1, 1))], axis=1)
    return table


def local_coordinates(u: Any, lower: float, upper: float, n_intervals: int) -> tuple[Any, Any, Any]:
    """Return the cell of each entry of ``u``, its coordinate in the cell, and how far outside it lies.

    Returns
    -------
    cell : integer array, values in ``0 .. n_intervals - 1``
    t : array, values in [0, 1]
    beyond : array
        ``u - clip(u, lower, upper)`` in units of the cell width (zero inside).
    """
    xp = array_namespace(u)
    scale = n_intervals / (upper - lower)
    position = (u - lower) * scale
    inside = xp.clip(position, 0.0, float(n_intervals))
    start = xp.clip(xp.floor(inside), 0.0, n_intervals - 1.0)  # the right end belongs to the last cell
    start = xp.where(start == start, start, 0.0)  # NaN lies in the first cell, and stays NaN
    # The platform's own index type, where the library has it: bincount takes no other on 32 bits.
    index = getattr(xp, "intp", xp.int64)
    return xp.asarray(start, dtype=index), inside - start, position - inside


def local_powers(t: Any, degree: int) -> Any:
    """Return ``1, t, ..., t**degree`` along a new last axis (by products: ``t**p`` is much slower)."""
    xp = array_namespace(t)
    powers = xp.empty((*t.shape, degree + 1))
    powers[..., 0] = 1.0
    for p in range(1, degree + 1):
        powers[..., p] = powers[..., p - 1] * t
    return powers


def piecewise_coefficients(coefficients: Any, degree: int) -> Any:
    """Turn B-spline coefficients, shape ``(K + s,)``, into polynomials per cell, shape ``(K, s + 1)``.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    coefficients : array_like, shape (K + s,)
        At least ``s + 1`` of them.
    degree : int
        Degree ``s`` from 0 to 50.

    Raises
    ------
    ValueError
        For too few coefficients, NaN or infinite ones, or a degree out of range.
    """
    degree = check_integer("degree", degree, 0, MAX_DEGREE)
    coefficients = check_floats("coefficients", coefficients, (None,))
    xp = array_namespace(coefficients)
    n_intervals = coefficients.shape[0] - degree
    if n_intervals < 1:
        raise ValueError(
            f"coefficients must hold at least degree + 1 = {degree + 1} numbers, got {coefficients.shape[0]}"
        )
    windows = coefficients[xp.arange(n_intervals)[:, None] + xp.arange(degree + 1)[None, :]]
    return windows @ xp.asarray(bspline_pieces(degree))


def evaluate_pieces(u: Any, polynomials: Any, lower: float, upper: float, derivative: int = 0) -> Any:
    """Evaluate a piecewise polynomial (or its first derivative), continued linearly outside.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    u : array of any shape
        In single precision too; the result is double.
    polynomials : array, shape (K, s + 1)
        Coefficients of powers of the local coordinate, see :func:`piecewise_coefficients`.
    lower, upper : float
        The interval.
    derivative : {0, 1}

    Raises
    ------
    TypeError
        For complex numbers, or arrays of objects.
    ValueError
        For polynomials of another shape or not finite, or an empty interval. A NaN in ``u`` stays one,
        and an infinite entry has an infinite value or none.

    Notes
    -----
    NumPy and Numba do the same operations in the same order, and give the same bits.
    """
    derivative = check_choice("derivative", derivative, (0, 1))
    lower, upper = check_interval(lower, upper)
    u = check_floats("u", u, finite=False)
    polynomials = check_floats("polynomials", polynomials, (None, None))
    if 0 in polynomials.shape:
        raise ValueError(f"polynomials must have shape (K, s + 1), K >= 1, s >= 0; got {polynomials.shape}")
    xp = array_namespace(u)
    if xp is not np:
        return _evaluate(xp.asarray(u, dtype=xp.float64), polynomials, lower, upper, derivative)
    u, polynomials = native(u), np.asarray(polynomials, dtype=np.float64)
    flat = u.reshape(-1)
    out = np.empty(flat.shape)
    if loops := compiled_loops(polynomials.shape[1] * u.size):
        loops.evaluate(flat, polynomials, derivative_pieces(polynomials), lower, upper, derivative, out)
    else:
        for start in range(0, out.size, BLOCK):
            block = slice(start, start + BLOCK)
            points = flat[block].astype(np.float64, copy=False)
            out[block] = _evaluate(points, polynomials, lower, upper, derivative)
    return out.reshape(u.shape)[()] if u.ndim == 0 else out.reshape(u.shape)


def derivative_pieces(polynomials: Any) -> Any:
    """Return the derivatives in the local coordinate, shape ``(K, max(s, 1))``."""
    xp = array_namespace(polynomials)
    order = polynomials.shape[1]
    if order == 1:
        return polynomials * 0.0
    return polynomials[:, 1:] * xp.arange(1, order, dtype=xp.float64)


def _evaluate(u: Any, polynomials: Any, lower: float, upper: float, derivative: int) -> Any:
    n_intervals = polynomials.shape[0]
    cell, t, beyond = local_coordinates(u, lower, upper, n_intervals)
    if derivative == 1:
        return _horner(derivative_pieces(polynomials), cell, t) * (n_intervals / (upper - lower))
    value = _horner(polynomials, cell, t)
    if bool(array_namespace(u).any(beyond != 0.0)):
        value = value + _horner(derivative_pieces(polynomials), cell, t) * beyond
    return value


def _horner(polynomials: Any, cell: Any, t: Any) -> Any:
    value = polynomials[cell, polynomials.shape[1] - 1]
    for power in range(polynomials.shape[1] - 2, -1, -1):
        value = value * t + polynomials[cell, power]
    return value


def refinement_matrix(n_intervals: int, degree: int, factor: int) -> NDArray[np.float64]:
    r"""Express the B-splines on ``K`` cells by those on ``factor * K`` cells of the same interval.

    Book: :doc:`/book/estimator`.

    The two-scale relation: :math:`B(u) = m^{-s} \sum_j p_j B^{fine}_j(u)` with the coefficients
    :math:`p` of :math:`(1 + z + \dots + z^{m-1})^{s+1}`.

    Parameters
    ----------
    n_intervals : int
        ``K`` >= 1.
    degree : int
        ``s`` from 0 to 50.
    factor : int
        ``m`` >= 1.

    Returns
    -------
    ndarray, shape (factor * K + s, K + s)
        ``R`` with ``B_coarse(u) = R' B_fine(u)``; hence ``Gram_coarse = R' Gram_fine R``.
    """
    n_intervals = check_integer("n_intervals", n_intervals, 1)
    degree = check_integer("degree", degree, 0, MAX_DEGREE)
    factor = check_integer("factor", factor, 1)
    check_size("n_intervals and factor", factor * n_intervals + degree, n_intervals + degree)
    mask = np.ones(1)
    for _ in range(degree + 1):
        mask = np.convolve(mask, np.ones(factor))
    mask /= float(factor) ** degree
    n_fine = factor * n_intervals + degree
    matrix = np.zeros((n_fine, n_intervals + degree))
    for k in range(n_intervals + degree):
        # Coarse B_k starts at cell k - s; the fine function that starts there has index factor (k - s) + s.
        start = factor * (k - degree) + degree
        first, last = max(start, 0), min(start + len(mask), n_fine)
        matrix[first:last, k] = mask[first - start : last - start]
    return matrix
