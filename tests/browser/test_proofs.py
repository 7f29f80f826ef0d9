"""Long proofs are folded under their idea: a button, a switch, links, searches and paper open them."""

from collections.abc import Callable

import pytest

PAGE = "book/upper_bound_learned.html"  # has proofs of every length, and a numbered equation inside of one
OTHER = "book/lower_bound_bumps.html"
INSIDE = "equation-eq-one-token"


@pytest.fixture
def reading(site: str, visit: Callable[..., object]) -> Callable[..., object]:
    """Return a function that opens a page of the book, its formulas typeset and its proofs folded."""

    def read(address: str, **options: object) -> object:
        page = visit(f"{site}/{address}", **options).page
        page.wait_for_function("() => 'typeset' in document.documentElement.dataset")
        return page

    return read


def seen(page: object) -> list[bool]:
    """Return, for each foldable proof, whether its words can be seen."""
    return page.evaluate(
        """() => [...document.querySelectorAll(".proof-fold > .a-proof")].map(e =>
            e.firstElementChild.checkVisibility({contentVisibilityAuto: true, visibilityProperty: true})
            && e.getBoundingClientRect().height > 10)"""
    )


def in_view(page: object, identifier: str) -> bool:
    return page.evaluate(
        """id => { const box = document.getElementById(id).getBoundingClientRect();
            return box.height > 0 && box.bottom > 0 && box.top < innerHeight; }""",
        identifier,
    )


def test_the_idea_stands_open_and_a_button_opens_its_proof(reading):
    page = reading(PAGE)
    count = page.locator(".proof-fold").count()
    assert count > 3 and seen(page) == [False] * count
    assert all(idea.is_visible() for idea in page.locator(".proof-idea").all())
    assert page.locator(".a-proof").count() > count  # a short proof needs no idea, and is open
    mark = page.locator(".proof-mark").nth(1)
    statement = page.locator("#thm-learned .caption-number").inner_text().strip()
    assert mark.get_attribute("aria-label") == f"Proof of {statement}"
    assert page.locator(f"#{mark.get_attribute('aria-controls')}").count() == 1
    assert mark.get_attribute("aria-expanded") == "false"
    mark.press("Enter")
    assert mark.get_attribute("aria-expanded") == "true"
    assert seen(page) == [n == 1 for n in range(count)]
    mark.click()
    assert mark.get_attribute("aria-expanded") == "false" and not any(seen(page))


def test_a_proof_that_stands_elsewhere_is_named_by_what_it_proves(reading):
    page = reading("book/upper_bound_proof.html")
    labels = [mark.get_attribute("aria-label") for mark in page.locator(".proof-mark").all()]
    theorem = page.locator(".a-proof:has-text('Step 1: a finite family') a").first.text_content()
    assert theorem.startswith("Theorem") and f"Proof of {theorem}" in labels
    assert len(set(labels)) == len(labels)


def test_the_switch_opens_all_and_is_remembered(reading, site):
    page = reading(PAGE)
    switch = page.get_by_role("switch", name="Open all proofs")
    assert switch.get_attribute("aria-checked") == "false"
    switch.focus()
    page.keyboard.press("Space")
    assert switch.get_attribute("aria-checked") == "true" and all(seen(page))
    marks = page.locator(".proof-mark").all()
    assert all(mark.get_attribute("aria-expanded") == "true" for mark in marks)
    page.goto(f"{site}/{OTHER}")
    assert all(seen(page)) and len(seen(page)) > 1
    assert page.locator(".cell_input:visible").count() == 0  # code is another choice
    page.get_by_role("switch", name="Open all proofs").click()
    page.goto(f"{site}/{PAGE}")
    assert not any(seen(page))


@pytest.mark.parametrize("width", [360, 390])
def test_the_switches_fit_the_head_of_a_telephone(reading, width):
    page = reading("book/upper_bound_proof.html", viewport={"width": width, "height": 800})
    buttons = page.evaluate(
        """() => [...document.querySelectorAll(".bd-header-article :is(button, a)")]
            .map(e => e.getBoundingClientRect()).filter(b => b.width).map(b => [b.left, b.right])"""
    )
    assert all(0 <= left < right <= width for left, right in buttons)
    switch = page.locator(".proofs-switch:visible")
    switch.click()  # the only one that is seen, beside the first proof
    assert switch.get_attribute("aria-checked") == "true" and all(seen(page))


def test_a_link_into_a_proof_opens_it(reading, site):
    page = reading(OTHER)
    page.evaluate(
        """address => document.querySelector(".bd-article").prepend(
            Object.assign(document.createElement("a"), {href: address, textContent: "there"}))""",
        f"{site}/{PAGE}#{INSIDE}",
    )
    page.get_by_role("link", name="there", exact=True).click()
    page.wait_for_load_state("load")
    page.wait_for_function("() => 'typeset' in document.documentElement.dataset")
    assert seen(page).count(True) == 1 and in_view(page, INSIDE)

    # On the page itself, also when the address is that of the target already.
    page.locator(".proof-mark[aria-expanded=true]").click()
    assert not any(seen(page))
    page.evaluate(
        """id => { document.querySelector(".bd-article").prepend(Object.assign(
            document.createElement("a"), {href: `#${id}`, textContent: "here"})); scrollTo(0, 0); }""",
        INSIDE,
    )
    page.get_by_role("link", name="here", exact=True).click()
    assert seen(page).count(True) == 1 and in_view(page, INSIDE)

    page.locator(".proof-mark[aria-expanded=true]").click()
    page.evaluate("location.hash = '#thm-learned'")
    assert not any(seen(page))  # a statement that nothing hides opens nothing
    page.go_back()
    page.wait_for_function("id => !document.getElementById(id).closest('.a-proof').hidden", arg=INSIDE)
    assert in_view(page, INSIDE)


@pytest.mark.parametrize("hash", ["%", "%E0%A4%A", "nothing-has-this-name", '"]'])
def test_an_address_that_leads_nowhere_opens_nothing(site, visit, hash):
    visited = visit(f"{site}/{PAGE}#{hash}")
    assert not any(seen(visited.page)) and seen(visited.page)
    visited.assert_quiet()


def test_the_search_of_the_browser_opens_what_it_finds(reading):
    page = reading(PAGE)
    # Playwright cannot type into the browser's own search; a link to words opens what is found the same way.
    page.goto(f"{page.url}#:~:text=only%20equal%20indices%20and%20equal%20pairs")
    page.wait_for_function("() => document.querySelector('.proof-fold > .a-proof:not([hidden])')")
    mark = page.locator(".proof-mark[aria-expanded=true]")
    assert mark.count() == 1
    assert page.locator(f"#{mark.get_attribute('aria-controls')}").is_visible()


def test_formulas_in_a_proof_have_the_size_of_all_others(reading):
    """MathJax measures the letters around a formula: it cannot where nothing is laid out."""
    page = reading(PAGE)
    page.get_by_role("switch", name="Open all proofs").click()
    sizes = page.evaluate(
        """() => { const share = e => parseFloat(getComputedStyle(e).fontSize)
                / parseFloat(getComputedStyle(e.parentElement).fontSize);
            return [".proof-fold > .a-proof p mjx-container", ".bd-article > section > p mjx-container"]
                .map(where => [...document.querySelectorAll(where)].map(share)); }"""
    )
    inside, outside = ({round(size, 2) for size in each} for each in sizes)
    assert inside == outside and len(outside) == 1


def test_without_scripts_or_without_the_one_that_folds_all_is_open(browser, site):
    for options, lost in (({"java_script_enabled": False}, None), ({}, "**/book.js*")):
        context = browser.new_context(**options)
        page = context.new_page()
        if lost:
            page.route(lost, lambda route: route.abort())
        page.goto(f"{site}/{PAGE}", wait_until="load")
        proofs = page.locator(".proof-fold > .a-proof")
        assert proofs.count() > 3
        for proof in proofs.all():
            assert proof.is_visible() and proof.bounding_box()["height"] > 50
        assert page.locator(".proof-mark, .proofs-switch").count() == 0
        context.close()


def test_without_storage_the_switch_works_for_the_page(browser, site):
    context = browser.new_context()
    context.add_init_script(
        """Object.defineProperty(window, "localStorage", {
            get() { throw new DOMException("", "SecurityError"); }
        })"""
    )
    page = context.new_page()
    page.goto(f"{site}/{PAGE}")
    assert not any(seen(page))
    page.get_by_role("switch", name="Open all proofs").click()
    assert all(seen(page))
    page.reload()
    assert not any(seen(page))
    context.close()


def test_paper_has_every_proof(reading):
    page = reading(PAGE)
    page.set_viewport_size({"width": 620, "height": 900})
    page.emulate_media(media="print")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert all(seen(page)) and len(seen(page)) > 3
    assert page.locator(".proof-mark:visible, .proofs-switch:visible").count() == 0
    wide = page.evaluate(
        """() => [...document.querySelectorAll(".proof-fold > .a-proof mjx-container[display]")]
            .filter(e => e.scrollWidth > e.clientWidth + 4).length"""
    )
    assert wide == 0
    page.emulate_media(media="screen")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert not any(seen(page))
