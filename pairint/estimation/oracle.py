"""The oracle: the fit of the activation when the matrix is known."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, Self

from sklearn.exceptions import ConvergenceWarning

from pairint.backend import array_namespace, to_device
from pairint.estimation.base import (
    check_enough_data,
    check_spline_parameters,
    fit_threads,
    warn_at_limit,
)
from pairint.estimation.diagnosis import Diagnosable
from pairint.estimation.problem import LeastSquaresProblem, OuterState, score_range
from pairint.estimation.robust import LOSSES, huber_fit, pulled_in
from pairint.estimation.selection import SELECTION_WEIGHT, check_selection_weight, choose_intervals
from pairint.model.splines import SplineSpace
from pairint.validation import check_choice, check_floats, check_real

__all__ = ["OracleRegressor"]


class OracleRegressor(Diagnosable):
    """The fit of the activation alone, the matrix being known: the yardstick of every comparison.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    matrix : array_like, shape (d, d)
        The true interaction matrix.
    degree, n_intervals, penalty, tol, loss, selection_weight
        As in :class:`~pairint.estimation.InteractionRegressor`; ``degree >= 0``, and ``tol`` serves
        ``loss="huber"`` only.

    Attributes
    ----------
    activation_, n_intervals_, dof_, risk_, noise_std_, outliers_, selection_
        As in :class:`~pairint.estimation.InteractionRegressor`; ``matrix_`` is the given matrix, unscaled.
    """

    def __init__(
        self,
        matrix: Any,
        degree: int = 3,
        n_intervals: int | str = "auto",
        *,
        penalty: float = 0.1,
        tol: float = 1e-2,
        loss: str = "squared_error",
        selection_weight: float = SELECTION_WEIGHT,
    ) -> None:
        self.matrix = matrix
        self.degree = degree
        self.n_intervals = n_intervals
        self.penalty = penalty
        self.tol = tol
        self.loss = loss
        self.selection_weight = selection_weight

    def fit(self, X: Any, Y: Any, sample_weight: Any = None) -> Self:
        """Fit the activation to tokens ``X (M, N, d)`` and outputs ``Y (M, N)``, with weights of these.

        Raises
        ------
        ValueError
            For wrong shapes, NaN, infinite or huge entries (above ``1e60``), ``N < 2``, a parameter out of
            range, weights that are negative or all zero, or fewer outputs than parameters.

        Warns
        -----
        ConvergenceWarning
            If the reweighting for Huber's loss did not end.
        UserWarning
            If ``n_intervals="auto"`` chose the largest ``K`` that it may try.
        """
        X, Y, weight = self._check_weighted_data(X, Y, sample_weight)
        d = X.shape[2]
        matrix = check_floats("matrix", self.matrix, (d, d))
        degree, n_intervals, penalty = check_spline_parameters(self.degree, self.n_intervals, self.penalty)
        tol = check_real("tol", self.tol, 0.0, exclusive_minimum=True)
        check_choice("loss", self.loss, LOSSES)
        selection_weight = check_selection_weight(self.selection_weight)
        problem = LeastSquaresProblem(X, Y, degree, penalty, weight=weight)
        check_enough_data(problem.n_rows, (n_intervals or 1) + degree, Y.shape[0])
        left, right = to_device(matrix, X), array_namespace(X).eye(d)
        selection, residual, scale, outliers, converged = None, None, None, None, True
        with fit_threads(d):
            view = replace(problem, Y=pulled_in(Y, weight)) if self.loss == "huber" else problem
            lower, upper = score_range(X, left, right)

            def solve(problem: LeastSquaresProblem, state: OuterState | None, n_intervals: int) -> OuterState:
                state = problem.solve(left, right, SplineSpace(lower, upper, n_intervals, degree))
                return replace(state, converged=True)

            cells = n_intervals
            if cells is None:
                selection = choose_intervals(view, left, right, (lower, upper), weight=selection_weight)
                cells = selection.n_intervals
            state = solve(view, None, cells)
            if self.loss == "huber":
                robust = huber_fit(problem, state, solve, n_intervals, tol, selection_weight)
                state, selection = robust.state, robust.selection or selection
                residual, scale, outliers = robust.loss, robust.scale, robust.outliers
                converged = robust.converged
        self._store_fit(matrix, state.spline, problem, state, selection, residual, scale)
        self.outliers_ = outliers
        if not converged:
            warnings.warn(
                f"the reweighting for Huber's loss did not meet tol = {tol}; raise tol, or give more data",
                ConvergenceWarning,
                stacklevel=2,
            )
        warn_at_limit(selection)
        return self
