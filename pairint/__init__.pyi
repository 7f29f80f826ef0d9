# The names of the front door: read by type checkers, and by lazy_loader when the package is imported.

from .aim import (
    AIMTeacher,
    amp,
    exact_recovery_threshold,
    gradient_descent,
    state_evolution,
    weak_recovery_threshold,
)
from .estimation import InteractionRegressor, NetworkRegressor, OracleRegressor, interaction_error
from .experiments import load_results, run
from .explorers import (
    AIMExplorer,
    CoercivityExplorer,
    CurseExplorer,
    Eavesdropper,
    FitExplorer,
    LowerBoundExplorer,
    RateExplorer,
)
from .model import (
    AttentionModel,
    GaussianNoise,
    RoughActivation,
    Sphere,
    Tanh,
    TruncatedGaussian,
    UniformCube,
    interaction_matrix,
    query_key_matrix,
    spline_activation,
)
from .steps import progress
from .theory import Setting, coercivity_constant, lower_bound, oracle_upper_bound, upper_bound

__all__ = [
    "AIMExplorer",
    "AIMTeacher",
    "AttentionModel",
    "CoercivityExplorer",
    "CurseExplorer",
    "Eavesdropper",
    "FitExplorer",
    "GaussianNoise",
    "InteractionRegressor",
    "LowerBoundExplorer",
    "NetworkRegressor",
    "OracleRegressor",
    "RateExplorer",
    "RoughActivation",
    "Setting",
    "Sphere",
    "Tanh",
    "TruncatedGaussian",
    "UniformCube",
    "amp",
    "coercivity_constant",
    "exact_recovery_threshold",
    "gradient_descent",
    "interaction_error",
    "interaction_matrix",
    "load_results",
    "lower_bound",
    "oracle_upper_bound",
    "progress",
    "query_key_matrix",
    "run",
    "spline_activation",
    "state_evolution",
    "upper_bound",
    "weak_recovery_threshold",
]
