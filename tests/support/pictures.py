"""What every picture of a chapter must have."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure


def check_complete(figure: Figure, gaps: bool = False) -> None:
    """Assert titles, axes and finite curves, and that a notebook shows the picture exactly once.

    With ``gaps`` a curve may lack values, but not all.
    """
    assert not plt.get_fignums()  # closed: a notebook shows the returned figure, and only that
    panels = [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]
    assert panels
    for axes in panels:
        assert axes.get_title(loc="left")
        assert axes.get_xlabel()
        for line in axes.lines:
            values = np.asarray(line.get_ydata(), dtype=float)
            finite = np.isfinite(values)
            assert finite.any() if gaps else finite.all()
    assert panels[0].get_ylabel()
    figure.canvas.draw()
