"""Change one place of the code at a time, in a copy, and see that a test fails: `make mutants`.

    python tools/mutants.py [WORD]

mutmut and cosmic-ray mutate everything, thousands of places, and run the tests for each: days for numerical
code whose tests take minutes. These are the mistakes that matter, with the tests that ought to notice. Those
that no test can notice are listed with the reason. A mutant that survives is printed, and the exit code is 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Mutant:
    """A change, and the tests that ought to fail."""

    name: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS = (
    Mutant(
        "bootstrap: interval not widened by sqrt(n / (n - 1))",
        "pairint/engine/statistics.py",
        "-np.sqrt(n / (n - 1)) * special",
        "-special",
        "tests/engine/test_statistics.py",
    ),
    Mutant(
        "regressor: noise_std_ not corrected for the matrix",
        "pairint/estimation/base.py",
        "problem.n_rows - state.inner.dof - problem.n_matrix",
        "problem.n_rows - state.inner.dof",
        "tests/estimation/test_regressor.py -k noise",
    ),
    Mutant(
        "message passing: divergence without the factor 2 on the diagonal",
        "pairint/aim/amp.py",
        "2 * np.gradient(denoised, values)",
        "np.gradient(denoised, values)",
        "tests/aim/test_amp.py -k response",
    ),
    Mutant(
        "regressor: all cells at once, not from coarse to fine",
        "pairint/estimation/search.py",
        "else min(target, 2 * cells)\n            final = cells == target",
        "else target\n            final = cells == target",
        "tests/estimation/test_regressor.py -k cells_are_doubled",
    ),
    Mutant(
        "search: fits of one risk are one fit",
        "pairint/estimation/search.py",
        "return function_distance(problem, way, end) < SAME_FUNCTION",
        "return True",
        "tests/estimation/test_rivals.py -k told_apart",
    ),
    Mutant(
        "search: what noise explains is not asked",
        "pairint/estimation/search.py",
        "if share > self._hardly(problem):",
        "if share >= 0.0:",
        "tests/estimation/test_rivals.py -k said_to_be_noise",
    ),
    Mutant(
        "sweep: short cells first",
        "pairint/engine/sweep.py",
        "key=lambda index: -costs[index]",
        "key=lambda index: costs[index]",
        "tests/engine/test_sweep.py -k cost",
    ),
    Mutant(
        "checks: NaN passes",
        "pairint/validation.py",
        "if finite and not bool(xp.all(xp.abs(array) <= largest))",
        "if finite and bool(xp.any(xp.abs(array) > largest))",
        "tests/test_validation.py",
    ),
    Mutant(
        "checks: a mask is dropped",
        "pairint/validation.py",
        "if masked := _count_masked(value, array.ndim):",
        "if masked := 0:",
        "tests/test_validation.py",
    ),
    Mutant(
        "a fit is silent about few outputs a parameter",
        "pairint/estimation/doubts.py",
        "if ratio < FEWEST_OUTPUTS:",
        "if ratio < 0:",
        "tests/estimation/test_doubts.py -k few",
    ),
    Mutant(
        "a fit is silent about sums that hide functions",
        "pairint/estimation/doubts.py",
        "if not ratio < LEAST_COERCIVITY:",
        "if True:",
        "tests/estimation/test_doubts.py -k hidden",
    ),
    Mutant(
        "a cell is trusted without its checksum",
        "pairint/engine/store.py",
        "if checksum != expected:",
        "if False:",
        "tests/engine/test_results.py",
    ),
)

#: What no test can notice, and why.
EQUIVALENT = {
    "Gauss-Newton: the predicted decrease halved": "the damping is another; fits end where they did",
    "inner problem: no iterative refinement": "on well-conditioned data it changes the last digits only",
    "whitening: threshold 1e-10 -> 0": "predictions are the same; directions without data are not identified",
}


def survives(mutant: Mutant, copy: Path) -> bool:
    """Say whether the tests pass with the change."""
    path = copy / mutant.file
    text = path.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        raise ValueError(f"{mutant.name}: {mutant.old!r} must stand once in {mutant.file}")
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-browser", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, *mutant.tests.split()],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy)},
            capture_output=True,
            text=True,
        )
    finally:
        path.write_text(text, encoding="utf-8")
    if done.returncode not in (0, 1):
        raise RuntimeError(
            f"{mutant.name}: the tests did not run\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return done.returncode == 0


def main(word: str = "") -> int:
    """Try the mutants whose name holds the word; return how many survive."""
    alive = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "pairint"
        for name in ("pairint", "tests", "tools"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        tried = [mutant for mutant in MUTANTS if word in mutant.name]
        for mutant in tried:
            lives = survives(mutant, copy)
            alive += [mutant.name] if lives else []
            print("survives" if lives else "killed  ", mutant.name, flush=True)
    print(f"{len(tried) - len(alive)} of {len(tried)} killed; {len(EQUIVALENT)} equivalent ones are listed")
    return len(alive)


if __name__ == "__main__":
    sys.exit(1 if main(*sys.argv[1:]) else 0)
