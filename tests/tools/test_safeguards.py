"""Submissions with accidents are mended before they are graded; sabotage is found while they are."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

pytest.importorskip("nbgrader", reason="nbgrader is not installed: pip install pairint[classroom]")

import assignments
import safeguards

pytestmark = pytest.mark.slow


def marked(grade_id, *, kind="given", points=None, **more):
    meta = {
        "grade_id": grade_id, "solution": kind == "answer", "grade": kind == "test",
        "locked": kind != "answer", "schema_version": 3, "task": False, **more,
    }  # fmt: skip
    return {"nbgrader": meta | ({"points": points} if points else {})}


def release():
    return new_notebook(
        cells=[
            new_markdown_cell("# Squares"),
            new_code_cell("import numpy as np", id="imports", metadata=marked("imports")),
            new_code_cell(
                "def square(x):\n    raise NotImplementedError()",
                id="square",
                metadata=marked("square", kind="answer"),
            ),
            new_code_cell("assert square(2) == 4", id="two", metadata=marked("two", kind="test", points=2)),
            new_code_cell(
                "def cube(x):\n    raise NotImplementedError()",
                id="cube",
                metadata=marked("cube", kind="answer"),
            ),
            new_code_cell("assert cube(2) == 8", id="eight", metadata=marked("eight", kind="test", points=1)),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )


def answered(square="return x * x", cube="return x**3"):
    notebook = release()
    notebook.cells[2].source = f"def square(x):\n    {square}"
    notebook.cells[4].source = f"# help of mine\ndef cube(x):\n    {cube}"
    notebook.cells.insert(2, new_code_cell("mine = 1", id="mine"))
    return notebook


def marks(notebook):
    return [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in notebook.cells]


COMPLETE = [None, "imports", None, "square", "two", "cube", "eight"]


def test_a_sound_submission_stays_as_it_is():
    notebook = answered()
    before = nbformat.writes(notebook)
    assert safeguards.recognise(notebook, release()) == []
    assert nbformat.writes(notebook) == before


@pytest.mark.parametrize("ids", ["kept", "colab", "lost"])
def test_lost_marks_are_found_again(ids):
    """By identifier, as Colab moves it, or by the text and the names of functions."""
    notebook = answered()
    for number, cell in enumerate(notebook.cells):
        cell.metadata = {"id": cell.id} if ids == "colab" else {}
        if ids != "kept":
            cell["id"] = f"new-{number}"
    (said,) = safeguards.recognise(notebook, release())
    assert said == "5 cells had lost their marks, and are recognised"
    assert marks(notebook) == COMPLETE
    original = {cell.id: cell.metadata.nbgrader for cell in release().cells if cell.metadata}
    assert all(
        cell.metadata.nbgrader == original[cell.metadata.nbgrader.grade_id]
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    )


def test_a_proof_is_found_by_its_first_line():
    """It has no functions, and no text that students leave as it is."""
    notebooks = [answered(), release()]
    for notebook, text in zip(notebooks, ("It is clear.", "YOUR ANSWER HERE"), strict=True):
        meta = marked("proof", kind="answer", points=2)
        meta["nbgrader"]["grade"] = True
        cell = new_markdown_cell(f"**Proof 1: squares.**\n\n{text}", id="proof", metadata=meta)
        notebook.cells.append(new_markdown_cell("**Proof 2: cubes.**\n\nNo."))
        notebook.cells.append(cell)
    submission = notebooks[0]
    for number, cell in enumerate(submission.cells):
        cell.metadata, cell["id"] = {}, f"new-{number}"
    (said,) = safeguards.recognise(*notebooks)
    assert said == "6 cells had lost their marks, and are recognised"
    assert marks(submission) == [*COMPLETE, None, "proof"]
    assert submission.cells[-1].source.endswith("It is clear.")


def test_cells_that_are_missing_come_back_in_their_places():
    notebook = answered()
    del notebook.cells[3:5]  # the answer and its test
    (said,) = safeguards.recognise(notebook, release())
    assert said.endswith("as they were handed out: square, two")
    assert marks(notebook) == [None, "imports", "square", "two", None, "cube", "eight"]
    nbformat.validate(notebook)


def test_an_old_format_stays_valid():
    notebook = answered()
    notebook.nbformat_minor = 4
    for cell in notebook.cells:
        cell.pop("id")
    del notebook.cells[3]
    safeguards.recognise(notebook, release())
    nbformat.validate(notebook)


def test_an_edited_test_is_no_stranger():
    """It has its mark: nbgrader puts its text back. Another cell of the same text gains none."""
    notebook = answered()
    notebook.cells[4].source = "pass"
    notebook.cells.append(new_code_cell("assert square(2) == 4", id="again"))
    assert safeguards.recognise(notebook, release()) == []
    assert marks(notebook) == [*COMPLETE, None]


@pytest.fixture
def course(tmp_path):
    (tmp_path / "release" / "ps").mkdir(parents=True)
    nbformat.write(release(), tmp_path / "release" / "ps" / "ps.ipynb")
    return tmp_path


def handed_in(course: Path, **files) -> list[str]:
    folder = course / "submitted" / "ann" / "ps"
    folder.mkdir(parents=True)
    for name, content in files.items():
        path = folder / f"{name.replace('_1', ' (1)')}.ipynb"
        path.write_text(content if isinstance(content, str) else nbformat.writes(content), encoding="utf-8")
    return [str(path) for path in sorted(folder.glob("*.ipynb"))]


def test_a_renamed_file_is_taken_and_kept(course, capsys):
    notebooks = handed_in(course, ps_1=answered())
    original = Path(notebooks[0]).read_bytes()
    safeguards.receive("ps", "*", notebooks)
    assert [Path(name).name for name in notebooks] == ["ps.ipynb"]
    assert Path(notebooks[0]).read_bytes() == original
    assert (course / "received" / "ann" / "ps" / "ps (1).ipynb").read_bytes() == original
    assert capsys.readouterr().out == "ann, ps: ps (1).ipynb is taken for ps.ipynb\n"


def test_a_sound_file_is_not_touched(course, capsys):
    notebooks = handed_in(course, ps=answered(), notes=answered())
    before = list(notebooks)
    safeguards.receive("ps", "*", notebooks)
    assert notebooks == before and capsys.readouterr().out == ""
    assert not (course / "received").exists()


def test_of_two_files_none_is_taken(course, capsys):
    notebooks = handed_in(course, ps_1=answered(), psfinal=answered())
    safeguards.receive("ps", "*", notebooks)
    assert "which one it is cannot be told" in capsys.readouterr().out
    assert {Path(name).name for name in notebooks} == {"ps (1).ipynb", "psfinal.ipynb"}


def test_what_was_received_is_kept_once(course):
    """The second time, the file is the mended one."""
    notebook = answered()
    for cell in notebook.cells:
        cell.metadata = {}
    notebooks = handed_in(course, ps=notebook)
    original = Path(notebooks[0]).read_bytes()
    for _ in range(2):
        safeguards.receive("ps", "*", notebooks)
        assert marks(nbformat.read(notebooks[0], as_version=4)) == COMPLETE
    assert (course / "received" / "ann" / "ps" / "ps.ipynb").read_bytes() == original


@pytest.mark.parametrize("damage", ["", "{", '{"a": 1}', "\x89PNG"])
def test_what_is_no_notebook_is_named(course, capsys, damage):
    notebooks = handed_in(course, ps=damage)
    safeguards.receive("ps", "*", notebooks)
    assert "ps.ipynb is no notebook" in capsys.readouterr().out


SABOTAGE = """\
import ast


class Emptied(ast.NodeTransformer):
    def visit_Module(self, node):
        node.body = []
        return node


get_ipython().ast_transformers.append(Emptied())"""
PATCHED = "import numpy\nnumpy.allclose = lambda *arguments, **options: True"


def executed(notebook, tmp_path, timeout=60):
    step = safeguards.CheckedExecute(timeout=timeout)
    notebook, _ = step.preprocess(notebook, {"metadata": {"path": str(tmp_path)}, "nbgrader": {}})
    return notebook, {
        cell.metadata.nbgrader.grade_id: [out.ename for out in cell.outputs if out.output_type == "error"]
        for cell in notebook.cells
        if "nbgrader" in cell.metadata and cell.metadata.nbgrader.grade
    }


def test_an_honest_notebook_is_graded_as_ever(tmp_path):
    """Also one whose names hide those of Python: nothing of the tests among its own is left in it."""
    given = answered(cube="return 7")
    given.cells[2].source = "max = len = abs = 3"
    sources = [cell.source for cell in given.cells]
    notebook, errors = executed(given, tmp_path)
    assert errors == {"two": [], "eight": ["AssertionError"]}
    assert [cell.source for cell in notebook.cells] == sources


@pytest.mark.parametrize("sabotage", [SABOTAGE, PATCHED], ids=["emptied", "patched"])
def test_sabotage_gets_nothing(tmp_path, sabotage):
    notebook = release()
    notebook.cells.insert(2, new_code_cell(sabotage))
    notebook, errors = executed(notebook, tmp_path)
    assert all(names[-1:] == ["Sabotage"] for names in errors.values())
    text = [
        out.evalue
        for cell in notebook.cells
        for out in cell.get("outputs", [])
        if out.get("ename") == "Sabotage"
    ]
    assert text == [safeguards.SABOTAGE] * 2


def test_a_loop_costs_its_own_points(tmp_path):
    _, errors = executed(answered(square="while True: pass"), tmp_path, timeout=4)
    assert errors["two"] and errors["eight"] == []


@pytest.mark.parametrize(
    ("deed", "error"),
    [
        ("signal.signal(signal.SIGINT, signal.SIG_IGN)\n    while True: pass", "CellTimeoutError"),
        ("os._exit(1)", "DeadKernelError"),
    ],
)
def test_what_stops_python_costs_the_rest_and_no_more(tmp_path, deed, error):
    """One wait, not one for each cell that follows; what was right before counts."""
    notebook = answered(cube=f"import os, signal\n    {deed}")
    notebook.cells += [
        new_code_cell("assert True", metadata=marked(f"more-{n}", kind="test", points=1)) for n in range(20)
    ]
    _, errors = executed(notebook, tmp_path, timeout=3)
    assert errors["two"] == [] and errors["eight"] == [error]
    assert all(names == ["Silence"] for name, names in errors.items() if name.startswith("more"))


def test_a_course_can_load_its_safeguards(tmp_path):
    """The copy stands alone: nothing of the repository is needed to grade."""
    (tmp_path / "assignments").mkdir()
    course = tmp_path / "course"
    assignments.write_course(course, tmp_path / "assignments")
    for name in assignments.COPIED:
        assert (course / name).read_bytes() == Path(safeguards.__file__).with_name(name).read_bytes()
    code = """
from traitlets.config import PyFileConfigLoader
config = PyFileConfigLoader("nbgrader_config.py").load_config()
print(config.Autograde.autograde_preprocessors[0].__name__, config.Execute.timeout)
"""
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, cwd=course, capture_output=True, text=True)
    assert done.stdout.split() == ["CheckedExecute", "30"], done.stderr


SOURCE = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# Squares

```{code-cell} ipython3
:nbgrader: {grade_id: square, solution: true}
def square(x):
    ### BEGIN SOLUTION
    return x * x
    ### END SOLUTION
```

```{code-cell} ipython3
:nbgrader: {grade_id: square-two, points: 3}
assert square(2) == 4
### BEGIN HIDDEN TESTS
assert square(3) == 9
### END HIDDEN TESTS
```
"""
RIGHT = "def square(x):\n    return x * x"


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """Return a course of one small assignment, graded, with what nbgrader said."""
    folder = tmp_path_factory.mktemp("graded")
    (folder / "assignments" / "ps").mkdir(parents=True)
    (folder / "assignments" / "ps" / "source.md").write_text(SOURCE, encoding="utf-8")
    course = folder / "course"
    assignments.write_course(course, folder / "assignments")
    own = str(folder / "jupyter")
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JUPYTER_CONFIG_DIR": own, "JUPYTER_DATA_DIR": own, "JUPYTER_RUNTIME_DIR": own, "IPYTHONDIR": own,
    }  # fmt: skip

    def nbgrader(command):
        run = ["nbgrader", command, "ps"]
        return subprocess.run(run, cwd=course, env=environment, capture_output=True, text=True)

    assert nbgrader("generate_assignment").returncode == 0
    student = course / "release" / "ps" / "ps.ipynb"

    def hand_in(who, answer=RIGHT, name="ps", first=None, bare=False):
        notebook = nbformat.read(student, as_version=4)
        notebook.cells[1].source = answer
        if first is not None:
            notebook.cells.insert(0, new_code_cell(first))
        for number, cell in enumerate(notebook.cells):
            if bare:
                cell.metadata, cell["id"] = nbformat.NotebookNode(), f"new-{number}"
        path = course / "submitted" / who / "ps" / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)

    hand_in("right")
    hand_in("renamed", name="ps (1)")
    hand_in("bare", bare=True)
    hand_in("ending", answer="import os\n\n\ndef square(x):\n    os._exit(1)")
    hand_in("emptied", answer="def square(x): ...", first=SABOTAGE)
    done = nbgrader("autograde")
    assert done.returncode == 0, done.stderr
    assert nbgrader("generate_feedback").returncode == 0
    return course, done.stdout, done.stderr


def test_marks(graded):
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{graded[0] / 'gradebook.db'}") as book:
        marks = {who: book.find_submission("ps", who).score for who in ("right", "renamed", "bare")}
        none = {who: book.find_submission("ps", who).score for who in ("ending", "emptied")}
    assert set(marks.values()) == {3} and set(none.values()) == {0}


def test_the_teacher_reads_what_was_done(graded):
    course, said, logged = graded
    assert said.splitlines() == [
        "bare, ps: 2 cells had lost their marks, and are recognised",
        "renamed, ps: ps (1).ipynb is taken for ps.ipynb",
    ]
    assert logged.count(safeguards.SABOTAGE) == logged.count(f"emptied: {safeguards.SABOTAGE}") == 1
    received = sorted(
        path.relative_to(course / "received").as_posix() for path in course.rglob("received/*/*/*")
    )
    assert received == ["bare/ps/ps.ipynb", "renamed/ps/ps (1).ipynb"]


def test_the_student_reads_it_too(graded):
    pages = {path.parts[-3]: path.read_text("utf-8") for path in (graded[0] / "feedback").rglob("*.html")}
    assert {who for who, page in pages.items() if safeguards.SABOTAGE in page} == {"emptied"}
    assert "DeadKernelError" in pages["ending"]
    assert not any("this test fails, as it must" in page for page in pages.values())
