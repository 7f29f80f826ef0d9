"""The minimax theory as functions: the setting, coercivity, upper bound, lower bound, rates."""

from pairint.theory.coercivity import coercivity_constant
from pairint.theory.lower import LowerBound, lower_bound
from pairint.theory.lower_matrix import MatrixLowerBound, matrix_lower_bound
from pairint.theory.pinsker import (
    PinskerFilter,
    SobolevBounds,
    pinsker_constant,
    pinsker_filter,
    sobolev_bounds,
)
from pairint.theory.rates import ErrorTerms, minimax_exponent, optimal_intervals, samples_for_rank
from pairint.theory.setting import Setting
from pairint.theory.upper import OracleUpperBound, UpperBound, oracle_upper_bound, upper_bound

__all__ = [
    "ErrorTerms",
    "LowerBound",
    "MatrixLowerBound",
    "OracleUpperBound",
    "PinskerFilter",
    "Setting",
    "SobolevBounds",
    "UpperBound",
    "coercivity_constant",
    "lower_bound",
    "matrix_lower_bound",
    "minimax_exponent",
    "optimal_intervals",
    "oracle_upper_bound",
    "pinsker_constant",
    "pinsker_filter",
    "samples_for_rank",
    "sobolev_bounds",
    "upper_bound",
]
