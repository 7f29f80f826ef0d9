"""Pictures for the chapters on coercivity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pairint.figures.style import BOUND, CYCLE, DATA, MARKERS, MUTED, TRUTH, picture, subplots
from pairint.model import (
    AttentionModel,
    Equicorrelated,
    GaussianNoise,
    PermutedPoints,
    Sphere,
    SplineSpace,
    Tanh,
    TokenLaw,
    TruncatedGaussian,
    UniformCube,
    interaction_matrix,
    pair_scores,
)
from pairint.theory.coercivity import (
    coercivity_constant,
    exact_gram,
    pair_moments,
    product_density,
    sampled_gram,
)
from pairint.theory.exchangeable import (
    equicorrelated_gaussian_constant,
    equivalent_parameters,
    extendable_constant,
    invisible_activation,
    invisible_interaction,
)

__all__ = [
    "correlation_figure",
    "eigenfunction_figure",
    "exploration_figure",
    "extendable_figure",
    "identifiability_figure",
    "invisible_figure",
    "law_table",
    "laws_figure",
    "observation_figure",
    "spectrum_figure",
]


def token_laws(d: int, seed: int = 0) -> dict[str, TokenLaw]:
    """Return the token laws of the package, by name; the points of the last are drawn once."""
    points = np.random.default_rng(seed).standard_normal((40, d))
    return {
        "cube": UniformCube(d),
        "sphere": Sphere(d),
        "truncated Gaussian": TruncatedGaussian(d),
        "equicorrelated 0.5": Equicorrelated(d, 0.5),
        "40 permuted points": PermutedPoints(points),
    }


@picture
def exploration_figure(n_samples: int = 40_000, seed: int = 0) -> Figure:
    """Draw where the scores go: their density for each token law, and the exact one for the cube."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    figure, (left, right) = subplots(2)
    matrix = interaction_matrix(3, 1, 3, kind="coordinate")
    edges = np.linspace(-4, 4, 81)
    centres = (edges[1:] + edges[:-1]) / 2
    rng = np.random.default_rng(seed)
    for (name, law), color in zip(token_laws(3).items(), CYCLE, strict=False):
        scores = pair_scores(law.sample(n_samples, 2, rng), matrix)[:, 0, 1]
        density = np.histogram(scores, edges)[0] / (n_samples * np.diff(edges))
        left.step(centres, density, where="mid", color=color, label=name, lw=1.3)
    left.set(title="Law of the score", xlabel="score $u = x^\\top A y$", ylabel="density of $P_U$")
    left.set_ylim(0, 1.2)
    X = UniformCube(1).sample(2500, 2, rng)[:, :, 0]
    # Neither end is lost, on white or in the dark.
    colors = colormaps["viridis"](np.linspace(0.25, 0.75, 64))
    points = right.scatter(X[:, 0], X[:, 1], c=X[:, 0] * X[:, 1], s=5, cmap=ListedColormap(colors))
    figure.colorbar(points, ax=right, label="score $u$")
    right.set(title="Pairs and their scores", xlabel="first token $x$", ylabel="second token $y$")
    right.set_aspect("equal")
    right.grid(False)
    u = np.linspace(-2.99, 2.99, 400)
    left.plot(u, product_density(u, 3.0), color=BOUND, ls="--", lw=1.4, label="cube, exact")
    left.legend(loc="upper left", fontsize=7.5)
    return figure


@picture
def observation_figure(n_tokens: Sequence[int] = (2, 3, 8), n_samples: int = 800, seed: int = 0) -> Figure:
    """Draw what is seen of the activation: outputs against one of the scores they average."""
    figure, panels = subplots(len(n_tokens), 3.6, panel=3.1, sharey=True)
    model = AttentionModel(Tanh(2.0), np.eye(1), UniformCube(1), GaussianNoise(0.05))
    u = np.linspace(-3, 3, 200)
    for panel, n in zip(panels, n_tokens, strict=True):
        X, Y = model.sample(n_samples, n, seed)
        panel.scatter(model.scores(X)[:, 0, 1], Y[:, 0], s=6, alpha=0.7, color=DATA, label="outputs")
        panel.plot(u, model.activation(u), color=TRUTH, label="activation")
        panel.set(title=f"$N = {n}$", xlabel="one score $U_{12}$")
    panels[0].set_ylabel("output $Y_1$")
    panels[0].legend(loc="upper left")
    return figure


@picture
def identifiability_figure(factors: Sequence[float] = (1.0, 2.0, -0.5), seed: int = 0) -> Figure:
    """Draw several pairs (phi, A), one interaction."""
    figure, (left, right) = subplots(2, 3.6)
    matrix = interaction_matrix(3, 2, seed)
    rng = np.random.default_rng(seed)
    x, y = UniformCube(3).sample(60, 2, rng).transpose(1, 0, 2)
    u = np.linspace(-3, 3, 300)
    reference = np.tanh(2 * np.einsum("ni,ij,nj->n", x, matrix, y) - 0.5)
    for factor, color, marker in zip(factors, CYCLE, MARKERS, strict=False):
        phi, scaled = equivalent_parameters(lambda v: np.tanh(2 * v - 0.5), matrix, factor)
        left.plot(u, phi(u), color=color, label=f"$c = {factor:g}$")
        value = phi(np.einsum("ni,ij,nj->n", x, scaled, y))
        size = {"o": 60, "s": 28, "^": 12}.get(marker, 12)
        right.scatter(
            reference, value, marker=marker, s=size, color=color, alpha=0.7, label=f"$c = {factor:g}$"
        )
    left.set(title="Activations $\\varphi(\\cdot / c)$", xlabel="score $u$", ylabel="$\\varphi(u / c)$")
    right.set(
        title="... with $cA$: the same $g$", xlabel="$g(x, y)$", ylabel="$\\varphi((x^\\top cA\\, y) / c)$"
    )
    left.legend()
    right.legend()
    return figure


@picture
def spectrum_figure(
    n_tokens: Sequence[int] = (2, 4, 8, 32), n_intervals: int = 12, degree: int = 3
) -> Figure:
    """Draw generalised eigenvalues of (G_N, Gamma), exact, for the cube and a matrix with one entry."""
    figure, axis = subplots(1)
    space = SplineSpace(-3.0, 3.0, n_intervals, degree)
    for n, color, marker in zip(n_tokens, CYCLE, MARKERS, strict=False):
        scaled = coercivity_constant(exact_gram(space, 3.0, n)).eigenvalues * (n - 1)
        axis.plot(np.arange(1, len(scaled) + 1), scaled, marker=marker, color=color, lw=1, label=f"$N = {n}$")
    axis.axhline(1, color=BOUND, ls="--", lw=1, label="Lemma: at least 1")
    axis.set_yscale("log")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set(
        title="How much of each direction survives",
        xlabel="rank of the eigenvalue",
        ylabel="$(N - 1) \\times$ eigenvalue of $(G_N, \\Gamma)$",
    )
    axis.legend()
    return figure


@picture
def eigenfunction_figure(n_tokens: int = 8, n_intervals: int = 12, degree: int = 3) -> Figure:
    """Draw functions of the score that are hardest and easiest to see, exact."""
    figure, (left, right) = subplots(2, 3.8)
    result = coercivity_constant(exact_gram(SplineSpace(-3.0, 3.0, n_intervals, degree), 3.0, n_tokens))
    u = np.linspace(-3, 3, 400)
    last = len(result.eigenvalues) - 1
    # The smallest eigenvalue is multiple: any basis of its space is as good as the one returned.
    for panel, indices in ((left, (0, 1, 2)), (right, (last, last - 1, last - 2))):
        values = [f"{(n_tokens - 1) * result.eigenvalues[index]:.2f}" for index in indices]
        alike = len(set(values)) == 1
        for index, value, color in zip(indices, values, CYCLE, strict=False):
            panel.plot(u, result.function(index)(u), color=color, label=None if alike else f"${value}$")
        panel.set_xlabel("score $u$")
        title = "$(N-1) \\times$ eigenvalue"
        if alike:
            panel.text(0.5, 0.03, f"{title}: {values[0]}, all three", transform=panel.transAxes, ha="center")
        else:
            panel.legend(title=title)
        panel.set_ylim(-6, 6)
    left.set(title="Hardest to see: odd functions", ylabel="eigenfunction, unit norm in $L^2(\\rho)$")
    right.set(title="Easiest to see: even functions")
    return figure


def law_table(
    n_tokens: Sequence[int] = (2, 4, 8, 16, 32),
    d: int = 3,
    rank: int = 2,
    n_intervals: int = 8,
    n_pairs: int = 60_000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Return the coercivity constants of a spline space for every token law of the package (Monte Carlo).

    Returns
    -------
    list of dict
        ``law``, ``n_tokens``, ``scaled`` ((N-1) times the held-out constant), ``standard_error`` (of it).
    """
    matrix = interaction_matrix(d, rank, seed)
    rows = []
    for name, law in token_laws(d).items():
        rng = np.random.default_rng(seed)
        scores = np.abs(pair_scores(law.sample(4000, 2, rng), matrix)[:, 0, 1])
        reach = float(np.quantile(scores, 0.98))
        space = SplineSpace(-reach, reach, n_intervals, 3)
        for n in n_tokens:
            gram = sampled_gram(space, law, matrix, n, max(800, n_pairs // (n * (n - 1))), rng)
            result = coercivity_constant(gram)
            rows.append(
                {
                    "law": name,
                    "n_tokens": n,
                    "scaled": (n - 1) * result.held_out,
                    "standard_error": (n - 1) * result.standard_error,
                }
            )
    return rows


@picture
def laws_figure(rows: Sequence[dict[str, Any]]) -> Figure:
    """Draw the table of :func:`law_table` against the constant of the lemma."""
    figure, axis = subplots(1)
    names = list(dict.fromkeys(row["law"] for row in rows))
    for shift, (name, color, marker) in enumerate(zip(names, CYCLE, MARKERS, strict=False)):
        mine = [row for row in rows if row["law"] == name]
        n = np.array([row["n_tokens"] for row in mine]) * 1.04 ** (shift - 2)
        axis.errorbar(
            n,
            [row["scaled"] for row in mine],
            [2 * row["standard_error"] for row in mine],
            color=color,
            marker=marker,
            lw=1,
            label=name,
        )
    axis.axhline(1, color=BOUND, ls="--", lw=1, label="conditionally i.i.d.: at least 1")
    axis.set_xscale("log", base=2)
    axis.set(
        title="Coercivity constant of a spline space",
        xlabel="tokens $N$",
        ylabel="$(N-1) \\times$ constant (bars: 2 standard errors)",
    )
    axis.set_ylim(0, 2.2)
    axis.legend()
    return figure


@picture
def invisible_figure(n_points: int = 6, seed: int = 1) -> Figure:
    """Draw an interaction and an activation that permuted points never show."""
    figure, (left, right) = subplots(2, 3.8)
    h = invisible_interaction(n_points)
    largest = np.abs(h).max()
    image = left.imshow(h, cmap="PuOr", vmin=-largest, vmax=largest)
    figure.colorbar(image, ax=left, label="$h(x_i, x_j)$")
    left.grid(False)
    left.set(title="Rows sum to zero", xlabel="point $j$", ylabel="point $i$")
    points = np.random.default_rng(seed).standard_normal((n_points, 2))
    hidden = invisible_activation(points, np.eye(2))
    u = np.linspace(hidden.scores[0], hidden.scores[-1], 600)
    right.plot(u, np.tanh(u), color=TRUTH, label="$\\varphi$")
    right.plot(u, np.tanh(u) + hidden(u), color=CYCLE[0], label="$\\varphi + \\psi$: the same data")
    right.plot(
        hidden.scores, np.tanh(hidden.scores), ls="none", marker=".", color=MUTED, label="scores that occur"
    )
    right.set(title="Two activations, one law of the data", xlabel="score $u$", ylabel="activation")
    right.legend()
    return figure


@picture
def extendable_figure(n_tokens: Sequence[int] = (3, 5, 10), longest: int = 200) -> Figure:
    """Draw the coercivity constant of N tokens drawn from a longer exchangeable sequence."""
    figure, axis = subplots(1, 3.8)
    for n, color in zip(n_tokens, CYCLE, strict=False):
        lengths = np.unique(np.round(np.geomspace(n, longest, 60)).astype(np.int64))
        scaled = [(n - 1) * extendable_constant(n, int(m)) for m in lengths]
        axis.plot(lengths, scaled, color=color, label=f"$N = {n}$")
    axis.axhline(1, color=MUTED, ls="--", lw=1, label="de Finetti: $N' = \\infty$")
    axis.set_xscale("log")
    axis.set(
        title="How exchangeable is exchangeable enough?",
        xlabel="length $N'$ of the exchangeable sequence",
        ylabel="$(N-1) \\times$ coercivity constant",
    )
    axis.legend()
    return figure


@picture
def correlation_figure(n_tokens: Sequence[int] = (3, 5, 10), n_samples: int = 4000, seed: int = 0) -> Figure:
    """Draw Gaussian tokens with one correlation: the formula, and Monte Carlo for the worst interaction."""
    figure, axis = subplots(1, 3.8)
    rng = np.random.default_rng(seed)
    for n, color, marker in zip(n_tokens, CYCLE, MARKERS, strict=False):
        grid = np.linspace(-1 / (n - 1), 0.3, 200)
        axis.plot(
            grid,
            [(n - 1) * equicorrelated_gaussian_constant(n, c) for c in grid],
            color=color,
            label=f"$N = {n}$",
        )
        for c in np.linspace(-1 / (n - 1), 0, 5)[1:]:
            root = np.linalg.cholesky((1 - c) * np.eye(n) + c)
            x = rng.standard_normal((n_samples, n)) @ root.T
            moments = pair_moments(x[:, None, :] - c * x[:, :, None])
            error = 2 * (n - 1) * moments.aggregated_error / moments.second
            axis.errorbar(c, (n - 1) * moments.ratio, error, color=color, marker=marker, ms=4)
    axis.axhline(1, color=MUTED, ls="--", lw=1)
    axis.set(
        title="Tokens that repel each other",
        xlabel="correlation $c$ between two tokens",
        ylabel="$(N-1) \\times$ coercivity constant",
    )
    axis.legend(title="lines: formula; points: Monte Carlo")
    return figure
