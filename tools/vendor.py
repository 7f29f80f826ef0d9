"""Fetch the few JavaScript files that the book serves itself, so that no page asks another host for
anything.

    python tools/vendor.py            MathJax, into book/assets/vendor
    python tools/vendor.py --live     the Python that runs pages in the browser (tools/vendor_live.py)
    python tools/vendor.py --tests    axe-core, into _build/vendor, for the accessibility checks

Each archive comes from the npm registry (or the one that ``npm_config_registry`` names) at a pinned
version, and is checked against the SHA-512 written here before one file of it is unpacked. What is
there is not fetched again. Only the standard library is used. Exit status 3: the registry could not be
reached.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import io
import os
import sys
import tarfile
import urllib.request
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOK_ASSETS = ROOT / "book" / "assets" / "vendor"
TEST_ASSETS = ROOT / "_build" / "vendor"
REGISTRY = "https://registry.npmjs.org"
UNREACHABLE = 3


@dataclass(frozen=True)
class Archive:
    """One npm package: what to fetch, how to know it is the right one, which of its files to keep."""

    name: str
    version: str
    sha512: str  # base64, as npm writes it
    prefix: str  # folder inside the archive that becomes the folder `name`
    keep: tuple[str, ...]  # files, or folders ending in "/", below the prefix

    @property
    def path(self) -> str:
        """Return the archive's path on a registry."""
        return f"{self.name}/-/{self.name}-{self.version}.tgz"

    @property
    def stamp(self) -> str:
        """Return what an unpacked folder's ``.version`` file holds."""
        return f"{self.version} {self.sha512} {' '.join(self.keep)}\n"


MATHJAX = Archive(
    name="mathjax",
    version="3.2.2",
    sha512="Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
    prefix="package/es5/",
    keep=(
        "startup.js",  # what book/assets/math.js loads; no menu, which is as large as all of this
        "core.js",
        "input/tex.js",
        "input/tex/extensions/",  # macros that MathJax loads when a page uses them
        "output/chtml.js",
        "output/chtml/fonts/tex.js",
        "output/chtml/fonts/woff-v2/",
        "a11y/assistive-mml.js",  # MathML beside each formula, for screen readers
    ),
)

AXE = Archive(
    name="axe-core",
    version="4.14.1",
    sha512="FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
    prefix="package/",
    keep=("axe.min.js",),
)


class Unreachable(Exception):
    """The registry did not answer."""


def registry() -> str:
    """Return the registry's address, without a closing slash."""
    address = os.environ.get("npm_config_registry") or REGISTRY  # noqa: SIM112  (npm's own spelling)
    return address.rstrip("/")


def download(archive: Archive, timeout: float = 60.0) -> bytes:
    """Return the archive's bytes, checked.

    Raises
    ------
    Unreachable
        If the registry does not answer, or not to the end, or if its address is not one.
    ValueError
        If the bytes are not those pinned here.
    """
    address = f"{registry()}/{archive.path}"
    try:
        with urllib.request.urlopen(address, timeout=timeout) as answer:
            content = answer.read()
    except (OSError, http.client.HTTPException, ValueError) as error:
        # No answer, an answer cut short, or an address that is none.
        raise Unreachable(f"{address}: {error}") from error
    found = base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != archive.sha512:
        raise ValueError(
            f"{address} is not the archive pinned in {Path(__file__).name}: its SHA-512 is {found}"
        )
    return content


def unpack(archive: Archive, content: bytes, folder: Path) -> None:
    """Write the files to keep below ``folder / archive.name``; the stamp comes last."""
    target = folder / archive.name
    kept = set()
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
        for member in tar.getmembers():
            name = member.name.removeprefix(archive.prefix)
            wanted = [k for k in archive.keep if name == k or (k.endswith("/") and name.startswith(k))]
            if not member.isfile() or name == member.name or not wanted or ".." in name.split("/"):
                continue
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with tar.extractfile(member) as file:  # type: ignore[union-attr]  # None for what is no file
                path.write_bytes(file.read())
            kept.update(wanted)
    if missing := set(archive.keep) - kept:
        raise ValueError(f"{archive.path} lacks {sorted(missing)}")
    (target / ".version").write_text(archive.stamp, encoding="utf-8")


def fetch(archive: Archive, folder: Path) -> bool:
    """Make sure that ``folder / archive.name`` holds the files; return whether they had to be fetched."""
    stamp = folder / archive.name / ".version"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == archive.stamp:
        return False
    unpack(archive, download(archive), folder)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch the JavaScript that the book serves itself.")
    parser.add_argument("--tests", action="store_true", help="fetch what the tests need instead")
    parser.add_argument("--live", action="store_true", help="fetch what runs pages in the browser instead")
    options = parser.parse_args()
    archive, folder = (AXE, TEST_ASSETS) if options.tests else (MATHJAX, BOOK_ASSETS)
    try:
        if options.live:
            import vendor_live  # it needs this module

            print(f"Fetched {vendor_live.fetch()} package files for pages that run in the browser")
            return 0
        if fetch(archive, folder):
            print(f"Fetched {archive.name} {archive.version}")
    except Unreachable as error:
        print(f"The registry could not be reached ({error}).", file=sys.stderr)
        return UNREACHABLE
    return 0


if __name__ == "__main__":
    import vendor  # one copy of this module: what tools/vendor_live.py raises is then what main() expects

    sys.exit(vendor.main())
