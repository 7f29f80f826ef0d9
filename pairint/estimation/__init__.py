"""How the interaction is learned: splines, empirical risk minimisation, choice of ``K``, yardsticks."""

from pairint.estimation.adam import AdamFit, adam_fit, adam_search, risk_and_gradient
from pairint.estimation.diagnosis import Diagnosis, Finding
from pairint.estimation.doubts import FitWarning
from pairint.estimation.error import InteractionError, interaction_error
from pairint.estimation.interaction import InteractionRegressor
from pairint.estimation.intervals import InteractionBands, interaction_bands
from pairint.estimation.motion import KernelTerm, MotionSums, block_weights, motion_sums
from pairint.estimation.network import NetworkRegressor
from pairint.estimation.oracle import OracleRegressor
from pairint.estimation.polynomial import PolynomialFit, RowSums, fit_polynomial, score_truncation
from pairint.estimation.problem import LeastSquaresProblem
from pairint.estimation.selection import IntervalChoice, RankChoice, choose_intervals

__all__ = [
    "AdamFit",
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
    "PolynomialFit",
    "RankChoice",
    "RowSums",
    "adam_fit",
    "adam_search",
    "block_weights",
    "choose_intervals",
    "fit_polynomial",
    "interaction_bands",
    "interaction_error",
    "motion_sums",
    "risk_and_gradient",
    "score_truncation",
]
