"""The look of the figures: colours that can be told apart, parameters that do not leak."""

import itertools

import matplotlib
import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgb

from pairint.figures.style import CYCLE, MARKERS, ROLES, figure_style


def luminance(color: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_curves_can_be_told_apart():
    assert len(set(CYCLE)) == len(CYCLE) <= len(MARKERS) == len(set(MARKERS))
    for first, second in itertools.combinations(CYCLE, 2):
        assert sum((a - b) ** 2 for a, b in zip(to_rgb(first), to_rgb(second), strict=True)) > 0.05
    # Against white: orange and sky, the lightest, have a contrast of 2.3.
    assert all(1.05 / (luminance(color) + 0.05) > 2.0 for color in (*CYCLE, *ROLES.values()))


def test_parameters_do_not_leak():
    before = dict(matplotlib.rcParams)
    with figure_style():
        assert matplotlib.rcParams["figure.facecolor"] == "white"
        assert matplotlib.rcParams["axes.grid"] is True
    assert dict(matplotlib.rcParams) == before


def test_scale_multiplies_sizes():
    with figure_style(2.0):
        assert matplotlib.rcParams["font.size"] == 21.0


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_bad_scale(scale):
    with pytest.raises(ValueError, match="scale"), figure_style(scale):
        pass


def test_works_as_decorator():
    @figure_style()
    def draw():
        return plt.subplots()[0], plt.rcParams["axes.titleweight"]

    figure, weight = draw()
    assert weight == "bold" != plt.rcParams["axes.titleweight"]
    plt.close(figure)
