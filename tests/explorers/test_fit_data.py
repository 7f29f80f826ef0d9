"""The stored fits are what the estimator gives today."""

import itertools

import numpy as np
import pytest

from pairint.estimation import InteractionRegressor, OracleRegressor
from pairint.estimation.error import interaction_error
from pairint.experiments.solver import STORED_WEIGHT
from pairint.explorers import fit_data
from pairint.explorers.fit import FitExplorer, cosines, new_fit

#: Errors are stored with three digits (half a unit is at most 1/200), the interval with six; fits elsewhere
#: are the same to 1e-6, as the experiments in double precision declare.
ERROR, RANGE = 1 / 200 + 1e-6, 5e-6 + 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("cell", [(1.0, 1, 0.2, 100), (2.0, 1, 0.8, 500), (1.0, 5, 0.2, 500)])
def test_stored_fit_is_reproduced(cell):
    stored, fresh = fit_data.load_fits()[cell], fit_data.compute_fit(*cell)
    assert fresh.chosen == stored.chosen
    assert (fresh.lower, fresh.upper) == pytest.approx((stored.lower, stored.upper), rel=RANGE)
    for column in ("errors", "oracle_errors"):
        assert getattr(fresh, column) == pytest.approx(getattr(stored, column), rel=ERROR)
    u = np.linspace(-2, 2, 101)
    scale = max(np.abs(c).max() for c in fresh.coefficients)
    assert fresh.cells == stored.cells
    unit = scale / fit_data.STEPS
    for index in range(len(stored.cells)):
        spline = fresh.spline(index)
        # Half a unit of storage in every coefficient (0.51: the unit itself has four digits), carried on by
        # the slope beyond the interval; and the interval's own rounding, which moves the argument.
        beyond = np.maximum(np.maximum(u - fresh.upper, fresh.lower - u), 0) / spline.space.width
        moved = 4 * RANGE * (fresh.upper - fresh.lower) * np.abs(spline.derivative(u)).max()
        bound = (0.51 + 1e-6 * fit_data.STEPS) * unit * (1 + 2 * beyond) + moved
        assert np.all(np.abs(stored.spline(index)(u) - spline(u)) <= bound)


def test_every_cell_is_stored():
    assert set(fit_data.load_fits()) == set(itertools.product(*fit_data.AXES.values()))


def test_storage_keeps_eleven_bits():
    rng = np.random.default_rng(0)
    cells = (3, 6, 7, 12, 24, 48)
    coefficients = [rng.standard_normal(k + fit_data.DEGREE) for k in cells]
    fit = fit_data.Fit(-1.5, 2.5, coefficients, (0.1,) * 6, (0.2,) * 6, 7)
    assert fit.cells == cells
    again = fit_data.decode(fit_data.encode(fit))
    unit = max(np.abs(c).max() for c in coefficients) / fit_data.STEPS
    for before, after in zip(coefficients, again.coefficients, strict=True):
        assert np.abs(before - after).max() <= 0.51 * unit
    assert (again.lower, again.upper, again.errors, again.chosen) == (-1.5, 2.5, fit.errors, 7)


def test_drawn_outputs_are_the_first_of_the_data():
    scores, noise = fit_data.first_outputs(5)
    tokens, standard = fit_data.draws(5)
    model = fit_data.model_of(2.0, 5)
    n = len(scores) // 2
    np.testing.assert_allclose(model.activation(scores), model.forward(tokens[:n]).ravel())
    np.testing.assert_array_equal(noise, standard[:n].ravel())


@pytest.mark.parametrize("beta", fit_data.AXES["beta"])
def test_cosines_of_the_truth(beta):
    u = np.linspace(-3, 3, 57)
    total = sum(height * np.cos(frequency * u + phase) for frequency, height, phase in cosines(beta))
    np.testing.assert_allclose(total, fit_data.model_of(beta, 1).activation(u), atol=1e-12)


def test_more_noise_calls_for_fewer_cells():
    chosen = [FitExplorer(noise=s, samples=10_000).numbers().facts["chosen"] for s in (0.05, 0.8)]
    assert chosen[0] > chosen[1]


def test_the_chosen_number_of_cells_can_be_shown():
    """K chosen from the data is a stop of the slider, at every setting."""
    for key, fit in fit_data.load_fits().items():
        assert len(fit.errors) == len(fit.oracle_errors) == len(fit.coefficients) == len(fit.cells)
        assert fit.chosen in fit.cells
        assert [len(c) for c in fit.coefficients] == [k + fit_data.DEGREE for k in fit.cells]
        facts = FitExplorer(**dict(zip(fit_data.AXES, key, strict=True)), cells="chosen").numbers().facts
        assert facts["cells"] == facts["chosen"] == fit.chosen
        assert facts["error"] == fit.errors[fit.cells.index(fit.chosen)]
    series = FitExplorer(cells="chosen").numbers().series
    assert series["error.here"]["x"][0] not in fit_data.CELLS  # the first setting shows something new
    assert series["error.here"]["x"][0] in series["error.fitted"]["x"]


def test_the_chosen_fit_is_the_regressors_own():
    model = fit_data.model_of(1.0, 5)
    X = fit_data.draws(5)[0][:500]
    Y = model.forward(X) + 0.8 * fit_data.draws(5)[1][:500]
    settings = {"solver": fit_data.SOLVER, "selection_weight": STORED_WEIGHT, "random_state": 1}
    auto = InteractionRegressor(1, fit_data.DEGREE, **settings).fit(X, Y)
    pairs = np.random.default_rng([3, auto.n_intervals_])
    error = interaction_error(auto, model, n_pairs=50_000, rng=pairs).value
    facts = FitExplorer(beta=1.0, d=5, noise=0.8, samples=500, cells="chosen").numbers().facts
    assert auto.n_intervals_ == facts["cells"]
    # The same matrix and cells on an interval that moved: a small part of the statistical error.
    assert error == pytest.approx(facts["error"], rel=0.03 + ERROR)


@pytest.mark.slow
@pytest.mark.parametrize("cells", [24, "chosen"])
def test_simulation_fits_as_the_stored_fits_were_made(cells):
    """On the stored data the simulation's fit has the stored error, not that of another estimator."""
    setting = {"beta": 1.0, "d": 5, "noise": 0.8, "samples": 500}
    model = fit_data.model_of(1.0, 5)
    X = fit_data.draws(5)[0][:500]
    Y = model.forward(X) + 0.8 * fit_data.draws(5)[1][:500]
    shown, error = new_fit(X, Y, model, cells, np.random.default_rng(0))
    facts = FitExplorer(**setting, cells=cells).numbers().facts
    assert shown == facts["cells"]
    # Two samples of 50,000 pairs for one fit, each with its standard error: four of their difference.
    matrix, _ = fit_data.fit_matrix(X, Y, model, 0)
    fit = OracleRegressor(matrix, fit_data.DEGREE, shown).fit(X, Y)
    value, spread = interaction_error(fit, model, n_pairs=50_000, rng=1)
    assert spread < 0.02 * value
    assert abs(error - facts["error"]) < 4 * np.sqrt(2) * spread + ERROR * facts["error"]


def test_a_setting_that_was_not_fitted_is_refused():
    with pytest.raises(ValueError, match="samples"):
        FitExplorer(samples=300)
    assert "nothing between two stops is interpolated" in FitExplorer().sentence()
