"""Beyond the papers: the error at the planned number of samples, and at a quarter of it, over the target."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.validation import check_choice, check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from pairint.model import AttentionModel
    from pairint.theory.planning import Plan

__all__ = ["CASES", "EXPERIMENT", "planned"]

#: Name -> activation, d, rank, N, and what the target is multiplied by. The first four are planned by
#: counting: their tanh is flat enough for the cells to follow it. The others are for the worst of a class.
CASES: dict[str, tuple[str, int, int, int, int]] = {
    "tanh, d = 5, r = 1, N = 2": ("tanh", 5, 1, 2, 1),
    "tanh, d = 20, r = 1, N = 3": ("tanh", 20, 1, 3, 1),
    "tanh, d = 10, r = 3, N = 3": ("tanh", 10, 3, 3, 1),
    "tanh, d = 10, r = 2, N = 8": ("tanh", 10, 2, 8, 1),
    "rough 1, d = 5, r = 1, N = 3": ("rough 1", 5, 1, 3, 30),
    "rough 2, d = 5, r = 1, N = 3": ("rough 2", 5, 1, 3, 30),
}
_DATA_KEYS = ("case", "noise_std", "target", "part")
_DEGREE, _CELLS = 3, 16
_N_PAIRS = 50_000


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: cases x parts of the planned samples x replicates."""
    for key in ("cases", "parts"):
        if not isinstance(settings[key], list | tuple) or len(settings[key]) == 0:
            raise ValueError(f"{key} must be a list with at least one value, got {settings[key]!r}")
    for case in settings["cases"]:
        check_choice("cases", case, tuple(CASES))
    for part in settings["parts"]:
        check_real("parts", part, 0.1, 2.0)
    for key in ("noise_std", "target"):
        check_real(key, settings[key], 0.0, exclusive_minimum=True)
    check_integer("replicates", settings["replicates"], 1)
    return grid(
        case=settings["cases"],
        noise_std=settings["noise_std"],
        target=settings["target"],
        part=settings["parts"],
        replicate=range(settings["replicates"]),
    )


def planned(cell: dict[str, Any]) -> tuple[AttentionModel, Plan]:
    """Return the truth of a cell and the plan for it."""
    from pairint.model import (
        AttentionModel,
        GaussianNoise,
        RoughActivation,
        Tanh,
        UniformCube,
        interaction_matrix,
    )
    from pairint.theory.planning import plan

    kind, d, rank, n_tokens, factor = CASES[cell["case"]]
    rng = generator_for(cell, ("case",), "truth")
    matrix = interaction_matrix(d, rank, rng)
    known: dict[str, Any] = {"n_intervals": _CELLS}
    activation: Any = Tanh(0.5)
    if kind.startswith("rough"):
        beta = float(kind.split()[1])
        activation = RoughActivation(beta, rng, bound=6.0)
        model = AttentionModel(activation, matrix, UniformCube(d))
        known = {
            "beta": beta,
            "holder_constant": activation.holder_constant(),
            "score_bound": model.score_bound,
        }
    model = AttentionModel(activation, matrix, UniformCube(d), GaussianNoise(cell["noise_std"]))
    return model, plan(
        d,
        rank,
        n_tokens=n_tokens,
        noise_std=cell["noise_std"],
        target=factor * cell["target"],
        degree=_DEGREE,
        **known,
    )


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit at a part of the planned samples; return the squared error over the target."""
    from pairint.estimation import InteractionRegressor, interaction_error
    from pairint.experiments.solver import STORED_SOLVER, STORED_WEIGHT

    model, what = planned(cell)
    rank, n_tokens = CASES[cell["case"]][2:4]
    n_samples = max(2, round(cell["part"] * what.n_samples))
    X, Y = model.sample(n_samples, n_tokens, generator_for(cell, _DATA_KEYS))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a quarter of the samples may be too few for the matrix
        fit = InteractionRegressor(
            rank,
            _DEGREE,
            "auto" if what.approximation_error else what.n_intervals,
            selection_weight=STORED_WEIGHT,
            solver=STORED_SOLVER,
            random_state=generator_for(cell, _DATA_KEYS, "starts"),
        ).fit(X, Y)
    error = interaction_error(fit, model, n_pairs=_N_PAIRS, rng=generator_for(cell, _DATA_KEYS, "error"))
    return [
        {
            "n_samples": n_samples,
            "n_intervals": fit.n_intervals_,
            "error": error.value,
            "ratio": error.value / what.target,
        }
    ]


def plot(table: DataFrame) -> Figure:
    """Draw error over target for each case, at the planned samples and at a quarter; bars are 95 %
    intervals."""
    from pairint.figures.style import picture

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    import numpy as np

    from pairint.engine.statistics import summarize
    from pairint.figures.style import CYCLE, MARKERS, MUTED, subplots

    figure, axis = subplots(1, 3.8)
    cases = list(dict.fromkeys(table["case"]))
    for i, part in enumerate(sorted(table["part"].unique(), reverse=True)):
        line = summarize(table[table["part"] == part], ["case"], y="ratio").set_index("case").loc[cases]
        axis.errorbar(
            line["mean"],
            np.arange(len(cases)) + 0.12 * (2 * i - 1),
            xerr=[line["mean"] - line["low"], line["high"] - line["mean"]],
            color=CYCLE[i],
            marker=MARKERS[i],
            ls="none",
            label="as planned" if part == 1 else f"{part:g} of the planned samples",
        )
    axis.axvline(1, color=MUTED, lw=1, label="the target")
    axis.set(
        title="Error at the planned number of samples",
        xscale="log",
        xlabel="squared error / target",
        ylabel="case",
        ylim=(len(cases) - 0.4, -0.6),
    )
    axis.set_yticks(range(len(cases)), cases)
    axis.legend(fontsize="small", loc="best")
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Compare the mean error with the target: reached as planned, missed at a quarter."""
    from pairint.engine.statistics import mean_interval

    result = []
    for case in dict.fromkeys(table["case"]):
        counted = not CASES[case][0].startswith("rough")
        for part, group in table[table["case"] == case].groupby("part"):
            mean, low, high = mean_interval(group["ratio"].to_numpy())
            if part == 1.0:
                result.append(
                    Claim(
                        name=f"squared error over target at the planned samples: {case}",
                        source="our own target",
                        ours=mean,
                        interval=(low, high),
                        expected=1.0,
                        tolerance=0.5 if counted else 0.0,
                        relation="equal" if counted else "at most",
                    )
                )
            elif part == 0.25 and counted:
                result.append(
                    Claim(
                        name=f"squared error over target at a quarter of the planned samples: {case}",
                        source="our own target (must miss)",
                        ours=mean,
                        interval=(low, high),
                        expected=2.0,
                        relation="at least",
                    )
                )
    return result


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    _, d, rank, n_tokens, _ = CASES[cell["case"]]
    return float(cell["part"] * rank * d * n_tokens**2 + 1)


_SETTINGS: dict[str, Any] = {"noise_std": 0.3, "target": 1e-3}

EXPERIMENT = Experiment(
    name="planning",
    title="The error at the planned number of samples, over the target",
    source="our own experiment",
    version=1,
    presets={
        "quick": _SETTINGS | {"cases": list(CASES), "parts": [1.0, 0.25], "replicates": 4},
        "full": _SETTINGS | {"cases": list(CASES), "parts": [1.0, 0.25], "replicates": 32},
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 8.0, "full": 90.0},
    data_keys=_DATA_KEYS,
    cost=cost,
)
