"""Huber's loss and weights: closed forms, bounded influence, what they cost and what they save."""

import numpy as np
import pytest
from scipy import stats

from pairint.estimation import InteractionRegressor, LeastSquaresProblem, OracleRegressor
from pairint.estimation.robust import pulled_in, residual_scale
from pairint.model import (
    AttentionModel,
    GaussianNoise,
    RoughActivation,
    Tanh,
    UniformCube,
    interaction_matrix,
)

LIMIT = 1.345


def draw(seed, n_samples=600, d=3, rank=1, n_tokens=3, noise=0.1, activation=None):
    rng = np.random.default_rng(seed)
    matrix = interaction_matrix(d, rank, rng)
    model = AttentionModel(activation or Tanh(2.0), matrix, UniformCube(d), GaussianNoise(noise))
    return model, *model.sample(n_samples, n_tokens, rng)


def spoiled(Y, share, seed, size):
    rng = np.random.default_rng(seed)
    return np.where(rng.random(Y.shape) < share, Y + size * rng.standard_normal(Y.shape), Y)


def error(fit, model, n_pairs=20_000):
    x, y = model.tokens.sample(n_pairs, 2, np.random.default_rng(99)).swapaxes(0, 1)
    return float(((fit.interaction(x, y) - model.interaction(x, y)) ** 2).mean())


# ---------------------------------------------------------------------------------------------- weights


def test_integer_weights_repeat_the_samples():
    model, X, Y = draw(0, 200)
    times = np.random.default_rng(1).integers(0, 4, len(Y))
    weight = np.repeat(times[:, None], Y.shape[1], axis=1).astype(float)
    for n_intervals in (5, 60):  # dense and sparse designs
        weighted = LeastSquaresProblem(X, Y, 3, 0.3, weight=weight)
        repeated = LeastSquaresProblem(np.repeat(X, times, axis=0), np.repeat(Y, times, axis=0), 3, 0.3)
        space = weighted.space(model.matrix, np.eye(3), n_intervals)
        a, b = (problem.equations(model.matrix, np.eye(3), space) for problem in (weighted, repeated))
        # Sums of at most 2400 terms in another order.
        np.testing.assert_allclose(a.gram, b.gram, atol=2400 * 2.3e-16 * np.abs(b.gram).max())
        np.testing.assert_allclose(a.moment, b.moment, atol=2400 * 2.3e-16 * np.abs(Y).max() * b.gram.max())
        assert a.total == pytest.approx(b.total, rel=1e-12)


@pytest.mark.parametrize("kind", ["interaction", "oracle"])
def test_samples_of_weight_zero_are_left_out(kind):
    model, X, Y = draw(1, 300)

    def regressor():
        if kind == "oracle":
            return OracleRegressor(model.matrix, n_intervals=4)
        return InteractionRegressor(1, n_intervals=4, random_state=0)

    kept = np.random.default_rng(2).random(len(Y)) < 0.7
    bad_X, bad_Y = X.copy(), Y.copy()
    bad_X[~kept] *= 1e3
    bad_Y[~kept] = 1e6
    part = regressor().fit(X[kept], Y[kept], np.ones(int(kept.sum())))
    whole = regressor().fit(bad_X, bad_Y, 5.0 * kept)
    np.testing.assert_array_equal(whole.predict(X), part.predict(X))
    assert whole.noise_std_ == part.noise_std_
    assert whole.score(bad_X, bad_Y, kept) == pytest.approx(part.score(X[kept], Y[kept]), rel=1e-12)


def test_equal_weights_change_nothing():
    _, X, Y = draw(2)
    plain = InteractionRegressor(1, random_state=0).fit(X, Y)
    for weight in (np.full(len(Y), 7.0), np.full(Y.shape, 1e-200)):
        equal = InteractionRegressor(1, random_state=0).fit(X, Y, weight)
        # The starts are equal up to rounding, and both fits stop within a hundredth of a noise variance.
        difference = float(((equal.predict(X) - plain.predict(X)) ** 2).sum())
        assert difference < 4 * 1e-2 * plain.noise_std_**2
        assert equal.n_intervals_ == plain.n_intervals_
        assert equal.noise_std_ == pytest.approx(plain.noise_std_, rel=1e-3)


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_an_output_of_weight_zero_is_not_seen(loss):
    model, X, Y = draw(3)
    weight = np.random.default_rng(4).integers(0, 2, Y.shape).astype(float)
    fits = [
        OracleRegressor(model.matrix, n_intervals=15, loss=loss).fit(
            X, np.where(weight > 0, Y, wrong), weight
        )
        for wrong in (0.0, 1e5)
    ]
    np.testing.assert_array_equal(fits[0].predict(X), fits[1].predict(X))
    # Five standard errors; that of the median of absolute values is 1.65 times that of the root mean square.
    factor = {"squared_error": 1.0, "huber": 1.65}[loss]
    assert fits[0].noise_std_ == pytest.approx(0.1, rel=5 * factor / np.sqrt(2 * weight.sum()))


@pytest.mark.slow
def test_inverse_variances_are_the_right_weights():
    """A constant, half of whose outputs are ten times noisier: 0.0198 against 0.505 over the number."""
    rng = np.random.default_rng(5)
    X, variance = rng.standard_normal((50, 2, 1)), np.tile([[0.01, 1.0]], (50, 1))
    squares = {"plain": 0.0, "weighted": 0.0}
    n_draws = 200
    for _ in range(n_draws):
        Y = np.sqrt(variance) * rng.standard_normal(variance.shape)
        for name, weight in (("plain", None), ("weighted", 1 / variance)):
            fit = OracleRegressor(np.eye(1), degree=0, n_intervals=1).fit(X, Y, weight)
            squares[name] += float(fit.activation_(np.zeros(1))[0] ** 2)
    n_outputs = variance.size
    for name, mean in (("plain", 0.505), ("weighted", 1 / 50.5)):
        low, high = stats.chi2.ppf([1e-6, 1 - 1e-6], n_draws)
        assert low < squares[name] * n_outputs / mean < high


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(5), r"sample_weight must have shape \(600\), got \(5,\)"),
        (np.ones((600, 2)), r"sample_weight must have shape \(600, 3\)"),
        (-np.ones(600), "sample_weight must have no negative entry, got -1"),
        (np.zeros(600), "sample_weight must have a positive entry"),
        (np.full(600, np.nan), "sample_weight"),
        (np.ma.array(np.ones(600), mask=[True] + 599 * [False]), "sample_weight must have no masked entry"),
    ],
)
def test_weights_that_are_none(weight, message):
    model, X, Y = draw(0)
    for regressor in (InteractionRegressor(1), OracleRegressor(model.matrix)):
        with pytest.raises(ValueError, match=message):
            regressor.fit(X, Y, weight)


# ------------------------------------------------------------------------------------------ Huber's loss


def test_the_weighted_squares_lie_above_the_loss_and_touch_it():
    rng = np.random.default_rng(0)
    old, new = 3 * rng.standard_normal((2, 10_000))

    def loss(e):
        return np.where(np.abs(e) > LIMIT, 2 * LIMIT * np.abs(e) - LIMIT**2, e**2)

    weight = np.minimum(1, LIMIT / np.abs(old))
    above = loss(old) + weight * (new**2 - old**2)
    assert np.all(above >= loss(new) - 1e-12)
    too_small = loss(old) + 0.9 * weight * (new**2 - old**2)
    assert not np.all(too_small >= loss(new))


def test_a_constant_is_hubers_estimate_of_location():
    """The residuals, cut at the limit, sum to zero; their median gives the scale."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((200, 2, 1))
    Y = 5.0 + stats.t(df=1.5).rvs((200, 2), random_state=rng)
    fit = OracleRegressor(np.eye(1), degree=0, n_intervals=1, loss="huber", tol=1e-14).fit(X, Y)
    centre = float(fit.activation_(np.zeros(1))[0])
    scale = fit.noise_std_ * np.sqrt((Y.size - fit.dof_) / Y.size)
    cut = np.clip(Y - centre, -LIMIT * scale, LIMIT * scale)
    # A round below the tolerance moves the centre by less than sqrt(tol) scales of its own curvature.
    assert abs(cut.sum()) < 2 * np.sqrt(1e-14) * Y.size * scale
    assert scale == pytest.approx(residual_scale(Y - centre), rel=1e-2)
    np.testing.assert_array_equal(fit.outliers_, np.abs(Y - centre) > LIMIT * scale)
    assert abs(centre - Y.mean()) > 10 * abs(cut.sum()) / Y.size
    assert fit.risk_ == pytest.approx(
        np.mean(
            np.where(
                fit.outliers_,
                2 * np.abs(Y - centre) * LIMIT * scale - (LIMIT * scale) ** 2,
                (Y - centre) ** 2,
            )
        )
    )


def test_one_wrong_output_does_no_more_however_wrong():
    model, X, Y = draw(6)
    fits = {}
    for wrong in (0.0, 1e2, 1e9):
        Z = Y.copy()
        Z[0, 0] += wrong
        for loss in ("huber", "squared_error"):
            fits[loss, wrong] = InteractionRegressor(1, n_intervals=4, loss=loss, random_state=0).fit(X, Z)
    clean = error(fits["huber", 0.0], model)
    assert error(fits["huber", 1e2], model) < 1.5 * clean
    assert error(fits["huber", 1e9], model) < 1.5 * clean
    assert error(fits["squared_error", 1e2], model) > 10 * clean
    assert error(fits["squared_error", 1e9], model) > 1e6 * clean


@pytest.mark.slow
def test_efficiency_under_gaussian_noise():
    """The squared error of an estimated constant is 1/0.95 of the least squares': a theorem of Huber's."""
    rng = np.random.default_rng(7)
    X, n_draws, n_samples = rng.standard_normal((100, 2, 1)), 300, 100
    squares = {"huber": [], "squared_error": []}
    for _ in range(n_draws):
        Y = rng.standard_normal((n_samples, 2))
        for loss in squares:
            fit = OracleRegressor(np.eye(1), degree=0, n_intervals=1, loss=loss, tol=1e-8).fit(X, Y)
            squares[loss].append(float(fit.activation_(np.zeros(1))[0]) ** 2)
    difference = 0.95 * np.array(squares["huber"]) - np.array(squares["squared_error"])
    assert abs(difference.mean()) < 5 * difference.std(ddof=1) / np.sqrt(n_draws)
    assert np.mean(squares["huber"]) < 1.5 * np.mean(squares["squared_error"])


def test_exact_data_with_wrong_outputs_are_fitted_exactly():
    """The scale goes to zero, and the loss becomes the sum of absolute residuals."""
    rng = np.random.default_rng(8)
    X = rng.uniform(-1, 1, (400, 3, 2))
    matrix = np.diag([1.0, -0.5])
    truth = OracleRegressor(matrix, n_intervals=3).fit(X, rng.standard_normal((400, 3)))
    Y = truth.predict(X)
    fit = OracleRegressor(matrix, n_intervals=3, penalty=0.0, loss="huber").fit(X, spoiled(Y, 0.05, 9, 10.0))
    assert np.abs(fit.predict(X) - Y).max() < 1e-6 * np.abs(Y).max()
    plain = OracleRegressor(matrix, n_intervals=3, penalty=0.0).fit(X, spoiled(Y, 0.05, 9, 10.0))
    assert np.abs(plain.predict(X) - Y).max() > 0.1 * np.abs(Y).max()


@pytest.mark.slow
def test_one_output_in_twenty_off_by_a_hundred_noises():
    """At most twice the error of the clean fit, on average; least squares lose a factor of a hundred."""
    ratios = {"huber": [], "squared_error": []}
    for seed in range(6):
        activation = RoughActivation(3.0, np.random.default_rng(seed))
        model, X, Y = draw(seed, 1500, d=5, rank=2, n_tokens=4, activation=activation)
        Z = spoiled(Y, 0.05, 100 + seed, 100 * 0.1)
        clean = error(InteractionRegressor(2, random_state=0).fit(X, Y), model)
        for loss in ratios:
            fit = InteractionRegressor(2, loss=loss, n_starts=0, random_state=0).fit(X, Z)
            ratios[loss].append(error(fit, model) / clean)
    assert np.exp(np.mean(np.log(ratios["huber"]))) < 2
    assert np.exp(np.mean(np.log(ratios["squared_error"]))) > 30


@pytest.mark.slow
def test_the_rank_is_found_among_wrong_outputs():
    _, X, Y = draw(10, 1500, d=4, rank=2, n_tokens=3)
    fit = InteractionRegressor("auto", loss="huber", random_state=0).fit(X, spoiled(Y, 0.05, 11, 10.0))
    assert fit.rank_ == 2
    assert fit.outliers_.shape == Y.shape and 0.15 < fit.outliers_.mean() < 0.3


def test_the_first_view_pulls_in_the_far_ones_only():
    Y = np.random.default_rng(12).standard_normal((500, 2))
    Z = Y.copy()
    Z[:10] = 1e5
    seen = pulled_in(Z)
    near = np.abs(Y[10:]) < 3.5
    np.testing.assert_array_equal(seen[10:][near], Y[10:][near])
    assert np.abs(seen).max() < 6
    constant = np.ones((5, 2))
    constant[0] = 9.0
    np.testing.assert_array_equal(pulled_in(constant), constant)


def test_a_loss_that_is_none():
    _, X, Y = draw(0)
    with pytest.raises(ValueError, match="loss must be one of"):
        InteractionRegressor(1, loss="absolute").fit(X, Y)
