"""The notation page is true: no symbol of the theory is missing from it, and none is listed in vain."""

import notation
import pytest
import theory_map

PAGES, DRAWN = theory_map.sources()
TOY = r"""
# A page

| Symbol | Meaning |

$\hat g_K = \bar a + \bar{a} + \mathcal G \log(\text{if } \varphi^*) + R_{out} e^{x}$
and `$b$`, $\mathbb{P}(A)\, dx \le \overline{KL}$

$$\tilde\varphi \ge 0$$

```{math}
:label: eq-long
\Gamma
```

```{code-cell} ipython3
print("$z$")
```
"""


def test_symbols_of_a_toy_are_those_found_by_hand():
    found = {"g", "K", r"\bar a", r"\mathcal{G}", r"\varphi", "R", "x", "A", r"\tilde \varphi", r"\Gamma"}
    assert notation.symbols(TOY) == found


def test_row_is_read_as_it_is_written():
    letters = {r"\bar e", r"\mathcal{N}", "b", r"\lambda"}
    page = f"# N\n\n## Letters of one page\n\n{notation.row('first', letters)}\n"
    assert notation.local(page) == {"first": letters}


def test_a_symbol_that_is_not_on_the_page_is_found():
    given = "| $d$ | dimension |\n\nLetters $x$ are bound variables."
    page = f"# N\n\n## Learning pairwise interactions\n\n{given}\n"
    pages = {"notation": page, "first": "$d$, $x$, $\\xi$"}
    assert notation.unexplained(pages, ["first"]) == {"first": {r"\xi"}}


@pytest.mark.parametrize("page", [page for page in DRAWN if page != "map"])
def test_every_symbol_of_the_theory_is_on_the_notation_page(page):
    needed = notation.unexplained(PAGES, DRAWN)[page]
    missing = needed - notation.local(PAGES["notation"]).get(page, set())
    assert not missing, f"the row of the notation page should be\n{notation.row(page, needed)}"


def test_no_letter_of_one_page_is_listed_in_vain():
    for page, letters in notation.local(PAGES["notation"]).items():
        assert page in DRAWN
        unused = letters - notation.symbols(PAGES[page])
        assert not unused, f"{page} does not use {sorted(unused)}"
