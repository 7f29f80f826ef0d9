"""Words explain themselves in the built book: by mouse, keyboard and finger, in the column, not on paper."""

from collections.abc import Callable

import pytest

PAGE = "book/particles.html"
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def reading(site: str, visit: Callable[..., object]) -> Callable[..., object]:
    """Return a function that opens a page of the book whose formulas are typeset."""

    def read(**options: object) -> object:
        seen = visit(f"{site}/{PAGE}", **options)
        seen.page.wait_for_function("() => 'typeset' in document.documentElement.dataset")
        return seen

    return read


def test_pointing_and_the_keyboard_show_the_meaning_and_escape_hides_it(reading):
    seen = reading()
    page = seen.page
    link = page.locator("a.explained").nth(1)
    meaning = page.locator(f"#{link.get_attribute('aria-describedby')}")
    assert not meaning.is_visible()
    link.hover()
    assert meaning.is_visible() and len(meaning.inner_text()) > 40
    page.keyboard.press("Escape")
    assert not meaning.is_visible()
    page.mouse.move(0, 0)
    link.hover()
    meaning.hover()  # it can be reached and read with the pointer on it
    assert meaning.is_visible()
    page.mouse.move(0, 0)
    link.focus()
    assert meaning.is_visible()
    link.press("Enter")
    page.wait_for_url("**/glossary.html#term-*")
    assert page.locator(":target").inner_text().strip()
    seen.assert_quiet()


def test_every_meaning_fits_the_column_and_every_link_has_its_entry(reading, site):
    page = reading(**PHONE).page
    links = page.locator("a.explained")
    addresses = [link.get_attribute("href") for link in links.all()]
    for link in links.all():
        link.focus()
        box = page.locator(f"#{link.get_attribute('aria-describedby')}").bounding_box()
        word = link.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 390, link.inner_text()
        assert 0 <= box["y"] - word["y"] < 3 * word["height"], link.inner_text()
    assert len(addresses) > 5 and len(set(addresses)) == len(addresses)
    page.goto(f"{site}/book/glossary.html")
    for address in addresses:
        assert page.locator(f"[id='{address.split('#')[1]}']").count() == 1, address


def test_a_finger_sees_the_meaning_first_and_then_follows_the_link(reading, tap_until):
    page = reading(**PHONE).page
    link = page.locator("a.explained").first
    tap_until(link, "document.activeElement.matches('a.explained')")
    assert page.url.endswith(PAGE)
    assert page.locator(f"#{link.get_attribute('aria-describedby')}").is_visible()
    link.tap()
    page.wait_for_url("**/glossary.html#term-*")


def test_words_are_plain_on_paper(reading):
    page = reading().page
    link = page.locator("a.explained").first
    link.focus()
    page.emulate_media(media="print")
    assert not page.locator(f"#{link.get_attribute('aria-describedby')}").is_visible()
    assert "underline" not in link.evaluate("e => getComputedStyle(e).textDecorationLine")
