"""K by generalised cross-validation on nested spaces."""

import math
import warnings

import numpy as np
import pytest

from pairint.estimation import (
    InteractionRegressor,
    LeastSquaresProblem,
    OracleRegressor,
    choose_intervals,
    interaction_error,
    selection,
)
from pairint.estimation.inner import normal_equations, solve_inner
from pairint.estimation.selection import generalised_cross_validation
from pairint.model import (
    AttentionModel,
    GaussianNoise,
    RoughActivation,
    SplineSpace,
    UniformCube,
    interaction_matrix,
    spline_activation,
)


def draw(activation, n_samples, noise=0.1, n_tokens=3):
    model = AttentionModel(activation, interaction_matrix(1, 1, 0), UniformCube(1), GaussianNoise(noise))
    return model, *model.sample(n_samples, n_tokens, 1)


def choose(X, Y, matrix, degree=3, penalty=0.1, n_other=0, **options):
    problem = LeastSquaresProblem(X, Y, degree, penalty, n_other)
    return choose_intervals(problem, matrix, np.eye(1), (-2.9, 2.9), **options)


@pytest.mark.parametrize("weight", [1.0, 1.4, 2.5])
@pytest.mark.parametrize("degree", [0, 1, 3])
def test_criterion_is_that_of_direct_fits(degree, weight):
    """The fine Gram matrix, refined down, gives what a fit on each K would."""
    model, X, Y = draw(spline_activation(3, 0), 300)
    choice = choose(X, Y, model.matrix, degree, 0.1, 2, weight=weight)
    assert len(choice.candidates) >= 6 and choice.candidates[0] == 1
    for n_intervals, criterion in zip(choice.candidates, choice.criterion, strict=True):
        space = SplineSpace(-2.9, 2.9, int(n_intervals), degree)
        solution = solve_inner(normal_equations(X, Y, model.matrix, np.eye(1), space), space, 0.1)
        direct = generalised_cross_validation(solution.residual, weight * solution.dof + 2, Y.size)
        assert criterion == pytest.approx(direct, rel=1e-7)
    assert choice.n_intervals == choice.candidates[np.argmin(choice.criterion)]


def test_candidates_are_dense_and_bounded_by_the_data():
    model, X, Y = draw(spline_activation(3, 0), 3000)
    candidates = choose(X, Y, model.matrix).candidates
    assert np.all(np.diff(candidates) > 0)
    assert np.max(candidates[2:] / candidates[1:-1]) <= 1.5
    assert candidates[-1] + 3 <= min(Y.size / 10, 2 * math.sqrt(Y.size))
    few = choose(X[:8], Y[:8], model.matrix)
    assert list(few.candidates) == [1] and few.n_intervals == 1


@pytest.mark.parametrize("grid", [grid * 2**k for grid in selection._GRIDS for k in (0, 1)])
def test_divisors_of_the_grids_are_dense(grid):
    divisors = np.array([k for k in range(1, grid + 1) if grid % k == 0])
    ratios = divisors[1:] / divisors[:-1]
    assert ratios[0] == ratios[-1] == 2.0
    assert ratios[1:-1].max() == (10 / 6 if grid == 60 else 1.5)


def error(model, X, Y, n_intervals):
    return interaction_error(
        OracleRegressor(model.matrix, 3, n_intervals).fit(X, Y), model, method="quadrature"
    )


@pytest.mark.slow
def test_a_coarse_first_grid_is_no_bound(monkeypatch):
    """Many tokens make the first grid coarse; the search goes on until the best K is inside."""
    model, X, Y = draw(RoughActivation(1.0, 1), 1500, 0.03, n_tokens=16)
    free = choose(X, Y, model.matrix)
    assert free.n_intervals >= 120
    monkeypatch.setattr(selection, "_FLOP_BUDGET", 0.0)  # as for 100,000 samples: the grid of 60 cells
    choice = choose(X, Y, model.matrix)
    assert 0.6 <= choice.n_intervals / free.n_intervals <= 1.5
    assert error(model, X, Y, choice.n_intervals).value < 0.5 * error(model, X, Y, 60).value
    # The candidates and criteria of all passes, in order.
    assert set(choice.candidates) > {1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60}
    assert np.all(np.diff(choice.candidates) > 0)
    shared, here, there = np.intersect1d(choice.candidates, free.candidates, return_indices=True)
    assert len(shared) >= 12
    np.testing.assert_allclose(choice.criterion[here], free.criterion[there], rtol=1e-9)


def test_smooth_truths_need_no_second_pass(monkeypatch):
    model, X, Y = draw(spline_activation(3, 0), 1500, n_tokens=16)
    monkeypatch.setattr(selection, "_FLOP_BUDGET", 0.0)
    choice = choose(X, Y, model.matrix)
    assert choice.candidates[-1] == 60 and choice.n_intervals < 60 and not choice.at_limit


@pytest.mark.slow
def test_the_roughest_truths_may_have_more_than_the_first_bound():
    model, X, Y = draw(RoughActivation(0.5, 1), 20_000, n_tokens=2)
    choice = choose(X, Y, model.matrix)
    first_bound = 2 * math.sqrt(Y.size)
    assert choice.n_intervals > first_bound
    assert choice.n_intervals + 3 <= Y.size / 50
    assert error(model, X, Y, choice.n_intervals).value < 0.7 * error(model, X, Y, 360).value


def test_a_choice_at_the_limit_is_marked_and_warned_of():
    model, X, Y = draw(RoughActivation(1.0, 2), 300, 0.01)
    choice = choose(X, Y, model.matrix)
    assert choice.at_limit and choice.n_intervals == choice.candidates[-1]
    assert choice.n_intervals + 3 <= 2 * math.sqrt(Y.size)  # few outputs: the first bound stands
    message = r"n_intervals = \d+ is the largest number of cells tried .* more may fit better"
    for estimator in (OracleRegressor(model.matrix), InteractionRegressor()):
        with pytest.warns(UserWarning, match=message) as caught:
            assert estimator.fit(X, Y).selection_.at_limit
        assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OracleRegressor(model.matrix, 3, 48).fit(X, Y)
        few = OracleRegressor(model.matrix).fit(X[:8], Y[:8])  # one candidate only: nothing was compared
    assert not few.selection_.at_limit


@pytest.mark.slow
def test_rougher_truths_and_more_data_get_more_cells():
    chosen = {}
    for beta in (1.0, 3.0):
        for n_samples in (300, 6000):
            model, X, Y = draw(RoughActivation(beta, 2), n_samples)
            chosen[beta, n_samples] = choose(X, Y, model.matrix).n_intervals
    assert chosen[1.0, 6000] > chosen[1.0, 300]
    assert chosen[1.0, 6000] > 2 * chosen[3.0, 6000]


def test_a_cubic_gets_few_cells():
    """It is in every space (but for the continuation): more cells would only add variance."""
    model, X, Y = draw(lambda u: u**3 / 27, 1000)
    assert choose(X, Y, model.matrix, penalty=0.0).n_intervals <= 8


def test_generalised_cross_validation():
    assert generalised_cross_validation(90.0, 10.0, 100) == pytest.approx(100 * 90 / 90**2)
    assert generalised_cross_validation(1.0, 100.0, 100) == math.inf


X, Y = np.random.default_rng(0).uniform(-1, 1, (40, 3, 2)), np.zeros((40, 3))
SPOILT = np.where(X > 0.99, np.nan, X)
GOOD = {"X": X, "Y": Y, "degree": 3, "penalty": 0.1, "n_matrix": 0}
FACTORS = {"left": np.eye(2), "right": np.eye(2), "interval": (-1.0, 1.0)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"X": SPOILT}, "X must be finite"),
        ({"X": X[0]}, r"X must have shape \(any, any, any\), got \(3, 2\)"),
        ({"Y": Y[:, :2]}, r"Y must have shape \(40, 3\), got \(40, 2\)"),
        ({"Y": Y + math.inf}, "Y must be finite"),
        ({"left": np.eye(3)}, r"left must have shape \(2, any\), got \(3, 3\)"),
        ({"right": np.ones((2, 1))}, r"right must have shape \(2, 2\), got \(2, 1\)"),
        ({"interval": (math.nan, 1.0)}, "interval must be finite"),
        ({"interval": (-1.0, -1.0)}, "interval must have its first end below the second"),
        ({"degree": -1}, "degree must be >= 0, got -1"),
        ({"penalty": -1}, r"penalty must be >= 0\.0, got -1\.0"),
        ({"n_matrix": -1}, "n_matrix must be >= 0, got -1"),
    ],
)
def test_bad_arguments(changes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        problem = LeastSquaresProblem(**{key: changes.get(key, value) for key, value in GOOD.items()})
        choose_intervals(problem, **{key: changes.get(key, value) for key, value in FACTORS.items()})


def test_the_interval_is_what_the_scores_fill_by_default():
    model, X, Y = draw(spline_activation(3, 0), 300)
    problem = LeastSquaresProblem(X, Y, 3, 0.1)
    space = problem.space(model.matrix, np.eye(1), 5)
    given = choose_intervals(problem, model.matrix, np.eye(1), (space.lower, space.upper))
    free = choose_intervals(problem, model.matrix, np.eye(1))
    np.testing.assert_array_equal(given.criterion, free.criterion)
    assert given.n_intervals == free.n_intervals == OracleRegressor(model.matrix).fit(X, Y).n_intervals_
