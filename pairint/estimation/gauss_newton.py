r"""The outer problem: Levenberg-Marquardt on the matrix, the spline projected out.

Variable projection: for each matrix :math:`A = U V^\top` the coefficients solve the inner problem,
so that the objective depends on :math:`A` alone. With residual :math:`e = Y - F c` its gradient is
:math:`-2 J^\top e` (envelope theorem), where row :math:`(m, i)` of :math:`J` is the outer product of
:math:`X_{mi}` and :math:`Z_{mi} = \frac{1}{N-1}\sum_{j\ne i}\varphi'(u_{mij}) X_{mj}`, and Kaufman's
approximation of the Hessian is :math:`2 J^\top (I - F H^{-1} F^\top) J` with :math:`H = F^\top F +` penalty.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from pairint.backend import array_namespace, to_host
from pairint.estimation.inner import (
    InnerSolution,
    aggregated_design,
    design_width,
    factor_scores,
    normal_equations,
    solve_inner,
)
from pairint.model.attention import sample_chunks
from pairint.model.splines import Spline, SplineSpace

__all__ = ["OuterState", "balanced_factors", "levenberg_marquardt", "score_range"]

_FIRST_DAMPING = 1e-3
_SMALLEST_DAMPING = 1e-7
_LARGEST_DAMPING = 1e6


@dataclass(frozen=True)
class OuterState:
    """A matrix in balanced factors of unit Frobenius norm, and the inner solution it leads to."""

    left: Any
    right: Any
    space: SplineSpace
    inner: InnerSolution
    converged: bool = False
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def spline(self) -> Spline:
        """The fitted activation."""
        return self.space.spline(self.inner.coefficients)


def balanced_factors(left: Any, right: Any) -> tuple[Any, Any]:
    """Return factors of the same matrix over its norm, with ``left' left = right' right`` diagonal."""
    xp = array_namespace(left)
    q_left, r_left = xp.linalg.qr(left)
    q_right, r_right = xp.linalg.qr(right)
    u, singular, vt = xp.linalg.svd(r_left @ r_right.T)
    root = xp.sqrt(singular / xp.sqrt((singular**2).sum()))
    return (q_left @ u) * root, (q_right @ vt.T) * root


def score_range(X: Any, left: Any, right: Any, n_tail: int = 5) -> tuple[float, float]:
    """Return the interval that holds all scores of distinct tokens but ``n_tail`` at either end.

    Leaving out a fixed number keeps one far score from stretching every cell; beyond the interval
    splines continue linearly.
    """
    xp = array_namespace(X)
    n_tokens = X.shape[1]
    diagonal = xp.arange(n_tokens)
    low, high = [], []
    for chunk in sample_chunks(X.shape[0], n_tokens * max(n_tokens, X.shape[2])):
        scores = factor_scores(X[chunk], left, right)
        for extremes, sign in ((low, 1.0), (high, -1.0)):
            signed = sign * scores
            signed[:, diagonal, diagonal] = xp.inf
            flat = signed.reshape(-1)
            keep = min(n_tail + 1, flat.shape[0])
            extremes.append(sign * to_host(xp.partition(flat, keep - 1)[:keep]))
    lowest, highest = np.concatenate(low), np.concatenate(high)
    lowest, highest = np.sort(lowest[np.isfinite(lowest)]), np.sort(highest[np.isfinite(highest)])
    tail = min(n_tail, len(lowest) - 1)
    lower, upper = float(lowest[tail]), float(highest[-1 - tail])
    if not upper > lower:  # few scores, or all equal
        lower, upper = float(lowest[0]), float(highest[-1])
    if not upper - lower > 1e-9 * max(abs(lower), abs(upper), 1e-300):
        centre, spread = (lower + upper) / 2, max(abs(lower), abs(upper), 1e-3)
        lower, upper = centre - spread, centre + spread
    return lower, upper


def levenberg_marquardt(
    X: Any,
    Y: Any,
    left: Any,
    right: Any,
    space: SplineSpace,
    penalty: float,
    max_iter: int,
    tol: float,
) -> OuterState:
    """Minimise the empirical risk over matrices of the rank of the factors, on one spline space.

    Parameters
    ----------
    X, Y : array, shapes (M, N, d), (M, N)
        Whitened tokens and outputs.
    left, right : array, shape (d, r)
        Starting factors.
    space : SplineSpace
    penalty : float
    max_iter : int
        Largest number of Gauss-Newton systems built.
    tol : float
        Stop when the model predicts that the residual sum of squares will fall by less than ``tol``
        noise variances (estimated by the mean squared residual). One parameter's worth of noise is one.

    Returns
    -------
    OuterState
    """
    xp = array_namespace(X)
    d, rank = left.shape

    def evaluate(left: Any, right: Any) -> OuterState:
        left, right = balanced_factors(left, right)
        inner = solve_inner(normal_equations(X, Y, left, right, space), space, penalty)
        return OuterState(left, right, space, inner)

    state = evaluate(left, right)
    if d == 1:  # the matrix is a number, and its scale belongs to the activation
        return OuterState(state.left, state.right, space, state.inner, True, [])
    n_rows = Y.shape[0] * Y.shape[1]
    damping, converged = _FIRST_DAMPING, False
    history: list[dict[str, float]] = []
    for iteration in range(max_iter):
        hessian, gradient = _projected_system(X, Y, state)
        diagonal = np.maximum(np.diag(hessian), 1e-12 * np.trace(hessian) / len(hessian) + 1e-300)
        noise = state.inner.objective / n_rows
        accepted = False
        while damping <= _LARGEST_DAMPING:
            try:
                factor = linalg.cho_factor(hessian + np.diag(damping * diagonal), check_finite=False)
            except linalg.LinAlgError:  # singular to rounding along changes of factors that keep the matrix
                damping *= 8.0
                continue
            step = linalg.cho_solve(factor, gradient, check_finite=False)
            predicted = float(step @ gradient * 2 - step @ hessian @ step)
            if predicted <= tol * noise or predicted <= 1e-14 * float((Y * Y).sum()):
                converged = True
                break
            move = xp.asarray(step)
            trial = evaluate(
                state.left + move[: d * rank].reshape(d, rank),
                state.right + move[d * rank :].reshape(d, rank),
            )
            gain = (state.inner.objective - trial.inner.objective) / predicted
            if gain > 1e-3:
                damping = max(
                    damping / (9.0 if gain > 0.75 else 3.0 if gain > 0.4 else 1.0), _SMALLEST_DAMPING
                )
                damping = damping if gain > 0.2 else damping * 3.0
                accepted = True
                break
            damping *= 8.0
        if not accepted:
            # Either converged, or no damped step decreases the objective: a stationary point to rounding.
            converged = True
            break
        before, state = state, trial
        history.append(
            {
                "iteration": float(iteration),
                "n_intervals": float(space.n_intervals),
                "risk_before": before.inner.residual / n_rows,
                "risk": state.inner.residual / n_rows,
                "damping": damping,
                "predicted_decrease": predicted / n_rows,
            }
        )
    return OuterState(state.left, state.right, space, state.inner, converged, history)


def _projected_system(X: Any, Y: Any, state: OuterState) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Kaufman's ``J'(I - F H^-1 F')J`` and ``J'e``, the factors stacked as ``(left, right)``."""
    xp = array_namespace(X)
    n_samples, n_tokens, d = X.shape
    left, right, space, spline = state.left, state.right, state.space, state.spline
    rank = left.shape[1]
    n_factors = 2 * d * rank
    coefficients = xp.asarray(state.inner.coefficients)
    diagonal = xp.arange(n_tokens)
    square = xp.zeros((n_factors, n_factors))
    cross = np.zeros((space.dimension, n_factors))
    gradient = xp.zeros(n_factors)
    for chunk in sample_chunks(n_samples, n_tokens * (2 * n_factors + 4 * n_tokens + design_width(X, space))):
        tokens = X[chunk]
        rows = tokens.shape[0] * n_tokens
        scores = factor_scores(tokens, left, right)
        slopes = spline.derivative(scores) / (n_tokens - 1)
        slopes[:, diagonal, diagonal] = 0.0
        pulled = slopes @ tokens  # Z, shape (m, N, d)
        # The long axis last: the products below run over it.
        J = xp.empty((rows, 2, rank, d))
        xp.multiply(tokens.reshape(rows, 1, d), (pulled @ right).reshape(rows, rank, 1), out=J[:, 0])
        xp.multiply(pulled.reshape(rows, 1, d), (tokens @ left).reshape(rows, rank, 1), out=J[:, 1])
        J = J.reshape(rows, n_factors)
        F = aggregated_design(scores, space)
        square = square + J.T @ J
        cross = cross + to_host(F.T @ J)
        gradient = gradient + J.T @ (Y[chunk].reshape(-1) - F @ coefficients)
    projected = linalg.cho_solve(state.inner.factor, cross, check_finite=False)
    hessian = to_host(square) - cross.T @ projected
    order = np.arange(n_factors).reshape(2, rank, d).swapaxes(1, 2).ravel()  # as the factors are stacked
    hessian, gradient = hessian[np.ix_(order, order)], to_host(gradient)[order]
    return _on_sphere(hessian, gradient, to_host(left), to_host(right))


def _on_sphere(
    hessian: NDArray[np.float64],
    gradient: NDArray[np.float64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Account for the normalisation of the matrix that follows every step.

    Scaling the factors moves along ``s = (left, right)`` and is undone by the normalisation; to first order
    a step is projected by ``Q = I - s n' / n's`` with ``n`` the gradient of the squared norm. Without this
    the model predicts decreases along ``s`` that never come.
    """
    scale = np.concatenate([left.ravel(), right.ravel()])
    normal = np.concatenate([(left @ (right.T @ right)).ravel(), (right @ (left.T @ left)).ravel()])
    normal /= normal @ scale
    gradient = gradient - normal * (scale @ gradient)
    hessian = hessian - np.outer(hessian @ scale, normal)
    hessian = hessian - np.outer(normal, scale @ hessian)
    return (hessian + hessian.T) / 2, gradient
