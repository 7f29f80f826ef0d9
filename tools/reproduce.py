"""Is the book the same byte for byte when it is built again? `make reproduce`.

    python tools/reproduce.py            build the last commit twice, each in a clean clone, and compare
    python tools/reproduce.py ONE TWO    compare two folders, such as two `_build/html`

Differences are listed, each with the first place where the files part. The exit code is 1 if there are any.
Every cell is executed twice: a quarter of an hour on two cores.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from repository import ROOT

CONTEXT = 60  # characters shown around the first difference


def digests(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file of a folder by its path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def first_difference(one: bytes, two: bytes) -> str:
    """Say where two files part, and what stands there in each."""
    pairs = enumerate(zip(one, two, strict=False))
    at = next((place for place, (here, there) in pairs if here != there), min(len(one), len(two)))
    line = one.count(b"\n", 0, at) + 1
    shown = [text[max(0, at - CONTEXT // 2) : at + CONTEXT].decode("utf-8", "replace") for text in (one, two)]
    return f"line {line}: {shown[0]!r}\n{'':{len(f'  line {line}: ') - 2}}{shown[1]!r}"


def compare(one: Path, two: Path) -> list[str]:
    """Return a paragraph for each file that differs, or is in one folder only.

    Raises
    ------
    FileNotFoundError
        If one of them is no folder with files: nothing would differ.
    """
    found = digests(one), digests(two)
    for folder, files in zip((one, two), found, strict=True):
        if not files:
            raise FileNotFoundError(f"{folder} holds no files to compare")
    listed = []
    for name in sorted(found[0].keys() | found[1].keys()):
        here, there = found[0].get(name), found[1].get(name)
        if here is None or there is None:
            listed.append(f"{name}: in {one if there is None else two} only")
        elif here != there:
            listed.append(
                f"{name}\n  {first_difference((one / name).read_bytes(), (two / name).read_bytes())}"
            )
    return listed


def build(folder: Path) -> Path:
    """Build the last commit in a clean clone, every cell executed; return the folder of its pages."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)], check=True)
    vendored = Path("book") / "assets" / "vendor"
    if (ROOT / vendored).is_dir():  # checked against its hashes when it was fetched, and here again
        shutil.copytree(ROOT / vendored, folder / vendored)
    subprocess.run(
        [sys.executable, "tools/build_book.py", "--fresh"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return folder / "_build" / "html"


def main(arguments: list[str]) -> int:
    with tempfile.TemporaryDirectory() as scratch:
        if arguments:
            one, two = map(Path, arguments)
        else:
            one, two = (build(Path(scratch) / name) for name in ("one", "another one"))
        listed = compare(one, two)
        count = len(digests(one))
    print(*listed, sep="\n")
    print(f"{len(listed)} of {count} files differ" if listed else f"all {count} files are the same")
    return int(bool(listed))


if __name__ == "__main__":
    if len(sys.argv) not in (1, 3):
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
