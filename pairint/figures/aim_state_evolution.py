"""Pictures of the state evolution: the crossing, curves of the error, the collapse on one curve."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pairint.aim.channels import Channel, make_channel
from pairint.aim.sampling import label_error
from pairint.aim.spectrum import NoisySpectrum
from pairint.aim.state_evolution import (
    exact_recovery_threshold,
    large_alpha_error,
    state_evolution,
    state_evolution_iterates,
)
from pairint.figures.style import ALPHA_LABEL, CYCLE, ERROR_LABEL, MARKERS, MATRIX, MUTED, picture, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["collapse_figure", "crossing_figure", "error_figure", "labels_figure"]


@picture
def crossing_figure(
    rho: float = 0.5, alphas: Sequence[float] = (0.05, 0.1, 0.22), channel: str | Channel = "softmax"
) -> Figure:
    """Draw the two scalar channels as two curves, and the iteration between them."""
    figure, axes = subplots(1, 4.3)
    model = make_channel(channel)
    precisions = np.geomspace(5e-2, 60, 150)
    axes.loglog(
        precisions,
        [NoisySpectrum(rho, 1 / q_hat).mmse for q_hat in precisions],
        color=MATRIX,
        label="matrix: $E(1/\\hat q)$",
    )
    errors = np.geomspace(1e-2, 1, 200)
    for alpha, color in zip(alphas, CYCLE, strict=False):
        q_hat = alpha * model.kappa((1 + rho - errors) / errors) / errors
        axes.loglog(q_hat, errors, color=color, label=f"labels: $\\hat q = \\alpha K$, $\\alpha = {alpha:g}$")
        path = state_evolution_iterates(alpha, rho, model, n_iter=12)
        path = path[path > 0]
        steps = alpha * model.kappa((1 + rho - path) / path) / path
        corners_x = np.repeat(steps, 2)[:-1]
        corners_y = np.repeat(path, 2)[1:]
        axes.plot(corners_x, corners_y, color=color, linewidth=0.8)
        fixed = state_evolution(alpha, rho, model)
        if fixed.mmse > 0:
            axes.plot(fixed.q_hat, fixed.mmse, "o", color=color)
    axes.set(
        title="Two curves and their crossing",
        xlabel="precision $\\hat q = 1/\\Delta$",
        ylabel="error $V = Q_0 - q$",
        xlim=(precisions[0], precisions[-1]),
        ylim=(1.5e-2, 1.15),
    )
    axes.legend(loc="lower left")
    return figure


@picture
def error_figure(
    channel: str,
    rhos: Sequence[float],
    alphas: np.ndarray,
    *,
    logarithmic: bool = False,
    dots: Mapping[float, Sequence[tuple[float, float]]] | None = None,
    slopes: bool = False,
) -> Figure:
    """Draw Bayes-optimal error of two-token layers against the number of samples, one curve a width.

    Parameters
    ----------
    channel : {"softmax", "hardmax", "linear"}
    rhos : sequence of float
        ``inf`` is allowed for softmax and linear outputs.
    alphas : array
    logarithmic : bool
        Both axes logarithmic.
    dots : mapping from rho to (alpha, error) pairs, optional
        Measured errors, drawn at ``alpha`` as given.
    slopes : bool
        Draw the asymptote of many samples (hardmax).
    """
    figure, axes = subplots(1, 4.4)
    for number, (rho, color) in enumerate(zip(rhos, CYCLE, strict=False)):
        name = "\\infty" if math.isinf(rho) else f"{rho:g}"
        threshold = exact_recovery_threshold(rho, channel)
        grid = np.unique(np.append(alphas, threshold)) if threshold < alphas.max() else alphas
        axes.plot(grid, state_evolution(grid, rho, channel).mmse, color=color, label=f"$\\rho = {name}$")
        if threshold < alphas.max() and not logarithmic:
            axes.plot(threshold, 0, "|", color=color, markersize=12, clip_on=False)
        if slopes:
            tail = alphas[alphas > 0.3]
            axes.plot(tail, large_alpha_error(tail, rho), color=color, linestyle=":", linewidth=1.2)
        measured = np.array((dots or {}).get(rho, [])).reshape(-1, 2)
        if len(measured):
            axes.plot(*measured.T, MARKERS[number % len(MARKERS)], color=color, fillstyle="none")
    if dots:
        axes.plot([], [], "o", color=MUTED, fillstyle="none", label="dots: AMP, one run each")
    if slopes:
        axes.plot([], [], color=MUTED, linestyle=":", label="dotted: limit of many samples")
    axes.set(title=f"Bayes-optimal error, {channel}, $T = 2$", xlabel=ALPHA_LABEL, ylabel=ERROR_LABEL)
    if logarithmic:
        axes.set(xscale="log", yscale="log")
    axes.legend()
    return figure


@picture
def collapse_figure(rho: float = 0.5, tokens: Sequence[int] = (2, 3, 4, 5, 6)) -> Figure:
    """Draw softmax with several numbers of tokens: five curves, and one once equations are counted."""
    figure, (left, right) = subplots(2, 3.9)
    for t, color, style in zip(tokens, CYCLE, ("-", "--", "-.", ":", (0, (1, 3))), strict=False):
        alphas = np.linspace(0.004, 1.02, 70) * exact_recovery_threshold(rho, "softmax", t)
        errors = state_evolution(alphas, rho, "softmax", t).mmse
        left.plot(alphas, errors, color=color, label=f"$T = {t}$")
        right.plot(alphas * (t * t + t - 2), errors, color=color, linestyle=style, label=f"$T = {t}$")
    left.set(title=f"Softmax, $\\rho = {rho:g}$", xlabel=ALPHA_LABEL, ylabel=ERROR_LABEL)
    right.set(title="One curve", xlabel="equations over $d^2/2$: $\\alpha(T^2 + T - 2)$", ylabel=ERROR_LABEL)
    left.legend()
    right.legend()
    return figure


@picture
def labels_figure(rho: float = 0.5, n_points: int = 40, n_samples: int = 20_000) -> Figure:
    """Draw the error of the matrix and that of new labels, over their values without data."""
    figure, axes = subplots(1, 4.3)
    for channel, color, most in (("softmax", CYCLE[0], 0.1874), ("hardmax", CYCLE[1], 4.0)):
        alphas = np.geomspace(0.01, most, n_points)
        theory = state_evolution(alphas, rho, channel)
        settings = [(rho, 1.0), *zip(np.asarray(theory.q), np.asarray(theory.mmse), strict=True)]
        # One seed: the curve is smooth, and its Monte Carlo error is one factor.
        start, *labels = (
            label_error(channel, overlap=float(q), mmse=float(V), n_samples=n_samples, rng=0)[0]
            for q, V in settings
        )
        axes.loglog(alphas, theory.mmse, color=color, label=f"{channel}: matrix")
        axes.loglog(alphas, np.array(labels) / start, color=color, linestyle="--", label=f"{channel}: labels")
    axes.set(title="What is known of new labels", xlabel=ALPHA_LABEL, ylabel="error over that without data")
    axes.set_ylim(3e-3, 1.3)
    figure.legend(loc="outside lower center", ncols=2)
    return figure
