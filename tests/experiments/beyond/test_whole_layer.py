"""Heads of which less is known, and the sum of a layer: cells on an encoder that anybody has."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from pairint.engine.experiment import checked_cells
from pairint.experiments import get, load_results
from pairint.experiments.beyond import heads, whole_layer
from pairint.experiments.beyond.head_recovery import n_parameters
from pairint.experiments.beyond.whole_layer import derivative, shown
from pairint.pretrained import random_encoder

CELL = heads.RANDOM | {
    **{"task": "heads", "layer": 1, "head": 2, "rank": 4, "n_outputs": 4},
    **{"noise": 0.1, "n_samples": 80, "max_iter": 30, "replicate": 0},
}


def rows_of(**changes):
    return whole_layer.compute(CELL | changes)


def fit_of(**changes):
    row = rows_of(**changes)[0]
    assert row["kind"] == "fit"
    return row


class TestShown:
    @pytest.mark.parametrize(
        ("rank", "n_outputs", "most"),
        [(1, 5, 14), (2, 5, 26), (3, 5, 36), (3, 2, 16), (7, 20, 7 * 8), (30, 20, 7 * 8)],
    )
    def test_formula(self, rank, n_outputs, most):
        """Eight tokens: r (2 N - 1 - r), all N (N - 1) of them from rank N - 1 on; and N v at most."""
        assert shown(rank, 8, n_outputs) == most

    @pytest.mark.parametrize("rank", [1, 2, 3])
    @pytest.mark.parametrize("n_outputs", [1, 2, 6])
    def test_the_bound_is_the_rank_for_tokens_in_general_position(self, rank, n_outputs):
        """One window, and three: no more than the sum, nor than all that a matrix has; and no less."""
        rng = np.random.default_rng([rank, n_outputs])
        N, d = 6, 9
        U, V = rng.standard_normal((2, d, rank)) / 3
        Z, values = rng.standard_normal((3, N, d)), rng.standard_normal((3, N, n_outputs))
        Z[:, :, -1] = 1.0
        for M in (1, 3):
            found = np.linalg.matrix_rank(derivative(Z[:M], U, V, values[:M]), tol=1e-9)
            # d - 1 directions of keys count, d of queries: here nothing else ties the tokens.
            assert found == min(M * shown(rank, N, n_outputs), rank * (2 * d - 1 - rank))

    def test_derivative_against_differences(self):
        rng = np.random.default_rng(0)
        U, V = rng.standard_normal((2, 5, 2)) / 2
        Z, values = rng.standard_normal((2, 4, 5)), rng.standard_normal((2, 4, 3))

        def outputs(x):
            u, v = x.reshape(2, 5, 2)
            weights = np.exp(Z @ u @ (Z @ v).swapaxes(1, 2))
            return (weights / weights.sum(axis=2, keepdims=True) @ values).ravel()

        at = np.concatenate([U.ravel(), V.ravel()])
        steps = 1e-6 * np.eye(len(at))
        wanted = np.stack([(outputs(at + s) - outputs(at - s)) / 2e-6 for s in steps], axis=1)
        # Central differences: the third derivative times 1e-12 / 6, and rounding over the step.
        np.testing.assert_allclose(derivative(Z, U, V, values), wanted, atol=1e-8)


class TestCells:
    @pytest.mark.parametrize("n_samples", [1, 2, 3])
    def test_a_head_shows_what_counting_allows(self, n_samples):
        row = rows_of(task="count", noise=0.0, n_samples=n_samples)[0]
        assert row["found"] == row["bound"] == min(76, 64 * n_samples)
        assert row["above"] > 1e3 * row["below"]

    def test_without_noise(self):
        for task in ("cold", "near"):
            row = fit_of(task=task, noise=0.0, n_samples=8)
            assert row["error"] <= 1e-8 and 1 - row["correlation"] <= 1e-6

    def test_a_fit_from_nearby_starts_from_an_error(self):
        start = rows_of(task="nudged", noise=0.0, n_samples=8)[0]
        assert start["kind"] == "start" and start["error"] > 1e-5
        # Factors that are wrong by 5 % in each entry: scores by 7 %, to first order.
        assert 0.0005 < 1 - start["correlation"] < 0.01
        assert fit_of(task="near", noise=0.0, n_samples=8)["error"] < 1e-3 * start["error"]

    def test_too_few_windows_are_refused_by_counting(self):
        with pytest.raises(ValueError, match="1 samples give 64 numbers for 88 parameters"):
            fit_of(task="cold", noise=0.0, n_samples=1)

    @pytest.mark.parametrize("task", ["heads", "values", "layer", "pair", "pair-near"])
    def test_with_noise_the_error_is_the_law(self, task):
        """A sum of p squares over its mean, six times: four standard errors of one, and second order terms.

        These are of relative size p / (k n), a tenth at most.
        """
        fits = [fit_of(task=task, replicate=i, head=0) for i in range(6)]
        ratios = [row["in_sample"] / row["law"] for row in fits]
        p = fits[0]["p"]
        assert abs(np.mean(ratios) - 1) < 4 * math.sqrt(2 / p / 6) + p / (4 * 1280)

    def test_counts_of_parameters(self):
        p = n_parameters(4, 12)
        assert fit_of()["p"] == p
        assert fit_of(task="values")["p"] == p + 4 * 12
        assert fit_of(task="layer", head=0)["p"] == 3 * p
        assert fit_of(task="pair", head=0)["p"] == 2 * p + 2 * 8 * 12 - 8

    def test_how_sharp_a_head_is(self):
        row = rows_of(task="attention")[0]
        assert 1 / 16 < row["largest"] < 1 and 0 < row["spread"] < 1 - 1 / 16
        # A row with largest weight m has squares between m^2 and m.
        assert 1 - row["largest"] <= row["spread"] <= 1 - row["largest"] ** 2

    def test_values_and_heads_come_out(self):
        assert fit_of(task="values")["value_error"] < 1e-3
        for task, count in (("layer", 3), ("pair", 2)):
            parts = rows_of(task=task, head=0)[1:]
            assert [row["part"] for row in parts] == list(range(count))
            assert all(row["correlation"] > 0.99 for row in parts)

    def test_the_rank_is_chosen(self):
        row, *tried = rows_of(task="chosen", rank=8)
        assert row["found"] == 4 and row["low"] <= 4 <= row["high"]
        assert row["p"] == n_parameters(4, 12)
        ranks = [line["part"] for line in tried]
        assert ranks == sorted(ranks) and {3, 4, 5} <= set(ranks) and max(ranks) <= 8
        assert [line["part"] for line in tried if line["standard_error"] == 0] == [4]

    def test_a_sum_of_heads_comes_to_rest_where_the_truth_leads(self):
        """Both fits are minima of one risk, and near the law; the truth is no minimum of noisy data."""
        encoder = random_encoder(0, d=24, n_layers=2, n_heads=6, n_vocabulary=100, max_tokens=16)
        windows = np.random.default_rng(0).integers(0, 100, (180, 16), dtype=np.int32)
        X = encoder.hidden_states(windows, 1)[-1].astype(np.float32)
        ends = [
            whole_layer.fit_layer(
                encoder, 1, X[:80], X[80:], noise=0.1, max_iter=60, rng=np.random.default_rng(1), start=start
            )[0]
            for start in ("apart", "truth")
        ]
        for end in ends:
            # The error on own windows is a chi-square over its p numbers: within five standard deviations.
            assert (
                end["converged"] and abs(end["in_sample"] / end["law"] - 1) < 5 * (2 / end["p"]) ** 0.5 + 0.1
            )
        assert ends[0]["risk"] == pytest.approx(ends[1]["risk"], rel=1e-3)

    def test_a_cell_is_a_function_of_its_data(self):
        assert rows_of(task="layer") == rows_of(task="layer")
        assert fit_of()["error"] != fit_of(replicate=1)["error"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"plan": [{"task": "count"}]}, "plan must list heads, max_iter, n_outputs, n_samples"),
        ({"weights": "0"}, "weights must be one of 'none'; got '0'"),
    ],
)
def test_settings_out_of_range(changes, message):
    experiment = get("whole_layer")
    with pytest.raises(ValueError, match=message):
        checked_cells(experiment, dict(experiment.presets["quick"]) | changes)


def test_too_many_windows_are_refused():
    with pytest.raises(ValueError, match="n_samples must be at most 300, got 301"):
        rows_of(n_samples=301)


@pytest.fixture(scope="module")
def table():
    return load_results("whole_layer")


class TestStored:
    """What the page says of the stored table."""

    def test_the_bound_is_attained_and_the_rank_is_clear(self, table):
        counts = table[table["kind"] == "count"]
        assert len(counts) >= 6 and (counts["found"] == counts["bound"]).all()
        assert (counts["bound"] < counts["p"]).any() and (counts["bound"] == counts["p"]).any()
        assert (counts["above"] > 1e3 * counts["below"]).all()

    def test_from_nearby_a_fit_comes_home_at_twice_the_threshold(self, table):
        near = table[table["task"] == "near"].set_index("n_samples")["error"]
        start = table[table["kind"] == "start"].set_index("n_samples")["error"]
        assert near[24] <= 1e-9 < 1e-3 < start[24]
        assert near.sort_index().is_monotonic_decreasing and (near < start).all()

    def test_heads_that_hide_are_read_and_one_that_has_decided_is_not(self, table):
        fits = table[(table["kind"] == "fit") & (table["task"] == "heads") & (table["n_samples"] == 128)]
        fits = fits[fits["max_iter"] == 20].set_index(["layer", "head"])
        largest = table[table["kind"] == "attention"].set_index(["layer", "head"])["largest"]
        decided = fits.index[largest.loc[fits.index] > 0.99]
        assert list(decided) == [(0, 2)]
        ratio = fits["error"] / fits["law"]
        others = ratio.drop(decided)
        rests = fits["converged"].astype(bool)
        assert others[rests].max() < 25 and ratio[(0, 2)] > 100
        # Sharp heads are read worse, all of them and those at rest; hiding from averages does not order them.
        assert spearmanr(largest.loc[fits.index], ratio).pvalue < 0.01
        assert spearmanr(largest.loc[fits.index[rests]], ratio[rests]).pvalue < 0.05
        hidden = load_results("heads_coercivity")
        left = hidden[hidden["kind"] == "window"].groupby(["layer", "head"])["value"].mean()
        hide = others.index[left.loc[others.index] < 0.1]
        assert len(hide) == 3 and others[hide].max() < others.median()
        assert spearmanr(left.loc[fits.index], ratio).pvalue > 0.05
        assert set(ratio.nlargest(5).index) == set(largest.nlargest(5).index)  # none is of real_head's three
        assert len(fits) == 69  # and three of real_head
        assert fits["in_sample"][(0, 2)] < fits["law"][(0, 2)]

    def test_values_cost_their_parameters(self, table):
        fits = table[(table["kind"] == "fit") & (table["task"] == "values")]
        assert len(fits) == 3 and (abs(fits["in_sample"] / fits["law"] - 1) < 0.1).all()
        assert (fits["value_error"] < 0.01).all()
