"""Pictures of layers of any spectral law, of students who are wrong about theirs, and of untied layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from pairint.aim import SpectralPrior, mismatched_state_evolution, state_evolution
from pairint.aim.priors import Prior
from pairint.figures.style import BOUND, CYCLE, DATA, MUTED, ORACLE, picture, subplots, until_zero

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["laws_figure", "remaining_figure", "students_figure", "untied_figure", "wrong_width_figure"]

_ALPHA, _ERROR = "samples $\\alpha = n/d^2$", "error $\\|S - \\hat S\\|_F^2/d$"


@picture
def laws_figure(
    priors: Mapping[str, SpectralPrior], deltas: Sequence[float], d: int = 300, seed: int = 0
) -> Figure:
    """Draw eigenvalues of one noisy matrix of each law, with the density of the limit.

    Parameters
    ----------
    priors : mapping
        Laws by their names, one panel each.
    deltas : sequence of float
        The noise of each.
    d : int
        Size of the matrix that is drawn.
    seed : int
    """
    figure, panels = subplots(len(priors), 3.3)
    for number, (panel, (name, prior), delta) in enumerate(
        zip(np.ravel(panels), priors.items(), deltas, strict=True)
    ):
        rng = np.random.default_rng(seed)
        z = rng.standard_normal((d, d))
        values = np.linalg.eigvalsh(prior.draw(d, rng) + math.sqrt(delta / (2 * d)) * (z + z.T))
        law = prior.noisy(delta)
        low, high = law.edges[0][0], law.edges[-1][1]
        x = np.unique(np.concatenate([np.linspace(*edges, 160) for edges in law.edges]))
        density = law.density(x)
        panel.hist(
            values,
            np.linspace(low, high, 45),
            density=True,
            color=DATA,
            alpha=0.6,
            label=f"eigenvalues, $d = {d}$",
        )
        panel.plot(x, density, color=BOUND, label="limit")
        panel.set(title=f"{name}, $\\Delta = {delta:g}$", xlabel="eigenvalue of $R$")
        panel.set_ylim(0, 1.5 * float(density.max()))
        if number == 0:
            panel.set_ylabel("density")
            panel.legend(fontsize=8)
    return figure


@picture
def remaining_figure(priors: Mapping[str, Prior], deltas: np.ndarray) -> Figure:
    """Draw what a noisy copy leaves to learn, over the noise, for several laws.

    Parameters
    ----------
    priors : mapping
    deltas : ndarray
        Noises, in units of the variance of each law.
    """
    figure, axes = subplots(1)
    for (name, prior), color in zip(priors.items(), CYCLE, strict=False):
        left = [prior.error(x * prior.variance) / (x * prior.variance) for x in deltas]
        axes.semilogx(deltas, left, color=color, label=name)
        axes.plot(deltas[0], prior.parameters, "<", color=color, clip_on=False)
    axes.set(
        title="Left to learn, per unit of noise",
        xlabel="noise $\\Delta$ over the variance of the law",
        ylabel="$F(\\Delta) = E(\\Delta)/\\Delta$",
    )
    axes.legend(fontsize=8.5)
    return figure


@picture
def wrong_width_figure(rho: float, students: Sequence[float], alphas: np.ndarray) -> Figure:
    """Draw the error of students who believe in a wrong width, beside that of the one who knows it.

    Parameters
    ----------
    rho : float
        The true width ratio.
    students : sequence of float
        Those that are believed in.
    alphas : ndarray
    """
    figure, axes = subplots(1)
    for width, color in zip(students, CYCLE, strict=False):
        error = np.asarray(mismatched_state_evolution(alphas, rho, width).error)
        seen = until_zero(error)
        axes.plot(alphas[seen], error[seen], color=color, label=f"believes $\\rho = {width:g}$")
    best = np.asarray(state_evolution(alphas, rho).mmse)
    seen = until_zero(best)
    axes.plot(
        alphas[seen], best[seen], color=ORACLE, linestyle=":", linewidth=3.2, label=f"knows $\\rho = {rho:g}$"
    )
    axes.set(title="A wrong width", xlabel=_ALPHA, ylabel=_ERROR, ylim=(0, None))
    axes.legend(fontsize=8.5)
    return figure


@picture
def students_figure(table: DataFrame) -> Figure:
    """Draw measured errors of wrong students against those of the theory.

    Parameters
    ----------
    table : DataFrame
        With the columns ``student``, ``mean``, ``low``, ``high`` and ``theory``.
    """
    figure, axes = subplots(1)
    top = 1.1 * float(max(table["high"].max(), table["theory"].max()))
    axes.plot([0, top], [0, top], color=MUTED, linestyle=":", linewidth=1.2, label="equal")
    for (name, rows), color in zip(table.groupby("student", sort=False), CYCLE, strict=False):
        bars = np.array([rows["mean"] - rows["low"], rows["high"] - rows["mean"]])
        axes.errorbar(rows["theory"], rows["mean"], bars, fmt="o", color=color, label=str(name))
    axes.set(title="Wrong students", xlabel="error in theory", ylabel="error of message passing")
    axes.legend(fontsize=8.5)
    return figure


@picture
def untied_figure(rho: float, alphas: np.ndarray, errors: Mapping[str, np.ndarray]) -> Figure:
    """Draw errors of tied and untied layers, each over its value without data.

    Parameters
    ----------
    rho : float
        Width ratio.
    alphas : ndarray
    errors : mapping
        By what they are of, "tied" or "untied" first, then the output; of zeros the first is drawn.
    """
    figure, axes = subplots(1)
    for name, values in errors.items():
        seen = until_zero(values)
        # One colour a kind of layer, one dash an output.
        axes.plot(
            alphas[seen],
            values[seen],
            color=CYCLE[name.startswith("untied")],
            linestyle="--" if name.endswith("linear") else "-",
            label=name,
        )
    axes.set(
        title=f"Width ratio {rho:g}", xlabel=_ALPHA, ylabel="error over that without data", ylim=(0, None)
    )
    axes.legend(fontsize=8.5)
    return figure
