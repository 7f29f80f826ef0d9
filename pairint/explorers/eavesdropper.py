"""The eavesdropper: of what tokens give to one of them only the average is heard; guess the function."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.estimation.gauss_newton import levenberg_marquardt
from pairint.estimation.initial import linear_start
from pairint.estimation.problem import LeastSquaresProblem, OuterState
from pairint.estimation.selection import choose_intervals
from pairint.explorers.kit.explorer import Explorer, Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, line, points, rule
from pairint.model.activations import RoughActivation
from pairint.model.attention import AttentionModel
from pairint.model.noise import GaussianNoise
from pairint.model.tokens import UniformCube

__all__ = ["Eavesdropper", "listen", "secret_model"]

_BOUND, _HEIGHT = 3.0, 1.9
_SIDE = math.sqrt(3)
_TOKENS, _RANK, _SAMPLES, _NOISE = 6, 2, 1000, 0.1
_FIRST_NOISE = 0.6  # of the first average that is heard, in standard deviations
_LARGEST = 10
_TERMS = 10
_GRID, _NODES, _STRIDE = 241, 61, 3
_PAIRS = 4000
_DEGREE, _PENALTY, _COARSE = 3, 0.1, 6
#: Each is a function and a matrix that a reader may be asked for, in this order.
_SEEDS = (5, 2, 13, 36, 42, 24)
_STAGES = (25, 50, 100, 250, 500, _SAMPLES)
_WORDS = {
    "ask": "Drag a token: only the average answers. The axis shows the five scores. Draw the curve that "
    "you suspect, then listen.",
    "drawn": "Your guess. Now listen to 1000 rounds: six tokens in new places, six noisy averages each.",
    "listening": "Only averages are heard: neither a score nor what it gives.",
    "told": "Your guess is off by {guess_error}, the fit by {fit_error}. It heard {averages} averages; "
    "nobody told it the curve, or how tokens are scored.",
    "told_alone": "The fit is off by {fit_error}. It heard {averages} averages; nobody told it the curve, "
    "or how tokens are scored.",
    "listen": "Listen to 1000 rounds",
    "heard": "{heard} rounds heard",
    "anew": "A new secret",
    "erase": "Erase",
    "invite": "draw your guess here",
    "average": "average {average}",
    "given_axis": "what a pair gives, φ",
    "score_axis": "score of the pair",
    "key_guess": "guess",
    "key_fit": "fit",
    "key_truth": "truth",
    "pad": "Your guess of the curve",
    "blank": "score {u}, nothing drawn; left and right move the pen, up and down draw",
    "here": "score {u}, guess {height}",
    "keys": "Arrow keys move it. Enter: listen to this one.",
    "token": "Token {number} at {x}, {y}",
    "listener": "Token {number} at {x}, {y}, the listener",
    "plane": "2 of {d} coordinates shown",
    "room": "Six tokens; lines from five of them to token {listener}, which hears the average {average}",
    "sheet": "What a pair gives against its score, with what you drew and what was fitted",
    "how": "What is computed here",
    "model": "A token is a point, uniform in a cube of d dimensions. A hidden matrix A of rank two gives "
    "each pair the score x′Ay, a hidden function φ of smoothness β turns it into what the partner "
    "gives, and the listener hears the average of five such numbers with noise of standard "
    "deviation 0.1. Pressing the button draws 1000 rounds in this page and fits A and φ together, told "
    "only the rank: cubic splines, their number of cells chosen by cross-validation, Levenberg and "
    "Marquardt's iteration for the matrix. Errors are root mean squares over 4000 fresh pairs; yours is "
    "measured with the true scores. The plane shows two coordinates of a token, its spokes are the "
    "others. Matrix and curve are known only up to a common sign, which is taken from the truth.",
    "made": "This fit: {cells} cells, {ms} ms.",
}


@functools.cache
def _secrets() -> tuple[tuple[int, NDArray[np.float64], NDArray[np.float64]], ...]:
    """Return of each secret the seed of its function, and columns for the largest d.

    The matrix has two equal singular values; its singular vectors are the columns, cut to d and made
    orthonormal.
    """
    found = []
    for seed in _SEEDS:
        rng = np.random.default_rng([seed, 1])
        left, right = (np.round(rng.standard_normal((_LARGEST, _RANK)), 3) for _ in range(2))
        found.append((seed, left, right))
    return tuple(found)


def _places() -> NDArray[np.float64]:
    """Return the tokens of the first view, shape (N, 10)."""
    places = np.round(np.random.default_rng(0).uniform(-_SIDE, _SIDE, (_TOKENS, _LARGEST)), 3)
    places[:, :2] = [[-0.47, 1.36], [-1.2, -1.41], [1.23, 1.26], [0.17, -1.41], [-1.29, 0.18], [0.75, -0.51]]
    return places


def secret_model(beta: float, d: int, secret: int = 0) -> AttentionModel:
    """Return what is hidden from the eavesdropper.

    Parameters
    ----------
    beta : float
        Smoothness of the function.
    d : int
        Dimension of the tokens, 2 to 10.
    secret : int
        Which of the secrets.
    """
    seed, left, right = _secrets()[secret]
    matrix = _orthonormal(left[:d]) @ _orthonormal(right[:d]).T / math.sqrt(_RANK)
    function = RoughActivation(beta, seed, bound=_BOUND, n_terms=_TERMS)
    return AttentionModel(function, matrix, UniformCube(d), GaussianNoise(_NOISE))


def _orthonormal(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormalise columns in their order (Gram and Schmidt)."""
    q, r = np.linalg.qr(columns)
    return q * np.sign(np.diag(r))


def listen(X: Any, Y: Any) -> OuterState:
    """Fit matrix and function to what was heard: from the linear start, as ``leastsquares.js``.

    Parameters
    ----------
    X : array_like, shape (M, N, d)
        Tokens.
    Y : array_like, shape (M, N)
        The averages.
    """
    d = np.shape(X)[2]
    problem = LeastSquaresProblem(X, Y, _DEGREE, _PENALTY, n_matrix=2 * _RANK * d)
    left, right = linear_start(problem.X, problem.Y, _RANK)
    coarse = levenberg_marquardt(problem, left, right, problem.space(left, right, _COARSE), 10, 1.0)
    cells = choose_intervals(problem, coarse.left, coarse.right).n_intervals
    space = problem.space(coarse.left, coarse.right, cells)
    return levenberg_marquardt(problem, coarse.left, coarse.right, space, 20, 1e-8)


@functools.lru_cache(maxsize=64)
def _fitted(beta: float, d: int) -> tuple[NDArray[np.float64], float]:
    """Return a fit on the grid, with the sign of the truth, and its error over random pairs."""
    model = secret_model(beta, d)
    rng = np.random.default_rng(1)
    state = listen(*model.sample(_SAMPLES, _TOKENS, rng))
    matrix = state.left @ state.right.T
    sign = 1.0 if float((matrix * model.matrix).sum()) >= 0 else -1.0
    X = model.tokens.sample(_PAIRS, 2, rng)
    fitted = state.spline(np.einsum("ma,ab,mb->m", X[:, 0], matrix, X[:, 1]))
    error = fitted - model.interaction(X[:, 0], X[:, 1])
    return state.spline(sign * _grid()), float(np.sqrt(np.mean(error**2)))


def _grid() -> NDArray[np.float64]:
    return np.linspace(-_BOUND, _BOUND, _GRID)


class Eavesdropper(Explorer):
    """Six tokens to drag, a curve to guess, and a fit made in the page from averages alone.

    Book: :doc:`/book/intro`.

    The page draws the data and fits matrix and function itself, with the estimator of
    :mod:`pairint.estimation` written in JavaScript; on paper stands a fit by the package. The plane shows
    the first two of the tokens' ``d`` coordinates.
    """

    name = "eavesdropper"
    title = "You overhear only averages. What is the rule?"
    summary = (
        "Six tokens; five of them give something to the sixth, a hidden function φ of their score with "
        "it, and only the average, {average}, is heard. From {averages} averages the fit finds φ with a"
        " root mean square error of {fit_error}, without knowing how tokens are scored (smoothness β = "
        "{beta}, dimension d = {d})."
    )
    parameters = (
        Parameter("beta", "smoothness β", 1.6, 1.0, 3.0, step=0.1),
        Parameter("d", "dimension d", 2, 2, _LARGEST, step=1, integer=True),
    )
    panels = (
        Panel(
            "room",
            "Who gives, and who listens",
            Axis("first coordinate", range=(-1.9, 1.9)),
            Axis("second coordinate", range=(-1.9, 1.9)),
            (
                line("lines", "", "muted", width=1.4),
                points("partners", "five partners", "data", "circle", 5.0),
                points("listener", "the listener", "ink", "square", 6.0),
            ),
        ),
        Panel(
            "curve",
            "What a pair gives",
            Axis("score of the pair", range=(-_BOUND, _BOUND)),
            Axis("φ", range=(-_HEIGHT, _HEIGHT)),
            (
                line("guess", "your guess", "third", width=3.2),
                line("fit", "the fit, from averages alone", "fit", width=2.8),
                line("truth", "the hidden function", "truth", width=1.6),
                points("given", "what the five give", "first", "circle", 4.0),
                rule("average", "their average, all that is heard", "y", "ink", "dash"),
            ),
        ),
    )

    def data(self) -> dict[str, Any]:
        secrets = []
        for seed, left, right in _secrets():
            phases = np.random.default_rng(seed).uniform(0.0, 2 * math.pi, size=_TERMS)
            secrets.append({"phases": phases.tolist(), "left": left.T.tolist(), "right": right.T.tolist()})
        return {
            "secrets": secrets,
            "places": _places().tolist(),
            "first_noise": _FIRST_NOISE,
            "bound": _BOUND,
            "height": _HEIGHT,
            "tokens": _TOKENS,
            "rank": _RANK,
            "samples": _SAMPLES,
            "noise": _NOISE,
            "stages": _STAGES,
            "afresh": 250,
            "pairs": _PAIRS,
            "grid": _GRID,
            "nodes": _NODES,
            "stride": _STRIDE,
            "words": _WORDS,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        model = secret_model(values["beta"], values["d"])
        places = _places()[:, : values["d"]]
        scores = model.scores(places[None])[0, 0, 1:]
        given = model.activation(scores)
        average = float(given.mean()) + _NOISE * _FIRST_NOISE
        fit, error = _fitted(values["beta"], values["d"])
        ends = np.broadcast_to(places[:1, :2], (_TOKENS - 1, 2)), places[1:, :2]
        star = np.stack(ends, axis=1).reshape(-1, 2)
        series: Series = {
            "room.lines": {"x": star[:, 0], "y": star[:, 1]},
            "room.partners": {"x": places[1:, 0], "y": places[1:, 1]},
            "room.listener": {"x": places[:1, 0], "y": places[:1, 1]},
            "curve.truth": {"x": _grid(), "y": model.activation(_grid())},
            "curve.fit": {"x": _grid(), "y": fit},
            "curve.given": {"x": scores, "y": given},
            "curve.average": {"at": average},
        }
        facts = {"average": average, "averages": _SAMPLES * _TOKENS, "fit_error": error}
        return Numbers(series, facts)
