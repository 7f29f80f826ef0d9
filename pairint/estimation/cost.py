"""What a step of the way down must compute, and what each kind of operation takes where it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from pairint.kernels.dispatch import LONG_ROW
from pairint.kernels.projected import in_few_entries

__all__ = ["operations", "point_of", "priced"]


def operations(point: Mapping[str, int]) -> NDArray[np.float64]:
    """Return what a step does: operations by kind, and the number of outputs.

    Parameters
    ----------
    point : mapping
        ``M, N, d, r, K``.

    Returns
    -------
    array, shape (6,)
        Products with factors, work on pairs, on pairs of long rows, products of whole rows of the design;
        numbers of the tokens that are read; outputs. Where a row has few entries, their products are work on
        pairs.
    """
    n_tokens, n_columns = point["N"], point["K"] + 4
    pairs = (n_tokens - 1) * (8 * point["r"] + 32)
    few = in_few_entries(n_tokens, point["K"], 3)
    single, product = ((4 * (n_tokens - 1)) ** 2, 0) if few else (0, n_columns**2)
    by_pairs = (single, pairs) if n_tokens >= LONG_ROW else (single + pairs, 0)
    each = [12 * point["d"] * point["r"], *by_pairs, product, 3 * point["d"], 1]
    return point["M"] * n_tokens * np.array(each, dtype=float)


def point_of(row: Mapping[str, Any], point: Mapping[str, int]) -> dict[str, int]:
    """Return the point of a row of the record, which differs from another one in one number.

    Parameters
    ----------
    row : mapping
        ``changed`` and ``value``: which of ``M, N, d, r, K`` differs; with ``N`` the number of outputs
        ``M N`` is held.
    point : mapping
        ``M, N, d, r, K``.
    """
    at = {**point, row["changed"]: row["value"]}
    if row["changed"] == "N":
        at["M"] = point["M"] * point["N"] // row["value"]
    return at


def priced(
    rows: Sequence[Mapping[str, Any]], point: Mapping[str, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nanoseconds for each kind of operation and for an output, and the times that they predict.

    The prices are not negative, and least squares of relative errors of all rows.

    Parameters
    ----------
    rows, point
        ``changed``, ``value`` and ``step_ms``, as ``benchmarks/scaling.py`` records them; the point, as in
        :func:`point_of`.

    Returns
    -------
    prices : array, shape (6,)
    predicted : array, shape (rows,)
        In milliseconds.
    """
    counts = np.array([operations(point_of(row, point)) for row in rows])
    times = np.array([row["step_ms"] for row in rows], dtype=float)
    prices, _ = nnls(1e-6 * counts / times[:, None], np.ones(len(times)))
    return prices, 1e-6 * counts @ prices
