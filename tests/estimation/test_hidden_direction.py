"""Under the permutation law no number of samples moves a fit in the hidden direction."""

import numpy as np

from pairint.estimation import OracleRegressor
from pairint.model.attention import pair_average
from pairint.theory.exchangeable import invisible_activation

POINTS = np.random.default_rng(1).standard_normal((6, 2))
A = np.eye(2)
HIDDEN = invisible_activation(POINTS, A)
SIGMA = 0.1


def truth(u):
    return np.tanh(u) + HIDDEN(u)


def left(n_samples, permuted, seed):
    """Return how much of the hidden direction, of norm one, is in the error of a fit."""
    rng = np.random.default_rng(seed)
    order = (
        rng.permuted(np.tile(np.arange(6), (n_samples, 1)), axis=1)
        if permuted
        else rng.integers(6, size=(n_samples, 6))
    )
    X = POINTS[order]
    Y = pair_average(truth, X, A) + SIGMA * rng.standard_normal(X.shape[:2])
    # Cells so small that each score that occurs has its own: the spline can be anything there.
    fit = OracleRegressor(A, 1, 120, penalty=1e-6).fit(X, Y)
    scores = (POINTS @ A @ POINTS.T)[~np.eye(6, dtype=bool)]
    return abs(np.mean((fit.activation_(scores) - truth(scores)) * HIDDEN(scores)))


def test_no_convergence_in_the_hidden_direction():
    """A hundred times the samples: nothing for permuted points, a tenth for independent ones.

    The control's errors are Gaussian to first order, their variances a hundred times apart: the ratio of mean
    squares over eight seeds each is F(8, 8), which is above 100/9 once in some eight hundred draws of seeds.
    """
    few, many = ([left(m, True, seed) for seed in range(4)] for m in (100, 10_000))
    assert min(few) > 0.5 and min(many) > 0.5
    np.testing.assert_allclose(many, few, rtol=0.2)
    few, many = ([left(m, False, seed) for seed in range(8)] for m in (100, 10_000))
    assert np.sqrt(np.mean(np.square(many))) < np.sqrt(np.mean(np.square(few))) / 3
