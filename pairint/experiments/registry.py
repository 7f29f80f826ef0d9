"""Experiments by name: each is a module that is imported only when asked for.

To add one, write a module of :mod:`pairint.experiments` that defines an
:class:`~pairint.engine.experiment.Experiment` and add one line to :data:`MODULES`. Such a module
imports NumPy and :mod:`pairint.engine.experiment` at its top and everything heavier (estimators,
Matplotlib, PyTorch) inside the functions that use it, so that ``pairint list`` stays fast.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING, Any

from pairint.validation import check_instance, shortened

if TYPE_CHECKING:
    from pandas import DataFrame

    from pairint.engine.experiment import Experiment

__all__ = ["MODULES", "UnknownExperiment", "get", "names", "register", "run", "unregister"]

#: Name of each experiment -> the module that holds it as ``EXPERIMENT``, in the order of the book.
MODULES: dict[str, str] = {
    "dimension": "pairint.experiments.minimax.dimension",
    "smoothness": "pairint.experiments.minimax.smoothness",
    "rough": "pairint.experiments.minimax.rough",
    "curse": "pairint.experiments.minimax.curse",
    "adaptation": "pairint.experiments.minimax.adaptation",
    "network": "pairint.experiments.minimax.network",
    "exact_constant": "pairint.experiments.minimax.exact_constant",
    "context_price": "pairint.experiments.minimax.context_price",
    "matrix_price": "pairint.experiments.minimax.matrix_price",
    "fish": "pairint.experiments.beyond.fish",
    "clustering": "pairint.experiments.beyond.clustering",
    "coverage": "pairint.experiments.beyond.coverage",
    "cells_tail": "pairint.experiments.beyond.cells_tail",
    "planning": "pairint.experiments.beyond.planning",
    "effective_activation": "pairint.experiments.beyond.effective",
    "adam": "pairint.experiments.beyond.adam",
    "counting": "pairint.experiments.beyond.counting",
    "polynomial_attention": "pairint.experiments.beyond.polynomial_heads",
    "several_heads": "pairint.experiments.beyond.several_heads",
    "normaliser": "pairint.experiments.beyond.normaliser",
    "aim_hardmax": "pairint.experiments.aim.hardmax",
    "one_line": "pairint.experiments.aim.one_line",
    "aim_softmax": "pairint.experiments.aim.softmax",
    "aim_tokens": "pairint.experiments.aim.tokens",
    "aim_every_alpha": "pairint.experiments.aim.every_alpha",
    "aim_descent": "pairint.experiments.aim.descent",
    "aim_descent_published_size": "pairint.experiments.aim.descent_published_size",
    "aim_descent_sizes": "pairint.experiments.aim.descent_sizes",
    "aim_posterior": "pairint.experiments.aim.posterior",
    "aim_linear": "pairint.experiments.aim.linear",
    "aim_general": "pairint.experiments.aim.general",
    "aim_small_width": "pairint.experiments.aim.small_width",
    "aim_weight_decay": "pairint.experiments.aim.weight_decay",
    "heads_coercivity": "pairint.experiments.beyond.heads_coercivity",
    "head_recovery": "pairint.experiments.beyond.head_recovery",
    "whole_layer": "pairint.experiments.beyond.whole_layer",
}

_registered: dict[str, Experiment] = {}


class UnknownExperiment(ValueError):
    """No experiment has this name.

    Book: :doc:`/book/how_results`.
    """

    exit_code = 2


def names() -> list[str]:
    """Return the names of all experiments, in the order of the book.

    Book: :doc:`/book/how_results`.
    """
    return [*MODULES, *(name for name in _registered if name not in MODULES)]


def get(name: str) -> Experiment:
    """Return an experiment by name, importing its module.

    Book: :doc:`/book/how_results`.

    Parameters
    ----------
    name : str
        One of :func:`names`.

    Raises
    ------
    TypeError
        If the name is no text.
    UnknownExperiment
        If there is none of this name; the message proposes the nearest one.
    """
    check_instance("name", name, str)
    if name in _registered:
        return _registered[name]
    if name not in MODULES:
        close = difflib.get_close_matches(str(name), names(), n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        known = ", ".join(names()) or "none"
        raise UnknownExperiment(
            f"unknown experiment {shortened(name)}{hint}; name must be one of the known experiments: {known}"
        )
    experiment = importlib.import_module(MODULES[name]).EXPERIMENT
    if experiment.name != name:
        raise RuntimeError(f"{MODULES[name]} is registered as {name!r} but calls itself {experiment.name!r}")
    return experiment


def run(experiment: Experiment | str, preset: str = "quick", **options: Any) -> DataFrame:
    """Run an experiment, by name or your own, and return its table: one row per cell and estimator.

    Book: :doc:`/book/how_results`.

    Parameters
    ----------
    experiment : str or Experiment
    preset : str
        ``"quick"``, ``"full"``, or another of the experiment.
    **options
        As in :func:`pairint.engine.sweep.run`: ``jobs``, ``scheduler``, ``out``, ``overrides``,
        ``progress``, ``timeout``.

    Raises
    ------
    UnknownExperiment
        If no experiment has this name.
    pairint.engine.sweep.CellsFailed
        If cells raised, once all others are finished.
    """
    from pairint.engine import sweep
    from pairint.engine.experiment import Experiment

    if isinstance(experiment, str):
        experiment = get(experiment)
    return sweep.run(check_instance("experiment", experiment, Experiment), preset, **options)


def register(experiment: Experiment) -> Experiment:
    """Add an experiment for the life of this process (a reader's own, or a test's).

    Book: :doc:`/book/how_results`.
    """
    if experiment.name in MODULES:
        raise ValueError(f"an experiment named {experiment.name!r} exists already")
    _registered[experiment.name] = experiment
    return experiment


def unregister(name: str) -> None:
    """Forget an experiment added by :func:`register`."""
    _registered.pop(name, None)
