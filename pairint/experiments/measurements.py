"""Records of benchmarks that pages of the book draw from: they are part of the package, beside the tables."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

__all__ = ["measurement"]

_FOLDER = files("pairint.experiments") / "measured"


def records(begin: str, folder: Path | str | None = None) -> list[dict[str, Any]]:
    """Return the records whose names begin so, in the order of their names; the package's by default."""
    place = _FOLDER if folder is None else Path(folder)
    found = {path.name: path for path in place.iterdir() if path.name.endswith(".json")}
    names = sorted(name for name in found if name.startswith(begin))
    return [json.loads(found[name].read_text(encoding="utf-8")) for name in names]


def measurement(name: str) -> dict[str, Any]:
    """Return the record of a benchmark: its figures, the date, the machine and the versions.

    Parameters
    ----------
    name : str
        That of the script in ``benchmarks/`` that wrote it, as ``"peers"``, ``"kernels"`` or
        ``"out_of_core"``.

    Raises
    ------
    ValueError
        If there is no such record.
    """
    known = sorted(
        path.name.removesuffix(".json") for path in _FOLDER.iterdir() if path.name.endswith(".json")
    )
    if name not in known:
        raise ValueError(f"name must be one of {', '.join(known)}; got {name!r}")
    record: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return record
