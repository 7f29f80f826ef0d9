"""The pictures of the page on polynomial attention, from the quick table and from a record of times."""

import numpy as np
import pytest
from pictures import check_complete

from pairint.experiments import run
from pairint.figures import polynomial_attention as figures


@pytest.fixture(scope="module")
def table():
    return run("polynomial_attention", "quick")


def test_means(table):
    means = figures.fidelity(table)
    assert list(means.columns) == ["method", "rank", "degree", "features", "cosine", "worst", "similarity"]
    assert len(means) == 9 and (means["worst"] <= means["cosine"]).all()
    other = figures.fidelity(table, "shuffled")
    assert set(other["rank"]) == {4} and not np.isclose(other["cosine"], 1).all()


def test_the_frontier(table):
    figure = figures.frontier_figure(table)
    check_complete(figure)
    assert "degree 4" in figure.axes[0].get_legend_handles_labels()[1]


def test_curves(table):
    figure = figures.curves_figure(table, [(0, 0)], 4)
    check_complete(figure, gaps=True)
    # The exponential is one of the lines.
    assert any(np.allclose(line.get_ydata(), np.exp(line.get_xdata())) for line in figure.axes[0].lines)


def test_times():
    seconds = {str(n): {"softmax": 1e-8 * n**2, "rank 4, degree 2": 1e-6 * n} for n in (64, 128, 1024)}
    figure = figures.times_figure({"seconds": seconds, "features": {"rank 4, degree 2": 15}})
    check_complete(figure)
    x, y = figure.axes[0].lines[0].get_data()
    assert list(x) == [64, 128, 1024] and y[0] == pytest.approx(1e-5 * 64**2)
