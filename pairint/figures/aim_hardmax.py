"""Pictures of the hardmax channel, and of where our computation differs from the published one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pairint.aim.channels import PublishedHardmaxChannel, make_channel
from pairint.aim.hardmax import hardmax_tail_constant
from pairint.aim.sampling import sampled_kappa
from pairint.aim.state_evolution import (
    small_width_limit,
    state_evolution,
    weak_recovery_threshold,
)
from pairint.figures.style import (
    ALPHA_LABEL,
    BOUND,
    CYCLE,
    ERROR_LABEL,
    FIT,
    MARKERS,
    MUTED,
    picture,
    subplots,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["discrepancy_figure", "hardmax_tokens_figure", "identity_figure", "kappa_figure"]


@picture
def kappa_figure() -> Figure:
    """Draw information of a hardmax label against the signal-to-noise ratio, with its two limits."""
    figure, axes = subplots(1, 3.9)
    tau = np.geomspace(1e-3, 1e4, 300)
    channel = make_channel("hardmax")
    axes.loglog(tau, channel.kappa(tau), color=CYCLE[0], label="$k(\\tau)$, hardmax")
    axes.axhline(
        float(channel.kappa(0.0)), color=MUTED, linestyle=":", linewidth=1.2, label="$k(0)$, nothing known"
    )
    tail = tau[tau > 1]
    axes.loglog(
        tail,
        hardmax_tail_constant(2) / np.sqrt(tail),
        color=CYCLE[1],
        linestyle="--",
        label="$c_\\infty \\tau^{-1/2}$, ties only",
    )
    axes.loglog(tau, make_channel("softmax").kappa(tau), color=CYCLE[2], label="softmax")
    axes.set(
        title="What a label tells",
        xlabel="signal to noise $\\tau = q/V$",
        ylabel="information $\\kappa(\\tau)$",
    )
    axes.legend()
    return figure


@picture
def hardmax_tokens_figure(
    rho: float,
    tokens: Sequence[int] = (2, 3, 4),
    dots: Mapping[int, Sequence[tuple[float, float]]] | None = None,
    n_samples: int = 3000,
) -> Figure:
    """Draw information of a hardmax label for several numbers of tokens, sampled too, and the error.

    Parameters
    ----------
    rho : float
    tokens : sequence of int
    dots : mapping from the number of tokens to (alpha, error) pairs, optional
        Measured errors.
    n_samples : int
        Samples of each Monte Carlo point.
    """
    figure, (left, right) = subplots(2, 4.1)
    u, points = np.linspace(0, 1, 200)[1:], (0.25, 0.45, 0.65, 0.85)
    alphas = np.geomspace(0.03, 10, 40)
    for t, color, marker in zip(tokens, CYCLE, MARKERS, strict=False):
        channel = make_channel("hardmax", t)
        left.plot(u, channel.kappa(1 / u**2 - 1) / u, color=color, label=f"$T = {t}$")
        sampled = [sampled_kappa(channel, 1 / v**2 - 1, n_samples, t) for v in points]
        values, errors = np.array(sampled).T / np.array(points)
        left.errorbar(points, values, errors, fmt=marker, color=color, fillstyle="none", capsize=3)
        right.loglog(alphas, state_evolution(alphas, rho, channel).mmse, color=color, label=f"$T = {t}$")
        measured = np.array((dots or {}).get(t, [])).reshape(-1, 2)
        if len(measured):
            right.plot(*measured.T, marker, color=color, fillstyle="none", label=f"AMP, $T = {t}$")
    left.set(
        title="A hardmax label",
        xlabel="$u = 1/\\sqrt{1 + \\tau}$: nothing known at 1",
        ylabel="information $\\sqrt{1 + \\tau}\\,k(\\tau)$",
        ylim=(0, None),
    )
    left.plot([], [], "o", color=MUTED, fillstyle="none", label="sampled")
    right.set(title=f"Hardmax, $\\rho = {rho:g}$", xlabel=ALPHA_LABEL, ylabel=ERROR_LABEL)
    left.legend(loc="lower left", ncols=2)
    right.legend()
    return figure


@picture
def discrepancy_figure(
    rho: float,
    dots: Sequence[tuple[float, float]] = (),
    published_threshold: float | None = None,
    d: int | None = None,
) -> Figure:
    """Draw both hardmax computations, with AMP; and both at small width, with their thresholds.

    Parameters
    ----------
    rho : float
    dots : sequence of (alpha, error)
        Errors measured with AMP.
    published_threshold : float, optional
        Drawn as a vertical line.
    d : int, optional
        Dimension of the measurements, for the legend.
    """
    figure, (left, right) = subplots(2, 4.1)
    ours, other = make_channel("hardmax"), PublishedHardmaxChannel()
    alphas = np.geomspace(0.03, 10, 50)
    bars = np.concatenate([np.linspace(0.02, 0.7, 50), np.linspace(0.72, 3, 30)])
    for channel, name, color, style in (
        (ours, "derivative of $\\Phi_2$", BOUND, "-"),
        (other, "density $\\varphi_2$", CYCLE[0], "--"),
    ):
        left.loglog(alphas, state_evolution(alphas, rho, channel).mmse, style, color=color, label=name)
        right.plot(bars, small_width_limit(bars, channel), style, color=color, label=name)
        right.axvline(weak_recovery_threshold(channel), color=color, linestyle=":", linewidth=1.2)
    if len(dots):
        size = "" if d is None else f", $d = {d}$"
        left.plot(*np.array(dots).T, "o", color=FIT, fillstyle="none", label=f"AMP{size}")
    if published_threshold is not None:
        right.axvline(published_threshold, color=MUTED, linewidth=2.0, zorder=1, label="published threshold")
    left.set(title=f"Hardmax, $\\rho = {rho:g}$", xlabel=ALPHA_LABEL, ylabel=ERROR_LABEL)
    right.set(title="Hardmax, $\\rho \\to 0$", xlabel="samples $\\bar\\alpha = n/(dr)$", ylabel=ERROR_LABEL)
    left.legend()
    right.legend()
    return figure


@picture
def identity_figure(q: np.ndarray, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw two sides of the I-MMSE relation over the overlap, one panel a channel.

    Parameters
    ----------
    q : array
        Overlaps.
    curves : mapping from a name to (K, 4 dPsi/dq)
    """
    figure, panels = subplots(len(curves), 3.8, sharey=True)
    for panel, (name, (information, slope)) in zip(np.ravel(panels), curves.items(), strict=True):
        panel.plot(q, slope, color=BOUND, linewidth=4, alpha=0.7, label="$4\\,d\\Psi/dq$")
        panel.plot(q, information, color=CYCLE[0], label="$K(q)$")
        panel.set(title=name, xlabel="overlap $q$", ylabel="information")
        panel.legend()
    return figure
