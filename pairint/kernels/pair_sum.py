"""Sums of B-spline basis functions over token pairs: the design matrix of the estimator."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import numpy as np

from pairint.backend import array_namespace, is_cupy
from pairint.kernels.bspline import MAX_DEGREE, bspline_pieces, local_coordinates, local_powers
from pairint.validation import check_floats, check_integer, check_real

__all__ = ["pair_basis_entries", "pair_basis_sum"]

_THREADS = 128


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
        Of the library of ``scores``: a raw CUDA kernel for CuPy, ``bincount`` for NumPy.

    Raises
    ------
    ValueError
        For another shape, NaN or infinite scores, an empty interval, ``K < 1`` or ``s < 0``.

    Notes
    -----
    The cost is ``M N (N - 1) (s + 1)`` scattered additions and ``M N (K + s)`` numbers written,
    whatever the embedding dimension.
    """
    scores = check_floats("scores", scores, (None, None, None))
    if scores.shape[0] < 1 or scores.shape[1] < 2 or scores.shape[1] != scores.shape[2]:
        raise ValueError(f"scores must have shape (M, N, N), M >= 1, N >= 2; got {tuple(scores.shape)}")
    check_real("upper", upper, check_real("lower", lower), exclusive_minimum=True)
    n_intervals = check_integer("n_intervals", n_intervals, 1)
    degree = check_integer("degree", degree, 0, MAX_DEGREE)
    if is_cupy(scores):
        return _pair_basis_sum_cuda(scores, lower, upper, n_intervals, degree)
    n_samples, n_tokens = scores.shape[:2]
    n_basis = n_intervals + degree
    column, weight = pair_basis_entries(scores, lower, upper, n_intervals, degree)
    rows = np.arange(n_samples * n_tokens)
    flat = (column + (rows * n_basis)[:, None, None]).ravel()
    total = np.bincount(flat, weights=weight.ravel(), minlength=rows.size * n_basis)
    return total.reshape(rows.size, n_basis)


def pair_basis_entries(
    scores: Any, lower: float, upper: float, n_intervals: int, degree: int
) -> tuple[Any, Any]:
    """Return the entries of the same matrix as triplets: columns and weights, row by row.

    Returns
    -------
    column : integer array, shape (M * N, N - 1, s + 1)
    weight : array, shape (M * N, N - 1, s + 1)
        Entries that share a row and a column are to be added.
    """
    xp = array_namespace(scores)
    n_samples, n_tokens = scores.shape[:2]
    # Row i of `others` lists the partners j != i.
    others = xp.arange(n_tokens - 1)[None, :] + (
        xp.arange(n_tokens - 1)[None, :] >= xp.arange(n_tokens)[:, None]
    )
    partners = scores[:, xp.arange(n_tokens)[:, None], others].reshape(n_samples * n_tokens, n_tokens - 1)
    cell, t, beyond = local_coordinates(partners, lower, upper, n_intervals)
    pieces = bspline_pieces(degree)
    powers = local_powers(t, degree)
    weight = powers @ xp.asarray(pieces.T)
    if bool(xp.any(beyond != 0.0)):
        slope = powers @ xp.asarray(bspline_pieces(degree, 1).T)
        weight = weight + slope * beyond[..., None]
    column = cell[..., None] + xp.arange(degree + 1)
    return column, weight / (n_tokens - 1)


@functools.cache
def cuda_source() -> str:
    """Return the CUDA source that stands beside this file."""
    return resources.files("pairint.kernels").joinpath("pair_sum.cu").read_text()


@functools.cache
def _cuda_kernel(degree: int, device: int) -> Any:
    import cupy

    return cupy.RawKernel(cuda_source(), "pair_basis_sum", options=(f"-DDEGREE={degree}",))


def _pair_basis_sum_cuda(scores: Any, lower: float, upper: float, n_intervals: int, degree: int) -> Any:
    import cupy

    n_samples, n_tokens = scores.shape[:2]
    n_rows = n_samples * n_tokens
    scores = cupy.ascontiguousarray(scores, dtype=cupy.float64)
    pieces = cupy.asarray(bspline_pieces(degree))
    out = cupy.empty((n_rows, n_intervals + degree))
    kernel = _cuda_kernel(degree, cupy.cuda.Device().id)
    kernel(
        ((n_rows + _THREADS - 1) // _THREADS,),
        (_THREADS,),
        (
            scores,
            pieces,
            out,
            np.int64(n_rows),
            np.int32(n_tokens),
            np.int32(n_intervals),
            np.float64(lower),
            np.float64(upper),
        ),
    )
    return out
