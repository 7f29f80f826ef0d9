"""What a step of the way down must compute, and what each kind of operation takes where it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from pairint.kernels.dispatch import LONG_ROW
from pairint.kernels.projected import in_few_entries

__all__ = ["operations", "priced"]

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
        ``changed``, ``value`` and ``step_ms``, as ``benchmarks/scaling.py`` records them; the point, as in
        :func:`operations`.

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
