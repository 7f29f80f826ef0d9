"""One look for every figure: colours, fonts, sizes, panel labels.

A colour of `ROLES` has one meaning in the whole book. These are colours of Okabe and Ito (Color Universal
Design, 2008): they stay distinct for the common colour-vision deficiencies. Things without a role have
colours of `CYCLE`; values of one parameter those of `pairint.figures.ordered`. Figures have a white ground of
their own; the pages of the book take it away and choose the colours of their theme (`pairint.figures.layout`,
``tools/drawings.py``).

Matplotlib is imported inside the functions: importing this module costs nothing to the numerical code.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from pairint.validation import check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_P = ParamSpec("_P")

__all__ = [
    "ALPHA_LABEL",
    "BOUND",
    "CYCLE",
    "DARK",
    "DATA",
    "ERROR_LABEL",
    "FIT",
    "INK",
    "MARKERS",
    "MATRIX",
    "MUTED",
    "ORACLE",
    "ROLES",
    "TRUTH",
    "figure_style",
    "picture",
    "style_parameters",
    "subplots",
    "until_zero",
]

INK = "#222222"
"""Text and axes."""

MUTED = "#6B7280"
"""What is there to compare with: thresholds, slopes, equality."""

TRUTH = INK
"""What generated the data."""

FIT = "#D55E00"
"""What is found from the data, and its errors."""

ORACLE = "#009E73"
"""What somebody finds who is told what others must find: the matrix, the number of cells, the width."""

BOUND = "#0072B2"
"""What theory says: a bound, a limit, the Bayes-optimal error."""

MATRIX = "#CC79A7"
"""The part of the matrix."""

DATA = "#56B4E9"
"""What is observed or drawn."""

ROLES: dict[str, str] = {
    "truth": TRUTH,
    "fit": FIT,
    "oracle": ORACLE,
    "bound": BOUND,
    "matrix": MATRIX,
    "data": DATA,
}
"""One colour, one meaning, in every figure of the book."""

CYCLE: tuple[str, ...] = (
    "#332288",  # indigo
    "#E69F00",  # orange
    "#8A9A3B",  # olive
    "#6B3E12",  # brown
    "#882255",  # wine
    "#B04FE0",  # lilac
    "#8FBEB8",  # sage
)
"""Colours of things that a figure compares: they mean nothing beyond it, and none is the colour of a role."""

DARK: dict[str, str] = {
    "#332288": "#7770DB",
    "#E69F00": "#FDC412",
    "#8A9A3B": "#868101",
    "#6B3E12": "#B89774",
    "#882255": "#C55E5E",
    "#B04FE0": "#C97CFF",
    "#8FBEB8": "#83A5A2",
    FIT: "#FF7A50",
    ORACLE: "#5BC297",
    BOUND: "#6094CE",
    MATRIX: "#FE9EDF",
    DATA: "#4CDDFE",
    MUTED: "#7C7D80",
}
"""What colours are on a dark ground.

Mixed with white until they were light enough, the darker ones came near one another. These were searched
for: of the hues that the text names, light enough for letters, no two nearer than they must be with so many,
for usual vision and the three deficiencies (`tests/figures/test_distances.py` says how it is measured).
"""

MARKERS: tuple[str, ...] = ("o", "s", "^", "D", "v", "P", "X")
"""Markers in step with `CYCLE`: no curve is told from another by colour alone."""

ERROR_LABEL = "error $\\|S - \\hat S\\|_F^2/d$"
"""Axis of the error of an attention-indexed model."""

ALPHA_LABEL = "samples $\\alpha = n/d^2$"
"""Axis of its number of samples."""


def style_parameters(scale: float = 1.0) -> dict[str, Any]:
    """Return the Matplotlib parameters of the book's figures.

    Parameters
    ----------
    scale : float
        Positive factor on every font size and line width (1 for a figure of about 7 inches).

    Returns
    -------
    dict
        Keys and values for `matplotlib.rc_context`.

    Raises
    ------
    ValueError
        If `scale` is not a positive finite number.
    """
    from cycler import cycler

    scale = check_real("scale", scale, 0.0, exclusive_minimum=True)
    return {
        "axes.axisbelow": True,
        "axes.edgecolor": INK,
        "axes.facecolor": "white",
        "axes.grid": True,
        "axes.labelcolor": INK,
        "axes.labelsize": 11 * scale,
        "axes.linewidth": 0.8 * scale,
        "axes.prop_cycle": cycler(color=CYCLE),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 12 * scale,
        "axes.titleweight": "bold",
        "errorbar.capsize": 2.5 * scale,
        "figure.constrained_layout.use": True,
        "figure.dpi": 110,
        "figure.facecolor": "white",
        "figure.figsize": (7.0, 4.2),
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],  # ships with Matplotlib: the same figure on every machine
        "font.size": 10.5 * scale,
        "grid.alpha": 0.7,
        "grid.color": "#DDDDDD",
        "grid.linewidth": 0.6 * scale,
        "image.cmap": "cividis",
        "legend.edgecolor": "#CCCCCC",
        "legend.fontsize": 9.5 * scale,
        "legend.framealpha": 0.9,
        "lines.linewidth": 1.8 * scale,
        "lines.markersize": 5.5 * scale,
        "mathtext.fontset": "cm",
        "savefig.facecolor": "white",
        "svg.fonttype": "path",  # a reader has neither DejaVu nor the fonts of formulas
        "svg.hashsalt": "pairint",  # the same SVG identifiers at every build
        "text.color": INK,
        "xtick.color": INK,
        "xtick.labelsize": 9.5 * scale,
        "ytick.color": INK,
        "ytick.labelsize": 9.5 * scale,
    }


@contextmanager
def figure_style(scale: float = 1.0) -> Iterator[None]:
    """Draw in the book's style inside a ``with`` block (or as a decorator of a plotting function).

    Parameters
    ----------
    scale : float
        Positive factor on every font size and line width.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> with figure_style():
    ...     figure, axes = plt.subplots()
    >>> plt.close(figure)
    """
    import matplotlib

    parameters: Any = style_parameters(scale)
    with matplotlib.rc_context(parameters):
        yield


def picture(draw: Callable[_P, Figure]) -> Callable[_P, Figure]:
    """Decorate a drawing function: the book's style, and a figure that notebooks show exactly once."""

    @wraps(draw)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> Figure:
        import matplotlib.pyplot as plt

        from pairint.figures.ordered import in_order

        with figure_style():
            figure = draw(*args, **kwargs)
            in_order(figure)
        plt.close(figure)
        if os.environ.get("PAIRINT_STATIC", "") not in ("", "0"):  # the book is being built
            from pairint.figures.layout import show_as_svg
            from pairint.figures.roles import misread

            if found := misread(figure):
                raise ValueError(f"colours that say something else in the book: {'; '.join(found)}")
            show_as_svg()
        return figure

    return drawn


def until_zero(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where a curve that falls to zero is drawn: where it is positive, and at the first zero after.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Not negative.

    Examples
    --------
    >>> until_zero(np.array([2.0, 1.0, 0.0, 0.0])).tolist()
    [True, True, True, False]
    """
    positive = np.asarray(values) > 0
    return positive | np.concatenate([[False], positive[:-1]])


def subplots(columns: int = 1, height: float = 4.0, panel: float = 4.6, **kwargs: Any) -> tuple[Figure, Any]:
    """Return a figure and its axes: one of the book's width, or an array of panels in a row (inches)."""
    import matplotlib.pyplot as plt

    return plt.subplots(1, columns, figsize=(7.0 if columns == 1 else panel * columns, height), **kwargs)
