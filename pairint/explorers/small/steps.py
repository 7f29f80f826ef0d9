"""The estimator step by step: one fit from three starts, recorded."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.estimation.error import interaction_error
from pairint.estimation.gauss_newton import balanced_factors, levenberg_marquardt
from pairint.estimation.initial import linear_start, random_start
from pairint.estimation.oracle import OracleRegressor
from pairint.estimation.problem import LeastSquaresProblem, OuterState
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rule
from pairint.explorers.small.base import SmallFigure
from pairint.model.activations import RoughActivation
from pairint.model.attention import AttentionModel
from pairint.model.matrices import interaction_matrix
from pairint.model.noise import GaussianNoise
from pairint.model.splines import Spline
from pairint.model.tokens import UniformCube
from pairint.theory.rates import matrix_dimension

__all__ = ["STARTS", "EstimatorSteps", "Record", "oracle_error", "recorded"]

_D, _N_TOKENS, _N_SAMPLES, _SEED = 5, 3, 2000, 2
_DEGREE, _PENALTY, _TOLERANCE = 3, 0.1, 0.01
#: Gauss-Newton steps with each number of cells.
_SCHEDULE = {8: 5, 16: 1, 32: 1}
_LAST = sum(steps + 1 for steps in _SCHEDULE.values()) - 1
_BOUND, _GRID, _PAIRS, _FLOOR = 2.6, 241, 20_000, -1.9
#: The seeds of the random starts: the first finds its way, the second is caught on a plateau.
_RANDOM = {"random": 4, "caught": 7}
STARTS = {"moments": "from moments of the data", "random": "at random", "caught": "at random, once more"}
_WORDS = {
    "start": "the matrix we start from, and the best spline for it",
    "step": "Gauss–Newton moves the matrix, the spline follows",
    "still": "no step lowers the risk any more",
    "double": "twice as many cells, the same matrix",
}


@dataclass(frozen=True)
class Record:
    """One state of the fit.

    Attributes
    ----------
    kind : {"start", "step", "still", "double"}
        What was done last.
    spline : Spline
        The activation, for a matrix with the sign of the truth's.
    sign : int
        The spline belongs to ``sign`` times the score.
    error, matrix_error : float
        Squared error of the interaction in L2(rho) (Monte Carlo), and of the matrix in Frobenius norm.
    """

    kind: str
    spline: Spline
    sign: int
    error: float
    matrix_error: float

    @property
    def cells(self) -> int:
        """Number of cells of the spline."""
        return self.spline.space.n_intervals


class EstimatorSteps(SmallFigure):
    """One fit of the estimator, step by step, from three starts.

    Book: :doc:`/book/estimator`.

    A matrix of rank one in dimension five, three tokens, 2000 samples. With eight cells Gauss-Newton moves
    the matrix, the spline projected out; then the cells double, twice. The steps are those of
    :func:`pairint.estimation.gauss_newton.levenberg_marquardt`.
    """

    name = "steps"
    title = "The estimator, step by step"
    summary = (
        "Step {step} of {last}: {what}. With K = {cells} cells the squared error is {error}; with A known it "
        "would end at {oracle}."
    )
    play = "step"
    parameters = (
        Parameter("step", "step", 2, 0, _LAST, 1, integer=True),
        Parameter(
            "start", "start", "random", scale="choice", choices=tuple(STARTS), names=tuple(STARTS.values())
        ),
    )
    panels = (
        Panel(
            "curve",
            "The activation after step {step}",
            Axis("score u = x′Ay", range=(-_BOUND, _BOUND)),
            Axis("φ(u)", range=(_FLOOR, 2.1)),
            (
                line("truth", "truth", "truth", width=1.6),
                line("fit", "fit, K = {cells}", "fit", width=2.8),
                points("knots", "cell ends", "fit", "tick", 3.0),
            ),
            height=240,
        ),
        Panel(
            "error",
            "Errors of the interaction g and of A",
            Axis("step", range=(-0.3, _LAST + 0.3)),
            Axis("squared error", "log", (1e-5, 5.0)),
            (
                line("interaction", "g", "fit", width=2.6),
                line("matrix", "A", "matrix", "dash"),
                rule("oracle", "g if A known", "y", "oracle", "dot", 1.6),
                points("here", "now", "ink", "circle", 5.0),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        u = np.linspace(-_BOUND, _BOUND, _GRID)
        paths = {}
        for start in STARTS:
            paths[start] = [
                {
                    "kind": r.kind,
                    "lower": r.spline.space.lower,
                    "upper": r.spline.space.upper,
                    "sign": r.sign,
                    "coefficients": np.round(r.spline.coefficients, 8).tolist(),
                    "error": r.error,
                    "matrix": r.matrix_error,
                }
                for r in recorded(start)
            ]
        truth = np.round(_model().activation(u), 8).tolist()
        constants = {"bound": _BOUND, "grid": _GRID, "floor": _FLOOR, "degree": _DEGREE, "last": _LAST}
        return constants | {"words": _WORDS, "truth": truth, "oracle": oracle_error(), "paths": paths}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        path = recorded(values["start"])
        here = path[values["step"]]
        u = np.linspace(-_BOUND, _BOUND, _GRID)
        space = here.spline.space
        ends = np.linspace(space.lower, space.upper, here.cells + 1)
        ends = ends[np.abs(ends) <= _BOUND]
        steps = np.arange(len(path))
        series = {
            "curve.truth": {"x": u, "y": _model().activation(u)},
            "curve.fit": {"x": u, "y": here.spline(here.sign * u)},
            "curve.knots": {"x": ends, "y": np.full(len(ends), _FLOOR)},
            "error.interaction": {"x": steps, "y": [r.error for r in path]},
            "error.matrix": {"x": steps, "y": [r.matrix_error for r in path]},
            "error.oracle": {"at": oracle_error()},
            "error.here": {"x": [values["step"]], "y": [here.error]},
        }
        facts = {
            "cells": here.cells,
            "last": _LAST,
            "what": _WORDS[here.kind],
            "error": here.error,
            "oracle": oracle_error(),
        }
        return Numbers(series, facts)


@functools.cache
def _model() -> AttentionModel:
    matrix = interaction_matrix(_D, 1, np.random.default_rng(_SEED))
    return AttentionModel(RoughActivation(2.0, 11, n_terms=12), matrix, UniformCube(_D), GaussianNoise(0.1))


@functools.cache
def _problem() -> LeastSquaresProblem:
    X, Y = _model().sample(_N_SAMPLES, _N_TOKENS, np.random.default_rng([_SEED, 1]))
    return LeastSquaresProblem(X, Y, _DEGREE, _PENALTY, matrix_dimension(_D, 1) - 1)


@functools.cache
def oracle_error() -> float:
    """Return the squared error with the matrix known, and as many cells as the last steps have."""
    problem = _problem()
    known = OracleRegressor(_model().matrix, _DEGREE, max(_SCHEDULE)).fit(problem.X, problem.Y)
    return float(interaction_error(known, _model(), n_pairs=_PAIRS, rng=0).value)


@functools.cache
def recorded(start: str) -> list[Record]:
    """Return the states of the fit from one of `STARTS`, the first one before any step."""
    return [_record(kind, state) for kind, state in _path(start)]


def _path(start: str) -> Iterator[tuple[str, OuterState]]:
    problem = _problem()
    if start == "moments":
        factors = linear_start(problem.X, problem.Y, 1)
    else:
        factors = random_start(_D, 1, np.random.default_rng(_RANDOM[start]), problem.X)
    kind = "start"
    for cells, steps in _SCHEDULE.items():
        space = problem.space(*factors, cells)
        state = problem.solve(*balanced_factors(*factors), space)
        yield kind, state
        for n in range(1, steps + 1):  # from the first each time: the damping has a memory
            state = levenberg_marquardt(problem, *factors, space, n, _TOLERANCE)
            yield "step" if len(state.history) == n else "still", state
        factors = (state.left, state.right)
        kind = "double"


def _record(kind: str, state: OuterState) -> Record:
    model = _model()
    matrix: NDArray[np.float64] = state.left @ state.right.T
    sign = 1 if np.sum(matrix * model.matrix) >= 0 else -1
    fit = AttentionModel(state.spline, matrix, model.tokens)
    error = float(interaction_error(fit, model, n_pairs=_PAIRS, rng=0).value)
    return Record(kind, state.spline, sign, error, float(np.sum((sign * matrix - model.matrix) ** 2)))
