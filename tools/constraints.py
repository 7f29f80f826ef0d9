"""Write what pip would install today to ``constraints.txt``, the lower bounds to ``constraints-oldest.txt``.

    python tools/constraints.py            refresh both (``make constraints``)
    python tools/constraints.py --check    fail if the second differs from the bounds of pyproject.toml

Nothing is installed: pip resolves, and reports. The resolution is made for the Python that runs this, which
should be the oldest supported, since what suits it suits the later ones.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("book", "classroom", "dask", "lab", "network", "test", "test-browser")
HELD = {"torch": "2.13.0"}  # the network baseline's published numbers were computed with this release
NEWEST = ROOT / "constraints.txt"
OLDEST = ROOT / "constraints-oldest.txt"


def resolve(extras: tuple[str, ...] = EXTRAS) -> dict[str, str]:
    """Return the versions, by name, that pip chooses for the package with these extras; HELD is fixed."""
    with tempfile.TemporaryDirectory() as folder:
        report, held = Path(folder) / "report.json", Path(folder) / "held.txt"
        held.write_text("".join(f"{name}=={version}\n" for name, version in HELD.items()), encoding="utf-8")
        command = [sys.executable, "-m", "pip", "install", "-qq", "--dry-run", "--ignore-installed"]
        command += ["--report", str(report), "-c", str(held), "-e", f".[{','.join(extras)}]"]
        subprocess.run(command, cwd=ROOT, check=True)
        chosen = json.loads(report.read_text(encoding="utf-8"))["install"]
    versions = {item["metadata"]["name"]: item["metadata"]["version"] for item in chosen}
    versions.pop("pairint")
    # A local label such as +cpu names one build of a version, found on one index only.
    return {re.sub(r"[-_.]+", "-", name).lower(): version.split("+")[0] for name, version in versions.items()}


def lower_bounds() -> dict[str, str]:
    """Return the lower bounds, by name, of the package's own dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    bounds = {}
    for requirement in project["dependencies"]:
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)>=([0-9.]+)", requirement)
        if match is None:
            raise SystemExit(f"pyproject.toml: expected NAME>=VERSION, got {requirement!r}")
        bounds[match[1]] = match[2]
    return bounds


def render(versions: dict[str, str], heading: str) -> str:
    """Return the text of a constraints file."""
    lines = [f"{name}=={version}" for name, version in sorted(versions.items())]
    return "\n".join([*(f"# {line}" for line in heading.split("\n")), *lines, ""])


def oldest() -> str:
    """Return the text of ``constraints-oldest.txt``."""
    return render(
        lower_bounds(), "The lower bounds of pyproject.toml, as pins: `make constraints` writes them."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Refresh the constraints files.")
    parser.add_argument("--check", action="store_true", help="only compare the lower bounds")
    if parser.parse_args().check:
        if OLDEST.read_text(encoding="utf-8") != oldest():
            raise SystemExit(
                "constraints-oldest.txt is out of step with pyproject.toml: run `make constraints`"
            )
        return
    OLDEST.write_text(oldest(), encoding="utf-8")
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    heading = f"What the book is built and tested with. Refreshed by `make constraints` (Python {python})."
    NEWEST.write_text(render(resolve(), heading), encoding="utf-8")


if __name__ == "__main__":
    main()
