"""From cold the fit ends in the lowest valley, or says that it may not have."""

import math
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from pairint.estimation import InteractionRegressor, interaction
from pairint.estimation.initial import moments_left, quadratic_start
from pairint.model import (
    AttentionModel,
    Equicorrelated,
    GaussianNoise,
    UniformCube,
    interaction_matrix,
    spline_activation,
)


def correlated(seed, n_samples=1000):
    """Two tokens that are nearly the same: the linear start sees little, and there are many valleys."""
    tokens = Equicorrelated(8, 0.95)
    model = AttentionModel(
        spline_activation(3, seed), interaction_matrix(8, 2, seed), tokens, GaussianNoise(0.1)
    )
    return model.sample(n_samples, 2, seed)


def excess(fit, sigma, n_outputs):
    """The estimate of the noise against its truth, in standard errors."""
    return (fit.noise_std_ / sigma - 1) * math.sqrt(2 * n_outputs)


@pytest.mark.slow
@pytest.mark.parametrize(("solver", "seed"), [("lbfgs", 31), ("gauss-newton", 4), ("gauss-newton", 29)])
def test_the_lowest_valley_is_found(solver, seed):
    """The start that is lowest after two steps ends at several times the noise; others do not."""
    X, Y = correlated(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = InteractionRegressor(2, solver=solver, random_state=0).fit(X, Y)
    assert abs(excess(fit, 0.1, Y.size)) < 4.5
    assert len(fit.start_risks_) > 2 and fit.start_risks_.min() < 0.7 * fit.start_risks_[0]
    # The control: what the fit was before, the first start followed alone.
    alone = [
        InteractionRegressor(2, start=start, solver=solver).fit(X, Y) for start in ("linear", "quadratic")
    ]
    assert max(excess(other, 0.1, Y.size) for other in alone) > 10


def test_starts_that_agree_are_few():
    """Nothing is spent where nothing is in doubt: of four starts, two are followed."""
    model = AttentionModel(np.tanh, interaction_matrix(6, 1, 0), UniformCube(6), GaussianNoise(0.1))
    X, Y = model.sample(1000, 3, 1)
    fit = InteractionRegressor(1, n_intervals=8, random_state=0).fit(X, Y)
    assert len(fit.start_risks_) == 2
    # In one valley up to noise: two parameters' worth for each, or the share that counts as nothing.
    share = max(2 * (10 + 8 + 3) / Y.size * fit.start_risks_.min(), 0.02 * Y.var())
    assert np.ptp(fit.start_risks_) <= share


@pytest.mark.slow
@pytest.mark.parametrize(("solver", "seed"), [("lbfgs", 4), ("gauss-newton", 0)])
def test_a_disagreement_that_nothing_settles_is_said(solver, seed, monkeypatch):
    """An even activation in many dimensions: of three starts the quadratic one alone finds it."""
    matrix = interaction_matrix(20, 2, 0, kind="coordinate")
    model = AttentionModel(lambda u: np.cos(2.5 * u), matrix, UniformCube(20), GaussianNoise(0.1))
    X, Y = model.sample(1500, 3, 2)
    settings = {"rank": 2, "n_intervals": 12, "solver": solver, "random_state": seed}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a restart leaves its valley, and comes back to it
        fit = InteractionRegressor(n_starts=1, **settings).fit(X, Y)
        assert len(fit.start_risks_) > 3
        # Who wants no random start is not told that there were too few.
        assert len(InteractionRegressor(n_starts=0, **settings).fit(X, Y).start_risks_) == 2
    monkeypatch.setattr(interaction, "N_RESTARTS", 0)
    with pytest.warns(ConvergenceWarning, match=r"only one of 3 starts .*; raise n_starts \(now 1\)"):
        fit = InteractionRegressor(n_starts=1, **settings).fit(X, Y)
    assert fit.converged_
    assert np.sort(fit.start_risks_)[1] > 2 * fit.start_risks_.min()


def test_tokens_with_a_mean_have_it_in_both_spaces():
    """An even function of the score about its mean: the matrix pairs the mean with what the moments find."""
    rng = np.random.default_rng(0)
    X = UniformCube(6).sample(4000, 3, rng) + 10.0
    matrix = interaction_matrix(6, 2, 3)
    scores = np.einsum("mid,de,mje->mij", X, matrix, X)
    off_diagonal = ~np.eye(3, dtype=bool)
    centre, spread = scores[:, off_diagonal].mean(), scores[:, off_diagonal].std()
    values = np.where(off_diagonal, np.cos(1.5 * (scores - centre) / spread), 0.0)
    Y = values.sum(axis=2) / 2
    rows = X.reshape(-1, 6)
    values, vectors = np.linalg.eigh(rows.T @ rows / len(rows))
    root = (vectors * np.sqrt(values)) @ vectors.T
    left, right = quadratic_start(X @ np.linalg.inv(root), Y, 2)
    found, truth = left @ right.T, root @ matrix @ root
    # Without the mean direction itself, which a constant explains.
    mean = np.linalg.solve(root, rows.mean(axis=0))
    mean /= np.linalg.norm(mean)
    for factor in (found, truth):
        factor -= np.outer(mean, mean) * (mean @ factor @ mean)
    cosine = abs((found * truth).sum()) / np.linalg.norm(found) / np.linalg.norm(truth)
    assert cosine > 0.9


def test_moments_left_are_those_of_noise_or_of_signal():
    """Below the bound for independent residuals, far above it for each kind of signal."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((2000, 3, 5))
    noise = rng.standard_normal((2000, 3))
    assert 0.3 < moments_left(X, noise) < 1.0
    partners = (X.sum(axis=1, keepdims=True) - X) / 2
    for signal in (X[..., 0] * X[..., 1], partners[..., 0] ** 2 - 0.5, X[..., 0] * partners[..., 1]):
        assert moments_left(X, noise + signal) > 5.0
        assert moments_left(7.0 * X + 1.0, 1e6 * (noise + signal)) == pytest.approx(
            moments_left(X, noise + signal), rel=1e-9
        )
