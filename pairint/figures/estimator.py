"""Pictures of the estimator at work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.estimation import InteractionRegressor, IntervalChoice, OracleRegressor, interaction_error
from pairint.figures.roles import colors_of, role_of
from pairint.figures.style import CYCLE, DATA, FIT, MARKERS, MUTED, TRUTH, picture, subplots
from pairint.model.attention import AttentionModel
from pairint.model.splines import SplineSpace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "basis_figure",
    "fit_figure",
    "matrix_figure",
    "risk_figure",
    "selection_figure",
    "tail_figure",
]


@picture
def basis_figure(degree: int = 3, n_intervals: int = 6) -> Figure:
    """Draw B-splines, and one aggregated row of the design: a mixture of several."""
    figure, (left, right) = subplots(2, 3.6)
    space = SplineSpace(-3.0, 3.0, n_intervals, degree)
    u = np.linspace(-3, 3, 600)
    for k, column in enumerate(space.design(u).T):
        left.plot(u, column, color=CYCLE[k % len(CYCLE)])
    left.plot(u, space.design(u).sum(axis=1), color=MUTED, linestyle="--", label="their sum")
    left.set(title="The basis $B_k$", xlabel="score $u$", ylabel="$B_k(u)$")
    left.legend(loc="center right")
    scores = np.array([[[0.0, -1.9, 0.2], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    row = space.aggregate(scores)[0]
    indices = np.arange(space.dimension)
    right.bar(indices, row, color=DATA, label="row of $F$")
    for score, color in zip((-1.9, 0.2), CYCLE[:2], strict=True):
        values = space.design(np.array([score]))[0]
        right.plot(indices, values, "o", color=color, fillstyle="none", label=f"$B_k({score:g})$")
    right.set(title="One output sees two scores at once", xlabel="index $k$", ylabel="weight")
    right.legend()
    return figure


@picture
def fit_figure(
    fits: dict[str, InteractionRegressor | OracleRegressor], model: AttentionModel, n_pairs: int = 20_000
) -> Figure:
    """Draw fitted activations against the truth, and below them where the scores fall.

    Drawn on the scale of the fit's convention (matrix of Frobenius norm one), so the truth's matrix must
    have norm one as well; a sign flip between the two is undone.
    """
    import matplotlib.pyplot as plt

    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(7.0, 5.2), sharex=True, gridspec_kw={"height_ratios": [3, 1]}
    )
    X = model.tokens.sample(n_pairs, 2, 0)
    scores = ((X[:, 0] @ model.matrix) * X[:, 1]).sum(axis=1)
    low, high = np.quantile(scores, [0.0005, 0.9995])
    u = np.linspace(low, high, 800)
    top.plot(u, model.activation(u), color=TRUTH, linewidth=3.5, alpha=0.35, label="truth $\\varphi^*$")
    for (name, fit), color in zip(fits.items(), colors_of(fits), strict=True):
        sign = 1.0 if float((np.asarray(fit.matrix_) * model.matrix).sum()) >= 0 else -1.0
        dash = "--" if role_of(name) == "oracle" else "-"  # which would hide what lies under it
        top.plot(u, fit.activation_(sign * u), color=color, linestyle=dash, label=name)
    top.set(title="The activation, learned from averages", ylabel="$\\varphi(u)$")
    top.legend()
    bottom.hist(scores, np.linspace(low, high, 100), density=True, color=DATA)
    bottom.set(title="Where the scores fall", xlabel="score $u$", ylabel="density")
    return figure


@picture
def matrix_figure(fit: InteractionRegressor, model: AttentionModel) -> Figure:
    """Draw the true matrix, the fitted one (sign undone), and their difference on the same scale."""
    figure, panels = subplots(3, 3.7)
    truth = model.matrix / np.linalg.norm(model.matrix)
    fitted = np.asarray(fit.matrix_)
    fitted = fitted * (1.0 if float((fitted * truth).sum()) >= 0 else -1.0)
    limit = np.abs(truth).max()
    shown = (("True $A$ (norm 1)", truth), ("Fitted $\\hat A$", fitted), ("Difference", fitted - truth))
    for panel, (title, matrix) in zip(panels, shown, strict=True):
        image = panel.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit)
        panel.grid(False)
        panel.set(title=title, xlabel="column", ylabel="row")
        for axis in (panel.xaxis, panel.yaxis):
            axis.get_major_locator().set_params(integer=True)
    figure.colorbar(image, ax=panels, shrink=0.8)
    return figure


@picture
def risk_figure(fit: InteractionRegressor, noise_std: float) -> Figure:
    """Draw the empirical risk step by step, in units of the noise variance."""
    from matplotlib.ticker import ScalarFormatter

    figure, axes = subplots(1, 3.6)
    cells = dict.fromkeys(int(step["n_intervals"]) for step in fit.history_)
    colors = dict(zip(cells, CYCLE, strict=False))
    labelled: set[int] = set()
    for number, step in enumerate(fit.history_):
        k = int(step["n_intervals"])
        axes.plot(
            [number, number + 1],
            np.array([step["risk_before"], step["risk"]]) / noise_std**2,
            marker=MARKERS[list(cells).index(k) % len(MARKERS)],
            color=colors[k],
            label=f"$K = {k}$" if k not in labelled else None,
        )
        labelled.add(k)
    axes.axhline(1.0, color=MUTED, linestyle="--", label="noise variance")
    axes.set(
        title="Empirical risk, step by step",
        xlabel="accepted step",
        ylabel="risk / $\\sigma^2$",
        yscale="log",
    )
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(ScalarFormatter())
    axes.legend()
    return figure


@picture
def selection_figure(
    choice: IntervalChoice, model: AttentionModel, X: Any, Y: Any, degree: int = 3, noise_std: float = 0.0
) -> Figure:
    """Draw the criterion that the data give, beside the error that only the truth gives, for each K."""
    figure, (left, right) = subplots(2, 3.8)
    shown = choice.criterion < 20 * choice.criterion.min()
    left.plot(choice.candidates[shown], choice.criterion[shown], "o-", color=FIT)
    left.axvline(choice.n_intervals, color=CYCLE[0], linestyle="--", label="chosen $K$")
    if noise_std > 0:
        left.axhline(noise_std**2, color=MUTED, linestyle=":", label="noise variance $\\sigma^2$")
    left.set(
        title="What the data say",
        xlabel="number of cells $K$",
        ylabel="generalised cross-validation",
        xscale="log",
    )
    left.legend()
    errors = [
        interaction_error(
            OracleRegressor(model.matrix, degree, int(k)).fit(X, Y), model, n_pairs=40_000, rng=0
        ).value
        for k in choice.candidates[shown]
    ]
    right.plot(choice.candidates[shown], errors, "s-", color=FIT)
    right.axvline(choice.n_intervals, color=CYCLE[0], linestyle="--", label="chosen $K$")
    right.set(
        title="What the truth would say",
        xlabel="number of cells $K$",
        ylabel="squared error in $L^2(\\rho)$",
        xscale="log",
        yscale="log",
    )
    right.legend()
    return figure


@picture
def tail_figure(
    model: AttentionModel, X: Any, Y: Any, penalties: Sequence[float], n_intervals: int
) -> Figure:
    """Draw fits with and without the penalty: nearly empty cells in the tails."""
    figure, axes = subplots(1, 3.8)
    scores = np.asarray(model.scores(X))
    off_diagonal = scores[:, ~np.eye(scores.shape[1], dtype=bool)].ravel()
    u = np.linspace(off_diagonal.min(), off_diagonal.max(), 600)
    axes.plot(u, model.activation(u), color=TRUTH, linewidth=3.5, alpha=0.35, label="truth")
    for penalty, color in zip(penalties, CYCLE, strict=False):
        fit = OracleRegressor(model.matrix, 3, n_intervals, penalty=penalty).fit(X, Y)
        axes.plot(u, fit.activation_(u), color=color, label=f"$\\lambda = {penalty:g}$")
    shown = np.unique(np.round(off_diagonal / 0.02)) * 0.02  # finer than a pixel would be weight only
    axes.plot(shown, np.full(shown.size, -2.4), "|", color=MUTED, alpha=0.4, markersize=6)
    axes.set(title="Nearly empty cells", xlabel="score $u$", ylabel="$\\varphi(u)$", ylim=(-2.6, 2.6))
    axes.legend()
    return figure
