"""Gradient descent on attention-indexed models: an evaluation against its own matrix products alone.

    python benchmarks/aim_gradient_descent.py [--runs 1 8] [--repeats 9]

Reference point: d = 100, rho = 0.5, T = 2, alpha = 1. Any implementation must multiply the tokens (n T, d)
by the weights (d, r), and the transposed tokens by a matrix (n T, r); these two products, made for all
samples at once, are the yardstick. Target: an evaluation of loss and gradient takes at most 3 times as long.
Times are processor time on one thread, the least of the repeats. Printed too: memory beyond the inputs, at
its peak, over the size of X.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
from common import least_time
from threadpoolctl import threadpool_limits

from pairint.aim.gradient_descent import loss_and_gradient
from pairint.aim.teacher import AIMTeacher
from pairint.engine import provenance

OUTPUT = Path(__file__).parents[1] / "pairint" / "experiments" / "measured" / "aim_gradient_descent.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--tokens", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("-d", type=int, default=100)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    load = provenance.load()
    rows: list[dict[str, Any]] = []
    d, n = options.d, round(options.alpha * options.d**2)
    print(f"d = {d}, rho = 0.5, alpha = {options.alpha:g}, softmax")
    print(
        f"{'T':>3}{'runs':>6}{'dtype':>9}{'products/ms':>13}{'evaluation/ms':>15}{'ratio':>7}{'memory/X':>10}"
    )
    with threadpool_limits(1):
        for t in options.tokens:
            teacher = AIMTeacher(d, 0.5, t, rng=0)
            tokens, labels = teacher.sample(n, 1)
            for dtype in (np.float64, np.float32):
                X, y = tokens.astype(dtype), labels.astype(dtype)
                for runs in options.runs:
                    shape = (runs, d, teacher.width)
                    W = np.random.default_rng(2).standard_normal(shape).astype(dtype)
                    flat = X.reshape(-1, d)
                    mapped = flat @ W

                    def products(flat=flat, W=W, mapped=mapped):
                        return flat @ W, flat.T @ mapped

                    def evaluation(W=W, X=X, y=y):
                        return loss_and_gradient(W, X, y)

                    alone, whole = (
                        1e3 * least_time(f, options.repeats, time.process_time)
                        for f in (products, evaluation)
                    )
                    tracemalloc.start()
                    evaluation()
                    peak = tracemalloc.get_traced_memory()[1] / X.nbytes
                    tracemalloc.stop()
                    rows.append(
                        {
                            "tokens": t,
                            "runs": runs,
                            "dtype": dtype.__name__,
                            "products_ms": round(alone, 3),
                            "evaluation_ms": round(whole, 3),
                            "ratio": round(whole / alone, 3),
                            "memory_over_X": round(peak, 3),
                        }
                    )
                    print(
                        f"{t:>3}{runs:>6}{dtype.__name__:>9}{alone:>13.2f}{whole:>15.2f}{whole / alone:>7.2f}"
                        f"{peak:>10.2f}",
                        flush=True,
                    )
    content = provenance.measurement(
        "aim_gradient_descent",
        load,
        options={"d": d, "alpha": options.alpha, "repeats": options.repeats},
        rows=rows,
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
