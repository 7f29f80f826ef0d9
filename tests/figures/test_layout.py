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


def test_bars_with_names_need_no_label_of_another_panel():
    with figure_style():
        figure, (left, right) = subplots(2, 3.6)
        left.set_ylabel("ordinate")
        right.barh([0, 1], [1.0, 2.0])
        right.set_yticks([0, 1], ["one", "two"])
        layout.arrange(figure, *layout.NARROW)
    plt.close(figure)
    assert [axes.get_ylabel() for axes in figure.axes] == ["ordinate", ""]


NAMES = [f"a name of several words, number {k}" for k in range(3)]


def with_legends(count):
    """Return a laid-out row of three panels, so many of them with a legend that has no room in a panel."""
    with figure_style():
        figure, panels = subplots(3, 3.6)
        for k, axes in enumerate(panels):
            for height, name in enumerate(NAMES):
                axes.plot([0, 1], [height, height + k], label=name)
        for axes in panels[:count]:
            axes.legend()
        layout.arrange(figure, *layout.WIDE)
    plt.close(figure)
    figure.canvas.draw()
    return figure


def test_the_only_legend_of_a_row_has_the_width_of_the_figure():
    figure = with_legends(1)
    (legend,) = figure.legends
    assert all(axes.get_legend() is None for axes in figure.axes)
    assert [text.get_text() for text in legend.get_texts()] == NAMES
    box = legend.get_window_extent()
    assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
    assert box.y1 <= min(axes.get_window_extent().y0 for axes in figure.axes)
    assert box.width > figure.axes[0].get_window_extent().width


def test_legends_of_several_panels_stay_with_them():
    figure = with_legends(2)
    assert not figure.legends
    assert [axes.get_legend() is not None for axes in figure.axes] == [True, True, False]


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


def laid_out(figure, layout_of):
    """Return the renderer of a figure that has been laid out and drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with figure_style():
        layout.arrange(figure, *layout_of)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
    return canvas.get_renderer()


def shared(first, second):
    """Return the area that two boxes have in common."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return max(width, 0) * max(height, 0)


@pytest.mark.parametrize("named", [(0,), range(5)])
def test_the_legend_of_five_panels_takes_the_free_place_of_a_sixth(named):
    @picture
    def draw():
        figure, panels = subplots(5)
        for number, axes in enumerate(panels):
            axes.plot([0, 1], [0, 1], label="rising")
            axes.plot([0, 1], [1, 0], label="falling")
            if number in named:
                axes.legend()
        return figure

    figure = draw()
    renderer = laid_out(figure, layout.WIDE)
    (legend,) = [axes.get_legend() for axes in figure.axes if axes.get_legend() is not None]
    box = legend.get_window_extent(renderer)
    first, *_, fourth, fifth = (axes.get_tightbbox(renderer) for axes in figure.axes)
    assert box.x0 > figure.axes[4].bbox.x1 and box.y1 < fourth.y0
    assert fifth.y0 < (box.y0 + box.y1) / 2 < fifth.y1 and box.x1 <= figure.bbox.x1
    assert first.width < 0.6 * figure.bbox.width  # it takes no room from the panels


def test_legends_that_differ_stay_with_their_panels():
    @picture
    def draw():
        figure, panels = subplots(3)
        for number, axes in enumerate(panels):
            axes.plot([0, 1], [0, 1], label=f"line {number}")
            axes.legend()
        return figure

    figure = draw()
    laid_out(figure, layout.WIDE)
    assert [axes.get_legend().get_texts()[0].get_text() for axes in figure.axes] == [
        "line 0",
        "line 1",
        "line 2",
    ]


def test_long_names_beside_a_panel_leave_it_room_on_a_telephone():
    names = ["a name of several words", "another one, which is long", "short"]

    @picture
    def draw():
        figure, axes = subplots(1)
        axes.plot([1, 2, 3], range(3), "o", label="a label that is as long as the names are")
        axes.set_yticks(range(3), names)
        axes.set(title="A title of a good many words", xlabel="a number, $x = 1$", ylabel="case")
        axes.legend()
        return figure

    figure = draw()
    renderer = laid_out(figure, layout.NARROW)
    (axes,) = figure.axes
    labels = axes.get_yticklabels()
    assert [label.get_text().replace("\n", " ") for label in labels] == names
    assert axes.bbox.width > 0.5 * figure.bbox.width
    boxes = [label.get_window_extent(renderer) for label in labels]
    assert not any(shared(first, second) for first, second in pairwise(boxes))
    for text in (axes._left_title, axes.xaxis.label, *axes.get_legend().get_texts()):
        box = text.get_window_extent(renderer)
        assert box.x0 >= figure.bbox.x0 - 1 and box.x1 <= figure.bbox.x1 + 1
    assert not shared(
        axes.xaxis.label.get_window_extent(renderer), axes.get_legend().get_window_extent(renderer)
    )


def test_names_of_points_that_lie_together_part():
    x, y = np.array([0.0, 0.02, 0.03, 0.05, 1.0]), np.array([1.0, 0.98, 1.01, 0.97, 0.0])

    @picture
    def draw():
        figure, axes = subplots(1)
        axes.plot(x, y, "o")
        for number, place in enumerate(zip(x, y, strict=True)):
            axes.annotate(f"1.{number}", place, xytext=(5, 3), textcoords="offset points")
        return figure

    for layout_of in (layout.WIDE, layout.NARROW):
        figure = draw()
        renderer = laid_out(figure, layout_of)
        (axes,) = figure.axes
        boxes = [text.get_window_extent(renderer) for text in axes.texts]
        assert not any(shared(a, b) for k, a in enumerate(boxes) for b in boxes[:k])
        points = axes.transData.transform(np.column_stack([x, y]))
        for number, box in enumerate(boxes):
            away = np.hypot(*np.maximum(abs(points - (box.min + box.max) / 2) - (box.max - box.min) / 2, 0).T)
            assert away.min() > 0 and away[number] < 60  # on no point, and near its own


def test_words_of_a_row_that_lie_on_one_another_take_turns():
    words = ["attention", "learns", "interactions", "between", "particles", "tokens"]

    def row(layout_of):
        @picture
        def draw():
            figure, axes = subplots(1)
            axes.set(xlim=(0, 6), ylim=(-1, 1))
            for place, word in enumerate(words):
                axes.text(place + 0.5, 0, word, ha="center", va="center")
            return figure

        figure = draw()
        renderer = laid_out(figure, layout_of)
        return [text.get_window_extent(renderer) for text in figure.axes[0].texts]

    wide, narrow = row(layout.WIDE), row(layout.NARROW)
    assert len({round(box.y0) for box in wide}) <= 2  # one line: letters that hang below it apart
    assert not any(shared(a, b) for boxes in (wide, narrow) for a, b in pairwise(boxes))
    assert np.ptp([box.y0 for box in narrow]) > 8


def test_an_equation_is_not_broken():
    assert layout.WORD.findall("tanh, d = 5, r = 1, $N = 2$ tokens") == [
        "tanh,",
        "d = 5,",
        "r = 1,",
        "$N = 2$",
        "tokens",
    ]


def test_a_label_wider_than_its_panel_stays_in_the_figure():
    @picture
    def draw():
        figure, axes = subplots(1)
        axes.plot([0, 1], [0, 1])
        axes.set(xlabel="$a + b + c + d + e + f + g + h + k + l + m + n + o + p$", ylabel="two\nlines")
        return figure

    figure = draw()
    renderer = laid_out(figure, layout.NARROW)
    (axes,) = figure.axes
    box = axes.xaxis.label.get_window_extent(renderer)
    assert box.width > axes.bbox.width  # it would leave the figure, centred below the panel
    assert box.x0 >= figure.bbox.x0 and box.x1 <= figure.bbox.x1


@pytest.mark.parametrize(("height", "covered"), [(10.0, True), (1.0, False)])
def test_a_legend_that_covers_bars_stands_below(height, covered):
    @picture
    def draw():
        figure, axes = subplots(1)
        axes.bar([0, 1, 2], [10.0, 1.0, height], label="n")
        axes.axvspan(0.5, 2.5, alpha=0.1)  # a band across the panel hides nothing
        axes.legend(loc="upper right")
        return figure

    figure = draw()
    renderer = laid_out(figure, layout.WIDE)
    (axes,) = figure.axes
    assert (axes.get_legend().get_window_extent(renderer).y1 < axes.bbox.y0) == covered
