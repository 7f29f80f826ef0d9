"""Pictures for the page on whole layers: heads against the law of counting, fits without noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from pairint.figures.style import BOUND, CYCLE, MARKERS, MUTED, picture, subplots

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["exact_figure", "heads_figure"]


#: Heads whose error is above so many times the law are named.
_APART = 40.0


@picture
def heads_figure(table: DataFrame, *places: tuple[str, Series]) -> Figure:
    """Draw each head's error over the law of counting, own windows and others.

    Parameters
    ----------
    table : DataFrame
        Of the experiment ``whole_layer``; or fits of the same columns.
    *places : tuple of str and Series
        A panel each: the label of its horizontal axis, and the places of heads, by (layer, head). Without
        one heads are numbered.
    """
    fits = table[(table["kind"] == "fit") & (table["task"] == "heads")].reset_index(drop=True)
    keys = list(zip(fits["layer"], fits["head"], strict=True))
    panels = [(label, series.loc[keys].to_numpy(float)) for label, series in places]
    if not panels:
        panels = [("head, numbered", fits.index.to_numpy() + 1.0)]
    figure, axes = subplots(len(panels), 4.2)
    for panel, (axis, (label, x)) in enumerate(zip(np.atleast_1d(axes), panels, strict=True)):
        for column, face, name, number in (
            ("error", CYCLE[0], "other windows", 0),
            ("in_sample", "white", "the fit's own windows", 1),
        ):
            axis.plot(
                x, fits[column] / fits["law"], ls="none", marker=MARKERS[number], color=CYCLE[number],
                mfc=face, label=name,
            )  # fmt: skip
        named = fits[fits["error"] > _APART * fits["law"]].sort_values("error")
        for number, (place, row) in enumerate(named.iterrows()):
            late = x[place] > (x.min() + x.max()) / 2  # towards the middle of the panel
            axis.annotate(
                f"{row['layer']:.0f}.{row['head']:.0f}",
                (x[place], row["error"] / row["law"]),
                xytext=(-14 if late else 14, 8 if number % 2 else -8),  # neighbours do not meet
                textcoords="offset points",
                fontsize="small",
                ha="right" if late else "left",
                va="center",
                arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.7, "shrinkA": 1, "shrinkB": 3},
            )
        axis.axhline(1, color=BOUND, ls="--", lw=1, label="law of counting")
        axis.set(
            title="The same heads" if panel else "Heads, each read from its outputs",
            xlabel=label,
            ylabel="squared error / law",
            yscale="log",
        )
        axis.set_ylim(bottom=0.08)  # room for the legend, below all heads
        axis.legend(fontsize="small", handlelength=1.2, loc="lower center")
    return figure


@picture
def exact_figure(table: DataFrame, threshold: float) -> Figure:
    """Draw the errors of fits without noise against the number of windows: from nothing, and from nearby.

    Parameters
    ----------
    table : DataFrame
        Of the experiment ``whole_layer``.
    threshold : float
        Windows below which counting says that nothing can be found.
    """
    figure, axis = subplots(1, 4.2)
    fits = table[(table["kind"] == "fit") & table["task"].isin(["cold", "near"])]
    for number, ((layer, head), part) in enumerate(fits.groupby(["layer", "head"])):
        for task, style, name in (("cold", "-", "from nothing"), ("near", ":", "from nearby")):
            line = part[part["task"] == task].sort_values("n_samples")
            if len(line):
                axis.plot(
                    line["n_samples"], line["error"], color=CYCLE[number % len(CYCLE)], ls=style,
                    marker=MARKERS[number % len(MARKERS)], mfc=None if task == "cold" else "white",
                    label=f"head {head} of layer {layer}, {name}",
                )  # fmt: skip
    axis.axvline(threshold, color=MUTED, ls="--", lw=1, label="threshold of counting")
    axis.set(xscale="log", yscale="log", xlabel="windows $M$", ylabel="squared error / variance")
    ticks = sorted(fits["n_samples"].unique())
    axis.set_xticks(ticks, [str(int(n)) for n in ticks])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set(title="Without noise, other windows")
    axis.legend(fontsize="small")
    return figure
