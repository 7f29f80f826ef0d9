"""Beyond the paper: truths that are rough at every scale, with K chosen from the data.

A spline truth has a few knots; between them it is a polynomial, and an imposed K makes the variance, and
with it the slope. Here bias and variance both matter, and nothing in the estimator knows beta.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.experiments.minimax import curves

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT"]

_SETTINGS: dict[str, Any] = {
    "smoothness": [1.0, 2.0, 3.0],
    "dimensions": [1, 5],
    "rank": 1,
    "n_tokens": 3,
    "noise_std": 0.1,
    "constant": 1.0,
    "selections": ["auto"],
}


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: smoothness x dimensions x sample sizes x replicates."""
    curves.check_settings(settings, 5)
    return [
        {**cell, "degree": max(3, round(cell["smoothness"])), "beta": cell["smoothness"]}
        for cell in curves.truth_cells("rough", settings)
    ]


def plot(table: DataFrame) -> Figure:
    """Draw the error against M, one panel per dimension, one line per smoothness."""
    from pairint.figures.style import picture

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    from matplotlib.pyplot import figure as new_figure

    dimensions = sorted(table["d"].unique())
    figure = new_figure(figsize=(4.6 * max(len(dimensions), 1.4), 5.8), layout="constrained")
    panels = figure.subplots(1, len(dimensions), squeeze=False, sharey=True)[0]
    for axes, d in zip(panels, dimensions, strict=True):
        # In one dimension there is no matrix to learn: the estimator and the oracle coincide.
        shown = ("oracle",) if d == 1 else ("fit", "oracle")
        curves.draw_lines(axes, table[table["d"] == d], "smoothness", r"$\beta$", shown)
        axes.set_title(f"Truths rough at every scale, $d = {d}$")
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Compare the slopes with -2 beta / (2 beta + 1), and the estimator with the oracle where the error is
    that of the activation: ``d = 5``, ``beta = 1``, ``M = 100,000``, if the table has them.
    """
    result = []
    for d, part in table.groupby("d"):
        result += curves.relative_slope_claims(
            part, "smoothness", "Theorem 3.1", {}, 0.03, "beta = {value:g}, " + f"d = {d}"
        )
    return result + _oracle_claims(table)


def _oracle_claims(table: DataFrame) -> list[Claim]:
    """Return the claim on the price of not knowing the matrix: the geometric mean over replicates."""
    from pairint.engine.statistics import geometric_mean_interval

    point = (table["d"] == 5) & (table["smoothness"] == 1.0) & (table["n_samples"] == 100_000)
    errors = table[point].pivot_table(index=["selection", "replicate"], columns="estimator", values="error")
    if errors.empty:
        return []
    ratios = errors["fit"] / errors["oracle"]
    result = []
    for selection, group in ratios.groupby("selection"):
        ratio, low, high = geometric_mean_interval(group.to_numpy())
        cells = "K by the rule" if selection == "rule" else "K from the data"
        result.append(
            Claim(
                name=f"error of the estimator over the oracle's, d = 5, beta = 1, M = 100,000, {cells}",
                source="our own target",
                ours=ratio,
                interval=(low, high),
                expected=1.15,
                relation="at most",
            )
        )
    return result


EXPERIMENT = Experiment(
    name="rough",
    title="Error against the number of samples for truths rough at every scale",
    source="minimax paper, Theorem 3.1 (our own experiment)",
    version=1,
    presets={
        "quick": _SETTINGS | {"dimensions": [1], "n_samples": [1000, 3000, 10_000, 30_000], "replicates": 5},
        "full": _SETTINGS | {"n_samples": [1000, 3000, 10_000, 30_000, 100_000], "replicates": 24},
    },
    cells=cells,
    compute=curves.compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 30.0, "full": 3000.0},
    data_keys=curves.DATA_KEYS,
    cost=curves.cost,
)
