"""The estimator: it recovers g, whatever the coordinates, and behaves as scikit-learn's estimators do."""

import itertools
import math
import warnings

import numpy as np
import pytest
import rounding
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

from pairint.estimation import InteractionRegressor, OracleRegressor, interaction_error
from pairint.estimation.gauss_newton import levenberg_marquardt
from pairint.estimation.quasi_newton import lbfgs
from pairint.estimation.search import SOLVERS
from pairint.model import (
    AttentionModel,
    Equicorrelated,
    GaussianNoise,
    Sphere,
    UniformCube,
    interaction_matrix,
    spline_activation,
)


def make(activation=None, d=4, rank=1, n_samples=800, n_tokens=3, sigma=0.1, **options):
    """A model and data; ``options`` are ``tokens``, ``kind`` (of the matrix) and ``seed``."""
    tokens, kind = options.get("tokens", UniformCube), options.get("kind", "gaussian")
    seed = options.get("seed", 0)
    activation = spline_activation(3, seed + 1) if activation is None else activation
    matrix = interaction_matrix(d, rank, seed, kind=kind)
    model = AttentionModel(activation, matrix, tokens(d), GaussianNoise(sigma))
    return model, *model.sample(n_samples, n_tokens, seed + 2)


def error(fit, model):
    return interaction_error(fit, model, n_pairs=20_000, rng=0).value


def least_error(sigma, n_parameters, n_samples, n_tokens):
    """Variance of that many parameters, were the outputs' noise spread evenly over them."""
    return sigma**2 * n_parameters * (n_tokens - 1) / (n_samples * n_tokens)


def matrix_parameters(fit):
    return fit.rank * (2 * fit.n_features_in_ - fit.rank) - 1


def achievable(fit, model, X, Y):
    """Three times what the oracle has with these cells, and the matrix's parameters in addition.

    The error over its mean is about chi-squared over its degrees of freedom: with eight, 3 is exceeded once
    in 400 data sets, with twenty once in 100,000.
    """
    oracle = OracleRegressor(model.matrix, fit.degree, fit.n_intervals_).fit(X, Y)
    return 3 * (error(oracle, model) + least_error(0.1, matrix_parameters(fit), *Y.shape))


def stopping_error(fit, Y, tol=1e-10):
    """RMS distance of two fits, each at most ``tol`` noise variances above the minimum of the objective.

    Near it the objective grows by the sum of squared changes of the predictions. The iteration stops at 1e-14
    of the sum of the squared outputs in any case.
    """
    return 2 * math.sqrt(max(tol * fit.noise_std_**2 / Y.size, 1e-14 * np.mean(Y**2)))


def rms(difference):
    return math.sqrt(np.mean(difference**2))


# ------------------------------------------------------------------------------------------ recovery


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["coordinate", "gaussian"])
def test_reference_point(kind):
    """d = 30, r = 2, N = 3, sigma = 0.1, M = 10,000: about the least error possible, from cold.

    Over some 130 parameters chi-squared varies by an eighth: half and twice its mean are four of them away.
    """
    for seed in (0, 1):
        truth = spline_activation(3, seed, bound=3 * math.sqrt(2))
        model, X, Y = make(truth, 30, 2, 10_000, kind=kind, seed=seed)
        fit = InteractionRegressor(rank=2, degree=3, random_state=seed).fit(X, Y)
        assert fit.converged_
        least = least_error(0.1, matrix_parameters(fit) + fit.n_intervals_ + 3, 10_000, 3)
        assert 0.5 * least < error(fit, model) < 2 * least  # below: started from the truth itself


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"d": 1},
        {"d": 3, "rank": 3},
        {"n_tokens": 2},
        {"n_tokens": 32, "n_samples": 120},
        {"tokens": Sphere, "d": 6, "rank": 2},
        {"tokens": lambda d: Equicorrelated(d, 0.5)},
        {"kind": "orthogonal", "d": 5, "rank": 2, "n_samples": 1500},
    ],
    ids=", ".join,
)
def test_recovers_the_interaction(settings):
    model, X, Y = make(**settings)
    fit = InteractionRegressor(settings.get("rank", 1), random_state=0).fit(X, Y)
    d, rank, (n_samples, n_tokens) = model.d, fit.rank, Y.shape
    parameters = rank * (2 * d - rank) + fit.n_intervals_ + 3
    assert error(fit, model) < 3 * least_error(0.1, parameters, n_samples, n_tokens)
    assert fit.converged_
    # The noise is estimated within its own error.
    freedom = Y.size - parameters
    assert abs(fit.noise_std_ / 0.1 - 1) < 4.5 / math.sqrt(2 * freedom)
    # The risk is a difference of sums of squares: an error of the normal equations relative to the outputs.
    rounding_error = 4 * rounding.gamma(Y.size) * np.mean(Y**2)
    assert fit.risk_ == pytest.approx(np.mean((Y - fit.predict(X)) ** 2), rel=1e-8, abs=rounding_error)
    # The matrix up to scale and sign: its part off the truth has the variance of its parameters.
    cosine = (fit.matrix_ * model.matrix).sum() / np.linalg.norm(model.matrix)
    assert abs(cosine) > 0.99


@pytest.mark.parametrize(
    "activation",
    [lambda u: 1 + 2 * u, np.tanh, lambda u: np.cos(u / 2)],
    ids=["line", "tanh", "cosine"],
)
def test_without_noise_the_truth_comes_back(activation):
    """As nearly as splines on these cells can: what they miss acts as noise on 11 parameters more than 23."""
    model, X, Y = make(activation, rank=2, n_samples=400, sigma=0.0)
    fit, oracle = (
        InteractionRegressor(2, 3, 20, random_state=0).fit(X, Y),
        OracleRegressor(model.matrix, 3, 20),
    )
    oracle.fit(X, Y)
    # The iteration stops at 1e-14 of the squared outputs; a pair counts twice what a mean of two does.
    floor = 4e-14 * np.mean(Y**2)
    assert error(fit, model) < (23 + 11) / 23 * error(oracle, model) + floor
    assert fit.risk_ < 1.1 * oracle.risk_ + floor


@pytest.mark.slow
def test_even_activation_needs_the_quadratic_start():
    model, X, Y = make(lambda u: np.cos(2.5 * u), d=30, rank=2, n_samples=2000, kind="coordinate")
    settings = {"n_intervals": 12, "max_iter": 12, "random_state": 0}
    for start in ("quadratic", "auto"):
        fit = InteractionRegressor(2, start=start, **settings).fit(X, Y)
        assert fit.converged_ and error(fit, model) < achievable(fit, model, X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = InteractionRegressor(2, start="linear", **settings).fit(X, Y)
    assert error(fit, model) > 0.1  # the control: the linear start is lost there


def test_odd_activation_needs_the_linear_start():
    """And "auto" does not lose what either start finds."""
    model, X, Y = make(np.tanh, d=12, rank=2, n_samples=1500)
    for start in ("linear", "auto"):
        fit = InteractionRegressor(2, n_intervals=8, start=start, random_state=0).fit(X, Y)
        assert error(fit, model) < achievable(fit, model, X, Y)


def test_random_starts_alone_can_do():
    model, X, Y = make(d=3, n_samples=600)
    fit = InteractionRegressor(1, start="random", n_starts=4, random_state=1).fit(X, Y)
    assert error(fit, model) < achievable(fit, model, X, Y)


@pytest.mark.slow
def test_error_is_not_much_above_the_oracles():
    model, X, Y = make(d=5, n_samples=3000)
    fit = InteractionRegressor(1, random_state=0).fit(X, Y)
    assert error(fit, model) < 2 / 3 * achievable(fit, model, X, Y)  # some 20 parameters: three deviations


@pytest.mark.slow
@pytest.mark.parametrize("degree", [1, 2, 8])
def test_degrees(degree):
    model, X, Y = make(d=3)
    fit = InteractionRegressor(1, degree, random_state=0).fit(X, Y)
    assert error(fit, model) < achievable(fit, model, X, Y)


@pytest.mark.slow
def test_nothing_but_noise():
    model, X, Y = make(lambda u: 0 * u, n_samples=600)
    fit = InteractionRegressor(1, random_state=0).fit(X, Y)
    assert error(fit, model) < 3 * least_error(0.1, 8 + fit.n_intervals_ + 3, 600, 3)
    # R^2 is about chi-squared over the outputs: its mean, and three of its deviations; and the best of many
    # starts that found no signal is taken, the largest of as many draws.
    freedom = 8 + fit.n_intervals_ + 3
    deviations = 3 + math.sqrt(2 * math.log(len(fit.start_risks_)))
    assert fit.score(X, Y) < (freedom + deviations * math.sqrt(2 * freedom)) / Y.size


# --------------------------------------------------------------------------- conventions, symmetries


@pytest.mark.slow
def test_convention_of_scale_and_sign():
    for seed in range(3):
        _, X, Y = make(d=3, rank=2, n_samples=300, seed=seed)
        fit = InteractionRegressor(2, n_intervals=8, random_state=0).fit(X, Y)
        assert np.linalg.norm(fit.matrix_) == pytest.approx(1.0)
        assert fit.matrix_.flat[np.abs(fit.matrix_).argmax()] > 0
        assert np.linalg.matrix_rank(fit.matrix_, tol=1e-8) == 2
        x, y = X[:, 0], X[:, 1]
        expected = fit.activation_(np.einsum("nd,de,ne->n", x, fit.matrix_, y))
        np.testing.assert_allclose(fit.interaction(x, y), expected, atol=1e-12)


@pytest.mark.slow
def test_coordinates_do_not_matter():
    """Rotated, scaled or sheared tokens: another matrix, the same g."""
    _, X, Y = make(d=4, rank=2, n_samples=500)
    rng = np.random.default_rng(3)
    rotation = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    shear = rotation @ np.diag([0.5, 1.0, 2.0, 5.0])
    settings = {"n_intervals": 10, "n_starts": 0, "tol": 1e-10}
    reference = InteractionRegressor(2, **settings).fit(X, Y)
    exact, statistical = stopping_error(reference, Y), 0.1 * math.sqrt((11 + 13) / Y.size)
    # The knots span the scores at the start of the last stage. Another start moves them a little: that is to
    # cost a small part of the statistical error. A change of scale moves nothing.
    changes = ((1e-3 * np.eye(4), exact), (1e4 * np.eye(4), exact), (rotation, 0.1 * statistical),
               (shear, 0.1 * statistical))  # fmt: skip
    for change, tolerance in changes:
        fit = InteractionRegressor(2, **settings).fit(X @ change, Y)
        assert rms(fit.predict(X @ change) - reference.predict(X)) < tolerance


@pytest.mark.parametrize(("x_unit", "y_unit"), [(1e60, 1.0), (1.0, 1e60), (1e-60, 1e-60)])
def test_extreme_units_give_the_same_fit(x_unit, y_unit):
    _, X, Y = make(d=3, n_samples=300)
    X, Y = X / np.abs(X).max(), Y / np.abs(Y).max()
    settings = {"n_intervals": 8, "random_state": 0, "tol": 1e-10}
    expected = InteractionRegressor(1, **settings).fit(X, Y)
    fit = InteractionRegressor(1, **settings).fit(x_unit * X, y_unit * Y)
    assert rms(fit.predict(x_unit * X) / y_unit - expected.predict(X)) < stopping_error(expected, Y)


@pytest.mark.slow
def test_units_of_the_outputs_do_not_matter():
    _, X, Y = make(d=3, n_samples=500)
    settings = {"n_intervals": 10, "random_state": 0, "tol": 1e-10}
    expected = InteractionRegressor(1, **settings).fit(X, Y)
    for factor in (-1.0, 1e-6, 1e6):
        fit = InteractionRegressor(1, **settings).fit(X, factor * Y)
        assert rms(fit.predict(X) / factor - expected.predict(X)) < stopping_error(expected, Y)
        assert fit.noise_std_ == pytest.approx(abs(factor) * expected.noise_std_, rel=1e-9)


@pytest.mark.slow
def test_order_of_tokens_and_samples_does_not_matter():
    _, X, Y = make(d=3, n_samples=500)
    settings = {"n_intervals": 10, "n_starts": 0, "tol": 1e-10}
    expected = InteractionRegressor(1, **settings).fit(X, Y)
    samples = np.random.default_rng(0).permutation(500)
    for X2, Y2 in ((X[samples], Y[samples]), (X[:, [2, 0, 1]], Y[:, [2, 0, 1]])):
        fit = InteractionRegressor(1, **settings).fit(X2, Y2)
        assert rms(fit.predict(X) - expected.predict(X)) < stopping_error(expected, Y)


def test_directions_without_tokens_are_dropped():
    _, X, Y = make(d=3, n_samples=600)
    flat = np.concatenate([X, 0 * X[..., :1], X[..., :1]], axis=-1)  # three dimensions among five
    settings = {"n_intervals": 10, "start": "linear", "tol": 1e-10}  # one way, so that both go the same
    fit = InteractionRegressor(1, **settings).fit(flat, Y)
    expected = InteractionRegressor(1, **settings).fit(X, Y).predict(X)
    # The knots moved (as above): a part of the statistical error.
    assert rms(fit.predict(flat) - expected) < 0.3 * 0.1 * math.sqrt((4 + 13) / Y.size)


@pytest.mark.parametrize("seed", range(6))
def test_the_matrix_says_nothing_of_directions_without_tokens(seed):
    """Three dimensions laid among five: what is zero to rounding in the second moment has either sign."""
    _, X, Y = make(d=3, n_samples=200)
    embedding = np.random.default_rng(seed).standard_normal((3, 5))
    fit = InteractionRegressor(1, n_intervals=4, start="linear").fit(X @ embedding, Y)
    unseen = np.linalg.svd(embedding)[2][3:].T
    # Eigenvectors turn by the backward error of their decomposition (ten d^2 roundings) over the gap to zero.
    rows = (X @ embedding).reshape(-1, 5)
    values = np.linalg.eigvalsh(rows.T @ rows)
    accuracy = rounding.gamma(10 * 5**2 + len(rows)) * values[-1] / values[2]
    for matrix in (fit.matrix_, fit.matrix_.T):
        assert np.abs(matrix @ unseen).max() <= 4 * accuracy < 1e-9


@pytest.mark.parametrize("start", ["auto", "linear", "quadratic"])
@pytest.mark.parametrize("direction", [(1.0, 1.0), (2.0, 0.0, -1.0, 0.5)])
def test_tokens_on_a_line_leave_no_matrix_to_learn(direction, start):
    """The outer system is zero to rounding: no step is taken, and the fit is that of one dimension.

    A random matrix (start "auto") need not be along the line, and may scale the scores against the knots:
    that is to explain the outputs as well, but for as many noise variances as the spline has parameters.
    """
    _, X, Y = make(d=1, n_samples=400)
    flat = X * np.array(direction)
    expected = InteractionRegressor(1, n_intervals=8).fit(X, Y)
    fit = InteractionRegressor(1, n_intervals=8, start=start, random_state=0).fit(flat, Y)
    if start == "auto":
        assert fit.risk_ < expected.risk_ + 11 * 0.1**2 / Y.size
    else:
        assert fit.converged_ and fit.n_iter_ == 0
        assert rms(fit.predict(flat) - expected.predict(X)) < stopping_error(expected, Y)


def test_another_number_of_tokens_to_predict():
    model, X, Y = make(d=3)
    fit = InteractionRegressor(1, random_state=0).fit(X, Y)
    for n_tokens in (2, 7):
        other = model.tokens.sample(200, n_tokens, 9)
        assert np.mean((fit.predict(other) - model.forward(other)) ** 2) < achievable(fit, model, X, Y)
    pair = model.tokens.sample(5, 2, 9)
    np.testing.assert_allclose(fit.predict(pair)[:, 0], fit.interaction(pair[:, 0], pair[:, 1]), atol=1e-12)


# -------------------------------------------------------------------------------------------- tails


@pytest.mark.slow
@pytest.mark.parametrize("scale", [30.0, 100.0])
def test_one_heavy_token_does_not_spoil_the_fit(scale):
    model, X, _ = make(d=3)
    X[0, 0] *= scale
    Y = model.forward(X) + 0.1 * np.random.default_rng(0).standard_normal(X.shape[:2])
    fit = InteractionRegressor(1, random_state=0).fit(X, Y)
    assert error(fit, model) < achievable(fit, model, X, Y)


def test_more_cells_than_the_tails_can_fill():
    model, X, Y = make(d=3, n_samples=400, tokens=Sphere)
    fit = InteractionRegressor(1, n_intervals=150, random_state=0).fit(X, Y)
    assert error(fit, model) < achievable(fit, model, X, Y)


# ---------------------------------------------------------------------------------- scikit-learn's way


def test_clone_and_parameters():
    parameters = {
        "rank": 2, "degree": 4, "n_intervals": 7, "penalty": 0.5, "start": "linear", "n_starts": 1,
        "max_iter": 9, "tol": 0.1, "random_state": 3, "max_rank": 3, "loss": "huber",
        "channel": "sum", "activation": "exp", "n_heads": 2, "solver": "lbfgs", "selection_weight": 1.2,
    }  # fmt: skip
    estimator = InteractionRegressor(**parameters)
    assert estimator.get_params() == parameters
    assert clone(estimator).get_params() == parameters
    assert clone(estimator).set_params(rank=1).rank == 1
    assert "rank=2" in repr(estimator)
    oracle = clone(OracleRegressor(np.eye(2), 1))
    np.testing.assert_array_equal(oracle.matrix, np.eye(2))


def test_fitting_changes_no_parameter_and_no_data():
    _, X, Y = make(n_samples=200)
    before = X.copy(), Y.copy()
    estimator = InteractionRegressor(random_state=0)
    parameters = dict(estimator.get_params())
    assert estimator.fit(X, Y) is estimator
    assert estimator.get_params() == parameters
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(Y, before[1])
    assert estimator.n_features_in_ == 4


def test_seeds_are_reproducible():
    _, X, Y = make(n_samples=200)
    fits = [InteractionRegressor(random_state=5).fit(X, Y) for _ in range(2)]
    np.testing.assert_array_equal(fits[0].matrix_, fits[1].matrix_)
    np.testing.assert_array_equal(fits[0].activation_.coefficients, fits[1].activation_.coefficients)


@pytest.mark.slow
def test_cross_validation_and_grid_search():
    _, X, Y = make(d=2, n_samples=240)
    scores = cross_val_score(InteractionRegressor(n_intervals=6, n_starts=0), X, Y, cv=3)
    assert scores.shape == (3,) and scores.min() > 0  # better than the mean
    search = GridSearchCV(
        InteractionRegressor(n_starts=0), {"n_intervals": [1, 8]}, cv=KFold(3, shuffle=True, random_state=0)
    ).fit(X, Y)
    assert search.best_params_ == {"n_intervals": 8}
    assert search.best_estimator_.predict(X).shape == Y.shape
    assert not np.isnan(search.cv_results_["mean_test_score"]).any()


def test_score_is_the_coefficient_of_determination():
    _, X, Y = make(n_samples=200)
    fit = InteractionRegressor(n_intervals=6, random_state=0).fit(X, Y)
    expected = 1 - ((Y - fit.predict(X)) ** 2).sum() / ((Y - Y.mean()) ** 2).sum()
    assert fit.score(X, Y) == pytest.approx(expected, rel=1e-12)
    assert fit.score(X, fit.predict(X)) == pytest.approx(1.0)


@pytest.mark.slow
@pytest.mark.parametrize("solver", SOLVERS)
def test_fit_that_did_not_converge_warns_and_says_what_to_try(solver):
    _, X, Y = make(d=5)
    noise = np.random.default_rng(0).standard_normal(Y.shape)  # its valleys are flat
    hurried = InteractionRegressor(3, max_iter=1, tol=1e-12, solver=solver, random_state=0)
    with pytest.warns(ConvergenceWarning, match="after max_iter = 1 steps .* raise max_iter"):
        hurried.fit(X, noise)
    assert not hurried.converged_
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert InteractionRegressor(solver=solver, random_state=0).fit(X, Y).converged_


def test_history():
    _, X, Y = make(d=5, rank=2)
    fit = InteractionRegressor(2, n_intervals=12, random_state=0).fit(X, Y)
    assert fit.n_iter_ == len(fit.history_) >= 3
    assert {"stage", "iteration", "n_intervals", "risk", "damping"} <= set(fit.history_[0])
    stages = [entry["stage"] for entry in fit.history_]
    assert stages == sorted(stages) and fit.history_[-1]["n_intervals"] == fit.n_intervals_ == 12
    assert fit.history_[-1]["risk"] == fit.risk_  # the same state
    assert fit.selection_ is None


@pytest.mark.parametrize("solver", SOLVERS)
def test_cells_are_doubled_on_the_way_to_many(solver, monkeypatch):
    """All at once, fine structure would meet a matrix too crude to resolve it."""
    cells = []

    def noted(descend):
        def descent(problem, left, right, space, *arguments):
            cells.append(space.n_intervals)
            return descend(problem, left, right, space, *arguments)

        return descent

    for descend in (levenberg_marquardt, lbfgs):
        monkeypatch.setattr(f"pairint.estimation.search.{descend.__name__}", noted(descend))
    _, X, Y = make(d=5, rank=2)
    InteractionRegressor(2, n_intervals=100, solver=solver, random_state=0).fit(X, Y)
    assert cells[0] < 25 and cells[-1] == 100
    assert all(after <= 2 * before for before, after in itertools.pairwise(cells))


def test_noise_is_corrected_for_the_matrix():
    """d = 30, r = 2: 115 parameters among 900 outputs would lower the estimate by seven percent."""
    _, X, Y = make(lambda u: 1 + 2 * u, d=30, rank=2, n_samples=300)
    fit = InteractionRegressor(2, n_intervals=4, start="linear").fit(X, Y)
    freedom = Y.size - matrix_parameters(fit) - fit.dof_
    assert fit.noise_std_ == pytest.approx(math.sqrt(fit.risk_ * Y.size / freedom), rel=1e-12)
    # Within 2.7 of its standard deviations, left once in 150 data sets; without the correction three off.
    assert abs(fit.noise_std_ / 0.1 - 1) < 2.7 / math.sqrt(2 * freedom)


def test_choice_of_k():
    _, X, Y = make()
    fit = InteractionRegressor(random_state=0).fit(X, Y)
    assert fit.n_intervals_ == fit.activation_.space.n_intervals
    assert fit.n_intervals_ in fit.selection_.candidates
    # The number of determined coefficients: the noise is estimated from what it and the matrix leave.
    assert 1 < fit.dof_ <= fit.n_intervals_ + 3 + 1e-9
    freedom = Y.size - fit.dof_ - (2 * 4 - 1 - 1)
    assert fit.noise_std_ == pytest.approx(math.sqrt(fit.risk_ * Y.size / freedom), rel=1e-12)
    assert abs(math.log(fit.n_intervals_ / fit.selection_.n_intervals)) <= math.log(1.35)


# ------------------------------------------------------------------------------------------ bad input

GOOD = np.random.default_rng(0).uniform(-1, 1, (50, 3, 2)), np.random.default_rng(1).uniform(-1, 1, (50, 3))


def spoilt(value, which):
    data = [array.copy() for array in GOOD]
    data[which].flat[3] = value
    return data


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"rank": 0}, ValueError, "rank must be >= 1 and <= 2, got 0"),
        ({"rank": 3}, ValueError, "rank must be >= 1 and <= 2, got 3"),
        ({"rank": 1.0}, TypeError, r"rank must be an integer .*, got 1\.0"),
        ({"degree": 0}, ValueError, "degree must be >= 1 and <= 12, got 0"),
        ({"degree": 13}, ValueError, "degree must be >= 1 and <= 12, got 13"),
        ({"n_intervals": 0}, ValueError, "n_intervals must be >= 1, got 0"),
        ({"n_intervals": "best"}, ValueError, "n_intervals must be one of 'auto'; got 'best'"),
        ({"n_intervals": 2.5}, TypeError, r'n_intervals must be an integer >= 1 or "auto", got 2\.5'),
        ({"n_intervals": True}, TypeError, "n_intervals must be an integer, got True"),
        ({"penalty": -0.1}, ValueError, r"penalty must be >= 0\.0, got -0\.1"),
        ({"penalty": math.nan}, ValueError, "penalty must be finite, got nan"),
        ({"start": "spectral"}, ValueError, "start must be one of 'auto', 'linear', .* got 'spectral'"),
        ({"n_starts": -1}, ValueError, "n_starts must be >= 0 and <= 10000, got -1"),
        ({"max_iter": 0}, ValueError, "max_iter must be >= 1, got 0"),
        ({"tol": 0.0}, ValueError, r"tol must be > 0\.0, got 0\.0"),
        ({"random_state": "seed"}, TypeError, "random_state must be .* got 'seed'"),
        ({"random_state": -1}, ValueError, "random_state must be >= 0, got -1"),
        ({"n_intervals": 145}, ValueError, "M = 50 samples give 150 outputs for 150 parameters"),
    ],
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=f"^{message}"):
        InteractionRegressor(**settings).fit(*GOOD)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (spoilt(math.nan, 0), ValueError, "X must be finite, got 1 NaN or infinite entries"),
        (spoilt(math.inf, 1), ValueError, "Y must be finite, got 1 NaN or infinite entries"),
        ((GOOD[0][0], GOOD[1]), ValueError, r"X must have shape \(any, any, any\), got \(3, 2\)"),
        ((GOOD[0], GOOD[1][:, :2]), ValueError, r"Y must have shape \(50, 3\), got \(50, 2\)"),
        ((GOOD[0], GOOD[1][:9]), ValueError, r"Y must have shape \(50, 3\), got \(9, 3\)"),
        ((GOOD[0], GOOD[1][..., None]), ValueError, r"Y must have shape \(50, 3\), got \(50, 3, 1\)"),
        ((GOOD[0][:, :1], GOOD[1][:, :1]), ValueError, r"at least 2 tokens a sample \(N >= 2\), got"),
        ((GOOD[0][:0], GOOD[1][:0]), ValueError, r"at least one sample, got shape \(0, 3, 2\)"),
        ((GOOD[0][..., :0], GOOD[1]), ValueError, r"dimension d >= 1, got shape \(50, 3, 0\)"),
        ((GOOD[0][:2], GOOD[1][:2]), ValueError, "M = 2 samples give 6 outputs for 6 parameters"),
        (
            (GOOD[0] * 1e200, GOOD[1]),
            ValueError,
            r"X must hold numbers of size at most 1e\+60, got 9\.\d+e\+199",
        ),
        (
            (GOOD[0], GOOD[1] * 1e200),
            ValueError,
            r"Y must hold numbers of size at most 1e\+60, got 9\.\d+e\+199",
        ),
        ((GOOD[0] * 1j, GOOD[1]), TypeError, "X must hold real numbers, got dtype complex128"),
    ],
)
def test_bad_data(data, error, message):
    with pytest.raises(error, match=message):
        InteractionRegressor().fit(*data)


def test_bad_use():
    unfitted = InteractionRegressor()
    for use, arguments in (
        (unfitted.predict, GOOD[:1]),
        (unfitted.score, GOOD),
        (unfitted.interaction, ([0, 0], [0, 0])),
    ):
        with pytest.raises(NotFittedError, match=r"InteractionRegressor is not fitted yet: call fit\(X, Y\)"):
            use(*arguments)
    fit = InteractionRegressor(n_intervals=2, random_state=0).fit(*GOOD)
    with pytest.raises(ValueError, match=r"X must have shape \(any, any, 2\), got \(4, 3, 3\)"):
        fit.predict(np.ones((4, 3, 3)))
    with pytest.raises(ValueError, match=r"y must have shape \(\.\.\., 2\), got \(3,\)"):
        fit.interaction(np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match=r"Y must have shape \(50, 3\), got \(50,\)"):
        fit.score(GOOD[0], GOOD[1][:, 0])
