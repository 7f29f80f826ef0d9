"""Cutting a series off against fading it out: no cut reaches Pinsker's filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, line, points, rule
from pairint.explorers.small.base import SmallFigure
from pairint.theory import pinsker_filter
from pairint.theory.pinsker import sobolev_weights
from pairint.theory.rates import parameter_price

__all__ = ["CutOrFade", "cut_errors"]

_BETA, _ENERGY, _TOKENS, _NOISE = 1.0, 1.0, 3, 0.5
_MOST = 120


class CutOrFade(SmallFigure):
    """Keep the first D coefficients, and compare with the filter that fades them out.

    Book: :doc:`/book/exact_constant`.

    Worst errors over the ellipsoid of the page, for beta = 1, Q = 1, three tokens and sigma = 0.5, in the
    model of independent coefficients.
    """

    name = "filter"
    title = "Cut off, or fade out?"
    summary = (
        "Cut after {kept} of them: worst error {error}, {times} times that of the filter. "
        "The best cut keeps {best}, and still pays {least} times."
    )
    parameters = (
        Parameter("kept", "coefficients kept D", 31, 1, _MOST, scale="log", integer=True),
        Parameter("samples", "samples M", 10_000, 100, 100_000, scale="log", integer=True),
    )
    panels = (
        Panel(
            "factors",
            "What a coefficient is multiplied by",
            Axis("coefficient k", "log", (1.0, 1.0 * _MOST)),
            Axis("factor", range=(-0.05, 1.1)),
            (
                line("fade", "filter", "first", width=2.6),
                line("cut", "cut after D", "second", "dash", 2.2),
            ),
            height=220,
        ),
        Panel(
            "errors",
            "Worst error over the class",
            Axis("coefficients kept D", "log", (1.0, 1.0 * _MOST)),
            Axis("squared error", "log"),
            (
                line("cut", "cut after D", "second", "dash", 2.2),
                rule("fade", "filter", "y", "first", "solid", 2.6),
                points("here", "your cut", "ink", "circle", 5.0),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "weights": sobolev_weights(_MOST + 1, _BETA).tolist(),
            "energy": _ENERGY,
            "price": parameter_price(1, n_tokens=_TOKENS, noise_std=_NOISE),
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        kept, samples = values["kept"], values["samples"]
        price = parameter_price(samples, n_tokens=_TOKENS, noise_std=_NOISE)
        best = pinsker_filter(price, beta=_BETA, energy=_ENERGY)
        number = np.arange(1, _MOST + 1)
        factors = np.maximum(1 - best.cut * sobolev_weights(_MOST, _BETA), 0)
        errors = cut_errors(price)
        least = int(np.argmin(errors))
        series: Series = {
            "factors.fade": {"x": number, "y": factors},
            "factors.cut": {"x": [1, kept, kept, _MOST], "y": [1.0, 1.0, 0.0, 0.0]},
            "errors.cut": {"x": number, "y": errors},
            "errors.fade": {"at": best.risk},
            "errors.here": {"x": [kept], "y": [errors[kept - 1]]},
        }
        facts = {
            "error": float(errors[kept - 1]),
            "times": float(errors[kept - 1] / best.risk),
            "best": least + 1,
            "least": float(errors[least] / best.risk),
        }
        return Numbers(series, facts)


def cut_errors(price: float) -> NDArray[np.float64]:
    """Return the worst errors if the first D = 1, 2, ... coefficients are kept as they are observed.

    The worst truth has all of its energy in the first coefficient that is cut.
    """
    weights = sobolev_weights(_MOST + 1, _BETA)
    return _ENERGY / weights[1:] ** 2 + price * np.arange(1, _MOST + 1)
