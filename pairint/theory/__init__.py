"""The minimax theory as functions: the setting, coercivity, upper bound, lower bound, rates."""

from pairint.theory.adaptation import (
    AdaptiveUpperBound,
    OracleInequality,
    adaptive_upper_bound,
    oracle_inequality,
)
from pairint.theory.clustering import (
    SnapshotInformation,
    gap_bound,
    information_bound,
    linearised_information,
    snapshot_information,
)
from pairint.theory.coercivity import coercivity_constant
from pairint.theory.diagram import (
    DiagramLines,
    diagram_lines,
    elbow_numbers,
    elbow_samples,
    equations_per_sample,
    symmetric_dimension,
)
from pairint.theory.effective import effective_activation
from pairint.theory.heads import HeadAmbiguities, head_ambiguities, power_relations
from pairint.theory.information import (
    Information,
    SampledPrice,
    channel_prices,
    cosine_query_share,
    direction_price,
    exact_information,
    exponential_query_share,
    function_shares,
    hidden_directions,
    learned_slope_factor,
    query_share,
    sampled_prices,
)
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
from pairint.theory.polynomial import (
    attention_error_bound,
    smallest_value,
    taylor_coefficients,
    weight_oscillation,
)
from pairint.theory.rates import ErrorTerms, minimax_exponent, optimal_intervals, samples_for_rank
from pairint.theory.setting import Setting
from pairint.theory.splitting import SplitUpperBound, split_upper_bound
from pairint.theory.upper import UpperBound, upper_bound
from pairint.theory.upper_known import OracleUpperBound, oracle_upper_bound

__all__ = [
    "AdaptiveUpperBound",
    "DiagramLines",
    "ErrorTerms",
    "HeadAmbiguities",
    "Information",
    "LowerBound",
    "MatrixLowerBound",
    "OracleInequality",
    "OracleUpperBound",
    "PinskerFilter",
    "Plan",
    "SampledPrice",
    "Setting",
    "SnapshotInformation",
    "SobolevBounds",
    "SplitUpperBound",
    "UpperBound",
    "WaveLowerBound",
    "adaptive_upper_bound",
    "attention_error_bound",
    "channel_prices",
    "coercivity_constant",
    "cosine_query_share",
    "diagram_lines",
    "direction_price",
    "effective_activation",
    "elbow_numbers",
    "elbow_samples",
    "equations_per_sample",
    "exact_information",
    "exponential_query_share",
    "function_shares",
    "gap_bound",
    "head_ambiguities",
    "hidden_directions",
    "information_bound",
    "learned_slope_factor",
    "linearised_information",
    "lower_bound",
    "matrix_lower_bound",
    "minimax_exponent",
    "optimal_intervals",
    "oracle_inequality",
    "oracle_upper_bound",
    "pinsker_constant",
    "pinsker_filter",
    "plan",
    "power_relations",
    "query_share",
    "sampled_prices",
    "samples_for_rank",
    "smallest_value",
    "snapshot_information",
    "sobolev_bounds",
    "split_upper_bound",
    "symmetric_dimension",
    "taylor_coefficients",
    "upper_bound",
    "wave_lower_bound",
    "weight_oscillation",
]
