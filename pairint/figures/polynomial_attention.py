"""Pictures for the page on polynomial attention: features against fidelity, polynomials over exp, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from pairint.figures.style import CYCLE, FIT, MARKERS, MUTED, TRUTH, picture, subplots

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["NAMES", "curves_figure", "fidelity", "frontier_figure", "times_figure"]

#: What readers call the methods of the experiment.
NAMES = {
    "uniform": "uniform",
    "taylor": "Taylor at zero",
    "centred": "Taylor at the head's mean",
    "shared": "fitted, one for all heads",
    "weights": "fitted to the weights",
    "fitted": "fitted",
    "positive": "fitted, positive",
    "sequence": "fitted layer by layer",
    "truncated": "exp of small rank",
    "random": "random features",
}


def fidelity(table: DataFrame, text: str = "other", n_windows: int | None = None) -> DataFrame:
    """Return the mean over replicates of what embeddings keep, one row a method, rank and degree.

    Parameters
    ----------
    table : DataFrame
        Of the experiment ``polynomial_attention``.
    text : str
        Which text of the measurement.
    n_windows : int, optional
        Windows of the fit: those of most rows by default.
    """
    rows = table[(table["kind"] == "text") & (table["reads"] == text)]
    n_windows = int(rows["n_windows"].mode()[0]) if n_windows is None else n_windows
    rows = rows[rows["n_windows"] == n_windows]
    keys = ["method", "rank", "degree"]
    return rows.groupby(keys)[["features", "cosine", "worst", "similarity"]].mean().reset_index()


@picture
def frontier_figure(table: DataFrame) -> Figure:
    """Draw what embeddings lose against the number of features, and against the degree at full rank."""
    figure, (left, right) = subplots(2, 4.2, sharey=True)
    means = fidelity(table)
    means["lost"] = 1 - means["cosine"]
    fitted = means[means["method"] == "fitted"]
    for number, (degree, line) in enumerate(fitted.groupby("degree")):
        line = line.sort_values("features")
        left.plot(
            line["features"], line["lost"], color=CYCLE[number % len(CYCLE)],
            marker=MARKERS[number % len(MARKERS)], label=f"degree {int(degree)}",
        )  # fmt: skip
    random = means[means["method"] == "random"].sort_values("features")
    if len(random):
        left.plot(random["features"], random["lost"], color=MUTED, ls=":", marker="x", label=NAMES["random"])
    full = means["rank"] == means.loc[means["method"] == "taylor", "rank"].max()
    for number, method in enumerate(("taylor", "shared", "fitted", "positive")):
        line = means[full & (means["method"] == method)].sort_values("degree")
        if len(line):
            right.plot(
                line["degree"],
                line["lost"],
                color={"taylor": CYCLE[4], "shared": CYCLE[5], "fitted": FIT, "positive": CYCLE[6]}[method],
                ls="--" if method == "positive" else "-",
                marker=MARKERS[number],
                label=NAMES[method],
            )
    uniform = float(means.loc[means["method"] == "uniform", "lost"].iloc[0])
    for axis in (left, right):
        axis.axhline(uniform, color=MUTED, ls="--", lw=1, label="uniform attention")
    left.set(title="Degree against rank", xscale="log", yscale="log", xlabel="features", ylabel="1 - cosine")
    right.set(title="All of the score", xlabel="degree")
    right.set_xticks(sorted(means.loc[means["method"] == "taylor", "degree"].astype(np.int64).unique()))
    left.set_ylim(bottom=3e-4)  # room for the legends
    for axis in (left, right):
        axis.legend(fontsize="small", loc="lower left")
    return figure


@picture
def curves_figure(table: DataFrame, heads: Sequence[Sequence[int]], degree: int) -> Figure:
    """Draw the polynomials of some heads over exp, on the scores that the heads meet on held-out text.

    Parameters
    ----------
    table : DataFrame
        Of the experiment ``polynomial_attention``.
    heads : sequence of (int, int)
        Layer and head of each panel.
    degree : int
    """
    figure, axes = subplots(len(heads), 4.0)
    table = table[table["n_windows"] == table["n_windows"].mode()[0]]
    for axis, (layer, head) in zip(np.atleast_1d(axes), heads, strict=True):
        rows = table[(table["layer"] == layer) & (table["head"] == head)]
        curves = rows[(rows["kind"] == "curve") & (rows["degree"] == degree)]
        ends = []
        for number, method in enumerate(("taylor", "fitted", "positive")):
            line = curves[curves["method"] == method].sort_values("x")
            if len(line):
                y = line["y"].to_numpy()
                axis.plot(
                    line["x"], np.where(y > 0, y, np.nan), color=CYCLE[number], label=NAMES[method],
                    ls=("-.", "-", "--")[number],
                )  # fmt: skip
                ends += [line["x"].min(), line["x"].max()]
        t = np.linspace(min(ends), max(ends), 200)
        axis.plot(t, np.exp(t), color=TRUTH, lw=1, label="$e^t$")
        shares = rows[rows["kind"] == "quantile"]
        for share in (0.05, 0.95):
            level = np.interp(share, shares["x"], shares["y"])
            axis.axvline(level, color=MUTED, ls=":", lw=0.8, label="9 of 10 scores" if share < 0.5 else None)
        axis.set(
            title=f"Head {head} of layer {layer}", yscale="log", xlabel="centred score $t$",
            ylabel="weight $p(t)$", ylim=(max(np.exp(min(ends)), 1e-4), 3 * np.exp(max(ends))),
        )  # fmt: skip
    np.atleast_1d(axes)[0].legend(fontsize="small")
    return figure


@picture
def times_figure(record: Mapping[str, Any]) -> Figure:
    """Draw the recorded times of one head over the length of the window.

    Parameters
    ----------
    record : mapping
        What ``benchmarks/polynomial_attention.py`` writes: ``seconds`` by length and form.
    """
    figure, axis = subplots(1, 4.0)
    lengths = sorted(record["seconds"], key=int)
    for number, name in enumerate(record["seconds"][lengths[0]]):
        y = [1e3 * record["seconds"][n][name] for n in lengths]
        style = {"color": TRUTH, "lw": 2.2} if name == "softmax" else {"color": CYCLE[number - 1]}
        features = record["features"].get(name)
        label = name if features is None else f"{name}: {features} features"
        axis.plot([int(n) for n in lengths], y, marker=MARKERS[number % len(MARKERS)], label=label, **style)
    axis.set(
        title="One head, one thread", xscale="log", yscale="log", xlabel="tokens $N$", ylabel="milliseconds"
    )
    axis.legend(fontsize="small")
    return figure
