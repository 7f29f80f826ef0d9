r"""Upper bounds with explicit constants for an unknown matrix.

:func:`upper_bound` is for the empirical risk minimiser over continuous splines of a clipped score with an
unknown matrix of rank r. It is proved in the chapters on the upper bound; nothing in it is asymptotic. For a
known matrix see :mod:`pairint.theory.upper_known`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pairint.result import Result
from pairint.theory.approximation import lebesgue_constant, spline_degree, spline_error
from pairint.theory.coupling import Coupling, constant_coupling, coupling_of_cells
from pairint.theory.covering import log_cover_ball, log_cover_interactions, spline_dimension
from pairint.theory.fourth_moment import range_factor, size_bias_rate
from pairint.theory.integers import best_integer
from pairint.theory.setting import Setting
from pairint.validation import check_flag, check_instance, check_integer, check_real, shortened

__all__ = [
    "UpperBound",
    "exponential_constants",
    "losses",
    "plain_upper_bound",
    "truncation_price",
    "upper_bound",
]

#: How much an approximation may grow in sup norm when each cell is given mean zero by a parabola that
#: vanishes at its ends and keeps the pieces connected.
ZERO_MEAN_CONNECTED = 2.5

#: Where the search for K ends: beyond what a float tells apart.
MOST_INTERVALS = 2**52


@dataclass(frozen=True, repr=False)
class UpperBound(Result):
    """A proved bound of the mean squared error in L2(rho), and where it comes from.

    Book: :doc:`/book/upper_bound_proof`.

    Attributes
    ----------
    bias, spline, matrix, discretisation : float
        The price of approximating phi, of estimating its spline, of estimating the matrix, and of
        replacing the class by a finite covering. Their sum is the bound.
    n_intervals, degree : int
        K and s of the estimator.
    approximation : float
        delta: uniform distance of phi to the splines, at most.
    envelope : float
        Delta: bound of ``abs(g - g*)`` over the class.
    temperature, accuracy : float
        lambda and epsilon of the proof, chosen to minimise the bound.
    dimension : int
        Free numbers of the spline.
    amplification : float
        N - 1, or 1 / coercivity constant: the factor from aggregated to pairwise error.
    spread : float
        omega: what the squared range of g counts in an average, times ``amplification``.
    coupling : float
        Bound of E[E(e | X_1, Theta)^2], in units of ``approximation**2``: 0 for odd functions, at most 1.
    growth : float
        Factor in ``approximation`` for an error of mean zero on each cell; 1 if it need not be.
    cut : float
        The estimator clips scores to [-cut, cut]; ``score_bound`` unless a tail was given.
    missed : float
        Bound of the share of scores beyond the cut.
    at_limit : bool
        Whether the search for K ended at its limit: a larger K may give a smaller bound. This one is valid.
    """

    _first = ("value",)
    _units = (
        ("output²", "value bias spline matrix discretisation"),
        ("1/output²", "temperature"),
        ("output", "approximation envelope accuracy"),
        ("score", "cut"),
    )

    bias: float
    spline: float
    matrix: float
    discretisation: float
    n_intervals: int
    degree: int
    approximation: float
    envelope: float
    temperature: float
    accuracy: float
    dimension: int
    amplification: float
    spread: float
    coupling: float
    growth: float
    cut: float
    missed: float
    at_limit: bool = False

    @property
    def value(self) -> float:
        """The bound, the sum of its parts."""
        return self.bias + self.spline + self.matrix + self.discretisation

    def __float__(self) -> float:
        return self.value


def upper_bound(
    n_samples: int,
    setting: Setting,
    *,
    odd: bool = False,
    coupling: Coupling = None,
    tail: Callable[[float], float] | None = None,
    degree: int | None = None,
    n_intervals: int | None = None,
    support_ratio: float | None = None,
    coercivity: float | None = None,
) -> UpperBound:
    r"""Bound :math:`\sup E\|\hat g - g_*\|^2_{L^2(\rho)}` for empirical risk minimisation, unknown matrix.

    Book: :doc:`/book/upper_bound_learned`.

    The tokens: independent and identically distributed given some Theta, with a support that spans R^d. The
    truth: phi in the Hölder class C(beta, L) with :math:`|\varphi| \le B` on [-abar, abar], a matrix of rank
    at most r with scores in [-abar, abar]. The estimator: minimiser of the empirical risk over
    :math:`p(\mathrm{clip}(x^\top A y))`, p a continuous spline of degree s on K equal cells, bounded by
    :math:`B + \delta`. For every K, :math:`\epsilon > 0` and :math:`0 < \lambda < N / (2 \sigma^2)`,

    .. math::

        \frac{\lambda}{c} \big[(1 + (N-2)\,\tau)\, \delta^2
        + (N-1)\, \epsilon(2\sigma + 2\Delta + \epsilon)\big]
        + \frac{(N-1) \log \mathcal N(\epsilon)}{c M} + 2 \Delta \epsilon + \epsilon^2,

        c = \frac{1 - e^{-\mu w}}{w},\ w = \frac{\omega_N \Delta^2}{N-1},\
        \mu = \lambda - \frac{2 \lambda^2 \sigma^2}{N},

    with :math:`\Delta = 2B + \delta`, the factor :math:`\omega_N` of
    :func:`pairint.theory.fourth_moment.range_factor`, the covering number of
    :func:`pairint.theory.covering.log_cover_interactions`, and the coupling :math:`\tau` of the approximation
    error through one token. N stands with the bias only, and not even there if :math:`\tau = 0`. The bound is
    minimised over K, epsilon, lambda.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        All of it counts; ``sup_bound`` must be finite.
    odd : bool
        Whether the truth is odd, the tokens symmetric given Theta, and the estimator restricted to odd p.
        Then tau = 0.
    coupling : float or callable, optional
        tau, in [0, 1], of the plain interpolant, for every K; 1 by default (nothing known). A function of
        the width h of a cell must bound
        :math:`E \min(1, hV/2)^2`, where V is the total variation of the density of the score given
        :math:`(X_1, \Theta)`. The approximation is then given mean zero on each cell, at the price of a
        factor 5/2 in :math:`\delta` and of a degree s of at least 2, where that is better than tau = 1.
    tail : callable, optional
        A bound of :math:`P(|U| > T)` for every T > 0, such as :func:`pairint.theory.densities.bilinear_tail`.
        The estimator then clips scores at the best T in place of abar, and pays
        :math:`\Delta^2 P(|U| > T)`: what is left of the dimension in abar is its logarithm.
    degree : int, optional
        s >= 1, at least the largest integer below beta; the smallest by default.
    n_intervals : int, optional
        K; by default chosen to minimise the bound, up to the limit that ``at_limit`` of the result is about.
    support_ratio : float, optional
        See :func:`pairint.theory.covering.log_cover_interactions`; d (a cube) by default.
    coercivity : float, optional
        Coercivity constant of the token law, in (0, 1]. Given, the tokens need only be exchangeable, and
        the bound is the one of :doc:`/book/upper_bound_proof`: with w replaced by :math:`\Delta^2`, tau = 1,
        and all of it over the constant.

    Returns
    -------
    UpperBound
    """
    odd = check_flag("odd", odd)
    case = _Case(
        check_integer("n_samples", n_samples, 1),
        check_instance("setting", setting, Setting),
        spline_degree(setting.beta, degree),
        _support_ratio(setting, support_ratio),
        None if coercivity is None else check_real("coercivity", coercivity, 0, 1, exclusive_minimum=True),
        odd,
    )
    setting.require_sup_bound("upper_bound")
    setting.require_matrix("upper_bound")
    score_bound = setting.require_score_bound("upper_bound")
    constant = constant_coupling(coupling, odd)
    if coercivity is not None and (odd or coupling is not None):
        raise ValueError(
            "coercivity must be None with odd or coupling: these need tokens that are i.i.d. given Theta"
        )
    if not (tail is None or callable(tail)):
        raise TypeError(f"tail must be a function of the threshold or None, got {shortened(tail)}")
    if tail is not None and coupling is not None:
        raise ValueError("coupling must be None with a tail: scores that are cut have no small error")

    def at(k: int, cut: float, mass: float) -> UpperBound:
        plain = _best_parameters(case, k, cut, coupling=constant, mass=mass)
        if not callable(coupling):
            return plain
        tau = coupling_of_cells(coupling, 2 * score_bound / k)
        smooth = replace(case, degree=max(case.degree, 2))
        centred = _best_parameters(smooth, k, cut, coupling=tau, growth=ZERO_MEAN_CONNECTED)
        return min(plain, centred, key=float)

    def best(cut: float, mass: float) -> UpperBound:
        if n_intervals is not None:
            return at(check_integer("n_intervals", n_intervals, 1), cut, mass)
        k, at_limit = best_integer(lambda k: at(k, cut, mass).value, 2**20, MOST_INTERVALS)
        return replace(at(k, cut, mass), at_limit=at_limit)

    bound = best(score_bound, 0.0)
    for cut, mass in _cuts(score_bound, tail):
        if mass * bound.envelope**2 >= bound.value:
            break  # what is cut costs more than that, and smaller cuts cost more
        bound = min(bound, best(cut, mass), key=float)
    return bound


def plain_upper_bound(
    bound: UpperBound,
    n_samples: int,
    setting: Setting,
    *,
    support_ratio: float | None = None,
) -> float:
    r"""Return the right-hand side of the corollary "in plain view", for the K and the accuracy of a bound.

    .. math::

        \frac{3.2}{c_H} \Big\{ \delta^2 + \Big( \Delta^2 + \frac{4 \sigma^2}{N} \Big)
        \frac{\log \mathcal N(\epsilon)}{M} + 2 \epsilon (\sigma + 2 \Delta) \Big\}

    It is what the bound becomes for :math:`\lambda = \min\{N / (4 \sigma^2), 1 / \Delta^2\}`, chosen by hand,
    with its constants rounded up.

    Parameters
    ----------
    bound : UpperBound
        Of an accuracy of at most its envelope.
    n_samples, setting, support_ratio
        Those of the call of :func:`upper_bound`.
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    if bound.accuracy > bound.envelope:
        raise ValueError(f"bound must have an accuracy <= {bound.envelope}, got {bound.accuracy}")
    _check_uncut(bound)
    d, rank = setting.require_matrix("plain_upper_bound")
    cover = log_cover_interactions(
        bound.accuracy,
        d=d,
        rank=rank,
        n_intervals=bound.n_intervals,
        degree=bound.degree,
        sup_bound=setting.require_sup_bound("plain_upper_bound") + bound.approximation,
        support_ratio=_support_ratio(setting, support_ratio),
    )
    price = bound.envelope**2 + 4 * setting.noise_std**2 / setting.n_tokens
    remainder = 2 * bound.accuracy * (setting.noise_std + 2 * bound.envelope)
    return 3.2 * bound.amplification * (bound.approximation**2 + price * cover / n_samples + remainder)


def exponential_constants(temperature: float, envelope: float, setting: Setting) -> tuple[float, float]:
    r"""Return mu and c of the exponential inequality.

    They are :math:`\lambda - 2 \lambda^2 \sigma^2 / N` and :math:`(1 - e^{-\mu \Delta^2}) / \Delta^2`, and
    :math:`E e^{-\lambda (\ell_g - \ell_*)} \le E e^{-\mu v} \le e^{-c E v}` for the difference of the losses
    of one sample and :math:`v = \frac1N \sum_i |R_{g - g_*}[X]_i|^2 \le \Delta^2`.

    Book: :doc:`/book/upper_bound_proof`.

    Parameters
    ----------
    temperature : float
        lambda, in (0, N / (2 sigma^2)).
    envelope : float
        Delta > 0.
    setting : Setting
        Of it ``n_tokens`` and ``noise_std``.
    """
    variance = setting.noise_std**2 / setting.n_tokens
    limit = 1 / (2 * variance) if variance > 0 else None
    temperature = check_real(
        "temperature", temperature, 0, limit, exclusive_minimum=True, exclusive_maximum=True
    )
    squared = check_real("envelope", envelope, 0, exclusive_minimum=True) ** 2
    mu = temperature - 2 * temperature**2 * setting.noise_std**2 / setting.n_tokens
    return mu, float(size_bias_rate(mu, squared))


def truncation_price(n_samples: int, setting: Setting, *, envelope: float) -> float:
    r"""Return how much more a parameter costs if the noise is truncated instead of integrated.

    The ratio of :math:`\Delta^2 + 2 \Delta \tau + 4 \sigma^2`, with
    :math:`\tau = \sigma \sqrt{2 \log(2 M^2 N)}`, to :math:`\Delta^2 + 4 \sigma^2 / N`; the factors 4 and 3.2
    in front of the two are left out.

    Book: :doc:`/book/upper_bound_proof`.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        Of it ``n_tokens`` and ``noise_std``.
    envelope : float
        Delta > 0.
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    envelope = check_real("envelope", envelope, 0, exclusive_minimum=True)
    n_tokens, noise_std = setting.n_tokens, setting.noise_std
    tau = noise_std * math.sqrt(2 * math.log(2 * n_samples**2 * n_tokens))
    truncated = envelope**2 + 2 * envelope * tau + 4 * noise_std**2
    return truncated / (envelope**2 + 4 * noise_std**2 / n_tokens)


def losses(
    bound: UpperBound,
    setting: Setting,
    *,
    support_ratio: float | None = None,
) -> dict[str, dict[str, float]]:
    r"""Return, for each term of the bound, the factors by which it exceeds the leading order.

    The leading order is that of :meth:`Setting.budget` for the same K: Taylor's bias, and
    :math:`\sigma^2 (N-1)/(MN)` for each of the :math:`K (k + 1)` coefficients and of the
    :math:`r (2d - r)` entries. The product of the factors of a term is the ratio, exactly. What the bound
    has besides, its ``discretisation``, has no counterpart in the leading order.

    Parameters
    ----------
    bound : UpperBound
    setting, support_ratio
        Those of the call of :func:`upper_bound`; the noise must be positive.

    Returns
    -------
    dict of dict
        Of ``"bias"``: ``"continuity"`` (interpolation instead of Taylor's polynomials),
        ``"oracle inequality"``, ``"coercivity"`` (from aggregated to pairwise error). Of ``"spline"`` and
        ``"matrix"``: ``"envelope"`` (the exponential inequality, against the noise alone), ``"logarithm"``
        (the covering, against counting numbers), ``"count"`` (numbers of the covering, against those of the
        leading order), ``"coercivity"`` (against the factor N - 1 that the leading order has, too).
    """
    n_tokens, noise_std = setting.n_tokens, setting.require_noise()
    _check_uncut(bound)
    d, rank = setting.require_matrix("losses")
    support_ratio = _support_ratio(setting, support_ratio)
    effective = bound.envelope * math.sqrt(bound.spread / bound.amplification)
    _, c = exponential_constants(bound.temperature, effective, setting)
    radius = (bound.envelope + bound.approximation) / 2  # B + delta from 2 B + delta
    per_accuracy = 4 * radius / bound.accuracy
    slope = 2 * support_ratio * bound.degree**2 * bound.n_intervals
    price = {
        "envelope": n_tokens / (noise_std**2 * c),
        "coercivity": bound.amplification / (n_tokens - 1),
    }
    pairs = (1 + (n_tokens - 2) * bound.coupling) / (n_tokens - 1)
    return {
        "bias": {
            "continuity": (bound.growth * (1 + lebesgue_constant(bound.degree))) ** 2,
            "oracle inequality": bound.temperature / c,
            "coercivity": bound.amplification * pairs,
        },
        "spline": price
        | {
            "logarithm": math.log1p(per_accuracy),
            "count": bound.dimension / (bound.n_intervals * (setting.degree + 1)),
        },
        "matrix": price
        | {
            "logarithm": math.log1p(slope * per_accuracy),
            "count": 2 * d * rank / setting.n_matrix,
        },
    }


def _check_uncut(bound: UpperBound) -> None:
    if bound.missed > 0:
        raise ValueError(f"bound must be one without a tail; this one cuts scores at {bound.cut:g}")


def _support_ratio(setting: Setting, value: float | None) -> float:
    if value is None:
        return float(setting.require_matrix("the support ratio of a cube")[0])
    return check_real("support_ratio", value, 1)


@dataclass(frozen=True)
class _Case:
    """What :func:`upper_bound` is asked for."""

    n_samples: int
    setting: Setting
    degree: int
    support_ratio: float
    coercivity: float | None
    odd: bool


def _cuts(score_bound: float, tail: Callable[[float], float] | None) -> Iterator[tuple[float, float]]:
    """Yield places to cut the scores, from large to small, and how many scores are cut there."""
    if tail is not None:
        for cut in score_bound * 2.0 ** (-np.arange(1, 80) / 4):
            yield float(cut), check_real(f"tail({cut:g})", tail(float(cut)), 0)


def _best_parameters(
    case: _Case, k: int, cut: float, *, coupling: float, growth: float = 1.0, mass: float = 0.0
) -> UpperBound:
    """Return the bound for one K, minimised over a grid of (epsilon, mu Delta^2): each point is valid."""
    n_samples, setting, degree, odd = case.n_samples, case.setting, case.degree, case.odd
    n_tokens, noise_std = setting.n_tokens, setting.noise_std
    score_bound = setting.require_score_bound("upper_bound")
    # Steeper splines of the cut score, on matrices as large as before.
    support_ratio = case.support_ratio * score_bound / cut
    delta = growth * spline_error(
        k, beta=setting.beta, holder_constant=setting.holder_constant, score_bound=cut, degree=degree
    )
    radius = setting.sup_bound + delta
    envelope = 2 * setting.sup_bound + delta
    if case.coercivity is None:
        scale, spread, in_pairs = n_tokens - 1.0, range_factor(n_tokens, centred=odd), 1.0
        bias = 1 + (n_tokens - 2) * coupling
    else:
        scale = spread = bias = in_pairs = 1 / case.coercivity
    squared = envelope**2 * spread / scale
    # The best accuracy is of the order of the number of parameters over M, and over the partners.
    accuracy = (envelope * np.logspace(-4, 6, 101) / n_samples)[:, None]
    z = np.logspace(-5, 1, 61)
    limit = n_tokens / (8 * noise_std**2) if noise_std**2 > 0 else math.inf
    mu = z[z / squared <= limit] / squared
    if math.isfinite(limit):
        mu = np.append(mu, limit)
    mu = mu[None, :]
    # The smaller root of lambda - 2 lambda^2 sigma^2 / N = mu, in a form that is stable for small mu.
    root = np.sqrt(np.maximum(1 - 8 * noise_std**2 * mu / n_tokens, 0.0))
    temperature = 2 * mu / (1 + root)
    c = size_bias_rate(mu, squared)
    spline, total = _log_covers(accuracy, setting, k, degree, radius, support_ratio, odd)
    remainder = scale * accuracy * (2 * noise_std + 2 * envelope + accuracy) * temperature / c
    remainder = remainder + in_pairs * (2 * envelope * accuracy + accuracy**2)
    squared_error = delta**2 + mass * envelope**2
    value = bias * temperature / c * squared_error + scale * total / (n_samples * c) + remainder
    i, j = np.unravel_index(np.argmin(value), value.shape)
    per_nat = scale / (n_samples * float(c[0, j]))
    return UpperBound(
        bias=bias * float(temperature[0, j] / c[0, j]) * squared_error,
        spline=per_nat * float(spline[i, 0]),
        matrix=per_nat * float(total[i, 0] - spline[i, 0]),
        discretisation=float(remainder[i, j]),
        n_intervals=k,
        degree=degree,
        approximation=delta,
        envelope=envelope,
        temperature=float(temperature[0, j]),
        accuracy=float(accuracy[i, 0]),
        dimension=spline_dimension(k, degree, odd=odd),
        amplification=scale,
        spread=spread,
        coupling=coupling,
        growth=growth,
        cut=cut,
        missed=mass,
    )


def _log_covers(
    accuracy: NDArray[np.float64],
    setting: Setting,
    k: int,
    degree: int,
    radius: float,
    support_ratio: float,
    odd: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the log covering numbers of the splines alone and of the interactions, for each accuracy."""
    d, rank = setting.require_matrix("upper_bound")
    spline = log_cover_ball(accuracy / 2, dimension=spline_dimension(k, degree, odd=odd), radius=radius)
    total = log_cover_interactions(
        accuracy,
        d=d,
        rank=rank,
        n_intervals=k,
        degree=degree,
        sup_bound=radius,
        support_ratio=support_ratio,
        odd=odd,
    )
    return spline, total
