"""Records of benchmarks that pages of the book draw from: they are part of the package, beside the tables."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

__all__ = ["measurement"]

_FOLDER = files("pairint.experiments") / "measured"


def measurement(name: str) -> dict[str, Any]:
    """Return the record of a benchmark: its figures, the date, the machine and the versions.

    Parameters
    ----------
    name : str
        That of the script in ``benchmarks/`` that wrote it: ``"peers"``, ``"polynomial_attention"`` or
        ``"random_problems"``.

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
