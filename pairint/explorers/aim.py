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
from pairint.aim.spectrum import NoisySpectrum, wishart_density
from pairint.aim.state_evolution import (
    alpha_of_noise,
    exact_recovery_threshold,
    state_evolution,
    weak_recovery_threshold,
)
from pairint.aim.teacher import AIMTeacher
from pairint.explorers.base import Explorer, Numbers, Series, Simulation
from pairint.explorers.panels import Axis, Panel, Parameter, area, fill, line, points, rule

__all__ = ["AIMExplorer"]

_NOISE = (1e-6, 1e4, 91)
_GRID = 61
_NARROW = 0.3
_ALPHAS = (0.005, 20.0)
_D = 60
_MOST_SAMPLES = 20_000
_REPLICATES = 3
_WORDS = {
    "recovery": "The error vanishes from α = {exact} on",
    "never": "The error never vanishes",
    "bulks": ["no noise is left", "its spectrum is one bulk", "its spectrum splits into two bulks"],
    "two": " (hardmax is shown for two tokens)",
}


class AIMExplorer(Explorer):
    """State evolution of attention-indexed models (exact in the limit of large d).

    The error curve is parametrised by the noise of the equivalent noisy copy of the matrix; see
    :mod:`pairint.aim.state_evolution`.
    """

    name = "aim"
    title = "How much of an attention matrix the labels reveal"
    summary = (
        "Labels: {channel_name}; T = {tokens}{note}; width ratio ρ = {rho}. With α = {alpha} (n = α d² "
        "samples) the Bayes-optimal error is {mmse}, 1 being ignorance. The data are worth one copy of the "
        "matrix with noise variance Δ = {noise}: {bulks}. {recovery}; a very narrow layer is seen at all "
        "from α = {weak} on."
    )
    simulation = Simulation(
        "Run AMP",
        f"Draw a teacher of dimension {_D} and its data, and estimate the matrix by message passing",
        free=("alpha",),
    )
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
            Axis("‖S − Ŝ‖² / d", "log", (1e-4, 1.6)),
            (
                line("curve", "state evolution, ρ = {rho}", "blue", width=2.8),
                rule("exact", "exact recovery, α = {exact}", "x", "green", "dash", 1.8),
                rule("weak", "seen at all, in the limit ρ → 0", "x", "muted", "dot", 1.8),
                points("here", "α = {alpha}: error {mmse}", "vermillion", "circle", 5.5),
                points("simulated", f"AMP, d = {_D}", "purple", "diamond", 4.5),
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
                area("noisy", "noisy copy, Δ = {noise}", "sky", 0.45),
                line("clean", "the matrix itself (without its zeros)", "ink", "dash", 1.8),
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
                line("first", "denoiser", "vermillion", width=2.8),
                line("second", "denoiser, second bulk", "purple", "dashdot", 2.8),
            ),
            height=220,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "noise": _NOISE,
            "grid": _GRID,
            "narrow": _NARROW,
            "hardmax": _hardmax_series(),
            "words": _WORDS,
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        channel, rho, alpha = values["channel"], values["rho"], values["alpha"]
        n_tokens = 2 if channel == "hardmax" else values["tokens"]
        deltas = np.geomspace(*_NOISE)[::-1]
        series: Series = {
            "error.curve": {
                "x": [alpha_of_noise(delta, rho, channel, n_tokens) for delta in deltas],
                "y": [NoisySpectrum(rho, delta).mmse for delta in deltas],
            }
        }
        exact = exact_recovery_threshold(rho, channel, n_tokens)
        weak = rho * weak_recovery_threshold(channel, n_tokens)
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
        series["spectrum.clean"] = {"x": clean, "y": wishart_density(clean, rho)}
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
            series["denoiser.identity"] = {"x": ends, "y": ends}
        limited = channel == "hardmax" and values["tokens"] > 2
        facts = {
            "tokens": n_tokens,
            "mmse": mmse,
            "noise": noise,
            "exact": exact if math.isfinite(exact) else "–",
            "recovery": fill(_WORDS["recovery"], {"exact": exact})
            if math.isfinite(exact)
            else _WORDS["never"],
            "weak": weak,
            "bulks": _WORDS["bulks"][n_bulks],
            "note": _WORDS["two"] if limited else "",
        }
        return Numbers(series, facts)

    def simulate(
        self, values: Mapping[str, Any], rng: np.random.Generator, report: Callable[[float], None]
    ) -> Iterator[Series]:
        n_tokens = 2 if values["channel"] == "hardmax" else values["tokens"]
        n_samples = max(1, round(values["alpha"] * _D**2))
        if n_samples > _MOST_SAMPLES:
            raise ValueError(
                f"choose α at most {_MOST_SAMPLES / _D**2:.2g} to simulate, got {values['alpha']}"
            )
        for replicate in range(_REPLICATES):
            report(replicate / _REPLICATES)
            teacher = AIMTeacher(_D, values["rho"], n_tokens, values["channel"], rng)
            X, y = teacher.sample(n_samples, rng)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the point shows where a short run ended
                result = amp(X, y, teacher.rho, values["channel"], max_iter=60)
            yield {"error.simulated": {"x": [n_samples / _D**2], "y": [teacher.error(result.S)]}}


@functools.cache
def _hardmax_series() -> list[float]:
    """Chebyshev coefficients of kappa(tau)/u in u = 1/sqrt(1 + tau), for two tokens."""
    kappa = HardmaxChannel().kappa
    nodes = 0.5 * (1 + np.cos(math.pi * (np.arange(28) + 0.5) / 28))
    fit = np.polynomial.Chebyshev.fit(nodes, kappa(1 / nodes**2 - 1) / nodes, 27, domain=(0, 1))
    return fit.coef.tolist()
