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

For other tokens this holds approximately. If they have a mean, its direction is added to both spaces, and the
moments look for the rest. Neither needs to be exact: they are starts of a search.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from pairint.backend import array_namespace, is_cupy
from pairint.model.attention import sample_chunks

__all__ = [
    "STARTS",
    "completed_factors",
    "deviating_start",
    "lean_linear_start",
    "linear_start",
    "moments_left",
    "quadratic_start",
    "random_start",
    "starting_factors",
    "truncated_factors",
]

#: The kinds of start that a regressor may be asked for.
STARTS = ("auto", "linear", "quadratic", "random")
#: Outputs that the pairing of the quadratic start sees at most.
_N_PAIRED = 30_000
#: The direction of the mean of whitened tokens matters if the mean's square (at most one) is larger.
_MEAN_SHARE = 0.1
#: Values of the form on the mean that starts try, over the norm of what is known.
_SHIFTS = (0.25, 1.0, 4.0, 16.0, 64.0)
#: Entries of temporaries are so many times fewer than elsewhere: those of two stay in the second cache.
_IN_CACHE = 64
#: And those of the quadratic start, of which there are several, so many times.
_SHORT = 16
#: Tokens deviate from their mean by at least this share of its square, as far as starts are concerned.
_LEAST_DEVIATION = 1e-8


def starting_factors(
    X: Any, Y: Any, rank: int, start: str, n_random: int, rng: np.random.Generator, *, lean: bool = False
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
    lean : bool
        The linear one by :func:`lean_linear_start`, and all of them mindful of a mean of the tokens.
    """
    xp = array_namespace(X)
    d = X.shape[2]
    if d == 1:
        return [truncated_factors(xp.ones((1, 1)), 1)]
    starts = []
    if start in ("auto", "linear"):
        starts.append((lean_linear_start if lean else linear_start)(X, Y, rank))
    if start in ("auto", "quadratic"):
        starts.append(quadratic_start(X, Y, rank, complete=lean))
    if start in ("auto", "random"):
        count = n_random if start == "auto" else max(1, n_random)
        starts.extend(
            deviating_start(X, rank, rng) if lean else random_start(d, rank, rng, X) for _ in range(count)
        )
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


def completed_factors(matrix: Any, rank: int, mean: Any) -> tuple[Any, Any]:
    """Return truncated factors of a matrix whose form on the tokens' mean is not known.

    If tokens have a mean ``m``, outputs tell the matrix but for ``m' A m``, which only shifts all scores. A
    regression leaves it at about zero, and that is not of low rank: of a matrix ``u v'`` truncation would
    drop what depends on one of the two tokens. Of several values the one is taken with which the truncated
    matrix comes nearest to all that is known.
    """
    xp = array_namespace(matrix)
    square = float((mean**2).sum())
    if square <= _MEAN_SHARE:
        return truncated_factors(matrix, rank)
    unit = mean / square**0.5
    known = matrix - float(unit @ matrix @ unit) * xp.outer(unit, unit)
    size = float(xp.sqrt((known**2).sum()))
    best: tuple[float, Any] = (math.inf, matrix)
    for value in (0.0, *(sign * size * scale for scale in _SHIFTS for sign in (1.0, -1.0))):
        whole = known + value * xp.outer(unit, unit)
        left, singular, right = xp.linalg.svd(whole, full_matrices=False)
        rest = whole - (left[:, :rank] * singular[:rank]) @ right[:rank]
        rest = rest - float(unit @ rest @ unit) * xp.outer(unit, unit)
        missed = float((rest**2).sum())
        if missed < best[0]:
            best = missed, whole
    return truncated_factors(best[1], rank)


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


def lean_linear_start(X: Any, Y: Any, rank: int, n_iter: int = 4) -> tuple[Any, Any]:
    """Return what :func:`linear_start` does, by fewer conjugate gradients and products of long matrices."""
    xp = array_namespace(X)
    n_samples, n_tokens, d = X.shape
    chunks = list(_short_chunks(X, 2))

    def forward(matrix: Any) -> Any:
        image = xp.empty((n_samples, n_tokens))
        for chunk in chunks:
            pulled = (X[chunk].reshape(-1, d) @ matrix).reshape(-1, n_tokens, d)
            image[chunk] = xp.einsum("mnd,mnd->mn", pulled, _partner_mean(X[chunk]))
        return image

    root = _partner_root(X)  # where tokens have a mean, the partners' deviations from it count as much

    def adjoint(residual: Any) -> Any:
        found = _bilinear_adjoint(X, residual)
        return found if root is None else found @ root

    residual = Y - Y.mean()
    solution = xp.zeros((d, d))
    gradient = direction = adjoint(residual)
    squared = float((gradient**2).sum())
    for number in range(n_iter):
        image = forward(direction if root is None else direction @ root)
        curvature = float((image**2).sum())
        if curvature <= 0.0:
            break
        solution = solution + squared / curvature * direction
        if number + 1 == n_iter:  # the gradient there would serve a next step only
            break
        residual = residual - squared / curvature * image
        gradient = adjoint(residual)
        previous, squared = squared, float((gradient**2).sum())
        direction = gradient + (squared / previous) * direction
    return completed_factors(solution if root is None else solution @ root, rank, X.mean(axis=(0, 1)))


def _partner_root(X: Any) -> Any:
    """Return the inverse root of the second moment of the partners' means, if the tokens have a mean."""
    xp = array_namespace(X)
    d = X.shape[2]
    mean = X.mean(axis=(0, 1))
    if float((mean**2).sum()) <= _MEAN_SHARE:
        return None
    moment = xp.zeros((d, d))
    for chunk in _short_chunks(X, 2):
        rows = _partner_mean(X[chunk]).reshape(-1, d)
        moment = moment + rows.T @ rows
    values, vectors = xp.linalg.eigh(moment / (X.shape[0] * X.shape[1]))
    kept = values > _LEAST_DEVIATION * values[-1]
    return (vectors * xp.where(kept, 1.0 / xp.sqrt(xp.where(kept, values, 1.0)), 0.0)) @ vectors.T


def quadratic_start(X: Any, Y: Any, rank: int, *, complete: bool = False) -> tuple[Any, Any]:
    """Find the singular spaces by second moments and their pairing by a small regression.

    ``complete`` takes :func:`completed_factors` of what the regression finds.
    """
    xp = array_namespace(X)
    n_tokens = X.shape[1]
    centred = Y - Y.mean()
    # Each token as receiver (weight Y_i) and as sender (weight the mean of the other outputs).
    others = (centred.sum(axis=1, keepdims=True) - centred) / (n_tokens - 1)
    mean = X.mean(axis=(0, 1))
    left, right = _leading_space(X, centred, rank, mean), _leading_space(X, others, rank, mean)
    size = left.shape[1]
    # Inside the spaces the score is p' R q; its square has E[Y (p (x) q)(p (x) q)'] as signature. Regress
    # Y on the distinct products, and read R off the leading eigenvector.
    first, second = np.triu_indices(size * size)
    if len(first) > 400:  # large ranks: no regression, pair the spaces in order
        return left[:, -rank:] / rank**0.25, right[:, -rank:] / rank**0.25
    n_features = len(first) + 1
    gram, moment = xp.zeros((n_features, n_features)), xp.zeros(n_features)
    n_samples = min(X.shape[0], math.ceil(_N_PAIRED / n_tokens))
    per_sample = n_tokens * n_tokens * n_features
    for chunk in sample_chunks(n_samples, per_sample if is_cupy(X) else _SHORT * per_sample):
        p, q = X[chunk] @ left, X[chunk] @ right
        products = p[:, :, None, :, None] * q[:, None, :, None, :]
        products = products.reshape(*products.shape[:3], size * size)
        quadratic = products[..., xp.asarray(first)] * products[..., xp.asarray(second)]
        diagonal = xp.arange(n_tokens)
        quadratic[:, diagonal, diagonal] = 0.0
        features = quadratic.sum(axis=2).reshape(-1, len(first)) / (n_tokens - 1)
        features = xp.concatenate([features, xp.ones((features.shape[0], 1))], axis=1)
        gram = gram + features.T @ features
        moment = moment + features.T @ centred[chunk].reshape(-1)
    ridge = 1e-8 * xp.trace(gram) / n_features
    solution = xp.linalg.solve(gram + ridge * xp.eye(n_features), moment)
    form = xp.zeros((size * size, size * size))
    form[xp.asarray(first), xp.asarray(second)] += solution[:-1] / 2
    form[xp.asarray(second), xp.asarray(first)] += solution[:-1] / 2
    values, vectors = xp.linalg.eigh(form)
    leading = vectors[:, int(xp.argmax(xp.abs(values)))].reshape(size, size)
    found = left @ leading @ right.T
    return completed_factors(found, rank, mean) if complete else truncated_factors(found, rank)


def random_start(d: int, rank: int, rng: np.random.Generator, like: Any) -> tuple[Any, Any]:
    """Draw Gaussian factors, of the library of ``like``."""
    xp = array_namespace(like)
    matrix = rng.standard_normal((d, rank)) @ rng.standard_normal((rank, d))
    return truncated_factors(xp.asarray(matrix), rank)


def deviating_start(X: Any, rank: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Draw factors for whitened tokens that are Gaussian in units of the deviations from their mean.

    There a score depends above all on the mean of one token and the deviation of the other. Without a mean
    it is :func:`random_start`.
    """
    xp = array_namespace(X)
    d = X.shape[2]
    mean = X.mean(axis=(0, 1))
    square = float((mean**2).sum())
    if square <= _MEAN_SHARE:
        return random_start(d, rank, rng, X)
    start = xp.asarray(rng.standard_normal((d, rank)) @ rng.standard_normal((rank, d)))
    # The inverse root of the covariance, which is the identity less the square of the mean.
    more = 1.0 / math.sqrt(max(1.0 - square, _LEAST_DEVIATION)) - 1.0
    start = start + (more / square) * xp.outer(mean, mean @ start)
    start = start + (more / square) * xp.outer(start @ mean, mean)
    return truncated_factors(start, rank)


def moments_left(X: Any, residual: Any) -> float:
    """Return the moments that the starts look for, of residuals, relative to a bound for pure noise.

    With ``y_i`` the mean of the partners of the centred token ``x_i``: the squared norms of the sums of
    ``e_i x_i x_i'``, ``e_i y_i y_i'`` and ``e_i x_i y_i'``, each over what independent residuals ``e_i``
    give on average plus 2.5 standard deviations (those of isotropic tokens); the largest of the three.
    """
    xp = array_namespace(X)
    d = X.shape[2]
    centre = X.mean(axis=(0, 1))
    pairs = ("receivers", "senders", "both")
    sums = {pair: xp.zeros((d, d)) for pair in pairs}
    means = {pair: xp.zeros((d, d)) for pair in pairs}
    squares = dict.fromkeys(pairs, 0.0)
    n_rows = X.shape[0] * X.shape[1]
    for chunk in _short_chunks(X, 4):
        tokens = X[chunk] - centre
        x, y = tokens.reshape(-1, d), _partner_mean(tokens).reshape(-1, d)
        e = residual[chunk].reshape(-1, 1)
        for pair, a, b in zip(pairs, (x, y, x), (x, y, y), strict=True):
            sums[pair] += (e * a).T @ b
            means[pair] += a.T @ b / n_rows
            squares[pair] += float(((a**2).sum(axis=1) * (b**2).sum(axis=1)).sum())
    noise = float((residual**2).mean())
    # A sum of d (d + 1) / 2 squares of independent centred Gaussians of one variance.
    allowed = 1.0 + 2.5 * math.sqrt(4.0 / (d * (d + 1)))
    largest = 0.0
    for pair in pairs:
        expected = noise * (squares[pair] - n_rows * float((means[pair] ** 2).sum()))
        if expected > 0.0:
            largest = max(largest, float((sums[pair] ** 2).sum()) / (expected * allowed))
    return largest


def _partner_mean(X: Any) -> Any:
    mean = X.sum(axis=1, keepdims=True) - X
    mean /= X.shape[1] - 1
    return mean


def _short_chunks(X: Any, arrays: int) -> Iterator[slice]:
    """Cut the samples so that so many arrays like their tokens stay in a cache, or on a device do not."""
    entries = arrays * X.shape[1] * X.shape[2]
    return sample_chunks(X.shape[0], entries if is_cupy(X) else _IN_CACHE * entries)


def _bilinear_forward(X: Any, matrix: Any) -> Any:
    result = array_namespace(X).empty(X.shape[:2])
    for chunk in _short_chunks(X, 2):
        result[chunk] = ((X[chunk] @ matrix) * _partner_mean(X[chunk])).sum(axis=-1)
    return result


def _bilinear_adjoint(X: Any, residual: Any) -> Any:
    d = X.shape[2]
    total = 0.0
    for chunk in _short_chunks(X, 2):
        weighted = (X[chunk] * residual[chunk][..., None]).reshape(-1, d)
        total = total + weighted.T @ _partner_mean(X[chunk]).reshape(-1, d)
    return total


def _leading_space(X: Any, weights: Any, rank: int, mean: Any) -> Any:
    """Return orthonormal columns: the direction of the tokens' mean, if there is one, and leading ones."""
    xp = array_namespace(X)
    d = X.shape[2]
    total = xp.zeros((d, d))
    for chunk in _short_chunks(X, 2):
        rows = X[chunk].reshape(-1, d)
        total = total + (rows * weights[chunk].reshape(-1, 1)).T @ rows
    square = float((mean**2).sum())
    known = xp.zeros((d, 0))
    if rank < d and square > _MEAN_SHARE:
        known = (mean / square**0.5).reshape(d, 1)
        total = total - known @ (known.T @ total)
        total = total - (total @ known) @ known.T
    values, vectors = xp.linalg.eigh(total)
    order = xp.argsort(-xp.abs(values))[:rank]
    return xp.concatenate([known, vectors[:, order]], axis=1)
