"""Pictures for the chapters on the upper bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pairint.figures.roles import colors_of
from pairint.figures.style import BOUND, CYCLE, FIT, INK, MARKERS, MATRIX, MUTED, TRUTH, picture, subplots
from pairint.theory.approximation import (
    HolderSum,
    best_l2_error,
    best_uniform_error,
    spline_degree,
    spline_error,
    spline_interpolant,
    taylor_error,
)
from pairint.theory.coercivity import product_density
from pairint.theory.covering import log_cover_interactions, log_cover_low_rank
from pairint.theory.rates import condition_holds
from pairint.theory.setting import Setting
from pairint.theory.upper import losses, upper_bound
from pairint.theory.upper_known import cell_christoffel, oracle_upper_bound

__all__ = [
    "approximation_figure",
    "cells_figure",
    "condition_figure",
    "covering_figure",
    "learned_tokens_figure",
    "loss_rows",
    "merging_figure",
    "oracle_tokens_figure",
    "upper_budget_figure",
    "upper_terms_figure",
]


#: Of the figures, where nothing else is said.
SETTING = Setting(
    beta=2.0, n_tokens=3, noise_std=0.5, holder_constant=1.0, d=5, rank=1, score_bound=3.0, sup_bound=1.0
)


@picture
def merging_figure(
    dimensions: Sequence[int] = (1, 10, 100), setting: Setting = SETTING, *, beta: float = 1.0
) -> Figure:
    """Draw the budget of the error (heuristic) against M, for several dimensions: the lines become one."""
    figure, axis = subplots(1, 3.6)
    samples = np.geomspace(1e2, 1e9, 50).round()
    for d, color in zip(dimensions, CYCLE, strict=False):
        here = replace(setting, beta=beta, d=d, rank=1)
        totals = [here.best_budget(int(m)).total for m in samples]
        axis.loglog(samples, totals, color=color, label=f"$d = {d}$")
    axis.set(title="Harder to find, not harder to learn", xlabel="samples $M$", ylabel="squared error")
    axis.legend()
    return figure


@picture
def condition_figure(betas: Sequence[float] = (0.5, 1.0, 2.0, 4.0), largest: float = 1e12) -> Figure:
    """Draw where the condition rd <= (M / log M)^(1/(2 beta + 1)) holds."""
    figure, axis = subplots(1)
    samples = np.geomspace(10, largest, 500)
    most = 10 ** np.ceil(np.log10(largest / np.log(largest)) / (2 * min(betas) + 1))
    products = np.geomspace(1, most, 1200)
    for beta, color in zip(betas, CYCLE, strict=False):
        allowed = condition_holds(samples[:, None], beta, products)
        edge = np.where(allowed.any(axis=1), products[allowed.sum(axis=1) - 1], np.nan)
        axis.plot(samples, edge, color=color, label=f"$\\beta = {beta:g}$")
        axis.fill_between(samples, 1, edge, color=color, alpha=0.08)
    for rd, name in ((30, "$r d = 30$"), (768, "$r d = 768$")):
        axis.axhline(rd, color=MUTED, ls=":", lw=1)
        axis.text(samples[0] * 1.2, rd * 1.1, name, color=INK, fontsize=9)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_ylim(1, most)
    axis.set(
        title="Below a line, the theorem's condition holds",
        xlabel="samples $M$",
        ylabel="rank times dimension, $r d$",
    )
    axis.legend()
    return figure


@picture
def approximation_figure(phi: HolderSum, *, score_bound: float = 3.0, shown: int = 6) -> Figure:
    """Draw a function and its interpolant; the error against K with the two proved constants."""
    figure, (left, right) = subplots(2)
    degree = spline_degree(phi.beta)
    u = np.linspace(-score_bound, score_bound, 1500)
    left.plot(u, phi(u), color=TRUTH, label="$\\varphi$")
    class_of: dict[str, Any] = dict(
        beta=phi.beta, holder_constant=phi.holder_constant, score_bound=score_bound
    )
    pieces: dict[str, Any] = dict(degree=degree, score_bound=score_bound)
    interpolant = spline_interpolant(phi, n_intervals=shown, **pieces)
    left.plot(u, interpolant(u), color=FIT, ls="--", label=f"interpolant, $K = {shown}$, $s = {degree}$")
    for knot in np.linspace(-score_bound, score_bound, shown + 1):
        left.axvline(knot, color=MUTED, lw=0.4, alpha=0.5)
    left.set(title="One function, six cells" if shown == 6 else "Function and interpolant")
    left.set(xlabel="score $u$", ylabel="activation")
    left.legend()
    cells = [2, 4, 8, 16, 32, 64]
    curves = {
        "proved: continuous interpolant": [spline_error(k, degree=degree, **class_of) for k in cells],
        "proved: Taylor polynomials": [taylor_error(k, **class_of) for k in cells],
        "this interpolant, sup norm": [
            np.abs(spline_interpolant(phi, n_intervals=k, **pieces)(u) - phi(u)).max() for k in cells
        ],
        "best polynomials, sup norm": [
            best_uniform_error(phi, n_intervals=k, n_points=40, **pieces) for k in cells
        ],
        "best polynomials, mean square": [best_l2_error(phi, n_intervals=k, **pieces) for k in cells],
    }
    for (name, values), color, marker in zip(curves.items(), CYCLE, MARKERS, strict=False):
        style = "--" if name.startswith("proved") else "-"
        right.loglog(cells, values, color=color, marker=marker, ls=style, label=name)
    right.set(title=f"Error against $K$, $\\beta = {phi.beta:g}$", xlabel="cells $K$", ylabel="error")
    right.set_xticks(cells, [str(k) for k in cells])
    right.minorticks_off()
    right.legend(fontsize=8)
    return figure


@picture
def covering_figure(d: int = 30, rank: int = 2, n_intervals: int = 20, degree: int = 2) -> Figure:
    """Draw how the log covering number splits between spline and matrix."""
    figure, (left, right) = subplots(2, 3.8)
    accuracy = np.geomspace(1e-6, 1, 60)
    cover: dict[str, Any] = dict(
        d=d, rank=rank, n_intervals=n_intervals, degree=degree, sup_bound=1.0, support_ratio=d
    )
    total = np.array([log_cover_interactions(e, **cover) for e in accuracy])
    spline = (n_intervals * degree + 1) * np.log1p(4 / accuracy)
    left.semilogx(accuracy, total, color=CYCLE[0], label="whole class")
    left.semilogx(
        accuracy, spline, color=CYCLE[1], ls="--", label=f"splines: {n_intervals * degree + 1} numbers"
    )
    left.semilogx(accuracy, total - spline, color=MATRIX, ls="-.", label=f"matrices: {2 * d * rank} numbers")
    left.set(title="Accuracy costs a logarithm", xlabel="accuracy $\\epsilon$", ylabel="log covering number")
    left.legend()
    dimensions = np.arange(2, 101)
    for r, color in zip((1, 2, 5), CYCLE, strict=False):
        values = [
            log_cover_low_rank(1e-3, d=int(k), rank=r, radius=1.0) if k >= r else np.nan for k in dimensions
        ]
        right.plot(dimensions, values, color=color, label=f"rank {r}")
    full = [k**2 * np.log1p(2 / 1e-3) for k in dimensions]
    right.plot(dimensions, full, color=MUTED, ls=":", label="all matrices")
    right.set_yscale("log")
    right.set(
        title="Matrices: linear in $d$",
        xlabel="dimension $d$",
        ylabel="log covering number, $\\epsilon = 10^{-3}$",
    )
    right.legend()
    return figure


@picture
def upper_budget_figure(n_samples: int = 10**5, setting: Setting = SETTING) -> Figure:
    """Draw bias against variance: the proved bound and the leading-order budget, as functions of K."""
    figure, (left, right) = subplots(2)
    cells = np.unique(np.round(np.geomspace(1, 200, 40)).astype(np.int64))
    bounds = [upper_bound(n_samples, setting, n_intervals=int(k)) for k in cells]
    budget = [setting.budget(n_samples, int(k)) for k in cells]
    panels = (
        (left, bounds, {"bias": "bias", "spline": "spline", "matrix": "matrix", "value": "sum"}),
        (right, budget, {"bias": "bias", "variance": "spline", "parametric": "matrix", "total": "sum"}),
    )
    for panel, items, names in panels:
        for (attribute, label), color in zip(names.items(), (CYCLE[0], CYCLE[1], MATRIX, BOUND), strict=True):
            values = np.array([getattr(item, attribute) for item in items])
            panel.loglog(cells, values, color=color, label=label)
        panel.plot(cells[values.argmin()], values.min(), marker="o", color=BOUND)
        panel.set(xlabel="cells $K$", ylabel="squared error in $L^2(\\rho)$")
        panel.legend()
    left.set_title("Proved bound")
    right.set_title("Leading order (heuristic)")
    return figure


@picture
def upper_terms_figure(setting: Setting = SETTING) -> Figure:
    """Draw the terms of the bound at the best K, against M."""
    figure, axis = subplots(1)
    samples = np.geomspace(1e3, 1e10, 15).astype(np.int64)
    bounds = [upper_bound(int(m), setting) for m in samples]
    names = {"bias": "bias", "spline": "spline", "matrix": "matrix", "discretisation": "covering"}
    for (attribute, label), color in zip(names.items(), colors_of(names.values()), strict=True):
        axis.loglog(samples, [getattr(b, attribute) for b in bounds], color=color, lw=1.2, label=label)
    axis.loglog(samples, [b.value for b in bounds], color=BOUND, label="proved bound")
    budget = [setting.best_budget(int(m)).total for m in samples]
    axis.loglog(samples, budget, color=MUTED, ls="--", label="leading order (heuristic)")
    axis.set(title="What the bound is made of", xlabel="samples $M$", ylabel="squared error in $L^2(\\rho)$")
    axis.legend()
    return figure


def loss_rows(cells: Sequence[tuple[int, int]], setting: Setting = SETTING) -> list[dict[str, Any]]:
    """Return, for each (M, N) and term of the bound, how often it is the leading order, factor by factor."""
    rows = []
    for n_samples, n_tokens in cells:
        here = replace(setting, n_tokens=n_tokens)
        bound = upper_bound(n_samples, here)
        leading = here.budget(n_samples, bound.n_intervals)
        terms = {"bias": leading.bias, "spline": leading.variance, "matrix": leading.parametric}
        for term, factors in losses(bound, here).items():
            rows.append(
                {
                    "M": f"{n_samples:.0e}",
                    "N": n_tokens,
                    "term": term,
                    "bound / leading": getattr(bound, term) / terms[term],
                    "product": math.prod(factors.values()),
                    **factors,
                }
            )
    return rows


@picture
def oracle_tokens_figure(n_samples: int = 10**10, setting: Setting = SETTING) -> Figure:
    """Draw the bounds against the number of tokens: odd functions, any function, unknown matrix."""
    figure, axis = subplots(1, 3.8)
    tokens = np.unique(np.round(np.geomspace(2, 128, 13)).astype(np.int64))

    score_bound = setting.require_score_bound("oracle_tokens_figure")

    def density(u: Any) -> Any:
        return product_density(u, score_bound)

    settings = [replace(setting, n_tokens=int(n)) for n in tokens]
    curves = {
        "matrix known, odd functions": [
            oracle_upper_bound(n_samples, s, density=density, odd=True).value for s in settings
        ],
        "matrix known, any function": [
            oracle_upper_bound(n_samples, s, density=density).value for s in settings
        ],
        f"matrix learned, odd functions ($d = {setting.d}$, $r = {setting.rank}$)": [
            upper_bound(n_samples, s, odd=True).value for s in settings
        ],
    }
    for (name, values), color, marker in zip(curves.items(), CYCLE, MARKERS, strict=False):
        axis.loglog(tokens, values, color=color, marker=marker, lw=1.2, label=name)
    axis.set(
        title=f"Upper bounds and the number of tokens, $M = 10^{{{np.log10(n_samples):.0f}}}$",
        xlabel="tokens $N$",
        ylabel="squared error in $L^2(\\rho)$",
    )
    axis.legend()
    return figure


@picture
def cells_figure(n_intervals: int = 16) -> Figure:
    """Draw kappa of each cell, for three laws of the score: what makes it large is at the ends."""
    figure, axis = subplots(1, 3.8)
    laws: dict[str, Callable[[Any], Any]] = {
        "uniform (sphere, $d = 3$, $A = I$)": lambda u: np.full(np.shape(u), 0.5),
        "cube, one entry": lambda u: product_density(u, 1.0),
        "sphere, $d = 10$, $A = I$": lambda u: (1 - u**2) ** 3.5 / _beta_half(4.5),
    }
    centres = (2 * np.arange(n_intervals) + 1) / n_intervals - 1
    for (name, law), color, marker in zip(laws.items(), CYCLE, MARKERS, strict=False):
        kappa, _ = cell_christoffel(law, n_intervals=n_intervals, degree=1, score_bound=1.0)
        axis.semilogy(centres, kappa, color=color, marker=marker, lw=1, label=name)
    for knot in np.linspace(-1, 1, n_intervals + 1):
        axis.axvline(knot, color=MUTED, lw=0.4, alpha=0.3)
    axis.set(
        title="What it costs to fit a line on a cell",
        xlabel="score, in units of its bound, $u / \\bar a$",
        ylabel="$\\kappa$ of the cell",
    )
    axis.legend()
    return figure


def _beta_half(a: float) -> float:
    """Return B(a, 1/2), the integral of (1 - u^2)^(a - 1) over [-1, 1]."""
    return math.gamma(a) * math.gamma(0.5) / math.gamma(a + 0.5)


@picture
def learned_tokens_figure(n_samples: int = 10**10, setting: Setting = SETTING) -> Figure:
    """Draw the bounds for a learned matrix against N: through coercivity, and by fourth moments."""
    figure, axis = subplots(1, 3.8)
    tokens = np.unique(np.round(np.geomspace(2, 1024, 19)).astype(np.int64))

    kinds: dict[str, Callable[[int], dict[str, Any]]] = {
        "through coercivity": lambda n: {"coercivity": 1 / (n - 1)},
        "any function, any tokens": lambda n: {},
        "odd functions, symmetric tokens": lambda n: {"odd": True},
    }
    for (name, arguments), color, marker in zip(kinds.items(), CYCLE, MARKERS, strict=False):
        values = [
            upper_bound(n_samples, replace(setting, n_tokens=int(n)), **arguments(int(n))).value
            for n in tokens
        ]
        axis.loglog(tokens, values, color=color, marker=marker, lw=1.2, ms=4, label=name)
    axis.set(
        title=f"Matrix learned: bounds and the number of tokens, $M = 10^{{{np.log10(n_samples):.0f}}}$",
        xlabel="tokens $N$",
        ylabel="squared error in $L^2(\\rho)$",
    )
    axis.legend()
    return figure
