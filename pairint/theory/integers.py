"""Searches over integers: the first for which a statement holds, the best of a function with one valley."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["best_integer", "first_true"]


def best_integer(loss: Callable[[int], float], first: int, most: int) -> tuple[int, bool]:
    """Return an integer in 1 .. most with a small loss, and whether the search ended at its limit.

    All powers of two up to ``first`` are tried (so that a plateau does not stop the search), and further
    ones, up to ``most``, while none is better than the last; then the two octaves around the best. The result
    is the smallest best integer if the loss has one valley.

    Parameters
    ----------
    loss : callable
    first, most : int
        Powers of two, first <= most.

    Returns
    -------
    (int, bool)
        If the second is true, no loss is smaller than that of ``most``: beyond it one may be.
    """
    cache: dict[int, float] = {}

    def value(k: int) -> float:
        if k not in cache:
            cache[k] = loss(k)
        return cache[k]

    powers = [2**p for p in range(first.bit_length())]
    while value(powers[-1]) <= min(map(value, powers)) and powers[-1] < most:
        powers.append(2 * powers[-1])
    middle = min(powers, key=value)
    low, high = max(1, middle // 2), min(2 * middle, powers[-1])
    while high - low > 8:
        third = (high - low) // 3
        if value(low + third) <= value(high - third):
            high -= third
        else:
            low += third
    best = min({middle, *range(low, high + 1)}, key=value)
    return best, powers[-1] == most and value(most) <= value(best)


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
