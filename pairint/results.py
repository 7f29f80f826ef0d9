"""Results on disk: one checked file per cell while running, one table with its provenance when done.

Cells
    ``<out>/<experiment>/cells/<id>.json``. The id is a hash of the experiment's name, its version
    and the cell's parameters. A file is written beside its place, flushed to the disk and renamed:
    it is there whole or not at all. It carries a checksum; a file that fails it is computed again.
Failures
    ``<out>/<experiment>/failed/<id>.json``, with the traceback; gone once the cell succeeds.
Stored tables
    ``book/results/<experiment>/``: ``table.csv``, ``provenance.json`` and ``SHA256SUMS`` (as
    ``sha256sum -c`` reads it).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairint.experiments.base import Experiment, canonical

try:
    import fcntl
except ImportError:  # no advisory locks there; atomic writes alone keep the folder whole
    fcntl = None

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "CellStore",
    "FolderInUse",
    "ResultsError",
    "cell_id",
    "expected_seconds",
    "load_provenance",
    "load_results",
    "make_table",
    "results_folder",
    "store_results",
    "stored_names",
    "write_atomic",
]

FORMAT = 1  # of cell files and of provenance records
#: Flushing a file takes milliseconds. Shorter cells are not worth it: should the power fail before the
#: system writes them, their files are missing or fail their checksum, and they are computed again.
FLUSH_SECONDS = 0.1
TABLE, PROVENANCE, SUMS = "table.csv", "provenance.json", "SHA256SUMS"


class ResultsError(RuntimeError):
    """Results cannot be written, or cannot be trusted."""


class FolderInUse(ResultsError):
    """Another run is at work on this folder."""


def write_atomic(path: Path, text: str, *, flush: bool = True) -> None:
    """Write a text file so that a reader sees it whole or not at all.

    Parameters
    ----------
    path : Path
        Its folder is made when needed.
    text : str
    flush : bool
        Wait until the disk has it: then it outlives a power cut too, not only the death of the process.

    Raises
    ------
    ResultsError
        If it cannot be written (disk full, no permission); nothing is left behind.
    """
    # The process id keeps two runs apart that share the folder without a lock between them.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            if flush:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ResultsError(_explain(path, error)) from error


def _explain(path: Path, error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    advice = {
        errno.ENOSPC: "free some space and run again: finished cells are kept",
        errno.EDQUOT: "your quota is used up; free some space and run again: finished cells are kept",
        errno.EFBIG: "a limit on file sizes is set here",
        errno.EROFS: "choose a folder that can be written with --out",
        errno.EACCES: "choose a folder that can be written with --out",
        errno.EPERM: "choose a folder that can be written with --out",
        errno.ENOTDIR: "a file stands where a folder is needed",
    }.get(error.errno, "")
    return f"cannot write {path}: {reason}" + (f" ({advice})" if advice else "")


def cell_id(name: str, version: int, cell: Mapping[str, Any]) -> str:
    """Return the identity of a cell: a hash of the experiment, its version and the parameters."""
    text = canonical({"experiment": name, "version": version, "cell": cell})
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _checksum(record: Mapping[str, Any]) -> str:
    # Not canonical(): in a checksum 2.0 and 2 are different texts.
    return hashlib.sha256(json.dumps(record, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class CellStore:
    """The folder in which one experiment keeps its finished and failed cells.

    Parameters
    ----------
    folder : path
        ``<out>/<experiment>``; made when needed.
    name, version : str, int
        Of the experiment.
    """

    def __init__(self, folder: Path | str, name: str, version: int) -> None:
        self.folder = Path(folder)
        self.name = name
        self.version = version

    def path(self, cell: Mapping[str, Any]) -> Path:
        """Return the file of a finished cell."""
        return self.folder / "cells" / f"{cell_id(self.name, self.version, cell)}.json"

    def failure_path(self, cell: Mapping[str, Any]) -> Path:
        """Return the file that records a cell's failure."""
        return self.folder / "failed" / f"{cell_id(self.name, self.version, cell)}.json"

    def read(self, cell: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a finished cell's record, or ``None`` if it has not been computed.

        Raises
        ------
        ResultsError
            If the file is damaged: truncated, edited, or another cell's.
        """
        path = self.path(cell)
        try:
            text = path.read_bytes().decode("utf-8")
        except FileNotFoundError:
            return None
        except UnicodeDecodeError as error:
            raise ResultsError(f"{path} is damaged: {error}") from error
        except OSError as error:
            raise ResultsError(f"cannot read {path}: {error.strerror}") from error
        try:
            record = json.loads(text)
            expected = record.pop("sha256")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ResultsError(f"{path} is damaged: not a whole record") from error
        if _checksum(record) != expected:
            raise ResultsError(f"{path} is damaged: its checksum does not match")
        identity = (record["experiment"], record["version"], canonical(record["cell"]))
        if identity != (self.name, self.version, canonical(cell)):
            raise ResultsError(f"{path} is damaged: it holds another cell")
        return record

    def write(self, cell: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
        """Store a finished cell (its rows, times and environment) and return its record."""
        record = self.record(cell, result)
        text = json.dumps({**record, "sha256": _checksum(record)})
        write_atomic(self.path(cell), text, flush=result["seconds"] >= FLUSH_SECONDS)
        self.failure_path(cell).unlink(missing_ok=True)
        return record

    def record(self, cell: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
        """Return what :meth:`write` would store."""
        return {
            "format": FORMAT, "experiment": self.name, "version": self.version, "cell": dict(cell), **result,
        }  # fmt: skip

    def write_failure(self, cell: Mapping[str, Any], error: str) -> Path:
        """Record the traceback of a cell that raised."""
        path = self.failure_path(cell)
        record = {"experiment": self.name, "version": self.version, "cell": dict(cell), "traceback": error}
        write_atomic(path, json.dumps(record, indent=1))
        return path

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for one run; the system lets go of it when the process dies, however it dies.

        Raises
        ------
        FolderInUse
            If another run holds it.
        ResultsError
            If the folder cannot be written.
        """
        path = self.folder / "lock"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            file = open(path, "a+", encoding="utf-8")  # noqa: SIM115  closed below, with the lock
        except OSError as error:
            raise ResultsError(_explain(path, error)) from error
        with file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    file.seek(0)
                    holder = file.read().strip() or "unknown"
                    raise FolderInUse(
                        f"another run (process {holder}) is at work on {self.folder}: wait for it to end, "
                        "or choose another folder with --out"
                    ) from error
                except OSError:
                    pass  # a file system without locks: atomic writes alone keep the folder whole
            with contextlib.suppress(OSError):
                file.truncate(0)
                file.write(str(os.getpid()))
                file.flush()
            yield


def make_table(
    cells: Sequence[Mapping[str, Any]], records: Sequence[Mapping[str, Any] | None], name: str, version: int
) -> DataFrame:
    """Return the tidy table: one row per cell and estimator, in the order of the cells.

    Columns are the cell's parameters, then the row's, then ``cell``, the cell's identity. The table
    goes through its CSV text, so that what a run returns and what is loaded later are the same.

    Parameters
    ----------
    cells : sequence of dict
    records : sequence of dict or None
        What :meth:`CellStore.read` returns for each; cells without one (failed) give no row.
    """
    import pandas as pd

    rows = [
        {**cell, **row, "cell": cell_id(name, version, cell)}
        for cell, record in zip(cells, records, strict=True)
        if record is not None
        for row in record["rows"]
    ]
    columns = [key for key in dict.fromkeys(key for row in rows for key in row) if key != "cell"] + ["cell"]
    text_rows = [
        {key: json.dumps(value) if isinstance(value, list | dict) else value for key, value in row.items()}
        for row in rows
    ]
    frame = pd.DataFrame(text_rows, columns=columns, dtype=object)
    return parse_table(frame.to_csv(index=False))


def parse_table(text: str) -> DataFrame:
    """Read a table's CSV text, every float to its last bit."""
    import pandas as pd

    # Types are decided here: releases of pandas differ in how exactly they read floats, and in which
    # words ("NA", "None") they take for missing values. Here only an empty field is missing.
    texts = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    columns = {name: texts[name].tolist() for name in texts.columns}
    return pd.DataFrame(
        {name: values if name == "cell" else _typed(values) for name, values in columns.items()}
    )


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|inf|nan)")


def _typed(texts: list[str]) -> list[Any]:
    present = [text for text in texts if text]
    whole = len(present) == len(texts)
    if whole and set(present) <= {"True", "False"}:
        return [text == "True" for text in texts]
    if all(_NUMBER.fullmatch(text) for text in present):
        if whole and all(re.fullmatch(r"[+-]?\d{1,18}", text) for text in present):
            return [int(text) for text in texts]
        return [float(text) if text else math.nan for text in texts]
    return [text or None for text in texts]


def results_folder() -> Path:
    """Return the folder of stored tables.

    ``PAIRINT_RESULTS`` in the environment if set; else ``book/results`` of the checkout this package
    runs from; else the first found in the current folder or above it.
    """
    if os.environ.get("PAIRINT_RESULTS"):
        return Path(os.environ["PAIRINT_RESULTS"])
    here = Path.cwd()
    checkouts = [Path(__file__).resolve().parents[1], here, *here.parents]
    for wanted in ("book/results", "book"):  # the second: a checkout without any results yet
        for folder in checkouts:
            if (folder / wanted).is_dir():
                return folder / "book" / "results"
    return here / "book" / "results"


def stored_names(folder: Path | str | None = None) -> list[str]:
    """Return the names of the experiments with a stored table."""
    root = results_folder() if folder is None else Path(folder)
    return sorted(path.parent.name for path in root.glob(f"*/{SUMS}"))


def store_results(
    experiment: Experiment,
    preset: str,
    settings: Mapping[str, Any],
    cells: Sequence[Mapping[str, Any]],
    records: Sequence[Mapping[str, Any]],
    *,
    command: str = "",
    root_seed: int | None = None,
    folder: Path | str | None = None,
) -> Path:
    """Write the table of a finished run with its provenance and checksums; return its folder."""
    if any(record is None for record in records):
        raise ResultsError(f"{experiment.name!r} has unfinished cells: only whole tables are stored")
    root = results_folder() if folder is None else Path(folder)
    target = root / experiment.name
    table = make_table(cells, records, experiment.name, experiment.version)
    ids = [cell_id(experiment.name, experiment.version, cell) for cell in cells]
    provenance = {
        "format": FORMAT,
        "experiment": experiment.name,
        "title": experiment.title,
        "source": experiment.source,
        "version": experiment.version,
        "preset": preset,
        "settings": dict(settings),
        "root_seed": root_seed,
        "data_keys": list(experiment.data_keys),
        "command": command,
        "cells": len(cells),
        "rows": len(table),
        "first_cell": _utc(min(record["finished"] - record["seconds"] for record in records)),
        "last_cell": _utc(max(record["finished"] for record in records)),
        "wall_seconds": round(_busy_seconds(records), 1),
        "computing_seconds": round(sum(record["seconds"] for record in records), 1),
        "environments": _environments(records),
        "cell_seconds": {name: round(r["seconds"], 3) for name, r in zip(ids, records, strict=True)},
    }
    texts = {
        TABLE: table.to_csv(index=False, lineterminator="\n"),
        PROVENANCE: json.dumps(provenance, indent=1) + "\n",
    }
    sums = "".join(f"{hashlib.sha256(t.encode()).hexdigest()}  {name}\n" for name, t in texts.items())
    for name, text in {**texts, SUMS: sums}.items():
        write_atomic(target / name, text)
    return target


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _busy_seconds(records: Sequence[Mapping[str, Any]]) -> float:
    """Time during which at least one cell was being computed: a run may have been stopped and resumed."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted((r["finished"] - r["seconds"], r["finished"]) for r in records):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def _environments(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counts = Counter(json.dumps(record["environment"], sort_keys=True) for record in records)
    return [{"cells": count, **json.loads(text)} for text, count in counts.most_common()]


def _checked_text(name: str, file: str, folder: Path | str | None) -> str:
    """Return the text of a stored file once it has passed its checksum."""
    root = results_folder() if folder is None else Path(folder)
    target = root / name
    try:
        lines = (target / SUMS).read_text(encoding="utf-8").splitlines()
        data = (target / file).read_bytes()
    except FileNotFoundError as error:
        known = ", ".join(stored_names(root)) or "none"
        raise ResultsError(
            f"no stored results for {name!r} in {root} (stored: {known}); "
            f"`pairint run {name} --preset full --store` makes them"
        ) from error
    sums = {path.strip(): digest for digest, _, path in (line.partition("  ") for line in lines)}
    if hashlib.sha256(data).hexdigest() != sums.get(file):
        raise ResultsError(f"{target / file} does not match {SUMS}: it was changed after it was written")
    return data.decode("utf-8")


def load_results(name: str, folder: Path | str | None = None) -> DataFrame:
    """Return the stored table of an experiment, after checking its checksum.

    Parameters
    ----------
    name : str
    folder : path, optional
        Where tables are stored; :func:`results_folder` by default.

    Raises
    ------
    ResultsError
        If there is none, or its checksum does not match.
    """
    return parse_table(_checked_text(name, TABLE, folder))


def load_provenance(name: str, folder: Path | str | None = None) -> dict[str, Any]:
    """Return the provenance record of a stored table, after checking its checksum."""
    return json.loads(_checked_text(name, PROVENANCE, folder))


def expected_seconds(experiment: Experiment, preset: str, folder: Path | str | None = None) -> float:
    """Return how long a preset takes on one core.

    What the stored table of this preset took, if it has the present version and settings; else the time
    that the experiment declares.
    """
    with contextlib.suppress(ResultsError, OSError):
        record = load_provenance(experiment.name, folder)
        wanted = (experiment.version, preset, canonical(dict(experiment.presets[preset])))
        if (record["version"], record["preset"], canonical(record["settings"])) == wanted:
            return record["computing_seconds"]
    return float(experiment.expected_seconds[preset])
