r"""How far a fit is from the truth: the error in :math:`L^2(\rho)`."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pairint.backend import to_host
from pairint.model.attention import AttentionModel
from pairint.model.splines import Spline
from pairint.model.tokens import UniformCube
from pairint.validation import check_choice, check_integer, check_rng

__all__ = ["InteractionError", "interaction_error"]

_CHUNK = 50_000


class InteractionError(NamedTuple):
    """Squared error and its standard error (zero for quadrature)."""

    value: float
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
        ``"quadrature"`` is exact up to rounding where the law of the score is known: ``d = 1`` and
        tokens on the cube, where the score is ``3 A`` times a product of two uniform variables.

    Returns
    -------
    InteractionError
        ``(value, standard_error)``.
    """
    if not callable(getattr(fit, "interaction", None)):
        raise TypeError(f"fit must have a method interaction(x, y), got {fit!r}")
    if not isinstance(model, AttentionModel):
        raise TypeError(f"model must be an AttentionModel, got {model!r}")
    check_choice("method", method, ("monte_carlo", "quadrature"))
    if method == "quadrature":
        return InteractionError(_quadrature(fit, model), 0.0)
    n_pairs = check_integer("n_pairs", n_pairs, 2)
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
    if model.d != 1 or not isinstance(model.tokens, UniformCube):
        raise ValueError(
            "method='quadrature' needs d = 1 and UniformCube tokens (the law of the score must be known); "
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
