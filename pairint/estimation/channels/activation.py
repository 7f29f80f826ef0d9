"""Activations of a channel fit: a spline, the exponential of a spline, or a known function."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace, to_host
from pairint.kernels import bspline_pieces
from pairint.kernels.bspline import local_coordinates, local_powers
from pairint.model.activations import Exponential
from pairint.model.splines import Spline, SplineSpace
from pairint.validation import check_floats, check_instance, shortened

__all__ = ["Family", "KnownFamily", "LogSpline", "SplineFamily", "as_family", "check_positive"]


@dataclass(frozen=True, eq=False)
class LogSpline:
    """The positive function ``exp(psi(u))`` with a spline ``psi``; call it, or its ``derivative``.

    Book: :doc:`/book/channels`.
    """

    log: Spline

    def __post_init__(self) -> None:
        check_instance("log", self.log, Spline)

    @property
    def smoothness(self) -> float:
        """Hölder index of a generic spline of this degree."""
        return self.log.smoothness

    def __call__(self, u: Any) -> Any:
        return array_namespace(u).exp(self.log(u))

    def derivative(self, u: Any) -> Any:
        """Return the first derivative at ``u``."""
        return self(u) * self.log.derivative(u)

    def scaled(self, factor: float) -> LogSpline:
        """Return ``u -> phi(u / factor)`` for ``factor > 0``."""
        return LogSpline(self.log.scaled(factor))

    def mirrored(self) -> LogSpline:
        """Return ``u -> phi(-u)``."""
        return LogSpline(self.log.mirrored())


class Family:
    """A set of activations, with coefficients ``c`` that enter ``phi``, or ``log phi``, linearly."""

    #: Whether it is ``log phi`` that is linear in the coefficients: ``phi`` is positive then.
    log: bool
    #: Number of coefficients.
    size: int

    def raw(self, scores: Any, c: Any) -> tuple[Any, Any]:
        """Return ``phi`` and its slope, or those of ``log phi``, in the precision of the scores."""
        raise NotImplementedError

    def member(self, c: Any) -> Any:
        """Return the activation with these coefficients."""
        raise NotImplementedError

    def scaled(self, factor: float) -> Family:
        """Return the set of ``u -> phi(u / factor)``, with the same coefficients."""
        raise NotImplementedError

    def columns(self, scores: Any) -> Any:
        """Yield the basis functions at the scores, one after the other."""
        return iter(())

    def penalty(self) -> NDArray[np.float64]:
        """Return the matrix of squared second differences of the coefficients."""
        return np.zeros((self.size, self.size))


@dataclass(frozen=True)
class SplineFamily(Family):
    """Splines of one space, or their exponentials."""

    space: SplineSpace
    log: bool = False

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.space.dimension

    def raw(self, scores: Any, c: Any) -> tuple[Any, Any]:
        spline = self.space.spline(array_namespace(scores).asarray(c, dtype=float))
        return spline(scores).astype(scores.dtype), spline.derivative(scores).astype(scores.dtype)

    def member(self, c: Any) -> Any:
        spline = self.space.spline(np.asarray(to_host(c), dtype=float))
        return LogSpline(spline) if self.log else spline

    def scaled(self, factor: float) -> SplineFamily:
        return replace(self, space=self.space.scaled(factor))

    def columns(self, scores: Any) -> Any:
        space, xp = self.space, array_namespace(scores)
        cell, t, beyond = local_coordinates(scores, space.lower, space.upper, space.n_intervals)
        powers = local_powers(t, space.degree)
        local = powers @ xp.asarray(bspline_pieces(space.degree).T)
        local = local + (powers @ xp.asarray(bspline_pieces(space.degree, 1).T)) * beyond[..., None]
        for k in range(space.dimension):
            column = xp.zeros(scores.shape, dtype=scores.dtype)
            for piece in range(space.degree + 1):
                if 0 <= k - piece < space.n_intervals:
                    column = column + xp.where(cell == k - piece, local[..., piece], 0.0)
            yield column.astype(scores.dtype)

    def penalty(self) -> NDArray[np.float64]:
        return self.space.difference_penalty()

    def greville(self) -> NDArray[np.float64]:
        """Return the points at which a linear function is its own coefficients."""
        space = self.space
        centres = np.arange(space.dimension) - (space.degree - 1) / 2
        return np.asarray(space.lower + space.width * centres, dtype=np.float64)


@dataclass(frozen=True)
class _Line:
    """The function ``rate * u``: the logarithm of an exponential."""

    rate: float

    def __call__(self, u: Any) -> Any:
        return u * self.rate

    def derivative(self, u: Any) -> Any:
        return u * 0.0 + self.rate


@dataclass(frozen=True, eq=False)
class KnownFamily(Family):
    """One activation, that is known: nothing to learn."""

    activation: Any

    size = 0

    @property
    def logarithm(self) -> Any:
        """The function ``log phi`` with its derivative, where there is a formula for it, or ``None``."""
        if isinstance(self.activation, Exponential):
            return _Line(float(self.activation.rate))
        return self.activation.log if isinstance(self.activation, LogSpline) else None

    @property
    def log(self) -> bool:  # type: ignore[override]
        return self.logarithm is not None

    def raw(self, scores: Any, c: Any) -> tuple[Any, Any]:
        xp, dtype = array_namespace(scores), scores.dtype
        function = self.logarithm or self.activation
        return (
            xp.asarray(function(scores), dtype=dtype),
            xp.asarray(function.derivative(scores), dtype=dtype),
        )

    def member(self, c: Any) -> Any:
        return self.activation

    def scaled(self, factor: float) -> KnownFamily:
        raise ValueError(f"a known activation has a scale of its own, got the factor {factor}")


def as_family(activation: Any, positive: bool, degree: int) -> tuple[Family, bool]:
    """Return the family that a regressor was asked for, and whether it is to be learned.

    Parameters
    ----------
    activation : None, "spline", "log-spline", "exp", or a callable with a derivative
    positive : bool
        Whether the channel needs a positive one.
    degree : int
        Degree of the splines; their interval and cells are found later.
    """
    if activation is None:
        activation = "log-spline" if positive else "spline"
    if isinstance(activation, str):
        if activation == "exp":
            return KnownFamily(Exponential()), False
        if activation in ("spline", "log-spline"):
            return SplineFamily(SplineSpace(-1.0, 1.0, 1, degree), activation == "log-spline"), True
        raise ValueError(
            'activation must be "spline", "log-spline", "exp", None or a function with a derivative, '
            f"got {shortened(activation)}"
        )
    if not callable(activation) or not callable(getattr(activation, "derivative", None)):
        raise TypeError(
            "activation must be callable and have a method derivative (pairint.model.activations has "
            f"some), got {shortened(activation)}"
        )
    return KnownFamily(activation), False


def check_positive(family: Family, c: Any, lower: float, upper: float) -> None:
    """Raise ``ValueError`` unless a known activation is positive on an interval of scores."""
    grid = np.linspace(lower, upper, 1001)
    values = check_floats("activation", family.member(c)(grid), (len(grid),), finite=False)
    if not bool(np.all(values > 0)):
        worst = int(np.argmin(np.where(np.isfinite(values), values, -math.inf)))
        raise ValueError(
            "activation must be positive at all scores in a row-normalised channel, got "
            f"{values[worst]:.3g} at the score {grid[worst]:.3g}"
        )
