"""Runs the cells of a page: what Jupyter's kernel does for them, in a worker of the browser."""

import ast
import base64
import io
import linecache
import os
import sys
import traceback

os.environ["PAIRINT_STATIC"] = "1"  # interactive figures give plain HTML
os.environ["MPLBACKEND"] = "Agg"

# The book's pictures enter its pages through matplotlib-inline, which cuts the margins off at this resolution.
DPI = 100

SHOWN_TYPES = (
    ("_repr_html_", "html"),
    ("_repr_svg_", "svg"),
)


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
