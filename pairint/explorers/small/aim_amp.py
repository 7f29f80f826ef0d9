"""Approximate message passing line by line, with the Onsager term and without."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.aim.amp import amp
from pairint.aim.channels import make_channel
from pairint.aim.state_evolution import state_evolution_iterates
from pairint.aim.teacher import AIMTeacher
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rounded
from pairint.explorers.small.base import SmallFigure

__all__ = ["MessagePassing"]

_D, _RHO, _ALPHA = 100, 0.5, 1.0
_ITERATIONS = 10
_LINES = 4
#: What line 4 takes from the prediction.
_ECHO = {"on": " − σ² C g", "off": ", echo and all"}


class MessagePassing(SmallFigure):
    """One run of message passing on hardmax labels (recorded), against the state evolution (exact limit).

    Book: :doc:`/book/aim_amp`.
    """

    name = "aim_amp"
    title = "Message passing, line by line"
    summary = (
        "Iteration {iteration}: the error is {error}, the algorithm believes {claimed}. The theory said "
        "{predicted} for the error, {expected} for Δ."
    )
    parameters = (
        Parameter("done", "lines carried out", 16, 0, _LINES * _ITERATIONS, 1, integer=True),
        Parameter(
            "onsager",
            "Onsager term",
            "off",
            scale="choice",
            choices=("on", "off"),
            names=("on: the echo is taken off", "off"),
        ),
    )
    play = "done"
    listing = (
        "Surprise: g = g_out(y, ω, C); Δ = {delta}",
        "Correct: R = Ŝ + (2Δ/d) h*(g)",
        "Clean the spectrum: Ŝ = f(R); C = {claimed}",
        "Predict: ω = h(Ŝ){echo}",
    )
    panels = (
        Panel(
            "errors",
            f"Hardmax, d = {_D}, ρ = {_RHO}, α = {_ALPHA:g}",
            Axis("iteration", range=(-0.3, _ITERATIONS + 0.3)),
            Axis("‖S − Ŝ‖² / d", "log", (0.04, 1.25)),
            (
                line("theory", "state evolution", "bound", width=2.4),
                points("errors", "error of the run", "fit", "circle", 4.6),
                points("claimed", "C, its own account", "first", "cross", 3.6),
            ),
            height=300,
        ),
    )

    def data(self) -> dict[str, Any]:
        return recorded() | {"lines": _LINES, "echo": _ECHO}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        done, run, theory = values["done"], recorded()["runs"][values["onsager"]], recorded()["theory"]
        scored, cleaned = (done + 3) // _LINES, (done + 1) // _LINES  # how often lines 1 and 3 were reached
        iteration = max(1, -(-done // _LINES))
        errors, claimed = (run[key][: cleaned + 1] for key in ("error", "claimed"))
        steps = np.arange(len(theory["error"]))
        series = {
            "errors.theory": {"x": steps, "y": theory["error"]},
            "errors.errors": {"x": steps[: cleaned + 1], "y": errors},
            "errors.claimed": {"x": steps[: cleaned + 1], "y": claimed},
        }
        facts = {
            "iteration": iteration,
            "error": errors[-1],
            "claimed": claimed[-1],
            "predicted": theory["error"][cleaned],
            "expected": theory["delta"][iteration - 1],
            "delta": run["delta"][scored - 1] if scored else "?",
            "echo": _ECHO[values["onsager"]],
            "line": (done - 1) % _LINES + 1 if done else 0,
        }
        return Numbers(series, facts)


@functools.cache
def recorded() -> dict[str, Any]:
    """Return the runs with the Onsager term and without, and the state evolution: errors, and noise levels.

    The errors begin before the first iteration, with the mean of the prior.
    """
    teacher = AIMTeacher(_D, _RHO, channel="hardmax", rng=0)
    X, y = teacher.sample(round(_ALPHA * (1 + 1 / _D) * _D**2), 1)
    first = teacher.error(np.sqrt(_RHO) * np.eye(_D))
    runs = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ten iterations do not converge
        for name, onsager in (("on", True), ("off", False)):
            result = amp(
                X, y, _RHO, "hardmax", truth=teacher.S, onsager=onsager, max_iter=_ITERATIONS, tol=1e-12
            )
            runs[name] = {
                "error": rounded([first, *result.history["error"]], 6),
                "claimed": rounded([1.0, *result.history["mmse"]], 6),
                "delta": rounded(result.history["delta"], 6),
            }
    errors = state_evolution_iterates(_ALPHA, _RHO, "hardmax", n_iter=_ITERATIONS)
    kappa = make_channel("hardmax").kappa((1 + _RHO - errors) / errors)
    theory = {"error": rounded(errors, 6), "delta": rounded(errors / (_ALPHA * kappa), 6)}
    return {"runs": runs, "theory": theory}
