r"""The network baseline: the alternating pipeline behind the published experiments.

From the paper: a least-squares spline fit of the activation given the matrix; a multilayer perceptron
(MLP) fitted to that spline, through which the matrix, held as low-rank factors, is trained by
back-propagation; and so on in turn. Chosen here, because the sources at hand do not state it: Adam in
mini-batches for both trainings, two hidden layers of 64 tanh units, starts by moments, whitened tokens,
the learning rates and when to lower them, when to stop, and how ``K`` is chosen.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from pairint.backend import to_host
from pairint.estimation.base import (
    COARSE_INTERVALS,
    PairwiseRegressor,
    check_enough_data,
    check_spline_parameters,
    matrix_parameters,
    nearly_the_same,
    normalise,
    warn_at_limit,
    whiten,
)
from pairint.estimation.factors import balanced_factors, factor_scores
from pairint.estimation.initial import STARTS, starting_factors
from pairint.estimation.mlp import WARM_RATE, NetworkActivation, Perceptron, import_torch, one_thread
from pairint.estimation.problem import Problem, State
from pairint.estimation.selection import IntervalChoice, choose_intervals
from pairint.validation import check_choice, check_integer, check_real, check_rng

__all__ = ["NetworkRegressor"]

#: Learning rates of the matrix, as multiples of the first; each is used until a round gains nothing.
_LEVELS = (1.0, 1 / 4, 1 / 16, 1 / 64)
#: The first and the last fit of the MLP take so many times the steps of the others.
_FIRST_FACTOR, _LAST_FACTOR = 4, 10
#: Points at which the MLP is fitted to the spline: half equally spaced, half at quantiles of the scores.
_N_POINTS = 256


class NetworkRegressor(PairwiseRegressor):
    r"""Learn :math:`g(x, y) = \varphi(x^\top A y)` by the paper's pipeline: spline, network, Adam, in turn.

    Book: :doc:`/book/experiments`.

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
        degree, n_intervals, penalty = check_spline_parameters(
            self.degree, self.n_intervals, self.penalty, least_degree=1
        )
        hidden = _check_hidden(self.hidden)
        check_choice("start", self.start, STARTS)
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
        n_matrix = matrix_parameters(d, rank)
        check_enough_data(n_rows, n_matrix + (n_intervals or 1) + degree, Y.shape[0])
        torch = import_torch()

        whitened, back = whiten(X)
        problem = Problem(whitened, Y, degree, penalty, n_matrix)
        # The cells before any choice; in one dimension there is no matrix to wait for.
        cells = n_intervals or min(COARSE_INTERVALS, max(1, n_rows // 10 - degree))
        selection = None
        starts = [balanced_factors(*s) for s in starting_factors(whitened, Y, rank, self.start, 0, rng)]
        rounds = [problem.solve(*start, problem.space(*start, cells)) for start in starts]
        best = min(rounds, key=lambda r: r.inner.residual)
        if d == 1 and n_intervals is None:
            selection, cells = _choose(problem, best)
            best = problem.solve(best.left, best.right, problem.space(best.left, best.right, cells))
        history: list[dict[str, float]] = []
        level = len(_LEVELS) if d == 1 else 0
        with one_thread(torch):
            network = Perceptron(torch, best.space, Y, hidden, self.dtype, rng)
            network.fit(best.spline, _points(problem, best), _FIRST_FACTOR * network_steps)
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
                        selection, cells = _choose(problem, best, refine=selection is not None)
                    # The cells move here only: the risks of one level are comparable.
                    best = problem.solve(best.left, best.right, problem.space(best.left, best.right, cells))
                network.fit(best.spline, _points(problem, best), network_steps, WARM_RATE)
            network.fit(best.spline, _points(problem, best), _LAST_FACTOR * network_steps)
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
        warn_at_limit(selection)
        return self

    def _store(
        self,
        X: NDArray[np.float64],
        Y: NDArray[np.float64],
        back: NDArray[np.float64],
        best: State,
        network: NetworkActivation,
        n_matrix: int,
    ) -> None:
        matrix = back @ best.matrix @ back.T
        self.matrix_, self.spline_ = normalise(matrix, best.spline)
        _, self.network_ = normalise(matrix, network)
        self.activation_ = self.spline_ if self.final == "spline" else self.network_
        scores = _subsample_scores(X, self.matrix_, np.eye(len(matrix)))
        self.network_gap_ = float(np.mean((self.network_(scores) - self.spline_(scores)) ** 2))
        residual = best.inner.residual
        if self.final == "network":
            residual = float(((Y - self.predict(X)) ** 2).sum())
        self.risk_ = residual / Y.size
        self.dof_ = best.inner.dof + n_matrix
        freedom = Y.size - self.dof_
        self.noise_std_ = math.sqrt(residual / freedom) if freedom > 0 else math.nan


def _choose(problem: Problem, current: State, refine: bool = False) -> tuple[IntervalChoice, int]:
    """Choose ``K`` for the present matrix; to refine a choice, keep it where it hardly changes."""
    selection = choose_intervals(problem, current.left, current.right)
    cells = current.space.n_intervals
    keep = refine and nearly_the_same(selection.n_intervals, cells)
    return selection, cells if keep else selection.n_intervals


def _points(problem: Problem, current: State) -> NDArray[np.float64]:
    """Return where the MLP is fitted: all of the interval, most densely where scores are."""
    space, half = current.space, _N_POINTS // 2
    scores = _subsample_scores(problem.X, current.left, current.right)
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
