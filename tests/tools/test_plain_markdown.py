"""The text of the notebooks: plain Markdown, with the numbers of the book."""

from types import SimpleNamespace

import book_extension
import pytest
import repository
import twins
from docutils import nodes
from plain_markdown import Book

HEADER = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
"""
TOC = """\
format: jb-book
root: book/intro
parts:
  - caption: One
    numbered: 2
    chapters:
      - file: book/first
  - caption: Two
    numbered: 2
    chapters:
      - file: book/second
        sections:
          - file: book/deep/below
  - caption: Back matter
    chapters:
      - file: book/notation
"""
FIRST = f"""\
{HEADER}
# The first, with $x$

```{{math}}
:label: eq-sum
1 + 1 = 2
```
"""
SECOND = """\
# The second

% Readers do not see this.
After {eq}`eq-sum` of {doc}`first` comes {prf:ref}`thm-main`; {cite:t}`one` and {cite:p}`two,three` say
more, and so does {doc}`the page below <deep/below>`. `{doc}` and `$` in code stay.

Term, *or word*
: what it means,
  on two lines.

````{prf:theorem} In $L^2$, after {cite:t}`one`
:label: thm-main
For all $x$ in an
interval $[a,
b]$

```{math}
:label: eq-box
f(x) = x \\\\
g(x) = 1
```

and

$$\\begin{aligned}
a &= b \\\\
c &= d
\\end{aligned}$$
````

```{prf:proof}
By {eq}`eq-box`,

$$x = 1 .$$
```

```{prf:proof}
- First one.
- Then another.
```

```{prf:definition}
A word.
```

```{exercise} Hard
:label: ex-hard
Show it.
```

```{solution} ex-hard
:class: dropdown
As in {prf:ref}`thm-below`.
```

```{margin}
Aside: {prf:ref}`thm-below`.
```

:::{note}
A formula $x$ costs
> nothing.
:::

```python
price = "{doc}`first`"
```

```{figure} assets/rates.png
:alt: Lines in a plane

What {prf:ref}`thm-main` says.
```

```{code-block} sh
make book
```
"""
BELOW = """\
# Below

```{prf:theorem}
:label: thm-below
More, see {doc}`/book/second`, {eq}`eq-below` and {doc}`../notation`.
```

```{math}
:label: eq-below
0
```

(sec-here)=
## What is *here*

```{prf:proof} of {prf:ref}`thm-main`
It is in {ref}`sec-here`, or {ref}`there <sec-here>`.
```
"""
BIB = """\
@book{one, author = {Gy{\\"o}rfi, L{\\'a}szl{\\'o}}, title = {A Book}, publisher = {House}, year = {2002}}
@article{two, author = {van Gogh, A. and Ben Arous, B.}, title = {Two}, journal = {J}, year = {1999}}
@article{three, author = {C, C. and D, D. and E, E.}, title = {Three}, year = {2025},
  journal = {arXiv preprint arXiv:2510.11789}}
"""

#: What a reader of the notebook reads: written by hand.
EXPECTED = """\
# The second

After [(1.1)](first.ipynb) of [The first, with $x$](first.ipynb) comes Theorem 2.1; Györfi [2002] and \
[van Gogh and Ben Arous, 1999, C et al., 2025] say
more, and so does [the page below](deep/below.md). `{doc}` and `$` in code stay.

- **Term, or word**: what it means,
  on two lines.

> **Theorem 2.1 (In $L^2$, after Györfi [2002]).**
>
> For all $x$ in an
> interval $[a, b]$
>
> $$ \\begin{aligned} f(x) = x \\\\ g(x) = 1 \\end{aligned} \\tag{2.1} $$
>
> and
>
> $$ \\begin{aligned} a &= b \\\\ c &= d \\end{aligned} $$

*Proof.* By (2.1),

$$
x = 1 .
$$

$\\square$

*Proof.*

- First one.
- Then another. $\\square$

> **Definition 2.1.**
>
> A word.

> **Exercise 2.1 (Hard).**
>
> Show it.

<details>
<summary>Solution to Exercise 2.1</summary>

As in [Theorem 2.2](deep/below.md).

</details>

> Aside: [Theorem 2.2](deep/below.md).

> **Note**
>
> A formula $x$ costs
> > nothing.

```python
price = "{doc}`first`"
```

![Lines in a plane](assets/rates.png)

What Theorem 2.1 says.

```sh
make book
```"""
WORKS = """\
## References

- C. C, D. D, and E. E. Three. arXiv preprint [arXiv:2510.11789](https://arxiv.org/abs/2510.11789), 2025.
- László Györfi. A Book. House, 2002.
- A. van Gogh and B. Ben Arous. Two. J, 1999."""


@pytest.fixture
def root(tmp_path):
    (tmp_path / "book" / "deep").mkdir(parents=True)
    (tmp_path / "_toc.yml").write_text(TOC, encoding="utf-8")
    pages = {"intro": "# Intro", "first": FIRST, "second": SECOND, "deep/below": BELOW, "notation": "# Words"}
    for name, text in pages.items():
        (tmp_path / "book" / f"{name}.md").write_text(text, encoding="utf-8")
    (tmp_path / "book" / "references.bib").write_text(BIB, encoding="utf-8")
    return tmp_path


@pytest.mark.slow
def test_a_page_as_a_reader_sees_it(root):
    assert Book(root).plain(SECOND, "book/second") == EXPECTED


def test_links_start_at_the_page(root):
    links = "More, see [The second](../second.md), (2.2) and [Words](../notation.md)."
    text = Book(root).plain(BELOW, "book/deep/below")
    assert text.startswith(f"# Below\n\n> **Theorem 2.2.**\n>\n> {links}\n")
    proof = "*Proof of [Theorem 2.1](../second.md).* It is in What is *here*, or there. $\\square$"
    assert text.endswith(f"\n\n## What is *here*\n\n{proof}")


DRAWN = f"""\
{HEADER}
# The second

```{{code-cell}} ipython3
---
mystnb:
  image:
    alt: "A line"
  figure:
    name: fig-line
    caption: "Look at the right end of $x$, and at {{eq}}`eq-sum`."
---
draw()
```

As {{numref}}`fig-line` shows.

```{{code-cell}} ipython3
---
mystnb:
  figure:
    name: fig-last
    caption: "The last one."
---
draw()
```
"""


def test_captions_stand_under_their_figures_with_the_numbers_of_the_book(root, monkeypatch):
    monkeypatch.setattr(repository, "address", lambda root: None)
    monkeypatch.setattr(repository, "release", lambda root: "main")
    path = root / "book" / "second.md"
    path.write_text(DRAWN, encoding="utf-8")
    below = root / "book" / "deep" / "below.md"
    below.write_text("# Below\n\nSee {numref}`fig-last`.\n", encoding="utf-8")
    cells = twins.read(path, root, Book(root)).cells
    assert [cell.cell_type for cell in cells] == ["markdown", "code", "markdown", "code", "markdown"]
    first = "*Figure 2.1.* Look at the right end of $x$, and at [(1.1)](first.ipynb)."
    assert cells[2].source == f"{first}\n\nAs Figure 2.1 shows."
    assert cells[4].source == "*Figure 2.2.* The last one."
    elsewhere = Book(root).plain("See {numref}`fig-last`.", "book/deep/below")
    assert elsewhere == "See [Figure 2.2](../second.ipynb)."


def test_what_is_cited_stands_at_the_end(root):
    assert Book(root).references([SECOND]) == WORKS
    assert Book(root).references([FIRST, "`{cite:t}` of $x$"]) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```{mermaid}\n```", "'mermaid' has no plain form"),
        ("{abbr}`A`", "'abbr' has no plain form"),
        ("{doc}`nowhere`", "no page 'nowhere'"),
        ("{prf:ref}`thm-gone`", "label 'thm-gone'"),
        ("{cite:t}`four`", "'four'"),
        ("```{note}\nnever closed", "not closed"),
        ("$$x = 1", "does not end"),
        ("$$x = 1$$ (eq-old)", "directive {math}"),
    ],
)
def test_what_readers_would_see_raw_is_refused(root, text, message):
    with pytest.raises(ValueError, match=f"^book/second: .*{message}"):
        Book(root).plain(text, "book/second")


def test_a_fence_inside_a_fence_of_the_same_length_is_refused(root):
    """It would close the outer one: in the book too, the rest of a proof stands outside of its box."""
    text = "```{prf:proof}\nSee\n```{math}\n:label: eq-a\n1\n```\nDone.\n```\n"
    (root / "book" / "notation.md").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^book/notation: a fence is not closed"):
        Book(root)


@pytest.mark.parametrize(("number", "warnings"), [((2, 1), 0), ((2, 2), 1), (None, 1)])
def test_the_build_compares_the_numbers(root, monkeypatch, number, warnings):
    """Sphinx writes identifiers in small letters; what a notebook calls otherwise is named."""
    book = Book(root)
    numbers = {}
    for label, named in book.labels.items():
        if isinstance(label, str) and named.number is not None:
            kind = "displaymath" if label.startswith("eq") else "other"
            identifier = f"equation-{label}" if label.startswith("eq") else nodes.make_id(label)
            pair = tuple(int(part) for part in named.number.split("."))
            numbers.setdefault(named.page, {}).setdefault(kind, {})[identifier] = pair
    if number is None:
        del numbers["book/second"]["other"]["thm-main"]
    else:
        numbers["book/second"]["other"]["thm-main"] = number
    said = []
    logger = SimpleNamespace(warning=lambda *arguments, **location: said.append((arguments, location)))
    monkeypatch.setattr(book_extension, "LOGGER", logger)
    env = SimpleNamespace(toc_fignumbers=numbers)
    book_extension.refuse_other_numbers(SimpleNamespace(srcdir=str(root)), env)
    assert len(said) == warnings
    assert all(location == {"location": "book/second"} for _, location in said)
