"""What the notebooks that are made from a source share: how they are made, and how they are kept in step."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import repository
from plain_markdown import Book

SETUP = """\
# Makes the package available where it is not installed (Colab, for one); does nothing elsewhere.
import importlib.util
import subprocess
import sys

if importlib.util.find_spec("pairint") is None:
    package = "pairint[widgets] @ git+{url}@{release}"
    command = [sys.executable, "-m", "pip", "install", "--quiet", package]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(
            "pairint could not be fetched from {url}: check the network and the address, then run this "
            "cell again. pip says:\\n" + done.stderr
        )
    importlib.invalidate_caches()"""


def read(path: Path, root: Path = repository.ROOT, book: Book | None = None) -> Any:
    """Return the notebook that belongs to a MyST notebook: without outputs, the same at every call.

    Where the repository has an address, a first cell fetches the package from there if need be. Pages do not
    show it. The text of a page of a book becomes plain Markdown; what it cites stands in a last cell.
    """
    source = jupytext.read(path, fmt="md:myst")
    if book is not None:
        _make_plain(source, path.relative_to(root).with_suffix("").as_posix(), book)
    url = repository.address(root)
    code = SETUP.format(url=url, release=repository.release(root))
    hidden = {"tags": ["remove-cell"], "jupyter": {"source_hidden": True}, "cellView": "form"}
    cells = [nbformat.v4.new_code_cell(code, metadata=hidden), *source.cells]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:03d}"
        if cell.cell_type == "code":
            cell["outputs"], cell["execution_count"] = [], None
    if url is None:
        del cells[0]
    metadata = {"kernelspec": source.metadata["kernelspec"], "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _make_plain(notebook: Any, page: str, book: Book) -> None:
    cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    works = book.references([cell.source for cell in cells])
    for cell in cells:
        cell.source = book.plain(cell.source, page)
    _write_captions(notebook, page, book)
    if works is not None:
        notebook.cells.append(nbformat.v4.new_markdown_cell(works))


def _write_captions(notebook: Any, page: str, book: Book) -> None:
    """Put number and caption of each figure under its cell: readers of notebooks do not show metadata."""
    cells: list[Any] = []
    caption = ""
    for cell in notebook.cells:
        if caption and cell.cell_type == "markdown":
            cell.source = f"{caption}\n\n{cell.source}"
        elif caption:
            cells.append(nbformat.v4.new_markdown_cell(caption))
        cells.append(cell)
        figure = cell.metadata.get("mystnb", {}).get("figure", {})
        words = figure.get("caption")
        caption = f"*{book.labels[figure['name']].text}.* {book.plain(words, page)}" if words else ""
    if caption:
        cells.append(nbformat.v4.new_markdown_cell(caption))
    notebook.cells = cells


def text(notebook: Any) -> str:
    """Return the content of the file of a notebook."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4) + "\n"


def sync(
    wanted: dict[Path, str], present: Iterable[Path], check: bool, command: str, root: Path = repository.ROOT
) -> int:
    """Write the files that are wanted and remove the others; say what was done.

    Parameters
    ----------
    wanted : dict
        The content of each file that should be there.
    present : iterable of Path
        The files that are there.
    check : bool
        Change nothing, and say what is out of step.
    command : str
        What brings the files in step.
    root : Path
        The folder from which files are named.

    Returns
    -------
    int
        The exit status: 1 if a check found something.
    """
    stale = [
        path
        for path, content in wanted.items()
        if not path.is_file() or path.read_text(encoding="utf-8") != content
    ]
    left = sorted(set(present) - set(wanted))
    for path in stale + left:
        name = path.relative_to(root).as_posix()
        if check:
            print(f"{name} is out of step with its source: run `{command}`")
        elif path in left:
            path.unlink()
            print(f"Removed {name}")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
            print(f"Wrote {name}")
    return 1 if check and (stale or left) else 0
