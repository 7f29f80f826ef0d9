"""Put JupyterLab in the browser beside the built book, with its notebooks and the package (``make lite``).

    python tools/lite.py

JupyterLite is JupyterLab without a server: Python runs in the reader's browser, and files are kept there.
What the page's own button (``tools/live.py``) does for one page, this does for whoever wants whole notebooks:
the pages, and the assignments in their student version. All files come from the host of the book; the
packages are those of Pyodide, whole, checked by ``tools/vendor_live.py`` against the sums of its lock file.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import assignments
import forms
import live
import nbformat
import notebooks
import repository
import vendor
import vendor_live
from repository import ROOT

FOLDER = "lite"
WHOLE = dataclasses.replace(vendor_live.PYODIDE, keep=(*vendor_live.PYODIDE.keep, "pyodide.js"))
#: What the kernel needs beside what the cells do.
KERNEL = ("micropip", "ipython", "jedi", "ssl", "sqlite3", "openblas")
#: The kernel asks for it, and Pyodide's lock file lacks it.
COMM = {
    "name": "comm",
    "version": "0.2.2",
    "imports": ["comm"],
    "file_name": "comm-0.2.2-py3-none-any.whl",
    "sha256": "e6fb86cb70ff661ee8c9c14e7d36d6de3b4066f1441be4063df9c5009f0a64d3",
}

SETUP = """\
# Puts the package into this browser; does nothing elsewhere.
import sys

if sys.platform == "emscripten":
    import os

    import piplite

    os.environ["PAIRINT_STATIC"] = "1"  # interactive figures bring their own script
    await piplite.install("pairint")"""

CONFIG = {
    "jupyter-lite-schema-version": 0,
    "jupyter-config-data": {
        "appName": "Learning pairwise interactions",
        "exposeAppInBrowser": True,  # a test asks it to run all cells
        "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": {"disablePyPIFallback": True}},
    },
}

#: A student version's link on the page of assignments.
STUDENT = re.compile(r'<a [^>]*href="[^"]*/(\w+)\.ipynb"[^>]*>(?:(?!</a>).)*Student.*?</a>', re.DOTALL)

ABSENT = "JupyterLite is not installed: `make lite` installs it."


def recipe() -> str:
    """Return what decides which packages there are."""
    return vendor_live.digest(repr((WHOLE.stamp, KERNEL, COMM, vendor_live.recipe())).encode())


def in_browser(notebook: Any) -> Any:
    """Return a notebook as the browser runs it: its first cell gets the package from this host."""
    cells = [cell for cell in notebook.cells if "remove-cell" not in cell.metadata.get("tags", [])]
    first = nbformat.v4.new_code_cell(SETUP, id="in-the-browser")
    return nbformat.v4.new_notebook(
        cells=[first, *cells],
        metadata={"kernelspec": {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}},
    )


def sources(root: Path = ROOT) -> dict[str, Path]:
    """Return the notebooks to hold, by their place: pages that run in a browser, then assignments."""
    found = {}
    for page in notebooks.page_files(root):
        name = page.relative_to(root).with_suffix("").as_posix()
        if page.with_suffix(".ipynb").is_file() and name not in live.CANNOT:
            found[f"{name}.ipynb"] = page.with_suffix(".ipynb")
    for source in assignments.sources(root / "book" / "assignments"):
        name = source.parent.name
        found[f"assignments/{name}.ipynb"] = source.parent / "student" / f"{name}.ipynb"
    return found


def comm_wheel(folder: Path) -> vendor_live.Source:
    """Return a source that has the one wheel that others lack."""

    def read(file: str) -> bytes | None:
        found = (
            vendor_live.pip_download(f"comm=={COMM['version']}", folder)
            if file == COMM["file_name"]
            else None
        )
        return found.read_bytes() if found else None

    return read


def fetch_packages(folder: Path) -> int:
    """Fill a folder with Pyodide and whole packages, each checked; return how many packages.

    The lock file that stands with them names these packages and no others: what it does not name is refused
    with a sentence, not looked for elsewhere.
    """
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        vendor.fetch(WHOLE, scratch)
        core = scratch / WHOLE.name
        lock = json.loads((core / "pyodide-lock.json").read_text(encoding="utf-8"))
        packages = vendor_live.needed(lock, (*vendor_live.WANTED, *vendor_live.WHEELS, *KERNEL))
        packages["comm"] = {**vendor_live.own_wheel("tqdm"), **COMM}
        asked = [*vendor_live.sources(scratch), ("the Python package index", comm_wheel(scratch))]
        for entry in packages.values():
            content = vendor_live.get(entry["file_name"], entry["sha256"], asked)
            (core / entry["file_name"]).write_bytes(content)
        lock["packages"] = packages
        (core / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(core, folder)
        # Last: a copy that was interrupted is made again.
        (folder / ".version").write_text(recipe(), encoding="utf-8")
    return len(packages)


def kernel_extension() -> Path:
    """Return the folder of the extension that brings Python to JupyterLite."""
    return (
        Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "@jupyterlite" / "pyodide-kernel-extension"
    )


def build(target: Path, root: Path = ROOT) -> int:
    """Build JupyterLite into a folder; return the number of its notebooks."""
    home = root / "_build" / "lite"
    shutil.rmtree(home, ignore_errors=True)
    pyodide = root / "_build" / "vendor" / "pyodide-whole"
    stamp = pyodide / ".version"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != recipe():
        fetch_packages(pyodide)
    shutil.copytree(pyodide, home / "static" / "pyodide")
    name, content = live.wheel(root)
    (home / name).write_bytes(content)
    found = sources(root)
    for place, path in found.items():
        file = home / "files" / place
        file.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(in_browser(nbformat.read(path, as_version=4)), file)
    (home / "jupyter-lite.json").write_text(json.dumps(CONFIG, indent=1) + "\n", encoding="utf-8")
    extension = kernel_extension()
    settings = {
        "LiteBuildConfig": {
            "contents": [str(home / "files")],
            "ignore_sys_prefix": ["federated_extensions"],
            "federated_extensions": [str(extension)],
            "output_dir": str(home / "out"),
        },
        "PipliteAddon": {"piplite_urls": [str(home / name)]},
    }
    (home / "jupyter_lite_config.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "jupyterlite_core", "build", "--lite-dir", str(home)]
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, env=os.environ)
    if done.returncode != 0:
        raise RuntimeError(f"JupyterLite was not built:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(home / "out", target, ignore=shutil.ignore_patterns("*.map"))
    return len(found)


def offer_assignments(folder: Path) -> int:
    """Put beside each student version on the page of assignments a link that opens it; return how many."""
    page = folder / "book" / "assignments" / "index.html"

    def beside(match: re.Match[str]) -> str:
        address = f"../../{FOLDER}/lab/index.html?path=assignments/{match[1]}.ipynb"
        return match[0] + forms.marked("lite", f' (<a href="{address}">in your browser</a>)')

    text, count = STUDENT.subn(beside, page.read_text(encoding="utf-8"))
    page.write_text(text, encoding="utf-8")
    return count


def main(root: Path = ROOT) -> int:
    try:
        folder = forms.built(root / "_build" / "html")
        if importlib.util.find_spec("jupyterlite_core") is None or not kernel_extension().is_dir():
            raise FileNotFoundError(ABSENT)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        count = build(folder / FOLDER, root)
    except vendor.Unreachable as error:
        print(f"JupyterLite was not built: its Python could not be fetched ({error}).", file=sys.stderr)
        return vendor.UNREACHABLE
    size = forms.megabytes(
        sum(path.stat().st_size for path in (folder / FOLDER).rglob("*") if path.is_file())
    )
    line = (
        '<a href="{address}">All notebooks in JupyterLab, in your browser</a>: nothing to install, and what '
        "you change is kept in the browser. It needs pages that are served, not opened from a file."
    )
    forms.offer(
        "lite",
        f"{FOLDER}/lab/index.html?path={{page}}.ipynb",
        "in your browser",
        "This page as a notebook in JupyterLab, in your browser: nothing to install",
        line,
        folder,
        only={place.removesuffix(".ipynb") for place in sources(root)},
        launch=True,
    )
    offer_assignments(folder)
    print(f"Wrote {folder / FOLDER}: {count} notebooks, {size}, version {repository.release(root)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
