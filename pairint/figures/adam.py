"""Pictures for the chapter on training by Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from pairint.figures.roles import colors_of
from pairint.figures.style import CYCLE, FIT, MARKERS, MUTED, picture, subplots

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["adam_figure", "time_figure"]


@picture
def adam_figure(errors: DataFrame, *, exponent: float) -> Figure:
    """Draw errors against samples: every training a dot, medians as lines, the rate as a slope.

    ``errors`` holds ``line``, ``n_samples`` and ``error``, the minimiser first.
    """
    figure, axis = subplots(1, 5.2)
    names = list(dict.fromkeys(errors["line"]))
    colors = colors_of(names)
    for i, name in enumerate(names):
        part = errors[errors["line"] == name]
        shift = 1.09 ** (i - (len(names) - 1) / 2)
        axis.plot(
            part["n_samples"] * shift,
            part["error"],
            color=colors[i],
            marker=MARKERS[i],
            ms=3.5,
            mfc="white",
            alpha=0.6,
            ls="none",
        )
        middle = part.groupby("n_samples")["error"].median()
        axis.plot(
            middle.index * shift,
            middle,
            color=colors[i],
            marker=MARKERS[i],
            ms=6,
            ls=("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))[i % 6],
            label=name,
        )
    first = errors[errors["line"] == names[0]].groupby("n_samples")["error"].median()
    x = first.index.to_numpy(dtype=float)
    guide = 0.35 * first.iloc[0] * (x / x[0]) ** -exponent
    axis.plot(x, guide, color=MUTED, lw=0.9, ls=":", label=f"slope $-{exponent:.2f}$, the rate")
    axis.set(
        title="Trained, and minimised",
        xscale="log",
        yscale="log",
        xlabel="samples $M$",
        ylabel="squared error $\\|\\hat g - g\\|^2_{L^2(\\rho)}$",
    )
    figure.legend(fontsize="small", loc="outside lower center", ncols=2)
    return figure


@picture
def time_figure(trained: DataFrame) -> Figure:
    """Draw error over the minimiser's against processor time over the minimiser's, a panel for each size.

    ``trained`` holds ``line``, ``budget``, ``n_samples``, ``ratio`` and ``times``, a row a training.
    """
    sizes = sorted(trained["n_samples"].unique())
    figure, axes = subplots(len(sizes), 3.8)
    names = list(dict.fromkeys(trained["line"]))
    low, high = trained["ratio"].min() / 1.6, trained["ratio"].max() * 3
    for axis, size in zip(np.atleast_1d(axes), sizes, strict=True):
        for i, name in enumerate(names):
            part = trained[(trained["n_samples"] == size) & (trained["line"] == name)]
            axis.plot(
                part["times"],
                part["ratio"],
                color=CYCLE[i],
                marker=MARKERS[(i + 1) % len(MARKERS)],
                ms=4,
                alpha=0.7,
                ls="none",
                label=name,
            )
        axis.plot(1, 1, color=FIT, marker=MARKERS[0], ms=8, ls="none", label="the minimiser")
        axis.axhline(1, color=MUTED, lw=0.8, ls=":")
        axis.set(
            title=f"$M = {size:,}$",
            xscale="log",
            yscale="log",
            ylim=(low, high),
            xlabel="processor time / the minimiser's",
            ylabel="error / the minimiser's",
        )
    np.atleast_1d(axes)[0].legend(fontsize="small", loc="upper left")
    return figure
