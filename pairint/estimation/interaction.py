"""The estimator: empirical risk minimisation over low-rank matrices and splines."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from sklearn.exceptions import ConvergenceWarning

from pairint.estimation.base import (
    PairwiseRegressor,
    check_enough_data,
    check_spline_parameters,
    matrix_parameters,
    normal_form,
    warn_at_limit,
    whiten,
)
from pairint.estimation.gauss_newton import levenberg_marquardt
from pairint.estimation.initial import STARTS, starting_factors
from pairint.estimation.problem import LeastSquaresProblem, OuterState, score_range
from pairint.estimation.selection import IntervalChoice, choose_intervals, coarse_intervals, nearly_equal
from pairint.model.splines import SplineSpace
from pairint.validation import check_choice, check_integer, check_real, check_rng

__all__ = ["InteractionRegressor"]

_N_RANDOM = 2
#: Samples that the starts are computed from, and that the coarse fits see (more for many parameters).
_N_START, _N_COARSE = 10_000, 2000
#: Gauss-Newton steps spent on each start before the best is kept.
_TRIAL_STEPS = 2
#: Rounds of choosing K.
_N_CHOICES = 4


class InteractionRegressor(PairwiseRegressor):
    r"""The estimator of :math:`g(x, y) = \varphi(x^\top A y)` from outputs averaged over pairs.

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
        Effective number of spline coefficients, the trace of the hat matrix with the matrix held: at most
        ``n_intervals_ + degree``, less where the penalty outweighs the data.
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
        d = X.shape[2]
        rank = check_integer("rank", self.rank, 1, d)
        degree, n_intervals, penalty = check_spline_parameters(
            self.degree, self.n_intervals, self.penalty, least_degree=1
        )
        check_choice("start", self.start, STARTS)
        n_starts = check_integer("n_starts", self.n_starts, 0)
        max_iter = check_integer("max_iter", self.max_iter, 1)
        tol = check_real("tol", self.tol, 0.0, exclusive_minimum=True)
        rng = check_rng(self.random_state, "random_state")
        n_matrix = matrix_parameters(d, rank)
        check_enough_data(Y.shape[0] * Y.shape[1], n_matrix + (n_intervals or 1) + degree, Y.shape[0])

        whitened, back = whiten(X)
        problem = LeastSquaresProblem(whitened, Y, degree, penalty, n_matrix)
        search = _Search(problem, n_intervals, max_iter, tol)
        sample = search.subsample(_N_START)
        state = search.coarse(starting_factors(sample.X, sample.Y, rank, self.start, n_starts, rng))
        stages, selection = search.refine(state)
        self._store(problem, back, [state, *stages], selection)
        if not self.converged_:
            warnings.warn(
                f"the fit stopped after max_iter = {max_iter} steps without meeting tol = {tol}; "
                "raise max_iter, give more data, lower n_intervals, or try another start",
                ConvergenceWarning,
                stacklevel=2,
            )
        warn_at_limit(self.selection_)
        return self

    def _store(
        self,
        problem: LeastSquaresProblem,
        back: Any,
        stages: list[OuterState],
        selection: IntervalChoice | None,
    ) -> None:
        state = stages[-1]
        matrix = back @ (state.left @ state.right.T) @ back.T
        self.matrix_, self.activation_ = normal_form(matrix, state.spline)
        self._store_spline(problem, state, selection)
        self.history_ = [
            {"stage": float(stage), **entry}
            for stage, fitted in enumerate(stages)
            for entry in fitted.history
        ]
        self.n_iter_ = len(self.history_)
        self.converged_ = state.converged


@dataclass(frozen=True)
class _Search:
    """The way to the minimum: coarse on a subsample, then fine on all the data."""

    problem: LeastSquaresProblem
    #: Number of cells, or ``None`` if the data are to choose it.
    n_intervals: int | None
    max_iter: int
    tol: float

    @property
    def loose(self) -> float:
        """Tolerance of all stages but the last."""
        return max(self.tol, 0.05 * self.problem.n_matrix)

    @property
    def coarse_cells(self) -> int:
        """Number of cells of the first stage."""
        cells = coarse_intervals(self.problem.n_rows, self.problem.degree)
        return min(cells, self.n_intervals or cells)

    def subsample(self, least: int) -> LeastSquaresProblem:
        """Return the first samples: so many, or more for many parameters."""
        return self.problem.first(max(least, self._samples(30, self.coarse_cells)))

    def coarse(self, starts: list[tuple[Any, Any]]) -> OuterState:
        """Run a few steps from every start, with few cells, and finish from the best."""
        problem = self.subsample(_N_COARSE)

        def run(left: Any, right: Any, steps: int) -> OuterState:
            space = problem.space(left, right, self.coarse_cells)
            return levenberg_marquardt(problem, left, right, space, steps, self.loose)

        if len(starts) == 1:
            return run(*starts[0], self.max_iter)
        best = min((run(*start, _TRIAL_STEPS) for start in starts), key=lambda s: s.inner.residual)
        finished = run(best.left, best.right, self.max_iter)
        return replace(finished, history=best.history + finished.history)

    def refine(self, state: OuterState) -> tuple[list[OuterState], IntervalChoice | None]:
        """Go on with all the data and the final number of cells; return the stages and the choice.

        A better matrix can ask for another ``K``: it is chosen again, until the choice stands.
        """
        selection = None
        stages: list[OuterState] = []
        for _ in range(_N_CHOICES):
            lower, upper = score_range(self.problem.X, state.left, state.right)
            if self.n_intervals is None:
                selection = choose_intervals(self.problem, state.left, state.right, (lower, upper))
                target = selection.n_intervals
            else:
                target = self.n_intervals
            if stages and nearly_equal(target, state.space.n_intervals):
                break
            stages.extend(self.descend(state, lower, upper, target))
            state = stages[-1]
            if self.problem.d == 1 or self.n_intervals is not None:
                break
        return stages, selection

    def descend(self, state: OuterState, lower: float, upper: float, target: int) -> Iterator[OuterState]:
        """Double ``K`` up to the target, so that no fine structure meets a matrix too crude to resolve it."""
        cells = state.space.n_intervals
        while True:
            cells = target if self.problem.d == 1 else min(target, 2 * cells)
            final = cells == target
            # On the way, so many outputs a parameter that the matrix resolves the next cells.
            problem = self.problem if final else self.problem.first(self._samples(200, cells))
            space = SplineSpace(lower, upper, cells, problem.degree)
            tol = self.tol if final else self.loose
            state = levenberg_marquardt(problem, state.left, state.right, space, self.max_iter, tol)
            yield state
            if final:
                return

    def _samples(self, per_parameter: int, n_intervals: int) -> int:
        """Return how many samples hold so many outputs a parameter."""
        n_parameters = self.problem.n_matrix + n_intervals + self.problem.degree
        return math.ceil(per_parameter * n_parameters / self.problem.Y.shape[1])
