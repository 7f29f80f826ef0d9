"""A site with several versions of the book: each page leads to itself in the others."""

import json
from pathlib import Path

import forms
import pytest
import versions

MENU = f'{forms.DOWNLOADS}<ul class="dropdown-menu"><li>a file</li></ul></div>'


def book(folder, *pages):
    """Write a built book with these pages."""
    for name in pages:
        path = folder / "book" / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"<h1>{name}</h1>{MENU}")
    (folder / "index.html").write_text("first")
    return folder


@pytest.fixture
def site(tmp_path):
    """Return a site of three versions, the oldest put last."""
    site = tmp_path / "site"
    versions.put(book(tmp_path / "a", "old", "particles"), site, "v0.9.0")
    versions.put(book(tmp_path / "b", "particles", "deep/er"), site, "main")
    versions.put(book(tmp_path / "c", "particles", "deep/er"), site, "v0.10.0")
    return site


def links(page):
    """Return where the menu of versions leads, all of them files, and how the page's own is called."""
    text = page.read_text()
    assert text.count("<!-- form versions -->") == text.count("dropdown-versions") == 1
    found = [
        part.partition('"')[0] for part in text.partition("<!-- end versions -->")[0].split('href="')[1:]
    ]
    assert all((page.parent / link).resolve().is_file() for link in found)
    return found


def test_a_page_leads_to_itself_elsewhere_or_to_the_first_page(site):
    assert links(site / "v0.10.0" / "book" / "particles.html") == [
        "particles.html", "../../v0.9.0/book/particles.html", "../../main/book/particles.html",
    ]  # fmt: skip
    assert links(site / "main" / "book" / "deep" / "er.html") == [
        "../../../v0.10.0/book/deep/er.html", "../../../v0.9.0/index.html", "er.html",
    ]  # fmt: skip
    assert links(site / "v0.9.0" / "book" / "old.html")[0] == "../../v0.10.0/index.html"


def test_numbers_are_compared_as_numbers_and_what_is_in_development_is_not_the_newest(site):
    assert versions.versions(site) == ["v0.10.0", "v0.9.0", "main"]
    assert [each["name"] for each in json.loads((site / versions.LIST).read_text()) if each["newest"]] == [
        "v0.10.0"
    ]
    assert 'url=v0.10.0/index.html"' in (site / "index.html").read_text()
    assert "not the newest, v0.10.0" in (site / "v0.9.0" / "book" / "old.html").read_text()
    assert "not the newest" not in (site / "v0.10.0" / "book" / "particles.html").read_text()


def test_without_a_release_the_book_in_development_is_the_newest(tmp_path):
    assert versions.put(book(tmp_path / "a", "particles"), tmp_path / "site", "main") == ["main"]
    assert 'url=main/index.html"' in (tmp_path / "site" / "index.html").read_text()


def test_a_version_put_again_takes_its_own_place(site, tmp_path):
    before = (site / "main" / "book" / "particles.html").read_bytes()
    versions.put(book(tmp_path / "d", "new"), site, "v0.9.0")
    assert not (site / "v0.9.0" / "book" / "old.html").exists()
    links(site / "v0.9.0" / "book" / "new.html")
    versions.put(book(tmp_path / "e", "old", "particles"), site, "v0.9.0")
    assert (
        site / "main" / "book" / "particles.html"
    ).read_bytes() == before  # menus are written anew, not twice
    assert not [path for path in site.iterdir() if path.name.startswith(".") and path.is_dir()]


def test_a_version_that_cannot_be_put_leaves_the_old_one(site, tmp_path, monkeypatch):
    before = sorted(path.name for path in (site / "v0.9.0").rglob("*"))
    rename = Path.rename

    def full(self, target):
        if self.name == "new":
            raise OSError("no space left on device")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="no space left"):
        versions.put(book(tmp_path / "f", "new"), site, "v0.9.0")
    assert sorted(path.name for path in (site / "v0.9.0").rglob("*")) == before


@pytest.mark.parametrize("name", ["", "..", "a/b", ".hidden", "v1 0"])
def test_a_name_that_is_no_version_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="name must be that of a version"):
        versions.put(book(tmp_path / "a", "particles"), tmp_path / "site", name)


def test_without_a_book_nothing_is_written(tmp_path, capsys):
    (tmp_path / "pairint").mkdir()
    (tmp_path / "pairint" / "_version.py").write_text('__version__ = "0.1.0"\n')
    assert versions.main([], tmp_path) == 2
    assert "run `make book` first" in capsys.readouterr().err
    assert not (tmp_path / "_build").exists()
    book(tmp_path / "_build" / "html", "particles")
    assert versions.main([], tmp_path) == 0
    assert (tmp_path / "_build" / "site" / "v0.1.0" / "book" / "particles.html").is_file()
