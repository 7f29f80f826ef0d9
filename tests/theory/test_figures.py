"""Every picture is complete: titles, axes, legends, finite curves; and shown once in a notebook."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pairint.theory import figures
from pairint.theory.approximation import HolderSum

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

DRAWN = {
    "exploration": lambda: figures.exploration_figure(n_samples=500),
    "observation": lambda: figures.observation_figure(n_samples=50),
    "identifiability": figures.identifiability_figure,
    "spectrum": lambda: figures.spectrum_figure((2, 4), n_intervals=4, degree=1),
    "eigenfunctions": lambda: figures.eigenfunction_figure(4, n_intervals=4, degree=1),
    "laws": lambda: figures.laws_figure(figures.law_table((2, 3), n_intervals=3, n_pairs=3000)),
    "invisible": figures.invisible_figure,
    "extendable": figures.extendable_figure,
    "correlation": lambda: figures.correlation_figure(n_samples=200),
    "condition": figures.condition_figure,
    "approximation": lambda: figures.approximation_figure(TRUTH, 1.5, TRUTH.holder_constant),
    "covering": figures.covering_figure,
    "budget": lambda: figures.upper_budget_figure(n_samples=1000),
    "terms": figures.upper_terms_figure,
    "oracle tokens": figures.oracle_tokens_figure,
    "hypotheses": lambda: figures.hypotheses_figure((1000,) * 2),
    "code": lambda: figures.code_figure(24),
    "guessing": lambda: figures.guessing_figure(n_games=50),
    "reduction": lambda: figures.reduction_figure(2000),
    "roads": figures.roads_figure,
    "lower tokens": figures.lower_tokens_figure,
    "bounds": lambda: figures.bounds_figure(ROWS),
    "log gap": figures.log_gap_figure,
    "tokens": lambda: figures.tokens_figure(ROWS, 1000),
}


@pytest.mark.parametrize("name", DRAWN)
def test_picture_is_complete(name):
    figure = DRAWN[name]()
    assert not plt.get_fignums()  # closed: a notebook shows the returned figure, and only that
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert panels
    for axes in panels:
        assert axes.get_title(loc="left")
        assert axes.get_xlabel()
        for line in axes.lines:
            values = np.asarray(line.get_ydata(), dtype=float)
            assert np.isfinite(values).any()
    assert panels[0].get_ylabel()
    figure.canvas.draw()


def test_every_picture_is_tried():
    drawn = {name for name in figures.__all__ if name.endswith("_figure")}
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

    rows = figures.measured_errors({"toy": make}, [5, 7], [2, 4], replicates=2)
    assert [(row["n_samples"], row["n_tokens"]) for row in rows] == [(5, 2), (5, 4), (7, 2), (7, 4)]
    for row in rows:
        assert row["error"] == pytest.approx(0.01)
        assert row["smallest"] == pytest.approx(0.01) == row["largest"]
