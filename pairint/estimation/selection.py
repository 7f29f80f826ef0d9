r"""How many cells: ``K`` chosen from the data by generalised cross-validation.

The spaces on ``K`` cells, ``K`` running over the divisors of a fine grid, are all subspaces of the
space on the fine grid. One pass over the data gives the fine Gram matrix; every coarser one is
:math:`R^\top G R` with the refinement matrix :math:`R`, exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pairint.estimation.inner import normal_equations, solve_inner
from pairint.model.splines import SplineSpace

__all__ = ["IntervalChoice", "choose_intervals", "generalised_cross_validation"]

#: Highly composite grids: the divisors grow by factors of at most 1.5.
_GRIDS = (720, 360, 240, 120, 60)
_FLOP_BUDGET = 4e10


@dataclass(frozen=True)
class IntervalChoice:
    """Outcome of the search over ``K``."""

    n_intervals: int
    #: The candidates, increasing.
    candidates: NDArray[np.int64]
    #: Criterion of each candidate (an estimate of prediction risk plus noise variance).
    criterion: NDArray[np.float64]


def generalised_cross_validation(residual: float, dof: float, n_rows: int) -> float:
    """Return ``n RSS / (n - dof)^2`` (infinite when the parameters outnumber the rows)."""
    if dof >= n_rows:
        return math.inf
    return n_rows * residual / (n_rows - dof) ** 2


def choose_intervals(
    X: Any,
    Y: Any,
    left: Any,
    right: Any,
    lower: float,
    upper: float,
    degree: int,
    penalty: float,
    n_other: int = 0,
) -> IntervalChoice:
    """Choose ``K`` for the matrix ``left right'`` by generalised cross-validation.

    Parameters
    ----------
    X, Y : array, shapes (M, N, d), (M, N)
    left, right : array, shape (d, r)
    lower, upper : float
        Interval of the splines.
    degree : int
    penalty : float
        See :func:`pairint.estimation.inner.solve_inner`.
    n_other : int
        Parameters that were fitted besides the spline (those of the matrix).
    """
    n_samples, n_tokens = Y.shape
    n_rows = n_samples * n_tokens
    per_row = (n_tokens - 1) * (degree + 1)
    # At least ten outputs a coefficient, and never finer than the roughest truth (beta = 1/2) deserves.
    largest = min(n_rows / 10, 2 * math.sqrt(n_rows))
    grid = _GRIDS[-1]
    for size in _GRIDS:
        cost = n_rows * min(25.0 * per_row**2, 2.0 * (size + degree) ** 2)
        if size <= 4 * largest and cost <= _FLOP_BUDGET:
            grid = size
            break
    fine = SplineSpace(lower, upper, grid, degree)
    equations = normal_equations(X, Y, left, right, fine)
    candidates, criterion = [], []
    for n_intervals in (k for k in range(1, grid + 1) if grid % k == 0):
        if n_intervals > 1 and n_intervals + degree > largest:
            break
        space, embedding = fine.coarsen(grid // n_intervals)
        solution = solve_inner(equations.restricted(sparse.csr_matrix(embedding)), space, penalty)
        candidates.append(n_intervals)
        criterion.append(generalised_cross_validation(solution.residual, solution.dof + n_other, n_rows))
    best = candidates[int(np.argmin(criterion))]
    return IntervalChoice(best, np.array(candidates), np.array(criterion))
