"""The fit with known matrix: a linear estimator, so that everything has a closed form."""

import math

import numpy as np
import pytest
import rounding
from sklearn.exceptions import NotFittedError

from pairint.estimation import InteractionRegressor, OracleRegressor, interaction_error
from pairint.estimation.problem import score_range
from pairint.model import (
    AttentionModel,
    GaussianNoise,
    SplineSpace,
    TruncatedGaussian,
    UniformCube,
    interaction_matrix,
    spline_activation,
)

SIGMA = 0.2


def line(u):
    """In every spline space, continuation and all: the fit has no bias."""
    return 0.5 + 0.8 * u


def draw(activation=line, n_samples=80, n_tokens=3, d=2, seed=0, noise=SIGMA, tokens=UniformCube):
    matrix = interaction_matrix(d, 1, 1, kind="coordinate")
    model = AttentionModel(activation, matrix, tokens(d), GaussianNoise(noise))
    return model, *model.sample(n_samples, n_tokens, seed)


@pytest.mark.parametrize("degree", [0, 1, 3, 4])
@pytest.mark.parametrize("n_tokens", [2, 5])
def test_without_penalty_it_is_least_squares(degree, n_tokens):
    model, X, Y = draw(spline_activation(3, 0), n_tokens=n_tokens)
    fit = OracleRegressor(model.matrix, degree, 4, penalty=0.0).fit(X, Y)
    space = fit.activation_.space
    assert (space.lower, space.upper) == score_range(X, model.matrix, np.eye(2))
    F = space.aggregate(model.scores(X))
    coefficients, residual, *_ = np.linalg.lstsq(F, Y.ravel())
    error = rounding.least_squares_error(F) * np.linalg.norm(coefficients)
    assert np.linalg.norm(fit.activation_.coefficients - coefficients) <= error < 1e-3
    assert fit.dof_ == pytest.approx(space.dimension, rel=rounding.least_squares_error(F) + 1e-10)
    assert fit.risk_ == pytest.approx(residual[0] / Y.size, rel=1e-9)
    assert fit.noise_std_ == pytest.approx(math.sqrt(residual[0] / (Y.size - space.dimension)), rel=1e-6)
    assert np.linalg.norm(fit.predict(X).ravel() - F @ coefficients) <= np.linalg.norm(F, 2) * error


@pytest.mark.slow
def test_unbiased_with_the_variance_of_theory():
    """Over draws of the noise the error is sigma^2 tr(G^-1 Gamma) / (M N), and the mean fit is the truth."""
    model, X, _ = draw()
    truth, shape = model.forward(X), X.shape[:2]
    rng = np.random.default_rng(5)
    x, y = (model.tokens.sample(2000, 2, 6)[:, k] for k in (0, 1))
    values = []
    for _ in range(400):
        Y = truth + SIGMA * rng.standard_normal(shape)
        fit = OracleRegressor(model.matrix, 2, 3, penalty=0.0).fit(X, Y)
        values.append(fit.interaction(x, y) - model.interaction(x, y))
    values = np.array(values)

    space = SplineSpace(*score_range(X, model.matrix, np.eye(2)), 3, 2)
    F = space.aggregate(model.scores(X))
    B = space.design(np.einsum("nd,de,ne->n", x, model.matrix, y))
    G, Gamma = F.T @ F / len(F), B.T @ B / len(B)
    expected = SIGMA**2 * np.trace(np.linalg.solve(G, Gamma)) / len(F)

    errors = (values**2).mean(axis=1)
    standard_error = errors.std(ddof=1) / math.sqrt(len(errors))
    assert abs(errors.mean() - expected) < 4 * standard_error
    assert standard_error < 0.06 * expected  # so that a factor N / (N - 1) would be seen
    # No bias: the mean over the draws is as far from the truth as its variance says.
    bias = (values.mean(axis=0) ** 2).mean()
    assert bias < 4 * expected / len(values)


def test_penalty_matters_where_scores_are_rare_only():
    model, X, Y = draw(spline_activation(3, 1), n_samples=2000)
    with_penalty, without = (
        OracleRegressor(model.matrix, 3, 12, penalty=penalty).fit(X, Y).activation_ for penalty in (0.1, 0.0)
    )
    u = np.linspace(-1, 1, 50)  # where two thirds of the scores are
    assert np.abs(with_penalty(u) - without(u)).max() < 0.005


@pytest.mark.parametrize("n_intervals", [60, 150])
def test_nearly_empty_cells_do_not_blow_up(n_intervals):
    """Long tails, more cells than they can fill: the penalty settles them."""
    model, X, Y = draw(
        spline_activation(3, 1), n_samples=200, d=1, noise=0.1, tokens=lambda d: TruncatedGaussian(d, 4.0)
    )
    errors = {}
    for penalty in (0.1, 0.0):
        fit = OracleRegressor(model.matrix, 3, n_intervals, penalty=penalty).fit(X, Y)
        errors[penalty] = interaction_error(fit, model, n_pairs=20_000, rng=0).value
    assert errors[0.1] < 0.02
    assert errors[0.0] > 10.0  # the control: least squares alone does blow up


@pytest.mark.slow
def test_chosen_cells_are_nearly_the_best():
    model, X, Y = draw(spline_activation(3, 4), n_samples=3000, noise=0.1)
    chosen = OracleRegressor(model.matrix).fit(X, Y)
    assert chosen.selection_.n_intervals == chosen.n_intervals_

    def error(fit):
        return interaction_error(fit, model, n_pairs=20_000, rng=0).value

    best = min(error(OracleRegressor(model.matrix, 3, k).fit(X, Y)) for k in (4, 8, 12, 16, 24, 40))
    assert error(chosen) < 1.5 * best


def test_never_worse_informed_than_the_estimator():
    """The same data and cells: the error of not knowing A is the difference, and it is there."""
    model, X, Y = draw(spline_activation(3, 4), n_samples=1500, d=6, noise=0.1)
    errors = [
        interaction_error(fit.fit(X, Y), model, n_pairs=20_000, rng=0).value
        for fit in (OracleRegressor(model.matrix, 3, 10), InteractionRegressor(1, 3, 10, random_state=0))
    ]
    assert errors[0] < errors[1] < 4 * errors[0]


def test_scale_of_the_matrix_is_the_users():
    model, X, Y = draw()
    fit = OracleRegressor(7 * model.matrix, 3, 5).fit(X, Y)
    np.testing.assert_array_equal(fit.matrix_, 7 * model.matrix)
    other = OracleRegressor(model.matrix, 3, 5).fit(X, Y)
    np.testing.assert_allclose(fit.predict(X), other.predict(X), atol=1e-9)


A = np.eye(2)
X, Y = np.random.default_rng(0).uniform(-1, 1, (40, 3, 2)), np.zeros((40, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: OracleRegressor(np.eye(3)).fit(X, Y), ValueError, r"matrix must have shape \(2, 2\), got"),
        (lambda: OracleRegressor(A * np.nan).fit(X, Y), ValueError, "matrix must be finite"),
        (lambda: OracleRegressor(A, -1).fit(X, Y), ValueError, "degree must be >= 0 and <= 12, got -1"),
        (lambda: OracleRegressor(A, 3, 0).fit(X, Y), ValueError, "n_intervals must be >= 1, got 0"),
        (lambda: OracleRegressor(A, 3, "cv").fit(X, Y), ValueError, "n_intervals must be one of"),
        (lambda: OracleRegressor(A, penalty=-1.0).fit(X, Y), ValueError, r"penalty must be >= 0\.0, got"),
        (lambda: OracleRegressor(A, 3, 117).fit(X, Y), ValueError, "M = 40 .* 120 outputs for 120 param"),
        (lambda: OracleRegressor(A).fit(X, Y[:, :2]), ValueError, r"Y must have shape \(40, 3\), got"),
        (lambda: OracleRegressor(A).predict(X), NotFittedError, r"not fitted yet: call fit\(X, Y\)"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
