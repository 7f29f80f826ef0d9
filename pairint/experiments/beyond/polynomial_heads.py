"""Beyond the paper: the exponential of every head of a trained encoder replaced by a polynomial of its score.

What is fitted are a few numbers a head, on a few windows; weights stay as they are. What is measured, on the
last pages of the text, which no fit has seen: how far the embeddings of windows move, and how much of each
head's outputs is lost if its input is the encoder's own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.experiments.beyond.heads import RANDOM, TRAINED, check_source, encoder_of, windows_of
from pairint.validation import check_choice, check_integer

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pandas import DataFrame

    from pairint.pretrained import Encoder

__all__ = ["DATA_KEYS", "EXPERIMENT", "METHODS", "SHOWN", "cells", "compute", "n_features"]

DATA_KEYS = ("encoder", "weights", "text", "n_windows")
#: ``uniform``: all weights equal. ``taylor``: of exp at zero; ``centred``: at the head's mean score under its
#: own attention. ``fitted``: least squares of the outputs; ``positive``: nowhere negative; ``sequence``:
#: layer by layer, on what those before it say; ``shared``: one polynomial for all heads; ``weights``: least
#: squares of the weights, not of the outputs. ``truncated``: exp itself, of a score of smaller rank.
#: ``random``: positive orthogonal random features of exp, ``degree`` of them.
METHODS = (
    "uniform", "taylor", "centred", "fitted", "positive", "sequence", "shared", "weights", "truncated",
    "random",
)  # fmt: skip
#: Heads whose polynomials and scores are kept for pictures.
SHOWN = ((0, 0), (2, 5), (4, 0))
#: Windows for the measurement, from the last quarter of the text.
_HELD_OUT = 32
#: Windows on which the proved bound is compared with the error.
_BOUND = 4
_POINTS = 81


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: for each line of ``plan`` its ranks, degrees, numbers of windows, replicates."""
    check_source(settings)
    replicates = check_integer("replicates", settings["replicates"], 1)
    source = {key: settings[key] for key in RANDOM}
    result: list[dict[str, Any]] = []
    for line in settings["plan"]:
        if not isinstance(line, dict) or set(line) != {"method", "rank", "degree", "n_windows"}:
            raise ValueError(f"plan must list method, rank, degree and n_windows, got {line!r}")
        method = check_choice("method", line["method"], METHODS)
        for key in ("rank", "degree", "n_windows"):
            if not isinstance(line[key], Sequence) or len(line[key]) == 0:
                raise ValueError(f"{key} must be a list with at least one value, got {line[key]!r}")
        for rank in line["rank"]:
            for degree in line["degree"]:
                check_integer("degree", degree, 0, 12 if method != "random" else 100_000)
                if method == "positive" and degree % 2:
                    raise ValueError(f"degree must be even for positive, got {degree}")
                for n_windows in line["n_windows"]:
                    cell = source | {"method": method, "rank": check_integer("rank", rank, 1)}
                    cell |= {"degree": degree, "n_windows": check_integer("n_windows", n_windows, 1)}
                    result += grid(**cell, replicate=range(replicates))
    return result


def n_features(method: str, rank: int, degree: int) -> int | None:
    """Return how many features the linear form of a method has: no number is enough for exp."""
    from pairint.model import feature_count

    if method == "truncated":
        return None
    return degree if method == "random" else feature_count(rank, degree)


@functools.lru_cache(maxsize=2)
def _states(name: str, windows: tuple[int, ...]) -> list[tuple[Any, Any, Any]]:
    """Return queries, keys and values of each layer on the training windows."""
    encoder = encoder_of(name)
    states = encoder.hidden_states(windows_of(name)[list(windows)])
    return [encoder.queries_keys_values(layer, states[layer]) for layer in range(encoder.n_layers)]


@functools.lru_cache(maxsize=1)
def _held_out(name: str) -> dict[str, Any]:
    """Return the windows of each kind of text, their embeddings, and what layers see of the first."""
    encoder, windows = encoder_of(name), windows_of(name)
    other = windows[3 * len(windows) // 4 :]
    other = other[:: max(1, len(other) // _HELD_OUT)][:_HELD_OUT]
    rng = np.random.default_rng(0)
    texts = {"other": other}
    texts["shuffled"] = np.concatenate(
        [other[:, :1], rng.permuted(other[:, 1:-1], axis=1), other[:, -1:]], axis=1
    )
    texts["short"] = np.concatenate([other[:, : other.shape[1] // 4], other[:, -1:]], axis=1)
    if 2 * other.shape[1] - 2 <= encoder.max_tokens:
        last = windows[3 * len(windows) // 4 :]
        first = last[: 2 * (len(last) // 2) : 2]
        pairs = np.concatenate([first[:, :-1], last[1 : 2 * (len(last) // 2) : 2, 1:]], axis=1)
        texts["long"] = pairs[:: max(1, 2 * len(pairs) // _HELD_OUT)][: _HELD_OUT // 2]
    states = encoder.hidden_states(other)
    return {
        "texts": texts,
        "embeddings": {kind: encoder.embed(numbers) for kind, numbers in texts.items()},
        "layers": [encoder.queries_keys_values(layer, states[layer]) for layer in range(encoder.n_layers)],
    }


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Return how far embeddings move (kind ``text``), what heads lose (``head``), and what pictures need.

    A row of a text, named in ``reads``: ``cosine``, the mean over windows of the cosine between the embedding
    and the encoder's own, ``worst``, the smallest, and ``similarity``, the correlation of the similarities of
    all pairs of windows with the encoder's own. ``features``: of the linear form.

    A row of a head: ``error``, mean square of the difference of its outputs over their variance,
    ``negative``, the share of pairs with a negative weight, ``denominator``, the smallest sum of weights of a
    row over the mean one, ``bound``, the largest error of a row over what is proved for it (nothing if a
    weight is not positive). Rows of replicate 0 only. Kind ``curve``: a polynomial over the
    scores of a head, and ``quantile``: these scores.
    """
    encoder, held = encoder_of(cell["encoder"]), _held_out(cell["encoder"])
    n_training = 3 * len(windows_of(cell["encoder"])) // 4
    if cell["n_windows"] > n_training:
        raise ValueError(f"n_windows must be at most {n_training}, got {cell['n_windows']}")
    if cell["method"] != "random" and cell["rank"] > encoder.head_size:
        raise ValueError(f"rank must be at most {encoder.head_size}, the size of a head, got {cell['rank']}")
    rng = generator_for(cell, DATA_KEYS)
    chosen = tuple(int(i) for i in rng.choice(n_training, cell["n_windows"], replace=False))
    heads = _mixing(cell, encoder, chosen)
    changed = encoder.with_attention(heads.attend)
    rows: list[dict[str, Any]] = []
    # Other texts than the first cost more than all the rest: once, and where nothing but exp is replaced.
    all_texts = cell["replicate"] == 0 and cell["rank"] == encoder.head_size and cell["degree"] in (2, 4, 6)
    for kind, numbers in held["texts"].items():
        if kind != "other" and not all_texts:
            continue
        own, embedded = held["embeddings"][kind].astype(float), changed.embed(numbers).astype(float)
        cosines = (own * embedded).sum(axis=1)
        pairs = np.triu_indices(len(own), 1)
        similarities = [(E @ E.T)[pairs] for E in (own, embedded)]
        rows.append(
            {
                "kind": "text",
                "reads": kind,
                "features": n_features(cell["method"], cell["rank"], cell["degree"]),
                "cosine": float(cosines.mean()),
                "worst": float(cosines.min()),
                "similarity": float(np.corrcoef(*similarities)[0, 1]),
            }
        )
    if cell["replicate"] == 0 and cell["method"] != "random":
        for layer, (queries, keys, values) in enumerate(held["layers"]):
            weights = heads.weights(layer, queries, keys)
            truth = _exponential(queries, keys)
            rows += [
                {"kind": "head", "layer": layer, "head": h} | _loss(weights[:, h], truth[:, h], values[:, h])
                for h in range(encoder.n_heads)
            ]
        rows += _pictures(cell, heads, held["layers"])
    return rows


def _exponential(queries: Any, keys: Any) -> Any:
    """Return exp of the scores less their rows' means."""
    scores = queries @ (keys - keys.mean(axis=2, keepdims=True)).swapaxes(2, 3)
    return np.exp(scores.astype(float))


def _loss(weights: Any, truth: Any, values: Any) -> dict[str, float]:
    """Compare the outputs of one head under other weights with its own."""
    from pairint.theory.polynomial import attention_error_bound, weight_oscillation

    values = values.astype(float)
    totals = weights.sum(axis=2, keepdims=True)
    own = truth @ values / truth.sum(axis=2, keepdims=True)
    found = weights @ values / totals
    variance = float(((own - own.mean(axis=(0, 1))) ** 2).sum())
    row = {
        "error": float(((found - own) ** 2).sum()) / variance,
        "negative": float((weights < 0).mean()),
        "denominator": float(totals.min() / totals.mean()),
    }
    if weights.min() > 0:
        # One window at a time would do; a few are enough, and pairs of values are many.
        part = slice(_BOUND)
        apart = np.sqrt(((values[part, :, None] - values[part, None, :]) ** 2).sum(axis=3)).max(axis=(1, 2))
        proved = attention_error_bound(weight_oscillation(weights[part], truth[part]), apart[:, None])
        error = np.sqrt(((found[part] - own[part]) ** 2).sum(axis=2))
        # Equal weights move nothing, up to rounding.
        row["bound"] = float((error / np.maximum(proved, 1e-12 * apart[:, None])).max())
    return row


class _Mixing:
    """How the heads of an encoder mix values: a polynomial each, of scores of some rank."""

    def __init__(self, coefficients: Any, maps: Sequence[tuple[Any, Any]] | None = None) -> None:
        self.coefficients = coefficients
        self.maps = maps

    def seen(self, layer: int, queries: Any, keys: Any) -> tuple[Any, Any]:
        """Return queries and keys as the polynomial sees them."""
        if self.maps is None:
            return queries, keys
        left, right = self.maps[layer]
        return queries @ left, keys @ right

    def weights(self, layer: int, queries: Any, keys: Any) -> Any:
        """Return the weights of all pairs, not divided by their sums."""
        queries, keys = self.seen(layer, queries, keys)
        scores = (queries @ (keys - keys.mean(axis=2, keepdims=True)).swapaxes(2, 3)).astype(float)
        value = np.zeros_like(scores)
        for m in range(self.coefficients.shape[2] - 1, -1, -1):
            value = value * scores + self.coefficients[layer, :, m, None, None]
        return value

    def attend(self, layer: int, queries: Any, keys: Any, values: Any) -> Any:
        """Mix the values of a layer."""
        from pairint.model import polynomial_attention

        queries, keys = self.seen(layer, queries, keys)
        return polynomial_attention(queries, keys, values, coefficients=self.coefficients[layer])


class _Truncated(_Mixing):
    """The exponential of scores of smaller rank."""

    def weights(self, layer: int, queries: Any, keys: Any) -> Any:
        return _exponential(*self.seen(layer, queries, keys))

    def attend(self, layer: int, queries: Any, keys: Any, values: Any) -> Any:
        weights = self.weights(layer, queries, keys).astype(values.dtype)
        return weights @ values / weights.sum(axis=3, keepdims=True)


class _RandomFeatures(_Mixing):
    """Positive orthogonal random features of the exponential (Choromanski et al., 2021)."""

    def __init__(self, n_features: int, size: int, rng: np.random.Generator) -> None:
        blocks = []
        for _ in range(-(-n_features // size)):
            Q, T = np.linalg.qr(rng.standard_normal((size, size)))
            blocks.append((Q * np.sign(np.diag(T))).T)  # with these signs every rotation is equally likely
        lengths = np.sqrt(rng.chisquare(size, n_features))
        self.frequencies = (np.concatenate(blocks)[:n_features] * lengths[:, None]).astype(np.float32)

    def attend(self, layer: int, queries: Any, keys: Any, values: Any) -> Any:
        keys = keys - keys.mean(axis=2, keepdims=True)
        # A factor may pass from keys to queries: with equal mean squares the features vary least.
        scale = np.sqrt(np.sqrt((keys**2).mean(axis=(2, 3)) / (queries**2).mean(axis=(2, 3))))[
            :, :, None, None
        ]
        queries, keys = queries * scale, keys / scale
        left = queries @ self.frequencies.T
        right = keys @ self.frequencies.T - (keys**2).sum(axis=3, keepdims=True) / 2
        left = np.exp(left - left.max(axis=3, keepdims=True))
        right = np.exp(right - right.max(axis=(2, 3), keepdims=True))
        state = right.swapaxes(2, 3) @ np.concatenate([values, np.ones_like(values[..., :1])], axis=3)
        sums = left @ state
        return sums[..., :-1] / sums[..., -1:]


def _mixing(cell: dict[str, Any], encoder: Encoder, windows: tuple[int, ...]) -> _Mixing:
    """Return the heads of a cell, fitted where there is something to fit."""
    from pairint.estimation import RowSums, fit_polynomial
    from pairint.theory import taylor_coefficients

    method, degree, full = cell["method"], cell["degree"], cell["rank"] == encoder.head_size
    layers, heads = range(encoder.n_layers), range(encoder.n_heads)
    if method == "random":
        rng = generator_for(cell, DATA_KEYS, "features")
        return _RandomFeatures(degree, encoder.head_size, rng)
    if method == "uniform":
        return _Mixing(np.ones((encoder.n_layers, encoder.n_heads, 1)))
    if method == "taylor":
        return _Mixing(
            np.broadcast_to(taylor_coefficients(degree), (encoder.n_layers, encoder.n_heads, degree + 1))
        )
    states = _states(cell["encoder"], windows)
    coefficients = np.zeros((encoder.n_layers, encoder.n_heads, degree + 1))
    maps = None if full else [_truncation(*states[layer][:2], cell["rank"]) for layer in layers]
    if method == "truncated":
        return _Truncated(coefficients, maps)

    def sums(layer: int, head: int, state: tuple[Any, Any, Any]) -> RowSums:
        queries, keys, values = (part[:, head].astype(float) for part in state)
        scores = queries @ keys.swapaxes(1, 2)
        if maps is None:
            return RowSums.of(scores, values, degree)
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        own = weights @ values / weights.sum(axis=2, keepdims=True)
        left, right = (side[head] for side in maps[layer])
        return RowSums.of(queries @ left @ (keys @ right).swapaxes(1, 2), values, degree, own)

    if method == "shared":
        together = RowSums.joined([sums(i, h, states[i]) for i in layers for h in heads])
        coefficients[:] = fit_polynomial(together).coefficients
        return _Mixing(coefficients, maps)
    found = _Mixing(coefficients, maps)
    numbers = windows_of(cell["encoder"])[list(windows)]
    single: Callable[[Any, int], Any] | None = {"centred": _centred, "weights": _of_weights}.get(method)
    for layer in layers:
        state = states[layer]
        if method == "sequence" and layer:
            X = encoder.with_attention(found.attend).hidden_states(numbers, layer)[-1]
            state = encoder.queries_keys_values(layer, X)
        for head in heads:
            if single is not None:
                scores = np.log(_exponential(state[0][:, head : head + 1], state[1][:, head : head + 1]))
                coefficients[layer, head] = single(scores[:, 0], degree)
            else:
                fit = fit_polynomial(sums(layer, head, state), positive=method == "positive")
                coefficients[layer, head] = fit.coefficients
    return found


def _truncation(queries: Any, keys: Any, rank: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    from pairint.estimation import score_truncation

    pairs = [score_truncation(queries[:, head], keys[:, head], rank) for head in range(queries.shape[1])]
    left, right = (np.stack(side).astype(queries.dtype) for side in zip(*pairs, strict=True))
    return left, right


def _centred(scores: Any, degree: int) -> NDArray[np.float64]:
    """Return Taylor's polynomial of exp at the mean score under the head's own attention."""
    from pairint.theory import taylor_coefficients

    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    return taylor_coefficients(degree, float((weights * scores).sum() / weights.sum()))


def _of_weights(scores: Any, degree: int) -> NDArray[np.float64]:
    """Return the least-squares fit of the weights of attention: of ``exp(t) / sum``, row by row."""
    truth = np.exp(scores - scores.max(axis=2, keepdims=True))
    shrink = np.exp(-scores.max(axis=2, keepdims=True)) / truth.sum(axis=2, keepdims=True)
    spread = float(scores.std()) or 1.0
    design = np.stack([((scores / spread) ** m * shrink).ravel() for m in range(degree + 1)], axis=1)
    target = (truth / truth.sum(axis=2, keepdims=True)).ravel()
    return np.asarray(np.linalg.lstsq(design, target, rcond=None)[0] / spread ** np.arange(degree + 1))


def _pictures(cell: dict[str, Any], heads: _Mixing, layers: Any) -> list[dict[str, Any]]:
    """Return curves over the scores of some heads, for polynomials of full rank."""
    rows: list[dict[str, Any]] = []
    size = layers[0][0].shape[3]
    if cell["rank"] != size or cell["method"] not in ("uniform", "taylor", "fitted", "positive"):
        return rows
    for layer, head in SHOWN:
        if layer >= len(layers) or head >= layers[layer][0].shape[1]:
            continue
        queries, keys, _ = (part[:, head : head + 1] for part in layers[layer])
        scores = np.log(_exponential(queries, keys))
        place = {"layer": layer, "head": head}
        if cell["method"] == "uniform":
            shares = np.linspace(0, 1, _POINTS)
            levels = np.quantile(scores, shares)
            rows += [
                place | {"kind": "quantile", "x": a, "y": float(b)}
                for a, b in zip(shares, levels, strict=True)
            ]
            continue
        t = np.linspace(float(scores.min()), float(scores.max()), _POINTS)
        value = np.polyval(heads.coefficients[layer, head][::-1], t)
        # Any factor will do: the one with which the weights of a row add up to as much in the mean.
        own = np.exp(scores).mean()
        value = value * own / np.polyval(heads.coefficients[layer, head][::-1], scores).mean()
        rows += [
            place | {"kind": "curve", "x": float(a), "y": float(b)} for a, b in zip(t, value, strict=True)
        ]
    return rows


def plot(table: DataFrame) -> Figure:
    """Draw the fidelity of embeddings against the number of features."""
    from pairint.figures.polynomial_attention import frontier_figure

    return frontier_figure(table)


def claims(table: DataFrame) -> list[Claim]:
    """Compare errors with the proved bound, fitted with expanded polynomials, and degree with rank."""
    texts = table[(table["kind"] == "text") & (table["reads"] == "other")]
    windows = int(texts["n_windows"].mode()[0])
    cosine = texts[texts["n_windows"] == windows].groupby(["method", "rank", "degree"])["cosine"].mean()
    heads = table[table["kind"] == "head"]
    full = int(texts.loc[texts["method"] == "taylor", "rank"].max())
    result = []

    def add(name: str, value: Any, expected: float, tolerance: float, relation: str, source: str) -> None:
        result.append(Claim(name, source, float(value), None, None, expected, tolerance, relation))

    add(
        "error of a head's output over its proved bound, the largest",
        heads["bound"].max(), 1, 1e-6, "at most", "our own theorem",
    )  # fmt: skip
    positive = heads[heads["method"] == "positive"]
    add(
        "share of negative weights of positive polynomials",
        positive["negative"].max(),
        0,
        0,
        "at most",
        "our own theorem",
    )
    for degree in (2, 4):
        lost = (1 - cosine["fitted", full, degree]) / (1 - cosine["taylor", full, degree])
        add(
            f"1 - cosine, degree {degree}: fitted over Taylor", lost, 1, 0, "at most", "our own experiment",
        )  # fmt: skip
    return result


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return (
        3.0
        + cell["n_windows"] / 20
        + (cell["degree"] / 500 if cell["method"] == "random" else cell["degree"])
    )


def _line(
    method: str, rank: list[int], degree: list[int], n_windows: Sequence[int] = (20,)
) -> dict[str, Any]:
    return {"method": method, "rank": rank, "degree": degree, "n_windows": list(n_windows)}


_FULL = [
    _line("uniform", [32], [0]),
    _line("taylor", [32], [1, 2, 3, 4, 6]),
    _line("centred", [32], [4]),
    _line("fitted", [32], [1]),
    _line("fitted", [4, 8, 16, 32], [2, 3, 4]),
    _line("positive", [32], [2, 4, 6]),
    _line("positive", [4], [4]),
    _line("sequence", [4], [4]),
    _line("shared", [32], [2, 4]),
    _line("weights", [32], [4]),
    _line("truncated", [4, 8], [0]),
    _line("random", [32], [70, 561]),
    _line("fitted", [32], [4], n_windows=[2, 80]),
]
_QUICK = [
    _line("uniform", [4], [0]),
    _line("taylor", [4], [2, 4]),
    _line("fitted", [2, 4], [2, 4]),
    _line("positive", [4], [2, 4]),
]

EXPERIMENT = Experiment(
    name="polynomial_attention",
    title="The exponential of every head of an encoder replaced by a polynomial",
    source="our own experiment",
    version=1,
    presets={
        "quick": RANDOM | {"plan": _QUICK, "replicates": 1},
        "full": TRAINED | {"plan": _FULL, "replicates": 1},
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 5.0, "full": 230.0},
    data_keys=DATA_KEYS,
    cost=cost,
    reproducible="to 1e-3",
)
