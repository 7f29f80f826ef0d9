"""Tables of finished runs: one CSV with its provenance and checksums.

``<folder>/<experiment>/`` holds ``table.csv``, ``provenance.json`` and ``SHA256SUMS`` (as ``sha256sum -c``
reads it).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pairint.engine.cells import canonical
from pairint.engine.experiment import Experiment
from pairint.engine.store import FORMAT, MAX_BYTES, ResultsError, cell_id, write_atomic

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = [
    "expected_seconds",
    "load_provenance",
    "load_table",
    "make_table",
    "parse_table",
    "store_results",
    "stored_names",
]

TABLE, PROVENANCE, SUMS = "table.csv", "provenance.json", "SHA256SUMS"


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
    text_rows = [{key: _one_field(value) for key, value in row.items()} for row in rows]
    frame = pd.DataFrame(text_rows, columns=columns, dtype=object)
    return parse_table(frame.to_csv(index=False))


def _one_field(value: Any) -> Any:
    """Return a value that a CSV field holds: lists as JSON, integers too large for 64 bits as floats."""
    if isinstance(value, list | dict):
        return json.dumps(value)
    return float(value) if isinstance(value, int) and abs(value) >= 2**63 else value


def parse_table(text: str) -> DataFrame:
    """Read a table's CSV text, every float to its last bit.

    Only an empty field is missing: "NA" and "None" are names like others.
    """
    import pandas as pd

    release = tuple(int(part) for part in pd.__version__.split(".")[:2])
    # From 3.1 on floats are read exactly by default, and the option is deprecated.
    exact: dict[str, Any] = {"float_precision": "round_trip"} if release < (3, 1) else {}
    # A column has one type: read in parts, it would be numbers up to the first word, and words from there.
    return pd.read_csv(
        io.StringIO(text),
        keep_default_na=False,
        na_values=[""],
        dtype={"cell": str},
        low_memory=False,
        **exact,
    )


def stored_names(folder: Traversable) -> list[str]:
    """Return the names of the experiments with a stored table."""
    if not folder.is_dir():
        return []
    return sorted(entry.name for entry in folder.iterdir() if (entry / SUMS).is_file())


def store_results(
    experiment: Experiment,
    preset: str,
    settings: Mapping[str, Any],
    cells: Sequence[Mapping[str, Any]],
    records: Sequence[Mapping[str, Any] | None],
    *,
    folder: Path | str,
    command: str = "",
    root_seed: int | None = None,
) -> Path:
    """Write the table of a finished run with its provenance and checksums to a folder of ``folder``.

    Returns
    -------
    Path
        The folder of the experiment.

    Raises
    ------
    ResultsError
        If cells are unfinished, or the files cannot be written.
    """
    finished = [record for record in records if record is not None]
    if len(finished) < len(records):
        raise ResultsError(f"{experiment.name!r} has unfinished cells: only whole tables are stored")
    target = Path(folder) / experiment.name
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
        **_first_and_last(finished),
        "wall_seconds": round(_busy_seconds(finished), 1),
        "computing_seconds": round(sum(record["seconds"] for record in finished), 1),
        "environments": _environments(finished),
        "cell_seconds": {name: round(r["seconds"], 3) for name, r in zip(ids, finished, strict=True)},
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


def _first_and_last(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return when the first cell began and the last one ended, by clocks that can be right.

    A cell that ends more than a day after now was computed where the clock was wrong: it is left out, unless
    all are such, for then the clock here is the wrong one.
    """
    tomorrow = time.time() + 86_400
    believed = [record for record in records if record["finished"] <= tomorrow] or records
    return {
        "first_cell": _utc(min(record["finished"] - record["seconds"] for record in believed)),
        "last_cell": _utc(max(record["finished"] for record in believed)),
    }


def _busy_seconds(records: Sequence[Mapping[str, Any]]) -> float:
    """Return how long at least one cell was being computed: a run may have been stopped and resumed."""
    total, end = 0.0, float("-inf")
    for start, stop in sorted((r["finished"] - r["seconds"], r["finished"]) for r in records):
        total += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return total


def _environments(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counts = Counter(json.dumps(record["environment"], sort_keys=True) for record in records)
    return [{"cells": count, **json.loads(text)} for text, count in counts.most_common()]


def _checked_text(name: str, file: str, folder: Traversable) -> str:
    """Return the text of a stored file once it has passed its checksum."""
    target = folder / name
    # A pipe is no file: reading it would wait for ever.
    if not all((target / part).is_file() for part in (SUMS, file)):
        known = ", ".join(stored_names(folder)) or "none"
        raise ResultsError(
            f"no stored results for {name!r} in {folder} (stored: {known}); "
            f"`pairint run {name} --preset full --store` makes them"
        )
    sums, data = (_read_bounded(target / part) for part in (SUMS, file))
    if f"{hashlib.sha256(data).hexdigest()}  {file}" not in sums.decode("utf-8", "replace").splitlines():
        raise ResultsError(f"{target / file} does not match {SUMS}: it was changed after it was written")
    return data.decode("utf-8")


def _read_bounded(file: Traversable) -> bytes:
    with file.open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ResultsError(f"{file} is larger than {MAX_BYTES:,} bytes")
    return data


def load_table(name: str, folder: Traversable) -> DataFrame:
    """Return the stored table of an experiment, after checking its checksum.

    Parameters
    ----------
    name : str
    folder : path or resource
        Where tables are stored.

    Raises
    ------
    ResultsError
        If there is none, or its checksum does not match.
    """
    return parse_table(_checked_text(name, TABLE, folder))


def load_provenance(name: str, folder: Traversable) -> dict[str, Any]:
    """Return the provenance record of a stored table, after checking its checksum."""
    return json.loads(_checked_text(name, PROVENANCE, folder))


def expected_seconds(experiment: Experiment, preset: str, folder: Traversable) -> float:
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
