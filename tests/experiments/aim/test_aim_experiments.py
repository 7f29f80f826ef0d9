"""The five figures on attention-indexed models: their cells and seeds, their rows, claims and pictures."""

import functools

import numpy as np
import pandas as pd
import pytest

from pairint import experiments
from pairint.aim.state_evolution import exact_recovery_threshold, state_evolution
from pairint.engine.experiment import checked_cells
from pairint.engine.seeds import generator_for, seed_sequence
from pairint.experiments.aim import (
    general as aim_general,
)
from pairint.experiments.aim import (
    hardmax as aim_hardmax,
)
from pairint.experiments.aim import (
    points as aim_points,
)
from pairint.experiments.aim import (
    tokens as aim_tokens,
)

#: Those with cells of their own kind have tests of their own.
OTHERS = {
    "aim_descent", "aim_descent_published_size", "aim_descent_sizes", "aim_every_alpha", "aim_posterior",
    "aim_weight_decay",
}  # fmt: skip
NAMES = [name for name in experiments.names() if name.startswith("aim_") and name not in OTHERS]
CELL = {
    "channel": "softmax", "n_tokens": 2, "rho": 0.5, "alpha": 0.1, "d": 24, "method": "amp", "replicate": 0,
}  # fmt: skip
COLUMNS = {
    "estimator", "error", "overlap", "own_error", "n_iter", "converged", "bayes", "bayes_finite",
    "scale_error", "seconds",
}  # fmt: skip


@functools.cache
def predictions(name):
    """The rows of a small run of the experiment, with the predicted errors in place of measured ones."""
    experiment = experiments.get(name)
    solve = functools.cache(lambda *point: float(state_evolution(*point).mmse))
    rows = []
    for cell in experiment.cells(experiment.presets["quick"] | {"replicates": 4}):
        bayes, finite = (
            solve(alpha, cell["rho"], cell["channel"], cell["n_tokens"])
            for alpha in (cell["alpha"], cell["alpha"] / (1 + 1 / cell["d"]))
        )
        times = {"amp": {"amp": 1}, "gd": {"gd": 2, "averaged gd": 1.125}, "sampled": {"sampled": 1}}
        for estimator, value in times[cell["method"]].items():
            error = value * (bayes if estimator == "sampled" else finite)
            rows.append(
                cell
                | {"estimator": estimator, "error": error, "bayes": bayes, "bayes_finite": finite}
                | {"scale_error": 0.0, "converged": True}
            )
    return pd.DataFrame(rows)


def made_up(name, factor=1.0, spread=0.02):
    """A table of the experiment's shape whose errors are ``factor`` times the state evolution's."""
    table = predictions(name).copy()
    noise = np.random.default_rng(0).standard_normal(len(table))
    table["error"] *= factor * np.exp(spread * noise)
    return table


def test_all_figures_of_the_paper_are_registered():
    sources = {experiments.get(name).source for name in NAMES}
    figures = ("Figure 1", "Figure 2, left", "Figure 2, right", "Figure 3", "Figure 4", "Figure 5")
    assert sources == {f"attention-indexed models, {figure}" for figure in figures}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("preset", ["quick", "full"])
def test_presets_give_cells(name, preset):
    experiment = experiments.get(name)
    cells = checked_cells(experiment, dict(experiment.presets[preset]))
    for cell in cells:
        assert set(cell) == set(CELL) | ({"n_runs"} if cell["method"] == "gd" else set())
    assert all(cell["alpha"] > 0 and cell["rho"] * cell["d"] >= 1 for cell in cells)
    assert experiment.expected_seconds["quick"] <= 30 < experiment.expected_seconds["full"]


def test_methods_share_their_data():
    keys = aim_points.DATA_KEYS
    assert all(experiments.get(name).data_keys == keys for name in NAMES)
    teacher, X, y = aim_points.data(CELL)
    other, same, _ = aim_points.data(CELL | {"method": "gd"})
    np.testing.assert_array_equal(teacher.S, other.S)
    np.testing.assert_array_equal(X, same)
    assert X.shape == (round(0.1 * 24**2), 2, 24) and y.shape == (len(X), 2, 2)
    for change in ({"alpha": 0.11}, {"replicate": 1}, {"rho": 0.25}):
        assert not np.array_equal(aim_points.data(CELL | change)[0].W[:, :6], teacher.W[:, :6])
    streams = [seed_sequence(CELL, keys, stream).spawn_key for stream in ("data", "teacher", "students")]
    assert len(set(streams)) == 3


@pytest.mark.parametrize("channel", ["softmax", "linear", "hardmax"])
def test_a_row_of_amp(channel):
    cell = CELL | {"channel": channel}
    (row,) = aim_points.compute(cell)
    assert set(row) == COLUMNS and row["estimator"] == "amp"
    assert row["bayes"] == pytest.approx(float(state_evolution(0.1, 0.5, channel).mmse))
    finite = float(state_evolution(0.1 / (1 + 1 / 24), 0.5, channel).mmse)
    assert row["bayes_finite"] == pytest.approx(finite) and finite > row["bayes"]
    assert row["scale_error"] == pytest.approx(2 * 1.5 / (12 * 24) if channel == "hardmax" else 0)
    assert row["error"] == pytest.approx(finite, rel=0.5) and row["converged"] is True
    # The error is made of overlaps.
    teacher, X, y = aim_points.data(cell)
    from pairint.aim.amp import amp

    S = amp(X, y, teacher.rho, teacher.channel, max_iter=300).S
    expected = np.sum(teacher.S**2) / 24 - 2 * row["overlap"] + np.sum(S**2) / 24
    assert row["error"] == pytest.approx(expected)


@pytest.mark.slow
def test_rows_of_gradient_descent():
    cell = CELL | {"method": "gd", "d": 12, "alpha": 0.08, "n_runs": 8}
    single, mean = aim_points.compute(cell)
    assert set(single) == set(mean) == COLUMNS
    assert (single["estimator"], mean["estimator"]) == ("gd", "averaged gd")
    assert mean["error"] < single["error"]  # convexity
    again = aim_points.compute(cell)
    assert [row["error"] for row in again] == [single["error"], mean["error"]]


def test_scale_of_a_wishart_matrix_is_independent_of_its_direction():
    """What ``scale_error`` rests on: the relative variance of the trace is 2/(rd)."""
    rng = np.random.default_rng(0)
    r, d = 3, 12
    W = rng.standard_normal((4000, d, r))
    trace = (W**2).sum(axis=(1, 2))
    assert trace.var() / trace.mean() ** 2 == pytest.approx(2 / (r * d), rel=0.1)
    size = ((W.transpose(0, 2, 1) @ W) ** 2).sum(axis=(1, 2)) / trace**2  # of the direction
    assert abs(np.corrcoef(trace, size)[0, 1]) < 0.06


def test_sampled_information_of_a_softmax():
    rng = np.random.default_rng(1)
    for n_tokens, tau in ((2, 0.0), (4, 0.5), (5, 8.0)):
        values = [aim_general.sampled_information(n_tokens, tau, rng, 2000) for _ in range(4)]
        assert np.mean(values) == pytest.approx(n_tokens**2 + n_tokens - 2, rel=0.03)


def test_sampled_state_equation():
    cell = CELL | {"method": "sampled", "n_tokens": 4, "alpha": 0.02}
    (row,) = aim_general.compute(cell)
    assert set(row) == COLUMNS and row["estimator"] == "sampled"
    assert row["error"] == pytest.approx(row["bayes"], rel=0.05) and row["error"] != row["bayes"]


def test_fractions_of_the_threshold():
    alphas = aim_points.fractions_of_threshold("softmax", 4, 0.5, [0.5, 1.0])
    assert alphas == pytest.approx([0.75 / 36, 0.75 / 18], rel=1e-5)
    assert exact_recovery_threshold(0.5, "softmax", 4) == pytest.approx(alphas[1], rel=1e-5)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rhos": []}, ValueError, "rhos must be a list with at least one value"),
        ({"rhos": [0.0]}, ValueError, r"rhos must be > 0\.0"),
        ({"alphas": 1.0}, ValueError, "alphas must be a list"),
        ({"alphas": [-1.0]}, ValueError, r"alphas must be > 0\.0"),
        ({"d": 3}, ValueError, "d must be >= 4"),
        ({"replicates": 0}, ValueError, "replicates must be >= 1"),
        ({"gd_runs": 1}, ValueError, "gd_runs must be >= 2"),
    ],
)
def test_settings_out_of_range(change, error, message):
    experiment = aim_hardmax.EXPERIMENT
    with pytest.raises(error, match=message):
        experiment.cells(experiment.presets["quick"] | change)


def test_gradient_descent_may_be_left_out():
    settings = aim_tokens.EXPERIMENT.presets["quick"] | {"gd_tokens": []}
    assert {cell["method"] for cell in aim_tokens.EXPERIMENT.cells(settings)} == {"amp"}


@pytest.mark.parametrize("name", NAMES)
def test_claims(name):
    experiment = experiments.get(name)
    for factor in (1.0, 1.3):
        claims = experiment.claims(made_up(name, factor))
        assert len({claim.name for claim in claims}) == len(claims)
        ratios = [claim for claim in claims if claim.name.startswith("AMP over")]
        assert ratios
        for claim in ratios:
            assert claim.ours == pytest.approx(factor, rel=0.04)
            assert claim.theory_verdict in (("agrees", "close") if factor == 1 else ("differs",))
        (converged,) = (claim for claim in claims if "converged" in claim.name)
        assert converged.ours == 1.0


def test_claims_of_thresholds():
    hardmax = {claim.name: claim for claim in experiments.get("aim_hardmax").claims(made_up("aim_hardmax"))}
    threshold = hardmax["weak recovery, n/(dr)"]
    assert threshold.ours == pytest.approx(0.4034106290, abs=1e-9)
    assert threshold.published_verdict == "differs"
    density = hardmax["weak recovery, n/(dr), density in place of the derivative"]
    assert density.published_verdict == "agrees"
    for name in ("aim_softmax", "aim_linear", "aim_tokens"):
        table = made_up(name)
        claims = experiments.get(name).claims(table)
        counted = [claim for claim in claims if "vanishes" in claim.name]
        assert counted and all(claim.theory_verdict == "agrees" for claim in counted)
        # An error beyond the threshold does not pass.
        table.loc[table["bayes_finite"] == 0, "error"] = 0.1
        claims = experiments.get(name).claims(table)
        (beyond,) = (claim for claim in claims if "beyond exact recovery" in claim.name)
        assert beyond.theory_verdict == "differs"


def test_claims_of_gradient_descent():
    """Made-up runs are posterior samples: one has twice the Bayes-optimal error, infinitely many have it."""
    claims = {claim.name: claim for claim in experiments.get("aim_tokens").claims(made_up("aim_tokens"))}
    single = [claim for name, claim in claims.items() if name.startswith("one run of gradient descent")]
    many = [claim for name, claim in claims.items() if name.startswith("infinitely many runs")]
    assert len(single) == len(many) == 2
    assert all(claim.theory_verdict in ("agrees", "close") for claim in single + many)
    assert {claim.expected for claim in single} == {2.0} and {claim.expected for claim in many} == {1.0}
    assert {claim.published for claim in single + many} == {None}  # no published runs at these samples
    worse = made_up("aim_tokens")
    worse.loc[worse["estimator"] == "averaged gd", "error"] *= 1.15
    many = [c for c in experiments.get("aim_tokens").claims(worse) if c.name.startswith("infinitely many")]
    assert {claim.theory_verdict for claim in many} == {"differs"}


def test_published_runs_are_found_at_their_samples():
    table = made_up("aim_tokens")
    alphas = aim_points.fractions_of_threshold("softmax", 2, 0.5, [0.3, 0.6, 0.27, 0.55])
    table = table.assign(alpha=table["alpha"].replace(dict(zip(alphas[:2], alphas[2:], strict=True))))
    claims = [c for c in experiments.get("aim_tokens").claims(table) if c.name.startswith("infinitely")]
    assert [claim.published for claim in claims] == [1.059, 1.114]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_pictures(name):
    table = made_up(name)
    figure = experiments.get(name).plot(table)
    drawn = np.concatenate(
        [np.asarray(line.get_ydata(), dtype=float) for axes in figure.axes for line in axes.lines]
    )
    for _, group in table.groupby(["estimator", "rho", "n_tokens", "alpha", "d"]):
        assert np.abs(drawn - group["error"].mean()).min() < 1e-9  # every mean is on the picture
    for axes in figure.axes:
        assert axes.get_title(loc="left") and axes.get_xlabel() and axes.get_legend() is not None
    assert figure.axes[0].get_ylabel() == aim_points.ERROR


def test_streams_do_not_depend_on_the_method():
    keys = aim_points.DATA_KEYS
    draws = [generator_for(CELL | {"method": m}, keys, "teacher").random() for m in ("amp", "gd")]
    assert draws[0] == draws[1]
