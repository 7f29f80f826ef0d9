"""The sandwich: proved upper bounds above, the proved lower bound below, the truth between."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, line, points
from pairint.explorers.small.base import SmallFigure
from pairint.figures.upper_vs_lower import SETTING
from pairint.theory.coercivity import product_density
from pairint.theory.lower import lower_bound
from pairint.theory.upper import upper_bound
from pairint.theory.upper_known import oracle_upper_bound

__all__ = ["BETAS", "SAMPLES", "Sandwich", "bounds"]

BETAS = (1.0, 2.0, 3.0)
SAMPLES = tuple(10**k for k in range(3, 10))


class Sandwich(SmallFigure):
    """Proved upper and lower bounds against the number of samples, and the factor between them.

    Book: :doc:`/book/upper_vs_lower`.

    The setting is that of the page's figure; the controls stop where the bounds were computed.
    """

    name = "sandwich"
    title = "Between the bounds"
    summary = (
        "Worst error of the best estimator, A known: {lower} to {known}, a factor of {gap}. A learned: below "
        "{learned}, {far} times the lower bound."
    )
    parameters = (
        Parameter("samples", "samples M", 10_000, scale="list", choices=SAMPLES),
        Parameter("beta", "smoothness β", 2.0, scale="list", choices=BETAS),
    )
    panels = (
        Panel(
            "bounds",
            "Proved, from above and from below",
            Axis("number of samples M", "log", (8e2, 1.2e9)),
            Axis("squared error", "log", (1e-10, 5.0)),
            (
                line("learned", "A learned", "bound", "dashdot"),
                line("known", "A known", "oracle", width=2.4),
                line("lower", "lower", "bound", "dash", 2.6),
                points("here", "now", "ink", "circle", 4.0),
            ),
            height=240,
        ),
        Panel(
            "gap",
            "Upper bound over lower bound",
            Axis("number of samples M", "log", (8e2, 1.2e9)),
            Axis("factor", "log", (1.0, 1e4)),
            (
                line("learned", "A learned", "bound", "dashdot"),
                line("known", "A known", "oracle", width=2.4),
                points("here", "now", "ink", "circle", 4.0),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"beta": BETAS, "samples": SAMPLES},
            "bounds": [{key: y.tolist() for key, y in bounds(beta).items()} for beta in BETAS],
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        table = bounds(values["beta"])
        i = SAMPLES.index(values["samples"])
        here = {key: float(y[i]) for key, y in table.items()}
        gaps = {key: table[key] / table["lower"] for key in ("known", "learned")}
        three, two = [values["samples"]] * 3, [values["samples"]] * 2
        series = {f"bounds.{key}": {"x": SAMPLES, "y": y} for key, y in table.items()}
        series |= {f"gap.{key}": {"x": SAMPLES, "y": y} for key, y in gaps.items()}
        series["bounds.here"] = {"x": three, "y": [here["lower"], here["known"], here["learned"]]}
        series["gap.here"] = {"x": two, "y": [gaps["known"][i], gaps["learned"][i]]}
        return Numbers(series, here | {"gap": float(gaps["known"][i]), "far": float(gaps["learned"][i])})


@functools.cache
def bounds(beta: float) -> dict[str, NDArray[np.float64]]:
    """Return the bounds for each number of `SAMPLES`: below, above with the matrix known, and learned."""
    setting = replace(SETTING, beta=beta)

    def density(u: Any) -> Any:
        return product_density(u, 3.0)

    return {
        "lower": np.array(
            [
                lower_bound(m, setting, interval=(0.0, 3.0), density=density, symmetric=True).value
                for m in SAMPLES
            ]
        ),
        "known": np.array([oracle_upper_bound(m, setting, density=density, odd=True).value for m in SAMPLES]),
        "learned": np.array([upper_bound(m, setting, odd=True).value for m in SAMPLES]),
    }
