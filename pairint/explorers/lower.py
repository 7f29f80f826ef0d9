"""Lower-bound explorer: hypotheses that the data cannot tell apart, and what they prove."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Explorer, Numbers, Simulation
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, fill, line, points
from pairint.model.noise import GaussianNoise
from pairint.model.tokens import Sphere
from pairint.theory.bumps import BumpFamily, bump_profile
from pairint.theory.games import guessing_game
from pairint.theory.lower import LowerBound, guessing_error_bound, lower_bound
from pairint.theory.setting import Setting

__all__ = ["DENSITY", "INTERVAL", "LowerBoundExplorer", "drawn_noise", "drawn_scores"]

#: Tokens on the sphere of R^3 and A = I / sqrt 3: the score is uniform on [-sqrt 3, sqrt 3] (Archimedes).
_SCORE_BOUND = math.sqrt(3.0)
DENSITY = 1 / (2 * _SCORE_BOUND)
INTERVAL = (0.0, _SCORE_BOUND)
_GRID = 601
_SAMPLES = (1e2, 1e8, 61)
_COUNTS = np.unique(np.round(np.geomspace(1, 1e7, 100))).astype(np.int64)
_FEWEST_SHOWN = 100
_MOST_BUMPS = 64
#: The line of the theorem's slope is drawn this far above the bound.
_SHIFT = 4.0
_WORD = (np.random.default_rng(3).random(_MOST_BUMPS) < 0.5).astype(np.int64)
_MOST_TOKENS = 64
#: Outputs drawn from each of the two hypotheses: as many as the fewest samples to choose.
_OUTPUTS, _SEED = 100, 12_345
_MOST_PAIRS, _GAMES = 30_000, 200
#: A wrong guess as improbable as this is not worth a bound.
_IMPROBABLE = 1e-12
_WORDS = {
    "guess": "the best guess is wrong with probability at least {error}",
    "no guess": "they can be told apart, for all that is proved",
    "assouad": "no estimator has a worst error below {bound}",
    "no assouad": "this K proves nothing about the worst error of an estimator",
}
_VERDICTS = {
    "few": "Fano needs at least 8 bumps",
    "works": "Fano: too many hypotheses for so little divergence, every estimator errs",
    "fails": "Fano: the divergence is too large, the argument proves nothing here",
}


class LowerBoundExplorer(Explorer):
    """Bumps that differ too little to be seen, and the bound on every estimator that follows.

    Book: :doc:`/book/lower_bound`.

    Tokens are independent and uniform on the sphere of R^3 and the matrix is proportional to the identity, so
    that the score is uniform on [-sqrt 3, sqrt 3]; bumps fill the positive half (and are mirrored when odd).
    The bounds are those of :func:`pairint.theory.lower.lower_bound`.
    """

    name = "lower"
    title = "What no estimator can do"
    summary = (
        "Two hypotheses that differ in one bump, with K = {bumps} in all, are {separation} apart in squared "
        "L²(ρ) norm. From M = {samples} samples the divergence between them is {kl}: {guess}. Assouad: "
        "{assouad}; with K = {best_bumps} none has one below {best}. {fano}. "
        "The bound falls like M to the power −{exponent}."
    )
    simulation = Simulation(
        "Play the guessing game",
        "Draw data from one of the two hypotheses and guess which, many times, for several M",
        free=("samples",),
    )
    parameters = (
        Parameter(
            "argument",
            "bumps",
            "odd",
            scale="choice",
            choices=("odd", "plain"),
            names=("odd: the number of tokens disappears", "one-sided: Jensen, loses a factor N−1"),
        ),
        Parameter("samples", "samples M", 10_000, 100, 10**8, scale="log", integer=True),
        Parameter("bumps", "bumps K", 12, 1, _MOST_BUMPS, scale="log", integer=True),
        Parameter("beta", "smoothness β", 2.0, 0.5, 5.0, 0.05),
        Parameter("holder", "Hölder radius L", 1.0, 0.05, 20.0, scale="log"),
        Parameter("noise", "noise σ", 0.1, 0.01, 3.0, scale="log"),
        Parameter("tokens", "tokens N", 3, 2, _MOST_TOKENS, scale="log", integer=True),
    )
    panels = (
        Panel(
            "hypotheses",
            "Two of the 2ᴷ hypotheses",
            Axis("score u"),
            Axis("φ(u)"),
            (
                line("two", "its neighbour: one bump changed", "second", width=3.6),
                line("one", "a hypothesis", "first", width=1.8),
            ),
            height=260,
            grow=1.2,
        ),
        Panel(
            "data",
            f"{_OUTPUTS} outputs of each, σ = {{noise}}, N = {{tokens}}",
            Axis("score u with one of the {partners} partners"),
            Axis("output Y"),
            (
                points("one", "from the hypothesis", "first", "circle", 2.8, 0.7),
                points("two", "from its neighbour", "second", "cross", 3.2),
            ),
            height=260,
        ),
        Panel(
            "guess",
            "Telling the two apart",
            Axis("number of samples M", "log", _SAMPLES[:2]),
            Axis("probability of a wrong guess", range=(0.0, 0.52)),
            (
                line("curve", "no test does better", "bound", width=2.6),
                points("here", "M = {samples}: {error}", "ink", "circle", 5.5),
                points("simulated", "guessing game, ± 2 standard errors", "fit", "diamond", 4.0),
            ),
            height=260,
        ),
        Panel(
            "bumps",
            "The bound against the number of bumps",
            Axis("number of bumps K", "log"),
            Axis("squared L²(ρ) error", "log"),
            (
                line("assouad", "Assouad", "first", width=2.6),
                line("fano", "Fano (where it says something)", "second", "dashdot", 2.4),
                points("best", "best K = {best_bumps}", "muted", "diamond", 5.0),
                points("here", "chosen K = {bumps}", "ink", "circle", 5.5),
            ),
            height=260,
            grow=1.2,
        ),
        Panel(
            "samples",
            "Between the bounds",
            Axis("number of samples M", "log", _SAMPLES[:2]),
            Axis("squared L²(ρ) error", "log"),
            (
                line("budget", "error budget, matrix known (heuristic)", "oracle"),
                line("bound", "lower bound (proved)", "bound", width=2.6),
                line("slope", "slope −{exponent}, height arbitrary", "muted", "dash", 1.6),
                points("here", "M = {samples}", "ink", "circle", 5.0),
            ),
            height=260,
        ),
    )

    def data(self) -> dict[str, Any]:
        profiles: dict[str, list[dict[str, float]]] = {"odd": [], "plain": []}
        for k in range(5):
            for key in profiles:
                # The constant is slope^alpha span^(1 - alpha): two values of alpha give both factors.
                whole, half = (bump_profile(k + alpha, False, key == "odd") for alpha in (1.0, 0.5))
                slope, norm = whole.holder_constant, whole.squared_norm
                span = half.holder_constant**2 / slope
                profiles[key].append({"slope": slope, "span": span, "squared_norm": norm})
        return {
            "score_bound": _SCORE_BOUND,
            "grid": _GRID,
            "samples": _SAMPLES,
            "counts": _COUNTS.tolist(),
            "fewest": _FEWEST_SHOWN,
            "shift": _SHIFT,
            "word": _WORD.tolist(),
            "draws": {"outputs": _OUTPUTS, "partners": _MOST_TOKENS - 1, "seed": _SEED},
            "noise": drawn_noise().tolist(),
            "profiles": profiles,
            "verdicts": _VERDICTS,
            "words": _WORDS,
            "improbable": _IMPROBABLE,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        n_samples, n_tokens, n_bumps = (values[k] for k in ("samples", "tokens", "bumps"))
        odd = values["argument"] == "odd"
        grid = np.geomspace(*_SAMPLES)
        energies = np.array([DENSITY * self._family(values, int(k)).squared_norm for k in _COUNTS])
        # Divergence between two hypotheses at squared distance 1 (gaussian_kl, with Jensen or for odd bumps).
        rate = n_tokens / (2 * values["noise"] ** 2) / (n_tokens - 1 if odd else 1)

        chosen = self._family(values, n_bumps)
        word = _WORD[:n_bumps]
        flipped = np.where(np.arange(n_bumps) == n_bumps // 2, 1 - word, word)
        u = np.linspace(-_SCORE_BOUND if odd else 0.0, _SCORE_BOUND, _GRID)
        separation = DENSITY * chosen.squared_norm
        kl = separation * rate * n_samples
        error = float(guessing_error_bound(kl))
        series: Series = {
            "guess.curve": {"x": grid, "y": guessing_error_bound(separation * rate * grid)},
            "guess.here": {"x": [n_samples], "y": [error]},
        }
        both = zip(("one", "two"), (word, flipped), drawn_scores(), drawn_noise(), strict=True)
        for key, bits, scores, noise in both:
            phi, scores = chosen.activation(bits), scores[:, : n_tokens - 1]
            outputs = phi(scores).mean(axis=1) + values["noise"] * noise
            series[f"hypotheses.{key}"] = {"x": u, "y": phi(u)}
            series[f"data.{key}"] = {"x": scores[:, 0], "y": outputs}

        by_count = _COUNTS * energies * guessing_error_bound(n_samples * rate * energies) / 2
        best = int(by_count.argmax())
        shown = _COUNTS[: np.searchsorted(_COUNTS, max(_FEWEST_SHOWN, 8 * _COUNTS[best]), side="right")]
        fano = {int(k): self._bound(values, int(k), "fano").value for k in shown if k >= 8}
        useful = [k for k, value in fano.items() if value > 0]
        here = self._bound(values, n_bumps, "assouad").value
        series["bumps.assouad"] = {"x": shown, "y": by_count[: len(shown)]}
        series["bumps.fano"] = {"x": useful, "y": [fano[k] for k in useful]}
        series["bumps.here"] = {"x": [n_bumps], "y": [here]}
        series["bumps.best"] = {"x": [_COUNTS[best]], "y": [by_count[best]]}

        setting = self._setting(values)
        every = _COUNTS * energies * guessing_error_bound(np.multiply.outer(grid * rate, energies)) / 2
        bound = every.max(axis=1)
        budget = [setting.best_budget(round(m), matrix_known=True).total for m in grid]
        series["samples.bound"] = {"x": grid, "y": bound}
        slope = (grid / grid[-1]) ** -setting.exponent
        series["samples.slope"] = {"x": grid, "y": _SHIFT * bound[-1] * slope}
        series["samples.budget"] = {"x": grid, "y": budget}
        series["samples.here"] = {"x": [n_samples], "y": [by_count[best]]}

        verdict = self._bound(values, n_bumps, "fano") if n_bumps >= 8 else None
        proved = "" if error >= _IMPROBABLE else "no "
        facts = {
            "guess": fill(_WORDS[f"{proved}guess"], {"error": error}),
            "assouad": fill(_WORDS[f"{proved}assouad"], {"bound": here}),
            "partners": n_tokens - 1,
            "kl": kl,
            "error": error,
            "separation": separation,
            "bound": here,
            "best": float(by_count[best]),
            "best_bumps": int(_COUNTS[best]),
            "exponent": setting.exponent,
            "fano": _VERDICTS["few" if verdict is None else "works" if verdict.value > 0 else "fails"],
            "fano_kl": 0.0 if verdict is None else verdict.kl,
            "fano_words": 0.0 if verdict is None else n_bumps / 8 * math.log(2),
        }
        return Numbers(series, facts)

    def simulate(
        self, values: Mapping[str, Any], rng: np.random.Generator, report: Callable[[float], None]
    ) -> Iterator[Series]:
        family = self._family(values, values["bumps"])
        word = np.zeros(family.n_bumps)
        word[family.n_bumps // 2] = 1.0
        largest = max(1, min(values["samples"], _MOST_PAIRS // values["tokens"] ** 2))
        sizes = np.unique(np.round(np.geomspace(min(100, largest), largest, 5)).astype(np.int64))
        wrong, n_rounds = np.zeros(len(sizes)), 10
        for k in range(n_rounds):
            report(k / n_rounds)
            game = guessing_game(
                family.activation(word),
                Sphere(3),
                np.eye(3) / _SCORE_BOUND,
                GaussianNoise(values["noise"]),
                values["tokens"],
                sizes.tolist(),
                _GAMES // n_rounds,
                rng,
            )
            wrong += game.error / n_rounds
        spread = 2 * np.sqrt(wrong * (1 - wrong) / _GAMES)
        yield {
            "guess.simulated": {
                "x": sizes,
                "y": wrong,
                "low": np.maximum(wrong - spread, 0.0),
                "high": wrong + spread,
            }
        }

    def _family(self, values: Mapping[str, Any], n_bumps: int) -> BumpFamily:
        return BumpFamily(
            beta=values["beta"],
            holder_constant=values["holder"],
            n_bumps=n_bumps,
            interval=INTERVAL,
            odd=values["argument"] == "odd",
        )

    def _setting(self, values: Mapping[str, Any]) -> Setting:
        return Setting(
            beta=values["beta"],
            n_tokens=values["tokens"],
            noise_std=values["noise"],
            d=1,
            rank=1,
            holder_constant=values["holder"],
            score_bound=_SCORE_BOUND,
        )

    def _bound(self, values: Mapping[str, Any], n_bumps: int, method: str) -> LowerBound:
        return lower_bound(
            values["samples"],
            self._setting(values),
            interval=INTERVAL,
            density=DENSITY,
            symmetric=values["argument"] == "odd",
            method=method,
            n_bumps=n_bumps,
        )


@functools.cache
def drawn_scores() -> NDArray[np.float64]:
    """Return the scores of the drawn outputs with all partners, shape ``(2, _OUTPUTS, _MOST_TOKENS - 1)``.

    Given one token, its scores are independent and uniform. They come from the generator of Lehmer, Park and
    Miller, which the ES module repeats exactly: a table of them would weigh more than the figure.
    """
    modulus, state, draws = 2**31 - 1, _SEED, []
    for _ in range(2 * _OUTPUTS * (_MOST_TOKENS - 1)):
        state = state * 16807 % modulus
        draws.append(2 * state / modulus - 1)
    return _SCORE_BOUND * np.reshape(draws, (2, _OUTPUTS, _MOST_TOKENS - 1))


@functools.cache
def drawn_noise() -> NDArray[np.float64]:
    """Return standard normal noise of the drawn outputs, shape ``(2, _OUTPUTS)``."""
    return np.round(np.random.default_rng(8).standard_normal((2, _OUTPUTS)), 3)
