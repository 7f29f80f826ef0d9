"""Figures as slides: those of a plan in its order, each whole on a sheet with its title and caption."""

import io

import forms
import pytest
import slides
from chromium import chromium

pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed: run `make pdf`")

PAGE = """<!doctype html><title>t</title><main><article><h1>Apples<a class="headerlink" href="#x">#</a></h1>
<p>Words between.</p>{figures}</article></main>"""
FIGURE = """<figure id="{name}"><img alt="" src="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'
 viewBox='0 0 4 3'%3E%3Crect width='4' height='3'/%3E%3C/svg%3E"><figcaption>{caption}
<a class="headerlink" href="#{name}">#</a></figcaption></figure>"""


@pytest.fixture
def small(tmp_path, skip_or_fail):
    """Return the folder of a book of one page with two figures, the second with too long a caption."""
    if chromium() is None:
        skip_or_fail("no Chromium on this machine (Debian, Ubuntu: apt install chromium)")
    pytest.importorskip("playwright")
    (tmp_path / "book").mkdir()
    captions = {"fig-a": "A caption.", "fig-b": "Another caption.", "fig-long": "Too many words. " * 900}
    figures = "".join(FIGURE.format(name=name, caption=words) for name, words in captions.items())
    (tmp_path / "book" / "a.html").write_text(PAGE.format(figures=figures), encoding="utf-8")
    return tmp_path


def test_each_figure_is_a_sheet(small):
    reader = pypdf.PdfReader(io.BytesIO(slides.make(small, ["fig-b", "fig-a"])))
    texts = [" ".join(page.extract_text().split()) for page in reader.pages]
    assert texts == ["Apples Another caption.", "Apples A caption."]
    for page in reader.pages:
        assert (float(page.mediabox.width), float(page.mediabox.height)) == pytest.approx((960, 540), abs=1)
    assert [item.title for item in reader.outline] == ["fig-b", "fig-a"]


def test_what_does_not_fit_or_is_not_there_is_named(small):
    with pytest.raises(ValueError, match="fig-long does not fit on a slide"):
        slides.make(small, ["fig-long"])
    with pytest.raises(ValueError, match="the book has no figure fig-none"):
        slides.make(small, ["fig-a", "fig-none"])


def test_a_plan_of_the_book(skip_or_fail):
    """Its first slide has the figure that the plan names first, with the letters of its drawing."""
    if chromium() is None:
        skip_or_fail("no Chromium on this machine (Debian, Ubuntu: apt install chromium)")
    if not (forms.BUILT / "index.html").is_file():
        skip_or_fail("no built book: run `make book`")
    first = slides.plan("One lecture")[:1]
    (page,) = pypdf.PdfReader(io.BytesIO(slides.make(forms.BUILT, first))).pages
    assert "Figure 1.1" in page.extract_text()
    assert page.get_contents().get_data().count(b"\nf") > 100  # glyphs and marks that are filled
