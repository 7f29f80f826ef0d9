"""Beyond the papers: what queries, keys and the function cost in fits, from two tokens to 128.

A matrix of rank one is fitted with its activation. The fitted query vector and the fitted key vector are
compared with the true ones; of the function, fitted with the matrix known, the part of the noise is measured.
All is expressed as the squared error that one coefficient adds, in units of sigma^2/M.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.validation import check_choice, check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from pairint.model import AttentionModel

__all__ = ["CASES", "EXPERIMENT", "case_model", "falls", "share_of"]

_DATA_KEYS = ("case", "d", "noise_std", "n_tokens", "n_samples")
#: Law of the tokens (standard Gaussian, or the cube with a matrix of one entry) and activation.
CASES = {
    "even": ("gaussian", "cosine", 1.5),
    "odd": ("gaussian", "tanh", 1.5),
    "exponential": ("cube", "exponential", 0.5),
}
_DEGREE = 3
_N_PAIRS = 20_000
#: A Gaussian token leaves this ball, in units of the root of d, with probability below 1e-13 for d >= 8.
_CUTOFF = 4.0


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: cases x numbers of tokens x replicates."""
    for key in ("case", "n_tokens"):
        if not isinstance(settings[key], list | tuple) or len(settings[key]) == 0:
            raise ValueError(f"{key} must be a list with at least one value, got {settings[key]!r}")
    for value in settings["case"]:
        check_choice("case", value, tuple(CASES))
    for value in settings["n_tokens"]:
        check_integer("n_tokens", value, 2, 1000)
    check_integer("d", settings["d"], 8, 1000)
    check_integer("n_intervals", settings["n_intervals"], 1, 1000)
    check_real("noise_std", settings["noise_std"], 0.0, exclusive_minimum=True)
    for key, least in (("fewest_samples", 10), ("most_samples", 10), ("n_outputs", 100)):
        check_integer(key, settings[key], least, 10_000_000)
    check_integer("replicates", settings["replicates"], 1)
    low, high = settings["fewest_samples"], settings["most_samples"]
    return [
        cell | {"n_samples": max(low, min(high, settings["n_outputs"] // cell["n_tokens"]))}
        for cell in grid(
            case=settings["case"],
            d=settings["d"],
            noise_std=settings["noise_std"],
            n_intervals=settings["n_intervals"],
            n_tokens=settings["n_tokens"],
            replicate=range(settings["replicates"]),
        )
    ]


def _activation(case: str) -> tuple[str, Any]:
    from pairint.model import Cosine, Exponential, Tanh

    law, name, rate = CASES[check_choice("case", case, tuple(CASES))]
    return law, {"cosine": Cosine, "tanh": Tanh, "exponential": Exponential}[name](rate)


def case_model(case: str, d: int, noise_std: float, rng: Any) -> AttentionModel:
    """Return the truth of a case, with a matrix of rank one and norm one drawn from the generator."""
    from pairint.model import (
        AttentionModel,
        GaussianNoise,
        TruncatedGaussian,
        UniformCube,
        interaction_matrix,
    )

    law, activation = _activation(case)
    tokens = UniformCube(d) if law == "cube" else TruncatedGaussian(d, _CUTOFF)
    matrix = interaction_matrix(d, 1, rng, kind="coordinate" if law == "cube" else "gaussian")
    return AttentionModel(activation, matrix, tokens, GaussianNoise(noise_std))


def share_of(case: str) -> float:
    """Return the share of a query direction of a case: what one token knows of it."""
    from pairint.theory.information import query_share

    law, activation = _activation(case)
    return query_share(activation, law=law)


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit a cell; a row for the function, one for the queries, one for the keys."""
    from pairint.estimation import InteractionRegressor, OracleRegressor
    from pairint.experiments.solver import STORED_SOLVER
    from pairint.theory.information import direction_price, exact_information

    rng = generator_for(cell, _DATA_KEYS)
    d, n_tokens, n_samples = cell["d"], cell["n_tokens"], cell["n_samples"]
    n_intervals = cell["n_intervals"]
    model = case_model(cell["case"], d, cell["noise_std"], rng)
    X, Y = model.sample(n_samples, n_tokens, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what does not converge is counted
        fit = InteractionRegressor(1, _DEGREE, n_intervals, solver=STORED_SOLVER, random_state=rng).fit(X, Y)
        oracle, clean = (
            OracleRegressor(model.matrix, _DEGREE, n_intervals).fit(X, outputs)
            for outputs in (Y, model.forward(X))
        )
    unit = cell["noise_std"] ** 2 / n_samples
    law, activation = _activation(cell["case"])
    exact = exact_information(activation, n_tokens, d=d, law=law)
    left, _, right = np.linalg.svd(model.matrix)
    found_left, _, found_right = np.linalg.svd(fit.matrix_)
    cosines = {"queries": left[:, 0] @ found_left[:, 0], "keys": right[0] @ found_right[0]}
    rows = []
    for block, cosine in cosines.items():
        # A unit step along one direction moves the interaction by E h^2, the diagonal of the Gram matrix.
        second = float(exact.pair[exact.blocks[block].start, exact.blocks[block].start])
        share = share_of(cell["case"]) if block == "queries" else 0.0
        rows.append(
            {
                "estimator": block,
                "sine_squared": float(1 - cosine**2),
                "price": float((1 - cosine**2) * second / ((d - 1) * unit)),
                "theory": direction_price(n_tokens, share),
            }
        )
    # The fit is linear in the outputs: what the noise does to it is the difference to the fit without noise.
    pairs = model.tokens.sample(_N_PAIRS, 2, generator_for(cell, _DATA_KEYS, "error"))
    noise = oracle.interaction(pairs[:, 0], pairs[:, 1]) - clean.interaction(pairs[:, 0], pairs[:, 1])
    known = exact_information(activation, n_tokens, d=d, law=law, space=oracle.activation_.space)
    rows.append(
        {
            "estimator": "function",
            "sine_squared": 0.0,
            "price": float(np.mean(noise**2)) / (oracle.dof_ * unit),
            "theory": known.price("function"),
        }
    )
    converged = bool(fit.converged_)
    return [row | {"converged": converged} for row in rows]


def falls(table: DataFrame) -> DataFrame:
    """Return, for each case and block, the slope in N of the price over (N-1)/N, from N = 8 on.

    ``slope`` with its interval is measured, ``theory`` that of the closed form at the same numbers of tokens.
    """
    from pairint.engine.statistics import slope_table

    part = table[(table["n_tokens"] >= 8) & (table["estimator"] != "function")]
    n = part["n_tokens"]
    part = part.assign(relative=part["price"] * n / (n - 1), closed=part["theory"] * n / (n - 1))
    keys = ["case", "estimator"]
    measured = slope_table(part, keys, x="n_tokens", y="relative")
    closed = slope_table(part, keys, x="n_tokens", y="closed")
    return measured.assign(theory=closed["slope"])


def plot(table: DataFrame) -> Figure:
    """Draw measured prices over the closed form."""
    from pairint.engine.statistics import summarize
    from pairint.figures.longer_context import context_price_figure

    points = summarize(table, ["case", "estimator", "n_tokens"], y="price")
    return context_price_figure(points, {case: share_of(case) for case in dict.fromkeys(table["case"])})


def claims(table: DataFrame) -> list[Claim]:
    """Compare slopes in N, and prices at the largest N, with the closed form."""
    from pairint.engine.statistics import mean_interval

    result = []
    if (table.loc[table["n_tokens"] >= 8, "n_tokens"].nunique()) > 1:
        for _, line in falls(table).iterrows():
            result.append(
                Claim(
                    name=f"slope in N of the price of {line['estimator']}, {line['case']} activation",
                    source="our own theorem",
                    ours=float(line["slope"]),
                    interval=(float(line["low"]), float(line["high"])),
                    expected=float(line["theory"]),
                    tolerance=0.1,
                )
            )
    most = int(table["n_tokens"].max())
    last = table[(table["n_tokens"] == most) & (table["estimator"] != "function")]
    for (case, block), group in last.groupby(["case", "estimator"], sort=False):
        mean, low, high = mean_interval((group["price"] / group["theory"]).to_numpy())
        result.append(
            Claim(
                name=f"price of {block} over the closed form, {case} activation, N = {most}",
                source="our own theorem",
                ours=mean,
                interval=(low, high),
                expected=1.0,
                tolerance=0.1,
            )
        )
    return result


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return cell["n_samples"] * cell["n_tokens"] ** 2 + 100_000.0


_SETTINGS: dict[str, Any] = {
    "case": list(CASES), "d": 20, "noise_std": 0.2, "n_intervals": 32, "n_outputs": 16_000,
    "most_samples": 2000, "fewest_samples": 500,
}  # fmt: skip

EXPERIMENT = Experiment(
    name="context_price",
    title="What a coefficient of the function, of the queries and of the keys costs, against the context",
    source="our own theorem",
    version=1,
    presets={
        "quick": _SETTINGS | {"n_tokens": [2, 8, 16], "replicates": 4},
        "full": _SETTINGS | {"n_tokens": [2, 4, 8, 16, 32, 64, 128], "replicates": 12},
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 15.0, "full": 240.0},
    data_keys=_DATA_KEYS,
    cost=cost,
)
