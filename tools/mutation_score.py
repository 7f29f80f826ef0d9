"""How many small mistakes do the tests notice? `make mutation-score`.

    python tools/mutation_score.py [--sample 150] [--seed 1] [--only WORD] [--tests PATH ...] [--map FILE]

All small changes of the core modules are listed: an operator replaced by its neighbour, a number by the next,
a condition turned round, a statement left out. A sample is drawn; each is made in a copy, and the tests that
call the changed function are run, the shortest first, until one fails. The quick tests are run once before,
to learn which test calls which function (``--map`` keeps that for another sample). Survivors are printed;
what no test can notice is listed below, with the reason, and does not count. The exit code is 1 if fewer than
95 % of the others are noticed.

Each mutant is tried by a process that has the libraries loaded already: most take a second.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import importlib
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
GOAL = 0.95
CORE = (
    *(f"engine/{name}" for name in ("cells", "claims", "seeds", "statistics", "store", "sweep", "tables")),
    *(f"estimation/{name}" for name in ("base", "doubts", "error", "gauss_newton", "initial", "inner")),
    *(f"estimation/{name}" for name in ("oracle", "problem", "rivals", "robust", "search", "selection")),
    *(f"aim/{name}" for name in ("amp", "channels", "spectrum", "state_evolution")),
    *(f"model/{name}" for name in ("activations", "attention", "splines", "tokens")),
    *(f"kernels/{name}" for name in ("bspline", "moments", "pair_sum", "projected", "system")),
    "validation",
)
#: Where the tests of these modules are.
TESTS = ("tests/engine", "tests/estimation", "tests/aim", "tests/model", "tests/kernels", "tests/theory")
TESTS += ("tests/test_validation.py", "tests/test_bad_input.py", "tests/test_cli.py", "tests/test_result.py")
#: Seconds of tests that are run for a mutant, by their length without it: shortest first.
SECONDS = 40.0

#: What no test can notice, or need not: the change (as it is printed, without its line), and why.
EQUIVALENT: dict[str, str] = {
    "validation: check_rng: False -> True (number 2)": "there is no maximum that a seed might reach",
    "validation: _count_masked: depth > 1 -> (depth >= 1)": "a masked number in a list is NaN, and refused",
    "engine/tables: parse_table: release < (3, 1) -> (not release < (3, 1))": "one of both for each pandas",
    "aim/spectrum: information_dimension: self.delta > 1 -> (self.delta >= 1)": "the two agree at 1",
    "aim/spectrum: density: x < hi -> (x <= hi)": "the density vanishes at the edge",
    "aim/channels: two_token_average: 1 -> 2 (number 4)": "one more point, where the weight is nothing",
    "aim/spectrum: _tanh_sinh: 1 -> 2": "one more node, where the weight is nothing",
    "aim/state_evolution: _solve_noise: 2 -> 3": "how fast a bracket of the root grows",
    "aim/state_evolution: _solve_noise: 2 -> 3 (number 2)": "how fast a bracket of the root grows",
    "engine/tables: _read_bounded: len(data) > MAX_BYTES -> (len(data) >= MAX_BYTES)": "just that size",
    "validation: check_floats: hasattr(array, \"copy\") -> (not hasattr(array, 'copy'))": "both ways copy",
    "estimation/robust: huber_fit: _MOST_ROUNDS + 1 -> (_MOST_ROUNDS - 1)": "two of at most sixty rounds",
    "aim/spectrum: _find_bulks: raise self._beyond() -> pass": "none of 1,500 random laws gets there",
    "model/tokens: __post_init__: _chi2_cdf(self.cutoff**2 * self.d, self.d) < _SMALLEST_MASS -> "
    "(_chi2_cdf(self.cutoff ** 2 * self.d, self.d) <= _SMALLEST_MASS)": "two reals that are never the same",
    "aim/amp: _credible_error: at_hand**2 -> (at_hand * 2)": "whether a search is spared that finds no more",
}

_COMPARE = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_BINARY = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Div, ast.Mod: ast.Mult, ast.MatMult: ast.Add,
    ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_NAMES = {"min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "all": "any", "any": "all"}


@dataclass(frozen=True)
class Mutant:
    """A change of a module: the text between two offsets is replaced."""

    module: str
    function: str
    line: int
    start: int
    end: int
    old: str
    new: str
    turn: int = 1  # among changes of a function that read the same

    @property
    def name(self) -> str:
        """The change in words, which outlives lines that move."""
        function, old, new = (
            self.function.split(":")[0],
            " ".join(self.old.split()),
            " ".join(self.new.split()),
        )
        return f"{self.module}: {function}: {old} -> {new}{f' (number {self.turn})' * (self.turn > 1)}"


class Finder(ast.NodeVisitor):
    """Collects the changes of a module."""

    def __init__(self, module: str, text: str) -> None:
        self.module, self.text, self.found = module, text, list[Mutant]()
        self.lines = [0]
        for line in text.splitlines(keepends=True):
            self.lines.append(self.lines[-1] + len(line.encode()))
        self.data = text.encode()
        self.functions: list[str] = []

    def propose(self, node: Any, new: ast.AST | str) -> None:
        """Note the change of a node within a function."""
        if not self.functions:
            return
        start = self.lines[node.lineno - 1] + node.col_offset
        end = self.lines[node.end_lineno - 1] + node.end_col_offset
        text = new if isinstance(new, str) else ast.unparse(new)
        if isinstance(node, ast.expr) and not isinstance(node, ast.Constant | ast.Name):
            text = f"({text})"
        old = self.data[start:end].decode()
        self.found.append(Mutant(self.module, self.functions[-1], node.lineno, start, end, old, text))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.functions.append(
            f"{node.name}:{node.decorator_list[0].lineno if node.decorator_list else node.lineno}"
        )
        for each in [*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body]:
            self.visit(each)
        self.functions.pop()

    def visit_Raise(self, node: ast.Raise) -> None:
        self.propose(node, "pass")  # and no change of what it says

    def visit_Assert(self, node: ast.Assert) -> None:
        pass  # for readers and type checkers

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value:
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        pass

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node.value, ast.Call):
            self.propose(node, "pass")
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.propose(node, "pass")
        self.generic_visit(node)

    def turn(self, node: ast.If | ast.IfExp) -> None:
        """Turn a condition round, where changing its operator does not do so."""
        test = node.test
        single = isinstance(test, ast.Compare) and len(test.ops) == 1
        equality = single and not isinstance(test.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE)
        if not equality and not (isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)):
            self.propose(test, ast.UnaryOp(ast.Not(), test))
        self.generic_visit(node)

    visit_If = visit_IfExp = turn

    def visit_Compare(self, node: ast.Compare) -> None:
        for place, operator in enumerate(node.ops):
            if other := _COMPARE.get(type(operator)):
                ops = [*node.ops]
                ops[place] = other()
                self.propose(node, ast.Compare(node.left, ops, node.comparators))
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        text = isinstance(node.left, ast.Constant | ast.JoinedStr) and not _is_number(node.left)
        if (other := _BINARY.get(type(node.op))) and not text:
            self.propose(node, ast.BinOp(node.left, other(), node.right))
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.propose(node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.USub | ast.Not):
            self.propose(node, node.operand)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.propose(node, repr(not node.value))
        elif isinstance(node.value, int):
            self.propose(node, repr(node.value + 1))
        elif isinstance(node.value, float):
            self.propose(node, repr(2 * node.value if node.value else 1.0))

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        if isinstance(function, ast.Name) and function.id in _NAMES:
            self.propose(function, _NAMES[function.id])
        if isinstance(function, ast.Attribute) and function.attr in _NAMES:
            self.propose(function, ast.Attribute(function.value, _NAMES[function.attr], ast.Load()))
        if isinstance(function, ast.Name) and function.id == "isinstance":
            self.visit(node.args[0])  # a change of the types is an error at once, which anything would notice
        else:
            self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg != "strict":  # zip(..., strict=True) says what is known
            self.visit(node.value)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)
        if not isinstance(node.slice, ast.Constant):
            self.visit(node.slice)


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def mutants(module: str, text: str) -> list[Mutant]:
    """Return all changes of a module."""
    finder = Finder(module, text)
    finder.visit(ast.parse(text))
    found = {(mutant.start, mutant.end, mutant.new): mutant for mutant in finder.found}
    turns, numbered = Counter[tuple[str, str, str]](), []
    for _, mutant in sorted(found.items()):
        alike = (mutant.function, mutant.old, mutant.new)
        turns[alike] += 1
        numbered.append(replace(mutant, turn=turns[alike]))
    return numbered


def apply(text: str, mutant: Mutant) -> str:
    """Return a module with the change made."""
    data = text.encode()
    return (data[: mutant.start] + mutant.new.encode() + data[mutant.end :]).decode()


class Calls:
    """A plugin of pytest: which test calls which function of the core, and how long it takes."""

    def __init__(self, folder: Path) -> None:
        self.files = {str(folder / "pairint" / f"{name}.py"): name for name in CORE}
        self.calls: dict[str, set[str]] = {}
        self.seconds: dict[str, float] = {}
        self.current: set[str] = set()

    def trace(self, frame: Any, event: str, _: Any) -> None:
        module = self.files.get(frame.f_code.co_filename)
        if module is not None:
            self.current.add(f"{module}:{frame.f_code.co_name}:{frame.f_code.co_firstlineno}")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.current, self.began = set(), time.process_time()
        sys.settrace(self.trace)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        sys.settrace(None)
        self.seconds[nodeid] = time.process_time() - self.began
        self.calls[nodeid] = self.current

    def pytest_collection_finish(self, session: Any) -> None:
        sys.settrace(None)


def learn(copy: Path, tests: list[str]) -> dict[str, Any]:
    """Run the quick tests once, and return which call which function."""
    import pytest

    plugin = Calls(copy)
    options = ["-q", "--no-browser", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow", *tests]
    code = pytest.main(options, plugins=[plugin])
    if code != 0:
        raise SystemExit(f"the tests do not pass without a change: {code}")
    return {"calls": {test: sorted(found) for test, found in plugin.calls.items()}, "seconds": plugin.seconds}


def tests_of(mutant: Mutant, learned: dict[str, Any]) -> list[str]:
    """Return the tests that call the function of a change, the shortest first.

    What the fixture of a module computes is called in the first test only: the others of its file follow.
    """
    wanted = f"{mutant.module}:{mutant.function}"
    direct = [test for test, found in learned["calls"].items() if wanted in found]
    files = {test.split("::")[0] for test in direct}
    others = [test for test in learned["calls"] if test.split("::")[0] in files and test not in set(direct)]
    seconds, total, chosen = learned["seconds"], 0.0, []
    for test in [*sorted(direct, key=seconds.__getitem__), *sorted(others, key=seconds.__getitem__)]:
        total += seconds[test]
        if total > SECONDS:
            break
        chosen.append(test)
    return chosen


def apart(copy: Path, work: Any, limit: float) -> int:
    """Do some work in a process of its own; return its exit code, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            seconds = int(limit)
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
            resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
            os.chdir(copy)
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 1)
            os.dup2(null, 2)
            code = int(work())
        except BaseException:  # what breaks a test run is noticed
            code = 98
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def notices(mutant: Mutant, tests: list[str], copy: Path, seconds: float) -> bool:
    """Say whether a test fails, with the change made in the copy."""
    import pytest

    path = copy / "pairint" / f"{mutant.module}.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(apply(text, mutant), encoding="utf-8")
    quiet = ["-x", "-q", "--no-browser", "-p", "no:cacheprovider", "-p", "no:xdist"]
    try:
        # A loop without end is noticed by the time that it takes.
        return apart(copy, lambda: pytest.main([*quiet, *tests]), 60 + 10 * seconds) != 0
    finally:
        path.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def checkout() -> Iterator[Path]:
    """Give a copy of the package and its tests."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve() / "pairint"
        for name in ("pairint", "tests", "tools", "book"):
            ignored = shutil.ignore_patterns("__pycache__", "vendor", "_build")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        for name in ("pyproject.toml", "README.md", "_toc.yml", "_config.yml"):
            shutil.copy(ROOT / name, copy)
        yield copy


def load_libraries() -> None:
    """Load what the tests load, but for the package: each process inherits it."""
    names = (
        "numpy scipy.stats scipy.linalg scipy.interpolate scipy.special scipy.optimize scipy.integrate pandas"
    )
    names += " hypothesis pytest numba joblib matplotlib.figure sklearn.base sklearn.utils.estimator_checks"
    for name in names.split():
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def main() -> int:
    parser = argparse.ArgumentParser(description="Change the core at random places; count what tests notice.")
    parser.add_argument("--sample", type=int, default=150)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="modules whose name holds this word")
    parser.add_argument("--tests", nargs="+", default=list(TESTS), help="files and folders of tests")
    parser.add_argument("--again", type=Path, help="file with lines of an earlier output: those changes only")
    parser.add_argument("--map", type=Path, help="file that keeps which test calls which function")
    options = parser.parse_args()
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True
    with checkout() as copy:
        sys.path[:0] = [str(copy)]
        os.environ["PYTHONPATH"] = str(copy)
        if options.map and options.map.is_file():
            learned = json.loads(options.map.read_text(encoding="utf-8"))
        else:
            kept = options.map or copy / "map.json"
            if (
                apart(copy, lambda: bool(kept.write_text(json.dumps(learn(copy, options.tests)))) - 1, 3600)
                != 0
            ):
                raise SystemExit("the tests do not pass without a change")
            learned = json.loads(kept.read_text(encoding="utf-8"))
        load_libraries()
        every = [
            mutant
            for module in CORE
            if options.only in module
            for mutant in mutants(module, (copy / "pairint" / f"{module}.py").read_text(encoding="utf-8"))
        ]
        if options.again:
            names = {
                line[22:] for line in options.again.read_text("utf-8").splitlines() if line[16:17] == " "
            }
            drawn = [mutant for mutant in every if mutant.name in names]
        else:
            drawn = random.Random(options.seed).sample(every, min(options.sample, len(every)))
        counts, alive = Counter[str](), list[str]()
        for mutant in drawn:
            tests = tests_of(mutant, learned)
            took = sum(learned["seconds"][test] for test in tests)
            # A survivor meets slow tests, too: of all files that call the function, of its module's own.
            files = {test.split("::")[0] for test in tests}
            own = Path("tests") / Path(mutant.module).parent / f"test_{Path(mutant.module).name}.py"
            files = sorted(files | {own.as_posix()} if (copy / own).is_file() else files) or options.tests
            if notices(mutant, tests or files, copy, took) or notices(mutant, files, copy, 10 * SECONDS):
                verdict = "noticed"
            elif mutant.name in EQUIVALENT:
                verdict = "listed"
            else:
                verdict = "survives"
                alive.append(mutant.name)
            counts[verdict] += 1
            print(f"{verdict:16s} {mutant.line:4d} {mutant.name}", flush=True)
    considered = len(drawn) - counts["listed"]
    share = counts["noticed"] / considered
    print(
        f"{len(every)} changes; of {len(drawn)} drawn (seed {options.seed}) {counts['noticed']} are noticed, "
        f"{counts['listed']} are listed as equivalent, {len(alive)} survive: {share:.1%} of {considered}"
    )
    return int(share < GOAL)


if __name__ == "__main__":
    sys.exit(main())
