"""The least-squares problem that every estimator solves again and again: data, and a matrix tried on them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from pairint.estimation.factors import score_range
from pairint.estimation.inner import InnerSolution, normal_equations, solve_inner
from pairint.model.attention import check_tokens
from pairint.model.splines import Spline, SplineSpace
from pairint.validation import check_array, check_integer, check_real

__all__ = ["Problem", "State"]


@dataclass(frozen=True)
class Problem:
    """Tokens and outputs, and how the activation is fitted to them once the matrix is fixed.

    Book: :doc:`/book/estimator`.

    Attributes
    ----------
    X, Y : array, shapes (M, N, d), (M, N)
        Tokens, whitened where a matrix is to be found, and outputs.
    degree : int
        Degree ``s >= 0`` of the splines.
    penalty : float
        ``>= 0``; see :func:`pairint.estimation.inner.solve_inner`.
    n_matrix : int
        Number of free parameters of the matrix; 0 if it is known.
    """

    X: Any
    Y: Any
    degree: int
    penalty: float
    n_matrix: int = 0

    def __post_init__(self) -> None:
        X = check_tokens(self.X)
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "Y", check_array("Y", self.Y, tuple(X.shape[:2])))
        check_integer("degree", self.degree, 0)
        check_real("penalty", self.penalty, 0.0)
        check_integer("n_matrix", self.n_matrix, 0)

    @property
    def d(self) -> int:
        """Dimension of the tokens."""
        return int(self.X.shape[2])

    @property
    def n_rows(self) -> int:
        """Number of outputs, ``M N``."""
        return int(self.Y.shape[0] * self.Y.shape[1])

    def head(self, n_samples: int) -> Problem:
        """Return the problem of the first samples."""
        return replace(self, X=self.X[:n_samples], Y=self.Y[:n_samples])

    def samples_for(self, n_intervals: int, outputs_per_parameter: float) -> int:
        """Return how many samples have so many outputs for each parameter."""
        n_parameters = self.n_matrix + n_intervals + self.degree
        return math.ceil(outputs_per_parameter * n_parameters / self.Y.shape[1])

    def space(self, left: Any, right: Any, n_intervals: int) -> SplineSpace:
        """Return the splines on the interval that the scores of ``left right'`` fill."""
        return SplineSpace(*score_range(self.X, left, right), n_intervals, self.degree)

    def solve(self, left: Any, right: Any, space: SplineSpace) -> State:
        """Fit the spline, the matrix ``left right'`` being fixed."""
        equations = normal_equations(self.X, self.Y, left, right, space)
        return State(left, right, space, solve_inner(equations, space, self.penalty))


@dataclass(frozen=True)
class State:
    """A matrix in factors, and the spline that goes with it.

    Attributes
    ----------
    left, right : array, shape (d, r)
    space : SplineSpace
    inner : InnerSolution
    converged : bool
        Whether an iteration that ended here met its tolerance.
    history : list of dict
        Its accepted steps.
    """

    left: Any
    right: Any
    space: SplineSpace
    inner: InnerSolution
    converged: bool = False
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def matrix(self) -> Any:
        """The matrix, in the coordinates of the problem's tokens."""
        return self.left @ self.right.T

    @property
    def spline(self) -> Spline:
        """The fitted activation."""
        return self.space.spline(self.inner.coefficients)
