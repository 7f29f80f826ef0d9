r"""Oracle inequalities: what an estimator does when nothing, or nearly nothing, is known of the truth.

:func:`oracle_inequality` is for minimisers of the empirical risk over any class and any bounded truth;
:func:`adaptive_upper_bound` for a penalised estimator that learns smoothness, degree, rank and parity from
the data. Both are proved in the chapter on adaptation; nothing in them is asymptotic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pairint.result import Result
from pairint.theory.approximation import LARGEST_DEGREE, spline_degree, spline_error
from pairint.theory.covering import log_cover_interactions
from pairint.theory.fourth_moment import range_factor, size_bias_rate
from pairint.theory.integers import best_integer
from pairint.theory.setting import Setting
from pairint.theory.upper import MOST_INTERVALS
from pairint.validation import check_flag, check_instance, check_integer, check_real

__all__ = [
    "AdaptiveUpperBound",
    "OracleInequality",
    "adaptive_upper_bound",
    "log_weight",
    "oracle_inequality",
    "penalty",
    "temperature",
    "upper_tail",
]


@dataclass(frozen=True, repr=False)
class OracleInequality(Result):
    """A bound of the error by that of the best of a class, whatever the truth.

    Book: :doc:`/book/upper_bound_adaptation`.

    Attributes
    ----------
    risk, complexity, chance, discretisation : float
        The error of the best of the class, times its factor; the price of choosing it; what a statement
        with high probability costs more than one in the mean; the accuracy of the covering. Their sum is
        the bound.
    factor : float
        Before the error of the best: lambda / c, in the mean.
    temperature : float
        lambda.
    """

    _first = ("value",)
    _units = (
        ("output²", "value risk complexity chance discretisation"),
        ("1/output²", "temperature"),
    )

    risk: float
    complexity: float
    chance: float
    discretisation: float
    factor: float
    temperature: float

    @property
    def value(self) -> float:
        """The bound, the sum of its parts."""
        return self.risk + self.complexity + self.chance + self.discretisation

    def __float__(self) -> float:
        return self.value


def temperature(
    *, n_tokens: int, noise_std: float, envelope: float, pairs: bool = False, slack: float = 1.0
) -> tuple[float, float, float]:
    r"""Return lambda, c and the scale S of an oracle inequality with the factor :math:`1 + a`.

    With :math:`w = \Delta^2`, S = 1 in the aggregated norm and :math:`w = \omega_N \Delta^2 / (N-1)`,
    S = N - 1 in that of pairs, :math:`\lambda = a / (w + 4 \sigma^2 / N)` and
    :math:`c = (1 - e^{-\mu w}) / w`; then :math:`\lambda / c \le 1 + a`.

    Parameters
    ----------
    n_tokens : int
        N >= 2.
    noise_std : float
        sigma >= 0.
    envelope : float
        Delta > 0.
    pairs : bool
        Whether the norm is that of pairs.
    slack : float
        a, in (0, 1].
    """
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    noise_std = check_real("noise_std", noise_std, 0)
    envelope = check_real("envelope", envelope, 0, exclusive_minimum=True)
    slack = check_real("slack", slack, 0, 1, exclusive_minimum=True)
    scale = n_tokens - 1.0 if check_flag("pairs", pairs) else 1.0
    w = envelope**2 * (range_factor(n_tokens) if pairs else 1.0) / scale
    lam = slack / (w + 4 * noise_std**2 / n_tokens)
    mu = lam - 2 * lam**2 * noise_std**2 / n_tokens
    return lam, float(size_bias_rate(mu, w)), scale


def upper_tail(
    failure: float, n_samples: int, *, n_tokens: int, noise_std: float, envelope: float
) -> tuple[float, float]:
    r"""Return p and q such that one fixed candidate has an excess of at most :math:`p D + q`.

    With a probability of at least 1 - ``failure``. They are :math:`c' / \lambda'` and
    :math:`t / (\lambda' M)` with :math:`t = \log(1 / failure)`, :math:`\mu' = \lambda' + 2 \lambda'^2
    \sigma^2 / N`, :math:`c' = (e^{\mu' \Delta_0^2} - 1) / \Delta_0^2`; here :math:`\lambda'` is such that
    :math:`\mu' \Delta_0^2` and :math:`\lambda' \sigma^2 / N` are at most 1/2.

    Parameters
    ----------
    failure : float
        In (0, 1).
    n_samples, n_tokens : int
        M >= 1, N >= 2.
    noise_std : float
        sigma >= 0.
    envelope : float
        Delta_0 > 0: bound of the distance of this candidate from the truth.
    """
    failure = check_real("failure", failure, 0, 1, exclusive_minimum=True, exclusive_maximum=True)
    n_samples = check_integer("n_samples", n_samples, 1)
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    variance = check_real("noise_std", noise_std, 0) ** 2 / n_tokens
    squared = check_real("envelope", envelope, 0, exclusive_minimum=True) ** 2
    # mu' = lambda' (1 + 2 lambda' variance) is at most 2 lambda'.
    lam = min(1 / (4 * squared), 1 / (2 * variance) if variance > 0 else math.inf)
    mu = lam + 2 * lam**2 * variance
    return math.expm1(mu * squared) / (squared * lam), -math.log(failure) / (lam * n_samples)


def oracle_inequality(
    n_samples: int,
    setting: Setting,
    *,
    risk: float,
    log_cover: float,
    envelope: float,
    accuracy: float = 0.0,
    pairs: bool = False,
    slack: float = 1.0,
    failure: float | None = None,
    best_envelope: float | None = None,
) -> OracleInequality:
    r"""Bound the error of the minimiser of the empirical risk by that of the best of its class.

    Book: :doc:`/book/upper_bound_adaptation`.

    The truth is arbitrary: outputs :math:`Y_i = F_i(X) + \eta_i` with any function F of the whole sample.
    In the mean, with lambda, c and S of :func:`temperature`,

    .. math::

        \frac{\lambda}{c} \big[ \inf + S \epsilon (2 \sigma + 2 \Delta + \epsilon) \big]
        + \frac{S\, \mathcal H}{c M} + 2 \Delta \epsilon + \epsilon^2, \qquad \frac{\lambda}{c} \le 1 + a .

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        Of it ``n_tokens`` and ``noise_std``.
    risk : float
        Error of some g_0 of the class: :math:`E \frac1N \sum_i (R_{g_0} - F)_i^2`; with ``pairs``, where F
        is the average of a function f of pairs, N - 1 times that, which is
        :math:`\|e\|^2 + (N-2) E\, m_e^2`, :math:`e = f - g_0`.
    log_cover : float
        Logarithm of the covering number of the class at this accuracy, >= 0; with a penalty, its weight in
        addition.
    envelope : float
        Delta: bound of :math:`|R_g - F|`, with ``pairs`` of :math:`|g - f|`, over the class.
    accuracy : float
        epsilon >= 0; 0 for a finite class.
    pairs : bool
        Whether the error is that of pairs, in L2(rho). Then the tokens must be independent and identically
        distributed given some Theta.
    slack : float
        a, in (0, 1].
    failure : float, optional
        Given, the bound holds with a probability of at least 1 - failure, in place of in the mean.
    best_envelope : float, optional
        Bound of the distance of g_0 from the truth, for ``failure``; ``envelope`` by default.
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    check_instance("setting", setting, Setting)
    n_tokens, noise_std = setting.n_tokens, setting.noise_std
    risk = check_real("risk", risk, 0)
    log_cover = check_real("log_cover", log_cover, 0)
    accuracy = check_real("accuracy", accuracy, 0)
    lam, c, scale = temperature(
        n_tokens=n_tokens, noise_std=noise_std, envelope=envelope, pairs=pairs, slack=slack
    )
    factor, noise, chance = lam / c, noise_std, 0.0
    leading = factor
    if failure is not None:
        failure = check_real("failure", failure, 0, 1, exclusive_minimum=True, exclusive_maximum=True)
        best = envelope if best_envelope is None else best_envelope
        best = check_real("best_envelope", best, 0, exclusive_minimum=True)
        p, q = upper_tail(failure / 3, n_samples, n_tokens=n_tokens, noise_std=noise_std, envelope=best)
        t = math.log(3 / failure)
        leading = factor * p
        noise = noise_std * math.sqrt(2 * (math.log(2) + t / (n_samples * n_tokens)))
        chance = scale * (factor * q + t / (c * n_samples))
    elif best_envelope is not None:
        raise ValueError(f"best_envelope must be None without failure, got {best_envelope}")
    remainder = factor * scale * accuracy * (2 * noise + 2 * envelope + accuracy)
    return OracleInequality(
        risk=leading * risk,
        complexity=scale * log_cover / (c * n_samples),
        chance=chance,
        discretisation=remainder + 2 * envelope * accuracy + accuracy**2,
        factor=leading,
        temperature=lam,
    )


def log_weight(*, n_intervals: int, degree: int, rank: int) -> float:
    r"""Return :math:`x = \log(2\, K(K+1)\, s(s+1)\, r(r+1))`: the sum of :math:`e^{-x}` is at most 1.

    It runs over all K, s, r >= 1 and the two parities: :math:`1/(K(K+1))` sums to 1.
    """
    parts = {"n_intervals": n_intervals, "degree": degree, "rank": rank}
    checked = [check_integer(name, value, 1) for name, value in parts.items()]
    return math.log(2) + sum(math.log(n) + math.log(n + 1) for n in checked)


def penalty(
    *,
    n_intervals: int,
    degree: int,
    rank: int,
    odd: bool,
    n_samples: int,
    n_tokens: int,
    noise_std: float,
    sup_bound: float,
    d: int,
    support_ratio: float,
    slack: float = 1.0,
) -> float:
    r"""Return what the estimator adds to the mean of the losses of a model: nothing in it is the truth's.

    .. math::

        pen(K, s, r, o) = \frac{\mathcal H_{K,s,r,o}(\epsilon) + x_{K,s,r}}{\lambda M}, \qquad
        \epsilon = \frac{2B}{NM}, \qquad \lambda = \frac{a}{4 \omega_N B^2 / (N-1) + 4 \sigma^2 / N} .

    Book: :doc:`/book/upper_bound_adaptation`.

    Parameters
    ----------
    n_intervals, degree, rank : int
        K, s, r >= 1.
    odd : bool
        Whether the splines are odd.
    n_samples, n_tokens : int
        M >= 1, N >= 2.
    noise_std, sup_bound : float
        Upper bounds of sigma and of the modulus of the truth.
    d : int
    support_ratio : float
        See :func:`pairint.theory.covering.log_cover_interactions`.
    slack : float
        a, in (0, 1].
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    sup_bound = check_real("sup_bound", sup_bound, 0, exclusive_minimum=True)
    lam, _, _ = temperature(
        n_tokens=n_tokens, noise_std=noise_std, envelope=2 * sup_bound, pairs=True, slack=slack
    )
    cover = _log_cover(
        n_intervals, degree, rank, check_flag("odd", odd), n_samples * n_tokens, d, support_ratio
    )
    return (cover + log_weight(n_intervals=n_intervals, degree=degree, rank=rank)) / (lam * n_samples)


@dataclass(frozen=True, repr=False)
class AdaptiveUpperBound(Result):
    """A proved bound for the penalised estimator, which knows neither smoothness, degree, rank nor parity.

    Book: :doc:`/book/upper_bound_adaptation`.

    Attributes
    ----------
    bias, complexity, weight, chance, discretisation : float
        Approximation; the covering of the best model; its weight, which is the price of not knowing it; what
        high probability costs; the accuracy of the covering. Their sum is the bound.
    n_intervals, degree : int
        K and s of the model that makes the bound smallest. The estimator does not know it.
    approximation : float
        Uniform distance of phi to the splines of this model that are bounded by B.
    factor : float
        Before the bias.
    temperature : float
        lambda.
    at_limit : bool
        Whether the search for K ended at its limit: a larger K may give a smaller bound. This one is valid.
    """

    _first = ("value",)
    _units = (
        ("output²", "value bias complexity weight chance discretisation"),
        ("1/output²", "temperature"),
        ("output", "approximation"),
    )

    bias: float
    complexity: float
    weight: float
    chance: float
    discretisation: float
    n_intervals: int
    degree: int
    approximation: float
    factor: float
    temperature: float
    at_limit: bool = False

    @property
    def value(self) -> float:
        """The bound, the sum of its parts."""
        return self.bias + self.complexity + self.weight + self.chance + self.discretisation

    def __float__(self) -> float:
        return self.value


def adaptive_upper_bound(
    n_samples: int,
    setting: Setting,
    *,
    odd: bool = False,
    slack: float = 1.0,
    support_ratio: float | None = None,
    failure: float | None = None,
) -> AdaptiveUpperBound:
    r"""Bound the error of the estimator that minimises the empirical risk plus :func:`penalty`.

    Book: :doc:`/book/upper_bound_adaptation`.

    For tokens independent and identically distributed given some Theta. The estimator minimises over all
    continuous splines bounded by B, all K, degrees and ranks, odd or not, of scores that are normalised to
    [-1, 1]. It is given B and sigma (or upper bounds of them), and chi; it is not given beta, L, abar, r, nor
    whether the truth is odd. For every model

    .. math::

        \frac{\lambda}{c} \big[ (1 + (N-2) \tau)\, \delta^2
        + (N-1)\, \epsilon (2 \sigma + 2 \Delta + \epsilon) \big]
        + \frac{(N-1) (\mathcal H + x)}{c M} + 2 \Delta \epsilon + \epsilon^2,

        \delta = \min\Big( B, \frac{2 B \delta_K}{B + \delta_K} \Big),

    with :math:`\Delta = 2B`, and tau = 0 for odd functions and symmetric tokens, else 1. The bound is
    minimised over the models, by the proof and not by the estimator.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        All of it counts; ``sup_bound`` must be finite.
    odd : bool
        Whether the truth is odd and the tokens symmetric given Theta.
    slack : float
        a of the penalty, in (0, 1].
    support_ratio : float, optional
        See :func:`pairint.theory.covering.log_cover_interactions`; d (a cube) by default.
    failure : float, optional
        Given, the bound holds with a probability of at least 1 - failure, in place of in the mean.
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    check_instance("setting", setting, Setting)
    odd = check_flag("odd", odd)
    sup_bound = setting.require_sup_bound("adaptive_upper_bound")
    score_bound = setting.require_score_bound("adaptive_upper_bound")
    d, rank = setting.require_matrix("adaptive_upper_bound")
    ratio = float(d) if support_ratio is None else check_real("support_ratio", support_ratio, 1)
    envelope, outputs = 2 * sup_bound, n_samples * setting.n_tokens
    first = spline_degree(setting.beta)

    def at(k: int, degree: int) -> AdaptiveUpperBound:
        delta = spline_error(
            k,
            beta=setting.beta,
            holder_constant=setting.holder_constant,
            score_bound=score_bound,
            degree=degree,
        )
        delta = min(sup_bound, 2 * delta * (sup_bound / (sup_bound + delta)))
        cover = _log_cover(k, degree, rank, odd, outputs, d, ratio)
        weight = log_weight(n_intervals=k, degree=degree, rank=rank)
        bound = oracle_inequality(
            n_samples,
            setting,
            risk=delta**2 * (1 if odd else setting.n_tokens - 1),
            log_cover=cover + weight,
            envelope=envelope,
            accuracy=envelope / outputs,
            pairs=True,
            slack=slack,
            failure=failure,
            best_envelope=None if failure is None else delta,
        )
        part = weight / (cover + weight)
        return AdaptiveUpperBound(
            bias=bound.risk,
            complexity=bound.complexity * (1 - part),
            weight=bound.complexity * part,
            chance=bound.chance,
            discretisation=bound.discretisation,
            n_intervals=k,
            degree=degree,
            approximation=delta,
            factor=bound.factor,
            temperature=bound.temperature,
        )

    def best(degree: int) -> AdaptiveUpperBound:
        k, at_limit = best_integer(lambda k: at(k, degree).value, 2**20, MOST_INTERVALS)
        return replace(at(k, degree), at_limit=at_limit)

    # Higher degrees approximate no better in this class, but for Lebesgue's constant.
    return min((best(s) for s in range(first, max(first, min(first + 2, LARGEST_DEGREE)) + 1)), key=float)


def _log_cover(
    n_intervals: int, degree: int, rank: int, odd: bool, outputs: int, d: int, support_ratio: float
) -> float:
    """Return the log covering number of a model with |p| <= B at the accuracy 2 B / (N M): B cancels."""
    cover = log_cover_interactions(
        2.0 / outputs,
        d=d,
        rank=rank,
        n_intervals=n_intervals,
        degree=degree,
        sup_bound=1.0,
        support_ratio=support_ratio,
        odd=odd,
    )
    return float(cover)
