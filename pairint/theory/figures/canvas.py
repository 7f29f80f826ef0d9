"""Axes in the book's style, on figures that notebooks show exactly once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

from matplotlib.figure import Figure

from pairint.style import figure_style

__all__ = ["axes", "picture"]

P = ParamSpec("P")


def picture(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draw in the book's style, and close the figure: a notebook then shows what is returned, once."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        import matplotlib.pyplot as plt

        with figure_style():
            figure = draw(*args, **kwargs)
        plt.close(figure)
        return figure

    return drawn


def axes(columns: int = 1, height: float = 4.0, **kwargs: Any) -> tuple[Figure, Any]:
    """Return a figure and its axes (one, or an array of them in a row)."""
    import matplotlib.pyplot as plt

    # A page is seven to eight inches wide: wider figures are shown with smaller letters.
    width = {1: 7.0, 2: 8.4}.get(columns, 3.1 * columns)
    return plt.subplots(1, columns, figsize=(width, height), **kwargs)
