"""The number of tokens against two lower bounds: what Jensen's inequality loses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, line, points
from pairint.explorers.lower import DENSITY, INTERVAL
from pairint.explorers.small.base import SmallFigure
from pairint.explorers.small.words import profile_of
from pairint.theory.bumps import BumpFamily
from pairint.theory.lower import gaussian_kl, guessing_error_bound
from pairint.theory.setting import Setting

__all__ = ["TwoBounds"]

_HOLDER, _NOISE, _SAMPLES = 1.0, 0.1, 10_000
_BETAS = (0.5, 1.0, 1.5, 2.0, 3.0)
_TOKENS = np.unique(np.round(np.geomspace(2, 1000, 40))).astype(np.int64)
_COUNTS = np.unique(np.round(np.geomspace(1, 1e5, 160))).astype(np.int64)


class TwoBounds(SmallFigure):
    """The lower bound with Jensen's inequality and with the exact divergence of odd bumps, against N.

    Book: :doc:`/book/lower_bound_tokens`.

    Odd bumps on a score of uniform law, L = 1, sigma = 0.1, M = 10,000. Both are Assouad's bound with the
    best number of bumps; only the divergence differs, by a factor N - 1.
    """

    name = "tokens"
    title = "Do more tokens help?"
    summary = (
        "No worst error is below {jensen}, says Jensen; below {odd}, says the exact divergence: {ratio} "
        "times as much. Whatever N, this changes by a factor of two at most."
    )
    parameters = (
        Parameter("tokens", "tokens N", 16, 2, 1000, scale="log", integer=True),
        Parameter("beta", "smoothness β", 2.0, scale="list", choices=_BETAS),
    )
    panels = (
        Panel(
            "bound",
            "Two lower bounds",
            Axis("number of tokens N", "log", (1.8, 1100.0)),
            Axis("squared error", "log"),
            (
                line("odd", "exact", "bound", width=2.6),
                line("jensen", "Jensen", "first", "dash"),
                points("here", "now", "ink", "circle", 4.0),
            ),
            height=240,
        ),
        Panel(
            "information",
            "What a sample says, N = 2 being 1",
            Axis("number of tokens N", "log", (1.8, 1100.0)),
            Axis("divergence", "log", (0.3, 1000.0)),
            (
                line("odd", "odd bumps", "bound", width=2.6),
                line("jensen", "no cancelling", "first", "dash"),
                points("here", "now", "ink", "circle", 4.0),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "holder": _HOLDER,
            "noise": _NOISE,
            "samples": _SAMPLES,
            "bound": INTERVAL[1],
            "axes": {"beta": _BETAS},
            "profiles": [profile_of(beta) for beta in _BETAS],
            "tokens": _TOKENS.tolist(),
            "counts": _COUNTS.tolist(),
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        n_tokens, beta = values["tokens"], values["beta"]
        energies = DENSITY * np.array(
            [
                BumpFamily(
                    beta=beta, holder_constant=_HOLDER, n_bumps=int(k), interval=INTERVAL, odd=True
                ).squared_norm
                for k in _COUNTS
            ]
        )
        odd = {int(n): _bound(energies, int(n), int(n) - 1) for n in (*_TOKENS, n_tokens)}
        jensen = {int(n): _bound(energies, int(n), 1) for n in (*_TOKENS, n_tokens)}
        here = [odd[n_tokens], jensen[n_tokens]]
        both = [n_tokens, n_tokens]
        series: Series = {
            "bound.odd": {"x": _TOKENS, "y": [odd[int(n)] for n in _TOKENS]},
            "bound.jensen": {"x": _TOKENS, "y": [jensen[int(n)] for n in _TOKENS]},
            "bound.here": {"x": both, "y": here},
            "information.odd": {"x": _TOKENS, "y": _TOKENS / (2 * (_TOKENS - 1))},
            "information.jensen": {"x": _TOKENS, "y": _TOKENS / 2},
            "information.here": {"x": both, "y": [n_tokens / (2 * (n_tokens - 1)), n_tokens / 2]},
        }
        return Numbers(series, {"odd": here[0], "jensen": here[1], "ratio": here[0] / here[1]})


def _bound(energies: NDArray[np.float64], n_tokens: int, divided: int) -> float:
    """Return Assouad's bound, the mean square of an average being that of a value over ``divided``."""
    setting = Setting(beta=1.0, n_tokens=n_tokens, noise_std=_NOISE, holder_constant=_HOLDER)
    rate = gaussian_kl(_SAMPLES, setting, 1.0) / divided
    return float(np.max(_COUNTS * energies * guessing_error_bound(rate * energies)) / 2)
