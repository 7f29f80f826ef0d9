"""What makes nbgrader forgiving with accidents and wary of sabotage. ``assignments.py --course`` puts a copy
of this file into each course, beside the configuration that uses it.

A submission that was renamed, that has lost the marks of its cells, or some of its cells, is mended before it
is graded; what was received is kept under ``received/``. While it is graded, tests that must fail run among
the others: if one passes, no test of that notebook says anything, and it gets no points until a person has
looked at it. It cannot open the files of the course, where solutions, hidden tests and grades are, nor start
programs that could.
"""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path
from typing import Any

import nbformat
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbgrader.preprocessors import Execute
from nbgrader.utils import is_grade

#: Wrong in as many ways as tests look for: sabotage would have to spare all of them.
FALSE = (
    "1 + 1 == 3",
    "abs(-2.0) < 1.0",
    "max([1, 2]) == 1",
    "len([1, 2]) == 3",
    "all([True, False])",
    "not any([True, False])",
    "isinstance(1, str)",
    "__import__('numpy').allclose([1.0], [2.0])",
    "__import__('numpy').array_equal([1.0], [2.0])",
    "__import__('numpy').abs(__import__('numpy').array([-2.0, 0.5])).max() < 1.0",
)
#: What a submission leaves alone: the rest of the course.
PROTECTED = (
    "source", "release", "submitted", "received", "autograded", "feedback", "proofs",
    "gradebook.db", "grades.csv", "nbgrader_config.py", "safeguards.py", "proofs.py",
)  # fmt: skip
#: Run before a notebook. An audit hook cannot be taken away again, nor does it see what is defined later.
GUARD = """\
def guard(own, course, protected):
    import os
    import sys

    programs = {
        "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.startfile", "pty.spawn",
    }
    files = {
        "open", "sqlite3.connect", "os.listdir", "os.scandir", "os.rename", "os.remove", "os.link",
        "os.symlink", "os.truncate", "os.chmod", "os.rmdir", "os.mkdir",
        "shutil.copyfile", "shutil.copytree", "shutil.move",
    }
    places = [os.path.join(course, name) for name in protected]
    # What a notebook replaces later is bound here.
    realpath, fspath, decode, kinds = os.path.realpath, os.fspath, os.fsdecode, (str, bytes, os.PathLike)
    isa, starts, refused, separator = isinstance, str.startswith, PermissionError, os.sep

    def watch(event, arguments):
        if event in programs:
            raise refused("a submission may not start programs")
        if event not in files:
            return
        for argument in arguments[:2]:
            if not isa(argument, kinds):
                continue
            name = decode(fspath(argument))
            if event == "sqlite3.connect" and starts(name, "file:"):
                name = name[5:].partition("?")[0]
            path = realpath(name)
            if path == own or starts(path, own + separator):
                continue
            if path == course:
                raise refused("a submission may not look at its course: " + name)
            for place in places:
                if path == place or starts(path, place + separator) or starts(path, place + "-"):
                    raise refused("a submission may not look at its course: " + name)

    sys.addaudithook(watch)


guard({own!r}, {course!r}, {protected!r})
del guard"""
SABOTAGE = (
    "A test that must fail has passed: something in this notebook keeps tests from failing. None of them "
    "counts until a person has looked at it."
)
SILENCE = "Not run: a cell before this one ended Python, or did not end and could not be interrupted."


class CheckedExecute(Execute):
    """Run a notebook with tests among its own that must fail, one after each test and all at the end."""

    def preprocess(self, nb: Any, resources: Any = None, km: Any = None) -> Any:
        self._silent, self._canaries, guard = False, [], self._guard(resources)
        own = list(nb.cells)
        nb.cells = [guard]
        for cell in own:
            nb.cells.append(cell)
            if is_grade(cell) and cell.cell_type == "code":
                nb.cells.append(self._canary(secrets.choice(FALSE)))
        nb.cells += [self._canary(false) for false in FALSE]
        nb, resources = super().preprocess(nb, resources, km)
        if _failed(guard):
            raise RuntimeError(f"the guard of this course does not run: {guard.outputs}")
        passed = [cell for cell in self._canaries if not _failed(cell)]
        nb.cells = own
        for cell in own:
            if passed and is_grade(cell) and cell.cell_type == "code":
                cell.outputs.append(_error("Sabotage", SABOTAGE))
        if passed:
            self.log.error("%s: %s", resources.get("nbgrader", {}).get("student", "?"), SABOTAGE)
        return nb, resources

    def preprocess_cell(self, cell: Any, resources: Any, index: int) -> Any:
        if self._silent:
            if cell.cell_type == "code":
                cell.outputs = [_error("Silence", SILENCE)]
            return cell, resources
        try:
            return super().preprocess_cell(cell, resources, index)
        except (CellTimeoutError, DeadKernelError) as error:  # what can be interrupted raises nothing here
            self._silent = True
            cell.outputs.append(_error(type(error).__name__, str(error)))
            return cell, resources

    def _guard(self, resources: Any) -> Any:
        """Return the cell that keeps a submission, and nothing else of the kernel's, from the course."""
        here = Path(((resources or {}).get("metadata") or {}).get("path") or ".").resolve()
        course = here.parents[min(2, len(here.parents) - 1)]
        values = {"own": str(here), "course": str(course), "protected": PROTECTED}
        code = GUARD
        for name, value in values.items():  # the code has braces of its own
            code = code.replace(f"{{{name}!r}}", repr(value))
        return nbformat.v4.new_code_cell(code)

    def _canary(self, false: str) -> Any:
        cell = nbformat.v4.new_code_cell(
            f"assert {false}, 'this test fails, as it must: {secrets.token_hex(4)}'"
        )
        self._canaries.append(cell)
        return cell


def _failed(cell: Any) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)


def _error(name: str, text: str) -> Any:
    return nbformat.v4.new_output("error", ename=name, evalue=text, traceback=[f"{name}: {text}"])


def receive(assignment: str, student: str, notebooks: list[str]) -> None:
    """Mend a submission before nbgrader reads it.

    Parameters
    ----------
    assignment, student : str
        As nbgrader was called, perhaps with a star: the folder of the notebooks says who it is.
    notebooks : list of str
        Its notebooks. The list is changed: nbgrader goes on with what stands in it.
    """
    folder = Path(notebooks[0]).resolve().parent
    course = folder.parents[2]
    who = f"{folder.parent.name}, {folder.name}"
    found = [folder / Path(name).name for name in notebooks]
    for release in sorted((course / "release" / folder.name).glob("*.ipynb")):
        path = folder / release.name
        if path not in found:
            chosen = _the_one(path, [other for other in found if other.name != path.name])
            if chosen is None:
                print(f"{who}: no {path.name}, and which one it is cannot be told: rename it")
                continue
            _keep(chosen, course)
            chosen.rename(path)
            found[found.index(chosen)] = path
            print(f"{who}: {chosen.name} is taken for {path.name}")
        try:
            submission = nbformat.read(path, as_version=4)
        except Exception as error:  # nbformat raises whatever it meets
            print(f"{who}: {path.name} is no notebook ({type(error).__name__}): ask for it again")
            continue
        said = recognise(submission, nbformat.read(release, as_version=4))
        if said:
            _keep(path, course)
            nbformat.write(submission, path)
            print(f"{who}: {'; '.join(said)}")
    notebooks[:] = [str(Path(notebooks[0]).parent / path.name) for path in found]


def _the_one(wanted: Path, others: list[Path]) -> Path | None:
    """Return the notebook that was handed in under another name; nothing if there are several."""
    alike = [path for path in others if path.stem.casefold().startswith(wanted.stem.casefold())] or others
    return alike[0] if len(alike) == 1 else None


def _keep(path: Path, course: Path) -> None:
    """Keep what was received, once."""
    copy = course / "received" / path.relative_to(course / "submitted")
    if not copy.exists() and path.is_file():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)


def recognise(submission: Any, release: Any) -> list[str]:
    """Give the cells of a submission the marks of nbgrader that they have lost; put back missing cells.

    A cell is recognised by its identifier, by its text if students were not to change it, by the functions
    that it defines, or, where students write text, by its first line.

    Returns
    -------
    list of str
        What was done: nothing, as a rule.
    """
    wanted = {cell.metadata.nbgrader.grade_id: cell for cell in release.cells if "nbgrader" in cell.metadata}
    known = {_mark(cell): cell for cell in submission.cells if _mark(cell) in wanted}
    marked = []
    for matches in (_same_identifier, _same_text, _same_functions, _same_heading):
        for name, original in wanted.items():
            if name in known:
                continue
            for cell in submission.cells:
                if _mark(cell) is None and cell.cell_type == original.cell_type and matches(cell, original):
                    cell.metadata["nbgrader"] = dict(original.metadata["nbgrader"])
                    known[name] = cell
                    marked.append(name)
                    break
    missing = [name for name in wanted if name not in known]
    place = 0
    for name, original in wanted.items():
        if name in known:
            place = next(n for n, cell in enumerate(submission.cells) if cell is known[name])
            place += 1
        else:
            submission.cells.insert(place, _copy(original, submission))
            place += 1
    said = []
    if marked:
        said.append(f"{len(marked)} cells had lost their marks, and are recognised")
    if missing:
        said.append(f"missing, and put back as they were handed out: {', '.join(missing)}")
    return said


def _copy(cell: Any, notebook: Any) -> Any:
    """Return a cell that fits into a notebook: old formats have no identifiers, new ones have each once."""
    cell = nbformat.from_dict(cell)
    used = {other.get("id") for other in notebook.cells}
    if notebook.nbformat_minor < 5:
        cell.pop("id", None)
    elif cell.get("id") in used:
        cell["id"] = secrets.token_hex(4)
    return cell


def _mark(cell: Any) -> str | None:
    mark = cell.metadata.get("nbgrader")
    return mark.get("grade_id") if isinstance(mark, dict) else None


def _same_identifier(cell: Any, original: Any) -> bool:
    name = original.metadata.nbgrader.grade_id
    return name in (cell.get("id"), cell.metadata.get("id"))  # Colab keeps it among the metadata


def _same_text(cell: Any, original: Any) -> bool:
    return cell.source.split() == original.source.split()


def _same_functions(cell: Any, original: Any) -> bool:
    names = _functions(original.source)
    return (
        original.metadata.nbgrader.get("solution", False) and bool(names) and names <= _functions(cell.source)
    )


def _same_heading(cell: Any, original: Any) -> bool:
    return (
        cell.cell_type == "markdown"
        and original.metadata.nbgrader.get("solution", False)
        and _heading(cell.source) == _heading(original.source) != ""
    )


def _heading(source: str) -> str:
    return source.strip().partition("\n")[0].strip()


def _functions(source: str) -> set[str]:
    return set(re.findall(r"(?m)^(?:def|class) +(\w+)", source))
