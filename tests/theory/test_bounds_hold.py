"""lower bound <= measured error of every estimator <= upper bound, on a grid."""

import numpy as np
import pytest

from pairint.estimation import InteractionRegressor, OracleRegressor, interaction_error
from pairint.model import AttentionModel, GaussianNoise, UniformCube
from pairint.theory.coercivity import product_density
from pairint.theory.figures import measured_errors
from pairint.theory.lower import lower_bound
from pairint.theory.upper import oracle_upper_bound, upper_bound

FITS = {
    "oracle": lambda matrix: OracleRegressor(matrix, degree=1),
    "learned": lambda matrix: InteractionRegressor(rank=1, degree=1, n_starts=1),
}
#: tanh(u/2): |second derivative| <= 4 / (3 sqrt 3) / 4 < 0.2.
SHAPE = (2.0, 0.2, 0.5)


def density(u):
    return product_density(u, 3.0)


def test_truth_is_in_the_class():
    u = np.linspace(-3, 3, 10_001)
    slope = 0.5 / np.cosh(u / 2) ** 2
    assert np.abs(np.diff(slope) / np.diff(u)).max() < 0.2


@pytest.mark.parametrize("n_tokens", [2, 3, 8])
def test_measured_errors_lie_between_the_bounds(n_tokens):
    rows = measured_errors(FITS, [200, 1000], [n_tokens], replicates=2)
    assert len(rows) == 4
    for row in rows:
        m = row["n_samples"]
        common = dict(interval=(0.0, 2.7), density=density, sup_bound=1.0)
        lower = lower_bound(m, n_tokens, *SHAPE, symmetric=True, **common).value
        upper = upper_bound(m, n_tokens, 3, 1, *SHAPE, score_bound=3.0).value
        assert lower < row["error"] < upper
        if row["method"] == "oracle":
            known = oracle_upper_bound(m, n_tokens, *SHAPE, density=density, score_bound=3.0, odd=True)
            assert row["error"] < known.value


@pytest.mark.parametrize("n_samples", [100, 2000])
def test_average_over_the_hypotheses_is_above_the_lower_bound(n_samples):
    """What Assouad's argument says, exactly: the error averaged over random words, for any estimator."""
    bound = lower_bound(
        n_samples, 3, 1.0, 2.0, 0.5, interval=(0.0, 2.7), density=density, symmetric=True, road="assouad"
    )
    rng = np.random.default_rng(n_samples)
    errors = []
    for _ in range(12):
        phi = bound.family.activation(rng.integers(0, 2, bound.family.n_bumps))
        model = AttentionModel(phi, np.eye(1), UniformCube(1), GaussianNoise(0.5))
        fit = OracleRegressor(model.matrix, degree=1).fit(*model.sample(n_samples, 3, rng))
        errors.append(interaction_error(fit, model, n_pairs=20_000, rng=rng).value)
    assert np.mean(errors) > bound.value
    assert np.mean(errors) < 1000 * bound.value  # the bound is not empty
