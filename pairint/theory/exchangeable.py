"""What exchangeability alone does not give: blind spots of the forward operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import null_space

from pairint.validation import check_floats, check_integer, check_real

__all__ = [
    "TabulatedActivation",
    "equicorrelated_gaussian_constant",
    "equivalent_parameters",
    "extendable_constant",
    "invisible_activation",
    "invisible_interaction",
]


@dataclass(frozen=True, eq=False)
class TabulatedActivation:
    """The piecewise linear function through given points, constant outside; an activation like any other."""

    scores: NDArray[np.float64]
    values: NDArray[np.float64]
    smoothness = 1.0

    def __call__(self, u: Any) -> NDArray[np.float64]:
        return np.interp(u, self.scores, self.values)

    def derivative(self, u: Any) -> NDArray[np.float64]:
        """Return the slope of the piece that holds u (of the right piece at a knot, zero outside)."""
        u = np.asarray(u, dtype=float)
        slopes = np.concatenate([[0.0], np.diff(self.values) / np.diff(self.scores), [0.0]])
        return slopes[np.searchsorted(self.scores, u, side="right")]


def invisible_interaction(n_points: int) -> NDArray[np.float64]:
    """Return an interaction on n points whose rows sum to zero off the diagonal.

    If the tokens are all n points in random order, ``R_h`` is identically zero, and no data tell h from 0.

    Parameters
    ----------
    n_points : int
        At least 3.

    Returns
    -------
    ndarray, shape (n, n)
        Zero on the diagonal; mean square 1 over the ordered pairs.
    """
    n_points = check_integer("n_points", n_points, 3)
    h = np.zeros((n_points, n_points))
    for i in range(n_points):
        others = np.delete(np.arange(n_points), i)
        h[i, others] = np.cos(2 * np.pi * np.arange(n_points - 1) / (n_points - 1))
    return h / np.sqrt((h**2).sum() / (n_points * (n_points - 1)))


def invisible_activation(points: Any, matrix: Any) -> TabulatedActivation:
    """Return a nonzero function of the score that tokens drawn by permuting all the points cannot show.

    Parameters
    ----------
    points : array_like, shape (n, d)
    matrix : array_like, shape (d, d)

    Returns
    -------
    TabulatedActivation
        ``sum_{j != i} psi(x_i' A x_j) = 0`` for all i, and mean square 1 over the ordered pairs.

    Raises
    ------
    ValueError
        If only zero has this property (too few distinct scores).
    """
    points = check_floats("points", points, (None, None))
    matrix = check_floats("matrix", matrix, (points.shape[1], points.shape[1]))
    n_points = check_integer("n_points", len(points), 2)
    rows, columns = np.nonzero(~np.eye(n_points, dtype=bool))
    scores = np.einsum("ni,ij,nj->n", points[rows], matrix, points[columns])
    # Equal scores (a symmetric matrix, say) must get equal values; rounding must not separate them.
    distinct = np.unique(scores)
    tolerance = 1e-9 * max(1.0, float(np.abs(scores).max()))
    distinct = distinct[np.concatenate([[True], np.diff(distinct) > tolerance])]
    which = np.clip(np.searchsorted(distinct, scores + tolerance) - 1, 0, None)
    row_sums = np.zeros((n_points, len(distinct)))
    np.add.at(row_sums, (rows, which), 1.0)
    kernel = null_space(row_sums)
    if kernel.shape[1] == 0:
        raise ValueError(f"no function of the {len(distinct)} distinct scores is invisible; use more points")
    # The first vector of a basis of the null space is as good as any other.
    values = kernel[:, 0]
    return TabulatedActivation(distinct, values / np.sqrt(np.mean(values[which] ** 2)))


def extendable_constant(n_tokens: int, n_extended: int) -> float:
    r"""Return :math:`(N' - N) / ((N-1)(N'-2))`, the coercivity constant of N out of N' exchangeable tokens.

    If the law of the N tokens is that of N among N' >= N exchangeable ones, then
    :math:`E[h(X_1,X_2) h(X_1,X_3)] \ge -E h^2 / (N'-2)`. The constant is zero for N' = N, 1/(N-1) in the
    limit (de Finetti), and is attained by drawing without replacement from N' points.

    Parameters
    ----------
    n_tokens, n_extended : int
        2 <= N <= N', N' >= 3.
    """
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    n_extended = check_integer("n_extended", n_extended, max(3, n_tokens))
    if n_tokens == 2:
        return 1.0
    return (n_extended - n_tokens) / ((n_tokens - 1) * (n_extended - 2))


def equicorrelated_gaussian_constant(n_tokens: int, correlation: float) -> float:
    r"""Return the coercivity constant of Gaussian tokens with one correlation between all pairs.

    For c in [-1/(N-1), 0] it is :math:`(1 + (N-1)c) / ((N-1)(1+c))`, attained by :math:`h(x,y) = y - c x`;
    for c >= 0 it is 1/(N-1) (an infimum over all h). Given the first token, the others are Gaussian with
    correlation c / (1 + c), and Mehler's formula gives the spectrum of the cross term: the powers
    of that correlation.

    Parameters
    ----------
    n_tokens : int
        N >= 2.
    correlation : float
        In [-1/(N-1), 1).
    """
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    correlation = check_real("correlation", correlation, -1 / (n_tokens - 1), 1, exclusive_maximum=True)
    if n_tokens == 2 or correlation >= 0:
        return 1 / (n_tokens - 1)
    return (1 + (n_tokens - 1) * correlation) / ((n_tokens - 1) * (1 + correlation))


def equivalent_parameters(
    activation: Callable[[Any], Any], matrix: Any, factor: float
) -> tuple[Callable[[Any], Any], NDArray[np.float64]]:
    """Return ``(phi(u / c), c A)``: other parameters of the same interaction, for any c != 0."""
    factor = check_real("factor", factor)
    if factor == 0:
        raise ValueError("factor must not be 0")
    matrix = check_floats("matrix", matrix, (None, None))
    return (lambda u: activation(np.asarray(u) / factor)), factor * matrix
