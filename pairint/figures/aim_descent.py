"""Pictures that decide about gradient descent: beside message passing, and beside the exact posterior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pairint.figures.roles import colors_of
from pairint.figures.style import BOUND, CYCLE, MARKERS, MUTED, picture, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["NAMES", "decided_figure", "excess_figure"]

#: What readers call an estimator of the tables that is not called by its name there.
NAMES = {"amp": "message passing", "adam": "Adam"}

_FRACTION = "samples / those of exact recovery"


@picture
def decided_figure(
    pairs: DataFrame,
    noted: DataFrame,
    margin: float,
    others: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> Figure:
    """Draw what infinitely many runs leave over message passing, and errors of one run beyond recovery.

    Parameters
    ----------
    pairs : DataFrame
        Columns ``rho``, ``d``, ``fraction``, ``method``, and ``mean``, ``low``, ``high`` of the ratio.
    noted : DataFrame
        Columns ``d``, ``fraction``, ``method``, ``steps``, ``one_run``; fractions above one are drawn.
    margin : float
        Half-width of the band about one.
    others : mapping of str to a sequence of (fraction, ratio), optional
        Points of other runs, by label.
    """
    figure, (left, right) = subplots(2, 4.4)
    methods = list(dict.fromkeys(noted["method"]))
    below = pairs[pairs["fraction"] < 1]
    rho = below["rho"].min()
    narrow = below[below["rho"] == rho]
    sizes = sorted(narrow["d"].unique())
    left.axhspan(1 - margin, 1 + margin, color=MUTED, alpha=0.25, lw=0, label=f"within {margin:.0%}")
    lines = list(dict.fromkeys(zip(narrow["method"], narrow["d"], strict=True)))
    for number, (method, d) in enumerate(sorted(lines, key=lambda line: (methods.index(line[0]), line[1]))):
        part = narrow[(narrow["method"] == method) & (narrow["d"] == d)]
        shift = 0.008 * (number - (len(lines) - 1) / 2)
        where, mean, low, high = part[["fraction", "mean", "low", "high"]].to_numpy(dtype=float).T
        bars = [np.where(np.isfinite(low), mean - low, 0), np.where(np.isfinite(high), high - mean, 0)]
        left.errorbar(
            where + shift, mean, np.minimum(bars, 1.0), color=CYCLE[methods.index(method) % len(CYCLE)],
            marker=MARKERS[sizes.index(d) % len(MARKERS)], ls="none", ms=4.5, capsize=2,
            label=f"{method}, $d = {d}$",
        )  # fmt: skip
    for (name, found), marker in zip((others or {}).items(), ("x", "+"), strict=False):
        left.plot(*np.array(found).T, marker, color=MUTED, ms=7, label=name)
    left.set(
        title=f"Below the threshold, $\\rho = {rho:g}$",
        xlabel=_FRACTION,
        ylabel="infinitely many runs / message passing",
    )
    left.legend(fontsize="small", loc="upper left")
    beyond = noted[noted["fraction"] > 1]
    for method in dict.fromkeys(beyond["method"]):
        part = beyond[beyond["method"] == method].groupby("steps")["one_run"]
        number = methods.index(method)
        right.plot(
            part.mean().index, part.mean(), color=CYCLE[number % len(CYCLE)],
            marker=MARKERS[number % len(MARKERS)], ls=("-", "--", "-.", ":")[number % 4], label=method,
        )  # fmt: skip
    right.set(
        title="Beyond it, where Bayes has no error",
        xlabel="steps",
        ylabel="error of one run",
        xscale="log",
        yscale="log",
    )
    ticks: Sequence[int] = sorted(beyond["steps"].unique())
    right.set_xticks(ticks, [str(tick) for tick in ticks])
    right.set_xticks([], minor=True)
    if len(beyond):
        right.legend(fontsize="small")
    return figure


@picture
def excess_figure(excess: DataFrame) -> Figure:
    """Draw the error of each estimator over the exact Bayes-optimal one.

    Parameters
    ----------
    excess : DataFrame
        Columns ``d``, ``fraction``, ``estimator``, ``ratio``, ``low``, ``high``.
    """
    figure, axes = subplots(1, 4.2)
    axes.axhline(1, color=BOUND, lw=1, ls="--", label="the posterior mean")
    names, sizes = list(dict.fromkeys(excess["estimator"])), sorted(excess["d"].unique())
    colors = colors_of(names)
    lines = list(dict.fromkeys(zip(excess["estimator"], excess["d"], strict=True)))
    for number, (name, d) in enumerate(lines):
        part = excess[(excess["estimator"] == name) & (excess["d"] == d)]
        shown = NAMES.get(name, name)
        shown = shown if name == "amp" else f"infinitely many runs, {shown}"
        axes.errorbar(
            part["fraction"] + 0.01 * (number - (len(lines) - 1) / 2), part["ratio"],
            [part["ratio"] - part["low"], part["high"] - part["ratio"]],
            color=colors[names.index(name)], marker=MARKERS[sizes.index(d) % len(MARKERS)],
            ls="none", ms=5, capsize=2, label=f"{shown}, $d = {d}$",
        )  # fmt: skip
    axes.set(title="Beside the exact posterior", xlabel=_FRACTION, ylabel="error / Bayes-optimal error")
    axes.legend(fontsize="small")
    return figure
