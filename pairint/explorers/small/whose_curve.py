"""Whose curve do the runs follow: every run of message passing beside two curves that claim to be best."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.aim import make_channel, state_evolution
from pairint.aim.channels import PublishedHardmaxChannel
from pairint.experiments import load_results
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, line, points, rounded, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["CURVES", "WIDTHS", "WhoseCurve", "runs_of"]

WIDTHS = (0.1, 0.2, 0.5, 1.0, 2.0)
CURVES = ("density", "derivative")
_NAMES = ("the published one (density)", "ours (derivative)")
_ALPHAS = np.geomspace(0.02, 12, 33)
_VERDICTS = {
    "below": "An algorithm below the smallest possible error: this curve is not it",
    "above": "None lies clearly below: it may be the smallest possible error",
}


class WhoseCurve(SmallFigure):
    """The stored runs of message passing on hardmax labels, against one of two curves.

    Book: :doc:`/book/aim_experiments`.

    A run is *clearly* below a curve if the mean of the sixteen at its alpha is so by four standard errors.
    """

    name = "whose_curve"
    title = "Whose curve is it?"
    summary = (
        "ρ = {width}, {curve_name}: of {all} means of sixteen runs {below} lie clearly below the curve, the "
        "lowest at {lowest} times it. {verdict}."
    )
    parameters = (
        Parameter("width", "width ratio ρ", 0.5, scale="list", choices=WIDTHS),
        Parameter("curve", "curve", "density", scale="choice", choices=CURVES, names=_NAMES),
    )
    panels = (
        Panel(
            "errors",
            "Runs on labels, and a curve",
            Axis("samples α = n/d²", "log", (0.02, 14.0)),
            Axis("error", "log", (1e-4, 2.0)),
            (
                line("curve", "said to be the best possible", "first", width=2.4),
                points("runs", "runs of message passing", "fit", "circle", 3.2, 0.5),
            ),
            height=220,
        ),
        Panel(
            "ratios",
            "Over the curve",
            Axis("samples α = n/d²", "log", (0.02, 14.0)),
            Axis("error over the curve", "log", (0.02, 5.0)),
            (
                rule("one", "curve", "y", "first", "solid", 2.4),
                points("means", "means of sixteen, 4 standard errors", "fit", "circle", 4.2),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"width": WIDTHS, "curve": CURVES},
            "alphas": _ALPHAS.tolist(),
            "tables": [[runs_of(width, curve) for curve in CURVES] for width in WIDTHS],
            "verdicts": _VERDICTS,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        table = runs_of(values["width"], values["curve"])
        below = int(np.sum(np.array(table["high"]) < 1))
        series: Series = {
            "errors.curve": {"x": _ALPHAS, "y": table["curve"]},
            "errors.runs": {"x": table["alpha"], "y": table["error"]},
            "ratios.one": {"at": 1.0},
            "ratios.means": {
                "x": table["at"],
                "y": table["mean"],
                "low": table["low"],
                "high": table["high"],
            },
        }
        facts = {
            "all": len(table["at"]),
            "below": below,
            "lowest": min(table["mean"]),
            "verdict": _VERDICTS["below" if below else "above"],
        }
        return Numbers(series, facts)


@functools.cache
def runs_of(width: float, curve: str) -> dict[str, list[float]]:
    """Return the stored runs of a width ratio, a curve, and means over it with four standard errors.

    As in the experiment, alpha is that of the limit: samples over d^2 over 1 + 1/d.
    """
    channel = make_channel("hardmax") if curve == "derivative" else PublishedHardmaxChannel()
    rows = load_results("aim_hardmax")
    rows = rows[rows["rho"] == width].sort_values(["alpha", "replicate"])
    inside = 1 / (1 + 1 / rows["d"].iloc[0])
    groups = rows.groupby("alpha")["error"]
    at = np.array(list(groups.groups))
    level = np.asarray(state_evolution(at * inside, width, channel).mmse)
    mean, error = groups.mean().to_numpy() / level, groups.sem().to_numpy() / level
    return {
        "curve": rounded(np.ravel(state_evolution(_ALPHAS * inside, width, channel).mmse), 6),
        "alpha": [float(a) for a in rows["alpha"]],
        "error": rounded(rows["error"], 5),
        "at": at.tolist(),
        "mean": rounded(mean, 5),
        "low": rounded(np.maximum(mean - 4 * error, 1e-3), 5),
        "high": rounded(mean + 4 * error, 5),
    }
