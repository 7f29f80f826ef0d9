"""Run the cells of an experiment on this machine or on a Dask cluster, so that nothing is lost.

What is finished is on the disk (:mod:`pairint.engine.store`); what is missing is computed by joblib
(:mod:`pairint.engine.workers`) with random numbers that belong to the cell (:mod:`pairint.engine.seeds`).
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import hashlib
import os
import shlex
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairint.engine import workers
from pairint.engine.cells import canonical, plain
from pairint.engine.experiment import Experiment, checked_cells
from pairint.engine.progress import Progress
from pairint.engine.seeds import ROOT_SEED
from pairint.engine.store import CellStore, ResultsError
from pairint.engine.tables import make_table, store_results
from pairint.validation import check_flag, check_instance, check_integer, check_real, shortened

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CellsFailed", "Outcome", "execute", "plan", "resolve_settings", "run"]


class CellsFailed(RuntimeError):
    """Some cells raised; the others are finished."""

    exit_code = 1


def resolve_settings(
    experiment: Experiment, preset: str, overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the preset's settings with some replaced.

    Parameters
    ----------
    overrides : mapping, optional
        By key; values of the type of the preset's own, or text to be read as such: ``"1e5"`` for an
        integer, ``"1,2,3"`` for a list.

    Raises
    ------
    ValueError
        On an unknown preset or key (the message proposes the nearest), or a value of another type.
    """
    check_instance("preset", preset, str)
    if overrides is not None and not isinstance(overrides, Mapping):
        raise TypeError(f"overrides must be a mapping of settings or None, got {shortened(overrides)}")
    if preset not in experiment.presets:
        raise ValueError(
            f"experiment {experiment.name!r} has no preset {preset!r}{_nearest(preset, experiment.presets)}"
        )
    settings = plain(dict(experiment.presets[preset]))
    for key, value in (overrides or {}).items():
        if key not in settings:
            raise ValueError(
                f"experiment {experiment.name!r} has no setting {key!r}{_nearest(key, settings)}"
            )
        settings[key] = _like(key, plain(value), settings[key])
    return settings


def plan(
    experiment: Experiment, preset: str, overrides: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the settings and the cells of a run, computing nothing.

    Raises
    ------
    ValueError, TypeError
        On an unknown preset or key, or a value out of range.
    """
    settings = resolve_settings(experiment, preset, overrides)
    return settings, checked_cells(experiment, settings)


def _nearest(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(word), list(known), n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{hint}; it has {', '.join(known)}"


#: What a setting must be, by the type of the preset's own.
_KINDS = {bool: "true or false", int: "an integer", float: "a number", str: "text"}


def _like(key: str, value: Any, default: Any) -> Any:
    """Read ``value`` as something of the type of ``default``."""
    if isinstance(default, list):
        return _like_list(key, value, default)
    kind = type(default)
    if isinstance(value, str) and kind is not str:
        value = _literal(value)
    if kind is float and type(value) in (int, float):
        return check_real(key, value)
    if kind is int and (type(value) is int or (type(value) is float and value.is_integer())):
        return check_integer(key, int(value))
    if kind not in _KINDS or type(value) is kind:  # the preset may have None: anything goes there
        return value
    raise ValueError(f"{key} must be {_KINDS[kind]}, got {shortened(value)}")


def _like_list(key: str, value: Any, default: list[Any]) -> list[Any]:
    """Read ``"1,2,3"``, ``"[1, 2, 3]"``, a list or a single value as a list like ``default``."""
    if isinstance(value, str):
        listed = _literal(value) if value.lstrip().startswith("[") else value.split(",")
        if not isinstance(listed, list):
            raise ValueError(f"{key} must be a list such as 1,2,3 or [1, 2, 3], got {shortened(value)}")
        value = plain(listed)
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ValueError(f"{key} must have at least one value")
    types = {type(item) for item in default}
    pattern = 0.0 if types == {int, float} else default[0] if len(types) == 1 else None
    return [_like(key, item, pattern) for item in items]


def _literal(text: str) -> Any:
    """Return the value that a text spells, true and false in any case; the text itself if it spells none."""
    text = text.strip()
    with contextlib.suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        return ast.literal_eval(text.title() if text.lower() in ("true", "false", "none") else text)
    return text


@dataclass
class Outcome:
    """What became of a run.

    Attributes
    ----------
    cells : list of dict
    records : list of dict or None
        One per cell; ``None`` where it failed.
    reused, computed : int
        Cells found finished, and cells computed now.
    failures : list of (dict, str)
        Cells that raised, with their tracebacks.
    damaged : list of str
        What was wrong with stored cells that had to be computed again.
    seconds : float
    """

    experiment: Experiment
    preset: str
    settings: dict[str, Any]
    cells: list[dict[str, Any]]
    records: list[dict[str, Any] | None]
    reused: int = 0
    computed: int = 0
    failures: list[tuple[dict[str, Any], str]] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def label(self) -> str:
        """The name of the run's files: its preset, with a code for the settings where they are others."""
        text = canonical(self.settings)
        if text == canonical(dict(self.experiment.presets[self.preset])):
            return self.preset
        return f"{self.preset}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def command(self) -> str:
        """The command that gives this run again, wherever it is run."""
        parts = ["pairint", "run", self.experiment.name, "--preset", self.preset]
        declared = plain(dict(self.experiment.presets[self.preset]))
        for key, value in self.settings.items():
            if value != declared[key]:
                parts += ["--set", f"{key}={value}"]
        return shlex.join(parts)

    @property
    def commits(self) -> list[str | None]:
        """What each finished cell was computed by; see :func:`pairint.engine.provenance.commit`."""
        return [record["environment"].get("commit") for record in self.records if record is not None]

    def table(self) -> DataFrame:
        """Return the table of the finished cells."""
        return make_table(self.cells, self.records, self.experiment.name, self.experiment.version)

    def store(self, folder: Path | str, command: str = "") -> Path:
        """Store the table with its provenance; see :func:`pairint.engine.tables.store_results`."""
        return store_results(
            self.experiment, self.preset, self.settings, self.cells, self.records,
            folder=folder, command=command, root_seed=ROOT_SEED,
        )  # fmt: skip


def run(
    experiment: Experiment,
    preset: str = "quick",
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    out: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: bool = False,
    timeout: float = 60.0,
) -> DataFrame:
    """Run an experiment and return its table: one row per cell and estimator.

    The parameters are those of :func:`execute`.

    Raises
    ------
    CellsFailed
        If cells raised, once all others are finished.
    """
    outcome = execute(
        experiment, preset, jobs=jobs, scheduler=scheduler, out=out, overrides=overrides,
        progress=progress, timeout=timeout,
    )  # fmt: skip
    if outcome.failures:
        cell, error = outcome.failures[0]
        raise CellsFailed(
            f"{len(outcome.failures)} of {len(outcome.cells)} cells of {outcome.experiment.name!r} failed; "
            f"the first is {cell}:\n{error}"
        )
    return outcome.table()


def execute(
    experiment: Experiment,
    preset: str = "quick",
    *,
    jobs: int = 1,
    scheduler: str | None = None,
    out: Path | str | None = None,
    overrides: Mapping[str, Any] | None = None,
    progress: bool = False,
    timeout: float = 60.0,
    warn: Callable[[str], object] | None = None,
) -> Outcome:
    """Run the cells of an experiment that are not finished yet.

    Parameters
    ----------
    experiment : Experiment
    preset : str
    jobs : int
        Worker processes; 1 computes in this process, -1 uses every core. Ignored with a scheduler.
    scheduler : str, optional
        Address of a Dask scheduler, ``"tcp://host:8786"``.
    out : path, optional
        Folder of results; the cells go to ``<out>/<experiment>/``. ``None`` keeps them in memory.
    overrides : mapping, optional
        Settings to replace; see :func:`resolve_settings`.
    progress : bool
        Show progress on standard error.
    timeout : float
        Seconds to wait for the scheduler, and for a worker when it has none.
    warn : callable, optional
        Called with a sentence for each stored cell that is damaged, before anything is computed: the
        report is not lost should the run be interrupted. ``warnings.warn`` by default.

    Returns
    -------
    Outcome

    Raises
    ------
    ValueError, TypeError
        On settings out of range.
    pairint.engine.store.ResultsError
        If results cannot be written; cells finished before are kept.
    pairint.engine.store.FolderInUse
        If another run is at work on the same folder.
    pairint.engine.workers.SchedulerError
        If the scheduler cannot be reached or goes away; cells finished before are kept.
    """
    start = time.monotonic()
    if not (isinstance(jobs, int) and jobs == -1):
        check_integer("jobs", jobs, minimum=1)
    if scheduler is not None:
        check_instance("scheduler", scheduler, str)
    if out is not None and not isinstance(out, str | os.PathLike):
        raise TypeError(f"out must be a path or None, got {shortened(out)}")
    check_flag("progress", progress)
    timeout = check_real("timeout", timeout, 0.0, exclusive_minimum=True)
    settings, cells = plan(experiment, preset, overrides)
    outcome = Outcome(experiment, preset, settings, cells, [None] * len(cells))
    store = None
    if out is not None:
        store = CellStore(Path(out) / experiment.name, experiment.name, experiment.version)
        _read_finished(store, outcome)
    # A finished run needs no lock: it may be an archive, where none can be made.
    if any(record is None for record in outcome.records):
        with contextlib.nullcontext() if store is None else store.lock():
            if store is not None:  # once more: another run may have ended in between
                for damage in _read_finished(store, outcome):
                    outcome.damaged.append(damage)
                    (warnings.warn if warn is None else warn)(f"{damage}; it is computed again")
            _compute_missing(store, outcome, jobs, scheduler, timeout, progress)
    outcome.seconds = time.monotonic() - start
    return outcome


def _read_finished(store: CellStore, outcome: Outcome) -> list[str]:
    """Read the cells that are not read yet, and return what is wrong with damaged ones."""
    damaged = []
    for index, cell in enumerate(outcome.cells):
        if outcome.records[index] is None:
            try:
                outcome.records[index] = store.read(cell)
            except ResultsError as error:
                damaged.append(str(error))
            outcome.reused += outcome.records[index] is not None
    return damaged


def _compute_missing(
    store: CellStore | None,
    outcome: Outcome,
    jobs: int,
    scheduler: str | None,
    timeout: float,
    progress: bool,
) -> None:
    experiment, cells = outcome.experiment, outcome.cells
    cost = experiment.cost or (lambda cell: 1.0)
    missing = [index for index, record in enumerate(outcome.records) if record is None]
    costs = {index: float(cost(cells[index])) for index in missing}
    order = sorted(costs, key=lambda index: -costs[index])  # long cells first: workers end together
    tasks = [(index, experiment.compute, cells[index]) for index in order]
    if not tasks:
        return
    results = workers.compute(tasks, jobs=jobs, scheduler=scheduler, timeout=timeout)
    keep = CellStore("", experiment.name, experiment.version).record if store is None else store.write
    with Progress(experiment.name, list(costs.values()), progress) as shown, contextlib.closing(results):
        for index, result in results:
            cell = cells[index]
            if "error" in result:
                outcome.failures.append((cell, result["error"]))
                if store is not None:
                    store.write_failure(cell, result["error"])
            else:
                outcome.records[index] = keep(cell, result)
                outcome.computed += 1
            shown.advance(costs[index])
    outcome.failures.sort(key=lambda failure: cells.index(failure[0]))
