"""The tests take nothing private of the package: what deserves a test has a public name in its module."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "pairint"
#: Names that others ask for: IPython to show an object, anywidget for its script, scikit-learn before 1.6.
PROTOCOLS = {"_repr_mimebundle_", "_repr_html_", "_esm", "_more_tags"}
#: Private names that a file of tests still takes, and why. The list may only get shorter.
EXCEPTIONS = {
    # One step of the iteration, from a state of the test's own making.
    "aim/test_amp.py": {"_Samples", "_State", "_score"},
    # The size of a block of work, made small so that a small case has several.
    "aim/test_gradient_descent.py": {"_BLOCK"},
    # The grid that the opponent is tuned on, and the folds.
    "experiments/minimax/test_curse.py": {"_LENGTHS", "_RIDGES", "_held_out"},
    "estimation/test_gauss_newton.py": {"_CHUNK_ENTRIES"},
    "estimation/test_channels.py": {"_CHUNK_ENTRIES"},
    "estimation/test_inner.py": {"_CHUNK_ENTRIES"},
    "model/test_attention.py": {"_CHUNK_ENTRIES"},
    # The same, and the terms of a rough activation, against which its error is computed by hand.
    "estimation/test_error.py": {"_CHUNK", "_amplitudes", "_phases"},
    "model/test_activations.py": {"_amplitudes"},
    "support/rounding.py": {"_amplitudes"},
    # The budget that decides between the grids of a selection, and those grids.
    "estimation/test_selection.py": {"_FLOP_BUDGET", "_GRIDS"},
    # A registry of experiments, and a sweep, replaced by small ones.
    "engine/test_sweep.py": {"_compute_missing"},
    "experiments/test_report.py": {"_registered"},
    "experiments/test_stored_results.py": {"_registered"},
    "test_cli.py": {"_compute_missing", "_registered"},
    # The cache of compiled kernels, opened so that another device can stand in.
    "support/fake_cupy.py": {"_cuda_kernel"},
    # One step of the proof.
    "theory/test_lower.py": {"_affinity"},
}


def is_private(name: str) -> bool:
    return bool(re.fullmatch(r"_[A-Za-z]\w*", name)) and name not in PROTOCOLS


def private_names() -> set[str]:
    """Return the private names that the package's modules and classes define."""
    names: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                    names.add(name)
                case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                    names.add(name)
    return set(filter(is_private, names))


def taken(text: str, private: set[str]) -> set[str]:
    """Return the package's private names that a source takes: imported, asked of an object, or patched."""
    tree = ast.parse(text)
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module.split(".")[0] == "pairint":
                found |= {part for a in names for part in (*module.split("."), a.name) if is_private(part)}
            case ast.Attribute(attr=name, value=value):
                if not (isinstance(value, ast.Name) and value.id in ("self", "cls")):
                    found |= {name} & private
            case ast.Call(
                func=ast.Attribute(attr="setattr" | "delattr"), args=[ast.Constant(value=str(path)), *_]
            ):
                if path.startswith("pairint."):
                    found |= set(path.split(".")) & private
            case ast.Call(
                func=ast.Attribute(attr="setattr" | "delattr") | ast.Name(id="getattr" | "setattr"),
                args=[_, ast.Constant(value=str(name)), *_],
            ):
                found |= {name} & private
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from pairint.model import _hidden", {"_hidden"}),
        ("from pairint._door import shown", {"_door"}),
        ("from elsewhere import _hidden", set()),
        ("module._hidden(1)", {"_hidden"}),
        ("widget._esm", set()),
        ("self._hidden = 1", set()),
        ("thing._unknown", set()),
        ("thing.__dict__", set()),
        ("monkeypatch.setattr(module, '_hidden', 1)", {"_hidden"}),
        ("monkeypatch.setattr('pairint.model.x._hidden', 1)", {"_hidden"}),
        ("getattr(module, '_hidden')", {"_hidden"}),
    ],
)
def test_what_is_taken_is_found(text, expected):
    assert taken(text, {"_hidden", "_esm"} - PROTOCOLS) == expected


@pytest.mark.slow
def test_tests_take_no_private_name():
    private = private_names()
    assert len(private) > 50
    for path in sorted(TESTS.rglob("*.py")):
        name = path.relative_to(TESTS).as_posix()
        assert taken(path.read_text(encoding="utf-8"), private) <= EXCEPTIONS.get(name, set()), name
