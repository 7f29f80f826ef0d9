"""Interaction matrices ``A`` of a given rank and Frobenius norm."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.validation import check_choice, check_floats, check_integer, check_real, check_rng, check_size

__all__ = ["interaction_matrix", "query_key_matrix"]

_KINDS = ("coordinate", "gaussian", "orthogonal")


def interaction_matrix(
    d: int, rank: int, rng: Any = None, *, kind: str = "gaussian", norm: float = 1.0
) -> NDArray[np.float64]:
    r"""Draw a matrix of rank ``rank`` with Frobenius norm ``norm``.

    Book: :doc:`/book/particles`.

    Parameters
    ----------
    d : int
        Dimension of the tokens.
    rank : int
        ``1 <= rank <= d``.
    rng : numpy.random.Generator, SeedSequence, int or None
    kind : {"gaussian", "orthogonal", "coordinate"}
        ``"gaussian"``: :math:`W_Q W_K^\top` with Gaussian factors. ``"orthogonal"``: ``rank`` equal
        singular values, Haar-distributed singular vectors. ``"coordinate"``: singular vectors are
        coordinate axes drawn without replacement (left and right separately), singular values
        equal. On independent cube tokens the law of the score is then exactly the same in every
        dimension ``d >= rank``, and bounded by ``3 * sqrt(rank) * norm``.
    norm : float
        Frobenius norm, ``> 0``; for independent tokens of unit variance it is the standard deviation
        of the score.

    Returns
    -------
    ndarray, shape (d, d)
    """
    d = check_integer("d", d, 1)
    check_size("d", d, d)
    rank = check_integer("rank", rank, 1, d)
    check_choice("kind", kind, _KINDS)
    norm = check_real("norm", norm, 0.0, exclusive_minimum=True)
    rng = check_rng(rng)
    if kind == "gaussian":
        matrix = rng.standard_normal((d, rank)) @ rng.standard_normal((rank, d))
    elif kind == "orthogonal":
        left, right = _haar(d, rank, rng), _haar(d, rank, rng)
        matrix = left @ right.T
    else:
        matrix = np.zeros((d, d))
        rows, columns = rng.permutation(d)[:rank], rng.permutation(d)[:rank]
        matrix[rows, columns] = rng.choice([-1.0, 1.0], size=rank)
    return matrix * (norm / np.linalg.norm(matrix))


def query_key_matrix(query: Any, key: Any) -> NDArray[np.float64]:
    r"""Return :math:`A = W_Q W_K^\top / \sqrt{d_k}` of an attention head.

    Book: :doc:`/book/particles`.

    Parameters
    ----------
    query, key : array_like, shape (d, d_k)
        The weights :math:`W_Q`, :math:`W_K` that act on row vectors, ``q = x' W_Q``.
    """
    query = check_floats("query", query, (None, None))
    key = check_floats("key", key, tuple(query.shape))
    if query.shape[1] < 1:
        raise ValueError(f"query must have at least one column, got shape {query.shape}")
    return query @ key.T / math.sqrt(query.shape[1])


def _haar(d: int, rank: int, rng: np.random.Generator) -> NDArray[np.float64]:
    q, r = np.linalg.qr(rng.standard_normal((d, rank)))
    return q * np.sign(np.diag(r))
