"""The picture of several layers under one label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pairint.aim.sampling import summed_layers
from pairint.figures.style import ALPHA_LABEL, CYCLE, picture, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["sum_figure"]


@picture
def sum_figure(rho: float = 0.3, n_points: int = 60) -> Figure:
    """Draw the error of each of L heads whose sum alone is seen through a softmax."""
    figure, panel = subplots(1, 3.6)
    alphas = np.linspace(0.0, 0.4, n_points + 1)[1:]
    for count, color in zip((1, 2, 4), CYCLE, strict=False):
        errors = [1.0, *(float(summed_layers(alpha, rho, count).mmse) for alpha in alphas)]
        panel.plot(
            [0.0, *alphas],
            errors,
            color=color,
            label="one head alone" if count == 1 else f"one head of a sum of {count}",
        )
        if count > 1:
            panel.axhline(1 - 1 / count, color=color, linestyle="--", linewidth=1)
    panel.set(
        title="Softmax of a sum of heads, $T = 2$",
        xlabel=ALPHA_LABEL,
        ylabel="error of a head",
        ylim=(-0.03, 1.03),
    )
    figure.legend(loc="outside lower center", ncols=3)
    return figure
