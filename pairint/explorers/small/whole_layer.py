"""How much text a head needs: equations of its windows against the numbers of its matrix."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from pairint.experiments.beyond.head_recovery import n_parameters
from pairint.experiments.beyond.whole_layer import shown
from pairint.experiments.tables import load_results
from pairint.explorers.kit.explorer import Numbers
from pairint.explorers.kit.panels import Axis, Panel, Parameter, Series, columns, line, points, rule, short
from pairint.explorers.small.base import SmallFigure

__all__ = ["RANKS", "WINDOWS", "EnoughText", "measured"]

WINDOWS = (4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48)
RANKS = (2, 4, 8, 12, 16, 20, 24, 28, 32)
_D, _TOKENS, _FULL = 384, 64, 32
#: The smallest error that is stored.
_LEAST = 1e-9


class EnoughText(SmallFigure):
    """Windows of text against what they can show of a head, and against what fits without noise found.

    Book: :doc:`/book/whole_layer`.

    Windows of 64 tokens, d = 384, 32 outputs a token; counted for each rank, and measured for heads of full
    size, from the stored table of the experiment ``whole_layer``.
    """

    name = "whole_layer"
    title = "How much text is enough?"
    summary = (
        "{windows} windows give at most {equations} equations for the {numbers} visible numbers of rank "
        "{rank}: {verdict}{found}"
    )
    parameters = (
        Parameter("windows", "windows of 64 tokens", 16, scale="list", choices=WINDOWS),
        Parameter("rank", "rank of the head", _FULL, scale="list", choices=RANKS),
    )
    panels = (
        Panel(
            "count",
            "Counted, rank {rank}",
            Axis("windows", "log", (3.7, 52.0)),
            Axis("equations / numbers", "log", (0.2, 10.0)),
            (
                line("equations", "at most", "bound", width=2.4),
                rule("enough", "as many", "y", "muted"),
                points("rank", "counted on text", "data", "cross", 4.5),
                points("here", "now", "ink", "circle", 4.0),
            ),
            height=240,
        ),
        Panel(
            "fits",
            "Measured without noise, rank 32",
            Axis("windows", "log", (3.7, 52.0)),
            Axis("error on other text", "log", (3e-10, 30.0)),
            (
                line("nearby", "from nearby", "second", "dot", 2.2),
                line("nothing", "from nothing", "first", width=2.2),
                line("other", "another head", "third", "dash", 1.8),
                points("nearby_at", "", "second", "circle", 3.0),
                points("nothing_at", "", "first", "square", 3.0),
                points("other_at", "", "third", "diamond", 3.0),
                rule("here", "", "x", "ink", "solid", 1.0),
            ),
            height=240,
        ),
    )

    def data(self) -> dict[str, Any]:
        return {
            "axes": {"windows": WINDOWS, "rank": RANKS},
            "numbers": [n_parameters(rank, _D) for rank in RANKS],
            "shown": [shown(rank, _TOKENS, 32) for rank in RANKS],
            "measured": measured(),
        }

    def compute(self, values: Mapping[str, Any]) -> Numbers:
        windows, rank = values["windows"], values["rank"]
        numbers, each = n_parameters(rank, _D), shown(rank, _TOKENS, 32)
        table = measured()
        series: Series = {
            "count.equations": {"x": WINDOWS, "y": [m * each / numbers for m in WINDOWS]},
            "count.enough": {"at": 1.0},
            "count.rank": table["rank"] if rank == 2 else {"x": [], "y": []},
            "count.here": {"x": [windows], "y": [windows * each / numbers]},
            "fits.here": {"at": windows},
        }
        for key in ("nearby", "nothing", "other"):
            series[f"fits.{key}"] = series[f"fits.{key}_at"] = table[key]
        enough = windows * each >= numbers
        facts = {
            "equations": windows * each,
            "numbers": numbers,
            "verdict": "counting allows it." if enough else "no method can find it (proved).",
            "found": _found(windows, rank),
        }
        return Numbers(series, facts)


def _found(windows: int, rank: int) -> str:
    """Say what fits found with so many windows, for a head of full size."""
    if rank != _FULL:
        return ""
    told = []
    for key, name in (("nearby", "from nearby"), ("nothing", "from nothing")):
        line_ = measured()[key]
        if windows in line_["x"]:
            error = line_["y"][line_["x"].index(windows)]
            told.append(f"{short(error) if error > _LEAST else 'below 10⁻⁹'} {name}")
    return f" Errors of fits: {', '.join(told)}." if told else " Fits were not tried at this size."


@functools.cache
def measured() -> dict[str, dict[str, list[float]]]:
    """Return errors of fits against windows, and ranks of the derivative over the number of parameters."""
    table = load_results("whole_layer")
    fits = table[(table["kind"] == "fit") & table["task"].isin(["cold", "near"])].sort_values("n_samples")
    counts = table[(table["kind"] == "count") & (table["rank"] == 2)].sort_values("n_samples")
    lines = {"nearby": ("near", 2), "nothing": ("cold", 2), "other": ("cold", 4)}
    found = {
        key: columns(
            [
                (int(row["n_samples"]), float(f"{row['error']:.4g}"))
                for _, row in fits[(fits["task"] == task) & (fits["layer"] == layer)].iterrows()
            ]
        )
        for key, (task, layer) in lines.items()
    }
    ranks = [(int(row["n_samples"]), float(row["found"] / row["p"])) for _, row in counts.iterrows()]
    return found | {"rank": columns(ranks)}
