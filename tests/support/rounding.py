"""How far rounding may carry a result: bounds that hold on every processor and every BLAS."""

from __future__ import annotations

from typing import Any

import numpy as np

from pairint.kernels import bspline_pieces
from pairint.model import RoughActivation, Spline, Tanh

UNIT = float(np.finfo(float).eps) / 2


def gamma(n_operations: int) -> float:
    r"""Return Higham's :math:`\gamma_n = n u / (1 - n u)`, the relative error of ``n`` operations."""
    return n_operations * UNIT / (1 - n_operations * UNIT)


def modulus(activation: Any, delta: Any) -> Any:
    """Return a bound of how much the activation changes over a distance ``delta``."""
    if isinstance(activation, RoughActivation):  # Hölder, of index at most one here
        return activation.holder_constant() * delta ** min(activation.beta, 1.0)
    if isinstance(activation, Spline):  # the derivative is a convex combination of differences over a cell
        return np.abs(np.diff(activation.coefficients)).max() / activation.space.width * delta
    if isinstance(activation, Tanh):
        return activation.slope * delta
    raise TypeError(f"no modulus of continuity is known for {activation!r}")


def evaluation_error(activation: Any) -> float:
    """Return a bound of the rounding error of one value, beyond that of a score off by a few units.

    The sum of the absolute terms, times the operations on each; a cosine or a hyperbolic tangent counts as
    eight (NumPy's vector routines are within four units in the last place).
    """
    if isinstance(activation, RoughActivation):
        return gamma(8 + 2 * len(activation.frequencies)) * float(np.abs(activation._amplitudes).sum())
    if isinstance(activation, Spline):
        degree = activation.space.degree
        terms = float(np.abs(bspline_pieces(degree)).sum()) * float(np.abs(activation.coefficients).max())
        return gamma(4 * (degree + 1)) * terms
    return gamma(8)  # bounded by one


def score_error(X: Any, matrix: Any, scale: float) -> Any:
    """Return a bound of how far two computations of ``X_i' A X_j`` are apart, shape ``(M, N, N)``.

    ``2 d`` additions of products each, in any order; and a few operations more on the way into the
    activation, relative to the score and to ``scale``, the size of what is added to it there.
    """
    sizes = np.abs(X) @ np.abs(matrix) @ np.swapaxes(np.abs(X), -1, -2)
    return 2 * gamma(2 * X.shape[-1] + 2) * sizes + 2 * gamma(4) * (sizes + scale)
