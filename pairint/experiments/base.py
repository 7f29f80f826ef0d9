"""What an experiment is: independent cells, one computation per cell, a plot, and claims.

A *cell* is a dictionary of parameters with a ``"replicate"``; ``compute(cell)`` returns tidy rows,
one per estimator. Cells know nothing of each other: they may run in any order, on any machine.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["MAX_CELLS", "Claim", "Experiment", "canonical", "checked_cells", "grid", "plain", "verdict"]

#: More cells than this are a typing error; the largest full run has some hundreds.
MAX_CELLS = 100_000

#: Relations that a claim can state between our value and its reference.
RELATIONS = ("equal", "at most", "at least")


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
    count = math.prod(len(axis) for axis in values)
    if count > MAX_CELLS:
        longest = max(zip(axes, values, strict=True), key=lambda item: len(item[1]))
        raise ValueError(
            f"these settings give {count:,} cells, more than {MAX_CELLS:,}: "
            f"{longest[0]} alone takes {len(longest[1]):,} values"
        )
    return [dict(zip(axes, point, strict=True)) for point in itertools.product(*values)]


def verdict(
    ours: float | None,
    reference: float | None,
    tolerance: float,
    interval: tuple[float, float] | None = None,
    relation: str = "equal",
) -> str:
    """Compare our value with a reference value.

    Parameters
    ----------
    ours, reference : float or None
    tolerance : float
        The largest difference accepted, stated before the comparison.
    interval : (float, float), optional
        An interval for the true value behind ``ours``.
    relation : {"equal", "at most", "at least"}
        What is claimed of ours with respect to the reference.

    Returns
    -------
    str
        ``"agrees"``: within the tolerance and, where there is an interval, the reference lies in it.
        ``"close"``: within the tolerance but outside the interval: a small difference is resolved.
        ``"undecided"``: outside the tolerance, but the interval reaches the reference: more
        replicates are needed. ``"differs"``: outside both. ``"no reference"`` or ``"not computed"``
        if one of the two values is missing.
    """
    if relation not in RELATIONS:
        raise ValueError(f"relation must be one of {', '.join(map(repr, RELATIONS))}; got {relation!r}")
    if not tolerance >= 0:
        raise ValueError(f"tolerance must be >= 0, got {tolerance!r}")
    if reference is None:
        return "no reference"
    if ours is None or not math.isfinite(ours):
        return "not computed"
    low, high = (ours, ours) if interval is None else interval
    if relation == "at most":
        near, inside = ours <= reference + tolerance, low <= reference
    elif relation == "at least":
        near, inside = ours >= reference - tolerance, high >= reference
    else:
        near, inside = abs(ours - reference) <= tolerance, low <= reference <= high
    if interval is None:
        return "agrees" if near else "differs"
    if near:
        return "agrees" if inside else "close"
    return "undecided" if inside else "differs"


@dataclass(frozen=True)
class Claim:
    """One number of a paper (or of the theory) beside ours.

    Attributes
    ----------
    name : str
        What the number is, for example "slope of the error, P = 3".
    source : str
        Where it stands: "Figure (b)", "Theorem 3.1".
    ours : float or None
    interval : (float, float) or None
        An interval for ours (95 % unless the name says otherwise).
    published : float or None
        The value the paper reports; ``None`` if it reports none.
    expected : float or None
        The value of the theory; ``None`` if there is none.
    tolerance : float
        The largest difference from either that counts as agreement.
    relation : {"equal", "at most", "at least"}
    command : str
        What regenerates the number; filled in by :mod:`pairint.report` when empty.
    """

    name: str
    source: str
    ours: float | None
    interval: tuple[float, float] | None = None
    published: float | None = None
    expected: float | None = None
    tolerance: float = 0.0
    relation: str = "equal"
    command: str = ""

    def __post_init__(self) -> None:
        self.published_verdict  # noqa: B018  an impossible claim must fail where it is made

    @property
    def published_verdict(self) -> str:
        """Ours against the published value; see :func:`verdict`."""
        return verdict(self.ours, self.published, self.tolerance, self.interval, self.relation)

    @property
    def theory_verdict(self) -> str:
        """Ours against the value of the theory; see :func:`verdict`."""
        return verdict(self.ours, self.expected, self.tolerance, self.interval, self.relation)

    @property
    def verdict(self) -> str:
        """One sentence for the table, computed from the numbers alone."""
        parts = []
        if self.published is not None:
            parts.append(_PUBLISHED[self.published_verdict])
        if self.expected is not None:
            parts.append(_THEORY[self.theory_verdict])
        return "; ".join(dict.fromkeys(parts)) or "not published"

    def as_dict(self) -> dict[str, Any]:
        """Return the claim with its verdicts as plain data."""
        return plain(asdict(self)) | {
            "published_verdict": self.published_verdict,
            "theory_verdict": self.theory_verdict,
            "verdict": self.verdict,
        }


_PUBLISHED = {
    "agrees": "reproduced",
    "close": "reproduced within the tolerance",
    "undecided": "reproduction undecided",
    "differs": "differs from the paper",
    "not computed": "not computed",
}
_THEORY = {
    "agrees": "agrees with theory",
    "close": "agrees with theory within the tolerance",
    "undecided": "agreement with theory undecided",
    "differs": "differs from theory",
    "not computed": "not computed",
}


@dataclass(frozen=True)
class Experiment:
    """A figure or a table as a computation.

    Attributes
    ----------
    name : str
        Lower-case letters, digits, ``-`` and ``_``: also the name of its folder.
    title : str
        One line.
    source : str
        Which figure, table or theorem of which paper.
    version : int
        To be raised whenever the same cell would give other numbers. Stored cells of another
        version are not used; changes that leave the numbers alone leave the version alone.
    presets : dict of str to dict
        Settings by preset, ``"quick"`` and ``"full"`` at least, with the same keys in each.
    cells : callable
        ``cells(settings) -> list of dict``: the cells, each with a ``"replicate"``. Raises
        ``ValueError`` or ``TypeError`` with a message for the reader on settings out of range.
    compute : callable
        ``compute(cell) -> list of dict``: tidy rows, one per estimator. A function of the cell
        alone, defined at the top level of its module (it travels to other processes by name).
        Columns named ``seconds`` or ending in ``_seconds`` are measured times: they alone may
        change from one computation to the next.
    plot : callable
        ``plot(table) -> Figure``, drawn from the table alone.
    claims : callable
        ``claims(table) -> list of Claim``.
    expected_seconds : dict of str to float
        By preset, on one core.
    data_keys : tuple of str
        The cell's keys that determine its data: the seed is a function of these and the replicate,
        so that cells that differ in other keys (the estimator, say) see the same data.
    cost : callable, optional
        ``cost(cell) -> float``: relative computing time. Costly cells start first, and the time left
        is estimated from it.
    """

    name: str
    title: str
    source: str
    version: int
    presets: Mapping[str, Mapping[str, Any]]
    cells: Callable[[dict[str, Any]], list[dict[str, Any]]]
    compute: Callable[[dict[str, Any]], list[dict[str, Any]]]
    plot: Callable[[DataFrame], Figure]
    claims: Callable[[DataFrame], list[Claim]]
    expected_seconds: Mapping[str, float]
    data_keys: tuple[str, ...]
    cost: Callable[[dict[str, Any]], float] | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", self.name):
            raise ValueError(f"name must be lower-case letters, digits, - and _, got {self.name!r}")
        if not isinstance(self.version, int) or isinstance(self.version, bool) or self.version < 1:
            raise ValueError(f"version must be an integer >= 1, got {self.version!r}")
        missing = {"quick", "full"} - set(self.presets)
        if missing:
            raise ValueError(f"presets of {self.name!r} lack {', '.join(sorted(missing))}")
        keys = {preset: set(settings) for preset, settings in self.presets.items()}
        if len({frozenset(value) for value in keys.values()}) > 1:
            raise ValueError(f"presets of {self.name!r} must have the same keys, got {keys}")
        if set(self.expected_seconds) != set(self.presets):
            raise ValueError(f"expected_seconds of {self.name!r} must have one entry per preset")


def checked_cells(experiment: Experiment, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the experiment's cells for these settings, as plain data, checked.

    Raises
    ------
    ValueError
        If there is no cell, a cell appears twice, or one lacks the replicate or a data key.
    """
    cells = [plain(cell) for cell in experiment.cells(settings)]
    if not cells:
        raise ValueError(f"these settings of {experiment.name!r} give no cell")
    seen = set()
    for cell in cells:
        missing = [key for key in (*experiment.data_keys, "replicate") if key not in cell]
        if missing:
            raise ValueError(f"a cell of {experiment.name!r} lacks {', '.join(missing)}: {cell}")
        text = canonical(cell)
        if text in seen:
            raise ValueError(f"a cell of {experiment.name!r} appears twice: {cell}")
        seen.add(text)
    return cells
