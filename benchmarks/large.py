"""Large fits, each in a process of its own: a million samples, many tokens, the size of a real head.

    python benchmarks/large.py [--only NAME ...] [--output FILE]

Cold fits, K chosen by the fit, noise 0.1, smooth truth (tanh), on all cores that the process may use:

- *million*: M = 1,000,000, N = 3, d = 30, r = 2. Aims: under 20 seconds, memory under 1.5 times the data.
- *N = 3*, *N = 64*, *N = 256*: 300,000 outputs each, d = 30, r = 2. Aim: within three times that of N = 3. A
  step then has (N - 1) / 2 times as many pairs; *count* is by how much its operations grow.
- *head*: d = 768, r = 64, M = 100,000, N = 3, whatever it takes.

Reported are processor and wall-clock seconds, the memory that the process holds beyond the data at its peak
(anonymous pages), the error and the *floor*, the error of the fit that starts at the true matrix and
chooses its cells. With ``--only`` other rows of the record are kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from common import fit_from
from out_of_core import Peak
from scaling import count

from pairint.engine import provenance
from pairint.estimation import FitWarning, InteractionRegressor
from pairint.model import AttentionModel, GaussianNoise, Tanh, UniformCube
from pairint.model.attention import pair_interaction

OUTPUT = Path(__file__).parents[1] / "pairint" / "experiments" / "measured" / "large.json"
CASES = {
    "million": {"M": 1_000_000, "N": 3, "d": 30, "r": 2},
    "N = 3": {"M": 100_000, "N": 3, "d": 30, "r": 2},
    "N = 64": {"M": 4_687, "N": 64, "d": 30, "r": 2},
    "N = 256": {"M": 1_171, "N": 256, "d": 30, "r": 2},
    "head": {"M": 100_000, "N": 3, "d": 768, "r": 64},
}


def fitted(case: dict[str, int]) -> dict[str, Any]:
    """Draw, fit and measure in this process."""
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((case["d"], case["r"])) for _ in range(2))
    matrix = left @ right.T
    matrix *= 2.0 / np.linalg.norm(matrix)
    truth = AttentionModel(Tanh(), matrix, UniformCube(case["d"]), GaussianNoise(0.1))
    InteractionRegressor(2, random_state=0).fit(  # compiles
        *AttentionModel(Tanh(), np.eye(4, 2) @ np.eye(2, 4), UniformCube(4), GaussianNoise(0.1)).sample(
            20_000 // case["N"] * 3, min(case["N"], 20), np.random.default_rng(1)
        )
    )
    X, Y = truth.sample(case["M"], case["N"], rng)
    x, y = truth.tokens.sample(20_000, 2, np.random.default_rng(1)).swapaxes(0, 1)
    wanted = pair_interaction(truth.activation, x, y, matrix)

    def error(activation: Any, found: Any) -> float:
        return float(f"{np.mean((pair_interaction(activation, x, y, found) - wanted) ** 2):.4g}")

    peak, began, wall = Peak(), time.process_time(), time.perf_counter()
    fit = InteractionRegressor(case["r"], random_state=0).fit(X, Y)
    seconds, wall = time.process_time() - began, time.perf_counter() - wall
    rose = peak.end()
    _, known, spline = fit_from(matrix, X, Y, case["r"], fit.degree, None, "lbfgs")
    return {
        "point": case | {"K": fit.n_intervals_},
        "cpu_seconds": round(seconds, 2),
        "wall_seconds": round(wall, 2),
        "data_bytes": X.nbytes + Y.nbytes,
        "held_over_data": round(rose / (X.nbytes + Y.nbytes), 3),
        "steps": fit.n_iter_,
        "converged": bool(fit.converged_),
        "error": error(fit.activation_, fit.matrix_),
        "floor": error(spline, known),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--here", action="store_true", help="one case, in this process, to standard output")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    warnings.simplefilter("ignore", FitWarning)
    if options.here:
        print(json.dumps(fitted(CASES[options.only[0]])))
        return
    load = provenance.load()
    rows = json.loads(options.output.read_text(encoding="utf-8"))["rows"] if options.output.exists() else {}
    print(f"{'':<9}{'CPU s':>8}{'wall s':>8}{'held/data':>11}{'K':>5}{'steps':>7}{'error':>11}{'floor':>11}")
    for name in options.only:
        command = [sys.executable, __file__, "--here", "--only", name]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        row = json.loads(done.stdout)
        rows[name] = row | {"load": provenance.load(), "count": count(row["point"])}
        print(
            f"{name:<9}{row['cpu_seconds']:>8.2f}{row['wall_seconds']:>8.2f}{row['held_over_data']:>11.2f}"
            f"{row['point']['K']:>5}{row['steps']:>7}{row['error']:>11.3g}{row['floor']:>11.3g}",
            flush=True,
        )
        content = provenance.measurement(
            "large", load, options={}, rows={case: rows[case] for case in CASES if case in rows}
        )
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
