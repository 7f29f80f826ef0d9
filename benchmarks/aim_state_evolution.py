"""How long a point of the state evolution takes once warm. Target: at most 5 ms.

    python benchmarks/aim_state_evolution.py [--points 40] [--repeats 3]

Points: a grid of alpha from far below to close to the threshold (softmax, linear) or over three decades
(hardmax), for a narrow, a middle and a wide layer. Warm: the table of the hardmax information exists. Hardmax
of three and more tokens has an estimated error too, which costs two more evaluations of the denoiser. Times
are processor time on one thread, the least of the repeats.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from pairint.aim.state_evolution import exact_recovery_threshold, state_evolution
from pairint.engine import provenance

OUTPUT = Path(__file__).parents[1] / "pairint" / "experiments" / "measured" / "aim_state_evolution.json"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    load = provenance.load()
    rows: list[dict[str, Any]] = []
    print(f"{'channel':>8}{'T':>3}{'rho':>7}{'ms a point':>12}")
    with threadpool_limits(1):
        cases = [("softmax", 2), ("softmax", 6), ("linear", 2)] + [("hardmax", t) for t in (2, 3, 4, 5)]
        for channel, n_tokens in cases:
            for rho in (0.05, 0.5, 2.0):
                if channel == "hardmax":
                    alphas = np.geomspace(0.02, 20, options.points)
                else:
                    threshold = exact_recovery_threshold(rho, channel, n_tokens)
                    alphas = threshold * np.linspace(0.05, 0.99, options.points)
                state_evolution(alphas[:1], rho, channel, n_tokens)
                times = []
                for _ in range(options.repeats):
                    began = time.process_time()
                    state_evolution(alphas, rho, channel, n_tokens)
                    times.append(time.process_time() - began)
                point = 1e3 * min(times) / len(alphas)
                rows.append({"channel": channel, "tokens": n_tokens, "rho": rho, "point_ms": round(point, 3)})
                print(f"{channel:>8}{n_tokens:>3}{rho:>7g}{point:>12.2f}", flush=True)
    content = provenance.measurement(
        "aim_state_evolution", load, options={"points": options.points, "repeats": options.repeats}, rows=rows
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
