"""The choice of the rank: its criterion, its search, its bounds, and what it says of itself."""

import math
import warnings

import numpy as np
import pytest

from pairint.estimation import InteractionRegressor
from pairint.estimation.base import matrix_parameters, whiten
from pairint.estimation.gauss_newton import balanced_factors, grown_factors
from pairint.estimation.problem import LeastSquaresProblem
from pairint.estimation.search import SOLVERS
from pairint.estimation.selection import generalised_cross_validation, rank_criterion
from pairint.model import (
    AttentionModel,
    GaussianNoise,
    Tanh,
    UniformCube,
    interaction_matrix,
)


class Even:
    """An activation whose linear moments vanish."""

    smoothness = 3.0

    def __call__(self, u):
        return np.cos(2.0 * u)


def data(d=4, rank=2, n_samples=500, noise=0.1, activation=None, seed=0):
    rng = np.random.default_rng(seed)
    matrix = interaction_matrix(d, rank, rng, kind="orthogonal")
    model = AttentionModel(activation or Tanh(), matrix, UniformCube(d), GaussianNoise(noise))
    return model.sample(n_samples, 3, rng)


def quiet_fit(X, Y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return InteractionRegressor("auto", random_state=0, **options).fit(X, Y)


# ---------------------------------------------------------------------------------------- the criterion


@pytest.mark.parametrize(("d", "rank"), [(5, 1), (10, 3), (30, 29)])
def test_one_rank_more_is_charged_eight_thirds_a_parameter(d, rank):
    """In noise variances and to first order in 1/n: 8/3 (2 (d - r) - 1), the gain that leaves a tie."""
    n_rows, variance, dof = 10**9, 0.3, 20.0
    smaller, larger = (matrix_parameters(d, r) for r in (rank, rank + 1))
    residual = variance * n_rows
    charge = 8.0 / 3.0 * (2 * (d - rank) - 1) * variance
    before = rank_criterion(residual, dof, smaller, n_rows)
    # The second order is the square of the number of parameters over n.
    slack = 10 * larger**2 / n_rows + 1e-6
    assert rank_criterion(residual - charge * (1 + slack), dof, larger, n_rows) < before
    assert rank_criterion(residual - charge * (1 - slack), dof, larger, n_rows) > before


def test_the_criterion_is_plain_without_a_matrix_and_infinite_without_data():
    assert rank_criterion(3.0, 7.0, 0, 100) == generalised_cross_validation(3.0, 7.0, 100)
    assert rank_criterion(3.0, 7.0, 75, 100) == math.inf


def test_plain_cross_validation_takes_one_rank_too_many_in_a_sixth_of_the_draws():
    """Why the weight: the charge 4q - 2 is where the largest singular value of noise is centred.

    Tracy and Widom's law is above its centre with probability 0.17. 600 draws have a standard error of
    0.015: four of them are allowed. With the weight 4/3 the share is below a tenth of that for q = 15.
    """
    rng = np.random.default_rng(0)
    gains = np.linalg.svd(rng.standard_normal((600, 15, 15)), compute_uv=False)[:, 0] ** 2
    share = (gains > 2 * (2 * 15 - 1)).mean()
    assert abs(share - 0.17) < 4 * 0.015
    assert (gains > 8 / 3 * (2 * 15 - 1)).mean() < 0.017


# ------------------------------------------------------------------------------------------- one rank more


@pytest.mark.parametrize("weighted", [False, True])
def test_the_direction_added_is_the_steepest(weighted):
    """Along it the projected risk falls with twice the largest singular value of the gradient: no direction
    of norm one does better, and a finite difference agrees.
    """
    X, Y = data(d=4, rank=3)
    X, _ = whiten(X)
    weight = np.random.default_rng(3).exponential(size=Y.shape) if weighted else None
    problem = LeastSquaresProblem(X, Y, 3, 0.1, weight=weight)
    left, right = balanced_factors(*np.random.default_rng(1).standard_normal((2, 4, 1)))
    state = problem.solve(left, right, problem.space(left, right, 5))
    grown = grown_factors(problem, state)
    added = np.outer(grown[0][:, -1], grown[1][:, -1])
    added /= np.linalg.norm(added)

    def slope(direction, step=1e-5):
        def risk(sign):
            moved = left @ right.T + sign * step * direction
            return problem.solve(moved, np.eye(4), state.space).inner.objective

        return (risk(1) - risk(-1)) / (2 * step)

    steepest = slope(added)
    assert steepest < 0
    for other in np.random.default_rng(2).standard_normal((8, 2, 4)):
        direction = np.outer(*other)
        assert abs(slope(direction / np.linalg.norm(direction))) < abs(steepest)


def test_a_flat_spline_still_gets_a_direction():
    X, Y = data(d=3, n_samples=40)
    problem = LeastSquaresProblem(X, np.zeros_like(Y), 3, 0.1)
    left, right = np.eye(3)[:, :1], np.eye(3)[:, 1:2]
    state = problem.solve(left, right, problem.space(left, right, 2))
    grown = grown_factors(problem, state)
    assert all(factor.shape == (3, 2) and np.isfinite(factor).all() for factor in grown)


# --------------------------------------------------------------------------------------------- the search


@pytest.mark.slow
@pytest.mark.parametrize("n_intervals", ["auto", 6])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_rank_is_found(rank, n_intervals):
    """In ten dimensions noise takes one rank too many in a hundredth of all cases; these are six."""
    X, Y = data(d=10, rank=rank, n_samples=800)
    fit = quiet_fit(X, Y, n_intervals=n_intervals)
    assert fit.rank_ == rank == np.linalg.matrix_rank(fit.matrix_, tol=1e-8)
    assert fit.converged_
    choice = fit.rank_selection_
    assert choice.rank == rank and not choice.at_limit
    assert choice.candidates.tolist() == list(range(1, rank + 2))
    assert choice.candidates[np.argmin(choice.criterion)] == rank
    assert choice.n_intervals[rank - 1] == fit.n_intervals_
    assert len(fit.history_) == fit.n_iter_


@pytest.mark.slow
def test_it_ends_where_the_known_rank_does():
    """Both stop when the next step is predicted to gain less than a hundredth of a noise variance; the steps
    shrink at least like a geometric series, and a tenth of a variance is allowed. L-BFGS does not measure the
    cells again by the last scores, and other cells have another risk: its predictions are compared.
    """
    X, Y = data(d=5, rank=2, n_samples=800)
    options = {"n_intervals": 6, "random_state": 0}
    for solver in SOLVERS:
        chosen, known = (
            InteractionRegressor(rank, solver=solver, **options).fit(X, Y) for rank in ("auto", 2)
        )
        assert chosen.rank_ == known.rank_ == 2 and known.rank_selection_ is None
        assert np.mean((chosen.predict(X) - known.predict(X)) ** 2) < known.noise_std_**2 / Y.size
        if solver == "gauss-newton":
            assert abs(chosen.risk_ - known.risk_) * Y.size < 0.1 * known.noise_std_**2


@pytest.mark.slow
def test_an_even_activation():
    X, Y = data(d=5, rank=2, n_samples=1500, activation=Even())
    assert quiet_fit(X, Y).rank_ == 2


def test_one_dimension_is_rank_one():
    X, Y = data(d=1, rank=1, n_samples=100)
    chosen = quiet_fit(X, Y)
    known = InteractionRegressor(1, random_state=0).fit(X, Y)
    assert chosen.rank_ == 1 and chosen.rank_selection_.candidates.tolist() == [1]
    assert chosen.risk_ == known.risk_


# ---------------------------------------------------------------------------------------------- its bounds


@pytest.mark.slow
def test_a_choice_at_the_limit_warns():
    X, Y = data(d=4, rank=3, n_samples=600)
    with pytest.warns(UserWarning, match="the choice rank = 2 is the largest rank tried"):
        fit = InteractionRegressor("auto", n_intervals=6, max_rank=2, random_state=0).fit(X, Y)
    assert fit.rank_ == 2 and fit.rank_selection_.at_limit
    # The full rank is no limit of the search: there is no larger one.
    X, Y = data(d=2, rank=2, n_samples=600)
    assert quiet_fit(X, Y, n_intervals=6).rank_ == 2


def test_few_data_bound_the_rank():
    """Ten outputs a parameter: 75 are too few for the 11 of rank two, enough for the 6 of rank one."""
    X, Y = data(d=4, rank=2, n_samples=25)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = InteractionRegressor("auto", n_intervals=1, random_state=0).fit(X, Y)
    assert fit.rank_selection_.candidates.tolist() == [1]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rank": "many"}, ValueError, "rank must be .*'auto'.*got 'many'"),
        ({"rank": 2.0}, TypeError, 'rank must be an integer from 1 to d = 3 or "auto", got 2.0'),
        ({"rank": None}, TypeError, "rank must be an integer .*got None"),
        ({"rank": 4}, ValueError, "rank must be .*3.*got 4"),
        ({"rank": 0}, ValueError, "rank must be .*got 0"),
        ({"rank": "auto", "max_rank": 4}, ValueError, "max_rank must be .*3.*got 4"),
        ({"rank": "auto", "max_rank": 0}, ValueError, "max_rank must be .*got 0"),
        ({"rank": 1, "max_rank": "auto"}, TypeError, "max_rank must be an integer, got 'auto'"),
    ],
)
def test_bad_ranks(options, error, message):
    X, Y = data(d=3, n_samples=50)
    with pytest.raises(error, match=message):
        InteractionRegressor(**options).fit(X, Y)
