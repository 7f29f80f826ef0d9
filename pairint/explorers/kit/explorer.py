"""The common part of the interactive figures: values, numbers, picture, page, notebook."""

from __future__ import annotations

import io
import itertools
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import numpy as np

from pairint.explorers.kit import bundle
from pairint.explorers.kit.panels import Panel, Parameter, Series, draw, fill
from pairint.figures.style import figure_style

__all__ = ["Explorer", "Numbers", "Simulation", "compact"]

_COUNTS: dict[str, Iterator[int]] = {}


@dataclass(frozen=True)
class Numbers:
    """What a figure shows at given values of its parameters.

    Attributes
    ----------
    series : dict
        ``"panel.mark"`` to ``{"x", "y"}`` (arrays, with ``low`` and ``high`` for error bars) or ``{"at"}``.
    facts : dict
        Numbers and words that fill the sentences and labels.
    """

    series: Series
    facts: dict[str, Any]


@dataclass(frozen=True)
class Simulation:
    """The button of a live kernel.

    Attributes
    ----------
    label, title : str
        Words on the button, and when hovered.
    free : tuple of str
        Parameters that may change without making the points drawn so far meaningless. With another value of
        any other parameter they are hidden, and the next simulation starts afresh.
    """

    label: str
    title: str
    free: tuple[str, ...] = ()


class Explorer(ABC):
    """An interactive figure.

    As the last expression of a cell it is a live widget (with a kernel and anywidget), or a self-contained
    piece of HTML: when the environment variable ``PAIRINT_STATIC`` is set, as the build of the book does, or
    where anywidget is missing.

    Parameters
    ----------
    **values
        Values of the parameters for the first view; see ``parameters``.

    Raises
    ------
    TypeError, ValueError
        If a parameter is unknown or cannot be shown.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]
    panels: ClassVar[tuple[Panel, ...]]
    simulation: ClassVar[Simulation | None] = None
    #: Whether the figure is to fit one screen of a phone; and the slider that its buttons Play and Step move.
    compact: ClassVar[bool] = False
    play: ClassVar[str | None] = None
    #: Parameters that mean what they mean in the whole book; a page's figures take them from one another.
    shared: ClassVar[tuple[str, ...]] = ("beta", "d", "tokens", "samples")
    #: Lines of an algorithm, with facts to fill in; the fact "line" says which one is lit.
    listing: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **values: Any) -> None:
        known = {p.key: p for p in self.parameters}
        for key in values:
            if key not in known:
                raise TypeError(f"{type(self).__name__} has no parameter {key!r}; it has {', '.join(known)}")
        checked = {key: known[key].check(value) for key, value in values.items()}
        self._values = {p.key: p.value for p in self.parameters} | self._preset(checked) | checked
        for p in self.parameters:  # a choice that sets other values does not hold at others
            preset = p.presets.get(self._values[p.key], {}) if p.presets else {}
            if any(self._values[key] != value for key, value in preset.items()):
                self._values[p.key] = p.choices[0]
        self._widget: Any = None

    # What each figure provides

    @abstractmethod
    def compute(self, values: Mapping[str, Any]) -> Numbers:
        """Return what is shown at the given values of all parameters, computed with the package."""

    def data(self) -> dict[str, Any]:
        """Return the constants and tables that the ES module needs (JSON)."""
        return {}

    def simulate(
        self, values: Mapping[str, Any], rng: np.random.Generator, report: Callable[[float], None]
    ) -> Iterator[Series]:
        """Draw fresh data at the given values; yield points to add, as they come.

        ``report(fraction)`` tells the progress; it raises to cancel.
        """
        raise NotImplementedError(f"{type(self).__name__} has nothing to simulate")

    # What they share

    @property
    def values(self) -> dict[str, Any]:
        """The parameters' values, those chosen in the figure when it is live."""
        return dict(self._widget.values) if self._widget is not None else dict(self._values)

    def numbers(self, **changes: Any) -> Numbers:
        """Return series and facts at the current values, with ``changes``."""
        return self._numbers(type(self)(**(self.values | self._preset(changes) | changes))._values)

    def _preset(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that choosing these sets besides."""
        presets = [p.presets.get(chosen.get(p.key), {}) for p in self.parameters if p.presets]
        return {key: value for preset in presets for key, value in preset.items()}

    def _numbers(self, values: Mapping[str, Any]) -> Numbers:
        values = dict(values)
        for p in self.parameters:
            if p.at_most is not None:
                values[p.key] = min(values[p.key], values[p.at_most])
        numbers = self.compute(values)
        names = {
            f"{p.key}_name": p.names[list(p.choices).index(values[p.key])]
            for p in self.parameters
            if p.scale == "choice"
        }
        return Numbers(numbers.series, values | names | numbers.facts)

    def sentence(self, **changes: Any) -> str:
        """Return the sentence under the figure: its text alternative."""
        return fill(self.summary, self.numbers(**changes).facts)

    def figure(self, **changes: Any) -> Any:
        """Return the figure for paper (Matplotlib), from the same numbers."""
        numbers = self.numbers(**changes)
        return draw(self.panels, numbers.series, numbers.facts, self.title)

    def spec(self) -> dict[str, Any]:
        """Return the description of the figure and its data, as JSON."""
        return {
            "name": self.name,
            "class_name": type(self).__name__,
            "title": self.title,
            "summary": self.summary,
            "parameters": [compact(asdict(p) | {"value": self._values[p.key]}) for p in self.parameters],
            "panels": [asdict(p) for p in self.panels],
            "simulation": asdict(self.simulation) if self.simulation else None,
            "compact": self.compact,
            "play": self.play,
            "listing": self.listing,
            "shared": [p.key for p in self.parameters if p.key in self.shared],
            "values": dict(self._values),
            "data": self.data(),
        }

    def to_html(self, element_id: str | None = None) -> str:
        """Return the figure as a piece of HTML that needs nothing else.

        Parameters
        ----------
        element_id : str, optional
            Identifier of the element, and of links to a view of it: a letter followed by letters, digits and
            ``_ . : -``. By default ``pairint-rate``, ``pairint-rate-2``, ... in order.

        Raises
        ------
        ValueError
            If it holds anything else.
        """
        if element_id is None:
            count = next(_COUNTS.setdefault(self.name, itertools.count(1)))
            element_id = f"pairint-{self.name}" + (f"-{count}" if count > 1 else "")
        elif not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.:-]*", element_id):
            raise ValueError(
                f"element_id must be a letter followed by letters, digits and _ . : -, got {element_id!r}"
            )
        alt = f"{self.title}. {self.sentence()}"
        return bundle.page_fragment(self.module, self.spec(), element_id, self.picture(), alt)

    def save(self, path: str | Path) -> Path:
        """Write the figure as a page of its own, which works from disk."""
        path = Path(path)
        path.write_text(bundle.page(self.title, [self.to_html(f"pairint-{self.name}")]), encoding="utf-8")
        return path

    @property
    def widget(self) -> Any:
        """The live widget (anywidget), made at first use."""
        if self._widget is None:
            from pairint.explorers.kit.live import LiveExplorer

            self._widget = LiveExplorer(self)
        return self._widget

    @property
    def module(self) -> str:
        """File name of the figure's ES module."""
        return f"{self.name}.js"

    def picture(self) -> str:
        """Return the figure for paper as the address of an SVG: a ``data:`` URL."""
        import matplotlib as mpl

        buffer = io.StringIO()
        # Its words hold no formula: they stay letters, which take half the bytes of outlines.
        with figure_style(), mpl.rc_context({"svg.fonttype": "none"}):
            self.figure().savefig(buffer, format="svg", metadata={"Date": None})
        svg = buffer.getvalue()
        svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg[svg.index("<svg") :], flags=re.DOTALL)
        # In the tags (not in the texts) a tenth of a point is enough: finer than a printed line.
        svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d)\d+", r"\1", tag[0]), svg)
        svg = re.sub(r"\s+", " ", svg).replace("> <", "><")
        # Percent-encoding compresses far better than base64 on the way to the reader.
        return "data:image/svg+xml," + quote(svg, safe=" /:=;,.()'-_+*@!$&?|~")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.values.items())})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        if kernel_is_live():
            return self.widget._repr_mimebundle_()
        return {"text/plain": repr(self), "text/html": self.to_html()}


def kernel_is_live() -> bool:
    """Say whether a widget would be answered: a kernel, anywidget, and no build of static pages going on."""
    if os.environ.get("PAIRINT_STATIC", "") not in ("", "0") or find_spec("anywidget") is None:
        return False
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


def compact(parameter: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a control without what it does not say."""
    return {key: value for key, value in parameter.items() if value not in (None, "", (), [])}
