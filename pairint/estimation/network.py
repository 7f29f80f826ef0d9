r"""The network baseline: the alternating pipeline behind the published experiments.

From the paper: a least-squares spline fit of the activation given the matrix; a multilayer perceptron
(MLP) fitted to that spline, through which the matrix, held as low-rank factors, is trained by
back-propagation; and so on in turn. Chosen here, because the sources at hand do not state it: Adam in
mini-batches for both trainings, two hidden layers of 64 tanh units, starts by moments, whitened tokens,
the learning rates and when to lower them, when to stop, and how ``K`` is chosen.

PyTorch is an optional extra (``pip install 'pairint[network]'``), imported when a fit begins. A fitted
network holds its weights as arrays: prediction and pickling need no PyTorch.
"""

from __future__ import annotations

import importlib
import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from pairint.backend import array_namespace, to_host
from pairint.estimation.gauss_newton import balanced_factors, score_range
from pairint.estimation.initial import linear_start, quadratic_start, random_start, truncated_factors
from pairint.estimation.inner import InnerSolution, factor_scores, normal_equations, solve_inner
from pairint.estimation.regressor import (
    _check_enough_data,
    _check_spline_parameters,
    _matrix_parameters,
    _normalise,
    _PairwiseRegressor,
    _warn_at_limit,
    _whiten,
)
from pairint.estimation.selection import IntervalChoice, choose_intervals
from pairint.model.splines import Spline, SplineSpace
from pairint.validation import check_choice, check_integer, check_real, check_rng

__all__ = ["NetworkActivation", "NetworkRegressor"]

_STARTS = ("auto", "linear", "quadratic", "random")
#: Cells of the first rounds when K is chosen from the data.
_COARSE_INTERVALS = 8
#: A choice of K within 35 % of the last one is kept.
_SAME_CHOICE = math.log(1.35)
#: Learning rates of the matrix, as multiples of the first; each is used until a round gains nothing.
_LEVELS = (1.0, 1 / 4, 1 / 16, 1 / 64)
#: Fewest Adam steps of a round, for samples so small that an epoch is a few steps.
_MIN_STEPS = 100
#: Most token pairs in a mini-batch: bounds memory when there are many tokens.
_BATCH_PAIRS = 100_000
#: Learning rates of the MLP: from scratch, and from the last round's weights.
_NETWORK_RATE, _WARM_RATE = 1e-2, 2e-3
#: The first and the last fit of the MLP take so many times the steps of the others.
_FIRST_FACTOR, _LAST_FACTOR = 4, 10
#: Points at which the MLP is fitted to the spline: half equally spaced, half at quantiles of the scores.
_N_POINTS = 256
#: Weights of the first layer: a few bends of tanh across the interval of scores.
_FIRST_LAYER_GAIN = 3.0
#: Scores pushed through the network at a time (64 units each make 32 MB).
_CHUNK_SCORES = 65_536


@dataclass(frozen=True)
class NetworkActivation:
    """A multilayer perceptron of one variable with tanh units: call it, or its ``derivative``.

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


class NetworkRegressor(_PairwiseRegressor):
    r"""Learn :math:`g(x, y) = \varphi(x^\top A y)` by the paper's pipeline: spline, network, Adam, in turn.

    Each round fits a spline to the data by least squares, the matrix being fixed; fits an MLP to the
    spline; and trains the factors of :math:`A = U V^\top` on the outputs by Adam, back-propagating through
    the MLP, whose weights are held.

    Parameters
    ----------
    rank, degree, n_intervals, penalty
        As in :class:`~pairint.estimation.InteractionRegressor`. ``n_intervals="auto"`` begins with 8 cells
        and chooses by generalised cross-validation whenever the learning rate is lowered.
    hidden : sequence of int
        Widths of the hidden layers of the MLP, at least one.
    start : {"auto", "linear", "quadratic", "random"}
        Starting matrix, see :mod:`pairint.estimation.initial`. ``"auto"`` takes the better of the linear
        and the quadratic one; ``"random"`` is how networks are usually started, and needs luck when
        ``d`` is large.
    max_rounds : int
        Largest number of rounds.
    epochs : int
        Passes through the data in a round; a round has 100 steps at least.
    batch_size : int
        Samples in a mini-batch; fewer when their tokens make more than 100,000 pairs.
    learning_rate : float
        First learning rate of the factors (of unit size, on whitened tokens). It falls to zero within each
        round, by a half cosine, and starts at a quarter of the previous one after a round without gain.
    network_steps : int
        Adam steps of one fit of the MLP; the first fit takes 4 times, the last one 10 times as many.
    tol : float
        A round gains nothing if it lowers the residual sum of squares by less than ``tol`` noise
        variances. After four learning rates without gain the fit has converged.
    final : {"spline", "network"}
        Which activation is reported for the final matrix. ``"spline"``: the least-squares spline, the
        element of the class of estimators that the theory is about. ``"network"``: the MLP fitted to it.
    dtype : {"float32", "float64"}
        Precision of the trainings; least squares is in double precision always.
    random_state : None, int, SeedSequence or Generator
        For the MLP's first weights, the mini-batches and a random start. Equal seeds give equal fits.

    Attributes
    ----------
    matrix_ : ndarray, shape (d, d)
        As in :class:`~pairint.estimation.InteractionRegressor`: Frobenius norm 1, the entry of largest
        absolute value positive.
    activation_ : Spline or NetworkActivation
        Fitted activation: call it, or its ``derivative``.
    spline_, network_ : Spline, NetworkActivation
        Both, whichever is reported.
    network_gap_ : float
        Mean squared difference between the two over the scores in the data.
    n_intervals_, risk_, noise_std_, selection_
        As in :class:`~pairint.estimation.InteractionRegressor`.
    history_ : list of dict
        One entry per round: ``stage`` (index of the learning rate), ``iteration``, ``n_intervals``,
        ``risk`` (after the round, of the spline), ``learning_rate``.
    n_iter_ : int
        Number of rounds.
    converged_ : bool
        Whether the last learning rate was exhausted within ``max_rounds``.

    Notes
    -----
    Source: the numerical section of "Minimax Rates for Learning Pairwise Interactions in Attention-Style
    Models", as far as it is stated there; :mod:`pairint.estimation.network` says what was chosen here.
    PyTorch runs on the CPU, on one thread during a fit.
    """

    def __init__(
        self,
        rank: int = 1,
        degree: int = 3,
        n_intervals: int | str = "auto",
        hidden: Sequence[int] = (64, 64),
        *,
        penalty: float = 0.1,
        start: str = "auto",
        max_rounds: int = 40,
        epochs: int = 3,
        batch_size: int = 512,
        learning_rate: float = 0.02,
        network_steps: int = 150,
        tol: float = 1.0,
        final: str = "spline",
        dtype: str = "float32",
        random_state: Any = None,
    ) -> None:
        self.rank = rank
        self.degree = degree
        self.n_intervals = n_intervals
        self.hidden = hidden
        self.penalty = penalty
        self.start = start
        self.max_rounds = max_rounds
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.network_steps = network_steps
        self.tol = tol
        self.final = final
        self.dtype = dtype
        self.random_state = random_state

    def fit(self, X: Any, Y: Any) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array_like, shape (M, N, d)
            Tokens; CuPy arrays are copied to the host.
        Y : array_like, shape (M, N)
            Outputs.

        Returns
        -------
        self

        Raises
        ------
        ImportError
            If PyTorch is not installed.
        ValueError
            For wrong shapes, NaN, infinite or huge entries (above ``1e60``), ``N < 2``, a rank outside
            ``1 .. d``, fewer outputs than parameters, or a parameter out of range.

        Warns
        -----
        ConvergenceWarning
            If the rounds ended at ``max_rounds``.
        UserWarning
            If ``n_intervals="auto"`` chose the largest ``K`` that it may try.
        """
        X, Y = (to_host(array) for array in self._check_data(X, Y))
        d = X.shape[2]
        rank = check_integer("rank", self.rank, 1, d)
        degree, n_intervals, penalty = _check_spline_parameters(
            self.degree, self.n_intervals, self.penalty, least_degree=1
        )
        hidden = _check_hidden(self.hidden)
        check_choice("start", self.start, _STARTS)
        max_rounds = check_integer("max_rounds", self.max_rounds, 1)
        epochs = check_integer("epochs", self.epochs, 1)
        batch_size = check_integer("batch_size", self.batch_size, 1)
        rate = check_real("learning_rate", self.learning_rate, 0.0, exclusive_minimum=True)
        network_steps = check_integer("network_steps", self.network_steps, 1)
        tol = check_real("tol", self.tol, 0.0)
        check_choice("final", self.final, ("spline", "network"))
        check_choice("dtype", self.dtype, ("float32", "float64"))
        rng = check_rng(self.random_state, "random_state")
        n_rows = Y.size
        n_matrix = _matrix_parameters(d, rank)
        _check_enough_data(n_rows, n_matrix + (n_intervals or 1) + degree, Y.shape[0])
        torch = _import_torch()

        whitened, back = _whiten(X)
        problem = _Problem(whitened, Y, degree, penalty, n_matrix)
        # The cells before any choice; in one dimension there is no matrix to wait for.
        cells = n_intervals or min(_COARSE_INTERVALS, max(1, n_rows // 10 - degree))
        selection = None
        starts = _starts(whitened, Y, rank, self.start, rng)
        rounds = [problem.solve(*start, problem.space(*start, cells)) for start in starts]
        best = min(rounds, key=lambda r: r.inner.residual)
        if d == 1 and n_intervals is None:
            selection, cells = problem.choose(best)
            best = problem.solve(best.left, best.right, problem.space(best.left, best.right, cells))
        history: list[dict[str, float]] = []
        level = len(_LEVELS) if d == 1 else 0
        with _one_thread(torch):
            network = _Network(torch, best.space, Y, hidden, self.dtype, rng)
            network.fit(best.spline, problem.points(best), _FIRST_FACTOR * network_steps)
            while level < len(_LEVELS) and len(history) < max_rounds:
                step = rate * _LEVELS[level]
                factors = network.train_factors(
                    whitened, Y, best.left, best.right, step, epochs, batch_size, rng
                )
                trial = problem.solve(*factors, best.space)
                history.append(
                    {
                        "stage": float(level),
                        "iteration": float(len(history)),
                        "n_intervals": float(trial.space.n_intervals),
                        "risk": trial.inner.residual / n_rows,
                        "learning_rate": step,
                    }
                )
                gain = best.inner.objective - trial.inner.objective
                exhausted = gain <= tol * best.inner.objective / n_rows
                best = trial if gain > 0.0 else best
                if exhausted:
                    level += 1
                    if n_intervals is None and level < len(_LEVELS):
                        selection, cells = problem.choose(best, selection is not None)
                    # The cells move here only: the risks of one level are comparable.
                    best = problem.solve(best.left, best.right, problem.space(best.left, best.right, cells))
                network.fit(best.spline, problem.points(best), network_steps, _WARM_RATE)
            network.fit(best.spline, problem.points(best), _LAST_FACTOR * network_steps)
            activation = network.activation()
        self.converged_ = level == len(_LEVELS)
        self.history_ = history
        self.n_iter_ = len(history)
        self.n_intervals_ = best.space.n_intervals
        self.selection_ = selection
        self._store(X, Y, back, best, activation, n_matrix)
        if not self.converged_:
            warnings.warn(
                f"the fit stopped after max_rounds = {max_rounds} rounds while the risk was still falling; "
                "raise max_rounds or epochs, or try another start or learning_rate",
                ConvergenceWarning,
                stacklevel=2,
            )
        _warn_at_limit(selection)
        return self

    def _store(
        self,
        X: NDArray[np.float64],
        Y: NDArray[np.float64],
        back: NDArray[np.float64],
        best: _Round,
        network: NetworkActivation,
        n_matrix: int,
    ) -> None:
        matrix = back @ (best.left @ best.right.T) @ back.T
        self.matrix_, self.spline_ = _normalise(matrix, best.spline)
        _, self.network_ = _normalise(matrix, network)
        self.activation_ = self.spline_ if self.final == "spline" else self.network_
        scores = _subsample_scores(X, self.matrix_, np.eye(len(matrix)))
        self.network_gap_ = float(np.mean((self.network_(scores) - self.spline_(scores)) ** 2))
        residual = best.inner.residual
        if self.final == "network":
            residual = float(((Y - self.predict(X)) ** 2).sum())
        self.risk_ = residual / Y.size
        freedom = Y.size - best.inner.dof - n_matrix
        self.noise_std_ = math.sqrt(residual / freedom) if freedom > 0 else math.nan


@dataclass(frozen=True)
class _Round:
    """Factors of the matrix (whitened coordinates, unit norm) and the spline that goes with them."""

    left: NDArray[np.float64]
    right: NDArray[np.float64]
    space: SplineSpace
    inner: InnerSolution

    @property
    def spline(self) -> Spline:
        return self.space.spline(self.inner.coefficients)


@dataclass(frozen=True)
class _Problem:
    """Whitened data, and the least-squares half of the pipeline."""

    X: NDArray[np.float64]
    Y: NDArray[np.float64]
    degree: int
    penalty: float
    n_matrix: int

    def space(self, left: NDArray[np.float64], right: NDArray[np.float64], n_intervals: int) -> SplineSpace:
        """Return the splines on the interval that the scores of this matrix fill."""
        return SplineSpace(*score_range(self.X, left, right), n_intervals, self.degree)

    def solve(self, left: NDArray[np.float64], right: NDArray[np.float64], space: SplineSpace) -> _Round:
        """Fit the spline, the matrix being fixed."""
        equations = normal_equations(self.X, self.Y, left, right, space)
        return _Round(left, right, space, solve_inner(equations, space, self.penalty))

    def choose(self, current: _Round, refine: bool = False) -> tuple[IntervalChoice, int]:
        """Choose ``K`` for the present matrix; to refine a choice, keep it where it hardly changes."""
        left, right = current.left, current.right
        lower, upper = score_range(self.X, left, right)
        selection = choose_intervals(
            self.X, self.Y, left, right, lower, upper, self.degree, self.penalty, self.n_matrix
        )
        cells = current.space.n_intervals
        keep = refine and abs(math.log(selection.n_intervals / cells)) < _SAME_CHOICE
        return selection, cells if keep else selection.n_intervals

    def points(self, current: _Round) -> NDArray[np.float64]:
        """Return where the MLP is fitted: all of the interval, most densely where scores are."""
        space, half = current.space, _N_POINTS // 2
        scores = _subsample_scores(self.X, current.left, current.right)
        quantiles = np.quantile(scores, (np.arange(half) + 0.5) / half)
        return np.concatenate([np.linspace(space.lower, space.upper, half), quantiles])


class _Network:
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
        self, spline: Spline, scores: NDArray[np.float64], n_steps: int, rate: float = _NETWORK_RATE
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
    for step in range(n_steps):
        for group in optimiser.param_groups:
            group["lr"] = rate * (1.0 + math.cos(math.pi * step / n_steps)) / 2.0
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()


def _batches(n_samples: int, batch: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield index sets without end, each sample once per pass; the rest of a pass is dropped."""
    while True:
        order = rng.permutation(n_samples)
        for start in range(0, n_samples - batch + 1, batch):
            yield order[start : start + batch]


def _starts(
    X: NDArray[np.float64], Y: NDArray[np.float64], rank: int, start: str, rng: np.random.Generator
) -> list[tuple[Any, Any]]:
    if X.shape[2] == 1:
        return [truncated_factors(np.ones((1, 1)), 1)]
    starts = []
    if start in ("auto", "linear"):
        starts.append(linear_start(X, Y, rank))
    if start in ("auto", "quadratic"):
        starts.append(quadratic_start(X, Y, rank))
    if start == "random":
        starts.append(random_start(X.shape[2], rank, rng, X))
    return [balanced_factors(*factors) for factors in starts]


def _subsample_scores(X: NDArray[np.float64], left: Any, right: Any) -> NDArray[np.float64]:
    """Return the scores of distinct tokens in the first samples, about 20,000 of them."""
    n_tokens = X.shape[1]
    count = max(1, math.ceil(20_000 / (n_tokens * (n_tokens - 1))))
    return factor_scores(X[:count], left, right)[:, ~np.eye(n_tokens, dtype=bool)].ravel()


def _check_hidden(hidden: Any) -> tuple[int, ...]:
    if isinstance(hidden, str) or not isinstance(hidden, Sequence) or len(hidden) == 0:
        raise ValueError(f"hidden must list at least one layer width, such as (64, 64); got {hidden!r}")
    return tuple(check_integer("hidden", width, 1) for width in hidden)


def _import_torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(
            "NetworkRegressor needs PyTorch, which is an optional extra: pip install 'pairint[network]'"
        ) from error


@contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    """Run PyTorch on one thread: results then do not depend on the machine's number of cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
