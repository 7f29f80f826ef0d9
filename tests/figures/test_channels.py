"""The pictures of the page on channels."""

import numpy as np
import pytest

from pairint.figures.channels import rediscovered_figure
from pairint.model import Exponential


def test_exp_lies_on_its_line_and_another_activation_does_not():
    bars = {"the fit": 0.9, "control": -0.1}
    for rate, distance in ((2.0, 0.0), (1.5, 0.5)):
        figure = rediscovered_figure(Exponential(-rate), -2.0, (-1.0, 1.0), bars)
        left, right = figure.axes
        line, learned = (curve.get_ydata() for curve in left.lines)
        assert np.abs(line - learned).max() == pytest.approx(distance, abs=1e-12)
        np.testing.assert_allclose(line, left.lines[0].get_xdata())
        assert [bar.get_width() for bar in right.patches] == list(bars.values())
        assert left.get_xlabel() and right.get_xlabel() and left.get_legend() is not None
