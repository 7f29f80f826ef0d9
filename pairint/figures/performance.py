"""Pictures for the page on performance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pairint.estimation.cost import priced
from pairint.figures.style import CYCLE, MARKERS, picture, subplots

__all__ = ["scaling_figure"]


@picture
def scaling_figure(rows: Sequence[Mapping[str, Any]], point: Mapping[str, int]) -> Figure:
    """Draw the time of a step and what the prices of its operations predict, one number changed at a time.

    Parameters
    ----------
    rows : sequence of mappings
        ``changed``, ``value`` and ``step_ms``, as ``benchmarks/scaling.py`` records them.
    point : mapping
        The point from which numbers are changed; it is among the rows of each.
    """
    figure, axis = subplots(1, 3.8)
    names = list(dict.fromkeys(row["changed"] for row in rows))
    _, predicted = priced(rows, point)
    for name, color, marker in zip(names, CYCLE, MARKERS, strict=False):
        here = [i for i, row in enumerate(rows) if row["changed"] == name]
        values = np.array([rows[i]["value"] / point[name] for i in here])
        axis.plot(
            values, [rows[i]["step_ms"] for i in here], marker, color=color, label=f"${name}$, measured"
        )
        axis.plot(values, predicted[here], color=color, ls="--", label=f"${name}$, priced count")
    axis.set(
        title="A step, one number changed at a time",
        xscale="log",
        yscale="log",
        xlabel="the number, over that of the point",
        ylabel="processor time / ms",
    )
    axis.legend(fontsize="x-small", ncols=2)
    return figure
