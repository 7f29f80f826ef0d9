r"""What the rate experiments share: one truth, one data set, several estimators, their errors.

A cell fixes the truth's kind and smoothness, ``d``, ``rank``, ``N``, ``sigma``, ``M`` and a replicate. The
truth is drawn from all of these but ``M``, so that the points of one line and one replicate belong to one
truth; the data are drawn from all of them. Estimators are compared on the same data.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.seeds import generator_for
from pairint.validation import check_choice, check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from pairint.model import AttentionModel

__all__ = [
    "DATA_KEYS",
    "TRUTH_KEYS",
    "check_settings",
    "compute",
    "cost",
    "draw_lines",
    "draw_selections",
    "effective_parameters",
    "exponents",
    "interval_growth",
    "matrix_share",
    "relative_slope_claims",
    "rule_intervals",
    "truth_cells",
    "truth_model",
]

TRUTH_KEYS = ("truth", "smoothness", "d", "rank", "n_tokens", "noise_std")
DATA_KEYS = (*TRUTH_KEYS, "n_samples")

#: Support of the spline truths and period of the rough ones: the largest score of one coordinate pair.
_BOUND = 3.0
_N_PAIRS = 200_000


def rule_intervals(n_samples: int, beta: float, constant: float) -> int:
    r"""Return :math:`K_M = \max(1, \mathrm{round}(c\, M^{1/(2\beta+1)}))`, the order of Theorem 3.1."""
    return max(1, round(constant * n_samples ** _interval_exponent(beta)))


def _interval_exponent(beta: float) -> float:
    return 1.0 / (2.0 * beta + 1.0)


def exponents(table: DataFrame, by: str) -> dict[Any, float]:
    """Return, for each value of the column ``by``, the exponent of 1/M of the theory for its ``beta``."""
    from pairint.theory import minimax_exponent

    return {value: minimax_exponent(beta) for value, beta in zip(table[by], table["beta"], strict=True)}


def truth_cells(truth: str, settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells of one kind of truth: the product of all the settings' lists, and the replicates."""
    return grid(
        truth=truth,
        smoothness=settings["smoothness"],
        d=settings["dimensions"],
        rank=settings["rank"],
        n_tokens=settings["n_tokens"],
        noise_std=settings["noise_std"],
        constant=settings["constant"],
        selection=settings["selections"],
        n_samples=settings["n_samples"],
        replicate=range(settings["replicates"]),
    )


def truth_model(cell: dict[str, Any]) -> AttentionModel:
    """Draw the truth of a cell: tokens on the cube, a coordinate matrix, a random activation.

    The law of the score is then the same in every dimension. Rough truths are dilated by a random factor
    in [1, 2): over the replicates no cell width is favoured by their octaves.
    """
    from pairint.model import (
        AttentionModel,
        GaussianNoise,
        RoughActivation,
        UniformCube,
        interaction_matrix,
        spline_activation,
    )

    rng = generator_for(cell, TRUTH_KEYS, "truth")
    matrix = interaction_matrix(cell["d"], cell["rank"], rng, kind="coordinate")
    bound = _BOUND * math.sqrt(cell["rank"])
    activation: Any
    if cell["truth"] == "spline":
        degree = int(cell["smoothness"])
        activation = spline_activation(degree, rng, bound=bound, n_intervals=degree + 3)
    else:
        activation = RoughActivation(cell["smoothness"], rng, bound=bound * 2.0 ** rng.uniform())
    return AttentionModel(activation, matrix, UniformCube(cell["d"]), GaussianNoise(cell["noise_std"]))


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit the estimators of a cell; one row for each.

    The cell's ``selection`` is ``"auto"`` (K from the data) or ``"rule"`` (K from :func:`rule_intervals`
    with the cell's ``beta`` and ``constant``).
    """
    from pairint.estimation import InteractionRegressor, OracleRegressor, interaction_error
    from pairint.experiments.solver import STORED_SOLVER, STORED_WEIGHT

    model = truth_model(cell)
    X, Y = model.sample(cell["n_samples"], cell["n_tokens"], generator_for(cell, DATA_KEYS))
    n_intervals: int | str = "auto"
    if cell["selection"] == "rule":
        n_intervals = rule_intervals(cell["n_samples"], cell["beta"], cell["constant"])
    degree = cell["degree"]
    estimators: dict[str, Any] = {
        "oracle": OracleRegressor(model.matrix, degree, n_intervals, selection_weight=STORED_WEIGHT)
    }
    if model.d > 1:  # in one dimension there is no matrix to learn, and the two coincide
        starts = generator_for(cell, DATA_KEYS, "starts")
        estimators["fit"] = InteractionRegressor(
            cell["rank"],
            degree,
            n_intervals,
            selection_weight=STORED_WEIGHT,
            solver=STORED_SOLVER,
            random_state=starts,
        )
    rows = []
    for name, estimator in estimators.items():
        began = time.perf_counter()
        estimator.fit(X, Y)
        seconds = time.perf_counter() - began
        exact = model.d == 1
        error = interaction_error(
            estimator,
            model,
            n_pairs=_N_PAIRS,
            rng=generator_for(cell, TRUTH_KEYS, "error"),
            method="quadrature" if exact else "monte_carlo",
        )
        rows.append(
            {
                "estimator": name,
                "error": error.value,
                "error_se": error.standard_error,
                "n_intervals": estimator.n_intervals_,
                "noise_estimate": estimator.noise_std_,
                "converged": bool(getattr(estimator, "converged_", True)),
                "n_iter": int(getattr(estimator, "n_iter_", 0)),
                "seconds": seconds,
            }
        )
    return rows


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return cell["n_samples"] * (1.0 + 0.002 * (cell["d"] * cell["rank"]) ** 2) + 1000.0


def effective_parameters(cell: dict[str, Any]) -> float:
    """Return how many coefficients the data of a cell determine: the trace of the oracle's hat matrix.

    At most ``K + s``, with ``K`` by the rule. It is less where the estimator's small penalty on second
    differences outweighs the data: in cells that few scores visit, and for splines of high degree, whose
    basis has combinations that are nearly zero.
    """
    from pairint.estimation import OracleRegressor

    model = truth_model(cell)
    X, Y = model.sample(cell["n_samples"], cell["n_tokens"], generator_for(cell, DATA_KEYS))
    n_intervals = rule_intervals(cell["n_samples"], cell["beta"], cell["constant"])
    return OracleRegressor(model.matrix, cell["degree"], n_intervals).fit(X, Y).dof_


def matrix_share(table: DataFrame, by: str | Sequence[str]) -> DataFrame:
    """Split the mean error of the fit into the oracle's and the rest, which is what the matrix costs.

    Parameters
    ----------
    table : DataFrame
        An experiment's table; lines without a fit (``d = 1``) are left out.
    by : str or sequence of str
        The columns that tell the lines apart.

    Returns
    -------
    DataFrame
        One row per line: the least-squares slopes of the logarithms of the two means (``function`` and
        ``matrix``), and the share of the second in the fit's error at the smallest and the largest ``M``.
    """
    import pandas as pd

    by = [by] if isinstance(by, str) else list(by)
    means = table.pivot_table(index=[*by, "n_samples"], columns="estimator", values="error").dropna()
    rows = []
    for key, line in means.groupby(by, sort=False):
        n_samples = line.index.get_level_values("n_samples").to_numpy(dtype=float)
        parts = {"function": line["oracle"], "matrix": line["fit"] - line["oracle"]}
        slopes = {name: np.polyfit(np.log(n_samples), np.log(part), 1)[0] for name, part in parts.items()}
        share = (parts["matrix"] / line["fit"]).to_numpy()
        ends = {f"share at M = {n_samples[i]:,.0f}": share[i] for i in (0, -1)}
        rows.append(dict(zip(by, key, strict=True)) | slopes | ends)
    return pd.DataFrame(rows)


def interval_growth(table: DataFrame) -> DataFrame:
    """Return with which power of M the oracle's number of cells grows, beside the theory's.

    Returns
    -------
    DataFrame
        One row per dimension and smoothness: ``theory``, which is ``1 / (2 beta + 1)``; ``exponent of K``
        with its 95 % bootstrap interval, ``low`` to ``high``; and whether the theory lies in it.
    """
    from pairint.engine.statistics import slope_table

    oracle = table[table["estimator"] == "oracle"]
    growth = slope_table(oracle, ["d", "smoothness", "beta"], y="n_intervals")
    growth["theory"] = growth["beta"].map(_interval_exponent)
    growth["theory inside"] = (growth["low"] <= growth["theory"]) & (growth["theory"] <= growth["high"])
    growth = growth.rename(columns={"slope": "exponent of K"})
    return growth[["d", "smoothness", "theory", "exponent of K", "low", "high", "theory inside"]]


def check_settings(settings: dict[str, Any], largest_smoothness: float) -> None:
    """Reject settings out of range, naming the key."""
    for key in ("n_samples", "dimensions", "smoothness", "selections"):
        if key in settings and (not isinstance(settings[key], Sequence) or len(settings[key]) == 0):
            raise ValueError(f"{key} must be a list with at least one value, got {settings[key]!r}")
    check_integer("rank", settings["rank"], 1)
    for value in settings["n_samples"]:
        check_integer("n_samples", value, 100, 10_000_000)
    for value in settings["dimensions"]:
        check_integer("dimensions", value, settings["rank"], 1000)
    for value in settings["smoothness"]:
        check_real("smoothness", value, 0.5, largest_smoothness)
    for value in settings["selections"]:
        check_choice("selections", value, ("rule", "auto"))
    check_integer("replicates", settings["replicates"], 1)
    check_integer("n_tokens", settings["n_tokens"], 2)
    check_real("noise_std", settings["noise_std"], 0.0)
    check_real("constant", settings["constant"], 0.0, exclusive_minimum=True)


def draw_lines(
    axes: Axes,
    table: DataFrame,
    by: str,
    label: str,
    estimators: Sequence[str] = ("fit", "oracle"),
) -> None:
    """Draw mean error against ``M``: one colour per value of ``by``, filled for fits, open for oracles.

    Bars are 95 % intervals of the mean over replicates; legends give the fitted slope and its interval. The
    dotted lines below the oracle's have the slope of the theory.
    """
    from pairint.engine.statistics import slope_table, summarize
    from pairint.figures.style import CYCLE, MARKERS, MUTED

    values, rates = sorted(table[by].unique()), exponents(table, by)
    slopes = slope_table(table, [by, "estimator"]).set_index([by, "estimator"])
    points = summarize(table, [by, "estimator", "n_samples"])
    for index, value in enumerate(values):
        for estimator in estimators:
            line = points[(points[by] == value) & (points["estimator"] == estimator)]
            line = line.sort_values("n_samples")
            if line.empty:
                continue
            slope = slopes.loc[(value, estimator)]
            text = f"{label} = {value:g}" + ("" if estimator == "fit" else f", {estimator}")
            text += f": slope {slope['slope']:.3f} [{slope['low']:.3f}, {slope['high']:.3f}]"
            open_marker = estimator != "fit"
            axes.errorbar(
                line["n_samples"],
                line["mean"],
                yerr=[line["mean"] - line["low"], line["high"] - line["mean"]],
                color=CYCLE[index % len(CYCLE)],
                marker=MARKERS[index % len(MARKERS)],
                markerfacecolor="white" if open_marker else CYCLE[index % len(CYCLE)],
                linestyle="--" if open_marker else "-",
                capsize=2,
                label=text,
            )
        fit = points[(points[by] == value) & (points["estimator"] == "oracle")].sort_values("n_samples")
        if len(fit):
            x = fit["n_samples"].to_numpy(dtype=float)
            guide = 0.5 * fit["mean"].iloc[0] * (x / x[0]) ** (-rates[value])
            axes.plot(x, guide, color=MUTED, linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("number of samples $M$")
    axes.set_ylabel(r"squared error $\|\hat g - g\|^2_{L^2(\rho)}$")
    axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.16))


def draw_selections(table: DataFrame, by: str, label: str, height: float) -> Figure:
    """Draw :func:`draw_lines` in one panel per choice of K."""
    from matplotlib.pyplot import figure as new_figure

    selections = list(dict.fromkeys(table["selection"]))
    figure = new_figure(figsize=(4.6 * max(len(selections), 1.4), height), layout="constrained")
    titles = {"rule": "$K$ by the rule $M^{1/(2\\beta+1)}$", "auto": "$K$ from the data"}
    panels = figure.subplots(1, len(selections), squeeze=False)[0]
    for axes, selection in zip(panels, selections, strict=True):
        draw_lines(axes, table[table["selection"] == selection], by, label)
        axes.set_title(f"Error, {titles[selection]}")
    return figure


def relative_slope_claims(
    table: DataFrame,
    by: str,
    source: str,
    published: dict[Any, float],
    tolerance: float,
    names: str,
) -> list[Claim]:
    """Return one claim per line: the slope of the mean error, against theory and the published value."""
    from pairint.engine.statistics import slope_table

    rates = exponents(table, by)
    claims = []
    for _, row in slope_table(table, [by, "estimator", "selection"]).iterrows():
        value = row[by]
        who = "estimator" if row["estimator"] == "fit" else "oracle (A known)"
        cells = "K by the rule" if row["selection"] == "rule" else "K from the data"
        # A spline truth is finite-dimensional: once K is free, neither the paper nor the rate speaks of it.
        bound = row["selection"] == "rule" or (table["truth"] == "rough").all()
        claims.append(
            Claim(
                name=f"slope, {names.format(value=value)}, {who}, {cells}",
                source=source,
                ours=float(row["slope"]),
                interval=(float(row["low"]), float(row["high"])),
                published=published.get(value) if bound and row["estimator"] == "fit" else None,
                expected=-rates[value] if bound else None,
                tolerance=tolerance,
            )
        )
    return claims
