"""A wave hides the matrix: a candidate that is a little off explains nothing."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.special import betainc

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, line, points, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["DIMENSIONS", "FREQUENCIES", "WaveHidesMatrix", "chances", "half_width", "unexplained"]

FREQUENCIES = (1, 2, 4, 8, 16, 32, 64)
DIMENSIONS = (2, 3, 5, 10)
_GRID = 241


class WaveHidesMatrix(SmallFigure):
    r"""What a candidate for the matrix leaves unexplained, if the truth is a wave of the score.

    Book: :doc:`/book/lower_bound_matrix`.

    The matrix is :math:`e v^\top` with unit vectors, tokens are standard Gaussian, the truth is
    :math:`\sin(\omega u)`. For Gaussian tokens the correlation of two such waves is elementary.
    """

    name = "needle"
    title = "A wave hides the matrix"
    summary = (
        "Half of the wave is explained within {width} degrees of the truth. In {dimension} dimensions a "
        "random direction is that near with a chance of {chance}: about {tries} tries."
    )
    parameters = (
        Parameter("frequency", "frequency ω", 16, scale="list", choices=FREQUENCIES),
        Parameter("dimension", "dimension d", 10, scale="list", choices=DIMENSIONS),
    )
    panels = (
        Panel(
            "pit",
            "What the best multiple of its wave leaves",
            Axis("angle between candidate and truth (degrees)", range=(-90.0, 90.0)),
            Axis("left unexplained", range=(0.0, 1.08)),
            (
                line("left", "candidate", "first", width=2.4),
                rule("half", "one half", "y", "muted", "dot", 1.4),
                points("ends", "half explained", "ink", "circle", 4.4),
            ),
            height=220,
        ),
        Panel(
            "chance",
            "A random direction explains half",
            Axis("frequency ω", "log", (0.9, 72.0)),
            Axis("chance", "log", (1e-18, 2.0)),
            (
                line("line", "chance", "second", "dash", 2.4),
                points("here", "now", "ink", "circle", 4.4),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"frequency": FREQUENCIES, "dimension": DIMENSIONS},
            "angles": np.linspace(-90.0, 90.0, _GRID).tolist(),
            "widths": [half_width(w) for w in FREQUENCIES],
            "chances": [chances(d).tolist() for d in DIMENSIONS],
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        frequency, dimension = values["frequency"], values["dimension"]
        angles = np.linspace(-90.0, 90.0, _GRID)
        width, i = half_width(frequency), FREQUENCIES.index(frequency)
        chance = chances(dimension)
        series: Series = {
            "pit.left": {"x": angles, "y": unexplained(angles, frequency)},
            "pit.half": {"at": 0.5},
            "pit.ends": {"x": [-width, width], "y": [0.5, 0.5]},
            "chance.line": {"x": FREQUENCIES, "y": chance},
            "chance.here": {"x": [frequency], "y": [chance[i]]},
        }
        return Numbers(series, {"width": width, "chance": float(chance[i]), "tries": float(1 / chance[i])})


def unexplained(degrees: ArrayLike, frequency: float) -> NDArray[np.float64]:
    r"""Return one less the squared correlation of the waves of two matrices at an angle.

    Given the query's coordinate, the difference and the sum of the two scores are Gaussian, so that
    :math:`\mathbb{E} \cos(\omega x z) = (1 + \omega^2 |\cdot|^2)^{-1/2}` gives the moments.
    """
    cosine = np.cos(np.radians(np.asarray(degrees, dtype=float)))
    near, far = (1 / np.sqrt(1 + frequency**2 * (2 - 2 * s * cosine)) for s in (1, -1))
    alone = 1 - 1 / math.sqrt(1 + 4 * frequency**2)
    return 1 - ((near - far) / alone) ** 2


@functools.cache
def half_width(frequency: float) -> float:
    """Return the angle, in degrees, at which half is left."""
    return float(brentq(lambda t: float(unexplained(t, frequency)) - 0.5, 0, 90, xtol=1e-12))


@functools.cache
def chances(dimension: int) -> NDArray[np.float64]:
    """Return the chance that a random direction, of either sign, is that near, for `FREQUENCIES`."""
    sines = np.sin(np.radians([half_width(w) for w in FREQUENCIES]))
    return np.asarray(betainc((dimension - 1) / 2, 0.5, sines**2))
