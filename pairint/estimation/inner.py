r"""The inner problem: with the matrix fixed, the activation is found by linear least squares.

Each output is a linear functional of the spline coefficients, :math:`Y_{mi} \approx F_{(m,i)} c` with
:math:`F` the basis averaged over partners. A small penalty on second differences of ``c`` decides
cells that hardly any score visits; without it one score at the edge of the support can make a
coefficient, and with it the error, as large as it likes (the "tamed" least squares serves the same end).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from pairint.backend import array_namespace, is_cupy, to_host
from pairint.kernels.dispatch import compiled_loops
from pairint.kernels.pair_sum import pair_basis_entries
from pairint.kernels.projected import sums_of_products
from pairint.model.attention import sample_chunks
from pairint.model.splines import SplineSpace

__all__ = [
    "RIDGE",
    "InnerSolution",
    "NormalEquations",
    "aggregated_design",
    "block_equations",
    "design_width",
    "factor_average",
    "factor_scores",
    "mostly_zero",
    "normal_equations",
    "scaled_rows",
    "solve_inner",
]

#: Columns up to which a product of dense rows is cheaper than one of sparse rows, however few are not zero.
_DENSE = 128
#: Ridge of the inner problem, relative to the mean square of a column: it decides what nothing else does.
RIDGE = 1e-12


@dataclass(frozen=True)
class NormalEquations:
    """``F'F``, ``F'Y`` and ``Y'Y``, on the host."""

    gram: NDArray[np.float64]
    moment: NDArray[np.float64]
    total: float

    def __add__(self, other: NormalEquations) -> NormalEquations:
        return NormalEquations(self.gram + other.gram, self.moment + other.moment, self.total + other.total)

    def restricted(self, embedding: sparse.csr_matrix) -> NormalEquations:
        """Return the equations on a subspace, ``embedding`` of shape (dimension, subdimension)."""
        gram = embedding.T @ (embedding.T @ self.gram).T  # the Gram matrix is symmetric
        return NormalEquations(gram, embedding.T @ self.moment, self.total)


@dataclass(frozen=True)
class InnerSolution:
    """Penalised least-squares coefficients, and what they achieve."""

    coefficients: NDArray[np.float64]
    #: Residual sum of squares, without the penalty.
    residual: float
    #: Residual sum of squares plus penalty: what the outer iteration decreases.
    objective: float
    #: Effective number of coefficients, the trace of the hat matrix.
    dof: float
    #: Cholesky factor of ``F'F + penalty``, as scipy.linalg.cho_factor returns it.
    factor: tuple[NDArray[np.float64], bool]


def factor_scores(X: Any, left: Any, right: Any) -> Any:
    """Return the scores ``X_i' (left right') X_j``, shape ``(M, N, N)``."""
    return (X @ left) @ array_namespace(X).swapaxes(X @ right, -1, -2)


def factor_average(activation: Any, X: Any, left: Any, right: Any) -> Any:
    """Return a spline averaged over the partners of each token, ``(M, N)``, for the matrix ``left right'``.

    As :func:`pairint.model.pair_average`, by products with the factors.
    """
    xp = array_namespace(X)
    n_samples, n_tokens, d = X.shape
    rank = left.shape[1]
    both = xp.concatenate([left, right], axis=1)
    average = xp.empty((n_samples, n_tokens))
    for chunk in sample_chunks(n_samples, n_tokens * (2 * rank + 2 * n_tokens)):
        projected = (X[chunk].reshape(-1, d) @ both).reshape(-1, n_tokens, 2 * rank)
        scores = projected[:, :, :rank] @ xp.swapaxes(projected[:, :, rank:], -1, -2)
        average[chunk] = activation.partner_mean(scores)
    return average


def normal_equations(
    X: Any, Y: Any, left: Any, right: Any, space: SplineSpace, weight: Any = None
) -> NormalEquations:
    """Accumulate the normal equations over chunks of samples.

    Parameters
    ----------
    X : array, shape (M, N, d)
    Y : array, shape (M, N)
    left, right : array, shape (d, r)
        Factors of the matrix ``A = left right'``.
    space : SplineSpace
    weight : array, shape (M, N), optional
        Weights ``>= 0`` of the outputs in all sums; by default one each.
    """
    n_tokens = X.shape[1]
    gram: Any = 0.0
    moment: Any = 0.0
    for chunk in sample_chunks(X.shape[0], n_tokens * design_width(X, space)):
        F = aggregated_design(factor_scores(X[chunk], left, right), space)
        y = Y[chunk].reshape(-1)
        if weight is not None:
            root = array_namespace(y).sqrt(weight[chunk].reshape(-1))
            F, y = scaled_rows(F, root), root * y
        product: Any = F.T @ F
        gram = gram + (product.toarray() if sparse.issparse(F) else to_host(product))
        moment = moment + to_host(F.T @ y)
    total = float((Y * Y).sum() if weight is None else (weight * Y * Y).sum())
    return NormalEquations(gram, moment, total)


def block_equations(
    X: Any, Y: Any, left: Any, right: Any, space: SplineSpace, weight: Any = None
) -> NormalEquations:
    """Return the same equations, to rounding, by products of rows that stay in the cache.

    With more cells than a sparse product is dearer for, and nothing compiled, it is :func:`normal_equations`
    that computes.
    """
    n_samples, n_tokens, d = X.shape
    few_entries = mostly_zero(X, space) and space.dimension > _DENSE
    if few_entries and compiled_loops(n_samples * n_tokens * space.dimension) is None:
        return normal_equations(X, Y, left, right, space, weight)
    xp = array_namespace(X)
    both = xp.concatenate([left, right], axis=1)
    total: Any = 0.0
    for chunk in sample_chunks(n_samples, n_tokens * (both.shape[1] + n_tokens)):
        projected = (X[chunk].reshape(-1, d) @ both).reshape(-1, n_tokens, both.shape[1])
        part = None if weight is None else weight[chunk]
        total = total + sums_of_products(
            projected, Y[chunk], space.lower, space.upper, space.n_intervals, space.degree, part
        )
    total = to_host(total)
    return NormalEquations(total[:-1, :-1], total[:-1, -1], float(total[-1, -1]))


def solve_inner(equations: NormalEquations, space: SplineSpace, penalty: float) -> InnerSolution:
    r"""Minimise :math:`\|Y - Fc\|^2 + \lambda \|D^2 c\|^2` (and a ridge at rounding level).

    Parameters
    ----------
    equations : NormalEquations
    space : SplineSpace
        Gives the difference penalty.
    penalty : float
        ``lambda >= 0``, in units of observations: a cell visited by many more scores than
        ``lambda`` is not affected.

    Raises
    ------
    ValueError
        If beside the penalty the data are lost to rounding.
    """
    gram = equations.gram
    scale = float(np.trace(gram)) / len(gram)
    ridge = RIDGE * scale if scale > 0 else 1.0
    penalised = gram + penalty * space.difference_penalty()
    system = penalised + ridge * np.eye(len(gram))
    try:
        factor = linalg.cho_factor(system, lower=True, check_finite=False)
    except linalg.LinAlgError:
        raise ValueError(
            f"penalty must be so small that the data count beside it in double precision, got {penalty:g}"
        ) from None
    coefficients = linalg.cho_solve(factor, equations.moment, check_finite=False)
    # One step of iterative refinement: the spline Gram matrix can be badly conditioned.
    coefficients += linalg.cho_solve(factor, equations.moment - system @ coefficients, check_finite=False)
    objective = equations.total - float(
        2 * coefficients @ equations.moment - coefficients @ penalised @ coefficients
    )
    residual = equations.total - float(
        2 * coefficients @ equations.moment - coefficients @ gram @ coefficients
    )
    dof = float(np.trace(linalg.cho_solve(factor, gram, check_finite=False)))
    return InnerSolution(coefficients, max(residual, 0.0), max(objective, 0.0), dof, factor)


def aggregated_design(scores: Any, space: SplineSpace) -> Any:
    """Return the basis averaged over partners, ``(M N, K + s)``; scipy CSR when mostly zero."""
    if not mostly_zero(scores, space):
        return space.aggregate(scores)
    column, weight = pair_basis_entries(scores, space.lower, space.upper, space.n_intervals, space.degree)
    n_rows, per_row = column.shape[0], column.shape[1] * column.shape[2]
    pointers = np.arange(n_rows + 1) * per_row
    return sparse.csr_matrix((weight.ravel(), column.ravel(), pointers), shape=(n_rows, space.dimension))


def scaled_rows(F: Any, factor: Any) -> Any:
    """Return a design whose rows are multiplied by the numbers of ``factor``."""
    return sparse.diags(factor, format="csr") @ F if sparse.issparse(F) else F * factor[:, None]


def design_width(X: Any, space: SplineSpace) -> int:
    """Return how many numbers a row of the design and its temporaries occupy."""
    per_row = (X.shape[1] - 1) * (space.degree + 1)
    return 4 * per_row if mostly_zero(X, space) else space.dimension + 3 * per_row


def mostly_zero(X: Any, space: SplineSpace) -> bool:
    """Say whether so few entries of the design's rows are not zero that it is kept as a sparse matrix."""
    # A row has at most (N - 1)(s + 1) entries.
    return not is_cupy(X) and 6 * (X.shape[1] - 1) * (space.degree + 1) < space.dimension
