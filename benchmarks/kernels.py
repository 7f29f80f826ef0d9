"""The kernels against what of them cannot be avoided, and the GPU against the CPU where there is one.

    python benchmarks/kernels.py [--pairs 3000000] [--repeats 5]

``pair_basis_sum`` on NumPy ends in one ``bincount`` over its M N (N - 1) (s + 1) entries, at random places of
the design. That call alone, with the entries ready made, is the limit: what comes above it is the price of
making the entries. Target: at most 6 times the limit in every row. Beside it the throughput, in entries a
second, and, where CuPy runs, the speed-up of the CUDA kernel over NumPy, data already on the device.

Times are the least of several runs: a shared machine only ever adds to them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from common import least_time

from pairint.backend import usable_gpu
from pairint.kernels import pair_basis_sum
from pairint.kernels.pair_sum import pair_basis_entries

#: (N, K, s): pairs as in the published experiments, many cells, many tokens, a high degree, steps.
CASES = [(3, 20, 3), (3, 200, 3), (32, 20, 3), (3, 20, 8), (3, 20, 0)]


def bincount_alone(scores: Any, n_intervals: int, degree: int) -> Callable[[], Any]:
    """Return the unavoidable part, its arguments ready."""
    column, weight = pair_basis_entries(scores, -1.0, 1.0, n_intervals, degree)
    n_rows, n_basis = column.shape[0], n_intervals + degree
    flat = (column + (np.arange(n_rows) * n_basis)[:, None, None]).ravel()
    weight = weight.ravel()
    return lambda: np.bincount(flat, weights=weight, minlength=n_rows * n_basis)


def on_device(scores: Any, n_intervals: int, degree: int) -> Callable[[], Any]:
    """Return the same sum on the device, waiting for its end."""
    import cupy

    device = cupy.asarray(scores)

    def call() -> None:
        pair_basis_sum(device, -1.0, 1.0, n_intervals, degree)
        cupy.cuda.Device().synchronize()

    return call


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=3_000_000, help="ordered pairs of tokens in each case")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    usable, reason = usable_gpu()
    print(f"pair_basis_sum, {arguments.pairs} ordered pairs; GPU: {reason}")
    print(
        f"{'N':>4} {'K':>5} {'s':>3} {'seconds':>9} {'x bincount':>11} {'entries / s':>12} {'GPU / CPU':>10}"
    )
    rng = np.random.default_rng(0)
    for n_tokens, n_intervals, degree in CASES:
        n_samples = max(1, arguments.pairs // (n_tokens * (n_tokens - 1)))
        scores = rng.uniform(-1.0, 1.0, (n_samples, n_tokens, n_tokens))
        ours = least_time(
            lambda s=scores, k=n_intervals, p=degree: pair_basis_sum(s, -1.0, 1.0, k, p), arguments.repeats
        )
        limit = least_time(bincount_alone(scores, n_intervals, degree), arguments.repeats)
        entries = n_samples * n_tokens * (n_tokens - 1) * (degree + 1)
        speedup = "-"
        if usable:
            speedup = f"{ours / least_time(on_device(scores, n_intervals, degree), arguments.repeats):.1f} x"
        print(
            f"{n_tokens:>4} {n_intervals:>5} {degree:>3} {ours:>9.3f} {ours / limit:>11.2f}"
            f" {entries / ours:>12.2e} {speedup:>10}"
        )


if __name__ == "__main__":
    main()
