"""How bad a Gram matrix may be before the estimator gives up: too strict or too lenient."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.figures.upper_bound import SETTING
from pairint.theory import oracle_upper_bound
from pairint.theory.coercivity import product_density
from pairint.theory.fourth_moment import lower_tail_exponent

__all__ = ["HowMuchToLose", "fit_of", "parts"]

_CELLS = 32
_LOSSES = np.round(np.arange(0.02, 0.981, 0.02), 2)
_SAMPLES = np.geomspace(2e4, 2e7, 31)


class HowMuchToLose(SmallFigure):
    r"""The bound for a known matrix, against the share of the Gram matrix that its test lets be lost.

    Book: :doc:`/book/upper_bound_known_matrix`.

    Odd functions, scores of a cube, 32 cells, the setting of the page's bounds. A small loss is rarely kept:
    the estimator gives up, and errs by the bound of the function. A large one multiplies the noise.
    """

    name = "threshold"
    title = "How much may be lost?"
    summary = (
        "M = {samples}, loss {loss}: noise {noise}, giving up {failure}, in all {total}. Best is a loss of "
        "{best}, with {least}: {times} times the bias and noise of a fit that needs no test."
    )
    parameters = (
        Parameter("loss", "loss that the test allows ζ", 0.3, 0.02, 0.98, 0.02),
        Parameter("samples", "samples M", 300_000, 20_000, 20_000_000, scale="log", integer=True),
    )
    panels = (
        Panel(
            "loss",
            "Against the loss",
            Axis("loss ζ", range=(0.0, 1.0)),
            Axis("squared error", "log", (1e-7, 5.0)),
            (
                line("failure", "giving up", "second", "dash", 2.0),
                line("noise", "noise", "third", "dashdot", 2.0),
                line("total", "all", "first", width=2.6),
                points("here", "now", "ink", "circle", 5.0),
            ),
            height=220,
        ),
        Panel(
            "samples",
            "Against samples",
            Axis("samples M", "log", (1.8e4, 2.2e7)),
            Axis("squared error", "log", (1e-6, 5.0)),
            (
                line("here", "this loss", "ink", "dash", 2.0),
                line("best", "the best loss", "first", width=2.6),
                line("free", "no test", "muted", "dot", 1.8),
                points("now", "now", "ink", "circle", 5.0),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "cells": _CELLS,
            "losses": _LOSSES.tolist(),
            "samples": _SAMPLES.tolist(),
            "fit": fit_of(),
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        loss, samples, fit = values["loss"], values["samples"], fit_of()
        noise, failure, total = parts(_LOSSES, samples)
        here = [float(part) for part in parts(loss, samples)]
        curve = {"here": parts(loss, _SAMPLES)[2], "best": parts(_LOSSES[:, None], _SAMPLES)[2].min(axis=0)}
        best = int(np.argmin(total))
        free = fit["bias"] + fit["noise"] / samples
        series = {
            "loss.failure": {"x": _LOSSES, "y": failure},
            "loss.noise": {"x": _LOSSES, "y": noise},
            "loss.total": {"x": _LOSSES, "y": total},
            "loss.here": {"x": [loss], "y": [here[2]]},
            "samples.here": {"x": _SAMPLES, "y": curve["here"]},
            "samples.best": {"x": _SAMPLES, "y": curve["best"]},
            "samples.free": {"x": _SAMPLES, "y": fit["bias"] + fit["noise"] / _SAMPLES},
            "samples.now": {"x": [samples], "y": [here[2]]},
        }
        facts = {
            "noise": here[0],
            "failure": here[1],
            "total": here[2],
            "best": float(_LOSSES[best]),
            "least": float(total[best]),
            "times": float(total[best]) / free,
        }
        return Numbers(series, facts)


@functools.cache
def fit_of() -> dict[str, float]:
    """Return what the theorem needs to know of the fit, from the package's bound with 32 cells.

    Bias and noise times M are terms of the bound, ``spread`` is omega kappa, ``most`` is B^2, the
    most that giving up costs.
    """
    bound = oracle_upper_bound(
        10**7, SETTING, density=lambda u: product_density(u, 3.0), odd=True, n_intervals=_CELLS, drop=False
    )
    size = SETTING.require_sup_bound("the failure")
    return {
        "bias": bound.bias,
        "noise": bound.variance * (1 - bound.gram_loss) * 1e7,
        "spread": bound.spread * bound.christoffel,
        "most": size**2,
        "dimension": float(bound.dimension),
    }


def parts(loss: Any, samples: Any) -> tuple[Any, Any, Any]:
    """Return noise, the price of giving up, and the whole bound."""
    fit, kept = fit_of(), 1 - np.asarray(loss)
    noise = fit["noise"] / (kept * samples)
    chance = fit["dimension"] * np.exp(-lower_tail_exponent(loss) * samples / fit["spread"])
    failure = fit["most"] * np.minimum(1, chance)
    design = fit["spread"] * fit["bias"] / (kept**2 * samples)
    return noise, failure, fit["bias"] + noise + design + failure
