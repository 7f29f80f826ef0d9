"""What a coefficient counts for in the choice of the number of cells: a parameter of every regressor."""

import numpy as np
import pytest
from sklearn.base import clone

from pairint.estimation import (
    InteractionRegressor,
    LeastSquaresProblem,
    NetworkRegressor,
    OracleRegressor,
    choose_intervals,
)
from pairint.estimation.selection import SELECTION_WEIGHT
from pairint.experiments.solver import STORED_WEIGHT
from pairint.model import AttentionModel, GaussianNoise, RoughActivation, UniformCube, interaction_matrix

MODEL = AttentionModel(RoughActivation(1.0, 0, bound=6.0), interaction_matrix(2, 1, 0), UniformCube(2),
                       GaussianNoise(0.4))  # fmt: skip
X, Y = MODEL.sample(600, 3, 1)
WEIGHTS = (1.0, 1.4, 3.0)
ESTIMATORS = {
    "plain": InteractionRegressor(random_state=0),
    "gauss-newton": InteractionRegressor(solver="gauss-newton", random_state=0),
    "huber": InteractionRegressor(loss="huber", random_state=0),
    "channel": InteractionRegressor(channel="sum", start="linear", n_starts=1, random_state=0),
    "known": OracleRegressor(MODEL.matrix),
    "known, huber": OracleRegressor(MODEL.matrix, loss="huber"),
}


@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.filterwarnings("ignore")
def test_a_larger_weight_takes_fewer_cells(name):
    """From one to three, on a rough truth: the parameter arrives at the choice on every way down."""
    cells = [
        clone(ESTIMATORS[name]).set_params(selection_weight=weight).fit(X, Y).n_intervals_
        for weight in (1.0, 3.0)
    ]
    assert cells[1] < cells[0]


@pytest.mark.parametrize("weight", WEIGHTS)
def test_it_is_the_weight_of_the_choice(weight):
    fit = OracleRegressor(MODEL.matrix, selection_weight=weight).fit(X, Y)
    problem = LeastSquaresProblem(X, Y, 3, 0.1)
    choice = choose_intervals(problem, MODEL.matrix, np.eye(2), weight=weight)
    assert fit.n_intervals_ == choice.n_intervals
    np.testing.assert_array_equal(fit.selection_.criterion, choice.criterion)


def test_one_default_and_a_name_for_the_old_one():
    problem = LeastSquaresProblem(X, Y, 3, 0.1)
    plain = choose_intervals(problem, MODEL.matrix, np.eye(2))
    named = choose_intervals(problem, MODEL.matrix, np.eye(2), weight=SELECTION_WEIGHT)
    np.testing.assert_array_equal(plain.criterion, named.criterion)
    for estimator in (InteractionRegressor(), OracleRegressor(MODEL.matrix), NetworkRegressor()):
        assert estimator.get_params()["selection_weight"] == SELECTION_WEIGHT
    assert STORED_WEIGHT == 1.0 < SELECTION_WEIGHT


def test_it_does_not_matter_where_the_cells_are_given():
    fits = [
        InteractionRegressor(n_intervals=6, selection_weight=weight, random_state=0).fit(X, Y)
        for weight in (1.0, 3.0)
    ]
    np.testing.assert_array_equal(fits[0].matrix_, fits[1].matrix_)


@pytest.mark.parametrize("value", [0.99, 3.1, float("nan"), float("inf"), "1.4", None, True])
@pytest.mark.parametrize(
    "estimator", [InteractionRegressor(), InteractionRegressor(channel="sum"), OracleRegressor(MODEL.matrix)],
    ids=["plain", "channel", "known"],
)  # fmt: skip
def test_bad_values(estimator, value):
    with pytest.raises((ValueError, TypeError), match="selection_weight must be"):
        clone(estimator).set_params(selection_weight=value).fit(X, Y)


@pytest.mark.slow
def test_the_network_passes_it_on():
    """In one dimension, where its cells are chosen at once."""
    pytest.importorskip("torch")
    line = AttentionModel(MODEL.activation, [[1.0]], UniformCube(1), MODEL.noise)
    data = line.sample(600, 3, 1)
    options = {"max_rounds": 1, "epochs": 1, "network_steps": 20, "random_state": 0}
    cells = [
        NetworkRegressor(selection_weight=weight, **options).fit(*data).n_intervals_ for weight in (1.0, 3.0)
    ]
    assert cells[1] < cells[0]
