"""Other forms of the book: offered where they are, and only there; the archive is whole."""

import hashlib
import zipfile
from html.parser import HTMLParser

import forms
import offline
import pytest

MENU = (
    '<div class="dropdown dropdown-download-buttons"><ul class="dropdown-menu">\n<li>a file</li>\n</ul></div>'
)
LIST = '<ul class="other-forms"><li>always</li></ul>'


@pytest.fixture
def html(tmp_path):
    """Return a built book of three pages, one of them in a folder, one with the list of forms."""
    folder = tmp_path / "_build" / "html"
    (folder / "book" / "deep").mkdir(parents=True)
    (folder / "_static" / "vendor" / "mathjax").mkdir(parents=True)
    (folder / "_static" / "vendor" / "mathjax" / "tex.js").write_text("typeset()")
    (folder / "index.html").write_text("first")
    for name in ("particles", "deep/er", "help"):
        (folder / "book" / f"{name}.html").write_text(f"<p>{name}</p>{MENU}{LIST if name == 'help' else ''}")
    return folder


def addresses(text):
    found = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attributes):
            found.extend(value for key, value in attributes if key == "href")

    Reader().feed(text)
    return found


def snapshot(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_form_is_offered_from_every_depth_and_listed_once(html):
    before = snapshot(html)
    assert forms.offer("pdf", "book.pdf", "PDF", "all of it", '<a href="{address}">here</a>', html) == 3
    pages = {path.relative_to(html).as_posix(): path.read_text() for path in forms.pages(html)}
    assert addresses(pages["book/particles.html"]) == ["../book.pdf"]
    assert addresses(pages["book/deep/er.html"]) == ["../../book.pdf"]
    assert addresses(pages["book/help.html"]) == ["../book.pdf"] * 2
    assert pages["book/help.html"].index("</ul></div>") > pages["book/help.html"].index("all of it")
    once = snapshot(html)
    forms.offer("pdf", "book.pdf", "PDF", "all of it", '<a href="{address}">here</a>', html)
    assert snapshot(html) == once != before
    forms.offer("zip", "book.zip", "zip", "packed", "a line", html)
    forms.withdraw("zip", html)
    assert snapshot(html) == once
    forms.withdraw("pdf", html)
    assert snapshot(html) == before


@pytest.mark.parametrize("there", [False, True], ids=["no launch menu", "a launch menu"])
def test_a_place_to_run_a_page_comes_first_among_such_places(html, there):
    if there:
        for page in forms.pages(html):
            entries = '<ul class="dropdown-menu"><li><a href="binder"></a></li></ul>'
            menu = f"{forms.LAUNCH}<button></button>\n{entries}</div>"
            page.write_text(menu + page.read_text())
    before = snapshot(html)
    line = '<a href="{address}">all</a>'
    assert forms.offer(
        "lite", "lite/lab/?path={page}.ipynb", "lite", "", line, html, only={"book/particles"}, launch=True
    ) == 1  # fmt: skip
    pages = {path.stem: addresses(path.read_text()) for path in forms.pages(html)}
    old = ["binder"] * there
    assert pages == {
        "particles": ["../lite/lab/?path=book/particles.ipynb", *old],
        "er": old,
        "help": [*old, "../lite/lab/"],
    }
    text = (html / "book" / "particles.html").read_text()
    assert text.count(forms.LAUNCH) == 1 and text.index(forms.LAUNCH) < text.index(forms.DOWNLOADS)
    forms.withdraw("lite", html)
    assert snapshot(html) == before


def test_without_a_book_there_is_no_form(tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="make book"):
        forms.built(tmp_path)
    assert offline.main(tmp_path) == 2
    assert "make book" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("count", "words"), [(1_640_000, "1.6 MB"), (9_940_000, "9.9 MB"), (61_400_000, "61 MB")]
)
def test_sizes_in_words(count, words):
    assert forms.megabytes(count) == words


class TestArchive:
    def test_it_holds_every_file_and_says_how_to_serve_it(self, html):
        before = snapshot(html)
        assert offline.main(html.parent.parent) == 0
        with zipfile.ZipFile(html / offline.NAME) as archive:
            assert archive.testzip() is None
            inside = {name: archive.read(name) for name in archive.namelist()}
        expected = {f"{offline.TOP}/{path.relative_to(html).as_posix()}": c for path, c in before.items()}
        told = inside.pop(f"{offline.TOP}/READ ME.txt").decode()
        assert inside == expected  # as built: without the offer of itself
        assert "python -m http.server" in told and "opened as a file" in told
        assert addresses((html / "book" / "particles.html").read_text()) == [f"../{offline.NAME}"]

    def test_the_same_book_gives_the_same_bytes(self, html):
        digests = []
        for _ in range(2):
            assert offline.main(html.parent.parent) == 0
            digests.append(hashlib.sha256((html / offline.NAME).read_bytes()).hexdigest())
        assert digests[0] == digests[1]

    def test_a_book_that_needs_a_network_is_not_packed(self, html, capsys):
        for path in (html / "_static" / "vendor" / "mathjax").iterdir():
            path.unlink()
        (html / "_static" / "vendor" / "mathjax").rmdir()
        assert offline.main(html.parent.parent) == 2
        assert "MathJax" in capsys.readouterr().err and not (html / offline.NAME).exists()
