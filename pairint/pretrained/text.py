"""Text to feed an encoder with: the book's prose, without code and formulas, in windows of equal length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from pairint.pretrained.tokenizer import WordPiece
from pairint.validation import check_instance, check_integer

__all__ = ["book_prose", "plain_prose", "windows"]

_FENCE = re.compile(r"[ \t]*(`{3,})(.*)")
#: What is taken out of a line or a paragraph, in this order, and what is put there.
_MARKUP = tuple(
    (re.compile(pattern, re.MULTILINE), by)
    for pattern, by in (
        (r"\$\$[^$]*\$\$|\$[^$]+\$", " "),
        (r"^[ \t]*:[\w-]+:.*$|^%.*$|^[ \t]*\|.*$|^\([\w-]+\)=$|^\+\+\+.*$", ""),
        (r"<!--[\s\S]*?-->|<[^<>]+>", " "),
        (r"!?\[([^\]]*)\]\([^)]*\)", r"\1"),  # a link leaves its text
        (r"\{[\w:-]+\}`[^`]*`|`[^`]*`", " "),  # roles and code in a line
        (r"^#+[ \t]*|^[ \t]*(?:[-*]|\d+\.)[ \t]+|^:[ \t]+|\*{1,2}|\\(?=\W)", ""),
    )
)


def plain_prose(page: str) -> str:
    """Return the sentences of a page of this book: no code, no formulas, no markup.

    Book: :doc:`/book/real_head`.

    Parameters
    ----------
    page : str
        A page in MyST Markdown.
    """
    text = "\n".join(_outside_listings(check_instance("page", page, str)))
    for pattern, by in _MARKUP:
        text = pattern.sub(by, text)
    paragraphs = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return "\n".join(part for part in paragraphs if re.search(r"\w{3}", part))


def _outside_listings(page: str) -> Iterator[str]:
    """Yield the lines of a page outside of its header, its code and its listings, without fences."""
    lines = iter(page.splitlines())
    opened: list[tuple[str, bool]] = []  # the fences around a line, and whether they hold prose
    for number, line in enumerate(lines):
        if number == 0 and line == "---":
            for line in lines:
                if line == "---":
                    break
            continue
        fence = _FENCE.fullmatch(line)
        if fence and opened and not fence[2].strip() and len(fence[1]) >= len(opened[-1][0]):
            opened.pop()
            yield ""
        elif fence and (not opened or opened[-1][1]):
            directive = fence[2].strip()
            holds_prose = directive.startswith("{") and not directive.startswith(("{code-cell}", "{math}"))
            opened.append((fence[1], holds_prose))
            # The title of a theorem is prose.
            yield from ("", directive.partition("}")[2] if directive.startswith("{prf:") else "", "")
        elif not opened or opened[-1][1]:
            yield line


def book_prose() -> str:
    """Return the prose of this book as it was when the stored experiments on a trained encoder were run.

    A copy of the pages up to those on attention-indexed models, in their order, so that what was stored can
    be computed again while the book changes. Its SHA-256 stands in the settings of the experiments.
    """
    return (files("pairint.pretrained") / "prose.txt").read_text("utf-8")


def windows(text: str, tokenizer: WordPiece, n_tokens: int = 64) -> NDArray[np.int32]:
    """Return a text as windows of equal length, each between ``[CLS]`` and ``[SEP]``.

    Book: :doc:`/book/real_head`.

    Parameters
    ----------
    text : str
    tokenizer : WordPiece
    n_tokens : int
        Tokens in a window with the two that frame it, at least 3. What is left over at the end is dropped.

    Returns
    -------
    ndarray of int32, shape (M, n_tokens)

    Raises
    ------
    ValueError
        If the text is shorter than one window.
    """
    tokenizer = check_instance("tokenizer", tokenizer, WordPiece)
    inside = check_integer("n_tokens", n_tokens, 3) - 2
    start, *numbers, end = tokenizer.encode(text, ends=True)
    count = len(numbers) // inside
    if not count:
        raise ValueError(f"text must have at least {inside} tokens, a window's, got {len(numbers)}")
    body = np.array(numbers[: count * inside], dtype=np.int32).reshape(count, inside)
    return np.pad(body, ((0, 0), (1, 1)), constant_values=((0, 0), (start, end)))


def joined_prose(pages: Sequence[str]) -> str:
    """Return the prose of several pages, one after the other."""
    return "\n".join(map(plain_prose, pages))
