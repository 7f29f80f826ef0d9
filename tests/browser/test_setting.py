"""The reader's setting in Chromium, network cut: numbers to drag, what follows, figures, marks, the bar."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from pairint.explorers import RateExplorer
from pairint.explorers.kit import bundle
from pairint.explorers.kit.panels import short
from pairint.explorers.setting import PARAMETERS, QUANTITIES, quantity, script

HERE = "samples:log:100:1e10"
SHORT = HERE.rsplit(":", 1)[0] + ":1e+05"  # an axis that ends before a million
STYLES = Path(__file__).resolve().parents[2] / "book" / "assets" / "book.css"
WORDS = {p.key: short(p.value) for p in PARAMETERS}


@pytest.fixture(scope="module")
def site(serve, tmp_path_factory):
    """Two pages of a little book, on one host."""
    folder = tmp_path_factory.mktemp("book")
    (folder / "setting.js").write_text(script(), encoding="utf-8")
    shutil.copy(STYLES, folder)
    numbers = "".join(
        f'<p>{key} <span class="setting-number" data-setting="{key}">{WORDS[key]}</span></p>' for key in WORDS
    )
    results = "".join(
        f'<p>{name} <b data-computed="{name}">{short(quantity(name))}</b></p>' for name in QUANTITIES
    )
    panel = (
        '<svg width="200" height="100"><g data-here="{}">'
        '<g><path d="M 20 80 \nL 180 80 \nL 180 10 \nL 20 10 \nz"/></g><g class="legend"></g></g></svg>'
    ).format
    caption = '<figcaption><span class="caption-text">A line falls.</span></figcaption>'
    drawing = f"<figure>{panel(HERE)}{caption}</figure>"
    both, one = (f"<figure>{drawn}{caption}</figure>" for drawn in (panel(HERE) + panel(SHORT), panel(SHORT)))
    figure = RateExplorer().to_html("pairint-rate")
    for name, body in (
        ("text", numbers + results + drawing),
        ("figure", numbers + figure),
        ("short", numbers + both + one),
    ):
        (folder / f"{name}.html").write_text(
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<link rel="stylesheet" href="book.css">'
            '<link rel="icon" href="data:,"><script defer src="setting.js"></script></head>'
            '<body><div class="header-article__inner"></div>'
            f'<main class="bd-article">{body}</main></body></html>',
            encoding="utf-8",
        )
    return serve(folder)


def texts(page, attribute):
    return page.evaluate(
        """name => Object.fromEntries([...document.querySelectorAll(`[data-${name}]`)]
            .map(e => [e.dataset[name], e.textContent]))""",
        attribute,
    )


def handle(page, key):
    return page.locator(f"[data-setting={key}]")


def test_numbers_that_follow_are_those_of_the_package(visit, site):
    page = visit(f"{site}/text.html").page
    assert texts(page, "computed") == {name: short(quantity(name)) for name in QUANTITIES}
    rng = np.random.default_rng(0)
    for _ in range(25):
        at = {}
        for p in PARAMETERS:
            if p.scale == "log":
                at[p.key] = round(float(np.exp(rng.uniform(np.log(p.minimum), np.log(p.maximum)))))
            else:
                at[p.key] = float(rng.uniform(p.minimum, p.maximum))
        query = "&".join(f"{key}={value!r}" for key, value in at.items())
        page.evaluate("hash => { location.hash = hash; }", f"setting?{query}")
        page.wait_for_function(
            "words => document.querySelector('[data-setting=samples]').textContent === words",
            arg=short(at["samples"]),
        )
        assert texts(page, "computed") == {name: short(quantity(name, **at)) for name in QUANTITIES}, at


def test_a_number_is_dragged_by_mouse_and_moved_by_keys(visit, site):
    seen = visit(f"{site}/text.html")
    page = seen.page
    box = handle(page, "d").bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + 124, box["y"] + 4, steps=8)  # 20 steps of 5 %
    page.mouse.up()
    dragged = int(handle(page, "d").text_content())
    assert 78 <= dragged <= 84  # 30 * 10^(20 * 0.0215), to three digits
    page.mouse.move(box["x"] - 300, box["y"] + 4)
    assert int(handle(page, "d").text_content()) == dragged
    handle(page, "beta").focus()
    page.keyboard.press("ArrowRight")
    assert handle(page, "beta").text_content() == "2.05"
    assert handle(page, "beta").get_attribute("aria-valuenow") == "2.05"
    page.keyboard.press("Home")
    assert handle(page, "beta").text_content() == "0.5"
    assert texts(page, "computed")["parameters"] == short(2 * dragged - 1)
    seen.assert_quiet()


def test_a_number_is_dragged_by_touch(visit, site):
    page = visit(
        f"{site}/text.html", has_touch=True, is_mobile=True, viewport={"width": 390, "height": 800}
    ).page
    box = handle(page, "d").bounding_box()
    touch = page.context.new_cdp_session(page)
    x, y = box["x"] + 5, box["y"] + box["height"] / 2
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 13):
        at = {"x": x + 10 * step, "y": y}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [at]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_function("Number(document.querySelector('[data-setting=d]').textContent) >= 78")
    assert int(handle(page, "d").text_content()) <= 84  # 20 steps of 5 %, as by mouse


def test_a_click_that_trembles_is_no_choice_and_keys_of_the_browser_are_left_to_it(visit, site):
    page = visit(f"{site}/text.html").page
    box = handle(page, "d").bounding_box()
    page.mouse.move(box["x"] + 4, box["y"] + 4)
    page.mouse.down()
    page.mouse.move(box["x"] + 5, box["y"] + 4)
    page.mouse.up()
    handle(page, "d").focus()
    page.keyboard.press("Control+ArrowRight")
    assert page.evaluate("localStorage.getItem('pairint-setting')") is None


def test_the_bar_unfolds_and_the_setting_goes_with_the_reader(visit, site):
    seen = visit(f"{site}/text.html")
    page = seen.page
    button = page.locator(".setting-button")
    assert re.sub(r"\s", "", page.locator(".setting-numbers").text_content()) == "β=2,d=30,N=3,M=10,000"
    assert not page.locator("#setting-panel").is_visible()
    button.focus()
    page.keyboard.press("Enter")
    page.locator("#setting-panel [data-key=d]").focus()
    page.keyboard.press("PageUp")
    chosen = handle(page, "d").text_content()
    assert chosen == "60"
    page.keyboard.press("Escape")
    assert not page.locator("#setting-panel").is_visible()
    page.goto(f"{site}/figure.html")
    assert handle(page, "d").text_content() == chosen
    page.wait_for_function("document.querySelector('#pairint-rate').pairint?.values.d === 60")
    page.locator(".setting-button").click()
    page.locator("#setting-panel").get_by_role("button", name="Reset").click()
    page.wait_for_function("document.querySelector('#pairint-rate').pairint.values.d === 30")
    page.goto(f"{site}/text.html")
    assert handle(page, "d").text_content() == "30"
    seen.assert_quiet()


def test_figure_and_text_take_from_one_another(visit, site):
    page = visit(f"{site}/figure.html").page
    page.wait_for_function("document.querySelector('#pairint-rate').pairint?.updates > 0")
    page.evaluate("document.querySelector('#pairint-rate').pairint.set({beta: 1.5, noise: 0.3})")
    page.wait_for_function("document.querySelector('[data-setting=beta]').textContent === '1.5'")
    handle(page, "beta").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('#pairint-rate').pairint.values.beta === 1.45")
    assert page.evaluate("document.querySelector('#pairint-rate').pairint.values.noise") == 0.3


def test_what_a_link_asks_of_a_figure_comes_before_what_was_stored_and_nothing_else_changes(visit, site):
    page = visit(f"{site}/text.html").page
    for key in ("d", "tokens"):
        handle(page, key).focus()
        page.keyboard.press("PageUp")
    chosen = handle(page, "tokens").text_content()
    assert chosen != "3"
    page.goto(f"{site}/figure.html#pairint-rate?d=7&beta=3")
    page.wait_for_function("document.querySelector('#pairint-rate').pairint?.values.d === 7")
    assert page.evaluate("document.querySelector('#pairint-rate').pairint.values.beta") == 3
    assert handle(page, "d").text_content() == "7"
    assert handle(page, "tokens").text_content() == chosen


def test_a_figure_that_is_reset_gives_back_what_it_shares(visit, site):
    page = visit(f"{site}/figure.html").page
    page.wait_for_function("document.querySelector('#pairint-rate').pairint?.updates > 0")
    page.evaluate("document.querySelector('#pairint-rate').pairint.set({d: 200})")
    page.wait_for_function("document.querySelector('[data-setting=d]').textContent === '200'")
    page.locator("#pairint-rate").get_by_role("button", name="Reset").click()
    page.wait_for_function("document.querySelector('[data-setting=d]').textContent === '30'")
    assert page.evaluate("localStorage.getItem('pairint-setting')") is None


def test_two_pages_do_not_overwrite_one_another(visit, site):
    page = visit(f"{site}/text.html").page
    other = page.context.new_page()
    other.goto(f"{site}/text.html")
    handle(other, "samples").focus()
    other.keyboard.press("PageUp")
    chosen = handle(other, "samples").text_content()
    page.wait_for_function(
        "words => document.querySelector('[data-setting=samples]').textContent === words", arg=chosen
    )
    handle(page, "d").focus()
    page.keyboard.press("PageUp")
    assert set(json.loads(page.evaluate("localStorage.getItem('pairint-setting')"))) == {"samples", "d"}


def test_a_mark_on_a_drawing_says_where_the_reader_is(visit, site):
    page = visit(f"{site}/text.html#setting?samples=1000000").page
    mark = page.locator(".you-are-here")
    # 10^6 is half way from 10^2 to 10^10, and the frame reaches from 20 to 180.
    assert mark.get_attribute("d").startswith("M100 80V10")
    assert mark.locator("title").text_content() == "You are here: 10⁶"
    assert mark.evaluate("mark => mark.nextElementSibling.className.baseVal") == "legend"  # which lies above
    assert page.locator(".caption-text").text_content() == "A line falls. ▼ your M = 10⁶."


def test_beyond_the_axis_there_is_no_mark_and_no_word(visit, site):
    """Of two panels one may end before the mark: the caption speaks of the other's."""
    page = visit(f"{site}/short.html#setting?samples=1000000").page
    drawn = page.locator(".you-are-here").evaluate_all("marks => marks.map(mark => !!mark.getAttribute('d'))")
    assert drawn == [True, False, False]
    said = page.locator(".caption-text").all_text_contents()
    assert said == ["A line falls. ▼ your M = 10⁶.", "A line falls."]


@pytest.mark.parametrize(
    "stored",
    [
        "no JSON",
        "null",
        "[1, 2]",
        '{"d": "<img src=x onerror=alert(1)>", "beta": 1e999}',
        '{"__proto__": {"d": 5}, "constructor": 3, "tokens": null}',
        json.dumps({"d": -4, "samples": 1e300, "beta": 0}),
    ],
)
def test_whatever_lies_in_storage_or_address_gives_a_page(visit, site, stored):
    seen = visit(f"{site}/text.html")
    page = seen.page
    page.evaluate("text => localStorage.setItem('pairint-setting', text)", stored)
    for address in (
        "text.html",
        "text.html#setting?d=%3Cscript%3E&beta=NaN&tokens=",
        "text.html#setting?%E0%A4%A",
    ):
        page.goto("about:blank")
        page.goto(f"{site}/{address}")
        shown = texts(page, "setting")
        for p in PARAMETERS:
            assert re.fullmatch(r"[\d.,×⁰¹²³⁴⁵⁶⁷⁸⁹]+", shown[p.key]), (address, shown)
        assert "NaN" not in page.locator("main").text_content()
    seen.assert_quiet()


def test_without_storage_the_setting_lasts_as_long_as_the_page(browser, site):
    context = browser.new_context()
    context.add_init_script(
        "Object.defineProperty(window, 'localStorage',"
        " { get() { throw new DOMException('no', 'SecurityError'); } });"
    )
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{site}/text.html")
    handle(page, "d").focus()
    page.keyboard.press("PageUp")
    assert handle(page, "d").text_content() == "60"
    assert errors == []
    context.close()


def test_without_javascript_the_numbers_of_the_book_stand_there(browser, site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/text.html")
    assert handle(page, "d").text_content() == "30"
    assert page.locator("[data-computed=parameters]").text_content() == "59"
    context.close()


def test_the_built_book_has_numbers_marks_and_one_setting(visit, request):
    built = Path(__file__).resolve().parents[2] / "_build" / "html"
    site = request.getfixturevalue("serve")(built) if (built / "index.html").is_file() else None
    if site is None:
        pytest.skip("the book is not built: run `make book`")
    seen = visit(f"{site}/book/intro.html")
    page = seen.page
    handle(page, "d").first.focus()
    page.keyboard.press("PageUp")
    page.wait_for_function("document.querySelector('[id^=pairint-rate]').pairint?.values.d === 60")
    page.goto(f"{site}/book/upper_bound.html")
    assert handle(page, "d").first.text_content() == "60"
    assert page.locator(".you-are-here").count() > 0
    seen.assert_quiet()


def test_the_bundle_holds_the_setting_once():
    names = bundle.sources("setting.js")
    assert names[-1] == "setting.js"
    assert len(names) == len(set(names))
