"""A long proof stands folded under its idea: what the build and the notebooks ask of the pages.

    python tools/ideas.py    list the long proofs that have no idea

An extension of Sphinx. The directive ``idea`` holds the idea of a proof in a line or two, right before the
proof. The page shows it, and folds the proof below it (``book/assets/book.js``); without scripts, and on
paper, the proof is open. A proof of more than `LONG` lines without an idea, an idea of more than
`LONGEST_IDEA`, and one that no proof follows are warnings of the build, which fail it.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import notebooks
from docutils import nodes
from plain_markdown import IDEA, Fence, parts
from repository import ROOT
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx_proof.nodes import proof_node

LOGGER = logging.getLogger(__name__)

#: Lines of a page: the characters of one, the most of a proof without an idea, and the most of an idea.
CHARACTERS = 84
LONG = 6
LONGEST_IDEA = 4
ROLE = re.compile(r"\{[a-z:]+\}`(?:([^`<]*?)\s*<)?[^`]*`")


def height(lines: list[str]) -> int:
    """Return, nearly, how many lines some Markdown takes on a page of the book.

    A command of TeX is counted as one character, a reference as a short word, a row of a displayed formula as
    two lines.
    """
    found = 0
    for kind, part in parts(lines):
        if kind == "text":
            text = ROLE.sub(lambda role: role[1] or "Lemma 5.10", " ".join(line.strip() for line in part))
            text = re.sub(r"\\[a-zA-Z]+|\\.", "x", text)
            found += math.ceil(len(re.sub(r"[{}$^_*]", "", text)) / CHARACTERS)
        elif kind == "math":
            found += _rows(part)
        elif kind == "directive":
            found += _rows(part.body) if part.name == "math" else height(part.body)
        elif kind == "verbatim":
            found += len(part) - 2
    return found


def _rows(lines: list[str]) -> int:
    return 2 * (1 + sum(line.count(r"\\") for line in lines))


def pairs(lines: list[str]) -> Iterator[tuple[Fence | None, Fence | None]]:
    """Yield each idea and each proof of a page: an idea with the proof right after it, or either alone."""
    idea: Fence | None = None
    for kind, part in parts(lines):
        if kind == "blank":
            continue
        name = part.name if kind == "directive" else ""
        if idea is not None and name != "prf:proof":
            yield idea, None
            idea = None
        if name == "idea":
            idea = part
        elif name == "prf:proof":
            yield idea, part
            idea = None
        elif name not in ("", "math", "code-cell"):
            yield from pairs(part.body)
    if idea is not None:
        yield idea, None


def amiss(text: str) -> Iterator[str]:
    """Yield what is amiss with the proofs of a page and their ideas, in sentences.

    Parameters
    ----------
    text : str
        The Markdown of the page, its header included or not.
    """
    body = text.split("\n---\n", 1)[-1] if text.startswith("---\n") else text
    for idea, proof in pairs(body.splitlines()):
        if proof is None:
            yield f"no proof follows the idea {_begins(idea)}"
        elif idea is None:
            if (lines := height(proof.body)) > LONG:
                yield f"a proof of about {lines} lines needs an `idea` before it: {_begins(proof)}"
        elif not "".join(idea.body).strip():
            yield f"an idea says nothing: it stands before {_begins(proof)}"
        elif (lines := height(idea.body)) > LONGEST_IDEA:
            yield f"an idea of about {lines} lines is too long for {LONGEST_IDEA}: {_begins(idea)}"


def _begins(fence: Fence | None) -> str:
    words = " ".join(fence.body).split() if fence else []
    return repr(" ".join(words)[:60])


def refuse_bare_proofs(app: Sphinx, env: Any) -> None:
    """Warn, which fails the build, of long proofs without an idea and of ideas without a proof."""
    for page in notebooks.page_files(Path(app.srcdir)):
        if page.suffix == ".md":
            name = page.relative_to(app.srcdir).with_suffix("").as_posix()
            for each in amiss(page.read_text(encoding="utf-8")):
                LOGGER.warning("on the page %s, %s", name, each, location=name)


class Idea(SphinxDirective):
    """The idea of the proof that follows."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        node = nodes.container(is_div=True, classes=["proof-idea"])
        self.set_source_info(node)
        self.state.nested_parse(self.content, self.content_offset, node)
        if node.children and isinstance(node[0], nodes.paragraph):
            node[0][0:0] = [nodes.strong("", IDEA), nodes.Text(" ")]
        return [node]


def put_under_ideas(app: Sphinx, doctree: nodes.document) -> None:
    """Put each proof into a box with its idea, and give proofs and statements identifiers of their own."""
    for number, proof in enumerate(list(doctree.findall(proof_node)), start=1):
        proof[0]["ids"] = [f"proof-{number}"]  # sphinx_proof calls all of them "proof"
        proof[0]["classes"].append("a-proof")
        around, at = proof.parent, proof.parent.index(proof)
        before = around[at - 1] if at else None
        if isinstance(before, nodes.container) and "proof-idea" in before["classes"]:
            del around[at - 1 : at + 1]
            around.insert(at - 1, nodes.container("", before, proof, is_div=True, classes=["proof-fold"]))
    for section in doctree.findall(nodes.section):
        if section["ids"] == ["proof-content"]:
            section["ids"] = [f"{section.parent['ids'][0]}-content"]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive and the check."""
    app.add_directive("idea", Idea)
    app.connect("doctree-read", put_under_ideas)
    app.connect("env-check-consistency", refuse_bare_proofs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def main(root: Path = ROOT) -> int:
    """Print what is amiss on the pages of the book."""
    found = 0
    for page in notebooks.page_files(root):
        for each in amiss(page.read_text(encoding="utf-8")) if page.suffix == ".md" else ():
            print(f"{page.relative_to(root).as_posix()}: {each}")
            found += 1
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
