r"""The hypotheses of the lower bounds: sums of bumps that all lie in one Hölder class.

Two shapes. The *smooth* bump, a polynomial, makes the shortest proof. The *tall* one is what the Hölder
condition leaves when neighbours may have opposite signs; its sums have coefficients in [-1, 1].
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial, legendre
from numpy.typing import NDArray
from scipy import optimize, special

from pairint.theory.densities import check_density_values
from pairint.theory.rates import holder_degree
from pairint.validation import check_choice, check_floats, check_integer, check_real

__all__ = [
    "BumpActivation",
    "BumpFamily",
    "Profile",
    "SplineFamily",
    "bump_profile",
    "check_interval",
    "tall_profile",
]

#: Largest beta of a tall bump: beyond it, rounding in its repeated integrals would show.
MOST_SMOOTH = 10.0
#: Largest score of an interval: as many bumps as there may be would be too wide for a longer one.
_LARGEST_SCORE = 1e4
#: Bumps whose energies are computed at a time: their nodes fill the memory.
_CHUNK = 2**13


@dataclass(frozen=True, eq=False)
class Profile:
    r"""The bump before scaling: on [-1/2, 1/2], zero outside, k times differentiable.

    Attributes
    ----------
    evaluate : callable
        ``evaluate(t, order)``: the derivative of that order, at most k, at points of [-1/2, 1/2].
    holder_constant : float
        Bound of the Hölder constant, of exponent beta - k, of the k-th derivative of sums of disjoint copies.
    squared_norm, sup, sup_primitive : float
        Integral of the square; maximum of the modulus of the profile, and of its primitive.
    nodes, squares : ndarray
        Quadrature on [-1/2, 1/2] with the square of the profile as weight.
    """

    evaluate: Callable[[Any, int], NDArray[np.float64]]
    holder_constant: float
    squared_norm: float
    sup: float
    sup_primitive: float
    nodes: NDArray[np.float64]
    squares: NDArray[np.float64]


@functools.lru_cache(maxsize=64)
def bump_profile(beta: float, zero_mean: bool = False, odd: bool = False) -> Profile:
    r"""Return the smooth profile :math:`(1 - 4t^2)^{k+1}` for smoothness beta, and its constants.

    The k-th derivative f of a sum of disjoint bumps, each present or absent, is Lipschitz with constant
    :math:`\Lambda = \sup|f'|` and its values span at most :math:`\Omega`; so its increments are at most
    :math:`\min(\Lambda\delta, \Omega) \le \Lambda^{\alpha} \Omega^{1-\alpha} \delta^{\alpha}`, with
    :math:`\alpha = \beta - k`.

    Parameters
    ----------
    beta : float
        Smoothness, > 0.
    zero_mean : bool
        Multiply by t, so that the integral vanishes.
    odd : bool
        Allow for copies with both signs.
    """
    k = holder_degree(beta)
    polynomial = Polynomial([1.0, 0.0, -4.0]) ** (k + 1)
    if zero_mean:
        polynomial = polynomial * Polynomial([0.0, 1.0])
    derivative = polynomial.deriv(k) if k else polynomial
    low, high = _range(derivative)
    slope = max(abs(v) for v in _range(derivative.deriv()))
    span = 2 * max(high, -low) if odd else high - low
    alpha = beta - k
    square = (polynomial**2).integ()
    t, weight = legendre.leggauss(20)

    def evaluate(t: Any, order: int) -> NDArray[np.float64]:
        return np.asarray((polynomial.deriv(order) if order else polynomial)(t))

    return Profile(
        evaluate=evaluate,
        holder_constant=slope**alpha * span ** (1 - alpha),
        squared_norm=float(square(0.5) - square(-0.5)),
        sup=max(abs(v) for v in _range(polynomial)),
        sup_primitive=max(abs(v) for v in _range(polynomial.integ(lbnd=-0.5))),
        nodes=t / 2,
        squares=weight / 2 * polynomial(t / 2) ** 2,
    )


@functools.lru_cache(maxsize=64)
def tall_profile(beta: float, zero_mean: bool = False) -> Profile:
    r"""Return the tall profile for smoothness beta: the k-fold integral of tents of alternating sign.

    With :math:`\alpha = \beta - k`, the k-th derivative is
    :math:`\pm 2^{\alpha-1} \mathrm{dist}(t, Z)^\alpha`, with a change of sign at each point of a finite set Z
    that contains both ends. However the signs of its pieces are chosen, and with any coefficients in [-1, 1],
    such a function is Hölder of exponent alpha with constant 1. The points between the ends make its first k
    moments vanish (k + 1 for a bump of mean zero), so that the bump ends as smoothly as the class asks. For
    integer beta it is the perfect spline, whose derivative of order beta is :math:`\pm 1` and changes sign at
    Chebyshev's points.

    Parameters
    ----------
    beta : float
        Smoothness, in (0, 10].
    zero_mean : bool
        Let the integral vanish too.
    """
    beta = check_real("beta", beta, 0, MOST_SMOOTH, exclusive_minimum=True)
    k = holder_degree(beta)
    alpha, moments = beta - k, k + zero_mean
    zeros = _tent_zeros(alpha, moments)
    left = zeros[zeros <= 0]
    # Left of 0 a piece is a half tent: y = |t - anchor| is its distance to the zero at its foot.
    ends = np.union1d(left, np.append((left[:-1] + left[1:]) / 2, 0.0))
    anchors, signs = np.empty(len(ends) - 1), np.empty(len(ends) - 1)
    for i, middle in enumerate((ends[:-1] + ends[1:]) / 2):
        anchors[i] = zeros[np.abs(zeros - middle).argmin()]
        signs[i] = (-1) ** np.sum(left[1:] < middle)
    side = np.where(anchors <= ends[:-1], 1.0, -1.0)

    def main(y: Any, j: int) -> Any:
        """Return the j-fold integral of a tent, a distance y from its foot."""
        gamma = math.gamma(alpha + 1) / math.gamma(alpha + j + 1)
        return 2 ** (alpha - 1) * gamma * y ** (alpha + j)

    # Piece i, integrated j times: side^j (sign main(y, j) + sum_{l <= j} constants[i, l] y^(j-l) / (j-l)!).
    constants = np.zeros((len(anchors), k + 2))

    def integral(t: Any, piece: Any, j: int) -> NDArray[np.float64]:
        y = np.abs(t - anchors[piece])
        value = signs[piece] * main(y, j)
        for order in range(1, j + 1):
            value = value + constants[piece, order] * y ** (j - order) / math.factorial(j - order)
        return np.asarray(side[piece] ** j * value)

    reached = np.zeros(k + 2)
    for i, (start, end) in enumerate(itertools.pairwise(ends)):
        for j in range(1, k + 2):
            constants[i, j] = side[i] ** j * (reached[j] - integral(start, i, j))
        reached = np.array([integral(end, i, j) for j in range(k + 2)])

    def evaluate(t: Any, order: int) -> NDArray[np.float64]:
        t = np.asarray(t, dtype=float)
        piece = np.clip(np.searchsorted(ends, -np.abs(t), side="right") - 1, 0, len(anchors) - 1)
        mirror = (-1) ** (order + zero_mean)
        return np.where(t <= 0, 1.0, mirror) * integral(-np.abs(t), piece, k - order)

    # The substitution v^3 smooths the powers of y at a foot.
    v, weight = (np.array(part) / 2 for part in legendre.leggauss(16))
    v = v + 0.5
    power = 3 if beta < 3 else 1
    spans = np.diff(ends)[:, None]
    t = (anchors[:, None] + side[:, None] * spans * v**power).ravel()
    squares = (spans * power * v ** (power - 1) * weight).ravel() * evaluate(t, 0) ** 2
    nodes, squares = np.concatenate([t, -t]), np.concatenate([squares, squares])
    top = float(np.abs(evaluate(_peak(evaluate, k, ends) if zero_mean else 0.0, 0)))
    primitive = (1 if zero_mean else 2) * abs(float(integral(0.0, len(anchors) - 1, k + 1)))
    return Profile(evaluate, 1.0, float(squares.sum()), top, primitive, nodes, squares)


def _peak(evaluate: Callable[[Any, int], Any], k: int, ends: NDArray[np.float64]) -> float:
    """Return where a bump of mean zero is highest, left of 0."""
    if k == 0:
        return float(ends[1])
    return float(optimize.brentq(lambda t: float(evaluate(t, 1)), -0.5 + 1e-3, -1e-3, xtol=1e-15))


def _tent_zeros(alpha: float, moments: int) -> NDArray[np.float64]:
    """Return -1/2 = z_0 < ... < z_(m+1) = 1/2, symmetric: tents between them with m vanishing moments."""
    if moments < 2:
        return np.linspace(-0.5, 0.5, moments + 2)
    # alpha = 1: the middles of the tents are Chebyshev's points. alpha = 0: the zeros are.
    middles = -np.cos(np.pi * np.arange(1, moments + 2) / (moments + 2)) / 2
    lipschitz = [-0.5]
    for middle in middles:
        lipschitz.append(2 * middle - lipschitz[-1])
    flat = -np.cos(np.pi * np.arange(moments + 2) / (moments + 1)) / 2
    start = alpha * np.array(lipschitz) + (1 - alpha) * flat
    free = moments // 2
    # Gauss and Jacobi: exact for y^alpha times a polynomial on half a tent, up to a common factor.
    y, weight = special.roots_jacobi(moments + 1, 0, alpha)
    y = (y + 1) / 2

    def symmetric(inner: NDArray[np.float64]) -> NDArray[np.float64]:
        middle = [0.0] if moments % 2 else []
        return np.concatenate([[-0.5], inner, middle, -inner[::-1], [0.5]])

    def residual(inner: NDArray[np.float64]) -> NDArray[np.float64]:
        zeros = symmetric(inner)
        half = np.diff(zeros) / 2
        values = np.zeros(moments)
        for i, width in enumerate(half):
            for foot, direction in ((zeros[i], 1), (zeros[i + 1], -1)):
                powers = legendre.legvander(2 * (foot + direction * width * y), moments - 1)
                values += (-1) ** i * width ** (alpha + 1) * (weight @ powers)
        # The tents are even for m even, odd for m odd: the other moments vanish by themselves.
        return values[moments % 2 :: 2]

    solution = optimize.root(residual, start[1 : free + 1], tol=1e-15)
    return symmetric(solution.x)


@dataclass(frozen=True, eq=False, kw_only=True)
class BumpFamily:
    r"""The hypotheses :math:`\varphi_w = \sum_k w_k b_k`, w a word of K weights.

    The bumps have disjoint supports that fill the interval, width h and height of order :math:`L h^\beta`;
    every sum of them is in the Hölder class C(beta, L).

    Parameters
    ----------
    beta, holder_constant : float
        Smoothness and Hölder radius L, > 0.
    n_bumps : int
        K >= 1.
    interval : (float, float)
        Where the bumps live.
    odd : bool
        Subtract from each bump its mirror image; the interval must then lie in [0, inf).
    zero_mean : bool
        Use bumps whose integral vanishes.
    shape : {"smooth", "tall"}
        :func:`bump_profile`, for weights 0 and 1; or :func:`tall_profile`, for all weights in [-1, 1].
    """

    beta: float
    holder_constant: float
    n_bumps: int
    interval: tuple[float, float]
    odd: bool = False
    zero_mean: bool = False
    shape: str = "smooth"

    def __post_init__(self) -> None:
        check_real("beta", self.beta, 0, exclusive_minimum=True)
        check_real("holder_constant", self.holder_constant, 0, exclusive_minimum=True)
        check_integer("n_bumps", self.n_bumps, 1)
        check_choice("shape", self.shape, ("smooth", "tall"))
        object.__setattr__(self, "interval", check_interval(self.interval, self.odd))

    @property
    def profile(self) -> Profile:
        if self.shape == "tall":
            return tall_profile(float(self.beta), self.zero_mean)
        return bump_profile(float(self.beta), self.zero_mean, self.odd)

    @property
    def width(self) -> float:
        """h."""
        return (self.interval[1] - self.interval[0]) / self.n_bumps

    @property
    def amplitude(self) -> float:
        r""":math:`a h^\beta`: the factor of the profile that makes its Hölder radius L."""
        return self.holder_constant / self.profile.holder_constant * self.width**self.beta

    @property
    def squared_norm(self) -> float:
        """Integral of the square of one (odd) bump."""
        return (2 if self.odd else 1) * self.amplitude**2 * self.width * self.profile.squared_norm

    def energies(self, density: Callable[[Any], Any]) -> NDArray[np.float64]:
        """Return ``E b_k(U)^2`` for each (odd) bump; the density must be even if the family is odd."""
        profile = self.profile
        square = (2 if self.odd else 1) * self.amplitude**2 * profile.squares
        parts = []
        for first in range(0, self.n_bumps, _CHUNK):
            number = np.arange(first, min(first + _CHUNK, self.n_bumps))
            centres = self.interval[0] + self.width * (number + 0.5)
            values = density(centres[:, None] + self.width * profile.nodes)
            p = check_density_values(values, (len(number), len(profile.nodes)))
            parts.append(self.width * (p @ square))
        return np.concatenate(parts)

    @property
    def knots(self) -> NDArray[np.float64]:
        """Ends of the bumps, mirrored ones included: smooth shapes are polynomials in between."""
        ends = np.linspace(*self.interval, self.n_bumps + 1)
        return np.union1d(-ends, ends) if self.odd else ends

    def activation(self, word: Any) -> BumpActivation:
        """Return the hypothesis of a word: K weights in [-1, 1] (0 or 1 to stay in the class, if smooth)."""
        return BumpActivation(self, check_floats("word", word, (self.n_bumps,)))


@dataclass(frozen=True, eq=False)
class BumpActivation:
    """One hypothesis, callable like any activation."""

    family: BumpFamily
    word: NDArray[np.float64]

    @property
    def smoothness(self) -> float:
        return self.family.beta

    def __call__(self, u: Any) -> NDArray[np.float64]:
        return self._sum(u, 0)

    def derivative(self, u: Any, order: int = 1) -> NDArray[np.float64]:
        """Return the derivative of the given order, at most the largest integer below beta."""
        return self._sum(u, check_integer("order", order, 0, holder_degree(self.family.beta)))

    def _sum(self, u: Any, order: int) -> NDArray[np.float64]:
        u = np.asarray(u, dtype=float)
        value = self._right(u, order)
        if self.family.odd:
            value = value - (-1) ** order * self._right(-u, order)
        return value

    def _right(self, u: NDArray[np.float64], order: int) -> NDArray[np.float64]:
        family = self.family
        position = (u - family.interval[0]) / family.width
        cell = np.clip(np.floor(position).astype(np.intp), 0, family.n_bumps - 1)
        t = position - cell - 0.5
        shape = family.profile.evaluate(np.clip(t, -0.5, 0.5), order)
        scale = family.amplitude / family.width**order
        return np.where(np.abs(t) <= 0.5, scale * self.word[cell] * shape, 0.0)


@dataclass(frozen=True, eq=False, kw_only=True)
class SplineFamily:
    r"""Functions whose derivative of order beta is L times a weight in [-1, 1] on each of K cells.

    They start from zero, with all their derivatives below beta, at 0 if the family is odd, otherwise in the
    middle of the interval. If that makes them larger than the class allows, L is lowered.

    Parameters
    ----------
    beta : int
        Smoothness, in 2 .. 10: for 1, disjoint bumps are as good.
    holder_constant, sup_bound : float
        L and B; B may be infinite.
    n_bumps : int
        K >= 1, the number of cells.
    interval : (float, float)
        What is cut into cells. Outside of it the functions are polynomials of degree beta - 1.
    odd : bool
        Continue the functions oddly; the interval must then lie in [0, inf).
    score_bound : float, optional
        Where the functions must be bounded: up to this modulus, by default on the interval only.
    """

    beta: int
    holder_constant: float
    sup_bound: float
    n_bumps: int
    interval: tuple[float, float]
    odd: bool = False
    score_bound: float | None = None

    def __post_init__(self) -> None:
        check_integer("beta", self.beta, 2, int(MOST_SMOOTH))
        if self.score_bound is not None:
            check_real("score_bound", self.score_bound, 0, exclusive_minimum=True)
        check_real("holder_constant", self.holder_constant, 0, exclusive_minimum=True)
        check_integer("n_bumps", self.n_bumps, 1)
        object.__setattr__(self, "interval", check_interval(self.interval, self.odd))

    @property
    def start(self) -> float:
        return 0.0 if self.odd else sum(self.interval) / 2

    @property
    def radius(self) -> float:
        """L, or what of it ``sup_bound`` leaves: the functions are at most radius reach^beta / beta!."""
        reach = self.interval[1] - self.start
        if self.score_bound is not None:
            reach = max(reach, self.score_bound + abs(self.start))
        return min(self.holder_constant, self.sup_bound * math.factorial(self.beta) / reach**self.beta)

    @property
    def width(self) -> float:
        return (self.interval[1] - self.interval[0]) / self.n_bumps

    def basis(self, u: Any) -> NDArray[np.float64]:
        """Return the functions of single weights, shape ``(len(u), n_bumps)``."""
        u = check_floats("u", u, (None,))
        # Seen from the start, the side of u and of the cell must agree.
        u, sign = (np.abs(u), np.sign(u)) if self.odd else (u, np.ones_like(u))
        ends = np.linspace(*self.interval, self.n_bumps + 1)
        position = u[:, None] - self.start
        low, high = ends[:-1] - self.start, ends[1:] - self.start

        def power(x: Any) -> Any:
            return np.maximum(x, 0.0) ** self.beta

        right = power(position - np.maximum(low, 0)) - power(position - np.maximum(high, 0))
        left = power(-position + np.minimum(high, 0)) - power(-position + np.minimum(low, 0))
        value = right + (-1) ** self.beta * left
        return np.asarray(sign[:, None] * self.radius / math.factorial(self.beta) * value)

    def gram(self, density: Callable[[Any], Any] | None = None) -> NDArray[np.float64]:
        """Return the second moments of the basis under a density (even, if odd), or density 1 if None."""
        t, weight = legendre.leggauss(12)
        centres = self.interval[0] + self.width * (np.arange(self.n_bumps) + 0.5)
        u = centres[:, None] + self.width * t / 2
        p = check_density_values(1.0 if density is None else density(u), u.shape)
        weighted = (2 if self.odd else 1) * self.width / 2 * weight * p
        basis = self.basis(u.ravel())
        return basis.T @ (weighted.reshape(-1, 1) * basis)

    def activation(self, word: Any) -> Callable[[Any], NDArray[np.float64]]:
        """Return the hypothesis of a word: K weights in [-1, 1]."""
        word = check_floats("word", word, (self.n_bumps,))
        return lambda u: (self.basis(np.ravel(u)) @ word).reshape(np.shape(u))


def check_interval(interval: Any, odd: bool) -> tuple[float, float]:
    """Return the interval as two floats, low < high; low >= 0 if the family is odd."""
    try:
        low, high = interval
    except (TypeError, ValueError):
        raise TypeError(f"interval must be a pair of real numbers, got {interval!r}") from None
    low = check_real("interval[0]", low, 0 if odd else -_LARGEST_SCORE)
    high = check_real("interval[1]", high, low, _LARGEST_SCORE, exclusive_minimum=True)
    return low, high


def _range(polynomial: Polynomial) -> tuple[float, float]:
    """Return the smallest and largest value on [-1/2, 1/2]."""
    points = [-0.5, 0.5]
    if polynomial.degree() > 1:
        roots = polynomial.deriv().roots()
        points += [float(r.real) for r in roots if abs(r.imag) < 1e-9 and abs(r.real) <= 0.5]
    values = polynomial(np.array(points))
    return float(values.min()), float(values.max())
