"""A student who believes in a wrong width: the error against samples, and where it ends."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from pairint.aim import exact_recovery_threshold, student_error
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points, rounded
from pairint.explorers.small.base import SmallFigure

__all__ = ["WIDTHS", "WrongWidth", "learned"]

_TRUE = 0.5
WIDTHS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3, 1.6, 2.0)
#: Noises of the copy from which the curves are computed; below them nothing is left.
_NOISES = np.geomspace(300, 1e-8, 110)


class WrongWidth(SmallFigure):
    """The error of a student who believes in another width ratio, and the samples after which none is left.

    Book: :doc:`/book/aim_mismatch`.

    Softmax labels of two tokens, true width ratio one half, and a student who takes the noise from the
    residuals. Between the points of a curve errors are interpolated.
    """

    name = "aim_mismatch"
    title = "A student with a wrong width"
    summary = (
        "Believed width ratio {believed}, true 0.5. With {samples_over} d² samples the error is {error}; who "
        "knows the width has {known}. Exact from {threshold} d² on; for who knows, from {best} d²."
    )
    parameters = (
        Parameter("believed", "believed width ratio", 1.3, scale="list", choices=WIDTHS),
        Parameter("samples_over", "samples over d²", 0.18, 0.005, 0.38, 0.005),
    )
    panels = (
        Panel(
            "error",
            "What the student reaches",
            Axis("samples over d²", range=(0.0, 0.4)),
            Axis("error", range=(0.0, 1.4)),
            (
                line("known", "knows the width", "oracle", "dot", 2.6),
                line("student", "believes {believed}", "first", width=2.4),
                points("here", "now", "first", "circle", 4.0),
            ),
            height=240,
        ),
        Panel(
            "end",
            "Samples until nothing is left",
            Axis("believed width ratio", range=(0.0, 2.1)),
            Axis("samples over d²", range=(0.0, 0.4)),
            (
                line("reached", "from nothing", "first", width=2.4),
                line("stable", "nearby", "second", "dash", 2.0),
                points("true", "truth", "truth", "square", 4.0),
                points("here", "", "first", "circle", 4.0),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"believed": WIDTHS, "true": WIDTHS.index(_TRUE)},
            "curves": [learned(width) for width in WIDTHS],
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        curves = [learned(width) for width in WIDTHS]
        i, alpha = WIDTHS.index(values["believed"]), values["samples_over"]
        student, known = curves[i], curves[WIDTHS.index(_TRUE)]
        error, best = (float(np.interp(alpha, each["x"], each["y"])) for each in (student, known))
        series = {
            "error.known": {"x": known["x"], "y": known["y"]},
            "error.student": {"x": student["x"], "y": student["y"]},
            "error.here": {"x": [alpha], "y": [error]},
            "end.reached": {"x": WIDTHS, "y": [each["x"][-1] for each in curves]},
            "end.stable": {"x": WIDTHS, "y": [each["stable"] for each in curves]},
            "end.true": {"x": [_TRUE], "y": [known["x"][-1]]},
            "end.here": {"x": [WIDTHS[i]], "y": [student["x"][-1]]},
        }
        facts = {"error": error, "known": best, "threshold": student["x"][-1], "best": known["x"][-1]}
        return Numbers(series, facts)


@functools.cache
def learned(width: float) -> dict[str, Any]:
    """Return the error of a student of this width against samples, and where zero becomes stable.

    A copy with the noise ``delta`` is what ``error / (kappa delta)`` labels a squared dimension leave. An
    iteration from nothing ends at the largest such noise: at the records of this quotient, from above. After
    the last of them nothing is left.
    """
    kappa = 0.75 / exact_recovery_threshold(_TRUE)  # 2 rho - rho^2 numbers
    errors = np.array([student_error(_TRUE, width, float(delta)).error for delta in _NOISES])
    alphas = errors / _NOISES / kappa
    record = np.maximum.accumulate(alphas)
    kept = alphas > np.concatenate([[0.0], record[:-1] * (1 + 1e-9)])
    x, y = rounded(alphas[kept], 6), rounded(errors[kept], 6)
    return {"x": [*x, x[-1]], "y": [*y, 0.0], "stable": rounded(alphas[-1:], 6)[0]}
