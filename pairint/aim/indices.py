r"""Indices of a batch of samples, and the adjoint map: the two products at the heart of AMP and of GD.

Both walk through the samples in blocks that fit in cache, so the memory beyond the inputs and the
result does not grow with the number of samples. NumPy or CuPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pairint.backend import array_namespace, is_cupy
from pairint.validation import check_choice, check_floats

__all__ = ["IndexCovariance", "adjoint", "check_tokens", "indices"]

# Entries of X per block: a megabyte on a processor, a sixteenth of a gigabyte on a GPU.
_BLOCK, _GPU_BLOCK = 2**17, 2**23


def _blocks(X: Any) -> Any:
    n, t, d = X.shape
    size = max(1, (_GPU_BLOCK if is_cupy(X) else _BLOCK) // (t * d))
    for start in range(0, n, size):
        yield slice(start, min(n, start + size))


def check_tokens(X: Any, dtype: str | None = None) -> Any:
    """Return tokens (n, T, d) in the precision asked for, or their own; others become double."""
    X = check_floats("X", X, (None, None, None))
    if dtype is not None:
        return X.astype(check_choice("dtype", dtype, ("float32", "float64")), copy=False)
    return X


def indices(X: Any, matrix: Any) -> Any:
    r"""Return the indices :math:`h_{ab} = (x_a^\top M x_b - \delta_{ab}\operatorname{Tr} M)/\sqrt d`.

    Parameters
    ----------
    X : array (n, T, d)
    matrix : array (d, d)
        Symmetric, but for an untied layer.

    Returns
    -------
    array (n, T, T)
    """
    xp = array_namespace(X, matrix)
    n, t, d = X.shape
    scaled = matrix / d**0.5
    h = xp.empty((n, t, t), dtype=X.dtype)
    for block in _blocks(X):
        x = X[block]
        mapped = (x.reshape(-1, d) @ scaled).reshape(x.shape)
        h[block] = xp.matmul(mapped, x.transpose(0, 2, 1))
    h -= scaled.trace() * xp.eye(t, dtype=X.dtype)
    return h


def adjoint(X: Any, weights: Any, symmetric: bool = True) -> Any:
    r"""Return the matrix :math:`\frac1{\sqrt d}\sum_\mu (X_\mu^\top G_\mu X_\mu - I\operatorname{Tr} G_\mu)`.

    This is the derivative of :math:`\sum_\mu \sum_{a,b} G_{\mu ab} h_{\mu ab}(M)` in M, a symmetric one or
    any.

    Parameters
    ----------
    X : array (n, T, d)
    weights : array (n, T, T)
        The :math:`G_\mu`, symmetric where M is.
    symmetric : bool
        Whether M is symmetric.

    Returns
    -------
    array (d, d)
    """
    xp = array_namespace(X, weights)
    d = X.shape[2]
    total = xp.zeros((d, d), dtype=X.dtype)
    for block in _blocks(X):
        x = X[block]
        total += x.reshape(-1, d).T @ xp.matmul(weights[block], x).reshape(-1, d)
    total -= weights.trace(axis1=1, axis2=2).sum() * xp.eye(d, dtype=X.dtype)
    return (total + total.T) / (2 * d**0.5) if symmetric else total / d**0.5


class IndexCovariance:
    r"""Covariance of a sample's indices given its tokens, for a matrix with independent Gaussian entries.

    Let M be symmetric with independent entries of variance :math:`1/d`, twice that on the diagonal. Given
    the tokens of a sample, the indices :math:`h(M)` are Gaussian, with covariance
    :math:`\Gamma = \tfrac2d\,h\,h^*`, where :math:`h^*` is the adjoint map. Its mean over tokens is diagonal,
    :math:`(1 + \tfrac1d)\,\sigma^2_{ab}`; from sample to sample it varies by :math:`O(d^{-1/2})`. With the
    Gram matrix :math:`G = X X^\top` and symmetric weights W,

    .. math::

       \Gamma W = \tfrac{2}{d^2}\big[G W G - G \operatorname{Tr} W
           + I\,(d \operatorname{Tr} W - \operatorname{Tr} G W)\big],

    so that it is applied and inverted by products of T x T matrices.

    Parameters
    ----------
    X : array (n, T, d)
        Tokens, with T < d; those of a sample linearly independent, as random ones are.

    Raises
    ------
    ValueError
        If the tokens of a sample are linearly dependent, to the precision of ``X``.
    """

    def __init__(self, X: Any) -> None:
        xp = array_namespace(X)
        n, t, d = X.shape
        self.d = d
        self.gram = xp.empty((n, t, t), dtype=X.dtype)
        for block in _blocks(X):
            self.gram[block] = xp.matmul(X[block], X[block].transpose(0, 2, 1))
        self.identity = xp.eye(t, dtype=X.dtype)
        try:
            self.inverse = xp.linalg.inv(self.gram)
        except np.linalg.LinAlgError:
            self.inverse = xp.full_like(self.gram, np.nan)
        # CuPy raises nothing; and a rounding error can stand where a zero should.
        condition = abs(self.gram).max(axis=(1, 2)) * abs(self.inverse).max(axis=(1, 2))
        if not bool((condition < 0.1 / np.finfo(X.dtype).eps).all()):
            raise ValueError("X must hold linearly independent tokens in every sample, as random ones are")
        self.square = xp.matmul(self.inverse, self.inverse)
        # The traces t = Tr W and s = Tr GW of a solution solve two linear equations.
        first, second = (a.trace(axis1=1, axis2=2) for a in (self.inverse, self.square))
        self._system = (1 - first + d * second, -second, d * first - t, 1 - first)

    def apply(self, weights: Any) -> Any:
        r"""Return :math:`\Gamma W` for weights (n, T, T) that hold :math:`g_{aa}` and :math:`g_{ab}/2`."""
        xp = array_namespace(weights)
        product = xp.matmul(self.gram, weights)
        trace = weights.trace(axis1=1, axis2=2)[:, None, None]
        shift = self.d * trace - product.trace(axis1=1, axis2=2)[:, None, None]
        return (2 / self.d**2) * (xp.matmul(product, self.gram) - self.gram * trace + self.identity * shift)

    def solve(self, values: Any) -> Any:
        r"""Return the weights W with :math:`\Gamma W` equal to ``values`` (n, T, T), symmetric."""
        xp = array_namespace(values)
        scaled = (self.d**2 / 2) * xp.matmul(xp.matmul(self.inverse, values), self.inverse)
        trace, crossed = (a.trace(axis1=1, axis2=2) for a in (scaled, xp.matmul(self.gram, scaled)))
        a, b, c, e = self._system
        determinant = a * e - b * c
        t = (e * trace - b * crossed) / determinant
        s = (a * crossed - c * trace) / determinant
        shift = (s - self.d * t)[:, None, None]
        return scaled + t[:, None, None] * self.inverse + shift * self.square
