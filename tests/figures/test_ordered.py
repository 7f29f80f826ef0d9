"""Ordered colours and direct labels: what a legend says decides, and nothing else of a figure changes."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb

from pairint.figures.direct import hides, label_directly, spread
from pairint.figures.layout import arrange
from pairint.figures.ordered import families, in_order, ordered_colors, value
from pairint.figures.style import CYCLE, figure_style, picture


def lightness(color):
    return float(np.dot(to_rgb(color), (0.2126, 0.7152, 0.0722)))


def curves(labels, powers=(1, 2, 3, 4), legend=True, **options):
    """A figure of one panel with a curve for each label."""
    with figure_style():
        figure, axes = plt.subplots()
        x = np.linspace(0, 1, 50)
        for label, power, color in zip(labels, powers, CYCLE, strict=False):
            axes.plot(x, power * x, color=color, label=label, **options)
        if legend:
            axes.legend()
    plt.close(figure)
    return figure, axes


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("$\\rho = 0.1$", ("\\rho", 0.1)),
        ("AMP, $T = 3$, $d = 100$", ("T", 3.0)),
        ("$d$ = 30, oracle: slope -0.79 [-0.8, -0.7]", ("d", 30.0)),
        ("believes ρ = 2", ("ρ", 2.0)),
        ("$\\rho = \\infty$", ("\\rho", np.inf)),
        ("rank 5", ("rank", 5.0)),
        ("$\\epsilon = 10^{-3}$", None),
        ("AMP", None),
        ("one head of a sum of 2", None),
    ],
)
def test_value_of_a_label(label, found):
    assert value(label) == found


def test_lightness_grows():
    for count in range(1, 9):
        steps = np.diff([lightness(color) for color in ordered_colors(count)])
        assert (steps > 0).all()
        assert lightness(ordered_colors(count)[-1]) <= lightness(CYCLE[1])  # seen on white


def test_values_are_ordered_whatever_the_order_of_the_legend():
    figure, axes = curves(["$\\beta = 4$", "$\\beta = 0.5$", "$\\beta = 2$"])
    axes.axhline(0.2, color="#222222", label="$\\beta$ of no curve")
    fill = axes.fill_between([0, 1], 0, 1, color=CYCLE[1], alpha=0.25)
    in_order(figure)
    assert [to_hex(line.get_color()) for line in axes.lines[:3]] == [ordered_colors(3)[k] for k in (2, 0, 1)]
    assert to_hex(axes.lines[3].get_color()) == "#222222"
    assert to_hex(fill.get_facecolor()[0]) == ordered_colors(3)[0] and fill.get_facecolor()[0][3] == 0.25
    assert to_hex(axes.get_legend().legend_handles[0].get_color()) == ordered_colors(3)[2]


@pytest.mark.parametrize(
    "labels",
    [
        ["$N = 2$", "$N = 4$"],  # two need no order
        ["$N = 2$", "$N = 4$", "$d = 3$"],  # two symbols
        ["$N = 2$", "$N = 4$", "$N = 8$", "oracle"],  # a colour that stands for something else
        ["$N = 2$", "$N = 2$", "$N = 4$", "$N = 8$"],  # a value of two colours
        ["fit", "oracle", "truth"],
    ],
)
def test_colours_without_an_order_stay(labels):
    figure, axes = curves(labels)
    before = [line.get_color() for line in axes.lines]
    assert families(axes.get_legend()) == {}
    assert [line.get_color() for line in in_order(figure).axes[0].lines] == before


def test_a_panel_without_names_has_those_of_the_other():
    with figure_style():
        figure, panels = plt.subplots(1, 2)
        for panel in panels:
            for n, color in zip((2, 4, 8), CYCLE, strict=False):
                panel.errorbar([1, 2], [n, n], [1, 1], color=color, marker="o", label=f"$N = {n}$")
        panels[0].legend()
    plt.close(figure)
    in_order(figure)
    for panel in panels:
        assert [to_hex(bar.lines[0].get_color()) for bar in panel.containers] == ordered_colors(3)
        assert [to_hex(bar.lines[2][0].get_color()[0]) for bar in panel.containers] == ordered_colors(3)


def test_histograms_are_ordered():
    with figure_style():
        figure, axes = plt.subplots()
        for d, color in zip((1, 5, 30), CYCLE, strict=False):
            axes.hist([1, 2, d], 5, histtype="step", color=color, label=f"$d = {d}$")
        axes.legend()
    plt.close(figure)
    in_order(figure)
    assert [to_hex(shape.get_edgecolor()) for shape in axes.patches] == ordered_colors(3)


def test_every_picture_is_ordered():
    figure = picture(lambda: curves(["$r = 1$", "$r = 2$", "$r = 3$"])[0])()
    assert to_hex(figure.axes[0].lines[0].get_color()) == ordered_colors(3)[0]


def labelled(figure):
    """The names at the ends of curves, after the layout of the book."""
    with figure_style():
        arrange(figure, 7.6, 1)
    axes = figure.axes[0]
    legend = axes.get_legend()
    kept = [text.get_text() for text in legend.get_texts()] if legend else []
    return [text for text in axes.texts if text.get_text()], kept


def test_names_stand_at_the_ends_of_curves():
    figure, axes = curves(["one", "two", "three"])
    axes.axhline(0.1, color="#222222", label="threshold")
    with figure_style():
        axes.legend()
    names, kept = labelled(figure)
    assert [text.get_text() for text in names] == ["one", "two", "three"] and kept == ["threshold"]
    for text, line in zip(names, axes.lines, strict=False):
        assert text.xy == pytest.approx((line.get_xdata()[-1], line.get_ydata()[-1]), rel=1e-9)
    figure.canvas.draw()
    right = max(text.get_window_extent().x1 for text in names)
    assert right <= figure.bbox.width  # the layout has made room


@pytest.mark.parametrize(
    ("labels", "options"),
    [
        (["one", "two", "three"], {"powers": (1, 1.001, 2)}),  # two ends in one place
        (["one", "two", "a name that would take half of the panel to write"], {}),
        (["one", "two"], {"linestyle": "None", "marker": "o"}),  # dots have no end
        (["only one"], {}),
    ],
)
def test_without_room_the_legend_stays(labels, options):
    names, kept = labelled(curves(labels, **options)[0])
    assert names == [] and kept == labels


def test_values_of_one_symbol_are_named_in_one_way():
    """If one of them has dots of its colour, none is moved."""
    figure, axes = curves(["$N = 2$", "$N = 4$", "$N = 8$"])
    axes.plot([0.5], [2], "o", color=CYCLE[1])
    names, kept = labelled(figure)
    assert names == [] and len(kept) == 3


def test_a_curve_that_ends_early_keeps_its_legend():
    figure, axes = curves(["one", "two"])
    axes.set_xlim(0, 2)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    assert not label_directly(axes, axes.get_legend(), canvas.get_renderer())


def test_names_of_near_ends_move_apart_in_their_order():
    """The ends are told apart, and a name stands beside its own."""
    figure, _ = curves(["one", "two", "three"], powers=(1, 1.06, 2))
    names, kept = labelled(figure)
    assert [text.get_text() for text in names] == ["one", "two", "three"] and kept == []
    figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in names), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(boxes))  # a pixel of rounding
    assert names[0].get_position()[1] < 0 < names[1].get_position()[1]


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=8), st.floats(0.5, 20))
@settings(max_examples=60, deadline=None)
def test_what_is_spread_is_apart_and_near(heights, gap):
    heights = np.sort(heights)
    found = spread(heights, gap)
    rounding = 1e-9 * (50 + 8 * gap)
    assert (np.diff(found) >= gap - rounding).all()
    assert found.mean() == pytest.approx(heights.mean(), abs=rounding)  # pools keep their means
    if (np.diff(heights) >= gap).all():
        np.testing.assert_allclose(found, heights, atol=rounding)


@pytest.mark.parametrize(
    ("place", "hidden"), [("upper left", False), ("lower right", False), ("center", True)]
)
def test_a_legend_that_hides_a_curve_stands_below(place, hidden):
    figure, axes = curves(["a short name"])
    axes.legend(loc=place)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    assert hides(axes, axes.get_legend(), canvas.get_renderer()) is hidden
    with figure_style():
        arrange(figure, 7.6, 1)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    legend, panel = axes.get_legend().get_window_extent(), axes.get_window_extent()
    assert (legend.y1 < panel.y0) == hidden


def test_a_legend_hides_points_and_not_a_rule():
    with figure_style():
        figure, axes = plt.subplots()
        axes.axhline(0.5, label="rule")
        axes.set(xlim=(0, 1), ylim=(0, 1))
        axes.legend(loc="center")
    plt.close(figure)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    assert not hides(axes, axes.get_legend(), canvas.get_renderer())
    axes.scatter([0.5], [0.5])
    assert hides(axes, axes.get_legend(), canvas.get_renderer())
