"""Checks of the density of a score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MASS_TOLERANCE", "check_density_values", "check_mass"]

#: Masses are computed by quadrature: this much above 1 is taken for rounding.
MASS_TOLERANCE = 1e-3


def check_density_values(values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return what a density returned as an array of this shape, or raise if it is not finite and >= 0."""
    values = np.broadcast_to(np.asarray(values, dtype=float), shape)
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        raise ValueError(f"density must be finite and >= 0, got {values[bad].flat[0]} at {bad.sum()} scores")
    return values


def check_mass(mass: float) -> None:
    """Raise if a density has more mass than a probability."""
    if mass > 1 + MASS_TOLERANCE:
        raise ValueError(f"density must have a mass of at most 1, got at least {mass:.4g}")
