"""Pictures of the attention-indexed model: a layer, and its indices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from pairint.aim.channels import make_channel
from pairint.aim.indices import indices
from pairint.aim.teacher import AIMTeacher
from pairint.figures.style import CYCLE, DATA, picture, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["indices_figure", "layer_figure"]


@picture
def layer_figure(d: int = 40, rho: float = 0.5, seed: int = 0) -> Figure:
    """Draw one sample: the attention matrix, the indices of its tokens, and two labels."""
    figure, panels = subplots(4, 3.3)
    rng, t = np.random.default_rng(seed), 6
    teacher = AIMTeacher(d, rho, t, rng=rng)
    X = rng.standard_normal((1, t, d))
    h = indices(X, teacher.S)
    shown = (
        ("Matrix $S$", teacher.S, "RdBu_r", "coordinate"),
        ("Indices $h$", h[0], "RdBu_r", "token"),
        ("Softmax label", make_channel("softmax", t).output(h)[0], "cividis", "token"),
        ("Hardmax label", make_channel("hardmax", t).output(h)[0], "cividis", "token"),
    )
    for panel, (title, values, colors, name) in zip(panels, shown, strict=True):
        limit = np.abs(values).max()
        low = -limit if colors == "RdBu_r" else 0.0
        last = len(values) + 0.5  # both are counted from one, as in the text
        image = panel.imshow(values, cmap=colors, vmin=low, vmax=limit, extent=(0.5, last, last, 0.5))
        if name == "token":
            panel.set(xticks=range(1, t + 1), yticks=range(1, t + 1))
        panel.grid(False)
        panel.set(title=title, xlabel=name, ylabel=name)
        figure.colorbar(image, ax=panel, shrink=0.75)
    return figure


@picture
def indices_figure(d: int = 100, rho: float = 0.5, n_samples: int = 3000, seed: int = 0) -> Figure:
    """Draw indices of a finite layer against their Gaussian limits, and their missing correlations."""
    figure, (left, right) = subplots(2, 3.8)
    rng = np.random.default_rng(seed)
    teacher = AIMTeacher(d, rho, 2, channel="linear", rng=rng)
    _, h = teacher.sample(n_samples, rng)
    x = np.linspace(-6, 6, 400)
    for values, scale, name, color in (
        (h[:, 0, 1], 1.0, "off the diagonal, $h_{12}$", CYCLE[0]),
        (h[:, 0, 0], 2.0, "on the diagonal, $h_{11}$", CYCLE[1]),
    ):
        left.hist(values, np.linspace(-6, 6, 49), density=True, color=color, alpha=0.35, label=name)
        variance = scale * (1 + rho)
        density = np.exp(-0.5 * x**2 / variance) / math.sqrt(2 * math.pi * variance)
        left.plot(x, density, color=color, label=f"Gaussian, variance {scale:g} $Q_0$")
    left.set(title=f"Indices at $d = {d}$", xlabel="index", ylabel="density")
    left.legend(fontsize=8.5)
    right.plot(h[:, 0, 0], h[:, 0, 1], ".", color=DATA, markersize=2, alpha=0.7, label="one sample")
    right.set(title="Nearly uncorrelated", xlabel="$h_{11}$", ylabel="$h_{12}$")
    right.legend(loc="upper right")
    return figure
