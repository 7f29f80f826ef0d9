r"""Upper bound with explicit constants for a known matrix: least squares on pieces of the score.

The problem is linear: random matrices take the place of coverings, and there is no logarithm. For odd
functions and symmetric tokens there is no number of tokens either. Cells that scores rarely visit are left
out. Everything is proved in the two chapters on the known matrix.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.result import Result
from pairint.theory.approximation import pieces_error
from pairint.theory.christoffel import largest_squares
from pairint.theory.coupling import Coupling, constant_coupling, coupling_of_cells
from pairint.theory.densities import check_density_values, check_whole_mass
from pairint.theory.fourth_moment import lower_tail_exponent, range_factor
from pairint.theory.integers import best_integer
from pairint.theory.setting import Setting
from pairint.validation import check_flag, check_instance, check_integer, check_real

__all__ = [
    "OracleUpperBound",
    "cell_christoffel",
    "christoffel_number",
    "oracle_upper_bound",
]

#: How much an approximation may grow in sup norm when its error is given mean zero on each cell.
ZERO_MEAN = 2.0
#: Where the search for K / 2 ends: Gram matrices fill the memory.
MOST_HALVES = 2**14


@dataclass(frozen=True, repr=False)
class OracleUpperBound(Result):
    """A proved bound for least squares with the interaction matrix known.

    Book: :doc:`/book/upper_bound_known_matrix`.

    Attributes
    ----------
    bias, variance, design, failure : float
        Approximation; noise; randomness of the tokens acting on what is not approximated; the chance that
        the empirical Gram matrix loses more than ``gram_loss``. Their sum is the bound.
    n_intervals, dimension : int
        Cells of [-abar, abar] and free coefficients.
    christoffel : float
        kappa, of the cells that are kept.
    gram_loss : float
        Share of an eigenvalue of the Gram matrix that may be lost before the estimator gives up.
    n_dropped : int
        Cells on which the estimator is zero, because scores rarely visit them.
    missed : float
        Share of the scores in these cells.
    spread : float
        omega: how often kappa counts in ``design`` and ``failure``; N - 1, or less than 3 for odd functions.
    at_limit : bool
        Whether the search for K ended at its limit: a larger K may give a smaller bound. This one is valid.
    """

    _first = ("value",)
    _units = (("output²", "value bias variance design failure"),)

    bias: float
    variance: float
    design: float
    failure: float
    n_intervals: int
    dimension: int
    christoffel: float
    gram_loss: float
    n_dropped: int
    missed: float
    spread: float
    at_limit: bool = False

    @property
    def value(self) -> float:
        """The bound, the sum of its parts."""
        return self.bias + self.variance + self.design + self.failure

    def __float__(self) -> float:
        return self.value


def oracle_upper_bound(
    n_samples: int,
    setting: Setting,
    *,
    density: Callable[[Any], Any],
    odd: bool = False,
    coupling: Coupling = None,
    n_intervals: int | None = None,
    drop: bool = True,
) -> OracleUpperBound:
    r"""Bound the error of least squares on piecewise polynomials of the score, with the matrix known.

    Book: :doc:`/book/upper_bound_known_matrix`.

    For tokens independent and identically distributed given some Theta, a space V of dimension D with
    :math:`\kappa = \sup_u B(u)^\top \Gamma^{-1} B(u)`, and any :math:`\varphi_0 \in V`, put
    :math:`e = \varphi_* - \varphi_0` and
    :math:`b = \|e\|^2_\rho + (N-2) E[E(e(U_{12})|X_1, \Theta)^2]`. Then, for every :math:`0 < \zeta < 1`,

    .. math::

        E\|\hat\varphi - \varphi_*\|^2_\rho \le b
        + \frac{1}{1-\zeta} \frac{N-1}{N} \frac{\sigma^2 D}{M} + \frac{\omega \kappa b}{(1-\zeta)^2 M}
        + B^2 D\, e^{-[\zeta + (1-\zeta) \log(1-\zeta)] M / (\omega\kappa)} ,

    with :math:`\omega = N - 1`; if e and all functions of V are centred given a token, as odd functions of
    scores of symmetric tokens are, :math:`\omega = \omega_N = 3 - 2/(N-1)`
    (:func:`pairint.theory.fourth_moment.range_factor`).

    The estimator is clipped to [-B, B], and zero if the empirical Gram matrix has lost the share zeta of an
    eigenvalue. V is the space of polynomials of the largest degree below beta on some of K equal cells; on
    the others the estimator is zero, and :math:`|e| \le B`. For symmetric tokens and odd functions b is
    :math:`\|e\|^2`, and no term grows with N. The bound is minimised over K, zeta and the cells.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        All of it but ``d`` and ``rank``; ``sup_bound`` must be finite.
    density : callable
        Density of the score on [-score_bound, score_bound], where all scores must be; even for odd
        functions. Its mass is checked by quadrature: not above 1, and not clearly below.
    odd : bool
        Whether truth and estimator are odd and the tokens symmetric given Theta: then the coupling is 0 and
        omega is less than 3.
    coupling : float or callable, optional
        As in :func:`upper_bound`; here a function of the width costs a factor 2 in the uniform error. With a
        number below 1, which is about an error on all cells, all of them are kept.
    n_intervals : int, optional
        Even; by default chosen to minimise the bound, up to the limit that ``at_limit`` of the result is
        about.
    drop : bool
        Whether cells may be left out.
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    check_instance("setting", setting, Setting)
    odd = check_flag("odd", odd)
    setting.require_sup_bound("oracle_upper_bound")
    setting.require_score_bound("oracle_upper_bound")
    if not callable(density):
        raise TypeError(f"density must be a function of the score, got {density!r}")
    constant = constant_coupling(coupling, odd)
    # A number below 1 is about an error on all cells; odd errors are centred on any cells.
    drop = check_flag("drop", drop) and (odd or constant == 1)

    def at(half: int) -> OracleUpperBound:
        return _best_cells(n_samples, setting, density, odd, coupling, constant, drop, 2 * half)

    if n_intervals is not None:
        n_intervals = check_integer("n_intervals", n_intervals, 2, 2 * MOST_HALVES)
        if n_intervals % 2:
            raise ValueError(f"n_intervals must be even, got {n_intervals}")
        return at(n_intervals // 2)
    best, at_limit = best_integer(lambda half: at(half).value, 512, MOST_HALVES)
    return replace(at(best), at_limit=at_limit)


def _best_cells(
    n_samples: int,
    setting: Setting,
    density: Callable[[Any], Any],
    odd: bool,
    coupling: Coupling,
    constant: float,
    drop: bool,
    k: int,
) -> OracleUpperBound:
    """Return the bound for one K, minimised over the cells that are kept and over zeta: each is valid."""
    n_tokens, degree, sup_bound = setting.n_tokens, setting.degree, setting.sup_bound
    score_bound = setting.require_score_bound("oracle_upper_bound")
    kappa, mass = cell_christoffel(density, n_intervals=k, degree=degree, score_bound=score_bound)
    if odd:
        # Odd functions are given by their right half; the norm of a pair of mirror images is that of one.
        kappa = np.maximum(kappa, kappa[::-1])[k // 2 :] / 2
        mass = (mass + mass[::-1])[k // 2 :]
    order = np.argsort(-kappa, kind="stable")
    kappa, missed = kappa[order], np.concatenate([[0.0], np.cumsum(mass[order])])[:-1]
    n_cells = len(kappa)
    # How many are dropped: each number when there are few, then in steps of a few per cent.
    dropped = np.unique(np.concatenate([np.arange(33), np.geomspace(1, n_cells, 150)]).astype(np.int64))
    if not drop:
        dropped = dropped[:1]
    dropped = dropped[dropped < n_cells]
    dropped = dropped[np.isfinite(kappa[dropped])]
    if len(dropped) == 0:
        where = "somewhere" if drop else "in every cell, as none is dropped"
        raise ValueError(f"density must be positive {where}")
    kappa, missed = kappa[dropped][:, None], missed[dropped][:, None]
    dimension = (n_cells - dropped[:, None]) * (degree + 1)

    sup = pieces_error(k, beta=setting.beta, holder_constant=setting.holder_constant, score_bound=score_bound)
    lost = sup_bound**2 * missed
    b = (sup**2 + lost) * (1 + (n_tokens - 2) * constant)
    if callable(coupling):
        tau = coupling_of_cells(coupling, 2 * score_bound / k)
        seen = (ZERO_MEAN * sup * math.sqrt(tau) + np.sqrt(lost)) ** 2
        b = np.minimum(b, (ZERO_MEAN * sup) ** 2 + lost + (n_tokens - 2) * seen)
    partners = n_tokens - 1
    spread = range_factor(n_tokens, centred=True) if odd else float(partners)
    zeta = np.concatenate([np.geomspace(1e-4, 0.3, 80), np.linspace(0.3, 0.99, 60)])
    per_sample = spread * kappa / n_samples
    exponent = lower_tail_exponent(zeta) / per_sample
    failure = sup_bound**2 * np.minimum(1.0, dimension * np.exp(-exponent))
    variance = partners / n_tokens * setting.noise_std**2 * dimension / n_samples / (1 - zeta)
    design = per_sample * b / (1 - zeta) ** 2
    i, j = np.unravel_index(np.argmin(b + variance + design + failure), failure.shape)
    return OracleUpperBound(
        bias=float(b[i, 0]),
        variance=float(variance[i, j]),
        design=float(design[i, j]),
        failure=float(failure[i, j]),
        n_intervals=k,
        dimension=int(dimension[i, 0]),
        christoffel=float(kappa[i, 0]),
        gram_loss=float(zeta[j]),
        n_dropped=int(dropped[i]) * (2 if odd else 1),
        missed=float(missed[i, 0]),
        spread=spread,
    )


@functools.lru_cache(maxsize=512)
def cell_christoffel(
    density: Callable[[Any], Any], *, n_intervals: int, degree: int, score_bound: float, n_nodes: int = 24
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return kappa and the probability of each cell, for discontinuous piecewise polynomials.

    kappa of a cell is the largest square of a polynomial of this degree whose square has mean 1 over the
    scores of the cell. Each cell is a problem of its own: the density is integrated by Gauss-Legendre
    quadrature on four panels of it, and :func:`pairint.theory.christoffel.largest_squares` has the maximum.

    Parameters
    ----------
    density : callable
    n_intervals, degree : int
        K >= 1, s >= 0.
    score_bound : float
    n_nodes : int
        Nodes on each panel.

    Returns
    -------
    kappa, mass : ndarray, shape (K,)
        Read only. kappa is infinite where there are no scores, or too few to tell.
    """
    n_intervals = check_integer("n_intervals", n_intervals, 1)
    degree = check_integer("degree", degree, 0)
    score_bound = check_real("score_bound", score_bound, 0, exclusive_minimum=True)
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    panels = np.linspace(-1, 1, 5)
    t = ((panels[:-1] + panels[1:])[:, None] / 2 + nodes / 4).ravel()
    weight = np.tile(weights / 4, 4)
    half = score_bound / n_intervals
    centres = -score_bound + half * (2 * np.arange(n_intervals) + 1)
    p = check_density_values(density(centres[:, None] + half * t), (n_intervals, len(t))) * weight * half
    mass = p.sum(axis=1)
    check_whole_mass(float(mass.sum()), score_bound)
    kappa = np.full(n_intervals, np.inf)
    visited = mass > np.finfo(float).tiny
    powers = np.polynomial.legendre.legvander(t, degree)
    # Of the law given the cell, so that its size does not count.
    gram = np.einsum("cq,qi,qj->cij", p[visited] / mass[visited, None], powers, powers)
    kappa[visited] = largest_squares(gram) / mass[visited]
    for array in (kappa, mass):
        array.flags.writeable = False
    return kappa, mass


def christoffel_number(
    density: Callable[[Any], Any], *, n_intervals: int, degree: int, score_bound: float
) -> float:
    r"""Return :math:`\kappa = \sup_u B(u)^\top \Gamma^{-1} B(u)` for discontinuous piecewise polynomials.

    The largest square of a function of unit norm in L2(P_U): the largest number of
    :func:`cell_christoffel`. Cells that scores rarely visit make it large.

    Parameters
    ----------
    density, n_intervals, degree, score_bound
        As in :func:`cell_christoffel`.
    """
    kappa, _ = cell_christoffel(density, n_intervals=n_intervals, degree=degree, score_bound=score_bound)
    if not np.all(np.isfinite(kappa)):
        raise ValueError("density must be positive somewhere in every cell")
    return float(kappa.max())
