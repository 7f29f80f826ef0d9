"""Pictures for the page on performance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pairint.figures.style import CYCLE, MARKERS, picture, subplots

__all__ = ["scaling_figure"]


@picture
def scaling_figure(rows: Sequence[Mapping[str, Any]], point: Mapping[str, int]) -> Figure:
    """Draw the time of a step and the count of its operations, one number changed at a time.

    Parameters
    ----------
    rows : sequence of mappings
        ``changed``, ``value``, ``step_ms`` and ``count``, as ``benchmarks/scaling.py`` records them.
    point : mapping
        The point from which numbers are changed; it is among the rows of each.
    """
    figure, axis = subplots(1, 3.8)
    names = list(dict.fromkeys(row["changed"] for row in rows))
    for name, color, marker in zip(names, CYCLE, MARKERS, strict=False):
        here = [row for row in rows if row["changed"] == name]
        at = next(i for i, row in enumerate(here) if row["value"] >= point[name])
        values, times, counts = (
            np.array([row[key] for row in here], dtype=float) for key in ("value", "step_ms", "count")
        )
        shown = values / values[at]
        axis.plot(shown, times / times[at], marker, color=color, label=f"${name}$, measured")
        axis.plot(shown, counts / counts[at], color=color, ls="--", label=f"${name}$, count")
    axis.set(
        title="A step, one number changed at a time",
        xscale="log",
        yscale="log",
        xlabel="the number, over that of the point",
        ylabel="time, over that of the point",
    )
    axis.legend(fontsize="x-small", ncols=2)
    return figure
