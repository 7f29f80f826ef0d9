"""Pictures for the page on the published data: how far each published series lies from ours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.figures.style import ALPHA_LABEL, BOUND, CYCLE, INK, MUTED, picture, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["differences_figure", "points_figure", "series_table"]

#: Name of a kind of series, and its references with their colours.
_KINDS = {
    "SE_softmax": "softmax curves",
    "SE_hardmax": "hardmax curves",
    "SE_hardmax_rescaled": "hardmax curves, narrow layers",
    "AMP_softmax": "softmax, message passing",
    "AMP_hardmax": "hardmax, message passing",
    "GD_averaged": "gradient descent, mean of 32",
    "GD_single": "gradient descent, one run",
}
_LOOKS = {
    "softmax": (BOUND, "o", "our curve"),
    "softmax at finite d": (BOUND, "o", None),
    "derivative": (BOUND, "o", None),
    "density": (CYCLE[0], "s", "our curve, density in the score"),
    "published curve": (CYCLE[1], "^", "the published curve"),
}


@picture
def differences_figure(table: DataFrame) -> Figure:
    """Draw the median relative difference of each series from each of its references.

    Parameters
    ----------
    table : DataFrame
        The series of a comparison, with columns ``kind``, ``reference`` and ``median``.
    """
    figure, axes = subplots(1, 4.2)
    named: set[str | None] = set()
    for row, kind in enumerate(_KINDS):
        for reference, part in table[table["kind"] == kind].groupby("reference"):
            color, marker, name = _LOOKS[reference]
            heights = row + np.linspace(-0.18, 0.18, len(part))
            label = None if name in named else name  # a legend names each look once
            named.add(name)
            axes.plot(part["median"], heights, marker, color=color, markersize=5, alpha=0.85, label=label)
    axes.set_yticks(range(len(_KINDS)), list(_KINDS.values()))
    axes.invert_yaxis()
    axes.axvline(0.05, color=MUTED, linestyle=":", linewidth=1)
    axes.annotate(
        "five percent", (0.05, 0), xytext=(4, -2), textcoords="offset points", color=INK, fontsize="small"
    )
    axes.set(xscale="log", xlabel="median of |published / ours $-$ 1| over a series", ylabel="series")
    axes.set_title("Every published series beside ours")
    axes.legend(fontsize="small", title="compared with", loc="upper right")
    return figure


def series_table(table: DataFrame) -> DataFrame:
    """Return a row for each kind of series and reference: how many, their medians, and the farthest point.

    Parameters
    ----------
    table : DataFrame
        The series of a comparison, with columns ``kind``, ``reference``, ``median``, ``largest`` and
        ``at_alpha``.
    """
    from pandas import DataFrame

    rows = []
    for kind, name in _KINDS.items():
        for reference, part in table[table["kind"] == kind].groupby("reference"):
            worst = part.loc[part["largest"].abs().idxmax()]
            ends = [f"{part['median'].min():.2g}", f"{part['median'].max():.2g}"]
            rows.append(
                {
                    "series": name,
                    "compared with": reference,
                    "how many": len(part),
                    "medians": " to ".join(dict.fromkeys(ends)),
                    "largest": f"{worst['largest']:.2g}",
                    "at alpha": f"{worst['at_alpha']:.3g}",
                }
            )
    return DataFrame(rows)


@picture
def points_figure(series: Iterable[Any], curves: dict[str, tuple[Any, Any]]) -> Figure:
    """Draw published series as dots over curves of ours, on logarithmic axes.

    Parameters
    ----------
    series : iterable
        Published series, each with ``file``, ``alpha`` and ``error``.
    curves : dict of str to (alpha, error)
        Ours, by label.
    """
    figure, axes = subplots(1, 4.6)
    for number, (label, (alpha, error)) in enumerate(curves.items()):
        axes.plot(alpha, error, color=(BOUND, *CYCLE)[number], label=label)
    for number, one in enumerate(series):
        axes.plot(one.alpha, one.error, ".", color=MUTED, alpha=0.5 + 0.5 / (1 + number), label=one.file)
    axes.set(xscale="log", yscale="log", xlabel=ALPHA_LABEL, ylabel="error $\\|S - \\hat S\\|_F^2/d$")
    axes.set_title("Published points over our curves")
    axes.legend(fontsize="small")
    return figure
