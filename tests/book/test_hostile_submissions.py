"""Every assignment, graded by the commands of the page, with what a teacher may find in the inbox.

``make test`` takes one assignment; ``make test-nightly`` all of them: a submission costs half a minute.
"""

import os
import re
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell

pytest.importorskip("nbgrader", reason="nbgrader is not installed: pip install pairint[classroom]")

import assignments
import safeguards
from loaded_assignments import NAMES, answered, cells, load
from nbgrader.api import Gradebook

#: Eight notebooks of an assignment are graded one after another, and one of them never ends of itself.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
PAGE = (assignments.FOLDER.parent / "instructors.md").read_text(encoding="utf-8")
ALL = os.environ.get("PAIRINT_TEST_SEED") == "random"

#: Looks for solutions and grades where nbgrader keeps them, and runs the solution if it finds one.
SNOOP = """\
import json
import pathlib
import sqlite3
import subprocess

name = "{name}"
course = pathlib.Path.cwd()
while not (course / "nbgrader_config.py").exists() and course != course.parent:
    course = course.parent
solution = course / "source" / name / f"{{name}}.ipynb"
attempts = {{
    "read": lambda: solution.read_text(),
    "list": lambda: list((course / "source").iterdir()),
    "look around": lambda: list(course.iterdir()),
    "follow": lambda: (pathlib.Path("x").symlink_to(course / "source"), pathlib.Path("x").exists())[0],
    "program": lambda: subprocess.check_output(["cat", str(solution)]).decode(),
    "grades": lambda: sqlite3.connect(course / "gradebook.db"),
    "grades as an address": lambda: sqlite3.connect(f"file:{{course}}/gradebook.db?mode=rw", uri=True),
    "write": lambda: open(course / "gradebook.db", "ab"),
}}
for attempt, deed in attempts.items():
    try:
        found = deed()
        print("snooped:", attempt)
        if attempt in ("read", "program"):
            for cell in json.loads(found)["cells"]:
                if cell["cell_type"] == "code" and cell["metadata"].get("nbgrader", {{}}).get("solution"):
                    exec("".join(cell["source"]))
    except PermissionError as error:
        print("refused:", attempt, "|", error)"""


def replaced(notebook, grade_id, source):
    cells(notebook, "answer")[grade_id].source = source
    return notebook


def in_its_functions(source, deed):
    """Return an answer whose functions do one thing, and no other."""
    heads = re.findall(r"(?m)^(def .*?:)\n", source)
    return "\n\n\n".join(f"{head}\n    {deed}" for head in heads)


def submissions(name):
    """Return what is handed in, by who does."""
    assignment = load(name)
    right = assignment.answers
    last = list(right)[-1]
    tampered = answered(name, {})
    tests = cells(tampered, "test")
    for cell in tests.values():
        cell.source = "assert True"
        cell.metadata["nbgrader"] |= {"points": 100, "locked": False}
    tampered.cells.remove(next(iter(tests.values())))
    stripped = answered(name, right)
    for number, cell in enumerate(stripped.cells):
        cell.metadata, cell["id"] = nbformat.NotebookNode(), f"new-{number}"
    snooping = answered(name, {})
    snooping.cells.insert(1, new_code_cell(SNOOP.format(name=name)))
    return {
        "blank": answered(name, {}),
        "crashing": answered(name, right | {last: in_its_functions(right[last], "import os; os._exit(1)")}),
        "looping": answered(name, right | {last: in_its_functions(right[last], "while True: pass")}),
        "misspelt": replaced(answered(name, right), last, "def broken(:\n    return ("),
        "renamed": answered(name, right),
        "snooping": snooping,
        "stripped": stripped,
        "tampered": tampered,
    }


@pytest.fixture(scope="module", params=NAMES if ALL else ["coercivity"])
def graded(request, tmp_path_factory):
    """Return an assignment's name, its course, graded, and what nbgrader said."""
    name = request.param
    course = tmp_path_factory.mktemp(name)
    assert assignments.main(["--course", str(course)]) == 0
    for who, notebook in submissions(name).items():
        folder = course / "submitted" / who / name
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / (f"{name} (2).ipynb" if who == "renamed" else f"{name}.ipynb"))
    own = str(tmp_path_factory.mktemp("jupyter"))
    environment = os.environ | {
        "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_CONFIG_DIR": own, "JUPYTER_DATA_DIR": own, "JUPYTER_RUNTIME_DIR": own, "IPYTHONDIR": own,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }  # fmt: skip
    said = ""
    for command in re.findall(r"(?m)^nbgrader (generate_assignment|autograde) .*$", PAGE):
        words = ["nbgrader", command, name]
        done = subprocess.run(words, cwd=course, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        said += done.stdout
    return name, course, said


def points(graded, who):
    name, course, _ = graded
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        found = book.find_submission_notebook(name, name, who).grades
        return {grade.name: grade.score for grade in found if grade.name in load(name).points}


def of_the_last(name):
    """Return the tests that call the last answer."""
    assignment = load(name)
    last = list(assignment.answers)[-1]
    space = {"__name__": "student"}
    for source in [*assignment.given.values(), *assignment.answers.values()]:
        exec(source, space)
    exec(in_its_functions(assignment.answers[last], "raise RuntimeError"), space)
    lost = set()
    for grade_id, source in assignment.tests.items():
        try:
            exec(source, space)
        except Exception:
            lost.add(grade_id)
    return lost


@pytest.mark.parametrize("who", ["renamed", "stripped"])
def test_accidents_cost_nothing(graded, who):
    assert points(graded, who) == load(graded[0]).points
    assert f"{who}, {graded[0]}: " in graded[2]


@pytest.mark.parametrize("who", ["blank", "tampered", "snooping"])
def test_no_answer_is_worth_nothing(graded, who):
    assert points(graded, who) == dict.fromkeys(load(graded[0]).points, 0)


def test_a_snoop_finds_nothing(graded):
    name, course, _ = graded
    notebook = nbformat.read(course / "autograded" / "snooping" / name / f"{name}.ipynb", as_version=4)
    printed = "".join(out.text for cell in notebook.cells for out in cell.get("outputs", []) if "text" in out)
    assert "snooped:" not in printed and printed.count("refused:") == SNOOP.count("lambda")
    assert "guard" not in "".join(cell.source for cell in notebook.cells[:2])


@pytest.mark.parametrize("who", ["misspelt", "looping", "crashing"])
def test_a_bad_answer_costs_its_own_points(graded, who):
    """One that ends Python costs those too that could not run after it; none does, after the last."""
    name = graded[0]
    expected = {
        grade_id: 0 if grade_id in of_the_last(name) else each for grade_id, each in load(name).points.items()
    }
    assert points(graded, who) == expected


def test_the_time_of_a_cell_is_bounded(graded):
    """By the configuration that the course was given: an endless loop ends."""
    assert "c.Execute.timeout = 30" in (graded[1] / "nbgrader_config.py").read_text(encoding="utf-8")
    name, course, _ = graded
    notebook = nbformat.read(course / "autograded" / "looping" / name / f"{name}.ipynb", as_version=4)
    errors = [out.ename for c in notebook.cells for out in c.get("outputs", []) if out.output_type == "error"]
    assert "KeyboardInterrupt" in errors and safeguards.SABOTAGE not in str(errors)
