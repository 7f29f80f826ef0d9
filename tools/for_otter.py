"""Write the assignments in the format of Otter, another grader, whose notebooks run in JupyterLite too.

    python tools/for_otter.py FOLDER

writes ``FOLDER/NAME/NAME.ipynb`` for each assignment: the notebook of an instructor, from which

    otter assign NAME.ipynb dist

makes the student version, ``dist/student``, and the archive that grades, ``dist/autograder``. The source is
the same as for nbgrader (``tools/assignments.py``), and so are the points: each cell of tests becomes a
question of Otter's. Its visible part is a test that students can run, worth nothing by itself; the
whole cell, hidden tests included, is a second one, worth all points.

The module needs nothing of Otter, and has not its name, which a test imports.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import assignments
import nbformat
import repository
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

#: The release that the tests of the book use.
OTTER = "otter-grader==7.0.0"

SOLUTION = re.compile(r"(?ms)^( *)### BEGIN SOLUTION\n(.*?)^ *### END SOLUTION")
HIDDEN = re.compile(r"(?ms)^### BEGIN HIDDEN TESTS\n.*?^### END HIDDEN TESTS\n?")
COMMENT = re.compile(r"(?:#.*\n)+")


def config(root: Path = repository.ROOT) -> str:
    """Return the first cell: what Otter is to make, and, once there is an address, what grading installs."""
    lines = [
        "# ASSIGNMENT CONFIG",
        "export_cell: false",
        "generate: true",
        "solutions_pdf: false",
        "template_pdf: false",
        "strip_solutions_from_all_cells: true",
        "tests:",
        "  files: false",
        "  ok_format: true",
    ]
    if (url := repository.address(root)) is not None:
        package = f"pairint @ git+{url}@{repository.release(root)}"
        lines += ["requirements:", f"  - {json.dumps(package)}"]
    return "\n".join(lines)


def answer(source: str) -> str:
    """Return a cell where students write: its solution between Otter's marks, and what replaces it."""

    def marked(match: re.Match[str]) -> str:
        space, lines = match[1], match[2]
        return (
            f"{space}# BEGIN SOLUTION NO PROMPT\n{lines}{space}# END SOLUTION\n"
            f'{space}""" # BEGIN PROMPT\n{space}# YOUR CODE HERE\n{space}raise NotImplementedError()\n'
            f'{space}""" # END PROMPT'
        )

    return SOLUTION.sub(marked, source)


def test(source: str, points: float, hidden: bool) -> Any:
    """Return a cell of tests, with Otter's description of it."""
    about = f"points: {points}\nhidden: {str(hidden).lower()}\n"
    return new_code_cell(f'""" # BEGIN TEST CONFIG\n{about}""" # END TEST CONFIG\n{source}')


def question(grade_id: str, source: str, points: float) -> list[Any]:
    """Return the cells that make a question of a cell of tests."""
    seen = HIDDEN.sub("", source)
    whole = assignments.MARKER.sub("", source)
    words = COMMENT.match(source)
    about = " ".join(line.lstrip("# ") for line in words[0].splitlines()) if words else "Tests."
    has_hidden = seen != source
    tests = []
    if ast.parse(seen).body:
        tests.append(test(seen, 0 if has_hidden else points, hidden=False))
    if has_hidden:
        tests.append(test(whole, points, hidden=True))
    return [
        new_raw_cell(f"# BEGIN QUESTION\nname: {grade_id}\npoints: {points}"),
        new_markdown_cell(f"{about} ({points:g} point{'s' if points != 1 else ''})"),
        new_raw_cell("# BEGIN TESTS"),
        *tests,
        new_raw_cell("# END TESTS"),
        new_raw_cell("# END QUESTION"),
    ]


def proof(grade_id: str, source: str, points: float) -> list[Any]:
    """Return the cells that make a question for a reader of a proof."""
    return [
        new_raw_cell(f"# BEGIN QUESTION\nname: {grade_id}\nmanual: true\npoints: {points}"),
        new_markdown_cell(source.partition("\n")[0]),
        new_raw_cell("# BEGIN SOLUTION"),
        new_markdown_cell(assignments.MARKER.sub("", source.partition("\n")[2]).strip()),
        new_raw_cell("# END SOLUTION"),
        new_raw_cell("# END QUESTION"),
    ]


def master(notebook: Any, root: Path = repository.ROOT) -> Any:
    """Return the notebook from which Otter makes an assignment, of one as ``assignments.read`` returns it."""
    cells = [new_raw_cell(config(root))]
    for cell in notebook.cells:
        meta = cell.metadata.get("nbgrader")
        if meta is None or not (meta["solution"] or meta["grade"]):
            make = new_code_cell if cell.cell_type == "code" else new_markdown_cell
            cells.append(make(cell.source))
        elif meta["solution"] and meta["grade"]:
            cells += proof(meta["grade_id"], cell.source, meta["points"])
        elif meta["solution"]:
            cells.append(new_code_cell(answer(cell.source)))
        else:
            cells += question(meta["grade_id"], cell.source, meta["points"])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number:03d}"
    return nbformat.v4.new_notebook(cells=cells, metadata=dict(notebook.metadata))


def write(folder: Path, source_folder: Path = assignments.FOLDER) -> list[Path]:
    """Write the notebook of each assignment; return their places."""
    written = []
    for source in assignments.sources(source_folder):
        name = source.parent.name
        target = folder / name / f"{name}.ipynb"
        target.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(master(assignments.read(source)), target)
        written.append(target)
    return written


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Write the assignments in the format of Otter.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to write NAME/NAME.ipynb")
    for path in write(parser.parse_args(arguments).folder):
        print(f"Wrote {path}")
    print(f"In an environment with {OTTER} and pairint, in each folder: otter assign NAME.ipynb dist")
    return 0


if __name__ == "__main__":
    sys.exit(main())
