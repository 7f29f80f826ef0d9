r"""Channels made of others, of thresholds, or of any function: outputs with a scale of their own.

Where a label depends on the size of an index (it is noisy, or cut at fixed thresholds), its information is no
function of :math:`\tau = q/V` alone. So these classes define :meth:`Channel.information`,
:math:`K(q, V)`, which is :math:`\kappa(q/V)/V` for the others.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.aim.bivariate import normal_functions
from pairint.aim.channels import Channel, index_variances, make_channel
from pairint.backend import array_namespace
from pairint.validation import check_floats, check_integer, check_real, check_rng, check_size

__all__ = ["NoisyChannel", "SampledChannel", "ScaledChannel", "ThresholdChannel"]


class ScaledChannel(Channel):
    r"""A channel whose labels know the scale of S: it defines ``information(q, V)``, not ``kappa``.

    Book: :doc:`/book/aim_own`.

    Parameters
    ----------
    n_tokens : int
    """

    def kappa(self, tau: Any) -> Any:
        raise TypeError(
            f"{type(self).__name__} has no kappa(tau): its labels depend on the scale of S; ask "
            "information(q, V)"
        )

    @abstractmethod
    def information(self, q: float, V: float) -> float:
        r"""Return :math:`K(q, V)` for predictions of variance q >= 0 and remainders of variance V > 0."""

    def information_error(self, q: float, V: float) -> float:
        """Return the estimated error of :meth:`information`: zero where it is exact."""
        return 0.0

    @staticmethod
    def _check_variances(q: Any, V: Any) -> tuple[float, float]:
        return check_real("q", q, 0), check_real("V", V, 0, exclusive_minimum=True)


class NoisyChannel(ScaledChannel):
    r"""Another channel, which sees the indices with an independent Gaussian error.

    Book: :doc:`/book/aim_own`.

    The index (a, b) has the error :math:`s\,\sigma_{ab}\,\epsilon`, the same for (b, a): as if each sample
    had a layer a little different from S. Nothing new must be computed: an error of the index is a remainder
    that is never learned,

    .. math:: g_{out}(y, \omega, V) = g_{out}^0(y, \omega, V + s^2), \qquad K(q, V) = K^0(q, V + s^2) .

    Two of them are one, of variance the sum.

    Parameters
    ----------
    channel : {"softmax", "hardmax", "linear"} or Channel
    noise : float
        :math:`s^2 \ge 0`.
    rng : Generator, SeedSequence, int or None
        Of the errors that :meth:`output` draws.
    n_tokens : int
        Ignored if ``channel`` is a Channel.
    """

    def __init__(
        self,
        channel: str | Channel,
        noise: float,
        rng: np.random.Generator | np.random.SeedSequence | int | None = None,
        *,
        n_tokens: int = 2,
    ) -> None:
        self.channel = make_channel(channel, n_tokens)
        super().__init__(self.channel.n_tokens)
        self.noise = check_real("noise", noise, 0)
        self._rng = check_rng(rng)

    def __repr__(self) -> str:
        return f"NoisyChannel({self.channel!r}, {self.noise})"

    def information(self, q: float, V: float) -> float:
        q, V = self._check_variances(q, V)
        return float(self.channel.information(q, V + self.noise))

    def information_error(self, q: float, V: float) -> float:
        q, V = self._check_variances(q, V)
        return float(self.channel.information_error(q, V + self.noise))

    def information_here(self, q: float, V: float) -> tuple[float, float]:
        q, V = self._check_variances(q, V)
        return self.channel.information_here(q, V + self.noise)

    def are_strange(self, observed: Any, omega: Any, variance: float, chance: float) -> bool:
        return self.channel.are_strange(observed, omega, variance + self.noise, chance)

    def output(self, h: Any) -> Any:
        h = self._check_indices(h)
        z = np.triu(self._rng.standard_normal(h.shape))
        z = (
            math.sqrt(self.noise)
            * np.sqrt(index_variances(self.n_tokens))
            * (z + np.triu(z, 1).transpose(0, 2, 1))
        )
        return self.channel.output(h + array_namespace(h).asarray(z, dtype=h.dtype))

    def observe(self, y: Any) -> Any:
        return self.channel.observe(y)

    def g_out(self, observed: Any, omega: Any, variance: float) -> Any:
        return self.channel.g_out(observed, omega, variance + self.noise)


class ThresholdChannel(ScaledChannel):
    r"""Of each index the cell between two thresholds, named wrongly now and then.

    Book: :doc:`/book/aim_own`.

    The label is the number of thresholds below the index; with a chance ``label_error`` it is drawn anew
    among all cells. One threshold at zero gives signs, many give a rounded index.

    Parameters
    ----------
    thresholds : array (k,)
        Increasing, k >= 1.
    label_error : float
        In [0, 1).
    rng : Generator, SeedSequence, int or None
        Of the wrong labels.
    n_tokens : int
    """

    def __init__(
        self,
        thresholds: Any,
        label_error: float = 0.0,
        rng: np.random.Generator | np.random.SeedSequence | int | None = None,
        *,
        n_tokens: int = 2,
    ) -> None:
        super().__init__(n_tokens)
        self.thresholds = check_floats("thresholds", thresholds, (None,))
        if not len(self.thresholds) or bool((np.diff(self.thresholds) <= 0).any()):
            raise ValueError(f"thresholds must increase, and be one at least, got {thresholds!r}")
        self.label_error = check_real("label_error", label_error, 0, 1, exclusive_maximum=True)
        self._rng = check_rng(rng)

    def __repr__(self) -> str:
        return f"ThresholdChannel({self.thresholds.tolist()}, label_error={self.label_error})"

    def output(self, h: Any) -> Any:
        h = self._check_indices(h)
        cells = np.searchsorted(self.thresholds, h).astype(np.float64)
        other = self._rng.integers(len(self.thresholds) + 1, size=h.shape)
        wrong = np.triu(self._rng.random(h.shape) < self.label_error)
        wrong, other = (np.triu(a) + np.triu(a, 1).transpose(0, 2, 1) for a in (wrong, other))
        return np.where(wrong, other, cells)

    def observe(self, y: Any) -> Any:
        y = self._check_labels(y)
        if bool(((y < 0) | (y > len(self.thresholds)) | (y != np.round(y))).any()):
            raise ValueError(f"y must hold cells 0 to {len(self.thresholds)}, as whole numbers")
        if not np.array_equal(y, y.transpose(0, 2, 1)):
            raise ValueError("y must be symmetric in its last two axes")
        return y.astype(np.int64)

    def _edges(self) -> NDArray[np.float64]:
        return np.concatenate([[-np.inf], self.thresholds, [np.inf]])

    def _scores(self, low: Any, high: Any) -> tuple[Any, Any]:
        """Return the probability of a label between two standardised thresholds, and its derivative."""
        ndtr, _ = normal_functions(low)
        swap = low > 0  # differences of upper tails cancel
        p = np.where(swap, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low))
        slope = (np.exp(-(low**2) / 2) - np.exp(-(high**2) / 2)) / math.sqrt(2 * math.pi)
        right = 1 - self.label_error
        return right * p + self.label_error / (len(self.thresholds) + 1), right * slope

    def g_out(self, observed: Any, omega: Any, variance: float) -> Any:
        scale = np.sqrt(index_variances(self.n_tokens) * variance)
        edges, cells = self._edges(), observed.astype(np.int64)  # message passing holds floats
        low, high = (edges[cells] - omega) / scale, (edges[cells + 1] - omega) / scale
        p, slope = self._scores(low, high)
        # Where the probability has underflowed the prediction is far off: the score of the nearest end.
        nearest = np.where(abs(low) < abs(high), low, high)
        return np.where(p > 1e-280, slope / np.maximum(p, 1e-280), nearest) / scale

    def information(self, q: float, V: float) -> float:
        q, V = self._check_variances(q, V)
        t = self.n_tokens
        return t * (t - 1) * self._one_index(q, V) + 4 * t * self._one_index(2 * q, 2 * V)

    def _one_index(self, q: float, V: float) -> float:
        """Return the mean squared score of an index of these variances, by the trapezoidal rule."""
        width, spread = math.sqrt(V), math.sqrt(q)
        step = min(width, spread) / 8 if q > 0 else 1.0
        if q == 0:
            omega: Any = np.zeros(1)
            weight: Any = np.ones(1)
        else:
            near = [np.arange(-10 * width, 10 * width + step, step) + at for at in self.thresholds]
            omega = (
                np.unique(np.round(np.concatenate(near) / step)) * step
                if spread > width
                else (np.arange(-80, 81) * step)
            )
            omega = omega[abs(omega) <= 10 * spread]
            weight = np.exp(-(omega**2) / (2 * q)) * step / math.sqrt(2 * math.pi * q)
        edges = self._edges()
        low, high = (edges[:-1, None] - omega) / width, (edges[1:, None] - omega) / width
        p, slope = self._scores(low, high)
        return float((weight * slope**2 / np.maximum(p, 1e-280)).sum()) / V


class SampledChannel(ScaledChannel):
    r"""Any function of the indices with finitely many labels, read and valued by sampling alone.

    Book: :doc:`/book/aim_own`.

    Remainders :math:`\xi` are drawn; those that give the same label as the truth are draws from its
    posterior. Their mean is the score, and products of two different ones give the information without bias
    (:mod:`pairint.aim.sampling`), at twelve ratios :math:`V/(q+V)` for each sum q + V; between them a
    polynomial of degree six is fitted, as for :class:`~pairint.aim.sampling.SampledHardmaxChannel`.

    Parameters
    ----------
    function : callable
        Maps symmetric indices (n, T, T) to labels of n rows, whole numbers.
    n_tokens : int
    n_predictions, n_draws : int
        Predictions for the information, and remainders for each: 50 to a million.
    rng : Generator, SeedSequence, int or None

    Raises
    ------
    ValueError
        If labels are hardly ever met twice: there are too many.
    """

    _NODES, _DEGREE = 12, 6

    def __init__(
        self,
        function: Callable[[NDArray[np.float64]], Any],
        n_tokens: int = 2,
        n_predictions: int = 400,
        n_draws: int = 1000,
        rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    ) -> None:
        super().__init__(n_tokens)
        if not callable(function):
            raise TypeError(f"function must be callable, got {type(function).__name__}")
        self.function = function
        n = check_integer("n_predictions", n_predictions, 50, 10**6)
        m = check_integer("n_draws", n_draws, 50, 10**6)
        check_size("n_tokens", max(n, m), self.n_tokens, self.n_tokens)
        rng = check_rng(rng)
        self._predictions, self._remainders = self._symmetric(rng, n), self._symmetric(rng, m)
        self._seed = int(rng.integers(2**31))
        self._curves: dict[float, tuple[Any, NDArray[np.float64], NDArray[np.float64]]] = {}

    def _symmetric(self, rng: np.random.Generator, n: int) -> NDArray[np.float64]:
        z = np.triu(rng.standard_normal((n, self.n_tokens, self.n_tokens)))
        return np.sqrt(index_variances(self.n_tokens)) * (z + np.triu(z, 1).transpose(0, 2, 1))

    def _labels(self, h: NDArray[np.float64]) -> NDArray[np.int64]:
        labels = np.asarray(self.function(h))
        if labels.shape[:1] != (len(h),) or (
            labels.dtype.kind not in "iub" and (labels != np.round(labels)).any()
        ):
            raise ValueError(
                f"function must return whole numbers, one row for each of {len(h)} samples; got shape "
                f"{labels.shape} of {labels.dtype}: round a label that is continuous"
            )
        return labels.reshape(len(h), -1).astype(np.int64)

    def output(self, h: Any) -> Any:
        return np.asarray(self.function(self._check_indices(h)))

    def observe(self, y: Any) -> Any:
        y = np.asarray(y)
        return y.reshape(len(y), -1).astype(np.int64)

    def _drawn(
        self, observed: Any, omega: Any, variance: float
    ) -> Iterator[tuple[slice, NDArray[np.int64], NDArray[np.float64]]]:
        """Yield, for some samples at a time, the labels of all draws, and which are the observed ones."""
        xi = math.sqrt(variance) * self._remainders
        size = max(1, 2**18 // len(xi))
        for i in range(0, len(omega), size):
            some = slice(i, i + size)
            h = omega[some, None] + xi
            labels = self._labels(h.reshape(-1, *omega.shape[1:])).reshape(len(h), len(xi), -1)
            yield some, labels, (labels == observed[some, None]).all(axis=2).astype(np.float64)

    def are_strange(self, observed: Any, omega: Any, variance: float, chance: float) -> bool:
        r"""Say whether more labels are met by no draw than can be.

        The chance of a label that m draws have not met is estimated by the share of draws whose label is
        met once (Good and Turing), and exceeds it by :math:`(2\sqrt2 + \sqrt3)\sqrt{\log(3/p)/m}` with a
        chance of p at most (McAllester and Schapire, 2000; by exponential moments, so that it holds for the
        mean over samples, too, although they share the draws).
        """
        n, m = len(omega), len(self._remainders)
        unmet, once = 0, 0.0
        for _, labels, same in self._drawn(observed, omega, variance):
            unmet += int((same.sum(axis=1) == 0).sum())
            kinds = np.sort(_numbered(labels), axis=1)
            new = np.pad(np.diff(kinds, axis=1) != 0, ((0, 0), (1, 1)), constant_values=True)
            once += float((new[:, 1:] & new[:, :-1]).sum()) / m
        # Half of the chance for the estimate, half for the labels (Hoeffding).
        slack = (2 * math.sqrt(2) + math.sqrt(3)) * math.sqrt(math.log(6 / chance) / m)
        return unmet / n > once / n + slack + math.sqrt(math.log(2 / chance) / (2 * n))

    def g_out(self, observed: Any, omega: Any, variance: float) -> Any:
        g = np.zeros(omega.shape)
        xi = math.sqrt(variance) * self._remainders
        for some, _, same in self._drawn(observed, omega, variance):
            mean = np.einsum("nm,mab->nab", same, xi) / np.maximum(same.sum(axis=1), 1)[:, None, None]
            g[some] = mean / (index_variances(self.n_tokens) * variance)
        return g

    def information(self, q: float, V: float) -> float:
        q, V = self._check_variances(q, V)
        u = math.sqrt(V / (q + V))
        return float(u * self._curve(q + V)[0](u)) / V

    def information_error(self, q: float, V: float) -> float:
        q, V = self._check_variances(q, V)
        u = math.sqrt(V / (q + V))
        _, nodes, errors = self._curve(q + V)
        return float(u * np.interp(u, nodes, errors)) / V

    def information_here(self, q: float, V: float) -> tuple[float, float]:
        q, V = self._check_variances(q, V)
        value, error = self._sampled(q, V)
        return value / V, error / V

    def _curve(self, total: float) -> tuple[Any, NDArray[np.float64], NDArray[np.float64]]:
        """Return the fitted V K / u as a function of u, the nodes, and the standard errors there."""
        key = float(f"{total:.10g}")
        if key not in self._curves:
            nodes = 0.5 - 0.5 * np.cos(math.pi * (np.arange(self._NODES) + 0.5) / self._NODES)
            worth = np.array([self._sampled(total * (1 - u**2), total * u**2) for u in nodes]).T / nodes
            fit = np.polynomial.Chebyshev.fit(nodes, worth[0], self._DEGREE, domain=(0, 1), w=nodes)
            self._curves[key] = (fit, nodes, worth[1])
        return self._curves[key]

    def _sampled(self, q: float, V: float) -> tuple[float, float]:
        """Return V K and its standard error: products of two remainders of one prediction and one label."""
        upper = np.triu_indices(self.n_tokens)
        rng = np.random.default_rng(self._seed)  # the same draws at each node, others for each prediction
        each, alone = [], 0
        for omega in math.sqrt(q) * self._predictions:
            xi = self._symmetric(rng, len(self._remainders))
            labels = self._labels(omega + math.sqrt(V) * xi)
            flat = (xi / np.sqrt(index_variances(self.n_tokens)))[:, *upper]
            _, kind, count = np.unique(labels, axis=0, return_inverse=True, return_counts=True)
            sums = np.zeros((len(count), flat.shape[1]))
            np.add.at(sums, kind.ravel(), flat)
            squares = np.bincount(kind.ravel(), (flat**2).sum(axis=1))
            pairs = ((sums**2).sum(axis=1) - squares)[count > 1] / (count[count > 1] - 1)
            each.append(2 * float(pairs.sum()) / len(flat))
            alone += int((count == 1).sum())
        if alone > 0.05 * len(flat) * len(each):
            raise ValueError(
                f"function must have finitely many labels that are met again: {alone} of "
                f"{len(flat) * len(each)} draws met theirs once; use more draws, or coarser labels"
            )
        return float(np.mean(each)), float(np.std(each, ddof=1)) / math.sqrt(len(each))


def _numbered(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one number for each label (last axis), the same for the same labels."""
    digits = labels - labels.min(axis=(0, 1))
    places = [1]
    for span in (digits.max(axis=(0, 1)) + 1).tolist()[:-1]:
        places.append(places[-1] * span)
    if places[-1] * (int(digits[..., -1].max()) + 1) < 2**62:
        return np.asarray(digits @ np.array(places, dtype=np.int64))
    flat = np.unique(labels.reshape(-1, labels.shape[-1]), axis=0, return_inverse=True)[1]
    return flat.reshape(labels.shape[:-1]).astype(np.int64)
