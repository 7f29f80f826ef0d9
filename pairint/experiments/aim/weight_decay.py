r"""Does the trained matrix obey the three equations of weight decay? Minimisers at two sizes.

Linear labels with noise and softmax labels without, wide and narrow layers, over a decade of the decay.
A cell draws a teacher and its labels and computes the minimiser of the convex loss, at d = 50 and at d = 100.
Data at :math:`\alpha\,(1 + 1/d)` stand beside theory at :math:`\alpha`. What is left of order 1/d cancels in
:math:`2 e_{2d} - e_d`, which is held to the theory: error, loss, trace and rank, each over what the equations
say.
"""

from __future__ import annotations

import math
import time
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

__all__ = ["EXPERIMENT", "QUANTITIES", "carried_ratios"]

#: Each decay has data of its own, so that points are independent.
DATA_KEYS = ("channel", "rho", "noise", "alpha", "decay", "d")
#: What is compared: the error, what the labels leave, the trace over d, the share of positive eigenvalues.
QUANTITIES = ("error", "loss", "trace", "rank")
_POINT = ["channel", "rho", "noise", "alpha", "decay"]
#: How near to its theory the mean ratio of all points must lie, interval and all.
EQUIVALENT = 0.03
#: Conditions of a minimum, relative to the decay; an eigenvalue below this is zero.
_TOL, _ZERO = 1e-3, 1e-6


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: for each line of the plan its numbers of samples, decays and sizes."""
    result = []
    for line in settings["plan"]:
        check_choice("channel", line["channel"], ("linear", "softmax"))
        check_real("rho", line["rho"], 0.0, 100.0, exclusive_minimum=True)
        check_real("noise", line["noise"], 0.0, 1e3)
        for alpha in line["alphas"]:
            check_real("alphas", alpha, 0.0, 10.0, exclusive_minimum=True)
        for decay in line["decays"]:
            check_real("decays", decay, 0.0, 1e3, exclusive_minimum=True)
        if line["channel"] == "softmax" and line["noise"]:
            raise ValueError(f"noise must be 0 for softmax labels, got {line['noise']}")
        for d, replicates in zip(settings["dimensions"], settings["replicates"], strict=True):
            result += grid(
                channel=line["channel"],
                rho=line["rho"],
                noise=line["noise"],
                alpha=line["alphas"],
                decay=line["decays"],
                d=check_integer("dimensions", d, 4, 1000),
                replicate=range(check_integer("replicates", replicates, 1, 10_000)),
            )
    return result


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Draw a layer and its labels; minimise."""
    from sklearn.exceptions import ConvergenceWarning

    from pairint.aim.teacher import AIMTeacher
    from pairint.aim.trace_penalty import trace_penalised, weight_decay

    d, kind, noise = cell["d"], cell["channel"], cell["noise"]
    teacher = AIMTeacher(d, cell["rho"], channel=kind, rng=generator_for(cell, DATA_KEYS, "teacher"))
    rng = generator_for(cell, DATA_KEYS)
    X, y = teacher.sample(round(cell["alpha"] * (1 + 1 / d) * d * d), rng)
    if noise:  # symmetric, of the variance of an index, which is twice as large on the diagonal
        error = rng.standard_normal(y.shape)
        y = y + math.sqrt(noise / 2) * (error + error.swapaxes(1, 2))
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the row says it
        found = trace_penalised(X, y, cell["decay"], kind, tol=_TOL)
    seconds = time.perf_counter() - began
    theory = weight_decay(cell["alpha"], cell["rho"], cell["decay"], kind, noise=noise)
    return [
        {
            "error": teacher.error(found.S),
            "loss": found.loss,
            "trace": float(np.trace(found.S)) / d,
            "positive": int((np.linalg.eigvalsh(found.S) > _ZERO).sum()),
            "theory_error": float(theory.error),
            "theory_loss": float(theory.loss),
            "theory_trace": float(theory.trace),
            "theory_rank": float(theory.rank),
            "converged": found.converged,
            "seconds": seconds,
        }
    ]


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return cell["alpha"] * cell["d"] ** 4 / cell["decay"] ** 0.5


def carried_ratios(table: DataFrame) -> DataFrame:
    """Return ratios to the theory, mean by mean, and carried on to infinite d; one row a point and quantity.

    Book: :doc:`/book/aim_weight_decay`.

    Parameters
    ----------
    table : DataFrame
        The experiment's table, of two sizes, one twice the other.

    Returns
    -------
    DataFrame
        Columns of the point, ``quantity``, ``small`` and ``large`` (mean ratios at the two sizes) and
        ``carried``.
    """
    import pandas as pd

    table = table.assign(rank=table["positive"] / table["d"])
    small, large = sorted(table["d"].unique())
    if large != 2 * small:
        raise ValueError(f"table must hold two sizes, one twice the other, got {small} and {large}")
    rows = []
    for key, part in table.groupby(_POINT, sort=False):
        for quantity in QUANTITIES:
            ratio = part[quantity] / part[f"theory_{quantity}"]
            at_small, at_large = (float(ratio[part["d"] == d].mean()) for d in (small, large))
            rows.append(
                dict(zip(_POINT, key, strict=True))
                | {"quantity": quantity, "small": at_small, "large": at_large}
                | {"carried": 2 * at_large - at_small}
            )
    return pd.DataFrame(rows)


def plot(table: DataFrame) -> Figure:
    """Draw minimisers on the curves of the equations, and how ratios approach one."""
    from pairint.engine.statistics import summarize
    from pairint.figures.aim_weight_decay import minimisers_figure

    return minimisers_figure(summarize(table, [*_POINT, "d"]), carried_ratios(table))


def claims(table: DataFrame) -> list[Claim]:
    """Hold the ratios that were carried on to one, over all points, and ask for minimisers at rest."""
    from pairint.engine.statistics import mean_interval

    ratios = carried_ratios(table)
    source = "our own theory"
    result = []
    for quantity in QUANTITIES:
        values = ratios[ratios["quantity"] == quantity]["carried"].to_numpy()
        mean, low, high = mean_interval(values)
        result.append(
            Claim(
                name=f"{quantity} of minimisers over the three equations, mean of {len(values)} points "
                "carried on to infinite d",
                source=source,
                ours=mean,
                interval=(low, high),
                expected=1.0,
                tolerance=EQUIVALENT,
                relation="equivalent",
            )
        )
    result.append(
        Claim(
            name=f"share of {len(table)} minimisers at rest",
            source=source,
            ours=float(table["converged"].mean()),
            expected=1.0,
            tolerance=0.0,
        )
    )
    return result


def _line(channel: str, rho: float, noise: float, alphas: list[float], decays: list[float]) -> dict[str, Any]:
    return {"channel": channel, "rho": rho, "noise": noise, "alphas": alphas, "decays": decays}


EXPERIMENT = Experiment(
    name="aim_weight_decay",
    title="What training with weight decay finds, beside its three equations",
    source="our own theory",
    version=1,
    presets={
        "quick": {
            "dimensions": [12, 24],
            "replicates": [6, 4],
            "plan": [
                _line("linear", 0.5, 0.2, [0.2], [0.1, 0.5]),
                _line("softmax", 0.5, 0.0, [0.15], [0.3]),
            ],
        },
        "full": {
            "dimensions": [50, 100],
            "replicates": [32, 16],
            "plan": [
                _line("linear", 0.3, 0.2, [0.1, 0.2, 0.4], [0.05, 0.2, 1.0]),
                _line("softmax", 0.3, 0.0, [0.15], [0.05, 0.3]),
                _line("linear", 0.05, 0.05, [0.1], [0.1]),
            ],
        },
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 3.0, "full": 240.0},
    data_keys=DATA_KEYS,
    cost=cost,
    reproducible="to 1e-3",
)  # fmt: skip
