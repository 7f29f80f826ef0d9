"""The first appearance of a word of the glossary on a page explains itself.

    python tools/glossary.py    list the words, and what each shows

An extension of Sphinx. The page ``book/glossary.md`` defines words. On every other page that is a text to be
read, the first appearance of each in running text becomes a link to its entry, with the sentence of the
entry beside it: shown when one points at the word, reaches it with the keyboard or touches it
(``book/assets/book.js``), read out as its description, absent on paper and in notebooks. Without scripts the
sentence shows too, below the line. An entry without a sentence in plain words is an error of the build.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from plain_markdown import all_directives
from repository import ROOT
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx_proof.nodes import proof_node

PAGE = "book/glossary"
#: Lines of names, then indented lines of their definition.
ENTRY = re.compile(r"((?:^\S.*\n)+)((?:^[ \t]+\S.*\n?)+)", re.MULTILINE)
#: Pages that list or define; nothing on them is read from the beginning.
SILENT = re.compile(r"book/(glossary|notation|api|bibliography|map)$|book/assignments/|genindex|search")
#: Pages on which a word has another meaning: the score of a law is the derivative of its logarithm.
OTHERWISE = {"score": re.compile("book/aim_")}
#: Inside of these a word is no running text: it is a heading, a name, a link, code or a formula.
APART = (
    nodes.title, nodes.rubric, nodes.caption, nodes.legend, nodes.reference, nodes.literal,
    nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.term, nodes.table, nodes.strong,
    nodes.emphasis, proof_node,
)  # fmt: skip
#: Classes of boxes that are no running text either.
ASIDE = frozenset({"cell", "frame-opening", "frame-next", "proof", "proof-idea", "solution", "exercise"})


@dataclass(frozen=True)
class Word:
    """An entry of the glossary: its forms, the first being its name, and what it means in plain words."""

    forms: tuple[str, ...]
    meaning: str


def words(text: str) -> list[Word]:
    """Return the entries of a glossary in Markdown.

    Raises
    ------
    ValueError
        If an entry does not begin with a sentence in plain words, or two entries share a form.
    """
    found: list[Word] = []
    for block in all_directives(text.splitlines()):
        if block.name != "glossary":
            continue
        for entry in ENTRY.findall("\n".join(block.body) + "\n"):
            forms = tuple(entry[0].split("\n")[:-1])
            found.append(Word(forms, _plain(" ".join(entry[1].split()), forms[0])))
    forms = [form.lower() for word in found for form in word.forms]
    if twice := {form for form in forms if forms.count(form) > 1}:
        raise ValueError(f"the glossary has two entries for {', '.join(sorted(twice))}")
    return found


def _plain(definition: str, name: str) -> str:
    """Return the sentences at the beginning of a definition that hold no formula and no role."""
    plain: list[str] = []
    for sentence in re.split(r"(?<=[.!?]) (?=[A-Z])", definition):
        if re.search(r"[${`\[]", sentence):
            break
        plain.append(sentence.replace("*", ""))
    if not plain:
        raise ValueError(f"the entry {name!r} of the glossary must begin with a sentence in plain words")
    return " ".join(plain)


def pattern(entries: list[Word]) -> re.Pattern[str]:
    """Return what finds any form of any entry as a whole word, the longest first."""
    forms = sorted((form for word in entries for form in word.forms), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, forms))})(?![\w-])", re.IGNORECASE)


def running_text(document: nodes.Node) -> Iterator[nodes.Text]:
    """Yield the texts of a page that are read in order, and are neither names nor links nor code."""
    for text in document.findall(nodes.Text):
        paragraph, node = False, text.parent
        while node is not None:
            if isinstance(node, APART) or ASIDE.intersection(node.get("classes", ())):
                break
            paragraph = paragraph or isinstance(node, nodes.paragraph)
            node = node.parent
        else:
            if paragraph:
                yield text


def explain(document: nodes.document, entries: list[Word], address: Callable[[Word], str]) -> list[str]:
    """Turn the first appearance of each word into a link with its meaning, and return the words found.

    Parameters
    ----------
    document : docutils.nodes.document
        The page, changed in place.
    entries : list of Word
        The glossary.
    address : callable
        Where an entry stands, seen from the page.
    """
    of = {form.lower(): word for word in entries for form in word.forms}
    search = pattern(entries)
    done: list[str] = []
    for text in list(running_text(document)):
        pieces: list[nodes.Node] = []
        at = 0
        plain = text.astext()
        for match in search.finditer(plain):
            word = of[match[0].lower()]
            if word.forms[0] in done:
                continue
            done.append(word.forms[0])
            pieces += [
                nodes.Text(plain[at : match.start()]),
                _explained(match[0], word, address(word), len(done)),
            ]
            at = match.end()
        if pieces:
            text.parent.replace(text, [*pieces, nodes.Text(plain[at:])])
    return done


def _explained(shown: str, word: Word, link: str, number: int) -> nodes.raw:
    shown_html, name = html.escape(shown), f"word-{number}"
    opens = f'<a class="explained" href="{html.escape(link)}" aria-describedby="{name}">{shown_html}</a>'
    meaning = f'<span class="meaning" role="tooltip" id="{name}">{html.escape(word.meaning)}</span>'
    return nodes.raw(shown, f'<span class="word">{opens}{meaning}</span>', format="html")


def meant(word: Word, page: str) -> bool:
    """Return whether a page uses a word as the glossary does."""
    return not (word.forms[0] in OTHERWISE and OTHERWISE[word.forms[0]].match(page))


class ExplainWords(SphinxPostTransform):
    """Explain words on a page, after its references have been resolved."""

    default_priority = 900
    formats = ("html",)

    def run(self, **_: Any) -> None:
        """Change the page in place."""
        page, source = self.env.docname, Path(self.app.srcdir) / f"{PAGE}.md"
        if self.app.builder.name not in ("html", "dirhtml") or SILENT.search(page) or not source.is_file():
            return
        places = self.env.get_domain("std").objects  # of all pages: the glossary has been read

        def address(word: Word) -> str:
            where, identifier = places["term", word.forms[0]]
            return f"{self.app.builder.get_relative_uri(page, where)}#{identifier}"

        entries = words(source.read_text(encoding="utf-8"))
        explain(self.document, [word for word in entries if meant(word, page)], address)


def refresh(app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Write all pages anew when the glossary has changed."""
    return sorted(env.found_docs) if PAGE in changed | added else []


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform."""
    app.add_post_transform(ExplainWords)
    app.connect("env-get-outdated", refresh)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def main(root: Path = ROOT) -> int:
    """Print the entries of the glossary, and what each shows."""
    for word in words((root / f"{PAGE}.md").read_text(encoding="utf-8")):
        print(f"{', '.join(word.forms)}: {word.meaning}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
