"""How much of an approximation error one token sees: what bounds ask of the law of the scores."""

from __future__ import annotations

import math
from collections.abc import Callable

from pairint.validation import check_real

__all__ = ["Coupling", "constant_coupling", "coupling_of_cells"]

#: A bound of ``E[E(e | X_1, Theta)^2] / sup|e|^2``; as a function of h, of ``E min(1, hV/2)^2``.
Coupling = float | Callable[[float], float] | None


def constant_coupling(coupling: Coupling, odd: bool) -> float:
    """Return tau where it is a number; what a function of the width gives is known for each K only."""
    if coupling is None or (callable(coupling) and not odd):
        return float(not odd)
    value = math.nan if callable(coupling) else check_real("coupling", coupling, 0, 1)
    if odd and value != 0:
        raise ValueError(f"coupling must be 0 or None for odd functions, got {coupling}")
    return value


def coupling_of_cells(coupling: Callable[[float], float], width: float) -> float:
    """Return tau for errors of mean zero on cells of this width."""
    return check_real(f"coupling({width:g})", coupling(width), 0, 1)
