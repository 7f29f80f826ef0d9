"""Pictures for the page on a trained attention head: a sentence, its recovery, its coercivity."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Arc
from matplotlib.ticker import NullFormatter

from pairint.figures.style import BOUND, CYCLE, MARKERS, MUTED, TRUTH, picture, subplots

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "activation_figure",
    "coercivity_figure",
    "coercivity_means",
    "recovery_figure",
    "scores_figure",
    "sentence_figure",
    "words_of",
]

#: Weights below this share of a row are not drawn, nor are those of the two tokens that frame a window.
_SEEN = 0.08

#: Half the height of the band of words, in letters: on a telephone two rows of them stand in it.
_BAND = 2.1


def words_of(sentence: str) -> list[str]:
    """Return the words and signs of a plain sentence, between the two tokens that frame it."""
    return ["[CLS]", *re.findall(r"\w+|[^\w\s]", sentence.lower()), "[SEP]"]


@picture
def sentence_figure(
    table: DataFrame, sentence: str, head: Sequence[int], n_samples: int, noise: float
) -> Figure:
    """Draw the attention of a head on a sentence, above the words the true one, below what was learned.

    Parameters
    ----------
    table : DataFrame
        Of the experiment ``head_recovery``.
    sentence : str
        Each of its words a single token.
    head : (int, int)
        Layer and head.
    n_samples : int
    noise : float
        Which fit.
    """
    part = _cell(table, "weight", head, n_samples, noise)
    words = words_of(sentence)
    if len(part) != len(words) ** 2:
        raise ValueError(
            f"sentence must have the {round(len(part) ** 0.5)} tokens of the table, got {len(words)}"
        )
    figure, axis = subplots(1, 4.4)
    # Words as wide as they are written: the centre of each, in letters.
    widths = np.array([len(word) + 1.6 for word in words])
    places = np.cumsum(widths) - widths / 2
    high = 0.0
    for column, side in (("x", 1), ("y", -1)):
        for i, j, weight in part[["i", "j", column]].itertuples(index=False):
            if weight < _SEEN or i == j or {int(i), int(j)} & {0, len(words) - 1}:
                continue
            start, end = places[int(i)], places[int(j)]
            size = abs(end - start)
            color = CYCLE[0] if end > start else CYCLE[1]
            angles = (0, 180) if side > 0 else (180, 360)
            arc = Arc(
                ((start + end) / 2, side * _BAND), size, size, theta1=angles[0], theta2=angles[1],
                color=color, lw=5 * weight, alpha=0.45 + 0.55 * weight,
            )  # fmt: skip
            axis.add_patch(arc)
            high = max(high, size / 2)
    for word, place in zip(words, places, strict=True):
        axis.text(place, 0, word, ha="center", va="center", fontsize=9)
    sides = [
        axis.plot([], [], color=color, label=name)[0]
        for color, name in zip(CYCLE, ("looks to the right", "looks to the left"), strict=False)
    ]
    axis.set(
        xlim=(0, widths.sum()), ylim=(-high - 3.0, high + 3.0), yticks=[], xticks=[], xlabel="the sentence"
    )
    axis.set(
        title=f"Head {head[1]} of layer {head[0]}: true above, learned below", ylabel="learned    |    true"
    )
    axis.grid(False)
    figure.legend(handles=sides, loc="outside lower center", ncols=2)
    return figure


@picture
def activation_figure(table: DataFrame) -> Figure:
    """Draw the activations that were learned together with the matrix, and how far they are from exp.

    Learned scores are put on the scale of the true ones by the regression of the learned on the true: the
    other regression, which the table has, is too flat by the square of the correlation.
    """
    figure, (left, right) = subplots(2, 3.8)
    keys = ["layer", "head", "replicate"]
    fits = table[(table["kind"] == "fit") & (table["task"] == "spline")]
    curves = table[table["kind"] == "curve"].drop(columns="correlation", errors="ignore")
    curves = curves.merge(fits[[*keys, "correlation"]], on=keys)
    curves["x"] /= curves["correlation"] ** 2
    low, high = curves["x"].min(), curves["x"].max()
    u = np.linspace(low, high, 200)
    for number, ((layer, head), part) in enumerate(curves.groupby(["layer", "head"])):
        for replicate, line in part.groupby("replicate"):
            line = line.sort_values("x")
            x, y = line["x"].to_numpy(), line["y"].to_numpy()
            y = y - np.interp(0.0, x, y)  # a factor of phi is not seen
            name = f"head {head} of layer {layer}" if replicate == 0 else None
            left.plot(
                x, np.exp(y), color=CYCLE[number], lw=1.3, ls="-" if replicate == 0 else ":", label=name
            )
            right.plot(x, y - x, color=CYCLE[number], lw=1.3, ls="-" if replicate == 0 else ":")
    left.plot(u, np.exp(u), color=TRUTH, ls="--", lw=1, label="$e^u$")
    right.axhline(0, color=MUTED, ls="--", lw=1)
    left.set(
        title="Learned, on a logarithmic scale", yscale="log", xlabel="score $u$", ylabel="$\\varphi(u)$"
    )
    right.set(title="Less the exponential", xlabel="score $u$", ylabel="$\\log \\varphi(u) - u$")
    left.legend()
    return figure


@picture
def recovery_figure(table: DataFrame) -> Figure:
    """Draw the errors of a head's outputs against the number of tokens, with noise and without."""
    figure, (left, right) = subplots(2, 4.0)
    fits = table[(table["kind"] == "fit") & (table["task"] == "exp")]
    fits = fits[fits["rank"] == fits["rank"].mode()[0]]
    for axis, noisy in ((left, True), (right, False)):
        chosen = fits[(fits["noise"] > 0) == noisy]
        for number, ((layer, head), line) in enumerate(chosen.groupby(["layer", "head"])):
            line = line.sort_values("n_tokens")
            color, marker = CYCLE[number % len(CYCLE)], MARKERS[number % len(MARKERS)]
            name = f"head {head} of layer {layer}"
            axis.plot(line["n_tokens"], line["error"], color=color, marker=marker, label=name)
            if noisy:
                axis.plot(
                    line["n_tokens"], line["in_sample"], color=color, marker=marker, ls=":", mfc="white"
                )
        if noisy and len(chosen):
            law = chosen.drop_duplicates("n_tokens").sort_values("n_tokens")
            axis.plot(law["n_tokens"], law["law"], color=BOUND, ls="--", lw=1, label="law of counting")
            axis.plot([], [], color=MUTED, ls=":", marker="o", mfc="white", label="the fit's own windows")
        axis.set(xscale="log", yscale="log", xlabel="tokens $MN$", ylabel="squared error / variance")
        ticks = sorted(chosen["n_tokens"].unique())
        axis.set_xticks(ticks, [f"{int(n):,}" for n in ticks])
        axis.xaxis.set_minor_formatter(NullFormatter())
    noise = fits["noise"].max()
    left.set(title=f"With {100 * noise:.0f} % noise")
    right.set(title="Without noise")
    left.legend(fontsize="small")
    return figure


@picture
def scores_figure(table: DataFrame, n_samples: int, noise: float) -> Figure:
    """Draw learned scores against true ones, on windows that no fit has seen."""
    figure, axis = subplots(1, 4.2)
    part = table[(table["kind"] == "score") & (table["task"] == "exp")]
    part = part[
        (part["n_samples"] == n_samples) & (part["noise"] == noise) & (part["rank"] == part["rank"].mode()[0])
    ]
    for number, ((layer, head), points) in enumerate(part.groupby(["layer", "head"])):
        axis.plot(
            points["x"], points["y"], ls="none", marker=MARKERS[number], ms=3.5, alpha=0.7,
            color=CYCLE[number], label=f"head {head} of layer {layer}",
        )  # fmt: skip
    ends = [part["x"].min(), part["x"].max()]
    axis.plot(ends, ends, color=MUTED, lw=1, ls="--", label="equal")
    axis.set(
        title="Scores of pairs of tokens", xlabel="true score, less its row's mean", ylabel="learned score"
    )
    axis.legend()
    return figure


def coercivity_means(table: DataFrame) -> DataFrame:
    """Return one row for each head: the ratio of each sample of tokens, and what explains the scores.

    Parameters
    ----------
    table : DataFrame
        Of the experiment ``heads_coercivity``.
    """
    ratios = table.pivot_table("held_out", ["layer", "head"], "kind", "mean")
    shares = table[table["kind"] == "window"].groupby(["layer", "head"])[["offset", "places", "ends"]].mean()
    return ratios.join(shares).reset_index()


@picture
def coercivity_figure(table: DataFrame) -> Figure:
    """Draw the smallest ratio of each head against what positions explain: whole and unframed windows."""
    figure, axes = subplots(2, 4.0, sharey=True)
    heads = coercivity_means(table)
    for axis, kind, title in zip(
        axes, ("window", "inside"), ("Whole windows", "Without the two that frame them"), strict=True
    ):
        for number, (layer, part) in enumerate(heads.groupby("layer")):
            axis.plot(
                part["offset"], part[kind], ls="none", marker=MARKERS[number % len(MARKERS)],
                color=CYCLE[number % len(CYCLE)], label=f"layer {layer}",
            )  # fmt: skip
        for row in heads.nsmallest(2, kind).itertuples():
            late = row.offset > heads["offset"].median()  # towards the middle of the panel
            axis.annotate(
                f"{row.layer}.{row.head}", (row.offset, getattr(row, kind)), xytext=(-14 if late else 14, -4),
                textcoords="offset points", fontsize=8, ha="right" if late else "left", va="center",
                arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.7, "shrinkA": 1, "shrinkB": 3},
            )  # fmt: skip
        axis.axhline(1, color=MUTED, ls="--", lw=1)
        axis.set(title=title, xlabel="share explained by $i - j$")
    axes[0].set_ylim(bottom=0)  # of both, once both are drawn: no point is cut off
    axes[0].set_ylabel("$(N - 1) \\times$ smallest ratio")
    axes[0].legend(fontsize="small", ncols=2)
    return figure


def _cell(table: DataFrame, kind: str, head: Sequence[int], n_samples: int, noise: float) -> Any:
    part = table[(table["kind"] == kind) & (table["layer"] == head[0]) & (table["head"] == head[1])]
    part = part[(part["n_samples"] == n_samples) & (part["noise"] == noise) & (part["task"] == "exp")]
    return part[part["rank"] == part["rank"].mode()[0]] if len(part) else part
