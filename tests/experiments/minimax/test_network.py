"""The experiment that sets the network pipeline beside the direct estimator."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from pairint import estimation, experiments
from pairint.engine.seeds import seed_sequence
from pairint.experiments.minimax import network

EXPERIMENT = network.EXPERIMENT


def made_up(factor):
    """A table of power laws: the pipeline errs ``factor`` times as much as the direct estimator."""
    rng = np.random.default_rng(0)
    rows = []
    for cell in EXPERIMENT.cells(dict(EXPERIMENT.presets["full"])):
        error = cell["d"] * 0.1 * cell["n_samples"] ** -0.8 * np.exp(0.1 * rng.standard_normal())
        for name, times in (("oracle", 0.5), ("fit", 1.0), ("network", factor), ("mlp", 0.9 * factor)):
            rows.append(cell | {"estimator": name, "error": error * times})
    return pd.DataFrame(rows)


def test_data_are_those_of_the_dimension_experiment():
    other = experiments.get("dimension")
    stated = {
        tuple(seed_sequence(cell, other.data_keys).generate_state(2))
        for cell in other.cells(dict(other.presets["full"]))
    }
    for preset in EXPERIMENT.presets.values():
        for cell in EXPERIMENT.cells(dict(preset)):
            assert tuple(seed_sequence(cell, EXPERIMENT.data_keys).generate_state(2)) in stated


def test_ratios_are_paired():
    table = made_up(1.3)
    ratios = network.error_ratios(table, "network")
    assert len(ratios) == 2 * 4
    # The same factor in every cell: no spread, however noisy the errors are.
    np.testing.assert_allclose(ratios[["ratio", "low", "high"]], 1.3, rtol=1e-9)
    np.testing.assert_allclose(network.error_ratios(table, "mlp", by="d")["ratio"], 0.9 * 1.3)


@pytest.mark.parametrize(("factor", "fine"), [(1.0, True), (1.5, False)])
def test_claims(factor, fine):
    claims = EXPERIMENT.claims(made_up(factor))
    slopes = [claim for claim in claims if claim.name.startswith("slope")]
    assert len(slopes) == 4 and all(abs(claim.ours + 0.8) < 0.06 for claim in slopes)
    # One line stands beside the published one: the spline of the rule's K, in the dimension of that figure.
    assert [claim.name for claim in slopes if claim.published == -0.81] == [
        "slope, d = 5, P = 3, network pipeline, its spline"
    ]
    assert [claim.relation for claim in slopes] == ["equal", "at most"] * 2
    ratios = [claim for claim in claims if claim.name.startswith("error")]
    assert len(ratios) == 4
    assert all(claim.theory_verdict in ("agrees", "close") for claim in ratios) is fine


def test_plot_has_a_panel_for_each_dimension_and_one_of_ratios():
    figure = EXPERIMENT.plot(made_up(1.1))
    assert len(figure.axes) == 3
    assert "slope" in figure.axes[0].get_legend().get_texts()[1].get_text()
    assert all(axes.get_xlabel() and axes.get_ylabel() and axes.get_title(loc="left") for axes in figure.axes)


@pytest.mark.slow
def test_a_cell_gives_four_rows(monkeypatch):
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'pairint[network]'")
    cheap = partial(estimation.NetworkRegressor, hidden=(16,), network_steps=30)
    monkeypatch.setattr(estimation, "NetworkRegressor", cheap)
    cell = EXPERIMENT.cells(dict(EXPERIMENT.presets["quick"]) | {"n_samples": [200], "replicates": 1})[0]
    rows = {row["estimator"]: row for row in EXPERIMENT.compute(cell)}
    assert set(rows) == set(network.NAMES)
    assert rows["network"]["n_intervals"] == rows["fit"]["n_intervals"]
    assert rows["network"]["error"] < 2 * rows["fit"]["error"]
    # Two activations for one matrix: close, but not the same row twice.
    assert rows["mlp"]["error"] != rows["network"]["error"]
