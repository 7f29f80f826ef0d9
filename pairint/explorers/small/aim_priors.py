"""From a spectrum to samples: a noisy copy of a layer, the labels that are worth it, and the error left."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.aim import AtomicPrior, PowerLawPrior, SemicirclePrior, SpectralPrior, exact_recovery_threshold
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, area, curves, line, points, rounded, rule
from pairint.explorers.small.base import SmallFigure

__all__ = ["LAWS", "NOISES", "SpectraAndSamples", "tables"]

#: Laws of the eigenvalues, and what the reader sees for each.
LAWS: dict[str, tuple[SpectralPrior, str]] = {
    "projector": (AtomicPrior([0, 1], [0.7, 0.3]), "Projector on 30 %"),
    "signs": (AtomicPrior([-1, 1], [0.5, 0.5]), "Signs"),
    "power": (PowerLawPrior(1.0, 20.0), "Power law"),
    "gaussian": (SemicirclePrior(), "Gaussian"),
}
#: Noises of the copy, over the variance of the law; and those at which the curves are computed.
NOISES = (0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
_CURVE = tuple(float(f"{x:.4g}") for x in np.geomspace(100, 1e-3, 26))
_POINTS = 41


class SpectraAndSamples(SmallFigure):
    """The eigenvalues of a noisy copy, and the error against samples of softmax labels of two tokens.

    Book: :doc:`/book/aim_priors`.

    So many labels act like a copy with this noise: the error over the noise, divided by the information of a
    label.
    """

    name = "aim_priors"
    title = "From a spectrum to samples"
    summary = (
        "{law_name}: {share} of the numbers of a full matrix. Labels of {alpha} d² samples leave this noise "
        "and an error of {error} of the variance; those of {threshold} d² leave none."
    )
    parameters = (
        Parameter("noise", "noise over variance", 0.3, scale="list", choices=NOISES),
        Parameter(
            "law",
            "layer",
            "projector",
            scale="choice",
            choices=tuple(LAWS),
            names=tuple(label for _, label in LAWS.values()),
        ),
    )
    panels = (
        Panel(
            "spectrum",
            "Eigenvalues of the noisy copy",
            Axis("eigenvalue"),
            Axis("density", zero=True),
            (
                area("density", "noisy copy", "data"),
                points("clean", "ends of the clean law", "truth", "triangle", 3.5),
            ),
            height=240,
        ),
        Panel(
            "error",
            "What labels leave, by state evolution",
            Axis("samples over d²", range=(0.0, 0.27)),
            Axis("error over variance", range=(0.0, 1.0)),
            (
                curves("all", "muted", opacity=0.6, label="all layers"),
                line("law", "this layer", "bound", width=2.6),
                rule("threshold", "exact", "x", "first"),
                points("here", "now", "ink", "circle", 4.0),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {"axes": {"noise": NOISES, "law": tuple(LAWS)}, "tables": tables()}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        table, i = tables()[values["law"]], NOISES.index(values["noise"])
        density = table["densities"][i]
        x = [v for low, high in density["edges"] for v in low + (high - low) * _spread()]
        series: dict[str, Any] = {
            "spectrum.density": {"x": x, "y": density["values"]},
            "spectrum.clean": {"x": table["ends"], "y": [0.0] * len(table["ends"])},
            "error.all": {key: [v for each in tables().values() for v in each[key]] for key in ("x", "y")},
            "error.law": {"x": table["x"], "y": table["y"]},
            "error.threshold": {"at": table["threshold"]},
            "error.here": {"x": [table["alphas"][i]], "y": [table["errors"][i]]},
        }
        facts = {
            "share": table["share"],
            "alpha": table["alphas"][i],
            "error": table["errors"][i],
            "threshold": table["threshold"],
        }
        return Numbers(series, facts)


def _spread() -> Any:
    """Return places from 0 to 1 that are denser at both ends."""
    return (1 - np.cos(np.pi * np.arange(_POINTS) / (_POINTS - 1))) / 2


@functools.cache
def tables() -> dict[str, dict[str, Any]]:
    """Return for each law its densities and errors at `NOISES`, its curve, threshold and count."""
    found = {}
    for name, (prior, _) in LAWS.items():
        threshold = exact_recovery_threshold(prior)
        information = prior.parameters / threshold
        densities = []
        for noise in NOISES:
            law = prior.noisy(noise * prior.variance)
            edges = [(float(f"{low:.6g}"), float(f"{high:.6g}")) for low, high in law.edges]
            heights = [law.density(low + (high - low) * _spread()) for low, high in edges]
            densities.append({"edges": edges, "values": rounded(np.concatenate(heights), 4)})
        errors = {noise: prior.error(noise * prior.variance) / prior.variance for noise in (*NOISES, *_CURVE)}
        alphas = {noise: error / noise / information for noise, error in errors.items()}
        found[name] = {
            "densities": densities,
            "ends": sorted({float(f"{end:.4g}") for both in prior.support for end in both}),
            "alphas": rounded([alphas[noise] for noise in NOISES], 6),
            "errors": rounded([errors[noise] for noise in NOISES], 6),
            "x": rounded([alphas[noise] for noise in _CURVE], 6),
            "y": rounded([errors[noise] for noise in _CURVE], 6),
            "threshold": float(f"{threshold:.6g}"),
            "share": float(f"{prior.parameters:.6g}"),
        }
    return found
