"""The rooms of the package and the arrows between them, as CONTRIBUTING draws them."""

import ast
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
    "engine": set(),
    "figures": {"estimation", "theory", "aim", "model"},
    "experiments": {"engine", "figures", "estimation", "theory", "aim", "model"},
    "explorers": {"experiments", "engine", "figures", "estimation", "theory", "aim", "model"},
    "cli": {"experiments", "engine"},
}
#: Their readers may have no Matplotlib.
WITHOUT_PICTURES = ("kernels", "model", "estimation", "theory", "aim", "engine", "top")


def room(module):
    part = module.split(".")[1] if "." in module else "top"
    return part if part in ARROWS else "top"


def imports(tree, names):
    """Yield (module, name, whether at the top) of each import of the package's own, and of Matplotlib."""
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                module, name = (full, None) if full in names else (node.module, alias.name)
                yield module, name, id(node) in top
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None, id(node) in top


def violations(sources):
    """Return what is wrong with a package, given as a dictionary of its modules' sources."""
    found, arrows = [], {}
    for name, source in sources.items():
        arrows[name] = set()
        for module, item, at_top in imports(ast.parse(source), sources):
            if module.split(".")[0] == "matplotlib" and at_top and room(name) in WITHOUT_PICTURES:
                found.append(f"{name} imports Matplotlib")
            if module.split(".")[0] != "pairint":
                continue
            if room(module) not in ("top", room(name), *ARROWS[room(name)]):
                found.append(f"{name} uses {module}")
            last = item or module.split(".")[-1]
            if last.startswith("_") and not last.endswith("_") and last != "_version":
                found.append(f"{name} takes the private {last}")
            if module in sources and module != name and at_top:
                arrows[name].add(module)
    return found + [f"circle: {' -> '.join(path)}" for path in circles(arrows)]


def circles(arrows):
    """Return a path for each import that leads back to where it began."""
    found, done = [], set()

    def visit(name, path):
        if name in path:
            found.append([*path[path.index(name) :], name])
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


def test_the_package_keeps_to_its_arrows():
    assert violations(package()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("model.tokens", "from pairint.theory import Setting", "pairint.model.tokens uses pairint.theory"),
        ("engine.sweep", "from pairint import experiments", "pairint.engine.sweep uses pairint.experiments"),
        ("aim.amp", "def f():\n    import pairint.figures", "pairint.aim.amp uses pairint.figures"),
        ("theory.rates", "import matplotlib.pyplot", "pairint.theory.rates imports Matplotlib"),
        ("cli", "from pairint.engine.sweep import _like", "pairint.cli takes the private _like"),
        ("backend", "import pairint.validation", "circle: pairint.backend -> pairint.validation"),
    ],
)
def test_what_is_not_allowed_is_found(module, source, wrong):
    assert any(text.startswith(wrong) for text in violations(package() | {f"pairint.{module}": source}))
