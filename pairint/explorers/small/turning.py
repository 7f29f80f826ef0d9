"""Two heads that turn towards each other: their sum is learned as well as ever, each of them is not."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.figures.several_heads import angle_prices

__all__ = ["ANGLES", "TurningHeads", "turning_prices"]

#: Degrees.
ANGLES = (3, 5, 8, 12, 17, 23, 30, 38, 47, 57, 68, 79, 90)
_SEED, _SAMPLES = 5, 1500


class TurningHeads(SmallFigure):
    """Two tanh heads of rank one, and what their sum and one of them cost as the angle between them changes.

    Book: :doc:`/book/several_heads`.

    Errors are those of an efficient fit of both matrices and all coefficients, from the Fisher information.
    """

    name = "turning"
    title = "Who says what?"
    summary = (
        "At {angle} degrees one head costs {times} times the samples of the sum of both, for an equal error."
    )
    parameters = (Parameter("angle", "angle between the heads, degrees", 30, scale="list", choices=ANGLES),)
    panels = (
        Panel(
            "vectors",
            "What the heads look along",
            Axis("first coordinate", range=(-0.2, 1.2)),
            Axis("second coordinate", range=(-0.2, 1.2)),
            (
                line("first", "first head", "first", width=2.6),
                line("second", "second head", "second", "dash", 2.6),
                points("tips", "tips", "ink", "circle", 4.0),
            ),
            height=240,
        ),
        Panel(
            "price",
            "Squared error, in units of σ²/M",
            Axis("angle (degrees)", "log", (2.5, 100.0)),
            Axis("squared error", "log", (5.0, 1e8)),
            (
                line("sum", "the sum", "third", width=2.4),
                line("one", "one head", "first", "dash", 2.4),
                points("here", "now", "ink", "circle", 4.4),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        prices = turning_prices()
        return {"angles": ANGLES, "sum": prices["sum"].tolist(), "one": prices["first"].tolist()}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        prices, angle = turning_prices(), values["angle"]
        i = ANGLES.index(angle)
        x, y = float(np.cos(np.pi * angle / 180)), float(np.sin(np.pi * angle / 180))
        both, one = float(prices["sum"][i]), float(prices["first"][i])
        return Numbers(
            {
                "vectors.first": {"x": [0.0, 1.0], "y": [0.0, 0.0]},
                "vectors.second": {"x": [0.0, x], "y": [0.0, y]},
                "vectors.tips": {"x": [1.0, x], "y": [0.0, y]},
                "price.sum": {"x": ANGLES, "y": prices["sum"]},
                "price.one": {"x": ANGLES, "y": prices["first"]},
                "price.here": {"x": [angle, angle], "y": [both, one]},
            },
            {"angle": angle, "times": one / both},
        )


@functools.cache
def turning_prices() -> dict[str, NDArray[np.float64]]:
    """Return what the sum and the first head cost at each of `ANGLES`."""
    return angle_prices(ANGLES, np.random.default_rng(_SEED), n_samples=_SAMPLES)
