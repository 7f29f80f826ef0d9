"""Polynomials in all heads of an encoder: cells on one that anybody has, and what is stored."""

import math

import numpy as np
import pandas as pd
import pytest

from pairint.engine.experiment import checked_cells
from pairint.experiments import get, load_results
from pairint.experiments.beyond import heads, polynomial_heads
from pairint.experiments.beyond.polynomial_heads import n_features
from pairint.figures import polynomial_attention as figures
from pairint.model import feature_count

CELL = heads.RANDOM | {"method": "fitted", "rank": 4, "degree": 2, "n_windows": 20, "replicate": 0}


def table_of(**changes):
    return pd.DataFrame(polynomial_heads.compute(CELL | changes))


def cosine(**changes):
    table = table_of(**changes)
    return float(table.loc[(table["kind"] == "text") & (table["reads"] == "other"), "cosine"].iloc[0])


def test_fits_are_nearer_than_expansions():
    lost = {
        (method, degree): 1 - cosine(method=method, degree=degree)
        for method, degree in (("uniform", 0), ("taylor", 2), ("fitted", 2), ("positive", 2), ("fitted", 4))
    }
    assert lost["fitted", 4] < lost["fitted", 2] < lost["taylor", 2] < lost["uniform", 0]
    assert lost["fitted", 2] <= lost["positive", 2] * 1.05 < lost["taylor", 2]


def test_exp_of_the_full_score_is_the_encoder():
    """A truncation that truncates nothing, and random features that become many: the cosine goes to one."""
    assert cosine(method="truncated", rank=4) == pytest.approx(1, abs=1e-6)
    few, many = (1 - cosine(method="random", degree=degree) for degree in (8, 2048))
    assert many < few / 10


def test_rows_of_heads():
    table = table_of(method="positive")
    rows = table[table["kind"] == "head"]
    assert len(rows) == 6 and (rows["negative"] == 0).all() and (rows["denominator"] > 0).all()
    assert (rows["bound"] <= 1).all() and rows["bound"].max() > 0.1
    # Rows of pictures: three points fewer heads than are shown, for this encoder has one of them.
    assert set(table["kind"]) == {"text", "head", "curve"}
    assert set(table_of(replicate=1)["kind"]) == {"text"}


def test_rank_beats_degree_without_training():
    """The negative control of the page: fifteen features each, heads that prefer no direction."""
    assert feature_count(4, 2) == feature_count(2, 4)
    assert 1 - cosine(rank=2, degree=4) > 3 * (1 - cosine(rank=4, degree=2))


@pytest.mark.parametrize("method", ["centred", "sequence", "shared", "weights"])
def test_every_method_runs(method):
    assert cosine(method=method) > cosine(method="uniform", degree=0)


def test_a_cell_is_a_function_of_its_data():
    assert cosine() == cosine()
    assert cosine() != cosine(replicate=1)


def test_features():
    assert n_features("fitted", 4, 4) == 70 and n_features("random", 32, 70) == 70
    assert n_features("truncated", 4, 0) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder": "bert"}, "encoder must be one of"),
        ({"plan": [{"method": "fitted"}]}, "plan must list method, rank, degree and n_windows"),
        (
            {"plan": [{"method": "guess", "rank": [1], "degree": [1], "n_windows": [1]}]},
            "method must be one of",
        ),
        (
            {"plan": [{"method": "fitted", "rank": [], "degree": [1], "n_windows": [1]}]},
            "rank must be a list",
        ),
        (
            {"plan": [{"method": "positive", "rank": [1], "degree": [3], "n_windows": [1]}]},
            "degree must be even for positive, got 3",
        ),
    ],
)
def test_settings_out_of_range(changes, message):
    experiment = get("polynomial_attention")
    with pytest.raises(ValueError, match=message):
        checked_cells(experiment, dict(experiment.presets["quick"]) | changes)


def test_cells_out_of_range():
    with pytest.raises(ValueError, match="n_windows must be at most 300, got 301"):
        table_of(n_windows=301)
    with pytest.raises(ValueError, match="rank must be at most 4, the size of a head, got 5"):
        table_of(rank=5)


@pytest.fixture(scope="module")
def table():
    return load_results("polynomial_attention")


class TestStored:
    def test_claims(self, table):
        claims = get("polynomial_attention").claims(table)
        assert len(claims) == 4 and {claim.theory_verdict for claim in claims} == {"agrees"}
        # The control: were an error above what is proved for it, the claim would say so.
        broken = table.assign(bound=1.01 * table["bound"] / table["bound"].max())
        assert get("polynomial_attention").claims(broken)[0].theory_verdict == "differs"

    def test_what_the_page_says(self, table):
        means = figures.fidelity(table).set_index(["method", "rank", "degree"])["cosine"]
        full = 32
        for degree in (1, 2, 3, 4):
            assert 1 - means["fitted", full, degree] < 0.9 * (1 - means["taylor", full, degree])
        for degree in (2, 4):
            assert means["fitted", full, degree] >= means["positive", full, degree] - 1e-3
        # Degree against rank, with fewer features.
        assert feature_count(4, 4) < feature_count(full, 2) / 8
        assert means["fitted", 4, 4] > means["fitted", full, 2]
        assert means["fitted", 8, 3] > means["fitted", full, 2]
        # Rank has a floor: exp itself is not much better at rank four.
        assert 1 - means["truncated", 4, 0] > 0.5 * (1 - means["fitted", 4, 4])
        # A fit is worth a degree.
        for degree in (1, 2, 3):
            assert means["fitted", full, degree] > means["taylor", full, degree + 1]
        # At degree two, rank buys nothing beyond eight.
        assert abs(means["fitted", full, 2] - means["fitted", 8, 2]) < 0.02
        # The numbers belong to the heads.
        lost = 1 - means
        assert 2 * lost["fitted", full, 4] < lost["shared", full, 4] < lost["taylor", full, 4]
        assert means["centred", full, 4] < means["uniform", full, 0]
        assert means["weights", full, 4] < means["taylor", full, 4]
        # The price of positivity, its prize on short windows, and the best of all.
        assert 1.5 < lost["positive", full, 4] / lost["fitted", full, 4] < 2.5
        short = figures.fidelity(table, "short").set_index(["method", "rank", "degree"])["cosine"]
        assert short["positive", full, 4] > short["fitted", full, 4]
        assert means.idxmax() == ("positive", full, 6)

    def test_signs(self, table):
        rows = table[(table["kind"] == "head") & (table["rank"] == 32) & (table["n_windows"] == 20)]
        by = rows.groupby(["method", "degree"])
        assert (by["negative"].max()["positive"] == 0).all() and by["negative"].mean()["fitted", 4] > 0.05
        # On text that they have not seen, denominators of even degree stay positive; of the free cubic not.
        least = by["denominator"].min()
        assert min(least["fitted", 2], least["fitted", 4], least["positive"].min()) > 0
        assert least["fitted", 3] < 0 and least["weights", 4] < 0
        assert np.isfinite(rows["error"]).all() and len(rows) % 72 == 0
        assert math.isfinite(rows["bound"].max())
