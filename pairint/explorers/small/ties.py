"""What a hard label teaches: only what was not decided before, a near tie."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import ndtr
from scipy.stats import norm

from pairint.aim import make_channel
from pairint.aim.hardmax import hardmax_information
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, area, line, points
from pairint.explorers.small.base import SmallFigure

__all__ = ["KNOWN", "NearTies", "worth"]

#: Signal-to-noise ratios of the prediction.
KNOWN = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4)
_PLACES = np.linspace(-3, 3, 241)
_SURE = 0.95


class NearTies(SmallFigure):
    r"""The rows of hardmax labels by how far one index is predicted above the other, and those in doubt.

    Book: :doc:`/book/aim_hardmax`.

    Two tokens. A row's label is a sign; given the prediction :math:`\kappa` it is
    :math:`+` with the chance :math:`\Phi(\kappa)`, and :math:`\kappa` has the variance :math:`\tau`.
    """

    name = "ties"
    title = "Only near ties teach"
    summary = (
        "At a signal-to-noise ratio of {known}, {share} % of the rows are in doubt. A label is worth "
        "{worth}, where a softmax label is worth 4."
    )
    parameters = (Parameter("known", "signal-to-noise ratio τ", 100.0, scale="list", choices=KNOWN),)
    panels = (
        Panel(
            "rows",
            "Rows, by predicted margin",
            Axis("margin, over its spread", range=(-3.0, 3.0)),
            Axis("density", range=(0.0, 0.44)),
            (
                line("all", "all rows", "muted", width=2.0),
                area("doubt", "doubt: entropy of the sign, in bits", "second", 0.45),
            ),
            height=220,
        ),
        Panel(
            "worth",
            "What a label is worth",
            Axis("signal-to-noise ratio τ", "log", (8e-3, 1.3e4)),
            Axis("information k", "log", (0.03, 6.0)),
            (
                line("softmax", "softmax", "third", "dashdot", 2.0),
                line("hardmax", "hardmax", "first", width=2.6),
                line("tail", "ties alone", "muted", "dot", 1.8),
                points("here", "now", "ink", "circle", 5.0),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        hard, tail = worth()
        doubt = [_doubt(tau).tolist() for tau in KNOWN]
        shares = [_share(tau) for tau in KNOWN]
        return {
            "axes": {"known": KNOWN},
            "places": _PLACES.tolist(),
            "density": norm.pdf(_PLACES).tolist(),
            "doubt": doubt,
            "shares": shares,
            "softmax": float(make_channel("softmax").kappa(1.0)),
            "hardmax": hard,
            "tail": tail,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        i = KNOWN.index(values["known"])
        hard, tail = worth()
        softmax = float(make_channel("softmax").kappa(1.0))
        far = [k for k, tau in enumerate(KNOWN) if tau >= 1]
        series = {
            "rows.all": {"x": _PLACES, "y": norm.pdf(_PLACES)},
            "rows.doubt": {"x": _PLACES, "y": _doubt(KNOWN[i])},
            "worth.softmax": {"x": KNOWN, "y": [softmax] * len(KNOWN)},
            "worth.hardmax": {"x": KNOWN, "y": hard},
            "worth.tail": {"x": [KNOWN[k] for k in far], "y": [tail * KNOWN[k] ** -0.5 for k in far]},
            "worth.here": {"x": [KNOWN[i]], "y": [hard[i]]},
        }
        return Numbers(series, {"share": _share(KNOWN[i]), "worth": hard[i]})


@functools.cache
def worth() -> tuple[list[float], float]:
    """Return the information of a label for each of `KNOWN`, and the constant of its tail."""
    return make_channel("hardmax").kappa(np.array(KNOWN)).tolist(), float(hardmax_information(2).tail)


def _share(tau: float) -> float:
    """Return the percentage of rows whose sign is sure to less than 95 %."""
    return float(100 * (2 * ndtr(norm.ppf(_SURE) / math.sqrt(tau)) - 1))


def _doubt(tau: float) -> np.ndarray:
    """Return the density of the rows times the entropy of their sign, in bits."""
    p = np.clip(ndtr(math.sqrt(tau) * _PLACES), 1e-300, None)
    q = np.clip(ndtr(-math.sqrt(tau) * _PLACES), 1e-300, None)
    bits = -(p * np.log2(p) + q * np.log2(q))
    return norm.pdf(_PLACES) * np.where(bits < 1e-12, 0, bits)
