"""Where a word looks: the weights of a real head on a sentence, and those read from its outputs."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.experiments.beyond.head_recovery import SENTENCE
from pairint.experiments.tables import load_results
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Mark, Panel, Parameter, points, rule, words
from pairint.explorers.small.base import SmallFigure
from pairint.figures.real_head import words_of

__all__ = ["TOKENS", "WORDS", "WhereAWordLooks", "weights"]

_LAYER, _HEAD, _NOISE, _RANK, _WINDOW = 0, 0, 0.1, 32, 64
TOKENS = (1024, 2048, 4096, 8192, 16_384)


def _named(plain: list[str]) -> tuple[str, ...]:
    """Return the words, a later one of a pair with its number: each is a choice of its own."""
    seen = [plain[:i].count(word) for i, word in enumerate(plain)]
    return tuple(f"{word} ({n + 1})" if n else word for word, n in zip(plain, seen, strict=True))


#: The words and signs of the sentence, without the two tokens that frame it.
WORDS = _named(words_of(SENTENCE)[1:-1])


class WhereAWordLooks(SmallFigure):
    """The weights that a word of a real sentence gives to the others, in truth and as learned.

    Book: :doc:`/book/real_head`.

    Head 0 of layer 0 of the trained encoder, learned from its outputs with ten per cent of noise on other
    text: from the stored table of the experiment ``head_recovery``.
    """

    name = "real_head"
    title = "Where a word looks"
    summary = (
        "“{word}” gives “{most}” {given}; read from {tokens_read} tokens, {learned}. Over all keys {off} % "
        "of the weight lies elsewhere. Error over the variance: {error} on new text, {own} on the fitted."
    )
    play = "tokens_read"
    parameters = (
        Parameter("word", "word", "asks", scale="list", choices=WORDS),
        Parameter("tokens_read", "tokens read", 1024, scale="list", choices=TOKENS),
    )
    panels = (
        Panel(
            "row",
            "Weights of “{word}”, and as learned",
            Axis("attention weight", range=(0.0, 0.8)),
            Axis("place in the sentence", range=(len(WORDS) + 0.6, 0.3)),
            (
                Mark("curves", "true", "true", "truth", width=9.0, opacity=0.3),
                points("learned", "learned", "fit", "diamond", 3.4),
                rule("asking", "asks", "y", "muted", "dot"),
                *(words(f"word{i}", word) for i, word in enumerate(WORDS)),
            ),
            height=480,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"word": WORDS, "tokens_read": TOKENS},
            "weights": {key: np.asarray(value).tolist() for key, value in weights().items()},
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        table = weights()
        i, m = WORDS.index(values["word"]), TOKENS.index(values["tokens_read"])
        true, learned = table["true"][i], table["learned"][m, i]
        n = len(WORDS)
        places = np.arange(1, n + 1)
        most = int(np.argmax(true[:n]))
        series: dict[str, Any] = {
            "row.true": {"x": np.stack([0 * true[:n], true[:n]], 1).ravel(), "y": np.repeat(places, 2) + 0.2},
            "row.learned": {"x": learned[:n], "y": places + 0.2},
            "row.asking": {"at": i + 1.2},
        }
        for k in range(n):
            series[f"row.word{k}"] = {"x": [0.012], "y": [k + 0.8]}
        # Half the distance, in percent, of whole ten-thousandths: so that both languages round alike.
        facts = {
            "most": WORDS[most],
            "given": float(true[most]),
            "learned": float(learned[most]),
            "off": (round(1e4 * float(np.abs(true - learned).sum())) + 100) // 200,
            "error": float(table["error"][m]),
            "own": float(table["own"][m]),
        }
        return Numbers(series, facts)


@functools.cache
def weights() -> dict[str, Any]:
    """Return the weights of each word, true and for each of `TOKENS` as learned, and the errors.

    Of each row the last two are those of the tokens that frame the sentence.
    """
    table = load_results("head_recovery")
    rows = table[
        (table["task"] == "exp")
        & (table["layer"] == _LAYER)
        & (table["head"] == _HEAD)
        & (table["noise"] == _NOISE)
        & (table["rank"] == _RANK)
    ]
    n = len(WORDS)
    order = [*range(1, n + 1), 0, n + 1]
    found: dict[str, Any] = {"learned": [], "error": [], "own": []}
    for tokens in TOKENS:
        part = rows[rows["n_samples"] == tokens // _WINDOW]
        fit = part[part["kind"] == "fit"].iloc[0]
        found["error"].append(float(f"{fit['error']:.4g}"))
        found["own"].append(float(f"{fit['in_sample']:.4g}"))
        row = part[part["kind"] == "weight"]
        for key, column in (("true", "x"), ("learned", "y")):
            square = row.pivot(index="i", columns="j", values=column).to_numpy()
            square = square[np.ix_(order[:n], order)].round(4)
            if key == "true":
                found["true"] = square
            else:
                found["learned"].append(square)
    return found | {"learned": np.array(found["learned"])}
