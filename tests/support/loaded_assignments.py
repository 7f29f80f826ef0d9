"""The assignments as the tests of several folders use them: their cells, and what answers lose."""

import functools
import re
from pathlib import Path

import assignments
import nbformat
from assignment_answers import ANSWERS

NAMES = [path.parent.name for path in assignments.sources()]


def role(cell) -> str:
    """Return what a cell is for: "answer", "proof", "test", "given" (locked), or "" (the rest)."""
    meta = cell.metadata.get("nbgrader")
    if meta is None:
        return ""
    if meta["solution"]:
        return "proof" if meta["grade"] else "answer"
    return "test" if meta["grade"] else "given"


def cells(notebook, kind: str) -> dict:
    """Return the cells of one kind by their grade_id."""
    return {cell.metadata["nbgrader"]["grade_id"]: cell for cell in notebook.cells if role(cell) == kind}


def code(notebook, kind: str) -> dict[str, str]:
    return {grade_id: cell.source for grade_id, cell in cells(notebook, kind).items()}


class Assignment:
    """An assignment that is graded without a kernel, with some of its answers replaced."""

    def __init__(self, path: Path) -> None:
        self.name = path.parent.name
        notebook = assignments.read(path)
        kinds = ("given", "answer", "proof", "test")
        self.given, self.answers, self.proofs, self.tests = (code(notebook, kind) for kind in kinds)
        self.points, self.proof_points = (
            {
                grade_id: cell.metadata["nbgrader"]["points"]
                for grade_id, cell in cells(notebook, kind).items()
            }
            for kind in ("test", "proof")
        )

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


@functools.cache
def load(name: str) -> Assignment:
    return Assignment(assignments.FOLDER / name / "source.md")


def handed_out(name: str) -> Path:
    """Return the student version of the book."""
    return assignments.FOLDER / name / "student" / f"{name}.ipynb"


def wrong_answers(name: str) -> tuple[dict[str, str], set[str]]:
    """Return the answers of the wrong submission, and the tests that they fail."""
    answers: dict[str, str] = {}
    lost: set[str] = set()
    for label in ANSWERS[name].IN_ONE_SUBMISSION:
        _, answer, old, new, failed = next(entry for entry in ANSWERS[name].MISTAKES if entry[:2] == label)
        answers |= changed(load(name), answer, old, new)
        lost |= failed
    return answers, lost


def changed(assignment: Assignment, answer: str, old: str, new: str) -> dict[str, str]:
    """Return an answer with some words replaced."""
    assert old in assignment.answers[answer], f"the solution of {answer} has changed: no {old!r} in it"
    return {answer: assignment.answers[answer].replace(old, new)}


def answered(name: str, answers: dict[str, str]) -> nbformat.NotebookNode:
    """Return the student version of the book with these answers filled in."""
    notebook = nbformat.read(handed_out(name), as_version=4)
    places = cells(notebook, "answer") | cells(notebook, "proof")
    for grade_id, source in answers.items():
        places[grade_id].source = assignments.MARKER.sub("", source)
    return notebook
