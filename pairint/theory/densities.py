"""The law of a score: checks of its density, and its tail."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.validation import check_floats, check_real

__all__ = ["bilinear_tail", "check_density_values", "check_mass", "check_whole_mass"]

#: Masses are computed by quadrature: this much above 1 is taken for rounding.
_MASS_TOLERANCE = 1e-3
#: And this much below 1 for a singularity at a knot, of which quadrature misses up to a fifth (tested).
_MISSED_BY_QUADRATURE = 0.25


def check_density_values(values: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return what a density returned as an array of this shape, or raise if it is not finite and >= 0."""
    values = np.asarray(check_floats("density", values, finite=False), dtype=float)
    try:
        values = np.broadcast_to(values, shape)
    except ValueError as error:
        raise ValueError(
            f"density must return an array of the shape that it is given, {shape}, got {values.shape}"
        ) from error
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        raise ValueError(f"density must be finite and >= 0, got {values[bad].flat[0]} at {bad.sum()} scores")
    return values


def check_mass(mass: float) -> None:
    """Raise if a density has more mass than a probability."""
    if mass > 1 + _MASS_TOLERANCE:
        raise ValueError(f"density must have a mass of at most 1, got at least {mass:.4g}")


def check_whole_mass(mass: float, score_bound: float) -> None:
    """Raise if a density on [-score_bound, score_bound] is clearly not that of all scores."""
    check_mass(mass)
    if mass < 1 - _MISSED_BY_QUADRATURE:
        raise ValueError(
            f"density must have a mass of 1 on [-{score_bound:g}, {score_bound:g}], as the theorem asks that "
            f"all scores are there; got {mass:.4g}"
        )


def bilinear_tail(threshold: float, *, coordinate_bound: float, frobenius: float = 1.0) -> float:
    r"""Bound :math:`P(|x^\top A y| > T)` for independent tokens with independent centred coordinates.

    .. math::

        2 \exp\Big(-\frac{T^2}{4 q^4 \|A\|_F^2}\Big) \text{ for } T \le \sqrt 2 q^2 \|A\|_F, \text{ else }
        2 \exp\Big(\frac12 - \frac{T}{\sqrt 2 q^2 \|A\|_F}\Big),

    and at most 1, for coordinates of modulus at most q. The dimension does not enter.

    Parameters
    ----------
    threshold : float
        T > 0.
    coordinate_bound : float
        q > 0; :math:`\sqrt 3` for the cube.
    frobenius : float
        Bound of the Frobenius norm of A, > 0.
    """
    threshold = check_real("threshold", threshold, 0, exclusive_minimum=True)
    coordinate_bound = check_real("coordinate_bound", coordinate_bound, 0, exclusive_minimum=True)
    frobenius = check_real("frobenius", frobenius, 0, exclusive_minimum=True)
    scaled = threshold / (math.sqrt(2) * coordinate_bound**2 * frobenius)
    return min(1.0, 2 * math.exp(-(scaled**2) / 2 if scaled <= 1 else 0.5 - scaled))
