"""The estimator: empirical risk minimisation over low-rank matrices and splines."""

from __future__ import annotations

import math
import numbers
import warnings
from dataclasses import replace
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from pairint.backend import array_namespace, to_device, to_host
from pairint.estimation.gauss_newton import OuterState, levenberg_marquardt, score_range
from pairint.estimation.initial import linear_start, quadratic_start, random_start, truncated_factors
from pairint.estimation.inner import normal_equations, solve_inner
from pairint.estimation.selection import IntervalChoice, choose_intervals
from pairint.model.attention import check_tokens, pair_scores, sample_chunks
from pairint.model.splines import Spline, SplineSpace
from pairint.validation import check_array, check_choice, check_integer, check_real, check_rng

__all__ = ["InteractionRegressor", "OracleRegressor"]

_STARTS = ("auto", "linear", "quadratic", "random")
#: Cells of the first, coarse fits: enough to see the shape, few enough to be smooth in the matrix.
_COARSE_INTERVALS = 8
_N_RANDOM = 2
#: Samples that the starts are computed from (more for many parameters).
_N_START = 10_000
#: Gauss-Newton steps spent on each start before the best is kept.
_TRIAL_STEPS = 2
#: Largest size of tokens and outputs: squares and their sums must stay finite.
_LARGEST_NUMBER = 1e60
#: Rounds of choosing K; a choice within 35 % of the last one is kept.
_N_CHOICES = 4
_SAME_CHOICE = math.log(1.35)


class _PairwiseRegressor(RegressorMixin, BaseEstimator):
    """What a fitted interaction ``g(x, y) = activation_(x' matrix_ y)`` can do."""

    matrix_: Any
    activation_: Any

    def predict(self, X: Any) -> Any:
        """Return the fitted outputs ``1/(N-1) sum_{j != i} g(X_i, X_j)``, shape ``(M, N)``.

        The number of tokens may differ from the one in :meth:`fit`.
        """
        self._check_fitted()
        X = check_tokens(X, self.n_features_in_)
        xp = array_namespace(X)
        matrix = to_device(self.matrix_, X)
        n_tokens = X.shape[1]
        diagonal = xp.arange(n_tokens)
        result = xp.empty(X.shape[:2])
        for chunk in sample_chunks(X.shape[0], n_tokens * max(n_tokens, X.shape[2])):
            values = self.activation_(pair_scores(X[chunk], matrix))
            values[:, diagonal, diagonal] = 0.0
            result[chunk] = values.sum(axis=-1) / (n_tokens - 1)
        return result

    def score(self, X: Any, Y: Any) -> float:
        """Return the coefficient of determination R^2 of the outputs, all tokens pooled."""
        X = check_tokens(X, getattr(self, "n_features_in_", None))
        Y = check_array("Y", Y, tuple(X.shape[:2]))
        total = float(((Y - Y.mean()) ** 2).sum())
        residual = float(((Y - self.predict(X)) ** 2).sum())
        if total == 0.0:
            return 1.0 if residual == 0.0 else 0.0
        return 1.0 - residual / total

    def interaction(self, x: Any, y: Any) -> Any:
        """Return the fitted ``g(x, y)`` for tokens of shapes ``(..., d)`` that broadcast."""
        self._check_fitted()
        xp = array_namespace(x, y)
        x, y = check_array("x", x), check_array("y", y)
        for name, value in (("x", x), ("y", y)):
            if value.ndim < 1 or value.shape[-1] != self.n_features_in_:
                raise ValueError(
                    f"{name} must have shape (..., {self.n_features_in_}), got {tuple(value.shape)}"
                )
        return self.activation_(xp.sum((x @ to_device(self.matrix_, x)) * y, axis=-1))

    def _check_fitted(self) -> None:
        if not hasattr(self, "activation_"):
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet: call fit(X, Y) first")

    def _check_data(self, X: Any, Y: Any) -> tuple[Any, Any]:
        X = check_array("X", check_tokens(X), largest=_LARGEST_NUMBER)
        Y = check_array("Y", Y, tuple(X.shape[:2]), largest=_LARGEST_NUMBER)
        xp = array_namespace(X, Y)
        self.n_features_in_ = int(X.shape[2])
        return xp.asarray(X, dtype=xp.float64), xp.asarray(Y, dtype=xp.float64)


class InteractionRegressor(_PairwiseRegressor):
    r"""Learn :math:`g(x, y) = \varphi(x^\top A y)` from outputs averaged over pairs.

    Minimises the empirical risk
    :math:`\frac{1}{MN}\sum_{m,i} |Y_{mi} - \frac{1}{N-1}\sum_{j \ne i}\varphi(X_{mi}^\top A X_{mj})|^2`
    over matrices of rank ``rank`` and splines of degree ``degree`` on ``n_intervals`` equal cells, by
    variable projection and Levenberg-Marquardt, from coarse splines to fine ones.

    Parameters
    ----------
    rank : int
        Rank ``r`` of the matrix, ``1 <= r <= d``.
    degree : int
        Degree ``s >= 1`` of the splines. To attain the rate for Hölder index ``beta`` take
        ``s >= beta - 1``.
    n_intervals : int or "auto"
        Number ``K`` of cells. ``"auto"`` chooses by generalised cross-validation, see
        :func:`~pairint.estimation.choose_intervals` for the numbers tried; a choice that is the largest of
        them gives a warning.
    penalty : float
        Weight ``>= 0`` of the squared second differences of the coefficients, in units of
        observations. It settles cells that almost no score visits and leaves the others alone.
    start : {"auto", "linear", "quadratic", "random"}
        Starting matrix, see :mod:`pairint.estimation.initial`; ``"auto"`` tries all and keeps the best
        after a few coarse steps.
    n_starts : int
        Number of random starts tried besides the others (``"auto"``) or in all (``"random"``).
    max_iter : int
        Largest number of Gauss-Newton steps in each of the stages.
    tol : float
        A stage stops when the next step is predicted to lower the residual sum of squares by less
        than ``tol`` noise variances; fitting pure noise lowers it by one for each parameter.
    random_state : None, int, SeedSequence or Generator
        For random starts only.

    Attributes
    ----------
    matrix_ : array, shape (d, d)
        Fitted matrix, of rank ``r``. **Convention:** only ``g`` is identified; ``matrix_`` has
        Frobenius norm 1, and its entry of largest absolute value is positive. Scale and sign live in
        ``activation_``.
    activation_ : Spline
        Fitted activation: call it, or its ``derivative``.
    n_intervals_ : int
        Number of cells used.
    risk_ : float
        Mean squared residual at the fit.
    noise_std_ : float
        Estimate of the noise's standard deviation, corrected for the fitted parameters.
    history_ : list of dict
        One entry per accepted step: ``stage`` (0 is coarse, on a subsample), ``iteration``,
        ``n_intervals``, ``risk_before``, ``risk``, ``damping``, ``predicted_decrease``.
    n_iter_ : int
        Number of accepted steps.
    converged_ : bool
        Whether the last stage met ``tol``.
    selection_ : IntervalChoice or None
        The candidates for ``K`` and their criterion.

    Notes
    -----
    Source: the estimator of "Minimax Rates for Learning Pairwise Interactions in Attention-Style
    Models" (Section 3), with continuous splines in place of unconnected polynomial pieces.
    """

    def __init__(
        self,
        rank: int = 1,
        degree: int = 3,
        n_intervals: int | str = "auto",
        *,
        penalty: float = 0.1,
        start: str = "auto",
        n_starts: int = _N_RANDOM,
        max_iter: int = 50,
        tol: float = 1e-2,
        random_state: Any = None,
    ) -> None:
        self.rank = rank
        self.degree = degree
        self.n_intervals = n_intervals
        self.penalty = penalty
        self.start = start
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def fit(self, X: Any, Y: Any) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array_like, shape (M, N, d)
            Tokens; NumPy or CuPy.
        Y : array_like, shape (M, N)
            Outputs.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For wrong shapes, NaN, infinite or huge entries (above ``1e60``), ``N < 2``, a rank outside
            ``1 .. d``, or fewer outputs than parameters.

        Warns
        -----
        ConvergenceWarning
            If the last stage stopped at ``max_iter``.
        UserWarning
            If ``n_intervals="auto"`` chose the largest ``K`` that it may try.
        """
        X, Y = self._check_data(X, Y)
        d = X.shape[2]
        rank = check_integer("rank", self.rank, 1, d)
        degree, n_intervals, penalty = _check_spline_parameters(
            self.degree, self.n_intervals, self.penalty, least_degree=1
        )
        check_choice("start", self.start, _STARTS)
        n_starts = check_integer("n_starts", self.n_starts, 0)
        max_iter = check_integer("max_iter", self.max_iter, 1)
        tol = check_real("tol", self.tol, 0.0, exclusive_minimum=True)
        rng = check_rng(self.random_state, "random_state")
        n_rows = Y.shape[0] * Y.shape[1]
        n_matrix = _matrix_parameters(d, rank)
        smallest = 1 if n_intervals is None else n_intervals
        _check_enough_data(n_rows, n_matrix + smallest + degree, Y.shape[0])

        whitened, back = _whiten(X)
        history: list[dict[str, float]] = []

        # 1. Coarse: a subsample, few cells, several starts, loose tolerance.
        loose = max(tol, 0.05 * n_matrix)
        coarse = min(_COARSE_INTERVALS, n_intervals or _COARSE_INTERVALS, max(1, n_rows // 10 - degree))
        n_coarse = min(Y.shape[0], max(2000, math.ceil(30 * (n_matrix + coarse + degree) / Y.shape[1])))
        n_start = max(n_coarse, _N_START)
        starts = _starting_factors(whitened[:n_start], Y[:n_start], rank, self.start, n_starts, rng)
        state = _best_coarse_fit(
            whitened[:n_coarse], Y[:n_coarse], starts, coarse, degree, penalty, max_iter, loose
        )
        _extend(history, 0, state.history)

        # 2. Fine: all the data. K doubles on its way to the chosen one, so that no fine structure of the
        # activation meets a matrix too crude to resolve it. A better matrix can ask for another K:
        # choose again.
        selection, current, refined, stage = None, coarse, False, 0
        for _ in range(_N_CHOICES):
            lower, upper = score_range(whitened, state.left, state.right)
            if n_intervals is None:
                selection = choose_intervals(
                    whitened, Y, state.left, state.right, lower, upper, degree, penalty, n_matrix
                )
            target = n_intervals if selection is None else selection.n_intervals
            if refined and abs(math.log(target / current)) < _SAME_CHOICE:
                break
            while True:
                current = target if d == 1 else min(target, 2 * current)
                final = current == target
                # On the way, so many outputs a parameter that the matrix resolves the next cells.
                n_used = Y.shape[0] if final else math.ceil(200 * (n_matrix + current + degree) / Y.shape[1])
                state = levenberg_marquardt(
                    whitened[:n_used],
                    Y[:n_used],
                    state.left,
                    state.right,
                    SplineSpace(lower, upper, current, degree),
                    penalty,
                    max_iter,
                    tol if final else loose,
                )
                stage += 1
                _extend(history, stage, state.history)
                if final:
                    break
            refined = True
            if d == 1 or n_intervals is not None:
                break
        self._store(state, back, selection, history, n_rows, n_matrix)
        if not self.converged_:
            warnings.warn(
                f"the fit stopped after max_iter = {max_iter} steps without meeting tol = {tol}; "
                "raise max_iter, give more data, lower n_intervals, or try another start",
                ConvergenceWarning,
                stacklevel=2,
            )
        _warn_at_limit(self.selection_)
        return self

    def _store(
        self,
        state: OuterState,
        back: Any,
        selection: IntervalChoice | None,
        history: list[dict[str, float]],
        n_rows: int,
        n_matrix: int,
    ) -> None:
        matrix, spline = _normalise(back @ (state.left @ state.right.T) @ back.T, state.spline)
        self.matrix_ = matrix
        self.activation_ = spline
        self.n_intervals_ = state.space.n_intervals
        self.selection_ = selection
        self.risk_ = state.inner.residual / n_rows
        freedom = n_rows - state.inner.dof - n_matrix
        self.noise_std_ = math.sqrt(state.inner.residual / freedom) if freedom > 0 else math.nan
        self.history_ = history
        self.n_iter_ = len(history)
        self.converged_ = state.converged


class OracleRegressor(_PairwiseRegressor):
    """Fit the activation alone, the matrix being known: the yardstick of every comparison.

    Parameters
    ----------
    matrix : array_like, shape (d, d)
        The true interaction matrix.
    degree, n_intervals, penalty
        As in :class:`InteractionRegressor`; ``degree >= 0``.

    Attributes
    ----------
    activation_, n_intervals_, risk_, noise_std_, selection_
        As in :class:`InteractionRegressor`; ``matrix_`` is the given matrix, unscaled.
    """

    def __init__(
        self, matrix: Any, degree: int = 3, n_intervals: int | str = "auto", *, penalty: float = 0.1
    ) -> None:
        self.matrix = matrix
        self.degree = degree
        self.n_intervals = n_intervals
        self.penalty = penalty

    def fit(self, X: Any, Y: Any) -> Self:
        """Fit the activation to tokens ``X (M, N, d)`` and outputs ``Y (M, N)``."""
        X, Y = self._check_data(X, Y)
        xp = array_namespace(X)
        d = X.shape[2]
        matrix = check_array("matrix", self.matrix, (d, d))
        degree, n_intervals, penalty = _check_spline_parameters(self.degree, self.n_intervals, self.penalty)
        n_rows = Y.shape[0] * Y.shape[1]
        _check_enough_data(n_rows, (n_intervals or 1) + degree, Y.shape[0])
        left, right = to_device(matrix, X), xp.eye(d)
        lower, upper = score_range(X, left, right)
        selection = None
        if n_intervals is None:
            selection = choose_intervals(X, Y, left, right, lower, upper, degree, penalty)
            n_intervals = selection.n_intervals
        space = SplineSpace(lower, upper, n_intervals, degree)
        inner = solve_inner(normal_equations(X, Y, left, right, space), space, penalty)
        self.matrix_ = matrix
        self.activation_ = space.spline(inner.coefficients)
        self.n_intervals_ = n_intervals
        self.selection_ = selection
        self.risk_ = inner.residual / n_rows
        self.noise_std_ = math.sqrt(inner.residual / max(n_rows - inner.dof, 1e-300))
        _warn_at_limit(selection)
        return self


def _warn_at_limit(selection: IntervalChoice | None) -> None:
    """Warn in the name of the caller's caller if a search for ``K`` ended at its bound."""
    if selection is not None and selection.at_limit:
        warnings.warn(
            f"the choice n_intervals = {selection.n_intervals} is the largest number of cells tried for this "
            "many outputs, and more may fit better: compare with a larger n_intervals, or give more data",
            UserWarning,
            stacklevel=3,
        )


def _check_spline_parameters(
    degree: Any, n_intervals: Any, penalty: Any, least_degree: int = 0
) -> tuple[int, int | None, float]:
    degree = check_integer("degree", degree, least_degree, 12)
    if isinstance(n_intervals, str):
        check_choice("n_intervals", n_intervals, ("auto",))
        cells = None
    elif isinstance(n_intervals, numbers.Integral):
        cells = check_integer("n_intervals", n_intervals, 1)
    else:
        raise TypeError(f'n_intervals must be an integer >= 1 or "auto", got {n_intervals!r}')
    return degree, cells, check_real("penalty", penalty, 0.0)


def _check_enough_data(n_rows: int, n_parameters: int, n_samples: int) -> None:
    if n_rows <= n_parameters:
        raise ValueError(
            f"M = {n_samples} samples give {n_rows} outputs for {n_parameters} parameters: "
            "more samples, a lower rank, or fewer cells (n_intervals) are needed"
        )


def _matrix_parameters(d: int, rank: int) -> int:
    """Dimension of the rank-``r`` matrices up to scale."""
    return rank * (2 * d - rank) - 1


def _whiten(X: Any) -> tuple[Any, Any]:
    """Return tokens with second moment the identity, and ``B`` with ``A = B A_white B'``.

    Directions in which the tokens (almost) do not vary are dropped: no data see them.
    """
    xp = array_namespace(X)
    d = X.shape[2]
    moment = 0.0
    for chunk in sample_chunks(X.shape[0], X.shape[1] * d):
        rows = X[chunk].reshape(-1, d)
        moment = moment + rows.T @ rows
    moment = moment / (X.shape[0] * X.shape[1])
    values, vectors = xp.linalg.eigh(moment)
    kept = values > 1e-10 * values[-1]
    inverse_root = xp.where(kept, 1.0 / xp.sqrt(xp.where(kept, values, 1.0)), 0.0)
    back = (vectors * inverse_root) @ vectors.T
    whitened = xp.empty_like(X)
    for chunk in sample_chunks(X.shape[0], X.shape[1] * d):
        whitened[chunk] = X[chunk] @ back
    return whitened, back


def _starting_factors(
    X: Any, Y: Any, rank: int, start: str, n_starts: int, rng: np.random.Generator
) -> list[tuple[Any, Any]]:
    d = X.shape[2]
    xp = array_namespace(X)
    if d == 1:
        return [truncated_factors(xp.ones((1, 1)), 1)]
    starts = []
    if start in ("auto", "linear"):
        starts.append(linear_start(X, Y, rank))
    if start in ("auto", "quadratic"):
        starts.append(quadratic_start(X, Y, rank))
    if start in ("auto", "random"):
        count = n_starts if start == "auto" else max(1, n_starts)
        starts.extend(random_start(d, rank, rng, X) for _ in range(count))
    return starts


def _best_coarse_fit(
    X: Any,
    Y: Any,
    starts: list[tuple[Any, Any]],
    n_intervals: int,
    degree: int,
    penalty: float,
    max_iter: int,
    tol: float,
) -> OuterState:
    """Run a few steps from every start and finish from the best."""

    def run(left: Any, right: Any, steps: int) -> OuterState:
        space = SplineSpace(*score_range(X, left, right), n_intervals, degree)
        return levenberg_marquardt(X, Y, left, right, space, penalty, steps, tol)

    if len(starts) == 1 or X.shape[2] == 1:
        return run(*starts[0], max_iter)
    best = min((run(left, right, _TRIAL_STEPS) for left, right in starts), key=lambda s: s.inner.residual)
    finished = run(best.left, best.right, max_iter)
    return replace(finished, history=best.history + finished.history)


def _normalise(matrix: Any, spline: Spline) -> tuple[Any, Spline]:
    """Move scale and sign from the matrix into the activation."""
    host = to_host(matrix)
    norm = float(np.linalg.norm(host))
    if norm == 0.0:
        return matrix, spline
    spline = spline.scaled(1.0 / norm)
    largest = host.ravel()[np.argmax(np.abs(host))]
    if largest < 0:
        return -matrix / norm, spline.mirrored()
    return matrix / norm, spline


def _extend(history: list[dict[str, float]], stage: int, entries: list[dict[str, float]]) -> None:
    history.extend({"stage": float(stage), **entry} for entry in entries)
