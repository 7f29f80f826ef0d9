r"""Every sample ratio of the published dots of Figures 1 and 2: message passing and gradient descent.

The other experiments have few sample ratios and sixteen teachers at each; here are all the published ones and
one small teacher at each. A dot alone says little, a line of dots as much as there. The published grids are
geometric, but for softmax of three and four tokens:

- hardmax of two tokens, message passing: 32 values from 0.03 to 8, of which each width has a part;
- softmax, message passing, :math:`\rho = 1/2`: 16 values from 0.05 to 0.3 for two tokens; steps of 0.01 from
  0.02 for three and four;
- softmax, gradient descent: 32 values from 0.0012 to 0.3, here for two tokens.

The paper has d = 100 for message passing, d = 200 and means of 32 runs for gradient descent. The full preset
has d = 50, and d = 30 and 8 runs, carried on to infinitely many; so that it takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.experiments.aim import points
from pairint.validation import check_choice, check_integer, check_real

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT", "descent_ratios"]

#: Parts of the way to exact recovery, within which gradient descent is summed up.
BANDS = ((0.02, 0.3), (0.3, 0.6), (0.6, 0.85))


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: every series at each of its sample ratios."""
    result = []
    for line in settings["series"]:
        runs = {}
        if check_choice("method", line["method"], ("amp", "gd")) == "gd":
            runs = {"n_runs": check_integer("n_runs", line["n_runs"], 2, 10_000)}
        for alpha in line["alphas"]:
            check_real("alphas", alpha, 0.0, 100.0, exclusive_minimum=True)
        result += grid(
            channel=check_choice("channel", line["channel"], ("softmax", "hardmax", "linear")),
            n_tokens=check_integer("n_tokens", line["n_tokens"], 2, 20),
            rho=check_real("rho", line["rho"], 0.0, 100.0, exclusive_minimum=True),
            alpha=list(line["alphas"]),
            d=check_integer("d", line["d"], 4, 2000),
            method=line["method"],
            replicate=range(check_integer("replicates", line["replicates"], 1, 10_000)),
            **runs,
        )
    return result


def descent_ratios(table: DataFrame) -> DataFrame:
    """Return gradient descent over the Bayes-optimal error, run by run of the experiment.

    Book: :doc:`/book/aim_published`.

    Parameters
    ----------
    table : DataFrame
        The experiment's table.

    Returns
    -------
    DataFrame
        Columns ``n_tokens``, ``rho``, ``alpha``, ``replicate``, ``fraction`` (of the exact-recovery threshold
        at this d), ``one_run``, ``spread`` and ``infinitely_many`` (errors), and ``bayes``.
    """
    from pairint.aim.state_evolution import exact_recovery_threshold
    from pairint.experiments.aim.published import recovered_runs

    keys = ["n_tokens", "rho", "alpha", "replicate"]
    runs = table[table["method"] == "gd"]
    one = runs[runs["estimator"] == "gd"].set_index(keys).sort_index()
    mean = runs[runs["estimator"] == "averaged gd"].set_index(keys).sort_index()
    found = one[["bayes_finite", "d"]].rename(columns={"bayes_finite": "bayes"})
    found["one_run"] = one["error"]
    found["infinitely_many"] = recovered_runs(one["error"], mean["error"], one["n_runs"])
    found["spread"] = found["one_run"] - found["infinitely_many"]
    found = found.reset_index()
    thresholds = [
        exact_recovery_threshold(rho, "softmax", int(t))
        for t, rho in zip(found["n_tokens"], found["rho"], strict=True)
    ]
    found["fraction"] = found["alpha"] / (1 + 1 / found["d"]) / thresholds
    return found


def plot(table: DataFrame) -> Figure:
    """Draw hardmax against samples, and softmax against the number of equations."""
    from pairint.figures.style import picture

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    from pairint.figures.style import BOUND, CYCLE, MARKERS, MUTED, subplots

    figure, (left, right) = subplots(2, 4.8)
    hard = table[table["channel"] == "hardmax"]
    for number, rho in enumerate(sorted(hard["rho"].unique())):
        part = hard[hard["rho"] == rho]
        color, marker = CYCLE[number % len(CYCLE)], MARKERS[number % len(MARKERS)]
        alphas = np.geomspace(part["alpha"].min(), part["alpha"].max(), 64)
        points.draw_curve(left, alphas, rho, "hardmax", color=color, linewidth=1.2)
        points.draw_means(left, part, color=color, marker=marker, label=f"$\\rho = {rho:g}$")
    left.set(xscale="log", yscale="log", xlabel=points.ALPHA, ylabel=points.ERROR)
    left.set_title("Hardmax, $T = 2$")
    left.legend(title=_dots(hard), title_fontsize="small", fontsize="small")
    soft = table[table["channel"] == "softmax"]
    rho = float(soft["rho"].iloc[0])
    points.draw_curve(
        right,
        np.linspace(0, 0.3, 61)[1:],
        rho,
        "softmax",
        scale=4,
        color=BOUND,
        label="state evolution",
    )
    passing = soft[soft["method"] == "amp"]
    for number, n_tokens in enumerate(sorted(passing["n_tokens"].unique())):
        points.draw_means(
            right, passing[passing["n_tokens"] == n_tokens], x=_equations, color=CYCLE[number % len(CYCLE)],
            marker=MARKERS[number % len(MARKERS)], label=f"AMP, $T = {n_tokens}$",
        )  # fmt: skip
    descent = descent_ratios(table)
    for column, label, color, marker in (
        ("one_run", "gradient descent, one run", MUTED, "x"),
        ("infinitely_many", "infinitely many", MUTED, "+"),
    ):
        means = descent.groupby(["n_tokens", "alpha"], as_index=False)[column].mean()
        right.plot(
            _equations(means), means[column], marker, color=color, markersize=4, label=label,
            linestyle="none",
        )  # fmt: skip
    right.set_title(f"Softmax, $\\rho = {rho:g}$")
    right.set(
        xlabel=r"equations $\alpha(T^2 + T - 2)$", ylabel=points.ERROR, xlim=(0, 1.2), ylim=(-0.05, 2.3)
    )
    right.legend(fontsize="small")
    return figure


def _dots(table: DataFrame) -> str:
    dimension = "/".join(f"{value}" for value in sorted(table["d"].unique()))
    return f"lines: state evolution; dots: AMP, $d = {dimension}$"


def _equations(table: DataFrame) -> Any:
    return table["alpha"] * (table["n_tokens"] ** 2 + table["n_tokens"] - 2)


def claims(table: DataFrame) -> list[Claim]:
    """Hold AMP to the state evolution, width by width and T by T, and descent to the Bayes-optimal error."""
    hard = table[table["channel"] == "hardmax"]
    soft = table[(table["channel"] == "softmax") & (table["method"] == "amp")]
    result = points.ratio_claims(hard, "rho", "hardmax, rho = {value:g}", "Figure 1, left")
    result += points.ratio_claims(soft, "n_tokens", "softmax, T = {value:g}", "Figure 2, right")
    result += points.convergence_claims(table, "Algorithm 1")
    return result + list(_descent_claims(table))


def _descent_claims(table: DataFrame) -> Iterator[Claim]:
    from pairint.engine.statistics import mean_interval

    ratios = descent_ratios(table)
    for low, high in BANDS:
        part = ratios[(ratios["fraction"] >= low) & (ratios["fraction"] < high)]
        if len(part) < 2:
            continue
        for name, column, expected in (
            ("one run of gradient descent", "one_run", 2.0),
            ("infinitely many runs", "infinitely_many", 1.0),
        ):
            # Errors at a point are of one size, and the ratio has a mean at each; all cells are independent.
            mean, *interval = mean_interval((part[column] / part["bayes"]).to_numpy())
            yield Claim(
                name=f"{name} over Bayes error, {low:g} to {high:g} of the threshold",
                source="Figure 2, right",
                ours=mean,
                interval=(interval[0], interval[1]),
                expected=expected,
                tolerance=0.05 * expected,
            )


def _series(channel: str, n_tokens: int, rho: float, alphas: Iterable[float], **rest: Any) -> dict[str, Any]:
    found = [float(f"{alpha:.6g}") for alpha in alphas]
    line = {"channel": channel, "n_tokens": n_tokens, "rho": rho, "alphas": found, "method": "amp"}
    return line | rest


_HARDMAX = np.geomspace(0.03, 8, 32)
_DESCENT = np.geomspace(0.0012, 0.3, 32)
_PASSING = {2: np.geomspace(0.05, 0.3, 16)[:-1], 3: 0.01 * np.arange(2, 10), 4: 0.01 * np.arange(2, 7)}
_QUICK = {"d": 40, "replicates": 2}

EXPERIMENT = Experiment(
    name="aim_every_alpha",
    title="Message passing and gradient descent at every published sample ratio",
    source="attention-indexed models, Figures 1 and 2",
    version=1,
    presets={
        "quick": {
            "series": [
                _series("hardmax", 2, 0.5, _HARDMAX[6:20:6], **_QUICK),
                _series("softmax", 2, 0.5, _PASSING[2][::5], **_QUICK),
                _series("softmax", 2, 0.5, _DESCENT[12:28:5], method="gd", n_runs=4, d=24, replicates=2),
            ]
        },
        "full": {
            "series": [
                *(
                    _series("hardmax", 2, rho, _HARDMAX[first:26], d=50, replicates=1)
                    for rho, first in ((0.1, 4), (0.2, 5), (0.5, 6), (1.0, 8), (2.0, 11))
                ),
                *(_series("softmax", t, 0.5, alphas, d=50, replicates=1) for t, alphas in _PASSING.items()),
                _series("softmax", 2, 0.5, _DESCENT, method="gd", n_runs=8, d=30, replicates=1),
            ]
        },
    },
    cells=cells,
    compute=points.compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 6.0, "full": 15.0},
    data_keys=points.DATA_KEYS,
    cost=points.cost,
    reproducible=points.reproducible,
)
