"""On a real device: message passing and gradient descent against their NumPy twins."""

import warnings

import numpy as np
import pytest
from device_cases import AMP_CASES
from sklearn.exceptions import ConvergenceWarning

from pairint.aim import AIMTeacher, amp, gradient_descent
from pairint.backend import is_cupy, to_host


@pytest.fixture
def cupy():
    return pytest.importorskip("cupy")


@pytest.fixture(autouse=True)
def _few_iterations():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


#: Units of double over single precision, and what other library functions and orders of sums may add.
DOUBLE, OTHER = 2.0**-29, 16.0


def problem(channel, n_tokens, alpha, d=40):
    teacher = AIMTeacher(d, 0.5, n_tokens, channel, rng=1)
    return teacher, *teacher.sample(round(alpha * d**2), 2)


@pytest.mark.parametrize(("channel", "n_tokens", "alpha"), AMP_CASES)
def test_amp(cupy, channel, n_tokens, alpha):
    teacher, X, y = problem(channel, n_tokens, alpha)
    options = {"max_iter": 12, "tol": 1e-12}
    expected = amp(X, y, teacher.rho, channel, truth=teacher.S, **options)
    device = [cupy.asarray(a) for a in (X, y, teacher.S)]
    result = amp(*device[:2], teacher.rho, channel, truth=device[2], **options)
    assert is_cupy(result.S) and result.n_iter == expected.n_iter
    # What rounding of a known size does is measured on the host, by single precision. Special functions are
    # good to some hundred units in the last place.
    rounded = np.abs(amp(X, y, teacher.rho, channel, dtype="float32", **options).S - expected.S).max()
    np.testing.assert_allclose(to_host(result.S), expected.S, atol=100 * OTHER * DOUBLE * rounded)
    for name, values in expected.history.items():  # as the experiments declare for double precision
        np.testing.assert_allclose(result.history[name], values, rtol=1e-6)
    single = amp(*device[:2], teacher.rho, channel, dtype="float32", **options)
    assert single.S.dtype == np.float32
    np.testing.assert_allclose(to_host(single.S), expected.S, atol=OTHER * rounded)


@pytest.mark.parametrize(
    ("channel", "n_tokens", "alpha"), [case for case in AMP_CASES if case[0] != "hardmax"]
)
def test_gradient_descent(cupy, channel, n_tokens, alpha):
    teacher, X, y = problem(channel, n_tokens, alpha)
    options = {"n_runs": 3, "rng": 3, "max_iter": 40}
    expected = gradient_descent(X, y, teacher.width, channel, truth=teacher.S, **options)
    device = [cupy.asarray(a) for a in (X, y, teacher.S)]
    result = gradient_descent(*device[:2], teacher.width, channel, truth=device[2], **options)
    assert is_cupy(result.S)
    single = gradient_descent(X, y, teacher.width, channel, dtype="float32", **options)
    rounded = np.abs(single.runs - expected.runs).max()
    np.testing.assert_allclose(to_host(result.runs), expected.runs, atol=100 * OTHER * DOUBLE * rounded)
    for name, values in expected.history.items():
        np.testing.assert_allclose(result.history[name], values, rtol=1e-6)


@pytest.mark.parametrize("channel", ["softmax", "linear"])
def test_dependent_tokens_are_named(cupy, channel):
    _, X, y = problem(channel, 2, 0.08)
    X[3, 1] = X[3, 0]
    with pytest.raises(ValueError, match="linearly independent"):
        amp(cupy.asarray(X), cupy.asarray(y), 0.5, channel)
