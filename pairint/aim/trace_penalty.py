r"""What training with weight decay finds: the minimiser, its error, and the law of its eigenvalues.

A layer :math:`S = WW^\top/\sqrt{rd}` with at least as many columns as rows can be any positive matrix, and
:math:`\lVert W\rVert_F^2/\sqrt{rd} = \operatorname{Tr} S`: weight decay is a penalty on the trace. For labels
that are linear in the indices (linear and softmax outputs, the latter up to a constant :math:`c_\mu` of each
sample) training minimises a convex function,

.. math::

   J(S) = \frac1{2d}\sum_\mu \min_{c_\mu}\sum_{a,b}\big(y_{\mu ab} - h_{\mu ab}(S) - c_\mu\big)^2
          + \lambda\operatorname{Tr} S, \qquad S \ge 0 .

Its minimiser is where message passing rests that shrinks eigenvalues, :math:`\hat S = (R - \theta)_+` with
:math:`R = S + \sqrt\Delta Z`. Three numbers tell all of it: the true error V, the noise :math:`\Delta` and
the threshold :math:`\theta`, with D the mean derivative of the shrinking,

.. math::

   \Delta = \frac{V + s^2}{\alpha\kappa}, \qquad V = \frac1d\lVert S - (R - \theta)_+\rVert_F^2, \qquad
   \lambda = \theta\,(\alpha\kappa - D).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar

from pairint.aim.channels import Channel, LinearChannel, SoftmaxChannel, information_at, make_channel
from pairint.aim.indices import adjoint, check_tokens, indices
from pairint.aim.mismatch import named_prior
from pairint.aim.priors import Prior, error_left
from pairint.backend import array_namespace
from pairint.result import Result
from pairint.validation import MOST_STEPS, check_floats, check_integer, check_real

__all__ = [
    "TracePenalised",
    "WeightDecay",
    "trace_penalised",
    "weight_decay",
    "weight_decay_threshold",
]

#: A noise this small beside the second moment is exact recovery; the logarithm of the largest one followed.
_RECOVERED, _LOUDEST = 1e-8, 60.0
#: Nodes on either side of a kink that are looked at.
_AROUND = 5
#: The most equations over :math:`d^2/2`: with more the noise is too small beside what is shrunk.
_MOST_EQUATIONS = 1000.0


# Theory --------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class WeightDecay(Result):
    r"""What training with weight decay finds, for a large layer.

    Book: :doc:`/book/aim_weight_decay`.

    Attributes
    ----------
    alpha : array or float
        Samples over :math:`d^2`.
    decay : array or float
        Strength :math:`\lambda` of the penalty.
    error : array or float
        :math:`\lVert S - \hat S\rVert_F^2/d`.
    trace : array or float
        :math:`\operatorname{Tr}\hat S/d`.
    rank : array or float
        Share of the eigenvalues of :math:`\hat S` that are positive. Where the matrix is recovered it is
        more than that of the truth: ever weaker decay leaves ever smaller eigenvalues.
    loss : array or float
        The sum of squares that is left, over :math:`2 d^2`; the minimum of J over d is this plus the decay
        times the trace.
    delta : array or float
        Noise :math:`\Delta` of the equivalent copy.
    threshold : array or float
        The :math:`\theta` by which its eigenvalues are shrunk.
    response : array or float
        The mean derivative D, between 0 and 1: how many of the :math:`d^2/2` directions the labels move.
    """

    _units = (("sample/d²", "alpha"),)

    alpha: Any
    decay: Any
    error: Any
    trace: Any
    rank: Any
    loss: Any
    delta: Any
    threshold: Any
    response: Any


class Shrunk(NamedTuple):
    """Integrals over the law of a noisy copy whose eigenvalues are shrunk."""

    error: float
    trace: float
    rank: float
    response: float


def weight_decay(
    alpha: Any,
    truth: float | Prior,
    decay: Any,
    channel: str | Channel = "softmax",
    n_tokens: int = 2,
    *,
    noise: float = 0.0,
) -> WeightDecay:
    r"""Return what training with weight decay finds; ``alpha`` and ``decay`` broadcast.

    Book: :doc:`/book/aim_weight_decay`.

    Parameters
    ----------
    alpha : float or array
        :math:`n/d^2 > 0`.
    truth : float or Prior
        Width ratio of the true layer, or its law, which must have a ``quadrature``.
    decay : float or array
        :math:`\lambda \ge 0` in :func:`trace_penalised`; zero means the limit of ever weaker decay: among the
        matrices that fit best the one of least trace.
    channel : {"softmax", "linear"} or Channel
        One that ``recovers_exactly``.
    n_tokens : int
        Ignored if ``channel`` is a Channel.
    noise : float
        Variance :math:`s^2` of the error of an index, in units of :math:`\sigma_{ab}^2`: zero, or at least
        1e-9.

    Returns
    -------
    WeightDecay
        Asymptotic: heuristic in the labels, as state evolution is, and exact for the law of the noisy copy.

    Raises
    ------
    ValueError, TypeError
        For a channel of another kind, a prior without a ``quadrature``, or numbers out of range.
    """
    prior, kappa = _taken(truth, channel, n_tokens)
    noise = check_real("noise", noise, 0, 1e9)
    if 0 < noise < 1e-9:
        raise ValueError(f"noise must be 0 or at least 1e-9, got {noise:g}")
    alphas, decays = check_floats("alpha", alpha), check_floats("decay", decay)
    if not alphas.size or float(alphas.min()) < 1e-6 or float(alphas.max()) > 1e6:
        raise ValueError(f"alpha must hold numbers in [1e-6, 1e6], got {alphas}")
    if float(alphas.max()) * kappa > _MOST_EQUATIONS:
        raise ValueError(
            f"alpha and n_tokens must give at most {_MOST_EQUATIONS:g} equations for d^2/2 entries, got "
            f"{float(alphas.max()) * kappa:g}"
        )
    if not decays.size or float(decays.min()) < 0 or float(decays.max()) > 1e6:
        raise ValueError(f"decay must hold numbers in [0, 1e6], got {decays}")
    try:
        alphas, decays = (a.copy() for a in np.broadcast_arrays(alphas, decays))
    except ValueError:
        shapes = f"{alphas.shape} and {decays.shape}"
        raise ValueError(f"alpha and decay must have shapes that broadcast, got {shapes}") from None
    rows = [
        _solution(value * kappa, prior, strength, noise)
        for value, strength in zip(alphas.ravel().tolist(), decays.ravel().tolist(), strict=True)
    ]
    columns = [np.array(column).reshape(alphas.shape)[()] for column in zip(*rows, strict=True)]
    return WeightDecay(alphas[()], decays[()], *columns)


def _taken(truth: Any, channel: Any, n_tokens: int) -> tuple[Prior, float]:
    """Return a prior that has a law, and what a sample of a channel without loss is worth."""
    prior = named_prior("truth", truth)
    if not prior.symmetric:
        raise ValueError(f"truth must be a symmetric layer, got {prior!r}")
    channel = make_channel(channel, n_tokens)
    if not channel.recovers_exactly:
        raise ValueError(
            f"channel must be linear in the indices, as softmax and linear outputs are, got {channel!r}"
        )
    return prior, information_at(channel, 0.0)


class Copy(NamedTuple):
    """The law of a noisy copy: eigenvalues in increasing order, best estimates, weights; their error."""

    delta: float
    x: NDArray[np.float64]
    best: NDArray[np.float64]
    weights: NDArray[np.float64]
    error: float

    @classmethod
    def of(cls, prior: Prior, delta: float) -> Copy:
        x, best, weights = prior.quadrature(delta)
        order = np.argsort(x)
        return cls(delta, x[order], best[order], weights[order], error_left(prior, delta))

    def shrunk(self, threshold: float) -> Shrunk:
        """Integrate over what is left of the eigenvalues.

        The rules of the laws of this package are sums over equal steps of a smooth function, and know no kink
        at the threshold.
        From the first node beyond on it is corrected by Euler and Maclaurin's formula; on the way there from
        the kink a polynomial through the nodes around is integrated.
        """
        delta, x, best, weights, _ = self
        kept = x - threshold
        # What is integrated beyond the kink, and, in the last row, before it.
        terms = (
            np.stack([(kept - best) ** 2, kept, np.ones(len(x)), kept * (x - best) / delta, best**2])
            * weights
        )
        place = int(np.searchsorted(kept, 0.0))
        found = np.append(terms[:4, place:].sum(axis=1), terms[4, :place].sum())
        if _AROUND <= place <= len(x) - _AROUND:
            near = slice(place - _AROUND, place + _AROUND)
            steps = np.arange(-_AROUND, _AROUND) / _AROUND
            powers = np.vander(steps, increasing=True)
            g = np.linalg.solve(powers, terms[:, near].T)  # coefficients, a column for each integral
            where = np.linalg.solve(powers, kept[near])
            kink = float(steps[_AROUND - 1])
            if polyval(kink, where) < 0:  # else a node lies on it, but for rounding
                kink = (
                    0.0
                    if where[0] <= 0
                    else float(brentq(lambda t: polyval(t, where), kink, 0.0, xtol=1e-14))
                )
            exponent = np.arange(len(steps))[:, None]
            before = -_AROUND * (g * kink ** (exponent + 1) / (exponent + 1)).sum(axis=0)
            first, third, fifth = g[1] / _AROUND, 6 * g[3] / _AROUND**3, 120 * g[5] / _AROUND**5
            missing = before - g[0] / 2 + first / 12 - third / 720 + fifth / 30240
            found += missing * [1, 1, 1, 1, -1]
        return Shrunk(self.error + float(found[0] + found[4]), *found[1:4].tolist())

    def threshold(self, rate: float, decay: float) -> float:
        r"""Return the threshold of a decay at this noise: :math:`\theta(\alpha\kappa - D) = \lambda`.

        The response falls as the threshold rises, for its derivative is
        :math:`-2\int_{x > \theta} h\,\mu = -2\iint_{y < \theta < x} \frac{\mu\mu}{x - y}`: there is one.
        For no decay it is the least that leaves no more directions than equations.
        """

        def misfit(threshold: float) -> float:
            spare = rate - self.shrunk(threshold).response
            return threshold * spare - decay if decay else spare

        if not decay and misfit(0.0) >= 0:
            return 0.0
        # Beyond all eigenvalues nothing responds.
        high = (1 + 1e-9) * max(decay / rate, float(self.x[-1]), 1e-300)
        return float(brentq(misfit, 0.0, high, xtol=1e-15 * high, rtol=1e-14))


def shrunk(prior: Prior, delta: float, threshold: float) -> Shrunk:
    """Integrate over what is left of the eigenvalues of a noisy copy."""
    return Copy.of(prior, delta).shrunk(threshold)


def _noise_left(t: float) -> float:
    r"""Return error over noise where all is noise: :math:`\int_t^2 (x-t)^2` of the semicircle."""
    if t >= 2:
        return 0.0
    angle = math.acos(t / 2)
    mass = (angle - math.sin(2 * angle) / 2) / math.pi
    mean = 4 * math.sin(angle) ** 3 / (3 * math.pi)
    square = (angle - math.sin(4 * angle) / 4) / math.pi
    return square - 2 * t * mean + t * t * mass


def _left(t: float, rho: float) -> float:
    r"""Return the limit of error over a vanishing noise, the threshold being :math:`t\sqrt\Delta`."""
    if rho >= 1:
        return 1 + t * t
    p = 1 - rho
    return 2 * rho - rho * rho + rho * t * t + p * p * _noise_left(t / math.sqrt(p))


def _best_strength(rho: float) -> float:
    """Return the t at which the least is left."""
    if rho >= 1:
        return 0.0
    found = minimize_scalar(
        lambda t: _left(t, rho),
        bounds=(0.0, 2 * math.sqrt(1 - rho)),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return float(found.x)


def weight_decay_threshold(rho: float, channel: str | Channel = "softmax", n_tokens: int = 2) -> float:
    r"""Return the samples over :math:`d^2` from which the matrix of least trace that fits is the true one.

    Book: :doc:`/book/aim_weight_decay`.

    With t the strength of the shrinking and :math:`p = 1 - \rho` it is

    .. math::

       \frac1\kappa \min_t \Big[2\rho - \rho^2 + \rho t^2
           + \int_t^{2\sqrt p} (u - t)^2\,\frac{\sqrt{4p - u^2}}{2\pi}\,\mathrm du\Big] .

    Parameters
    ----------
    rho : float
        Width ratio of the true layer.
    channel : {"softmax", "linear"} or Channel
        One that ``recovers_exactly``.
    n_tokens : int
        Ignored if ``channel`` is a Channel.

    Returns
    -------
    float
    """
    rho = check_real("rho", rho, 0, exclusive_minimum=True)
    _, kappa = _taken(1.0, channel, n_tokens)
    return _left(_best_strength(rho), rho) / kappa


def _solution(rate: float, prior: Prior, decay: float, noise: float) -> tuple[float, ...]:
    r"""Solve for noise and threshold; ``rate`` is :math:`\alpha\kappa`.

    At a given noise the decay has one threshold, which asks for no other law. What is left is one equation
    for the noise: that it reproduces itself. It has a solution: much noise is always reduced, as
    :math:`V/\Delta < D \le \alpha\kappa` where the signal is lost in it, and little noise is always raised,
    if there is a decay or an error of the labels.
    """
    total = prior.second_moment
    if noise == 0 and (known := _nearly_recovered(rate, prior, decay)) is not None:
        return known

    def excess(log_delta: float) -> float:
        copy = Copy.of(prior, math.exp(log_delta))
        left = copy.shrunk(copy.threshold(rate, decay)).error
        return math.log((left + noise) / (rate * copy.delta))

    high = math.log((total + noise) / rate)
    low, step = high, 1.0
    if excess(high) > 0:
        while excess(high := high + step) > 0:
            low, step = high, 2 * step
            if high > _LOUDEST:
                raise _too_extreme(rate, decay)
    else:
        floor = math.log(_RECOVERED * total / 100 if noise == 0 else noise / rate) - 1e-3
        while low > floor and excess(low := max(low - step, floor)) <= 0:
            high, step = low, 2 * step
        if low <= floor and excess(low) <= 0:
            raise _too_extreme(rate, decay)
    delta = math.exp(float(brentq(excess, low, high, xtol=1e-13, rtol=1e-14)))
    copy = Copy.of(prior, delta)
    threshold = copy.threshold(rate, decay)
    found = copy.shrunk(threshold)
    loss = delta * (rate - found.response) ** 2 / 2
    return found.error, found.trace, found.rank, loss, delta, threshold, found.response


def _too_extreme(rate: float, decay: float) -> ValueError:
    return ValueError(
        f"alpha and decay must be less extreme, got a rate of {rate:g} and a decay of {decay:g}"
    )


def _nearly_recovered(rate: float, prior: Prior, decay: float) -> tuple[float, ...] | None:
    r"""Return the solution where the labels have no noise and that of the copy is nearly gone, or none.

    There error over noise depends on the strength t only. It equals the rate at one t beyond the best, and
    the decay tells the noise: :math:`\lambda = t\sqrt\Delta\,(\alpha\kappa - D)`.
    """
    small = _RECOVERED * prior.second_moment
    copy = Copy.of(prior, small)

    def left(t: float) -> float:
        return copy.shrunk(t * math.sqrt(small)).error / small - rate

    best = minimize_scalar(left, bounds=(0.0, 2.0), method="bounded", options={"xatol": 1e-6})
    if best.fun >= 0:
        return None
    high = 2.0
    while left(high) < 0:  # it grows like the square
        high *= 2
    t = float(brentq(left, best.x, high, xtol=1e-12))
    found = copy.shrunk(t * math.sqrt(small))
    spare = rate - found.response
    threshold = decay / spare
    delta = (threshold / t) ** 2
    if delta > small:
        return None
    part = math.sqrt(delta / small)
    trace = prior.mean - (prior.mean - found.trace) * part
    return (
        found.error * part**2, trace, found.rank, delta * spare**2 / 2, delta, threshold, found.response,
    )  # fmt: skip


# The minimiser -------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class TracePenalised(Result):
    r"""The positive matrix that minimises the loss with a penalty on its trace.

    Book: :doc:`/book/aim_weight_decay`.

    Attributes
    ----------
    S : array (d, d)
        The minimiser, in the normalisation of :class:`~pairint.aim.AIMTeacher`.
    loss : float
        The sum of squares that it leaves, over :math:`2 d^2`, as in :class:`WeightDecay`.
    objective : float
        The minimum of J over d.
    violation : float
        How far the conditions of a minimum are violated, relative to the decay: a matrix is the minimiser if
        the gradient of J has no negative eigenvalue, and its product with the matrix vanishes.
    converged : bool
        Whether the violation is below the tolerance.
    n_iter : int
        Steps that were taken.
    """

    S: Any = field(repr=False)
    loss: float
    objective: float
    violation: float
    converged: bool
    n_iter: int


def trace_penalised(
    X: Any,
    y: Any,
    decay: float,
    channel: str | Channel = "softmax",
    *,
    max_iter: int = 5000,
    tol: float = 1e-4,
) -> TracePenalised:
    r"""Minimise the loss of a layer with weight decay over all positive matrices: what training finds.

    Book: :doc:`/book/aim_weight_decay`.

    The function J that the module :mod:`pairint.aim.trace_penalty` defines is convex; a layer
    :math:`WW^\top/\sqrt{rd}` of full width has no other local minima. The method is the accelerated proximal
    gradient (Beck and Teboulle, 2009), started again where the momentum points uphill (O'Donoghue and
    Candes, 2015); a step costs two products of the tokens with a matrix and an eigenvalue decomposition.

    Parameters
    ----------
    X : array (n, T, d)
        Tokens. NumPy or CuPy; the computation stays in that library.
    y : array (n, T, T)
        Labels of the channel.
    decay : float
        :math:`\lambda > 0`.
    channel : {"softmax", "linear"} or Channel
    max_iter : int
        At most 100,000.
    tol : float
        Bound on the ``violation``.

    Returns
    -------
    TracePenalised

    Raises
    ------
    ValueError
        If an argument is out of range, or the labels are not of the channel.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If ``max_iter`` steps were not enough.
    """
    X = check_tokens(X, "float64")
    xp = array_namespace(X, y)
    n, t, d = X.shape
    if n < 1 or d < 1:
        raise ValueError(f"X must hold at least one sample and one dimension, got shape {X.shape}")
    channel = make_channel(channel, t)
    if not isinstance(channel, SoftmaxChannel | LinearChannel):
        raise ValueError(
            f"channel must be softmax or linear, got {channel!r}: the loss is not convex in the matrix"
        )
    kappa = information_at(channel, 0.0)
    if channel.n_tokens != t:
        raise ValueError(f"X has {t} tokens per sample, the channel expects {channel.n_tokens}")
    decay = check_real("decay", decay, 0, 1e6, exclusive_minimum=True)
    max_iter = check_integer("max_iter", max_iter, 1, MOST_STEPS)
    tol = check_real("tol", tol, 0, exclusive_minimum=True)
    observed = channel.observe(y)
    if len(observed) != n:
        raise ValueError(f"y has {len(observed)} samples, X has {n}")
    observed = xp.asarray(observed, dtype=X.dtype)
    free_constant = isinstance(channel, SoftmaxChannel)
    identity = xp.eye(d, dtype=X.dtype)

    def left(S: Any, targets: Any) -> Any:
        residual = targets - indices(X, S)
        return residual - residual.mean(axis=(1, 2), keepdims=True) if free_constant else residual

    def gradient(residual: Any) -> Any:
        return decay * identity - adjoint(X, residual) / d

    def projected(S: Any) -> Any:
        values, vectors = xp.linalg.eigh(S)
        return (vectors * xp.maximum(values, 0.0)) @ vectors.T

    # The largest curvature, by the power method, which errs downwards: hence the margin.
    probe = adjoint(X, left(xp.zeros((d, d), dtype=X.dtype), observed)) + identity
    curvature = n * kappa / d**2
    for _ in range(200):
        probe = probe / xp.linalg.norm(probe)
        image = adjoint(X, left(probe, xp.zeros_like(observed))) / -d
        before, curvature, probe = curvature, float((probe * image).sum()), image
        if abs(curvature - before) < 1e-3 * curvature:
            break
    step = 1 / (1.1 * curvature)

    S = xp.zeros((d, d), dtype=X.dtype)
    ahead, momentum = S, 1.0
    violation, converged, steps = math.inf, False, 0
    for steps in range(1, max_iter + 1):
        moved = projected(ahead - step * gradient(left(ahead, observed)))
        uphill = float(((ahead - moved) * (moved - S)).sum()) > 0
        momentum, before = (1.0 if uphill else (1 + math.sqrt(1 + 4 * momentum**2)) / 2), momentum
        ahead = moved + (0.0 if uphill else (before - 1) / momentum) * (moved - S)
        S = moved
        if steps % 10 == 0 or steps == max_iter:
            violation = _violation(S, gradient(left(S, observed)), decay)
            converged = violation <= tol
            if converged:
                break
    if not converged:
        from sklearn.exceptions import ConvergenceWarning

        warnings.warn(
            f"trace_penalised: not converged after {steps} steps; the conditions are violated by "
            f"{violation:.3g} times the decay, tol is {tol:.3g}",
            ConvergenceWarning,
            stacklevel=2,
        )
    loss = float((left(S, observed) ** 2).sum()) / (2 * d * d)
    objective = loss + decay * float(S.trace()) / d
    return TracePenalised(S, loss, objective, violation, converged, steps)


def _violation(S: Any, gradient: Any, decay: float) -> float:
    """Return the larger of the two violations, of the sign and of the product, over the decay."""
    xp = array_namespace(S)
    negative = max(0.0, -float(xp.linalg.eigvalsh(gradient)[0]))
    product = abs(float((S * gradient).sum())) / max(float(S.trace()), 1e-300)
    return max(negative, product) / decay
