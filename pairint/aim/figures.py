"""Pictures of attention-indexed models: spectra, state evolution, algorithms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pairint.aim.channels import Channel, PublishedHardmaxChannel, hardmax_tail_constant, make_channel
from pairint.aim.indices import indices
from pairint.aim.sampling import sampled_kappa
from pairint.aim.spectrum import NoisySpectrum, wishart_density
from pairint.aim.state_evolution import (
    exact_recovery_threshold,
    large_alpha_error,
    small_width_limit,
    state_evolution,
    state_evolution_iterates,
    weak_recovery_threshold,
)
from pairint.aim.teacher import AIMTeacher
from pairint.style import COLORS, CYCLE, INK, MARKERS, picture, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "averaging_figure",
    "collapse_figure",
    "crossing_figure",
    "denoiser_figure",
    "descent_figure",
    "discrepancy_figure",
    "error_figure",
    "hardmax_tokens_figure",
    "identity_figure",
    "indices_figure",
    "information_figure",
    "kappa_figure",
    "landscape_figure",
    "layer_figure",
    "small_width_figure",
    "spectra_figure",
    "training_figure",
    "trajectory_figure",
]

_ERROR = "error $\\|S - \\hat S\\|_F^2/d$"
_ALPHA = "samples $\\alpha = n/d^2$"


def _wishart(rho: float, d: int, rng: np.random.Generator) -> np.ndarray:
    return AIMTeacher(d, rho, rng=rng).S


def _noise(d: int, rng: np.random.Generator) -> np.ndarray:
    """Symmetric Gaussian matrix whose spectrum tends to the semicircle law of variance one."""
    entries = rng.standard_normal((d, d))
    return (entries + entries.T) / math.sqrt(2 * d)


# The model -----------------------------------------------------------------------------------------


@picture
def layer_figure(d: int = 40, rho: float = 0.5, seed: int = 0) -> Figure:
    """One sample: the attention matrix, the indices of its tokens, and two labels."""
    figure, panels = subplots(4, 3.3)
    rng = np.random.default_rng(seed)
    teacher = AIMTeacher(d, rho, 6, rng=rng)
    X = rng.standard_normal((1, 6, d))
    h = indices(X, teacher.S)
    shown = (
        ("Matrix $S$", teacher.S, "RdBu_r", "coordinate"),
        ("Indices $h$", h[0], "RdBu_r", "token"),
        ("Softmax label", make_channel("softmax", 6).output(h)[0], "cividis", "token"),
        ("Hardmax label", make_channel("hardmax", 6).output(h)[0], "cividis", "token"),
    )
    for panel, (title, values, colors, name) in zip(panels, shown, strict=True):
        limit = np.abs(values).max()
        low = -limit if colors == "RdBu_r" else 0.0
        image = panel.imshow(values, cmap=colors, vmin=low, vmax=limit)
        panel.grid(False)
        panel.set(title=title, xlabel=name, ylabel=name)
        figure.colorbar(image, ax=panel, shrink=0.75)
    return figure


@picture
def indices_figure(d: int = 100, rho: float = 0.5, n_samples: int = 3000, seed: int = 0) -> Figure:
    """Indices of a finite layer against the Gaussian laws of the limit, and their missing correlations."""
    figure, (left, right) = subplots(2, 3.8)
    rng = np.random.default_rng(seed)
    teacher = AIMTeacher(d, rho, 2, channel="linear", rng=rng)
    _, h = teacher.sample(n_samples, rng)
    x = np.linspace(-6, 6, 400)
    for values, scale, name, color in (
        (h[:, 0, 1], 1.0, "off the diagonal, $h_{12}$", COLORS["blue"]),
        (h[:, 0, 0], 2.0, "on the diagonal, $h_{11}$", COLORS["vermillion"]),
    ):
        left.hist(values, np.linspace(-6, 6, 49), density=True, color=color, alpha=0.35, label=name)
        variance = scale * (1 + rho)
        density = np.exp(-0.5 * x**2 / variance) / math.sqrt(2 * math.pi * variance)
        left.plot(x, density, color=color, label=f"Gaussian, variance {scale:g} $Q_0$")
    left.set(title=f"Indices at $d = {d}$", xlabel="index", ylabel="density")
    left.legend(fontsize=8.5)
    right.plot(h[:, 0, 0], h[:, 0, 1], ".", color=COLORS["blue"], markersize=2, alpha=0.5, label="one sample")
    right.set(title="Nearly uncorrelated", xlabel="$h_{11}$", ylabel="$h_{12}$")
    right.legend(loc="upper right")
    return figure


# The matrix ----------------------------------------------------------------------------------------


@picture
def spectra_figure(
    cases: Sequence[tuple[str, float, float]], d: int = 400, seed: int = 0, reach: float = 0.05
) -> Figure:
    """Limiting densities of S plus noise, and the eigenvalues of one matrix, one panel a case.

    Parameters
    ----------
    cases : sequence of (title, rho, delta)
    d : int
        Size of the matrix that is drawn.
    seed : int
    reach : float
        Margin beyond the spectrum, as a fraction of its width.
    """
    figure, panels = subplots(len(cases), 3.5)
    for number, (panel, (title, rho, delta)) in enumerate(zip(np.ravel(panels), cases, strict=True)):
        rng = np.random.default_rng(seed)  # the same matrix and noise in all panels
        matrix = _wishart(rho, d, rng) + math.sqrt(delta) * _noise(d, rng)
        spectrum = NoisySpectrum(rho, delta)
        low, high = spectrum.edges[0][0], spectrum.edges[-1][1]
        margin = reach * (high - low)
        x = np.unique(
            np.concatenate(
                [np.linspace(low - margin, high + margin, 400)]
                + [np.linspace(*edges, 400) for edges in spectrum.edges]
            )
        )
        bins = np.linspace(low - margin, high + margin, 50)
        panel.hist(
            np.linalg.eigvalsh(matrix),
            bins,
            density=True,
            color=COLORS["sky"],
            alpha=0.6,
            label=f"eigenvalues, $d = {d}$",
        )
        panel.plot(x, spectrum.density(x), color=COLORS["blue"], label="limit $\\mu_\\Delta$")
        clean = wishart_density(x, rho)
        panel.plot(x, clean, color=COLORS["vermillion"], linestyle="--", linewidth=1.2, label="$S$ itself")
        top = spectrum.density(x).max()
        panel.set(title=title, xlabel="eigenvalue", ylim=(0, 1.45 * top))
        if number == 0:
            panel.set_ylabel("density")
            panel.legend(fontsize=8)
    return figure


@picture
def denoiser_figure(rho: float = 0.5, deltas: Sequence[float] = (0.05, 0.4, 2.0), d: int = 300) -> Figure:
    """The denoiser of the eigenvalues, and what the best multiple of each eigenvector really was."""
    figure, panels = subplots(len(deltas), 3.7)
    for number, (panel, delta) in enumerate(zip(np.ravel(panels), deltas, strict=True)):
        rng = np.random.default_rng(1)
        S = _wishart(rho, d, rng)
        values, vectors = np.linalg.eigh(S + math.sqrt(delta) * _noise(d, rng))
        best = np.einsum("ik,ij,jk->k", vectors, S, vectors, optimize=True)
        spectrum = NoisySpectrum(rho, delta)
        x = np.linspace(values[0], values[-1], 500)
        panel.plot(values, best, ".", color=COLORS["sky"], label=f"$u_i^\\top S u_i$, $d = {d}$")
        panel.plot(x, spectrum.denoise(x), color=COLORS["blue"], label="$f(x)$")
        panel.plot(x, x, color=INK, linestyle=":", linewidth=1.2, label="no denoising")
        panel.set(title=f"$\\Delta = {delta:g}$", xlabel="eigenvalue $x$ of $R$")
        if number == 0:
            panel.set_ylabel("denoised value")
            panel.legend(fontsize=8.5)
    return figure


@picture
def information_figure(rhos: Sequence[float] = (0.1, 0.5, 1.0, 2.0)) -> Figure:
    """Error of the matrix denoiser, and the number of directions that are still being learned."""
    figure, (left, right) = subplots(2, 3.9)
    deltas = np.geomspace(1e-4, 1e3, 70)
    for rho, color in zip(rhos, CYCLE, strict=False):
        spectra = [NoisySpectrum(rho, delta) for delta in deltas]
        left.loglog(deltas, [s.mmse for s in spectra], color=color, label=f"$\\rho = {rho:g}$")
        dimensions = [s.information_dimension for s in spectra]
        right.semilogx(deltas, dimensions, color=color, label=f"$\\rho = {rho:g}$")
        count = 2 * rho - rho * rho if rho < 1 else 1.0
        right.plot(deltas[0], count, "<", color=color, clip_on=False)
    left.set(title="Error of the denoiser", xlabel="noise $\\Delta$", ylabel="$E(\\Delta)$")
    right.set(title="Per unit of noise", xlabel="noise $\\Delta$", ylabel="$F(\\Delta) = E(\\Delta)/\\Delta$")
    left.legend()
    right.legend()
    return figure


# State evolution -----------------------------------------------------------------------------------


@picture
def crossing_figure(
    rho: float = 0.5, alphas: Sequence[float] = (0.05, 0.1, 0.22), channel: str | Channel = "softmax"
) -> Figure:
    """The two scalar channels as two curves, and the iteration between them."""
    figure, axes = subplots(1, 4.3)
    model = make_channel(channel)
    precisions = np.geomspace(5e-2, 60, 150)
    axes.loglog(
        precisions,
        [NoisySpectrum(rho, 1 / q_hat).mmse for q_hat in precisions],
        color=INK,
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
    """Bayes-optimal error of two-token layers against the number of samples, one curve a width.

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
        axes.plot([], [], "o", color=INK, fillstyle="none", label="AMP, one run each")
    if slopes:
        axes.plot([], [], color=INK, linestyle=":", label="limit of many samples")
    axes.set(title=f"Bayes-optimal error, {channel}, $T = 2$", xlabel=_ALPHA, ylabel=_ERROR)
    if logarithmic:
        axes.set(xscale="log", yscale="log")
    axes.legend()
    return figure


@picture
def collapse_figure(rho: float = 0.5, tokens: Sequence[int] = (2, 3, 4, 5, 6)) -> Figure:
    """Softmax with several numbers of tokens: five curves, and one once equations are counted."""
    figure, (left, right) = subplots(2, 3.9)
    for t, color, style in zip(tokens, CYCLE, ("-", "--", "-.", ":", (0, (1, 3))), strict=False):
        alphas = np.linspace(0.004, 1.02, 70) * exact_recovery_threshold(rho, "softmax", t)
        errors = state_evolution(alphas, rho, "softmax", t).mmse
        left.plot(alphas, errors, color=color, label=f"$T = {t}$")
        right.plot(alphas * (t * t + t - 2), errors, color=color, linestyle=style, label=f"$T = {t}$")
    left.set(title=f"Softmax, $\\rho = {rho:g}$", xlabel=_ALPHA, ylabel=_ERROR)
    right.set(title="One curve", xlabel="equations over $d^2/2$: $\\alpha(T^2 + T - 2)$", ylabel=_ERROR)
    left.legend()
    right.legend()
    return figure


# Hardmax -------------------------------------------------------------------------------------------


@picture
def kappa_figure() -> Figure:
    """Information of a hardmax label against the signal-to-noise ratio, with its two limits."""
    figure, axes = subplots(1, 3.9)
    tau = np.geomspace(1e-3, 1e4, 300)
    channel = make_channel("hardmax")
    axes.loglog(tau, channel.kappa(tau), color=COLORS["blue"], label="$k(\\tau)$, hardmax")
    axes.axhline(
        float(channel.kappa(0.0)), color=INK, linestyle=":", linewidth=1.2, label="$k(0)$, nothing known"
    )
    tail = tau[tau > 1]
    axes.loglog(
        tail,
        hardmax_tail_constant(2) / np.sqrt(tail),
        color=COLORS["vermillion"],
        linestyle="--",
        label="$c_\\infty \\tau^{-1/2}$, ties only",
    )
    axes.loglog(tau, make_channel("softmax").kappa(tau), color=COLORS["green"], label="softmax")
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
    """Information of a hardmax label for several numbers of tokens, sampled too, and the error.

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
    left.plot([], [], "o", color=INK, fillstyle="none", label="sampled")
    right.set(title=f"Hardmax, $\\rho = {rho:g}$", xlabel=_ALPHA, ylabel=_ERROR)
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
    """Both hardmax computations, with AMP; and both at small width, with their thresholds.

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
        (ours, "derivative of $\\Phi_2$", COLORS["blue"], "-"),
        (other, "density $\\varphi_2$", COLORS["vermillion"], "--"),
    ):
        left.loglog(alphas, state_evolution(alphas, rho, channel).mmse, style, color=color, label=name)
        right.plot(bars, small_width_limit(bars, channel), style, color=color, label=name)
        right.axvline(weak_recovery_threshold(channel), color=color, linestyle=":", linewidth=1.2)
    if len(dots):
        size = "" if d is None else f", $d = {d}$"
        left.plot(*np.array(dots).T, "o", color=INK, fillstyle="none", label=f"AMP{size}")
    if published_threshold is not None:
        right.axvline(published_threshold, color=INK, linewidth=0.9, alpha=0.6, label="published threshold")
    left.set(title=f"Hardmax, $\\rho = {rho:g}$", xlabel=_ALPHA, ylabel=_ERROR)
    right.set(title="Hardmax, $\\rho \\to 0$", xlabel="samples $\\bar\\alpha = n/(dr)$", ylabel=_ERROR)
    left.legend()
    right.legend()
    return figure


@picture
def identity_figure(q: np.ndarray, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Two sides of the I-MMSE relation over the overlap, one panel a channel.

    Parameters
    ----------
    q : array
        Overlaps.
    curves : mapping from a name to (K, 4 dPsi/dq)
    """
    figure, panels = subplots(len(curves), 3.8, sharey=True)
    for panel, (name, (information, slope)) in zip(np.ravel(panels), curves.items(), strict=True):
        panel.plot(q, slope, color=INK, linewidth=4, alpha=0.3, label="$4\\,d\\Psi/dq$")
        panel.plot(q, information, color=COLORS["blue"], label="$K(q)$")
        panel.set(title=name, xlabel="overlap $q$", ylabel="information")
        panel.legend()
    return figure


# Algorithms ----------------------------------------------------------------------------------------


@picture
def trajectory_figure(
    histories: Mapping[str, np.ndarray], predicted: np.ndarray, title: str = "Error, step by step"
) -> Figure:
    """Errors of AMP against the iterates of the state evolution.

    Parameters
    ----------
    histories : mapping from a name to errors after 1, 2, ... iterations
    predicted : array
        Errors after 0, 1, ... iterations.
    title : str
    """
    figure, axes = subplots(1, 4.1)
    axes.plot(range(len(predicted)), predicted, color=INK, linewidth=3.5, alpha=0.35, label="state evolution")
    for (name, errors), color, marker in zip(histories.items(), CYCLE, MARKERS, strict=False):
        axes.plot(range(1, len(errors) + 1), errors, marker, color=color, fillstyle="none", label=name)
    axes.set(title=title, xlabel="iteration", ylabel=_ERROR, yscale="log")
    axes.legend()
    return figure


# Small width ---------------------------------------------------------------------------------------


@picture
def small_width_figure(channel: str, rhos: Sequence[float], alpha_bars: np.ndarray) -> Figure:
    """Error against samples per weight, n/(dr), for narrowing layers and in the limit."""
    figure, axes = subplots(1, 4.3)
    limit = small_width_limit(alpha_bars, channel)
    axes.plot(alpha_bars, limit, color=INK, linewidth=2.6, label="$\\rho \\to 0$")
    for rho, color in zip(rhos, CYCLE, strict=False):
        errors = state_evolution(alpha_bars * rho, rho, channel).mmse
        axes.plot(alpha_bars, errors, color=color, linewidth=1.4, label=f"$\\rho = {rho:g}$")
    threshold = weak_recovery_threshold(channel)
    axes.axvline(threshold, color=INK, linestyle=":", linewidth=1.2, label="weak recovery")
    axes.set(
        title=f"Narrow layers, {channel}, $T = 2$",
        xlabel="samples $\\bar\\alpha = n/(dr)$",
        ylabel=_ERROR,
        ylim=(-0.02, 1.05),
    )
    axes.legend()
    return figure


@picture
def landscape_figure(
    dimensions: Sequence[int], rank: int, conditions: Mapping[str, Sequence[float]], rho: float = 0.5
) -> Figure:
    """Two theories on one chart: how the samples they speak of grow with the dimension.

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
    for (name, samples), color in zip(
        conditions.items(), (COLORS["vermillion"], COLORS["orange"]), strict=False
    ):
        axes.loglog(d, samples, color=color, label=name)
        axes.fill_between(d, samples, 1e14, color=color, alpha=0.08)
    axes.loglog(
        d,
        exact_recovery_threshold(rho) * d * d,
        color=COLORS["blue"],
        linestyle="--",
        label=f"$n = \\alpha_c d^2$: wide softmax layer, $r = {rho:g}\\,d$",
    )
    axes.loglog(
        d,
        weak_recovery_threshold("softmax") * d * rank,
        color=COLORS["green"],
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


# Gradient descent ----------------------------------------------------------------------------------


@picture
def training_figure(history: Mapping[str, np.ndarray], bayes: float) -> Figure:
    """Training of several students: their losses, and their errors with that of their mean.

    Parameters
    ----------
    history : mapping
        That of :func:`~pairint.aim.gradient_descent.gradient_descent`, the truth given.
    bayes : float
        Bayes-optimal error.
    """
    figure, (left, right) = subplots(2, 3.9)
    steps = np.arange(1, len(history["loss"]) + 1)
    thin = {"linewidth": 0.9, "alpha": 0.6}
    for panel, values, name in (
        (left, history["loss"], "one run"),
        (right, history["error"], "one run"),
    ):
        panel.semilogx(steps, values[:, 0], color=COLORS["sky"], **thin, label=name)
        panel.semilogx(steps, values[:, 1:], color=COLORS["sky"], **thin)
        panel.set_xlabel("step")
    n_runs = history["loss"].shape[1]
    right.semilogx(steps, history["average_error"], color=COLORS["blue"], label=f"mean of {n_runs} runs")
    right.axhline(bayes, color=INK, linestyle="--", linewidth=1.2, label="Bayes-optimal")
    right.axhline(2 * bayes, color=INK, linestyle=":", linewidth=1.2, label="twice that")
    left.set(title="The labels are learned ...", ylabel="loss / loss of a constant", yscale="log")
    right.set(title="... the matrix only in part", ylabel=_ERROR, ylim=(0, None))
    left.legend()
    right.legend(loc="lower left", fontsize=8.5)
    return figure


@picture
def descent_figure(
    measured: Mapping[str, Sequence[tuple[float, float, float]]],
    rho: float = 0.5,
    channel: str = "softmax",
    n_tokens: int = 2,
) -> Figure:
    """Errors of gradient descent against the samples, with the Bayes-optimal error and twice that.

    Parameters
    ----------
    measured : mapping from a name to (alpha, mean, standard error) triples
    rho : float
    channel : {"softmax", "linear"}
    n_tokens : int
    """
    figure, axes = subplots(1, 4.3)
    alphas = np.linspace(0.004, 1.08, 90) * exact_recovery_threshold(rho, channel, n_tokens)
    bayes = state_evolution(alphas, rho, channel, n_tokens).mmse
    axes.plot(alphas, bayes, color=INK, label="Bayes-optimal: mean of all posterior samples")
    axes.plot(alphas, 2 * bayes, color=INK, linestyle=":", label="twice that: one posterior sample")
    for (name, triples), color, marker in zip(measured.items(), CYCLE, MARKERS, strict=False):
        alpha, mean, error = np.array(triples).T
        axes.errorbar(
            alpha,
            mean,
            error,
            fmt=marker,
            color=color,
            capsize=3,
            linestyle="none",
            fillstyle="none",
            label=name,
        )
    title = f"Gradient descent, {channel}, $T = {n_tokens}$, $\\rho = {rho:g}$"
    axes.set(title=title, xlabel=_ALPHA, ylabel=_ERROR, ylim=(-0.03, 2.1))
    axes.legend()
    return figure


@picture
def averaging_figure(errors: Mapping[float, np.ndarray], bayes: Mapping[float, float]) -> Figure:
    """Error of the mean of k runs against k, and what posterior samples would give.

    Parameters
    ----------
    errors : mapping from alpha to an array (n_teachers, k)
        Errors of the means of 1, 2, ..., k runs.
    bayes : mapping from alpha to float
        Bayes-optimal errors.
    """
    figure, axes = subplots(1, 4.1)
    for (alpha, values), color, marker in zip(errors.items(), CYCLE, MARKERS, strict=False):
        k = np.arange(1, values.shape[1] + 1)
        bars = values.std(axis=0, ddof=1) / math.sqrt(len(values))
        name = f"$\\alpha = {alpha:g}$"
        axes.errorbar(
            k,
            values.mean(axis=0),
            bars,
            fmt=marker,
            color=color,
            capsize=2,
            linestyle="none",
            fillstyle="none",
            label=f"gradient descent, {name}",
        )
        axes.plot(k, (1 + 1 / k) * bayes[alpha], color=color, label=f"posterior samples, {name}")
        axes.axhline(bayes[alpha], color=color, linestyle=":", linewidth=1.2)
    axes.set(title="Averaging runs", xlabel="runs averaged, $k$", ylabel=_ERROR, xscale="log", ylim=(0, None))
    ticks = [2**j for j in range(max(v.shape[1] for v in errors.values()).bit_length())]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.legend(fontsize=8.5)
    return figure
