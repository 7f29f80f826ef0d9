"""Letters of a figure that lie on one another, or leave it: names of points, words of a row, labels."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["part_letters"]

PLACES = ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (-1, -1), (1, -1))  # of a name, about its point


def part_letters(figure: Figure) -> None:
    """Take apart letters that lie on one another, in place, in a figure that is laid out.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    for axes in figure.axes:
        _shift_inside(axes, figure, renderer)
        _part_names(axes, renderer)
        _stagger(axes, renderer)


def _shift_inside(axes: Axes, figure: Figure, renderer: Any) -> None:
    """Move the label of a horizontal axis along it, if an end of it leaves the figure."""
    label = axes.xaxis.label
    box = label.get_window_extent(renderer)
    over = max(box.x1 - figure.bbox.x1 + 1, 0.0) - max(figure.bbox.x0 + 1 - box.x0, 0.0)
    if label.get_text() and over:
        label.set_x(label.get_position()[0] - over / axes.bbox.width)


def _overlap(first: Any, second: Any) -> float:
    """Return the area that two boxes share, in square pixels."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return float(max(width, 0.0) * max(height, 0.0))


def _part_names(axes: Axes, renderer: Any) -> None:
    """Let names of points that lie on one another, or on points, find other places about their points."""
    from matplotlib.text import Annotation

    names = [
        text
        for text in axes.texts
        if isinstance(text, Annotation) and text.get_text() and text.anncoords == "offset points"
    ]
    boxes = [text.get_window_extent(renderer) for text in names]
    if not any(_overlap(a, b) for k, a in enumerate(boxes) for b in boxes[:k]):
        return
    points = [
        axes.transData.transform(line.get_xydata()) for line in axes.lines if np.size(line.get_xdata()) > 2
    ]
    marks = np.concatenate(points) if points else np.empty((0, 2))
    done: list[Any] = []
    for name in names:
        letter = float(name.get_fontsize()) * axes.figure.dpi / 72
        name.set(ha="center", va="center")
        start = name.get_window_extent(renderer)
        middle = np.array([start.x0 + start.x1, start.y0 + start.y1]) / 2
        half = np.array([start.width, start.height]) / 2
        place = axes.transData.transform(name.xy)
        best: tuple[float, Any, Any] | None = None
        for far in (1.0, 1.7, 2.6, 3.6, 4.8):
            for x, y in PLACES:
                step = (
                    np.array([x, y]) * (half + np.array([0.5, 0.4]) * letter) * far * (0.8 if x and y else 1)
                )
                box = start.translated(*(place + step - middle))
                away = np.hypot(*np.maximum(abs(marks - (place + step)) - half, 0.0).T)
                own = np.hypot(*np.maximum(abs(step) - half, 0.0))
                # A name must not lie on a point, should not be nearer to another one, and stays in the panel.
                wrong = 4 * np.sum(away < 0.25 * letter) + min(np.sum(away < own - 0.5), 2)
                wrong += 4 * (box.x0 < axes.bbox.x0 or box.x1 > axes.bbox.x1 or box.y1 > axes.bbox.y1)
                shared = sum(_overlap(box.padded(0.15 * letter), other) for other in done)
                cost = 40 * shared + (wrong + 0.02 * far) * letter**2
                if best is None or cost < best[0]:
                    best = cost, step * 72 / axes.figure.dpi, box
        assert best is not None
        name.set_position(tuple(best[1]))
        done.append(best[2])


def _stagger(axes: Axes, renderer: Any) -> None:
    """Lift and lower by turns the words of a row that lie on one another."""
    from matplotlib.text import Annotation
    from matplotlib.transforms import ScaledTranslation

    rows: dict[float, list[Text]] = {}
    for text in axes.texts:
        if not isinstance(text, Annotation) and text.get_text():
            rows.setdefault(round(float(text.get_position()[1]), 9), []).append(text)
    for row in rows.values():
        row.sort(key=lambda text: text.get_position()[0])
        boxes = [text.get_window_extent(renderer) for text in row]
        if not any(_overlap(first, second) for first, second in pairwise(boxes)):
            continue
        for number, text in enumerate(row):
            lift = (0.55 if number % 2 else -0.55) * float(text.get_fontsize()) / 72
            text.set_transform(text.get_transform() + ScaledTranslation(0, lift, axes.figure.dpi_scale_trans))
