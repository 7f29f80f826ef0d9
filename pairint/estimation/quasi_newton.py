r"""The outer problem again: L-BFGS on the projected risk, without a Gauss-Newton system at every step.

By the envelope theorem the gradient :math:`-2 J^\top e` of the projected risk costs one more look at the
pairs, and no more than products of the tokens with the factors: :math:`O(M N (d r + N r))`, where a
Gauss-Newton system costs :math:`O(M N (d r)^2)`. What the gradient is measured by (the metric) makes the
difference between ten steps and thousands. Where the factors are few it is Kaufman's Hessian, built on a part
of the data and kept for several steps; where they are many, the shape of the Hessian for isotropic tokens:
the Gram matrices of the factors. The pairs of the last steps correct both, also for what Kaufman's
approximation leaves out where noise is large. Every step is scaled back to matrices of norm one, as in
:mod:`pairint.estimation.gauss_newton`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from pairint.backend import array_namespace, to_host
from pairint.estimation.gauss_newton import balanced_factors, on_sphere
from pairint.estimation.inner import solve_inner
from pairint.estimation.problem import LeastSquaresProblem, OuterState
from pairint.kernels import piecewise_coefficients, system_products
from pairint.kernels.projected import token_pulls
from pairint.model.attention import sample_chunks
from pairint.model.splines import SplineSpace
from pairint.steps import steps

__all__ = ["Metric", "lbfgs", "projected_gradient"]

#: Entries of the factors up to which a Hessian is built: beyond, it costs more than the steps that it saves.
NARROW = 400
#: Outputs that the metric is built on: for each entry of the factors, and at least.
_METRIC_OUTPUTS, _LEAST_OUTPUTS = 40, 6000
#: Or, if that is more, so large a share of all: a step looks at all of them.
_METRIC_SHARE = 0.1
#: Damping of a new metric, relative to its diagonal.
_DAMPING = 1e-3
#: The smallest diagonal entry of a Hessian, relative to what it would be without the spline; a damping from
#: which on the diagonal alone is left.
_LEAST_SHARE, _MOST_DAMPING = 1e-12, 1e12
#: A metric is built again after so many steps, after a step that lowers the objective by such a share, and
#: after one that had to be so short.
_METRIC_STEPS, _LARGE_GAIN, _SHORT_STEP = 12, 0.2, 0.3
#: Pairs of steps and changes of the gradient that are kept.
_MEMORY = 10
#: A step must lower the objective by this share of what its slope promises; cuts of a step that are tried.
_ARMIJO, _MOST_CUTS = 1e-4, 12
#: All steps together gain at most so many times what the next is predicted to, if its metric is damped by no
#: more than this: even where progress is slow.
_MOST_GAIN, _LITTLE_DAMPING = 10.0, 0.1
#: Longest first step with a metric of which only the shape is known, relative to the factors.
_FIRST_STEP = 0.1

_Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Metric:
    """What turns a gradient into a step: half the inverse of an approximate Hessian, for each output."""

    #: Cholesky factor of Kaufman's Hessian at factors not far from these, or none: only the shape is known.
    factor: tuple[_Vector, bool] | None
    #: What the shape is multiplied by; none if no step has measured it.
    scale: float | None = None
    #: Outputs that the Hessian was built on.
    n_rows: int = 0

    def solve(self, gradient: _Vector, state: OuterState, n_rows: int) -> _Vector:
        """Return the step for a gradient of the sum over all outputs."""
        if self.factor is None:
            return _by_shape(gradient, state) * ((self.scale or 1.0) / n_rows)
        return np.asarray(linalg.cho_solve(self.factor, gradient, check_finite=False)) / (2.0 * n_rows)


def projected_gradient(problem: LeastSquaresProblem, state: OuterState) -> _Vector:
    """Return the gradient of the projected objective by the factors, stacked as ``(left, right)``.

    On matrices of norm one, to which every step returns: there is no component along the factors.
    """
    rank, space = state.left.shape[1], state.space
    xp = array_namespace(state.left)
    polynomials = piecewise_coefficients(xp.asarray(state.inner.coefficients), space.degree)
    total = problem.over_factors(_pulls, state.left, state.right, polynomials, space.lower, space.upper)
    total = -2.0 * to_host(problem.unfolded(total))
    gradient = np.concatenate([total[:, :rank].ravel(), total[:, rank:].ravel()])
    scale, normal = _radial(to_host(state.left), to_host(state.right))
    return np.asarray(gradient - normal * (scale @ gradient))


def _pulls(
    block: LeastSquaresProblem, left: Any, right: Any, polynomials: Any, lower: float, upper: float
) -> Any:
    """Return the tokens of a block times what the residuals pull at the factors with, ``(d, 2 r)``."""
    X, rank = block.X, left.shape[1]
    xp = array_namespace(X)
    n_samples, n_tokens, d = X.shape
    both = xp.concatenate([left, right], axis=1)
    total = xp.zeros((d, 2 * rank))
    for chunk in sample_chunks(n_samples, n_tokens * (4 * rank + n_tokens)):
        rows = X[chunk].reshape(-1, d)
        projected = (rows @ both).reshape(-1, n_tokens, 2 * rank)
        weight = None if block.weight is None else block.weight[chunk]
        pulls = token_pulls(projected, block.Y[chunk], polynomials, lower, upper, weight)
        total = total + rows.T @ pulls.reshape(-1, 2 * rank)
    return total


def solved(problem: LeastSquaresProblem, left: Any, right: Any, space: SplineSpace) -> OuterState:
    """Fit the spline, the matrix ``left right'`` being fixed; as ``problem.solve``, to rounding."""
    equations = problem.equations(left, right, space, in_cache=True)
    return OuterState(left, right, space, solve_inner(equations, space, problem.penalty))


def lbfgs(
    problem: LeastSquaresProblem,
    left: Any,
    right: Any,
    space: SplineSpace,
    max_iter: int,
    tol: float,
    metric: Metric | None = None,
    enough: tuple[float, float] = (-math.inf, 0.0),
    needed: float = math.inf,
) -> OuterState:
    """Minimise the empirical risk over matrices of the rank of the factors, on one spline space.

    Parameters
    ----------
    problem : LeastSquaresProblem
        With whitened tokens.
    left, right : array, shape (d, r)
        Starting factors.
    space : SplineSpace
    max_iter : int
        Largest number of steps.
    tol : float
        Stop when the next step is predicted to lower the residual sum of squares by less than ``tol`` noise
        variances (estimated by the mean squared residual).
    metric : Metric, optional
        Of an earlier stage, at factors from which these come.
    enough : (float, float)
        Stop also where the residual sum of squares is at most the first and is predicted to fall by less than
        the second.
    needed : float
        Give up where even ten times what the next step is predicted to gain would leave the residual sum of
        squares above this.

    Returns
    -------
    OuterState
        With factors of a matrix of Frobenius norm one, and the last metric.

    Notes
    -----
    Nocedal, "Updating quasi-Newton matrices with limited storage", 1980, with the metric as first matrix.
    """
    if problem.d == 1 or metric is None:
        left, right = balanced_factors(left, right)
    state = solved(problem, left, right, space)
    if problem.d == 1:  # the matrix is a number, and its scale belongs to the activation
        return replace(state, converged=True)
    shape = (2, *state.left.shape)
    narrow = 2 * state.left.size <= NARROW
    total = problem.total_square
    if narrow and metric is not None and 2 * metric.n_rows < _metric_outputs(problem, 2 * state.left.size):
        metric = None  # of too few data for these
    gradient = projected_gradient(problem, state)
    history: list[dict[str, float]] = []
    pairs: list[tuple[_Vector, _Vector]] = []
    damping, age, calm, converged = _DAMPING, 0, 0, False
    for _ in steps(iter(lambda: len(history) < max_iter, False), "steps"):
        if metric is None:
            metric = _metric(problem, state, damping) if narrow else Metric(None)
            age, pairs = 0, []
        fresh = age == 0
        direction = -_two_loops(gradient, pairs, metric, state, problem.n_rows)
        slope = float(direction @ gradient)
        smallest = max(tol * state.inner.objective / problem.n_rows, 1e-14 * total)
        if not math.isfinite(slope) or slope >= 0.0:
            if not pairs:
                converged = bool(math.isfinite(slope))
                break
            pairs = []
            continue
        if state.inner.residual <= enough[0] and -slope / 2 <= enough[1]:
            break
        # A metric that is damped much, or knows no curvature yet, predicts too little.
        known = damping <= _LITTLE_DAMPING if narrow else len(pairs) > 1
        if known and state.inner.residual - _MOST_GAIN * (-slope / 2) > needed:
            break
        calm = calm + 1 if -slope / 2 <= smallest else 0
        # The shape of a metric alone does not know flat directions: it is asked twice.
        if calm > 0 and (narrow or (calm > 1 and len(pairs) > 1)):
            converged = True
            break
        length = 1.0
        if not narrow and metric.scale is None:
            size = math.sqrt(2.0 * float((state.left**2).sum() + (state.right**2).sum()))
            length = min(1.0, _FIRST_STEP * size / float(np.linalg.norm(direction)))
        trial, length = _line_search(problem, state, direction.reshape(shape), slope, length)
        if trial is None:
            if narrow and not fresh:
                metric = None
                continue
            if narrow and damping < 1e3:
                damping, metric = 100.0 * damping, None
                continue
            if not narrow and (pairs or metric.scale is not None):
                metric = None
                continue
            converged = True  # no step lowers the objective: a stationary point to rounding
            break
        before = state
        new = projected_gradient(problem, trial)
        step = np.concatenate(
            [to_host(trial.left - state.left).ravel(), to_host(trial.right - state.right).ravel()]
        )
        change = new - gradient
        curvature = float(step @ change)
        if curvature > 1e-10 * float(np.linalg.norm(step) * np.linalg.norm(change)):
            pairs = [*pairs[1 - _MEMORY :], (step, change)]
            if not narrow:
                shaped = float(change @ _by_shape(change, trial))
                metric = Metric(None, curvature / shaped * problem.n_rows)
        history.append(
            {
                "iteration": float(len(history)),
                "n_intervals": float(space.n_intervals),
                "risk_before": before.inner.residual / problem.n_rows,
                "risk": trial.inner.residual / problem.n_rows,
                "damping": damping if narrow else 0.0,
                "predicted_decrease": -slope / 2 / problem.n_rows,
            }
        )
        gain = before.inner.objective - trial.inner.objective
        state, gradient, age = trial, new, age + 1
        if narrow:
            large = gain > _LARGE_GAIN * before.inner.objective
            if length < _SHORT_STEP:
                damping = min(10.0 * damping, 1e3) if fresh else damping
                metric = None
            elif large or age >= _METRIC_STEPS:
                damping = max(damping / 3.0, 1e-6)
                metric = None
    return replace(state, converged=converged, metric=metric, history=history)


def _radial(left: _Vector, right: _Vector) -> tuple[_Vector, _Vector]:
    """Return the factors stacked, and the gradient of the norm by them, over its product with them."""
    scale = np.concatenate([left.ravel(), right.ravel()])
    normal = np.concatenate([(left @ (right.T @ right)).ravel(), (right @ (left.T @ left)).ravel()])
    return scale, normal / (normal @ scale)


def _metric_outputs(problem: LeastSquaresProblem, n_factors: int) -> float:
    return max(_LEAST_OUTPUTS, _METRIC_OUTPUTS * n_factors, _METRIC_SHARE * problem.n_rows)


def _metric(problem: LeastSquaresProblem, state: OuterState, damping: float) -> Metric:
    """Return Kaufman's Hessian for each output, of as many samples as its size asks for."""
    n_factors = 2 * state.left.size
    outputs = _metric_outputs(problem, n_factors)
    part = problem.first(max(1, math.ceil(outputs * problem.n_samples / problem.n_rows)))
    if part.n_rows < problem.n_rows:
        local = solved(part, state.left, state.right, state.space)
    else:
        part, local = problem, state
    args = state.left, state.right, local.inner.coefficients, state.space
    products = to_host(part.over_blocks(_system, *args))
    cross = products[n_factors:-1, :n_factors]
    hessian = products[:n_factors, :n_factors] - cross.T @ linalg.cho_solve(
        local.inner.factor, cross, check_finite=False
    )
    # What is left after the spline has been projected out may be rounding: its size is that of J'J.
    least = _LEAST_SHARE * float(np.trace(products[:n_factors, :n_factors])) / n_factors / part.n_rows
    hessian, _ = on_sphere(hessian, np.zeros(n_factors), to_host(state.left), to_host(state.right))
    hessian /= part.n_rows
    diagonal = np.maximum(np.diag(hessian), least + 1e-300)
    # Changes of the factors that keep the matrix up to its scale are flat here, but not quite at the factors
    # of the next steps: without stiffness along them these would be long.
    flat = _flat_directions(to_host(state.left), to_host(state.right))
    hessian += float(diagonal.mean()) * (flat @ flat.T)
    while damping < _MOST_DAMPING:
        try:
            factor = linalg.cho_factor(hessian + np.diag(damping * diagonal), check_finite=False)
            return Metric(factor, n_rows=part.n_rows)
        except linalg.LinAlgError:
            damping *= 8.0
    return Metric((np.diag(np.sqrt(diagonal * damping)), False), n_rows=part.n_rows)


def _system(block: LeastSquaresProblem, left: Any, right: Any, coefficients: Any, space: SplineSpace) -> Any:
    """Return the products of a block that a Hessian is made of."""
    coefficients = array_namespace(block.X).asarray(coefficients)
    shape = space.lower, space.upper, space.degree
    return system_products(block.X, block.Y, left, right, coefficients, *shape, block.weight)


def _flat_directions(left: _Vector, right: _Vector) -> _Vector:
    """Return an orthonormal basis, as columns, of what neither the matrix nor its scale tells."""
    rank = left.shape[1]
    mixes = np.eye(rank * rank).reshape(-1, rank, rank)
    moved = np.stack([left @ mixes, -right @ mixes.swapaxes(1, 2)], axis=1).reshape(len(mixes), -1)
    scale = np.concatenate([left.ravel(), right.ravel()])
    return np.asarray(np.linalg.qr(np.vstack([moved, scale]).T)[0])


def _two_loops(
    gradient: _Vector,
    pairs: list[tuple[_Vector, _Vector]],
    metric: Metric,
    state: OuterState,
    n_rows: int,
) -> _Vector:
    """Return the inverse of the approximate Hessian times the gradient."""
    vector = gradient.copy()
    weights = []
    for step, change in reversed(pairs):
        weight = float(step @ vector) / float(step @ change)
        weights.append(weight)
        vector = vector - weight * change
    vector = metric.solve(vector, state, n_rows)
    for (step, change), weight in zip(pairs, reversed(weights), strict=True):
        vector = vector + step * (weight - float(change @ vector) / float(step @ change))
    return vector


def _by_shape(vector: _Vector, state: OuterState) -> _Vector:
    """Divide by the shape of the Hessian for isotropic tokens: the Gram matrix of the other factor."""
    left, right = to_host(state.left), to_host(state.right)
    parts = vector.reshape(2, *left.shape)
    found = np.empty_like(parts)
    for part, other, out in zip(parts, (right, left), found, strict=True):
        gram = other.T @ other
        gram += 1e-3 * np.trace(gram) / len(gram) * np.eye(len(gram))
        out[:] = np.linalg.solve(gram, part.T).T
    return found.ravel()


def _line_search(
    problem: LeastSquaresProblem, state: OuterState, direction: _Vector, slope: float, length: float
) -> tuple[OuterState | None, float]:
    """Cut the step until the objective falls enough; return the state and the length."""
    xp = array_namespace(state.left)
    left, right = (xp.asarray(part) for part in direction)
    start = state.inner.objective
    for _ in range(_MOST_CUTS):
        factors = (state.left + length * left, state.right + length * right)
        norm = float(((factors[0].T @ factors[0]) * (factors[1].T @ factors[1])).sum()) ** 0.25
        if math.isfinite(norm) and norm > 0.0:
            trial = solved(problem, factors[0] / norm, factors[1] / norm, state.space)
            rise = trial.inner.objective - start
            if rise <= _ARMIJO * length * slope:
                return trial, length
            parabola = -slope * length / (2.0 * (rise - slope * length))
        else:
            parabola = 0.1
        length *= min(max(parabola, 0.1), 0.5)
    return None, 0.0
