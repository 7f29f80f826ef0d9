"""Data that are not one array in memory: read block by block, summed in an order that does not depend on how.

A source gives tokens, outputs and weights block by block, as often as a fit looks at all of them. Blocks are
brought to one number of samples, however they come, and their parts are added in pairs: the sums of a file,
of an iterator and of workers with blocks of that size have the same bits.
"""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import is_cupy
from pairint.estimation.base import second_moment
from pairint.estimation.problem import LARGEST_NUMBER
from pairint.model.attention import check_tokens
from pairint.steps import steps
from pairint.validation import check_floats, check_integer, shortened

__all__ = [
    "MEMORY",
    "BlockSource",
    "PairwiseSum",
    "Readings",
    "Survey",
    "added",
    "checked_block",
    "is_dask",
    "survey_of",
    "taken_in",
]

#: Bytes that data which are read in blocks may take, and the fewest that may be allowed.
MEMORY, LEAST_MEMORY = 2**30, 2**20
#: Share of the memory that a block and what is made of it may take, and that of the first samples.
_BLOCK_SHARE, _SAMPLE_SHARE = 0.5, 0.5
#: Numbers for each token of a block, as multiples of ``d`` and of ``N``, and a constant: the tokens as they
#: come, as doubles, checked and whitened; scores, their slopes and the basis of each pair.
_PER_DIMENSION, _PER_PARTNER, _PER_TOKEN = 4, 16, 64
#: Numbers for each entry of data that are held as a whole: read, whitened, checked.
_HELD = 4

_Array = NDArray[np.float64]
#: Tokens, outputs and, if there are any, weights of some samples.
Triple = tuple[_Array, _Array, "_Array | None"]


@dataclass(frozen=True)
class Survey:
    """What the first pass over the data finds."""

    #: Samples and outputs of positive weight.
    n_samples: int
    n_rows: int
    #: Sum of ``x x'`` over the tokens of these samples.
    moment: _Array
    #: Sums of the weights, and of the weighted squares of the outputs.
    weights: float
    squares: float

    def __add__(self, other: Survey) -> Survey:
        return Survey(
            self.n_samples + other.n_samples,
            self.n_rows + other.n_rows,
            self.moment + other.moment,
            self.weights + other.weights,
            self.squares + other.squares,
        )


def survey_of(X: _Array, Y: _Array, weight: _Array | None) -> Survey:
    """Return what a block, or the part of it that has weight, adds to the survey."""
    d = X.shape[2]
    moment = second_moment(X) if len(X) else np.zeros((d, d))
    if weight is None:
        return Survey(len(X), Y.size, moment, float(Y.size), float((Y * Y).sum()))
    squares = float((weight * Y * Y).sum())
    return Survey(len(X), int((weight > 0).sum()), moment, float(weight.sum()), squares)


def added(first: Any, second: Any) -> Any:
    """Return the sum of two parts: numbers, arrays, or tuples of them."""
    if isinstance(first, tuple):
        return tuple(a + b for a, b in zip(first, second, strict=True))
    return first + second


class PairwiseSum:
    """A sum of parts that come one by one, as a tree: neighbours are added, then their sums, and so on."""

    def __init__(self, add: Callable[[Any, Any], Any] = added) -> None:
        self._add = add
        self._parts: list[tuple[int, Any]] = []

    def push(self, part: Any) -> None:
        """Add a part."""
        size = 1
        while self._parts and self._parts[-1][0] == size:
            part = self._add(self._parts.pop()[1], part)
            size *= 2
        self._parts.append((size, part))

    @property
    def total(self) -> Any:
        """The sum, ``None`` of nothing."""
        if not self._parts:
            return None
        *earlier, (_, total) = self._parts
        for _, part in reversed(earlier):
            total = self._add(part, total)
        return total


class BlockSource(ABC):
    """Data of which only a block is held at a time."""

    #: Bytes that may be held.
    memory: int
    #: What the first pass has found.
    survey: Survey
    #: Whether outputs have weights.
    weighted: bool

    #: Numbers of tokens and of dimensions.
    _shape: tuple[int, int]

    @property
    def n_tokens(self) -> int:
        """Number of tokens of a sample."""
        return self._shape[0]

    @property
    def d(self) -> int:
        """Dimension of the tokens."""
        return self._shape[1]

    @abstractmethod
    def total(
        self,
        task: Callable[[_Array, _Array, _Array | None], Any],
        n_samples: int | None = None,
        add: Callable[[Any, Any], Any] = added,
    ) -> Any:
        """Return the sum of ``task(X, Y, weight)`` over blocks: of all samples, or of so many first ones.

        Samples without weight are left out, and do not count.
        """

    @abstractmethod
    def head(self, n_samples: int) -> Triple:
        """Return the first samples that have weight."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of samples that have weight, of tokens, and of dimensions."""
        return self.survey.n_samples, self.n_tokens, self.d

    @property
    def most_held(self) -> int:
        """Number of samples that may be held and whitened at once."""
        return max(1, int(_SAMPLE_SHARE * self.memory) // (8 * _HELD * self.n_tokens * self.d))


def block_samples(memory: int, n_tokens: int, d: int) -> int:
    """Return how many samples a block has: what is made of it stays within its share of the memory."""
    numbers = n_tokens * (_PER_DIMENSION * d + _PER_PARTNER * n_tokens + _PER_TOKEN)
    return max(1, int(_BLOCK_SHARE * memory) // (8 * numbers))


def checked_block(
    X: Any,
    Y: Any,
    weight: Any,
    n_tokens: int | None = None,
    d: int | None = None,
    where: str = "",
    *,
    again: bool = False,
) -> Triple:
    """Return a block in double precision, without the samples that have no weight; it may be empty.

    ``again``: it has been read before, and its entries need not be looked at.

    Raises
    ------
    TypeError
        If the entries are not real numbers, or lie on a device.
    ValueError
        For other shapes than ``(m, N, d)`` and ``(m, N)``, or NaN, infinite or huge entries; or weights that
        are negative.
    """
    for name, value in (("X", X), ("Y", Y), ("sample_weight", weight)):
        if is_cupy(value):
            raise TypeError(
                f"{name}{where} must lie in the memory of the host, where blocks are read: "
                "convert them with pairint.backend.to_host"
            )
    finite, largest = not again, LARGEST_NUMBER
    X = check_floats(f"X{where}", X, (None, n_tokens, d), finite=finite, largest=largest)
    if len(X) and not again:
        check_tokens(X)
    Y = check_floats(f"Y{where}", Y, tuple(X.shape[:2]), finite=finite, largest=largest)
    X, Y = (np.asarray(a, dtype=np.float64) for a in (X, Y))
    if weight is None:
        return X, Y, None
    name = f"sample_weight{where}"
    weight = check_floats(name, weight, largest=LARGEST_NUMBER)
    weight = check_floats(name, weight, Y.shape[: max(1, weight.ndim)])
    if weight.size and float(weight.min()) < 0:
        raise ValueError(f"{name} must have no negative entry, got {float(weight.min())}")
    if weight.ndim == 1:
        weight = np.broadcast_to(weight[:, None], Y.shape)
    weight = np.asarray(weight, dtype=np.float64)
    kept = weight.sum(axis=1) > 0
    return (X, Y, weight) if kept.all() else (X[kept], Y[kept], weight[kept])


class _Passes(ABC):
    """Whatever gives blocks again and again."""

    @abstractmethod
    def read(self, size: Callable[[int, int], int]) -> Iterator[tuple[str, Any, Any, Any]]:
        """Yield blocks: where they are from, tokens, outputs, weights; ``size(N, d)`` may tell how many."""


@dataclass(frozen=True, eq=False)
class _Arrays(_Passes):
    """Arrays that are read by slices."""

    X: Any
    Y: Any
    weight: Any

    def read(self, size: Callable[[int, int], int]) -> Iterator[tuple[str, Any, Any, Any]]:
        n_samples, n_tokens, d = self.X.shape
        step = size(n_tokens, d)
        for value in (self.X, self.Y, self.weight):
            _check_length(value)
        for start in range(0, n_samples, step):
            stop = min(start + step, n_samples)
            parts: list[Any] = []
            for name, value in (("X", self.X), ("Y", self.Y), ("sample_weight", self.weight)):
                part = None if value is None else value[start:stop]
                if part is not None and len(part) != stop - start:
                    raise ValueError(
                        f"{name} must have {n_samples} samples, as its shape says, but its rows {start} to "
                        f"{stop} are {len(part)}: the file ends early"
                    )
                parts.append(part)
            yield f"[{start}:{stop}]", parts[0], parts[1], parts[2]


def _check_length(value: Any) -> None:
    """Raise if the file of a memory map has become shorter: to read on would end the process."""
    name = getattr(value, "filename", None) if isinstance(value, np.memmap) else None
    if name is not None and os.path.exists(name):
        # A map of a part of the file begins somewhere: its size is a lower bound in any case.
        needed, found = value.nbytes, os.path.getsize(name)
        if found < needed:
            raise ValueError(f"X and Y must be whole: {name} has {found} bytes, its map {needed}")


@dataclass(frozen=True, eq=False)
class _Sequence(_Passes):
    """Something that can be iterated again, or a function that returns an iterator."""

    blocks: Any
    #: The last iterator, to see that a function returns another one.
    last: list[Any] = field(default_factory=list)

    def read(self, size: Callable[[int, int], int]) -> Iterator[tuple[str, Any, Any, Any]]:
        width = 0
        for number, block in enumerate(self._iterator()):
            if not isinstance(block, tuple | list) or len(block) not in (2, 3):
                raise TypeError(
                    "X must give pairs (tokens, outputs), or triples with weights, "
                    f"got {shortened(block)} as block {number}"
                )
            if width not in (0, len(block)):
                raise ValueError(
                    f"X must give weights with every block or with none, got {len(block)} arrays in block "
                    f"{number} and {width} in the one before"
                )
            width = len(block)
            yield f" in block {number}", *block, *([None] * (3 - width))

    def _iterator(self) -> Iterator[Any]:
        made = self.blocks() if callable(self.blocks) else self.blocks
        try:
            iterator = iter(made)
        except TypeError:
            raise TypeError(
                f"X must return an iterator over blocks when it is called, got {shortened(made)}"
            ) from None
        if iterator is self.blocks or (self.last and iterator is self.last[0]):
            raise TypeError(
                "X must be something that can be read again and again, a list of blocks or a function that "
                f"returns a new iterator, got an iterator that ends after one pass: {shortened(iterator)}"
            )
        self.last[:] = [iterator]
        return iterator


class Readings(BlockSource):
    """A source in this process: files, arrays that are read by slices, iterators."""

    def __init__(self, passes: _Passes, memory: int) -> None:
        self._passes = passes
        self.memory = memory
        self._shape = (0, 0)
        self._n_read: int | None = None
        found = PairwiseSum()
        for block in steps(self._blocks(None), "blocks of data"):
            found.push(survey_of(*block))
        survey: Survey | None = found.total
        if not self._n_read:
            raise ValueError("X must hold at least one sample, got no block with any")
        if survey is None:
            raise ValueError("sample_weight must have a positive entry, got zeros only")
        self.survey = survey

    def _size(self, n_tokens: int, d: int) -> int:
        return block_samples(self.memory, n_tokens, d)

    def _checked(self, where: str, block: list[Any]) -> Triple:
        known = any(self._shape)
        n_tokens, d = self._shape if known else (None, None)
        again = self._n_read is not None
        X, Y, weight = checked_block(block[0], block[1], block[2], n_tokens, d, where, again=again)
        if not known and len(block[0]):
            self._shape = (int(X.shape[1]), int(X.shape[2]))
            self.weighted = weight is not None
        return X, Y, weight

    def _triples(self, n_samples: int | None) -> Iterator[Triple]:
        """Yield all blocks as they come, or the first samples, and see that they are those of the survey."""
        n_read, left = 0, math.inf if n_samples is None else n_samples
        for where, *block in self._passes.read(self._size):
            X, Y, weight = self._checked(where, block)
            n_read += len(block[0])
            taken = int(min(left, len(X)))
            if taken:
                yield X[:taken], Y[:taken], _cut(weight, 0, taken)
                left -= taken
            if not left:
                return
        if self._n_read is None:
            self._n_read = n_read
        if n_read != self._n_read:
            raise ValueError(
                f"X must give the same blocks in every pass, got {self._n_read} samples in the first and "
                f"{n_read} in a later one"
            )

    def _blocks(self, n_samples: int | None) -> Iterator[Triple]:
        """Yield blocks of one size (the last may be shorter), in arrays that are written over."""
        room: list[Any] | None = None
        filled = 0
        for triple in self._triples(n_samples):
            size = self._size(self.n_tokens, self.d)
            start, n = 0, len(triple[0])
            while start < n:
                if filled == 0 and n - start >= size:  # a whole block: as it is
                    stop = start + size
                    yield triple[0][start:stop], triple[1][start:stop], _cut(triple[2], start, stop)
                    start = stop
                    continue
                if room is None:
                    room = [None if a is None else np.empty((size, *a.shape[1:])) for a in triple]
                take = min(size - filled, n - start)
                for kept, new in zip(room, triple, strict=True):
                    if kept is not None and new is not None:
                        kept[filled : filled + take] = new[start : start + take]
                filled += take
                start += take
                if filled == size:
                    yield room[0], room[1], room[2]
                    filled = 0
        if room is not None and filled:
            yield room[0][:filled], room[1][:filled], _cut(room[2], 0, filled)

    def total(
        self,
        task: Callable[[_Array, _Array, _Array | None], Any],
        n_samples: int | None = None,
        add: Callable[[Any, Any], Any] = added,
    ) -> Any:
        result = PairwiseSum(add)
        for block in steps(self._blocks(n_samples), "blocks of data"):
            result.push(task(*block))
        return result.total

    def head(self, n_samples: int) -> Triple:
        n_samples = min(n_samples, self.survey.n_samples)
        X, Y = np.empty((n_samples, self.n_tokens, self.d)), np.empty((n_samples, self.n_tokens))
        W = np.empty(Y.shape) if self.weighted else None
        filled = 0
        for x, y, w in self._triples(n_samples):
            here = slice(filled, filled + len(x))
            X[here], Y[here] = x, y
            if W is not None:
                W[here] = w
            filled += len(x)
        return X, Y, W

    @property
    def fits(self) -> bool:
        """Whether all of the data may be held at once."""
        return self.survey.n_samples <= self.most_held


def _cut(array: Any, start: int, stop: int) -> Any:
    return None if array is None else array[start:stop]


def is_dask(value: Any) -> bool:
    """Say whether this is an array of Dask (decided without importing it)."""
    return type(value).__module__.split(".", 1)[0] == "dask" and hasattr(value, "to_delayed")


def _is_read_by_slices(value: Any) -> bool:
    """Say whether this is an array outside of memory: a map of a file, or what Zarr and HDF5 open."""
    if isinstance(value, np.memmap):
        return value.ndim == 3
    if (
        isinstance(value, np.ndarray | list | tuple)
        or is_cupy(value)
        or hasattr(value, "__array_namespace__")
    ):
        return False
    shape = getattr(value, "shape", None)
    return isinstance(shape, tuple) and len(shape) == 3 and hasattr(value, "__getitem__")


def _is_sequence(value: Any) -> bool:
    if hasattr(value, "shape") or isinstance(value, str | bytes | dict):
        return False
    return callable(value) or isinstance(value, Iterable)


def taken_in(
    X: Any, Y: Any, sample_weight: Any, memory: Any, refused: str | None = None
) -> tuple[Any, Any, Any, BlockSource | None]:
    """Return the arrays of a fit, or what is to be read in blocks.

    Parameters
    ----------
    X, Y, sample_weight
        As given to ``fit``.
    memory : int
        Bytes that may be held of data that are not arrays in memory, at least a megabyte.
    refused : str, optional
        Why this fit needs all data at once.

    Returns
    -------
    X, Y, sample_weight
        Arrays, if all of them are or may be in memory.
    source : BlockSource or None
        Otherwise what gives blocks; then the others are ``None``.

    Raises
    ------
    TypeError, ValueError
        If the data are neither, or can be read only once, are empty, or change.
    """
    memory = check_integer("memory", memory, LEAST_MEMORY)
    if Y is None:
        if not _is_sequence(X) or (isinstance(X, list | tuple) and not _holds_pairs(X)):
            raise TypeError(
                f"Y must be given with an array X, got None (X: {shortened(X)}); without Y, X gives blocks: "
                "a list of pairs (tokens, outputs), or a function that returns an iterator over such pairs"
            )
        if sample_weight is not None:
            raise ValueError(
                "sample_weight must be None where X gives blocks, got "
                f"{shortened(sample_weight)}: let X give triples (tokens, outputs, weights)"
            )
        if refused:
            raise ValueError(f"X must be an array {refused}, got blocks: {shortened(X)}")
        source = Readings(_Sequence(X), memory)
        if source.fits:
            return *source.head(source.survey.n_samples), None
        return None, None, None, source
    if is_dask(X):
        if refused:
            return _whole(X), _whole(Y), _whole(sample_weight), None
        from pairint.estimation.on_dask import DaskSource

        return None, None, None, DaskSource(X, Y, sample_weight, memory)
    if not _is_read_by_slices(X):
        return X, _whole(Y), _whole(sample_weight), None
    shape = tuple(int(n) for n in X.shape)
    if math.prod(shape) == 0:
        raise ValueError(f"X must hold samples, tokens and dimensions, got shape {shape}")
    if not hasattr(Y, "shape"):
        Y = check_floats("Y", Y, shape[:2], largest=LARGEST_NUMBER)
    if tuple(Y.shape) != shape[:2]:
        raise ValueError(f"Y must have shape {shape[:2]}, got {tuple(Y.shape)}")
    if sample_weight is not None:
        if not hasattr(sample_weight, "shape"):
            sample_weight = check_floats("sample_weight", sample_weight, largest=LARGEST_NUMBER)
        if tuple(sample_weight.shape) not in (shape[:1], shape[:2]):
            raise ValueError(
                f"sample_weight must have shape {shape[:1]} or {shape[:2]}, got {tuple(sample_weight.shape)}"
            )
    arrays = _Arrays(X, Y, sample_weight)
    if refused or 8 * _HELD * math.prod(shape) <= _SAMPLE_SHARE * memory:
        ((_, X, Y, sample_weight),) = arrays.read(lambda *_: shape[0])
        return X, Y, sample_weight, None
    return None, None, None, Readings(arrays, memory)


def _holds_pairs(blocks: list[Any] | tuple[Any, ...]) -> bool:
    """Say whether a list is one of blocks, and not one of numbers."""
    return not blocks or isinstance(blocks[0], tuple) or (bool(blocks[0]) and hasattr(blocks[0][0], "shape"))


def _whole(value: Any) -> Any:
    return value.compute() if is_dask(value) else value
