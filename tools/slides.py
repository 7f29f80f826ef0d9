"""Print figures of the built book as slides, each on a sheet of its own with its caption (``make slides``).

    python tools/slides.py [--plan "One lecture"] [--output FILE] [FIGURE ...]

A plan is a section of ``book/instructors.md``: the figures that it names, in its order. Figures can be named
instead, as in ``fig-particles-forward``. Figures that move are pictures here, as they stand before anybody
moves them.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import forms
from chromium import FLAGS, chromium
from paper import ABSENT, READY, served
from repository import ROOT

NAME = "pairint-slides.pdf"
PLAN = "One lecture"
INCH = 96  # CSS pixels
WIDTH, HEIGHT = 13.333, 7.5  # inches: the sheets of programs for slides

#: Leave one figure on the page: its title above, its caption below. Letters of drawings are shared by all
#: figures of a page.
ALONE = """name => {
    const figure = document.getElementById(name);
    const title = document.querySelector("article h1").cloneNode(true);
    const letters = [...document.querySelectorAll("svg[width='0']")].filter(each => !figure.contains(each));
    [title, figure].forEach(each => each.querySelectorAll(".headerlink").forEach(link => link.remove()));
    const slide = document.createElement("main");
    slide.className = "slide";
    slide.append(title, figure);
    document.body.replaceChildren(...letters, slide);
}"""
STYLE = """
html, body { background: #fff; margin: 0; padding: 0; overflow: hidden; }
.slide { box-sizing: border-box; width: 100vw; height: 100vh; padding: 24px 48px; display: flex;
    flex-direction: column; }
.slide h1 { font-size: 26px; margin: 0 0 8px; flex: none; display: block; }
.slide figure { margin: 0; flex: 1; min-height: 0; display: flex; flex-direction: column; width: 100%; }
.slide figure > :not(figcaption, style, svg[width="0"]) { flex: 1; min-height: 0; width: 100%;
    display: flex; justify-content: center; }
.slide .drawing > svg, .slide figure img { width: 100% !important; height: 100% !important;
    max-width: none !important; }
.slide figcaption { flex: none; font-size: 20px; line-height: 1.35; margin-top: 8px; text-align: left; }
.slide figcaption * { color: #222 !important; }
"""
#: What of a slide lies outside of it: a caption that is too long.
BEYOND = """() => [...document.querySelectorAll(".slide h1, .slide figcaption")]
    .some(each => each.getBoundingClientRect().bottom > innerHeight + 1)"""


def plan(name: str, root: Path = ROOT) -> list[str]:
    """Return the figures that a section of the page for instructors names.

    Raises
    ------
    ValueError
        If there is no such section, or it names no figure.
    """
    text = (root / "book" / "instructors.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"(?ms)^## ([^\n]+)\n(.*?)(?=^## |\Z)", text))
    plans = {title: re.findall(r"\{numref\}`(fig-[\w-]+)`", body) for title, body in sections.items()}
    known = [title for title, figures in plans.items() if figures]
    if name not in known:
        raise ValueError(f"--plan must be one of {', '.join(known)}; got {name!r}")
    return list(dict.fromkeys(plans[name]))


def places(folder: Path) -> dict[str, str]:
    """Return the page of each figure of a built book, by the figure's name."""
    found = {}
    for page in forms.pages(folder):
        for name in re.findall(r'<figure[^>]* id="([\w-]+)"', page.read_text(encoding="utf-8")):
            found[name] = page.relative_to(folder).as_posix()
    return found


def make(folder: Path, figures: list[str]) -> bytes:
    """Return figures of a built book as a PDF, one a sheet.

    Raises
    ------
    ValueError
        If the book has no such figure, or a slide would be cut.
    """
    from playwright.sync_api import sync_playwright
    from pypdf import PdfWriter

    where = places(folder)
    if unknown := [name for name in figures if name not in where]:
        raise ValueError(f"the book has no figure {', '.join(unknown)}")
    writer = PdfWriter()
    with served(folder) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        size = {"width": round(WIDTH * INCH), "height": round(HEIGHT * INCH)}
        page = browser.new_page(viewport=size, color_scheme="light")
        page.set_default_timeout(300_000)  # milliseconds; a busy machine
        page.emulate_media(media="screen")
        for count, name in enumerate(figures, start=1):
            page.goto(f"{address}/{where[name]}", wait_until="networkidle")
            page.evaluate(READY)
            page.evaluate(ALONE, name)
            page.add_style_tag(content=STYLE)
            page.evaluate(READY)
            if page.evaluate(BEYOND):
                raise ValueError(f"{name} does not fit on a slide")
            sheet = page.pdf(width=f"{WIDTH}in", height=f"{HEIGHT}in", print_background=True, page_ranges="1")
            writer.append(io.BytesIO(sheet), outline_item=name, import_outline=False)
            print(f"{count}/{len(figures)} {name}", flush=True)
        browser.close()
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Print figures of the built book as slides.")
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help="by default those of a plan")
    parser.add_argument("--plan", default=PLAN, help=f"a section of book/instructors.md (default: {PLAN})")
    parser.add_argument("--output", type=Path, help=f"by default {NAME} beside the pages")
    options = parser.parse_args(arguments)
    if chromium() is None or not (find_spec("playwright") and find_spec("pypdf")):
        print(ABSENT, file=sys.stderr)
        return 2
    try:
        folder = forms.built(root / "_build" / "html")
        content = make(folder, options.figures or plan(options.plan, root))
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    target = options.output or folder / NAME
    target.write_bytes(content)
    print(f"Wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
