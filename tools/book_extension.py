"""What the book asks of Sphinx beyond its configuration file."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import operator
import os
import pkgutil
import re
import shutil
from collections.abc import Container
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import repository
import sphinx.ext.autodoc
import sphinx.ext.autodoc.typehints
import theory_map
from docutils import nodes
from plain_markdown import Book
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging
from sphinx.util.typing import stringify_annotation

LOGGER = logging.getLogger(__name__)
LOCAL_MATHJAX = "vendor/mathjax/startup.js"


def choose_mathjax(app: Sphinx, config: Config) -> None:
    """Serve MathJax from the book when it was fetched; otherwise Sphinx's default address stands."""
    if (Path(app.srcdir) / "book" / "assets" / LOCAL_MATHJAX).is_file():
        config.mathjax_path = "math.js"  # fetches it when the page has been shown
        config.mathjax_options = {"defer": "defer"}
        config.myst_update_mathjax = False  # math.js says which formulas there are
    else:
        LOGGER.info("MathJax was not fetched: pages will ask %s", config.mathjax_path)


def name_inventory(app: Sphinx, config: Config) -> None:
    """Say in ``objects.inv``, which other projects read to link here, whose names these are."""
    config.project = "pairint"
    config.version = config.release = repository.release(Path(app.srcdir)).removeprefix("v")


def choose_buttons(app: Sphinx, config: Config) -> None:
    """Lead the buttons to the repository, at the commit of the page; without an address, show none."""
    root = Path(app.srcdir)
    options, url = config.html_theme_options, repository.address(root)
    options["use_repository_button"] = url is not None
    if url is None:
        options["launch_buttons"] = {}
        options["repository_url"] = ""  # Jupyter Book's default is its own
        return
    options["repository_url"], options["repository_branch"] = url, repository.commit(root)
    if urlsplit(url).hostname != "github.com":
        options["launch_buttons"].pop("colab_url", None)  # Colab opens no other host


def offer_notebook(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any) -> None:
    """Let readers download a page as a notebook; the theme does so beside launch buttons only."""
    if doctree is not None and (Path(app.srcdir) / f"{pagename}.ipynb").is_file():
        context["ipynb_source"] = f"{pagename}.ipynb"


def copy_notebook(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any) -> None:
    """Give for download the notebook beside the page, in place of the theme's, whose text is MyST."""
    notebook = Path(app.srcdir) / f"{pagename}.ipynb"
    if doctree is not None and notebook.is_file():
        target = Path(app.outdir) / "_sources" / f"{pagename}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(notebook, target)


def refuse_other_numbers(app: Sphinx, env: Any) -> None:
    """Warn, which fails the build, where a notebook would call a theorem or an equation by another number."""
    numbers = {
        nodes.make_id(identifier.removeprefix("equation-")): ".".join(map(str, number))
        for kinds in env.toc_fignumbers.values()
        for identifiers in kinds.values()
        for identifier, number in identifiers.items()
    }
    for label, named in Book(Path(app.srcdir)).labels.items():
        number = numbers.get(nodes.make_id(label)) if isinstance(label, str) else named.number
        if number != named.number:
            LOGGER.warning(
                "%r has the number %s here, and %s in its notebook",
                label,
                number,
                named.number,
                location=named.page,
            )


def public_name(found: Any, known: Container[str]) -> str | None:
    """Return the name under which an object of the package is documented, or ``None`` if it is not."""
    parts = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}".split(".")
    # What pairint.model.tokens defines is documented as pairint.model's; pairint.backend's is its own.
    names = (".".join(parts[:2] + parts[start:]) for start in (2, 3))
    return next((name for name in names if name in known), None)


def locate(target: str, context: str, owner: str | None) -> Any:
    """Return the object that a docstring names: in full, or as seen from its class, package or modules."""
    if target.startswith("pairint."):
        parts = target.split(".")
        scopes = [(".".join(parts[:cut]), ".".join(parts[cut:])) for cut in range(len(parts) - 1, 0, -1)]
    else:
        inside = pkgutil.iter_modules(getattr(importlib.import_module(context), "__path__", ()))
        modules = [context, *(f"{context}.{info.name}" for info in inside)]
        scopes = [(context, f"{owner}.{target}"), *((module, target) for module in modules)]
    for module, name in scopes:
        # A package may offer a function of the name of a module: pairint.aim.amp. The module is meant here.
        with contextlib.suppress(ImportError, AttributeError):
            return operator.attrgetter(name)(importlib.import_module(module))
    return None


def follow_to_public_name(
    app: Sphinx, env: Any, node: nodes.Element, content: nodes.Element
) -> nodes.Node | None:
    """Resolve a reference to an object of the package, wherever the object is defined.

    What the reference page leaves out is named without a link. What does not exist stays unresolved: the
    build fails.
    """
    if node.get("refdomain") != "py":
        return None
    found = locate(node.get("reftarget", ""), node.get("py:module") or "pairint", node.get("py:class"))
    if found is None:
        return None
    domain = env.get_domain("py")
    name = public_name(found, domain.objects)
    if name is None:
        return content
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, content)


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


#: Methods that scikit-learn adds to estimators whose fit takes weights, with references to its own pages.
FOREIGN = "set_fit_request, set_predict_request, set_score_request"


def summary(package: str, names: list[str]) -> str:
    """Return the Markdown that lists objects of a package, each with its first sentence."""
    table = "\n".join(f"   {name}" for name in names)
    return (
        f"From `{package}`:\n\n```{{eval-rst}}\n.. currentmodule:: {package}\n\n"
        f".. autosummary::\n   :nosignatures:\n\n{table}\n```\n"
    )


def describe(package: str, names: list[str]) -> str:
    """Return the Markdown that documents objects of a package in full."""
    module = importlib.import_module(package)
    full = "\n".join(
        f".. autoclass:: {name}\n   :members:\n   :exclude-members: {FOREIGN}\n"
        if inspect.isclass(getattr(module, name))
        else f".. autofunction:: {name}\n"
        for name in names
    )
    return f"From `{package}`:\n\n```{{eval-rst}}\n.. currentmodule:: {package}\n\n{full}```\n"


def keep_one_search_box(app: Sphinx, config: Config) -> None:
    """Empty the theme's top bar: its search box would be the second one on the page."""
    config.html_theme_options.setdefault("navbar_persistent", [])


NAMES = re.compile(r"(?m)^% names of ([\w.]+): (.*)$")


def section(text: str, heading: str) -> str:
    """Return the part of a page under a heading of the second level.

    Raises
    ------
    ValueError
        If the page has no such heading.
    """
    found = re.search(rf"(?ms)^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text)
    if found is None:
        raise ValueError(f"the page of the package has no section {heading!r}")
    return found[1]


def expand_api(app: Sphinx, docname: str, content: list[str]) -> None:
    """Fill the pages of the package: a table of the names on the first, each in full on that of its section.

    On the first page, ``book/api``, a line ``% front door`` gives the names of the front door, and
    ``% names of PACKAGE: NAME, NAME`` those of a package. On another page ``% in full: HEADING`` documents
    the names that the first has under that heading.
    """
    home = {name: package for package, names in NAMES.findall(content[0]) for name in names.split(", ")}
    door = ", ".join(
        f"{{py:obj}}`~{home[name]}.{name}`" if name in home else f"`{name}`"
        for name in importlib.import_module("pairint").__all__
    )
    content[0] = re.sub(r"(?m)^% front door$", lambda _: door, content[0])
    content[0] = NAMES.sub(lambda match: summary(match[1], match[2].split(", ")), content[0])
    asked = re.search(r"(?m)^% in full: (.*)$", content[0])
    if asked:
        source = Path(app.srcdir) / "book" / "api.md"
        app.env.note_dependency(str(source))
        listed = NAMES.findall(section(source.read_text(encoding="utf-8"), asked[1]))
        full = "\n".join(describe(package, names.split(", ")) for package, names in listed)
        content[0] = content[0].replace(asked[0], full)


def expand_map(app: Sphinx, docname: str, content: list[str]) -> None:
    """Draw the map of the theory on its page, and open each page of it with its own part of it.

    Anew whenever a page of the map has changed.
    """
    pages, drawn = theory_map.sources(Path(app.srcdir))
    page = docname.removeprefix("book/")
    if page not in drawn:
        return
    if page == "map":
        content[0] = theory_map.expand(content[0], pages, drawn)
    else:
        statements = theory_map.part(theory_map.read(pages), drawn)
        content[0] = theory_map.open_with_excerpt(content[0], statements, page)
    for each in drawn:
        app.env.note_dependency(app.env.doc2path(f"book/{each}"))


#: Run before a page is drawn, so that code and proofs do not flash up: are they folded, or to be seen?
#: Where book.js, which has the switches, does not arrive, all is shown.
READ_CHOICE = """\
for (const name of ["code", "proofs"]) {
  const chosen = document.documentElement.dataset;
  chosen[name] = "folded";
  try { if (localStorage.getItem(`pairint-${name}`) === "shown") chosen[name] = "shown"; } catch {}
  addEventListener("load", () => document.querySelector(`.${name}-switch`) || delete chosen[name]); }
"""


def leave_out_thebe(app: Sphinx) -> None:
    """Take out thebe, which Jupyter Book always brings in: it runs a program of another host in the page."""
    listeners = [each for of_event in app.events.listeners.values() for each in of_event]
    for listener in listeners:
        if listener.handler.__module__ == "sphinx_thebe":
            app.disconnect(listener.id)
    app.registry.css_files = [each for each in app.registry.css_files if each[0] != "sphinx-thebe.css"]


def drop_repeated_scripts(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any) -> None:
    """Keep one copy of each script: inline ones come twice, and constants may not be declared again."""
    kept, seen = [], set()
    for script in context.get("script_files", ()):
        identity = (script.filename or "", script.attributes.get("body"))
        if identity not in seen:
            seen.add(identity)
            kept.append(script)
    context["script_files"] = kept


#: A formula in a line, and the signs that belong to it: no line may begin with these.
FORMULA = re.compile(
    r"""([(\[“]*)(<span class="math notranslate nohighlight">[^<]*</span>)([.,;:!?)\]”’]*)"""
)


def held(html: str) -> str:
    """Return a page on which a full stop, a comma or a bracket stays on the line of its formula."""

    def together(found: re.Match[str]) -> str:
        before, formula, after = found.groups()
        return f'<span class="held">{found[0]}</span>' if before or after else formula

    return FORMULA.sub(together, html)


def hold_signs(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: Any) -> None:
    """Keep formulas and their punctuation together."""
    if "body" in context:
        context["body"] = held(context["body"])


#: ``NDArray[np.float64]`` as Python sees it; the docstring says shape and kind.
ARRAY_TYPE = re.compile(r"ndarray\[(?:[^\[\]]|\[[^\[\]]*\])*\]")


def short_type(annotation: Any, mode: str = "fully-qualified-except-typing", **options: Any) -> str:
    """Write an annotation as Sphinx does, but arrays without what every array's type says."""
    return ARRAY_TYPE.sub("ndarray", stringify_annotation(annotation, mode, **options))  # type: ignore[arg-type]


class Sentences:
    """Texts of attributes as they are written.

    Of "Weights: they add to one" napoleon takes the first word for a type, as NumPy's style has it. It does
    nothing else to such a text, so that its work is undone.
    """

    def __init__(self) -> None:
        self.written: dict[str, list[str]] = {}

    def keep(self, _app: Any, what: str, name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
        """Remember a text: for the event before napoleon's."""
        if what in {"attribute", "data", "property"}:
            self.written[name] = lines[:]

    def restore(self, _app: Any, _what: str, name: str, _obj: Any, _options: Any, lines: list[str]) -> None:
        """Put it back: for the event after napoleon's."""
        lines[:] = self.written.pop(name, lines)


def plain_reference(app: Sphinx) -> None:
    """Let the reference write types shortly, and texts of attributes as they are."""
    # No setting of autodoc says how a type is written.
    sphinx.ext.autodoc.stringify_annotation = sphinx.ext.autodoc.typehints.stringify_annotation = short_type
    sentences = Sentences()
    app.connect("autodoc-process-docstring", sentences.keep, priority=400)  # napoleon's is at 500
    app.connect("autodoc-process-docstring", sentences.restore, priority=600)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hooks."""
    plain_reference(app)
    # Kernels started by the build inherit this: interactive figures then give plain HTML, not widgets.
    os.environ["PAIRINT_STATIC"] = "1"
    leave_out_thebe(app)
    app.add_js_file(None, body=READ_CHOICE)
    app.connect("config-inited", choose_mathjax)
    app.connect("config-inited", name_inventory)
    app.connect("config-inited", choose_buttons)
    app.connect("config-inited", keep_one_search_box)
    app.connect("source-read", expand_api)
    app.connect("source-read", expand_map)
    app.connect("missing-reference", follow_to_public_name)
    app.connect("html-page-context", offer_notebook)  # before the theme's, which are at 501
    app.connect("html-page-context", copy_notebook, priority=600)  # after the theme's own
    app.connect("env-check-consistency", refuse_other_numbers)
    app.connect("html-page-context", hold_signs)
    app.connect("html-page-context", drop_repeated_scripts, priority=900)
    app.connect("doctree-resolved", refuse_dead_widgets)
    app.connect("doctree-resolved", refuse_names_of_pictures)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
