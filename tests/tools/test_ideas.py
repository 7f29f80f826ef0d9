"""Long proofs stand under their idea: what is lacking is named; page, notebook and map know both."""

import os
import subprocess
import sys
from pathlib import Path

import ideas
import notebooks
import pytest
import theory_map
from plain_markdown import IDEA, Book
from repository import ROOT

SENTENCE = "Look at the $N$ rows and see that each of them sums to zero, whatever the order of the points. "
STATEMENT = "```{prf:lemma} Rows\n:label: lem-rows\nThey sum to zero.\n```\n"
PROOF = f"```{{prf:proof}}\n{SENTENCE * 8}\n```\n"
SHORT = "```{prf:proof}\nSeen.\n```\n"
THOUGHT = "```{idea}\nCount, with {prf:ref}`lem-rows`,\nin *two* ways.\n```\n"


def page(*parts: str) -> str:
    return "\n".join(["---\na: b\n---\n\n# Rows\n", *parts])


def test_lines_are_counted_as_they_are_set():
    assert ideas.height([]) == 0
    assert ideas.height(["x" * ideas.CHARACTERS]) == 1
    assert ideas.height(["x" * ideas.CHARACTERS, "y"]) == 2
    assert ideas.height(["$" + r"\varepsilon" * ideas.CHARACTERS + "$"]) == 1
    assert ideas.height(["{prf:ref}`thm-with-a-label-that-nobody-ever-sees-on-the-page` " * 5]) == 1
    assert ideas.height(["{doc}`here <there>` " * 10]) == 1
    assert ideas.height(["One.", "", "$$", "x = 1 \\\\", "y = 2", "$$"]) == 1 + 4
    assert ideas.height(["````{math}", ":label: eq-x", "x", "````"]) == 2
    assert ideas.height(["- one", "", "- two"]) == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (page(STATEMENT, THOUGHT, PROOF), []),
        (page(STATEMENT, SHORT), []),
        (page(STATEMENT, THOUGHT, SHORT), []),
        (page(STATEMENT, PROOF), ["needs an `idea` before it: 'Look at the $N$ rows"]),
        (page(STATEMENT, THOUGHT, "Words.\n", PROOF), ["no proof follows the idea", "needs an `idea`"]),
        (page(STATEMENT, THOUGHT, THOUGHT, PROOF), ["no proof follows the idea"]),
        (page(STATEMENT, PROOF, THOUGHT), ["needs an `idea`", "no proof follows the idea"]),
        (page(STATEMENT, f"```{{idea}}\n{SENTENCE * 6}\n```\n", PROOF), ["is too long for 4"]),
        (page(STATEMENT, "```{idea}\n```\n", PROOF), ["an idea says nothing"]),
        (page("````{note}\n", PROOF, "````\n"), ["needs an `idea`"]),
        (page("````\n", PROOF, "````\n"), []),
    ],
)
def test_what_is_amiss_is_named(text, found):
    said = list(ideas.amiss(text))
    assert len(said) == len(found)
    assert all(words in sentence for words, sentence in zip(found, said, strict=True))


def test_a_proof_is_long_from_its_limit_on():
    line = "x" * ideas.CHARACTERS
    for lines, number in ((ideas.LONG, 0), (ideas.LONG + 1, 1)):
        text = "\n\n".join([line] * lines)
        assert len(list(ideas.amiss(page(f"```{{prf:proof}}\n{text}\n```\n")))) == number


def sources() -> list[Path]:
    return [path for path in notebooks.page_files() if path.suffix == ".md"]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.stem)
def test_no_long_proof_of_the_book_is_without_its_idea(path):
    assert list(ideas.amiss(path.read_text(encoding="utf-8"))) == []


def test_the_book_has_what_is_counted():
    """Were proofs not found, nothing would be amiss."""
    texts = [path.read_text(encoding="utf-8") for path in sources()]
    found = [pair for text in texts for pair in ideas.pairs(text.splitlines())]
    assert len(found) > 100
    assert sum(idea is not None for idea, _ in found) > 50
    assert any(idea is None for idea, _ in found)


def test_the_map_of_the_theory_knows_proofs_and_not_their_ideas():
    other = "```{prf:lemma} Other\n:label: lem-other\nx\n```\n"
    thought = "```{idea}\nThis is not {prf:ref}`lem-other`.\n```\n"
    with_idea = theory_map.read({"rows": page(other, SHORT, STATEMENT, thought, SHORT)})
    assert with_idea == theory_map.read({"rows": page(other, SHORT, STATEMENT, SHORT)})
    assert all(each.proved for each in with_idea)


TOC = "format: jb-book\nroot: book/intro\nchapters:\n  - file: book/rows\n"
CONF = """\
extensions = ["myst_parser", "sphinx_proof", "ideas"]
myst_enable_extensions = ["dollarmath"]
numfig = True
"""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "_toc.yml").write_text(TOC, encoding="utf-8")
    text = page(STATEMENT, SHORT, THOUGHT, PROOF, "Words.\n", PROOF)
    for name, content in {"intro": "# Intro\n", "rows": text}.items():
        (tmp_path / "book" / f"{name}.md").write_text(content, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_the_build_puts_a_proof_under_its_idea_and_names_what_is_amiss(root):
    (root / "conf.py").write_text(CONF, encoding="utf-8")
    (root / "index.md").write_text("# All\n\n```{toctree}\nbook/intro\nbook/rows\n```\n", encoding="utf-8")
    out = root / "_out"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "--no-color", str(root), str(out)],
        env={**os.environ, "PYTHONPATH": str(Path(ideas.__file__).parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.count("WARNING") == 1
    assert "on the page book/rows, a proof of about" in done.stderr
    html = (out / "book" / "rows.html").read_text(encoding="utf-8")
    order = [
        'id="lem-rows"',
        "Proof. Seen.",
        '<div class="proof-fold ',
        '<div class="proof-idea ',
        f"<p><strong>{IDEA}</strong> Count, with <a",
        'id="proof-2"',
        "<p>Proof. Look at",
        "<p>Words.</p>",
        'id="proof-3"',
    ]
    places = [html.index(words) for words in order]
    assert places == sorted(places)
    assert html.count('class="proof-fold ') == html.count('class="proof-idea ') == 1
    identifiers = [part.split('"', 1)[0] for part in html.split(' id="')[1:]]
    assert len(set(identifiers)) == len(identifiers)


def test_the_notebook_has_the_idea_and_the_proof(root):
    text = Book(root).plain(page(STATEMENT, THOUGHT, SHORT).split("---\n\n", 1)[1], "book/rows")
    assert text.endswith(f"\n\n**{IDEA}** Count, with Lemma 1,\nin *two* ways.\n\n*Proof.* Seen. $\\square$")


def test_by_hand_it_lists_what_is_amiss(root, capsys):
    assert ideas.main(root) == 1
    assert capsys.readouterr().out.startswith("book/rows.md: a proof of about ")
    assert ideas.main(ROOT) == 0
