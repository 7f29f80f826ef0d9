"""The picture of how a step's time grows."""

import numpy as np

from pairint.estimation.cost import operations, point_of
from pairint.figures.performance import scaling_figure

POINT = {"M": 1000, "N": 3, "d": 30, "r": 2, "K": 15}
FARTHER = {"M": 9000, "N": 100, "d": 300, "r": 16, "K": 90}
PRICES = np.array([0.1, 0.4, 0.2, 0.05, 0.3, 60.0])


def test_the_picture_shows_every_row_and_its_prediction():
    rows = [{"changed": name, "value": value} for name in POINT for value in (POINT[name], FARTHER[name])]
    timed = [row | {"step_ms": 1e-6 * float(operations(point_of(row, POINT)) @ PRICES)} for row in rows]
    (axis,) = scaling_figure(timed, POINT).axes
    lines = axis.get_lines()
    assert len(lines) == 10
    for measured, dashed in zip(lines[::2], lines[1::2], strict=True):
        np.testing.assert_allclose(measured.get_ydata(), dashed.get_ydata(), rtol=1e-9)
        assert 1.0 in measured.get_xdata()
    assert axis.get_legend_handles_labels()[1][:2] == ["$M$, measured", "$M$, priced count"]
