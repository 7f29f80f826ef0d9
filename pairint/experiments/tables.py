"""The tables of full runs: part of the package, so that a figure needs no run and no repository."""

from __future__ import annotations

import os
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairint.engine import tables
from pairint.engine.store import ResultsError
from pairint.validation import check_instance, shortened

if TYPE_CHECKING:
    from pandas import DataFrame

    from pairint.engine.experiment import Experiment

__all__ = [
    "description",
    "expected_seconds",
    "load_provenance",
    "load_results",
    "results_folder",
    "store_folder",
    "stored_names",
]


def results_folder(folder: Path | str | None = None) -> Traversable:
    """Return where tables are stored.

    ``folder`` if one is named, else ``PAIRINT_RESULTS`` of the environment, else the package's own.
    """
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder must be a path or None, got {shortened(folder)}")
    named = folder or os.environ.get("PAIRINT_RESULTS")
    return Path(named) if named else files("pairint.experiments") / "stored"


def store_folder(folder: Path | str | None = None, *, whole: bool = True) -> Path:
    """Return where a table may be stored: a folder, or where tables are read from by default.

    Parameters
    ----------
    folder : path, optional
        As :func:`results_folder` has it by default, which is the package's own only in a checkout.
    whole : bool
        Whether the table is one of a full run with the preset's own settings.

    Raises
    ------
    ResultsError
        If the package is an installed copy, and no folder is named.
    ValueError
        If the folder is where the book reads its tables, and this is not one of a full run.
    """
    book = Path(str(results_folder()))
    if folder and Path(folder).resolve() != book.resolve():
        return Path(folder)
    if not (os.environ.get("PAIRINT_RESULTS") or (book.parents[2] / "pyproject.toml").is_file()):
        raise ResultsError(
            "this pairint is an installed copy, whose tables stay as they are: name a folder for yours"
        )
    if not whole:
        raise ValueError(
            f"{book} is where the book reads its full runs: --store takes --preset full without --set there; "
            "for another run name another folder, as in --store DIR"
        )
    return book


def stored_names(folder: Path | str | None = None) -> list[str]:
    """Return the names of the experiments with a stored table."""
    return tables.stored_names(results_folder(folder))


def load_results(name: str, folder: Path | str | None = None) -> DataFrame:
    """Return the table of an experiment's full run: one row per cell and estimator.

    Book: :doc:`/book/how_results`.

    Parameters
    ----------
    name : str
        An experiment of ``pairint list``.
    folder : path, optional
        Where tables are stored; the package's own by default.

    Raises
    ------
    pairint.engine.store.ResultsError
        If there is none, or it was changed after it was written.
    """
    return tables.load_table(check_instance("name", name, str), results_folder(folder))


def load_provenance(name: str, folder: Path | str | None = None) -> dict[str, Any]:
    """Return when, where and with what a stored table was computed.

    Book: :doc:`/book/how_results`.

    Parameters
    ----------
    name, folder
        As for :func:`load_results`.
    """
    return tables.load_provenance(check_instance("name", name, str), results_folder(folder))


def expected_seconds(experiment: Experiment, preset: str, folder: Path | str | None = None) -> float:
    """Return how long a preset takes on one core; see :func:`pairint.engine.tables.expected_seconds`."""
    return tables.expected_seconds(experiment, preset, results_folder(folder))


def description(experiment: Experiment) -> dict[str, Any]:
    """Return what an experiment is, its presets and how long they take, as plain data."""
    return {
        "name": experiment.name,
        "title": experiment.title,
        "source": experiment.source,
        "version": experiment.version,
        "presets": {preset: dict(settings) for preset, settings in experiment.presets.items()},
        "expected_seconds": {preset: expected_seconds(experiment, preset) for preset in experiment.presets},
    }
