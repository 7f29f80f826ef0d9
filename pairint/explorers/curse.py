"""Curse explorer: regression on pairs beside the estimator, all dimensions at once, one of them lit."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.engine.statistics import summarize
from pairint.experiments.minimax.curse import predicted_errors, samples_to_merge
from pairint.experiments.tables import load_results
from pairint.explorers.kit.explorer import Explorer, Numbers
from pairint.explorers.kit.panels import (
    Axis,
    Panel,
    Parameter,
    Series,
    curves,
    fill,
    line,
    points,
    rounded,
    words,
)

__all__ = ["CurseExplorer"]

_DIMENSIONS = (1, 3, 10, 30, 100, 300, 1000)
_SAMPLES = (80.0, 6e7)
_LAST = 1e6
#: A prediction is drawn from so many samples for each dimension on: with fewer the matrix may not be found.
_SAFE = 10
#: Lines that end within this factor are named together.
_NEAR = 1.85  # ends whose names would touch on a phone: 12 of the 46 pixels that a power of ten has there
_WORDS = {
    "measured": "Our estimator leaves {error} after M = {samples} samples",
    "predicted": "Our estimator was not run in so many dimensions: its line is the prediction",
    "alone": "there is no matrix to learn",
    "meet": "the price of the matrix falls below that of the activation at M = {meet}",
}


class CurseExplorer(Explorer):
    """What a regression that knows nothing of the score does in 2d dimensions, and what the estimator does.

    Book: :doc:`/book/experiments`.

    Points are means over replicates of the stored experiment ``curse`` with 95 % intervals; dashed lines are
    :func:`pairint.experiments.minimax.curse.predicted_errors`.
    """

    name = "curse"
    title = "The curse, and how it is avoided"
    summary = (
        "d = {d}. Kernel ridge regression on the {coordinates} coordinates of a pair leaves {left} of the "
        "variance of g unexplained after M = {blind} samples. {ours}; {price}. "
        "A constant leaves 1. Bars: 95 % intervals over {replicates} data sets."
    )
    parameters = (Parameter("d", "dimension d of a token", 30, scale="list", choices=_DIMENSIONS),)
    panels = (
        Panel(
            "errors",
            "Error against samples, d from 1 to 1000",
            Axis("number of samples M", "log", _SAMPLES),
            Axis("squared error / variance of g", "log", (5e-6, 5.0)),
            (
                curves("all_pairs", "first", width=1.3),
                curves("all_ours", "fit", width=1.4),
                curves("all_ahead", "bound", "dot", 1.5),
                line("control", "the same regression on the true score", "oracle", "dashdot", 2.0),
                line("pairs_line", "", "first", width=2.8),
                line("ours_line", "", "fit", width=2.9),
                line("ahead", "ours, predicted", "bound", "dash", 2.2),
                points("pairs", "kernel ridge regression on pairs, d = {d}", "first", "square", 3.6),
                points("ours", "our estimator, d = {d}", "fit", "circle", 4.0),
                words("pairs_one", "d = {first}", "ink"),
                words("pairs_some", "d = {first} to {last}", "ink"),
                words("ours_one", "d = {first}", "ink"),
                words("ours_some", "d = {first} to {last}", "ink"),
                words("stall", "knows nothing: stalls", "ink", "middle"),
                words("merge", "here the lines become one", "ink", "end"),
            ),
            height=380,
        ),
    )

    def data(self) -> dict[str, Any]:
        return _lines()

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        lines = _lines()
        own = lines["own"][str(values["d"])]
        return Numbers({**lines["shared"], **own["series"]}, dict(own["facts"]))


@functools.cache
def _lines() -> dict[str, Any]:
    """Return what is drawn for all dimensions, and for each of them, from the stored table."""
    table = load_results("curse")
    means = summarize(table, ["estimator", "d", "n_samples"]).sort_values(["d", "n_samples"])
    own: dict[str, Any] = {}
    shared: Series = {f"errors.all_{name}": {"x": [], "y": []} for name in ("pairs", "ours", "ahead")}
    for d in _DIMENSIONS:
        pairs, ours = (_columns(means, name, d) for name in ("kernel", "fit"))
        first = max([_SAFE * d, 1000.0, *ours["x"]])
        grid = np.geomspace(first, _LAST, 25)
        ahead = {"x": rounded(grid, 4), "y": rounded(predicted_errors(table, d, grid.round()), 4)}
        for name, part in (("pairs", pairs), ("ours", ours), ("ahead", ahead)):
            for column in ("x", "y"):
                shared[f"errors.all_{name}"][column] += part[column]
        series = {
            "errors.pairs": pairs,
            "errors.ours": ours,
            "errors.pairs_line": {"x": pairs["x"], "y": pairs["y"]},
            "errors.ours_line": {"x": ours["x"], "y": ours["y"]},
            "errors.ahead": ahead,
        }
        own[str(d)] = {"series": series, "facts": _facts(d, pairs, ours, samples_to_merge(table, d))}
    control = summarize(table[table["estimator"] == "control"], "n_samples").sort_values("n_samples")
    shared["errors.control"] = {"x": control["n_samples"].tolist(), "y": rounded(control["mean"], 4)}
    ends = {
        name: {d: own[str(d)]["series"][f"errors.{name}"] for d in _DIMENSIONS} for name in ("pairs", "ahead")
    }
    for name, label in (("pairs", "pairs"), ("ahead", "ours")):
        shared |= _names(label, {d: (part["x"][-1], part["y"][-1]) for d, part in ends[name].items()})
    for part in own.values():
        part["facts"]["replicates"] = int(table["replicate"].nunique())
    shared["errors.stall"] = {"x": [3e3], "y": [2.4]}
    shared["errors.merge"] = {"x": [3e5], "y": [1.3e-5]}
    return {"shared": shared, "own": own}


def _columns(means: Any, estimator: str, d: int) -> dict[str, list[float]]:
    """Return the measured points of a line; none if it was not run."""
    part = means[(means["estimator"] == estimator) & (means["d"] == d)]
    columns = {"x": "n_samples", "y": "mean", "low": "low", "high": "high"}
    return {key: rounded(part[column], 4) for key, column in columns.items()}


def _names(key: str, ends: Mapping[int, tuple[float, float]]) -> Series:
    """Return where the names of lines stand, beside their ends; lines that end together share one."""
    groups: list[list[int]] = []
    for d in sorted(ends, key=lambda d: ends[d][1]):
        if groups and ends[d][1] < _NEAR * ends[groups[-1][0]][1]:
            groups[-1].append(d)
        else:
            groups.append([d])
    series: Series = {}
    for name, chosen in (
        ("one", [g for g in groups if len(g) == 1]),
        ("some", [g for g in groups if len(g) > 1]),
    ):
        series[f"errors.{key}_{name}"] = {
            "x": [1.3 * max(ends[d][0] for d in group) for group in chosen],
            "y": rounded((math.exp(np.mean([math.log(ends[d][1]) for d in group])) for group in chosen), 4),
            "first": [min(group) for group in chosen],
            "last": [max(group) for group in chosen],
        }
    return series


def _facts(d: int, pairs: Any, ours: Any, meet: float) -> dict[str, Any]:
    """Return the numbers and words of the sentence for one dimension."""
    measured = {"error": ours["y"][-1], "samples": ours["x"][-1]} if ours["x"] else {}
    return {
        "coordinates": 2 * d,
        "left": pairs["y"][-1],
        "blind": pairs["x"][-1],
        "ours": fill(_WORDS["measured" if measured else "predicted"], measured),
        "price": fill(_WORDS["meet" if d > 1 else "alone"], {"meet": meet}),
    }
