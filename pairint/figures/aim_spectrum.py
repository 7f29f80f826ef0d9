"""Pictures of spectra, of the spectral denoiser and of the information in the labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from pairint.aim.spectrum import NoisySpectrum, wishart_density
from pairint.aim.teacher import AIMTeacher
from pairint.figures.style import BOUND, CYCLE, DATA, MUTED, TRUTH, picture, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["denoiser_figure", "information_figure", "spectra_figure"]


def _wishart(rho: float, d: int, rng: np.random.Generator) -> np.ndarray:
    return AIMTeacher(d, rho, rng=rng).S


def _noise(d: int, rng: np.random.Generator) -> np.ndarray:
    """Return a symmetric Gaussian matrix whose spectrum tends to the semicircle law of variance one."""
    entries = rng.standard_normal((d, d))
    return (entries + entries.T) / math.sqrt(2 * d)


@picture
def spectra_figure(
    cases: Sequence[tuple[str, float, float]], d: int = 400, seed: int = 0, reach: float = 0.05
) -> Figure:
    """Draw limiting densities of S plus noise, and the eigenvalues of one matrix, one panel a case.

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
            color=DATA,
            alpha=0.6,
            label=f"eigenvalues, $d = {d}$",
        )
        panel.plot(x, spectrum.density(x), color=BOUND, label="limit $\\mu_\\Delta$")
        clean = wishart_density(x, rho)
        panel.plot(x, clean, color=TRUTH, linestyle="--", linewidth=1.2, label="$S$ itself")
        top = spectrum.density(x).max()
        panel.set(title=title, xlabel="eigenvalue", ylim=(0, 1.45 * top))
        if number == 0:
            panel.set_ylabel("density")
            panel.legend(fontsize=8)
    return figure


@picture
def denoiser_figure(rho: float = 0.5, deltas: Sequence[float] = (0.05, 0.4, 2.0), d: int = 300) -> Figure:
    """Draw the denoiser of the eigenvalues, and what the best multiple of each eigenvector really was."""
    figure, panels = subplots(len(deltas), 3.7)
    for number, (panel, delta) in enumerate(zip(np.ravel(panels), deltas, strict=True)):
        rng = np.random.default_rng(1)
        S = _wishart(rho, d, rng)
        values, vectors = np.linalg.eigh(S + math.sqrt(delta) * _noise(d, rng))
        best = np.einsum("ik,ij,jk->k", vectors, S, vectors, optimize=True)
        spectrum = NoisySpectrum(rho, delta)
        x = np.linspace(values[0], values[-1], 500)
        panel.plot(values, best, ".", color=DATA, label=f"$u_i^\\top S u_i$, $d = {d}$")
        panel.plot(x, spectrum.denoise(x), color=BOUND, label="$f(x)$")
        panel.plot(x, x, color=MUTED, linestyle=":", linewidth=1.2, label="no denoising")
        panel.set(title=f"$\\Delta = {delta:g}$", xlabel="eigenvalue $x$ of $R$")
        if number == 0:
            panel.set_ylabel("denoised value")
            panel.legend(fontsize=8.5)
    return figure


@picture
def information_figure(rhos: Sequence[float] = (0.1, 0.5, 1.0, 2.0)) -> Figure:
    """Draw error of the matrix denoiser, and the number of directions that are still being learned."""
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
