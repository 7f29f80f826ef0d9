"""Every picture is complete: titles, axes, legends, finite curves; and shown once in a notebook."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pictures import check_complete

from pairint.figures import (
    adaptation,
    clustering,
    coercivity,
    exact_constant,
    fish,
    learned_matrix,
    longer_context,
    lower_bound,
    several_heads,
    upper_bound,
    upper_vs_lower,
)
from pairint.theory.approximation import HolderSum

MODULES = (
    adaptation,
    coercivity,
    exact_constant,
    learned_matrix,
    longer_context,
    clustering,
    fish,
    lower_bound,
    several_heads,
    upper_bound,
    upper_vs_lower,
)
TRUTH = HolderSum([-1.5, 0.2, 1.0], [1.0, -2.0, 1.0], 1.5)
ROWS = [
    {
        "method": "toy",
        "n_samples": m,
        "n_tokens": n,
        "error": 1 / m,
        "smallest": 0.5 / m,
        "largest": 2 / m,
    }
    for m in (100, 1000)
    for n in (2, 3)
]

PRICES, SLOPES = (
    pd.DataFrame(
        {
            "beta": [1.0, 2.0],
            "estimator": "auto",
            column: [value, value],
            "low": value - 0.1,
            "high": value + 0.1,
        }
    )
    for column, value in (("ratio", 1.1), ("slope", -0.7))
)

CONTEXT = pd.DataFrame(
    [
        {"case": "even", "estimator": block, "n_tokens": n, "mean": 0.5, "low": 0.4, "high": 0.6}
        for block in ("queries", "keys")
        for n in (2, 16)
    ]
)
CONSTANTS = pd.DataFrame(
    [
        {"activation": name, "numbers": p, "constant": 1.0, "low": 0.9, "high": 1.1, "predicted": 1.02}
        for name in ("odd", "mixed")
        for p in (8, 200)
    ]
)

SNAPSHOTS = pd.DataFrame(
    [
        {
            "law": law,
            "beta": 1.0,
            "replicate": 0,
            "n_tokens": 8,
            "time": t,
            "gap": np.exp(-2 * t),
            "gap_bound": np.exp(-t),
        }
        | {f"least_{p}": np.exp(-(4 * p + 2) * t) for p in (1, 2, 3)}
        | {"price": 1 + t, "error": 0.1 + t}
        for law in ("sphere", "cap")
        for t in (0.0, 1.0, 2.0)
    ]
)
FILM = pd.DataFrame(
    [
        {"data": data, "ahead": 13, "control": control, "kind": kind, "what": what, "at": at}
        | {"value": 0.2, "low": 0.1, "high": 0.3}
        for data in ("trajectorytools", "simulated")
        for control in ("none", "later")
        for kind, what, at in (
            *(("share", model, np.nan) for model in ("own", "position", "velocity", "both", "gain")),
            *(("kernel", term, at) for term in ("position", "velocity") for at in (0.5, 2.0, 8.0)),
        )
    ]
)

DRAWN = {
    "price": lambda: adaptation.price_figure(PRICES, SLOPES, {"auto": "both chosen"}),
    "rank gain": lambda: adaptation.rank_gain_figure(200),
    "exploration": lambda: coercivity.exploration_figure(n_samples=500),
    "observation": lambda: coercivity.observation_figure(n_samples=50),
    "identifiability": coercivity.identifiability_figure,
    "spectrum": lambda: coercivity.spectrum_figure((2, 4), n_intervals=4, degree=1),
    "eigenfunctions": lambda: coercivity.eigenfunction_figure(4, n_intervals=4, degree=1),
    "laws": lambda: coercivity.laws_figure(coercivity.law_table((2, 3), n_intervals=3, n_pairs=3000)),
    "invisible": coercivity.invisible_figure,
    "extendable": coercivity.extendable_figure,
    "correlation": lambda: coercivity.correlation_figure(n_samples=200),
    "condition": upper_bound.condition_figure,
    "merging": upper_bound.merging_figure,
    "approximation": lambda: upper_bound.approximation_figure(TRUTH),
    "cells": upper_bound.cells_figure,
    "covering": upper_bound.covering_figure,
    "budget": lambda: upper_bound.upper_budget_figure(n_samples=1000),
    "terms": upper_bound.upper_terms_figure,
    "oracle tokens": upper_bound.oracle_tokens_figure,
    "learned tokens": upper_bound.learned_tokens_figure,
    "splitting": lambda: learned_matrix.splitting_figure((5, 7)),
    "penalty": learned_matrix.penalty_figure,
    "elbow": lambda: lower_bound.elbow_figure((3, 10)),
    "context price": lambda: longer_context.context_price_figure(CONTEXT, {"even": 0.3}),
    "constant of rd/M": lambda: longer_context.constant_figure(CONSTANTS),
    "rotated keys": longer_context.rotation_figure,
    "shares": lambda: longer_context.share_figure((0.1, 0.4)),
    "prices of directions": lambda: longer_context.direction_figure({"even": [1.0, 0.1]}, 1, 8),
    "corridor": exact_constant.corridor_figure,
    "watching": lambda: clustering.watching_figure(SNAPSHOTS),
    "decay": lambda: clustering.decay_figure(SNAPSHOTS),
    "paths": clustering.paths_figure,
    "fish kernels": lambda: fish.kernels_figure(FILM, lambda term, r: 0 * r),
    "fish shares": lambda: fish.shares_figure(FILM),
    "fish controls": lambda: fish.controls_figure(FILM),
    "lift": fish.lift_figure,
    "least favourable": exact_constant.least_favourable_figure,
    "hypotheses": lambda: lower_bound.hypotheses_figure((1000,) * 2),
    "constants": lambda: lower_bound.constants_figure((100, 10**5)),
    "code": lambda: lower_bound.code_figure(24),
    "guessing": lambda: lower_bound.guessing_figure(n_games=50),
    "reduction": lambda: lower_bound.reduction_figure(2000),
    "methods": lower_bound.methods_figure,
    "lower tokens": lower_bound.lower_tokens_figure,
    "bounds": lambda: upper_vs_lower.bounds_figure(ROWS),
    "gap": upper_vs_lower.gap_figure,
    "log gap": upper_vs_lower.log_gap_figure,
    "tokens": lambda: upper_vs_lower.tokens_figure(ROWS, 1000),
    "quartet": lambda: several_heads.quartet_figure(np.random.default_rng(0), 20),
    "angles": lambda: several_heads.angles_figure(np.random.default_rng(0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_picture_is_complete(name):
    check_complete(DRAWN[name](), gaps=True)


def test_every_picture_is_tried():
    drawn = {name for module in MODULES for name in module.__all__ if name.endswith("_figure")}
    assert len(DRAWN) == len(drawn)


class Truth:
    """An estimator that knows everything but a constant."""

    def fit(self, X, Y):
        self.shape = (X.shape, Y.shape)
        return self

    def interaction(self, x, y):
        return 0.1 + np.tanh(0.5 * np.einsum("ni,ij,nj->n", x, self.matrix, y))


def test_measured_errors_are_those_of_the_fit():
    def make(matrix):
        estimator = Truth()
        estimator.matrix = matrix
        return estimator

    rows = upper_vs_lower.measured_errors({"toy": make}, [5, 7], [2, 4], replicates=2)
    assert [(row["n_samples"], row["n_tokens"]) for row in rows] == [(5, 2), (5, 4), (7, 2), (7, 4)]
    for row in rows:
        assert row["error"] == pytest.approx(0.01)
        assert row["smallest"] == pytest.approx(0.01) == row["largest"]


def test_found_quotients_are_allowed_and_nearly_reached():
    rows = lower_bound.radius_rows((0.5, 1.0, 2.0), n_pairs=20_000)
    assert [row["beta"] for row in rows] == [0.5, 1.0, 2.0]
    for row in rows:
        # Scores are at least 1e-4 apart: of the rounding, 1e-16, at most 1e-12 is left in the quotient.
        assert row["largest ratio found"] <= row["allowed"] * (1 + 1e-9)
    # For an integer the radius is the largest slope, and close pairs near the steepest points find it.
    assert min(row["largest ratio found"] for row in rows[1:]) > 0.95
    assert rows[1]["height / h^beta"] == pytest.approx(1 / 4)  # 1 - 4 t^2: slope at most 4


@pytest.mark.slow
def test_ingredients_of_fano_are_as_good_as_the_proof_asks():
    few, many = lower_bound.fano_rows((10, 10**5), lower_bound.SETTING)
    assert (few["M"], many["M"]) == (10, 10**5) and many["K"] > few["K"] >= 8
    for row in (few, many):
        assert row["words"] >= 2 ** (row["K"] / 8)
        assert row["smallest distance"] >= row["needed"] == row["K"] / 8
        assert row["separation"] >= row["at least"] * (1 - 1e-9)
        assert 0 < row["KL"] <= row["at most"] * (1 + 1e-9)
    other = lower_bound.fano_rows((10,), replace(lower_bound.SETTING, n_tokens=9))
    assert other[0]["K"] != few["K"] or other[0]["KL"] != few["KL"]


def test_factors_of_the_bound_multiply_to_it():
    rows = upper_bound.loss_rows([(10**4, 3), (10**6, 64)])
    assert [(row["N"], row["term"]) for row in rows] == [
        (n, term) for n in (3, 64) for term in ("bias", "spline", "matrix")
    ]
    for row in rows:
        assert row["product"] == pytest.approx(row["bound / leading"], rel=1e-9)
