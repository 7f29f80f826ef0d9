"""One colour, one meaning: which words of a figure name a role, and whether its colours agree with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from pairint.figures.ordered import LEAST, hex_color, ordered_colors, shown_color, value
from pairint.figures.style import CYCLE, INK, MUTED, ROLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["colors_of", "misread", "role_of"]

#: Words at the beginning of a name that say its role; the first that fits counts.
WORDS = (
    (
        "bound",
        re.compile(r"(the )?(proved|theorem|bound\b|bayes-optimal|state evolution|limit\b|exact constant)"),
    ),
    ("bound", re.compile(r".*\bproved bound")),
    ("oracle", re.compile(r"(measured: )?(.*\boracle\b|(a|the matrix|matrix) known)")),
    ("truth", re.compile(r"(the )?(truth|hidden function|planted)\b")),
    (
        "fit",
        re.compile(r"(measured: )?((the|our|direct) )*(fit|estimator|minimiser|matrix learned)\b(?!')"),
    ),
    ("fit", re.compile(r"(the )?(amp|message passing)\b(?!.*(posterior|without))")),
    ("matrix", re.compile(r"(the )?(matrix|matrices)(:|$)")),
)
MOST_VALUES = 12  # of one parameter in a figure


def role_of(name: str) -> str | None:
    """Return the role that the name of a curve says, or None.

    Parameters
    ----------
    name : str
        As in a legend.

    Examples
    --------
    >>> role_of("oracle, A known"), role_of("Bayes-optimal"), role_of("head 5 of layer 2")
    ('oracle', 'bound', None)
    """
    plain = name.strip().lower()
    return next((role for role, words in WORDS if words.match(plain)), None)


def colors_of(names: Iterable[str]) -> list[str]:
    """Return a colour for each of several names: that of its role, or the next one that means nothing.

    A role that several of them say is none here: two curves of one colour could not be told apart.

    Parameters
    ----------
    names : iterable of str
        At most seven without a role.
    """
    names = list(names)
    said = [role_of(name) for name in names]
    rest = iter(CYCLE)
    return [ROLES[role] if role is not None and said.count(role) == 1 else next(rest) for role in said]


def _drawn(figure: Figure) -> Iterator[str]:
    """Yield the colours of lines, points and surfaces; maps of values have a scale of their own."""
    from matplotlib.collections import PathCollection, PolyCollection

    for axes in figure.axes:
        shown: list[Any] = [line.get_color() for line in axes.lines]
        shown += [patch.get_facecolor() for patch in axes.patches]
        for cloud in axes.collections:
            if isinstance(cloud, PathCollection | PolyCollection) and cloud.get_array() is None:
                shown += list(cloud.get_facecolor())
        yield from filter(None, map(hex_color, shown))


def _grey(color: str) -> bool:
    return len({color[k : k + 2] for k in (1, 3, 5)}) == 1


def misread(figure: Figure) -> list[str]:
    """Return what a figure's colours say that its words do not; nothing, if they agree.

    A name that says a role has its colour, unless it gives the value of a parameter: values have an order.
    All that is drawn has a colour of a role, of the cycle, of the order, or a grey.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        As drawn, with its legends.
    """
    known = {color.upper() for color in (*ROLES.values(), *CYCLE, INK, MUTED)}
    known |= {color.upper() for count in range(LEAST, MOST_VALUES) for color in ordered_colors(count)}
    found = [
        f"{color} stands for nothing"
        for color in sorted(set(_drawn(figure)))
        if color not in known and not _grey(color)
    ]
    legends: list[Any] = [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]
    for legend in legends:
        names = [text.get_text() for text in legend.get_texts()]
        said = [role_of(name) for name in names]
        for handle, name, role in zip(legend.legend_handles, names, said, strict=True):
            if role is None or said.count(role) > 1 or value(name) is not None:
                continue
            if (color := shown_color(handle)) != ROLES[role].upper():
                found.append(f"{name!r} is a {role}, drawn {color}")
    return found
