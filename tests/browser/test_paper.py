"""The book on paper: nothing is lost, links lead where they did, what does not fit is refused."""

import io
import os
import unicodedata

import forms
import paper
import pytest
from chromium import chromium

pypdf = pytest.importorskip("pypdf", reason="pypdf is not installed: run `make pdf`")

PAGE = """<!doctype html><title>t</title><main><article class="bd-article"><section id="top{n}">
<h1><span>{n}. </span>{title}<a class="headerlink" href="#top{n}">#</a></h1>
<section id="same"><h2>First of {title}</h2><p>{text}</p></section>
<div style="height: 1500px"></div>
<section id="second"><h2>Second of {title}</h2><p id="far{n}">{links}</p></section>
</section></article></main>"""
LINKS = """<a href="#same">here</a> <a href="b.html#far2">there</a> <a href="a.html">first</a>
<a href="../files/x.ipynb">file</a> <a href="https://example.org/">elsewhere</a>"""


@pytest.fixture
def small(tmp_path, skip_or_fail):
    """Return a function that writes a book of two pages and prints it."""
    if chromium() is None:
        skip_or_fail("no Chromium on this machine (Debian, Ubuntu: apt install chromium)")
    pytest.importorskip("playwright")
    (tmp_path / "book").mkdir()

    def write(more=""):
        for n, (name, title) in enumerate([("a", "Apples"), ("b", "Pears")], start=1):
            text = PAGE.format(n=n, title=title, text=f"Words of {title}.{more}", links=LINKS)
            (tmp_path / "book" / f"{name}.html").write_text(text, encoding="utf-8")
        tree = [(None, ["book/a"]), ("A part", ["book/b"])]
        return pypdf.PdfReader(io.BytesIO(paper.make(tmp_path, tree, "The title", ["an author"])))

    return write


def outline(reader, items=None, depth=0):
    found = []
    for item in reader.outline if items is None else items:
        if isinstance(item, list):
            found += outline(reader, item, depth + 1)
        else:
            found.append((depth, item.title, reader.get_destination_page_number(item)))
    return found


LATE = """<span class="math">in its source</span><script>setTimeout(() => {
    document.querySelector(".math").innerHTML = "<mjx-container>set at last</mjx-container>";
}, 2000)</script>"""


def test_a_formula_that_comes_late_is_waited_for(small):
    texts = " ".join(page.extract_text() for page in small(LATE).pages)
    assert texts.count("set at last") == 2 and "in its source" not in texts


def test_a_small_book(small):
    reader = small()
    texts = [page.extract_text() for page in reader.pages]
    # A title, the contents, and two pages of two sheets each.
    assert len(texts) == 6 and "The title" in texts[0] and "Contents" in texts[1]
    assert "1. Apples" in texts[2] and "Second of Pears" in texts[5]
    assert [text.split()[-1] for text in texts[1:]] == ["2", "3", "4", "5", "6"]  # sheets are numbered
    assert outline(reader) == [
        (0, "Contents", 0),
        (0, "1. Apples", 2),
        (1, "First of Apples", 2),
        (1, "Second of Apples", 3),
        (0, "A part", 4),
        (1, "2. Pears", 4),
        (2, "First of Pears", 4),
        (2, "Second of Pears", 5),
    ]
    assert reader.metadata.title == "The title" and reader.trailer["/Root"]["/Lang"] == "en"


def test_links_lead_to_the_place(small):
    """Both pages have places of the same names: a link goes to its own page's."""
    reader = small()
    places = {page.indirect_reference.idnum: number for number, page in enumerate(reader.pages)}
    found = {}
    for number, page in enumerate(reader.pages):
        for link in sorted(
            (each.get_object() for each in page.get("/Annots", ())),
            key=lambda each: (-each["/Rect"][1], each["/Rect"][0]),
        ):
            target = link["/A"]["/URI"] if "/A" in link else places[list.__getitem__(link["/Dest"], 0).idnum]
            found.setdefault(number, []).append(target)
    elsewhere = "https://example.org/"
    assert found == {1: [2, 4], 2: [2], 3: [2, 5, 2, elsewhere], 4: [4], 5: [4, 5, 2, elsewhere]}
    assert not any(b"127.0.0.1" in page.get_contents().get_data() for page in reader.pages)


def test_what_does_not_fit_is_refused(small):
    with pytest.raises(ValueError, match=r"book/a is wider than its paper:\n  TABLE"):
        small("<table style='width: 900px'><tr><td>wide</td></tr></table>")


def test_the_whole_book(skip_or_fail):
    """Where `make pdf` has been run: every page of the book is in it, under its title."""
    file = forms.BUILT / paper.NAME
    if not file.is_file():
        pytest.skip("the book has not been printed: run `make pdf`")
    reader = pypdf.PdfReader(file)
    entries = outline(reader)
    names = [name for _, part in paper.parts() for name in part]
    wanted, tops = [], {}
    for caption, part in paper.parts():
        wanted += [caption] if caption else []
        for name in part:
            parser = paper.Headings()
            parser.feed((forms.BUILT / f"{name}.html").read_text(encoding="utf-8"))
            wanted.append(parser.title)
            tops[name] = parser.title
    # Of the outline, what is no section: parts, and pages under them, in the order of the book.
    first, *others = [entry for entry in entries[1:] if entry[0] == 0 or (entry[0] == 1 and entry[2] > 0)]
    captions = {caption for caption, _ in paper.parts() if caption}
    listed, inside = [first], False
    for entry in others:
        if entry[0] == 0:
            inside = entry[1] in captions
            listed.append(entry)
        elif inside:
            listed.append(entry)
    assert [title for _, title, _ in listed] == wanted
    pages_of = [number for depth, _, number in listed if depth == 1]
    starts = [first[2], *pages_of]
    assert starts == sorted(set(starts)) and len(starts) == len(names)
    ends = [*starts[1:], len(reader.pages)]
    for name, start, end in zip(names, starts, ends, strict=True):
        assert end > start, name
        # Letters that are set as one, fi say, are read as one.
        first = "".join(unicodedata.normalize("NFKC", reader.pages[start].extract_text()).split())
        assert "".join(unicodedata.normalize("NFKC", tops[name]).split()) in first, name
    addresses = {
        str(link["/A"]["/URI"])
        for page in reader.pages
        for link in (each.get_object() for each in page.get("/Annots", ()))
        if "/A" in link
    }
    assert not any("127.0.0.1" in address or address.startswith("file:") for address in addresses)
    assert os.path.getsize(file) < 60e6
