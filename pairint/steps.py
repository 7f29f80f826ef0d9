"""What a long call says while it works: after two seconds, how far it is.

Loops that may last are written ``for item in steps(items, "iterations", total)``. On a terminal one line is
written over and over, and goes when the call ends; elsewhere :class:`progress` asks for plain lines. A call
that is over in two seconds says nothing, and neither do scripts whose errors go to a file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TextIO, TypeVar

__all__ = ["progress"]

_T = TypeVar("_T")
#: Seconds before the first word, and between two: on a terminal, and on lines that stay.
SILENT, _TERMINAL, _LINES = 2.0, 0.2, 10.0


@dataclass
class _Loop:
    what: str
    total: int | None
    most: bool
    done: int = 0

    def __str__(self) -> str:
        limit = "" if self.total is None else f" of {'at most ' if self.most else ''}{self.total:,}"
        return f"{self.what} {self.done:,}{limit}"


class _Said:
    """The loops that run now, one inside of another, and what was said of them."""

    def __init__(self, stream: TextIO, of_itself: bool = False) -> None:
        self.loops: list[_Loop] = []
        self.of_itself = of_itself
        self._stream = stream
        self._overwrite = stream.isatty()
        self._began = self._last = 0.0
        self._spoken = False

    def enter(self, loop: _Loop) -> None:
        if not self.loops:
            self._began, self._spoken = time.monotonic(), False
        self.loops.append(loop)

    def look(self) -> None:
        """Say how far the loops are, if it is time to."""
        now = time.monotonic()
        pause = _TERMINAL if self._overwrite else _LINES
        if now - self._began >= SILENT and (not self._spoken or now - self._last >= pause):
            self._last, self._spoken = now, True
            self._say(f"{', '.join(map(str, self.loops))} ({self._seconds()})")

    def leave(self, loop: _Loop) -> None:
        """Forget a loop, and those inside of it that were left without an end."""
        if loop in self.loops:
            del self.loops[self.loops.index(loop) :]
        if not self.loops and self._spoken:
            self._spoken = False
            self._say("" if self._overwrite else f"done ({self._seconds()})")

    def _seconds(self) -> str:
        return f"{time.monotonic() - self._began:.0f} s"

    def _say(self, text: str) -> None:
        try:
            self._stream.write(f"\r\x1b[K{text}" if self._overwrite else f"pairint: {text}\n")
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads it any more: no reason to stop the work
            self._spoken = False


#: None: nobody has said whether to speak.
_CHOSEN: ContextVar[_Said | bool | None] = ContextVar("pairint progress", default=None)


class progress:
    """Let calls that last say how far they are, on standard error, or be silent.

    On a terminal they do so of themselves, after two seconds. In a notebook or a log they do while this is
    entered: a line after two seconds, and one every ten.

    Book: :doc:`/book/help`.

    Parameters
    ----------
    show : bool
        False: say nothing, on a terminal neither.

    Raises
    ------
    TypeError
        If ``show`` is not True or False.

    Examples
    --------
    >>> import pairint as pi
    >>> model = pi.AttentionModel(pi.Tanh(), pi.interaction_matrix(3, 1, rng=0), pi.UniformCube(3))
    >>> with pi.progress():
    ...     fit = pi.InteractionRegressor().fit(*model.sample(500, 3, rng=1))
    """

    def __init__(self, show: bool = True) -> None:
        from pairint.validation import check_flag

        self._show = check_flag("show", show)
        self._tokens: list[Token[_Said | bool | None]] = []

    def __enter__(self) -> progress:
        self._tokens.append(_CHOSEN.set(_Said(sys.stderr) if self._show else False))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _CHOSEN.reset(self._tokens.pop())


def _said() -> _Said | None:
    chosen = _CHOSEN.get()
    if chosen is None and sys.stderr is not None and sys.stderr.isatty():
        chosen = _Said(sys.stderr, of_itself=True)
        _CHOSEN.set(chosen)
    return chosen if isinstance(chosen, _Said) else None


def steps(items: Iterable[_T], what: str, total: int | None = None, *, most: bool = False) -> Iterator[_T]:
    """Yield the items of a loop, and say how far it is if it lasts.

    Parameters
    ----------
    items : iterable
    what : str
        What is counted, in the plural.
    total : int, optional
        How many there will be: by default the length of ``items`` if it has one.
    most : bool
        The loop may end before ``total``.
    """
    said = _said()
    if said is None:
        yield from items
        return
    length: Any = getattr(items, "__len__", None)
    loop = _Loop(what, length() if total is None and length is not None else total, most)
    said.enter(loop)
    try:
        for item in items:
            yield item
            loop.done += 1
            said.look()
    finally:
        said.leave(loop)
        if said.of_itself and not said.loops:
            _CHOSEN.set(None)  # the next call looks anew at what standard error is
