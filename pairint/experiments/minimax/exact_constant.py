"""Beyond the paper: errors on the exact constant, for odd functions of a uniform score in a Sobolev ball.

A cell draws its tokens once and the noise several times; four truths and four estimators share them: all
depends on the data through a Gram matrix and one vector. The truths have the largest energy of the class.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.validation import check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["DATA_KEYS", "EXPERIMENT", "HELD", "cells", "compute", "gram_and_noise"]

DATA_KEYS = ("beta", "energy", "noise_std", "n_tokens", "n_samples")

#: Draws of the noise for the tokens of a cell. They are independent given the tokens; a cell counts once.
_NOISES = 16
#: Scores that are held in memory at a time, about.
HELD = 60_000


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: numbers of tokens x sample sizes x replicates."""
    for key, least in (("n_tokens", 2), ("n_samples", 50)):
        if not isinstance(settings[key], Sequence) or len(settings[key]) == 0:
            raise ValueError(f"{key} must be a list with at least one value, got {settings[key]!r}")
        for value in settings[key]:
            check_integer(key, value, least, 10_000_000)
    for key in ("beta", "energy", "noise_std"):
        check_real(key, settings[key], 0, exclusive_minimum=True)
    check_integer("replicates", settings["replicates"], 1)
    return grid(
        beta=settings["beta"],
        energy=settings["energy"],
        noise_std=settings["noise_std"],
        n_tokens=settings["n_tokens"],
        n_samples=settings["n_samples"],
        replicate=range(settings["replicates"]),
    )


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the squared error of each estimator for each truth, averaged over draws of the noise.

    Truths: ``first``, all energy in the first coefficient; ``spread``, the least favourable profile with
    random signs; ``edge`` and ``beyond``, the first coefficient that the cut-off series, or Pinsker's filter,
    leaves out. Estimators: ``pinsker``, filtered least squares; ``projection``, least squares on the best
    number of coefficients; ``ridge``, the posterior mean under the least favourable Gaussian prior;
    ``plain``, the filter on the empirical coefficients, as if the Gram matrix were the identity.
    """
    from pairint.theory.pinsker import filtered_coefficients, pinsker_filter, sobolev_weights
    from pairint.theory.rates import parameter_price

    energy = cell["energy"]
    price = parameter_price(cell["n_samples"], n_tokens=cell["n_tokens"], noise_std=cell["noise_std"])
    best = pinsker_filter(price, beta=cell["beta"], energy=energy)
    size = best.size
    weights = sobolev_weights(size + 1, cell["beta"])
    # Of the cut-off series with D coefficients the largest error is Q / a_{D+1}^2 + epsilon^2 D.
    kept = 1 + int(np.argmin(energy / weights[1:] ** 2 + price * np.arange(1, size + 1)))
    signs = generator_for(cell, DATA_KEYS, "signs").choice([-1.0, 1.0], size)
    places = {"first": 0, "edge": min(kept, size), "beyond": size}
    truths = {
        name: np.eye(1, size + 1, place)[0] * math.sqrt(energy) / weights[place]
        for name, place in places.items()
    }
    truths["spread"] = np.append(signs * np.sqrt(best.variances), 0.0)
    gram, noise = gram_and_noise(cell, size + 1)
    rows = []
    for truth, theta in truths.items():
        moments = (gram @ theta)[:, None] + noise
        found = {
            "pinsker": filtered_coefficients(gram[:size, :size], moments[:size], best.factors),
            "projection": filtered_coefficients(gram[:kept, :kept], moments[:kept], np.ones(kept)),
            "ridge": np.linalg.solve(gram[:size, :size] + np.diag(1 / best.factors - 1), moments[:size]),
            "plain": best.factors[:, None] * moments[:size],
        }
        for estimator, coefficients in found.items():
            error = np.mean(np.sum((coefficients - theta[: len(coefficients), None]) ** 2, axis=0))
            rows.append(
                {
                    "truth": truth,
                    "estimator": estimator,
                    "n_coefficients": len(coefficients),
                    "error": float(error + np.sum(theta[len(coefficients) :] ** 2)),
                    "filter_risk": best.risk,
                }
            )
    return rows


def gram_and_noise(cell: dict[str, Any], n_coefficients: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the Gram matrix of the averaged basis, and its products with the noises, over all samples."""
    from pairint.model import Sphere
    from pairint.theory.pinsker import averaged_basis

    n_samples, n_tokens = cell["n_samples"], cell["n_tokens"]
    rng = generator_for(cell, DATA_KEYS)
    law = Sphere(3)
    gram, noise = np.zeros((n_coefficients, n_coefficients)), np.zeros((n_coefficients, _NOISES))
    left = n_samples
    while left:
        now = min(left, HELD // n_tokens**2 + 1)
        X = law.sample(now, n_tokens, rng)
        cosines = np.clip(np.einsum("mia,mja->mij", X, X) / law.radius**2, -1.0, 1.0)
        features = averaged_basis(cosines, n_coefficients).reshape(n_coefficients, -1)
        gram += features @ features.T
        noise += features @ rng.normal(0.0, cell["noise_std"], (features.shape[1], _NOISES))
        left -= now
    scale = (n_tokens - 1) / (n_samples * n_tokens)
    return scale * gram, scale * noise


def plot(table: DataFrame) -> Figure:
    """Draw errors over the risk of the best filter against M; bars are 95 % intervals over replicates.

    Left, ridge regression with the weights of the filter, for its least favourable truth; right, what misses
    the constant.
    """
    from pairint.figures.style import picture

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    from pairint.engine.statistics import summarize
    from pairint.figures.exact_constant import plain_ticks
    from pairint.figures.style import BOUND, CYCLE, MARKERS, MUTED, subplots
    from pairint.theory.pinsker import projection_factor

    figure, (left, right) = subplots(2, 3.9)
    points = summarize(
        table.assign(ratio=table["error"] / table["filter_risk"]),
        ["estimator", "truth", "n_tokens", "n_samples"],
        y="ratio",
    )
    tokens = sorted(points["n_tokens"].unique())

    def draw(axis: Any, estimator: str, truth: str, label: str) -> None:
        for i, n in enumerate(tokens):
            line = points.query("estimator == @estimator and truth == @truth and n_tokens == @n")
            line = line.sort_values("n_samples")
            axis.errorbar(
                line["n_samples"] * 1.12 ** (i - (len(tokens) - 1) / 2),
                line["mean"],
                yerr=[line["mean"] - line["low"], line["high"] - line["mean"]],
                color=CYCLE[i % len(CYCLE)],
                marker=MARKERS[i % len(MARKERS)],
                ls="none" if axis is left else ":",
                lw=1.2,
                mfc="white" if truth == "first" else None,
                label=label.format(n=n),
            )

    draw(left, "ridge", "spread", "$N = {n}$")
    left.axhline(1, color=BOUND, lw=1, label="the exact constant")
    left.set(title="On the constant", ylim=(0.8, 1.3))
    draw(right, "projection", "edge", "cut-off series, $N = {n}$")
    draw(right, "plain", "first", "no Gram matrix, $N = {n}$")
    right.axhline(1, color=BOUND, lw=1)
    factor = projection_factor(float(table["beta"].iloc[0]))
    right.axhline(factor, color=MUTED, lw=1, ls="--", label=f"{factor:.2f}, the cut-off series' limit")
    right.set(title="What misses it", yscale="log", ylim=(0.8, 25))
    plain_ticks(right, (1, 2, 5, 10, 20))
    for axis in (left, right):
        axis.set(xscale="log", xlabel="samples $M$", ylabel="error / risk of the best filter")
        axis.legend(fontsize="small", loc="upper right")
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Compare, at the largest M, the errors over the risk of the filter with their limits."""
    from pairint.engine.statistics import mean_interval
    from pairint.theory.pinsker import projection_factor

    result = []
    last = table[table["n_samples"] == table["n_samples"].max()]
    for estimator, truth, wanted in (
        ("pinsker", "first", 1.0),
        ("pinsker", "spread", 1.0),
        ("pinsker", "beyond", 1.0),
        ("projection", "edge", projection_factor(float(table["beta"].iloc[0]))),
    ):
        part = last[(last["estimator"] == estimator) & (last["truth"] == truth)]
        for n_tokens, group in part.groupby("n_tokens"):
            mean, low, high = mean_interval((group["error"] / group["filter_risk"]).to_numpy())
            result.append(
                Claim(
                    name=f"error / risk of the filter, {estimator}, truth {truth}, N = {n_tokens}, "
                    f"M = {last['n_samples'].iloc[0]:,}",
                    source="our own theorem",
                    ours=float(mean),
                    interval=(float(low), float(high)),
                    expected=wanted,
                    tolerance=0.05 * wanted,
                )
            )
    return result


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return cell["n_samples"] ** (4 / 3) * cell["n_tokens"] ** 2 + 1000.0


_SETTINGS: dict[str, Any] = {"beta": 1.0, "energy": 1.0, "noise_std": 0.5, "n_tokens": [2, 3, 8]}

EXPERIMENT = Experiment(
    name="exact_constant",
    title="Error over Pinsker's value for odd functions in a Sobolev ball",
    source="our own theorem",
    version=1,
    presets={
        "quick": _SETTINGS | {"n_samples": [100, 1000], "replicates": 10},
        "full": _SETTINGS | {"n_samples": [100, 1000, 10_000, 100_000], "replicates": 24},
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 3.0, "full": 500.0},
    data_keys=DATA_KEYS,
    cost=cost,
)
