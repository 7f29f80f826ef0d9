"""The multilayer perceptron (MLP) of the network pipeline: while it is trained, and afterwards.

PyTorch is an optional extra (``pip install 'pairint[network]'``), imported by :func:`import_torch` only. A
trained network holds its weights as arrays: evaluation and pickling need no PyTorch.
"""

from __future__ import annotations

import importlib
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace
from pairint.estimation.gauss_newton import balanced_factors
from pairint.model.splines import Spline, SplineSpace
from pairint.steps import steps

__all__ = ["FIRST_RATE", "WARM_RATE", "NetworkActivation", "Perceptron", "import_torch", "one_thread"]

#: Fewest Adam steps of a training of the factors, for samples so small that an epoch is a few steps.
_MIN_STEPS = 100
#: Most token pairs in a mini-batch: bounds memory when there are many tokens.
_BATCH_PAIRS = 100_000
#: Learning rates of the MLP: from scratch, and from the last round's weights.
FIRST_RATE, WARM_RATE = 1e-2, 2e-3
#: Weights of the first layer: a few bends of tanh across the interval of scores.
_FIRST_LAYER_GAIN = 3.0
#: Scores pushed through the network at a time (64 units each make 32 MB).
_CHUNK_SCORES = 65_536


@dataclass(frozen=True)
class NetworkActivation:
    """A multilayer perceptron of one variable with tanh units: call it, or its ``derivative``.

    Book: :doc:`/book/estimator`.

    Parameters
    ----------
    weights : sequence of ndarray
        One matrix ``(inputs, outputs)`` per layer; the first has one input, the last one output.
    biases : sequence of ndarray
        One vector ``(outputs,)`` per layer.
    """

    weights: Sequence[NDArray[np.float64]]
    biases: Sequence[NDArray[np.float64]]

    smoothness = math.inf

    def __call__(self, u: Any) -> Any:
        return self._evaluate(u, 0)

    def derivative(self, u: Any) -> Any:
        """Return the first derivative at ``u``."""
        return self._evaluate(u, 1)

    def scaled(self, factor: float) -> NetworkActivation:
        """Return ``u -> network(u / factor)`` for ``factor > 0``."""
        return replace(self, weights=[self.weights[0] / factor, *self.weights[1:]])

    def mirrored(self) -> NetworkActivation:
        """Return ``u -> network(-u)``."""
        return replace(self, weights=[-self.weights[0], *self.weights[1:]])

    def _evaluate(self, u: Any, order: int) -> Any:
        xp = array_namespace(u)
        u = xp.asarray(u, dtype=xp.float64)
        weights = [xp.asarray(weight) for weight in self.weights]
        biases = [xp.asarray(bias) for bias in self.biases]
        flat = u.reshape(-1, 1)
        result = xp.empty(flat.shape[0])
        for start in range(0, flat.shape[0], _CHUNK_SCORES):
            values = flat[start : start + _CHUNK_SCORES]
            slopes = xp.ones_like(values)
            for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                last = layer == len(weights) - 1
                values = values @ weight + bias
                values = values if last else xp.tanh(values)
                if order == 1:
                    slopes = (slopes @ weight) * (1.0 if last else 1.0 - values**2)
            result[start : start + _CHUNK_SCORES] = (values if order == 0 else slopes)[:, 0]
        return result.reshape(u.shape)


class Perceptron:
    """The MLP while it is trained: PyTorch tensors, on standardised scores and outputs."""

    def __init__(
        self,
        torch: Any,
        space: SplineSpace,
        Y: NDArray[np.float64],
        hidden: tuple[int, ...],
        dtype: str,
        rng: np.random.Generator,
    ) -> None:
        self.torch = torch
        self.dtype = getattr(torch, dtype)
        self.centre = (space.lower + space.upper) / 2
        self.half = (space.upper - space.lower) / 2
        self.mean = float(Y.mean())
        # An output is a mean over partners: its spread times this is about the spread of phi.
        self.spread = float(Y.std()) * math.sqrt(Y.shape[1] - 1) or 1.0
        widths = (1, *hidden, 1)
        self.weights, self.biases = [], []
        for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
            first = layer == 0
            bound = _FIRST_LAYER_GAIN if first else math.sqrt(6.0 / (fan_in + fan_out))
            self.weights.append(self._tensor(rng.uniform(-bound, bound, (fan_in, fan_out))))
            bias = rng.uniform(-bound, bound, fan_out) if first else np.zeros(fan_out)
            self.biases.append(self._tensor(bias))

    def fit(
        self, spline: Spline, scores: NDArray[np.float64], n_steps: int, rate: float = FIRST_RATE
    ) -> None:
        """Fit the MLP to the spline at the given scores, from its present weights."""
        torch = self.torch
        target = self._tensor((spline(scores) - self.mean) / self.spread)
        inputs = self._tensor((scores - self.centre) / self.half)
        parameters = [tensor.requires_grad_() for tensor in (*self.weights, *self.biases)]
        _minimise(torch, parameters, lambda: ((self(inputs) - target) ** 2).mean(), n_steps, rate)
        for tensor in parameters:
            tensor.requires_grad_(False)

    def train_factors(
        self,
        X: NDArray[np.float64],
        Y: NDArray[np.float64],
        left: NDArray[np.float64],
        right: NDArray[np.float64],
        rate: float,
        epochs: int,
        batch_size: int,
        rng: np.random.Generator,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Train the factors through the MLP, on mini-batches without replacement."""
        torch = self.torch
        n_samples, n_tokens, _ = X.shape
        batch = max(1, min(batch_size, n_samples, _BATCH_PAIRS // (n_tokens * (n_tokens - 1))))
        n_steps = max(_MIN_STEPS, math.ceil(epochs * n_samples / batch))
        batches = _batches(n_samples, batch, rng)
        off_diagonal = torch.from_numpy(np.flatnonzero(~np.eye(n_tokens, dtype=bool)))
        trained = [self._tensor(factor).requires_grad_() for factor in (left, right)]

        def loss() -> Any:
            index = next(batches)
            tokens = self._tensor(X[index])
            outputs = self._tensor((Y[index] - self.mean) / self.spread)
            scores = (tokens @ trained[0]) @ (tokens @ trained[1]).transpose(1, 2)
            scores = scores.reshape(len(index), -1)[:, off_diagonal]
            values = self(((scores - self.centre) / self.half).reshape(-1))
            predicted = values.reshape(len(index), n_tokens, n_tokens - 1).mean(dim=2)
            return ((predicted - outputs) ** 2).mean()

        _minimise(torch, trained, loss, n_steps, rate)
        return balanced_factors(*(tensor.detach().numpy().astype(float) for tensor in trained))

    def __call__(self, inputs: Any) -> Any:
        values = inputs[:, None]
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            values = self.torch.tanh(self.torch.addmm(bias, values, weight))
        return (values @ self.weights[-1] + self.biases[-1])[:, 0]

    def activation(self) -> NetworkActivation:
        """Return the network on raw scores, the standardisation taken into its outer layers."""
        weights = [weight.numpy().astype(float) for weight in self.weights]
        biases = [bias.numpy().astype(float) for bias in self.biases]
        weights[0] = weights[0] / self.half
        biases[0] = biases[0] - self.centre * weights[0][0]
        weights[-1] = weights[-1] * self.spread
        biases[-1] = biases[-1] * self.spread + self.mean
        return NetworkActivation(weights, biases)

    def _tensor(self, array: NDArray[np.float64]) -> Any:
        return self.torch.tensor(array, dtype=self.dtype)


def _minimise(torch: Any, parameters: list[Any], loss: Callable[[], Any], n_steps: int, rate: float) -> None:
    """Take Adam steps; the learning rate falls to zero by a half cosine."""
    optimiser = torch.optim.Adam(parameters, lr=rate)
    for step in steps(range(n_steps), "steps"):
        for group in optimiser.param_groups:
            group["lr"] = rate * (1.0 + math.cos(math.pi * step / n_steps)) / 2.0
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()


def _batches(n_samples: int, batch: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Yield index sets without end, each sample once per pass; the rest of a pass is dropped."""
    while True:
        order = rng.permutation(n_samples)
        for start in range(0, n_samples - batch + 1, batch):
            yield order[start : start + batch]


def import_torch() -> Any:
    """Return PyTorch, or raise ``ImportError`` saying what to install."""
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(
            "NetworkRegressor needs PyTorch, which is an optional extra: pip install 'pairint[network]'"
        ) from error


@contextmanager
def one_thread(torch: Any) -> Iterator[None]:
    """Run PyTorch on one thread: results then do not depend on the machine's number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
