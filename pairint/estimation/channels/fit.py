"""A channel fit from beginning to end: checks of what is observed, starts, stages, normal forms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import linalg

from pairint.backend import array_namespace, to_device, to_host
from pairint.estimation.base import matrix_parameters, whiten
from pairint.estimation.channels.activation import (
    Family,
    KnownFamily,
    LogSpline,
    SplineFamily,
    check_positive,
)
from pairint.estimation.channels.channel import PairData, ScoreChannel
from pairint.estimation.channels.solver import (
    ChannelState,
    balanced,
    descend,
    solve_coefficients,
    solve_values,
)
from pairint.estimation.channels.start import channel_starts
from pairint.estimation.channels.system import ChannelProblem, HeadState
from pairint.estimation.problem import LARGEST_NUMBER
from pairint.estimation.selection import coarse_intervals, generalised_cross_validation
from pairint.model.activations import Exponential
from pairint.model.splines import Spline, SplineSpace
from pairint.validation import check_floats, shortened

__all__ = ["ChannelFit", "FittedHead", "channel_outputs", "check_pair_data", "fit_channel"]

#: Steps spent on each start to order them, and on a stage that is not the last; moves of the interval.
_TRIAL_STEPS, _STAGE_STEPS, _ROUNDS = 4, 20, 3
#: Outputs a parameter that the starts see, and outputs at least.
_START_OUTPUTS, _LEAST_OUTPUTS = 30, 6000
#: The interval of a spline is moved if its ends have moved by a larger share of its length.
_MOVED = 0.02
#: Largest logarithm of the activation at the ends of the interval, at a start.
_STEEPEST = 3.0


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A fitted interaction.

    Book: :doc:`/book/channels`.
    """

    #: Factors, shape ``(d, r)``, of the matrix ``left right'``.
    left: Any
    right: Any
    #: The activation: callable, with a ``derivative``.
    activation: Any
    #: ``W``, shape ``(d, v)``, if the values ``X W`` were learned.
    value_matrix: Any = None

    @property
    def matrix(self) -> Any:
        """The matrix ``A``, shape ``(d, d)``."""
        return self.left @ self.right.T


@dataclass(frozen=True, eq=False)
class ChannelFit:
    """What a fit leads to."""

    heads: tuple[FittedHead, ...]
    state: ChannelState
    n_rows: int
    n_intervals: int
    #: Number of coefficients of the activations, and of all other parameters.
    n_coefficients: int
    n_other: int
    start_risks: list[float]
    history: list[dict[str, float]]
    #: The matrix from factors on white tokens, those of the state, to factors on the tokens as they are.
    back: Any


def check_pair_data(
    X: Any,
    channel: ScoreChannel,
    values: Any,
    pairs: Any,
    mask: Any,
    outputs: tuple[int, ...] | None,
    learn: bool,
) -> PairData:
    """Return the checked things that are known about the pairs, in the precision of the tokens.

    Parameters
    ----------
    X : array, shape (M, N, d)
        Checked tokens.
    channel : ScoreChannel
    values, pairs, mask
        See :meth:`~pairint.estimation.InteractionRegressor.fit`.
    outputs : tuple of int, optional
        Shape of the outputs, if they are known.
    learn : bool
        Whether values are, or have been, learned.

    Raises
    ------
    ValueError
        For other shapes, both values and pairs, or a token without partner.
    TypeError
        For a mask that is not boolean.
    """
    xp = array_namespace(X)
    n_samples, n_tokens, _ = X.shape
    dtype = X.dtype
    if values is not None and pairs is not None:
        raise ValueError("values and pairs must not be given both: multiply the pairs by the values")
    if learn and type(channel).values_vjp is ScoreChannel.values_vjp:
        raise ValueError(f'values="learn" needs a channel with values_vjp, and {channel!r} has none')
    if learn and pairs is not None:
        raise ValueError('pairs must not be given where values are learned (values="learn")')
    tail = None if outputs is None else outputs[2:]
    for name, given, axes in (
        ("values", values, (n_samples, n_tokens)),
        ("pairs", pairs, (n_samples, n_tokens, n_tokens)),
    ):
        if given is None:
            continue
        shape = tuple(given.shape) if hasattr(given, "shape") else np.shape(given)
        fits = shape[: len(axes)] == axes and len(shape) <= len(axes) + 1
        if not fits or (tail is not None and shape[len(axes) :] != tail):
            allowed = f"{axes} + (v,) or {axes}" if tail is None else f"{(*axes, *tail)}"
            raise ValueError(f"{name} must have shape {allowed}, as X and Y have it, got {shape}")
        checked = check_floats(name, given, largest=LARGEST_NUMBER)
        if array_namespace(checked) is not xp:
            raise TypeError(
                f"{name} must be of the library of X; move it with pairint.backend.to_device first"
            )
        if name == "values":
            values = xp.asarray(checked, dtype=dtype)
        else:
            pairs = xp.asarray(checked, dtype=dtype)
    if tail and values is None and pairs is None and not learn:
        raise ValueError(
            f"Y must have shape {(n_samples, n_tokens)} without values and pairs, got {outputs}; "
            'for vector outputs give values, pairs, or values="learn"'
        )
    if learn and tail is not None and len(tail) != 1:
        raise ValueError(
            f'Y must have shape (M, N, v) where values are learned (values="learn"), got {outputs}'
        )
    if channel.scale_free and values is None and pairs is None and not learn:
        raise ValueError(
            "values must be given in a row-normalised channel (or pairs): without them every output is one"
        )
    return PairData(_mask(X, channel, mask), values, pairs)


def _mask(X: Any, channel: ScoreChannel, mask: Any) -> Any:
    xp = array_namespace(X)
    n_samples, n_tokens, _ = X.shape
    inside = np.ones((1, n_tokens, n_tokens)) if channel.diagonal else 1.0 - np.eye(n_tokens)[None]
    if mask is not None:
        host = to_host(mask)
        if host.dtype != np.bool_:
            raise TypeError(f"mask must hold True and False, got {shortened(mask)}")
        if host.shape not in ((n_tokens, n_tokens), (n_samples, n_tokens, n_tokens)):
            shapes = f"{(n_tokens, n_tokens)} or {(n_samples, n_tokens, n_tokens)}"
            raise ValueError(f"mask must have shape {shapes}, got {host.shape}")
        inside = inside * host.reshape(-1, n_tokens, n_tokens)
    lonely = np.argwhere(inside.sum(axis=-1) == 0)
    if len(lonely):
        sample, token = map(int, lonely[0])
        diagonal = "" if channel.diagonal else ", the diagonal not counting"
        raise ValueError(
            f"mask must leave every token a partner{diagonal}: {len(lonely)} have none, the first is token "
            f"{token} of sample {sample}; leave such samples out, or give the channel diagonal=True"
        )
    return xp.asarray(inside, dtype=X.dtype)


def channel_outputs(
    channel: ScoreChannel, heads: Sequence[FittedHead], X: Any, data: PairData, shape: tuple[int, ...]
) -> Any:
    """Return the outputs of fitted heads.

    Raises
    ------
    ValueError
        If the channel does not admit the activated scores.
    """
    states = [_state_of_head(head, X) for head in heads]
    xp = array_namespace(X)
    outputs = ChannelProblem(X, xp.zeros(shape, dtype=X.dtype), data, channel).outputs(states)
    if outputs is None:
        raise ValueError("X must give scores that the channel admits, got denominators that are not positive")
    return outputs


def _state_of_head(head: FittedHead, X: Any) -> HeadState:
    xp = array_namespace(X)

    def cast(array: Any) -> Any:
        return xp.asarray(to_device(array, X), dtype=X.dtype)

    W = None if head.value_matrix is None else cast(head.value_matrix)
    return HeadState(
        cast(head.left), cast(head.right), KnownFamily(head.activation), xp.zeros(0, dtype=X.dtype), W
    )


@dataclass(frozen=True, eq=False)
class _Plan:
    """What was asked for."""

    family: Family
    rank: int
    n_intervals: int | None
    #: What a coefficient counts for in the choice of the number of cells.
    weight: float
    n_heads: int
    start: Any
    n_starts: int
    max_iter: int
    tol: float
    rng: np.random.Generator


def fit_channel(
    problem: ChannelProblem,
    family: Family,
    rank: int,
    n_intervals: int | None,
    weight: float,
    n_heads: int,
    start: Any,
    n_starts: int,
    max_iter: int,
    tol: float,
    rng: np.random.Generator,
) -> ChannelFit:
    """Fit the interactions that a channel shows.

    Parameters
    ----------
    problem : ChannelProblem
        With tokens as they are: they are whitened here.
    family : Family
        The activations allowed; the interval and the cells of splines are found here.
    rank, n_heads : int
    n_intervals : int, optional
        Number of cells, or by generalised cross-validation.
    weight : float
        What a coefficient counts for in it.
    start : str, or (U, V)
        See :func:`~pairint.estimation.channels.start.channel_starts`; or factors.
    n_starts, max_iter : int
    tol : float
    rng : numpy.random.Generator
    """
    xp = array_namespace(problem.X)
    dtype, d = problem.X.dtype, problem.X.shape[2]
    whitened, back = whiten(xp.asarray(problem.X, dtype=xp.float64))
    inner = replace(problem, X=xp.asarray(whitened, dtype=dtype))
    if not isinstance(start, str):
        forth = to_device(np.linalg.pinv(to_host(back)), back)
        start = tuple(xp.asarray(forth @ to_device(f, back), dtype=dtype) for f in start)
        if family.size and not bool((start[0] @ start[1].T != 0.0).any()):
            raise ValueError("start must be factors of a matrix that is not zero on the tokens")
    plan = _Plan(family, rank, n_intervals, weight, n_heads, start, n_starts, max_iter, tol, rng)
    n_other = n_heads * (matrix_parameters(d, rank) + (0 if family.size else 1))
    if problem.learn_values:
        n_other += n_heads * d * problem.Y.shape[2]
    _check_count(problem, plan, n_other)
    state, risks, history = _search(inner, plan, n_other)
    _check_positive(inner, state.heads)
    heads = [_original(head, back) for head in state.heads]
    fitted = _normal_forms(problem, heads)
    n_coefficients = sum(head.family.size for head in state.heads)
    cells = state.heads[0].family
    n_intervals = cells.space.n_intervals if isinstance(cells, SplineFamily) else 0
    return ChannelFit(
        tuple(fitted), state, problem.n_rows, n_intervals, n_coefficients, n_other, risks, history, back
    )


def _check_positive(problem: ChannelProblem, heads: Sequence[HeadState]) -> None:
    """Raise ``ValueError`` if a known activation is not positive where the channel needs it."""
    for head in heads:
        if isinstance(head.family, KnownFamily) and problem.channel.positive and not head.family.log:
            check_positive(head.family, head.coefficients, *_used_range(problem, head, 0))


def _check_count(problem: ChannelProblem, plan: _Plan, n_other: int) -> None:
    """Refuse more parameters than numbers observed, and say whether it is the heads that are too many."""
    family = plan.family
    per_head = (plan.n_intervals or 1) + family.space.degree if isinstance(family, SplineFamily) else 0
    n_parameters = n_other + plan.n_heads * per_head
    if n_parameters < problem.n_rows:
        return
    counted = f"{problem.X.shape[0]} samples give {problem.n_rows} numbers for {n_parameters} parameters"
    one = n_parameters // plan.n_heads
    if plan.n_heads > 1 and one < problem.n_rows:
        most = (problem.n_rows - 1) // one
        raise ValueError(
            f"n_heads must be at most {most} to be identifiable here, got {plan.n_heads}: {counted}"
        )
    raise ValueError(f"{counted}: more samples, a lower rank, or fewer cells (n_intervals) are needed")


def _search(
    problem: ChannelProblem, plan: _Plan, n_other: int
) -> tuple[ChannelState, list[float], list[dict[str, float]]]:
    """Go from the starts to the minimum: coarse, then fine."""
    history: list[dict[str, float]] = []

    def run(heads: Sequence[HeadState], steps: int, tol: float, on: ChannelProblem = problem) -> ChannelState:
        state = descend(on, heads, steps, tol, plan.rng)
        stage = history[-1]["stage"] + 1.0 if history else 0.0
        history.extend({"stage": stage, **entry} for entry in state.history)
        return state

    cells = coarse_intervals(problem.n_rows, getattr(getattr(plan.family, "space", None), "degree", 3))
    cells = min(cells, plan.n_intervals or cells)
    loose = max(plan.tol, 0.05 * n_other)
    rows_each = problem.n_rows / problem.X.shape[0]
    wanted = max(_START_OUTPUTS * (n_other + cells), _LEAST_OUTPUTS) / rows_each
    sample = problem.first(math.ceil(wanted))
    heads: list[HeadState] = []
    risks: list[float] = []
    for number in range(plan.n_heads):  # deflation: each head starts from what those before it leave
        left = sample
        if heads:
            outputs = sample.outputs(heads)
            left = sample if outputs is None else replace(sample, Y=sample.Y - outputs)
        trials = []
        starts = _starts(left, plan)
        steps = min(plan.max_iter, _TRIAL_STEPS) if len(starts) > 1 else 0
        for factors in starts:
            first = _first_head(left, plan.family, *factors, cells)
            if math.isfinite(left.objective([first])[1]):
                trials.append(descend(left, [first], steps, loose, plan.rng))
        if not trials:
            _check_positive(left, [first])
            raise ValueError(
                "start must give finite outputs that the channel admits, and does not: give factors of a "
                "smaller matrix, or another activation"
            )
        risks += [trial.residual / left.n_rows for trial in trials]
        best = min(trials, key=lambda trial: trial.objective)
        if plan.n_heads > 1:
            best = descend(left, best.heads, min(plan.max_iter, _STAGE_STEPS), loose, plan.rng)
        heads = [*heads, *best.heads]
        if number > 0:
            heads = run(_ranged(sample, heads, cells), min(plan.max_iter, _STAGE_STEPS), loose, sample).heads
    known = not isinstance(plan.family, SplineFamily)
    if known:
        return run(heads, plan.max_iter, plan.tol), risks, history
    state = run(_ranged(problem, heads, cells), min(plan.max_iter, _STAGE_STEPS), loose)
    state = run(_ranged(problem, state.heads, cells), min(plan.max_iter, _STAGE_STEPS), loose)
    return _refined(problem, plan, state, cells, n_other, run), risks, history


def _refined(
    problem: ChannelProblem, plan: _Plan, state: ChannelState, cells: int, n_other: int, run: Any
) -> ChannelState:
    """Double the cells up to the target, or while cross-validation falls; move the interval along."""

    def settled(state: ChannelState, cells: int) -> ChannelState:
        for _ in range(_ROUNDS):
            heads = _ranged(problem, state.heads, cells)
            if (
                not any(_interval_moved(a, b) for a, b in zip(state.heads, heads, strict=True))
                and state.converged
            ):
                break
            state = run(heads, plan.max_iter, plan.tol)
        return state

    def criterion(state: ChannelState) -> float:
        dof = n_other + plan.weight * sum(head.family.size for head in state.heads)
        return generalised_cross_validation(state.residual, dof, problem.n_rows)

    if plan.n_intervals is not None:
        while cells < plan.n_intervals:
            cells = min(2 * cells, plan.n_intervals)
            if cells < plan.n_intervals:
                loose = max(plan.tol, 0.05 * n_other)
                steps = min(plan.max_iter, _STAGE_STEPS)
                state = run(_ranged(problem, state.heads, cells), steps, loose)
        return settled(replace(state, converged=False), cells)
    state = settled(replace(state, converged=False), cells)
    while 10 * plan.n_heads * 2 * cells <= problem.n_rows:
        finer = settled(replace(state, converged=False), 2 * cells)
        if criterion(finer) >= criterion(state):
            break
        state, cells = finer, 2 * cells
    return state


def _interval_moved(old: HeadState, new: HeadState) -> bool:
    a, b = old.family, new.family
    assert isinstance(a, SplineFamily) and isinstance(b, SplineFamily)
    if a.space.n_intervals != b.space.n_intervals:
        return True
    length = b.space.upper - b.space.lower
    return max(abs(a.space.lower - b.space.lower), abs(a.space.upper - b.space.upper)) > _MOVED * length


def _starts(problem: ChannelProblem, plan: _Plan) -> list[tuple[Any, Any]]:
    if not isinstance(plan.start, str):
        return [plan.start]
    data = problem.data
    if problem.learn_values:
        xp = array_namespace(problem.X)
        zero = xp.zeros((problem.X.shape[2], 1), dtype=problem.X.dtype)
        uniform = HeadState(zero, zero, KnownFamily(Exponential()), xp.zeros(0, dtype=problem.X.dtype))
        W = solve_values(problem, [uniform])[0].value_matrix
        data = data.with_values(problem.X @ W)
    return channel_starts(problem, data, plan.rank, plan.start, plan.n_starts, plan.rng)


def _first_head(problem: ChannelProblem, family: Family, left: Any, right: Any, cells: int) -> HeadState:
    """Return a head with these factors, and an activation of unit slope at zero."""
    xp = array_namespace(problem.X)
    dtype = problem.X.dtype
    norm = math.sqrt(max(float(((left.T @ left) * (right.T @ right)).sum()), 0.0))
    head = HeadState(left, right, KnownFamily(Exponential()), xp.zeros(0, dtype=dtype))
    if isinstance(family, SplineFamily):
        root = math.sqrt(norm) if norm > 0 else 1.0
        head = replace(head, left=left / root, right=right / root)
        head = replace(
            head,
            family=replace(
                family, space=SplineSpace(*_used_range(problem, head), cells, family.space.degree)
            ),
        )
        assert isinstance(head.family, SplineFamily)
        points = head.family.greville()
        slope = min(norm, _STEEPEST / max(float(np.abs(points).max()), 1e-300))
        c = slope * points if family.log else np.exp(slope * points)
        head = replace(head, coefficients=xp.asarray(c, dtype=dtype))
    else:
        head = replace(head, family=family)
    head = solve_values(problem, [head])[0]
    return solve_coefficients(problem, [head])[0]


def _used_range(problem: ChannelProblem, head: HeadState, n_tail: int = 5) -> tuple[float, float]:
    """Return the interval that holds the scores of partners, all but ``n_tail`` at either end."""
    xp = array_namespace(problem.X)
    low: list[Any] = []
    high: list[Any] = []
    for part in problem.chunks(0):
        P, Q = problem.X[part] @ head.left, problem.X[part] @ head.right
        scores = P @ xp.swapaxes(Q, -1, -2)
        used = problem.data[part].mask > 0
        for extremes, sign in ((low, 1.0), (high, -1.0)):
            flat = xp.where(used, sign * scores, xp.inf).reshape(-1)
            keep = min(n_tail + 1, flat.shape[0])
            extremes.append(sign * np.asarray(to_host(xp.partition(flat, keep - 1)[:keep]), dtype=float))
    lowest, highest = np.concatenate(low), np.concatenate(high)
    lowest, highest = np.sort(lowest[np.isfinite(lowest)]), np.sort(highest[np.isfinite(highest)])
    tail = min(n_tail, len(lowest) - 1)
    lower, upper = float(lowest[tail]), float(highest[-1 - tail])
    if not upper > lower:
        lower, upper = float(lowest[0]), float(highest[-1])
    if not upper - lower > 1e-6 * max(abs(lower), abs(upper), 1e-300):
        centre, spread = (lower + upper) / 2, max(abs(lower), abs(upper), 1e-3)
        lower, upper = centre - spread, centre + spread
    return lower, upper


def _ranged(problem: ChannelProblem, heads: Sequence[HeadState], cells: int) -> list[HeadState]:
    """Return the heads with splines of so many cells on the interval that their scores fill."""
    xp = array_namespace(problem.X)
    ranged = []
    for head in heads:
        head = balanced(head)
        family = head.family
        if not isinstance(family, SplineFamily):
            ranged.append(head)
            continue
        space = SplineSpace(*_used_range(problem, head), cells, family.space.degree)
        grid = np.linspace(space.lower, space.upper, 20 * space.dimension)
        old = family.space.spline(np.asarray(to_host(head.coefficients), dtype=float))
        c = linalg.lstsq(space.design(grid), old(grid))[0]
        c = xp.asarray(c, dtype=problem.X.dtype)
        ranged.append(replace(head, family=replace(family, space=space), coefficients=c))
    if (
        problem.objective(ranged)[1] == math.inf
    ):  # a coarser spline may have lost the sign: keep what there was
        return [balanced(head) for head in heads]
    return ranged


def _original(head: HeadState, back: Any) -> HeadState:
    """Return the head for tokens that are not whitened."""
    xp = array_namespace(back)
    left, right = (back @ xp.asarray(factor, dtype=xp.float64) for factor in (head.left, head.right))
    W = head.value_matrix
    W = None if W is None else back @ xp.asarray(W, dtype=xp.float64)
    return balanced(replace(head, left=left, right=right, value_matrix=W))


def _normal_forms(problem: ChannelProblem, heads: Sequence[HeadState]) -> list[FittedHead]:
    """Fix what the outputs do not: scale, sign, level, row shifts."""
    channel = problem.channel
    fitted, level = [], 0.0
    for number, head in enumerate(heads):
        left, right, W = head.left, head.right, head.value_matrix
        activation = head.activation
        if isinstance(head.family, SplineFamily):
            if _largest(left @ right.T) < 0:
                left, activation = -left, activation.mirrored()
            if channel.scale_free:
                activation = _one_at_base(activation)
            elif W is not None and isinstance(channel, ScoreChannel) and channel.linear:
                size = float(np.linalg.norm(to_host(W)))
                if _largest(W) < 0 and not head.family.log:
                    size = -size
                if size != 0.0:
                    W, activation = W / size, _divided(activation, 1.0 / size)
            elif channel.linear and not head.family.log and len(heads) > 1:
                base = float(activation(np.array([_base(activation)]))[0])
                if number > 0:
                    activation = _raised(activation, -base)
                    level += base
        elif channel.scale_free and isinstance(head.activation, Exponential):
            right = _without_row_shift(problem.X, right)
        fitted.append(FittedHead(left, right, activation, W))
    if level != 0.0:
        fitted[0] = replace(fitted[0], activation=_raised(fitted[0].activation, level))
    return fitted


def _largest(matrix: Any) -> float:
    host = to_host(matrix)
    return float(host.ravel()[np.argmax(np.abs(host))])


def _base(activation: Any) -> float:
    """Return the point that fixes the level: zero, or the end of the interval next to it."""
    space = (activation.log if isinstance(activation, LogSpline) else activation).space
    return min(max(0.0, space.lower), space.upper)


def _one_at_base(activation: Any) -> Any:
    """Return the activation, divided by what it is at the base: by its logarithm, which does not overflow."""
    at = np.array([_base(activation)])
    if isinstance(activation, LogSpline):
        return LogSpline(_raised(activation.log, -float(activation.log(at)[0])))
    value = float(activation(at)[0])
    return _divided(activation, value) if value > 0.0 else activation


def _divided(activation: Any, factor: float) -> Any:
    if isinstance(activation, LogSpline):
        return LogSpline(_raised(activation.log, -math.log(factor)))
    return Spline(activation.space, activation.coefficients / factor)


def _raised(spline: Spline, level: float) -> Spline:
    # The basis sums to one.
    return Spline(spline.space, spline.coefficients + level)


def _without_row_shift(X: Any, right: Any) -> Any:
    """Return the right factor with scores that average to zero over keys, if tokens have a constant part.

    With ``w'x = 1`` for all tokens, ``A + a w'`` shifts all scores of row ``i`` by ``x_i' a``, which no
    softmax shows. The choice is ``A m = 0`` with the mean token ``m``.
    """
    xp = array_namespace(X)
    rows = xp.asarray(X, dtype=xp.float64).reshape(-1, X.shape[2])
    mean = np.asarray(to_host(rows.mean(axis=0)))
    moment = np.asarray(to_host(rows.T @ rows)) / rows.shape[0]
    constant = np.linalg.pinv(moment, rcond=1e-12, hermitian=True) @ mean
    if not constant @ mean > 1.0 - 1e-6:
        return right
    device = to_device(constant, right), to_device(mean, right)
    return right - device[0][:, None] * (device[1] @ right)[None, :]
