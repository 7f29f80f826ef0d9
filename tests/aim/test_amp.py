"""AMP follows its state evolution, and needs its Onsager term."""

import math

import numpy as np
import pytest

from pairint.aim.amp import amp
from pairint.aim.state_evolution import state_evolution, state_evolution_iterates
from pairint.aim.teacher import AIMTeacher

D = 100


def run(channel, alpha, rho=0.5, seed=0, **options):
    teacher = AIMTeacher(D, rho, 2, channel, rng=10 * seed + 1)
    X, y = teacher.sample(round(alpha * D**2), 10 * seed + 2)
    result = amp(X, y, rho, channel, truth=teacher.S, **options)
    return result, teacher.error(result.S)


@pytest.mark.parametrize(
    ("channel", "alpha"), [("softmax", 0.05), ("softmax", 0.1), ("linear", 0.05), ("hardmax", 0.3)]
)
def test_error_is_that_of_the_state_evolution(channel, alpha):
    outcomes = [run(channel, alpha, seed=seed) for seed in range(3)]
    assert all(result.converged for result, _ in outcomes)
    expected = state_evolution(alpha / (1 + 1 / D), 0.5, channel).mmse
    errors = np.array([error for _, error in outcomes])
    assert errors.mean() == pytest.approx(expected, rel=0.06)


def test_undamped_trajectory_follows_the_iterates():
    result, _ = run("hardmax", 0.3, damping=1.0, max_iter=8, tol=1e-8)
    iterates = state_evolution_iterates(0.3 / (1 + 1 / D), 0.5, "hardmax", n_iter=8)
    np.testing.assert_allclose(result.history["error"][:5], iterates[1:6], rtol=0.08)


@pytest.mark.filterwarnings("ignore")
def test_onsager_term_is_needed():
    _, right = run("softmax", 0.1, max_iter=60)
    _, wrong = run("softmax", 0.1, max_iter=60, onsager=False)
    assert wrong > 1.2 * right


def test_labels_are_checked():
    X = np.random.default_rng(0).standard_normal((20, 2, 6))
    y = np.full((20, 2, 2), 0.5)
    for bad, match in (
        (y + 0.1, "sum"),
        (np.where(np.eye(2), 1.0, 0.0) + 0 * y, "log"),
        (np.full_like(y, math.nan), "finite"),
    ):
        with pytest.raises(ValueError, match=match):
            amp(X, bad, 0.5)
    with pytest.raises(ValueError, match="one-hot"):
        amp(X, y, 0.5, "hardmax")
