"""How often a cold fit ends above the fit that starts at the truth.

    python benchmarks/safeguards.py [--seeds 40 12 2] [--ratios 5 20 100 500] [--output FILE]

Random spline truths of rank 2 at d = 5, 30 and 128 (so many seeds each), N = 3, noise 0.1, and
M = ratio * r * d samples; K = 8 cells, given. Each solver fits cold, and once more from the true matrix. A
*failure* is a cold fit whose residual sum of squares is larger than that of the better of the two from the
truth by more noise variances than there are parameters: another valley, not another stopping place. Lower
than from the truth is no failure. An error of more than twice that from the truth is counted beside it.
Seconds are processor time on one thread.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

from common import fit_from
from scipy.stats import binomtest
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from pairint.engine import provenance
from pairint.engine.seeds import generator_for
from pairint.estimation import InteractionRegressor
from pairint.estimation.base import matrix_parameters
from pairint.estimation.error import interaction_error
from pairint.estimation.search import SOLVERS
from pairint.experiments.minimax.curves import DATA_KEYS, truth_model
from pairint.model import AttentionModel

RANK, N_TOKENS, NOISE, DEGREE, CELLS = 2, 3, 0.1, 3, 8
DIMENSIONS = (5, 30, 128)
OUTPUT = Path(__file__).parents[1] / "pairint" / "experiments" / "measured" / "safeguards.json"


def cell_of(d: int, ratio: int, seed: int) -> dict[str, Any]:
    """Return the cell whose truth and data a seed stands for."""
    return {
        "truth": "spline",
        "smoothness": DEGREE,
        "d": d,
        "rank": RANK,
        "n_tokens": N_TOKENS,
        "noise_std": NOISE,
        "n_samples": ratio * RANK * d,
        "replicate": seed,
    }


def from_the_truth(X: Any, Y: Any, model: AttentionModel, solver: str) -> tuple[float, AttentionModel]:
    """Return the mean squared residual of a fit that starts at the true matrix, and what it found."""
    risk, matrix, activation = fit_from(model.matrix, X, Y, RANK, DEGREE, CELLS, solver)
    return risk, AttentionModel(activation, matrix, model.tokens)


def compare(d: int, ratio: int, seed: int) -> dict[str, Any]:
    """Fit cold and from the truth with both solvers."""
    cell = cell_of(d, ratio, seed)
    model = truth_model(cell)
    X, Y = model.sample(cell["n_samples"], N_TOKENS, generator_for(cell, DATA_KEYS))
    starts = [from_the_truth(X, Y, model, solver) for solver in SOLVERS]
    lowest, best = min(starts, key=lambda pair: pair[0])
    reference = interaction_error(best, model, rng=0).value
    parameters = matrix_parameters(d, RANK) + CELLS + DEGREE
    row: dict[str, Any] = {"d": d, "ratio": ratio, "seed": seed}
    for solver in SOLVERS:
        began = time.process_time()
        fit = InteractionRegressor(RANK, DEGREE, CELLS, solver=solver, random_state=seed).fit(X, Y)
        seconds = time.process_time() - began
        above = (fit.risk_ - lowest) * Y.size / lowest
        row[solver] = {
            "seconds": round(seconds, 4),
            "noise_variances_above": round(above, 3),
            "failed": bool(above > parameters),
            "error_ratio": round(interaction_error(fit, model, rng=0).value / reference, 4),
            "converged": bool(fit.converged_),
        }
    return row


def summary(rows: list[dict[str, Any]], solver: str) -> dict[str, Any]:
    """Count failures of one solver."""
    here = [row[solver] for row in rows]
    failed = sum(fit["failed"] for fit in here)
    interval = binomtest(failed, len(here)).proportion_ci(0.95)
    return {
        "fits": len(here),
        "failed": failed,
        "share_at_most": round(float(interval.high), 4),
        "error_doubled": sum(fit["error_ratio"] > 2.0 for fit in here),
        "not_converged": sum(not fit["converged"] for fit in here),
        "seconds": round(sum(fit["seconds"] for fit in here), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs=3, default=[40, 12, 2], help="for d = 5, 30 and 128")
    parser.add_argument("--ratios", type=int, nargs="+", default=[5, 20, 100, 500], help="M / (r d)")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    load = provenance.load()
    rows: list[dict[str, Any]] = []
    table: list[dict[str, Any]] = []
    print(f"{'d':>4}{'M/(rd)':>8}  " + "".join(f"{name:>34}" for name in SOLVERS))
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for d, seeds in zip(DIMENSIONS, options.seeds, strict=True):
            for ratio in options.ratios:
                here = [compare(d, ratio, seed) for seed in range(seeds)]
                rows += here
                if not here:
                    continue
                counts = {solver: summary(here, solver) for solver in SOLVERS}
                table.append({"d": d, "ratio": ratio, **counts})
                shown = "".join(
                    f"{c['failed']:>6} of {c['fits']:>3},{c['not_converged']:>3} open,{c['seconds']:>8.2f} s"
                    for c in (counts[solver] for solver in SOLVERS)
                )
                print(f"{d:>4}{ratio:>8}  {shown}", flush=True)
    total = {solver: summary(rows, solver) for solver in SOLVERS}
    for solver, counts in total.items():
        print(f"{solver}: {counts}")
    content = provenance.measurement(
        "safeguards",
        load,
        options={"seeds": options.seeds, "ratios": options.ratios},
        total=total,
        table=table,
        rows=rows,
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
