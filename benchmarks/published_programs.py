"""The programs that the authors of the attention-indexed models published, against this package.

    python benchmarks/published_programs.py --from PATH [--repeats 3] [-d 60]

PATH is your clone of their repository (see `pairint published`). Its functions are run from there as they
are; the statements that start a program are left out, and nothing of it is copied. Times are processor time
on one thread.

- `state evolution, softmax`: a point, iterated as they do it (step 1/2, until q moves by less than 1e-5) and
  from the noise, as here. `off` is the distance of theirs from ours.
- `state evolution, hardmax`: their program takes 25,000 labels a step and at least 151 steps. A share of one
  step is timed, and the rest computed from it (`computed`). `off` is the relative standard error that 25,000
  labels leave in the information of one step.
- `message passing, softmax`: three tokens, their settings. Theirs stores a matrix for each pair of tokens of
  each sample, and runs on it; ours on tokens. `off` is the error over the Bayes-optimal one, in the mean of
  the repeats, each on its own data, and `mib` the memory that the inputs of the algorithm take.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import math
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from common import least_time
from threadpoolctl import threadpool_limits

from pairint.aim import AIMTeacher, amp, exact_recovery_threshold, state_evolution
from pairint.engine import provenance
from pairint.experiments.aim.published import load_comparison

OUTPUT = Path(__file__).parents[1] / "pairint" / "experiments" / "measured" / "published_programs.json"
RHO = 0.5


def functions(path: Path) -> dict[str, Any]:
    """Return the functions of a program, which is not started."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    space: dict[str, Any] = {}
    for node in tree.body:
        calls = {getattr(part.func, "id", "") for part in ast.walk(node) if isinstance(part, ast.Call)}
        setting = isinstance(node, ast.Assign) and not calls & own
        if not (isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef) or setting):
            continue
        # Packages that only draw, and settings from the program's arguments, are not needed.
        with contextlib.suppress(ImportError, NameError, LookupError, ValueError):
            exec(compile(ast.Module([node], []), str(path), "exec"), space)
    return space


def timed(call: Any) -> tuple[float, Any]:
    """Return the processor time of one call, which may print, and its result."""
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        result = call()
    return time.process_time() - began, result


def our_time(alpha: float, channel: str, repeats: int) -> float:
    """Return the time of a point; a new one for each call, since laws of the same noise are kept."""
    alphas = iter(alpha * (1 + 1e-7 * np.arange(1, repeats + 2)))
    return least_time(lambda: state_evolution(float(next(alphas)), RHO, channel), repeats, time.process_time)


def softmax_points(path: Path, repeats: int) -> list[dict[str, Any]]:
    solve = functions(path / "SE_softmax.py")["solve_state_equations"]
    rows = []
    for fraction in (0.2, 0.5, 0.9):
        alpha = fraction * exact_recovery_threshold(RHO)
        settings = {"q_init": 0.3, "max_iter": 5000, "damping": 0.5}
        theirs, q = timed(lambda alpha=alpha, settings=settings: solve(alpha, RHO, 2, **settings))
        ours = our_time(alpha, "softmax", repeats)
        off = 1 + RHO - q - float(state_evolution(alpha, RHO).mmse)
        rows.append(row("state evolution, softmax", alpha, theirs, ours, off=off))
    return rows


def hardmax_point(path: Path, repeats: int) -> dict[str, Any]:
    program = functions(path / "SE_hardmax.py")
    n, steps, share = 25_000, 151, 1000
    seconds, _ = timed(lambda: program["mc_hatq_hard"](1.0, 1.0, 1 + RHO, nsamples=share))
    np.random.seed(0)  # noqa: NPY002 - their program draws from the global state
    # What one label is worth, to see how it scatters.
    worth = np.array([program["mc_hatq_hard"](0.5, 1.0, 1 + RHO, nsamples=1) for _ in range(share)])
    ours = our_time(1.0, "hardmax", repeats)
    off = float(worth.std(ddof=1) / worth.mean() / math.sqrt(n))
    return row("state evolution, hardmax", 1.0, seconds / share * n * steps, ours, off=off, computed=True)


def passing(path: Path, d: int, repeats: int) -> dict[str, Any]:
    program = functions(path / "AMP_softmax.py")
    alpha, tokens = 0.05, 3
    limit = float(state_evolution(alpha / (1 + 1 / d), RHO, "softmax", tokens).mmse)
    theirs, ours, errors = [], [], []
    n = int(alpha * d**2)
    for repeat in range(repeats):
        np.random.seed(repeat)  # noqa: NPY002 - their program draws from the global state
        data = program["data_generation"](d, RHO, alpha)
        run = {"iterations": 100, "damping": 0.5, "tol": 1e-5}
        seconds, found = timed(lambda data=data, run=run: program["AMP"](*data, RHO, **run))
        theirs.append(seconds)
        teacher = AIMTeacher(d, RHO, tokens, rng=repeat)
        X, y = teacher.sample(n, np.random.default_rng([1, repeat]))
        seconds, result = timed(lambda X=X, y=y: amp(X, y, RHO))
        ours.append(seconds)
        errors.append((float(found[1]), teacher.error(result.S)))
    over = (np.mean(errors, axis=0) / limit).tolist()
    found_row = row("message passing, softmax", alpha, min(theirs), min(ours), off=over[0])
    return found_row | {
        "our_off": over[1],
        "d": d,
        "mib": data[0].nbytes / 2**20,
        "our_mib": X.nbytes / 2**20,
    }


def row(
    kind: str, alpha: float, theirs: float, ours: float, *, off: float, computed: bool = False
) -> dict[str, Any]:
    print(
        f"{kind:>26} alpha {alpha:.4f}: theirs {theirs:.4g} s, ours {ours:.4g} s, off {off:.2g}", flush=True
    )
    return {
        "kind": kind,
        "alpha": alpha,
        "seconds": theirs,
        "our_seconds": ours,
        "off": off,
        "computed": computed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="clone", type=Path, required=True)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("-d", type=int, default=60)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    load = provenance.load()
    warnings.simplefilter("ignore")  # their programs', and of runs that end early
    with threadpool_limits(1):
        rows = [
            *softmax_points(options.clone, options.repeats),
            hardmax_point(options.clone, options.repeats),
            passing(options.clone, options.d, options.repeats),
        ]
    source = load_comparison()["source"]
    content = provenance.measurement(
        "published_programs",
        load,
        options={"repeats": options.repeats, "d": options.d, "rho": RHO, "source": source["commit"]},
        rows=rows,
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
