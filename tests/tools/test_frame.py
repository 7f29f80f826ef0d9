"""The frame of a chapter: what is lacking is named, and what is there is shown."""

import os
import subprocess
import sys
from pathlib import Path

import frame
import notebooks
import pytest
import theory_map
import yaml
from docutils import nodes
from docutils.utils import new_document
from plain_markdown import Book
from repository import ROOT

EXERCISE = """\
```{{exercise}}
:label: ex-{kind}
:class: {kind}
Show it.
```

```{{solution}} ex-{kind}
:class: dropdown
Seen.
```
"""
EXERCISES = "\n".join(EXERCISE.format(kind=kind) for kind in ("quick", "computing", "thinking"))
OPENING = """\
```{opening}
:minutes: 25
:needs: [](other), least squares

How many
numbers $x$ are there?

- count them,
  one by one
- name *one*
```
"""
IN_SHORT = """\
```{in-short}
- One.
- Two, see [the other page](other).
- Three.
```
"""
NEXT = """\
```{next}
And then? See [](other).
```
"""
PAGE = f"---\na: b\n---\n\n# Numbers\n\n{OPENING}\nWords.\n\n{IN_SHORT}\n## Exercises\n\n{EXERCISES}\n{NEXT}"


def test_a_whole_frame_lacks_nothing():
    assert frame.lacking(PAGE) == []
    assert frame.lacking(PAGE.split("---\n\n", 1)[1]) == []


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        (OPENING, "", "one `opening`: it has 0"),
        (OPENING, OPENING + "\n" + OPENING, "one `opening`: it has 2"),
        (OPENING + "\nWords.", "Words.\n\n" + OPENING, "its `opening` right after the title"),
        ("are there?", "are there.", "a question in its `opening`, with '?' at its end"),
        (":minutes: 25\n", "", "`:minutes:` in its `opening`, a whole number"),
        (":minutes: 25", ":minutes: some", "`:minutes:` in its `opening`, a whole number"),
        (":minutes: 25", ":minutes: 0", "`:minutes:` in its `opening`, a whole number"),
        (":needs: [](other), least squares\n", "", "`:needs:` in its `opening`"),
        ("- name *one*\n", "", "two to four abilities in its `opening`: it has 1"),
        ("- name *one*\n", "- name *one*\n" * 4, "two to four abilities in its `opening`: it has 5"),
        (IN_SHORT, "", "one `in-short`: it has 0"),
        ("- Three.\n", "", "three items in its `in-short`: it has 2"),
        ("- Three.\n", "- Three.\n- Four.\n", "three items in its `in-short`: it has 4"),
        (IN_SHORT + "\n## Exercises\n", "## Exercises\n\n" + IN_SHORT, "its `in-short` before the exercises"),
        ("## Exercises\n", "", "the heading '## Exercises'"),
        (EXERCISE.format(kind="thinking"), "", "3 exercises: it has 2"),
        (":class: quick", ":class: thinking", "an exercise with `:class: quick`"),
        (":class: computing", ":class: research", "an exercise with `:class: computing`"),
        (":class: thinking", ":class: quick", "an exercise with `:class: thinking`"),
        (
            ":class: quick\n",
            "",
            "a `:class:` of `ex-quick`, one of quick, computing, thinking, research",
        ),
        (":label: ex-quick\n", "", "a label of its exercise 1"),
        ("```{solution} ex-quick\n:class: dropdown", "```{note}", "a solution of `ex-quick`"),
        ("ex-quick\n:class: dropdown", "ex-quick", "`:class: dropdown` of the solution of `ex-quick`"),
        (NEXT, "", "one `next`: it has 0"),
        ("And then? See [](other).", "And then?", "a link [](page) in its `next`"),
        (NEXT, NEXT + "\nAnd more.\n", "its `next` at the very end"),
    ],
)
def test_each_part_that_is_missing_is_named(old, new, named):
    assert PAGE.count(old) >= 1
    assert named in frame.lacking(PAGE.replace(old, new, 1))


def test_a_frame_in_a_code_block_is_none():
    assert "one `opening`: it has 0" in frame.lacking(PAGE.replace(OPENING, f"````\n{OPENING}````\n"))


TOC = "format: jb-book\nroot: book/intro\nchapters:\n  - file: book/numbers\n  - file: book/other\n"
CONF = """\
extensions = ["myst_parser", "sphinx_exercise", "sphinx_design", "frame"]
myst_enable_extensions = ["dollarmath"]
numfig = True
"""
INDEX = "# All\n\n```{toctree}\nbook/intro\nbook/numbers\nbook/other\n```\n"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").write_text(TOC, encoding="utf-8")
    other = PAGE.replace("](other)", "](numbers)").replace("# Numbers", "# Other").replace("ex-", "ex-other-")
    pages = {"intro": "# Intro", "numbers": PAGE, "other": other}
    for name, text in pages.items():
        (tmp_path / "book" / f"{name}.md").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_the_build_shows_the_frame_and_names_page_and_part(root):
    other = root / "book" / "other.md"
    other.write_text(other.read_text(encoding="utf-8").replace("- Three.\n", ""), encoding="utf-8")
    (root / "conf.py").write_text(CONF, encoding="utf-8")
    (root / "index.md").write_text(INDEX, encoding="utf-8")
    out = root / "_out"
    tools = str(Path(frame.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "--no-color", str(root), str(out)],
        env={**os.environ, "PYTHONPATH": tools},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.count("WARNING") == 1
    assert "WARNING: the chapter book/other lacks three items in its `in-short`: it has 2" in done.stderr
    html = (out / "book" / "numbers.html").read_text(encoding="utf-8")
    order = [
        '<p class="question">How many',
        '<p class="costs">25 minutes · needs <a class="reference internal" href="other.html"',
        '<p class="abilities">After this page you can</p>',
        "<p>count them,\none by one</p>",
        '<p class="head">In short</p>',
        '<span class="doc">the other page</span>',
        '<span class="kind">quick</span>',
        "<strong>Next.</strong> And then? See <a",
    ]
    places = [html.index(words) for words in order]
    assert places == sorted(places)
    assert html.count('class="kind"') == 3


def test_a_notebook_shows_the_frame(root):
    text = Book(root).plain(PAGE.split("---\n\n", 1)[1], "book/numbers")
    head = (
        "# Numbers\n\n**How many\nnumbers $x$ are there?**\n\n"
        "*25 minutes · needs [Other](other.md), least squares*\n\nAfter this page you can\n\n"
        "- count them,\n  one by one\n- name *one*\n\nWords.\n\n"
        "> **In short**\n>\n> - One.\n> - Two, see [the other page](other.md).\n> - Three.\n\n"
    )
    assert text.startswith(head)
    assert "> **Exercise 1.** *Quick.*\n>\n> Show it.\n" in text
    assert text.endswith("\n\n**Next.** And then? See [Other](other.md).")


def test_the_place_in_the_theory_follows_the_opening():
    page = f"# Numbers\n\n{OPENING}\nWords.\n\n```{{prf:lemma}} L\n:label: lem-l\nx\n```\n"
    opened = theory_map.open_with_excerpt(page, theory_map.read({"numbers": page}), "numbers")
    assert opened.split(OPENING)[1].lstrip().startswith("::::{div} theory-here")
    assert opened.count("theory-here") == 1


def test_a_page_of_the_list_of_exceptions_is_a_page():
    """A name in the list that no page has would excuse a page to come."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert set(notebooks.pages(toc)) >= frame.NO_FRAME


def test_only_chapters_are_asked_for_a_frame(root):
    assert frame.chapters(root) == ["book/numbers", "book/other"]


def test_cells_right_after_a_solution_are_folded_with_it():
    page = new_document("page")
    solution = nodes.container("", nodes.title("", "Solution"), nodes.section(), classes=["solution"])
    first, second, later = (nodes.container("", classes=["cell"]) for _ in range(3))
    prose = nodes.paragraph("", "And then?")
    page += [nodes.paragraph("", "Before."), solution, first, second, prose, later]
    frame.fold_answers(None, page)
    assert page.children[1:] == [solution, prose, later]
    assert solution[-1].children == [first, second]
