"""Splines with equal cells: the functions that truths and fitted activations are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace
from pairint.kernels import (
    bspline_pieces,
    evaluate_pieces,
    pair_basis_sum,
    pair_mean,
    pair_moments,
    piecewise_coefficients,
    refinement_matrix,
)
from pairint.kernels.bspline import MAX_DEGREE, local_coordinates, local_powers
from pairint.validation import check_floats, check_integer, check_real, check_size, shortened

__all__ = ["MAX_INTERVALS", "Spline", "SplineSpace"]

#: A spline of more cells has hundreds of megabytes of coefficients.
MAX_INTERVALS = 10_000_000
#: Largest end of an interval: widths are numbers.
_LARGEST_SCORE = 1e300


@dataclass(frozen=True)
class SplineSpace:
    """Splines of degree ``s`` on ``K`` equal cells of ``[lower, upper]``, continued linearly outside.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    lower, upper : float
        The interval, ``lower < upper``.
    n_intervals : int
        Number ``K >= 1`` of cells, at most ten million.
    degree : int
        Degree ``s`` from 0 to 50; the functions have ``s - 1`` continuous derivatives.
    """

    lower: float
    upper: float
    n_intervals: int
    degree: int

    def __post_init__(self) -> None:
        check_real("lower", self.lower, -_LARGEST_SCORE, _LARGEST_SCORE)
        check_real("upper", self.upper, self.lower, _LARGEST_SCORE, exclusive_minimum=True)
        check_integer("n_intervals", self.n_intervals, 1, MAX_INTERVALS)
        check_integer("degree", self.degree, 0, MAX_DEGREE)

    @property
    def dimension(self) -> int:
        """Number ``K + s`` of basis functions."""
        return self.n_intervals + self.degree

    @property
    def width(self) -> float:
        """Width ``h`` of a cell."""
        return (self.upper - self.lower) / self.n_intervals

    def design(self, u: Any) -> Any:
        """Return the basis at the points ``u``, shape ``(n,)``, as an array ``(n, K + s)``."""
        u = check_floats("u", u, (None,))
        xp = array_namespace(u)
        check_size("u", u.shape[0], self.dimension)
        cell, t, beyond = local_coordinates(u, self.lower, self.upper, self.n_intervals)
        powers = local_powers(t, self.degree)
        values = powers @ xp.asarray(bspline_pieces(self.degree).T)
        slopes = powers @ xp.asarray(bspline_pieces(self.degree, 1).T)
        matrix = xp.zeros((u.shape[0], self.dimension))
        rows = xp.arange(u.shape[0])[:, None]
        matrix[rows, cell[:, None] + xp.arange(self.degree + 1)] = values + slopes * beyond[:, None]
        return matrix

    def aggregate(self, scores: Any) -> Any:
        """Return the basis averaged over the partners of each token, shape ``(M N, K + s)``."""
        return pair_basis_sum(scores, self.lower, self.upper, self.n_intervals, self.degree)

    def difference_penalty(self, order: int = 2) -> NDArray[np.float64]:
        """Return ``D'D`` for the differences ``D`` of the given order between neighbouring coefficients.

        So many coefficients or fewer have no difference of that order: zero.
        """
        order = check_integer("order", order, 1)
        check_size("n_intervals", self.dimension, self.dimension)
        if order >= self.dimension:
            return np.zeros((self.dimension, self.dimension))
        stencil = np.diff(np.eye(order + 1), n=order, axis=0)[0]  # (1, -2, 1) up to sign for order 2
        n_rows = self.dimension - order
        rows = np.arange(n_rows)
        penalty = np.zeros((self.dimension, self.dimension))
        for first, a in enumerate(stencil):
            for second, b in enumerate(stencil):
                penalty[rows + first, rows + second] += a * b
        return penalty

    def coarsen(self, factor: int) -> tuple[SplineSpace, NDArray[np.float64]]:
        """Return the space on ``K / factor`` cells and the matrix that embeds it in this one.

        Raises
        ------
        ValueError
            If ``factor`` does not divide ``K``.
        """
        factor = check_integer("factor", factor, 1)
        if self.n_intervals % factor:
            raise ValueError(f"factor must divide n_intervals = {self.n_intervals}, got {factor}")
        check_size("n_intervals and factor", self.n_intervals, self.n_intervals // factor)
        coarse = SplineSpace(self.lower, self.upper, self.n_intervals // factor, self.degree)
        return coarse, refinement_matrix(coarse.n_intervals, self.degree, factor)

    def scaled(self, factor: float) -> SplineSpace:
        """Return the space on the interval multiplied by ``factor > 0``."""
        factor = check_real("factor", factor, 0.0, exclusive_minimum=True)
        return SplineSpace(self.lower * factor, self.upper * factor, self.n_intervals, self.degree)

    def spline(self, coefficients: Any) -> Spline:
        """Return the spline with these coefficients."""
        return Spline(self, coefficients)


@dataclass(frozen=True, eq=False)
class Spline:
    """One function of a :class:`SplineSpace`; call it, or its ``derivative``, on arrays of any shape.

    Book: :doc:`/book/estimator`.
    """

    space: SplineSpace
    coefficients: Any
    _polynomials: Any = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.space, SplineSpace):
            raise TypeError(f"space must be a SplineSpace, got {shortened(self.space)}")
        coefficients = check_floats("coefficients", self.coefficients, (self.space.dimension,), copy=True)
        object.__setattr__(self, "coefficients", coefficients)
        object.__setattr__(self, "_polynomials", piecewise_coefficients(coefficients, self.space.degree))

    @property
    def smoothness(self) -> float:
        """Hölder index of a generic spline of this degree (its top derivative is a step function)."""
        return float(self.space.degree)

    def __call__(self, u: Any) -> Any:
        return self._evaluate(u, 0)

    def derivative(self, u: Any) -> Any:
        """Return the first derivative at ``u``."""
        return self._evaluate(u, 1)

    def partner_mean(self, scores: Any) -> Any:
        """Return the values averaged over the partners of each token, ``(M, N)`` for scores ``(M, N, N)``."""
        return pair_mean(scores, self._on(scores), self.space.lower, self.space.upper)

    def partner_moments(self, scores: Any, X: Any) -> Any:
        """Return the partners' tokens times the slopes at their scores, averaged: ``(M, N, d)`` as ``X``."""
        return pair_moments(scores, X, self._on(scores), self.space.lower, self.space.upper)

    def scaled(self, factor: float) -> Spline:
        """Return ``u -> spline(u / factor)`` for ``factor > 0``."""
        return Spline(self.space.scaled(factor), self.coefficients)

    def mirrored(self) -> Spline:
        """Return ``u -> spline(-u)``."""
        space = SplineSpace(-self.space.upper, -self.space.lower, self.space.n_intervals, self.space.degree)
        return Spline(space, self.coefficients[::-1])

    def _evaluate(self, u: Any, order: int) -> Any:
        u = check_floats("u", u)
        return evaluate_pieces(u, self._on(u), self.space.lower, self.space.upper, order)

    def _on(self, u: Any) -> Any:
        return array_namespace(u).asarray(self._polynomials)
