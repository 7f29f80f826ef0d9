r"""Indices of a batch of samples, and the adjoint map: the two products at the heart of AMP and of GD.

Both walk through the samples in blocks that fit in cache, so the memory beyond the inputs and the
result does not grow with the number of samples. NumPy or CuPy.
"""

from __future__ import annotations

from pairint.backend import array_namespace, is_cupy

__all__ = ["adjoint", "indices"]

# Entries of X per block: a megabyte on a processor, a sixteenth of a gigabyte on a GPU.
_BLOCK, _GPU_BLOCK = 2**17, 2**23


def _blocks(X):
    n, t, d = X.shape
    size = max(1, (_GPU_BLOCK if is_cupy(X) else _BLOCK) // (t * d))
    for start in range(0, n, size):
        yield slice(start, min(n, start + size))


def indices(X, matrix):
    r"""Indices :math:`h_{ab} = (x_a^\top M x_b - \delta_{ab}\operatorname{Tr} M)/\sqrt d`.

    Parameters
    ----------
    X : array (n, T, d)
    matrix : array (d, d)
        Symmetric.

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


def adjoint(X, weights):
    r"""Matrix :math:`\frac1{\sqrt d}\sum_\mu (X_\mu^\top G_\mu X_\mu - I\operatorname{Tr} G_\mu)`.

    This is the derivative of :math:`\sum_\mu \sum_{a,b} G_{\mu ab} h_{\mu ab}(M)` in a symmetric M.

    Parameters
    ----------
    X : array (n, T, d)
    weights : array (n, T, T)
        The symmetric :math:`G_\mu`.

    Returns
    -------
    array (d, d)
        Symmetric.
    """
    xp = array_namespace(X, weights)
    d = X.shape[2]
    total = xp.zeros((d, d), dtype=X.dtype)
    for block in _blocks(X):
        x = X[block]
        total += x.reshape(-1, d).T @ xp.matmul(weights[block], x).reshape(-1, d)
    total -= weights.trace(axis1=1, axis2=2).sum() * xp.eye(d, dtype=X.dtype)
    return (total + total.T) / (2 * d**0.5)
