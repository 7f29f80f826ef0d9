"""Pictures of the algorithms at work: approximate message passing and gradient descent."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pairint.aim.state_evolution import (
    exact_recovery_threshold,
    state_evolution,
)
from pairint.figures.roles import colors_of
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
    from pandas import DataFrame

__all__ = [
    "averaging_figure",
    "descent_figure",
    "hard_phase_figure",
    "own_figure",
    "training_figure",
    "trajectory_figure",
]


@picture
def trajectory_figure(
    histories: Mapping[str, np.ndarray], predicted: np.ndarray, title: str = "Error, step by step"
) -> Figure:
    """Draw errors of AMP against the iterates of the state evolution.

    Parameters
    ----------
    histories : mapping from a name to errors after 1, 2, ... iterations
    predicted : array
        Errors after 0, 1, ... iterations.
    title : str
    """
    figure, axes = subplots(1, 4.1)
    axes.plot(
        range(len(predicted)),
        predicted,
        color=BOUND,
        linewidth=3.5,
        alpha=0.7,
        label="state evolution",
    )
    for (name, errors), color, marker in zip(histories.items(), colors_of(histories), MARKERS, strict=False):
        axes.plot(range(1, len(errors) + 1), errors, marker, color=color, fillstyle="none", label=name)
    axes.set(title=title, xlabel="iteration", ylabel=ERROR_LABEL, yscale="log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend()
    return figure


@picture
def training_figure(history: Mapping[str, np.ndarray], bayes: float) -> Figure:
    """Draw training of several students: their losses, and their errors with that of their mean.

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
        panel.semilogx(steps, values[:, 0], color=FIT, **thin, label=name)
        panel.semilogx(steps, values[:, 1:], color=FIT, **thin)
        panel.set_xlabel("step")
    n_runs = history["loss"].shape[1]
    right.semilogx(steps, history["average_error"], color=FIT, label=f"mean of {n_runs} runs")
    right.axhline(bayes, color=BOUND, linestyle="--", linewidth=1.2, label="Bayes-optimal")
    right.axhline(2 * bayes, color=BOUND, linestyle=":", linewidth=1.2, label="twice that")
    left.set(title="The labels are learned ...", ylabel="loss / loss of a constant", yscale="log")
    right.set(title="... the matrix only in part", ylabel=ERROR_LABEL, ylim=(0, None))
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@picture
def descent_figure(
    measured: Mapping[str, Sequence[tuple[float, float, float]]],
    rho: float = 0.5,
    channel: str = "softmax",
    n_tokens: int = 2,
) -> Figure:
    """Draw errors of gradient descent against the samples, with the Bayes-optimal error and twice that.

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
    axes.plot(alphas, bayes, color=BOUND, label="Bayes-optimal: mean of all posterior samples")
    axes.plot(alphas, 2 * bayes, color=BOUND, linestyle=":", label="twice that: one posterior sample")
    for (name, triples), color, marker in zip(
        measured.items(), (CYCLE[0], FIT, *CYCLE[1:]), MARKERS, strict=False
    ):
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
    axes.set(title=title, xlabel=ALPHA_LABEL, ylabel=ERROR_LABEL, ylim=(-0.03, 2.1))
    axes.legend()
    return figure


@picture
def averaging_figure(errors: Mapping[float, np.ndarray], bayes: Mapping[float, float]) -> Figure:
    """Draw error of the mean of k runs against k, and what posterior samples would give.

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
    axes.set(
        title="Averaging runs", xlabel="runs averaged, $k$", ylabel=ERROR_LABEL, xscale="log", ylim=(0, None)
    )
    ticks = [2**j for j in range(max(v.shape[1] for v in errors.values()).bit_length())]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.legend(fontsize=8.5)
    return figure


@picture
def hard_phase_figure(
    alphas: np.ndarray, branches: Mapping[str, tuple[np.ndarray, np.ndarray]], best: np.ndarray
) -> Figure:
    """Draw all fixed points of a state evolution, and the Bayes-optimal error among them.

    Parameters
    ----------
    alphas : ndarray
    branches : mapping
        Sample ratios and errors of the fixed points, by what they are.
    best : ndarray
        The Bayes-optimal error at ``alphas``.
    """
    figure, axes = subplots(1)
    axes.plot(alphas, best, color=BOUND, linewidth=3, alpha=0.7, label="Bayes-optimal")
    for (name, (where, errors)), color, marker in zip(
        branches.items(), (FIT, MUTED), ("o", "x"), strict=False
    ):
        axes.plot(where, errors, marker, color=color, markersize=3.5, label=name)
    axes.set(title="A hard phase", xlabel=ALPHA_LABEL, ylabel=ERROR_LABEL)
    axes.legend()
    return figure


@picture
def own_figure(alphas: np.ndarray, curves: Mapping[str, np.ndarray], dots: DataFrame, title: str) -> Figure:
    """Draw curves of the theory, and the means of an algorithm with their intervals.

    Parameters
    ----------
    alphas : ndarray
    curves : mapping
        Errors at these samples by what they are of; zeros are left out.
    dots : DataFrame
        Indexed by alpha, with ``mean``, ``low`` and ``high``.
    title : str
    """
    figure, axes = subplots(1)
    for (name, errors), color, dash in zip(curves.items(), (BOUND, *CYCLE), ("-", "--", ":"), strict=False):
        seen = errors > 0
        axes.plot(alphas[seen], errors[seen], color=color, linestyle=dash, label=name)
    mean = dots["mean"]
    bars = np.array([mean - dots["low"], dots["high"] - mean])
    axes.errorbar(dots.index, mean, bars, fmt="o", color=FIT, label="message passing")
    axes.set(title=title, xlabel=ALPHA_LABEL, ylabel=ERROR_LABEL, xscale="log", yscale="log")
    axes.legend()
    return figure
