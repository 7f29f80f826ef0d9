"""The inner loops: uniform B-splines and their sums over token pairs, on NumPy and CuPy."""

from pairint.kernels.pair_sum import pair_basis_sum

__all__ = ["pair_basis_sum"]
