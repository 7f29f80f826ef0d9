"""Direct labels: what a curve is stands at its end, where there is room, and not in a legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rcParams
from matplotlib.font_manager import FontProperties

from pairint.figures.ordered import value
from pairint.figures.style import INK

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

__all__ = ["beside", "hides", "label_directly", "spread"]

CURVE = 8  # points of a line from which it is a curve with an end
RIGHT = 0.93  # of the width of the panel: where the ends of curves are
APART = 1.25  # letters between the names of two curves
SEEN = 0.4  # letters between the ends of two curves from which one sees which is which
PUSHED = 1.0  # letters by which a name may stand beside its curve's end
LONGEST = 0.24  # of the width of the panel
BETWEEN = 12  # places looked at between two points of a curve


def _twin(axes: Axes, handle: Any) -> Line2D | None:
    """Return the curve that an entry of a legend stands for, if there is one only, and no marks beside it."""
    from matplotlib.lines import Line2D

    if not isinstance(handle, Line2D) or handle.get_linestyle() == "None":
        return None
    alike = [line for line in axes.lines if line.get_color() == handle.get_color()]
    if len(alike) != 1 or alike[0].get_linestyle() != handle.get_linestyle():
        return None
    return alike[0] if np.size(alike[0].get_xdata()) >= CURVE else None


def _end(axes: Axes, line: Line2D) -> tuple[float, float] | None:
    """Return the last point of a curve in its panel, in pixels."""
    box = axes.bbox
    seen = axes.transData.transform(np.column_stack([line.get_xdata(orig=False), line.get_ydata(orig=False)]))
    inside = np.isfinite(seen).all(axis=1)
    inside[inside] = (np.abs(seen[inside] - [box.x0, box.y0]) <= [box.width + 1, box.height + 1]).all(axis=1)
    inside[inside] = (seen[inside] >= [box.x0 - 1, box.y0 - 1]).all(axis=1)
    if not inside.any():
        return None
    points = seen[inside]
    return tuple(points[points[:, 0].argmax()])


def spread(heights: NDArray[np.float64], gap: float) -> NDArray[np.float64]:
    """Return the heights, in order, that are nearest to the given ones and a gap apart from one another.

    Parameters
    ----------
    heights : ndarray, shape (n,)
        In order.
    gap : float
        Positive.

    Notes
    -----
    The least squares solution: less multiples of the gap, heights must not fall, which pooling of neighbours
    that do brings about. (`sklearn.isotonic` has the same, and would bring its imports into every page that
    draws in the browser.)
    """
    pools: list[tuple[float, int]] = []  # mean and number of those that stand gap by gap
    for number, height in enumerate(heights):
        mean, count = float(height) - number * gap, 1
        while pools and pools[-1][0] > mean:
            before, others = pools.pop()
            mean, count = (before * others + mean * count) / (others + count), others + count
        pools.append((mean, count))
    return np.repeat(*map(np.array, zip(*pools, strict=True))) + gap * np.arange(len(heights))


def beside(line: Line2D) -> float:
    """Return the points between the end of a curve and its name: it stands clear of a mark there.

    Parameters
    ----------
    line : matplotlib.lines.Line2D
    """
    marked = line.get_marker() not in ("None", "none", "", " ", None)
    return 4.0 + (line.get_markersize() / 2 if marked else 0.0)


def hides(axes: Axes, legend: Legend, renderer: Any) -> bool:
    """Whether a legend covers a curve, a point or a bar of its panel.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        A panel whose place is known, as after drawing it.
    legend : matplotlib.legend.Legend
        Its legend.
    renderer : object
        What measures letters.
    """
    from matplotlib.collections import PathCollection
    from matplotlib.patches import Rectangle

    box = legend.get_window_extent(renderer)
    for line in axes.lines:
        if line.get_transform().contains_branch_seperately(axes.transData) != (True, True):
            continue  # a rule across the panel: a legend may stand on it
        places = axes.transData.transform(line.get_xydata())
        if line.get_linestyle() not in ("None", "") and len(places) > 1:
            steps = np.linspace(0.0, 1.0, BETWEEN, endpoint=False)[:, None, None]
            places = (places[:-1] + steps * np.diff(places, axis=0)).reshape(-1, 2)
        if _inside(places, box):
            return True
    bars = [
        bar
        for bar in axes.patches
        if isinstance(bar, Rectangle)
        and bar.get_height() != 0
        and bar.get_data_transform().contains_branch_seperately(axes.transData) == (True, True)
    ]
    if any(bar.get_window_extent(renderer).overlaps(box) for bar in bars):
        return True
    clouds = [cloud for cloud in axes.collections if isinstance(cloud, PathCollection)]
    return any(_inside(cloud.get_offset_transform().transform(cloud.get_offsets()), box) for cloud in clouds)


def _inside(places: Any, box: Any) -> bool:
    x, y = np.asarray(places, dtype=float).T
    return bool(np.any((x > box.x0) & (x < box.x1) & (y > box.y0) & (y < box.y1)))


def label_directly(axes: Axes, legend: Legend, renderer: Any) -> bool:
    """Write the names of curves at their right ends, and take them from the legend, in place.

    Nothing changes unless all curves that the legend names end at the right edge, far enough from one another
    to be told apart, and their names are short. Names of near ends move a little apart. Entries that are no
    curves stay in the legend.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        A panel whose place is known, as after drawing it.
    legend : matplotlib.legend.Legend
        Its legend.
    renderer : object
        What measures letters.

    Returns
    -------
    bool
        Whether the names were moved.
    """
    from matplotlib.patheffects import withStroke

    texts, handles = legend.get_texts(), list(legend.legend_handles)
    found = [
        (text, line) for text, handle in zip(texts, handles, strict=True) if (line := _twin(axes, handle))
    ]
    ends = {line: end for _, line in found if (end := _end(axes, line)) is not None}
    box = axes.bbox
    moved = {text for text, _ in found}
    if any(value(text.get_text()) for text in texts if text not in moved):
        return False  # one way for all values of a symbol
    if len(found) < 2 or len(ends) < len(found) or legend.get_title().get_text():
        return False
    if any(text.get_window_extent(renderer).width > LONGEST * box.width for text, _ in found):
        return False
    if any(x < box.x0 + RIGHT * box.width for x, _ in ends.values()):
        return False
    # A legend may be small where it is long; a name alone is read on a phone.
    usual = FontProperties(size=rcParams["legend.fontsize"]).get_size_in_points()
    size = max(legend.prop.get_size_in_points(), usual)
    letter = size * axes.figure.dpi / 72
    order = sorted(ends, key=lambda line: ends[line][1])
    heights = np.array([ends[line][1] for line in order])
    pushes = spread(heights, APART * letter) - heights
    if min(np.diff(heights)) < SEEN * letter or max(abs(pushes)) > PUSHED * letter:
        return False
    pushed = dict(zip(order, pushes * 72 / axes.figure.dpi, strict=True))
    for text, line in found:
        place = axes.transData.inverted().transform(ends[line])
        axes.annotate(
            text.get_text(),
            tuple(place),
            xytext=(beside(line), float(pushed[line])),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=size,
            annotation_clip=False,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],  # a rule may pass behind it
        )
    rest = [
        (handle, text.get_text()) for handle, text in zip(handles, texts, strict=True) if text not in moved
    ]
    legend.remove()
    if rest:
        axes.legend(*zip(*rest, strict=True), loc="best", prop=legend.prop)
    return True
