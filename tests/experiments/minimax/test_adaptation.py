"""The price of not knowing: its cells, its rows, its penalties, and its tables of known ratios."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from pairint.engine.experiment import checked_cells
from pairint.experiments import load_results
from pairint.experiments.minimax.adaptation import (
    EXPERIMENT,
    LABELS,
    claims,
    compute,
    price_table,
    proved_penalty,
    rank_table,
)
from pairint.theory.covering import log_cover_interactions

CELL = {
    "beta": 2.0, "d": 3, "rank": 1, "n_tokens": 3, "noise_std": 0.2, "n_samples": 150, "replicate": 0,
}  # fmt: skip
SETTINGS = dict(EXPERIMENT.presets["quick"])


def table(ratios, replicates=4):
    """A table of lines of slope -1 in which each estimator has a fixed ratio to the known one."""
    rows = [
        {"beta": beta, "n_samples": m, "replicate": k, "estimator": name, "error": ratio * (k + 1) / m}
        | {"chosen_rank": 2 if name != "proved" else 1}
        for beta, m, k, (name, ratio) in itertools.product(
            (1.0, 2.0), (100, 1000), range(replicates), ratios.items()
        )
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("preset", ["quick", "full"])
def test_cells(preset):
    settings = EXPERIMENT.presets[preset]
    cells = checked_cells(EXPERIMENT, dict(settings))
    assert len(cells) == len(settings["beta"]) * len(settings["n_samples"]) * settings["replicates"]
    if preset == "full":
        assert settings["beta"][0] == 0.5 and settings["beta"][-1] == 4.0
        assert settings["n_samples"][-1] >= 10**1.5 * settings["n_samples"][0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": []}, "beta must be a list"),
        ({"beta": [4.5]}, "beta must be .*4.*got 4.5"),
        ({"n_samples": 1000}, "n_samples must be a list"),
        ({"n_samples": [10]}, "n_samples must be .*got 10"),
        ({"d": 2}, "d must be .*got 2"),
        ({"rank": 6}, "rank must be .*got 6"),
        ({"noise_std": 0.0}, "noise_std must be .*got 0"),
        ({"replicates": 0}, "replicates must be .*got 0"),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(ValueError, match=message):
        EXPERIMENT.cells(SETTINGS | change)


@pytest.mark.slow
def test_rows_of_a_cell():
    rows = compute(CELL)
    by_name = {row["estimator"]: row for row in rows}
    assert list(by_name) == ["oracle", *LABELS]
    assert by_name["known"]["n_intervals"] == by_name["auto_rank"]["n_intervals"]
    assert by_name["known"]["n_intervals"] == by_name["oracle"]["n_intervals"]
    assert by_name["known"]["chosen_rank"] == by_name["auto_cells"]["chosen_rank"] == 1
    assert all(0 < row["error_se"] < row["error"] < 1 for row in rows)
    again = compute(CELL)
    assert [{**row, "seconds": 0} for row in rows] == [{**row, "seconds": 0} for row in again]


def test_the_proved_penalty_by_hand():
    """The entropy at 1/M and twice the log of K r, over lambda M: lambda is 1 / Delta^2 here, Delta = 2B."""
    amplitudes = 2.0 ** (-2.0 * np.arange(40))
    bound = amplitudes.sum() / np.linalg.norm(amplitudes)
    assert 1 / (2 * bound) ** 2 < 3 / (4 * 0.2**2)
    entropy = log_cover_interactions(
        1 / 150, d=3, rank=2, n_intervals=5, degree=3, sup_bound=bound, support_ratio=3
    )
    expected = (entropy + 2 * math.log(10)) * (2 * bound) ** 2 / 150
    # The truth has fewer octaves than forty; what is left out is below 4**-13 of the sum.
    assert proved_penalty(5, 2, CELL) == pytest.approx(expected, rel=1e-6)


def test_prices():
    prices = price_table(table({"known": 1.0, "auto": 1.25, "penalised": 2.0}))
    assert list(prices.columns) == ["beta", "n_samples", "estimator", "ratio", "low", "high", "q90"]
    assert len(prices) == 2 * 2 * 2
    for _, row in prices.iterrows():
        expected = {"auto": 1.25, "penalised": 2.0}[row["estimator"]]
        assert [row["ratio"], row["low"], row["high"]] == pytest.approx([expected] * 3, rel=1e-12)


def test_a_price_is_taken_on_the_same_data():
    """In another order of the rows it is the same."""
    rows = table({"known": 1.0, "auto": 1.25})
    shuffled = rows.sample(frac=1.0, random_state=0)
    first, second = (
        price_table(part, ["beta"]).sort_values("beta")["ratio"].to_numpy() for part in (rows, shuffled)
    )
    assert first == pytest.approx(second, rel=1e-12)


def test_ranks_are_counted():
    counts = rank_table(table({"known": 1.0, "auto": 1.1, "proved": 9.0}))
    assert counts.loc["auto", 2] == 16 and counts.loc["auto", 1] == 0 and counts.loc["proved", 1] == 16


def test_the_proved_constants_take_the_smallest_model():
    """As the chapter says: nearly always one cell, rank one."""
    stored = load_results("adaptation").query("estimator == 'proved'")
    assert len(stored) > 0
    assert set(stored["chosen_rank"]) == {1} and set(stored["n_intervals"]) <= {1, 2}
    assert (stored["n_intervals"] > 1).sum() <= 1


def test_claims():
    made = {claim.name: claim for claim in claims(table({"known": 1.0, "auto": 1.25}))}
    price = made["error with K and rank chosen over that with both known, beta = 1"]
    assert price.ours == pytest.approx(1.25) and price.expected == 1.15 and price.relation == "at most"
    slope = made["slope, beta = 2, both chosen"]
    assert slope.ours == pytest.approx(-1.0) and slope.expected == pytest.approx(-0.8)
    assert len(made) == 2 + 4
