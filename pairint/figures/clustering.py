"""Pictures for the chapter on when to watch: tokens that cluster, information, errors, the gap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.figures.style import BOUND, CYCLE, DATA, MARKERS, picture, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["decay_figure", "paths_figure", "watching_figure"]

#: Relative squared error of a fit, from which the experiment writes no more.
_MOST = 1e2


@picture
def paths_figure(betas: tuple[float, float] = (1.0, 9.0), n_tokens: int = 16, seed: int = 3) -> Figure:
    """Draw angles of tokens on a circle against time, for a wide and a narrow attraction."""
    from pairint.model.flow import sphere_flow

    figure, axes = subplots(2, 3.8, sharey=True)
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, n_tokens)
    X = np.stack([np.cos(angle), np.sin(angle)], axis=1)[None]
    times = np.linspace(0, 30, 301)
    for axis, beta in zip(axes, betas, strict=True):

        def attraction(u: Any, beta: float = beta) -> Any:
            return np.exp(beta * (u - 1))

        film = sphere_flow(X, attraction, times)[:, 0]
        paths = np.unwrap(np.arctan2(film[..., 1], film[..., 0]), axis=0)
        for k in range(n_tokens):
            axis.plot(times, paths[:, k], color=CYCLE[k % len(CYCLE)], lw=1)
        axis.set(title=f"$\\varphi(u) = e^{{{beta:g}(u - 1)}}$".replace("{1(", "{("), xlabel="time $t$")
    axes[0].set_ylabel("angle on the circle, radians")
    return figure


@picture
def watching_figure(table: DataFrame) -> Figure:
    """Draw price and error of a fit against the time of the snapshot, for tokens from all of the sphere."""
    figure, (left, right) = subplots(2, 4.0)
    for i, (beta, part) in enumerate(table[table["law"] == "sphere"].groupby("beta")):
        line = part.groupby("time")[["price", "error"]].median()
        style = {"color": CYCLE[i], "marker": MARKERS[i], "ms": 4, "label": f"$\\beta = {beta:g}$"}
        left.plot(line.index, line["price"], **style)
        # The table holds errors up to a hundred: a curve ends where it first comes there.
        seen = line["error"].shift(fill_value=0.0) < _MOST
        right.plot(line.index[seen], line["error"][seen], **style)
    left.set(
        title="Price of a snapshot", ylabel="error / that of full information", yscale="log", ylim=(0.8, 1e6)
    )
    right.set(title="Error of a fit", ylabel="relative squared error", yscale="log", ylim=(None, 1.5 * _MOST))
    for axis in (left, right):
        axis.set_xlabel("time of the snapshot $t$")
        axis.legend()
    return figure


@picture
def decay_figure(table: DataFrame, beta: float = 1.0) -> Figure:
    """Draw the largest gap with its bound, and the least information with the proved rates, from a cap."""
    figure, (left, right) = subplots(2, 4.0)
    part = table[(table["law"] == "cap") & (table["beta"] == beta)]
    part = part[part["replicate"] == part["replicate"].iloc[0]]
    time = part["time"].to_numpy()
    seen = part["gap"].to_numpy() > 1e-14
    left.semilogy(time[seen], part["gap"][seen], marker="o", ms=4, color=DATA, label="largest of all samples")
    left.semilogy(time[seen], part["gap_bound"][seen], color=BOUND, ls="--", label="proved bound")
    left.set(title="How far tokens are apart", xlabel="time $t$", ylabel="largest $1 - X_i^\\top X_j$")
    left.legend(fontsize="small")
    n_tokens = int(part["n_tokens"].iloc[0])
    rate = 2 * n_tokens / (n_tokens - 1)
    for i, degree in enumerate((1, 2, 3)):
        least = part[f"least_{degree}"].to_numpy()
        keep = least > 1e-18
        right.semilogy(
            time[keep],
            least[keep],
            marker=MARKERS[i],
            ms=4,
            ls="none",
            color=CYCLE[i],
            label=f"degree {degree}",
        )
        last = np.flatnonzero(keep)[-1]
        line = np.linspace(0, time[last], 50)
        right.semilogy(
            line, least[last] * np.exp(rate * (2 * degree + 1) * (time[last] - line)), color=CYCLE[i], ls=":"
        )
    right.set(
        title="Least information", xlabel="time $t$", ylabel="$(N - 1)\\, \\lambda_{min}$", ylim=(1e-19, 1e2)
    )
    right.legend(fontsize="small", title="dotted: the rate of the bound")
    return figure
