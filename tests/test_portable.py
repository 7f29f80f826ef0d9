"""The package runs on 32 bits and where no process, no thread pool and no Dask exists: in a browser."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest
from narrow_integers import narrow

ROOT = Path(__file__).resolve().parents[1]

#: What WebAssembly lacks, or a plain installation: a module may import it where it is used, not at its top.
MISSING = {
    "_multiprocessing", "_posixsubprocess", "anywidget", "concurrent.futures.process", "cupy", "curses",
    "dask", "distributed", "ipywidgets", "multiprocessing", "psutil", "pty", "resource", "sqlite3", "ssl",
    "termios", "torch",
}  # fmt: skip
#: Imported only for a reader whose kernel draws, who has asked for the extra.
ALLOWED = {("pairint.explorers.kit.live", "anywidget")}


def lacking(module, source):
    """Return what a module imports at its top that is not everywhere."""
    found = set()

    def visit(node):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            return
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            nodes = node.orelse
        elif isinstance(node, ast.Try) and any("ImportError" in ast.unparse(h) for h in node.handlers):
            nodes = [*node.handlers, *node.orelse, *node.finalbody]
        else:
            nodes = ast.iter_child_nodes(node)
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            found.update(bad for bad in MISSING if name == bad or name.startswith(f"{bad}."))
        for child in nodes:
            visit(child)

    visit(ast.parse(source))
    return {name for name in found if (module, name) not in ALLOWED}


@functools.cache
def package():
    files = (ROOT / "pairint").rglob("*.py")
    return {".".join(p.relative_to(ROOT).with_suffix("").parts): p.read_text("utf-8") for p in files}


@pytest.mark.slow
def test_nothing_is_imported_that_a_browser_lacks():
    assert {name: found for name, source in package().items() if (found := lacking(name, source))} == {}


@pytest.mark.slow
def test_no_integer_depends_on_the_platform():
    assert {name: found for name, source in package().items() if (found := narrow(source))} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import multiprocessing", {"multiprocessing"}),
        ("from concurrent.futures import process", {"concurrent.futures.process"}),
        ("from dask.distributed import Client", {"dask"}),
        ("class A:\n    import resource", {"resource"}),
        ("try:\n    import psutil\nfinally:\n    pass", {"psutil"}),
        ("try:\n    import psutil\nexcept ImportError:\n    psutil = None", set()),
        ("def f():\n    import torch", set()),
        ("if TYPE_CHECKING:\n    import torch\nelse:\n    import cupy", {"cupy"}),
        ("import concurrent.futures", set()),
    ],
)
def test_what_a_browser_lacks_is_found(source, found):
    assert lacking("pairint.engine.workers", source) == found


@pytest.mark.parametrize(
    "source",
    [
        "x.astype(int)",
        "np.zeros(3, dtype=int)",
        "np.int_(3)",
        "np.arange(3, dtype='int')",
        "x.astype('l')",
        "np.bincount(x // 2)",
    ],
)
def test_a_narrow_integer_is_found(source):
    assert narrow(source)


@pytest.mark.parametrize(
    "source", ["x.astype(np.int64)", "int(x)", "np.zeros(3, np.intp)", "isinstance(x, int)"]
)
def test_a_wide_integer_is_not_found(source):
    assert narrow(source) == []


@pytest.mark.slow
def test_without_processes_cells_are_computed_one_after_another():
    """As in a browser: without ``_multiprocessing`` neither the standard library nor joblib has processes."""
    code = """
import sys, warnings
for name in ("_multiprocessing", "distributed", "dask"):
    sys.modules[name] = None
from engine_demo import demo
from pairint.engine import sweep, workers
assert not workers._has_processes()
one = sweep.run(demo())
warnings.simplefilter("error")
assert sweep.run(demo(), jobs=-1).equals(one)
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    assert sweep.run(demo(), jobs=2).equals(one)
print(*(str(warning.message) for warning in heard))
"""
    path = [str(ROOT), str(ROOT / "tests" / "support")]
    code = f"import sys; sys.path[:0] = {path!r}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = "no processes can work together here: jobs=2 computes cell after cell"
    assert done.stdout.strip() == said, done.stderr
