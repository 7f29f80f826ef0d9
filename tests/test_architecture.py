"""The rooms of the package and the arrows between them, as CONTRIBUTING draws them."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: What each room may use besides itself; what stands at the top of the package may be used by all.
ARROWS = {
    "top": set(),
    "kernels": set(),
    "model": {"kernels"},
    "estimation": {"model", "kernels"},
    "theory": {"model"},
    "aim": set(),
    "pretrained": set(),
    "engine": set(),
    "figures": {"estimation", "theory", "aim", "model"},
    "experiments": {"engine", "figures", "estimation", "theory", "aim", "model", "pretrained"},
    "explorers": {"experiments", "engine", "figures", "estimation", "theory", "aim", "model"},
    "cli": {"experiments", "engine"},
    "__main__": {"cli"},
}
#: Their readers may have no Matplotlib.
WITHOUT_PICTURES = ("kernels", "model", "estimation", "theory", "aim", "pretrained", "engine", "top")


def room(module):
    part = module.split(".")[1] if "." in module else "top"
    return part if part in ARROWS else "top"


parsed = functools.cache(ast.parse)


def origin(node, name, names):
    """Return the module that a ``from ... import`` of a module names, in full where it is relative."""
    if not node.level:
        return node.module
    package = any(other.startswith(f"{name}.") for other in names)
    parts = name.split(".")
    return ".".join([*parts[: len(parts) - node.level + package], *filter(None, [node.module])])


def imports(name, tree, names):
    """Yield (module, item, when) of each import in a module.

    It happens when the module is imported ("import"), also inside of an ``if`` or a ``try``, when a function
    is called ("call"), or never, being there for a type checker ("types").
    """

    def visit(node, when):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None, when) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = origin(node, name, names)
            for alias in node.names:
                full = f"{module}.{alias.name}"
                yield (full, None, when) if full in names else (module, alias.name, when)
        elif isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for child in node.body:
                yield from visit(child, "types")
            for child in node.orelse:
                yield from visit(child, when)
        else:
            inside = "call" if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else when
            for child in ast.iter_child_nodes(node):
                yield from visit(child, inside)

    yield from visit(tree, "import")


def violations(sources):
    """Return what is wrong with a package, given as a dictionary of its modules' sources."""
    found, arrows = [], {}
    for name, source in sources.items():
        arrows[name] = set()
        for module, item, when in imports(name, parsed(source), sources):
            if module.split(".")[0] == "matplotlib" and when == "import" and room(name) in WITHOUT_PICTURES:
                found.append(f"{name} imports Matplotlib")
            if module.split(".")[0] != "pairint":
                continue
            if room(module) not in ("top", room(name), *ARROWS[room(name)]):
                found.append(f"{name} uses {module}")
            last = item or module.split(".")[-1]
            if last.startswith("_") and not last.endswith("_") and last != "_version":
                found.append(f"{name} takes the private {last}")
            if module in sources and module != name and when != "call":
                arrows[name].add(module)
    return found + [f"circle: {' -> '.join(path)}" for path in circles(arrows)]


def circles(arrows):
    """Return a path for each import that leads back to where it began."""
    found, done = [], set()

    def visit(name, path):
        if name in path:
            circle = path[path.index(name) :]
            first = circle.index(min(circle))
            found.append([*circle[first:], *circle[:first], circle[first]])
        elif name not in done:
            for other in sorted(arrows[name]):
                visit(other, [*path, name])
            done.add(name)

    for name in sorted(arrows):
        visit(name, [])
    return found


def package():
    files = sorted((ROOT / "pairint").rglob("*.py"))
    names = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files}
    return {name.removesuffix(".__init__"): path.read_text("utf-8") for path, name in names.items()}


@pytest.mark.slow
def test_the_package_keeps_to_its_arrows():
    assert violations(package()) == []


TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("model.tokens", "from pairint.theory import Setting", "pairint.model.tokens uses pairint.theory"),
        ("model.tokens", "from ..theory import Setting", "pairint.model.tokens uses pairint.theory"),
        ("model", "from .. import figures", "pairint.model uses pairint.figures"),
        ("engine.sweep", "from pairint import experiments", "pairint.engine.sweep uses pairint.experiments"),
        ("aim.amp", "def f():\n    import pairint.figures", "pairint.aim.amp uses pairint.figures"),
        ("theory.rates", "import matplotlib.pyplot", "pairint.theory.rates imports Matplotlib"),
        (
            "theory.rates",
            "if True:\n    from matplotlib import cm",
            "pairint.theory.rates imports Matplotlib",
        ),
        (
            "theory.rates",
            "try:\n    import matplotlib\nexcept ImportError:\n    pass",
            "pairint.theory.rates imports Matplotlib",
        ),
        (
            "theory.rates",
            TYPES + "pass\nelse:\n    import matplotlib",
            "pairint.theory.rates imports Matplotlib",
        ),
        ("cli", "from pairint.engine.sweep import _like", "pairint.cli takes the private _like"),
        ("cli", "from .engine import _like", "pairint.cli takes the private _like"),
        ("backend", "import pairint.validation", "circle: pairint.backend -> pairint.validation"),
        ("backend", "from . import validation", "circle: pairint.backend -> pairint.validation"),
        ("backend", TYPES + "import pairint.validation", "circle: pairint.backend -> pairint.validation"),
    ],
)
def test_what_is_not_allowed_is_found(module, source, wrong):
    assert any(text.startswith(wrong) for text in violations(package() | {f"pairint.{module}": source}))


@pytest.mark.parametrize("source", ["def f():\n    import matplotlib", TYPES + "import matplotlib"])
def test_what_is_allowed_is_not_found(source):
    assert violations({"pairint.theory.rates": source}) == []


def executes(source):
    """Return what in a module could run code that it reads: unpickling, evaluation, a shell."""
    modules = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "yaml"}
    calls = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
    found = {module for module, *_ in imports("", parsed(source), {}) if module.split(".")[0] in modules}
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            found |= {name} & calls
            found |= {name} if name.endswith(("read_pickle", "joblib.load", "torch.load")) else set()
            found |= {key.arg for key in node.keywords} & {"allow_pickle", "shell"}
    return found


@pytest.mark.slow
def test_nothing_that_is_read_is_executed():
    """As SECURITY.md says of results folders and of settings."""
    assert {name: found for name, source in package().items() if (found := executes(source))} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f():\n    import pickle", "pickle"),
        ("from yaml import load", "yaml"),
        ("x = eval('1')", "eval"),
        ("np.load(file, allow_pickle=True)", "allow_pickle"),
        ("pd.read_pickle(file)", "pd.read_pickle"),
        ("subprocess.run(text, shell=True)", "shell"),
    ],
)
def test_what_would_be_executed_is_found(source, found):
    assert executes(source) == {found}
