"""Pictures for the chapter on fish: kernels with their intervals, shares explained, controls, the lift."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.figures.style import CYCLE, MARKERS, MUTED, TRUTH, picture, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["controls_figure", "kernels_figure", "lift_figure", "shares_figure"]

_CONTROLS = {
    "none": "as filmed",
    "reversed": "backwards",
    "answers": "answers handed over",
    "later": "partners of later",
    "relabelled": "names drawn anew",
}
_FILMS = {"simulated": "simulated school", "trajectorytools": "100 fish"}


@picture
def kernels_figure(table: DataFrame, planted: Any = None) -> Figure:
    """Draw the two kernels of each film with 95 % intervals, for the first time ahead.

    Parameters
    ----------
    table : DataFrame
        Of the experiment ``fish``.
    planted : callable, optional
        ``planted(term, distance)``, the functions of the simulated school.
    """
    figure, axes = subplots(2, 3.9)
    part = table[(table["kind"] == "kernel") & (table["control"] == "none")]
    part = part[part["ahead"] == table["ahead"].iloc[0]]
    radius = table[table["what"] == "radius"].groupby("data")["value"].min()
    for axis, term in zip(axes, ("position", "velocity"), strict=True):
        for (data, rows), color in zip(
            part[part["what"] == term].groupby("data", sort=False), CYCLE, strict=False
        ):
            line = rows.groupby("at")[["value", "low", "high"]].mean()
            line = line[line.index <= radius.get(data, np.inf)]  # hardly a pair is farther apart
            axis.plot(line.index, line["value"], color=color, label=_FILMS.get(str(data), "film"))
            axis.fill_between(line.index, line["low"], line["high"], color=color, alpha=0.2, lw=0)
            if planted is not None and data == "simulated":
                axis.plot(line.index, planted(term, line.index), color=TRUTH, ls=":", label="planted")
        axis.axhline(0, color=MUTED, lw=0.8)
        axis.set_xscale("log", base=2)
        ticks = [tick for tick in (0.5, 1, 2, 4, 8, 16) if tick <= axis.dataLim.x1]
        axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axis.set_xlabel("distance, in units of the film")
        axis.legend(fontsize="small")
    axes[0].set(title="Along the line to the other", ylabel="acceleration, units / s²")
    axes[1].set(title="Towards the other's velocity", ylabel="rate of alignment, 1 / s")
    return figure


def _bars(axis: Any, table: DataFrame, by: str, names: list[str], upright: bool = True) -> None:
    """Draw, for each film, its value and interval at each name, side by side or one above the other."""
    for i, (data, rows) in enumerate(table.groupby("data", sort=False)):
        line = rows.groupby(by)[["value", "low", "high"]].mean().loc[names]
        places, bars = (
            np.arange(len(names)) + 0.16 * (i - 0.5),
            np.array([line["value"] - line["low"], line["high"] - line["value"]]),
        )
        axis.errorbar(
            *((places, line["value"]) if upright else (line["value"], places)),
            **{"yerr" if upright else "xerr": bars},
            ls="none",
            marker=MARKERS[i],
            color=CYCLE[i],
            label=_FILMS.get(str(data), "film"),
        )


@picture
def shares_figure(table: DataFrame) -> Figure:
    """Draw what each model explains of held-out accelerations, with intervals, for each film."""
    figure, axis = subplots(1, 3.8)
    part = table[(table["kind"] == "share") & (table["control"] == "none")]
    part = part[part["ahead"] == table["ahead"].iloc[0]]
    models = {"own": "alone", "position": "+ position", "velocity": "+ velocity", "both": "both"}
    _bars(axis, part, "what", list(models))
    axis.set_xticks(range(len(models)), list(models.values()))
    axis.set(
        title="Of accelerations that the fit has not seen",
        xlabel="model",
        ylabel="share explained, $R^2$",
        ylim=(0, None),
    )
    axis.legend()
    return figure


@picture
def controls_figure(table: DataFrame) -> Figure:
    """Draw what the two kernels add to the share explained, under each control."""
    figure, axis = subplots(1, 3.8)
    part = table[(table["kind"] == "share") & (table["what"] == "gain")]
    part = part[part["ahead"] == table["ahead"].iloc[0]]
    names = [name for name in _CONTROLS if name in set(part["control"])]
    _bars(axis, part, "control", names, upright=False)
    axis.axvline(0, color=MUTED, lw=0.8)
    axis.set_yticks(range(len(names)), [_CONTROLS[name] for name in names])
    axis.invert_yaxis()
    axis.set(title="What the kernels add", xlabel="held-out $R^2$ added", ylabel="film")
    axis.legend(loc="lower right")
    return figure


@picture
def lift_figure() -> Figure:
    """Draw points lifted to a parabola, where distances are inner products, and singular values."""
    from pairint.model.distance import distance_matrix, distance_tokens

    figure, (left, right) = subplots(2, 3.8)
    x = np.array([-1.6, -0.7, 0.2, 1.1, 1.8])
    grid = np.linspace(-2, 2, 200)
    left.plot(grid, grid**2, color=CYCLE[0], label="$(x, x^2)$")
    left.plot(x, x**2, "o", color=MUTED, label="tokens")
    left.plot(x, 0 * x, "|", color=MUTED, ms=12, label="points on a line")
    left.vlines(x, 0, x**2, color=MUTED, lw=0.6)
    a = x[3]
    left.plot(grid, 2 * a * grid - a**2, color=CYCLE[2], ls="--", label="tangent at one point")
    for b in x:
        left.vlines(b, 2 * a * b - a * a, b * b, color=CYCLE[1], lw=2)
    left.set(title="Distance is height above the tangent", xlabel="$x$", ylabel="$x^2$", ylim=(-5.2, 4.4))
    left.legend(fontsize="small", loc="lower right")
    rng = np.random.default_rng(0)
    for (name, points), color, marker in zip(
        (("in the plane", rng.normal(size=(60, 2))), ("on a circle", _circle(60))),
        CYCLE,
        MARKERS,
        strict=False,
    ):
        z = distance_tokens(points)
        values = np.linalg.svd(z @ distance_matrix(2) @ z.T, compute_uv=False)[:7]
        shown = np.maximum(values / values[0], 1e-17)
        right.semilogy(np.arange(1, 8), shown, color=color, marker=marker, ls=":", label=name)
    right.set(title="Ranks of distances, $d = 2$", xlabel="number", ylabel="singular value / the largest")
    right.legend()
    return figure


def _circle(n: int) -> Any:
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)
