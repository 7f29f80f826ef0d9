"""The staircase of the state evolution, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.aim.spectrum import NoisySpectrum
from pairint.aim.state_evolution import exact_recovery_threshold, state_evolution, state_evolution_iterates
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, fill, line, points, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["Staircase"]

_RHO = 0.5
#: Of a softmax of two tokens: a label's information times the error, whatever is known.
_KAPPA = 4
_STEPS = 24
_GRID = 61
_WORDS = {
    "stops": "The stairs end where the curve meets the diagonal, at {bayes}",
    "falls": "The curve stays below the diagonal: the stairs go down to zero",
}


class Staircase(SmallFigure):
    """The iteration of the state evolution for a softmax layer (exact in the limit of large d).

    Book: :doc:`/book/aim_state_evolution`.
    """

    name = "aim_state_evolution"
    title = "Down the stairs, step by step"
    summary = "With α = {alpha} the error is {error} after step {step}. {words}."
    parameters = (
        Parameter("alpha", "samples α = n/d²", 0.15, 0.02, 0.3, 0.005),
        Parameter("step", "step", 5, 0, _STEPS, 1, integer=True),
    )
    play = "step"
    panels = (
        Panel(
            "stairs",
            f"One step, softmax, ρ = {_RHO}",
            Axis("error before the step", range=(0.0, 1.03)),
            Axis("error after it", range=(0.0, 1.03)),
            (
                line("same", "no change", "muted", "dash", 1.3),
                line("map", "one step", "bound", width=2.8),
                line("path", "stairs", "first", width=1.8),
                points("here", "", "first", "circle", 4.5),
            ),
            height=240,
        ),
        Panel(
            "errors",
            "The error so far",
            Axis("step", range=(-0.5, _STEPS + 0.5)),
            Axis("‖S − Ŝ‖² / d", range=(0.0, 1.03)),
            (
                points("errors", "error", "first", "circle", 3.6),
                rule("bayes", "Bayes-optimal", "y", "bound", "dash", 1.4),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "rho": _RHO,
            "kappa": _KAPPA,
            "grid": _GRID,
            "threshold": exact_recovery_threshold(_RHO),
            "words": _WORDS,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        alpha, step = values["alpha"], values["step"]
        before = np.linspace(0, 1, _GRID)
        after = [NoisySpectrum(_RHO, error / (alpha * _KAPPA)).mmse for error in before[1:]]
        errors = state_evolution_iterates(alpha, _RHO, n_iter=step)
        bayes = float(state_evolution(alpha, _RHO).mmse)
        corners = np.repeat(errors, 2)  # down to the curve, across to the diagonal
        series: Series = {
            "stairs.same": {"x": [0.0, 1.0], "y": [0.0, 1.0]},
            "stairs.map": {"x": before, "y": [0.0, *after]},
            "stairs.path": {"x": corners[:-1], "y": corners[1:]},
            "stairs.here": {"x": errors[-1:], "y": errors[-1:]},
            "errors.errors": {"x": np.arange(step + 1), "y": errors},
            "errors.bayes": {"at": bayes},
        }
        facts = {
            "error": float(errors[-1]),
            "bayes": bayes,
            "words": fill(_WORDS["stops" if bayes > 0 else "falls"], {"bayes": bayes}),
        }
        return Numbers(series, facts)
