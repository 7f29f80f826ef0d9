"""The three terms of the error: bias, variance, price of the matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.theory.setting import Setting

__all__ = ["ThreeTerms"]

_CELLS = np.unique(np.round(np.geomspace(1, 300, 60))).astype(np.int64)
_SAMPLES = (1e2, 1e8, 61)
_FIXED = {"beta": 2.0, "rank": 1, "tokens": 3, "noise": 0.3, "holder": 1.0}
_SCORE_BOUND = 3.0
_WORDS = {
    "curve": "The curve costs more than the matrix: d hardly matters",
    "matrix": "The matrix costs more than the curve: more samples first",
}


class ThreeTerms(SmallFigure):
    """Bias, variance and the price of the matrix, against K and against M.

    Book: :doc:`/book/upper_bound_proof`.

    The terms are those of :meth:`pairint.theory.Setting.budget`, of leading order, for beta = 2, a matrix of
    rank one and three tokens.
    """

    name = "terms"
    title = "Three terms, one minimum"
    summary = "With the best K = {best}: bias {bias}, variance {variance}, matrix {matrix}. {verdict}."
    parameters = (
        Parameter("samples", "samples M", 20_000, 100, 10**8, scale="log", integer=True),
        Parameter("d", "dimension d", 10, 1, 1000, scale="log", integer=True),
    )
    panels = (
        Panel(
            "cells",
            "Against K, at M = {samples}",
            Axis("number of cells K", "log", (0.9, 330.0)),
            Axis("squared error", "log"),
            (
                line("bias", "bias", "first", "dashdot"),
                line("variance", "variance", "second", "dash"),
                line("matrix", "matrix", "matrix", "dot", 2.4),
                line("total", "sum", "bound", width=2.6),
                points("best", "best K", "ink", "circle", 5.0),
            ),
            height=240,
        ),
        Panel(
            "samples",
            "Against M, with the best K",
            Axis("number of samples M", "log", _SAMPLES[:2]),
            Axis("squared error", "log"),
            (
                line("curve", "bias + variance", "first", width=2.6),
                line("matrix", "matrix", "matrix", "dot", 2.4),
                points("here", "M", "ink", "circle", 5.0),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "cells": _CELLS.tolist(),
            "samples": _SAMPLES,
            "fixed": _FIXED,
            "bound": _SCORE_BOUND,
            "words": _WORDS,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        setting = Setting(
            beta=_FIXED["beta"],
            n_tokens=int(_FIXED["tokens"]),
            noise_std=_FIXED["noise"],
            holder_constant=_FIXED["holder"],
            d=values["d"],
            rank=int(_FIXED["rank"]),
            score_bound=_SCORE_BOUND,
        )
        n_samples = values["samples"]
        by_cells = [setting.budget(n_samples, int(k)) for k in _CELLS]
        best = setting.best_intervals(n_samples)
        here = setting.budget(n_samples, best)
        grid = np.round(np.geomspace(*_SAMPLES)).astype(np.int64)
        by_samples = [setting.best_budget(int(m)) for m in grid]
        curve = here.bias + here.variance
        series: Series = {
            "cells.bias": {"x": _CELLS, "y": [e.bias for e in by_cells]},
            "cells.variance": {"x": _CELLS, "y": [e.variance for e in by_cells]},
            "cells.matrix": {"x": _CELLS, "y": [e.parametric for e in by_cells]},
            "cells.total": {"x": _CELLS, "y": [e.total for e in by_cells]},
            "cells.best": {"x": [best], "y": [here.total]},
            "samples.curve": {"x": grid, "y": [e.bias + e.variance for e in by_samples]},
            "samples.matrix": {"x": grid, "y": [e.parametric for e in by_samples]},
            "samples.here": {"x": [n_samples], "y": [curve]},
        }
        facts = {
            "best": best,
            "bias": here.bias,
            "variance": here.variance,
            "matrix": here.parametric,
            "verdict": _WORDS["matrix" if here.parametric > curve else "curve"],
        }
        return Numbers(series, facts)
