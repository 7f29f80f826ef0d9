"""How the interaction is learned: splines, empirical risk minimisation, choice of ``K``, yardsticks."""

from pairint.estimation.error import InteractionError, interaction_error
from pairint.estimation.network import NetworkRegressor
from pairint.estimation.regressor import InteractionRegressor, OracleRegressor
from pairint.estimation.selection import IntervalChoice, choose_intervals

__all__ = [
    "InteractionError",
    "InteractionRegressor",
    "IntervalChoice",
    "NetworkRegressor",
    "OracleRegressor",
    "choose_intervals",
    "interaction_error",
]
