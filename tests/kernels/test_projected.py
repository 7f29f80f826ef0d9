"""What a step of the projected risk needs: against the whole system, against differences, bad input."""

import fake_cupy
import numpy as np
import pytest
from cuda_tools import compiler

from pairint.backend import usable_compiler
from pairint.kernels import (
    dispatch,
    factor_pulls,
    pair_mean,
    piecewise_coefficients,
    spline_products,
    system_products,
)
from pairint.kernels.projected import score_tails, sums_of_products, token_pulls

LOWER, UPPER = -0.9, 0.8

#: (M, N, d, r, K, s): few and many tokens, more cells than a row has entries, degrees from 1 on.
SHAPES = [
    (3, 2, 1, 1, 1, 1),
    (40, 3, 5, 2, 6, 3),
    (20, 17, 4, 3, 5, 3),
    (2, 64, 3, 1, 40, 2),
    (9, 4, 6, 2, 3, 8),
    # Few partners and many cells: their entries are multiplied one by one.
    (40, 3, 5, 2, 20, 3),
    (30, 2, 4, 3, 9, 1),
    (6, 5, 4, 2, 70, 3),
    (8, 3, 2, 1, 60, 8),
    # Long rows, with and without a rest of four and of eight.
    (5, 16, 3, 2, 4, 3),
    (3, 41, 3, 2, 12, 3),
]


def draw(n_samples, n_tokens, d, rank, n_intervals, degree):
    """Tokens of which some scores lie outside the interval, factors, outputs, coefficients, weights."""
    rng = np.random.default_rng([n_samples, n_tokens, d])
    X = rng.uniform(-1.0, 1.0, (n_samples, n_tokens, d)) / np.sqrt(d)
    left, right = rng.standard_normal((2, d, rank))
    Y = rng.standard_normal((n_samples, n_tokens))
    return X, Y, left, right, rng.uniform(-1, 1, n_intervals + degree), rng.uniform(0, 2, Y.shape)


@pytest.fixture(params=["NumPy", "Numba"])
def implementation(request, monkeypatch):
    """Compute without compiled loops, and with them however small the work is."""
    if request.param == "NumPy":
        monkeypatch.setenv("PAIRINT_COMPILED", "0")
    elif not usable_compiler()[0]:
        pytest.skip(usable_compiler()[1])
    else:
        monkeypatch.setattr(dispatch, "LEAST_WORK", 0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_against_the_whole_system(shape, weighted, implementation):
    """[F | Y]'[F | Y] is a block of the Gauss-Newton system, and J'e a combination of its columns."""
    X, Y, left, right, coefficients, weight = draw(*shape)
    n_intervals, degree = shape[4:]
    weight = weight if weighted else None
    n = 2 * left.size
    system = system_products(X, Y, left, right, coefficients, LOWER, UPPER, degree, weight)
    sizes = np.sqrt(np.diag(system))
    projected = X @ np.concatenate([left, right], axis=1)
    ours = spline_products(projected, Y, LOWER, UPPER, n_intervals, degree, weight)
    # A column's entries are off by some hundred roundings of its size, and of the distance outside.
    unit = 1e-12 * max(1.0, sizes.max())
    assert np.all(np.abs(ours - system[n:, n:]) <= unit * np.outer(sizes[n:], sizes[n:]) + 1e-14)
    np.testing.assert_array_equal(ours, ours.T)

    polynomials = piecewise_coefficients(coefficients, degree)
    pulls = factor_pulls(projected, Y, polynomials, LOWER, UPPER, weight)
    assert pulls.shape == projected.shape
    a, b = np.split(pulls.reshape(-1, pulls.shape[2]), 2, axis=1)
    rows = X.reshape(-1, X.shape[2])
    expected = system[:n, -1] - system[:n, n:-1] @ coefficients
    found = np.concatenate([(rows.T @ a).ravel(), (rows.T @ b).ravel()])
    residual = sizes[-1] + np.abs(coefficients) @ sizes[n:-1]
    assert np.all(np.abs(found - expected) <= unit * sizes[:n] * residual + 1e-13)
    assert np.abs(expected).max() > 1e-3


def test_pulls_are_the_derivative_of_the_residuals(implementation):
    """By central differences, token by token: the products with the factors are moved, not the factors."""
    X, Y, left, right, coefficients, weight = draw(4, 3, 5, 2, 6, 3)
    polynomials = piecewise_coefficients(coefficients, 3)
    projected = X @ np.concatenate([left, right], axis=1)

    def squares(projected):
        scores = projected[:, :, :2] @ np.swapaxes(projected[:, :, 2:], 1, 2)
        return float((weight * (Y - pair_mean(scores, polynomials, LOWER, UPPER)) ** 2).sum())

    pulls = factor_pulls(projected, Y, polynomials, LOWER, UPPER, weight)
    step = 1e-6
    for place in np.ndindex(*projected.shape):
        moved = np.zeros(projected.shape)
        moved[place] = step
        change = (squares(projected + moved) - squares(projected - moved)) / (2 * step)
        # step^2 times a third derivative, of order (K / length)^3 times the scores; rounding over step.
        assert abs(change + 2 * pulls[place]) < 1e-7 * (1 + squares(projected))


@pytest.mark.parametrize("shape", [(40, 3, 20, 3), (3, 41, 12, 3), (3, 18, 5, 2)])
def test_scores_that_are_not_finite_spoil_their_sums_and_nothing_else(shape, monkeypatch):
    """Products of finite numbers may be too large: compiled loops then stay within their arrays."""
    n_samples, n_tokens, n_intervals, degree = shape
    if not usable_compiler()[0]:
        pytest.skip(usable_compiler()[1])
    monkeypatch.setattr(dispatch, "LEAST_WORK", 0)
    rng = np.random.default_rng(0)
    projected, Y = rng.standard_normal((n_samples, n_tokens, 4)), rng.standard_normal((n_samples, n_tokens))
    projected[1, :2] = 1e200
    polynomials = rng.standard_normal((n_intervals, degree + 1))
    with np.errstate(all="ignore"):
        assert not np.isfinite(sums_of_products(projected, Y, LOWER, UPPER, n_intervals, degree)).all()
        pulls = token_pulls(projected, Y, polynomials, LOWER, UPPER)
    alone = np.delete(np.arange(n_samples), 1)
    expected = token_pulls(projected[alone], Y[alone], polynomials, LOWER, UPPER)
    np.testing.assert_allclose(pulls[alone], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("n_samples", "n_tokens"), [(1, 2), (1, 3), (40, 3), (2, 16), (3, 41)])
def test_tails_of_the_scores(n_samples, n_tokens, implementation):
    """Against all of them, sorted; fewer than are asked for leave infinities, which are no scores."""
    rng = np.random.default_rng(n_tokens)
    projected = rng.standard_normal((n_samples, n_tokens, 4))
    scores = projected[:, :, :2] @ np.swapaxes(projected[:, :, 2:], 1, 2)
    distinct = np.sort(scores[:, ~np.eye(n_tokens, dtype=bool)].ravel())
    low, high = (np.sort(tail[np.isfinite(tail)]) for tail in score_tails(projected, 7))
    np.testing.assert_allclose(low[:7], distinct[:7], rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(high[-7:], distinct[-7:], rtol=1e-13, atol=1e-13)
    assert len(low) == len(high) == min(7, len(distinct))


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler to emulate CUDA with")
def test_on_the_device(monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    X, Y, left, right, coefficients, weight = draw(50, 3, 4, 2, 5, 3)
    polynomials = piecewise_coefficients(coefficients, 3)
    projected = X @ np.concatenate([left, right], axis=1)
    here = spline_products(projected, Y, LOWER, UPPER, 5, 3, weight)
    pulled = factor_pulls(projected, Y, polynomials, LOWER, UPPER, weight)
    device = [cupy.asarray(a) for a in (projected, Y, weight, polynomials)]
    there = spline_products(*device[:2], LOWER, UPPER, 5, 3, device[2])
    np.testing.assert_allclose(there.get(), here, rtol=1e-12, atol=1e-12)
    there = factor_pulls(device[0], device[1], device[3], LOWER, UPPER, device[2])
    np.testing.assert_allclose(there.get(), pulled, rtol=1e-12, atol=1e-12)
    with pytest.raises(TypeError, match="cupy"):
        spline_products(device[0], Y, LOWER, UPPER, 5, 3)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"projected": np.zeros((4, 1, 2))}, r"projected must have shape .* got \(4, 1, 2\)"),
        ({"projected": np.zeros((4, 3, 3))}, r"projected must have shape .* got \(4, 3, 3\)"),
        ({"projected": np.full((4, 3, 2), np.nan)}, "projected must be finite"),
        ({"Y": np.zeros((4, 2))}, r"Y must have shape \(4, 3\), got \(4, 2\)"),
        ({"upper": -1.0}, "upper must be > -1.0, got -1.0"),
        ({"weight": -np.ones((4, 3))}, "weight must be >= 0, got -1"),
        ({"weight": np.ones((4, 2))}, r"weight must have shape \(4, 3\), got \(4, 2\)"),
    ],
)
def test_bad_arguments(changed, message):
    given = {"projected": np.zeros((4, 3, 2)), "Y": np.zeros((4, 3)), "lower": -1.0, "upper": 1.0} | changed
    with pytest.raises(ValueError, match=message):
        spline_products(**given, n_intervals=4, degree=3)
    with pytest.raises(ValueError, match=message):
        factor_pulls(**given, polynomials=np.zeros((4, 4)))
