"""One script per figure from the shared library and the figure's own module, for a page and for a kernel.

The two sources are ES modules. In a page opened from disk a module cannot import another, and a widget
carries one text: so they are joined, the way a bundler would: import lines go, ``export`` goes, one tail puts
the figure in place.
"""

from __future__ import annotations

import functools
import html
import json
import re
from pathlib import Path
from typing import Any

__all__ = ["page", "page_fragment", "widget_module"]

_FOLDER = Path(__file__).resolve().parents[1]

#: The book's theme gives the outputs of cells a light card in dark mode; these figures have their own.
_PAGE_CSS = (
    "html[data-theme] .bd-content div.cell_output .output.text_html:has(.pairint-explorer)"
    "{background:none;padding:0;overflow:visible}"
    ".pairint-explorer{display:block;margin:1rem 0;scroll-margin-top:5rem}"
    ".pairint-explorer>figure{margin:0}.pairint-explorer>figure img{max-width:100%;height:auto}"
)


@functools.cache
def _sources(module: str) -> str:
    """Return the joined sources: styles, what the figure's module imports, the module itself."""
    css = json.dumps(_squeeze_css(_read("kit/plotkit.css")))
    parts = [f"const PLOTKIT_CSS = {css};"]
    imported = re.findall(r'^import [^;]* from "\./([\w/]+\.js)";', _read(module), flags=re.MULTILINE)
    for name in dict.fromkeys(["kit/plotkit.js", *imported, module]):
        text = re.sub(r"^import [^;]*;\n", "", _read(name), flags=re.MULTILINE)
        text = re.sub(r"^export (?=(?:async )?function|const)", "", text, flags=re.MULTILINE)
        # Comments on lines of their own and indentation are for readers of the sources.
        lines = (line.strip() for line in text.splitlines())
        parts.append("\n".join(line for line in lines if line and not line.startswith("//")))
    return "\n".join(parts)


def _read(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


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
    return f"{_sources(module)}\n{tail}\n"


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
        f'mount({{ model: staticModel(JSON.parse(el.querySelector("script").textContent)), el, compute }});'
    )
    return (
        f'<div class="pairint-explorer" id="{element_id}" data-picture>'
        f"<style>{_PAGE_CSS}</style>"
        f'<figure slot="picture"><img src="{picture}" alt="{html.escape(alt)}"></figure>'
        f'<script type="application/json">{text}</script></div>\n'
        f'<script type="module">\n{_sources(module)}\n{tail}\n</script>'
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
