"""The constant in front of rd/M: what a cell computes, and what the stored table says."""

import numpy as np
import pytest

from pairint.engine.experiment import checked_cells
from pairint.experiments import get, load_results
from pairint.experiments.minimax.matrix_price import EXPERIMENT, Mixed, compute, constants

SETTINGS = dict(EXPERIMENT.presets["quick"])
CELL = {
    "activation": "odd", "d": 5, "rank": 1, "n_tokens": 3, "n_samples": 600, "noise_std": 0.1,
    "n_intervals": 10, "replicate": 0,
}  # fmt: skip


def test_cells():
    full = dict(EXPERIMENT.presets["full"])
    cells = checked_cells(EXPERIMENT, full)
    assert len(cells) == sum(shape[-1] for shape in full["shapes"]) and get("matrix_price") is EXPERIMENT
    assert max(cell["d"] for cell in cells) == 100 and max(cell["rank"] for cell in cells) == 10
    assert EXPERIMENT.cost(cells[-1]) > EXPERIMENT.cost(cells[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shapes": []}, "shapes must be a list"),
        ({"shapes": [[1, 2]]}, "shapes must hold"),
        ({"shapes": [["even", 5, 1, 3, 100, 1]]}, "activation must be one of"),
        ({"shapes": [["odd", 5, 6, 3, 100, 1]]}, "rank must be"),
        ({"shapes": [["odd", 5, 1, 1, 100, 1]]}, "n_tokens must be >= 2"),
        ({"noise_std": 0.0}, "noise_std must be > 0"),
        ({"n_intervals": 0}, "n_intervals must be >= 1"),
    ],
)
def test_settings_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        EXPERIMENT.cells(SETTINGS | change)


def test_mixed_has_its_derivative():
    u = np.linspace(-3, 3, 41)
    step = 1e-5
    slopes = (Mixed()(u + step) - Mixed()(u - step)) / (2 * step)
    assert Mixed().derivative(u) == pytest.approx(slopes, abs=1e-8)
    assert abs(Mixed()(2.0) - Mixed()(-2.0)) > 1 and abs(Mixed()(2.0) + Mixed()(-2.0)) > 0.5


def test_rows_of_a_cell():
    (row,) = compute(CELL)
    assert (row,) == tuple(compute(dict(CELL)))
    assert row["numbers"] == 8
    # Of eight directions, with 1800 outputs: the information of the drawn tokens is near its mean.
    assert row["predicted"] == pytest.approx(1.0, abs=0.25)
    unit = 8 * 0.01 * 2 / (600 * 3)
    assert row["constant"] == pytest.approx((row["error"] - row["oracle_error"]) / unit, rel=1e-9)


# ------------------------------------------------------------------------------------ the stored table


def test_the_constant_is_one_for_odd_activations():
    """Weighted by their intervals, the shapes agree on one, and reject a half and two."""
    found = constants(load_results("matrix_price"))
    odd = found[found["activation"] == "odd"]
    weight = 1 / (odd["high"] - odd["low"]) ** 2
    mean, error = np.average(odd["constant"], weights=weight), 1 / (4 * np.sqrt(weight.sum()))
    assert error < 0.03
    assert 0.9 < mean < 1.15  # a few percent of finite samples
    assert odd["n_tokens"].max() == 16
    largest = odd[(odd["d"] == 100) & (odd["rank"] == 10)].iloc[0]
    # As far from a half and from two as the others.
    assert largest["numbers"] == 1899 and largest["low"] > 0.5 and largest["high"] < 2.0


def test_constants_are_those_that_the_information_predicts():
    found = constants(load_results("matrix_price"))
    for _, line in found.iterrows():
        half = (line["ratio_high"] - line["ratio_low"]) / 2
        assert abs(line["ratio"] - 1) < 1.5 * half + 0.05, line


def test_a_long_context_is_cheaper_for_mixed_activations_only():
    found = constants(load_results("matrix_price")).set_index(["activation", "d", "rank", "n_tokens"])
    assert found.loc[("mixed", 20, 1, 16), "high"] < found.loc[("odd", 20, 1, 16), "low"]
    assert found.loc[("mixed", 20, 1, 16), "high"] < found.loc[("mixed", 20, 1, 2), "constant"]
