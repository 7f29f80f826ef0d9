"""One script per figure from the shared library and the figure's own module, for a page and for a kernel.

The sources are ES modules. In a page opened from disk a module cannot import another, and a widget
carries one text: so they are joined, the way a bundler would: import lines go, ``export`` goes, one tail puts
the figure in place.
"""

from __future__ import annotations

import functools
import html
import json
import posixpath
import re
from importlib import resources
from typing import Any

__all__ = ["joined", "page", "page_fragment", "read_source", "sources", "widget_module"]

#: The book's theme gives the outputs of cells a light card in dark mode; these figures have their own.
_PAGE_CSS = (
    "html[data-theme] .bd-content div.cell_output .output.text_html:has(.pairint-explorer)"
    "{background:none;padding:0;overflow:visible}"
    ".pairint-explorer{display:block;margin:1rem 0;scroll-margin-top:5rem}"
    ".pairint-explorer>figure{margin:0}.pairint-explorer>figure img{max-width:100%;height:auto}"
)


def sources(module: str) -> list[str]:
    """Return the modules that a figure consists of, each once, what a module imports before itself.

    Parameters
    ----------
    module : str
        File name of the figure's ES module, relative to the package ``pairint.explorers``, as all results.
    """
    found: dict[str, None] = {}  # in order

    def visit(name: str) -> None:
        if name not in found:
            for other in re.findall(r'^import [^;]* from "([^"]+)";', read_source(name), flags=re.MULTILINE):
                visit(posixpath.normpath(posixpath.join(posixpath.dirname(name), other)))
            found[name] = None

    # A figure that is no chart over controls brings a mount of its own.
    for name in (module,) if "export function mount(" in read_source(module) else ("kit/mount.js", module):
        visit(name)
    return list(found)


def read_source(name: str) -> str:
    """Return the text of a source file of ``pairint.explorers``, from wherever the package is installed."""
    return resources.files("pairint.explorers").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def joined(module: str) -> str:
    """Return the joined sources: styles, what the figure's module imports, the module itself."""
    own = module.replace(".js", ".css")
    css = read_source("kit/plotkit.css")
    if resources.files("pairint.explorers").joinpath(own).is_file():
        css += read_source(own)
    parts = [f"const PLOTKIT_CSS = {json.dumps(_squeeze_css(css))};"]
    for name in sources(module):
        text = re.sub(r"^import [^;]*;\n", "", read_source(name), flags=re.MULTILINE)
        text = re.sub(r"^export (?=(?:async )?function|const|let)", "", text, flags=re.MULTILINE)
        # Comments on lines of their own and indentation are for readers of the sources.
        lines = (line.strip() for line in text.splitlines())
        parts.append("\n".join(line for line in lines if line and not line.startswith("//")))
    return "\n".join(parts)


def _squeeze_css(text: str) -> str:
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    return re.sub(r"\s*([{};])\s*", r"\1", re.sub(r"\s+", " ", text)).strip()


def widget_module(module: str) -> str:
    """Return the ES module of an anywidget: its default export renders the figure.

    Parameters
    ----------
    module : str
        File name of the figure's ES module.
    """
    tail = "export default { render: ({ model, el }) => mount({ model, el, compute }) };"
    return f"{joined(module)}\n{tail}\n"


def page_fragment(module: str, spec: dict[str, Any], element_id: str, picture: str, alt: str) -> str:
    """Return HTML that shows the figure in any page, with no kernel, no library and no network.

    Parameters
    ----------
    module : str
        File name of the figure's ES module.
    spec : dict
        The description and its data; must be JSON.
    element_id : str
        Identifier of the element, unique in the page; links to a view start with it.
    picture : str
        Address (a ``data:`` URL) of the picture shown on paper and without JavaScript.
    alt : str
        Text alternative of the picture.
    """
    state = {"spec": spec, "live": False}
    text = json.dumps(state, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = text.replace("</", "<\\/")  # the text of a script element ends at the first "</script"
    tail = (
        f"const el = document.getElementById({json.dumps(element_id)});\n"
        'const state = JSON.parse(el.querySelector("script").textContent);\n'
        # Where cells run in the page, Python may draw for this figure.
        "mount({ model: globalThis.pairintLive?.model(el.id, state) ?? staticModel(state), el, compute });"
    )
    return (
        f'<div class="pairint-explorer" id="{element_id}" data-picture>'
        f"<style>{_PAGE_CSS}</style>"
        f'<figure slot="picture"><img src="{picture}" alt="{html.escape(alt)}"></figure>'
        f'<script type="application/json">{text}</script></div>\n'
        f'<script type="module">\n{joined(module)}\n{tail}\n</script>'
    )


def page(title: str, fragments: list[str]) -> str:
    """Return a complete page holding the fragments (used by the tests and to share one figure as a file)."""
    body = "\n".join(fragments)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        '<link rel="icon" href="data:,"><meta name="viewport" content="width=device-width, initial-scale=1">'
        "<style>body{margin:0 auto;max-width:60rem;padding:.5rem}"
        "@media (prefers-color-scheme:dark){body{background:#0d1117}}</style></head>\n"
        f"<body><main>\n{body}\n</main></body></html>\n"
    )
