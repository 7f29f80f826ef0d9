"""What the regressors share: a fitted interaction, whitening, the normal form, the checks."""

from __future__ import annotations

import math
import numbers
import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score

from pairint.backend import WIDE, array_namespace, one_blas_thread, to_device, to_host
from pairint.estimation.problem import LARGEST_NUMBER, LeastSquaresProblem, OuterState, check_weight
from pairint.estimation.selection import IntervalChoice, RankChoice
from pairint.model.attention import check_tokens, pair_average, pair_interaction, pair_scores, sample_chunks
from pairint.result import meanings, show_html, show_text, to_frame
from pairint.validation import check_choice, check_floats, check_integer, check_real

if TYPE_CHECKING:
    import pandas

__all__ = [
    "PairwiseRegressor",
    "check_enough_data",
    "check_rank",
    "check_spline_parameters",
    "fit_threads",
    "matrix_parameters",
    "normal_form",
    "output_weight",
    "second_moment",
    "warn_at_limit",
    "whiten",
    "whitening",
]

#: An activation that knows ``scaled`` and ``mirrored``: a spline or a network.
_Scalable = TypeVar("_Scalable", bound=Any)


class PairwiseRegressor(RegressorMixin, BaseEstimator):
    """What a fitted interaction ``g(x, y) = activation_(x' matrix_ y)`` can do."""

    matrix_: Any
    activation_: Any
    n_intervals_: int
    selection_: IntervalChoice | None
    risk_: float
    noise_std_: float
    dof_: float
    n_features_in_: int

    #: What a table of a fit shows, as far as the fit has it, and the units of what has one.
    _shown = ("rank_", "n_intervals_", "dof_", "risk_", "noise_std_", "outliers_", "n_iter_", "converged_")
    _units = (("output²", "risk_"), ("output", "noise_std_"))

    def _fitted(self) -> tuple[str, dict[str, Any], dict[str, str], dict[str, str]]:
        """Return title, quantities, units and meanings of a fit."""
        values = {name: getattr(self, name) for name in self._shown if hasattr(self, name)}
        units = {name: unit for unit, names in self._units for name in names.split()}
        return f"A fitted {type(self).__name__}", values, units, meanings(type(self))

    def to_frame(self) -> pandas.DataFrame:
        """Return what the fit found, apart from matrix and activation, as a frame of one row.

        ``frame.attrs["units"]`` holds the units, by column: ``output`` is that of Y.
        """
        self._check_fitted()
        _, values, units, _ = self._fitted()
        return to_frame(values, units)

    def __str__(self) -> str:
        return show_text(*self._fitted()) if hasattr(self, "activation_") else repr(self)

    def _repr_html_inner(self) -> str:
        found = show_html(*self._fitted()) if hasattr(self, "activation_") else ""
        return super()._repr_html_inner() + found

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs)
        if hasattr(self, "activation_"):
            bundle["text/plain"] = str(self)
            if "text/html" in bundle:
                bundle["text/html"] += show_html(*self._fitted())
        return bundle

    def scores(self, X: Any) -> Any:
        """Return the scores ``X_i' matrix_ X_j`` of all pairs, shape ``(M, N, N)``."""
        self._check_fitted()
        X = check_tokens(X, self.n_features_in_)
        return pair_scores(X, to_device(self.matrix_, X))

    def predict(self, X: Any) -> Any:
        """Return the fitted outputs ``1/(N-1) sum_{j != i} g(X_i, X_j)``, shape ``(M, N)``.

        The number of tokens may differ from the one in :meth:`fit`.
        """
        self._check_fitted()
        return pair_average(self.activation_, X, self.matrix_)

    def score(self, X: Any, Y: Any, sample_weight: Any = None) -> float:
        """Return the coefficient of determination R^2 of the outputs, all tokens pooled.

        Weights, if there are any, are those of the samples, shape ``(M,)``, or of the outputs, ``(M, N)``.
        """
        X = check_tokens(X, getattr(self, "n_features_in_", None))
        X = check_floats("X", X, largest=LARGEST_NUMBER)
        Y = check_floats("Y", Y, tuple(X.shape[:2]), largest=LARGEST_NUMBER)
        weight = output_weight(sample_weight, Y)
        weight = None if weight is None else to_host(weight).ravel()
        return float(r2_score(to_host(Y).ravel(), to_host(self.predict(X)).ravel(), sample_weight=weight))

    def interaction(self, x: Any, y: Any) -> Any:
        """Return the fitted ``g(x, y)`` for tokens of shapes ``(..., d)`` that broadcast."""
        self._check_fitted()
        return pair_interaction(self.activation_, x, y, self.matrix_)

    def _check_plain(self, what: str) -> None:
        """Refuse a fit of another channel than the mean over the other tokens."""
        self._check_fitted()
        if hasattr(self, "channel_"):
            raise TypeError(f"channel must be the plain mean for {what}, got {self.channel_!r}")

    def _check_fitted(self) -> None:
        if not hasattr(self, "activation_"):
            raise NotFittedError(f"this {type(self).__name__} is not fitted yet: call fit(X, Y) first")

    def _check_data(self, X: Any, Y: Any) -> tuple[Any, Any]:
        X = check_floats("X", check_tokens(X), largest=LARGEST_NUMBER)
        Y = check_floats("Y", Y, tuple(X.shape[:2]), largest=LARGEST_NUMBER)
        xp = array_namespace(X, Y)
        return xp.asarray(X, dtype=xp.float64), xp.asarray(Y, dtype=xp.float64)

    def _check_weighted_data(self, X: Any, Y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
        """Return the data and the weights of the outputs; samples that have none are left out."""
        X, Y = self._check_data(X, Y)
        weight = output_weight(sample_weight, Y)
        if weight is None:
            return X, Y, None
        kept = weight.sum(axis=1) > 0
        if not bool(kept.all()):
            X, Y, weight = X[kept], Y[kept], weight[kept]
        return X, Y, weight

    def __sklearn_tags__(self) -> Any:  # scikit-learn >= 1.6
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.three_d_array = False, True
        tags.target_tags.multi_output, tags.target_tags.single_output = True, False
        return tags

    def _more_tags(self) -> dict[str, Any]:  # scikit-learn < 1.6
        return {"X_types": ["3darray"], "multioutput": True, "multioutput_only": True}

    def _store_fit(
        self,
        matrix: Any,
        activation: Any,
        problem: LeastSquaresProblem,
        state: OuterState,
        selection: IntervalChoice | None,
        residual: float | None = None,
        scale: float | None = None,
    ) -> None:
        """Store what every fit reports.

        Called when nothing can fail any more: a refit that fails leaves the last fit as it was. The scale of
        the residuals is their standard deviation, unless a robust fit has another.
        """
        self.n_features_in_ = problem.d
        self.matrix_, self.activation_ = matrix, activation
        residual = state.inner.residual if residual is None else residual
        self.n_intervals_ = state.space.n_intervals
        self.selection_ = selection
        self.dof_ = state.inner.dof
        self.risk_ = residual / problem.n_rows
        freedom = problem.n_rows - state.inner.dof - problem.n_matrix
        square = residual if scale is None else problem.n_rows * scale**2
        self.noise_std_ = math.sqrt(square / freedom) if freedom > 0 else math.nan


def output_weight(sample_weight: Any, Y: Any) -> Any:
    """Return the weights of the outputs, of mean one where they are not zero, or ``None``."""
    if sample_weight is None:
        return None
    xp = array_namespace(Y)
    shape = tuple(Y.shape)
    weight = check_floats("sample_weight", sample_weight)
    weight = to_device(check_weight("sample_weight", weight, shape[: max(weight.ndim, 1)]), Y)
    if weight.ndim == 1:
        weight = xp.broadcast_to(weight[:, None], shape)
    weight = xp.asarray(weight, dtype=xp.float64) / weight.max()
    return weight * (float((weight > 0).sum()) / float(weight.sum()))


def check_spline_parameters(
    degree: Any, n_intervals: Any, penalty: Any, least_degree: int = 0
) -> tuple[int, int | None, float]:
    """Return the checked degree, number of cells (``None`` for ``"auto"``) and penalty."""
    degree = check_integer("degree", degree, least_degree, 12)
    if isinstance(n_intervals, str):
        check_choice("n_intervals", n_intervals, ("auto",))
        cells = None
    elif isinstance(n_intervals, numbers.Integral):
        cells = check_integer("n_intervals", n_intervals, 1)
    else:
        raise TypeError(f'n_intervals must be an integer >= 1 or "auto", got {n_intervals!r}')
    return degree, cells, check_real("penalty", penalty, 0.0)


def check_rank(rank: Any, max_rank: Any, d: int) -> tuple[int | None, int]:
    """Return the checked rank (``None`` for ``"auto"``) and the largest rank that may be chosen."""
    largest = d if max_rank is None else check_integer("max_rank", max_rank, 1, d)
    if isinstance(rank, str):
        check_choice("rank", rank, ("auto",))
        return None, largest
    if not isinstance(rank, numbers.Integral):
        raise TypeError(f'rank must be an integer from 1 to d = {d} or "auto", got {rank!r}')
    return check_integer("rank", rank, 1, d), largest


def fit_threads(width: int) -> AbstractContextManager[None]:
    """Return a context for a fit whose widest matrices have so many columns: one thread unless they are wide.

    Their length is the number of outputs and does not count: the products are summed over chunks of it.
    """
    return one_blas_thread() if width < WIDE else nullcontext()


def check_enough_data(n_rows: int, n_parameters: int, n_samples: int) -> None:
    """Raise ``ValueError`` unless there are more outputs than parameters."""
    if n_rows <= n_parameters:
        raise ValueError(
            f"M = {n_samples} samples give {n_rows} outputs for {n_parameters} parameters: "
            "more samples, a lower rank, or fewer cells (n_intervals) are needed"
        )


def matrix_parameters(d: int, rank: int) -> int:
    """Return the dimension of the rank-``r`` matrices up to scale."""
    return rank * (2 * d - rank) - 1


def whiten(X: Any, *, long: bool = False) -> tuple[Any, Any]:
    """Return tokens with second moment the identity, and ``B`` with ``A = B A_white B'``.

    Directions in which the tokens (almost) do not vary are dropped: no data see them. ``long`` multiplies all
    tokens of a chunk at once and not sample by sample: faster, and the same to rounding.
    """
    xp = array_namespace(X)
    d = X.shape[2]
    back = whitening(second_moment(X) / (X.shape[0] * X.shape[1]))
    whitened = xp.empty(X.shape) if long else xp.empty_like(X)  # in order: a reshape must be a view
    for chunk in sample_chunks(X.shape[0], X.shape[1] * d):
        if long:
            xp.matmul(X[chunk].reshape(-1, d), back, out=whitened[chunk].reshape(-1, d))
        else:
            whitened[chunk] = X[chunk] @ back
    return whitened, back


def second_moment(X: Any) -> Any:
    """Return the sum of ``x x'`` over all tokens."""
    d = X.shape[2]
    moment: Any = 0.0
    for chunk in sample_chunks(X.shape[0], X.shape[1] * d):
        rows = X[chunk].reshape(-1, d)
        moment = moment + rows.T @ rows
    return moment


def whitening(moment: Any) -> Any:
    """Return ``B``, symmetric, such that ``B x`` has the identity for its second moment if ``x`` has this."""
    xp = array_namespace(moment)
    values, vectors = xp.linalg.eigh(moment)
    kept = values > 1e-10 * values[-1]
    inverse_root = xp.where(kept, 1.0 / xp.sqrt(xp.where(kept, values, 1.0)), 0.0)
    return (vectors * inverse_root) @ vectors.T


def normal_form(matrix: Any, activation: _Scalable) -> tuple[Any, _Scalable]:
    """Move scale and sign from the matrix into the activation: only ``g`` is identified.

    The matrix returned has Frobenius norm 1, and its entry of largest absolute value is positive.
    """
    host = to_host(matrix)
    norm = float(np.linalg.norm(host))
    if norm == 0.0:
        return matrix, activation
    activation = activation.scaled(1.0 / norm)
    largest = host.ravel()[np.argmax(np.abs(host))]
    if largest < 0:
        return -matrix / norm, activation.mirrored()
    return matrix / norm, activation


def warn_at_limit(selection: IntervalChoice | None, rank_selection: RankChoice | None = None) -> None:
    """Warn in the name of the caller's caller if a search for ``K``, or for the rank, ended at its bound."""
    if selection is not None and selection.at_limit:
        warnings.warn(
            f"the choice n_intervals = {selection.n_intervals} is the largest number of cells tried for this "
            "many outputs, and more may fit better: compare with a larger n_intervals, or give more data",
            UserWarning,
            stacklevel=3,
        )
    if rank_selection is not None and rank_selection.at_limit:
        warnings.warn(
            f"the choice rank = {rank_selection.rank} is the largest rank tried, and more may fit better: "
            "raise max_rank, or give more data (ten outputs a parameter of the matrix are asked for)",
            UserWarning,
            stacklevel=3,
        )
