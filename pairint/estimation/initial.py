r"""Where the search starts.

In whitened coordinates, for independent standard Gaussian tokens and the singular value decomposition
:math:`A = \sum_k s_k p_k q_k^\top`, with :math:`U = x^\top A y` for two tokens (Stein's lemma):

- **linear**: :math:`E[Y_i X_i \bar X_{-i}^\top] = \frac{1}{N-1} E[\varphi'(U)\, x x^\top] A =
  \frac{1}{N-1} \sum_k s_k w_k\, p_k q_k^\top` with :math:`w_k = E[\varphi'(U)\, (p_k^\top x)^2]`.
  The same singular vectors as those of :math:`A`, with other weights: proportional to :math:`A` in general
  only for rank one or equal singular values. The regression of :math:`Y_i` on
  :math:`X_i \otimes \bar X_{-i}` finds the singular spaces if no :math:`w_k` vanishes; the mean slope
  :math:`E[\varphi'(U)]` does not decide that.
- **quadratic**: :math:`E[Y_i (X_i X_i^\top - I)] = \sum_k s_k^2 v_k\, p_k p_k^\top` with
  :math:`v_k = E[\varphi''(U)\, (q_k^\top y)^2]`, and its mirror image, find the left and right singular
  spaces if no :math:`v_k` vanishes; they serve even activations, for which every :math:`w_k` does. A small
  regression inside these spaces then finds how they are paired.

For other tokens this holds approximately. Neither needs to be exact: they are starts for the Gauss-Newton
iteration.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pairint.backend import array_namespace
from pairint.model.attention import sample_chunks

__all__ = [
    "STARTS",
    "linear_start",
    "quadratic_start",
    "random_start",
    "starting_factors",
    "truncated_factors",
]

#: The kinds of start that a regressor may be asked for.
STARTS = ("auto", "linear", "quadratic", "random")


def starting_factors(
    X: Any, Y: Any, rank: int, start: str, n_random: int, rng: np.random.Generator
) -> list[tuple[Any, Any]]:
    """Return the factors of every matrix to start from.

    Parameters
    ----------
    X, Y : array, shapes (M, N, d), (M, N)
        Whitened tokens and outputs.
    rank : int
    start : {"auto", "linear", "quadratic", "random"}
        ``"auto"`` takes all three kinds. In one dimension there is one matrix only, whatever the kind.
    n_random : int
        Number of random ones: besides the others (``"auto"``), or in all (``"random"``, then at least one).
    rng : numpy.random.Generator
    """
    xp = array_namespace(X)
    d = X.shape[2]
    if d == 1:
        return [truncated_factors(xp.ones((1, 1)), 1)]
    starts = []
    if start in ("auto", "linear"):
        starts.append(linear_start(X, Y, rank))
    if start in ("auto", "quadratic"):
        starts.append(quadratic_start(X, Y, rank))
    if start in ("auto", "random"):
        count = n_random if start == "auto" else max(1, n_random)
        starts.extend(random_start(d, rank, rng, X) for _ in range(count))
    return starts


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


def linear_start(X: Any, Y: Any, rank: int, n_iter: int = 8) -> tuple[Any, Any]:
    """Regress ``Y_i - mean`` on ``X_i (x) mean of the partners`` by a few conjugate gradients.

    Stopping early regularises when ``d**2`` is not small against ``M N``.
    """
    xp = array_namespace(X)
    residual = Y - Y.mean()
    gradient = _bilinear_adjoint(X, residual)
    solution = xp.zeros_like(gradient)
    direction = gradient
    squared = float((gradient**2).sum())
    for _ in range(n_iter):
        image = _bilinear_forward(X, direction)
        curvature = float((image**2).sum())
        if curvature <= 0.0:
            break
        step = squared / curvature
        solution = solution + step * direction
        residual = residual - step * image
        gradient = _bilinear_adjoint(X, residual)
        previous, squared = squared, float((gradient**2).sum())
        direction = gradient + (squared / previous) * direction
    return truncated_factors(solution, rank)


def quadratic_start(X: Any, Y: Any, rank: int) -> tuple[Any, Any]:
    """Find the singular spaces by second moments and their pairing by a small regression."""
    xp = array_namespace(X)
    n_samples, n_tokens, _ = X.shape
    centred = Y - Y.mean()
    # Each token as receiver (weight Y_i) and as sender (weight the mean of the other outputs).
    left = _leading_space(X, centred, rank)
    others = (centred.sum(axis=1, keepdims=True) - centred) / (n_tokens - 1)
    right = _leading_space(X, others, rank)
    # Inside the spaces the score is p' R q; its square has E[Y (p (x) q)(p (x) q)'] as signature. Regress
    # Y on the distinct products, and read R off the leading eigenvector.
    first, second = np.triu_indices(rank * rank)
    if len(first) > 400:  # large ranks: no regression, pair the spaces in order
        return left / rank**0.25, right / rank**0.25
    n_features = len(first) + 1
    gram, moment = xp.zeros((n_features, n_features)), xp.zeros(n_features)
    for chunk in sample_chunks(n_samples, n_tokens * n_tokens * n_features):
        p, q = X[chunk] @ left, X[chunk] @ right
        products = p[:, :, None, :, None] * q[:, None, :, None, :]
        products = products.reshape(*products.shape[:3], rank * rank)
        quadratic = products[..., xp.asarray(first)] * products[..., xp.asarray(second)]
        diagonal = xp.arange(n_tokens)
        quadratic[:, diagonal, diagonal] = 0.0
        features = quadratic.sum(axis=2).reshape(-1, len(first)) / (n_tokens - 1)
        features = xp.concatenate([features, xp.ones((features.shape[0], 1))], axis=1)
        gram = gram + features.T @ features
        moment = moment + features.T @ centred[chunk].reshape(-1)
    ridge = 1e-8 * xp.trace(gram) / n_features
    solution = xp.linalg.solve(gram + ridge * xp.eye(n_features), moment)
    form = xp.zeros((rank * rank, rank * rank))
    form[xp.asarray(first), xp.asarray(second)] += solution[:-1] / 2
    form[xp.asarray(second), xp.asarray(first)] += solution[:-1] / 2
    values, vectors = xp.linalg.eigh(form)
    leading = vectors[:, int(xp.argmax(xp.abs(values)))].reshape(rank, rank)
    return truncated_factors(left @ leading @ right.T, rank)


def random_start(d: int, rank: int, rng: np.random.Generator, like: Any) -> tuple[Any, Any]:
    """Draw Gaussian factors, of the library of ``like``."""
    xp = array_namespace(like)
    matrix = rng.standard_normal((d, rank)) @ rng.standard_normal((rank, d))
    return truncated_factors(xp.asarray(matrix), rank)


def _partner_mean(X: Any) -> Any:
    return (X.sum(axis=1, keepdims=True) - X) / (X.shape[1] - 1)


def _bilinear_forward(X: Any, matrix: Any) -> Any:
    result = array_namespace(X).empty(X.shape[:2])
    for chunk in sample_chunks(X.shape[0], 3 * X.shape[1] * X.shape[2]):
        result[chunk] = ((X[chunk] @ matrix) * _partner_mean(X[chunk])).sum(axis=-1)
    return result


def _bilinear_adjoint(X: Any, residual: Any) -> Any:
    d = X.shape[2]
    total = 0.0
    for chunk in sample_chunks(X.shape[0], 3 * X.shape[1] * d):
        weighted = (X[chunk] * residual[chunk][..., None]).reshape(-1, d)
        total = total + weighted.T @ _partner_mean(X[chunk]).reshape(-1, d)
    return total


def _leading_space(X: Any, weights: Any, rank: int) -> Any:
    xp = array_namespace(X)
    d = X.shape[2]
    total = xp.zeros((d, d))
    for chunk in sample_chunks(X.shape[0], 2 * X.shape[1] * d):
        rows = X[chunk].reshape(-1, d)
        total = total + (rows * weights[chunk].reshape(-1, 1)).T @ rows
    values, vectors = xp.linalg.eigh(total)
    order = xp.argsort(-xp.abs(values))[:rank]
    return vectors[:, order]
