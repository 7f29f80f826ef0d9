"""The inner least squares: equations, penalty, solution."""

import numpy as np
import pytest
import rounding
from scipy import sparse

from pairint.estimation import InteractionRegressor, OracleRegressor
from pairint.estimation.inner import (
    aggregated_design,
    design_width,
    factor_scores,
    normal_equations,
    solve_inner,
)
from pairint.model import SplineSpace, attention, interaction_matrix


def data(n_samples=60, n_tokens=3, d=2, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, (n_samples, n_tokens, d))
    Y = rng.standard_normal((n_samples, n_tokens))
    return X, Y, interaction_matrix(d, 1, rng), np.eye(d)


def test_scores_of_factors():
    X, _, left, right = data()
    np.testing.assert_allclose(factor_scores(X, left, right)[4, 0, 2], X[4, 0] @ left @ right.T @ X[4, 2])


@pytest.mark.parametrize("n_intervals", [3, 80])
def test_normal_equations(n_intervals, monkeypatch):
    """Dense design or sparse, in one chunk or many."""
    X, Y, left, right = data()
    space = SplineSpace(-1.0, 1.0, n_intervals, 3)
    scores = factor_scores(X, left, right)
    F = aggregated_design(scores, space)
    assert sparse.issparse(F) == (n_intervals == 80)
    F = F.toarray() if sparse.issparse(F) else F
    assert np.abs(F - space.aggregate(scores)).max() <= rounding.pair_sum_error(scores, -1, 1, n_intervals, 3)
    assert design_width(X, space) >= 1
    for entries in (attention._CHUNK_ENTRIES, 2000):
        monkeypatch.setattr(attention, "_CHUNK_ENTRIES", entries)
        equations = normal_equations(X, Y, left, right, space)
        # The rows are added up in another order; F itself is exact to a few units.
        small = rounding.gamma(2 * Y.size) + 4 * rounding.basis_error(3)
        assert np.abs(equations.gram - F.T @ F).max() <= small * (np.abs(F).T @ np.abs(F)).max()
        assert (
            np.abs(equations.moment - F.T @ Y.ravel()).max()
            <= small * (np.abs(F).T @ np.abs(Y.ravel())).max()
        )
        assert equations.total == pytest.approx((Y**2).sum())


@pytest.mark.parametrize("penalty", [0.0, 0.1, 30.0])
def test_solution_is_that_of_the_augmented_least_squares(penalty):
    X, Y, left, right = data()
    space = SplineSpace(-0.4, 0.4, 5, 3)
    F = space.aggregate(factor_scores(X, left, right))
    D = np.diff(np.eye(space.dimension), n=2, axis=0)
    augmented = np.vstack([F, np.sqrt(penalty) * D])
    target = np.concatenate([Y.ravel(), np.zeros(len(D))])
    expected = np.linalg.lstsq(augmented, target)[0]
    solution = solve_inner(normal_equations(X, Y, left, right, space), space, penalty)
    accuracy = rounding.least_squares_error(augmented)
    assert np.linalg.norm(solution.coefficients - expected) <= accuracy * np.linalg.norm(expected)
    assert accuracy < 1e-6  # a wrong formula would be seen
    residual = ((Y.ravel() - F @ expected) ** 2).sum()
    assert solution.residual == pytest.approx(residual, rel=1e-9)
    assert solution.objective == pytest.approx(residual + penalty * ((D @ expected) ** 2).sum(), rel=1e-9)
    hat = F @ np.linalg.solve(F.T @ F + penalty * D.T @ D, F.T)
    assert solution.dof == pytest.approx(np.trace(hat), rel=accuracy)


def test_degrees_of_freedom_without_penalty_are_the_coefficients():
    X, Y, left, right = data()
    space = SplineSpace(-0.4, 0.4, 5, 2)
    solution = solve_inner(normal_equations(X, Y, left, right, space), space, 0.0)
    assert solution.dof == pytest.approx(space.dimension, rel=1e-6)


def test_penalty_leaves_lines_alone():
    """A linear activation is in every space, and costs no penalty, whatever its weight."""
    X, _, left, right = data()
    space = SplineSpace(-0.3, 0.3, 9, 3)
    scores = factor_scores(X, left, right)
    scores[:, np.arange(3), np.arange(3)] = 0.0
    Y = 2.0 + 1.5 * scores.sum(axis=-1) / 2
    solution = solve_inner(normal_equations(X, Y, left, right, space), space, 1e4)
    u = np.linspace(-1, 1, 9)
    np.testing.assert_allclose(space.spline(solution.coefficients)(u), 2 + 1.5 * u, atol=1e-6)
    assert solution.residual == pytest.approx(0.0, abs=1e-8)


def test_nothing_to_learn_from():
    """All scores in one point, or no output at all: finite coefficients, no exception."""
    X = np.ones((20, 2, 1))
    space = SplineSpace(0.0, 2.0, 6, 3)
    for Y in (np.zeros((20, 2)), np.full((20, 2), 3.0)):
        solution = solve_inner(normal_equations(X, Y, np.eye(1), np.eye(1), space), space, 0.1)
        assert np.isfinite(solution.coefficients).all()
        assert space.spline(solution.coefficients)(1.0) == pytest.approx(Y[0, 0], abs=1e-6)


def test_restriction_to_coarser_cells():
    X, Y, left, right = data()
    fine = SplineSpace(-0.4, 0.4, 12, 2)
    coarse, embedding = fine.coarsen(3)
    direct = normal_equations(X, Y, left, right, coarse)
    restricted = normal_equations(X, Y, left, right, fine).restricted(sparse.csr_matrix(embedding))
    np.testing.assert_allclose(restricted.gram, direct.gram, atol=1e-11)
    np.testing.assert_allclose(restricted.moment, direct.moment, atol=1e-11)
    assert restricted.total == direct.total


@pytest.mark.parametrize(
    "make", [lambda p: InteractionRegressor(1, penalty=p), lambda p: OracleRegressor(np.eye(2), penalty=p)]
)
def test_a_penalty_that_drowns_the_data_is_refused_by_name(make):
    """Beside it the data are lost to rounding, and with them what decides on straight lines."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((200, 3, 2)), rng.standard_normal((200, 3))
    with pytest.raises(ValueError, match="penalty must be so small that the data count beside it"):
        make(2.0**63).fit(X, Y)
    assert np.isfinite(make(1e6).fit(X, Y).risk_)
