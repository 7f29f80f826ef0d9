"""The page for instructors: in step with the pages and assignments that it plans with."""

import re
from pathlib import Path

import notebooks
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "instructors.md").read_text(encoding="utf-8")


def titles() -> list[str]:
    """Return the title of each assignment."""
    sources = sorted((ROOT / "book" / "assignments").glob("*/source.md"))
    return [re.search(r"(?m)^# (.*)$", path.read_text(encoding="utf-8"))[1] for path in sources]


def test_what_each_page_needs_is_what_the_page_says():
    opening = re.compile(r"```\{opening\}\n:minutes: (\d+)\n:needs: (.*)\n")
    wanted = []
    for path in notebooks.page_files():
        if found := opening.search(path.read_text(encoding="utf-8")):
            needs = re.sub(r"\[\]\((\w+)\)", r"{doc}`\1`", found[2])
            wanted.append(f"| {{doc}}`{path.stem}` | {found[1]} | {needs} |")
    assert len(wanted) > 20
    listed = re.search(r"(?s)\| Page \| Minutes \| Needs \|\n.*?\n(.*?)\n\n", PAGE)[1].splitlines()
    assert listed == wanted


def test_every_assignment_has_its_week():
    weeks = re.search(r"(?s)## Four weeks\n(.*?)\n## ", PAGE)[1]
    for title in titles():
        assert " ".join(title.replace(",", "").replace(":", "").split()[:3]) in weeks.replace(",", ""), title


def test_every_assignment_is_described_under_its_title():
    index = (ROOT / "book" / "assignments" / "index.md").read_text(encoding="utf-8")
    assert set(titles()) == set(re.findall(r"(?m)^## (.*)$", index)) - {"Changing an assignment, adding one"}


def test_figures_of_the_plans_exist():
    """The build knows; this is quicker."""
    text = "".join(path.read_text(encoding="utf-8") for path in notebooks.page_files())
    for name in re.findall(r"\{numref\}`([\w-]+)`", PAGE):
        assert f"name: {name}\n" in text, name
    for name in re.findall(r"\{ref\}`[^`]*<([\w-]+)>`", PAGE) + re.findall(r"\{prf:ref\}`([\w-]+)`", PAGE):
        assert f":label: {name}\n" in text, name


def test_it_is_listed_after_the_assignments():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    (laboratory,) = (part["chapters"] for part in toc["parts"] if part["caption"] == "Laboratory")
    files = [chapter["file"] for chapter in laboratory]
    assert files[files.index("book/assignments/index") + 1] == "book/instructors"
