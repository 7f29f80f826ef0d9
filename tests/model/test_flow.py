"""Tokens that move on the sphere."""

import numpy as np
import pytest

from pairint.model import sphere_flow, tangent_weights, tangential_velocity


def tokens(m=3, n=5, d=3, seed=0):
    X = np.random.default_rng(seed).normal(size=(m, n, d))
    return X / np.linalg.norm(X, axis=2, keepdims=True)


def test_velocities_are_those_of_the_formula():
    X = tokens()
    found = tangential_velocity(X, np.exp)
    for m in range(3):
        for i in range(5):
            x = X[m, i]
            pulls = [np.exp(x @ X[m, j]) * (X[m, j] - (x @ X[m, j]) * x) for j in range(5) if j != i]
            np.testing.assert_allclose(found[m, i], np.sum(pulls, axis=0) / 4, atol=1e-14)
    u = X @ X.swapaxes(1, 2)
    again = (np.exp(u)[..., None] * tangent_weights(X)).sum(axis=2) / 4
    np.testing.assert_allclose(again, found, atol=1e-14)


def test_two_tokens_follow_the_exact_solution():
    """For phi = 1 and N = 2, c' = -2 c (2 - c); half the step divides the error by sixteen."""
    angle, times = 1.9, np.array([0.0, 0.7, 1.5])
    X = np.array([[[1.0, 0.0], [np.cos(angle), np.sin(angle)]]])
    start = 1 - np.cos(angle)
    exact = 2 * start / (start + (2 - start) * np.exp(4 * times))
    errors = []
    for step in (0.1, 0.05):
        film = sphere_flow(X, np.ones_like, times, step)
        errors.append(np.abs(1 - np.sum(film[:, 0, 0] * film[:, 0, 1], axis=1) - exact).max())
    assert errors[1] < 1e-6
    assert 10 < errors[0] / errors[1] < 25
    np.testing.assert_allclose(np.linalg.norm(film, axis=3), 1, atol=1e-14)


def test_weights_keep_their_digits_where_tokens_are_close():
    angle = 1e-9
    X = np.array([[[1.0, 0.0], [np.cos(angle), np.sin(angle)]]])
    assert np.linalg.norm(tangent_weights(X)[0, 0, 1]) == pytest.approx(np.sin(angle), rel=1e-9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tangential_velocity(2 * tokens(), np.exp), "X must hold tokens of length 1"),
        (lambda: sphere_flow(tokens(), np.exp, [1.0, 0.5]), "times must increase"),
        (lambda: sphere_flow(tokens(), np.exp, [1e9]), "times must end"),
        (lambda: sphere_flow(tokens(), np.exp, [1.0], 2.0), "step must be > 0 and <= 1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_what_cannot_be_called():
    with pytest.raises(TypeError, match="activation must be callable"):
        sphere_flow(tokens(), 3, [1.0])
    with pytest.raises(TypeError, match="activation must be callable"):
        tangential_velocity(tokens(), None)
