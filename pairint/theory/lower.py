r"""Lower bounds with explicit constants: what no estimator can do.

The hypotheses are sums of bumps, or splines. Whatever the estimator and whatever it knows of the matrix, one
of them is estimated badly, because the data cannot tell neighbours apart. Constants are explicit:
:func:`lower_bound` returns a number that holds for every M, N and every estimator.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pairint.result import Result
from pairint.theory.bumps import MOST_SMOOTH, BumpFamily, SplineFamily, check_interval
from pairint.theory.densities import check_density_values, check_mass
from pairint.theory.integers import best_integer
from pairint.theory.setting import Setting
from pairint.validation import (
    check_choice,
    check_flag,
    check_instance,
    check_integer,
    check_real,
)

__all__ = [
    "LowerBound",
    "gaussian_kl",
    "guessing_error_bound",
    "lower_bound",
    "sign_bound",
    "sign_risk",
    "weight_risk",
]


#: Where the search for the number of bumps ends: their energies fill the memory.
MOST_BUMPS = 2**18
#: The same for splines: their Gram matrix does.
MOST_CELLS = 2**9
_METHODS = ("assouad", "fano", "bayes", "spline")
#: Information at which two signs, of any height, cost most in all; any number is allowed here.
_SIGN_INFORMATION = 1.5


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


def sign_risk(information: Any) -> Any:
    r"""Return the Bayes risk of a sign, seen through Gaussian noise: exact.

    Let w be 1 or -1 with equal chances and let :math:`w \sqrt I + Z` be observed. The best estimate of w has
    mean squared error

    .. math::

        E \frac{e^{-I/2}}{\cosh(\sqrt I Z)}
        = \int \frac{e^{-I (1 + s^2) / 2}}{2 \cosh(\pi s / 2)} ds ,

    a mixture of exponentials: decreasing and convex in I.

    Parameters
    ----------
    information : float or array_like
        I >= 0. Computed to 1e-10, absolutely.
    """
    information = _check_information(information)
    # The trapezoidal rule: the integrand is analytic up to |Im s| = 1, its error of order e^(-2 pi / step).
    step = 0.25
    s = step * np.arange(1, 65)
    weight = step / np.cosh(math.pi * s / 2)
    parts = np.array_split(information.ravel(), information.size // 2**14 + 1)
    tail = np.concatenate([np.exp(-np.multiply.outer(part, (1 + s**2) / 2)) @ weight for part in parts])
    return step / 2 * np.exp(-information / 2) + tail.reshape(information.shape)


def weight_risk(information: Any, *, gaussian: bool = True) -> Any:
    r"""Bound the worst risk of a weight in [-1, 1] from below, for any estimator.

    Book: :doc:`/book/lower_bound_constants`.

    The weight w enters the means of the data linearly. Two priors are tried, and the better counts:

    * van Trees, for the density :math:`\cos^2(\pi w/2)`: :math:`1 / (I + \pi^2)`;
    * two signs times a height a in (0, 1]: :math:`a^2` :func:`sign_risk` :math:`(a^2 I)` for Gaussian noise,
      :math:`a^2 e^{-a^2 I}` for other noise.

    All are convex in I: if the information depends on the tokens, its mean may be inserted. And x R(n x)
    increases in x: if a weight belongs to a function of squared norm x, a lower bound of x may be inserted.

    Parameters
    ----------
    information : float or array_like
        I >= 0, the Fisher information of w in the data, or an upper bound of its mean; for noise that is not
        Gaussian, with the curvature in the place of the information of its location.
    gaussian : bool
        Whether the noise is Gaussian.
    """
    information = _check_information(information)
    smooth = 1 / (information + math.pi**2)
    if gaussian:
        return np.maximum(smooth, sign_bound(information))
    used = np.minimum(information, 1.0)
    return np.maximum(smooth, np.exp(-used) * _height(used, information))


def sign_bound(information: Any) -> Any:
    r"""Return :math:`\sup_{a \le 1} a^2 S(a^2 I)`, S being :func:`sign_risk`: two signs of the best height.

    Parameters
    ----------
    information : float or array_like
        I >= 0.
    """
    information = _check_information(information)
    used = np.minimum(information, _SIGN_INFORMATION)
    return sign_risk(used) * _height(used, information)


def _height(used: NDArray[np.float64], information: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared height of the signs that leaves only so much of the information."""
    return np.divide(used, information, out=np.ones_like(used), where=information > 0)


def _check_information(information: Any) -> NDArray[np.float64]:
    information = np.asarray(information, dtype=float)
    if not np.all(information >= 0):
        raise ValueError(f"information must be >= 0, got {information[~(information >= 0)].flat[0]}")
    return information


@dataclass(frozen=True, repr=False)
class LowerBound(Result):
    """A proved lower bound of the minimax risk.

    Book: :doc:`/book/lower_bound_constants`.

    Attributes
    ----------
    value : float
        No estimator has a smaller worst mean squared error in L2(rho).
    method : str
        "assouad", "fano", "bayes" or "spline".
    family : BumpFamily or SplineFamily
        The hypotheses.
    separation : float
        Squared distance of two neighbours (at least), or of two code words for Fano. Neighbours differ in one
        bump that is there or not, or in the sign of one weight.
    kl : float
        Divergence between neighbours (at most; on average if bounded by a variation), or from the centre
        of the family for Fano. For splines both numbers are those of the law on the interval alone.
    at_limit : bool
        Whether the search for the number of bumps ended at its limit: more may give a larger bound. This one
        is valid.
    """

    _units = (
        ("output²", "value separation"),
        ("nat", "kl"),
    )

    value: float
    method: str
    family: BumpFamily | SplineFamily
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
    density: Callable[[Any], Any] | float,
    symmetric: bool = False,
    variation: float | None = None,
    curvature: float | None = None,
    method: str = "best",
    n_bumps: int | None = None,
) -> LowerBound:
    r"""Bound the minimax risk :math:`\inf_{\hat g} \sup_\varphi E\|\hat g - g_\varphi\|^2` from below.

    Book: :doc:`/book/lower_bound_constants`.

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

    Four methods; by default the largest bound counts, and the result says whose it is.

    "assouad": :math:`\tfrac12 \sum_k e_k \Phi(-\sqrt{KL_k/2})`. "fano", with a code of :math:`2^{K/8}` words
    at distance K/8: :math:`\tfrac{K}{32} e_{min} (1 - (KL_0 + \log 2) / (K \log 2 / 8))`.

    "bayes": taller bumps with weights in [-1, 1] and a prior, :math:`\sum_k e_k R(2 KL_k)` with R from
    :func:`weight_risk`.

    "spline", for integer beta >= 2: the derivative of order beta is L times a weight in [-1, 1] on each of
    K cells of the interval. Such functions overlap. Let :math:`\lambda_k` be the eigenvalues of their Gram
    matrix on the interval: by van Trees' inequality for vectors, the bound is
    :math:`\sum_k \lambda_k / (n \lambda_k + \pi^2)`, where :math:`n \lambda` is twice the divergence of a
    difference of squared norm lambda.

    For other noise (``curvature``), :math:`1/\sigma^2` becomes the curvature, and Assouad's sum is
    :math:`\tfrac14 \sum_k e_k \max\{1 - \sqrt{KL_k/2}, \tfrac12 e^{-KL_k}\}`, by the inequalities of Pinsker
    and of Bretagnolle and Huber. The bound of the splines only needs that the curvature is at least the
    Fisher information of the location of the noise.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        Of it ``beta``, ``holder_constant``, ``n_tokens``, ``sup_bound`` and ``noise_std`` > 0; for splines
        with a finite ``sup_bound``, ``score_bound`` too. The noise is Gaussian unless ``curvature`` is given.
    interval : (float, float)
        Part of the range of the score, within [-10000, 10000].
    density : callable or float
        Density of the score, integrated by quadrature over each bump; or a lower bound p_min > 0 of it on the
        interval: bumps where the density is larger are then made lower. The score may have any law
        elsewhere. The mass on the interval (and on its mirror image, for symmetric tokens) is checked to be
        at most 1.
    symmetric : bool
        Tokens i.i.d. with a symmetric law given Theta; the interval must lie in [0, inf).
    variation : float, optional
        V, for tokens i.i.d. given Theta; not together with ``symmetric``.
    curvature : float, optional
        Noise whose log-density has a second derivative at least ``-curvature``, instead of Gaussian:
        the divergence for a shift by v is then at most ``curvature v^2 / 2``. ``noise_std`` is then not used.
    method : {"best", "assouad", "fano", "bayes", "spline"}
    n_bumps : int, optional
        K, bumps or cells; by default chosen to maximise the bound, up to the limit that ``at_limit`` of the
        result is about.

    Raises
    ------
    ValueError
        Also if bumps this wide are higher than ``sup_bound``, for Fano with fewer than 8 bumps, for "bayes"
        with beta above 10, for "spline" without its hypotheses, or if ``density`` is not one.
    """
    check_choice("method", method, ("best", *_METHODS))
    n_bumps = None if n_bumps is None else check_integer("n_bumps", n_bumps)
    check_instance("setting", setting, Setting)
    symmetric = check_flag("symmetric", symmetric)
    interval = check_interval(interval, symmetric)
    if symmetric and variation is not None:
        raise ValueError("variation must be None for symmetric tokens: the odd bumps need none")
    density = _check_density(density, interval, symmetric)
    problem = _Problem(
        n_samples=check_integer("n_samples", n_samples, 1),
        setting=setting,
        interval=interval,
        density=density,
        symmetric=symmetric,
        variation=None if variation is None else check_real("variation", variation, 0),
        gaussian=curvature is None,
        information=_information(setting, curvature),
    )
    bounds, fewest = [], []
    for name in _METHODS if method == "best" else (method,):
        if method == "best" and problem.obstacle(name):
            continue
        if obstacle := problem.obstacle(name):
            raise ValueError(obstacle)
        minimum, first, most = problem.search(name)
        evaluate = getattr(problem, name)
        if n_bumps is None:
            bounds.append(_best_number(evaluate, minimum, first, most))
        elif method == name:
            bounds.append(evaluate(check_integer("n_bumps", n_bumps, minimum, max(minimum, most))))
        elif minimum <= n_bumps <= most:
            bounds.append(evaluate(n_bumps))
        fewest.append(minimum)
    if not bounds:
        raise ValueError(f"n_bumps must be in {min(fewest)} .. {MOST_BUMPS}, got {n_bumps}")
    return max(bounds, key=lambda bound: bound.value)


@dataclass(frozen=True)
class _Problem:
    """The checked arguments of :func:`lower_bound`, and the methods."""

    n_samples: int
    setting: Setting
    interval: tuple[float, float]
    density: Callable[[Any], Any] | float
    symmetric: bool
    variation: float | None
    gaussian: bool
    information: float

    def family(self, n_bumps: int, shape: str = "smooth") -> BumpFamily:
        return BumpFamily(
            beta=self.setting.beta,
            holder_constant=self.setting.holder_constant,
            n_bumps=n_bumps,
            interval=self.interval,
            odd=self.symmetric,
            zero_mean=self.variation is not None,
            shape=shape,
        )

    def obstacle(self, method: str) -> str | None:
        """Return which hypothesis of a method is not met, if one is not."""
        beta = self.setting.beta
        if method == "bayes" and beta > MOST_SMOOTH:
            return f"beta must be at most {MOST_SMOOTH:g} for method 'bayes', got {beta}"
        if method != "spline":
            return None
        if not (2 <= beta <= MOST_SMOOTH and beta == int(beta)):
            return f"beta must be an integer in 2 .. {MOST_SMOOTH:g} for method 'spline', got {beta}"
        if self.variation is not None:
            return "variation must be None for method 'spline'"
        if self.setting.score_bound is None and self.setting.sup_bound < math.inf:
            return "score_bound must be given for method 'spline': Setting(..., score_bound=...)"
        return None

    def search(self, method: str) -> tuple[int, int, int]:
        """Return the smallest number of bumps, and where the search for the best begins and ends."""
        if method == "spline":
            return 1, 2**4, MOST_CELLS
        one = self.family(1, "tall" if method == "bayes" else "smooth")
        height = one.amplitude * one.profile.sup / self.setting.sup_bound
        minimum = max(8 if method == "fano" else 1, math.ceil(height ** (1 / self.setting.beta) - 1e-9))
        # Assouad's and Fano's bounds vanish for few bumps: a plateau must not stop the search.
        return minimum, 2**4 if method == "bayes" else 2**14, MOST_BUMPS

    def energies(self, family: BumpFamily) -> NDArray[np.float64]:
        """Return the squared norms of the bumps in L2(rho), or of lower ones that p_min can pay."""
        if callable(self.density):
            return family.energies(self.density)
        return np.full(family.n_bumps, self.density * family.squared_norm)

    def divergence(self, family: BumpFamily | None, squared_norm: Any, weight: float) -> Any:
        """Bound the divergence for a difference of this norm; ``weight`` scales its conditional mean."""
        partners = self.setting.n_tokens - 1
        if self.symmetric:
            squared_norm = squared_norm / partners
        elif self.variation is not None and family is not None:
            mean = family.amplitude * family.width * family.profile.sup_primitive * self.variation
            squared_norm = (squared_norm + (partners - 1) * (weight * mean) ** 2) / partners
        return self.n_samples * self.setting.n_tokens * self.information * squared_norm / 2

    def shared(self, family: BumpFamily) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the energies of single bumps (at least), and bounds of the divergences they make.

        A variation is shared by the bumps: their divergences are bounded on average, which is enough for
        equal energies, as risks are convex in the divergence.
        """
        energies = self.energies(family)
        if self.variation is None:
            return energies, self.divergence(family, energies, 0.0)
        shared = self.divergence(family, energies.mean(), family.n_bumps**-0.5)
        return np.full(family.n_bumps, energies.min()), np.full(family.n_bumps, shared)

    def assouad(self, n_bumps: int) -> LowerBound:
        family = self.family(n_bumps)
        energies, kl = self.shared(family)
        affinity = 2 * guessing_error_bound(kl) if self.gaussian else _affinity(kl)
        value = float(np.sum(energies * affinity)) / 4
        return LowerBound(value, "assouad", family, float(energies.min()), float(np.max(kl)))

    def bayes(self, n_bumps: int) -> LowerBound:
        family = self.family(n_bumps, "tall")
        energies, kl = self.shared(family)
        value = float(np.sum(energies * weight_risk(2 * kl, gaussian=self.gaussian)))
        return LowerBound(value, "bayes", family, 4 * float(energies.min()), 4 * float(np.max(kl)))

    def spline(self, n_bumps: int) -> LowerBound:
        family = SplineFamily(
            beta=int(self.setting.beta),
            holder_constant=self.setting.holder_constant,
            sup_bound=self.setting.sup_bound,
            n_bumps=n_bumps,
            interval=self.interval,
            odd=self.symmetric,
            score_bound=self.setting.score_bound,
        )
        gram = family.gram(self.density) if callable(self.density) else self.density * family.gram()
        information = 2 * self.divergence(None, 1.0, 0.0)
        own = np.diag(gram)
        eigenvalues = np.linalg.eigvalsh(gram)
        # The computed ones may be too large by their rounding error.
        eigenvalues = np.maximum(eigenvalues - 4 * n_bumps * np.finfo(float).eps * own.sum(), 0.0)
        value = float(np.sum(eigenvalues / (information * eigenvalues + math.pi**2)))
        return LowerBound(value, "spline", family, 4 * float(own.min()), 2 * information * float(own.max()))

    def fano(self, n_bumps: int) -> LowerBound:
        family = self.family(n_bumps)
        energies = self.energies(family)
        # The centre of the family has all weights 1/2: every hypothesis is at a quarter of the energy.
        kl = float(self.divergence(family, energies.sum() / 4, 0.5))
        separation = math.ceil(n_bumps / 8) * float(energies.min())
        doubt = 1 - (kl + math.log(2)) / (n_bumps / 8 * math.log(2))
        return LowerBound(separation / 4 * max(doubt, 0.0), "fano", family, separation, kl)


def _best_number(evaluate: Callable[[int], LowerBound], minimum: int, first: int, most: int) -> LowerBound:
    """Return the bound with the best number of bumps, at least ``minimum``."""
    best, at_limit = best_integer(lambda k: -evaluate(max(k, minimum)).value, first, most)
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
) -> Callable[[Any], Any] | float:
    """Return the density, or its lower bound; the mass on the interval and its mirror image is checked."""
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
        smallest = check_real("density", density, 0, exclusive_minimum=True)
    except TypeError:
        message = f"density must be a function of the score or a lower bound of it, got {density!r}"
        raise TypeError(message) from None
    check_mass(copies * smallest * (high - low))
    return smallest
