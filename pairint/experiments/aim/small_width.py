"""Figure 5 of the paper on attention-indexed models: softmax of narrow layers, in samples per weight.

Against n/(dr) the curves of narrowing layers approach a limit with a sharp start, the weak-recovery
threshold, and a sharp end. The paper shows the state evolution; dots are AMP with sixteen teachers a point,
at d = 150, and at d = 400 for the narrower layers, whose few eigenvalues feel a finite d most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.experiments.aim import points

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT"]

_CURVES = (0.01, 0.05, 0.1, 0.3, 0.5, 1.0)


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: every width at every number of samples per weight."""
    points.check_settings(settings)
    result = []
    for rho in settings["rhos"]:
        result += grid(
            channel="softmax",
            n_tokens=2,
            rho=rho,
            alpha=[float(f"{rho * bar:.6g}") for bar in settings["alpha_bars"]],
            d=points.dimension(settings, rho),
            method="amp",
            replicate=range(settings["replicates"]),
        )
    return result


def plot(table: DataFrame) -> Figure:
    """Draw the error against n/(dr)."""
    from pairint.figures.style import picture

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    from pairint.aim.state_evolution import small_width_limit, weak_recovery_threshold
    from pairint.figures.style import BOUND, CYCLE, MARKERS, MUTED, subplots

    figure, axes = subplots(1, 4.8)
    bars = np.linspace(0.0, 0.56, 57)[1:]
    axes.plot(bars, small_width_limit(bars), color=BOUND, linewidth=2.4, label="$\\rho \\to 0$")
    d = ", ".join(f"{group['d'].iloc[0]} ($\\rho = {rho:g}$)" for rho, group in table.groupby("rho"))
    for number, rho in enumerate(_CURVES):
        color, marker = CYCLE[number % len(CYCLE)], MARKERS[number % len(MARKERS)]
        points.draw_curve(
            axes, rho * bars, rho, "softmax", scale=1 / rho, color=color, linewidth=1.3,
            label=f"$\\rho = {rho:g}$",
        )  # fmt: skip
        part = table[table["rho"] == rho]
        points.draw_dots(axes, part, x=lambda p: p["alpha"] / p["rho"], color=color, marker=marker)
    axes.axvline(weak_recovery_threshold(), color=MUTED, linestyle=":", linewidth=1.3, label="weak recovery")
    axes.set_title("Narrow layers, softmax, $T = 2$")
    axes.set(xlabel=r"samples $\bar\alpha = n/(dr)$", ylabel=points.ERROR, ylim=(-0.02, 1.05))
    axes.legend(
        title=f"lines: state evolution; dots: AMP, d = {d}", title_fontsize="small", fontsize="small", ncols=2
    )
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Check both ends of the limit, its approach, and AMP against the state evolution."""
    from pairint.aim.state_evolution import (
        exact_recovery_threshold,
        small_width_limit,
        state_evolution,
        weak_recovery_threshold,
    )

    source = "Figure 5"
    tiny = 1e-4
    result = [
        Claim(
            name="weak recovery of two tokens, n/(dr)",
            source=source,
            ours=weak_recovery_threshold(),
            published=0.25,
            expected=0.25,
            tolerance=1e-9,
        ),
        Claim(
            name="exact recovery of a very narrow layer (rho = 1e-4), n/(dr)",
            source=source,
            ours=exact_recovery_threshold(tiny) / tiny,
            expected=0.5,
            tolerance=1e-3,
        ),
    ]
    result += [
        Claim(
            name=f"error of a very narrow layer (rho = 1e-4) at n/(dr) = {bar:g}",
            source=source,
            ours=float(state_evolution(tiny * bar, tiny).mmse),
            expected=float(small_width_limit(bar)),
            tolerance=1e-2,
        )
        for bar in (0.2, 0.3, 0.4)
    ]
    result += points.bayes_claims(table, "rho", "rho = {value:g}", source)
    return result + points.convergence_claims(table, "Algorithm 1")


EXPERIMENT = Experiment(
    name="aim_small_width",
    title="Softmax labels of narrow layers: from nothing to everything",
    source="attention-indexed models, Figure 5",
    version=3,  # 2: the covariance of the indices given the tokens; 3: up to 600 iterations
    presets={
        "quick": {"rhos": [0.1], "alpha_bars": [0.2, 0.35, 0.45], "d": 60, "narrow_d": 60, "replicates": 3},
        "full": {
            "rhos": [0.1, 0.5],
            "alpha_bars": [0.1, 0.2, 0.3, 0.4],
            "d": 150,
            "narrow_d": 400,
            "replicates": 16,
        },
    },
    cells=cells,
    compute=points.compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 4.0, "full": 150.0},
    data_keys=points.DATA_KEYS,
    cost=points.cost,
)
