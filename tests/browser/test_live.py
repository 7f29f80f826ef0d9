"""Pages that run in the reader's browser, in Chromium with the network cut.

The usual checks run two pages; ``make live-test`` sets PAIRINT_LIVE_PAGES=all and runs each that offers to.
"""

import hashlib
import io
import json
import os
import re
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
CELLS = HTML / "_static" / "live" / "cells"
AXE = ROOT / "_build" / "vendor" / "axe-core" / "axe.min.js"
RECORD = ROOT / "_build" / "live-pages.json"
ALL = os.environ.get("PAIRINT_LIVE_PAGES") == "all"
CORE = ("pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip")  # what every page needs
USUAL = ("book/particles", "book/estimator")
MINUTES = 60_000  # milliseconds
ROUNDING = 1e-13  # residuals of equations of order one in double precision: 450 machine epsilons
NUMBER = re.compile(r"(?<![\w.])[-−+]?\d+(?:\.(\d*))?(?:[eE]([-+]?\d+))?")

pytestmark = pytest.mark.timeout(3000)  # seconds; a page takes one or two minutes where nothing else runs


def live_pages() -> tuple[str, ...]:
    """Return the pages to run to their end."""
    if not ALL:
        return USUAL
    found = sorted(path.relative_to(CELLS).with_suffix("").as_posix() for path in CELLS.rglob("*.json"))
    return tuple(found) or USUAL


@pytest.fixture
def live(site, visit):
    """Return a function that opens a page, its button not yet pressed."""
    if not (HTML / "_static" / "live" / "manifest.json").is_file():
        (pytest.fail if ALL else pytest.skip)("the book was built without live pages: run `make live book`")

    def open_page(name, **options):
        seen = visit(f"{site}/{name}.html", **options)
        seen.page.set_default_timeout(45 * MINUTES)
        return seen

    return open_page


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def wait_for(page, state):
    page.wait_for_selector(f'.live-panel[data-state="{state}"]')


def said(page):
    return page.locator(".live-status").inner_text()


def run_to_the_end(page):
    """Press the button and wait until every cell has run."""
    press(page, "Run this page")
    page.wait_for_function("/^(Done|An error)/.test(document.querySelector('.live-status').textContent)")
    errors = page.locator(".live-output .error").all_inner_texts()
    assert errors == []
    assert said(page).startswith("Done")


# What a cell shows, but for interactive figures, the letters of drawings, which are pictures here, and
# formulas, which a page typesets in its own time.
TEXTS = """() => {
    const text = part => {
        const copy = part.cloneNode(true);
        copy.querySelectorAll(".math, mjx-container, .drawing, style, script").forEach(each => each.remove());
        return copy.textContent;
    };
    return [...document.querySelectorAll("[id^=code-cell-]")].map(cell => [false, true].map(live =>
        [...cell.querySelectorAll(`:scope > .cell_output:${live ? "is" : "not"}(.live-output) > *`)]
            .filter(part => !part.querySelector(".pairint-explorer")).map(text).join("\\n")));
}"""


#: Powers of ten as tables write them: 6·10⁻¹⁷, or 10⁻¹⁷ alone.
POWER = re.compile(r"(?:(?<=\d)(·)|(?<![\w.]))10(⁻?[⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
PLAIN = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def numbers(text):
    """Return the numbers in a text, each with half the step to its neighbours as printed; no durations."""
    found = []
    text = re.sub(r"\d+(?:\.\d+)? s\b", "", text)
    text = POWER.sub(lambda match: f"{'' if match[1] else '1'}e{match[2].translate(PLAIN)}", text)
    for match in NUMBER.finditer(text):
        exponent = int(match[2] or 0) - len(match[1] or "")
        found.append((float(match[0].replace("−", "-")), 0.5 * 10.0**exponent))
    return found


#: Lines of which rounding decides: where a search ends that has many ends, for a rank that is too small (one,
#: glued to its share) and for outputs that are wrong. That they are there is compared, not what they say.
VALLEYS = {"book/estimator": re.compile(r"(?m)^(10\.\d+|three wrong outputs.*)$")}


def assert_same_numbers(page, name):
    """Compare what each cell printed here with what it printed when the book was built."""
    compared, open_ended = 0, VALLEYS.get(name, re.compile(r"(?!)"))
    for index, (built, here) in enumerate(page.evaluate(TEXTS)):
        assert bool(open_ended.search(built)) == bool(open_ended.search(here))
        expected, found = (numbers(open_ended.sub("", text)) for text in (built, here))
        assert len(found) == len(expected), f"cell {index + 1}: {built!r} became {here!r}"
        for (x, half), (y, _) in zip(expected, found, strict=True):
            # Both were rounded for printing: each may be off by half a step. What is small is rounding alone.
            close = abs(x - y) <= 1e-6 * abs(x) + 2 * half or max(abs(x), abs(y)) < ROUNDING
            assert close, f"cell {index + 1}: {x} became {y}"
        compared += len(found)
    return compared


def test_numbers_are_read_with_their_precision():
    assert numbers("a 1.50 b2 −3e-4, x=7, 2.9 s, 3 steps") == [
        (1.5, 0.005),
        (-3e-4, 0.5e-4),
        (7.0, 0.5),
        (3.0, 0.5),
    ]
    assert numbers("6·10⁻¹⁷ of 1.25·10⁶, 10⁻³") == [(6e-17, 0.5e-17), (1.25e6, 0.5e4), (1e-3, 0.5e-3)]


def weight(name):
    """Return how many bytes a first page fetches, by the list of files that it goes by."""
    files = json.loads((HTML / "_static" / "live" / "manifest.json").read_text())["files"]
    needs = json.loads((CELLS / f"{name}.json").read_text())["needs"]
    parts = {"pairint", *needs} | {other for part in needs for other in files[part].get("needs", ())}
    return sum(entry["bytes"] for part, entry in files.items() if part in {*CORE, *parts})


@pytest.mark.parametrize("name", live_pages())
def test_runs_to_its_end_with_the_numbers_of_the_built_page(live, reader, name):
    """One by one, each as the first that a reader opens; all of them, as one reader opens page after page."""
    seen = live(name, context=reader if ALL else None)
    run_to_the_end(seen.page)
    seen.assert_quiet()
    printed = assert_same_numbers(seen.page, name)
    if name == "book/particles":
        assert printed > 5
    fetched = sum(size for url, size in seen.received.items() if re.search("/live/.*whl|/pyodide/", url))
    assert fetched <= weight(name)
    assert ALL or fetched == weight(name)
    known = json.loads(RECORD.read_text()) if RECORD.is_file() else {}
    known[name] = {
        "start": float(seen.page.locator(".live-panel").get_attribute("data-start")),  # seconds
        "run": float(seen.page.locator(".live-panel").get_attribute("data-seconds")),
        "bytes": weight(name),  # where nothing is kept from an earlier page
        "fetched": fetched,
        "numbers": printed,
    }
    RECORD.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def test_edited_stopped_restarted_restored(live):
    """A reader's hour with a page, in one go: a start of Python is what costs time here."""
    seen = live("book/particles")
    page = seen.page
    run_to_the_end(page)
    picture = page.locator("#code-cell-1 .live-output img")
    before = picture.get_attribute("src")
    assert picture.get_attribute("alt").startswith("Left: six tokens in the plane")
    assert page.locator("#code-cell-1 > .cell_output:not(.live-output)").is_hidden()
    assert "Figure 1.1" in page.locator("#code-cell-1 .live-output figcaption").inner_text()
    # Code is what one works with here: it is open, whatever the reading view shows, and stands once.
    assert page.evaluate("document.documentElement.dataset.code") == "folded"
    # Of a cell whose code the page never shows, one line to open it.
    boxes = page.get_by_label(re.compile(r"^Code of cell \d+$")).all()
    folded = page.locator(".live-hidden:not([open])")
    assert sum(box.is_visible() for box in boxes) == len(boxes) - folded.count() > 0
    page.get_by_role("switch", name="Show code").click()
    assert page.locator(".cell_input:visible, .code-mark:visible").count() == 0
    page.get_by_role("switch", name="Show code").click()

    editor = page.get_by_label("Code of cell 2", exact=True)
    editor.fill(editor.input_value().replace("Tanh(2.0)", "Tanh(8.0)"))
    editor.press("Control+Enter")
    page.wait_for_function(
        "old => (document.querySelector('#code-cell-1 .live-output img')?.src ?? old) !== old",
        arg=before,
    )
    wait_for(page, "idle")

    editor.fill("print('so far')\nwhile True:\n    pass")
    editor.press("Shift+Enter")
    page.wait_for_selector("#code-cell-1 .live-output >> text=so far")
    assert page.evaluate("1 + 1") == 2  # the page itself is not held up
    press(page, "Stop")
    wait_for(page, "dead")
    assert "Stopped" in said(page) and editor.input_value().startswith("print('so far')")

    editor.fill("1 / 0")
    press(page, "Run cell 2")  # starts Python again, and runs the cell above first
    page.wait_for_selector("#code-cell-1 .live-output .error")
    assert "ZeroDivisionError" in page.locator("#code-cell-1 .live-output .error").inner_text()
    assert "An error in cell 2" in said(page)

    # Never touched, so that it costs nothing here: just beyond the bound, half of what Python could address.
    editor.fill("import numpy as np\n[np.empty(2**30, np.uint8) for _ in range(2)]")
    press(page, "Run cell 2")
    page.wait_for_selector("#code-cell-1 .live-output >> text=MemoryError")
    editor.fill("'and Python lives'")
    press(page, "Run cell 2")
    page.wait_for_selector("#code-cell-1 .live-output >> text='and Python lives'")

    press(page, "Back to the page as built")
    assert page.locator("#code-cell-1 > .cell_output:not(.live-output)").is_visible()
    assert page.locator("textarea, .live-output").count() == 0
    assert page.locator(".cell_input:not([hidden])").count() == 0 < page.locator(".code-mark:visible").count()
    seen.assert_quiet()

    page.reload()
    press(page, "Run this page")
    assert page.get_by_label("Code of cell 2", exact=True).input_value() == "1 / 0"  # kept
    press(page, "Cancel")
    press(page, "Reset cell 2")
    assert "Tanh(2.0)" in page.get_by_label("Code of cell 2", exact=True).input_value()


def test_nothing_is_loaded_before_the_click(live):
    seen = live("book/particles")
    seen.page.wait_for_timeout(500)
    loaded = [
        url.rsplit("/_static/")[-1].split("?")[0]
        for url in seen.received
        if "/live/" in url or "/pyodide/" in url
    ]
    assert sorted(loaded) == ["live/live.css", "live/live.js"]


def alter(route):
    """Answer with a file of which one bit is another."""
    answer = route.fetch()
    body = bytearray(answer.body())
    body[len(body) // 2] ^= 1
    route.fulfill(response=answer, body=bytes(body))


@pytest.mark.parametrize("part", ["pairint", "numpy._core", "pyodide.asm.wasm"])
def test_an_altered_file_is_refused(live, part):
    page = live("book/particles").page
    files = json.loads((HTML / "_static" / "live" / "manifest.json").read_text())["files"]
    page.route(f"**/{files[part]['path']}", alter)
    press(page, "Run this page")
    wait_for(page, "dead")
    assert said(page).startswith(f"{part} is not the file that this book was built with")


@pytest.mark.parametrize("how", ["missing", "cut"])
def test_a_download_that_fails_is_said(live, how):
    page = live("book/particles").page
    page.route(
        "**/matplotlib.zip", lambda route: route.fulfill(status=404) if how == "missing" else route.abort()
    )
    press(page, "Run this page")
    wait_for(page, "dead")
    assert {"missing": "does not have matplotlib", "cut": "download of matplotlib was cut off"}[how] in said(
        page
    )
    assert page.get_by_role("button", name="Run all").is_visible()


def before_worker(page, code):
    """Run code in the worker before its own."""
    body = (HTML / "_static" / "live" / "worker.mjs").read_text()
    page.route(
        "**/worker.mjs", lambda route: route.fulfill(content_type="text/javascript", body=f"{code}\n{body}")
    )


REFUSED = "Object.defineProperty(globalThis, 'caches', {get() { throw new Error('refused'); }});"


#: A part that this page does not need, and one that it needs no more with it.
LATE, NEVER = "scipy.cluster", "scipy.signal"


def test_what_a_changed_cell_needs_is_fetched_then(live):
    """Where storage is refused, too; and an altered file is refused as it is at the start."""
    seen = live("book/particles")
    assert not {LATE, NEVER} & set(json.loads((CELLS / "book" / "particles.json").read_text())["needs"])
    page = seen.page
    before_worker(page, REFUSED)
    press(page, "Run this page")
    press(page, "Cancel")
    editor = page.get_by_label("Code of cell 1", exact=True)
    editor.fill("from scipy.cluster.hierarchy import linkage\nprint(linkage([[0.0], [3.25]])[0, 2])")
    page.route(f"**/{LATE}.zip", alter)
    press(page, "Run cell 1")
    error = page.locator("#code-cell-0 .live-output .error")
    error.wait_for()
    assert f"{LATE} is not the file that this book was built with" in error.inner_text()
    page.unroute(f"**/{LATE}.zip")
    press(page, "Run cell 1")
    page.wait_for_selector("#code-cell-0 .live-output >> text=3.25")
    assert any(url.endswith(f"/{LATE}.zip") for url in seen.received)
    assert not any(url.endswith(f"/{NEVER}.zip") for url in seen.received)


#: The errors of the fits drawn so far by the figure that a cell has shown.
DRAWN = """() => {
    const figure = document.querySelector(".live-output .pairint-explorer");
    return figure?.pairintSeries?.["error.simulated"]?.y ?? [];
}"""


def test_a_figure_draws_fresh_data_where_it_is_read(live):
    """Fits come one by one; they can be stopped, and end with the Python that draws."""
    seen = live("book/particles")
    page = seen.page
    press(page, "Run this page")
    press(page, "Cancel")
    editor = page.get_by_label("Code of cell 1", exact=True)
    editor.fill("import pairint as pi\npi.FitExplorer(samples=10000)")
    press(page, "Run cell 1")
    figure = page.locator(".live-output .pairint-explorer")
    figure.wait_for()
    wait_for(page, "idle")
    figure.get_by_role("button", name="Simulate").click()
    page.wait_for_function(f"({DRAWN})().length >= 1")
    figure.get_by_role("button", name="Cancel").click()  # two fits are left: it is heard after the next
    figure.get_by_text("Cancelled.").wait_for()
    errors = page.evaluate(DRAWN)
    assert 1 <= len(errors) <= 3 and all(y > 0 for y in errors)
    press(page, "Restart")
    figure.get_by_role("button", name="Simulate").click()
    figure.get_by_text("run the cell again").wait_for()
    assert page.evaluate(DRAWN) == errors  # nothing was drawn, and nothing lost
    seen.assert_quiet()


def test_two_pages_at_once_one_closed_while_it_runs(live):
    first = live("book/particles")
    first.page.context.set_default_timeout(15 * MINUTES)
    second = first.page.context.new_page()
    second.goto(first.page.url)
    press(first.page, "Run this page")
    press(second, "Run this page")
    wait_for(first.page, "running")
    first.page.get_by_label("Code of cell 9", exact=True).fill("'typed before the end'")
    first.page.close()
    second.wait_for_function("document.querySelector('.live-status').textContent.startsWith('Done')")

    third, fetched = second.context.new_page(), []
    third.on("response", lambda response: fetched.append(response.url))
    third.goto(second.url)
    press(third, "Run this page")
    wait_for(third, "running")
    assert third.get_by_label("Code of cell 9", exact=True).input_value() == "'typed before the end'"
    press(third, "Stop")
    assert [url for url in fetched if "/pyodide/" in url] == []  # all of it was kept


def test_an_update_of_the_book_is_taken_and_the_old_one_forgotten(live):
    """Of what has changed alone; an open page has it after a restart."""
    page = live("book/particles").page
    press(page, "Run this page")
    page.wait_for_selector(".live-panel[data-start]")
    press(page, "Stop")
    wait_for(page, "dead")
    page.wait_for_timeout(2000)  # what was fetched is kept

    manifest = json.loads((HTML / "_static" / "live" / "manifest.json").read_text())
    entry = manifest["files"]["pairint"]
    buffer = io.BytesIO((HTML / "_static" / entry["path"]).read_bytes())
    with zipfile.ZipFile(buffer, "a") as wheel:
        wheel.writestr("pairint/updated.txt", "since")
    wheel = buffer.getvalue()
    entry |= {"bytes": len(wheel), "sha256": hashlib.sha256(wheel).hexdigest()}
    page.route("**/manifest.json", lambda route: route.fulfill(json=manifest))
    page.route(f"**/{entry['path']}", lambda route: route.fulfill(body=wheel))
    fetched = []
    page.on("response", lambda response: fetched.append(response.url))
    editor = page.get_by_label("Code of cell 1", exact=True)
    editor.fill(
        "import pairint, pathlib\nprint(pathlib.Path(pairint.__file__).with_name('updated.txt').read_text())"
    )
    press(page, "Run cell 1")
    page.wait_for_selector("#code-cell-0 .live-output >> text=since")
    assert [url for url in fetched if "/pyodide/" in url] == []
    kept = page.evaluate(
        "caches.open('pairint-live').then(cache => cache.keys()).then(keys => keys.map(key => key.url))"
    )
    sums = {re.search(r"sha256=(\w+)", url)[1] for url in kept if entry["path"] in url}
    assert sums == {entry["sha256"]}


def test_too_little_memory_is_said(live):
    page = live("book/particles").page
    before_worker(
        page, "WebAssembly.Memory = function () { throw new RangeError('could not allocate memory'); };"
    )
    press(page, "Run this page")
    wait_for(page, "dead")
    assert "out of memory" in said(page)


def test_without_webassembly_or_storage(live):
    seen = live("book/particles")
    page = seen.page
    page.evaluate("WebAssembly = undefined")
    press(page, "Run this page")
    assert "no WebAssembly" in said(page)

    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused'); }})"
    )
    page.reload()
    press(page, "Run this page")
    page.get_by_label("Code of cell 1", exact=True).fill("2 + 2")
    press(page, "Cancel")
    press(page, "Back to the page as built")
    press(page, "Run this page")
    assert page.get_by_label("Code of cell 1", exact=True).input_value() == "2 + 2"


def test_a_page_opened_from_a_file_says_how_to_serve_it(live, visit):
    live("book/particles")
    page = visit((HTML / "book" / "particles.html").as_uri()).page
    press(page, "Run this page")
    assert "http.server" in said(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_open_cells_are_accessible_and_fit_a_phone(live, skip_or_fail, theme):
    if not AXE.is_file():
        skip_or_fail("axe-core was not fetched: run `make browser-test`")
    page = live("book/estimator", color_scheme=theme, viewport={"width": 390, "height": 844}).page
    press(page, "Run this page")
    press(page, "Cancel")
    page.get_by_label("Code of cell 1", exact=True).fill("changed")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    bad = [
        (v["id"], node["html"][:160])
        for v in report["violations"]
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"]
    ]
    assert bad == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
