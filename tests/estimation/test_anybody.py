"""Tokens as people have them: shifted, in other units, single precision, collinear; and nothing to learn."""

import warnings

import numpy as np
import pytest

from pairint.estimation import InteractionRegressor, OracleRegressor
from pairint.estimation.initial import completed_factors, deviating_start, truncated_factors
from pairint.model import UniformCube, interaction_matrix
from pairint.model.attention import pair_average, pair_interaction

D, N, M, NOISE = 6, 3, 1200, 0.1
SETTINGS = {"rank": 2, "n_intervals": 8, "random_state": 0}


class Truth:
    """What is to be found, and what may be missed: three times the oracle's error and a price a parameter."""

    def __init__(self, activation, matrix):
        self.activation, self.matrix = activation, matrix

    def __call__(self, x, y):
        return pair_interaction(self.activation, x, y, self.matrix)

    def allowed(self, X, Y):
        oracle = OracleRegressor(self.matrix, n_intervals=SETTINGS["n_intervals"]).fit(X, Y)
        price = NOISE**2 * (2 * (2 * D - 2) - 1) * (N - 1) / (M * N)
        return 3 * (error_of(oracle, X, self) + price)


def draw(shift=0.0, unit=1.0, seed=0):
    """Tokens, their matrix, an activation of the standardised score, and outputs."""
    rng = np.random.default_rng(seed)
    X = unit * (UniformCube(D).sample(M, N, rng) + shift * rng.standard_normal(D))
    matrix = interaction_matrix(D, 2, rng)
    scores = np.einsum("mid,de,mje->mij", X, matrix, X)[:, ~np.eye(N, dtype=bool)]
    centre, spread = scores.mean(), scores.std()

    def activation(u):
        return np.tanh(2 * (u - centre) / spread)

    Y = pair_average(activation, X, matrix) + NOISE * rng.standard_normal((M, N))
    return X, Y, Truth(activation, matrix)


def error_of(fit, X, truth):
    """The mean squared error of g at pairs of tokens of different samples."""
    x, y = X[:-1, 0], X[1:, 1]
    return np.mean((fit.interaction(x, y) - truth(x, y)) ** 2)


@pytest.mark.parametrize("shift", [0.0, 1.0, 10.0, 300.0])
def test_shifted_tokens(shift):
    X, Y, truth = draw(shift)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # far from zero the last direction is lost in the noise, and that is said
        fit = InteractionRegressor(**SETTINGS).fit(X, Y)
    assert error_of(fit, X, truth) < truth.allowed(X, Y)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_other_units(unit):
    X, Y, truth = draw()
    expected = InteractionRegressor(**SETTINGS).fit(X, Y)
    fit = InteractionRegressor(**SETTINGS).fit(unit * X, Y)
    assert np.mean((fit.predict(unit * X) - expected.predict(X)) ** 2) < 1e-3 * NOISE**2 / Y.size
    assert error_of(expected, X, truth) < truth.allowed(X, Y)


def test_linear_maps():
    X, Y, _ = draw()
    expected = InteractionRegressor(**SETTINGS).fit(X, Y)
    by = np.random.default_rng(1).standard_normal((D, D)) + 2 * np.eye(D)
    fit = InteractionRegressor(**SETTINGS).fit(X @ by, Y)
    # Cells may begin elsewhere, by other random starts: less than a parameter's worth of noise.
    assert np.mean((fit.predict(X @ by) - expected.predict(X)) ** 2) < NOISE**2 / Y.size


def test_single_precision():
    X, Y, truth = draw(shift=3.0)
    single = X.astype(np.float32), Y.astype(np.float32)
    fit = InteractionRegressor(**SETTINGS).fit(*single)
    assert error_of(fit, X, truth) < truth.allowed(X, Y)
    # It is the fit of the same numbers in double precision.
    double = InteractionRegressor(**SETTINGS).fit(*(part.astype(float) for part in single))
    np.testing.assert_array_equal(fit.predict(X), double.predict(X))


def test_collinear_tokens():
    X, Y, truth = draw()
    more = np.concatenate([X, X @ np.random.default_rng(2).standard_normal((D, 2))], axis=2)
    fit = InteractionRegressor(**SETTINGS).fit(more, Y)
    x, y = more[:-1, 0], more[1:, 1]
    assert np.mean((fit.interaction(x, y) - truth(x[:, :D], y[:, :D])) ** 2) < truth.allowed(X, Y)


@pytest.mark.parametrize("shift", [0.0, 10.0])
def test_a_constant_activation(shift):
    X, _, _ = draw(shift)
    Y = 0.7 + NOISE * np.random.default_rng(3).standard_normal((M, N))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # many matrices are as good
        fit = InteractionRegressor(**SETTINGS).fit(X, Y)
    assert error_of(fit, X, lambda x, y: 0.7) < 0.1 * NOISE**2
    exact = InteractionRegressor(**SETTINGS, n_starts=0).fit(X, np.full((M, N), 0.7))
    np.testing.assert_allclose(exact.predict(X), 0.7, rtol=1e-6)


# ------------------------------------------------------------------------ starts for tokens with a mean


def whitened_with_mean(share=0.9, seed=0):
    """Tokens of second moment one, with a mean of the given squared length."""
    rng = np.random.default_rng(seed)
    unit = np.zeros(D)
    unit[0] = 1.0
    X = rng.standard_normal((4000, N, D))
    X[..., 0] = np.sqrt(share) + np.sqrt(1 - share) * X[..., 0]
    return X, np.sqrt(share) * unit


def test_the_form_on_the_mean_is_completed():
    """A matrix u v' without its entry on the mean: truncation loses half of it, completion does not."""
    _, mean = whitened_with_mean()
    rng = np.random.default_rng(5)
    left, right = rng.standard_normal((2, D))
    left[0], right[0] = 12.0, 9.0  # a shift of the tokens
    known = np.outer(left, right)
    known[0, 0] = 0.0

    def likeness(factors):
        found = factors[0] @ factors[1].T
        found[0, 0] = 0.0
        return (found * known).sum() / np.linalg.norm(found) / np.linalg.norm(known)

    assert likeness(completed_factors(known, 1, mean)) > 0.95
    assert likeness(truncated_factors(known, 1)) < 0.9
    # Without a mean nothing is unknown.
    for ours, theirs in zip(completed_factors(known, 1, 0 * mean), truncated_factors(known, 1), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_random_starts_know_of_the_mean():
    X, _ = whitened_with_mean(0.99)
    left, right = deviating_start(X, 2, np.random.default_rng(0))
    start = left @ right.T
    assert np.linalg.matrix_rank(start, tol=1e-10) == 2
    assert start[0, 0] != 0.0

    def ratio(matrix):
        """What depends on one token beside the mean of the other, over what depends on both."""
        one = np.linalg.norm(matrix[0, 1:]), np.linalg.norm(matrix[1:, 0])
        return sum(one) / np.linalg.norm(matrix[1:, 1:])

    assert ratio(start) > 4.0  # the mean is ten times the deviations
    centred = X - X.mean(axis=(0, 1))
    left, right = deviating_start(centred, 2, np.random.default_rng(0))
    rng = np.random.default_rng(0)
    plain = truncated_factors(rng.standard_normal((D, 2)) @ rng.standard_normal((2, D)), 2)
    np.testing.assert_array_equal(left, plain[0])
    np.testing.assert_array_equal(right, plain[1])
    assert ratio(left @ right.T) < 4.0
