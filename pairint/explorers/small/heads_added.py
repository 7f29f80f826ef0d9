"""Heads that are only added: their sum becomes known, and no one of them does."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.aim import exact_recovery_threshold
from pairint.aim.sampling import summed_layers
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["HEADS", "SAMPLES", "HeadsAdded", "head_errors"]

_RHO = 0.3
#: An error below this is a rounding of zero.
_KNOWN = 1e-12
HEADS = (1, 2, 3, 4, 6, 8)
SAMPLES = tuple(round(0.01 * k, 2) for k in range(1, 41))


class HeadsAdded(SmallFigure):
    """The error of a head and of the sum of all, if a softmax shows their sum only.

    Book: :doc:`/book/aim_layers`.

    Two tokens, width ratio 0.3 of each head.
    """

    name = "heads_added"
    title = "Added up for ever"
    summary = (
        "{heads} heads, α = {samples}: the error of their sum is {together}, that of one head {one}. More "
        "data bring the sum to zero from α = {threshold} on, and a head never below {floor}."
    )
    shared = ()  # these samples and tokens are those of another regime
    parameters = (
        Parameter("heads", "heads L", 3, scale="list", choices=HEADS),
        Parameter("samples", "samples α = n/d²", 0.3, scale="list", choices=SAMPLES),
    )
    panels = (
        Panel(
            "curves",
            "Against samples",
            Axis("samples α = n/d²", range=(0.0, 0.4)),
            Axis("error", range=(-0.03, 1.05)),
            (
                line("together", "sum of {heads}", "first", "dash", 2.4),
                line("one", "one head", "second", width=2.6),
                rule("floor", "1 − 1/L", "y", "muted", "dot", 1.6),
                points("here", "now", "ink", "circle", 4.6),
            ),
            height=220,
        ),
        Panel(
            "count",
            "Against heads, at α = {samples}",
            Axis("heads L", range=(0.5, 8.5)),
            Axis("error of a head", range=(-0.03, 1.05)),
            (
                line("floor", "1 − 1/L", "muted", "dot", 1.6),
                points("one", "one head", "second", "circle", 4.0),
                points("here", "now", "ink", "circle", 5.6),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"heads": HEADS, "samples": SAMPLES},
            "one": [head_errors(count).tolist() for count in HEADS],
            "known": _KNOWN,
            "thresholds": [_threshold(count) for count in HEADS],
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        heads, samples = values["heads"], values["samples"]
        one, i = head_errors(heads), SAMPLES.index(samples)
        together = 1 - heads * (1 - one)
        together = np.where(together < _KNOWN, 0.0, together)
        floor = 1 - 1 / heads
        errors = [float(head_errors(count)[i]) for count in HEADS]
        series = {
            "curves.together": {"x": SAMPLES, "y": together},
            "curves.one": {"x": SAMPLES, "y": one},
            "curves.floor": {"at": floor},
            "curves.here": {"x": [samples, samples], "y": [together[i], one[i]]},
            "count.floor": {"x": np.arange(1, 9), "y": 1 - 1 / np.arange(1, 9)},
            "count.one": {"x": HEADS, "y": errors},
            "count.here": {"x": [heads], "y": [one[i]]},
        }
        facts = {
            "together": float(together[i]),
            "one": float(one[i]),
            "floor": floor,
            "threshold": _threshold(heads),
        }
        return Numbers(series, facts)


@functools.cache
def head_errors(heads: int) -> NDArray[np.float64]:
    """Return the error of each head for each of `SAMPLES`."""
    return np.asarray(summed_layers(np.array(SAMPLES), _RHO, heads).mmse)


def _threshold(heads: int) -> float:
    """Return from which alpha on the sum is known: that of one layer as wide as all."""
    return float(exact_recovery_threshold(_RHO * heads))
