"""Build the whole HTML book, strictly: every cell executed, every warning an error.

    python tools/build_book.py [--fresh]

Executed notebooks are kept from one build to the next while nothing that they use has changed: the
package, the stored results, the versions of the toolchain. With ``--fresh``, and wherever the
environment variable CI is set, everything is executed anew.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import execute
import notebooks
import policy
import vendor
import vendor_live

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
CACHE = BUILD / ".jupyter_cache"
USED_BY_CELLS = ("pairint/**/*", "book/assignments/**/*", "constraints.txt", "tools/execute.py")


def sources_key(root: Path = ROOT) -> str:
    """Return a digest of all that a cell may use apart from its own page.

    Jupyter's cache compares the cells only: a figure would outlive a change in the code that draws it.
    """
    digest = hashlib.sha256()
    files = {path for pattern in USED_BY_CELLS for path in root.glob(pattern) if path.is_file()}
    for path in sorted(files):
        if "__pycache__" not in path.parts and ".ipynb_checkpoints" not in path.parts:
            digest.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def prepare_cache(fresh: bool) -> None:
    """Keep the executed notebooks only if they are still valid."""
    stamp, key = BUILD / ".sources-key", sources_key()
    if fresh or not stamp.is_file() or stamp.read_text(encoding="utf-8") != key:
        shutil.rmtree(CACHE, ignore_errors=True)
    BUILD.mkdir(exist_ok=True)
    stamp.write_text(key, encoding="utf-8")


def fetch_assets() -> None:
    """Fetch MathJax; without a registry the pages fall back to its usual address."""
    try:
        vendor.fetch(vendor.MATHJAX, vendor.BOOK_ASSETS)
    except vendor.Unreachable as error:
        print(
            f"The JavaScript registry could not be reached ({error}).\n"
            "The book is built all the same; its pages will fetch MathJax from cdn.jsdelivr.net.",
            flush=True,
        )


def choose_live(wish: str, folder: Path = vendor.BOOK_ASSETS) -> bool:
    """Return whether the pages of this build run in the browser.

    With the wish "0" they do not; with "1" what is missing is fetched, and a book without it is built where
    that cannot be; otherwise they do if `make live` has fetched the files, and nothing is asked of anybody.
    """
    if wish == "0":
        return False
    try:
        if wish == "1":
            vendor_live.fetch(folder)
        elif (folder / vendor_live.PYODIDE.name).is_dir() and not vendor_live.whole(folder):
            print("Pages will not run in the browser: `make live` must fetch their Python anew.")
        return vendor_live.whole(folder)
    except vendor.Unreachable as error:
        print(f"Pages will not run in the browser: their Python could not be fetched ({error}).", flush=True)
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the HTML book.")
    parser.add_argument("--fresh", action="store_true", help="execute every cell anew")
    fresh = parser.parse_args().fresh or bool(os.environ.get("CI"))
    start = time.monotonic()
    fetch_assets()
    os.environ["PAIRINT_LIVE"] = "1" if choose_live(os.environ.get("PAIRINT_LIVE", "")) else "0"
    prepare_cache(fresh)
    shutil.rmtree(BUILD / "html", ignore_errors=True)  # no page of an earlier book stays behind
    # --all: every page is read again, so that no warning of an earlier build is lost.
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", str(ROOT)]
    command += ["--all", "-W", "-n", "--keep-going"]
    # Pictures enter a page through this backend; one chosen for another purpose would leave their names only.
    # Interactive figures give plain HTML instead of widgets.
    os.environ.update(MPLBACKEND="module://matplotlib_inline.backend_inline", PAIRINT_STATIC="1")
    execute.execute(notebooks.page_files(), CACHE)
    status = subprocess.run(command, cwd=ROOT).returncode
    if status != 0:
        for report in sorted((BUILD / "html" / "reports").rglob("*.err.log")):
            print(f"\n--- {report.relative_to(ROOT)}\n{report.read_text(encoding='utf-8')}", file=sys.stderr)
        print("\nThe book was not built: see the warnings above.", file=sys.stderr)
        return status
    (BUILD / "html" / ".nojekyll").touch()
    (BUILD / "html" / ".buildinfo").unlink(
        missing_ok=True
    )  # Sphinx's, for its next build: it knows the folder
    try:
        policy.write(BUILD / "html")
    except policy.Refused as error:
        print(f"\nThe book was not built: {error}", file=sys.stderr)
        return 1
    print(
        f"\nBuilt in {time.monotonic() - start:.0f} s. Open in a browser:\n  {BUILD / 'html' / 'index.html'}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
