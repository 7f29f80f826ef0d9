"""What one token gives: a partner moves, and a channel says what becomes of the others."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.estimation.channels import Mean, Normalised, PairData
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, area, line, points, words
from pairint.explorers.small.base import SmallFigure

__all__ = ["CHANNELS", "MovingPartner", "outputs_at", "weights_at"]

#: Channels, and what the reader sees for each.
CHANNELS = {
    "normalised": "softmax",
    "mean": "mean",
    "pairs": "known differences",
}
#: Angles of the partners that stay, and of the one that moves before it does, in degrees; the asking token
#: is at zero. The activation is exp(beta (u - 1)).
_OTHERS, _BEFORE, _BETA = (-75, 45, 110, -150), 150, 2.0
_HALF = 0.36  # of the width of a bar
_OUTSIDE = 1.15  # where the numbers of the partners stand
_WORDS = {
    "normalised": "Nobody moved them: what one gains, the others lose.",
    "mean": "Each gives what it gives, whatever the others do.",
    "pairs": "Each hands over its difference from the asking one.",
}


class MovingPartner(SmallFigure):
    """A token asks five partners on a circle, one of which moves: what each gives through three channels.

    Book: :doc:`/book/channels`.

    Scores are inner products; what is handed over are the places of the partners, or, with known pairs, their
    differences from the token that asks.
    """

    name = "channels"
    title = "One partner moves"
    summary = (
        "The partner that moves has weight {own}, {own_before} before. The other four add up to {rest}, "
        "{rest_before} before. {verdict}"
    )
    parameters = (
        Parameter("angle", "angle of the partner", 20, -180, 180, 5, integer=True, unit="°"),
        Parameter(
            "channel",
            "channel",
            "normalised",
            scale="choice",
            choices=tuple(CHANNELS),
            names=tuple(CHANNELS.values()),
        ),
    )
    panels = (
        Panel(
            "plane",
            "The output, and where it could go",
            Axis("first coordinate", range=(-1.3, 1.3)),
            Axis("second coordinate", range=(-1.3, 1.3)),
            (
                line("ring", "", "muted", width=0.8),
                points("asking", "asks", "ink", "square", 4.5),
                points("others", "", "data", "circle", 4.0),
                points("moved", "moves", "first", "circle", 6.0),
                line("path", "", "second", "dot", 1.6),
                points("output", "output", "second", "diamond", 4.0),
                words("numbers", "{number}", anchor="middle"),
            ),
            height=260,
        ),
        Panel(
            "weights",
            "What each partner's gift is multiplied by",
            Axis("partner (the first one moves)", range=(0.4, 5.6)),
            Axis("weight", range=(0.0, 0.8)),
            (
                area("now", "now", "data"),
                points("tops", "", "data", "circle", 2.0),
                points("before", "before it moved", "first", "square", 3.0),
            ),
            height=260,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "others": _OTHERS,
            "before": _BEFORE,
            "beta": _BETA,
            "half": _HALF,
            "outside": _OUTSIDE,
            "words": _WORDS,
            "ring": _ring().tolist(),
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        angle, channel = values["angle"], values["channel"]
        weights, before = weights_at(angle, channel), weights_at(_BEFORE, channel)
        places = _places(angle)
        path = np.array([outputs_at(degrees, channel) for degrees in range(-180, 181, 5)])
        output = outputs_at(angle, channel)
        edges = [
            (j + side * _HALF, on) for j in range(1, 6) for side, on in ((-1, 0), (-1, 1), (1, 1), (1, 0))
        ]
        series = {
            "plane.ring": _columns(_ring()),
            "plane.asking": _columns(places[:1]),
            "plane.others": _columns(places[2:]),
            "plane.moved": _columns(places[1:2]),
            "plane.path": _columns(path),
            "plane.output": _columns(output[None]),
            "plane.numbers": _columns(_OUTSIDE * places[1:]) | {"number": range(1, 6)},
            "weights.now": {
                "x": [x for x, _ in edges],
                "y": [on * weights[k // 4] for k, (_, on) in enumerate(edges)],
            },
            "weights.tops": {"x": range(1, 6), "y": weights},
            "weights.before": {"x": range(1, 6), "y": before},
        }
        facts = {
            "own": float(weights[0]),
            "own_before": float(before[0]),
            "rest": float(weights[1:].sum()),
            "rest_before": float(before[1:].sum()),
            "verdict": _WORDS[channel],
        }
        return Numbers(series, facts)


def _columns(places: NDArray[np.float64]) -> dict[str, Any]:
    return {"x": places[:, 0], "y": places[:, 1]}


@functools.cache
def _ring() -> NDArray[np.float64]:
    angle = 2 * np.pi * np.arange(73) / 72
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).round(9)


def _places(angle: float) -> NDArray[np.float64]:
    """Return the places of the token that asks, of the partner that moves, and of the others."""
    radians = np.radians([0, angle, *_OTHERS])
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def _seen(angle: float, channel: str, gifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first token's output, if partner ``j`` hands over the row ``gifts[j]``."""
    X = _places(angle)[None]
    H = np.exp(_BETA * (X @ X.swapaxes(1, 2) - 1))
    mask = 1 - np.eye(len(gifts))[None]
    if channel == "pairs":
        given = np.broadcast_to(gifts, (1, len(gifts), *gifts.shape))
        return np.asarray(Mean().outputs(H, PairData(mask, pairs=given)))[0, 0]
    how = Normalised(diagonal=False) if channel == "normalised" else Mean()
    return np.asarray(how.outputs(H, PairData(mask, gifts[None])))[0, 0]


def weights_at(angle: float, channel: str) -> NDArray[np.float64]:
    """Return what the gift of each partner is multiplied by, the partner that moves first."""
    return _seen(angle, channel, np.eye(2 + len(_OTHERS)))[1:]


def outputs_at(angle: float, channel: str) -> NDArray[np.float64]:
    """Return the output of the token that asks, shape ``(2,)``."""
    places = _places(angle)
    return _seen(angle, channel, places - places[0] if channel == "pairs" else places)
