r"""The least-squares problem of data that are read in blocks.

A fit asks three sums of all the data: the normal equations of the spline, the gradient by the factors, and
the system of a Gauss-Newton step. Each is a sum over samples, so that a block at a time is enough; so it is
for the few lowest and highest scores, which say where the splines end. Whitening
costs no copy: with :math:`x = B^{-1} x_w` the products :math:`U^\top x_w` are :math:`(B U)^\top x`, and a
gradient by the factors is :math:`B` times the one of the tokens as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pairint.estimation.base import whitening
from pairint.estimation.blocks import BlockSource, added
from pairint.estimation.problem import (
    LeastSquaresProblem,
    joined_extremes,
    range_of_extremes,
    score_extremes,
)

__all__ = ["BlockProblem", "block_problem"]

#: Fewest outputs for each parameter in the first stage, whose data are held.
_FEWEST = 3


@dataclass(frozen=True, eq=False)
class BlockProblem(LeastSquaresProblem):
    """A problem whose data come from a source, all of them or the first.

    Parameters
    ----------
    X, Y, weight
        ``None``: the data are not here.
    degree, penalty, n_matrix
        As in :class:`~pairint.estimation.problem.LeastSquaresProblem`.
    source : BlockSource
        What gives blocks.
    back : array, shape (d, d)
        The matrix that whitens the tokens.
    weight_scale : float
        What weights are multiplied by, so that their mean is one.
    part : (int, int), optional
        Numbers of samples and outputs, if these are not all.
    """

    source: Any = None
    back: Any = None
    weight_scale: float = 1.0
    part: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """Trust: the source has checked its data, and the fit its numbers."""

    @property
    def d(self) -> int:
        return int(self.source.d)

    @property
    def n_tokens(self) -> int:
        return int(self.source.n_tokens)

    @property
    def n_samples(self) -> int:
        return int(self.source.survey.n_samples) if self.part is None else self.part[0]

    @property
    def n_rows(self) -> int:
        return int(self.source.survey.n_rows) if self.part is None else self.part[1]

    @property
    def total_square(self) -> float:
        """Weighted sum of the squared outputs; of the first samples by their share: it is a size."""
        share = self.n_samples / self.source.survey.n_samples
        return float(share * self.weight_scale * self.source.survey.squares)

    def first(self, n_samples: int) -> LeastSquaresProblem:
        if n_samples >= self.n_samples:
            return self
        if n_samples <= self.source.most_held:
            return self._held(n_samples)
        if self.source.weighted:
            n_rows = int(self.source.total(_count, n_samples))
        else:
            n_rows = n_samples * self.n_tokens
        return replace(self, part=(n_samples, n_rows))

    def sample(self, n_samples: int) -> LeastSquaresProblem:
        """Return a problem of the first samples, no more than the memory holds.

        Raises
        ------
        ValueError
            If it holds fewer than three outputs for each parameter of the matrix.
        """
        held = min(n_samples, self.n_samples, self.source.most_held)
        if held * self.n_tokens < min(_FEWEST * self.n_matrix, self.n_rows):
            needed = self.source.memory * _FEWEST * self.n_matrix / (held * self.n_tokens)
            raise ValueError(
                f"memory must be at least {needed:.2g} bytes, got {self.source.memory}: the first stage "
                f"holds {_FEWEST} outputs for each of the {self.n_matrix} parameters of the matrix"
            )
        return self._held(held)

    def _held(self, n_samples: int) -> LeastSquaresProblem:
        X, Y, weight = self.source.head(n_samples)
        return _BlockTask(_count, (), *self._numbers, self.back).problem(X, Y, weight)

    def over_blocks(self, part: Callable[..., Any], *args: Any) -> Any:
        return self._sum(_BlockTask(part, args, *self._numbers, self.back))

    def over_factors(self, part: Callable[..., Any], left: Any, right: Any, *args: Any) -> Any:
        return self._sum(self._folded(part, left, right, *args))

    def _folded(self, part: Callable[..., Any], left: Any, right: Any, *args: Any) -> _BlockTask:
        return _BlockTask(part, (self.back @ left, self.back @ right, *args), *self._numbers, None)

    def unfolded(self, total: Any) -> Any:
        return self.back @ total

    def interval(self, left: Any, right: Any) -> tuple[float, float]:
        task = self._folded(_extremes, left, right)
        return range_of_extremes(self._sum(task, joined_extremes))

    def weighted(self, values: Any) -> Any:
        raise NotImplementedError("weights of blocks are with their blocks")

    @property
    def _numbers(self) -> tuple[int, float, int, float]:
        return self.degree, self.penalty, self.n_matrix, self.weight_scale

    def _sum(self, task: _BlockTask, add: Callable[[Any, Any], Any] = added) -> Any:
        return self.source.total(task, None if self.part is None else self.part[0], add)


@dataclass(frozen=True, eq=False)
class _BlockTask:
    """What is computed of one block, here or by a worker."""

    part: Callable[..., Any]
    args: tuple[Any, ...]
    degree: int
    penalty: float
    n_matrix: int
    weight_scale: float
    #: Whitens the tokens, or ``None``: they are left as they are.
    back: Any

    def __call__(self, X: Any, Y: Any, weight: Any) -> Any:
        return self.part(self.problem(X, Y, weight), *self.args)

    def problem(self, X: Any, Y: Any, weight: Any) -> LeastSquaresProblem:
        """Return the problem of the block."""
        if self.back is not None:
            X = (X.reshape(-1, X.shape[2]) @ self.back).reshape(X.shape)
        weight = None if weight is None else self.weight_scale * weight
        return LeastSquaresProblem(X, Y, self.degree, self.penalty, self.n_matrix, weight)


def _extremes(block: LeastSquaresProblem, left: Any, right: Any) -> Any:
    return score_extremes(block.X, left, right)


def _count(X: Any, Y: Any, weight: Any) -> int:
    return int((weight > 0).sum())


def block_problem(source: BlockSource, degree: int, penalty: float) -> BlockProblem:
    """Return the problem of all data of a source."""
    survey = source.survey
    back = np.asarray(whitening(survey.moment / (survey.n_samples * source.n_tokens)))
    scale = survey.n_rows / survey.weights
    return BlockProblem(None, None, degree, penalty, source=source, back=back, weight_scale=scale)
