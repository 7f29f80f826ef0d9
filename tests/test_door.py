"""The front door: what ``import pairint`` offers, what it costs, and where the book explains it."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pairint

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = (
    "model",
    "estimation",
    "theory",
    "aim",
    "experiments",
    "explorers",
    "explorers.small",
    "kernels",
    "steps",
)
PUBLIC = sorted(
    (package, name) for package in PACKAGES for name in importlib.import_module(f"pairint.{package}").__all__
)
HEAVY = {"matplotlib", "numpy", "pandas", "scipy", "sklearn", "torch"}


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after the statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("name", pairint.__all__)
def test_each_name_is_what_its_package_offers(name):
    found = getattr(pairint, name)
    assert name == "__version__" or any(
        getattr(importlib.import_module(f"pairint.{package}"), name, None) is found
        for package, known in PUBLIC
        if known == name
    )


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="attention_model"):
        pairint.attention_model  # noqa: B018


def test_the_door_alone_imports_nothing_heavy():
    assert not HEAVY & loaded_by("import pairint")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("statement", "spared"),
    [
        ("import pairint; pairint.UniformCube", {"scipy.stats", "sklearn", "matplotlib", "pandas", "torch"}),
        ("import pairint.theory", {"scipy.stats", "sklearn", "matplotlib", "pandas", "torch"}),
        ("import pairint.aim", {"scipy.stats", "sklearn", "matplotlib", "pandas", "torch"}),
        ("import pairint.estimation", {"matplotlib", "torch"}),
        ("import pairint.cli", {"scipy", "sklearn", "matplotlib", "pandas", "torch"}),
    ],
)
def test_a_room_imports_only_what_it_needs(statement, spared):
    assert not spared & loaded_by(statement)


@pytest.mark.parametrize(("package", "name"), PUBLIC)
def test_each_public_name_says_which_page_explains_it(package, name):
    found = getattr(importlib.import_module(f"pairint.{package}"), name)
    if not (inspect.isclass(found) or inspect.isfunction(found)):
        pytest.skip("a constant has no docstring of its own")
    pages = re.findall(r"^\s*Book: :doc:`/(book/\w+)`", inspect.getdoc(found) or "", re.MULTILINE)
    assert len(pages) == 1
    assert (ROOT / f"{pages[0]}.md").is_file()
