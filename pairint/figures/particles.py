"""Pictures of the model: tokens, scores, activations, the forward operator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.figures.style import BOUND, CYCLE, DATA, INK, MUTED, TRUTH, picture, subplots
from pairint.model.activations import Activation
from pairint.model.attention import AttentionModel
from pairint.validation import check_floats, check_integer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "activations_figure",
    "attention_figure",
    "dimension_figure",
    "forward_figure",
    "softmax_figure",
]


@picture
def attention_figure(model: AttentionModel, X: Any, receiver: int = 0) -> Figure:
    """Draw one sample in the plane: the tokens, the scores of all pairs, and what one token receives.

    Parameters
    ----------
    model : AttentionModel
        With ``d = 2``.
    X : array_like, shape (1, N, 2)
        One sample.
    receiver : int
        The token whose partners are drawn, ``0 .. N - 1``.
    """
    from matplotlib.patheffects import withStroke

    X = check_floats("X", X, (1, None, 2))
    receiver = check_integer("receiver", receiver, 0, X.shape[1] - 1)
    scores = np.asarray(model.scores(X))[0]
    values = np.asarray(model.activation(scores))
    others = np.arange(X.shape[1]) != receiver
    limit = np.abs(values[receiver, others]).max()
    figure, (left, middle, right) = subplots(3, 3.9, gridspec_kw={"width_ratios": [1, 1.15, 1]})
    points = X[0]
    for j in np.flatnonzero(others):
        value = values[receiver, j]
        left.plot(
            *zip(points[receiver], points[j], strict=True),
            color=CYCLE[0] if value > 0 else CYCLE[1],
            linewidth=0.4 + 4 * abs(value) / limit,
            alpha=0.75,
            zorder=1,
        )
    left.scatter(*points[others].T, color=MUTED, s=40, zorder=2)
    left.scatter(*points[receiver], color=CYCLE[4], edgecolor=INK, s=180, zorder=3)
    left.margins(0.16)
    for number, (x, y) in enumerate(points, 1):
        # Away from the lines, which all go to the receiver; its own number stands inside.
        own = number - 1 == receiver
        away = np.zeros(2) if own else np.array([x, y]) - points[receiver]
        dx, dy = 11 * away / (np.linalg.norm(away) or 1.0)
        left.annotate(
            str(number),
            (x, y),
            textcoords="offset points",
            xytext=(dx, dy),
            ha="center",
            va="center",
            color="white" if own else INK,
            zorder=4,
            path_effects=[] if own else [withStroke(linewidth=2.5, foreground="white")],
        )
    left.set(
        title="Six tokens" if X.shape[1] == 6 else "Tokens",
        xlabel="first coordinate",
        ylabel="second coordinate",
    )
    left.set_aspect("equal", adjustable="datalim")
    shown = scores.copy()
    np.fill_diagonal(shown, np.nan)
    largest = np.nanmax(np.abs(shown))
    image = middle.imshow(shown, cmap="PuOr", vmin=-largest, vmax=largest)  # signs as beside it
    middle.grid(False)
    ticks = range(X.shape[1])
    middle.set_xticks(ticks, [str(t + 1) for t in ticks])
    middle.set_yticks(ticks, [str(t + 1) for t in ticks])
    middle.set(title="Scores $X_i^\\top A X_j$", xlabel="sender $j$", ylabel="receiver $i$")
    figure.colorbar(image, ax=middle, shrink=0.8)
    u = np.linspace(-largest, largest, 400)
    right.plot(u, model.activation(u), color=TRUTH, label="activation $\\varphi$")
    own = values[receiver, others]
    u_own = scores[receiver, others]
    for sign, color, name in ((own > 0, CYCLE[0], "partners: positive"), (own <= 0, CYCLE[1], "negative")):
        right.scatter(u_own[sign], own[sign], color=color, zorder=3, label=name)
    mean = own.sum() / (X.shape[1] - 1)
    right.axhline(mean, color=CYCLE[4], linestyle="--", label="average: the output")
    right.set(title="What it receives", xlabel="score $u$", ylabel="$\\varphi(u)$")
    right.legend(loc="best", fontsize="small")
    return figure


@picture
def softmax_figure(scores: Sequence[float] = tuple(np.linspace(-3, 3, 200))) -> Figure:
    r"""Draw softmax attention as a ratio of two pairwise sums, for growing ``N``.

    With Gaussian scores of variance one, the normaliser :math:`\frac1N \sum_j e^{u_j}` concentrates at
    :math:`e^{1/2}`: the weights become a fixed function of the score, :math:`e^{u - 1/2} / N`.
    """
    figure, (left, right) = subplots(2, 3.8)
    rng = np.random.default_rng(0)
    for n, color in zip((4, 16, 64, 256), CYCLE, strict=False):
        draws = rng.standard_normal((4000, n))
        normaliser = np.exp(draws).mean(axis=1)
        bins = np.linspace(0, 5, 80)
        left.hist(normaliser, bins, density=True, histtype="step", color=color, label=f"$N = {n}$")
        weight = n * np.exp(draws[:, 0]) / np.exp(draws).sum(axis=1)
        order = np.argsort(draws[:, 0])[::40]
        right.plot(draws[order, 0], weight[order], ".", color=color, markersize=4, label=f"$N = {n}$")
    left.axvline(math.exp(0.5), color=BOUND, linestyle="--", label="limit $e^{1/2}$")
    left.set(title="The normaliser settles", xlabel="$N^{-1}\\sum_j e^{u_j}$", ylabel="density")
    left.legend()
    u = np.asarray(scores, dtype=float)
    right.plot(u, np.exp(u - 0.5), color=BOUND, linestyle="--", label="$e^{u - 1/2}$")
    right.set(
        title="so the weight is a function of the score",
        xlabel="score $u$",
        ylabel="$N \\times$ softmax weight",
        yscale="log",
    )
    right.legend()
    return figure


@picture
def activations_figure(activations: Mapping[str, Activation], bound: float = 3.0) -> Figure:
    """Draw activations on ``[-bound, bound]``, at most three a panel."""
    items = list(activations.items())
    columns = math.ceil(len(items) / 3)
    figure, panels = subplots(columns, 3.6, squeeze=False)
    u = np.linspace(-bound, bound, 2400)
    for panel, start in zip(panels[0], range(0, len(items), 3), strict=True):
        for (name, activation), color in zip(items[start : start + 3], CYCLE, strict=False):
            panel.plot(u, activation(u), color=color, label=name)
        panel.set(xlabel="score $u$", ylabel="$\\varphi(u)$")
        panel.legend(fontsize="small")
    panels[0][0].set_title("Activations")
    return figure


@picture
def forward_figure(activation: Activation, n_tokens: Sequence[int] = (2, 4, 16), seed: int = 0) -> Figure:
    """Draw what is seen against what is sought: outputs against one of the scores they average, as N grows.

    Scores are those of a coordinate matrix on the cube, with no noise at all.
    """
    from pairint.model.matrices import interaction_matrix
    from pairint.model.tokens import UniformCube

    figure, panels = subplots(len(n_tokens), 3.6, sharey=True)
    u = np.linspace(-3, 3, 400)
    for panel, n in zip(panels, n_tokens, strict=True):
        model = AttentionModel(activation, interaction_matrix(2, 1, 1, kind="coordinate"), UniformCube(2))
        X, Y = model.sample(500, n, seed)
        panel.plot(u, activation(u), color=TRUTH)
        panel.plot(np.asarray(model.scores(X))[:, 0, 1], Y[:, 0], ".", color=DATA, markersize=3, zorder=3)
        panel.set(title=f"$N = {n}$", xlabel="one of the scores", xlim=(-3, 3))
    panels[0].set_ylabel("output (dots), $\\varphi$ (line)")
    return figure


@picture
def dimension_figure(dimensions: Sequence[int] = (1, 5, 30), n_samples: int = 40_000) -> Figure:
    """Draw the law of the score for coordinate matrices (the same in every dimension) and dense ones."""
    from pairint.model.matrices import interaction_matrix
    from pairint.model.tokens import UniformCube

    figure, panels = subplots(2, 3.6, sharey=True)
    bins = np.linspace(-3.2, 3.2, 90)
    kinds = (("coordinate", "one coordinate pair"), ("gaussian", "dense matrix"))
    for panel, (kind, title) in zip(panels, kinds, strict=True):
        for d, color in zip(dimensions, CYCLE, strict=False):
            matrix = interaction_matrix(d, 1, 3, kind=kind)
            X = UniformCube(d).sample(n_samples, 2, d)
            scores = ((X[:, 0] @ matrix) * X[:, 1]).sum(axis=1)
            panel.hist(scores, bins, density=True, histtype="step", color=color, label=f"$d = {d}$")
        panel.set(title=f"Law of the score: {title}", xlabel="score $u$")
        panel.legend()
    panels[0].set_ylabel("density")
    return figure
