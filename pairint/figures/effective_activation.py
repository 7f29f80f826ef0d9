"""Pictures for the chapter on what too small a rank returns."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pairint.figures.exact_constant import plain_ticks
from pairint.figures.style import CYCLE, TRUTH, picture, subplots
from pairint.model import Exponential, ReLU, Tanh
from pairint.theory.effective import effective_activation, uniform_product_law

__all__ = ["averages_figure", "fixed_point_figure"]


@picture
def averages_figure(share: float = 0.6) -> Figure:
    """Draw three activations and their averages over the law of the second score."""
    figure, axes = subplots(3, 3.6)
    u = np.linspace(-3, 3, 301)
    law = uniform_product_law(share)
    activations: tuple[tuple[str, Any], ...] = (
        ("exp", Exponential(0.8)),
        ("relu", ReLU()),
        ("tanh", Tanh(2.0)),
    )
    for axis, (name, phi) in zip(axes, activations, strict=True):
        axis.plot(u, phi(u), color=TRUTH, label="activation")
        axis.plot(u, effective_activation(phi, *law)(u), color=CYCLE[0], ls="--", label="averaged")
        axis.set(title=name, xlabel="score $u$", ylabel="value")
        if name == "exp":
            axis.set(yscale="log", ylabel="value (logarithmic)")
    axes[0].legend(loc="upper left")
    return figure


@picture
def fixed_point_figure(spreads: tuple[float, ...] = (0.5, 1.0, 1.5)) -> Figure:
    """Draw averaged over plain activation, for exp and for a sum of two exponentials and a softplus."""
    figure, axis = subplots(1, 3.6)
    u = np.linspace(-3, 3, 301)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)

    def softplus(v: Any) -> Any:
        return np.logaddexp(0.0, v)

    shapes: tuple[tuple[str, Any, str], ...] = (
        ("$e^{u}$", np.exp, "-"),
        ("$e^{u} + e^{u/2}$", lambda v: np.exp(v) + np.exp(v / 2), "--"),
        ("$\\log(1 + e^{u})$", softplus, ":"),
    )
    for i, (name, phi, style) in enumerate(shapes):
        for spread in spreads:
            ratio = effective_activation(phi, spread * nodes, weights)(u) / phi(u)
            label = name if spread == spreads[0] else None
            axis.plot(u, ratio, color=CYCLE[i], ls=style, label=label)
    axis.set(
        title="Averaged over plain, three Gaussian residuals",
        xlabel="score $u$",
        ylabel="ratio",
        yscale="log",
        ylim=(0.95, 6),
    )
    plain_ticks(axis, (1, 2, 3, 4, 5))
    axis.legend(loc="upper right", ncols=3)
    return figure
