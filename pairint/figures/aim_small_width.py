"""Pictures of narrow layers: their curves, and the landscape of their thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pairint.aim.state_evolution import (
    exact_recovery_threshold,
    small_width_limit,
    state_evolution,
    weak_recovery_threshold,
)
from pairint.figures.style import BOUND, CYCLE, ERROR_LABEL, MUTED, picture, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["landscape_figure", "small_width_figure"]


@picture
def small_width_figure(channel: str, rhos: Sequence[float], alpha_bars: np.ndarray) -> Figure:
    """Draw error against samples per weight, n/(dr), for narrowing layers and in the limit."""
    figure, axes = subplots(1, 4.3)
    limit = small_width_limit(alpha_bars, channel)
    axes.plot(alpha_bars, limit, color=BOUND, linewidth=2.6, label="$\\rho \\to 0$")
    for rho, color in zip(rhos, CYCLE, strict=False):
        errors = state_evolution(alpha_bars * rho, rho, channel).mmse
        axes.plot(alpha_bars, errors, color=color, linewidth=1.4, label=f"$\\rho = {rho:g}$")
    threshold = weak_recovery_threshold(channel)
    axes.axvline(threshold, color=MUTED, linestyle=":", linewidth=1.2, label="weak recovery")
    axes.set(
        title=f"Narrow layers, {channel}, $T = 2$",
        xlabel="samples $\\bar\\alpha = n/(dr)$",
        ylabel=ERROR_LABEL,
        ylim=(-0.02, 1.05),
    )
    axes.legend()
    return figure


@picture
def landscape_figure(
    dimensions: Sequence[int], rank: int, conditions: Mapping[str, Sequence[float]], rho: float = 0.5
) -> Figure:
    """Draw two theories on one chart: how the samples they speak of grow with the dimension.

    Parameters
    ----------
    dimensions : sequence of int
    rank : int
        Fixed rank of the minimax theory and of the narrow layer.
    conditions : mapping from a name to samples, one per dimension
        From where the minimax theory speaks.
    rho : float
        Width ratio of the wide layer.
    """
    figure, axes = subplots(1, 4.6)
    d = np.asarray(dimensions, dtype=np.float64)
    for (name, samples), color in zip(conditions.items(), CYCLE[2:], strict=False):
        axes.loglog(d, samples, color=color, label=name)
        axes.fill_between(d, samples, 1e14, color=color, alpha=0.16)
    axes.loglog(
        d,
        exact_recovery_threshold(rho) * d * d,
        color=CYCLE[0],
        linestyle="--",
        label=f"$n = \\alpha_c d^2$: wide softmax layer, $r = {rho:g}\\,d$",
    )
    axes.loglog(
        d,
        weak_recovery_threshold("softmax") * d * rank,
        color=CYCLE[1],
        linestyle="-.",
        label=f"$n = \\bar\\alpha_w dr$: narrow softmax layer, $r = {rank}$",
    )
    axes.set(
        title="Two answers to how much data",
        xlabel="embedding dimension $d$",
        ylabel="number of samples",
        ylim=(1, 1e12),
    )
    axes.legend(loc="upper left", fontsize=8.5)
    return figure
