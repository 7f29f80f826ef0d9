"""The inner loops: uniform B-splines and their sums over token pairs, on NumPy and CuPy."""

from pairint.kernels.bspline import (
    bspline_pieces,
    evaluate_pieces,
    local_coordinates,
    local_powers,
    piecewise_coefficients,
    refinement_matrix,
)
from pairint.kernels.pair_sum import pair_basis_sum

__all__ = [
    "bspline_pieces",
    "evaluate_pieces",
    "local_coordinates",
    "local_powers",
    "pair_basis_sum",
    "piecewise_coefficients",
    "refinement_matrix",
]
