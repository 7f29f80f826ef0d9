"""The oracle: the fit of the activation when the matrix is known."""

from __future__ import annotations

from typing import Any, Self

from pairint.backend import array_namespace, to_device
from pairint.estimation.base import (
    PairwiseRegressor,
    check_enough_data,
    check_spline_parameters,
    fit_threads,
    warn_at_limit,
)
from pairint.estimation.problem import LeastSquaresProblem, score_range
from pairint.estimation.selection import choose_intervals
from pairint.model.splines import SplineSpace
from pairint.validation import check_floats

__all__ = ["OracleRegressor"]


class OracleRegressor(PairwiseRegressor):
    """The fit of the activation alone, the matrix being known: the yardstick of every comparison.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    matrix : array_like, shape (d, d)
        The true interaction matrix.
    degree, n_intervals, penalty
        As in :class:`~pairint.estimation.InteractionRegressor`; ``degree >= 0``.

    Attributes
    ----------
    activation_, n_intervals_, dof_, risk_, noise_std_, selection_
        As in :class:`~pairint.estimation.InteractionRegressor`; ``matrix_`` is the given matrix, unscaled.
    """

    def __init__(
        self, matrix: Any, degree: int = 3, n_intervals: int | str = "auto", *, penalty: float = 0.1
    ) -> None:
        self.matrix = matrix
        self.degree = degree
        self.n_intervals = n_intervals
        self.penalty = penalty

    def fit(self, X: Any, Y: Any) -> Self:
        """Fit the activation to tokens ``X (M, N, d)`` and outputs ``Y (M, N)``.

        Raises
        ------
        ValueError
            For wrong shapes, NaN, infinite or huge entries (above ``1e60``), ``N < 2``, a parameter out of
            range, or fewer outputs than parameters.

        Warns
        -----
        UserWarning
            If ``n_intervals="auto"`` chose the largest ``K`` that it may try.
        """
        X, Y = self._check_data(X, Y)
        d = X.shape[2]
        matrix = check_floats("matrix", self.matrix, (d, d))
        degree, n_intervals, penalty = check_spline_parameters(self.degree, self.n_intervals, self.penalty)
        problem = LeastSquaresProblem(X, Y, degree, penalty)
        check_enough_data(problem.n_rows, (n_intervals or 1) + degree, Y.shape[0])
        left, right = to_device(matrix, X), array_namespace(X).eye(d)
        selection = None
        with fit_threads(d):
            lower, upper = score_range(X, left, right)
            if n_intervals is None:
                selection = choose_intervals(problem, left, right, (lower, upper))
                n_intervals = selection.n_intervals
            state = problem.solve(left, right, SplineSpace(lower, upper, n_intervals, degree))
        self._store_fit(matrix, state.spline, problem, state, selection)
        warn_at_limit(selection)
        return self
