"""Pages whose cells run in the reader's browser: what the build adds to them.

An extension of Sphinx. Where ``tools/vendor_live.py`` has fetched Pyodide, each page with code gets a script
that shows one button; nothing else is loaded before the reader presses it. The cells come from the page's
own notebook, those too whose code the page does not show. Beside them the build writes the package as a
wheel, and a list of all files with their sizes and SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import jupytext
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
VENDORED = Path("book") / "assets" / "vendor" / "pyodide"
CORE = ("pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip")

#: Pages with code that do not run in a browser, and why not: a sentence for the reader.
CANNOT: dict[str, str] = {}


def wanted(root: Path) -> bool:
    """Return whether the pages of this build run in the browser: with LIVE=1, where the files are."""
    return os.environ.get("PAIRINT_LIVE") == "1" and (root / VENDORED / "live-lock.json").is_file()


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
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: pairint\nVersion: {version}\n".encode()
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
        target.write_text(json.dumps(cells(root / f"{pagename}.md")), encoding="utf-8")
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


def write_manifest(root: Path, static: Path) -> None:
    """Write into a built book's ``_static/live`` the wheel, the lock file and the list of files.

    Addresses in the list are relative to ``_static``.
    """
    folder = static / "live"
    folder.mkdir(parents=True, exist_ok=True)
    name, content = wheel(root)
    (folder / name).write_bytes(content)
    lock = json.loads((root / VENDORED / "live-lock.json").read_text(encoding="utf-8"))
    packages = lock["packages"]
    files = [
        (file, f"vendor/pyodide/{file}") for file in (*CORE, *(p["file_name"] for p in packages.values()))
    ]
    files.append((name, f"live/{name}"))
    packages["pairint"] = {
        "depends": sorted(packages),
        "file_name": name,
        "imports": ["pairint"],
        "install_dir": "site",
        "name": "pairint",
        "package_type": "package",
        "sha256": hashlib.sha256(content).hexdigest(),
        "unvendored_tests": False,
        "version": name.split("-")[1],
    }
    text = json.dumps(lock, indent=1) + "\n"
    (folder / "lock.json").write_text(text, encoding="utf-8")
    files.append(("lock.json", "live/lock.json"))
    entries = [
        {"name": file, "path": path, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for file, path in files
        for data in [(static / path).read_bytes()]
    ]
    (folder / "manifest.json").write_text(json.dumps({"files": entries}, indent=1) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hooks."""
    app.connect("doctree-resolved", mark_cells)
    app.connect("html-page-context", add_script)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
