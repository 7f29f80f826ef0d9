"""Pictures for the chapter on how sure a fit is."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from pairint.estimation import InteractionRegressor
from pairint.figures.style import CYCLE, FIT, TRUTH, picture, subplots
from pairint.model import AttentionModel, GaussianNoise, RoughActivation, UniformCube, interaction_matrix

__all__ = ["example_figure"]


@picture
def example_figure(n_samples: tuple[int, ...] = (300, 3000), n_shown: int = 60, seed: int = 3) -> Figure:
    """Draw the truth and 95 % intervals at pairs of new tokens, by score, for two sample sizes."""
    figure, axes = subplots(len(n_samples), 3.8)
    rng = np.random.default_rng(seed)
    model = AttentionModel(
        RoughActivation(2.0, rng, bound=4.0),
        interaction_matrix(5, 1, rng),
        UniformCube(5),
        GaussianNoise(0.3),
    )
    pairs = model.tokens.sample(n_shown, 2, rng)
    x, y = pairs[:, 0], pairs[:, 1]
    score = np.einsum("ni,ij,nj->n", x, model.matrix, y)
    grid = np.linspace(score.min(), score.max(), 300)
    for axis, size in zip(axes, n_samples, strict=True):
        X, Y = model.sample(size, 3, rng)
        low, high = InteractionRegressor(rank=1, random_state=0).fit(X, Y).interval(x, y)
        truth = model.interaction(x, y)
        held = (low <= truth) & (truth <= high)
        axis.plot(grid, model.activation(grid), color=TRUTH, lw=1, label="truth")
        for part, color, label in ((held, FIT, "holds the truth"), (~held, CYCLE[0], "misses it")):
            if not part.any():
                continue
            middle, half = (low + high)[part] / 2, (high - low)[part] / 2
            axis.errorbar(score[part], middle, yerr=half, color=color, ls="none", marker=".", label=label)
        axis.set(
            title=f"$M = {size}$: {held.sum()} of {n_shown} intervals",
            xlabel="true score",
            ylabel="$g(x, y)$",
        )
    axes[0].legend(fontsize="small", loc="best")
    return figure
