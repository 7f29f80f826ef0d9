"""Pictures for the page on performance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import nnls

from pairint.figures.style import CYCLE, MARKERS, picture, subplots
from pairint.kernels.dispatch import LONG_ROW
from pairint.kernels.projected import in_few_entries

__all__ = ["operations", "priced", "scaling_figure"]

#: The terms that :func:`operations` counts, in order.
TERMS = ("factors", "pairs", "pairs of long rows", "spline", "numbers read", "outputs")


def operations(row: Mapping[str, Any], point: Mapping[str, int]) -> NDArray[np.float64]:
    """Return what a step does at a row of the record: operations by kind, and the number of outputs.

    Parameters
    ----------
    row : mapping
        ``changed`` and ``value``: which of ``M, N, d, r, K`` differs from the point; with ``N`` the number of
        outputs ``M N`` is held.
    point : mapping
        ``M, N, d, r, K``.

    Returns
    -------
    array, shape (6,)
        Products with factors, work on pairs, on pairs of long rows, products of whole rows of the design;
        numbers of the tokens that are read; outputs. Where a row has few entries, their products are work on
        pairs.
    """
    at = {**point, row["changed"]: row["value"]}
    if row["changed"] == "N":
        at["M"] = point["M"] * point["N"] // row["value"]
    pairs = (at["N"] - 1) * (8 * at["r"] + 32)
    few = in_few_entries(at["N"], at["K"], 3)
    single, product = ((4 * (at["N"] - 1)) ** 2, 0) if few else (0, (at["K"] + 4) ** 2)
    by_pairs = (single, pairs) if at["N"] >= LONG_ROW else (single + pairs, 0)
    each = [12 * at["d"] * at["r"], *by_pairs, product, 3 * at["d"], 1]
    return at["M"] * at["N"] * np.array(each, dtype=float)


def priced(
    rows: Sequence[Mapping[str, Any]], point: Mapping[str, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nanoseconds for each kind of operation and for an output, and the times that they predict.

    The prices are not negative, and least squares of relative errors of all rows.

    Parameters
    ----------
    rows, point
        As in :func:`scaling_figure`.

    Returns
    -------
    prices : array, shape (6,)
    predicted : array, shape (rows,)
        In milliseconds.
    """
    counts = np.array([operations(row, point) for row in rows])
    times = np.array([row["step_ms"] for row in rows], dtype=float)
    prices, _ = nnls(1e-6 * counts / times[:, None], np.ones(len(times)))
    return prices, 1e-6 * counts @ prices


@picture
def scaling_figure(rows: Sequence[Mapping[str, Any]], point: Mapping[str, int]) -> Figure:
    """Draw the time of a step and what the prices of its operations predict, one number changed at a time.

    Parameters
    ----------
    rows : sequence of mappings
        ``changed``, ``value`` and ``step_ms``, as ``benchmarks/scaling.py`` records them.
    point : mapping
        The point from which numbers are changed; it is among the rows of each.
    """
    figure, axis = subplots(1, 3.8)
    names = list(dict.fromkeys(row["changed"] for row in rows))
    _, predicted = priced(rows, point)
    for name, color, marker in zip(names, CYCLE, MARKERS, strict=False):
        here = [i for i, row in enumerate(rows) if row["changed"] == name]
        values = np.array([rows[i]["value"] / point[name] for i in here])
        axis.plot(
            values, [rows[i]["step_ms"] for i in here], marker, color=color, label=f"${name}$, measured"
        )
        axis.plot(values, predicted[here], color=color, ls="--", label=f"${name}$, priced count")
    axis.set(
        title="A step, one number changed at a time",
        xscale="log",
        yscale="log",
        xlabel="the number, over that of the point",
        ylabel="processor time / ms",
    )
    axis.legend(fontsize="x-small", ncols=2)
    return figure
