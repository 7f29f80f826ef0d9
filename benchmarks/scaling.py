"""How the time of a step, and of a fit, grows with M, N, d, r and K.

    python benchmarks/scaling.py [--repeats 3] [--seeds 1] [--short] [--output FILE]

From the point M = 10,000, N = 3, d = 30, r = 2, K = 15 one number is changed at a time; with N, the number of
outputs M N is held. A *step* is what L-BFGS asks of all data: the equations of the spline and the gradient by
the factors. Its processor time, the least of the repeats, is compared with a count of its products and sums:
for each output 12 d r for the factors, (N - 1)(8 r + 32) for pairs (cubic splines), and for the product of
the rows (K + 4)^2, or (4 (N - 1))^2 where they hold so few entries that these are multiplied one by one.
A *fit* is whole, with K given. Exponents are slopes of the logarithms by least squares over the upper half of
each range; that of the count is the theoretical one. One thread.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from common import least_time
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from pairint.engine import provenance
from pairint.estimation import FitWarning, InteractionRegressor, LeastSquaresProblem
from pairint.estimation.base import whiten
from pairint.estimation.cost import operations
from pairint.estimation.gauss_newton import balanced_factors
from pairint.estimation.quasi_newton import projected_gradient, solved
from pairint.model import AttentionModel, GaussianNoise, Tanh, UniformCube

OUTPUT = Path(__file__).parents[1] / "pairint" / "experiments" / "measured" / "scaling.json"
POINT = {"M": 10_000, "N": 3, "d": 30, "r": 2, "K": 15}
RANGES = {
    "M": [1_000, 3_000, 10_000, 30_000, 100_000],
    "N": [3, 8, 16, 32, 64, 128],
    "d": [8, 16, 32, 64, 128, 256],
    "r": [1, 2, 4, 8, 16],
    "K": [8, 15, 30, 60, 120],
}


def case(name: str, value: int) -> dict[str, int]:
    """Return the point with one number changed."""
    found = POINT | {name: value}
    if name == "N":  # as many outputs as at the point
        found["M"] = POINT["M"] * POINT["N"] // value
    return found


def count(point: dict[str, int]) -> float:
    """Return the products and sums of a step, to leading order."""
    return float(operations(point)[:-2].sum())  # numbers that are read, and outputs, are no operations


def times(point: dict[str, int], repeats: int, seeds: int) -> tuple[float, float]:
    """Return the processor seconds of a step and of a fit."""
    fits = []
    step = math.nan
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        left, right = (rng.standard_normal((point["d"], point["r"])) for _ in range(2))
        matrix = left @ right.T
        truth = AttentionModel(
            Tanh(),
            2.0 * matrix / np.linalg.norm(matrix),
            UniformCube(point["d"]),
            GaussianNoise(0.1),
        )
        X, Y = truth.sample(point["M"], point["N"], rng)
        if seed == 0:
            white, _ = whiten(X, long=True)
            problem = LeastSquaresProblem(white, Y, 3, 0.1)
            factors = balanced_factors(left, right)
            space = problem.space(*factors, point["K"])

            def one_step(problem=problem, factors=factors, space=space):  # type: ignore[no-untyped-def]
                return projected_gradient(problem, solved(problem, *factors, space))

            step = least_time(one_step, repeats, time.process_time)
        began = time.process_time()
        InteractionRegressor(
            point["r"], n_intervals=point["K"], solver="lbfgs", start="linear", random_state=0
        ).fit(X, Y)
        fits.append(time.process_time() - began)
    return step, float(np.median(fits))


def slope(x: list[int], y: list[float]) -> float:
    """Return the exponent over the upper half of a range."""
    half = len(x) // 2
    return float(np.polyfit(np.log(x[half:]), np.log(y[half:]), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="without the last value of each range")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    load = provenance.load()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.simplefilter("ignore", FitWarning)
    rows: list[dict[str, Any]] = []
    exponents: dict[str, dict[str, float]] = {}
    print(f"{'':<3}{'value':>8}{'step/ms':>10}{'fit/s':>8}{'count/1e9':>11}")
    with threadpool_limits(1):
        times(POINT | {"M": 1000}, 1, 1)  # compiles
        for name, range_ in RANGES.items():
            values = range_[:-1] if options.short else range_
            measured = []
            for value in values:
                point = case(name, value)
                step, fit = times(point, options.repeats, options.seeds)
                measured.append((step, fit, count(point)))
                row = {"changed": name, "value": value, "step_ms": round(1e3 * step, 3)}
                rows.append(row | {"fit_seconds": round(fit, 5), "count": measured[-1][2]})
                print(
                    f"{name:<3}{value:>8}{1e3 * step:>10.2f}{fit:>8.2f}{measured[-1][2] / 1e9:>11.3f}",
                    flush=True,
                )
            exponents[name] = {
                kind: round(slope(values, [each[i] for each in measured]), 3)
                for i, kind in enumerate(("step", "fit", "count"))
            }
            print(f"   exponents: {exponents[name]}", flush=True)
    content = provenance.measurement(
        "scaling",
        load,
        options={"repeats": options.repeats, "seeds": options.seeds, "short": options.short},
        point=POINT,
        rows=rows,
        exponents=exponents,
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
