"""Searches over integers: the first for which a statement holds, the best of a function with one valley."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["best_integer", "first_true"]


def best_integer(loss: Callable[[int], float], largest: int) -> int:
    """Return an integer in 1 .. largest with a small loss; the smallest one if the loss has one valley.

    All powers of two are tried (so that a plateau does not stop the search), then the two octaves around
    the best.
    """
    cache: dict[int, float] = {}

    def value(k: int) -> float:
        if k not in cache:
            cache[k] = loss(k)
        return cache[k]

    powers = [2**p for p in range(largest.bit_length()) if 2**p <= largest]
    middle = min(powers, key=value)
    low, high = max(1, middle // 2), min(2 * middle, largest)
    while high - low > 8:
        third = (high - low) // 3
        if value(low + third) <= value(high - third):
            high -= third
        else:
            low += third
    return min({middle, *range(low, high + 1)}, key=value)


def first_true(holds: Callable[[int], bool], start: int = 1) -> int:
    """Return the smallest integer from ``start`` on for which a statement holds that, once true, stays so."""
    if holds(start):
        return start
    low, high = start, 2 * start
    while not holds(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
