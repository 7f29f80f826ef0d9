"""Put the book's figures into its pages as SVG: colours of the theme, a second layout for telephones.

A notebook cell shows a figure as SVG (``pairint.figures.layout``): the wide layout, and in its metadata the
narrow one. Here both enter the page itself. Each colour becomes a variable, which the dark theme sets to
another: those of the book have partners, greys are turned over, other colours keep their hue and become
lighter where they would be lost. A heat map that is white in its middle is dark there. Paper always has the
light ones. The outlines of letters stand once a page: they are most of a figure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

from pairint.figures.layout import TURNED, VALUES
from pairint.figures.style import DARK

LOGGER = logging.getLogger(__name__)
SVG = "http://www.w3.org/2000/svg"
XLINK = "{http://www.w3.org/1999/xlink}href"
GROUND = "#121212"  # of the dark theme
CONTRAST = 4.5  # of a colour of the dark theme with its ground: what letters need, and more than lines need
PALE = 1.6  # the power by which a light grey is lighter in the dark theme, where it would be lost
SLOPE = 6.0  # by which a lighter colour asks for more: colours in order of lightness keep it
COLOR = re.compile(r"#[0-9a-fA-F]{6}\b")
NUMBER = re.compile(r"-?\d+\.\d{2,}")
LETTER = re.compile(r"[\w-]+-[0-9a-f]+")  # the name of an outline: font, number of the letter
#: Where a panel stands beside another one, as texts say it; not the side of a panel, nor a way across it.
SIDE = re.compile(
    r"\b(?P<on>[Oo]n) the (?P<that>left|right)\b(?!-| (?:edge|end|half|side)\b)"
    r"|\b(?P<the>[Tt]he) (?P<one>left|right)(?= (?:curve|panel|one)\b)"
    r"|(?<![\w-])(?<!to )(?<!the )(?P<alone>[Ll]eft|[Rr]ight)(?=[:,])"
)


@dataclass
class Shared:
    """What the drawings of one page have in common: colours, and outlines of letters by name."""

    colors: set[str] = field(default_factory=set)
    letters: dict[str, ElementTree.Element] = field(default_factory=dict)

    def take_letters(self, root: ElementTree.Element) -> None:
        """Move the outlines of a drawing here; one that differs from its namesake stays."""
        for group in root.iter(f"{{{SVG}}}defs"):
            for path in group.findall(f"{{{SVG}}}path"):
                name = path.get("id", "")
                if LETTER.fullmatch(name) and path.attrib == self.letters.setdefault(name, path).attrib:
                    group.remove(path)

    def html(self) -> str:
        """Return the colours of the dark theme as a style sheet, and the letters in a drawing of no size."""
        dark = "".join(f"--c{color[1:]}:{darkened(color)};" for color in sorted(self.colors))
        sheet = f'<style>@media screen{{html[data-theme="dark"] .drawing{{{dark}}}}}</style>'
        letters = "".join(
            f'<path id="letter-{name}" d="{path.get("d", "")}" transform="{path.get("transform", "")}"/>'
            for name, path in sorted(self.letters.items())
        )
        hidden = 'width="0" height="0" style="position:absolute" aria-hidden="true"'
        return f"{sheet}<svg {hidden}><defs>{letters}</defs></svg>"


def channels(color: str) -> tuple[float, ...]:
    """Return red, green, blue of ``#rrggbb`` between 0 and 1."""
    return tuple(int(color[k : k + 2], 16) / 255 for k in (1, 3, 5))


def luminance(rgb: tuple[float, ...]) -> float:
    """Return the relative luminance of WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours by WCAG 2, between 1 and 21."""
    low, high = sorted(luminance(channels(color)) for color in (first, second))
    return (high + 0.05) / (low + 0.05)


def mixed(first: str, second: str, share: float) -> str:
    """Return a colour on the way from one to another."""
    both = zip(channels(first), channels(second), strict=True)
    return "#" + "".join(f"{round(255 * (a + share * (b - a))):02x}" for a, b in both)


def darkened(color: str) -> str:
    """Return what a colour is in the dark theme: its partner, a grey turned over, or its hue, lighter."""
    if (own := DARK.get(color.upper())) is not None:
        return own.lower()
    rgb = channels(color)
    if max(rgb) - min(rgb) < 0.04:
        return mixed("#e8eaed", GROUND, luminance(rgb) ** (1 / 2.2 * PALE))
    share, enough = 0.0, CONTRAST + SLOPE * luminance(rgb)
    while contrast(mixed(color, "#ffffff", share), GROUND) < enough:
        share += 0.02
    return mixed(color, "#ffffff", share)


def variable(found: re.Match[str]) -> str:
    """Return a colour as a variable, which is that colour where nothing sets it."""
    color = found[0].lower()
    return f"var(--c{color[1:]},{color})"


def rounded(found: re.Match[str]) -> str:
    """Return a number of a path to the tenth of a point: a seventh of a pixel on a telephone."""
    text = f"{float(found[0]):.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def themed(root: ElementTree.Element, prefix: str, shared: Shared) -> None:
    """Make one drawing fit for a page, in place: its own identifiers, variables for colours.

    Identifiers get a prefix, and those that nothing uses are dropped: two drawings of a page share none.
    """
    shared.take_letters(root)
    kept = {element.get("id") for element in root.iter()}
    text = ElementTree.tostring(root, encoding="unicode")
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    shared.colors.add("#000000")

    def walk(element: ElementTree.Element, heat: bool, turned: bool) -> None:
        heat = heat or VALUES in element.get("id", "")
        turned = turned or TURNED in element.get("id", "")
        if turned and element.tag == f"{{{SVG}}}image":
            element.set("class", TURNED)  # for book.css
        for name, value in list(element.attrib.items()):
            if name == "id":
                if value.startswith("here:"):
                    element.set("data-here", value.removeprefix("here:"))  # for setting.js
                if value.startswith("legend_"):
                    element.set("class", "legend")  # behind which a mark of setting.js stands
                if value.startswith("text_"):
                    element.set("class", "text")  # by which a test finds the letters
                if value in used:
                    element.set("id", prefix + value)
                else:
                    del element.attrib["id"]
            elif name == XLINK:
                del element.attrib[name]
                if value.startswith("#"):
                    value = f"#{prefix if value[1:] in kept else 'letter-'}{value[1:]}"
                element.set("href", value)
            elif name in ("style", "fill", "stroke") and not heat:
                if name != "style" and COLOR.fullmatch(value):
                    del element.attrib[name]
                    name, value = "style", f"{name}: {value};{element.get('style', '')}"
                shared.colors.update(color.lower() for color in COLOR.findall(value))
                element.set(name, COLOR.sub(variable, value))
            elif name in ("clip-path", "mask"):
                element.set(name, value.replace("url(#", f"url(#{prefix}"))
            elif name in ("d", "x", "y"):
                element.set(name, re.sub(r"\s*([A-Z])\s*|\s+$", r"\1", NUMBER.sub(rounded, value)))
        for child in list(element):
            if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style"):
                element.remove(child)
            else:
                walk(child, heat, turned)

    walk(root, False, False)


def drawn(root: ElementTree.Element, layout: str, prefix: str, alt: str, shared: Shared) -> str:
    """Return one layout of a figure as HTML."""
    themed(root, prefix, shared)
    width = float(root.get("viewBox", "0 0 0 0").split()[2])
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("class", layout)
    root.set("role", "img")
    root.set("aria-label", alt)
    root.set("width", f"{width * 96 / 72:.0f}")
    # What Matplotlib writes as a rule for all that is drawn would be a rule for the whole page.
    root.set("style", "fill:var(--c000000,#000000);stroke-linejoin:round;stroke-linecap:butt")
    return ElementTree.tostring(root, encoding="unicode")


def drawing(text: str, prefix: str, alt: str, shared: Shared) -> str:
    """Return the HTML of a figure; without a narrow layout, of the wide one only."""
    wide = ElementTree.fromstring(text)
    narrow = wide.find(f"{{{SVG}}}metadata/{{{SVG}}}svg")
    pair = wide.find(f"{{{SVG}}}metadata[@class='pair']") is not None
    html = "".join(
        drawn(root, layout, f"{prefix}{layout[0]}-", words, shared)
        for layout, root, words in (
            ("wide", wide, alt),
            ("narrow", narrow, SIDE.sub(above, alt) if pair else alt),
        )
        if root is not None
    )
    kind = "drawing" if narrow is not None else "drawing single"
    return f'<div class="{kind}">{html}</div>'


def above(found: re.Match[str]) -> str:
    """Return what says the place of a panel where panels stand one above the other."""
    words = found["alone"] or found["on"]
    if words is not None:
        side = (found["alone"] or found["that"]).lower()
        place = {"left": "above", "right": "below"}[side]
        if words[0].islower():
            return place
        # "On the left it falls" and "Above, it falls": without a comma the word would go with the next one.
        follows = found.string[found.end() :][:1]
        return place.capitalize() + ("" if found["alone"] or follows in (",", ":") else ",")
    return f"{found['the']} {'upper' if found['one'] == 'left' else 'lower'}"


def told_twice(caption: nodes.Element) -> None:
    """Let a caption say, in place, where two panels stand in both layouts: the style sheet shows one."""
    for text in list(caption.findall(nodes.Text)):
        words, parts, last = text.astext(), [], 0
        for found in SIDE.finditer(words):
            parts += [
                nodes.Text(words[last : found.start()]),
                nodes.inline("", found[0], classes=["beside"]),
                nodes.inline("", above(found), classes=["stacked"]),
            ]
            last = found.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(words[last:])])


def caption_of(node: nodes.Node) -> nodes.Element | None:
    """Return the caption of the figure that a picture stands in, if it has one."""
    while node is not None and not isinstance(node, nodes.figure):
        node = node.parent
    return next(iter(node.findall(nodes.caption)), None) if node is not None else None


class InlineDrawings(SphinxPostTransform):
    """Replaces what a cell drew as SVG by the drawing itself."""

    default_priority = 400  # myst_nb has chosen among the forms of an output by then
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Replace the pictures of one page."""
        first, shared = None, Shared()
        for count, node in enumerate(list(self.document.findall(nodes.image))):
            path = Path(self.app.srcdir) / node["uri"]
            if path.suffix != ".svg" or "jupyter_execute" not in path.parts:
                continue
            if not node.get("alt"):
                LOGGER.warning("a figure has no text for those who cannot see it", location=self.env.docname)
            text = path.read_text(encoding="utf-8")
            html = drawing(text, f"d{count}", node.get("alt", ""), shared)
            if '<metadata class="pair">' in text and (caption := caption_of(node)) is not None:
                told_twice(caption)
            raw = nodes.raw("", html, format="html")
            first = first or raw
            node.replace_self(raw)
        if first is not None:
            first.children[0] = nodes.Text(shared.html() + first.astext())
            first.rawsource = first.astext()


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform."""
    ElementTree.register_namespace("", SVG)
    app.add_post_transform(InlineDrawings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
