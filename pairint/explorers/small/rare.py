"""Cells that scores hardly ever visit: what they cost, and what it costs to leave them out."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import beta

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, fill, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.theory.coercivity import product_density
from pairint.theory.upper_known import cell_christoffel

__all__ = ["LAWS", "RareCells", "cells_of"]

LAWS = ("uniform", "cube", "sphere5", "sphere10")
_NAMES = ("uniform (sphere, d = 3)", "cube, one entry", "sphere, d = 5", "sphere, d = 10")
_CELLS = 32
_WORDS = {"all": "the price of keeping all", "less": "{times} times less than with all"}
_PAIRS = _CELLS // 2


class RareCells(SmallFigure):
    """The price of each of 32 cells, with the outermost ones left out.

    Book: :doc:`/book/upper_bound_cells`.

    Lines are fitted on the cells. What is left out is missed: at most the square of the bound of the
    function, times the share of the scores.
    """

    name = "rare"
    title = "Leave the rare cells out"
    summary = (
        "{law_name}: with {dropped} cells left out at each end the dearest costs κ = {dearest}, "
        "{compared}; {lost} % of the scores are given up."
    )
    parameters = (
        Parameter("dropped", "cells left out at each end", 0, 0, _PAIRS - 2, 1, integer=True),
        Parameter("law", "law of the score", "sphere10", scale="choice", choices=LAWS, names=_NAMES),
    )
    panels = (
        Panel(
            "cells",
            "What a cell costs",
            Axis("score, over its bound", range=(-1.0, 1.0)),
            Axis("κ of the cell", "log", (10.0, 3e7)),
            (
                points("kept", "kept", "first", "circle", 3.6),
                points("out", "left out", "muted", "cross", 3.6),
            ),
            height=220,
        ),
        Panel(
            "trade",
            "What leaving out brings and costs",
            Axis("cells left out at each end", range=(-0.3, _PAIRS - 1.7)),
            Axis("κ, or share of scores", "log", (1e-7, 1e7)),
            (
                line("dearest", "κ of the dearest cell kept", "first", width=2.4),
                line("lost", "scores given up", "second", "dash", 2.4),
                points("here", "now", "ink", "circle", 4.6),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        table = [{key: column.tolist() for key, column in cells_of(law).items()} for law in LAWS]
        return {"axes": {"law": LAWS}, "tables": table, "words": _WORDS}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        table, dropped = cells_of(values["law"]), values["dropped"]
        prices, dearest, lost = table["prices"], table["dearest"], table["lost"]
        centres = (2 * np.arange(_CELLS) + 1) / _CELLS - 1
        kept = np.minimum(np.arange(_CELLS), np.arange(_CELLS)[::-1]) >= dropped
        counts = np.arange(_PAIRS - 1)
        series = {
            "cells.kept": {"x": centres[kept], "y": prices[kept]},
            "cells.out": {"x": centres[~kept], "y": prices[~kept]},
            "trade.dearest": {"x": counts, "y": dearest},
            "trade.lost": {"x": counts[1:], "y": lost[1:]},
            "trade.here": {"x": [dropped], "y": [dearest[dropped]]},
        }
        compared = fill(_WORDS["less" if dropped else "all"], {"times": float(dearest[0] / dearest[dropped])})
        facts = {
            "dearest": float(dearest[dropped]),
            "compared": compared,
            "lost": float(100 * lost[dropped]),
        }
        return Numbers(series, facts)


@functools.cache
def cells_of(law: str) -> dict[str, NDArray[np.float64]]:
    """Return the price of each cell, and by the number left out the dearest kept one and the share lost."""

    def density(u: Any) -> Any:
        if law == "uniform":
            return np.full(np.shape(u), 0.5)
        if law == "cube":
            return product_density(u, 1.0)
        power = (int(law.removeprefix("sphere")) - 3) / 2
        return (1 - u**2) ** power / beta(power + 1, 0.5)

    prices, mass = cell_christoffel(density, n_intervals=_CELLS, degree=1, score_bound=1.0)
    prices, mass = (prices + prices[::-1]) / 2, (mass + mass[::-1]) / 2
    dearest = [prices[k : _CELLS - k].max() for k in range(_PAIRS - 1)]
    lost = 2 * np.concatenate([[0.0], np.cumsum(mass[: _PAIRS - 2])])
    return {"prices": prices, "dearest": np.array(dearest), "lost": lost}
