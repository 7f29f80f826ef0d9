"""What the benchmarks share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.estimation import LeastSquaresProblem
from pairint.estimation.base import matrix_parameters, normal_form, whiten
from pairint.estimation.initial import truncated_factors
from pairint.estimation.robust import pulled_in
from pairint.estimation.search import Search
from pairint.model.splines import Spline


def least_time(
    call: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the shortest of several runs, in seconds, after one that is not counted.

    ``time.process_time`` as the clock counts the processor's time, whatever else the machine does.
    """
    call()
    times = []
    for _ in range(repeats):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)


def fit_from(
    matrix: NDArray[np.float64],
    X: Any,
    Y: Any,
    rank: int,
    degree: int,
    n_intervals: int | None,
    solver: str,
    loss: str = "squared_error",
) -> tuple[float, NDArray[np.float64], Spline]:
    """Fit from one start, with the regressor's defaults; return risk, matrix and activation.

    With the true matrix as the start it ends in the truth's valley, which no cold fit is told of.
    """
    X, Y = np.asarray(X, float), np.asarray(Y, float)
    whitened, back = whiten(X)
    forward = np.linalg.pinv(back)
    d = X.shape[2]
    problem = LeastSquaresProblem(whitened, Y, degree, 0.1, n_matrix=matrix_parameters(d, rank))
    start = truncated_factors(forward @ matrix @ forward.T, rank)
    if loss == "huber":
        pulled = replace(problem, Y=pulled_in(Y, None))
        found = Search(pulled, n_intervals, 50, 1e-2, solver).fit([start], 0, np.random.default_rng(0))
        robust = found.reweighted(Y)
        state, risk = [found.state, *robust.stages][-1], robust.loss / problem.n_rows
    else:
        search = Search(problem, n_intervals, 50, 1e-2, solver)
        state = search.fit([start], 0, np.random.default_rng(0)).state
        risk = state.inner.residual / problem.n_rows
    return risk, *normal_form(back @ (state.left @ state.right.T) @ back.T, state.spline)
