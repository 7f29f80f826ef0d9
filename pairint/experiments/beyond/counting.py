"""How far above the count of equations does recovery begin? Fits with few outputs and little noise.

The unit is the number of unknowns: ``r (2d - r) - 1`` numbers of the matrix and ``K + s`` of the spline. With
fewer outputs than unknowns nothing can be recovered; how many more a fit needs depends on whether the
activation has a linear part, by which it finds a start.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
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

__all__ = ["EXPERIMENT", "RECOVERED", "half_recovered", "recovery_shares", "unknowns"]

_DATA_KEYS = ("activation", "d", "rank", "n_tokens", "noise_std", "ratio")
_ACTIVATIONS = ("tanh", "cosine")
_DEGREE, _CELLS, _N_PAIRS = 3, 6, 20_000
#: A fit has recovered the interaction if it misses so much of its variance at most.
RECOVERED = 0.1


def unknowns(d: int, rank: int) -> int:
    """Return how many numbers a fit of this experiment determines: the matrix's and the spline's."""
    from pairint.theory.rates import matrix_dimension

    return matrix_dimension(d, rank) - 1 + _CELLS + _DEGREE


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: activations x shapes ``[d, rank]`` x outputs for an unknown x replicates."""
    for key in ("activations", "shapes", "ratios"):
        values = settings[key]
        if not isinstance(values, Sequence) or isinstance(values, str) or len(values) == 0:
            raise ValueError(f"{key} must be a list with at least one value, got {values!r}")
    for activation in settings["activations"]:
        check_choice("activations", activation, _ACTIVATIONS)
    n_tokens = check_integer("n_tokens", settings["n_tokens"], 2)
    noise_std = check_real("noise_std", settings["noise_std"], 0.0)
    replicates = check_integer("replicates", settings["replicates"], 1)
    found: list[dict[str, Any]] = []
    for activation in settings["activations"]:
        for shape in settings["shapes"]:
            if not isinstance(shape, Sequence) or len(shape) != 2:
                raise ValueError(f"shapes must hold [d, rank], got {shape!r}")
            check_integer("rank", shape[1], 1, check_integer("d", shape[0], 2, 1000))
            for ratio in settings["ratios"]:
                check_real("ratios", ratio, 1.0, 1000.0)
            found += grid(
                activation=activation,
                d=shape[0],
                rank=shape[1],
                n_tokens=n_tokens,
                noise_std=noise_std,
                ratio=list(settings["ratios"]),
                replicate=range(replicates),
            )
    return found


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit once; return the part of the interaction's variance that is missed on new pairs."""
    from pairint.estimation import InteractionRegressor
    from pairint.experiments.solver import STORED_SOLVER
    from pairint.model import (
        AttentionModel,
        Cosine,
        GaussianNoise,
        Tanh,
        TruncatedGaussian,
        interaction_matrix,
    )

    rng = generator_for(cell, _DATA_KEYS)
    d, rank, n_tokens = cell["d"], cell["rank"], cell["n_tokens"]
    law = TruncatedGaussian(d, 4.0)
    activation: Any = Tanh(1.0) if cell["activation"] == "tanh" else Cosine(1.0)
    matrix = interaction_matrix(d, rank, rng, kind="orthogonal")
    model = AttentionModel(activation, matrix / np.linalg.norm(matrix), law, GaussianNoise(cell["noise_std"]))
    n_samples = -(-round(cell["ratio"] * unknowns(d, rank)) // n_tokens)
    X, Y = model.sample(n_samples, n_tokens, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what does not converge is counted
        seed = generator_for(cell, _DATA_KEYS, "fit")
        fit = InteractionRegressor(rank, _DEGREE, _CELLS, solver=STORED_SOLVER, random_state=seed)
        fit.fit(X, Y)
    x, y = law.sample(_N_PAIRS, 2, generator_for(cell, _DATA_KEYS, "pairs")).swapaxes(0, 1)
    truth = model.interaction(x, y)
    missed = float(np.mean((fit.interaction(x, y) - truth) ** 2) / np.var(truth))
    return [
        {
            "n_samples": n_samples,
            "numbers": unknowns(d, rank),
            "missed": missed,
            "recovered": missed <= RECOVERED,
            "fitted_risk": float(fit.risk_),
        }
    ]


def recovery_shares(table: DataFrame) -> DataFrame:
    """Return the share of fits that recovered, with its 95 % interval (Clopper and Pearson).

    Book: :doc:`/book/one_diagram`.

    Returns
    -------
    DataFrame
        Columns ``activation``, ``d``, ``rank``, ``ratio``, ``numbers``, ``n``, ``share``, ``low``, ``high``.
    """
    import pandas as pd
    from scipy.stats import beta

    rows = []
    for key, part in table.groupby(["activation", "d", "rank", "ratio"], sort=False):
        n, k = len(part), int(part["recovered"].sum())
        rows.append(
            dict(zip(("activation", "d", "rank", "ratio"), key, strict=True))
            | {
                "numbers": int(part["numbers"].iloc[0]),
                "n": n,
                "share": k / n,
                "low": 0.0 if k == 0 else float(beta.ppf(0.025, k, n - k + 1)),
                "high": 1.0 if k == n else float(beta.ppf(0.975, k + 1, n - k)),
            }
        )
    return pd.DataFrame(rows)


def half_recovered(table: DataFrame) -> DataFrame:
    """Return, for each activation and shape, the smallest ratio from which on half of the fits recover.

    Book: :doc:`/book/one_diagram`.

    Returns
    -------
    DataFrame
        Columns ``activation``, ``d``, ``rank``, ``numbers``, ``ratio`` (NaN if even the largest does not).
    """
    import pandas as pd

    rows = []
    for key, part in recovery_shares(table).groupby(["activation", "d", "rank"], sort=False):
        part = part.sort_values("ratio")
        short = part.loc[part["share"] < 0.5, "ratio"]
        beyond = part.loc[part["ratio"] > (short.max() if len(short) else 0.0), "ratio"]
        rows.append(
            dict(zip(("activation", "d", "rank"), key, strict=True))
            | {
                "numbers": int(part["numbers"].iloc[0]),
                "ratio": float(beyond.min()) if len(beyond) else np.nan,
            }
        )
    return pd.DataFrame(rows)


def plot(table: DataFrame) -> Figure:
    """Draw the share of fits that recover against outputs for each unknown."""
    from pairint.figures.diagram import recovery_figure

    return recovery_figure(recovery_shares(table))


def claims(table: DataFrame) -> list[Claim]:
    """Say from where on half of the fits recover; at the least ratio almost none do (control)."""
    result = [
        Claim(
            name=f"outputs for each unknown at which half of the fits recover: {row['activation']}, "
            f"d = {row['d']}, r = {row['rank']}",
            source="our own experiment",
            ours=None if np.isnan(row["ratio"]) else float(row["ratio"]),
            expected=1.0,
            relation="at least",
        )
        for _, row in half_recovered(table).iterrows()
    ]
    shares = recovery_shares(table)
    for activation, part in shares[shares["ratio"] == shares["ratio"].min()].groupby("activation"):
        result.append(
            Claim(
                name=f"share recovered at {part['ratio'].iloc[0]:g} outputs for each unknown: {activation}",
                source="our own experiment (control)",
                ours=float(part["share"].mean()),
                expected=0.5,
                relation="at most",
            )
        )
    return result


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return float(cell["ratio"] * unknowns(cell["d"], cell["rank"]) + 200)


_SETTINGS: dict[str, Any] = {
    "activations": list(_ACTIVATIONS),
    "n_tokens": 3,
    "noise_std": 0.01,
}

EXPERIMENT = Experiment(
    name="counting",
    title="Recovery from few outputs: how many for each unknown",
    source="our own experiment",
    version=1,
    presets={
        "quick": _SETTINGS | {"shapes": [[8, 1]], "ratios": [1.2, 2.0, 5.0], "replicates": 4},
        "full": _SETTINGS
        | {
            "shapes": [[8, 1], [16, 1], [32, 1], [16, 2]],
            "ratios": [1.2, 1.6, 2.0, 2.5, 3.2, 4.0, 6.0, 10.0],
            "replicates": 12,
        },
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 4.0, "full": 400.0},
    data_keys=_DATA_KEYS,
    cost=cost,
)
