"""Activations ``phi``: spline truths, functions rough at every scale, and the usual nonlinearities.

An activation is called on arrays (NumPy or CuPy) of any shape, has a ``derivative``, and a
``smoothness``: the Hölder index ``beta`` that the minimax rate sees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace
from pairint.kernels.bspline import MAX_DEGREE
from pairint.model.splines import MAX_INTERVALS, Spline, SplineSpace
from pairint.validation import check_floats, check_integer, check_real, check_rng

__all__ = [
    "Activation",
    "Cosine",
    "Exponential",
    "ReLU",
    "RoughActivation",
    "Tanh",
    "spline_activation",
]


class Activation(Protocol):
    """What the model needs of an activation.

    Book: :doc:`/book/particles`.
    """

    @property
    def smoothness(self) -> float:
        """Hölder index ``beta`` (``inf`` for analytic functions)."""

    def __call__(self, u: Any) -> Any: ...

    def derivative(self, u: Any) -> Any:
        """Return the first derivative."""


def spline_activation(
    degree: int, rng: Any = None, *, bound: float = 3.0, n_intervals: int | None = None
) -> Spline:
    """Draw a random spline of degree ``P`` that vanishes outside ``[-bound, bound]``.

    Book: :doc:`/book/particles`.

    The truth of the published experiments: a B-spline of degree ``P`` has ``P - 1`` continuous
    derivatives, and the derivative of order ``P - 1`` is Lipschitz, so that its Hölder index is ``P``; the
    published rates are quoted for ``beta = P - 1``.

    Parameters
    ----------
    degree : int
        ``P >= 1``.
    rng : numpy.random.Generator, SeedSequence, int or None
        Draws the coefficients.
    bound : float
        Half-width of the support, ``> 0``.
    n_intervals : int, optional
        Number of equal cells, at least ``P + 1``; by default ``P + 5``, which leaves five B-splines with
        full support inside.

    Returns
    -------
    Spline
        Scaled so that its largest absolute value (on a fine grid) is one.
    """
    degree = check_integer("degree", degree, 1, MAX_DEGREE)
    bound = check_real("bound", bound, 0.0, exclusive_minimum=True)
    n_intervals = degree + 5 if n_intervals is None else n_intervals
    n_intervals = check_integer("n_intervals", n_intervals, degree + 1, MAX_INTERVALS - 2)
    space = SplineSpace(-bound, bound, n_intervals, degree)
    coefficients = np.zeros(space.dimension)
    coefficients[degree:n_intervals] = check_rng(rng).standard_normal(n_intervals - degree)
    if degree == 1:  # its slope does not vanish at the ends, and would continue: one empty cell more there
        width = space.width
        space = SplineSpace(-bound - width, bound + width, n_intervals + 2, degree)
        coefficients = np.pad(coefficients, 1)
    peak = np.abs(space.spline(coefficients)(np.linspace(-bound, bound, 2001))).max()
    return space.spline(coefficients / peak)


@dataclass(frozen=True, eq=False)
class RoughActivation:
    r"""A function with Hölder index ``beta`` at every point and every scale.

    Book: :doc:`/book/particles`.

    .. math:: \varphi(u) = c \sum_{k=0}^{n} 2^{-k\beta} \cos(2^k \pi u / b + \theta_k)

    (Weierstrass's function; for integer ``beta`` the derivative of order ``beta - 1`` is in the Zygmund
    class: Lipschitz up to a logarithm). The constant ``c`` makes the mean square over a period one half.
    A truth with a few isolated kinks is smoother in mean square than its Hölder index says; this one is not.

    Parameters
    ----------
    beta : float
        Hölder index in ``[0.5, 5]``.
    rng : numpy.random.Generator, SeedSequence, int or None
        Draws the phases.
    bound : float
        Scale ``b > 0``; the period is ``2 b``.
    n_terms : int, optional
        Number of octaves; by default enough for the neglected part to be below ``2**-24`` (at most 32).
    """

    beta: float
    rng: Any = None
    bound: float = 3.0
    n_terms: int | None = None
    _phases: NDArray[np.float64] = field(init=False, repr=False)
    _amplitudes: NDArray[np.float64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        beta = check_real("beta", self.beta, 0.5, 5.0)
        check_real("bound", self.bound, 0.0, exclusive_minimum=True)
        n_terms = min(32, math.ceil(24 / beta) + 1) if self.n_terms is None else self.n_terms
        check_integer("n_terms", n_terms, 1, 40)
        phases = check_rng(self.rng).uniform(0.0, 2 * math.pi, size=n_terms)
        amplitudes = 2.0 ** (-beta * np.arange(n_terms))
        object.__setattr__(self, "n_terms", n_terms)
        object.__setattr__(self, "rng", None)
        object.__setattr__(self, "_phases", phases)
        object.__setattr__(self, "_amplitudes", amplitudes / np.linalg.norm(amplitudes))

    @property
    def smoothness(self) -> float:
        return self.beta

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """Angular frequencies of the terms."""
        return np.ldexp(math.pi / self.bound, np.arange(len(self._phases)))

    def holder_constant(self) -> float:
        r"""Return a bound ``L`` of the Hölder seminorm of the truncated series at index ``beta``.

        With :math:`m = \lceil\beta\rceil - 1` and :math:`\gamma = \beta - m`, each term of
        :math:`\varphi^{(m)}` obeys :math:`|\cos x - \cos y| \le \min(2, |x - y|)`, and the sum is maximised
        over the separation.
        """
        m = math.ceil(self.beta) - 1
        gamma = self.beta - m
        frequencies = self.frequencies
        heights = self._amplitudes * frequencies**m
        # Over a separation delta the increment is at most sum_k heights min(2, frequency delta): concave in
        # delta, and zero at 0. Between breakpoints 2 / frequency, a factor 2 apart, its ratio to delta^gamma
        # therefore exceeds the value at the left one by at most 2^(1 - gamma).
        delta = 2.0 / frequencies
        ratios = np.minimum(2.0, frequencies[None, :] * delta[:, None]) @ heights / delta**gamma
        return float(2.0 ** (1 - gamma) * ratios.max())

    def __call__(self, u: Any) -> Any:
        return self._series(u, 0)

    def derivative(self, u: Any) -> Any:
        """Return the derivative; it exists for ``beta > 1`` only."""
        if self.beta <= 1:
            raise ValueError(f"the derivative exists for beta > 1 only, got beta = {self.beta}")
        return self._series(u, 1)

    def _series(self, u: Any, order: int) -> Any:
        u = check_floats("u", u)
        xp = array_namespace(u)
        total = u * 0.0
        for frequency, amplitude, phase in zip(self.frequencies, self._amplitudes, self._phases, strict=True):
            angle = u * float(frequency) + float(phase)
            if order == 0:
                total = total + float(amplitude) * xp.cos(angle)
            else:
                total = total - float(amplitude * frequency) * xp.sin(angle)
        return total


@dataclass(frozen=True)
class ReLU:
    """``max(u, 0)``.

    Book: :doc:`/book/particles`.
    """

    smoothness = 1.0

    def __call__(self, u: Any) -> Any:
        u = check_floats("u", u)
        return array_namespace(u).maximum(u, 0.0)

    def derivative(self, u: Any) -> Any:
        """Return the unit step (zero at the kink)."""
        u = check_floats("u", u)
        xp = array_namespace(u)
        return xp.asarray(u > 0, dtype=xp.float64)


@dataclass(frozen=True)
class Tanh:
    """``tanh(slope * u)``.

    Book: :doc:`/book/particles`.
    """

    slope: float = 1.0
    smoothness = math.inf

    def __post_init__(self) -> None:
        check_real("slope", self.slope, 0.0, exclusive_minimum=True)

    def __call__(self, u: Any) -> Any:
        u = check_floats("u", u)
        return array_namespace(u).tanh(u * self.slope)

    def derivative(self, u: Any) -> Any:
        """Return ``slope / cosh(slope u)^2``."""
        return self.slope * (1.0 - self(u) ** 2)


@dataclass(frozen=True)
class Exponential:
    """``exp(rate * u)``: the numerator of softmax attention.

    Book: :doc:`/book/particles`.
    """

    rate: float = 1.0
    smoothness = math.inf

    def __post_init__(self) -> None:
        check_real("rate", self.rate)

    def __call__(self, u: Any) -> Any:
        u = check_floats("u", u)
        return array_namespace(u).exp(u * self.rate)

    def derivative(self, u: Any) -> Any:
        """Return ``rate * exp(rate u)``."""
        return self.rate * self(u)


@dataclass(frozen=True)
class Cosine:
    """``cos(frequency * u)``: an even activation.

    Book: :doc:`/book/longer_context`.
    """

    frequency: float = 1.0
    smoothness = math.inf

    def __post_init__(self) -> None:
        check_real("frequency", self.frequency)

    def __call__(self, u: Any) -> Any:
        u = check_floats("u", u)
        return array_namespace(u).cos(u * self.frequency)

    def derivative(self, u: Any) -> Any:
        """Return ``-frequency * sin(frequency u)``."""
        u = check_floats("u", u)
        return -self.frequency * array_namespace(u).sin(u * self.frequency)
