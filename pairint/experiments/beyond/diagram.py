"""The measured points of the one diagram, read from stored tables: what was learned from how many numbers.

Nothing is computed here but counts and ratios. A point is the mean over the replicates of one setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["MISSED", "STATES", "TABLES", "balance_points", "diagram_points"]

#: An interaction is recovered if so much of its variance is missed at most.
MISSED = 0.1
#: What a point can say.
STATES = ("not recovered", "recovered", "matrix costs more", "function costs more")
#: Stored tables that points come from.
TABLES = (
    "dimension",
    "smoothness",
    "matrix_price",
    "counting",
    "aim_softmax",
    "aim_tokens",
    "head_recovery",
)
#: Of the splines in the tables: their degree is that of the truth, or of the fit.
_PRICE_DEGREE = 3
_HEAD_OUTPUTS = 32


def balance_points(tables: Sequence[str] = ("dimension", "smoothness", "matrix_price")) -> DataFrame:
    """Return what the matrix costs over what the function costs, measured and counted.

    Book: :doc:`/book/one_diagram`.

    Parameters
    ----------
    tables : sequence of str
        Of ``dimension``, ``smoothness`` and ``matrix_price``.

    Returns
    -------
    DataFrame
        One row a setting: ``table``, ``d``, ``rank``, ``beta`` (infinite for analytic truths), ``n_tokens``,
        ``n_samples``, ``numbers`` (p), ``coefficients`` (K + s), ``counted`` (their ratio), and ``measured``
        with ``low`` and ``high``: excess error of the fit over the error of the oracle, the 95 % interval of
        its mean over replicates.
    """
    import pandas as pd

    from pairint.engine.statistics import mean_interval
    from pairint.experiments.tables import load_results
    from pairint.theory.rates import matrix_dimension

    rows = []
    for name in tables:
        table = load_results(name)
        if name == "matrix_price":
            pairs = table.assign(
                beta=np.inf, degree=_PRICE_DEGREE, fit=table["error"], oracle=table["oracle_error"]
            )
        else:
            kept = table[(table["selection"] == "rule") & (table["d"] > 1)]
            keys = ["d", "rank", "beta", "degree", "n_tokens", "n_samples", "n_intervals", "replicate"]
            pairs = kept.pivot_table(index=keys, columns="estimator", values="error").reset_index()
            pairs["activation"] = "spline"
        keys = ["activation", "d", "rank", "beta", "degree", "n_tokens", "n_samples", "n_intervals"]
        for key, part in pairs.groupby(keys, sort=False):
            known: dict[str, Any] = dict(zip(keys, key, strict=True))
            excess = (part["fit"] - part["oracle"]).to_numpy() / part["oracle"].mean()
            mean, low, high = mean_interval(excess)
            numbers = matrix_dimension(int(known["d"]), int(known["rank"])) - 1
            coefficients = int(known["n_intervals"] + known["degree"])
            rows.append(
                {"table": name}
                | {k: known[k] for k in ("activation", "d", "rank", "beta", "n_tokens", "n_samples")}
                | {"numbers": numbers, "coefficients": coefficients, "counted": numbers / coefficients}
                | {"measured": mean, "low": low, "high": high}
            )
    return pd.DataFrame(rows)


def diagram_points() -> DataFrame:
    """Return all measured points of the diagram, each with the table that it comes from.

    Book: :doc:`/book/one_diagram`.

    Returns
    -------
    DataFrame
        ``table``, ``what`` (a few words), ``numbers`` (p, what the matrix has; in ``counting`` with the
        spline's), ``seen`` (numbers observed), ``state`` (one of :data:`STATES`) and ``missed`` (the part of
        the variance that is missed, NaN where only costs are compared).
    """
    import pandas as pd

    rows = []
    for _, point in balance_points().iterrows():
        rows.append(
            {
                "table": point["table"],
                "what": f"d = {point['d']}, r = {point['rank']}, beta = {point['beta']:g}",
                "numbers": point["numbers"],
                "seen": point["n_samples"] * point["n_tokens"],
                "state": STATES[2] if point["measured"] > 1 else STATES[3],
                "missed": np.nan,
            }
        )
    rows += [*_counted(), *_indexed(), *_heads()]
    return pd.DataFrame(rows)


def _state(missed: float) -> str:
    return STATES[1] if missed <= MISSED else STATES[0]


def _counted() -> Iterator[dict[str, Any]]:
    from pairint.experiments.tables import load_results

    table = load_results("counting")
    for (activation, numbers, _), part in table.groupby(["activation", "numbers", "ratio"], sort=False):
        missed = float(part["missed"].median())
        yield {
            "table": "counting",
            "what": f"{activation}, d = {part['d'].iloc[0]}, r = {part['rank'].iloc[0]}",
            "numbers": int(numbers),
            "seen": int(part["n_samples"].iloc[0] * part["n_tokens"].iloc[0]),
            "state": _state(missed),
            "missed": missed,
        }


def _indexed() -> Iterator[dict[str, Any]]:
    from pairint.experiments.tables import load_results
    from pairint.theory.diagram import equations_per_sample, symmetric_dimension

    for name in ("aim_softmax", "aim_tokens"):
        table = load_results(name)
        kept = table[table["estimator"] == "amp"]
        for (n_tokens, rho, d, alpha), part in kept.groupby(["n_tokens", "rho", "d", "alpha"]):
            missed = float(part["error"].mean())
            yield {
                "table": name,
                "what": f"T = {n_tokens}, rho = {rho:g}",
                "numbers": symmetric_dimension(int(d), round(rho * d)),
                "seen": round(alpha * d**2) * equations_per_sample(int(n_tokens), "softmax"),
                "state": _state(missed),
                "missed": missed,
            }


def _heads() -> Iterator[dict[str, Any]]:
    from pairint.experiments.beyond.head_recovery import n_parameters
    from pairint.experiments.tables import load_results

    table = load_results("head_recovery")
    kept = table[(table["kind"] == "fit") & (table["task"] == "exp") & (table["rank"] == 32)]
    kept = kept[kept["noise"] > 0]
    for (layer, head, n), part in kept.groupby(["layer", "head", "n_tokens"]):
        # Part of the variance of what the head says on windows that were not seen.
        missed = float(part["error"].mean())
        yield {
            "table": "head_recovery",
            "what": f"layer {layer}, head {head}",
            "numbers": n_parameters(32, 384),
            "seen": int(n) * _HEAD_OUTPUTS,
            "state": _state(missed),
            "missed": missed,
        }
