"""Random problems: does a cold fit end where the fit from the truth does, and if not, does it say so?

    python benchmarks/random_problems.py [--problems 1000] [--seconds 1500] [--solver NAME] [--output FILE]
    python benchmarks/random_problems.py --problems 0 --starts 10
    python benchmarks/random_problems.py --problems 0 --valleys 94 133

A problem is drawn from its number: d from 1 to 128, rank up to 5, N from 2 to 256, outputs from twice to a
hundred times the parameters (at most 4,000, and of at most `MOST_PAIRS` pairs), every law of tokens and
kind of activation, noise from none to the size of the signal, one in ten with outliers. Half of the problems
have something done to their tokens: shifted by up to 1000 of their deviations, scaled by 1e-6 to 1e6, mapped
linearly, made collinear, or data rounded to single precision. Activations act on standardised scores, so that
a shift leaves a function to be learned.

Every problem is fitted cold with the defaults, once more from the true matrix, and with the true matrix
known. The error is that of g at pairs of fresh samples, those with the lowest and the highest 0.5 % of the
scores left out: there nobody has data, and of two lines drawn on into the void one is three times as far off.

- *above*: an error of more than three times that of the fit from the truth, errors below 1e-6 of the variance
  counting as that (a fit without noise ends where its tolerance says). Where there are fewer than `FEW`
  outputs a parameter no fit finds much and which of two is nearer is chance: the problem counts in
  ``..._of_all`` only. Of a constant activation every matrix is the truth: it is never above nor trapped.
  Counted beside it: those where the fit from the truth is better than a constant.
- *far*: an error of more than three times that of the known matrix plus sigma^2 p (N - 1) / (M N).
- *silent*: above, or far where the fit from the truth is not, and no warning.
- *only the cells*: silent but for the note that the number of cells is the largest that was tried.
- *wrong and undoubted*: an error of more than half the variance, whatever the fit from the truth does, and
  no doubt of its own. Not of a constant activation.
- *good*: not above, and an error of less than `GOOD` of the variance of g, which is not constant; of these,
  those with a doubt of their own (not only of cells) are counted. Many of these are right: below a tenth of
  the variance residuals may still have a shape, or the function be known to ten percent only.
- *close*: the same with an error of less than `CLOSE`. Here a doubt is a false alarm, unless it is of the
  matrix alone (a singular value no larger than noise makes it), which no error of g can prove wrong.
- *trapped*: residuals above those of the fit from the truth by more noise variances than there are
  parameters: another valley, whatever it does to the error.

``--starts`` fits those above again, where the fit from the truth is better than a constant, from so many
random starts instead of the usual ones, and counts those that are above no more.

``--valleys`` asks of single problems how narrow the valley of the truth is: how many random starts end at the
function of the fit from the truth, and how many of those at the true matrix plus a random one of its rank, of
so many times its norm. On the samples of a coarse fit, but on four times as many cells, so that what turns
often is seen: with few, other valleys may be lower than that of the truth.

Every tenth problem is fitted again after a linear change of its tokens: predictions should be the same.
Rows are appended to a file as they are found, and what is there is not computed again; of two rows of one
problem the later counts. Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import fit_from
from numpy.typing import NDArray
from scipy.stats import binomtest
from threadpoolctl import threadpool_limits

from pairint.engine import provenance
from pairint.estimation import InteractionRegressor, LeastSquaresProblem, OracleRegressor
from pairint.estimation.base import matrix_parameters, whiten
from pairint.estimation.initial import deviating_start, truncated_factors
from pairint.estimation.problem import OuterState
from pairint.estimation.rivals import function_distance
from pairint.estimation.search import SOLVERS, Search
from pairint.model import (
    Cosine,
    Equicorrelated,
    Exponential,
    PermutedPoints,
    ReLU,
    RoughActivation,
    Sphere,
    Tanh,
    TruncatedGaussian,
    UniformCube,
    interaction_matrix,
    spline_activation,
)
from pairint.model.attention import pair_average, pair_interaction
from pairint.model.tokens import TokenLaw

ROOT = 20_261_130
MOST_OUTPUTS, MOST_PAIRS, FEW = 4_000, 120_000, 5.0
#: Errors below this share of the variance of g count as this.
NOTHING = 1e-6
#: Errors below this share are those of a good fit.
GOOD = 0.1
#: And below these a doubt is a false alarm.
CLOSE = 0.03
#: Random starts of a valley, sizes of what is added to the true matrix over its norm, and draws of each.
STARTS, PUSHES, DRAWS = 60, (0.2, 0.4, 0.6, 0.9, 1.4), 6
#: Fits whose functions differ by less than this share of the variance lie in one valley.
SAME = 0.15
#: Rows are of the search that made them: those of an earlier one are counted apart, as ``earlier``.
SEARCH = 3
CHANGES = ("shift", "scale", "linear", "collinear", "single")
ACTIVATIONS = ("spline", "rough", "relu", "tanh", "exp", "cos", "constant")
LAWS = ("cube", "sphere", "gaussian", "equicorrelated", "nearly the same", "permuted", "heavy")
HERE = Path(__file__).parents[1]
ROWS = HERE / "benchmarks" / "results" / "random_problems.jsonl"
OUTPUT = HERE / "pairint" / "experiments" / "measured" / "random_problems.json"

Array = NDArray[np.float64]


class Standardised:
    """An activation of the score less its mean, in units of its deviation."""

    def __init__(self, activation: Callable[[Any], Any], scores: Array) -> None:
        self.activation = activation
        self.centre, self.spread = float(scores.mean()), float(scores.std()) or 1.0

    def __call__(self, u: Any) -> Any:
        return self.activation((u - self.centre) / self.spread)


class Constant:
    """A constant."""

    def __call__(self, u: Any) -> Any:
        return np.full_like(u, 0.7)


class Heavy(TokenLaw):
    """Independent coordinates of Student's law with five degrees of freedom, scaled to variance one."""

    def __init__(self, d: int) -> None:
        self._d = d

    @property
    def d(self) -> int:
        return self._d

    @property
    def radius(self) -> float:
        return math.inf

    def _sample(self, n_samples: int, n_tokens: int, rng: np.random.Generator) -> Array:
        return rng.standard_t(5, size=(n_samples, n_tokens, self._d)) / math.sqrt(5 / 3)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def _law(name: str, d: int, n_tokens: int, rng: np.random.Generator) -> TokenLaw:
    simple: dict[str, Callable[[], TokenLaw]] = {
        "cube": lambda: UniformCube(d),
        "sphere": lambda: Sphere(d),
        "gaussian": lambda: TruncatedGaussian(d),
        "equicorrelated": lambda: Equicorrelated(d, 0.5),
        "nearly the same": lambda: Equicorrelated(d, 0.95),
        "permuted": lambda: PermutedPoints(rng.standard_normal((n_tokens + 40 + 8 * d, d))),
        "heavy": lambda: Heavy(d),
    }
    return simple[name]()


def _activation(name: str, rng: np.random.Generator) -> Callable[[Any], Any]:
    simple: dict[str, Callable[[], Callable[[Any], Any]]] = {
        "spline": lambda: spline_activation(int(rng.integers(1, 5)), rng),
        "rough": lambda: RoughActivation(float(rng.choice([0.5, 1.0, 1.5, 2.5])), rng),
        "relu": ReLU,
        "tanh": lambda: Tanh(_log_uniform(rng, 0.5, 5.0)),
        "exp": lambda: Exponential(float(rng.uniform(0.3, 1.0))),
        "cos": lambda: Cosine(_log_uniform(rng, 0.5, 4.0)),
        "constant": Constant,
    }
    return simple[name]()


class Problem:
    """Data and truth of one number."""

    def __init__(self, number: int) -> None:
        rng = np.random.default_rng([ROOT, number])
        d = round(_log_uniform(rng, 1, 128))
        n_tokens = round(_log_uniform(rng, 2, 256))
        rank = min(d, int(_log_uniform(rng, 1, 6)))
        law, activation = str(rng.choice(LAWS)), str(rng.choice(ACTIVATIONS))
        numbers = matrix_parameters(d, rank) + 10
        outputs = min(max(numbers * _log_uniform(rng, 2, 100), 300), MOST_OUTPUTS)
        outputs = min(outputs, MOST_PAIRS / (n_tokens - 1))
        n_samples = max(math.ceil(outputs / n_tokens), 4)
        while rank > 1 and n_samples * n_tokens < 1.5 * (matrix_parameters(d, rank) + 10):
            rank -= 1
        tokens = _law(law, d, n_tokens, rng)
        self.change = str(rng.choice(CHANGES)) if rng.uniform() < 0.5 else "none"
        self._extra = 0
        X = tokens.sample(n_samples, n_tokens, rng)
        fresh = tokens.sample(max(2, math.ceil(40_000 / n_tokens**2)), min(n_tokens, 64), rng)
        X, fresh = self._changed(X, fresh, rng)
        d = X.shape[2]
        # A matrix whose scores vary alike whatever the units are: for shifts and scales of the tokens.
        unit = max(float(np.abs(X - X.mean(axis=(0, 1))).max()), 1e-300)
        self.matrix = interaction_matrix(d, rank, rng) / unit**2
        self.rank, self.solved_rank = rank, rank
        scores = np.einsum("mid,de,mje->mij", fresh, self.matrix, fresh)
        off = ~np.eye(fresh.shape[1], dtype=bool)
        self.activation = Standardised(_activation(activation, rng), scores[:, off])
        clean = pair_average(self.activation, X, self.matrix)
        low, high = np.quantile(scores[:, off], [0.005, 0.995])
        where = np.argwhere(off & (scores >= low) & (scores <= high))
        sample, first, second = where[rng.choice(len(where), min(len(where), 20_000), replace=False)].T
        self.x, self.y = fresh[sample, first], fresh[sample, second]
        self.truth = pair_interaction(self.activation, self.x, self.y, self.matrix)
        self.variance = max(float(self.truth.var()), 1e-3 * float(np.mean(self.truth**2)))
        size = max(float(clean.std()), 1e-3 * float(np.abs(clean).mean()))
        self.noise = 0.0 if rng.uniform() < 0.1 else size * _log_uniform(rng, 0.02, 1.0)
        Y = clean + self.noise * rng.standard_normal(clean.shape)
        self.outliers = bool(rng.uniform() < 0.1)
        self.loss = "squared_error"
        if self.outliers:
            wrong = rng.uniform(size=Y.shape) < 0.005
            Y = np.where(wrong, Y + 100 * max(self.noise, 0.02 * size) * rng.standard_normal(Y.shape), Y)
            self.loss = str(rng.choice(["squared_error", "huber"]))
        if self.change == "single":
            X, Y = X.astype(np.float32), Y.astype(np.float32)
        self.X, self.Y = X, Y
        self.n_intervals = None if rng.uniform() < 0.7 else int(rng.choice([4, 8, 16]))
        self.degree = int(rng.choice([1, 2, 3, 3, 3]))
        if self.n_intervals and Y.size < 1.5 * (matrix_parameters(d, rank) + self.n_intervals):
            self.n_intervals = 4
        self.seen = matrix_parameters(min(d, d - self._extra), rank)
        self.row: dict[str, Any] = {
            "number": number,
            "search": SEARCH,
            "d": d,
            "rank": rank,
            "n_tokens": n_tokens,
            "n_outputs": int(Y.size),
            "law": law,
            "activation": activation,
            "change": self.change,
            "noise": round(self.noise / size, 4),
            "outliers": self.outliers,
            "loss": self.loss,
            "cells": self.n_intervals or "auto",
            "degree": self.degree,
            "outputs_per_parameter": round(Y.size / (self.seen + (self.n_intervals or 8) + self.degree), 2),
        }

    def _changed(self, X: Array, fresh: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        d = X.shape[2]
        if self.change == "shift":
            by = _log_uniform(rng, 1.0, 1000.0) * rng.standard_normal(d)
            return X + by, fresh + by
        if self.change == "scale":
            by = _log_uniform(rng, 1e-6, 1e6)
            return by * X, by * fresh
        if self.change == "linear":
            by = random_map(d, rng)
            return X @ by, fresh @ by
        if self.change == "collinear":
            self._extra = 1
            by = rng.standard_normal((d, 1))
            return np.concatenate([X, X @ by], axis=2), np.concatenate([fresh, fresh @ by], axis=2)
        return X, fresh

    def error(self, activation: Any, matrix: Array) -> float:
        """Return the mean squared error of g at the fresh pairs."""
        found = pair_interaction(activation, self.x, self.y, np.asarray(matrix, float))
        return float(np.mean((found - self.truth) ** 2))

    def regressor(self, solver: str) -> InteractionRegressor:
        """Return the regressor that fits it cold."""
        cells = self.n_intervals or "auto"
        return InteractionRegressor(
            self.rank, self.degree, cells, loss=self.loss, solver=solver, random_state=0
        )


def random_map(d: int, rng: np.random.Generator) -> Array:
    """Draw a linear map with singular values from 0.1 to 10."""
    left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    return np.asarray((left * np.exp(rng.uniform(math.log(0.1), math.log(10), d))) @ right)


def compare(number: int, solver: str) -> dict[str, Any]:
    """Fit a problem cold, from the truth and with the matrix known."""
    problem = Problem(number)
    row = problem.row
    X, Y = problem.X, problem.Y
    began = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit = problem.regressor(solver).fit(X, Y)
    row["seconds"] = round(time.process_time() - began, 3)
    row["warned"] = sorted({entry.category.__name__ for entry in caught})
    row["said"] = str(caught[0].message)[:400] if caught else ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.process_time()
        risk, matrix, activation = fit_from(
            problem.matrix, X, Y, problem.rank, problem.degree, problem.n_intervals, solver, problem.loss
        )
        row["truth_seconds"] = round(time.process_time() - began, 3)
        cells: Any = problem.n_intervals or "auto"
        oracle = OracleRegressor(problem.matrix, problem.degree, cells, loss=problem.loss).fit(X, Y)
    floor = NOTHING * problem.variance
    errors = {
        "error": problem.error(fit.activation_, fit.matrix_),
        "truth": problem.error(activation, matrix),
        "oracle": problem.error(oracle.activation_, oracle.matrix_),
    }
    n_tokens = X.shape[1]
    price = problem.noise**2 * problem.seen * (n_tokens - 1) / Y.size
    allowed = 3 * max(errors["oracle"] + price, floor)
    parameters = matrix_parameters(X.shape[2], problem.rank) + fit.n_intervals_ + problem.degree
    row |= {name: float(f"{value / problem.variance:.4g}") for name, value in errors.items()}
    any_matrix = row["activation"] == "constant"
    row |= {
        "converged": bool(fit.converged_),
        "n_intervals": fit.n_intervals_,
        "truth_n_intervals": activation.space.n_intervals,
        "steps": fit.n_iter_,
        "starts": len(fit.start_risks_),
        "above": not any_matrix and errors["error"] > 3 * max(errors["truth"], floor),
        "far": errors["error"] > allowed,
        "truth_far": errors["truth"] > allowed,
        "trapped": not any_matrix
        and bool((fit.risk_ - risk) * Y.size > parameters * max(risk, 1e-10 * float(np.var(Y)))),
        "risk_ratio": float(f"{fit.risk_ / max(risk, 1e-300):.4g}"),
    }
    if number % 10 == 0:
        row["moved"] = moved(problem, fit, solver)
    return row


def retried(row: dict[str, Any], n_starts: int, solver: str) -> dict[str, Any]:
    """Fit the problem of a row again, from so many random starts."""
    problem = Problem(row["number"])
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = problem.regressor(solver).set_params(n_starts=n_starts).fit(problem.X, problem.Y)
    error = problem.error(fit.activation_, fit.matrix_) / problem.variance
    return {
        "n_starts": n_starts,
        "seconds": round(time.process_time() - began, 3),
        "error": float(f"{error:.4g}"),
        "above": error > 3 * max(row["truth"], NOTHING),
    }


def moved(problem: Problem, fit: InteractionRegressor, solver: str) -> float:
    """Return by how much a linear change of the tokens moves predictions, in noise variances a parameter."""
    by = random_map(problem.X.shape[2], np.random.default_rng([ROOT, problem.row["number"], 1]))
    X = np.asarray(problem.X, float) @ by
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = problem.regressor(solver).fit(X, problem.Y)
    distance = np.mean((again.predict(X) - fit.predict(problem.X)) ** 2)
    parameters = problem.seen + fit.n_intervals_ + problem.degree
    unit = parameters * max(fit.risk_, NOTHING * float(np.var(problem.Y)), 1e-300) / problem.Y.size
    return float(f"{distance / unit:.3g}")


def valley(number: int) -> dict[str, Any]:
    """Return how many random starts reach the valley of the truth, and from how far one comes back to it."""
    problem = Problem(number)
    X, Y = np.asarray(problem.X, float), np.asarray(problem.Y, float)
    whitened, back = whiten(X, long=True)
    forward, rank = np.linalg.pinv(back), problem.rank
    d = whitened.shape[2]
    whole = LeastSquaresProblem(
        whitened, Y, problem.degree, 0.1, n_matrix=matrix_parameters(X.shape[2], rank)
    )
    search = Search(whole, problem.n_intervals, 50, 1e-2)
    part = search.subsample(2000, 6000)
    cells = min(4 * search.coarse_cells, problem.n_intervals or 4 * search.coarse_cells)

    def end(left: Any, right: Any) -> OuterState:
        return search.minimise(part, left, right, part.space(left, right, cells), 20, search.loose)

    def near(left: Any, right: Any) -> bool:
        return function_distance(part, truth, end(left, right)) < SAME

    began = time.process_time()
    truth = end(*truncated_factors(forward @ problem.matrix @ forward.T, rank))
    rng = np.random.default_rng([ROOT, number, 2])
    returned = {}
    for size in PUSHES:
        count = 0
        for _ in range(DRAWS):
            push = rng.standard_normal((d, rank)) @ rng.standard_normal((rank, d))
            push *= size / np.linalg.norm(push)
            count += near(*truncated_factors(truth.left @ truth.right.T + push, rank))
        returned[str(size)] = count
    reached = sum(near(*deviating_start(whitened, rank, rng)) for _ in range(STARTS))
    return {
        "number": number,
        "cells": cells,
        "starts": STARTS,
        "reached": reached,
        "draws": DRAWS,
        "returned": returned,
        "seconds": round(time.process_time() - began, 1),
    }


def _enough(row: dict[str, Any]) -> bool:
    return bool(row["outputs_per_parameter"] >= FEW)


def _above_where_truth_knows(row: dict[str, Any]) -> bool:
    return bool(row["above"] and row["truth"] < 1.0)


def _silent(row: dict[str, Any]) -> bool:
    return not row["warned"] and (row["above"] or (row["far"] and not row["truth_far"]))


def _doubted(row: dict[str, Any]) -> bool:
    return bool({"FitWarning", "ConvergenceWarning"} & set(row["warned"]))


def _any_matrix(row: dict[str, Any]) -> bool:
    return bool(row["activation"] == "constant")


def _good(row: dict[str, Any]) -> bool:
    return not row["above"] and row["error"] < GOOD and not _any_matrix(row)


def _close(row: dict[str, Any]) -> bool:
    return _good(row) and bool(row["error"] < CLOSE)


def _of_rank_only(row: dict[str, Any]) -> bool:
    said = row["said"]
    return bool(re.match(r"the last of \d+ singular values", said)) and ". And " not in said


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Count what went wrong, among problems with data enough and among all; of none, nothing."""
    if not rows:
        return {}
    enough = [row for row in rows if _enough(row)]
    found: dict[str, Any] = {"problems": len(rows), "with_data_enough": len(enough)}
    for name, test in {
        "above": lambda row: row["above"],
        "above_where_truth_knows": _above_where_truth_knows,
        "far": lambda row: row["far"],
        "far_where_truth_is_not": lambda row: row["far"] and not row["truth_far"],
        "trapped": lambda row: row["trapped"],
        "silent": _silent,
        "only_the_cells": lambda row: row["above"] and bool(row["warned"]) and not _doubted(row),
        "wrong_and_undoubted": lambda row: row["error"] > 0.5 and not _any_matrix(row) and not _doubted(row),
        "good": _good,
        "close": _close,
        "close_doubted": lambda row: _close(row) and _doubted(row),
        "false_alarms": lambda row: _close(row) and _doubted(row) and not _of_rank_only(row),
        "good_doubted": lambda row: _good(row) and _doubted(row),
        "warned": lambda row: bool(row["warned"]),
        "not_converged": lambda row: not row["converged"],
    }.items():
        count = sum(bool(test(row)) for row in enough)
        found[name] = count
        found[name + "_of_all"] = sum(bool(test(row)) for row in rows)
        if name == "above" and enough:
            interval = binomtest(count, len(enough)).proportion_ci(0.95)
            found["above_share"] = round(count / len(enough), 4)
            found["above_share_interval"] = [round(interval.low, 4), round(interval.high, 4)]
    moved = [row["moved"] for row in rows if "moved" in row]
    found["moved"] = {"fits": len(moved), "by_more_than_one": sum(value > 1.0 for value in moved)}
    seconds = [row["seconds"] for row in rows]
    found["seconds"] = {
        "median": round(float(np.median(seconds)), 3),
        "mean": round(float(np.mean(seconds)), 3),
        "largest": max(seconds),
    }
    return found


def of_retried(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Count those that more starts have mended; of none, nothing."""
    again = [row for row in rows if "retried" in row]
    if not again:
        return {}
    return {
        "problems": len(again),
        "n_starts": sorted({row["retried"]["n_starts"] for row in again}),
        "mended": sum(not row["retried"]["above"] for row in again),
        "seconds": round(sum(row["seconds"] for row in again), 1),
        "seconds_again": round(sum(row["retried"]["seconds"] for row in again), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first problem")
    parser.add_argument("--seconds", type=float, default=math.inf, help="processor time after which it stops")
    parser.add_argument("--starts", type=int, default=0, help="fit those above again from so many starts")
    parser.add_argument("--valleys", type=int, nargs="*", default=[], help="numbers of problems")
    parser.add_argument("--solver", choices=SOLVERS, default=SOLVERS[0])
    parser.add_argument("--rows", type=Path, default=ROWS)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    load = provenance.load()
    rows, earlier = {}, []
    if options.rows.exists():
        for row in map(json.loads, options.rows.read_text(encoding="utf-8").splitlines()):
            if row.get("search", 1) == SEARCH:
                rows[row["number"]] = row
            else:
                earlier.append(row)
    options.rows.parent.mkdir(parents=True, exist_ok=True)
    with threadpool_limits(1), options.rows.open("a", encoding="utf-8") as file:
        for number in range(options.first, options.first + options.problems):
            if time.process_time() > options.seconds:
                break
            if number not in rows:
                rows[number] = compare(number, options.solver)
                file.write(json.dumps(rows[number]) + "\n")
                file.flush()
        for number in sorted(rows) if options.starts else ():
            row = rows[number]
            tried = row.get("retried", {}).get("n_starts") == options.starts
            if _enough(row) and _above_where_truth_knows(row) and not tried:
                row["retried"] = retried(row, options.starts, options.solver)
                file.write(json.dumps(row) + "\n")
                file.flush()
    done = [rows[number] for number in sorted(rows)]
    total = summary(done)
    print(json.dumps(total, indent=1))
    wrong = [row for row in done if row["above"] or row["trapped"] or _silent(row)]
    for row in wrong:
        print(row)
    valleys = {}
    if options.output.exists():
        known = json.loads(options.output.read_text(encoding="utf-8")).get("valleys", [])
        valleys = {entry["number"]: entry for entry in known}
    with threadpool_limits(1):
        valleys |= {number: valley(number) for number in options.valleys}
    content = provenance.measurement(
        "random_problems",
        load,
        options={"solver": options.solver},
        total=total,
        wrong=wrong,
        last=max(rows, default=None),
        retried=of_retried(done),
        earlier=summary(earlier),
        together=summary([*earlier, *done]),
        valleys=[valleys[number] for number in sorted(valleys)],
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
