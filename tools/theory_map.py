"""Draw which statement of the theory uses which, from the sources of its pages.

A statement is a labelled ``prf`` directive. It uses what it names and what its proof names: statements, and
equations, which stand for the statement around them or, in running text, for what the paragraph before
names. A corollary that names nothing follows from the theorem before it.
"""

from __future__ import annotations

import html
import itertools
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import notebooks
import yaml
from repository import ROOT

PROVED = ("theorem", "lemma", "proposition", "corollary")
NOT_PROVED = "*Not proved here:*"  # a statement without a proof says so, and why

FENCE = re.compile(r"\s*(`{3,}|:{3,})\s*(?:\{([\w:-]+)\}\s*(.*))?")
OPTION = re.compile(r"\s*:(\w+):\s*(.*)")
CITATION = re.compile(r"\{(prf:ref|eq)\}`(?:[^`<]*<)?([\w:-]+)>?`")
#: The title of a page, and its opening (``tools/frame.py``).
HEAD = re.compile(r"^# .+$(?:\n\s*\n(`{3,})\{opening\}\n[\s\S]*?^\1[ \t]*$)?", re.MULTILINE)
SYMBOLS = {r"\rho": "ρ", r"\beta": "β", r"\kappa": "κ", "^2": "²", "$": ""}


@dataclass
class Block:
    """A directive of a page, or a piece of its running text (of the kind ``text``)."""

    kind: str
    argument: str = ""
    label: str = ""
    body: str = ""
    equations: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Statement:
    """A statement, its page, the labels of what it uses, and whether the book proves it."""

    label: str
    kind: str
    title: str
    page: str
    uses: tuple[str, ...] = ()
    proved: bool = False
    excused: bool = False


def blocks(text: str) -> list[Block]:
    """Return the outermost directives of a Markdown page, and the paragraphs between them, in order.

    Code is skipped. What is nested in a directive belongs to its body.
    """
    found = [Block("text")]
    fences: list[tuple[str, str]] = []  # open fences, and what they hold
    for line in text.splitlines():
        match = FENCE.match(line)
        inside = found[-1]
        closing = match and not match[2] and not line.strip().strip(match[1][0])
        if closing and fences and match[1].startswith(fences[-1][0]):
            fences.pop()
            if not fences:
                found.append(Block("text"))
            continue
        if fences and fences[-1][1] in ("code-cell", "code"):
            continue
        option = OPTION.match(line)
        if match and (match[2] or not fences):
            fences.append((match[1], match[2] or "code"))
            if len(fences) == 1:
                found.append(Block(match[2] or "code", match[3] or ""))
        elif fences and option and option[1] == "label":
            if fences[-1][1] == "math":
                inside.equations.append(option[2].strip())
            elif len(fences) == 1:
                inside.label = option[2].strip()
        elif not (fences and option):
            if not fences and not line.strip() and inside.body.strip():
                found.append(Block("text"))
            found[-1].body += line + "\n"
    return [block for block in found if block.kind != "text" or block.body.strip()]


def citations(text: str) -> list[str]:
    """Return the labels of the statements and equations that a text names, each once."""
    return list(dict.fromkeys(match[2] for match in CITATION.finditer(text)))


def read(pages: Mapping[str, str]) -> list[Statement]:
    """Return the statements of pages, in order.

    Parameters
    ----------
    pages : mapping of str to str
        The Markdown of each page by its name.

    Returns
    -------
    list of Statement
        Equations are resolved; a label that no page defines is kept among the ``uses``.

    Raises
    ------
    ValueError
        If a label is given twice, a statement has none, or a proof follows no statement.
    """
    statements: dict[str, Statement] = {}
    named: dict[str, list[str]] = {}
    equations: dict[str, list[str]] = {}  # what an equation stands for
    proofs: list[tuple[str, str, list[str]]] = []
    follows: dict[str, str] = {}
    for page, text in pages.items():
        last = theorem = before = ""
        for block in blocks(text):
            stands_for = citations(before)
            if block.kind == "prf:proof":
                other = re.match(r"\s*Of \{prf:ref\}`([\w:-]+)`", block.body)
                target = other[1] if other else last
                if not target:
                    raise ValueError(f"a proof on the page {page} follows no statement")
                proofs.append((target, page, citations(block.body)))
                stands_for = [target]
            elif block.kind.startswith("prf:"):
                last = block.label
                if not last:
                    raise ValueError(f"a {block.kind} on the page {page} has no label: {block.argument!r}")
                if last in statements:
                    raise ValueError(f"{last} labels two statements, on {statements[last].page} and {page}")
                statements[last] = Statement(
                    last, block.kind[4:], block.argument.strip(), page, excused=NOT_PROVED in block.body
                )
                named[last] = citations(block.body)
                stands_for = [last]
                if block.kind == "prf:theorem":
                    theorem = last
                elif block.kind == "prf:corollary":
                    follows[last] = theorem
            for equation in block.equations:
                if equation in equations:
                    raise ValueError(f"{equation} labels two equations, the second on the page {page}")
                equations[equation] = stands_for
            before = block.body if block.kind == "text" else ""
    for target, page, cited in proofs:
        if target not in statements:
            raise ValueError(f"the page {page} proves {target}, which no page states")
        statements[target] = replace(statements[target], proved=True)
        named[target] += cited
    for label, theorem in follows.items():
        if theorem and not named[label]:
            named[label] = [theorem]
    return [
        replace(
            each,
            uses=tuple(
                dict.fromkeys(
                    label
                    for name in named[each.label]
                    for label in equations.get(name, [name])
                    if label != each.label
                )
            ),
        )
        for each in statements.values()
    ]


def part(statements: Sequence[Statement], pages: Sequence[str]) -> list[Statement]:
    """Return the statements of some pages; of what these use, only what stands on these pages too."""
    inside = {each.label for each in statements if each.page in pages}
    return [
        replace(each, uses=tuple(label for label in each.uses if label in inside))
        for each in statements
        if each.label in inside
    ]


def depths(statements: Sequence[Statement]) -> dict[str, int]:
    """Return the length of the longest chain of uses that ends at each statement.

    Raises
    ------
    ValueError
        If a statement uses itself in a circle, or something that is not among the statements.
    """
    uses = {each.label: each.uses for each in statements}
    missing = sorted({label for labels in uses.values() for label in labels} - uses.keys())
    if missing:
        raise ValueError(f"these labels are named, but nothing has them: {', '.join(missing)}")
    try:
        order = list(TopologicalSorter(uses).static_order())
    except CycleError as error:
        raise ValueError(f"a circle of proofs: {' uses '.join(reversed(error.args[1]))}") from None
    depth: dict[str, int] = {}
    for label in order:
        depth[label] = max((depth[other] + 1 for other in uses[label]), default=0)
    return depth


def used_by(statements: Sequence[Statement]) -> dict[str, list[str]]:
    """Return, for each statement, the labels of those that use it, in order."""
    users: dict[str, list[str]] = {each.label: [] for each in statements}
    for each in statements:
        for label in each.uses:
            users[label].append(each.label)
    return users


def listing(statements: Sequence[Statement]) -> str:
    """Return the map as a Markdown list: of each page its statements, what they use and what uses them."""
    users = used_by(statements)

    def links(labels: Sequence[str]) -> str:
        return ", ".join(f"{{prf:ref}}`{label}`" for label in labels)

    lines = []
    for page, group in itertools.groupby(statements, lambda each: each.page):
        lines += ["", f"**{{doc}}`{page}`**", ""]
        for each in group:
            ends = [
                f"{word} {links(labels)}"
                for word, labels in (("uses", each.uses), ("used by", users[each.label]))
                if labels
            ]
            lines.append(
                f"- {{prf:ref}}`{each.label}`, {each.title}" + (f": {'; '.join(ends)}." if ends else ".")
            )
    return "\n".join(lines).strip() + "\n"


# The drawing, in pixels: a box for each statement, rows from top to bottom. What is used stands above.
WIDTH, GAP, LINE, SPACE = 128, 12, 15, 10
BETWEEN = 26  # rows
IN_A_ROW = 6  # 840 pixels: a window of 1280 shows them beside the contents
CHARACTERS = 17  # that a line of a box holds
#: Parts of the theory, by the first word of a page's name.
PARTS = ("coercivity", "upper", "lower")


def plain(title: str) -> str:
    """Return a title without its mathematical markup."""
    for markup, symbol in SYMBOLS.items():
        title = title.replace(markup, symbol)
    return title


def layers(statements: Sequence[Statement]) -> list[list[Statement]]:
    """Return the statements in layers, in order: each below all that it uses, just above what uses it first.

    A statement that nothing uses stands as high as it can.
    """
    depth, users = depths(statements), used_by(statements)
    layer: dict[str, int] = {}
    for label in sorted(depth, key=lambda label: -depth[label]):
        layer[label] = min((layer[other] - 1 for other in users[label]), default=depth[label])
    return [
        [each for each in statements if layer[each.label] == number]
        for number in range(max(layer.values(), default=-1) + 1)
    ]


def boxes(statements: Sequence[Statement]) -> Iterator[tuple[Statement, list[str], int, int]]:
    """Yield each statement, the lines of its box, and the left and the top of it, layer by layer."""
    top = SPACE
    for layer in layers(statements):
        for first in range(0, len(layer), IN_A_ROW):
            tallest = 0
            for column, each in enumerate(layer[first : first + IN_A_ROW]):
                title = textwrap.wrap(plain(each.title), CHARACTERS, break_long_words=False)
                lines = [each.kind.capitalize(), *title]
                tallest = max(tallest, len(lines))
                yield each, lines, SPACE + column * (WIDTH + GAP), top
            top += LINE * tallest + SPACE + BETWEEN


def words(lines: Sequence[str], x: int, y: int) -> str:
    """Return the lines of a box as SVG: the kind of the statement, then its title."""
    return " ".join(
        f'<tspan class="{kind}" x="{x}" y="{y + LINE * row}">{html.escape(line)}</tspan>'
        for row, (kind, line) in enumerate(
            zip(["kind", *["title"] * len(lines)], lines, strict=False), start=1
        )
    )


def curve(start: tuple[int, int, int], end: tuple[int, int, int]) -> str:
    """Return the path from below one box to the top of another; a box is its left, top and height."""
    x0, y0 = start[0] + WIDTH // 2, start[1] + start[2]
    x1, y1 = end[0] + WIDTH // 2, end[1]
    return f"M{x0} {y0}C{x0} {y0 + BETWEEN} {x1} {y1 - BETWEEN} {x1} {y1}"


def svg(statements: Sequence[Statement], titles: Mapping[str, str]) -> str:
    """Return the map as an SVG element whose boxes lead to the statements.

    Parameters
    ----------
    statements : sequence of Statement
        Those to draw; what they use must be among them.
    titles : mapping of str to str
        The title of each page by its name.
    """
    placed = list(boxes(statements))
    place = {each.label: (x, y, LINE * len(lines) + SPACE) for each, lines, x, y in placed}
    width = 2 * SPACE + IN_A_ROW * (WIDTH + GAP) - GAP
    height = max(y + tall for _, y, tall in place.values()) + SPACE
    curves, links = [], []
    for each, lines, x, y in placed:
        family = each.page.split("_")[0]
        classes = f"node {each.kind} {family if family in PARTS else 'elsewhere'}"
        links.append(
            f'<a class="{classes}" href="{each.page}.html#{each.label}" data-label="{each.label}">'
            f"<title>{html.escape(titles[each.page])}</title>"
            f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{place[each.label][2]}" rx="4"/>'
            f"<text>{words(lines, x + 7, y)}</text></a>"
        )
        for label in each.uses:
            ends = curve(place[label], place[each.label])
            curves.append(f'<path data-from="{label}" data-to="{each.label}" d="{ends}"/>')
    return "\n".join(
        [
            f'<svg class="theory-map" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{width}" height="{height}" role="group" '
            'aria-labelledby="theory-map-title theory-map-desc">',
            '<title id="theory-map-title">The map of the theory</title>',
            f'<desc id="theory-map-desc">{len(statements)} statements. Lines lead down from a statement to '
            "those that use it. The list below says the same in words.</desc>",
            *curves,
            *links,
            "</svg>",
        ]
    )


def excerpt(statements: Sequence[Statement], page: str) -> str:
    """Return, in Markdown, where a page stands: what it rests on, its statements, and what uses them.

    Nothing if the page has no statement.
    """
    users = used_by(statements)
    own = [each for each in statements if each.page == page]
    if not own:
        return ""
    used = {label for each in own for label in each.uses}
    using = {label for each in own for label in users[each.label]}
    groups = {
        "Rests on": [each for each in statements if each.label in used and each.page != page],
        "This page": own,
        "Used by": [each for each in statements if each.label in using and each.page != page],
    }
    lines = [
        f"**{name}:** "
        + (", ".join(f"{{prf:ref}}`{plain(each.title)} <{each.label}>`" for each in group) or "nothing else")
        for name, group in groups.items()
    ]
    lines[-1] += ". {doc}`The whole map <map>`"
    return "::::{div} theory-here\n" + "\n\n".join(f"{line}." for line in lines) + "\n::::\n"


def open_with_excerpt(content: str, statements: Sequence[Statement], page: str) -> str:
    """Put the excerpt of the map after the title of a page, and after its opening if it has one."""
    here = excerpt(statements, page)
    return re.sub(HEAD, lambda match: f"{match[0]}\n\n{here}", content, count=1) if here else content


def title(text: str) -> str:
    """Return the title of a Markdown page."""
    heading = re.search(r"(?m)^# (.+)$", text)
    if heading is None:
        raise ValueError("the page has no title")
    return plain(heading[1])


def sources(root: Path = ROOT) -> tuple[dict[str, str], list[str]]:
    """Return the Markdown of all pages, in reading order, and the pages of the part that holds the map."""
    pages = {
        path.stem: path.read_text(encoding="utf-8")
        for path in notebooks.page_files(root)
        if path.suffix == ".md"
    }
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    for each in toc.get("parts", [toc]):
        listed = [Path(page).name for page in notebooks.pages(each)]
        if "map" in listed:
            return pages, listed
    return pages, []  # a book without a map: nothing rests on anything


def expand(content: str, pages: Mapping[str, str], drawn: Sequence[str]) -> str:
    """Fill a page: a line ``% map of the theory`` gives the drawing, ``% list of the theory`` the list.

    Parameters
    ----------
    content : str
        Markdown.
    pages : mapping of str to str
        The Markdown of all pages of the book by their names, in reading order.
    drawn : sequence of str
        The pages whose statements are drawn.
    """
    statements = part(read(pages), drawn)
    titles = {page: title(pages[page]) for page in drawn}
    drawing = (
        "```{raw} html\n"
        '<div class="theory-map-box" role="region" aria-label="Map of the theory" tabindex="0">\n'
        f"{svg(statements, titles)}\n</div>\n```"
    )
    for line, text in (("% map of the theory", drawing), ("% list of the theory", listing(statements))):
        content = re.sub(rf"(?m)^{line}$", lambda match, text=text: text, content)
    return content
