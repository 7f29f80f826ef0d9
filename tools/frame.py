"""The frame of a chapter: what it asks, what a reader can do after it, what to keep, and what comes next.

An extension of Sphinx. Three directives stand at fixed places of each chapter:

- ``opening``, right after the title: the question in a sentence, the minutes, what the page needs, and two to
  four things that a reader can do after it;
- ``in-short``, before the exercises: three sentences;
- ``next``, the last thing of the page: where the question leads, with a link.

Between the last two stand at least three exercises, one of each kind of `plain_markdown.KINDS` but research,
each with a folded solution. A page that lacks any of this is a warning of the build, which fails it. Cells
right after a solution compute it: they are folded with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from plain_markdown import (
    ABILITIES,
    IN_SHORT,
    KINDS,
    NEXT,
    PAGE_LINK,
    Fence,
    all_directives,
    costs,
    link_pages,
    numbered_pages,
    parts,
)
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOGGER = logging.getLogger(__name__)

#: Pages that are no chapters, beside the first of the book: they list what stands elsewhere or, as the page
#: for instructors does, say how to use it; there is nothing in them to practise.
NO_FRAME = frozenset({
    "book/map", "book/explorers", "book/assignments/index", "book/instructors", "book/reproduction",
    "book/how_results", "book/help", "book/glossary", "book/notation", "book/api", "book/bibliography",
    "book/api_data", "book/api_fit", "book/api_bounds", "book/api_aim", "book/api_encoder",
    "book/api_results", "book/api_engine", "book/api_figures", "book/api_arrays",
})  # fmt: skip
NAMES = ("opening", "in-short", "next")
ITEM = re.compile(r"[-*] +\S")
LEAST_EXERCISES = 3


def lacking(text: str) -> list[str]:
    """Return what a chapter lacks of its frame, in words that follow "lacks"; nothing if it has all.

    Parameters
    ----------
    text : str
        The Markdown of the page, its header included or not.
    """
    lines = text.split("\n---\n", 1)[-1] if text.startswith("---\n") else text
    blocks = [(kind, part) for kind, part in parts(lines.splitlines()) if kind != "blank"]
    places: dict[str, list[int]] = {name: [] for name in NAMES}
    for place, (kind, part) in enumerate(blocks):
        if kind == "directive" and part.name in places:
            places[part.name].append(place)
    heads = [part[0].strip() if kind == "text" else "" for kind, part in blocks]
    exercises = heads.index("## Exercises") if "## Exercises" in heads else None
    found = [] if exercises is not None else ["the heading '## Exercises'"]
    for name in NAMES:
        if len(places[name]) != 1:
            found.append(f"one `{name}`: it has {len(places[name])}")
            continue
        (place,) = places[name]
        fence = blocks[place][1]
        if name == "opening":
            if place == 0 or not heads[place - 1].startswith("# "):
                found.append("its `opening` right after the title")
            found += _lacking_in_opening(fence)
        elif name == "in-short":
            if exercises is not None and place > exercises:
                found.append("its `in-short` before the exercises")
            if (count := _items(fence.body)) != 3:
                found.append(f"three items in its `in-short`: it has {count}")
        else:
            if place != len(blocks) - 1:
                found.append("its `next` at the very end")
            if not PAGE_LINK.search("\n".join(fence.body)):
                found.append("a link [](page) in its `next`")
    return found + list(_lacking_exercises(list(all_directives(lines.splitlines()))))


def _items(lines: list[str]) -> int:
    return sum(bool(ITEM.match(line)) for line in lines)


def _lacking_in_opening(fence: Fence) -> Iterator[str]:
    first = next((n for n, line in enumerate(fence.body) if ITEM.match(line)), len(fence.body))
    question = " ".join(fence.body[:first]).strip()
    if not question.endswith("?"):
        yield "a question in its `opening`, with '?' at its end"
    if not re.fullmatch(r"[1-9]\d*", fence.options.get("minutes", "").strip()):
        yield "`:minutes:` in its `opening`, a whole number"
    if not fence.options.get("needs", "").strip():
        yield "`:needs:` in its `opening`"
    if not 2 <= (count := _items(fence.body[first:])) <= 4:
        yield f"two to four abilities in its `opening`: it has {count}"


def _lacking_exercises(fences: list[Fence]) -> Iterator[str]:
    exercises = [fence for fence in fences if fence.name == "exercise"]
    solutions = {fence.argument.strip(): fence for fence in fences if fence.name == "solution"}
    if len(exercises) < LEAST_EXERCISES:
        yield f"{LEAST_EXERCISES} exercises: it has {len(exercises)}"
    kinds = []
    for number, exercise in enumerate(exercises, start=1):
        label = exercise.options.get("label", "").strip()
        name = f"`{label}`" if label else f"its exercise {number}"
        own = [kind for kind in exercise.options.get("class", "").split() if kind in KINDS]
        kinds += own
        if not label:
            yield f"a label of {name}"
        if len(own) != 1:
            yield f"a `:class:` of {name}, one of {', '.join(KINDS)}"
        if label not in solutions:
            yield f"a solution of {name}"
        elif "dropdown" not in solutions[label].options.get("class", "").split():
            yield f"`:class: dropdown` of the solution of {name}"
    for kind in KINDS:
        if kind not in kinds and kind != "research":
            yield f"an exercise with `:class: {kind}`"


def chapters(root: Path) -> list[str]:
    """Return the pages that have a frame, in reading order."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    none = NO_FRAME | {toc["root"]}
    return [page for _, pages in numbered_pages(toc) for page in pages if page not in none]


def refuse_open_frames(app: Sphinx, env: Any) -> None:
    """Warn, which fails the build, of all that a chapter lacks of its frame."""
    for page in chapters(Path(app.srcdir)):
        source = Path(app.srcdir) / f"{page}.md"
        for each in lacking(source.read_text(encoding="utf-8")):
            LOGGER.warning("the chapter %s lacks %s", page, each, location=page)


class FrameDirective(SphinxDirective):
    """What the three have in common: a box, and links to pages as Markdown writes them."""

    has_content = True

    def box(self) -> nodes.container:
        """Return the box with the content, parsed."""
        # Not Bootstrap's class "container", which has a width of its own: sphinx-design leaves it out.
        node = nodes.container(is_div=True, classes=[f"frame-{self.name}"])
        self.set_source_info(node)
        content = StringList(link_pages("\n".join(self.content)).split("\n"), self.get_source_info()[0])
        self.state.nested_parse(content, self.content_offset, node)
        return node

    def line(self, text: str, *classes: str) -> nodes.paragraph:
        """Return a paragraph."""
        inline, messages = self.state.inline_text(link_pages(text), self.lineno)
        return nodes.paragraph(text, "", *inline, *messages, classes=list(classes))


class Opening(FrameDirective):
    """The question of a page, its minutes and needs, and what a reader can do after it."""

    option_spec = {  # noqa: RUF012
        "minutes": directives.positive_int,
        "needs": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        box = self.box()
        for child in box.children:
            if isinstance(child, nodes.paragraph):
                child["classes"].append("question")
        at = next(
            (n for n, child in enumerate(box.children) if isinstance(child, nodes.bullet_list)), len(box)
        )
        words = costs(self.options.get("minutes", ""), self.options.get("needs", ""))
        box[at:at] = [self.line(words, "costs"), self.line(ABILITIES, "abilities")]
        return [box]


class InShort(FrameDirective):
    """Three sentences to keep."""

    def run(self) -> list[nodes.Node]:
        box = self.box()
        box.insert(0, self.line(IN_SHORT, "head"))
        return [box]


class Next(FrameDirective):
    """Where the question of a page leads."""

    def run(self) -> list[nodes.Node]:
        box = self.box()
        if box.children and isinstance(box[0], nodes.paragraph):
            box[0][0:0] = [nodes.strong("", f"{NEXT}."), nodes.Text(" ")]
        return [box]


def name_kinds(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Write the kind of an exercise beside its number."""
    for node in doctree.findall(nodes.Admonition):
        kind = next((kind for kind in KINDS if kind in node.get("classes", ())), None)
        if "exercise" in node.get("classes", ()) and kind:
            node[0] += nodes.inline("", kind, classes=["kind"])


def fold_answers(app: Sphinx, doctree: nodes.document) -> None:
    """Move the cells that follow a solution into it: their outputs are the answer."""
    for solution in list(doctree.findall(lambda node: _of_class(node, "solution"))):
        siblings = solution.parent
        place = siblings.index(solution) + 1
        while place < len(siblings) and _of_class(siblings[place], "cell"):
            solution[-1].append(siblings.pop(place))


def _of_class(node: Any, name: str) -> bool:
    return isinstance(node, nodes.Element) and name in node["classes"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives and the check."""
    for name, directive in zip(NAMES, (Opening, InShort, Next), strict=True):
        app.add_directive(name, directive)
    app.connect("env-check-consistency", refuse_open_frames)
    app.connect("doctree-read", fold_answers)
    app.connect("doctree-resolved", name_kinds)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
