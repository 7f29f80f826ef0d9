"""The picture of a diagnosis: what the residuals still know, and on which outputs the fit rests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pairint.estimation import Diagnosis
from pairint.estimation.diagnosis import LARGEST_LEVERAGE
from pairint.figures.roles import colors_of
from pairint.figures.style import MUTED, picture, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["diagnosis_figure"]

_POINTS = 500  # of a line of leverages


@picture
def diagnosis_figure(diagnoses: dict[str, Diagnosis]) -> Figure:
    """Draw mean residuals by score, and the leverages in order, of one fit or of several to compare.

    Raises
    ------
    ValueError
        If there is no fit.
    """
    if not diagnoses:
        raise ValueError("diagnoses must name at least one diagnosis, got an empty dictionary")
    figure, (left, right) = subplots(2, 3.6)
    colors = colors_of(diagnoses)
    for number, (name, found) in enumerate(diagnoses.items()):
        color = colors[number]
        # In units of the standard error all fits share one scale, and the band is the same for all.
        ratios = found.mean_residuals / found.standard_errors
        left.plot(found.scores, ratios, "o-", color=color, markersize=4, label=name)
        ordered = np.sort(found.leverage[found.leverage > 0.0])[::-1]
        # On a logarithmic axis as many points say all; a line of thousands would be an image in one theme.
        shown = np.unique(np.geomspace(1, max(ordered.size, 1), _POINTS, dtype=np.int64))[: ordered.size]
        right.plot(shown, ordered[shown - 1], color=color, label=name)
    left.axhspan(-2, 2, color=MUTED, alpha=0.1, linewidth=0, label="noise, 19 times of 20")
    left.axhline(0, color=MUTED, linewidth=0.8)
    left.set(
        title="What the residuals still know",
        xlabel="mean score of an output",
        ylabel="mean residual / its error",
    )
    left.legend()
    right.axhline(
        LARGEST_LEVERAGE, color=MUTED, linestyle="--", linewidth=1, label="half of the noise fitted"
    )
    right.set(
        title="On which outputs the fit rests",
        xlabel="output, largest leverage first",
        ylabel="leverage",
        xscale="log",
        yscale="log",
    )
    right.legend()
    return figure
