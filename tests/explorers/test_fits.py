"""The stored fits are what the estimator gives today."""

import itertools

import numpy as np
import pytest

from pairint.explorers import fits
from pairint.explorers.fit import FitExplorer, _terms


@pytest.mark.parametrize("cell", [(1.0, 1, 0.2, 100), (2.0, 1, 0.8, 500), (1.0, 5, 0.2, 500)])
def test_stored_fit_is_reproduced(cell):
    stored, fresh = fits.load_fits()[cell], fits.compute_fit(*cell)
    assert fresh.chosen == stored.chosen
    assert (fresh.lower, fresh.upper) == pytest.approx((stored.lower, stored.upper), rel=1e-4)
    for column in ("errors", "oracle_errors"):
        assert getattr(fresh, column) == pytest.approx(getattr(stored, column), rel=0.02)
    u = np.linspace(-2, 2, 101)
    scale = max(np.abs(c).max() for c in fresh.coefficients)
    for index in range(len(fits.CELLS)):
        # Half a unit of storage, and what another linear-algebra library may change.
        np.testing.assert_allclose(stored.spline(index)(u), fresh.spline(index)(u), atol=2e-3 * scale)


def test_every_cell_is_stored():
    assert set(fits.load_fits()) == set(itertools.product(*fits.AXES.values()))


def test_storage_keeps_eleven_bits():
    rng = np.random.default_rng(0)
    coefficients = [rng.standard_normal(k + fits.DEGREE) for k in fits.CELLS]
    fit = fits.Fit(-1.5, 2.5, coefficients, (0.1,) * 5, (0.2,) * 5, 7)
    again = fits._decode(fits._encode(fit))
    unit = max(np.abs(c).max() for c in coefficients) / fits.STEPS
    for before, after in zip(coefficients, again.coefficients, strict=True):
        assert np.abs(before - after).max() <= 0.51 * unit
    assert (again.lower, again.upper, again.errors, again.chosen) == (-1.5, 2.5, fit.errors, 7)


def test_drawn_outputs_are_the_first_of_the_data():
    scores, noise = fits.first_outputs(5)
    tokens, standard = fits._draws(5)
    model = fits.model_of(2.0, 5)
    n = len(scores) // 2
    np.testing.assert_allclose(model.activation(scores), model.forward(tokens[:n]).ravel())
    np.testing.assert_array_equal(noise, standard[:n].ravel())


@pytest.mark.parametrize("beta", fits.AXES["beta"])
def test_cosines_of_the_truth(beta):
    u = np.linspace(-3, 3, 57)
    total = sum(height * np.cos(frequency * u + phase) for frequency, height, phase in _terms(beta))
    np.testing.assert_allclose(total, fits.model_of(beta, 1).activation(u), atol=1e-12)


def test_more_noise_calls_for_fewer_cells():
    chosen = [FitExplorer(noise=s, samples=10_000).numbers().facts["chosen"] for s in (0.05, 0.8)]
    assert chosen[0] > chosen[1]
