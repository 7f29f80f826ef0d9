"""Figures put into a page: colours that can be seen in both themes, identifiers of their own."""

import itertools
import re
from xml.etree import ElementTree

import drawings
import numpy as np
import pytest
from docutils import nodes

from pairint.figures.layout import svg_pair
from pairint.figures.ordered import ordered_colors
from pairint.figures.style import CYCLE, INK, ROLES, picture, subplots

LIGHT_GREYS = ("#dddddd", "#cccccc", "#ffffff")  # grid, edges, ground: faint on purpose


@picture
def two():
    figure, (left, right) = subplots(2)
    left.plot([0, 1], [0, 1], "o-", label="rising")
    left.legend()
    right.pcolormesh(np.arange(9.0).reshape(3, 3), cmap="RdBu")
    return figure


@pytest.mark.parametrize("color", [INK, *ROLES.values(), *CYCLE])
def test_each_colour_of_the_book_can_be_read_in_the_dark(color):
    assert drawings.contrast(drawings.darkened(color), drawings.GROUND) >= 4.5


def test_a_grey_is_turned_over():
    light = [drawings.luminance(drawings.channels(grey)) for grey in ("#222222", "#888888", *LIGHT_GREYS)]
    dark = [
        drawings.luminance(drawings.channels(drawings.darkened(grey)))
        for grey in ("#222222", "#888888", *LIGHT_GREYS)
    ]
    assert np.argsort(light).tolist() == np.argsort(dark)[::-1].tolist()
    assert drawings.darkened("#ffffff") == drawings.GROUND


@pytest.mark.parametrize("grey", LIGHT_GREYS)
def test_a_light_grey_is_not_lost_in_the_dark(grey):
    """It stands out from the dark ground at least as much as it does from white."""
    in_the_dark = drawings.contrast(drawings.darkened(grey), drawings.GROUND)
    assert in_the_dark >= drawings.contrast(grey, "#ffffff")


def test_contrast_is_that_of_wcag():
    assert drawings.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert drawings.contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


def test_two_drawings_of_a_page_share_no_identifier_and_miss_none():
    text = svg_pair(two())
    shared = drawings.Shared()
    first, second = (drawings.drawing(text, f"d{k}", "An alternative text", shared) for k in range(2))
    page = shared.html() + first + second
    identifiers = re.findall(r' id="([^"]+)"', page)
    assert identifiers and len(identifiers) == len(set(identifiers))
    wanted = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', page))
    assert wanted == set(identifiers)
    assert shared.letters and "letter-" in first and ' id="letter-' not in first  # once a page
    assert first.count('aria-label="An alternative text"') == first.count('role="img"') == 2
    assert "<style" not in first and "<metadata" not in first
    for color in shared.colors:
        assert f"--c{color[1:]}:" in shared.html()
    left = re.sub(r"var\(--c\w+,#\w+\)", "", first)
    heat = ElementTree.fromstring(text).findall(".//{*}g[@id='QuadMesh_1']/{*}path")
    assert len(heat) == 2 * 9  # of both layouts: a map keeps its colours, and only a map does
    kept = [color for path in heat for color in re.findall(r"#[0-9a-f]{6}\b", path.get("style"))]
    assert sorted(re.findall(r"#[0-9a-f]{6}\b", left)) == sorted(kept)


@picture
def maps():
    figure, (diverging, ordered) = subplots(2, 3.0)
    for axes, colors in ((diverging, "RdBu_r"), (ordered, "cividis")):
        figure.colorbar(axes.imshow([[-1.0, 1.0]], cmap=colors), ax=axes)
    return figure


def test_heat_maps_that_are_white_inside_are_turned_over_in_the_dark_with_their_bars():
    html = drawings.drawing(svg_pair(maps()), "d", "Two maps", drawings.Shared())
    assert html.count("image/png") == 2 * 4  # of both layouts: maps and bars
    assert html.count('class="turned"') == 2 * 2
    assert "turned-" not in html  # names repeat from figure to figure


def test_a_figure_without_a_narrow_layout_is_always_seen():
    empty = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 72 36"/>'
    html = drawings.drawing(empty, "d", "Nothing", drawings.Shared())
    assert html.startswith('<div class="drawing single">') and 'width="96"' in html


def outlined(name, path):
    """Return a drawing of one letter."""
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return (
        f'<svg {spaces} viewBox="0 0 72 36">'
        f'<defs><path id="{name}" d="{path}"/></defs><use xlink:href="#{name}"/></svg>'
    )


def test_a_letter_of_another_shape_stays_with_its_drawing():
    shared = drawings.Shared()
    html = [
        drawings.drawing(outlined("Font-41", path), f"d{k}", "A letter", shared)
        for k, path in enumerate(("M 0 0", "M 0 0", "M 1 1"))
    ]
    assert html[0].count("#letter-Font-41") == html[1].count("#letter-Font-41") == 1
    assert 'id="d2w-Font-41"' in html[2] and '"#d2w-Font-41"' in html[2]
    assert shared.html().count('d="M 0 0"') == 1


@pytest.mark.parametrize("count", range(2, 9))
def test_ordered_colours_are_ordered_in_the_dark_too(count):
    light = [drawings.luminance(drawings.channels(drawings.darkened(c))) for c in ordered_colors(count)]
    # A colour is found in steps of a fiftieth of the way to white, and rounded to one part in 255.
    assert all(after > before - 0.01 for before, after in itertools.pairwise(light))
    assert light[-1] > 1.3 * light[0]


@pytest.mark.parametrize(
    ("words", "stacked"),
    [
        ("On the left it falls; on the right, it stays.", "Above, it falls; below, it stays."),
        ("Left: a cloud. Right, the law of it.", "Above: a cloud. Below, the law of it."),
        (
            "The left curve needs no truth, the right one does.",
            "The upper curve needs no truth, the lower one does.",
        ),
        ("On the left they would fall from left to right.", "Above, they would fall from left to right."),
        ("On the right: points of the plane.", "Below: points of the plane."),
        ("From left to right: three. Look to the right, and at the left edge.", None),
        ("On the left half, at the right end; it goes to the left, and right of 2.", None),
    ],
)
def test_what_is_said_of_the_left_is_said_of_the_upper_panel_where_panels_stack(words, stacked):
    caption = nodes.caption("", "", nodes.Text(words))
    drawings.told_twice(caption)
    shown = {
        kind: "".join(
            part.astext()
            for part in caption.children
            if kind not in getattr(part, "attributes", {}).get("classes", [])
        )
        for kind in ("stacked", "beside")
    }
    assert shown == {"stacked": words, "beside": stacked or words}


def test_only_two_panels_side_by_side_are_a_pair():
    @picture
    def row(count):
        figure, panels = subplots(count)
        for axes in np.atleast_1d(panels):
            axes.plot([0, 1], [0, 1])
        return figure

    alt = "Left: a line. Right: another one."
    for count, said in ((1, alt), (2, "Above: a line. Below: another one."), (3, alt)):
        html = drawings.drawing(svg_pair(row(count)), "d", alt, drawings.Shared())
        assert re.findall(r'aria-label="([^"]+)"', html) == [alt, said]
