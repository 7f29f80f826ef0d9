r"""Approximate message passing for attention-indexed models (the paper's Algorithm 1).

From the estimate :math:`\hat S` and its error C, one iteration

1. predicts the indices, :math:`\omega = h(\hat S) - \sigma^2 C\,g`, the last term (Onsager) removing the part
   of the prediction that comes from having used the same samples before;
2. scores the labels, :math:`g = g_{out}(y, \omega, V)`, whose size gives the noise of the next step,
   :math:`\Delta = 1/\big(2\alpha\,\langle\sum_{a<b} g_{ab}^2 + 2\sum_a g_{aa}^2\rangle\big)`;
3. moves the estimate,
   :math:`R = \hat S + \tfrac{2\Delta}{d}\,\tfrac1{\sqrt d}\sum_\mu\big(X_\mu^\top G_\mu X_\mu
   - I\operatorname{Tr}G_\mu\big)`, where :math:`G_{aa} = g_{aa}` and :math:`G_{ab} = g_{ab}/2`; then R is the
   truth plus symmetric Gaussian noise of variance :math:`\Delta`;
4. denoises the eigenvalues of R (:class:`~pairint.aim.spectrum.NoisySpectrum`), with error C.

Five refinements make it converge, and lose nothing, at moderate d; all vanish as d grows.

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
  drift for hundreds of steps. Its law does not depend on the data: a Wishart matrix has a trace independent
  of S / Tr S, hence the posterior mean has exactly the trace of the prior mean, :math:`\sqrt\rho\,d`, which
  each step restores.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pairint.aim.channels import Channel, HardmaxChannel, make_channel
from pairint.aim.indices import IndexCovariance, adjoint, indices
from pairint.aim.spectrum import NoisySpectrum
from pairint.aim.teacher import matrix_error
from pairint.backend import array_namespace, to_device, to_host
from pairint.validation import check_array, check_choice, check_integer, check_real

__all__ = ["AMPResult", "ConvergenceWarning", "amp"]


class ConvergenceWarning(UserWarning):
    """An iteration stopped before it settled."""


@dataclass(frozen=True)
class AMPResult:
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
    """

    S: Any
    mmse: float
    history: dict[str, np.ndarray] = field(repr=False)
    converged: bool
    n_iter: int
    damping: float


def amp(
    X,
    y,
    rho: float,
    channel: str | Channel = "softmax",
    *,
    truth=None,
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
    rho : float
        Width ratio of the teacher.
    channel : {"softmax", "hardmax", "linear"} or Channel
        Hardmax needs 2 to 5 tokens.
    truth : array (d, d), optional
        The true matrix, for the history only.
    max_iter : int
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
    ConvergenceWarning
        If ``max_iter`` iterations were not enough, or the iteration diverged (the best estimate by
        the algorithm's own account is returned).

    Notes
    -----
    An iteration costs two products of a (n T, d) matrix by a (d, d) one, and an eigendecomposition;
    the memory beyond the inputs is O(n T^2 + d^2).
    """
    rho = check_real("rho", rho, 0, exclusive_minimum=True)
    max_iter = check_integer("max_iter", max_iter, 1)
    tol = check_real("tol", tol, 0, exclusive_minimum=True)
    X = check_array("X", X, (None, None, None))
    if dtype is not None:
        X = X.astype(check_choice("dtype", dtype, ("float32", "float64")), copy=False)
    xp = array_namespace(X, y)
    n, n_tokens, d = X.shape
    if n < 1 or d < 2:
        raise ValueError(f"X must hold at least one sample, of at least two dimensions, got shape {X.shape}")
    channel = make_channel(channel, n_tokens)
    if channel.n_tokens != n_tokens:
        raise ValueError(f"X has {n_tokens} tokens per sample, the channel expects {channel.n_tokens}")
    observed = channel.observe(y)
    if len(observed) != n:
        raise ValueError(f"y has {len(observed)} samples, X has {n}")
    observed = observed.astype(X.dtype, copy=False)
    if truth is not None:
        truth = check_array("truth", truth, (d, d)).astype(X.dtype, copy=False)
    automatic = damping == "auto"
    if automatic:
        gamma, slowest = (0.5, 0.1) if channel.recovers_exactly else (1.0, 0.02)
    else:
        gamma = check_real("damping", damping, 0, 1, exclusive_minimum=True)

    alpha = n / d**2
    half = xp.asarray(0.5 * (np.ones((n_tokens, n_tokens)) + np.eye(n_tokens)), dtype=X.dtype)
    sigma2 = 2 * half
    S = rho**0.5 * xp.eye(d, dtype=X.dtype)
    error = 1.0  # C, the estimated error of S
    omega = indices(X, S)
    covariance = None
    if token_covariance and channel.recovers_exactly and 2 * n_tokens <= d:
        covariance = IndexCovariance(X)
    parameters = 1 + 1 / d  # the number d (d + 1) / 2 of parameters, over d^2/2
    scale_free = isinstance(channel, HardmaxChannel)
    history: dict[str, list[float]] = {"delta": [], "mmse": [], "self_overlap": [], "change": []}
    if truth is not None:
        history |= {"overlap": [], "error": []}
    echo = 0.0  # what each label has added to its own prediction
    changes: list[float] = []
    turns: list[float] = []  # cosines of the angles between successive steps
    last = None
    best, converged, reason = (S, error), False, f"not converged after {max_iter} iterations"

    for _ in range(max_iter):
        # What a sample adds to its own prediction, in units of the response to come, is called its reaction.
        if covariance is None:
            g = channel.g_out(observed, omega, error)
            weighted, reaction = g * half, sigma2 * g
            information = 2 * float((weighted * reaction).sum()) / n
        else:
            weighted = channel.g_out_given(observed, omega, error, covariance)
            reaction = covariance.apply(weighted)
            information = 2 * float((weighted * reaction).sum()) / (n * parameters)
        if channel.recovers_exactly and information > 0:
            # g is the residual over V: take V from the measured size of the residuals.
            expected = float(channel.kappa(0.0)) / (parameters if covariance is not None else 1.0)
            ratio = error * information / expected
            weighted /= ratio
            reaction /= ratio
            information /= ratio**2
        delta = 1 / (alpha * information) if information > 0 else math.inf  # labels may say nothing
        if not 1e-14 < delta < 1e8:
            converged = delta <= 1e-14  # recovered to machine precision
            reason = "the iteration diverged"
            S, error = best
            break
        moved = S + (2 * delta / d) * adjoint(X, weighted)
        eigenvalues, vectors = xp.linalg.eigh(moved)
        spectrum = NoisySpectrum(rho, delta)
        denoised = to_device(spectrum.denoise(to_host(eigenvalues).astype(np.float64)), X)
        if scale_free:
            denoised *= rho**0.5 * d / denoised.sum()
        estimate = (vectors * denoised.astype(X.dtype)) @ vectors.T
        step = estimate - S
        change = float((step**2).sum()) / d  # of the undamped step
        length = d * math.sqrt(change * changes[-1]) if changes else 0.0
        turns.append(float((step * last).sum()) / length if length else 0.0)
        last = step
        S = S + gamma * step
        response = delta * _divergence(to_host(eigenvalues), to_host(denoised))
        error = gamma * response + (1 - gamma) * error
        # By linearity, h(S) is already the average of h(estimate) and of the last one.
        echo = gamma * response * reaction + (1 - gamma) * echo
        omega = indices(X, S)
        if onsager:
            omega -= echo

        history["delta"].append(delta)
        history["mmse"].append(error)
        history["self_overlap"].append(float((S**2).sum()) / d)
        history["change"].append(gamma**2 * change)
        if truth is not None:
            history["overlap"].append(float((S * truth).sum()) / d)
            history["error"].append(matrix_error(truth, S))
        best = (S, error)
        if change < tol * max(error, 1e-3):  # below 1e-3, zero error is close enough
            converged = True
            break
        changes.append(change)
        due = automatic and len(changes) >= 20 and len(changes) % 10 == 0
        if due and max(changes[-10:]) > 0.9 * max(changes[-20:-10]):
            # No progress over ten iterations. Steps that turn back circle around the fixed point; steps
            # that all point the same way are merely slow, as they are near the threshold, and damping
            # would make them slower.
            if scale_free or min(turns[-10:]) < 0:
                gamma = max(0.5 * gamma, slowest)
            elif min(turns[-10:]) > 0.5:
                gamma = min(2 * gamma, 0.5)

    if not converged:
        warnings.warn(
            f"AMP: {reason} (alpha = {alpha:.4g}, d = {d}); its error estimate is {error:.3g}",
            ConvergenceWarning,
            stacklevel=2,
        )
    arrays = {name: np.array(values) for name, values in history.items()}
    return AMPResult(S, float(error), arrays, converged, len(arrays["delta"]), gamma)


def _divergence(values: np.ndarray, denoised: np.ndarray) -> float:
    r"""Mean derivative of the denoiser over symmetric directions, at a matrix with these eigenvalues.

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
