"""What a film of fish shows at a distance: the two kernels, in the film and in films with nothing in them."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from pairint.experiments.tables import load_results
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, area, line, points, rounded, rule, short
from pairint.explorers.small.base import SmallFigure

__all__ = ["DISTANCES", "FILMS", "FishAndGhosts", "film"]

#: Films by their names in the table, and what the reader sees for each.
FILMS = {
    "none": "As filmed",
    "reversed": "Run backwards",
    "answers": "Answers handed over",
    "later": "Partners of half the film later",
    "relabelled": "Names drawn anew",
}
#: The distances of the table, an octave in four steps, to three digits; hardly a pair is farther apart.
DISTANCES = tuple(float(f"{2 ** (k / 4):.3g}") for k in range(-2, 17))
_AHEAD, _DATA = 13, "trajectorytools"


class FishAndGhosts(SmallFigure):
    """The kernels learned from a hundred fish, and from controls in which they must vanish or need not.

    Book: :doc:`/book/fish`.

    From the stored table of the experiment ``fish``: values and 95 % intervals of the moving-block bootstrap.
    """

    name = "fish"
    title = "A hundred fish, and ghosts"
    summary = (
        "{film_name}. At distance {distance}: along the line {position}, towards the velocity {velocity} "
        "(95 %). The kernels add {gain} to the share explained."
    )
    parameters = (
        Parameter("distance", "distance", 2.0, scale="list", choices=DISTANCES),
        Parameter("film", "film", "none", scale="choice", choices=tuple(FILMS), names=tuple(FILMS.values())),
    )
    panels = tuple(
        Panel(
            key,
            title,
            Axis("distance, in nearest-neighbour distances", "log", (0.8, 17.0)),
            Axis(label, range=limits),
            (
                area("interval", "95 %", "fit"),
                line("filmed", "as filmed", "muted", "dot", 2.0),
                line("kernel", "this film", "fit", width=2.4),
                rule("zero", "", "y", "muted", "solid", 0.8),
                points("here", "", "ink", "circle", 4.0),
            ),
            height=240,
        )
        for key, title, label, limits in (
            ("position", "Along the line to the other", "units / s²", (-70.0, 35.0)),
            ("velocity", "Towards the other's velocity", "1 / s", (-5.0, 15.0)),
        )
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"distance": DISTANCES},
            "films": {name: film(name) for name in FILMS},
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        shown, filmed = film(values["film"]), film("none")
        i = DISTANCES.index(values["distance"])
        series: dict[str, Any] = {}
        facts = {"gain": _told(*shown["gain"])}
        for term in ("position", "velocity"):
            kernel = shown[term]
            series[f"{term}.interval"] = {"x": DISTANCES, "low": kernel["low"], "y": kernel["high"]}
            series[f"{term}.filmed"] = {"x": DISTANCES, "y": filmed[term]["value"]}
            series[f"{term}.kernel"] = {"x": DISTANCES, "y": kernel["value"]}
            series[f"{term}.zero"] = {"at": 0.0}
            series[f"{term}.here"] = {"x": [DISTANCES[i]], "y": [kernel["value"][i]]}
            facts[term] = _told(*(kernel[key][i] for key in ("value", "low", "high")))
        return Numbers(series, facts)


def _told(value: float, low: float, high: float) -> str:
    return f"{short(value)} [{short(low)}, {short(high)}]"


@functools.cache
def film(name: str) -> dict[str, Any]:
    """Return the kernels of a film at `DISTANCES`, and what they add, with 95 % intervals."""
    table = load_results("fish")
    rows = table[(table["data"] == _DATA) & (table["control"] == name) & (table["ahead"] == _AHEAD)]
    ends = ["value", "low", "high"]
    found: dict[str, Any] = {}
    for term in ("position", "velocity"):
        kernel = rows[(rows["kind"] == "kernel") & (rows["what"] == term)]
        kernel = kernel.assign(place=[float(f"{at:.3g}") for at in kernel["at"]]).set_index("place")
        found[term] = {key: rounded(kernel.loc[list(DISTANCES), key], 4) for key in ends}
    gain = rows[(rows["kind"] == "share") & (rows["what"] == "gain")]
    return found | {"gain": [round(float(gain[key].iloc[0]), 3) for key in ends]}
