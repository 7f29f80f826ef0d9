"""The estimators at one reference point: error, computing time, and ratios between them.

    python benchmarks/estimators.py [--seeds 10] [--networks 1] [--end-to-end 1] [--samples 10000] [--write]

Reference point: d = 30, rank 2, N = 3, noise 0.1, spline truths of degree 3, M = 10,000 samples, K chosen
from the data. Each seed is another truth and other data, and every fit starts cold. Targets for
InteractionRegressor: a median error of at most 1.0e-4 and a worst of at most 2e-4 over 10 seeds;
converged for at least 95 of 100.

Printed beside it, on the first seeds: the oracle (the matrix known), NetworkRegressor (the alternating
pipeline), and a plain peer, a PyTorch network trained from end to end: factors and MLP at once, by Adam, from
random weights. Times are processor time on one thread, so that a busy machine distorts them little; of the
times, the ratios are the result.

With ``--write`` the numbers of every seed, what is printed, the machine, the versions and the date go to
``benchmarks/results/estimators.json`` (or to the file named). The run behind the targets, on a machine that
does nothing else:

    python benchmarks/estimators.py --seeds 100 --networks 5 --end-to-end 5 --write
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from pairint.engine.provenance import load, measurement
from pairint.engine.seeds import generator_for
from pairint.engine.store import write_atomic
from pairint.estimation import InteractionRegressor, NetworkRegressor, OracleRegressor, interaction_error
from pairint.estimation.mlp import NetworkActivation
from pairint.experiments.minimax.curves import DATA_KEYS, truth_model
from pairint.model import AttentionModel

D, RANK, N_TOKENS, NOISE, DEGREE = 30, 2, 3, 0.1, 3
GOOD = 2e-4  # an error beyond this is a fit that went astray
FILE = Path(__file__).parent / "results" / "estimators.json"


def end_to_end(X: NDArray[np.float64], Y: NDArray[np.float64], seed: int, epochs: int) -> AttentionModel:
    """Train factors and a 64-64 tanh MLP at once; return what was learned as a model."""
    import torch

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    n_samples, n_tokens, d = X.shape
    tokens, outputs = torch.tensor(X, dtype=torch.float32), torch.tensor(Y, dtype=torch.float32)
    factors = [torch.randn(d, RANK, generator=generator) / math.sqrt(d) for _ in range(2)]
    widths = (1, 64, 64, 1)
    weights, biases = [], []
    for fan_in, fan_out in itertools.pairwise(widths):
        bound = 1.0 / math.sqrt(fan_in)  # PyTorch's own choice
        weights.append((2 * torch.rand(fan_in, fan_out, generator=generator) - 1) * bound)
        biases.append((2 * torch.rand(fan_out, generator=generator) - 1) * bound)
    parameters = [tensor.requires_grad_() for tensor in (*factors, *weights, *biases)]
    batch, rate = min(256, n_samples), 5e-3
    optimiser = torch.optim.Adam(parameters, lr=rate)
    n_steps = math.ceil(epochs * n_samples / batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_steps)
    off_diagonal = torch.from_numpy(np.flatnonzero(~np.eye(n_tokens, dtype=bool)))
    for step in range(n_steps):
        if step % (n_samples // batch) == 0:
            order = torch.randperm(n_samples, generator=generator)
        start = step % (n_samples // batch) * batch
        index = order[start : start + batch]
        part = tokens[index]
        scores = (part @ factors[0]) @ (part @ factors[1]).transpose(1, 2)
        values = scores.reshape(batch, -1)[:, off_diagonal].reshape(-1, 1)
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            values = torch.tanh(values @ weight + bias)
        values = (values @ weights[-1] + biases[-1]).reshape(batch, n_tokens, n_tokens - 1)
        loss = ((values.mean(dim=2) - outputs[index]) ** 2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()

    def arrays(tensors: list[Any]) -> list[NDArray[np.float64]]:
        return [tensor.detach().numpy().astype(float) for tensor in tensors]

    left, right = arrays(factors)
    tokens_law = truth_model(cell_of(seed, n_samples)).tokens
    return AttentionModel(NetworkActivation(arrays(weights), arrays(biases)), left @ right.T, tokens_law)


def cell_of(seed: int, n_samples: int) -> dict[str, Any]:
    """Return the cell whose truth and data a seed stands for."""
    return {
        "truth": "spline",
        "smoothness": DEGREE,
        "d": D,
        "rank": RANK,
        "n_tokens": N_TOKENS,
        "noise_std": NOISE,
        "n_samples": n_samples,
        "replicate": seed,
    }


def measure(fit: Callable[[], Any], model: AttentionModel, seed: int) -> dict[str, float]:
    """Fit; return processor time, error and convergence."""
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = fit()
    seconds = time.process_time() - began
    error = interaction_error(fitted, model, rng=0).value
    converged = bool(getattr(fitted, "converged_", True))
    return {"seed": seed, "seconds": seconds, "error": error, "converged": converged}


def summary(rows: list[dict[str, float]], direct: list[dict[str, float]]) -> dict[str, float]:
    """Return quantiles, and ratios to the direct estimator on the same seeds."""
    error = np.array([row["error"] for row in rows])
    seconds = np.array([row["seconds"] for row in rows])
    same = direct[: len(rows)]
    return {
        "seeds": len(rows),
        "median_error": float(np.median(error)),
        "worst_error": float(error.max()),
        "error_ratio": float(np.exp(np.mean(np.log(error / [row["error"] for row in same])))),
        "median_seconds": float(np.median(seconds)),
        "seconds_ratio": float(np.median(seconds / [row["seconds"] for row in same])),
        "converged": sum(bool(row["converged"]) for row in rows),
        "good": int((error <= GOOD).sum()),
    }


def show(name: str, numbers: dict[str, float]) -> None:
    """Print one line of the table."""
    print(
        f"{name:<32}{numbers['seeds']:>6}{numbers['median_error']:>11.2e}{numbers['worst_error']:>11.2e}"
        f"{numbers['error_ratio']:>9.2f}{numbers['median_seconds']:>10.2f}{numbers['seconds_ratio']:>9.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="cold fits of InteractionRegressor")
    parser.add_argument("--networks", type=int, default=1, help="of them, with NetworkRegressor too")
    parser.add_argument("--end-to-end", type=int, default=1, help="of them, with the plain network too")
    parser.add_argument("--epochs", type=int, default=100, help="of the plain network")
    parser.add_argument("--samples", type=int, default=10_000, help="M")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--write", type=Path, nargs="?", const=FILE, help="write the numbers to a JSON file")
    options = parser.parse_args()
    load_at_start = load()
    if options.seeds < max(1, options.networks, options.end_to_end):
        parser.error("--seeds must be at least 1 and at least --networks and --end-to-end")

    results: dict[str, list[dict[str, float]]] = {
        "InteractionRegressor": [],
        "OracleRegressor": [],
        "NetworkRegressor": [],
        "NetworkRegressor, its MLP": [],
        f"end to end, {options.epochs} epochs": [],
    }
    direct, oracle, pipeline, mlp, plain = results.values()
    floors = []
    with threadpool_limits(1):
        for index in range(options.seeds):
            seed = options.first + index
            cell = cell_of(seed, options.samples)
            model = truth_model(cell)
            X, Y = model.sample(options.samples, N_TOKENS, generator_for(cell, DATA_KEYS))
            estimator = InteractionRegressor(RANK, DEGREE, random_state=seed)
            direct.append(measure(partial(estimator.fit, X, Y), model, seed))
            n_parameters = RANK * (2 * D - RANK) - 1 + estimator.n_intervals_ + DEGREE
            floors.append(NOISE**2 * n_parameters * (N_TOKENS - 1) / Y.size)
            oracle.append(measure(partial(OracleRegressor(model.matrix, DEGREE).fit, X, Y), model, seed))
            if index < options.networks:
                network = NetworkRegressor(RANK, DEGREE, random_state=seed)
                pipeline.append(measure(partial(network.fit, X, Y), model, seed))
                learned = AttentionModel(network.network_, network.matrix_, model.tokens)
                mlp.append(pipeline[-1] | {"error": interaction_error(learned, model, rng=0).value})
            if index < options.end_to_end:
                plain.append(measure(partial(end_to_end, X, Y, seed, options.epochs), model, seed))

    print(f"d = {D}, rank {RANK}, N = {N_TOKENS}, noise {NOISE}, P = {DEGREE}, M = {options.samples}")
    print("errors in L2(rho), squared; ratios to InteractionRegressor on the same seeds\n")
    print(f"{'':<32}{'seeds':>6}{'median':>11}{'worst':>11}{'ratio':>9}{'CPU s':>10}{'ratio':>9}")
    results = {name: rows for name, rows in results.items() if rows}
    table = {name: summary(rows, direct) for name, rows in results.items()}
    for name, numbers in table.items():
        show(name, numbers)
    floor = float(np.median(floors))
    print(f"\nnoise^2 x parameters x (N-1) / (M N), about the least possible: {floor:.2e}")
    cold = table["InteractionRegressor"]
    print(f"cold starts of InteractionRegressor: {cold['converged']} of {cold['seeds']} met the tolerance,")
    print(f"{cold['good']} of {cold['seeds']} have an error of at most {GOOD:g}")
    if options.write is not None:
        arguments = sys.argv[1:]
        if options.write != FILE:  # where a private copy went is of no interest
            arguments = [argument for argument in arguments if not argument.endswith(str(options.write))]
        point = {"d": D, "rank": RANK, "n_tokens": N_TOKENS, "noise_std": NOISE, "degree": DEGREE}
        record = measurement(
            "estimators",
            load_at_start,
            command=" ".join(["python benchmarks/estimators.py", *arguments]),
            point=point | {"n_samples": options.samples},
            good_error=GOOD,
            least_error=floor,
            summary=table,
            fits=results,
        )
        write_atomic(options.write, json.dumps(record, indent=1) + "\n")
        print(f"\nwritten to {options.write}")


if __name__ == "__main__":
    main()
