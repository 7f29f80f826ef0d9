"""Every picture is complete: titles, axes, legends, finite curves; and shown once in a notebook."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pictures import check_complete

from pairint.aim import AtomicPrior, SemicirclePrior
from pairint.figures import (
    aim_algorithms,
    aim_hardmax,
    aim_layers,
    aim_model,
    aim_priors,
    aim_published,
    aim_small_width,
    aim_spectrum,
    aim_state_evolution,
)

MODULES = (
    aim_algorithms,
    aim_hardmax,
    aim_layers,
    aim_model,
    aim_priors,
    aim_published,
    aim_small_width,
    aim_spectrum,
    aim_state_evolution,
)

Q = np.array([0.2, 0.4])

DOTS = pd.DataFrame({"mean": [0.4, 0.2], "low": [0.3, 0.1], "high": [0.5, 0.3]}, index=Q)

DRAWN = {
    "own": lambda: aim_algorithms.own_figure(Q, {"a": Q, "b": Q - 0.2}, DOTS, "t"),
    "laws": lambda: aim_priors.laws_figure(
        {"a": AtomicPrior([0, 1], [0.5, 0.5]), "b": SemicirclePrior()}, (0.1, 1.0), d=30
    ),
    "remaining": lambda: aim_priors.remaining_figure({"a": SemicirclePrior()}, np.geomspace(0.01, 10, 4)),
    "wrong width": lambda: aim_priors.wrong_width_figure(0.5, (0.2, 1.0), np.linspace(0.02, 0.3, 4)),
    "students": lambda: aim_priors.students_figure(
        pd.DataFrame({"student": ["a", "b"], "mean": Q, "low": Q - 0.1, "high": Q + 0.1, "theory": Q})
    ),
    "untied": lambda: aim_priors.untied_figure(0.3, Q, {"a": Q, "b": Q - 0.2}),
    "sum": lambda: aim_layers.sum_figure(n_points=5),
    "layer": lambda: aim_model.layer_figure(8),
    "indices": lambda: aim_model.indices_figure(12, n_samples=100),
    "spectra": lambda: aim_spectrum.spectra_figure([("a", 0.5, 1.0), ("b", 0.5, 0.01)], d=30),
    "denoiser": lambda: aim_spectrum.denoiser_figure(deltas=(0.05, 2.0), d=30),
    "information": lambda: aim_spectrum.information_figure((0.5, 2.0)),
    "crossing": aim_state_evolution.crossing_figure,
    "error": lambda: aim_state_evolution.error_figure("softmax", (0.5, np.inf), np.linspace(0.02, 0.3, 5)),
    "labels": lambda: aim_state_evolution.labels_figure(n_points=4, n_samples=50),
    "collapse": lambda: aim_state_evolution.collapse_figure(tokens=(2, 3)),
    "kappa": aim_hardmax.kappa_figure,
    "hardmax tokens": lambda: aim_hardmax.hardmax_tokens_figure(0.5, (2, 3), {3: [(0.1, 0.5)]}, 50),
    "discrepancy": lambda: aim_hardmax.discrepancy_figure(0.5, [(1.0, 0.08)], 0.56, 20),
    "identity": lambda: aim_hardmax.identity_figure(Q, {"a": (Q, Q), "b": (Q, 2 * Q)}),
    "trajectory": lambda: aim_algorithms.trajectory_figure({"a": Q}, np.array([1.0, 0.2, 0.4])),
    "small width": lambda: aim_small_width.small_width_figure(
        "softmax", (0.05, 1.0), np.linspace(0.05, 0.6, 5)
    ),
    "training": lambda: aim_algorithms.training_figure(
        {"loss": np.ones((3, 2)), "error": np.ones((3, 2)), "average_error": np.ones(3)}, 0.5
    ),
    "descent": lambda: aim_algorithms.descent_figure({"one run": [(0.1, 0.8, 0.1), (0.15, 0.3, 0.1)]}),
    "averaging": lambda: aim_algorithms.averaging_figure({0.1: np.ones((2, 3))}, {0.1: 0.4}),
    "differences": lambda: aim_published.differences_figure(
        pd.DataFrame({"kind": ["SE_softmax", "GD_single"], "reference": ["softmax"] * 2, "median": Q})
    ),
    "hard phase": lambda: aim_algorithms.hard_phase_figure(Q, {"stable": (Q, Q), "not": (Q, Q)}, Q),
    "points": lambda: aim_published.points_figure(
        [SimpleNamespace(file="a", alpha=Q, error=Q)], {"ours": (Q, Q)}
    ),
    "landscape": lambda: aim_small_width.landscape_figure([10, 100], 2, {"a": [1e3, 1e6]}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DRAWN)
def test_picture_is_complete(name):
    check_complete(DRAWN[name]())


def test_every_picture_is_tried():
    drawn = {name for module in MODULES for name in module.__all__ if name.endswith("_figure")}
    assert {f"{name.replace(' ', '_')}_figure" for name in DRAWN} == drawn


def test_the_curve_reaches_zero_at_the_threshold():
    axes = aim_state_evolution.error_figure("softmax", (1.0,), np.linspace(0.05, 0.35, 4)).axes[0]
    alphas, errors = axes.lines[0].get_data()
    assert 0.25 in alphas  # the counting threshold of a full-width layer is a point of the curve
    np.testing.assert_array_equal(errors[alphas >= 0.25], 0)
    assert (errors[alphas < 0.25] > 0).all()


def test_dots_are_drawn_where_they_were_measured():
    dots = {0.5: [(0.1, 0.3), (0.2, 0.1)]}
    axes = aim_state_evolution.error_figure(
        "hardmax", (0.5,), np.array([0.1, 1.0]), dots=dots, logarithmic=True
    ).axes[0]
    np.testing.assert_allclose(np.transpose(axes.lines[1].get_data()), dots[0.5])


def test_series_are_summed_up_by_kind_and_reference():
    rows = [
        {
            "kind": "SE_softmax",
            "reference": "softmax",
            "median": median,
            "largest": largest,
            "at_alpha": alpha,
        }
        for median, largest, alpha in ((1e-3, 0.2, 1.0), (2e-5, -0.3, 2.0))
    ]
    rows.append({"kind": "GD_single", "reference": "x", "median": 0.7, "largest": 0.7, "at_alpha": 0.1})
    first, second = aim_published.series_table(pd.DataFrame(rows)).to_dict("records")
    assert first == {
        "series": "softmax curves", "compared with": "softmax", "how many": 2, "medians": "2e-05 to 0.001",
        "largest": "-0.3", "at alpha": "2",
    }  # fmt: skip
    assert second["series"] == "gradient descent, one run"
    assert second["medians"] == "0.7"
