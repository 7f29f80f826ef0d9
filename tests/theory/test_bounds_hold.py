"""lower bound <= measured error of every estimator <= upper bound, on a grid."""

from dataclasses import replace

import numpy as np
import pytest

import pairint.estimation
from pairint.estimation import InteractionRegressor, NetworkRegressor, OracleRegressor, interaction_error
from pairint.figures.upper_vs_lower import SETTING, measured_errors, zero_error
from pairint.model import AttentionModel, GaussianNoise, UniformCube
from pairint.theory import Setting, lower_bound, oracle_upper_bound, upper_bound
from pairint.theory.coercivity import product_density

pytestmark = pytest.mark.slow

FITS = {
    "oracle": lambda matrix: OracleRegressor(matrix, degree=1),
    "learned": lambda matrix: InteractionRegressor(rank=1, degree=1, n_starts=1),
}
#: A small network: the bounds are far from it, and a large one takes a minute.
NETWORK = dict(n_intervals=8, hidden=(24, 24), network_steps=40, batch_size=256, max_rounds=5, epochs=1)


def density(u):
    return product_density(u, 3.0)


def test_truth_is_in_the_class():
    """tanh(u/2): |second derivative| <= 4 / (3 sqrt 3) / 4 < 0.2."""
    u = np.linspace(-3, 3, 10_001)
    slope = 0.5 / np.cosh(u / 2) ** 2
    assert np.abs(np.diff(slope) / np.diff(u)).max() < SETTING.holder_constant


def check(row, known):
    """Assert that an error lies between the bounds; the upper one must rule out the estimator zero."""
    m, n = row["n_samples"], row["n_tokens"]
    setting = replace(SETTING, n_tokens=n)
    lower = lower_bound(m, setting, interval=(0.0, 3.0), density=density, symmetric=True).value
    if known:
        upper = oracle_upper_bound(m, setting, density=density, odd=True).value
    else:
        upper = upper_bound(m, setting, odd=True).value
    assert lower < row["error"] < upper < zero_error()


def test_error_of_the_estimator_zero():
    x = np.random.default_rng(0).uniform(-1, 1, (400_000, 2)).prod(axis=1) * 3
    values = np.tanh(x / 2) ** 2
    assert zero_error() == pytest.approx(values.mean(), abs=4 * values.std() / 400_000**0.5)


@pytest.mark.parametrize(
    ("name", "n_samples", "n_tokens"),
    [
        ("learned", 10_000, 2),
        ("learned", 20_000, 3),
        ("oracle", 5000, 2),
        ("oracle", 10_000, 3),
        ("learned", 20_000, 8),
        ("oracle", 20_000, 8),
    ],
)
def test_measured_errors_lie_between_the_bounds(name, n_samples, n_tokens):
    (row,) = measured_errors({name: FITS[name]}, [n_samples], [n_tokens], replicates=2)
    check(row, known=name == "oracle")


def test_error_of_the_network_lies_between_the_bounds():
    pytest.importorskip("torch", reason="the network baseline needs PyTorch: pip install 'pairint[network]'")
    fits = {"network": lambda matrix: NetworkRegressor(rank=1, degree=1, random_state=0, **NETWORK)}
    (row,) = measured_errors(fits, [10_000], [2], replicates=2)
    check(row, known=False)


def test_every_estimator_of_the_package_is_tried():
    regressors = {name for name in pairint.estimation.__all__ if name.endswith("Regressor")}
    assert regressors == {"InteractionRegressor", "NetworkRegressor", "OracleRegressor"}


@pytest.mark.parametrize("n_samples", [100, 2000])
def test_average_over_the_hypotheses_is_above_the_lower_bound(n_samples):
    """What Assouad's argument says, exactly: the error averaged over random words, for any estimator."""
    setting = Setting(beta=1.0, n_tokens=3, noise_std=0.5, holder_constant=2.0)
    bound = lower_bound(
        n_samples, setting, interval=(0.0, 2.7), density=density, symmetric=True, method="assouad"
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
