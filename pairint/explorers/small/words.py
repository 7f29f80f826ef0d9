"""Bumps and code words: two hypotheses, and how well any test can tell them apart."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rule
from pairint.explorers.lower import DENSITY, INTERVAL
from pairint.explorers.small.base import SmallFigure
from pairint.theory.bumps import BumpFamily, bump_profile
from pairint.theory.lower import gaussian_kl, guessing_error_bound
from pairint.theory.setting import Setting

__all__ = ["CodeWords", "profile_of", "words"]

_BETA, _HOLDER, _NOISE, _N_TOKENS = 2.0, 1.0, 0.1, 3
_GRID = 361
_SAMPLES = (1e1, 1e7, 91)
_MOST_BUMPS = 32
_WORD = (np.random.default_rng(3).random(_MOST_BUMPS) < 0.5).astype(np.int64)
#: The wrong guesses that a careful reader would accept.
_RARE = 0.05


class CodeWords(SmallFigure):
    """Two words of K bits that differ in one, as functions, and the best test between them.

    Book: :doc:`/book/lower_bound_bumps`.

    The score is uniform on an interval, as in :class:`pairint.explorers.LowerBoundExplorer`; beta = 2, L = 1,
    three tokens, sigma = 0.1. The height is a share of the tallest bump of its width in the Hölder class.
    """

    name = "words"
    title = "One bit of a code word"
    summary = (
        "One of K = {bumps} bits is changed: a squared distance of {separation}. With less than M = {needed} "
        "samples every test errs in more than 5 % of all cases."
    )
    parameters = (
        Parameter("bumps", "bumps K", 6, 1, _MOST_BUMPS, 1, integer=True),
        Parameter("height", "height, as a share of the tallest", 1.0, 0.1, 1.0, 0.05),
    )
    panels = (
        Panel(
            "functions",
            "The word and its neighbour",
            Axis("score u"),
            Axis("φ(u)"),
            (
                line("two", "one bit changed", "second", width=3.6),
                line("one", "a word of {bumps} bits", "first", width=1.8),
            ),
            height=240,
        ),
        Panel(
            "guess",
            "The best test between the two",
            Axis("number of samples M", "log", _SAMPLES[:2]),
            Axis("wrong guesses", range=(0.0, 0.52)),
            (
                line("error", "no test better", "bound", width=2.6),
                rule("rare", "5 %", "y", "muted", "dot", 1.6),
                points("needed", "M = {needed}", "ink", "circle", 5.0),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "beta": _BETA,
            "holder": _HOLDER,
            "noise": _NOISE,
            "tokens": _N_TOKENS,
            "bound": INTERVAL[1],
            "grid": _GRID,
            "samples": _SAMPLES,
            "word": _WORD.tolist(),
            "profile": profile_of(_BETA),
            "rare": _RARE,
            "quantile": float(ndtri(_RARE)),
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        family = BumpFamily(
            beta=_BETA,
            holder_constant=_HOLDER * values["height"],
            n_bumps=values["bumps"],
            interval=INTERVAL,
            odd=True,
        )
        setting = Setting(beta=_BETA, n_tokens=_N_TOKENS, noise_std=_NOISE, holder_constant=_HOLDER)
        separation = DENSITY * family.squared_norm
        # For odd differences the mean square of the average is 1/(N-1) of that of one value, exactly.
        rate = gaussian_kl(1, setting, separation / (_N_TOKENS - 1))
        needed = 2 * float(ndtri(_RARE)) ** 2 / rate
        u = np.linspace(-INTERVAL[1], INTERVAL[1], _GRID)
        word, neighbour = words(_WORD[: values["bumps"]])
        grid = np.geomspace(*_SAMPLES)
        series = {
            "functions.one": {"x": u, "y": family.activation(word)(u)},
            "functions.two": {"x": u, "y": family.activation(neighbour)(u)},
            "guess.error": {"x": grid, "y": guessing_error_bound(rate * grid)},
            "guess.rare": {"at": _RARE},
            "guess.needed": {"x": [needed], "y": [_RARE]},
        }
        return Numbers(series, {"separation": separation, "needed": math.ceil(needed)})


def words(word: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the word and the one in which its middle bit is another."""
    return word, np.where(np.arange(len(word)) == len(word) // 2, 1 - word, word)


def profile_of(beta: float) -> dict[str, float]:
    """Return what ``formulas/bumps.js`` needs to know of one odd bump."""
    profile = bump_profile(beta, odd=True)
    return {"holder": profile.holder_constant, "squared_norm": profile.squared_norm}
