r"""Tokens that move: self-attention on the sphere as a flow.

.. math::

    \dot X_i = \frac{1}{N-1} \sum_{j \ne i} \varphi(X_i^\top X_j)\, P_{X_i} X_j,
    \qquad P_x y = y - (x^\top y)\, x

Tokens of one sample attract each other where ``phi`` is positive, and stay on the unit sphere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import to_host
from pairint.model.attention import check_tokens
from pairint.validation import check_floats, check_real, check_values, shortened

__all__ = ["check_unit", "sphere_flow", "tangent_weights", "tangential_velocity"]

Floats = NDArray[np.float64]


def check_unit(X: Any) -> Floats:
    """Return tokens of shape (M, N, d) on the unit sphere, or raise."""
    X = np.asarray(to_host(check_tokens(X)), dtype=float)
    length = np.linalg.norm(X, axis=2)
    if not (np.abs(length - 1) < 1e-6).all():
        raise ValueError(
            f"X must hold tokens of length 1, got lengths from {length.min():g} to {length.max():g}"
        )
    return X


def tangential_velocity(X: Any, activation: Callable[[Any], Any]) -> Floats:
    """Return the velocities of tokens on the unit sphere.

    Book: :doc:`/book/when_to_watch`.

    Parameters
    ----------
    X : array_like, shape (M, N, d)
        Tokens of length 1.
    activation : callable
        ``phi``, applied elementwise to scores in [-1, 1].

    Returns
    -------
    ndarray, shape (M, N, d)
        Each orthogonal to its token.

    Raises
    ------
    ValueError
        If a token is not of length 1.
    TypeError
        If the activation cannot be called.
    """
    if not callable(activation):
        raise TypeError(f"activation must be callable, got {shortened(activation)}")
    return _velocity(check_unit(X), activation)


def _velocity(X: Floats, activation: Callable[[Any], Any]) -> Floats:
    scores = X @ X.swapaxes(1, 2)
    clipped = np.clip(scores, -1, 1)
    values = check_values("activation", activation(clipped), clipped)
    pull = values @ X - np.einsum("mij,mij->mi", values, scores)[..., None] * X  # the diagonal cancels
    return pull / (X.shape[1] - 1)


def tangent_weights(X: Any) -> Floats:
    """Return ``P_{X_i} X_j`` of all pairs, the weights of the velocities, shape ``(M, N, N, d)``.

    Book: :doc:`/book/when_to_watch`.

    Parameters
    ----------
    X : array_like, shape (M, N, d)
        Tokens of length 1.

    Raises
    ------
    ValueError
        If a token is not of length 1.
    """
    X = check_unit(X)
    # Of the difference, which is small where tokens are close: no digits are lost.
    apart = X[:, None] - X[:, :, None]
    return apart - np.sum(apart * X[:, :, None], axis=3, keepdims=True) * X[:, :, None]


def sphere_flow(X: Any, activation: Callable[[Any], Any], times: Any, step: float = 0.05) -> Floats:
    """Let tokens move, and return where they are at some times.

    Book: :doc:`/book/when_to_watch`.

    Parameters
    ----------
    X : array_like, shape (M, N, d)
        Tokens of length 1 at time 0.
    activation : callable
        ``phi``.
    times : array_like, shape (T,)
        Increasing, from 0 on; at most 1e6 steps in all.
    step : float
        Largest step of the method of Runge and Kutta of order four, in (0, 1]. The error of a step is of the
        order ``step**5``; tokens are put back on the sphere after each.

    Returns
    -------
    ndarray, shape (T, M, N, d)

    Raises
    ------
    ValueError
        If a token is not of length 1 or the times do not increase.
    """
    if not callable(activation):
        raise TypeError(f"activation must be callable, got {shortened(activation)}")
    X = check_unit(X)
    times = np.asarray(to_host(check_floats("times", times, (None,))), dtype=float)
    step = check_real("step", step, 0, 1, exclusive_minimum=True)
    if len(times) < 1 or times[0] < 0 or not (np.diff(times) > 0).all():
        raise ValueError(f"times must increase, from 0 on; got {shortened(times.tolist())}")
    if times[-1] > 1e6 * step:
        raise ValueError(f"times must end before 1e6 steps of {step:g}, got {times[-1]:g}")
    found = np.empty((len(times), *X.shape))
    now = 0.0
    for k, time in enumerate(times):
        n_steps = int(np.ceil((time - now) / step - 1e-9))
        h = (time - now) / max(n_steps, 1)
        for _ in range(n_steps):
            a = _velocity(X, activation)
            b = _velocity(X + h / 2 * a, activation)
            c = _velocity(X + h / 2 * b, activation)
            d = _velocity(X + h * c, activation)
            X = X + h / 6 * (a + 2 * b + 2 * c + d)
            X = X / np.linalg.norm(X, axis=2, keepdims=True)
        found[k], now = X, time
    return found
