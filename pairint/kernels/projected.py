"""What a step of the projected risk needs: tokens are known by their products with the factors only."""

from __future__ import annotations

from typing import Any

import numpy as np

from pairint.backend import array_namespace, to_host
from pairint.kernels.bspline import MAX_DEGREE, derivative_pieces, evaluate_pieces
from pairint.kernels.dispatch import compiled_loops
from pairint.kernels.moments import pair_mean
from pairint.kernels.pair_sum import basis_tables, pair_basis_sum
from pairint.validation import check_floats, check_integer, check_real, check_size

__all__ = [
    "factor_pulls",
    "in_few_entries",
    "score_tails",
    "spline_products",
    "sums_of_products",
    "token_pulls",
]

#: Numbers of a block of rows: with its product, it stays in the second cache.
_BLOCK_ENTRIES = 131_072
#: From so many columns for an entry of a row on, rows are multiplied entry by entry.
_SPARSE = 2
#: Rows, at least, whose products are added up before they are added to those of others: so sums stay exact.
_SUMMED_ROWS = 65_536


def spline_products(
    projected: Any, Y: Any, lower: float, upper: float, n_intervals: int, degree: int, weight: Any = None
) -> Any:
    r"""Return the products of all columns of ``[F | Y]`` with each other.

    Book: :doc:`/book/estimator`.

    Row :math:`(m, i)` of :math:`F` is :math:`\frac{1}{N-1} \sum_{j \ne i} B_k(q_{mi}^\top k_{mj})`.

    Parameters
    ----------
    projected : array, shape (M, N, 2 r)
        The products :math:`q = U^\top x` of the tokens with one factor, then those :math:`k = V^\top x` with
        the other; ``N >= 2``.
    Y : array, shape (M, N)
    lower, upper : float
        The interval that carries the splines.
    n_intervals, degree : int
        Cells ``K`` and degree ``s``.
    weight : array, shape (M, N), optional
        Weights ``>= 0`` of the outputs; by default one each.

    Returns
    -------
    array, shape (K + s + 1, K + s + 1)

    Raises
    ------
    ValueError
        For other shapes, NaN or infinite numbers, or an empty interval.
    """
    projected, Y, weight = _checked(projected, Y, weight, lower, upper)
    n_intervals = check_integer("n_intervals", n_intervals, 1)
    degree = check_integer("degree", degree, 0, MAX_DEGREE)
    n_columns = n_intervals + degree + 1
    check_size("n_intervals", n_columns, n_columns)
    return sums_of_products(projected, Y, lower, upper, n_intervals, degree, weight)


def sums_of_products(
    projected: Any, Y: Any, lower: float, upper: float, n_intervals: int, degree: int, weight: Any = None
) -> Any:
    """Return what :func:`spline_products` does, of arguments that have been checked."""
    xp = array_namespace(projected, Y, weight)
    projected, Y, weight = _doubles(xp, projected, Y, weight)
    n_samples, n_tokens = Y.shape
    rank = projected.shape[2] // 2
    root = None if weight is None else xp.sqrt(weight)
    n_columns = n_intervals + degree + 1
    work = n_samples * n_tokens * (n_tokens * (degree + 1) + n_columns)
    loops = compiled_loops(work) if xp is np else None
    if loops is None:
        scores = _scores(projected, rank)
        rows = xp.empty((n_samples * n_tokens, n_columns))
        rows[:, :-1] = pair_basis_sum(scores, lower, upper, n_intervals, degree)
        rows[:, -1] = Y.reshape(-1)
        if root is not None:
            rows *= root.reshape(-1, 1)
        return rows.T @ rows
    root = np.ones(Y.shape) if root is None else root
    pieces, slopes = basis_tables(n_tokens, degree)
    if in_few_entries(n_tokens, n_intervals, degree):
        total = np.zeros((n_columns, n_columns))
        step = max(1, max(_SUMMED_ROWS, n_columns**2 // 16) // n_tokens)
        for start in range(0, n_samples, step):
            block = slice(start, min(start + step, n_samples))
            sums = np.zeros((n_columns, n_columns))
            loops.spline_sums(projected[block], Y[block], root[block], lower, upper, pieces, slopes, sums)
            total += sums
        return total + total.T
    step = min(n_samples, max(1, max(_BLOCK_ENTRIES // n_columns, 256) // n_tokens))
    rows = np.empty((step * n_tokens, n_columns))
    total = np.zeros((n_columns, n_columns))
    for start in range(0, n_samples, step):
        block = slice(start, min(start + step, n_samples))
        here = rows[: (block.stop - start) * n_tokens]
        loops.spline_rows(projected[block], Y[block], root[block], lower, upper, pieces, slopes, here)
        total += here.T @ here
    return total


def in_few_entries(n_tokens: int, n_intervals: int, degree: int) -> bool:
    """Say whether rows of the basis have so few entries that compiled loops multiply them one by one.

    Then the products cost the same for any number of cells.
    """
    return _SPARSE * (n_tokens - 1) * (degree + 1) <= n_intervals + degree + 1


def score_tails(projected: Any, n_kept: int) -> tuple[Any, Any]:
    """Return the lowest and the highest scores of distinct tokens, at least so many if there are as many.

    Parameters
    ----------
    projected : array, shape (M, N, 2 r)
        As :func:`spline_products` has it.
    n_kept : int
        How many, at least one.

    Returns
    -------
    low, high : array, shape (n,)
        On the host. If there are not so many scores, some are infinite.
    """
    xp = array_namespace(projected)
    n_samples, n_tokens, width = projected.shape
    loops = compiled_loops(n_samples * n_tokens**2) if xp is np else None
    if loops is not None and projected.dtype == np.float64:
        low, high = np.full(n_kept, np.inf), np.full(n_kept, -np.inf)
        loops.score_tails(projected, low, high)
        return low, high
    scores = _scores(projected, width // 2)
    diagonal = xp.arange(n_tokens)
    tails = []
    for sign in (1.0, -1.0):
        signed = sign * scores
        signed[:, diagonal, diagonal] = xp.inf
        flat = signed.reshape(-1)
        kept = min(n_kept, flat.shape[0])
        tails.append(sign * to_host(xp.partition(flat, kept - 1)[:kept]))
    return tails[0], tails[1]


def factor_pulls(
    projected: Any, Y: Any, polynomials: Any, lower: float, upper: float, weight: Any = None
) -> Any:
    r"""Return what the residuals pull at the factors with, token by token.

    Book: :doc:`/book/estimator`.

    With :math:`u_{mij} = q_{mi}^\top k_{mj}` and the weighted residual
    :math:`e_{mi} = w_{mi} (Y_{mi} - \frac{1}{N-1} \sum_{j \ne i} \varphi(u_{mij}))`, the numbers are

    .. math:: a_{mi} = \frac{e_{mi}}{N-1} \sum_{j \ne i} \varphi'(u_{mij}) k_{mj}, \qquad
              b_{mj} = \frac{1}{N-1} \sum_{i \ne j} e_{mi} \varphi'(u_{mij}) q_{mi}:

    :math:`-2 \sum x_{mi} a_{mi}^\top` and :math:`-2 \sum x_{mi} b_{mi}^\top` are the derivatives of the sum
    of the weighted squared residuals by the factors.

    Parameters
    ----------
    projected : array, shape (M, N, 2 r)
        As :func:`spline_products` has it.
    Y : array, shape (M, N)
    polynomials : array, shape (K, s + 1)
        The spline, see :func:`piecewise_coefficients`.
    lower, upper : float
        The interval that carries it.
    weight : array, shape (M, N), optional
        Weights ``>= 0`` of the outputs; by default one each.

    Returns
    -------
    array, shape (M, N, 2 r)
        ``a``, then ``b``.

    Raises
    ------
    ValueError
        For other shapes, NaN or infinite numbers, or an empty interval.
    """
    projected, Y, weight = _checked(projected, Y, weight, lower, upper)
    polynomials = check_floats("polynomials", polynomials, (None, None))
    return token_pulls(projected, Y, polynomials, lower, upper, weight)


def token_pulls(
    projected: Any, Y: Any, polynomials: Any, lower: float, upper: float, weight: Any = None
) -> Any:
    """Return what :func:`factor_pulls` does, of arguments that have been checked."""
    xp = array_namespace(projected, Y, polynomials, weight)
    projected, Y, weight = _doubles(xp, projected, Y, weight)
    n_samples, n_tokens = Y.shape
    rank = projected.shape[2] // 2
    work = n_samples * n_tokens**2 * polynomials.shape[1]
    if xp is np and (loops := compiled_loops(work)):
        weight = np.ones(Y.shape) if weight is None else weight
        out = np.empty(projected.shape)
        slopes = derivative_pieces(polynomials)
        loops.pull_rows(projected, Y, weight, polynomials, slopes, lower, upper, out)
        return out
    scores = _scores(projected, rank)
    residual = Y - pair_mean(scores, polynomials, lower, upper)
    residual = residual if weight is None else weight * residual
    slopes = evaluate_pieces(scores, polynomials, lower, upper, 1)
    diagonal = xp.arange(n_tokens)
    slopes[:, diagonal, diagonal] = 0.0
    slopes *= residual[:, :, None] / (n_tokens - 1)
    queries, keys = projected[:, :, :rank], projected[:, :, rank:]
    return xp.concatenate([slopes @ keys, xp.swapaxes(slopes, -1, -2) @ queries], axis=-1)


def _checked(projected: Any, Y: Any, weight: Any, lower: float, upper: float) -> tuple[Any, Any, Any]:
    projected = check_floats("projected", projected, (None, None, None))
    n_samples, n_tokens, width = projected.shape
    if n_samples < 1 or n_tokens < 2 or width < 2 or width % 2:
        raise ValueError(
            f"projected must have shape (M, N, 2 r), M >= 1, N >= 2, r >= 1; got {tuple(projected.shape)}"
        )
    check_real("upper", upper, check_real("lower", lower), exclusive_minimum=True)
    Y = check_floats("Y", Y, (n_samples, n_tokens))
    if weight is not None:
        weight = check_floats("weight", weight, (n_samples, n_tokens))
        if not bool((weight >= 0).all()):
            raise ValueError(f"weight must be >= 0, got {float(weight.min())}")
    return projected, Y, weight


def _doubles(xp: Any, *arrays: Any) -> tuple[Any, ...]:
    return tuple(None if a is None else xp.asarray(a, dtype=xp.float64) for a in arrays)


def _scores(projected: Any, rank: int) -> Any:
    return projected[:, :, :rank] @ array_namespace(projected).swapaxes(projected[:, :, rank:], -1, -2)
