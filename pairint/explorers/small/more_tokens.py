"""Hard labels of more tokens: what one of them is worth, and what that does to the error."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.aim import make_channel, state_evolution
from pairint.aim.hardmax import hardmax_information
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rounded
from pairint.explorers.small.base import SmallFigure

__all__ = ["COUNTS", "SAMPLES", "MoreTokens", "labels_of"]

COUNTS = (2, 3, 4, 5)
SAMPLES = (0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)
_RHO = 0.5
_UNITS = np.linspace(0.02, 1, 50)


class MoreTokens(SmallFigure):
    """The information of a label from nothing known to all, and the error against samples.

    Book: :doc:`/book/aim_hardmax_tokens`.

    Width ratio 0.5. For three tokens and more the curve on the left is the cubic through four numbers.
    """

    name = "more_tokens"
    title = "One more token"
    summary = (
        "{tokens} tokens, α = {samples}: error {error}, {times} times less than with two. A label holds "
        "{entropy} nats; the first is worth {start}, and near ties {tail} over √τ at the end."
    )
    shared = ()  # these samples and tokens are those of another regime
    parameters = (
        Parameter("tokens", "tokens T", 4, scale="list", choices=COUNTS),
        Parameter("samples", "samples α = n/d²", 1.0, scale="list", choices=SAMPLES),
    )
    panels = (
        Panel(
            "label",
            "What a label is worth",
            Axis("what is not known, u = (1 + τ)^(−1/2)", range=(0.0, 1.0)),
            Axis("information k, over u", zero=True),
            (
                line("two", "2 tokens", "muted", "dash", 1.8),
                line("these", "{tokens} tokens", "first", width=2.6),
                points("ends", "near ties; the first label", "ink", "circle", 4.6),
            ),
            height=220,
        ),
        Panel(
            "error",
            "What is not known of the layer",
            Axis("samples α = n/d²", "log", (0.027, 11.0)),
            Axis("error", "log", (1e-5, 1.3)),
            (
                line("two", "2 tokens", "muted", "dash", 1.8),
                line("these", "{tokens} tokens", "first", width=2.6),
                points("here", "now", "ink", "circle", 5.0),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"tokens": COUNTS, "samples": SAMPLES},
            "units": _UNITS.tolist(),
            "labels": [labels_of(t) for t in COUNTS],
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        tokens, i = values["tokens"], SAMPLES.index(values["samples"])
        two, these = labels_of(2), labels_of(tokens)
        series = {
            "label.two": {"x": _UNITS, "y": two["worth"]},
            "label.these": {"x": _UNITS, "y": these["worth"]},
            "label.ends": {"x": [0.0, 1.0], "y": [these["tail"], these["start"]]},
            "error.two": {"x": SAMPLES, "y": two["errors"]},
            "error.these": {"x": SAMPLES, "y": these["errors"]},
            "error.here": {"x": [SAMPLES[i]], "y": [these["errors"][i]]},
        }
        facts = {"error": these["errors"][i], "times": two["errors"][i] / these["errors"][i]}
        return Numbers(series, facts | {key: these[key] for key in ("start", "tail", "entropy")})


@functools.cache
def labels_of(tokens: int) -> dict[str, Any]:
    """Return what labels of so many tokens are worth, and the errors for each of `SAMPLES`."""
    found = hardmax_information(tokens)
    kappa = make_channel("hardmax", tokens).kappa(1 / _UNITS**2 - 1)
    errors = state_evolution(np.array(SAMPLES), _RHO, "hardmax", tokens).mmse
    ends = {"start": float(found.start), "tail": float(found.tail), "entropy": float(found.entropy)}
    return ends | {"worth": rounded(np.ravel(kappa / _UNITS), 7), "errors": rounded(np.ravel(errors), 7)}
