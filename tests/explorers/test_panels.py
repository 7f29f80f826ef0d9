import math

import pytest

from pairint.explorers.panels import Axis, Panel, Parameter, area, draw, fill, line, points, rule, short


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
        (12345, "12\u202f345"),
        (999_999, "999\u202f999"),
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
