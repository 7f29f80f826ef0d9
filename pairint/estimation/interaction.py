"""The estimator: empirical risk minimisation over low-rank matrices and splines."""

from __future__ import annotations

import math
import numbers
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import r2_score

from pairint.backend import array_namespace, to_device, to_host
from pairint.estimation.base import (
    check_enough_data,
    check_rank,
    check_spline_parameters,
    fit_threads,
    matrix_parameters,
    normal_form,
    output_weight,
    warn_at_limit,
    whiten,
)
from pairint.estimation.channels.activation import as_family
from pairint.estimation.channels.channel import ScoreChannel, as_channel
from pairint.estimation.channels.fit import FittedHead, channel_outputs, check_pair_data, fit_channel
from pairint.estimation.channels.system import ChannelProblem
from pairint.estimation.diagnosis import Diagnosable
from pairint.estimation.doubts import FitWarning, cheap_doubts
from pairint.estimation.gauss_newton import grown_factors, levenberg_marquardt
from pairint.estimation.information import fitted_information
from pairint.estimation.initial import (
    STARTS,
    moments_left,
    random_start,
    starting_factors,
    truncated_factors,
)
from pairint.estimation.intervals import RegressorWithBands
from pairint.estimation.problem import LARGEST_NUMBER, LeastSquaresProblem, OuterState, score_range
from pairint.estimation.robust import LOSSES, RobustFit, huber_fit, pulled_in
from pairint.estimation.selection import (
    IntervalChoice,
    RankChoice,
    choose_intervals,
    coarse_intervals,
    nearly_equal,
    rank_criterion,
)
from pairint.model.attention import check_tokens, pair_average
from pairint.model.splines import SplineSpace
from pairint.model.tangent import Information
from pairint.validation import check_choice, check_floats, check_integer, check_real, check_rng, shortened

__all__ = ["InteractionRegressor"]

_N_RANDOM = 2
#: Samples that the starts are computed from, and that the coarse fits see (more for many parameters).
_N_START, _N_COARSE = 10_000, 2000
#: Outputs that the coarse fits see at most: with many tokens fewer samples tell as much.
_N_COARSE_OUTPUTS = 6000
#: Gauss-Newton steps spent on each start to order them, and on each that is followed after the first.
_TRIAL_STEPS, _FOLLOWED_STEPS = 2, 20
#: Two coarse fits that differ by a smaller share of the outputs' variance are taken for neighbours.
_SAME_VALLEY = 0.02
#: From how many starts the lowest valley must be reached: normally, and if its residuals look like signal.
_REACHED, _REACHED_SUSPECT = 2, 4
#: Restarts for each random start, if the starts disagree.
N_RESTARTS = 5
#: More starts than anybody waits for.
MOST_STARTS = 10_000
#: A restart through higher rank: norm of the random push (the matrix has norm one), added rank, steps.
_PUSH, _ADDED_RANK, _LIFTED_STEPS = 0.5, 2, 10
#: Largest output where a fit is done in single precision: sums of squares stay finite.
_LARGEST_SINGLE = 1e12
#: Rounds of choosing K.
_N_CHOICES = 4
#: Fewest outputs for each parameter of the matrix in the search for the rank.
_RANK_OUTPUTS = 10


class InteractionRegressor(RegressorWithBands, Diagnosable):
    r"""The estimator of :math:`g(x, y) = \varphi(x^\top A y)` from outputs averaged over pairs.

    Book: :doc:`/book/estimator`.

    Minimises the empirical risk
    :math:`\frac{1}{MN}\sum_{m,i} |Y_{mi} - \frac{1}{N-1}\sum_{j \ne i}\varphi(X_{mi}^\top A X_{mj})|^2`
    over matrices of rank ``rank`` and splines of degree ``degree`` on ``n_intervals`` equal cells, by
    variable projection and Levenberg-Marquardt, from coarse splines to fine ones.

    Parameters
    ----------
    rank : int or "auto"
        Rank ``r`` of the matrix, ``1 <= r <= d``. ``"auto"`` tries 1, 2, ... until a criterion of generalised
        cross-validation stops falling, see :func:`~pairint.estimation.selection.rank_criterion`.
    degree : int
        Degree ``s >= 1`` of the splines. To attain the rate for Hölder index ``beta`` take
        ``s >= beta - 1``.
    n_intervals : int or "auto"
        Number ``K`` of cells. ``"auto"`` chooses by generalised cross-validation, see
        :func:`~pairint.estimation.choose_intervals` for the numbers tried; a choice that is the largest of
        them gives a warning.
    max_rank : int, optional
        Largest rank that ``rank="auto"`` may try, ``1 <= max_rank <= d``; by default ``d``. There must also
        be ten outputs for each parameter of the matrix. A choice that is the largest that may be tried, and
        below ``d``, gives a warning.
    penalty : float
        Weight ``>= 0`` of the squared second differences of the coefficients, in units of
        observations. It settles cells that almost no score visits and leaves the others alone.
    start : {"auto", "linear", "quadratic", "random"}, or (U, V)
        Starting matrix, or the factors, of shape ``(d, r)`` each, of one, see
        :mod:`pairint.estimation.initial`; ``"auto"`` tries all, the most promising
        first, until two of them end at the same lowest risk of a coarse fit (four, if its residuals look like
        signal). If they do not, it restarts up to ``5 n_starts`` times.
    n_starts : int
        Number of random starts tried besides the others (``"auto"``) or in all (``"random"``). With 0 there
        is no restart either, and no warning if the starts disagree.
    max_iter : int
        Largest number of Gauss-Newton steps in each of the stages.
    tol : float
        A stage stops when the next step is predicted to lower the residual sum of squares by less
        than ``tol`` noise variances; fitting pure noise lowers it by one for each parameter.
    loss : {"squared_error", "huber"}
        ``"huber"`` counts residuals beyond 1.345 of their scale with their size, not with its square, see
        :mod:`pairint.estimation.robust`: for outputs of which some are wrong.
    channel : {"mean", "sum", "normalised"} or ScoreChannel
        What is observed of the activated scores ``phi(S)``: their mean over partners, their sum, their
        row-normalised sum (attention), or a :class:`~pairint.estimation.channels.ScoreChannel` of one's own.
        See *Channels* below.
    activation : None, "spline", "log-spline", "exp" or callable
        What is learned of the activation: a spline, the exponential of a spline, or nothing: it is ``exp``,
        or a function with a method ``derivative``. By default a spline, in a channel that needs a positive
        activation its exponential.
    n_heads : int
        Number of interactions whose outputs add up, each with a matrix and an activation.
    random_state : None, int, SeedSequence or Generator
        For random starts and restarts, and in a channel for the signs of a preconditioner.

    Attributes
    ----------
    matrix_ : array, shape (d, d)
        Fitted matrix, of rank ``r``. **Convention:** only ``g`` is identified; ``matrix_`` has
        Frobenius norm 1, and its entry of largest absolute value is positive. Scale and sign live in
        ``activation_``.
    activation_ : Spline
        Fitted activation: call it, or its ``derivative``.
    rank_ : int
        Rank used.
    rank_selection_ : RankChoice or None
        The ranks tried by ``rank="auto"`` and their criterion.
    n_intervals_ : int
        Number of cells used.
    dof_ : float
        Effective number of spline coefficients, the trace of the hat matrix with the matrix held: at most
        ``n_intervals_ + degree``, less where the penalty outweighs the data.
    risk_ : float
        Mean squared residual at the fit, weighted; with ``loss="huber"`` the mean of the losses.
    noise_std_ : float
        Estimate of the noise's standard deviation, corrected for the fitted parameters: with weights that of
        an output of weight one, when they are scaled to the mean one; with ``loss="huber"``
        from the median of the absolute residuals, as if the noise of most outputs were Gaussian.
    outliers_ : array of bool, shape (M', N), or None
        With ``loss="huber"``, which outputs of the samples of positive weight lie beyond the limit. Of
        Gaussian noise 18 % do.
    history_ : list of dict
        One entry per accepted step: ``stage`` (0 is coarse, on a subsample), ``iteration``,
        ``n_intervals``, ``risk_before``, ``risk``, ``damping``, ``predicted_decrease``.
    n_iter_ : int
        Number of accepted steps.
    converged_ : bool
        Whether the last stage met ``tol``: the fit is a local minimum. That no other is lower is made likely
        by several starts, never certain.
    start_risks_ : ndarray
        Mean squared residuals of the coarse fits that were followed from the starts, in that order.
    selection_ : IntervalChoice or None
        The candidates for ``K`` and their criterion.
    left_, right_ : array, shape (d, r)
        Factors: ``matrix_ = left_ right_'``. Not after ``rank="auto"`` or a plain fit.
    value_matrix_ : array, shape (d, v), or None
        The matrix ``W`` of the values ``X W``, if it was learned.
    heads_ : tuple of FittedHead
        All interactions; the attributes above, and ``scores`` and ``interaction``, are those of the first.
        Not after a plain fit.
    channel_ : ScoreChannel
        The channel. Not after a plain fit.

    Notes
    -----
    **Channels.** A *plain* fit is one of the mean over the other tokens, with a spline and nothing else asked
    for: it is done by dense normal equations. Every other fit uses products with the Jacobian only, and its
    cost grows with the number of parameters, not with its square; see :doc:`/book/channels`. In these

    - scores are of the precision of ``X``: with single precision the fit is done in it;
    - ``rank="auto"`` and ``loss="huber"`` are not available;
    - only what the outputs show is fixed by them. A matrix beside a learned activation has norm one and a
      positive largest entry. In a row-normalised channel the activation is one at the score zero (or at the
      end of its interval next to it). With ``activation="exp"`` there, and tokens of which some combination
      ``w'x`` is one, scores are averaged to zero over keys: ``matrix_ @ m = 0`` with the mean token ``m``. In
      the mean and the sum a learned ``value_matrix_`` beside a learned activation has norm one. Of several
      heads all but the first vanish at the score zero, in a linear channel with splines.

    Source: the estimator of "Minimax Rates for Learning Pairwise Interactions in Attention-Style
    Models" (Section 3), with continuous splines in place of unconnected polynomial pieces.

    By default it is least squares. Outputs that are far off count with their squares: one in two hundred, off
    by a hundred noise standard deviations, can make cross-validation choose hundreds of cells and spoil the
    fit; ``loss="huber"`` bounds what each can do. So can tokens with tails so heavy that a few scores lie far
    from all others, and there no loss helps: look at ``n_intervals_``, and remove such samples before a fit.
    """

    left_: Any
    right_: Any
    value_matrix_: Any
    heads_: tuple[FittedHead, ...]
    channel_: ScoreChannel

    def __init__(
        self,
        rank: int | str = 1,
        degree: int = 3,
        n_intervals: int | str = "auto",
        *,
        max_rank: int | None = None,
        penalty: float = 0.1,
        start: Any = "auto",
        n_starts: int = _N_RANDOM,
        max_iter: int = 50,
        tol: float = 1e-2,
        loss: str = "squared_error",
        channel: str | ScoreChannel = "mean",
        activation: Any = None,
        n_heads: int = 1,
        random_state: Any = None,
    ) -> None:
        self.rank = rank
        self.degree = degree
        self.n_intervals = n_intervals
        self.max_rank = max_rank
        self.penalty = penalty
        self.start = start
        self.n_starts = n_starts
        self.max_iter = max_iter
        self.tol = tol
        self.loss = loss
        self.channel = channel
        self.activation = activation
        self.n_heads = n_heads
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        Y: Any,
        sample_weight: Any = None,
        *,
        values: Any = None,
        pairs: Any = None,
        mask: Any = None,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array_like, shape (M, N, d)
            Tokens; NumPy or CuPy.
        Y : array_like, shape (M, N), or (M, N, v) if what is summed is a vector
            Outputs.
        values : array_like, shape (M, N) or (M, N, v), or "learn", optional
            What each token hands over; ``"learn"``: it is ``X W``, with a matrix that is found too.
        pairs : array_like, shape (M, N, N) or (M, N, N, v), optional
            What token ``j`` hands over to token ``i``, at ``[:, i, j]``; instead of values.
        mask : array_like of bool, shape (N, N) or (M, N, N), optional
            Whether ``j`` may be a partner of ``i``; by default all may, and the channel decides about the
            diagonal.
        sample_weight : array_like, shape (M,) or (M, N), optional
            Weights ``>= 0`` of the samples, or of their outputs: inverse variances of the noise, up to a
            factor. They are scaled to the mean one; a sample of weight zero is left out. Huber's limit is
            for residuals times the root of their weight.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For wrong shapes, NaN, infinite or huge entries (above ``1e60``), ``N < 2``, a rank outside
            ``1 .. d``, weights that are negative or all zero, or fewer outputs than parameters; in a channel
            for values or pairs of another shape, a token without partner, a row-normalised channel without
            values, a known activation that is not positive there, or more heads than can be identified.
        TypeError
            For a mask that is not boolean, or an activation without derivative.

        Warns
        -----
        ConvergenceWarning
            If the last stage stopped at ``max_iter``, or if of several starts, some of them random, only one
            reached the lowest risk.
        FitWarning
            If the fit has doubts that can be seen without another step: few outputs a parameter, few tokens
            that decide, scores beyond the cells, a rank too large, sums that hide functions of the score,
            starts that end apart. The message says what helps; :meth:`diagnose` examines them all. Beside the
            reasons for a ConvergenceWarning they are part of its message.
        UserWarning
            If ``n_intervals="auto"`` or ``rank="auto"`` chose the largest number that it may try.
        """
        if not self._is_plain(values, pairs, mask):
            return self._fit_channel(X, Y, sample_weight, values, pairs, mask)
        X, Y, weight = self._check_weighted_data(X, Y, sample_weight)
        d = X.shape[2]
        rank, largest_rank = check_rank(self.rank, self.max_rank, d)
        degree, n_intervals, penalty = check_spline_parameters(
            self.degree, self.n_intervals, self.penalty, least_degree=1
        )
        check_choice("start", self.start, STARTS)
        check_choice("loss", self.loss, LOSSES)
        n_starts = check_integer("n_starts", self.n_starts, 0, MOST_STARTS)
        max_iter = check_integer("max_iter", self.max_iter, 1)
        tol = check_real("tol", self.tol, 0.0, exclusive_minimum=True)
        rng = check_rng(self.random_state, "random_state")
        n_rows = Y.shape[0] * Y.shape[1] if weight is None else int((weight > 0).sum())
        check_enough_data(n_rows, matrix_parameters(d, rank or 1) + (n_intervals or 1) + degree, Y.shape[0])

        with fit_threads(2 * d):
            whitened, back = whiten(X)
        problem = LeastSquaresProblem(whitened, Y, degree, penalty, weight=weight)
        n_restarts = N_RESTARTS * n_starts if self.start == "auto" and d > 1 else 0
        while largest_rank > 1 and _RANK_OUTPUTS * matrix_parameters(d, largest_rank) > n_rows:
            largest_rank -= 1

        def starts_of(search: _Search, rank: int) -> list[tuple[Any, Any]]:
            sample = search.subsample(_N_START)
            return starting_factors(sample.X, sample.weighted_outputs(), rank, self.start, n_starts, rng)

        def find(problem: LeastSquaresProblem) -> tuple[_Found, RankChoice | None]:
            def search_of(rank: int) -> _Search:
                n_matrix = matrix_parameters(d, rank)
                return _Search(replace(problem, n_matrix=n_matrix), n_intervals, max_iter, tol)

            if rank is None:
                return _choose_rank(search_of, starts_of, d, largest_rank, n_restarts, rng)
            with fit_threads(2 * d * rank):
                search = search_of(rank)
                return search.fit(starts_of(search, rank), n_restarts, rng), None

        robust = None
        if self.loss == "huber":
            found, rank_selection = find(replace(problem, Y=pulled_in(Y, weight)))
            robust = found.reweighted(Y)
            if rank is None:  # outliers hide what a further rank is good for
                found, rank_selection = find(replace(problem, Y=robust.outputs))
                robust = found.reweighted(Y)
        else:
            found, rank_selection = find(problem)
        valley = found.valley
        final = self._store(found, robust, back)
        self._keep(X, Y, weight)
        self.rank_selection_ = rank_selection
        doubts = []
        if not self.converged_:
            doubts.append(
                f"the fit stopped after max_iter = {max_iter} steps without meeting tol = {tol}; "
                "raise max_iter, give more data, lower n_intervals, or try another start"
            )
        if not valley.settled and n_starts > 0:
            doubts.append(
                f"only one of {len(valley.risks)} starts reached the lowest risk, a better fit may exist; "
                f"raise n_starts (now {n_starts}), give more data, lower rank, or compare with another start"
            )
        category: type[Warning] = ConvergenceWarning if doubts else FitWarning
        with fit_threads(2 * d * self.rank_):
            doubts += cheap_doubts(
                found.search.problem, final, self.noise_std_, self.start_risks_ if valley.settled else ()
            )
        if doubts:
            more = ". fit.diagnose(X, Y) says more"
            warnings.warn(". And ".join(doubts) + more, category, stacklevel=2)
        warn_at_limit(self.selection_, rank_selection)
        return self

    def _is_plain(self, values: Any = None, pairs: Any = None, mask: Any = None) -> bool:
        """Say whether nothing but the mean over the other tokens, with a spline, is asked for."""
        default = isinstance(self.channel, str) and self.channel == "mean" and self.activation is None
        one = isinstance(self.n_heads, numbers.Integral) and self.n_heads == 1 and self.n_heads is not True
        return (
            default
            and one
            and not isinstance(self.start, tuple | list)
            and all(given is None for given in (values, pairs, mask))
        )

    def _fit_channel(self, X: Any, Y: Any, sample_weight: Any, values: Any, pairs: Any, mask: Any) -> Self:
        X = check_floats("X", check_tokens(X), largest=LARGEST_NUMBER)
        n_samples, n_tokens, d = X.shape
        xp = array_namespace(X, Y)
        if getattr(Y, "ndim", np.ndim(Y) if isinstance(Y, list | tuple) else 2) == 3:
            Y = check_floats("Y", Y, (n_samples, n_tokens, None), largest=LARGEST_NUMBER)
        else:
            Y = check_floats("Y", Y, (n_samples, n_tokens), largest=LARGEST_NUMBER)
        if X.dtype.itemsize == 4:
            check_floats("Y", Y, largest=_LARGEST_SINGLE)
        Y = xp.asarray(Y, dtype=X.dtype)
        channel = as_channel(self.channel)
        rank, _ = check_rank(self.rank, None, d)
        if rank is None:
            raise ValueError(
                'rank must be an integer in this channel, got "auto": the plain mean only chooses it'
            )
        degree, n_intervals, penalty = check_spline_parameters(self.degree, self.n_intervals, self.penalty, 1)
        if check_choice("loss", self.loss, LOSSES) != "squared_error":
            raise ValueError(f'loss must be "squared_error" in this channel, got {self.loss!r}')
        start = self._checked_start(X, d, rank)
        n_heads = check_integer("n_heads", self.n_heads, 1)
        n_starts = check_integer("n_starts", self.n_starts, 0, MOST_STARTS)
        max_iter = check_integer("max_iter", self.max_iter, 1)
        tol = check_real("tol", self.tol, 0.0, exclusive_minimum=True)
        rng = check_rng(self.random_state, "random_state")
        family, _ = as_family(self.activation, channel.positive, degree)
        learn = isinstance(values, str)
        if learn:
            check_choice("values", values, ("learn",))
        known = None if learn else values
        data = check_pair_data(X, channel, known, pairs, mask, tuple(Y.shape), learn)
        weight = output_weight(sample_weight, xp.empty((n_samples, n_tokens)))
        root = None if weight is None else xp.asarray(xp.sqrt(weight), dtype=X.dtype)
        if weight is not None and root is not None and not bool((kept := weight.sum(axis=1) > 0).all()):
            X, Y, root, data = X[kept], Y[kept], root[kept], data[kept]
        problem = ChannelProblem(X, Y, data, channel, root, penalty, learn)
        with fit_threads(d):
            found = fit_channel(
                problem, family, rank, n_intervals, n_heads, start, n_starts, max_iter, tol, rng
            )
        first = found.heads[0]
        for name in ("_data", "_bands"):  # of an earlier fit
            self.__dict__.pop(name, None)
        self.n_features_in_ = d
        self.channel_, self.heads_ = channel, found.heads
        self._handed = "pairs" if pairs is not None else "values" if known is not None else None
        self.left_, self.right_, self.value_matrix_ = first.left, first.right, first.value_matrix
        self.matrix_, self.activation_ = first.matrix, first.activation
        self.rank_, self.rank_selection_, self.selection_ = rank, None, None
        self.n_intervals_ = found.n_intervals
        self.dof_ = float(found.n_coefficients)
        self.risk_ = found.state.residual / found.n_rows
        freedom = found.n_rows - found.n_coefficients - found.n_other
        self.noise_std_ = math.sqrt(found.state.residual / freedom) if freedom > 0 else math.nan
        self.outliers_ = None
        self.start_risks_ = np.array(found.start_risks)
        self.history_, self.n_iter_ = found.history, len(found.history)
        self.converged_ = found.state.converged
        if not self.converged_:
            warnings.warn(
                f"the fit stopped after max_iter = {max_iter} steps without meeting tol = {tol}; "
                "raise max_iter, give more data, lower n_intervals, or try another start",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _checked_start(self, X: Any, d: int, rank: int) -> Any:
        if not isinstance(self.start, tuple | list):
            return check_choice("start", self.start, STARTS)
        if len(self.start) != 2:
            raise ValueError(f"start must be a name or two factors (U, V), got {len(self.start)} of them")
        return tuple(
            to_device(check_floats("start", factor, (d, rank), largest=LARGEST_NUMBER), X)
            for factor in self.start
        )

    def predict(self, X: Any, *, values: Any = None, pairs: Any = None, mask: Any = None) -> Any:
        """Return the fitted outputs, shape ``(M, N)`` or ``(M, N, v)``.

        The number of tokens may differ from the one in :meth:`fit`.

        Parameters
        ----------
        X : array_like, shape (M, N, d)
            Tokens.
        values, pairs, mask
            As in :meth:`fit`, for these tokens; no values if they were learned.
        """
        self._check_fitted()
        if not hasattr(self, "channel_"):
            for name, given in (("values", values), ("pairs", pairs), ("mask", mask)):
                if given is not None:
                    raise ValueError(
                        f"{name} must not be given after a fit without it, got {shortened(given)}"
                    )
            return super().predict(X)
        X = check_floats("X", check_tokens(X, self.n_features_in_), largest=LARGEST_NUMBER)
        learned = self.value_matrix_ is not None
        if learned and values is not None:
            raise ValueError("values must not be given where they were learned")
        if values is None and pairs is None and self._handed is not None:
            raise ValueError(f"{self._handed} must be given, as they were in the fit")
        data = check_pair_data(X, self.channel_, values, pairs, mask, None, learned)
        shape = tuple(X.shape[:2])
        if learned:
            shape = (*shape, self.value_matrix_.shape[1])
        elif pairs is not None:
            shape = (*shape, *data.pairs.shape[3:])
        elif values is not None:
            shape = (*shape, *data.values.shape[2:])
        return channel_outputs(self.channel_, self.heads_, X, data, shape)

    def score(
        self,
        X: Any,
        Y: Any,
        sample_weight: Any = None,
        *,
        values: Any = None,
        pairs: Any = None,
        mask: Any = None,
    ) -> float:
        """Return the coefficient of determination R^2 of the outputs, all tokens pooled.

        Of vectors it is one minus the residual sum of squares over that around the mean vector. Weights, if
        there are any, are those of the samples, shape ``(M,)``, or of the outputs, ``(M, N)``.
        """
        if not hasattr(self, "channel_"):
            self._check_fitted()
            for name, given in (("values", values), ("pairs", pairs), ("mask", mask)):
                if given is not None:
                    raise ValueError(
                        f"{name} must not be given after a fit without it, got {shortened(given)}"
                    )
            return super().score(X, Y, sample_weight)
        predicted = self.predict(X, values=values, pairs=pairs, mask=mask)
        Y = check_floats("Y", Y, tuple(predicted.shape), largest=LARGEST_NUMBER)
        weight = output_weight(sample_weight, Y[:, :, 0] if Y.ndim == 3 else Y)
        weight = None if weight is None else to_host(weight).ravel()
        rows = (len(to_host(Y).ravel()) // max(1, int(np.prod(Y.shape[2:]))), -1)
        target, fitted = (np.asarray(to_host(a), dtype=float).reshape(rows) for a in (Y, predicted))
        return float(r2_score(target, fitted, sample_weight=weight, multioutput="variance_weighted"))

    def information(self, X: Any) -> Information:
        """Return what outputs of tokens ``X (M, N, d)`` know of the fitted function, queries and keys.

        ``information(X).matrix`` is the Fisher information of Gaussian outputs of weight one at the fit, with
        the estimated noise; its inverse, on what the data see, is the covariance of the estimate. Pass the
        tokens of the fit, or those of data that are planned.

        Raises
        ------
        ValueError
            Before :meth:`fit`, or if ``X`` has a wrong shape or is not finite.
        """
        self._check_plain("its information")
        return fitted_information(self, X)

    def _store(self, found: _Found, robust: RobustFit | None, back: Any) -> OuterState:
        """Store the fit, and return where it ended."""
        problem, selection, residual, scale = found.search.problem, found.selection, None, None
        stages = [found.valley.state, *found.stages]
        if robust is not None:
            stages, residual, scale = [*stages, *robust.stages], robust.loss, robust.scale
            selection = robust.selection or selection
        state = stages[-1]
        fitted = normal_form(back @ (state.left @ state.right.T) @ back.T, state.spline)
        self._store_fit(*fitted, problem, state, selection, residual, scale)
        for name in ("channel_", "heads_", "left_", "right_", "value_matrix_"):  # of an earlier fit
            self.__dict__.pop(name, None)
        self.outliers_ = None if robust is None else robust.outliers
        self.rank_ = found.rank
        self.start_risks_ = np.array(found.valley.risks)
        self.history_ = [
            {"stage": float(stage), **entry}
            for stage, fitted in enumerate(stages)
            for entry in fitted.history
        ]
        self.n_iter_ = len(self.history_)
        self.converged_ = state.converged if robust is None else robust.converged
        return state


@dataclass(frozen=True)
class _Valley:
    """The lowest of the coarse fits, the risks of all of them, and whether they settle which is lowest."""

    state: OuterState
    risks: list[float]
    settled: bool


@dataclass(frozen=True)
class _Search:
    """The way to the minimum: coarse on a subsample, then fine on all the data."""

    problem: LeastSquaresProblem
    #: Number of cells, or ``None`` if the data are to choose it.
    n_intervals: int | None
    max_iter: int
    tol: float

    @property
    def loose(self) -> float:
        """Tolerance of all stages but the last."""
        return max(self.tol, 0.05 * self.problem.n_matrix)

    @property
    def coarse_cells(self) -> int:
        """Number of cells of the first stage."""
        cells = coarse_intervals(self.problem.n_rows, self.problem.degree)
        return min(cells, self.n_intervals or cells)

    def fit(self, starts: list[tuple[Any, Any]], n_restarts: int, rng: np.random.Generator) -> _Found:
        """Find the lowest valley, and go on from there with all the data."""
        valley = self.coarse(starts, n_restarts, rng)
        return _Found(self, valley, *self.refine(valley.state))

    @property
    def hurried(self) -> _Search:
        """The same, with the tolerance and the patience of a first look."""
        return replace(self, tol=self.loose, max_iter=min(self.max_iter, _LIFTED_STEPS))

    def grow(self, smaller: _Found) -> _Found:
        """Go on from a fit with one rank more, on the same cells of the same interval.

        The classes are nested, and the residual falls by what the rank is good for, and by nothing else.
        """
        old = smaller.state
        grown = grown_factors(self.problem, old)
        steps = min(self.max_iter, _FOLLOWED_STEPS)
        state = levenberg_marquardt(self.problem, *grown, old.space, steps, self.tol)
        return _Found(self, smaller.valley, [*smaller.stages, state], smaller.selection)

    def settle(
        self, found: _Found, starts: list[tuple[Any, Any]], n_restarts: int, rng: np.random.Generator
    ) -> _Found:
        """Look for the lowest valley from other starts too; keep the fit unless another is lower."""
        sample = self.subsample(_N_COARSE, _N_COARSE_OUTPUTS)
        here = self._descent(sample, found.state.left, found.state.right, _FOLLOWED_STEPS)
        valley = self.coarse([(here.left, here.right), *starts], n_restarts, rng)
        if self._lower(sample, valley.state, here):
            return _Found(self, valley, *self.refine(valley.state))
        return replace(found, valley=valley)

    def _lower(self, problem: LeastSquaresProblem, state: OuterState, other: OuterState) -> bool:
        """Say whether a coarse fit lies in a lower valley than another."""
        lowest = min(state.inner.residual, other.inner.residual)
        return state.inner.residual < other.inner.residual - self._margin(problem, lowest)

    def subsample(self, n_samples: int, n_outputs: float = math.inf) -> LeastSquaresProblem:
        """Return the first samples: so many samples and outputs at most, but enough for the parameters."""
        n_tokens = self.problem.Y.shape[1]
        if n_samples * n_tokens > n_outputs:
            n_samples = math.ceil(n_outputs / n_tokens)
        return self.problem.first(max(n_samples, self._samples(30, self.coarse_cells)))

    def coarse(self, starts: list[tuple[Any, Any]], n_restarts: int, rng: np.random.Generator) -> _Valley:
        """Descend with few cells until the lowest valley has been reached from several starts.

        A few steps order the starts, and the most promising is followed first. To be low after a few steps is
        not to end low: another start must end there too, and more of them if the residuals look like signal.
        When the starts run out, restarts are followed. A valley is lower if noise and the few cells do not
        explain the difference.
        """
        problem = self.subsample(_N_COARSE, _N_COARSE_OUTPUTS)
        if len(starts) == 1:
            only = self._descent(problem, *starts[0], self.max_iter)
            return _Valley(only, [only.inner.residual / problem.n_rows], True)
        trials = [self._descent(problem, *start, _TRIAL_STEPS) for start in starts]
        trials.sort(key=lambda trial: trial.inner.residual)
        best = self._follow(problem, trials[0], self.max_iter)
        risks, reached, needed = [best.inner.residual], 1, _times_to_reach(problem, best)
        for number in range(1, len(trials) + n_restarts):
            if reached >= needed:
                break
            if number < len(trials):
                trial = trials[number]
            else:
                start = self._restart(problem, best, number % 2 == 0, rng)
                trial = self._descent(problem, *start, _TRIAL_STEPS)
            end = self._follow(problem, trial, _FOLLOWED_STEPS)
            risks.append(end.inner.residual)
            margin = self._margin(problem, min(best.inner.residual, end.inner.residual))
            if end.inner.residual < best.inner.residual - margin:
                best, reached, needed = end, 1, _times_to_reach(problem, end)
            elif end.inner.residual <= best.inner.residual + margin:
                reached += 1
        return _Valley(best, [risk / problem.n_rows for risk in risks], reached >= _REACHED)

    def _descent(self, problem: LeastSquaresProblem, left: Any, right: Any, steps: int) -> OuterState:
        space = problem.space(left, right, self.coarse_cells)
        return levenberg_marquardt(problem, left, right, space, steps, self.loose)

    def _follow(self, problem: LeastSquaresProblem, trial: OuterState, steps: int) -> OuterState:
        """Go on from a trial, on the interval that its scores fill by now."""
        end = self._descent(problem, trial.left, trial.right, steps)
        return replace(end, history=trial.history + end.history)

    def _restart(
        self, problem: LeastSquaresProblem, best: OuterState, lifted: bool, rng: np.random.Generator
    ) -> tuple[Any, Any]:
        """Return a random start, or one that leaves the best valley through matrices of higher rank.

        With more rank than needed there are fewer valleys to be caught in; the way back truncates.
        """
        d, rank = best.left.shape
        if not lifted:
            return random_start(d, rank, rng, problem.X)
        push = rng.standard_normal((d, d))
        push = to_device(push * (_PUSH / np.linalg.norm(push)), problem.X)
        start = truncated_factors(best.left @ best.right.T + push, min(d, rank + _ADDED_RANK))
        state = self._descent(problem, *start, _LIFTED_STEPS)
        return truncated_factors(state.left @ state.right.T, rank)

    def _margin(self, problem: LeastSquaresProblem, lowest: float) -> float:
        """Return by how much the residual sums of squares of fits in one valley may differ."""
        n_parameters = self.problem.n_matrix + self.coarse_cells + problem.degree
        spread = float(problem.weighted((problem.Y - problem.mean_output) ** 2).sum())
        return max(2.0 * n_parameters / problem.n_rows * lowest, _SAME_VALLEY * spread)

    def refine(self, state: OuterState) -> tuple[list[OuterState], IntervalChoice | None]:
        """Go on with all the data and the final number of cells; return the stages and the choice.

        A better matrix can ask for another ``K``: it is chosen again, until the choice stands.
        """
        selection = None
        stages: list[OuterState] = []
        for _ in range(_N_CHOICES):
            lower, upper = score_range(self.problem.X, state.left, state.right)
            if self.n_intervals is None:
                selection = choose_intervals(self.problem, state.left, state.right, (lower, upper))
                target = selection.n_intervals
            else:
                target = self.n_intervals
            if stages and nearly_equal(target, state.space.n_intervals):
                break
            stages.extend(self.descend(state, lower, upper, target))
            state = stages[-1]
            if self.problem.d == 1 or self.n_intervals is not None:
                break
        return stages, selection

    def descend(self, state: OuterState, lower: float, upper: float, target: int) -> Iterator[OuterState]:
        """Double ``K`` up to the target, so that no fine structure meets a matrix too crude to resolve it."""
        cells = state.space.n_intervals
        while True:
            cells = target if self.problem.d == 1 else min(target, 2 * cells)
            final = cells == target
            # On the way, so many outputs a parameter that the matrix resolves the next cells.
            problem = self.problem if final else self.problem.first(self._samples(200, cells))
            space = SplineSpace(lower, upper, cells, problem.degree)
            tol = self.tol if final else self.loose
            state = levenberg_marquardt(problem, state.left, state.right, space, self.max_iter, tol)
            yield state
            if final:
                return

    def _samples(self, per_parameter: int, n_intervals: int) -> int:
        """Return how many samples hold so many outputs a parameter."""
        n_parameters = self.problem.n_matrix + n_intervals + self.problem.degree
        return math.ceil(per_parameter * n_parameters * self.problem.Y.shape[0] / self.problem.n_rows)


@dataclass(frozen=True)
class _Found:
    """A fit of one rank: the valley, the stages of the way down, and the choice of K."""

    search: _Search
    valley: _Valley
    stages: list[OuterState]
    selection: IntervalChoice | None

    @property
    def state(self) -> OuterState:
        """Where the way ends."""
        return self.stages[-1]

    @property
    def rank(self) -> int:
        """The rank."""
        return int(self.state.left.shape[1])

    @property
    def criterion(self) -> float:
        """The criterion for the rank."""
        problem, inner = self.search.problem, self.state.inner
        return rank_criterion(inner.residual, inner.dof, problem.n_matrix, problem.n_rows)

    def reweighted(self, Y: Any) -> RobustFit:
        """Go on with Huber's loss of the outputs."""
        search = self.search

        def step(problem: LeastSquaresProblem, state: OuterState, n_intervals: int) -> OuterState:
            space = state.space
            if n_intervals != space.n_intervals:
                space = problem.space(state.left, state.right, n_intervals)
            return levenberg_marquardt(problem, state.left, state.right, space, search.max_iter, search.tol)

        with fit_threads(self.state.left.size * 2):
            problem = replace(search.problem, Y=Y)
            return huber_fit(problem, self.state, step, search.n_intervals, search.tol)

    def refined(self, search: _Search) -> _Found:
        """Choose K again, and go on with the tolerance of the search."""
        stages, selection = search.refine(self.state)
        return _Found(search, self.valley, [*self.stages, *stages], selection)


def _choose_rank(
    search_of: Callable[[int], _Search],
    starts_of: Callable[[_Search, int], list[tuple[Any, Any]]],
    d: int,
    largest: int,
    n_restarts: int,
    rng: np.random.Generator,
) -> tuple[_Found, RankChoice]:
    """Raise the rank one by one while the criterion falls.

    On the way tolerances are loose: where the rank is too low, valleys are many and flat. If the criterion
    does not fall, the fit is finished and one rank more is tried again, with care and from other starts too.
    At the rank that is chosen the starts must agree, as for a known one; if a restart finds a lower valley,
    the search goes on from it.
    """
    criterion: dict[int, tuple[float, int]] = {}

    def note(found: _Found) -> _Found:
        criterion[found.rank] = (found.criterion, found.state.space.n_intervals)
        return found

    with fit_threads(2 * d):
        search = search_of(1)
        if largest == 1:
            best = note(search.fit(starts_of(search, 1), n_restarts, rng))
            return best, _rank_choice(best.rank, criterion, False)
        best = note(search.hurried.fit(starts_of(search, 1), 0, rng))
    restarted: set[int] = set()
    while True:
        rank = best.rank + 1
        with fit_threads(2 * d * rank):
            if rank <= largest:
                larger = search_of(rank)
                trial = larger.hurried.grow(best)
                if trial.criterion < best.criterion:
                    best = note(trial.refined(larger.hurried))
                    continue
            search = search_of(best.rank)
            best = note(best.refined(search))
            if rank <= largest:
                trial = note(larger.settle(larger.grow(best), starts_of(larger, rank), 0, rng))
                if trial.criterion < best.criterion:
                    best = note(trial.refined(larger.hurried))
                    continue
            if best.rank in restarted:
                break
            restarted.add(best.rank)
            before = best.state
            best = note(search.settle(best, starts_of(search, best.rank), n_restarts, rng))
            if best.state is before:
                break
    return best, _rank_choice(best.rank, criterion, best.rank == largest < d)


def _rank_choice(rank: int, criterion: dict[int, tuple[float, int]], at_limit: bool) -> RankChoice:
    ranks = sorted(criterion)
    values, cells = zip(*(criterion[rank] for rank in ranks), strict=True)
    return RankChoice(rank, np.array(ranks, np.intp), np.array(values), np.array(cells, np.intp), at_limit)


def _times_to_reach(problem: LeastSquaresProblem, state: OuterState) -> int:
    """Return from how many starts a valley must be reached before it is taken for the lowest."""
    average = pair_average(state.spline, problem.X, state.left @ state.right.T)
    residual = problem.weighted(problem.Y - average)
    return _REACHED if moments_left(problem.X, residual) < 1.0 else _REACHED_SUSPECT
