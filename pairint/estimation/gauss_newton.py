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
from pairint.estimation.inner import aggregated_design, design_width, factor_scores, scaled_rows
from pairint.estimation.problem import LeastSquaresProblem, OuterState
from pairint.model.attention import sample_chunks
from pairint.model.splines import Spline, SplineSpace
from pairint.steps import steps

__all__ = ["balanced_factors", "grown_factors", "levenberg_marquardt", "on_sphere", "projected_system"]

_FIRST_DAMPING = 1e-3
_SMALLEST_DAMPING = 1e-7
_LARGEST_DAMPING = 1e6
#: The factors have norms of about one: a step this long comes from a system that is zero to rounding.
_LONGEST_STEP = 1e8


def balanced_factors(left: Any, right: Any) -> tuple[Any, Any]:
    """Return factors of the same matrix over its norm, with ``left' left = right' right`` diagonal."""
    xp = array_namespace(left)
    q_left, r_left = xp.linalg.qr(left)
    q_right, r_right = xp.linalg.qr(right)
    u, singular, vt = xp.linalg.svd(r_left @ r_right.T)
    root = xp.sqrt(singular / xp.sqrt((singular**2).sum()))
    return (q_left @ u) * root, (q_right @ vt.T) * root


def levenberg_marquardt(
    problem: LeastSquaresProblem,
    left: Any,
    right: Any,
    space: SplineSpace,
    max_iter: int,
    tol: float,
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
        Largest number of Gauss-Newton systems built.
    tol : float
        Stop when the model predicts that the residual sum of squares will fall by less than ``tol``
        noise variances (estimated by the mean squared residual). One parameter's worth of noise is one.

    Returns
    -------
    OuterState
        With balanced factors of unit Frobenius norm.
    """
    state = problem.solve(*balanced_factors(left, right), space)
    if problem.d == 1:  # the matrix is a number, and its scale belongs to the activation
        return replace(state, converged=True)
    total = problem.total_square
    damping, converged = _FIRST_DAMPING, False
    history: list[dict[str, float]] = []
    for iteration in steps(range(max_iter), "steps", most=True):
        noise = state.inner.objective / problem.n_rows
        smallest = max(tol * noise, 1e-14 * total)
        trial, predicted, damping = _damped_step(problem, state, damping, smallest)
        if trial is None:
            # Either converged, or no damped step decreases the objective: a stationary point to rounding.
            converged = True
            break
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
    return replace(state, converged=converged, history=history)


def grown_factors(problem: LeastSquaresProblem, state: OuterState) -> tuple[Any, Any]:
    r"""Return factors of one rank more: the leading direction of the gradient is added to the matrix.

    The matrix :math:`G = \sum_{m,i} e_{mi} X_{mi} Z_{mi}^\top` is half the steepest descent among all
    ``d x d`` matrices. Where the factors are stationary it vanishes along changes of the factors; its leading
    singular pair is what one more rank can fit. The step's length is that of isotropic tokens.
    """
    xp = array_namespace(state.left)
    gradient, curvature = problem.over_blocks(_steepest, state.left, state.right, state.spline)
    left, singular, right = xp.linalg.svd(gradient)
    # A spline without slope sees no direction: any will do, and the step that follows settles its size.
    root = (float(singular[0]) / curvature) ** 0.5 if curvature > 0.0 and float(singular[0]) > 0.0 else 1e-3
    return (
        xp.concatenate([state.left, root * left[:, :1]], axis=1),
        xp.concatenate([state.right, root * right[:1].T], axis=1),
    )


def _steepest(block: LeastSquaresProblem, left: Any, right: Any, spline: Spline) -> tuple[Any, float]:
    """Return the gradient by the matrix, and its curvature for isotropic tokens."""
    X, Y = block.X, block.Y
    xp = array_namespace(X)
    n_samples, n_tokens, d = X.shape
    gradient = xp.zeros((d, d))
    curvature = 0.0
    both = xp.concatenate([left, right], axis=1)
    rank = left.shape[1]
    for chunk in sample_chunks(n_samples, n_tokens * (4 * n_tokens + 2 * d)):
        tokens = X[chunk].reshape(-1, d)
        projected = (tokens @ both).reshape(-1, n_tokens, 2 * rank)
        scores = projected[:, :, :rank] @ xp.swapaxes(projected[:, :, rank:], -1, -2)
        pulled = spline.partner_moments(scores, X[chunk]).reshape(-1, d)
        residual = Y[chunk] - spline.partner_mean(scores)
        squares = (tokens**2).sum(axis=1) * (pulled**2).sum(axis=1)
        if block.weight is not None:
            residual = block.weight[chunk] * residual
            squares = block.weight[chunk].reshape(-1) * squares
        gradient = gradient + (residual.reshape(-1, 1) * tokens).T @ pulled
        curvature += float(squares.sum()) / d**2
    return gradient, curvature


def _damped_step(
    problem: LeastSquaresProblem, state: OuterState, damping: float, smallest: float
) -> tuple[OuterState | None, float, float]:
    """Raise the damping until a step lowers the objective.

    Returns the new state, or none if no step is predicted to gain more than ``smallest`` or none gains;
    the predicted decrease; and the damping to go on with.
    """
    xp = array_namespace(state.left)
    d, rank = state.left.shape
    hessian, gradient = projected_system(problem, state)
    diagonal = np.maximum(np.diag(hessian), 1e-12 * np.trace(hessian) / len(hessian) + 1e-300)
    predicted = 0.0
    while damping <= _LARGEST_DAMPING:
        try:
            factor = linalg.cho_factor(hessian + np.diag(damping * diagonal), check_finite=False)
        except linalg.LinAlgError:  # singular to rounding along changes of factors that keep the matrix
            damping *= 8.0
            continue
        step = linalg.cho_solve(factor, gradient, check_finite=False)
        if not np.abs(step).max() < _LONGEST_STEP:  # rounding over rounding: nothing to learn along it
            damping *= 8.0
            continue
        predicted = float(step @ gradient * 2 - step @ hessian @ step)
        if predicted <= smallest:
            break
        left, right = xp.asarray(step).reshape(2, d, rank)
        factors = balanced_factors(state.left + left, state.right + right)
        trial = problem.solve(*factors, state.space)
        gain = (state.inner.objective - trial.inner.objective) / predicted
        if gain > 1e-3:
            damping = max(damping / (9.0 if gain > 0.75 else 3.0 if gain > 0.4 else 1.0), _SMALLEST_DAMPING)
            return trial, predicted, damping if gain > 0.2 else damping * 3.0
        damping *= 8.0
    return None, predicted, damping


def projected_system(
    problem: LeastSquaresProblem, state: OuterState
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Kaufman's ``J'(I - F H^-1 F')J`` and ``J'e``, the factors stacked as ``(left, right)``."""
    left, right, space = state.left, state.right, state.space
    square, cross, gradient = problem.over_blocks(_system_sums, left, right, space, state.inner.coefficients)
    projected = linalg.cho_solve(state.inner.factor, cross, check_finite=False)
    hessian = to_host(square) - cross.T @ projected
    d, rank = left.shape
    n_factors = 2 * d * rank
    order = np.arange(n_factors).reshape(2, rank, d).swapaxes(1, 2).ravel()  # as the factors are stacked
    hessian, gradient = hessian[np.ix_(order, order)], to_host(gradient)[order]
    return on_sphere(hessian, gradient, to_host(left), to_host(right))


def _system_sums(
    block: LeastSquaresProblem, left: Any, right: Any, space: SplineSpace, coefficients: Any
) -> tuple[Any, NDArray[np.float64], Any]:
    """Return ``J'J``, ``F'J`` and ``J'e`` of a block, the long axis of the factors last."""
    X, Y, spline = block.X, block.Y, space.spline(coefficients)
    xp = array_namespace(X)
    n_samples, n_tokens, d = X.shape
    rank = left.shape[1]
    n_factors = 2 * d * rank
    coefficients = xp.asarray(coefficients)
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
        residual = Y[chunk].reshape(-1) - F @ coefficients
        if block.weight is not None:
            root = xp.sqrt(block.weight[chunk].reshape(-1))
            J *= root[:, None]
            F, residual = scaled_rows(F, root), root * residual
        square = square + J.T @ J
        cross = cross + to_host(F.T @ J)
        gradient = gradient + J.T @ residual
    return square, cross, gradient


def on_sphere(
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
