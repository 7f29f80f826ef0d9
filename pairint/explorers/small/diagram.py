"""One diagram for both papers: numbers to learn against samples, with its lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.theory.diagram import diagram_lines, elbow_numbers, elbow_samples
from pairint.theory.rates import parameter_price
from pairint.theory.setting import Setting

__all__ = ["OneDiagram"]

_NUMBERS = (1.0, 3000.0, 41)
_SAMPLES = (1.0, 1e10, 41)
_FIXED = {"tokens": 3, "noise": 0.1, "holder": 1.0, "rank": 1}
_SCORE_BOUND = 3.0


class OneDiagram(SmallFigure):
    """The line of counting, the line of uniqueness, and the line at which the function costs more.

    Book: :doc:`/book/one_diagram`.

    A matrix of rank one, three tokens, noise 0.1; the price of the function is that of the error budget.
    """

    name = "diagram"
    title = "Two lines in one plane"
    summary = (
        "p = {numbers} numbers: below {counted} samples no method recovers A (proved); from {unique} on, "
        "without noise, the outputs fix g (proved); from about {elbow} on the function costs more than A."
    )
    parameters = (
        Parameter("beta", "smoothness β", 2.0, 0.5, 4.0, 0.1),
        Parameter("d", "dimension d", 30, 2, 1000, scale="log", integer=True),
    )
    panels = (
        Panel(
            "plane",
            "The plane, at p = {numbers}",
            Axis("numbers of the matrix p", "log", _NUMBERS[:2]),
            Axis("samples M", "log", _SAMPLES[:2]),
            (
                line("elbow", "function = matrix", "first", width=2.6),
                line("unique", "2p + 1", "bound", "dashdot"),
                line("counted", "p/N", "second", "dash", 2.4),
                points("here", "this d", "ink", "circle", 4.0),
            ),
            height=225,
        ),
        Panel(
            "errors",
            "What each costs",
            Axis("samples M", "log", _SAMPLES[:2]),
            Axis("squared error", "log", (1e-12, 10.0)),
            (
                line("function", "function", "first", width=2.6),
                line("matrix", "matrix", "matrix", "dash", 2.4),
                points("here", "equal", "ink", "circle", 4.0),
            ),
            height=225,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {"numbers": _NUMBERS, "samples": _SAMPLES, "fixed": _FIXED, "bound": _SCORE_BOUND}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        n_tokens = int(_FIXED["tokens"])
        setting = Setting(
            beta=values["beta"],
            n_tokens=n_tokens,
            noise_std=_FIXED["noise"],
            holder_constant=_FIXED["holder"],
            score_bound=_SCORE_BOUND,
        )
        here = diagram_lines(values["d"], int(_FIXED["rank"]), setting)
        numbers, samples = np.geomspace(*_NUMBERS), np.geomspace(*_SAMPLES)
        price = parameter_price(1, n_tokens=n_tokens, noise_std=_FIXED["noise"])
        series: Series = {
            "plane.counted": {"x": numbers, "y": numbers / n_tokens},
            "plane.unique": {"x": numbers, "y": 2 * numbers + 1},
            "plane.elbow": {"x": numbers, "y": [elbow_samples(p, setting) for p in numbers]},
            "plane.here": {"x": [here.numbers] * 3, "y": [here.counted, here.unique, here.elbow]},
            "errors.function": {
                "x": samples,
                "y": [price / m * elbow_numbers(m, setting) for m in samples],
            },
            "errors.matrix": {"x": samples, "y": price / samples * here.numbers},
            "errors.here": {"x": [here.elbow], "y": [price / here.elbow * here.numbers]},
        }
        facts = {
            "numbers": here.numbers,
            "counted": here.counted,
            "unique": here.unique,
            "elbow": max(here.elbow, 1.0),  # there is no part of a sample
        }
        return Numbers(series, facts)
