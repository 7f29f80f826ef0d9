"""How the interaction is learned: splines, empirical risk minimisation, choice of ``K``, yardsticks."""

from pairint.estimation.diagnosis import Diagnosis, Finding
from pairint.estimation.doubts import FitWarning
from pairint.estimation.error import InteractionError, interaction_error
from pairint.estimation.interaction import InteractionRegressor
from pairint.estimation.intervals import InteractionBands, interaction_bands
from pairint.estimation.motion import KernelTerm, MotionSums, block_weights, motion_sums
from pairint.estimation.network import NetworkRegressor
from pairint.estimation.oracle import OracleRegressor
from pairint.estimation.problem import LeastSquaresProblem
from pairint.estimation.selection import IntervalChoice, RankChoice, choose_intervals

__all__ = [
    "Diagnosis",
    "Finding",
    "FitWarning",
    "InteractionBands",
    "InteractionError",
    "InteractionRegressor",
    "IntervalChoice",
    "KernelTerm",
    "LeastSquaresProblem",
    "MotionSums",
    "NetworkRegressor",
    "OracleRegressor",
    "RankChoice",
    "block_weights",
    "choose_intervals",
    "interaction_bands",
    "interaction_error",
    "motion_sums",
]
