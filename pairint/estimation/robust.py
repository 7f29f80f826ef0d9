r"""Outputs of which some are wrong: Huber's loss by reweighted least squares.

Huber's loss of a residual is its square up to a limit and grows linearly beyond,

.. math:: \rho(e) = e^2 \;\text{ for } |e| \le L, \qquad 2 L |e| - L^2 \;\text{ beyond}, \qquad L = 1.345\, s,

with the scale :math:`s` of the residuals measured by their median. At a fit with residuals ``e`` the squares
with weights :math:`\min(1, L / |e|)`, plus a constant, touch the loss from above: a step that lowers the
weighted squares lowers the loss. The limit 1.345 keeps 95 % of the efficiency under Gaussian noise (Huber,
"Robust estimation of a location parameter", 1964).

The number of cells is not chosen by the weighted squares, in which an outlier still counts for more than its
share, but on outputs that are pulled in to the limit: the fit plus :math:`\max(-L, \min(L, e))`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pairint.backend import array_namespace
from pairint.estimation.inner import factor_average
from pairint.estimation.problem import LeastSquaresProblem, OuterState
from pairint.estimation.selection import IntervalChoice, choose_intervals, nearly_equal
from pairint.steps import steps

__all__ = ["LOSSES", "RobustFit", "huber_fit", "pulled_in", "residual_scale"]

#: The kinds of loss that a regressor may be asked for.
LOSSES = ("squared_error", "huber")
#: Limit of the squares, in units of the scale: 95 % efficiency under Gaussian noise.
_LIMIT = 1.345
#: The median of the absolute value of a standard Gaussian variable is one over this.
_NORMAL_MEDIAN = 1.482602218505602
#: Before there is a fit, outputs are pulled in to so many scales around their median.
_FIRST_LIMIT = 4.0
#: Rounds in which the scale and the number of cells are found again, and rounds in all.
_N_CHOICES, _MOST_ROUNDS = 4, 60
#: The smallest scale, relative to that of the outputs: exact data have none.
_SMALLEST_SCALE = 1e-9


@dataclass(frozen=True)
class RobustFit:
    """Where the reweighting ends."""

    stages: list[OuterState]
    selection: IntervalChoice | None
    #: Scale of the residuals: the standard deviation of Gaussian noise.
    scale: float
    #: Sum of the losses.
    loss: float
    #: Whether the residual of an output lies beyond the limit, and the outputs pulled in to it, ``(M, N)``.
    outliers: Any
    outputs: Any
    converged: bool

    @property
    def state(self) -> OuterState:
        """The last fit."""
        return self.stages[-1]


def residual_scale(residual: Any) -> float:
    """Return the median of the absolute residuals times 1.4826: the standard deviation, if Gaussian."""
    return _NORMAL_MEDIAN * float(array_namespace(residual).median(abs(residual)))


def pulled_in(Y: Any, weight: Any = None) -> Any:
    """Return the outputs pulled in to four scales around their median: the first view of them.

    Those of weight zero do not count. If the scale is zero, the outputs come back as they are.
    """
    xp = array_namespace(Y)
    counted = _counted(Y, weight)
    centre = float(xp.median(counted))
    scale = residual_scale(counted - centre)
    return Y if scale == 0.0 else xp.clip(Y, centre - _FIRST_LIMIT * scale, centre + _FIRST_LIMIT * scale)


def huber_fit(
    problem: LeastSquaresProblem,
    state: OuterState,
    step: Callable[[LeastSquaresProblem, OuterState, int], OuterState],
    n_intervals: int | None,
    tol: float,
    weight: float,
) -> RobustFit:
    """Lower Huber's loss from a fit on.

    Parameters
    ----------
    problem : LeastSquaresProblem
        The data; its weights multiply the squares of small residuals.
    state : OuterState
        A fit to begin with.
    step : callable
        ``step(problem, state, n_intervals)`` returns a fit of the weighted squares.
    n_intervals : int or None
        Number of cells; ``None`` to choose.
    tol : float
        Stop when a round lowers the sum of the losses by less than ``tol`` squared scales.
    weight : float
        What a coefficient counts for in that choice.

    Notes
    -----
    The scale is found again in the first rounds and held afterwards. From then on the loss falls from round
    to round, while the cells stay the same, but for what the penalty gains.
    """
    xp = array_namespace(problem.Y)
    root: Any = 1.0 if problem.weight is None else xp.sqrt(problem.weight)
    counted = _counted(problem.Y, problem.weight)
    smallest = max(_SMALLEST_SCALE * residual_scale(counted - float(xp.median(counted))), 1e-300)
    scale, selection, held = 0.0, None, False
    stages: list[OuterState] = []
    loss, converged = np.inf, False
    for round_ in steps(range(_MOST_ROUNDS + 1), "rounds", most=True):
        average = factor_average(state.spline, problem.X, state.left, state.right)
        residual = root * (problem.Y - average)
        if not held:
            before, scale = scale, max(residual_scale(_counted(residual, problem.weight)), smallest)
            loss, held = np.inf, round_ >= _N_CHOICES or abs(scale - before) < 1e-3 * scale
        limit = _LIMIT * scale
        size = abs(residual)
        beyond = size > limit
        factor = limit / xp.maximum(size, limit)
        view = average + factor * (problem.Y - average)
        previous, loss = loss, float(xp.where(beyond, 2 * limit * size - limit**2, size**2).sum())
        if previous - loss < tol * scale**2 and stages:
            converged = stages[-1].converged
            break
        if round_ == _MOST_ROUNDS:
            break
        cells = n_intervals or state.space.n_intervals
        if n_intervals is None and round_ < _N_CHOICES:
            selection = choose_intervals(replace(problem, Y=view), state.left, state.right, weight=weight)
            if not (stages and nearly_equal(selection.n_intervals, cells)):
                cells = selection.n_intervals
        if cells != state.space.n_intervals:
            loss = np.inf  # losses on different cells are not compared
        state = step(replace(problem, weight=problem.weighted(factor)), state, cells)
        stages.append(state)
    return RobustFit(stages, selection, scale, loss, beyond, view, converged)


def _counted(residual: Any, weight: Any) -> Any:
    return residual if weight is None else residual[weight > 0]
