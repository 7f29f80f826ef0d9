"""Parallel efficiency of the engine: the time one core needs, over the time of the workers together.

    python benchmarks/sweep_efficiency.py [--cells 16] [--seconds 1.0] [--jobs 2] [--repeat 3]
                                          [--output pairint/experiments/measured/sweep_efficiency.json]
                                          [--check]

The same cells run in this process (the peer), on worker processes and on a local Dask cluster, each
stored on the disk as in any run, ``--repeat`` times in turn; the median efficiency counts. Targets: 0.85 on
processes, 0.80 on Dask workers, for cells of a second or more on two cores. Pools and clusters are started
before the clock is; ``cold`` includes that.

The numbers are written to a JSON file with the machine, its load when the run began, the versions and the
date; the page "How these results were made" shows it. With ``--check`` the exit status is 1 if a target is
missed, or a number is missing. The machine must be otherwise idle.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from pairint.engine import provenance, sweep
from pairint.engine.cells import grid
from pairint.engine.experiment import Experiment
from pairint.engine.store import write_atomic

RESULTS = Path(__file__).resolve().parents[1] / "pairint" / "experiments" / "measured"
#: Smallest efficiency, by kind of workers.
TARGETS = {"processes": 0.85, "Dask workers": 0.80}
#: Above this, other programs slowed the peer.
HIGHEST = 1.1
#: Above this load the machine is not idle.
IDLE = 0.5


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


def figure(value: float | None, target: float, relation: str, unit: str = "") -> dict[str, Any]:
    """Return a measured number beside its target; ``None`` if it could not be measured."""
    met = value is not None and (value >= target if relation == "at least" else 0 < value <= target)
    return {
        "value": None if value is None else round(value, 4), "unit": unit, "target": target,
        "relation": relation, "met": bool(met),
    }  # fmt: skip


def finish(name: str, figures: dict[str, dict[str, Any]], options: argparse.Namespace, load: Any) -> int:
    """Print the figures with their targets, write them to the JSON file and return the exit status."""
    met = all(row["met"] for row in figures.values())
    print()
    if load is not None and load > IDLE:
        print(f"the load of the machine was {load} at the start: it was not idle, do not keep these numbers")
    for label, row in figures.items():
        value = "not measured" if row["value"] is None else f"{row['value']:.3f}{row['unit']}"
        verdict = "met" if row["met"] else "missed"
        print(f"{verdict}: {label}: {value}, target {row['relation']} {row['target']:g}{row['unit']}")
    choices = {k: v for k, v in vars(options).items() if isinstance(v, int | float) and k != "check"}
    record = provenance.measurement(name, load, options=choices, figures=figures, met=met)
    write_atomic(options.output, json.dumps(record, indent=1) + "\n")
    print(f"written to {options.output}")
    return int(options.check and not met)


def arguments(text: str, name: str) -> argparse.ArgumentParser:
    """Return a parser with the options that the two benchmarks of the engine share."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=RESULTS / f"{name}.json", help="JSON file to write")
    parser.add_argument("--check", action="store_true", help="exit with status 1 if a target is missed")
    return parser


def main() -> int:
    parser = arguments(__doc__, "sweep_efficiency")
    parser.add_argument("--cells", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a cell on one core")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    load = provenance.load()

    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        work(20)
        start = time.perf_counter()
        work(200)
        repetitions = max(1, round(200 * options.seconds / (time.perf_counter() - start)))
    subject, tiny = experiment(options.cells, repetitions), experiment(2 * options.jobs, 1)

    alone = statistics.median(timed(subject, jobs=1) for _ in range(options.repeat))
    print(f"one process:          {alone:7.2f} s for {options.cells} cells of {alone / options.cells:.2f} s")
    efficiencies: dict[str, float | None] = dict.fromkeys(TARGETS)

    cold = timed(tiny, jobs=options.jobs)
    efficiencies["processes"] = show("processes", subject, alone, cold, options, jobs=options.jobs)
    try:
        from distributed import LocalCluster
    except ImportError:
        print("Dask is not installed: no figure for it")
    else:
        start = time.perf_counter()
        with LocalCluster(n_workers=options.jobs, threads_per_worker=1, dashboard_address=":0") as cluster:
            address = cluster.scheduler_address
            timed(tiny, scheduler=address)
            cold = time.perf_counter() - start
            efficiencies["Dask workers"] = show(
                "Dask workers", subject, alone, cold, options, scheduler=address
            )
    for kind, value in efficiencies.items():
        if value is not None and value > HIGHEST:
            print(
                f"{kind}: an efficiency of {value:.2f} is impossible, the machine was not idle: not counted"
            )
            efficiencies[kind] = None
    figures = {
        f"efficiency, {options.jobs} {kind}": figure(efficiencies[kind], target, "at least")
        for kind, target in TARGETS.items()
    }
    return finish("sweep_efficiency", figures, options, load)


def show(
    kind: str, subject: Experiment, alone: float, cold: float, options: argparse.Namespace, **workers: Any
) -> float:
    """Time the workers, print what they take and return their efficiency."""
    jobs, name = options.jobs, f"{options.jobs} {kind}:"
    together = statistics.median(timed(subject, **workers) for _ in range(options.repeat))
    efficiency = alone / (jobs * together)
    print(
        f"{name:<20}  {together:7.2f} s, efficiency {efficiency:.3f} "
        f"(cold, {cold:.1f} s more: {alone / (jobs * (together + cold)):.3f})"
    )
    return efficiency


if __name__ == "__main__":
    sys.exit(main())
