"""Covering numbers: how many interactions one must try to have tried them all.

A covering of accuracy eps is *internal*: its points belong to the set. All logarithms are natural.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.validation import check_integer, check_real

__all__ = [
    "greedy_packing",
    "log_cover_ball",
    "log_cover_interactions",
    "log_cover_low_rank",
    "markov_lipschitz",
    "spline_dimension",
]


def log_cover_ball(accuracy: Any, *, dimension: int, radius: Any) -> Any:
    r"""Bound the log covering number of a D-dimensional ball by :math:`D \log(1 + 2R/\epsilon)`.

    Volume comparison: balls of radius eps/2 around the points of a maximal eps-separated set are disjoint
    and lie in the ball of radius R + eps/2. Any norm will do. Accuracies and radii: numbers or arrays.
    """
    dimension = check_integer("dimension", dimension, 0)
    ratio = _ratio(radius, accuracy, "radius")
    return dimension * np.log1p(2 * ratio)


def log_cover_low_rank(accuracy: Any, *, d: int, rank: int, radius: Any) -> Any:
    r"""Bound the log covering number, in operator norm, of d x d matrices of rank <= r and norm <= a.

    Write :math:`A = U V^\top` with both factors of operator norm :math:`\sqrt a` (split the singular
    values evenly) and cover each factor with accuracy :math:`\epsilon / (2 \sqrt a)`. The bound is
    :math:`2 d r \log(1 + 4 a / \epsilon)`.

    Parameters
    ----------
    accuracy : float or ndarray
        eps > 0, in operator norm.
    d, rank : int
        1 <= rank <= d.
    radius : float or ndarray
        a > 0.
    """
    d = check_integer("d", d, 1)
    rank = check_integer("rank", rank, 1, d)
    return 2 * d * rank * np.log1p(4 * _ratio(radius, accuracy, "radius"))


def markov_lipschitz(*, n_intervals: int, degree: int, sup_bound: float, score_bound: float) -> float:
    r"""Return :math:`s^2 K B / \bar a`, a Lipschitz constant of every continuous spline bounded by B.

    Markov's inequality: a polynomial of degree s bounded by B on a cell of half-width :math:`\bar a / K`
    has a derivative bounded by :math:`s^2 B K / \bar a` there; continuity joins the cells.
    """
    n_intervals = check_integer("n_intervals", n_intervals, 1)
    degree = check_integer("degree", degree, 1)
    sup_bound = check_real("sup_bound", sup_bound, 0, exclusive_minimum=True)
    score_bound = check_real("score_bound", score_bound, 0, exclusive_minimum=True)
    return degree**2 * n_intervals * sup_bound / score_bound


def log_cover_interactions(
    accuracy: Any,
    *,
    d: int,
    rank: int,
    n_intervals: int,
    degree: int,
    sup_bound: float,
    support_ratio: float,
    odd: bool = False,
) -> Any:
    r"""Bound the log covering number, in sup norm, of the estimator class.

    The class: :math:`g(x, y) = p(\mathrm{clip}(x^\top A y))`, p continuous, a polynomial of degree s on each
    of K equal cells, bounded by B; A of rank <= r. Half of the accuracy goes to p, the other half, through
    :func:`markov_lipschitz`, to A:

    .. math:: (Ks + 1) \log(1 + 4B/\epsilon) + 2dr \log(1 + 8 s^2 K B \chi / \epsilon)

    Parameters
    ----------
    accuracy : float or ndarray
        eps > 0.
    d, rank, n_intervals, degree : int
        1 <= rank <= d, K >= 1, s >= 1.
    sup_bound : float
        B > 0.
    support_ratio : float
        chi >= 1: squared ratio of the circumscribed and the inscribed radius of the convex hull of the
        tokens' support (1 for a sphere or a ball, d for a cube).
    odd : bool
        Only the odd p: :func:`spline_dimension` numbers in place of Ks + 1.
    """
    support_ratio = check_real("support_ratio", support_ratio, 1)
    ratio = _ratio(sup_bound, accuracy, "sup_bound")
    # Lipschitz constant times abar, so that the scale of the scores cancels.
    slope = markov_lipschitz(n_intervals=n_intervals, degree=degree, sup_bound=1.0, score_bound=1.0)
    matrices = log_cover_low_rank(1.0, d=d, rank=rank, radius=2 * slope * ratio * support_ratio)
    dimension = spline_dimension(n_intervals, degree, odd=odd)
    return log_cover_ball(1.0, dimension=dimension, radius=2 * ratio) + matrices


def spline_dimension(n_intervals: int, degree: int, *, odd: bool = False) -> int:
    """Return the dimension of the continuous pieces of degree s on K equal cells of a symmetric interval.

    It is Ks + 1. Of the odd ones, (Ks + 1) // 2: s numbers for each cell of the right half, and those of the
    odd polynomials if there is a cell in the middle.
    """
    full = check_integer("n_intervals", n_intervals, 1) * check_integer("degree", degree, 1) + 1
    return full // 2 if odd else full


def greedy_packing(
    points: NDArray[np.float64],
    separation: float,
    distance: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]],
) -> list[int]:
    """Return indices of points that are pairwise more than ``separation`` apart, and maximal so.

    A set of n such points shows that a covering of accuracy ``separation / 2`` has at least n elements:
    the check of the bounds above from below.

    Parameters
    ----------
    points : ndarray, shape (n, ...)
    separation : float
        > 0.
    distance : callable
        ``distance(point, points)`` returns the distances, shape (n,).
    """
    separation = check_real("separation", separation, 0, exclusive_minimum=True)
    kept: list[int] = []
    for index in range(len(points)):
        if not kept or np.all(distance(points[index], points[kept]) > separation):
            kept.append(index)
    return kept


def _ratio(radius: Any, accuracy: Any, name: str) -> Any:
    return _positive(name, radius) / _positive("accuracy", accuracy)


def _positive(name: str, value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return check_real(name, value, 0, exclusive_minimum=True)
    good = (value > 0) & np.isfinite(value)
    if not np.all(good):
        raise ValueError(f"{name} must be positive and finite, got {value[~good][0]}")
    return value
