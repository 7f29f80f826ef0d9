"""The estimator: empirical risk minimisation over low-rank matrices and splines."""

from __future__ import annotations

import math
import numbers
import warnings
from dataclasses import replace
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
from pairint.estimation.blocks import MEMORY, taken_in
from pairint.estimation.channels.activation import as_family
from pairint.estimation.channels.channel import ScoreChannel, as_channel
from pairint.estimation.channels.fit import FittedHead, channel_outputs, check_pair_data, fit_channel
from pairint.estimation.channels.rank import fit_channel_of_unknown_rank, largest_channel_rank
from pairint.estimation.channels.system import ChannelProblem
from pairint.estimation.diagnosis import Diagnosable
from pairint.estimation.doubts import FitWarning, cheap_doubts, search_doubts
from pairint.estimation.information import fitted_information
from pairint.estimation.initial import STARTS, starting_factors
from pairint.estimation.intervals import RegressorWithBands
from pairint.estimation.out_of_core import block_problem
from pairint.estimation.problem import LARGEST_NUMBER, LeastSquaresProblem, OuterState
from pairint.estimation.robust import LOSSES, RobustFit, pulled_in
from pairint.estimation.search import SOLVERS, Found, Search, choose_rank
from pairint.estimation.selection import SELECTION_WEIGHT, RankChoice, check_selection_weight
from pairint.model.attention import check_tokens
from pairint.model.tangent import Information
from pairint.validation import check_choice, check_floats, check_integer, check_real, check_rng, shortened

__all__ = ["InteractionRegressor"]

_N_RANDOM = 2
#: Restarts for each random start, if the starts disagree.
N_RESTARTS = 5
#: More starts than anybody waits for.
MOST_STARTS = 10_000
#: Largest output where a fit is done in single precision: sums of squares stay finite.
_LARGEST_SINGLE = 1e12
#: Fewest outputs for each parameter of the matrix in the search for the rank.
_RANK_OUTPUTS = 10


class InteractionRegressor(RegressorWithBands, Diagnosable):
    r"""The estimator of :math:`g(x, y) = \varphi(x^\top A y)` from outputs averaged over pairs.

    Book: :doc:`/book/estimator`.

    Minimises the empirical risk
    :math:`\frac{1}{MN}\sum_{m,i} |Y_{mi} - \frac{1}{N-1}\sum_{j \ne i}\varphi(X_{mi}^\top A X_{mj})|^2`
    over matrices of rank ``rank`` and splines of degree ``degree`` on ``n_intervals`` equal cells, by
    variable projection and L-BFGS (or Levenberg-Marquardt), from coarse splines to fine ones.

    Parameters
    ----------
    rank : int or "auto"
        Rank ``r`` of the matrix, ``1 <= r <= d``. ``"auto"`` tries 1, 2, ... until a criterion of generalised
        cross-validation stops falling, see :func:`~pairint.estimation.selection.rank_criterion`. In a channel
        it tries 1, 2, 4, ..., then those between, and compares their errors on a fifth of the samples, which
        it leaves out; of those that are not higher for sure the same criterion takes one; then it fits all of
        the samples.
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
        first, until two of them end at the same lowest risk of a coarse fit (with L-BFGS: at the same
        function), more of them if its residuals look like signal. If they do not, it restarts up to
        ``5 n_starts`` times, with L-BFGS twice as often.
    n_starts : int
        Number of random starts tried besides the others (``"auto"``) or in all (``"random"``). With 0 there
        is no restart either, and no warning if the starts disagree.
    max_iter : int
        Largest number of Gauss-Newton steps in each of the stages; of those of L-BFGS ten times as many.
    tol : float
        A stage stops when the next step is predicted to lower the residual sum of squares by less
        than ``tol`` noise variances; fitting pure noise lowers it by one for each parameter.
    selection_weight : float
        What a coefficient counts for in the choice of ``K``, from 1 to 3. One is cross-validation; more takes
        fewer cells, and far too many less often, see
        :func:`~pairint.estimation.choose_intervals`.
    loss : {"squared_error", "huber"}
        ``"huber"`` counts residuals beyond 1.345 of their scale with their size, not with its square, see
        :mod:`pairint.estimation.robust`: for outputs of which some are wrong.
    solver : {"lbfgs", "gauss-newton"}
        How a plain fit descends. ``"lbfgs"`` takes steps of the price of a gradient, computes its starts from
        fewer data and chooses ``K`` once. ``"gauss-newton"`` builds the normal equations of every step: fewer
        steps, and several times slower, the more so the larger ``d r`` is. Both minimise the same risk, and
        end at fits that differ by less than their errors. A fit in a channel has its own way.
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
        Factors: ``matrix_ = left_ right_'``. Not after a plain fit.
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
    - ``loss="huber"`` is not available, nor ``rank="auto"`` with several heads;
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
        selection_weight: float = SELECTION_WEIGHT,
        loss: str = "squared_error",
        solver: str = SOLVERS[0],
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
        self.selection_weight = selection_weight
        self.loss = loss
        self.solver = solver
        self.channel = channel
        self.activation = activation
        self.n_heads = n_heads
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        Y: Any = None,
        sample_weight: Any = None,
        *,
        values: Any = None,
        pairs: Any = None,
        mask: Any = None,
        memory: int = MEMORY,
    ) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array_like, shape (M, N, d), or blocks
            Tokens; NumPy or CuPy. What is larger than the memory is read in blocks, see *Notes*.
        Y : array_like, shape (M, N), or (M, N, v) if what is summed is a vector
            Outputs. None if ``X`` gives blocks of both.
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
        memory : int
            Bytes that data which are not arrays in memory may take there, at least ``2**20``. Data that fit
            are read once.

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
            For a mask that is not boolean, an activation without derivative, or blocks that can be read only
            once.

        Warns
        -----
        ConvergenceWarning
            If the last stage stopped at ``max_iter``, or if of several starts, some of them random, only one
            reached the lowest risk.
        FitWarning
            If the fit has doubts that can be seen without another step: few outputs a parameter, few tokens
            that decide, scores beyond the cells, a rank too large or too low, sums that hide functions of the
            score, starts that end apart, another function that fits as well, a function that is hardly known,
            an explanation that noise would give too. The message says what helps; :meth:`diagnose` examines
            them all. Beside the reasons for a ConvergenceWarning they are part of its message.
        UserWarning
            If ``n_intervals="auto"`` or ``rank="auto"`` chose the largest number that it may try.

        Notes
        -----
        **Data larger than memory.** A plain fit with squared errors looks at all data once a step, for sums
        over samples. So it reads in blocks

        - a memory map, and whatever else has a shape and gives NumPy arrays when it is sliced (arrays of
          Zarr, data sets of HDF5), with ``Y`` and weights of any kind;
        - blocks of both, ``fit(blocks)``: a list of pairs ``(tokens, outputs)`` or of triples with weights,
          anything else that can be iterated again and again, or a function that returns an iterator;
        - an array of Dask: its workers sum over their chunks.

        The same sums make the same fit, but for rounding, as long as the memory holds the few thousand first
        samples of which the starts are computed; so their order should not matter. How blocks are cut does
        not change a bit. The regressor keeps none of these data. Every other fit reads them into memory first
        (blocks it refuses).
        """
        plain = self._is_plain(values, pairs, mask)
        squares = check_choice("loss", self.loss, LOSSES) == LOSSES[0]
        refused = None if plain and squares else "in a channel or with another loss"
        X, Y, sample_weight, source = taken_in(X, Y, sample_weight, memory, refused)
        if not plain:
            return self._fit_channel(X, Y, sample_weight, values, pairs, mask)
        weight = None
        if source is None:
            X, Y, weight = self._check_weighted_data(X, Y, sample_weight)
        n_samples, n_tokens, d = X.shape if source is None else source.shape
        rank, largest_rank = check_rank(self.rank, self.max_rank, d)
        degree, n_intervals, penalty = check_spline_parameters(
            self.degree, self.n_intervals, self.penalty, least_degree=1
        )
        check_choice("start", self.start, STARTS)
        solver = check_choice("solver", self.solver, SOLVERS)
        n_starts = check_integer("n_starts", self.n_starts, 0, MOST_STARTS)
        max_iter = check_integer("max_iter", self.max_iter, 1)
        tol = check_real("tol", self.tol, 0.0, exclusive_minimum=True)
        weighting = check_selection_weight(self.selection_weight)
        rng = check_rng(self.random_state, "random_state")
        n_rows = n_samples * n_tokens if weight is None else int((weight > 0).sum())
        n_rows = n_rows if source is None else source.survey.n_rows
        check_enough_data(n_rows, matrix_parameters(d, rank or 1) + (n_intervals or 1) + degree, n_samples)

        if source is None:
            with fit_threads(2 * d):
                whitened, back = whiten(X, long=solver == "lbfgs")
            problem = LeastSquaresProblem(whitened, Y, degree, penalty, weight=weight)
        else:
            problem = block_problem(source, degree, penalty)
            back = problem.back
        n_restarts = N_RESTARTS * n_starts if self.start == "auto" and d > 1 else 0
        while largest_rank > 1 and _RANK_OUTPUTS * matrix_parameters(d, largest_rank) > n_rows:
            largest_rank -= 1

        def starts_of(search: Search, rank: int) -> list[tuple[Any, Any]]:
            sample = search.start_sample()
            outputs, lean = sample.weighted_outputs(), search.quasi_newton
            return starting_factors(sample.X, outputs, rank, self.start, n_starts, rng, lean=lean)

        def find(problem: LeastSquaresProblem) -> tuple[Found, RankChoice | None]:
            def search_of(rank: int) -> Search:
                n_matrix = matrix_parameters(d, rank)
                return Search(
                    replace(problem, n_matrix=n_matrix), n_intervals, max_iter, tol, solver, weighting
                )

            if rank is None:
                return choose_rank(search_of, starts_of, d, largest_rank, n_restarts, rng)
            with fit_threads(2 * d * rank):
                search = search_of(rank)
                return search.fit(starts_of(search, rank), n_restarts, rng), None

        robust = None
        if self.loss == "huber":
            found, rank_selection = find(replace(problem, Y=pulled_in(Y, weight)))
            if rank is not None:
                found = found.contended(n_restarts, rng)
            robust = found.reweighted(Y)
            if rank is None:  # outliers hide what a further rank is good for
                found, rank_selection = find(replace(problem, Y=robust.outputs))
                found = found.contended(n_restarts, rng)
                robust = found.reweighted(Y)
        else:
            found, rank_selection = find(problem)
            with fit_threads(2 * d * found.rank):
                found = found.contended(n_restarts, rng)
        valley = found.valley
        final = self._store(found, robust, back)
        self._keep(*((X, Y, weight) if source is None else (None,) * 3))
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
        risks = self.start_risks_ if valley.settled else ()
        self._left_open = search_doubts(found.valley.explained, found.rival, found.poor)
        agreed = not doubts and not self._left_open
        seen = found.search.problem
        if robust is not None:  # what the loss makes of wrong outputs, not these
            seen = replace(seen, Y=robust.outputs)
        with fit_threads(2 * d * self.rank_):
            doubts += cheap_doubts(seen, final, self.noise_std_, risks, agreed=agreed)
        doubts += self._left_open
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
        rank, largest_rank = check_rank(self.rank, self.max_rank, d)
        if rank is None and (self.n_heads != 1 or not isinstance(self.start, str)):
            what = "several heads" if isinstance(self.start, str) else "a start that is factors"
            raise ValueError(f'rank must be an integer with {what}, got "auto"')
        degree, n_intervals, penalty = check_spline_parameters(self.degree, self.n_intervals, self.penalty, 1)
        check_choice("solver", self.solver, SOLVERS)
        if check_choice("loss", self.loss, LOSSES) != "squared_error":
            raise ValueError(f'loss must be "squared_error" in this channel, got {self.loss!r}')
        start = self._checked_start(X, d, rank or 1)
        n_heads = check_integer("n_heads", self.n_heads, 1)
        n_starts = check_integer("n_starts", self.n_starts, 0, MOST_STARTS)
        max_iter = check_integer("max_iter", self.max_iter, 1)
        tol = check_real("tol", self.tol, 0.0, exclusive_minimum=True)
        weighting = check_selection_weight(self.selection_weight)
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
            if rank is None:
                n_values = Y.shape[2] if learn else 0
                largest_rank = largest_channel_rank(problem.n_rows, d, largest_rank, n_values)
                found, rank_selection = fit_channel_of_unknown_rank(
                    problem, family, largest_rank, n_intervals, weighting, start, n_starts, max_iter, tol, rng
                )
            else:
                rank_selection = None
                found = fit_channel(
                    problem,
                    family,
                    rank,
                    n_intervals,
                    weighting,
                    n_heads,
                    start,
                    n_starts,
                    max_iter,
                    tol,
                    rng,
                )
        first = found.heads[0]
        for name in ("_data", "_bands", "_left_open"):  # of an earlier fit
            self.__dict__.pop(name, None)
        self.n_features_in_ = d
        self.channel_, self.heads_ = channel, found.heads
        self._handed = "pairs" if pairs is not None else "values" if known is not None else None
        self.left_, self.right_, self.value_matrix_ = first.left, first.right, first.value_matrix
        self.matrix_, self.activation_ = first.matrix, first.activation
        self.rank_ = int(first.left.shape[1])
        self.rank_selection_, self.selection_ = rank_selection, None
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
        warn_at_limit(None, rank_selection)
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

    def _store(self, found: Found, robust: RobustFit | None, back: Any) -> OuterState:
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
