r"""Figure 4 of the paper on attention-indexed models: the general state equation against the closed form.

The paper's state equation for T tokens holds an average over predictions and labels. Here that average is
sampled for the softmax of four and five tokens, from the channel's labels and scores alone, and the equation
is solved with it; the closed form has :math:`\kappa = T^2 + T - 2` in its place. AMP at d = 200,
sixteen teachers a point.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.experiments.aim import points

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT", "sampled_information", "solve_sampled"]

_SAMPLES = 4000


def sampled_information(n_tokens: int, tau: float, rng: np.random.Generator, n_samples: int) -> float:
    r"""Return :math:`\kappa(\tau)` of a softmax label, averaged over sampled predictions and labels."""
    from pairint.aim.channels import SoftmaxChannel

    channel = SoftmaxChannel(n_tokens, log_labels=True)
    omega, rest = _gaussian(rng, n_samples, n_tokens), _gaussian(rng, n_samples, n_tokens)
    omega = math.sqrt(tau) * omega
    g = channel.g_out(channel.observe(channel.output(omega + rest)), omega, 1.0)
    # 2 (sum over a < b of g_ab^2 + 2 sum over a of g_aa^2), from the full symmetric array.
    diagonal = g.diagonal(axis1=1, axis2=2)
    return float((g**2).sum() + 3 * (diagonal**2).sum()) / n_samples


def _gaussian(rng: np.random.Generator, n: int, t: int) -> np.ndarray:
    """Return symmetric Gaussian arrays (n, t, t) of variance 1 off the diagonal and 2 on it."""
    z = rng.standard_normal((n, t, t))
    return (z + z.transpose(0, 2, 1)) / math.sqrt(2)


def solve_sampled(
    alpha: float, rho: float, n_tokens: int, seed: np.random.SeedSequence, n_samples: int
) -> float:
    """Solve the state equation with the sampled information; the same draws at every step."""
    from scipy.optimize import brentq

    from pairint.aim.spectrum import NoisySpectrum

    def excess(log_delta: float) -> float:
        spectrum = NoisySpectrum(rho, math.exp(log_delta))
        tau = spectrum.q / spectrum.mmse
        information = sampled_information(n_tokens, tau, np.random.default_rng(seed), n_samples)
        return math.log(spectrum.information_dimension / (alpha * information))

    return NoisySpectrum(rho, math.exp(brentq(excess, -9.0, 9.0, xtol=1e-6))).mmse


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: AMP and the sampled equation at every point."""
    points.check_settings(settings)
    result = []
    for method, replicates in (("amp", settings["replicates"]), ("sampled", min(4, settings["replicates"]))):
        for n_tokens in settings["tokens"]:
            for rho in settings["rhos"]:
                result += grid(
                    channel="softmax",
                    n_tokens=n_tokens,
                    rho=rho,
                    alpha=points.fractions_of_threshold("softmax", n_tokens, rho, settings["fractions"]),
                    d=settings["d"],
                    method=method,
                    replicate=range(replicates),
                )
    return result


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Run AMP, or solve the sampled state equation."""
    from pairint.aim.state_evolution import state_evolution

    if cell["method"] == "amp":
        return points.compute(cell)
    alpha, rho, t = cell["alpha"], cell["rho"], cell["n_tokens"]
    began = time.perf_counter()
    rng = generator_for(cell, points.DATA_KEYS, "sampled")
    seed = np.random.SeedSequence(rng.integers(2**63, size=2).tolist())
    error = solve_sampled(alpha, rho, t, seed, _SAMPLES)
    exact = [float(state_evolution(a, rho, "softmax", t).mmse) for a in (alpha, alpha / (1 + 1 / cell["d"]))]
    return [
        {
            "estimator": "sampled",
            "error": error,
            "overlap": 1 + rho - error,
            "own_error": error,
            "n_iter": 0,
            "converged": True,
            "bayes": exact[0],
            "bayes_finite": exact[1],
            "scale_error": 0.0,
            "seconds": time.perf_counter() - began,
        }
    ]


def plot(table: DataFrame) -> Figure:
    """Draw, for each T, the closed form, the sampled equation and AMP."""
    from pairint.figures.style import picture

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    from pairint.aim.state_evolution import exact_recovery_threshold
    from pairint.figures.style import CYCLE, subplots

    tokens = sorted(table["n_tokens"].unique())
    rhos = sorted(table["rho"].unique())
    d = int(table["d"].iloc[0])
    figure, panels = subplots(len(tokens), 4.4, sharey=True, squeeze=False)
    for n_tokens, axes in zip(tokens, panels[0], strict=True):
        widest = max(exact_recovery_threshold(rho, "softmax", n_tokens) for rho in rhos)
        alphas = np.linspace(0.0, 1.15 * widest, 40)[1:]
        for number, rho in enumerate(rhos):
            color = CYCLE[number % len(CYCLE)]
            part = table[(table["n_tokens"] == n_tokens) & (table["rho"] == rho)]
            name = f"$\\rho = {rho:g}$"
            points.draw_curve(
                axes, alphas, rho, "softmax", n_tokens, color=color, label=f"{name}, closed form"
            )
            points.draw_dots(
                axes, part, estimator="sampled", color=color, marker="s", markerfacecolor="none",
                markersize=9, label=f"{name}, sampled equation",
            )  # fmt: skip
            points.draw_dots(axes, part, color=color, label=f"{name}, AMP, $d = {d}$")
        axes.set_title(f"Softmax, $T = {n_tokens}$")
        axes.set(xlabel=points.ALPHA, ylim=(-0.02, 1.05))
        axes.legend(fontsize="small")
    panels[0][0].set_ylabel(points.ERROR)
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Compare the sampled equation with the closed form, and AMP with both."""
    from pairint.engine.statistics import mean_interval

    source = "Figure 4"
    result = []
    for n_tokens, group in table[table["estimator"] == "sampled"].groupby("n_tokens"):
        mean, low, high = mean_interval((group["error"] / group["bayes"]).to_numpy())
        result.append(
            Claim(
                name=f"sampled state equation over the closed form, T = {n_tokens}",
                source=source,
                ours=mean,
                interval=(low, high),
                expected=1.0,
                tolerance=0.01,
            )
        )
    result += points.bayes_claims(table, "n_tokens", "T = {value:g}", source)
    return result + points.convergence_claims(table, "Algorithm 1")


EXPERIMENT = Experiment(
    name="aim_general",
    title="The general state equation, sampled, against the closed form for softmax, with AMP",
    source="attention-indexed models, Figure 4",
    version=2,  # the algorithm uses the covariance of the indices given the tokens
    presets={
        "quick": {"tokens": [4], "rhos": [0.5], "fractions": [0.3, 0.6, 0.8], "d": 40, "replicates": 2},
        "full": {
            "tokens": [4, 5], "rhos": [0.5], "fractions": [0.2, 0.5, 0.8], "d": 200,
            "replicates": 16,
        },
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 5.0, "full": 120.0},
    data_keys=points.DATA_KEYS,
    cost=points.cost,
)  # fmt: skip
