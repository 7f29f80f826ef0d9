"""Cells: dictionaries of parameters as plain data, one text for each, and grids of them."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["MAX_CELLS", "canonical", "grid", "plain"]

#: More cells than this are a typing error; the largest full run has some hundreds.
MAX_CELLS = 100_000


def plain(value: Any) -> Any:
    """Return ``value`` as plain JSON data: NumPy scalars and arrays become numbers and lists.

    Raises
    ------
    TypeError
        If something in it has no JSON form.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int | float) and type(value) in (int, float):
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"keys must be strings, got {list(value)!r}")
        return {key: plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):  # NumPy scalars and arrays, without importing NumPy here
        return plain(value.tolist())
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes):
        return [plain(item) for item in value]
    raise TypeError(f"{value!r} is of type {type(value).__name__}, which has no JSON form")


def canonical(value: Any) -> str:
    """Return one JSON text per value: keys sorted, and 2.0 written as 2.

    Two parameter sets that are equal in Python have the same text, however they were typed.
    """
    return json.dumps(_merge_numbers(plain(value)), sort_keys=True, separators=(",", ":"))


def _merge_numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _merge_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_merge_numbers(item) for item in value]
    return value


def grid(**axes: Any) -> list[dict[str, Any]]:
    """Return the cells of a full grid, the last axis fastest.

    Book: :doc:`/book/how_results`.

    Lists, tuples and ranges are axes; anything else is the same in every cell.

    Raises
    ------
    ValueError
        If there are more than :data:`MAX_CELLS`; none is made then.

    Examples
    --------
    >>> grid(n_samples=[10, 20], beta=1.0, replicate=range(2))[1]
    {'n_samples': 10, 'beta': 1.0, 'replicate': 1}
    """
    values = [axis if isinstance(axis, list | tuple | range) else (axis,) for axis in axes.values()]
    lengths = {key: _length(axis) for key, axis in zip(axes, values, strict=True)}
    count = math.prod(lengths.values())
    if count > MAX_CELLS:
        longest = max(lengths, key=lambda key: lengths[key])
        raise ValueError(
            f"these settings give {count:,} cells, more than {MAX_CELLS:,}: "
            f"{longest} alone takes {lengths[longest]:,} values"
        )
    return [dict(zip(axes, point, strict=True)) for point in itertools.product(*values)]


def _length(axis: Sequence[Any]) -> int:
    """Return the number of values; ``len`` refuses ranges longer than an index of this machine."""
    if isinstance(axis, range):
        return max(0, -((axis.start - axis.stop) // axis.step))
    return len(axis)
