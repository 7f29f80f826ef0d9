"""Points of the stored experiments, for the figures that show a theory beside them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from pairint.engine.statistics import summarize
from pairint.engine.store import ResultsError
from pairint.experiments.tables import load_results, stored_names
from pairint.explorers.kit.explorer import Series

__all__ = ["MeasuredLine", "measured_lines"]

#: Tables of learning curves, with what their lines are called.
_TABLES = {
    "rough": "rough truth, β = {smoothness:g}, d = {d}",
    "dimension": "figure (a): spline of degree {smoothness:g}, d = {d}",
    "smoothness": "figure (b): spline of degree {smoothness:g}, d = {d}",
}
_SETTING = ["smoothness", "d", "beta", "rank", "n_tokens", "noise_std", "selection"]


@dataclass(frozen=True)
class MeasuredLine:
    """Mean errors of one truth and dimension against M.

    Attributes
    ----------
    key, name : str
    values : dict
        The setting, as values of the rate explorer's parameters.
    points : dict
        ``"fit"`` and ``"oracle"`` (matrix known), each with ``x``, ``y`` and the ends of two standard errors.
    """

    key: str
    name: str
    values: dict[str, Any]
    points: Series


@functools.cache
def measured_lines() -> tuple[MeasuredLine, ...]:
    """Return the lines of all stored tables of learning curves; none if there is no table."""
    lines = []
    stored = set(stored_names())
    for table_name, label in _TABLES.items():
        if table_name not in stored:
            continue
        try:
            table = load_results(table_name)
        except ResultsError:
            continue  # a damaged table is reported where the experiment is, not in a figure
        for setting, part in table.groupby(_SETTING, sort=True):
            given = dict(zip(_SETTING, setting, strict=True))
            name = label.format(**given) + (", K by the rule" if given["selection"] == "rule" else "")
            points = {}
            for estimator, rows in part.groupby("estimator"):
                means = summarize(rows, "n_samples").sort_values("n_samples")
                spread = 2 * means["sem"]
                points[str(estimator)] = {
                    "x": means["n_samples"].astype("int64").tolist(),
                    "y": [float(f"{v:.4g}") for v in means["mean"]],
                    "low": [float(f"{v:.4g}") for v in (means["mean"] - spread).clip(lower=1e-12)],
                    "high": [float(f"{v:.4g}") for v in means["mean"] + spread],
                }
            values = {
                "beta": float(given["beta"]),
                "d": int(given["d"]),
                "rank": int(given["rank"]),
                "tokens": int(given["n_tokens"]),
                "noise": float(given["noise_std"]),
            }
            key = f"{table_name}-{given['smoothness']:g}-{given['d']}-{given['selection']}"
            lines.append(MeasuredLine(key, name, values, points))
    return tuple(lines)
