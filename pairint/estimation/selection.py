r"""How many cells, and which rank: chosen from the data by generalised cross-validation.

The spaces on ``K`` cells, ``K`` running over the divisors of a fine grid, are all subspaces of the
space on the fine grid. One pass over the data gives the fine Gram matrix; every coarser one is
:math:`R^\top G R` with the refinement matrix :math:`R`, exactly.

How fine the first grid is depends on the cost of its Gram matrix and on the number of outputs. If the best
``K`` is the largest one tried, the grid is refined and the search goes on: a pass for twice as many cells
costs at most four times as much, so that all of them together cost little more than the last one, and no
more than a few fits with the ``K`` that is found.

A rank is another matter: the matrices of rank ``r`` are no linear space, and one rank too many gains more
than its number of parameters. :func:`rank_criterion` says how much.
"""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pairint.estimation.inner import NormalEquations, solve_inner
from pairint.estimation.problem import LARGEST_NUMBER, LeastSquaresProblem
from pairint.model.splines import SplineSpace
from pairint.validation import check_flag, check_floats, check_instance, check_real

__all__ = [
    "SELECTION_WEIGHT",
    "IntervalChoice",
    "RankChoice",
    "check_selection_weight",
    "choose_intervals",
    "coarse_intervals",
    "generalised_cross_validation",
    "nearly_equal",
    "rank_criterion",
]

#: Highly composite grids. From 1 to 2, and from half the grid to the grid, the divisors grow by a factor of
#: two; between these by at most 1.5 (on 60 cells: 6 to 10).
_GRIDS = (720, 360, 240, 120, 60)
#: Operations that the first grid may cost.
_FLOP_BUDGET = 4e10
#: The finest grid that a search is extended to: some hundred megabytes, some seconds of linear algebra.
_LARGEST_GRID = 2880
#: Fewest outputs a coefficient in an extended search.
_EXTENDED_OUTPUTS = 50
#: Cells of the first, coarse fits: enough to see the shape, few enough to be smooth in the matrix.
_COARSE_INTERVALS = 8
#: In a search that stops early the grid is refined while the best K is more than this share of it.
_EARLY_SHARE = 1.0 / 3.0
#: A choice of K within 35 % of the last one is kept.
_SAME_CHOICE = math.log(1.35)
#: What a parameter of the matrix counts for in the choice of the rank, see :func:`rank_criterion`.
_MATRIX_WEIGHT = 4.0 / 3.0


#: What a coefficient counts for in the choice of the number of cells, unless something else is asked for.
SELECTION_WEIGHT = 1.4


@dataclass(frozen=True)
class IntervalChoice:
    """Outcome of the search over ``K``.

    Book: :doc:`/book/estimator`.
    """

    n_intervals: int
    #: The candidates, increasing.
    candidates: NDArray[np.intp]
    #: Criterion of each candidate (an estimate of prediction risk plus noise variance).
    criterion: NDArray[np.float64]
    #: Whether the choice is the largest of several candidates although the search was extended as far as it
    #: may be: the best ``K`` may be larger.
    at_limit: bool = False
    #: The candidate that plain cross-validation takes, in which a coefficient counts for one.
    plain: int | None = None


@dataclass(frozen=True)
class RankChoice:
    """Outcome of the search over the rank.

    Book: :doc:`/book/price_of_not_knowing`.
    """

    rank: int
    #: The ranks tried, increasing.
    candidates: NDArray[np.intp]
    #: Criterion of each of them, see :func:`~pairint.estimation.selection.rank_criterion`; in a channel the
    #: mean squared error on samples left out.
    criterion: NDArray[np.float64]
    #: Number of cells with which each of them was judged.
    n_intervals: NDArray[np.intp]
    #: Whether the choice is the largest of several ranks that might be tried, and below ``d``: the best rank
    #: may be larger.
    at_limit: bool = False
    #: In a channel, standard errors of the differences of their criterion to that of the choice; else none.
    standard_error: NDArray[np.float64] | None = None

    @property
    def plausible(self) -> tuple[int, int] | None:
        """The smallest and the largest rank tried that is not called worse; ``None`` outside channels.

        The 95 % interval of its difference to the choice holds zero. These are intervals of single
        differences, to a choice that the same samples made: a hint, not a confidence interval of the rank.
        """
        if self.standard_error is None:
            return None
        chosen = float(self.criterion[self.candidates == self.rank][0])
        # A rank whose fit the channel does not admit has an infinite error, and is worse for sure.
        margin = 1.96 * np.where(np.isfinite(self.criterion), self.standard_error, 0.0)
        kept = self.candidates[self.criterion <= chosen + margin]
        return int(kept.min()), int(kept.max())


def generalised_cross_validation(residual: float, dof: float, n_rows: int) -> float:
    """Return ``n RSS / (n - dof)^2`` (infinite when the parameters outnumber the rows)."""
    if dof >= n_rows:
        return math.inf
    return n_rows * residual / (n_rows - dof) ** 2


def rank_criterion(residual: float, dof: float, n_matrix: int, n_rows: int) -> float:
    r"""Return the generalised cross-validation in which a parameter of the matrix counts for 4/3.

    Notes
    -----
    One rank too many fits the largest singular value of what noise leaves outside the row and column spaces:
    with :math:`q = d - r`, a Gaussian ``q x q`` matrix, whose largest singular value has a square of about
    :math:`(2\sqrt q)^2 = 4q` noise variances, while plain cross-validation charges two for each of the
    :math:`2q - 1` parameters: ``4q - 2``, the centring constant of what noise gains, exceeded in every sixth
    case. With the weight 4/3 the charge is :math:`\frac{16}{3} q`, to first order: the best hard threshold of
    singular values in squared error (Gavish and Donoho, "The optimal hard threshold for singular values is
    4/sqrt(3)", 2014).

    Book: :doc:`/book/price_of_not_knowing`.
    """
    return generalised_cross_validation(residual, dof + _MATRIX_WEIGHT * n_matrix, n_rows)


def coarse_intervals(n_rows: int, degree: int) -> int:
    """Return the number of cells of a first fit: enough to see the shape, few enough for the data."""
    return min(_COARSE_INTERVALS, max(1, n_rows // 10 - degree))


def nearly_equal(n_intervals: int, other: int) -> bool:
    """Say whether two choices of ``K`` differ by less than 35 %: then the earlier one is kept."""
    return abs(math.log(n_intervals / other)) < _SAME_CHOICE


def check_selection_weight(value: Any) -> float:
    """Return the checked weight of a coefficient in the choice of the number of cells."""
    return check_real("selection_weight", value, 1.0, 3.0)


def choose_intervals(
    problem: LeastSquaresProblem,
    left: Any,
    right: Any,
    interval: tuple[float, float] | None = None,
    *,
    weight: float = SELECTION_WEIGHT,
    early: bool = False,
) -> IntervalChoice:
    """Choose ``K`` for the matrix ``left right'`` by generalised cross-validation.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    problem : LeastSquaresProblem
        The data, the degree and the penalty.
    left, right : array_like, shape (d, r)
        Factors of the matrix.
    interval : (float, float), optional
        Ends of the splines' interval, the first below the second; by default what the scores fill.
    weight : float
        What a coefficient counts for in the criterion, from 1 to 3. One is cross-validation. The default is
        1.4: it takes fewer cells, and far too many less often; where many cells are needed it costs a few
        percent in the mean (Kim and Gu, "Smoothing spline Gaussian regression: more scalable computation via
        efficient approximation", 2004). Book: :doc:`/book/bands`.
    early : bool
        Stop early: begin with a grid of 60 cells, and refine it only while the best ``K`` is more than a
        third of it. Fewer numbers are tried, and the cost is that of the grid that is needed.

    Returns
    -------
    IntervalChoice

    Raises
    ------
    ValueError
        For factors of another shape, NaN, infinite or huge entries (above ``1e60``), or an empty interval.

    Notes
    -----
    The first candidates have at least ten outputs a coefficient, and at most ``2 sqrt(M N)`` coefficients.
    If the largest of them is the best, candidates of twice as many cells are added, again and again, while
    there are at least fifty outputs a coefficient or the first bounds hold, and up to 2880 cells.
    :class:`IntervalChoice` says if the search ended at such a bound.
    """
    check_instance("problem", problem, LeastSquaresProblem)
    left = check_floats("left", left, (problem.d, None), largest=LARGEST_NUMBER)
    right = check_floats("right", right, tuple(left.shape), largest=LARGEST_NUMBER)
    if interval is None:
        interval = problem.interval(left, right)
    lower, upper = map(float, check_floats("interval", interval, (2,), largest=1e300))
    weight = check_real("weight", weight, 1.0, 3.0)
    early = check_flag("early", early)
    if not lower < upper:
        raise ValueError(f"interval must have its first end below the second, got ({lower}, {upper})")
    # At least ten outputs a coefficient, and never finer than the roughest truth (beta = 1/2) deserves.
    largest = min(problem.n_rows / 10, 2 * math.sqrt(problem.n_rows))
    most = max(largest, problem.n_rows / _EXTENDED_OUTPUTS)
    deserved = _first_grid(problem, largest)
    grid = _GRIDS[-1] if early else deserved
    found: dict[int, tuple[float, float]] = {}
    while True:
        fine = SplineSpace(lower, upper, grid, problem.degree)
        equations = problem.equations(left, right, fine, in_cache=early)
        found |= _criteria(problem, equations, fine, largest, found, weight)
        candidates = sorted(found)
        criterion, plain = zip(*(found[k] for k in candidates), strict=True)
        best = candidates[int(np.argmin(criterion))]
        if best > _EARLY_SHARE * grid and 2 * grid <= deserved:
            grid *= 2
            continue
        at_limit = len(candidates) > 1 and best == candidates[-1]
        if not at_limit or 2 * best + problem.degree > most or 2 * grid > _LARGEST_GRID:
            by_one = candidates[int(np.argmin(plain))]
            return IntervalChoice(best, np.array(candidates, np.intp), np.array(criterion), at_limit, by_one)
        largest = max(largest, 2 * best + problem.degree)
        grid *= 2


def _first_grid(problem: LeastSquaresProblem, largest: float) -> int:
    """Return the finest grid that the data deserve and the budget allows, the coarsest at least."""
    per_row = (problem.n_tokens - 1) * (problem.degree + 1)
    for size in _GRIDS:
        cost = problem.n_rows * min(25.0 * per_row**2, 2.0 * (size + problem.degree) ** 2)
        if size <= 4 * largest and cost <= _FLOP_BUDGET:
            return size
    return _GRIDS[-1]


def _criteria(
    problem: LeastSquaresProblem,
    equations: NormalEquations,
    fine: SplineSpace,
    largest: float,
    known: Container[int],
    weight: float,
) -> dict[int, tuple[float, float]]:
    """Return the criterion of each ``K`` that divides the grid, is not known yet and has few enough cells.

    And that of plain cross-validation.
    """
    criteria = {}
    grid, n_rows = fine.n_intervals, problem.n_rows
    for n_intervals in (k for k in range(1, grid + 1) if grid % k == 0 and k not in known):
        if n_intervals > 1 and n_intervals + fine.degree > largest:
            break
        space, embedding = fine.coarsen(grid // n_intervals)
        solution = solve_inner(equations.restricted(sparse.csr_matrix(embedding)), space, problem.penalty)
        weighted, plain = (
            generalised_cross_validation(solution.residual, w * solution.dof + problem.n_matrix, n_rows)
            for w in (weight, 1.0)
        )
        criteria[n_intervals] = weighted, plain
    return criteria
