"""Results that show themselves: a table with units and meanings, as text and as HTML, and a frame of numbers.

What a quantity means is read from the class's own docstring, so that nothing is said twice.
"""

from __future__ import annotations

import dataclasses
import html
import inspect
import math
import numbers
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pairint.backend import to_host

if TYPE_CHECKING:
    import pandas

__all__ = ["Result", "meanings", "show_html", "show_text", "to_frame"]

Table = Mapping[str, Any]
Words = Mapping[str, str]

#: Characters of a meaning in a table of text, whose lines then fit a terminal.
SHORT = 62
SECTION = re.compile(r"(?ms)^(?:Attributes|Parameters)\n-+\n(.*?)(?=^\w[^\n]*\n-{3,}\n|\Z)")
ENTRY = re.compile(r"(?P<names>\w+(?:, \w+)*) ?:(?P<kind>.*)|(?P<alone>\w+)")


def meanings(kind: type) -> dict[str, str]:
    """Return what a class's docstring says of each attribute or parameter, in one line.

    Names that share an entry share its text.
    """
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        for section in SECTION.findall(text):
            names: list[str] = []
            for line in section.splitlines():
                if line and not line[0].isspace():
                    entry = ENTRY.fullmatch(line)
                    names = (entry["names"] or entry["alone"]).split(", ") if entry else []
                    found.update(dict.fromkeys(names, ""))
                else:
                    for name in names:
                        found[name] = f"{found[name]} {line.strip()}".strip()
    return {name: plain(text) for name, text in found.items()}


def plain(text: str) -> str:
    """Return a text of a docstring without its marks."""
    text = re.sub(r":\w+(?::\w+)?:`~?([^`<]*?)(?: <[^`]*>)?`", r"\1", text)
    return text.replace("``", "")


def in_words(value: Any) -> str:
    """Return a value as a table shows it: four digits of a number, the shape of an array."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, numbers.Integral):
        return f"{int(value):,}"
    if isinstance(value, numbers.Real):
        return f"{float(value):.4g}"
    if value is None:
        return "none"
    if isinstance(value, str):
        return value
    if hasattr(value, "shape") and hasattr(value, "dtype"):  # an array, not an object that has a shape
        array = np.asarray(to_host(value))
        if array.ndim == 0:
            single = array.item()
            return type(single).__name__ if hasattr(single, "dtype") else in_words(single)
        words = f"array ({', '.join(map(str, array.shape))})"
        if array.size and array.dtype.kind in "fiu":
            low, high = np.min(array), np.max(array)
            words += f", {low:.3g} to {high:.3g}"
        return words
    if isinstance(value, tuple) and all(isinstance(each, numbers.Real) for each in value):
        return ", ".join(in_words(each) for each in value)
    return type(value).__name__


def short(text: str) -> str:
    """Return the beginning of a text: whole words, as many as fit."""
    if len(text) <= SHORT:
        return text
    return text[: text.rfind(" ", 0, SHORT)].rstrip(",;:.") + " …"


def rows(values: Table, units: Words, said: Words) -> list[tuple[str, str, str, str]]:
    """Return quantity, value, unit and meaning of each; what was said in the row above is not repeated."""
    found, last = [], None
    for name, value in values.items():
        meaning = said.get(name, "")
        found.append((name, in_words(value), units.get(name, ""), "" if meaning == last else meaning))
        last = meaning
    return found


def show_text(title: str, values: Table, units: Words, said: Words) -> str:
    """Return a table as lines of text: a title, then quantity, value, unit, meaning."""
    lines = [(name, value, unit, short(meaning)) for name, value, unit, meaning in rows(values, units, said)]
    widths = [max((len(line[column]) for line in lines), default=0) for column in range(3)]
    body = [
        f"  {name:<{widths[0]}}  {value:>{widths[1]}}  {unit:<{widths[2]}}  {meaning}".rstrip()
        for name, value, unit, meaning in lines
    ]
    return "\n".join([title, *body])


def show_html(title: str, values: Table, units: Words, said: Words) -> str:
    """Return a table as HTML that stands by itself: no script, no style of another place."""
    left, right = ' style="text-align:left"', ' style="text-align:right"'
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("quantity", "value", "unit", "meaning"))
    body = ""
    for name, *cells in rows(values, units, said):
        body += f'<tr><th scope="row"{left}>{html.escape(name)}</th>'
        for words, side in zip(cells, (right, left, left), strict=True):
            body += f"<td{side}>{html.escape(words)}</td>"
        body += "</tr>"
    return (
        f'<table class="dataframe pairint-result"><caption{left}>{html.escape(title)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )


def to_frame(quantities: Table, units: Words) -> pandas.DataFrame:
    """Return numbers and arrays as a frame: see :meth:`Result.to_frame`."""
    import pandas

    values: dict[str, Any] = {}
    for name, value in quantities.items():
        values.update(
            {str(key): each for key, each in value.items()} if isinstance(value, Mapping) else {name: value}
        )
    single: dict[str, Any] = {}
    arrays: dict[str, Any] = {}
    for name, value in values.items():
        if value is None or isinstance(value, numbers.Real | str | np.bool_):
            single[name] = value
        elif hasattr(value, "shape") and hasattr(value, "dtype"):
            array = np.asarray(to_host(value))
            if array.ndim:
                arrays[name] = array
            else:
                single[name] = array.item()
    shapes = [array.shape for array in arrays.values()]
    common = max(shapes, key=shapes.count, default=())
    rows_of = {name: array.ravel() for name, array in arrays.items() if array.shape == common}
    columns = {
        name: rows_of.get(name, single.get(name)) for name in values if name in rows_of or name in single
    }
    frame = pandas.DataFrame(columns, index=range(math.prod(common)))
    frame.attrs["units"] = {name: unit for name, unit in units.items() if name in columns}
    frame.attrs["left_out"] = [name for name in values if name not in columns]
    return frame


class Result:
    """A result: its fields, in a table and in a frame.

    A dataclass with ``repr=False`` inherits from it, and says which properties it shows first and in which
    units its quantities are. Units are written in those of the data: ``output`` (that of Y and of the
    interaction), ``score`` (that of x'Ay), ``sample``; what has none is a pure number.
    """

    #: Properties that are shown before the fields: what the fields sum to, say.
    _first: ClassVar[tuple[str, ...]] = ()
    #: Units, each with the names of the quantities that have it.
    _units: ClassVar[tuple[tuple[str, str], ...]] = ()

    @classmethod
    def units(cls) -> dict[str, str]:
        """Return the unit of each quantity that has one; the others are pure numbers."""
        return {name: unit for unit, names in cls._units for name in names.split()}

    def quantities(self) -> dict[str, Any]:
        """Return what is shown: some properties, then the fields."""
        fields = [each.name for each in dataclasses.fields(self)]  # type: ignore[arg-type]
        return {name: getattr(self, name) for name in (*self._first, *fields)}

    def described(self) -> dict[str, str]:
        """Return what each quantity means, by the docstrings."""
        said = meanings(type(self))
        for name in self._first:
            said.setdefault(name, plain(inspect.getdoc(getattr(type(self), name)) or "").split("\n\n")[0])
        return said

    def to_frame(self) -> pandas.DataFrame:
        """Return the numbers as a frame: a column for each quantity, a row for each entry of the arrays.

        Returns
        -------
        DataFrame
            One row if all quantities are single numbers. Otherwise arrays of the most frequent shape make
            the rows, and single numbers are repeated; what has another shape is left out, and named in
            ``frame.attrs["left_out"]``. ``frame.attrs["units"]`` holds the units, by column.
        """
        return to_frame(self.quantities(), self.units())

    def __repr__(self) -> str:
        return show_text(type(self).__name__, self.quantities(), self.units(), self.described())

    def _repr_html_(self) -> str:
        return show_html(type(self).__name__, self.quantities(), self.units(), self.described())
