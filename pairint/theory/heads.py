r"""Several heads whose outputs add up: what of :math:`\sum_h \varphi_h(x^\top A_h y)` is identified.

On all matrices Z a sum of functions of :math:`\langle A_h, Z \rangle` is a projection pursuit. Tokens show
only the matrices :math:`Z = x y^\top` of rank one, on which more relations hold: a determinant of two rows
and two columns is zero there. With smooth activations every ambiguity is a linear relation between powers of
the scores, of degree H - 2 at most; these are counted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import to_host
from pairint.validation import check_flag, check_floats, check_integer, check_rng

__all__ = ["HeadAmbiguities", "head_ambiguities", "power_relations"]

#: A singular value below this share of the largest is zero.
_RANK = 1e-9
#: Largest degree of the powers that are compared: higher powers leave the range of doubles.
MOST_DEGREE = 100
#: Points for each head at which powers are compared.
_POINTS = 8


@dataclass(frozen=True)
class HeadAmbiguities:
    """What two sets of activations may differ by, on the same matrices, without any output showing it.

    Book: :doc:`/book/several_heads`.

    Attributes
    ----------
    n_heads : int
        H.
    proportional : tuple of (int, int)
        Pairs of heads with proportional matrices: they are one head.
    entangled : tuple of int
        Heads of rank one that share their right vector with one head of rank one and their left vector with
        another: functions such as ``u log|u|``, which are not smooth at zero, may be exchanged between such.
    relations : mapping of int to int
        Degree k from 1 to ``max(1, H - 2)`` -> number of linear relations between the k-th powers of the
        scores: a polynomial of this degree moves between the heads without being seen. Constants move always,
        and no degree above ``H - 2`` does, if no matrices are proportional.
    """

    n_heads: int
    proportional: tuple[tuple[int, int], ...]
    entangled: tuple[int, ...]
    relations: Mapping[int, int]

    @property
    def degree(self) -> int:
        """The largest degree that moves between the heads; 0 if only constants do."""
        return max((k for k, count in self.relations.items() if count), default=0)

    @property
    def unique(self) -> bool:
        """Whether, with these matrices, smooth activations are unique up to constants of sum zero."""
        return not self.proportional and self.degree == 0


def head_ambiguities(matrices: Any, rng: Any) -> HeadAmbiguities:
    """Return what the outputs do not tell about the activations of heads with these matrices.

    Book: :doc:`/book/several_heads`.

    Parameters
    ----------
    matrices : array_like, shape (H, d, d)
        Not zero; their scale does not matter. At most 102 heads.
    rng : int, SeedSequence or Generator
        For the points at which powers are compared: their rank is exact with probability one, up to rounding.

    Raises
    ------
    ValueError
        For a wrong shape, or a matrix that is zero or not finite.

    Examples
    --------
    The score of a rotation, its partner, and two reflections: the squares are related on tokens.

    >>> import numpy as np
    >>> quartet = [np.eye(2), [[0, 1], [-1, 0]], [[1, 0], [0, -1]], [[0, 1], [1, 0]]]
    >>> head_ambiguities(quartet, 0).relations
    {1: 0, 2: 1}
    """
    scaled = _checked(matrices)
    n_heads = len(scaled)
    if n_heads > MOST_DEGREE + 2:
        raise ValueError(f"matrices must be at most {MOST_DEGREE + 2} heads, got {n_heads}")
    flat = scaled.reshape(n_heads, -1)
    signs = np.where(flat @ flat.T < 0.0, -1.0, 1.0)
    apart = np.array(
        [np.linalg.norm(one - sign[:, None] * flat, axis=1) for one, sign in zip(flat, signs, strict=True)]
    )
    first, second = np.nonzero(np.triu(apart <= _RANK, 1))
    degrees = range(1, max(1, n_heads - 2) + 1)
    relations = {k: power_relations(scaled, k, rng=rng) for k in degrees}
    pairs = tuple((int(a), int(b)) for a, b in zip(first, second, strict=True))
    return HeadAmbiguities(n_heads, pairs, _entangled(scaled), relations)


def power_relations(matrices: Any, degree: int, *, rng: Any, everywhere: bool = False) -> int:
    """Return how many linear relations hold between the powers ``(x'A_h y)^k`` of the scores of heads.

    Book: :doc:`/book/several_heads`.

    Parameters
    ----------
    matrices : array_like, shape (H, d, d)
        Not zero.
    degree : int
        ``k`` from 1 to 100.
    rng : int, SeedSequence or Generator
    everywhere : bool
        Whether relations must hold for all matrices ``Z`` in the place of ``x y'``, not for those of rank one
        only: the classical case of ridge functions.
    """
    scaled = _checked(matrices)
    degree = check_integer("degree", degree, 1, MOST_DEGREE)
    rng = check_rng(rng)
    n_heads, d, _ = scaled.shape
    n_points = _POINTS * n_heads
    if check_flag("everywhere", everywhere):
        points = rng.standard_normal((n_points, d, d))
    else:
        x, y = rng.standard_normal((2, n_points, d))
        points = x[:, :, None] * y[:, None, :]
    powers = (points.reshape(n_points, -1) @ scaled.reshape(n_heads, -1).T) ** degree
    powers = powers / np.linalg.norm(powers, axis=1, keepdims=True)
    singular = np.linalg.svd(powers / np.linalg.norm(powers, axis=0), compute_uv=False)
    return n_heads - int((singular > _RANK * singular[0]).sum())


def _checked(matrices: Any) -> NDArray[np.float64]:
    array = np.asarray(to_host(check_floats("matrices", matrices, (None, None, None))), dtype=float)
    if array.shape[0] < 1 or array.shape[1] != array.shape[2] or array.shape[1] < 1:
        raise ValueError(f"matrices must have shape (H, d, d) with H, d >= 1, got {array.shape}")
    norms = np.linalg.norm(array, axis=(1, 2))
    if not (norms > 0).all():
        raise ValueError(f"matrices must not be zero, got zero at index {int(np.argmin(norms))}")
    return np.asarray(array / norms[:, None, None])


def _entangled(scaled: NDArray[np.float64]) -> tuple[int, ...]:
    u, singular, vt = np.linalg.svd(scaled)
    one = np.ones(len(scaled), dtype=bool) if scaled.shape[1] == 1 else singular[:, 1] <= _RANK
    both = one[:, None] & one & ~np.eye(len(scaled), dtype=bool)
    left, right = u[:, :, 0], vt[:, 0]
    same_left, same_right = (both & (1.0 - np.abs(vectors @ vectors.T) <= _RANK) for vectors in (left, right))
    # Proportional matrices share both: they are counted elsewhere.
    same_left, same_right = same_left & ~same_right, same_right & ~same_left
    return tuple(int(h) for h in np.nonzero(same_left.any(axis=1) & same_right.any(axis=1))[0])
