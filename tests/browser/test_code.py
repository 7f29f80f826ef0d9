"""Code in the reading view is folded, a switch shows it, marks open it one by one; results are readable."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
PAGE = "book/particles.html"  # has imports, figures, and printed results
SHARE = 0.05  # of a page's height may be code
# About programs, so that listings are their text.
NO_CHAPTERS = {
    "book/api", "book/bibliography", "book/assignments/index", "book/how_results", "book/instructors",
}  # fmt: skip


def chapters() -> list[str]:
    """Return the addresses of the pages to read."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = [toc["root"], *re.findall(r"'file': '([^']+)'", str(toc))]
    return [f"{name}.html" for name in listed if name not in NO_CHAPTERS and not name.startswith("book/api_")]


def height_of_code(page: object) -> float:
    """Return how many pixels of the page's height are code: cells, listings and marks, not results."""
    return page.evaluate(
        """() => [...document.querySelectorAll(
                ".bd-article :is(.cell_input, .code-mark, .live-input, div.highlight)")]
            .filter(e => e.checkVisibility() && !e.closest(".cell_output")
                && !e.parentElement.closest(".cell_input, .live-input"))
            .filter(e => getComputedStyle(e).position !== "absolute") // lies in a margin
            .reduce((sum, e) => sum + e.getBoundingClientRect().height, 0)"""
    )


def visible_code(page: object) -> int:
    """Return how many code cells are open to the eye."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".cell_input pre")]
            .filter(e => e.checkVisibility({contentVisibilityAuto: true}))
            .filter(e => e.getBoundingClientRect().height > 0)
            .length"""
    )


@pytest.fixture
def reading(site: str, visit: Callable[..., object]) -> Callable[..., object]:
    """Return a function that opens a page of the book, its formulas typeset."""

    def read(address: str, **options: object) -> object:
        seen = visit(f"{site}/{address}", **options)
        seen.page.evaluate("() => window.MathJax?.startup?.promise")
        return seen

    return read


@pytest.mark.parametrize("opened", chapters(), indirect=True)
def test_code_is_a_small_part_of_the_reading_view(shared):
    page = shared.page
    article = page.locator(".bd-article").bounding_box()["height"]
    share = height_of_code(page) / article
    assert share < SHARE, f"{share:.0%} of the page is code"
    if page.locator(".cell_input").count():
        page.get_by_role("switch", name="Show code").click()
        assert height_of_code(page) / article > share  # it is code that was measured


def test_the_switch_by_mouse_and_keyboard_and_on_other_pages(reading, site):
    seen = reading(PAGE)
    page = seen.page
    cells = page.locator(".cell_input").count()
    switch = page.get_by_role("switch", name="Show code")
    assert switch.get_attribute("aria-checked") == "false" and visible_code(page) == 0
    switch.click()
    assert switch.get_attribute("aria-checked") == "true" and visible_code(page) == cells > 3

    page.goto(f"{site}/book/coercivity.html")
    switch = page.get_by_role("switch", name="Show code")
    assert switch.get_attribute("aria-checked") == "true" and visible_code(page) > 3
    switch.focus()
    page.keyboard.press("Space")
    assert switch.get_attribute("aria-checked") == "false" and visible_code(page) == 0
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.goto(f"{site}/{PAGE}")
    assert visible_code(page) == 0
    seen.assert_quiet()


def test_a_mark_opens_the_code_of_one_result(reading):
    page = reading(PAGE).page
    marks = page.locator(".code-mark:visible")
    results = page.evaluate(
        "() => [...document.querySelectorAll('.cell:has(> .cell_input)')]"
        ".filter(cell => cell.querySelector(':scope > .cell_output :is(pre, table, .result)'))"
        ".filter(cell => !cell.closest('.solution')).length"  # answers are folded with their solutions
    )
    assert marks.count() == results > 0
    mark = marks.first
    code = page.locator(f"#{mark.get_attribute('aria-controls')}")
    assert re.fullmatch(r"The code of cell \d+", mark.get_attribute("aria-label"))
    assert mark.get_attribute("aria-expanded") == "false"
    mark.press("Enter")
    assert mark.get_attribute("aria-expanded") == "true" and visible_code(page) == 1
    assert code.locator("pre").bounding_box()["height"] > 0
    mark.click()
    assert mark.get_attribute("aria-expanded") == "false" and visible_code(page) == 0


def test_the_search_of_the_browser_finds_code_and_opens_it(reading):
    page = reading(PAGE).page
    # Playwright cannot type into the browser's own search; a link to words opens what is found the same way.
    hidden = page.locator(".cell_input[hidden=until-found]")
    assert hidden.count() == page.locator(".cell_input").count()
    page.goto(f"{page.url}#:~:text=from%20pairint.figures%20import%20particles")
    page.wait_for_function("() => document.querySelector('#code-cell-0 > .cell_input:not([hidden])')")
    mark = page.locator("#code-cell-0 > .code-mark")
    assert mark.is_visible() and mark.get_attribute("aria-expanded") == "true"
    assert visible_code(page) == 1


def test_without_storage_the_switch_works_and_is_off_at_first(browser, site):
    context = browser.new_context()
    context.add_init_script(
        """Object.defineProperty(window, "localStorage", {
            get() { throw new DOMException("", "SecurityError"); }
        })"""
    )
    page = context.new_page()
    page.goto(f"{site}/{PAGE}")
    assert visible_code(page) == 0
    page.get_by_role("switch", name="Show code").click()
    assert visible_code(page) == page.locator(".cell_input").count()
    page.reload()
    assert visible_code(page) == 0
    context.close()


def test_code_is_there_without_scripts_or_without_the_one_that_has_the_switch(browser, site):
    for options, lost in (({"java_script_enabled": False}, None), ({}, "**/book.js*")):
        context = browser.new_context(**options)
        page = context.new_page()
        if lost:
            page.route(lost, lambda route: route.abort())
        page.goto(f"{site}/{PAGE}", wait_until="load")
        cells = page.locator(".cell_input:not(.solution *)")  # answers are folded by the browser itself
        assert cells.count() > 3
        assert all(cell.is_visible() for cell in cells.all())
        assert page.locator(".code-mark, .code-switch").count() == 0
        context.close()


@pytest.mark.parametrize("chosen", [False, True])
def test_paper_has_results_and_no_code(reading, chosen):
    page = reading(PAGE).page
    if chosen:
        page.get_by_role("switch", name="Show code").click()
    page.emulate_media(media="print")
    assert visible_code(page) == 0
    assert page.locator(".code-mark:visible, .code-switch:visible").count() == 0
    assert page.locator(".cell_output .result:visible").count() > 0


#: What a program prints and a reader does not want.
RESIDUE = {
    "a bare frame": r'class="dataframe"',
    "a float to its last bit": r"\d\.\d{13,}",
    "the rounding of a zero": r"\de-1[4-9]\b",
    "a truth value": r"\b(True|False)\b",
    "a formula as TeX": r"\$\\",
    "a print-out": r'class="output stream',
    "an empty box": r"<pre>(<span></span>)?\s*</pre>",
}


class Results(HTMLParser):
    """Collects the HTML of the results of a page's cells, without pictures and scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.depth, self.skip, self.found = 0, "", []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "div" and (self.depth or "cell_output" in (dict(attributes).get("class") or "").split()):
            self.depth += 1
        if self.depth and not self.skip and tag in ("svg", "script", "style"):
            self.skip = tag
        self._keep(self.get_starttag_text() or "")

    def handle_endtag(self, tag: str) -> None:
        self._keep(f"</{tag}>")
        self.skip = "" if tag == self.skip else self.skip
        self.depth -= bool(self.depth) and tag == "div"

    def handle_data(self, data: str) -> None:
        self._keep(data)

    def _keep(self, text: str) -> None:
        if self.depth and not self.skip:
            self.found.append(text)


@pytest.mark.parametrize("address", chapters())
def test_results_are_written_for_readers(site, address):
    results = Results()
    results.feed((HTML / address).read_text(encoding="utf-8"))
    text = "".join(results.found)
    found = {kind: match[0] for kind, pattern in RESIDUE.items() if (match := re.search(pattern, text))}
    assert found == {}
