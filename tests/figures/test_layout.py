"""Layouts of a finished figure: what must hold for each panel, title, legend and letter."""

import re
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pairint.figures import layout
from pairint.figures.style import figure_style, picture, subplots

PHONE = 350  # CSS pixels of the column on a telephone of 390
LEAST = 11  # CSS pixels of a letter


@picture
def three(sharey=False):
    figure, panels = subplots(3, 3.6, sharey=sharey)
    for k, axes in enumerate(panels):
        axes.plot(
            np.arange(5), np.arange(5) * (k + 1), label="a curve with a name that is long for one panel"
        )
        axes.set_title(f"Panel {k + 1}: a title of many words, with $a + b = c$ in the midst of it")
        axes.set_xlabel("abscissa")
        axes.legend(fontsize=6)
        axes.tick_params(labelsize=7)
        axes.text(1, 1, "a word", fontsize=5)
    panels[0].set_ylabel("ordinate")
    return figure


def boxes(figure):
    """Return the place of each panel, drawn."""
    figure.canvas.draw()
    return [axes.get_window_extent() for axes in figure.axes]


def in_a_row(count, **kwargs):
    with figure_style():
        figure, panels = subplots(count, 3.6, **kwargs)
        for k, axes in enumerate(panels):
            axes.plot([0, 1], [0, k + 1.0])
        layout.arrange(figure, *layout.WIDE)
    plt.close(figure)
    return figure


def test_panels_take_at_most_so_many_columns():
    figure = in_a_row(4)
    first, second, third, _ = boxes(figure)
    assert figure.get_size_inches()[0] == layout.WIDE[0]
    assert first.y0 == pytest.approx(second.y0, abs=1) and first.x1 < second.x0
    assert third.y1 < first.y0 and third.x0 == pytest.approx(first.x0, abs=1)


def test_three_stay_in_a_row():
    """Two and one would leave a hole."""
    places = boxes(in_a_row(3))
    assert all(left.x1 < right.x0 for left, right in pairwise(places))
    assert all(box.y0 == pytest.approx(places[0].y0, abs=1) for box in places)


def test_what_panels_share_is_said_beside_the_first_column_and_below_the_last_row():
    with figure_style():
        figure, panels = plt.subplots(2, 3, layout="constrained", sharex=True)
        for axes in panels[-1]:
            axes.set_xlabel("samples")
        for axes in panels[:, 0]:
            axes.set_ylabel("error")
        layout.arrange(figure, *layout.WIDE)
    plt.close(figure)
    assert [axes.get_ylabel() for axes in figure.axes] == ["error", ""] * 3
    assert [axes.get_xlabel() for axes in figure.axes] == [""] * 4 + ["samples"] * 2


def test_labels_of_their_own_stay():
    figure = in_a_row(4)
    for k, axes in enumerate(figure.axes):
        axes.set_ylabel(f"label {k}")
    layout.arrange(figure, *layout.NARROW)
    assert [axes.get_ylabel() for axes in figure.axes] == [f"label {k}" for k in range(4)]


@pytest.mark.parametrize(
    ("limits", "least"),
    [((300, 8000), 4), ((3e-3, 9e-3), 3), ((0.6, 8.0), 3), ((0.02, 0.05), 3), ((0.99, 1.09), 4)],
)
def test_a_short_logarithmic_axis_has_plain_numbers(limits, least):
    with figure_style():
        figure, axes = subplots(1)
        axes.plot(limits, [0, 1])
        axes.set(xscale="log", xlim=limits)
        layout.arrange(figure, *layout.WIDE)
    plt.close(figure)
    figure.canvas.draw()
    low, high = axes.get_xlim()
    assert (low, high) == pytest.approx(limits)
    labels = [t.get_text() for t in axes.get_xticklabels() if low <= t.get_position()[0] <= high]
    assert len(labels) >= least and all(re.fullmatch(r"[\d,.]+", text) for text in labels)
    assert not any(text.get_text() for text in axes.get_xticklabels(minor=True))


def test_a_long_one_keeps_its_powers():
    with figure_style():
        figure, axes = subplots(1)
        axes.loglog([10, 1e4], [1, 2])
        layout.arrange(figure, *layout.WIDE)
    plt.close(figure)
    figure.canvas.draw()
    assert any("10^{3}" in text.get_text() for text in axes.get_xticklabels())


def test_a_legend_on_bars_goes_below():
    with figure_style():
        figure, axes = subplots(1)
        axes.bar(np.arange(10), np.ones(10), label="bars everywhere")
        axes.legend(loc="upper right")
        layout.arrange(figure, *layout.WIDE)
    plt.close(figure)
    figure.canvas.draw()
    assert axes.get_legend().get_window_extent().y1 < axes.get_window_extent().y0


def test_the_colours_of_a_scale_are_marked_for_the_dark():
    """The cloud and its bar must stay alike; a cloud of one colour is drawn as others are."""
    with figure_style():
        figure, axes = subplots(1)
        cloud = axes.scatter([0, 1], [0, 1], c=[0.0, 1.0])
        axes.scatter([0, 1], [1, 0])
        figure.colorbar(cloud, ax=axes)
        drawn = layout.svg(figure)
    plt.close(figure)
    assert drawn.count('id="QuadMesh-cloud"') == 1
    assert "<image" in drawn  # the bar: as shapes its colours have seams


@pytest.mark.parametrize("sharey", [False, True])
def test_on_a_telephone_panels_stack_and_nothing_leaves_the_figure_or_covers_another(sharey):
    figure = three(sharey)
    with figure_style():
        layout.arrange(figure, *layout.NARROW)
    places = boxes(figure)
    assert all(upper.y0 > lower.y1 for upper, lower in pairwise(places))
    renderer = figure.canvas.get_renderer()
    for axes, box in zip(figure.axes, places, strict=True):
        title, legend = axes._left_title.get_window_extent(renderer), axes.get_legend()
        assert title.width <= box.width + 1  # a pixel: extents are whole ones
        assert legend.get_window_extent(renderer).y1 < box.y0  # it would have covered the panel
        assert axes.get_tightbbox(renderer).x1 <= figure.bbox.x1 + 1
        assert axes.get_tightbbox(renderer).y0 >= -1
        assert axes.get_ylabel() == "ordinate"
        assert any(label.get_visible() and label.get_text() for label in axes.get_yticklabels())


def test_a_formula_is_not_broken():
    figure = three()
    with figure_style():
        layout.arrange(figure, *layout.NARROW)
    lines = figure.axes[0]._left_title.get_text().split("\n")
    assert len(lines) > 1 and all(line.count("$") % 2 == 0 for line in lines)
    assert " ".join(lines) == three().axes[0]._left_title.get_text()


def test_letters_of_the_narrow_layout_can_be_read_on_a_telephone():
    figure = three()
    size = figure.get_size_inches().tolist()
    text = layout.svg_pair(figure)
    assert figure.get_size_inches().tolist() == size  # the figure itself is as it was
    narrow = text[text.index("<metadata><svg") :]
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', narrow)[1])
    scales = [float(scale) for scale in re.findall(r"translate\([^)]*\) scale\(([\d.]+) -", narrow)]
    assert scales and min(scales) * 100 * PHONE / width >= LEAST


def test_a_legend_of_the_whole_figure_fits_a_telephone():
    @picture
    def draw():
        figure, axes = subplots(2)
        for axis in axes:
            lines = [axis.plot([0, k], label=f"a curve with a long name, {k}")[0] for k in range(4)]
        figure.legend(handles=lines, loc="outside lower center", ncols=4)
        return figure

    figure = draw()
    with figure_style():
        layout.arrange(figure, *layout.NARROW)
    lowest = boxes(figure)[-1]
    (legend,) = figure.legends
    box = legend.get_window_extent(figure.canvas.get_renderer())
    assert len(legend.get_texts()) == 4
    assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0 and box.y1 < lowest.y0


def test_a_figure_made_of_figures_has_one_layout():
    @picture
    def draw():
        import matplotlib.pyplot as plt

        figure = plt.figure(figsize=(9, 6))
        for part in figure.subfigures(2, 1):
            part.subplots(1, 2)
        return figure

    assert "<metadata><svg" not in layout.svg_pair(draw())


def test_what_has_thousands_of_points_is_a_picture():
    @picture
    def cloud(count):
        figure, axes = subplots()
        axes.scatter(np.arange(count), np.arange(count))
        return figure

    assert "<image" not in layout.svg(cloud(100))
    many = layout.svg(cloud(20_000))
    assert "<image" in many and len(many) < 200_000


def test_a_notebook_shows_svg_in_the_build_only(monkeypatch):
    pytest.importorskip("IPython")
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    try:
        monkeypatch.delenv("PAIRINT_STATIC", raising=False)
        assert "image/svg+xml" not in shell.display_formatter.format(three())[0]
        monkeypatch.setenv("PAIRINT_STATIC", "1")
        assert "<metadata><svg" in shell.display_formatter.format(three())[0]["image/svg+xml"]
    finally:
        InteractiveShell.clear_instance()


@pytest.mark.parametrize(("width", "columns"), [(0.0, 1), (float("nan"), 1), (5.0, 0)])
def test_bad_layouts(width, columns):
    with pytest.raises(ValueError, match=r"width|columns"):
        layout.arrange(three(), width, columns)
