"""The normal equations of a Gauss-Newton step, with those of the inner problem, in one pass over the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from pairint.backend import array_namespace
from pairint.kernels.bspline import check_interval, derivative_pieces, piecewise_coefficients
from pairint.kernels.dispatch import compiled_loops, native
from pairint.kernels.moments import pair_moments
from pairint.kernels.pair_sum import basis_tables, pair_basis_sum
from pairint.validation import check_floats, check_integer, shortened

__all__ = ["system_products"]

#: Numbers of a block of rows: with its product, it stays in the second cache (a megabyte of doubles).
_BLOCK_ENTRIES = 131_072
#: A device takes this many instead; its launches cost more than its memory.
_DEVICE_ENTRIES = 8_000_000


def system_products(
    X: Any,
    Y: Any,
    left: Any,
    right: Any,
    coefficients: Any,
    lower: float,
    upper: float,
    degree: int,
    weight: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    r"""Return the products of all columns of ``[J | F | Y]`` with each other.

    Book: :doc:`/book/estimator`.

    Row :math:`(m, i)` of :math:`F` holds the basis averaged over partners, and that of :math:`J` the
    derivatives of :math:`\frac{1}{N-1}\sum_{j \ne i} \varphi(X_{mi}^\top U V^\top X_{mj})` by the factors:
    :math:`X_{mi} (V^\top Z_{mi})^\top` and :math:`Z_{mi} (U^\top X_{mi})^\top`, with :math:`Z` as
    :func:`pair_moments` has it.

    Parameters
    ----------
    X : array, shape (M, N, d)
        Tokens, ``N >= 2``.
    Y : array, shape (M, N)
    left, right : array, shape (d, r)
        The factors :math:`U, V`.
    coefficients : array, shape (K + s,)
        Of the spline :math:`\varphi`.
    lower, upper : float
        The interval that carries it.
    degree : int
        Degree ``s``.
    weight : array, shape (M, N), optional
        Weights ``>= 0`` of the outputs; by default one each.
    dtype : {"float64", "float32"}, optional
        Precision of the rows and of their products within a block of about a thousand; blocks are added in
        double precision. By default that of ``X``.

    Returns
    -------
    array, shape (p, p), p = 2 d r + K + s + 1
        Of the library of the arguments, in double precision. The first ``2 d r`` rows and columns are those
        of ``J``, in the order of ``left.ravel(), right.ravel()``; then ``K + s`` of ``F``; the last is ``Y``.

    Raises
    ------
    TypeError
        If arrays of two libraries meet.
    ValueError
        For other shapes, NaN or infinite numbers, or an empty interval.

    Notes
    -----
    Rows are made in blocks that stay in the cache, and each block is multiplied with itself once: one pass
    over the tokens gives ``J'J, F'J, F'F, J'Y, F'Y`` and ``Y'Y``. The cost beside that product, ``M N p^2``,
    is ``M N^2 (d + 2 r + s^2)``.
    """
    X = native(check_floats("X", X, (None, None, None)))
    n_samples, n_tokens, d = X.shape
    if n_samples < 1 or n_tokens < 2 or d < 1:
        raise ValueError(f"X must have shape (M, N, d), M >= 1, N >= 2, d >= 1; got {tuple(X.shape)}")
    Y = check_floats("Y", Y, (n_samples, n_tokens))
    left = check_floats("left", left, (d, None))
    right = check_floats("right", right, (d, left.shape[1]))
    degree = check_integer("degree", degree, 0)
    coefficients = check_floats("coefficients", coefficients, (None,))
    check_interval(lower, upper)
    lower, upper = float(lower), float(upper)
    if weight is not None:
        weight = check_floats("weight", weight, (n_samples, n_tokens))
        if not bool((weight >= 0).all()):
            raise ValueError(f"weight must be >= 0, got {float(weight.min())}")
    xp = array_namespace(X, Y, left, right, coefficients, weight)
    try:
        dtype = np.dtype(X.dtype if dtype is None else dtype)
    except (TypeError, ValueError) as error:
        raise TypeError(f"dtype must be 'float32' or 'float64', got {shortened(dtype)}") from error
    if dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype}")
    polynomials = piecewise_coefficients(xp.asarray(coefficients, dtype=xp.float64), degree)

    rank = left.shape[1]
    n_factors, n_columns = 2 * d * rank, 2 * d * rank + len(coefficients) + 1
    total = xp.zeros((n_columns, n_columns))
    entries = _BLOCK_ENTRIES if xp is np else _DEVICE_ENTRIES
    # On a device the scores of a block are kept too, N of them for each of its rows.
    wide = n_columns if xp is np else max(n_columns, n_tokens)
    step = min(n_samples, max(1, max(entries // wide, 256) // n_tokens))
    rows = xp.empty((step * n_tokens, n_columns), dtype=dtype)
    loops = (
        compiled_loops(n_samples * n_tokens * (n_columns + n_tokens * (degree + 1 + d))) if xp is np else None
    )
    fill = _fill_rows if loops is None else _compiled_fill(loops, polynomials, degree, lower, upper)
    for start in range(0, n_samples, step):
        block = slice(start, min(start + step, n_samples))
        here = rows[: (block.stop - start) * n_tokens]
        root = None if weight is None else xp.sqrt(weight[block])
        fill(here, X[block], Y[block], root, left, right, polynomials, lower, upper)
        total += here.T @ here
    # Within J the long axis came last, (side, rank, d): the loops ran over it.
    order = np.arange(n_columns)
    order[:n_factors] = np.arange(n_factors).reshape(2, rank, d).swapaxes(1, 2).ravel()
    order = xp.asarray(order)
    return total[order[:, None], order]


def _fill_rows(
    out: Any, X: Any, Y: Any, root: Any, left: Any, right: Any, polynomials: Any, lower: float, upper: float
) -> None:
    xp = array_namespace(X)
    n_samples, n_tokens, d = X.shape
    n_rows, rank = n_samples * n_tokens, left.shape[1]
    n_factors = 2 * d * rank
    tokens = X.reshape(n_rows, d)
    queries, keys = tokens @ left, tokens @ right
    scores = queries.reshape(n_samples, n_tokens, rank) @ xp.swapaxes(
        keys.reshape(n_samples, n_tokens, rank), -1, -2
    )
    pulled = pair_moments(scores, X, polynomials, lower, upper).reshape(n_rows, 1, d)
    first = tokens.reshape(n_rows, 1, d) * (pulled[:, 0] @ right).reshape(n_rows, rank, 1)
    second = pulled * queries.reshape(n_rows, rank, 1)
    J = xp.stack([first, second], axis=1)
    out[:, :n_factors] = J.reshape(n_rows, n_factors)
    n_intervals, order = polynomials.shape
    out[:, n_factors:-1] = pair_basis_sum(scores, lower, upper, n_intervals, order - 1)
    out[:, -1] = Y.reshape(n_rows)
    if root is not None:
        out *= root.reshape(n_rows, 1)


def _compiled_fill(loops: Any, polynomials: Any, degree: int, lower: float, upper: float) -> Any:
    slopes = derivative_pieces(polynomials)

    def fill(out: Any, X: Any, Y: Any, root: Any, left: Any, right: Any, *_: Any) -> None:
        n_samples, n_tokens, d = X.shape
        tokens = X.reshape(-1, d)
        shape = (n_samples, n_tokens, left.shape[1])
        queries, keys = (tokens @ left).reshape(shape), (tokens @ right).reshape(shape)
        root = np.ones(Y.shape) if root is None else root
        pieces, rises = basis_tables(n_tokens, degree)
        double = (np.asarray(a, dtype=np.float64) for a in (queries, keys, Y, root))
        queries, keys, Y, root = double
        loops.system_rows(X, queries, keys, Y, root, slopes, lower, upper, pieces, rises, out)

    return fill
