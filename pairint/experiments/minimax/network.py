"""Does a trained network reach the rate? The published pipeline beside the direct estimator.

The paper's curves come from networks trained by back-propagation, not from the empirical risk minimiser that
its theorem is about. Here the two are fitted to the same data: those of the experiment ``dimension``, cell
for cell, for its truths of degree 3 (beta = 2) and ``K`` by the rule. The pipeline gives two rows, the
spline of its last round (``network``) and the multilayer perceptron fitted to that spline (``mlp``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.experiments.minimax import curves, dimension
from pairint.experiments.minimax.smoothness import PUBLISHED_SLOPES

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT", "NAMES", "error_ratios"]

#: What the rows of a cell are called in figures and claims.
NAMES = {
    "network": "network pipeline, its spline",
    "mlp": "network pipeline, its MLP",
    "fit": "direct estimator",
    "oracle": "oracle (A known)",
}
#: Dimension of the experiment ``smoothness``, whose truths of degree 3 stand for Figure (b).
_FIGURE_B = 5

_SETTINGS: dict[str, Any] = {
    "dimensions": [5, 30],
    "smoothness": [3],
    "rank": 1,
    "n_tokens": 3,
    "noise_std": 0.1,
    "constant": 1.5,
    "selections": ["rule"],
}


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit the oracle, the estimator and the network pipeline to the data of a cell."""
    from pairint.estimation import NetworkRegressor, interaction_error
    from pairint.experiments.solver import STORED_WEIGHT
    from pairint.model import AttentionModel

    rows = curves.compute(cell)
    model = curves.truth_model(cell)
    data = generator_for(cell, curves.DATA_KEYS)
    X, Y = model.sample(cell["n_samples"], cell["n_tokens"], data)
    pipeline = NetworkRegressor(
        cell["rank"],
        cell["degree"],
        rows[0]["n_intervals"] if cell["selection"] == "rule" else "auto",
        selection_weight=STORED_WEIGHT,
        dtype="float64",  # so that other machines get the same digits, but for the last few
        random_state=generator_for(cell, curves.DATA_KEYS, "network"),
    )
    began = time.perf_counter()
    pipeline.fit(X, Y)
    seconds = time.perf_counter() - began
    for name, activation in (("network", pipeline.spline_), ("mlp", pipeline.network_)):
        error = interaction_error(
            AttentionModel(activation, pipeline.matrix_, model.tokens),
            model,
            rng=generator_for(cell, curves.TRUTH_KEYS, "error"),
        )
        rows.append(
            {
                "estimator": name,
                "error": error.value,
                "error_se": error.standard_error,
                "n_intervals": pipeline.n_intervals_,
                "noise_estimate": pipeline.noise_std_,
                "converged": pipeline.converged_,
                "n_iter": pipeline.n_iter_,
                "seconds": seconds,
            }
        )
    return rows


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell: the training, whose first part does not depend on M."""
    return cell["n_samples"] + 20_000.0


def error_ratios(table: DataFrame, estimator: str, by: str = "n_samples") -> DataFrame:
    """Return the error of an estimator over the direct estimator's, on the same data.

    Parameters
    ----------
    table : DataFrame
        The experiment's table.
    estimator : {"network", "mlp", "oracle"}
    by : {"n_samples", "d"}
        One row for each sample size, or one for all of them (their geometric mean, replicate by
        replicate).

    Returns
    -------
    DataFrame
        Columns ``d``, ``n_samples`` (if asked for), ``ratio``, and its 95 % interval ``low`` to ``high``
        (Student, of the mean logarithm over replicates).
    """
    import pandas as pd

    from pairint.engine.statistics import mean_interval

    keys = ["d", "replicate", "n_samples"]
    errors = table.pivot_table(index=keys, columns="estimator", values="error")
    logs = np.log(errors[estimator] / errors["fit"]).rename("ratio").reset_index()
    groups = ["d"] if by == "d" else ["d", "n_samples"]
    rows = []
    for key, group in logs.groupby(groups):
        means = group.groupby("replicate")["ratio"].mean().to_numpy()
        ratio, low, high = np.exp(mean_interval(means))
        rows.append(dict(zip(groups, key, strict=True)) | {"ratio": ratio, "low": low, "high": high})
    return pd.DataFrame(rows)


def plot(table: DataFrame) -> Figure:
    """Draw the errors against M, one panel per dimension, and the ratios to the direct estimator's."""
    from pairint.figures.style import picture

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    from pairint.engine.statistics import slope_table, summarize
    from pairint.figures.roles import colors_of
    from pairint.figures.style import CYCLE, MARKERS, MUTED, subplots
    from pairint.theory import minimax_exponent

    dimensions, colors = sorted(table["d"].unique()), colors_of(NAMES.values())
    figure, (*panels, last) = subplots(len(dimensions) + 1, 4.6)
    for d, axes in zip(dimensions, panels, strict=True):
        part = table[table["d"] == d]
        slopes = slope_table(part, "estimator").set_index("estimator")
        points = summarize(part, ["estimator", "n_samples"])
        for index, (estimator, label) in enumerate(NAMES.items()):
            line = points[points["estimator"] == estimator].sort_values("n_samples")
            slope = slopes.loc[estimator]
            axes.errorbar(
                line["n_samples"],
                line["mean"],
                yerr=[line["mean"] - line["low"], line["high"] - line["mean"]],
                color=colors[index],
                marker=MARKERS[index],
                linestyle="--" if estimator == "oracle" else "-",
                capsize=2,
                label=f"{label.removeprefix('network pipeline, ')}: slope {slope['slope']:.2f}",
            )
        # The theory's slope, beside the oracle's line.
        beta = float(part["beta"].iloc[0])
        oracle = points[points["estimator"] == "oracle"].sort_values("n_samples")
        x = oracle["n_samples"].to_numpy(dtype=float)
        guide = 0.5 * oracle["mean"].iloc[0] * (x / x[0]) ** -minimax_exponent(beta)
        axes.plot(x, guide, color=MUTED, linewidth=0.8, linestyle=":", label=r"slope $-2\beta/(2\beta+1)$")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("number of samples $M$")
        axes.set_ylabel(r"squared error $\|\hat g - g\|^2_{L^2(\rho)}$")
        axes.set_title(f"Both fits, $d = {d}$")
        axes.legend(fontsize="small")
    for estimator, linestyle in (("network", "-"), ("mlp", "--")):
        for index, (d, line) in enumerate(error_ratios(table, estimator).groupby("d")):
            last.errorbar(
                line["n_samples"],
                line["ratio"],
                yerr=[line["ratio"] - line["low"], line["high"] - line["ratio"]],
                color=CYCLE[index],
                marker=MARKERS[index],
                linestyle=linestyle,
                markerfacecolor="white" if estimator == "mlp" else CYCLE[index],
                capsize=2,
                label=f"{'spline' if estimator == 'network' else 'MLP'}, $d = {d}$",
            )
    last.axhline(1.0, color=MUTED, linewidth=0.8)
    last.set_xscale("log")
    last.set_xlabel("number of samples $M$")
    last.set_ylabel("error over the direct fit's")
    last.set_title("What training costs")
    last.legend(fontsize="small")
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Compare the pipeline's slopes with theory and paper, and its errors with the direct estimator's.

    The pipeline's spline and the estimator minimise the same risk over the same class: the ratio of their
    errors is one where the training reaches the minimum. The MLP is not bound to the rule's ``K``. It
    smooths the spline, and the truths are finite-dimensional: it may fall faster than the rate, which for it
    is a bound.
    """
    from pairint.engine.statistics import slope_table
    from pairint.theory import minimax_exponent

    result = []
    for _, row in slope_table(table, ["d", "smoothness", "estimator"]).iterrows():
        if row["estimator"] not in ("network", "mlp"):
            continue
        spline = row["estimator"] == "network"
        figure_b = spline and row["d"] == _FIGURE_B
        result.append(
            Claim(
                name=f"slope, d = {row['d']}, P = {row['smoothness']:g}, {NAMES[row['estimator']]}",
                source="Figure (b)" if figure_b else "Figure (a)" if spline else "Theorem 3.1",
                ours=float(row["slope"]),
                interval=(float(row["low"]), float(row["high"])),
                published=PUBLISHED_SLOPES.get(row["smoothness"]) if figure_b else None,
                expected=-minimax_exponent(row["smoothness"] - 1.0),
                tolerance=0.05,
                relation="equal" if spline else "at most",
            )
        )
    for estimator in ("network", "mlp"):
        result += [
            Claim(
                name=f"error over the direct estimator's, d = {row['d']:g}, {NAMES[estimator]}",
                source="our own comparison",
                ours=float(row["ratio"]),
                interval=(float(row["low"]), float(row["high"])),
                expected=1.0,
                tolerance=0.1,
                relation="equal" if estimator == "network" else "at most",
            )
            for _, row in error_ratios(table, estimator, by="d").iterrows()
        ]
    return result


EXPERIMENT = Experiment(
    name="network",
    title="The network pipeline beside the direct estimator",
    source="minimax paper, Figures (a) and (b): the way they were computed",
    version=1,
    presets={
        "quick": _SETTINGS | {"dimensions": [5], "n_samples": [1000, 3000], "replicates": 2},
        "full": _SETTINGS | {"n_samples": [1000, 3000, 10_000, 30_000], "replicates": 5},
    },
    cells=dimension.cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 40.0, "full": 650.0},
    data_keys=curves.DATA_KEYS,
    cost=cost,
)
