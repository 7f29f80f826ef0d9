"""Counting balls: how many it takes, and what a low rank saves."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, curves, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.theory.covering import greedy_packing, log_cover_ball, log_cover_low_rank

__all__ = ["ACCURACIES", "CountingBalls", "centres"]

ACCURACIES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18)
_RANKS = (1, 2, 3, 5, 8)
_DIMENSIONS = np.arange(8, 101, 4)
_POINTS = 4000
_ARC = np.linspace(0, math.pi, 25)


class CountingBalls(SmallFigure):
    """A disc covered by smaller ones, and how the count for matrices grows with the dimension.

    Book: :doc:`/book/upper_bound_covering`.

    The centres are points of the disc, none within the accuracy of another, and as many as find room. For
    matrices of operator norm one the bounds of the page.
    """

    name = "covering"
    title = "Counting balls"
    summary = (
        "Accuracy {accuracy}: {count} discs cover 4000 points of the disc; the lemma allows {allowed}. For "
        "matrices with d = 100 the log of the count is at most {low} at rank {rank}, and {full} for all: "
        "{times} times more."
    )
    parameters = (
        Parameter("accuracy", "accuracy ε", 0.35, scale="list", choices=ACCURACIES),
        Parameter("rank", "rank r", 2, scale="list", choices=_RANKS),
    )
    panels = (
        Panel(
            "disc",
            "A disc of radius one",
            Axis("first number", range=(-3.0, 3.0)),
            Axis("second number", range=(-1.75, 1.75)),
            (
                curves("balls", "first", "solid", 1.2, 0.8),
                curves("rim", "muted", "dash", 2.0, 1.0),
                points("centres", "centres", "second", "circle", 2.4),
            ),
            height=250,
            equal=True,
        ),
        Panel(
            "matrices",
            "Matrices of norm one",
            Axis("dimension d", range=(0.0, 104.0)),
            Axis("log of the count", "log", (10.0, 1e5)),
            (
                line("full", "all matrices", "second", "dot", 2.0),
                line("low", "rank {rank}", "first", width=2.6),
            ),
            height=250,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"accuracy": ACCURACIES},
            "centres": [centres(e).tolist() for e in ACCURACIES],
            "arc": _ARC.tolist(),
            "dimensions": _DIMENSIONS.tolist(),
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        accuracy, rank = values["accuracy"], values["rank"]
        middle = centres(accuracy)
        low = np.array([log_cover_low_rank(accuracy, d=int(d), rank=rank, radius=1.0) for d in _DIMENSIONS])
        full = np.array([log_cover_ball(accuracy, dimension=int(d) ** 2, radius=1.0) for d in _DIMENSIONS])
        series = {
            "disc.balls": _circles(middle, accuracy),
            "disc.rim": _circles(np.zeros((1, 2)), 1.0),
            "disc.centres": {"x": middle[:, 0], "y": middle[:, 1]},
            "matrices.full": {"x": _DIMENSIONS, "y": full},
            "matrices.low": {"x": _DIMENSIONS, "y": low},
        }
        facts = {
            "count": len(middle),
            "allowed": math.floor(math.exp(log_cover_ball(accuracy, dimension=2, radius=1.0)) + 1e-9),
            "low": float(low[-1]),
            "full": float(full[-1]),
            "times": float(full[-1] / low[-1]),
        }
        return Numbers(series, facts)


@functools.cache
def centres(accuracy: float) -> NDArray[np.float64]:
    """Return points of the disc that are farther than the accuracy from each other, and a maximal set."""
    rng = np.random.default_rng(1)
    radius, angle = np.sqrt(rng.uniform(0, 1, _POINTS)), rng.uniform(0, 2 * math.pi, _POINTS)
    drawn = np.round(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), 3)
    kept = greedy_packing(drawn, accuracy, lambda point, others: np.linalg.norm(others - point, axis=1))
    return drawn[kept]


def _circles(middle: NDArray[np.float64], radius: float) -> dict[str, Any]:
    """Return circles as upper and lower halves, each from left to right."""
    x = middle[:, :1] - radius * np.cos(_ARC)
    rise = radius * np.sin(_ARC)
    y = np.concatenate([middle[:, 1:] + rise, middle[:, 1:] - rise], 1)
    return {"x": np.concatenate([x, x], 1).ravel(), "y": y.ravel()}
