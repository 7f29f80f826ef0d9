"""On a real device: the kernels against their NumPy twins, and the estimators against themselves."""

import numpy as np
import pytest
import rounding

from pairint.backend import is_cupy, to_host
from pairint.estimation import InteractionRegressor, OracleRegressor
from pairint.kernels import pair_basis_sum
from pairint.model import (
    AttentionModel,
    Exponential,
    GaussianNoise,
    ReLU,
    RoughActivation,
    Tanh,
    UniformCube,
    interaction_matrix,
    spline_activation,
)


@pytest.fixture
def cupy():
    return pytest.importorskip("cupy")


def problem(n_samples=2000, n_tokens=3, d=6, rank=2):
    matrix = interaction_matrix(d, rank, 6)
    model = AttentionModel(spline_activation(3, 5, bound=4.0), matrix, UniformCube(d), GaussianNoise(0.1))
    return model, *model.sample(n_samples, n_tokens, 7)


@pytest.mark.parametrize("degree", range(9))
@pytest.mark.parametrize("shape", [(1, 2, 1), (7, 3, 5), (43, 5, 64), (1000, 3, 30), (5, 64, 200)])
def test_pair_basis_sum(cupy, shape, degree):
    n_samples, n_tokens, n_intervals = shape
    rng = np.random.default_rng(degree)
    scores = rng.uniform(-1.5, 1.5, (n_samples, n_tokens, n_tokens))  # a third lies outside
    scores[0, 0, 1], scores[0, 1, 0] = -1.0, 1.0
    expected = pair_basis_sum(scores, -1.0, 1.0, n_intervals, degree)
    for device in (cupy.asarray(scores), cupy.asarray(scores.transpose(0, 2, 1).copy()).swapaxes(1, 2)):
        out = pair_basis_sum(device, -1.0, 1.0, n_intervals, degree)
        assert is_cupy(out)
        bound = rounding.pair_sum_error(scores, -1.0, 1.0, n_intervals, degree)
        assert np.abs(to_host(out) - expected).max() <= bound


@pytest.mark.parametrize(
    "activation",
    [spline_activation(3, 1), RoughActivation(1.5, 2), ReLU(), Tanh(0.7), Exponential(-0.4)],
    ids=lambda activation: type(activation).__name__,
)
def test_model(cupy, activation):
    model, X, _ = problem()
    model = AttentionModel(activation, model.matrix, model.tokens)
    out = model.forward(cupy.asarray(X))
    assert is_cupy(out)
    bound = rounding.forward_error(activation, X, model.matrix)
    assert np.all(np.abs(to_host(out) - model.forward(X)) <= bound)


def test_estimators(cupy):
    model, X, Y = problem()
    tol = 1e-8
    x, y = cupy.asarray(X), cupy.asarray(Y)
    for make in (
        lambda: OracleRegressor(model.matrix),
        lambda: InteractionRegressor(2, n_intervals=12, tol=tol, random_state=0),
        lambda: InteractionRegressor(2, tol=tol, random_state=0),
    ):
        expected, fit = make().fit(X, Y), make().fit(x, y)
        assert fit.n_intervals_ == expected.n_intervals_
        # Each is at most tol noise variances of risk above its minimum; the oracle has no iteration.
        distance = 2 * np.sqrt(tol * expected.noise_std_**2 / Y.size + 1e-14 * np.mean(Y**2))
        assert np.sqrt(np.mean((to_host(fit.predict(x)) - expected.predict(X)) ** 2)) < distance
        matrix, activation = to_host(fit.matrix_), fit.activation_
        bound = rounding.forward_error(activation, X, matrix)
        assert np.all(np.abs(fit.predict(X) - to_host(fit.predict(x))) <= bound)
