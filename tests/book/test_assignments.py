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
import proofs
import safeguards
from assignment_answers import ANSWERS
from loaded_assignments import (
    NAMES,
    Assignment,
    answered,
    cells,
    changed,
    code,
    handed_out,
    load,
    role,
    wrong_answers,
)
from nbgrader.api import Gradebook

pytestmark = pytest.mark.slow

#: The one whose course is tampered with, and whose commands the page shows.
NAME = "exploration_measure"
SOURCE = assignments.FOLDER / NAME / "source.md"
MISTAKES = [(name, *mistake) for name in NAMES for mistake in ANSWERS[name].MISTAKES]
ALTERNATIVES = [(name, *alternative) for name in NAMES for alternative in ANSWERS[name].ALTERNATIVES]
PAGE = (assignments.FOLDER.parent / "instructors.md").read_text(encoding="utf-8")


@pytest.fixture(params=NAMES)
def assignment(request) -> Assignment:
    return load(request.param)


def test_the_solution_passes_all_tests(assignment):
    assert assignment.lost(assignment.answers) == set()


def test_a_blank_answer_gets_nothing(assignment):
    """Also no visible test passes by itself."""
    stubs = {
        answer: re.sub(r"(?s)### BEGIN SOLUTION.*?### END SOLUTION", "raise NotImplementedError()", source)
        for answer, source in assignment.answers.items()
    }
    assert assignment.lost(stubs) == set(assignment.tests)


@pytest.mark.filterwarnings("ignore")  # whatever a wrong answer computes
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: ": ".join(mistake[i] for i in (0, 2, 1)))
def test_a_mistake_loses_its_points_and_no_others(mistake):
    name, _, answer, old, new, expected = mistake
    assert load(name).lost(changed(load(name), answer, old, new)) == expected


@pytest.mark.parametrize("alternative", ALTERNATIVES, ids=lambda entry: f"{entry[0]}: {entry[1]}")
def test_another_right_answer_is_accepted(alternative):
    name, _, answer, old, new = alternative
    assert load(name).lost(changed(load(name), answer, old, new)) == set()


def test_every_test_is_failed_by_some_mistake_of_every_answer(assignment):
    mistakes = ANSWERS[assignment.name].MISTAKES
    assert set().union(*(mistake[-1] for mistake in mistakes)) == set(assignment.tests)
    assert {mistake[1] for mistake in mistakes} == set(assignment.answers)


def test_an_earlier_mistake_costs_nothing_later():
    """In all but the first assignment, tests call an answer with right versions of earlier ones."""
    for name in set(NAMES) - {NAME}:
        for label, answer, _, _, failed in ANSWERS[name].MISTAKES:
            assert all(test.startswith(f"{answer}-") for test in failed), (name, label, failed)


def test_the_table_of_points_is_right(assignment):
    points, part = {}, None
    source = assignments.FOLDER / assignment.name / "source.md"
    for cell in assignments.read(source).cells:
        if cell.cell_type == "markdown" and (heading := re.search(r"(?m)^## (\d)\.", cell.source)):
            part = heading[1]
        if role(cell) in ("test", "proof"):
            points[part] = points.get(part, 0) + cell.metadata["nbgrader"]["points"]
    table = re.findall(r"(?m)^\| (\d)\. .* \| (\d+) \|$", source.read_text(encoding="utf-8"))
    assert {part: int(total) for part, total in table} == points
    assert sum(points.values()) == 20
    said = [
        int(number) for number in re.findall(r"\*\*Prove it\*\* \((\d) points\)", source.read_text("utf-8"))
    ]
    assert said == list(assignment.proof_points.values())


def test_a_source_says_what_it_takes_and_gives(assignment):
    text = (assignments.FOLDER / assignment.name / "source.md").read_text(encoding="utf-8")
    for word in ("**Time.**", "**Before it.**", "**After it**"):
        assert text.count(word) == 1


def test_a_proof_has_a_rubric_for_all_of_its_points(assignment):
    assert bool(assignment.proofs) == (assignment.name != NAME)
    for grade_id, text in assignment.proofs.items():
        points = assignment.proof_points[grade_id]
        assert re.match(r"\*\*Proof \d: .*\*\*\n", text), "its first line tells proofs apart"
        rubric = re.search(r"(?s)\*\*Rubric\*\* \((\d) points\)\.(.*)### END SOLUTION", text)
        assert int(rubric[1]) == points
        assert len(re.findall(r"One(?::| for)", rubric[2])) == points


def test_nothing_compiled_is_needed():
    """Students may work in a browser: these, and the standard library, are what it has."""
    for name in NAMES:
        for source in [*load(name).given.values(), *load(name).tests.values()]:
            modules = re.findall(r"(?m)^\s*(?:from|import) (\w+)", source)
            assert set(modules) <= {"itertools", "unittest", "matplotlib", "numpy", "scipy", "pairint"}


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
    student = nbformat.read(handed_out(assignment.name), as_version=4)
    answers = code(student, "answer")
    assert answers.keys() == assignment.answers.keys()
    assert all("raise NotImplementedError()" in source for source in answers.values())
    for source in assignment.answers.values():
        for region in re.findall(r"(?s)### BEGIN SOLUTION\n(.*?)### END SOLUTION", source):
            assert region.strip() not in "\n".join(answers.values())
    proofs = code(student, "proof")
    assert proofs == {
        grade_id: f"{text.splitlines()[0]}\n\nYOUR ANSWER HERE"
        for grade_id, text in assignment.proofs.items()
    }
    for grade_id, source in code(student, "test").items():
        shown = re.sub(r"(?s)\n?### BEGIN HIDDEN TESTS.*### END HIDDEN TESTS", "", assignment.tests[grade_id])
        assert source == shown and "import" not in source


@pytest.mark.parametrize("version", assignments.VERSIONS)
def test_versions_have_no_output_and_no_marker(assignment, version):
    name = assignment.name
    notebook = nbformat.read(assignments.FOLDER / name / version / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert not re.search("(BEGIN|END) (SOLUTION|HIDDEN)", cell.source)


def test_a_submission_without_marks_is_recognised(assignment):
    """As from an editor that keeps the text of cells alone: each answer, proof and test is found."""
    release = nbformat.read(handed_out(assignment.name), as_version=4)
    submission = answered(assignment.name, assignment.answers | assignment.proofs)
    for number, cell in enumerate(submission.cells):
        cell.metadata, cell["id"] = nbformat.NotebookNode(), f"new-{number}"
    safeguards.recognise(submission, release)
    found = [(role(cell), cell.metadata.get("nbgrader", {}).get("grade_id")) for cell in submission.cells]
    assert found == [
        (role(cell), cell.metadata.get("nbgrader", {}).get("grade_id")) for cell in release.cells
    ]


# nbgrader itself, by the commands of the page.


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
def course(tmp_path_factory) -> Path:
    """Return a course in which all assignments have been handed in."""
    folder = tmp_path_factory.mktemp("course")
    assert assignments.main(["--course", str(folder)]) == 0
    for name in NAMES:
        right = load(name).answers
        submissions = {
            "correct": answered(name, right | load(name).proofs),
            "wrong": answered(name, right | wrong_answers(name)[0]),  # and no proof
        }
        if name == NAME:
            _, _, old, new, _ = next(entry for entry in ANSWERS[name].MISTAKES if entry[0] == "divides by N")
            submissions["tampered"] = tampered(answered(name, changed(load(name), "forward", old, new)))
            submissions["blank"] = answered(name, {})
        for student, notebook in submissions.items():
            target = folder / "submitted" / student / name / f"{name}.ipynb"
            target.parent.mkdir(parents=True)
            nbformat.write(notebook, target)
    return folder


def grade(course: Path, name: str) -> Path:
    """Hand out and grade an assignment, if it is not done yet, by the commands of the page."""
    if (course / "release" / name).exists():
        return course
    own = course / "jupyter"  # nothing of the user's configuration, nothing left behind
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_CONFIG_DIR": str(own), "JUPYTER_DATA_DIR": str(own), "JUPYTER_RUNTIME_DIR": str(own),
        "IPYTHONDIR": str(own), "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }  # fmt: skip
    commands = re.findall(r"(?m)^nbgrader .*$", PAGE)
    assert [command.split()[1] for command in commands] == [
        "generate_assignment", "autograde", "generate_feedback", "export",
    ]  # fmt: skip
    for command in commands if name == NAME else commands[:2]:
        words = command.replace(NAME, name).split()
        run = subprocess.run(words, cwd=course, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
    return course


@pytest.fixture
def graded(course, assignment) -> Path:
    return grade(course, assignment.name)


@pytest.fixture
def first(course) -> Path:
    return grade(course, NAME)


def points_of(course: Path, student: str, name: str = NAME) -> dict[str, float | None]:
    """Return the points of each test and proof in the gradebook; None where a person has to look."""
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        notebook = book.find_submission_notebook(name, name, student)
        return {grade.name: None if grade.needs_manual_grade else grade.score for grade in notebook.grades}


@pytest.mark.slow
class TestNbgrader:
    def test_the_version_of_the_book_is_the_one_that_nbgrader_makes(self, graded, assignment):
        name = assignment.name
        released = nbformat.read(graded / "release" / name / f"{name}.ipynb", as_version=4)
        ours = nbformat.read(handed_out(name), as_version=4)
        assert [(c.cell_type, c.source, c.metadata) for c in released.cells] == [
            (c.cell_type, c.source, c.metadata) for c in ours.cells
        ]

    def test_correct(self, graded, assignment):
        name = assignment.name
        to_read = dict.fromkeys(assignment.proof_points)
        assert points_of(graded, "correct", name) == assignment.points | to_read
        notebook = graded / "autograded" / "correct" / name / f"{name}.ipynb"
        outputs = [out for c in nbformat.read(notebook, as_version=4).cells for out in c.get("outputs", [])]
        assert [out for out in outputs if out.output_type == "error"] == []
        shown = [out["data"] for out in outputs if "data" in out]
        # Matplotlib before 3.9 gives the name of a kernel's first picture instead of the picture.
        pictures = sum("image/png" in data or "<Figure" in data.get("text/plain", "") for data in shown)
        assert (
            pictures == (assignments.FOLDER / name / "source.md").read_text("utf-8").count("plt.show()") > 0
        )

    def test_wrong(self, graded, assignment):
        _, lost = wrong_answers(assignment.name)
        expected = {test: 0 if test in lost else points for test, points in assignment.points.items()}
        untouched = dict.fromkeys(assignment.proof_points, 0)  # which nobody has to read
        assert points_of(graded, "wrong", assignment.name) == expected | untouched

    def test_blank(self, first):
        assert points_of(first, "blank") == dict.fromkeys(load(NAME).points, 0)

    def test_tampered(self, first):
        """Edited, deleted and revalued tests are put back: what counts is the one that passes honestly."""
        assert points_of(first, "tampered") == dict.fromkeys(load(NAME).points, 0) | {"forward-vectorised": 1}

    def test_table_of_grades(self, first):
        with open(first / "grades.csv", newline="") as file:
            table = [row for row in csv.DictReader(file) if row["assignment"] == NAME]
        rows = {row["student_id"]: row for row in table}
        assert rows.keys() == {"correct", "wrong", "blank", "tampered"}
        total = sum(load(NAME).points.values())
        assert all(float(row["max_score"]) == total for row in rows.values())
        for student, row in rows.items():
            assert float(row["score"]) == sum(points_of(first, student).values())
        assert float(rows["correct"]["score"]) == total > float(rows["wrong"]["score"]) > 0

    def test_table_for_a_learning_system(self, first, monkeypatch):
        """By the lines of the page."""
        (lines,) = re.findall(r"(?s)```python\n(.*?)```", PAGE)
        monkeypatch.chdir(first)
        exec(lines, {})
        with open(first / "table.csv", newline="") as file:
            rows = {row["student_id"]: row for row in csv.DictReader(file)}
        for student, row in rows.items():
            assert float(row[NAME]) == sum(points_of(first, student).values())

    def test_proofs_are_read_and_their_points_entered(self, course, capsys):
        name = "lower_bound"
        grade(course, name)
        assert proofs.main([name], course) == 0
        text = (course / "proofs" / f"{name}.md").read_text(encoding="utf-8")
        assert text.count("## proof-two, ") == 1, "an untouched one has its points already"
        assert "1 - TV" in text
        table = course / "proofs" / f"{name}.csv"
        with open(table, newline="") as file:
            rows = list(csv.DictReader(file))
        assert {row["student"] for row in rows} == {"correct"} and not any(row["points"] for row in rows)
        most = load(name).proof_points

        def entered(points):
            with open(table, "w", newline="") as file:
                writer = csv.DictWriter(file, proofs.COLUMNS)
                writer.writeheader()
                writer.writerows(row | {"points": points(row)} for row in rows)
            return proofs.main([name, "--enter"], course)

        assert entered(lambda row: "7") == 1
        assert "must be a number from 0 to 2, got '7'" in capsys.readouterr().out
        assert points_of(course, "correct", name)["proof-two"] is None, "then nothing is entered"
        assert entered(lambda row: row["of"] if row["proof"] == "proof-two" else "") == 0
        assert points_of(course, "correct", name)["proof-rate"] is None, "it is left for later"
        assert entered(lambda row: row["of"]) == 0
        full = points_of(course, "correct", name)
        assert full == load(name).points | most and sum(full.values()) == 20
        assert entered(lambda row: "0,5") == 0
        assert proofs.main([name], course) == 0
        with open(table, newline="") as file:
            assert {row["points"] for row in csv.DictReader(file)} == {"0.5"}

    def test_proofs_need_a_course(self, tmp_path, capsys):
        assert proofs.main(["lower_bound"], tmp_path) == 1
        assert "There is no gradebook" in capsys.readouterr().out

    def test_feedback_names_the_mistake(self, first):
        html = (first / "feedback" / "wrong" / NAME / f"{NAME}.html").read_text(encoding="utf-8")
        assert "the area is" in html and "times the scatter of the estimates" in html

    def test_a_second_layout_keeps_the_work(self, first):
        config = first / "nbgrader_config.py"
        config.write_text(config.read_text(encoding="utf-8") + "# ours\n", encoding="utf-8")
        assert assignments.main(["--course", str(first)]) == 0
        assert config.read_text(encoding="utf-8").endswith("# ours\n")
        assert (first / "gradebook.db").is_file()
