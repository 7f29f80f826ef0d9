"""Cells that follow a curve: the best polynomials on K cells, and their error."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.model.activations import RoughActivation
from pairint.theory.approximation import best_l2_error, pieces_error
from pairint.theory.rates import holder_degree

__all__ = ["CELLS", "SEED", "TERMS", "FollowingCells", "best_pieces", "curve", "phases"]

_BOUND, TERMS, SEED = 3.0, 8, 5
#: Divisors of 48: the page integrates over 48 cells, whatever their number.
CELLS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 48)
_FINE, _NODES = 48, 16
_SHOWN = 240
_KINDS = ("constants", "lines", "parabolas", "cubics")


class FollowingCells(SmallFigure):
    """The best piecewise polynomials on K equal cells, for a curve of any smoothness.

    Book: :doc:`/book/upper_bound_approximation`.

    The curve is a :class:`pairint.model.RoughActivation`; the polynomials have the largest degree below beta
    and the smallest mean square error. Beside it the bound
    :func:`pairint.theory.approximation.pieces_error`, with a Hölder radius that is known to hold.
    """

    name = "cells"
    title = "Cells that follow a curve"
    summary = (
        "The best {kind} on K = {cells} cells miss the curve by {error} in root mean square; proved is at "
        "most {bound}. With twice as many cells the bound is divided by {gain}."
    )
    parameters = (
        Parameter("cells", "cells K", 4, scale="list", choices=CELLS),
        Parameter("beta", "smoothness β", 1.5, 0.5, 4.0, 0.1),
    )
    panels = (
        Panel(
            "curve",
            "The curve and the best {kind}",
            Axis("score u", range=(-_BOUND, _BOUND)),
            Axis("φ(u)", range=(-2.2, 2.2)),
            (
                line("truth", "curve, β = {beta}", "truth", width=1.6),
                line("pieces", "K = {cells} cells", "fit", width=2.6),
            ),
            height=240,
        ),
        Panel(
            "error",
            "Error against the number of cells",
            Axis("number of cells K", "log", (0.9, 55.0)),
            Axis("error", "log"),
            (
                line("bound", "proved", "bound", "dash", 1.6),
                line("best", "root mean square", "fit", width=2.6),
                points("here", "now", "ink", "circle", 5.0),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        t, weights = np.polynomial.legendre.leggauss(_NODES)
        return {
            "bound": _BOUND,
            "cells": CELLS,
            "fine": _FINE,
            "shown": _SHOWN,
            "kinds": _KINDS,
            "frequencies": curve(1.0).frequencies.tolist(),
            "phases": phases(),
            "nodes": t.tolist(),
            "weights": weights.tolist(),
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        beta, cells = values["beta"], values["cells"]
        phi, degree = curve(beta), holder_degree(beta)
        radius = phi.holder_constant()
        best = [
            best_l2_error(phi, n_intervals=k, degree=degree, score_bound=_BOUND, n_nodes=_nodes(k))
            for k in CELLS
        ]
        bounds = [pieces_error(k, beta=beta, holder_constant=radius, score_bound=_BOUND) for k in CELLS]
        here = CELLS.index(cells)
        u = np.linspace(-_BOUND, _BOUND, _SHOWN + 1)
        x, y = best_pieces(phi, cells, degree)
        series = {
            "curve.truth": {"x": u, "y": phi(u)},
            "curve.pieces": {"x": x, "y": y},
            "error.bound": {"x": CELLS, "y": bounds},
            "error.best": {"x": CELLS, "y": best},
            "error.here": {"x": [cells], "y": [best[here]]},
        }
        facts = {
            "kind": _KINDS[degree],
            "error": best[here],
            "bound": bounds[here],
            "gain": 2.0**beta,
        }
        return Numbers(series, facts)


def curve(beta: float) -> RoughActivation:
    """Return the curve: the same phases for every smoothness."""
    return RoughActivation(beta, SEED, _BOUND, TERMS)


def best_pieces(
    phi: RoughActivation, cells: int, degree: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return abscissae and values of the polynomials of smallest mean square error, one cell after the other.

    Ends of cells come twice, once for each side.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_nodes(cells))
    basis = np.polynomial.legendre.legvander(nodes, degree)
    half = _BOUND / cells
    centres = -_BOUND + half * (2 * np.arange(cells) + 1)
    values = phi(centres[:, None] + half * nodes)
    coefficients = (values * weights) @ basis * (2 * np.arange(degree + 1) + 1) / 2
    t = np.linspace(-1, 1, _SHOWN // cells + 1)
    shown = np.polynomial.legendre.legvander(t, degree)
    return (centres[:, None] + half * t).ravel(), (coefficients @ shown.T).ravel()


def _nodes(cells: int) -> int:
    """Return the number of Gauss's nodes in a cell that resolves the finest octave."""
    return _NODES + 640 // cells


@functools.cache
def phases() -> list[float]:
    """Return the phases of the cosines, by a Fourier transform."""
    n = 4 * 2**TERMS  # more than twice the highest frequency: the transform is exact
    transform = np.fft.rfft(np.asarray(curve(1.0)(_BOUND * (2 * np.arange(n) / n - 1))))
    wave = 2 ** np.arange(TERMS)
    return ((np.angle(transform[wave]) + np.pi * wave) % (2 * np.pi)).tolist()
