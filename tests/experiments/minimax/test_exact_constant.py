"""Errors on the exact constant: what a cell computes, and what the stored table says."""

import dataclasses

import numpy as np
import pytest

from pairint.engine.experiment import checked_cells
from pairint.engine.statistics import mean_interval
from pairint.experiments import get, load_results
from pairint.experiments.minimax import exact_constant
from pairint.experiments.minimax.exact_constant import EXPERIMENT, compute
from pairint.theory.pinsker import pinsker_filter, projection_factor, sobolev_bounds
from pairint.theory.rates import parameter_price

CELL = {"beta": 1.0, "energy": 1.0, "noise_std": 0.5, "n_tokens": 3, "n_samples": 500, "replicate": 0}


def ratios(table, estimator, truth, n_tokens, n_samples=100_000):
    part = table[(table["estimator"] == estimator) & (table["truth"] == truth)]
    part = part[(part["n_tokens"] == n_tokens) & (part["n_samples"] == n_samples)]
    assert len(part) == 24
    return (part["error"] / part["filter_risk"]).to_numpy()


def test_a_cell_is_a_function_of_its_data():
    rows = compute(CELL)
    assert rows == compute(dict(CELL))
    assert [row["error"] for row in rows] != [row["error"] for row in compute(CELL | {"replicate": 1})]
    assert len(rows) == len({(row["truth"], row["estimator"]) for row in rows}) == 16
    best = pinsker_filter(parameter_price(500, n_tokens=3, noise_std=0.5), beta=1.0, energy=1.0)
    assert {row["filter_risk"] for row in rows} == {best.risk}
    assert {row["n_coefficients"] for row in rows if row["estimator"] != "projection"} == {best.size}


def test_what_is_left_out_is_an_error(monkeypatch):
    """Without noise, and with the mean for the Gram matrix, errors are biases: t^2 Q, whatever the truth."""
    monkeypatch.setattr(exact_constant, "gram_and_noise", lambda cell, n: (np.eye(n), np.zeros((n, 2))))
    rows = compute(CELL)
    best = pinsker_filter(parameter_price(500, n_tokens=3, noise_std=0.5), beta=1.0, energy=1.0)
    found = {(row["estimator"], row["truth"]): row["error"] for row in rows}
    for truth in ("first", "spread", "edge"):
        for estimator in ("pinsker", "ridge", "plain"):
            assert found[estimator, truth] == pytest.approx(best.bias)
    assert found["pinsker", "beyond"] == pytest.approx(1 / ((2 * best.size + 1) * (2 * best.size + 2)))
    kept = next(row["n_coefficients"] for row in rows if row["estimator"] == "projection")
    assert found["projection", "edge"] == pytest.approx(1 / ((2 * kept + 1) * (2 * kept + 2)))
    assert found["projection", "first"] == pytest.approx(0, abs=1e-20)
    price = parameter_price(500, n_tokens=3, noise_std=0.5)
    worst = [price * n + 1 / ((2 * n + 1) * (2 * n + 2)) for n in range(1, best.size + 1)]
    assert kept == 1 + int(np.argmin(worst))


def test_the_sums_have_the_means_of_the_theory(monkeypatch):
    """Chunks of many samples, the last of them smaller, and chunks of one."""
    gram, noise = exact_constant.gram_and_noise(CELL | {"n_samples": 20_000}, 4)
    assert np.abs(gram - np.eye(4)).max() < 0.2  # ten standard errors and more: fourth moments below 20
    assert noise.shape == (4, 16)
    # E noise^2 = epsilon^2: 64 squares, of relative variance 2 each; five standard errors.
    price = parameter_price(20_000, n_tokens=3, noise_std=0.5)
    assert np.mean(noise**2) == pytest.approx(price, rel=5 * np.sqrt(2 / 64))
    monkeypatch.setattr(exact_constant, "HELD", 1)  # one sample at a time
    small, _ = exact_constant.gram_and_noise(CELL | {"n_samples": 7}, 2)
    assert np.linalg.matrix_rank(small) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_tokens": [1]}, "n_tokens must be >= 2"),
        ({"n_samples": []}, "n_samples must be a list"),
        ({"n_samples": 100}, "n_samples must be a list"),
        ({"beta": 0.0}, "beta must be > 0"),
        ({"noise_std": 0.0}, "noise_std must be > 0"),
        ({"replicates": 0}, "replicates must be >= 1"),
    ],
)
def test_settings_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        EXPERIMENT.cells(dict(EXPERIMENT.presets["quick"]) | change)


def test_cells():
    cells = checked_cells(EXPERIMENT, dict(EXPERIMENT.presets["quick"]))
    assert len(cells) == 3 * 2 * 10 and get("exact_constant") is EXPERIMENT
    assert EXPERIMENT.cost(cells[-1]) > EXPERIMENT.cost(cells[0])


# ------------------------------------------------------------------------------------ the stored table


@pytest.mark.parametrize("n_tokens", [2, 3, 8])
def test_errors_lie_on_the_exact_constant(n_tokens):
    """At M = 1e5, mean over the truths: within five standard errors."""
    table = load_results("exact_constant")
    values = np.mean(
        [ratios(table, "pinsker", truth, n_tokens) for truth in ("first", "spread", "beyond", "edge")], axis=0
    )
    mean, error = values.mean(), values.std(ddof=1) / np.sqrt(len(values))
    assert error < 0.02
    assert abs(mean - 1) < 5 * error
    # sigma^2 / M in place of sigma^2 (N - 1) / (M N) is refused.
    right = parameter_price(100_000, n_tokens=n_tokens, noise_std=0.5)
    wrong = right * n_tokens / (n_tokens - 1)
    risks = [pinsker_filter(price, beta=1.0, energy=1.0).risk for price in (right, wrong)]
    assert abs(mean * risks[0] / risks[1] - 1) > 5 * error


@pytest.mark.parametrize("n_tokens", [2, 3, 8])
def test_what_misses_the_constant_misses_it(n_tokens):
    table = load_results("exact_constant")
    values = ratios(table, "projection", "edge", n_tokens)
    error = values.std(ddof=1) / np.sqrt(len(values))
    # Sums of D terms against integrals, and D a whole number: shares of 1/D; D is 60 and more.
    assert values.mean() == pytest.approx(projection_factor(1.0), abs=5 * error + projection_factor(1.0) / 60)
    assert values.mean() - 5 * error > 1
    plain = ratios(table, "plain", "first", n_tokens)
    assert mean_interval(plain)[1] > mean_interval(ratios(table, "pinsker", "first", n_tokens))[2]


@pytest.mark.slow
def test_the_worst_measured_error_is_above_the_lower_bound():
    table = load_results("exact_constant")
    for (n_tokens, n_samples), part in table.groupby(["n_tokens", "n_samples"]):
        bound = sobolev_bounds(n_samples, beta=1.0, energy=1.0, n_tokens=n_tokens, noise_std=0.5)
        for _, rows in part.groupby("estimator"):
            assert rows.groupby("truth")["error"].mean().max() > bound.lower


def test_claims_are_those_of_the_theory():
    table = load_results("exact_constant")
    claims = EXPERIMENT.claims(table)
    assert len(claims) == 12
    assert {claim.theory_verdict for claim in claims} <= {"agrees", "close"}
    worse = EXPERIMENT.claims(table.assign(error=1.2 * table["error"]))
    assert {claim.theory_verdict for claim in worse} == {"differs"}
    assert dataclasses.asdict(claims[0])["expected"] == 1.0
