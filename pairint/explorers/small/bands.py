"""How sure is the fit: a band around it, the bias in it, and how often such a band holds the truth."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, area, line, points, rounded, rule
from pairint.explorers.small.base import SmallFigure
from pairint.model import RoughActivation, SplineSpace

__all__ = ["CELLS", "BandsAndCells", "fits", "standard_error"]

#: Twice the best of them is among them.
CELLS = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48)
_BOUND, _DEGREE, _BETA = 3.0, 3, 1.5
_TOKENS, _NOISE, _QUANTILE = 2, 1.0, 1.96
#: Scores at which bands are drawn and coverage is measured, and those over which projections integrate.
_POINTS, _FINE = 90, 9600
#: The truth, and the noise of the data set drawn.
_TRUTH, _DRAW = 3, 4
_DILATION = 1.37


class BandsAndCells(SmallFigure):
    """The 95 % band of one data set, and the mean coverage of such bands, against the number of cells.

    Book: :doc:`/book/bands`.

    Two tokens, noise of variance one, the matrix known and scores uniform: the errors are those of least
    squares from many samples, the bias of the projection onto splines and Gaussian noise of the coefficients.
    """

    name = "bands"
    title = "Bands that promise 95 %"
    summary = (
        "Bands on K = {cells} cells hold {coverage} % of the truth on average, this one {here} %. For the "
        "fit K = {best} is best: its bands hold {short} %, those on twice the cells {twice} %."
    )
    parameters = (
        Parameter("cells", "cells K", 5, scale="list", choices=CELLS),
        Parameter("samples", "samples M", 2000, 100, 20_000, scale="log", integer=True),
    )
    panels = (
        Panel(
            "curve",
            "One data set: band and truth",
            Axis("score u", range=(-_BOUND, _BOUND)),
            Axis("value", range=(-1.1, 1.7)),
            (
                area("band", "95 % band", "fit"),
                line("fit", "fit", "fit", "dash", 1.8),
                line("truth", "truth", "truth", width=2.0),
            ),
            height=250,
        ),
        Panel(
            "coverage",
            "How often a band holds the truth",
            Axis("cells K", "log", (1.8, 53.0)),
            Axis("share held", range=(0.0, 1.0)),
            (
                line("mean", "on average", "first", width=2.4),
                rule("promised", "promised", "y", "muted"),
                points("best", "best fit", "fit", "square", 4.0),
                points("here", "now", "ink", "circle", 4.0),
            ),
            height=250,
        ),
    )

    def data(self) -> dict[str, Any]:
        table = fits()
        keys = ("bias", "spread", "draw")
        return {
            "axes": {"cells": CELLS},
            "scores": table["scores"].tolist(),
            "truth": table["truth"].tolist(),
            **{key: table[key].tolist() for key in keys},
            "fixed": {"tokens": _TOKENS, "noise": _NOISE, "quantile": _QUANTILE},
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        table, chosen = fits(), CELLS.index(values["cells"])
        unit = standard_error(values["samples"])
        errors = unit * table["spread"]
        ratio = table["bias"] / errors
        held = (ndtr(_QUANTILE - ratio) - ndtr(-_QUANTILE - ratio)).mean(axis=1)
        best = int(np.argmin((table["bias"] ** 2 + errors**2).mean(axis=1)))
        fine = CELLS.index(2 * CELLS[best])
        off = table["bias"][chosen] + unit * table["draw"][chosen]
        fit, half = table["truth"] + off, _QUANTILE * errors[chosen]
        u = table["scores"]
        series = {
            "curve.band": {"x": u, "low": fit - half, "y": fit + half},
            "curve.fit": {"x": u, "y": fit},
            "curve.truth": {"x": u, "y": table["truth"]},
            "coverage.mean": {"x": CELLS, "y": held},
            "coverage.promised": {"at": 0.95},
            "coverage.best": {"x": [CELLS[best], CELLS[fine]], "y": [held[best], held[fine]]},
            "coverage.here": {"x": [CELLS[chosen]], "y": [held[chosen]]},
        }
        facts = {
            "best": CELLS[best],
            "coverage": _percent(held[chosen]),
            "here": _percent(np.mean(np.abs(off) <= half)),
            "short": _percent(held[best]),
            "twice": _percent(held[fine]),
        }
        return Numbers(series, facts)


def _percent(share: Any) -> int:
    return math.floor(100 * float(share) + 0.5)


def standard_error(samples: int) -> float:
    """Return the standard error of one coefficient of an orthonormal basis."""
    return _NOISE * math.sqrt((_TOKENS - 1) / (samples * _TOKENS))


@functools.cache
def fits() -> dict[str, NDArray[np.float64]]:
    """Return the truth at the scores drawn, and for each of `CELLS` bias, spread and one draw of the noise.

    ``bias`` is the projection of the truth onto the splines less the truth; ``spread`` the root of the sum of
    squares of an orthonormal basis of the splines, and ``draw`` such a basis times independent normal
    numbers: a standard error times these is that of the curve, and its noise.
    """
    # Dilated, so that no width of a cell is favoured by the octaves of the truth.
    truth = RoughActivation(_BETA, np.random.default_rng(_TRUTH), bound=_DILATION * _BOUND)
    fine = _BOUND * (2 * np.arange(_FINE) + 1 - _FINE) / _FINE
    u = _BOUND * (2 * np.arange(_POINTS) + 1 - _POINTS) / _POINTS
    rows: dict[str, list[list[float]]] = {"bias": [], "spread": [], "draw": []}
    for cells in CELLS:
        space = SplineSpace(-_BOUND, _BOUND, cells, _DEGREE)
        design = space.design(fine)
        factor = np.linalg.cholesky(design.T @ design / _FINE)
        # Rows of `basis` are an orthonormal basis at the scores.
        basis = np.linalg.solve(factor, space.design(u).T)
        coefficients = np.linalg.solve(factor, design.T @ truth(fine) / _FINE)
        noise = np.random.default_rng([_DRAW, cells]).standard_normal(len(basis))
        rows["bias"].append(rounded(coefficients @ basis - truth(u), 6))
        rows["spread"].append(rounded(np.sqrt((basis**2).sum(axis=0)), 6))
        rows["draw"].append(rounded(noise @ basis, 6))
    table = {key: np.array(value) for key, value in rows.items()}
    return table | {"scores": np.array(rounded(u, 6)), "truth": np.array(rounded(truth(u), 6))}
