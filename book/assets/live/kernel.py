"""Runs the cells of a page: what Jupyter's kernel does for them, in a worker of the browser."""

import ast
import base64
import hashlib
import html
import importlib
import importlib.machinery
import io
import linecache
import os
import re
import site
import sys
import traceback
import types
import zipfile

os.environ["PAIRINT_STATIC"] = "1"  # interactive figures give plain HTML
os.environ["MPLBACKEND"] = "Agg"

# The book's pictures enter its pages through matplotlib-inline, which cuts the margins off at this resolution.
DPI = 100

SHOWN_TYPES = (
    ("_repr_html_", "html"),
    ("_repr_svg_", "svg"),
)


MADE = 1_000_000_000  # seconds since 1970: every file is as old, so that what was compiled from it stays good


class Parts:
    """Finds what is not there yet: a package is cut into parts, and each is unpacked when it is first imported."""

    def __init__(self, files, host, folder):
        """Take what the list says of each part, and where to get one.

        ``host.provide(name)`` gives the bytes of a part, and ``host.accept(name)`` is told that they were the right
        ones; ``host.compiled(name)`` gives what an earlier page compiled of it, or nothing;
        ``host.library(path)`` loads a library that others link to.
        """
        self.files, self.host, self.folder = files, host, folder
        self.waiting = set(files)
        self.known = {}  # compiled files of each part that is here, as far as the browser's cache has them

    def find_spec(self, name, path=None, target=None):
        if name not in self.waiting:
            return None
        self.unpack(name)
        importlib.invalidate_caches()
        return importlib.machinery.PathFinder.find_spec(name, path)

    def unpack(self, name):
        file = self.files[name]
        for other in file.get("needs", ()):
            if other in self.waiting:
                self.unpack(other)
        try:
            content = self.host.provide(name).to_bytes()
        except Exception as error:
            raise ImportError(f"{name} could not be fetched: {error}", name=name) from None
        if hashlib.sha256(content).hexdigest() != file["sha256"]:
            raise ImportError(
                f"{name} is not the file that this book was built with: the book was updated since, or the "
                "copy on this host is damaged. Reload the page",
                name=name,
            )
        self.waiting.discard(name)
        self.host.accept(name)
        inside = self.extract(content)
        if name == "openblas":
            for each in inside:
                self.host.library(os.path.join(self.folder, each))
            return
        self.known[name] = set()
        if (compiled := self.host.compiled(name)) is not None:
            self.known[name] = set(self.extract(compiled.to_bytes()))

    def extract(self, content):
        """Unpack an archive; return the names of its files."""
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            for name in names:
                path = os.path.join(self.folder, name)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(archive.read(name))
                os.utime(path, (MADE, MADE))
        return names

    def compiled(self):
        """Yield the parts of which more was compiled than the cache has, each with all of it as an archive."""
        found = {name: [] for name in self.known}
        for folder, _, files in os.walk(self.folder):
            if os.path.basename(folder) == "__pycache__":
                inside = os.path.relpath(folder, self.folder).split(os.sep)[:-1]
                part = (
                    next((p for p in (".".join(inside[:2]), inside[0]) if p in found), None)
                    if inside
                    else None
                )
                if part:
                    found[part] += [
                        os.path.relpath(os.path.join(folder, file), self.folder) for file in files
                    ]
        for part, names in found.items():
            if set(names) - self.known[part]:
                buffer = io.BytesIO()
                with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                    for name in names:
                        archive.write(os.path.join(self.folder, name), name)
                self.known[part] = set(names)
                yield part, buffer.getvalue()


def install(files, host):
    """Let imports find the parts of packages."""
    sys.dont_write_bytecode = False
    parts = Parts(files, host, site.getsitepackages()[0])
    sys.meta_path.append(parts)
    return parts


def prepare(kernel):
    """Import what every page needs, so that its first cell is not blamed for it."""
    stand_for_ipython(kernel.display)
    importlib.import_module("pairint")


class Rich:
    """A text with its kind, as ``IPython.display`` has them."""

    def __init__(self, data):
        self.data = str(data)


class HTML(Rich):
    def _repr_html_(self):
        return self.data


class SVG(Rich):
    def _repr_svg_(self):
        return self.data


class Markdown(Rich):
    def _repr_html_(self):
        return rendered(self.data)


class Math(Markdown):
    def __init__(self, data):
        super().__init__(f"${data.strip().strip('$')}$")


class Latex(Math):
    pass


def rendered(text):
    """Return Markdown, tables and formulas included, as HTML; formulas are left to the page's MathJax."""
    from markdown_it import MarkdownIt

    formulas = []

    def put_away(match):
        formulas.append(html.escape(match[1]))
        return f"\ue000{len(formulas) - 1}\ue001"  # characters of no meaning, which Markdown leaves alone

    shown = MarkdownIt("commonmark").enable("table").render(re.sub(r"\$([^$`]+)\$", put_away, text))
    return re.sub(
        "\ue000([0-9]+)\ue001",
        lambda match: rf'<span class="math notranslate nohighlight">\({formulas[int(match[1])]}\)</span>',
        shown,
    )


def stand_for_ipython(display):
    """Let cells import from ``IPython.display`` what shows their results, without all of IPython."""
    package, module = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    module.display = display
    for kind in (HTML, SVG, Markdown, Math, Latex):
        setattr(module, kind.__name__, kind)
    package.display, package.get_ipython, package.__path__ = module, lambda: None, []
    for each in (package, module):
        each.__spec__ = importlib.machinery.ModuleSpec(each.__name__, None)
        sys.modules[each.__name__] = each


class Stream(io.TextIOBase):
    """A text stream that passes on whatever is written."""

    def __init__(self, emit, kind):
        self.emit, self.kind = emit, kind

    def writable(self):
        return True

    def write(self, text):
        if text:
            self.emit(self.kind, text)
        return len(text)


class Kernel:
    """One page's names, and the cells that were run."""

    def __init__(self, emit):
        """Take ``emit(kind, content)``: kinds are stdout, stderr, text, html, svg, png, error."""
        self.emit = emit
        self.names = {"__name__": "__main__", "__builtins__": __builtins__, "display": self.display}
        self.drawn = []  # figures that this cell has shown already
        self.figures = {}  # those that move, by the names of their elements
        sys.stdout, sys.stderr = Stream(emit, "stdout"), Stream(emit, "stderr")

    def display(self, *values):
        """Show values as a notebook does: a figure as a picture, a table as a table, else its repr."""
        for value in values:
            self.show(value)

    def show(self, value):
        if value is None:
            return
        pyplot = sys.modules.get("matplotlib.pyplot")
        figure = sys.modules.get("matplotlib.figure")
        if figure is not None and isinstance(value, figure.Figure):
            if not any(value is each for each in self.drawn):
                self.drawn.append(value)
                self.emit("png", picture(value))
            if pyplot is not None:
                pyplot.close(value)
            return
        if callable(getattr(value, "to_html", None)) and callable(getattr(value, "simulate", None)):
            name = f"live-{len(self.figures) + 1}"  # the page as built has names of its own
            self.figures[name] = value
            self.emit("html", value.to_html(name))
            return
        bundle = getattr(value, "_repr_mimebundle_", None)
        if callable(bundle) and not isinstance(value, type):
            found = bundle()  # interactive figures have their HTML here
            found = found[0] if isinstance(found, tuple) else found
            if found and "text/html" in found:
                self.emit("html", found["text/html"])
                return
        for method, kind in SHOWN_TYPES:
            represent = getattr(value, method, None)
            if callable(represent) and not isinstance(value, type):
                content = represent()
                if content is not None:
                    self.emit(kind, content)
                    return
        self.emit("text", repr(value))

    def simulate(self, name, values, report):
        """Return what draws fresh data for a figure, call by call: points as JSON, nothing at the end."""
        import json

        import numpy as np

        drawing = self.figures[name].simulate(values.to_py(), np.random.default_rng(), report)

        def further():
            added = next(drawing, None)
            if added is None:
                return None
            lists = {
                key: {column: np.asarray(v, dtype=float).tolist() for column, v in points.items()}
                for key, points in added.items()
            }
            return json.dumps(lists)

        return further

    def flush(self):
        """Show the figures that pyplot holds open, as a notebook does at the end of a cell."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        if pyplot is not None:
            for number in pyplot.get_fignums():
                self.show(pyplot.figure(number))
            pyplot.close("all")

    def run(self, source, name):
        """Run a cell; show its output and the value of its last line. Return whether it ended well."""
        file = f"<{name}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        self.drawn = []
        try:
            tree = ast.parse(source, file)
            last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, file, "exec"), self.names)
            if last is not None:
                value = eval(compile(ast.Expression(last.value), file, "eval"), self.names)
                if not source.rstrip().endswith(";"):
                    self.show(value)
            self.flush()
        except BaseException as error:  # SystemExit and KeyboardInterrupt end the cell only
            self.emit("error", report(error, file))
            pyplot = sys.modules.get("matplotlib.pyplot")
            if pyplot is not None:
                pyplot.close("all")
            return False
        return True


def picture(figure):
    """Return a figure as PNG, in base64."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", bbox_inches="tight", dpi=figure.dpi or DPI)
    return base64.b64encode(buffer.getvalue()).decode()


def report(error, file):
    """Return the traceback from the reader's own code on; what runs the cell is left out."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()
