"""One code path for NumPy and CuPy: the namespace follows the data, transfers are explicit.

There need be no GPU: array-api-strict refuses what is not in the array API standard, and the stand-in for
CuPy refuses what would be a hidden transfer.
"""

import sys

import array_api_strict
import fake_cupy
import numpy as np
import pytest

from pairint.backend import array_namespace, is_cupy, to_device, to_host, usable_gpu
from pairint.estimation import InteractionRegressor, OracleRegressor, interaction_error
from pairint.kernels import evaluate_pieces, piecewise_coefficients
from pairint.kernels.bspline import local_coordinates
from pairint.model import (
    AttentionModel,
    Exponential,
    GaussianNoise,
    ReLU,
    RoughActivation,
    SplineSpace,
    Tanh,
    UniformCube,
    interaction_matrix,
    spline_activation,
)
from pairint.validation import check_floats

ACTIVATIONS = {
    "spline": spline_activation(3, 1),
    "rough": RoughActivation(1.5, 2),
    "relu": ReLU(),
    "tanh": Tanh(0.7),
    "exponential": Exponential(-0.4),
}


@pytest.fixture
def cupy(monkeypatch):
    return fake_cupy.install(monkeypatch)


# ------------------------------------------------------------------------------------ the namespace


def test_namespace_follows_the_data(cupy):
    assert array_namespace(np.ones(2), [1.0], 3.0, None, np.float64(2)) is np
    assert array_namespace() is np
    assert array_namespace(None, 1) is np
    assert array_namespace(cupy.ones(2), 2.0, None) is cupy
    assert array_namespace(array_api_strict.ones(2)) is array_api_strict
    assert is_cupy(cupy.ones(2)) and not is_cupy(np.ones(2)) and not is_cupy(1.0)


def test_mixtures_are_refused(cupy):
    with pytest.raises(TypeError, match="arrays of cupy and numpy are mixed; move them with"):
        array_namespace(np.ones(2), cupy.ones(2))
    with pytest.raises(TypeError, match="array_api_strict and numpy are mixed"):
        array_namespace(array_api_strict.ones(2), [1.0])


def test_transfers(cupy):
    host, device = np.arange(3.0), cupy.asarray([5.0, 6.0])
    assert to_host(host) is host
    assert isinstance(to_host(device), np.ndarray)
    assert is_cupy(to_device(host, device)) and to_device(device, device) is device
    assert isinstance(to_device(device, host), np.ndarray)
    np.testing.assert_array_equal(to_device(device, host), [5.0, 6.0])
    np.testing.assert_array_equal(to_host([1, 2]), [1, 2])


def test_gpu_is_reported_with_a_reason(monkeypatch):
    usable, reason = usable_gpu()
    assert isinstance(usable, bool) and reason
    question = usable_gpu.__wrapped__
    monkeypatch.setitem(sys.modules, "cupy", None)
    usable, reason = question()
    assert not usable and "CuPy cannot be imported" in reason


@pytest.mark.parametrize(
    ("devices", "total", "expected"),
    [(0, 3.0, "no CUDA device"), (1, 4.0, "wrong sums"), (RuntimeError("no driver"), 3.0, "no driver")],
)
def test_gpu_that_does_not_work_is_not_used(monkeypatch, cupy, devices, total, expected):
    def count():
        if isinstance(devices, Exception):
            raise devices
        return devices

    cupy.cuda.runtime = type("Runtime", (), {"getDeviceCount": staticmethod(count)})
    cupy.arange = lambda n: cupy.asarray([total])
    usable, reason = usable_gpu.__wrapped__()
    assert not usable and expected in reason


def test_gpu_that_works_is_named(cupy):
    names = {"getDeviceCount": lambda: 1, "getDeviceProperties": lambda index: {"name": b"Some Device"}}
    cupy.cuda.runtime = type("Runtime", (), {key: staticmethod(value) for key, value in names.items()})
    assert usable_gpu.__wrapped__() == (True, "Some Device")


# ------------------------------------------------------------- elementwise pieces, strict array API


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_stay_in_a_strict_namespace(name):
    activation = ACTIVATIONS[name]
    u = np.linspace(-4, 4, 24).reshape(2, 3, 4)
    strict = array_api_strict.asarray(u)
    for function in (activation, activation.derivative):
        value = function(strict)
        assert array_namespace(value) is array_api_strict
        assert value.shape == u.shape and value.dtype == array_api_strict.float64
        np.testing.assert_allclose(np.asarray(value), function(u), rtol=1e-14, atol=1e-14)


def test_piecewise_polynomials_in_a_strict_namespace():
    polynomials = piecewise_coefficients(np.random.default_rng(0).standard_normal(9), 3)
    u = np.linspace(-2, 2, 30)
    for order in (0, 1):
        value = evaluate_pieces(
            array_api_strict.asarray(u), array_api_strict.asarray(polynomials), -1.0, 1.0, order
        )
        np.testing.assert_allclose(np.asarray(value), evaluate_pieces(u, polynomials, -1.0, 1.0, order))
    cell, t, beyond = local_coordinates(array_api_strict.asarray(u), -1.0, 1.0, 6)
    assert cell.dtype == array_api_strict.int64
    for ours, expected in zip((cell, t, beyond), local_coordinates(u, -1.0, 1.0, 6), strict=True):
        np.testing.assert_array_equal(np.asarray(ours), expected)


def test_arguments_are_checked_in_a_strict_namespace():
    x = array_api_strict.asarray([[1.0, 2.0]])
    assert array_namespace(check_floats("x", x, (1, None), copy=True)) is array_api_strict
    with pytest.raises(ValueError, match="x must be finite, got 1 NaN or infinite entries"):
        check_floats("x", array_api_strict.asarray([1.0, array_api_strict.inf]))


# --------------------------------------------------------------------- the device path, whole


def problem(n_samples=120, n_tokens=3, d=3, rank=2):
    matrix = interaction_matrix(d, rank, 6)
    model = AttentionModel(spline_activation(3, 5, bound=4.0), matrix, UniformCube(d), GaussianNoise(0.05))
    return model, *model.sample(n_samples, n_tokens, 7)


def test_stand_in_refuses_stray_numpy(cupy):
    """The control: what the device path is cleared of would have been noticed."""
    x = cupy.asarray(np.arange(4.0))
    for stray in (
        lambda: np.sqrt(x),
        lambda: np.sum(x),
        lambda: np.asarray(x),
        lambda: x + np.ones(4),
        lambda: np.ones(4) * x,
        lambda: x[np.array([0, 1])],
        lambda: x.__setitem__(0, np.ones(1)),
        lambda: cupy.sqrt(np.ones(2)),
        lambda: np.concatenate([x, x]),
        lambda: cupy.asarray(x, copy=True),
    ):
        with pytest.raises(TypeError):
            stray()
    assert float(np.float64(2) * x[1]) == 2.0  # a NumPy scalar is no array


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_model_on_the_device(cupy, name):
    model, X, _ = problem()
    model = AttentionModel(ACTIVATIONS[name], model.matrix, model.tokens)
    device = cupy.asarray(X)
    fake_cupy.transfers.clear()
    pairs = [
        (model.scores(device), model.scores(X)),
        (model.forward(device), model.forward(X)),
        (model.interaction(device[:, 0], device[:, 1]), model.interaction(X[:, 0], X[:, 1])),
        (model.activation.derivative(model.scores(device)), model.activation.derivative(model.scores(X))),
    ]
    assert max(fake_cupy.transfers, default=0) <= 1
    for ours, expected in pairs:
        assert is_cupy(ours)
        np.testing.assert_allclose(ours.get(), expected, rtol=1e-12, atol=1e-12)


def test_model_takes_a_matrix_from_the_device(cupy):
    model, X, _ = problem()
    again = AttentionModel(model.activation, cupy.asarray(model.matrix), model.tokens)
    np.testing.assert_array_equal(again.forward(X), model.forward(X))
    assert again.score_bound == model.score_bound


def test_design_of_a_spline_space_on_the_device(cupy):
    space = SplineSpace(-1.0, 1.0, 5, 2)
    u = np.linspace(-1.5, 1.5, 40)
    np.testing.assert_allclose(space.design(cupy.asarray(u)).get(), space.design(u), atol=1e-14)


needs_compiler = pytest.mark.skipif(
    fake_cupy.compiler() is None, reason="no C++ compiler to emulate the CUDA kernels with"
)


@needs_compiler
@pytest.mark.parametrize("n_intervals", [6, "auto"])
def test_oracle_on_the_device(cupy, n_intervals):
    model, X, Y = problem()
    expected = OracleRegressor(model.matrix, n_intervals=n_intervals).fit(X, Y)
    fake_cupy.transfers.clear()
    for matrix in (model.matrix, cupy.asarray(model.matrix)):
        fit = OracleRegressor(matrix, n_intervals=n_intervals).fit(cupy.asarray(X), cupy.asarray(Y))
        assert fit.n_intervals_ == expected.n_intervals_
        np.testing.assert_allclose(
            fit.activation_.coefficients, expected.activation_.coefficients, rtol=1e-7, atol=1e-9
        )


@needs_compiler
def test_only_small_sums_come_to_the_host(cupy):
    """Gram matrices and gradients, whose size does not depend on the number of samples."""
    largest = []
    for n_samples in (100, 300):
        _, X, Y = problem(n_samples)
        fake_cupy.transfers.clear()
        InteractionRegressor(2, n_intervals=4, random_state=0).fit(cupy.asarray(X), cupy.asarray(Y))
        largest.append(max(fake_cupy.transfers))
    # Of [J F y], whose Gram matrix comes in one piece; where there is doubt one rank more is tried.
    columns = 2 * X.shape[2] * (2 + 1) + (4 + 3) + 1
    assert max(largest) <= columns**2 < X[:100].size


@needs_compiler
@pytest.mark.parametrize("settings", [{"n_intervals": 6}, {"n_intervals": "auto"}, {"rank": 3}])
def test_estimator_on_the_device(cupy, settings):
    """Every start, every stage, prediction, score and error."""
    model, X, Y = problem()
    settings = {"rank": 2, "n_intervals": 5, "random_state": 1, **settings}
    expected = InteractionRegressor(**settings).fit(X, Y)
    x, y = cupy.asarray(X), cupy.asarray(Y)
    fit = InteractionRegressor(**settings).fit(x, y)
    assert fit.n_intervals_ == expected.n_intervals_
    prediction = fit.predict(x)
    assert is_cupy(prediction) and is_cupy(fit.matrix_)
    np.testing.assert_allclose(prediction.get(), expected.predict(X), atol=1e-5)
    assert fit.score(x, y) == pytest.approx(expected.score(X, Y), abs=1e-6)
    assert fit.noise_std_ == pytest.approx(expected.noise_std_, rel=1e-4)
    # A fit made on the device also serves data on the host.
    np.testing.assert_allclose(fit.predict(X), prediction.get(), atol=1e-12)
    assert isinstance(fit.interaction(X[:, 0], X[:, 1]), np.ndarray)
    assert is_cupy(fit.interaction(x[:, 0], x[:, 1]))
    ours, theirs = (interaction_error(f, model, n_pairs=2000, rng=0).value for f in (fit, expected))
    assert ours == pytest.approx(theirs, rel=1e-3)


@needs_compiler
def test_fit_of_the_host_serves_the_device(cupy):
    model, X, Y = problem()
    fit = OracleRegressor(model.matrix, n_intervals=5).fit(X, Y)
    np.testing.assert_allclose(fit.predict(cupy.asarray(X)).get(), fit.predict(X), atol=1e-12)


def test_mixed_data_are_refused(cupy):
    model, X, Y = problem(20)
    with pytest.raises(TypeError, match="arrays of cupy and numpy are mixed"):
        InteractionRegressor(n_intervals=2).fit(cupy.asarray(X), Y)
    with pytest.raises(TypeError, match="arrays of cupy and numpy are mixed"):
        model.interaction(X, cupy.asarray(X))
