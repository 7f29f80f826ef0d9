"""The least-squares half of every fit: whitened data, and the spline that goes with a matrix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pairint.backend import array_namespace
from pairint.estimation.inner import (
    InnerSolution,
    NormalEquations,
    block_equations,
    normal_equations,
    solve_inner,
)
from pairint.kernels.projected import score_tails
from pairint.model.attention import check_tokens, sample_chunks
from pairint.model.splines import Spline, SplineSpace
from pairint.validation import check_floats, check_integer, check_real

__all__ = [
    "LARGEST_NUMBER",
    "TAIL",
    "LeastSquaresProblem",
    "OuterState",
    "check_weight",
    "joined_extremes",
    "range_of_extremes",
    "score_extremes",
    "score_range",
]

#: Largest size of tokens, outputs and factors: squares and their sums must stay finite.
LARGEST_NUMBER = 1e60
#: Scores left out of the interval of a spline at either end.
TAIL = 5


@dataclass(frozen=True)
class OuterState:
    """A matrix in factors, and the inner solution it leads to; after an iteration also how that went."""

    left: Any
    right: Any
    space: SplineSpace
    inner: InnerSolution
    converged: bool = False
    #: What a descent measured its last gradients by, for a next one that begins here.
    metric: Any = None
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def spline(self) -> Spline:
        """The fitted activation."""
        return self.space.spline(self.inner.coefficients)


@dataclass(frozen=True, eq=False)
class LeastSquaresProblem:
    """Data, a degree and a penalty: everything that a fit needs besides the matrix and the cells.

    All that a fit asks of many data are sums over samples: :meth:`over_blocks` and :meth:`over_factors`
    return them. Here there is one block; :class:`~pairint.estimation.out_of_core.BlockProblem` has many.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    X : array_like, shape (M, N, d)
        Tokens, ``N >= 2``; whitened, if a matrix is to be found.
    Y : array_like, shape (M, N)
        Outputs.
    degree : int
        Degree ``s >= 0`` of the splines.
    penalty : float
        Weight ``>= 0`` of squared second differences, see :func:`pairint.estimation.inner.solve_inner`.
    n_matrix : int
        Number ``>= 0`` of parameters that are fitted besides the spline (those of the matrix).
    weight : array_like, shape (M, N), optional
        Weights ``>= 0`` of the squared residuals; by default all are one.

    Raises
    ------
    ValueError
        For wrong shapes, NaN, infinite or huge entries (above ``1e60``), or a number out of range.
    """

    X: Any
    Y: Any
    degree: int
    penalty: float
    n_matrix: int = 0
    weight: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "X", check_floats("X", check_tokens(self.X), largest=LARGEST_NUMBER))
        shape = tuple(self.X.shape[:2])
        object.__setattr__(self, "Y", check_floats("Y", self.Y, shape, largest=LARGEST_NUMBER))
        object.__setattr__(self, "degree", check_integer("degree", self.degree, 0))
        object.__setattr__(self, "penalty", check_real("penalty", self.penalty, 0.0))
        object.__setattr__(self, "n_matrix", check_integer("n_matrix", self.n_matrix, 0))
        if self.weight is not None:
            object.__setattr__(self, "weight", check_weight("weight", self.weight, shape))

    @property
    def d(self) -> int:
        """Embedding dimension."""
        return int(self.X.shape[2])

    @property
    def n_rows(self) -> int:
        """Number of outputs, ``M N`` if none has the weight zero."""
        if self.weight is not None:
            return int((self.weight > 0).sum())
        return int(self.Y.shape[0] * self.Y.shape[1])

    @property
    def n_samples(self) -> int:
        """Number of samples ``M``."""
        return int(self.Y.shape[0])

    @property
    def n_tokens(self) -> int:
        """Number of tokens ``N`` of a sample."""
        return int(self.Y.shape[1])

    @property
    def total_square(self) -> float:
        """Weighted sum of the squared outputs."""
        return float(self.weighted(self.Y * self.Y).sum())

    def first(self, n_samples: int) -> LeastSquaresProblem:
        """Return the problem of the first samples (of all, if there are no more)."""
        weight = None if self.weight is None else self.weight[:n_samples]
        return replace(self, X=self.X[:n_samples], Y=self.Y[:n_samples], weight=weight)

    def sample(self, n_samples: int) -> LeastSquaresProblem:
        """Return a problem of the first samples whose tokens and outputs lie in memory."""
        return self.first(n_samples)

    def over_blocks(self, part: Callable[..., Any], *args: Any) -> Any:
        """Return the sum over all blocks of ``part(block, *args)``, an array or a tuple of them."""
        return part(self, *args)

    def over_factors(self, part: Callable[..., Any], left: Any, right: Any, *args: Any) -> Any:
        """Return the sum of ``part(block, left, right, *args)``, which knows tokens by their products.

        The tokens of these blocks need not be whitened: the factors are those that go with them.
        """
        return part(self, left, right, *args)

    def unfolded(self, total: Any) -> Any:
        """Return a sum of tokens times something, ``(d, .)``, as whitened tokens would have given it."""
        return total

    def weighted(self, values: Any) -> Any:
        """Return numbers of the outputs, shape ``(M, N)``, times their weights."""
        return values if self.weight is None else self.weight * values

    @property
    def mean_output(self) -> float:
        """The mean of the outputs."""
        return float(array_namespace(self.Y).average(self.Y, weights=self.weight))

    def weighted_outputs(self) -> Any:
        """Return outputs whose distance from the mean is multiplied by the weight."""
        return self.Y if self.weight is None else self.mean_output + self.weight * (self.Y - self.mean_output)

    def space(self, left: Any, right: Any, n_intervals: int) -> SplineSpace:
        """Return the splines on the interval that the scores of the matrix ``left right'`` fill."""
        return SplineSpace(*self.interval(left, right), n_intervals, self.degree)

    def interval(self, left: Any, right: Any) -> tuple[float, float]:
        """Return the interval that the scores of the matrix ``left right'`` fill, see :func:`score_range`."""
        return score_range(self.X, left, right)

    def equations(
        self, left: Any, right: Any, space: SplineSpace, *, in_cache: bool = False
    ) -> NormalEquations:
        """Return the normal equations of the coefficients.

        ``in_cache`` makes them of rows that stay in the cache: the same to rounding, and faster.
        """
        equations: NormalEquations = self.over_factors(_equations, left, right, space, in_cache)
        return equations

    def solve(self, left: Any, right: Any, space: SplineSpace) -> OuterState:
        """Fit the spline, the matrix ``left right'`` being fixed."""
        inner = solve_inner(self.equations(left, right, space), space, self.penalty)
        return OuterState(left, right, space, inner)


def check_weight(name: str, value: Any, shape: tuple[int, ...]) -> Any:
    """Return checked weights of the outputs, of the shape ``(M, N)``.

    Raises
    ------
    ValueError
        For another shape, an entry that is negative, not finite or huge, or if all are zero.
    """
    weight = check_floats(name, value, shape, largest=LARGEST_NUMBER)
    if bool((weight < 0).any()):
        raise ValueError(f"{name} must have no negative entry, got {float(weight.min())}")
    if not bool((weight > 0).any()):
        raise ValueError(f"{name} must have a positive entry, got zeros only")
    return weight


def _equations(
    block: LeastSquaresProblem, left: Any, right: Any, space: SplineSpace, in_cache: bool
) -> NormalEquations:
    made = block_equations if in_cache else normal_equations
    return made(block.X, block.Y, left, right, space, block.weight)


def score_range(X: Any, left: Any, right: Any, n_tail: int = TAIL) -> tuple[float, float]:
    """Return the interval that holds all scores of distinct tokens but ``n_tail`` at either end.

    Leaving out a fixed number keeps one far score from stretching every cell; beyond the interval
    splines continue linearly.
    """
    return range_of_extremes(score_extremes(X, left, right, n_tail), n_tail)


def score_extremes(X: Any, left: Any, right: Any, n_tail: int = TAIL) -> tuple[Any, Any]:
    """Return the lowest and the highest scores of distinct tokens: of each chunk so many that one is left."""
    xp = array_namespace(X)
    n_samples, n_tokens, d = X.shape
    both = xp.concatenate([left, right], axis=1)
    low: list[Any] = []
    high: list[Any] = []
    for chunk in sample_chunks(n_samples, n_tokens * (both.shape[1] + n_tokens)):
        projected = (X[chunk].reshape(-1, d) @ both).reshape(-1, n_tokens, both.shape[1])
        for extremes, found in zip((low, high), score_tails(projected, n_tail + 1), strict=True):
            extremes.append(found)
    return np.concatenate(low), np.concatenate(high)


def joined_extremes(first: tuple[Any, Any], second: tuple[Any, Any]) -> tuple[Any, Any]:
    """Return the extremes of two parts of the data: the few that may be those of all."""
    low, high = (np.sort(np.concatenate(pair)) for pair in zip(first, second, strict=True))
    return low[: TAIL + 1], high[-TAIL - 1 :]


def range_of_extremes(extremes: tuple[Any, Any], n_tail: int = TAIL) -> tuple[float, float]:
    """Return the interval that leaves out so many scores at either end."""
    lowest, highest = extremes
    lowest, highest = np.sort(lowest[np.isfinite(lowest)]), np.sort(highest[np.isfinite(highest)])
    tail = min(n_tail, len(lowest) - 1)
    lower, upper = float(lowest[tail]), float(highest[-1 - tail])
    if not upper > lower:  # few scores, or all equal
        lower, upper = float(lowest[0]), float(highest[-1])
    if not upper - lower > 1e-9 * max(abs(lower), abs(upper), 1e-300):
        centre, spread = (lower + upper) / 2, max(abs(lower), abs(upper), 1e-3)
        lower, upper = centre - spread, centre + spread
    return lower, upper
