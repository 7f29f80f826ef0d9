"""Pictures for the chapter on the one diagram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pairint.figures.style import BOUND, CYCLE, INK, MARKERS, MUTED, picture, subplots
from pairint.theory.diagram import elbow_samples
from pairint.theory.setting import Setting

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["balance_figure", "diagram_figure", "recovery_figure"]

#: What the reader sees for a table.
_NAMES = {
    "dimension": "spline truths, $d$ varies",
    "smoothness": "spline truths, $\\beta$ varies",
    "matrix_price": "analytic truths",
    "counting": "few outputs, tanh",
    "even": "few outputs, even",
    "spline": "spline truths",
    "aim_softmax": "attention-indexed, $T = 2$",
    "aim_tokens": "attention-indexed, $T > 2$",
    "head_recovery": "a real head",
}
#: Tables that share a colour in the plane.
_SERIES = {"dimension": "spline", "smoothness": "spline"}
#: How a point looks for what it says: its filling, and whether it has an edge of ink.
_LOOKS: dict[str, dict[str, Any]] = {
    "not recovered": {"mfc": "white"},
    "recovered": {},
    "matrix costs more": {},
    "function costs more": {"mec": INK, "mew": 1.4},
}


@picture
def diagram_figure(points: DataFrame, settings: Sequence[Setting]) -> Figure:
    """Draw numbers seen against numbers to learn: lines of theory, measured points by table and by state.

    ``points`` holds ``table``, ``what``, ``numbers``, ``seen`` and ``state``; for each of ``settings`` there
    is a line at which function and matrix cost alike.
    """
    figure, axis = subplots(1, 8.0)
    numbers = np.geomspace(4, 9e4, 60)
    low, high = 5.0, 1e8
    axis.fill_between(numbers, low, numbers, color=BOUND, alpha=0.12, lw=0)
    axis.plot(numbers, numbers, color=BOUND, lw=1.6, label="theorem: below, no method recovers all")
    axis.plot(numbers, 3 * numbers, color=MUTED, lw=1, ls=":", label="3 numbers seen for each (no theorem)")
    for i, setting in enumerate(settings):
        samples = np.array([elbow_samples(p, setting) for p in numbers])
        seen = samples * setting.n_tokens < high
        axis.plot(
            numbers[seen],
            samples[seen] * setting.n_tokens,
            color=MUTED,
            lw=1.2,
            ls=("--", "-.", (0, (6, 1, 1, 1, 1, 1)))[i % 3],
            label="matrix = function (power: theorem)" if i == 0 else None,
        )
        axis.annotate(
            f"$\\beta = {setting.beta:g}$",
            (numbers[seen][-1], samples[seen][-1] * setting.n_tokens),
            (5, -3),
            textcoords="offset points",
            va="top",
            fontsize="small",
        )
    signs: list[Line2D] = []
    series = points.assign(series=[_SERIES.get(t, t) for t in points["table"]])
    even = (series["table"] == "counting") & series["what"].str.startswith("cosine")
    series.loc[even, "series"] = "even"
    for i, (table, part) in enumerate(series.groupby("series", sort=False)):
        color = CYCLE[i % len(CYCLE)]
        for state, group in part.groupby("state", sort=False):
            axis.plot(
                group["numbers"],
                group["seen"],
                color=color,
                marker=MARKERS[i % len(MARKERS)],
                ls="none",
                ms=9 if table == "even" else 6,  # at the places of the other activation
                zorder=1.9 if table == "even" else 2,
                alpha=0.85,
                **_LOOKS[state],
            )
        label = f"measured: {_NAMES[table]}"
        signs.append(Line2D([], [], color=color, marker=MARKERS[i % len(MARKERS)], ls="none", label=label))
    edge: dict[str, Any] = {"mfc": MUTED} | _LOOKS["function costs more"]
    for look, label in (
        ({"color": INK, "mfc": "white"}, "open: not recovered"),
        ({"color": INK, "alpha": 0.5}, "filled: recovered"),
        ({"color": INK} | edge, "with an edge: the function costs more"),
    ):
        signs.append(Line2D([], [], marker="o", ls="none", label=label, **look))
    axis.set(
        title="Numbers to learn, numbers seen",
        xscale="log",
        yscale="log",
        xlim=(numbers[0], numbers[-1]),
        ylim=(low, high),
        xlabel="free numbers of the matrix $p$",
        ylabel="numbers seen (samples times equations of a sample)",
    )
    lines = axis.get_legend_handles_labels()[0]
    figure.legend(handles=[*lines, *signs], fontsize="x-small", loc="outside lower center", ncols=2)
    return figure


@picture
def recovery_figure(shares: DataFrame) -> Figure:
    """Draw the share of fits that recover against outputs for each unknown; bars are 95 % intervals."""
    activations = list(dict.fromkeys(shares["activation"]))
    figure, axes = subplots(len(activations), 3.6)
    for axis, activation in zip(np.atleast_1d(axes), activations, strict=True):
        part = shares[shares["activation"] == activation]
        for i, ((d, rank), line) in enumerate(part.groupby(["d", "rank"], sort=False)):
            line = line.sort_values("ratio")
            axis.errorbar(
                line["ratio"] * 1.025 ** (i - 1.5),
                line["share"],
                yerr=np.array([line["share"] - line["low"], line["high"] - line["share"]]),
                color=CYCLE[i % len(CYCLE)],
                marker=MARKERS[i % len(MARKERS)],
                lw=1.2,
                label=f"$d = {d}$, $r = {rank}$: {line['numbers'].iloc[0]} unknowns",
            )
        axis.axvline(1, color=MUTED, lw=1, label="as many outputs as unknowns")
        axis.set(
            title={"tanh": "With a linear part: tanh", "cosine": "Even: cosine"}.get(activation, activation),
            xscale="log",
            ylim=(-0.05, 1.05),
            xlabel="outputs for each unknown",
            ylabel="share of fits that recover",
        )
        ticks = [1, 2, 3, 5, 10]
        axis.set_xticks(ticks, [str(t) for t in ticks])
        axis.minorticks_off()
        axis.legend(fontsize="x-small", loc="lower right" if activation == "tanh" else "upper left")
    return figure


@picture
def balance_figure(balance: DataFrame) -> Figure:
    """Draw what the matrix costs over what the function costs: measured against counted."""
    figure, axis = subplots(1, 4.4)
    reach = np.array([balance["counted"].min() / 1.5, balance["counted"].max() * 1.5])
    axis.plot(reach, reach, color=MUTED, lw=1, label="heuristic: as counted, $p / (K + s)$")
    for i, (table, part) in enumerate(balance.groupby("table", sort=False)):
        axis.errorbar(
            part["counted"],
            part["measured"],
            yerr=np.array([part["measured"] - part["low"], part["high"] - part["measured"]]),
            color=CYCLE[i],
            marker=MARKERS[i],
            ls="none",
            label=f"measured: {_NAMES[table]}",
        )
    axis.axhline(1, color=MUTED, lw=0.8, ls=":")
    axis.axvline(1, color=MUTED, lw=0.8, ls=":")
    axis.set(
        title="Which part costs more",
        xscale="log",
        yscale="log",
        xlabel="numbers of the matrix / coefficients of the spline",
        ylabel="excess error / error with $A$ known",
    )
    axis.legend(fontsize="small", loc="upper left")
    return figure
