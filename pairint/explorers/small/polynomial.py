"""A polynomial in the place of exp: where it follows, and what the outputs of a head lose."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.estimation.polynomial import RowSums, fit_polynomial
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.theory.polynomial import taylor_coefficients

__all__ = ["DEGREES", "SPREADS", "PolynomialOverExp", "fits"]

DEGREES = (1, 2, 3, 4, 5, 6)
#: The standard deviation of the scores, by what the reader sees.
SPREADS = {"narrow": 1.0, "middle": 2.0, "wide": 3.0}
_WINDOWS, _TOKENS, _VALUES, _SEED, _POINTS = 60, 16, 8, 5, 61
_LOW, _HIGH = -0.5, 2.5
_BEYOND = 1.0  # of the picture, where a curve that leaves it goes on unseen


class PolynomialOverExp(SmallFigure):
    """A fitted polynomial and Taylor's, each over exp, and the error of the outputs against the degree.

    Book: :doc:`/book/polynomial_attention`.

    Scores and values are drawn: sixteen normal scores a row, of a standard deviation that the reader chooses,
    and eight normal values a token. Both polynomials are scaled to give rows the same sums of weights as exp,
    in the mean. Curves that leave the picture are cut there; the error of a polynomial with a sum of weights
    that is not positive is drawn at the upper edge.
    """

    name = "polynomial"
    title = "A polynomial for exp"
    summary = (
        "Degree {degree}: the fit leaves {lost} of the variance of the outputs, the Taylor polynomial "
        "{expanded}. Of the fitted weights {negative} % are negative."
    )
    play = "degree"
    parameters = (
        Parameter("degree", "degree", 4, scale="list", choices=DEGREES),
        Parameter(
            "spread",
            "deviation of scores",
            "middle",
            scale="choice",
            choices=tuple(SPREADS),
            names=("1: narrow", "2: middle", "3: wide"),
        ),
    )
    panels = (
        Panel(
            "ratio",
            "Weight over exp",
            Axis("score t", range=(-6.0, 9.0)),
            Axis("p(t) / exp(t)", range=(_LOW, _HIGH)),
            (
                line("exp", "exp", "truth", width=1.0),
                line("taylor", "Taylor", "first", "dash", 2.0),
                line("fitted", "fitted", "fit", width=2.4),
            ),
            height=240,
        ),
        Panel(
            "error",
            "What outputs lose",
            Axis("degree", range=(0.5, 6.5)),
            Axis("share of variance", "log", (1e-6, 3.0)),
            (
                line("taylor", "Taylor", "first", "dash", 2.0),
                line("fitted", "fitted", "fit", width=2.4),
                points("here", "now", "ink", "circle", 4.4),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {"degrees": DEGREES, "fits": {name: fits(name) for name in SPREADS}}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        table, i = fits(values["spread"]), DEGREES.index(values["degree"])
        series: dict[str, Any] = {"ratio.exp": {"x": [-6.0, 9.0], "y": [1.0, 1.0]}}
        for key in ("taylor", "fitted"):
            series[f"ratio.{key}"] = {"x": table["t"], "y": table[key]["ratio"][i]}
            series[f"error.{key}"] = {"x": DEGREES, "y": table[key]["error"]}
        lost, expanded = (table[key]["error"][i] for key in ("fitted", "taylor"))
        series["error.here"] = {"x": [values["degree"]] * 2, "y": [lost, expanded]}
        facts = {"degree": f"{values['degree']}", "lost": lost, "expanded": expanded}
        return Numbers(series, facts | {"negative": table["negative"][i]})


@functools.cache
def fits(name: str) -> dict[str, Any]:
    """Return scores, ratios to exp, errors and the percentage of negative weights, degree by degree."""
    rng = np.random.default_rng(_SEED)
    scores = SPREADS[name] * rng.standard_normal((_WINDOWS, _TOKENS, _TOKENS))
    values = rng.standard_normal((_WINDOWS, _TOKENS, _VALUES))
    T = scores - scores.mean(axis=2, keepdims=True)
    t = np.linspace(max(-6.0, float(T.min())), min(9.0, float(T.max())), _POINTS)
    result: dict[str, Any] = {"t": t.round(4).tolist(), "negative": []}
    result |= {key: {"ratio": [], "error": []} for key in ("taylor", "fitted")}
    level = np.exp(T).mean()
    for degree in DEGREES:
        sums = RowSums.of(scores, values, degree)
        fit = fit_polynomial(sums)
        result["negative"].append(round(100 * float((fit(T) < 0).mean()), 1))
        for key, a in (("taylor", taylor_coefficients(degree)), ("fitted", fit.coefficients)):
            p = np.polynomial.polynomial.Polynomial(a)
            ratio = p(t) * np.exp(-t) * level / p(T).mean()
            result[key]["ratio"].append(np.clip(ratio, _LOW - _BEYOND, _HIGH + _BEYOND).round(5).tolist())
            # Taylor's of an odd degree may have a denominator below zero: no error then, but a lost head.
            result[key]["error"].append(min(sums.error(a), 3.0))
    return result
