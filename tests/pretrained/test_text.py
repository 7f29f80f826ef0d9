"""From a page to windows of tokens."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from pairint.pretrained import WordPiece, plain_prose, windows
from pairint.pretrained.text import book_prose

SMALL = ["[UNK]", "[CLS]", "[SEP]", "token", "##s", "##ize", "inter", "##act", ".", "$", "cafe", "日", "x"]
BOOK = Path(__file__).resolve().parents[2] / "book"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Tokens interact.", ["token", "##s", "inter", "##act", "."]),
        ("TOKENIZE", ["token", "##ize"]),  # the longest piece first
        ("tokenx", ["[UNK]"]),  # no cut leaves pieces that are all known
        ("café\tx", ["cafe", "x"]),
        ("x日x $x", ["x", "日", "x", "$", "x"]),
        ("x\x07\u200b\ufffdx", ["[UNK]"]),  # control letters are left out: this is one word, xx
        ("x\u00a0x", ["x", "x"]),
        ("x" * 101, ["[UNK]"]),
        ("[CLS]", ["[UNK]"] * 3),  # in a text it is three words like others
        ("", []),
    ],
)
def test_words_are_cut(text, pieces):
    tokenizer = WordPiece(SMALL)
    assert tokenizer.decode(tokenizer.encode(text)) == pieces
    assert tokenizer.decode(tokenizer.encode(text, ends=True)) == ["[CLS]", *pieces, "[SEP]"]


def test_what_a_tokenizer_refuses():
    with pytest.raises(ValueError, match=r"vocabulary must have \[CLS\], \[SEP\], \[UNK\], got 1 others"):
        WordPiece(["a"])
    with pytest.raises(TypeError, match="text must be a str, got 3"):
        WordPiece(SMALL).encode(3)
    with pytest.raises(ValueError, match="numbers must be from 0 to 12, got -1"):
        WordPiece(SMALL).decode([3, -1])


PAGE = """---
jupytext: {}
---

# A title

```{opening}
:minutes: 5
:needs: [](other)

A question?

- one
```

Words with $x^\\top A y$ *inside*, and a [link](page) {doc}`other` of `code`.

$$ a = b $$

```{code-cell} ipython3
print("no prose")
```

````{prf:theorem} Named
:label: thm-x
It holds.
```{math}
c = d
```
````

| a | table |
|---|---|
"""


def test_prose_has_no_code_and_no_formulas():
    assert plain_prose(PAGE).splitlines() == [
        "A title",
        "A question?",
        "one",
        "Words with inside, and a link of .",
        "Named",
        "It holds.",
    ]


@pytest.mark.slow
def test_prose_of_every_page_is_words():
    for page in sorted(BOOK.glob("*.md")):
        text = plain_prose(page.read_text("utf-8"))
        for mark in ("$", "```", "{doc}", "import numpy", ":label:", "\\top"):
            assert mark not in text, (page.name, mark)


def test_windows_are_framed():
    found = windows("token " * 10, WordPiece(SMALL), 5)
    np.testing.assert_array_equal(found, [[1, 3, 3, 3, 2]] * 3)  # the tenth is left over


def test_a_text_shorter_than_a_window_is_refused():
    with pytest.raises(ValueError, match="text must have at least 62 tokens, a window's, got 3"):
        windows("token token token", WordPiece(SMALL))


def test_the_prose_is_kept_as_it_was():
    text = book_prose()
    assert hashlib.sha256(text.encode()).hexdigest().startswith("1ded2a12828e6dd6")
    assert len(text.split()) > 20_000
