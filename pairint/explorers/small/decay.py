"""How much weight decay: the spectrum of the trained matrix, and its error."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.aim import NoisyChannel, NoisySpectrum, make_channel, state_evolution, weight_decay
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rounded, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["COUNTS", "DECAYS", "HowMuchDecay", "trained"]

COUNTS = (0.1, 0.2, 0.4)
DECAYS = (0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.13, 0.17, 0.22, 0.28, 0.36, 0.46, 0.6, 0.8, 1.0, 1.4, 2.0)
_RHO, _NOISE = 0.3, 0.2
_GRID = 61


class HowMuchDecay(SmallFigure):
    """The positive eigenvalues of a trained matrix and its error, against the strength of the decay.

    Book: :doc:`/book/aim_weight_decay`.

    Linear labels of two tokens with noise 0.2, width ratio 0.3, in the limit of large d (asymptotic).
    """

    name = "decay"
    title = "How much decay?"
    summary = (
        "Decay {decay}: {zero} % of the eigenvalues are zero (of the truth, 70 %), error {error}. "
        "Best is {best}, with {least}; no estimator has less than {bayes}."
    )
    shared = ()  # these samples and tokens are those of another regime
    parameters = (
        Parameter("decay", "decay λ", 0.02, scale="list", choices=DECAYS),
        Parameter("samples", "samples α = n/d²", 0.2, scale="list", choices=COUNTS),
    )
    panels = (
        Panel(
            "spectrum",
            "Eigenvalues that are not zero",
            Axis("eigenvalue of the trained matrix", range=(0.0, 4.0)),
            Axis("density", range=(0.0, 0.8)),
            (line("law", "limit of large d", "bound", width=2.4),),
            height=220,
        ),
        Panel(
            "error",
            "Error against decay",
            Axis("decay λ", "log", (0.018, 2.2)),
            Axis("error", range=(0.0, 1.3)),
            (
                line("curve", "trained", "fit", width=2.6),
                rule("bayes", "best possible", "y", "bound", "dash", 1.8),
                points("here", "now", "ink", "circle", 5.0),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {"axes": {"samples": COUNTS, "decay": DECAYS}, "tables": [trained(a) for a in COUNTS]}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        table, i = trained(values["samples"]), DECAYS.index(values["decay"])
        errors = table["errors"]
        best = int(np.argmin(errors))
        series = {
            "spectrum.law": dict(zip("xy", table["laws"][i], strict=True)),
            "error.curve": {"x": DECAYS, "y": errors},
            "error.bayes": {"at": table["bayes"]},
            "error.here": {"x": [DECAYS[i]], "y": [errors[i]]},
        }
        facts = {
            "zero": 100 * (1 - table["ranks"][i]),
            "error": errors[i],
            "best": DECAYS[best],
            "least": errors[best],
            "bayes": table["bayes"],
        }
        return Numbers(series, facts)


@functools.cache
def trained(alpha: float) -> dict[str, Any]:
    """Return errors, ranks over d and laws of the positive eigenvalues for `DECAYS`, and the Bayes error."""
    found = weight_decay(alpha, _RHO, np.array(DECAYS), "linear", noise=_NOISE)
    laws = []
    for delta, threshold in zip(np.ravel(found.delta), np.ravel(found.threshold), strict=True):
        law, cut = NoisySpectrum(_RHO, float(delta)), float(threshold)
        # Dense at the edges of each interval, of which two may nearly touch.
        parts = [(max(low, cut), high) for low, high in law.edges if high > cut]
        angles = np.linspace(0, math.pi, _GRID if len(parts) == 1 else _GRID // 2 + 1)
        x = np.concatenate([low + (high - low) * (1 - np.cos(angles)) / 2 for low, high in parts])
        laws.append([rounded(x - cut, 5), rounded(law.density(x), 4)])
    channel = NoisyChannel(make_channel("linear"), _NOISE)
    return {
        "errors": rounded(np.ravel(found.error), 7),
        "ranks": rounded(np.ravel(found.rank), 7),
        "laws": laws,
        "bayes": float(f"{float(state_evolution(alpha, _RHO, channel).mmse):.7g}"),
    }
