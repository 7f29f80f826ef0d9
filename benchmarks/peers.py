"""Time to error at the reference fit: the package against good-faith peers, in one run, as ratios.

    python benchmarks/peers.py [--seeds 5] [--adam 0] [--points 30:10000 5:10000 ...] [--output FILE]

Rank 2, N = 3, noise 0.1, spline truths of degree 3. Points are d:M; the first is the reference point, d = 30
and M = 10,000 samples unless others are asked for. Peers are given what the package has to find, 15 cells,
and they need not know when to stop. They fit the same splines and factors (Gauss-Newton, double precision in
PyTorch, and Adam at the first point only):

- SciPy's L-BFGS-B in factors and spline at once, or in the factors with the spline projected out, in
  NumPy, from a start of their own (eight conjugate gradients on all the data) or from the package's (four
  on a third);
- the second with the package's compiled sums and its start, so that algorithms are compared and nothing else;
- PyTorch's L-BFGS with autograd, in single and in double precision, from the package's start;
- with ``--adam SECONDS``, a PyTorch network and factors by Adam, from random weights.

Each method's error is measured along its way (the measuring is not counted). The first time is that at which
it is below 1.1 times the lowest error of all methods on that seed; the second that at which the method ends.
The package's are both that of the whole fit. Seconds are processor time on one thread.
"""

from __future__ import annotations

import argparse
import json
import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from pairint.engine import provenance
from pairint.engine.seeds import generator_for
from pairint.estimation import FitWarning, InteractionRegressor, LeastSquaresProblem
from pairint.estimation.initial import lean_linear_start
from pairint.estimation.problem import score_range
from pairint.estimation.quasi_newton import projected_gradient, solved
from pairint.experiments.minimax.curves import DATA_KEYS, truth_model
from pairint.model import AttentionModel, SplineSpace
from pairint.model.attention import pair_interaction

RANK, N_TOKENS, NOISE, DEGREE, CELLS = 2, 3, 0.1, 3, 15
#: Dimension and samples: the reference point, and others around it.
POINTS = ["30:10000", "5:10000", "128:10000", "5:100000", "30:100000", "128:100000"]
OUTPUT = Path(__file__).parents[1] / "pairint" / "experiments" / "measured" / "peers.json"
#: Ordered pairs of three tokens.
FIRST, SECOND = np.nonzero(~np.eye(N_TOKENS, dtype=bool))

Array = NDArray[np.float64]


class Track:
    """Times and errors along the way of a method; what it takes to measure them is not counted."""

    def __init__(self, model: AttentionModel) -> None:
        self.model = model
        self.x, self.y = model.tokens.sample(50_000, 2, np.random.default_rng(1)).swapaxes(0, 1)
        self.truth = pair_interaction(model.activation, self.x, self.y, model.matrix)
        self.points: list[tuple[float, float]] = []
        self.began, self.paused = time.process_time(), 0.0

    def note(self, activation: Any, matrix: Array) -> None:
        """Measure the error of what has been found by now."""
        here = time.process_time()
        found = pair_interaction(activation, self.x, self.y, matrix)
        error = float(np.mean((found - self.truth) ** 2))
        self.points.append((here - self.began - self.paused, error))
        self.paused += time.process_time() - here

    def seconds_to(self, error: float) -> float:
        """Return when the error was first below, infinite if never."""
        return next((seconds for seconds, value in self.points if value <= error), math.inf)


def start_of(X: Array, Y: Array, whole: bool) -> tuple[Array, Array, SplineSpace]:
    """Return a start, and the splines on the interval that it fills.

    That of a regression of outputs on x (x) y by eight conjugate gradients on all the data, or the package's:
    four of them, on a third.
    """
    part = len(X) if whole else len(X) // N_TOKENS
    left, right = lean_linear_start(X[:part], Y[:part], RANK, 8 if whole else 4)
    return left, right, SplineSpace(*score_range(X[:part], left, right), CELLS, DEGREE)


def cubic(u: Array, space: SplineSpace) -> tuple[Any, Array, Array]:
    """Return cells, the four cubic B-splines at each score, and their slopes."""
    position = (u - space.lower) / space.width
    inside = np.clip(position, 0.0, CELLS)
    cell = np.minimum(inside.astype(np.intp), CELLS - 1)
    t = inside - cell
    t2, t3 = t * t, t * t * t
    basis = np.stack([1 - 3 * t + 3 * t2 - t3, 4 - 6 * t2 + 3 * t3, 1 + 3 * t + 3 * t2 - 3 * t3, t3]) / 6
    slope = np.stack([-1 + 2 * t - t2, -4 * t + 3 * t2, 1 + 2 * t - 3 * t2, t2]) / 2
    basis += slope * (position - inside)  # linear beyond the interval, as the package has it
    return cell, basis, slope / space.width


def scipy_peer(X: Array, Y: Array, track: Track, projected: bool, whole: bool = False) -> None:
    """Minimise the mean square with SciPy, in NumPy: 60 lines that anybody would write."""
    left, right, space = start_of(X, Y, whole)
    M, _, D = X.shape
    rows, size, n = X.reshape(-1, D), D * RANK, CELLS + DEGREE
    row_of = (np.arange(M)[:, None] * N_TOKENS + FIRST).ravel()
    second = np.diff(np.eye(n), n=2, axis=0)
    penalty = 0.1 * second.T @ second

    def design(cell: Any, basis: Array) -> Array:
        flat = ((row_of * n)[None] + cell.reshape(1, -1) + np.arange(4)[:, None]).ravel()
        total = np.bincount(flat, basis.reshape(4, -1).ravel(), M * N_TOKENS * n)
        return total.reshape(-1, n) / (N_TOKENS - 1)

    def split(z: Array) -> tuple[Array, Array]:
        return z[:size].reshape(D, RANK), z[size : 2 * size].reshape(D, RANK)

    latest: dict[str, Array] = {}

    def objective(z: Array) -> tuple[float, Array]:
        U, V = split(z)
        queries, keys = (rows @ U).reshape(M, N_TOKENS, RANK), (rows @ V).reshape(M, N_TOKENS, RANK)
        q, k = queries[:, FIRST], keys[:, SECOND]
        cell, basis, slope = cubic((q * k).sum(axis=2), space)
        index = cell[None] + np.arange(4)[:, None, None]
        if projected:
            F = design(cell, basis)
            c = np.linalg.solve(F.T @ F + penalty + 1e-9 * np.eye(n), F.T @ Y.ravel())
        else:
            c = z[2 * size :]
        latest["c"] = c
        means = (c[index] * basis).sum(axis=0).reshape(M, N_TOKENS, N_TOKENS - 1).mean(axis=2)
        residual = Y - means
        pull = (c[index] * slope).sum(axis=0) * residual[:, FIRST] / (N_TOKENS - 1)
        weighted = pull[:, :, None]
        by_left = (weighted * k).reshape(M, N_TOKENS, N_TOKENS - 1, RANK).sum(axis=2).reshape(-1, RANK)
        by_right = np.zeros((M, N_TOKENS, RANK))
        moved = weighted * q
        for pair, j in enumerate(SECOND):
            by_right[:, j] += moved[:, pair]
        gradient = [rows.T @ by_left, rows.T @ by_right.reshape(-1, RANK)]
        parts = [-2 * g.ravel() for g in gradient]
        value = float((residual**2).sum() + c @ penalty @ c)
        if not projected:
            weights = residual[:, FIRST].reshape(1, -1) * basis.reshape(4, -1)
            flat = (cell.reshape(1, -1) + np.arange(4)[:, None]).ravel()
            by_spline = np.bincount(flat, weights.ravel(), n) / (N_TOKENS - 1)
            parts.append(-2 * by_spline + 2 * penalty @ c)
        scale = 1.0 / Y.size
        return value * scale, np.concatenate(parts) * scale

    z = np.concatenate([left.ravel(), right.ravel()])
    if not projected:  # the best spline of the start, as a start
        cell, basis, _ = cubic(((X @ left)[:, FIRST] * (X @ right)[:, SECOND]).sum(axis=2), space)
        F = design(cell, basis)
        z = np.concatenate([z, np.linalg.solve(F.T @ F + penalty, F.T @ Y.ravel())])

    def callback(z: Array) -> None:
        U, V = split(z)
        c = latest["c"] if projected else z[2 * size :]
        track.note(space.spline(c), U @ V.T)

    minimize(
        objective, z, jac=True, method="L-BFGS-B", callback=callback, options={"maxiter": 80, "maxcor": 20}
    )


def compiled_peer(X: Array, Y: Array, track: Track) -> None:
    """Minimise the projected risk with SciPy and the package's own sums."""
    left, right, space = start_of(X, Y, False)
    problem = LeastSquaresProblem(X, Y, DEGREE, 0.1)
    D = X.shape[2]
    size = D * RANK
    latest: dict[str, Any] = {}

    def objective(z: Array) -> tuple[float, Array]:
        factors = z.reshape(2, D, RANK)
        state = solved(problem, factors[0], factors[1], space)
        latest["state"] = state
        return state.inner.objective / Y.size, projected_gradient(problem, state) / Y.size

    def callback(z: Array) -> None:
        U, V = z[:size].reshape(D, RANK), z[size:].reshape(D, RANK)
        track.note(latest["state"].spline, U @ V.T)

    z = np.concatenate([left.ravel(), right.ravel()])
    minimize(
        objective, z, jac=True, method="L-BFGS-B", callback=callback, options={"maxiter": 80, "maxcor": 20}
    )


def torch_peer(X: Array, Y: Array, track: Track, dtype: str) -> None:
    """Minimise with PyTorch: autograd through the same splines, its own L-BFGS."""
    import torch

    torch.set_num_threads(1)
    left, right, space = start_of(X, Y, False)
    kind = getattr(torch, dtype)
    tokens, outputs = torch.tensor(X, dtype=kind), torch.tensor(Y, dtype=kind)
    first, second = torch.from_numpy(FIRST), torch.from_numpy(SECOND)
    problem = LeastSquaresProblem(X[:2000], Y[:2000], DEGREE, 0.1)
    spline = solved(problem, left, right, space).inner.coefficients
    U, V, c = (
        torch.tensor(np.ascontiguousarray(a), dtype=kind).requires_grad_() for a in (left, right, spline)
    )
    settings: Any = {"max_iter": 1, "history_size": 20, "line_search_fn": "strong_wolfe"}
    settings |= {"tolerance_grad": 0.0, "tolerance_change": 0.0}
    optimiser = torch.optim.LBFGS([U, V, c], **settings)

    def closure() -> Any:
        optimiser.zero_grad()
        u = ((tokens @ U)[:, first] * (tokens @ V)[:, second]).sum(dim=2)
        position = (u - space.lower) / space.width
        inside = position.clamp(0.0, CELLS)
        cell = inside.detach().long().clamp(0, CELLS - 1)
        t, beyond = inside - cell, position - inside
        t2 = t * t
        t3 = t2 * t
        values = (
            c[cell] * (1 - 3 * t + 3 * t2 - t3)
            + c[cell + 1] * (4 - 6 * t2 + 3 * t3)
            + c[cell + 2] * (1 + 3 * t + 3 * t2 - 3 * t3)
            + c[cell + 3] * t3
        ) / 6
        slopes = (
            c[cell] * (-1 + 2 * t - t2)
            + c[cell + 1] * (-4 * t + 3 * t2)
            + c[cell + 2] * (1 + 2 * t - 3 * t2)
            + c[cell + 3] * t2
        ) / 2
        values = values + slopes * beyond
        loss = ((values.reshape(len(X), N_TOKENS, N_TOKENS - 1).mean(dim=2) - outputs) ** 2).mean()
        loss = loss + 0.1 * (torch.diff(c, n=2) ** 2).sum() / outputs.numel()
        loss.backward()
        return loss

    for _ in range(60):
        optimiser.step(closure)
        matrix = (U @ V.T).detach().numpy().astype(float)
        track.note(space.spline(c.detach().numpy().astype(float)), matrix)


def adam_peer(X: Array, Y: Array, track: Track, seconds: float) -> None:
    """Train factors and a network by Adam for about so long; its error is that at the end."""
    from estimators import end_to_end

    before = time.process_time()
    end_to_end(X, Y, 0, 1)
    epochs = max(2, int(seconds / (time.process_time() - before)))
    track.began = time.process_time()
    found = end_to_end(X, Y, 0, epochs)
    track.note(found.activation, found.matrix)


def package(X: Array, Y: Array, track: Track, **options: Any) -> None:
    """Fit with the package, cold."""
    fit = InteractionRegressor(RANK, DEGREE, random_state=0, **options).fit(X, Y)
    track.note(fit.activation_, fit.matrix_)


def methods(adam: float, lean: bool) -> dict[str, Callable[[Array, Array, Track], None]]:
    """Return every method by its name, the package's first; ``lean`` leaves out the slowest of a kind."""
    given = {"n_intervals": CELLS}
    found: dict[str, Callable[[Array, Array, Track], None]] = {
        "lbfgs, cold": lambda *a: package(*a, solver="lbfgs"),
        "lbfgs, K given": lambda *a: package(*a, solver="lbfgs", **given),
        "lbfgs, K and start given": lambda *a: package(*a, solver="lbfgs", start="linear", **given),
        "gauss-newton, cold": lambda *a: package(*a, solver="gauss-newton"),
        "gauss-newton, K given": lambda *a: package(*a, solver="gauss-newton", **given),
        "SciPy, joint, own start": lambda *a: scipy_peer(*a, projected=False, whole=True),
        "SciPy, projected, own start": lambda *a: scipy_peer(*a, projected=True, whole=True),
        "SciPy, joint": lambda *a: scipy_peer(*a, projected=False),
        "SciPy, projected": lambda *a: scipy_peer(*a, projected=True),
        "SciPy, compiled sums": compiled_peer,
        "PyTorch, single": lambda *a: torch_peer(*a, dtype="float32"),
        "PyTorch, double": lambda *a: torch_peer(*a, dtype="float64"),
    }
    if lean:
        found = {k: v for k, v in found.items() if "gauss-newton" not in k and "double" not in k}
    if adam and not lean:
        found["PyTorch, MLP by Adam"] = lambda *a: adam_peer(*a, seconds=adam)
    return found


def compare(d: int, n_samples: int, seeds: int, adam: float, lean: bool) -> dict[str, Any]:
    """Run all methods at a point, and return and print the table."""
    names = methods(adam, lean)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    final: dict[str, list[float]] = {name: [] for name in names}
    whole: dict[str, list[float]] = {name: [] for name in names}
    targets = []
    for seed in range(-1, seeds):  # the first one warms up
        cell = {"truth": "spline", "smoothness": DEGREE, "d": d, "rank": RANK, "n_tokens": N_TOKENS}
        cell |= {"noise_std": NOISE, "n_samples": n_samples, "replicate": max(seed, 0)}
        model = truth_model(cell)
        X, Y = model.sample(n_samples, N_TOKENS, generator_for(cell, DATA_KEYS))
        if seed < 0:
            X, Y = X[:2000], Y[:2000]
        tracks = {}
        for name, method in names.items():
            if seed < 0 and "Adam" in name:
                continue
            tracks[name] = Track(model)
            method(X, Y, tracks[name])
        if seed < 0:
            continue
        lowest = {name: min(error for _, error in track.points) for name, track in tracks.items()}
        targets.append(1.1 * min(lowest.values()))
        for name, track in tracks.items():
            seconds[name].append(track.seconds_to(targets[-1]))
            final[name].append(lowest[name])
            whole[name].append(track.points[-1][0])
    peers = [name for name in names if name.startswith(("SciPy", "PyTorch"))]
    best = min(float(np.median(seconds[name])) for name in peers)
    print(f"\nd = {d}, rank {RANK}, N = {N_TOKENS}, M = {n_samples}, noise {NOISE}; {seeds} seeds; medians")
    print(f"target: 1.1 times the lowest error of all methods, median {np.median(targets):.3g}\n")
    print(f"{'':<28}{'CPU s':>9}{'best peer / it':>16}{'reached':>9}{'whole s':>9}{'lowest error':>14}")
    table = {}
    for name in names:
        middle = float(np.median(seconds[name]))
        reached = sum(math.isfinite(value) for value in seconds[name])
        error = float(np.median(final[name]))
        ratio = best / middle if math.isfinite(middle) and math.isfinite(best) else None
        table[name] = {
            "seconds": round(middle, 4) if math.isfinite(middle) else None,
            "best_peer_over_it": ratio and round(ratio, 3),
            "reached": reached,
            "whole_seconds": round(float(np.median(whole[name])), 4),
            "lowest_error": float(f"{error:.4g}"),
            "each": [round(value, 4) if math.isfinite(value) else None for value in seconds[name]],
        }
        shown = f"{ratio:.2f}" if ratio else "-"
        print(
            f"{name:<28}{middle:>9.3f}{shown:>16}{reached:>9}{np.median(whole[name]):>9.3f}{error:>14.3g}",
            flush=True,
        )
    return {
        "point": {
            "d": d, "rank": RANK, "n_tokens": N_TOKENS, "n_samples": n_samples, "noise_std": NOISE, "K": CELLS
        },
        "targets": [float(f"{value:.4g}") for value in targets],
        "table": table,
    }  # fmt: skip


def point(text: str) -> tuple[int, int]:
    """Read a dimension and a number of samples."""
    d, _, n_samples = text.partition(":")
    return int(d), int(n_samples)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--adam", type=float, default=0.0, help="seconds of training; 0: not run")
    parser.add_argument("--points", nargs="+", type=point, default=[point(each) for each in POINTS])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    load = provenance.load()
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", FitWarning)
        first, *others = (
            compare(d, m, options.seeds, options.adam, lean=number > 0)
            for number, (d, m) in enumerate(options.points)
        )
    content = provenance.measurement(
        "peers", load, options={"seeds": options.seeds, "adam": options.adam}, **first, others=others
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
