"""The lower bound as a game: which truth made these dots?"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points
from pairint.explorers.lower import DENSITY, INTERVAL
from pairint.explorers.small.base import SmallFigure
from pairint.explorers.small.words import profile_of
from pairint.theory.bumps import BumpFamily
from pairint.theory.lower import gaussian_kl, guessing_error_bound
from pairint.theory.setting import Setting

__all__ = ["MOST_SAMPLES", "DotsGame", "Round", "divergence", "drawn", "judged"]

_BETA, _HOLDER, _NOISE, _N_TOKENS = 2.0, 40.0, 0.5, 2
_BUMPS, _WORDS = 3, ((1, 0, 1), (1, 1, 1))
MOST_SAMPLES = 300
_ROUNDS, _GAME = 100, 10
_GRID, _SAMPLES = 241, (1e0, 1e3, 61)
_MODULUS, _FACTOR, _SEED = 2**31 - 1, 16807, 20_251
#: One number decides the truth; a sample takes one for its score and two for the noise of its two outputs.
_STRIDE = 1 + 3 * MOST_SAMPLES


@dataclass(frozen=True)
class Round:
    """What is drawn in a round.

    Attributes
    ----------
    truth : int
        Which of the two made the dots: 0 or 1.
    scores, outputs : ndarray, shape (2 M,)
        Of each sample its two outputs, one after the other; their score is the same.
    """

    truth: int
    scores: NDArray[np.float64]
    outputs: NDArray[np.float64]


class DotsGame(SmallFigure):
    """Ten rounds: which of two truths made the dots? The reader's score beside the best test's.

    Book: :doc:`/book/lower_bound`.

    Two tokens, so that each output is one value of the activation plus noise and can be drawn. The score is
    uniform on an interval. The best test compares likelihoods; given the scores it is right with probability
    Phi(delta / 2), with delta the signal-to-noise ratio of the difference of the two truths.
    """

    name = "game"
    title = "Which truth made these dots?"
    summary = (
        "Round {turn} of {rounds}. With these {dots} dots the best test is right with probability {chance}; "
        "on average no test is with more than {bound}."
    )
    shared = ()  # a round is played to its end
    parameters = (
        Parameter("samples", "samples M", 20, 1, MOST_SAMPLES, scale="log", integer=True),
        Parameter("round", "round", 1, 1, _ROUNDS, 1, integer=True),
    )
    panels = (
        Panel(
            "dots",
            "Two truths and {dots} dots",
            Axis("score u", range=(-INTERVAL[1], INTERVAL[1])),
            Axis("output", range=(-2.2, 2.2)),
            (
                points("outputs", "dots", "data", "circle", 2.6, 0.6),
                line("two", "truth B", "second", "dash", 2.8),
                line("one", "truth A", "first", width=2.0),
            ),
            height=230,
        ),
        Panel(
            "score",
            "Right answers in a game of ten",
            Axis("number of samples M", "log", _SAMPLES[:2]),
            Axis("right of ten", range=(4.0, 10.4)),
            (
                line("bound", "no test better", "bound", width=2.0),
                points("here", "best, these dots", "fourth", "diamond", 4.0),
                points("you", "you", "third", "square", 5.0),
            ),
            height=180,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "beta": _BETA,
            "holder": _HOLDER,
            "noise": _NOISE,
            "tokens": _N_TOKENS,
            "bound": INTERVAL[1],
            "bumps": _BUMPS,
            "words": _WORDS,
            "profile": profile_of(_BETA),
            "grid": _GRID,
            "samples": _SAMPLES,
            "game": _GAME,
            "draws": {"modulus": _MODULUS, "factor": _FACTOR, "seed": _SEED, "stride": _STRIDE},
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        n_samples = values["samples"]
        drawn_round = drawn(values["round"], n_samples)
        verdict, chance = judged(drawn_round)
        u = np.linspace(-INTERVAL[1], INTERVAL[1], _GRID)
        grid = np.geomspace(*_SAMPLES)
        one, two = _truths()
        bound = 1 - float(guessing_error_bound(divergence(n_samples)))
        series = {
            "dots.outputs": {"x": drawn_round.scores, "y": drawn_round.outputs},
            "dots.one": {"x": u, "y": one(u)},
            "dots.two": {"x": u, "y": two(u)},
            "score.bound": {"x": grid, "y": _GAME * (1 - guessing_error_bound(divergence(1) * grid))},
            "score.here": {"x": [n_samples], "y": [_GAME * chance]},
        }
        facts = {
            "turn": (values["round"] - 1) % _GAME + 1,
            "rounds": _GAME,
            "dots": _N_TOKENS * n_samples,
            "truth": drawn_round.truth,
            "verdict": verdict,
            "chance": chance,
            "bound": bound,
        }
        return Numbers(series, facts)


def drawn(number: int, n_samples: int) -> Round:
    """Return the dots of a round; with more samples, more dots are added to the same ones.

    The generator of Lehmer, Park and Miller, which the ES module repeats exactly, gives each round numbers of
    its own, and Box and Muller turn two of them into the noise of one sample.

    Parameters
    ----------
    number : int
        Number of the round, from 1.
    n_samples : int
        M, at most `MOST_SAMPLES`.
    """
    uniform = np.array(_uniforms(number)[: 1 + 3 * n_samples])
    truth = int(uniform[0] < 0.5)
    u, radius, angle = uniform[1:].reshape(-1, 3).T
    scores = INTERVAL[1] * (2 * u - 1)
    size = _NOISE * np.sqrt(-2 * np.log(radius))
    noise = np.stack([size * np.cos(2 * np.pi * angle), size * np.sin(2 * np.pi * angle)], axis=1)
    values = _truths()[truth](scores)
    return Round(truth, np.repeat(scores, 2), (values[:, None] + noise).ravel())


def judged(drawn_round: Round) -> tuple[int, float]:
    """Return the guess of the best test, and the probability that it is right, given the scores.

    The likelihoods of Gaussian outputs are compared. The difference of the means has the length sigma delta;
    the test is right with probability Phi(delta / 2).
    """
    one, two = (truth(drawn_round.scores) for truth in _truths())
    evidence = np.sum((two - one) * (drawn_round.outputs - (one + two) / 2))
    delta = math.sqrt(np.sum((two - one) ** 2)) / _NOISE
    return int(evidence > 0), float(ndtr(delta / 2))


def divergence(n_samples: int) -> float:
    """Return the divergence between the laws of the dots of the two truths."""
    setting = Setting(beta=_BETA, n_tokens=_N_TOKENS, noise_std=_NOISE, holder_constant=_HOLDER)
    return gaussian_kl(n_samples, setting, DENSITY * _family().squared_norm / (_N_TOKENS - 1))


@functools.cache
def _family() -> BumpFamily:
    return BumpFamily(beta=_BETA, holder_constant=_HOLDER, n_bumps=_BUMPS, interval=INTERVAL, odd=True)


def _truths() -> tuple[Any, Any]:
    one, two = (_family().activation(word) for word in _WORDS)
    return one, two


@functools.lru_cache(maxsize=4)
def _uniforms(number: int) -> list[float]:
    """Return the numbers of a round, uniform between 0 and 1."""
    state = _SEED * pow(_FACTOR, _STRIDE * (number - 1), _MODULUS) % _MODULUS
    values = []
    for _ in range(_STRIDE):
        state = state * _FACTOR % _MODULUS
        values.append(state / _MODULUS)
    return values
