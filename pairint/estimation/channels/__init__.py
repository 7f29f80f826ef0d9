"""What is observed: channels from activated scores to outputs, and fits with products of Jacobians."""

from pairint.estimation.channels.activation import LogSpline
from pairint.estimation.channels.channel import Channel, LinearChannel, Mean, Normalised, PairData, Sum
from pairint.estimation.channels.fit import Head

__all__ = ["Channel", "Head", "LinearChannel", "LogSpline", "Mean", "Normalised", "PairData", "Sum"]
