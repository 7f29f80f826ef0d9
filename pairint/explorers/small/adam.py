"""Where Adam is after so many steps: every training of the stored experiment."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.experiments import load_results
from pairint.experiments.beyond.adam import adam_ratios
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rounded, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["MODELS", "STEPS", "StepsOfAdam", "trainings"]

STEPS = (200, 1000, 3000)
MODELS = {"spline": 0, "tanh8": 8, "tanh32": 32}
_NAMES = ("a spline", "8 tanh units", "32 tanh units")


class StepsOfAdam(SmallFigure):
    """Errors of the trainings from random starts, and what they took, over those of the minimiser.

    Book: :doc:`/book/does_adam_get_there`.
    """

    name = "adam"
    title = "How many steps?"
    summary = (
        "{model_name}, {steps} steps: {near} of {all} trainings are within a tenth of the error of the "
        "minimiser, and {strayed} strayed. With most samples the median is {ratio} times it, at {times} "
        "times its time."
    )
    parameters = (
        Parameter("steps", "steps", 1000, scale="list", choices=STEPS),
        Parameter("model", "what is trained", "tanh8", scale="choice", choices=tuple(MODELS), names=_NAMES),
    )
    panels = (
        Panel(
            "errors",
            "Error after so many steps",
            Axis("number of samples M", "log", (300.0, 60_000.0)),
            Axis("squared error", "log", (1e-6, 1.0)),
            (
                line("least", "minimiser, medians", "ink", width=2.4),
                points("near", "trainings", "blue", "circle", 3.6, 0.6),
                points("strayed", "strayed", "vermillion", "cross", 4.4),
            ),
            height=230,
        ),
        Panel(
            "times",
            "Against time, the minimiser at one",
            Axis("relative time", "log", (0.03, 3e3)),
            Axis("relative error", "log", (0.05, 1e4)),
            (
                points("near", "trainings", "blue", "circle", 3.6, 0.6),
                points("strayed", "strayed", "vermillion", "cross", 4.4),
                rule("one", "minimiser", "y", "ink", "dash", 1.6),
            ),
            height=230,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"steps": STEPS, "model": tuple(MODELS)},
            "least": _least(),
            "trainings": [[trainings(steps, model) for model in MODELS.values()] for steps in STEPS],
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        rows = trainings(values["steps"], MODELS[values["model"]])
        samples, strayed = np.array(rows["samples"]), np.array(rows["strayed"], dtype=bool)
        error, ratio, times = (np.array(rows[key]) for key in ("error", "ratio", "times"))
        last = samples == samples.max()
        series: dict[str, dict[str, Any]] = {"errors.least": _least(), "times.one": {"at": 1.0}}
        for name, which in (("near", ~strayed), ("strayed", strayed)):
            series[f"errors.{name}"] = {"x": samples[which], "y": error[which]}
            series[f"times.{name}"] = {"x": times[which], "y": ratio[which]}
        facts = {
            "near": int(np.sum(ratio <= 1.1)),
            "all": len(samples),
            "strayed": int(strayed.sum()),
            "ratio": float(np.median(ratio[last])),
            "times": float(np.median(times[last])),
        }
        return Numbers(series, facts)


@functools.cache
def trainings(steps: int, model: int) -> dict[str, list[Any]]:
    """Return the stored trainings of a model with a budget, in columns; six digits of what was measured."""
    table = adam_ratios(load_results("adam"))
    rows = table[(table["budget"] == steps) & (table["units"] == model)].sort_values(
        ["n_samples", "replicate"]
    )
    found: dict[str, list[Any]] = {
        "samples": [int(m) for m in rows["n_samples"]],
        "strayed": [bool(s) for s in rows["strayed"]],
    }
    return found | {key: rounded(rows[key], 6) for key in ("error", "ratio", "times")}


@functools.cache
def _least() -> dict[str, list[float]]:
    """Return the medians of the minimiser's errors against the number of samples."""
    table = load_results("adam")
    rows = table[(table["estimator"] == "erm") & (table["units"] == 0)]
    medians = rows.groupby("n_samples")["error"].median()
    return {"x": [float(m) for m in medians.index], "y": rounded(medians, 6)}
