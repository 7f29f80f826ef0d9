r"""Information of labels by sampling: any channel, any output with finitely many labels, several layers.

Everything here rests on one identity. Given the prediction :math:`\omega` and the label y, let
:math:`\xi = (h - \omega)` be the unknown remainder, of variance :math:`\sigma^2_{ab} V`. Then

.. math:: \sigma^2_{ab} V g_{ab} = \mathbb E[\xi_{ab} \mid y, \omega], \qquad
   K = \frac{2}{V^2}\, \mathbb E \sum_{a\le b} \frac{\xi_{ab}\,\xi'_{ab}}{\sigma_{ab}^2},

with :math:`\xi, \xi'` two independent draws from the posterior of the same label. The first draw is free: it
is the truth that made the label (*planted*). The second is drawn by rejection: propose remainders until one
gives the same label. Both are exact, so the average is unbiased. A label of probability P takes 1/P
proposals, hence their mean number is at most the number of labels.

Several layers
--------------
Let :math:`h^{(l)}` be the indices of independent matrices :math:`S_1, \dots, S_L` of one width ratio
:math:`\rho` and :math:`y = g(h^{(1)}, \dots, h^{(L)})`. The error of the layers is an (L, L) matrix
:math:`V_{lm} = \frac1d\mathbb E\operatorname{Tr}(S_l - \hat S_l)(S_m - \hat S_m)`, the overlap is
:math:`q = \rho\,11^\top + I - V` (the prior means :math:`\sqrt\rho\,I` of two layers overlap), and so is the
information

.. math:: K_{lm} = 2\,\mathbb E \sum_{a\le b} \sigma_{ab}^2\, g^{(l)}_{ab} g^{(m)}_{ab} .

The labels are worth noisy copies of all layers with the precision matrix :math:`\hat q = \alpha K` (the same
assumption as for one layer). What is missing is the other half: the error of L matrices seen with a
*general* precision matrix is not known, because the matrices do not commute. It is known

- for diagonal :math:`\hat q`: every layer is denoised by itself (``structure="separate"``);
- for :math:`\hat q = \hat k\, 11^\top`: only the sum is seen, and :math:`\sum_l S_l = \sqrt L\,S'` with
  :math:`S'` one layer of width ratio :math:`L\rho` (``structure="alike"``). If g does not change when
  layers are exchanged, neither does the posterior, all scores agree, and K is of this form.

:func:`layered_point` solves these two and reports whether the sampled K has the assumed form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pairint.aim.channels import Channel, HardmaxChannel, check_tau, index_variances, make_channel
from pairint.aim.hardmax import MAX_TOKENS
from pairint.aim.spectrum import NoisySpectrum
from pairint.aim.state_evolution import StateEvolution, state_evolution
from pairint.validation import check_choice, check_floats, check_integer, check_real, check_rng

__all__ = [
    "LabelInformation",
    "LayeredPoint",
    "SampledHardmaxChannel",
    "label_error",
    "label_information",
    "layered_point",
    "sampled_kappa",
    "summed_layers",
]

_PROPOSALS = 2**15  # per round of rejection


def _symmetric(rng: np.random.Generator, shape: tuple[int, ...], n_tokens: int) -> np.ndarray:
    """Return symmetric Gaussian arrays (..., T, T) of variance 1 off the diagonal and 2 on it."""
    a, b = np.triu_indices(n_tokens)
    z = rng.standard_normal((*shape, len(a))) * np.sqrt(1.0 + (a == b))
    h = np.empty((*shape, n_tokens, n_tokens))
    h[..., a, b] = h[..., b, a] = z
    return h


def sampled_kappa(
    channel: str | Channel,
    tau: float,
    n_samples: int = 10_000,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    *,
    n_tokens: int = 2,
) -> tuple[float, float]:
    r"""Return the information :math:`\kappa(\tau)` of a label by planted sampling with exact scores.

    Predictions, remainders and labels are drawn from the model, and the squared scores of
    ``channel.g_out`` are averaged. With the same seed the directions of the indices, hence the labels, are
    the same for all ``tau``, so that the estimates form a smooth curve.

    Parameters
    ----------
    channel : {"softmax", "hardmax", "linear"} or Channel
    tau : float
        Signal to noise, >= 0.
    n_samples : int
        At least 2.
    rng : Generator, SeedSequence, int or None
    n_tokens : int
        Ignored if ``channel`` is a Channel.

    Returns
    -------
    value, standard_error : float
        Monte Carlo.
    """
    channel = make_channel(channel, n_tokens)
    tau = check_real("tau", tau, 0)
    n = check_integer("n_samples", n_samples, 2)
    rng = check_rng(rng)
    t = channel.n_tokens
    direction, other = _symmetric(rng, (n,), t), _symmetric(rng, (n,), t)
    h = math.sqrt(1 + tau) * direction
    omega = tau / (1 + tau) * h + math.sqrt(tau / (1 + tau)) * other
    g = channel.g_out(channel.observe(channel.output(h)), omega, 1.0)
    upper = np.triu(index_variances(t))
    worth = 2 * (upper * g**2).sum(axis=(1, 2))
    return float(worth.mean()), float(worth.std(ddof=1) / math.sqrt(n))


def label_error(
    channel: str | Channel,
    *,
    overlap: float,
    mmse: float,
    n_tokens: int = 2,
    n_samples: int = 10_000,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> tuple[float, float]:
    r"""Return the smallest mean squared error of a prediction of new labels, a token.

    Book: :doc:`/book/aim_state_evolution`.

    Given the data, the indices of a new sample have the prediction :math:`\omega` and a remainder of variance
    :math:`\sigma_{ab}^2 V`. The best prediction of a label is its mean given :math:`\omega`, and the error of
    that is half the squared distance of two labels y, y' that share a prediction:

    .. math:: \frac1T\, \mathbb E \lVert y - \mathbb E[y \mid \omega] \rVert^2
       = \frac{1}{2T}\, \mathbb E \lVert y - y' \rVert^2 .

    The average is taken by sampling, without bias. With the same seed the same directions serve all values:
    the estimates form a smooth curve.

    Parameters
    ----------
    channel : {"softmax", "hardmax", "linear"} or Channel
        Its labels must be numbers.
    overlap : float
        Variance q >= 0 of a predicted index: ``state_evolution(...).q``.
    mmse : float
        Variance V >= 0 of its remainder: ``state_evolution(...).mmse``.
    n_tokens : int
        Ignored if ``channel`` is a Channel.
    n_samples : int
        At least 2.
    rng : Generator, SeedSequence, int or None

    Returns
    -------
    value, standard_error : float
        Monte Carlo.

    Raises
    ------
    ValueError, TypeError
        For a negative variance, or a channel of another kind.
    """
    channel = make_channel(channel, n_tokens)
    q, V = check_real("overlap", overlap, 0), check_real("mmse", mmse, 0)
    n = check_integer("n_samples", n_samples, 2)
    rng = check_rng(rng)
    t = channel.n_tokens
    omega, one, other = (_symmetric(rng, (n,), t) for _ in range(3))
    labels = [channel.output(math.sqrt(q) * omega + math.sqrt(V) * xi) for xi in (one, other)]
    gap = np.square(np.asarray(labels[0], dtype=np.float64) - labels[1]).reshape(n, -1).sum(axis=1) / (2 * t)
    return float(gap.mean()), float(gap.std(ddof=1) / math.sqrt(n))


class SampledHardmaxChannel(HardmaxChannel):
    r"""Hardmax whose information :math:`\kappa(\tau)` is sampled, with its Monte Carlo standard error.

    The other road to the state evolution of three to five tokens: nothing is assumed about the shape of
    :math:`\kappa` but that it is smooth. The curve between exact properties
    (:class:`~pairint.aim.channels.HardmaxChannel`) is more precise for any affordable number of samples; this
    one has an error that statistics vouches for, and checks it.

    Parameters
    ----------
    n_tokens : int
        2 to 5.
    n_samples : int
        Samples per node, at least 2; the same directions for all nodes.
    rng : Generator, SeedSequence, int or None

    Notes
    -----
    With :math:`u = 1/\sqrt{1+\tau}` the function :math:`\kappa/u` is sampled at twelve Chebyshev nodes
    in (0, 1), and a polynomial of degree five is fitted, with weights u. :meth:`kappa_error` is the standard
    error, interpolated between the nodes.
    """

    _NODES, _DEGREE = 12, 5

    def __init__(
        self,
        n_tokens: int = 3,
        n_samples: int = 10_000,
        rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    ) -> None:
        super().__init__(check_integer("n_tokens", n_tokens, 2, MAX_TOKENS))
        self.n_samples = check_integer("n_samples", n_samples, 2)
        seed = int(check_rng(rng).integers(2**63))
        nodes = 0.5 - 0.5 * np.cos(math.pi * (np.arange(self._NODES) + 0.5) / self._NODES)
        exact = HardmaxChannel(n_tokens)  # the samples need its scores only
        worth = np.array([sampled_kappa(exact, 1 / u**2 - 1, n_samples, seed) for u in nodes]).T / nodes
        # Weights: the few samples near ties make small u noisy, and must not move the sure values near 1.
        # Fixed ones: weights from the sampled errors would depend on the values, and bias them.
        self._curve = np.polynomial.Chebyshev.fit(nodes, worth[0], self._DEGREE, domain=(0, 1), w=nodes)
        self._nodes, self._errors = nodes, worth[1]

    def __repr__(self) -> str:
        return f"{type(self).__name__}(n_tokens={self.n_tokens}, n_samples={self.n_samples})"

    def kappa(self, tau: Any) -> Any:
        u = 1 / np.sqrt(1 + np.asarray(check_tau(tau), dtype=np.float64))
        return (u * self._curve(u))[()]

    def kappa_error(self, tau: Any) -> Any:
        u = 1 / np.sqrt(1 + np.asarray(check_tau(tau), dtype=np.float64))
        return (u * np.interp(u, self._nodes, self._errors))[()]


@dataclass(frozen=True)
class LabelInformation:
    """Sampled information of a label about each layer, and about pairs of layers.

    Attributes
    ----------
    K : ndarray (L, L)
        Unbiased Monte Carlo estimate.
    error : ndarray (L, L)
        Standard errors.
    n_proposals : int
        Proposals that the rejection took, all samples together.
    """

    K: np.ndarray
    error: np.ndarray
    n_proposals: int


def label_information(
    output: Callable[[np.ndarray], np.ndarray],
    overlap: Any,
    remainder: Any,
    n_tokens: int = 2,
    n_samples: int = 10_000,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    *,
    max_proposals: int = 10**8,
) -> LabelInformation:
    r"""Return information matrix :math:`K_{lm}` of any output with finitely many labels, by planted sampling.

    Parameters
    ----------
    output : callable
        Maps indices (n, L, T, T) to labels, an integer array with n rows.
    overlap : array (L, L)
        Covariance q of the predictions of the layers, positive semidefinite.
    remainder : array (L, L)
        Covariance V of the remainders, positive definite.
    n_tokens, n_samples : int
    rng : Generator, SeedSequence, int or None
    max_proposals : int
        Bound on the proposals of the rejection.

    Returns
    -------
    LabelInformation

    Raises
    ------
    ValueError
        If the covariances do not fit, or are not positive.
    RuntimeError
        If ``max_proposals`` were not enough: the output has too many labels.
    """
    t = check_integer("n_tokens", n_tokens, 2)
    n = check_integer("n_samples", n_samples, 2)
    rng = check_rng(rng)
    remainder = check_floats("remainder", remainder, (None, None))
    n_layers = len(remainder)
    overlap = check_floats("overlap", overlap, (n_layers, n_layers))
    spread = _root("remainder", remainder, 1e-12)
    omega = np.einsum("lm,nmab->nlab", _root("overlap", overlap, -1e-12), _symmetric(rng, (n, n_layers), t))

    def draw(shape: Any) -> Any:
        return np.einsum("lm,...mab->...lab", spread, _symmetric(rng, (*shape, n_layers), t))

    planted = draw((n,))
    labels = _labels(output, omega + planted)
    second = np.empty_like(planted)
    pending = np.arange(n)
    used = 0
    while len(pending):
        if used > max_proposals:
            raise RuntimeError(
                f"{len(pending)} of {n} labels were not met again within {max_proposals} proposals; "
                "the output has too many labels"
            )
        some = pending[:_PROPOSALS]
        tries = max(1, _PROPOSALS // len(some))
        proposed = draw((len(some), tries))
        h = (omega[some, None] + proposed).reshape(-1, n_layers, t, t)
        same = (_labels(output, h).reshape(len(some), tries, -1) == labels[some, None]).all(axis=2)
        used += same.size
        hit, first = same.any(axis=1), same.argmax(axis=1)
        second[some[hit]] = proposed[hit, first[hit]]
        pending = np.concatenate([some[~hit], pending[_PROPOSALS:]])

    weights = np.triu(1 / index_variances(t))
    products = np.einsum("nlab,nmab,ab->nlm", planted, second, weights, optimize=True)
    inverse = np.linalg.inv(remainder)
    each = inverse @ (products + products.transpose(0, 2, 1)) @ inverse  # twice the symmetric part
    return LabelInformation(each.mean(axis=0), each.std(axis=0, ddof=1) / math.sqrt(n), used)


def _root(name: str, covariance: np.ndarray, smallest: float) -> np.ndarray:
    """Return the symmetric square root."""
    values, vectors = np.linalg.eigh(covariance)
    if not np.allclose(covariance, covariance.T) or values[0] < smallest * max(1.0, values[-1]):
        kind = "definite" if smallest > 0 else "semidefinite"
        raise ValueError(
            f"{name} must be symmetric and positive {kind}, got smallest eigenvalue {values[0]:.3g}"
        )
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def _labels(output: Any, h: Any) -> np.ndarray:
    labels = np.asarray(output(h))
    if len(labels) != len(h) or labels.dtype.kind not in "iub":
        raise ValueError(
            f"output must return integer labels, one row for each of {len(h)} samples; "
            f"got shape {labels.shape} of {labels.dtype}"
        )
    return labels.reshape(len(h), -1)


# Several layers ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LayeredPoint:
    r"""One point of the state evolution of several layers, found from its noise level.

    Attributes
    ----------
    alpha, alpha_error : float
        Samples over :math:`d^2`, and the Monte Carlo standard error.
    mmse : float
        Error :math:`\lVert S_l - \hat S_l\rVert_F^2/d` of each layer, exact for the given noise.
    information : LabelInformation
        Sampled K.
    deviation : float
        Largest deviation of K from the form that the structure assumes, in standard errors.
    """

    alpha: float
    alpha_error: float
    mmse: float
    information: LabelInformation
    deviation: float


def layered_point(
    delta: float,
    rho: float,
    output: Callable[[np.ndarray], np.ndarray],
    n_layers: int,
    structure: str,
    n_tokens: int = 2,
    n_samples: int = 10_000,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> LayeredPoint:
    r"""Return the state evolution of L layers with a general output, at a given noise level.

    As for one layer, nothing is iterated: the noise fixes the error, the error fixes K, and
    :math:`\hat q = \alpha K` gives the number of samples.

    Parameters
    ----------
    delta : float
        Noise :math:`\Delta > 0` of the equivalent noisy copy: of each layer (separate), or of the
        sum of the layers divided by :math:`\sqrt L` (alike).
    rho : float
        Width ratio of each layer.
    output : callable
        Maps indices (n, L, T, T) to integer labels with n rows.
    n_layers : int
    structure : {"separate", "alike"}
        Form of K: diagonal with equal entries, or all entries equal (see the module's documentation). It must
        follow from the symmetries of the output; ``deviation`` tells when it does not.
    n_tokens, n_samples : int
    rng : Generator, SeedSequence, int or None

    Returns
    -------
    LayeredPoint
    """
    n_layers = check_integer("n_layers", n_layers, 1)
    rho = check_real("rho", rho, 0, exclusive_minimum=True)
    delta = check_real("delta", delta, 0, exclusive_minimum=True)
    structure = check_choice("structure", structure, ("separate", "alike"))
    ones, eye = np.ones((n_layers, n_layers)), np.eye(n_layers)
    if structure == "separate":
        mmse = NoisySpectrum(rho, delta).mmse
        V, precision, form = mmse * eye, 1 / delta, eye
    else:
        learned = (1 - NoisySpectrum(n_layers * rho, delta).mmse) / n_layers
        mmse = 1 - learned
        V, precision, form = eye - learned * ones, 1 / (n_layers * delta), ones
    information = label_information(output, rho * ones + eye - V, V, n_tokens, n_samples, rng)
    value = float((information.K * form).sum() / form.sum())
    # Entries share their samples: their errors are averaged, not their variances.
    error = float((information.error * form).sum() / form.sum())
    deviation = float((np.abs(information.K - value * form) / information.error).max())
    alpha = precision / value
    return LayeredPoint(alpha, alpha * error / value, mmse, information, deviation)


def summed_layers(
    alpha: Any, rho: float, n_layers: int, channel: str | Channel = "softmax", n_tokens: int = 2
) -> StateEvolution:
    r"""Return the Bayes-optimal error of each layer if the output sees their sum, :math:`g(\sum_l h^{(l)})`.

    The sum of L layers of width ratio :math:`\rho` is :math:`\sqrt L` times one layer of width ratio
    :math:`L\rho`, and the channels of this package do not depend on the scale. So the sum is learned like one
    layer, with error :math:`E'`, and never taken apart: the posterior mean of each layer is a share 1/L of
    that of the sum, and

    .. math:: \mathrm{MMSE}_l = 1 - \frac{1 - E'(\alpha, L\rho)}{L} \ \ge\ 1 - \frac1L .

    Parameters
    ----------
    alpha : float or array
    rho : float
        Width ratio of each layer.
    n_layers : int
    channel : {"softmax", "hardmax", "linear"} or Channel
    n_tokens : int

    Returns
    -------
    StateEvolution
        ``mmse`` and ``q`` of each layer; ``q_hat`` of the sum divided by :math:`\sqrt L`.
    """
    n_layers = check_integer("n_layers", n_layers, 1)
    rho = check_real("rho", rho, 0, exclusive_minimum=True)
    total = state_evolution(alpha, n_layers * rho, channel, n_tokens)
    mmse = 1 - (1 - total.mmse) / n_layers
    return StateEvolution(total.alpha, rho, mmse, 1 + rho - mmse, total.q_hat, total.mmse_error / n_layers)
