"""The assignments: in step with their sources, and graded as they should be, without a screen."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

pytest.importorskip("nbgrader", reason="nbgrader is not installed: pip install pairint[classroom]")

import assignments
import safeguards
from assignment_answers import ALTERNATIVES, MISTAKES
from nbgrader.api import Gradebook

pytestmark = pytest.mark.slow

NAME = "exploration_measure"
SOURCE = assignments.FOLDER / NAME / "source.md"
STUDENT = SOURCE.parent / "student" / f"{NAME}.ipynb"
PAGE = (assignments.FOLDER / "index.md").read_text(encoding="utf-8")


def role(cell) -> str:
    """Return what a cell is for: "answer", "test", "given" (locked), or "" (the rest)."""
    meta = cell.metadata.get("nbgrader")
    if meta is None:
        return ""
    return "answer" if meta["solution"] else "test" if meta["grade"] else "given"


def cells(notebook, kind: str) -> dict:
    """Return the cells of one kind by their grade_id."""
    return {cell.metadata["nbgrader"]["grade_id"]: cell for cell in notebook.cells if role(cell) == kind}


def code(notebook, kind: str) -> dict[str, str]:
    return {grade_id: cell.source for grade_id, cell in cells(notebook, kind).items()}


class Assignment:
    """An assignment that is graded without a kernel, with some of its answers replaced."""

    def __init__(self, path: Path) -> None:
        notebook = assignments.read(path)
        self.given, self.answers, self.tests = (code(notebook, kind) for kind in ("given", "answer", "test"))
        self.points = {
            grade_id: cell.metadata["nbgrader"]["points"]
            for grade_id, cell in cells(notebook, "test").items()
        }

    def lost(self, changes: dict[str, str]) -> set[str]:
        """Return the tests that fail; only those are run that call a changed answer, or one that calls it."""
        names = {name for answer in changes for name in self.functions(answer)}
        for answer, source in self.answers.items():  # in the order of the notebook
            if mentions(source, names):
                names.update(self.functions(answer))
        space = {"__name__": "student"}
        for source in [*self.given.values(), *(self.answers | changes).values()]:
            exec(source, space)
        failed = set()
        for test, source in self.tests.items():
            if mentions(source, names):
                try:
                    exec(source, space)
                except Exception:  # whatever a wrong answer raises, its points are lost
                    failed.add(test)
        return failed

    def functions(self, answer: str) -> list[str]:
        return re.findall(r"(?m)^def (\w+)", self.answers[answer])


def mentions(source: str, names: set[str]) -> bool:
    return any(re.search(rf"\b{name}\b", source) for name in names)


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    return Assignment(SOURCE)


def changed(assignment: Assignment, answer: str, old: str, new: str) -> dict[str, str]:
    """Return an answer with some words replaced."""
    assert old in assignment.answers[answer], f"the solution of {answer} has changed: no {old!r} in it"
    return {answer: assignment.answers[answer].replace(old, new)}


def test_the_solution_passes_all_tests(assignment):
    assert assignment.lost(assignment.answers) == set()


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::scipy.integrate.IntegrationWarning")
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: f"{mistake[1]}: {mistake[0]}")
def test_a_mistake_loses_its_points_and_no_others(assignment, mistake):
    _, answer, old, new, expected = mistake
    assert assignment.lost(changed(assignment, answer, old, new)) == expected


@pytest.mark.parametrize("alternative", ALTERNATIVES, ids=lambda alternative: alternative[0])
def test_another_right_answer_is_accepted(assignment, alternative):
    _, answer, old, new = alternative
    assert assignment.lost(changed(assignment, answer, old, new)) == set()


def test_every_test_is_failed_by_some_mistake(assignment):
    assert set().union(*(mistake[-1] for mistake in MISTAKES)) == set(assignment.tests)


def test_the_table_of_points_is_right():
    points, part = {}, None
    for cell in assignments.read(SOURCE).cells:
        if cell.cell_type == "markdown" and (heading := re.search(r"(?m)^## (\d)\.", cell.source)):
            part = heading[1]
        if role(cell) == "test":
            points[part] = points.get(part, 0) + cell.metadata["nbgrader"]["points"]
    table = re.findall(r"(?m)^\| (\d)\. .* \| (\d+) \|$", SOURCE.read_text(encoding="utf-8"))
    assert {part: int(total) for part, total in table} == points


# The versions that are made from a source.


@pytest.fixture
def copy(tmp_path) -> Path:
    """Return a folder of assignments with one in it, and its versions written."""
    folder = tmp_path / "book" / "assignments"
    (folder / NAME).mkdir(parents=True)
    (folder / NAME / "source.md").write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
    assert assignments.main([], folder) == 0
    return folder


def test_versions_are_in_step_with_the_source():
    assert assignments.main(["--check"]) == 0


def test_check_sees_a_changed_source_and_a_left_version(copy, capsys):
    assert assignments.main(["--check"], copy) == 0
    source = copy / NAME / "source.md"
    source.write_text(
        source.read_text(encoding="utf-8").replace("**Rules.**", "**The rules.**"), encoding="utf-8"
    )
    assert assignments.main(["--check"], copy) == 1
    assert "make assignments" in capsys.readouterr().out
    assert assignments.main([], copy) == 0 and assignments.main(["--check"], copy) == 0
    source.unlink()
    assert assignments.main(["--check"], copy) == 1
    assert assignments.main([], copy) == 0
    assert list(copy.rglob("*.ipynb")) == []


def test_metadata_survive_a_round_trip_through_jupytext():
    once = jupytext.read(SOURCE, fmt="md:myst")
    twice = jupytext.reads(jupytext.writes(once, fmt="md:myst"), fmt="md:myst")
    assert [(c.cell_type, c.source, c.metadata) for c in once.cells] == [
        (c.cell_type, c.source, c.metadata) for c in twice.cells
    ]


def test_full_metadata_stay_as_they_are():
    full = assignments.complete({"grade_id": "a", "points": 2})
    assert full == {
        "schema_version": 3, "grade_id": "a", "points": 2,
        "grade": True, "locked": True, "solution": False, "task": False,
    }  # fmt: skip
    assert assignments.complete(full) == full


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("grade_id: simulate,", "grade_id: forward,", "used twice"),
        ("{grade_id: simulate, solution: true}", "{grade_id: simulate}", "region SOLUTION"),
        (":nbgrader: {grade_id: forward-values, points: 2}\n", "", "region HIDDEN TESTS"),
    ],
)
def test_a_source_with_wrong_marks_is_refused(tmp_path, old, new, message):
    text = SOURCE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "source.md"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        assignments.read(path)


def test_student_version_shows_no_answer_and_no_hidden_test(assignment):
    student = nbformat.read(STUDENT, as_version=4)
    answers = code(student, "answer")
    assert answers.keys() == assignment.answers.keys()
    assert all("raise NotImplementedError()" in source for source in answers.values())
    for source in assignment.answers.values():
        for region in re.findall(r"(?s)### BEGIN SOLUTION\n(.*?)### END SOLUTION", source):
            assert region.strip() not in "\n".join(answers.values())
    for grade_id, source in code(student, "test").items():
        shown = re.sub(r"(?s)\n?### BEGIN HIDDEN TESTS.*### END HIDDEN TESTS", "", assignment.tests[grade_id])
        assert source == shown and "import" not in source


@pytest.mark.parametrize("version", assignments.VERSIONS)
def test_versions_have_no_output_and_no_marker(version):
    notebook = nbformat.read(SOURCE.parent / version / f"{NAME}.ipynb", as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert not re.search("(BEGIN|END) (SOLUTION|HIDDEN)", cell.source)


def test_a_submission_without_marks_is_recognised():
    """As from an editor that keeps the text of cells alone: each answer and each test is found."""
    release = nbformat.read(STUDENT, as_version=4)
    submission = answered(Assignment(SOURCE).answers)
    for number, cell in enumerate(submission.cells):
        cell.metadata, cell["id"] = nbformat.NotebookNode(), f"new-{number}"
    safeguards.recognise(submission, release)
    found = [(role(cell), cell.metadata.get("nbgrader", {}).get("grade_id")) for cell in submission.cells]
    assert found == [
        (role(cell), cell.metadata.get("nbgrader", {}).get("grade_id")) for cell in release.cells
    ]


# nbgrader itself, by the commands of the page.


def answered(answers: dict[str, str]) -> nbformat.NotebookNode:
    """Return the student version of the book with these answers filled in."""
    notebook = nbformat.read(STUDENT, as_version=4)
    for grade_id, source in answers.items():
        cells(notebook, "answer")[grade_id].source = assignments.MARKER.sub("", source)
    return notebook


def tampered(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Return the submission of somebody who edits tests, deletes one and raises the points of another."""
    tests = cells(notebook, "test")
    tests["forward-example"].source = "assert True"
    tests["simulate-law"].source = "pass"
    tests["simulate-law"].metadata["nbgrader"]["points"] = 100
    tests["simulate-law"].metadata["nbgrader"]["locked"] = False
    notebook.cells.remove(tests["forward-values"])
    return notebook


@pytest.fixture(scope="module")
def course(tmp_path_factory, assignment) -> Path:
    """Return a course that has been handed out, handed in, graded and exported."""
    folder = tmp_path_factory.mktemp("course")
    assert assignments.main(["--course", str(folder)]) == 0
    wrong = {}
    for label in IN_ONE_SUBMISSION:
        _, answer, old, new, _ = next(mistake for mistake in MISTAKES if mistake[:2] == label)
        wrong |= changed(assignment, answer, old, new)
    _, _, old, new, _ = next(mistake for mistake in MISTAKES if mistake[0] == "divides by N")
    submissions = {
        "correct": answered(assignment.answers),
        "wrong": answered(assignment.answers | wrong),
        "blank": answered({}),
        "tampered": tampered(answered(changed(assignment, "forward", old, new))),
    }
    for student, notebook in submissions.items():
        target = folder / "submitted" / student / NAME / f"{NAME}.ipynb"
        target.parent.mkdir(parents=True)
        nbformat.write(notebook, target)
    own = folder / "jupyter"  # nothing of the user's configuration, nothing left behind
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_CONFIG_DIR": str(own), "JUPYTER_DATA_DIR": str(own), "JUPYTER_RUNTIME_DIR": str(own),
        "IPYTHONDIR": str(own), "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }  # fmt: skip
    commands = re.findall(r"(?m)^nbgrader .*$", PAGE)
    assert [command.split()[1] for command in commands] == [
        "generate_assignment", "autograde", "generate_feedback", "export",
    ]  # fmt: skip
    for command in commands:
        run = subprocess.run(command.split(), cwd=folder, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
    return folder


#: The mistakes of the wrong submission, one for each part.
IN_ONE_SUBMISSION = [
    ("counts j = i", "forward"),
    ("forgets the sign of A", "canonical"),
    ("density not normalised", "law"),
    ("no square", "distance"),
    ("all tokens independent", "coercivity"),
]


def points_of(course: Path, student: str) -> dict[str, float]:
    """Return the points of each test in the gradebook."""
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        notebook = book.find_submission_notebook(NAME, NAME, student)
        assert not notebook.needs_manual_grade
        return {grade.name: grade.score for grade in notebook.grades}


@pytest.mark.slow
class TestNbgrader:
    def test_the_version_of_the_book_is_the_one_that_nbgrader_makes(self, course):
        released = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", as_version=4)
        ours = nbformat.read(STUDENT, as_version=4)
        assert [(c.cell_type, c.source, c.metadata) for c in released.cells] == [
            (c.cell_type, c.source, c.metadata) for c in ours.cells
        ]

    def test_correct(self, course, assignment):
        assert points_of(course, "correct") == assignment.points
        graded = course / "autograded" / "correct" / NAME / f"{NAME}.ipynb"
        outputs = [out for c in nbformat.read(graded, as_version=4).cells for out in c.get("outputs", [])]
        assert [out for out in outputs if out.output_type == "error"] == []
        shown = [out["data"] for out in outputs if "data" in out]
        # Matplotlib before 3.9 gives the name of a kernel's first picture instead of the picture.
        assert sum("image/png" in data or "<Figure" in data.get("text/plain", "") for data in shown) == 3

    def test_wrong(self, course, assignment):
        lost = set().union(*(mistake[-1] for mistake in MISTAKES if mistake[:2] in IN_ONE_SUBMISSION))
        expected = {test: 0 if test in lost else points for test, points in assignment.points.items()}
        assert points_of(course, "wrong") == expected

    def test_blank(self, course, assignment):
        assert points_of(course, "blank") == dict.fromkeys(assignment.points, 0)

    def test_tampered(self, course, assignment):
        """Edited, deleted and revalued tests are put back: what counts is the one that passes honestly."""
        assert points_of(course, "tampered") == dict.fromkeys(assignment.points, 0) | {
            "forward-vectorised": 1
        }

    def test_table_of_grades(self, course, assignment):
        with open(course / "grades.csv", newline="") as file:
            rows = {row["student_id"]: row for row in csv.DictReader(file)}
        assert rows.keys() == {"correct", "wrong", "blank", "tampered"}
        total = sum(assignment.points.values())
        assert all(float(row["max_score"]) == total for row in rows.values())
        for student, row in rows.items():
            assert float(row["score"]) == sum(points_of(course, student).values())
        assert float(rows["correct"]["score"]) == total > float(rows["wrong"]["score"]) > 0

    def test_feedback_names_the_mistake(self, course):
        html = (course / "feedback" / "wrong" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
        assert "the area is" in html and "times the scatter of the estimates" in html

    def test_a_second_layout_keeps_the_work(self, course):
        config = course / "nbgrader_config.py"
        config.write_text(config.read_text(encoding="utf-8") + "# ours\n", encoding="utf-8")
        assert assignments.main(["--course", str(course)]) == 0
        assert config.read_text(encoding="utf-8").endswith("# ours\n")
        assert (course / "gradebook.db").is_file()
