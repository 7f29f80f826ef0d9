"""The inner loops: uniform B-splines and their sums over token pairs, on NumPy, Numba and CuPy."""

from pairint.kernels.bspline import bspline_pieces, evaluate_pieces, piecewise_coefficients, refinement_matrix
from pairint.kernels.moments import pair_mean, pair_moments
from pairint.kernels.pair_sum import pair_basis_sum
from pairint.kernels.projected import factor_pulls, spline_products
from pairint.kernels.system import system_products

__all__ = [
    "bspline_pieces",
    "evaluate_pieces",
    "factor_pulls",
    "pair_basis_sum",
    "pair_mean",
    "pair_moments",
    "piecewise_coefficients",
    "refinement_matrix",
    "spline_products",
    "system_products",
]
