"""Pictures of what it costs to choose: the number of cells, and the rank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pairint.figures.style import CYCLE, DATA, FIT, MARKERS, MUTED, ORACLE, picture, subplots
from pairint.theory.rates import minimax_exponent

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["ESTIMATORS", "noise_gains", "price_figure", "rank_gain_figure"]

#: Estimators by what they are told, each with its colour in all figures of the page.
ESTIMATORS = {
    "known": ORACLE,
    "auto_cells": CYCLE[0],
    "auto_rank": CYCLE[1],
    "auto": FIT,
    "penalised": CYCLE[3],
    "proved": CYCLE[5],
}


@picture
def price_figure(prices: DataFrame, slopes: DataFrame, labels: Mapping[str, str]) -> Figure:
    """Draw the price of not knowing against the smoothness, and the slopes beside the theory's.

    Parameters
    ----------
    prices : DataFrame
        Columns ``beta``, ``estimator``, ``ratio``, ``low``, ``high``.
    slopes : DataFrame
        Columns ``beta``, ``estimator``, ``slope``, ``low``, ``high``.
    labels : dict of str to str
        What to call an estimator of `ESTIMATORS`; those named here are drawn.
    """
    figure, (left, right) = subplots(2, 4.4)
    for axes, table, column in ((left, prices, "ratio"), (right, slopes, "slope")):
        names = [name for name in labels if (table["estimator"] == name).any()]
        for name in names:
            place = list(ESTIMATORS).index(name)
            line = table[table["estimator"] == name].sort_values("beta")
            # Side by side: the bars of several estimators at one smoothness must not hide each other.
            shift = 0.04 * (names.index(name) - (len(names) - 1) / 2)
            axes.errorbar(
                line["beta"] + shift,
                line[column],
                yerr=np.array([line[column] - line["low"], line["high"] - line[column]]),
                color=ESTIMATORS[name],
                marker=MARKERS[place % len(MARKERS)],
                linestyle="-" if column == "ratio" else "",
                capsize=2,
                label=labels[name],
            )
        axes.set_xlabel(r"smoothness $\beta$")
    left.axhline(1.0, color=MUTED, linewidth=0.8, linestyle=":")
    left.set(title="The price of not knowing", ylabel="error over the error of who knows")
    beta = np.linspace(slopes["beta"].min(), slopes["beta"].max(), 200)
    theory = [-minimax_exponent(value) for value in beta]
    right.plot(beta, theory, color=MUTED, linestyle=":", label=r"$-2\beta/(2\beta+1)$")
    right.set(title="The slopes", ylabel=r"slope of $\log$ error against $\log M$")
    left.legend(fontsize="small")
    right.legend(fontsize="small")
    return figure


def noise_gains(size: int, n_draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return squares of the largest singular value of Gaussian ``size x size`` matrices, ``(n_draws,)``."""
    draws = rng.standard_normal((n_draws, size, size))
    return np.asarray(np.linalg.svd(draws, compute_uv=False)[:, 0] ** 2, dtype=np.float64)


@picture
def rank_gain_figure(n_draws: int = 4000, seed: int = 0) -> Figure:
    """Draw what noise gains by one rank too many, and what the criteria charge for it."""
    figure, (left, right) = subplots(2, 4.2)
    rng = np.random.default_rng(seed)
    sizes = np.array([1, 2, 3, 4, 6, 9, 14, 20, 29])
    gains = [noise_gains(int(size), n_draws, rng) for size in sizes]
    charges = {"charge of GCV": 2.0 * (2 * sizes - 1), "charge with weight 4/3": 8.0 / 3.0 * (2 * sizes - 1)}
    low, middle, high = np.quantile(gains, (0.05, 0.5, 0.95), axis=1)
    left.fill_between(sizes, low, high, color=DATA, alpha=0.4, label="gain of noise, 90 %")
    left.plot(sizes, middle, color=DATA, marker="o", label="its median")
    for (label, charge), color in zip(charges.items(), CYCLE, strict=False):
        left.plot(sizes, charge, color=color, linestyle="--", label=label)
        over = [float((gain > value).mean()) for gain, value in zip(gains, charge, strict=True)]
        right.plot(sizes, over, color=color, marker="s", label=label.removeprefix("charge "))
    left.set(title="One rank too many", xlabel="$q = d - r$", ylabel="residual gained, in noise variances")
    right.set(
        title="How often it is taken", xlabel="$q = d - r$", ylabel="share of draws", ylim=(-0.01, None)
    )
    left.legend()
    right.legend()
    return figure
