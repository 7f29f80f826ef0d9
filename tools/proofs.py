"""Read the proofs of a course in one file, and enter their points in nbgrader's gradebook.

    python proofs.py NAME           write proofs/NAME.md, what students wrote, and proofs/NAME.csv
    python proofs.py NAME --enter   enter the points of proofs/NAME.csv in the gradebook

``assignments.py --course`` puts a copy of this file into each course; it is run there, after ``nbgrader
autograde NAME``. Nothing is lost by running it again: points that were entered stand in the new table. The
formgrader of nbgrader, in Jupyter, does the same on a screen.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook

COLUMNS = ("student", "proof", "points", "of")


def is_proof(cell: Any) -> bool:
    """Say whether a cell is written by students and graded by a person."""
    meta = cell.metadata.get("nbgrader", {})
    return bool(meta.get("solution") and meta.get("grade"))


def collect(course: Path, name: str) -> list[tuple[dict[str, Any], str]]:
    """Return a row of the table, and the text, for each proof that a student wrote; blank ones have 0."""
    found = []
    with _gradebook(course) as book:
        for path in sorted((course / "autograded").glob(f"*/{name}/{name}.ipynb")):
            student = path.parents[1].name
            texts = {
                cell.metadata.nbgrader.grade_id: cell.source
                for cell in nbformat.read(path, as_version=4).cells
                if is_proof(cell)
            }
            for proof, text in texts.items():
                grade = book.find_grade(proof, name, name, student)
                if grade.auto_score is None:
                    given = "" if grade.manual_score is None else f"{grade.manual_score:g}"
                    row = dict(zip(COLUMNS, (student, proof, given, f"{grade.max_score:g}"), strict=True))
                    found.append((row, text))
    return found


def write(course: Path, name: str) -> list[Path]:
    """Write the text and the table, sorted by proof: one reads all answers to one question together."""
    found = sorted(collect(course, name), key=lambda entry: (entry[0]["proof"], entry[0]["student"]))
    folder = course / "proofs"
    folder.mkdir(exist_ok=True)
    text, table = folder / f"{name}.md", folder / f"{name}.csv"
    if table.exists():  # it may hold points that were not entered yet
        table.replace(folder / f"{name}.old.csv")
    parts = [f"## {row['proof']}, {row['student']} (of {row['of']})\n\n{answer}\n" for row, answer in found]
    text.write_text("\n".join([f"# Proofs of {name}\n", *parts]), encoding="utf-8")
    with open(table, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(row for row, _ in found)
    return [text, table]


def enter(course: Path, name: str) -> int:
    """Enter the points of the table; rows without points are left for later. Return how many were entered.

    Raises
    ------
    ValueError
        If a row has points that are no number from 0 to the most; then nothing is entered.
    """
    with open(course / "proofs" / f"{name}.csv", newline="", encoding="utf-8-sig") as file:
        delimiter = ";" if ";" in file.readline() else ","  # as spreadsheets write where commas are decimal
        file.seek(0)
        table = csv.DictReader(file, delimiter=delimiter)
        if not set(COLUMNS) <= set(table.fieldnames or ()):
            raise ValueError(f"{name}.csv must have the columns {', '.join(COLUMNS)}, got {table.fieldnames}")
        rows = [row for row in table if (row["points"] or "").strip()]
    with _gradebook(course) as book:
        grades = []
        for row in rows:
            grade = book.find_grade(row["proof"], name, name, row["student"])
            points = _points(row, grade.max_score)
            grades.append((grade, points))
        for grade, points in grades:
            grade.manual_score, grade.needs_manual_grade = points, False
        book.db.commit()
    return len(grades)


def _points(row: dict[str, str], most: float) -> float:
    try:
        points = float(row["points"].replace(",", "."))
    except ValueError:
        points = -1.0
    if not 0 <= points <= most:
        raise ValueError(
            f"points of {row['student']} for {row['proof']} must be a number from 0 to {most:g}, "
            f"got {row['points']!r}"
        )
    return points


def _gradebook(course: Path) -> Gradebook:
    return Gradebook(f"sqlite:///{course / 'gradebook.db'}")


def main(arguments: list[str] | None = None, course: Path | None = None) -> int:
    course = course or Path.cwd()
    parser = argparse.ArgumentParser(description="Read proofs, and enter their points.")
    parser.add_argument("name", help="the assignment, as nbgrader calls it")
    parser.add_argument("--enter", action="store_true", help="enter the points of the table")
    options = parser.parse_args(arguments)
    if not (course / "gradebook.db").is_file():
        print(
            f"There is no gradebook in {course}: run this in the folder of a course, after nbgrader autograde"
        )
        return 1
    if options.enter:
        try:
            print(f"Entered the points of {enter(course, options.name)} proofs")
        except (ValueError, OSError) as error:
            print(f"Nothing was entered: {error}")
            return 1
    else:
        for path in write(course, options.name):
            print(f"Wrote {path.relative_to(course)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
