"""Pictures for the chapter on the exact constant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from pairint.figures.style import BOUND, CYCLE, picture, subplots
from pairint.theory.pinsker import odd_legendre, pinsker_filter, sobolev_bounds
from pairint.theory.rates import parameter_price

__all__ = ["corridor_figure", "least_favourable_figure", "plain_ticks"]


def plain_ticks(axis: Any, values: Sequence[float]) -> None:
    """Write numbers, not powers of ten, at a logarithmic axis."""
    axis.set_yticks(values, [f"{value:g}" for value in values])
    axis.yaxis.set_minor_formatter(NullFormatter())


@picture
def corridor_figure(
    betas: Sequence[float] = (1.0, 2.0), n_tokens: int = 3, noise_std: float = 0.5, energy: float = 1.0
) -> Figure:
    """Draw the two proved bounds of the minimax risk over Pinsker's limit: a corridor that closes at one."""
    figure, axis = subplots(1, 3.8)
    samples = np.geomspace(1e2, 1e14, 73).astype(np.int64)
    for beta, color in zip(betas, CYCLE, strict=False):
        bounds = [
            sobolev_bounds(int(m), beta=beta, energy=energy, n_tokens=n_tokens, noise_std=noise_std)
            for m in samples
        ]
        low, high = (np.array([getattr(b, side) / b.limit for b in bounds]) for side in ("lower", "upper"))
        axis.fill_between(samples, low, high, color=color, alpha=0.15, lw=0)
        axis.plot(samples, high, color=color, label=f"upper bound, $\\beta = {beta:g}$")
        axis.plot(samples, low, color=color, ls="--", label=f"lower bound, $\\beta = {beta:g}$")
    axis.axhline(1, color=BOUND, lw=1, label="the exact constant")
    axis.set(
        title=f"Proved bounds over their common limit, $N = {n_tokens}$",
        xscale="log",
        yscale="log",
        ylim=(0.4, 20),
        xlabel="samples $M$",
        ylabel="bound / limit",
    )
    plain_ticks(axis, (0.5, 1, 2, 5, 10, 20))
    axis.legend(fontsize="small", loc="upper right")
    return figure


@picture
def least_favourable_figure(
    n_samples: int = 10_000,
    beta: float = 1.0,
    n_tokens: int = 3,
    noise_std: float = 0.5,
    energy: float = 1.0,
    seed: int = 0,
) -> Figure:
    """Draw the filter with the energies of the least favourable truth, and three draws of that truth."""
    figure, (left, right) = subplots(2, 3.6)
    price = parameter_price(n_samples, n_tokens=n_tokens, noise_std=noise_std)
    best = pinsker_filter(price, beta=beta, energy=energy)
    k = np.arange(1, best.size + 1)
    left.plot(k, best.factors, color=BOUND, marker="o", ms=3, label="$c_k$, the filter")
    shares = best.variances / (best.variances + price)
    left.plot(k, shares, color=CYCLE[0], ls=":", label="signal / (signal + noise), the same")
    left.set(title="Best filter and worst truth agree", xlabel="coefficient $k$", ylabel="share kept")
    left.legend()
    rng = np.random.default_rng(seed)
    u = np.linspace(-1, 1, 1001)
    basis = odd_legendre(u, best.size)
    for i in range(3):
        truth = rng.choice([-1.0, 1.0], best.size) * np.sqrt(best.variances)
        right.plot(u, truth @ basis, color=CYCLE[i], lw=1, label=f"signs {i + 1}")
    right.set(title="Least favourable truths", xlabel="score $u$", ylabel="$\\varphi(u)$")
    right.legend()
    return figure
