"""Both bounds in one picture, with measured errors between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pairint.figures.style import BOUND, CYCLE, FIT, MARKERS, MUTED, ORACLE, picture, subplots
from pairint.model import AttentionModel, GaussianNoise, Tanh, UniformCube, interaction_matrix
from pairint.theory.coercivity import product_density, product_moments
from pairint.theory.lower import lower_bound
from pairint.theory.rates import log_factor, log_gap
from pairint.theory.setting import Setting
from pairint.theory.upper import upper_bound
from pairint.theory.upper_known import oracle_upper_bound

__all__ = ["bounds_figure", "gap_figure", "log_gap_figure", "measured_errors", "tokens_figure", "zero_error"]


#: The truth of this chapter, tanh(u/2) on the cube, and the class that it is in.
SETTING = Setting(
    beta=2.0, n_tokens=3, noise_std=0.5, holder_constant=0.2, d=3, rank=1, score_bound=3.0, sup_bound=1.0
)


def zero_error() -> float:
    """Return the error of the estimator that is zero, for the truth of :func:`measured_errors`.

    It is E tanh(U/2)^2. An upper bound above it says nothing about this truth.
    """
    return product_moments(lambda u: np.tanh(u / 2), 3.0, 2, [0.0]).second


def _draw_zero(axis: Any) -> None:
    axis.axhline(zero_error(), color=MUTED, ls=(0, (6, 2, 1, 2)), lw=1, label="error of the estimator zero")


def measured_errors(
    fits: dict[str, Any],
    n_samples: Sequence[int],
    n_tokens: Sequence[int],
    setting: Setting = SETTING,
    *,
    replicates: int = 3,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Fit each estimator to fresh data and measure its error (Monte Carlo).

    The truth is ``tanh(u / 2)``, in C(2, L) with L below 0.2 (and sup norm below 1), tokens on the cube, a
    matrix with one nonzero entry: the score is bounded by 3.

    Parameters
    ----------
    fits : dict
        Name to a function of the matrix that returns an unfitted estimator.
    n_samples, n_tokens : sequence of int
        Every pair (M, N) is run.
    setting : Setting
        Of it the dimension and the noise.
    replicates, seed : int

    Returns
    -------
    list of dict
        ``method``, ``n_samples``, ``n_tokens``, ``error``, ``standard_error``, ``smallest``, ``largest``.
    """
    d, _ = setting.require_matrix("measured_errors")
    matrix = interaction_matrix(d, 1, seed, kind="coordinate")
    model = AttentionModel(Tanh(0.5), matrix, UniformCube(d), GaussianNoise(setting.noise_std))
    pairs = UniformCube(d).sample(50_000, 2, np.random.default_rng(seed + 1))
    x, y = pairs[:, 0], pairs[:, 1]
    truth = model.interaction(x, y)
    rows = []
    for name, make in fits.items():
        for m in n_samples:
            for n in n_tokens:
                errors = []
                for replicate in range(replicates):
                    data = model.sample(m, n, np.random.default_rng([seed, m, n, replicate]))
                    errors.append(float(np.mean((make(matrix).fit(*data).interaction(x, y) - truth) ** 2)))
                rows.append(
                    {
                        "method": name,
                        "n_samples": m,
                        "n_tokens": n,
                        "error": float(np.mean(errors)),
                        "standard_error": float(np.std(errors, ddof=1) / np.sqrt(replicates)),
                        "smallest": min(errors),
                        "largest": max(errors),
                    }
                )
    return rows


def _range(rows: Sequence[dict[str, Any]]) -> list[list[float]]:
    """Return the distances from the mean down to the smallest error and up to the largest."""
    return [
        [row["error"] - row["smallest"] for row in rows],
        [row["largest"] - row["error"] for row in rows],
    ]


def _density(u: Any) -> Any:
    return product_density(u, 3.0)


@picture
def bounds_figure(
    rows: Sequence[dict[str, Any]] = (),
    setting: Setting = SETTING,
    *,
    largest: float = 1e10,
) -> Figure:
    """Draw upper and lower bounds against M, measured errors, and the rate."""
    figure, axis = subplots(1, 4.8)
    samples = np.geomspace(1e2, largest, 17).astype(np.int64)
    n_tokens = setting.n_tokens
    upper = [upper_bound(int(m), setting, odd=True).value for m in samples]
    axis.loglog(samples, upper, color=BOUND, lw=2.4, label="proved: matrix learned, odd")
    known = [oracle_upper_bound(int(m), setting, density=_density, odd=True).value for m in samples]
    axis.loglog(samples, known, color=BOUND, ls="-.", label="proved: matrix known, odd")
    lower = [
        lower_bound(int(m), setting, interval=(0.0, 3.0), density=_density, symmetric=True).value
        for m in samples
    ]
    axis.loglog(samples, lower, color=BOUND, ls="--", label="proved: no estimator below")
    for name, marker in zip(dict.fromkeys(row["method"] for row in rows), MARKERS, strict=False):
        mine = [row for row in rows if row["method"] == name and row["n_tokens"] == n_tokens]
        axis.errorbar(
            [row["n_samples"] for row in mine],
            [row["error"] for row in mine],
            _range(mine),
            color=ORACLE if name == "matrix known" else FIT,
            marker=marker,
            ls="none",
            label=f"measured: {name}",
        )
    _draw_zero(axis)
    anchor = np.sqrt(lower[-1] * known[-1])
    exponent = setting.exponent
    axis.loglog(
        samples,
        anchor * (samples / samples[-1]) ** -exponent,
        color=MUTED,
        ls=":",
        label=f"slope $-{exponent:.2f}$",
    )
    axis.set_ylim(min(lower) / 5, 1e2)
    axis.set(
        title=f"Upper against lower, $\\beta = {setting.beta:g}$, $N = {n_tokens}$",
        xlabel="samples $M$",
        ylabel="squared error in $L^2(\\rho)$",
    )
    axis.legend(fontsize=8.5)
    return figure


@picture
def gap_figure(setting: Setting = SETTING, *, largest: float = 1e12) -> Figure:
    """Draw the ratio of the proved upper to the proved lower bound, matrix known and learned."""
    figure, axis = subplots(1, 3.8)
    samples = np.geomspace(1e3, largest, 13).astype(np.int64)
    lower = np.array(
        [
            lower_bound(int(m), setting, interval=(0.0, 3.0), density=_density, symmetric=True).value
            for m in samples
        ]
    )
    known = [oracle_upper_bound(int(m), setting, density=_density, odd=True).value for m in samples]
    learned = [upper_bound(int(m), setting, odd=True).value for m in samples]
    for values, name, color, marker in (
        (learned, "matrix learned", FIT, MARKERS[0]),
        (known, "matrix known", ORACLE, MARKERS[1]),
    ):
        axis.loglog(samples, np.array(values) / lower, color=color, marker=marker, label=name)
    axis.set(
        title=f"Proved upper over proved lower bound, odd, $\\beta = {setting.beta:g}$",
        xlabel="samples $M$",
        ylabel="ratio",
    )
    axis.legend()
    return figure


@picture
def log_gap_figure(betas: Sequence[float] = (0.5, 1.0, 2.0)) -> Figure:
    """Draw the paper's logarithmic factor between its bounds, and the one that is left in ours."""
    figure, axis = subplots(1, 3.8)
    samples = np.geomspace(10, 1e12, 80).astype(np.int64)
    for beta, color in zip(betas, CYCLE, strict=False):
        axis.loglog(
            samples,
            [log_gap(int(m), beta) for m in samples],
            color=color,
            label=f"paper, $\\beta = {beta:g}$",
        )
        ours = [log_factor(int(m), beta) for m in samples]
        axis.loglog(samples, ours, color=color, ls="--", label=f"here, $\\beta = {beta:g}$")
    axis.loglog(samples, samples, color=MUTED, ls=":", lw=1, label="$M$ itself")
    axis.set(title="Logarithmic factors between upper and lower bound", xlabel="samples $M$", ylabel="factor")
    axis.legend(ncols=2, fontsize=8.5)
    return figure


@picture
def tokens_figure(
    rows: Sequence[dict[str, Any]],
    n_samples: int,
    setting: Setting = SETTING,
) -> Figure:
    """Draw bounds and measured errors against the number of tokens, at one M."""
    figure, axis = subplots(1)
    tokens = np.unique(np.round(np.geomspace(2, 64, 11)).astype(np.int64))
    settings = [replace(setting, n_tokens=int(n)) for n in tokens]
    common: dict[str, Any] = dict(interval=(0.0, 3.0), density=_density)
    curves = {
        "upper bound through coercivity": (
            BOUND,
            "-.",
            [upper_bound(n_samples, s, coercivity=1 / (s.n_tokens - 1)).value for s in settings],
        ),
        "upper bound, matrix learned, odd": (
            BOUND,
            "-",
            [upper_bound(n_samples, s, odd=True).value for s in settings],
        ),
        "lower bound, symmetric tokens": (
            BOUND,
            "--",  # as in the figure against M
            [lower_bound(n_samples, s, symmetric=True, **common).value for s in settings],
        ),
        "lower bound, Jensen": (
            BOUND,
            ":",
            [lower_bound(n_samples, s, **common).value for s in settings],
        ),
    }
    for name, (color, style, values) in curves.items():
        axis.loglog(tokens, values, color=color, ls=style, label=name)
    for name, marker in zip(dict.fromkeys(row["method"] for row in rows), MARKERS, strict=False):
        mine = [row for row in rows if row["method"] == name and row["n_samples"] == n_samples]
        axis.errorbar(
            [row["n_tokens"] for row in mine],
            [row["error"] for row in mine],
            _range(mine),
            color=ORACLE if name == "matrix known" else FIT,
            marker=marker,
            lw=1,
            label=f"measured: {name}",
        )
    _draw_zero(axis)
    axis.set_xscale("log", base=2)
    axis.set(
        title=f"The number of tokens, $M = {n_samples}$",
        xlabel="tokens $N$",
        ylabel="squared error in $L^2(\\rho)$",
    )
    axis.set_ylim(top=300 * axis.get_ylim()[1])  # room for the legend
    axis.legend(ncols=2, fontsize=8.5, loc="upper left")
    return figure
