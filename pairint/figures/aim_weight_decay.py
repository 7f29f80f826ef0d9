"""Pictures of what training with weight decay finds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pairint.aim import AIMTeacher, NoisySpectrum, trace_penalised, weight_decay, weight_decay_threshold
from pairint.aim.spectrum import parameter_count
from pairint.figures.style import BOUND, CYCLE, DATA, FIT, MUTED, picture, subplots, until_zero

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = [
    "best_decay_figure",
    "decay_errors_figure",
    "least_trace_figure",
    "minimisers_figure",
    "trained_spectrum_figure",
]


@picture
def trained_spectrum_figure(
    rho: float, alpha: float, decays: Sequence[float], d: int = 100, noise: float = 0.0, seed: int = 0
) -> Figure:
    """Draw eigenvalues of one trained matrix for each decay, with the law of the limit.

    Parameters
    ----------
    rho, alpha : float
        Width ratio of the layer, samples over d squared; labels are linear.
    decays : sequence of float
        A panel each.
    d : int
        Size of the matrix that is trained.
    noise : float
        Variance of the errors of the indices.
    seed : int
    """
    figure, panels = subplots(len(decays), 3.3)
    teacher = AIMTeacher(d, rho, channel="linear", rng=seed)
    rng = np.random.default_rng(seed)
    X, y = teacher.sample(round(alpha * (1 + 1 / d) * d * d), rng)
    error = rng.standard_normal(y.shape) * math.sqrt(noise)
    y = y + (error + error.swapaxes(1, 2)) / math.sqrt(2)
    for number, (panel, decay) in enumerate(zip(np.ravel(panels), decays, strict=True)):
        values = np.linalg.eigvalsh(trace_penalised(X, y, decay, "linear").S)
        theory = weight_decay(alpha, rho, decay, "linear", noise=noise)
        law = NoisySpectrum(rho, float(theory.delta))
        threshold, high = float(theory.threshold), law.edges[-1][1]
        x = np.linspace(max(threshold, law.edges[0][0]), high, 400)
        positive = values[values > 1e-6]
        bins = np.linspace(0, 1.05 * max(high - threshold, float(values[-1])), 19)
        panel.hist(
            positive,
            bins,
            weights=np.full(len(positive), 1 / (d * (bins[1] - bins[0]))),
            color=DATA,
            alpha=0.6,
            label=f"eigenvalues, $d = {d}$",
        )
        panel.plot(x - threshold, law.density(x), color=BOUND, label="limit")
        zero, expected = 1 - len(positive) / d, 1 - float(theory.rank)
        panel.set(
            title=f"$\\lambda = {decay:g}$: {100 * zero:.0f} % are zero\n(limit {100 * expected:.0f} %)",
            xlabel="positive eigenvalue",
        )
        if number == 0:
            panel.set_ylabel("density")
            panel.legend(fontsize=8)
    return figure


@picture
def decay_errors_figure(
    alphas: np.ndarray,
    errors: Mapping[str, np.ndarray],
    measured: DataFrame,
) -> Figure:
    """Draw errors against samples, and measured ones with their intervals.

    Parameters
    ----------
    alphas : ndarray
    errors : mapping
        By what they are of; the first is the Bayes-optimal error, drawn broad. Of zeros the first is drawn.
    measured : DataFrame
        With the columns ``name`` (one of ``errors``), ``alpha``, ``mean``, ``low`` and ``high``.
    """
    figure, axes = subplots(1)
    colors = dict(zip(errors, (BOUND, FIT, *CYCLE), strict=False))
    for number, (name, values) in enumerate(errors.items()):
        seen = until_zero(values)
        style = {"linewidth": 2.6, "alpha": 0.7} if number == 0 else {}
        axes.plot(alphas[seen], values[seen], color=colors[name], label=name, **style)
    for name, rows in measured.groupby("name", sort=False):
        bars = np.array([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
        axes.errorbar(rows["alpha"], rows["mean"], bars, fmt="o", color=colors[str(name)])
    axes.set(
        title="Training without a prior",
        xlabel="samples $\\alpha = n/d^2$",
        ylabel="error $\\|S - \\hat S\\|_F^2/d$",
        ylim=(0, None),
    )
    axes.legend(fontsize=8.5)
    return figure


@picture
def least_trace_figure(rhos: np.ndarray) -> Figure:
    """Draw from how many equations on the matrix is known exactly, over its width.

    Parameters
    ----------
    rhos : ndarray
        Width ratios in (0, 1].
    """
    figure, axes = subplots(1)
    bayes = np.array([parameter_count(rho) for rho in rhos])
    trace = np.array([6 * weight_decay_threshold(rho, "linear") for rho in rhos])
    axes.axhline(1.0, color=CYCLE[0], label="least squares, any symmetric matrix")
    axes.plot(rhos, trace, color=FIT, label="least trace (weight decay)")
    axes.plot(
        rhos,
        bayes,
        color=BOUND,
        linewidth=2.6,
        alpha=0.7,
        label="Bayes: parameters $2\\rho - \\rho^2$",
    )
    axes.fill_between(rhos, bayes, trace, color=FIT, alpha=0.12)
    axes.set(
        title="Equations for exact recovery",
        xlabel="width ratio $\\rho = r/d$",
        ylabel="equations over $d^2/2$",
        xlim=(0, 1),
        ylim=(0, 1.12),
    )
    axes.legend(fontsize=8.5, loc="lower right")
    return figure


@picture
def best_decay_figure(
    decays: np.ndarray, curves: Mapping[float, np.ndarray], best: Mapping[float, float]
) -> Figure:
    """Draw the error over the strength of the decay, with the Bayes-optimal error beside it.

    Parameters
    ----------
    decays : ndarray
    curves : mapping
        Errors by the number of samples.
    best : mapping
        The Bayes-optimal errors, by the same.
    """
    figure, axes = subplots(1)
    for (alpha, error), color in zip(curves.items(), CYCLE, strict=False):
        axes.semilogx(decays, error, color=color, label=f"$\\alpha = {alpha:g}$")
        axes.axhline(best[alpha], color=color, linestyle=":", linewidth=1.4)
        lowest = int(error.argmin())
        axes.plot(decays[lowest], error[lowest], "o", color=color)
    axes.set(
        title="How much decay? (dotted: Bayes)",
        xlabel="decay $\\lambda$",
        ylabel="error $\\|S - \\hat S\\|_F^2/d$",
        ylim=(0, None),
    )
    axes.legend(fontsize=8.5)
    return figure


@picture
def minimisers_figure(measured: DataFrame, ratios: DataFrame) -> Figure:
    """Draw errors of minimisers over the decay on the curves of the equations, and ratios against 1/d.

    Parameters
    ----------
    measured : DataFrame
        Columns ``channel``, ``rho``, ``noise``, ``alpha``, ``decay``, ``d``, ``mean``, ``low``, ``high``.
    ratios : DataFrame
        Columns ``quantity``, ``small``, ``large``, ``carried``: ratios to the equations at d, at 2d and
        carried on, a row for each point and quantity.
    """
    figure, (left, right) = subplots(2, 4.2)
    sizes = sorted(measured["d"].unique())
    lines = measured.groupby(["channel", "rho", "noise", "alpha"], sort=False)
    for number, ((kind, rho, noise, alpha), part) in enumerate(lines):
        color = CYCLE[number % len(CYCLE)]
        decays = np.geomspace(part["decay"].min() / 1.5, 1.5 * part["decay"].max(), 40)
        theory = np.asarray(weight_decay(alpha, rho, decays, kind, noise=noise).error)
        left.plot(decays, theory, color=color, label=f"{kind}, $\\rho = {rho:g}$, $\\alpha = {alpha:g}$")
        for d, look in zip(
            sizes, ({"fmt": "o", "ms": 8, "mfc": "none"}, {"fmt": "s", "ms": 3.5}), strict=False
        ):
            rows = part[part["d"] == d]
            bars = np.array([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
            left.errorbar(rows["decay"], rows["mean"], bars, color=color, capsize=2, **look)
    left.set(
        title=f"Minimisers: circles $d = {sizes[0]}$, squares ${sizes[-1]}$",
        xlabel="decay $\\lambda$",
        ylabel="error $\\|S - \\hat S\\|_F^2/d$",
        xscale="log",
        yscale="log",
    )
    left.legend(fontsize=8)
    right.axhline(1, color=MUTED, linewidth=1)
    where = np.array([1 / sizes[0], 1 / sizes[-1], 0.0])
    for number, (name, part) in enumerate(ratios.groupby("quantity", sort=False)):
        values = part[["small", "large", "carried"]]
        middle, error = values.mean().to_numpy(), values.sem().to_numpy()
        right.errorbar(
            where + 3e-4 * (number - 1.5), middle, 2 * error, color=CYCLE[number % len(CYCLE)],
            marker=("o", "s", "^", "D")[number % 4], ms=4, capsize=2, linewidth=1, label=name,
        )  # fmt: skip
    right.set(
        title="Mean of all points, carried on to $1/d = 0$",
        xlabel="$1/d$",
        ylabel="minimiser / equations",
    )
    right.legend(fontsize=8)
    return figure
