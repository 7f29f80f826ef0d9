"""When to watch: tokens on a circle gather, and their velocities show first more, then less and less."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.model.flow import sphere_flow
from pairint.theory.clustering import snapshot_information

__all__ = ["FOCUS", "TIMES", "WhenToWatch", "angles_at", "prices"]

#: The exponent of the attraction, exp(beta (u - 1)), by its name.
FOCUS = {"wide": 1.0, "narrow": 9.0}
TIMES = tuple(0.25 * k for k in range(81))
_TOKENS, _SAMPLES, _DEGREE, _STEP, _SEED, _MOST = 12, 100, 3, 0.05, 7, 1e8
#: Tokens begin on a little less than half of the circle, so that they meet.
_ARC = 1.5


class WhenToWatch(SmallFigure):
    """Tokens that attract each other on a circle, and what a snapshot of their velocities costs.

    Book: :doc:`/book/when_to_watch`.

    The tokens shown are one sample; the cost is that of a cubic polynomial of the score, from 100 samples
    of twelve tokens, in units of a snapshot in which partners tell as much as if they were alone.
    """

    name = "watching"
    title = "When to watch"
    summary = (
        "At time {now} a snapshot costs {words} times the samples of full information. The cheapest is at "
        "time {best}: {least}."
    )
    play = "time"
    parameters = (
        Parameter("time", "time t", 3.0, 0.0, 20.0, 0.25),
        Parameter(
            "focus",
            "attraction",
            "wide",
            scale="choice",
            choices=tuple(FOCUS),
            names=("wide: exp(u − 1)", "narrow: exp(9 (u − 1))"),
        ),
    )
    panels = (
        Panel(
            "circle",
            "Twelve tokens at time {now}",
            Axis("first coordinate", range=(-1.3, 1.3)),
            Axis("second coordinate", range=(-1.3, 1.3)),
            (
                line("ring", "the circle", "muted", width=1.0),
                points("start", "at time 0", "muted", "circle", 2.6, 0.5),
                points("tokens", "now", "data", "circle", 4.4, 0.8),
            ),
            height=260,
        ),
        Panel(
            "price",
            "Price of a snapshot, cut at 10⁸",
            Axis("time t", range=(0.0, 20.0)),
            Axis("price", "log", (0.8, 1e8)),
            (
                line("wide", "wide", "first", width=2.2),
                line("narrow", "narrow", "second", "dash", 2.2),
                points("here", "now", "ink", "circle", 4.4),
            ),
            height=260,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "times": TIMES,
            "prices": {name: prices(name).tolist() for name in FOCUS},
            "focus": FOCUS,
            "start": start().tolist(),
            "step": _STEP,
            "most": _MOST,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        now, name = values["time"], values["focus"]
        table = prices(name)
        here = int(np.abs(np.subtract(TIMES, now)).argmin())
        best = int(np.argmin(table))
        ring = 2 * np.pi * np.arange(91) / 90
        series = {
            "circle.ring": _place(ring),
            "circle.start": _place(start()),
            "circle.tokens": _place(angles_at(now, FOCUS[name])),
            "price.here": {"x": [now], "y": [table[here]]},
        } | {f"price.{key}": {"x": TIMES, "y": prices(key)} for key in FOCUS}
        price = float(table[here])
        words = price if price < _MOST else "more than 10⁸"
        # As text: a quarter is written in full, by both languages alike.
        facts = {
            "now": f"{now:g}",
            "price": price,
            "words": words,
            "best": f"{TIMES[best]:g}",
            "least": float(table[best]),
        }
        return Numbers(series, facts)


def _place(angle: NDArray[np.float64]) -> dict[str, Any]:
    return {"x": np.cos(angle), "y": np.sin(angle)}


@functools.cache
def start() -> NDArray[np.float64]:
    """Return the angles of the tokens shown, at time 0."""
    return np.random.default_rng(_SEED).uniform(-_ARC, _ARC, _TOKENS).round(4)


def angles_at(time: float, beta: float) -> NDArray[np.float64]:
    """Return the angles of the tokens shown at a time: the flow in angles, as the ES module computes it."""

    def slope(angle: NDArray[np.float64]) -> NDArray[np.float64]:
        apart = angle - angle[:, None]
        return np.sum(np.exp(beta * (np.cos(apart) - 1)) * np.sin(apart), axis=1) / (len(angle) - 1)

    angle = start()
    for _ in range(round(time / _STEP)):
        a = slope(angle)
        b = slope(angle + _STEP / 2 * a)
        c = slope(angle + _STEP / 2 * b)
        d = slope(angle + _STEP * c)
        angle = angle + _STEP / 6 * (a + 2 * b + 2 * c + d)
    return angle


@functools.cache
def prices(name: str) -> NDArray[np.float64]:
    """Return the price of a snapshot at each of `TIMES`, at most a hundred million."""
    beta = FOCUS[name]
    angle = np.random.default_rng(_SEED + 1).uniform(-_ARC, _ARC, (_SAMPLES, _TOKENS))
    begin = np.stack([np.cos(angle), np.sin(angle)], axis=2)
    others = ~np.eye(_TOKENS, dtype=bool)
    reference = (begin @ begin.swapaxes(1, 2))[:, others].ravel()
    film = sphere_flow(begin, lambda u: np.exp(beta * (u - 1)), TIMES, 2 * _STEP)
    found = [snapshot_information(X, _DEGREE, reference).price for X in film]
    return np.minimum(found, _MOST)
