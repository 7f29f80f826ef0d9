"""Fits are compared as functions, and predict their own error; noise is not taken for signal."""

import math
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from drawn import draw

from pairint.estimation import InteractionRegressor, LeastSquaresProblem
from pairint.estimation import search as search_module
from pairint.estimation.base import matrix_parameters
from pairint.estimation.doubts import search_doubts
from pairint.estimation.quasi_newton import lbfgs
from pairint.estimation.rivals import SAME_FUNCTION, function_distance, predicted_share
from pairint.estimation.search import LEAST_GAIN, Found, Search, Valley
from pairint.model import AttentionModel, Tanh, UniformCube, interaction_matrix
from pairint.model.splines import SplineSpace


def factors(matrix, rank):
    left, singular, right = np.linalg.svd(matrix)
    return left[:, :rank] * singular[:rank], right[:rank].T


@pytest.fixture(scope="module")
def fitted():
    model, X, Y = draw(d=4, rank=2, n_tokens=5, n_samples=200)
    problem = LeastSquaresProblem(X, Y, 3, 0.1, n_matrix=matrix_parameters(4, 2))
    left, right = factors(model.matrix, 2)
    return problem, problem.solve(left, right, problem.space(left, right, 6))


def test_one_function_in_other_factors_is_one_function(fitted):
    problem, state = fitted
    mix = np.array([[2.0, 1.0], [0.0, -0.5]])
    other = replace(state, left=state.left @ mix, right=state.right @ np.linalg.inv(mix).T)
    assert function_distance(problem, state, state) == 0.0
    # Scores are equal to rounding, and so is what a spline makes of them, up to its slope.
    assert function_distance(problem, state, other) < 1e-24


def test_the_distance_is_the_mean_square_over_the_smaller_variance(fitted):
    problem, state = fitted
    double = replace(state, inner=replace(state.inner, coefficients=2.0 * state.inner.coefficients))
    scores = np.einsum("mid,de,mje->mij", problem.X, state.left @ state.right.T, problem.X)
    inside = ~np.eye(5, dtype=bool) & (scores >= state.space.lower) & (scores <= state.space.upper)
    g = state.spline(scores[inside])
    expected = np.mean(g**2) / np.var(g)
    for pair in ((state, double), (double, state)):
        assert function_distance(problem, *pair) == pytest.approx(expected, rel=1e-12)


def test_functions_that_averages_hardly_tell_apart_are_told_apart():
    """What the search is about: their outputs differ by little, they by four times their variance."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 200, 2))
    left, right = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    problem = LeastSquaresProblem(X, 10.0 * rng.standard_normal((20, 200)), 1, 0.1)
    # The score x_1 y_2 itself, and its negative: the averages over many y_2 are near zero.
    state = problem.solve(left, right, SplineSpace(-20.0, 20.0, 2, 1))
    inner = replace(state.inner, coefficients=np.array([-20.0, 0.0, 20.0]))
    ways = []
    for sign in (1.0, -1.0):
        outputs = X[:, :, 0] * (X[:, :, 1].sum(axis=1, keepdims=True) - X[:, :, 1]) / 199
        residual = float(((problem.Y - sign * outputs) ** 2).sum())
        ways.append(replace(state, right=sign * right, inner=replace(inner, residual=residual)))
    state, other = ways
    scores = X[:, :, :1] * np.swapaxes(X[:, :, 1:], 1, 2)
    outputs = state.spline.partner_mean(scores) - other.spline.partner_mean(-scores)
    distinct = scores[:, ~np.eye(200, dtype=bool)]
    # Four times the square of a mean over 199, over the variance of one; 20 samples know it so well.
    assert np.mean(outputs**2) / distinct.var() < 4 / 199 * (1 + 4.5 * math.sqrt(2 / 20))
    assert function_distance(problem, state, other) > 3.9 > SAME_FUNCTION
    # The search does not take them for one, though their risks agree to far less than what noise explains.
    search = Search(replace(problem, n_matrix=matrix_parameters(2, 1)), 2, 50, 1e-2)
    assert search.same(problem, state, state)
    assert not search.lower(problem, state, other) and not search.lower(problem, other, state)
    assert not search.same(problem, state, other)


def test_the_predicted_error_is_that_of_many_fits_when_the_matrix_is_given():
    """Then the fit is linear, and the prediction exact but for the few pairs: on average over noise."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (120, 4, 1))
    problem = LeastSquaresProblem(X, np.zeros((120, 4)), 2, 0.0)
    one = np.ones((1, 1))
    space = problem.space(one, one, 5)
    coefficients = rng.standard_normal(space.dimension)
    scores = X @ np.swapaxes(X, 1, 2)
    clean = space.spline(coefficients).partner_mean(scores)
    inside = ~np.eye(4, dtype=bool) & (scores >= space.lower) & (scores <= space.upper)
    truth = space.spline(coefficients)(scores[inside])
    errors, predicted = [], []
    for _ in range(200):
        noisy = replace(problem, Y=clean + 0.1 * rng.standard_normal(clean.shape))
        state = noisy.solve(one, one, space)
        found = state.spline(scores[inside])
        errors.append(np.mean((found - truth) ** 2) / np.var(found))
        predicted.append(predicted_share(noisy, one, one, state.spline, 0.1))
    difference = np.array(errors) - np.array(predicted)
    # Of the pairs each second or third is looked at: their mean stands for that of all within a few percent.
    allowed = 4.5 * difference.std() / math.sqrt(len(errors)) + 0.05 * np.mean(errors)
    assert abs(difference.mean()) < allowed < 0.3 * np.mean(errors)


@pytest.mark.slow
def test_the_predicted_error_is_that_of_many_fits_of_a_matrix():
    """To first order in the noise: so it is small here."""
    model = AttentionModel(Tanh(1.0), interaction_matrix(4, 1, 0), UniformCube(4))
    X, clean = model.sample(300, 3, 1)
    rng = np.random.default_rng(2)
    left, right = factors(model.matrix, 1)
    problem = LeastSquaresProblem(X, clean, 3, 1e-6, n_matrix=matrix_parameters(4, 1))
    space = problem.space(left, right, 4)
    base = lbfgs(problem, left, right, space, 200, 1e-9)
    errors, predicted = [], []
    for _ in range(60):
        noisy = replace(problem, Y=clean + 0.01 * rng.standard_normal(clean.shape))
        state = lbfgs(noisy, base.left, base.right, base.space, 200, 1e-6)
        errors.append(function_distance(noisy, state, base))
        predicted.append(predicted_share(noisy, state.left, state.right, state.spline, 0.01))
    standard = np.std(errors) / math.sqrt(len(errors))
    # The error of g is a sum of p squares: 60 of them know its mean to a few percent, as do a thousand pairs.
    assert abs(np.mean(errors) - np.mean(predicted)) < 4.5 * standard + 0.1 * np.mean(errors)
    assert 4.5 * standard < 0.4 * np.mean(errors)


def said(X, Y, rank=1, **parameters):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        InteractionRegressor(rank, random_state=0, **parameters).fit(X, Y)
    return " ".join(str(warning.message) for warning in caught)


@pytest.mark.parametrize("d", [1, 12])
def test_noise_is_said_to_be_noise_and_a_signal_is_not(d):
    rng = np.random.default_rng(3)
    X = rng.uniform(-1, 1, (150, 3, d))
    noise = rng.standard_normal((150, 3))
    doubt = r"explains no more than noise: (\d+)% .* up to (\d+)% is explained of outputs in random order"
    found = re.search(doubt, said(X, noise))
    assert found and int(found[1]) <= int(found[2])
    signal = np.einsum("mi,mj->mij", X[:, :, 0], X[:, :, -1])
    average = (signal.sum(axis=2) - signal[:, range(3), range(3)]) / 2
    assert "no more than noise" not in said(X, 0.3 * noise + 4.0 * average)


def test_what_a_search_leaves_open_is_said_with_what_helps():
    assert search_doubts((0.3, 0.2), None, False) == []
    assert search_doubts((math.nan, math.nan), None, False) == []
    (noise,) = search_doubts((0.1, 0.2), None, False)
    assert re.search(r"no more than noise: 10% .* 20% .*: give more samples", noise)
    (rival,) = search_doubts((0.3, 0.2), 0.4, False)
    assert re.search(r"another fit .* differs by 40% of the variance: give more", rival)
    (poor,) = search_doubts((0.3, 0.2), None, True)
    assert re.search(r"one rank more explains .*: raise rank, or n_starts", poor)


@pytest.mark.parametrize(("second", "poor"), [(0.5, True), (0.03, False)])
def test_one_rank_more_is_a_doubt_only_if_it_changes_the_function(second, poor):
    """Next to no noise: whatever is left is significant, and of the small one next to nothing in g."""
    rng = np.random.default_rng(0)
    left, right = (np.linalg.qr(rng.standard_normal((6, 2)))[0] for _ in range(2))
    matrix = left @ np.diag([1.0, second]) @ right.T
    X, Y = AttentionModel(Tanh(2.0), matrix, UniformCube(6)).sample(200, 3, 1)
    problem = LeastSquaresProblem(X, Y + 1e-4 * rng.standard_normal(Y.shape), 3, 1e-3)
    search = Search(replace(problem, n_matrix=matrix_parameters(6, 1)), 8, 50, 1e-2)
    space = search.problem.space(left[:, :1], right[:, :1], 8)
    state = search.minimise(search.problem, left[:, :1], right[:, :1], space, 50, 1e-2)
    found = Found(search, Valley(state, [state.inner.residual / problem.n_rows], True), [state], None)
    lifted = found.lifted()
    assert lifted is not None and lifted.criterion < found.criterion
    gain = function_distance(search.problem, state, lifted.state)
    assert (gain > LEAST_GAIN) is poor
    assert found.against_rivals().poor is poor


@pytest.mark.parametrize("seed", range(12))
def test_one_rank_more_is_given_up_only_where_it_does_not_pay(seed):
    """With the criterion of its end, and a little more, it is followed there; with much less, not as far.

    Of noise a rank more gains slowly, which is the hard case: what is left is many times the next step.
    """
    rng = np.random.default_rng(seed)
    d = int(rng.integers(3, 9))
    left, right = (np.linalg.qr(rng.standard_normal((d, 2)))[0] for _ in range(2))
    matrix = left @ np.diag([1.0, 0.3 * (seed % 3)]) @ right.T
    X, Y = AttentionModel(Tanh(2.0), matrix, UniformCube(d)).sample(100, 3, rng)
    problem = LeastSquaresProblem(X, Y + 0.3 * rng.standard_normal(Y.shape), 3, 0.1)
    search = Search(replace(problem, n_matrix=matrix_parameters(d, 1)), 6, 50, 1e-2)
    space = search.problem.space(left[:, :1], right[:, :1], 6)
    state = search.minimise(search.problem, left[:, :1], right[:, :1], space, 50, 1e-2)
    found = Found(search, Valley(state, [state.inner.residual / problem.n_rows], True), [state], None)
    whole = found.lifted()
    assert whole is not None and len(whole.state.history) > 1
    followed = found.lifted(whole.criterion * (1.0 + 1e-9))
    np.testing.assert_array_equal(followed.state.left, whole.state.left)
    hopeless = found.lifted(0.5 * whole.criterion)
    assert len(hopeless.state.history) < len(whole.state.history)
    assert hopeless.criterion > 0.5 * whole.criterion and not hopeless.state.converged


def test_a_rival_that_more_data_lead_to_the_same_function_is_none(monkeypatch):
    """It is followed to where the best way has been; were no two functions one, to its end."""
    rng = np.random.default_rng(1)
    matrix = interaction_matrix(4, 1, rng)
    X, Y = AttentionModel(Tanh(2.0), matrix, UniformCube(4)).sample(1500, 3, rng)
    problem = LeastSquaresProblem(X, Y + 0.3 * rng.standard_normal(Y.shape), 3, 0.1, n_matrix=7)
    asked = Search(problem, None, 50, 1e-2)
    sample = asked.subsample(200)
    left, right = factors(matrix, 1)
    space = sample.space(left, right, asked.coarse_cells)
    best = asked.minimise(sample, left, right, space, 50, 1e-2)
    off = asked.problem.solve(
        left + 0.5 * rng.standard_normal(left.shape), right + 0.5 * rng.standard_normal(right.shape), space
    )
    assert function_distance(sample, best, off) > SAME_FUNCTION
    valley = Valley(best, [best.inner.residual / sample.n_rows], True, doubted=True, rivals=(off,))
    found = Found(asked, valley, *asked.refine(best))
    minimise, followed = Search.minimise, []

    def counted(self, problem, *args, **kwargs):
        followed.append(problem.n_rows)
        return minimise(self, problem, *args, **kwargs)

    monkeypatch.setattr(Search, "minimise", counted)
    end = found.against_rivals()
    steps = len(followed)
    assert end.rival is None
    assert end.criterion == pytest.approx(found.criterion, rel=1e-3)
    followed.clear()
    monkeypatch.setattr(search_module, "SAME_FUNCTION", -1.0)
    found.against_rivals()
    assert len(followed) > steps
