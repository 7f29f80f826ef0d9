r"""How far a fit is from the truth: the error in :math:`L^2(\rho)`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pairint.backend import to_host
from pairint.model.attention import AttentionModel
from pairint.model.splines import Spline
from pairint.model.tokens import PermutedPoints, Sphere, UniformCube
from pairint.validation import check_choice, check_integer, check_rng

__all__ = ["InteractionError", "interaction_error"]

_CHUNK = 50_000
#: At ten million pairs a second, minutes; more is a typing error.
MOST_PAIRS = 10**9


class InteractionError(NamedTuple):
    """Squared error and its standard error over random pairs (zero without random pairs).

    Book: :doc:`/book/estimator`.
    """

    #: The squared error of the interaction, in squares of the outputs' unit.
    value: float
    #: Its standard error, from the randomness of the pairs only.
    standard_error: float


def interaction_error(
    fit: Any,
    model: AttentionModel,
    *,
    n_pairs: int = 200_000,
    rng: Any = None,
    method: str = "monte_carlo",
) -> InteractionError:
    r"""Return :math:`\|\hat g - g\|^2_{L^2(\rho)} = E|\hat g(X_1, X_2) - g(X_1, X_2)|^2`.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    fit : object
        Anything with ``interaction(x, y)``: a fitted regressor, or another model.
    model : AttentionModel
        The truth; its token law gives the exploration measure.
    n_pairs : int
        Number of independent pairs (Monte Carlo).
    rng : numpy.random.Generator, SeedSequence, int or None
        For Monte Carlo.
    method : {"monte_carlo", "quadrature"}
        ``"quadrature"`` draws no pairs. :class:`~pairint.model.PermutedPoints`, and
        :class:`~pairint.model.Sphere` with ``d = 1``, have finitely many pairs: the value is their mean.
        For :class:`~pairint.model.UniformCube` with ``d = 1`` the score is ``3 A`` times a product of two
        uniform variables, and Gauss's rule is applied between the knots of both activations and the
        points of a fixed grid; see the notes for its accuracy. Other laws are refused.

    Returns
    -------
    InteractionError
        ``(value, standard_error)``. The standard error counts the randomness of the pairs only, so that it
        is zero for quadrature, exact or not.

    Notes
    -----
    On the cube the fixed grid has 2000 cells, each with 12 nodes. For splines and for activations that are
    smooth on the scale of a cell the rule is exact up to rounding. It is not for a
    :class:`~pairint.model.RoughActivation` of low index, whose octaves are finer than the grid: against the
    closed form of its squared norm, a sum of sine integrals, the relative error is of the order ``1e-5`` to
    ``1e-4`` for ``beta = 1/2``, below ``1e-6`` for ``beta = 1`` and below ``1e-8`` from ``beta = 3/2`` on.
    """
    if not callable(getattr(fit, "interaction", None)):
        raise TypeError(f"fit must have a method interaction(x, y), got {fit!r}")
    if not isinstance(model, AttentionModel):
        raise TypeError(f"model must be an AttentionModel, got {model!r}")
    check_choice("method", method, ("monte_carlo", "quadrature"))
    dimension = getattr(fit, "n_features_in_", getattr(fit, "d", model.d))
    if dimension != model.d:
        raise ValueError(f"fit must have the dimension of model, d = {model.d}; got d = {dimension}")
    if method == "quadrature":
        return InteractionError(_quadrature(fit, model), 0.0)
    n_pairs = check_integer("n_pairs", n_pairs, 2, MOST_PAIRS)
    rng = check_rng(rng)
    total, squares = 0.0, 0.0
    for start in range(0, n_pairs, _CHUNK):
        X = model.tokens.sample(min(_CHUNK, n_pairs - start), 2, rng)
        x, y = X[:, 0], X[:, 1]
        difference = (to_host(fit.interaction(x, y)) - model.interaction(x, y)) ** 2
        total += float(difference.sum())
        squares += float((difference**2).sum())
    mean = total / n_pairs
    variance = max(squares / n_pairs - mean**2, 0.0) * n_pairs / (n_pairs - 1)
    return InteractionError(mean, math.sqrt(variance / n_pairs))


def _quadrature(fit: Any, model: AttentionModel) -> float:
    if isinstance(model.tokens, PermutedPoints):
        points = model.tokens.points
        return _mean_over_pairs(fit, model, points, distinct=True)
    if model.d == 1 and isinstance(model.tokens, Sphere):
        return _mean_over_pairs(fit, model, np.array([[-1.0], [1.0]]), distinct=False)
    if model.d != 1 or not isinstance(model.tokens, UniformCube):
        raise ValueError(
            "method='quadrature' needs PermutedPoints, or d = 1 and UniformCube or Sphere tokens; "
            f"got d = {model.d} and {type(model.tokens).__name__}: use method='monte_carlo'"
        )
    # V, W uniform on [-1, 1]: P(VW > u) gives the density -log|u| / 2 on [-1, 1]. Breakpoints at the knots
    # of both functions (in units of the largest score), and graded towards the logarithm at 0.
    largest = 3.0 * abs(float(model.matrix[0, 0]))
    breaks = [np.linspace(-1, 1, 2001), 2.0 ** -np.arange(1, 60), -(2.0 ** -np.arange(1, 60))]
    scale = 3.0 * abs(float(to_host(fit.matrix_)[0, 0])) if hasattr(fit, "matrix_") else largest
    for function, size in ((model.activation, largest), (getattr(fit, "activation_", None), scale)):
        if isinstance(function, Spline):
            space = function.space
            knots = np.linspace(space.lower, space.upper, space.n_intervals + 1) / size
            breaks.extend([knots, -knots])
    grid = np.unique(np.concatenate([*breaks, [0.0]]))
    grid = grid[(grid >= -1) & (grid <= 1)]
    nodes, weights = np.polynomial.legendre.leggauss(12)
    left, width = grid[:-1], np.diff(grid)
    u = (left[:, None] + width[:, None] * (nodes + 1) / 2).ravel()
    w = (width[:, None] / 2 * weights).ravel() * (-np.log(np.abs(u)) / 2)
    # The pair (x, y) = (sqrt 3, sqrt 3 u) has the score u * 3 A.
    x = np.full((u.size, 1), math.sqrt(3))
    y = math.sqrt(3) * u[:, None]
    difference = to_host(fit.interaction(x, y)) - model.interaction(x, y)
    return float(w @ difference**2)


def _mean_over_pairs(fit: Any, model: AttentionModel, points: NDArray[np.float64], distinct: bool) -> float:
    """Average over all ordered pairs of points; of distinct points, if the tokens are drawn so."""
    total = 0.0
    for i, x in enumerate(points):
        others = np.delete(points, i, axis=0) if distinct else points
        x = np.broadcast_to(x, others.shape)
        difference = to_host(fit.interaction(x, others)) - model.interaction(x, others)
        total += float((difference**2).mean())
    return total / len(points)
