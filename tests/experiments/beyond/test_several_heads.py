"""The experiments on several heads and on the normaliser: cells, what is refused, stored tables."""

import numpy as np
import pytest
from pictures import check_complete

from pairint.engine.experiment import checked_cells
from pairint.experiments import get, load_results
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
    assert get(name) is experiment
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
    experiment = get(name)
    with pytest.raises(ValueError, match=message):
        experiment.cells({**experiment.presets["quick"], **settings})


@pytest.mark.parametrize("name", CASES)
def test_the_picture_is_complete(name):
    check_complete(get(name).plot(load_results(name)))


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


def verdicts(table, name):
    return {claim.name: claim.theory_verdict for claim in get(name).claims(table)}


def test_a_wrong_slope_a_missed_head_and_a_growing_factor_are_seen():
    heads = load_results("several_heads")
    plain = {k: v for k, v in verdicts(heads, "several_heads").items() if k.startswith("slope")}
    assert set(plain.values()) == {"agrees"}
    slower = heads.assign(error=heads["error"] * heads["n_samples"] ** 0.3)
    found = {k: v for k, v in verdicts(slower, "several_heads").items() if k.startswith("slope")}
    assert set(found.values()) == {"differs"}
    missed = heads.assign(found=heads["found"] & (heads["replicate"] % 3 > 0))
    shares = {k: v for k, v in verdicts(missed, "several_heads").items() if "different" in k and "share" in k}
    assert "agrees" not in shares.values()
    table = load_results("normaliser")
    growing = table.assign(
        error=np.where(table["arm"] == "unknown", table["error"] * table["n_samples"] ** 0.5, table["error"])
    )
    slopes = [normaliser.factor_slope(growing, 4, against) for against in ("told", "mean")]
    assert all(slope.low > normaliser.MARGIN for slope in slopes)
    again = normaliser.factor_slope(table, 4, "mean")
    assert slopes[1].value == pytest.approx(again.value + 0.5, abs=1e-9)


def test_the_stored_factor_is_that_of_the_information():
    found = normaliser.factors(load_results("normaliser"))
    # All sample sizes pooled: the mean log ratio over the prediction, within four standard errors.
    for _, part in found.groupby(["n_tokens", "against"]):
        error = np.log(part["factor"] / part["from information"])
        spread = np.log(part["high"] / part["low"]) / (2 * 2.045)  # Student, 29 degrees of freedom
        assert abs(error.mean()) < 4 * np.sqrt((spread**2).sum()) / len(part)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_quick_preset_runs(name):
    from pairint.engine import sweep

    module, _, n_rows = CASES[name]
    small = {"replicates": 2, "n_samples": [300]}
    table = sweep.run(module.EXPERIMENT, "quick", overrides=small)
    assert len(table) == 2 * n_rows and table["error"].gt(0).all()
