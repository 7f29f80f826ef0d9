"""Fit explorer: truth, data and fit, too few cells and too many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.estimation import OracleRegressor
from pairint.estimation.error import interaction_error
from pairint.explorers import fit_data
from pairint.explorers.kit.explorer import Explorer, Numbers, Simulation
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, area, fill, line, points, rule
from pairint.model.attention import AttentionModel
from pairint.theory.coercivity import product_density

__all__ = ["FitExplorer", "cosines", "drawn_outputs", "new_fit"]

_BOUND = 3.0
_GRID = 301
_REPLICATES = 3
_CHOSEN = "chosen"
#: Of more cells than this not every end is drawn: they would make a bar.
_MOST_ENDS = max(fit_data.CELLS)
_SOME = " (one in {step} is drawn)"
_COUNTS = {"5": "five", "6": "six"}
_WORDS = {
    "under": "fewer cells than that smooth the truth away",
    "right": "this is it",
    "over": "more cells than that follow the noise",
}


def _slider(key: str, label: str, value: float) -> Parameter:
    return Parameter(key, label, value, scale="list", choices=fit_data.AXES[key])


class FitExplorer(Explorer):
    """One fit of the interaction regressor, with the number of cells in the reader's hand.

    Book: :doc:`/book/estimator`.

    The fits are stored (:mod:`pairint.explorers.fit_data`): two tokens, a matrix of rank one, a truth that is
    rough at every scale. The interaction regressor fits the matrix and chooses a number of cells; given that
    matrix, least squares give the spline for each number of cells, the chosen one (``cells="chosen"``) among
    them. The controls stop at the settings that were fitted: a fitted curve is not a smooth function of the
    setting, and nothing is interpolated.
    """

    name = "fit"
    title = "One fit, with too few cells and too many"
    summary = (
        "M = {samples} samples of two tokens, d = {d}, noise σ = {noise}, a truth of smoothness β = {beta}. "
        "With K = {cells} cells the squared error is {error} ({oracle} with the matrix known). The best of "
        "these {count} fits has K = {best}: {verdict}. From the data the estimator chooses K = {chosen}. The "
        "controls stop where a fit was made: nothing between two stops is interpolated."
    )
    simulation = Simulation(
        "Simulate",
        "Draw new data at these parameters, fit matrix and spline to them with this K, and add the errors",
        free=("cells",),
    )
    parameters = (
        Parameter("cells", "cells of the spline K", 12, scale="list", choices=(*fit_data.CELLS, _CHOSEN)),
        _slider("samples", "samples M", 500),
        _slider("noise", "noise σ", 0.8),
        _slider("beta", "smoothness β", 1.0),
        _slider("d", "dimension d", 5),
    )
    panels = (
        Panel(
            "fit",
            "Activation: truth, data and fit",
            Axis("score u = x′Ay", range=(-_BOUND, _BOUND)),
            Axis("φ(u)", range=(-2.6, 2.6)),
            (
                points("outputs", "the first 120 outputs", "data", "circle", 2.6, 0.55),
                line("truth", "truth φ*", "truth", width=1.8),
                line("fitted", "fit, K = {cells}", "fit", width=2.8),
            ),
            height=310,
            grow=1.4,
        ),
        Panel(
            "error",
            "Error against number of cells",
            Axis("number of cells K", "log"),
            Axis("squared L²(ρ) error", "log"),
            (
                line("fitted", "matrix fitted too", "fit", width=2.6),
                line("oracle", "matrix known", "oracle", "dash", 1.6),
                rule("chosen", "K chosen from the data: {chosen}", "x", "first", "dot", 2.2),
                points("here", "K = {cells}", "ink", "circle", 5.5),
                points("simulated", "new data", "fit", "cross", 4.5),
            ),
            height=310,
        ),
        Panel(
            "scores",
            "Where the scores are",
            Axis("score u", range=(-_BOUND, _BOUND)),
            Axis("density", range=(0.0, 0.8)),
            (
                area("density", "density of the scores", "data", 0.45),
                points("knots", "ends of the cells{some}", "fit", "tick", 4.0),
            ),
            height=110,
        ),
    )

    def data(self) -> dict[str, Any]:
        outputs = {}
        for d in fit_data.AXES["d"]:
            scores, noise = drawn_outputs(int(d))
            outputs[str(d)] = {"scores": scores.tolist(), "noise": noise.tolist()}
        return {
            "bound": _BOUND,
            "grid": _GRID,
            "degree": fit_data.DEGREE,
            "steps": fit_data.STEPS,
            "cells": fit_data.CELLS,
            "axes": fit_data.AXES,
            "fits": fit_data.stored_records(),
            "truths": [cosines(beta) for beta in fit_data.AXES["beta"]],
            "outputs": outputs,
            "density": _density(),
            "words": _WORDS,
            "most_ends": _MOST_ENDS,
            "some": _SOME,
            "counts": _COUNTS,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        fit = fit_data.load_fits()[tuple(values[key] for key in fit_data.AXES)]
        cells = fit.chosen if values["cells"] == _CHOSEN else values["cells"]
        cell = fit.cells.index(cells)
        truth = fit_data.model_of(values["beta"], int(values["d"])).activation
        u = np.linspace(-_BOUND, _BOUND, _GRID)
        inside = np.linspace(fit.lower, fit.upper, _GRID)
        scores, noise = drawn_outputs(int(values["d"]))
        step = -(-cells // _MOST_ENDS)
        knots = np.linspace(fit.lower, fit.upper, cells + 1)[::step]
        best = int(np.argmin(fit.errors))
        series: Series = {
            "fit.truth": {"x": u, "y": truth(u)},
            "fit.fitted": {"x": inside, "y": fit.spline(cell)(inside)},
            "fit.outputs": {"x": scores, "y": truth(scores) + values["noise"] * noise},
            "error.fitted": {"x": fit.cells, "y": fit.errors},
            "error.oracle": {"x": fit.cells, "y": fit.oracle_errors},
            "error.here": {"x": [cells], "y": [fit.errors[cell]]},
            "error.chosen": {"at": fit.chosen},
            "scores.density": _density(),
            "scores.knots": {"x": knots, "y": 0 * knots},
        }
        facts = {
            "cells": cells,
            "some": fill(_SOME, {"step": step}) if step > 1 else "",
            "count": _COUNTS[str(len(fit.cells))],
            "error": fit.errors[cell],
            "oracle": fit.oracle_errors[cell],
            "best": fit.cells[best],
            "chosen": fit.chosen,
            "ratio": fit.errors[cell] / fit.errors[best],
            "verdict": _WORDS["under" if cell < best else "over" if cell > best else "right"],
        }
        return Numbers(series, facts)

    def simulate(
        self, values: Mapping[str, Any], rng: np.random.Generator, report: Callable[[float], None]
    ) -> Iterator[Series]:
        model = fit_data.model_of(values["beta"], int(values["d"]))
        for replicate in range(_REPLICATES):
            report(replicate / _REPLICATES)
            X, Y = model.sample(int(values["samples"]), 2, rng)
            Y = Y + values["noise"] * rng.standard_normal(Y.shape)
            cells, error = new_fit(X, Y, model, values["cells"], rng)
            yield {"error.simulated": {"x": [cells], "y": [error]}}


def new_fit(X: Any, Y: Any, model: AttentionModel, cells: Any, rng: Any) -> tuple[int, float]:
    """Return K and the error of a fit made as the stored ones are."""
    matrix, chosen = fit_data.fit_matrix(X, Y, model, rng)
    cells = chosen if cells == _CHOSEN else cells
    fit = OracleRegressor(matrix, fit_data.DEGREE, cells).fit(X, Y)
    return cells, float(interaction_error(fit, model, n_pairs=50_000, rng=rng).value)


def drawn_outputs(d: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scores and standard noise of the outputs drawn, to four decimals: finer than a screen."""
    scores, noise = fit_data.first_outputs(d)
    return np.round(scores, 4), np.round(noise, 4)


def cosines(beta: float) -> list[list[float]]:
    """Return angular frequency, height and phase of each cosine of the truth, by a Fourier transform."""
    truth: Any = fit_data.model_of(beta, 1).activation
    n = 8192  # more than twice the highest frequency: the transform is exact
    transform = np.fft.rfft(truth(_BOUND * (2 * np.arange(n) / n - 1))) * 2 / n
    wave = 2 ** np.arange(len(truth.frequencies))
    phases = np.angle(transform[wave]) + np.pi * wave
    return np.stack([truth.frequencies, np.abs(transform[wave]), phases % (2 * np.pi)], axis=1).tolist()


def _density() -> dict[str, list[float]]:
    u = np.linspace(-_BOUND, _BOUND, 60)  # an even number: the density is infinite at 0
    return {"x": np.round(u, 6).tolist(), "y": np.round(product_density(u, _BOUND), 6).tolist()}
