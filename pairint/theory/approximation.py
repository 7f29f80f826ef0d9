"""Approximation of Hölder functions by piecewise polynomials, with explicit constants.

All functions live on ``[-abar, abar]``, cut into K equal cells of half-width ``abar / K``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from pairint.theory.rates import holder_degree, taylor_constant
from pairint.validation import check_floats, check_integer, check_real

__all__ = [
    "HolderSum",
    "PiecewisePolynomial",
    "best_l2_error",
    "best_uniform_error",
    "interpolation_nodes",
    "lebesgue_constant",
    "pieces_error",
    "spline_degree",
    "spline_error",
    "spline_interpolant",
    "taylor_error",
]


#: Beyond it, interpolation on a cell loses digits and Lebesgue constants take memory.
LARGEST_DEGREE = 50


@dataclass(frozen=True, eq=False)
class HolderSum:
    r"""A function with a known Hölder radius: a sum of one-sided powers.

    .. math:: f(u) = c(\beta) \sum_j w_j (u - a_j)_+^{\beta}

    with :math:`c(\beta)` of :func:`pairint.theory.rates.taylor_constant`. The derivative of order k (the
    largest integer below beta) is :math:`\sum_j w_j (u - a_j)_+^{\alpha}` with
    :math:`\alpha = \beta - k \in (0, 1]`.

    Parameters
    ----------
    centres, weights : array_like, shape (J,)
    beta : float
        Smoothness, > 0.
    """

    centres: Any
    weights: Any
    beta: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "centres", check_floats("centres", self.centres, (None,)))
        object.__setattr__(self, "weights", check_floats("weights", self.weights, (len(self.centres),)))
        check_real("beta", self.beta, 0, exclusive_minimum=True)

    @property
    def holder_constant(self) -> float:
        r"""A Hölder radius, the largest modulus of a sum of weights of consecutive centres.

        The increment of :math:`(\cdot - a)_+^\alpha` from v to u > v is, as a function of a, at most
        :math:`(u - v)^\alpha`; it rises up to a = v and falls to 0 at a = u. So the centres at which it
        exceeds a given level are consecutive, and the increment of the sum is an average over levels of
        sums of consecutive weights. For :math:`\alpha = 1` the increment does not rise but is constant up
        to v: then only the sums that begin at the first centre count, and they are the slopes.

        This is the smallest radius on the whole line if beta is an integer or if there is one term; for
        several terms it may be too large.
        """
        centres, which = np.unique(self.centres, return_inverse=True)
        weights = np.bincount(which, self.weights, minlength=len(centres))
        sums = np.concatenate([[0.0], np.cumsum(weights)])
        if self.beta - holder_degree(self.beta) == 1:
            return float(np.abs(sums).max())
        return float(sums.max() - sums.min())

    def radius_on_grid(self, low: float, high: float, n_points: int = 1000) -> float:
        r"""Return the largest :math:`|f^{(k)}(u) - f^{(k)}(v)| / |u - v|^{\alpha}` on a grid of [low, high].

        The grid contains the centres. No radius on the interval is smaller than this number.
        """
        low = check_real("low", low)
        high = check_real("high", high, low, exclusive_minimum=True)
        n_points = check_integer("n_points", n_points, 2)
        inside = self.centres[(self.centres >= low) & (self.centres <= high)]
        u = np.union1d(np.linspace(low, high, n_points), inside)
        alpha = self.beta - holder_degree(self.beta)
        derivative = np.maximum(u[:, None] - self.centres, 0.0) ** alpha @ self.weights
        i, j = np.triu_indices(len(u), 1)
        return float(np.max(np.abs(derivative[j] - derivative[i]) / (u[j] - u[i]) ** alpha))

    @property
    def smoothness(self) -> float:
        return self.beta

    def __call__(self, u: Any) -> NDArray[np.float64]:
        u = np.asarray(u, dtype=float)
        total = np.zeros(u.shape)
        for centre, weight in zip(self.centres, self.weights, strict=True):
            total += weight * np.maximum(u - centre, 0.0) ** self.beta
        return taylor_constant(self.beta) * total


def taylor_error(n_intervals: int, *, beta: float, holder_constant: float, score_bound: float) -> float:
    r"""Return :math:`L\,c(\beta)\,(\bar a / K)^\beta`, the uniform error of Taylor's polynomials.

    The polynomials have the largest degree below beta and are taken at the centres of K equal cells.

    Parameters
    ----------
    n_intervals : int
        K >= 1.
    beta, holder_constant, score_bound : float
        Smoothness, Hölder radius L and abar, all > 0.
    """
    n_intervals = check_integer("n_intervals", n_intervals, 1)
    holder_constant = check_real("holder_constant", holder_constant, 0, exclusive_minimum=True)
    score_bound = check_real("score_bound", score_bound, 0, exclusive_minimum=True)
    return holder_constant * taylor_constant(beta) * (score_bound / n_intervals) ** beta


def pieces_error(n_intervals: int, *, beta: float, holder_constant: float, score_bound: float) -> float:
    r"""Bound the uniform error of the *best* polynomials of the largest degree k below beta, on K cells.

    With :math:`\alpha = \beta - k`, it is at most
    :math:`L\, 2^{-k} / (k!\,(k+1)^\alpha)\, (\bar a / K)^\beta` for beta > 1, and
    :math:`L\, 2^{\beta - 1} (\bar a / K)^\beta` for beta <= 1. For integer beta this is :math:`2^{-k}` times
    :func:`taylor_error` and sharp. Source: Chebyshev interpolation, and a split of the derivative of order k
    into a Lipschitz and a small part; :doc:`/book/upper_bound_approximation`.

    Parameters
    ----------
    n_intervals, beta, holder_constant, score_bound
        As in :func:`taylor_error`.
    """
    n_intervals = check_integer("n_intervals", n_intervals, 1)
    holder_constant = check_real("holder_constant", holder_constant, 0, exclusive_minimum=True)
    score_bound = check_real("score_bound", score_bound, 0, exclusive_minimum=True)
    k = holder_degree(beta)
    if k == 0:
        constant = 2.0 ** (beta - 1)
    else:
        # Logarithms, because the factorial of a large k is no float.
        constant = math.exp(-k * math.log(2) - math.lgamma(k + 1) - (beta - k) * math.log(k + 1))
    return holder_constant * constant * (score_bound / n_intervals) ** beta


def spline_error(
    n_intervals: int,
    *,
    beta: float,
    holder_constant: float,
    score_bound: float,
    degree: int | None = None,
) -> float:
    r"""Bound the uniform error of the *continuous* piecewise interpolant of degree s.

    On each cell, interpolation at s + 1 nodes that include both ends reproduces polynomials, so it is at
    most :math:`1 + \Lambda_s` times worse than the best polynomial, and hence than Taylor's:
    :math:`(1 + \Lambda_s) L\,c(\beta)\,(\bar a / K)^\beta`.

    Parameters
    ----------
    n_intervals, beta, holder_constant, score_bound
        As in :func:`taylor_error`.
    degree : int, optional
        s, at least 1 and at least the largest integer below beta (the default is the smallest allowed).
    """
    degree = spline_degree(beta, degree)
    taylor = taylor_error(n_intervals, beta=beta, holder_constant=holder_constant, score_bound=score_bound)
    return (1 + lebesgue_constant(degree)) * taylor


def spline_degree(beta: float, degree: int | None = None) -> int:
    """Return the degree of the continuous splines: given and checked, or the smallest that serves beta."""
    smallest = max(1, holder_degree(beta))
    if degree is None:
        return smallest
    return check_integer("degree", degree, smallest, max(smallest, LARGEST_DEGREE))


def interpolation_nodes(degree: int) -> NDArray[np.float64]:
    """Return the s + 1 Chebyshev-Lobatto nodes of [-1, 1], in increasing order, for s >= 1."""
    degree = check_integer("degree", degree, 1)
    return -np.cos(np.pi * np.arange(degree + 1) / degree)


def lebesgue_constant(degree: int) -> float:
    """Return the Lebesgue constant of interpolation at the Chebyshev-Lobatto nodes.

    It grows like ``(2 / pi) log s``. The maximum of the Lebesgue function is searched on a fine grid in
    angle and rounded up by one part in a thousand, so that the value can be used as a bound.
    """
    nodes = interpolation_nodes(degree)
    if degree == 1:
        return 1.0
    t = -np.cos(np.linspace(0, np.pi, 200 * degree + 1))
    values = np.abs(_lagrange_basis(nodes, t)).sum(axis=1)
    return float(values.max()) * 1.001


@dataclass(frozen=True, eq=False)
class PiecewisePolynomial:
    """Polynomials on K equal cells of ``[-score_bound, score_bound]``.

    Attributes
    ----------
    coefficients : ndarray, shape (K, s + 1)
        Of the powers of the cell's own coordinate t in [-1, 1].
    score_bound : float
    """

    coefficients: NDArray[np.float64]
    score_bound: float

    def __call__(self, u: Any) -> NDArray[np.float64]:
        u = np.asarray(u, dtype=float)
        n_intervals = len(self.coefficients)
        position = (u / self.score_bound + 1) * n_intervals / 2
        cell = np.clip(np.floor(position).astype(np.intp), 0, n_intervals - 1)
        t = 2 * (position - cell) - 1
        value = np.zeros(u.shape)
        for power in range(self.coefficients.shape[1] - 1, -1, -1):
            value = value * t + self.coefficients[cell, power]
        return value


def spline_interpolant(
    phi: Callable[[Any], Any], *, n_intervals: int, degree: int, score_bound: float
) -> PiecewisePolynomial:
    """Return the continuous piecewise polynomial that interpolates phi at the nodes of each cell."""
    nodes = interpolation_nodes(degree)
    centres, half = _cells(n_intervals, score_bound)
    values = np.asarray(phi(centres[:, None] + half * nodes))
    inverse = np.linalg.inv(np.vander(nodes, increasing=True))
    return PiecewisePolynomial(values @ inverse.T, float(score_bound))


def best_uniform_error(
    phi: Callable[[Any], Any], *, n_intervals: int, degree: int, score_bound: float, n_points: int = 60
) -> float:
    """Return the best uniform error of (discontinuous) piecewise polynomials, on a grid of each cell.

    Solved cell by cell as a linear programme on ``n_points`` Chebyshev points: exact on the grid, hence
    a lower bound of the best error over the whole interval.

    Parameters
    ----------
    phi : callable
    n_intervals, degree : int
        K >= 1 cells, degree s >= 0.
    score_bound : float
    n_points : int
        At least s + 2.
    """
    degree = check_integer("degree", degree, 0)
    n_points = check_integer("n_points", n_points, degree + 2)
    centres, half = _cells(n_intervals, score_bound)
    t = -np.cos(np.linspace(0, np.pi, n_points))
    powers = np.polynomial.chebyshev.chebvander(t, degree)
    ones = np.ones((n_points, 1))
    constraints = np.vstack([np.hstack([powers, -ones]), np.hstack([-powers, -ones])])
    cost = np.append(np.zeros(degree + 1), 1.0)
    bounds = [(None, None)] * (degree + 1) + [(0, None)]
    worst = 0.0
    for centre in centres:
        values = np.asarray(phi(centre + half * t), dtype=float)
        scale = max(float(np.abs(values).max()), 1e-300)
        target = np.concatenate([values, -values]) / scale
        solution = linprog(cost, A_ub=constraints, b_ub=target, bounds=bounds)
        worst = max(worst, float(solution.x[-1]) * scale)
    return worst


def best_l2_error(
    phi: Callable[[Any], Any],
    *,
    n_intervals: int,
    degree: int,
    score_bound: float,
    density: Callable[[Any], Any] | None = None,
    n_nodes: int = 40,
) -> float:
    """Return the smallest root mean square error of piecewise polynomials of degree s on K cells.

    Parameters
    ----------
    phi, n_intervals, degree, score_bound
        As in :func:`best_uniform_error`.
    density : callable, optional
        Density of the scores on ``[-score_bound, score_bound]``; uniform by default.
    n_nodes : int
        Gauss-Legendre nodes in each cell.
    """
    degree = check_integer("degree", degree, 0)
    centres, half = _cells(n_intervals, score_bound)
    t, weight = np.polynomial.legendre.leggauss(n_nodes)
    powers = np.polynomial.legendre.legvander(t, degree)
    total = 0.0
    for centre in centres:
        u = centre + half * t
        p = np.full(n_nodes, 0.5 / score_bound) if density is None else np.asarray(density(u), dtype=float)
        root = np.sqrt(np.maximum(p, 0.0) * weight * half)
        values = np.asarray(phi(u), dtype=float) * root
        coefficients = np.linalg.lstsq(powers * root[:, None], values, rcond=None)[0]
        total += float(np.sum((values - root * (powers @ coefficients)) ** 2))
    return float(np.sqrt(total))


def _cells(n_intervals: int, score_bound: float) -> tuple[NDArray[np.float64], float]:
    """Return the centres and half-width of K equal cells."""
    n_intervals = check_integer("n_intervals", n_intervals, 1)
    score_bound = check_real("score_bound", score_bound, 0, exclusive_minimum=True)
    half = score_bound / n_intervals
    return -score_bound + half * (2 * np.arange(n_intervals, dtype=np.float64) + 1), half


def _lagrange_basis(nodes: NDArray[np.float64], t: NDArray[np.float64]) -> NDArray[np.float64]:
    differences = t[:, None] - nodes
    columns = []
    for j in range(len(nodes)):
        others = np.delete(np.arange(len(nodes)), j)
        columns.append(np.prod(differences[:, others] / (nodes[j] - nodes[others]), axis=1))
    return np.stack(columns, axis=1)
