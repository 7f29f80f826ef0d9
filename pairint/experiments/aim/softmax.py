"""Figure 2, left, of the paper on attention-indexed models: softmax of two tokens, all widths.

Sample ratios are fractions of the exact-recovery threshold. AMP at d = 120 with sixteen teachers a point;
narrow layers (rho = 0.1), whose few samples make the fluctuations large, at d = 300.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.experiments.aim import points

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT", "draw_widths", "width_cells"]


def width_cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: every width at every fraction of its threshold."""
    points.check_settings(settings)
    result = []
    for rho in settings["rhos"]:
        result += grid(
            channel=settings["channel"],
            n_tokens=2,
            rho=rho,
            alpha=points.fractions_of_threshold(settings["channel"], 2, rho, settings["fractions"]),
            d=points.dimension(settings, rho),
            method="amp",
            replicate=range(settings["replicates"]),
        )
    return result


def draw_widths(table: DataFrame, title: str) -> Figure:
    """Draw the error against alpha: one curve and its dots a width, and the limit of infinite width."""
    from pairint.aim.state_evolution import exact_recovery_threshold, state_evolution
    from pairint.figures.style import CYCLE, MARKERS, MUTED, subplots

    channel = table["channel"].iloc[0]
    figure, axes = subplots(1, 4.8)
    infinite = exact_recovery_threshold(math.inf, channel)
    alphas = np.linspace(0.0, 1.35 * infinite, 257)[1:]  # as many as published
    for number, rho in enumerate(sorted(table["rho"].unique())):
        color, marker = CYCLE[number % len(CYCLE)], MARKERS[number % len(MARKERS)]
        points.draw_curve(axes, alphas, rho, channel, color=color)
        part = table[table["rho"] == rho]
        label = f"$\\rho = {rho:g}$, $d = {part['d'].iloc[0]}$"
        points.draw_dots(axes, part, color=color, marker=marker, label=label)
        axes.plot(
            exact_recovery_threshold(rho, channel),
            0,
            "|",
            color=color,
            markersize=14,
            clip_on=False,
            zorder=4,
        )
    line = state_evolution(alphas, math.inf, channel).mmse
    axes.plot(alphas, line, color=MUTED, linestyle="--", linewidth=1.2, label="$\\rho = \\infty$")
    axes.set_title(title)
    axes.set(xlabel=points.ALPHA, ylabel=points.ERROR, ylim=(-0.02, 1.05))
    axes.legend(title="lines: state evolution; dots: AMP", title_fontsize="small")
    return figure


def plot(table: DataFrame) -> Figure:
    """Draw the figure."""
    from pairint.figures.style import picture

    return picture(draw_widths)(table, "Softmax, $T = 2$")


def claims(table: DataFrame) -> list[Claim]:
    """Check the thresholds, the line of infinite width, and AMP against the state evolution."""
    from pairint.aim.state_evolution import state_evolution

    source = "Figure 2, left"
    rhos = sorted(table["rho"].unique())
    result = points.recovery_claims(table, "softmax", [(rho, 2) for rho in rhos], source)
    result.append(
        Claim(
            name="error of a very wide layer (rho = 1e6) at alpha = 0.1: 1 - 4 alpha",
            source=source,
            ours=float(state_evolution(0.1, 1e6).mmse),
            published=0.6,
            expected=0.6,
            tolerance=1e-4,
        )
    )
    result += points.bayes_claims(table, "rho", "rho = {value:g}", source)
    return result + points.convergence_claims(table, "Algorithm 1")


EXPERIMENT = Experiment(
    name="aim_softmax",
    title="Softmax labels: Bayes-optimal error and AMP for all widths",
    source="attention-indexed models, Figure 2, left",
    version=2,  # the algorithm uses the covariance of the indices given the tokens
    presets={
        "quick": {
            "channel": "softmax", "rhos": [0.3, 1.0], "fractions": [0.2, 0.5, 0.8, 1.2], "d": 50,
            "narrow_d": 50, "replicates": 3,
        },
        "full": {
            "channel": "softmax", "rhos": [0.1, 0.2, 0.3, 0.5, 1.0, 2.0],
            "fractions": [0.2, 0.5, 0.8, 1.2], "d": 120, "narrow_d": 300, "replicates": 16,
        },
    },
    cells=width_cells,
    compute=points.compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 6.0, "full": 600.0},
    data_keys=points.DATA_KEYS,
    cost=points.cost,
)  # fmt: skip
