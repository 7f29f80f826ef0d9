"""Write, beside each page that is a MyST notebook, the same notebook as ``.ipynb``, without outputs.

    python tools/notebooks.py            write them (``make notebooks``)
    python tools/notebooks.py --check    fail if one is missing, superfluous or stale

The ``.md`` is the source; the ``.ipynb`` is what Jupyter, Binder and Colab open, and what a page offers for
download. Its text is plain Markdown, which all of them show.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import twins
import yaml
from plain_markdown import Book
from repository import ROOT


def pages(toc: Any) -> Iterator[str]:
    """Yield the pages of a table of contents, in reading order."""
    if isinstance(toc, dict):
        for key, value in toc.items():
            if key in ("root", "file"):
                yield value
            else:
                yield from pages(value)
    elif isinstance(toc, list):
        for item in toc:
            yield from pages(item)


def page_files(root: Path = ROOT) -> list[Path]:
    """Return the source file of each page of the book.

    Raises
    ------
    FileNotFoundError
        If the table of contents lists a page that has no source.
    """
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    files = []
    for page in pages(toc):
        found = [path for path in (root / f"{page}.md", root / f"{page}.ipynb") if path.is_file()]
        if not found:
            raise FileNotFoundError(f"_toc.yml lists {page}, which has no .md")
        files.append(found[0])
    return files


def front_matter(path: Path) -> dict[str, Any]:
    """Return the YAML header of a page, empty if it has none."""
    text = path.read_text(encoding="utf-8")
    if not text.startswith("---\n"):
        return {}
    return yaml.safe_load(text[4:].split("\n---", 1)[0]) or {}


def is_notebook(path: Path) -> bool:
    """Return whether a page is a MyST notebook: one with code to run."""
    return path.suffix == ".md" and "jupytext" in front_matter(path)


def render(root: Path = ROOT) -> dict[Path, str]:
    """Return the ``.ipynb`` files that belong beside the pages, and their content."""
    sources = [path for path in page_files(root) if is_notebook(path)]
    book = Book(root)
    return {path.with_suffix(".ipynb"): twins.text(twins.read(path, root, book)) for path in sources}


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Write the .ipynb beside each MyST notebook.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of step")
    check = parser.parse_args(arguments).check
    return twins.sync(render(root), (root / "book").glob("*.ipynb"), check, "make notebooks", root)


if __name__ == "__main__":
    sys.exit(main())
