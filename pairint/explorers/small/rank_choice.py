"""Keep a singular value, or drop it: what is probably signal is not always worth using."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, line, points, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["KeepOrDrop"]

_CHARGES = (1.0, 1.1, 1.2, 4 / 3, 1.5, 1.75, 2.0)
_STRENGTHS = np.round(np.arange(0, 3.0001, 0.02), 2)
_ANGLES = np.linspace(0, math.pi / 2, 41)
_WORDS = {
    "noise": "hides in the noise",
    "unused": "stands out, and is better left alone",
    "worth": "stands out, and is worth keeping",
}


class KeepOrDrop(SmallFigure):
    r"""A singular value among those of noise: where it is seen, and what keeping or dropping it costs.

    Book: :doc:`/book/price_of_not_knowing`.

    The limit of large matrices, in units of :math:`\sqrt q\, \tau`. A criterion that charges w times two
    noise variances for a parameter of the matrix keeps what is seen beyond :math:`2 \sqrt w`.
    """

    name = "rank_choice"
    title = "Is one rank more worth it?"
    summary = (
        "Strength {strength}, seen at {seen}: it {words}. Dropping costs {drop}, keeping {keep}; "
        "the weight {weight} makes you {choice} it: {verdict}."
    )
    parameters = (
        Parameter("strength", "strength of the singular value", 1.4, 0.0, 3.0, 0.02),
        Parameter("weight", "weight of a parameter", 1.0, scale="list", choices=_CHARGES),
    )
    panels = (
        Panel(
            "seen",
            "What is seen",
            Axis("singular value, in units of √q τ", range=(0.0, 3.6)),
            Axis("density of noise", range=(0.0, 0.8)),
            (
                line("noise", "noise", "first", width=2.4),
                rule("signal", "yours", "x", "second", "solid", 2.4),
                rule("bar", "kept from here on", "x", "muted", "dash", 1.6),
            ),
            height=220,
        ),
        Panel(
            "cost",
            "What it costs",
            Axis("strength", range=(0.0, 3.0)),
            Axis("squared error", range=(0.0, 9.0)),
            (
                line("drop", "drop", "first", "dash", 2.0),
                line("keep", "keep", "fourth", "dot", 2.2),
                line("chosen", "by this weight", "fit", width=2.6),
                points("here", "yours", "ink", "circle", 5.0),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {"edge": 2.0, "angles": _ANGLES.tolist(), "strengths": _STRENGTHS.tolist(), "words": _WORDS}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        x, weight = values["strength"], values["weight"]
        bar = 2 * math.sqrt(weight)
        kept = [_seen(v) > bar for v in _STRENGTHS]
        costs = {"drop": _STRENGTHS**2, "keep": np.array([_kept(v) for v in _STRENGTHS])}
        chosen = np.where(kept, costs["keep"], costs["drop"])
        drop, keep, seen = x**2, _kept(x), _seen(x)
        choice = "keep" if seen > bar else "drop"
        here = keep if choice == "keep" else drop
        words = _WORDS["noise" if x <= 1 else "worth" if keep < drop else "unused"]
        series: Series = {
            "seen.noise": {"x": 2 * np.sin(_ANGLES), "y": 2 * np.cos(_ANGLES) / math.pi},
            "seen.signal": {"at": seen},
            "seen.bar": {"at": bar},
            "cost.drop": {"x": _STRENGTHS, "y": costs["drop"]},
            "cost.keep": {"x": _STRENGTHS, "y": costs["keep"]},
            "cost.chosen": {"x": _STRENGTHS, "y": chosen},
            "cost.here": {"x": [x], "y": [here]},
        }
        facts = {"seen": seen, "drop": drop, "keep": keep, "choice": choice, "words": words}
        return Numbers(series, facts | {"verdict": "right" if here <= min(drop, keep) else "wrong"})


def _seen(x: float) -> float:
    """Return where a singular value of this strength is seen: at the edge of the noise, or beyond it."""
    return x + 1 / x if x > 1 else 2.0


def _kept(x: float) -> float:
    """Return the squared error if it is kept as it is seen; below the edge it is noise, and adds to x."""
    return 2 + 3 / x**2 if x > 1 else x**2 + 4
