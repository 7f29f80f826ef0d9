"""Every page of the built book, in Chromium with the network cut."""

import functools
import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import repository
import yaml

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
AXE = ROOT / "_build" / "vendor" / "axe-core" / "axe.min.js"
WEIGHTS = ROOT / "_build" / "page-weights"
MEGABYTE = 1_000_000
SHARED_LIMIT = 4 * MEGABYTE  # MathJax, the theme, fonts, before compression: cached after the first page
OWN_LIMIT = 3 * MEGABYTE  # one page's HTML and pictures, before compression: what a phone holds in memory
HTML_LIMIT = 250_000  # one page's HTML with all its figures, as a server compresses it
FIGURE_LIMIT = 60_000  # one interactive figure in it


@functools.cache
def addresses() -> tuple[str, ...]:
    """Return every page, relative to the site's root; of the source listings, all of one kind, only one."""
    pages = sorted(path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html"))
    listings = [page for page in pages if page.startswith("_modules/")]
    left_out = {"index.html", *listings[2:]}  # index.html only sends the reader on to the first page
    return tuple(page for page in pages if page not in left_out and not page.startswith("_static/"))


def settle(page: object) -> None:
    """Wait until the page's formulas are typeset and its scripts have run."""
    page.wait_for_load_state("load")
    page.evaluate("() => window.MathJax?.startup?.promise")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done, 100)))")


def unset_formulas(page: object) -> list[str]:
    """Return the formulas of a page that MathJax left as source, or could not read."""
    return page.evaluate(
        """() => [
            ...[...document.querySelectorAll("div.math, span.math")]
                .filter(e => !e.querySelector("mjx-container")),
            ...document.querySelectorAll("mjx-merror, [data-mjx-error]"),
        ].map(e => e.textContent.trim().slice(0, 80))"""
    )


def violations(page: object, options: dict) -> list[str]:
    """Return what axe-core finds serious or critical."""
    report = page.evaluate(
        "options => axe.run(document, options)", {"resultTypes": ["violations"], **options}
    )
    return [
        f"{violation['id']} ({violation['impact']}): {node['target']} {node['html'][:160]} "
        + "; ".join(check["message"] for check in node["any"][:1])
        for violation in report["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def poor_pictures(page: object) -> list[str]:
    """Return the pictures that do not load, or that have no words for those who cannot see them."""
    return page.evaluate(
        """() => [...document.querySelectorAll("main img:not(.toggler)")]
            .filter(e => !e.complete || e.naturalWidth === 0 || !/\\s/.test(e.alt.trim()))
            .concat([...document.querySelectorAll("main .drawing > svg")]
                .filter(e => !/\\s/.test(e.getAttribute("aria-label")?.trim() ?? "")))
            .map(e => e.outerHTML.slice(0, 200))"""
    )


def overflow(page: object) -> list[str]:
    """Return what makes the page wider than its window."""
    return page.evaluate(
        """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
            [...document.querySelectorAll("body *")]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
            .filter(e => !e.closest("table, div.math, mjx-container"))
            .filter(e => getComputedStyle(e).position !== "fixed")
            .slice(0, 5).map(e => e.outerHTML.slice(0, 120))"""
    )


def wire(text: str) -> int:
    """Return the size of a text as a server compresses it."""
    return len(gzip.compress(text.encode()))


FIGURE = re.compile(
    r'<div class="pairint-explorer" id="([^"]+)".*?</div>\s*<script type="module"[^>]*>.*?</script>',
    re.DOTALL,
)


def figures(html: str) -> dict[str, str]:
    """Return the HTML of each interactive figure of a page by its identifier."""
    return {part[1]: part[0] for part in FIGURE.finditer(html)}


def record(address: str, html: str, received: dict[str, int]) -> dict[str, Any]:
    """Keep what a visit weighed, for people to look at; return it."""
    shared = sum(size for url, size in received.items() if "/_static/" in url)
    weights = {
        "html_gzip": wire(html),
        "own": sum(received.values()) - shared,
        "shared": shared,
        "figures_gzip": {identifier: wire(text) for identifier, text in figures(html).items()},
    }
    place = WEIGHTS / f"{address}.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps(weights, indent=1, sort_keys=True) + "\n")
    return weights


@pytest.mark.parametrize("opened", addresses() or ["nothing-is-built.html"], indirect=True)
def test_page(shared, site, skip_or_fail):
    """One visit to one page: alone, typeset, accessible in both themes, fit for a phone, light enough."""
    if not AXE.is_file():
        skip_or_fail("axe-core was not fetched: run `make browser-test`")
    page = shared.page
    settle(page)
    shared.assert_quiet()
    assert unset_formulas(page) == []
    assert poor_pictures(page) == []
    if (proofs := page.locator(".proofs-switch:visible")).count():
        proofs.click()

    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    found = violations(page, {})
    dark(page)  # only colours depend on the theme
    found += [f"dark: {v}" for v in violations(page, {"runOnly": ["color-contrast"]})]
    page.evaluate("Object.assign(document.documentElement.dataset, {theme: 'light', mode: 'light'})")
    assert found == [], "\n".join(found)

    page.set_viewport_size({"width": 360, "height": 740})
    # The theme's scripts and the figures' answer to a new width with the next frame.
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert overflow(page) == []
    shared.assert_quiet()

    address = page.url.removeprefix(f"{site}/").partition("#")[0]
    weights = record(address, (HTML / address).read_text(encoding="utf-8"), shared.received)
    assert weights["html_gzip"] <= HTML_LIMIT
    assert weights["own"] <= OWN_LIMIT
    assert weights["shared"] <= SHARED_LIMIT
    assert all(weight <= FIGURE_LIMIT for weight in weights["figures_gzip"].values())


def dark(page: Any) -> None:
    """Switch a page to the dark theme at once: a colour on its way says nothing."""
    page.add_style_tag(content="* { transition: none !important; animation: none !important }")
    page.evaluate("document.documentElement.dataset.theme = document.documentElement.dataset.mode = 'dark'")


def test_every_kind_of_token_in_the_listings_is_readable(site, visit, skip_or_fail):
    """The listings that are not visited differ from the one that is in the colours of their code only."""
    if not AXE.is_file():
        skip_or_fail("axe-core was not fetched: run `make browser-test`")
    listings = sorted((HTML / "_modules" / "pairint").rglob("*.html"))
    code = "".join(path.read_text(encoding="utf-8") for path in listings)
    kinds = sorted(set(re.findall(r'<span class="([a-z]\w?)">', code)))
    assert len(kinds) > 15
    seen = visit(f"{site}/{listings[0].relative_to(HTML).as_posix()}", color_scheme="light")
    settle(seen.page)
    seen.page.evaluate(
        """kinds => document.querySelector("div.highlight pre").replaceChildren(...kinds.map(kind =>
            Object.assign(document.createElement("span"), {className: kind, textContent: `${kind} `})))""",
        kinds,
    )
    seen.page.evaluate(AXE.read_text(encoding="utf-8"))
    only = {"runOnly": ["color-contrast"]}
    found = violations(seen.page, only)
    dark(seen.page)
    assert found + violations(seen.page, only) == []


def test_theme_switch_reaches_the_page(site, visit):
    seen = visit(f"{site}/book/notation.html")
    settle(seen.page)
    button = seen.page.locator("button.theme-switch-button").first
    modes = set()
    for _ in range(3):
        button.click()
        modes.add(seen.page.evaluate("document.documentElement.dataset.mode"))
    assert modes == {"auto", "light", "dark"}


def test_search_finds_a_page(site, visit):
    seen = visit(f"{site}/search.html?q=interaction")
    seen.page.wait_for_selector("#search-results li", timeout=10_000)
    seen.assert_quiet()


class Loads(HTMLParser):
    """Collects what a page loads by itself, and what it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "a":
            self.links.append(given.get("href") or "")
        elif tag != "link" or given.get("rel") in (
            "stylesheet",
            "preload",
            "modulepreload",
            "icon",
            "manifest",
        ):
            self.loads += [
                given[key] or "" for key in ("src", "href", "srcset", "data", "poster") if key in given
            ]


def read(path: Path) -> Loads:
    reader = Loads()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader


def test_no_page_names_another_host_to_load_from(site):
    """Every page, also the listings that are not visited; data and addresses of this site only."""
    pages = list(HTML.rglob("*.html"))
    assert len(pages) > len(addresses()) > 10
    foreign = {
        f"{path.relative_to(HTML)}: {address}"
        for path in pages
        for address in read(path).loads
        if urlsplit(address).scheme in ("http", "https") or address.startswith("//")
    }
    assert foreign == set()


NOTEBOOKS = [path.stem for path in sorted((ROOT / "book").glob("*.ipynb"))]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_launch_buttons_lead_to_the_notebook(site, name):
    """At a commit of the repository; without an address of the repository there are no buttons."""
    buttons = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["launch_buttons"]
    address, notebook = repository.address(), f"book/{name}.ipynb"
    assert (ROOT / notebook).is_file()
    links = read(HTML / "book" / f"{name}.html").links
    assert any(link.endswith(f"_sources/{notebook}") for link in links)
    place = urlsplit(address or "").path
    commit = "[0-9a-f]{40}"
    binder = rf"{buttons['binderhub_url']}/v2/gh{place}/{commit}\?urlpath=lab/tree/{notebook}"
    colab = rf"{buttons['colab_url']}/github{place}/blob/{commit}/{notebook}"
    for host, wanted in ((buttons["binderhub_url"], binder), (buttons["colab_url"], colab)):
        found = [link for link in links if link.startswith(host)]
        assert len(found) == (address is not None) and all(re.fullmatch(wanted, link) for link in found)


def test_no_page_holds_a_placeholder_or_a_program_of_another_host(site):
    for path in HTML.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        found = re.search(r"//[\w.-]*\.invalid\b|unpkg\.com|thebe|executablebooks/jupyter-book", text)
        assert found is None, f"{path.relative_to(HTML)} holds {found[0]}"


PAGES_WITH_FIGURES = {
    address: identifiers
    for address in addresses()
    if (identifiers := FIGURE.findall((HTML / address).read_text(encoding="utf-8")))
}


@pytest.mark.parametrize("opened", PAGES_WITH_FIGURES or ["nothing-is-built.html"], indirect=True)
def test_figures_answer_in_their_page(shared, site):
    """In the book's own pages: identifiers are unique, each figure draws, a link to a view leads to it."""
    seen, page = shared, shared.page.url.partition("#")[0]
    identifiers = PAGES_WITH_FIGURES[page.removeprefix(f"{site}/")]
    assert len(set(identifiers)) == len(identifiers)
    last = identifiers[-1]
    drawn = "ids => ids.every(id => document.getElementById(id)?.pairint?.updates > 0)"
    seen.page.wait_for_function(drawn, arg=identifiers)
    host = seen.page.locator(f"#{last}")
    slider = host.locator("input[type=range]").first
    slider.press("Home")
    seen.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    moved = slider.get_attribute("aria-valuetext")
    key = slider.get_attribute("data-key")
    host.get_by_role("button", name="Link to this view").click()
    link = seen.page.url
    assert link.startswith(f"{page}#{last}?") and f"{key}=" in link

    host.get_by_role("button", name="Reset").click()
    seen.page.evaluate("scrollTo(0, 0)")
    seen.page.evaluate("hash => { location.hash = ''; location.hash = hash; }", urlsplit(link).fragment)
    seen.page.wait_for_function(
        """([id, key, text]) => {
            const host = document.getElementById(id);
            const slider = host.shadowRoot.querySelector(`input[data-key=${key}]`);
            const top = host.getBoundingClientRect().top;
            return slider.getAttribute("aria-valuetext") === text && top > 0 && top < innerHeight;
        }""",
        arg=[last, key, moved],
    )
    seen.assert_quiet()
