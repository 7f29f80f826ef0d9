"""Fetching JavaScript: pinned, checked, kept, and honest when the registry is away."""

import base64
import hashlib
import http.client
import io
import tarfile
from dataclasses import replace

import pytest
import vendor


def archive_of(files: dict[str, bytes]) -> tuple[vendor.Archive, bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    content = buffer.getvalue()
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    return vendor.Archive("thing", "1.0", digest, "package/", ("a.js", "fonts/")), content


@pytest.fixture
def registry(monkeypatch):
    """Answer every request with the bytes put in the list; record the addresses asked."""
    asked, answers = [], []

    def urlopen(address, timeout):
        asked.append(address)
        if not answers:
            raise OSError("no route")
        return io.BytesIO(answers[0])

    monkeypatch.setattr(vendor.urllib.request, "urlopen", urlopen)
    monkeypatch.setenv("npm_config_registry", "https://registry.invalid/")
    return asked, answers


FILES = {
    "package/a.js": b"1",
    "package/fonts/f.woff": b"2",
    "package/big.js": b"3",
    "package/fonts/../../evil": b"4",
}


def test_keeps_what_is_named_and_nothing_else(registry, tmp_path):
    asked, answers = registry
    archive, content = archive_of(FILES)
    answers.append(content)
    assert vendor.fetch(archive, tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"thing/a.js", "thing/fonts/f.woff", "thing/.version"}
    assert asked == ["https://registry.invalid/thing/-/thing-1.0.tgz"]


def test_second_time_asks_nobody(registry, tmp_path):
    asked, answers = registry
    archive, content = archive_of(FILES)
    answers.append(content)
    vendor.fetch(archive, tmp_path)
    answers.clear()
    assert not vendor.fetch(archive, tmp_path)
    assert len(asked) == 1


def test_new_pin_is_fetched(registry, tmp_path):
    _, answers = registry
    archive, content = archive_of(FILES)
    answers.append(content)
    vendor.fetch(archive, tmp_path)
    assert vendor.fetch(replace(archive, version="1.1"), tmp_path)


def test_wrong_bytes_are_refused(registry, tmp_path):
    _, answers = registry
    archive, content = archive_of(FILES)
    answers.append(content + b"!")
    with pytest.raises(ValueError, match="SHA-512"):
        vendor.fetch(archive, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_missing_file_is_noticed(registry, tmp_path):
    _, answers = registry
    archive, content = archive_of({"package/a.js": b"1"})
    answers.append(content)
    with pytest.raises(ValueError, match="fonts"):
        vendor.fetch(archive, tmp_path)
    assert not (tmp_path / "thing" / ".version").exists()


def test_unreachable_registry_is_said(registry, tmp_path):
    archive, _ = archive_of(FILES)
    with pytest.raises(vendor.Unreachable, match=r"registry\.invalid.*no route"):
        vendor.fetch(archive, tmp_path)


class CutShort(io.BytesIO):
    """An answer that ends before all its announced bytes have come."""

    def read(self, *arguments):
        raise http.client.IncompleteRead(b"abc", 1000)


def test_an_answer_cut_short_is_no_answer(registry, tmp_path, monkeypatch):
    archive, _ = archive_of(FILES)
    monkeypatch.setattr(vendor.urllib.request, "urlopen", lambda address, timeout: CutShort())
    with pytest.raises(vendor.Unreachable, match=r"IncompleteRead"):
        vendor.fetch(archive, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["registry.example", "http://[registry"])
def test_an_address_that_is_none_is_said(tmp_path, monkeypatch, address):
    archive, _ = archive_of(FILES)
    monkeypatch.setenv("npm_config_registry", address)
    with pytest.raises(vendor.Unreachable, match="registry"):
        vendor.fetch(archive, tmp_path)


def test_the_command_says_so_too(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("npm_config_registry", "registry.example")
    monkeypatch.setattr(vendor, "BOOK_ASSETS", tmp_path)
    monkeypatch.setattr(vendor.sys, "argv", ["vendor.py"])
    assert vendor.main() == vendor.UNREACHABLE
    assert "could not be reached" in capsys.readouterr().err


def test_book_is_built_without_registry(registry, tmp_path, monkeypatch, capsys):
    import build_book

    monkeypatch.setattr(vendor, "BOOK_ASSETS", tmp_path)
    build_book.fetch_assets()
    said = capsys.readouterr().out
    assert "could not be reached" in said and "cdn.jsdelivr.net" in said


@pytest.mark.parametrize("archive", [vendor.MATHJAX, vendor.AXE])
def test_pins_are_whole(archive):
    assert len(base64.b64decode(archive.sha512)) == 64
    assert archive.version.count(".") == 2
