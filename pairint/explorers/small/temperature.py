"""The same indices, cooled: a linear label's numbers, softmax weights, and at last one mark."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.aim import AIMTeacher
from pairint.aim.indices import indices
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, line, points, rounded, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["CoolingARow", "recorded"]

_D, _RHO, _TOKENS, _SEED = 40, 0.5, 6, 0
_INVERSES = np.geomspace(0.1, 100, 61)


class CoolingARow(SmallFigure):
    """One row of the indices of six tokens, as a softmax shows it at any temperature.

    Book: :doc:`/book/aim_model`.

    The layer is that of the page's first figure, d = 40 and rho = 0.5.
    """

    name = "temperature"
    title = "From soft to hard"
    summary = (
        "Token {token} at inverse temperature {inverse}: {percent} % of its weight lies on token {most}, "
        "{bits} of log₂ 6 = 2.58 bits of doubt are left. Cooled further, the label says only who."
    )
    parameters = (
        Parameter("inverse", "inverse temperature", 5.0, 0.1, 100.0, scale="log"),
        Parameter("token", "token", 1, 1, _TOKENS, 1, integer=True),
    )
    panels = (
        Panel(
            "weights",
            "What the token says of the others",
            Axis("other token", range=(0.5, _TOKENS + 0.5)),
            Axis("weight", range=(-0.03, 1.05)),
            (
                line("stems", "", "first", width=4.0),
                points("tops", "softmax", "first", "circle", 4.4),
                points("one", "temperature 1", "muted", "cross", 4.0),
            ),
            height=220,
        ),
        Panel(
            "doubt",
            "How much doubt is left",
            Axis("inverse temperature", "log", (0.1, 100.0)),
            Axis("entropy (bits)", range=(0.0, 2.75)),
            (
                line("curve", "this token", "first", width=2.4),
                rule("all", "all alike", "y", "muted", "dot", 1.6),
                points("here", "now", "ink", "circle", 5.0),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {"indices": recorded(), "inverses": _INVERSES.tolist()}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        row, inverse = np.array(recorded()[values["token"] - 1]), values["inverse"]
        weights, plain = _softmax(inverse * row), _softmax(row)
        number = np.arange(1, _TOKENS + 1)
        doubt = np.array([_bits(_softmax(b * row)) for b in _INVERSES])
        most, bits = int(np.argmax(row)), _bits(weights)
        stems = {"x": np.repeat(number, 3), "y": np.stack([0 * weights, weights, 0 * weights], 1).ravel()}
        series: Series = {
            "weights.stems": stems,
            "weights.tops": {"x": number, "y": weights},
            "weights.one": {"x": number, "y": plain},
            "doubt.curve": {"x": _INVERSES, "y": doubt},
            "doubt.all": {"at": math.log2(_TOKENS)},
            "doubt.here": {"x": [inverse], "y": [bits]},
        }
        facts = {"most": most + 1, "percent": float(100 * weights[most]), "bits": bits}
        return Numbers(series, facts)


@functools.cache
def recorded() -> list[list[float]]:
    """Return the indices of the page's first figure, with five digits."""
    rng = np.random.default_rng(_SEED)
    teacher = AIMTeacher(_D, _RHO, _TOKENS, rng=rng)
    h = indices(rng.standard_normal((1, _TOKENS, _D)), teacher.S)[0]
    return [rounded(row, 5) for row in h]


def _softmax(values: np.ndarray) -> np.ndarray:
    weights = np.exp(values - values.max())
    return weights / weights.sum()


def _bits(weights: np.ndarray) -> float:
    positive = weights[weights > 0]
    return float(-np.sum(positive * np.log2(positive)) + 0.0)
