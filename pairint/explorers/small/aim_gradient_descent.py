"""Runs of gradient descent, averaged one after the other."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.aim.gradient_descent import gradient_descent
from pairint.aim.state_evolution import state_evolution
from pairint.aim.teacher import AIMTeacher
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["AveragedRuns"]

_D, _RHO = 30, 0.5
_ALPHAS = (0.05, 0.1)
_RUNS, _TEACHERS = 16, 3
_ENTRIES = 150
_REACH = 0.8


class AveragedRuns(SmallFigure):
    """Means of the first k runs of gradient descent (recorded; Monte Carlo), and those of posterior samples.

    Book: :doc:`/book/aim_gradient_descent`.
    """

    name = "aim_gradient_descent"
    title = "The mean of several runs"
    summary = (
        "One run has {first} times the Bayes-optimal error, the mean of {runs} has {ratio} times; of as many "
        "posterior samples 1 + 1/{runs} times."
    )
    parameters = (
        Parameter("runs", "runs averaged, k", 1, 1, _RUNS, 1, integer=True),
        Parameter("alpha", "samples α = n/d²", 0.05, scale="list", choices=_ALPHAS),
    )
    play = "runs"
    panels = (
        Panel(
            "entries",
            "Entries of the matrix",
            Axis("truth", range=(-_REACH, _REACH)),
            Axis("mean of {runs}", range=(-_REACH, _REACH)),
            (
                line("same", "", "muted", "dash", 1.3),
                points("entries", "one entry each, first teacher", "fit", "circle", 2.4, 0.7),
            ),
            height=240,
        ),
        Panel(
            "errors",
            f"Error, softmax, d = {_D}",
            Axis("runs averaged, k", range=(0.4, _RUNS + 0.6)),
            Axis("‖S − Ŝ‖² / d", zero=True),
            (
                line("posterior", "posterior samples", "bound", width=2.4),
                points("errors", f"runs, {_TEACHERS} teachers", "fit", "circle", 3.8),
                rule("bayes", "Bayes-optimal", "y", "bound", "dash", 1.4),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        kept = {
            str(alpha): {
                "bayes": recorded(alpha).bayes,
                "gram": recorded(alpha).gram.tolist(),
                "entries": recorded(alpha).entries.tolist(),
            }
            for alpha in _ALPHAS
        }
        return {"alphas": kept, "truth": recorded(_ALPHAS[0]).truth.tolist(), "reach": _REACH}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        kept, k = recorded(values["alpha"]), values["runs"]
        errors = np.array([[gram[:j, :j].mean() for j in range(1, k + 1)] for gram in kept.gram])
        mean = errors.mean(axis=0)
        spread = errors.std(axis=0, ddof=1) / math.sqrt(_TEACHERS)
        counts = np.arange(1, _RUNS + 1)
        series = {
            "entries.same": {"x": [-_REACH, _REACH], "y": [-_REACH, _REACH]},
            "entries.entries": {"x": kept.truth / 100, "y": kept.entries[:k].mean(axis=0) / 100},
            "errors.posterior": {"x": counts, "y": (1 + 1 / counts) * kept.bayes},
            "errors.errors": {"x": counts[:k], "y": mean, "low": mean - spread, "high": mean + spread},
            "errors.bayes": {"at": kept.bayes},
        }
        return Numbers(series, {"first": mean[0] / kept.bayes, "ratio": mean[-1] / kept.bayes})


@dataclass(frozen=True)
class _Runs:
    """What is kept of the runs at one number of samples.

    ``gram`` holds, for each teacher, the inner products of the runs' errors over d: the error of a mean is
    the mean of a block. ``truth`` and ``entries`` are of the first teacher and its runs, in hundredths.
    """

    bayes: float
    gram: NDArray[np.float64]
    truth: NDArray[np.int64]
    entries: NDArray[np.int64]


@functools.cache
def recorded(alpha: float) -> _Runs:
    grams, shown = [], []
    rows, columns = (index[:: len(index) // _ENTRIES] for index in np.triu_indices(_D, 1))
    for seed in range(_TEACHERS):
        teacher = AIMTeacher(_D, _RHO, rng=seed)
        data = teacher.sample(round(alpha * (1 + 1 / _D) * _D**2), 50 + seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # runs may end a little above the tolerance, as on the page
            runs = gradient_descent(*data, teacher.width, n_runs=_RUNS, rng=seed).runs
        wrong = (runs - teacher.S).reshape(_RUNS, -1)
        grams.append(np.round(wrong @ wrong.T / _D, 5))
        shown.append([teacher.S[rows, columns], runs[:, rows, columns]])
    truth, entries = (np.rint(100 * values).astype(np.int64) for values in shown[0])
    return _Runs(float(state_evolution(alpha, _RHO).mmse), np.array(grams), truth, entries)
