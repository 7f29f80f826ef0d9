"""Lay a finished figure out for another width: panels in fewer columns, titles broken, legends below.

A figure of three panels beside one another cannot be read on a telephone, and hardly in the column of a
book. Its panels, titles and legends are put elsewhere here; letters that are too small grow, and nothing else
is drawn anew.
"""

from __future__ import annotations

import copy
import re
import sys
import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.figures.direct import hides, label_directly
from pairint.figures.letters import part_letters
from pairint.figures.style import figure_style
from pairint.validation import check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from matplotlib.text import Text

__all__ = ["NARROW", "WIDE", "arrange", "show_as_svg", "svg", "svg_pair"]

WIDE: tuple[float, int] = (7.6, 2)
"""Inches and columns of a figure in the book, 688 CSS pixels: a letter of 9.5 points is 12 pixels tall."""

THREE = 2.4  # inches from which three panels of one row stay beside one another: two and one leave a hole

NARROW: tuple[float, int] = (3.9, 1)
"""Inches and columns on a telephone of 390 pixels, whose column has about 350: letters are as tall there."""

TOKEN = r"(?:\$[^$]*\$|[^\s$])+"
WORD = re.compile(rf"{TOKEN}(?: (?:[=/<>]|\$-\$) {TOKEN})*")  # a formula is not broken, nor is an equation
LEAST_LETTER = 9.2  # points: 11 CSS pixels on a telephone
LEAST_HEIGHT = 2.6  # inches of a panel with its labels
NAMES = 0.32  # of the width of the figure: what names on an upright axis may take
ASIDE = 0.55  # of the width of the panel: where names take more beside it, title and legend use their place
#: Axes of which a page can say "you are here": their label, and the parameter that a reader chooses.
CHOSEN = {
    "samples $M$": "samples",
    "number of samples $M$": "samples",
    "tokens $N$": "tokens",
    "dimension $d$": "d",
    "smoothness $\\beta$": "beta",
}
#: In the name of what has the colours of a scale: they say the value, and no theme changes them.
VALUES = "QuadMesh"
#: In the name of a picture whose scale is white in its middle: in the dark its lightness is turned over.
TURNED = "turned"
DENSE = 3000  # points of one curve or cloud from which it is stored as a picture


def _break(text: Text, width: float, renderer: Any) -> None:
    """Break a text at spaces, so that no line is wider than `width` pixels if its words are not."""
    if text.get_window_extent(renderer).width <= width:
        return
    lines: list[str] = []
    for paragraph in text.get_text().split("\n"):
        line = ""
        for word in WORD.findall(paragraph):
            longer = f"{line} {word}".lstrip()
            text.set_text(longer)
            if line and text.get_window_extent(renderer).width > width:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    text.set_text("\n".join(lines))


def _break_rotated(text: Text, height: float, renderer: Any) -> None:
    """Break the label of an upright axis."""
    angle = text.get_rotation()
    text.set_rotation(0)
    _break(text, height, renderer)
    text.set_rotation(angle)


def _grids(figure: Figure) -> dict[Any, list[tuple[Any, list[Axes]]]]:
    """Return, for each grid of the figure, its cells in reading order with the axes in each."""
    grids: dict[Any, dict[tuple[int, int], list[Axes]]] = {}
    for axes in figure.axes:
        spec = axes.get_subplotspec()
        if spec is not None:
            cells = grids.setdefault(spec.get_topmost_subplotspec().get_gridspec(), {})
            cells.setdefault((spec.num1, spec.num2), []).append(axes)
    return {grid: sorted(cells.items(), key=lambda cell: cell[0]) for grid, cells in grids.items()}


def _restack(figure: Figure, grid: Any, cells: list[tuple[Any, list[Axes]]], columns: int) -> int:
    """Move the cells of a grid into fewer columns; return the number of rows."""
    from matplotlib.gridspec import GridSpec

    rows = -(-len(cells) // columns)
    new = GridSpec(rows, columns, figure=figure)
    for place, (_, members) in enumerate(cells):
        for axes in members:
            axes.set_subplotspec(new[place])
            # Panels that shared the numbers of an axis stand beside or above one another no more.
            if place % columns == 0 or columns < grid.ncols:
                axes.tick_params(labelleft=True, labelbottom=True)
    _say_again(cells, columns, grid.ncols)
    return rows


def _say_again(cells: list[tuple[Any, list[Axes]]], columns: int, old_columns: int) -> None:
    """Write labels that panels share beside the first column and below the last row, as they are now."""
    from matplotlib.ticker import FixedLocator

    panels = [members[0] for _, members in cells]
    left, below = {p.get_ylabel() for p in panels}, {p.get_xlabel() for p in panels}
    shared = len(left) == 2 and "" in left
    if shared and columns < old_columns:
        for place, panel in enumerate(panels):
            if not isinstance(panel.yaxis.get_major_locator(), FixedLocator):  # names of its own need none
                panel.set_ylabel(max(left) if place % columns == 0 else "")
    if len(below) == 2 and "" in below:
        for place, panel in enumerate(panels):
            panel.set_xlabel(max(below) if place + columns >= len(panels) else "")


def _panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if getattr(axes, "_colorbar", None) is None]


def _legends(figure: Figure) -> Iterator[tuple[Axes, Legend]]:
    for axes in figure.axes:
        legend = axes.get_legend()
        if legend is not None:
            yield axes, legend


def _left_of(axes: Axes, renderer: Any) -> float:
    """Return the inches that the names of an upright axis take."""
    box, beside = axes.get_window_extent(renderer), axes.yaxis.get_tightbbox(renderer)
    return max(box.x0 - beside.x0, 0.0) / axes.figure.dpi if beside is not None else 0.0


def _lower(axes: Axes, legend: Legend, renderer: Any, left: float) -> None:
    """Put a legend under the label of the horizontal axis, so many inches left of the panel."""
    from matplotlib.transforms import Bbox, ScaledTranslation

    figure = axes.figure
    box, below = axes.get_window_extent(renderer), axes.xaxis.get_tightbbox(renderer)
    gap = (box.y0 - (below.y0 if below is not None else box.y0)) / figure.dpi + 0.04
    shift = ScaledTranslation(-left, -gap, figure.dpi_scale_trans)
    legend.set_loc("upper left")
    legend.borderaxespad = 0
    legend.set_bbox_to_anchor(Bbox.from_bounds(0, 0, 1, 0), axes.transAxes + shift)


def _words_of(legend: Legend) -> list[str]:
    return [text.get_text() for text in legend.get_texts()]


def _into_free_place(figure: Figure, above: Axes, beside: Axes, renderer: Any) -> None:
    """Put the legend of the panels where a panel is lacking, if they have one legend only, or all the same.

    It stands below one panel, and to the right of another.
    """
    from matplotlib.transforms import Bbox, blended_transform_factory

    found = list(_legends(figure))
    if not found or any(_words_of(legend) != _words_of(found[0][1]) for _, legend in found):
        return
    for _, legend in found[1:]:
        legend.remove()
    legend = found[0][1]
    box = above.get_window_extent(renderer)
    _break(legend.get_title(), box.width, renderer)
    for text in legend.get_texts():
        _break(text, box.width - 3.2 * legend.prop.get_size_in_points() * figure.dpi / 72, renderer)
    legend.set_loc("center left")
    legend.borderaxespad = 0
    legend.set_in_layout(False)
    legend.set_bbox_to_anchor(
        Bbox.from_bounds(0, 0.5, 0, 0), blended_transform_factory(above.transAxes, beside.transAxes)
    )


def _break_names(axes: Axes, width: float, renderer: Any) -> float:
    """Break the names of an upright axis that are words: they would leave no room for the panel.

    Return the pixels that they need one above the other.
    """
    from matplotlib.ticker import FixedLocator

    labels = axes.get_yticklabels()
    written = any(" " in label.get_text() for label in labels)
    if not written or not isinstance(axes.yaxis.get_major_locator(), FixedLocator):
        return 0.0
    for label in labels:
        _break(label, width, renderer)
    names = [label.get_text() for label in labels]
    axes.set_yticks(axes.get_yticks(), names)
    most = max(name.count("\n") for name in names) + 1
    return len(names) * (1.25 * most + 0.6) * LEAST_LETTER * axes.figure.dpi / 72


def _inside(text: Text, figure: Figure, renderer: Any) -> None:
    """Break a label that leaves the figure."""
    box = text.get_window_extent(renderer)
    middle = (box.x0 + box.x1) / 2
    room = 2 * min(middle - figure.bbox.x0, figure.bbox.x1 - middle)
    if box.width > room > 0:
        _break(text, room, renderer)


def _for_all(figure: Figure, renderer: Any) -> float:
    """Put the only legend of panels in a row, if it has no room in its own, below all of them.

    Return the inches that it takes.
    """
    found = [(axes, legend) for axes, legend in _legends(figure) if legend.get_in_layout()]
    if len(found) != 1 or figure.legends:
        return 0.0
    ((axes, legend),) = found
    box = axes.get_window_extent(renderer)
    places = [other.get_window_extent(renderer) for other in figure.axes]
    if len({round(place.x0) for place in places if abs(place.y0 - box.y0) < 0.1 * box.height}) < 2:
        return 0.0
    if not _large(legend, box, renderer) and not hides(axes, legend, renderer):
        return 0.0
    legend.remove()
    for columns in range(len(legend.get_texts()), 0, -1):
        new = _below(figure, legend, columns)
        size = new.get_window_extent(renderer)
        if size.width <= figure.bbox.width or columns == 1:
            break
        figure.legends.remove(new)
    return float(size.height) / figure.dpi


def _below(figure: Figure, legend: Legend, columns: int) -> Legend:
    """Make a legend anew, below all panels."""
    handles: Any = legend.legend_handles
    title = legend.get_title().get_text()
    return figure.legend(
        handles, _words_of(legend), loc="outside lower center", ncols=columns, title=title or None
    )


def _large(legend: Legend, box: Any, renderer: Any) -> bool:
    """Whether a legend takes much of its panel."""
    covers = legend.get_window_extent(renderer)
    return covers.width > 0.62 * box.width or covers.width * covers.height > 0.2 * box.width * box.height


def _in_one_column(figure: Figure, legend: Legend, renderer: Any) -> float:
    """Make a legend of the whole figure anew, if it is too wide; return the inches that it grows by."""
    before = legend.get_window_extent(renderer)
    if before.width <= figure.bbox.width:
        return 0.0
    new = _below(figure, legend, 1)
    figure.legends.remove(legend)  # its own way to go leads, in a copy, to the figure that was copied
    return (new.get_window_extent(renderer).height - before.height) / figure.dpi


def _plain_numbers(axes: Axes) -> None:
    """Give plain numbers, 1, 2, 5 or nearer ones, to a logarithmic axis with fewer than two powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    for axis, name in ((axes.xaxis, "x"), (axes.yaxis, "y")):
        low, high = sorted(axis.get_view_interval())
        if axis.get_scale() != "log" or getattr(axis.get_transform(), "base", 10) != 10:
            continue
        if not isinstance(axis.get_major_locator(), LogLocator):
            continue  # ticks that the figure chose
        powers = np.floor(np.log10(high) + 1e-9) - np.ceil(np.log10(low) - 1e-9) + 1
        if powers >= 2 or not 1e-4 <= low < high <= 1e6:
            continue
        wide = high / low > 3.0
        axis.set_major_locator(LogLocator(10, subs=(1.0, 2.0, 5.0)) if wide else MaxNLocator(5))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
        axis.set_minor_formatter(NullFormatter())
        axes.set(**{f"{name}lim": axis.get_view_interval()})  # a locator of its own would move the ends


def _fit(figure: Figure, free: tuple[Axes, Axes] | None = None) -> float:
    """Break what is wider than its panel, and put a legend that covers much of a panel below it.

    A legend goes to the free place, if there is one below one panel and beside another. Return the inches
    that the others take.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text
    from matplotlib.transforms import ScaledTranslation

    for text in figure.findobj(Text):
        text.set_fontsize(max(text.get_fontsize(), LEAST_LETTER))
    for axes in figure.axes:
        _plain_numbers(axes)
        for axis in (axes.xaxis, axes.yaxis):
            labels: list[Any] = axis.get_ticklabels()
            if any(label.get_fontsize() <= LEAST_LETTER for label in labels):
                axis.set_tick_params(labelsize=LEAST_LETTER)  # of ticks that the new width brings
    canvas = FigureCanvasAgg(figure)  # measures letters, whatever the figure was drawn on
    renderer = canvas.get_renderer()
    for legend in [*figure.legends, *(legend for _, legend in _legends(figure))]:
        _break(legend.get_title(), 0.7 * figure.bbox.width, renderer)
    needed = {axes: _break_names(axes, NAMES * figure.bbox.width, renderer) for axes in figure.axes}
    with warnings.catch_warnings():
        # Before titles are broken and legends moved there may be no room for the panels.
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        canvas.draw()
    renderer = canvas.get_renderer()
    if free is not None:
        _into_free_place(figure, *free, renderer)
    for axes in figure.axes:
        box, left = axes.get_window_extent(renderer), _left_of(axes, renderer) * figure.dpi
        wide = box.width + (left if left > ASIDE * box.width else 0.0)
        for title in (axes.title, getattr(axes, "_left_title", axes.title)):
            if title.get_text():
                _break(title, wide, renderer)
                if wide > box.width:
                    shift = ScaledTranslation(-left / figure.dpi, 0, figure.dpi_scale_trans)
                    title.set_transform(title.get_transform() + shift)
        _break(axes.xaxis.label, box.width * 1.1, renderer)
        _break_rotated(axes.yaxis.label, box.height * 1.05, renderer)
    if any(
        axes.xaxis.label.get_window_extent(renderer).width > 0.8 * axes.bbox.width for axes in figure.axes
    ):
        canvas.draw()  # broken labels have changed the panels
        for axes in figure.axes:
            _inside(axes.xaxis.label, figure, renderer)
    for axes, legend in list(_legends(figure)):
        if legend.get_in_layout():
            label_directly(axes, legend, renderer)
    shared = _for_all(figure, renderer)
    taken: dict[int, float] = {}  # by row of panels
    for axes, legend in _legends(figure):
        if not legend.get_in_layout():
            continue
        box, left = axes.get_window_extent(renderer), _left_of(axes, renderer)
        left = left if left * figure.dpi > ASIDE * box.width else 0.0
        width = box.width + left * figure.dpi
        for text in legend.get_texts():
            _break(text, width - 3.2 * legend.prop.get_size_in_points() * figure.dpi / 72, renderer)
        covers = legend.get_window_extent(renderer)
        if _large(legend, box, renderer) or hides(axes, legend, renderer):
            _lower(axes, legend, renderer, left)
            row = round(box.y0)
            taken[row] = max(taken.get(row, 0.0), covers.height / figure.dpi)
    top = getattr(figure, "_suptitle", None)
    if top is not None:
        _break(top, figure.bbox.width * 0.98, renderer)
    rows: dict[int, float] = {}  # inches that names lack, by row of panels
    for axes, height in needed.items():
        box = axes.get_window_extent(renderer)
        rows[round(box.y0)] = max(rows.get(round(box.y0), 0.0), (height - box.height) / figure.dpi)
    return (
        shared
        + sum(taken.values())
        + sum(rows.values())
        + sum(_in_one_column(figure, legend, renderer) for legend in [*figure.legends])
    )


def arrange(figure: Figure, width: float, columns: int) -> None:
    """Lay a figure out anew, in place: at most so many columns of panels, and so wide.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        A figure with a constrained layout. One that is made of figures itself only changes its size.
    width : float
        Positive, in inches.
    columns : int
        At least 1.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    width = check_real("width", width, 0.0, exclusive_minimum=True)
    columns = check_integer("columns", columns, 1)
    old_width, height = figure.get_size_inches()
    grids = _grids(figure)
    free = None
    if len(grids) == 1 and not figure.subfigs:
        ((grid, cells),) = grids.items()
        old_columns, old_rows = grid.ncols, grid.nrows
        three = len(cells) == old_columns == len(_panels(figure)) == 3 and width >= 3 * THREE
        columns = min(3 if three else columns, old_columns)
        rows = old_rows
        if columns < old_columns and all(first == last for (first, last), _ in cells):
            rows = _restack(figure, grid, cells, columns)
            if len(cells) == rows * columns - 1 and columns == 2 and rows > 1:
                free = cells[-2][1][0], cells[-1][1][0]
        shrink = (width / columns) / (old_width / old_columns)
        panel = height / old_rows
        height = rows * max(min(panel, panel * shrink**0.5), LEAST_HEIGHT)
    figure.set_size_inches(width, height)
    legends = _fit(figure, free)
    figure.set_size_inches(width, height + legends)
    part_letters(figure)


def _place(axes: Axes) -> str | None:
    """Return the identifier of axes on which a reader's setting has a place: parameter, scale and ends."""
    key = CHOSEN.get(axes.get_xlabel().replace("\n", " "))
    scale = axes.get_xscale()
    if key is None or scale not in ("linear", "log"):
        return None
    low, high = axes.get_xlim()
    return f"here:{key}:{scale}:{low:.6g}:{high:.6g}"


def _white_inside(mapped: Any) -> bool:
    """Return whether the colours of a scale are lightest in their middle, and almost white there."""
    low, middle, high = (min(mapped.cmap(share)[:3]) for share in (0.0, 0.5, 1.0))
    return middle > 0.9 > max(low, high)


def svg(figure: Figure) -> str:
    """Return a figure as SVG: letters are outlines, what has thousands of points is a picture."""
    from matplotlib.collections import PathCollection

    for axes in figure.axes:
        axes.set_gid(_place(axes))
        for line in axes.lines:
            line.set_rasterized(np.size(line.get_xdata()) > DENSE)
        for cloud in axes.collections:
            cloud.set_rasterized(np.shape(cloud.get_offsets())[0] > DENSE)
            if isinstance(cloud, PathCollection) and cloud.get_array() is not None:
                cloud.set_gid(f"{VALUES}-cloud")
        for image in filter(_white_inside, axes.images):
            image.set_gid(f"{TURNED}-map")
        if (bar := getattr(axes, "_colorbar", None)) is not None and bar.solids is not None:
            bar.solids.set_rasterized(True)  # as shapes, its colours have seams between them
            if _white_inside(bar):
                axes.set_gid(f"{TURNED}-bar")  # what is rasterized has no name of its own
    buffer = BytesIO()
    with figure_style():
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return buffer.getvalue().decode()


def svg_pair(figure: Figure) -> str:
    """Return the SVG of a figure's wide layout, which holds that of the narrow one as metadata.

    The metadata are of the class ``pair`` where two panels stand side by side in the one, and one above the
    other in the other: what is said of the left is said of the upper then. A figure that is made of figures
    has no narrow layout: it cannot be taken apart.
    """
    if figure.subfigs:
        return _laid_out(copy.deepcopy(figure), *WIDE)
    shapes = [(grid.nrows, grid.ncols, len(cells)) for grid, cells in _grids(figure).items()]
    kind = ' class="pair"' if shapes == [(1, 2, 2)] else ""
    wide, narrow = (_laid_out(copy.deepcopy(figure), *layout) for layout in (WIDE, NARROW))
    inner = narrow[narrow.index("<svg") :]
    return wide.replace("</svg>", f"<metadata{kind}>{inner}</metadata></svg>")


def _laid_out(figure: Figure, width: float, columns: int) -> str:
    with figure_style():
        arrange(figure, width, columns)
        return svg(figure)


def show_as_svg() -> None:
    """Let the notebook that runs this show figures as `svg_pair` too, if one runs this."""
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    if shell is not None:
        from matplotlib.figure import Figure

        shell.display_formatter.formatters["image/svg+xml"].for_type(Figure, svg_pair)
