"""Sums of B-spline basis functions over token pairs: the design matrix of the estimator."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import numpy as np

from pairint.backend import array_namespace, is_cupy
from pairint.kernels.bspline import BLOCK, MAX_DEGREE, bspline_pieces, check_interval, local_coordinates
from pairint.kernels.dispatch import compiled_loops, native
from pairint.validation import check_floats, check_integer, check_size

__all__ = [
    "basis_tables",
    "cuda_launch",
    "cuda_options",
    "cuda_source",
    "pair_basis_entries",
    "pair_basis_sum",
]


def pair_basis_sum(scores: Any, lower: float, upper: float, n_intervals: int, degree: int) -> Any:
    r"""Return :math:`F_{(m,i),k} = \frac{1}{N-1} \sum_{j \ne i} B_k(u_{mij})`.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    scores : array, shape (M, N, N)
        Scores :math:`u_{mij} = X_{mi}^\top A X_{mj}`, ``N >= 2``; the diagonal is ignored.
    lower, upper : float
        The interval that carries the splines; beyond it they continue linearly.
    n_intervals : int
        Number ``K`` of cells.
    degree : int
        Degree ``s``.

    Returns
    -------
    array, shape (M * N, K + s)
        Of the library and the precision of ``scores``. A raw CUDA kernel for CuPy, which sums in that
        precision; on the host, which sums in double precision, a compiled loop where Numba is and the sum is
        large, else ``bincount`` over blocks, with the same bits.

    Raises
    ------
    ValueError
        For another shape, NaN or infinite scores, an empty interval, ``K < 1`` or ``s < 0``.

    Notes
    -----
    The cost is ``M N (N - 1) (s + 1)`` scattered additions and ``M N (K + s)`` numbers written,
    whatever the embedding dimension.
    """
    scores = native(check_floats("scores", scores, (None, None, None)))
    if scores.shape[0] < 1 or scores.shape[1] < 2 or scores.shape[1] != scores.shape[2]:
        raise ValueError(f"scores must have shape (M, N, N), M >= 1, N >= 2; got {tuple(scores.shape)}")
    check_interval(lower, upper)
    n_intervals = check_integer("n_intervals", n_intervals, 1)
    degree = check_integer("degree", degree, 0, MAX_DEGREE)
    check_size("n_intervals", scores.shape[0] * scores.shape[1], n_intervals + degree)
    if is_cupy(scores):
        return _pair_basis_sum_cuda(scores, lower, upper, n_intervals, degree)
    n_samples, n_tokens = scores.shape[:2]
    n_basis, per_sample = n_intervals + degree, n_tokens * (n_tokens - 1)
    out = np.empty((n_samples * n_tokens, n_basis), dtype=scores.dtype)
    if loops := compiled_loops(n_samples * per_sample * (degree + 1)):
        pieces, slopes = basis_tables(n_tokens, degree)
        loops.basis_sum(scores, float(lower), float(upper), n_intervals, pieces, slopes, out)
        return out
    step = max(1, BLOCK // per_sample)
    for start in range(0, n_samples, step):
        column, weight = _entries(scores[start : start + step], lower, upper, n_intervals, degree)
        n_rows = len(column)
        column += (np.arange(n_rows) * n_basis)[:, None, None]
        total = np.bincount(column.ravel(), weights=weight.ravel(), minlength=n_rows * n_basis)
        out[start * n_tokens : start * n_tokens + n_rows] = total.reshape(n_rows, n_basis)
    return out


def pair_basis_entries(
    scores: Any, lower: float, upper: float, n_intervals: int, degree: int
) -> tuple[Any, Any]:
    """Return the entries of the same matrix as triplets: columns and weights, row by row.

    Returns
    -------
    column : integer array, shape (M * N, N - 1, s + 1)
    weight : array, shape (M * N, N - 1, s + 1)
        Entries that share a row and a column are to be added; double, whatever the scores are.
    """
    scores = native(scores)
    n_samples, n_tokens = scores.shape[:2]
    work = n_samples * n_tokens * (n_tokens - 1) * (degree + 1)
    if isinstance(scores, np.ndarray) and (loops := compiled_loops(work)):
        shape = (n_samples * n_tokens, n_tokens - 1, degree + 1)
        column, weight = np.empty(shape, dtype=np.intp), np.empty(shape)
        pieces, slopes = basis_tables(n_tokens, degree)
        loops.basis_entries(scores, float(lower), float(upper), n_intervals, pieces, slopes, column, weight)
        return column, weight
    return _entries(scores, lower, upper, n_intervals, degree)


def basis_tables(n_tokens: int, degree: int) -> tuple[Any, Any]:
    """Return the local polynomials of the basis and of its slopes, over the number of partners."""
    return bspline_pieces(degree) / (n_tokens - 1), bspline_pieces(degree, 1) / (n_tokens - 1)


def _entries(scores: Any, lower: float, upper: float, n_intervals: int, degree: int) -> tuple[Any, Any]:
    xp = array_namespace(scores)
    n_samples, n_tokens = scores.shape[:2]
    n_rows = n_samples * n_tokens
    # All but the diagonal: without the first number, the diagonal ends every stretch of N + 1.
    flat = xp.asarray(scores, dtype=xp.float64).reshape(n_samples, n_tokens**2)[:, 1:]
    partners = flat.reshape(n_samples, n_tokens - 1, n_tokens + 1)[:, :, :-1].reshape(n_rows, n_tokens - 1)
    cell, t, beyond = local_coordinates(partners, lower, upper, n_intervals)
    pieces, slopes = basis_tables(n_tokens, degree)
    outside = bool(xp.any(beyond != 0.0))
    weight = xp.empty((*t.shape, degree + 1))
    for l in range(degree + 1):
        value = _horner(pieces[l], t)
        weight[..., l] = value + _horner(slopes[l], t) * beyond if outside else value
    return cell[..., None] + xp.arange(degree + 1), weight


def _horner(coefficients: Any, t: Any) -> Any:
    value = array_namespace(t).zeros_like(t) + float(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value *= t
        value += float(coefficient)
    return value


# ------------------------------------------------------------------------------------------ the device

#: Columns of the scores that a block of the kernel reads at once.
_TILE = 8
#: Bytes of shared memory that every card gives a block without being asked.
_SHARED = 48 * 1024


@functools.cache
def cuda_source() -> str:
    """Return the CUDA source that stands beside this file."""
    return resources.files("pairint.kernels").joinpath("pair_sum.cu").read_text()


def cuda_options(degree: int, dtype: Any, shared_sums: bool) -> tuple[str, ...]:
    """Return what is fixed when the source is compiled: the polynomials as literals, and the precision."""
    real = "float" if np.dtype(dtype).itemsize == 4 else "double"
    tables = {"PIECES": bspline_pieces(degree), "SLOPES": bspline_pieces(degree, 1)}
    literals = (
        f"-D{name}={{" + ",".join("{" + ",".join(map(repr, row)) + "}" for row in table.tolist()) + "}"
        for name, table in tables.items()
    )
    numbers = {"DEGREE": degree, "REAL": real, "TILE": _TILE, "SHARED_SUMS": int(shared_sums)}
    return (*(f"-D{name}={value}" for name, value in numbers.items()), *literals)


def cuda_launch(n_basis: int, dtype: Any) -> tuple[int, int, bool]:
    """Return the threads of a block, its bytes of shared memory, and whether its sums fit there."""
    size = np.dtype(dtype).itemsize
    for threads in (128, 64, 32):
        shared = threads * (n_basis + _TILE + 1) * size
        if shared <= _SHARED:
            return threads, shared, True
    return 128, 128 * (_TILE + 1) * size, False


@functools.cache
def _cuda_kernel(options: tuple[str, ...], device: int) -> Any:
    import cupy

    return cupy.RawKernel(cuda_source(), "pair_basis_sum", options=options)


def _pair_basis_sum_cuda(scores: Any, lower: float, upper: float, n_intervals: int, degree: int) -> Any:
    import cupy

    n_samples, n_tokens = scores.shape[:2]
    n_rows, n_basis = n_samples * n_tokens, n_intervals + degree
    threads, shared, fits = cuda_launch(n_basis, scores.dtype)
    out = cupy.empty((n_rows, n_basis), dtype=scores.dtype)
    kernel = _cuda_kernel(cuda_options(degree, scores.dtype, fits), cupy.cuda.Device().id)
    kernel(
        ((n_rows + threads - 1) // threads,),
        (threads,),
        (
            cupy.ascontiguousarray(scores),
            out,
            np.int64(n_rows),
            np.int32(n_tokens),
            np.int32(n_intervals),
            np.float64(lower),
            np.float64(upper),
        ),
        shared_mem=shared,
    )
    return out
