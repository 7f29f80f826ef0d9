"""One penalty, any smoothness: the sum of risk and charge finds the number of cells."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, line, points, rounded
from pairint.explorers.small.base import SmallFigure
from pairint.figures.upper_bound import SETTING
from pairint.theory.adaptation import penalty
from pairint.theory.approximation import spline_degree, spline_error

__all__ = ["BETAS", "FoundSmoothness", "biases", "charges"]

BETAS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0)
_POWERS = (5, 6, 7, 8, 9, 10)
_CELLS = np.unique(np.round(np.geomspace(1, 4096, 49)).astype(np.int64))


class FoundSmoothness(SmallFigure):
    """Bias and penalty against the number of cells; where their sum is least, which no one was told.

    Book: :doc:`/book/upper_bound_adaptation`.

    The bounds of the page for odd functions in the setting of its figure.
    """

    name = "smoothness"
    title = "Nobody said how smooth"
    summary = (
        "β = {beta}, M = {samples}: the sum is least at K = {best}, with {least}. The K that is right for "
        "β = 2 would give {other}, {times} times that."
    )
    parameters = (
        Parameter("beta", "smoothness β of the truth", 0.5, scale="list", choices=BETAS),
        Parameter("samples", "samples M", 10**7, scale="list", choices=tuple(10**k for k in _POWERS)),
    )
    panels = (
        Panel(
            "cells",
            "What is paid, by the number of cells",
            Axis("cells K", "log", (0.9, 4600.0)),
            Axis("squared error", "log", (1e-8, 10.0)),
            (
                line("charge", "penalty, known", "third", "dot", 2.0),
                line("bias", "bias, not known", "second", "dash", 2.0),
                line("total", "sum", "first", width=2.6),
                points("best", "least", "ink", "circle", 5.0),
            ),
            height=220,
        ),
        Panel(
            "found",
            "The cells that are found",
            Axis("smoothness β of the truth", range=(0.3, 4.2)),
            Axis("cells K", "log", (0.9, 4600.0)),
            (
                line("line", "found in the data", "first", width=2.2),
                points("here", "now", "ink", "circle", 5.0),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"beta": BETAS, "samples": [10**k for k in _POWERS]},
            "cells": _CELLS.tolist(),
            "charges": [charges(10**k).tolist() for k in _POWERS],
            "biases": [biases(beta).tolist() for beta in BETAS],
            "usual": BETAS.index(2.0),
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        charge, bias = charges(values["samples"]), biases(values["beta"])
        total = bias + charge
        best = [int(np.argmin(biases(beta) + charge)) for beta in BETAS]
        i = BETAS.index(values["beta"])
        other = total[best[BETAS.index(2.0)]]
        series: Series = {
            "cells.charge": {"x": _CELLS, "y": charge},
            "cells.bias": {"x": _CELLS, "y": bias},
            "cells.total": {"x": _CELLS, "y": total},
            "cells.best": {"x": [_CELLS[best[i]]], "y": [total[best[i]]]},
            "found.line": {"x": BETAS, "y": _CELLS[best]},
            "found.here": {"x": [BETAS[i]], "y": [_CELLS[best[i]]]},
        }
        least = float(total[best[i]])
        facts = {
            "best": int(_CELLS[best[i]]),
            "least": least,
            "other": float(other),
            "times": float(other) / least,
        }
        return Numbers(series, facts)


@functools.cache
def charges(samples: int) -> NDArray[np.float64]:
    """Return the penalty, in pairs, for each number of cells."""
    told: dict[str, Any] = {
        "n_samples": samples,
        "n_tokens": SETTING.n_tokens,
        "noise_std": SETTING.noise_std,
        "sup_bound": SETTING.sup_bound,
        "d": SETTING.d,
        "support_ratio": float(SETTING.require_matrix("the penalty")[0]),
    }
    price = [penalty(n_intervals=int(k), degree=1, rank=1, odd=True, **told) for k in _CELLS]
    return np.array(rounded([(SETTING.n_tokens - 1) * p for p in price], 9))


@functools.cache
def biases(beta: float) -> NDArray[np.float64]:
    """Return the squared uniform error of a bounded spline for each number of cells."""
    given: dict[str, Any] = {
        "beta": beta,
        "holder_constant": SETTING.holder_constant,
        "score_bound": SETTING.score_bound,
    }
    bound = SETTING.require_sup_bound("the bias")
    missed = np.array([spline_error(int(k), degree=spline_degree(beta), **given) for k in _CELLS])
    return np.array(rounded(np.minimum(bound, 2 * missed / (1 + missed / bound)) ** 2, 9))
