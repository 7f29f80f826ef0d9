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
FIRST_LIMIT = 60_000  # bytes on the wire until the first figure can be drawn: three tenths of a second
PACKED = {".woff", ".woff2", ".png", ".zip"}  # a server does not compress these again


@functools.cache
def sent(path: Path) -> int:
    """Return how many bytes a server sends for a file."""
    content = path.read_bytes()
    return len(content) if path.suffix in PACKED else len(gzip.compress(content, 9))


def asked(seen: object) -> set[Path]:
    """Return the files that a page has asked for."""
    return {HTML / unquote(urlsplit(url).path).lstrip("/") for url in seen.received}


@pytest.mark.parametrize("opened", PAGES or ["nothing-is-built.html"], indirect=True)
def test_a_page_and_all_that_it_asks_for_is_light(site, opened):
    files = {path: sent(path) for path in asked(opened) if path.is_file()}
    assert HTML / opened.page.url.removeprefix(f"{site}/").partition("#")[0] in files
    total = sum(files.values())
    heaviest = sorted(files.items(), key=lambda item: -item[1])[:5]
    assert total <= PAGE_LIMIT, f"{total} bytes: {[(path.name, size) for path, size in heaviest]}"


def test_little_comes_before_the_first_figure(site):
    """The first figure waits for nothing but what stands before the end of its script."""
    page = (HTML / "book" / "intro.html").read_text(encoding="utf-8")
    figure = re.search(r'<script type="module"[^>]*>.*?</script>', page, re.DOTALL)
    assert figure is not None and "async" in figure[0].split(">")[0]
    before = page[: figure.end()]
    assert re.findall(r'<link rel="stylesheet"[^>]*>|<script[^>]*\bsrc=[^>]*>', before) == []
    assert len(gzip.compress(before.encode(), 9)) <= FIRST_LIMIT


@pytest.mark.parametrize("address", PAGES or ["nothing-is-built.html"])
def test_no_script_comes_before_the_text_and_none_waits_for_the_stylesheet(site, address):
    page = (HTML / address).read_text(encoding="utf-8")
    text = page[: page.index("</main>")]
    assert re.findall(r"<script[^>]*\bsrc=[^>]*>", text) == []
    assert page.count('rel="stylesheet"') == 1
    head = page[: page.index("</head>")]
    assert "<script" not in head[head.find('rel="stylesheet"') :] or 'rel="stylesheet"' not in head


@pytest.fixture
def bare(browser, site):
    """Return a function that opens a page for which neither scripts nor stylesheets ever come."""
    contexts = []

    def open_page(address, **options):
        context = browser.new_context(viewport={"width": 390, "height": 844}, **options)
        contexts.append(context)
        context.set_default_timeout(120_000)
        page = context.new_page()
        held = []
        page.route(re.compile(r"\.(js|css)(\?|$)"), lambda route: held.append(route))
        page.goto(f"{site}/{address}", wait_until="commit")
        page.wait_for_function("() => document.querySelector('.pairint-explorer')?.pairint?.updates > 0")
        return page, held

    yield open_page
    for context in contexts:
        context.close()


def test_the_first_figure_can_be_touched_though_nothing_else_comes(bare):
    """Neither formulas nor scripts nor the stylesheet hold up a figure: here they never come."""
    page, held = bare("book/intro.html")
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length === 1")
    assert page.evaluate("() => document.readyState") != "complete"
    number = page.locator(".pairint-explorer").first.locator("output").first
    before = number.inner_text()
    slider = page.locator(".pairint-explorer").first.locator("input[type=range]").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        """before => document.querySelector('.pairint-explorer').shadowRoot
            .querySelector('output').textContent !== before""",
        arg=before,
    )
    assert any(".css" in route.request.url for route in held)


#: Where things are that stand before the end of the first figure, and how they look.
PLACES = """() => {
    const figure = document.querySelector(".pairint-explorer"), found = {};
    for (const e of document.querySelectorAll("body *")) {
        const after = figure.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING;
        if (after && !figure.contains(e)) break;
        if (!e.getClientRects().length || !e.checkVisibility()) continue;
        const { x, y, width, height } = e.getBoundingClientRect(), style = getComputedStyle(e);
        if (y < innerHeight && x < innerWidth && x + width > 0 && !e.contains(figure)) {
            const path = [];
            for (let p = e; p !== document.body; p = p.parentElement) {
                path.unshift([...p.parentElement.children].indexOf(p));
            }
            found[`${path.join(".")} ${e.tagName}.${e.className.baseVal ?? e.className}`] =
                [x, y, width, height].map(Math.round).join()
                + [style.color, style.backgroundColor, style.fontSize];
        }
    }
    return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_screen_looks_as_it_will(bare, scheme):
    """Nothing jumps and nothing changes its colour as the stylesheet comes."""
    page, held = bare("book/intro.html", color_scheme=scheme)
    page.wait_for_function("() => performance.getEntriesByName('first-contentful-paint').length === 1")
    early = page.evaluate(PLACES)
    sheets = [route for route in held if ".css" in route.request.url]
    assert len(early) > 20 and len(sheets) == 1
    sheets[0].continue_()
    page.wait_for_function("() => [...document.styleSheets].some(each => each.href)")
    page.wait_for_selector("#three-ways-in h2")
    late = page.evaluate(PLACES)
    changed = {
        name: (early[name], late[name]) for name in early.keys() & late.keys() if early[name] != late[name]
    }
    assert changed == {} and len(early.keys() & late.keys()) > 20


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
