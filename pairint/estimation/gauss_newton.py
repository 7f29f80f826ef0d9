r"""The outer problem: Levenberg-Marquardt on the matrix, the spline projected out.

Variable projection: for each matrix :math:`A = U V^\top` the coefficients solve the inner problem,
so that the objective depends on :math:`A` alone. With residual :math:`e = Y - F c` its gradient is
:math:`-2 J^\top e` (envelope theorem), where row :math:`(m, i)` of :math:`J` is the outer product of
:math:`X_{mi}` and :math:`Z_{mi} = \frac{1}{N-1}\sum_{j\ne i}\varphi'(u_{mij}) X_{mj}`, and Kaufman's
approximation of the Hessian is :math:`2 J^\top (I - F H^{-1} F^\top) J` with :math:`H = F^\top F +` penalty.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from pairint.backend import array_namespace, to_host
from pairint.estimation.factors import balanced_factors, factor_scores
from pairint.estimation.inner import aggregated_design, design_width
from pairint.estimation.problem import Problem, State
from pairint.model.attention import sample_chunks
from pairint.model.splines import SplineSpace

__all__ = ["levenberg_marquardt", "projected_system"]

_FIRST_DAMPING = 1e-3
_SMALLEST_DAMPING = 1e-7
_LARGEST_DAMPING = 1e6


def levenberg_marquardt(
    problem: Problem, left: Any, right: Any, space: SplineSpace, max_iter: int, tol: float
) -> State:
    """Minimise the empirical risk over matrices of the rank of the factors, on one spline space.

    Parameters
    ----------
    problem : Problem
        Of whitened tokens.
    left, right : array, shape (d, r)
        Starting factors.
    space : SplineSpace
    max_iter : int
        Largest number of Gauss-Newton systems built.
    tol : float
        Stop when the model predicts that the residual sum of squares will fall by less than ``tol``
        noise variances (estimated by the mean squared residual). One parameter's worth of noise is one.

    Returns
    -------
    State
        With factors of unit Frobenius norm, balanced.
    """
    state = problem.solve(*balanced_factors(left, right), space)
    if problem.d == 1:  # the matrix is a number, and its scale belongs to the activation
        return replace(state, converged=True)
    # A decrease below this is rounding.
    negligible = 1e-14 * float((problem.Y * problem.Y).sum())
    damping = _FIRST_DAMPING
    history: list[dict[str, float]] = []
    for iteration in range(max_iter):
        least = max(tol * state.inner.objective / problem.n_rows, negligible)
        trial, damping, predicted = _damped_step(problem, state, damping, least)
        if trial is None:
            return replace(state, converged=True, history=history)
        history.append(
            {
                "iteration": float(iteration),
                "n_intervals": float(space.n_intervals),
                "risk_before": state.inner.residual / problem.n_rows,
                "risk": trial.inner.residual / problem.n_rows,
                "damping": damping,
                "predicted_decrease": predicted / problem.n_rows,
            }
        )
        state = trial
    return replace(state, history=history)


def _damped_step(
    problem: Problem, state: State, damping: float, least: float
) -> tuple[State | None, float, float]:
    """Take one Gauss-Newton step, damped until it decreases the objective.

    Returns
    -------
    state : State or None
        ``None`` if the predicted decrease is at most ``least``, or if no damped step decreases the objective:
        a stationary point to rounding.
    damping : float
        For the next step.
    predicted : float
        Decrease of the objective that the model predicts.
    """
    xp = array_namespace(problem.X)
    hessian, gradient = projected_system(problem, state)
    diagonal = np.maximum(np.diag(hessian), 1e-12 * np.trace(hessian) / len(hessian) + 1e-300)
    size = state.left.size
    while damping <= _LARGEST_DAMPING:
        try:
            factor = linalg.cho_factor(hessian + np.diag(damping * diagonal), check_finite=False)
        except linalg.LinAlgError:  # singular to rounding along changes of factors that keep the matrix
            damping *= 8.0
            continue
        step = linalg.cho_solve(factor, gradient, check_finite=False)
        predicted = float(step @ gradient * 2 - step @ hessian @ step)
        if predicted <= least:
            break
        move = xp.asarray(step)
        left = state.left + move[:size].reshape(state.left.shape)
        right = state.right + move[size:].reshape(state.right.shape)
        trial = problem.solve(*balanced_factors(left, right), state.space)
        gain = (state.inner.objective - trial.inner.objective) / predicted
        if gain > 1e-3:
            return trial, _next_damping(damping, gain), predicted
        damping *= 8.0
    return None, damping, 0.0


def _next_damping(damping: float, gain: float) -> float:
    """Trust the model more where the objective fell as predicted, less where it did not."""
    if gain <= 0.2:
        return 3.0 * max(damping, _SMALLEST_DAMPING)
    return max(damping / (9.0 if gain > 0.75 else 3.0 if gain > 0.4 else 1.0), _SMALLEST_DAMPING)


def projected_system(problem: Problem, state: State) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Kaufman's ``J'(I - F H^-1 F')J`` and ``J'e``, the factors stacked as ``(left, right)``."""
    X, Y = problem.X, problem.Y
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
