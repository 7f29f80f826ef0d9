r"""Levenberg-Marquardt, each step by preconditioned conjugate gradients on products with the Jacobian.

A step solves :math:`(J^\top J + R + \mu D)\, s = J^\top e - R c` with the penalty ``R`` of the coefficients
and the block diagonal ``D`` of :math:`J^\top J + R`, which is the preconditioner too. No matrix of the size
of the parameters is formed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy import linalg

from pairint.backend import array_namespace, to_host
from pairint.estimation.channels.system import ChannelProblem, HeadState, Linearised, pack, squares, unpack

__all__ = ["ChannelState", "balanced", "descend", "solve_coefficients", "solve_values"]

_FIRST_DAMPING, _SMALLEST_DAMPING, _LARGEST_DAMPING = 1e-2, 1e-7, 1e6
#: Conjugate gradients in one step, at most, and the fall of their residual that is asked for.
_MOST_CG, _FORCING, _TIGHT = 150, 0.05, 1e-3
#: Ridge of the blocks, relative to their mean diagonal: above rounding in single precision too.
_RIDGE = 1e-6


@dataclass(frozen=True, eq=False)
class ChannelState:
    """The heads, and what they achieve; after an iteration also how that went."""

    heads: list[HeadState]
    residual: float
    objective: float
    converged: bool = False
    history: list[dict[str, float]] = field(default_factory=list)


def state_of(problem: ChannelProblem, heads: Sequence[HeadState]) -> ChannelState:
    """Return the state at these heads."""
    return ChannelState(list(heads), *problem.objective(heads))


def balanced(head: HeadState, follow: bool = True) -> HeadState:
    """Return the same head with ``left' left = right' right`` diagonal, of norm one if phi is learned.

    The interval of the activation follows the scale of the matrix, or stays as it is: then ``g`` is another.
    """
    xp = array_namespace(head.left)
    q_left, r_left = xp.linalg.qr(head.left)
    q_right, r_right = xp.linalg.qr(head.right)
    u, singular, vt = xp.linalg.svd(r_left @ r_right.T)
    norm = float(xp.sqrt((singular**2).sum()))
    if head.family.size == 0 or norm == 0.0:  # the scale of a known activation is its own
        norm = 1.0
    root = xp.sqrt(singular / norm)
    family = head.family.scaled(1.0 / norm) if follow and norm != 1.0 else head.family
    return replace(head, left=(q_left @ u) * root, right=(q_right @ vt.T) * root, family=family)


def descend(
    problem: ChannelProblem,
    heads: Sequence[HeadState],
    max_iter: int,
    tol: float,
    rng: np.random.Generator,
) -> ChannelState:
    """Minimise the residual sum of squares plus penalty over all parameters of the heads.

    Parameters
    ----------
    problem : ChannelProblem
    heads : sequence of HeadState
        Where to start.
    max_iter : int
        Largest number of steps.
    tol : float
        Stop when the model predicts that the sum of squares will fall by less than ``tol`` noise variances.
    rng : numpy.random.Generator
        For the signs of the preconditioner.
    """
    state = state_of(problem, [balanced(head) for head in heads])
    total = squares(problem.rooted(problem.Y))
    single = problem.X.dtype.itemsize == 4
    floor = (1e-12 if single else 1e-26) * total
    damping, converged = _FIRST_DAMPING, False
    history: list[dict[str, float]] = []
    for iteration in range(max_iter):
        smallest = max(tol * state.objective / problem.n_rows, floor)
        trial, entry = _step(problem, state, damping, smallest, rng)
        if trial is None:
            converged = True
            break
        damping = entry["next_damping"]
        del entry["next_damping"]
        history.append(
            {
                "iteration": float(iteration),
                "risk_before": state.residual / problem.n_rows,
                "risk": trial.residual / problem.n_rows,
                **entry,
            }
        )
        state = trial
    return replace(state, converged=converged, history=history)


def _step(
    problem: ChannelProblem, state: ChannelState, damping: float, smallest: float, rng: np.random.Generator
) -> tuple[ChannelState | None, dict[str, float]]:
    """Raise the damping until a step lowers the objective; none if none is worth while."""
    model = Linearised(problem, state.heads)
    blocks = _Blocks(model, rng)
    penalty = _Penalty(problem, state.heads)
    sphere = _Sphere(state.heads)
    gradient = sphere.pulled(model.vjp(model.residual) - penalty(pack(state.heads)))
    used, forcing = 0, _FORCING
    while damping <= _LARGEST_DAMPING:
        step, predicted, count = _conjugate_gradients(
            model, blocks, penalty, sphere, gradient, damping, forcing
        )
        used += count
        if predicted <= smallest:
            if forcing == _TIGHT:
                return None, {}
            forcing = _TIGHT  # was it the step that is small, or only what has been solved of it?
            continue
        heads = [
            balanced(head.moved([a + b for a, b in zip(head.parts, move, strict=True)]), follow=False)
            for head, move in zip(state.heads, unpack(step, state.heads), strict=True)
        ]
        heads = solve_coefficients(problem, heads)
        trial = state_of(problem, heads)
        gain = (state.objective - trial.objective) / predicted
        if gain > 1e-3:
            factor = 1 / 9 if gain > 0.75 else 1 / 3 if gain > 0.4 else 1.0 if gain > 0.2 else 3.0
            return trial, {
                "damping": damping,
                "predicted_decrease": predicted / problem.n_rows,
                "cg_iterations": float(used),
                "next_damping": max(damping * factor, _SMALLEST_DAMPING),
            }
        damping *= 8.0
    return None, {}


def _conjugate_gradients(
    model: Linearised,
    blocks: _Blocks,
    penalty: _Penalty,
    sphere: _Sphere,
    gradient: Any,
    damping: float,
    forcing: float,
) -> tuple[Any, float, int]:
    """Return the step, the decrease of the objective that it predicts, and the iterations spent."""
    xp = array_namespace(gradient)
    step, residual = xp.zeros_like(gradient), gradient
    image = xp.zeros_like(gradient)  # of the undamped system
    preconditioned = blocks.solve(residual)
    direction = preconditioned
    squared = first = float((residual * preconditioned).sum())
    count = 0
    while count < _MOST_CG and squared > forcing**2 * first and squared > 0.0:
        tangent = sphere.pushed(direction)
        pushed = sphere.pulled(model.vjp(model.jvp(tangent)) + penalty(tangent))
        damped = pushed + damping * blocks.times(direction)
        curvature = float((direction * damped).sum())
        if not curvature > 0.0:
            break
        length = squared / curvature
        step = step + length * direction
        image = image + length * pushed
        residual = residual - length * damped
        preconditioned = blocks.solve(residual)
        previous, squared = squared, float((residual * preconditioned).sum())
        direction = preconditioned + (squared / previous) * direction
        count += 1
    predicted = float(2.0 * (step * gradient).sum() - (step * image).sum())
    return sphere.pushed(step), predicted, count


class _Sphere:
    """Accounts for the norm one of the matrices beside learned activations.

    Scaling the factors moves along ``s = (left, right)`` and is undone by the normalisation, the interval of
    the spline being held; to first order a step is projected by ``Q = I - s n' / n's``, where ``n`` is
    the gradient of the squared norm.
    """

    def __init__(self, heads: Sequence[HeadState]) -> None:
        self.heads = heads
        self._normals: list[tuple[Any, Any] | None] = []
        for head in heads:
            left, right = head.left, head.right
            if head.family.size == 0:
                self._normals.append(None)
                continue
            normal = left @ (right.T @ right), right @ (left.T @ left)
            size = float((normal[0] * left).sum() + (normal[1] * right).sum())
            self._normals.append((normal[0] / size, normal[1] / size))

    def pushed(self, vector: Any) -> Any:
        """Return ``Q`` times a vector."""
        return self._apply(vector, False)

    def pulled(self, vector: Any) -> Any:
        """Return ``Q'`` times a vector."""
        return self._apply(vector, True)

    def _apply(self, vector: Any, transposed: bool) -> Any:
        xp = array_namespace(vector)
        parts: list[Any] = []
        for (left, right, *rest), head, normal in zip(
            unpack(vector, self.heads), self.heads, self._normals, strict=True
        ):
            if normal is not None:
                scale = head.left, head.right
                along, test = (normal, scale) if transposed else (scale, normal)
                share = (left * test[0]).sum() + (right * test[1]).sum()
                left, right = left - share * along[0], right - share * along[1]
            parts += [part.reshape(-1) for part in (left, right, *rest)]
        return xp.concatenate(parts)


class _Blocks:
    """The diagonal blocks of the system: to multiply with, and to solve."""

    def __init__(self, model: Linearised, rng: np.random.Generator) -> None:
        xp, self.heads = model.xp, model.heads
        dtype = model.problem.X.dtype
        self._blocks, self._inverses = [], []
        for head_blocks in model.blocks(rng):
            pair = []
            for block in head_blocks:
                if block.shape[0]:
                    mean = float(np.trace(block)) / len(block)
                    block = block + (_RIDGE * mean if mean > 0 else 1.0) * np.eye(len(block))
                inverse = linalg.inv(block) if block.shape[0] else block
                pair.append(
                    (xp.asarray(block, dtype=dtype), xp.asarray((inverse + inverse.T) / 2, dtype=dtype))
                )
            self._blocks.append([a for a, _ in pair])
            self._inverses.append([b for _, b in pair])

    def times(self, vector: Any) -> Any:
        """Return ``D`` times a vector."""
        return self._apply(self._blocks, vector)

    def solve(self, vector: Any) -> Any:
        """Return the inverse of ``D`` times a vector."""
        return self._apply(self._inverses, vector)

    def _apply(self, matrices: list[list[Any]], vector: Any) -> Any:
        xp = array_namespace(vector)
        parts = []
        for (left, right, c, *rest), (a, b, g, *w) in zip(unpack(vector, self.heads), matrices, strict=True):
            parts += [(left @ a).reshape(-1), (right @ b).reshape(-1), g @ c]
            if rest:
                parts.append((w[0] @ rest[0]).reshape(-1))
        return xp.concatenate(parts)


class _Penalty:
    """The penalty's matrix, of all parameters."""

    def __init__(self, problem: ChannelProblem, heads: Sequence[HeadState]) -> None:
        xp = array_namespace(problem.X)
        self.heads = heads
        self._matrices = [
            xp.asarray(problem.penalty * head.family.penalty(), dtype=problem.X.dtype) for head in heads
        ]

    def __call__(self, vector: Any) -> Any:
        xp = array_namespace(vector)
        parts = []
        for cut, matrix in zip(unpack(vector, self.heads), self._matrices, strict=True):
            for number, part in enumerate(cut):
                flat = part.reshape(-1)
                parts.append(matrix @ flat if number == 2 else xp.zeros_like(flat))
        return xp.concatenate(parts)


def solve_coefficients(problem: ChannelProblem, heads: Sequence[HeadState]) -> list[HeadState]:
    """Return the heads with the best coefficients, where the outputs are linear in them; else as they are."""
    heads = list(heads)
    linear = problem.channel.linear and all(h.family.size and not h.family.log for h in heads)
    if not linear:
        return heads
    model = Linearised(problem, heads)
    xp = model.xp
    gram, moment = model.normal_equations(problem.Y)
    system = gram + problem.penalty * linalg.block_diag(*(head.family.penalty() for head in heads))
    scale = float(np.trace(gram)) / len(gram)
    ridge = (1e-12 if problem.X.dtype.itemsize == 8 else 1e-7) * scale if scale > 0 else 1.0
    c = linalg.solve(system + ridge * np.eye(len(gram)), moment, assume_a="pos")
    c = xp.asarray(c, dtype=problem.X.dtype)
    solved, start = [], 0
    for head in heads:
        solved.append(replace(head, coefficients=c[start : start + head.family.size]))
        start += head.family.size
    return solved


def solve_values(problem: ChannelProblem, heads: Sequence[HeadState], ridge: float = 1e-3) -> list[HeadState]:
    """Return the heads with value matrices that fit best, one head after the other."""
    if not problem.learn_values:
        return list(heads)
    xp = array_namespace(problem.X)
    d, n_values = problem.X.shape[2], problem.Y.shape[2]
    solved: list[HeadState] = []
    target = problem.Y
    for head in heads:
        head = replace(head, value_matrix=xp.zeros((d, n_values), dtype=problem.X.dtype))
        gram, moment = np.zeros((d, d)), np.zeros((d, n_values))
        for part in problem.chunks(n_values):
            H = problem.activated(head, part)[3]
            means = problem.channel.outputs(H, problem.data[part].with_values(problem.X[part]))
            rows = problem.rooted(means, part).reshape(-1, d)
            wanted = problem.rooted(target[part], part).reshape(-1, n_values)
            gram = gram + np.asarray(to_host(rows.T @ rows), dtype=float)
            moment = moment + np.asarray(to_host(rows.T @ wanted), dtype=float)
        scale = float(np.trace(gram)) / d
        system = gram + (ridge * scale if scale > 0 else 1.0) * np.eye(d)
        W = linalg.solve(system, moment, assume_a="pos")
        head = replace(head, value_matrix=xp.asarray(W, dtype=problem.X.dtype))
        solved.append(head)
        if len(heads) > 1:
            outputs = problem.outputs([head])
            target = target if outputs is None else target - outputs
    return solved
