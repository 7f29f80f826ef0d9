"""What a cell of the experiments on bands, plans, cells and small ranks computes, and what they refuse."""

import numpy as np
import pandas as pd
import pytest
from experiment_checks import is_drawn_and_judged, refuses

from pairint.engine import sweep
from pairint.engine.experiment import checked_cells
from pairint.experiments import get
from pairint.experiments.beyond import cells_tail, coverage, effective, planning
from pairint.experiments.report import experiment_table

CELLS = {
    "coverage": (coverage, {"case": "rough 2", "noise_std": 0.3, "n_samples": 300, "replicate": 0}, 4),
    "planning": (
        planning,
        {"case": "tanh, d = 5, r = 1, N = 2", "noise_std": 0.3, "target": 1e-2, "part": 1.0, "replicate": 0},
        1,
    ),
    "effective_activation": (
        effective,
        {
            "activation": "exp",
            "law": "cube",
            "share": 0.6,
            "noise_std": 0.3,
            "n_tokens": 3,
            "n_samples": 300,
            "replicate": 0,
        },
        1,
    ),
    "cells_tail": (
        cells_tail,
        {
            "beta": 2.0,
            "d": 2,
            "n_tokens": 3,
            "noise_std": 0.3,
            "n_samples": 500,
            "weights": [1.0, 2.0],
            "replicate": 0,
        },
        2 + 19,
    ),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_a_function_of_its_data(name):
    module, cell, n_rows = CELLS[name]
    experiment = module.EXPERIMENT
    assert get(name) is experiment
    rows = experiment.compute(cell)
    assert rows == experiment.compute(dict(cell)) and len(rows) == n_rows
    assert rows != experiment.compute(cell | {"replicate": 1})
    cells = checked_cells(experiment, dict(experiment.presets["full"]))
    assert all(experiment.cost(each) > 0 for each in cells)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("coverage", {"cases": []}, "cases must be a list"),
        ("coverage", {"cases": ["rough 9"]}, "cases must be"),
        ("coverage", {"n_samples": [10]}, "n_samples must be >= 200"),
        ("coverage", {"noise_std": 0.0}, "noise_std must be > 0"),
        ("planning", {"parts": [0.0]}, "parts must be >= 0.1"),
        ("planning", {"target": 0.0}, "target must be > 0"),
        ("effective_activation", {"laws": ["square"]}, "laws must be"),
        ("effective_activation", {"share": 0.0}, "share must be > 0"),
        ("cells_tail", {"betas": [9.0]}, "betas must be"),
        ("cells_tail", {"learned": [0.5]}, "learned must be >= 1"),
        ("cells_tail", {"replicates": 0}, "replicates must be >= 1"),
    ],
)
def test_settings_out_of_range(name, change, message):
    refuses(name, change, message)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_stored_tables_are_drawn_and_judged(name):
    is_drawn_and_judged(name)


@pytest.mark.slow
def test_a_weight_makes_the_tail_thinner():
    """Smooth truths: the 95 % quantile does not rise, and the mean falls."""
    lines = cells_tail.tail_table(experiment_table(cells_tail.EXPERIMENT)[0])
    lines = lines[lines["M"] == lines["M"].min()].set_index(["beta", "weight"])
    assert lines.loc[(3.0, 1.4), "95 %"] <= lines.loc[(3.0, 1.0), "95 %"]
    assert lines.loc[(3.0, 1.4), "mean"] < lines.loc[(3.0, 1.0), "mean"]
    assert (lines["luckiest hindsight"] < 1).all() and lines.loc[(3.0, 1.0), "worst"] > 2


def test_a_larger_weight_never_chooses_more_cells():
    """The criterion with a larger charge: K is monotone in the weight (an exchange argument)."""
    rows = cells_tail.compute(CELLS["cells_tail"][1] | {"weights": [1.0, 1.4, 2.0, 3.0]})
    chosen = [row["n_intervals"] for row in rows if row["choice"] > 0]
    assert chosen == sorted(chosen, reverse=True)


def test_a_learned_matrix_has_the_same_data():
    """A row each weight, and the cells that the weight asks for; the data are those of the known matrix."""
    cell = CELLS["cells_tail"][1] | {"learned": True}
    rows = cells_tail.compute(cell)
    assert [row["choice"] for row in rows] == cell["weights"] and set(rows[0]) == {
        "choice", "n_intervals", "error",
    }  # fmt: skip
    assert rows[1]["n_intervals"] <= rows[0]["n_intervals"]
    table = pd.DataFrame([{**cell, **row, "replicate": k} for k in range(2) for row in rows])
    table = table.assign(error=table["error"] * np.where(table["choice"] > 1, 2.0, 1.0))
    lines = cells_tail.weight_table(table).set_index("weight")
    assert lines.loc[1.0, "mean"] == 1 and lines.loc[1.0, "better"] == 0
    ratio = 2 * rows[1]["error"] / rows[0]["error"]
    assert lines.loc[2.0, "mean"] == pytest.approx(ratio) and lines.loc[2.0, "worse"] == float(ratio > 1.1)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0, 4.0])
def test_the_price_of_a_weight_is_that_of_the_best_number_of_cells(beta):
    """Against a search over K; and weight one is free."""
    cells = np.geomspace(1, 1e4, 200_001)
    total = [cells ** (-2 * beta) + weight * 1e-4 * cells for weight in (1.0, 1.4)]
    taken = total[0][total[1].argmin()] / total[0].min()
    # A step of the grid is 4.6e-5 in log K; the minimum is flat, and where it is left the slope is below one.
    assert cells_tail.price_of_weight(1.4, beta) == pytest.approx(taken, rel=1e-4)
    assert 1 < taken < 1.015 and cells_tail.price_of_weight(1.0, beta) == pytest.approx(1.0)


@pytest.mark.slow
def test_a_broken_table_is_seen():
    table = experiment_table(cells_tail.EXPERIMENT)[0]
    worse = table.assign(error=np.where(table["choice"] == 1.4, 9 * table["error"], table["error"]))
    assert {claim.theory_verdict for claim in get("cells_tail").claims(worse)} == {"differs"}
    quick = sweep.run(coverage.EXPERIMENT, "quick", overrides={"replicates": 2, "n_samples": [300]})
    assert set(quick["refinement"]) == {1, 2, 3}
