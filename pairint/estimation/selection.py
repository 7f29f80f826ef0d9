r"""How many cells: ``K`` chosen from the data by generalised cross-validation.

The spaces on ``K`` cells, ``K`` running over the divisors of a fine grid, are all subspaces of the
space on the fine grid. One pass over the data gives the fine Gram matrix; every coarser one is
:math:`R^\top G R` with the refinement matrix :math:`R`, exactly.

How fine the first grid is depends on the cost of its Gram matrix and on the number of outputs. If the best
``K`` is the largest one tried, the grid is refined and the search goes on: a pass for twice as many cells
costs at most four times as much, so that all of them together cost little more than the last one, and no
more than a few fits with the ``K`` that is found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pairint.estimation.factors import score_range
from pairint.estimation.inner import normal_equations, solve_inner
from pairint.estimation.problem import Problem
from pairint.model.splines import SplineSpace
from pairint.validation import check_array

__all__ = ["IntervalChoice", "choose_intervals", "generalised_cross_validation"]

#: Highly composite grids. From 1 to 2, and from half the grid to the grid, the divisors grow by a factor of
#: two; between these by at most 1.5 (on 60 cells: 6 to 10).
_GRIDS = (720, 360, 240, 120, 60)
#: Operations that the first grid may cost.
_FLOP_BUDGET = 4e10
#: The finest grid that a search is extended to: some hundred megabytes, some seconds of linear algebra.
_LARGEST_GRID = 2880
#: Fewest outputs a coefficient in an extended search.
_EXTENDED_OUTPUTS = 50


@dataclass(frozen=True)
class IntervalChoice:
    """Outcome of the search over ``K``.

    Book: :doc:`/book/estimator`.
    """

    n_intervals: int
    #: The candidates, increasing.
    candidates: NDArray[np.int64]
    #: Criterion of each candidate (an estimate of prediction risk plus noise variance).
    criterion: NDArray[np.float64]
    #: Whether the choice is the largest of several candidates although the search was extended as far as it
    #: may be: the best ``K`` may be larger.
    at_limit: bool = False


def generalised_cross_validation(residual: float, dof: float, n_rows: int) -> float:
    """Return ``n RSS / (n - dof)^2`` (infinite when the parameters outnumber the rows)."""
    if dof >= n_rows:
        return math.inf
    return n_rows * residual / (n_rows - dof) ** 2


def choose_intervals(problem: Problem, left: Any, right: Any) -> IntervalChoice:
    """Choose ``K`` for the matrix ``left right'`` by generalised cross-validation.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    problem : Problem
    left, right : array, shape (d, r)

    Returns
    -------
    IntervalChoice

    Notes
    -----
    The splines live on the interval that the scores fill. The first candidates have at least ten outputs a
    coefficient, and at most ``2 sqrt(M N)`` coefficients. If the largest of them is the best, candidates of
    twice as many cells are added, again and again, while there are at least fifty outputs a coefficient or
    the first bounds hold, and up to 2880 cells. :class:`IntervalChoice` says if the search ended at such a
    bound.
    """
    X, Y, degree = problem.X, problem.Y, problem.degree
    left = check_array("left", left, (problem.d, None))
    right = check_array("right", right, tuple(left.shape))
    lower, upper = score_range(X, left, right)
    n_rows = problem.n_rows
    # At least ten outputs a coefficient, and never finer than the roughest truth (beta = 1/2) deserves.
    largest = min(n_rows / 10, 2 * math.sqrt(n_rows))
    most = max(largest, n_rows / _EXTENDED_OUTPUTS)
    grid = _first_grid(problem, largest)
    found: dict[int, float] = {}
    while True:
        fine = SplineSpace(lower, upper, grid, degree)
        equations = normal_equations(X, Y, left, right, fine)
        for n_intervals in (k for k in range(1, grid + 1) if grid % k == 0 and k not in found):
            if n_intervals > 1 and n_intervals + degree > largest:
                break
            space, embedding = fine.coarsen(grid // n_intervals)
            solution = solve_inner(equations.restricted(sparse.csr_matrix(embedding)), space, problem.penalty)
            found[n_intervals] = generalised_cross_validation(
                solution.residual, solution.dof + problem.n_matrix, n_rows
            )
        candidates = sorted(found)
        criterion = [found[k] for k in candidates]
        best = candidates[int(np.argmin(criterion))]
        at_limit = len(candidates) > 1 and best == candidates[-1]
        if not at_limit or 2 * best + degree > most or 2 * grid > _LARGEST_GRID:
            return IntervalChoice(best, np.array(candidates), np.array(criterion), at_limit)
        largest = max(largest, 2 * best + degree)
        grid *= 2


def _first_grid(problem: Problem, largest: float) -> int:
    """Return the finest grid that is affordable, and not much finer than the largest candidate."""
    per_row = (problem.X.shape[1] - 1) * (problem.degree + 1)
    for size in _GRIDS:
        cost = problem.n_rows * min(25.0 * per_row**2, 2.0 * (size + problem.degree) ** 2)
        if size <= 4 * largest and cost <= _FLOP_BUDGET:
            return size
    return _GRIDS[-1]
