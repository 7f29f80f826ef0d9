"""Beyond the papers: how far the number of cells from cross-validation is from the best one.

With the matrix known: on the same data the error at the chosen ``K``, for several weights of a coefficient in
the criterion, over two yardsticks: the best ``K`` in hindsight, data set by data set, and the best fixed
``K``. And the error of the regressor that learns the matrix too, at each weight.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.validation import check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT", "price_of_weight", "tail_table", "weight_table"]

_DATA_KEYS = ("beta", "d", "n_tokens", "noise_std", "n_samples")
_DEGREE = 3
_PENALTY = 0.1
#: The numbers of cells that are held fixed: divisors of a grid.
_GRID = 240
_SIZES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 16, 20, 24, 30, 40, 48, 60, 80, 120)
_N_PAIRS = 20_000


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: smoothness x sample sizes x replicates."""
    for key in ("betas", "n_samples", "weights", "learned"):
        if not isinstance(settings[key], list | tuple) or (len(settings[key]) == 0 and key != "learned"):
            raise ValueError(f"{key} must be a list with at least one value, got {settings[key]!r}")
    for value in settings["betas"]:
        check_real("betas", value, 0.5, 4.0)
    for value in settings["n_samples"]:
        check_integer("n_samples", value, 500, 1_000_000)
    for value in settings["weights"]:
        check_real("weights", value, 1.0, 3.0)
    for value in settings["learned"]:
        check_real("learned", value, 1.0, 3.0)
    check_integer("replicates", settings["replicates"], 1)
    known = [
        {**cell, "weights": list(settings["weights"])}
        for cell in grid(
            beta=settings["betas"],
            d=5,
            n_tokens=3,
            noise_std=0.3,
            n_samples=settings["n_samples"],
            replicate=range(settings["replicates"]),
        )
    ]
    learned = [
        {**cell, "weights": list(settings["learned"]), "learned": True}
        for cell in sorted(known, key=lambda cell: int(cell["replicate"]))
        if settings["learned"]
    ]
    return known + learned


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the error at the chosen K for each weight, and at each fixed K.

    ``choice`` is the weight, or 0 for a fixed K; ``hindsight`` the smallest error of a fixed K on these data.
    Where the matrix is learned there is neither a fixed K nor a hindsight.
    """
    from scipy import sparse

    from pairint.estimation import InteractionRegressor, LeastSquaresProblem, choose_intervals
    from pairint.estimation.inner import solve_inner
    from pairint.estimation.problem import score_range
    from pairint.model import (
        AttentionModel,
        GaussianNoise,
        RoughActivation,
        SplineSpace,
        UniformCube,
        interaction_matrix,
    )

    d = cell["d"]
    rng = generator_for(cell, ("beta", "d"), "truth")
    matrix = interaction_matrix(d, 1, rng)
    activation = RoughActivation(cell["beta"], rng, bound=3.0 * 2.0 ** rng.uniform())
    model = AttentionModel(activation, matrix, UniformCube(d), GaussianNoise(cell["noise_std"]))
    X, Y = model.sample(cell["n_samples"], cell["n_tokens"], generator_for(cell, _DATA_KEYS))
    pairs = model.tokens.sample(_N_PAIRS, 2, generator_for(cell, _DATA_KEYS, "pairs"))
    x, y = pairs[:, 0], pairs[:, 1]
    truth = model.interaction(x, y)
    if cell.get("learned", False):
        rows = []
        for weight in cell["weights"]:
            fit = InteractionRegressor(
                selection_weight=weight, random_state=generator_for(cell, _DATA_KEYS, "starts")
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a fit with doubts counts as any other
                fit.fit(X, Y)
            wrong = float(np.mean((fit.interaction(x, y) - truth) ** 2))
            rows.append({"choice": weight, "n_intervals": fit.n_intervals_, "error": wrong})
        return rows
    scores = np.einsum("ni,ij,nj->n", x, matrix, y)
    problem = LeastSquaresProblem(X, Y, _DEGREE, _PENALTY)
    interval = score_range(X, matrix, np.eye(d))
    chosen = {
        w: choose_intervals(problem, matrix, np.eye(d), interval, weight=w).n_intervals
        for w in cell["weights"]
    }
    # Every K is a divisor of a grid, and its equations are those of the grid, restricted.
    grid_size = math.lcm(_GRID, *chosen.values())
    fine = SplineSpace(*interval, grid_size, _DEGREE)
    equations = problem.equations(matrix, np.eye(d), fine)

    def error(size: int) -> float:
        space, embedding = fine.coarsen(grid_size // size)
        inner = solve_inner(equations.restricted(sparse.csr_matrix(embedding)), space, _PENALTY)
        return float(np.mean((space.spline(inner.coefficients)(scores) - truth) ** 2))

    fixed = {size: error(size) for size in _SIZES}
    hindsight = min(min(fixed.values()), *(error(size) for size in chosen.values()))
    rows = [{"choice": w, "n_intervals": size, "error": error(size)} for w, size in chosen.items()]
    rows += [{"choice": 0.0, "n_intervals": size, "error": value} for size, value in fixed.items()]
    return [row | {"hindsight": hindsight} for row in rows]


def _parts(table: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Return the rows of the known matrix, and those of a learned one."""
    learned = table["learned"].notna() if "learned" in table else table["choice"] < 0
    return table[~learned], table[learned]


def tail_table(table: DataFrame) -> DataFrame:
    """Return, for each smoothness, sample size and weight, how the chosen K compares.

    ``median``, ``95 %`` and ``worst`` are of the error over the best in hindsight; ``mean`` is the mean error
    over that of the best fixed K.
    """
    import pandas as pd

    rows = []
    table, _ = _parts(table)
    for (beta, n_samples), part in table.groupby(["beta", "n_samples"]):
        fixed = part[part["choice"] == 0].groupby("n_intervals")["error"].mean().min()
        for weight, group in part[part["choice"] > 0].groupby("choice"):
            ratio = group["error"] / group["hindsight"]
            rows.append(
                {
                    "beta": beta,
                    "M": n_samples,
                    "weight": weight,
                    "median": ratio.median(),
                    "95 %": ratio.quantile(0.95),
                    "worst": ratio.max(),
                    "luckiest hindsight": group["hindsight"].min() / fixed,
                    "mean": group["error"].mean() / fixed,
                }
            )
    return pd.DataFrame(rows)


def weight_table(table: DataFrame) -> DataFrame:
    """Return, for each smoothness and weight, the errors of fits that learn the matrix too.

    In units of the mean error at weight one: ``mean``, with the 95 % interval of the mean of differences on
    the same data, ``95 %``, ``99 %`` and ``worst``. And the share of data sets that this weight makes better,
    and worse, by more than a tenth.
    """
    import pandas as pd

    rows = []
    _, part = _parts(table)
    for (beta, n_samples), group in part.groupby(["beta", "n_samples"]):
        errors = group.pivot_table(index="replicate", columns="choice", values="error")
        plain = errors[1.0]
        for weight in errors.columns:
            error = errors[weight]
            change = (error - plain) / plain.mean()
            margin = 1.96 * float(change.std()) / math.sqrt(len(change))
            rows.append(
                {
                    "beta": beta,
                    "M": n_samples,
                    "weight": weight,
                    "mean": 1 + change.mean(),
                    "low": 1 + change.mean() - margin,
                    "high": 1 + change.mean() + margin,
                    **{f"{q} %": error.quantile(q / 100) / plain.mean() for q in (50, 95, 99)},
                    "worst": error.max() / plain.mean(),
                    "better": (error < 0.9 * plain).mean(),
                    "worse": (error > 1.1 * plain).mean(),
                }
            )
    return pd.DataFrame(rows)


def price_of_weight(weight: float, beta: float) -> float:
    r"""Return what a weight costs where squared bias is a multiple of ``K ** (-2 beta)``, many cells needed.

    The best ``K`` for ``a K**(-2 beta) + w b K`` is that for ``w = 1`` times :math:`w^{-1/(2\beta+1)}`;
    of the least error :math:`1/(2\beta+1)` is bias and the rest variance.
    """
    check_real("weight", weight, 1.0)
    check_real("beta", beta, 0.0, exclusive_minimum=True)
    power = 1.0 / (2.0 * beta + 1.0)
    return power * weight ** (2.0 * beta * power) + (1.0 - power) * weight**-power


def plot(table: DataFrame) -> Figure:
    """Draw the share of data sets on which the error over the best in hindsight exceeds a number."""
    from pairint.figures.style import picture

    return picture(_draw)(_parts(table)[0])


def _draw(table: DataFrame) -> Figure:
    from pairint.figures.style import CYCLE, subplots

    betas = sorted(table["beta"].unique())
    figure, axes = subplots(len(betas), 3.6)
    least = table[table["n_samples"] == table["n_samples"].min()]
    for axis, beta in zip(np.atleast_1d(axes), betas, strict=True):
        part = least[(least["beta"] == beta) & (least["choice"] > 0)]
        for i, (weight, group) in enumerate(part.groupby("choice")):
            ratio = np.sort(group["error"] / group["hindsight"])
            share = 1 - np.arange(len(ratio)) / len(ratio)
            axis.step(ratio, share, where="pre", color=CYCLE[i], label=f"weight {weight:g}")
        axis.set(
            title=rf"$\beta = {beta:g}$, $M = {least['n_samples'].iloc[0]}$",
            xscale="log",
            yscale="log",
            xlim=(1, 10),
            xlabel="error / best in hindsight",
            ylabel="share of data sets beyond",
        )
        axis.set_xticks([1, 2, 5, 10], ["1", "2", "5", "10"])
        axis.minorticks_off()
    np.atleast_1d(axes)[0].legend(fontsize="small", loc="upper right")
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Compare the 95 % quantile of the smoothest truth with and without the weight, at the smallest M.

    And with the matrix learned the mean errors, with what the weight costs where many cells are needed.
    """
    lines = tail_table(table)
    part = lines[(lines["M"] == lines["M"].min()) & (lines["beta"] == lines["beta"].max())]
    part = part.set_index("weight")["95 %"]
    if not {1.0, 1.4} <= set(part.index):
        return []
    learned = [
        Claim(
            name=f"mean error with weight {row['weight']:g} over that with weight 1, matrix learned, beta = "
            f"{row['beta']:g}, M = {row['M']:,.0f}",
            source="the best number of cells for a weight",
            ours=row["mean"],
            interval=(row["low"], row["high"]),
            expected=price_of_weight(row["weight"], row["beta"]),
            relation="at most",
        )
        for row in weight_table(table).to_dict("records")
        if row["weight"] > 1
    ]
    return [
        *learned,
        Claim(
            name=f"95 % quantile of error over best in hindsight, weight 1.4 over weight 1, beta = "
            f"{lines['beta'].max():g}, M = {lines['M'].min():,}",
            source="our own target",
            ours=float(part[1.4] / part[1.0]),
            expected=1.0,
            relation="at most",
        ),
    ]


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return float(cell["n_samples"] + 2000)


EXPERIMENT = Experiment(
    name="cells_tail",
    title="The number of cells from cross-validation against the best one, and a weight that makes it safer",
    source="our own experiment",
    version=1,
    presets={
        "quick": {
            "betas": [3.0],
            "n_samples": [1000],
            "weights": [1.0, 1.4, 2.0],
            "replicates": 60,
            "learned": [],
        },
        "full": {
            "betas": [1.0, 2.0, 3.0],
            "n_samples": [1000],
            "weights": [1.0, 1.4, 2.0],
            "replicates": 200,
            "learned": [1.0, 1.4],
        },
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 5.0, "full": 400.0},
    data_keys=_DATA_KEYS,
    cost=cost,
)
