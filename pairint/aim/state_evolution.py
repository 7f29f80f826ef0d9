r"""State evolution: the Bayes-optimal error of attention-indexed models, to ten decimals.

With :math:`n = \alpha d^2` samples and :math:`d \to \infty` the data are worth one noisy copy of the matrix,
:math:`R = S + \hat q^{-1/2} Z`. The overlap :math:`q` of the optimal estimator and the precision
:math:`\hat q` solve (the paper's replica-symmetric theory: asymptotic, derived by statistical physics)

.. math:: Q_0 - q = E(1/\hat q), \qquad \hat q = \alpha K(q),

:math:`E` being the error of the matrix denoiser (:mod:`pairint.aim.spectrum`) and :math:`K` the
information of a label (:mod:`pairint.aim.channels`). Writing :math:`\Delta = 1/\hat q`,
:math:`E = \Delta F(\Delta)` and :math:`K = \kappa(\tau)/(Q_0 - q)`, both equations become one,

.. math:: \alpha = \frac{F(\Delta)}{\kappa\big((Q_0 - E(\Delta))/E(\Delta)\big)},

whose right side falls as :math:`\Delta` grows for the channels and the prior of the book (observed, not
proved): a single bracketed root, and no iteration that might stall. For other channels and priors it may
turn back; then there are several fixed points, and :mod:`pairint.aim.fixed_points` tells which is the
Bayes-optimal error.

:func:`state_evolution_iterates` iterates them all the same. It is the loop of message passing
(:mod:`pairint.aim.amp`) with an error in the place of matrices: it *scores* the labels and *denoises*, steps
of the same names there; what is *moved* and *predicted* is Gaussian, and its variance is all that counts.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from pairint.aim.channels import Channel, information_at, make_channel, scaled_information
from pairint.aim.fixed_points import Curve, FixedPoint, HardPhaseWarning
from pairint.aim.hardmax import hardmax_tail_constant
from pairint.aim.priors import Prior, WishartPrior, error_left, make_prior
from pairint.aim.spectrum import parameter_count
from pairint.result import Result
from pairint.validation import check_floats, check_integer, check_real

__all__ = [
    "StateEvolution",
    "alpha_of_noise",
    "exact_recovery_threshold",
    "fixed_points",
    "large_alpha_error",
    "small_width_limit",
    "small_width_samples",
    "state_evolution",
    "state_evolution_iterates",
    "weak_recovery_threshold",
]


@dataclass(frozen=True, repr=False)
class StateEvolution(Result):
    r"""Solution of the state evolution; arrays have the common shape of ``alpha`` and ``rho``.

    Book: :doc:`/book/aim_state_evolution`.

    Attributes
    ----------
    alpha, rho : array or float (or the prior, if one was given)
        Samples over :math:`d^2`, and the width ratio; one width ratio for all alpha stays a float.
    mmse : array or float
        Bayes-optimal :math:`\lVert S - \hat S\rVert_F^2/d`; 1 without data, 0 after exact recovery.
    q : array or float
        Overlap :math:`1 + \rho - \mathrm{mmse}`.
    q_hat : array or float
        Precision of the equivalent noisy copy; infinite after exact recovery.
    mmse_error : array or float
        Estimated error of ``mmse`` that stems from the channel: zero where its information is exact, else
        the relative error of :math:`\kappa` times :math:`|d\,\mathrm{mmse}/d\log\alpha|` (first order: a
        larger :math:`\kappa` acts as a larger :math:`\alpha`).
    algorithmic : array or float
        Where an iteration that starts from nothing stops: ``mmse``, or more in a hard phase.
    """

    _units = (("sample/d²", "alpha"),)

    alpha: np.ndarray | float
    rho: Any
    mmse: np.ndarray | float
    q: np.ndarray | float
    q_hat: np.ndarray | float
    mmse_error: np.ndarray | float = 0.0
    algorithmic: np.ndarray | float = math.nan


def _positive(name: str, values: Any) -> Any:
    """Return an array of numbers > 0."""
    values = check_floats(name, values)
    if values.size and float(values.min()) < 1e-150:  # squares of smaller ones are zero
        raise ValueError(f"{name} must be > 0, at least 1e-150, got {float(values.min())}")
    return values


def _check_prior(rho: Any, channel: Channel) -> Prior:
    """Return the prior; an infinite width ratio is allowed where exact recovery is possible."""
    prior = make_prior(rho)
    if prior.symmetric != channel.symmetric:
        kinds = {True: "tied", False: "untied"}
        raise ValueError(
            f"channel must be of the prior's kind: {channel!r} is {kinds[channel.symmetric]}, "
            f"{prior!r} is {kinds[prior.symmetric]}"
        )
    if isinstance(prior, WishartPrior) and not channel.recovers_exactly:
        check_real("rho", prior.rho)  # says that it must be finite
    return prior


def _log_alpha(prior: Prior, channel: Channel, delta: float) -> tuple[float, float]:
    """Return the error at an equivalent noise, and the logarithm of the sample ratio that leads to it."""
    error = error_left(prior, delta)
    information = scaled_information(channel, prior.second_moment - error, error)
    if information == 0:
        return error, math.inf  # no number of such labels is enough
    return error, math.log(prior.dimension(delta) / information)


def alpha_of_noise(
    delta: float, rho: float | Prior, channel: str | Channel = "softmax", n_tokens: int = 2
) -> float:
    r"""Sample ratio :math:`\alpha` at which the equivalent noise variance is ``delta`` (decreasing in it)."""
    delta = check_real("delta", delta, 0, exclusive_minimum=True)
    channel = make_channel(channel, n_tokens, untied=True)
    prior = _check_prior(rho, channel)
    error = error_left(prior, delta)
    information = scaled_information(channel, prior.second_moment - error, error)
    return prior.dimension(delta) / information if information > 0 else math.inf


def state_evolution(
    alpha: Any, rho: Any, channel: str | Channel = "softmax", n_tokens: int = 2
) -> StateEvolution:
    r"""Return the Bayes-optimal error at sample ratio ``alpha`` and width ratio ``rho``; they broadcast.

    Book: :doc:`/book/aim_state_evolution`.

    Parameters
    ----------
    alpha : float or array
        :math:`n/d^2 > 0`.
    rho : float, array or Prior
        Width ratio :math:`r/d > 0`; ``inf`` is allowed for the softmax and linear channels. Or the law of the
        layer.
    channel : {"softmax", "hardmax", "linear"} or Channel
    n_tokens : int
        Number of tokens T >= 2, at most 5 for hardmax (ignored if ``channel`` is a Channel, which knows its
        own).

    Returns
    -------
    StateEvolution
        For softmax and linear outputs, and hardmax of two tokens, ``mmse`` is exact to about 1e-10: an
        absolute error. Just below exact recovery, where ``mmse`` is tiny, fewer of its own digits are right
        (for narrow layers above all: the law of a tiny noise is a difference). For hardmax of three to five
        tokens ``mmse_error`` is the error that stems from :math:`\kappa`: heuristic where it is interpolated
        (``"hardmax"``), a standard error where it is sampled
        (:class:`~pairint.aim.sampling.SampledHardmaxChannel`).

    Warns
    -----
    HardPhaseWarning
        If for some ``alpha`` an iteration that starts from nothing stops at another fixed point than the
        Bayes-optimal one. ``mmse`` is that of the smallest mutual
        information, ``algorithmic`` the largest; :func:`fixed_points` returns all. They are looked for where
        a channel or a prior of one's own is given, once a call: pass all ``alpha`` at once.
    UserWarning
        If an error is returned as zero where the labels are known to leave a part of the layer open
        (:meth:`Channel.least_samples`): wide untied layers with linear labels.

    Examples
    --------
    >>> round(float(state_evolution(0.1, 0.5).mmse), 10)
    0.3921960173
    """
    channel = make_channel(channel, n_tokens, untied=True)
    alphas = _positive("alpha", alpha)
    if isinstance(rho, list | tuple) or (isinstance(rho, np.ndarray) and rho.ndim > 0):
        rho = check_floats("rho", rho, finite=False)
        try:
            alphas, rho = (a.copy() for a in np.broadcast_arrays(alphas, rho))
        except ValueError:
            shapes = f"{alphas.shape} and {rho.shape}"
            raise ValueError(f"alpha and rho must have shapes that broadcast, got {shapes}") from None
        priors = [_check_prior(float(r), channel) for r in rho.ravel()]
    else:
        prior = _check_prior(rho, channel)
        priors = [prior] * alphas.size
        rho = prior.rho if isinstance(prior, WishartPrior) else prior
    best, reached_by = _noises(alphas, priors, channel)
    deltas = np.array(best)
    hard = alphas.ravel()[deltas != reached_by]
    if hard.size:
        warnings.warn(
            f"several fixed points at {hard.size} of {alphas.size} values of alpha, from {hard.min():.4g} to "
            f"{hard.max():.4g}: mmse is the Bayes-optimal error, algorithmic is what message passing reaches",
            HardPhaseWarning,
            stacklevel=2,
        )
    solutions = list(zip(priors, deltas.tolist(), strict=True))
    mmse = np.array([p.error(x) if x > 0 else 0.0 for p, x in solutions]).reshape(alphas.shape)
    reached = np.array([p.error(x) if x > 0 else 0.0 for p, x in zip(priors, reached_by, strict=True)])
    least = np.array([channel.least_samples(p) for p in priors]).reshape(alphas.shape)
    if (missed := alphas[(mmse == 0) & (alphas < least)]).size:
        warnings.warn(
            f"the error is not zero at {missed.size} of {alphas.size} values of alpha, from "
            f"{missed.min():.4g} to {missed.max():.4g}, as state evolution has it: it spreads information "
            "evenly, and these labels leave a part of the layer open; exact_recovery_threshold counts it",
            UserWarning,
            stacklevel=2,
        )
    with np.errstate(divide="ignore"):
        q_hat = (1 / deltas).reshape(alphas.shape)
    q = np.array([p.second_moment for p in priors]).reshape(alphas.shape) - mmse
    inexact = [_channel_error(p, channel, x, e) for (p, x), e in zip(solutions, mmse.flat, strict=True)]
    return StateEvolution(
        alphas[()],
        rho,
        mmse[()],
        q[()],
        q_hat[()],
        np.array(inexact).reshape(alphas.shape)[()],
        reached.reshape(alphas.shape)[()],
    )


def _curve(prior: Prior, channel: Channel) -> Curve:
    return Curve(lambda delta: _log_alpha(prior, channel, delta), prior.variance, prior.second_moment)


def _check_rise(curve: Curve, channel: Channel, learned: float) -> None:
    """Refuse an information that falls before so much has been learned; beyond it does not count."""
    if curve.falls is not None and learned >= curve.most_learned:
        q, less, more = curve.falls
        name = "kappa" if type(channel).information is Channel.information else "information"
        raise ValueError(
            f"{type(channel).__name__}.{name} must give an information K = kappa/V that does not fall as "
            f"more is known, as that of every label; got K = {less:.4g} at q = {q:.4g} after {more:.4g}"
        )


def _noises(alphas: np.ndarray, priors: list[Prior], channel: Channel) -> tuple[list[float], list[float]]:
    """Return the noises of the Bayes-optimal fixed points, and of those that are reached from nothing."""
    curves: dict[int, Curve] = {}
    best, reached = [], []
    for alpha, prior in zip(alphas.ravel().tolist(), priors, strict=True):
        if not (channel.one_fixed_point and prior.one_fixed_point):
            _first_information(prior, channel)
            if id(prior) not in curves:
                curves[id(prior)] = _curve(prior, channel)
            curve = curves[id(prior)]
            if curve.turns_back:
                stable = [point for point in curve.fixed_points(alpha) if point.stable]
                if stable:
                    best.append(min(stable, key=lambda point: point.potential).delta)
                    reached.append(stable[0].delta)
                    continue
            noise = _solve_noise(alpha, prior, channel)
            left = error_left(prior, noise) if noise > 0 else 0.0
            _check_rise(curve, channel, prior.second_moment - left)
            best.append(noise)
        else:
            best.append(_solve_noise(alpha, prior, channel))
        reached.append(best[-1])
    return best, reached


def fixed_points(
    alpha: Any, rho: float | Prior, channel: str | Channel = "softmax", n_tokens: int = 2
) -> list[FixedPoint]:
    r"""Return all fixed points of the state evolution.

    Book: :doc:`/book/aim_own`.

    The Bayes-optimal error is the one of smallest ``potential``; an iteration that starts from nothing, and
    message passing with it, stops at the first that is ``stable``. A channel of which nothing can be learned
    by those who know nothing is refused: to know nothing would be a fixed point, too.

    Parameters
    ----------
    alpha : float or array
        :math:`n/d^2 > 0`.
    rho, channel, n_tokens
        As in :func:`state_evolution`; one ``rho``, finite.

    Returns
    -------
    list of FixedPoint
        For each ``alpha`` in turn, from the largest error to the smallest: those with an equivalent noise
        between ``1e-12`` and ``1e6`` times the variance of the prior, and zero error where it is one.
    """
    alphas = _positive("alpha", alpha).ravel()
    channel = make_channel(channel, n_tokens, untied=True)
    prior = _check_prior(rho, channel)
    _first_information(prior, channel)
    curve = _curve(prior, channel)
    found = []
    for value in alphas.tolist():
        points = curve.fixed_points(value)
        if not any(point.stable for point in points):
            _check_rise(curve, channel, prior.second_moment)
        found += points
    return found


def _channel_error(prior: Prior, channel: Channel, delta: float, mmse: float) -> float:
    """Return the error caused by that of kappa, to first order: as if alpha were wrong by its factor."""
    if delta == 0:
        return 0.0
    q = prior.second_moment - mmse
    if type(channel).information is Channel.information:
        relative = float(channel.kappa_error(q / mmse)) / float(channel.kappa(q / mmse))
    else:
        relative = channel.information_error(q, mmse) / channel.information(q, mmse)
    if relative == 0:
        return 0.0
    (less, low), (more, high) = (_log_alpha(prior, channel, delta * math.exp(s)) for s in (-1e-3, 1e-3))
    return relative * abs((more - less) / (high - low))


def _solve_noise(alpha: float, prior: Prior, channel: Channel) -> float:
    """Return the root of alpha_of_noise(delta) = alpha; zero beyond exact recovery."""
    if channel.recovers_exactly and alpha >= prior.parameters / _constant_kappa(channel):
        return 0.0

    def excess(log_delta: float) -> float:
        return _log_alpha(prior, channel, math.exp(log_delta))[1] - math.log(alpha)

    first = _first_information(prior, channel)
    start = math.log(prior.variance) - math.log(alpha) - math.log(first)  # exact for little data
    low = high = start
    step = 0.5
    while excess(low) < 0:
        low, step = low - step, 2 * step
        if low < -80:  # so close to exact recovery that the error is below 1e-30
            return 0.0
    step = 0.5
    while excess(high) > 0:
        high, step = high + step, 2 * step
    if low == high:
        return math.exp(low)
    return math.exp(brentq(excess, low, high, xtol=1e-14, rtol=1e-14))


def _first_information(prior: Prior, channel: Channel) -> float:
    """Return kappa where nothing is learned yet; zero is refused: to know nothing would be a fixed point."""
    known = (prior.second_moment - prior.variance) / prior.variance
    unknown = 0.0 if math.isinf(known) else known
    if type(channel).information is Channel.information:
        first = information_at(channel, unknown)
    else:
        first = scaled_information(channel, prior.second_moment - prior.variance, prior.variance)
    if first == 0:
        raise ValueError(
            f"{type(channel).__name__}.kappa must be > 0 where state evolution starts, got 0 at tau = "
            f"{unknown:.6g}: its labels teach nothing to those who know nothing"
        )
    return first


def state_evolution_iterates(
    alpha: float,
    rho: float | Prior,
    channel: str | Channel = "softmax",
    n_tokens: int = 2,
    n_iter: int = 20,
) -> np.ndarray:
    r"""Return the errors after 0, 1, ..., ``n_iter`` steps of :math:`q_{t+1} = Q_0 - E(1/(\alpha K(q_t)))`.

    They start from the prior's error 1 and decrease to the fixed point; an undamped AMP follows them.

    Returns
    -------
    ndarray of shape (n_iter + 1,)
    """
    alpha = check_real("alpha", alpha, 0, exclusive_minimum=True)
    if not isinstance(rho, Prior):
        check_real("rho", rho, 0, exclusive_minimum=True)
    channel = make_channel(channel, n_tokens, untied=True)
    prior = _check_prior(rho, channel)
    errors = [prior.variance]
    for _ in range(check_integer("n_iter", n_iter, 0)):
        information = _score(channel, prior, errors[-1])
        delta = 1 / (alpha * information) if information > 0 else math.inf
        errors.append(_denoise(prior, delta))
    return np.array(errors)


def _score(channel: Channel, prior: Prior, error: float) -> float:
    """Return the information K in a label, the indices being predicted with this error."""
    return scaled_information(channel, prior.second_moment - error, error) / error


def _denoise(prior: Prior, delta: float) -> float:
    """Return the error of the estimate from a copy with noise of variance delta."""
    return error_left(prior, delta) if delta < math.inf else prior.variance


# Thresholds and limits -----------------------------------------------------------------------------


def exact_recovery_threshold(
    rho: float | Prior, channel: str | Channel = "softmax", n_tokens: int = 2
) -> float:
    r"""Sample ratio from which the error is zero: equations against parameters.

    Book: :doc:`/book/aim_softmax`.

    :math:`\alpha_c = (2\rho - \rho^2)/\kappa` for :math:`\rho \le 1` and :math:`1/\kappa` above, with
    :math:`\kappa = T^2 + T - 2` (softmax) or :math:`T^2 + T` (linear); infinite for hardmax. For a channel of
    one's own it is :math:`\kappa(\infty)` that counts: the sample ratio at the faint end of the curve of
    fixed points, infinite if it grows there without end. In a hard phase message passing needs more. Where
    labels have fewer equations for a part of the layer (:meth:`Channel.least_samples`: linear labels of wide
    untied layers), those are counted too, and the larger number is returned.

    Raises
    ------
    ValueError
        If the channel ``recovers_exactly`` and its ``kappa`` is not constant, or zero.
    """
    channel = make_channel(channel, n_tokens, untied=True)
    prior = _check_prior(rho, channel)
    if channel.recovers_exactly:
        return max(prior.parameters / _constant_kappa(channel), channel.least_samples(prior))
    return math.inf if channel.one_fixed_point else _curve(prior, channel).least_for_exact_recovery


def _constant_kappa(channel: Channel) -> float:
    """Return the kappa > 0 of a channel that recovers exactly."""
    value = information_at(channel, 1.0)  # where it is compared with that at zero
    if value == 0:
        raise ValueError(f"{type(channel).__name__}.kappa must be > 0 where recovers_exactly is True, got 0")
    return value


def weak_recovery_threshold(channel: str | Channel = "softmax", n_tokens: int = 2) -> float:
    r"""Return samples per :math:`d r` from which a narrow attention layer (:math:`\rho\to0`) is seen at all.

    Book: :doc:`/book/aim_small_width`.

    It equals :math:`1/\kappa(0)`: 1/4 for softmax of two tokens, 0.4034106290... for hardmax. It is infinite
    for labels that teach nothing to those who know nothing, as magnitudes do.
    """
    first = information_at(make_channel(channel, n_tokens, untied=True), 0.0)
    return 1 / first if first > 0 else math.inf


def small_width_samples(t: Any, channel: str | Channel = "softmax", n_tokens: int = 2) -> Any:
    r"""Return samples :math:`\bar\alpha = n/(dr)` at which the noise is :math:`t = \rho\Delta`, as rho -> 0.

    With few strong directions the denoiser is the one of a spike: :math:`q = (1-t)^2`, so that the error is
    :math:`t(2-t)` and :math:`\bar\alpha = (2-t)/\kappa\big((1-t)^2/(t(2-t))\big)`.
    """
    t = np.asarray(t, dtype=np.float64)
    if np.any((t <= 0) | (t > 1)):
        raise ValueError("t must lie in (0, 1]")
    return ((2 - t) / make_channel(channel, n_tokens, untied=True).kappa((1 - t) ** 2 / (t * (2 - t))))[()]


def small_width_limit(alpha_bar: Any, channel: str | Channel = "softmax", n_tokens: int = 2) -> Any:
    r"""Return the Bayes-optimal error for :math:`\rho \to 0` at :math:`\bar\alpha = n/(dr)` samples.

    Book: :doc:`/book/aim_small_width`.

    The error is 1 up to the weak-recovery threshold, then :math:`t(2-t)` with :math:`t` the root of
    :func:`small_width_samples`; for softmax and linear outputs :math:`t = 2 - \kappa\bar\alpha`, zero from
    :math:`2/\kappa` on.

    Parameters
    ----------
    alpha_bar : float or array, positive

    Returns
    -------
    float or array of the shape of ``alpha_bar``

    Raises
    ------
    ValueError
        If the channel has several fixed points in this limit, so that a root is not the Bayes-optimal error.
    """
    channel = make_channel(channel, n_tokens, untied=True)
    values = _positive("alpha_bar", alpha_bar)
    if channel.recovers_exactly:
        t = np.clip(2 - _constant_kappa(channel) * values, 0, 1)
    else:
        _check_one_small_width(channel)
        t = np.array([_small_width_noise(float(v), channel) for v in values.ravel()]).reshape(values.shape)
    return (t * (2 - t))[()]


#: A curve that turns back by less than this, in log alpha, may do so for the errors of a quadrature.
_JITTER = 1e-4


def _check_one_small_width(channel: Channel) -> None:
    """Refuse a channel whose curve of fixed points turns back in the limit of narrow layers."""
    if channel.one_fixed_point:
        return
    needed = []
    for t in np.exp(np.linspace(0, math.log(1e-8), 100)).tolist():
        information = information_at(channel, (1 - t) ** 2 / (t * (2 - t)))
        needed.append(math.log((2 - t) / information) if information > 0 else math.inf)
    if math.isinf(needed[0]) or (np.maximum.accumulate(needed) - needed).max() > _JITTER:
        raise ValueError(
            f"channel must have one fixed point where layers are narrow, {channel!r} has several: ask "
            "fixed_points at a small rho"
        )


def _small_width_noise(alpha_bar: float, channel: Channel) -> float:
    if alpha_bar <= weak_recovery_threshold(channel):
        return 1.0

    def excess(log_t: Any) -> Any:
        return math.log(small_width_samples(math.exp(log_t), channel) / alpha_bar)

    low = -1.0
    while excess(low) < 0:
        low *= 2
    return math.exp(brentq(excess, low, 0.0, xtol=1e-14, rtol=1e-14))


def large_alpha_error(alpha: Any, rho: float, n_tokens: int = 2) -> Any:
    r"""Return leading behaviour of the hardmax error for many samples, :math:`Q_0\,(F_0/(c_\infty\alpha))^2`.

    Book: :doc:`/book/aim_hardmax`.

    As the error vanishes, :math:`\kappa(\tau) \sim c_\infty\tau^{-1/2}` and :math:`F \to F_0`, the
    :func:`~pairint.aim.spectrum.parameter_count`. The decay :math:`\alpha^{-2}` is that of classification
    without noise (asymptotic; checked against :func:`state_evolution` in the tests).
    """
    alphas = _positive("alpha", alpha)
    rho = check_real("rho", rho, 0, exclusive_minimum=True)
    return ((1 + rho) * (parameter_count(rho) / (hardmax_tail_constant(n_tokens) * alphas)) ** 2)[()]
