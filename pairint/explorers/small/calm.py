"""An average over many partners is small, and calm: its square is far below its range."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import binom

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rule
from pairint.explorers.small.base import SmallFigure
from pairint.theory.fourth_moment import range_factor

__all__ = ["TOKENS", "CalmAverage", "squares"]

TOKENS = (2, 3, 5, 9, 17, 33, 65, 129, 257, 513)


class CalmAverage(SmallFigure):
    """The law of the square of an average of random signs, its range, and what each proof knows of it.

    Book: :doc:`/book/upper_bound_learned`.

    Signs are where the fourth moment of the proof is exact. Squares are in units of their mean, 1/(N - 1).
    """

    name = "calm"
    title = "Small, and calm"
    summary = (
        "N = {tokens}: the square of the average may be {range} times its mean, and is more than {far} times "
        "it in {rare} % of all cases. A proof that knows the range pays {range}, the fourth moment {fourth}."
    )
    parameters = (Parameter("tokens", "tokens N", 33, scale="list", choices=TOKENS),)
    panels = (
        Panel(
            "law",
            "The square of an average of N − 1 signs",
            Axis("square, in units of its mean", "log", (0.8, 700.0)),
            Axis("chance to be larger", "log", (1e-6, 1.6)),
            (
                line("tail", "chance to be larger", "first", width=2.4),
                rule("range", "range", "x", "second", "dash", 2.0),
                rule("fourth", "by the fourth moment", "x", "third", "dashdot", 2.0),
            ),
            height=220,
        ),
        Panel(
            "factors",
            "What a proof pays",
            Axis("tokens N", "log", (1.8, 570.0)),
            Axis("factor ω", "log", (0.9, 700.0)),
            (
                line("range", "by the range", "second", "dash", 2.0),
                line("any", "any function", "fourth", "dot", 2.2),
                line("fourth", "centred functions", "third", "dashdot", 2.4),
                points("here", "now", "ink", "circle", 4.6),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        columns = [squares(n) for n in TOKENS]
        return {
            "axes": {"tokens": TOKENS},
            "squares": [[x.tolist(), y.tolist()] for x, y in columns],
            "any": [float(range_factor(n)) for n in TOKENS],
            "centred": [float(range_factor(n, centred=True)) for n in TOKENS],
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        tokens = values["tokens"]
        square, larger = squares(tokens)
        fourth = float(range_factor(tokens, centred=True))
        ranges = [n - 1 for n in TOKENS]
        series = {
            "law.tail": {"x": square, "y": larger},
            "law.range": {"at": tokens - 1},
            "law.fourth": {"at": fourth},
            "factors.range": {"x": TOKENS, "y": ranges},
            "factors.any": {"x": TOKENS, "y": [float(range_factor(n)) for n in TOKENS]},
            "factors.fourth": {"x": TOKENS, "y": [float(range_factor(n, centred=True)) for n in TOKENS]},
            "factors.here": {"x": [tokens, tokens], "y": [tokens - 1, fourth]},
        }
        beyond = larger[np.flatnonzero(square > 9)]
        facts = {
            "range": tokens - 1,
            "fourth": fourth,
            "far": 9,
            "rare": float(100 * beyond[0]) if len(beyond) else 0.0,
        }
        return Numbers(series, facts)


def squares(tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positive values of (N - 1) R^2 in increasing order, and the chance to be at least that.

    The sum of n signs is twice a binomial number less n. What is less likely than a millionth is left out.
    """
    n = tokens - 1
    plus = np.arange(n // 2 + 1, n + 1)
    chance = 2 * binom.sf(plus - 1, n, 0.5)
    shown = chance >= 1e-6
    return ((2.0 * plus - n) ** 2 / n)[shown], np.minimum(chance[shown], 1.0)
