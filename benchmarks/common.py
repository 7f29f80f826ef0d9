"""What the benchmarks share."""

from __future__ import annotations

import time
from collections.abc import Callable


def least_time(
    call: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Return the shortest of several runs, in seconds, after one that is not counted.

    ``time.process_time`` as the clock counts the processor's time, whatever else the machine does.
    """
    call()
    times = []
    for _ in range(repeats):
        start = clock()
        call()
        times.append(clock() - start)
    return min(times)
