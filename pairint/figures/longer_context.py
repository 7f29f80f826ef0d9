"""Pictures for the chapter on what a longer context buys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pairint.figures.style import BOUND, CYCLE, DATA, MARKERS, MUTED, picture, subplots
from pairint.model import Cosine, Exponential, ReLU, SplineSpace, Tanh
from pairint.theory.information import direction_price, function_shares, query_share

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["constant_figure", "context_price_figure", "direction_figure", "rotation_figure", "share_figure"]

_TITLES = {"even": "even: cos(3u/2)", "odd": "odd: tanh(3u/2)", "exponential": "exponential: exp(u/2)"}


def _token_axis(axis: Any, most: float) -> None:
    ticks = [2**k for k in range(1, 11) if 2**k <= most]
    axis.set(xscale="log", xlabel="tokens $N$")
    axis.set_xticks(ticks, [str(n) for n in ticks])
    axis.minorticks_off()


@picture
def context_price_figure(points: DataFrame, shares: Mapping[str, float]) -> Figure:
    """Draw prices measured in fits over the closed form, for queries and keys.

    ``points`` holds the mean and its interval for each case, estimator and number of tokens; ``shares`` what
    one token knows of a query, by case.
    """
    cases = list(shares)
    figure, axes = subplots(len(cases), 3.6)
    most = int(points["n_tokens"].max())
    n = np.geomspace(2, most, 60)
    for axis, case in zip(np.atleast_1d(axes), cases, strict=True):
        for i, (block, share) in enumerate((("queries", shares[case]), ("keys", 0.0))):
            line = points[(points["case"] == case) & (points["estimator"] == block)].sort_values("n_tokens")
            axis.plot(n, direction_price(n, min(max(share, 0.0), 1.0)), color=CYCLE[i], ls=("-", "--")[i])
            axis.errorbar(
                line["n_tokens"] * (1.06, 1 / 1.06)[i],
                line["mean"],
                yerr=np.array([line["mean"] - line["low"], line["high"] - line["mean"]]),
                color=CYCLE[i],
                marker=MARKERS[i],
                ls="none",
                label=block,
            )
        axis.set(title=_TITLES.get(case, case), yscale="log", ylim=(0.008, 3))
        axis.set(ylabel="price in $\\sigma^2/M$")
        _token_axis(axis, most)
        axis.legend(loc="lower left", fontsize="small")
    return figure


@picture
def constant_figure(constants: DataFrame) -> Figure:
    """Draw excess errors over p sigma^2 (N-1)/(MN), and what the information predicts; 95 % intervals."""
    figure, axis = subplots(1, 3.9)
    for i, (activation, part) in enumerate(constants.groupby("activation", sort=False)):
        places = part["numbers"] * 1.02 ** (np.arange(len(part)) - (len(part) - 1) / 2)
        axis.errorbar(
            places,
            part["constant"],
            yerr=np.array([part["constant"] - part["low"], part["high"] - part["constant"]]),
            color=CYCLE[i],
            marker=MARKERS[i],
            ls="none",
            label=f"{activation} activation, measured",
        )
        label = f"{activation} activation, predicted"
        axis.plot(
            places,
            part["predicted"],
            color=BOUND,
            marker="_x"[i],
            ms=10 - 4 * i,
            ls="none",
            label=label,
        )
    axis.axhline(1, color=MUTED, lw=1, ls=":")
    axis.set(
        title="The constant in front of $rd/M$",
        xscale="log",
        xlabel="free numbers of the matrix, $p = r(2d-r)-1$",
        ylabel="excess error / $p\\,\\sigma^2(N-1)/(MN)$",
        ylim=(0, 2),
    )
    axis.legend(fontsize="small", loc="lower right")
    return figure


@picture
def share_figure(scales: Sequence[float] = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.2, 3.0, 4.5)) -> Figure:
    """Draw what one token knows: of queries against the size of the scores, and of functions of a basis."""
    figure, (left, right) = subplots(2, 3.6)
    lines: list[tuple[str, Any]] = [
        ("cos(su)", Cosine),
        ("exp(su)", Exponential),
        ("max(u, 0)", lambda _: ReLU()),
        ("tanh(su)", Tanh),
    ]
    for i, (label, make) in enumerate(lines):
        kept = [s for s in scales if label != "exp(su)" or s <= 0.4]
        values = [query_share(make(s)) for s in kept]
        left.plot(kept, values, color=CYCLE[i], marker=MARKERS[i], ms=4, label=label)
    left.set(title="Queries", xscale="log", xlabel="$s$", ylabel="share $\\kappa$ that one token knows")
    left.legend()
    for i, cells in enumerate((8, 32)):
        known = function_shares(SplineSpace(-4.0, 4.0, cells, 3))
        right.plot(
            np.arange(1, len(known) + 1),
            np.maximum(known, 1e-9),
            color=CYCLE[i],
            marker=MARKERS[i],
            ms=4,
            ls=":",
            label=f"{cells} cells",
        )
    right.set(
        title="Functions of the score",
        yscale="log",
        ylim=(1e-9, 2),
        xlabel="direction, the best known first",
        ylabel="share $\\kappa$",
    )
    right.legend()
    return figure


@picture
def rotation_figure(n_partners: int = 400, angle: float = 70.0, seed: int = 0) -> Figure:
    """Draw the partners of a token, two keys, and the scores along each: one law."""
    figure, (left, right) = subplots(2, 3.6)
    rng = np.random.default_rng(seed)
    partners = rng.standard_normal((n_partners, 2))
    turned = np.radians(angle)
    keys = {"key": np.array([1.0, 0.0]), "rotated key": np.array([np.cos(turned), np.sin(turned)])}
    left.plot(*partners.T, ".", color=DATA, ms=2.5, alpha=0.5)
    for i, (label, key) in enumerate(keys.items()):
        left.plot(*(3 * np.array([0 * key, key]).T), color=CYCLE[i], ls=("-", "--")[i], lw=3, label=label)
        scores = np.sort(partners @ key)
        right.step(scores, np.linspace(0, 1, n_partners), color=CYCLE[i], ls=("-", "--")[i], label=label)
    left.set(title="Partners of one token", xlabel="$y_1$", ylabel="$y_2$", xlim=(-4, 4), ylim=(-4, 4))
    left.legend(fontsize="small", loc="upper left")
    right.set(title="Its scores with them", xlabel="score $u$", ylabel="share of partners below $u$")
    right.legend(fontsize="small", loc="upper left")
    return figure


@picture
def direction_figure(spectra: Mapping[str, Any], hidden: int, n_tokens: int) -> Figure:
    """Draw the prices of all directions of a matrix, the dearest first; a rule marks how many stay dear."""
    figure, axis = subplots(1, 3.6)
    for i, (label, prices) in enumerate(spectra.items()):
        places = np.arange(1, len(prices) + 1)
        axis.plot(places, prices, color=CYCLE[i], marker=MARKERS[i], ls=":", lw=1, label=label)
    axis.axhline((n_tokens - 1) / n_tokens, color=MUTED, lw=1, ls="--", label="$(N-1)/N$")
    axis.axvline(hidden + 0.5, color=MUTED, lw=1, label="rotations of the keys end here")
    axis.set(
        title=f"Directions of the matrix, $N = {n_tokens}$",
        xlabel="direction, the dearest first",
        ylabel="price in $\\sigma^2/M$",
        ylim=(0, 1.3),
    )
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.legend(fontsize="small", loc="lower left")
    return figure
