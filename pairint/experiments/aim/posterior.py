r"""Exact samples of the posterior, beside gradient descent and message passing on the same data.

Small layers, softmax of two tokens. Two chains of :func:`pairint.aim.posterior.posterior_weights` walk on the
weights that explain all labels. One begins at the truth, which is itself a draw of the posterior, so that
every state of it is an exact draw, at first too near the truth; the other at a run of gradient descent, too
far, if anything. Where both agree, the posterior has been seen.

The truth is a draw of the posterior; so for any estimator :math:`\hat S(\text{data})`

.. math::

   \mathbb E\lVert S - \hat S\rVert^2
   = \mathbb E\lVert S - m\rVert^2 + \mathbb E\lVert m - \hat S\rVert^2

with the posterior mean m. The last term is the ``excess``: it is measured without the truth, as the product
of :math:`m_1 - \hat S_1` and :math:`m_2 - \hat S_2` from two chains and two halves of the runs, which has no
bias from their noise.
"""

from __future__ import annotations

import math
import time
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.experiments.aim import points
from pairint.experiments.aim.descent import descent_options, samples_at
from pairint.validation import check_choice, check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT", "excess_table"]

DATA_KEYS = points.DATA_KEYS
#: Of a chain: the length of a step, and steps of a trajectory.
_STEP, _N_STEPS = 0.25, 4
#: Two numbers of the same size up to this are equivalent, interval and all.
_EQUIVALENT = 0.1


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: layers at several fractions of the threshold."""
    check_real("rho", settings["rho"], 0.0, 100.0, exclusive_minimum=True)
    check_integer("n_draws", settings["n_draws"], 8, 1_000_000)
    check_integer("n_runs", settings["n_runs"], 4, 1000)
    for name in settings["dynamics"]:
        check_choice("dynamics", name, ("adam", "small steps", "decaying steps", "equations"))
    d = check_integer("d", settings["d"], 4, 60)
    check_integer("replicates", settings["replicates"], 1)
    result = []
    for fraction in settings["fractions"]:
        check_real("fractions", fraction, 0.0, 0.95, exclusive_minimum=True)
        result += grid(
            channel="softmax",
            n_tokens=2,
            rho=settings["rho"],
            alpha=samples_at(fraction, settings["rho"], d=d),
            fraction=fraction,
            d=d,
            dynamics=[list(settings["dynamics"])],
            n_runs=settings["n_runs"],
            n_draws=settings["n_draws"],
            replicate=range(settings["replicates"]),
        )
    return result


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Walk two chains, descend, pass messages; compare all with the posterior mean."""
    from sklearn.exceptions import ConvergenceWarning

    from pairint.aim.amp import amp
    from pairint.aim.gradient_descent import gradient_descent
    from pairint.aim.posterior import posterior_weights

    teacher, X, y = points.data(cell)
    d, k = cell["d"], cell["n_runs"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        runs = {
            name: gradient_descent(
                X, y, teacher.width, n_runs=k + 1, rng=generator_for(cell, DATA_KEYS, "students"),
                **descent_options(name),
            )
            for name in cell["dynamics"]
        }  # fmt: skip
        passing = amp(X, y, teacher.rho)
    starts = {"truth": teacher.W, "descent": runs[cell["dynamics"][-1]].weights[k]}  # a run of its own
    began = time.perf_counter()
    chains = {
        name: posterior_weights(
            X, y, start, n_draws=cell["n_draws"], step=_STEP, n_steps=_N_STEPS,
            rng=generator_for(cell, DATA_KEYS, f"chain from {name}"),
        )
        for name, start in starts.items()
    }  # fmt: skip
    seconds = time.perf_counter() - began

    def product(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
        return float((first * second).sum()) / d

    halves = {name: chain.matrices[cell["n_draws"] // 2 :] for name, chain in chains.items()}
    means = [half.mean(axis=0) for half in halves.values()]
    # Of one draw, in the mean over the posterior; the two chains are independent given the data.
    spread = (
        sum(product(half, half) for half in halves.values()) / len(halves["truth"]) - 2 * product(*means)
    ) / 2
    left = product(means[0] - teacher.S, means[1] - teacher.S)
    shared = {"acceptance": chains["truth"].acceptance, "residual": max(c.residual for c in chains.values())}
    rows = [
        {
            "estimator": "posterior",
            "error": left,
            "spread": spread,
            "excess": 0.0,
            "from_truth": product(*[halves["truth"][-1] - teacher.S] * 2) / 2,
            "from_descent": product(*[halves["descent"][-1] - teacher.S] * 2) / 2,
            "seconds": seconds,
        }
    ]
    estimates = {"amp": (passing.S, passing.S, teacher.error(passing.S), math.nan)}
    for name, found in runs.items():
        matrices = found.runs[:k]
        first, second = matrices[: k // 2].mean(axis=0), matrices[k // 2 :].mean(axis=0)
        mean = matrices.mean(axis=0)
        scatter = float(((matrices - mean) ** 2).sum()) / ((k - 1) * d)
        estimates[name] = (first, second, teacher.error(mean) - scatter / k, scatter)
    for name, (first, second, error, scatter) in estimates.items():
        rows.append(
            {
                "estimator": name,
                "error": error,
                "spread": scatter,
                "excess": product(means[0] - first, means[1] - second),
                "from_truth": math.nan,
                "from_descent": math.nan,
                "seconds": math.nan,
            }
        )
    return [row | shared for row in rows]


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return cell["alpha"] ** 2 * cell["d"] ** 6 * cell["n_draws"]


def excess_table(table: DataFrame) -> DataFrame:
    """Return by how much each estimator exceeds the Bayes-optimal error at this very d, with 95 % intervals.

    Book: :doc:`/book/aim_gradient_descent`.

    Parameters
    ----------
    table : DataFrame
        The experiment's table.

    Returns
    -------
    DataFrame
        Columns ``d``, ``fraction``, ``estimator``, ``bayes`` (mean over teachers of the posterior's spread,
        which is the Bayes-optimal error), ``ratio`` (one more than the mean excess over it), ``low``,
        ``high``, and ``spread_ratio`` (of the runs, over that of the posterior), ``spread_low``,
        ``spread_high``.
    """
    import pandas as pd

    rows = []
    keys = ["d", "fraction"]
    posterior = table[table["estimator"] == "posterior"].set_index([*keys, "replicate"]).sort_index()
    for (d, fraction, estimator), part in table.groupby([*keys, "estimator"]):
        if estimator == "posterior" or len(part) < 2:
            continue
        exact = posterior.loc[(d, fraction)]["spread"]
        bayes = float(exact.mean())
        own = part.set_index("replicate")
        mean, low, high = _ratio(exact + own["excess"], exact)
        spread, spread_low, spread_high = _ratio(own["spread"], exact)
        rows.append(
            {
                "d": d,
                "fraction": fraction,
                "estimator": estimator,
                "bayes": bayes,
                "ratio": mean,
                "low": low,
                "high": high,
                "spread_ratio": spread,
                "spread_low": spread_low,
                "spread_high": spread_high,
            }
        )
    return pd.DataFrame(rows)


def _ratio(above: Any, below: Any) -> tuple[float, float, float]:
    """Return a ratio of means over teachers and its 95 % interval; NaN where there are no numbers.

    Its linear part, teacher by teacher, has the scatter.
    """
    from pairint.engine.statistics import mean_interval

    if above.isna().any():
        return math.nan, math.nan, math.nan
    ratio = float(above.mean() / below.mean())
    return mean_interval(((above - ratio * below) / below.mean() + ratio).to_numpy())


def plot(table: DataFrame) -> Figure:
    """Draw the excess of descent and of message passing over the Bayes-optimal error."""
    from pairint.figures.aim_descent import excess_figure

    return excess_figure(excess_table(table))


def claims(table: DataFrame) -> list[Claim]:
    """Hold the chains to what a posterior must satisfy, and descent to the Bayes-optimal error."""
    from pairint.engine.statistics import mean_interval

    source = "our own comparison"
    exact = table[table["estimator"] == "posterior"]
    result = []
    for name, over, under in (
        ("distance of the posterior mean to the truth over the spread", "error", "spread"),
        ("distance to the truth, chain from the truth over chain from descent", "from_truth", "from_descent"),
    ):
        a, b = exact[over].to_numpy(), exact[under].to_numpy()
        ratio = a.mean() / b.mean()
        values = (a - ratio * b) / b.mean() + ratio  # the linear part of a ratio of means
        mean, low, high = mean_interval(values)
        result.append(
            Claim(
                name=f"{name} (Nishimori: 1)",
                source=source,
                ours=mean,
                interval=(low, high),
                expected=1.0,
                tolerance=_EQUIVALENT,
            )
        )
    for _, row in excess_table(table).iterrows():
        result.append(
            Claim(
                name=f"error over the exact Bayes-optimal one, {row['estimator']}, d = {int(row['d'])}, "
                f"{row['fraction']:g} of the threshold",
                source=source,
                ours=float(row["ratio"]),
                interval=(float(row["low"]), float(row["high"])),
                expected=1.0,
                tolerance=0.05,
                relation="equivalent",
            )
        )
    return result


EXPERIMENT = Experiment(
    name="aim_posterior",
    title="Exact posterior samples beside gradient descent and message passing, at small d",
    source="our own experiment",
    version=1,
    presets={
        "quick": {"rho": 0.5, "d": 8, "replicates": 3, "fractions": [0.3, 0.7],
                  "dynamics": ["adam", "equations"], "n_runs": 8, "n_draws": 60},
        "full": {"rho": 0.5, "d": 16, "replicates": 5, "fractions": [0.27, 0.55, 0.8],
                 "dynamics": ["adam", "equations"], "n_runs": 8, "n_draws": 200},
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 6.0, "full": 60.0},
    data_keys=DATA_KEYS,
    cost=cost,
    reproducible="in distribution",  # a walk on a curved manifold doubles each rounding
)  # fmt: skip
