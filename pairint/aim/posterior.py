r"""Exact samples of the posterior of a layer from noiseless labels, for small d.

Labels of softmax and linear outputs are quadratic equations :math:`\langle A_i, WW^\top\rangle = b_i` on the
weights. The posterior lives on the manifold :math:`M` of their solutions. With
:math:`c_i(W) = \langle A_i, WW^\top\rangle - b_i` and the Jacobian J of c, its density there is

.. math:: e^{-V(W)}, \qquad V = \tfrac12\lVert W\rVert_F^2 + \tfrac12\log\det JJ^\top ,

the second term by the co-area formula: of a thin shell around M more volume lies where c is flat. Hamiltonian
Monte Carlo walks on M: steps of the RATTLE scheme, which return to M along the normal space of where they
began; a step that cannot be retraced is refused, and a trajectory is accepted by the rule of Metropolis. The
chain is reversible, and the posterior is its stationary law, without a bias from steps of finite length.

A step costs :math:`O(m^2 d r)` for m equations; there are up to :math:`d^2` of them. This is a reference for
d of some tens, not an estimator for wide layers.

Hardmax labels are inequalities instead: the posterior is the Gaussian law on the set of weights with the same
labels. There elliptical slice sampling needs no step length and refuses nothing: :func:`hardmax_weights`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pairint.aim.channels import Channel, LinearChannel, SoftmaxChannel, make_channel
from pairint.aim.indices import check_tokens
from pairint.backend import one_blas_thread
from pairint.result import Result
from pairint.steps import steps as counted
from pairint.validation import check_floats, check_integer, check_real, check_rng, check_size

__all__ = [
    "ConditionedWeights",
    "conditioned_weights",
    "hardmax_weights",
    "label_equations",
    "posterior_weights",
]

#: Largest violation of an equation after a step, over the size of its terms; and the most iterations back to
#: the manifold. What has not arrived by then is refused, on the way there and on the way back alike.
_ON, _MOST = 1e-11, 60
#: How nearly a step must be retraced, over the size of a weight. Roundings are far smaller, another solution
#: is far away.
_RETRACED = 1e-6
_DEPENDENT = "the equations must be independent at start, and fewer than the weights have freedom"


@dataclass(frozen=True, repr=False)
class ConditionedWeights(Result):
    r"""A chain of weights that solve the equations.

    Book: :doc:`/book/aim_gradient_descent`.

    Attributes
    ----------
    weights : ndarray (n_draws, d, r)
        States of the chain.
    acceptance : float
        Share of the trajectories that were accepted.
    residual : float
        Largest :math:`|c_i|` of a state.
    """

    weights: NDArray[np.float64] = field(repr=False)
    acceptance: float
    residual: float

    @property
    def matrices(self) -> NDArray[np.float64]:
        r"""The matrices :math:`WW^\top/\sqrt{rd}` of the states, of shape (n_draws, d, d)."""
        _, d, width = self.weights.shape
        return self.weights @ self.weights.swapaxes(1, 2) / math.sqrt(width * d)


def label_equations(
    X: Any, y: Any, channel: str | Channel = "softmax"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return the linear equations :math:`\langle A_i, S\rangle = b_i` that labels are.

    Book: :doc:`/book/aim_gradient_descent`.

    Parameters
    ----------
    X : array (n, T, d)
        Tokens.
    y : array (n, T, T)
        Labels.
    channel : {"softmax", "linear"} or Channel

    Returns
    -------
    A : ndarray (m, d, d)
        Symmetric; :math:`T(T+1)/2` of a sample, one less for softmax.
    b : ndarray (m,)

    Raises
    ------
    ValueError
        If the labels are not of the channel, or the channel is neither softmax nor linear.
    """
    X = check_tokens(X, "float64")
    n, t, d = X.shape
    channel = make_channel(channel, t)
    if not isinstance(channel, SoftmaxChannel | LinearChannel):
        raise ValueError(f"channel must be softmax or linear, got {channel!r}: its labels are no equations")
    check_size("the equations of X", n * t * (t + 1) // 2, d, d)
    observed = channel.observe(y)
    if len(observed) != n:
        raise ValueError(f"y has {len(observed)} samples, X has {n}")
    first, second = np.triu_indices(t)
    A = X[:, first, :, None] * X[:, second, None, :]
    A = (A + A.swapaxes(2, 3)) / (2 * math.sqrt(d))
    A[:, first == second] -= np.eye(d) / math.sqrt(d)
    b = observed[:, first, second]
    if isinstance(channel, SoftmaxChannel):  # known up to a constant of the sample
        A, b = A[:, 1:] - A[:, :1], b[:, 1:] - b[:, :1]
    return A.reshape(-1, d, d), np.asarray(b, dtype=float).reshape(-1)


def posterior_weights(
    X: Any, y: Any, start: Any, channel: str | Channel = "softmax", **options: Any
) -> ConditionedWeights:
    r"""Draw weights from the posterior of a layer with Gaussian weights, given noiseless labels.

    Book: :doc:`/book/aim_gradient_descent`.

    Parameters
    ----------
    X : array (n, T, d)
    y : array (n, T, T)
    start : array (d, r)
        Weights that nearly explain the labels: of a run of gradient descent, or the true ones. The chain
        begins near them, at some that do.
    channel : {"softmax", "linear"} or Channel
    **options
        Those of :func:`conditioned_weights`.

    Returns
    -------
    ConditionedWeights

    Raises
    ------
    ValueError
        As in :func:`label_equations` and :func:`conditioned_weights`.
    """
    A, b = label_equations(X, y, channel)
    start = check_floats("start", start, (A.shape[1], None))
    return conditioned_weights(A, b * math.sqrt(A.shape[1] * start.shape[1]), start, **options)


def conditioned_weights(
    A: Any,
    b: Any,
    start: Any,
    *,
    n_draws: int = 100,
    thin: int = 1,
    step: float = 0.2,
    n_steps: int = 5,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> ConditionedWeights:
    r"""Draw Gaussian weights W given that :math:`\langle A_i, WW^\top\rangle = b_i` for all i.

    Book: :doc:`/book/aim_gradient_descent`.

    Parameters
    ----------
    A : array (m, d, d)
        Symmetric.
    b : array (m,)
    start : array (d, r)
        The chain begins at the solution that Newton's method finds from here.
    n_draws, thin : int
        How many states are kept, and how many trajectories lie between two.
    step : float
        Length of a step in the time of the Hamiltonian flow.
    n_steps : int
        Steps of a trajectory.
    rng : Generator, SeedSequence, int or None

    Returns
    -------
    ConditionedWeights

    Raises
    ------
    ValueError
        If shapes do not fit, the matrices are not symmetric, no solution is found near the start, or the
        equations are not independent there (more equations than the weights have freedom, for example).
    """
    A = check_floats("A", A, (None, None, None)).astype(np.float64, copy=False)
    m, d, _ = A.shape
    if m < 1 or A.shape[2] != d or not np.allclose(A, A.swapaxes(1, 2)):
        raise ValueError(f"A must hold at least one symmetric matrix, got shape {A.shape}")
    b = check_floats("b", b, (m,)).astype(np.float64, copy=False)
    W = check_floats("start", start, (d, None)).astype(np.float64, copy=True)
    n_draws, thin = check_integer("n_draws", n_draws, 1), check_integer("thin", thin, 1)
    n_steps = check_integer("n_steps", n_steps, 1, 10_000)
    step = check_real("step", step, 0, 1e3, exclusive_minimum=True)
    check_size("n_draws", n_draws, *W.shape)
    rng = check_rng(rng)
    manifold = _Manifold(A, b)
    W = _solution(manifold, W)
    try:
        here = manifold.point(W)
    except np.linalg.LinAlgError:
        raise ValueError(_DEPENDENT) from None
    weights = np.empty((n_draws, *W.shape))
    accepted, worst = 0, 0.0
    with one_blas_thread(len(b)):
        for draw in counted(range(n_draws), "draws"):
            for _ in range(thin):
                momentum = manifold.tangent(here, rng.standard_normal(W.shape))
                energy = here.potential + 0.5 * float((momentum**2).sum())
                there, steps = here, 0
                for _ in range(n_steps):
                    next_point, momentum = _rattle(manifold, there, momentum, step)
                    if next_point is None:
                        break
                    there, steps = next_point, steps + 1
                threshold = math.log(rng.uniform())
                if steps < n_steps:
                    continue
                if threshold < energy - there.potential - 0.5 * float((momentum**2).sum()):
                    here = there
                    accepted += 1
            weights[draw] = here.W
            worst = max(worst, float(np.abs(manifold.residual(here.W)).max()))
    return ConditionedWeights(weights, accepted / (n_draws * thin), worst)


def hardmax_weights(
    X: Any,
    y: Any,
    start: Any,
    *,
    n_draws: int = 100,
    thin: int = 1,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
) -> NDArray[np.float64]:
    r"""Draw Gaussian weights given hardmax labels, for many problems of one size at once.

    Book: :doc:`/book/aim_discrepancy`.

    Elliptical slice sampling (Murray, Adams and MacKay, 2010): on an ellipse through the state and a fresh
    draw of the prior, angles are tried, ever nearer to the state, until the labels are right. The chain is
    reversible, and the posterior is its stationary law.

    Parameters
    ----------
    X : array (k, n, T, d)
        Tokens of k problems.
    y : array (k, n, T, T)
        Their labels, rows with a single 1.
    start : array (k, d, r)
        Weights that have these labels: the true ones.
    n_draws, thin : int
        How many states are kept, and how many steps lie between two.
    rng : Generator, SeedSequence, int or None

    Returns
    -------
    ndarray (n_draws, k, d, r)

    Raises
    ------
    ValueError
        If shapes do not fit, or the weights at the start do not have the labels.
    """
    X = check_floats("X", X, (None, None, None, None)).astype(np.float64, copy=False)
    k, n, t, d = X.shape
    chosen = check_floats("y", y, (k, n, t, t)).argmax(axis=-1)
    W = check_floats("start", start, (k, d, None)).astype(np.float64, copy=True)
    n_draws, thin = check_integer("n_draws", n_draws, 1), check_integer("thin", thin, 1)
    check_size("n_draws", n_draws, *W.shape)
    rng = check_rng(rng)
    diagonal = np.arange(t)

    def labelled(weights: NDArray[np.float64], which: NDArray[np.intp]) -> NDArray[np.bool_]:
        z = (X[which].reshape(len(which), n * t, d) @ weights).reshape(len(which), n, t, -1)
        h = z @ z.swapaxes(2, 3)
        h[:, :, diagonal, diagonal] -= (weights**2).sum(axis=(1, 2))[:, None, None]
        return (h.argmax(axis=-1) == chosen[which]).all(axis=(1, 2))

    if not labelled(W, np.arange(k)).all():
        raise ValueError("start must hold weights that have the labels y")
    draws = np.empty((n_draws, *W.shape))
    with one_blas_thread(d):
        for draw in counted(range(n_draws), "draws"):
            for _ in range(thin):
                other = rng.standard_normal(W.shape)
                angle = rng.uniform(0, 2 * np.pi, k)
                low, high = angle - 2 * np.pi, angle.copy()
                moved, pending = W.copy(), np.arange(k)
                while len(pending):
                    turn = angle[pending, None, None]
                    tried = W[pending] * np.cos(turn) + other[pending] * np.sin(turn)
                    good = labelled(tried, pending)
                    moved[pending[good]] = tried[good]
                    pending = pending[~good]
                    low[pending] = np.where(angle[pending] < 0, angle[pending], low[pending])
                    high[pending] = np.where(angle[pending] < 0, high[pending], angle[pending])
                    angle[pending] = rng.uniform(low[pending], high[pending])
                W = moved
            draws[draw] = W
    return draws


class _Point(NamedTuple):
    """A solution W, and what a step from it needs."""

    W: NDArray[np.float64]
    jacobian: NDArray[np.float64]  # (m, d r)
    inverse: NDArray[np.float64]  # of the Gram matrix of the Jacobian
    potential: float
    force: NDArray[np.float64]  # minus the gradient of the potential


class _Manifold:
    """The solutions of the equations."""

    def __init__(self, A: NDArray[np.float64], b: NDArray[np.float64]) -> None:
        m, d, _ = A.shape
        self.rows = A.reshape(m * d, d)
        self.columns = np.ascontiguousarray(A.transpose(1, 0, 2)).reshape(d, m * d)
        self.b = b
        self.norms = np.linalg.norm(A, axis=(1, 2))
        self.scale, self.near = np.zeros(m), 0.0

    def measured_at(self, W: NDArray[np.float64]) -> None:
        """Fix the size of the terms of an equation and of a weight, which roundings are measured by."""
        size = float(np.mean(W**2))
        self.scale, self.near = np.abs(self.b) + size * self.norms, _RETRACED * math.sqrt(size)

    def applied(self, W: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return all A_i W, as (m, d r)."""
        return (self.rows @ W).reshape(len(self.b), -1)

    def residual(self, W: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.applied(W) @ W.reshape(-1) - self.b

    def point(self, W: NDArray[np.float64]) -> _Point:
        """Return the point at a solution.

        Raises
        ------
        numpy.linalg.LinAlgError
            If the equations are not independent there.
        """
        jacobian = 2 * self.applied(W)
        gram = jacobian @ jacobian.T
        root = np.linalg.cholesky(gram)
        inverse: NDArray[np.float64] = np.linalg.inv(gram).astype(np.float64, copy=False)
        bent = 2 * (self.columns @ (inverse @ jacobian).reshape(-1, W.shape[1]))
        potential = 0.5 * float((W**2).sum()) + float(np.log(root.diagonal()).sum())
        return _Point(W, jacobian, inverse, potential, -(W + bent))

    def tangent(self, at: _Point, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the part of a vector that is tangent at a point."""
        flat = vector.reshape(-1)
        return (flat - at.jacobian.T @ (at.inverse @ (at.jacobian @ flat))).reshape(vector.shape)

    def returned(self, at: _Point, W: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Move along the normal space of a point until the equations hold; None if they never do."""
        best = math.inf
        for _ in range(_MOST):
            residual = self.residual(W)
            if (np.abs(residual) <= _ON * self.scale).all():
                return W
            size = float(np.abs(residual / self.scale).max())
            if not size < 10 * best:  # it runs away
                return None
            best = min(best, size)
            W = W - (at.jacobian.T @ (at.inverse @ residual)).reshape(W.shape)
        return None


def _rattle(
    manifold: _Manifold, at: _Point, momentum: NDArray[np.float64], step: float
) -> tuple[_Point | None, NDArray[np.float64]]:
    """Return the point after a step and the momentum there; None if the step fails or cannot be retraced."""
    W = manifold.returned(at, at.W + step * (momentum + 0.5 * step * at.force))
    if W is None:
        return None, momentum
    try:
        there = manifold.point(W)
    except np.linalg.LinAlgError:
        return None, momentum
    momentum = manifold.tangent(there, (W - at.W) / step + 0.5 * step * there.force)
    back = manifold.returned(there, W + step * (0.5 * step * there.force - momentum))
    if back is None or np.abs(back - at.W).max() > manifold.near:
        return None, momentum
    return there, momentum


def _solution(manifold: _Manifold, W: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a solution near W by Newton's method, each step the shortest."""
    problem = _DEPENDENT
    try:
        for _ in range(_MOST):
            manifold.measured_at(W)
            residual = manifold.residual(W)
            problem = f"no solution of the equations was found near start; left: {np.abs(residual).max():.3g}"
            if not np.isfinite(residual).all():
                break
            if (np.abs(residual) <= _ON * manifold.scale).all():
                return W
            jacobian = 2 * manifold.applied(W)
            problem = _DEPENDENT
            np.linalg.cholesky(jacobian @ jacobian.T)
            W = W - (jacobian.T @ np.linalg.solve(jacobian @ jacobian.T, residual)).reshape(W.shape)
    except np.linalg.LinAlgError:
        pass
    raise ValueError(problem)
