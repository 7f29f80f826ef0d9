"""A small experiment for the tests of the engine: it can sleep, raise, die, and it counts its computations.

Its functions are closures, so that they travel to workers by value: no worker needs to find this file.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for

DATA_KEYS = ("n_samples", "beta")


def demo(
    log: Path | str | None = None,
    *,
    name: str = "demo",
    version: int = 1,
    seconds: float = 0.0,
    raises: Any = None,
    dies: Any = None,
    replicates: int = 4,
) -> Experiment:
    """Return the experiment.

    Parameters
    ----------
    log : path, optional
        Folder in which every finished computation leaves one line.
    seconds : float
        Length of a cell.
    raises, dies : path, optional
        While this file exists, cells of replicate 1 raise, or kill their worker.
    """
    log, raises, dies = (None if path is None else str(path) for path in (log, raises, dies))

    def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
        if settings["beta"] <= 0:
            raise ValueError(f"beta must be > 0, got {settings['beta']}")
        return grid(
            n_samples=settings["n_samples"], beta=settings["beta"], replicate=range(settings["replicates"])
        )

    def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
        import os
        import signal
        import time

        import numpy as np

        if cell["replicate"] == 1 and raises is not None and os.path.exists(raises):
            raise FloatingPointError("the demonstration went wrong")
        if cell["replicate"] == 1 and dies is not None and os.path.exists(dies):
            os.kill(os.getpid(), signal.SIGKILL)
        rng = generator_for(cell, DATA_KEYS)
        x = rng.standard_normal((300, 200))
        # A product long enough for several threads, were they allowed: their sums would differ.
        error = float(np.linalg.norm(x.T @ x)) / 300 * cell["n_samples"] ** (-2 / 3)
        time.sleep(seconds)
        if log is not None:
            line = f"{cell['n_samples']} {cell['replicate']}\n"
            with open(os.path.join(log, f"{os.getpid()}.log"), "a", encoding="utf-8") as file:
                file.write(line)
        return [
            {"estimator": "fit", "error": error, "n_intervals": "auto"},
            {"estimator": "oracle", "error": error / 3, "n_intervals": 7},
        ]

    def plot(table: Any) -> Any:
        from matplotlib.figure import Figure

        figure = Figure()
        figure.add_subplot().loglog(table["n_samples"], table["error"], "o")
        return figure

    def claims(table: Any) -> list[Claim]:
        mean = float(table["error"].mean())
        return [
            Claim("mean error", "Figure (x)", mean, (mean / 2, mean * 2), published=mean, tolerance=0.1),
            Claim("largest error", "nowhere", float(table["error"].max())),
        ]

    return Experiment(
        name=name,
        title="A demonstration",
        source="Figure (x) of no paper",
        version=version,
        presets={
            "quick": {"n_samples": [10, 20], "beta": 1.0, "replicates": replicates},
            "full": {"n_samples": [10, 20, 40], "beta": 1.0, "replicates": 2 * replicates},
        },
        cells=cells,
        compute=compute,
        plot=plot,
        claims=claims,
        expected_seconds={"quick": 0.1, "full": 0.2},
        data_keys=DATA_KEYS,
        cost=lambda cell: cell["n_samples"],
    )


def computed(log: Path | str) -> Counter[str]:
    """Return how often each cell was computed to its end."""
    return Counter(line for path in Path(log).glob("*.log") for line in path.read_text().splitlines())
