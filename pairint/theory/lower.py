r"""Lower bounds with explicit constants: what no estimator can do.

The hypotheses are sums of bumps. Whatever the estimator and whatever it knows of the matrix, one of
them is estimated badly, because the data cannot tell neighbours apart. Constants are explicit:
:func:`lower_bound` returns a number that holds for every M, N and every estimator.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray
from scipy import special

from pairint.theory.densities import check_density_values, check_mass
from pairint.theory.integers import best_integer
from pairint.theory.rates import holder_degree
from pairint.theory.setting import Setting
from pairint.validation import (
    check_choice,
    check_flag,
    check_floats,
    check_instance,
    check_integer,
    check_real,
)

__all__ = [
    "BumpActivation",
    "BumpFamily",
    "LowerBound",
    "Profile",
    "bump_profile",
    "gaussian_kl",
    "guessing_error_bound",
    "lower_bound",
]


#: Where the search for the number of bumps ends: their energies fill the memory.
MOST_BUMPS = 2**18


@dataclass(frozen=True, eq=False)
class Profile:
    r"""The bump before scaling: a polynomial on [-1/2, 1/2], zero outside, k times differentiable.

    Attributes
    ----------
    polynomial : numpy.polynomial.Polynomial
        :math:`(1 - 4t^2)^{k+1}`, times t if its mean must vanish.
    holder_constant : float
        Bound of the Hölder constant, of exponent beta - k, of the k-th derivative of sums of disjoint
        copies with coefficients 0 or 1 (and of odd sums, see :class:`BumpFamily`).
    squared_norm, sup, sup_primitive : float
        Integral of the square; maximum of the modulus of the profile, and of its primitive.
    """

    polynomial: Polynomial
    holder_constant: float
    squared_norm: float
    sup: float
    sup_primitive: float


@functools.lru_cache(maxsize=64)
def bump_profile(beta: float, zero_mean: bool = False, odd: bool = False) -> Profile:
    r"""Return the bump profile for smoothness beta and its constants.

    The k-th derivative f of a sum of disjoint bumps is Lipschitz with constant
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
    primitive = polynomial.integ(lbnd=-0.5)
    return Profile(
        polynomial=polynomial,
        holder_constant=slope**alpha * span ** (1 - alpha),
        squared_norm=float(square(0.5) - square(-0.5)),
        sup=max(abs(v) for v in _range(polynomial)),
        sup_primitive=max(abs(v) for v in _range(primitive)),
    )


@dataclass(frozen=True, eq=False, kw_only=True)
class BumpFamily:
    r"""The hypotheses :math:`\varphi_w = \sum_k w_k b_k`, w a word of K bits.

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
    """

    beta: float
    holder_constant: float
    n_bumps: int
    interval: tuple[float, float]
    odd: bool = False
    zero_mean: bool = False

    def __post_init__(self) -> None:
        check_real("beta", self.beta, 0, exclusive_minimum=True)
        check_real("holder_constant", self.holder_constant, 0, exclusive_minimum=True)
        check_integer("n_bumps", self.n_bumps, 1)
        object.__setattr__(self, "interval", _check_interval(self.interval, self.odd))

    @property
    def profile(self) -> Profile:
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

    def energies(self, density: Callable[[Any], Any], n_nodes: int = 20) -> NDArray[np.float64]:
        """Return ``E b_k(U)^2`` for each (odd) bump; the density must be even if the family is odd."""
        t, weight = np.polynomial.legendre.leggauss(n_nodes)
        square = (2 if self.odd else 1) * (self.amplitude * self.profile.polynomial(t / 2)) ** 2
        centres = self.interval[0] + self.width * (np.arange(self.n_bumps) + 0.5)
        values = density(centres[:, None] + self.width * t / 2)
        p = check_density_values(values, (self.n_bumps, n_nodes))
        return self.width / 2 * p @ (weight * square)

    @property
    def knots(self) -> NDArray[np.float64]:
        """Ends of the bumps, mirrored ones included: the functions are polynomials in between."""
        ends = np.linspace(*self.interval, self.n_bumps + 1)
        return np.union1d(-ends, ends) if self.odd else ends

    def activation(self, word: Any) -> BumpActivation:
        """Return the hypothesis of a word: K weights in [-1, 1] (in {0, 1} for a hypothesis of the proof)."""
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
        polynomial = family.profile.polynomial
        shape = polynomial.deriv(order)(t) if order else polynomial(t)
        scale = family.amplitude / family.width**order
        return np.where(np.abs(t) <= 0.5, scale * self.word[cell] * shape, 0.0)


def gaussian_kl(n_samples: int, setting: Setting, aggregated: float) -> float:
    r"""Return :math:`M N\, E|R_\psi|^2 / (2 \sigma^2)`: the divergence between phi and phi + psi, exactly.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        Of it ``n_tokens`` and ``noise_std`` > 0; the noise is Gaussian.
    aggregated : float
        :math:`E|R_\psi[X]_1|^2 \ge 0`.
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    aggregated = check_real("aggregated", aggregated, 0)
    return n_samples * setting.n_tokens * aggregated / (2 * setting.require_noise() ** 2)


def guessing_error_bound(kl: Any) -> Any:
    r"""Return :math:`\Phi(-\sqrt{KL/2})`, below which no test between two equally likely hypotheses errs.

    Given the tokens, the data are Gaussian with means at distance delta and the best test errs with
    probability :math:`\Phi(-\delta/2)`, a convex function of :math:`\delta^2`, and :math:`E\delta^2 = 2 KL`.

    Parameters
    ----------
    kl : float or array_like
        Divergence between the laws of the data, >= 0; the noise is Gaussian.
    """
    kl = np.asarray(kl, dtype=float)
    if not np.all(kl >= 0):
        raise ValueError(f"kl must be >= 0, got {kl[~(kl >= 0)].flat[0]}")
    return special.ndtr(-np.sqrt(kl / 2))


@dataclass(frozen=True)
class LowerBound:
    """A proved lower bound of the minimax risk.

    Book: :doc:`/book/lower_bound_bumps`.

    Attributes
    ----------
    value : float
        No estimator has a smaller worst mean squared error in L2(rho).
    method : str
        "assouad" or "fano".
    family : BumpFamily
        The hypotheses.
    separation : float
        Squared distance of two neighbours (at least), or of two code words for Fano.
    kl : float
        Divergence between neighbours (at most; on average if bounded by a variation), or from the centre
        of the family for Fano.
    at_limit : bool
        Whether the search for the number of bumps ended at its limit: more may give a larger bound. This one
        is valid.
    """

    value: float
    method: str
    family: BumpFamily
    separation: float
    kl: float
    at_limit: bool = False

    def __float__(self) -> float:
        return self.value


def lower_bound(
    n_samples: int,
    setting: Setting,
    *,
    interval: tuple[float, float],
    density: Callable[[Any], Any] | tuple[float, float],
    symmetric: bool = False,
    variation: float | None = None,
    curvature: float | None = None,
    method: str = "best",
    n_bumps: int | None = None,
) -> LowerBound:
    r"""Bound the minimax risk :math:`\inf_{\hat g} \sup_\varphi E\|\hat g - g_\varphi\|^2` from below.

    Book: :doc:`/book/lower_bound_bumps`.

    The infimum is over all measurable functions of the data (even knowing the matrix), the supremum over
    phi in C(beta, L) with modulus at most B, the norm that of L2(rho). Let
    :math:`e_k = E b_k(U)^2`. The divergence between neighbours that differ in bump k is, for Gaussian noise,
    at most

    * :math:`M N e_k / (2 \sigma^2)` for exchangeable tokens (Jensen);
    * :math:`M N e_k / (2 \sigma^2 (N-1))` (an equality) for tokens that are i.i.d. with a symmetric law
      given Theta, with odd bumps: the number of tokens disappears;
    * :math:`M N [\bar e + (N-2) (a h^{\beta+1} \|\Psi\|_\infty V)^2 / K] / (2 \sigma^2 (N-1))`, on average
      over the bumps, if the density of the score given the first token (and Theta) has variation at
      most V on the interval, with bumps of mean zero: the number of tokens disappears as long as
      :math:`N h^2` stays bounded.

    Assouad: :math:`\tfrac12 \sum_k e_k \Phi(-\sqrt{KL_k/2})`. Fano, with a code of :math:`2^{K/8}` words at
    distance K/8: :math:`\tfrac{K}{32} e_{min} (1 - (KL_0 + \log 2) / (K \log 2 / 8))`.

    For other noise (``curvature``), :math:`1/\sigma^2` becomes the curvature, and Assouad's sum is
    :math:`\tfrac14 \sum_k e_k \max\{1 - \sqrt{KL_k/2}, \tfrac12 e^{-KL_k}\}`, by the inequalities of Pinsker
    and of Bretagnolle and Huber.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        Of it ``beta``, ``holder_constant``, ``n_tokens``, ``sup_bound`` and ``noise_std`` > 0, and nothing
        else. The noise is Gaussian unless ``curvature`` is given.
    interval : (float, float)
        Part of the range of the score.
    density : callable or (float, float)
        Density of the score, integrated by quadrature over each bump; or bounds 0 < p_min <= p_max of it
        on the interval. The score may have atoms elsewhere. The mass on the interval (and on its mirror
        image, for symmetric tokens) is checked to be at most 1.
    symmetric : bool
        Tokens i.i.d. with a symmetric law given Theta; the interval must lie in [0, inf).
    variation : float, optional
        V, for tokens i.i.d. given Theta; not together with ``symmetric``.
    curvature : float, optional
        Noise whose log-density has a second derivative at least ``-curvature``, instead of Gaussian:
        the divergence for a shift by v is then at most ``curvature v^2 / 2``. ``noise_std`` is then not used.
    method : {"best", "assouad", "fano"}
    n_bumps : int, optional
        K; by default chosen to maximise the bound, up to the limit that ``at_limit`` of the result is about.

    Raises
    ------
    ValueError
        Also if bumps this wide are higher than ``sup_bound``, for Fano with fewer than 8 bumps, or if
        ``density`` is not one.
    """
    check_choice("method", method, ("best", "assouad", "fano"))
    n_bumps = None if n_bumps is None else check_integer("n_bumps", n_bumps)
    check_instance("setting", setting, Setting)
    symmetric = check_flag("symmetric", symmetric)
    interval = _check_interval(interval, symmetric)
    if symmetric and variation is not None:
        raise ValueError("variation must be None for symmetric tokens: the odd bumps need none")
    problem = _Problem(
        n_samples=check_integer("n_samples", n_samples, 1),
        setting=setting,
        interval=interval,
        density=_check_density(density, interval, symmetric),
        symmetric=symmetric,
        variation=None if variation is None else check_real("variation", variation, 0),
        gaussian=curvature is None,
        information=_information(setting, curvature),
    )
    one = problem.family(1)
    fewest = math.ceil((one.amplitude * one.profile.sup / setting.sup_bound) ** (1 / setting.beta) - 1e-9)
    bounds = []
    for name, evaluate, minimum in (("assouad", problem.assouad, 1), ("fano", problem.fano, 8)):
        if method not in ("best", name):
            continue
        minimum = max(minimum, fewest)
        if n_bumps is None:
            bounds.append(_best_number(evaluate, minimum))
        elif n_bumps >= minimum or method == name:
            bounds.append(evaluate(check_integer("n_bumps", n_bumps, minimum, max(minimum, MOST_BUMPS))))
    if not bounds:
        raise ValueError(f"n_bumps must be >= {fewest}, got {n_bumps}")
    return max(bounds, key=lambda bound: bound.value)


@dataclass(frozen=True)
class _Problem:
    """The checked arguments of :func:`lower_bound`, and the two methods."""

    n_samples: int
    setting: Setting
    interval: tuple[float, float]
    density: Callable[[Any], Any] | tuple[float, float]
    symmetric: bool
    variation: float | None
    gaussian: bool
    information: float

    def family(self, n_bumps: int) -> BumpFamily:
        return BumpFamily(
            beta=self.setting.beta,
            holder_constant=self.setting.holder_constant,
            n_bumps=n_bumps,
            interval=self.interval,
            odd=self.symmetric,
            zero_mean=self.variation is not None,
        )

    def energies(self, family: BumpFamily) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lower and upper bounds of the squared norms of the bumps in L2(rho)."""
        if isinstance(self.density, tuple):
            low, high = (np.full(family.n_bumps, p * family.squared_norm) for p in self.density)
            return low, high
        energies = family.energies(self.density)
        return energies, energies

    def divergence(self, family: BumpFamily, squared_norm: Any, weight: float) -> Any:
        """Bound the divergence for a difference of this norm; ``weight`` scales its conditional mean."""
        partners = self.setting.n_tokens - 1
        if self.symmetric:
            squared_norm = squared_norm / partners
        elif self.variation is not None:
            mean = family.amplitude * family.width * family.profile.sup_primitive * self.variation
            squared_norm = (squared_norm + (partners - 1) * (weight * mean) ** 2) / partners
        return self.n_samples * self.setting.n_tokens * self.information * squared_norm / 2

    def assouad(self, n_bumps: int) -> LowerBound:
        family = self.family(n_bumps)
        low, high = self.energies(family)
        if self.variation is not None:
            # The variation is shared by the bumps: their divergences are bounded on average, which is
            # enough for equal weights, as the affinity is convex in the divergence.
            low = np.full(n_bumps, low.min())
            high = np.full(n_bumps, high.mean())
        kl = self.divergence(family, high, n_bumps**-0.5)
        affinity = 2 * guessing_error_bound(kl) if self.gaussian else _affinity(kl)
        value = float(np.sum(low * affinity)) / 4
        return LowerBound(value, "assouad", family, float(low.min()), float(np.max(kl)))

    def fano(self, n_bumps: int) -> LowerBound:
        family = self.family(n_bumps)
        low, high = self.energies(family)
        # The centre of the family has all weights 1/2: every hypothesis is at a quarter of the energy.
        kl = float(self.divergence(family, high.sum() / 4, 0.5))
        separation = math.ceil(n_bumps / 8) * float(low.min())
        doubt = 1 - (kl + math.log(2)) / (n_bumps / 8 * math.log(2))
        return LowerBound(separation / 4 * max(doubt, 0.0), "fano", family, separation, kl)


def _best_number(evaluate: Callable[[int], LowerBound], minimum: int) -> LowerBound:
    """Return the bound with the best number of bumps, at least ``minimum``."""
    best, at_limit = best_integer(lambda k: -evaluate(max(k, minimum)).value, 2**14, MOST_BUMPS)
    return replace(evaluate(max(best, minimum)), at_limit=at_limit)


def _information(setting: Setting, curvature: float | None) -> float:
    """Return what a unit shift of an output costs: twice the divergence, at most."""
    if curvature is not None:
        return check_real("curvature", curvature, 0, exclusive_minimum=True)
    return setting.require_noise() ** -2


def _affinity(kl: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a lower bound of 1 - TV from the divergence: Pinsker, or Bretagnolle and Huber."""
    return np.maximum(1 - np.sqrt(kl / 2), np.exp(-kl) / 2)


def _check_density(
    density: Any, interval: tuple[float, float], symmetric: bool
) -> Callable[[Any], Any] | tuple[float, float]:
    low, high = interval
    copies = 2 if symmetric else 1  # the mirror image has the same mass
    if callable(density):
        t, weight = np.polynomial.legendre.leggauss(20)
        edges = np.linspace(low, high, 65)
        half = (edges[1] - edges[0]) / 2
        values = density((edges[:-1] + half)[:, None] + half * t)
        check_mass(copies * half * float((check_density_values(values, (64, 20)) @ weight).sum()))
        return density
    try:
        smallest, largest = density
    except (TypeError, ValueError):
        message = f"density must be a function of the score or a pair of bounds of it, got {density!r}"
        raise TypeError(message) from None
    smallest = check_real("density[0]", smallest, 0, exclusive_minimum=True)
    largest = check_real("density[1]", largest, smallest)
    check_mass(copies * smallest * (high - low))
    return smallest, largest


def _check_interval(interval: Any, odd: bool) -> tuple[float, float]:
    try:
        low, high = interval
    except (TypeError, ValueError):
        raise TypeError(f"interval must be a pair of real numbers, got {interval!r}") from None
    low = check_real("interval[0]", low, 0 if odd else None)
    high = check_real("interval[1]", high, low, exclusive_minimum=True)
    return low, high


def _range(polynomial: Polynomial) -> tuple[float, float]:
    """Return the smallest and largest value on [-1/2, 1/2]."""
    points = [-0.5, 0.5]
    if polynomial.degree() > 1:
        roots = polynomial.deriv().roots()
        points += [float(r.real) for r in roots if abs(r.imag) < 1e-9 and abs(r.real) <= 0.5]
    values = polynomial(np.array(points))
    return float(values.min()), float(values.max())
