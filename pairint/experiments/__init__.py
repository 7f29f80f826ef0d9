"""The experiments: a module for each figure of the papers, and the tables of their full runs."""

from pairint.experiments.registry import UnknownExperiment, get, names, register, run
from pairint.experiments.tables import load_provenance, load_results

__all__ = ["UnknownExperiment", "get", "load_provenance", "load_results", "names", "register", "run"]
