"""The rate experiments: what their cells share, their rows, and their claims on tables with known slopes."""

import math

import numpy as np
import pandas as pd
import pytest

from pairint.engine.experiment import checked_cells
from pairint.engine.seeds import generator_for
from pairint.estimation import OracleRegressor
from pairint.experiments import get, load_results
from pairint.experiments.minimax import dimension, rough, smoothness
from pairint.experiments.minimax.curves import (
    DATA_KEYS,
    TRUTH_KEYS,
    check_settings,
    compute,
    cost,
    effective_parameters,
    exponents,
    interval_growth,
    matrix_share,
    rule_intervals,
    truth_model,
)
from pairint.model import RoughActivation, Spline

EXPERIMENTS = {module.EXPERIMENT.name: module.EXPERIMENT for module in (dimension, smoothness, rough)}

#: One cell of each kind; small enough to be computed.
SPLINE_CELL = {
    "truth": "spline", "smoothness": 3, "d": 3, "rank": 1, "n_tokens": 3, "noise_std": 0.1, "n_samples": 300,
    "constant": 4.5, "selection": "rule", "degree": 3, "beta": 2.0, "replicate": 0,
}  # fmt: skip
ROUGH_CELL = SPLINE_CELL | {"truth": "rough", "smoothness": 1.5, "beta": 1.5, "constant": 1.0}


def same_truth(first, second):
    """Whether two cells have one and the same matrix and activation."""
    a, b = truth_model(first), truth_model(second)
    u = np.linspace(-3, 3, 50)
    return np.array_equal(a.matrix, b.matrix) and np.array_equal(a.activation(u), b.activation(u))


# -------------------------------------------------------------------------------------- shared draws


@pytest.mark.parametrize("cell", [SPLINE_CELL, ROUGH_CELL], ids=["spline", "rough"])
def test_points_of_a_line_share_their_truth(cell):
    for change in ({"n_samples": 10_000}, {"selection": "auto"}, {"degree": 5}, {"constant": 2}):
        assert same_truth(cell, cell | change), change
    for change in ({"replicate": 1}, {"d": 4}, {"noise_std": 0.2}, {"n_tokens": 4}):
        assert not same_truth(cell, cell | change), change


def test_estimators_and_choices_share_their_data():
    def data(cell):
        return truth_model(cell).sample(5, cell["n_tokens"], generator_for(cell, DATA_KEYS))

    first = data(SPLINE_CELL)
    for change in ({"selection": "auto"}, {"degree": 8}, {"beta": 1.0}):
        for ours, theirs in zip(first, data(SPLINE_CELL | change), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for change in ({"n_samples": 1000}, {"replicate": 1}):
        assert np.all(first[0] != data(SPLINE_CELL | change)[0])


def test_truths_are_what_the_figures_say():
    for rank in (1, 2):
        for d in (2, 30):
            model = truth_model(SPLINE_CELL | {"d": d, "rank": rank})
            assert model.score_bound == pytest.approx(3 * math.sqrt(rank))  # the same in every dimension
            assert isinstance(model.activation, Spline) and model.activation.space.degree == 3
            space = model.activation.space
            assert (space.lower, space.upper) == pytest.approx((-3 * math.sqrt(rank), 3 * math.sqrt(rank)))
            assert model.noise.std == 0.1
    bounds = []
    for replicate in range(40):
        activation = truth_model(ROUGH_CELL | {"replicate": replicate}).activation
        assert isinstance(activation, RoughActivation) and activation.beta == 1.5
        bounds.append(activation.bound)
    assert min(bounds) >= 3 and max(bounds) < 6 and np.ptp(bounds) > 2.4


@pytest.mark.parametrize(
    ("n_samples", "beta", "constant", "expected"),
    [(32, 2.0, 1.0, 2), (100_000, 2.0, 1.5, 15), (1000, 1.0, 1.0, 10), (10, 5.0, 0.01, 1)],
)
def test_rule_for_the_number_of_cells(n_samples, beta, constant, expected):
    assert rule_intervals(n_samples, beta, constant) == expected


# ----------------------------------------------------------------------------------------- the rows


COLUMNS = set(
    ["estimator", "error", "error_se", "n_intervals", "noise_estimate", "converged", "n_iter", "seconds"]
)


@pytest.mark.slow
@pytest.mark.parametrize("selection", ["rule", "auto"])
def test_rows_of_a_cell(selection):
    cell = SPLINE_CELL | {"selection": selection}
    rows = compute(cell)
    assert [row["estimator"] for row in rows] == ["oracle", "fit"]
    for row in rows:
        assert set(row) == COLUMNS
        assert 0 < row["error_se"] < 0.1 * row["error"] < 1e-3
        assert row["noise_estimate"] == pytest.approx(0.1, rel=0.15)
        assert row["converged"] is True
    assert rows[0]["n_iter"] == 0 < rows[1]["n_iter"]
    if selection == "rule":
        assert {row["n_intervals"] for row in rows} == {rule_intervals(300, 2.0, 4.5)}
    again = compute(cell)
    for row, other in zip(rows, again, strict=True):
        assert {**row, "seconds": 0} == {**other, "seconds": 0}


def test_one_dimension_has_an_exact_error_and_no_matrix_to_learn():
    (row,) = compute(ROUGH_CELL | {"d": 1})
    assert row["estimator"] == "oracle" and row["error_se"] == 0.0 and row["error"] > 0


@pytest.mark.slow
def test_effective_parameters_are_those_of_the_fit():
    """The residuals of the oracle's own fit know the trace: ``noise_std_`` divides by what it leaves."""
    cell = SPLINE_CELL | {"smoothness": 8, "degree": 8, "beta": 7.0, "constant": 12.0, "n_samples": 1000}
    found = effective_parameters(cell)
    n_intervals = rule_intervals(1000, 7.0, 12.0)
    model = truth_model(cell)
    X, Y = model.sample(1000, 3, generator_for(cell, DATA_KEYS))
    oracle = OracleRegressor(model.matrix, 8, n_intervals).fit(X, Y)
    assert found == pytest.approx(3000 * (1 - oracle.risk_ / oracle.noise_std_**2), rel=1e-6)
    assert 1 < found < 0.7 * (n_intervals + 8)  # the penalty is felt at this degree
    # With many scores in every cell, and a low degree, all coefficients are determined.
    rich = SPLINE_CELL | {"smoothness": 2, "degree": 2, "beta": 1.0, "constant": 1.0, "n_samples": 30_000}
    assert effective_parameters(rich) == pytest.approx(rule_intervals(30_000, 1.0, 1.0) + 2, rel=0.05)


def test_cost_grows_with_the_work():
    assert cost(SPLINE_CELL | {"n_samples": 10_000}) > cost(SPLINE_CELL)
    assert cost(SPLINE_CELL | {"d": 30}) > cost(SPLINE_CELL)


# ------------------------------------------------------------------------------------- the settings


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("preset", ["quick", "full"])
def test_presets_give_cells(name, preset):
    experiment = get(name)
    assert experiment is EXPERIMENTS[name]
    settings = dict(experiment.presets[preset])
    cells = checked_cells(experiment, settings)
    grid = [settings[key] for key in ("smoothness", "dimensions", "n_samples", "selections")]
    assert len(cells) == math.prod(len(axis) for axis in grid) * settings["replicates"]
    assert settings["replicates"] >= 5
    assert set(TRUTH_KEYS) < set(DATA_KEYS) == set(experiment.data_keys)
    for cell in cells:
        assert set(cell) == set(SPLINE_CELL)
        # The paper calls a B-spline of degree P a truth of smoothness P - 1.
        rough_truth = cell["truth"] == "rough"
        assert cell["beta"] == (cell["smoothness"] if rough_truth else cell["smoothness"] - 1)
        assert cell["degree"] >= cell["beta"] - 1
    if preset == "quick":
        assert max(settings["n_samples"]) == 30_000


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"n_samples": [1000, 99]}, ValueError, "n_samples must be >= 100 and <= 10000000, got 99"),
        ({"n_samples": []}, ValueError, r"n_samples must be a list with at least one value, got \[\]"),
        ({"n_samples": 1000}, ValueError, "n_samples must be a list with at least one value, got 1000"),
        ({"dimensions": [0]}, ValueError, "dimensions must be >= 1 and <= 1000, got 0"),
        ({"dimensions": [1, 5], "rank": 2}, ValueError, "dimensions must be >= 2 and <= 1000, got 1"),
        ({"rank": 0}, ValueError, "rank must be >= 1, got 0"),
        ({"rank": "two"}, TypeError, "rank must be an integer, got 'two'"),
        ({"smoothness": [0.4]}, ValueError, r"smoothness must be >= 0\.5"),
        ({"smoothness": [11]}, ValueError, "smoothness must be .* <= .* got 11"),
        ({"selections": ["best"]}, ValueError, "selections must be one of 'rule', 'auto'; got 'best'"),
        ({"replicates": 0}, ValueError, "replicates must be >= 1, got 0"),
        ({"n_tokens": 1}, ValueError, "n_tokens must be >= 2, got 1"),
        ({"noise_std": -0.1}, ValueError, r"noise_std must be >= 0\.0, got -0\.1"),
        ({"noise_std": math.nan}, ValueError, "noise_std must be finite, got nan"),
        ({"constant": 0.0}, ValueError, r"constant must be > 0\.0, got 0\.0"),
    ],
)
def test_settings_out_of_range(name, change, error, message):
    experiment = EXPERIMENTS[name]
    with pytest.raises(error, match=message):
        experiment.cells({**experiment.presets["quick"], **change})


@pytest.mark.parametrize("value", [2.5, 1])
def test_degrees_of_spline_truths_are_integers(value):
    settings = {**smoothness.EXPERIMENT.presets["quick"], "smoothness": [value]}
    with pytest.raises((TypeError, ValueError), match="smoothness must be"):
        smoothness.EXPERIMENT.cells(settings)


def test_roughness_may_be_any_real_number():
    settings = {**rough.EXPERIMENT.presets["quick"], "smoothness": [0.5, 4.7]}
    assert {cell["degree"] for cell in rough.EXPERIMENT.cells(settings)} == {3, 5}
    with pytest.raises(ValueError, match=r"smoothness must be >= 0\.5 and <= 5, got 5\.1"):
        check_settings({**settings, "smoothness": [5.1]}, 5)


# ---------------------------------------------------------------------- pictures and claims, by table


def synthetic(experiment, slope_of, changes=(), spread=0.05):
    """A table of the experiment's shape whose errors follow known power laws."""
    settings = {**experiment.presets["quick"], "replicates": 8, **dict(changes)}
    rng = np.random.default_rng(0)
    rows = []
    for cell in experiment.cells(settings):
        for estimator in ("oracle", "fit") if cell["d"] > 1 else ("oracle",):
            slope = slope_of(cell, estimator)
            error = 1e-1 * cell["n_samples"] ** slope * math.exp(spread * rng.standard_normal())
            rows.append({**cell, "estimator": estimator, "error": error, "error_se": 0.01 * error})
    return pd.DataFrame(rows)


def theory(cell, estimator="fit"):
    return -2 * cell["beta"] / (2 * cell["beta"] + 1)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_errors_on_the_line_of_theory_agree_with_it(name):
    experiment = EXPERIMENTS[name]
    table = synthetic(experiment, theory)
    claims = experiment.claims(table)
    assert len(claims) == len(table.groupby(["smoothness", "d", "estimator"]))
    for claim in claims:
        assert claim.ours == pytest.approx(claim.expected, abs=0.03)
        assert claim.interval[0] < claim.ours < claim.interval[1]
        assert claim.theory_verdict in ("agrees", "close")
    assert sum(claim.theory_verdict == "agrees" for claim in claims) >= 0.7 * len(claims)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_errors_off_the_line_of_theory_differ_from_it(name):
    experiment = EXPERIMENTS[name]
    for claim in experiment.claims(synthetic(experiment, lambda cell, _: theory(cell) + 0.2)):
        assert claim.theory_verdict == "differs"
        assert claim.ours == pytest.approx(claim.expected + 0.2, abs=0.04)
        assert "differs from theory" in claim.verdict


def test_published_slopes_are_compared_for_the_estimator_only():
    experiment = smoothness.EXPERIMENT
    table = synthetic(experiment, lambda cell, _: smoothness.PUBLISHED_SLOPES[cell["degree"]])
    claims = experiment.claims(table)
    fits = [claim for claim in claims if "estimator" in claim.name]
    assert [claim.published for claim in fits] == list(smoothness.PUBLISHED_SLOPES.values())
    assert all(claim.published_verdict in ("agrees", "close") for claim in fits)
    assert all(claim.published is None for claim in claims if claim not in fits)
    off = experiment.claims(synthetic(experiment, lambda cell, _: -0.5))
    assert all(claim.published_verdict == "differs" for claim in off if claim.published is not None)


def test_free_cells_on_spline_truths_are_not_held_to_the_rate():
    """With K from the data the spline truth is finite-dimensional: no rate, and nothing published."""
    experiment = smoothness.EXPERIMENT
    claims = experiment.claims(synthetic(experiment, lambda cell, _: -1.0, {"selections": ["rule", "auto"]}))
    for claim in claims:
        free = "K from the data" in claim.name
        assert (claim.expected is None) == free
        assert claim.published is None or not free
    assert len(claims) == 8


def test_what_the_matrix_costs_is_split_off():
    experiment = dimension.EXPERIMENT
    table = synthetic(experiment, theory, spread=0.0)
    oracle = table["estimator"] == "oracle"
    extra = 10.0 * table["d"] / table["n_samples"]
    table.loc[~oracle, "error"] += extra[~oracle]
    table.loc[table["d"] == 30, "error"] *= 2.0
    shares = matrix_share(table, "d").set_index("d")
    assert list(shares.index) == [5, 30]  # in one dimension there is no fit
    assert shares["function"].to_numpy() == pytest.approx(-0.8)
    assert shares["matrix"].to_numpy() == pytest.approx(-1.0)
    for d in (5, 30):
        for n_samples in (1000, 30_000):
            ratio = 10.0 * d / n_samples / (0.1 * n_samples**-0.8)
            found = shares.loc[d, f"share at M = {n_samples:,}"]
            assert found == pytest.approx(ratio / (1 + ratio))


def test_the_decomposition_shows_the_rule_unless_told_otherwise():
    """There the function's line has the slope of theory; with K from the data both fall like 1/M."""
    experiment = dimension.EXPERIMENT
    changes = {"selections": ["rule", "auto"]}

    def slope(cell, who):
        return -1.0 if cell["selection"] == "auto" else theory(cell)

    table = synthetic(experiment, slope, changes, spread=0.0)
    table.loc[table["estimator"] == "fit", "error"] *= 2.0
    for options, expected in (({}, -0.8), ({"selection": "auto"}, -1.0)):
        figure = dimension.decomposition_figure(table, **options)
        line = next(line for line in figure.axes[1].lines if line.get_label().startswith("oracle"))
        x, y = (np.log(np.asarray(data, dtype=float)) for data in line.get_data())
        assert np.polyfit(x, y, 1)[0] == pytest.approx(expected)


def test_every_line_claims_its_own_slope():
    slopes = {("fit", 1.0): -0.6, ("oracle", 1.0): -0.7, ("fit", 2.0): -0.8, ("oracle", 2.0): -0.9}
    experiment = rough.EXPERIMENT
    changes = {"dimensions": [5], "smoothness": [1.0, 2.0]}
    table = synthetic(experiment, lambda cell, who: slopes[who, cell["smoothness"]], changes)
    found = {claim.name: claim.ours for claim in experiment.claims(table)}
    for (who, beta), slope in slopes.items():
        who = "estimator" if who == "fit" else "oracle"
        (name,) = (name for name in found if f"beta = {beta:g}," in name and who in name)
        assert found[name] == pytest.approx(slope, abs=0.03)


@pytest.mark.parametrize(("price", "verdict"), [(1.05, "agrees"), (1.3, "differs")])
def test_estimator_over_oracle(price, verdict):
    """Replicates differ widely, their ratios do not; only the one point counts."""
    changes = {"dimensions": [1, 5], "smoothness": [1.0, 2.0], "n_samples": [10_000, 100_000]}
    table = synthetic(rough.EXPERIMENT, theory, changes, spread=0.5)
    rng = np.random.default_rng(1)
    oracle = table.set_index(["d", "smoothness", "n_samples", "replicate", "estimator"])["error"]
    for index, row in table.iterrows():
        if row["estimator"] == "fit":
            key = tuple(row[["d", "smoothness", "n_samples", "replicate"]])
            there = key[:3] == (5, 1.0, 100_000)
            factor = price * math.exp(0.02 * rng.standard_normal()) if there else 2.0
            table.loc[index, "error"] = factor * oracle[(*key, "oracle")]
    (claim,) = (claim for claim in rough.EXPERIMENT.claims(table) if "over the oracle" in claim.name)
    assert claim.ours == pytest.approx(price, rel=0.03)
    assert claim.interval[0] < claim.ours < claim.interval[1]
    assert (claim.expected, claim.relation, claim.theory_verdict) == (1.15, "at most", verdict)


def test_stored_estimator_over_oracle():
    table = load_results("rough")
    (claim,) = (claim for claim in rough.EXPERIMENT.claims(table) if "over the oracle" in claim.name)
    assert claim.theory_verdict == "agrees"
    part = table[(table["d"] == 5) & (table["smoothness"] == 1) & (table["n_samples"] == 100_000)]
    means = part.groupby("estimator")["error"].mean()
    assert claim.ours == pytest.approx(means["fit"] / means["oracle"], rel=0.02)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_pictures(name):
    experiment = EXPERIMENTS[name]
    changes = {} if name == "rough" else {"selections": ["rule", "auto"]}
    table = synthetic(experiment, theory, changes)
    figure = experiment.plot(table)
    panels = [axes for axes in figure.axes if axes.lines]
    assert len(panels) == (len(table["d"].unique()) if name == "rough" else 2)
    for axes in panels:
        assert axes.get_title(loc="left") and "M" in axes.get_xlabel() and axes.get_ylabel()
        assert axes.get_xscale() == axes.get_yscale() == "log"
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert all("slope -0." in label for label in labels) and len(set(labels)) == len(labels)
        # Every mean of the table is on the picture.
        drawn = np.concatenate([line.get_ydata() for line in axes.lines])
        part = table
        if name == "rough":
            part = table[[f"$d = {d}$" in axes.get_title(loc="left") for d in table["d"]]]
        for _, line in part.groupby(["selection", "smoothness", "d", "estimator", "n_samples"]):
            if name == "rough" or ("rule" in axes.get_title(loc="left")) == (
                line["selection"].iloc[0] == "rule"
            ):
                assert np.abs(drawn / line["error"].mean() - 1).min() < 1e-9


def test_guide_has_the_slope_of_theory():
    table = synthetic(rough.EXPERIMENT, theory, {"smoothness": [2.0]})
    (axes,) = (axes for axes in rough.EXPERIMENT.plot(table).axes if axes.lines)
    (guide,) = (line for line in axes.lines if line.get_linestyle() == ":")
    x, y = guide.get_data()
    slope = np.polyfit(np.log(np.asarray(x, dtype=float)), np.log(y), 1)[0]
    assert slope == pytest.approx(-4 / 5)


def test_exponents_are_those_of_each_line():
    table = synthetic(dimension.EXPERIMENT, theory)
    assert exponents(table, "d") == {1: 4 / 5, 5: 4 / 5, 30: 4 / 5}
    table = synthetic(smoothness.EXPERIMENT, theory)
    assert exponents(table, "smoothness") == {3: 4 / 5, 8: 14 / 15}


@pytest.mark.parametrize(("shift", "inside"), [(0.0, True), (0.1, False)])
def test_growth_of_the_number_of_cells(shift, inside):
    """Of the oracle's only; a fit's number of cells must not count."""
    table = synthetic(rough.EXPERIMENT, theory, {"dimensions": [1, 5]})
    power = 1 / (2 * table["beta"] + 1) + shift + (table["estimator"] == "fit")
    noise = np.random.default_rng(3).normal(0, 0.05, len(table))
    table["n_intervals"] = 4 * table["n_samples"] ** power * np.exp(noise)
    growth = interval_growth(table)
    assert len(growth) == 6
    for _, row in growth.iterrows():
        assert row["theory"] == pytest.approx(1 / (2 * row["smoothness"] + 1), rel=1e-15)
        assert row["low"] < row["exponent of K"] < row["high"]
        # Four points over 1.5 decades, eight replicates of 5 %: a standard error of 0.007.
        assert row["exponent of K"] == pytest.approx(row["theory"] + shift, abs=0.03)
    assert growth["theory inside"].mean() >= 0.5 if inside else not growth["theory inside"].any()


@pytest.mark.slow
@pytest.mark.parametrize("off", [0.0, 0.3])
def test_coefficients_explain_the_slope_of_a_table(off):
    """A table whose errors fall like the determined coefficients over M, and one that falls otherwise."""
    experiment = smoothness.EXPERIMENT
    changes = {"smoothness": [2, 8], "n_samples": [300, 1000], "selections": ["rule", "auto"]}
    settings = {**experiment.presets["quick"], **changes, "replicates": 8}
    counts = {}
    for cell in experiment.cells(settings):
        if cell["selection"] == "rule" and cell["replicate"] == 0:
            counts[cell["degree"], cell["n_samples"]] = effective_parameters(cell)
    slopes = {
        p: math.log(counts[p, 1000] / counts[p, 300] * 300 / 1000) / math.log(1000 / 300) for p in (2, 8)
    }

    def slope(cell, who):
        return slopes[cell["degree"]] + off if (cell["selection"], who) == ("rule", "oracle") else 0.5

    rows = smoothness.coefficient_table(synthetic(experiment, slope, changes), settings).set_index("P")
    assert list(rows.index) == [2, 8]
    for p, row in rows.iterrows():
        assert row["theory"] == -2 * (p - 1) / (2 * p - 1)
        assert row["slope of determined/M"] == pytest.approx(slopes[p], rel=1e-9)
        every = [rule_intervals(m, p - 1.0, 1.5 * p) + p for m in (300, 1000)]
        expected = math.log(every[1] / every[0] * 300 / 1000) / math.log(1000 / 300)
        assert row["slope of (K + s)/M"] == pytest.approx(expected, rel=1e-9)
        assert row["determined of K + s, M = 300"] == f"{counts[p, 300]:.0f} of {every[0]}"
    assert rows["inside"].all() if off == 0 else not rows["inside"].any()


def test_a_broken_line_is_refused():
    table = synthetic(rough.EXPERIMENT, theory)
    with pytest.raises(ValueError, match="lacks error for some replicates"):
        rough.EXPERIMENT.claims(table.iloc[1:])
