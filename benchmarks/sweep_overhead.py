"""What the engine costs per cell: cells that compute nothing, against a plain loop over them.

    python benchmarks/sweep_overhead.py [--cells 400]

Target: under 5 ms a cell. Cells of a tenth of a second or more are also flushed to the disk, which is the
disk's time, not ours: ``flushed`` forces it on every cell, and the time to write, flush and rename a file of
the same length, with nothing else around it, is printed beside it.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import tempfile
import time
from pathlib import Path

from sweep_efficiency import experiment

from pairint import results, sweep


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=400)
    n = parser.parse_args().cells
    subject = dataclasses.replace(experiment(n, 0), compute=lambda cell: [{"error": 0.5}])

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
        show("in this process, stored", start, n)

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
        show("on two processes, stored", start, n)


def show(name: str, start: float, n: int) -> None:
    print(f"  {name:<45} {1000 * (time.perf_counter() - start) / n:7.3f}")


if __name__ == "__main__":
    main()
