"""The minimax theory as functions: the setting, coercivity, upper bound, lower bound, rates."""

from pairint.theory.adaptation import (
    AdaptiveUpperBound,
    OracleInequality,
    adaptive_upper_bound,
    oracle_inequality,
)
from pairint.theory.coercivity import coercivity_constant
from pairint.theory.effective import effective_activation
from pairint.theory.lower import LowerBound, lower_bound
from pairint.theory.lower_matrix import (
    MatrixLowerBound,
    WaveLowerBound,
    matrix_lower_bound,
    wave_lower_bound,
)
from pairint.theory.pinsker import (
    PinskerFilter,
    SobolevBounds,
    pinsker_constant,
    pinsker_filter,
    sobolev_bounds,
)
from pairint.theory.planning import Plan, plan
from pairint.theory.rates import ErrorTerms, minimax_exponent, optimal_intervals, samples_for_rank
from pairint.theory.setting import Setting
from pairint.theory.splitting import SplitUpperBound, split_upper_bound
from pairint.theory.upper import UpperBound, upper_bound
from pairint.theory.upper_known import OracleUpperBound, oracle_upper_bound

__all__ = [
    "AdaptiveUpperBound",
    "ErrorTerms",
    "LowerBound",
    "MatrixLowerBound",
    "OracleInequality",
    "OracleUpperBound",
    "PinskerFilter",
    "Plan",
    "Setting",
    "SobolevBounds",
    "SplitUpperBound",
    "UpperBound",
    "WaveLowerBound",
    "adaptive_upper_bound",
    "coercivity_constant",
    "effective_activation",
    "lower_bound",
    "matrix_lower_bound",
    "minimax_exponent",
    "optimal_intervals",
    "oracle_inequality",
    "oracle_upper_bound",
    "pinsker_constant",
    "pinsker_filter",
    "plan",
    "samples_for_rank",
    "sobolev_bounds",
    "split_upper_bound",
    "upper_bound",
    "wave_lower_bound",
]
