"""Ordered colours for ordered parameters: curves of one symbol's values run from dark to light.

A figure names its curves in its legends. Where three or more of them differ in the value of one symbol, as
in ``rho = 0.1``, ``rho = 0.5``, ``rho = 2``, colours without an order would hide the order; here such
curves, and all that is drawn in their colours, get colours whose lightness grows with the value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.figures.style import CYCLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = ["families", "hex_color", "in_order", "ordered_colors", "shown_color", "value"]

VALUE = re.compile(r"(?:\$?(\\?[A-Za-z]+|[α-ω])\$?\s*=|\b(rank))\s*(-?\d+(?:\.\d+)?|\\infty)(?![\d.^])")
LEAST = 3  # values: two need no order
LIGHTEST = 0.7  # of viridis: a lighter line is lost on white
COLORS_OF = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")


def ordered_colors(count: int) -> list[str]:
    """Return colours of growing lightness, which are distinct for the common colour-vision deficiencies.

    Parameters
    ----------
    count : int
        At least 1.

    Returns
    -------
    list of str
        As ``#rrggbb``.
    """
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(color) for color in colormaps["viridis"](np.linspace(0.0, LIGHTEST, count))]


def hex_color(color: Any) -> str | None:
    """Return a colour as ``#rrggbb``; of several, the first; of none, None."""
    from matplotlib.colors import is_color_like, to_hex

    if not is_color_like(color):
        array = np.asarray(color) if not isinstance(color, str) else np.empty(0)
        if array.ndim != 2 or not len(array):
            return None
        color = array[0]
    return to_hex(color).upper()


def shown_color(handle: Any) -> str | None:
    """Return the colour that an entry of a legend shows, of a shape without a filling that of its edge."""
    names: tuple[str, ...] = ("get_color", "get_facecolor", "get_edgecolor")
    if getattr(handle, "get_fill", None) is not None and not handle.get_fill():
        names = ("get_edgecolor",)
    get = next((found for name in names if (found := getattr(handle, name, None)) is not None), None)
    return hex_color(get()) if get is not None else None


def value(label: str) -> tuple[str, float] | None:
    """Return the symbol and the value that a label gives it, as in ``$\\rho = 0.1$``, or None."""
    found = VALUE.search(label)
    if found is None:
        return None
    return found[1] or found[2], math.inf if found[3] == "\\infty" else float(found[3])


def families(legend: Legend) -> dict[str, str]:
    """Return, for the colours of a legend that stand for the values of one symbol, the ordered ones.

    Parameters
    ----------
    legend : matplotlib.legend.Legend

    Returns
    -------
    dict
        New colours by old ones; empty if fewer than three values of one symbol are shown, if a colour stands
        for something else too, or if a value has several colours.
    """
    plain = {color.upper() for color in CYCLE}
    values: dict[str, set[tuple[str, float] | None]] = {}
    for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
        if (color := shown_color(handle)) in plain:
            values.setdefault(str(color), set()).add(value(text.get_text()))
    found = {color: next(iter(said)) for color, said in values.items() if len(said) == 1}
    known = {color: said for color, said in found.items() if said is not None}
    distinct = set(known.values())
    one_symbol = len({symbol for symbol, _ in distinct}) == 1
    if not one_symbol or len(known) < len(values) or len(distinct) < max(LEAST, len(known)):
        return {}
    order = sorted(known, key=lambda color: known[color][1])
    return dict(zip(order, ordered_colors(len(order)), strict=True))


def _recolor(artists: Iterable[Any], new: dict[str, str]) -> None:
    from matplotlib.colors import to_rgba

    for artist in artists:
        for name in COLORS_OF:
            get, put = getattr(artist, f"get_{name}", None), getattr(artist, f"set_{name}", None)
            if get is None or put is None:
                continue
            old = get()
            if isinstance(old, str) and old in ("none", "auto", "face"):
                continue
            if (color := hex_color(old)) not in new:
                continue
            if isinstance(old, np.ndarray) and old.ndim == 2:
                if len({hex_color(row) for row in old}) == 1:
                    put([(*to_rgba(new[str(color)])[:3], row[3]) for row in old])
            else:
                put((*to_rgba(new[str(color)])[:3], to_rgba(old)[3]))


def _colors(axes: Axes) -> set[str | None]:
    return {hex_color(line.get_color()) for line in axes.lines}


def in_order(figure: Figure) -> Figure:
    """Give ordered colours to the curves of a figure that its legends order, in place; return the figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    """
    own = {axes: families(legend) for axes in figure.axes if (legend := axes.get_legend()) is not None}
    whole = [new for legend in figure.legends if (new := families(legend))]
    shared = whole or [new for new in own.values() if new]
    for axes in figure.axes:
        new = own.get(axes, {})
        # A panel without names has those of the others, if there is one way to read it.
        if axes not in own and all(each == shared[0] for each in shared[1:]) and shared:
            new = shared[0] if len(_colors(axes) & shared[0].keys()) > 1 else {}
        if new:
            _recolor(axes.findobj(), new)
    if len(whole) == 1:
        for legend in figure.legends:
            _recolor(legend.findobj(), whole[0])
    return figure
