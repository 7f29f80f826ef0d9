"""Means over partners with a spline that is known: the forward operator, and what makes its gradient."""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import numpy as np

from pairint.backend import array_namespace, is_cupy
from pairint.kernels.bspline import BLOCK, check_interval, derivative_pieces, evaluate_pieces
from pairint.kernels.dispatch import compiled_loops, native
from pairint.validation import check_floats

__all__ = ["SHARED_BYTES", "cuda_launch", "cuda_source", "pair_mean", "pair_moments"]


def pair_mean(scores: Any, polynomials: Any, lower: float, upper: float) -> Any:
    r"""Return :math:`\frac{1}{N-1} \sum_{j \ne i} \varphi(u_{mij})` for a spline.

    Book: :doc:`/book/particles`.

    Parameters
    ----------
    scores : array, shape (M, N, N)
        Scores, ``N >= 2``; the diagonal is ignored.
    polynomials : array, shape (K, s + 1)
        The spline, see :func:`piecewise_coefficients`; of the same library.
    lower, upper : float
        The interval that carries it; beyond, it continues linearly.

    Returns
    -------
    array, shape (M, N)
        Of the library and the precision of ``scores``; summed in double precision.

    Raises
    ------
    ValueError
        For another shape, NaN or infinite numbers, or an empty interval.
    """
    scores, polynomials = _checked(scores, polynomials, lower, upper)
    xp = array_namespace(scores, polynomials)
    n_samples, n_tokens = scores.shape[:2]
    out = xp.empty((n_samples, n_tokens), dtype=scores.dtype)
    if xp is np and (loops := compiled_loops(polynomials.shape[1] * scores.size)):
        slopes = derivative_pieces(polynomials)
        loops.pair_mean(scores, polynomials, slopes, float(lower), float(upper), out)
        return out
    diagonal = xp.arange(n_tokens)
    for block in _blocks(xp, n_samples, n_tokens**2):
        values = evaluate_pieces(scores[block], polynomials, lower, upper)
        values[:, diagonal, diagonal] = 0.0
        out[block] = values.sum(axis=-1) / (n_tokens - 1)
    return out


def pair_moments(scores: Any, X: Any, polynomials: Any, lower: float, upper: float) -> Any:
    r"""Return :math:`Z_{mi} = \frac{1}{N-1} \sum_{j \ne i} \varphi'(u_{mij}) X_{mj}` for a spline.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    scores : array, shape (M, N, N)
        Scores, ``N >= 2``; the diagonal is ignored.
    X : array, shape (M, N, d)
        Tokens, of the same library.
    polynomials : array, shape (K, s + 1)
        The spline, see :func:`piecewise_coefficients`.
    lower, upper : float
        The interval that carries it; beyond, its slope is constant.

    Returns
    -------
    array, shape (M, N, d)
        Of the library and the precision of ``X``. A raw CUDA kernel for CuPy, which sums in that precision;
        on the host, which sums in double precision, a compiled loop where Numba is and the sum is large.

    Raises
    ------
    ValueError
        For other shapes, NaN or infinite numbers, or an empty interval.
    """
    scores, polynomials = _checked(scores, polynomials, lower, upper)
    X = native(check_floats("X", X, (*scores.shape[:2], None)))
    xp = array_namespace(scores, X, polynomials)
    n_samples, n_tokens, d = X.shape
    slopes = derivative_pieces(polynomials)
    if is_cupy(X) and d:
        launch = cuda_launch(n_tokens, X.dtype.itemsize)
        if launch is not None:
            return _pair_moments_cuda(scores, X, slopes, lower, upper, launch)
    out = xp.empty((n_samples, n_tokens, d), dtype=X.dtype)
    if xp is np and (loops := compiled_loops(scores.size * (slopes.shape[1] + d))):
        loops.moments(scores, X, slopes, float(lower), float(upper), out)
        return out
    diagonal = xp.arange(n_tokens)
    for block in _blocks(xp, n_samples, n_tokens * max(n_tokens, d)):
        weights = evaluate_pieces(scores[block], polynomials, lower, upper, derivative=1) / (n_tokens - 1)
        weights[:, diagonal, diagonal] = 0.0
        out[block] = weights @ X[block]
    return out


def _checked(scores: Any, polynomials: Any, lower: float, upper: float) -> tuple[Any, Any]:
    scores = native(check_floats("scores", scores, (None, None, None)))
    if scores.shape[0] < 1 or scores.shape[1] < 2 or scores.shape[1] != scores.shape[2]:
        raise ValueError(f"scores must have shape (M, N, N), M >= 1, N >= 2; got {tuple(scores.shape)}")
    check_interval(lower, upper)
    polynomials = check_floats("polynomials", polynomials, (None, None))
    if 0 in polynomials.shape:
        raise ValueError(f"polynomials must have shape (K, s + 1), K >= 1, s >= 0; got {polynomials.shape}")
    xp = array_namespace(polynomials)
    return scores, xp.asarray(polynomials, dtype=xp.float64)


def _blocks(xp: Any, n_samples: int, per_sample: int) -> Any:
    # A device takes all at once: its caller has cut the samples to its memory.
    step = max(1, BLOCK // per_sample) if xp is np else n_samples
    return (slice(start, start + step) for start in range(0, n_samples, step))


# ------------------------------------------------------------------------------------------ the device

#: A block is so many rows of the output, a warp each.
_WARP = 32
#: Bytes of shared memory that every card gives a block without being asked.
SHARED_BYTES = 48 * 1024


@functools.cache
def cuda_source() -> str:
    """Return the CUDA source that stands beside this file."""
    return resources.files("pairint.kernels").joinpath("moments.cu").read_text()


@functools.cache
def _cuda_kernel(degree: int, real: str, device: int) -> Any:
    import cupy

    options = (f"-DDEGREE={degree}", f"-DREAL={real}")
    return cupy.RawKernel(cuda_source(), "pair_moments", options=options)


def cuda_launch(n_tokens: int, itemsize: int) -> tuple[int, int] | None:
    """Return the rows of a block and its bytes of shared memory; None for samples of too many tokens."""
    for rows in (4, 2, 1):
        if rows * n_tokens * itemsize <= SHARED_BYTES:
            return rows, rows * n_tokens * itemsize
    return None


def _pair_moments_cuda(
    scores: Any, X: Any, slopes: Any, lower: float, upper: float, launch: tuple[int, int]
) -> Any:
    import cupy

    n_samples, n_tokens, d = X.shape
    rows, shared = launch
    real, number = ("float", np.float32) if X.dtype.itemsize == 4 else ("double", np.float64)
    n_rows = n_samples * n_tokens
    out = cupy.empty((n_samples, n_tokens, d), dtype=X.dtype)
    kernel = _cuda_kernel(slopes.shape[1] - 1, real, cupy.cuda.Device().id)
    kernel(
        ((n_rows + rows - 1) // rows,),
        (_WARP, rows),
        (
            cupy.ascontiguousarray(scores, dtype=number),
            cupy.ascontiguousarray(X, dtype=number),
            cupy.ascontiguousarray(slopes, dtype=number),
            out,
            np.int64(n_rows),
            np.int32(n_tokens),
            np.int32(d),
            np.int32(slopes.shape[0]),
            np.float64(lower),
            np.float64(upper),
        ),
        shared_mem=shared,
    )
    return out
