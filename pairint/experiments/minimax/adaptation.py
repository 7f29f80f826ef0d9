r"""Beyond the paper: what it costs not to know the smoothness, and not to know the rank.

Truths that are rough at every scale, of index ``beta``, and a matrix of rank two with Gaussian factors. On
the same data: the number of cells and the rank known, one of them chosen from the data, both; and both chosen
by the penalty of the theorem, once with the constants that a proof gives, once with the constant one.

"Known" is a strong rival: its ``K`` is the one that makes the *true* error of the oracle smallest.
"""

from __future__ import annotations

import math
import time
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

    from pairint.model import AttentionModel

__all__ = ["EXPERIMENT", "LABELS", "price_table", "proved_penalty", "rank_table"]

_TRUTH_KEYS = ("beta", "d", "rank", "n_tokens", "noise_std")
_DATA_KEYS = (*_TRUTH_KEYS, "n_samples")
#: Cubic splines for all: their degree is at least beta - 1 up to beta = 4, and none of them knows beta.
_DEGREE = 3
#: Numbers of cells from which the known one and the penalised ones are taken, and the penalised ranks.
_CELLS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_RANKS = (1, 2, 3)
_N_PAIRS = 100_000

#: What each line knows.
LABELS = {
    "known": "K and rank known",
    "auto_cells": "rank known, K chosen",
    "auto_rank": "K known, rank chosen",
    "auto": "both chosen",
    "penalised": "penalty, constant 1",
    "proved": "penalty, proved constants",
}

_SETTINGS: dict[str, Any] = {"d": 5, "rank": 2, "n_tokens": 3, "noise_std": 0.3}


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: smoothness x sample sizes x replicates."""
    for key, least, most in (("beta", 0.5, 4.0), ("n_samples", 100, 1_000_000)):
        if not isinstance(settings[key], list | tuple) or len(settings[key]) == 0:
            raise ValueError(f"{key} must be a list with at least one value, got {settings[key]!r}")
        for value in settings[key]:
            check_real(key, value, least, most)
    for value in settings["n_samples"]:
        check_integer("n_samples", value)
    check_integer("d", settings["d"], max(_RANKS), 100)
    check_integer("rank", settings["rank"], 1, settings["d"])
    check_integer("n_tokens", settings["n_tokens"], 2)
    check_real("noise_std", settings["noise_std"], 0.0, exclusive_minimum=True)
    check_integer("replicates", settings["replicates"], 1)
    return grid(
        beta=settings["beta"],
        **{key: settings[key] for key in _SETTINGS},
        n_samples=settings["n_samples"],
        replicate=range(settings["replicates"]),
    )


def _truth(cell: dict[str, Any]) -> AttentionModel:
    from pairint.model import AttentionModel, GaussianNoise, RoughActivation, UniformCube, interaction_matrix

    rng = generator_for(cell, _TRUTH_KEYS, "truth")
    matrix = interaction_matrix(cell["d"], cell["rank"], rng)
    # Dilated at random: over the replicates no width of a cell is favoured by the octaves of the truth.
    activation = RoughActivation(cell["beta"], rng, bound=3.0 * 2.0 ** rng.uniform())
    return AttentionModel(activation, matrix, UniformCube(cell["d"]), GaussianNoise(cell["noise_std"]))


class _Yardstick:
    """The true error, on one sample of pairs for all estimators of a cell."""

    def __init__(self, cell: dict[str, Any], model: AttentionModel) -> None:
        pairs = model.tokens.sample(_N_PAIRS, 2, generator_for(cell, _TRUTH_KEYS, "error"))
        self.pairs = pairs[:, 0], pairs[:, 1]
        self.truth = model.interaction(*self.pairs)

    def squares(self, fit: Any) -> Any:
        """Return the squared differences of a fit."""
        return (fit.interaction(*self.pairs) - self.truth) ** 2


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit all estimators of :data:`LABELS` to the data of a cell, and the oracle; one row for each."""
    from pairint.estimation import InteractionRegressor, OracleRegressor
    from pairint.experiments.solver import STORED_SOLVER, STORED_WEIGHT

    model = _truth(cell)
    X, Y = model.sample(cell["n_samples"], cell["n_tokens"], generator_for(cell, _DATA_KEYS))
    yardstick = _Yardstick(cell, model)
    sizes = [k for k in _CELLS if 10 * (k + _DEGREE) <= Y.size]
    rows = []

    def fit(rank: int | str, n_intervals: int | str, **options: Any) -> tuple[Any, float]:
        rng = generator_for(cell, _DATA_KEYS, "starts")
        began = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what does not converge is counted
            estimator = InteractionRegressor(
                rank,
                _DEGREE,
                n_intervals,
                selection_weight=STORED_WEIGHT,
                solver=STORED_SOLVER,
                random_state=rng,
                **options,
            )
            estimator.fit(X, Y)
        return estimator, time.perf_counter() - began

    def note(name: str, estimator: Any, seconds: float) -> None:
        squares = yardstick.squares(estimator)
        rows.append(
            {
                "estimator": name,
                "error": float(squares.mean()),
                "error_se": float(squares.std(ddof=1) / math.sqrt(len(squares))),
                "n_intervals": estimator.n_intervals_,
                "chosen_rank": int(getattr(estimator, "rank_", cell["rank"])),
                "converged": bool(getattr(estimator, "converged_", True)),
                "seconds": seconds,
            }
        )

    began = time.perf_counter()
    oracles = [OracleRegressor(model.matrix, _DEGREE, k).fit(X, Y) for k in sizes]
    oracle = min(oracles, key=lambda estimator: float(yardstick.squares(estimator).mean()))
    note("oracle", oracle, time.perf_counter() - began)
    known = oracle.n_intervals_
    note("known", *fit(cell["rank"], known))
    auto_cells, auto_seconds = fit(cell["rank"], "auto")
    note("auto_cells", auto_cells, auto_seconds)
    note("auto_rank", *fit("auto", known))
    note("auto", *fit("auto", "auto"))
    began = time.perf_counter()
    by_rank = {r: auto_cells if r == cell["rank"] else fit(r, "auto", n_starts=0)[0] for r in _RANKS}
    risks = {(k, r): _risk(X, Y, estimator, k) for r, estimator in by_rank.items() for k in sizes}
    shared = time.perf_counter() - began + auto_seconds
    for name, penalty in (("penalised", _unit_penalty), ("proved", proved_penalty)):
        values = {(k, r): risk + penalty(k, r, cell) for (k, r), risk in risks.items()}
        size, rank = min(values, key=values.__getitem__)
        estimator, seconds = fit(rank, size)
        note(name, estimator, shared + seconds)
    return rows


def _risk(X: Any, Y: Any, fit: Any, n_intervals: int) -> float:
    """Return the empirical risk on ``K`` cells for the matrix of a fit, which was found with others."""
    from pairint.estimation import LeastSquaresProblem

    problem = LeastSquaresProblem(X, Y, _DEGREE, 0.1)
    left, right = fit.matrix_, np.eye(X.shape[2])
    return problem.solve(left, right, problem.space(left, right, n_intervals)).inner.residual / problem.n_rows


def _unit_penalty(n_intervals: int, rank: int, cell: dict[str, Any]) -> float:
    r"""Return the penalty of the theorem's form with the constant one: it is BIC's for a known noise.

    .. math:: \frac{\sigma^2 \log(MN)}{MN} \big[ K + s + r(2d - r) - 1 \big]
    """
    n_rows = cell["n_samples"] * cell["n_tokens"]
    dimension = n_intervals + _DEGREE + rank * (2 * cell["d"] - rank) - 1
    return cell["noise_std"] ** 2 * dimension * math.log(n_rows) / n_rows


def proved_penalty(n_intervals: int, rank: int, cell: dict[str, Any]) -> float:
    r"""Return the penalty of the theorem with the constants of the proof.

    .. math:: \frac{\mathcal{H}_{K,r}(1/M) + 2 \log(K r)}{\lambda M},
        \qquad \lambda = \min\{N / (4 \sigma^2), 1 / \Delta^2\}, \qquad \Delta = 2B,

    with the metric entropy of :func:`pairint.theory.covering.log_cover_interactions` and the bound ``B`` that
    a truth of index ``beta`` obeys. It knows ``B`` and ``sigma``, which an estimator would not.
    """
    from pairint.model import RoughActivation
    from pairint.theory.covering import log_cover_interactions

    n_samples, beta = cell["n_samples"], cell["beta"]
    amplitudes = 2.0 ** (-beta * np.arange(RoughActivation(beta, 0).n_terms or 1))
    bound = float(amplitudes.sum() / np.linalg.norm(amplitudes))
    temperature = min(cell["n_tokens"] / (4 * cell["noise_std"] ** 2), 1 / (2 * bound) ** 2)
    entropy = log_cover_interactions(
        1.0 / n_samples,
        d=cell["d"],
        rank=rank,
        n_intervals=n_intervals,
        degree=_DEGREE,
        sup_bound=bound,
        support_ratio=cell["d"],
    )
    return float(entropy + 2 * math.log(n_intervals * rank)) / (temperature * n_samples)


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return cell["n_samples"] + 4000.0


def price_table(table: DataFrame, by: list[str] | None = None) -> DataFrame:
    """Return the price of not knowing: the error over that of the known ``K`` and rank, on the same data.

    Parameters
    ----------
    table : DataFrame
        The experiment's table.
    by : list of str, optional
        What tells the lines apart besides the estimator; by default ``["beta", "n_samples"]``.

    Returns
    -------
    DataFrame
        One row per line: the geometric mean of the ratio with its 95 % bootstrap interval ``low`` to
        ``high``, and its ``q90``.
    """
    from pairint.engine.statistics import summarize

    by = ["beta", "n_samples"] if by is None else by
    keys = ["beta", "n_samples", "replicate"]
    known = table.loc[table["estimator"] == "known", [*keys, "error"]]
    others = table[table["estimator"].isin([name for name in LABELS if name != "known"])]
    pairs = others.merge(known, on=keys, how="left", suffixes=("", "_known"))
    pairs["log_ratio"] = np.log(pairs["error"] / pairs["error_known"])
    points = summarize(pairs, [*by, "estimator"], y="log_ratio")
    ratios = {name: np.exp(points[name]) for name in ("mean", "low", "high", "q90")}
    return points[[*by, "estimator"]].assign(**ratios).rename(columns={"mean": "ratio"})


def rank_table(table: DataFrame) -> DataFrame:
    """Return how often a search or a penalty chose each rank: one row per estimator, one column per rank."""
    chosen = table[table["estimator"].isin(["auto_rank", "auto", "penalised", "proved"])]
    counts = chosen.groupby(["estimator", "chosen_rank"], sort=False).size().unstack(fill_value=0)
    return counts.sort_index(axis=1)


def plot(table: DataFrame) -> Figure:
    """Draw the error against M, one panel for each smoothness, one line for each estimator."""
    from pairint.figures.style import picture

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    from matplotlib.pyplot import figure as new_figure

    from pairint.engine.statistics import summarize
    from pairint.figures.adaptation import ESTIMATORS
    from pairint.figures.style import MARKERS, MUTED
    from pairint.theory import minimax_exponent

    values = sorted(table["beta"].unique())
    rows = math.ceil(len(values) / 3)
    figure = new_figure(figsize=(9.2, 3.0 * rows + 0.8), layout="constrained")
    panels = figure.subplots(rows, min(3, len(values)), squeeze=False, sharex=True)
    points = summarize(table, ["beta", "estimator", "n_samples"])
    for axes, beta in zip(panels.ravel(), values, strict=False):
        here = points[points["beta"] == beta]
        for index, (name, label) in enumerate(LABELS.items()):
            line = here[here["estimator"] == name].sort_values("n_samples")
            color, marker = ESTIMATORS[name], MARKERS[index]
            axes.plot(line["n_samples"], line["mean"], color=color, marker=marker, label=label, alpha=0.85)
        known = here[here["estimator"] == "known"].sort_values("n_samples")
        x = known["n_samples"].to_numpy(dtype=float)
        guide = 0.5 * known["mean"].iloc[0] * (x / x[0]) ** -minimax_exponent(beta)
        axes.plot(x, guide, color=MUTED, linestyle=":", linewidth=0.8, label="the theory's slope")
        axes.set(title=rf"$\beta = {beta:g}$", xscale="log", yscale="log")
    for axes in panels.ravel()[len(values) :]:
        axes.set_axis_off()
    for axes in panels[-1]:
        axes.set_xlabel("number of samples $M$")
    for axes in panels[:, 0]:
        axes.set_ylabel("squared error")
    figure.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Return the price of choosing both, for each smoothness, and the slopes beside the theory's."""
    from pairint.engine.statistics import slope_table
    from pairint.theory import minimax_exponent

    prices = price_table(table, ["beta"])
    result = []
    for _, row in prices[prices["estimator"] == "auto"].iterrows():
        result.append(
            Claim(
                name=f"error with K and rank chosen over that with both known, beta = {row['beta']:g}",
                source="our own target",
                ours=float(row["ratio"]),
                interval=(float(row["low"]), float(row["high"])),
                expected=1.15,
                relation="at most",
            )
        )
    chosen = table[table["estimator"].isin(["known", "auto"])]
    for _, row in slope_table(chosen, ["beta", "estimator"]).iterrows():
        result.append(
            Claim(
                name=f"slope, beta = {row['beta']:g}, {LABELS[row['estimator']]}",
                source="Theorem 3.1",
                ours=float(row["slope"]),
                interval=(float(row["low"]), float(row["high"])),
                expected=-minimax_exponent(row["beta"]),
                tolerance=0.05,
            )
        )
    return result


EXPERIMENT = Experiment(
    name="adaptation",
    title="The price of not knowing the smoothness and the rank",
    source="minimax paper, Theorem 3.1 (our own experiment)",
    version=1,
    presets={
        "quick": _SETTINGS | {"beta": [1.0, 3.0], "n_samples": [200, 600], "replicates": 2},
        "full": _SETTINGS
        | {
            "beta": [0.5, 1.0, 1.5, 2.0, 3.0, 4.0],
            "n_samples": [250, 800, 2500, 8000],
            "replicates": 6,
        },
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 20.0, "full": 2100.0},
    data_keys=_DATA_KEYS,
    cost=cost,
)
