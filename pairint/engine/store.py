"""Cells on disk: one checked file for each that is finished, and one for each that failed.

Cells
    ``<out>/<experiment>/cells/<id>.json``. The id is a hash of the experiment's name, its version
    and the cell's parameters. A file is written beside its place, flushed to the disk and renamed:
    it is there whole or not at all. It carries a checksum; a file that fails it is computed again.
Failures
    ``<out>/<experiment>/failed/<id>.json``, with the traceback; gone once the cell succeeds.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pairint.engine.cells import canonical

try:
    import fcntl
except ImportError:  # no advisory locks there; atomic writes alone keep the folder whole
    fcntl = None  # type: ignore[assignment]

__all__ = ["MAX_BYTES", "CellStore", "FolderInUse", "ResultsError", "cell_id", "write_atomic"]

FORMAT = 1  # of cell files and of provenance records
#: Flushing a file takes milliseconds. Shorter cells are not worth it: should the power fail before the
#: system writes them, their files are missing or fail their checksum, and they are computed again.
FLUSH_SECONDS = 0.1
#: No file of results is larger; one that is, a device without an end for example, is not read.
MAX_BYTES = 2**28


class ResultsError(RuntimeError):
    """Results cannot be written, or cannot be trusted."""

    exit_code = 3


class FolderInUse(ResultsError):
    """Another run is at work on this folder."""


def write_atomic(path: Path, content: str | bytes, *, flush: bool = True) -> None:
    """Write a file so that a reader sees it whole or not at all.

    Parameters
    ----------
    path : Path
        Its folder is made when needed.
    content : str or bytes
        Text is written as UTF-8.
    flush : bool
        Wait until the disk has it: then it outlives a power cut too, not only the death of the process.

    Raises
    ------
    ResultsError
        If it cannot be written (disk full, no permission); nothing is left behind.
    """
    # The process id keeps two runs apart that share the folder without a lock between them.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            if flush:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:  # Ctrl-C, too, leaves nothing behind
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
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
    }.get(error.errno or 0, "")
    return f"cannot write {path}: {reason}" + (f" ({advice})" if advice else "")


def cell_id(name: str, version: int, cell: Mapping[str, Any]) -> str:
    """Return the identity of a cell: a hash of the experiment, its version and the parameters."""
    text = canonical({"experiment": name, "version": version, "cell": cell})
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _checksum(record: Mapping[str, Any]) -> str:
    # Not canonical(): in a checksum 2.0 and 2 are different texts.
    return hashlib.sha256(json.dumps(record, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _read_regular(path: Path) -> bytes:
    """Read a regular file of bounded size; a pipe in its place would wait for ever for a writer.

    Raises
    ------
    FileNotFoundError
    ResultsError
        If it is something else, too large, or cannot be read.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ResultsError(f"{path} is damaged: not a regular file")
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ResultsError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise ResultsError(f"{path} is damaged: larger than {MAX_BYTES:,} bytes")
    return data


def _is_whole(record: Mapping[str, Any]) -> bool:
    """Say whether a record holds all that a finished cell has."""
    rows, times = record.get("rows"), (record.get("seconds"), record.get("finished"))
    return (
        isinstance(rows, list)
        and len(rows) > 0
        and all(isinstance(row, dict) for row in rows)
        and all(isinstance(time, int | float) and abs(time) < 1e12 for time in times)  # not NaN either
        and isinstance(record.get("environment"), dict)
    )


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
            If the file is damaged: truncated, edited, incomplete, another cell's, or no regular file.
        """
        path = self.path(cell)
        try:
            data = _read_regular(path)
        except FileNotFoundError:
            return None
        try:
            record = json.loads(data.decode("utf-8"))
            expected = record.pop("sha256")
            checksum = _checksum(record)
            identity = (record.get("experiment"), record.get("version"), canonical(record.get("cell")))
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise ResultsError(f"{path} is damaged: not a whole record") from error
        if checksum != expected:
            raise ResultsError(f"{path} is damaged: its checksum does not match")
        if identity != (self.name, self.version, canonical(cell)):
            raise ResultsError(f"{path} is damaged: it holds another cell")
        if not _is_whole(record):
            raise ResultsError(f"{path} is damaged: a part of the record is missing")
        return record

    def write(self, cell: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
        """Store a finished cell (its rows, times and environment) and return its record."""
        record = self.record(cell, result)
        text = json.dumps({**record, "sha256": _checksum(record)})
        if len(text) > MAX_BYTES:
            raise ResultsError(
                f"the result of {dict(cell)} takes {len(text):,} bytes, more than {MAX_BYTES:,}"
            )
        write_atomic(self.path(cell), text, flush=result["seconds"] >= FLUSH_SECONDS)
        with contextlib.suppress(OSError):
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
            # Not buffered: on a full disk, closing it would try to write again, and raise.
            file = open(path, "ab+", buffering=0)  # noqa: SIM115  closed below, with the lock
        except OSError as error:
            raise ResultsError(_explain(path, error)) from error
        with file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError as error:
                    file.seek(0)
                    holder = file.read(100).decode("ascii", "replace").strip() or "unknown"
                    raise FolderInUse(
                        f"another run (process {holder}) is at work on {self.folder}: wait for it to end, "
                        "or choose another folder with --out"
                    ) from error
                except OSError:
                    pass  # a file system without locks: atomic writes alone keep the folder whole
            with contextlib.suppress(OSError):
                file.truncate(0)
                file.write(str(os.getpid()).encode())
            yield
