"""What the engine costs per cell: cells that compute nothing, against a plain loop over them.

    python benchmarks/sweep_overhead.py [--cells 400]
                                        [--output pairint/experiments/measured/sweep_overhead.json] [--check]

Target: at most 5 ms a cell, stored, in this process and on two. Cells of a tenth of a second or more are also
flushed to the disk, which is the disk's time, not ours: ``flushed`` forces it on every cell, and the time to
write, flush and rename a file of the same length, with nothing else around it, is printed beside it.

Output file and exit status are those of ``sweep_efficiency.py``. The machine must be otherwise idle.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
import time
from pathlib import Path

from sweep_efficiency import arguments, experiment, figure, finish

from pairint.engine import provenance, sweep
from pairint.engine import store as results

#: Largest time a cell, in milliseconds.
TARGET = 5.0


def main() -> int:
    parser = arguments(__doc__, "sweep_overhead")
    parser.add_argument("--cells", type=int, default=400)
    options = parser.parse_args()
    n, load = options.cells, provenance.load()
    subject = dataclasses.replace(experiment(n, 0), compute=lambda cell: [{"error": 0.5}])
    held = {}

    with tempfile.TemporaryDirectory() as folder:
        sweep.execute(subject, overrides={"replicates": 2})  # imports, outside the clock
        print(f"{n} empty cells, milliseconds a cell:")
        start = time.perf_counter()
        for cell in subject.cells(subject.presets["quick"]):
            subject.compute(cell)
        show("plain loop", start, n)

        start = time.perf_counter()
        sweep.execute(subject)
        show("in this process, kept in memory", start, n)

        start = time.perf_counter()
        outcome = sweep.execute(subject, out=folder)
        held["overhead a cell, one process"] = show("in this process, stored", start, n)

        files = list((Path(folder) / "efficiency" / "cells").iterdir())
        text = files[0].read_bytes()
        start = time.perf_counter()
        for i in range(n):
            with open(Path(folder) / f"{i}", "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(Path(folder) / f"{i}", Path(folder) / f"{i}.json")
        show(f"the disk alone ({len(text)} bytes, flushed)", start, n)

        start = time.perf_counter()
        again = sweep.execute(subject, out=folder)
        show("read back", start, n)
        assert (outcome.computed, again.reused) == (n, n)

    with tempfile.TemporaryDirectory() as folder:
        results.FLUSH_SECONDS = 0.0
        start = time.perf_counter()
        sweep.execute(subject, out=folder)
        show("in this process, stored, flushed", start, n)
        results.FLUSH_SECONDS = 0.1

    with tempfile.TemporaryDirectory() as folder:
        sweep.execute(subject, jobs=2, overrides={"replicates": 2})  # starts the processes
        start = time.perf_counter()
        sweep.execute(subject, jobs=2, out=folder)
        held["overhead a cell, two processes"] = show("on two processes, stored", start, n)

    figures = {name: figure(value, TARGET, "at most", " ms") for name, value in held.items()}
    return finish("sweep_overhead", figures, options, load)


def show(name: str, start: float, n: int) -> float:
    """Print the time a cell since ``start``, in milliseconds, and return it."""
    milliseconds = 1000 * (time.perf_counter() - start) / n
    print(f"  {name:<45} {milliseconds:7.3f}")
    return milliseconds


if __name__ == "__main__":
    sys.exit(main())
