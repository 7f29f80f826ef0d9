"""Beyond the paper: a trained attention head read from its outputs, the values known.

What is observed of a head: its tokens (hidden states, with a one), their values, and its outputs, with noise
or without. What is not: its matrix and, for the task ``spline``, its activation. Every fit starts cold, from
what the outputs say around uniform attention; for the task ``random`` from a random matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.experiments.beyond.heads import RANDOM, TRAINED, check_source, encoder_of, windows_of
from pairint.validation import check_choice, check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pandas import DataFrame

__all__ = ["DATA_KEYS", "EXPERIMENT", "SENTENCE", "TASKS", "cells", "compute", "n_parameters"]

DATA_KEYS = ("encoder", "weights", "text", "layer", "head", "noise", "n_samples")
#: ``exp``: the activation is known; ``spline``: its logarithm is a spline; ``random``: as exp, from a random
#: start; ``shuffled``: as exp, the outputs belong to other tokens.
TASKS = ("exp", "spline", "random", "shuffled")
#: Windows for the errors, none of which a fit sees.
_HELD_OUT = 100
#: Pairs of true and learned scores that are kept for a picture, and points of a learned activation.
_SCORES, _POINTS = 150, 41
#: What single precision resolves of a relative squared error, and of one minus a correlation.
_FLOOR = 1e-9
#: A step is worth while if it promises so many noise variances, for each parameter.
_TOLERANCE, _STEPS = 0.01, 20
SENTENCE = "A word asks a question, and the other words answer it."


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: for each line of ``plan`` its heads, noises and numbers of windows."""
    check_source(settings)
    result: list[dict[str, Any]] = []
    for line in settings["plan"]:
        if not isinstance(line, dict) or set(line) != {
            "task",
            "heads",
            "noise",
            "n_samples",
            "rank",
            "replicates",
        }:
            raise ValueError(
                f"plan must list task, heads, noise, n_samples, rank and replicates, got {line!r}"
            )
        check_choice("task", line["task"], TASKS)
        check_integer("replicates", line["replicates"], 1, 1000)
        for key in ("heads", "noise", "n_samples", "rank"):
            if not isinstance(line[key], Sequence) or len(line[key]) == 0:
                raise ValueError(f"{key} must be a list with at least one value, got {line[key]!r}")
        for layer, head in line["heads"]:
            for noise in line["noise"]:
                for rank in line["rank"]:
                    for n_samples in line["n_samples"]:
                        check_integer("n_samples", n_samples, 5)
                        cell = {key: settings[key] for key in RANDOM}
                        cell |= {"task": line["task"], "layer": check_integer("layer", layer, 0)}
                        cell |= {
                            "head": check_integer("head", head, 0),
                            "rank": check_integer("rank", rank, 1),
                        }
                        cell |= {"noise": check_real("noise", noise, 0), "n_samples": n_samples}
                        result += [cell | {"replicate": number} for number in range(line["replicates"])]
    return result


def n_parameters(rank: int, d: int) -> int:
    """Return how many numbers of a matrix of this rank a softmax over normalised hidden states can show.

    Tokens (x, 1) have d + 1 coordinates and span d dimensions, for a normalised x satisfies a linear
    relation; what is added to all keys alike is not seen: d for the queries, d - 1 for the keys.
    """
    return rank * (2 * d - 1 - rank)


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the errors of a fit (kind ``fit``), and what pictures need.

    Errors are mean squares over the variance of the outputs, against the outputs without noise: ``in_sample``
    on the windows of the fit, ``error`` on held-out ones. ``law`` is sigma^2 p / (k n) in the same unit, for
    n tokens with outputs in R^k. ``uniform`` is the error of uniform attention. ``correlation`` is that of
    learned and true scores on held-out windows, row means taken off, and ``interaction`` the same with column
    means taken off too; ``scale`` leads from learned to true scores. With a learned activation ``bend`` is
    how far its logarithm is from a straight line, at most, as a share of its range, over all scores but two
    in a thousand, and ``slope`` is its slope per unit of the true score. Other kinds: ``score`` (x true,
    y learned and scaled), ``curve`` (x score, scaled, y logarithm of the activation), ``weight`` (i, j;
    x true, y learned: the attention on a sentence).
    """
    from pairint.estimation import InteractionRegressor

    encoder, numbers = encoder_of(cell["encoder"]), windows_of(cell["encoder"])
    # The same windows in all cells: a smaller sample is part of a larger one.
    order = np.random.default_rng(0).permutation(len(numbers))
    if cell["n_samples"] + _HELD_OUT > len(numbers):
        raise ValueError(f"n_samples must be at most {len(numbers) - _HELD_OUT}, got {cell['n_samples']}")
    head = encoder.head(cell["layer"], cell["head"])

    def observed(numbers: NDArray[Any]) -> tuple[Any, Any, Any, Any]:
        X = encoder.hidden_states(numbers, cell["layer"])[-1].astype(np.float32)
        ones = np.ones((*X.shape[:2], 1), np.float32)
        return np.concatenate([X, ones], axis=2), head.values(X), head.outputs(X), head.scores(X)

    rng = generator_for(cell, DATA_KEYS)
    X, V, O, _ = observed(numbers[order[: cell["n_samples"]]])
    n_outputs, n_rows = O.shape[2], O.shape[0] * O.shape[1]
    variance = float(O.reshape(-1, n_outputs).var(axis=0).mean())
    Y = O + cell["noise"] * np.sqrt(variance) * rng.standard_normal(O.shape)
    if cell["task"] == "shuffled":
        Y = rng.permutation(Y.reshape(-1, n_outputs)).reshape(Y.shape)
    fit = InteractionRegressor(
        rank=cell["rank"],
        n_intervals=8,
        channel="normalised",
        activation=None if cell["task"] == "spline" else "exp",
        start="random" if cell["task"] == "random" else "linear",
        n_starts=1,
        tol=_TOLERANCE * n_parameters(cell["rank"], encoder.d),
        max_iter=_STEPS,
        random_state=int(rng.integers(2**31)),
    ).fit(X, Y.astype(np.float32), values=V)
    held, V_held, O_held, S_held = observed(numbers[order[-_HELD_OUT:]])

    def error(predicted: Any, wanted: Any) -> float:
        return max(_FLOOR, float(np.mean((predicted - wanted) ** 2)) / variance)

    learned = np.asarray(fit.scores(held), dtype=float)
    true, found = (S - S.mean(axis=2, keepdims=True) for S in (S_held.astype(float), learned))
    scale = float((true * found).sum() / (found * found).sum())

    def correlation(a: Any, b: Any) -> float:
        value = np.sign(scale) * float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
        return min(float(value), 1 - _FLOOR)

    both = [S - S.mean(axis=1, keepdims=True) for S in (true, found)]
    row = {
        "kind": "fit",
        "n_tokens": n_rows,
        "in_sample": error(fit.predict(X, values=V), O),
        "error": error(fit.predict(held, values=V_held), O_held),
        "law": cell["noise"] ** 2 * n_parameters(cell["rank"], encoder.d) / (n_outputs * n_rows),
        "uniform": error(V_held.mean(axis=1, keepdims=True), O_held),
        "correlation": correlation(true, found),
        "interaction": correlation(*both),
        "scale": scale,
        "n_iter": int(fit.n_iter_),
        "cg_iterations": int(sum(step["cg_iterations"] for step in fit.history_)),
        "converged": bool(fit.converged_),
    }
    rows = [row]
    if cell["task"] == "spline":
        low, high = np.quantile(learned, [0.001, 0.999])
        u = np.linspace(float(low), float(high), _POINTS)
        logarithm = np.asarray(fit.activation_.log(u))
        line = np.polyfit(u, logarithm, 1)
        row |= {"bend": float(np.abs(logarithm - np.polyval(line, u)).max() / np.ptp(logarithm))}
        row |= {"slope": float(line[0]) / scale}
        points = zip((scale * u).tolist(), logarithm.tolist(), strict=True)
        rows += [{"kind": "curve", "x": a, "y": b} for a, b in points]
    if cell["task"] in ("exp", "shuffled"):
        at = np.random.default_rng(1).choice(true.size, _SCORES, replace=False)
        pairs = zip(true.ravel()[at].tolist(), (scale * found.ravel()[at]).tolist(), strict=True)
        rows += [{"kind": "score", "x": a, "y": b} for a, b in pairs]
    if cell["task"] == "exp" and cell["encoder"] == TRAINED["encoder"]:
        from pairint.pretrained import load_tokenizer

        X, _, _, S = observed(np.array([load_tokenizer().encode(SENTENCE, ends=True)]))
        laws = [np.exp(scores - scores.max(axis=1, keepdims=True)) for scores in (S[0], fit.scores(X)[0])]
        laws = [weights / weights.sum(axis=1, keepdims=True) for weights in laws]
        rows += [
            {"kind": "weight", "i": i, "j": j, "x": float(laws[0][i, j]), "y": float(laws[1][i, j])}
            for i, j in np.ndindex(laws[0].shape)
        ]
    return rows


def plot(table: DataFrame) -> Figure:
    """Draw the errors against the number of tokens, beside the law of counting."""
    from pairint.figures.real_head import recovery_figure

    return recovery_figure(table)


def claims(table: DataFrame) -> list[Claim]:
    """Compare recovered heads with the true ones, the errors with the law, and the controls with nothing."""
    fits = table[table["kind"] == "fit"]
    result = []

    def add(name: str, value: Any, expected: float, tolerance: float, relation: str) -> None:
        result.append(
            Claim(name, "our own experiment", float(value), None, None, expected, tolerance, relation)
        )

    known = fits[(fits["task"] == "exp") & (fits["rank"] == fits["rank"].mode()[0])]
    most = known[known["n_samples"] == known.groupby("noise")["n_samples"].transform("max")]
    exact, noisy = most[most["noise"] == 0], most[most["noise"] > 0]
    if len(exact):
        add(
            "correlation of scores without noise, the smallest",
            exact["correlation"].min(),
            1,
            1e-3,
            "at least",
        )
    if len(noisy):
        ratio = (noisy["in_sample"] / noisy["law"]).max()
        add("in-sample error over the law of counting, with noise, the largest", ratio, 1, 0.15, "at most")
    control = fits[fits["task"] == "shuffled"]
    if len(control):
        largest = control["interaction"].abs().max()
        add("interaction found in shuffled outputs, the largest", largest, 0, 0.1, "at most")
    learned = fits[fits["task"] == "spline"]
    if len(learned):
        add("bend of the learned log-activation, the largest", learned["bend"].max(), 0, 0.02, "at most")
    return result


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return cell["n_samples"] * (2.0 if cell["task"] == "spline" else 1.0) + 5.0


_HEADS = [[0, 0], [2, 5], [4, 0]]


def _line(task: str, noise: list[float], n_samples: list[int], **other: Any) -> dict[str, Any]:
    line = {
        "task": task,
        "heads": _HEADS,
        "noise": noise,
        "n_samples": n_samples,
        "rank": [32],
        "replicates": 1,
    }
    return line | other


_FULL = [
    _line("exp", [0.1], [16, 32, 64, 128, 256]),
    _line("exp", [0.0], [32, 64]),
    _line("spline", [0.1], [64], replicates=2),
    _line("random", [0.1], [64], heads=[[2, 5]]),
    _line("shuffled", [0.1], [64], heads=[[2, 5]]),
    _line("exp", [0.1], [64], heads=[[2, 5]], rank=[16, 24, 40]),
]
_QUICK = [
    _line("exp", [0.0, 0.1], [20, 80], heads=[[0, 0], [1, 2]], rank=[4]),
    _line("spline", [0.1], [80], heads=[[1, 2]], rank=[4]),
    _line("shuffled", [0.1], [80], heads=[[1, 2]], rank=[4]),
]

EXPERIMENT = Experiment(
    name="head_recovery",
    title="A trained attention head recovered from its outputs",
    source="our own experiment",
    version=1,
    presets={"quick": RANDOM | {"plan": _QUICK}, "full": TRAINED | {"plan": _FULL}},
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 5.0, "full": 3000.0},
    data_keys=DATA_KEYS,
    cost=cost,
    reproducible="to 1e-3",
)
