"""Cells, refusals and judgements of the experiments on Adam and on counting, and the diagram's points."""

import numpy as np
import pandas as pd
import pytest
from experiment_checks import is_drawn_and_judged, refuses

from pairint.engine.experiment import checked_cells
from pairint.experiments import get, load_results
from pairint.experiments.beyond import adam, counting
from pairint.experiments.beyond.diagram import MISSED, STATES, TABLES, balance_points, diagram_points
from pairint.theory.rates import matrix_dimension

TRAINED = {
    "truth": "spline",
    "smoothness": 3,
    "degree": 3,
    "beta": 2.0,
    "d": 4,
    "rank": 1,
    "n_tokens": 3,
    "noise_std": 0.1,
    "constant": 4.5,
    "moment_steps": 20,
    "units": 0,
    "n_steps": [20, 40],
    "n_samples": 300,
    "replicate": 0,
}
COUNTED = {
    "activation": "tanh",
    "d": 4,
    "rank": 1,
    "n_tokens": 3,
    "noise_std": 0.01,
    "ratio": 6.0,
    "replicate": 0,
}
CELLS = {"adam": (adam, TRAINED, 8), "counting": (counting, COUNTED, 1)}


def without_times(rows):
    return pd.DataFrame(rows).drop(columns="seconds", errors="ignore")


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_a_function_of_its_data(name):
    module, cell, n_rows = CELLS[name]
    experiment = module.EXPERIMENT
    assert get(name) is experiment
    rows = without_times(experiment.compute(cell))
    pd.testing.assert_frame_equal(rows, without_times(experiment.compute(dict(cell))), check_exact=True)
    assert len(rows) == n_rows
    assert not rows.equals(without_times(experiment.compute(cell | {"replicate": 1})))
    cells = checked_cells(experiment, dict(experiment.presets["full"]))
    assert all(experiment.cost(each) > 0 for each in cells)


@pytest.mark.slow
def test_models_share_data_and_minimiser():
    """The tanh units see what the spline saw: the minimiser's rows are the same to the digit."""
    spline, units = (adam.compute(TRAINED | {"units": u, "n_steps": [5], "moment_steps": 5}) for u in (0, 3))
    assert spline[0]["error"] == units[0]["error"]
    assert [row["estimator"] for row in units] == ["erm", "adam", "adam by moments"]
    assert spline[1]["error"] != units[1]["error"]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("adam", {"units": []}, "units must be a list"),
        ("adam", {"n_steps": [0]}, "n_steps must be >= 1"),
        ("adam", {"moment_steps": 0}, "moment_steps must be >= 1"),
        ("adam", {"rank": 11}, "rank must be"),
        ("counting", {"ratios": [0.5]}, "ratios must be >= 1"),
        ("counting", {"shapes": [[4]]}, "shapes must hold"),
        ("counting", {"activations": ["relu"]}, "activations must be"),
    ],
)
def test_settings_out_of_range(name, change, message):
    refuses(name, change, message)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_stored_tables_are_drawn_and_judged(name):
    is_drawn_and_judged(name)


@pytest.mark.slow
def test_controls_of_the_stored_trainings():
    """From the minimiser it stays, from the truth it ends as near; a random start with few steps does not."""
    table = load_results("adam")
    erm = table[table["estimator"] == "erm"].set_index("cell")["error"]

    def ratios(name, column="error"):
        part = table[table["estimator"] == name]
        return part[column] / part["cell"].map(erm)

    assert ratios("adam from erm", "distance").mean() < 0.2
    assert ratios("erm from the truth", "distance").median() < 1e-3
    assert ratios("oracle").mean() < 1
    assert 0.8 < ratios("adam from the truth").mean() < 1.25
    shares = adam.strayed_shares(table)
    few = shares[shares["budget"] == shares["budget"].min()]["share"].mean()
    many = shares[shares["budget"] == shares["budget"].max()]["share"].mean()
    assert many < few
    assert np.all(adam.adam_ratios(table)["times"] > 0)


def test_points_of_the_diagram_come_from_their_tables():
    points = diagram_points()
    assert set(points["table"]) == set(TABLES)
    assert set(points["state"]) <= set(STATES)
    found = points["state"] == "recovered"
    assert np.all(points.loc[found, "missed"] <= MISSED)
    assert np.all(points.loc[points["state"] == "not recovered", "missed"] > MISSED)
    # The theorem: with fewer numbers than unknowns nothing is exact; a prior may leave a small error.
    assert not (found & (points["seen"] < 0.5 * points["numbers"])).any()
    heads = points[points["table"] == "head_recovery"]
    assert set(heads["numbers"]) == {32 * (2 * 384 - 1 - 32)}
    assert heads["seen"].min() == 1024 * 32


def test_counting_tells_which_part_is_larger():
    """And a wrong count does not: with d^2 for r (2d - r) - 1 the ratios are off by far more."""
    balance = balance_points()
    off = np.log(balance["measured"] / balance["counted"])
    wrong = np.log(balance["measured"] / (balance["d"].astype(float) ** 2 / balance["coefficients"]))
    assert off.std() < 0.5 * wrong.std()
    assert np.mean((balance["measured"] > 1) == (balance["counted"] > 1)) > 0.9
    row = balance.iloc[0]
    assert row["numbers"] == matrix_dimension(int(row["d"]), int(row["rank"])) - 1


def test_shares_and_halves_of_a_toy():
    rows = [
        {"activation": "tanh", "d": 4, "rank": 1, "ratio": ratio, "numbers": 15, "recovered": done}
        for ratio, done in ((1.0, False), (1.0, False), (2.0, True), (2.0, True), (4.0, True), (4.0, False))
    ]
    table = pd.DataFrame(rows)
    shares = counting.recovery_shares(table).set_index("ratio")
    assert shares["share"].tolist() == [0.0, 1.0, 0.5]
    assert shares.loc[1.0, "low"] == 0 and shares.loc[2.0, "high"] == 1
    assert np.all(shares["low"] <= shares["share"]) and np.all(shares["share"] <= shares["high"])
    assert counting.half_recovered(table)["ratio"].tolist() == [2.0]
    never = counting.half_recovered(table.assign(recovered=False))["ratio"]
    assert never.isna().all()
