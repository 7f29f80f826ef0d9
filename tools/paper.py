"""Print the built book, all of it, to one PDF (``make pdf``).

    python tools/paper.py [--output FILE]

A headless Chromium prints each page as a reader would: formulas typeset, proofs open, interactive figures as
they stand before anybody moves them, every number of the pages. The pages are then joined: links between
pages lead to the place in the PDF, parts, pages and their sections make the outline, a title and a table of
contents stand before, and every sheet has its number.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import html
import http.server
import io
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

import forms
import repository
import yaml
from chromium import FLAGS, chromium
from notebooks import pages as names_in
from repository import ROOT

NAME = "pairint-book.pdf"
#: A4 with margins between which a line has 700 CSS pixels: tests/browser/test_widths.py checks this width.
SCALE = 0.9
MARGIN = {"left": "21.5mm", "right": "21.5mm", "top": "20mm", "bottom": "20mm"}
WIDTH = 700  # CSS pixels
LEAN = 4  # CSS pixels by which a slanted letter may lean out of its box

#: Waits for pictures, the last formula, and the letters that it asks for, which come after a layout.
READY = """async () => {
    const frames = () => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    for (const image of document.images) image.loading = "eager";
    await window.MathJax?.startup?.promise;
    const isSource = formula => !formula.querySelector("mjx-container");
    const source = () => [...document.querySelectorAll("main .math")].find(isSource);
    for (let waited = 0; source(); waited++) {
        if (waited > 3000) throw new Error(`a formula is not typeset: ${source().textContent.slice(0, 60)}`);
        await new Promise(done => setTimeout(done, 100));
    }
    await frames();
    await document.fonts.ready;
    await Promise.all([...document.images].map(image => image.complete || image.decode().catch(() => 0)));
    await frames();
}"""
#: Formulas, tables and figures that are wider than their place on paper: they would be cut.
CUT = """lean => [...document.querySelectorAll(
        "main mjx-container[display], main div.math, main table, main img, main .drawing, main pre")]
    .filter(e => e.getClientRects().length && (e.scrollWidth - e.clientWidth > lean && e.clientWidth > 1
        || e.getBoundingClientRect().right > document.documentElement.clientWidth + lean))
    .map(e => `${e.tagName}: ${e.textContent.trim().slice(0, 60)}`)"""
#: Places that other pages name. A place is in the PDF only if the same page links to it.
MARK = """names => {
    const box = document.createElement("div");
    box.style.cssText = "position:absolute;left:0;top:0;width:1px;height:1px;overflow:hidden;font-size:1px";
    for (const name of names) {
        if (!document.getElementById(name)) continue;
        const link = document.createElement("a");
        link.href = "#" + encodeURIComponent(name);
        link.textContent = ".";
        box.append(link);
    }
    document.body.prepend(box);
}"""
#: The title of the page, and of its sections with their places.
HEADINGS = """() => {
    const text = e => {
        const copy = e.cloneNode(true);
        copy.querySelectorAll(".headerlink, mjx-assistive-mml, script, style").forEach(each => each.remove());
        return copy.textContent.trim().replace(/\\s+/g, " ");
    };
    const place = e => (e.closest("section[id]") ?? e).id;
    const main = document.querySelector("main") ?? document.body;
    return {
        title: text(main.querySelector("section > h1") ?? main.querySelector("h1")),
        sections: [...main.querySelectorAll("section > h2")].map(e => [text(e), place(e)])
            .filter(each => each[1]),
    };
}"""

#: The theme's title and table of contents of a single page on paper; the book has its own, with numbers.
PAPER = """#jb-print-docs-body { display: none !important; }
article.bd-article h1, article.bd-article section > h1 { display: block !important; }"""

ABSENT = (
    "A PDF needs Chromium (Debian, Ubuntu: apt install chromium; or name one in PAIRINT_CHROMIUM), "
    "Playwright and pypdf: `make pdf` and `make slides` install the latter two."
)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files, keeps silent."""

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine; give its address."""
    handler = functools.partial(QuietHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def parts(root: Path = ROOT) -> list[tuple[str | None, list[str]]]:
    """Return the parts of the book in reading order: a caption, which the first page lacks, and pages."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    found: list[tuple[str | None, list[str]]] = [(None, [toc["root"]])]
    found += [(part.get("caption"), list(names_in(part))) for part in toc["parts"]]
    return found


class Links(HTMLParser):
    """Collects the addresses of links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attributes if tag == "a" and name == "href" and value]


def named_places(folder: Path, names: list[str]) -> dict[str, set[str]]:
    """Return, for each page, the places on it that links of any page name."""
    places: dict[str, set[str]] = {name: set() for name in names}
    for name in names:
        page = (folder / f"{name}.html").resolve()
        parser = Links()
        parser.feed(page.read_text(encoding="utf-8"))
        for link in parser.found:
            path, fragment = urldefrag(link)
            if urlsplit(path).scheme or not fragment:
                continue
            target = (page.parent / unquote(path)).resolve() if path else page
            with contextlib.suppress(ValueError):
                other = target.relative_to(folder.resolve()).with_suffix("").as_posix()
                if other in places:
                    places[other].add(unquote(fragment))
    return places


class Headings(HTMLParser):
    """Reads the title of a page as it is in the HTML, with its number."""

    def __init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._words: list[str] = []
        self._found: list[str] = []
        self._in_section = 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._in_section += tag == "section"
        if tag == "h1" and self._in_section and not self._found:
            self._open.append(tag)
        elif self._open and tag == "a" and ("class", "headerlink") in attributes:
            self._open.append("headerlink")

    def handle_endtag(self, tag: str) -> None:
        self._in_section -= tag == "section"
        if self._open and tag == "h1":
            self._found.append(" ".join("".join(self._words).split()))
            self._open.clear()
        elif self._open[-1:] == ["headerlink"] and tag == "a":
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open == ["h1"]:
            self._words.append(data)

    @property
    def title(self) -> str:
        """The words of the title; nothing if there is none."""
        return self._found[0] if self._found else ""


@dataclass
class Printed:
    """A page of the book on paper."""

    name: str
    content: bytes
    title: str
    sections: list[tuple[str, str]] = field(default_factory=list)  # titles and places


def sheet(page: Any, **options: Any) -> bytes:
    """Return what Chromium shows, on sheets of paper."""
    return page.pdf(format="A4", margin=MARGIN, scale=SCALE, print_background=True, **options)


def print_page(page: Any, address: str, name: str, places: set[str]) -> Printed:
    """Print one page of the book.

    Raises
    ------
    ValueError
        If a formula, a table or a figure does not fit on the paper.
    """
    page.goto(f"{address}/{name}.html", wait_until="networkidle")
    page.evaluate(READY)
    page.add_style_tag(content=f"@media print {{ {PAPER} }}")
    found = page.evaluate(HEADINGS)
    page.emulate_media(media="print")
    page.evaluate(READY)
    if cut := page.evaluate(CUT, LEAN):
        raise ValueError(f"{name} is wider than its paper:\n  " + "\n  ".join(cut))
    page.evaluate(MARK, sorted(places | {place for _, place in found["sections"]}))
    content = sheet(page)
    page.emulate_media(media="screen")
    return Printed(name, content, found["title"], [tuple(each) for each in found["sections"]])


STYLE = """<meta charset="utf-8"><style>
body { font: 16px/1.5 "DejaVu Serif", Georgia, serif; color: #111; }
h1 { font-size: 2.4em; margin: 30% 0 0.4em; text-align: center; line-height: 1.2; }
.about { text-align: center; break-after: page; }
h2 { font-size: 1.4em; } h3 { font-size: 1em; margin: 1.2em 0 0.3em; break-after: avoid; }
a { color: inherit; text-decoration: none; }
p.line { display: flex; margin: 0.15em 0; } p.line a { flex: 1; padding-right: 2em; }
</style>"""


def front(title: str, about: list[str], lines: list[tuple[str | None, list[tuple[str, str, int]]]]) -> str:
    """Return the HTML of the title and the table of contents: parts of titles, addresses, sheets."""
    words = "<br>".join(map(html.escape, about))
    rows = [f"{STYLE}<h1>{html.escape(title)}</h1><p class='about'>{words}</p><h2>Contents</h2>"]
    for caption, entries in lines:
        if caption:
            rows.append(f"<h3>{html.escape(caption)}</h3>")
        rows += [
            f"<p class='line'><a href='{html.escape(address)}'>{html.escape(name)}</a>{number}</p>"
            for name, address, number in entries
        ]
    return "\n".join(rows)


def numbers(page: Any, count: int) -> bytes:
    """Return ``count`` sheets that are empty but for their number at the foot."""
    empty = "<div style='break-after: page'>&nbsp;</div>" * (count - 1) + "<div>&nbsp;</div>"
    page.set_content(f"<body style='margin:0'>{empty}")
    foot = "<div style='font-size:9px;width:100%;text-align:center'><span class='pageNumber'></span></div>"
    return page.pdf(
        format="A4",
        margin=MARGIN,
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=foot,
    )


def places_of(reader: Any) -> dict[str, tuple[int, float]]:
    """Return the named places of a PDF: sheet, and height on it in points."""
    found = {}
    for name, destination in reader.named_destinations.items():
        number = reader.get_destination_page_number(destination)
        if number is not None and number >= 0:
            found[unquote(name.lstrip("/"))] = (number, float(destination.top or 0))
    return found


def join(printed: list[Printed], address: str, tree: list[tuple[str | None, list[str]]]) -> Any:
    """Return a writer that holds printed pages one after another, links between them, and the outline.

    Links to what the PDF does not hold, but the book does (files, source code), are taken out; those to other
    hosts stay.
    """
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import ArrayObject, FloatObject, NameObject, NullObject

    writer = PdfWriter()
    starts: dict[str, int] = {}
    places: dict[str, dict[str, tuple[int, float]]] = {}
    owner: list[str] = []
    for each in printed:
        reader = PdfReader(io.BytesIO(each.content))
        starts[each.name] = len(writer.pages)
        places[each.name] = places_of(reader)
        owner += [each.name] * len(reader.pages)
        for sheet_ in reader.pages:
            writer.add_page(sheet_)

    def place(name: str, fragment: str) -> Any:
        number, top = places[name].get(fragment, (0, None))
        target = writer.pages[starts[name] + number]
        height = NullObject() if top is None else FloatObject(top + 6)
        return ArrayObject(
            [target.indirect_reference, NameObject("/XYZ"), NullObject(), height, NullObject()]
        )

    for name, sheet_ in zip(owner, writer.pages, strict=True):
        kept = ArrayObject()
        for reference in sheet_.get("/Annots", ()):
            link = reference.get_object()
            left, low, right, high = (float(x) for x in link["/Rect"])
            if abs(right - left) < 3 and abs(high - low) < 3:
                continue  # a mark of this program
            action = link.get("/A", {}).get_object() if "/A" in link else {}
            target = str(link.get("/Dest", action.get("/D", "")))
            if "/URI" in action:
                uri = str(action["/URI"])
                if not uri.startswith(f"{address}/"):
                    kept.append(reference)
                    continue
                path, fragment = urldefrag(uri[len(address) + 1 :])
                other = unquote(path).removesuffix(".html")
                if other in ("", "index"):
                    other = printed[1].name if len(printed) > 1 else printed[0].name
            else:
                other, fragment = name, target.lstrip("/")
            if other not in starts:
                continue
            link.pop("/A", None)
            link[NameObject("/Dest")] = place(other, unquote(fragment))
            kept.append(reference)
        sheet_[NameObject("/Annots")] = kept

    by_name = {each.name: each for each in printed}
    for caption, names in tree:
        here = [name for name in names if name in by_name]
        parent = (
            writer.add_outline_item(title=caption, page_number=starts[here[0]], bold=True)
            if caption and here
            else None
        )
        for name in here:
            item = writer.add_outline_item(title=by_name[name].title, page_number=starts[name], parent=parent)
            for title, fragment in by_name[name].sections:
                number, _ = places[name].get(fragment, (0, 0.0))
                writer.add_outline_item(title=title, page_number=starts[name] + number, parent=item)
    return writer


CONTENTS = "contents"


def make(folder: Path, tree: list[tuple[str | None, list[str]]], title: str, about: list[str]) -> bytes:
    """Return a built book as a PDF."""
    from playwright.sync_api import sync_playwright
    from pypdf import PdfReader

    names = [name for _, part in tree for name in part]
    marks = named_places(folder, names)
    with served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page.set_default_timeout(300_000)  # milliseconds; a busy machine
        printed = []
        for count, name in enumerate(names, start=1):
            printed.append(print_page(page, address, name, marks[name]))
            print(f"{count}/{len(names)} {name}", flush=True)
        lengths = {each.name: len(PdfReader(io.BytesIO(each.content)).pages) for each in printed}
        titles = {each.name: each.title for each in printed}
        ahead = 2
        for _ in range(2):  # the contents have a length of their own, which moves all numbers
            number, lines = ahead + 1, []
            for caption, part in tree:
                lines.append((caption, []))
                for name in part:
                    lines[-1][1].append((titles[name], f"{address}/{name}.html", number))
                    number += lengths[name]
            page.set_content(front(title, about, lines))
            content = sheet(page)
            ahead = len(PdfReader(io.BytesIO(content)).pages)
        writer = join(
            [Printed(CONTENTS, content, "Contents"), *printed], address, [(None, [CONTENTS]), *tree]
        )
        stamps = PdfReader(io.BytesIO(numbers(page, len(writer.pages)))).pages
        browser.close()
    for stamp, below in list(zip(stamps, writer.pages, strict=True))[1:]:  # a title has no number
        below.merge_page(stamp)
    writer.add_metadata({"/Title": title, "/Author": about[0]})
    from pypdf.generic import NameObject, TextStringObject

    writer._root_object[NameObject("/Lang")] = TextStringObject("en")
    writer._root_object[NameObject("/PageMode")] = NameObject("/UseOutlines")
    writer.compress_identical_objects()
    for each in writer.pages:
        each.compress_content_streams()
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Print the built book to one PDF.")
    parser.add_argument("--output", type=Path, help=f"by default {NAME} beside the pages, offered by them")
    options = parser.parse_args(arguments)
    try:
        folder = forms.built(root / "_build" / "html")
        import playwright  # noqa: F401
        import pypdf  # noqa: F401
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    except ImportError:
        print(ABSENT, file=sys.stderr)
        return 2
    if chromium() is None:
        print(ABSENT, file=sys.stderr)
        return 2
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    scope: dict[str, str] = {}
    exec((root / "pairint" / "_version.py").read_text(encoding="utf-8"), scope)
    about = [config["author"], f"version {scope['__version__']}, {repository.commit(root)[:10]}"]
    content = make(folder, parts(root), config["title"], about)
    target = options.output or folder / NAME
    target.write_bytes(content)
    if options.output is None:
        size = forms.megabytes(len(content))
        line = (
            f'<a href="{{address}}">The whole book as one PDF</a>, {size}: proofs open, figures as they '
            "stand before anybody moves them."
        )
        forms.offer("pdf", NAME, "whole book, PDF", f"The whole book as one PDF, {size}", line, folder)
    print(f"Wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
