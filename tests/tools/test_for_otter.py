"""The assignments in Otter's format: the same questions and points as for nbgrader, and the same marks.

Without Otter, its tests are run here as it would run them. With Otter (``PAIRINT_OTTER`` names its program,
or it is on the path) it makes the student versions itself, and grades.
"""

import json
import os
import re
import shutil
import subprocess

import nbformat
import pytest

pytest.importorskip("nbgrader", reason="nbgrader is not installed: pip install pairint[classroom]")

import assignments
import for_otter
from loaded_assignments import NAMES, load, wrong_answers

pytestmark = pytest.mark.slow
PROGRAM = os.environ.get("PAIRINT_OTTER") or shutil.which("otter")


def master(name):
    return for_otter.master(assignments.read(assignments.FOLDER / name / "source.md"))


def questions(notebook):
    """Return, for each question that is graded by tests, its points and its tests: points, hidden, code."""
    found, current = {}, None
    for cell in notebook.cells:
        if cell.cell_type == "raw" and cell.source.startswith("# BEGIN QUESTION"):
            said = dict(line.split(": ", 1) for line in cell.source.splitlines()[1:])
            current = [] if "manual" not in said else None
            if current is not None:
                found[said["name"]] = (float(said["points"]), current)
        elif cell.cell_type == "code" and "# BEGIN TEST CONFIG" in cell.source:
            points, hidden, code = re.fullmatch(
                r'(?s)""" # BEGIN TEST CONFIG\npoints: (\S+)\nhidden: (\w+)\n""" # END TEST CONFIG\n(.*)',
                cell.source,
            ).groups()
            current.append((float(points), hidden == "true", code))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_questions_and_points_are_those_of_nbgrader(name):
    found = questions(master(name))
    assert {grade_id: points for grade_id, (points, _) in found.items()} == load(name).points
    for points, tests in found.values():
        assert sum(each[0] for each in tests) == points
        assert [each[1] for each in tests] in ([False], [False, True], [True])
    raw = "\n".join(cell.source for cell in master(name).cells if cell.cell_type == "raw")
    manual = dict(re.findall(r"name: (\S+)\nmanual: true\npoints: (\S+)", raw))
    assert {grade_id: float(points) for grade_id, points in manual.items()} == load(name).proof_points


@pytest.mark.parametrize("name", NAMES)
def test_students_see_no_answer(name):
    """Of a cell where they write, Otter takes out what stands between its marks, and leaves the prompt."""
    for cell in master(name).cells:
        if cell.cell_type == "code" and "BEGIN SOLUTION" in cell.source:
            left = re.sub(r"(?ms)^ *# BEGIN SOLUTION NO PROMPT\n.*?# END SOLUTION\n", "", cell.source)
            left = re.sub(r'(?m)^ *""" # (BEGIN|END) PROMPT\n?', "", left)
            assert "raise NotImplementedError()" in left and "SOLUTION" not in left and "PROMPT" not in left
            compile(left, name, "exec")
    assert "###" not in "".join(c.source for c in master(name).cells if c.cell_type == "code")


@pytest.mark.parametrize("name", NAMES)
def test_tests_pass_with_the_solution_and_fail_with_nothing(name):
    """Each in the namespace of the notebook, as Otter runs them; for blank answers all points are lost."""
    for blank in (False, True):
        space = {"__name__": "student"}
        for source in load(name).given.values():
            exec(source, space)
        for source in load(name).answers.values():
            mark = r"(?s)### BEGIN SOLUTION.*?### END SOLUTION"
            exec(re.sub(mark, "raise NotImplementedError()", source) if blank else source, space)
        for grade_id, (_, tests) in questions(master(name)).items():
            for points, _, code in tests:
                try:
                    exec(code, space)
                except Exception:
                    assert blank, grade_id
                else:
                    assert not blank or points == 0, grade_id


def test_what_grades_installs_the_package_from_the_repository(tmp_path):
    (tmp_path / "pairint").mkdir()
    (tmp_path / "pairint" / "_version.py").write_text('__version__ = "1.2.3"\n')
    for url, expected in (("https://x.invalid/a/b", False), ("https://github.com/a/b", True)):
        (tmp_path / "pyproject.toml").write_text(f'[project]\n[project.urls]\nRepository = "{url}"\n')
        assert ('"pairint @ git+https://github.com/a/b@v1.2.3"' in for_otter.config(tmp_path)) == expected


@pytest.fixture(scope="module")
def assigned(tmp_path_factory):
    """Return a function that lets Otter make an assignment, once, and returns its folder."""
    if PROGRAM is None:
        pytest.skip(f"Otter is not installed: in an environment of its own, pip install {for_otter.OTTER}")
    folder = tmp_path_factory.mktemp("otter")
    for_otter.write(folder)

    def make(name):
        if not (folder / name / "dist").exists():
            otter(folder / name, "assign", f"{name}.ipynb", "dist")  # grades its own solution on the way
        return folder / name

    return make


def otter(folder, *words):
    own = {
        key: str(folder / "jupyter") for key in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    environment = {**os.environ, **own, "MPLBACKEND": "agg"}
    done = subprocess.run([PROGRAM, *words], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def marks(folder, name, answers):
    """Return the points that Otter gives to a submission, by question."""
    notebook = nbformat.read(folder / "dist" / "student" / f"{name}.ipynb", as_version=4)
    for grade_id, source in answers.items():
        heads = re.findall(r"(?m)^(?:def|class) +(\w+)", load(name).answers[grade_id])
        (cell,) = (
            each
            for each in notebook.cells
            if each.cell_type == "code" and re.findall(r"(?m)^(?:def|class) +(\w+)", each.source) == heads
        )
        cell.source = assignments.MARKER.sub("", source)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    (archive,) = (folder / "dist" / "autograder").glob("*.zip")
    otter(folder, "run", "-a", str(archive), "-o", str(folder), f"{name}.ipynb")
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))["tests"]
    return {test["name"]: test["score"] for test in found if test["name"] in load(name).points}


@pytest.mark.parametrize("name", NAMES)
def test_otter_gives_the_marks_of_nbgrader(assigned, name):
    folder = assigned(name)
    points = load(name).points
    assert marks(folder, name, load(name).answers) == points
    answers, lost = wrong_answers(name)
    expected = {grade_id: 0 if grade_id in lost else each for grade_id, each in points.items()}
    assert marks(folder, name, load(name).answers | answers) == expected
    assert marks(folder, name, {}) == dict.fromkeys(points, 0)
