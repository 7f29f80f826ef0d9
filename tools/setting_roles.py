"""Numbers of the text that a reader can move: the roles ``setting`` and ``computed``.

{setting}`beta` is a number that can be dragged, {computed}`needed` one that follows from them; which there
are says `pairint.explorers.setting`. On paper, in notebooks and without JavaScript both are the numbers of
the book.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst.states import Inliner
from sphinx.application import Sphinx
from sphinx.config import Config

from pairint.explorers.setting import PARAMETERS, QUANTITIES, computed, script

SCRIPT = "setting.js"
KNOWN = {"setting": tuple(p.key for p in PARAMETERS), "computed": tuple(QUANTITIES)}
MOVES = re.compile(r"data-setting|data-computed|data-here|pairint-explorer")


def plain(role: str, name: str) -> str:
    """Return what stands in print for a role of these."""
    if name not in KNOWN[role]:
        raise ValueError(f"{{{role}}} takes one of {', '.join(KNOWN[role])}; got {name!r}")
    return computed(name)


def as_number(
    role: str, rawtext: str, text: str, lineno: int, inliner: Inliner, *_: Any
) -> tuple[list[nodes.Node], list[nodes.system_message]]:
    """Make the node of a role."""
    try:
        words = plain(role, text)
    except ValueError as error:
        message = inliner.reporter.error(str(error), line=lineno)
        return [inliner.problematic(rawtext, rawtext, message)], [message]
    html = f'<span class="{role}-number" data-{role}="{text}">{words}</span>'
    return [nodes.raw(rawtext, html, format="html")], []


def write_script(app: Sphinx, config: Config) -> None:
    """Put the script beside the other static files."""
    folder = Path(app.doctreedir) / "setting"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCRIPT).write_text(script(), encoding="utf-8")
    config.html_static_path.append(str(folder))


def load_script(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any) -> None:
    """Load the script on pages in which something moves."""
    if MOVES.search(context.get("body", "")):
        app.add_js_file(SCRIPT, loading_method="defer")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register roles and script."""
    for role in KNOWN:
        app.add_role(role, as_number)
    app.connect("config-inited", write_script)
    app.connect("html-page-context", load_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
