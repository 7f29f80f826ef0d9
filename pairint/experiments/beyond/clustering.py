"""Beyond the papers: what the velocities of tokens show of the function that moves them, as they cluster.

Tokens on the unit sphere of R^3 attract each other, ``phi(u) = exp(beta (u - 1))``. At each of some times the
velocities of many samples are a data set of its own: how much do they say, and how well does a fit do?
"""

from __future__ import annotations

import itertools
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
    from numpy.typing import NDArray
    from pandas import DataFrame

__all__ = ["DATA_KEYS", "DEGREES", "EXPERIMENT", "LAWS", "cells", "compute", "start"]

DATA_KEYS = ("law", "beta", "n_tokens", "n_samples")
#: Where tokens begin: anywhere, or no two more than a right angle apart.
LAWS = ("sphere", "cap")
DEGREES = (1, 2, 3)
#: Degree of the fit, and the noise of the velocities.
_FITTED, _NOISE = 5, 0.02
#: Largest error that is kept: a fit that is off by ten times the function says no more.
_WORST = 100.0
#: Squares of what is below 1e-9 of the rest have lost too many digits: they are written as zero.
_DIGITS = 1e-18


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: laws x beta x replicates."""
    for key in ("law", "beta", "times"):
        if not isinstance(settings[key], Sequence) or len(settings[key]) == 0:
            raise ValueError(f"{key} must be a list with at least one value, got {settings[key]!r}")
    for law in settings["law"]:
        check_choice("law", law, LAWS)
    for beta in settings["beta"]:
        check_real("beta", beta, 0, 50)
    times = [check_real("times", time, 0, 1000) for time in settings["times"]]
    if any(b <= a for a, b in itertools.pairwise(times)):
        raise ValueError(f"times must increase, got {times}")
    check_integer("n_tokens", settings["n_tokens"], 3, 200)
    check_integer("n_samples", settings["n_samples"], 10, 100_000)
    check_integer("replicates", settings["replicates"], 1)
    made = grid(
        law=settings["law"],
        beta=settings["beta"],
        n_tokens=settings["n_tokens"],
        n_samples=settings["n_samples"],
        replicate=range(settings["replicates"]),
    )
    return [cell | {"times": times} for cell in made]


def start(law: str, n_samples: int, n_tokens: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw tokens on the unit sphere of R^3: anywhere, or within half a right angle of a pole."""
    height = rng.uniform(np.cos(np.pi / 4) if law == "cap" else -1.0, 1.0, (n_samples, n_tokens))
    angle = rng.uniform(0, 2 * np.pi, (n_samples, n_tokens))
    away = np.sqrt(1 - height**2)
    return np.stack([away * np.cos(angle), away * np.sin(angle), height], axis=2)


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each time: gaps, their bound, information by degree, and the error of a fit.

    ``gap`` is the largest ``1 - u`` of all samples, ``typical`` the median over samples of the largest of
    each; ``least_p`` the least relative information, times N - 1, on polynomials of degree p, against the
    scores at time 0; ``price`` the error of least squares of degree 3 in units of that of full information;
    ``error`` that of a fit of degree 5 from noisy velocities, relative to the function and at most a hundred,
    both in the mean square over the scores at time 0.
    """
    from pairint.model.flow import sphere_flow, tangential_velocity
    from pairint.theory.clustering import gap_bound, information_bound, snapshot_information

    rng = generator_for(cell, DATA_KEYS)
    beta, n_tokens, times = cell["beta"], cell["n_tokens"], cell["times"]
    begin = start(cell["law"], cell["n_samples"], n_tokens, rng)

    def phi(u: Any) -> Any:
        return np.exp(beta * (u - 1))

    others = ~np.eye(n_tokens, dtype=bool)
    reference = (begin @ begin.swapaxes(1, 2))[:, others].ravel()
    first = _gaps(begin).max()
    bounds = gap_bound(times, float(first), n_tokens, phi) if first <= 1 else np.full(len(times), np.nan)
    rows = []
    for time, X, bound in zip(times, sphere_flow(begin, phi, times), bounds, strict=True):
        gaps = _gaps(X)
        noise = _NOISE * rng.standard_normal(X.shape)
        velocity = tangential_velocity(X, phi) + noise - np.sum(noise * X, axis=2, keepdims=True) * X
        row = {
            "time": time,
            "gap": _kept(gaps.max()),
            "typical": _kept(np.median(gaps)),
            "gap_bound": float(bound),
        }
        for degree in DEGREES:
            found = snapshot_information(X, degree, reference)
            row[f"least_{degree}"] = found.least if found.least > _DIGITS * found.values[-1] else 0.0
            size = float(np.mean((1 - reference) ** (2 * degree)))
            row[f"bound_{degree}"] = float(
                information_bound(_kept(gaps.max()), n_tokens, degree=degree, reference=size)
            )
            if degree == 3:
                row["price"] = min(found.price, 1e15)
        row["error"] = _fit_error(X, velocity, phi, reference)
        rows.append(row)
    return rows


def _kept(gap: Any) -> float:
    return float(gap) if gap > _DIGITS else 0.0


def _gaps(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest ``1 - u`` of each sample, by differences, which keep their digits."""
    return (np.sum((X[:, None] - X[:, :, None]) ** 2, axis=3) / 2).max(axis=(1, 2))


def _fit_error(X: Any, velocity: Any, phi: Any, reference: Any) -> float:
    """Fit a polynomial to velocities; return its relative squared error over reference scores, cut off.

    Where the data know nothing of a coefficient, rounding decides how large the error is.
    """
    from pairint.model.flow import tangent_weights

    degrees = np.arange(_FITTED + 1)
    w = np.sum((X[:, None] - X[:, :, None]) ** 2, axis=3) / 2
    powers = np.polynomial.legendre.legvander(1 - w, _FITTED)
    design = np.einsum("mijk,mijv->mivk", powers, tangent_weights(X)).reshape(-1, len(degrees)) / (
        X.shape[1] - 1
    )
    found = np.linalg.lstsq(design, velocity.ravel(), rcond=1e-8)[0]
    fitted = np.polynomial.legendre.legval(reference, found)
    error = float(np.mean((fitted - phi(reference)) ** 2) / np.mean(phi(reference) ** 2))
    return min(error, _WORST)


def reproducible(cell: dict[str, Any]) -> str:
    """Return how nearly a cell is the same elsewhere: from all of the sphere some tokens pass by saddles.

    There the flow takes a difference in the last digit for the start of another path.
    """
    return "to 1e-3" if cell["law"] == "cap" else "in distribution"


def plot(table: DataFrame) -> Figure:
    """Draw the information on polynomials of degree 3 and the error of the fit against time."""
    from pairint.figures.clustering import watching_figure

    return watching_figure(table)


def claims(table: DataFrame) -> list[Claim]:
    """Compare how fast information falls with the theorem, and say when to watch."""
    from pairint.engine.statistics import mean_interval

    result = []

    def claim(name: str, value: Any, **reference: Any) -> None:
        ours, low, high = mean_interval(np.asarray(value, dtype=float))
        result.append(
            Claim(name=name, source="our own theorem", ours=ours, interval=(low, high), **reference)
        )

    cap = table[(table["law"] == "cap") & (table["gap"] < 0.01) & (table["least_1"] > 0)]
    for beta, part in cap.groupby("beta"):
        rate = 2 * int(part["n_tokens"].iloc[0]) / (int(part["n_tokens"].iloc[0]) - 1)
        for degree in (1, 2):
            slopes = []
            for _, line in part[part[f"least_{degree}"] > 0].groupby("replicate"):
                if len(line) > 1:
                    y = np.log(line[f"least_{degree}"].to_numpy())
                    slopes.append(float((y[0] - y[1]) / np.diff(line["time"].to_numpy()[:2])[0]))
            if len(slopes) > 1:
                wanted = rate * (2 * degree + 1)
                claim(
                    f"rate at which information is lost, degree {degree}, beta = {beta:g}",
                    slopes,
                    expected=wanted,
                    tolerance=0.02 * wanted,
                )
    for beta, part in table[table["law"] == "sphere"].groupby("beta"):
        lines = [line.set_index("time")["price"] for _, line in part.groupby("replicate")]
        best = [float(line.idxmin()) for line in lines]
        saved = [float(line.iloc[0] / line.min()) for line in lines]
        claim(f"best time to watch, tokens from all of the sphere, beta = {beta:g}", best)
        claim(f"samples it saves, a factor, beta = {beta:g}", saved, expected=1.0, relation="at least")
    return result


EXPERIMENT = Experiment(
    name="clustering",
    title="What a snapshot shows of an interaction, as tokens cluster",
    source="our own theorem",
    version=3,
    presets={
        "quick": {
            "law": ["sphere", "cap"],
            "beta": [1.0],
            "n_tokens": 16,
            "n_samples": 60,
            "times": [0.0, 2.0, 4.0, 5.0, 6.0, 10.0, 20.0],
            "replicates": 2,
        },
        "full": {
            "law": ["sphere", "cap"],
            "beta": [1.0, 4.0, 9.0],
            "n_tokens": 16,
            "n_samples": 300,
            "times": [*map(float, range(13)), 15.0, 18.0, 20.0, 25.0, 30.0, 40.0, 60.0],
            "replicates": 6,
        },
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 3.0, "full": 400.0},
    data_keys=DATA_KEYS,
    # Where information is all but gone, what is left of it is a difference of close numbers.
    reproducible=reproducible,
)
