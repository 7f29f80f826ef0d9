"""The archive of the book: unpacked elsewhere and served by its one command, it needs no network."""

import os
import re
import subprocess
import sys
import zipfile

import forms
import offline
import pytest


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """Return the folder of an unpacked archive, and what it says of itself."""
    archive = forms.BUILT / offline.NAME
    if not archive.is_file():
        pytest.skip("the book has not been packed: run `make offline`")
    folder = tmp_path_factory.mktemp("elsewhere")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder / offline.TOP


@pytest.fixture(scope="module")
def address(unpacked):
    """Return where the command of the archive's own instructions serves it."""
    command = re.search(r"(?m)^    python (-m http\.server)$", (unpacked / "READ ME.txt").read_text())[
        1
    ].split()
    arguments = [sys.executable, "-u", *command, "0", "--bind", "127.0.0.1"]
    server = subprocess.Popen(
        arguments, cwd=unpacked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ
    )
    try:
        yield re.search(r"http://[\d.:]+", server.stdout.readline())[0]
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.parametrize("page", ["", "book/particles.html", "book/help.html"])
def test_a_page_asks_nobody_else(visit, address, page):
    seen = visit(f"{address}/{page}")
    seen.page.wait_for_selector("main section > h1")
    seen.page.evaluate("window.MathJax?.startup?.promise.then(() => 0)")
    assert seen.page.locator("mjx-container").count() > 0 or page == "book/help.html"
    seen.assert_quiet()


def test_what_it_offers_is_in_it(unpacked):
    """Links of menus to other forms lead to files of the archive; it offers no copy of itself."""
    text = (unpacked / "book" / "help.html").read_text(encoding="utf-8")
    offered = re.findall(r'<!-- form (\w+) -->.*?href="([^"]+)"', text)
    for name, target in offered:
        assert name != "offline"
        assert (unpacked / "book" / target.split("?")[0]).resolve().is_file(), target
