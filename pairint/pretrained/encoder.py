r"""A transformer encoder in NumPy, with its inside open: hidden states, and each head's scores and outputs.

In layer l the head h sees the hidden states :math:`x_1, \dots, x_N` of a window and returns

.. math:: y_i = \sum_j \frac{e^{s_{ij}}}{\sum_k e^{s_{ik}}} v_j, \qquad
    s_{ij} = \tilde x_i^\top A \tilde x_j, \qquad \tilde x = (x, 1) \in \mathbb{R}^{d+1},

with :math:`A = \tilde W_Q^\top \tilde W_K / \sqrt{k}` of rank at most k, the size of the head. The
coordinate 1 holds the biases. The layer adds what all heads return, each through its matrix, to its input.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from pairint.steps import steps
from pairint.validation import check_floats, check_integer, check_rng, shortened

__all__ = ["Encoder", "Head", "random_encoder"]

#: Mixes the values of the heads of a layer: from layer, queries, keys and values to outputs.
Attend = Callable[[int, Any, Any, Any], Any]
#: Of the variance that a normalisation divides by.
_EPSILON = 1e-12
#: Scores that a chunk of windows may hold at a time, over all heads (32 MB in single precision).
CHUNK_SCORES = 8_000_000


@dataclass(frozen=True, eq=False)
class Head:
    """One attention head: what it asks, what it offers, what it says.

    Book: :doc:`/book/real_head`.

    Attributes
    ----------
    query, key, value : ndarray, shape (k, d + 1)
        Applied to tokens ``(x, 1)``: the last columns are the biases.
    output : ndarray, shape (d, k)
        What becomes of the head's output in the sum over heads.
    """

    query: NDArray[np.floating]
    key: NDArray[np.floating]
    value: NDArray[np.floating]
    output: NDArray[np.floating]

    @property
    def size(self) -> int:
        """The size k of the head, the largest possible rank of its matrix."""
        return len(self.query)

    @property
    def matrix(self) -> NDArray[np.floating]:
        """The matrix ``A`` of its scores, shape (d + 1, d + 1), of rank at most k."""
        return self.query.T @ self.key / math.sqrt(self.size)

    def scores(self, X: Any) -> NDArray[np.floating]:
        """Return the scores of all pairs, shape (M, N, N), for hidden states (M, N, d)."""
        X = self._checked(X)
        queries = _affine(X, self.query) / math.sqrt(self.size)
        return queries @ np.swapaxes(_affine(X, self.key), -1, -2)

    def values(self, X: Any) -> NDArray[np.floating]:
        """Return the values of the tokens, shape (M, N, k)."""
        return _affine(self._checked(X), self.value)

    def attention(self, X: Any) -> NDArray[np.floating]:
        """Return the weights, shape (M, N, N): positive, and each row sums to one."""
        return _softmax(self.scores(X))

    def outputs(self, X: Any) -> NDArray[np.floating]:
        """Return the head's outputs, shape (M, N, k)."""
        return self.attention(X) @ self.values(X)

    def _checked(self, X: Any) -> NDArray[np.floating]:
        return check_floats("X", X, (None, None, self.query.shape[1] - 1))


class Encoder:
    """A transformer encoder of BERT's kind: each layer attends, adds, normalises, and does so once more.

    Book: :doc:`/book/real_head`.

    Parameters
    ----------
    weights : mapping of str to array
        By the names of BERT's own files: ``embeddings.word_embeddings.weight`` and so on.
    n_heads : int
        Heads in a layer; it divides d.

    Attributes
    ----------
    n_layers, n_heads, d, n_vocabulary, max_tokens : int
        Layers, heads in a layer, coordinates of a hidden state, known tokens, tokens of the longest window.
    weights : dict of str to ndarray
        All arrays, by name.

    Raises
    ------
    ValueError
        If an array is missing, or does not have the shape that the others ask for.
    """

    def __init__(self, weights: Mapping[str, Any], n_heads: int) -> None:
        numbers = {int(found[1]) for name in weights if (found := re.match(r"encoder\.layer\.(\d+)\.", name))}
        words = weights.get("embeddings.word_embeddings.weight")
        if not numbers or words is None:
            names = shortened(sorted(weights)[:3])
            raise ValueError(f"weights must hold word embeddings and layers of an encoder, got {names}")
        self.n_layers = len(numbers)
        if np.ndim(words) != 2:
            raise ValueError(f"word embeddings must have shape (n, d), got {np.shape(words)}")
        self.n_vocabulary, self.d = np.shape(words)
        self.n_heads = check_integer("n_heads", n_heads, 1, self.d)
        if self.d % self.n_heads:
            raise ValueError(f"n_heads must divide d = {self.d}, got {self.n_heads}")
        inner = np.shape(weights.get("encoder.layer.0.intermediate.dense.weight", np.zeros((0, 0))))[0]
        self.weights = {
            name: check_floats(name, _one_of(weights, name), shape)
            for name, shape in _shapes(self.n_layers, self.d, inner, self.n_vocabulary)
        }
        self.max_tokens = len(self.weights["embeddings.position_embeddings.weight"])
        self._attend: Attend | None = None

    @property
    def head_size(self) -> int:
        """The size k of a head, d over the number of heads."""
        return self.d // self.n_heads

    def head(self, layer: int, index: int) -> Head:
        """Return a head.

        Parameters
        ----------
        layer : int
            From 0.
        index : int
            Of the head in its layer, from 0.
        """
        layer = check_integer("layer", layer, 0, self.n_layers - 1)
        index = check_integer("index", index, 0, self.n_heads - 1)
        rows = slice(index * self.head_size, (index + 1) * self.head_size)
        name = f"encoder.layer.{layer}.attention."
        query, key, value = (
            np.column_stack([self.weights[f"{name}self.{part}.{what}"][rows] for what in ("weight", "bias")])
            for part in ("query", "key", "value")
        )
        return Head(query, key, value, self.weights[f"{name}output.dense.weight"][:, rows])

    def hidden_states(self, numbers: Any, n_layers: int | None = None) -> list[NDArray[np.floating]]:
        """Return the hidden states of windows of tokens: what layer 0 sees, layer 1 sees, ..., and the last.

        Parameters
        ----------
        numbers : array_like of int, shape (M, N)
            Windows of N tokens, as numbers of the vocabulary.
        n_layers : int, optional
            Stop after so many layers: all by default.

        Returns
        -------
        list of n_layers + 1 ndarrays, shape (M, N, d)

        Raises
        ------
        ValueError
            If a number is none of the vocabulary, or a window is longer than the encoder takes.
        """
        n_layers = (
            self.n_layers if n_layers is None else check_integer("n_layers", n_layers, 0, self.n_layers)
        )
        numbers = np.asarray(numbers)
        if numbers.ndim != 2 or not numbers.size or numbers.dtype.kind not in "iu":
            raise ValueError(f"numbers must be integers of shape (M, N), got {shortened(numbers)}")
        if numbers.min() < 0 or numbers.max() >= self.n_vocabulary:
            raise ValueError(
                f"numbers must be from 0 to {self.n_vocabulary - 1}, got {numbers.min()} to {numbers.max()}"
            )
        if numbers.shape[1] > self.max_tokens:
            raise ValueError(f"windows must have at most {self.max_tokens} tokens, got {numbers.shape[1]}")
        states: list[list[Any]] = [[] for _ in range(n_layers + 1)]
        for chunk in steps(self._chunks(numbers), "chunks of windows"):
            X = self._embedded(chunk)
            states[0].append(X)
            for layer in range(n_layers):
                X = self._layer(layer, X)
                states[layer + 1].append(X)
        return [np.concatenate(parts) for parts in states]

    def attention_output(self, layer: int, X: Any) -> NDArray[np.floating]:
        """Return what a layer's heads add to its input, shape (M, N, d): all heads, and the bias."""
        layer = check_integer("layer", layer, 0, self.n_layers - 1)
        X = check_floats("X", X, (None, None, self.d))
        M, N, _ = X.shape
        if self._attend is None:
            queries, keys, values = self._heads(layer, X)
            heads = _softmax(queries @ keys.swapaxes(2, 3) / math.sqrt(self.head_size)) @ values
        else:
            heads = self._attend(layer, *self.queries_keys_values(layer, X))
        name = f"encoder.layer.{layer}.attention.output.dense"
        return self._dense(name, heads.swapaxes(1, 2).reshape(M, N, self.d))

    def queries_keys_values(
        self, layer: int, X: Any
    ) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
        """Return what the heads of a layer make of hidden states, each of shape (M, n_heads, N, k).

        The score of a pair is the inner product of its query and its key: the queries are divided by the root
        of k.

        Parameters
        ----------
        layer : int
            From 0.
        X : array_like, shape (M, N, d)
            Hidden states, as the layer sees them.
        """
        layer = check_integer("layer", layer, 0, self.n_layers - 1)
        queries, keys, values = self._heads(layer, check_floats("X", X, (None, None, self.d)))
        return queries / math.sqrt(self.head_size), keys, values

    def with_attention(self, attend: Attend) -> Encoder:
        """Return this encoder with another way to mix values: same weights, same everything else.

        Parameters
        ----------
        attend : callable
            ``attend(layer, queries, keys, values)`` returns the outputs of the heads of a layer, shape
            (M, n_heads, N, k), from what :meth:`queries_keys_values` returns, for a chunk of windows.

        Examples
        --------
        >>> encoder = random_encoder(0)
        >>> uniform = encoder.with_attention(lambda layer, q, k, v: 0 * v + v.mean(axis=2, keepdims=True))
        >>> uniform.embed([[1, 5, 2]]).shape
        (1, 12)
        """
        if not callable(attend):
            raise TypeError(f"attend must be callable, got {shortened(attend)}")
        other = copy.copy(self)
        other._attend = attend
        return other

    def embed(self, numbers: Any) -> NDArray[np.floating]:
        """Return the embedding of each window, shape (M, d): the mean of its last hidden states, of norm one.

        Parameters
        ----------
        numbers : array_like of int, shape (M, N)
            As :meth:`hidden_states`.
        """
        mean = self.hidden_states(numbers)[-1].mean(axis=1)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def _heads(self, layer: int, X: Any) -> list[Any]:
        M, N, _ = X.shape
        name = f"encoder.layer.{layer}.attention.self"
        parts = (self._dense(f"{name}.{part}", X) for part in ("query", "key", "value"))
        return [part.reshape(M, N, self.n_heads, -1).swapaxes(1, 2) for part in parts]

    def _chunks(self, numbers: NDArray[Any]) -> Iterator[NDArray[Any]]:
        step = max(1, CHUNK_SCORES // (self.n_heads * numbers.shape[1] ** 2))
        return (numbers[start : start + step] for start in range(0, len(numbers), step))

    def _embedded(self, numbers: NDArray[Any]) -> Any:
        W = self.weights
        places = W["embeddings.position_embeddings.weight"][: numbers.shape[1]]
        kind = W["embeddings.token_type_embeddings.weight"][0]
        return self._normalised(
            "embeddings.LayerNorm", W["embeddings.word_embeddings.weight"][numbers] + places + kind
        )

    def _layer(self, layer: int, X: Any) -> Any:
        name = f"encoder.layer.{layer}."
        X = self._normalised(f"{name}attention.output.LayerNorm", X + self.attention_output(layer, X))
        inner = self._dense(f"{name}intermediate.dense", X)
        inner = inner * (1 + erf(inner * math.sqrt(0.5))) / 2  # the exact GELU
        return self._normalised(f"{name}output.LayerNorm", X + self._dense(f"{name}output.dense", inner))

    def _dense(self, name: str, X: Any) -> Any:
        return X @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def _normalised(self, name: str, X: Any) -> Any:
        X = X - X.mean(axis=-1, keepdims=True)
        X = X / np.sqrt(np.mean(X * X, axis=-1, keepdims=True) + np.asarray(_EPSILON, X.dtype))
        return X * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def random_encoder(
    rng: Any = None,
    *,
    d: int = 12,
    n_layers: int = 2,
    n_heads: int = 3,
    n_vocabulary: int = 50,
    max_tokens: int = 16,
) -> Encoder:
    """Return an encoder with random weights: it knows nothing, and works like a trained one.

    Book: :doc:`/book/real_head`.

    Parameters
    ----------
    rng : numpy.random.Generator, SeedSequence, int or None
    d, n_layers, n_heads, n_vocabulary, max_tokens : int
        At least 1; ``n_heads`` divides ``d``. Layers have ``4 d`` inner units.
    """
    rng = check_rng(rng)
    sizes = {"d": d, "n_layers": n_layers, "n_vocabulary": n_vocabulary, "max_tokens": max_tokens}
    sizes = {name: check_integer(name, size, 1) for name, size in sizes.items()}
    weights = {}
    for name, shape in _shapes(n_layers, d, 4 * d, n_vocabulary):
        full = tuple(max_tokens if size is None else size for size in shape)
        linear = len(full) == 2 and name.startswith("encoder.")
        spread = 1 / math.sqrt(full[1]) if linear else 0.3
        centre = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        weights[name] = centre + spread * rng.standard_normal(full)
    return Encoder(weights, n_heads)


def _shapes(
    n_layers: int, d: int, inner: int, n_vocabulary: int
) -> Iterator[tuple[str, tuple[int | None, ...]]]:
    """Yield the names and shapes of an encoder's arrays; ``None`` where any size will do."""

    def normalised(name: str) -> Iterator[tuple[str, tuple[int | None, ...]]]:
        yield from ((f"{name}.LayerNorm.{part}", (d,)) for part in ("weight", "bias"))

    yield "embeddings.word_embeddings.weight", (n_vocabulary, d)
    yield "embeddings.position_embeddings.weight", (None, d)
    yield "embeddings.token_type_embeddings.weight", (2, d)
    yield from normalised("embeddings")
    for layer in range(n_layers):
        name = f"encoder.layer.{layer}."
        dense = {
            **{f"attention.self.{part}": (d, d) for part in ("query", "key", "value")},
            **{
                "attention.output.dense": (d, d),
                "intermediate.dense": (inner, d),
                "output.dense": (d, inner),
            },
        }
        for part, shape in dense.items():
            yield f"{name}{part}.weight", shape
            yield f"{name}{part}.bias", shape[:1]
        yield from normalised(f"{name}attention.output")
        yield from normalised(f"{name}output")


def _one_of(weights: Mapping[str, Any], name: str) -> Any:
    if name not in weights:
        raise ValueError(f"weights must hold {name}, and do not")
    return weights[name]


def _affine(X: Any, matrix: Any) -> Any:
    return X @ matrix[:, :-1].T + matrix[:, -1]


def _softmax(scores: Any) -> Any:
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)
