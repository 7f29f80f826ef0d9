"""What an interactive figure is made of: controls, panels, marks; and its picture for paper.

A figure is described once, here in Python: its words, colours, axes, controls. The numbers come from
``compute`` of the explorer (in Python, with the package) or from ``compute`` of its ES module (in the page,
tested against the former). ``panel.js`` draws the description in the page, :func:`draw` on paper.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pairint.figures.style import CYCLE, INK, ROLES, figure_style
from pairint.validation import check_choice, check_integer, check_real

__all__ = [
    "COLORS",
    "RIM",
    "Axis",
    "Mark",
    "Panel",
    "Parameter",
    "Series",
    "area",
    "curves",
    "draw",
    "fill",
    "line",
    "points",
    "rule",
    "short",
    "words",
]

#: What is drawn: ``"panel.mark"`` to the columns of that mark.
Series = dict[str, dict[str, Any]]


def columns(rows: Sequence[tuple[float, float]]) -> dict[str, list[float]]:
    """Return the columns ``x`` and ``y`` of a mark from its rows."""
    return {"x": [x for x, _ in rows], "y": [y for _, y in rows]}


def rounded(values: Iterable[float], digits: int) -> list[float]:
    """Return so many significant digits of each value: more than are drawn, and light in a page."""
    return [float(f"{value:.{digits}g}") for value in values]


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_DASHES = {"solid": "-", "dash": (0, (5, 3)), "dot": (0, (1.2, 2.2)), "dashdot": (0, (5, 2, 1.2, 2))}
_SYMBOLS = {"circle": "o", "square": "s", "diamond": "D", "triangle": "^", "cross": "x", "tick": 2}
#: What a mark may say by its colour: a role of the whole book; or nothing beyond the figure, as ``"first"``.
COLORS = dict(ROLES) | {"first": CYCLE[0], "second": CYCLE[1], "third": CYCLE[4], "fourth": CYCLE[2]}
#: The orange of the cycle has too little contrast on white for a line; so have data, but for their rim.
COLORS |= {"ink": INK, "muted": "#57606a", "second": "#B37600"}
RIM = "#2B83B8"


@dataclass(frozen=True)
class Parameter:
    """One control: a slider, or a list of choices.

    Parameters
    ----------
    key : str
        Name in Python, in links and in the sentences.
    label : str
        What the reader sees, in Unicode (no LaTeX in a control).
    value : float, int or str
        The first view.
    minimum, maximum : float
        Range of a ``"linear"`` or ``"log"`` slider.
    step : float
        Step of a linear slider; a logarithmic one gives three significant digits.
    scale : {"linear", "log", "list", "choice"}
        ``"list"``: a slider over ``choices``, numbers but for some words; ``"choice"``: a drop-down list.
    integer : bool
    choices, names : sequence
        Values and, for ``"choice"``, what the reader sees for each.
    at_most : str
        Key of another parameter that this one cannot exceed.
    unit : str
    presets : mapping
        Values of other parameters that choosing one of the ``choices`` also sets. The choice falls back to
        the first one when they take other values.
    """

    key: str
    label: str
    value: Any
    minimum: float | None = None
    maximum: float | None = None
    step: float | None = None
    scale: str = "linear"
    integer: bool = False
    choices: Sequence[Any] = ()
    names: Sequence[str] = ()
    at_most: str | None = None
    unit: str = ""
    presets: Mapping[Any, Mapping[str, Any]] | None = None

    def check(self, value: Any) -> Any:
        """Return ``value`` if the control can show it, or raise naming the parameter."""
        if self.scale in ("list", "choice"):
            return check_choice(self.key, value, tuple(self.choices))
        check: Callable[..., float] = check_integer if self.integer else check_real
        return check(self.key, value, self.minimum, self.maximum)


@dataclass(frozen=True)
class Axis:
    """An axis: label with unit, scale, and a fixed range unless it follows the data."""

    label: str
    scale: str = "linear"
    range: tuple[float, float] | None = None
    zero: bool = False


@dataclass(frozen=True)
class Mark:
    """Something drawn in a panel: made by :func:`line`, :func:`points`, :func:`area`, :func:`rule`,
    :func:`curves`, :func:`words`.
    """

    kind: str
    key: str
    label: str
    color: str = "ink"
    dash: str = "solid"
    width: float = 2.0
    symbol: str = "circle"
    opacity: float = 1.0
    axis: str = "x"
    text: str = ""
    anchor: str = "start"


def line(key: str, label: str, color: str = "ink", dash: str = "solid", width: float = 2.0) -> Mark:
    """Return a curve through ``x``, ``y``."""
    return Mark("line", key, label, color, dash, width)


def points(
    key: str, label: str, color: str = "ink", symbol: str = "circle", size: float = 4.0, opacity: float = 1.0
) -> Mark:
    """Return points ``x``, ``y``, with error bars if the series has ``low`` and ``high``."""
    return Mark("points", key, label, color, width=size, symbol=symbol, opacity=opacity)


def area(key: str, label: str, color: str = "data", opacity: float = 0.35) -> Mark:
    """Return the surface between ``low`` (0 if absent) and ``y``."""
    return Mark("area", key, label, color, opacity=opacity)


def rule(
    key: str, label: str, axis: str = "x", color: str = "ink", dash: str = "dash", width: float = 1.4
) -> Mark:
    """Return a line across the panel at the value ``at`` of an axis."""
    return Mark("rule", key, label, color, dash, width, axis=axis)


def curves(
    key: str,
    color: str = "ink",
    dash: str = "solid",
    width: float = 1.4,
    opacity: float = 0.4,
    label: str = "",
) -> Mark:
    """Return faint curves that the reader tells apart by words beside them, if at all: one after the other in
    ``x``, ``y``, the next beginning where ``x`` falls.
    """
    return Mark("curves", key, label, color, dash, width, opacity=opacity)


def words(key: str, text: str, color: str = "ink", anchor: str = "start") -> Mark:
    """Return words in the panel at the places ``x``, ``y``: ``start``, ``middle`` or ``end`` stands there.

    ``{name}`` in the text is the series' column of that name.
    """
    check_choice("anchor", anchor, ("start", "middle", "end"))
    return Mark("words", key, "", color, text=text, anchor=anchor)


@dataclass(frozen=True)
class Panel:
    """One pair of axes. ``height`` is in CSS pixels, ``grow`` the share of the width.

    With ``equal`` a unit is as long on both axes: circles are round. The horizontal range follows.
    """

    key: str
    title: str
    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    height: int = 300
    grow: float = 1.0
    equal: bool = False


def short(x: Any) -> str:
    """Return three significant digits for people, by the same rules as ``short`` of ``numbers.js``.

    Examples
    --------
    >>> short(0.01234), short(2.5e-7), short(40)
    ('0.0123', '2.5×10⁻⁷', '40')
    """
    if isinstance(x, str):
        return x
    x = math.nan if x is None else float(x)
    if math.isnan(x):
        return "–"
    if math.isinf(x):
        return "∞" if x > 0 else "−∞"
    if x == 0:
        return "0"
    size, sign = abs(x), "−" if x < 0 else ""
    if size >= 999_999.5 or size < 0.000999:
        mantissa, power_of_ten = f"{size:.2e}".split("e")
        digits = _trim(mantissa)
        power = "10" + str(int(power_of_ten)).translate(_SUPERSCRIPTS)
        return sign + (power if digits == "1" else f"{digits}×{power}")
    if size.is_integer() or size >= 999.5:
        whole = str(math.floor(size + 0.5))
        return sign + (f"{int(whole):,}" if len(whole) > 4 else whole)
    exponent = int(f"{size:.2e}".split("e")[1])  # after rounding: 9.999 has the digits of 10.0
    return sign + _trim(f"{size:.{2 - exponent}f}")


def _trim(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def fill(template: str, facts: Mapping[str, Any]) -> str:
    """Replace ``{name}`` by the fact of that name, shortened; unknown names stay as they are."""
    return re.sub(r"\{(\w+)\}", lambda m: short(facts[m[1]]) if m[1] in facts else m[0], template)


def draw(
    panels: Sequence[Panel],
    series: Mapping[str, Mapping[str, Any]],
    facts: Mapping[str, Any],
    title: str,
) -> Any:
    """Draw the panels with Matplotlib, in the book's style.

    Parameters
    ----------
    panels : sequence of Panel
    series : mapping
        ``"panel.mark"`` to ``{"x": ..., "y": ...}`` (with ``low``, ``high``) or ``{"at": ...}``.
    facts : mapping
        Fills the ``{name}`` in the labels.
    title : str

    Returns
    -------
    matplotlib.figure.Figure
        Not registered with pyplot: nothing to close.
    """
    from matplotlib.figure import Figure
    from matplotlib.transforms import offset_copy

    with figure_style():
        columns = min(2, len(panels))
        rows = -(-len(panels) // columns)
        heights = [max(p.height for p in panels[row * columns : (row + 1) * columns]) for row in range(rows)]
        width = 5.6 * columns if columns > 1 else 7.0
        figure = Figure(figsize=(width, sum(heights) / 90 + 1.3 * rows), layout="constrained")
        grid = figure.add_gridspec(rows, columns, height_ratios=[h + 90 for h in heights])
        figure.suptitle(title, fontweight="bold")
        for i, panel in enumerate(panels):
            alone = i == len(panels) - 1 and i % columns == 0
            axes = figure.add_subplot(grid[i // columns, :] if alone else grid[i // columns, i % columns])
            axes.set(xscale=panel.x.scale, yscale=panel.y.scale, title=fill(panel.title, facts))
            axes.set(xlabel=fill(panel.x.label, facts), ylabel=fill(panel.y.label, facts))
            for mark in panel.marks:
                data = series.get(f"{panel.key}.{mark.key}")
                if data:
                    _draw_mark(axes, mark, data, fill(mark.label, facts))
            if panel.x.range:
                axes.set_xlim(panel.x.range)
            if panel.y.range:
                axes.set_ylim(panel.y.range)
            if panel.equal:
                axes.set_aspect("equal")
            if panel.y.range is None and panel.y.scale == "log":  # ten decades at most, as in the page
                high = axes.dataLim.y1
                low = max(axes.dataLim.minposy, 1e-10 * high)
                pad = max(1.25, (high / low) ** 0.04)
                axes.set_ylim(low / pad, high * pad)
            for axis, description, limits in (
                (axes.xaxis, panel.x, axes.get_xlim()),
                (axes.yaxis, panel.y, axes.get_ylim()),
            ):
                if description.scale == "log":
                    _log_ticks(axis, limits)
            for mark in panel.marks:
                if mark.kind == "points" and (data := series.get(f"{panel.key}.{mark.key}")):
                    _draw_beyond(axes, mark, data)
            if axes.get_legend_handles_labels()[0]:
                below = offset_copy(axes.transAxes, figure, 0, -36, units="points")
                axes.legend(
                    loc="upper center",
                    bbox_to_anchor=(0.5, 0),
                    bbox_transform=below,
                    ncols=columns,
                    frameon=False,
                )
    return figure


def _log_ticks(axis: Any, limits: tuple[float, float]) -> None:
    """Label decades, and 1, 2, 5 where the axis covers less than two decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    if limits[1] / limits[0] < 100:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(float(f"{value:.6g}"))))
    axis.set_minor_locator(NullLocator())


def _draw_beyond(axes: Any, mark: Mark, data: Mapping[str, Any]) -> None:
    """Draw the points beyond an axis at its edge, with an arrowhead, as the page does.

    Such are zeros on a logarithmic axis, and what lies outside a given range.
    """
    limits = np.array([axes.get_xlim(), axes.get_ylim()])
    place = np.array([data["x"], data["y"]], dtype=float)
    inside = np.clip(place, limits[:, :1], limits[:, 1:])
    for (x, y), (dx, dy) in zip(inside.T, np.sign(place - inside).T, strict=True):
        if dx or dy:
            style = {
                "color": COLORS[mark.color],
                "linestyle": "",
                "clip_on": False,
                "label": "_",
                "zorder": 3,
            }
            axes.plot(x, y, marker=_SYMBOLS[mark.symbol], markersize=1.6 * mark.width, **style)
            turned = math.degrees(math.atan2(dy, dx)) - 90
            axes.plot(x, y, marker=(3, 0, turned), markersize=7, fillstyle="none", **style)


def _draw_mark(axes: Any, mark: Mark, data: Mapping[str, Any], label: str) -> None:
    color = COLORS[mark.color]
    edge = RIM if mark.color == "data" else color
    label = label or "_"
    if mark.kind == "rule":
        across = axes.axvline if mark.axis == "x" else axes.axhline
        across(data["at"], color=color, linestyle=_DASHES[mark.dash], linewidth=mark.width, label=label)
        return
    x, y = np.asarray(data["x"], dtype=float), np.asarray(data["y"], dtype=float)
    if x.size == 0:
        return
    if mark.kind == "line":
        axes.plot(x, y, color=color, linestyle=_DASHES[mark.dash], linewidth=mark.width, label=label)
    elif mark.kind == "curves":
        for curve in np.split(np.arange(x.size), 1 + np.flatnonzero(np.diff(x) <= 0)):
            style = {"linestyle": _DASHES[mark.dash], "linewidth": mark.width, "alpha": mark.opacity}
            axes.plot(x[curve], y[curve], color=color, label="_", **style)
    elif mark.kind == "words":
        side = {"start": "left", "middle": "center", "end": "right"}[mark.anchor]
        for i in range(x.size):
            text = fill(mark.text, {name: column[i] for name, column in data.items()})
            axes.text(x[i], y[i], text, color=color, ha=side, va="center", fontsize="small")
    elif mark.kind == "area":
        axes.fill_between(x, data.get("low", 0.0), y, color=color, alpha=mark.opacity, label=label, lw=0)
        axes.plot(x, y, color=edge, linewidth=1.0, label="_")
    else:
        style = {"marker": _SYMBOLS[mark.symbol], "color": color, "alpha": mark.opacity, "linestyle": ""}
        style |= {"markeredgecolor": edge, "markeredgewidth": 0.8}
        if "low" in data:
            spread = np.clip([y - np.asarray(data["low"]), np.asarray(data["high"]) - y], 0, None)
            axes.errorbar(x, y, spread, markersize=1.4 * mark.width, label=label, **style)
        else:
            axes.plot(x, y, markersize=1.6 * mark.width, label=label, **style)
