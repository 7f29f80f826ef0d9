"""Where the project is found: the address in ``pyproject.toml``, and the version that is to be had there.

A host that ends in ``.invalid`` is nobody's, and can never be registered (RFC 2606). While the address is
such a placeholder, the book offers nothing that would fetch code from it: no buttons, no cell that installs.
"""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = re.compile(r"https://[\w.-]+(/[\w-][\w.-]*){2,}")


def address(root: Path = ROOT) -> str | None:
    """Return the address of the repository, from the one place where it is written; nothing if none is set.

    Raises
    ------
    ValueError
        If the address is not of the form ``https://HOST/OWNER/NAME``: it goes into links and into code.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    url = project["urls"]["Repository"]
    if (urlsplit(url).hostname or "").endswith(".invalid"):
        return None
    if not ADDRESS.fullmatch(url):
        raise ValueError(f"Repository in pyproject.toml must be https://HOST/OWNER/NAME, got {url!r}")
    return url


def release(root: Path = ROOT) -> str:
    """Return the tag of this version; ``main`` for a version in development, which has none."""
    text = (root / "pairint" / "_version.py").read_text(encoding="utf-8")
    version = re.search(r'__version__ = "(.*)"', text)[1]
    return "main" if "dev" in version else f"v{version}"


def commit(root: Path = ROOT) -> str:
    """Return the commit that is checked out, or the tag of this version outside of a checkout."""
    if not (root / ".git").exists():
        return release(root)
    command = ["git", "rev-parse", "HEAD"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
