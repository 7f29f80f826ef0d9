"""The yardstick: the activation fitted with the matrix known."""

from __future__ import annotations

import math
from typing import Any, Self

from pairint.backend import array_namespace, to_device
from pairint.estimation.base import (
    PairwiseRegressor,
    check_enough_data,
    check_spline_parameters,
    warn_at_limit,
)
from pairint.estimation.problem import Problem
from pairint.estimation.selection import choose_intervals
from pairint.validation import check_array

__all__ = ["OracleRegressor"]


class OracleRegressor(PairwiseRegressor):
    """Fit the activation alone, the matrix being known: the yardstick of every comparison.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    matrix : array_like, shape (d, d)
        The true interaction matrix.
    degree, n_intervals, penalty
        As in :class:`InteractionRegressor`; ``degree >= 0``.

    Attributes
    ----------
    activation_, n_intervals_, dof_, risk_, noise_std_, selection_
        As in :class:`InteractionRegressor`; ``matrix_`` is the given matrix, unscaled.
    """

    def __init__(
        self, matrix: Any, degree: int = 3, n_intervals: int | str = "auto", *, penalty: float = 0.1
    ) -> None:
        self.matrix = matrix
        self.degree = degree
        self.n_intervals = n_intervals
        self.penalty = penalty

    def fit(self, X: Any, Y: Any) -> Self:
        """Fit the activation to tokens ``X (M, N, d)`` and outputs ``Y (M, N)``."""
        X, Y = self._check_data(X, Y)
        d = X.shape[2]
        matrix = check_array("matrix", self.matrix, (d, d))
        degree, n_intervals, penalty = check_spline_parameters(self.degree, self.n_intervals, self.penalty)
        problem = Problem(X, Y, degree, penalty)
        check_enough_data(problem.n_rows, (n_intervals or 1) + degree, Y.shape[0])
        factors = to_device(matrix, X), array_namespace(X).eye(d)
        selection = None
        if n_intervals is None:
            selection = choose_intervals(problem, *factors)
            n_intervals = selection.n_intervals
        state = problem.solve(*factors, problem.space(*factors, n_intervals))
        self.matrix_ = matrix
        self.activation_ = state.spline
        self.n_intervals_ = n_intervals
        self.selection_ = selection
        self.dof_ = state.inner.dof
        self.risk_ = state.inner.residual / problem.n_rows
        self.noise_std_ = math.sqrt(state.inner.residual / max(problem.n_rows - self.dof_, 1e-300))
        warn_at_limit(selection)
        return self
