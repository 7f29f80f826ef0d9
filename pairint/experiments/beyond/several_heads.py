"""Beyond the papers: several heads whose outputs add up, found by deflation and refined together.

A cell draws the matrices of H heads of rank one and data, fits all heads, and asks whether each true matrix
was found: with activations that differ, and with activations that are all tanh, where the heads compete.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.validation import check_choice, check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

    from pairint.engine.statistics import Slope

__all__ = ["EXPERIMENT", "KINDS", "all_found", "fits", "found_share", "found_slope"]

#: The activations of the heads, in this order.
KINDS = {"different": ("tanh", "bump", "wave", "bowl"), "alike": ("tanh",) * 4}
_SHAPES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "tanh": (np.tanh, lambda u: 1.0 - np.tanh(u) ** 2),
    "bump": (lambda u: np.exp(-(u**2) / 2), lambda u: -u * np.exp(-(u**2) / 2)),
    "wave": (lambda u: 0.7 * np.sin(1.5 * u), lambda u: 1.05 * np.cos(1.5 * u)),
    "bowl": (lambda u: np.sqrt(1.0 + u**2), lambda u: u / np.sqrt(1.0 + u**2)),
}
_TRUTH_KEYS = ("kind", "n_heads", "d")
_DATA_KEYS = (*_TRUTH_KEYS, "n_tokens", "noise_std", "n_samples")
_N_PAIRS, _N_INFORMATION = 4000, 1000
#: Parts of the tokens of a long information cell, each left out once for its standard error.
_PARTS = 16
#: A matrix counts as found if a fitted one has this cosine with it.
_FOUND = 0.95
#: So small that it settles empty cells only: the prediction from information has none.
_PENALTY = 1e-3


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: kinds x numbers of heads x sample sizes (one for heads alike) x replicates.

    And for the fits of heads that differ, what information predicts for them, from ``information`` samples of
    tokens.
    """
    for key in ("kinds", "n_heads", "n_samples"):
        if not isinstance(settings[key], list | tuple) or len(settings[key]) == 0:
            raise ValueError(f"{key} must be a list with at least one value, got {settings[key]!r}")
    for kind in settings["kinds"]:
        check_choice("kinds", kind, tuple(KINDS))
    for number in settings["n_heads"]:
        check_integer("n_heads", number, 2, 4)
    for value in settings["n_samples"]:
        check_integer("n_samples", value, 200, 1_000_000)
    check_integer("d", settings["d"], 2)
    check_integer("n_tokens", settings["n_tokens"], 2)
    check_integer("n_intervals", settings["n_intervals"], 1)
    check_real("noise_std", settings["noise_std"], 0.0, exclusive_minimum=True)
    check_integer("replicates", settings["replicates"], 1)
    check_integer("alike_samples", settings["alike_samples"], 200, 1_000_000)
    check_integer("information", settings["information"], 1000, 1_000_000)
    lines = []
    for kind in settings["kinds"]:
        lines += grid(
            kind=kind,
            n_heads=settings["n_heads"],
            d=settings["d"],
            n_tokens=settings["n_tokens"],
            n_intervals=settings["n_intervals"],
            noise_std=settings["noise_std"],
            n_samples=settings["alike_samples"] if kind == "alike" else settings["n_samples"],
            replicate=range(settings["replicates"]),
        )
    more = {"information": settings["information"]}
    return [*lines, *(cell | more for cell in lines if cell["kind"] == "different")]


def _directions(rng: np.random.Generator, n_heads: int, d: int) -> NDArray[np.float64]:
    vectors = rng.standard_normal((2, n_heads, d))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def all_found(fitted: Any, matrices: NDArray[np.float64]) -> bool:
    """Say whether each true matrix, of norm one, has a fitted head of its own: a cosine above 0.95."""
    norms = np.array([np.linalg.norm(head.matrix) for head in fitted])
    products = np.array([(head.matrix * matrices).sum(axis=(1, 2)) for head in fitted])
    cosines = np.abs(products) / norms[:, None]
    return bool(cosines.max(axis=0).min() > _FOUND and len(set(cosines.argmax(axis=0))) == len(matrices))


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit; return the squared error of g, what information predicts for it, and whether all heads were found.

    ``risk_ratio`` is the mean squared residual over the variance of the noise. ``predicted`` is rough: from
    the first thousand samples. A cell with ``information`` fits nothing: it has ``predicted`` from so many
    other samples, and ``predicted_error``, its Monte Carlo standard error (jackknife).
    """
    from pairint.estimation import InteractionRegressor
    from pairint.estimation.channels import channel_information
    from pairint.model import SplineSpace, TruncatedGaussian

    n_heads, d = cell["n_heads"], cell["d"]
    names = KINDS[cell["kind"]][:n_heads]
    left, right = _directions(generator_for(cell, _TRUTH_KEYS, "truth"), n_heads, d)
    matrices = left[:, :, None] * right[:, None, :]
    rng = generator_for(cell, _DATA_KEYS)
    X = TruncatedGaussian(d, 1.0).sample(cell["n_samples"], cell["n_tokens"], rng)
    off = 1.0 - np.eye(cell["n_tokens"])
    outputs: Any = 0.0
    for name, matrix in zip(names, matrices, strict=True):
        outputs = outputs + (_SHAPES[name][0](X @ matrix @ X.swapaxes(1, 2)) * off).sum(axis=-1)
    Y = outputs / (cell["n_tokens"] - 1) + cell["noise_std"] * rng.standard_normal(X.shape[:2])
    heads = []
    for name, matrix in zip(names, matrices, strict=True):
        scores = X @ matrix @ X.swapaxes(1, 2)
        used = np.sort(scores[:, off > 0].ravel())
        space = SplineSpace(float(used[5]), float(used[-6]), cell["n_intervals"], 3)
        points = np.linspace(space.lower, space.upper, 20 * space.dimension)
        c = np.linalg.lstsq(space.design(points), _SHAPES[name][0](points), rcond=None)[0]
        heads.append((matrix, space.spline(c)))
    scale = cell["noise_std"] ** 2 / cell["n_samples"]
    if "information" in cell:
        return [_predicted(cell, heads, scale)]
    fit = InteractionRegressor(
        1,
        n_intervals=cell["n_intervals"],
        penalty=_PENALTY,
        n_heads=n_heads,
        random_state=generator_for(cell, _DATA_KEYS, "starts"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what does not converge is counted
        fit.fit(X, Y)
    x, y = np.moveaxis(
        TruncatedGaussian(d, 1.0).sample(_N_PAIRS, 2, generator_for(cell, _DATA_KEYS, "pairs")), 1, 0
    )
    difference: Any = 0.0
    for name, head, a, b in zip(names, fit.heads_, left, right, strict=True):
        difference = difference + head.activation(((x @ head.left) * (y @ head.right)).sum(axis=-1))
        difference = difference - _SHAPES[name][0]((x @ a) * (y @ b))
    known = channel_information(X[:_N_INFORMATION], heads)
    return [
        {
            "error": float(np.mean(difference**2)),
            "predicted": known.price() * len(known.pair) * scale,
            "found": all_found(fit.heads_, matrices),
            "risk_ratio": fit.risk_ / cell["noise_std"] ** 2,
            "converged": bool(fit.converged_),
        }
    ]


def _predicted(cell: dict[str, Any], heads: Sequence[tuple[Any, Any]], scale: float) -> dict[str, Any]:
    """Return what information predicts for the squared error of g, and its standard error."""
    from pairint.estimation.channels import channel_information
    from pairint.model import TruncatedGaussian

    rng = generator_for(cell, _DATA_KEYS, "information")
    n_samples = cell["information"] // _PARTS
    law = TruncatedGaussian(cell["d"], 1.0)
    parts = [channel_information(law.sample(n_samples, cell["n_tokens"], rng), heads) for _ in range(_PARTS)]

    def price(kept: Sequence[Any]) -> float:
        mean = {key: np.mean([getattr(part, key) for part in kept], axis=0) for key in ("aggregated", "pair")}
        return replace(kept[0], **mean).price() * len(mean["pair"]) * scale

    without = np.array([price(parts[:i] + parts[i + 1 :]) for i in range(_PARTS)])
    spread = float(((without - without.mean()) ** 2).sum())
    return {"predicted": price(parts), "predicted_error": float(np.sqrt((_PARTS - 1) / _PARTS * spread))}


def fits(table: DataFrame) -> DataFrame:
    """Return the rows of fits, each with the better of the predictions that the table has for it."""
    if "information" not in table:
        return table
    found, known = (table[table["information"].isna() == fitted] for fitted in (True, False))
    keys = ["kind", "n_heads", "n_samples", "replicate"]
    columns = ["predicted", "predicted_error"]
    better = known.set_index(keys)[columns].reindex(found.set_index(keys).index)
    predicted = np.where(better["predicted"].isna(), found["predicted"], better["predicted"])
    return found.assign(predicted=predicted, predicted_error=better["predicted_error"].to_numpy())


def _part(table: DataFrame, kind: str, n_heads: int) -> DataFrame:
    return table[(table["kind"] == kind) & (table["n_heads"] == n_heads)]


def found_share(
    table: DataFrame, kind: str, n_heads: int, column: str = "found"
) -> tuple[float, float, float]:
    """Return the share of fits of which a column is true, with its 95 % interval (Clopper and Pearson)."""
    from scipy.stats import binomtest

    hits = _part(table, kind, n_heads)[column].astype(bool)
    share = binomtest(int(hits.sum()), len(hits)).proportion_ci(0.95)
    return float(hits.mean()), float(share.low), float(share.high)


def found_slope(table: DataFrame, kind: str, n_heads: int) -> Slope:
    """Return the slope of the geometric mean error in M, over replicates with all heads found at every M."""
    from pairint.engine.statistics import fit_slope

    part = _part(table, kind, n_heads)
    errors = part.pivot(index="n_samples", columns="replicate", values="error")
    found = part.pivot(index="n_samples", columns="replicate", values="found").astype(bool).all(axis=0)
    kept = errors.loc[:, found]
    return fit_slope(kept.index.to_numpy(float), kept.to_numpy(), statistic="geometric mean", rng=0)


def _lines(table: DataFrame) -> list[tuple[str, int]]:
    return [
        (str(kind), int(number))
        for kind, number in dict.fromkeys(zip(table["kind"], table["n_heads"], strict=True))
    ]


def plot(table: DataFrame) -> Figure:
    """Draw the error of g against M for each number of heads, and how often all heads were found."""
    from pairint.figures.style import picture

    return picture(_draw)(fits(table))


def _draw(table: DataFrame) -> Figure:
    from matplotlib.ticker import NullFormatter

    from pairint.figures.style import CYCLE, MARKERS, subplots

    figure, axes = subplots(2, 3.8)
    width = 0.17
    for kind, n_heads in _lines(table):
        part = _part(table, kind, n_heads)
        part = part[part["found"].astype(bool)]
        if kind != "different" or part.empty:
            continue
        color, marker = CYCLE[n_heads - 2], MARKERS[n_heads - 2]
        logs = np.log(part["error"]).groupby(part["n_samples"])
        centre, spread = np.exp(logs.mean()), logs.std(ddof=1) / np.sqrt(logs.count())
        low, high = centre * np.exp(-1.96 * spread), centre * np.exp(1.96 * spread)
        axes[0].errorbar(
            centre.index,
            centre,
            yerr=[centre - low, high - centre],
            color=color,
            marker=marker,
            ls="none",
            label=f"{n_heads} heads",
        )
        theory = part["predicted"].groupby(part["n_samples"]).median()
        axes[0].plot(theory.index, theory, color=color, label=f"{n_heads} heads, from information")
    axes[0].set(
        xscale="log",
        yscale="log",
        title="Different activations",
        xlabel="samples $M$",
        ylabel="squared error of $g$",
    )
    sizes = sorted({int(size) for size in table.loc[table["kind"] == "different", "n_samples"]})
    axes[0].set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes[0].xaxis.set_minor_formatter(NullFormatter())
    axes[0].legend(fontsize="small")
    for i, (kind, label) in enumerate(zip(KINDS, ("activations differ", "all tanh"), strict=True)):
        numbers = sorted(number for name, number in _lines(table) if name == kind)
        if not numbers:
            continue
        shares = np.array([found_share(table, kind, number) for number in numbers])
        axes[1].errorbar(
            np.array(numbers) + width * (i - 0.5),
            shares[:, 0],
            yerr=[shares[:, 0] - shares[:, 1], shares[:, 2] - shares[:, 0]],
            color=CYCLE[i + 3],
            marker=MARKERS[i + 3],
            ls="none",
            label=label,
        )
    axes[1].set(
        title="Are all heads found?",
        xlabel="heads $H$",
        ylabel="share of data sets",
        ylim=(0, 1.05),
        xlim=(1.5, 4.5),
    )
    axes[1].set_xticks([2, 3, 4], ["2", "3", "4"])
    axes[1].legend(fontsize="small", loc="lower left")
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Compare slopes with -1, errors with those from information, and shares of success with one."""
    from pairint.engine.statistics import geometric_mean_interval

    table = fits(table)
    result = []
    for kind, n_heads in _lines(table):
        part = _part(table, kind, n_heads)
        part = part[part["found"].astype(bool)]
        whole = _part(table, kind, n_heads).groupby("replicate")["found"].all()  # found at every M
        if kind == "different" and table["n_samples"].nunique() > 1 and whole.any():
            slope = found_slope(table, kind, n_heads)
            result.append(
                Claim(
                    name=f"slope of the error in M: {n_heads} different heads",
                    source="parametric rate (K is fixed)",
                    ours=slope.value,
                    interval=(slope.low, slope.high),
                    expected=-1.0,
                    tolerance=0.1,
                )
            )
        last = part[part["n_samples"] == table["n_samples"].max()]
        if kind == "different" and len(last):
            mean, low, high = geometric_mean_interval((last["error"] / last["predicted"]).to_numpy())
            result.append(
                Claim(
                    name=f"error over that from information, largest M: {n_heads} different heads",
                    source="Fisher information of all parameters",
                    ours=mean,
                    interval=(low, high),
                    expected=1.0,
                    tolerance=0.2,
                )
            )
        share, low, high = found_share(table, kind, n_heads)
        result.append(
            Claim(
                name=f"share of data sets with all heads found: {n_heads} heads, {kind}",
                source="our own target",
                ours=share,
                interval=(low, high),
                expected=0.95,
                relation="at least",
            )
        )
    return result


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return float((cell["n_samples"] + 500) * cell["n_heads"])


EXPERIMENT = Experiment(
    name="several_heads",
    title="Two to four heads whose outputs add up, found by deflation",
    source="our own experiment",
    version=1,
    presets={
        "quick": {
            "kinds": list(KINDS),
            "n_heads": [2, 4],
            "d": 5,
            "n_tokens": 3,
            "n_intervals": 16,
            "noise_std": 0.1,
            "alike_samples": 500,
            "information": 4000,
            "n_samples": [400, 1600],
            "replicates": 3,
        },
        "full": {
            "kinds": list(KINDS),
            "n_heads": [2, 3, 4],
            "d": 5,
            "n_tokens": 3,
            "n_intervals": 16,
            "noise_std": 0.1,
            "alike_samples": 1000,
            "information": 32_000,
            "n_samples": [500, 2000, 8000],
            "replicates": 20,
        },
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 10.0, "full": 500.0},
    data_keys=_DATA_KEYS,
    cost=cost,
)
