"""Binary codes whose words are far apart (Varshamov and Gilbert), built and verified."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.validation import check_integer, check_rng

__all__ = ["BinaryCode", "minimum_distance", "varshamov_gilbert_code"]

#: Longest code built: 2**20 words are then enumerated to verify the distance.
MAX_BITS = 160

_ONES = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class BinaryCode:
    """A linear code: all sums modulo 2 of the rows of a generator.

    Attributes
    ----------
    generator : ndarray of 0 and 1, shape (k, n_bits)
    minimum_distance : int
        Smallest number of bits in which two different words differ, found by enumeration.
    """

    generator: NDArray[np.uint8]
    minimum_distance: int

    @property
    def n_bits(self) -> int:
        return self.generator.shape[1]

    @property
    def n_words(self) -> int:
        return 2 ** len(self.generator)

    def words(self, limit: int | None = None) -> NDArray[np.uint8]:
        """Return the first ``limit`` words (all by default) as rows of bits."""
        n_words = self.n_words if limit is None else min(self.n_words, check_integer("limit", limit, 1))
        choices = (np.arange(n_words)[:, None] >> np.arange(len(self.generator))) & 1
        return (choices @ self.generator % 2).astype(np.uint8)


def varshamov_gilbert_code(n_bits: int, rng: Any = 0) -> BinaryCode:
    r"""Build a code with at least :math:`2^{n/8}` words that differ pairwise in at least n/8 bits.

    Varshamov and Gilbert: such a code exists for n >= 8. Here random linear codes of
    dimension ceil(n/8) are drawn until one passes; the distance of a linear code is its smallest nonzero
    weight, found by enumerating all words.

    Parameters
    ----------
    n_bits : int
        n in 8 .. 160.
    rng : numpy.random.Generator, SeedSequence, int or None
    """
    n_bits = check_integer("n_bits", n_bits, 8, MAX_BITS)
    rng = check_rng(rng)
    dimension = math.ceil(n_bits / 8)
    while True:
        generator = rng.integers(0, 2, (dimension, n_bits), dtype=np.uint8)
        distance = minimum_distance(generator)
        if distance >= n_bits / 8:
            return BinaryCode(generator, distance)


def minimum_distance(generator: NDArray[np.uint8]) -> int:
    """Return the smallest weight of a nonzero combination of the rows (0 if the rows are dependent)."""
    packed = np.packbits(generator, axis=1)
    words = np.zeros((1, packed.shape[1]), dtype=np.uint8)
    for row in packed:
        words = np.concatenate([words, words ^ row])
    return int(_ONES[words[1:]].sum(axis=1, dtype=np.int64).min())
