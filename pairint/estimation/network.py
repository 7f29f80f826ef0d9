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

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from pairint.backend import to_host
from pairint.estimation.base import (
    PairwiseRegressor,
    check_enough_data,
    check_spline_parameters,
    fit_threads,
    matrix_parameters,
    normal_form,
    warn_at_limit,
    whiten,
)
from pairint.estimation.gauss_newton import balanced_factors
from pairint.estimation.initial import STARTS, starting_factors
from pairint.estimation.inner import factor_scores
from pairint.estimation.mlp import WARM_RATE, NetworkActivation, Perceptron, import_torch, one_thread
from pairint.estimation.problem import LeastSquaresProblem, OuterState
from pairint.estimation.selection import (
    SELECTION_WEIGHT,
    IntervalChoice,
    check_selection_weight,
    choose_intervals,
    coarse_intervals,
    nearly_equal,
)
from pairint.model.attention import pair_average
from pairint.steps import steps
from pairint.validation import check_choice, check_integer, check_real, check_rng

__all__ = ["NetworkRegressor"]

#: Learning rates of the matrix, as multiples of the first; each is used until a round gains nothing.
_LEVELS = (1.0, 1 / 4, 1 / 16, 1 / 64)
#: The first and the last fit of the MLP take so many times the steps of the others.
_FIRST_FACTOR, _LAST_FACTOR = 4, 10
#: Points at which the MLP is fitted to the spline: half equally spaced, half at quantiles of the scores.
_N_POINTS = 256

#: Rounds, epochs and steps of the perceptron: more is a typing error, and would never end.
MOST_STEPS = 10**6


class NetworkRegressor(PairwiseRegressor):
    r"""The paper's pipeline for :math:`g(x, y) = \varphi(x^\top A y)`: spline, network, Adam, in turn.

    Book: :doc:`/book/experiments`.

    Each round fits a spline to the data by least squares, the matrix being fixed; fits an MLP to the
    spline; and trains the factors of :math:`A = U V^\top` on the outputs by Adam, back-propagating through
    the MLP, whose weights are held.

    Parameters
    ----------
    rank, degree, n_intervals, penalty, selection_weight
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
    n_intervals_, dof_, risk_, noise_std_, selection_
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
        selection_weight: float = SELECTION_WEIGHT,
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
        self.selection_weight = selection_weight
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
        degree, n_intervals, penalty = check_spline_parameters(
            self.degree, self.n_intervals, self.penalty, least_degree=1
        )
        hidden = _check_hidden(self.hidden)
        check_choice("start", self.start, STARTS)
        max_rounds = check_integer("max_rounds", self.max_rounds, 1, MOST_STEPS)
        check_integer("epochs", self.epochs, 1, MOST_STEPS)
        check_integer("batch_size", self.batch_size, 1)
        check_real("learning_rate", self.learning_rate, 0.0, exclusive_minimum=True)
        network_steps = check_integer("network_steps", self.network_steps, 1, MOST_STEPS)
        check_real("tol", self.tol, 0.0)
        check_choice("final", self.final, ("spline", "network"))
        check_choice("dtype", self.dtype, ("float32", "float64"))
        weight = check_selection_weight(self.selection_weight)
        rng = check_rng(self.random_state, "random_state")
        n_matrix = matrix_parameters(d, rank)
        check_enough_data(Y.size, n_matrix + (n_intervals or 1) + degree, Y.shape[0])
        torch = import_torch()

        with fit_threads(2 * d * rank), one_thread(torch):
            whitened, back = whiten(X)
            problem = LeastSquaresProblem(whitened, Y, degree, penalty, n_matrix)
            # The cells before any choice; in one dimension there is no matrix to wait for.
            cells = n_intervals or coarse_intervals(problem.n_rows, degree)
            rounds = _first_round(problem, rank, self.start, cells, n_intervals is None, rng, weight)
            network = Perceptron(torch, rounds.state.space, Y, hidden, self.dtype, rng)
            network.fit(rounds.state.spline, _points(problem, rounds.state), _FIRST_FACTOR * network_steps)
            unfinished = iter(lambda: not rounds.exhausted and len(rounds.history) < max_rounds, False)
            for _ in steps(unfinished, "rounds", max_rounds, most=True):
                self._round(problem, network, rounds, n_intervals is None, rng)
                network.fit(rounds.state.spline, _points(problem, rounds.state), network_steps, WARM_RATE)
            network.fit(rounds.state.spline, _points(problem, rounds.state), _LAST_FACTOR * network_steps)
            activation = network.activation()
        self._store(problem, X, back, rounds, activation)
        if not self.converged_:
            warnings.warn(
                f"the fit stopped after max_rounds = {max_rounds} rounds while the risk was still falling; "
                "raise max_rounds or epochs, or try another start or learning_rate",
                ConvergenceWarning,
                stacklevel=2,
            )
        warn_at_limit(self.selection_)
        return self

    def _round(
        self,
        problem: LeastSquaresProblem,
        network: Perceptron,
        rounds: _Rounds,
        choose: bool,
        rng: np.random.Generator,
    ) -> None:
        """Train the factors through the network, fit the spline anew; lower the rate if nothing is gained."""
        best = rounds.state
        rate = float(self.learning_rate) * _LEVELS[rounds.level]
        factors = network.train_factors(
            problem.X, problem.Y, best.left, best.right, rate, self.epochs, self.batch_size, rng
        )
        trial = problem.solve(*factors, best.space)
        rounds.history.append(
            {
                "stage": float(rounds.level),
                "iteration": float(len(rounds.history)),
                "n_intervals": float(trial.space.n_intervals),
                "risk": trial.inner.residual / problem.n_rows,
                "learning_rate": rate,
            }
        )
        gain = best.inner.objective - trial.inner.objective
        rounds.state = trial if gain > 0.0 else best
        if gain <= self.tol * best.inner.objective / problem.n_rows:
            rounds.level += 1
            rounds.lay_cells(problem, choose and not rounds.exhausted)

    def _store(
        self,
        problem: LeastSquaresProblem,
        X: NDArray[np.float64],
        back: NDArray[np.float64],
        rounds: _Rounds,
        network: NetworkActivation,
    ) -> None:
        state = rounds.state
        product = back @ (state.left @ state.right.T) @ back.T
        matrix, spline = normal_form(product, state.spline)
        _, network = normal_form(product, network)
        scores = _subsample_scores(X, matrix, np.eye(len(matrix)))
        gap = float(np.mean((network(scores) - spline(scores)) ** 2))
        activation: Any = spline
        residual = None
        if self.final == "network":
            activation = network
            residual = float(((problem.Y - pair_average(network, X, matrix)) ** 2).sum())
        self._store_fit(matrix, activation, problem, state, rounds.selection, residual)
        self.spline_, self.network_, self.network_gap_ = spline, network, gap
        self.converged_ = rounds.exhausted
        self.history_ = rounds.history
        self.n_iter_ = len(rounds.history)


@dataclass
class _Rounds:
    """Where the rounds stand."""

    state: OuterState
    #: What a coefficient counts for in the choice of the number of cells.
    weight: float
    selection: IntervalChoice | None = None
    #: Index of the learning rate.
    level: int = 0
    history: list[dict[str, float]] = field(default_factory=list)

    @property
    def exhausted(self) -> bool:
        """Whether every learning rate has been used until it gained nothing."""
        return self.level == len(_LEVELS)

    def lay_cells(self, problem: LeastSquaresProblem, choose: bool) -> None:
        """Fit the spline on new cells. They move here only: the risks of one level are comparable."""
        left, right, cells = self.state.left, self.state.right, self.state.space.n_intervals
        if choose:
            first = self.selection is None
            self.selection = choose_intervals(problem, left, right, weight=self.weight)
            if first or not nearly_equal(self.selection.n_intervals, cells):
                cells = self.selection.n_intervals
        self.state = problem.solve(left, right, problem.space(left, right, cells))


def _first_round(
    problem: LeastSquaresProblem,
    rank: int,
    start: str,
    cells: int,
    choose: bool,
    rng: np.random.Generator,
    weight: float,
) -> _Rounds:
    """Take the best start; in one dimension there is no matrix to train, and the cells are chosen at once."""
    starts = [
        balanced_factors(*factors) for factors in starting_factors(problem.X, problem.Y, rank, start, 0, rng)
    ]
    states = [problem.solve(*factors, problem.space(*factors, cells)) for factors in starts]
    best = min(states, key=lambda state: state.inner.residual)
    if problem.d > 1:
        return _Rounds(best, weight)
    rounds = _Rounds(best, weight, level=len(_LEVELS))
    if choose:
        rounds.lay_cells(problem, choose)
    return rounds


def _points(problem: LeastSquaresProblem, state: OuterState) -> NDArray[np.float64]:
    """Return where the MLP is fitted: all of the interval, most densely where scores are."""
    space, half = state.space, _N_POINTS // 2
    scores = _subsample_scores(problem.X, state.left, state.right)
    quantiles = np.quantile(scores, (np.arange(half) + 0.5) / half)
    return np.concatenate([np.linspace(space.lower, space.upper, half), quantiles])


def _subsample_scores(X: NDArray[np.float64], left: Any, right: Any) -> NDArray[np.float64]:
    """Return the scores of distinct tokens in the first samples, about 20,000 of them."""
    n_tokens = X.shape[1]
    count = max(1, math.ceil(20_000 / (n_tokens * (n_tokens - 1))))
    return factor_scores(X[:count], left, right)[:, ~np.eye(n_tokens, dtype=bool)].ravel()


def _check_hidden(hidden: Any) -> tuple[int, ...]:
    if isinstance(hidden, str) or not isinstance(hidden, Sequence) or len(hidden) == 0:
        raise ValueError(f"hidden must list at least one layer width, such as (64, 64); got {hidden!r}")
    return tuple(check_integer("hidden", width, 1) for width in hidden)
