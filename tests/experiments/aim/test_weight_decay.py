"""Minimisers with weight decay: their cells, what a cell finds, what is carried on, verdicts."""

import numpy as np
import pandas as pd
import pytest
from experiment_checks import is_drawn_and_judged, refuses

from pairint import experiments
from pairint.aim import weight_decay as equations
from pairint.experiments.aim import weight_decay

CELL = {
    "channel": "linear", "rho": 0.5, "noise": 0.2, "alpha": 0.2, "decay": 0.2, "d": 12, "replicate": 0,
}  # fmt: skip


def test_stored_table():
    is_drawn_and_judged("aim_weight_decay")


def test_points_have_data_of_their_own():
    experiment = experiments.get("aim_weight_decay")
    cells = experiment.cells(dict(experiment.presets["quick"]))
    assert len(cells) == 3 * (6 + 4)
    assert set(CELL) - {"replicate"} == set(experiment.data_keys)


def test_a_cell():
    (row,) = weight_decay.compute(CELL)
    theory = equations(0.2, 0.5, 0.2, "linear", noise=0.2)
    assert row["theory_error"] == theory.error and row["theory_rank"] == theory.rank
    assert row["converged"] and 0 < row["positive"] < 12
    # The decay takes: with more of it the matrix is smaller, and the labels are left further off.
    (more,) = weight_decay.compute(CELL | {"decay": 1.0})
    assert more["trace"] < row["trace"] and more["loss"] > row["loss"]
    # Noise of the labels cannot be fitted for nothing: a twentieth of it leaves less.
    (quiet,) = weight_decay.compute(CELL | {"noise": 0.01})
    assert quiet["loss"] < row["loss"] and quiet["error"] < row["error"]


def made_up(limit, slope, scatter=0.01):
    """Cells whose ratios to the theory are ``limit + slope / d``, but for a scatter."""
    rng = np.random.default_rng(0)
    rows = []
    for decay in (0.1, 0.2, 0.4, 0.8):
        for d in (50, 100):
            for replicate in range(8):
                ratio = limit + slope / d + scatter * rng.standard_normal()
                rows.append(
                    CELL
                    | {"decay": decay, "d": d, "replicate": replicate, "converged": True}
                    | {
                        "error": 0.4 * ratio,
                        "loss": 0.1 * ratio,
                        "trace": 0.7 * ratio,
                        "positive": 0.5 * d * ratio,
                    }
                    | {"theory_error": 0.4, "theory_loss": 0.1, "theory_trace": 0.7, "theory_rank": 0.5}
                )
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("limit", "slope", "expected"),
    [(1.0, 5.0, "agrees"), (1.0, -5.0, "agrees"), (1.1, 0.0, "differs"), (0.9, 5.0, "differs")],
)
def test_what_vanishes_like_one_over_d_is_forgiven_and_a_bias_is_not(limit, slope, expected):
    claims = weight_decay.claims(made_up(limit, slope))
    assert [claim.theory_verdict for claim in claims] == [expected] * 4 + ["agrees"]
    ratios = weight_decay.carried_ratios(made_up(limit, slope, scatter=0.0))
    assert ratios["carried"].to_numpy() == pytest.approx(limit) and len(ratios) == 4 * 4


def test_minimisers_that_do_not_rest_are_counted():
    table = made_up(1.0, 0.0)
    table.loc[0, "converged"] = False
    assert weight_decay.claims(table)[-1].theory_verdict == "differs"


def test_sizes():
    with pytest.raises(ValueError, match="two sizes, one twice the other, got 50 and 120"):
        weight_decay.carried_ratios(made_up(1.0, 0.0).replace({"d": {100: 120}}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"channel": "hardmax"}, "channel must be"),
        ({"rho": 0.0}, "rho must be > 0"),
        ({"noise": -1.0}, "noise must be >= 0"),
        ({"channel": "softmax"}, "noise must be 0 for softmax labels"),
        ({"alphas": [0.0]}, "alphas must be > 0"),
        ({"decays": [0.0]}, "decays must be > 0"),
    ],
)
def test_bad_plans(change, message):
    line = {"channel": "linear", "rho": 0.5, "noise": 0.2, "alphas": [0.2], "decays": [0.1]}
    refuses("aim_weight_decay", {"plan": [line | change]}, message)
