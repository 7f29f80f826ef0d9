"""Parallel efficiency of the engine: the time one core needs, over the time of the workers together.

    python benchmarks/sweep_efficiency.py [--cells 16] [--seconds 1.0] [--jobs 2]

The same cells run in this process (the peer), on worker processes and on a local Dask cluster, each
stored on the disk as in any run. Targets: 0.85 on two processes, 0.80 on two Dask workers, for cells of a
second or more. Pools and clusters are started before the clock is; ``cold`` includes that. The machine
must be otherwise idle.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

import numpy as np

from pairint import sweep
from pairint.experiments.base import Experiment, grid


def work(repetitions: int) -> float:
    """Multiply matrices."""
    x = np.random.default_rng(0).standard_normal((300, 300)) / 300**0.5
    y = x
    for _ in range(repetitions):
        y = x @ y
        y /= np.abs(y).max()
    return float(y.sum())


def experiment(cells: int, repetitions: int) -> Experiment:
    """Return an experiment whose cells do that work."""

    def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"sum": work(cell["repetitions"])}]

    settings = {"repetitions": repetitions, "replicates": cells}
    return Experiment(
        name="efficiency",
        title="Matrix products",
        source="none",
        version=1,
        presets={"quick": settings, "full": settings},
        cells=lambda s: grid(repetitions=s["repetitions"], replicate=range(s["replicates"])),
        compute=compute,
        plot=lambda table: None,
        claims=lambda table: [],
        expected_seconds={"quick": 1.0, "full": 1.0},
        data_keys=(),
    )


def timed(subject: Experiment, **options: Any) -> float:
    """Run from nothing into a folder of its own; return the seconds it takes."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        outcome = sweep.execute(subject, out=folder, **options)
        seconds = time.perf_counter() - start
    if outcome.failures or outcome.computed != len(outcome.cells):
        raise SystemExit(f"cells failed: {outcome.failures[:1]}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a cell on one core")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()

    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        work(20)
        start = time.perf_counter()
        work(200)
        repetitions = round(200 * options.seconds / (time.perf_counter() - start))
    subject, tiny = experiment(options.cells, repetitions), experiment(2 * options.jobs, 1)

    alone = timed(subject, jobs=1)
    print(f"one process:          {alone:7.2f} s for {options.cells} cells of {alone / options.cells:.2f} s")

    cold = timed(tiny, jobs=options.jobs)
    together = timed(subject, jobs=options.jobs)
    report(f"{options.jobs} processes", alone, together, cold, options.jobs)

    try:
        from distributed import LocalCluster
    except ImportError:
        print("Dask is not installed: no figure for it")
        return
    start = time.perf_counter()
    with LocalCluster(n_workers=options.jobs, threads_per_worker=1, dashboard_address=":0") as cluster:
        timed(tiny, scheduler=cluster.scheduler_address)
        cold = time.perf_counter() - start
        together = timed(subject, scheduler=cluster.scheduler_address)
        report(f"{options.jobs} Dask workers", alone, together, cold, options.jobs)


def report(name: str, alone: float, together: float, cold: float, jobs: int) -> None:
    efficiency = alone / (jobs * together)
    print(
        f"{name + ':':<20}  {together:7.2f} s, efficiency {efficiency:.3f} "
        f"(cold, {cold:.1f} s more: {alone / (jobs * (together + cold)):.3f})"
    )


if __name__ == "__main__":
    main()
