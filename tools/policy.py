"""A Content-Security-Policy on every page of the built book: what the build wrote runs, and nothing else.

    python tools/policy.py [FOLDER]

A page may load from its own host only. Of scripts that stand in the page, those run whose SHA-256 the policy
names, which are the ones that the build found there; of handlers in attributes, the few of the theme that are
listed here. A page whose cells run in the browser may also start WebAssembly, and scripts that its own
scripts have made (``blob:``). Styles in attributes are allowed: formulas and figures consist of them, and no
style may load from elsewhere.

The policy stands in the page, as any static host serves it. ``tools/build_book.py`` writes it last.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from repository import ROOT

#: What the theme has in attributes.
HANDLERS = frozenset({"toggleFullScreen()", "window.print()"})
#: Types whose content a browser never runs.
DATA = frozenset({"application/json", "application/ld+json", "text/plain"})
#: The script that shows the button of a page whose cells run in the browser.
LIVE = "_static/live/live.js"

SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)
TAG = re.compile(r"<[a-zA-Z][^<>]*\son[a-z]+\s*=[^<>]*>")
HANDLER = re.compile(r"""\son[a-z]+\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
ATTRIBUTE = re.compile(r"""([\w-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
META = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>\n?')
#: A policy holds for what follows it: it comes first in the head, after the encoding, which must come early.
HEAD = re.compile(r"(<head\b[^>]*>(?:\s*<meta charset=[^>]*>)?\s*)", re.IGNORECASE)


class Refused(ValueError):
    """A page holds a handler that nobody has looked at."""


def source(text: str) -> str:
    """Return how a policy names a script that stands in a page."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")  # as a browser reads it
    return f"'sha256-{base64.b64encode(hashlib.sha256(plain.encode()).digest()).decode()}'"


def attributes(text: str) -> dict[str, str]:
    """Return the attributes of a tag by their names."""
    return {
        match[1].lower(): html.unescape(match[2] or match[3] or match[4] or "")
        for match in ATTRIBUTE.finditer(text)
    }


def scripts(page: str) -> tuple[list[str], list[str]]:
    """Return the scripts that stand in a page, and the addresses of those that it loads."""
    inside, loaded = [], []
    for match in SCRIPT.finditer(page):
        given = attributes(match[1])
        if "src" in given:
            loaded.append(given["src"])
        elif given.get("type", "").lower() not in DATA:
            inside.append(match[2])
    return inside, loaded


def handlers(page: str) -> set[str]:
    """Return the scripts in attributes of a page's tags.

    Raises
    ------
    Refused
        If one is not listed in :data:`HANDLERS`.
    """
    bare = SCRIPT.sub("", page)
    found = {
        html.unescape(next(filter(None, match.groups()), ""))
        for tag in TAG.finditer(bare)
        for match in HANDLER.finditer(tag[0])
    }
    if unknown := found - HANDLERS:
        raise Refused(f"a page holds a handler that tools/policy.py does not list: {min(unknown)!r}")
    return found


def policy(page: str) -> str:
    """Return the policy of a page: its directives, in one line."""
    inside, loaded = scripts(page)
    acts = handlers(page)
    # The one exception, if the registry could not be reached: MathJax from its usual host.
    elsewhere = sorted({f"https://{host}" for each in loaded if (host := urlsplit(each).hostname)})
    live = any(urlsplit(each).path.endswith(LIVE) for each in loaded)
    allowed = ["'self'", *elsewhere, *sorted({source(each) for each in inside})]
    if acts:  # all of them: the search reads other pages, and a browser asks this page's policy about theirs
        allowed += ["'unsafe-hashes'", *sorted(source(each) for each in HANDLERS)]
    if live:
        allowed += ["'wasm-unsafe-eval'", "blob:"]
    directives = {
        "default-src": ["'none'"],
        "script-src": allowed,
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "img-src": ["'self'", "data:", "blob:"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'", "data:", *elsewhere],
        "manifest-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())


def guard(page: str) -> str:
    """Return a page with its policy, in place of one that it had."""
    bare = META.sub("", page)
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy(bare)}">\n'
    shown, count = HEAD.subn(lambda match: f"{match[1]}{meta}", bare, count=1)
    return shown if count else f"{meta}{bare}"  # a page that only sends readers on has no head


def pages(folder: Path) -> list[Path]:
    """Return the pages of a built book; what others wrote and pages only load (``_static``) is no page."""
    return sorted(path for path in folder.rglob("*.html") if path.relative_to(folder).parts[0] not in OTHERS)


#: Folders whose pages are not of the book: templates of the theme, JupyterLab.
OTHERS = frozenset({"_static", "lite"})


def write(folder: Path) -> int:
    """Give each page of a built book its policy; return how many there are."""
    found = pages(folder)
    for path in found:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read()
        try:
            guarded = guard(text)
        except Refused as error:
            raise Refused(f"{path.relative_to(folder)}: {error}") from None
        path.write_text(guarded, encoding="utf-8", newline="")
    if (index := folder / "searchindex.js").is_file():
        index.write_text(close_search(index.read_text(encoding="utf-8")), encoding="utf-8", newline="")
    return len(found)


def close_search(index: str) -> str:
    """Return the index of the search with no words but its own: "constructor" is none of every object.

    Raises
    ------
    Refused
        If the index does not look as this knows it.
    """
    if index.startswith("Search.setIndex({") and OWN in index:
        return index
    closed, count = re.subn(r'"((?:title)?terms)":\s*\{(?=["}\s])', rf'"\1":{{{OWN},', index)
    if not index.startswith("Search.setIndex({") or count != 2:
        raise Refused("searchindex.js does not have its words where tools/policy.py looks for them")
    return closed


#: What a table of words inherits: the one function that the search calls, which no word in small letters is.
OWN = '"__proto__":{"__proto__":null,"hasOwnProperty":Object.prototype.hasOwnProperty}'


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "_build" / "html")
