"""The minimax theory as functions: coercivity, upper bound, lower bound, rates."""

from pairint.theory.coercivity import coercivity_constant
from pairint.theory.lower import LowerBound, lower_bound
from pairint.theory.rates import error_terms, minimax_exponent, optimal_intervals, samples_for_error
from pairint.theory.upper import OracleUpperBound, UpperBound, oracle_upper_bound, upper_bound

__all__ = [
    "LowerBound",
    "OracleUpperBound",
    "UpperBound",
    "coercivity_constant",
    "error_terms",
    "lower_bound",
    "minimax_exponent",
    "optimal_intervals",
    "oracle_upper_bound",
    "samples_for_error",
    "upper_bound",
]
