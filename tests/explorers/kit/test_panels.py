import math
import re
from pathlib import Path

import numpy as np
import pytest

import pairint.explorers
from pairint.explorers.kit import panels as panels_module
from pairint.explorers.kit.panels import (
    Axis,
    Panel,
    Parameter,
    area,
    curves,
    draw,
    fill,
    line,
    points,
    rule,
    short,
    words,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (2.0, "2"),
        (-0.5, "−0.5"),
        (0.01234, "0.0123"),
        (9.999, "10"),
        (99.95, "100"),
        (0.00099, "9.9×10⁻⁴"),
        (1e-7, "10⁻⁷"),
        (-2.5e-7, "−2.5×10⁻⁷"),
        (1234, "1234"),
        (12345, "12,345"),
        (999_999, "999,999"),
        (1e6, "10⁶"),
        (3.14159e12, "3.14×10¹²"),
        (10**40, "10⁴⁰"),
        (math.nan, "–"),
        (None, "–"),
        (-math.inf, "−∞"),
        ("words", "words"),
    ],
)
def test_short_writes_three_significant_digits(value, text):
    assert short(value) == text


def test_fill_leaves_unknown_names():
    assert fill("{a} and {b}", {"a": 0.25}) == "0.25 and {b}"


@pytest.mark.parametrize("value", [0.4, 5.1, math.nan, "2", True])
def test_a_slider_refuses_what_it_cannot_show(value):
    slider = Parameter("beta", "smoothness", 2.0, 0.5, 5.0, 0.05)
    with pytest.raises((TypeError, ValueError), match="beta"):
        slider.check(value)


def test_an_integer_slider_refuses_fractions():
    with pytest.raises(TypeError, match="d must be an integer"):
        Parameter("d", "dimension", 3, 1, 10, integer=True).check(2.5)


def test_choices_are_listed():
    with pytest.raises(ValueError, match="'a', 'b'"):
        Parameter("law", "law", "a", scale="choice", choices=("a", "b"), names=("A", "B")).check("c")


def test_draw_puts_every_mark_in_its_panel():
    marks = (
        line("l", "curve {k}"),
        points("p", "points"),
        area("s", "surface"),
        rule("r", "rule"),
        line("gone", "absent"),
    )
    panels = [
        Panel(key, f"Panel {key}", Axis("x", "log", (1, 10)), Axis("y", range=(0, 5)), marks) for key in "abc"
    ]
    series = {
        "a.l": {"x": [1, 10], "y": [1, 4]},
        "a.p": {"x": [2], "y": [3], "low": [2.5], "high": [4]},
        "b.s": {"x": [1, 2], "y": [1, 2]},
        "b.r": {"at": 3.0},
        "c.p": {"x": [2], "y": [3]},
    }
    figure = draw(panels, series, {"k": 7}, "Title")
    a, b, c = figure.axes
    assert [text.get_text() for text in a.get_legend().get_texts()] == ["curve 7", "points"]
    assert [text.get_text() for text in b.get_legend().get_texts()] == ["surface", "rule"]
    assert (a.get_xscale(), a.get_xlim(), a.get_ylim()) == ("log", (1, 10), (0, 5))
    assert c.get_title(loc="left") == "Panel c"
    figure.canvas.draw()  # the third panel, alone in its row, takes the whole of it
    assert c.get_position().width > 1.5 * a.get_position().width


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def palettes() -> dict[str, dict[str, str]]:
    script = (Path(panels_module.__file__).parent / "palette.js").read_text(encoding="utf-8")
    found = {}
    for scheme in ("light", "dark"):
        block = re.search(rf"^  {scheme}: {{(.*?)}}", script, re.MULTILINE | re.DOTALL)[1]
        found[scheme] = dict(re.findall(r'(\w+): "(#\w{6})"', block))
    found["paper"] = panels_module.COLORS | {"rim": panels_module.RIM, "ground": "#ffffff"}
    return found


@pytest.mark.parametrize("scheme", ["light", "dark", "paper"])
def test_lines_stand_out_from_the_ground(scheme):
    """3:1 for what has to be seen (WCAG 2.2, 1.4.11): all lines and points, and the outlines of areas."""
    palette = palettes()[scheme]
    marks = [
        m
        for name in pairint.explorers.__all__
        for p in getattr(pairint.explorers, name).panels
        for m in p.marks
    ]
    used = {"rim" if mark.color == "data" else mark.color for mark in marks}
    assert {"rim", "second", "matrix", "muted"} <= used
    for role in used:
        light, dark = sorted((luminance(palette[role]), luminance(palette["ground"])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 3, (role, palette[role])


def test_curves_end_where_x_falls_and_words_name_them():
    """Several curves in one series, none joined to the next; their names hold columns of the series."""
    marks = (curves("c"), words("w", "d = {first}", anchor="end"))
    panel = Panel("a", "A", Axis("x"), Axis("y"), marks)
    series = {
        "a.c": {"x": [1, 2, 3, 1, 4], "y": [1, 3, 1, 5, 6]},
        "a.w": {"x": [3.0, 4.0], "y": [1.0, 6.0], "first": [10, 1000]},
    }
    (axes,) = draw([panel], series, {"d": 7}, "T").axes
    assert [list(curve.get_xdata()) for curve in axes.lines] == [[1, 2, 3], [1, 4]]
    assert [text.get_text() for text in axes.texts] == ["d = 10", "d = 1000"]
    assert {text.get_ha() for text in axes.texts} == {"right"}
    assert axes.get_legend() is None
    with pytest.raises(ValueError, match="anchor must be"):
        words("w", "text", anchor="left")


def test_areas_have_an_outline():
    panel = Panel("a", "A", Axis("x"), Axis("y"), (area("s", "surface"),))
    figure = draw([panel], {"a.s": {"x": [1, 2, 3], "y": [1, 3, 1]}}, {}, "T")
    (outline,) = figure.axes[0].lines
    assert outline.get_color() == panels_module.RIM
    assert list(outline.get_ydata()) == [1, 3, 1]


def test_a_point_beyond_the_axis_stands_at_its_edge():
    """On paper as in the page: zero on a logarithmic axis, or what lies outside the range, is not lost."""
    panel = Panel("a", "A", Axis("x", "log", (1, 10)), Axis("y", "log", (0.1, 1)), (points("p", "points"),))
    figure = draw([panel], {"a.p": {"x": [2, 3, 100], "y": [0.5, 0.0, 0.2]}}, {}, "T")
    _, *edges = figure.axes[0].lines
    places = [(*line.get_xdata(), *line.get_ydata()) for line in edges]
    assert places == [(3, 0.1)] * 2 + [(10, 0.2)] * 2
    assert figure.axes[0].get_xlim() == (1, 10)
    assert figure.axes[0].get_ylim() == (0.1, 1)


@pytest.mark.parametrize("equal", [True, False])
def test_circles_are_round_where_a_panel_says_so(equal):
    panel = Panel("a", "A", Axis("x", range=(-3, 3)), Axis("y", range=(-1, 1)), (line("s", ""),), equal=equal)
    figure = draw([panel], {"a.s": {"x": [0, 1], "y": [0, 1]}}, {}, "T")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    (x0, y0), (x1, y1) = axes.transData.transform([(0, 0), (1, 1)])
    assert ((x1 - x0) == pytest.approx(y1 - y0, rel=1e-6)) == equal
