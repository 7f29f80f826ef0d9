"""What the page of troubles quotes exists: messages, commands, targets, extras, calls."""

import ast
import importlib
import re
import tomllib
from pathlib import Path

import pairint as pi

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "help.md").read_text(encoding="utf-8")


def section(title):
    return re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL).group(1)


def said(root=ROOT / "pairint"):
    """Return what the package can say: its strings, with what is formatted in braces."""
    texts = []
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else "{…}" for p in node.values]
                texts.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


def quoted():
    rows = [
        line for line in section("What it says, why, and what helps").splitlines() if line.startswith("| `")
    ]
    return [re.match(r"\| `(.+?)` \|", row).group(1) for row in rows]


def test_messages_that_are_quoted_are_said():
    texts = said()
    assert len(quoted()) >= 15
    missing = [text for text in quoted() if not any(text in other for other in texts)]
    assert missing == []
    assert not any("this is never said" in other for other in texts)


def test_extras_are_those_of_the_package():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    named = set(re.findall(r"pairint\[(\w+)\]", PAGE))
    assert named <= set(declared)
    # Those for building and testing the book are no user's.
    assert set(declared) - named <= {"book", "lab", "test", "test-browser", "attention", "paper", "lite"}


def test_targets_and_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([a-z-]+)`", PAGE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    cli = (ROOT / "pairint" / "cli.py").read_text(encoding="utf-8")
    for command in set(re.findall(r"`pairint (\w+)", PAGE)):
        assert f'"{command}"' in cli, command


def test_calls_are_offered_at_the_front_door():
    called = re.findall(r"^\| .*? \| (.*?) \| ", section("I want to …"), re.MULTILINE)
    names = {name for cell in called for name in re.findall(r"`([A-Za-z_]+)(?=[(`])", cell)}
    names -= {"fit", "sample", "make", "loss"}
    for module, name in {pair for cell in called for pair in re.findall(r"`(pairint[a-z.]*)\.(\w+)", cell)}:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"
    assert names <= set(pi.__all__), names - set(pi.__all__)
    assert len(names) > 8
