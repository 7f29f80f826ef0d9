r"""Output channels of attention-indexed models: what the labels say about the indices.

The indices :math:`h_{ab} = (x_a^\top S x_b - \delta_{ab}\operatorname{Tr} S)/\sqrt d` of one sample are
Gaussian with variance :math:`\sigma^2_{ab} Q_0`, :math:`\sigma^2 = 1` off the diagonal and 2 on it. Given an
estimator of overlap :math:`q`, :math:`h_{ab} \sim \mathcal N(\omega_{ab}, \sigma_{ab}^2 V)` with
:math:`V = Q_0 - q`, and :math:`\omega_{ab} \sim \mathcal N(0, \sigma_{ab}^2 q)`. A channel enters the theory
only through

.. math::

   K(q) = 2\,\mathbb E\Big[\sum_{a<b} g_{ab}^2 + 2\sum_a g_{aa}^2\Big] = \frac{\kappa(\tau)}{V},
   \qquad g_{ab} = \partial_{\omega_{ab}} \log P(y\mid\omega, V), \qquad \tau = \frac qV ,

where :math:`P` integrates the label's probability over :math:`h`, and
:math:`\omega_{ab} = \omega_{ba}` is one coordinate. :math:`\kappa` is exact here for softmax and linear
outputs (any number of tokens) and for hardmax of two tokens. For hardmax of three to five tokens it is an
interpolation between exact properties, with an estimated error (:mod:`pairint.aim.hardmax`).
"""

from __future__ import annotations

import functools
import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from pairint.aim.bivariate import (
    bivariate_log_cdf,
    bivariate_log_density,
    bivariate_scores,
)
from pairint.aim.hardmax import (
    MAX_TOKENS,
    MOST_TOKENS,
    hardmax_information,
    hardmax_likelihood,
    possible_label,
)
from pairint.aim.indices import IndexCovariance
from pairint.backend import array_namespace, to_host
from pairint.validation import check_choice, check_flag, check_floats, check_integer, check_real, shortened

__all__ = [
    "CHANNELS",
    "Channel",
    "HardmaxChannel",
    "LinearChannel",
    "PublishedHardmaxChannel",
    "SoftmaxChannel",
    "check_tau",
    "index_variances",
    "information_at",
    "make_channel",
    "scaled_information",
]


def index_variances(n_tokens: int, like: Any = None) -> Any:
    r"""Return (T, T) array :math:`\sigma^2_{ab}`: 1 off the diagonal and 2 on it (library of ``like``)."""
    xp = array_namespace(like)
    dtype = np.float64 if like is None else like.dtype
    return xp.ones((n_tokens, n_tokens), dtype=dtype) + xp.eye(n_tokens, dtype=dtype)


def check_tau(tau: Any) -> Any:
    """Return signal-to-noise ratios ``tau >= 0``, infinite ones too, as a float or an array."""
    if isinstance(tau, float) and tau >= 0:  # what state evolution asks for, thousands of times
        return tau
    values = check_floats("tau", tau, finite=False)
    if not bool((values >= 0).all()):
        raise ValueError(f"tau must be >= 0, got {shortened(tau)}")
    return values


class Channel(ABC):
    """One way of turning the indices h of a sample into its label.

    Book: :doc:`/book/aim_own`.

    A subclass defines :meth:`output`, which draws labels, :meth:`kappa`, what they tell (state evolution),
    and :meth:`g_out`, how they are read (message passing). It may check labels in :meth:`observe`, and where
    they are linear in the indices give :meth:`g_out_given`. :func:`check_channel` tells whether the methods
    belong together.

    Parameters
    ----------
    n_tokens : int
        Number of tokens T, at least 2 and at most ``10**15``.
    """

    #: Name under which :func:`make_channel` builds the channel.
    name: str = ""
    #: Whether a label determines some combinations of the indices and tells nothing of the others, as linear
    #: and softmax labels do: then kappa is constant, g_out inversely proportional to V, and zero error is
    #: reached with finitely many samples per parameter.
    recovers_exactly: bool = False
    #: Whether state evolution with a Wishart prior (or an untied one) was observed to have one fixed point
    #: for each number of samples; where not, it looks for others.
    one_fixed_point: bool = False
    #: Whether labels stay the same when S is multiplied by a positive number: then message passing takes the
    #: trace of S from the prior.
    scale_free: bool = False
    #: Whether the indices are those of a symmetric matrix.
    symmetric: bool = True

    def __init__(self, n_tokens: int = 2) -> None:
        self.n_tokens = check_integer("n_tokens", n_tokens, 2, MOST_TOKENS)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n_tokens={self.n_tokens})"

    @abstractmethod
    def kappa(self, tau: Any) -> Any:
        r"""Return the function :math:`\kappa(\tau) = V K(q)`; scalar or array of ``tau >= 0``."""

    def least_samples(self, prior: Any) -> float:
        r"""Return the sample ratio below which labels leave open a part that :math:`\kappa` counts.

        Book: :doc:`/book/aim_untied`.

        Zero, unless the equations for a part of the matrix are known to be fewer than their share.

        Parameters
        ----------
        prior : Prior
        """
        return 0.0

    def kappa_error(self, tau: Any) -> Any:
        r"""Return the estimated error of :meth:`kappa`: zero where it is exact."""
        return np.zeros(np.shape(check_tau(tau)))[()]

    def information(self, q: float, V: float) -> float:
        r"""Return the information of a label, :math:`K(q, V)`: by default :math:`\kappa(q/V)/V`.

        Labels that know the scale of S have one of their own (:class:`~pairint.aim.composed.ScaledChannel`).

        Parameters
        ----------
        q : float
            Variance of a prediction, >= 0.
        V : float
            Variance of its remainder, > 0.
        """
        q, V = check_real("q", q, 0), check_real("V", V, 0, exclusive_minimum=True)
        return information_at(self, q / V) / V

    def information_error(self, q: float, V: float) -> float:
        """Return the estimated error of :meth:`information`: zero where it is exact."""
        q, V = check_real("q", q, 0), check_real("V", V, 0, exclusive_minimum=True)
        return float(self.kappa_error(q / V)) / V

    def information_here(self, q: float, V: float) -> tuple[float, float]:
        """Return :meth:`information` and its estimated error at one place, by the shortest way.

        Where a curve must be sampled for :meth:`information`, this samples one point of it.

        Parameters
        ----------
        q : float
            Variance of a prediction, >= 0.
        V : float
            Variance of its remainder, > 0.

        Returns
        -------
        value, error : float
        """
        return scaled_information(self, q, V) / V, self.information_error(q, V)

    def are_strange(self, observed: Any, omega: Any, variance: float, chance: float) -> bool:
        """Say whether labels are unlikely at these predictions in a way that their scores do not show.

        By default they are not: an unlikely label has a large score. Where labels are read by sampling,
        one that no draw gives has none at all.

        Parameters
        ----------
        observed
            Result of :meth:`observe`.
        omega : array (n, T, T)
            Symmetric means of the indices.
        variance : float
            V.
        chance : float
            That of saying so of labels which belong to these predictions, at most.
        """
        return False

    @abstractmethod
    def output(self, h: Any) -> Any:
        """Return the labels (n, T, T) of the indices ``h`` (n, T, T)."""

    def observe(self, y: Any) -> Any:
        """Check the labels and return what :meth:`g_out` needs of them: by default, the labels themselves."""
        return self._check_labels(y)

    @abstractmethod
    def g_out(self, observed: Any, omega: Any, variance: float) -> Any:
        r"""Return the derivatives of the log-likelihood in the means of the indices.

        Parameters
        ----------
        observed
            Result of :meth:`observe`.
        omega : array (n, T, T)
            Symmetric means of the indices.
        variance : float
            :math:`V`; the index (a, b) has variance :math:`\\sigma^2_{ab} V`.

        Returns
        -------
        array (n, T, T)
            Symmetric; the entries (a, b) and (b, a) both hold the derivative in their common coordinate.
        """

    def g_out_given(self, observed: Any, omega: Any, variance: float, covariance: IndexCovariance) -> Any:
        r"""Return derivatives of :meth:`g_out` for indices of covariance :math:`V\Gamma` given the tokens.

        Parameters
        ----------
        observed
            Result of :meth:`observe`.
        omega : array (n, T, T)
            Symmetric means of the indices.
        variance : float
            V.
        covariance : IndexCovariance
            The matrices :math:`\Gamma` of the samples.

        Returns
        -------
        array (n, T, T)
            Symmetric weights: :math:`g_{aa}` on the diagonal, :math:`g_{ab}/2` off it.

        Raises
        ------
        TypeError
            For labels that are not linear in the indices, or of a class that does not define it; message
            passing then uses :meth:`g_out`.
        """
        raise TypeError(f"{type(self).__name__} does not define g_out_given; use g_out")

    def _check_indices(self, h: Any) -> Any:
        t = self.n_tokens
        return check_floats("h", h, (None, t, t))

    def _check_labels(self, y: Any) -> Any:
        t = self.n_tokens
        return check_floats("y", y, (None, t, t))

    @staticmethod
    def _symmetrised(h: Any, allowed: Any, what: str) -> Any:
        """Return the mean of ``h`` and its transpose, which may differ by ``allowed`` (of each sample)."""
        transposed = h.transpose(0, 2, 1)
        excess = abs(h - transposed).max(axis=(1, 2)) - allowed
        if bool((excess > 0).any()):
            worst, count = int(excess.argmax()), int((excess > 0).sum())
            gap = float(abs(h[worst] - transposed[worst]).max())
            raise ValueError(
                f"y must come from a symmetric matrix of indices: {count} of {len(h)} samples do not; "
                f"{what} of sample {worst} differs from its transpose by {gap:.3g}"
            )
        return 0.5 * (h + transposed)


def information_at(channel: Channel, tau: float) -> float:
    r"""Return :math:`\kappa(\tau)` of a channel as a checked number.

    Raises
    ------
    ValueError
        If the channel's ``kappa`` returns anything but a finite number >= 0, or, where it
        ``recovers_exactly``, one that depends on tau.
    """
    value = _one_kappa(channel, tau)
    if channel.recovers_exactly:
        first = _one_kappa(channel, 0.0)
        if not math.isclose(value, first, rel_tol=1e-6):  # a quadrature's errors are allowed
            raise ValueError(
                f"{type(channel).__name__}.kappa must be constant where recovers_exactly is True, got "
                f"{first:.6g} at tau = 0 and {value:.6g} at tau = {tau:.6g}"
            )
    return value


def scaled_information(channel: Channel, q: float, V: float) -> float:
    r"""Return :math:`V K(q, V)` of a channel as a checked number.

    Raises
    ------
    ValueError
        If the channel returns anything but a finite number >= 0.
    """
    if type(channel).information is Channel.information:
        return information_at(channel, q / V)
    found = np.asarray(channel.information(q, V))
    if found.ndim or found.dtype.kind not in "fiu" or not math.isfinite(found) or found < 0:
        raise ValueError(
            f"{type(channel).__name__}.information must return a finite number >= 0, got {found!r} at "
            f"q = {q:.6g}, V = {V:.6g}"
        )
    return V * float(found)


def _one_kappa(channel: Channel, tau: float) -> float:
    found = np.asarray(channel.kappa(tau))
    if found.ndim or found.dtype.kind not in "fiu" or not math.isfinite(found) or found < 0:
        raise ValueError(
            f"{type(channel).__name__}.kappa must return a finite number >= 0 for a number tau, got "
            f"{found!r} at tau = {tau:.6g}"
        )
    return float(found)


def _tolerance(y: Any) -> float:
    """Return the relative error that labels of this precision may have."""
    return 1e-3 if y.dtype.itemsize < 8 else 1e-6


class LinearChannel(Channel):
    r"""The indices are observed as they are, :math:`y = h`: :math:`\kappa = T^2 + T`.

    Book: :doc:`/book/aim_softmax`.
    """

    name = "linear"
    recovers_exactly = True
    one_fixed_point = True  # observed, as for hardmax

    def kappa(self, tau: Any) -> Any:
        return np.full(np.shape(check_tau(tau)), float(self.n_tokens * (self.n_tokens + 1)))[()]

    def output(self, h: Any) -> Any:
        return array_namespace(h).array(self._check_indices(h), copy=True)

    def observe(self, y: Any) -> Any:
        y = self._check_labels(y)
        allowed = _tolerance(y) * float(abs(y).max()) if len(y) else 0.0
        return self._symmetrised(y, allowed, "the label")

    def g_out(self, observed: Any, omega: Any, variance: float) -> Any:
        return (observed - omega) / (index_variances(self.n_tokens, omega) * variance)

    def g_out_given(self, observed: Any, omega: Any, variance: float, covariance: IndexCovariance) -> Any:
        return covariance.solve(observed - omega) / variance


class SoftmaxChannel(Channel):
    r"""Each row of the label is the softmax of a row of h: :math:`\kappa = T^2 + T - 2`.

    Book: :doc:`/book/aim_softmax`.

    The logarithms of a row give its indices up to a constant, and the symmetry of h joins the rows:
    with :math:`\ell = \log y/\beta`, :math:`\varphi_{ab} = \ell_{ab} + \ell_{1a} - \ell_{a1}` equals h up to
    one constant for the whole sample. Any finite inverse temperature gives the same error.

    Parameters
    ----------
    n_tokens : int
    inverse_temperature : float
        :math:`\beta > 0`.
    log_labels : bool
        Whether labels are exchanged as logarithms. Needed when probabilities underflow.
    """

    name = "softmax"
    recovers_exactly = True
    one_fixed_point = True  # observed, as for hardmax

    def __init__(self, n_tokens: int = 2, inverse_temperature: float = 1.0, log_labels: bool = False) -> None:
        super().__init__(n_tokens)
        self.inverse_temperature = check_real(
            "inverse_temperature", inverse_temperature, 0, exclusive_minimum=True
        )
        self.log_labels = check_flag("log_labels", log_labels)

    def kappa(self, tau: Any) -> Any:
        return np.full(np.shape(check_tau(tau)), float(self.n_tokens * (self.n_tokens + 1) - 2))[()]

    def output(self, h: Any) -> Any:
        xp = array_namespace(h)
        h = self._check_indices(h)
        scaled = self.inverse_temperature * h
        shifted = scaled - scaled.max(axis=-1, keepdims=True)
        log_y = shifted - xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))
        return log_y if self.log_labels else xp.exp(log_y)

    def observe(self, y: Any) -> Any:
        xp = array_namespace(y)
        y = self._check_labels(y)
        tolerance = _tolerance(y)
        logs = self._logarithms(y)
        phi = logs + (logs[:, :1, :] - logs[:, :, :1].transpose(0, 2, 1)).transpose(0, 2, 1)
        # Relative to the logarithms; those of the smallest probabilities have few digits.
        beta = self.inverse_temperature
        allowed = tolerance * xp.maximum(beta * abs(logs).max(axis=(1, 2)), 1.0)
        if not self.log_labels:
            allowed = allowed + float(np.finfo(y.dtype).smallest_subnormal) / y.min(axis=(1, 2))
        return self._symmetrised(phi, allowed / beta, "log y_ab + log y_1a - log y_a1")

    def _logarithms(self, y: Any) -> Any:
        """Check probabilities, and return their logarithms over the inverse temperature."""
        xp = array_namespace(y)
        probabilities = xp.exp(y) if self.log_labels else y
        tolerance = _tolerance(y)
        if bool((probabilities < 0).any()) or bool((abs(probabilities.sum(axis=-1) - 1) > tolerance).any()):
            what = "logarithms of probabilities" if self.log_labels else "probabilities"
            raise ValueError(f"y must hold {what} whose rows sum to 1, as a softmax gives")
        if not self.log_labels and bool((probabilities == 0).any()):
            count = int((probabilities == 0).sum())
            raise ValueError(
                f"y holds {count} zeros: a softmax is positive, so these probabilities have underflowed; "
                "use SoftmaxChannel(log_labels=True) and pass log-probabilities"
            )
        return (y if self.log_labels else xp.log(y)) / self.inverse_temperature

    def g_out(self, observed: Any, omega: Any, variance: float) -> Any:
        sigma2 = index_variances(self.n_tokens, omega)
        residual = (observed - omega) / sigma2
        # Posterior mean of the free constant: sum over a <= b of residual over that of 1/sigma^2 = T^2/2.
        trace = residual.trace(axis1=1, axis2=2)
        constant = (residual.sum(axis=(1, 2)) + trace) / self.n_tokens**2
        return (residual - constant[:, None, None] / sigma2) / variance

    def g_out_given(self, observed: Any, omega: Any, variance: float, covariance: IndexCovariance) -> Any:
        # As above, with Gamma for the variances: the constant is a generalised least-squares mean.
        ones = covariance.solve(array_namespace(omega).ones_like(omega))
        weights = covariance.solve(observed - omega)
        constant = weights.sum(axis=(1, 2)) / ones.sum(axis=(1, 2))
        return (weights - constant[:, None, None] * ones) / variance


class HardmaxChannel(Channel):
    r"""Each row of the label marks the largest index of that row (one-hot).

    Book: :doc:`/book/aim_hardmax`.

    For two tokens the label is two signs, :math:`s_i = \pm 1` as :math:`h_{ii} \gtrless h_{12}`. With
    :math:`\kappa_i = s_i(\omega_{ii} - \omega_{12})/\sqrt{3V}` its probability is
    :math:`\Phi_2(\kappa_1, \kappa_2; s_1 s_2/3)`, and

    .. math::

       g_{ii} = \frac{s_i}{\sqrt{3V}}\,\partial_{\kappa_i}\log\Phi_2, \qquad g_{12} = -(g_{11} + g_{22}).

    For three to five tokens the likelihood is computed by one-dimensional integrals, and
    :math:`\kappa(\tau)` interpolates between exact properties (:mod:`pairint.aim.hardmax`).
    """

    name = "hardmax"
    one_fixed_point = True
    scale_free = True

    def kappa(self, tau: Any) -> Any:
        tau = check_tau(tau)
        if self.n_tokens == 2:
            return _two_token_kappa(type(self))(tau)
        return self._information().kappa(tau)

    def kappa_error(self, tau: Any) -> Any:
        tau = check_tau(tau)
        return super().kappa_error(tau) if self.n_tokens == 2 else self._information().kappa_error(tau)

    def _information(self) -> Any:
        if self.n_tokens > MAX_TOKENS:
            raise ValueError(
                f"hardmax is analysed for n_tokens <= {MAX_TOKENS} only, got {self.n_tokens}; "
                "labels of more tokens can be drawn"
            )
        return hardmax_information(self.n_tokens)

    def output(self, h: Any) -> Any:
        xp = array_namespace(h)
        h = self._check_indices(h)
        return xp.eye(self.n_tokens, dtype=h.dtype)[h.argmax(axis=-1)]

    def observe(self, y: Any) -> Any:
        y = self._check_labels(y)
        if not bool(((y == 0) | (y == 1)).all()) or not bool((y.sum(axis=-1) == 1).all()):
            raise ValueError("y must be one-hot: in each row one entry 1 and the others 0")
        if self.n_tokens == 2:
            return 2 * y.diagonal(axis1=1, axis2=2) - 1
        if self.n_tokens > MAX_TOKENS:
            raise ValueError(
                f"g_out of the hardmax channel needs n_tokens <= {MAX_TOKENS}, got {self.n_tokens}"
            )
        targets = y.argmax(axis=-1)
        if not possible_label(to_host(targets)).all():
            raise ValueError(
                "y holds labels in which three or more tokens point along a cycle: "
                "no symmetric matrix of indices gives them"
            )
        return targets

    def g_out(self, observed: Any, omega: Any, variance: float) -> Any:
        if self.n_tokens > 2:
            return hardmax_likelihood(observed, omega, variance)[1]
        xp = array_namespace(observed, omega)
        scale = math.sqrt(3 * variance)
        kappa = observed * (omega.diagonal(axis1=1, axis2=2) - omega[:, 0, 1, None]) / scale
        s1, s2 = observed[:, 0], observed[:, 1]
        _, first, second = self._scores(kappa[:, 0], kappa[:, 1], s1 * s2 / 3)
        g = xp.empty_like(omega)
        g[:, 0, 0] = s1 * first / scale
        g[:, 1, 1] = s2 * second / scale
        g[:, 0, 1] = g[:, 1, 0] = -(g[:, 0, 0] + g[:, 1, 1])
        return g

    @staticmethod
    def _scores(x: Any, y: Any, correlation: Any) -> Any:
        """Return log-probability of the label, and the two logarithmic derivatives that enter g."""
        return bivariate_scores(x, y, correlation)


class PublishedHardmaxChannel(HardmaxChannel):
    r"""Hardmax of two tokens with the density :math:`\varphi_2` where the derivative belongs.

    The hardmax curves of the paper are reproduced when :math:`\partial_{\kappa_i}\Phi_2` is replaced by
    :math:`\varphi_2(\kappa_1, \kappa_2)`, the mixed second derivative. This g is not a derivative of the
    log-likelihood: the I-MMSE and Nishimori identities fail for it. It is kept to draw
    and to examine the published curves, and is never the default.
    """

    name = "published hardmax"

    def __init__(self, n_tokens: int = 2) -> None:
        check_choice("n_tokens", n_tokens, (2,))
        super().__init__(n_tokens)

    @staticmethod
    def _scores(x: Any, y: Any, correlation: Any) -> Any:
        xp = array_namespace(x, y)
        log_p = bivariate_log_cdf(x, y, correlation)
        score = xp.exp(bivariate_log_density(x, y, correlation) - log_p)
        return log_p, score, score


# Integrals over two correlated indices -------------------------------------------------------------


def two_token_average(function: Any, tau: float) -> float:
    r"""Sum over the four labels of :math:`\mathbb E[f(\kappa_1, \kappa_2, \sigma)]`.

    Here :math:`(\kappa_1, \kappa_2)` is Gaussian with variances ``tau`` and correlation
    :math:`\sigma/3`, and :math:`\sigma = s_1 s_2`. ``function(k1, k2, sigma)`` varies on the scale one,
    the Gaussian on the scale :math:`\sqrt\tau`: the trapezoidal rule after :math:`\kappa = c\sinh t`
    resolves both.
    """
    if tau == 0:
        zero = np.zeros(1)
        return float(2 * sum(function(zero, zero, sigma)[0] for sigma in (1, -1)))
    width = math.sqrt(tau)
    scale = min(1.0, width)
    reach = math.asinh(9.5 * width / scale)
    step = 0.125
    t = np.arange(-math.ceil(reach / step), math.ceil(reach / step) + 1) * step
    line, jacobian = scale * np.sinh(t), scale * np.cosh(t) * step
    line, jacobian = line[line > -9.5], jacobian[line > -9.5]  # labels this unlikely weigh nothing
    i, j = np.triu_indices(len(line))  # f is symmetric in its two arguments
    x, y = line[i], line[j]
    jacobian = jacobian[i] * jacobian[j] * np.where(i == j, 1, 2)
    total = 0.0
    for sigma in (1, -1):
        c = sigma / 3
        exponent = -0.5 * (x * x + y * y - 2 * c * x * y) / (tau * (1 - c * c))
        keep = exponent > -45
        weights = jacobian[keep] * np.exp(exponent[keep]) / (2 * math.pi * tau * math.sqrt(1 - c * c))
        total += float(np.dot(weights, function(x[keep], y[keep], sigma)))
    return 2 * total


def two_token_kappa_integral(channel: type[HardmaxChannel], tau: float) -> float:
    r"""Return the function :math:`\kappa(\tau)` of a two-token hardmax channel by direct integration.

    .. math::

       k(\tau) = \frac43\sum_{\sigma=\pm}\mathbb E\big[\Phi_2\,
       (2 a_1^2 + 2 a_2^2 + (a_1 + \sigma a_2)^2)\big],

    with :math:`a_i = \partial_i\log\Phi_2` (for the correct channel) at correlation :math:`\sigma/3`.
    """

    def integrand(x: Any, y: Any, sigma: Any) -> Any:
        log_p, a1, a2 = channel._scores(x, y, np.full(x.shape, sigma / 3))
        return np.exp(log_p) * (2 * a1**2 + 2 * a2**2 + (a1 + sigma * a2) ** 2)

    return 2 / 3 * two_token_average(integrand, tau)


@functools.cache
def _two_token_kappa(channel: type[HardmaxChannel]) -> Any:
    """Return the Chebyshev interpolant of sqrt(1 + tau) kappa(tau) in u = 1/sqrt(1 + tau), computed once."""
    n = 28
    angles = math.pi * (np.arange(n) + 0.5) / n
    u = 0.5 * (1 + np.cos(angles))
    values = [two_token_kappa_integral(channel, 1 / v**2 - 1) / v for v in u]
    series = np.polynomial.Chebyshev.fit(u, values, n - 1, domain=(0, 1))

    def kappa(tau: Any) -> Any:
        u = 1 / np.sqrt(1 + np.asarray(tau, dtype=np.float64))
        return (u * series(u))[()]

    kappa.series = series  # type: ignore[attr-defined]
    return kappa


CHANNELS: dict[str, type[Channel]] = {
    "softmax": SoftmaxChannel,
    "hardmax": HardmaxChannel,
    "linear": LinearChannel,
}


def make_channel(channel: str | Channel, n_tokens: int = 2, *, untied: bool = False) -> Channel:
    """Return the channel of that name, or the given :class:`Channel` itself.

    Book: :doc:`/book/aim_softmax`.

    Parameters
    ----------
    channel : {"softmax", "hardmax", "linear"} or Channel
    n_tokens : int
        At least 2; ignored if ``channel`` is a Channel.
    untied : bool
        Whether the channel of an untied layer will do, too.

    Raises
    ------
    ValueError
        If the name is unknown, ``n_tokens`` is below 2, or the channel is that of an untied layer.
    TypeError
        If ``untied`` is no flag.
    """
    untied = check_flag("untied", untied)
    if isinstance(channel, Channel):
        if not (channel.symmetric or untied):
            raise ValueError(f"channel must be that of a symmetric layer, got {channel!r}")
        return channel
    return CHANNELS[check_choice("channel", channel, tuple(CHANNELS))](n_tokens)
