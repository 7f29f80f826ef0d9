"""The assignments: in step with their sources, and graded as they should be, without a screen."""

import os
import re
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("nbgrader", reason="nbgrader is not installed: pip install pairint[classroom]")

import assignments
from nbgrader.api import Gradebook
from nbgrader.apps.api import NbGraderAPI
from traitlets.config import Config

NAME = "exploration_measure"
URL = "https://example.org/repository"
SOURCE = assignments.FOLDER / NAME / "source.md"


@pytest.fixture(scope="module")
def solved():
    return assignments.read(SOURCE, URL)


def cell(notebook, grade_id):
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def code(notebook, kind):
    """Return the code of the locked, answer or test cells by grade_id."""
    found = {}
    for c in notebook.cells:
        meta = c.metadata.get("nbgrader")
        if meta and {"answer": meta["solution"], "test": meta["grade"]}.get(
            kind, not meta["solution"] and not meta["grade"]
        ):
            found[meta["grade_id"]] = c.source
    return found


def lost(notebook, changes):
    """Run the notebook's cells with some answers replaced; return the tests that fail."""
    space = {"__name__": "student"}
    for source in [*code(notebook, "given").values(), *(code(notebook, "answer") | changes).values()]:
        exec(source, space)
    failed = set()
    for grade_id, source in code(notebook, "test").items():
        try:
            exec(source, space)
        except Exception:  # whatever a wrong answer raises, its points are lost
            failed.add(grade_id)
    return failed


def test_versions_are_in_step_with_the_source():
    assert assignments.main(["--check"]) == 0


def test_student_version_has_no_solution_and_no_hidden_test():
    student = nbformat.read(SOURCE.parent / "student" / f"{NAME}.ipynb", as_version=4)
    text = "\n".join(c.source for c in student.cells)
    assert "BEGIN SOLUTION" not in text and "HIDDEN" not in text
    assert text.count("NotImplementedError") >= 5
    assert not any(c.get("outputs") for c in student.cells)


def test_wrong_answers_lose_their_points_and_no_others(solved):
    assert lost(solved, {}) == set()
    answers = code(solved, "answer")
    wrong = {
        "a token talks to itself": (
            "forward",
            "def forward_operator(X, A, phi):\n"
            "    return phi((X @ A) @ X.transpose(0, 2, 1)).sum(-1) / (X.shape[1] - 1)\n",
            "forward-example",
        ),
        "divides by N": (
            "forward",
            "def forward_operator(X, A, phi):\n"
            "    G = phi((X @ A) @ X.transpose(0, 2, 1)).copy()\n"
            "    G[:, np.arange(X.shape[1]), np.arange(X.shape[1])] = 0\n"
            "    return G.sum(-1) / X.shape[1]\n",
            "forward-example",
        ),
        "counts instead of a density": (
            "histogram",
            "def histogram_density(U, edges):\n    return np.histogram(U, edges)[0].astype(float)\n",
            "histogram-values",
        ),
    }
    for grade_id, replaced, test in wrong.values():
        assert grade_id in answers
        assert test in lost(solved, {grade_id: replaced})


def test_headless_grading(tmp_path, monkeypatch):
    course = tmp_path / "course"
    assignments.write_course(course, URL)
    monkeypatch.chdir(course)
    monkeypatch.setenv("PATH", os.path.dirname(os.sys.executable) + os.pathsep + os.environ["PATH"])
    database = f"sqlite:///{course / 'gradebook.db'}"
    config = Config()
    config.CourseDirectory.root = str(course)
    config.CourseDirectory.course_id = "pairint"
    config.CourseDirectory.db_url = database
    config.OverwriteCells.add_missing_cells = True
    config.Execute.timeout = 120
    api = NbGraderAPI(config=config)
    assert api.generate_assignment(NAME)["success"]

    released = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    source = nbformat.read(course / "source" / NAME / f"{NAME}.ipynb", as_version=4)
    answers = code(source, "answer")

    def submit(student, edit):
        notebook = nbformat.from_dict(released)
        notebook = nbformat.reads(nbformat.writes(notebook), as_version=4)
        edit(notebook)
        target = course / "submitted" / student / NAME / f"{NAME}.ipynb"
        target.parent.mkdir(parents=True)
        nbformat.write(notebook, target)
        result = api.autograde(NAME, student)
        assert result["success"], result.get("error")

    def correct(notebook):
        for grade_id, text in answers.items():
            cell(notebook, grade_id).source = re.sub(r"(?m)^\s*### (BEGIN|END) SOLUTION\n?", "", text)

    def tampered(notebook):
        for c in notebook.cells:
            if c.metadata.get("nbgrader", {}).get("grade"):
                c.source = "assert True"

    submit("correct", correct)
    submit("blank", lambda notebook: None)
    submit("tampered", tampered)
    with Gradebook(database) as book:
        scores = {s: book.find_submission(NAME, s).score for s in ("correct", "blank", "tampered")}
        total = book.find_submission(NAME, "correct").max_score
    assert total > 0
    assert scores["correct"] == total
    assert scores["blank"] == 0
    assert scores["tampered"] == 0  # edited tests are put back before grading
    assert Path(course / "gradebook.db").exists()
