r"""Distance as a score of attention: ``|x - y|^2`` is bilinear in the tokens ``(x, |x|^2, 1)``.

.. math:: |x - y|^2 = |x|^2 + |y|^2 - 2 x^\top y = z_x^\top D z_y, \qquad z_x = (x, |x|^2, 1) .

The matrix has rank ``d + 2``. Points on a sphere need one less, and no points that span the space and lie on
no sphere need less (Gower, 1985, for matrices of distances).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace, to_host
from pairint.validation import check_floats, check_integer, check_real, check_size

__all__ = ["distance_matrix", "distance_rank", "distance_tokens"]

#: A matrix of more columns has gigabytes.
_MOST = 10_000


def distance_tokens(X: Any) -> Any:
    """Lift points to tokens whose scores are squared distances: ``x`` to ``(x, |x|^2, 1)``.

    Book: :doc:`/book/fish`.

    Parameters
    ----------
    X : array_like, shape (..., d)
        Points, in any unit; NumPy or CuPy. For many digits their mean should be small beside their spread.

    Returns
    -------
    array, shape (..., d + 2)

    Raises
    ------
    ValueError
        If ``X`` is not finite or has no last axis.

    Examples
    --------
    >>> x, y = distance_tokens([[0.0, 0.0], [3.0, 4.0]])
    >>> float(x @ distance_matrix(2) @ y)
    25.0
    """
    X = check_floats("X", X)
    if X.ndim < 1 or X.shape[-1] < 1:
        raise ValueError(f"X must have shape (..., d) with d >= 1, got {tuple(X.shape)}")
    xp = array_namespace(X)
    square = xp.sum(X * X, axis=-1, keepdims=True)
    return xp.concatenate([X, square, xp.ones_like(square)], axis=-1)


def distance_matrix(d: int) -> NDArray[np.float64]:
    """Return the matrix whose scores of the tokens of :func:`distance_tokens` are squared distances.

    Book: :doc:`/book/fish`.

    Parameters
    ----------
    d : int
        Dimension of the points, 1 to 10,000.

    Returns
    -------
    ndarray, shape (d + 2, d + 2)
        Symmetric, of rank ``d + 2``.
    """
    d = check_integer("d", d, 1, _MOST)
    matrix = np.zeros((d + 2, d + 2))
    matrix[:d, :d] = -2.0 * np.eye(d)
    matrix[d, d + 1] = matrix[d + 1, d] = 1.0
    return matrix


def distance_rank(points: Any, tolerance: float = 1e-9) -> int:
    """Return the rank of the matrix of squared distances of some points.

    Book: :doc:`/book/fish`.

    It is the number of query and key coordinates without which no score equals the squared distance at these
    points: ``d + 2`` if they span their space and lie on no sphere, ``d + 1`` on a sphere.

    Parameters
    ----------
    points : array_like, shape (n, d)
    tolerance : float
        Singular values below this share of the largest count as zero, in (0, 1).

    Raises
    ------
    ValueError
        If ``points`` is not finite or has another shape.
    """
    points = to_host(check_floats("points", points, (None, None)))
    tolerance = check_real("tolerance", tolerance, 0, 1, exclusive_minimum=True, exclusive_maximum=True)
    if points.shape[0] < 1 or points.shape[1] < 1:
        raise ValueError(f"points must have shape (n >= 1, d >= 1), got {tuple(points.shape)}")
    check_size("points", points.shape[0], points.shape[0])
    points = points - points.mean(axis=0)
    tokens = distance_tokens(points)
    values = np.linalg.svd(tokens @ distance_matrix(points.shape[1]) @ tokens.T, compute_uv=False)
    return int(np.count_nonzero(values > tolerance * values[0])) if values[0] > 0 else 0
