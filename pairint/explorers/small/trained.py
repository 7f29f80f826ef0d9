"""Trained by Adam, or minimised: what so many steps reach, and what they take."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from pairint.experiments.beyond.adam import adam_ratios, model_name
from pairint.experiments.tables import load_results
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, columns, line, points, rounded, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["BUDGETS", "MODELS", "TrainedOrMinimised", "trainings"]

#: Steps of a training, as the table has them.
BUDGETS = (200, 1000, 3000)
#: Models by their number of tanh units; none is the spline.
MODELS = {"spline": 0, "eight": 8, "many": 32}
#: Marks of one number of samples stand side by side: the first and the last are off by this factor.
_SPREAD = 1.35


class TrainedOrMinimised(SmallFigure):
    """Trainings by Adam from random starts beside the minimiser of the risk: error, and processor time.

    Book: :doc:`/book/does_adam_get_there`.

    From the stored table of the experiment ``adam``, ten truths for each number of samples.
    """

    name = "trained"
    title = "Trained, or minimised?"
    summary = (
        "{steps} steps, {model}: {near} of {trainings} trainings end at most a tenth above the minimiser, in "
        "{times} times its time (median); {strayed} strayed."
    )
    parameters = (
        Parameter("steps", "steps of Adam", 1000, scale="list", choices=BUDGETS),
        Parameter(
            "model",
            "what is trained",
            "spline",
            scale="choice",
            choices=tuple(MODELS),
            names=tuple(model_name(units) for units in MODELS.values()),
        ),
    )
    panels = (
        Panel(
            "errors",
            "Error against samples",
            Axis("samples M", "log", (100.0, 100_000.0)),
            Axis("squared error", "log", (5e-6, 1.0)),
            (
                line("minimiser", "minimiser", "fit", width=2.2),
                line("medians", "Adam, median", "first", "dash", 2.2),
                points("runs", "a training", "first", "circle", 2.8),
            ),
            height=250,
        ),
        Panel(
            "time",
            "Error and time, over the minimiser's",
            Axis("time / that of the minimiser", "log", (0.2, 200.0)),
            Axis("relative error", "log", (0.4, 3e4)),
            (
                rule("same", "", "y", "muted", "dot", 1.0),
                points("few", "M = 500", "third", "triangle", 3.2),
                points("some", "M = 4,000", "fourth", "square", 3.0),
                points("most", "M = 32,000", "first", "circle", 3.2),
                points("minimiser", "the minimiser", "fit", "diamond", 5.0),
            ),
            height=250,
        ),
    )

    def data(self) -> dict[str, Any]:
        runs = {name: [trainings(name, steps) for steps in BUDGETS] for name in MODELS}
        return {"steps": BUDGETS, "minimiser": minimiser(), "runs": runs}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        found = trainings(values["model"], values["steps"])
        series = {f"time.{key}": part for key, part in found["time"].items()}
        series |= {
            "errors.minimiser": minimiser(),
            "errors.medians": found["medians"],
            "errors.runs": found["errors"],
            "time.same": {"at": 1.0},
            "time.minimiser": {"x": [1.0], "y": [1.0]},
        }
        return Numbers(series, {"steps": values["steps"], **found["facts"]})


@functools.cache
def minimiser() -> dict[str, Any]:
    """Return the minimiser's median error against the number of samples."""
    table = load_results("adam")
    error = table[table["estimator"] == "erm"].groupby("n_samples")["error"].median()
    return columns(list(zip(map(int, error.index), rounded(error, 4), strict=True)))


@functools.cache
def trainings(model: str, steps: int) -> dict[str, Any]:
    """Return the trainings of a model with so many steps: their errors, what they took, and counts."""
    table = adam_ratios(load_results("adam"))
    part = table[(table["units"] == MODELS[model]) & (table["budget"] == steps)]
    part = part.sort_values(["n_samples", "replicate"])
    errors, time = [], {}
    for name, (size, group) in zip(("few", "some", "most"), part.groupby("n_samples"), strict=True):
        places = _SPREAD ** ((group["replicate"] - 4.5) / 4.5)
        errors += list(zip(rounded(size * places, 4), rounded(group["error"], 4), strict=True))
        time[name] = columns(list(zip(rounded(group["times"], 4), rounded(group["ratio"], 4), strict=True)))
    medians = part.groupby("n_samples")["error"].median()
    facts = {
        "model": model_name(MODELS[model]),
        "near": int((part["ratio"] <= 1.1).sum()),
        "trainings": len(part),
        "times": float(f"{part['times'].median():.3g}"),
        "strayed": int(part["strayed"].sum()),
    }
    line_ = columns(list(zip(map(int, medians.index), rounded(medians, 4), strict=True)))
    return {"errors": columns(errors), "medians": line_, "time": time, "facts": facts}
