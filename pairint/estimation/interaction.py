"""The estimator: empirical risk minimisation over low-rank matrices and splines."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from pairint.estimation.base import (
    COARSE_INTERVALS,
    PairwiseRegressor,
    check_enough_data,
    check_spline_parameters,
    matrix_parameters,
    nearly_the_same,
    normalise,
    warn_at_limit,
    whiten,
)
from pairint.estimation.factors import score_range
from pairint.estimation.gauss_newton import levenberg_marquardt
from pairint.estimation.initial import STARTS, starting_factors
from pairint.estimation.problem import Problem, State
from pairint.estimation.selection import IntervalChoice, choose_intervals
from pairint.model.splines import SplineSpace
from pairint.validation import check_choice, check_integer, check_real, check_rng

__all__ = ["InteractionRegressor"]

_N_RANDOM = 2
#: Samples that the starts are computed from (more for many parameters).
_N_START = 10_000
#: Gauss-Newton steps spent on each start before the best is kept.
_TRIAL_STEPS = 2
#: Rounds of choosing K.
_N_CHOICES = 4


class InteractionRegressor(PairwiseRegressor):
    r"""Learn :math:`g(x, y) = \varphi(x^\top A y)` from outputs averaged over pairs.

    Book: :doc:`/book/estimator`.

    Minimises the empirical risk
    :math:`\frac{1}{MN}\sum_{m,i} |Y_{mi} - \frac{1}{N-1}\sum_{j \ne i}\varphi(X_{mi}^\top A X_{mj})|^2`
    over matrices of rank ``rank`` and splines of degree ``degree`` on ``n_intervals`` equal cells, by
    variable projection and Levenberg-Marquardt, from coarse splines to fine ones.

    Parameters
    ----------
    rank : int
        Rank ``r`` of the matrix, ``1 <= r <= d``.
    degree : int
        Degree ``s >= 1`` of the splines. To attain the rate for Hölder index ``beta`` take
        ``s >= beta - 1``.
    n_intervals : int or "auto"
        Number ``K`` of cells. ``"auto"`` chooses by generalised cross-validation, see
        :func:`~pairint.estimation.choose_intervals` for the numbers tried; a choice that is the largest of
        them gives a warning.
    penalty : float
        Weight ``>= 0`` of the squared second differences of the coefficients, in units of
        observations. It settles cells that almost no score visits and leaves the others alone.
    start : {"auto", "linear", "quadratic", "random"}
        Starting matrix, see :mod:`pairint.estimation.initial`; ``"auto"`` tries all and keeps the best
        after a few coarse steps.
    n_starts : int
        Number of random starts tried besides the others (``"auto"``) or in all (``"random"``).
    max_iter : int
        Largest number of Gauss-Newton steps in each of the stages.
    tol : float
        A stage stops when the next step is predicted to lower the residual sum of squares by less
        than ``tol`` noise variances; fitting pure noise lowers it by one for each parameter.
    random_state : None, int, SeedSequence or Generator
        For random starts only.

    Attributes
    ----------
    matrix_ : array, shape (d, d)
        Fitted matrix, of rank ``r``. **Convention:** only ``g`` is identified; ``matrix_`` has
        Frobenius norm 1, and its entry of largest absolute value is positive. Scale and sign live in
        ``activation_``.
    activation_ : Spline
        Fitted activation: call it, or its ``derivative``.
    n_intervals_ : int
        Number of cells used.
    dof_ : float
        Effective number of fitted parameters: the trace of the hat matrix of the spline, plus
        ``r (2 d - r) - 1`` for the matrix up to scale.
    risk_ : float
        Mean squared residual at the fit.
    noise_std_ : float
        Estimate of the noise's standard deviation, corrected for the fitted parameters.
    history_ : list of dict
        One entry per accepted step: ``stage`` (0 is coarse, on a subsample), ``iteration``,
        ``n_intervals``, ``risk_before``, ``risk``, ``damping``, ``predicted_decrease``.
    n_iter_ : int
        Number of accepted steps.
    converged_ : bool
        Whether the last stage met ``tol``.
    selection_ : IntervalChoice or None
        The candidates for ``K`` and their criterion.

    Notes
    -----
    Source: the estimator of "Minimax Rates for Learning Pairwise Interactions in Attention-Style
    Models" (Section 3), with continuous splines in place of unconnected polynomial pieces.
    """

    def __init__(
        self,
        rank: int = 1,
        degree: int = 3,
        n_intervals: int | str = "auto",
        *,
        penalty: float = 0.1,
        start: str = "auto",
        n_starts: int = _N_RANDOM,
        max_iter: int = 50,
        tol: float = 1e-2,
        random_state: Any = None,
    ) -> None:
        self.rank = rank
        self.degree = degree
        self.n_intervals = n_intervals
        self.penalty = penalty
        self.start = start
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, Y: Any) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array_like, shape (M, N, d)
            Tokens; NumPy or CuPy.
        Y : array_like, shape (M, N)
            Outputs.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For wrong shapes, NaN, infinite or huge entries (above ``1e60``), ``N < 2``, a rank outside
            ``1 .. d``, or fewer outputs than parameters.

        Warns
        -----
        ConvergenceWarning
            If the last stage stopped at ``max_iter``.
        UserWarning
            If ``n_intervals="auto"`` chose the largest ``K`` that it may try.
        """
        X, Y = self._check_data(X, Y)
        rank = check_integer("rank", self.rank, 1, X.shape[2])
        degree, n_intervals, penalty = check_spline_parameters(
            self.degree, self.n_intervals, self.penalty, least_degree=1
        )
        check_choice("start", self.start, STARTS)
        check_integer("n_starts", self.n_starts, 0)
        check_integer("max_iter", self.max_iter, 1)
        check_real("tol", self.tol, 0.0, exclusive_minimum=True)
        rng = check_rng(self.random_state, "random_state")
        n_matrix = matrix_parameters(X.shape[2], rank)
        check_enough_data(Y.shape[0] * Y.shape[1], n_matrix + (n_intervals or 1) + degree, Y.shape[0])

        whitened, back = whiten(X)
        problem = Problem(whitened, Y, degree, penalty, n_matrix)
        coarse = self._coarse(problem, rank, n_intervals, rng)
        state, selection = self._refine(problem, coarse, n_intervals)
        self._store(problem, state, back, selection)
        if not self.converged_:
            warnings.warn(
                f"the fit stopped after max_iter = {self.max_iter} steps without meeting tol = {self.tol}; "
                "raise max_iter, give more data, lower n_intervals, or try another start",
                ConvergenceWarning,
                stacklevel=2,
            )
        warn_at_limit(selection)
        return self

    def _loose(self, problem: Problem) -> float:
        """Tolerance on the way: a twentieth of the noise variance for each parameter of the matrix."""
        return max(float(self.tol), 0.05 * problem.n_matrix)

    def _coarse(
        self, problem: Problem, rank: int, n_intervals: int | None, rng: np.random.Generator
    ) -> State:
        """Fit a subsample with few cells: a few steps from every start, to the end from the best."""
        most = max(1, problem.n_rows // 10 - problem.degree)
        cells = min(COARSE_INTERVALS, n_intervals or COARSE_INTERVALS, most)
        n_samples = min(problem.Y.shape[0], max(2000, problem.samples_for(cells, 30)))
        first = problem.head(max(n_samples, _N_START))
        starts = starting_factors(first.X, first.Y, rank, self.start, self.n_starts, rng)
        part = problem.head(n_samples)
        tol = self._loose(problem)

        def run(left: Any, right: Any, steps: int) -> State:
            return levenberg_marquardt(part, left, right, part.space(left, right, cells), steps, tol)

        if len(starts) == 1 or problem.d == 1:
            return run(*starts[0], self.max_iter)
        best = min((run(*start, _TRIAL_STEPS) for start in starts), key=lambda s: s.inner.residual)
        finished = run(best.left, best.right, self.max_iter)
        return replace(finished, history=best.history + finished.history)

    def _refine(
        self, problem: Problem, state: State, n_intervals: int | None
    ) -> tuple[State, IntervalChoice | None]:
        """Fit all the data, with more and more cells.

        A better matrix can ask for another ``K``: it is chosen again.
        """
        history = _staged(0, state.history)
        selection, current, stage = None, state.space.n_intervals, 0
        for choice in range(_N_CHOICES):
            lower, upper = score_range(problem.X, state.left, state.right)
            if n_intervals is None:
                selection = choose_intervals(problem, state.left, state.right)
                target = selection.n_intervals
            else:
                target = n_intervals
            if choice > 0 and nearly_the_same(target, current):
                break
            for cells in [target] if problem.d == 1 else _doubling(current, target):
                final = cells == target
                # On the way, so many outputs a parameter that the matrix resolves the next cells.
                part = problem if final else problem.head(problem.samples_for(cells, 200))
                space = SplineSpace(lower, upper, cells, problem.degree)
                tol = self.tol if final else self._loose(problem)
                state = levenberg_marquardt(part, state.left, state.right, space, self.max_iter, tol)
                stage += 1
                history += _staged(stage, state.history)
            current = target
            if problem.d == 1 or n_intervals is not None:
                break
        return replace(state, history=history), selection

    def _store(self, problem: Problem, state: State, back: Any, selection: IntervalChoice | None) -> None:
        """Set the attributes of the fit."""
        self.matrix_, self.activation_ = normalise(back @ state.matrix @ back.T, state.spline)
        self.n_intervals_ = state.space.n_intervals
        self.selection_ = selection
        self.dof_ = state.inner.dof + problem.n_matrix
        self.risk_ = state.inner.residual / problem.n_rows
        freedom = problem.n_rows - self.dof_
        self.noise_std_ = math.sqrt(state.inner.residual / freedom) if freedom > 0 else math.nan
        self.history_ = state.history
        self.n_iter_ = len(state.history)
        self.converged_ = state.converged


def _doubling(current: int, target: int) -> Iterator[int]:
    """Yield how ``K`` doubles on its way to the chosen one.

    No fine structure of the activation then meets a matrix too crude to resolve it.
    """
    while True:
        current = min(target, 2 * current)
        yield current
        if current == target:
            return


def _staged(stage: int, entries: list[dict[str, float]]) -> list[dict[str, float]]:
    return [{"stage": float(stage), **entry} for entry in entries]
