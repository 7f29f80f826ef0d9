"""Pages whose cells run in the reader's browser: what the build adds to them.

An extension of Sphinx. Where ``tools/vendor_live.py`` has fetched Pyodide, each page with code gets a script
that shows one button; nothing else is loaded before the reader presses it. The cells come from the page's
own notebook, those too whose code the page does not show; with them stands what they imported when the
book was built, so that the browser fetches that and no more. Beside them the build writes the package as a
wheel, and a list of all files with their sizes and SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import tomllib
import zipfile
from collections.abc import Container
from pathlib import Path
from typing import Any

import execute
import jupytext
import notebooks
import vendor_live
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
VENDORED = Path("book") / "assets" / "vendor" / "pyodide"

CACHE = Path("_build") / ".jupyter_cache"
PLACE = "% table of live pages"
#: What a page may import beside the package, by the name of the import.
NAMES = {
    "numpy": "NumPy",
    "scipy": "SciPy",
    "matplotlib": "Matplotlib",
    "pandas": "pandas",
    "sklearn": "scikit-learn",
}

#: Pages with code that do not run in a browser, and why not: a sentence for the reader.
CANNOT: dict[str, str] = {
    "book/experiments": "its cells compute experiments, for minutes on several processor cores.",
}

#: What a newer Matplotlib imports and the one of the browser does not, before it writes a PDF.
NOT_AHEAD = ("fontTools",)

#: What the pandas of the browser imports and a newer one does not.
WITH_PANDAS = ("pytz", "six")


def wanted(root: Path) -> bool:
    """Return whether the pages of this build run in the browser: ``tools/build_book.py`` says so."""
    return os.environ.get("PAIRINT_LIVE") == "1" and (root / VENDORED / vendor_live.LOCK).is_file()


def wheel(root: Path) -> tuple[str, bytes]:
    """Return the name and the bytes of the package as a wheel, the same for the same sources.

    It is written here rather than by a build tool, which would have to be fetched first. It has what an
    import needs, and no more.
    """
    scope: dict[str, str] = {}
    exec((root / "pairint" / "_version.py").read_text(encoding="utf-8"), scope)
    version = scope["__version__"]
    files = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted((root / "pairint").rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = f"pairint-{version}.dist-info"
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = ["Metadata-Version: 2.1", "Name: pairint", f"Version: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in project["dependencies"]]
    files[f"{info}/METADATA"] = ("\n".join(lines) + "\n").encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()},"
        f"{len(content)}\n"
        for name, content in files.items()
    ]
    files[f"{info}/RECORD"] = "".join([*record, f"{info}/RECORD,,\n"]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return f"pairint-{version}-py3-none-any.whl", buffer.getvalue()


def cells(source: Path) -> list[dict[str, Any]]:
    """Return the code cells of a page: the code, whether it is shown, and the words for its picture."""
    notebook = jupytext.read(source, fmt="md:myst")
    return [
        {
            "source": cell.source,
            "shown": "remove-input" not in cell.metadata.get("tags", []),
            "alt": cell.metadata.get("mystnb", {}).get("image", {}).get("alt", ""),
        }
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def mark_cells(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Give each code cell of a page a name by which the script finds its place."""
    found = [node for node in doctree.findall(nodes.container) if node.get("nb_element") == "cell_code"]
    for index, node in enumerate(found):
        node["ids"].append(f"code-cell-{index}")
    source = Path(app.srcdir) / f"{docname}.md"
    if found and len(found) != (count := len(cells(source))):
        LOGGER.warning("%s code cells on the page, %s in its source", len(found), count, location=docname)


def add_script(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any) -> None:
    """Let a page with code run: its script, and its cells in a file of their own."""
    root = Path(app.srcdir)
    if doctree is None or not wanted(root):
        return
    if not any(node.get("nb_element") == "cell_code" for node in doctree.findall(nodes.container)):
        return
    options = {"defer": "defer", "data-live-page": pagename}
    if pagename in CANNOT:
        options["data-live-cannot"] = CANNOT[pagename]
    else:
        target = Path(app.outdir) / "_static" / "live" / "cells" / f"{pagename}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        page = root / f"{pagename}.md"
        parts = json.loads((root / VENDORED / vendor_live.LOCK).read_text(encoding="utf-8"))["files"]
        imported = [*execute.modules(page, root / CACHE), *rich(page)]
        described = {"cells": cells(page), "needs": needs(imported, parts)}
        target.write_text(json.dumps(described), encoding="utf-8")
    app.add_js_file("live/live.js", **options)
    app.add_css_file("live/live.css")


def finish(app: Sphinx, error: Exception | None) -> None:
    """Write the package's wheel, the lock file that names it, and the list of what a start loads."""
    root = Path(app.srcdir)
    static = Path(app.outdir) / "_static"
    if error is not None or app.builder.format != "html":
        return
    if wanted(root):
        write_manifest(root, static)
    else:
        shutil.rmtree(static / "vendor" / "pyodide", ignore_errors=True)  # fetched, but not asked for


def listed(root: Path) -> dict[str, Any]:
    """Return the list of all files that Python may ask for, its addresses relative to ``_static``."""
    name, content = wheel(root)
    lock = json.loads((root / VENDORED / vendor_live.LOCK).read_text(encoding="utf-8"))
    files = {
        part: {**entry, "path": f"vendor/pyodide/{entry['file']}"} for part, entry in lock["files"].items()
    }
    files["pairint"] = {
        "path": f"live/{name}",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    return {"info": lock["info"], "files": files}


def write_manifest(root: Path, static: Path) -> None:
    """Write the wheel and the list of files into a built book's ``_static/live``."""
    folder = static / "live"
    folder.mkdir(parents=True, exist_ok=True)
    name, content = wheel(root)
    (folder / name).write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps(listed(root), indent=1) + "\n", encoding="utf-8")


def rich(page: Path) -> list[str]:
    """Return what shows Markdown in the browser, if the page has some."""
    return ["markdown_it", "mdurl"] if any("Markdown" in cell["source"] for cell in cells(page)) else []


def weight(ahead: list[str], files: dict[str, Any]) -> int:
    """Return how many bytes a page fetches that starts with these parts of packages."""
    parts = {"pairint", *ahead} | {other for name in ahead for other in files[name].get("needs", ())}
    return sum(files[name]["bytes"] for name in {*vendor_live.CORE, *parts})


def table(root: Path) -> str:
    """Return, as Markdown, what the pages fetch, by the packages that they import."""
    files = listed(root)["files"]
    groups: dict[tuple[str, ...], list[tuple[str, int]]] = {}
    for page in notebooks.page_files(root):
        name = page.relative_to(root).with_suffix("").as_posix()
        if name not in CANNOT and cells(page):
            ahead = needs([*execute.modules(page, root / CACHE), *rich(page)], files)
            groups.setdefault(tuple(p for p in NAMES if p in ahead), []).append((name, weight(ahead, files)))
    rows = ["| Packages | Pages | MB | at 10 Mbit/s |", "|---|---|---|---|"]
    for packages, pages in sorted(groups.items(), key=lambda group: max(size for _, size in group[1])):
        most = max(size for _, size in pages)
        words = ", ".join(NAMES[each] for each in packages)
        links = ", ".join(f"{{doc}}`/{name}`" for name, _ in pages)
        rows.append(f"| {words} | {links} | {most / 1e6:.0f} | {most * 8 / 10e6:.0f} s |")
    cannot = "".join(f"\n{{doc}}`/{name}` does not run in a browser: {why}\n" for name, why in CANNOT.items())
    return (
        "What a first page fetches, the interpreter and this book's package included, by what it imports; "
        "the most that a page of the row needs, and the time of its download.\n\n"
        + "\n".join(rows)
        + "\n"
        + cannot
    )


def expand_table(app: Sphinx, docname: str, content: list[str]) -> None:
    """Fill the place of the table of live pages."""
    if PLACE in content[0]:
        root = Path(app.srcdir)
        absent = "This copy of the book was built without the button; `make live book` builds one with it."
        content[0] = content[0].replace(PLACE, table(root) if wanted(root) else absent)


def needs(modules: list[str], parts: Container[str]) -> list[str]:
    """Return the parts of packages that hold the modules which a page imports."""
    names = {".".join(module.split(".")[:depth]) for module in modules for depth in (1, 2)}
    if "pandas" in names:
        names.update(WITH_PANDAS)
    return sorted(name for name in names if name in parts and name.split(".")[0] not in NOT_AHEAD)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hooks."""
    app.connect("source-read", expand_table)
    app.connect("doctree-resolved", mark_cells)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
