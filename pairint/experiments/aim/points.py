r"""What the experiments on attention-indexed models share: a teacher, its data, an algorithm, its error.

A cell fixes channel, ``T``, ``rho``, ``alpha``, ``d`` and a replicate: a teacher and :math:`n = \alpha d^2`
samples are drawn from these, and every method of the cell's experiment sees the same ones. Methods:

``"amp"``
    One row: the error of approximate message passing (:func:`pairint.aim.amp.amp`).
``"gd"``
    Two rows: the mean error of single runs of gradient descent, and that of the mean of their matrices; the
    number of runs is the cell's ``n_runs``. In single precision, for speed: a run ends where its loss is a
    fraction 1e-5 of that of a constant prediction, far above rounding.

Beside each error stands what the state evolution predicts: ``bayes`` at :math:`\alpha`, ``bayes_finite`` at
:math:`\alpha/(1 + 1/d)`, for a symmetric matrix has :math:`d(d+1)/2` entries, not :math:`d^2/2`.
``scale_error`` is what hardmax labels leave open at finite d whatever the algorithm: they do not change when
S is multiplied by a positive number, and the trace of S is independent of S / Tr S and varies by a fraction
:math:`\sqrt{2/(rd)}`, which costs :math:`2 Q_0/(rd)`.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.claims import Claim
from pairint.engine.seeds import generator_for
from pairint.validation import check_choice, check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

    from pairint.aim.teacher import AIMTeacher

__all__ = [
    "ALPHA",
    "DATA_KEYS",
    "ERROR",
    "bayes_claims",
    "check_settings",
    "compute",
    "convergence_claims",
    "cost",
    "data",
    "dimension",
    "draw_curve",
    "draw_dots",
    "draw_means",
    "fractions_of_threshold",
    "ratio_claims",
    "recovery_claims",
    "reproducible",
    "row",
]

DATA_KEYS = ("channel", "n_tokens", "rho", "alpha", "d")

ERROR = r"error $\|S - \hat S\|_F^2/d$"
ALPHA = r"samples $\alpha = n/d^2$"

#: Above this error AMP is held to the state evolution, below it within error bars.
VISIBLE = 0.05
#: The mean ratio of a line is equivalent to one if its whole interval is this near: at finite d it is 1 to
#: 3 % above (terms of order 1/d), and a line's runs leave 1 to 2 %.
TOLERANCE = 0.05
#: Single points are equivalent to the prediction if their whole interval is this near: sixteen teachers leave
#: intervals of up to 7 % to either side, and at finite d the errors are 1 to 3 % above the limit.
EQUIVALENT = 0.1
_MAX_ITER = 600
# Below this width ratio a layer has few large eigenvalues, and needs a larger d for the same accuracy.
_NARROW = 0.15


def data(cell: dict[str, Any]) -> tuple[AIMTeacher, np.ndarray, np.ndarray]:
    """Draw the teacher of a cell and its samples: ``(teacher, X, y)``."""
    from pairint.aim.teacher import AIMTeacher

    teacher = AIMTeacher(
        cell["d"],
        cell["rho"],
        cell["n_tokens"],
        cell["channel"],
        rng=generator_for(cell, DATA_KEYS, "teacher"),
    )
    n = max(1, round(cell["alpha"] * cell["d"] ** 2))
    return teacher, *teacher.sample(n, generator_for(cell, DATA_KEYS))


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the cell's method on its data."""
    from sklearn.exceptions import ConvergenceWarning

    teacher, X, y = data(cell)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the rows say it
        return (_amp if cell["method"] == "amp" else _descent)(cell, teacher, X, y)


def _amp(cell: dict[str, Any], teacher: AIMTeacher, X: np.ndarray, y: np.ndarray) -> list[dict[str, Any]]:
    from pairint.aim.amp import amp

    began = time.perf_counter()
    result = amp(X, y, teacher.rho, teacher.channel, max_iter=_MAX_ITER)
    seconds = time.perf_counter() - began
    return [row(cell, teacher, "amp", result.S, result.mmse, result.n_iter, result.converged, seconds)]


def _descent(cell: dict[str, Any], teacher: AIMTeacher, X: np.ndarray, y: np.ndarray) -> list[dict[str, Any]]:
    from pairint.aim.gradient_descent import gradient_descent

    began = time.perf_counter()
    result = gradient_descent(
        X,
        y,
        teacher.width,
        teacher.channel,
        n_runs=cell["n_runs"],
        dtype="float32",
        rng=generator_for(cell, DATA_KEYS, "students"),
    )
    seconds = time.perf_counter() - began
    common = (math.nan, result.n_iter, result.converged, seconds)
    single = row(cell, teacher, "gd", result.runs[0], *common)
    single["error"] = float(np.mean([teacher.error(matrix) for matrix in result.runs]))
    single["overlap"] = float(np.mean([np.sum(matrix * teacher.S) for matrix in result.runs])) / teacher.d
    return [single, row(cell, teacher, "averaged gd", result.S, *common)]


def row(
    cell: dict[str, Any],
    teacher: AIMTeacher,
    estimator: str,
    estimate: np.ndarray,
    own_error: float,
    n_iter: int,
    converged: bool,
    seconds: float,
) -> dict[str, Any]:
    """Return a row: an estimate of the teacher's matrix, beside what the state evolution predicts."""
    from pairint.aim.state_evolution import state_evolution

    alpha, d, channel = cell["alpha"], cell["d"], teacher.channel
    known = channel.recovers_exactly  # the scale of S, in the limit of many samples
    return {
        "estimator": estimator,
        "error": teacher.error(estimate),
        "overlap": float(np.sum(estimate * teacher.S)) / d,
        "own_error": own_error,
        "n_iter": n_iter,
        "converged": converged,
        "bayes": float(state_evolution(alpha, teacher.rho, channel).mmse),
        "bayes_finite": float(state_evolution(alpha / (1 + 1 / d), teacher.rho, channel).mmse),
        "scale_error": 0.0 if known else 2 * (1 + teacher.rho) / (teacher.width * d),
        "seconds": seconds,
    }


def reproducible(cell: dict[str, Any]) -> str:
    """Return how nearly a cell is the same elsewhere: gradient descent runs in single precision."""
    return "to 1e-3" if cell["method"] == "gd" else "to 1e-6"


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    n_flops = cell["alpha"] * cell["n_tokens"] * cell["d"] ** 4
    if cell["method"] == "gd":
        return 4 * n_flops * cell["n_runs"]
    return n_flops + 30 * cell["d"] ** 3


def dimension(settings: dict[str, Any], rho: float) -> int:
    """Return the dimension of the cells of width ratio ``rho``: ``narrow_d`` below 0.15, ``d`` above."""
    return settings["narrow_d"] if rho < _NARROW else settings["d"]


def fractions_of_threshold(
    channel: str, n_tokens: int, rho: float, fractions: Sequence[float]
) -> list[float]:
    """Return sample ratios at fractions of the exact-recovery threshold, rounded to six digits."""
    from pairint.aim.state_evolution import exact_recovery_threshold

    threshold = exact_recovery_threshold(rho, channel, n_tokens)
    return [float(f"{fraction * threshold:.6g}") for fraction in fractions]


def check_settings(settings: dict[str, Any]) -> None:
    """Reject settings out of range, naming the key."""
    positive = ("rhos", "alphas", "fractions", "alpha_bars", "gd_fractions")
    for key in (*positive, "tokens", "gd_tokens"):
        if key not in settings:
            continue
        values = settings[key]
        if not isinstance(values, Sequence) or (len(values) == 0 and not key.startswith("gd")):
            raise ValueError(f"{key} must be a list with at least one value, got {values!r}")
        for value in values:
            if key in positive:
                check_real(key, value, 0.0, 100.0, exclusive_minimum=True)
            else:
                check_integer(key, value, 2, 20)
    if "rho" in settings:
        check_real("rho", settings["rho"], 0.0, 100.0, exclusive_minimum=True)
    if "channel" in settings:
        check_choice("channel", settings["channel"], ("softmax", "hardmax", "linear"))
    for key in ("d", "narrow_d", "gd_d"):
        if key in settings:
            check_integer(key, settings[key], 4, 2000)
    for key in ("replicates", "gd_replicates"):
        if key in settings:
            check_integer(key, settings[key], 0 if key.startswith("gd") else 1)
    if "gd_runs" in settings:
        check_integer("gd_runs", settings["gd_runs"], 2, 10_000)


# Pictures ------------------------------------------------------------------------------------------


def draw_curve(
    axes: Axes,
    alphas: np.ndarray,
    rho: float,
    channel: str,
    n_tokens: int = 2,
    *,
    scale: float = 1.0,
    **style: Any,
) -> None:
    """Draw the Bayes-optimal error at ``alphas``, against ``scale * alpha``."""
    from pairint.aim.state_evolution import exact_recovery_threshold, state_evolution

    threshold = exact_recovery_threshold(rho, channel, n_tokens)
    if alphas.min() < threshold < alphas.max():
        alphas = np.unique(np.append(alphas, threshold))
    axes.plot(scale * alphas, state_evolution(alphas, rho, channel, n_tokens).mmse, **style)


def draw_dots(
    axes: Axes,
    table: DataFrame,
    *,
    x: Any = "alpha",
    estimator: str = "amp",
    color: str,
    marker: str = "o",
    **style: Any,
) -> None:
    """Draw the mean errors of an estimator with their 95 % intervals; ``x`` is a column or a function."""
    from pairint.engine.statistics import summarize

    part = table[table["estimator"] == estimator]
    if part.empty:
        return
    points = summarize(part, ["rho", "n_tokens", "alpha", "d"]).sort_values("alpha")
    where = points[x] if isinstance(x, str) else x(points)
    low, high = points["low"].fillna(points["mean"]), points["high"].fillna(points["mean"])
    options: dict[str, Any] = {
        "linestyle": "none",
        "capsize": 2,
        "markersize": 4.5,
        "elinewidth": 1.0,
    } | style
    axes.errorbar(
        where,
        points["mean"],
        yerr=[(points["mean"] - low).clip(lower=0), (high - points["mean"]).clip(lower=0)],
        color=color,
        marker=marker,
        **options,
    )


def draw_means(
    axes: Axes, table: DataFrame, *, x: Any = "alpha", color: str, marker: str = "o", **style: Any
) -> None:
    """Draw the mean errors of message passing without intervals: where points are many and replicates few."""
    part = table[table["estimator"] == "amp"]
    means = part.groupby(["n_tokens", "alpha"], as_index=False)["error"].mean().sort_values("alpha")
    where = means[x] if isinstance(x, str) else x(means)
    options: dict[str, Any] = {"linestyle": "none", "markersize": 3.5} | style
    axes.plot(where, means["error"], color=color, marker=marker, **options)


# Claims --------------------------------------------------------------------------------------------


def _points(table: DataFrame, estimator: str = "amp") -> DataFrame:
    """Return one row a point: the mean error, its interval, and the predictions."""
    import pandas as pd

    from pairint.engine.statistics import mean_interval

    keys = ["rho", "n_tokens", "alpha", "d"]
    rows = []
    for key, group in table[table["estimator"] == estimator].groupby(keys):
        mean, low, high = mean_interval(group["error"].to_numpy())
        rows.append(
            dict(zip(keys, key, strict=True))
            | {"mean": mean, "low": low, "high": high}
            | {name: float(group[name].iloc[0]) for name in ("bayes_finite", "scale_error")}
        )
    return pd.DataFrame(rows)


def ratio_claims(table: DataFrame, by: str, names: str, source: str) -> list[Claim]:
    """Compare AMP with the state evolution where that is above 0.05: the mean ratio for each ``by``.

    The whole interval must lie in 1 ± 0.05, so that a wide one does not pass.
    """
    from pairint.engine.statistics import mean_interval

    runs = table[(table["estimator"] == "amp") & (table["bayes_finite"] > VISIBLE)]
    claims = []
    for value, group in runs.groupby(by):
        # One number a replicate index: points of one index differ in their data, so all runs are independent.
        ratio = (group["error"] / (group["bayes_finite"] + group["scale_error"])).to_numpy()
        mean, low, high = mean_interval(ratio)
        claims.append(
            Claim(
                name=f"AMP over state evolution, error above {VISIBLE:g}, {names.format(value=value)}",
                source=source,
                ours=mean,
                interval=(low, high),
                expected=1.0,
                tolerance=TOLERANCE,
                relation="equivalent",
            )
        )
    return claims


def bayes_claims(table: DataFrame, by: str, names: str, source: str) -> list[Claim]:
    """Compare AMP with the state evolution at ``alpha / (1 + 1/d)``.

    Where the predicted error is above 0.05: one claim for each value of ``by``, the mean ratio of all its
    runs; and one for single points, the share of those whose whole 95 % interval lies in 1 ± 0.1, so that a
    wide interval does not pass. One for the smaller errors of all: the share of points whose 95 % interval
    holds the prediction.
    """
    claims = ratio_claims(table, by, names, source)
    points = _points(table)
    if len(points):
        predicted = points["bayes_finite"] + points["scale_error"]
        large = points["bayes_finite"] > VISIBLE
        if large.any():
            low, high = points["low"] / predicted, points["high"] / predicted
            close = ((low >= 1 - EQUIVALENT) & (high <= 1 + EQUIVALENT))[large]
            ratio = (points["mean"] / predicted)[large]
            worst = points.loc[(ratio - 1).abs().idxmax()]
            claims.append(
                Claim(
                    name=f"errors above {VISIBLE:g}: share of {large.sum()} points whose interval lies in "
                    f"1 ± {EQUIVALENT:g} (farthest: {ratio[worst.name]:.3f} at rho = {worst['rho']:g}, "
                    f"T = {worst['n_tokens']:g}, alpha = {worst['alpha']:.3g})",
                    source=source,
                    ours=float(close.mean()),
                    expected=1.0,
                    tolerance=0.0,
                    relation="at least",
                )
            )
        small = (points["bayes_finite"] > 0) & (points["bayes_finite"] <= VISIBLE)
        if small.any():
            inside = ((points["low"] <= predicted) & (predicted <= points["high"]))[small]
            claims.append(
                Claim(
                    name=f"smaller errors: share of {small.sum()} points whose interval holds the prediction",
                    source=source,
                    ours=float(inside.mean()),
                    expected=0.95,
                    tolerance=0.1,
                    relation="at least",
                )
            )
    return claims


def convergence_claims(table: DataFrame, source: str) -> list[Claim]:
    """State the share of AMP runs that converged."""
    runs = table[table["estimator"] == "amp"]
    if runs.empty:
        return []
    return [
        Claim(
            name=f"share of {len(runs)} AMP runs converged within {_MAX_ITER} iterations",
            source=source,
            ours=float(runs["converged"].astype(bool).mean()),
            expected=1.0,
            tolerance=0.02,
            relation="at least",
        )
    ]


def recovery_claims(
    table: DataFrame, channel: str, pairs: Sequence[tuple[float, int]], source: str
) -> list[Claim]:
    """Check exact recovery: the zero of the state evolution against the count of equations, and AMP above it.

    Parameters
    ----------
    table : DataFrame
    channel : {"softmax", "linear"}
    pairs : sequence of (rho, n_tokens)
    source : str
    """
    from pairint.aim.state_evolution import alpha_of_noise, exact_recovery_threshold

    claims = []
    for rho, n_tokens in pairs:
        claims.append(
            Claim(
                name=f"samples at which the error vanishes, rho = {rho:g}, T = {n_tokens}",
                source=source,
                ours=alpha_of_noise(1e-18, rho, channel, n_tokens),
                expected=exact_recovery_threshold(rho, channel, n_tokens),
                tolerance=1e-6,
            )
        )
    beyond = table[(table["estimator"] == "amp") & (table["bayes_finite"] == 0)]
    if len(beyond):
        claims.append(
            Claim(
                name=f"largest AMP error of {len(beyond)} runs beyond exact recovery",
                source=source,
                ours=float(beyond["error"].max()),
                expected=0.0,
                tolerance=1e-2,
            )
        )
    return claims
