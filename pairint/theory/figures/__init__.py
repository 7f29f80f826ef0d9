"""Pictures of the chapters on theory: each function computes what it shows and returns a figure."""

from pairint.theory.figures.coercivity import (
    correlation_figure,
    eigenfunction_figure,
    exploration_figure,
    extendable_figure,
    identifiability_figure,
    invisible_figure,
    law_table,
    laws_figure,
    observation_figure,
    spectrum_figure,
)
from pairint.theory.figures.lower import (
    code_figure,
    guessing_figure,
    hypotheses_figure,
    lower_tokens_figure,
    reduction_figure,
    roads_figure,
)
from pairint.theory.figures.upper import (
    approximation_figure,
    condition_figure,
    covering_figure,
    oracle_tokens_figure,
    upper_budget_figure,
    upper_terms_figure,
)
from pairint.theory.figures.versus import (
    bounds_figure,
    log_gap_figure,
    measured_errors,
    tokens_figure,
    zero_error,
)

__all__ = [
    "approximation_figure",
    "bounds_figure",
    "code_figure",
    "condition_figure",
    "correlation_figure",
    "covering_figure",
    "eigenfunction_figure",
    "exploration_figure",
    "extendable_figure",
    "guessing_figure",
    "hypotheses_figure",
    "identifiability_figure",
    "invisible_figure",
    "law_table",
    "laws_figure",
    "log_gap_figure",
    "lower_tokens_figure",
    "measured_errors",
    "observation_figure",
    "oracle_tokens_figure",
    "reduction_figure",
    "roads_figure",
    "spectrum_figure",
    "tokens_figure",
    "upper_budget_figure",
    "upper_terms_figure",
    "zero_error",
]
