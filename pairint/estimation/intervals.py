r"""How sure a fit is: intervals for the interaction and for outputs.

The unknowns are the spline's coefficients ``c`` and the ``p = r(2d - r) - 1`` directions ``t`` in which a
matrix of rank ``r`` can move while its scale is held: the scale belongs to the activation. With
:math:`A = U S V^\top` in whitened coordinates the directions are

.. math:: \Delta = U B V^\top + U_\perp C V^\top + U D V_\perp^\top, \qquad \langle B, S \rangle = 0,

an orthonormal basis of the tangent space without the ray through ``A``. An output is, to first order, linear
in both, with the rows :math:`F` (the basis, averaged over partners) and :math:`J` (the slopes times
:math:`x^\top \Delta y`, averaged). The covariance is :math:`\sigma^2 H^{-1}` with
:math:`H = [F\ J]^\top W [F\ J]` plus the penalty of the fit, which leaves cells without scores as uncertain
as the penalty believes them to be (Wahba, "Bayesian 'confidence intervals' for the cross-validated smoothing
spline", 1983).

**Undersmoothing.** Cross-validation balances squared bias and variance: at its ``K`` the two are of one
size, and an interval that knows of the variance only is centred off the truth by as much as it is long. On
twice the cells the squared bias is :math:`4^{\beta}` times smaller and the variance doubles. So the spline
is fitted again, at the matrix found, on ``refinement`` times as many cells, and the interval is centred
there.

Book: :doc:`/book/bands`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special
from sklearn.exceptions import NotFittedError

from pairint.backend import array_namespace, to_device, to_host
from pairint.estimation.base import PairwiseRegressor, fit_threads, whiten
from pairint.estimation.inner import (
    NormalEquations,
    aggregated_design,
    design_width,
    scaled_rows,
    solve_inner,
)
from pairint.estimation.problem import LeastSquaresProblem
from pairint.model.attention import check_tokens, pair_average, sample_chunks
from pairint.model.splines import Spline, SplineSpace
from pairint.validation import check_flag, check_floats, check_instance, check_integer, check_real

__all__ = ["InteractionBands", "RegressorWithBands", "TangentFrame", "interaction_bands"]

#: Most parameters of the joint information: its eigenvectors take a minute.
MOST_PARAMETERS = 6000
#: Most times as many cells as the fit has.
_FINEST = 16
#: Directions of the scaled information below this share of the largest eigenvalue: the data say nothing.
_SMALLEST = 1e-12
#: How much of a gradient may lie in such directions before the standard error is infinite.
_UNSEEN = 1e-6
#: Data whose mean squared residual differs from the fit's by more are not those of the fit.
_SAME_RISK, _SAME_DATA = 1e-6, 1e-9
#: Pairs for which the gradient is held at a time, times their length.
_ENTRIES = 4_000_000
#: Whitening drops directions whose standard deviation is below 1e-5 of the largest.
_WHITE = 1e-7
#: So that a token with a larger part outside of what is left is not of the kind of the data.
_OUTSIDE = 1e-4


@dataclass(frozen=True, eq=False)
class InteractionBands:
    """Pointwise confidence and prediction intervals of one fit; made by ``fit.bands(X, Y)``.

    Book: :doc:`/book/bands`.

    Attributes
    ----------
    activation : Spline
        The spline on the finer cells that the intervals are centred on.
    matrix : array, shape (d, d)
        Of the fit.
    noise_std : float
        Estimate of the noise's standard deviation, from the residuals of the finer spline, corrected for all
        parameters; with weights that of an output of weight one.
    freedom : float
        Outputs less effective parameters.
    frame : TangentFrame
        The directions of the matrix.
    root : array, shape (q, .)
        Times its transpose the covariance of the ``q`` parameters: coefficients, then directions.
    unseen : array, shape (q, .)
        Directions of the parameters about which the data say nothing.
    """

    activation: Spline
    matrix: Any
    noise_std: float
    freedom: float
    frame: TangentFrame = field(repr=False)
    root: NDArray[np.float64] = field(repr=False)
    unseen: NDArray[np.float64] = field(repr=False)

    def interaction(self, x: Any, y: Any) -> Any:
        """Return the centres of the intervals for ``g(x, y)``, shapes ``(..., d)`` that broadcast."""
        return self._at_pairs(x, y)[0]

    def standard_error(self, x: Any, y: Any) -> Any:
        """Return the standard errors of :meth:`interaction`; infinite where the data say nothing."""
        return self._at_pairs(x, y)[1]

    def interval(self, x: Any, y: Any, level: float = 0.95) -> tuple[Any, Any]:
        """Return the ends of a pointwise confidence interval for ``g(x, y)``.

        Parameters
        ----------
        x, y : array_like, shapes (..., d)
            Tokens that broadcast; NumPy or CuPy.
        level : float
            In (0, 1): how often the interval shall hold the truth, for one pair fixed in advance.

        Returns
        -------
        (low, high) : arrays, of the broadcast leading shape

        Raises
        ------
        ValueError
            For another last axis, entries that are not finite, or a level outside (0, 1).
        """
        factor = self._quantile(level)
        centre, error = self._at_pairs(x, y)
        return centre - factor * error, centre + factor * error

    def prediction_interval(self, X: Any, level: float = 0.95) -> tuple[Any, Any]:
        """Return the ends of an interval for new outputs of the tokens ``X``: the noise is in it.

        For noise that is independent, Gaussian and of one variance (with weights: of an output of weight
        one).

        Parameters
        ----------
        X : array_like, shape (M', N', d)
            Tokens; their number need not be that of the fit.
        level : float
            In (0, 1).

        Returns
        -------
        (low, high) : arrays, shape (M', N')
        """
        factor = self._quantile(level)
        X = check_floats("X", check_tokens(X, self.frame.d))
        xp = array_namespace(X)
        centre = pair_average(self.activation, X, self.matrix)
        error = xp.empty(X.shape[:2])
        width = self.root.shape[0]
        for chunk in sample_chunks(X.shape[0], X.shape[1] * (2 * width + 4 * X.shape[1])):
            F, J = self.frame.rows(X[chunk], self.activation.space)
            F = xp.asarray(F.toarray()) if hasattr(F, "toarray") else F
            size = self._errors(xp.concatenate([F, J], axis=1)).reshape(error[chunk].shape)
            lost = self.frame.outside(X[chunk])
            # A token in directions that no data have is in its own output, and in those of all others.
            error[chunk] = xp.where(lost.any(axis=1)[:, None], xp.inf, size)
        spread = xp.sqrt(error**2 + self.noise_std**2)
        return centre - factor * spread, centre + factor * spread

    def _quantile(self, level: float) -> float:
        level = check_real("level", level, 0.0, 1.0, exclusive_minimum=True, exclusive_maximum=True)
        return float(special.stdtrit(self.freedom, (1 + level) / 2))

    def _at_pairs(self, x: Any, y: Any) -> tuple[Any, Any]:
        xp = array_namespace(x, y)
        x, y = check_floats("x", x), check_floats("y", y)
        for name, value in (("x", x), ("y", y)):
            if value.ndim < 1 or value.shape[-1] != self.frame.d:
                raise ValueError(f"{name} must have shape (..., {self.frame.d}), got {tuple(value.shape)}")
        try:
            shape = np.broadcast_shapes(tuple(x.shape), tuple(y.shape))
        except ValueError as problem:
            shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
            raise ValueError(f"x and y must have shapes that broadcast, got {shapes}") from problem
        x, y = (part.reshape(-1, shape[-1]) for part in xp.broadcast_arrays(x, y))
        centre, error = xp.empty(x.shape[0]), xp.empty(x.shape[0])
        step = max(1, _ENTRIES // self.root.shape[0])
        for start in range(0, x.shape[0], step):
            part = slice(start, start + step)
            scores = ((x[part] @ to_device(self.matrix, x)) * y[part]).sum(axis=-1)
            centre[part] = self.activation(scores)
            J = self.frame.directions(x[part], y[part], scores)
            size = self._errors(xp.concatenate([self.activation.space.design(scores), J], axis=1))
            error[part] = xp.where(self.frame.outside(x[part]) | self.frame.outside(y[part]), xp.inf, size)
        return centre.reshape(shape[:-1]), error.reshape(shape[:-1])

    def _errors(self, gradient: Any) -> Any:
        """Return standard errors for gradients, shape ``(n, q)``."""
        xp = array_namespace(gradient)
        size = xp.sqrt(((gradient @ to_device(self.root, gradient)) ** 2).sum(axis=1))
        if self.unseen.shape[1]:
            lost = xp.sqrt(((gradient @ to_device(self.unseen, gradient)) ** 2).sum(axis=1))
            size = xp.where(lost > _UNSEEN, xp.inf, size)
        return size


@dataclass(frozen=True, eq=False)
class TangentFrame:
    """Where a fitted matrix can move, in whitened coordinates."""

    #: The fitted activation, whose slopes the derivatives take.

    slope: Spline
    #: Whitens tokens from the right, shape (d, d).
    back: NDArray[np.float64]
    #: Singular vectors in columns and values of the whitened matrix.
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    singular: NDArray[np.float64]
    #: Orthonormal directions of the core ``B`` but the scale, shape (r^2, r^2 - 1).
    core: NDArray[np.float64]
    rank: int

    @property
    def d(self) -> int:
        """Dimension of the tokens."""
        return int(self.back.shape[0])

    @property
    def n_directions(self) -> int:
        """Number ``p`` of directions."""
        return self.rank * (2 * self.d - self.rank) - 1

    def outside(self, x: Any) -> Any:
        """Say which tokens have a part in directions that the tokens of the data do not have."""
        span = self.back @ np.linalg.pinv(self.back, rcond=_WHITE, hermitian=True)
        rest = x - x @ to_device(span, x)
        return (rest**2).sum(axis=-1) > _OUTSIDE**2 * (x**2).sum(axis=-1)

    def _products(self, x: Any, z: Any) -> Any:
        """Return ``x' Delta z`` for all directions, whitened tokens of shape ``(n, d)``."""
        xp = array_namespace(x)
        n, r = x.shape[0], self.rank
        left, right = x @ to_device(self.left, x), z @ to_device(self.right, x)
        outer = left[:, :, None] * right[:, None, :]
        core = outer[:, :r, :r].reshape(n, r * r) @ to_device(self.core, x)
        sides = outer[:, r:, :r].reshape(n, -1), outer[:, :r, r:].reshape(n, -1)
        return xp.concatenate([core, *sides], axis=1)

    def directions(self, x: Any, y: Any, scores: Any) -> Any:
        """Return the derivatives of ``g(x, y)``, shape ``(n, p)``."""
        back = to_device(self.back, x)
        return self._products(x @ back, (y @ back) * self.slope.derivative(scores)[:, None])

    def rows(self, X: Any, space: SplineSpace) -> tuple[Any, Any]:
        """Return the rows of the outputs: the averaged basis and the averaged derivatives."""
        xp = array_namespace(X)
        n_tokens, d = X.shape[1:]
        tokens = X @ to_device(self.back, X)
        r = self.rank
        left = (tokens @ to_device(self.left[:, :r], X)) * to_device(self.singular[:r], X)
        scores = left @ xp.swapaxes(tokens @ to_device(self.right[:, :r], X), -1, -2)
        slopes = self.slope.derivative(scores) / (n_tokens - 1)
        diagonal = xp.arange(n_tokens)
        slopes[:, diagonal, diagonal] = 0.0
        pulled = (slopes @ tokens).reshape(-1, d)
        return aggregated_design(scores, space), self._products(tokens.reshape(-1, d), pulled)


def interaction_bands(
    fit: Any, X: Any, Y: Any, weight: Any = None, *, refinement: int = 2, matrix_known: bool = False
) -> InteractionBands:
    """Return the intervals of a fit.

    Book: :doc:`/book/bands`.

    Parameters
    ----------
    fit : InteractionRegressor
        Fitted by least squares.
    X : array_like, shape (M, N, d)
    Y : array_like, shape (M, N)
        The data that it was fitted to.
    weight : array_like, shape (M, N), optional
        Weights of the outputs of mean one where they are not zero.
    refinement : int
        From 1 to 16: times as many cells as the fit has, or would have by plain cross-validation (if it chose
        them with a ``selection_weight`` above one). 1 does not undersmooth.
    matrix_known : bool
        Leave out what the matrix adds to the uncertainty.

    Raises
    ------
    ValueError
        For a regressor that was not fitted, a fit with another loss, other data than those of the fit, too
        few outputs for the parameters, or more than 6000 of them.
    """
    refinement = check_integer("refinement", refinement, 1, _FINEST)
    matrix_known = check_flag("matrix_known", matrix_known)
    check_instance("fit", fit, RegressorWithBands)
    if not hasattr(fit, "activation_"):
        raise NotFittedError(f"fit must be fitted: call fit(X, Y) of the {type(fit).__name__} first")
    loss = fit.loss
    if loss != "squared_error":
        raise ValueError(f'bands need a fit with loss "squared_error", got loss = {loss!r}')
    old = fit.activation_.space
    penalty = getattr(fit, "_penalty", fit.penalty)  # of the fit: the parameter may have been set since
    problem = LeastSquaresProblem(X, Y, old.degree, penalty, weight=weight)
    check_tokens(problem.X, fit.n_features_in_)
    _check_same_data(fit, problem)
    cells = old.n_intervals
    if fit.selection_ is not None and fit.selection_.plain is not None:
        # A weight above one is for the error; for an interval the bias that it leaves is too large.
        cells = max(cells, round(cells * fit.selection_.plain / fit.selection_.n_intervals))
    space = SplineSpace(old.lower, old.upper, refinement * cells, old.degree)
    rank = int(fit.rank_)
    n_matrix = 0 if matrix_known else rank * (2 * problem.d - rank) - 1
    size = space.dimension + n_matrix
    if size > MOST_PARAMETERS:
        raise ValueError(
            f"bands need at most {MOST_PARAMETERS} parameters, got {size} "
            f"({space.dimension} of the spline, {n_matrix} of the matrix): lower n_intervals or rank"
        )
    if problem.n_rows <= size:
        raise ValueError(
            f"bands need more outputs than the {size} parameters of a spline with {space.n_intervals} cells "
            f"and of the matrix, got {problem.n_rows}: more samples or a lower refinement are needed"
        )
    with fit_threads(size):
        frame = _frame(fit, problem)
        gram, moment = _equations(problem, frame, space, n_matrix)
        return _solved(fit, problem, frame, space, gram, moment)


def _check_same_data(fit: Any, problem: LeastSquaresProblem) -> None:
    """Raise unless the mean squared residual of the fit on the data is the one that it reports."""
    residual = problem.Y - pair_average(fit.activation_, problem.X, fit.matrix_)
    risk = float(problem.weighted(residual**2).sum()) / problem.n_rows
    size = float(problem.weighted(problem.Y**2).sum()) / problem.n_rows
    if not abs(risk - fit.risk_) <= _SAME_RISK * fit.risk_ + _SAME_DATA * size:
        raise ValueError(
            "X, Y and sample_weight must be the data that the fit was made from: their mean squared "
            f"residual is {risk:.6g}, that of the fit {fit.risk_:.6g}"
        )


def _frame(fit: Any, problem: LeastSquaresProblem) -> TangentFrame:
    """Return the tangent space at the fitted matrix, in coordinates in which the tokens are white."""
    _, back = whiten(problem.X)
    back = to_host(back)
    root = np.linalg.pinv(back, rcond=_WHITE, hermitian=True)
    rank = int(fit.rank_)
    left, singular, right = np.linalg.svd(root @ to_host(fit.matrix_) @ root)
    core = linalg.null_space(np.diag(singular[:rank]).reshape(1, -1))
    return TangentFrame(fit.activation_, back, left, right.T, singular, core, rank)


def _equations(
    problem: LeastSquaresProblem, frame: TangentFrame, space: SplineSpace, n_matrix: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Gram matrix of all parameters, and the products of the spline's columns with the outputs."""
    X = problem.X
    k = space.dimension
    size = k + n_matrix
    gram, moment = np.zeros((size, size)), np.zeros(k)
    for chunk in sample_chunks(X.shape[0], X.shape[1] * (2 * size + 4 * X.shape[1] + design_width(X, space))):
        F, J = frame.rows(X[chunk], space)
        y = problem.Y[chunk].reshape(-1)
        if problem.weight is not None:
            root = array_namespace(y).sqrt(problem.weight[chunk].reshape(-1))
            F, J, y = scaled_rows(F, root), J * root[:, None], root * y
        square = F.T @ F
        gram[:k, :k] += square.toarray() if hasattr(square, "toarray") else to_host(square)
        moment += to_host(F.T @ y)
        if n_matrix:
            gram[:k, k:] += to_host(F.T @ J)
            gram[k:, k:] += to_host(J.T @ J)
    gram[k:, :k] = gram[:k, k:].T
    return gram, moment


def _solved(
    fit: Any,
    problem: LeastSquaresProblem,
    frame: TangentFrame,
    space: SplineSpace,
    gram: NDArray[np.float64],
    moment: NDArray[np.float64],
) -> InteractionBands:
    """Refit the spline, estimate the noise, and factor the covariance."""
    k, size = space.dimension, len(gram)
    total = float(problem.weighted(problem.Y**2).sum())
    inner = solve_inner(NormalEquations(gram[:k, :k], moment, total), space, problem.penalty)
    information = gram.copy()
    information[:k, :k] += problem.penalty * space.difference_penalty()
    # Columns of one size: the cut below then does not depend on units.
    scale = np.sqrt(np.maximum(np.diag(information), 0.0))
    scale[scale == 0.0] = 1.0
    values, vectors = linalg.eigh(information / np.outer(scale, scale), check_finite=False)
    seen = values > _SMALLEST * values[-1]
    root = vectors[:, seen] / (scale[:, None] * np.sqrt(values[seen]))
    dof = float(((root.T @ gram) * root.T).sum())
    freedom = problem.n_rows - dof - (0 if size > k else frame.n_directions)
    noise_std = math.sqrt(inner.residual / freedom) if freedom > 0 else math.nan
    padding = np.zeros((k + frame.n_directions - size, root.shape[1]))
    unseen = vectors[:, ~seen] / scale[:, None]
    unseen = np.concatenate([unseen, np.zeros((len(padding), unseen.shape[1]))])
    return InteractionBands(
        activation=space.spline(inner.coefficients),
        matrix=fit.matrix_,
        noise_std=noise_std,
        freedom=freedom,
        frame=frame,
        root=noise_std * np.concatenate([root, padding]),
        unseen=unseen,
    )


class RegressorWithBands(PairwiseRegressor):
    """A regressor whose fit says how sure it is."""

    rank_: int
    loss: str
    degree: int
    penalty: float
    _data: tuple[Any, Any, Any] | None
    _bands: InteractionBands | None

    def bands(self, X: Any, Y: Any, sample_weight: Any = None, *, refinement: int = 2) -> InteractionBands:
        """Return the intervals of the fit, given the data that it was made from.

        Book: :doc:`/book/bands`.

        Parameters
        ----------
        X, Y, sample_weight : array_like
            Those given to ``fit``.
        refinement : int
            From 1 to 16: the intervals are centred on a spline with so many times as many cells, at the same
            matrix. 1 leaves the bias in, and intervals hold the truth too rarely.

        Returns
        -------
        InteractionBands
            With ``interval(x, y, level)`` and ``prediction_interval(X, level)``.

        Raises
        ------
        ValueError
            For a fit with ``loss="huber"``, for other data than those of the fit, or if there are fewer
            outputs than parameters.
        """
        self._check_plain("bands")
        return interaction_bands(self, *self._check_weighted_data(X, Y, sample_weight), refinement=refinement)

    def interval(self, x: Any, y: Any, level: float = 0.95) -> tuple[Any, Any]:
        """Return the ends of a pointwise confidence interval for ``g(x, y)``.

        Book: :doc:`/book/bands`.

        The first call after a fit computes :meth:`bands` from the data of the fit, to which the regressor
        keeps a reference. A regressor that was pickled or copied has none: call ``bands`` with the data.

        Parameters
        ----------
        x, y : array_like, shapes (..., d)
            Tokens that broadcast.
        level : float
            In (0, 1).

        Returns
        -------
        (low, high) : arrays, of the broadcast leading shape
        """
        return self._own_bands().interval(x, y, level)

    def prediction_interval(self, X: Any, level: float = 0.95) -> tuple[Any, Any]:
        """Return the ends of an interval for new outputs of the tokens ``X``, shape ``(M', N)`` each.

        Book: :doc:`/book/bands`.

        Parameters
        ----------
        X : array_like, shape (M', N', d)
        level : float
            In (0, 1).
        """
        return self._own_bands().prediction_interval(X, level)

    def _keep(self, X: Any, Y: Any, weight: Any) -> None:
        """Remember the data of the fit for :meth:`interval`, references, no copies; and its penalty."""
        self._data, self._bands = None if X is None else (X, Y, weight), None
        self._penalty = float(self.penalty)

    def _own_bands(self) -> InteractionBands:
        self._check_plain("bands")
        data = getattr(self, "_data", None)
        if data is None:
            raise ValueError(
                "this regressor was pickled or copied, or read its data in blocks, and has not got them: "
                "call bands(X, Y), then interval(x, y) of the result"
            )
        if self._bands is None:
            self._bands = interaction_bands(self, *data)
        return self._bands

    def __getstate__(self) -> Any:
        state = dict(super().__getstate__())
        for name in ("_data", "_bands"):
            state.pop(name, None)
        return state
