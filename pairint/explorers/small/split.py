"""How to split the samples: one part fits for every matrix of the net, the other chooses."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.figures.upper_bound import SETTING
from pairint.theory import split_upper_bound
from pairint.theory.coercivity import product_density
from pairint.theory.covering import log_cover_low_rank

__all__ = ["WhereToSplit", "split_of"]

_SAMPLES = 10**8
_SHARES = np.round(np.arange(0.02, 0.981, 0.02), 2)
_DIMENSIONS = np.unique(np.round(np.geomspace(1, 200, 25)).astype(np.int64))


class WhereToSplit(SmallFigure):
    """The bound for split samples against the share that fits, and the best share against the dimension.

    Book: :doc:`/book/upper_bound_splitting`.

    Odd functions and scores of a cube, M = 10^8, with the cells, the net and the test that are best for
    d = 5: only the split and the dimension change.
    """

    name = "split"
    title = "Who pays the logarithm?"
    summary = (
        "{percent} % fit, the others choose, d = {d}: the activation costs {fit}, the choice "
        "among matrices, {nats} nats of them, {choice}. Best is {best} %: {least}."
    )
    parameters = (
        Parameter("percent", "share of the samples that fits, %", 90, 2, 98, 2, integer=True),
        Parameter("d", "dimension d", 30, 1, 200, scale="log", integer=True),
    )
    panels = (
        Panel(
            "split",
            "Against the split",
            Axis("share that fits (%)", range=(0.0, 100.0)),
            Axis("squared error", "log", (1e-6, 3e-2)),
            (
                line("fit", "activation", "third", "dashdot", 2.0),
                line("choice", "choice of the matrix", "matrix", "dash", 2.0),
                line("total", "sum", "first", width=2.6),
                points("here", "now", "ink", "circle", 5.0),
            ),
            height=220,
        ),
        Panel(
            "best",
            "The best split",
            Axis("dimension d", "log", (0.9, 220.0)),
            Axis("share that fits (%)", range=(0.0, 100.0)),
            (
                line("line", "best", "first", width=2.4),
                points("here", "now", "ink", "circle", 5.0),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {"shares": _SHARES.tolist(), "dimensions": _DIMENSIONS.tolist(), "bound": split_of()}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        share, dimension, bound = values["percent"] / 100, values["d"], split_of()
        fit, choice = _fit(_SHARES), _choice(_SHARES, dimension)
        total = fit + choice
        best = int(np.argmin(total))
        here = float(_fit(share)), float(_choice(share, dimension))
        bests = [int(np.argmin(fit + _choice(_SHARES, int(d)))) for d in _DIMENSIONS]
        series: Series = {
            "split.fit": {"x": 100 * _SHARES, "y": fit},
            "split.choice": {"x": 100 * _SHARES, "y": choice},
            "split.total": {"x": 100 * _SHARES, "y": total},
            "split.here": {"x": [values["percent"]], "y": [sum(here)]},
            "best.line": {"x": _DIMENSIONS, "y": 100 * _SHARES[bests]},
            "best.here": {"x": [dimension], "y": [values["percent"]]},
        }
        nats = 2 * dimension * math.log1p(4 * dimension * bound["fineness"])
        facts = {"fit": here[0], "choice": here[1], "nats": nats}
        return Numbers(series, facts | {"best": 100 * float(_SHARES[best]), "least": float(total[best])})


@functools.cache
def split_of() -> dict[str, float]:
    """Return what the bound of the package knows of the best fit at d = 5: enough for any other split.

    ``factor`` is lambda/c, ``bias`` is b, ``noise`` is v times the share, ``kept`` is 1 - zeta, ``failure``
    and ``rate`` are those of the Gram matrix; ``choice`` is (N-1)/(c M), ``fineness`` is abar/tau.
    """
    bound = split_upper_bound(_SAMPLES, SETTING, density=lambda u: product_density(u, 3.0), odd=True)
    size = SETTING.require_sup_bound("the split")
    partners = SETTING.n_tokens - 1
    share = bound.n_fit / _SAMPLES
    bias = bound.approximation**2 + size**2 * bound.dropped
    noise = partners / SETTING.n_tokens * SETTING.noise_std**2 * bound.dimension / _SAMPLES
    kept = 1 - bound.lost
    whole = (math.sqrt((bias + noise / share) / kept) + math.sqrt(bias)) ** 2
    exponent = bound.lost + kept * math.log(kept)
    rate = exponent * _SAMPLES / (bound.spread * bound.christoffel)
    return {
        "factor": (bound.bias + bound.spline) / whole,
        "bias": bias,
        "noise": noise,
        "kept": kept,
        "failure": bound.failure * math.exp(rate * share),
        "rate": rate,
        "choice": bound.matrix / bound.log_net * bound.n_select / _SAMPLES,
        "fineness": bound.n_intervals / bound.accuracy,
    }


def _fit(share: Any) -> NDArray[np.float64]:
    """Return what the activation costs, if this share of the samples fits."""
    s, share = split_of(), np.asarray(share)
    fitted = (np.sqrt((s["bias"] + s["noise"] / share) / s["kept"]) + math.sqrt(s["bias"])) ** 2
    return np.asarray(s["factor"] * fitted + s["failure"] * np.exp(-s["rate"] * share))


def _choice(share: Any, dimension: int) -> NDArray[np.float64]:
    """Return what the choice among the matrices of the net costs on the other samples."""
    s = split_of()
    net = log_cover_low_rank(1.0, d=dimension, rank=1, radius=dimension * s["fineness"])
    return np.asarray(s["choice"] * net / (1 - np.asarray(share)))
