"""What symmetry is worth: layers with equal and with different queries and keys, error against samples."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.aim import UntiedPrior, WishartPrior, exact_recovery_threshold, untied_channel
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rounded
from pairint.explorers.small.base import SmallFigure

__all__ = ["LENGTHS", "RATIOS", "WorthOfSymmetry", "errors"]

RATIOS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 2.0)
LENGTHS = tuple(range(2, 13))
_NOISES = tuple(float(f"{x:.4g}") for x in (*np.geomspace(80, 0.03, 15), 1e-3))


class WorthOfSymmetry(SmallFigure):
    """Errors of tied and untied layers against samples of softmax labels, and where they end.

    Book: :doc:`/book/aim_untied`.

    So many labels act like a noisy copy: the error over its noise, divided by the equations of a label.
    """

    name = "aim_untied"
    title = "What symmetry is worth"
    summary = (
        "T = {length}, width ratio {ratio}. Tied: {tied_unknown} d² unknowns, {tied_equations} equations a "
        "sample. Untied: {unknown} d² and {equations}. Exact from {tied} d² and {untied} d² samples on, "
        "{times} times as many."
    )
    parameters = (
        Parameter("length", "tokens T", 2, scale="list", choices=LENGTHS),
        Parameter("ratio", "width ratio ρ", 0.3, scale="list", choices=RATIOS),
    )
    panels = (
        Panel(
            "error",
            "What labels leave, by state evolution",
            Axis("samples over d²", zero=True),
            Axis("error over variance", range=(0.0, 1.0)),
            (
                line("tied", "tied", "first", "dash", 2.4),
                line("untied", "untied", "second", width=2.4),
                points("ends", "exact", "ink", "circle", 4.0),
            ),
            height=240,
        ),
        Panel(
            "ends",
            "Samples for exact recovery",
            Axis("tokens T", "log", (1.8, 13.0)),
            Axis("samples over d²", "log", (1e-3, 1.0)),
            (
                line("tied", "tied", "first", "dash", 2.4),
                line("untied", "untied", "second", width=2.4),
                points("here", "now", "ink", "circle", 4.0),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"ratio": RATIOS, "length": LENGTHS},
            "noises": _NOISES,
            "errors": [errors(ratio) for ratio in RATIOS],
            "numbers": [WishartPrior(ratio).parameters for ratio in RATIOS],
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        length, ratio = values["length"], values["ratio"]
        numbers, table = WishartPrior(ratio).parameters, errors(ratio)
        ends = {name: [_threshold(name, ratio, t) for t in LENGTHS] for name in ("tied", "untied")}
        i = LENGTHS.index(length)
        series: dict[str, Any] = {}
        for name, end in ends.items():
            alphas = [
                error / noise * end[i] / numbers for error, noise in zip(table[name], _NOISES, strict=True)
            ]
            series[f"error.{name}"] = {"x": [*alphas, end[i]], "y": [*table[name], 0.0]}
            series[f"ends.{name}"] = {"x": LENGTHS, "y": end}
        tied, untied = ends["tied"][i], ends["untied"][i]
        series["error.ends"] = {"x": [tied, untied], "y": [0.0, 0.0]}
        series["ends.here"] = {"x": [length] * 2, "y": [tied, untied]}
        facts = {
            "tied_unknown": numbers / 2,
            "unknown": numbers,
            "tied_equations": numbers / 2 / tied,
            "equations": numbers / untied,
            "tied": tied,
            "untied": untied,
            "times": untied / tied,
        }
        return Numbers(series, facts)


def _threshold(name: str, ratio: float, length: int) -> float:
    if name == "tied":
        return exact_recovery_threshold(ratio, "softmax", length)
    return exact_recovery_threshold(UntiedPrior(ratio), untied_channel("softmax", length))


@functools.cache
def errors(ratio: float) -> dict[str, list[float]]:
    """Return the errors of a tied and of an untied layer seen through each noise, over the variance."""
    priors = {"tied": WishartPrior(ratio), "untied": UntiedPrior(ratio)}
    return {
        name: rounded([prior.error(noise * prior.variance) / prior.variance for noise in _NOISES], 5)
        for name, prior in priors.items()
    }
