"""The search of the book: chapters before the reference, also where scripts cannot read pages."""

import re
from pathlib import Path

import pytest

HTML = Path(__file__).resolve().parents[2] / "_build" / "html"
REFERENCE = re.compile(r"(book/api|book/assignments|_modules)")


def results(page: object) -> list[str]:
    """Return the addresses of what a search found, in order, when it has ended."""
    page.wait_for_function(
        "() => /found|did not match/.test(document.querySelector('#search-results p')?.textContent)"
    )
    return page.eval_on_selector_all(
        "#search-results li > a", "links => links.map(a => a.getAttribute('href'))"
    )


@pytest.mark.parametrize("words", ["coercivity", "upper bound", "amp"])
def test_chapters_come_before_the_reference(site, visit, words):
    seen = visit(f"{site}/search.html?q={words}")
    found = results(seen.page)
    kinds = [bool(REFERENCE.match(address)) for address in found]
    assert not kinds[0] and any(kinds)
    assert kinds == sorted(kinds), found
    seen.assert_quiet()


def test_the_search_works_in_a_book_opened_from_a_disk(site, visit):
    seen = visit(f"{(HTML / 'search.html').as_uri()}?q=coercivity")
    found = results(seen.page)
    assert found and found[0].startswith("book/")
    seen.page.wait_for_load_state("networkidle")
    seen.assert_quiet()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_lies_on_the_words_of_an_empty_search(site, visit, width):
    seen = visit(f"{site}/search.html")
    seen.page.set_viewport_size({"width": width, "height": 600})
    places = seen.page.evaluate(
        """() => [...document.querySelectorAll("form.bd-search")].map(form => {
            const box = tag => form.querySelector(tag).getBoundingClientRect();
            const icon = box("svg"), field = box("input");
            return [form.checkVisibility(), icon.right, field.left, field.width];
        })"""
    )
    assert any(shown for shown, *_ in places)
    for shown, icon, field, field_width in places:
        assert not shown or (icon <= field and field_width > 100), places
