"""Beyond the papers: the interaction kernels of a school, from 100 real fish or from a simulation.

The film is not part of the package; what is stored is derived: kernels on a grid, shares explained,
intervals. The accelerations of fish over 0.4 s are explained by what a fish does alone (friction, the wall)
and by two functions of the distance to the others: along the line to them, and of their relative velocity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.engine.cells import grid
from pairint.engine.claims import Claim
from pairint.engine.experiment import Experiment
from pairint.engine.seeds import generator_for
from pairint.validation import check_choice, check_integer

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from pandas import DataFrame

    from pairint.estimation.motion import MotionSums
    from pairint.experiments.beyond.school import Film

__all__ = ["CONTROLS", "DATA_KEYS", "EXPERIMENT", "MODELS", "cells", "compute", "handed_over", "school_sums"]

DATA_KEYS = ("data", "n_tokens", "n_frames")

#: ``none``: the film as it is. ``later``: the partners are those of half the film later. ``answers``: each
#: fish is given the acceleration of another one. ``relabelled``: the names are drawn anew in each frame.
#: ``reversed``: the film runs backwards.
CONTROLS = ("none", "later", "answers", "relabelled", "reversed")
MODELS = {
    "own": ["own"],
    "position": ["own", "position"],
    "velocity": ["own", "velocity"],
    "both": ["own", "position", "velocity"],
}
#: Frames over which a velocity is taken: 1/8 s.
_BACK = 4
#: Octaves of distance, in units of the nearest neighbour: from a quarter to 32, a cell each.
_OCTAVES, _DEGREE = (-2.0, 5.0), 2
_GRID = 2.0 ** np.arange(-1.0, 4.26, 0.25)
#: A second.
_BLOCK, _DRAWS, _FOLDS = 32, 400, 5


def cells(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells: films x controls x replicates, and the film as it is for other times ahead.

    Of a file there is one replicate. Controls are for the first time ahead.
    """
    for key in ("data", "control", "ahead"):
        if not isinstance(settings[key], Sequence) or len(settings[key]) == 0:
            raise ValueError(f"{key} must be a list with at least one value, got {settings[key]!r}")
    for control in settings["control"]:
        check_choice("control", control, CONTROLS)
    for data in settings["data"]:
        if not isinstance(data, str) or not data:
            raise ValueError(
                f"data must be 'simulated', 'trajectorytools' or the path of a file, got {data!r}"
            )
    for ahead in settings["ahead"]:
        check_integer("ahead", ahead, _BACK + 1, 40)
    check_integer("n_tokens", settings["n_tokens"], 3, 1000)
    check_integer("n_frames", settings["n_frames"], 80, 100_000)
    check_integer("replicates", settings["replicates"], 1)
    return [
        cell
        for data in settings["data"]
        for cell in grid(
            data=data,
            n_tokens=settings["n_tokens"],
            n_frames=settings["n_frames"],
            ahead=settings["ahead"],
            control=settings["control"],
            replicate=range(settings["replicates"] if data == "simulated" else 1),
        )
        if cell["ahead"] == settings["ahead"][0] or cell["control"] == "none"
    ]


def school_sums(
    film: Film, control: str = "none", rng: np.random.Generator | None = None, ahead: int = 13
) -> MotionSums:
    """Return the sums over the answers of a film, under a control.

    Lengths are in units of the film, times in seconds. An answer is the change of a fish's velocity between
    the 1/8 s before a frame and the 1/8 s that ends ``ahead`` frames after it, over this time: 0.4 s for
    13.
    """
    from pairint.estimation.motion import KernelTerm, motion_sums
    from pairint.experiments.beyond.school import FRAMES_PER_SECOND
    from pairint.model import SplineSpace

    check_choice("control", control, CONTROLS)
    rng = np.random.default_rng(0) if rng is None else rng
    x = film.positions
    n_frames, n_tokens = x.shape[:2]
    if control == "reversed":
        x = x[::-1]
    if control == "relabelled":
        names = rng.permuted(np.tile(np.arange(n_tokens), (n_frames, 1)), axis=1)
        x = np.take_along_axis(x, names[..., None], axis=1)
    t = np.arange(_BACK, n_frames - ahead)
    now = x[t]
    v = (now - x[t - _BACK]) * (FRAMES_PER_SECOND / _BACK)
    later = (x[t + ahead] - x[t + ahead - _BACK]) * (FRAMES_PER_SECOND / _BACK)
    answers = (later - v) * (FRAMES_PER_SECOND / ahead)
    seen = np.isfinite(now).all(axis=2) & np.isfinite(v).all(axis=2)
    answered = seen & np.isfinite(answers).all(axis=2)
    if control == "answers":
        answers = handed_over(answers, answered, rng)
    now, v, answers = (np.nan_to_num(value) for value in (now, v, answers))
    shift = len(t) // 2 if control == "later" else 0
    others, pace, there = (np.roll(value, shift, axis=0) for value in (now, v, seen))
    to = others[:, None] - now[:, :, None]
    distance = np.maximum(np.linalg.norm(to, axis=3), 2.0 ** _OCTAVES[0])
    scores = np.log2(np.minimum(distance, 2.0 ** _OCTAVES[1]))
    space = SplineSpace(*_OCTAVES, round(_OCTAVES[1] - _OCTAVES[0]), _DEGREE)
    return motion_sums(
        answers,
        [
            KernelTerm("position", scores, to / distance[..., None], space),
            KernelTerm("velocity", scores, pace[:, None] - v[:, :, None], space),
        ],
        own=_own(now, v, film),
        seen=there,
        answered=answered,
    )


def handed_over(
    answers: NDArray[np.float64], answered: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Give each token that answers the answer of another one of the same frame, drawn at random."""
    # In each frame: those that answer first, in random order; each takes the answer of the next in the
    # circle.
    order = np.argsort(np.where(answered, rng.random(answered.shape), 2.0), axis=1)
    place, count = np.arange(answered.shape[1]), answered.sum(axis=1, keepdims=True)
    following = np.where(place < count, (place + 1) % np.maximum(count, 1), place)
    givers = np.take_along_axis(order, following, axis=1)
    given = np.empty_like(answers)
    np.put_along_axis(given, order[..., None], np.take_along_axis(answers, givers[..., None], axis=1), axis=1)
    return given


def _own(now: NDArray[np.float64], v: NDArray[np.float64], film: Film) -> NDArray[np.float64]:
    """Return what a fish does alone: friction about a preferred speed, and walls that push or turn it."""
    place = (now - film.center) / film.radius
    rho = np.linalg.norm(place, axis=2, keepdims=True)
    outward = place / np.maximum(rho, 1e-9)
    pace = np.linalg.norm(v, axis=2, keepdims=True)
    towards = np.maximum(np.sum(v * outward, axis=2, keepdims=True), 0) * outward
    walls = [place, place * rho**2, place * rho**4, place * rho**8]
    return np.stack([v, v * pace, *walls, towards * rho**4, towards * rho**8], axis=3)


def _folds(n_frames: int, gap: int) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return (held out, fitted on) for each fold of frames; what touches the fold is in neither."""
    frames = np.arange(n_frames)
    fold = frames * _FOLDS // n_frames
    result = []
    for k in range(_FOLDS):
        inside = np.flatnonzero(fold == k)
        result.append((fold == k, (frames < inside[0] - gap) | (frames > inside[-1] + gap)))
    return result


def compute(cell: dict[str, Any]) -> list[dict[str, Any]]:
    """Return shares explained, kernels on a grid and what is read off them, with 95 % intervals.

    Rows of the kind ``share`` hold the held-out R^2 of a model over five folds (``gain`` that of both
    kernels over that of own terms; ``split`` of the first 70 % of frames on the last quarter), of the kind
    ``kernel`` a value at a distance, of the kind ``number`` the rest. Intervals are quantiles of a
    moving-block bootstrap over frames.
    """
    from pairint.estimation.motion import block_weights
    from pairint.experiments.beyond.school import film_from

    film = film_from(cell["data"], generator_for(cell, DATA_KEYS), cell["n_tokens"], cell["n_frames"])
    rng = generator_for(cell, (*DATA_KEYS, "control"), "control")
    sums = school_sums(film, cell["control"], rng, cell["ahead"])
    n_frames = len(sums.count)
    draws = block_weights(
        n_frames, min(_BLOCK, n_frames), _DRAWS, generator_for(cell, DATA_KEYS, "bootstrap")
    )
    rows: list[dict[str, Any]] = []

    def add(kind: str, what: str, value: float, sample: Any = None, at: float = math.nan) -> None:
        low, high = (math.nan, math.nan) if sample is None else np.quantile(sample, [0.025, 0.975])
        rows.append(
            {"kind": kind, "what": what, "at": at, "value": value, "low": float(low), "high": float(high)}
        )

    shares = {}
    for model, terms in MODELS.items():
        lost = np.zeros(n_frames)
        for held, fitted in _folds(n_frames, _BACK + cell["ahead"]):
            lost[held] = sums.losses(sums.coefficients(fitted * 1.0, terms=terms))[0][held]
        shares[model] = np.array(
            [1 - weights @ lost / (weights @ sums.energy) for weights in (np.ones(n_frames), *draws)]
        )
        add("share", model, float(shares[model][0]), shares[model][1:])
        frames = np.arange(n_frames)
        fit = sums.coefficients((frames < 0.7 * n_frames) * 1.0, terms=terms)
        add("split", model, sums.explained(fit, (frames >= 0.75 * n_frames) * 1.0))
    gain = shares["both"] - shares["own"]
    add("share", "gain", float(gain[0]), gain[1:])
    found = [sums.coefficients(), *(sums.coefficients(weights) for weights in draws)]
    for term in ("position", "velocity"):
        curves = np.array([sums.kernel(term, theta)(np.log2(_GRID)) for theta in found])
        for k, distance in enumerate(_GRID):
            add("kernel", term, float(curves[0, k]), curves[1:, k], float(distance))
        if term == "position":
            crossings = np.array([_crossing(curve) for curve in curves])
            known = crossings[1:][np.isfinite(crossings[1:])]
            add("number", "crossing", float(crossings[0]), known if len(known) else None)
            add("number", "crossings found", len(known) / _DRAWS)
        else:
            peaks = _GRID[np.argmax(curves, axis=1)]
            add("number", "peak", float(peaks[0]), peaks[1:])
        add("number", f"coercivity {term}", sums.coercivity([term], _SEEN))
    add("number", "coercivity", sums.coercivity(share=_SEEN))
    for what, value in (
        ("unit", film.unit),
        ("radius", film.radius),
        ("answers", sums.count.sum()),
        ("partners", sums.partners),
        ("frames", n_frames),
    ):
        add("number", what, float(value))
    return [row | {"data_sha256": film.sha256} for row in rows]


#: Basis functions that pairs reach less often than this share are left out of the coercivity.
_SEEN = 1e-3


def _crossing(curve: NDArray[np.float64]) -> float:
    """Return the least distance above 1 at which a kernel on the grid turns from negative to positive."""
    sign = (curve[:-1] < 0) & (curve[1:] >= 0) & (_GRID[:-1] >= 1)
    if not sign.any():
        return math.nan
    k = int(np.argmax(sign))
    share = curve[k] / (curve[k] - curve[k + 1])
    return float(_GRID[k] * (_GRID[k + 1] / _GRID[k]) ** share)


def plot(table: DataFrame) -> Figure:
    """Draw the kernels of each film with their intervals; of simulations the planted ones too."""
    from pairint.figures.fish import kernels_figure

    return kernels_figure(table)


def claims(table: DataFrame) -> list[Claim]:
    """Compare what kernels add with nothing, under each control, and a simulation with what was planted."""
    from pairint.engine.statistics import mean_interval

    result = []
    first = table[table["ahead"] == table["ahead"].iloc[0]]

    def claim(name: str, rows: DataFrame, **reference: Any) -> None:
        value = rows["value"].to_numpy(dtype=float)
        ours, low, high = float(value[0]), float(rows["low"].iloc[0]), float(rows["high"].iloc[0])
        if len(value) > 1:
            ours, low, high = mean_interval(value[np.isfinite(value)])
        result.append(
            Claim(name=name, source="our own experiment", ours=ours, interval=(low, high), **reference)
        )

    for data, part in first.groupby("data", sort=False):
        simulated = data == "simulated"
        film = "simulated school" if simulated else "100 fish" if data == "trajectorytools" else "film"
        for control in part["control"].unique():
            rows = part[(part["control"] == control) & (part["what"] == "gain")]
            name = f"held-out R² that both kernels add, {film}, {_WORDS[control]}"
            if control in ("answers", "reversed"):
                claim(name, rows)
            else:
                claim(
                    name,
                    rows,
                    expected=0.0,
                    tolerance=0.005,
                    relation="at least" if control == "none" else "at most",
                )
        rows = part[(part["control"] == "none") & (part["what"] == "crossing")]
        name = f"distance at which repulsion turns to attraction, {film}"
        if simulated:
            claim(name, rows, expected=_PLANTED_CROSSING, tolerance=0.5)
        else:
            claim(name + ", nearest neighbours", rows)
    return result


_WORDS = {
    "none": "as filmed",
    "later": "partners of half the film later",
    "answers": "answers handed over",
    "relabelled": "names drawn anew",
    "reversed": "backwards",
}
#: Where 40 exp(-r / 2.5) is 6 exp(-r / 12).
_PLANTED_CROSSING = math.log(40 / 6) / (1 / 2.5 - 1 / 12)

EXPERIMENT = Experiment(
    name="fish",
    title="Interaction kernels of a school, real and simulated, from accelerations",
    source="our own experiment",
    version=1,
    presets={
        "quick": {
            "data": ["simulated"],
            "n_tokens": 40,
            "n_frames": 300,
            "ahead": [13],
            "control": ["none", "later"],
            "replicates": 2,
        },
        "full": {
            "data": ["trajectorytools", "simulated"],
            "n_tokens": 100,
            "n_frames": 300,
            "ahead": [13, 6, 9, 20],
            "control": list(CONTROLS),
            "replicates": 8,
        },
    },
    cells=cells,
    compute=compute,
    plot=plot,
    claims=claims,
    expected_seconds={"quick": 4.0, "full": 240.0},
    data_keys=DATA_KEYS,
)
