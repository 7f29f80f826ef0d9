"""Two priors against one weight: the better of the two bounds its risk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, area, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.theory.lower import sign_bound, weight_risk

__all__ = ["SignOrShape"]

_GRID = np.geomspace(0.03, 300, 61)
_PLACES = np.linspace(-1, 1, 81)
_NODES = 0.25 * np.arange(65)
_WORDS = {"signs": "two signs at ±{height}", "shape": "the cos² density"}
_STEM = 0.9
#: How much of the information signs of the best height leave: the package's own choice.
_TELLING = {"Gaussian": 1.5, "other": 1.0}


class SignOrShape(SmallFigure):
    r"""Two priors of a weight in [-1, 1], and the bounds that they give, against the information.

    Book: :doc:`/book/lower_bound_constants`.

    Two signs of the best height, and the density :math:`\cos^2(\pi w/2)` with van Trees' inequality; above
    both, the risk of an observation that is shrunk.
    """

    name = "weight"
    title = "Which prior is hardest?"
    summary = (
        "Information {information}, {noise} noise: no estimator has a worst risk below {bound}, by {prior}. "
        "Shrinking has at most {above}, {times} times that."
    )
    parameters = (
        Parameter("information", "information I", 20.0, 0.03, 300.0, scale="log"),
        Parameter(
            "noise",
            "noise",
            "Gaussian",
            scale="choice",
            choices=("Gaussian", "other"),
            names=("Gaussian", "other, log p curved no more"),
        ),
    )
    panels = (
        Panel(
            "priors",
            "Two priors of the weight",
            Axis("weight w", range=(-1.1, 1.1)),
            Axis("density", range=(0.0, 1.1)),
            (
                area("shape", "cos²", "data", 0.45),
                line("stems", "", "second", width=1.4),
                points("signs", "two signs, half of the mass each", "second", "diamond", 5.0),
            ),
            height=220,
        ),
        Panel(
            "bounds",
            "Worst squared error of the weight",
            Axis("information I", "log", (0.03, 300.0)),
            Axis("squared error", "log", (2e-3, 1.5)),
            (
                line("above", "shrinking: above", "third", "dashdot", 2.0),
                line("signs", "two signs: below", "second", "dash", 2.2),
                line("shape", "cos²: below", "first", width=2.2),
                points("here", "the better", "ink", "circle", 5.0),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "grid": _GRID.tolist(),
            "places": _PLACES.tolist(),
            "nodes": _NODES.tolist(),
            "telling": _TELLING,
            "words": _WORDS,
            "stem": _STEM,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        information, noise = values["information"], values["noise"]
        signs, shape = _signs(_GRID, noise), 1 / (_GRID + math.pi**2)
        here = {"signs": float(_signs(information, noise)), "shape": 1 / (information + math.pi**2)}
        better = max(here, key=lambda key: here[key])
        bound = float(weight_risk(information, gaussian=noise == "Gaussian"))
        height = math.sqrt(min(1.0, _TELLING[noise] / information))
        above = 1 / (1 + information)
        series: Series = {
            "priors.shape": {"x": _PLACES, "y": np.cos(math.pi * _PLACES / 2) ** 2},
            "priors.stems": {
                "x": [-height, -height, -height, height, height],
                "y": [_STEM, 0.0, 0.0, 0.0, _STEM],
            },
            "priors.signs": {"x": [-height, height], "y": [_STEM, _STEM]},
            "bounds.above": {"x": _GRID, "y": 1 / (1 + _GRID)},
            "bounds.signs": {"x": _GRID, "y": signs},
            "bounds.shape": {"x": _GRID, "y": shape},
            "bounds.here": {"x": [information], "y": [bound]},
        }
        prior = _WORDS[better].replace("{height}", f"{math.floor(100 * height + 0.5) / 100:.2f}")
        facts = {"bound": bound, "prior": prior, "above": above, "times": above / bound}
        return Numbers(series, facts)


def _signs(information: Any, noise: str) -> Any:
    """Return the bound by two signs of the best height."""
    if noise == "Gaussian":
        return sign_bound(information)
    used = np.minimum(information, _TELLING[noise])
    return np.exp(-used) * used / information
