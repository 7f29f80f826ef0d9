"""Text to tokens: words in lower case without accents, cut into the longest pieces that the vocabulary has.

The scheme is WordPiece as BERT's encoders use it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from pairint.validation import check_instance, shortened

__all__ = ["WordPiece"]

_UNKNOWN, _START, _END = "[UNK]", "[CLS]", "[SEP]"
#: A longer word is unknown.
_LONGEST = 100
#: Blocks of ideographs: each is a word.
_IDEOGRAPHS = (
    *((0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F)),
    *((0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)),
)


class WordPiece:
    """A tokenizer.

    Book: :doc:`/book/real_head`.

    Parameters
    ----------
    vocabulary : sequence of str
        The pieces, by number; those inside of a word start with ``##``. ``[UNK]``, ``[CLS]`` and ``[SEP]``
        must be among them.

    Examples
    --------
    >>> tokens = WordPiece(["[UNK]", "[CLS]", "[SEP]", "token", "##s", "interact", "."])
    >>> tokens.encode("Tokens interact.")
    [3, 4, 5, 6]
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.pieces = list(vocabulary)
        self._number = {piece: number for number, piece in enumerate(self.pieces)}
        missing = {_UNKNOWN, _START, _END} - set(self._number)
        if missing:
            raise ValueError(
                f"vocabulary must have {', '.join(sorted(missing))}, got {len(self.pieces)} others"
            )

    def encode(self, text: str, *, ends: bool = False) -> list[int]:
        """Return the numbers of a text's pieces.

        Parameters
        ----------
        text : str
        ends : bool
            Put ``[CLS]`` before and ``[SEP]`` after, as the encoder expects of a sentence.
        """
        check_instance("text", text, str)
        numbers = [number for word in _words(text) for number in self._cut(word)]
        return [self._number[_START], *numbers, self._number[_END]] if ends else numbers

    def decode(self, numbers: Sequence[int]) -> list[str]:
        """Return the pieces of these numbers.

        Raises
        ------
        ValueError
            If a number is not one of the vocabulary's.
        """
        wrong = [number for number in numbers if not 0 <= number < len(self.pieces)]
        if wrong:
            raise ValueError(f"numbers must be from 0 to {len(self.pieces) - 1}, got {shortened(wrong[0])}")
        return [self.pieces[number] for number in numbers]

    def _cut(self, word: str) -> list[int]:
        """Return the longest piece that the word starts with, the longest of the rest, and so on."""
        found, start = [], 0
        while start < len(word):
            end = len(word)
            while end > start and ("##" * (start > 0) + word[start:end]) not in self._number:
                end -= 1
            if end == start or len(word) > _LONGEST:
                return [self._number[_UNKNOWN]]
            found.append(self._number["##" * (start > 0) + word[start:end]])
            start = end
        return found


def _words(text: str) -> list[str]:
    """Return words and signs: lower case, without accents; each punctuation mark and ideograph alone."""
    plain = unicodedata.normalize("NFD", "".join(_clean(letter) for letter in text)).lower()
    apart = []
    for letter in plain:
        if unicodedata.category(letter) == "Mn":  # an accent
            continue
        apart.append(f" {letter} " if _is_punctuation(letter) else letter)
    return "".join(apart).split()


def _clean(letter: str) -> str:
    if letter in "\t\n\r" or unicodedata.category(letter) == "Zs":
        return " "
    if letter in "\0\ufffd" or unicodedata.category(letter).startswith("C"):
        return ""
    return f" {letter} " if any(low <= ord(letter) <= high for low, high in _IDEOGRAPHS) else letter


def _is_punctuation(letter: str) -> bool:
    """Say whether a letter stands alone: Unicode's punctuation, and ASCII's signs like $ and +."""
    ascii_sign = letter.isascii() and letter.isprintable() and not letter.isalnum() and letter != " "
    return ascii_sign or unicodedata.category(letter).startswith("P")
