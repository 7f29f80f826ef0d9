"""Softmax attention of one head against its polynomial form in linear time, over the length of the window.

    python benchmarks/polynomial_attention.py [--longest 8192] [--repeats 5] [--output FILE]

One head of size 32 in single precision on one thread, random queries, keys and values: softmax with all pairs
(in blocks of rows that fit the cache), and the linear form for some ranks and degrees. The shortest of some
runs counts, in processor time. The page on polynomial attention shows the file. The machine should be idle.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
from common import least_time
from threadpoolctl import threadpool_limits

from pairint.engine import provenance
from pairint.engine.store import write_atomic
from pairint.model import feature_count, linear_attention

RESULTS = Path(__file__).resolve().parents[1] / "pairint" / "experiments" / "measured"
#: Rank and degree of the forms that are timed.
FORMS = ((4, 2), (4, 4), (8, 3), (8, 4), (32, 2))
SIZE = 32
#: Rows of softmax in a block.
BLOCK = 64


def softmax_attention(queries: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the outputs of a head, a block of rows at a time."""
    outputs = np.empty_like(values)
    for start in range(0, len(queries), BLOCK):
        scores = queries[start : start + BLOCK] @ keys.T
        scores -= scores.max(axis=1, keepdims=True)
        np.exp(scores, out=scores)
        outputs[start : start + BLOCK] = scores @ values / scores.sum(axis=1, keepdims=True)
    return outputs


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--output", type=Path, default=RESULTS / "polynomial_attention.json", help="JSON file"
    )
    parser.add_argument("--longest", type=int, default=8192, help="tokens of the longest window")
    parser.add_argument("--repeats", type=int, default=5, help="runs, of which the shortest counts")
    options = parser.parse_args()
    load = provenance.load()
    rng = np.random.default_rng(0)
    figures = {}
    lengths = [2**k for k in range(6, 32) if 2**k <= options.longest]
    with threadpool_limits(limits=1):
        for n in lengths:
            queries, keys, values = rng.standard_normal((3, n, SIZE), dtype=np.float32)
            row = {
                "softmax": least_time(
                    lambda q=queries, k=keys, v=values: softmax_attention(q, k, v),
                    options.repeats,
                    time.process_time,
                )
            }
            for rank, degree in FORMS:
                few_q, few_k = queries[:, :rank] / rank, keys[:, :rank] / rank
                coefficients = np.ones(degree + 1)
                row[f"rank {rank}, degree {degree}"] = least_time(
                    lambda q=few_q, k=few_k, v=values, c=coefficients: linear_attention(
                        q, k, v, coefficients=c
                    ),
                    options.repeats,
                    time.process_time,
                )
            figures[str(n)] = row
            print(n, {name: f"{1e3 * seconds:.2f} ms" for name, seconds in row.items()}, flush=True)
    features = {f"rank {rank}, degree {degree}": feature_count(rank, degree) for rank, degree in FORMS}
    choices = {"longest": options.longest, "repeats": options.repeats, "size": SIZE}
    record = provenance.measurement(
        "polynomial_attention", load, options=choices, seconds=figures, features=features
    )
    write_atomic(options.output, json.dumps(record, indent=1) + "\n")
    print(f"written to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
