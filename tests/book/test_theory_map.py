"""The map of the theory: read rightly, without a circle, and drawn so that all can use it."""

import itertools
import re
import xml.etree.ElementTree as ET

import pytest
import theory_map

FIRST = """\
# First

```{prf:definition} A set
:label: def-set
A set $S$.
```

```{prf:lemma} Small
:label: lem-small
Of {prf:ref}`def-set`:

$$a = b .$$
```

```{prf:proof}
Compute:

```{math}
:label: eq-inside
a = b
```
```

By {prf:ref}`lem-small` we have

```{math}
:label: eq-between
b = c .
```

```{code-cell} ipython3
text = '''
:label: lem-in-code
{prf:ref}`lem-in-code`
'''
```
"""
FIRST = FIRST.replace("```{prf:proof}", "````{prf:proof}").replace("```\n```\n\nBy", "```\n````\n\nBy")
SECOND = """\
# Second

:::{prf:theorem} Large, in $L^2(\\rho)$
:label: thm-large
A claim.
:::

```{prf:corollary} Plain
:label: cor-plain
It follows.
```

```{prf:proof}
Put in numbers.
```

```{prf:proof}
Of {prf:ref}`thm-large`. By {eq}`eq-between`, and {ref}`a section <somewhere>`.
```

```{prf:proposition} Elsewhere
:label: prop-elsewhere
By {eq}`eq-inside`. *Not proved here:* it is somebody else's.
```
"""
PAGES = {"first": FIRST, "second": SECOND}
HAND_MADE = [
    theory_map.Statement("def-set", "definition", "A set", "first"),
    theory_map.Statement("lem-small", "lemma", "Small", "first", ("def-set",), proved=True),
    theory_map.Statement(
        "thm-large", "theorem", "Large, in $L^2(\\rho)$", "second", ("lem-small",), proved=True
    ),
    theory_map.Statement("cor-plain", "corollary", "Plain", "second", ("thm-large",), proved=True),
    theory_map.Statement(
        "prop-elsewhere", "proposition", "Elsewhere", "second", ("lem-small",), excused=True
    ),
]


def theory() -> list[theory_map.Statement]:
    pages, drawn = theory_map.sources()
    return theory_map.part(theory_map.read(pages), drawn)


def test_map_of_a_toy_is_the_one_made_by_hand():
    assert theory_map.read(PAGES) == HAND_MADE
    assert theory_map.depths(HAND_MADE) == {
        "def-set": 0,
        "lem-small": 1,
        "thm-large": 2,
        "cor-plain": 3,
        "prop-elsewhere": 2,
    }
    assert theory_map.used_by(HAND_MADE)["lem-small"] == ["thm-large", "prop-elsewhere"]


def test_list_of_a_toy_is_the_one_made_by_hand():
    assert theory_map.listing(HAND_MADE[:2]) == (
        "**{doc}`first`**\n\n"
        "- {prf:ref}`def-set`, A set: used by {prf:ref}`lem-small`.\n"
        "- {prf:ref}`lem-small`, Small: uses {prf:ref}`def-set`.\n"
    )


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("```{prf:lemma} L\nx\n```", "no label"),
        ("```{prf:lemma} L\n:label: a\nx\n```\n\n```{prf:lemma} L\n:label: a\nx\n```", "two statements"),
        ("```{prf:proof}\nx\n```", "follows no statement"),
        ("```{prf:proof}\nOf {prf:ref}`a`.\n```", "which no page states"),
        ("```{math}\n:label: e\nx\n```\n\n```{math}\n:label: e\nx\n```", "two equations"),
    ],
)
def test_what_cannot_be_read_is_named(page, message):
    with pytest.raises(ValueError, match=message):
        theory_map.read({"page": page})


def test_a_circle_is_found_and_named():
    text = "".join(
        f"```{{prf:lemma}} L\n:label: {label}\nx\n```\n\n```{{prf:proof}}\n{{prf:ref}}`{other}`\n```\n\n"
        for label, other in (("a", "b"), ("b", "c"), ("c", "a"))
    )
    with pytest.raises(ValueError, match=r"circle of proofs: (a uses b|b uses c|c uses a)"):
        theory_map.depths(theory_map.read({"page": text}))


def test_a_label_that_nothing_has_is_named():
    with pytest.raises(ValueError, match="lem-missing"):
        theory_map.depths([theory_map.Statement("a", "lemma", "A", "page", ("lem-missing",))])


def test_no_proof_of_the_book_is_circular_and_every_label_exists():
    pages, _ = theory_map.sources()
    depth = theory_map.depths(theory_map.read(pages))
    assert depth["thm-upper"] > depth["lem-exponential"] >= 1


def test_every_statement_of_the_theory_has_a_proof_or_says_why_not():
    unproved = [
        each.label
        for each in theory()
        if each.kind in theory_map.PROVED and not each.proved and not each.excused
    ]
    assert unproved == []


def test_a_corollary_follows_from_something():
    assert [each.label for each in theory() if each.kind == "corollary" and not each.uses] == []


def test_every_statement_and_every_use_is_drawn_once():
    statements = theory()
    drawing = ET.fromstring(theory_map.svg(statements, dict.fromkeys((s.page for s in statements), "A page")))
    name = "{http://www.w3.org/2000/svg}"
    links = [link.get("href") for link in drawing.iter(f"{name}a") if link.get("class")]
    assert sorted(links) == sorted(f"{each.page}.html#{each.label}" for each in statements)
    lines = [(line.get("data-from"), line.get("data-to")) for line in drawing.iter(f"{name}path")]
    assert sorted(lines) == sorted((label, each.label) for each in statements for label in each.uses)
    words = "".join(drawing.itertext())
    assert "\\" not in words and "$" not in words
    assert drawing.find(f"{name}title").text and drawing.find(f"{name}desc").text


def test_boxes_do_not_overlap_and_lines_lead_down():
    statements = theory()
    boxes, ends = [], {}
    for each, lines, x, y in theory_map.boxes(statements):
        bottom = y + theory_map.LINE * len(lines) + theory_map.SPACE
        boxes.append((x, y, bottom))
        ends[each.label] = y, bottom
    assert len(ends) == len(statements)
    for one, two in itertools.combinations(boxes, 2):
        assert one[0] != two[0] or one[2] < two[1] or two[2] < one[1]
    assert all(ends[label][1] < ends[s.label][0] for s in statements for label in s.uses)


def test_map_fits_beside_the_contents_of_a_window_of_1280():
    """The theme's contents take a quarter of the window, the margins of the article 2 rem on each side."""
    statements = theory()
    drawing = ET.fromstring(theory_map.svg(statements, dict.fromkeys((s.page for s in statements), "A page")))
    assert int(drawing.get("width")) <= 1280 * 3 / 4 - 4 * 16


def test_layers_of_a_toy_are_those_made_by_hand():
    """A lemma stands just above what uses it first; what nothing uses, as high as it can."""
    late = theory_map.Statement("late", "lemma", "Late", "second", proved=True)
    last = theory_map.Statement("last", "theorem", "Last", "second", ("thm-large", "late"), proved=True)
    rows = theory_map.layers([*HAND_MADE, late, last])
    labels = [[each.label for each in row] for row in rows]
    assert labels == [
        ["def-set"],
        ["lem-small"],
        ["thm-large", "prop-elsewhere", "late"],
        ["cor-plain", "last"],
    ]


def test_excerpt_of_a_toy_is_the_one_made_by_hand():
    assert theory_map.excerpt(HAND_MADE, "second") == (
        "::::{div} theory-here\n"
        "**Rests on:** {prf:ref}`Small <lem-small>`.\n\n"
        "**This page:** {prf:ref}`Large, in L²(ρ) <thm-large>`, {prf:ref}`Plain <cor-plain>`, "
        "{prf:ref}`Elsewhere <prop-elsewhere>`.\n\n"
        "**Used by:** nothing else. {doc}`The whole map <map>`.\n"
        "::::\n"
    )
    assert "**Rests on:** nothing else.\n" in theory_map.excerpt(HAND_MADE, "first")
    assert theory_map.excerpt(HAND_MADE, "third") == ""


def test_every_page_of_the_theory_opens_with_its_excerpt():
    pages, drawn = theory_map.sources()
    statements = theory()
    for page in drawn:
        opened = theory_map.open_with_excerpt(pages[page], statements, page)
        own = [each.label for each in statements if each.page == page]
        assert opened.count("theory-here") == bool(own)
        if own:
            head = opened[opened.index("\n# ") + 1 :].split("::::\n")[0]
            before = head.split("::::{div} theory-here")[0].strip()
            assert before == re.match(theory_map.HEAD, before)[0]
            assert [label for label in own if f"<{label}>" not in head] == []
            assert "$" not in head.split("theory-here")[1]
            assert opened.replace(theory_map.excerpt(statements, page), "").split() == pages[page].split()


def test_text_of_the_map_is_never_small():
    css = (theory_map.ROOT / "book" / "assets" / "book.css").read_text(encoding="utf-8")
    sizes = re.findall(r"\.theory-map[^{}]*\{[^{}]*font-size: (\d+)px", css)
    assert len(sizes) >= 2 and min(map(int, sizes)) >= 11


def test_page_gets_the_drawing_and_the_list():
    pages = PAGES | {"map": "# Map\n\n% map of the theory\n\n% list of the theory\n"}
    page = theory_map.expand(pages["map"], pages, ["first", "second"])
    assert page.count("<svg") == 1 and "% " not in page
    assert "{prf:ref}`lem-small`, Small: uses {prf:ref}`def-set`; used by {prf:ref}`thm-large`" in page
