"""The curse: regressions on pairs are honest, only the dimension changes, and what the stored table says."""

import itertools
import math

import numpy as np
import pytest

from pairint.engine.experiment import checked_cells
from pairint.engine.seeds import generator_for
from pairint.experiments import get, load_results
from pairint.experiments.minimax import blind, curse
from pairint.experiments.minimax.blind import KERNELS, KernelRidge, Neighbours
from pairint.experiments.minimax.curse import EXPERIMENT, compute, predicted_errors, samples_to_merge

CELL = {
    "beta": 1.0, "noise_std": 0.1, "d": 3, "n_samples": 100, "replicate": 0,
    "blind": True, "control": True, "fit": True,
}  # fmt: skip


def data(n_samples, p, rng, noise=0.1):
    """Return inputs of two outputs a sample, and a function of their first coordinate with noise."""
    inputs = rng.uniform(-1, 1, (n_samples, 2, p))
    return inputs, np.sin(3 * inputs[..., 0]) + noise * rng.standard_normal((n_samples, 2))


# ------------------------------------------------------------------------------------- the regressions


def test_kernel_ridge_solves_its_equations():
    """At what was chosen, against the formula, in coordinates that are not scaled."""
    inputs, outputs = data(40, 2, np.random.default_rng(0))
    fit = KernelRidge().fit(inputs, outputs)
    rows, y, places = inputs.reshape(-1, 2), outputs.ravel(), np.random.default_rng(1).uniform(-1, 1, (7, 2))
    length = fit.length_ * math.sqrt((rows**2).sum(axis=1).mean())
    kernel = KERNELS[fit.kernel_]

    def gram(a, b):
        return kernel(np.linalg.norm(a[:, None] - b[None], axis=2) / length)

    system = gram(rows, rows) + fit.ridge_ * np.eye(len(rows))
    expected = y.mean() + gram(places, rows) @ np.linalg.solve(system, y - y.mean())
    # Solves differ by rounding times the condition; distances by the root of rounding where they are small.
    tolerance = 1e3 * np.linalg.cond(system) * np.finfo(float).eps + 1e-6
    np.testing.assert_allclose(fit.predict(places), expected, atol=tolerance)


def risk(inputs, outputs, place):
    """Return the squared error on a fifth of the samples, left out, written without the class's help."""
    out = np.repeat(np.arange(len(inputs)) % 5 == 0, 2)
    rows, y = inputs.reshape(-1, inputs.shape[2]), outputs.ravel() - outputs.mean()
    rows = rows / math.sqrt((rows**2).sum(axis=1).mean())
    kernel, length, ridge = place
    distances = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    gram = KERNELS[kernel](distances / length)
    kept = gram[np.ix_(~out, ~out)] + ridge * np.eye(int((~out).sum()))
    return float(((gram[np.ix_(out, ~out)] @ np.linalg.solve(kept, y[~out]) - y[out]) ** 2).sum())


@pytest.mark.slow
@pytest.mark.parametrize("p", [1, 6, 60])
def test_the_opponent_is_tuned_nearly_as_well_as_by_trying_all(p):
    """On 240 samples: the search ends within 5 % of the best of all 264 places of the grid."""
    inputs, outputs = data(240, p, np.random.default_rng(p))
    fit = KernelRidge().fit(inputs, outputs)
    found = risk(inputs, outputs, (fit.kernel_, fit.length_, fit.ridge_))
    grid = itertools.product(KERNELS, blind._LENGTHS[::2], blind._RIDGES[::2])
    best = min(risk(inputs, outputs, place) for place in grid)
    assert found <= 1.05 * best


def test_samples_are_left_out_whole():
    """Outputs of one sample share their tokens: what is left out has no twin in what is kept."""
    for fold in range(5):
        out = blind._held_out(12, 2, fold)
        assert out.reshape(12, 2).all(axis=1).sum() == out.sum() / 2 == len(range(fold, 12, 5))
    assert np.sum([blind._held_out(12, 2, fold) for fold in range(5)], axis=0).tolist() == [1] * 24


def test_neighbours_average_the_nearest():
    inputs, outputs = data(50, 3, np.random.default_rng(2))
    fit = Neighbours().fit(inputs, outputs)
    rows, y, places = inputs.reshape(-1, 3), outputs.ravel(), np.random.default_rng(3).uniform(-1, 1, (5, 3))
    expected = [y[np.argsort(np.linalg.norm(rows - place, axis=1))[: fit.k_]].mean() for place in places]
    np.testing.assert_allclose(fit.predict(places), expected, rtol=1e-12)


def test_neighbours_are_few_without_noise_and_many_without_signal():
    rng = np.random.default_rng(4)
    inputs, outputs = data(200, 1, rng, noise=0.0)
    assert Neighbours().fit(inputs, outputs).k_ <= 4
    assert Neighbours().fit(inputs, rng.standard_normal(outputs.shape)).k_ >= 32


@pytest.mark.parametrize("regression", [KernelRidge, Neighbours])
def test_cross_validation_needs_five_samples(regression):
    inputs, outputs = data(4, 1, np.random.default_rng(5))
    with pytest.raises(ValueError, match="at least 5 samples, got 4"):
        regression().fit(inputs, outputs)


# ------------------------------------------------------------------------------------- the cells


def test_only_the_dimension_changes():
    """One activation for each replicate, one variance of g, and a score of norm one, in every dimension."""
    u = np.linspace(-3, 3, 40)
    first = curse.truth_model(CELL)
    for d in (1, 10, 1000):
        model = curse.truth_model(CELL | {"d": d})
        assert np.array_equal(model.activation(u), first.activation(u))
        assert np.abs(model.matrix).sum() == np.linalg.norm(model.matrix) == 1
    other = curse.truth_model(CELL | {"replicate": 1})
    assert not np.array_equal(other.activation(u), first.activation(u))


def test_a_cell_is_a_function_of_its_data():
    rows, again = compute(CELL), compute(dict(CELL))
    assert [row["estimator"] for row in rows] == ["control", "kernel", "neighbours", "fit"]
    for one, other in zip(rows, again, strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {
            k: v for k, v in other.items() if k != "seconds"
        }
    assert len({row["variance"] for row in [*rows, *compute(CELL | {"d": 5, "fit": False})]}) == 1
    assert [row["estimator"] for row in compute(CELL | {"blind": False, "control": False})] == ["fit"]


def test_the_outputs_are_values_of_g_for_the_pairs_that_the_opponents_see():
    """With two tokens nothing is averaged: an output is g of its ordered pair, and noise."""
    model = curse.truth_model(CELL | {"noise_std": 1e-9})
    X, Y = model.sample(50, 2, generator_for(CELL, curse.DATA_KEYS))
    for i in (0, 1):
        np.testing.assert_allclose(Y[:, i], model.interaction(X[:, i], X[:, 1 - i]), atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dimensions": []}, "dimensions must be a list"),
        ({"dimensions": [1001]}, "dimensions must be"),
        ({"control_dimensions": [0]}, "control_dimensions must be >= 1"),
        ({"n_samples": [10]}, "n_samples must be >= 20"),
        ({"beta": 0.0}, "beta must be"),
        ({"noise_std": 0.0}, "noise_std must be > 0"),
        ({"replicates": 0}, "replicates must be >= 1"),
        ({"blind_most": -1}, "blind_most must be >= 0"),
        ({"fit_most": -1}, "fit_most must be >= 0"),
    ],
)
def test_settings_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        EXPERIMENT.cells(dict(EXPERIMENT.presets["quick"]) | change)


def test_cells():
    cells = checked_cells(EXPERIMENT, dict(EXPERIMENT.presets["full"]))
    assert get("curse") is EXPERIMENT
    assert {cell["d"] for cell in cells if cell["blind"]} == {1, 3, 10, 30, 100, 300, 1000}
    assert {cell["d"] for cell in cells if cell["control"]} == {1, 30, 1000}
    assert all(cell["n_samples"] >= 4 * cell["d"] for cell in cells if cell["fit"])
    assert all(cell["blind"] or cell["fit"] for cell in cells)
    assert EXPERIMENT.cost(cells[-1]) > 0


# ------------------------------------------------------------------------------------ the stored table


@pytest.fixture(scope="module")
def table():
    return load_results("curse")


def errors(table, estimator, d, n_samples):
    part = table[(table["estimator"] == estimator) & (table["d"] == d) & (table["n_samples"] == n_samples)]
    assert len(part) == 5
    return part.sort_values("replicate")["error"].to_numpy()


def test_regression_on_pairs_fans_out_and_stalls(table):
    """With more dimensions more is left, and from a hundred on nearly all, of every replicate."""
    last = table.loc[table["estimator"] == "kernel", "n_samples"].max()
    left = [errors(table, "kernel", d, last).mean() for d in (1, 3, 10, 30, 100)]
    assert left == sorted(left) and left[0] < 0.05 < 0.9 < left[-1]
    for d in (100, 300, 1000):
        assert errors(table, "kernel", d, last).min() > 0.8


def test_on_the_score_it_does_not(table):
    """The control: the dimension is to blame, not the method."""
    last = table.loc[table["estimator"] == "kernel", "n_samples"].max()
    for d in (1, 30, 1000):
        assert errors(table, "control", d, last).max() < 0.02


def test_the_estimator_pays_the_predicted_price(table):
    """With thirty outputs and more for each parameter, from where the law is read on: within half of it."""
    fits = table[(table["estimator"] == "fit") & (table["d"] > 1) & (table["n_samples"] >= 1000)]
    seen = 0
    for (d, n_samples), part in fits[fits["n_samples"] >= 30 * fits["d"]].groupby(["d", "n_samples"]):
        (predicted,) = predicted_errors(table, d, [n_samples])
        assert 0.5 < part["error"].mean() / predicted < 1.5, (d, n_samples)
        seen += 1
    assert seen >= 8


def test_predictions_merge(table):
    far = [predicted_errors(table, d, [10**9])[0] for d in (1, 30)]
    assert far[1] / far[0] < 1.05
    merge = [samples_to_merge(table, d) for d in (3, 30, 300)]
    assert merge == sorted(merge)
    for d, m in zip((3, 30, 300), merge, strict=True):
        one, here = (predicted_errors(table, k, [m])[0] for k in (1, d))
        assert here == pytest.approx(2 * one, rel=1e-9)
    assert math.isnan(samples_to_merge(table, 1))


def test_claims(table):
    claims = EXPERIMENT.claims(table)
    verdicts = {claim.name: claim.theory_verdict for claim in claims}
    assert set(verdicts.values()) <= {"agrees", "close"}, verdicts
    # A regression on pairs that learned would not be one that stalls.
    learned = table.assign(error=table["error"].where(table["estimator"] != "kernel", 0.1 * table["error"]))
    worse = [
        claim.theory_verdict
        for claim in EXPERIMENT.claims(learned)
        if "ridge regression on pairs" in claim.name
    ]
    assert worse and set(worse) == {"differs"}
