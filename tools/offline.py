"""Pack the built book into one archive, to be read where there is no network (``make offline``).

    python tools/offline.py

The archive lies beside the pages, which offer it. The same book gives the same bytes.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import forms
from repository import ROOT

NAME = "pairint-book.zip"
TOP = "pairint-book"
READ_ME = """\
This folder is the whole book. To read it, with figures that move, type in this folder

    python -m http.server

and open the address that it prints, http://localhost:8000. (On Windows the command is "py -m http.server".)
A page that is opened as a file can be read, and its figures move; but a browser starts no Python for it, so
that "Run this page" asks for the command above. Nothing here asks another machine for anything.
"""
#: Packed already: what is packed again takes time, and no less room.
PACKED = {".zip", ".whl", ".packed", ".png", ".woff", ".woff2", ".pdf", ".wasm"}


def files(folder: Path) -> list[Path]:
    """Return the files of a built book that belong into the archive."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path != folder / NAME and path.name != ".buildinfo"
    )


def pack(folder: Path, target: Path) -> int:
    """Write the archive of a built book; return how many files it holds.

    It takes the place of an earlier one when it is whole.
    """
    scratch = target.with_suffix(".part")
    scratch.unlink(missing_ok=True)  # of a run that was interrupted
    found = files(folder)  # before the archive is one of them
    with zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in found:
            name = f"{TOP}/{path.relative_to(folder).as_posix()}"
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr = 0o644 << 16
            how = zipfile.ZIP_STORED if path.suffix in PACKED else zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes(), how)
        info = zipfile.ZipInfo(f"{TOP}/READ ME.txt", (1980, 1, 1, 0, 0, 0))
        info.external_attr = 0o644 << 16
        archive.writestr(info, READ_ME)
    scratch.replace(target)
    return len(found) + 1


def main(root: Path = ROOT) -> int:
    try:
        folder = forms.built(root / "_build" / "html")
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 2
    if not (folder / "_static" / "vendor" / "mathjax").is_dir():
        print("This book was built without MathJax: its formulas would need a network.", file=sys.stderr)
        return 2
    target = folder / NAME
    forms.withdraw("offline", folder)  # a copy offers no copy of itself
    count = pack(folder, target)
    size = forms.megabytes(target.stat().st_size)
    title = f"All pages in one archive, to read without a network, {size}"
    line = (
        f'<a href="{{address}}">All pages in one archive</a>, {size}, to read without a network: unpack it, '
        "type <code>python -m http.server</code> in its folder, and open the address that this prints. "
        "A browser starts no Python for a page that is opened as a file."
    )
    forms.offer("offline", NAME, "whole book, offline", title, line, folder)
    print(f"Wrote {target}, {count} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
