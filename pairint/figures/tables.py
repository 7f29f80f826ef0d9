"""Results for readers: tables in place of bare frames of pandas, sentences in place of print-outs."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["Sentences", "Table", "captioned", "printed", "sentences"]

_GREEK = {
    **{"alpha": "α", "beta": "β", "Gamma": "Γ", "Delta": "Δ", "epsilon": "ε", "zeta": "ζ", "kappa": "κ"},
    **{"rho": "ρ", "sigma": "σ", "tau": "τ", "Psi": "Ψ", "omega": "ω"},
}
_WORDS = re.compile(rf"(?<![A-Za-z])({'|'.join(_GREEK)})(?![A-Za-z])")
_POWER = re.compile(r"\b(\d(?:\.\d+)?)e([+-]?)0*(\d+)\b")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_MOST = 4  # decimals of a column, where the caller asks for no format
_LABEL = ".6g"
_INDEX = re.compile(r"(?<![A-Za-z0-9_])([A-Za-zα-ω])_([A-Za-z0-9])(?![A-Za-z0-9_])")  # of a letter, in HTML
_SAID = re.compile(r"(?<![A-Za-z])(?!(?:of|to|and|yes|no)\b)[A-Za-z]{2,}")  # in a cell that is words
_SHORT = 3  # significant digits, where those decimals would not show all
#: From here on digits are grouped by commas; in the text, in tables and in the explorers.
_GROUPED = 10**4


@dataclass(frozen=True)
class Table:
    """A captioned table: HTML where a notebook or the book shows it, aligned text elsewhere.

    Attributes
    ----------
    caption : str
    header : tuple of str
        The names of the rows' labels, then those of the columns.
    rows : tuple of tuple of str
        For each row its labels, then its values; a label that repeats the one above is empty.
    n_labels : int
        How many of a row's entries are labels.
    folded : bool
        Whether a page shows the caption only until it is asked for the rest.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_labels: int
    folded: bool = False

    def _repr_html_(self) -> str:
        caption = _html(self.caption)
        kinds = [_kind(column) for column in zip(*self.rows, strict=True)]
        head = "".join(
            f'<th scope="col"{kind}>{_html(name)}</th>' for name, kind in zip(self.header, kinds, strict=True)
        )
        body = "\n".join(f"<tr>{''.join(self._entries(row, kinds))}</tr>" for row in self.rows)
        named = (
            f' aria-label="{html.escape(self.caption)}">'
            if self.folded
            else f">\n<caption>{caption}</caption>"
        )
        table = (
            f'<table class="dataframe captioned"{named}\n'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"
        )
        if self.folded:
            return f'<details class="folded-table">\n<summary>{caption}</summary>\n{table}\n</details>'
        return table

    def _entries(self, row: tuple[str, ...], kinds: list[str]) -> list[str]:
        cells = []
        for place, (text, kind) in enumerate(zip(row, kinds, strict=True)):
            head = place < self.n_labels and text
            opened, closed = ('th scope="row"', "th") if head else ("td", "td")
            cells.append(f"<{opened}{kind}>{_html(text)}</{closed}>")
        return cells

    def __str__(self) -> str:
        lines = (self.header, *self.rows)
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        aligned = ("  ".join(map(str.rjust, line, widths)).rstrip() for line in lines)
        return "\n".join((self.caption, "", *aligned))

    __repr__ = __str__


@dataclass(frozen=True)
class Sentences:
    """Results in words: a paragraph where a notebook or the book shows it, plain text elsewhere.

    Attributes
    ----------
    text : str
        The sentences, with numbers, signs and Greek letters as in print.
    """

    text: str

    def _repr_html_(self) -> str:
        return f'<p class="result">{_html(self.text)}</p>'

    def __str__(self) -> str:
        return self.text

    __repr__ = __str__


def sentences(*parts: str) -> Sentences:
    """Return results as sentences for readers, in the letters of the text.

    Parameters
    ----------
    *parts : str
        Sentences. Powers of ten, minus signs and Greek letters are written as such: ``1.2e-07``, ``-0.5``,
        ``alpha``.

    Returns
    -------
    Sentences

    Raises
    ------
    ValueError
        If there are none, or if one does not end as a sentence does.

    Examples
    --------
    >>> sentences(f"At alpha = {0.5} the error is {3e-7:.1e}.")
    At α = 0.5 the error is 3.0·10⁻⁷.

    Book: :doc:`/book/aim_amp`
    """
    if not parts:
        raise ValueError("sentences needs at least one part, got none")
    for part in parts:
        if not part.rstrip().endswith((".", "!", "?", ":")):
            raise ValueError(f"parts must be sentences that end with a full stop, got {part!r}")
    return Sentences(printed(" ".join(part.strip() for part in parts)))


def captioned(
    frame: DataFrame | Sequence[Mapping[str, Any]],
    caption: str,
    formats: str | Mapping[str, str] | None = None,
    *,
    folded: bool = False,
) -> Table:
    """Return a frame, or rows, as a table for readers.

    Row numbers are left out, truth values read yes or no, what is missing is a dash, powers of ten and Greek
    letters are written as such.

    Parameters
    ----------
    frame : DataFrame or sequence of dict
        The index of a frame, if it has a name, labels the rows. Of rows given one by one the first entry is
        the label.
    caption : str
        What the table shows, in a sentence.
    formats : str or dict of str, optional
        The format of floats, as in ``".3f"``: of all columns, or by column; labels have up to six significant
        digits. Without one a column has the decimals that its values need, at most four, or three significant
        digits where those do not show them.
    folded : bool
        Whether a page shows the caption only, and the table where a reader opens it: for numbers that a
        figure or a sentence beside it says already. Paper shows all.

    Returns
    -------
    Table

    Raises
    ------
    ValueError
        If ``formats`` names a column that ``frame`` does not have, or if there are no rows.

    Examples
    --------
    >>> import pandas as pd
    >>> captioned(pd.DataFrame({"rho": [0.5], "error": [0.07893], "converged": [True]}), "AMP.", ".3f")
    AMP.
    <BLANKLINE>
        ρ  error  converged
    0.500  0.079        yes

    Book: :doc:`/book/aim_amp`
    """
    if isinstance(frame, Sequence):
        frame = _framed(frame)
    if isinstance(formats, Mapping) and (unknown := set(formats) - set(frame.columns)):
        raise ValueError(
            f"formats names {sorted(unknown)}, which are no columns: there are {list(frame.columns)}"
        )
    levels = [frame.index.get_level_values(each) for each in range(frame.index.nlevels)]
    named = [level for level in levels if level.name is not None]
    labels = [_written(level.to_series(), _LABEL) for level in named]
    values = [
        _written(frame.iloc[:, place], formats.get(name) if isinstance(formats, Mapping) else formats)
        for place, name in enumerate(frame.columns)
    ]
    rows = [tuple(row) for row in zip(*labels, *values, strict=True)]
    names = [str(level.name) for level in named] + [_heading(frame.columns.names, c) for c in frame.columns]
    return Table(
        printed(caption), tuple(map(printed, names)), tuple(_once(rows, len(named))), len(named), folded
    )


#: Letters of an entry from which its column may be broken: everywhere, or in words on a telephone only.
_LONG, _PHRASE = 25, 13


def _html(text: str) -> str:
    """Return a text as HTML, with the index of a letter below the line, as in ``omega_N``."""
    return _INDEX.sub(r"\1<sub>\2</sub>", html.escape(text))


def _kind(column: Sequence[str]) -> str:
    """Return the classes of a column's entries, as an attribute.

    If most of them are words they begin at the left as a text does; long ones may be broken (book.css).
    """
    said = [text for text in column if text not in ("", "–")]
    words = 2 * sum(_SAID.search(text) is not None for text in said) > len(said)
    longest = max(map(len, said), default=0)
    classes = ["words"] * words + (
        ["long"] if longest >= _LONG else ["phrase"] * (words and longest >= _PHRASE)
    )
    return f' class="{" ".join(classes)}"' if classes else ""


def _framed(rows: Sequence[Mapping[str, Any]]) -> DataFrame:
    from pandas import DataFrame

    if not rows:
        raise ValueError("frame must have at least one row, got none")
    return DataFrame(list(rows)).set_index(next(iter(rows[0])))


def _heading(names: Any, column: Any) -> str:
    """Return the heading of a column: where it is a value, with the name of what has it."""
    parts = column if isinstance(column, tuple) else (column,)
    return ", ".join(
        part if isinstance(part, str) else f"{name} = {_one(part, _LABEL)}" if name else str(part)
        for name, part in zip(names, parts, strict=True)
    )


def _once(rows: list[tuple[str, ...]], n_labels: int) -> list[tuple[str, ...]]:
    """Leave out each label but the last that repeats, with those before it, the row above."""
    shown, above = [], None
    for row in rows:
        same = 0
        while above is not None and same < n_labels - 1 and row[same] == above[same]:
            same += 1
        shown.append(("",) * same + row[same:])
        above = row
    return shown


def _written(column: Series, form: str | None) -> list[str]:
    floats = [float(v) for v in column if _is_float(v) and math.isfinite(v)]
    form = form or _shortest(floats)
    # One column groups its digits in one way: 2,245 above 23,520, but 2245 alone.
    grouped = any(isinstance(v, Real) and _GROUPED <= abs(float(v)) < math.inf for v in column)
    return [_one(value, form, 1 if grouped else _GROUPED) for value in column]


def _is_float(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, Integral)


def _shortest(floats: list[float]) -> str:
    """Return the fewest decimals that show all, or significant digits where four are too few or too many."""
    decimals = next((d for d in range(_MOST + 1) if all(v == round(v, d) for v in floats)), None)
    small = any(0 < abs(value) < 0.5 * 10 ** (2 - _MOST) for value in floats)
    if max(map(abs, floats), default=0.0) >= 10**6 or (small and decimals is None):
        return f".{_SHORT}g"
    return f".{_MOST if decimals is None else decimals}f"


def _one(value: Any, form: str, grouped: int = _GROUPED) -> str:
    if type(value).__name__ in ("bool", "bool_"):  # Python's and NumPy's, of any version
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return printed(f"{int(value):,}" if abs(int(value)) >= grouped else str(int(value)))
    if not isinstance(value, Real):
        missing = value is None or type(value).__name__ in ("NAType", "NaTType")  # of pandas
        return "–" if missing else printed(str(value))
    if math.isnan(value):
        return "–"
    thousands = "," if form.endswith("f") and abs(float(value)) >= grouped else ""
    return printed(format(float(value), thousands + form))


def printed(text: str) -> str:
    """Write powers of ten, minus signs and Greek letters as in print.

    Examples
    --------
    >>> printed("alpha = -1.5e-07")
    'α = −1.5·10⁻⁷'
    """

    def power(found: re.Match[str]) -> str:
        if int(found[3]) == 0:
            return found[1]
        if int(found[3]) == 1 and found[2] != "-":  # 1.41e+01 is 14.1
            whole, _, rest = found[1].partition(".")
            return f"{whole}{rest[:1] or 0}" + (f".{rest[1:]}" if rest[1:] else "")
        sign = "-" if found[2] == "-" else ""
        ten = f"10{(sign + found[3]).translate(_RAISED)}"
        return ten if found[1] == "1" else f"{found[1]}·{ten}"

    text = _POWER.sub(power, text)
    text = re.sub(r"\^(-?\d+)(?![\d.])", lambda found: found[1].translate(_RAISED), text)
    text = re.sub(r"(?<![\w.)])-(?=\d)", "−", text)
    text = re.sub(r"(?<=[\w)²³]) - (?=[\w(])", " − ", text).replace("^beta", "ᵝ").replace("^β", "ᵝ")
    return _WORDS.sub(lambda found: _GREEK[found[1]], text)
