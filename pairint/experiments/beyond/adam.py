"""Does Adam get there? The same model, trained, beside the empirical risk minimiser on the same data.

The truths are those of the experiment ``dimension`` (splines of degree 3, tokens on the cube), in dimension
ten and of rank two. What is trained is a pair of factors with a spline, on the very cells of the minimiser,
or with one hidden layer of tanh units. Budgets are numbers of Adam steps; for each of them three learning
rates, each from a start of its own, compete on held-out samples, and the winner trains again on all.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.experiments.minimax import curves
from pairint.validation import check_integer

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT", "RATES", "STRAYED", "adam_ratios", "error_lines", "model_name", "strayed_shares"]

#: Learning rates that compete.
RATES = (0.005, 0.02, 0.08)
#: Learning rate and steps of the trainings that begin where one should end.
_CONTROL_RATE, _CONTROL_STEPS = 0.005, 1000
#: A training has strayed if it leaves so many times the noise's variance: it sits in another valley, or has
#: not left the first plateau. A matrix or function that is merely inaccurate leaves a few percent.
STRAYED = 1.2
_N_PAIRS = 40_000


def model_name(units: int) -> str:
    """Return what a model is called in figures and claims: a spline (0), or so many tanh units."""
    return "spline" if units == 0 else f"{units} tanh units"


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: models x sample sizes x replicates. A model is a number of units, or 0: a spline."""
    from pairint.engine.cells import grid

    for key, least in (("units", 0), ("n_steps", 1), ("n_samples", 50)):
        values = settings[key]
        if not isinstance(values, Sequence) or isinstance(values, str) or len(values) == 0:
            raise ValueError(f"{key} must be a list with at least one value, got {values!r}")
        for value in values:
            check_integer(key, value, least, 10_000_000)
    check_integer("rank", settings["rank"], 1, check_integer("d", settings["d"], 2, 1000))
    check_integer("replicates", settings["replicates"], 1)
    check_integer("moment_steps", settings["moment_steps"], 1, 10_000_000)
    names = ("d", "rank", "n_tokens", "noise_std", "constant", "moment_steps")
    constant = {key: settings[key] for key in names}
    return grid(
        truth="spline",
        smoothness=3,
        degree=3,
        beta=2.0,
        **constant,
        units=settings["units"],
        n_steps=[list(settings["n_steps"])],
        n_samples=settings["n_samples"],
        replicate=range(settings["replicates"]),
    )


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit the minimiser, then train one model with each budget; beside the spline stand the controls."""
    from pairint.estimation import InteractionRegressor, OracleRegressor, interaction_error
    from pairint.estimation.adam import adam_fit, adam_search
    from pairint.experiments.solver import STORED_SOLVER
    from pairint.model import AttentionModel

    model = curves.truth_model(cell)
    rank = cell["rank"]
    X, Y = model.sample(cell["n_samples"], cell["n_tokens"], generator_for(cell, curves.DATA_KEYS))
    n_intervals = curves.rule_intervals(cell["n_samples"], cell["beta"], cell["constant"])
    rows: list[dict[str, Any]] = []

    def fitted(start: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what does not converge is counted
            seed = generator_for(cell, curves.DATA_KEYS, "starts")
            return InteractionRegressor(
                rank,
                cell["degree"],
                n_intervals,
                start=start,
                n_starts=2,
                solver=STORED_SOLVER,
                random_state=seed,
            ).fit(X, Y)

    def note(estimator: str, matrix: Any, activation: Any, **known: Any) -> None:
        found = AttentionModel(activation, matrix, model.tokens)
        pairs = generator_for(cell, curves.TRUTH_KEYS, "error")
        error = interaction_error(found, model, n_pairs=_N_PAIRS, rng=pairs).value
        distance = np.nan
        if estimator != "erm":
            pairs = generator_for(cell, curves.TRUTH_KEYS, "error")
            distance = interaction_error(found, erm_model, n_pairs=_N_PAIRS, rng=pairs).value
        rows.append({"estimator": estimator, "error": error, "distance": distance} | known)

    began = time.process_time()
    erm = fitted("auto")
    seconds = time.process_time() - began
    erm_model = AttentionModel(erm.activation_, erm.matrix_, model.tokens)
    note("erm", erm.matrix_, erm.activation_, budget=0, rate=np.nan, risk=erm.risk_, seconds=seconds)
    what: Any = cell["units"] or erm.activation_.space
    trainings: list[tuple[str, int]] = [("adam", budget) for budget in cell["n_steps"]]
    trainings.append(("adam by moments", cell["moment_steps"]))
    for name, budget in trainings:
        rng = generator_for(cell, (*curves.DATA_KEYS, "units"), f"{name} {budget}")
        began = time.process_time()
        start = _linear_start(X, Y, rank, rng) if name == "adam by moments" else None
        fit = adam_search(
            X, Y, rank, activation=what, n_steps=budget, start=start, learning_rates=RATES, rng=rng
        )
        seconds = time.process_time() - began
        note(
            name,
            fit.matrix,
            fit.activation,
            budget=budget,
            rate=fit.learning_rate,
            risk=fit.risk,
            seconds=seconds,
        )
    if cell["units"] == 0:
        truth = _factors(model.matrix, rank)
        warm = fitted(truth)
        note("erm from the truth", warm.matrix_, warm.activation_, budget=0, rate=np.nan, risk=warm.risk_)
        oracle = OracleRegressor(model.matrix, cell["degree"], n_intervals).fit(X, Y)
        note("oracle", oracle.matrix_, oracle.activation_, budget=0, rate=np.nan, risk=np.nan)
        begins = {
            "adam from erm": (_factors(erm.matrix_, rank), erm.activation_),
            "adam from the truth": (_factors(oracle.matrix_, rank), oracle.activation_),
        }
        for name, (factors, activation) in begins.items():
            fit = adam_fit(
                X,
                Y,
                rank,
                activation=activation,
                start=factors,
                n_steps=_CONTROL_STEPS,
                learning_rate=_CONTROL_RATE,
                rng=generator_for(cell, curves.DATA_KEYS, name),
            )
            known = {"budget": _CONTROL_STEPS, "rate": _CONTROL_RATE, "risk": fit.risk}
            note(name, fit.matrix, fit.activation, **known)
    return rows


def _linear_start(X: Any, Y: Any, rank: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Return the minimiser's linear start: what best explains the outputs by scores alone, of norm one."""
    from pairint.estimation.base import whiten
    from pairint.estimation.initial import starting_factors

    whitened, back = whiten(X)
    left, right = next(iter(starting_factors(whitened, Y, rank, "linear", 0, rng)))
    size = np.linalg.norm(back @ left @ (back @ right).T) ** 0.5
    return back @ left / size, back @ right / size


def _factors(matrix: Any, rank: int) -> tuple[Any, Any]:
    """Return balanced factors ``(U, V)`` of a matrix of this rank."""
    left, singular, right = np.linalg.svd(matrix)
    roots = np.sqrt(singular[:rank])
    return left[:, :rank] * roots, right[:rank].T * roots


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    steps = sum(cell["n_steps"]) * (1.0 + 0.02 * cell["units"]) * 4
    return float(steps + 0.3 * cell["n_samples"])


def adam_ratios(table: DataFrame, estimator: str = "adam") -> DataFrame:
    """Return errors and computing times of trained models over the minimiser's, one row a training.

    Book: :doc:`/book/does_adam_get_there`.

    Parameters
    ----------
    table : DataFrame
        The experiment's table.
    estimator : {"adam", "adam by moments"}
        From random starts, or from the linear one.

    Returns
    -------
    DataFrame
        The rows of the estimator, with ``ratio`` (of squared errors), ``times`` (of processor
        seconds, the search for the learning rate included) and ``strayed`` (a risk above
        :data:`STRAYED` times the noise's variance).
    """
    erm = table[table["estimator"] == "erm"].set_index("cell")
    trained = table[table["estimator"] == estimator].copy()
    trained["ratio"] = trained["error"] / trained["cell"].map(erm["error"])
    trained["times"] = trained["seconds"] / trained["cell"].map(erm["seconds"])
    trained["strayed"] = trained["risk"] > STRAYED * trained["noise_std"] ** 2
    return trained


def strayed_shares(table: DataFrame) -> DataFrame:
    """Return the share of trainings that strayed, by model and budget, with its 95 % interval.

    Book: :doc:`/book/does_adam_get_there`.

    Returns
    -------
    DataFrame
        Columns ``units``, ``budget``, ``n``, ``share``, ``low``, ``high`` (Clopper and Pearson).
    """
    import pandas as pd
    from scipy.stats import beta

    rows = []
    for (units, budget), part in adam_ratios(table).groupby(["units", "budget"]):
        n, k = len(part), int(part["strayed"].sum())
        low = 0.0 if k == 0 else float(beta.ppf(0.025, k, n - k + 1))
        high = 1.0 if k == n else float(beta.ppf(0.975, k + 1, n - k))
        rows.append({"units": units, "budget": budget, "n": n, "share": k / n, "low": low, "high": high})
    return pd.DataFrame(rows)


def plot(table: DataFrame) -> Figure:
    """Draw errors against samples: the minimiser, and Adam at its largest budget and from moments."""
    from pairint.figures.adam import adam_figure
    from pairint.theory import minimax_exponent

    return adam_figure(error_lines(table), exponent=minimax_exponent(2.0))


def error_lines(table: DataFrame) -> DataFrame:
    """Return the errors that the picture shows, with the name of their line, the minimiser first.

    Book: :doc:`/book/does_adam_get_there`.
    """
    import pandas as pd

    spline = table["units"].min()
    parts = [table[(table["estimator"] == "erm") & (table["units"] == spline)].assign(line="minimiser")]
    last = table[table["estimator"] == "adam"]
    last = last[last["budget"] == last["budget"].max()]
    parts += [part.assign(line=f"Adam, {model_name(units)}") for units, part in last.groupby("units")]
    moments = table[table["estimator"] == "adam by moments"]
    for units, part in moments.groupby("units"):
        parts.append(part.assign(line=f"Adam, linear start, {model_name(units)}"))
    return pd.concat(parts, ignore_index=True)


def claims(table: DataFrame) -> list[Claim]:
    """Compare trained models with the minimiser, at the largest budget, and hold the controls."""
    from pairint.engine.statistics import mean_interval, slope_table
    from pairint.theory import minimax_exponent

    trained = adam_ratios(table)
    last = trained[trained["budget"] == trained["budget"].max()]
    result = []
    lines = {"the minimiser": table[(table["estimator"] == "erm") & (table["units"] == table["units"].min())]}
    lines |= {f"Adam, {model_name(u)}": part for u, part in last.groupby("units")}
    for name, part in lines.items():
        slope = slope_table(part.assign(line=name), "line", statistic="median").iloc[0]
        result.append(
            Claim(
                name=f"slope of the medians, {name}",
                source="Theorem 3.1",
                ours=float(slope["slope"]),
                interval=(float(slope["low"]), float(slope["high"])),
                expected=-minimax_exponent(2.0),
                tolerance=0.05,
                relation="at most",
            )
        )
    for units, part in last.groupby("units"):
        good = part[~part["strayed"]]
        means = np.log(good["ratio"]).groupby(good["replicate"]).mean().to_numpy()
        if len(means) < 2:
            continue
        ratio, low, high = np.exp(mean_interval(means))
        result.append(
            Claim(
                name=f"error over the minimiser's, Adam, {model_name(units)}, strayed ones left out",
                source="our own comparison",
                ours=float(ratio),
                interval=(float(low), float(high)),
                expected=1.0,
                tolerance=0.1,
                relation="equal" if units == 0 else "at most",
            )
        )
    shares = strayed_shares(table)
    for _, row in shares[shares["budget"] == shares["budget"].max()].iterrows():
        result.append(
            Claim(
                name=f"share of trainings that stray, Adam, {model_name(int(row['units']))}",
                source="our own comparison",
                ours=float(row["share"]),
                interval=(float(row["low"]), float(row["high"])),
                expected=0.0,
                tolerance=0.0,
            )
        )
    errors = table[table["estimator"] == "erm"].set_index("cell")["error"]
    for name in ("adam from erm", "erm from the truth"):
        part = table[table["estimator"] == name]
        moved = (part["distance"] / part["cell"].map(errors)).groupby(part["replicate"]).mean().to_numpy()
        mean, low, high = mean_interval(moved)
        result.append(
            Claim(
                name=f"distance to the minimiser over its error, {name}",
                source="our own comparison (control)",
                ours=float(mean),
                interval=(float(low), float(high)),
                expected=0.0,
                tolerance=0.1,
                relation="at most",
            )
        )
    return result


_SETTINGS: dict[str, Any] = {
    "d": 10,
    "rank": 2,
    "n_tokens": 3,
    "noise_std": 0.1,
    "constant": 4.5,
}

EXPERIMENT = Experiment(
    name="adam",
    title="Trained by Adam beside the empirical risk minimiser",
    source="our own experiment",
    version=1,
    presets={
        "quick": _SETTINGS
        | {"units": [0, 8], "n_steps": [200], "moment_steps": 200, "n_samples": [500, 2000], "replicates": 2},
        "full": _SETTINGS
        | {
            "units": [0, 8, 32],
            "n_steps": [200, 1000, 3000],
            "moment_steps": 500,
            "n_samples": [500, 4000, 32_000],
            "replicates": 10,
        },
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 8.0, "full": 500.0},
    data_keys=curves.DATA_KEYS,
    cost=cost,
    # Adam's steps do not shrink with the gradient: at the largest rate some trainings double each rounding.
    reproducible="in distribution",
)
