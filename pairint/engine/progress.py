"""Progress of a run: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TextIO

from tqdm import tqdm

__all__ = ["Progress", "duration"]


def duration(seconds: float) -> str:
    """Return a duration for readers: ``"8 s"``, ``"3 min 20 s"``, ``"20 min"``, ``"2 h 05 min"``."""
    if seconds < 9.95:
        return f"{seconds:.2g} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    count, large, small = (whole, "min", "s") if whole < 3600 else (whole // 60, "h", "min")
    rest = f" {count % 60:02d} {small}" if count % 60 else ""
    return f"{count // 60} {large}{rest}"


class Progress:
    """Counts cells, weighted by their expected cost.

    Parameters
    ----------
    name : str
        What is running.
    costs : list of float
        One per cell to compute.
    show : bool
    stream : text file, optional
        Standard error by default.
    every : float
        Seconds between plain lines.
    """

    def __init__(
        self, name: str, costs: list[float], show: bool, stream: TextIO | None = None, every: float = 10.0
    ) -> None:
        self._name, self._count, self._total = name, len(costs), sum(costs) or 1.0
        self._stream = sys.stderr if stream is None else stream
        self._every = every
        self._show = show and self._count > 0
        self._done, self._weight = 0, 0.0
        self._start = self._printed = time.monotonic()
        self._bar = None
        if self._show and self._stream.isatty():
            self._bar = tqdm(
                total=self._total, file=self._stream, desc=name, dynamic_ncols=True, smoothing=0.05,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {postfix} [{elapsed}, {remaining} left]",
            )  # fmt: skip
            self._bar.set_postfix_str(f"0/{self._count} cells")

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, cost: float) -> None:
        """Count one cell."""
        self._done += 1
        self._weight += cost
        if self._bar is not None:
            self._bar.set_postfix_str(f"{self._done}/{self._count} cells", refresh=False)
            self._bar.update(cost)
        elif self._show:
            now = time.monotonic()
            if now - self._printed >= self._every or self._done == self._count:
                self._printed = now
                elapsed = now - self._start
                left = elapsed * (self._total - self._weight) / max(self._weight, 1e-12)
                tail = f", about {duration(left)} left" if self._done < self._count else ""
                print(
                    f"{self._name}: {self._done} of {self._count} cells after {duration(elapsed)}{tail}",
                    file=self._stream, flush=True,
                )  # fmt: skip
