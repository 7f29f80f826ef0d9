"""What is observed: channels from activated scores to outputs, and fits with products of Jacobians."""

from pairint.estimation.channels.activation import LogSpline
from pairint.estimation.channels.channel import (
    LinearScoreChannel,
    Mean,
    Normalised,
    PairData,
    ScoreChannel,
    Sum,
)
from pairint.estimation.channels.fit import FittedHead
from pairint.estimation.channels.information import channel_information

__all__ = [
    "FittedHead",
    "LinearScoreChannel",
    "LogSpline",
    "Mean",
    "Normalised",
    "PairData",
    "ScoreChannel",
    "Sum",
    "channel_information",
]
