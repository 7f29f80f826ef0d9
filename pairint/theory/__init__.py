"""The minimax theory as functions: the setting, coercivity, upper bound, lower bound, rates."""

from pairint.theory.coercivity import coercivity_constant
from pairint.theory.lower import LowerBound, lower_bound
from pairint.theory.lower_matrix import MatrixLowerBound, matrix_lower_bound
from pairint.theory.rates import ErrorTerms, minimax_exponent, optimal_intervals, samples_for_rank
from pairint.theory.setting import Setting
from pairint.theory.upper import UpperBound, upper_bound
from pairint.theory.upper_known import OracleUpperBound, oracle_upper_bound

__all__ = [
    "ErrorTerms",
    "LowerBound",
    "MatrixLowerBound",
    "OracleUpperBound",
    "Setting",
    "UpperBound",
    "coercivity_constant",
    "lower_bound",
    "matrix_lower_bound",
    "minimax_exponent",
    "optimal_intervals",
    "oracle_upper_bound",
    "samples_for_rank",
    "upper_bound",
]
