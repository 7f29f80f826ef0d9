"""Noise added to the outputs: centred, bounded or Gaussian, sub-Gaussian with proxy ``std**2``."""

from __future__ import annotations

import abc
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.validation import check_integer, check_real, check_rng, check_size, shortened

__all__ = ["GaussianNoise", "Noise", "RademacherNoise", "UniformNoise"]


@dataclass(frozen=True)
class Noise(abc.ABC):
    """Independent centred noise.

    Book: :doc:`/book/coercivity`.

    Parameters
    ----------
    std : float
        Standard deviation ``sigma >= 0``. All three laws are strictly sub-Gaussian: their
        moment-generating function is at most ``exp(std**2 * t**2 / 2)``.
    """

    std: float

    def __post_init__(self) -> None:
        check_real("std", self.std, 0.0)

    @abc.abstractmethod
    def _sample(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]: ...

    def sample(self, shape: tuple[int, ...], rng: Any = None) -> NDArray[np.float64]:
        """Draw an array.

        Parameters
        ----------
        shape : tuple of int
            Sizes ``>= 0``.
        rng : numpy.random.Generator, SeedSequence, int or None
        """
        if not isinstance(shape, tuple | list):
            raise TypeError(f"shape must be a tuple of integers, got {shortened(shape)}")
        shape = tuple(check_integer("shape", size, 0) for size in shape)
        check_size("shape", *shape)
        return self._sample(shape, check_rng(rng))


@dataclass(frozen=True)
class GaussianNoise(Noise):
    """Gaussian noise.

    Book: :doc:`/book/coercivity`.
    """

    def _sample(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return self.std * rng.standard_normal(shape)


@dataclass(frozen=True)
class UniformNoise(Noise):
    """Noise uniform on ``[-sqrt(3) std, sqrt(3) std]``.

    Book: :doc:`/book/coercivity`.
    """

    def _sample(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        side = math.sqrt(3) * self.std
        return rng.uniform(-side, side, shape)


@dataclass(frozen=True)
class RademacherNoise(Noise):
    """Noise equal to ``+std`` or ``-std``.

    Book: :doc:`/book/coercivity`.
    """

    def _sample(self, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
        return self.std * rng.choice([-1.0, 1.0], size=shape)
