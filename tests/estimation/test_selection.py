"""K by generalised cross-validation on nested spaces."""

import math

import numpy as np
import pytest

from pairint.estimation.inner import normal_equations, solve_inner
from pairint.estimation.selection import choose_intervals, generalised_cross_validation
from pairint.model import (
    AttentionModel,
    GaussianNoise,
    RoughActivation,
    SplineSpace,
    UniformCube,
    interaction_matrix,
    spline_activation,
)


def draw(activation, n_samples, noise=0.1):
    model = AttentionModel(activation, interaction_matrix(1, 1, 0), UniformCube(1), GaussianNoise(noise))
    return model, *model.sample(n_samples, 3, 1)


def choose(X, Y, matrix, degree=3, penalty=0.1, n_other=0):
    return choose_intervals(X, Y, matrix, np.eye(1), -2.9, 2.9, degree, penalty, n_other)


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_criterion_is_that_of_direct_fits(degree):
    """The fine Gram matrix, refined down, gives what a fit on each K would."""
    model, X, Y = draw(spline_activation(3, 0), 300)
    choice = choose(X, Y, model.matrix, degree, 0.1, 2)
    assert len(choice.candidates) >= 6 and choice.candidates[0] == 1
    for n_intervals, criterion in zip(choice.candidates, choice.criterion, strict=True):
        space = SplineSpace(-2.9, 2.9, int(n_intervals), degree)
        solution = solve_inner(normal_equations(X, Y, model.matrix, np.eye(1), space), space, 0.1)
        direct = generalised_cross_validation(solution.residual, solution.dof + 2, Y.size)
        assert criterion == pytest.approx(direct, rel=1e-7)
    assert choice.n_intervals == choice.candidates[np.argmin(choice.criterion)]


def test_candidates_are_dense_and_bounded_by_the_data():
    model, X, Y = draw(spline_activation(3, 0), 3000)
    candidates = choose(X, Y, model.matrix).candidates
    assert np.all(np.diff(candidates) > 0)
    assert np.max(candidates[4:] / candidates[3:-1]) <= 1.5
    assert candidates[-1] + 3 <= min(Y.size / 10, 2 * math.sqrt(Y.size))
    few = choose(X[:8], Y[:8], model.matrix)
    assert list(few.candidates) == [1] and few.n_intervals == 1


def test_rougher_truths_and_more_data_get_more_cells():
    chosen = {}
    for beta in (1.0, 3.0):
        for n_samples in (300, 6000):
            model, X, Y = draw(RoughActivation(beta, 2), n_samples)
            chosen[beta, n_samples] = choose(X, Y, model.matrix).n_intervals
    assert chosen[1.0, 6000] > chosen[1.0, 300]
    assert chosen[1.0, 6000] > 2 * chosen[3.0, 6000]


def test_a_cubic_gets_few_cells():
    """It is in every space (but for the continuation): more cells would only add variance."""
    model, X, Y = draw(lambda u: u**3 / 27, 1000)
    assert choose(X, Y, model.matrix, penalty=0.0).n_intervals <= 8


def test_generalised_cross_validation():
    assert generalised_cross_validation(90.0, 10.0, 100) == pytest.approx(100 * 90 / 90**2)
    assert generalised_cross_validation(1.0, 100.0, 100) == math.inf
