"""Write, beside each page that is a MyST notebook, the same notebook as ``.ipynb``, without outputs.

    python tools/notebooks.py            write them (``make notebooks``)
    python tools/notebooks.py --check    fail if one is missing, superfluous or stale

The ``.md`` is the source; the ``.ipynb`` is what Binder and Colab open. Its first cell, which pages do
not show, makes the package available where it is not installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml

ROOT = Path(__file__).resolve().parent.parent

SETUP = """\
# Makes the package available where it is not installed (Colab, for one); does nothing elsewhere.
import importlib.util
import subprocess
import sys
from pathlib import Path

if importlib.util.find_spec("pairint") is None:
    source = Path("pairint-source").resolve()
    if not source.is_dir():
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", "{url}", str(source)], check=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--editable", f"{{source}}[widgets]"]
    subprocess.run(install, check=True)
    sys.path.insert(0, str(source))"""


def repository_url(root: Path = ROOT) -> str:
    """Return the address of the repository, from the one place where it is written."""
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


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


def render(path: Path, url: str) -> str:
    """Return the text of the ``.ipynb`` that belongs to a MyST notebook."""
    source = jupytext.read(path, fmt="md:myst")
    setup = nbformat.v4.new_code_cell(
        SETUP.format(url=url),
        metadata={"tags": ["remove-cell"], "jupyter": {"source_hidden": True}, "cellView": "form"},
    )
    cells = [setup, *source.cells]
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:03d}"  # stable: the same source gives the same file
        if cell.cell_type == "code":
            cell["outputs"], cell["execution_count"] = [], None
    metadata = {
        "kernelspec": source.metadata["kernelspec"],
        "language_info": {"name": "python"},
    }
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(notebook)
    return nbformat.writes(notebook, version=4) + "\n"


def superfluous(sources: list[Path], root: Path = ROOT) -> list[Path]:
    """Return the twins whose ``.md`` is no longer a page of the book."""
    wanted = {path.with_suffix(".ipynb") for path in sources}
    folder = root / "book"
    return [path for path in sorted(folder.glob("*.ipynb")) if path not in wanted]


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the .ipynb beside each MyST notebook.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of step")
    check = parser.parse_args().check
    url = repository_url()
    sources = [path for path in page_files() if is_notebook(path)]
    stale = superfluous(sources)
    for path in sources:
        twin, text = path.with_suffix(".ipynb"), render(path, url)
        if not twin.is_file() or twin.read_text(encoding="utf-8") != text:
            stale.append(twin)
            if not check:
                twin.write_text(text, encoding="utf-8")
    for path in stale:
        if check:
            print(f"{path.relative_to(ROOT)} is out of step with its source: run `make notebooks`")
        elif path not in superfluous(sources):
            print(f"Wrote {path.relative_to(ROOT)}")
        else:
            path.unlink()
            print(f"Removed {path.relative_to(ROOT)}")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
