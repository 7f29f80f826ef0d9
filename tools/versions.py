"""Put the built book into a site that holds each of its versions (``make versions``).

    python tools/versions.py [--site FOLDER] [--name NAME]

The site has a folder for each version, ``v0.1.0`` or ``main`` for one in development, each complete in
itself; an ``index.html`` that leads to the newest release; and a list, ``versions.json``. Every page of every
version has a menu that leads to the same page of the others, and to their first page where they have none.
The menus are plain HTML: nothing is fetched to show them, and a host for files is all that is needed.

A version that is put again takes the place of the earlier one. To take one out, delete its folder, and put
another again.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import forms
import repository
from repository import ROOT

NAME = re.compile(r"v?[0-9A-Za-z][0-9A-Za-z._+-]*")
RELEASE = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
LIST = "versions.json"
MARK = "versions"

FIRST = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Learning pairwise interactions</title>
<meta http-equiv="refresh" content="0; url={newest}/index.html">
<link rel="canonical" href="{newest}/index.html">
<p>The newest version of this book is <a href="{newest}/index.html">{newest}</a>. All versions:</p>
<ul>
{items}
</ul>
</html>
"""


def order(name: str) -> tuple[int, int, int, int]:
    """Return what sorts versions: releases by their numbers, what is in development before all releases."""
    found = RELEASE.fullmatch(name)
    return (1, *map(int, found.groups())) if found else (0, 0, 0, 0)


def versions(site: Path) -> list[str]:
    """Return the versions that a site holds, the newest release first, what is in development last."""
    found = [
        path.name for path in site.iterdir() if (path / "book").is_dir() and (path / "index.html").is_file()
    ]
    return sorted(sorted(found), key=order, reverse=True)


def menu(here: str, page: Path, site: Path, names: list[str]) -> str:
    """Return the menu of a page: where else it is to be read, and which version this is."""
    inside = page.relative_to(site / here)
    items = []
    for name in names:
        target = site / name / inside
        target = target if target.is_file() else site / name / "index.html"
        address = os.path.relpath(target, page.parent).replace(os.sep, "/")
        words = f"{name}, the newest" if name == newest(names) else name
        current = ' aria-current="true"' if name == here else ""
        items.append(
            f'<li><a href="{html.escape(address)}" class="btn btn-sm dropdown-item"{current}>'
            f'<span class="btn__text-container">{html.escape(words)}</span></a></li>'
        )
    old = "" if here == newest(names) else f", not the newest, {newest(names)}"
    return (
        '<div class="dropdown dropdown-versions"><button class="btn dropdown-toggle" type="button" '
        f'data-bs-toggle="dropdown" aria-expanded="false" aria-label="Version {html.escape(here + old)}">'
        f'<span class="btn__text-container">{html.escape(here)}</span></button>'
        f'<ul class="dropdown-menu">{"".join(items)}</ul></div>'
    )


def newest(names: list[str]) -> str:
    """Return the newest release, or what is in development where nothing was released."""
    return names[0]


def put(built: Path, site: Path, name: str) -> list[str]:
    """Put a built book into a site, and bring the menus of all versions up to date; return the versions.

    The copy takes its place when it is whole.

    Raises
    ------
    ValueError
        If the name is no name for a folder.
    FileNotFoundError
        If no book is built there.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"name must be that of a version, like v0.1.0, got {name!r}")
    forms.built(built)
    site.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=site, prefix=".") as scratch:
        shutil.copytree(built, Path(scratch) / "new")
        old = Path(scratch) / "old"
        if (site / name).exists():
            (site / name).rename(old)
        try:
            (Path(scratch) / "new").rename(site / name)
        except OSError:
            if old.exists():
                old.rename(site / name)
            raise
    return refresh(site)


def refresh(site: Path) -> list[str]:
    """Write the menus of all pages, the list of versions and the first page of a site."""
    names = versions(site)
    for here in names:
        folder = site / here
        forms.withdraw(MARK, folder)
        for page in forms.pages(folder):
            text = page.read_text(encoding="utf-8")
            shown = forms.marked(MARK, menu(here, page, site, names))
            page.write_text(text.replace(forms.DOWNLOADS, f"{shown}{forms.DOWNLOADS}", 1), encoding="utf-8")
    items = "\n".join(f'<li><a href="{name}/index.html">{name}</a></li>' for name in names)
    (site / "index.html").write_text(FIRST.format(newest=newest(names), items=items), encoding="utf-8")
    (site / ".nojekyll").touch()
    listed = [{"name": name, "url": f"{name}/", "newest": name == newest(names)} for name in names]
    (site / LIST).write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    return names


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description="Put the built book into a site of all its versions.")
    parser.add_argument("--site", type=Path, default=root / "_build" / "site", help="the folder of the site")
    parser.add_argument("--name", default=repository.release(root), help="the name of this version")
    options = parser.parse_args(arguments)
    try:
        names = put(root / "_build" / "html", options.site, options.name)
    except (FileNotFoundError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Wrote {options.site / options.name}; the site has {', '.join(names)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
