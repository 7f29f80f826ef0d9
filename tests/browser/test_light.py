"""Budgets: what a page weighs as a server sends it, and what comes before a reader can touch something.

A budget in seconds would be a test of the machine. These are bytes, and the order in which things come: at
1.6 Mbit/s a second is 200 kB.
"""

import functools
import gzip
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
PAGES = sorted(path.relative_to(HTML).as_posix() for path in (HTML / "book").rglob("*.html"))
PAGE_LIMIT = 600_000  # bytes on the wire: the page and all that it asks for until its formulas are set
FIRST_LIMIT = 100_000  # bytes on the wire until the first figure can be drawn: half a second
PACKED = {".woff", ".woff2", ".png", ".zip"}  # a server does not compress these again


@functools.cache
def sent(path: Path) -> int:
    """Return how many bytes a server sends for a file."""
    content = path.read_bytes()
    return len(content) if path.suffix in PACKED else len(gzip.compress(content, 9))


def asked(seen: object) -> set[Path]:
    """Return the files that a page has asked for."""
    return {HTML / unquote(urlsplit(url).path).lstrip("/") for url in seen.received}


@pytest.mark.parametrize("address", PAGES or ["nothing-is-built.html"])
def test_a_page_and_all_that_it_asks_for_is_light(site, visit, address):
    seen = visit(f"{site}/{address}", viewport={"width": 390, "height": 844})
    seen.page.evaluate("() => window.MathJax?.startup?.promise")
    seen.page.evaluate("() => document.fonts.ready.then(() => 0)")
    files = {path: sent(path) for path in asked(seen) if path.is_file()}
    assert HTML / address in files
    total = sum(files.values())
    heaviest = sorted(files.items(), key=lambda item: -item[1])[:5]
    assert total <= PAGE_LIMIT, f"{total} bytes: {[(path.name, size) for path, size in heaviest]}"


def test_little_comes_before_the_first_figure():
    """The first page: what of it, and of what holds it up, comes before the end of its first script."""
    page = (HTML / "book" / "intro.html").read_text(encoding="utf-8")
    figure = re.search(r'<script type="module"[^>]*>.*?</script>', page, re.DOTALL)
    assert figure is not None and "async" in figure[0].split(">")[0]
    head = page[: page.index("</head>")]
    sheets = re.findall(r'<link rel="stylesheet"[^>]*href="\.\./([^"?]+)', head)
    assert len(sheets) == 1  # each further one would be a wait of its own
    waits = re.findall(
        r'<script(?![^>]*\b(?:defer|async|type="module")\b)[^>]*src="[^"]*"', page[: figure.end()]
    )
    assert waits == []
    size = len(gzip.compress(page[: figure.end()].encode(), 9)) + sum(sent(HTML / each) for each in sheets)
    assert size <= FIRST_LIMIT


def test_the_first_figure_can_be_touched_though_all_scripts_fail_to_come(browser, site):
    """Neither formulas nor the theme's scripts hold up a figure: here they are asked for, and never come."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    context.set_default_timeout(120_000)
    page = context.new_page()
    held = []
    page.route(re.compile(r"\.js(\?|$)"), lambda route: held.append(route.request.url))
    page.goto(f"{site}/book/intro.html", wait_until="commit")
    page.wait_for_function("() => document.querySelector('.pairint-explorer')?.pairint?.updates > 0")
    assert held and page.evaluate("() => document.readyState") != "complete"
    context.close()


def test_formulas_on_the_screen_are_set_first(site, visit):
    """MathJax comes after the first picture, and begins with what the reader sees."""
    seen = visit(f"{site}/book/upper_bound_proof.html")
    page = seen.page
    page.evaluate("() => window.MathJax.startup.promise")
    assert page.locator(".math:not(:has(mjx-container))").count() == 0
    head = (HTML / "book" / "upper_bound_proof.html").read_text(encoding="utf-8").partition("</head>")[0]
    assert "vendor/mathjax" not in head
    order = page.evaluate(
        """async () => {
            const seen = [], all = [...document.querySelectorAll(".math")];
            new MutationObserver((changes) => changes.forEach(({ target }) => {
                if (target.matches?.(".math") && !seen.includes(target)) seen.push(target);
            })).observe(document.body, { childList: true, subtree: true });
            for (const each of all) each.replaceChildren("\\\\(x\\\\)");
            await new Promise((done) => setTimeout(done));
            seen.length = 0;
            const open = all.filter((each) => !each.closest("[hidden], .toggle-hidden"));
            const middle = open[Math.floor(open.length / 2)];
            middle.scrollIntoView({ block: "center" });
            await MathJax.config.startup.pageReady();
            return [seen.indexOf(middle), seen.length, all.length];
        }"""
    )
    place, set_, all_ = order
    assert set_ == all_ > 100 and place < 50, order


def test_no_icon_is_fetched(site, visit):
    seen = visit(f"{site}/book/particles.html")
    names = {path.name for path in asked(seen)}
    assert not {name for name in names if name.startswith("fontawesome")}
    fonts = [path for path in asked(seen) if "fontawesome" in path.as_posix()]
    assert sum(map(sent, fonts)) < 5_000
    icons = seen.page.locator("svg.icon")
    assert icons.count() > 10
    button = seen.page.locator("button.theme-switch-button svg.icon:visible")
    assert button.count() == 1 and button.bounding_box()["width"] > 8
