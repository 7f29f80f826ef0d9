"""Other forms of the built book: a PDF, an archive to read offline, notebooks in the browser.

Each is made after the book, by a command of its own, and offered on the pages of a build that has it: an
entry in the menu under the download mark, and a line on the page of questions. A book that is built again
starts without.
"""

from __future__ import annotations

import html
import os
import re
from collections.abc import Container
from pathlib import Path

from light import icon
from repository import ROOT

BUILT = ROOT / "_build" / "html"
#: Where an entry enters a page: the end of the menu of downloads.
MENU = re.compile(r'(<div class="dropdown dropdown-download-buttons">.*?)(\s*</ul>)', re.DOTALL)
#: The theme's menu of places where a page can be run; a build without such places has none.
LAUNCH = '<div class="dropdown dropdown-launch-buttons">'
LAUNCH_START = re.compile(rf'({re.escape(LAUNCH)}.*?<ul class="dropdown-menu">)', re.DOTALL)
DOWNLOADS = '<div class="dropdown dropdown-download-buttons">'
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


def entry(address: str, label: str, title: str) -> str:
    """Return an entry of a menu."""
    return (
        f'<li><a href="{html.escape(address)}" class="btn btn-sm dropdown-item" '
        f'title="{html.escape(title)}"><span class="btn__icon-container">{icon("fas fa-book")}</span>\n'
        f'<span class="btn__text-container">{html.escape(label)}</span></a></li>'
    )


def launcher(name: str, item: str) -> str:
    """Return a menu of places where a page can be run, as the theme would write it, with one entry."""
    return (
        f'<!-- form {name} -->{LAUNCH}<button class="btn dropdown-toggle" type="button" '
        'data-bs-toggle="dropdown" aria-expanded="false" aria-label="Launch interactive content">'
        f"{icon('fas fa-rocket')}</button>"
        f'<ul class="dropdown-menu">{item}</ul></div><!-- end {name} -->'
    )


def put(text: str, name: str, item: str, launch: bool) -> str:
    """Return a page with an entry in its menu of downloads, or first in that of places to run it."""
    if not launch:
        return MENU.sub(lambda match: f"{match[1]}\n      {marked(name, item)}{match[2]}", text, count=1)
    if LAUNCH_START.search(text):
        return LAUNCH_START.sub(lambda match: f"{match[1]}{marked(name, item)}", text, count=1)
    return text.replace(DOWNLOADS, f"{launcher(name, item)}{DOWNLOADS}", 1)


def marked(name: str, content: str) -> str:
    """Return what is added to a page between marks, so that it can be taken out again."""
    return f"<!-- form {name} -->{content}<!-- end {name} -->"


def withdraw(name: str, folder: Path = BUILT) -> None:
    """Take back what :func:`offer` has added under this name."""
    added = re.compile(rf"(?:\n      )?<!-- form {name} -->.*?<!-- end {name} -->", re.DOTALL)
    for page in pages(folder):
        text = page.read_text(encoding="utf-8")
        if f"<!-- form {name} -->" in text:
            page.write_text(added.sub("", text), encoding="utf-8")


def offer(
    name: str,
    target: str,
    label: str,
    title: str,
    line: str,
    folder: Path = BUILT,
    *,
    only: Container[str] | None = None,
    launch: bool = False,
) -> int:
    """Offer a form of the book on its pages; return on how many.

    Parameters
    ----------
    name : str
        What tells forms apart: a form that is offered anew takes the place of the earlier one.
    target : str
        Its address relative to the book; ``{page}`` in it stands for the name of a page.
    label, title : str
        What the entry of the menu says, and what it says when it is pointed at.
    line : str
        HTML of its line in the list of forms; ``{address}`` in it is the address of ``target``, without what
        belongs to a single page.
    folder : Path
        The built book.
    only : container of str, optional
        The pages whose menu has an entry; all, by default.
    launch : bool
        Whether the entry is the first in the menu of places to run a page, not one of the downloads.
    """
    withdraw(name, folder)
    count = 0
    for page in pages(folder):
        text = page.read_text(encoding="utf-8")
        source = page.relative_to(folder).with_suffix("").as_posix()
        up = os.path.relpath(folder, page.parent).replace(os.sep, "/")
        if only is None or source in only:
            shown = put(text, name, entry(f"{up}/{target.replace('{page}', source)}", label, title), launch)
            count += shown != text
            text = shown
        if PLACE in text:
            address = target.split("{page}")[0].split("?")[0] if "{page}" in target else target
            item = f"<li>{line.replace('{address}', f'{up}/{address}')}</li>"
            text = text.replace(PLACE, f"{PLACE}{marked(name, item)}")
        page.write_text(text, encoding="utf-8")
    return count
