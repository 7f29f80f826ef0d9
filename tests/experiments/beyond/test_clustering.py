"""Snapshots of tokens that cluster: what a cell computes, and what the stored table says."""

import numpy as np
import pytest

from pairint.engine.experiment import checked_cells
from pairint.experiments import get, load_results
from pairint.experiments.beyond.clustering import DEGREES, EXPERIMENT, compute, start

CELL = {"law": "cap", "beta": 1.0, "n_tokens": 6, "n_samples": 30, "times": [0.0, 1.0, 4.0], "replicate": 0}


def test_a_cell_is_a_function_of_its_data():
    rows = compute(CELL)
    assert rows == compute(dict(CELL))
    assert [row["time"] for row in rows] == CELL["times"]
    assert rows[0]["error"] < 0.1 < rows[-1]["error"]
    assert rows[0]["price"] < rows[1]["price"] < rows[2]["price"]


def test_tokens_of_a_cap_are_no_more_than_a_right_angle_apart():
    for law, least in (("cap", -1e-12), ("sphere", -1.0)):
        X = start(law, 200, 8, np.random.default_rng(0))
        np.testing.assert_allclose(np.linalg.norm(X, axis=2), 1, atol=1e-14)
        u = X @ X.swapaxes(1, 2)
        assert u.min() >= least
    assert u.min() < -0.99 and abs(u[:, 0, 1].mean()) < 4 / np.sqrt(3 * 200)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"law": ["cube"]}, "law must be one of"),
        ({"beta": []}, "beta must be a list"),
        ({"beta": [-1.0]}, "beta must be >= 0"),
        ({"times": [1.0, 0.0]}, "times must increase"),
        ({"n_tokens": 2}, "n_tokens must be >= 3"),
        ({"n_samples": 1}, "n_samples must be >= 10"),
        ({"replicates": 0}, "replicates must be >= 1"),
    ],
)
def test_settings_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        EXPERIMENT.cells(dict(EXPERIMENT.presets["quick"]) | change)


def test_cells():
    assert len(checked_cells(EXPERIMENT, dict(EXPERIMENT.presets["full"]))) == 2 * 3 * 6
    assert get("clustering") is EXPERIMENT


# ------------------------------------------------------------------------------------ the stored table


def test_gaps_and_information_are_below_their_bounds():
    table = load_results("clustering")
    cap = table[table["law"] == "cap"]
    assert (cap["gap"] <= cap["gap_bound"] * (1 + 1e-4)).all()
    for degree in DEGREES:
        assert (table[f"least_{degree}"] <= table[f"bound_{degree}"]).all()


def test_waiting_pays_at_first_and_never_at_last():
    table = load_results("clustering")
    for _, line in table[(table["law"] == "sphere") & (table["beta"] == 1.0)].groupby("replicate"):
        price = line.set_index("time")["price"]
        assert 2 <= price.idxmin() <= 8 and price.min() < 0.6 * price[0]
        assert price[60.0] > 1e6
    cap = table[(table["law"] == "cap") & (table["beta"] == 1.0)].groupby("time")["price"].median()
    assert cap.idxmin() == 0


def test_claims_are_those_of_the_theorem():
    table = load_results("clustering")
    claims = EXPERIMENT.claims(table)
    rates = [claim for claim in claims if "rate" in claim.name]
    assert len(rates) >= 4
    assert {claim.theory_verdict for claim in rates} <= {"agrees", "close"}
    slower = table.copy()
    slower["least_1"] = slower["least_1"] ** 0.9
    assert "differs" in {claim.theory_verdict for claim in EXPERIMENT.claims(slower) if "rate" in claim.name}
