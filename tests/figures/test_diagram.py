"""The pictures of the pages on the one diagram and on Adam are complete."""

import pandas as pd
import pytest
from pictures import check_complete

from pairint.figures import adam, diagram
from pairint.theory import Setting

SETTING = Setting(beta=2.0, n_tokens=3, noise_std=0.1, holder_constant=1.0, score_bound=3.0)
POINTS = pd.DataFrame(
    {
        "table": ["counting", "counting", "head_recovery", "dimension"],
        "what": ["tanh", "cosine", "layer 0", "d = 5"],
        "numbers": [20, 20, 20_000, 8],
        "seen": [60, 60, 40_000, 9000],
        "state": ["recovered", "not recovered", "not recovered", "function costs more"],
    }
)
SHARES = pd.DataFrame(
    {
        "activation": ["tanh"] * 2,
        "d": 8,
        "rank": 1,
        "numbers": 23,
        "ratio": [1.2, 3.0],
        "share": [0.2, 1.0],
        "low": [0.1, 0.7],
        "high": [0.5, 1.0],
    }
)
BALANCE = pd.DataFrame(
    {
        "table": ["dimension", "matrix_price"],
        "counted": [0.2, 4.0],
        "measured": [0.3, 4.4],
        "low": [0.2, 4.0],
        "high": [0.4, 5.0],
    }
)
ERRORS = pd.DataFrame(
    {
        "line": ["minimiser"] * 2 + ["Adam"] * 2,
        "n_samples": [500, 4000] * 2,
        "error": [1e-3, 2e-4, 2e-3, 1e-1],
    }
)
TRAINED = pd.DataFrame(
    {
        "line": ["Adam"] * 2,
        "n_samples": [500, 4000],
        "budget": 200,
        "ratio": [1.1, 30.0],
        "times": [20.0, 4.0],
    }
)
DRAWN = {
    "plane": lambda: diagram.diagram_figure(POINTS, [SETTING]),
    "recovery": lambda: diagram.recovery_figure(SHARES),
    "balance": lambda: diagram.balance_figure(BALANCE),
    "errors": lambda: adam.adam_figure(ERRORS, exponent=0.8),
    "times": lambda: adam.time_figure(TRAINED),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_picture_is_complete(name):
    check_complete(DRAWN[name](), gaps=True)


def test_every_picture_is_tried():
    drawn = [n for module in (diagram, adam) for n in module.__all__ if n.endswith("_figure")]
    assert len(DRAWN) == len(drawn)
