"""What a fit warns of by itself: the doubts of a diagnosis that cost next to nothing.

They look at numbers that the fit has, and at the scores of a few thousand pairs: no step of the fit is made
again, nothing is drawn, and no fitted number depends on them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pairint.backend import array_namespace, to_device, to_host
from pairint.estimation.base import matrix_parameters
from pairint.estimation.diagnosis import (
    FEWEST_OUTPUTS,
    LARGEST_MEAN,
    LARGEST_SHARE,
    LEAST_COERCIVITY,
    MOST_OUTSIDE,
    excess_moments,
    excess_of_second,
    fit_residuals,
    sampled_coercivity,
    tenth_means,
    weakest_direction,
)
from pairint.estimation.inner import factor_scores
from pairint.estimation.problem import TAIL, LeastSquaresProblem, OuterState
from pairint.estimation.rivals import predicted_share

__all__ = ["FitWarning", "cheap_doubts", "search_doubts"]

#: Pairs whose scores are looked at, and the fewest samples that say something of the sums over partners.
_PAIRS, _FEWEST_SAMPLES = 60_000, 20
#: Of so many tokens the averages over partners are nearly the same for all tokens of a sample.
_MANY_TOKENS = 10
#: Outputs whose residuals are looked at.
_OUTPUTS = 6000
#: What a fit leaves may be of any form if it cannot be more than this share of the variance of g.
LEAST_LEFT = 0.1
#: A function that noise moves by no more than this share of its variance is known, whatever the counts are.
WELL_KNOWN = 0.03
#: Where at least such a share of the tokens counts, large ones decide little.
MOST_COUNT = 0.5


class FitWarning(UserWarning):
    """A fit has doubts of its own; ``fit.diagnose(X, Y)`` says more.

    Book: :doc:`/book/estimator`.
    """


def cheap_doubts(
    problem: LeastSquaresProblem,
    state: OuterState,
    noise_std: float,
    start_risks: Any,
    *,
    agreed: bool = False,
) -> list[str]:
    """Return the reasons for doubt that can be seen without another step, each with what helps.

    Few outputs a parameter are no doubt where the outputs are known to tell the function: they then have
    little noise. This is known only where the search has left nothing open.

    Parameters
    ----------
    problem : LeastSquaresProblem
        Whitened data.
    state : OuterState
        Where the fit ended.
    noise_std : float
        As the fit estimates it.
    start_risks : array_like
        What the coarse fits from the starts reached.
    agreed : bool
        Whether the search left nothing open: its starts met in one function, and no other is as good.
    """
    n_parameters = state.inner.dof + problem.n_matrix
    share = _share(problem, state, noise_std)
    found = [_data(problem, n_parameters, agreed and share <= WELL_KNOWN)]
    n_tokens = problem.n_tokens
    few = problem.sample(max(1, _PAIRS // n_tokens**2))
    scores = factor_scores(few.X, state.left, state.right)
    found.append(_averages(problem))
    found.append(_beyond(scores, state))
    found.append(_weak(problem, state, scores, noise_std))
    found.append(_hidden(few, state))
    found.append(_vague(share))
    found.append(_structured(problem, state, noise_std))
    excess = excess_of_second(start_risks, n_parameters, problem.n_rows)
    if excess is not None:
        found.append(
            f"the second best of {len(start_risks)} starts ended {excess:.0%} above the best: raise "
            "n_starts, or compare with another start"
        )
    return [doubt for doubt in found if doubt]


def search_doubts(explained: tuple[float, float], rival: float | None, poor: bool) -> list[str]:
    """Return what the search leaves open, each with what helps.

    Parameters
    ----------
    explained : (float, float)
        Share of the variance that the coarse fit explains, and the least that noise does not; nan, if it was
        not asked.
    rival : float, optional
        Distance of another fit that noise may have put behind this one.
    poor : bool
        Whether one rank more explains what noise does not.
    """
    found = []
    share, least = explained
    if share < least:
        found.append(
            f"it explains no more than noise: {share:.0%} of the variance on few cells, where up to "
            f"{least:.0%} is explained of outputs in random order: give more samples, lower the rank, or "
            "raise n_starts"
        )
    if rival is not None:
        found.append(
            f"another fit explains the outputs as well, and its function differs by {rival:.0%} of the "
            "variance: give more samples, lower the rank, or raise n_starts"
        )
    if poor:
        found.append(
            "one rank more explains what noise does not, so the rank is too low, or the fit lies in a poor "
            "valley: raise rank, or n_starts"
        )
    return found


def _share(problem: LeastSquaresProblem, state: OuterState, noise_std: float) -> float:
    """Return the predicted error of g; nan where nothing tells the noise, or the fit is too large."""
    if not noise_std > 0.0:
        return math.nan
    return predicted_share(problem, state.left, state.right, state.spline, noise_std)


def _vague(share: float) -> str | None:
    """A function that the data leave open."""
    if not share > LARGEST_SHARE:
        return None
    return (
        f"the function is known to {share:.0%} of its variance only: give more samples, lower the rank, or "
        "n_intervals"
    )


def _structured(problem: LeastSquaresProblem, state: OuterState, noise_std: float) -> str | None:
    """Residuals that are not noise, of a fit that leaves more than next to nothing.

    Independent partners average g, so that what is left of the outputs can be ``N - 1`` times as much of it.
    """
    part = problem.sample(max(1, math.ceil(_OUTPUTS * problem.n_samples / problem.n_rows)))
    spread = float(part.weighted((part.Y - part.mean_output) ** 2).sum()) / part.n_rows
    if part.n_rows < 10 * _FEWEST_SAMPLES or not (part.n_tokens - 1) * noise_std**2 > LEAST_LEFT * spread:
        return None
    residual, score, _ = fit_residuals(part, state.left, state.right, state.spline)
    positive = np.ones(residual.shape, bool) if part.weight is None else to_host(part.weight) > 0
    _, means, errors = tenth_means(residual[positive], score[positive])
    even = bool((np.abs(means) <= LARGEST_MEAN * errors).all())
    if even and excess_moments(part.X, to_device(residual, part.X)) <= 1.0:
        return None
    return (
        "what is left is not noise: raise n_intervals, rank or n_starts; if nothing helps, the outputs are "
        "no mean of a function of one score"
    )


def _data(problem: LeastSquaresProblem, n_parameters: float, well_known: bool) -> str | None:
    """Few outputs a parameter, or so few tokens of large norm that the others hardly count."""
    ratio = problem.n_rows / n_parameters
    if ratio < FEWEST_OUTPUTS and not well_known:
        return f"{ratio:.1f} outputs a parameter: give more samples, lower the rank, or n_intervals"
    # A whitened token's squared norm is its leverage on linear functions, up to a factor.
    norms, squares = problem.over_blocks(_norms)
    share = norms**2 / squares / (problem.n_samples * problem.n_tokens)
    if share * ratio >= FEWEST_OUTPUTS or (well_known and share >= MOST_COUNT):
        return None
    return (
        f"{share:.1%} of the tokens are so large that the others hardly count: look at the largest, remove "
        "samples that do not belong, or lower n_intervals"
    )


def _averages(problem: LeastSquaresProblem) -> str | None:
    """Fewer samples of many tokens than a token has dimensions.

    All tokens of a sample see nearly the same partners: their average differs by one token of ``N - 1``. So
    what partners are good for is told by about as many averages as there are samples, and there are
    directions in which none of them deviates from the mean.
    """
    if problem.n_tokens < _MANY_TOKENS or problem.n_samples >= problem.d:
        return None
    return (
        f"{problem.n_samples} samples of {problem.n_tokens} tokens of {problem.d} dimensions: all tokens of "
        "a sample see nearly the same average over partners, and so few averages leave room for other "
        "functions: give more samples, if need be shorter ones"
    )


def _norms(block: LeastSquaresProblem) -> tuple[float, float]:
    """Return the sum of the squared norms of the tokens, and that of their squares."""
    norms = array_namespace(block.X).einsum("mnd,mnd->mn", block.X, block.X).reshape(-1)
    return float(norms.sum()), float((norms**2).sum())


def _beyond(scores: Any, state: OuterState) -> str | None:
    """Scores beyond the cells, where the fit is a straight line."""
    space, n_tokens = state.space, scores.shape[1]
    distinct = ~array_namespace(scores).eye(n_tokens, dtype=bool)
    outside = ((scores < space.lower) | (scores > space.upper))[:, distinct]
    number = max(1, math.prod(outside.shape))
    share = float(outside.sum()) / number
    if share <= MOST_OUTSIDE + 2 * TAIL / number:  # the interval of a fit leaves so many out
        return None
    return f"{share:.1%} of the scores lie beyond the cells: remove tokens that are far from the others"


def _weak(problem: LeastSquaresProblem, state: OuterState, scores: Any, noise_std: float) -> str | None:
    """A rank so large that the last direction is noise.

    The error of the matrix is predicted as if the scores of a token were independent.
    """
    d, rank = state.left.shape
    n_tokens = problem.n_tokens
    if d == 1 or rank == 1 or not noise_std > 0.0:
        return None
    distinct = ~array_namespace(scores).eye(n_tokens, dtype=bool)
    slope = float((state.spline.derivative(scores)[:, distinct] ** 2).mean())
    matrix = to_host(state.left @ state.right.T)
    if not slope > 0.0:
        return None
    square = matrix_parameters(d, rank) * noise_std**2 * (n_tokens - 1) / (problem.n_rows * slope)
    if weakest_direction(matrix, rank, math.sqrt(square) / float(np.linalg.norm(matrix))) >= 1.0:
        return None
    return (
        f"the last of {rank} singular values is no larger than noise makes it: lower rank, or let "
        "rank='auto' choose it"
    )


def _hidden(few: LeastSquaresProblem, state: OuterState) -> str | None:
    """Functions of the score that the sums over partners do not show."""
    if few.Y.shape[0] < _FEWEST_SAMPLES or few.Y.shape[1] == 2:  # a single partner hides nothing
        return None
    ratio = sampled_coercivity(few.X, state.left, state.right, state.space)
    if not ratio < LEAST_COERCIVITY:
        return None
    return (
        "the sums over partners hide some functions of the score (coercivity "
        f"{ratio:.3f}): vary which tokens stand together, or their number"
    )
