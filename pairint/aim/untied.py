r"""The untied layer: queries and keys of their own, :math:`S = QK^\top/\sqrt{rd}`.

With independent Gaussian Q and K of width :math:`r = \rho d` the matrix has no symmetry, every index
:math:`h_{ab}`, :math:`a = b` or not, has the variance :math:`Q_0 = 1`, and :math:`h_{ab}`, :math:`h_{ba}` are
independent. Two changes turn the theory of tied layers into that of untied ones.

- The law is that of the singular values and their negatives: the eigenvalues of the symmetric
  :math:`\begin{pmatrix}0 & S\\ S^\top & 0\end{pmatrix}`. Noise with independent entries of variance
  :math:`\Delta/d` adds a semicircle to it, so that :mod:`pairint.aim.spectral` applies to it word for word.
- There are :math:`d^2` entries for :math:`d^2/2`, each with half the noise; the precision of the labels is
  :math:`\hat q = \alpha K` with :math:`K = \mathbb E\sum_{a,b} g_{ab}^2 = \kappa/V`, which is :math:`T^2` for
  linear labels, :math:`T^2 - T` for softmax ones (each row is known up to a constant).

The second change is an approximation: it spreads the information of a label evenly over the matrix, while the
symmetric part gets more of it than the antisymmetric one, which a token beside itself does not see. For
linear labels of wide layers, near exact recovery, that is wrong: the antisymmetric part needs more samples.

The singular law has the R-transform :math:`\rho g/(\rho - g^2)`: take out the pairs :math:`q_k, k_k`
one by one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.aim.amp import AMPResult, Damping, History, warn_unfinished
from pairint.aim.channels import Channel, SoftmaxChannel, check_tau, information_at
from pairint.aim.credence import NEGLIGIBLE, contradiction, refusable
from pairint.aim.indices import adjoint, check_tokens, indices
from pairint.aim.priors import denoised
from pairint.aim.spectral import SpectralPrior
from pairint.backend import array_namespace, one_blas_thread, to_device, to_host
from pairint.steps import steps
from pairint.validation import (
    MOST_STEPS,
    check_choice,
    check_floats,
    check_instance,
    check_integer,
    check_real,
    check_rng,
    check_size,
)

__all__ = ["UntiedLinearChannel", "UntiedPrior", "UntiedSoftmaxChannel", "untied_amp", "untied_channel"]


class UntiedPrior(SpectralPrior):
    r"""The layer :math:`S = QK^\top/\sqrt{rd}` with independent Gaussian Q and K of width :math:`r = \rho d`.

    Book: :doc:`/book/aim_untied`.

    Its law is that of the singular values and their negatives, and ``denoise`` takes singular values;
    :meth:`draw` returns a matrix without symmetry.

    Parameters
    ----------
    rho : float
        Width ratio, between 0.001 and 100.
    """

    symmetric = False
    one_fixed_point = True
    mean, second_moment = 0.0, 1.0

    def __init__(self, rho: float) -> None:
        self.rho = rho = check_real("rho", rho, 1e-3, 100)
        self.parameters = 2 * rho - rho * rho if rho < 1 else 1.0
        # Edges are where z(g) = 1/g + rho g/(rho - g^2) turns: a quadratic equation for g^2.
        root = math.sqrt(rho * (rho + 8))
        outer = self._place(2 * rho / (rho + 2 + root))
        if rho < 1:
            inner = self._place(rho * (rho + 2 + root) / (2 * (1 - rho)))
            self.support = [(-outer, -inner), (0.0, 0.0), (inner, outer)]
        else:
            self.support = [(-outer, outer)]

    def __repr__(self) -> str:
        return f"UntiedPrior({self.rho})"

    def _place(self, square: float) -> float:
        """Return the absolute value of z at a real g of this square."""
        return abs((1 + self.rho * square / (self.rho - square)) / math.sqrt(square))

    def stieltjes(self, z: NDArray[np.complex128]) -> NDArray[np.complex128]:
        r"""Return the root in the lower half plane of :math:`z g^3 + (\rho-1) g^2 - \rho z g + \rho = 0`.

        There is one: no root crosses the real axis while z stays above it, and far away one lies below.
        """
        z = np.asarray(z, dtype=np.complex128)
        c2, c1, c0 = (self.rho - 1) / z, -self.rho + 0 * z, self.rho / z
        p, q = c1 - c2**2 / 3, 2 * c2**3 / 27 - c2 * c1 / 3 + c0
        inner = np.sqrt((q / 2) ** 2 + (p / 3) ** 3)
        cube = np.where(abs(-q / 2 + inner) > abs(-q / 2 - inner), -q / 2 + inner, -q / 2 - inner) ** (1 / 3)
        turns = np.exp(2j * math.pi * np.arange(3) / 3).reshape(3, *[1] * z.ndim)
        with np.errstate(divide="ignore", invalid="ignore"):
            roots = cube * turns - np.where(cube == 0, 0, p / (3 * cube * turns)) - c2 / 3

        def polished(g: NDArray[np.complex128]) -> NDArray[np.complex128]:
            for _ in range(3):
                slope = (3 * g + 2 * c2) * g + c1
                step = (((g + c2) * g + c1) * g + c0) / np.where(slope == 0, 1, slope)
                g = g - np.where(abs(step) < 0.1 * abs(g), step, 0)
            return g

        # Cardano's formula knows the largest root to rounding, and loses the others beside it where z is
        # small: they are those of the quadratic equation that is left, (g - largest)(g^2 + b g + c).
        largest = polished(np.take_along_axis(roots, abs(roots).argmax(axis=0)[None], axis=0)[0])
        c = -c0 / largest
        b = (c - c1) / largest
        far = np.sqrt(b**2 / 4 - c)
        far = -b / 2 + np.where((b.conj() * far).real > 0, -far, far)  # the larger one: nothing cancels
        roots = polished(np.stack([largest, far, np.where(far == 0, 0, c / np.where(far == 0, 1, far))]))
        lowest = roots.imag.argmin(axis=0)
        return np.asarray(np.take_along_axis(roots, lowest[None], axis=0)[0])

    def draw(self, d: int, rng: np.random.Generator) -> NDArray[np.float64]:
        d = check_integer("d", d, 1)
        check_size("d and rho", d, d * math.ceil(self.rho))
        rng, width = check_rng(rng), max(1, round(self.rho * d))
        return rng.standard_normal((d, width)) @ rng.standard_normal((width, d)) / math.sqrt(width * d)


class UntiedLinearChannel(Channel):
    r"""The indices of an untied layer as they are: :math:`\kappa = T^2`.

    Book: :doc:`/book/aim_untied`.

    The antisymmetric part of the matrix has :math:`T(T-1)/2` equations a sample; of wide layers it is open
    below :math:`\alpha = 1/(T(T-1))`, where state evolution, which spreads information evenly, says that
    nothing is.

    Parameters
    ----------
    n_tokens : int
    """

    symmetric = False
    recovers_exactly = True
    one_fixed_point = True  # observed, as for tied layers

    def kappa(self, tau: Any) -> Any:
        return np.full(np.shape(check_tau(tau)), float(self.n_tokens**2))[()]

    def least_samples(self, prior: Any) -> float:
        r"""Return the sample ratio below which the antisymmetric part is open, however labels are read.

        The matrices of rank :math:`\rho d` with the same symmetric part have :math:`\rho^2 d^2` parameters if
        :math:`\rho \le \frac12` (all of rank :math:`\rho d` less the symmetric ones of rank
        :math:`2\rho d`), :math:`(2\rho - \rho^2 - \frac12) d^2` up to 1, and :math:`d^2/2` beyond. Zero for
        other laws than :class:`UntiedPrior`: they are not counted.
        """
        if not isinstance(prior, UntiedPrior):
            return 0.0
        rho = prior.rho
        left = rho**2 if rho <= 0.5 else 2 * rho - rho**2 - 0.5 if rho <= 1 else 0.5
        return 2 * left / (self.n_tokens * (self.n_tokens - 1))

    def output(self, h: Any) -> Any:
        return array_namespace(h).array(self._check_indices(h), copy=True)

    def g_out(self, observed: Any, omega: Any, variance: float) -> Any:
        return (observed - omega) / variance


class UntiedSoftmaxChannel(SoftmaxChannel):
    r"""Each row of the label is the softmax of a row of an untied layer's indices: :math:`\kappa = T^2 - T`.

    Book: :doc:`/book/aim_untied`.

    Without symmetry nothing joins the rows: the logarithms of each give its indices up to a constant.

    Parameters
    ----------
    n_tokens : int
    inverse_temperature : float
        :math:`\beta > 0`.
    log_labels : bool
        Whether labels are exchanged as logarithms.
    """

    name = "untied softmax"
    symmetric = False

    def kappa(self, tau: Any) -> Any:
        return np.full(np.shape(check_tau(tau)), float(self.n_tokens * (self.n_tokens - 1)))[()]

    def observe(self, y: Any) -> Any:
        return self._logarithms(self._check_labels(y))

    def g_out(self, observed: Any, omega: Any, variance: float) -> Any:
        residual = observed - omega
        return (residual - residual.mean(axis=-1, keepdims=True)) / variance

    def g_out_given(self, observed: Any, omega: Any, variance: float, covariance: Any) -> Any:
        raise TypeError("UntiedSoftmaxChannel does not define g_out_given; use g_out")


def untied_channel(channel: str | Channel, n_tokens: int = 2) -> Channel:
    """Return the channel of an untied layer of that name, or the given one itself.

    Book: :doc:`/book/aim_untied`.

    Parameters
    ----------
    channel : {"softmax", "linear"} or Channel
    n_tokens : int

    Raises
    ------
    ValueError
        For an unknown name, or the channel of a tied layer.
    """
    if isinstance(channel, Channel):
        if channel.symmetric:
            raise ValueError(f"channel must be that of an untied layer, got {channel!r}")
        return channel
    kinds = {"softmax": UntiedSoftmaxChannel, "linear": UntiedLinearChannel}
    return kinds[check_choice("channel", channel, tuple(kinds))](n_tokens)


def untied_amp(
    X: Any,
    y: Any,
    rho: float | UntiedPrior,
    channel: str | Channel = "softmax",
    *,
    truth: Any = None,
    max_iter: int = 500,
    tol: float = 1e-5,
    damping: float | str = "auto",
) -> AMPResult:
    r"""Estimate the matrix of an untied layer from labelled samples.

    Book: :doc:`/book/aim_untied`.

    The four steps of :func:`~pairint.aim.amp`, with singular values for eigenvalues. The noise is measured
    from the residuals, as there.

    Parameters
    ----------
    X : array (n, T, d)
        Tokens, standard Gaussian.
    y : array (n, T, T)
    rho : float or UntiedPrior
        Width ratio.
    channel : {"softmax", "linear"} or Channel
        That of an untied layer, which ``recovers_exactly``.
    truth : array (d, d), optional
        For the history only.
    max_iter : int
        At most 100,000.
    tol : float
        As in :func:`~pairint.aim.amp`.
    damping : float in (0, 1] or "auto"

    Returns
    -------
    AMPResult

    Raises
    ------
    ValueError
        If an argument is out of range, or the labels are not of the channel.

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If ``max_iter`` iterations were not enough, the iteration diverged, or the labels refuse the error
        that it believes.
    """
    prior = rho if isinstance(rho, UntiedPrior) else UntiedPrior(rho)
    X = check_tokens(X)
    xp = array_namespace(X, y)
    n, t, d = X.shape
    if n < 1 or d < 2:
        raise ValueError(f"X must hold at least one sample, of at least two dimensions, got shape {X.shape}")
    channel = untied_channel(channel, t)
    if channel.n_tokens != t or not channel.recovers_exactly:
        raise ValueError(f"channel must be linear in the indices of {t} tokens, got {channel!r}")
    observed = channel.observe(y)
    if len(observed) != n:
        raise ValueError(f"y has {len(observed)} samples, X has {n}")
    if truth is not None:
        truth = check_floats("truth", truth, (d, d))
    max_iter = check_integer("max_iter", max_iter, 1, MOST_STEPS)
    tol = check_real("tol", tol, 0, exclusive_minimum=True)
    weight = Damping.of(damping, check_instance("channel", channel, Channel))  # type: ignore[type-abstract]
    expected = information_at(channel, 0.0)
    history = History(truth)
    S, error, echo = xp.zeros((d, d), dtype=X.dtype), prior.variance, 0.0
    omega = indices(X, S)
    converged, stopped, reason = False, True, f"not converged after {max_iter} iterations"
    with one_blas_thread(d):
        for _ in steps(range(max_iter), "iterations", most=True):
            residual = channel.g_out(observed, omega, 1.0)  # g is this over V, and V is its mean square
            measured = float((residual**2).sum()) / (n * expected)
            delta = measured * d**2 / (n * expected)
            if not 1e-14 < delta < 1e8:
                converged = delta <= 1e-14
                reason = "the iteration diverged"
                break
            g = residual / measured
            left, values, right = xp.linalg.svd(S + delta / d * adjoint(X, g, symmetric=False))
            values, right = values[::-1], right[::-1]  # in increasing order
            best = denoised(prior, to_host(values).astype(np.float64), delta)
            response = delta * _divergence(to_host(values), best)
            estimate = (left[:, ::-1] * to_device(best, X).astype(X.dtype)) @ right
            change = weight.record(estimate - S)
            gamma = weight.value
            S = S + gamma * (estimate - S)
            error = gamma * response + (1 - gamma) * error
            echo = gamma * response * g + (1 - gamma) * echo
            omega = indices(X, S) - echo
            history.note(S, error, delta, gamma**2 * change)
            if change < tol * max(error, NEGLIGIBLE):
                converged = True
                break
            weight.adapt()
        else:
            stopped = False
        if stopped:
            least = refusable(error, weight.value)
            worth = (channel.g_out(observed, omega, least) ** 2).sum(axis=(1, 2))
            if refused := contradiction(worth, float((omega**2).mean()), least, channel):
                converged, reason = False, refused
            elif converged and error < NEGLIGIBLE and n / d**2 < channel.least_samples(prior):
                converged = False
                reason = (
                    "the labels have fewer equations for the antisymmetric part of the matrix than it has "
                    "unknowns, so that others give the same labels; more samples are needed"
                )
    if not converged:
        warn_unfinished("AMP, untied", reason, n / d**2, d, error)
    return history.result(S, error, converged, weight, reason)


def _divergence(values: NDArray[np.float64], best: NDArray[np.float64]) -> float:
    r"""Return the mean derivative of :math:`U f(\sigma) V^\top` over the entries of a square matrix.

    It is :math:`\frac1{d^2}\big[\sum_i f_i' + \sum_{i\ne j} \frac{s_i f_i - s_j f_j}{s_i^2 - s_j^2}\big]`.
    """
    values = values.astype(np.float64)
    if (np.diff(values) <= 0).any():
        values = values + np.arange(len(values)) * 1e-10 * max(float(values[-1]), 1e-30)
    gaps = values[:, None] ** 2 - values**2
    np.fill_diagonal(gaps, 1.0)
    slopes = ((values * best)[:, None] - values * best) / gaps
    np.fill_diagonal(slopes, np.gradient(best, values))
    return float(slopes.sum()) / len(values) ** 2
