# What an experiment is made of; imported when first used, so that the command line stays light.

from .cells import grid
from .claims import Claim
from .experiment import Experiment
from .seeds import generator_for
from .statistics import fit_slope, mean_interval, slope_table, summarize

__all__ = [
    "Claim",
    "Experiment",
    "fit_slope",
    "generator_for",
    "grid",
    "mean_interval",
    "slope_table",
    "summarize",
]
