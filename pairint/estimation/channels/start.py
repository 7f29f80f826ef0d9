r"""Where a channel fit starts.

At :math:`A = 0` all scores vanish, all activated scores are equal, and to first order the outputs are linear
in the whole matrix: :math:`O \approx C(1) + C'(1)[X A X^\top]`, whatever the channel. Conjugate gradients
solve this regression; stopping them early regularises. For row-normalised channels it is the linearisation
around uniform attention.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pairint.backend import array_namespace
from pairint.estimation.channels.channel import PairData
from pairint.estimation.channels.system import ChannelProblem
from pairint.estimation.initial import quadratic_start, random_start

__all__ = ["channel_starts", "uniform_regression"]

#: Norm of a random start for a known activation: the scores of whitened tokens have this standard deviation.
_RANDOM_NORM = 0.5


def uniform_regression(problem: ChannelProblem, data: PairData, n_iter: int = 8) -> Any:
    """Return the matrix ``(d, d)`` that explains the outputs to first order around equal scores.

    Parameters
    ----------
    problem : ChannelProblem
        With whitened tokens.
    data : PairData
        Mask, values and pairs; values that are learned must be filled in.
    n_iter : int
        Number of conjugate gradients.
    """
    channel = problem.channel
    xp = array_namespace(problem.X)
    _, n_tokens, d = problem.X.shape
    dtype = problem.X.dtype

    def ones(part: slice) -> Any:
        return xp.ones((part.stop - part.start, n_tokens, n_tokens), dtype=dtype)

    chunks = list(problem.chunks(3 * n_tokens))
    uniform = xp.zeros(problem.Y.shape, dtype=dtype)
    for part in chunks:
        uniform[part] += channel.outputs(ones(part), data[part])
    uniform, target = problem.rooted(uniform), problem.rooted(problem.Y)
    size = float((uniform**2).sum())
    level = float((uniform * target).sum()) / size if channel.linear and size > 0 else 1.0
    residual = target - level * uniform

    def forward(matrix: Any) -> Any:
        image = xp.zeros(problem.Y.shape, dtype=dtype)
        for part in chunks:
            tokens = problem.X[part]
            change = (tokens @ matrix) @ xp.swapaxes(tokens, -1, -2)
            image[part] += channel.jvp(ones(part), change, data[part])
        return problem.rooted(image)

    def adjoint(bar: Any) -> Any:
        bar, total = problem.rooted(bar), xp.zeros((d, d), dtype=dtype)
        for part in chunks:
            tokens = problem.X[part]
            pulled = channel.vjp(ones(part), bar[part], data[part]) @ tokens
            total = total + tokens.reshape(-1, d).T @ pulled.reshape(-1, d)
        return total

    gradient = adjoint(residual)
    solution, direction = xp.zeros_like(gradient), gradient
    squared = float((gradient**2).sum())
    for _ in range(n_iter):
        image = forward(direction)
        curvature = float((image**2).sum())
        if curvature <= 0.0 or squared <= 0.0:
            break
        step = squared / curvature
        solution = solution + step * direction
        residual = residual - step * image
        gradient = adjoint(residual)
        previous, squared = squared, float((gradient**2).sum())
        direction = gradient + (squared / previous) * direction
    return solution


def channel_starts(
    problem: ChannelProblem, data: PairData, rank: int, start: str, n_random: int, rng: np.random.Generator
) -> list[tuple[Any, Any]]:
    """Return the factors to start from, not normalised: their product is a guess for unit slope.

    Parameters
    ----------
    problem : ChannelProblem
        With whitened tokens.
    data : PairData
        Mask, values and pairs; values that are learned must be filled in.
    rank : int
    start : {"auto", "linear", "quadratic", "random"}
    n_random : int
        Number of random ones besides the others (``"auto"``), or in all (at least one).
    rng : numpy.random.Generator
    """
    xp = array_namespace(problem.X)
    dtype, d = problem.X.dtype, problem.X.shape[2]
    starts = []
    if start in ("auto", "linear"):
        left, singular, right = xp.linalg.svd(uniform_regression(problem, data), full_matrices=False)
        root = xp.sqrt(singular[:rank])
        if float(singular[0]) > 0.0:
            starts.append((left[:, :rank] * root, right[:rank].T * root))
        else:
            start = "random"
    plain = problem.Y.ndim == 2 and data.values is None and data.pairs is None and d > 1
    if plain and start in ("auto", "quadratic"):
        starts.append(quadratic_start(problem.X, problem.rooted(problem.Y), rank))
    if start in ("auto", "random") or not starts:
        count = n_random if start == "auto" else max(1, n_random)
        factors = [random_start(d, rank, rng, problem.X) for _ in range(count)]
        starts.extend((a * _RANDOM_NORM**0.5, b * _RANDOM_NORM**0.5) for a, b in factors)
    return [(xp.asarray(a, dtype=dtype), xp.asarray(b, dtype=dtype)) for a, b in starts]
