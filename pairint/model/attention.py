"""The attention-style interacting-particle model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace, to_device, to_host
from pairint.model.activations import Activation
from pairint.model.noise import GaussianNoise, Noise
from pairint.model.splines import Spline
from pairint.model.tokens import TokenLaw, score_bound
from pairint.validation import check_floats, check_integer, check_rng, check_size, check_values, shortened

__all__ = [
    "AttentionModel",
    "check_tokens",
    "pair_average",
    "pair_interaction",
    "pair_scores",
    "sample_chunks",
]

#: Entries of tokens: scores and their squares are numbers.
_LARGEST_TOKEN = 1e60
#: Numbers of one temporary array that a chunk of samples may need (64 MB of doubles).
_CHUNK_ENTRIES = 8_000_000

_NOISELESS = GaussianNoise(0.0)


@dataclass(frozen=True, eq=False)
class AttentionModel:
    r"""Tokens interact through one scalar function of a bilinear score.

    Book: :doc:`/book/particles`.

    .. math:: Y_i = \frac{1}{N-1} \sum_{j \ne i} \varphi(X_i^\top A X_j) + \eta_i

    Parameters
    ----------
    activation : Activation
        The function ``phi``.
    matrix : array_like, shape (d, d)
        The interaction matrix ``A``; kept on the host, and copied to where the tokens are.
    tokens : TokenLaw
        The law of the tokens, of the same dimension.
    noise : Noise, optional
        The law of ``eta``; none by default.
    """

    activation: Activation
    matrix: Any
    tokens: TokenLaw
    noise: Noise = _NOISELESS

    def __post_init__(self) -> None:
        _check_activation(self.activation)
        if not isinstance(self.tokens, TokenLaw):
            raise TypeError(f"tokens must be a TokenLaw, got {shortened(self.tokens)}")
        if not isinstance(self.noise, Noise):
            raise TypeError(f"noise must be a Noise, got {shortened(self.noise)}")
        matrix = np.array(to_host(check_floats("matrix", self.matrix, (self.tokens.d, self.tokens.d))))
        matrix.flags.writeable = False
        object.__setattr__(self, "matrix", matrix)

    @property
    def d(self) -> int:
        """Embedding dimension."""
        return self.tokens.d

    @property
    def score_bound(self) -> float:
        r"""A bound ``abar`` of :math:`|x^\top A y|` on the support of the tokens."""
        return score_bound(self.tokens, self.matrix)

    def sample(
        self, n_samples: int, n_tokens: int, rng: Any = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw ``M`` samples of ``N`` tokens and their outputs.

        Returns
        -------
        X : ndarray, shape (M, N, d)
        Y : ndarray, shape (M, N)
        """
        rng = check_rng(rng)
        X = self.tokens.sample(n_samples, n_tokens, rng)
        return X, self.forward(X) + self.noise.sample(X.shape[:2], rng)

    def scores(self, X: Any) -> Any:
        """Return the scores ``X_i' A X_j`` of all pairs, shape ``(M, N, N)``."""
        X = check_tokens(X, self.d)
        return pair_scores(X, to_device(self.matrix, X))

    def forward(self, X: Any) -> Any:
        r"""Apply the forward operator: :math:`R_g[X]_i = \frac{1}{N-1}\sum_{j\ne i} g(X_i, X_j)`.

        Parameters
        ----------
        X : array, shape (M, N, d)

        Returns
        -------
        array, shape (M, N)
        """
        return pair_average(self.activation, X, self.matrix)

    def predict(self, X: Any) -> Any:
        """Return the outputs without noise, as :meth:`forward` does: the call of a fitted regressor."""
        return self.forward(X)

    def interaction(self, x: Any, y: Any) -> Any:
        """Return ``g(x, y) = phi(x' A y)`` for tokens ``x``, ``y`` of shapes ``(..., d)`` that broadcast."""
        return pair_interaction(self.activation, x, y, self.matrix)


def pair_average(activation: Callable[[Any], Any], X: Any, matrix: Any) -> Any:
    r"""Average an activation over the partners of each token: the model's one formula.

    .. math:: Y_i = \frac{1}{N-1} \sum_{j \ne i} \varphi(X_i^\top A X_j)

    Book: :doc:`/book/particles`.

    Parameters
    ----------
    activation : callable
        ``phi``, applied elementwise. Its values at a token's score with itself are computed and dropped.
    X : array_like, shape (M, N, d)
        Tokens, ``N >= 2``; NumPy or CuPy.
    matrix : array_like, shape (d, d)
        ``A``; copied to where the tokens are.

    Returns
    -------
    array, shape (M, N)
        Of the library of ``X``. Samples are taken in chunks, so that memory is bounded.

    Raises
    ------
    ValueError
        If ``X`` or ``matrix`` is not finite or has another shape.
    TypeError
        If the activation cannot be called.
    """
    _check_activation(activation)
    matrix = check_floats("matrix", matrix, (None, None))
    X = check_tokens(X, matrix.shape[0])
    check_size("X", X.shape[1], X.shape[1])
    xp = array_namespace(X)
    matrix = to_device(matrix, X)
    n_tokens = X.shape[1]
    diagonal = xp.arange(n_tokens)
    average = xp.empty(X.shape[:2])
    for chunk in sample_chunks(X.shape[0], n_tokens * max(n_tokens, X.shape[2])):
        scores = pair_scores(X[chunk], matrix)
        if isinstance(activation, Spline):
            average[chunk] = activation.partner_mean(scores)
            continue
        scores = check_floats("the scores of X", scores)
        values = check_values("activation", activation(scores), scores, finite=False)
        values[:, diagonal, diagonal] = 0.0
        average[chunk] = values.sum(axis=-1) / (n_tokens - 1)
        if not bool(xp.all(xp.isfinite(average[chunk]))):
            raise ValueError(
                "activation must return finite numbers on the scores of X, got NaN or infinite ones"
            )
    return average


def pair_interaction(activation: Callable[[Any], Any], x: Any, y: Any, matrix: Any) -> Any:
    """Return ``phi(x' A y)`` for tokens ``x``, ``y`` of shapes ``(..., d)`` that broadcast.

    Parameters
    ----------
    activation : callable
        ``phi``, applied elementwise.
    x, y : array_like, shapes (..., d)
        Of one library, NumPy or CuPy.
    matrix : array, shape (d, d)
        ``A``; copied to where the tokens are.

    Returns
    -------
    array, of the broadcast leading shape

    Raises
    ------
    ValueError
        If ``x`` or ``y`` is not finite or has another last axis.
    """
    xp = array_namespace(x, y)
    x, y = check_floats("x", x), check_floats("y", y)
    for name, value in (("x", x), ("y", y)):
        if value.ndim < 1 or value.shape[-1] != matrix.shape[0]:
            raise ValueError(f"{name} must have shape (..., {matrix.shape[0]}), got {tuple(value.shape)}")
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError as error:
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"x and y must have shapes that broadcast, got {shapes}") from error
    scores = check_floats("the scores of x and y", xp.sum((x @ to_device(matrix, x)) * y, axis=-1))
    return check_values("activation", activation(scores), scores)


def _check_activation(activation: Any) -> None:
    if not callable(activation):
        raise TypeError(f"activation must be callable, got {shortened(activation)}")


def pair_scores(X: Any, matrix: Any) -> Any:
    """Return the scores ``X_i' A X_j`` of all pairs.

    Book: :doc:`/book/particles`.

    Parameters
    ----------
    X : array_like, shape (M, N, d)
        Tokens, ``N >= 2``; NumPy or CuPy.
    matrix : array_like, shape (d, d)
        ``A``, of the same library.

    Returns
    -------
    array, shape (M, N, N)

    Raises
    ------
    ValueError
        If ``X`` or ``matrix`` is not finite or has another shape.
    """
    X = check_tokens(X)
    matrix = check_floats("matrix", matrix, (X.shape[2], X.shape[2]))
    check_size("X", X.shape[0], X.shape[1], X.shape[1])
    return (X @ matrix) @ array_namespace(X).swapaxes(X, -1, -2)


def check_tokens(X: Any, d: int | None = None) -> Any:
    """Return ``X`` as a floating array of shape ``(M, N, d)`` with ``N >= 2``, or raise."""
    X = check_floats("X", X, (None, None, d), largest=_LARGEST_TOKEN)
    if X.shape[0] < 1:
        raise ValueError(f"X must hold at least one sample, got shape {tuple(X.shape)}")
    if X.shape[1] < 2:
        raise ValueError(f"X must hold at least 2 tokens a sample (N >= 2), got shape {tuple(X.shape)}")
    if X.shape[2] < 1:
        raise ValueError(f"X must have dimension d >= 1, got shape {tuple(X.shape)}")
    return X


def sample_chunks(n_samples: int, entries_per_sample: int) -> Iterator[slice]:
    """Cut ``range(n_samples)`` into slices whose temporaries stay below a fixed size."""
    check_integer("n_samples", n_samples, 1)
    size = max(1, _CHUNK_ENTRIES // max(1, entries_per_sample))
    for start in range(0, n_samples, size):
        yield slice(start, min(start + size, n_samples))
