"""A fit of data larger than memory: what it holds, and what it takes more than a fit in memory.

    python benchmarks/out_of_core.py [--size 10] [--memory 256] [--folder DIR] [--output FILE]

Data of so many GB (d = 30, r = 2, N = 3, smooth truth, noise 0.1) are drawn block by block and written to two
files. Then they are fitted, K chosen by the fit, each way in a process of its own on one thread: *file*, a
memory map; *blocks*, a function that reads the files with plain reads, as an iterator; and *memory*, both
files loaded first, where the machine has three times as much free. Reported are processor and wall-clock
seconds of the fit (of *memory* with and without loading), the memory that the process holds for itself at its
peak beyond what it held before (anonymous pages; those of a mapped file are the system's, which takes them
back), and whether all ways found the same fit. Targets: at most the memory that was allowed and a quarter
more, and at most twice the processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from pairint.engine import provenance
from pairint.estimation import InteractionRegressor, interaction_error
from pairint.model import AttentionModel, GaussianNoise, Tanh, UniformCube

OUTPUT = Path(__file__).parents[1] / "pairint" / "experiments" / "measured" / "out_of_core.json"
D, RANK, N_TOKENS, NOISE = 30, 2, 3, 0.1
#: Samples drawn at a time, and read by the iterator.
BLOCK, READ = 50_000, 2_000
WAYS = ("file", "blocks", "memory")


def truth() -> AttentionModel:
    """Return the model of the data."""
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((D, RANK)) @ rng.standard_normal((RANK, D))
    return AttentionModel(Tanh(), 2.0 * matrix / np.linalg.norm(matrix), UniformCube(D), GaussianNoise(NOISE))


def write(folder: Path, n_samples: int) -> None:
    """Draw the data into two files."""
    model, rng = truth(), np.random.default_rng(1)
    with (folder / "X.raw").open("wb") as tokens, (folder / "Y.raw").open("wb") as outputs:
        for start in range(0, n_samples, BLOCK):
            X, Y = model.sample(min(BLOCK, n_samples - start), N_TOKENS, rng)
            X.tofile(tokens)
            Y.tofile(outputs)


def blocks_of(folder: Path) -> Iterator[tuple[Any, Any]]:
    """Read the files block by block."""
    with (folder / "X.raw").open("rb") as tokens, (folder / "Y.raw").open("rb") as outputs:
        while (Y := np.fromfile(outputs, count=READ * N_TOKENS)).size:
            X = np.fromfile(tokens, count=Y.size * D)
            yield X.reshape(-1, N_TOKENS, D), Y.reshape(-1, N_TOKENS)


def held() -> int:
    """Return the bytes that this process holds for itself; of another system than Linux all it ever held."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return 1024 * int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


class Peak:
    """The most that this process held, looked at a hundred times a second."""

    def __init__(self) -> None:
        self.bytes = self.before = held()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            self.bytes = max(self.bytes, held())

    def end(self) -> int:
        """Return by how much it rose."""
        self._ended.set()
        self._thread.join()
        return self.bytes - self.before


def fitted(way: str, folder: Path, memory: int) -> dict[str, Any]:
    """Fit in this process, and return what it took."""
    n_samples = (folder / "Y.raw").stat().st_size // (8 * N_TOKENS)
    model = InteractionRegressor(RANK, solver="lbfgs", random_state=0)
    small = truth().sample(2000, N_TOKENS, np.random.default_rng(2))
    InteractionRegressor(RANK, solver="lbfgs", random_state=0).fit(*small)  # compiles
    peak, began, wall = Peak(), time.process_time(), time.perf_counter()
    X: Any = np.memmap(folder / "X.raw", dtype=float, mode="r", shape=(n_samples, N_TOKENS, D))
    Y: Any = np.memmap(folder / "Y.raw", dtype=float, mode="r", shape=(n_samples, N_TOKENS))
    loaded = 0.0
    if way == "blocks":
        fit = model.fit(lambda: blocks_of(folder), memory=memory)
    elif way == "file":
        fit = model.fit(X, Y, memory=memory)
    else:
        X, Y = np.array(X), np.array(Y)
        loaded = time.process_time() - began
        fit = model.fit(X, Y)
    seconds, wall = time.process_time() - began, time.perf_counter() - wall
    rose = peak.end()
    return {
        "cpu_seconds": round(seconds, 2),
        "loading_seconds": round(loaded, 2),
        "wall_seconds": round(wall, 2),
        "held_mib": round(rose / 2**20, 1),
        "cells": fit.n_intervals_,
        "steps": fit.n_iter_,
        "risk": fit.risk_,
        "error": float(f"{interaction_error(fit, truth(), rng=0).value:.4g}"),
        "matrix": fit.matrix_.tolist(),
    }


def in_a_process(way: str, folder: Path, memory: int) -> dict[str, Any]:
    """Fit in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder), "--memory", str(memory)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def free_bytes() -> int:
    """Return the memory that is free."""
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=float, default=10.0, help="GB of tokens and outputs")
    parser.add_argument("--memory", type=int, default=256, help="MiB that a fit from files may hold")
    parser.add_argument("--folder", type=Path, default=None, help="where the files are written")
    parser.add_argument("--way", choices=WAYS, default=None, help="fit files that are there, this way only")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if options.way:
        with threadpool_limits(1):
            print(json.dumps(fitted(options.way, options.folder, options.memory * 2**20)))
        return
    load = provenance.load()
    n_samples = int(options.size * 1e9 / (8 * N_TOKENS * (D + 1)))
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        with threadpool_limits(1):
            write(folder, n_samples)
        size = sum(path.stat().st_size for path in folder.iterdir())
        rows = {way: in_a_process(way, folder, options.memory) for way in WAYS[:2]}
        if 3 * size < free_bytes():
            rows["memory"] = in_a_process("memory", folder, options.memory)
    first = np.array(rows["file"]["matrix"])
    for row in rows.values():
        row["largest_difference"] = float(f"{abs(np.array(row.pop('matrix')) - first).max():.2g}")
    print(f"{size / 1e9:.2f} GB, M = {n_samples}, d = {D}, N = {N_TOKENS}; allowed: {options.memory} MiB")
    print(f"{'':<8}{'CPU s':>8}{'wall s':>8}{'MiB held':>10}{'K':>5}{'steps':>7}{'error':>11}")
    for way, row in rows.items():
        print(
            f"{way:<8}{row['cpu_seconds']:>8.1f}{row['wall_seconds']:>8.1f}{row['held_mib']:>10.0f}"
            f"{row['cells']:>5}{row['steps']:>7}{row['error']:>11.3g}"
        )
    if "memory" in rows:
        alone = rows["memory"]["cpu_seconds"]
        for way in WAYS[:2]:
            rows[way]["over_memory"] = round(rows[way]["cpu_seconds"] / alone, 3)
        print(f"file / memory: {rows['file']['over_memory']:.2f} of the processor time, loading included")
    content = provenance.measurement(
        "out_of_core",
        load,
        options={"size": options.size, "memory_mib": options.memory},
        point={"d": D, "rank": RANK, "n_tokens": N_TOKENS, "n_samples": n_samples, "noise_std": NOISE},
        data_bytes=size,
        ways=rows,
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
