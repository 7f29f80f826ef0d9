"""What a fit of too small a rank returns: the activation, averaged over the part of the score left out."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, area, line, rounded, short
from pairint.explorers.small.base import SmallFigure
from pairint.theory.effective import effective_activation

__all__ = ["ACTIVATIONS", "RANK", "ForgottenRank", "left_out"]

#: The rank of the truth; its singular values are powers of `_RATIO`.
RANK = 6
_RATIO = 0.7
#: Width of a bin of the law of what is left out, and where the figure evaluates: never at the end of a bin,
#: where a step jumps.
_BIN = 0.02
_SCORES = tuple(round((3 * k + 1.5) * _BIN, 4) for k in range(-51, 50))


def _softplus(u: Any) -> Any:
    return np.maximum(u, 0.0) + np.log1p(np.exp(-np.abs(u)))


#: Activations, and what the reader sees for each.
ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "step": (lambda u: np.where(np.asarray(u) > 0, 1.0, 0.0), "a step"),
    "softplus": (_softplus, "softplus"),
    "cosine": (np.cos, "cosine"),
    "exp": (np.exp, "exponential"),
}


class ForgottenRank(SmallFigure):
    """An activation, its average over the directions that a small rank leaves out, and how much alike.

    Book: :doc:`/book/effective_activation`.

    The matrix is diagonal of rank six, its singular values fall by 0.7, and the coordinates of the tokens are
    uniform on ``[-sqrt(3), sqrt(3)]``.
    """

    name = "effective"
    title = "Forgetting directions"
    summary = "Rank {rank} of 6 is kept. {verdict}"
    parameters = (
        Parameter("rank", "rank kept", 1, 1, RANK, 1, integer=True),
        Parameter(
            "activation",
            "activation",
            "step",
            scale="choice",
            choices=tuple(ACTIVATIONS),
            names=tuple(label for _, label in ACTIVATIONS.values()),
        ),
    )
    panels = (
        Panel(
            "shape",
            "What the fit returns",
            Axis("score u that is left", range=(-3.0, 3.0)),
            Axis("value"),
            (
                line("plain", "activation", "truth", "dot", 2.2),
                line("scaled", "{factor} times it", "second", "dash", 4.5),
                line("averaged", "averaged", "first", width=2.2),
            ),
            height=260,
        ),
        Panel(
            "law",
            "What is left out: {left} of 6 directions",
            Axis("their part v of the score", range=(-4.0, 4.0)),
            Axis("density", zero=True),
            (area("density", "law of v", "data"),),
            height=260,
        ),
    )

    def data(self) -> dict[str, Any]:
        laws = [left_out(rank) for rank in range(1, RANK + 1)]
        return {
            "scores": _SCORES,
            "bin": _BIN,
            "rank": RANK,
            # Symmetric: from the middle on.
            "masses": [mass[len(mass) // 2 :].tolist() for _, mass in laws],
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        phi, _ = ACTIVATIONS[values["activation"]]
        v, mass = left_out(values["rank"])
        u = np.array(_SCORES)
        plain = np.asarray(phi(u), dtype=float)
        averaged = effective_activation(phi, v, mass)(u)
        factor = float(averaged @ plain / (plain @ plain))
        off = float(np.linalg.norm(averaged - factor * plain) / np.linalg.norm(averaged))
        percent = math.floor(1000 * off + 0.5) / 10
        series = {
            "shape.plain": {"x": u, "y": plain},
            "shape.averaged": {"x": u, "y": averaged},
            "shape.scaled": {"x": u, "y": factor * plain},
            "law.density": {"x": v, "y": mass / _BIN} if len(v) > 1 else {"x": [-4.0, 4.0], "y": [0.0, 0.0]},
        }
        if values["rank"] == RANK:
            verdict = "Nothing is left out: the fit returns the activation."
        elif percent == 0:
            verdict = f"The fit returns {short(factor)} times the activation: the shape stays."
        else:
            verdict = (
                f"The fit returns another shape: the nearest multiple of the activation, {short(factor)} "
                f"times it, is off by {short(percent)} %."
            )
        facts = {"left": f"{RANK - values['rank']}", "verdict": verdict, "factor": factor, "off": percent}
        return Numbers(series, facts)


@functools.cache
def left_out(rank: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the law of the part of the score that a fit of this rank leaves out: points and masses.

    The product of two coordinates has the distribution function ``1/2 + q (1 + log(3/q)) / 6`` at
    ``0 <= q <= 3``. Each part of the score is put into bins by it, and the bins of a sum are convolved.
    """
    masses = np.ones(1)
    for k in range(rank, RANK):
        scale = _RATIO**k
        n = math.ceil(3 * scale / _BIN + 0.5)
        q = np.clip((np.arange(-n, n + 2) - 0.5) * _BIN / scale, -3.0, 3.0)
        size = np.abs(q)
        share = size * (1 + np.log(3 / np.where(size > 0, size, 3.0))) / 6
        masses = np.convolve(masses, np.diff(np.sign(q) * share))
    law = np.array(rounded((masses + masses[::-1]) / 2, 7))
    half = len(law) // 2
    return np.arange(-half, half + 1.0) * _BIN, law / law.sum()
