"""The outer problem: gradient, Hessian, normalisation, descent."""

import numpy as np
import pytest

from pairint.estimation.gauss_newton import balanced_factors, levenberg_marquardt, projected_system
from pairint.estimation.inner import factor_scores
from pairint.estimation.problem import LeastSquaresProblem, score_range
from pairint.model import (
    AttentionModel,
    GaussianNoise,
    Tanh,
    UniformCube,
    interaction_matrix,
)


def draw(rank, n_tokens=3, n_samples=150, d=4, penalty=0.3, n_intervals=6, weighted=False):
    """Data, and a state well away from the optimum."""
    rng = np.random.default_rng(rank)
    model = AttentionModel(Tanh(2.0), interaction_matrix(d, rank, rng), UniformCube(d), GaussianNoise(0.1))
    X, Y = model.sample(n_samples, n_tokens, rng)
    left, right = balanced_factors(rng.standard_normal((d, rank)), rng.standard_normal((d, rank)))
    weight = rng.exponential(size=Y.shape) if weighted else None
    problem = LeastSquaresProblem(X, Y, 3, penalty, weight=weight)
    return problem, problem.solve(left, right, problem.space(left, right, n_intervals))


@pytest.mark.parametrize("rank", [1, 2, 4])
@pytest.mark.parametrize(("n_intervals", "weighted"), [(6, False), (90, False), (6, True), (90, True)])
def test_gradient_of_the_projected_objective(rank, n_intervals, weighted):
    """-2 J'e against central differences: along the sphere, off it, and along mere changes of factors."""
    problem, state = draw(rank, n_intervals=n_intervals, weighted=weighted)
    _, gradient = projected_system(problem, state)

    def evaluate(left, right):
        return problem.solve(*balanced_factors(left, right), state.space)

    d = state.left.shape[0]
    rng = np.random.default_rng(0)
    largest = 0.0
    for _ in range(5):
        direction = rng.standard_normal(2 * d * rank)
        along_left = direction[: d * rank].reshape(d, rank)
        along_right = direction[d * rank :].reshape(d, rank)
        h = 1e-5
        plus = evaluate(state.left + h * along_left, state.right + h * along_right).inner.objective
        minus = evaluate(state.left - h * along_left, state.right - h * along_right).inner.objective
        measured = (plus - minus) / (2 * h)
        assert measured == pytest.approx(-2 * gradient @ direction, rel=2e-4, abs=1e-4)
        largest = max(largest, abs(measured))
    assert largest > 1.0
    # The scale of the factors is undone by the normalisation: no decrease along it is predicted.
    radial = np.concatenate([state.left.ravel(), state.right.ravel()])
    assert gradient @ radial == pytest.approx(0.0, abs=1e-8 * np.abs(gradient).max())


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rank", [1, 3])
def test_hessian_is_that_of_kaufman(rank, weighted):
    """Q'J'(I - F H^-1 F')J Q with J by differences of the fitted outputs, coefficients fixed."""
    problem, state = draw(rank, weighted=weighted)
    X, penalty = problem.X, problem.penalty
    root = np.sqrt(problem.weighted(np.ones_like(problem.Y))).reshape(-1, 1)
    hessian, _ = projected_system(problem, state)
    d, space, c = state.left.shape[0], state.space, state.inner.coefficients
    theta = np.concatenate([state.left.ravel(), state.right.ravel()])

    def outputs(theta):
        left, right = theta[: d * rank].reshape(d, rank), theta[d * rank :].reshape(d, rank)
        return space.aggregate(factor_scores(X, left, right)) @ c

    h = 1e-6
    J = np.stack(
        [(outputs(theta + h * e) - outputs(theta - h * e)) / (2 * h) for e in np.eye(theta.size)], axis=1
    )
    J, F = root * J, root * space.aggregate(factor_scores(X, state.left, state.right))
    H = F.T @ F + penalty * space.difference_penalty()
    projected = J.T @ (J - F @ np.linalg.solve(H, F.T @ J))
    normal = np.concatenate(
        [
            (state.left @ state.right.T @ state.right).ravel(),
            (state.right @ state.left.T @ state.left).ravel(),
        ]
    )
    Q = np.eye(theta.size) - np.outer(theta, normal) / (normal @ theta)
    expected = Q.T @ projected @ Q
    np.testing.assert_allclose(hessian, expected, atol=1e-5 * np.abs(expected).max())
    assert np.linalg.eigvalsh(hessian).min() > -1e-8 * np.abs(hessian).max()


@pytest.mark.parametrize("rank", [1, 3])
def test_balanced_factors(rank):
    rng = np.random.default_rng(0)
    left, right = rng.standard_normal((5, rank)), 100 * rng.standard_normal((5, rank))
    a, b = balanced_factors(left, right)
    matrix = left @ right.T
    np.testing.assert_allclose(a @ b.T, matrix / np.linalg.norm(matrix), atol=1e-12)
    np.testing.assert_allclose(a.T @ a, b.T @ b, atol=1e-12)
    np.testing.assert_allclose(a.T @ a, np.diag(np.diag(a.T @ a)), atol=1e-12)


@pytest.mark.parametrize(("n_samples", "n_tokens"), [(100, 3), (2, 2), (1, 2), (40, 5)])
def test_score_range_leaves_out_a_few(n_samples, n_tokens):
    X = np.random.default_rng(0).standard_normal((n_samples, n_tokens, 2))
    left, right = np.array([[1.0], [0.5]]), np.array([[0.3], [-1.0]])
    scores = factor_scores(X, left, right)[:, ~np.eye(n_tokens, dtype=bool)].ravel()
    lower, upper = score_range(X, left, right)
    assert lower < upper
    if scores.size > 20:
        assert (scores < lower).sum() == 5 and (scores > upper).sum() == 5
    else:
        assert scores.min() == lower and scores.max() == upper


def test_score_range_in_chunks(monkeypatch):
    from pairint.model import attention

    X = np.random.default_rng(0).standard_normal((50, 3, 2))
    whole = score_range(X, np.eye(2), np.eye(2))
    monkeypatch.setattr(attention, "_CHUNK_ENTRIES", 60)
    assert score_range(X, np.eye(2), np.eye(2)) == whole


@pytest.mark.parametrize("value", [0.0, 1.0, -1e-8, 1e12])
def test_score_range_of_equal_scores(value):
    X = np.full((30, 2, 1), 1.0)
    lower, upper = score_range(X, np.array([[value]]), np.eye(1))
    assert lower < value < upper or (lower < upper and value in (lower, upper))
    assert np.isfinite([lower, upper]).all()


@pytest.mark.parametrize("rank", [1, 2])
def test_every_step_descends_to_a_stationary_point(rank):
    problem, state = draw(rank, n_samples=400, penalty=0.0)
    fit = levenberg_marquardt(problem, state.left, state.right, state.space, 60, 1e-10)
    risks = [entry["risk"] for entry in fit.history]
    assert fit.converged and len(risks) >= 2
    assert np.all(np.diff(risks) <= 1e-12)
    assert all(entry["predicted_decrease"] > 0 for entry in fit.history)
    _, start = projected_system(problem, state)
    _, end = projected_system(problem, fit)
    assert np.linalg.norm(end) < 1e-4 * np.linalg.norm(start)
    assert np.linalg.norm(fit.left @ fit.right.T) == pytest.approx(1.0)


def test_stops_when_told():
    problem, state = draw(2, n_samples=400)
    fit = levenberg_marquardt(problem, state.left, state.right, state.space, 1, 1e-10)
    assert not fit.converged and len(fit.history) == 1
