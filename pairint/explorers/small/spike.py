"""A spike in the noise: the eigenvalues of a narrow layer leave the semicircle, or drown in it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.aim import NoisySpectrum
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["LEVELS", "WIDTHS", "SpikeInNoise", "narrow_errors"]

WIDTHS = (0.3, 0.1, 0.03)
LEVELS = tuple(round(0.1 * k, 1) for k in range(1, 21))
_GRID = 51
_WORDS = {"below": "drowns", "bump": "lifts the edge of the noise", "apart": "stands apart"}


class SpikeInNoise(SmallFigure):
    """The spectrum of a narrow layer with noise around its threshold, and what is left of the error.

    Book: :doc:`/book/aim_small_width`.

    Noise is measured as t = rho Delta, eigenvalues in units of the spike, 1/sqrt(rho).
    """

    name = "spike"
    title = "Out of the noise"
    summary = (
        "At t = {level} the spike {words}: the error is {error}, in the limit of narrow layers {limit}. "
        "That limit is one until the spike comes out."
    )
    parameters = (
        Parameter("level", "noise t = ρΔ", 0.5, scale="list", choices=LEVELS),
        Parameter("width", "width ratio ρ", 0.03, scale="list", choices=WIDTHS),
    )
    panels = (
        Panel(
            "spectrum",
            "Eigenvalues of layer and noise",
            Axis("eigenvalue, in units of 1/√ρ", range=(-3.0, 3.4)),
            Axis("density", zero=True),
            (
                line("density", "all eigenvalues", "first", width=2.4),
                rule("spike", "a spike alone", "x", "second", "dash", 1.8),
            ),
            height=220,
        ),
        Panel(
            "error",
            "What is not known of the layer",
            Axis("noise t = ρΔ", range=(0.0, 2.0)),
            Axis("error", range=(0.0, 1.1)),
            (
                line("narrow", "ρ → 0", "bound", "dash", 1.8),
                line("exact", "ρ = {width}", "first", width=2.4),
                points("here", "now", "ink", "circle", 5.0),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        table = [
            {"density": _density(w), "errors": narrow_errors(w).tolist(), "bulks": _bulks(w)} for w in WIDTHS
        ]
        return {"axes": {"level": LEVELS, "width": WIDTHS}, "tables": table, "words": _WORDS}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        level, width = values["level"], values["width"]
        i, errors = LEVELS.index(level), narrow_errors(width)
        limits = np.array([t * (2 - t) if t < 1 else 1.0 for t in LEVELS])
        series: dict[str, dict[str, Any]] = {
            "spectrum.density": dict(zip("xy", _density(width)[i], strict=True)),
            "error.narrow": {"x": LEVELS, "y": limits},
            "error.exact": {"x": LEVELS, "y": errors},
            "error.here": {"x": [level], "y": [errors[i]]},
        }
        if level < 1:
            series["spectrum.spike"] = {"at": 1 + level}
        words = _WORDS["below" if level >= 1 else "apart" if _bulks(width)[i] == 2 else "bump"]
        return Numbers(series, {"words": words, "error": float(errors[i]), "limit": float(limits[i])})


@functools.cache
def narrow_errors(width: float) -> NDArray[np.float64]:
    """Return the error of the denoiser for each of `LEVELS`."""
    return np.array([NoisySpectrum(width, t / width).mmse for t in LEVELS])


def _bulks(width: float) -> list[int]:
    """Return in how many intervals the eigenvalues lie, for each of `LEVELS`."""
    return [NoisySpectrum(width, t / width).n_bulks for t in LEVELS]


@functools.cache
def _density(width: float) -> list[list[list[float]]]:
    """Return eigenvalues in units of the spike, dense at the edges, and their density, by level."""
    found = []
    for level in LEVELS:
        law = NoisySpectrum(width, level / width)
        x: list[float] = []
        y: list[float] = []
        for low, high in law.edges:
            angles = np.linspace(0, math.pi, _GRID if low < 0 else _GRID // 2)
            inside = low + (high - low) * (1 - np.cos(angles[1:-1])) / 2
            x += [low, *inside, high]
            y += [0.0, *law.density(inside), 0.0]
        unit = math.sqrt(width)
        found.append([[round(unit * v, 4) for v in x], [float(f"{v / unit:.4g}") for v in y]])
    return found
