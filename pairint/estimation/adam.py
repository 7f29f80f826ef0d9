r"""The same model, trained as networks are: factors and activation together, by Adam in mini-batches.

The model is :math:`g(x, y) = \varphi(x^\top U V^\top y)`. The activation is a spline on given cells, or a
perceptron with one hidden layer of tanh units. All numbers start at random and move at once along the
gradient of the empirical risk, which :class:`~pairint.estimation.InteractionRegressor` minimises by least
squares. The learning rate falls to zero by a half cosine. NumPy only: equal seeds give equal fits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import to_host
from pairint.estimation.base import normal_form
from pairint.estimation.mlp import NetworkActivation
from pairint.kernels.bspline import bspline_pieces, local_coordinates, local_powers
from pairint.model.attention import check_tokens, pair_average
from pairint.model.splines import Spline, SplineSpace
from pairint.steps import steps
from pairint.validation import check_floats, check_integer, check_real, check_rng, check_size, shortened

__all__ = ["AdamFit", "adam_fit", "adam_search", "risk_and_gradient"]

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-8  # Adam's usual constants
#: First weights of the perceptron: a few bends of tanh across scores of unit spread.
_FIRST_LAYER_GAIN = 2.0
#: More steps, units or samples in a batch are a typing error.
_MOST_STEPS, _MOST_WIDTH, _MOST_BATCH = 10**6, 4096, 65_536
#: Largest token, output and factor, so that products of some stay finite; a training beyond it has diverged.
_LARGEST = 1e60


@dataclass(frozen=True)
class AdamFit:
    """A model trained by :func:`pairint.estimation.adam_fit`.

    Book: :doc:`/book/does_adam_get_there`.

    Attributes
    ----------
    matrix : ndarray, shape (d, d)
        Of Frobenius norm one, the entry of largest absolute value positive.
    activation : Spline or NetworkActivation
        Call it, or its ``derivative``.
    risk : float
        Mean squared residual on the data.
    learning_rate : float
        The first one.
    n_steps : int
        Steps taken.
    """

    matrix: NDArray[np.float64] = field(repr=False)
    activation: Any = field(repr=False)
    risk: float
    learning_rate: float
    n_steps: int


def adam_fit(
    X: Any,
    Y: Any,
    rank: int,
    *,
    activation: Any = 16,
    n_steps: int = 1000,
    learning_rate: float = 0.02,
    batch_size: int = 256,
    start: Any = None,
    rng: Any = None,
) -> AdamFit:
    r"""Train factors and activation together by Adam, in mini-batches without replacement.

    Book: :doc:`/book/does_adam_get_there`.

    Parameters
    ----------
    X : array_like, shape (M, N, d)
        Tokens; CuPy arrays are copied to the host.
    Y : array_like, shape (M, N)
        Outputs.
    rank : int
        Number ``r`` of columns of the factors, from 1 to ``d``.
    activation : int, SplineSpace, Spline or NetworkActivation
        A number: so many tanh units in one hidden layer, at random. A space: a spline in it, zero at first.
        A spline or a network of one hidden layer: training begins with it.
    n_steps : int
        Steps of Adam.
    learning_rate : float
        The first learning rate, for numbers of unit size (outputs are standardised). It falls to zero.
    batch_size : int
        Samples in a mini-batch, at most ``M`` of them.
    start : (U, V), optional
        First factors, of shape ``(d, r)`` each; by default Gaussian, with ``U V'`` of Frobenius norm one.
    rng : Generator, SeedSequence, int or None
        For the first numbers and the mini-batches.

    Returns
    -------
    AdamFit

    Raises
    ------
    TypeError, ValueError
        For arrays of the wrong shape, or an argument out of range.
    FloatingPointError
        If the training diverges, for a learning rate that is too high.

    Notes
    -----
    Source: Kingma and Ba, "Adam: a method for stochastic optimization" (2015), with their constants.
    """
    X, Y = _check_data(X, Y)
    n_samples, n_tokens, d = X.shape
    rank = check_integer("rank", rank, 1, d)
    n_steps = check_integer("n_steps", n_steps, 1, _MOST_STEPS)
    rate = check_real("learning_rate", learning_rate, 0.0, exclusive_minimum=True)
    batch = min(check_integer("batch_size", batch_size, 1, _MOST_BATCH), n_samples)
    check_size("batch_size", batch, n_tokens, n_tokens)
    if isinstance(activation, int | np.integer) and not isinstance(activation, bool):
        width = check_integer("activation", activation, 1, _MOST_WIDTH)
        check_size("batch_size and activation", batch * n_tokens * n_tokens, width)
    rng = check_rng(rng)

    mean = float(Y.mean())
    # An output is a mean over partners: its spread times this is about the spread of phi.
    spread = float(Y.std()) * math.sqrt(n_tokens - 1) or 1.0
    shape = _family(activation, mean, spread, rng)
    parameters = [*_factors(start, d, rank, rng), *shape.start]
    means = [np.zeros_like(p) for p in parameters]
    squares = [np.zeros_like(p) for p in parameters]
    targets = (Y - mean) / spread
    order, place = rng.permutation(n_samples), 0
    for step in steps(range(n_steps), "steps"):
        if place + batch > n_samples:
            order, place = rng.permutation(n_samples), 0
        index = order[place : place + batch]
        place += batch
        risk, gradient = _risk_and_gradient(parameters, X[index], targets[index], shape)
        if not risk < _LARGEST:
            raise FloatingPointError(f"training diverged after {step} steps; learning_rate is {rate:g}")
        now = rate * (1.0 + math.cos(math.pi * step / n_steps)) / 2.0 / (1 - _BETA_1 ** (step + 1))
        second = 1 - _BETA_2 ** (step + 1)
        for p, g, m, s in zip(parameters, gradient, means, squares, strict=True):
            m += (1 - _BETA_1) * (g - m)
            s += (1 - _BETA_2) * (g * g - s)
            p -= now * m / (np.sqrt(s / second) + _EPSILON)
    matrix = parameters[0] @ parameters[1].T
    if not matrix.any():
        raise FloatingPointError(f"training ended at the matrix zero; learning_rate is {rate:g}")
    matrix, function = normal_form(matrix, shape.function(parameters[2:], mean, spread))
    found = float(np.mean((pair_average(function, X, matrix) - Y) ** 2))
    return AdamFit(matrix, function, found, rate, n_steps)


def adam_search(
    X: Any,
    Y: Any,
    rank: int,
    *,
    learning_rates: Sequence[float] = (0.005, 0.02, 0.08),
    share: float = 0.2,
    rng: Any = None,
    **options: Any,
) -> AdamFit:
    r"""Train with several learning rates, keep the one that predicts best, train it again on all samples.

    Book: :doc:`/book/does_adam_get_there`.

    Each rate has a random start of its own and trains on some of the samples; the risk on the others chooses.
    The last training has the same start as the chosen one.

    Parameters
    ----------
    X, Y, rank
        As in :func:`pairint.estimation.adam_fit`.
    learning_rates : sequence of float
        The candidates, at most 100. A training that diverges is out.
    share : float
        Part of the samples that is held out, in (0, 0.9].
    rng : Generator, SeedSequence, int or None
        For the split, and for the trainings.
    **options
        Of :func:`pairint.estimation.adam_fit`, but ``learning_rate``.

    Raises
    ------
    TypeError, ValueError
        As there, or if no candidate trains.
    """
    X, Y = _check_data(X, Y)
    share = check_real("share", share, 0.0, 0.9, exclusive_minimum=True)
    if isinstance(learning_rates, str) or not isinstance(learning_rates, Sequence | np.ndarray):
        raise TypeError(f"learning_rates must be a sequence of numbers, got {shortened(learning_rates)}")
    if not 1 <= len(learning_rates) <= 100:
        raise ValueError(f"learning_rates must hold 1 to 100 numbers, got {len(learning_rates)}")
    rates = [check_real("learning_rates", r, 0.0, exclusive_minimum=True) for r in learning_rates]
    rng = check_rng(rng)
    held = min(max(1, round(share * len(X))), len(X) - 1)
    if held < 1:
        raise ValueError("X must hold at least two samples, one to train on and one held out")
    order = rng.permutation(len(X))
    out, kept = order[:held], order[held:]
    seeds = rng.integers(2**31, size=len(rates))
    best, least = None, math.inf
    for rate, seed in zip(rates, seeds, strict=True):
        try:
            fit = adam_fit(X[kept], Y[kept], rank, learning_rate=rate, rng=int(seed), **options)
        except FloatingPointError:
            continue
        risk = float(np.mean((pair_average(fit.activation, X[out], fit.matrix) - Y[out]) ** 2))
        if risk < least:
            best, least = (rate, int(seed)), risk
    if best is None:
        raise ValueError(f"learning_rates must hold one that trains, all of {rates} diverged")
    return adam_fit(X, Y, rank, learning_rate=best[0], rng=best[1], **options)


def risk_and_gradient(
    left: Any, right: Any, activation: Any, X: Any, Y: Any
) -> tuple[float, list[NDArray[np.float64]]]:
    """Return the empirical risk of a model, and its gradient in the factors and the activation's numbers.

    Book: :doc:`/book/does_adam_get_there`.

    Parameters
    ----------
    left, right : array_like, shape (d, r)
        Factors ``U`` and ``V``.
    activation : Spline or NetworkActivation
        A spline has its coefficients as numbers; a network of one hidden layer its weights and biases,
        ``w``, ``b``, ``a`` and the constant.
    X : array_like, shape (M, N, d)
    Y : array_like, shape (M, N)

    Returns
    -------
    risk : float
        Mean squared residual.
    gradient : list of ndarray
        In ``U``, ``V``, and the numbers of the activation.
    """
    X, Y = _check_data(X, Y)
    left = np.array(to_host(check_floats("left", left, (X.shape[2], None))), dtype=float)
    right = np.array(to_host(check_floats("right", right, left.shape)), dtype=float)
    for name, factor in (("left", left), ("right", right)):
        if not factor.size or np.abs(factor).max() > _LARGEST:
            raise ValueError(f"{name} must have entries, of at most {_LARGEST:g} in absolute value")
    if not isinstance(activation, Spline | NetworkActivation):
        raise TypeError(f"activation must be a Spline or a NetworkActivation, got {shortened(activation)}")
    shape = _family(activation, 0.0, 1.0, np.random.default_rng(0))
    return _risk_and_gradient([left, right, *shape.start], X, Y, shape)


class _SplineShape:
    """Splines in a given space, their numbers the coefficients."""

    def __init__(self, space: SplineSpace, coefficients: NDArray[np.float64]) -> None:
        self.space = space
        self.start = [coefficients]
        self._values = bspline_pieces(space.degree).T
        self._slopes = bspline_pieces(space.degree, 1).T
        self._reach = np.arange(space.degree + 1)

    def evaluate(self, u: NDArray[np.float64], numbers: list[Any]) -> tuple[Any, Any, Any]:
        """Return the values, the slopes, and what :meth:`pull` needs."""
        space = self.space
        cell, t, beyond = local_coordinates(u, space.lower, space.upper, space.n_intervals)
        powers = local_powers(t, space.degree)
        slopes = powers @ self._slopes
        basis = powers @ self._values + slopes * beyond[:, None]
        index = cell[:, None] + self._reach
        local = numbers[0][index]
        return (basis * local).sum(axis=1), (slopes * local).sum(axis=1) / space.width, (index, basis)

    def pull(self, weights: NDArray[np.float64], kept: Any, numbers: list[Any]) -> list[Any]:
        """Return the gradient in the numbers of the sum of the values times the weights."""
        index, basis = kept
        products = (basis * weights[:, None]).ravel()
        return [np.bincount(index.ravel(), products, minlength=self.space.dimension)]

    def function(self, numbers: list[Any], mean: float, spread: float) -> Spline:
        return self.space.spline(numbers[0] * spread + mean)  # the basis sums to one


class _TanhShape:
    """One hidden layer of tanh units; the numbers are ``w``, ``b``, ``a`` and a constant."""

    def __init__(self, start: list[NDArray[np.float64]]) -> None:
        self.start = start

    def evaluate(self, u: NDArray[np.float64], numbers: list[Any]) -> tuple[Any, Any, Any]:
        w, b, a, constant = numbers
        units = np.tanh(u[:, None] * w + b)
        bends = 1.0 - units * units
        return units @ a + constant[0], bends @ (a * w), (u, units, bends)

    def pull(self, weights: NDArray[np.float64], kept: Any, numbers: list[Any]) -> list[Any]:
        u, units, bends = kept
        return [
            ((weights * u) @ bends) * numbers[2],
            (weights @ bends) * numbers[2],
            weights @ units,
            np.array([weights.sum()]),
        ]

    def function(self, numbers: list[Any], mean: float, spread: float) -> NetworkActivation:
        w, b, a, constant = numbers
        return NetworkActivation(
            [w[None, :].copy(), a[:, None] * spread], [b.copy(), constant * spread + mean]
        )


def _family(activation: Any, mean: float, spread: float, rng: np.random.Generator) -> Any:
    """Return the family of activations with its first numbers, on standardised outputs."""
    if isinstance(activation, SplineSpace):
        return _SplineShape(activation, np.zeros(activation.dimension))
    if isinstance(activation, Spline):
        return _SplineShape(activation.space, (to_host(activation.coefficients) - mean) / spread)
    if isinstance(activation, NetworkActivation):
        if len(activation.weights) != 2:
            raise ValueError(f"activation must have one hidden layer, got {len(activation.weights) - 1}")
        (w, a), (b, constant) = activation.weights, activation.biases
        return _TanhShape([w[0].copy(), b.copy(), a[:, 0] / spread, (constant - mean) / spread])
    if isinstance(activation, bool) or not isinstance(activation, int | np.integer):
        raise TypeError(
            "activation must be a number of units, a SplineSpace, a Spline or a NetworkActivation, "
            f"got {shortened(activation)}"
        )
    width = check_integer("activation", activation, 1, _MOST_WIDTH)
    w, b = rng.uniform(-_FIRST_LAYER_GAIN, _FIRST_LAYER_GAIN, (2, width))
    return _TanhShape([w, b, rng.standard_normal(width) / math.sqrt(width), np.zeros(1)])


def _factors(start: Any, d: int, rank: int, rng: np.random.Generator) -> list[NDArray[np.float64]]:
    if start is None:
        left, right = rng.standard_normal((2, d, rank))
        scale = math.sqrt(float(np.linalg.norm(left @ right.T)))
        return [left / scale, right / scale]
    if not isinstance(start, tuple | list) or len(start) != 2:
        raise TypeError(f"start must be a pair (U, V) of factors, got {shortened(start)}")
    return [
        np.array(to_host(check_floats(f"start[{i}]", f, (d, rank))), dtype=float) for i, f in enumerate(start)
    ]


def _check_data(X: Any, Y: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    X = np.asarray(to_host(check_tokens(X)), dtype=float)
    Y = np.asarray(to_host(check_floats("Y", Y, X.shape[:2])), dtype=float)
    if X.size == 0:
        raise ValueError(f"X must hold at least one sample of one dimension, got shape {X.shape}")
    for name, array in (("X", X), ("Y", Y)):
        if np.abs(array).max() > _LARGEST:
            raise ValueError(f"{name} must be at most {_LARGEST:g} in absolute value")
    return X, Y


def _risk_and_gradient(
    parameters: list[Any], X: NDArray[np.float64], targets: NDArray[np.float64], shape: Any
) -> tuple[float, list[Any]]:
    left, right, *numbers = parameters
    n_samples, n_tokens, d = X.shape
    flat = X.reshape(-1, d)
    queries = (flat @ left).reshape(n_samples, n_tokens, -1)
    keys = (flat @ right).reshape(n_samples, n_tokens, -1)
    off = np.flatnonzero(~np.eye(n_tokens, dtype=bool))
    scores = (queries @ keys.swapaxes(1, 2)).reshape(n_samples, -1)[:, off].ravel()
    values, slopes, kept = shape.evaluate(scores, numbers)
    residual = values.reshape(n_samples, n_tokens, n_tokens - 1).mean(axis=2) - targets
    weights = np.repeat(residual.ravel() * (2.0 / (residual.size * (n_tokens - 1))), n_tokens - 1)
    pulls = np.zeros((n_samples, n_tokens * n_tokens))
    pulls[:, off] = (weights * slopes).reshape(n_samples, -1)
    pulls = pulls.reshape(n_samples, n_tokens, n_tokens)
    return float(np.mean(residual**2)), [
        flat.T @ (pulls @ keys).reshape(len(flat), -1),
        flat.T @ (pulls.swapaxes(1, 2) @ queries).reshape(len(flat), -1),
        *shape.pull(weights, kept, numbers),
    ]
