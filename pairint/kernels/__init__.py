"""The inner loops: uniform B-splines and their sums over token pairs, on NumPy and CuPy."""

from pairint.kernels.bspline import bspline_pieces, evaluate_pieces, piecewise_coefficients, refinement_matrix
from pairint.kernels.pair_sum import pair_basis_sum

__all__ = [
    "bspline_pieces",
    "evaluate_pieces",
    "pair_basis_sum",
    "piecewise_coefficients",
    "refinement_matrix",
]
