"""Which function survives an average over partners: an odd one, an even one, and all between."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["SurvivingFunction", "even_moments", "tokens_drawn"]

_DRAWS = 192_837_465
_OUTPUTS, _MOST_TOKENS, _GRID = 120, 33, 161
_BOUND = math.sqrt(3.0)  # of a token: uniform, with variance one
_FREQUENCY = math.pi / 3


class SurvivingFunction(SmallFigure):
    """A function of the score from odd to even, one token's average of it, and many.

    Book: :doc:`/book/coercivity`.

    Tokens have one coordinate, uniform on ``[-sqrt(3), sqrt(3)]``, and the score of two is their product. The
    function is ``sqrt(1 - s) odd + sqrt(s) even``, with a sine and a cosine of mean square one, so that s is
    the part of the even function in the mean square.
    """

    name = "surviving"
    title = "Which function survives?"
    summary = (
        "N = {tokens}, {percent} % even: of the mean square of ψ the average keeps {kept}, that is {scaled} "
        "times 1/{partners}. What {partners} partners have in common does not average out."
    )
    parameters = (
        Parameter("tokens", "tokens N", 17, 2, _MOST_TOKENS, 1, integer=True),
        Parameter("percent", "even part, %", 0, 0, 100, 5, integer=True),
    )
    panels = (
        Panel(
            "token",
            "One token, {partners} partners",
            Axis("score u", range=(-3.0, 3.0)),
            Axis("ψ(u)", range=(-2.6, 2.6)),
            (
                line("function", "ψ", "muted", width=2.4),
                points("partners", "its values", "ink", "circle", 3.4),
                rule("mean", "their average: the output", "y", "first", "solid", 2.4),
            ),
            height=240,
        ),
        Panel(
            "outputs",
            f"Outputs of {_OUTPUTS} tokens",
            Axis("the token itself, x", range=(-_BOUND, _BOUND)),
            Axis("output", range=(-2.6, 2.6)),
            (
                points("outputs", "outputs", "data", "circle", 2.6, 0.6),
                line("common", "what partners have in common", "bound", "dash", 2.6),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        square, common = even_moments()
        return {
            "bound": _BOUND,
            "frequency": _FREQUENCY,
            "even": square,
            "common": common,
            "grid": _GRID,
            "outputs": _OUTPUTS,
            "most": _MOST_TOKENS,
            "seed": _DRAWS,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        partners = values["tokens"] - 1
        share = values["percent"] / 100
        square, common = even_moments()
        odd, even = math.sqrt((1 - share) / (1 - square)), math.sqrt(share / square)

        def psi(u: NDArray[np.float64]) -> NDArray[np.float64]:
            return odd * np.sin(_FREQUENCY * u) + even * np.cos(_FREQUENCY * u)

        drawn = tokens_drawn()
        own = drawn[:, 0]
        scores = own[:, None] * drawn[:, 1 : partners + 1]
        outputs = psi(scores).mean(axis=1)
        u, x = np.linspace(-3.0, 3.0, _GRID), np.linspace(-_BOUND, _BOUND, _GRID)
        series = {
            "token.function": {"x": u, "y": psi(u)},
            "token.partners": {"x": scores[0], "y": psi(scores[0])},
            "token.mean": {"at": float(outputs[0])},
            "outputs.outputs": {"x": own, "y": outputs},
            "outputs.common": {"x": x, "y": even * _mean_of_cosine(x)},
        }
        kept = (1 + (partners - 1) * share * common) / partners
        return Numbers(series, {"partners": partners, "kept": kept, "scaled": partners * kept})


def _mean_of_cosine(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over a partner of the cosine of the score with a token x."""
    return np.sinc(_FREQUENCY * _BOUND * x / math.pi)


@functools.cache
def even_moments() -> tuple[float, float]:
    """Return the mean square of the cosine of a score, and the part of it that all partners share.

    The part is ``E m(X)^2 / E cos^2`` with m the mean over a partner; both by quadrature of analytic
    functions, exact to rounding.
    """
    nodes, weights = np.polynomial.legendre.leggauss(40)
    x, weight = _BOUND * nodes, weights / 2
    # cos^2 t = (1 + cos 2t) / 2
    square = float(weight @ (1 + np.sinc(2 * _FREQUENCY * _BOUND * x / math.pi)) / 2)
    return square, float(weight @ _mean_of_cosine(x) ** 2) / square


@functools.cache
def tokens_drawn() -> NDArray[np.float64]:
    """Return a token and its partners in each row, shape ``(outputs, most tokens)``.

    They come from the generator of Lehmer, Park and Miller, which the ES module repeats exactly.
    """
    modulus, state, draws = 2**31 - 1, _DRAWS, []
    for _ in range(_OUTPUTS * _MOST_TOKENS):
        state = state * 16807 % modulus
        draws.append(2 * state / modulus - 1)
    return _BOUND * np.reshape(draws, (_OUTPUTS, _MOST_TOKENS))
