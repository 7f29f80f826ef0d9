"""Arrays of Dask: every worker sums over its blocks; what travels are sums, and first samples for starts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pairint.backend import one_blas_thread
from pairint.estimation.blocks import BlockSource, Survey, Triple, added, checked_block, is_dask, survey_of
from pairint.model.attention import check_tokens
from pairint.validation import check_floats, shortened

__all__ = ["DaskSource"]


class DaskSource(BlockSource):
    """Tokens, outputs and weights of which at least the first are an array of Dask.

    Blocks are the chunks along the samples. Their sums are added in pairs of neighbours, whichever workers
    compute them: the number of workers changes nothing, if they all round alike.
    """

    def __init__(self, X: Any, Y: Any, sample_weight: Any, memory: int) -> None:
        import dask

        self._dask = dask
        self.memory = memory
        if X.ndim != 3 or any(math.isnan(n) for n in X.shape):
            raise ValueError(
                f"X must have shape (M, N, d) with known chunks, got {X.shape}: call X.compute_chunk_sizes()"
            )
        shape = tuple(int(n) for n in X.shape)
        if math.prod(shape) == 0:
            check_tokens(np.empty(shape))
        self._shape = (shape[1], shape[2])
        X = X.rechunk({1: -1, 2: -1})
        lengths = X.chunks[0]
        outputs = _aligned("Y", Y, (shape[:2],), lengths)
        weights = [None] * len(lengths)
        self.weighted = sample_weight is not None
        if self.weighted:
            weights = _aligned("sample_weight", sample_weight, (shape[:1], shape[:2]), lengths)
        tokens = X.to_delayed().ravel().tolist()
        # Empty chunks have nothing to say.
        self._chunks = [
            chunk for chunk, n in zip(zip(tokens, outputs, weights, strict=True), lengths, strict=True) if n
        ]
        self._where = [f" in chunk {number}" for number, n in enumerate(lengths) if n]
        found = [
            dask.delayed(_surveyed, pure=False)(*chunk, *self._named(number))
            for number, chunk in enumerate(self._chunks)
        ]
        counts = [dask.delayed(_kept, pure=False)(part) for part in found]
        survey: Survey
        survey, self._counts = dask.compute(self._tree(found, added), counts)
        self.survey = survey
        if survey.n_samples == 0:
            raise ValueError("sample_weight must have a positive entry, got zeros only")

    def _named(self, number: int) -> tuple[int, int, str]:
        return self.n_tokens, self.d, self._where[number]

    def _tree(self, parts: list[Any], add: Callable[[Any, Any], Any]) -> Any:
        """Return the sum of parts that are not computed yet, in the order of a PairwiseSum."""
        join = self._dask.delayed(add, pure=False)
        while len(parts) > 1:
            pairs = [join(a, b) for a, b in zip(parts[::2], parts[1::2], strict=False)]
            parts = [*pairs, *parts[len(parts) - len(parts) % 2 :]]
        return parts[0]

    def total(
        self,
        task: Callable[[Any, Any, Any], Any],
        n_samples: int | None = None,
        add: Callable[[Any, Any], Any] = added,
    ) -> Any:
        left = self.survey.n_samples if n_samples is None else n_samples
        task = self._dask.delayed(task, pure=False)
        parts = []
        for number, (chunk, count) in enumerate(zip(self._chunks, self._counts, strict=True)):
            if count and left:
                parts.append(
                    self._dask.delayed(_summed, pure=False)(
                        task, *chunk, *self._named(number), min(left, count)
                    )
                )
            left -= min(left, count)
        (result,) = self._dask.compute(self._tree(parts, add))
        return result

    def head(self, n_samples: int) -> Triple:
        left, parts = min(n_samples, self.survey.n_samples), []
        for number, (chunk, count) in enumerate(zip(self._chunks, self._counts, strict=True)):
            if count and left:
                parts.append(
                    self._dask.delayed(_first, pure=False)(*chunk, *self._named(number), min(left, count))
                )
            left -= min(left, count)
        X, Y, weights = zip(*self._dask.compute(*parts), strict=True)
        return np.concatenate(X), np.concatenate(Y), np.concatenate(weights) if self.weighted else None


def _aligned(name: str, value: Any, shapes: tuple[tuple[int, ...], ...], lengths: Any) -> list[Any]:
    """Return the chunks of outputs or weights that go with those of the tokens."""
    if value is None:
        raise TypeError(f"{name} must be given with an array X, got None")
    if not is_dask(value) and not hasattr(value, "shape"):
        value = check_floats(name, value)
    if tuple(value.shape) not in shapes:
        allowed = " or ".join(map(str, shapes))
        raise ValueError(f"{name} must have shape {allowed}, got {shortened(tuple(value.shape))}")
    if is_dask(value):
        rest: Any = dict.fromkeys(range(1, value.ndim), -1)
        chunks: list[Any] = value.rechunk({0: lengths, **rest}).to_delayed().ravel().tolist()
        return chunks
    stops = np.cumsum(lengths)
    return [value[stop - n : stop] for stop, n in zip(stops.tolist(), lengths, strict=True)]


def _surveyed(X: Any, Y: Any, weight: Any, n_tokens: int, d: int, where: str) -> Survey:
    with one_blas_thread():
        return survey_of(*checked_block(X, Y, weight, n_tokens, d, where))


def _kept(survey: Survey) -> int:
    return survey.n_samples


def _first(X: Any, Y: Any, weight: Any, n_tokens: int, d: int, where: str, count: int) -> Triple:
    X, Y, weight = checked_block(X, Y, weight, n_tokens, d, where)
    return X[:count], Y[:count], None if weight is None else weight[:count]


def _summed(task: Any, X: Any, Y: Any, weight: Any, n_tokens: int, d: int, where: str, count: int) -> Any:
    # The matrices of a block are small: threads would wait for each other longer than they compute.
    with one_blas_thread():
        return task(*_first(X, Y, weight, n_tokens, d, where, count))
