"""Beyond the papers: the constant in front of rd/M, from excess errors over the oracle.

The unit is ``p sigma^2 (N - 1) / (M N)`` with ``p = r (2d - r) - 1``: what p directions cost that no token
knows. For odd activations the theory says one, for every number of tokens; for others less, by what a token
knows of queries. The prediction is computed from the tokens of each fit: the covariance of least squares.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.backend import array_namespace
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.validation import check_choice, check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["ACTIVATIONS", "EXPERIMENT", "Mixed", "constants"]

_DATA_KEYS = ("activation", "d", "rank", "n_tokens", "n_samples", "noise_std")
ACTIVATIONS = ("odd", "mixed")
_DEGREE = 3
_N_PAIRS = 40_000
_CUTOFF = 4.0
#: Pairs for the Gram matrix of the prediction: for each direction, at least and at most.
_PAIRS_EACH, _PAIRS_LEAST, _PAIRS_MOST = 40, 20_000, 40_000
#: With more numbers than that the normal equations of Gauss-Newton take minutes a step.
_MOST_DENSE = 1000


@dataclass(frozen=True)
class Mixed:
    """``tanh(u) + cos(1.5 u) / 2``: smooth, neither odd nor even."""

    smoothness = float("inf")

    def __call__(self, u: Any) -> Any:
        xp = array_namespace(u)
        return xp.tanh(u) + 0.5 * xp.cos(1.5 * u)

    def derivative(self, u: Any) -> Any:
        """Return the first derivative."""
        xp = array_namespace(u)
        return 1 - xp.tanh(u) ** 2 - 0.75 * xp.sin(1.5 * u)


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: for each shape, the list of activation, d, rank, N, M and number of replicates."""
    shapes = settings["shapes"]
    if not isinstance(shapes, list | tuple) or len(shapes) == 0:
        raise ValueError(f"shapes must be a list with at least one shape, got {shapes!r}")
    noise_std = check_real("noise_std", settings["noise_std"], 0.0, exclusive_minimum=True)
    n_intervals = check_integer("n_intervals", settings["n_intervals"], 1, 1000)
    found = []
    for shape in shapes:
        if not isinstance(shape, list | tuple) or len(shape) != 6:
            raise ValueError(f"shapes must hold [activation, d, rank, N, M, replicates], got {shape!r}")
        activation, d, rank, n_tokens, n_samples, replicates = shape
        check_choice("activation", activation, ACTIVATIONS)
        check_integer("d", d, 2, 1000)
        check_integer("rank", rank, 1, d)
        check_integer("n_tokens", n_tokens, 2)
        check_integer("n_samples", n_samples, 50)
        for replicate in range(check_integer("replicates", replicates, 1, 1000)):
            found.append(
                {
                    "activation": activation,
                    "d": d,
                    "rank": rank,
                    "n_tokens": n_tokens,
                    "n_samples": n_samples,
                    "noise_std": noise_std,
                    "n_intervals": n_intervals,
                    "replicate": replicate,
                }
            )
    return found


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the excess error of a fit over the oracle, measured and predicted, in the unit of the module."""
    from pairint.estimation import InteractionRegressor, OracleRegressor
    from pairint.experiments.solver import STORED_SOLVER
    from pairint.model import (
        AttentionModel,
        GaussianNoise,
        Tanh,
        TruncatedGaussian,
        interaction_matrix,
    )
    from pairint.model.tangent import Information, measured_information
    from pairint.theory.rates import matrix_dimension, parameter_price

    rng = generator_for(cell, _DATA_KEYS)
    d, rank, n_tokens = cell["d"], cell["rank"], cell["n_tokens"]
    law = TruncatedGaussian(d, _CUTOFF)
    activation = Tanh() if cell["activation"] == "odd" else Mixed()
    matrix = interaction_matrix(d, rank, rng, kind="orthogonal")
    numbers = matrix_dimension(d, rank) - 1
    model = AttentionModel(activation, matrix, law, GaussianNoise(cell["noise_std"]))
    X, Y = model.sample(cell["n_samples"], n_tokens, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what does not converge is counted
        solver = STORED_SOLVER if numbers <= _MOST_DENSE else "lbfgs"
        fit = InteractionRegressor(rank, _DEGREE, cell["n_intervals"], solver=solver, random_state=rng).fit(
            X, Y
        )
        oracle = OracleRegressor(matrix, _DEGREE, cell["n_intervals"]).fit(X, Y)
    pairs = law.sample(_N_PAIRS, 2, generator_for(cell, _DATA_KEYS, "error"))
    truth = model.interaction(pairs[:, 0], pairs[:, 1])
    errors = [
        float(np.mean((each.interaction(pairs[:, 0], pairs[:, 1]) - truth) ** 2)) for each in (fit, oracle)
    ]
    unit = numbers * parameter_price(cell["n_samples"], n_tokens=n_tokens, noise_std=cell["noise_std"])
    space = oracle.activation_.space
    here = measured_information(X, matrix, activation, space=space)
    count = min(max(_PAIRS_LEAST, _PAIRS_EACH * numbers), _PAIRS_MOST)
    fresh = law.sample(count, 2, generator_for(cell, _DATA_KEYS, "pairs"))
    there = measured_information(fresh, matrix, activation, space=space)
    expected = Information(here.aggregated, there.pair, n_tokens, 1, 1.0, here.blocks).matrix_price()
    return [
        {
            "numbers": numbers,
            "error": errors[0],
            "oracle_error": errors[1],
            "constant": (errors[0] - errors[1]) / unit,
            "predicted": expected * n_tokens / ((n_tokens - 1) * numbers),
            "converged": bool(fit.converged_),
        }
    ]


def constants(table: DataFrame) -> DataFrame:
    """Return, for each shape, the mean constant with its 95 % interval, and the mean prediction."""
    import pandas as pd

    from pairint.engine.statistics import mean_interval

    rows = []
    keys = ["activation", "d", "rank", "n_tokens", "n_samples", "numbers"]
    for key, group in table.groupby(keys, sort=False):
        mean, low, high = mean_interval(group["constant"].to_numpy())
        ratio, ratio_low, ratio_high = mean_interval((group["constant"] / group["predicted"]).to_numpy())
        rows.append(
            dict(zip(keys, key, strict=True))
            | {"constant": mean, "low": low, "high": high, "predicted": float(group["predicted"].mean())}
            | {"ratio": ratio, "ratio_low": ratio_low, "ratio_high": ratio_high, "fits": len(group)}
        )
    return pd.DataFrame(rows)


def plot(table: DataFrame) -> Figure:
    """Draw the constants against the number of parameters."""
    from pairint.figures.longer_context import constant_figure

    return constant_figure(constants(table))


def claims(table: DataFrame) -> list[Claim]:
    """Compare the constants with those that the information predicts."""
    result = []
    for _, line in constants(table).iterrows():
        shape = f"d = {line['d']}, r = {line['rank']}, N = {line['n_tokens']}, {line['activation']}"
        result.append(
            Claim(
                name=f"excess error over p σ²(N−1)/(MN), {shape} activation",
                source="our own theorem",
                ours=float(line["constant"]),
                interval=(float(line["low"]), float(line["high"])),
                expected=float(line["predicted"]),
                tolerance=0.15,
            )
        )
    return result


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell: outputs times the square of the system's width."""
    width = 2 * cell["d"] * cell["rank"] + 30
    return cell["n_samples"] * cell["n_tokens"] * (width**2 + 20 * cell["n_tokens"])


_SETTINGS: dict[str, Any] = {"noise_std": 0.3, "n_intervals": 20}

EXPERIMENT = Experiment(
    name="matrix_price",
    title="The constant in front of rd/M: excess error over p sigma^2 (N-1)/(MN)",
    source="our own theorem",
    version=1,
    presets={
        "quick": _SETTINGS
        | {
            "shapes": [
                ["odd", 5, 1, 3, 2000, 6],
                ["odd", 20, 2, 3, 4000, 4],
                ["mixed", 20, 1, 16, 1000, 4],
            ]
        },
        "full": _SETTINGS
        | {
            "shapes": [
                ["odd", 5, 1, 3, 4000, 96],
                ["odd", 20, 1, 3, 4000, 12],
                ["odd", 20, 1, 16, 1000, 12],
                ["odd", 20, 2, 3, 4000, 12],
                ["odd", 50, 1, 3, 4000, 12],
                ["odd", 50, 2, 3, 4000, 12],
                ["odd", 100, 1, 3, 4000, 12],
                ["odd", 100, 2, 3, 6000, 6],
                ["odd", 50, 5, 3, 8000, 4],
                ["odd", 30, 10, 3, 8000, 4],
                ["odd", 100, 10, 3, 30_000, 3],
                ["mixed", 20, 1, 2, 4000, 12],
                ["mixed", 20, 1, 3, 4000, 12],
                ["mixed", 20, 1, 16, 1000, 12],
                ["mixed", 20, 3, 16, 1000, 8],
            ]
        },
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 15.0, "full": 500.0},
    data_keys=_DATA_KEYS,
    cost=cost,
)
