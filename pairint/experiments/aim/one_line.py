r"""One line of the published algorithm changed: the density of a score replaced by a derivative.

The dots of the paper's Figure 1, left, are runs of approximate message passing with a score for hardmax of
two tokens in which the bivariate normal *density* stands; so do the curves. Here is that algorithm again,
written anew and with none of the refinements of :func:`pairint.aim.amp`: a random start, damped predictions
and variances, the error of the state evolution, and a denoiser that outside the bulk is the Stieltjes
transform as it is.

It runs twice on the same data: as published, and with the *derivative* of the distribution function in place
of the density. Nothing else differs. It runs on two kinds of labels: of each row the largest index, as the
model has it (``"plain"``), and the same after the index off the diagonal was multiplied by :math:`\sqrt 2`
(``"scaled"``), as the published program has it.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.experiments.aim import points
from pairint.validation import check_choice, check_integer

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

__all__ = ["EXPERIMENT", "denoised", "plain_message_passing", "scores"]

DATA_KEYS = ("rho", "alpha", "d", "labels")
#: Factor of the index off the diagonal in a label.
FACTORS = {"plain": 1.0, "scaled": math.sqrt(2)}
#: Iterations whose mean error counts: with the density the algorithm does not settle.
_LAST = 50


def scores(
    signs: NDArray[np.float64], omega: NDArray[np.float64], variance: float, *, score: str, factor: float
) -> NDArray[np.float64]:
    r"""Return g of hardmax labels of two tokens, as an array (n, 2, 2).

    The labels say whether :math:`h_{aa}` or :math:`f h_{12}` is larger. With :math:`r^2 = (2 + f^2) V` and
    :math:`\kappa_a = s_a(\omega_{aa} - f\omega_{12})/r` their probability is
    :math:`\Phi_2(\kappa_1, \kappa_2; s_1 s_2 f^2/(2 + f^2))`.

    Parameters
    ----------
    signs : ndarray (n, 2)
        :math:`s_a`, 1 where token a points at itself and -1 elsewhere.
    omega : ndarray (n, 2, 2)
        Predicted indices.
    variance : float
        V > 0.
    score : {"derivative", "density"}
        What stands over :math:`\Phi_2`: :math:`\partial_{\kappa_a}\Phi_2`, or :math:`\varphi_2` for both.
    factor : float
        f.
    """
    from pairint.aim.bivariate import bivariate_log_cdf, bivariate_log_density, bivariate_scores

    r = math.sqrt((2 + factor**2) * variance)
    kappa = signs * (omega.diagonal(axis1=1, axis2=2) - factor * omega[:, 0, 1, None]) / r
    correlation = signs[:, 0] * signs[:, 1] * factor**2 / (2 + factor**2)
    arguments = (kappa[:, 0], kappa[:, 1], correlation)
    if score == "derivative":
        _, first, second = bivariate_scores(*arguments)
    else:
        first = second = np.exp(bivariate_log_density(*arguments) - bivariate_log_cdf(*arguments))
    g = np.empty_like(omega)
    g[:, 0, 0], g[:, 1, 1] = signs[:, 0] * first / r, signs[:, 1] * second / r
    g[:, 0, 1] = g[:, 1, 0] = -factor * (g[:, 0, 0] + g[:, 1, 1])
    return g


def denoised(eigenvalues: NDArray[np.float64], delta: float, rho: float) -> NDArray[np.float64]:
    r"""Return :math:`x - 2\Delta\,\mathrm{Re}\,g(x)` with the Stieltjes transform g of a layer in noise.

    It solves the cubic :math:`z = \rho/(\sqrt\rho - g) + \Delta g + 1/g` and is its root of largest imaginary
    part at :math:`z = x - 10^{-8} i`. Within the bulk this is the denoiser of
    :class:`~pairint.aim.priors.WishartPrior`, which is continued analytically outside.

    Parameters
    ----------
    eigenvalues : ndarray (d,)
    delta, rho : float
        > 0.
    """
    z = eigenvalues - 1e-8j
    root = math.sqrt(rho)
    companion = np.zeros((len(z), 3, 3), dtype=complex)
    companion[:, 1, 0] = companion[:, 2, 1] = 1
    last = [np.full_like(z, root), rho - 1 - z * root, z + delta * root]
    companion[:, :, 2] = np.stack(last, axis=1) / delta
    roots = np.linalg.eigvals(companion)
    chosen = np.take_along_axis(roots, roots.imag.argmax(axis=1)[:, None], axis=1)[:, 0]
    return eigenvalues - 2 * delta * chosen.real


def plain_message_passing(
    X: NDArray[np.float64],
    signs: NDArray[np.float64],
    rho: float,
    *,
    score: str,
    factor: float,
    n_iter: int,
    rng: np.random.Generator,
    damping: float = 0.5,
) -> list[NDArray[np.float64]]:
    """Return the estimates of all iterations, from a random layer.

    Parameters
    ----------
    X : ndarray (n, 2, d)
    signs, score, factor
        As in :func:`scores`.
    rho : float
    n_iter : int
    rng : Generator
    damping : float
        Weight of the previous predictions and variance.
    """
    from pairint.aim.channels import index_variances
    from pairint.aim.indices import adjoint, indices
    from pairint.aim.priors import WishartPrior

    n, _, d = X.shape
    prior = WishartPrior(rho)
    S = prior.draw(d, rng)
    error, variance = 10.0, 5.0
    omega = np.tile([[10.0, 10 / factor], [10 / factor, 10.0]], (n, 1, 1))  # neither label is favoured
    half, sigma2 = 0.5 * (np.ones((2, 2)) + np.eye(2)), index_variances(2)
    found = []
    for _ in range(n_iter):
        g = scores(signs, omega, variance, score=score, factor=factor)
        omega = damping * omega + (1 - damping) * (indices(X, S) - error * sigma2 * g)
        variance = damping * variance + (1 - damping) * error
        g = scores(signs, omega, variance, score=score, factor=factor)
        information = 2 * float((half * sigma2 * g**2).sum()) / n  # g_12 stands twice
        delta = d**2 / (n * information)
        eigenvalues, vectors = np.linalg.eigh(S + 2 * delta / d * adjoint(X, half * g))
        S = (vectors * denoised(eigenvalues, delta, rho)) @ vectors.T
        error = prior.error(delta)
        found.append(S)
    return found


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: both scores on the same data, both kinds of labels, several sample ratios."""
    points.check_settings(settings)
    check_integer("n_iter", settings["n_iter"], _LAST, 10_000)
    for labels in settings["labels"]:
        check_choice("labels", labels, tuple(FACTORS))
    return grid(
        rho=settings["rho"],
        alpha=settings["alphas"],
        d=settings["d"],
        labels=settings["labels"],
        score=["density", "derivative"],
        n_iter=settings["n_iter"],
        replicate=range(settings["replicates"]),
    )


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the published algorithm, or the one with a line changed."""
    from pairint.aim.indices import indices
    from pairint.aim.state_evolution import state_evolution
    from pairint.aim.teacher import AIMTeacher

    rho, d, factor = cell["rho"], cell["d"], FACTORS[cell["labels"]]
    teacher = AIMTeacher(d, rho, rng=generator_for(cell, DATA_KEYS, "teacher"))
    n = max(1, round(cell["alpha"] * d**2))
    X = generator_for(cell, DATA_KEYS).standard_normal((n, 2, d))
    h = indices(X, teacher.S)
    signs = np.where(h.diagonal(axis1=1, axis2=2) > factor * h[:, 0, 1, None], 1.0, -1.0)
    began = time.perf_counter()
    found = plain_message_passing(
        X, signs, rho, score=cell["score"], factor=factor, n_iter=cell["n_iter"],
        rng=generator_for(cell, DATA_KEYS, "start"),
    )  # fmt: skip
    errors = np.array([teacher.error(S) for S in found[-_LAST:]])
    moved = float(np.sum((found[-1] - found[-2]) ** 2)) / d
    alpha = cell["alpha"] / (1 + 1 / d)
    return [
        {
            "estimator": "plain amp",
            "error": float(errors.mean()),
            "wavering": float(errors.std()),
            "settled": moved < 1e-5,  # where the published program stops
            "bayes_finite": float(state_evolution(alpha, rho, "hardmax").mmse),
            "seconds": time.perf_counter() - began,
        }
    ]


def reproducible(cell: dict[str, Any]) -> str:
    """Return how nearly a cell is the same elsewhere: with the density the algorithm never settles."""
    return "to 1e-6" if cell["score"] == "derivative" else "in distribution"


def cost(cell: dict[str, Any]) -> float:
    """Return the relative computing time of a cell."""
    return cell["alpha"] * cell["d"] ** 4 * cell["n_iter"]


def plot(table: DataFrame) -> Figure:
    """Draw both curves of Figure 1, left, and the algorithm before and after its line was changed."""
    from pairint.figures.style import picture

    return picture(_draw)(table)


def _draw(table: DataFrame) -> Figure:
    from pairint.aim.channels import PublishedHardmaxChannel
    from pairint.aim.state_evolution import state_evolution
    from pairint.engine.statistics import mean_interval
    from pairint.figures.style import BOUND, CYCLE, FIT, subplots

    figure, axes = subplots(1, 4.8)
    rho, d = float(table["rho"].iloc[0]), int(table["d"].iloc[0])
    alphas = np.geomspace(table["alpha"].min() / 1.8, table["alpha"].max() * 1.8, 40)
    for label, channel, color in (
        ("published curve", PublishedHardmaxChannel(), CYCLE[0]),
        ("Bayes-optimal curve", "hardmax", BOUND),
    ):
        axes.plot(alphas, state_evolution(alphas, rho, channel).mmse, color=color, label=label)
    labels = "plain" if "plain" in set(table["labels"]) else table["labels"].iloc[0]
    for score, label, color, marker in (
        ("density", "published algorithm", CYCLE[0], "s"),
        ("derivative", "one line of it changed", FIT, "o"),
    ):
        part = table[(table["score"] == score) & (table["labels"] == labels)]
        summary = np.array([[a, *mean_interval(g["error"].to_numpy())] for a, g in part.groupby("alpha")])
        where, mean, low, high = summary.T
        bars = [np.nan_to_num(mean - low), np.nan_to_num(high - mean)]
        axes.errorbar(where, mean, yerr=bars, color=color, marker=marker, linestyle="none", capsize=2,
                      label=f"{label}, $d = {d}$")  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel=points.ALPHA, ylabel=points.ERROR)
    axes.set_title(f"One line, $\\rho = {rho:g}$")
    axes.legend(fontsize="small")
    return figure


def claims(table: DataFrame) -> list[Claim]:
    """Compare the published algorithm with its published dots, and the changed one with our curve."""
    from pairint.engine.statistics import mean_interval
    from pairint.experiments.aim.published import load_comparison

    dots = {dot["alpha"]: dot for dot in load_comparison()["hardmax_dots"]}
    result = []
    for (labels, alpha), data in table.groupby(["labels", "alpha"]):
        of = {name: part.set_index("replicate")["error"] for name, part in data.groupby("score")}
        where = f"alpha = {alpha:g}, {labels} labels"
        mean, low, high = mean_interval(of["density"].to_numpy())
        if labels == "scaled" and alpha in dots:
            result.append(
                Claim(
                    name=f"published algorithm, {where}",
                    source="Figure 1, left: dots",
                    ours=mean,
                    interval=(low, high),
                    published=dots[alpha]["error"],
                    tolerance=0.1 * dots[alpha]["error"],
                )
            )
        mean, low, high = mean_interval((of["derivative"] / data["bayes_finite"].iloc[0]).to_numpy())
        if labels == "plain":  # our curve is for these
            result.append(
                Claim(
                    name=f"with the derivative: error over our Bayes-optimal error, {where}",
                    source="our own comparison",
                    ours=mean,
                    interval=(low, high),
                    expected=1.0,
                    tolerance=0.2,
                )
            )
        mean, low, high = mean_interval((of["derivative"] / of["density"]).to_numpy())
        result.append(
            Claim(
                name=f"error after the change over error before, {where}",
                source="our own comparison",
                ours=mean,
                interval=(low, high),
                expected=1.0,
                relation="at most",
            )
        )
    return result


EXPERIMENT = Experiment(
    name="one_line",
    title="The published algorithm for hardmax labels, and the same with one line changed",
    source="attention-indexed models, Figure 1, left: dots",
    version=1,
    presets={
        "quick": {"rho": 0.5, "alphas": [0.3, 1.0], "d": 40, "labels": ["scaled"], "n_iter": 100,
                  "replicates": 3},
        "full": {"rho": 0.5, "alphas": [0.1, 0.3, 1.0], "d": 100, "labels": ["scaled", "plain"],
                 "n_iter": 150, "replicates": 8},
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 10.0, "full": 700.0},
    data_keys=DATA_KEYS,
    cost=cost,
    reproducible=reproducible,
)  # fmt: skip
