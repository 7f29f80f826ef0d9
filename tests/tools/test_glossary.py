"""Words of the glossary explain themselves at their first appearance: what is found, and what is not."""

import glossary
import pytest
from docutils import nodes
from repository import ROOT

PAGE = """
# Glossary

```{glossary}
score
scores
  The number that two tokens make. It is *one*. Written $x^\\top A y$.

score bound
  What no score exceeds.
```

```{glossary}
Hölder class
  Functions that vary little. See {doc}`particles`.
```
"""


def document(*parts: nodes.Node) -> nodes.document:
    from docutils.utils import new_document

    page = new_document("page")
    page += parts
    return page


def shown(page: nodes.Node) -> list[str]:
    return [node.rawsource for node in page.findall(nodes.raw)]


def test_an_entry_gives_its_forms_and_its_plain_sentences():
    score, bound, holder = glossary.words(PAGE)
    assert score.forms == ("score", "scores")
    assert score.meaning == "The number that two tokens make. It is one."
    assert bound.meaning == "What no score exceeds."
    assert holder.meaning == "Functions that vary little."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```{glossary}\nscore\n  $u$ is it.\n```\n", "'score' of the glossary must begin with a sentence"),
        ("```{glossary}\nscore\n  One.\n\nScore\n  Two.\n```\n", "two entries for score"),
    ],
)
def test_a_bad_entry_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        glossary.words(text)


def test_the_first_appearance_in_running_text_is_explained_once():
    page = document(
        nodes.title("", "Scores"),
        nodes.paragraph("", "", nodes.literal("", "score"), nodes.Text(" is code.")),
        nodes.container("", nodes.paragraph("", "A score of a cell."), classes=["cell"]),
        nodes.paragraph("", "The score bound and the Scores; a score, an underscore, a score-card."),
        nodes.paragraph("", "Scores again; a Hölder class."),
    )
    assert glossary.explain(page, glossary.words(PAGE), lambda word: f"g.html#{word.forms[-1]}") == [
        "score bound",
        "score",
        "Hölder class",
    ]
    assert shown(page) == ["score bound", "Scores", "Hölder class"]
    html = [node.astext() for node in page.findall(nodes.raw)]
    assert 'href="g.html#score bound"' in html[0] and ">The number that two tokens make." in html[1]
    assert len({part.split('id="')[1] for part in html}) == 3
    assert page[3].astext().startswith("The ") and page[3].astext().endswith(
        "a score, an underscore, a score-card."
    )


def test_a_word_is_left_alone_where_it_means_something_else():
    score, bound, _ = glossary.words(PAGE)
    assert glossary.meant(score, "book/estimator") and not glossary.meant(score, "book/aim_amp")
    assert glossary.meant(bound, "book/aim_amp")


def test_meanings_are_text_not_markup():
    word = glossary.Word(("less",), "That a < b, & no <script>.")
    page = document(nodes.paragraph("", "It is less."))
    glossary.explain(page, [word], lambda _: 'g.html?"#')
    (html,) = [node.astext() for node in page.findall(nodes.raw)]
    assert "<script>" not in html and "a &lt; b, &amp; no" in html and "g.html?&quot;#" in html


def test_the_entries_of_the_book_are_sound():
    entries = glossary.words((ROOT / f"{glossary.PAGE}.md").read_text(encoding="utf-8"))
    text = " ".join(
        path.read_text(encoding="utf-8").lower()
        for path in (ROOT / "book").glob("*.md")
        if path.stem != "glossary"
    )
    assert len(entries) > 35
    for word in entries:
        assert any(form.lower() in text for form in word.forms), (
            word.forms
        )  # a word that no page uses is in the way
        assert len(word.meaning.split()) <= 45, word.forms
