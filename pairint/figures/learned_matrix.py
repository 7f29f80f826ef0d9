"""Pictures for the chapters on splitting and on adaptation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pairint.figures.roles import colors_of
from pairint.figures.style import CYCLE, MARKERS, MUTED, picture, subplots
from pairint.figures.upper_bound import SETTING
from pairint.theory.adaptation import adaptive_upper_bound, penalty
from pairint.theory.approximation import spline_degree, spline_error
from pairint.theory.coercivity import product_density
from pairint.theory.rates import minimax_exponent
from pairint.theory.setting import Setting
from pairint.theory.splitting import split_upper_bound
from pairint.theory.upper import upper_bound
from pairint.theory.upper_known import oracle_upper_bound

__all__ = ["cube_scores", "penalty_figure", "splitting_figure", "uniform_scores"]


def cube_scores(u: Any) -> Any:
    """Return the density of the score for one nonzero entry of the matrix, on the cube of ``SETTING``."""
    return product_density(u, 3.0)


def uniform_scores(u: Any) -> Any:
    """Return the density of a uniform score on the same interval: a sphere in dimension three, A = I."""
    return np.full_like(u, 1 / 6)


@picture
def splitting_figure(powers: tuple[int, ...] = (4, 6, 8, 10, 12)) -> Figure:
    """Draw bounds against M: by a covering, by splitting, with the matrix known; and the logarithm alone."""
    figure, (left, right) = subplots(2, 4.0)
    samples = 10.0 ** np.array(powers)

    def kinds(density: Callable[[Any], Any]) -> dict[str, Callable[[int], Any]]:
        given: dict[str, Any] = {"density": density, "odd": True}
        return {
            "learned, one covering": lambda m: upper_bound(m, SETTING, odd=True),
            "learned, samples split": lambda m: split_upper_bound(m, SETTING, **given),
            "matrix known": lambda m: oracle_upper_bound(m, SETTING, **given),
        }

    rate = minimax_exponent(SETTING.beta)
    for axis, density in ((left, cube_scores), (right, uniform_scores)):
        for (name, kind), color, marker in zip(
            kinds(density).items(), colors_of(kinds(density)), MARKERS, strict=False
        ):
            bounds = [kind(10**p) for p in powers]
            values = np.array([bound.value for bound in bounds])
            if axis is right:
                values -= [getattr(bound, "matrix", 0.0) for bound in bounds]
                values *= samples**rate / (values[-1] * samples[-1] ** rate)
            axis.loglog(samples, values, color=color, marker=marker, ms=4, label=name)
    left.set(title="Three bounds, cube", xlabel="samples $M$", ylabel="squared error in $L^2(\\rho)$")
    right.set(
        title="The activation alone, uniform scores",
        xlabel="samples $M$",
        ylabel="price $\\times\\, M^{2\\beta/(2\\beta+1)}$, last point 1",
    )
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    return figure


@picture
def penalty_figure(n_samples: int = 10**7, setting: Setting = SETTING) -> Figure:
    """Draw bias and penalty against K for two smoothnesses; and what not knowing costs, against M."""
    figure, (left, right) = subplots(2, 4.0)
    cells = np.unique(np.round(np.geomspace(1, 4096, 60)).astype(np.int64))
    scale = setting.n_tokens - 1
    told: dict[str, Any] = dict(
        n_samples=n_samples,
        n_tokens=setting.n_tokens,
        noise_std=setting.noise_std,
        sup_bound=setting.sup_bound,
        d=setting.d,
        support_ratio=float(setting.require_matrix("the penalty")[0]),
    )
    price = np.array([scale * penalty(n_intervals=int(k), degree=1, rank=1, odd=True, **told) for k in cells])
    left.loglog(cells, price, color=MUTED, ls=":", label="penalty (known)")
    for beta, color in zip((0.5, 2.0), CYCLE, strict=False):
        given: dict[str, Any] = dict(
            beta=beta, holder_constant=setting.holder_constant, score_bound=setting.score_bound
        )
        missed = np.array([spline_error(int(k), degree=spline_degree(beta), **given) for k in cells])
        bias = np.minimum(setting.sup_bound, 2 * missed / (1 + missed / setting.sup_bound)) ** 2
        best = int(np.argmin(bias + price))
        left.loglog(cells, bias, color=color, ls="--", label=f"bias, $\\beta = {beta:g}$ (not known)")
        left.plot(cells[best], bias[best] + price[best], color=color, marker="o", ls="", label="best sum")
    left.set(
        title=f"One penalty, two truths, $M = 10^{{{np.log10(n_samples):.0f}}}$",
        xlabel="cells $K$",
        ylabel="squared error in $L^2(\\rho)$",
    )
    left.set_ylim(price.min() / 10, 4)
    samples = [10**p for p in (5, 7, 9, 11)]
    for beta, color, marker in zip((0.5, 1.0, 2.0, 4.0), CYCLE, MARKERS, strict=False):
        here = replace(setting, beta=beta)
        ratio = [
            adaptive_upper_bound(m, here, odd=True).value / upper_bound(m, here, odd=True).value
            for m in samples
        ]
        right.semilogx(samples, ratio, color=color, marker=marker, ms=4, label=f"$\\beta = {beta:g}$")
    right.set(
        title="Not told against told",
        xlabel="samples $M$",
        ylabel="ratio of the bounds",
    )
    right.set_ylim(0, 3)
    left.legend(fontsize=8)
    right.legend(fontsize=8)
    return figure
