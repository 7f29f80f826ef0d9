"""The estimators: against closed forms, oracles, invariances, and with negative controls."""

import math
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score

from pairint.estimation import InteractionRegressor, OracleRegressor, choose_intervals, interaction_error
from pairint.estimation.gauss_newton import OuterState, _projected_system, balanced_factors
from pairint.estimation.inner import normal_equations, solve_inner
from pairint.model import (
    AttentionModel,
    Equicorrelated,
    GaussianNoise,
    RoughActivation,
    SplineSpace,
    Tanh,
    UniformCube,
    interaction_matrix,
    spline_activation,
)


class Cosine:
    """An even activation: the mean slope vanishes."""

    smoothness = math.inf

    def __call__(self, u):
        return np.cos(1.5 * u)

    def derivative(self, u):
        return -1.5 * np.sin(1.5 * u)


def problem(activation=None, d=5, rank=2, n_samples=3000, n_tokens=3, seed=0, std=0.1, tokens=None):
    rng = np.random.default_rng(seed)
    model = AttentionModel(
        activation or Tanh(2.0),
        interaction_matrix(d, rank, rng),
        tokens or UniformCube(d),
        GaussianNoise(std),
    )
    return model, *model.sample(n_samples, n_tokens, rng)


def error(fit, model):
    return interaction_error(fit, model, n_pairs=40_000, rng=1).value


def test_oracle_is_least_squares_when_the_penalty_is_zero():
    model, X, Y = problem(n_samples=200)
    fit = OracleRegressor(model.matrix, 3, 6, penalty=0.0).fit(X, Y)
    space = fit.activation_.space
    expected = np.linalg.lstsq(space.aggregate(model.scores(X)), Y.ravel(), rcond=None)[0]
    np.testing.assert_allclose(fit.activation_.coefficients, expected, rtol=1e-6, atol=1e-8)


def test_variance_of_the_oracle_is_the_closed_form():
    # Zero truth: the error is c' Gamma c with c = (F'F)^-1 F' eta, of mean sigma^2 tr((F'F)^-1 Gamma).
    model, X, _ = problem(d=1, rank=1, n_samples=300)
    rng = np.random.default_rng(1)
    space = SplineSpace(-3.0, 3.0, 5, 3)
    F = space.aggregate(model.scores(X))
    sample = model.tokens.sample(20_000, 2, rng)
    B = space.design((sample[:, 0] * model.matrix[0, 0] * sample[:, 1]).ravel())
    gamma = B.T @ B / len(B)
    inverse = np.linalg.inv(F.T @ F)
    expected = 0.01 * np.trace(inverse @ gamma)
    draws = []
    for _ in range(400):
        c = inverse @ (F.T @ (0.1 * rng.standard_normal(len(F))))
        equations = normal_equations(X, (F @ c).reshape(X.shape[:2]), model.matrix, np.eye(1), space)
        solved = solve_inner(equations, space, 0.0).coefficients
        draws.append(solved @ gamma @ solved)
    assert np.mean(draws) == pytest.approx(expected, abs=4 * np.std(draws) / 20)


@pytest.mark.parametrize("n_intervals", [4, 12, 40])
def test_choice_of_k_uses_the_fits_that_one_would_make(n_intervals):
    model, X, Y = problem(d=2, n_samples=400)
    choice = choose_intervals(X, Y, model.matrix, np.eye(2), -4.0, 4.0, 3, 0.1)
    space = SplineSpace(-4.0, 4.0, n_intervals, 3)
    inner = solve_inner(normal_equations(X, Y, model.matrix, np.eye(2), space), space, 0.1)
    n = Y.size
    direct = n * inner.residual / (n - inner.dof) ** 2
    index = int(np.flatnonzero(choice.candidates == n_intervals)[0])
    assert choice.criterion[index] == pytest.approx(direct, rel=1e-8)


def test_gradient_of_the_projected_risk():
    _, X, Y = problem(d=4, n_samples=300)
    rng = np.random.default_rng(2)
    space = SplineSpace(-4.0, 4.0, 6, 3)

    def evaluate(left, right):
        inner = solve_inner(normal_equations(X, Y, left, right, space), space, 0.1)
        return OuterState(left, right, space, inner)

    left, right = balanced_factors(rng.standard_normal((4, 2)), rng.standard_normal((4, 2)))
    _, gradient = _projected_system(X, Y, evaluate(left, right))
    for _ in range(3):
        step = rng.standard_normal(16)
        values = []
        for t in (1e-5, -1e-5):
            moved = balanced_factors(left + t * step[:8].reshape(4, 2), right + t * step[8:].reshape(4, 2))
            values.append(evaluate(*moved).inner.objective)
        assert (values[0] - values[1]) / 2e-5 == pytest.approx(-2 * gradient @ step, rel=2e-4)


@pytest.mark.parametrize("seed", range(3))
def test_fit_is_near_the_oracle(seed):
    model, X, Y = problem(seed=seed)
    fit = InteractionRegressor(2).fit(X, Y)
    assert fit.converged_
    price = 0.01 * 15 * 2 / Y.size  # of the 15 parameters of the matrix, at worst
    assert error(fit, model) < error(OracleRegressor(model.matrix).fit(X, Y), model) + 3 * price
    assert fit.noise_std_ == pytest.approx(0.1, rel=0.05)
    assert np.linalg.matrix_rank(fit.matrix_, tol=1e-8) == 2


def test_reference_point():
    # d = 30, r = 2, N = 3, sigma = 0.1, P = 3, M = 10,000: least possible about 8.5e-5.
    errors = []
    for seed in range(2):
        truth = spline_activation(3, seed, bound=3 * math.sqrt(2))
        model, X, Y = problem(truth, d=30, n_samples=10_000, seed=seed)
        fit = InteractionRegressor(2).fit(X, Y)
        assert fit.converged_
        errors.append(error(fit, model))
    assert max(errors) < 2e-4
    assert np.mean(errors) < 1.3e-4


def test_even_activation_needs_the_quadratic_start():
    model, X, Y = problem(Cosine(), d=6, n_samples=4000, seed=3)
    oracle = error(OracleRegressor(model.matrix).fit(X, Y), model)
    assert error(InteractionRegressor(2).fit(X, Y), model) < 4 * oracle
    assert error(InteractionRegressor(2, start="quadratic").fit(X, Y), model) < 4 * oracle


def test_rough_truth_close_to_the_oracle():
    model, X, Y = problem(RoughActivation(1.0, 4), rank=1, n_samples=8000, seed=4)
    fit = InteractionRegressor(1).fit(X, Y)
    assert fit.n_intervals_ > 20
    assert error(fit, model) < 1.3 * error(OracleRegressor(model.matrix).fit(X, Y), model)


@pytest.mark.parametrize("n_tokens", [2, 20])
def test_other_numbers_of_tokens(n_tokens):
    model, X, Y = problem(n_samples=6000 // n_tokens, n_tokens=n_tokens)
    fit = InteractionRegressor(2).fit(X, Y)
    assert error(fit, model) < 0.02
    assert fit.predict(X[:4, :2]).shape == (4, 2)


def test_dependent_tokens():
    model, X, Y = problem(tokens=Equicorrelated(5, 0.5))
    assert error(InteractionRegressor(2).fit(X, Y), model) < 1e-3


def test_shuffled_outputs_teach_nothing():
    model, X, Y = problem()
    shuffled = np.random.default_rng(0).permutation(Y.ravel()).reshape(Y.shape)
    fit = InteractionRegressor(2, n_intervals=8).fit(X, shuffled)
    assert fit.score(X, shuffled) < 0.05
    assert error(fit, model) > 0.1


def test_rotating_and_scaling_the_tokens_changes_nothing():
    _, X, Y = problem(n_samples=1500)
    rotation = np.linalg.qr(np.random.default_rng(5).standard_normal((5, 5)))[0] * 2.5
    options = {"rank": 2, "n_intervals": 10, "start": "linear"}
    plain = InteractionRegressor(**options).fit(X, Y)
    turned = InteractionRegressor(**options).fit(X @ rotation, Y)
    np.testing.assert_allclose(turned.predict(X @ rotation), plain.predict(X), atol=2e-3)


def test_convention_of_scale_and_sign():
    _, X, Y = problem(n_samples=800)
    fit = InteractionRegressor(2, n_intervals=8).fit(X, Y)
    assert np.linalg.norm(fit.matrix_) == pytest.approx(1.0)
    assert fit.matrix_.ravel()[np.argmax(np.abs(fit.matrix_))] > 0


def test_an_outlying_token_does_not_spoil_the_fit():
    model, X, Y = problem(n_samples=500, d=2)
    X = X.copy()
    X[0, 0] *= 6.0
    Y = model.forward(X) + 0.1 * np.random.default_rng(0).standard_normal(Y.shape)
    tame = OracleRegressor(model.matrix, 3, 60).fit(X, Y)
    wild = OracleRegressor(model.matrix, 3, 60, penalty=0.0).fit(X, Y)
    assert error(tame, model) < 0.02
    assert error(wild, model) > 3 * error(tame, model)


def test_one_dimension_and_full_rank():
    model, X, Y = problem(d=1, rank=1, n_samples=1000)
    fit = InteractionRegressor(1).fit(X, Y)
    quadrature = interaction_error(fit, model, method="quadrature").value
    sampled = interaction_error(fit, model, n_pairs=100_000, rng=0)
    assert abs(quadrature - sampled.value) < 4 * sampled.standard_error
    assert interaction_error(model, model, method="quadrature").value == 0.0
    model, X, Y = problem(d=3, rank=3, n_samples=3000)
    assert error(InteractionRegressor(3).fit(X, Y), model) < 1e-3


def test_scikit_learn_conventions():
    _, X, Y = problem(d=3, n_samples=400)
    estimator = InteractionRegressor(1, n_intervals=6)
    assert clone(estimator).get_params() == estimator.get_params()
    search = GridSearchCV(estimator, {"rank": [1, 2]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"rank": 2}
    assert cross_val_score(InteractionRegressor(2, n_intervals=6), X, Y, cv=2).min() > 0.5
    with pytest.raises(NotFittedError, match="fit"):
        estimator.predict(X)


def test_too_few_steps_warn_and_say_what_to_try():
    _, X, Y = problem(n_samples=300, d=8)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        InteractionRegressor(2, n_intervals=8, start="random", n_starts=1, max_iter=1).fit(X, Y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank must be >= 1"),
        ({"rank": 4}, "rank must be >= 1 and <= 3, got 4"),
        ({"degree": 0}, "degree must be >= 1"),
        ({"n_intervals": 0}, "n_intervals must be >= 1"),
        ({"n_intervals": "many"}, "n_intervals must be one of 'auto'"),
        ({"penalty": -1.0}, "penalty must be >= 0"),
        ({"start": "cold"}, "start must be one of"),
        ({"max_iter": 0}, "max_iter must be >= 1"),
        ({"tol": 0.0}, "tol must be > 0"),
        ({"n_intervals": 5000}, "parameters"),
    ],
)
def test_bad_parameters_are_named(options, message):
    _, X, Y = problem(d=3, n_samples=100)
    with pytest.raises(ValueError, match=message):
        InteractionRegressor(**{"rank": 1, **options}).fit(X, Y)


def test_bad_data_are_named():
    _, X, Y = problem(d=3, n_samples=50)
    fit = InteractionRegressor(1, n_intervals=4)
    cases = [
        (X[:, :1], Y[:, :1], "at least 2 tokens"),
        (X[0], Y[0], r"X must have shape \(any, any, any\)"),
        (X, Y[:, :2], r"Y must have shape \(50, 3\)"),
        (np.where(X > 1.7, np.nan, X), Y, "X must be finite"),
        (X, np.where(Y > 0.5, np.inf, Y), "Y must be finite"),
        (X[:2], Y[:2], "more samples"),
    ]
    for tokens, outputs, message in cases:
        with pytest.raises(ValueError, match=message):
            fit.fit(tokens, outputs)
    with pytest.raises(ValueError, match="method='quadrature'"):
        interaction_error(fit, problem(d=3)[0], method="quadrature")


def test_constant_outputs_and_dropped_directions():
    _, X, _ = problem(d=3, n_samples=300)
    X = X.copy()
    X[..., 2] = 0.0  # a direction that no token visits
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = InteractionRegressor(1, n_intervals=4).fit(X, np.full(X.shape[:2], 0.7))
    np.testing.assert_allclose(fit.predict(X), 0.7, atol=1e-6)
