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
import time
import tracemalloc

import numpy as np
from common import least_time
from threadpoolctl import threadpool_limits

from pairint.aim.gradient_descent import loss_and_gradient
from pairint.aim.teacher import AIMTeacher


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--tokens", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("-d", type=int, default=100)
    options = parser.parse_args()
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
                    print(
                        f"{t:>3}{runs:>6}{dtype.__name__:>9}{alone:>13.2f}{whole:>15.2f}{whole / alone:>7.2f}"
                        f"{peak:>10.2f}",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
