"""Beyond the papers: what it costs that the normaliser of attention is unknown.

The same tokens, matrix, activation, values and noise are observed in three ways: through the row-normalised
sum; through the same sum with the denominators *told*, that is as a linear channel with known weights; and
through the mean over partners, which has no denominators. The activation has mean one over pairs, so that the
three signals are of one size.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.validation import check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from pairint.engine.statistics import Slope

__all__ = ["ARMS", "EXPERIMENT", "factor_slope", "factors"]

#: What is observed -> how a picture calls it.
ARMS = {
    "unknown": "row-normalised",
    "told": "row-normalised, denominators told",
    "mean": "mean over partners",
}
_TRUTH_KEYS = ("d", "n_tokens")
_DATA_KEYS = (*_TRUTH_KEYS, "noise_std", "n_samples")
_N_PAIRS, _N_INFORMATION, _N_LEVEL = 4000, 2000, 100_000
#: So small that it settles empty cells only: the prediction from information has none.
_PENALTY = 1e-3
#: The exponent by which the factor may grow with M and still count as not growing.
MARGIN = 0.2


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: numbers of tokens x sample sizes x replicates."""
    for key in ("n_tokens", "n_samples"):
        if not isinstance(settings[key], list | tuple) or len(settings[key]) == 0:
            raise ValueError(f"{key} must be a list with at least one value, got {settings[key]!r}")
    for value in settings["n_tokens"]:
        check_integer("n_tokens", value, 2)
    for value in settings["n_samples"]:
        check_integer("n_samples", value, 200, 1_000_000)
    check_integer("d", settings["d"], 2)
    check_integer("n_intervals", settings["n_intervals"], 1)
    check_real("noise_std", settings["noise_std"], 0.0, exclusive_minimum=True)
    check_integer("replicates", settings["replicates"], 1)
    return grid(
        d=settings["d"],
        n_tokens=settings["n_tokens"],
        n_intervals=settings["n_intervals"],
        noise_std=settings["noise_std"],
        n_samples=settings["n_samples"],
        replicate=range(settings["replicates"]),
    )


def log_activation(u: Any) -> Any:
    """Return the logarithm of the true activation, up to its level."""
    return np.sin(0.8 * u) + 0.2 * u


def _truth(cell: dict[str, Any]) -> tuple[NDArray[np.float64], float]:
    """Return the matrix, and the level of log phi with which phi has mean one over pairs."""
    from pairint.model import TruncatedGaussian

    rng = generator_for(cell, _TRUTH_KEYS, "truth")
    d = cell["d"]
    left, right = rng.standard_normal((2, d))
    matrix = np.outer(left / np.linalg.norm(left), right / np.linalg.norm(right))
    x, y = np.moveaxis(TruncatedGaussian(d, 1.0).sample(_N_LEVEL, 2, rng), 1, 0)
    return matrix, -float(np.log(np.mean(np.exp(log_activation(((x @ matrix) * y).sum(axis=-1))))))


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit through each channel; return of each the error of g after the best factor, and the prediction."""
    from pairint.estimation import InteractionRegressor
    from pairint.estimation.channels import LogSpline, Normalised, Sum, channel_information
    from pairint.model import SplineSpace, TruncatedGaussian

    matrix, level = _truth(cell)
    d, n_tokens, noise_std = cell["d"], cell["n_tokens"], cell["noise_std"]
    rng = generator_for(cell, _DATA_KEYS)
    X = TruncatedGaussian(d, 1.0).sample(cell["n_samples"], n_tokens, rng)
    scores = X @ matrix @ X.swapaxes(1, 2)
    H = np.exp(log_activation(scores) + level)
    values = rng.standard_normal(X.shape[:2])
    noise = noise_std * rng.standard_normal(X.shape[:2])
    total = (H @ values[:, :, None])[:, :, 0]
    denominators = H.sum(axis=-1)
    given: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "unknown": (Normalised(), total / denominators, {"values": values}),
        "told": (
            Sum(diagonal=True),
            total / denominators,
            {"pairs": values[:, None, :] / denominators[:, :, None]},
        ),
        "mean": (Sum(diagonal=True), total / n_tokens, {"values": values / n_tokens}),
    }
    x, y = np.moveaxis(
        TruncatedGaussian(d, 1.0).sample(_N_PAIRS, 2, generator_for(cell, _DATA_KEYS, "pairs")), 1, 0
    )
    truth = np.exp(log_activation(((x @ matrix) * y).sum(axis=-1)) + level)
    used = np.sort(scores.ravel())
    space = SplineSpace(float(used[5]), float(used[-6]), cell["n_intervals"], 3)
    points = np.linspace(space.lower, space.upper, 20 * space.dimension)
    c = np.linalg.lstsq(space.design(points), log_activation(points) + level, rcond=None)[0]
    head = (matrix, LogSpline(space.spline(c)))
    part = slice(0, _N_INFORMATION)
    seed = int(generator_for(cell, _DATA_KEYS, "starts").integers(2**31))
    rows = []
    for arm, (channel, outputs, handed) in given.items():
        fit = InteractionRegressor(
            1,
            n_intervals=cell["n_intervals"],
            channel=channel,
            activation="log-spline",
            penalty=_PENALTY,
            n_starts=2,
            random_state=seed,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what does not converge is counted
            fit.fit(X, outputs + noise, **handed)
        learned = fit.activation_(((x @ fit.left_) * (y @ fit.right_)).sum(axis=-1))
        factor = float(learned @ truth / (learned @ learned))
        known = channel_information(
            X[part],
            [head],
            channel=channel,
            relative=True,
            **{name: array[part] for name, array in handed.items()},
        )
        rows.append(
            {
                "arm": arm,
                "error": float(np.mean((factor * learned - truth) ** 2)),
                "predicted": known.price() * len(known.pair) * noise_std**2 / cell["n_samples"],
                "risk_ratio": fit.risk_ / noise_std**2,
                "converged": bool(fit.converged_),
            }
        )
    return rows


def _wide(table: DataFrame, n_tokens: int, column: str) -> DataFrame:
    part = table[table["n_tokens"] == n_tokens]
    return part.pivot(index=["n_samples", "replicate"], columns="arm", values=column)


def factors(table: DataFrame) -> DataFrame:
    """Return the factors for each N and M: geometric means with 95 % intervals, and the prediction.

    ``information error`` is the Monte Carlo standard error of ``from information``, from its spread over the
    data sets, each with tokens of its own.
    ``against`` is the channel in the denominator of the ratio of squared errors.
    """
    import pandas as pd

    from pairint.engine.statistics import geometric_mean_interval

    rows = []
    for n_tokens in dict.fromkeys(table["n_tokens"]):
        errors, predicted = (_wide(table, n_tokens, column) for column in ("error", "predicted"))
        for n_samples in dict.fromkeys(table["n_samples"]):
            for against in ("told", "mean"):
                ratio = (errors["unknown"] / errors[against]).loc[n_samples]
                theory = (predicted["unknown"] / predicted[against]).loc[n_samples]
                mean, low, high = geometric_mean_interval(ratio.to_numpy())
                level = float(np.exp(np.log(theory).mean()))
                rows.append(
                    {
                        "n_tokens": n_tokens,
                        "n_samples": n_samples,
                        "against": against,
                        "factor": mean,
                        "low": low,
                        "high": high,
                        "from information": level,
                        "information error": level * float(np.log(theory).sem()),
                    }
                )
    return pd.DataFrame(rows)


def factor_slope(table: DataFrame, n_tokens: int, against: str = "mean") -> Slope:
    """Return the exponent of M by which the factor grows, with its 95 % interval."""
    from pairint.engine.statistics import fit_slope

    errors = _wide(table, n_tokens, "error")
    ratio = (errors["unknown"] / errors[against]).unstack("replicate")
    return fit_slope(ratio.index.to_numpy(float), ratio.to_numpy(), statistic="geometric mean", rng=0)


def plot(table: DataFrame) -> Figure:
    """Draw the factor against M, for each N and each channel that it is compared with."""
    from pairint.figures.style import picture

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    from matplotlib.ticker import NullFormatter

    from pairint.figures.style import CYCLE, MARKERS, MUTED, subplots

    found = factors(table)
    numbers = list(dict.fromkeys(found["n_tokens"]))
    figure, axes = subplots(len(numbers), 3.8, sharey=True)
    for axis, n_tokens in zip(np.atleast_1d(axes), numbers, strict=True):
        for i, against in enumerate(("mean", "told")):
            part = found[(found["n_tokens"] == n_tokens) & (found["against"] == against)]
            axis.errorbar(
                part["n_samples"] * (0.97 if i else 1.03),
                part["factor"],
                yerr=[part["factor"] - part["low"], part["high"] - part["factor"]],
                color=CYCLE[i],
                marker=MARKERS[i],
                ls="none",
                label=f"over: {ARMS[against]}",
            )
            axis.plot(
                part["n_samples"],
                part["from information"],
                color=CYCLE[i],
                label=f"{against}, from information",
            )
        axis.axhline(1.0, color=MUTED, lw=1, ls=":")
        axis.set(
            xscale="log", title=f"$N = {n_tokens}$", xlabel="samples $M$", ylabel="ratio of squared errors"
        )
        ticks = sorted(found["n_samples"].unique())
        axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axis.xaxis.set_minor_formatter(NullFormatter())
    np.atleast_1d(axes)[0].legend(fontsize="small")
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Ask whether the factors grow with M, and compare those at the largest M with information."""
    result = []
    found = factors(table)
    many = table["n_samples"].nunique() > 1
    for n_tokens in dict.fromkeys(table["n_tokens"]):
        for against in ("told", "mean"):
            if many:
                slope = factor_slope(table, n_tokens, against)
                result.append(
                    Claim(
                        name=f"exponent of M in the factor over '{ARMS[against]}', N = {n_tokens}",
                        source="Fisher information: none",
                        ours=slope.value,
                        interval=(slope.low, slope.high),
                        expected=0.0,
                        tolerance=MARGIN,
                    )
                )
            part = found[(found["n_tokens"] == n_tokens) & (found["against"] == against)]
            last = part[part["n_samples"] == part["n_samples"].max()].iloc[0]
            result.append(
                Claim(
                    name=f"factor over '{ARMS[against]}' at the largest M, N = {n_tokens}",
                    source="Fisher information of all parameters",
                    ours=float(last["factor"]),
                    interval=(float(last["low"]), float(last["high"])),
                    expected=float(last["from information"]),
                    tolerance=0.15 * float(last["from information"]),
                )
            )
    return result


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return float(cell["n_samples"] * cell["n_tokens"] ** 2 + 5000)


EXPERIMENT = Experiment(
    name="normaliser",
    title="What the unknown normaliser of attention costs",
    source="our own experiment",
    version=1,
    presets={
        "quick": {
            "d": 5,
            "n_tokens": [4],
            "n_intervals": 8,
            "noise_std": 0.1,
            "n_samples": [500, 2000],
            "replicates": 8,
        },
        "full": {
            "d": 5,
            "n_tokens": [4],
            "n_intervals": 8,
            "noise_std": 0.1,
            "n_samples": [500, 1200, 3000],
            "replicates": 24,
        },
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 6.0, "full": 50.0},
    data_keys=_DATA_KEYS,
    cost=cost,
)
