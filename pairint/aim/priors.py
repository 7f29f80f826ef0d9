r"""What is known of a layer before any label: the law of the symmetric matrix S.

State evolution and message passing ask two things of a rotation-invariant prior: how well S is known from
:math:`R = S + \sqrt\Delta Z`, with Z symmetric Gaussian, and how to estimate it from the eigenvalues of R. A
class of your own that answers them works wherever a width ratio does; with a third method it draws teachers.
"""

from __future__ import annotations

import functools
import math
import numbers
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad

from pairint.aim.spectrum import NoisySpectrum, parameter_count
from pairint.validation import check_floats, check_integer, check_real, check_rng, check_size

__all__ = ["Prior", "WishartPrior", "denoised", "error_left", "make_prior"]


class Prior(ABC):
    r"""A law of symmetric (d, d) matrices that does not change under rotations, as d grows.

    Book: :doc:`/book/aim_own`.

    Subclasses set ``mean`` and ``second_moment``, and define :meth:`error` and :meth:`denoise`; with
    :meth:`draw` they make teachers, and :func:`check_prior` can tell whether all this belongs together.

    Attributes
    ----------
    mean : float
        Limit of :math:`\operatorname{Tr} S / d`.
    second_moment : float
        :math:`Q_0`, the limit of :math:`\operatorname{Tr} S^2 / d`.
    parameters : float
        Free parameters of S over :math:`d^2/2`, the limit of ``error(delta) / delta`` as the noise
        vanishes; 1 for a law with a density.
    """

    mean: float
    second_moment: float
    parameters: float = 1.0
    #: Whether S is symmetric; else the law is that of its singular values and their negatives.
    symmetric: bool = True
    #: Whether it was observed that channels with ``one_fixed_point`` have one with this prior, too.
    one_fixed_point: bool = False

    @abstractmethod
    def error(self, delta: float) -> float:
        r"""Return the Bayes-optimal :math:`\lVert S - \hat S\rVert_F^2/d` given R; delta > 0."""

    @abstractmethod
    def denoise(self, eigenvalues: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
        """Return the eigenvalues of the optimal estimate, given those of R in increasing order."""

    def draw(self, d: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return a sample of S, shape (d, d); what :class:`~pairint.aim.AIMTeacher` needs of a prior."""
        raise TypeError(f"{type(self).__name__} has no method draw(d, rng): no teacher can be drawn from it")

    @property
    def variance(self) -> float:
        """The error without any data."""
        return self.second_moment - self.mean**2

    def dimension(self, delta: float) -> float:
        """Return ``error(delta) / delta``: what R leaves unknown, in parameters over ``d^2/2``."""
        return self.error(delta) / delta

    def information(self, delta: float) -> float:
        r"""Return the mutual information of S and R over :math:`d^2`; delta > 0.

        By default :math:`\frac14\int_0^{1/\Delta} E(1/\hat q)\,\mathrm d\hat q`,
        the error being its derivative.
        """
        delta = check_real("delta", delta, 0, exclusive_minimum=True)
        end = -math.log(delta)
        start = min(end, -math.log(self.variance)) - 23.0  # before, the error is that without data
        found, _ = quad(
            lambda s: error_left(self, math.exp(-s)) * math.exp(s),
            start,
            end,
            epsabs=0,
            epsrel=1e-9,
            limit=200,
        )
        return (found + self.variance * math.exp(start)) / 4

    def quadrature(self, delta: float) -> tuple[NDArray[np.float64], ...]:
        """Return eigenvalues of R, the best estimates that belong to them, and weights.

        Three arrays of one shape (m,). Sums with the weights are integrals over the law; the error of a
        *wrong* estimator is computed with them.
        """
        raise TypeError(
            f"{type(self).__name__} has no method quadrature(delta): no other estimator can be compared on it"
        )


class WishartPrior(Prior):
    r"""The layer of the paper, :math:`S = W W^\top/\sqrt{rd}` with Gaussian W of width :math:`r = \rho d`.

    Book: :doc:`/book/aim_spectrum`.

    Parameters
    ----------
    rho : float
        Width ratio, > 0; infinity for its limit, a Gaussian matrix about its mean.
    """

    one_fixed_point = True

    def __init__(self, rho: float) -> None:
        self.rho = _positive_or_infinite("rho", rho)
        self.mean = math.sqrt(self.rho)
        self.second_moment = 1 + self.rho
        self.parameters = 1.0 if self.rho == math.inf else parameter_count(self.rho)

    def __repr__(self) -> str:
        return f"WishartPrior({self.rho})"

    @property
    def variance(self) -> float:
        return 1.0

    def error(self, delta: float) -> float:
        delta = _positive_or_infinite("delta", delta)
        if delta == math.inf:
            return self.variance
        if self._is_gaussian(delta):
            return delta / (1 + delta)
        return delta * self.parameters if self._is_resolved(delta) else _spectrum(self.rho, delta).mmse

    def dimension(self, delta: float) -> float:
        delta = _positive_or_infinite("delta", delta)
        if self._is_gaussian(delta):
            return 1 / (1 + delta)
        return (
            self.parameters if self._is_resolved(delta) else _spectrum(self.rho, delta).information_dimension
        )

    def quadrature(self, delta: float) -> tuple[NDArray[np.float64], ...]:
        delta = check_real("delta", delta, 0, exclusive_minimum=True)
        return _spectrum(check_real("rho", self.rho), delta).quadrature

    def _is_gaussian(self, delta: float) -> bool:
        r"""Say whether only the first two moments count; else they do up to :math:`O(1/(\rho\Delta^2))`."""
        return self.rho == math.inf or delta > 1e15

    def _is_resolved(self, delta: float) -> bool:
        r"""Say whether the noise is too weak to be felt.

        It hides at most a share :math:`\rho\Delta/(2(1-\rho)^2)` of the parameters (observed), here 1e-13;
        and its own bulk is too narrow to be integrated well.
        """
        return self.rho < 1 and self.rho * delta < 2e-13 * (1 - self.rho) ** 2

    def draw(self, d: int, rng: np.random.Generator) -> NDArray[np.float64]:
        d, rho = check_integer("d", d, 1), check_real("rho", self.rho)
        check_size("d and rho", d, d * math.ceil(rho))
        width = max(1, round(rho * d))
        W = check_rng(rng).standard_normal((d, width))
        return W @ W.T / math.sqrt(width * d)

    def denoise(self, eigenvalues: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
        delta = check_real("delta", delta, 0, exclusive_minimum=True)
        return _spectrum(self.rho, delta).denoise(check_floats("eigenvalues", eigenvalues))


def _positive_or_infinite(name: str, value: Any) -> float:
    """Return a number > 0, which may be infinite."""
    if isinstance(value, float) and value > 0:  # a noise in state evolution, thousands of times
        return float(value)
    if isinstance(value, numbers.Real) and value == math.inf:
        return math.inf
    return check_real(name, value, 0, exclusive_minimum=True)


@functools.lru_cache(maxsize=8)
def _spectrum(rho: float, delta: float) -> NoisySpectrum:
    """Return the law of a noisy layer; error and dimension at one noise are asked for in turn."""
    return NoisySpectrum(rho, delta)


def error_left(prior: Prior, delta: float) -> float:
    """Return ``prior.error(delta)`` as a checked number.

    Raises
    ------
    ValueError
        If it is not a finite number > 0.
    """
    found = np.asarray(prior.error(delta))
    if found.ndim or found.dtype.kind not in "fiu" or not math.isfinite(found) or found <= 0:
        raise ValueError(
            f"{type(prior).__name__}.error must return a finite number > 0 for a noise delta > 0, got "
            f"{found!r} at delta = {delta:.6g}"
        )
    return float(found)


def denoised(prior: Prior, eigenvalues: NDArray[np.float64], delta: float) -> NDArray[np.float64]:
    """Return ``prior.denoise(eigenvalues, delta)`` as a checked array.

    Raises
    ------
    ValueError
        If it is not an array of finite numbers, one for each eigenvalue.
    """
    return check_floats(
        f"what {type(prior).__name__}.denoise returns", prior.denoise(eigenvalues, delta), eigenvalues.shape
    )


def make_prior(prior: Any) -> Prior:
    """Return a prior: itself, or that of a layer of this width ratio.

    Raises
    ------
    TypeError, ValueError
        If it is neither a :class:`Prior` nor a number > 0, or if the prior lacks a moment.
    """
    if not isinstance(prior, Prior):
        scalar = isinstance(prior, np.ndarray) and prior.ndim == 0
        return WishartPrior(float(check_floats("rho", prior, finite=False)) if scalar else prior)
    if isinstance(prior, WishartPrior):
        return prior
    name = type(prior).__name__
    for moment in ("mean", "second_moment"):
        check_real(f"{name}.{moment}", getattr(prior, moment, None))
    check_real(f"{name}.parameters", prior.parameters, 0, exclusive_minimum=True)
    if prior.variance <= 0:
        raise ValueError(f"{name}.second_moment must be > mean**2, got {prior.second_moment}")
    return prior
