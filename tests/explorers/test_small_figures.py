"""The numbers of the small figures against independent computations."""

import numpy as np
import pytest

from pairint.explorers.small import EstimatorSteps
from pairint.explorers.small.steps import STARTS, oracle_error, recorded


@pytest.mark.parametrize("start", ["moments", "random"])
def test_the_steps_lead_to_the_oracle(start):
    """The matrix costs eight parameters beside 35 of the spline: less than half of the error more."""
    path = recorded(start)
    errors = np.array([r.error for r in path])
    assert [r.cells for r in path] == [8] * 6 + [16] * 2 + [32] * 2
    assert errors[-1] < 1.5 * oracle_error()
    assert errors[0] > 10 * errors[-1]
    doubled = [i for i, r in enumerate(path) if r.kind == "double"]
    assert doubled == [6, 8]
    for i in doubled:  # the matrix stays, the curve is finer
        assert path[i].matrix_error == pytest.approx(path[i - 1].matrix_error, rel=1e-9)
    assert path[6].error < path[5].error / 2


def test_one_start_is_caught():
    path = recorded("caught")
    assert path[-1].error > 100 * oracle_error()
    assert path[-1].matrix_error > 1


def test_the_three_starts_are_what_they_say():
    first = {start: recorded(start)[0].matrix_error for start in STARTS}
    assert first["moments"] < 0.1
    assert min(first["random"], first["caught"]) > 0.5


def test_the_shown_curve_is_the_spline_of_the_step():
    """A matrix and its negative are one interaction: the curve is drawn for the sign of the truth."""
    record = recorded("random")[-1]
    series = EstimatorSteps(step=9).numbers().series
    fitted = np.asarray(series["curve.fit"]["y"])
    truth = np.asarray(series["curve.truth"]["y"])
    middle = np.abs(series["curve.fit"]["x"]) < 1.5  # where nearly all scores are
    assert np.mean((fitted - truth)[middle] ** 2) < 10 * record.error
