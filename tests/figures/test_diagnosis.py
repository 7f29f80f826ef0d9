"""The picture of a diagnosis: its lines are lines, from the largest leverage to the smallest."""

import dataclasses

import numpy as np
import pytest

from pairint.estimation import OracleRegressor
from pairint.figures.diagnosis import diagnosis_figure
from pairint.figures.layout import DENSE
from pairint.model import AttentionModel, GaussianNoise, Tanh, UniformCube, interaction_matrix


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    matrix = interaction_matrix(3, 1, rng)
    X, Y = AttentionModel(Tanh(), matrix, UniformCube(3), GaussianNoise(0.1)).sample(200, 3, rng)
    return OracleRegressor(matrix, n_intervals=4).fit(X, Y).diagnose(X, Y)


@pytest.mark.parametrize("count", [0, 1, 7, 5 * DENSE])
def test_many_leverages_are_still_a_line(found, count):
    """More points than a drawing takes would be an image, with the colours of one theme."""
    leverage = np.linspace(1.0, 0.25, count)
    figure = diagnosis_figure({"a fit": dataclasses.replace(found, leverage=leverage[::-1])})
    line = figure.axes[1].lines[0]
    where, heights = line.get_xdata(), line.get_ydata()
    assert len(where) <= DENSE
    assert np.array_equal(heights, leverage[np.asarray(where, dtype=int) - 1])
    if count:
        assert (where[0], where[-1]) == (1, count)
        assert np.all(np.diff(where) > 0)


def test_nothing_is_no_picture():
    with pytest.raises(ValueError, match="at least one diagnosis"):
        diagnosis_figure({})
