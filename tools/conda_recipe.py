"""Write the recipe of conda-forge for a source archive.

    python tools/conda_recipe.py dist/pairint-1.2.3.tar.gz [--maintainer NAME ...] > recipe.yaml

Everything in it is read from the archive and from ``pyproject.toml`` in it, so that nothing is written twice;
the checksum is that of the archive which is given. Whoever hands the recipe in names themself.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import yaml

#: Packages of another name on conda-forge.
NAMES = {"matplotlib": "matplotlib-base"}
ADDRESS = "https://pypi.org/packages/source/p/pairint/pairint-${{ version }}.tar.gz"


def read(archive: Path) -> tuple[dict[str, Any], str]:
    """Return the contents of ``pyproject.toml`` in a source archive, and the archive's version.

    Raises
    ------
    ValueError
        If it is no source archive of the package.
    """
    found = re.fullmatch(r"pairint-(\d[\w.]*)\.tar\.gz", archive.name)
    if found is None:
        raise ValueError(f"a source archive pairint-VERSION.tar.gz is needed, got {archive.name}")
    with tarfile.open(archive) as tar:
        member = tar.extractfile(f"pairint-{found[1]}/pyproject.toml")
        assert member is not None
        return tomllib.loads(member.read().decode()), found[1]


def requirement(text: str) -> str:
    """Return a requirement as conda writes it: ``numpy >=1.26``."""
    name, bound = re.fullmatch(r"([\w-]+)(.*)", text).groups()  # type: ignore[union-attr]
    return f"{NAMES.get(name, name)} {bound.strip()}".strip()


def recipe(archive: Path, maintainers: list[str]) -> dict[str, Any]:
    """Return the recipe (the format of rattler-build, which conda-forge takes)."""
    settings, version = read(archive)
    project = settings["project"]
    python = project["requires-python"].removeprefix(">=")
    about = {
        "summary": project["description"],
        "license": project["license"],
        "license_file": "LICENSE",
    }
    if not project["urls"]["Repository"].split("/")[2].endswith(".invalid"):
        about["repository"] = project["urls"]["Repository"]
    return {
        "schema_version": 1,
        "context": {"version": version, "python_min": python},
        "package": {"name": "pairint", "version": "${{ version }}"},
        "source": {"url": ADDRESS, "sha256": hashlib.sha256(archive.read_bytes()).hexdigest()},
        "build": {
            "number": 0,
            "noarch": "python",
            "script": "${{ PYTHON }} -m pip install . -vv --no-deps --no-build-isolation",
            "python": {"entry_points": [f"{name} = {where}" for name, where in project["scripts"].items()]},
        },
        "requirements": {
            "host": [
                "python ${{ python_min }}.*",
                "pip",
                *map(requirement, settings["build-system"]["requires"]),
            ],
            "run": ["python >=${{ python_min }}", *map(requirement, project["dependencies"])],
        },
        "tests": [
            {
                "python": {
                    "imports": ["pairint", "pairint.estimation", "pairint.theory", "pairint.aim"],
                    "python_version": "${{ python_min }}.*",
                    "pip_check": True,
                }
            },
            {"script": ["pairint list"]},
        ],
        "about": about,
        "extra": {"recipe-maintainers": maintainers},
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the recipe of conda-forge for a source archive.")
    parser.add_argument("archive", type=Path)
    parser.add_argument("--maintainer", action="append", default=[], metavar="NAME", help="of GitHub")
    options = parser.parse_args(arguments)
    try:
        found = recipe(options.archive, options.maintainer)
    except (ValueError, OSError, KeyError, tarfile.TarError) as error:
        print(f"No recipe: {error}", file=sys.stderr)
        return 2
    yaml.safe_dump(found, sys.stdout, sort_keys=False, allow_unicode=True, width=110)
    return 0


if __name__ == "__main__":
    sys.exit(main())
