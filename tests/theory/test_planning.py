"""Plans: what they count, that they are the smallest, how they relate to the setting of a theorem."""

import dataclasses

import pytest

from pairint.experiments import get
from pairint.experiments.report import experiment_table
from pairint.theory import Setting, plan
from pairint.theory.rates import parameter_price

SMOOTH = {"beta": 2.0, "holder_constant": 1.0, "score_bound": 3.0}


@pytest.mark.parametrize(
    ("d", "rank", "numbers"), [(1, 1, 0), (5, 1, 8), (5, 5, 24), (768, 64, 64 * (2 * 768 - 64) - 1)]
)
def test_parameters_are_counted(d, rank, numbers):
    found = plan(d, rank, n_tokens=3, noise_std=0.3, target=1e-3, n_intervals=7, degree=2)
    assert (found.n_matrix, found.n_coefficients, found.n_intervals) == (numbers, 9, 7)
    price = parameter_price(found.n_samples, n_tokens=3, noise_std=0.3)
    assert found.error == pytest.approx(price * (numbers + 9)) and found.approximation_error == 0
    assert (
        found.error <= 1e-3 < (numbers + 9) * parameter_price(found.n_samples - 1, n_tokens=3, noise_std=0.3)
    )


@pytest.mark.parametrize("target", [1.0, 1e-1, 1e-2, 1e-4])
@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0, 3.5])
def test_no_other_number_of_cells_needs_fewer_samples(beta, target):
    smooth = SMOOTH | {"beta": beta}
    best = plan(5, 1, n_tokens=3, noise_std=0.3, target=target, **smooth)
    assert best.error <= target
    least = 1 + int(0.9 * best.n_intervals)
    for cells in {
        *range(max(1, least - 1), best.n_intervals + 3),
        2 * best.n_intervals,
        10 * best.n_intervals,
    }:
        try:
            other = plan(5, 1, n_tokens=3, noise_std=0.3, target=target, **smooth, n_intervals=cells)
        except ValueError:
            continue  # these cells cannot reach the target
        assert other.n_samples >= best.n_samples


def test_the_approximation_is_that_of_the_setting():
    found = plan(5, 2, n_tokens=4, noise_std=0.5, target=1e-2, **SMOOTH)
    setting = Setting(d=5, rank=2, n_tokens=4, noise_std=0.5, **SMOOTH)
    budget = setting.budget(found.n_samples, found.n_intervals)
    assert found.approximation_error == budget.bias
    # The estimator of the proof has more parameters: (k + 1) K coefficients, and the scale of the matrix.
    assert budget.parametric > found.matrix_error
    assert found.n_samples < setting.samples_for_error(1e-2)


def test_scaling():
    base = plan(20, 1, n_tokens=3, noise_std=0.3, target=1e-3)
    assert plan(20, 1, n_tokens=3, noise_std=0.6, target=1e-3).n_samples == pytest.approx(
        4 * base.n_samples, abs=4
    )
    assert plan(20, 1, n_tokens=3, noise_std=0.3, target=1e-4).n_samples == pytest.approx(
        10 * base.n_samples, abs=10
    )
    assert plan(20, 1, n_tokens=2, noise_std=0.3, target=1e-3).n_samples < base.n_samples


def test_it_is_a_value_and_shows_its_parts():
    found = plan(20, 1, n_tokens=3, noise_std=0.3, target=1e-3)
    assert found == plan(20, 1, n_tokens=3, noise_std=0.3, target=1e-3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.n_samples = 1
    text = str(found)
    for part in (f"M = {found.n_samples:,}", "38 numbers", "13 coefficients on 10 cells", "approximation"):
        assert part in text


def test_what_is_refused():
    with pytest.raises(ValueError, match="given together, missing: score_bound"):
        plan(5, 1, n_tokens=3, noise_std=0.3, target=1e-3, beta=1.0, holder_constant=1.0)
    with pytest.raises(ValueError, match="n_intervals = 1 cells miss the activation by"):
        plan(5, 1, n_tokens=3, noise_std=0.3, target=1e-3, **SMOOTH, n_intervals=1)
    with pytest.raises(ValueError, match="rank must be"):
        plan(5, 6, n_tokens=3, noise_std=0.3, target=1e-3)
    with pytest.raises(ValueError, match="target must be > 0"):
        plan(5, 1, n_tokens=3, noise_std=0.3, target=0.0)
    with pytest.raises(ValueError, match="noise_std must be > 0"):
        plan(5, 1, n_tokens=3, noise_std=0.0, target=1e-3)
    with pytest.raises(ValueError, match="needs more than"):
        plan(5, 1, n_tokens=3, noise_std=0.3, target=1e-18)


def test_planned_fits_meet_the_target():
    table = experiment_table(get("planning"))[0]
    claims = get("planning").claims(table)
    met = [claim for claim in claims if "at the planned" in claim.name]
    missed = [claim for claim in claims if "at a quarter" in claim.name]
    assert len(met) == 6 and len(missed) == 4
    assert "differs" not in {claim.theory_verdict for claim in [*met, *missed]}
    worse = get("planning").claims(table.assign(ratio=3 * table["ratio"]))
    assert "differs" in {claim.theory_verdict for claim in worse if "at the planned" in claim.name}
