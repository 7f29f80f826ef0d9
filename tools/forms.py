"""Other forms of the built book: a PDF, an archive to read offline, notebooks in the browser.

Each is made after the book, by a command of its own, and offered on the pages of a build that has it: an
entry in the menu under the download mark, and a line on the page of questions. A book that is built again
starts without.
"""

from __future__ import annotations

import html
import os
import re
from pathlib import Path

from repository import ROOT

BUILT = ROOT / "_build" / "html"
#: Where an entry enters a page: the end of the menu of downloads.
MENU = re.compile(r'(<div class="dropdown dropdown-download-buttons">.*?)(\s*</ul>)', re.DOTALL)
#: Where the lines are listed; the page that lists them holds this, once.
PLACE = '<ul class="other-forms">'


def built(folder: Path) -> Path:
    """Return a built book's folder.

    Raises
    ------
    FileNotFoundError
        If no book is built there.
    """
    if not (folder / "index.html").is_file() or not (folder / "book").is_dir():
        raise FileNotFoundError(f"{folder} holds no built book: run `make book` first")
    return folder


def pages(folder: Path) -> list[Path]:
    """Return the pages of a built book that come from its chapters."""
    return sorted((folder / "book").rglob("*.html"))


def megabytes(count: int) -> str:
    """Return a number of bytes in words, to a tenth below ten megabytes."""
    size = count / 1e6
    return f"{size:.1f} MB" if size < 10 else f"{size:.0f} MB"


def entry(name: str, address: str, label: str, title: str) -> str:
    """Return an entry of the menu of downloads."""
    return (
        f'<!-- form {name} --><li><a href="{html.escape(address)}" class="btn btn-sm dropdown-item" '
        f'title="{html.escape(title)}"><span class="btn__icon-container"><i class="fas fa-book"></i></span>\n'
        f'<span class="btn__text-container">{html.escape(label)}</span></a></li><!-- end {name} -->'
    )


def withdraw(name: str, folder: Path = BUILT) -> None:
    """Take back what :func:`offer` has added under this name."""
    added = re.compile(rf"\s*<!-- form {name} -->.*?<!-- end {name} -->", re.DOTALL)
    for page in pages(folder):
        text = page.read_text(encoding="utf-8")
        if f"<!-- form {name} -->" in text:
            page.write_text(added.sub("", text), encoding="utf-8")


def offer(name: str, target: str, label: str, title: str, line: str, folder: Path = BUILT) -> int:
    """Offer a form of the book on its pages; return on how many.

    Parameters
    ----------
    name : str
        What tells forms apart: a form that is offered anew takes the place of the earlier one.
    target : str
        Its address relative to the book; ``{page}`` in it stands for the name of a page. Pages for which such
        an address does not exist are left out: their notebooks are looked for beside the sources.
    label, title : str
        What the entry of the menu says, and what it says when it is pointed at.
    line : str
        HTML of its line in the list of forms; ``{address}`` in it is the address of ``target``.
    """
    withdraw(name, folder)
    count = 0
    for page in pages(folder):
        text = page.read_text(encoding="utf-8")
        source = page.relative_to(folder).with_suffix("")
        up = os.path.relpath(folder, page.parent).replace(os.sep, "/")
        if "{page}" in target and not (ROOT / source).with_suffix(".ipynb").is_file():
            first = target.split("{page}")[0].split("?")[0]
        else:
            first = target.replace("{page}", source.as_posix())
            if MENU.search(text):
                shown = entry(name, f"{up}/{first}", label, title)
                text = MENU.sub(
                    lambda match, shown=shown: f"{match[1]}\n      {shown}{match[2]}", text, count=1
                )
                count += 1
        if PLACE in text:
            words = line.replace("{address}", f"{up}/{first}")
            item = f"{PLACE}\n<!-- form {name} --><li>{words}</li><!-- end {name} -->"
            text = text.replace(PLACE, item)
        page.write_text(text, encoding="utf-8")
    return count
