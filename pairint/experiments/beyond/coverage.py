"""Beyond the papers: how often intervals for g(x, y), and for new outputs, hold what they promise to hold.

A cell draws a matrix, an activation and data, fits once, and makes intervals on 1, 2 and 3 times as many
cells as were chosen, with the uncertainty of the matrix and without it. The share of random pairs whose
interval holds the truth is one number; replicates are averaged.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.validation import check_choice, check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from pairint.model import AttentionModel

__all__ = ["CASES", "EXPERIMENT", "LABELS", "coverage_table"]

#: Name of a case -> truth, law of the tokens, d, rank, N.
CASES: dict[str, tuple[str, str, int, int, int]] = {
    "rough 1": ("rough 1", "cube", 5, 1, 3),
    "rough 2": ("rough 2", "cube", 5, 1, 3),
    "rough 3": ("rough 3", "cube", 5, 1, 3),
    "tanh, Gaussian": ("tanh", "gauss", 5, 1, 3),
    "exp, sphere, N = 8": ("exp", "sphere", 5, 2, 8),
    "rough 2, d = 10, r = 2": ("rough 2", "gauss", 10, 2, 3),
    "rough 2, sphere, N = 10": ("rough 2", "sphere", 5, 1, 10),
}
#: What each line does: times as many cells, and whether the matrix is taken as known.
LABELS = {
    (1, "learned"): "K cells",
    (2, "learned"): "2K cells",
    (3, "learned"): "3K cells",
    (2, "as known"): "2K cells, matrix taken as known",
}
_TRUTH_KEYS = ("case", "noise_std")
_DATA_KEYS = (*_TRUTH_KEYS, "n_samples")
_DEGREE = 3
_N_PAIRS, _N_NEW = 1000, 200
#: Share of pairs at either end of the scores that counts as the tail.
_TAIL = 0.05


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: cases x sample sizes x replicates."""
    for key in ("cases", "n_samples"):
        if not isinstance(settings[key], list | tuple) or len(settings[key]) == 0:
            raise ValueError(f"{key} must be a list with at least one value, got {settings[key]!r}")
    for case in settings["cases"]:
        check_choice("cases", case, tuple(CASES))
    for value in settings["n_samples"]:
        check_integer("n_samples", value, 200, 1_000_000)
    check_real("noise_std", settings["noise_std"], 0.0, exclusive_minimum=True)
    check_integer("replicates", settings["replicates"], 1)
    return grid(
        case=settings["cases"],
        noise_std=settings["noise_std"],
        n_samples=settings["n_samples"],
        replicate=range(settings["replicates"]),
    )


def _truth(cell: dict[str, Any]) -> tuple[AttentionModel, int, int]:
    from pairint.model import (
        AttentionModel,
        Exponential,
        GaussianNoise,
        RoughActivation,
        Sphere,
        Tanh,
        TruncatedGaussian,
        UniformCube,
        interaction_matrix,
    )

    kind, law, d, rank, n_tokens = CASES[cell["case"]]
    rng = generator_for(cell, _TRUTH_KEYS, "truth")
    matrix = interaction_matrix(d, rank, rng)
    activation: Any
    if kind.startswith("rough"):
        # Dilated at random: no width of a cell is favoured by the octaves of the truth.
        activation = RoughActivation(float(kind.split()[1]), rng, bound=3.0 * 2.0 ** rng.uniform())
    else:
        activation = {"tanh": Tanh, "exp": Exponential}[kind]()
    tokens = {"cube": UniformCube, "gauss": TruncatedGaussian, "sphere": Sphere}[law](d)
    return AttentionModel(activation, matrix, tokens, GaussianNoise(cell["noise_std"])), rank, n_tokens


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit once; return one row for each line of :data:`LABELS`.

    ``coverage`` is the share of pairs whose 95 % interval holds ``g``, ``tails`` that among the ten percent
    with the outermost scores, ``width`` the mean length of the intervals, ``prediction`` the share of new
    outputs in their 95 % interval, ``noise_ratio`` the estimated standard deviation of the noise over the
    true one.
    """
    from pairint.estimation import InteractionRegressor
    from pairint.estimation.intervals import interaction_bands
    from pairint.experiments.solver import STORED_SOLVER, STORED_WEIGHT

    model, rank, n_tokens = _truth(cell)
    X, Y = model.sample(cell["n_samples"], n_tokens, generator_for(cell, _DATA_KEYS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what does not converge is counted
        starts = generator_for(cell, _DATA_KEYS, "starts")
        fit = InteractionRegressor(
            rank, _DEGREE, selection_weight=STORED_WEIGHT, solver=STORED_SOLVER, random_state=starts
        )
        fit.fit(X, Y)
    rng = generator_for(cell, _DATA_KEYS, "pairs")
    pairs = model.tokens.sample(_N_PAIRS, 2, rng)
    x, y = pairs[:, 0], pairs[:, 1]
    truth = model.interaction(x, y)
    scores = np.einsum("ni,ij,nj->n", x, model.matrix, y)
    low_tail, high_tail = np.quantile(scores, [_TAIL, 1 - _TAIL])
    tails = (scores < low_tail) | (scores > high_tail)
    X_new, Y_new = model.sample(_N_NEW, n_tokens, rng)
    rows = []
    for refinement, matrix in LABELS:
        bands = interaction_bands(fit, X, Y, refinement=refinement, matrix_known=matrix == "as known")
        low, high = bands.interval(x, y)
        inside = (low <= truth) & (truth <= high)
        first, last = bands.prediction_interval(X_new)
        rows.append(
            {
                "refinement": refinement,
                "matrix": matrix,
                "coverage": float(inside.mean()),
                "tails": float(inside[tails].mean()),
                "width": float((high - low).mean()),
                "prediction": float(((first <= Y_new) & (Y_new <= last)).mean()),
                "noise_ratio": bands.noise_std / cell["noise_std"],
                "n_intervals": fit.n_intervals_,
                "converged": bool(fit.converged_),
            }
        )
    return rows


def coverage_table(table: DataFrame) -> DataFrame:
    """Return, for each case and line, the mean coverage with its 95 % interval over replicates, and widths.

    All sample sizes are pooled. ``width`` is relative to that of the intervals on K cells, replicate by
    replicate.
    """
    import pandas as pd

    from pairint.engine.statistics import mean_interval

    keys = ["case", "n_samples", "replicate"]
    lines = {line: part.set_index(keys) for line, part in table.groupby(["refinement", "matrix"])}
    plain = lines[1, "learned"]["width"]
    rows = []
    for case in dict.fromkeys(table["case"]):
        for line, label in LABELS.items():
            part = lines[line][lines[line].index.get_level_values("case") == case]
            mean, low, high = mean_interval(part["coverage"].to_numpy())
            rows.append(
                {
                    "case": case,
                    "line": label,
                    "coverage": mean,
                    "low": low,
                    "high": high,
                    "tails": float(part["tails"].mean()),
                    "relative width": float((part["width"] / plain.loc[part.index]).mean()),
                    "prediction": float(part["prediction"].mean()),
                }
            )
    return pd.DataFrame(rows)


def plot(table: DataFrame) -> Figure:
    """Draw the coverage of each line for each case; bars are 95 % intervals over replicates."""
    from pairint.figures.style import picture

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    from pairint.figures.style import CYCLE, MARKERS, MUTED, subplots

    figure, axis = subplots(1, 4.2)
    lines = coverage_table(table)
    cases = list(dict.fromkeys(lines["case"]))
    for i, label in enumerate(LABELS.values()):
        part = lines[lines["line"] == label].set_index("case").loc[cases]
        axis.errorbar(
            part["coverage"],
            np.arange(len(cases)) + 0.16 * (i - 1.5),
            xerr=[part["coverage"] - part["low"], part["high"] - part["coverage"]],
            color=CYCLE[i],
            marker=MARKERS[i],
            ls="none",
            label=label,
        )
    axis.axvline(0.95, color=MUTED, lw=1, label="promised, 95 %")
    axis.set(
        title="How often a 95 % interval holds the truth",
        xlabel="share of pairs",
        ylabel="case",
        xlim=(0.58, 0.98),
        ylim=(len(cases) - 0.4, -0.6),
    )
    axis.set_yticks(range(len(cases)), cases)
    axis.legend(fontsize="small", loc="upper left")
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Compare the coverage of each case with 95 %, and of the two shortcuts with what they may not reach."""
    from pairint.engine.statistics import mean_interval

    result = []
    for case in dict.fromkeys(table["case"]):
        part = table[(table["case"] == case) & (table["refinement"] == 2) & (table["matrix"] == "learned")]
        for column, what in (("coverage", "g(x, y)"), ("prediction", "new outputs")):
            mean, low, high = mean_interval(part[column].to_numpy())
            result.append(
                Claim(
                    name=f"coverage of 95 % intervals on 2K cells, {what}: {case}",
                    source="our own target",
                    ours=mean,
                    interval=(low, high),
                    expected=0.95,
                    tolerance=0.02,
                )
            )
    for refinement, matrix in ((1, "learned"), (2, "as known")):
        part = table[
            table["case"].str.startswith("rough")
            & (table["refinement"] == refinement)
            & (table["matrix"] == matrix)
        ]
        if part.empty:
            continue
        mean, low, high = mean_interval(part["coverage"].to_numpy())
        result.append(
            Claim(
                name=f"coverage of 95 % intervals, {LABELS[refinement, matrix]}: all rough truths",
                source="our own target (a shortcut that must fail)",
                ours=mean,
                interval=(low, high),
                expected=0.93,
                relation="at most",
            )
        )
    return result


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    _, _, d, rank, n_tokens = CASES[cell["case"]]
    return float(cell["n_samples"] * n_tokens**2 * (rank * d) ** 2 + 1e6)


EXPERIMENT = Experiment(
    name="coverage",
    title="How often intervals for the interaction and for outputs hold the truth",
    source="our own experiment",
    version=1,
    presets={
        "quick": {"cases": ["rough 2"], "noise_std": 0.3, "n_samples": [1000], "replicates": 20},
        "full": {"cases": list(CASES), "noise_std": 0.3, "n_samples": [1000, 4000], "replicates": 200},
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 5.0, "full": 1200.0},
    data_keys=_DATA_KEYS,
    cost=cost,
)
