"""The spectrum of one noisy matrix, which splits as the noise falls."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.aim.spectrum import NoisySpectrum
from pairint.aim.teacher import AIMTeacher
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, area, columns, fill, line, points, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["SplittingSpectrum"]

_D = 200
_RHOS = (0.05, 0.2, 0.5)
#: From noise that hides the matrix to little noise, as the slider goes.
_NOISES = tuple(float(f"{10 ** (1 - k / 8):.3g}") for k in range(25))
_NOISE_AXIS = (0.008, 12.5)
_CURVE = (0.008, 12.5, 61)
_GRID = 61
_BINS = 36
#: A softmax of two tokens: two equations a label, in units of d^2 / 2.
_INFORMATION = 4
_WORDS = {
    "one": "The eigenvalues fill one interval, and do not tell the rank",
    "two": "{apart} eigenvalues stand apart from the rest",
}


class SplittingSpectrum(SmallFigure):
    """Eigenvalues of one matrix of size 200 in noise, against their limiting law (exact for large sizes).

    Book: :doc:`/book/aim_spectrum`.

    The same matrix and the same noise, scaled, at each position of the slider; see
    :class:`~pairint.aim.spectrum.NoisySpectrum`.
    """

    name = "aim_spectrum"
    title = "With less noise the spectrum splits"
    summary = (
        f"A matrix of size {_D} and rank {{rank}} in noise of variance Δ = {{noise}}. {{words}}. "
        "So much noise is left by n = {alpha} d² softmax labels."
    )
    parameters = (
        Parameter("noise", "noise Δ", _NOISES[13], scale="list", choices=_NOISES),
        Parameter("rho", "width ratio ρ = r/d", 0.2, scale="list", choices=_RHOS),
    )
    panels = (
        Panel(
            "density",
            "Eigenvalues at Δ = {noise}",
            Axis("eigenvalue"),
            Axis("density", zero=True),
            (
                area("histogram", f"one matrix, d = {_D}", "data", 0.4),
                points("sticks", "", "muted", "tick", 3.0, 0.8),
                line("limit", "limit of large d", "bound", width=2.6),
            ),
            height=250,
            grow=1.2,
        ),
        Panel(
            "fork",
            "Where they can lie",
            Axis("eigenvalue"),
            Axis("noise Δ", "log", _NOISE_AXIS),
            (
                line("ends", "ends of the limiting spectrum", "bound", width=2.2),
                line("gap", "gap", "first", "dash", 2.2),
                points("here", "", "ink", "circle", 1.6, 0.6),
                rule("level", "", "y", "muted", "dot", 1.2),
            ),
            height=250,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "d": _D,
            "axes": {"noise": _NOISES},
            "curve": _CURVE,
            "grid": _GRID,
            "bins": _BINS,
            "information": _INFORMATION,
            "words": _WORDS,
            # The first eigenvalue and the gaps to the next, in hundredths.
            "gaps": {str(rho): np.diff(eigenvalues(rho), prepend=0).tolist() for rho in _RHOS},
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        rho, noise = values["rho"], values["noise"]
        spectrum = NoisySpectrum(rho, noise)
        hundredths = eigenvalues(rho)[_NOISES.index(noise)]
        drawn = hundredths / 100
        limit: dict[str, list[float]] = {"x": [], "y": []}
        angles = np.linspace(0, math.pi, _GRID)
        for low, high in spectrum.edges:
            inside = low + (high - low) * (1 - np.cos(angles[1:-1])) / 2  # dense at the edges
            limit["x"] += [low, *inside, high]
            limit["y"] += [0.0, *spectrum.density(inside), 0.0]
        ends: list[tuple[float, float]] = []
        gap: list[tuple[float, float]] = []
        for delta in np.geomspace(*_CURVE):
            edges = NoisySpectrum(rho, delta).edges
            ends = [(edges[0][0], delta), *ends, (edges[-1][1], delta)]
            if len(edges) == 2:
                gap = [(edges[0][1], delta), *gap, (edges[1][0], delta)]
        apart = 0
        if spectrum.n_bulks == 2:
            apart = int(np.sum(drawn > (spectrum.edges[0][1] + spectrum.edges[1][0]) / 2))
        words = fill(_WORDS["two"], {"apart": apart}) if apart else _WORDS["one"]
        series = {
            "density.histogram": _histogram(hundredths),
            "density.sticks": {"x": drawn, "y": np.zeros(_D)},
            "density.limit": limit,
            "fork.ends": columns(ends),
            "fork.gap": columns(gap),
            "fork.here": {"x": drawn, "y": np.full(_D, noise)},
            "fork.level": {"at": noise},
        }
        facts = {
            "rank": round(rho * _D),
            "words": words,
            "alpha": spectrum.information_dimension / _INFORMATION,
        }
        return Numbers(series, facts)


@functools.cache
def eigenvalues(rho: float) -> NDArray[np.int64]:
    """Return the eigenvalues at each noise, increasing, in hundredths: the recorded ones."""
    rng = np.random.default_rng(2)
    matrix = AIMTeacher(_D, rho, rng=rng).S
    entries = rng.standard_normal((_D, _D))
    noise = (entries + entries.T) / math.sqrt(2 * _D)
    rows = [np.linalg.eigvalsh(matrix + math.sqrt(delta) * noise) for delta in _NOISES]
    return np.rint(100 * np.array(rows)).astype(np.int64)


def _histogram(hundredths: NDArray[np.int64]) -> dict[str, list[float]]:
    """Return the outline of a histogram of whole numbers, in units of one hundredth."""
    start = int(hundredths[0])
    width = (int(hundredths[-1]) - start) // _BINS + 1
    counts = np.bincount(((hundredths - start) // width).astype(np.intp))
    heights = 100 * counts / (len(hundredths) * width)
    places = (start + width * np.arange(len(counts) + 1)) / 100
    return {"x": np.repeat(places, 2).tolist(), "y": [0.0, *np.repeat(heights, 2), 0.0]}
