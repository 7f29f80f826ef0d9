"""One colour, one meaning in the whole book: colours are taken by role, and agree with the words."""

import ast
import itertools
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import is_color_like, to_rgb

import pairint
import pairint.explorers
import pairint.explorers.small
from pairint.explorers.kit.panels import COLORS
from pairint.figures.ordered import ordered_colors
from pairint.figures.roles import colors_of, misread, role_of
from pairint.figures.style import BOUND, CYCLE, FIT, INK, MUTED, ORACLE, ROLES, figure_style, picture

PACKAGE = Path(pairint.__file__).parent
DRAWING = sorted(
    path
    for folder in ("figures", "experiments")
    for path in (PACKAGE / folder).rglob("*.py")
    if path.name not in ("style.py", "ordered.py")  # where colours are defined
)
COLOR_ARGUMENT = re.compile(r"(edge|face|marker.*)?colors?|c|ec|fc|mec|mfc|ecolor")
NO_COLOR = {"none", "white", "face", "auto"}
MARKS = [
    (name, mark)
    for module in (pairint.explorers, pairint.explorers.small)
    for name in module.__all__
    for panel in getattr(getattr(module, name), "panels", ())
    for mark in panel.marks
]


def literal_colors(source: str) -> list[str]:
    """Colours that a module names itself: as an argument, or as a code anywhere."""
    found = []
    for node in ast.walk(ast.parse(source)):
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and re.fullmatch(r"#[0-9a-fA-F]{3,8}|C\d|tab:\w+", text):
            found.append(text)
        if isinstance(node, ast.keyword) and node.arg and COLOR_ARGUMENT.fullmatch(node.arg):
            words = [c.value for c in ast.walk(node.value) if isinstance(c, ast.Constant)]
            found += [w for w in words if isinstance(w, str) and is_color_like(w) and w not in NO_COLOR]
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                name = key.value if isinstance(key, ast.Constant) else None
                if (
                    isinstance(name, str)
                    and COLOR_ARGUMENT.fullmatch(name)
                    and isinstance(value, ast.Constant)
                ):
                    found += [value.value] if value.value not in NO_COLOR else []
    return found


def lines_in_ink(source: str) -> list[int]:
    """Where something else than letters is drawn in ink, which is the colour of the truth."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", "") not in ("text", "annotate", "legend")
        and any(
            k.arg == "color" and isinstance(k.value, ast.Name) and k.value.id == "INK" for k in node.keywords
        )
    ]


@pytest.mark.parametrize("path", DRAWING, ids=lambda path: path.stem)
def test_no_figure_names_a_colour(path):
    source = path.read_text(encoding="utf-8")
    assert literal_colors(source) == []
    assert lines_in_ink(source) == []


@pytest.mark.parametrize(
    "line",
    [
        'axes.plot(x, y, color="C0")',
        'axes.plot(x, y, c="red")',
        'axes.bar(x, y, color=["#0072B2", "#D55E00"])',
        'style = {"color": "orange"}',
        'COLOR = "#123456"',
    ],
)
def test_a_literal_colour_is_found(line):
    assert literal_colors(line)


def test_a_line_in_ink_is_found():
    assert lines_in_ink("axes.axhline(1, color=INK)") == [1]
    assert lines_in_ink("axes.text(0, 0, 'a', color=INK)") == []


def test_no_explorer_names_a_colour():
    """But for the one palette and the ground of a page of its own."""
    code = re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}\b(?![^\n]*\{\{)")
    for path in sorted((PACKAGE / "explorers").rglob("*.js")):
        if path.name != "palette.js":
            assert code.findall(path.read_text(encoding="utf-8")) == [], path.name
    for path in sorted((PACKAGE / "explorers").rglob("*.py")):
        if path.name not in ("panels.py", "bundle.py"):
            assert literal_colors(path.read_text(encoding="utf-8")) == [], path.name
    assert {mark.color for _, mark in MARKS} <= COLORS.keys()


def test_marks_of_explorers_mean_what_their_names_say():
    said = {name: [role_of(mark.label) for other, mark in MARKS if other == name] for name, _ in MARKS}
    wrong = [
        (name, mark.label, mark.color)
        for name, mark in MARKS
        if (role := role_of(mark.label)) is not None
        and mark.color != role
        and not (role == "truth" and said[name].count(role) > 1)  # two truths to tell apart
    ]
    assert wrong == []


def test_the_first_page_has_the_colours_of_the_book():
    sheet = (PACKAGE / "explorers" / "eavesdropper.css").read_text(encoding="utf-8")
    script = (PACKAGE / "explorers" / "kit" / "palette.js").read_text(encoding="utf-8")
    said = {"guess": "third", "fit": "fit", "give": "first", "take": "second"}
    for scheme, at in (("light", 0), ("dark", 1)):
        block = re.search(rf"^  {scheme}: {{(.*?)}}", script, re.MULTILINE | re.DOTALL)[1]
        palette = dict(re.findall(r'(\w+): "(#\w{6})"', block))
        for variable, role in said.items():
            assert re.findall(rf"--{variable}: (#\w{{6}})", sheet)[at].upper() == palette[role].upper()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_still_and_moving_figures_have_the_same_colours(scheme, monkeypatch):
    monkeypatch.syspath_prepend(PACKAGE.parent / "tools")
    from drawings import darkened

    script = (PACKAGE / "explorers" / "kit" / "palette.js").read_text(encoding="utf-8")
    block = re.search(rf"^  {scheme}: {{(.*?)}}", script, re.MULTILINE | re.DOTALL)[1]
    palette = dict(re.findall(r'(\w+): "(#\w{6})"', block))
    wanted = {name: color for name, color in COLORS.items() if name not in ("truth", "ink", "muted")}
    if scheme == "dark":  # an orange that is dark enough for lines on white need not be so dark there
        wanted = {name: darkened(color) for name, color in (wanted | {"second": CYCLE[1]}).items()}
    assert {name: palette[name].upper() for name in wanted} == {n: c.upper() for n, c in wanted.items()}


def test_colours_that_mean_nothing_are_no_roles():
    """As far apart as the colours of one figure have to be (`test_style`)."""
    for first, second in itertools.product(CYCLE, ROLES.values()):
        assert sum((a - b) ** 2 for a, b in zip(to_rgb(first), to_rgb(second), strict=True)) > 0.05
    for first, second in itertools.combinations(ROLES.values(), 2):
        assert sum((a - b) ** 2 for a, b in zip(to_rgb(first), to_rgb(second), strict=True)) > 0.05


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("truth $\\varphi^*$", "truth"),
        ("the fit above", "fit"),
        ("AMP, $d = 100$", "fit"),
        ("our estimator", "fit"),
        ("oracle (A known): slope -0.8", "oracle"),
        ("measured: matrix known", "oracle"),
        ("proved: matrix known, odd", "bound"),
        ("Bayes-optimal: mean of all posterior samples", "bound"),
        ("matrices: 120 numbers", "matrix"),
        ("matrix learned, odd functions", "fit"),
        ("holds the truth", None),
        ("without the Onsager term", None),
        ("penalty, proved constants", None),
    ],
)
def test_words_say_roles(name, role):
    assert role_of(name) == role


def test_names_get_colours():
    assert colors_of(["network", "direct estimator", "oracle"]) == [CYCLE[0], FIT, ORACLE]
    assert colors_of(["bound of one", "bound of another", "fit"]) == [CYCLE[0], CYCLE[1], FIT]


def drawn(*curves):
    with figure_style():
        figure, axes = plt.subplots()
        for label, color in curves:
            axes.plot([0, 1], [0, 1], color=color, label=label)
        axes.legend()
    plt.close(figure)
    return figure


def test_what_agrees_is_not_refused():
    assert misread(drawn(("fit", FIT), ("oracle", ORACLE), ("the truth", INK), ("equal", MUTED))) == []
    assert misread(drawn(*((f"fit, $K = {k}$", color) for k, color in enumerate(ordered_colors(4))))) == []
    assert misread(drawn(("bound of one", CYCLE[0]), ("bound of another", CYCLE[1]))) == []


@pytest.mark.parametrize(
    ("label", "color"),
    [("fit", BOUND), ("oracle, A known", FIT), ("truth", CYCLE[0]), ("anything", "#123456")],
)
def test_what_disagrees_is_refused(label, color, monkeypatch):
    assert len(misread(drawn((label, color)))) == 1
    monkeypatch.setenv("PAIRINT_STATIC", "1")  # as when the book is built
    with pytest.raises(ValueError, match="colours"):
        picture(lambda: drawn((label, color)))()


def test_surfaces_and_clouds_are_looked_at():
    figure, axes = plt.subplots()
    axes.fill_between([0, 1], [1, 2], color="#123456")
    axes.scatter([0, 1], [0, 1], color="#654321")
    axes.scatter([0, 1], [0, 1], c=np.arange(2))  # a map of values has its own scale
    axes.bar([0], [1], color="#abcdef")
    plt.close(figure)
    assert len(misread(figure)) == 3
