"""Every page of the built book, in Chromium with the network cut."""

import functools
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
AXE = ROOT / "_build" / "vendor" / "axe-core" / "axe.min.js"
WEIGHTS = ROOT / "_build" / "page-weights.json"
MEGABYTE = 1_000_000
SHARED_LIMIT = (
    4 * MEGABYTE
)  # MathJax (1.2 MB before compression), the theme, fonts: cached after the first page
OWN_LIMIT = 2 * MEGABYTE  # one page's HTML with its figures


@functools.cache
def addresses() -> tuple[str, ...]:
    """Return every page, relative to the site's root; source listings of the package count as one."""
    pages = sorted(path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html"))
    listings = [page for page in pages if page.startswith("_modules/")]
    left_out = {"index.html", *listings[1:]}  # index.html only sends the reader on to the first page
    return tuple(page for page in pages if page not in left_out and not page.startswith("_static/"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "address" in metafunc.fixturenames:
        metafunc.parametrize("address", addresses() or ["nothing-is-built.html"])


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
        """() => [...document.querySelectorAll("article img, main img")]
            .filter(e => !e.complete || e.naturalWidth === 0 || !/\\s/.test(e.alt.trim()))
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


def record_weight(address: str, own: int, received: int) -> None:
    record = json.loads(WEIGHTS.read_text()) if WEIGHTS.is_file() else {}
    record[address] = {"html": own, "all": received}
    WEIGHTS.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


def test_page(site, visit, skip_or_fail, address):
    """One visit to one page: alone, typeset, accessible in both themes, fit for a phone, light enough."""
    if not AXE.is_file():
        skip_or_fail("axe-core was not fetched: run `make browser-test`")
    seen = visit(f"{site}/{address}", color_scheme="light")
    page = seen.page
    settle(page)
    seen.assert_quiet()
    assert unset_formulas(page) == []
    assert poor_pictures(page) == []

    page.add_script_tag(path=str(AXE))
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    found = violations(page, {})
    # Only colours depend on the theme; a colour on its way from one theme to the other says nothing.
    page.add_style_tag(content="* { transition: none !important; animation: none !important }")
    page.evaluate("document.documentElement.dataset.theme = document.documentElement.dataset.mode = 'dark'")
    found += [f"dark: {v}" for v in violations(page, {"runOnly": ["color-contrast"]})]
    assert found == [], "\n".join(found)

    page.set_viewport_size({"width": 360, "height": 740})
    assert overflow(page) == []
    seen.assert_quiet()

    own = (HTML / address).stat().st_size
    record_weight(address, own, seen.weight)
    assert own <= OWN_LIMIT
    assert seen.weight - own <= SHARED_LIMIT


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
