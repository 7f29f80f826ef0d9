r"""Upper bounds with explicit constants.

:func:`upper_bound` is for the empirical risk minimiser over continuous splines of a clipped score with an
unknown matrix of rank r; :func:`oracle_upper_bound` for least squares on piecewise polynomials with the
matrix known. Both are proved in the chapters on the upper bound; nothing in them is asymptotic.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.theory.approximation import lebesgue_constant, spline_degree, spline_error, taylor_error
from pairint.theory.covering import log_cover_ball, log_cover_interactions
from pairint.theory.densities import check_density_values, check_mass
from pairint.theory.integers import best_integer
from pairint.theory.setting import Setting
from pairint.validation import check_integer, check_real

__all__ = [
    "OracleUpperBound",
    "UpperBound",
    "christoffel_number",
    "exponential_constants",
    "losses",
    "oracle_upper_bound",
    "plain_upper_bound",
    "truncation_price",
    "upper_bound",
]

#: Exponent of the matrix Chernoff bound for losing half of the smallest eigenvalue.
CHERNOFF_HALF = (1 - math.log(2)) / 2

#: Where the searches for K end: beyond what a float tells apart, and where Gram matrices fill the memory.
_MOST_INTERVALS, _MOST_HALVES = 2**52, 2**14


@dataclass(frozen=True)
class UpperBound:
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
    amplification : float
        1 / coercivity constant: the factor from aggregated to pairwise error.
    at_limit : bool
        Whether the search for K ended at its limit: a larger K may give a smaller bound. This one is valid.
    """

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
    amplification: float
    at_limit: bool = False

    @property
    def value(self) -> float:
        return self.bias + self.spline + self.matrix + self.discretisation

    def __float__(self) -> float:
        return self.value


def upper_bound(
    n_samples: int,
    setting: Setting,
    *,
    degree: int | None = None,
    n_intervals: int | None = None,
    support_ratio: float | None = None,
    coercivity: float | None = None,
) -> UpperBound:
    r"""Bound :math:`\sup E\|\hat g - g_*\|^2_{L^2(\rho)}` for empirical risk minimisation, unknown matrix.

    Book: :doc:`/book/upper_bound_proof`.

    The tokens: independent and identically distributed given some Theta (otherwise ``coercivity`` must be
    given), with a support that spans R^d. The truth: phi in the Hölder class C(beta, L) with
    :math:`|\varphi| \le B` on [-abar, abar], a matrix of rank at most r with scores in [-abar, abar]. The
    estimator: minimiser of the empirical risk over :math:`p(\mathrm{clip}(x^\top A y))`, p a continuous
    spline of degree s on K equal cells, bounded by :math:`B + \delta`. For every K, :math:`\epsilon > 0`
    and :math:`0 < \lambda < N / (2 \sigma^2)`,

    .. math::

        \frac{1}{c_H} \Big\{ \frac{\lambda}{c} \big[\delta^2 + \epsilon(2\sigma + 2\Delta + \epsilon)\big]
        + \frac{\log \mathcal N(\epsilon)}{c M} + 2 \Delta \epsilon + \epsilon^2 \Big\}, \qquad
        c = \frac{1 - e^{-\mu \Delta^2}}{\Delta^2},\ \mu = \lambda - \frac{2 \lambda^2 \sigma^2}{N},

    with :math:`\Delta = 2B + \delta` and the covering number of
    :func:`pairint.theory.covering.log_cover_interactions`. The bound is minimised over K, epsilon, lambda.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        All of it counts; ``sup_bound`` must be finite.
    degree : int, optional
        s >= 1, at least the largest integer below beta; the smallest by default.
    n_intervals : int, optional
        K; by default chosen to minimise the bound, up to the limit that ``at_limit`` of the result is about.
    support_ratio : float, optional
        See :func:`pairint.theory.covering.log_cover_interactions`; d (a cube) by default.
    coercivity : float, optional
        Coercivity constant of the token law, in (0, 1]; 1/(N-1) by default, which is right for tokens that
        are i.i.d. given some Theta.

    Returns
    -------
    UpperBound
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    setting.require_sup_bound("upper_bound")
    setting.require_matrix("upper_bound")
    setting.require_score_bound("upper_bound")
    degree = spline_degree(setting.beta, degree)
    support_ratio = _support_ratio(setting, support_ratio)
    if coercivity is None:
        coercivity = 1 / (setting.n_tokens - 1)
    coercivity = check_real("coercivity", coercivity, 0, 1, exclusive_minimum=True)

    def at(k: int) -> UpperBound:
        return _best_parameters(n_samples, setting, k, degree, support_ratio, coercivity)

    if n_intervals is not None:
        return at(check_integer("n_intervals", n_intervals, 1))
    best, at_limit = best_integer(lambda k: at(k).value, 2**20, _MOST_INTERVALS)
    return replace(at(best), at_limit=at_limit)


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
    return mu, -math.expm1(-mu * squared) / squared


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
    d, rank = setting.require_matrix("losses")
    support_ratio = _support_ratio(setting, support_ratio)
    _, c = exponential_constants(bound.temperature, bound.envelope, setting)
    radius = (bound.envelope + bound.approximation) / 2  # B + delta from 2 B + delta
    per_accuracy = 4 * radius / bound.accuracy
    slope = 2 * support_ratio * bound.degree**2 * bound.n_intervals
    price = {
        "envelope": n_tokens / (noise_std**2 * c),
        "coercivity": bound.amplification / (n_tokens - 1),
    }
    numbers = bound.n_intervals * bound.degree + 1
    return {
        "bias": {
            "continuity": (1 + lebesgue_constant(bound.degree)) ** 2,
            "oracle inequality": bound.temperature / c,
            "coercivity": bound.amplification,
        },
        "spline": price
        | {
            "logarithm": math.log1p(per_accuracy),
            "count": numbers / (bound.n_intervals * (setting.degree + 1)),
        },
        "matrix": price
        | {
            "logarithm": math.log1p(slope * per_accuracy),
            "count": 2 * d * rank / setting.n_matrix,
        },
    }


@dataclass(frozen=True)
class OracleUpperBound:
    """A proved bound for least squares with the interaction matrix known.

    Book: :doc:`/book/upper_bound_known_matrix`.

    Attributes
    ----------
    bias, variance, design, failure : float
        Approximation; noise; randomness of the tokens acting on what is not approximated; the chance that
        the empirical Gram matrix is off by a factor 2. Their sum is the bound.
    n_intervals, dimension : int
        Cells of [-abar, abar] and free coefficients.
    christoffel : float
        kappa.
    at_limit : bool
        Whether the search for K ended at its limit: a larger K may give a smaller bound. This one is valid.
    """

    bias: float
    variance: float
    design: float
    failure: float
    n_intervals: int
    dimension: int
    christoffel: float
    at_limit: bool = False

    @property
    def value(self) -> float:
        return self.bias + self.variance + self.design + self.failure

    def __float__(self) -> float:
        return self.value


def oracle_upper_bound(
    n_samples: int,
    setting: Setting,
    *,
    density: Callable[[Any], Any],
    odd: bool = False,
    coupling: float | None = None,
    n_intervals: int | None = None,
) -> OracleUpperBound:
    r"""Bound the error of least squares on piecewise polynomials of the score, with the matrix known.

    Book: :doc:`/book/upper_bound_known_matrix`.

    For tokens independent and identically distributed given some Theta, a space V of dimension D with
    :math:`\kappa = \sup_u B(u)^\top \Gamma^{-1} B(u)`, and any :math:`\varphi_0 \in V`, put
    :math:`e = \varphi_* - \varphi_0` and :math:`b = \|e\|^2_\rho + (N-2) E[E(e(U_{12})|X_1, \Theta)^2]`. Then

    .. math::

        E\|\hat\varphi - \varphi_*\|^2_\rho \le 2 (\|e\|_\rho + \sqrt b)^2
        + 8 \frac{N-1}{N} \frac{\sigma^2 D}{M} + \frac{8 (N-1) \kappa b}{M}
        + B^2 D\, e^{-0.153 M / ((N-1)\kappa)} .

    The estimator is clipped to [-B, B], and zero if the empirical Gram matrix has lost half of the smallest
    eigenvalue. For symmetric tokens and odd functions b is :math:`\|e\|^2`, and N leaves the leading terms.
    Aggregated and pairwise norm are then proportional, Pythagoras replaces the triangle inequality, and
    the factors become :math:`\|e\|^2` for the first term and 4 for 8 in the next two.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        All of it but ``d`` and ``rank``; ``sup_bound`` must be finite.
    density : callable
        Density of the score on [-score_bound, score_bound]; positive almost everywhere there. Its mass is
        checked to be at most 1, by quadrature.
    odd : bool
        Whether truth and estimator are odd and the tokens symmetric given Theta: then the coupling is 0.
    coupling : float, optional
        A bound of :math:`E[E(e|X_1,\Theta)^2] / \|e\|_\infty^2`; 1 by default (nothing known).
    n_intervals : int, optional
        Even; by default chosen to minimise the bound, up to the limit that ``at_limit`` of the result is
        about.
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    sup_bound = setting.require_sup_bound("oracle_upper_bound")
    score_bound = setting.require_score_bound("oracle_upper_bound")
    if not callable(density):
        raise TypeError(f"density must be a function of the score, got {density!r}")
    n_tokens, degree = setting.n_tokens, setting.degree
    if odd and coupling:
        raise ValueError(f"coupling must be 0 or None for odd functions, got {coupling}")
    coupling = float(not odd) if coupling is None else check_real("coupling", coupling, 0, 1)

    def at(half: int) -> OracleUpperBound:
        k = 2 * half
        # Odd functions are given by their right half; the norm of a pair of mirror images is that of one.
        kappa = christoffel_number(density, n_intervals=k, degree=degree, score_bound=score_bound)
        kappa = kappa / 2 if odd else kappa
        dimension = (half if odd else k) * (degree + 1)
        sup = taylor_error(
            k, beta=setting.beta, holder_constant=setting.holder_constant, score_bound=score_bound
        )
        b = sup**2 * (1 + (n_tokens - 2) * coupling)
        partners = n_tokens - 1
        failure = dimension * math.exp(-CHERNOFF_HALF * n_samples / (partners * kappa))
        factor = 4 if odd else 8
        return OracleUpperBound(
            bias=sup**2 if odd else 2 * (sup + math.sqrt(b)) ** 2,
            variance=factor * partners / n_tokens * setting.noise_std**2 * dimension / n_samples,
            design=factor * partners * kappa * b / n_samples,
            failure=sup_bound**2 * min(1.0, failure),
            n_intervals=k,
            dimension=dimension,
            christoffel=kappa,
        )

    if n_intervals is not None:
        n_intervals = check_integer("n_intervals", n_intervals, 2)
        if n_intervals % 2:
            raise ValueError(f"n_intervals must be even, got {n_intervals}")
        return at(n_intervals // 2)
    best, at_limit = best_integer(lambda half: at(half).value, 512, _MOST_HALVES)
    return replace(at(best), at_limit=at_limit)


@functools.lru_cache(maxsize=2048)
def christoffel_number(
    density: Callable[[Any], Any], *, n_intervals: int, degree: int, score_bound: float, n_nodes: int = 24
) -> float:
    r"""Return :math:`\kappa = \sup_u B(u)^\top \Gamma^{-1} B(u)` for discontinuous piecewise polynomials.

    The largest square of a function of unit norm in L2(P_U). Cells that scores rarely visit make it large.
    Each cell is a problem of its own: the density is integrated by Gauss-Legendre quadrature on four
    panels of it, and the supremum is taken over a grid that includes its ends.

    Parameters
    ----------
    density : callable
    n_intervals, degree : int
        K >= 1, s >= 0.
    score_bound : float
    n_nodes : int
        Nodes on each panel.
    """
    n_intervals = check_integer("n_intervals", n_intervals, 1)
    degree = check_integer("degree", degree, 0)
    score_bound = check_real("score_bound", score_bound, 0, exclusive_minimum=True)
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    panels = np.linspace(-1, 1, 5)
    t = ((panels[:-1] + panels[1:])[:, None] / 2 + nodes / 4).ravel()
    weight = np.tile(weights / 4, 4)
    half = score_bound / n_intervals
    centres = -score_bound + half * (2 * np.arange(n_intervals) + 1)
    p = check_density_values(density(centres[:, None] + half * t), (n_intervals, len(t))) * weight * half
    check_mass(float(p.sum()))
    powers = np.polynomial.legendre.legvander(t, degree)
    gram = np.einsum("cq,qi,qj->cij", p, powers, powers)
    fine = np.polynomial.legendre.legvander(np.linspace(-1, 1, 41), degree)
    if np.any(np.einsum("cii->c", gram) <= 0):
        raise ValueError("density must be positive somewhere in every cell")
    solved = np.linalg.solve(gram, np.broadcast_to(fine.T, (n_intervals, degree + 1, len(fine))))
    return float(np.einsum("qi,ciq->cq", fine, solved).max())


def _support_ratio(setting: Setting, value: float | None) -> float:
    if value is None:
        return float(setting.require_matrix("the support ratio of a cube")[0])
    return check_real("support_ratio", value, 1)


def _best_parameters(
    n_samples: int, setting: Setting, k: int, degree: int, support_ratio: float, coercivity: float
) -> UpperBound:
    """Return the bound for one K, minimised over a grid of (epsilon, mu Delta^2): each point is valid."""
    n_tokens, noise_std = setting.n_tokens, setting.noise_std
    delta = spline_error(
        k,
        beta=setting.beta,
        holder_constant=setting.holder_constant,
        score_bound=setting.require_score_bound("upper_bound"),
        degree=degree,
    )
    radius = setting.sup_bound + delta
    envelope = 2 * setting.sup_bound + delta
    # The best accuracy is of the order of the number of parameters over M.
    accuracy = (envelope * np.logspace(-1, 6, 71) / n_samples)[:, None]
    z = np.logspace(-5, 1, 61)
    limit = n_tokens / (8 * noise_std**2) if noise_std**2 > 0 else math.inf
    mu = z[z / envelope**2 <= limit] / envelope**2
    if math.isfinite(limit):
        mu = np.append(mu, limit)
    mu = mu[None, :]
    # The smaller root of lambda - 2 lambda^2 sigma^2 / N = mu, in a form that is stable for small mu.
    root = np.sqrt(np.maximum(1 - 8 * noise_std**2 * mu / n_tokens, 0.0))
    temperature = 2 * mu / (1 + root)
    c = -np.expm1(-mu * envelope**2) / envelope**2
    spline, total = _log_covers(accuracy, setting, k, degree, radius, support_ratio)
    remainder = accuracy * (2 * noise_std + 2 * envelope + accuracy) * temperature / c
    remainder = remainder + 2 * envelope * accuracy + accuracy**2
    value = temperature / c * delta**2 + total / (n_samples * c) + remainder
    i, j = np.unravel_index(np.argmin(value), value.shape)
    scale = 1 / coercivity
    per_nat = scale / (n_samples * float(c[0, j]))
    return UpperBound(
        bias=scale * float(temperature[0, j] / c[0, j]) * delta**2,
        spline=per_nat * float(spline[i, 0]),
        matrix=per_nat * float(total[i, 0] - spline[i, 0]),
        discretisation=scale * float(remainder[i, j]),
        n_intervals=k,
        degree=degree,
        approximation=delta,
        envelope=envelope,
        temperature=float(temperature[0, j]),
        accuracy=float(accuracy[i, 0]),
        amplification=scale,
    )


def _log_covers(
    accuracy: NDArray[np.float64], setting: Setting, k: int, degree: int, radius: float, support_ratio: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the log covering numbers of the splines alone and of the interactions, for each accuracy."""
    d, rank = setting.require_matrix("upper_bound")
    flat = accuracy.ravel()
    spline = [log_cover_ball(float(e) / 2, dimension=k * degree + 1, radius=radius) for e in flat]
    total = [
        log_cover_interactions(
            float(e),
            d=d,
            rank=rank,
            n_intervals=k,
            degree=degree,
            sup_bound=radius,
            support_ratio=support_ratio,
        )
        for e in flat
    ]
    return np.array(spline)[:, None], np.array(total)[:, None]
