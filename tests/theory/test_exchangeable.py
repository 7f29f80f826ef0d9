import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pairint.model import AttentionModel, GaussianNoise, PermutedPoints, Tanh
from pairint.theory import exchangeable as ex
from pairint.theory.coercivity import pair_moments


@pytest.mark.parametrize("n_points", [3, 4, 7])
def test_permuted_points_hide_an_interaction(n_points):
    h = ex.invisible_interaction(n_points)
    assert np.abs(h.sum(axis=1)).max() < 1e-12
    order = np.random.default_rng(0).permuted(np.tile(np.arange(n_points), (50, 1)), axis=1)
    moments = pair_moments(h[order[:, :, None], order[:, None, :]])
    assert moments.aggregated < 1e-24
    assert moments.second == pytest.approx(1)


@pytest.mark.parametrize("matrix", [np.eye(2), np.array([[1.0, 0.5], [-0.3, 0.7]])])
def test_permuted_points_hide_an_activation_of_the_score(matrix):
    """Two activations, one data set: equal outputs to 1e-12 although they differ in L2(rho)."""
    points = np.random.default_rng(1).standard_normal((6, 2))
    hidden = ex.invisible_activation(points, matrix)
    tokens = PermutedPoints(points)
    first = AttentionModel(Tanh(), matrix, tokens, GaussianNoise(0.1))
    second = AttentionModel(lambda u: np.tanh(u) + hidden(u), matrix, tokens, GaussianNoise(0.1))
    X, Y = first.sample(40, 6, rng=2)
    risks = [np.mean((Y - model.forward(X)) ** 2) for model in (first, second)]
    assert abs(risks[0] - risks[1]) < 1e-12
    assert np.abs(first.forward(X) - second.forward(X)).max() < 1e-12
    off_diagonal = ~np.eye(6, dtype=bool)
    assert np.mean(hidden(first.scores(X))[:, off_diagonal] ** 2) == pytest.approx(1)


def test_fewer_tokens_than_points_make_it_visible_again():
    """Drawing 4 of 6 points: the smallest ratio is the one of the extendable law, not zero and not 1/3."""
    h = ex.invisible_interaction(6)
    order = np.random.default_rng(3).permuted(np.tile(np.arange(6), (20_000, 1)), axis=1)[:, :4]
    moments = pair_moments(h[order[:, :, None], order[:, None, :]])
    expected = ex.extendable_constant(4, 6)
    assert expected == pytest.approx(1 / 6)
    assert moments.aggregated - expected * moments.second == pytest.approx(0, abs=5 * moments.excess_error)
    assert moments.excess < -10 * moments.excess_error  # the de Finetti constant 1/3 is rejected


@given(st.integers(2, 50), st.integers(3, 10**6))
def test_extendable_constant_interpolates(n_tokens, extra):
    value = ex.extendable_constant(n_tokens, n_tokens + extra)
    assert 0 < value <= 1 / (n_tokens - 1) + 1e-15
    assert ex.extendable_constant(n_tokens, n_tokens + extra + 1) >= value
    if n_tokens > 2:
        assert ex.extendable_constant(n_tokens, n_tokens) == 0


def equicorrelated(n_samples, n_tokens, correlation, rng):
    covariance = (1 - correlation) * np.eye(n_tokens) + correlation
    root = np.linalg.cholesky(covariance + 1e-14 * np.eye(n_tokens))
    return rng.standard_normal((n_samples, n_tokens)) @ root.T


@pytest.mark.parametrize(("n_tokens", "correlation"), [(3, -0.4), (4, -0.3), (6, -0.1), (4, -1 / 3)])
def test_negative_correlation_costs_what_the_formula_says(n_tokens, correlation):
    rng = np.random.default_rng(4)
    x = equicorrelated(20_000, n_tokens, correlation, rng)
    constant = ex.equicorrelated_gaussian_constant(n_tokens, correlation)
    moments = pair_moments(x[:, None, :] - correlation * x[:, :, None])
    assert abs(moments.aggregated - constant * moments.second) < 5 * moments.aggregated_error + 1e-9
    assert constant < 1 / (n_tokens - 1)
    assert moments.excess < -5 * moments.excess_error


@given(st.integers(0, 2**32 - 1), st.integers(3, 6), st.floats(0.05, 0.95))
@settings(max_examples=25, deadline=None)
def test_no_interaction_does_worse_than_the_gaussian_constant(seed, n_tokens, fraction):
    rng = np.random.default_rng(seed)
    correlation = -fraction / (n_tokens - 1)
    x = equicorrelated(4000, n_tokens, correlation, rng)
    a, b = x[:, :, None], x[:, None, :]
    h = sum(c * a**p * b**q for c, (p, q) in zip(rng.standard_normal(6), np.ndindex(2, 3), strict=True))
    moments = pair_moments(h)
    constant = ex.equicorrelated_gaussian_constant(n_tokens, correlation)
    error = moments.aggregated_error + moments.excess_error
    assert moments.aggregated - constant * moments.second > -5 * error


def test_constant_vanishes_at_the_most_negative_correlation():
    assert ex.equicorrelated_gaussian_constant(5, -0.25) == pytest.approx(0, abs=1e-15)
    assert ex.equicorrelated_gaussian_constant(5, 0.0) == 0.25
    assert ex.equicorrelated_gaussian_constant(5, 0.9) == 0.25
    assert ex.equicorrelated_gaussian_constant(2, -0.9) == 1


@pytest.mark.parametrize("factor", [2.0, -0.5])
def test_parameters_are_not_identified_but_the_interaction_is(factor):
    rng = np.random.default_rng(6)
    matrix = rng.standard_normal((3, 3))
    x, y = rng.standard_normal((2, 100, 3))
    phi, scaled = ex.equivalent_parameters(np.sin, matrix, factor)
    score = np.einsum("ni,ij,nj->n", x, matrix, y)
    other = np.einsum("ni,ij,nj->n", x, scaled, y)
    assert np.allclose(phi(other), np.sin(score), atol=1e-12)
    assert np.abs(phi(score) - np.sin(score)).max() > 0.5


def test_tabulated_activation_and_its_slope():
    f = ex.TabulatedActivation(np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 0.0]))
    assert f([-1, 0.5, 2, 9]) == pytest.approx([0, 1, 1, 0])
    assert f.derivative([-1, 0.5, 2, 9]) == pytest.approx([0, 2, -1, 0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ex.invisible_interaction(2), "n_points must be >= 3"),
        (lambda: ex.invisible_activation(np.eye(3), np.eye(3)), "no function of the"),
        (lambda: ex.extendable_constant(5, 4), "n_extended must be >= 5"),
        (lambda: ex.equicorrelated_gaussian_constant(4, -0.4), "correlation must be >= -0.333"),
        (lambda: ex.equivalent_parameters(np.sin, np.eye(2), 0.0), "factor must not be 0"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("points", [[0, 0, 1], [0, 0, 0, 1], [0, 1, 2, 2]])
def test_points_that_partly_coincide_hide_an_interaction(points):
    """The construction of the proof; it needs a point whose partners are not all equal."""
    points = np.array(points)
    n = len(points)
    i = next(i for i in range(n) if len(set(np.delete(points, i))) > 1)
    (v, w), counts = (part[:2] for part in np.unique(np.delete(points, i), return_counts=True))
    h = {(points[i], v): 1 / counts[0], (points[i], w): -1 / counts[1]}
    for order in itertools.permutations(points):
        for k in range(n):
            assert sum(h.get((order[k], order[j]), 0.0) for j in range(n) if j != k) == pytest.approx(0)
    pairs = itertools.permutations(range(n), 2)
    assert any(h.get((points[j], points[k]), 0.0) != 0 for j, k in pairs)
