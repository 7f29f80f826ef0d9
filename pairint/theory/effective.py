r"""What a fit of too small a rank returns: the activation, averaged over what the score leaves out.

With :math:`A = A_1 + A_2` and scores :math:`u = x^\top A_1 y`, :math:`v = x^\top A_2 y` that are
independent, the best function of ``u`` is :math:`\int \varphi(u + v)\, \nu(dv)`, ``nu`` the law of ``v``.

Book: :doc:`/book/effective_activation`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace, to_host
from pairint.validation import check_floats, check_integer, check_real, check_values

__all__ = ["effective_activation", "uniform_product_law"]

#: Values that are held at a time.
_ENTRIES = 2_000_000


def effective_activation(
    activation: Callable[[Any], Any], residual: Any, weights: Any = None
) -> Callable[[Any], Any]:
    r"""Return :math:`u \mapsto \sum_k w_k\, \varphi(u + v_k)`, the activation convolved with a law.

    Book: :doc:`/book/effective_activation`.

    Parameters
    ----------
    activation : callable
        ``phi``, elementwise.
    residual : array_like, shape (n,)
        Points ``v`` of the law of what is left out: nodes of a rule, or draws.
    weights : array_like, shape (n,), optional
        Their weights, >= 0, of a positive sum; scaled to the sum one. Equal by default.

    Returns
    -------
    callable
        Of arrays of any shape.

    Raises
    ------
    TypeError, ValueError
        If the activation cannot be called, or the law is empty, not finite, or has negative weights.
    """
    if not callable(activation):
        raise TypeError(f"activation must be callable, got {activation!r}")
    points = np.asarray(to_host(check_floats("residual", residual, (None,))), dtype=float)
    if points.size == 0:
        raise ValueError("residual must hold at least one point, got none")
    if weights is None:
        mass = np.full(points.size, 1.0 / points.size)
    else:
        mass = np.asarray(to_host(check_floats("weights", weights, (points.size,))), dtype=float)
        if (mass < 0).any() or not mass.sum() > 0:
            raise ValueError("weights must be >= 0 and not all zero")
        mass = mass / mass.sum()

    def convolved(u: Any) -> Any:
        u = check_floats("u", u)
        xp = array_namespace(u)
        flat, shifts, share = u.reshape(-1), xp.asarray(points), xp.asarray(mass)
        result = xp.empty(flat.shape)
        step = max(1, _ENTRIES // points.size)
        for start in range(0, flat.shape[0], step):
            part = slice(start, start + step)
            shifted = flat[part, None] + shifts
            result[part] = check_values("activation", activation(shifted), shifted) @ share
        return result.reshape(u.shape)

    return convolved


def uniform_product_law(scale: float, n_nodes: int = 40) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return nodes and weights of Gauss's rule for the law of ``scale`` times a product of two coordinates.

    The coordinates are independent and uniform on :math:`[-\sqrt3, \sqrt3]`, as those of
    :class:`pairint.model.UniformCube`.

    Book: :doc:`/book/effective_activation`.

    Parameters
    ----------
    scale : float
        > 0.
    n_nodes : int
        Nodes for each of the two, from 1 to 500.
    """
    scale = check_real("scale", scale, 0.0, exclusive_minimum=True)
    nodes, weights = np.polynomial.legendre.leggauss(check_integer("n_nodes", n_nodes, 1, 500))
    return (3 * scale * np.outer(nodes, nodes)).ravel(), (np.outer(weights, weights) / 4).ravel()
