"""What averaging hides: outputs against one of the scores in them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rule
from pairint.explorers.lower import INTERVAL
from pairint.explorers.small.base import SmallFigure
from pairint.explorers.small.cells import SEED, TERMS, phases
from pairint.model.activations import RoughActivation

__all__ = ["HiddenByAveraging", "scores", "truth"]

_DRAWS = 918_273
_OUTPUTS, _MOST_TOKENS, _GRID = 120, 33, 241


class HiddenByAveraging(SmallFigure):
    """One token and its partners; and many outputs against the score with one partner.

    Book: :doc:`/book/particles`.

    Given a token its scores are independent and uniform on an interval, as for tokens on a sphere of R^3. The
    mean of the activation is zero, so that an output is expected at ``phi(u) / (N - 1)``, given the score u
    with one partner. No noise is added.
    """

    name = "averages"
    title = "What averaging hides"
    summary = (
        "N = {tokens}: the values at {partners} scores average to {mean}, and that is all one sees. Of the "
        "variance of the outputs the score with one partner explains 1/{partners}."
    )
    parameters = (
        Parameter("tokens", "tokens N", 8, 2, _MOST_TOKENS, 1, integer=True),
        Parameter("beta", "smoothness β", 2.0, 0.5, 4.0, 0.1),
    )
    panels = (
        Panel(
            "token",
            "One token, {partners} partners",
            Axis("score u", range=(-INTERVAL[1], INTERVAL[1])),
            Axis("φ(u)", range=(-2.2, 2.2)),
            (
                line("truth", "φ", "truth", width=2.4),
                points("partners", "its values", "ink", "circle", 3.4),
                rule("mean", "their average: the output", "y", "first", "solid", 2.4),
            ),
            height=240,
        ),
        Panel(
            "outputs",
            f"{_OUTPUTS} outputs against one score",
            Axis("score u with the first partner", range=(-INTERVAL[1], INTERVAL[1])),
            Axis("output", range=(-2.2, 2.2)),
            (
                line("truth", "φ", "truth", width=2.4),
                points("outputs", "outputs", "data", "circle", 2.6, 0.6),
                line("expected", "expected, given u", "bound", "dash"),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "bound": INTERVAL[1],
            "grid": _GRID,
            "phases": phases(),
            "outputs": _OUTPUTS,
            "most": _MOST_TOKENS - 1,
            "seed": _DRAWS,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        partners = values["tokens"] - 1
        phi = truth(values["beta"])
        drawn = scores()[:, :partners]
        outputs = phi(drawn).mean(axis=1)
        u = np.linspace(-INTERVAL[1], INTERVAL[1], _GRID)
        series = {
            "token.truth": {"x": u, "y": phi(u)},
            "token.partners": {"x": drawn[0], "y": phi(drawn[0])},
            "token.mean": {"at": float(outputs[0])},
            "outputs.truth": {"x": u, "y": phi(u)},
            "outputs.outputs": {"x": drawn[:, 0], "y": outputs},
            "outputs.expected": {"x": u, "y": phi(u) / partners},
        }
        facts = {"partners": partners, "mean": float(outputs[0])}
        return Numbers(series, facts)


def truth(beta: float) -> RoughActivation:
    """Return the activation: a whole period on the interval of the scores, so that its mean is zero."""
    return RoughActivation(beta, SEED, INTERVAL[1], TERMS)


@functools.cache
def scores() -> NDArray[np.float64]:
    """Return the scores of each token with its partners, shape ``(outputs, most partners)``.

    They come from the generator of Lehmer, Park and Miller, which the ES module repeats exactly.
    """
    modulus, state, draws = 2**31 - 1, _DRAWS, []
    for _ in range(_OUTPUTS * (_MOST_TOKENS - 1)):
        state = state * 16807 % modulus
        draws.append(2 * state / modulus - 1)
    return INTERVAL[1] * np.reshape(draws, (_OUTPUTS, _MOST_TOKENS - 1))
