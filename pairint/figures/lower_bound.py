"""Pictures for the chapters on the lower bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from pairint.figures.style import BOUND, CYCLE, DATA, FIT, MARKERS, MUTED, TRUTH, picture, subplots
from pairint.model import GaussianNoise, UniformCube, UniformNoise, interaction_matrix
from pairint.theory.bumps import BumpActivation, BumpFamily
from pairint.theory.codes import varshamov_gilbert_code
from pairint.theory.coercivity import product_density, product_moments
from pairint.theory.games import guessing_game, score_reduction
from pairint.theory.lower import gaussian_kl, guessing_error_bound, lower_bound, sign_bound
from pairint.theory.lower_matrix import matrix_lower_bound
from pairint.theory.rates import holder_degree
from pairint.theory.setting import Setting

__all__ = [
    "code_figure",
    "constants_figure",
    "elbow_figure",
    "fano_rows",
    "guessing_figure",
    "hypotheses_figure",
    "lower_tokens_figure",
    "methods_figure",
    "radius_rows",
    "reduction_figure",
]


#: Of the figures, where nothing else is said.
SETTING = Setting(beta=2.0, n_tokens=3, noise_std=0.5, holder_constant=1.0)


def _density(u: Any) -> Any:
    return product_density(u, 3.0)


@picture
def hypotheses_figure(
    n_samples: Sequence[int] = (10**3, 10**5, 10**7),
    setting: Setting = SETTING,
    seed: int = 0,
) -> Figure:
    """Draw hypotheses that so many samples cannot tell apart."""
    figure, panels = subplots(len(n_samples), 3.4, panel=3.1)
    rng = np.random.default_rng(seed)
    u = np.linspace(0, 3, 1200)
    for panel, m in zip(panels, n_samples, strict=True):
        bound = lower_bound(m, setting, interval=(0.0, 2.7), density=_density, method="assouad")
        family: Any = bound.family
        step = 1.4 * family.amplitude * family.profile.sup
        for shift, color in enumerate(CYCLE[:4]):
            word = rng.integers(0, 2, family.n_bumps)
            panel.plot(u, step * shift + family.activation(word)(u), color=color, lw=1.3)
        panel.set(title=f"$M = 10^{{{np.log10(m):.0f}}}$: $K = {family.n_bumps}$", xlabel="score $u$")
    panels[0].set_ylabel("four hypotheses $\\varphi_w(u)$, shifted")
    return figure


def radius_rows(betas: Sequence[float], n_pairs: int = 100_000, seed: int = 0) -> list[dict[str, float]]:
    """Return, for each smoothness, the largest Hölder quotient of a sum of bumps that was found.

    Five bumps on [0, 2] of radius 1, the first, third and fourth of them present; pairs of scores at random
    distances between 1e-4 and 1.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for beta in betas:
        family = BumpFamily(beta=beta, holder_constant=1.0, n_bumps=5, interval=(0.0, 2.0))
        phi, k = family.activation([1, 0, 1, 1, 0]), holder_degree(beta)
        u = rng.uniform(0, 2, n_pairs)
        v = u + rng.choice([-1, 1], n_pairs) * 10 ** rng.uniform(-4, 0, n_pairs)
        increments = np.abs(phi.derivative(u, k) - phi.derivative(v, k))
        rows.append(
            {
                "beta": beta,
                "allowed": family.holder_constant,
                "largest ratio found": float(np.max(increments / np.abs(u - v) ** (beta - k))),
                "height / h^beta": 1 / family.profile.holder_constant,
            }
        )
    return rows


def fano_rows(
    n_samples: Sequence[int], setting: Setting, interval: tuple[float, float] = (0.2, 2.4)
) -> list[dict[str, Any]]:
    """Return, for each M, every ingredient of Fano's bound: as it is, by quadrature, and what the proof asks.

    The first two words of the code are compared; the divergence is that of a hypothesis from the centre.
    """
    rows = []
    for m in n_samples:
        bound = lower_bound(m, setting, interval=interval, density=_density, method="fano")
        family: Any = bound.family
        code = varshamov_gilbert_code(family.n_bumps)
        first, second = code.words(2).astype(float)
        difference, centre = (
            product_moments(family.activation(word), 3.0, setting.n_tokens, family.knots, order=8)
            for word in (first - second, np.full(family.n_bumps, 0.5))
        )
        rows.append(
            {
                "M": m,
                "K": family.n_bumps,
                "words": code.n_words,
                "smallest distance": code.minimum_distance,
                "needed": family.n_bumps / 8,
                "separation": difference.second,
                "at least": bound.separation,
                "KL": gaussian_kl(m, setting, centre.aggregated),
                "at most": bound.kl,
            }
        )
    return rows


@picture
def code_figure(n_bits: int = 48, shown: int = 32) -> Figure:
    """Draw a code and the distances between its words."""
    figure, (left, right) = subplots(2, 3.6)
    code = varshamov_gilbert_code(n_bits)
    words = code.words(min(code.n_words, 512)).astype(np.int64)
    left.imshow(words[1 : shown + 1], cmap="cividis", aspect="auto", interpolation="nearest")
    left.grid(False)
    left.set(title=f"{shown} of {code.n_words} words", xlabel="bit = bump", ylabel="word = hypothesis")
    distances = (words[:, None] != words[None]).sum(axis=2)[np.triu_indices(len(words), 1)]
    right.hist(distances, bins=np.arange(n_bits + 2) - 0.5, color=DATA, label="pairs of words")
    right.axvline(n_bits / 8, color=BOUND, ls="--", label="needed: $K/8$")
    right.axvline(code.minimum_distance, color=CYCLE[0], label=f"smallest: {code.minimum_distance}")
    right.set(title="Hamming distances", xlabel="bits that differ", ylabel="number of pairs")
    right.legend()
    return figure


def _odd_bump(height: float) -> BumpActivation:
    """Return one Lipschitz bump and its mirror image, with Hölder radius ``height``."""
    family = BumpFamily(beta=1.0, holder_constant=height, n_bumps=1, interval=(0.3, 2.0), odd=True)
    return family.activation([1.0])


@picture
def guessing_figure(
    heights: Sequence[float] = (4.0, 2.0, 1.0), n_games: int = 1000, noise_std: float = 1.0, seed: int = 0
) -> Figure:
    """Draw the two-hypotheses game: error of the best test against M, and the bound."""
    figure, (left, right) = subplots(2)
    tokens, matrix = UniformCube(3), interaction_matrix(3, 1, 0, kind="coordinate")
    sizes = [1, 2, 4, 8, 16, 32, 64, 128]
    for height, color, marker in zip(heights, CYCLE, MARKERS, strict=False):
        bump = _odd_bump(height)
        game = guessing_game(bump, tokens, matrix, GaussianNoise(noise_std), 3, sizes, n_games, seed)
        left.errorbar(
            sizes,
            game.error,
            2 * game.standard_error,
            color=color,
            marker=marker,
            ls="none",
            label=f"$L = {height:g}$",
        )
        left.plot(sizes, game.bound, color=color, lw=1)
    left.set(title="Gaussian noise: no test is below its line", ylabel="frequency of wrong guesses")
    bump = _odd_bump(heights[0])
    for noise, name, color, marker in (
        (GaussianNoise(noise_std), "Gaussian", CYCLE[0], MARKERS[0]),
        (UniformNoise(noise_std), "uniform, same variance", CYCLE[1], MARKERS[3]),
    ):
        game = guessing_game(bump, tokens, matrix, noise, 3, sizes, n_games, seed + 1)
        right.errorbar(
            sizes, game.error, 2 * game.standard_error, color=color, marker=marker, ls="none", label=name
        )
    right.plot(sizes, game.bound, color=BOUND, lw=1, label="bound for Gaussian noise")
    right.set(title="Noise with edges can beat it", ylabel="frequency of wrong guesses")
    for panel in (left, right):
        panel.set_xscale("log", base=2)
        panel.set(xlabel="samples $M$", ylim=(-0.02, 0.55))
        panel.legend()
    return figure


@picture
def reduction_figure(n_pairs: int = 20_000, seed: int = 0) -> Figure:
    """Draw an estimate with the wrong matrix, and what becomes of it given the true score."""
    figure, (left, right) = subplots(2)
    rng = np.random.default_rng(seed)
    x, y = UniformCube(2).sample(n_pairs, 2, rng).transpose(1, 0, 2)
    truth, u = np.tanh(2 * x[:, 0] * y[:, 0]), x[:, 0] * y[:, 0]
    angles = np.linspace(0, 0.5, 11)
    totals, reduced = [], []
    for angle in angles:
        wrong = (np.cos(angle) * x[:, 0] + np.sin(angle) * x[:, 1]) * y[:, 0]
        result = score_reduction(np.tanh(2 * wrong), truth, u, 200)
        totals.append(result.total)
        reduced.append(result.reduced)
    left.scatter(u[:1500], np.tanh(2 * wrong)[:1500], s=4, color=DATA, label="$\\hat g(x, y)$")
    left.plot(result.centres, result.mean, color=FIT, label="$\\psi(u) = E[\\hat g \\mid U = u]$")
    grid = np.linspace(-3, 3, 300)
    left.plot(grid, np.tanh(2 * grid), color=TRUTH, ls="--", label="truth $\\varphi^*(u)$")
    left.set(title=f"Matrix turned by {angles[-1]:.1f} rad", xlabel="true score $u$", ylabel="interaction")
    left.legend(loc="upper left")
    right.plot(angles, totals, color=DATA, marker="o", label="error of $\\hat g$")
    right.plot(angles, reduced, color=FIT, marker="s", label="error of $\\psi(U)$")
    right.set(
        title="Averaging given $U$ only helps", xlabel="angle (rad)", ylabel="squared error in $L^2(\\rho)$"
    )
    right.legend()
    return figure


@picture
def methods_figure(n_samples: int = 10**9, setting: Setting | None = None) -> Figure:
    """Draw Assouad and Fano against the number of bumps, and against M; for beta = 1 by default."""
    setting = replace(SETTING, beta=1.0) if setting is None else setting
    figure, (left, right) = subplots(2)
    common: dict[str, Any] = dict(interval=(0.2, 2.7), density=_density)
    bumps = np.unique(np.round(np.geomspace(1, 4000, 40)).astype(np.int64))
    for method, color, marker in (("assouad", CYCLE[0], MARKERS[0]), ("fano", CYCLE[1], MARKERS[1])):
        values = np.array(
            [
                lower_bound(n_samples, setting, method=method, n_bumps=int(k), **common).value
                if method == "assouad" or k >= 8
                else np.nan
                for k in bumps
            ]
        )
        left.plot(bumps, np.where(values > 0, values, np.nan), color=color, label=method.capitalize())
        samples = np.geomspace(1e2, 1e12, 11).astype(np.int64)
        best = [lower_bound(int(m), setting, method=method, **common).value for m in samples]
        right.plot(samples, best, color=color, marker=marker, ms=4, label=method.capitalize())
    left.set_title(f"$M = 10^{{{np.log10(n_samples):.0f}}}$: too few bumps, too many")
    left.set(xlabel="bumps $K$", ylabel="lower bound", ylim=(left.get_ylim()[1] * 1e-8, None))
    right.set(title="Best number of bumps", xlabel="samples $M$", ylabel="lower bound")
    for panel in (left, right):
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.legend()
    left.set_ylim(1e-14, 1e-6)
    return figure


@picture
def constants_figure(
    n_samples: Sequence[int] = (10**2, 10**4, 10**6, 10**8), setting: Setting = SETTING
) -> Figure:
    """Draw the smooth and the tall bump, the risk of a weight, and what each method gains over Assouad's.

    The score is that of one entry of the matrix on the cube; the bumps are those of smoothness 2.
    """
    figure, (left, middle, right) = subplots(3, 3.4, panel=3.4)
    t = np.linspace(-0.5, 0.5, 401)
    for shape, color, style in (("tall", CYCLE[0], "-"), ("smooth", CYCLE[1], "--")):
        family = BumpFamily(
            beta=2.0, holder_constant=1.0, n_bumps=1, interval=(0.0, 1.0), odd=True, shape=shape
        )
        left.plot(t, family.activation([1.0])(t + 0.5), color=color, ls=style, label=shape)
    left.set(title="$\\beta = 2$: $|\\varphi''| \\leq 1$", xlabel="score / width", ylabel="bump")
    information = np.geomspace(0.05, 100, 200)
    curves = (
        ("estimate by shrinking", FIT, ":", 1 / (1 + information)),
        ("signs, of the best height", CYCLE[0], "-", sign_bound(information)),
        ("van Trees", CYCLE[2], "-.", 1 / (information + np.pi**2)),
        ("a bit, present or absent", CYCLE[1], "--", guessing_error_bound(information / 2) / 2),
    )
    for name, color, style, values in curves:
        middle.loglog(information, values, color=color, ls=style, label=name)
    middle.set(
        title="What a weight costs",
        xlabel="information",
        ylabel="squared error",
        ylim=(1e-3, 3),
    )
    setting = replace(setting, score_bound=3.0)
    common: dict[str, Any] = dict(interval=(0.0, 3.0), density=_density, symmetric=True)
    for method, color, marker in (("bayes", CYCLE[0], MARKERS[0]), ("spline", CYCLE[1], MARKERS[1])):
        gains = [
            lower_bound(m, setting, method=method, **common).value
            / lower_bound(m, setting, method="assouad", **common).value
            for m in n_samples
        ]
        right.semilogx(n_samples, gains, color=color, marker=marker, label=method.capitalize())
    right.set(title="Gain over Assouad", xlabel="samples $M$", ylabel="ratio of lower bounds", ylim=(0, None))
    for panel in (left, middle, right):
        panel.legend(fontsize=8.5)
    return figure


@picture
def lower_tokens_figure(n_samples: int = 10**8, setting: Setting = SETTING) -> Figure:
    """Draw three ways to bound the divergence, three dependences on the number of tokens."""
    figure, axis = subplots(1)
    tokens = np.unique(np.round(np.geomspace(2, 2**16, 17)).astype(np.int64))
    common: dict[str, Any] = dict(interval=(0.3, 2.7), density=_density, method="assouad")
    curves: dict[str, dict[str, Any]] = {
        "any exchangeable tokens (Jensen)": {},
        "symmetric tokens (odd bumps)": {"symmetric": True},
        "smooth conditional law (bumps of mean zero)": {"variation": 1 / 0.6},
    }
    for (name, tokens_are), color, marker in zip(curves.items(), CYCLE, MARKERS, strict=False):
        values = [
            lower_bound(n_samples, replace(setting, n_tokens=int(n)), **common, **tokens_are).value
            for n in tokens
        ]
        axis.loglog(tokens, values, color=color, marker=marker, lw=1.2, ms=4, label=name)
    axis.set(
        title=f"Lower bounds and the number of tokens, $M = 10^{{{np.log10(n_samples):.0f}}}$",
        xlabel="tokens $N$",
        ylabel="squared error in $L^2(\\rho)$",
    )
    axis.legend()
    return figure


@picture
def elbow_figure(dimensions: Sequence[int] = (3, 10, 30), setting: Setting = SETTING) -> Figure:
    """Draw, for several dimensions, the larger of the two lower bounds: matrix first, activation later.

    The tokens are uniform on the cube. A line begins where the bound is half of the price of the matrix.
    """
    figure, axis = subplots(1, 3.8)
    samples = np.geomspace(1e4, 1e12, 33).astype(np.int64)
    curve = [
        lower_bound(int(m), setting, interval=(0.0, 2.7), density=_density, symmetric=True).value
        for m in samples
    ]
    axis.loglog(samples, curve, color=MUTED, ls="--", lw=1.2, zorder=3, label="the activation")
    for d, color in zip(dimensions, CYCLE, strict=False):
        here = replace(setting, d=d, rank=1, sup_bound=1.0)
        law = UniformCube(d)
        bounds = [
            matrix_lower_bound(int(m), here, token_bound=law.radius, coordinate_bound=law.coordinate_bound)
            for m in samples
        ]
        begun = [bound.value >= bound.parametric / 2 for bound in bounds]
        larger = np.maximum([bound.value for bound in bounds], curve)
        axis.loglog(samples, np.where(begun, larger, np.nan), color=color, label=f"$d = {d}$")
    axis.set(
        title=f"No estimator below, $\\beta = {setting.beta:g}$, $N = {setting.n_tokens}$, rank 1",
        xlabel="samples $M$",
        ylabel="squared error in $L^2(\\rho)$",
    )
    axis.legend()
    return figure
