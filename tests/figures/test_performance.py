"""The picture of how a step's time grows."""

import numpy as np

from pairint.figures.performance import scaling_figure


def test_measured_and_counted_meet_at_the_point():
    rows = [
        {"changed": name, "value": value, "step_ms": 2.0 * value**power, "count": 7.0 * value}
        for name, power in (("M", 1.0), ("d", 0.5))
        for value in (5, 10, 40)
    ]
    (axis,) = scaling_figure(rows, {"M": 10, "d": 10}).axes
    measured_m, count_m, measured_d, count_d = axis.get_lines()
    for line in axis.get_lines():
        at = np.flatnonzero(line.get_xdata() == 1.0)
        assert line.get_ydata()[at] == 1.0
    np.testing.assert_allclose(measured_m.get_ydata(), count_m.get_ydata())
    np.testing.assert_allclose(measured_d.get_ydata(), np.sqrt(count_d.get_ydata()))
    labels = axis.get_legend_handles_labels()[1]
    assert labels == ["$M$, measured", "$M$, count", "$d$, measured", "$d$, count"]
