"""An AMP iteration against its own matrix products alone, and its memory against the tokens.

    python benchmarks/aim_amp.py [--repeats 5] [--alpha 1.0] [-d 100]

Reference point: d = 100, rho = 0.5, T = 2, alpha = 1. An iteration must multiply the tokens (n T, d) by the
estimate (d, d), and the transposed tokens by a matrix of their own shape; these two products, each made for
all samples at once, are the yardstick. Targets: an iteration takes at most 3 times as long, and the memory
beyond the inputs, at its peak, is at most 4 times the size of X. Times are processor time on one thread, the
least of the repeats: half the difference between runs of three and of one iteration, so that the checks
before the first are left out. Softmax at alpha = 1 recovers the matrix; the time of an iteration does not
depend on that.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from common import least_time
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from pairint.aim.amp import amp
from pairint.aim.teacher import AIMTeacher
from pairint.engine import provenance

OUTPUT = Path(__file__).parents[1] / "pairint" / "experiments" / "measured" / "aim_amp.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--alpha", type=float, default=1.0)
    parser.add_argument("-d", type=int, default=100)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    load = provenance.load()
    rows: list[dict[str, Any]] = []
    d, n = options.d, round(options.alpha * options.d**2)
    print(f"d = {d}, rho = 0.5, T = 2, alpha = {options.alpha:g}")
    print(f"{'channel':>8}{'dtype':>9}{'products/ms':>13}{'iteration/ms':>14}{'ratio':>7}{'memory/X':>10}")
    warnings.simplefilter("ignore", ConvergenceWarning)  # a few iterations are not meant to converge
    with threadpool_limits(1):
        for channel in ("softmax", "linear", "hardmax"):
            teacher = AIMTeacher(d, 0.5, 2, channel, rng=0)
            tokens, labels = teacher.sample(n, 1)
            for dtype in (np.float64, np.float32):
                X, y = tokens.astype(dtype), labels.astype(dtype)
                flat, S = X.reshape(-1, d), teacher.S.astype(dtype)
                mapped = flat @ S

                def products(flat=flat, S=S, mapped=mapped):
                    return flat @ S, flat.T @ mapped

                def run(n_iter, X=X, y=y, channel=channel):
                    return amp(X, y, 0.5, channel, max_iter=n_iter, tol=1e-30)

                alone = 1e3 * least_time(products, options.repeats, time.process_time)
                three = 1e3 * least_time(lambda run=run: run(3), options.repeats, time.process_time)
                one = 1e3 * least_time(lambda run=run: run(1), options.repeats, time.process_time)
                iteration = (three - one) / 2
                tracemalloc.start()
                run(2)
                peak = tracemalloc.get_traced_memory()[1] / X.nbytes
                tracemalloc.stop()
                times = f"{alone:>13.2f}{iteration:>14.2f}{iteration / alone:>7.2f}"
                rows.append(
                    {
                        "channel": channel,
                        "dtype": dtype.__name__,
                        "products_ms": round(alone, 3),
                        "iteration_ms": round(iteration, 3),
                        "ratio": round(iteration / alone, 3),
                        "memory_over_X": round(peak, 3),
                    }
                )
                print(f"{channel:>8}{dtype.__name__:>9}{times}{peak:>10.2f}", flush=True)
    content = provenance.measurement(
        "aim_amp", load, options={"d": d, "alpha": options.alpha, "repeats": options.repeats}, rows=rows
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
