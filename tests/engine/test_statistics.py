"""Slopes, means and their intervals."""

import math

import numpy as np
import pandas as pd
import pytest

from pairint.engine.statistics import (
    fit_slope,
    geometric_mean_interval,
    mean_interval,
    slope_table,
    summarize,
)

X = np.geomspace(1e3, 1e5, 7)


def noisy(rng, replicates, exponent=-0.8, spread=0.4):
    return X[:, None] ** exponent * np.exp(spread * rng.standard_normal((len(X), replicates)))


class TestSlope:
    def test_an_exact_power_law(self):
        slope = fit_slope(X, 3.0 * X[:, None] ** -0.8 * np.ones(4))
        assert slope.value == pytest.approx(-0.8, abs=1e-12)
        assert slope.interval == pytest.approx((-0.8, -0.8), abs=1e-12)
        assert slope.prefactor == pytest.approx(3.0, rel=1e-10)
        assert slope(X) == pytest.approx(3.0 * X**-0.8)

    @pytest.mark.parametrize("statistic", ["mean", "median", "geometric mean"])
    def test_agrees_with_polyfit(self, statistic):
        y = noisy(np.random.default_rng(1), 9)
        middle = {"mean": y.mean(1), "median": np.median(y, 1), "geometric mean": np.exp(np.log(y).mean(1))}
        expected = np.polyfit(np.log(X), np.log(middle[statistic]), 1)
        slope = fit_slope(X, y, statistic=statistic)
        assert [slope.value, np.log(slope.prefactor)] == pytest.approx(list(expected))
        assert slope.low < slope.value < slope.high

    def test_order_of_points_and_units_do_not_matter(self):
        y = noisy(np.random.default_rng(2), 8)
        slope, turned = fit_slope(X, y), fit_slope(X[::-1], y[::-1])
        assert turned.interval == pytest.approx(slope.interval)
        scaled = fit_slope(100 * X, 7 * y)
        assert (scaled.value, *scaled.interval) == pytest.approx((slope.value, *slope.interval))

    def test_one_seed_one_interval(self):
        y = noisy(np.random.default_rng(3), 8)
        assert fit_slope(X, y) == fit_slope(X, y)
        assert fit_slope(X, y, rng=1).interval != fit_slope(X, y).interval

    @pytest.mark.slow
    @pytest.mark.parametrize("statistic", ["mean", "geometric mean"])
    def test_coverage(self, statistic):
        """About 95 % of the intervals hold the truth, also with dependence along the line.

        The book's slopes are those of means. The mean of what is drawn here is not a power law, but its
        excess is even along the line (exp(0.02 + 0.045 tilt^2)): its least-squares slope is -0.8 too.
        """
        rng = np.random.default_rng(4)
        hits = 0
        trials = 300
        tilt = np.linspace(-1, 1, len(X))[:, None]  # a replicate tilts its whole line: dependence
        for trial in range(trials):
            spread = 0.2 * rng.standard_normal((len(X), 20)) + 0.3 * tilt * rng.standard_normal((1, 20))
            y = X[:, None] ** -0.8 * np.exp(spread)
            slope = fit_slope(X, y, statistic=statistic, n_resamples=300, rng=trial)
            hits += slope.low <= -0.8 <= slope.high
        assert 0.915 <= hits / trials <= 0.985

    def test_the_interval_narrows_like_the_square_root(self):
        rng = np.random.default_rng(5)
        widths = [np.subtract(*fit_slope(X, noisy(rng, n)).interval[::-1]) for n in (25, 400)]
        assert widths[0] / widths[1] == pytest.approx(4, rel=0.35)

    def test_the_interval_is_students_where_the_bootstrap_is_normal(self):
        """Twelve values with the kurtosis of a normal law; without the factor sqrt(12/11) 4.3 % narrower.

        The quantiles of 60,000 resamples, at a tail of 0.011, move the half-width by 0.5 %: four of that.
        """
        half = np.array([1.8, 0.9, 0.7, 0.4, 0.3, 0.1])
        values = np.concatenate([half, -half])
        y = np.exp(np.stack([np.zeros(12), values]))
        slope = fit_slope([1.0, np.e], y, statistic="geometric mean", n_resamples=60_000)
        _, low, high = mean_interval(values)
        assert slope.high - slope.low == pytest.approx(high - low, rel=0.02)

    def test_one_replicate_says_nothing_of_the_spread(self):
        slope = fit_slope(X, X[:, None] ** -1.0)
        assert slope.interval == (-np.inf, np.inf)

    @pytest.mark.parametrize(
        ("x", "y", "options", "message"),
        [
            ([1.0], [[1.0]], {}, "at least two"),
            ([1.0, 1.0], [[1.0], [1.0]], {}, "distinct"),
            ([1.0, 2.0], [[1.0], [0.0]], {}, "y must be > 0"),
            ([-1.0, 2.0], [[1.0], [1.0]], {}, "x must be > 0"),
            ([1.0, 2.0], [[1.0], [np.nan]], {}, "finite"),
            ([1.0, 2.0], np.ones((2, 0)), {}, "at least one replicate"),
            ([1.0, 2.0], np.ones((3, 1)), {}, "shape"),
            ([1.0, 2.0], np.ones((2, 2)), {"statistic": "mode"}, "statistic must be one of"),
            ([1.0, 2.0], np.ones((2, 2)), {"level": 1.0}, "level must be"),
            ([1.0, 2.0], np.ones((2, 2)), {"n_resamples": 5}, "n_resamples must be"),
            (
                [1.0, 2.0],
                np.ones((2, 2)),
                {"n_resamples": 10**12},
                "n_resamples must be >= 100 and <= 1000000",
            ),
            (
                [1.0, 2.0],
                np.ones((2, 10**5)),
                {"n_resamples": 10**6},
                "n_resamples and the replicates of y must be",
            ),
        ],
    )
    def test_bad_input(self, x, y, options, message):
        with pytest.raises(ValueError, match=message):
            fit_slope(x, y, **options)


def tidy(y, **columns):
    return pd.DataFrame(
        [
            {**columns, "n_samples": x, "replicate": i, "error": y[j, i]}
            for j, x in enumerate(X)
            for i in range(y.shape[1])
        ]
    )


class TestTables:
    def test_one_slope_per_line(self):
        rng = np.random.default_rng(6)
        first, second = noisy(rng, 5, -0.8), noisy(rng, 5, -0.5)
        table = pd.concat([tidy(first, d=5, who="fit"), tidy(second, d=1, who="fit")]).sample(
            frac=1, random_state=0
        )
        slopes = slope_table(table, ["d", "who"]).set_index("d")
        assert slopes.loc[5, "slope"] == pytest.approx(fit_slope(X, first).value)
        assert slopes.loc[1, "low"] == pytest.approx(fit_slope(X, second).low)
        assert slopes["n_replicates"].tolist() == [5, 5]

    def test_lines_keep_their_order_and_one_may_have_no_name(self):
        rng = np.random.default_rng(6)
        lines = [tidy(noisy(rng, 5, -0.8), d=d) for d in (5.0, math.nan, 1.0)]
        assert slope_table(pd.concat(lines), "d")["d"].fillna(-1.0).tolist() == [5.0, -1.0, 1.0]

    def test_holes_and_repetitions_are_refused(self):
        table = tidy(noisy(np.random.default_rng(7), 3), d=1)
        with pytest.raises(ValueError, match="lacks error"):
            slope_table(table.iloc[1:], "d")
        with pytest.raises(ValueError, match="twice"):
            slope_table(pd.concat([table, table.iloc[:1]]), "d")
        with pytest.raises(ValueError, match=r"by must be a column of the table, which are d, .*; got 'e'"):
            slope_table(table, "e")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"level": -0.5}, "level must be > 0 and < 1, got -0.5"),
            ({"level": "high"}, "level must be a real number"),
            ({"n_resamples": 0}, "n_resamples must be >= 100"),
            ({"n_resamples": 10**12}, "n_resamples must be .* <= 1000000"),
            ({"by": None}, "by must be the name of a column"),
            ({"by": []}, "by must name at least one column"),
            ({"by": ["t", 3]}, "by must be a column of the table, which are t, error; got 3"),
            ({"y": "mistake"}, "y must be a column of the table"),
            ({"table": [1, 2]}, "table must be a DataFrame"),
            (
                {"table": pd.DataFrame({"t": [1, 1], "error": ["a", "b"]})},
                "column 'error' must hold real numbers",
            ),
        ],
        ids=range(10),
    )
    def test_bad_summaries(self, options, message):
        table = pd.DataFrame({"t": [1, 1], "error": [2.0, 3.0]})
        with pytest.raises((TypeError, ValueError), match=message):
            summarize(**{"table": table, "by": "t", **options})

    def test_summary(self):
        table = tidy(noisy(np.random.default_rng(8), 6), d=1)
        table.loc[0, "error"] = np.nan
        summary = summarize(table, ["d", "n_samples"])
        values = table["error"].to_numpy().reshape(len(X), 6)
        assert summary["n"].tolist() == [5] + [6] * 6
        assert summary["missing"].tolist() == [1] + [0] * 6
        assert summary["mean"].to_numpy() == pytest.approx(np.nanmean(values, 1))
        assert summary["std"].to_numpy() == pytest.approx(np.nanstd(values, 1, ddof=1))
        assert summary["median"].to_numpy() == pytest.approx(np.nanmedian(values, 1))
        assert summary["sem"].to_numpy() == pytest.approx(summary["std"] / np.sqrt(summary["n"]))
        for left, right in [("low", "mean"), ("mean", "high"), ("q10", "median")]:
            assert (summary[left] < summary[right]).all()
        assert (summary["median"] <= summary["q90"]).all()

    def test_the_interval_of_the_mean_covers(self):
        rng = np.random.default_rng(9)
        table = pd.DataFrame([{"t": t, "error": e} for t in range(400) for e in rng.gamma(3.0, size=20)])
        summary = summarize(table, "t", n_resamples=500)
        hits = ((summary["low"] <= 3) & (summary["high"] >= 3)).mean()
        assert 0.90 <= hits <= 0.98
        assert (summary["low"] > 0).all()

    def test_a_single_value_has_no_interval(self):
        (row,) = summarize(pd.DataFrame({"t": [1], "error": [2.0]}), "t").to_dict("records")
        assert (row["mean"], row["median"], row["n"]) == (2.0, 2.0, 1)
        assert np.isnan([row["low"], row["high"], row["std"], row["sem"]]).all()


class TestMean:
    def test_students_interval(self):
        mean, low, high = mean_interval([1.0, 2.0, 3.0])
        assert mean == 2.0
        half = 4.302652729911275 / np.sqrt(3)
        assert (mean - low, high - mean) == pytest.approx((half, half))

    def test_edges(self):
        mean, low, high = geometric_mean_interval(np.exp([1.0, 2.0, 3.0]))
        np.testing.assert_allclose(np.log([mean, low, high]), mean_interval([1.0, 2.0, 3.0]))
        assert geometric_mean_interval([2.0]) == (pytest.approx(2.0), 0.0, np.inf)
        with pytest.raises(ValueError, match="values must be positive, got 0"):
            geometric_mean_interval([1.0, 0.0])
        assert mean_interval([5.0]) == (5.0, -np.inf, np.inf)
        with pytest.raises(ValueError, match="not be empty"):
            mean_interval([])
