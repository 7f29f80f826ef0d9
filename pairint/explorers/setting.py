"""The reader's setting: beta, d, N and M, shared by the pages of the book, and what follows from them.

A page of the book holds numbers that a reader can drag, and numbers that follow. ``setting.js`` makes them
move; here are the parameters, the formulas (those of the package), and what stands on paper.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pairint.explorers.kit import bundle
from pairint.explorers.kit.explorer import compact
from pairint.explorers.kit.panels import Parameter, short
from pairint.theory import Setting, samples_for_rank
from pairint.theory.integers import first_true
from pairint.validation import check_choice

__all__ = ["FIXED", "PARAMETERS", "QUANTITIES", "computed", "quantity", "script"]

PARAMETERS = (
    Parameter("beta", "smoothness β", 2.0, 0.5, 7.0, 0.05),
    Parameter("d", "dimension d", 30, 1, 1000, scale="log", integer=True),
    Parameter("tokens", "tokens N", 3, 2, 128, scale="log", integer=True),
    Parameter("samples", "samples M", 10_000, 100, 10**10, scale="log", integer=True),
)
#: What does not move.
FIXED = {"rank": 1, "noise": 0.1, "holder": 1.0, "score_bound": 3.0, "error": 1e-3}


def _curve(setting: Setting, n_samples: int) -> float:
    budget = setting.best_budget(n_samples)
    return budget.bias + budget.variance


def _crossing(setting: Setting) -> int:
    # At each K the ratio of the two is a rising function of M, for the bias does not fall with M and all else
    # falls like 1 / M; so its minimum over K rises too, and the test stays true.
    return first_true(lambda m: _curve(setting, m) >= setting.best_budget(m).parametric)


#: Each a function of the setting and of M.
QUANTITIES: dict[str, Callable[[Setting, int], float]] = {
    "exponent": lambda setting, m: setting.exponent,
    "cells": lambda setting, m: setting.best_intervals(m),
    "total": lambda setting, m: setting.best_budget(m).total,
    "curve": _curve,
    "matrix": lambda setting, m: setting.best_budget(m).parametric,
    "parameters": lambda setting, m: setting.n_matrix,
    "needed": lambda setting, m: setting.samples_for_error(FIXED["error"]),
    "crossing": lambda setting, m: _crossing(setting),
    "condition": lambda setting, m: samples_for_rank(int(FIXED["rank"]) * (setting.d or 1), setting.beta),
}


def quantity(name: str, **values: Any) -> float:
    """Return a number of the text at a setting.

    Parameters
    ----------
    name : str
        One of ``QUANTITIES``: ``exponent`` of 1/M, the best number of ``cells``, the ``total`` of the error
        budget and its parts ``curve`` and ``matrix``, the free ``parameters`` of the matrix, the samples
        ``needed`` for an error of 0.001, the ``crossing`` from which the curve costs more than the matrix,
        and the M from which the ``condition`` on rd holds. Exponent, parameters and condition are exact; the
        others are of :meth:`pairint.theory.Setting.budget`, which is heuristic.
    **values
        Of ``PARAMETERS``; what is not given has the value of the book.

    Raises
    ------
    TypeError, ValueError
        If the name or a value is not allowed.
    """
    check_choice("name", name, tuple(QUANTITIES))
    known = {p.key: p for p in PARAMETERS}
    for key in values:
        check_choice("parameter", key, tuple(known))
    at = {key: p.check(values.get(key, p.value)) for key, p in known.items()}
    setting = Setting(
        beta=at["beta"],
        n_tokens=at["tokens"],
        noise_std=FIXED["noise"],
        holder_constant=FIXED["holder"],
        d=at["d"],
        rank=int(FIXED["rank"]),
        score_bound=FIXED["score_bound"],
    )
    return QUANTITIES[name](setting, at["samples"])


def computed(name: str) -> str:
    """Return what stands in the text for a parameter or a quantity, at the setting of the book."""
    chosen = {p.key: p.value for p in PARAMETERS}
    return short(chosen[name] if name in chosen else quantity(name))


def script() -> str:
    """Return the script that the book's pages load."""
    spec = {
        "title": "Your setting, on every page",
        "summary": (
            "Numbers of the text that are underlined, marks on drawings and figures that move follow it. "
            f"Fixed: rank r = {FIXED['rank']}, noise σ = {FIXED['noise']}, Hölder radius L = "
            f"{FIXED['holder']:g}, scores within ±{FIXED['score_bound']:g}."
        ),
        "parameters": [compact(asdict(p)) for p in PARAMETERS],
        "fixed": FIXED,
    }
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return f"(() => {{\n{bundle.joined('setting.js')}\nmount({{ spec: {text} }});\n}})();\n"
