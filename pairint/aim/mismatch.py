r"""State evolution of a student who is wrong about the layer, or about the noise.

The student runs message passing with a prior, and a noise, that are not those of the teacher. Where the
labels are linear in the indices (linear and softmax outputs, with or without noise) the moved estimate is
still the truth plus Gaussian noise,

.. math:: R = S + \sqrt{\Delta}\,Z, \qquad \Delta = \frac{V + s^2}{\alpha\kappa},

where V is the *true* error of the last estimate and :math:`s^2` the true noise. The student denoises it with
:math:`f_s`, the best denoiser of the law and the noise that the student believes in. So three numbers
count where the Bayes-optimal theory has one: the overlap with the truth
:math:`m = \int f_s f\,\mu`, that with itself :math:`q = \int f_s^2\,\mu`, and the error that the student
believes, :math:`C = 2\Delta_s\int f_s h\,\mu` (the response; :math:`2\Delta h = x - f`). And

.. math:: V = Q_0 - 2m + q = E(\Delta) + \int (f_s - f)^2\,\mu :

a wrong belief costs the mean squared distance of two functions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from pairint.aim.channels import Channel, information_at, make_channel
from pairint.aim.priors import Prior, denoised, error_left, make_prior
from pairint.result import Result
from pairint.validation import MOST_STEPS, check_flag, check_floats, check_integer, check_real

__all__ = ["MismatchedStateEvolution", "StudentError", "mismatched_state_evolution", "student_error"]


@dataclass(frozen=True)
class StudentError:
    r"""What a student makes of one noisy copy.

    Book: :doc:`/book/aim_mismatch`.

    Attributes
    ----------
    error : float
        :math:`\lVert S - \hat S\rVert_F^2/d`.
    overlap : float
        :math:`\operatorname{Tr} S\hat S/d`.
    self_overlap : float
        :math:`\operatorname{Tr}\hat S^2/d`.
    believed : float
        The error by the student's own account.
    """

    error: float
    overlap: float
    self_overlap: float
    believed: float


def student_error(
    truth: float | Prior, student: float | Prior, delta: float, assumed_delta: float | None = None
) -> StudentError:
    r"""Return the error of a student who denoises :math:`S + \sqrt\Delta Z` with a wrong prior or noise.

    Book: :doc:`/book/aim_mismatch`.

    Parameters
    ----------
    truth : float or Prior
        Width ratio of the layer, or its law, which must have a ``quadrature``.
    student : float or Prior
        What the student believes; its ``denoise`` is all that counts.
    delta : float
        The noise > 0.
    assumed_delta : float, optional
        The noise that the student believes in; the true one by default.

    Returns
    -------
    StudentError
        Asymptotic, as d grows.
    """
    truth, student = named_prior("truth", truth), named_prior("student", student)
    delta = check_real("delta", delta, 0, exclusive_minimum=True)
    if assumed_delta is None:
        assumed_delta = delta
    assumed_delta = check_real("assumed_delta", assumed_delta, 0, exclusive_minimum=True)
    x, best, weights = truth.quadrature(delta)
    order = np.argsort(x)
    x, best, weights = x[order], best[order], weights[order]
    found = denoised(student, x, assumed_delta)
    return StudentError(
        error=error_left(truth, delta) + float(weights @ (found - best) ** 2),
        overlap=float(weights @ (found * best)),
        self_overlap=float(weights @ found**2),
        believed=assumed_delta / delta * float(weights @ ((found - student.mean) * (x - best))),
    )


#: Width ratios that are taken; wider layers are Gaussian to all digits that count.
_WIDEST = 1e6


def named_prior(name: str, value: Any) -> Prior:
    """Return a prior, or an error that says which."""
    try:
        return make_prior(
            value if isinstance(value, Prior) else check_real(name, value, 0, _WIDEST, exclusive_minimum=True)
        )
    except (TypeError, ValueError) as error:
        if str(error).startswith(name):
            raise
        raise type(error)(f"{name} must be a width ratio or a prior: {error}") from None


@dataclass(frozen=True, repr=False)
class MismatchedStateEvolution(Result):
    r"""Where the message passing of a student who is wrong ends.

    Book: :doc:`/book/aim_mismatch`.

    Attributes
    ----------
    alpha : array or float
        Samples over :math:`d^2`.
    error : array or float
        The true error :math:`\lVert S - \hat S\rVert_F^2/d`.
    overlap, self_overlap : array or float
        :math:`\operatorname{Tr} S\hat S/d` (NaN where the error is infinite) and
        :math:`\operatorname{Tr}\hat S^2/d`.
    believed : array or float
        The error by the student's own account.
    delta : array or float
        Noise of the equivalent copy.
    converged : array or bool
        Whether the iteration came to rest; for a calibrated student, whether the error stays finite.
    """

    _units = (("sample/d²", "alpha"),)

    alpha: Any
    error: Any
    overlap: Any
    self_overlap: Any
    believed: Any
    delta: Any
    converged: Any


def mismatched_state_evolution(
    alpha: Any,
    truth: float | Prior,
    student: float | Prior,
    channel: str | Channel = "softmax",
    n_tokens: int = 2,
    *,
    noise: float = 0.0,
    assumed_noise: float | None = None,
    calibrated: bool = True,
    max_iter: int = 2000,
) -> MismatchedStateEvolution:
    r"""Return the error of message passing with a wrong prior, or a wrong noise.

    Book: :doc:`/book/aim_mismatch`.

    Parameters
    ----------
    alpha : float or array
        :math:`n/d^2 > 0`.
    truth, student : float or Prior
        As in :func:`student_error`.
    channel : {"softmax", "linear"} or Channel
        One that ``recovers_exactly``; the noise is added here.
    n_tokens : int
        Ignored if ``channel`` is a Channel.
    noise : float
        True variance :math:`s^2 \ge 0` of the error of an index, in units of :math:`\sigma_{ab}^2`
        (:class:`~pairint.aim.NoisyChannel`).
    assumed_noise : float, optional
        What the student believes it to be; the true one by default. It has no effect on a calibrated student.
    calibrated : bool
        Whether the student takes the noise of the copy from the size of the residuals, as
        :func:`~pairint.aim.amp` does by default, or believes the own account of error and noise.
    max_iter : int
        Bound on the steps of a student who is not calibrated; at most 100,000.

    Returns
    -------
    MismatchedStateEvolution
        The fixed point that is reached from the student's prior mean.

    Raises
    ------
    ValueError, TypeError
        For a channel of another kind, a prior without a ``quadrature``, or numbers out of range.
    """
    alphas = check_floats("alpha", alpha)
    if not alphas.size or float(alphas.min()) < 1e-150:
        raise ValueError(f"alpha must hold numbers > 0, at least 1e-150, got {alphas}")
    channel = make_channel(channel, n_tokens)
    if not channel.recovers_exactly:
        raise ValueError(
            f"channel must be linear in the indices, as softmax and linear outputs are, got {channel!r}"
        )
    truth, student = named_prior("truth", truth), named_prior("student", student)
    for name, prior in (("truth", truth), ("student", student)):
        if not math.isfinite(prior.mean):
            raise ValueError(f"{name} must have a finite mean, got {prior!r}")
    noise = check_real("noise", noise, 0)
    assumed_noise = noise if assumed_noise is None else check_real("assumed_noise", assumed_noise, 0)
    calibrated = check_flag("calibrated", calibrated)
    max_iter = check_integer("max_iter", max_iter, 1, MOST_STEPS)
    kappa = information_at(channel, 0.0)
    start = truth.variance + (truth.mean - student.mean) ** 2
    rows = []
    for value in alphas.ravel().tolist():
        if calibrated:
            rows.append(_calibrated(value * kappa, truth, student, noise, start))
        else:
            rows.append(_believing(value * kappa, truth, student, (noise, assumed_noise), start, max_iter))
    columns = [np.array(column).reshape(alphas.shape)[()] for column in zip(*rows, strict=True)]
    return MismatchedStateEvolution(alphas[()], *columns)


#: A noise this small beside the prior's variance is exact recovery; steps in log noise.
_RECOVERED, _STEP = 1e-9, 0.25


def _calibrated(
    rate: float, truth: Prior, student: Prior, noise: float, start: float
) -> tuple[float | bool, ...]:
    """Return the first noise, from above, that reproduces itself: delta = (error + noise) / rate."""

    def excess(log_delta: float) -> float:
        delta = math.exp(log_delta)
        return math.log((student_error(truth, student, delta).error + noise) / (rate * delta))

    high = math.log((start + noise) / rate)
    floor = math.log(_RECOVERED * truth.variance)
    recovered = 0.0, truth.second_moment, truth.second_moment, 0.0, 0.0, True
    if high < floor and noise == 0:  # the first step leaves nothing
        return recovered
    if excess(high) >= 0:  # even the first step makes it worse: the student unlearns
        low, high = high, high + _STEP
        while excess(high) > 0:
            low, high = high, high + _STEP
            if math.exp(high) > 1e9:
                return math.inf, math.nan, math.inf, math.inf, math.inf, False
        log_delta = brentq(excess, low, high, xtol=1e-12)
    else:
        log_delta = first_root(excess, high, floor)
    if log_delta is None:
        return recovered
    delta = math.exp(log_delta)
    return (*astuple(student_error(truth, student, delta)), delta, True)


def first_root(f: Callable[[float], float], high: float, low: float) -> float | None:
    """Return the largest root between ``low`` and ``high``, where f is negative; or none.

    It is looked at in steps. Between two of them it may rise above zero and fall again, where two roots are
    about to merge: so each hill that stays below is climbed.
    """
    x, values = [high], [f(high)]
    while x[-1] >= low:
        x.append(x[-1] - _STEP)
        values.append(f(x[-1]))
        if values[-1] >= 0:
            return float(brentq(f, x[-1], x[-2], xtol=1e-12))
        if len(x) > 2 and values[-2] >= max(values[-1], values[-3]):
            top = minimize_scalar(
                lambda value: -f(value), bounds=(x[-1], x[-3]), method="bounded", options={"xatol": 1e-9}
            )
            if top.fun <= 0:
                return float(brentq(f, top.x, x[-3], xtol=1e-12))
    return None


def _believing(
    rate: float, truth: Prior, student: Prior, noises: tuple[float, float], start: float, max_iter: int
) -> tuple[float | bool, ...]:
    """Iterate the true error and the believed one, each step half undone, until both rest."""
    error, believed = start, student.variance
    found, delta = StudentError(error, 0.0, 0.0, believed), math.inf
    for _ in range(max_iter):
        delta, assumed = (error + noises[0]) / rate, (believed + noises[1]) / rate
        if delta < _RECOVERED * truth.variance:
            return 0.0, truth.second_moment, truth.second_moment, 0.0, 0.0, True
        if not (assumed > 1e-12 * student.variance and delta < 1e9):
            return (*astuple(found), delta, False)
        found = student_error(truth, student, delta, assumed)
        if (
            abs(found.error - error) < 1e-10 * (error + noises[0])
            and abs(found.believed - believed) < 1e-10 * believed
        ):
            return (*astuple(found), delta, True)
        error, believed = (error + found.error) / 2, (believed + max(found.believed, 0.0)) / 2
    return (*astuple(found), delta, False)
