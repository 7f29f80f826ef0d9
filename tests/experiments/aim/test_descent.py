"""Gradient descent beside message passing and beside the exact posterior: cells, pairing, claims."""

import numpy as np
import pandas as pd
import pytest
from experiment_checks import is_drawn_and_judged, refuses

from pairint import experiments
from pairint.aim import exact_recovery_threshold
from pairint.experiments.aim import descent, posterior

CELL = {
    "channel": "softmax", "n_tokens": 2, "rho": 0.5, "alpha": 0.06, "fraction": 0.3, "d": 10,
    "method": "adam", "n_runs": 4, "device": "cpu", "replicate": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    "name", ["aim_descent", "aim_descent_published_size", "aim_descent_sizes", "aim_posterior"]
)
def test_stored_table(name):
    is_drawn_and_judged(name)


def test_methods_share_their_data():
    experiment = experiments.get("aim_descent")
    cells = experiment.cells(dict(experiment.presets["quick"]))
    assert len(cells) == 3 * 3 * 2
    assert not {"method", "n_runs", "device"} & set(experiment.data_keys)


def test_samples_at_one_are_the_equations_that_a_symmetric_matrix_takes():
    alpha = descent.samples_at(1.0, 5.0, d=20)  # two equations a sample, 20 * 21 / 2 entries
    assert alpha * 20**2 * 2 == pytest.approx(20 * 21 / 2, rel=1e-5)
    assert descent.samples_at(0.5, 0.5, d=10) == pytest.approx(0.55 * exact_recovery_threshold(0.5), rel=1e-5)


def test_the_gpu_preset_is_declared_and_has_cells():
    experiment = experiments.get("aim_descent")
    cells = experiment.cells(dict(experiment.presets["gpu"]))
    assert {cell["d"] for cell in cells} == {50, 100, 200} and {cell["device"] for cell in cells} == {"gpu"}
    assert set(descent.DYNAMICS) <= {cell["method"] for cell in cells}


def test_rows_carry_means_to_infinitely_many():
    rows = descent.compute(CELL)
    assert [row["steps"] for row in rows] == [500, 1000]
    for row in rows:  # what one run has more than infinitely many is the spread
        assert row["one_run"] == pytest.approx(row["error"] + row["spread"], rel=1e-9)
    (passing,) = descent.compute(CELL | {"method": "amp"})
    assert passing["bayes_finite"] == rows[0]["bayes_finite"] and np.isnan(passing["spread"])


def made_up(ratio, scatter):
    rows = []
    for replicate in range(8):
        wave = 1 + scatter * (-1) ** replicate
        for method, error in (("amp", 0.4), ("adam", 0.4 * ratio * wave)):
            rows.append(
                CELL
                | {"method": method, "replicate": replicate, "steps": 1000, "error": error}
                | {"estimator": "amp" if method == "amp" else "descent"}
                | {"one_run": 2 * error, "spread": error, "loss": 1e-5}
            )
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("ratio", "scatter", "expected"),
    [(1.01, 0.02, "agrees"), (1.3, 0.05, "differs"), (1.0, 0.3, "undecided"), (0.7, 0.05, "differs")],
)
def test_verdicts_follow_the_whole_interval(ratio, scatter, expected):
    (claim,) = descent.claims(made_up(ratio, scatter))
    assert claim.relation == "equivalent" and claim.theory_verdict == expected


def test_where_bayes_has_no_error():
    table = made_up(1.0, 0.0).assign(fraction=1.2)
    (claim,) = descent.claims(table)
    assert claim.expected == 0.0 and claim.ours == pytest.approx(0.8) and claim.theory_verdict == "differs"


def test_excess_is_a_ratio_of_means():
    rows = []
    for replicate, (bayes, excess) in enumerate([(0.2, 0.02), (0.4, 0.08), (0.3, 0.03)]):
        common = {"d": 16, "fraction": 0.5, "replicate": replicate}
        rows.append(common | {"estimator": "posterior", "spread": bayes, "excess": 0.0})
        rows.append(common | {"estimator": "adam", "spread": 2 * bayes, "excess": excess})
    (row,) = posterior.excess_table(pd.DataFrame(rows)).to_dict("records")
    assert row["ratio"] == pytest.approx(1 + 0.13 / 0.9) and row["spread_ratio"] == pytest.approx(2)
    assert row["low"] < row["ratio"] < row["high"]
    # The spreads are twice the posterior's in every layer: no scatter at all.
    assert row["spread_low"] == pytest.approx(2) and row["spread_high"] == pytest.approx(2)
    for one in rows:
        one["spread"] *= 1 + 0.1 * one["replicate"] * (one["estimator"] == "adam")
    (row,) = posterior.excess_table(pd.DataFrame(rows)).to_dict("records")
    assert row["spread_ratio"] == pytest.approx(2 * (0.2 + 0.4 * 1.1 + 0.3 * 1.2) / 0.9)
    assert row["spread_low"] < row["spread_ratio"] < row["spread_high"]


@pytest.mark.slow
def test_rows_beside_the_posterior():
    cell = {key: value for key, value in CELL.items() if key not in ("method", "device")}
    cell |= {"d": 6, "alpha": 0.1, "n_runs": 4, "n_draws": 40, "dynamics": ["adam", "equations"]}
    rows = {row["estimator"]: row for row in posterior.compute(cell)}
    assert set(rows) == {"posterior", "amp", "adam", "equations"}
    assert rows["posterior"]["residual"] < 1e-8 and rows["posterior"]["spread"] > 0


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("aim_descent", {"device": "tpu"}, "device must be"),
        ("aim_descent", {"rho": 0.0}, "rho must be > 0"),
        ("aim_posterior", {"fractions": [1.5]}, "fractions must be"),
        ("aim_posterior", {"dynamics": ["newton"]}, "dynamics must be"),
        ("aim_posterior", {"n_draws": 2}, "n_draws must be >= 8"),
    ],
)
def test_settings_out_of_range(name, change, message):
    refuses(name, change, message)


def test_unknown_dynamics():
    with pytest.raises(ValueError, match="dynamics must be"):
        descent.descent_options("newton")
