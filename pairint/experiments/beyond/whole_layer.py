"""Beyond the paper: what is left of a trained head when less is known, and of a layer that sums its heads.

Tasks, each a kind of cell:

``count``
    How much of a head of small rank some windows show: the rank of the derivative of its outputs.
``cold``, ``near``, ``nudged``
    A head from outputs without noise and few windows; from nothing, and from factors next to the true ones;
    and the error of these factors themselves.
``attention``
    How sharp a head is: the mean of the largest weight of a row, and of one minus the sum of squared weights.
``heads``
    Many heads, with noise, cold.
``rank``
    The same with other ranks.
``chosen``
    A head whose rank is not known either, but for a largest one.
``values``
    A head whose value matrix is learned with its queries and keys.
``layer``
    The sum of all heads of a layer, their values known: one joint fit, from separated starts.
``pair``, ``pair-near``
    The sum of two heads of a layer whose values are learned too; cold, and from the true parameters.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.experiments.beyond.head_recovery import n_parameters
from pairint.experiments.beyond.heads import RANDOM, TRAINED, check_source, encoder_of, windows_of
from pairint.validation import check_choice, check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pandas import DataFrame

    from pairint.pretrained import Encoder, Head

__all__ = [
    "DATA_KEYS",
    "EXPERIMENT",
    "TASKS",
    "cells",
    "compute",
    "derivative",
    "fit_layer",
    "shown",
    "value_parameters",
]

DATA_KEYS = ("encoder", "weights", "text", "layer", "head", "noise", "n_samples")
TASKS = (
    "count",
    "attention",
    "cold",
    "near",
    "nudged",
    "heads",
    "rank",
    "chosen",
    "values",
    "layer",
    "pair",
    "pair-near",
)
_KEYS = {"task", "heads", "noise", "n_samples", "rank", "n_outputs", "max_iter", "replicates"}
#: Windows for the errors, none of which a fit sees.
_HELD_OUT = 100
#: What single precision resolves of a relative squared error, and of one minus a correlation.
_FLOOR = 1e-9
#: A step is worth while if it promises so many noise variances, for each parameter.
_TOLERANCE = 0.01
#: Relative perturbation of the true factors from which the task ``near`` starts.
_NEAR = 0.05
#: Singular values below this share of the largest count as zero: tokens are of single precision.
_ZERO = 1e-9


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: for each line of ``plan`` its heads, noises, ranks, outputs and windows."""
    check_source(settings)
    result: list[dict[str, Any]] = []
    for line in settings["plan"]:
        if not isinstance(line, dict) or set(line) != _KEYS:
            raise ValueError(f"plan must list {', '.join(sorted(_KEYS))}, got {line!r}")
        check_choice("task", line["task"], TASKS)
        check_integer("replicates", line["replicates"], 1, 1000)
        check_integer("max_iter", line["max_iter"], 0, 1000)
        for key in ("heads", "noise", "n_samples", "rank", "n_outputs"):
            if not isinstance(line[key], Sequence) or len(line[key]) == 0:
                raise ValueError(f"{key} must be a list with at least one value, got {line[key]!r}")
        for layer, head in line["heads"]:
            for noise in line["noise"]:
                for rank in line["rank"]:
                    for n_outputs in line["n_outputs"]:
                        for n_samples in line["n_samples"]:
                            cell = {key: settings[key] for key in RANDOM} | {"task": line["task"]}
                            cell |= {"layer": check_integer("layer", layer, 0)}
                            cell |= {"head": check_integer("head", head, 0)}
                            cell |= {"rank": check_integer("rank", rank, 1)}
                            cell |= {"n_outputs": check_integer("n_outputs", n_outputs, 1)}
                            cell |= {"noise": check_real("noise", noise, 0)}
                            cell |= {"n_samples": check_integer("n_samples", n_samples, 1)}
                            cell |= {"max_iter": line["max_iter"]}
                            result += [cell | {"replicate": number} for number in range(line["replicates"])]
    return result


def shown(rank: int, n_tokens: int, n_outputs: int) -> int:
    """Return the largest number of equations for a matrix of this rank that one window can give.

    A window shows the matrix of its scores only, of this rank, without its row shifts; and no more numbers
    than it has outputs.
    """
    rank = min(rank, n_tokens - 1)
    return min(n_tokens * n_outputs, rank * (2 * n_tokens - 1 - rank))


def value_parameters(n_outputs: int, d: int) -> int:
    """Return how many numbers of a value matrix (its bias with it) normalised hidden states can show."""
    return n_outputs * d


def derivative(Z: Any, U: Any, V: Any, values: Any) -> NDArray[np.float64]:
    """Return the derivative of a head's outputs in the factors of its matrix.

    Parameters
    ----------
    Z : ndarray, shape (M, N, d)
        Tokens.
    U, V : ndarray, shape (d, r)
        Factors: scores are ``Z U (Z V)'``.
    values : ndarray, shape (M, N, v)

    Returns
    -------
    ndarray, shape (M N v, 2 d r)
    """
    P, Q = Z @ U, Z @ V
    scores = P @ Q.swapaxes(1, 2)
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    outputs = weights @ values
    n_samples, n_tokens, n_outputs = outputs.shape
    d, rank = U.shape
    result = np.empty((n_samples, n_tokens, n_outputs, 2, d, rank))
    for a in range(n_outputs):  # what weights and values make of a change of the scores
        moved = weights * (values[:, None, :, a] - outputs[:, :, None, a])
        result[:, :, a, 0] = Z[:, :, :, None] * (moved @ Q)[:, :, None, :]
        result[:, :, a, 1] = (moved @ Z)[:, :, :, None] * P[:, :, None, :]
    return result.reshape(n_samples * n_tokens * n_outputs, 2 * d * rank)


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what came out.

    For the task ``count``: ``found``, the rank of the derivative; ``bound``, what is proved to be its most;
    ``p``, the number of parameters that are visible at all; and ``below`` and ``above``, the singular values
    on either side of the rank, as shares of the largest.

    For ``attention``: ``largest`` and ``spread``, one minus the sum of squared weights of a row.

    For the others, as ``head_recovery``: ``in_sample`` and ``error`` (mean squares over the variance of the
    outputs, against outputs without noise), ``law`` (the error on its own windows by counting),
    ``correlation`` (learned and true scores on held-out windows, row means taken off). ``noisy_error``
    is the error on held-out windows with noise, which a user can measure. ``nudged`` has the first of these
    for its factors (kind ``start``). For ``values`` also
    ``value_error``, that of the values over their variance. For ``chosen`` also ``found``, the rank, and
    ``low`` and ``high``, the ranks that were not called worse; and a row each rank tried (kind ``tried``):
    its ``criterion``, the mean squared error on windows left out over the variance, and ``standard_error``,
    of its difference to that of the choice. For ``layer`` and ``pair`` a row each head
    (kind ``head``), with ``amplified``, for ``layer``, the noise over the signal of the head's output after
    the sum is taken apart.
    """
    encoder, numbers = encoder_of(cell["encoder"]), windows_of(cell["encoder"])
    if cell["n_samples"] + _HELD_OUT > len(numbers):
        raise ValueError(f"n_samples must be at most {len(numbers) - _HELD_OUT}, got {cell['n_samples']}")
    if cell["layer"] >= encoder.n_layers:
        raise ValueError(f"layer must be below {encoder.n_layers}, got {cell['layer']}")
    order = _order(len(numbers))
    X = _states(cell["encoder"], cell["n_samples"], False)[cell["layer"]]
    if cell["task"] == "attention":
        weights = encoder.head(cell["layer"], cell["head"]).attention(X).astype(float)
        row = {"kind": "attention", "n_tokens": X.shape[0] * X.shape[1]}
        row |= {"largest": float(weights.max(axis=2).mean())}
        return [row | {"spread": float(1 - (weights**2).sum(axis=2).mean())}]
    if cell["task"] == "count":
        return [_count(cell, encoder, X, numbers, order)]
    held = _states(cell["encoder"], _HELD_OUT, True)[cell["layer"]]
    rng = generator_for(cell, DATA_KEYS)
    if cell["task"] == "layer":
        rows = fit_layer(
            encoder,
            cell["layer"],
            X,
            held,
            noise=cell["noise"],
            rank=cell["rank"],
            max_iter=cell["max_iter"],
            rng=rng,
        )
        del rows[0]["risk"]  # not in the stored tables
        return rows
    if cell["task"].startswith("pair"):
        return _pair(cell, encoder, X, held, rng)
    return _single(cell, encoder, X, held, rng)


def _order(n_windows: int) -> NDArray[np.intp]:
    return np.random.default_rng(0).permutation(n_windows)


@functools.lru_cache(maxsize=4)
def _states(name: str, n_samples: int, held_out: bool) -> list[NDArray[np.float32]]:
    """Return the hidden states before each layer of the first, or last, windows: many cells share them."""
    encoder, numbers = encoder_of(name), windows_of(name)
    order = _order(len(numbers))
    chosen = numbers[order[-n_samples:] if held_out else order[:n_samples]]
    return [state.astype(np.float32) for state in encoder.hidden_states(chosen, encoder.n_layers - 1)]


def _with_one(X: Any) -> Any:
    return np.concatenate([X, np.ones((*X.shape[:2], 1), X.dtype)], axis=2)


def _count(cell: dict[str, Any], encoder: Encoder, X: Any, numbers: Any, order: Any) -> dict[str, Any]:
    """Return the row of a ``count`` cell, on coordinates in which tokens of the text are white."""
    head = encoder.head(cell["layer"], cell["head"])
    pool = encoder.hidden_states(numbers[order[: max(cell["n_samples"], 60)]], cell["layer"])[-1]
    rows = _with_one(pool).reshape(-1, encoder.d + 1).astype(float)
    _, singular, axes = np.linalg.svd(rows, full_matrices=False)
    axes = axes[: encoder.d] * (singular[: encoder.d, None] / np.sqrt(len(rows)))  # tokens are Z axes
    Z = _with_one(X).astype(float) @ np.linalg.pinv(axes)
    left, strength, right = np.linalg.svd(axes @ head.matrix.astype(float) @ axes.T)
    root = np.sqrt(strength[: cell["rank"]])
    U, V = left[:, : cell["rank"]] * root, right[: cell["rank"]].T * root
    values = head.values(X).astype(float)[:, :, : cell["n_outputs"]]
    jacobian = derivative(Z, U, V, values)
    if jacobian.shape[0] > jacobian.shape[1]:
        jacobian = np.asarray(np.linalg.qr(jacobian, mode="r"))
    spectrum = np.linalg.svd(jacobian, compute_uv=False)
    spectrum = spectrum / spectrum[0]
    found = int((spectrum > _ZERO).sum())
    p = n_parameters(cell["rank"], encoder.d)
    most = cell["n_samples"] * shown(cell["rank"], X.shape[1], values.shape[2])
    return {
        "kind": "count",
        "n_tokens": X.shape[0] * X.shape[1],
        "p": p,
        "bound": min(p, most),
        "found": found,
        "above": float(spectrum[found - 1]),
        "below": float(spectrum[found]) if found < len(spectrum) else 0.0,
    }


def _error(predicted: Any, wanted: Any, variance: float) -> float:
    return max(_FLOOR, float(np.mean((np.asarray(predicted, float) - wanted) ** 2)) / variance)


def _variance(outputs: Any) -> float:
    return float(outputs.reshape(-1, outputs.shape[-1]).var(axis=0).mean())


def _correlation(learned: Any, true: Any) -> tuple[float, float]:
    """Return the correlation of scores without row means, and the factor from learned to true ones."""
    learned, true = (S - S.mean(axis=2, keepdims=True) for S in (learned.astype(float), true.astype(float)))
    product = float((learned * true).sum())
    value = product / float(np.sqrt((learned**2).sum() * (true**2).sum()) or 1.0)
    return min(value, 1 - _FLOOR), product / (float((learned**2).sum()) or 1.0)


def _factors(head: Head) -> tuple[Any, Any]:
    root = head.size**0.25
    return head.query.T / root, head.key.T / root


def _fitted(history: Any, converged: bool) -> dict[str, Any]:
    counts = [step["cg_iterations"] for step in history]
    return {"n_iter": len(counts), "cg_iterations": int(sum(counts)), "converged": bool(converged)}


def _single(cell: dict[str, Any], encoder: Encoder, X: Any, held: Any, rng: Any) -> list[dict[str, Any]]:
    from pairint.estimation import InteractionRegressor

    head, task = encoder.head(cell["layer"], cell["head"]), cell["task"]
    V, O, V_held, O_held = head.values(X), head.outputs(X), head.values(held), head.outputs(held)
    n_outputs, n_rows = O.shape[2], O.shape[0] * O.shape[1]
    variance = _variance(O)
    sigma = cell["noise"] * np.sqrt(variance)
    Y = (O + sigma * rng.standard_normal(O.shape)).astype(np.float32)
    noisy = O_held + sigma * np.random.default_rng(3).standard_normal(O_held.shape)
    p = n_parameters(cell["rank"], encoder.d)
    if task == "values":
        p += value_parameters(n_outputs, encoder.d)
    start: Any = "linear"
    tokens = _with_one(X)
    if task in ("near", "nudged"):  # rounding of single precision would hide what happens
        noise = rng.standard_normal((2, *head.query.T.shape))
        start = tuple(f * (1 + _NEAR * e) for f, e in zip(_factors(head), noise, strict=True))
        tokens, Y, V = tokens.astype(float), O.astype(float), V.astype(float)
    if task == "nudged":
        scores = (_with_one(held) @ start[0]) @ (_with_one(held) @ start[1]).swapaxes(1, 2)
        weights = np.exp(scores - scores.max(axis=2, keepdims=True))
        predicted = weights / weights.sum(axis=2, keepdims=True) @ V_held
        row = {"kind": "start", "n_tokens": n_rows, "p": p, "error": _error(predicted, O_held, variance)}
        return [row | {"correlation": _correlation(scores, head.scores(held))[0]}]
    chosen = task == "chosen"
    fit = InteractionRegressor(
        rank="auto" if chosen else cell["rank"],
        max_rank=cell["rank"] if chosen else None,
        channel="normalised",
        activation="exp",
        start=start,
        n_starts=1,
        tol=_TOLERANCE * p if cell["noise"] > 0 else 1e-6 * p,
        max_iter=cell["max_iter"],
        random_state=int(rng.integers(2**31)),
    )
    learn = task == "values"
    fit.fit(tokens, Y, values="learn" if learn else V)
    if chosen:
        p = n_parameters(fit.rank_, encoder.d)
    inside = fit.predict(tokens) if learn else fit.predict(tokens, values=V)
    outside = fit.predict(_with_one(held)) if learn else fit.predict(_with_one(held), values=V_held)
    correlation, scale = _correlation(np.asarray(fit.scores(_with_one(held))), head.scores(held))
    row = {
        "kind": "fit",
        "n_tokens": n_rows,
        "p": p,
        "in_sample": _error(inside, O, variance),
        "error": _error(outside, O_held, variance),
        "noisy_error": _error(outside, noisy, variance),
        "law": cell["noise"] ** 2 * p / (n_outputs * n_rows),
        "uniform": _error(V_held.mean(axis=1, keepdims=True), O_held, variance),
        "correlation": correlation,
        "scale": scale,
        **_fitted(fit.history_, fit.converged_),
    }
    if learn:
        row["value_error"] = _error(_with_one(held) @ fit.value_matrix_, V_held, _variance(V_held))
    rows = [row]
    if chosen:
        choice = fit.rank_selection_
        assert choice is not None and choice.plausible is not None and choice.standard_error is not None
        low, high = choice.plausible
        row |= {"found": choice.rank, "low": low, "high": high}
        rows += [
            {
                "kind": "tried",
                "part": int(rank),
                "criterion": float(value) / variance,
                "standard_error": float(error) / variance,
            }
            for rank, value, error in zip(
                choice.candidates, choice.criterion, choice.standard_error, strict=True
            )
        ]
    return rows


def _white(X: Any) -> tuple[Any, Any, Any]:
    """Return white tokens in single precision, and the matrices to them and back."""
    from pairint.estimation.base import whiten

    Z, back = whiten(_with_one(X).astype(float))
    return Z.astype(np.float32), back, np.linalg.pinv(back)


def _mask(n_tokens: int) -> Any:
    return np.ones((1, n_tokens, n_tokens), np.float32)


def fit_layer(
    encoder: Encoder,
    layer: int,
    X: Any,
    held: Any,
    *,
    noise: float,
    max_iter: int,
    rng: np.random.Generator,
    rank: int | None = None,
    start: str = "apart",
) -> list[dict[str, Any]]:
    """Fit all heads of a layer to the sum that it emits, the values known.

    Parameters
    ----------
    encoder : Encoder
    layer : int
    X, held : ndarray, shape (M, N, d)
        Hidden states of the windows to fit, and of others; in single precision.
    noise : float
        Standard deviation of the noise over that of the sum.
    max_iter : int
    rng : numpy.random.Generator
    rank : int, optional
        Of each head, its size by default.
    start : {"apart", "truth"}
        Each head from its part of the sum, taken apart; or from the true factors.

    Returns
    -------
    list of dict
        The rows of :func:`compute` for the task ``layer``; that of the fit has also ``risk``, its mean
        square over the variance of the noise.
    """
    from pairint.estimation.channels import Normalised, PairData
    from pairint.estimation.channels.activation import KnownFamily
    from pairint.estimation.channels.solver import descend
    from pairint.estimation.channels.start import channel_starts
    from pairint.estimation.channels.system import ChannelProblem, HeadState
    from pairint.model import Exponential

    check_choice("start", start, ("apart", "truth"))
    heads = [encoder.head(layer, number) for number in range(encoder.n_heads)]
    rank = heads[0].size if rank is None else rank
    n_rows, n_tokens = X.shape[0] * X.shape[1], X.shape[1]

    def emitted(X: Any) -> Any:
        return sum(head.outputs(X) @ head.output.T for head in heads)

    O = emitted(X)
    variance = _variance(O)
    sigma = noise * float(np.sqrt(variance))
    Y = (O + sigma * rng.standard_normal(O.shape)).astype(np.float32)
    Z, back, forth = _white(X)
    empty = np.zeros(0, np.float32)
    # The matrices of all heads side by side are square: their inverse takes the sum apart, noise and all.
    apart = np.linalg.inv(np.concatenate([head.output for head in heads], axis=1).astype(float))
    parts = np.split(apart, encoder.n_heads)
    states, rows = [], []
    for number, (head, part) in enumerate(zip(heads, parts, strict=True)):
        # Make the noise of the part white: outputs and values alike may be multiplied by any matrix.
        white = np.linalg.inv(np.linalg.cholesky(part @ part.T))
        outputs, values = Y @ (white @ part).T, head.values(X) @ white.T
        problem = ChannelProblem(
            Z, outputs.astype(np.float32), PairData(_mask(n_tokens), values.astype(np.float32)), Normalised()
        )
        left, right = channel_starts(problem, problem.data, rank, "linear", 1, rng)[0]
        if start == "truth":
            left, right = ((forth @ factor).astype(np.float32) for factor in _factors(head))
        known, mix = (array.astype(np.float32) for array in (head.values(X), head.output.T))
        states.append(HeadState(left, right, KnownFamily(Exponential()), empty, None, known, mix))
        signal = _variance(head.outputs(X) @ white.T)
        rows.append({"kind": "head", "part": number, "amplified": sigma / signal**0.5})
    p = encoder.n_heads * n_parameters(rank, encoder.d)
    joint = ChannelProblem(Z, Y, PairData(_mask(n_tokens)), Normalised())
    tol = (_TOLERANCE if noise > 0 else 1e-6) * p
    state = descend(joint, states, max_iter, tol, rng)
    Z_held = (_with_one(held).astype(float) @ back).astype(np.float32)
    moved = [
        replace(state, values=head.values(held).astype(np.float32))
        for state, head in zip(state.heads, heads, strict=True)
    ]
    O_held = emitted(held)
    outside = ChannelProblem(
        Z_held, O_held.astype(np.float32), PairData(_mask(n_tokens)), Normalised()
    ).outputs(moved)
    inside = joint.outputs(state.heads)
    for row, learned, head in zip(rows, state.heads, heads, strict=True):
        scores = (Z_held @ learned.left) @ (Z_held @ learned.right).swapaxes(1, 2)
        row["correlation"], row["scale"] = _correlation(scores, head.scores(held))
    uniform = sum((h.values(held) @ h.output.T).mean(axis=1, keepdims=True) for h in heads)
    row = {
        "kind": "fit",
        "n_tokens": n_rows,
        "p": p,
        "in_sample": _error(inside, O, variance),
        "error": _error(outside, O_held, variance),
        "law": noise**2 * p / (O.shape[2] * n_rows),
        "uniform": _error(uniform, O_held, variance),
        "condition": float(np.linalg.cond(apart)),
        "risk": state.residual / joint.n_rows / sigma**2 if sigma > 0 else 0.0,
        **_fitted(state.history, state.converged),
    }
    return [row, *rows]


def _pair(cell: dict[str, Any], encoder: Encoder, X: Any, held: Any, rng: Any) -> list[dict[str, Any]]:
    """Fit the sum of two heads of a layer, the values unknown."""
    from pairint.estimation import InteractionRegressor
    from pairint.estimation.channels import Normalised, PairData
    from pairint.estimation.channels.activation import KnownFamily
    from pairint.estimation.channels.solver import descend
    from pairint.estimation.channels.system import ChannelProblem, HeadState
    from pairint.model import Exponential

    heads = [encoder.head(cell["layer"], (cell["head"] + number) % encoder.n_heads) for number in range(2)]
    # The sum lies in a space of twice the size of a head: its principal directions, which the outputs show.
    basis = np.linalg.svd(np.concatenate([h.output for h in heads], axis=1).astype(float))[0]
    basis = basis[:, : 2 * heads[0].size]

    def emitted(X: Any) -> Any:
        return sum(h.outputs(X) @ (h.output.T @ basis) for h in heads)

    O, O_held = emitted(X), emitted(held)
    variance, n_outputs, n_rows = _variance(O), O.shape[2], X.shape[0] * X.shape[1]
    Y = O + cell["noise"] * np.sqrt(variance) * rng.standard_normal(O.shape)
    # Of all biases of the values only the sum is seen: each head's weights sum to one.
    p = 2 * (n_parameters(cell["rank"], encoder.d) + value_parameters(n_outputs, encoder.d)) - n_outputs
    tol = (_TOLERANCE if cell["noise"] > 0 else 1e-6) * p
    tokens, held_tokens = _with_one(X), _with_one(held)
    if cell["task"] == "pair":
        fit = InteractionRegressor(
            rank=cell["rank"], channel="normalised", activation="exp", start="linear", n_starts=1,
            n_heads=2, tol=tol, max_iter=cell["max_iter"], random_state=int(rng.integers(2**31)),
        )  # fmt: skip
        fit.fit(tokens, Y.astype(np.float32), values="learn")
        inside, outside = fit.predict(tokens), fit.predict(held_tokens)
        learned = [(held_tokens @ h.left) @ (held_tokens @ h.right).swapaxes(1, 2) for h in fit.heads_]
        done = _fitted(fit.history_, fit.converged_)
    else:
        Z, back, forth = _white(X)
        single = np.float32
        states = []
        for head in heads:
            W = head.value.T @ (head.output.T @ basis)
            left, right, W = ((forth @ a).astype(single) for a in (*_factors(head), W))
            states.append(HeadState(left, right, KnownFamily(Exponential()), np.zeros(0, single), W))
        problem = ChannelProblem(
            Z, Y.astype(single), PairData(_mask(X.shape[1])), Normalised(), learn_values=True
        )
        state = descend(problem, states, cell["max_iter"], tol, rng)
        Z_held = (held_tokens.astype(float) @ back).astype(single)
        inside = problem.outputs(state.heads)
        outside = ChannelProblem(
            Z_held, O_held.astype(single), problem.data, Normalised(), learn_values=True
        ).outputs(state.heads)
        learned = [(Z_held @ h.left) @ (Z_held @ h.right).swapaxes(1, 2) for h in state.heads]
        done = _fitted(state.history, state.converged)
    true = [head.scores(held) for head in heads]
    table = np.array([[_correlation(S, T)[0] for T in true] for S in learned])
    straight = table.trace() >= table[::-1].trace()  # heads come in either order
    rows = [
        {
            "kind": "head",
            "part": number,
            "correlation": float(table[number if straight else 1 - number, number]),
        }
        for number in range(2)
    ]
    uniform = sum((h.values(held) @ (h.output.T @ basis)).mean(axis=1, keepdims=True) for h in heads)
    row = {
        "kind": "fit",
        "n_tokens": n_rows,
        "p": p,
        "in_sample": _error(inside, O, variance),
        "error": _error(outside, O_held, variance),
        "law": cell["noise"] ** 2 * p / (n_outputs * n_rows),
        "uniform": _error(uniform, O_held, variance),
        **done,
    }
    return [row, *rows]


def plot(table: DataFrame) -> Figure:
    """Draw what many heads cost beside the law of counting."""
    from pairint.figures.whole_layer import heads_figure

    return heads_figure(table[table["max_iter"] <= _STEPS])


def claims(table: DataFrame) -> list[Claim]:
    """Compare ranks with what is proved, and errors with counting."""
    result = []

    def add(name: str, value: Any, expected: float, tolerance: float, relation: str) -> None:
        result.append(
            Claim(name, "our own experiment", float(value), None, None, expected, tolerance, relation)
        )

    counts = table[table["kind"] == "count"]
    if len(counts):
        largest = (counts["found"] / counts["bound"]).max()
        add("rank of the derivative over its bound, the largest", largest, 1, 0, "at most")
    fits = table[(table["kind"] == "fit") & (table["noise"] > 0)]
    part = fits[fits["task"] == "values"]
    if len(part):
        ratio = (part["in_sample"] / part["law"]).max()
        add(
            "in-sample error over the law of counting, values learned, the largest", ratio, 1, 0.25, "at most"
        )
    return result


_THREE = [[0, 0], [2, 5], [4, 0]]
#: Of a fit of one head, at most; a plan may have fits with more, which the picture leaves out.
_STEPS = 20


def _line(task: str, n_samples: list[int], max_iter: int, **other: Any) -> dict[str, Any]:
    line = {"task": task, "heads": _THREE, "noise": [0.1], "n_samples": n_samples, "rank": [32]}
    return line | {"n_outputs": [32], "max_iter": max_iter, "replicates": 1} | other


_ALL = [[layer, head] for head in range(12) for layer in range(6)]
#: Of the heads that twenty steps do not bring to rest every sixth, in the order of their errors.
_LONGER = [[1, 11], [2, 8], [5, 11], [2, 1], [5, 6], [3, 9]]
_FULL = [
    _line("count", [5, 6, 7], 0, heads=[[2, 5]], rank=[2], noise=[0.0]),
    _line("count", [11, 12, 13], 0, heads=[[2, 5]], rank=[4], n_outputs=[4], noise=[0.0]),
    _line("near", [12, 16, 24], 20, heads=[[2, 5]], noise=[0.0]),
    _line("nudged", [12, 16, 24], 20, heads=[[2, 5]], noise=[0.0]),
    _line("cold", [16, 24, 32], 40, heads=[[2, 5]], noise=[0.0]),
    _line("cold", [24, 32], 40, heads=[[4, 0]], noise=[0.0]),
    _line("attention", [40], 0, heads=_ALL),
    _line("heads", [128], _STEPS, heads=[head for head in _ALL if head not in _THREE]),
    _line("heads", [128], 60, heads=_LONGER),
    _line("heads", [256], 20, heads=[[0, 2]]),
    _line("chosen", [64], 20, heads=[[2, 5]], rank=[40]),
    _line("values", [128], 20),
    _line("layer", [64], 15, heads=[[2, 0]]),
    _line("layer", [128], 40, heads=[[2, 0]]),
]
_SMALL = {"heads": [[1, 1], [1, 2]], "rank": [4], "n_outputs": [4]}
_QUICK = [
    _line("count", [1, 2, 3], 0, **_SMALL | {"noise": [0.0]}),
    _line("near", [2, 4], 20, **_SMALL | {"noise": [0.0]}),
    _line("nudged", [2, 4], 20, **_SMALL | {"noise": [0.0]}),
    _line("cold", [4, 8], 40, **_SMALL | {"noise": [0.0]}),
    _line("attention", [40], 0, **_SMALL),
    _line("heads", [40], 20, **_SMALL),
    _line("rank", [40], 20, **_SMALL | {"rank": [2, 3, 5]}),
    _line("chosen", [80], 20, **_SMALL | {"rank": [8]}),
    _line("values", [80], 20, **_SMALL),
    _line("layer", [80], 20, **_SMALL | {"heads": [[1, 0]]}),
    _line("pair", [80], 20, **_SMALL | {"heads": [[1, 0]]}),
    _line("pair-near", [80], 20, **_SMALL | {"heads": [[1, 0]]}),
]

EXPERIMENT = Experiment(
    name="whole_layer",
    title="Trained heads of which less is known, and the sum of a layer",
    source="our own experiment",
    version=1,
    presets={"quick": RANDOM | {"plan": _QUICK}, "full": TRAINED | {"plan": _FULL}},
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 10.0, "full": 1700.0},
    data_keys=DATA_KEYS,
    reproducible="to 1e-3",
)
