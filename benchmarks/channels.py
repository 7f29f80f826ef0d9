"""A channel fit at the sizes of trained heads: time of the products with the Jacobian, and of a whole fit.

    python benchmarks/channels.py [--windows 64] [--repeats 3] [--fits] [--output FILE]

Softmax heads with known values on Gaussian tokens, N = 64, single precision: d = 385 with r = 32, as the
small encoder of the book has it, and d = 769 with r = 64. A step of a fit is some tens of pairs of products.
Times are processor time on one thread. The ratio beside them is to the matrix products alone, at the speed
that this machine has on one large product: what is above one is softmax, slopes, sums and memory. With
``--fits`` also a whole cold fit at each size, with ten per cent of noise.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import least_time
from threadpoolctl import threadpool_limits

from pairint.engine import provenance
from pairint.estimation import InteractionRegressor
from pairint.estimation.channels import Normalised, PairData
from pairint.estimation.channels.activation import KnownFamily
from pairint.estimation.channels.system import ChannelProblem, HeadState, Linearised, pack
from pairint.model import Exponential

OUTPUT = Path(__file__).parents[1] / "pairint" / "experiments" / "measured" / "channels.json"
SIZES = ((385, 32), (769, 64))
N_TOKENS = 64


def data(d: int, rank: int, windows: int) -> tuple[Any, ...]:
    """Return tokens, factors, values and outputs with ten per cent of noise, in single precision."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((windows, N_TOKENS, d)).astype(np.float32)
    U, V = (rng.standard_normal((2, d, rank)) / np.sqrt(d) / rank**0.25).astype(np.float32)
    values = rng.standard_normal((windows, N_TOKENS, rank)).astype(np.float32)
    scores = (X @ U) @ (X @ V).swapaxes(1, 2)
    weights = np.exp(scores - scores.max(axis=2, keepdims=True))
    outputs = weights / weights.sum(axis=2, keepdims=True) @ values
    noise = 0.1 * outputs.std() * rng.standard_normal(outputs.shape)
    return X, U, V, values, (outputs + noise).astype(np.float32)


def operations(d: int, rank: int, windows: int) -> float:
    """Return the floating-point operations of the matrix products in one pair of products."""
    tokens = windows * N_TOKENS
    factors = 2 * tokens * d * rank * 4  # tokens times two changes; their transposes
    pairs = 2 * tokens * N_TOKENS * rank * 7  # scores twice, values three times, queries and keys
    return float(factors + pairs)


def pair(model: Linearised, vector: Any) -> Any:
    """Return the vector times the Jacobian and its transpose."""
    return model.vjp(model.jvp(vector))


def speed(repeats: int) -> float:
    """Return the operations a second of one large product in single precision."""
    a = np.ones((2048, 2048), np.float32)
    return 2 * 2048**3 / least_time(lambda: a @ a, repeats, time.process_time)


def main() -> None:
    """Measure, print, and write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--fits", action="store_true")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    load = provenance.load()
    rows = []
    with threadpool_limits(1):
        limit = speed(options.repeats)
        for d, rank in SIZES:
            X, U, V, values, Y = data(d, rank, options.windows)
            mask = np.ones((1, N_TOKENS, N_TOKENS), np.float32)
            head = HeadState(U, V, KnownFamily(Exponential()), np.zeros(0, np.float32))
            model = Linearised(ChannelProblem(X, Y, PairData(mask, values), Normalised()), [head])
            seconds = least_time(partial(pair, model, pack([head])), options.repeats, time.process_time)
            row = {"d": d, "rank": rank, "parameters": 2 * d * rank, "pair_seconds": seconds}
            row["over_products"] = seconds * limit / operations(d, rank, options.windows)
            if options.fits:
                start = time.process_time()
                tol = 0.01 * 2 * d * rank
                fit = InteractionRegressor(
                    rank, channel="normalised", activation="exp", start="linear", tol=tol, random_state=0
                ).fit(X, Y, values=values)
                row["fit_seconds"] = time.process_time() - start
                row["steps"] = fit.n_iter_
                row["pairs_of_products"] = int(sum(step["cg_iterations"] for step in fit.history_))
                A = U @ V.T
                row["matrix_error"] = float(np.sum((fit.matrix_ - A) ** 2) / np.sum(A**2))
            rows.append(row)
            print(", ".join(f"{key} {value:.4g}" for key, value in row.items()), flush=True)
    rows = [{k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in row.items()} for row in rows]
    content = provenance.measurement(
        "channels",
        load,
        options={"windows": options.windows, "tokens": N_TOKENS, "repeats": options.repeats},
        product_operations_a_second=limit,
        rows=rows,
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
