"""The experiments on several heads and on the normaliser: cells, what is refused, stored tables."""

import numpy as np
import pandas as pd
import pytest
from pictures import check_complete

from pairint.engine.experiment import checked_cells
from pairint.experiments.beyond import normaliser, several_heads

HEADS = {
    "kind": "different",
    "n_heads": 2,
    "d": 4,
    "n_tokens": 3,
    "n_intervals": 6,
    "noise_std": 0.1,
    "n_samples": 300,
    "replicate": 0,
}
NORMALISER = {"d": 3, "n_tokens": 3, "n_intervals": 4, "noise_std": 0.1, "n_samples": 300, "replicate": 0}
CASES = {"several_heads": (several_heads, HEADS, 1), "normaliser": (normaliser, NORMALISER, 3)}


@pytest.mark.parametrize("name", CASES)
def test_a_cell_is_a_function_of_its_data(name):
    module, cell, n_rows = CASES[name]
    experiment = module.EXPERIMENT
    assert experiment.name == name
    rows = experiment.compute(cell)
    assert rows == experiment.compute(dict(cell)) and len(rows) == n_rows
    assert rows != experiment.compute(cell | {"replicate": 1})
    cells = checked_cells(experiment, dict(experiment.presets["full"]))
    assert all(experiment.cost(each) > 0 for each in cells)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("several_heads", {"kinds": []}, "kinds must be a list"),
        ("several_heads", {"kinds": ["odd"]}, "kinds must be"),
        ("several_heads", {"n_heads": [5]}, "n_heads must be"),
        ("several_heads", {"n_samples": [10]}, "n_samples must be >= 200"),
        ("several_heads", {"alike_samples": 10}, "alike_samples must be >= 200"),
        ("several_heads", {"noise_std": 0.0}, "noise_std must be > 0"),
        ("normaliser", {"n_tokens": []}, "n_tokens must be a list"),
        ("normaliser", {"n_tokens": [1]}, "n_tokens must be >= 2"),
        ("normaliser", {"n_samples": [10]}, "n_samples must be >= 200"),
        ("normaliser", {"noise_std": 0.0}, "noise_std must be > 0"),
    ],
)
def test_bad_settings(name, settings, message):
    experiment = CASES[name][0].EXPERIMENT
    with pytest.raises(ValueError, match=message):
        experiment.cells({**experiment.presets["quick"], **settings})


def heads_table(exponent=-1.0, share=1.0, spread=0.2):
    """Return a table with this slope and this share of success, and errors that scatter."""
    rng = np.random.default_rng(0)
    rows = []
    for kind in several_heads.KINDS:
        for n_heads in (2, 3, 4):
            for m in (500, 2000) if kind == "different" else (1000,):
                for replicate in range(20):
                    rows.append(
                        {
                            "kind": kind,
                            "n_heads": n_heads,
                            "n_samples": m,
                            "replicate": replicate,
                            "error": n_heads * (m / 2000) ** exponent / 2000 * np.exp(spread * rng.normal()),
                            "predicted": n_heads / m,
                            "found": replicate < 20 * share,
                        }
                    )
    return pd.DataFrame(rows)


def normaliser_table(exponent=0.0, factor=2.0):
    """Return a table in which the factor grows with this exponent."""
    rng = np.random.default_rng(1)
    rows = []
    for m in (500, 1200, 3000):
        for replicate in range(24):
            shared = np.exp(0.3 * rng.normal()) / m
            for arm in normaliser.ARMS:
                size = factor * (m / 3000) ** exponent if arm == "unknown" else 1.0
                rows.append(
                    {
                        "n_tokens": 4,
                        "n_samples": m,
                        "replicate": replicate,
                        "arm": arm,
                        "error": size * shared * np.exp(0.15 * rng.normal()),
                        "predicted": (2.0 if arm == "unknown" else 1.0) / m,
                    }
                )
    return pd.DataFrame(rows)


def test_the_pictures_are_complete():
    check_complete(several_heads.EXPERIMENT.plot(heads_table(share=0.6)))
    check_complete(normaliser.EXPERIMENT.plot(normaliser_table()))


def test_a_head_that_is_missed_is_not_called_found():
    class Head:
        def __init__(self, matrix):
            self.matrix = matrix

    one, two = np.eye(3), np.diag([1.0, -1.0, 0.0])
    truth = np.array([one, two]) / np.linalg.norm([one, two], axis=(1, 2), keepdims=True)
    assert several_heads.all_found([Head(-2 * two), Head(one)], truth)
    assert not several_heads.all_found([Head(one), Head(one)], truth)
    near = [truth[0], truth[0] + 0.1 * truth[1]]
    near[1] = near[1] / np.linalg.norm(near[1])
    # One fitted head is close to both true ones: it does not count twice.
    assert not several_heads.all_found([Head(truth[0]), Head(truth[1])], np.array(near))


def verdicts(module, table, *words):
    return {
        claim.theory_verdict
        for claim in module.EXPERIMENT.claims(table)
        if all(word in claim.name for word in words)
    }


def test_a_wrong_slope_a_wrong_size_and_missed_heads_are_seen():
    right = heads_table()
    assert verdicts(several_heads, right) == {"agrees"}
    assert verdicts(several_heads, heads_table(exponent=-0.6), "slope") == {"differs"}
    twice = right.assign(error=2 * right["error"])
    assert verdicts(several_heads, twice, "over that from information") == {"differs"}
    assert "agrees" not in verdicts(several_heads, heads_table(share=0.7), "share")


def test_the_share_has_the_interval_of_clopper_and_pearson():
    share, low, high = several_heads.found_share(heads_table(share=1.0), "alike", 2)
    assert share == high == 1.0 and low == pytest.approx(0.025 ** (1 / 20), rel=1e-6)
    share, low, high = several_heads.found_share(heads_table(share=0.5), "alike", 2)
    assert low < share == 0.5 < high


def test_the_slope_leaves_out_what_was_not_found():
    table = heads_table(share=0.5)
    worse = table.assign(error=np.where(table["found"], table["error"], table["error"] * table["n_samples"]))
    plain, same = (several_heads.found_slope(each, "different", 3) for each in (table, worse))
    assert plain.value == same.value and plain.n_replicates == 10


def test_a_factor_that_grows_and_a_wrong_factor_are_seen():
    slope = normaliser.factor_slope(normaliser_table(), 4)
    assert -normaliser.MARGIN < slope.low < 0.0 < slope.high < normaliser.MARGIN
    assert verdicts(normaliser, normaliser_table()) == {"agrees"}
    growing = normaliser.factor_slope(normaliser_table(exponent=0.5), 4)
    assert growing.low > normaliser.MARGIN
    assert verdicts(normaliser, normaliser_table(exponent=0.5), "exponent") == {"differs"}
    assert verdicts(normaliser, normaliser_table(factor=3.0), "largest") == {"differs"}
    found = normaliser.factors(normaliser_table())
    assert found["from information"].to_numpy() == pytest.approx(2.0)
    assert ((found["low"] < 2.0) & (found["high"] > 2.0)).mean() > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_quick_preset_runs(name):
    from pairint.engine import sweep

    module, _, n_rows = CASES[name]
    small = {"replicates": 2, "n_samples": [300]}
    if name == "several_heads":
        small |= {"kinds": ["alike"], "n_heads": [2], "alike_samples": 300}
    table = sweep.run(module.EXPERIMENT, "quick", overrides=small)
    assert len(table) == 2 * n_rows and table["error"].gt(0).all()
