r"""The curse and how it is avoided: regression on pairs beside the estimator, for d from 1 to 1000.

With ``N = 2`` tokens an output is ``Y_1 = g(X_1, X_2) + noise``: nothing is averaged, and any regression of
``Y`` on the ``2 d`` coordinates of a pair estimates ``g``. Such a regression is what one would do who knows
nothing of ``x' A y``. Its control is the same regression on one coordinate, the true score: the same outputs,
the same method and tuning, no curse.

Only the dimension changes along the picture: one activation for each replicate, one law of the score, one
noise. Errors are relative, shares of the variance of ``g``: a constant has the error 1.
"""

from __future__ import annotations

import math
import time
import warnings
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

    from pairint.model import AttentionModel

__all__ = [
    "DATA_KEYS",
    "EXPERIMENT",
    "LABELS",
    "cells",
    "compute",
    "predicted_errors",
    "samples_to_merge",
    "truth_model",
]

TRUTH_KEYS = ("beta", "noise_std")
_MODEL_KEYS = (*TRUTH_KEYS, "d")
DATA_KEYS = (*_MODEL_KEYS, "n_samples")

#: What the rows of a cell are called in figures and claims.
LABELS = {
    "kernel": "kernel ridge regression on pairs",
    "neighbours": "nearest neighbours on pairs",
    "control": "kernel ridge regression on the score",
    "fit": "our estimator",
}
_N_TOKENS = 2
#: Support of the scores: the largest score of one coordinate pair.
_BOUND = 3.0
#: Cubic splines, as in the experiment ``rough``.
_DEGREE = 3
#: Pairs on which errors are measured, and scores on which the variance of g is.
_N_PAIRS, _N_SCORES = 6000, 200_000
_CHUNK = 2000
#: The law of one dimension is read from so many samples on.
_LAW_FROM = 1000
#: A stage of the fit ends when a step would gain less than one noise variance, which is what each of the 2 d
#: parameters gains from pure noise; the default is a hundredth of that, and dear where d is large.
_TOLERANCE = 1.0
#: Random starts, as by default; in more dimensions than these only the two that are computed from moments.
_STARTS, _MOST_STARTED = 2, 100


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: dimensions x sample sizes x replicates, each with what is fitted there.

    The regressions on pairs stop at ``blind_most`` samples, for their cost; the control, which does not feel
    the dimension, is computed for some. The estimator gets four outputs at least for each parameter of its
    matrix, ``M >= 4 d``, and stops at ``fit_most`` samples times dimensions, for its cost.
    """
    for key, least, most in (
        ("dimensions", 1, 1000),
        ("control_dimensions", 1, 1000),
        ("n_samples", 20, 1_000_000),
    ):
        if not isinstance(settings[key], Sequence) or len(settings[key]) == 0:
            raise ValueError(f"{key} must be a list with at least one value, got {settings[key]!r}")
        for value in settings[key]:
            check_integer(key, value, least, most)
    check_real("beta", settings["beta"], 0.5, 4.0)
    check_real("noise_std", settings["noise_std"], 0.0, exclusive_minimum=True)
    check_integer("replicates", settings["replicates"], 1)
    check_integer("blind_most", settings["blind_most"], 0)
    check_integer("fit_most", settings["fit_most"], 0)
    result = []
    for cell in grid(
        beta=settings["beta"],
        noise_std=settings["noise_std"],
        d=settings["dimensions"],
        n_samples=settings["n_samples"],
        replicate=range(settings["replicates"]),
    ):
        d, n_samples = cell["d"], cell["n_samples"]
        blind = n_samples <= settings["blind_most"]
        fit = 4 * d <= n_samples and n_samples * d <= settings["fit_most"]
        if blind or fit:
            control = blind and d in settings["control_dimensions"]
            result.append(cell | {"blind": blind, "control": control, "fit": fit})
    return result


def truth_model(cell: dict[str, Any]) -> AttentionModel:
    """Draw the truth: the activation of the replicate, whatever d, and a coordinate matrix.

    On the cube the score of such a matrix has the same law in every dimension. None of the methods knows the
    axes: all four are the same in any other coordinates.
    """
    from pairint.model import AttentionModel, GaussianNoise, RoughActivation, UniformCube, interaction_matrix

    rng = generator_for(cell, TRUTH_KEYS, "truth")
    activation = RoughActivation(cell["beta"], rng, bound=_BOUND * 2.0 ** rng.uniform())
    matrix = interaction_matrix(cell["d"], 1, generator_for(cell, _MODEL_KEYS, "matrix"), kind="coordinate")
    return AttentionModel(activation, matrix, UniformCube(cell["d"]), GaussianNoise(cell["noise_std"]))


def _variance(cell: dict[str, Any], model: AttentionModel) -> float:
    """Return the variance of g, from scores whose law and draw are the same in every dimension."""
    u = generator_for(cell, TRUTH_KEYS, "scores").uniform(-1.0, 1.0, (2, _N_SCORES))
    return float(np.var(model.activation(_BOUND * u[0] * u[1])))


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit the methods of :data:`LABELS` to the data of a cell; one row for each."""
    from pairint.estimation import InteractionRegressor
    from pairint.experiments.minimax.blind import KernelRidge, Neighbours
    from pairint.experiments.solver import STORED_SOLVER, STORED_WEIGHT

    model = truth_model(cell)
    X, Y = model.sample(cell["n_samples"], _N_TOKENS, generator_for(cell, DATA_KEYS))
    fresh = model.tokens.sample(_N_PAIRS, 2, generator_for(cell, _MODEL_KEYS, "error"))
    truth = model.interaction(fresh[:, 0], fresh[:, 1])
    variance = _variance(cell, model)
    rows = []

    def note(name: str, predicted: Any, choice: str, began: float) -> None:
        squares = (predicted - truth) ** 2 / variance
        rows.append(
            {
                "estimator": name,
                "error": float(squares.mean()),
                "error_se": float(squares.std(ddof=1) / np.sqrt(len(squares))),
                "choice": choice,
                "variance": variance,
                "seconds": time.perf_counter() - began,
            }
        )

    def kernel_ridge(name: str, inputs: Any, places: Any) -> None:
        began = time.perf_counter()
        ridge = KernelRidge().fit(inputs, Y)
        choice = f"{ridge.kernel_}, length {ridge.length_:g}, ridge {ridge.ridge_:g}"
        note(name, _in_chunks(ridge, places), choice, began)

    if cell["control"]:
        scores = np.stack([_scores(model, X[:, i], X[:, 1 - i]) for i in (0, 1)], axis=1)
        kernel_ridge("control", scores, _scores(model, fresh[:, 0], fresh[:, 1]))
    if cell["blind"]:
        pairs, fresh_pairs = np.concatenate([X, X[:, ::-1]], axis=2), fresh.reshape(_N_PAIRS, -1)
        kernel_ridge("kernel", pairs, fresh_pairs)
        began = time.perf_counter()
        neighbours = Neighbours().fit(pairs, Y)
        note("neighbours", _in_chunks(neighbours, fresh_pairs), f"k = {neighbours.k_}", began)
    if cell["fit"]:
        began = time.perf_counter()
        estimator = InteractionRegressor(
            1,
            _DEGREE,
            n_starts=_STARTS if cell["d"] <= _MOST_STARTED else 0,
            tol=_TOLERANCE,
            selection_weight=STORED_WEIGHT,
            solver=STORED_SOLVER,
            random_state=generator_for(cell, DATA_KEYS, "starts"),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # too few samples for the dimension: the error tells
            estimator.fit(X, Y)
        predicted = estimator.interaction(fresh[:, 0], fresh[:, 1])
        note("fit", predicted, f"K = {estimator.n_intervals_}", began)
    return rows


def _scores(model: AttentionModel, x: Any, y: Any) -> Any:
    """Return the true scores of pairs of rows, shape ``(n, 1)``."""
    return np.einsum("na,ab,nb->n", x, model.matrix, y, optimize=True)[:, None]


def _in_chunks(regression: Any, inputs: Any) -> Any:
    parts = [regression.predict(inputs[i : i + _CHUNK]) for i in range(0, len(inputs), _CHUNK)]
    return np.concatenate(parts)


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell: kernels factorised, and Gauss-Newton steps."""
    n_samples, d = cell["n_samples"], cell["d"]
    blind = (cell["blind"] + 0.7 * cell["control"]) * (1.0 + 8e-6 * n_samples**2)
    return 0.1 + blind + cell["fit"] * n_samples * (1e-4 + 5e-8 * d**2)


def predicted_errors(table: DataFrame, d: int, n_samples: Any) -> Any:
    r"""Return what the estimator's relative error should be: that of one dimension, and the matrix's price.

    The first is :math:`c M^{-2\beta/(2\beta+1)}`, with ``c`` from the measured line of ``d = 1``, where no
    matrix is to be learned (its points from ``M = 1000`` on, as in the experiment ``rough``); the second
    ``sigma^2 (2 d - 2) (N - 1) / (M N)`` over the variance of ``g``
    (:func:`pairint.theory.rates.parameter_price`): one parameter of ``2 d - 1`` is the scale, which the
    activation absorbs. Nothing is fitted to the other lines.

    Parameters
    ----------
    table : DataFrame
        The experiment's table, with ``d = 1``.
    d : int
    n_samples : array_like of int

    Returns
    -------
    ndarray
    """
    constant, exponent, price = _law_and_price(table, d)
    sizes = np.asarray(n_samples, dtype=float)
    return constant * sizes**-exponent + price / sizes


def samples_to_merge(table: DataFrame, d: int) -> float:
    """Return from how many samples on the price of the matrix is below the error of one dimension.

    Both are those of :func:`predicted_errors`; nan for ``d = 1``, where there is no matrix to pay for.
    """
    constant, exponent, price = _law_and_price(table, d)
    return float((price / constant) ** (1.0 / (1.0 - exponent))) if d > 1 else math.nan


def _law_and_price(table: DataFrame, d: int) -> tuple[float, float, float]:
    """Return constant and exponent of one dimension, and M times the price of the matrix."""
    from pairint.theory import minimax_exponent

    exponent = minimax_exponent(float(table["beta"].iloc[0]))
    fits = table[(table["estimator"] == "fit") & (table["d"] == 1) & (table["n_samples"] >= _LAW_FROM)]
    means = fits.groupby("n_samples")["error"].mean()
    constant = float(np.exp(np.mean(np.log(means) + exponent * np.log(means.index.to_numpy(dtype=float)))))
    inverse_variance = float(np.mean(1.0 / table.groupby("replicate")["variance"].first()))
    return constant, exponent, _price(table, d) * inverse_variance


def _price(table: DataFrame, d: int) -> float:
    """Return M times what the matrix adds to the squared error."""
    from pairint.theory.rates import matrix_dimension, parameter_price

    one = parameter_price(1, n_tokens=_N_TOKENS, noise_std=float(table["noise_std"].iloc[0]))
    return (matrix_dimension(d, 1) - 1) * one


def plot(table: DataFrame) -> Figure:
    """Draw the errors against M: regression on pairs and on the score above, the estimator below."""
    from pairint.figures.style import picture

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    from matplotlib.patheffects import withStroke

    from pairint.engine.statistics import summarize
    from pairint.figures.style import BOUND, CYCLE, FIT, MARKERS, ORACLE, subplots

    figure, (left, right) = subplots(2, 4.6, sharey=True, gridspec_kw={"width_ratios": [2, 3]})
    points = summarize(table, ["estimator", "d", "n_samples"]).sort_values("n_samples")
    dimensions = sorted(table["d"].unique())

    def draw(axes: Any, estimator: str, d: int, label: bool = False, **style: Any) -> None:
        line = points[(points["estimator"] == estimator) & (points["d"] == d)]
        if line.empty:
            return
        yerr = [line["mean"] - line["low"], line["high"] - line["mean"]]
        axes.errorbar(line["n_samples"], line["mean"], yerr=yerr, **style)
        if label:
            end = line.iloc[-1]
            place = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "fontsize": "small"}
            halo = [withStroke(linewidth=2.5, foreground="white")]
            axes.annotate(f"$d = {d}$", (end["n_samples"], end["mean"]), path_effects=halo, **place)

    for i, d in enumerate(dimensions):
        marker, strength = MARKERS[i % len(MARKERS)], 0.3 + 0.7 * i / max(len(dimensions) - 1, 1)
        shared: dict[str, Any] = {"marker": marker, "alpha": strength}
        draw(left, "neighbours", d, color=CYCLE[1], linestyle=":", lw=1.2, **shared)
        draw(left, "kernel", d, label=d <= 30, color=CYCLE[0], **shared)
        draw(left, "control", d, color=ORACLE, linestyle="--", lw=1.2, **shared)
        draw(right, "fit", d, label=d >= 30, color=FIT, **shared)
        if 1 in dimensions and d > 1:
            ahead = np.geomspace(max(10 * d, _LAW_FROM), 1e6, 50).round()
            right.plot(ahead, predicted_errors(table, d, ahead), color=BOUND, linestyle=":", lw=0.9)
    for axes, names in (
        (
            left,
            (("kernel", CYCLE[0], "-"), ("neighbours", CYCLE[1], ":"), ("control", ORACLE, "--")),
        ),
        (right, (("fit", FIT, "-"),)),
    ):
        for name, color, style in names:
            axes.plot([], [], color=color, linestyle=style, label=LABELS[name])
    right.plot(
        [],
        [],
        color=BOUND,
        linestyle=":",
        lw=0.9,
        label="predicted: one dimension + price of the matrix",
    )
    left.set(title="On pairs, and on the score", ylabel="squared error / variance of $g$")
    right.set(title="Our estimator")
    for axes in (left, right):
        axes.set(xscale="log", yscale="log", xlabel="number of samples $M$")
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.17))
    low, high = left.get_xlim()
    left.set_xlim(low, 4 * high)  # room for names
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Compare what each method does as the dimension grows with what is to be expected of it.

    In one dimension the estimator has the slope of the theory. In more, at the largest ``M`` of its line, its
    error is that of one dimension and the price of the matrix. Regression on pairs in a hundred dimensions or
    more leaves nearly all of the variance, at the largest ``M`` that it was given; the same regression on the
    score does as well in many dimensions as in one.
    """
    from pairint.engine.statistics import geometric_mean_interval, slope_table
    from pairint.theory import minimax_exponent

    result = []
    fits = table[table["estimator"] == "fit"]
    line = fits[(fits["d"] == 1) & (fits["n_samples"] >= _LAW_FROM)]
    for _, row in slope_table(line, "d").iterrows() if line["n_samples"].nunique() > 1 else ():
        result.append(
            Claim(
                name="slope, d = 1, our estimator",
                source="Theorem 3.1",
                ours=float(row["slope"]),
                interval=(float(row["low"]), float(row["high"])),
                expected=-minimax_exponent(float(table["beta"].iloc[0])),
                tolerance=0.05,
            )
        )
    alone = fits[fits["d"] == 1].set_index(["n_samples", "replicate"])["error"]
    for d, line in fits[fits["d"] > 1].groupby("d") if len(alone) else ():
        last = int(line["n_samples"].max())
        here = line[line["n_samples"] == last].set_index("replicate")
        expected = alone.loc[last] + _price(table, int(d)) / last / here["variance"]
        ratio, low, high = geometric_mean_interval((here["error"] / expected).to_numpy())
        result.append(
            Claim(
                name=f"error over that of d = 1 and the price of the matrix, d = {d}, M = {last:,}",
                source="our own prediction",
                ours=ratio,
                interval=(low, high),
                expected=1.0,
                tolerance=0.25,
            )
        )
    return result + _blind_claims(table)


def _blind_claims(table: DataFrame) -> list[Claim]:
    from pairint.engine.statistics import geometric_mean_interval, mean_interval

    result = []
    blind = table[table["n_samples"] == table.loc[table["estimator"] == "kernel", "n_samples"].max()]
    for estimator in ("kernel", "neighbours"):
        for d, rows in blind[(blind["estimator"] == estimator) & (blind["d"] >= 100)].groupby("d"):
            mean, low, high = mean_interval(rows["error"].to_numpy())
            result.append(
                Claim(
                    name=f"share of the variance left, d = {d}, M = {rows['n_samples'].iloc[0]:,}, "
                    + LABELS[estimator],
                    source="our own comparison",
                    ours=mean,
                    interval=(low, high),
                    expected=0.9,
                    relation="at least",
                )
            )
    control = blind[blind["estimator"] == "control"].pivot_table(
        index="replicate", columns="d", values="error"
    )
    for d in control.columns[control.columns > 1] if 1 in control.columns else ():
        ratio, low, high = geometric_mean_interval((control[d] / control[1]).to_numpy())
        result.append(
            Claim(
                name=f"error in d = {d} over that in d = 1, M = {blind['n_samples'].iloc[0]:,}, "
                + LABELS["control"],
                source="our own control",
                ours=ratio,
                interval=(low, high),
                expected=1.0,
                tolerance=0.25,
            )
        )
    return result


_SETTINGS: dict[str, Any] = {"beta": 1.0, "noise_std": 0.1}

EXPERIMENT = Experiment(
    name="curse",
    title="Regression on pairs beside the estimator, in 1 to 1000 dimensions",
    source="minimax paper, Theorem 3.1 (our own experiment)",
    version=1,
    presets={
        "quick": _SETTINGS
        | {
            "dimensions": [1, 3, 10, 30],
            "control_dimensions": [1, 30],
            "n_samples": [100, 300, 1000],
            "replicates": 2,
            "blind_most": 300,
            "fit_most": 30_000,
        },
        "full": _SETTINGS
        | {
            "dimensions": [1, 3, 10, 30, 100, 300, 1000],
            "control_dimensions": [1, 30, 1000],
            "n_samples": [100, 300, 1000, 3000, 10_000, 30_000],
            "replicates": 5,
            "blind_most": 300,
            "fit_most": 300_000,
        },
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 20.0, "full": 1000.0},
    data_keys=DATA_KEYS,
    cost=cost,
)
