"""Laws of the tokens: exchangeable, centred, bounded, and with unit variance in every coordinate.

The scale is fixed so that for independent tokens the score ``x' A y`` has variance ``||A||_F^2``
whatever the dimension. ``radius`` bounds the Euclidean norm, ``coordinate_bound`` each coordinate;
with them :func:`score_bound` bounds every score of a law and a matrix.
"""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import to_host
from pairint.validation import check_floats, check_integer, check_real, check_rng, check_size

__all__ = [
    "Equicorrelated",
    "PermutedPoints",
    "Sphere",
    "TokenLaw",
    "TruncatedGaussian",
    "UniformCube",
    "score_bound",
]


#: Least mass of a Gaussian in the ball that it is conditioned on: moments and quantiles are accurate there.
_SMALLEST_MASS = 1e-100


class TokenLaw(abc.ABC):
    """Law of the ``N`` tokens of one sample; tokens are exchangeable, samples independent.

    Book: :doc:`/book/particles`.
    """

    #: Whether the tokens are independent given a common factor (de Finetti), as coercivity needs.
    conditionally_iid: bool = True

    @property
    @abc.abstractmethod
    def d(self) -> int:
        """Dimension of a token."""

    @property
    @abc.abstractmethod
    def radius(self) -> float:
        """Largest Euclidean norm of a token."""

    @property
    def coordinate_bound(self) -> float:
        """Largest absolute value of a coordinate."""
        return self.radius

    @abc.abstractmethod
    def _sample(self, n_samples: int, n_tokens: int, rng: np.random.Generator) -> NDArray[np.float64]: ...

    def sample(self, n_samples: int, n_tokens: int, rng: Any = None) -> NDArray[np.float64]:
        """Draw tokens.

        Parameters
        ----------
        n_samples : int
            Number ``M >= 1`` of independent samples.
        n_tokens : int
            Number ``N >= 2`` of tokens in each.
        rng : numpy.random.Generator, SeedSequence, int or None

        Returns
        -------
        ndarray, shape (M, N, d)
        """
        n_samples = check_integer("n_samples", n_samples, 1)
        n_tokens = check_integer("n_tokens", n_tokens, 2)
        check_size("n_samples and n_tokens", n_samples, n_tokens, self.d)
        return self._sample(n_samples, n_tokens, check_rng(rng))


@dataclass(frozen=True)
class _Dimensional(TokenLaw):
    dimension: int

    def __post_init__(self) -> None:
        check_integer("dimension", self.dimension, 1)

    @property
    def d(self) -> int:
        return self.dimension


@dataclass(frozen=True)
class UniformCube(_Dimensional):
    r"""Independent tokens, uniform on :math:`[-\sqrt 3, \sqrt 3]^d`.

    Book: :doc:`/book/particles`.

    Parameters
    ----------
    dimension : int
        ``d >= 1``.
    """

    @property
    def radius(self) -> float:
        return math.sqrt(3 * self.d)

    @property
    def coordinate_bound(self) -> float:
        return math.sqrt(3)

    def _sample(self, n_samples: int, n_tokens: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return rng.uniform(-math.sqrt(3), math.sqrt(3), size=(n_samples, n_tokens, self.d))


@dataclass(frozen=True)
class Sphere(_Dimensional):
    r"""Independent tokens, uniform on the sphere of radius :math:`\sqrt d` (layer-normalised tokens).

    Book: :doc:`/book/lower_bound_tokens`.

    Parameters
    ----------
    dimension : int
        ``d >= 1``; for ``d = 1`` the tokens are random signs.
    """

    @property
    def radius(self) -> float:
        return math.sqrt(self.d)

    def _sample(self, n_samples: int, n_tokens: int, rng: np.random.Generator) -> NDArray[np.float64]:
        return self.radius * _directions((n_samples, n_tokens, self.d), rng)


@dataclass(frozen=True)
class TruncatedGaussian(_Dimensional):
    r"""Independent standard Gaussian tokens, conditioned on a ball and rescaled to unit variance.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    dimension : int
        ``d >= 1``.
    cutoff : float
        The Gaussian is conditioned on norm at most ``cutoff * sqrt(d)``, ``cutoff > 0``. A ball that holds
        less than ``1e-100`` of the Gaussian's mass is refused: its tokens could not be computed.
    """

    cutoff: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        cutoff = check_real("cutoff", self.cutoff, 0.0, exclusive_minimum=True)
        object.__setattr__(self, "cutoff", cutoff)
        if _chi2_cdf(self.cutoff**2 * self.d, self.d) < _SMALLEST_MASS:
            least = math.sqrt(_chi2_quantile(_SMALLEST_MASS, self.d) / self.d)
            raise ValueError(f"cutoff must be > {least:.3g} in dimension {self.d}, got {self.cutoff}")

    @property
    def _scale(self) -> float:
        # E|x|^2 / d given |x| <= R is P(chi2_{d+2} <= R^2) / P(chi2_d <= R^2).
        squared = self.cutoff**2 * self.d
        return math.sqrt(_chi2_cdf(squared, self.d) / _chi2_cdf(squared, self.d + 2))

    @property
    def radius(self) -> float:
        return self._scale * self.cutoff * math.sqrt(self.d)

    def _sample(self, n_samples: int, n_tokens: int, rng: np.random.Generator) -> NDArray[np.float64]:
        direction = _directions((n_samples, n_tokens, self.d), rng)
        mass = _chi2_cdf(self.cutoff**2 * self.d, self.d)
        level = mass * rng.uniform(size=(n_samples, n_tokens, 1))
        return direction * self._scale * np.sqrt(_chi2_quantile(level, self.d))


@dataclass(frozen=True)
class Equicorrelated(_Dimensional):
    r"""Dependent tokens :math:`X_i = \sqrt c\, Z + \sqrt{1 - c}\, E_i` with a shared factor :math:`Z`.

    Book: :doc:`/book/coercivity_limits`.

    ``Z`` and the ``E_i`` are independent and uniform on the cube of :class:`UniformCube`. The tokens
    are independent given ``Z``, and coordinates of different tokens have correlation ``c``.

    Parameters
    ----------
    dimension : int
        ``d >= 1``.
    correlation : float
        ``c`` in ``[0, 1)``.
    """

    correlation: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_real("correlation", self.correlation, 0.0, 1.0, exclusive_maximum=True)

    @property
    def coordinate_bound(self) -> float:
        return math.sqrt(3) * (math.sqrt(self.correlation) + math.sqrt(1 - self.correlation))

    @property
    def radius(self) -> float:
        return math.sqrt(self.d) * self.coordinate_bound

    def _sample(self, n_samples: int, n_tokens: int, rng: np.random.Generator) -> NDArray[np.float64]:
        side = math.sqrt(3)
        shared = rng.uniform(-side, side, size=(n_samples, 1, self.d))
        own = rng.uniform(-side, side, size=(n_samples, n_tokens, self.d))
        return math.sqrt(self.correlation) * shared + math.sqrt(1 - self.correlation) * own


@dataclass(frozen=True, eq=False)
class PermutedPoints(TokenLaw):
    """Fixed points in random order: exchangeable, but not conditionally independent.

    Book: :doc:`/book/coercivity_limits`.

    Drawing fewer tokens than points draws without replacement. The points are used as they are (no
    scaling). This is the law for which coercivity fails when every point is drawn.

    Parameters
    ----------
    points : array_like, shape (n_points, d)
        At least two points.
    """

    points: Any
    conditionally_iid = False

    def __post_init__(self) -> None:
        points = np.array(to_host(check_floats("points", self.points, (None, None))))
        if points.shape[0] < 2 or points.shape[1] < 1:
            raise ValueError(f"points must hold at least 2 points, d >= 1; got shape {points.shape}")
        points.flags.writeable = False
        object.__setattr__(self, "points", points)

    @property
    def d(self) -> int:
        return int(self.points.shape[1])

    @property
    def radius(self) -> float:
        return float(np.linalg.norm(self.points, axis=1).max())

    @property
    def coordinate_bound(self) -> float:
        return float(np.abs(self.points).max())

    def _sample(self, n_samples: int, n_tokens: int, rng: np.random.Generator) -> NDArray[np.float64]:
        n_points = len(self.points)
        if n_tokens > n_points:
            raise ValueError(f"n_tokens must be <= the number of points, {n_points}; got {n_tokens}")
        order = rng.permuted(np.tile(np.arange(n_points), (n_samples, 1)), axis=1)
        return self.points[order[:, :n_tokens]]


def score_bound(tokens: TokenLaw, matrix: Any) -> float:
    r"""Return a bound ``abar`` with :math:`|x^\top A y| \le \bar a` on the support of the tokens.

    Book: :doc:`/book/upper_bound_known_matrix`.

    The smaller of :math:`R^2 \|A\|_{op}` (Cauchy-Schwarz, ``R`` the radius) and
    :math:`b^2 \sum_{ab} |A_{ab}|` (``b`` the coordinate bound). For a matrix of kind
    ``"coordinate"`` and cube or equicorrelated tokens the second is the smaller one and the same in every
    dimension. That is a property of these laws: with the same matrix the bound is ``d`` for rank one and
    norm one on the sphere, where a single coordinate can be as large as the radius, and it grows with the
    dimension for truncated Gaussian tokens as well.

    Parameters
    ----------
    tokens : TokenLaw
    matrix : array_like, shape (d, d)
    """
    if not isinstance(tokens, TokenLaw):
        raise TypeError(f"tokens must be a TokenLaw, got {tokens!r}")
    matrix = to_host(check_floats("matrix", matrix, (tokens.d, tokens.d)))
    spectral = tokens.radius**2 * float(np.linalg.norm(matrix, 2))
    entrywise = tokens.coordinate_bound**2 * float(np.abs(matrix).sum())
    return min(spectral, entrywise)


# SciPy takes as long to import as all the rest of this package: only truncated Gaussians need it. Its
# incomplete gamma functions are the law of chi-squared, without the far larger scipy.stats.


def _chi2_cdf(x: float, df: int) -> float:
    from scipy import special

    return float(special.gammainc(df / 2, x / 2))


def _chi2_quantile(level: Any, df: int) -> Any:
    from scipy import special

    return 2 * special.gammaincinv(df / 2, level)


def _directions(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    gaussian = rng.standard_normal(shape)
    return gaussian / np.linalg.norm(gaussian, axis=-1, keepdims=True)
