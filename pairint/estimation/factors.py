"""Matrices of low rank as pairs of factors, ``A = left right'``, and the scores that they give."""

from __future__ import annotations

from typing import Any

import numpy as np

from pairint.backend import array_namespace, to_host
from pairint.model.attention import sample_chunks

__all__ = ["balanced_factors", "factor_scores", "score_range", "truncated_factors"]


def truncated_factors(matrix: Any, rank: int) -> tuple[Any, Any]:
    """Return balanced factors ``(d, r)`` of the best rank-``r`` approximation, of unit Frobenius norm."""
    xp = array_namespace(matrix)
    left, singular, right = xp.linalg.svd(matrix, full_matrices=False)
    singular = singular[:rank]
    norm = float(xp.sqrt((singular**2).sum()))
    # A zero matrix (no signal at all) still needs a direction.
    singular = singular / norm if norm > 0 else xp.ones(rank) / rank**0.5
    root = xp.sqrt(singular)
    return left[:, :rank] * root, right[:rank].T * root


def balanced_factors(left: Any, right: Any) -> tuple[Any, Any]:
    """Return factors of the same matrix over its norm, with ``left' left = right' right`` diagonal."""
    xp = array_namespace(left)
    q_left, r_left = xp.linalg.qr(left)
    q_right, r_right = xp.linalg.qr(right)
    u, singular, vt = xp.linalg.svd(r_left @ r_right.T)
    root = xp.sqrt(singular / xp.sqrt((singular**2).sum()))
    return (q_left @ u) * root, (q_right @ vt.T) * root


def factor_scores(X: Any, left: Any, right: Any) -> Any:
    """Return the scores ``X_i' (left right') X_j``, shape ``(M, N, N)``."""
    return (X @ left) @ array_namespace(X).swapaxes(X @ right, -1, -2)


def score_range(X: Any, left: Any, right: Any, n_tail: int = 5) -> tuple[float, float]:
    """Return the interval that holds all scores of distinct tokens but ``n_tail`` at either end.

    Leaving out a fixed number keeps one far score from stretching every cell; beyond the interval
    splines continue linearly.
    """
    xp = array_namespace(X)
    n_tokens = X.shape[1]
    diagonal = xp.arange(n_tokens)
    low: list[Any] = []
    high: list[Any] = []
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
