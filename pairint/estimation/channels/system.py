r"""The products with the Jacobian, without the Jacobian.

With :math:`P = XU`, :math:`Q = XV`, scores :math:`S = PQ^\top`, slopes :math:`D = \varphi'(S)` and a channel
:math:`C`, a change of the parameters changes the outputs by

.. math:: \dot O = C'(H)\bigl[D \circ (X\dot U\, Q^\top + P\,(X\dot V)^\top)
          + \textstyle\sum_k \dot c_k B_k(S)\bigr] + C_{X\dot W}(H),

and with :math:`G = D \circ C'(H)^\top[\bar O]` the transpose gives :math:`\bar U = X^\top G Q`,
:math:`\bar V = X^\top G^\top P`, :math:`\bar c_k = \langle B_k(S), C'(H)^\top[\bar O]\rangle`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pairint.backend import array_namespace, to_host
from pairint.estimation.channels.activation import Family
from pairint.estimation.channels.channel import PairData, ScoreChannel
from pairint.model.attention import sample_chunks

__all__ = ["KEPT_ENTRIES", "ChannelProblem", "HeadState", "Linearised", "pack", "squares", "unpack"]

#: Numbers that are kept between products, rather than computed again: 320 MB of doubles.
KEPT_ENTRIES = 40_000_000


@dataclass(frozen=True, eq=False)
class HeadState:
    """One interaction: factors of its matrix, its activation, and the matrix of its values if it is learned.

    Book: :doc:`/book/channels`.
    """

    left: Any
    right: Any
    family: Family
    #: Coefficients of the activation, an array (empty if it is known).
    coefficients: Any
    #: The matrix ``W`` with values ``X W``, shape ``(d, v)``, or ``None``.
    value_matrix: Any = None
    #: Known values of this head alone, shape ``(M, N, k)``, or ``None``: those of the data, shared by all.
    values: Any = None
    #: Known matrix ``(k, v)`` through which outputs in ``R^k`` of this head enter the sum, or ``None``.
    mix: Any = None

    @property
    def matrix(self) -> Any:
        """The matrix ``A = left right'``."""
        return self.left @ self.right.T

    @property
    def activation(self) -> Any:
        """The activation ``phi``."""
        return self.family.member(self.coefficients)

    @property
    def parts(self) -> list[Any]:
        """The arrays of parameters."""
        parts = [self.left, self.right, self.coefficients]
        return parts if self.value_matrix is None else [*parts, self.value_matrix]

    def moved(self, parts: Sequence[Any]) -> HeadState:
        """Return the head with other parameters."""
        left, right, coefficients, *rest = parts
        value_matrix = rest[0] if rest else None
        return replace(self, left=left, right=right, coefficients=coefficients, value_matrix=value_matrix)


def pack(heads: Sequence[HeadState]) -> Any:
    """Return all parameters as one vector."""
    xp = array_namespace(heads[0].left)
    return xp.concatenate([part.reshape(-1) for head in heads for part in head.parts])


def unpack(vector: Any, heads: Sequence[HeadState]) -> list[list[Any]]:
    """Cut a vector into arrays of the shapes of the parameters, for each head."""
    cut, start = [], 0
    for head in heads:
        arrays = []
        for part in head.parts:
            size = int(np.prod(part.shape))
            arrays.append(vector[start : start + size].reshape(part.shape))
            start += size
        cut.append(arrays)
    return cut


@dataclass(frozen=True, eq=False)
class ChannelProblem:
    """The data of a channel fit.

    Parameters
    ----------
    X : array, shape (M, N, d)
        Tokens, in the precision in which to compute.
    Y : array, shape (M, N) or (M, N, v)
        Outputs.
    data : PairData
        Mask, values, pairs.
    channel : ScoreChannel
    root : array, shape (M, N), optional
        Roots of the weights of the outputs.
    penalty : float
        Weight of the squared second differences of the coefficients.
    learn_values : bool
        Whether the values are ``X W`` with a matrix that is learned.
    """

    X: Any
    Y: Any
    data: PairData
    channel: ScoreChannel
    root: Any = None
    penalty: float = 0.0
    learn_values: bool = False

    @property
    def n_rows(self) -> int:
        """Number of numbers observed, those of weight zero left out."""
        size = int(np.prod(self.Y.shape))
        if self.root is None:
            return size
        return int((self.root > 0).sum()) * (size // int(np.prod(self.Y.shape[:2])))

    def first(self, n_samples: int) -> ChannelProblem:
        """Return the problem of the first samples."""
        part = slice(0, n_samples)
        root = None if self.root is None else self.root[part]
        return replace(self, X=self.X[part], Y=self.Y[part], data=self.data[part], root=root)

    def rooted(self, outputs: Any, part: slice = slice(None)) -> Any:
        """Return numbers of the outputs times the roots of their weights."""
        if self.root is None:
            return outputs
        root = self.root[part]
        return outputs * (root if outputs.ndim == 2 else root[:, :, None])

    def chunks(self, width: int) -> Iterator[slice]:
        """Cut the samples so that temporaries with ``N width`` numbers a sample stay small."""
        n_tokens, d = self.X.shape[1:]
        return sample_chunks(self.X.shape[0], n_tokens * (6 * n_tokens + 2 * d + width))

    def _width(self, heads: Sequence[HeadState]) -> int:
        n_values = self.Y.shape[2] if self.Y.ndim == 3 else 1
        size = max(head.family.size for head in heads)
        return n_values * (size + 2) + (4 * self.X.shape[1] if size else 0)

    def activated(self, head: HeadState, part: slice) -> tuple[Any, Any, Any, Any, Any]:
        """Return ``XU``, ``XV``, the scores, ``H`` and its slope ``phi'(S)`` of some samples.

        Where a factor of a row changes nothing, the largest of ``log phi`` in the row is subtracted: the
        exponential stays below one.
        """
        xp = array_namespace(self.X)
        tokens = self.X[part]
        P, Q = tokens @ head.left, tokens @ head.right
        scores = P @ xp.swapaxes(Q, -1, -2)
        H, slope = head.family.raw(scores, head.coefficients)
        if head.family.log:
            if self.channel.scale_free:
                used = xp.where(self.data[part].mask > 0, H, -xp.inf)
                H = xp.minimum(H - xp.max(used, axis=-1)[:, :, None], 0.0)
            H = xp.exp(H)
            slope = slope * H
        return P, Q, scores, H, slope

    def side(self, head: HeadState, part: slice) -> PairData:
        """Return mask, values and pairs of some samples."""
        data = self.data[part]
        if head.value_matrix is not None:
            return data.with_values(self.X[part] @ head.value_matrix)
        return data if head.values is None else data.with_values(head.values[part])

    def emitted(self, head: HeadState, H: Any, data: PairData) -> Any:
        """Return what a head adds to the outputs of some samples."""
        return _mixed(head, self.channel.outputs(H, data))

    def outputs(self, heads: Sequence[HeadState]) -> Any:
        """Return the outputs, or ``None`` if the channel does not admit the activated scores."""
        xp = array_namespace(self.X)
        total = xp.zeros(self.Y.shape, dtype=self.X.dtype)
        for part in self.chunks(self._width(heads)):
            for head in heads:
                H = self.activated(head, part)[3]
                data = self.side(head, part)
                if not self.channel.admissible(H, data):
                    return None
                total[part] += self.emitted(head, H, data)
        return total

    def objective(self, heads: Sequence[HeadState]) -> tuple[float, float]:
        """Return the residual sum of squares, and that with the penalty; infinite if not admitted."""
        with np.errstate(over="ignore", invalid="ignore"):  # a step too far is refused for what comes out
            outputs = self.outputs(heads)
            if outputs is None:
                return np.inf, np.inf
            residual = squares(self.rooted(self.Y - outputs))
        if not np.isfinite(residual):
            return np.inf, np.inf
        return residual, residual + self.penalised(heads)

    def penalised(self, heads: Sequence[HeadState]) -> float:
        """Return the penalty."""
        total = 0.0
        for head in heads:
            c = np.asarray(to_host(head.coefficients), dtype=float)
            total += float(c @ head.family.penalty() @ c)
        return self.penalty * total


def _mixed(head: HeadState, outputs: Any) -> Any:
    return outputs if head.mix is None else outputs @ head.mix


def _unmixed(head: HeadState, bar: Any) -> Any:
    return bar if head.mix is None else bar @ head.mix.T


def squares(values: Any) -> float:
    """Return the sum of squares, accumulated in double precision."""
    xp = array_namespace(values)
    return float(xp.sum(values * values, dtype=xp.float64))


@dataclass(frozen=True, eq=False)
class _Piece:
    """What the products with some samples need of one head."""

    P: Any
    Q: Any
    H: Any
    slope: Any
    data: PairData


class Linearised:
    """The model at a point, linearised: residual, products with the Jacobian ``J``, and blocks of ``J'J``.

    All of it is weighted: ``J`` and residual are multiplied by the roots of the weights.

    Parameters
    ----------
    problem : ChannelProblem
    heads : sequence of HeadState
        Admitted by the channel.
    """

    def __init__(self, problem: ChannelProblem, heads: Sequence[HeadState]) -> None:
        self.problem, self.heads = problem, list(heads)
        xp = self.xp = array_namespace(problem.X)
        self._chunks = list(problem.chunks(problem._width(heads)))
        n_samples, n_tokens, _ = problem.X.shape
        per_head = n_samples * n_tokens * (2 * n_tokens + 2 * heads[0].left.shape[1])
        self._kept: list[list[_Piece]] | None = None
        if per_head * len(self.heads) <= KEPT_ENTRIES:
            self._kept = [self._piece(part) for part in self._chunks]
        outputs = xp.zeros(problem.Y.shape, dtype=problem.X.dtype)
        size = sum(head.family.size for head in heads)
        self._stored = int(np.prod(problem.Y.shape)) * size <= KEPT_ENTRIES
        #: The linear design of each head's coefficients, shape ``(outputs, K + s)``; none if it is too large
        #: to be kept, or if there is nothing to learn.
        self.designs = [self._design(number) for number in range(len(self.heads))]
        for part, pieces in self._walk():
            for head, piece in zip(self.heads, pieces, strict=True):
                outputs[part] += problem.emitted(head, piece.H, piece.data)
        self.outputs = outputs
        self.residual = problem.rooted(problem.Y - outputs)

    def _piece(self, part: slice) -> list[_Piece]:
        pieces = []
        for head in self.heads:
            P, Q, _, H, slope = self.problem.activated(head, part)
            pieces.append(_Piece(P, Q, H, slope, self.problem.side(head, part)))
        return pieces

    def _walk(self) -> Iterator[tuple[slice, list[_Piece]]]:
        for number, part in enumerate(self._chunks):
            yield part, self._piece(part) if self._kept is None else self._kept[number]

    def _design(self, number: int) -> Any:
        problem, head = self.problem, self.heads[number]
        if head.family.size == 0 or not self._stored:
            return None
        shape = (*problem.Y.shape, head.family.size)
        design = self.xp.zeros(shape, dtype=problem.X.dtype)
        for part, pieces in self._walk():
            self._fill(design[part], head, pieces[number], part)
        return design.reshape(-1, head.family.size)

    def _fill(self, design: Any, head: HeadState, piece: _Piece, part: slice) -> None:
        """Write the linear design of some samples, shape ``(m, N, ..., K + s)``."""
        problem = self.problem
        scores = piece.P @ self.xp.swapaxes(piece.Q, -1, -2)
        for k, column in enumerate(head.family.columns(scores)):
            change = piece.H * column if head.family.log else column
            change = _mixed(head, problem.channel.jvp(piece.H, change, piece.data))
            design[..., k] = problem.rooted(change, part)

    def normal_equations(self, target: Any = None) -> tuple[Any, Any]:
        """Return the Gram matrix of the designs of all heads side by side, and their products with a target.

        On the host, in double precision; without a target the second is ``None``.
        """
        used = [design for design in self.designs if design is not None]
        if self._stored:
            design = used[0] if len(used) == 1 else self.xp.concatenate(used, axis=1)
            gram = np.asarray(to_host(design.T @ design), dtype=float)
            moment = None if target is None else design.T @ self.problem.rooted(target).reshape(-1)
            return gram, None if moment is None else np.asarray(to_host(moment), dtype=float)
        size = sum(head.family.size for head in self.heads)
        gram, moment = np.zeros((size, size)), np.zeros(size)
        for part, pieces in self._walk():
            shape = (part.stop - part.start, *self.problem.Y.shape[1:])
            design = self.xp.zeros((*shape, size), dtype=self.problem.X.dtype)
            start = 0
            for head, piece in zip(self.heads, pieces, strict=True):
                self._fill(design[..., start : start + head.family.size], head, piece, part)
                start += head.family.size
            rows = design.reshape(-1, size)
            gram = gram + np.asarray(to_host(rows.T @ rows), dtype=float)
            if target is not None:
                wanted = self.problem.rooted(target[part], part).reshape(-1)
                moment = moment + np.asarray(to_host(rows.T @ wanted), dtype=float)
        return gram, None if target is None else moment

    def jvp(self, vector: Any) -> Any:
        """Return ``J`` times a vector of all parameters: the shape of the outputs."""
        problem, xp = self.problem, self.xp
        moves = unpack(vector, self.heads)
        image = xp.zeros(problem.Y.shape, dtype=problem.X.dtype)
        for part, pieces in self._walk():
            tokens = problem.X[part]
            for head, piece, (left, right, coefficients, *rest) in zip(
                self.heads, pieces, moves, strict=True
            ):
                change = (tokens @ left) @ xp.swapaxes(piece.Q, -1, -2)
                change = change + piece.P @ xp.swapaxes(tokens @ right, -1, -2)
                change = piece.slope * change
                if head.family.size and not self._stored:
                    change = change + self._activated_change(head, piece, coefficients)
                image[part] += _mixed(head, problem.channel.jvp(piece.H, change, piece.data))
                if rest:
                    moved = piece.data.with_values(tokens @ rest[0])
                    image[part] += problem.emitted(head, piece.H, moved)
        image = problem.rooted(image)
        for design, move in zip(self.designs, moves, strict=True):
            if design is not None:
                image = image + (design @ move[2]).reshape(image.shape)
        return image

    def vjp(self, bar: Any) -> Any:
        """Return ``J'`` times numbers of the outputs: a vector of all parameters."""
        problem, xp = self.problem, self.xp
        sums = [[xp.zeros(part.shape, dtype=problem.X.dtype) for part in head.parts] for head in self.heads]
        for total, design in zip(sums, self.designs, strict=True):
            if design is not None:
                total[2] = design.T @ bar.reshape(-1)
        bar = problem.rooted(bar)
        d = problem.X.shape[2]
        for part, pieces in self._walk():
            tokens = problem.X[part].reshape(-1, d)
            for head, piece, total in zip(self.heads, pieces, sums, strict=True):
                pulled = _unmixed(head, bar[part])
                query, key = self._pulled(piece, pulled)
                total[0] = total[0] + tokens.T @ query.reshape(tokens.shape[0], -1)
                total[1] = total[1] + tokens.T @ key.reshape(tokens.shape[0], -1)
                if head.family.size and not self._stored:
                    total[2] = total[2] + self._coefficients(head, piece, pulled)
                if len(total) == 4:
                    values = problem.channel.values_vjp(piece.H, pulled, piece.data)
                    total[3] = total[3] + tokens.T @ values.reshape(tokens.shape[0], -1)
        return xp.concatenate([part.reshape(-1) for total in sums for part in total])

    def _activated_change(self, head: HeadState, piece: _Piece, coefficients: Any) -> Any:
        """Return the change of ``H`` with the coefficients, without the design."""
        scores = piece.P @ self.xp.swapaxes(piece.Q, -1, -2)
        change = head.family.raw(scores, coefficients)[0]
        return piece.H * change if head.family.log else change

    def _coefficients(self, head: HeadState, piece: _Piece, bar: Any) -> Any:
        """Return the derivatives in the coefficients, without the design."""
        scores = piece.P @ self.xp.swapaxes(piece.Q, -1, -2)
        weights = self.problem.channel.vjp(piece.H, bar, piece.data)
        weights = weights * piece.H if head.family.log else weights
        return self.xp.stack([(column * weights).sum() for column in head.family.columns(scores)])

    def _pulled(self, piece: _Piece, bar: Any) -> tuple[Any, Any]:
        """Return the derivatives in ``XU`` and in ``XV``, shape ``(m, N, r)``."""
        G = self.problem.channel.vjp(piece.H, bar, piece.data) * piece.slope
        return G @ piece.Q, self.xp.swapaxes(G, -1, -2) @ piece.P

    def blocks(self, rng: np.random.Generator) -> list[list[Any]]:
        """Return the diagonal blocks of ``J'J`` on the host: the preconditioner, and what damping adds.

        Of the factors it is ``I (x) C`` with ``C`` of shape ``(r, r)``, as for whitened tokens that are
        independent of the slopes: ``C`` is the sum over tokens of ``E[g g']``, with ``g`` the derivative in a
        row of ``XU`` (or ``XV``) of the outputs paired with random signs.
        """
        problem, xp = self.problem, self.xp
        # The signs of one probe are shared by all samples of a chunk's position: no array of M N v of them.
        result: list[list[Any]] = []
        whole, start = None if self._stored else self.normal_equations()[0], 0
        for head, design in zip(self.heads, self.designs, strict=True):
            rank, size = head.left.shape[1], head.family.size
            gram = np.zeros((size, size))
            if design is not None:
                gram = np.asarray(to_host(design.T @ design), dtype=float)
            elif whole is not None:
                gram = whole[start : start + size, start : start + size]
            if size:
                gram = gram + problem.penalty * head.family.penalty()
            start += size
            result.append([np.zeros((rank, rank)), np.zeros((rank, rank)), gram])
            if head.value_matrix is not None:
                d = problem.X.shape[2]
                result[-1].append(np.zeros((d, d)))
        for part, pieces in self._walk():
            shape = (part.stop - part.start, *problem.Y.shape[1:])
            signs = xp.asarray(rng.integers(0, 2, shape) * 2.0 - 1.0, dtype=problem.X.dtype)
            signs = problem.rooted(signs, part)
            for head, piece, block in zip(self.heads, pieces, result, strict=True):
                for number, pulled in enumerate(self._pulled(piece, _unmixed(head, signs))):
                    rows = pulled.reshape(-1, pulled.shape[-1])
                    block[number] = block[number] + np.asarray(to_host(rows.T @ rows), dtype=float)
                if len(block) == 4:
                    tokens = problem.X[part]
                    means = problem.channel.outputs(piece.H, piece.data.with_values(tokens))
                    rows = problem.rooted(means, part).reshape(-1, tokens.shape[-1])
                    block[3] = block[3] + np.asarray(to_host(rows.T @ rows), dtype=float)
        return result
