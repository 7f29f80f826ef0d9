"""Write what is made from the sources of the assignments.

    python tools/assignments.py                   the student version and the solution (``make assignments``)
    python tools/assignments.py --check           fail if one is missing, superfluous or stale
    python tools/assignments.py --course FOLDER   an nbgrader course, ready to hand out and to grade

An assignment is a folder of ``book/assignments`` with a MyST notebook ``source.md``. Its cells carry the
metadata of nbgrader, in short form: a ``grade_id`` for each cell that matters; ``solution: true`` where
students write; ``points`` where their work is tested; both for a proof, which a person reads. A cell with
neither is locked.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
import twins
from nbgrader.preprocessors import (
    CheckCellMetadata,
    ClearHiddenTests,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)
from repository import ROOT

FOLDER = ROOT / "book" / "assignments"
VERSIONS = ("student", "solution")
#: What a course needs, beside its configuration.
COPIED = ("safeguards.py", "proofs.py")

CONFIG = """\
# Configuration of nbgrader for this course. Commands of nbgrader are run in this folder.
import os
import sys
from pathlib import Path

from nbgrader.converters import Autograde
from nbgrader.preprocessors import Execute

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small matrices: threads of a busy machine wait for each other
sys.path.insert(0, str(Path(__file__).parent))
from safeguards import CheckedExecute, receive

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "pairint"
c.Execute.timeout = 30  # seconds for one cell
c.OverwriteCells.add_missing_cells = True  # a test that a student has deleted comes back
c.Autograde.pre_convert_hook = receive  # renamed files, lost marks
c.Autograde.autograde_preprocessors = [
    CheckedExecute if step is Execute else step
    for step in Autograde.class_traits()["autograde_preprocessors"].default()
]
"""

MARKER = re.compile(r"(?m)^\s*### (?:BEGIN|END) (?:SOLUTION|HIDDEN TESTS)\n?")
SOLVED = "> **Solution**, with all tests. Made from the source of the assignment; to be read after trying."


def sources(folder: Path = FOLDER) -> list[Path]:
    """Return the source of each assignment."""
    return sorted(folder.glob("*/source.md"))


def complete(short: dict[str, Any]) -> dict[str, Any]:
    """Return the full nbgrader metadata of a cell; what is already there stays."""
    solution = short.get("solution", False)
    derived = {"schema_version": 3, "solution": solution, "grade": "points" in short, "locked": not solution}
    return {**derived, "task": False, **short}


def read(path: Path) -> Any:
    """Return the instructor's notebook: the source with full metadata.

    Raises
    ------
    ValueError
        If two cells have the same ``grade_id``, or a region is marked where nbgrader does not look.
    """
    notebook = twins.read(path)
    seen: set[str] = set()
    for cell in notebook.cells:
        meta = cell.metadata.get("nbgrader")
        if meta is not None:
            if meta["grade_id"] in seen:
                raise ValueError(f"{path}: the grade_id {meta['grade_id']} is used twice")
            seen.add(meta["grade_id"])
            cell.metadata["nbgrader"] = meta = complete(meta)
            cell["id"] = meta["grade_id"]
        for region, key in (("SOLUTION", "solution"), ("HIDDEN TESTS", "grade")):
            if f"### BEGIN {region}" in cell.source and not (meta or {}).get(key):
                raise ValueError(f"{path}: a region {region} in a cell that is not marked as such")
    return notebook


def student(notebook: Any) -> Any:
    """Return what students receive: the steps of ``nbgrader generate_assignment``, without a gradebook."""
    resources: dict[str, Any] = {}
    for step in (LockCells, ClearSolutions, ClearOutput, CheckCellMetadata, ComputeChecksums):
        notebook, resources = step().preprocess(notebook, resources)
    for step in (ClearHiddenTests, ComputeChecksums, CheckCellMetadata):
        notebook, resources = step().preprocess(notebook, resources)
    return notebook


def solution(notebook: Any) -> Any:
    """Return the notebook with solutions and all tests, no longer an assignment."""
    for cell in notebook.cells:
        cell.metadata.pop("nbgrader", None)
        cell.source = MARKER.sub("", cell.source).rstrip("\n")
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(SOLVED, id="solution"))
    return notebook


def render(path: Path) -> dict[Path, str]:
    """Return the files that belong beside a source, and their content.

    All versions have the name of the assignment: nbgrader finds a submission by it.
    """
    name = f"{path.parent.name}.ipynb"
    make = {"student": student, "solution": solution}
    return {path.parent / version / name: twins.text(make[version](read(path))) for version in VERSIONS}


def write_course(course: Path, folder: Path = FOLDER) -> list[Path]:
    """Lay out an nbgrader course: ``source/NAME/NAME.ipynb``, a configuration if there is none, its tools.

    Submissions, grades and a changed configuration of an existing course stay as they are.
    """
    written = []
    config = course / "nbgrader_config.py"
    course.mkdir(parents=True, exist_ok=True)
    if not config.exists():
        config.write_text(CONFIG, encoding="utf-8")
        written.append(config)
    written += [Path(shutil.copy(Path(__file__).with_name(name), course)) for name in COPIED]
    for path in sources(folder):
        name = path.parent.name
        target = course / "source" / name / f"{name}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(twins.text(read(path)), encoding="utf-8")
        written.append(target)
    return written


def main(arguments: list[str] | None = None, folder: Path = FOLDER) -> int:
    parser = argparse.ArgumentParser(description="Write the versions of the assignments.")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--check", action="store_true", help="write nothing; fail if a file is out of step")
    group.add_argument("--course", type=Path, metavar="FOLDER", help="lay out an nbgrader course there")
    options = parser.parse_args(arguments)
    if options.course is not None:
        for path in write_course(options.course, folder):
            print(f"Wrote {path}")
        return 0
    wanted = {target: content for path in sources(folder) for target, content in render(path).items()}
    present = (path for version in VERSIONS for path in folder.glob(f"*/{version}/*.ipynb"))
    return twins.sync(wanted, present, options.check, "make assignments", folder.parent.parent)


if __name__ == "__main__":
    sys.exit(main())
