"""Figure (b) of the minimax paper: the error against M for spline truths of several degrees.

The paper calls a B-spline of degree P a truth of smoothness beta = P - 1. Chosen here: d = 5, rank 1,
N = 3, noise 0.1; the estimator uses splines of the same degree P, on cells of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.experiments.minimax import curves, dimension

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT", "PUBLISHED_SLOPES"]

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

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    from matplotlib.pyplot import figure as new_figure

    selections = list(dict.fromkeys(table["selection"]))
    figure = new_figure(figsize=(4.6 * max(len(selections), 1.4), 6.4), layout="constrained")
    titles = {"rule": "$K$ by the rule $M^{1/(2\\beta+1)}$", "auto": "$K$ from the data"}
    exponents = {p: 2 * (p - 1) / (2 * p - 1) for p in table["smoothness"].unique()}
    for axes, selection in zip(
        figure.subplots(1, len(selections), squeeze=False)[0], selections, strict=True
    ):
        part = table[table["selection"] == selection]
        curves.draw_lines(axes, part, "smoothness", "$P$", exponents)
        axes.set_title(f"Error, {titles[selection]}")
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Compare the slopes with -2 beta / (2 beta + 1), beta = P - 1, and with the published ones."""
    expected = {p: -2 * (p - 1) / (2 * p - 1) for p in table["smoothness"].unique()}
    return curves.relative_slope_claims(
        table, "smoothness", "Figure (b)", expected, PUBLISHED_SLOPES, 0.05, "P = {value:g}"
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
