r"""Whether two fits are one, and how well one knows its function: in :math:`g` itself, not in the risk.

Two fits of one valley are one function. Two fits of nearly one risk need not be: averages over many partners
are explained for the most part by what one token tells, and :math:`g` may be anything beside it. So fits are
compared where they differ, at pairs of tokens. And a fit whose outputs tell little of :math:`g` predicts its
own error there: with :math:`T` the derivatives of the outputs by all parameters, and :math:`t` those of
:math:`g(x, y)`, the variance is :math:`\sigma^2 t^\top (T^\top T + P)^{-1} t`, :math:`P` being the penalty.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from pairint.backend import array_namespace, to_host
from pairint.estimation.inner import aggregated_design, factor_scores
from pairint.estimation.problem import LeastSquaresProblem, OuterState
from pairint.model.attention import sample_chunks
from pairint.model.splines import Spline

__all__ = ["SAME_FUNCTION", "function_distance", "predicted_share", "tangent_rows"]

#: Share of the variance of g from which two fits are two functions.
SAME_FUNCTION = 0.1
#: Pairs at which functions are compared, about.
_PAIRS = 20_000
#: Pairs at which an error is predicted; outputs that it is predicted from: for each parameter, and at least.
_FEW_PAIRS, _OUTPUTS, _LEAST_OUTPUTS = 1000, 4, 2000
#: More parameters than this take seconds: the error is not predicted.
MOST_PARAMETERS = 1500
#: Added to the information, in units of its diagonal: what lies below is rounding. Along changes of factors
#: that keep the matrix no output depends on them, and g does not either.
_RIDGE = 1e-10
#: A function whose variance is below this share of its mean square is constant, to rounding.
_CONSTANT = 1e-10


def function_distance(problem: LeastSquaresProblem, first: OuterState, second: OuterState) -> float:
    """Return the mean squared difference of two fits at pairs of tokens, over their smaller variance.

    At pairs whose scores lie within the cells of both: beyond, fits are lines that no data hold.

    Parameters
    ----------
    problem : LeastSquaresProblem
        Whitened data in memory, of which the first samples are taken.
    first, second : OuterState
        The fits.
    """
    few = problem.first(max(2, math.ceil(_PAIRS / problem.n_tokens**2)))
    scores = [factor_scores(few.X, state.left, state.right) for state in (first, second)]
    within = ~array_namespace(few.X).eye(problem.n_tokens, dtype=bool)[None]
    for state, of_state in zip((first, second), scores, strict=True):
        within = within & (of_state >= state.space.lower) & (of_state <= state.space.upper)
    if not bool(within.any()):
        return math.inf
    values = [state.spline(of_state[within]) for state, of_state in zip((first, second), scores, strict=True)]
    square = float(((values[0] - values[1]) ** 2).mean())
    variance = min(float(((value - value.mean()) ** 2).mean()) for value in values)
    size = max(float((value**2).mean()) for value in values)
    return square / max(variance, _CONSTANT * size) if size > 0.0 else 0.0


def predicted_share(
    problem: LeastSquaresProblem, left: Any, right: Any, spline: Spline, noise_std: float
) -> float:
    """Return the mean squared error of g that noise makes, predicted by the fit, over the variance of g.

    Without what the cells cannot follow, and as if this were the right valley. nan for very many parameters.

    Parameters
    ----------
    problem : LeastSquaresProblem
        The data.
    left, right : array, shape (d, r)
        Factors of the fitted matrix, in the coordinates of these data.
    spline : Spline
        The fitted activation.
    noise_std : float
        Of an output of weight one.
    """
    n_spline = spline.space.dimension
    n_parameters = n_spline + (2 * int(left.size) if problem.n_matrix else 0)
    if n_parameters > MOST_PARAMETERS:
        return math.nan
    outputs = max(_OUTPUTS * n_parameters, _LEAST_OUTPUTS)
    part = problem.sample(max(1, math.ceil(outputs * problem.n_samples / problem.n_rows)))
    information: Any = 0.0
    for _, rows in tangent_rows(part, left, right, spline):
        information = information + to_host(rows.T @ rows)
    # The inverse of a matrix of few random rows is too large on average, by this factor for Gaussian ones.
    fewer = 1.0 if part.n_rows >= problem.n_rows else 1.0 - n_parameters / part.n_rows
    information *= problem.n_rows / part.n_rows / max(fewer, 0.5)
    information[:n_spline, :n_spline] += problem.penalty * spline.space.difference_penalty()
    scale = np.sqrt(np.where(np.diag(information) > 0.0, np.diag(information), 1.0))
    system = information / np.outer(scale, scale)
    system[np.diag_indices_from(system)] += _RIDGE * n_parameters
    try:
        factor = linalg.cholesky(system, lower=True, check_finite=False)
    except linalg.LinAlgError:
        return math.inf
    pairs = _pairs(problem, left, right, spline)
    if pairs is None:
        return math.inf
    variance, size, products = pairs
    spread = linalg.cho_solve((factor, True), products / np.outer(scale, scale), check_finite=False)
    error = noise_std**2 * float(np.trace(spread))
    return error / max(variance, _CONSTANT * size) if size > 0.0 else math.inf


def _pairs(
    problem: LeastSquaresProblem, left: Any, right: Any, spline: Spline
) -> tuple[float, float, NDArray[np.float64]] | None:
    """Return variance and mean square of g at pairs of tokens within the cells, and of its derivatives.

    The last is the mean of the products of two of them, a matrix. None if there are no such pairs.
    """
    n_tokens, space = problem.n_tokens, spline.space
    few = problem.sample(max(2, math.ceil(2 * _FEW_PAIRS / n_tokens**2)))
    xp = array_namespace(few.X)
    scores = factor_scores(few.X, left, right)
    within = (scores >= space.lower) & (scores <= space.upper) & ~xp.eye(n_tokens, dtype=bool)[None]
    places = xp.nonzero(within)
    if not len(places[0]):
        return None
    sample, first, second = (place[:: max(1, len(places[0]) // _FEW_PAIRS)] for place in places)
    u = scores[sample, first, second]
    rows = [space.design(u)]
    if problem.n_matrix:
        slope = spline.derivative(u)[:, None, None]
        x, y = few.X[sample, first], few.X[sample, second]
        by_left = slope * x[:, :, None] * (y @ right)[:, None, :]
        by_right = slope * y[:, :, None] * (x @ left)[:, None, :]
        rows += [part.reshape(len(u), -1) for part in (by_left, by_right)]
    derivatives, values = xp.concatenate(rows, axis=1), spline(u)
    variance, size = float(((values - values.mean()) ** 2).mean()), float((values**2).mean())
    return variance, size, to_host(derivatives.T @ derivatives) / len(u)


def tangent_rows(problem: LeastSquaresProblem, left: Any, right: Any, activation: Spline) -> Any:
    """Yield, chunk by chunk, the derivatives of the outputs: coefficients, then left and right factors.

    The rows carry the roots of the weights.
    """
    xp = array_namespace(problem.X)
    n_samples, n_tokens, d = problem.X.shape
    width = activation.space.dimension + (2 * int(left.size) if problem.n_matrix else 0)
    for chunk in sample_chunks(n_samples, n_tokens * (2 * width + 4 * n_tokens)):
        X = problem.X[chunk]
        scores = factor_scores(X, left, right)
        design = aggregated_design(scores, activation.space)
        rows = xp.asarray(design.toarray() if sparse.issparse(design) else design)
        if problem.n_matrix:
            pulled = activation.partner_moments(scores, X).reshape(-1, d)
            tokens = X.reshape(-1, d)
            count = tokens.shape[0]
            by_left = (tokens[:, :, None] * (pulled @ right)[:, None, :]).reshape(count, -1)
            by_right = (pulled[:, :, None] * (tokens @ left)[:, None, :]).reshape(count, -1)
            rows = xp.concatenate([rows, by_left, by_right], axis=1)
        if problem.weight is not None:
            rows = rows * xp.sqrt(problem.weight[chunk].reshape(-1, 1))
        yield chunk, rows
