"""Two candidates for a slope: the derivative of a probability touches it, the density does not."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr
from scipy.stats import norm

from pairint.aim.bivariate import bivariate_log_cdf
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points
from pairint.explorers.small.base import SmallFigure

__all__ = ["OTHERS", "PLACES", "TouchOrCut", "probabilities"]

PLACES = tuple(round(-3 + 0.1 * k, 1) for k in range(61))
OTHERS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0)
_CORRELATION = 1 / 3
_REACH = 1.2


class TouchOrCut(SmallFigure):
    r"""The probability of a label against one of its bounds, and lines with the two slopes.

    Book: :doc:`/book/aim_discrepancy`.

    :math:`\Phi_2(\kappa_1, \kappa_2; 1/3)`, its derivative in :math:`\kappa_1`, and the bivariate density.
    """

    name = "tangent"
    title = "Which line touches?"
    summary = (
        "At κ₁ = {first}, κ₂ = {second} the probability rises with the slope {slope}: the derivative. The "
        "density, {density}, is {times} times that."
    )
    parameters = (
        Parameter("first", "first margin κ₁", 0.5, scale="list", choices=PLACES),
        Parameter("second", "second margin κ₂", 1.5, scale="list", choices=OTHERS),
    )
    panels = (
        Panel(
            "curve",
            "Probability of the label",
            Axis("first margin κ₁", range=(-3.0, 3.0)),
            Axis("probability", range=(-0.1, 1.05)),
            (
                line("curve", "probability", "muted", width=2.6),
                line("touch", "slope: derivative", "first", "dash", 2.2),
                line("cut", "slope: density", "second", "dot", 2.4),
                points("here", "now", "ink", "circle", 4.6),
            ),
            height=220,
        ),
        Panel(
            "slopes",
            "The two slopes",
            Axis("first margin κ₁", range=(-3.0, 3.0)),
            Axis("slope", range=(0.0, 0.42)),
            (
                line("touch", "derivative", "first", "dash", 2.2),
                line("cut", "density", "second", "dot", 2.4),
                points("here", "now", "ink", "circle", 4.6),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        tables = [{key: column.tolist() for key, column in probabilities(k).items()} for k in OTHERS]
        return {"axes": {"first": PLACES, "second": OTHERS}, "reach": _REACH, "tables": tables}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        first = values["first"]
        table, i = probabilities(values["second"]), PLACES.index(first)
        value, slope, density = (float(table[key][i]) for key in ("value", "slope", "density"))
        series: dict[str, dict[str, Any]] = {
            "curve.curve": {"x": PLACES, "y": table["value"]},
            "curve.here": {"x": [first], "y": [value]},
            "slopes.touch": {"x": PLACES, "y": table["slope"]},
            "slopes.cut": {"x": PLACES, "y": table["density"]},
            "slopes.here": {"x": [first, first], "y": [slope, density]},
        }
        for name, steep in (("touch", slope), ("cut", density)):
            series[f"curve.{name}"] = {
                "x": [first - _REACH, first + _REACH],
                "y": [value - _REACH * steep, value + _REACH * steep],
            }
        return Numbers(series, {"slope": slope, "density": density, "times": density / slope})


@functools.cache
def probabilities(second: float) -> dict[str, NDArray[np.float64]]:
    """Return the probability, its derivative in the first bound, and the density, for each of `PLACES`."""
    first = np.array(PLACES)
    c, left = _CORRELATION, math.sqrt(1 - _CORRELATION**2)
    value = np.exp(bivariate_log_cdf(first, np.full(first.shape, second), c))
    slope = norm.pdf(first) * ndtr((second - c * first) / left)
    density = norm.pdf(first) * norm.pdf((second - c * first) / left) / left
    return {"value": value, "slope": slope, "density": density}
