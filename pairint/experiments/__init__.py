"""The experiments: one module per figure, found by name, imported only when asked for.

To add one, write a module of this package that defines an
:class:`~pairint.experiments.base.Experiment` and add one line to :data:`MODULES`. Such a module
imports NumPy and :mod:`pairint.experiments.base` at its top and everything heavier (estimators,
Matplotlib, PyTorch) inside the functions that use it, so that ``pairint list`` stays fast.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pairint.experiments.base import Experiment

__all__ = ["MODULES", "UnknownExperiment", "get", "names", "register", "unregister"]

#: Name of each experiment -> "module:attribute" that holds it, in the order of the book.
MODULES: dict[str, str] = {
    "dimension": "pairint.experiments.dimension",
    "smoothness": "pairint.experiments.smoothness",
    "rough": "pairint.experiments.rough",
    "network": "pairint.experiments.network",
    "aim_hardmax": "pairint.experiments.aim_hardmax",
    "aim_softmax": "pairint.experiments.aim_softmax",
    "aim_tokens": "pairint.experiments.aim_tokens",
    "aim_linear": "pairint.experiments.aim_linear",
    "aim_general": "pairint.experiments.aim_general",
    "aim_small_width": "pairint.experiments.aim_small_width",
}

_registered: dict[str, Experiment] = {}


class UnknownExperiment(ValueError):
    """No experiment has this name."""


def names() -> list[str]:
    """Return the names of all experiments, in the order of the book."""
    return [*MODULES, *(name for name in _registered if name not in MODULES)]


def get(name: str) -> Experiment:
    """Return an experiment by name, importing its module.

    Raises
    ------
    UnknownExperiment
        If there is none of this name; the message proposes the nearest one.
    """
    if name in _registered:
        return _registered[name]
    if name not in MODULES:
        close = difflib.get_close_matches(str(name), names(), n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        known = ", ".join(names()) or "none"
        raise UnknownExperiment(f"unknown experiment {name!r}{hint}; known experiments: {known}")
    module, _, attribute = MODULES[name].partition(":")
    experiment = getattr(importlib.import_module(module), attribute or "EXPERIMENT")
    if experiment.name != name:
        raise RuntimeError(f"{MODULES[name]} is registered as {name!r} but calls itself {experiment.name!r}")
    return experiment


def register(experiment: Experiment) -> Experiment:
    """Add an experiment for the life of this process (a reader's own, or a test's)."""
    if experiment.name in MODULES:
        raise ValueError(f"an experiment named {experiment.name!r} exists already")
    _registered[experiment.name] = experiment
    return experiment


def unregister(name: str) -> None:
    """Forget an experiment added by :func:`register`."""
    _registered.pop(name, None)
