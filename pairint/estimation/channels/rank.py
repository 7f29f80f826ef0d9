"""The rank of a channel fit, chosen by its error on samples that the fit does not see, and by a penalty.

A penalty takes the fit for the minimum and the noise for white. So every rank is judged first by its error
on samples left out, whose differences between two ranks, sample by sample, also say how sure this is.
Among those that are not worse for sure the penalty decides: they differ by noise.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace, to_device, to_host
from pairint.estimation.base import matrix_parameters
from pairint.estimation.channels.activation import Family, SplineFamily
from pairint.estimation.channels.fit import ChannelFit, channel_outputs, fit_channel
from pairint.estimation.channels.solver import balanced
from pairint.estimation.channels.system import ChannelProblem
from pairint.estimation.selection import RankChoice, rank_criterion

__all__ = ["fit_channel_of_unknown_rank", "largest_channel_rank"]

#: One sample in so many judges the ranks; fewest samples that judge.
_FOLD, _FEWEST = 5, 4
#: Fewest outputs for each parameter of the matrix among the samples that are fitted.
_OUTPUTS = 2
#: While ranks are compared, a step is worth while if it promises so many noise variances a parameter.
_LOOSE = 0.05
#: Steps of a fit that is only compared, at most.
_STEPS = 10
#: A rank is out if its error on samples left out is higher by so many standard errors of the difference.
_WORSE = 1.96


def largest_channel_rank(n_rows: int, d: int, largest: int, n_values: int) -> int:
    """Return the largest rank that so many outputs can judge, at most ``largest``.

    Parameters
    ----------
    n_rows : int
        Numbers observed.
    d : int
    largest : int
    n_values : int
        Outputs in ``R^v`` with values to be learned, or 0.
    """
    fitted = n_rows * (_FOLD - 1) // _FOLD
    while largest > 1 and _OUTPUTS * (matrix_parameters(d, largest) + d * n_values) > fitted:
        largest -= 1
    return largest


def fit_channel_of_unknown_rank(
    problem: ChannelProblem,
    family: Family,
    largest: int,
    n_intervals: int | None,
    weight: float,
    start: str,
    n_starts: int,
    max_iter: int,
    tol: float,
    rng: np.random.Generator,
) -> tuple[ChannelFit, RankChoice]:
    """Choose the rank, then fit all samples from what was found.

    Ranks 1, 2, 4, ... are fitted from their starts until the error on the samples left out has risen for
    sure; then those between, each from the next larger fit without its smallest singular
    values, by halving the steps around the best. Of those whose error is not higher
    than the lowest for sure, the best has the lowest
    :func:`~pairint.estimation.selection.rank_criterion`: on few samples left out ranks too large
    differ by noise.

    Parameters
    ----------
    problem, family, n_intervals, weight, start, n_starts, max_iter, tol, rng
        As of :func:`~pairint.estimation.channels.fit.fit_channel`, for one head; ``start`` is a name.
    largest : int
        Largest rank that may be tried.

    Raises
    ------
    ValueError
        For fewer than 20 samples.
    """
    n_samples = problem.X.shape[0]
    if n_samples < _FOLD * _FEWEST:
        raise ValueError(
            f'X must have at least {_FOLD * _FEWEST} samples for rank="auto" in a channel, which leaves '
            f"one in {_FOLD} out, got {n_samples}"
        )
    order = rng.permutation(n_samples)
    n_judges = n_samples // _FOLD
    judges, fitted = _part(problem, np.sort(order[:n_judges])), _part(problem, np.sort(order[n_judges:]))
    d = problem.X.shape[2]
    fits: dict[int, ChannelFit] = {}
    errors: dict[int, NDArray[np.float64]] = {}

    def judge(rank: int, begin: Any) -> None:
        loose = max(tol, _LOOSE * matrix_parameters(d, rank))
        fits[rank] = fit_channel(
            fitted, family, rank, n_intervals, weight, 1, begin, n_starts, min(max_iter, _STEPS), loose, rng
        )
        errors[rank] = _errors(judges, fits[rank])

    def best() -> int:
        lowest = errors[min(errors, key=lambda rank: (float(errors[rank].mean()), rank))]
        kept = [rank for rank, own in errors.items() if _rise(own, lowest) <= _WORSE]
        return min(kept, key=lambda rank: (_criterion(fits[rank], matrix_parameters(d, rank)), rank))

    rank = 1
    judge(1, start)
    while rank < largest:
        rank = min(2 * rank, largest)
        judge(rank, start)
        if _rise(errors[rank], errors[best()]) > _WORSE:
            break
    step = max(1, max(fits) // 4)
    while True:
        centre = best()
        near = [
            rank for rank in (centre - step, centre + step) if 1 <= rank <= max(fits) and rank not in fits
        ]
        for rank in near:
            judge(rank, _truncated(fits[min(larger for larger in fits if larger > rank)], rank))
        if best() == centre:
            if step == 1:
                break
            step = (step + 1) // 2
    chosen = best()
    whole = fit_channel(
        problem,
        family,
        chosen,
        n_intervals,
        weight,
        1,
        _truncated(fits[chosen], chosen),
        n_starts,
        max_iter,
        tol,
        rng,
    )
    ranks = sorted(fits)
    return whole, RankChoice(
        chosen,
        np.array(ranks, np.intp),
        np.array([errors[rank].mean() for rank in ranks]),
        np.array([fits[rank].n_intervals for rank in ranks], np.intp),
        chosen == largest < d,
        np.array([_standard_error(errors[rank] - errors[chosen]) for rank in ranks]),
    )


def _part(problem: ChannelProblem, index: Any) -> ChannelProblem:
    """Return the problem of some samples."""
    index = to_device(index, problem.X)
    root = None if problem.root is None else problem.root[index]
    return replace(problem, X=problem.X[index], Y=problem.Y[index], data=problem.data[index], root=root)


def _errors(problem: ChannelProblem, fit: ChannelFit) -> NDArray[np.float64]:
    """Return the mean squared residual of each sample; infinite if the channel does not admit the fit."""
    xp = array_namespace(problem.X)
    try:
        outputs = channel_outputs(problem.channel, fit.heads, problem.X, problem.data, tuple(problem.Y.shape))
    except ValueError:
        return np.full(problem.X.shape[0], math.inf)
    squares = problem.rooted(problem.Y - outputs) ** 2
    means = xp.mean(squares.reshape(squares.shape[0], -1), axis=1, dtype=xp.float64)
    return np.asarray(to_host(means), dtype=float)


def _criterion(fit: ChannelFit, n_matrix: int) -> float:
    dof = fit.n_coefficients + fit.n_other - n_matrix
    return rank_criterion(fit.state.residual, dof, n_matrix, fit.n_rows)


def _rise(errors: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return by how many of its standard errors the mean of the first is above that of the others."""
    rise = errors - others
    if not np.isfinite(rise).all():
        return math.inf
    mean = float(rise.mean())
    return 0.0 if mean <= 0.0 else mean / max(_standard_error(rise), 1e-300)


def _standard_error(values: NDArray[np.float64]) -> float:
    if not np.isfinite(values).all():
        return math.inf
    return float(values.std(ddof=1)) / math.sqrt(len(values))


def _truncated(fit: ChannelFit, rank: int) -> tuple[Any, Any]:
    """Return factors to start from: the fitted ones without the smallest singular values on white tokens.

    A start is a guess for a logarithm of unit slope, so that of a learned one moves into the factors.
    """
    head = balanced(fit.state.heads[0])
    factors = fit.back @ head.left[:, :rank], fit.back @ head.right[:, :rank]
    if not (isinstance(head.family, SplineFamily) and head.family.log):
        return factors
    space = head.family.space
    first, last = (float(head.activation.log(np.array([end]))[0]) for end in (space.lower, space.upper))
    slope = (last - first) / (space.upper - space.lower)
    return (factors[0] * slope, factors[1]) if slope != 0.0 else factors
