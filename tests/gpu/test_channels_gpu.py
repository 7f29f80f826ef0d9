"""On a real device: a channel fit against its NumPy twin."""

import numpy as np
import pytest

from pairint.backend import is_cupy, to_host
from pairint.estimation import InteractionRegressor


@pytest.fixture
def cupy():
    return pytest.importorskip("cupy")


@pytest.mark.parametrize("activation", ["exp", None])
def test_softmax(cupy, activation):
    rng = np.random.default_rng(0)
    X, values = rng.standard_normal((300, 6, 4)), rng.standard_normal((300, 6, 3))
    A = rng.standard_normal((4, 2)) @ rng.standard_normal((2, 4)) / 4
    weights = np.exp(X @ A @ X.swapaxes(1, 2))
    Y = weights / weights.sum(axis=-1, keepdims=True) @ values
    settings = {"channel": "normalised", "activation": activation, "n_intervals": 3, "random_state": 0}
    host = InteractionRegressor(2, **settings).fit(X, Y, values=values)
    x, y, v = (cupy.asarray(a) for a in (X, Y, values))
    fit = InteractionRegressor(2, **settings).fit(x, y, values=v)
    assert is_cupy(fit.matrix_) and is_cupy(fit.predict(x, values=v))
    # Without noise both end at the truth, as far as the stopping rule lets them.
    truth = A if activation else A / np.linalg.norm(A) * np.sign(A.ravel()[np.abs(A).argmax()])
    for found in (to_host(fit.matrix_), host.matrix_):
        np.testing.assert_allclose(found, truth, atol=1e-5)
