"""The sums over token pairs against what the machine allows and against SciPy, on one thread.

    python benchmarks/kernels.py [--pairs 3000000] [--repeats 5] [--output FILE]

Every row is one kernel at one shape, by NumPy, by the compiled loop where Numba is installed, and by SciPy
where it offers the same: ``BSpline.design_matrix`` with its rows added up over partners by a sparse product,
and the values and the derivative of a ``BSpline``. The *limit* is the larger of two times that this machine
cannot avoid: the bytes of input and output at the speed of a copy (measured here: ``a[...] = b`` for arrays
larger than the caches), and the products and sums of the formula at the speed of a small matrix product
(measured here: 256 x 256). A step's limit is its symmetric product ``[J F Y]'[J F Y]`` alone, in blocks as it
is done. Targets: compiled, at least 30 % of the limit, and 10 times SciPy's design matrix at N = 64; a step
at most 2 times its product at N = 3.

Times are of the processor, the least of several runs: other work on the machine takes its share of caches
and memory, and ratios of one run are what counts. Beside them: the time to import Numba, to compile a loop,
and to read it from the disk. Where CuPy runs, the CUDA kernel is timed too, data on the device.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import least_time
from scipy import sparse
from scipy.interpolate import BSpline
from threadpoolctl import threadpool_limits

from pairint.backend import usable_compiler, usable_gpu
from pairint.engine import provenance
from pairint.kernels import (
    evaluate_pieces,
    factor_pulls,
    pair_basis_sum,
    pair_mean,
    pair_moments,
    piecewise_coefficients,
    spline_products,
    system_products,
)

OUTPUT = Path(__file__).resolve().parents[1] / "pairint" / "experiments" / "measured" / "kernels.json"
#: (N, K, s) of the basis: pairs, the published experiments, many cells, more and more tokens, a high degree.
BASES = [(2, 20, 3), (3, 20, 3), (3, 200, 3), (8, 20, 3), (64, 20, 3), (256, 20, 3), (3, 20, 8)]
#: (N, d) of the moments, for a cubic on 20 cells.
MOMENTS = [(3, 30), (64, 30), (3, 256)]
#: (N, K) of what L-BFGS asks for, for a cubic and rank 2: the products of the spline's rows, and the pulls.
SUMS = [(3, 20), (3, 200), (64, 20), (256, 20)]
#: (M, N, d, r) of a step, for a cubic on 20 cells.
STEPS = [(10_000, 3, 30, 2), (300, 64, 30, 2), (3_000, 3, 256, 2)]
START = """
import time
start = time.process_time()
import numba
middle = time.process_time()
import numpy as np
from pairint.kernels import pair_basis_sum
pair_basis_sum(np.linspace(-1, 1, 90_000).reshape(10_000, 3, 3), -1.0, 1.0, 20, 3)
print(middle - start, time.process_time() - middle)
"""


def machine_limits(repeats: int) -> tuple[float, float]:
    """Return bytes a second of a copy, read and written, and operations a second of a small product."""
    source, target = np.ones(8_000_000), np.zeros(8_000_000)

    def copy() -> None:
        target[...] = source

    a = np.random.default_rng(0).standard_normal((256, 256))
    copied = 2 * source.nbytes / least_time(copy, repeats, time.process_time)

    def products() -> None:
        for _ in range(20):
            a @ a

    return copied, 20 * 2 * 256**3 / least_time(products, repeats, time.process_time)


def scipy_sum(scores: Any, n_intervals: int, degree: int) -> Callable[[], Any]:
    """Return SciPy's way to the aggregated basis: a sparse design, and a sparse product that adds up rows."""
    n_samples, n_tokens = scores.shape[:2]
    partners = scores[:, ~np.eye(n_tokens, dtype=bool)].ravel()
    knots = -1.0 + 2.0 / n_intervals * np.arange(-degree, n_intervals + degree + 1)
    n_rows, per_row = n_samples * n_tokens, n_tokens - 1
    entries = np.full(n_rows * per_row, 1.0 / per_row)
    pointers = np.arange(n_rows + 1) * per_row
    mean = sparse.csr_matrix((entries, np.arange(n_rows * per_row), pointers))
    return lambda: (mean @ BSpline.design_matrix(partners, knots, degree)).toarray()


def spline(degree: int = 3, n_intervals: int = 20) -> tuple[Any, Any, BSpline]:
    """Return the coefficients of a spline, its pieces, and SciPy's object of the same function."""
    coefficients = np.random.default_rng(1).standard_normal(n_intervals + degree)
    knots = -1.0 + 2.0 / n_intervals * np.arange(-degree, n_intervals + degree + 1)
    return coefficients, piecewise_coefficients(coefficients, degree), BSpline(knots, coefficients, degree)


def product_alone(M: int, N: int, columns: int) -> Callable[[], Any]:
    """Return the symmetric product of a step, block by block as the step does it, its rows ready."""
    rows = np.random.default_rng(2).standard_normal((max(131_072 // columns, 256), columns))
    whole, rest = divmod(M * N, len(rows))

    def call() -> None:
        for _ in range(whole):
            rows.T @ rows
        rows[:rest].T @ rows[:rest]

    return call


def cases(pairs: int) -> Any:
    """Yield name, call, SciPy's call or None, bytes, operations, and a product that is the limit or None."""
    rng = np.random.default_rng(0)
    for N, K, s in BASES:
        scores = rng.uniform(-1.0, 1.0, (max(1, pairs // (N * (N - 1))), N, N))
        here = scores.size - scores.shape[0] * N
        moved = scores.nbytes + 8 * scores.shape[0] * N * (K + s)
        operations = here * ((s + 1) * (2 * s + 1) + 4)  # Horner for s + 1 pieces, their sums, and the place
        call = lambda a=scores, K=K, s=s: pair_basis_sum(a, -1.0, 1.0, K, s)  # noqa: E731
        yield f"basis, N={N} K={K} s={s}", call, scipy_sum(scores, K, s), moved, operations, None
    coefficients, pieces, peer = spline()
    u = rng.uniform(-1.0, 1.0, pairs)
    for order, other in ((0, peer), (1, peer.derivative())):
        call = lambda order=order: evaluate_pieces(u, pieces, -1.0, 1.0, order)  # noqa: E731
        name = "derivative of a spline" if order else "values of a spline"
        yield name, call, lambda other=other: other(u), 2 * u.nbytes, pairs * (10 - order), None
    for N, d in MOMENTS:
        M = max(1, pairs // (N * (N - 1)))
        M = max(1, min(M, 12_000_000 // (N * d)))
        scores, X = rng.uniform(-1.0, 1.0, (M, N, N)), rng.standard_normal((M, N, d))
        call = lambda a=scores, X=X: pair_moments(a, X, pieces, -1.0, 1.0)  # noqa: E731
        work = scores.size * (9 + 2 * d)
        yield f"moments, N={N} d={d}", call, None, scores.nbytes + 2 * X.nbytes, work, None
        call = lambda a=scores: pair_mean(a, pieces, -1.0, 1.0)  # noqa: E731
        if d == 30:
            yield f"mean, N={N}", call, None, scores.nbytes + 8 * M * N, scores.size * 11, None
    for N, K in SUMS:
        M = max(1, pairs // (N * (N - 1)))
        projected, Y = rng.uniform(-0.7, 0.7, (M, N, 4)), rng.standard_normal((M, N))
        moved, here = projected.nbytes + Y.nbytes, M * N * (N - 1)
        call = lambda a=(projected, Y), K=K: spline_products(*a, -1.0, 1.0, K, 3)  # noqa: E731
        # A score, its place, four pieces by Horner and their sums; a row has K + 4 columns or few entries.
        entries, columns = 4 * (N - 1), K + 4
        product = entries**2 if 2 * entries <= columns else columns**2
        yield f"products, N={N} K={K}", call, None, moved, here * (4 + 4 + 28) + M * N * product, None
        if K < 100:
            call = lambda a=(projected, Y): factor_pulls(*a, pieces, -1.0, 1.0)  # noqa: E731
            # A score, its place, value and slope, and two pulls of two numbers each.
            yield f"pulls, N={N}", call, None, moved + projected.nbytes, here * (4 + 4 + 12 + 9), None
    for M, N, d, r in STEPS:
        X, Y = rng.uniform(-1.0, 1.0, (M, N, d)), rng.standard_normal((M, N))
        left, right = rng.standard_normal((2, d, r)) / d
        call = lambda a=(X, Y, left, right): system_products(*a, coefficients, -1.0, 1.0, 3)  # noqa: E731
        columns = 2 * d * r + len(coefficients) + 1
        yield f"step, M={M} N={N} d={d} r={r}", call, None, X.nbytes, 0, product_alone(M, N, columns)


def start_up() -> dict[str, float]:
    """Return the seconds to import Numba, and those of a first sum, compiled and read from the disk."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder}
        outs = []
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-c", START], env=environment, capture_output=True, text=True
            )
            done.check_returncode()
            outs.append([float(word) for word in done.stdout.split()])
    return {
        "import numba": outs[1][0],
        "first sum, compiled": outs[0][1],
        "first sum, from the disk": outs[1][1],
    }


def on_device(call: Callable[..., Any], arrays: tuple[Any, ...]) -> Callable[[], None]:
    """Return a call on device arrays that waits for its end."""
    import cupy

    device = tuple(cupy.asarray(array) for array in arrays)

    def waited() -> None:
        call(*device)
        cupy.cuda.Device().synchronize()

    return waited


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=3_000_000, help="ordered pairs of tokens in each case")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    load = provenance.load()
    compiled, reason = usable_compiler()
    gpu, device = usable_gpu()
    print(f"{options.pairs} ordered pairs; compiler: {reason}; GPU: {device}")
    rows: list[dict[str, Any]] = []
    with threadpool_limits(1):
        bandwidth, arithmetic = machine_limits(options.repeats)
        print(f"a copy moves {bandwidth / 1e9:.1f} GB/s, a small product does {arithmetic / 1e9:.1f} Gflop/s")
        print(f"{'milliseconds':>28}{'limit':>9}{'NumPy':>9}{'Numba':>9}{'SciPy':>9}{'NumPy/Numba':>13}"
              f"{'SciPy/Numba':>13}{'limit/Numba':>13}")  # fmt: skip
        for name, call, peer, moved, operations, product in cases(options.pairs):
            clock = time.process_time
            if product is None:
                limit = max(moved / bandwidth, operations / arithmetic)
            else:
                limit = least_time(product, options.repeats, clock)
            row = {"kernel": name, "limit": limit}
            os.environ["PAIRINT_COMPILED"] = "0"
            row["NumPy"] = least_time(call, options.repeats, clock)
            del os.environ["PAIRINT_COMPILED"]
            if compiled:
                row["Numba"] = least_time(call, options.repeats, clock)
            if peer is not None:
                row["SciPy"] = least_time(peer, options.repeats, clock)
            rows.append(row)
            show(row)
        if gpu:
            for N, K, s in BASES:
                scores = np.random.default_rng(0).uniform(
                    -1, 1, (max(1, options.pairs // (N * (N - 1))), N, N)
                )
                waited = on_device(lambda a, K=K, s=s: pair_basis_sum(a, -1.0, 1.0, K, s), (scores,))
                row = {"kernel": f"basis, N={N} K={K} s={s}", "device": device}
                row["CUDA"] = least_time(waited, options.repeats)
                rows.append(row)
                print(f"{row['kernel']:>28} CUDA {1e3 * row['CUDA']:.3f} ms")
    seconds = start_up() if compiled else {}
    for name, value in seconds.items():
        print(f"{name}: {value:.2f} s")
    content = provenance.measurement(
        "kernels",
        load,
        options={"pairs": options.pairs, "repeats": options.repeats},
        limits={"copy, bytes a second": bandwidth, "product, operations a second": arithmetic},
        compiler=reason,
        gpu=device,
        start_up=seconds,
        rows=[{k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in row.items()} for row in rows],
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def show(row: dict[str, Any]) -> None:
    """Print one kernel's times and ratios."""
    times = "".join(
        f"{1e3 * row[k]:>9.1f}" if k in row else f"{'-':>9}" for k in ("limit", "NumPy", "Numba", "SciPy")
    )
    ours = row.get("Numba")
    ratios = ""
    for key in ("NumPy", "SciPy", "limit"):
        ratios += f"{row[key] / ours:>13.2f}" if ours and key in row else f"{'-':>13}"
    print(f"{row['kernel']:>28}{times}{ratios}", flush=True)


if __name__ == "__main__":
    main()
