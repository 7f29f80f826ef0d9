"""Figure (b) of the minimax paper: the error against M for spline truths of several degrees.

The paper calls a B-spline of degree P a truth of smoothness beta = P - 1. Chosen here: d = 5, rank 1,
N = 3, noise 0.1; the estimator uses splines of the same degree P, on cells of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.experiments.minimax import curves, dimension

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT", "PUBLISHED_SLOPES", "coefficient_table"]

#: Slopes read off the published figure, by degree P.
PUBLISHED_SLOPES = {3: -0.81, 8: -0.899}

_SETTINGS: dict[str, Any] = {
    "dimensions": [5],
    "rank": 1,
    "n_tokens": 3,
    "noise_std": 0.1,
    "constant": 1.5,
}


def plot(table: DataFrame) -> Figure:
    """Draw the error against M, one line per degree, the oracle dashed, the theory's slope dotted."""
    from pairint.figures.style import picture

    return picture(curves.draw_selections)(table, "smoothness", "$P$", height=6.4)


def coefficient_table(table: DataFrame, settings: dict[str, Any] | None = None) -> DataFrame:
    """Compare the oracle's slope with that of the number of coefficients that the data determine, over M.

    Parameters
    ----------
    table : DataFrame
        The experiment's table, for the oracle's slopes.
    settings : dict, optional
        Those of the table; the full preset by default. The coefficients are counted with K by the rule, on
        the data of the first replicate (:func:`pairint.experiments.minimax.curves.effective_parameters`).

    Returns
    -------
    DataFrame
        One row per degree ``P``: the slope of the ``theory``; that of all ``K + s`` coefficients over ``M``,
        and of the determined ones; how many these are at the smallest and the largest ``M``; the oracle's
        slope with its interval, and whether the slope of the determined ones lies ``inside``.
    """
    import pandas as pd

    from pairint.engine.statistics import slope_table

    settings = dict(EXPERIMENT.presets["full"]) if settings is None else settings
    oracle = table[(table["selection"] == "rule") & (table["estimator"] == "oracle")]
    measured = slope_table(oracle, "smoothness").set_index("smoothness")
    rates = curves.exponents(oracle, "smoothness")
    lines: dict[int, list[tuple[int, int, float]]] = {}
    for cell in EXPERIMENT.cells(settings):
        if cell["selection"] == "rule" and cell["replicate"] == 0:
            intervals = curves.rule_intervals(cell["n_samples"], cell["beta"], cell["constant"])
            counts = (cell["n_samples"], intervals + cell["degree"], curves.effective_parameters(cell))
            lines.setdefault(cell["degree"], []).append(counts)
    rows = []
    for degree, line in sorted(lines.items()):
        n_samples, every, determined = np.array(sorted(line)).T
        slopes = [np.polyfit(np.log(n_samples), np.log(c / n_samples), 1)[0] for c in (every, determined)]
        found = measured.loc[degree]
        rows.append(
            {
                "P": degree,
                "theory": -rates[degree],
                "slope of (K + s)/M": slopes[0],
                "slope of determined/M": slopes[1],
                **{
                    f"determined of K + s, M = {n_samples[i]:,.0f}": f"{determined[i]:.0f} of {every[i]:.0f}"
                    for i in (0, -1)
                },
                "oracle's slope": f"{found['slope']:.3f} [{found['low']:.3f}, {found['high']:.3f}]",
                "inside": found["low"] <= slopes[1] <= found["high"],
            }
        )
    return pd.DataFrame(rows)


def claims(table: DataFrame) -> list[Claim]:
    """Compare the slopes with -2 beta / (2 beta + 1), beta = P - 1, and with the published ones."""
    return curves.relative_slope_claims(
        table, "smoothness", "Figure (b)", PUBLISHED_SLOPES, 0.05, "P = {value:g}"
    )


EXPERIMENT = Experiment(
    name="smoothness",
    title="Error against the number of samples for spline truths of degree P",
    source="minimax paper, Figure (b)",
    version=1,
    presets={
        "quick": _SETTINGS
        | {
            "smoothness": [3, 8],
            "n_samples": [1000, 3000, 10_000, 30_000],
            "replicates": 5,
            "selections": ["rule"],
        },
        "full": _SETTINGS
        | {
            "smoothness": [2, 3, 5, 8],
            "n_samples": [1000, 3000, 10_000, 30_000, 100_000],
            "replicates": 20,
            "selections": ["rule", "auto"],
        },
    },
    cells=dimension.cells,
    compute=curves.compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 30.0, "full": 2100.0},
    data_keys=curves.DATA_KEYS,
    cost=curves.cost,
)
