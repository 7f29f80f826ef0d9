r"""What an output knows of a function and of a matrix: derivatives of outputs, and the information in them.

A matrix :math:`A = U D V^\top` of rank ``r`` can move in :math:`r(2d-r)` directions without changing its
rank, :math:`\Delta = U C V^\top + W V^\top + U Z^\top` with :math:`U^\top W = 0` and :math:`V^\top Z = 0`:
inside of what it reads (the *core*), in what it reads of the first token (the *queries*) and of the second
(the *keys*).
Along :math:`\Delta` the output of token i moves by :math:`X_i^\top \Delta Z_i`, where
:math:`Z_i = \frac{1}{N-1} \sum_{j \ne i} \varphi'(U_{ij}) X_j`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace, to_device, to_host
from pairint.model.attention import sample_chunks
from pairint.model.splines import SplineSpace
from pairint.validation import check_choice, check_floats, check_integer, shortened

__all__ = ["BLOCKS", "Information", "TangentBasis", "measured_information", "tangent_basis"]

#: The blocks of an information matrix, in this order; one that is empty is left out.
BLOCKS = ("function", "core", "queries", "keys")
#: A direction whose information is below this share of the largest is seen by no output.
_UNSEEN = 1e-10
#: Singular values below this share of the largest do not count for the rank.
_RANK = 1e-10


@dataclass(frozen=True, eq=False)
class Information:
    r"""What the outputs know of a function, and of a matrix by queries and keys.

    Book: :doc:`/book/longer_context`.

    With :math:`h_a` the change of the interaction along direction a, the two matrices hold
    :math:`\mathbb{E}\, R_{h_a} R_{h_b}` and :math:`\mathbb{E}\, h_a h_b`: exact, or averages over data.

    Attributes
    ----------
    aggregated : ndarray, shape (n, n)
        The information of one output, for noise of variance one.
    pair : ndarray, shape (n, n)
        The Gram matrix of the same directions in L2(rho).
    n_tokens : int
        N.
    n_samples : int
        M of the data, or 1 if the matrices are expectations.
    noise_std : float
        Standard deviation of the noise: of a fit its estimate, otherwise one.
    blocks : dict of str to slice
        Where the directions of each block stand: "function", "core", "queries", "keys".
    """

    aggregated: NDArray[np.float64]
    pair: NDArray[np.float64]
    n_tokens: int
    n_samples: int
    noise_std: float
    blocks: Mapping[str, slice]

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The Fisher information of all outputs, for Gaussian noise."""
        return self.n_samples * self.n_tokens / self.noise_std**2 * self.aggregated

    def block(self, first: str, second: str | None = None) -> NDArray[np.float64]:
        """Return the block of :attr:`matrix` for one block of directions, or for two."""
        return self.matrix[self._slice("first", first), self._slice("second", second or first)]

    def efficient(self, block: str) -> NDArray[np.float64]:
        """Return the information on a block when all others are unknown: their part is projected out."""
        own = np.zeros(len(self.aggregated), dtype=bool)
        own[self._slice("block", block)] = True
        matrix = self.matrix
        cross = matrix[np.ix_(~own, own)]
        return matrix[np.ix_(own, own)] - cross.T @ _inverse(matrix[np.ix_(~own, ~own)]) @ cross

    def price(self, block: str | None = None) -> float:
        r"""Return what a direction of a block adds to the squared error in L2(rho), in units of sigma^2/M.

        All other directions are unknown too. Without a block: the mean over all directions, with what blocks
        have in common.
        """
        covariance = _inverse(self.aggregated) / self.n_tokens
        part = slice(None) if block is None else self._slice("block", block)
        return float(np.sum(self.pair[part, part] * covariance[part, part])) / len(self.pair[part])

    def spectrum(self) -> NDArray[np.float64]:
        r"""Return the prices of the directions that neither matrix mixes, the largest first, in sigma^2/M.

        The mean of them is :meth:`price`. One that no token knows costs (N - 1)/N.
        """
        values, vectors = np.linalg.eigh(_inverse(self.aggregated))
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        return np.linalg.eigvalsh(root.T @ self.pair @ root)[::-1] / self.n_tokens

    def matrix_price(self) -> float:
        r"""Return what not knowing the matrix adds to the squared error in L2(rho), in units of sigma^2/M.

        That is the error with everything unknown less that of the function alone; with N - 1 over N, and
        divided by the number of directions, it is one if no direction is known to one token.
        """
        own = self._slice("block", "function")
        alone = np.sum(self.pair[own, own] * _inverse(self.aggregated[own, own]))
        everything = np.sum(self.pair * _inverse(self.aggregated))
        return float(everything - alone) / self.n_tokens

    def _slice(self, name: str, block: str) -> slice:
        return self.blocks[check_choice(name, block, tuple(self.blocks))]


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the inverse on what is seen: scaled to a unit diagonal, small eigenvalues left out."""
    diagonal = np.diag(matrix)
    seen = diagonal > 0
    scale = np.where(seen, 1 / np.sqrt(np.where(seen, diagonal, 1.0)), 0.0)
    values, vectors = np.linalg.eigh(matrix * scale[:, None] * scale)
    kept = values > _UNSEEN * max(float(values[-1]), 0.0) if len(values) else seen
    vectors = vectors[:, kept] * scale[:, None]
    return (vectors / values[kept]) @ vectors.T


@dataclass(frozen=True, eq=False)
class TangentBasis:
    """Directions in which a matrix of given rank moves, orthonormal in Frobenius norm.

    Book: :doc:`/book/longer_context`.

    The direction of the matrix itself is left out: it scales the scores, which is a change of the function.

    Attributes
    ----------
    left, right : ndarray, shape (d, r)
        Singular vectors, U and V.
    left_rest, right_rest : ndarray, shape (d, d - r)
        What completes them to orthonormal bases.
    singular : ndarray, shape (r,)
        Singular values, the largest first.
    core : ndarray, shape (r^2 - 1, r^2)
        Orthonormal matrices C, each in a row, orthogonal to the diagonal one of the singular values.
    """

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    left_rest: NDArray[np.float64]
    right_rest: NDArray[np.float64]
    singular: NDArray[np.float64]
    core: NDArray[np.float64]

    @property
    def sizes(self) -> dict[str, int]:
        """Numbers of directions, of the core, of the queries, of the keys."""
        d, rank = self.left.shape
        return {"core": rank**2 - 1, "queries": rank * (d - rank), "keys": rank * (d - rank)}

    def directions(self, block: str) -> NDArray[np.float64]:
        """Return the directions of a block as matrices, shape (n, d, d)."""
        check_choice("block", block, BLOCKS[1:])
        d, rank = self.left.shape
        if block == "core":
            inner = self.core.reshape(-1, rank, rank)
            return self.left @ inner @ self.right.T
        one, two = (self.left_rest, self.right) if block == "queries" else (self.left, self.right_rest)
        return np.einsum("ak,bl->klab", one, two).reshape(-1, d, d)

    def products(self, tokens: Any, pulled: Any) -> Any:
        """Return ``x' Delta z`` for all directions, tokens ``x`` and vectors ``z``, shape (rows, n)."""
        xp = array_namespace(tokens)
        left, right, left_rest, right_rest, core = (
            to_device(part, tokens)
            for part in (self.left, self.right, self.left_rest, self.right_rest, self.core)
        )
        a, z = tokens @ left, pulled @ right
        inner = (a[:, :, None] * z[:, None, :]).reshape(len(a), -1) @ core.T
        queries = ((tokens @ left_rest)[:, :, None] * z[:, None, :]).reshape(len(a), -1)
        keys = (a[:, :, None] * (pulled @ right_rest)[:, None, :]).reshape(len(a), -1)
        return xp.concatenate([inner, queries, keys], axis=1)


def tangent_basis(matrix: Any, rank: int | None = None) -> TangentBasis:
    """Return the directions in which a matrix moves while its rank stays what it is.

    Book: :doc:`/book/longer_context`.

    Parameters
    ----------
    matrix : array_like, shape (d, d)
        Not zero.
    rank : int, optional
        ``r``, at most the number of its nonzero singular values, which is the default.

    Raises
    ------
    ValueError
        If the matrix is zero, not square or not finite, or has a smaller rank.
    """
    matrix = np.asarray(to_host(check_floats("matrix", matrix, (None, None))), dtype=float)
    if matrix.shape[0] != matrix.shape[1] or not matrix.any():
        raise ValueError(f"matrix must be square and not zero, got shape {matrix.shape}: {shortened(matrix)}")
    u, singular, vt = np.linalg.svd(matrix)
    most = int((singular > _RANK * singular[0]).sum())
    rank = most if rank is None else check_integer("rank", rank, 1, most)
    diagonal = np.diag(singular[:rank]).reshape(1, -1)
    # The rows of the last factor but the first complete the diagonal to an orthonormal basis.
    core = np.linalg.svd(diagonal)[2][1:]
    return TangentBasis(u[:, :rank], vt[:rank].T, u[:, rank:], vt[rank:].T, singular[:rank], core)


def measured_information(
    X: Any,
    matrix: Any,
    activation: Any,
    *,
    space: SplineSpace | None = None,
    rank: int | None = None,
    noise_std: float = 1.0,
) -> Information:
    """Average the information over tokens, in chunks of samples.

    Parameters
    ----------
    X : array_like, shape (M, N, d)
        Tokens; NumPy or CuPy.
    matrix : array_like, shape (d, d)
        The interaction matrix.
    activation : Activation
        A function with a ``derivative``.
    space : SplineSpace, optional
        Directions of the function are its basis functions; without it the function is known.
    rank : int, optional
        As of :func:`tangent_basis`.
    noise_std : float
        Noted in the result.
    """
    basis = tangent_basis(matrix, rank)
    xp = array_namespace(X)
    n_samples, n_tokens, d = X.shape
    on_device = to_device(np.asarray(to_host(matrix), dtype=float), X)
    n_function = 0 if space is None else space.dimension
    sizes = {"function": n_function, **basis.sizes}
    width = sum(sizes.values())
    aggregated, pair = np.zeros((width, width)), np.zeros((width, width))
    diagonal = xp.arange(n_tokens)
    partner = to_device(np.roll(np.arange(n_tokens), -1), X)
    for chunk in sample_chunks(n_samples, n_tokens * (4 * n_tokens + 4 * width + 4 * d)):
        tokens = X[chunk]
        rows = tokens.shape[0] * n_tokens
        scores = (tokens @ on_device) @ xp.swapaxes(tokens, -1, -2)
        slopes = activation.derivative(scores) + xp.zeros_like(scores)  # a copy, of the scores' shape
        # One partner of each token is enough for the pairs: the tokens are exchangeable.
        neighbours = tokens[:, partner]
        single = slopes[:, diagonal, partner].reshape(rows, 1) * neighbours.reshape(rows, d)
        slopes[:, diagonal, diagonal] = 0.0
        pulled = (slopes @ tokens).reshape(rows, d) / (n_tokens - 1)
        flat = tokens.reshape(rows, d)
        for total, vectors in ((aggregated, pulled), (pair, single)):
            parts = [basis.products(flat, vectors)]
            if space is not None:
                one = scores[:, diagonal, partner].reshape(-1)
                design: Any = space.aggregate(scores) if total is aggregated else space.design(one)
                parts.insert(0, design.toarray() if hasattr(design, "toarray") else design)
            features = xp.concatenate(parts, axis=1)
            total += to_host(features.T @ features)
    ends = np.cumsum([0, *sizes.values()])
    blocks = {
        name: slice(int(start), int(end))
        for name, start, end in zip(sizes, ends[:-1], ends[1:], strict=True)
        if end > start
    }
    n_rows = n_samples * n_tokens
    return Information(aggregated / n_rows, pair / n_rows, n_tokens, n_samples, noise_std, blocks)
