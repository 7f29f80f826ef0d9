"""What the book asks of Sphinx beyond its configuration file."""

from __future__ import annotations

import importlib
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


def refuse_dead_widgets(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Warn, which fails the build, about a widget that would need a kernel or another host to appear.

    Interactive figures of this book carry their own script and data; ipywidgets do not.
    """
    for node in doctree.findall(nodes.raw):
        if "application/vnd.jupyter.widget-view+json" in node.astext():
            LOGGER.warning("a Jupyter widget in the page is dead without a kernel", location=docname)


def public_modules(package: str) -> list[ModuleType]:
    """Return the modules of a package, not of its subpackages, that declare what they offer in ``__all__``."""
    parent = importlib.import_module(package)
    names = [f"{package}.{info.name}" for info in pkgutil.iter_modules(parent.__path__) if not info.ispkg]
    modules = [importlib.import_module(name) for name in names if not name.rpartition(".")[2].startswith("_")]
    return [module for module in modules if getattr(module, "__all__", ())]


def describe(package: str) -> str:
    """Return the Markdown that documents the modules of a package: for each a table, then every object in full."""
    parts = []
    for module in public_modules(package):
        names = "\n".join(f"   {name}" for name in module.__all__)
        parts.append(
            f"### `{module.__name__}`\n\n```{{eval-rst}}\n"
            f".. currentmodule:: {module.__name__}\n\n"
            f".. autosummary::\n   :nosignatures:\n\n{names}\n\n"
            f".. automodule:: {module.__name__}\n   :members:\n```\n"
        )
    return "\n".join(parts)


def expand_api(app: Sphinx, docname: str, content: list[str]) -> None:
    """Replace each line ``% modules of PACKAGE`` by the documentation of that package's modules."""
    content[0] = re.sub(r"(?m)^% modules of ([\w.]+)$", lambda match: describe(match[1]), content[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hooks."""
    app.connect("config-inited", choose_mathjax)
    app.connect("source-read", expand_api)
    app.connect("doctree-resolved", refuse_dead_widgets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
