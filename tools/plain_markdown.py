"""Turn the text of a page, which is MyST, into Markdown that every notebook reader shows.

Theorems, equations and exercises keep the numbers that they have in the built book: they are counted here as
Sphinx counts them, without a build, and the build compares (``tools/book_extension.py``).
"""

from __future__ import annotations

import functools
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import setting_roles
import yaml

# Roles, and what is kept as it is: code and formulas. The leftmost wins: inside it, nothing else begins.
TOKEN = re.compile(
    r"(?P<role>\{(?P<name>[a-z]+(?::[a-z]+)*)\}`(?P<content>[^`]+)`)"
    r"|(?P<code>(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<math>(?<!\\)\$\$.+?\$\$|(?<!\\)\$(?!\s).+?(?<![\s\\])\$)",
    re.DOTALL,
)
FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|:{3,}|~{3,})(?P<info>.*)")
DIRECTIVE = re.compile(r"\{(?P<name>[\w:-]+)\}\s*(?P<argument>.*)")
#: What begins with a line that is no running text: the first words of a proof cannot be put before it.
BLOCK = re.compile(r"\s*(\$\$|```|[|<]|(?:[-*+>#]|\d+[.)])\s)")
TARGET = re.compile(r"\(([\w:-]+)\)= *")

#: What the book's directives are called in print. They are numbered, each kind by itself.
NUMBERED = {
    **{f"prf:{kind}": kind.capitalize() for kind in (
        "algorithm", "assumption", "axiom", "conjecture", "corollary", "criterion", "definition", "example",
        "lemma", "observation", "property", "proposition", "remark", "theorem",
    )},
    "exercise": "Exercise",
}  # fmt: skip
ADMONITIONS = {
    "admonition", "attention", "caution", "danger", "error", "hint", "important", "note", "seealso", "tip",
    "warning",
}  # fmt: skip
#: The kinds of exercises, from the class of their directive.
KINDS = ("quick", "computing", "thinking", "research")
#: The words of the frame of a chapter (``tools/frame.py``).
ABILITIES, IN_SHORT, NEXT = "After this page you can", "In short", "Next"
#: What stands before the idea of a proof (``tools/ideas.py``).
IDEA = "Idea of the proof."
#: A link to a page of the book, as the frames write it: ``[](page)``.
PAGE_LINK = re.compile(r"\[(?P<shown>[^\[\]\n]*)\]\((?P<page>[\w/]+)\)")


class Fence(NamedTuple):
    """A directive: ``{name} argument``, options, and what is inside."""

    name: str
    argument: str
    options: dict[str, Any]
    body: list[str]
    indent: str


class Label(NamedTuple):
    """What a label names: its page, what the book calls it ("Theorem 5.1", "(2.3)"), its number if any."""

    page: str
    text: str
    number: str | None


def parts(lines: list[str]) -> Iterator[tuple[str, Any]]:
    """Cut a text into "directive" (a `Fence`), displayed "math", "verbatim", "text" and "blank"."""
    text: list[str] = []
    position = 0
    while position < len(lines):
        line = lines[position]
        position += 1
        fence = FENCE.match(line)
        display = line.lstrip().startswith("$$")
        if (fence or display or not line.strip()) and text:
            yield "text", text
            text = []
        if fence:
            closing = re.compile(rf" *{fence['fence'][0]}{{{len(fence['fence'])},}}\s*")
            end = next((n for n in range(position, len(lines)) if closing.fullmatch(lines[n])), None)
            if end is None:
                raise ValueError(f"a fence is not closed: {line!r}")
            directive = DIRECTIVE.match(fence["info"].strip())
            if directive:
                inside = [inner.removeprefix(fence["indent"]) for inner in lines[position:end]]
                yield "directive", Fence(*directive.groups(), *_options(inside), fence["indent"])
            else:
                yield "verbatim", lines[position - 1 : end + 1]
            position = end + 1
        elif display:
            first = position - 1
            if line.count("$$") == 1:
                position = next((n for n in range(position, len(lines)) if "$$" in lines[n]), len(lines)) + 1
            yield "math", lines[first:position]
        elif not line.strip():
            yield "blank", [""]
        elif not line.startswith("%") and not TARGET.fullmatch(line):
            text.append(line)
    if text:
        yield "text", text


def _options(lines: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Separate the options of a directive from what is inside."""
    if lines and lines[0].strip() == "---":
        end = lines.index("---", 1)
        return yaml.safe_load("\n".join(lines[1:end])) or {}, lines[end + 1 :]
    options = {}
    for count, line in enumerate(lines):
        found = re.match(r"\s*:([\w-]+):\s*(.*)", line)
        if found is None:
            return options, lines[count:]
        options[found[1]] = found[2]
    return options, []


def link_pages(text: str) -> str:
    """Turn links ``[](page)`` into roles: MyST would take a page for a function of that name."""

    def role(found: re.Match) -> str:
        shown, page = found["shown"], found["page"]
        return f"{{doc}}`{shown} <{page}>`" if shown else f"{{doc}}`{page}`"

    return PAGE_LINK.sub(role, text)


def costs(minutes: object, needs: str) -> str:
    """Return, in a line, how long a page takes and what it needs."""
    return f"{minutes} minutes · needs {needs}"


def all_directives(lines: list[str]) -> Iterator[Fence]:
    """Yield the directives of a text in the order of the page, those inside of others included."""
    for kind, part in parts(lines):
        if kind == "directive":
            yield part
            if part.name not in ("math", "code-cell"):
                yield from all_directives(part.body)


def numbered_pages(toc: Any) -> Iterator[tuple[int | None, list[str]]]:
    """Yield the pages of each chapter, in reading order, and its number if it has one."""

    def pages(entry: dict[str, Any]) -> list[str]:
        inside = entry.get("sections", [])
        return [entry["file"], *(page for section in inside for page in pages(section))]

    yield None, [toc["root"]]
    count = 0
    for part in toc.get("parts", [{**toc, "numbered": toc.get("numbered", False)}]):
        for entry in part.get("chapters", []):
            if part.get("numbered"):
                count += 1
            yield count if part.get("numbered") else None, pages(entry)


class Book:
    """The book as its pages see one another: titles, numbers, references.

    Parameters
    ----------
    root : Path
        The folder of ``_toc.yml``.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.titles: dict[str, str] = {}
        self.labels: dict[str | tuple[str, ...], Label] = {}
        self.notebooks: set[str] = set()
        unnumbered: Counter[str] = Counter()  # pages without a chapter count together
        for chapter, pages in numbered_pages(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))):
            counts = unnumbered if chapter is None else Counter()
            for page in pages:
                try:
                    self._read(page, chapter, counts)
                except ValueError as error:
                    raise ValueError(f"{page}: {error}") from error

    def _read(self, page: str, chapter: int | None, counts: Counter[str]) -> None:
        text = (self.root / f"{page}.md").read_text(encoding="utf-8")
        header = ""
        if text.startswith("---\n"):
            header, text = text[4:].split("\n---\n", 1)
        if "jupytext" in (yaml.safe_load(header) or {}):
            self.notebooks.add(page)
        title = re.search(r"(?m)^# (.*)$", text)
        self.titles[page] = title[1].strip() if title else page
        for label, heading in re.findall(rf"(?m)^{TARGET.pattern}\n+#+ (.*)$", text):
            self.labels[label] = Label(page, heading.strip(), None)
        for fence in all_directives(text.splitlines()):
            label = fence.options.get("label")
            if figure := _figure(fence):
                counts["figure"] += 1
                number = ".".join(str(part) for part in (chapter, counts["figure"]) if part is not None)
                self.labels[figure] = Label(page, f"Figure {number}", number)
            if fence.name not in NUMBERED and not (fence.name == "math" and label):
                continue
            number = None
            if "nonumber" not in fence.options:
                counts[fence.name] += 1
                number = ".".join(str(part) for part in (chapter, counts[fence.name]) if part is not None)
            name = (
                f"({number})" if fence.name == "math" else f"{NUMBERED[fence.name]} {number or ''}".rstrip()
            )
            # One without a label cannot be referred to, but it has a number, found by its place.
            self.labels[label or _place(page, fence)] = Label(page, name, number)

    @functools.cached_property
    def bibliography(self) -> Any:
        """The entries of the bibliography."""
        from pybtex.database import parse_file

        return parse_file(str(self.root / "book" / "references.bib"), encoding="utf-8").entries

    def plain(self, text: str, page: str) -> str:
        """Return the plain Markdown of a text of a page.

        Raises
        ------
        ValueError
            On a directive, a role or a label that is not known, and on a formula that does not end.
        """
        try:
            return "\n".join(self._lines(text.splitlines(), page)).strip("\n")
        except ValueError as error:
            raise ValueError(f"{page}: {error}") from error

    def references(self, texts: list[str]) -> str | None:
        """Return what the texts of a page cite as a last section of it; nothing if they cite nothing."""
        keys = {
            key.strip()
            for text in texts
            for found in TOKEN.finditer(text)
            if (found["name"] or "").startswith("cite")
            for key in found["content"].split(",")
        }
        if not keys:
            return None
        from pybtex.plugin import find_plugin

        style = find_plugin("pybtex.style.formatting", "plain")()
        entries = style.format_entries([self._cited(key) for key in sorted(keys)])
        plain = find_plugin("pybtex.backends", "plaintext")()
        works = [entry.text.render(plain) for entry in entries]
        link = functools.partial(re.compile(r"arXiv:(\d+\.\d+)").sub, r"[arXiv:\1](https://arxiv.org/abs/\1)")
        return "\n".join(["## References", "", *(f"- {link(work)}" for work in works)])

    def _cited(self, key: str) -> Any:
        if key not in self.bibliography:
            raise ValueError(f"nothing in the bibliography is called {key!r}")
        return self.bibliography[key]

    def _lines(self, lines: list[str], page: str) -> list[str]:
        out: list[str] = []
        for kind, part in parts(lines):
            if kind == "directive":
                new = self._directive(part, page)
                out += [f"{part.indent}{line}".rstrip() for line in new]
            elif kind == "math":
                out += _display(part)
            elif kind == "text":
                out += self._inline(_definitions("\n".join(part)), page).split("\n")
            else:
                out += part
        return out

    def _directive(self, fence: Fence, page: str) -> list[str]:
        title = self._inline(fence.argument, page)
        if fence.name == "math":
            label = fence.options.get("label")
            body = [fence.argument] * bool(fence.argument) + fence.body
            return _formula("\n".join(body), self.labels[label].number if label else None)
        if fence.name in ("code-block", "code"):
            return [f"```{fence.argument}", *fence.body, "```"]
        framed = fence.name in ("opening", "in-short", "next")
        body = link_pages("\n".join(fence.body)).split("\n") if framed else fence.body
        inside = self._lines(body, page)
        while inside and not inside[0].strip():
            del inside[0]
        while inside and not inside[-1].strip():
            del inside[-1]
        if fence.name in ("image", "figure"):
            return [f"![{fence.options.get('alt', '')}]({fence.argument})", "", *inside]
        if fence.name in NUMBERED:
            label = self.labels[fence.options.get("label") or _place(page, fence)]
            kind = f" *{fence.options['class'].capitalize()}.*" if fence.options.get("class") in KINDS else ""
            inside = [f"**{label.text}{f' ({title})' if title else ''}.**{kind}", "", *inside]
        elif fence.name == "opening":
            words = costs(fence.options.get("minutes", ""), link_pages(fence.options.get("needs", "")))
            return _opening(inside, self._inline(words, page))
        elif fence.name == "in-short":
            inside = [f"**{IN_SHORT}**", "", *inside]
        elif fence.name == "next":
            return [f"**{NEXT}.** {inside[0]}", *inside[1:]]
        elif fence.name == "idea":
            return [f"**{IDEA}** {inside[0]}", *inside[1:]]
        elif fence.name == "prf:proof":
            return _proof(title, inside)
        elif fence.name == "solution":
            solved = self._label(fence.argument.strip())
            return _folded(f"Solution to {solved.text}", inside)
        elif fence.name == "dropdown":
            return _folded(title, inside)
        elif fence.name == "margin":  # an aside: in print it stands before what it is beside
            inside = [f"**{title}**", "", *inside] if title else inside
        elif fence.name in ADMONITIONS:
            head = title if fence.name == "admonition" else fence.name.capitalize()
            if title and fence.name != "admonition":
                inside = [title, *inside]
            inside = [f"**{head}**", "", *inside]
        else:
            raise ValueError(f"the directive {fence.name!r} has no plain form: add one to {__file__}")
        if "dropdown" in str(fence.options.get("class", "")):
            return _folded(inside[0].strip("*"), inside[2:])
        return _quoted(inside)

    def _label(self, name: str) -> Label:
        if name not in self.labels:
            raise ValueError(f"nothing in the book has the label {name!r}")
        return self.labels[name]

    def _inline(self, text: str, page: str) -> str:
        """Replace the roles of a text by what readers see."""

        def replaced(found: re.Match) -> str:
            return self._role(found["name"], found["content"], page) if found["role"] else found[0]

        return TOKEN.sub(replaced, text)

    def _role(self, name: str, content: str, page: str) -> str:
        explicit = re.fullmatch(r"(.*\S)\s*<(.+)>", content, re.DOTALL)
        shown, target = explicit.groups() if explicit else (None, content.strip())
        if name == "doc":
            folder = "" if target.startswith("/") else os.path.dirname(page)
            other = os.path.normpath(os.path.join(folder, target.lstrip("/")))
            if other not in self.titles:
                raise ValueError(f"there is no page {target!r}")
            return self._link(shown or self.titles[other], other, page)
        if name in ("prf:ref", "eq", "ref", "numref"):
            label = self._label(target)
            return self._link(shown or label.text, label.page, page)
        if name.startswith("cite"):
            return self._cite(name.partition(":")[2] or "p", target)
        if name.startswith("py:"):
            return f"`{target.rpartition('.')[2] if target.startswith('~') else target}`"
        if name == "math":
            return f"${content}$"
        if name in setting_roles.KNOWN:
            return setting_roles.plain(name, content)
        raise ValueError(f"the role {name!r} has no plain form: add one to {__file__}")

    def _link(self, text: str, other: str, page: str) -> str:
        """Return a link to another page; on the page itself the text alone, for readers differ in anchors."""
        if other == page:
            return text
        suffix = "ipynb" if other in self.notebooks else "md"
        return f"[{text}]({os.path.relpath(f'{other}.{suffix}', os.path.dirname(page) or '.')})"

    def _cite(self, form: str, keys: str) -> str:
        works = [
            (self._names(key.strip()), self._cited(key.strip()).fields["year"]) for key in keys.split(",")
        ]
        if form == "t":
            return ", ".join(f"{names} [{year}]" for names, year in works)
        if form == "p":
            return f"[{', '.join(f'{names}, {year}' for names, year in works)}]"
        raise ValueError(f"citations are {{cite:t}} or {{cite:p}}, got {{cite:{form}}}")

    def _names(self, key: str) -> str:
        persons = self._cited(key).persons
        last = [
            " ".join(
                str(part.render_as("text")) for part in (*person.rich_prelast_names, *person.rich_last_names)
            )
            for person in persons.get("author") or persons["editor"]
        ]
        return " and ".join(last) if len(last) < 3 else f"{last[0]} et al."


def _figure(fence: Fence) -> str | None:
    """Return the label of a cell that draws a figure with a caption."""
    drawn = (fence.options.get("mystnb") or {}).get("figure") if fence.name == "code-cell" else None
    return drawn["name"] if drawn and "caption" in drawn else None


def _place(page: str, fence: Fence) -> tuple[str, ...]:
    """Return what stands for the label of a directive that has none."""
    return (page, fence.name, fence.argument, *fence.body)


def _definitions(text: str) -> str:
    """Turn a term and the line with a colon below it into an item of a list."""
    found = re.fullmatch(r"([^\n]+)\n: +(.*)", text, re.DOTALL)
    return f"- **{found[1].replace('*', '')}**: {found[2]}" if found else text


def _display(lines: list[str]) -> list[str]:
    """Return a displayed formula with its delimiters on lines of their own."""
    indent = re.match(" *", lines[0])[0]
    found = re.fullmatch(r"\$\$(.*?)\$\$(.*)", "\n".join(lines).strip(), re.DOTALL)
    if found is None:
        raise ValueError(f"a formula does not end: {lines[0]!r}")
    if re.match(r"\s*\([\w:-]+\)\s*$", found[2]):
        raise ValueError(f"a formula with a label is a directive {{math}} here: {found[2]!r}")
    body = [indent + line.removeprefix(indent) for line in _formula(found[1], None)]
    return [*body, *([indent + found[2].strip()] if found[2].strip() else [])]


def _formula(body: str, number: str | None) -> list[str]:
    """Return a displayed formula. Sphinx breaks lines outside of environments too, others do not."""
    body = "\n".join(line.rstrip() for line in body.strip().splitlines() if line.strip())
    outside = re.sub(r"\\begin\{(\w+\*?)\}.*\\end\{\1\}", "", body, flags=re.DOTALL)
    if r"\\" in outside:
        body = f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"
    tag = f" \\tag{{{number}}}" if number else ""
    return ["$$", *f"{body}{tag}".split("\n"), "$$"]


def _proof(title: str, inside: list[str]) -> list[str]:
    """Return a proof between the word and the square."""
    about = title if title.startswith("of ") else title and f"({title})"
    head = f"*Proof {about}".rstrip() + ".* "
    if not inside or BLOCK.match(inside[0]):
        inside = [head.strip(), "", *inside]
    else:
        inside = [head + inside[0], *inside[1:]]
    last = inside[-1]
    if re.match(r"\s*(\$\$|```|[>|#<])", last):
        return [*inside, "", r"$\square$"]
    return [*inside[:-1], rf"{last} $\square$"]


def _opening(inside: list[str], words: str) -> list[str]:
    """Return the opening of a page: its question, what it costs, and what a reader can do after it."""
    first = next((n for n, line in enumerate(inside) if re.match("[-*] ", line)), len(inside))
    question = "\n".join(inside[:first]).strip()
    return [f"**{question}**", "", f"*{words}*", "", f"{ABILITIES}", "", *inside[first:]]


def _folded(summary: str, inside: list[str]) -> list[str]:
    """Return what readers unfold. Blank lines around it: Markdown inside of HTML needs them."""
    return ["<details>", f"<summary>{summary}</summary>", "", *inside, "", "</details>"]


def _quoted(inside: list[str]) -> list[str]:
    """Return a block quote. Its formulas take one line: the marks would enter them in readers that look for
    formulas before they look for quotes."""

    def joined(found: re.Match) -> str:
        return re.sub(r"\s*\n\s*", " ", found[0]) if found["math"] else found[0]

    text: list[str] = []
    for kind, part in parts(inside):
        whole = "\n".join(part)
        text += (whole if kind == "verbatim" else TOKEN.sub(joined, whole)).split("\n")
    return [f"> {line}".rstrip() for line in text]
