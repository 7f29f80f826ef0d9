"""Figure (a) of the minimax paper: the error against M for embedding dimensions 1, 5 and 30.

Chosen here, because the sources at hand do not state it: rank 1, N = 3, noise 0.1, a spline truth of
degree 3 (beta = 2 in the paper's convention), tokens on the cube and a coordinate matrix, for which the
law of the score is the same in every dimension.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.experiments.minimax import curves
from pairint.validation import check_integer

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT", "decomposition_figure"]

_SETTINGS: dict[str, Any] = {
    "dimensions": [1, 5, 30],
    "smoothness": [3],
    "rank": 1,
    "n_tokens": 3,
    "noise_std": 0.1,
    "constant": 1.5,
}


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: degrees x dimensions x choices of K x sample sizes x replicates."""
    curves.check_settings(settings, 10)
    for degree in settings["smoothness"]:
        check_integer("smoothness", degree, 2)
    return [
        {
            **cell,
            "degree": int(cell["smoothness"]),
            "beta": cell["smoothness"] - 1.0,
            # In units of the degree: at M = 1000 the cells are then about as wide as the truth's own.
            "constant": cell["constant"] * cell["smoothness"],
        }
        for cell in curves.truth_cells("spline", settings)
    ]


def plot(table: DataFrame) -> Figure:
    """Draw the error against M, one line per dimension, the oracle dashed."""
    from pairint.figures.style import picture

    return picture(curves.draw_selections)(table, "d", "$d$", height=5.8)


def decomposition_figure(table: DataFrame, selection: str = "rule") -> Figure:
    """Draw what the matrix costs: the error of the fit minus the oracle's, on the same data.

    With ``K`` by the rule the function's term has the slope of theory, and the matrix's falls faster. With
    ``K`` from the data (``selection="auto"``) both fall nearly like ``1 / M``: a spline truth has
    finitely many parameters.

    Beside it the price ``sigma^2 (2 d r - r^2 - 1) (N - 1) / (M N)`` of as many parameters, each seen through
    the least visible direction: an upper guide, not a fit.
    """
    from pairint.figures.style import picture

    return picture(_draw_decomposition)(table[table["selection"] == selection])


def _draw_decomposition(table: DataFrame) -> Figure:
    from pairint.engine.statistics import summarize
    from pairint.figures.style import CYCLE, FIT, MARKERS, MATRIX, MUTED, ORACLE, subplots
    from pairint.theory.rates import matrix_dimension, parameter_price

    figure, (left, right) = subplots(2, 4.2)
    keys = ["d", "rank", "n_tokens", "noise_std", "n_samples", "replicate"]
    wide = table.pivot_table(index=keys, columns="estimator", values="error").dropna().reset_index()
    wide["matrix"] = wide["fit"] - wide["oracle"]
    largest = wide["d"].max()
    for index, (d, part) in enumerate(wide.groupby("d")):
        color, marker = CYCLE[index % len(CYCLE)], MARKERS[index % len(MARKERS)]
        points = summarize(part, "n_samples", y="matrix")
        yerr = [points["mean"] - points["low"], points["high"] - points["mean"]]
        left.errorbar(
            points["n_samples"], points["mean"], yerr=yerr, color=color, marker=marker, label=f"$d = {d}$"
        )
        first = part.iloc[0]
        parameters = matrix_dimension(d, int(first["rank"])) - 1
        price = [
            parameters * parameter_price(m, n_tokens=int(first["n_tokens"]), noise_std=first["noise_std"])
            for m in points["n_samples"].astype("int64")
        ]
        left.plot(points["n_samples"], price, color=color, linestyle=":")
    left.plot([], [], color=MUTED, linestyle=":", label="price of the parameters")
    left.set(
        title="What the matrix costs",
        xlabel="number of samples $M$",
        ylabel="error of the fit minus the oracle's",
        xscale="log",
        yscale="log",
    )
    left.legend()
    part = wide[wide["d"] == largest]
    shown = (
        ("fit", "fit", FIT),
        ("oracle", "oracle: the function", ORACLE),
        ("matrix", "the matrix", MATRIX),
    )
    for (column, label, color), marker in zip(shown, MARKERS, strict=False):
        points = summarize(part, "n_samples", y=column)
        right.plot(points["n_samples"], points["mean"], color=color, marker=marker, label=label)
    right.set(
        title=f"The two terms, $d = {largest}$",
        xlabel="number of samples $M$",
        ylabel="squared error",
        xscale="log",
        yscale="log",
    )
    right.legend()
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Compare the slopes with -2 beta / (2 beta + 1)."""
    result = []
    for smoothness, part in table.groupby("smoothness"):
        result += curves.relative_slope_claims(
            part, "d", "Figure (a)", {}, 0.05, "d = {value:g}, P = " + f"{smoothness:g}"
        )
    return result


EXPERIMENT = Experiment(
    name="dimension",
    title="Error against the number of samples for d = 1, 5, 30",
    source="minimax paper, Figure (a)",
    version=1,
    presets={
        "quick": _SETTINGS
        | {"n_samples": [1000, 3000, 10_000, 30_000], "replicates": 5, "selections": ["rule"]},
        "full": _SETTINGS
        | {
            "n_samples": [1000, 3000, 10_000, 30_000, 100_000],
            "replicates": 20,
            "selections": ["rule", "auto"],
        },
    },
    cells=cells,
    compute=curves.compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 60.0, "full": 900.0},
    data_keys=curves.DATA_KEYS,
    cost=curves.cost,
)
