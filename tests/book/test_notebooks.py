"""The notebooks as they are read where no MyST is installed: Colab, VS Code, GitHub, a browser."""

import functools
import json
import re
from pathlib import Path

import pytest
from plain_markdown import TOKEN

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "book").rglob("*.ipynb"))
IDS = [path.relative_to(ROOT / "book").with_suffix("").as_posix() for path in NOTEBOOKS]
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)

#: Directives, roles, targets, comments, block breaks, substitutions, notes: what only MyST understands.
MYST = re.compile(
    r"(?m)^\s*(?:`{3,}|:{3,}|~{3,})\s*\{|\{[a-z]+(?::[a-z]+)*\}`|^\([\w:-]+\)=|^%|^\+\+\+|^: |\{\{"
    r"|^\$\$.*\$\$ *\(|\[\^[\w-]+\]"
)


@functools.cache
def texts(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def without_code(text):
    text = re.sub(r"(?ms)^ *(`{3,})(?!\{).*?^ *\1$", "", text)
    return TOKEN.sub(lambda found: "" if found["code"] and len(found["ticks"]) < 3 else found[0], text)


def without_formulas(text):
    """Leave the dollars: what stands beside them matters, what they enclose is TeX's."""

    def emptied(found):
        formula = found["math"]
        return found[0] if formula is None else "$$x$$" if formula.startswith("$$") else "$x$"

    return TOKEN.sub(emptied, without_code(text))


def test_there_are_notebooks():
    assert len(NOTEBOOKS) > 30


@each_notebook
def test_no_text_needs_myst(path):
    assert [found[0] for text in texts(path) for found in MYST.finditer(without_formulas(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "```{prf:theorem} A\n```", "see {doc}`a`", "(sec-a)=", ":::{note}\n:::", "% hidden", "{{ value }}",
        "$$y$$ (eq-a)", "a note[^1]",
    ],
)  # fmt: skip
def test_what_needs_myst_is_found(text):
    assert MYST.search(without_formulas(f"Text.\n{text}\n"))


@pytest.mark.parametrize("text", ["```python\n% {doc}`a`\n```", "`{doc}`", "$x[^2] {{y}}$", "100 %", "a: b"])
def test_what_needs_none_is_not_found(text):
    assert not MYST.search(without_formulas(f"Text.\n{text}\n"))


@each_notebook
def test_every_formula_begins_and_ends(path):
    """No dollar is left once the formulas are taken out; in a formula, braces and environments close."""
    for text in texts(path):
        text = without_code(text)
        assert "$" not in TOKEN.sub("", text).replace(r"\$", ""), text
        for found in filter(lambda token: token["math"], TOKEN.finditer(text)):
            formula = re.sub(r"\\[\\{}]", "", found["math"])
            assert formula.count("{") == formula.count("}"), found["math"]
            begun, ended = (re.findall(rf"\\{word}\{{(.*?)\}}", found["math"]) for word in ("begin", "end"))
            assert sorted(begun) == sorted(ended), found["math"]
            left, right = (re.findall(rf"\\{word}(?![a-z])", found["math"]) for word in ("left", "right"))
            assert len(left) == len(right), found["math"]


@each_notebook
def test_displayed_formulas_stand_alone(path):
    """Several readers take two dollars for a display only where nothing else is on their lines."""
    for text in texts(path):
        for found in re.finditer(r"(?ms)^(> ?)*( *)\$\$(.*?)\$\$(.*?)$", without_code(text)):
            assert found[4].strip() == "", found[0]
            if found[1]:  # in a quote on one line: its mark must not enter the formula
                assert "\n" not in found[3], found[0]


@each_notebook
def test_links_lead_to_files(path):
    for text in texts(path):
        for link in re.findall(r"\]\(([^)\s]+)\)", TOKEN.sub("", text)):
            if not link.startswith(("https://", "#")):
                assert (path.parent / link).is_file(), link


@each_notebook
def test_what_is_folded_can_be_unfolded(path):
    for text in texts(path):
        assert text.count("<details>") == text.count("</details>") == text.count("<summary>")
        assert "<summary>" not in text or re.search(r"</summary>\n\n", text)
