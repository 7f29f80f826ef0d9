"""The hard phase of magnitudes: a valley, a wall, and zero error behind it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from pairint.aim.spectrum import NoisySpectrum, parameter_count
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, columns, line, points
from pairint.explorers.small.base import SmallFigure

__all__ = ["HardPhase"]

_RHO, _TOKENS = 0.1, 2
#: Noises of the recorded curve, from much to little; steps are equal in the logarithm.
_NOISES = (1e3, 5e-4, 241)
_ALPHAS = (0.028, 0.048)
_WORDS = {
    "few": "So few labels do not determine the matrix",
    "hard": "The labels determine the matrix: zero error lies lower, but behind a wall",
    "easy": "The wall is gone, the way to zero error is free",
}


class HardPhase(SmallFigure):
    r"""Mutual information against the error, for labels that are magnitudes (heuristic: the replica theory).

    Book: :doc:`/book/aim_own`.

    With :math:`\hat q(q)` the precision at which the matrix is known up to the overlap q, the curve is
    :math:`\frac14\int_{q_0}^q (\hat q - \alpha K)\,\mathrm dq'`; its stationary points are the fixed
    points of the state evolution.
    """

    name = "aim_own"
    title = "A valley, a wall, and zero behind it"
    summary = (
        "At α = {alpha} message passing stops at error {stops}, the Bayes-optimal one is {bayes}. {words}."
    )
    parameters = (Parameter("alpha", "samples α = n/d²", 0.04, *_ALPHAS, 0.0005),)
    panels = (
        Panel(
            "valley",
            f"Labels |h|, ρ = {_RHO}",
            Axis("error V", range=(0.0, 1.03)),
            Axis("information φ", range=(-0.004, 0.008)),
            (
                line("curve", "φ at this α", "bound", width=2.6),
                points("stops", "message passing stops", "fit", "circle", 5.0),
                points("wall", "top of the wall", "ink", "cross", 4.0),
            ),
            height=250,
        ),
        Panel(
            "branches",
            "All valleys and walls",
            Axis("samples α = n/d²", range=_ALPHAS),
            Axis("error V", range=(-0.05, 1.03)),
            (
                line("curve", "fixed points", "muted", width=2.0),
                points("stops", "", "fit", "circle", 5.0),
                points("wall", "", "ink", "cross", 4.0),
                points("bayes", "Bayes-optimal", "bound", "diamond", 3.6),
            ),
            height=250,
        ),
    )

    def data(self) -> dict[str, Any]:
        names = ("log_alpha", "log_error", "matrix", "labels")
        kept = {name: values.tolist() for name, values in zip(names, curve(), strict=True)}
        return kept | {"zero": _zero(), "most": _ALPHAS[1], "words": _WORDS}

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        alpha = values["alpha"]
        log_alpha, log_error, matrix, labels = curve()
        error = np.exp(log_error)
        found: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
        for i, t in crossings(log_alpha, math.log(alpha)):
            place = math.exp(cubic(log_error, i, t))
            potential = cubic(matrix, i, t) - alpha * cubic(labels, i, t)
            found[bool(log_alpha[i + 1] > log_alpha[i])].append((place, potential))
        stable, walls = found[True][:1], found[False]
        exact = alpha >= _zero()
        stops = stable[0][0] if stable else 0.0
        bayes = 0.0 if exact else stops
        series = {
            "valley.curve": {"x": error, "y": matrix - alpha * labels},
            "valley.stops": columns(stable),
            "valley.wall": columns(walls),
            "branches.curve": {
                "x": [*np.exp(log_alpha), _zero(), _ALPHAS[1]],
                "y": [*error, 0.0, 0.0],
            },
            "branches.stops": {"x": [alpha], "y": [stops]},
            "branches.wall": {"x": [alpha] * len(walls), "y": [place for place, _ in walls]},
            "branches.bayes": {"x": [alpha], "y": [bayes]},
        }
        words = "few" if not exact else "hard" if stops > 0 else "easy"
        return Numbers(series, {"stops": stops, "bayes": bayes, "words": _WORDS[words]})


def magnitude_information(tau: float) -> float:
    """Return kappa(tau) of labels that are the magnitudes of the indices, as the page derives it."""
    if tau == 0:
        return 0.0
    width, step = min(1.0, math.sqrt(tau)), 0.05
    x = width * np.arange(step / 2, 9.5, step)[:, None]  # and the same for -x
    v = np.arange(-20, 20, 2 * step)
    stretch = np.sqrt(1 + x**2)
    left = stretch**-3 * v**2 / np.cosh(v * x / stretch) ** 2
    inner = (left * np.exp(-((v / stretch - x) ** 2) / 2)).sum(axis=1) * 2 * step
    weight = 2 * width * step * np.exp(-(x[:, 0] ** 2) / (2 * tau)) / math.sqrt(tau)
    return _TOKENS * (_TOKENS + 1) * (1 - float(weight @ inner) / (2 * math.pi))


@functools.cache
def curve() -> tuple[NDArray[np.float64], ...]:
    """Return along the fixed points, from much noise to little: log alpha, log error, two integrals over q.

    They are a quarter of those of the precision of the matrix, and of the information of the labels.
    """
    noises = np.geomspace(*_NOISES)
    error = np.array([NoisySpectrum(_RHO, noise).mmse for noise in noises])
    information = np.array([magnitude_information((1 + _RHO - v) / v) / v for v in error])
    log_error = np.log(error)
    # By splines: what is drawn is a small difference of the two.
    integrals = (
        CubicSpline(-log_error, rate * error).antiderivative()(-log_error) / 4
        for rate in (1 / noises, information)
    )
    values = (np.log(1 / (noises * information)), log_error, *integrals)
    return tuple(np.round(value, 9) for value in values)


def _zero() -> float:
    """Return the samples from which zero error is a fixed point: parameters over equations."""
    return parameter_count(_RHO) / (_TOKENS * (_TOKENS + 1))


def cubic(values: NDArray[np.float64], i: int, t: float) -> float:
    """Return the cubic through four neighbours on a uniform grid, a share t of a step beyond value i."""
    a, b, c, d = (float(values[i + k]) for k in (-1, 0, 1, 2))
    return (
        -a * t * (t - 1) * (t - 2) / 6
        + b * (t + 1) * (t - 1) * (t - 2) / 2
        - c * (t + 1) * t * (t - 2) / 2
        + d * (t + 1) * t * (t - 1) / 6
    )


def crossings(values: NDArray[np.float64], target: float) -> list[tuple[int, float]]:
    """Return the index and the share of a step at which the interpolated values reach the target."""
    found = []
    for i in range(1, len(values) - 2):
        rising = values[i + 1] > values[i]
        if (values[i] < target) == (values[i + 1] < target):
            continue
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = (low + high) / 2
            if (cubic(values, i, middle) < target) == rising:
                low = middle
            else:
                high = middle
        found.append((i, (low + high) / 2))
    return found
