"""Beyond the paper: are the hidden states of a trained encoder coercive? Every head, seen through its scores.

Four samples of tokens for each head: ``window``, all tokens of a window in their places; ``inside``, without
the two tokens that frame it; ``part``, some tokens of a window drawn at random (exchangeable); ``mixed``,
each token from another window (independent).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.experiments.beyond.heads import RANDOM, TRAINED, check_source, encoder_of, windows_of
from pairint.validation import check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pandas import DataFrame

__all__ = ["DATA_KEYS", "EXPERIMENT", "KINDS", "cells", "compute", "position_shares", "smallest_ratio"]

DATA_KEYS = ("encoder", "weights", "text", "n_windows")
KINDS = ("window", "inside", "part", "mixed")
#: Batches of windows, for the standard errors.
_BATCHES = 20


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: layers x replicates."""
    check_source(settings)
    check_integer("n_windows", settings["n_windows"], _BATCHES, 10_000)
    check_integer("n_part", settings["n_part"], 3, 64)
    check_integer("n_intervals", settings["n_intervals"], 1, 100)
    check_integer("degree", settings["degree"], 0, 5)
    check_integer("replicates", settings["replicates"], 1)
    check_real("tail", settings["tail"], 0, 0.25)
    shared = {key: settings[key] for key in ("n_windows", "n_part", "n_intervals", "degree", "tail")}
    source = {key: settings[key] for key in RANDOM}
    return grid(**source, **shared, layer=settings["layer"], replicate=range(settings["replicates"]))


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Return, for each head of a layer and each sample of tokens, N - 1 times the smallest ratio.

    Windows are drawn without replacement. Columns: ``value``, the smallest ratio over the spline space, and
    ``held_out``, that of the minimiser of one half of the windows, on the other half, with ``held_out_se``.
    Rows of ``window`` also say which share of the variance of the scores is a function of i - j (``offset``),
    or of i and j (``places``), and which share of the attention goes to the two framing tokens (``ends``).
    """
    encoder, numbers = encoder_of(cell["encoder"]), windows_of(cell["encoder"])
    rng = generator_for(cell, DATA_KEYS)
    chosen = rng.choice(len(numbers), min(cell["n_windows"], len(numbers)), replace=False)
    X = encoder.hidden_states(numbers[chosen], cell["layer"])[-1]
    M, N, d = X.shape
    n_part = min(cell["n_part"], N - 2)
    order = np.argsort(rng.random((M, N)), axis=1)[:, :n_part]
    mixed = X.reshape(M * N, d)[rng.permutation(M * N)[: (M * N // n_part) * n_part]].reshape(-1, n_part, d)
    samples = {
        "window": X,
        "inside": X[:, 1:-1],
        "part": np.take_along_axis(X, order[:, :, None], axis=1),
        "mixed": mixed,
    }
    rows = []
    for index in range(encoder.n_heads):
        head = encoder.head(cell["layer"], index)
        for kind, tokens in samples.items():
            scores = head.scores(tokens).astype(np.float64)
            value, held_out, error = smallest_ratio(scores, cell["n_intervals"], cell["degree"], cell["tail"])
            row = {"head": index, "kind": kind, "n_tokens": tokens.shape[1]}
            row |= {"value": value, "held_out": held_out, "held_out_se": error}
            if kind == "window":
                offset, places = position_shares(scores)
                ends = head.attention(tokens)[:, :, [0, -1]].sum(axis=2).mean()
                row |= {"offset": offset, "places": places, "ends": float(ends)}
            rows.append(row)
    return rows


def smallest_ratio(
    scores: NDArray[np.float64], n_intervals: int, degree: int, tail: float
) -> tuple[float, float, float]:
    r"""Return N - 1 times the smallest :math:`E |R_h|^2 / E h^2` over splines h of the score.

    Parameters
    ----------
    scores : ndarray, shape (M, N, N)
        The diagonal is left out.
    n_intervals, degree : int
        Of the splines. They are constant beyond the quantiles ``tail`` and ``1 - tail`` of the scores.
    tail : float
        From 0 to 1/4.

    Returns
    -------
    value, held_out, standard_error : float
        As in :class:`pairint.theory.coercivity.Coercivity`.
    """
    from pairint.model import SplineSpace
    from pairint.theory.coercivity import GramMatrices, coercivity_constant

    N = scores.shape[1]
    pairs = scores[:, ~np.eye(N, dtype=bool)]
    low, high = np.quantile(pairs, [tail, 1 - tail])
    space = SplineSpace(float(low), float(high), n_intervals, degree)
    pair, aggregated = [], []
    for part in np.array_split(np.clip(pairs, low, high), _BATCHES):
        basis = space.design(part.ravel())
        average = basis.reshape(-1, N - 1, space.dimension).mean(axis=1)
        pair.append(basis.T @ basis / len(basis))
        aggregated.append(average.T @ average / len(average))
    found = coercivity_constant(GramMatrices(space, N, np.stack(pair), np.stack(aggregated)))
    return (N - 1) * found.value, (N - 1) * found.held_out, (N - 1) * found.standard_error


def position_shares(scores: NDArray[np.float64]) -> tuple[float, float]:
    """Return the shares of the variance of the scores that i - j explains, and that (i, j) explains.

    Parameters
    ----------
    scores : ndarray, shape (M, N, N)
        The diagonal is left out.
    """
    N = scores.shape[1]
    pairs = ~np.eye(N, dtype=bool)
    mean = scores.mean(axis=0)[pairs]
    offsets = (np.arange(N)[:, None] - np.arange(N))[pairs] + N - 1
    by_offset = np.bincount(offsets, mean) / np.maximum(np.bincount(offsets), 1)
    total = float(scores[:, pairs].var())
    return float(by_offset[offsets].var()) / total, float(mean.var()) / total


def plot(table: DataFrame) -> Figure:
    """Draw N - 1 times the smallest ratio of each head, whole windows against windows without their frame."""
    from pairint.figures.real_head import coercivity_figure

    return coercivity_figure(table)


def claims(table: DataFrame) -> list[Claim]:
    """Compare the smallest ratios with what is proved for independent and for exchangeable tokens."""
    from pairint.theory.exchangeable import extendable_constant

    mean = table.groupby(["kind", "layer", "head"])["held_out"].mean()
    part = table[table["kind"] == "part"]
    n, whole = int(part["n_tokens"].iloc[0]), int(table.loc[table["kind"] == "window", "n_tokens"].iloc[0])
    wanted = {"mixed": 1.0, "part": (n - 1) * extendable_constant(n, whole)}
    names = {"mixed": "tokens of different windows", "part": f"{n} of {whole} tokens of a window"}
    return [
        Claim(
            name=f"(N - 1) x smallest ratio, {names[kind]}, the smallest of {len(mean[kind])} heads",
            source="our own theorem",
            ours=float(mean[kind].min()),
            expected=wanted[kind],
            tolerance=0.05,
            relation="at least",
        )
        for kind in wanted
    ]


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return cell["layer"] + 3.0


_SETTINGS: dict[str, Any] = {"n_part": 16, "n_intervals": 8, "degree": 2, "tail": 0.005}

EXPERIMENT = Experiment(
    name="heads_coercivity",
    title="Coercivity of the hidden states of a trained encoder, head by head",
    source="our own theorem",
    version=1,
    presets={
        "quick": RANDOM | _SETTINGS | {"layer": [0, 1], "n_windows": 200, "n_part": 6, "replicates": 1},
        "full": TRAINED | _SETTINGS | {"layer": list(range(6)), "n_windows": 200, "replicates": 4},
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 2.0, "full": 300.0},
    data_keys=DATA_KEYS,
    cost=cost,
)
