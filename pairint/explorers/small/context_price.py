"""What a longer context buys: the prices of the function, of the queries and of the keys."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, area, line, points, words
from pairint.explorers.small.base import SmallFigure
from pairint.model import Cosine, Exponential, ReLU, SplineSpace, Tanh
from pairint.theory.information import direction_price, function_shares, query_share

__all__ = ["ACTIVATIONS", "ThreePrices", "shares"]

#: Activations, and what the reader sees for each.
ACTIVATIONS = {
    "even": (Cosine(1.5), "even, cos(3u/2)"),
    "odd": (Tanh(1.5), "odd, tanh(3u/2)"),
    "exponential": (Exponential(0.4), "exponential, exp(2u/5)"),
    "relu": (ReLU(), "a kink, max(u, 0)"),
}
_SPACE = SplineSpace(-4.0, 4.0, 12, 3)
_GRID = tuple(2**k for k in range(1, 11))
_HALF = 0.4  # of the width of a bar


class ThreePrices(SmallFigure):
    """Three bars: what one coefficient of the function, of the queries and of the keys costs.

    Book: :doc:`/book/longer_context`.

    Gaussian tokens and a matrix of rank one and norm one. The function's bar is the mean over splines of
    degree three on twelve cells of [-4, 4].
    """

    name = "context_price"
    title = "What a longer context buys"
    summary = (
        "N = {tokens}: a coefficient of the function costs {function}, of the queries {queries}, of the keys "
        "{keys}, in units of σ²/M. One token knows {share} of a query direction."
    )
    parameters = (
        Parameter("tokens", "tokens N", 8, 2, 1024, scale="log", integer=True),
        Parameter(
            "activation",
            "activation",
            "even",
            scale="choice",
            choices=tuple(ACTIVATIONS),
            names=tuple(label for _, label in ACTIVATIONS.values()),
        ),
    )
    panels = (
        Panel(
            "bars",
            "Price of one coefficient, N = {tokens}",
            Axis("what is learned", range=(0.4, 3.6)),
            Axis("price, in σ²/M", range=(0.0, 1.15)),
            (
                area("prices", "price", "data"),
                points("tops", "its height", "ink", "circle", 2.5),
                words("function", "function", anchor="middle"),
                words("queries", "queries", anchor="middle"),
                words("keys", "keys", anchor="middle"),
            ),
            height=240,
        ),
        Panel(
            "context",
            "Against the context",
            Axis("tokens N", "log", (1.8, 1150.0)),
            Axis("price, in σ²/M", "log", (5e-4, 1.5)),
            (
                line("function", "function", "third", "dashdot"),
                line("queries", "queries", "first", width=2.4),
                line("keys", "keys", "second", "dash"),
                points("here", "now", "ink", "circle", 4.0),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "grid": _GRID,
            "half": _HALF,
            "function": shares()["function"].tolist(),
            "queries": {name: float(shares()[name]) for name in ACTIVATIONS},
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        n = values["tokens"]
        known = {
            "function": shares()["function"],
            "queries": shares()[values["activation"]],
            "keys": np.array(0.0),
        }
        now = {name: float(np.mean(direction_price(n, share))) for name, share in known.items()}
        bars = [(i + 1, price) for i, price in enumerate(now.values())]
        series = {
            "bars.prices": {
                "x": [x + side * _HALF for x, _ in bars for side in (-1, -1, 1, 1)],
                "y": [share * price for _, price in bars for share in (0, 1, 1, 0)],
            }
        }
        for (name, price), (x, _) in zip(now.items(), bars, strict=True):
            series[f"bars.{name}"] = {"x": [x], "y": [price + 0.07]}
            prices = [float(np.mean(direction_price(m, known[name]))) for m in _GRID]
            series[f"context.{name}"] = {"x": list(_GRID), "y": prices}
        series["bars.tops"] = {"x": [1, 2, 3], "y": list(now.values())}
        series["context.here"] = {"x": [n] * 3, "y": list(now.values())}
        return Numbers(series, now | {"share": float(known["queries"])})


@functools.cache
def shares() -> dict[str, NDArray[np.float64]]:
    """Return what one token knows: of each function of a basis, and of a query for each activation."""
    found = {name: np.array(query_share(phi)) for name, (phi, _) in ACTIVATIONS.items()}
    # What rounding leaves of zero would be all that a long context sees.
    found = {name: np.where(share < 1e-12, 0.0, share) for name, share in found.items()}
    values = function_shares(_SPACE)
    return found | {"function": np.where(values < 1e-12, 0.0, values)}
