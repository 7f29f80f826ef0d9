"""Slopes on log-log axes with bootstrap intervals, means and spreads, all over replicates.

Replicates are resampled whole: the same draw of replicates serves every abscissa, which is right both
when the errors of one replicate are independent along the line and when they share something (a truth,
a set of samples that grows).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from pairint.validation import (
    check_choice,
    check_floats,
    check_integer,
    check_real,
    check_rng,
    check_size,
    shortened,
)

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Slope", "fit_slope", "geometric_mean_interval", "mean_interval", "slope_table", "summarize"]

_STATISTICS = {
    "mean": lambda values, axis: values.mean(axis=axis),
    "median": lambda values, axis: np.median(values, axis=axis),
    "geometric mean": lambda values, axis: np.exp(np.log(values).mean(axis=axis)),
}


@dataclass(frozen=True)
class Slope:
    """A power law fitted to a line of replicated values.

    Attributes
    ----------
    value, low, high : float
        The exponent and its interval.
    prefactor : float
        The fit is ``prefactor * x**value``.
    level : float
        Nominal coverage of the interval.
    n_points, n_replicates : int
    """

    value: float
    low: float
    high: float
    prefactor: float
    level: float
    n_points: int
    n_replicates: int

    @property
    def interval(self) -> tuple[float, float]:
        """The interval as a pair."""
        return self.low, self.high

    def __call__(self, x: Any) -> Any:
        """Evaluate the fitted line."""
        return self.prefactor * check_floats("x", x) ** self.value

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def fit_slope(
    x: Any,
    y: Any,
    *,
    statistic: str = "mean",
    level: float = 0.95,
    n_resamples: int = 2000,
    rng: Any = 0,
) -> Slope:
    """Fit a power law by least squares on log-log axes, with a bootstrap interval over replicates.

    Book: :doc:`/book/how_results`.

    Parameters
    ----------
    x : (n_points,) array_like
        Distinct positive abscissae, at least two.
    y : (n_points, n_replicates) array_like
        Positive values; column ``i`` is replicate ``i``.
    statistic : {"mean", "median", "geometric mean"}
        How the replicates at one abscissa make one value.
    level : float
        Nominal coverage of the interval, in (0, 1).
    n_resamples : int
        Bootstrap samples; at least 100, at most a million.
    rng : Generator, SeedSequence or int
        A fixed seed by default, so that a table gives one interval.

    Returns
    -------
    Slope
        With one replicate the interval is (-inf, inf): nothing is known of the spread.

    Raises
    ------
    ValueError
        On values that are not positive and finite, or too few points.

    Notes
    -----
    The interval is the expanded percentile interval of Hesterberg (2015, The American Statistician
    69, 371-386): quantiles of the bootstrap slopes at levels widened to make up for the
    factor sqrt((n-1)/n) and for the Student quantile, which matter at 5 to 20 replicates.
    """
    x = np.asarray(check_floats("x", x, (None,)), dtype=float)
    y = np.asarray(check_floats("y", y, (None, None)), dtype=float)
    if len(x) != len(y):
        raise ValueError(
            f"x and y must have one value and one row a point; got shapes {x.shape} and {y.shape}"
        )
    check_choice("statistic", statistic, tuple(_STATISTICS))
    level, n_resamples = _check_bootstrap(level, n_resamples)
    if len(np.unique(x)) != len(x) or len(x) < 2:
        raise ValueError(f"x must have at least two values, all distinct; got {x.tolist()}")
    if y.shape[1] == 0:
        raise ValueError("y must have at least one replicate")
    for name, values in (("x", x), ("y", y)):
        if not (values > 0).all():
            raise ValueError(f"{name} must be > 0 for a slope on log axes, got {values.min()}")
    # The least-squares slope is a weighted sum of log values, and so is the intercept.
    log_x = np.log(x)
    weights = (log_x - log_x.mean()) / np.sum((log_x - log_x.mean()) ** 2)
    reduce = _STATISTICS[statistic]
    log_y = np.log(reduce(y, 1))
    value = float(weights @ log_y)
    prefactor = float(np.exp(log_y.mean() - value * log_x.mean()))
    n = y.shape[1]
    low, high = -np.inf, np.inf
    if n > 1:
        check_size("n_resamples and the replicates of y", n_resamples, n)
        draws = check_rng(rng).integers(n, size=(n_resamples, n))
        resampled = np.stack([np.log(reduce(line[draws], 1)) for line in y], axis=1)
        low, high = np.quantile(resampled @ weights, _expanded_levels(level, n))
    return Slope(value, float(low), float(high), prefactor, level, len(x), n)


def _check_bootstrap(level: Any, n_resamples: Any) -> tuple[float, int]:
    return (
        check_real("level", level, 0, 1, exclusive_minimum=True, exclusive_maximum=True),
        check_integer("n_resamples", n_resamples, 100, 1_000_000),
    )


def _expanded_levels(level: float, n: int) -> tuple[float, float]:
    tail = special.ndtr(-np.sqrt(n / (n - 1)) * special.stdtrit(n - 1, 0.5 + level / 2))
    return float(tail), float(1 - tail)


def slope_table(
    table: DataFrame,
    by: str | Sequence[str],
    *,
    x: str = "n_samples",
    y: str = "error",
    replicate: str = "replicate",
    **options: Any,
) -> DataFrame:
    """Return one slope per line of a figure.

    Book: :doc:`/book/how_results`.

    Parameters
    ----------
    table : DataFrame
        Tidy: one row per line, abscissa and replicate.
    by : str or sequence of str
        The columns that tell the lines apart.
    x, y, replicate : str
        Columns.
    **options
        Passed to :func:`fit_slope`.

    Returns
    -------
    DataFrame
        The columns ``by``, then ``slope``, ``low``, ``high``, ``prefactor``, ``n_points`` and
        ``n_replicates``, in order of appearance.

    Raises
    ------
    ValueError
        If a line lacks a replicate somewhere, or has one twice.
    """
    import pandas as pd

    by = _check_columns(table, by, x=x, y=y, replicate=replicate)
    rows = []
    for key, line in table.groupby(by, sort=False, dropna=False):
        if line.duplicated([x, replicate]).any():
            raise ValueError(f"line {dict(zip(by, key, strict=True))} has a replicate twice at one {x}")
        grid = line.pivot(index=x, columns=replicate, values=y)
        if grid.isna().any(axis=None):
            raise ValueError(f"line {dict(zip(by, key, strict=True))} lacks {y} for some replicates")
        slope = fit_slope(grid.index.to_numpy(dtype=float), grid.to_numpy(dtype=float), **options)
        rows.append(
            {
                **dict(zip(by, key, strict=True)),
                "slope": slope.value,
                "low": slope.low,
                "high": slope.high,
                "prefactor": slope.prefactor,
                "n_points": slope.n_points,
                "n_replicates": slope.n_replicates,
            }
        )
    return pd.DataFrame(rows)


def mean_interval(values: Any, level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean with Student's interval.

    Book: :doc:`/book/how_results`.

    Parameters
    ----------
    values : (n,) array_like
    level : float

    Returns
    -------
    mean, low, high : float
        The interval is infinite for a single value.
    """
    values = np.asarray(check_floats("values", values, (None,)), dtype=float)
    level = check_real("level", level, 0, 1, exclusive_minimum=True, exclusive_maximum=True)
    n = len(values)
    if n == 0:
        raise ValueError("values must not be empty")
    mean = float(values.mean())
    if n == 1:
        return mean, -np.inf, np.inf
    half = float(special.stdtrit(n - 1, 0.5 + level / 2) * values.std(ddof=1) / np.sqrt(n))
    return mean, mean - half, mean + half


def geometric_mean_interval(values: Any, level: float = 0.95) -> tuple[float, float, float]:
    """Return the geometric mean of positive values with Student's interval of their logarithms.

    Book: :doc:`/book/how_results`.

    Parameters
    ----------
    values : (n,) array_like
        Positive, ratios of errors for example.
    level : float

    Returns
    -------
    mean, low, high : float
        The interval is from 0 to infinity for a single value.
    """
    values = np.asarray(check_floats("values", values, (None,)), dtype=float)
    if not (values > 0).all():
        raise ValueError(f"values must be positive, got {values.min()}")
    mean, low, high = mean_interval(np.log(values), level)
    return math.exp(mean), math.exp(low), float(np.exp(high))


def summarize(
    table: DataFrame,
    by: str | Sequence[str],
    y: str = "error",
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
    rng: Any = 0,
) -> DataFrame:
    """Summarise the replicates of each point of a figure.

    Book: :doc:`/book/how_results`.

    Parameters
    ----------
    table : DataFrame
    by : str or sequence of str
        The columns that tell the points apart.
    y : str
        The column of values; missing ones are counted, not summarised.
    level, n_resamples, rng
        Of the bootstrap interval of the mean; see :func:`fit_slope`.

    Returns
    -------
    DataFrame
        The columns ``by``, then ``mean``, its interval ``low`` to ``high`` (missing with a single
        value), ``std`` (one less in the denominator), ``sem`` (standard error of the mean), ``median``,
        ``q10``, ``q90``, ``n`` and ``missing``, in order of appearance.

    Raises
    ------
    ValueError, TypeError
        If the table lacks a column, ``level`` is outside (0, 1) or ``n_resamples`` outside 100 to a million.

    Notes
    -----
    The interval resamples the values, so that it stays positive where they are, as error bars on log
    axes must; its levels are expanded as in :func:`fit_slope`.
    """
    import pandas as pd

    by = _check_columns(table, by, y=y)
    level, n_resamples = _check_bootstrap(level, n_resamples)
    rng = check_rng(rng)
    rows = []
    for key, group in table.groupby(by, sort=False, dropna=False):
        values = np.asarray(check_floats(f"column {y!r}", group[y].dropna(), finite=False), dtype=float)
        n = len(values)
        low, high = np.nan, np.nan
        if n > 1:
            means = values[rng.integers(n, size=(n_resamples, n))].mean(axis=1)
            low, high = np.quantile(means, _expanded_levels(level, n))
        std = values.std(ddof=1) if n > 1 else np.nan
        q10, median, q90 = np.quantile(values, [0.1, 0.5, 0.9]) if n else [np.nan] * 3
        rows.append(
            {
                **dict(zip(by, key, strict=True)),
                "mean": values.mean() if n else np.nan,
                "low": low,
                "high": high,
                "std": std,
                "sem": std / np.sqrt(n) if n > 1 else np.nan,
                "median": median,
                "q10": q10,
                "q90": q90,
                "n": n,
                "missing": len(group) - n,
            }
        )
    return pd.DataFrame(rows)


def _check_columns(table: Any, by: Any, **columns: Any) -> list[str]:
    """Return ``by`` as a list, after checking that the table has all these columns, each of one kind."""
    if not hasattr(table, "groupby"):
        raise TypeError(f"table must be a DataFrame, got {shortened(table)}")
    if not isinstance(by, str | list | tuple):
        raise TypeError(f"by must be the name of a column or a list of names, got {shortened(by)}")
    by = [by] if isinstance(by, str) else list(by)
    if not by:
        raise ValueError("by must name at least one column")
    for argument, name in [*(("by", name) for name in by), *columns.items()]:
        if not isinstance(name, str) or name not in table.columns:
            raise ValueError(
                f"{argument} must be a column of the table, which are {', '.join(map(str, table.columns))}; "
                f"got {shortened(name)}"
            )
    return by
