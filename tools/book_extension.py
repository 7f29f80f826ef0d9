"""What the book asks of Sphinx beyond its configuration file."""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
LOCAL_MATHJAX = "vendor/mathjax/tex-chtml.js"


def choose_mathjax(app: Sphinx, config: Config) -> None:
    """Serve MathJax from the book when it was fetched; otherwise Sphinx's default address stands."""
    if (Path(app.srcdir) / "book" / "assets" / LOCAL_MATHJAX).is_file():
        config.mathjax_path = LOCAL_MATHJAX
    else:
        LOGGER.info("MathJax was not fetched: pages will ask %s", config.mathjax_path)


def follow_shorter_name(
    app: Sphinx, env: Any, node: nodes.Element, content: nodes.Element
) -> nodes.Node | None:
    """Resolve a reference that names the package re-exporting an object instead of the object's module."""
    target = node.get("reftarget", "")
    package, _, name = target.rpartition(".")
    if node.get("refdomain") != "py" or not package.startswith("pairint"):
        return None
    try:
        found = getattr(importlib.import_module(package), name)
    except (ImportError, AttributeError):
        return None
    full = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
    domain = env.get_domain("py")
    if full == target or full not in domain.objects:
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", full, node, content)


def refuse_dead_widgets(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Warn, which fails the build, about a widget that would need a kernel or another host to appear.

    Interactive figures of this book carry their own script and data; ipywidgets do not.
    """
    for node in doctree.findall(nodes.raw):
        if "application/vnd.jupyter.widget-view+json" in node.astext():
            LOGGER.warning("a Jupyter widget in the page is dead without a kernel", location=docname)


def refuse_names_of_pictures(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Warn, which fails the build, about a figure that is on the page by name only."""
    for node in doctree.findall(nodes.literal_block):
        if re.match(r"<Figure size |<Axes: ", node.astext()):
            LOGGER.warning("a picture is missing: the page shows %r", node.astext().strip(), location=docname)


def public_modules(package: str) -> list[ModuleType]:
    """Return the modules of a package that say what they offer in ``__all__``; of the root, its own only."""
    found = importlib.import_module(package).__path__
    walk = pkgutil.iter_modules if package == "pairint" else pkgutil.walk_packages
    names = [info.name for info in walk(found, f"{package}.") if not info.ispkg]
    modules = [importlib.import_module(name) for name in names if not name.rpartition(".")[2].startswith("_")]
    return [module for module in modules if getattr(module, "__all__", ())]


def describe(package: str) -> str:
    """Return the Markdown that documents a package's modules: for each a table, then every object in full."""
    parts = []
    for module in public_modules(package):
        names = "\n".join(f"   {name}" for name in module.__all__ if callable(getattr(module, name)))
        table = f".. autosummary::\n   :nosignatures:\n\n{names}\n\n" if names else ""
        parts.append(
            f"### `{module.__name__}`\n\n```{{eval-rst}}\n"
            f".. currentmodule:: {module.__name__}\n\n"
            f"{table}"
            f".. automodule:: {module.__name__}\n   :members:\n```\n"
        )
    return "\n".join(parts)


def keep_one_search_box(app: Sphinx, config: Config) -> None:
    """Empty the theme's top bar: its search box would be the second one on the page."""
    config.html_theme_options.setdefault("navbar_persistent", [])


def expand_api(app: Sphinx, docname: str, content: list[str]) -> None:
    """Replace each line ``% modules of PACKAGE`` by the documentation of that package's modules."""
    content[0] = re.sub(r"(?m)^% modules of ([\w.]+)$", lambda match: describe(match[1]), content[0])


def drop_repeated_scripts(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any) -> None:
    """Keep one copy of each script: inline ones come twice, and constants may not be declared again."""
    kept, seen = [], set()
    for script in context.get("script_files", ()):
        identity = (script.filename or "", script.attributes.get("body"))
        if identity not in seen:
            seen.add(identity)
            kept.append(script)
    context["script_files"] = kept


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hooks."""
    # Kernels started by the build inherit this: interactive figures then give plain HTML, not widgets.
    os.environ["PAIRINT_STATIC"] = "1"
    app.connect("config-inited", choose_mathjax)
    app.connect("config-inited", keep_one_search_box)
    app.connect("source-read", expand_api)
    app.connect("missing-reference", follow_shorter_name)
    app.connect("html-page-context", drop_repeated_scripts, priority=900)
    app.connect("doctree-resolved", refuse_dead_widgets)
    app.connect("doctree-resolved", refuse_names_of_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
