"""AIM explorer: the Bayes-optimal error of attention-indexed models, and the spectrum behind it."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from pairint.aim.amp import amp
from pairint.aim.channels import HardmaxChannel
from pairint.aim.hardmax import MAX_TOKENS, hardmax_information
from pairint.aim.spectrum import NoisySpectrum, wishart_density
from pairint.aim.state_evolution import (
    alpha_of_noise,
    exact_recovery_threshold,
    state_evolution,
    weak_recovery_threshold,
)
from pairint.aim.teacher import AIMTeacher
from pairint.explorers.kit.explorer import Explorer, Numbers, Simulation
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, area, fill, line, points, rule

__all__ = ["AIMExplorer"]

_NOISE = (1e-6, 1e4, 91)
_GRID = 61
_NARROW = 0.3
#: For a width ratio near 1 the density of the matrix rises without bound, or almost, at its lower edge: it is
#: drawn from a little to the right.
_SQUARE = 0.2
_ALPHAS = (0.005, 20.0)
_D = 60
#: Numbers of samples for which message passing takes seconds: at most, and for hardmax of T tokens.
_MOST_SAMPLES = 20_000
_MOST_HARDMAX = {2: 20_000, 3: 8000, 4: 4000, 5: 1500}
_REPLICATES = 3
_WORDS: dict[str, Any] = {
    "recovery": "The error vanishes from α = {exact} on",
    "never": "The error never vanishes",
    "bulks": ["no noise is left", "its spectrum is one bulk", "its spectrum splits into two bulks"],
    "most": ", the most for which hardmax is analysed",
    "about": " (interpolated: the information of a label is known to an estimated {percent} %)",
    "narrow": "; in the limit ρ → 0 a layer is seen at all from n/(dr) = {threshold} on (α = {weak})",
}


class AIMExplorer(Explorer):
    """State evolution of attention-indexed models (exact in the limit of large d).

    Book: :doc:`/book/aim_state_evolution`.

    The error curve is parametrised by the noise of the equivalent noisy copy of the matrix; see
    :mod:`pairint.aim.state_evolution`.
    """

    name = "aim"
    title = "How much of an attention matrix the labels reveal"
    summary = (
        "Labels: {channel_name}; T = {tokens}{note}; width ratio ρ = {rho}. With α = {alpha} (n = α d² "
        "samples) the Bayes-optimal error is {mmse}, 1 being ignorance. The data are worth one copy of the "
        "matrix with noise variance Δ = {noise}: {bulks}. {recovery}{narrow}."
    )
    simulation = Simulation(
        "Run AMP",
        f"Draw a teacher of dimension {_D} and its data, and estimate the matrix by message passing",
        free=("alpha",),
    )
    shared = ()  # the other half of the book has another regime
    parameters = (
        Parameter(
            "channel",
            "labels",
            "softmax",
            scale="choice",
            choices=("softmax", "hardmax", "linear"),
            names=("softmax of the rows", "hardmax of the rows", "the indices themselves (linear)"),
        ),
        Parameter("tokens", "tokens T", 2, 2, 6, 1, integer=True),
        Parameter("rho", "width ratio ρ = r/d", 0.5, 0.05, 5.0, scale="log"),
        Parameter("alpha", "samples α = n/d²", 0.1, *_ALPHAS, scale="log"),
    )
    panels = (
        Panel(
            "error",
            "Bayes-optimal error",
            Axis("samples α = n/d²", "log", _ALPHAS),
            Axis("‖S − Ŝ‖² / d", range=(-0.04, 1.24)),  # zero can be seen
            (
                line("curve", "state evolution, ρ = {rho}", "bound", width=2.8),
                rule("exact", "exact recovery, α = {exact}", "x", "first", "dash", 1.8),
                rule("weak", "seen at all, in the limit ρ → 0", "x", "muted", "dot", 1.8),
                points("here", "α = {alpha}: error {mmse}", "ink", "circle", 5.5),
                points("simulated", f"AMP, d = {_D}", "fit", "diamond", 4.5),
            ),
            height=300,
            grow=1.3,
        ),
        Panel(
            "spectrum",
            "Eigenvalues of the equivalent noisy copy",
            Axis("eigenvalue"),
            Axis("density", zero=True),
            (
                area("noisy", "noisy copy, Δ = {noise}", "data", 0.45),
                line("clean", "the matrix itself (without its zeros)", "truth", "dash", 1.8),
            ),
            height=300,
        ),
        Panel(
            "denoiser",
            "The optimal denoiser",
            Axis("noisy eigenvalue"),
            Axis("denoised eigenvalue"),
            (
                line("identity", "no change", "muted", "dash", 1.4),
                line("first", "denoiser", "bound", width=2.8),
                line("second", "denoiser, second bulk", "first", "dashdot", 2.8),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "noise": _NOISE,
            "grid": _GRID,
            "narrow": _NARROW,
            "square": _SQUARE,
            "hardmax": {str(n): _hardmax_series(n) for n in range(2, MAX_TOKENS + 1)},
            "percent": {str(n): _hardmax_percent(n) for n in range(3, MAX_TOKENS + 1)},
            "most_tokens": MAX_TOKENS,
            "words": _WORDS,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        channel, rho, alpha = values["channel"], values["rho"], values["alpha"]
        n_tokens = _tokens(values)
        deltas = np.geomspace(*_NOISE)[::-1]
        series: Series = {
            "error.curve": {
                "x": [alpha_of_noise(delta, rho, channel, n_tokens) for delta in deltas],
                "y": [NoisySpectrum(rho, delta).mmse for delta in deltas],
            }
        }
        exact = exact_recovery_threshold(rho, channel, n_tokens)
        threshold = weak_recovery_threshold(channel, n_tokens)
        weak = rho * threshold
        if math.isfinite(exact):
            series["error.exact"] = {"at": exact}
        if rho <= _NARROW:
            series["error.weak"] = {"at": weak}
        solution = state_evolution(alpha, rho, channel, n_tokens)
        mmse = float(solution.mmse)
        series["error.here"] = {"x": [alpha], "y": [mmse]}

        a = math.sqrt(rho)
        angles = np.linspace(0, math.pi, _GRID)
        left, right = (1 - a) ** 2 / a, (1 + a) ** 2 / a
        clean = left + (right - left) * (1 - np.cos(angles[3:-1])) / 2
        density = wishart_density(clean, rho)
        starts = abs(a - 1) >= _SQUARE
        series["spectrum.clean"] = {
            "x": [*[left] * starts, *clean, right],
            "y": [*[0.0] * starts, *density, 0.0],
        }
        noise, n_bulks = 0.0, 0
        if mmse > 0:
            noise = 1 / float(solution.q_hat)
            spectrum = NoisySpectrum(rho, noise)
            n_bulks = spectrum.n_bulks
            noisy: dict[str, list[float]] = {"x": [], "y": []}
            for key, (low, high) in zip(("first", "second"), spectrum.edges, strict=False):
                inside = low + (high - low) * (1 - np.cos(angles[1:-1])) / 2  # dense at the edges
                noisy["x"] += [low, *inside, high]
                noisy["y"] += [0.0, *spectrum.density(inside), 0.0]
                series[f"denoiser.{key}"] = {"x": inside, "y": spectrum.denoise(inside)}
            series["spectrum.noisy"] = noisy
            ends = [spectrum.edges[0][0], spectrum.edges[-1][1]]
        else:  # the copy has no noise: it is the matrix, and nothing is left to do
            series["spectrum.noisy"] = series["spectrum.clean"]
            ends = [0.0 if rho < 1 else left, right]  # a matrix of rank below d has zeros too
            series["denoiser.first"] = {"x": ends, "y": ends}
        series["denoiser.identity"] = {"x": ends, "y": ends}
        note = ""
        if channel == "hardmax" and n_tokens > 2:
            note = fill(_WORDS["about"], {"percent": _hardmax_percent(n_tokens)})
        narrow = fill(_WORDS["narrow"], {"threshold": threshold, "weak": weak}) if rho <= _NARROW else ""
        if n_tokens < values["tokens"]:
            note = _WORDS["most"] + note
        facts = {
            "tokens": n_tokens,
            "mmse": mmse,
            "noise": noise,
            "exact": exact if math.isfinite(exact) else "–",
            "recovery": fill(_WORDS["recovery"], {"exact": exact})
            if math.isfinite(exact)
            else _WORDS["never"],
            "narrow": narrow,
            "bulks": _WORDS["bulks"][n_bulks],
            "note": note,
        }
        return Numbers(series, facts)

    def simulate(
        self, values: Mapping[str, Any], rng: np.random.Generator, report: Callable[[float], None]
    ) -> Iterator[Series]:
        n_tokens = _tokens(values)
        n_samples = max(1, round(values["alpha"] * _D**2))
        most = _MOST_HARDMAX[n_tokens] if values["channel"] == "hardmax" else _MOST_SAMPLES
        if n_samples > most:
            raise ValueError(f"choose α at most {most / _D**2:.2g} to simulate, got {values['alpha']:.3g}")
        for replicate in range(_REPLICATES):
            report(replicate / _REPLICATES)
            teacher = AIMTeacher(_D, values["rho"], n_tokens, values["channel"], rng)
            X, y = teacher.sample(n_samples, rng)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the point shows where a short run ended
                result = amp(X, y, teacher.rho, values["channel"], max_iter=60)
            yield {"error.simulated": {"x": [n_samples / _D**2], "y": [teacher.error(result.S)]}}


def _tokens(values: Mapping[str, Any]) -> int:
    """Return T, or the largest one for which the labels are analysed."""
    return min(values["tokens"], MAX_TOKENS) if values["channel"] == "hardmax" else values["tokens"]


def _hardmax_percent(n_tokens: int) -> float:
    """Return the estimated relative error of kappa where it is largest, in percent, rounded up."""
    u = np.linspace(0, 1, 101)
    information = hardmax_information(n_tokens)
    return math.ceil(1000 * float(np.max(information.error / information.polynomial(u)))) / 10


@functools.cache
def _hardmax_series(n_tokens: int) -> list[float]:
    """Return the Chebyshev coefficients of kappa(tau)/u in u = 1/sqrt(1 + tau) on [0, 1]."""
    if n_tokens > 2:  # a cubic
        polynomial = hardmax_information(n_tokens).polynomial
        return polynomial.convert(kind=np.polynomial.Chebyshev, domain=(0, 1)).coef.tolist()
    kappa = HardmaxChannel().kappa
    nodes = 0.5 * (1 + np.cos(math.pi * (np.arange(28) + 0.5) / 28))
    fit = np.polynomial.Chebyshev.fit(nodes, kappa(1 / nodes**2 - 1) / nodes, 27, domain=(0, 1))
    return fit.coef.tolist()
