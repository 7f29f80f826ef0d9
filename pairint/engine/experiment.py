"""What an experiment is: independent cells, one computation per cell, a plot, and claims.

A *cell* is a dictionary of parameters with a ``"replicate"``; ``compute(cell)`` returns tidy rows,
one per estimator. Cells know nothing of each other: they may run in any order, on any machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pairint.engine.cells import canonical, plain
from pairint.validation import check_choice, check_integer, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from pairint.engine.claims import Claim

__all__ = ["REPRODUCIBLE", "Experiment", "checked_cells", "reproducibility"]

#: What another way of rounding may change. "to the digit": nothing. "to 1e-6": the digits beyond the sixth,
#: for computations in double precision that forget where they started (least squares, fixed points).
#: "to 1e-3": those beyond the third, for a thousand iterations in single precision from a given start.
#: "in distribution": all of them, for iterations that never settle and double each difference again and
#: again; the result is as good as that of another replicate, and no better.
REPRODUCIBLE = ("to the digit", "to 1e-6", "to 1e-3", "in distribution")


@dataclass(frozen=True)
class Experiment:
    """A figure or a table as a computation.

    Book: :doc:`/book/how_results`.

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
    reproducible : str or callable
        How nearly the same a cell is when it is computed again on another processor or with other libraries:
        one of :data:`REPRODUCIBLE`, or a function of the cell that returns one. On the same machine with the
        same libraries every cell is the same to the digit.
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
    reproducible: str | Callable[[dict[str, Any]], str] = "to 1e-6"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", self.name):
            raise ValueError(f"name must be lower-case letters, digits, - and _, got {shortened(self.name)}")
        check_integer("version", self.version, 1)
        for key in ("presets", "expected_seconds"):
            if not isinstance(getattr(self, key), Mapping):
                raise TypeError(f"{key} must be a dictionary, got {shortened(getattr(self, key))}")
        for key in ("cells", "compute", "claims", "cost"):
            function = getattr(self, key)
            if not callable(function) and (key, function is None) != ("cost", True):
                raise TypeError(f"{key} must be a function, got {shortened(function)}")
        if not isinstance(self.data_keys, list | tuple):
            raise TypeError(f"data_keys must be a tuple of names, got {shortened(self.data_keys)}")
        missing = {"quick", "full"} - set(self.presets)
        if missing:
            raise ValueError(f"presets of {self.name!r} lack {', '.join(sorted(missing))}")
        keys = {preset: set(settings) for preset, settings in self.presets.items()}
        if len({frozenset(value) for value in keys.values()}) > 1:
            raise ValueError(f"presets of {self.name!r} must have the same keys, got {keys}")
        if not callable(self.reproducible):
            check_choice("reproducible, unless it is a function,", self.reproducible, REPRODUCIBLE)
        if set(self.expected_seconds) != set(self.presets):
            raise ValueError(f"expected_seconds of {self.name!r} must have one entry per preset")


def reproducibility(experiment: Experiment, cell: dict[str, Any]) -> str:
    """Return which of :data:`REPRODUCIBLE` holds for a cell."""
    declared = experiment.reproducible
    return declared(cell) if callable(declared) else declared


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
