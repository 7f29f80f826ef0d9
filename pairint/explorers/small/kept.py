"""How much of each direction survives the average: the eigenfunctions, one after the other."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.model import SplineSpace
from pairint.theory.coercivity import exact_gram

__all__ = ["KeptAndLost", "directions"]

_BOUND, _CELLS, _DEGREE = 3.0, 12, 3
_SCORES = np.linspace(-_BOUND, _BOUND, 121)
_COUNT = _CELLS + _DEGREE
_MOST_TOKENS = 64


class KeptAndLost(SmallFigure):
    """One eigenfunction after the other, and how much of its mean square an average keeps.

    Book: :doc:`/book/coercivity_lemma`.

    Cubic splines on twelve cells, scores of a cube and a matrix with one entry. The eigenfunctions are the
    same for every number of tokens. Odd ones share an eigenvalue: they are ordered by how much they wiggle.
    """

    name = "kept"
    title = "Which directions are lost?"
    summary = (
        "Direction {direction} of 15, N = {tokens}: an {parity} function, of which the average keeps {kept}, "
        "{scaled} times 1/(N − 1). A share {common} of it is what all partners have in common."
    )
    parameters = (
        Parameter("direction", "direction", 7, 1, _COUNT, 1, integer=True),
        Parameter("tokens", "tokens N", 32, 3, _MOST_TOKENS, 1, integer=True),
    )
    panels = (
        Panel(
            "function",
            "A direction",
            Axis("score u", range=(-3.0, 3.0)),
            Axis("ψ(u)", range=(-6.0, 6.0)),
            (
                line("function", "ψ", "first", width=2.6),
                line("zero", "", "muted", "dot", 1.0),
            ),
            height=220,
        ),
        Panel(
            "spectrum",
            "What the average keeps",
            Axis("direction", range=(0.5, _COUNT + 0.5)),
            Axis("share that is kept", "log", (0.01, 1.3)),
            (
                line("least", "1/(N − 1)", "bound", "dash", 1.8),
                points("kept", "kept", "first", "circle", 4.0),
                points("here", "this one", "ink", "circle", 6.0),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        common, functions = directions()
        return {"scores": _SCORES.tolist(), "common": common.tolist(), "functions": functions.tolist()}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        common, functions = directions()
        i, partners = values["direction"] - 1, values["tokens"] - 1
        kept = (1 + (partners - 1) * common) / partners
        number = np.arange(1, _COUNT + 1)
        series = {
            "function.function": {"x": _SCORES, "y": functions[i]},
            "function.zero": {"x": [-_BOUND, _BOUND], "y": [0.0, 0.0]},
            "spectrum.least": {"x": [0.5, _COUNT + 0.5], "y": [1 / partners] * 2},
            "spectrum.kept": {"x": number, "y": kept},
            "spectrum.here": {"x": [i + 1], "y": [kept[i]]},
        }
        facts = {
            "parity": "odd" if common[i] == 0 else "even",
            "kept": float(kept[i]),
            "scaled": float(kept[i] * partners),
            "common": float(common[i]),
        }
        return Numbers(series, facts)


@functools.cache
def directions() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, for each eigenfunction, the share that all partners have in common, and its values.

    Shares are the eigenvalues of the Gram matrix of the conditional means against that of the functions, from
    :func:`pairint.theory.coercivity.exact_gram` for two numbers of tokens. Odd functions have mean zero:
    among them those of the smaller mean square of the slope come first.
    """
    space = SplineSpace(-_BOUND, _BOUND, _CELLS, _DEGREE)
    gram = exact_gram(space, _BOUND, 3)
    pair = gram.pair
    mean = 2 * gram.aggregated - pair
    values, vectors = eigh(mean, pair)
    odd = vectors[:, : _COUNT // 2]
    step = 1e-4
    inner = np.linspace(-_BOUND + step, _BOUND - step, 4001)
    slope = (space.design(inner + step) - space.design(inner - step)) / (2 * step)
    _, turned = eigh(odd.T @ (slope.T @ slope) @ odd / len(inner))
    coefficients = np.hstack([odd @ turned, vectors[:, _COUNT // 2 :]])
    functions = (space.design(_SCORES) @ coefficients).T
    functions *= np.sign(functions[:, -1:])
    common = np.where(np.arange(_COUNT) < _COUNT // 2, 0.0, values)
    return common, functions
