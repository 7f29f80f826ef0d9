r"""Approximate message passing for attention-indexed models (the paper's Algorithm 1).

It is the loop of :func:`~pairint.aim.state_evolution.state_evolution_iterates`, which follows the error
alone, run on data. The state is an estimate :math:`\hat S`, its error C and the indices that it predicts. One
iteration

1. *scores* the labels, :math:`g = g_{out}(y, \omega, V)`, whose size is the information in a label,
   :math:`K = 2\,\langle\sum_{a<b} g_{ab}^2 + 2\sum_a g_{aa}^2\rangle`, and gives the noise
   :math:`\Delta = 1/(\alpha K)`;
2. *moves* the estimate,
   :math:`R = \hat S + \tfrac{2\Delta}{d}\,\tfrac1{\sqrt d}\sum_\mu\big(X_\mu^\top G_\mu X_\mu
   - I\operatorname{Tr}G_\mu\big)`, where :math:`G_{aa} = g_{aa}` and :math:`G_{ab} = g_{ab}/2`; then R is the
   truth plus symmetric Gaussian noise of variance :math:`\Delta`;
3. *denoises* the eigenvalues of R (:class:`~pairint.aim.spectrum.NoisySpectrum`), with error C;
4. *predicts* the indices, :math:`\omega = h(\hat S) - \sigma^2 C\,g`, the last term (Onsager) removing the
   part of the prediction that comes from having used the same samples before.

Six refinements make it converge, and lose nothing, at moderate d; all vanish as d grows.

- C is the noise times the divergence of the denoiser at the eigenvalues at hand, of which
  :math:`E(\Delta)` is the limit (Stein's identity). It matters for narrow layers, whose few large
  eigenvalues are far from their limiting law.
- For softmax and linear outputs the indices of a sample have the covariance that its tokens give them
  (:class:`~pairint.aim.indices.IndexCovariance`) instead of its average over tokens, :math:`\sigma^2`. The
  average loses a share of order T/d of the information: tokens are not exactly orthogonal, nor of equal
  length, and samples should be weighted accordingly.
- For softmax and linear outputs the variance V is the measured one of the residuals :math:`h - \omega` rather
  than C.
- The updates of :math:`\hat S`, :math:`\omega` and C are averaged with the previous ones (damping). The
  average of two corrected predictions is a corrected prediction: the Onsager term of each step keeps the
  score it belongs to. Hardmax is damped only once it circles.
- Hardmax labels do not change when S is multiplied by a positive number, so the scale of :math:`\hat S` would
  drift for hundreds of steps. It is known without them: Tr S / d tends to the mean of the prior, and each
  step restores that trace. For a Wishart matrix this is exact at any d: its trace is independent of S / Tr S,
  and the posterior mean has the trace of the prior mean, :math:`\sqrt\rho\,d`.
- Hardmax labels can refuse C: where they contradict their predictions far more than it allows (a
  likelihood-ratio test), V is the most likely one. In a narrow layer the indices are no Gaussian sums, and
  the first steps end further from the truth than C says. Believed, such a C would feed on itself: scores of
  contradicted labels are of order 1/V, the information of order :math:`1/V^2`, and the next C of order
  :math:`V^2`, until the iteration stands still, far from the truth and sure of itself.

Of any channel the end of a run is examined: labels that refuse the error which the algorithm believes mean
that it has not converged (:mod:`pairint.aim.credence`).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from pairint.aim.channels import Channel, information_at, make_channel
from pairint.aim.credence import CHANCE, NEGLIGIBLE, contradiction, refusable
from pairint.aim.indices import IndexCovariance, adjoint, check_tokens, indices
from pairint.aim.priors import Prior, denoised, make_prior
from pairint.aim.teacher import matrix_error
from pairint.backend import array_namespace, one_blas_thread, to_device, to_host
from pairint.result import Result
from pairint.steps import steps
from pairint.validation import MOST_STEPS, check_flag, check_floats, check_integer, check_real, shortened

__all__ = ["AMPResult", "Damping", "History", "amp", "warn_unfinished"]


@dataclass(frozen=True, repr=False)
class AMPResult(Result):
    r"""Outcome of :func:`amp`.

    Book: :doc:`/book/aim_amp`.

    Attributes
    ----------
    S : array (d, d)
        Estimate of the attention matrix, in the normalisation of :class:`~pairint.aim.teacher.AIMTeacher`.
    mmse : float
        The algorithm's own estimate of its error (it knows no truth).
    history : dict of ndarray (n_iter,)
        ``"delta"``: noise of the equivalent noisy copy; ``"mmse"``: own estimate of the error;
        ``"self_overlap"``: :math:`\operatorname{Tr}\hat S^2/d`; ``"change"``: :math:`\lVert\hat S_t -
        \hat S_{t-1}\rVert_F^2/d`; and, if the truth was given, ``"overlap"``:
        :math:`\operatorname{Tr} S\hat S/d` and ``"error"``: :math:`\lVert S - \hat S\rVert_F^2/d`.
    converged : bool
    n_iter : int
    damping : float
        Weight of the new estimate in the last iteration.
    reason : str
        Why it has not converged; empty if it has.
    """

    S: Any
    mmse: float
    history: dict[str, np.ndarray] = field(repr=False)
    converged: bool
    n_iter: int
    damping: float
    reason: str = ""


def amp(
    X: Any,
    y: Any,
    rho: float | Prior,
    channel: str | Channel = "softmax",
    *,
    truth: Any = None,
    start: Any = None,
    max_iter: int = 1000,
    tol: float = 1e-5,
    damping: float | str = "auto",
    onsager: bool = True,
    token_covariance: bool = True,
    dtype: str | None = None,
) -> AMPResult:
    r"""Estimate the attention matrix of an attention-indexed model from labelled samples.

    Book: :doc:`/book/aim_amp`.

    Parameters
    ----------
    X : array (n, T, d)
        Tokens, standard Gaussian; n >= 1, d >= 2. NumPy or CuPy; the computation stays in that library.
    y : array (n, T, T)
        Labels of the channel; pass ``SoftmaxChannel(log_labels=True)`` with logarithms if some underflow.
    rho : float or Prior
        Width ratio of the teacher, or the law of its matrix.
    channel : {"softmax", "hardmax", "linear"} or Channel
        Hardmax needs 2 to 5 tokens.
    truth : array (d, d), optional
        The true matrix, for the history only.
    start : (array (d, d), float), optional
        An estimate to begin at and its error > 0, as of who has seen a noisy copy before; by default the mean
        of the prior. In a hard phase both ends, from nothing and from near the truth, are of interest.
    max_iter : int
        At most 100,000.
    tol : float
        Converged when an undamped step would change :math:`\hat S` by less than ``tol`` times the error:
        :math:`\lVert\hat S_t - \hat S_{t-1}\rVert_F/\gamma < \sqrt{tol}\,\lVert\hat S - S\rVert_F`
        (the right side as estimated by the algorithm).
    damping : float in (0, 1] or "auto"
        Weight :math:`\gamma` of the new estimate. ``"auto"`` is 1 for hardmax and 1/2 for softmax and linear,
        halved whenever the last ten iterations went round in circles, and doubled again (softmax and
        linear, up to 1/2) when they were slow but straight.
    onsager : bool
        Whether to include the Onsager term. Without it the predictions are biased; this is for teaching.
    token_covariance : bool
        Whether to use the covariance of the indices given the tokens (softmax and linear, T <= d/2) or its
        average, as the algorithm is usually written.
    dtype : {"float32", "float64"}, optional
        Precision of the large arrays; that of ``X`` by default.

    Returns
    -------
    AMPResult

    Raises
    ------
    ValueError
        If an argument is out of range, the labels are not of the channel, or (with ``token_covariance``) the
        tokens of some sample are linearly dependent.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If ``max_iter`` iterations were not enough, the iteration diverged, or it stands still where the
        labels refuse the error that it believes: then ``mmse`` is no estimate of the error, and the message
        says what may help. The last estimate is returned.

    Notes
    -----
    An iteration costs two products of a (n T, d) matrix by a (d, d) one, and an eigendecomposition;
    the memory beyond the inputs is O(n T^2 + d^2).
    """
    prior = make_prior(rho)
    if not math.isfinite(prior.mean):  # the limit of wide layers, in which S is its mean and infinite
        raise ValueError(f"rho must be finite, got {rho!r}: message passing needs a matrix with a mean")
    if not prior.symmetric:
        raise ValueError(
            f"rho must be the law of a symmetric matrix, got {rho!r}: untied_amp reads the others"
        )
    max_iter = check_integer("max_iter", max_iter, 1, MOST_STEPS)
    tol = check_real("tol", tol, 0, exclusive_minimum=True)
    onsager = check_flag("onsager", onsager)
    token_covariance = check_flag("token_covariance", token_covariance)
    samples = _check_samples(X, y, channel, token_covariance, dtype)
    if truth is not None:
        truth = check_floats("truth", truth, (samples.d, samples.d)).astype(samples.X.dtype, copy=False)
    weight = Damping.of(damping, samples.channel)
    history = History(truth)
    state = _start(samples, prior, start)
    score = _score(samples, state, prior.variance)
    converged, stopped, reason = False, True, f"not converged after {max_iter} iterations"

    with one_blas_thread(samples.d):
        for _ in steps(range(max_iter), "iterations", most=True):
            delta = 1 / (samples.alpha * score.information) if score.information > 0 else math.inf
            if not 1e-14 < delta < 1e8:
                # Recovered to machine precision, or what cannot be.
                converged = delta <= 1e-14 and samples.channel.recovers_exactly
                reason = "the iteration diverged"
                break
            moved = _move(samples, state, score, delta)
            estimate, response = _denoise(samples, prior, moved, delta)
            change = weight.record(estimate - state.S)
            gamma = weight.value
            state = _predict(samples, state, score, estimate, response, gamma, onsager)
            score = _score(samples, state, prior.variance)
            believed = score.error == state.error
            state = replace(state, error=score.error)
            history.note(state.S, state.error, delta, gamma**2 * change)
            if believed and change < tol * max(state.error, NEGLIGIBLE):
                converged = True
                break
            weight.adapt()
        else:
            stopped = False
        if stopped and (refused := _contradiction(samples, state, weight.value)):
            converged, reason = False, refused

    if not converged:
        warn_unfinished("AMP", reason, samples.alpha, samples.d, state.error)
    return history.result(state.S, state.error, converged, weight, reason)


@dataclass(frozen=True)
class _Samples:
    """What an iteration needs of the data: checked tokens, what is observed of the labels, their channel."""

    X: Any
    observed: Any
    channel: Channel
    #: Of the indices given the tokens; None where their average is used.
    covariance: IndexCovariance | None

    @property
    def n(self) -> int:
        return int(self.X.shape[0])

    @property
    def d(self) -> int:
        return int(self.X.shape[2])

    @property
    def alpha(self) -> float:
        return self.n / self.d**2

    @property
    def half(self) -> Any:
        """1 on the diagonal of the indices, 1/2 off it."""
        n_tokens = self.X.shape[1]
        half = 0.5 * (np.ones((n_tokens, n_tokens)) + np.eye(n_tokens))
        return array_namespace(self.X).asarray(half, dtype=self.X.dtype)


def _check_samples(
    X: Any, y: Any, channel: str | Channel, token_covariance: bool, dtype: str | None
) -> _Samples:
    X = check_tokens(X, dtype)
    array_namespace(X, y)  # refuses a mixture
    n, n_tokens, d = X.shape
    if n < 1 or d < 2:
        raise ValueError(f"X must hold at least one sample, of at least two dimensions, got shape {X.shape}")
    channel = make_channel(channel, n_tokens)
    if channel.n_tokens != n_tokens:
        raise ValueError(f"X has {n_tokens} tokens per sample, the channel expects {channel.n_tokens}")
    observed = channel.observe(y)
    if len(observed) != n:
        raise ValueError(f"y has {len(observed)} samples, X has {n}")
    linear = type(channel).g_out_given is not Channel.g_out_given
    given = token_covariance and linear and 2 * n_tokens <= d
    return _Samples(X, observed.astype(X.dtype, copy=False), channel, IndexCovariance(X) if given else None)


@dataclass(frozen=True)
class _State:
    """An estimate, its error by the algorithm's own account, and the indices it predicts."""

    S: Any
    error: float
    omega: Any
    #: What each label has added to its own prediction.
    echo: Any


def _start(samples: _Samples, prior: Prior, start: Any) -> _State:
    """Return the mean of the prior, or the estimate that was given."""
    if start is None:
        S = prior.mean * array_namespace(samples.X).eye(samples.d, dtype=samples.X.dtype)
        return _State(S, prior.variance, indices(samples.X, S), 0.0)
    if not isinstance(start, tuple) or len(start) != 2:
        raise TypeError(f"start must be a pair of an estimate and its error, got {shortened(start)}")
    S = check_floats("start[0]", start[0], (samples.d, samples.d)).astype(samples.X.dtype, copy=False)
    array_namespace(samples.X, S)  # refuses a mixture
    if not bool((abs(S - S.T) <= 1e-6 * abs(S).max()).all()):
        raise ValueError("start[0] must be a symmetric matrix")
    error = check_real("start[1]", start[1], 1e-12, prior.variance)
    return _State(S, error, indices(samples.X, S), 0.0)


class _Score(NamedTuple):
    """What the labels say of the indices."""

    #: Derivatives of the log-likelihood, as they move the estimate.
    weighted: Any
    #: What a sample adds to its own prediction, in units of the response to come.
    reaction: Any
    #: Their mean square: the information in a label.
    information: float
    #: The error of the prediction at which the labels were scored.
    error: float


def _score(samples: _Samples, state: _State, limit: float) -> _Score:
    """Score the labels at the predicted indices, whose error is at most ``limit``."""
    channel, error = samples.channel, state.error
    g = None
    if samples.covariance is None:
        g = _g_out(samples, state.omega, error)
        if channel.scale_free:
            error = _credible_error(samples, state, g, limit)
            g = g if error == state.error else None
    weighted, reaction = _weighted(samples, state.omega, error, g)
    # Where tokens are weighted: d (d + 1) / 2 parameters, over d^2 / 2.
    count = samples.n * (1.0 if samples.covariance is None else 1 + 1 / samples.d)
    information = 2 * float((weighted * reaction).sum()) / count
    if channel.recovers_exactly and information > 0:
        # g is the residual over V: take V from the measured size of the residuals.
        expected = information_at(channel, 0.0) / (count / samples.n)
        ratio = state.error * information / expected
        weighted /= ratio
        reaction /= ratio
        information /= ratio**2
    return _Score(weighted, reaction, information, error)


def _weighted(samples: _Samples, omega: Any, error: float, g: Any = None) -> tuple[Any, Any]:
    """Return scores at an error as they move the estimate, and what a sample adds to its own prediction."""
    if samples.covariance is None:
        g = _g_out(samples, omega, error) if g is None else g
        return g * samples.half, 2 * samples.half * g
    weighted = samples.channel.g_out_given(samples.observed, omega, error, samples.covariance)
    return weighted, samples.covariance.apply(weighted)


def _contradiction(samples: _Samples, state: _State, gamma: float) -> str:
    """Say how the labels contradict the error of the state, if they do (:mod:`pairint.aim.credence`)."""
    error = refusable(state.error, gamma)
    weighted, reaction = _weighted(samples, state.omega, error)
    worth = 2 * (weighted * reaction).sum(axis=(1, 2))
    t = samples.channel.n_tokens
    q = float((state.omega**2).sum()) / (samples.n * t * (t + 1))  # variances 1 off the diagonal, 2 on it
    strange = samples.channel.are_strange(samples.observed, state.omega, error, CHANCE)
    return contradiction(worth, q, error, samples.channel, strange)


def _g_out(samples: _Samples, omega: Any, error: float) -> Any:
    """Return the channel's scores, of the shape that they must have."""
    g = samples.channel.g_out(samples.observed, omega, error)
    name = f"{type(samples.channel).__name__}.g_out"
    if getattr(g, "shape", None) != omega.shape:
        raise ValueError(
            f"{name} must return an array of shape {omega.shape}, that of omega; got {getattr(g, 'shape', g)}"
        )
    if bool((g != g).any()) and bool((omega == omega).all()):
        raise ValueError(
            f"{name} must return numbers, got NaN for finite predictions, at variance {error:.3g}"
        )
    return g


#: Half the likelihood ratio at which labels refuse an error: six standard errors, 1e-9 of the right ones.
_REFUSED = 18.0


def _credible_error(samples: _Samples, state: _State, g: Any, limit: float) -> float:
    r"""Return the error of the state, or the most likely one if the labels refuse it as too small.

    Labels without a scale have a probability that depends on :math:`\omega/\sqrt V` only. So the scores know
    how it varies with V, :math:`\partial\log P/\partial\log V = -\tfrac12\sum_{a\le b} \omega_{ab} g_{ab}`.
    It is integrated from the error at hand, octave by octave, to the maximum of the likelihood.
    """

    def slopes(error: float, g: Any = None) -> Any:
        if g is None:
            g = _g_out(samples, state.omega, error)
        return -0.5 * (samples.half * g * state.omega).sum(axis=(1, 2))

    at_hand = slopes(state.error, g)
    slope = float(at_hand.sum())
    if slope <= 0 or slope**2 <= float((at_hand**2).sum()):  # within a standard error: spare the rest
        return state.error
    gain, low, high = 0.0, state.error, state.error
    while slope > 0 and high < limit:
        low, high, before = high, min(2 * high, limit), slope
        slope = float(slopes(high).sum())
        step = math.log(high / low)
        gain += 0.5 * step * (before + slope if slope > 0 else before**2 / (before - slope))
    if gain < _REFUSED:
        return state.error
    if slope > 0:
        return limit
    return math.exp(
        brentq(lambda x: float(slopes(math.exp(x)).sum()), math.log(low), math.log(high), xtol=1e-3)
    )


def _move(samples: _Samples, state: _State, score: _Score, delta: float) -> Any:
    """Return the estimate, moved to where the labels pull it: the truth plus noise of variance delta."""
    return state.S + (2 * delta / samples.d) * adjoint(samples.X, score.weighted)


def _denoise(samples: _Samples, prior: Prior, moved: Any, delta: float) -> tuple[Any, float]:
    """Denoise the eigenvalues; return the estimate and its response, delta times the divergence."""
    X = samples.X
    eigenvalues, vectors = array_namespace(X).linalg.eigh(moved)
    values = to_device(denoised(prior, to_host(eigenvalues).astype(np.float64), delta), X)
    if samples.channel.scale_free and prior.mean > 0:
        values *= prior.mean * samples.d / values.sum()
    estimate = (vectors * values.astype(X.dtype)) @ vectors.T
    return estimate, delta * _divergence(to_host(eigenvalues), to_host(values))


def _predict(
    samples: _Samples,
    state: _State,
    score: _Score,
    estimate: Any,
    response: float,
    gamma: float,
    onsager: bool,
) -> _State:
    """Predict the indices at the average of the state and the estimate, of weight gamma."""
    S = state.S + gamma * (estimate - state.S)
    error = gamma * response + (1 - gamma) * state.error
    # By linearity, h(S) is already the average of h(estimate) and of the last one.
    echo = gamma * response * score.reaction + (1 - gamma) * state.echo
    omega = indices(samples.X, S)
    if onsager:
        omega -= echo
    return _State(S, error, omega, echo)


class History:
    """What an algorithm of message passing records of its iterations."""

    def __init__(self, truth: Any = None) -> None:
        self._truth = truth
        self._values: dict[str, list[float]] = {"delta": [], "mmse": [], "self_overlap": [], "change": []}
        if truth is not None:
            self._values |= {"overlap": [], "error": []}

    def note(self, S: Any, error: float, delta: float, change: float) -> None:
        """Record an iteration: its estimate, what it takes for its error, its noise, its mean square step."""
        d = len(S)
        noted = {"delta": delta, "mmse": error, "self_overlap": float((S**2).sum()) / d, "change": change}
        if self._truth is not None:
            noted |= {"overlap": float((S * self._truth).sum()) / d, "error": matrix_error(self._truth, S)}
        for name, value in noted.items():
            self._values[name].append(value)

    def result(self, S: Any, error: float, converged: bool, weight: Damping, reason: str) -> AMPResult:
        """Return the result with this history, and with the reason if it has not converged."""
        arrays = {name: np.array(values) for name, values in self._values.items()}
        told = "" if converged else reason
        return AMPResult(S, float(error), arrays, converged, len(arrays["delta"]), weight.value, told)


def warn_unfinished(name: str, reason: str, alpha: float, d: int, error: float) -> None:
    """Warn whoever has called an algorithm that it did not come to rest."""
    from sklearn.exceptions import ConvergenceWarning

    warnings.warn(
        f"{name}: {reason} (alpha = {alpha:.4g}, d = {d}); its error estimate is {error:.3g}",
        ConvergenceWarning,
        stacklevel=3,
    )


@dataclass
class Damping:
    """The weight of a new estimate, and how it follows the way the last steps went.

    Attributes
    ----------
    value : float
        The weight, in (0, 1].
    slowest : float or None
        The least weight; ``None`` if the weight is fixed.
    speeds_up : bool
        Whether slow but straight steps double the weight again, up to 1/2.
    """

    value: float
    slowest: float | None = None
    speeds_up: bool = False
    _changes: list[float] = field(default_factory=list, repr=False)
    _turns: list[float] = field(default_factory=list, repr=False)
    _last: Any = field(default=None, repr=False)

    @classmethod
    def of(cls, damping: float | str, channel: Channel) -> Damping:
        """Return the damping of :func:`amp`: a fixed weight, or the channel's own start for ``"auto"``."""
        if not (isinstance(damping, str) and damping == "auto"):
            return cls(check_real("damping", damping, 0, 1, exclusive_minimum=True))
        return cls(0.5, 0.1, True) if channel.recovers_exactly else cls(1.0, 0.02)

    def record(self, step: Any) -> float:
        """Take note of an undamped step (d, d); return its mean square, ``|step|^2 / d``."""
        d = len(step)
        change = float((step**2).sum()) / d
        length = d * math.sqrt(change * self._changes[-1]) if self._changes else 0.0
        # The cosine of the angle to the last step.
        self._turns.append(float((step * self._last).sum()) / length if length else 0.0)
        self._changes.append(change)
        self._last = step
        return change

    def adapt(self) -> None:
        """Every ten iterations without progress, halve the weight, or double it.

        Steps that turn back circle around the fixed point; steps that all point the same way are merely
        slow, as they are near the threshold, and damping would make them slower.
        """
        changes, turns = self._changes, self._turns[-10:]
        if self.slowest is None or len(changes) < 20 or len(changes) % 10:
            return
        if max(changes[-10:]) <= 0.9 * max(changes[-20:-10]):
            return
        if not self.speeds_up or min(turns) < 0:
            self.value = max(0.5 * self.value, self.slowest)
        elif min(turns) > 0.5:
            self.value = min(2 * self.value, 0.5)


def _divergence(values: np.ndarray, denoised: np.ndarray) -> float:
    r"""Return mean derivative of the denoiser over symmetric directions, at a matrix with these eigenvalues.

    The derivative of :math:`U f(\lambda) U^\top` is the divided difference of f in the plane of two
    eigenvectors, and :math:`f'` along one: the sum of both, over :math:`d^2/2`.
    """
    values = values.astype(np.float64)
    if (np.diff(values) <= 0).any():  # possible in single precision, and for tokens that are no random ones
        spread = max(np.ptp(values) + 1e-30, 1e-3 * np.abs(values).max())
        values = values + np.arange(len(values)) * 1e-7 * spread
    gaps = values[:, None] - values
    np.fill_diagonal(gaps, 1.0)
    slopes = (denoised[:, None] - denoised) / gaps
    np.fill_diagonal(slopes, 2 * np.gradient(denoised, values))  # d of d^2/2 terms: no need of exactness
    return float(slopes.sum()) / len(values) ** 2
