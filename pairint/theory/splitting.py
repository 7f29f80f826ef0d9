r"""Upper bounds without a logarithm on the activation: one half of the samples fits, the other selects.

For each matrix of a finite net, the first part of the samples gives the least squares on piecewise
polynomials of its scores, bounded in modulus; the second part gives the matrix. Only the choice among the
matrices costs a logarithm. Nothing here is asymptotic.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pairint.result import Result
from pairint.theory.approximation import taylor_error
from pairint.theory.christoffel import largest_squares
from pairint.theory.covering import log_cover_low_rank
from pairint.theory.densities import check_density_values, check_whole_mass
from pairint.theory.fourth_moment import lower_tail_exponent, range_factor, size_bias_rate
from pairint.theory.rates import taylor_constant
from pairint.theory.setting import Setting
from pairint.validation import check_flag, check_instance, check_integer, check_real

__all__ = ["SplitUpperBound", "fit_error", "modulus", "moved_cells", "split_upper_bound"]

#: Where the search for K/2 ends.
MOST_HALVES = 2**13
#: Accuracies of the scores of the net, in half-widths of a cell, while K is sought.
COARSE = (1e-2, 1e-4, 1e-6)
#: And for the best K. Each is valid.
FINE = tuple(10.0**-p for p in range(1, 11))
#: Chances of the Gram matrix: the share of it that may be lost.
LOST = np.linspace(0.02, 0.9, 45)
#: Nodes of the quadrature on each of four panels of a cell.
NODES = 16


@dataclass(frozen=True, repr=False)
class SplitUpperBound(Result):
    """A proved bound of the mean squared error in L2(rho), samples split, and where it comes from.

    Book: :doc:`/book/upper_bound_splitting`.

    Attributes
    ----------
    bias, spline, matrix, failure : float
        Approximation; noise in the coefficients; the choice among the matrices of the net; the chance that
        the Gram matrix of the best of them is bad. Their sum is the bound.
    n_intervals, dimension : int
        K, and the coefficients that are fitted for each matrix.
    n_fit, n_select : int
        M_1 and M_2, the parts of the samples.
    accuracy : float
        tau / (abar / K): how far the scores of the nearest matrix may be off, in half-widths of a cell.
    christoffel : float
        kappa_0 of the proof: cells with more are left out.
    dropped : float
        Bound of the share of scores in cells that are left out.
    approximation : float
        Uniform error on the other cells.
    lost : float
        zeta: the share of the Gram matrix that may be lost.
    temperature : float
        lambda of the selection.
    log_net : float
        Logarithm of the size of the net.
    spread : float
        omega: how often kappa_0 counts in ``failure``; N - 1, or less than 3 for odd functions.
    at_limit : bool
        Whether the search for K ended at its limit: a larger K may give a smaller bound. This one is valid.
    """

    _first = ("value",)
    _units = (
        ("output²", "value bias spline matrix failure"),
        ("1/output²", "temperature"),
        ("sample", "n_fit n_select"),
        ("output", "approximation"),
        ("nat", "log_net"),
    )

    bias: float
    spline: float
    matrix: float
    failure: float
    n_intervals: int
    dimension: int
    n_fit: int
    n_select: int
    accuracy: float
    christoffel: float
    dropped: float
    approximation: float
    lost: float
    temperature: float
    log_net: float
    spread: float
    at_limit: bool = False

    @property
    def value(self) -> float:
        """The bound, the sum of its parts."""
        return self.bias + self.spline + self.matrix + self.failure

    def __float__(self) -> float:
        return self.value


def split_upper_bound(
    n_samples: int,
    setting: Setting,
    *,
    density: Callable[[Any], Any],
    odd: bool = False,
    support_ratio: float | None = None,
    n_intervals: int | None = None,
) -> SplitUpperBound:
    r"""Bound the error of an estimator that learns the matrix, without a logarithm on the activation.

    Book: :doc:`/book/upper_bound_splitting`.

    For tokens independent and identically distributed given some Theta, phi in C(beta, L) with
    :math:`|\varphi| \le B`, and a matrix of rank at most r whose scores have this density. With
    :math:`b = \delta^2 + B^2 p`, times N - 1 if the functions are not odd, and
    :math:`v = \frac{N-1}{N} \frac{\sigma^2 D}{M_1}`,

    .. math::

        \frac{\lambda}{c} \Big[ \Big( \sqrt{\frac{b + v}{1 - \zeta}} + \sqrt b \Big)^2
        + F \Delta^2 D\, e^{-\xi(\zeta) M_1 / (\omega \kappa)} \Big]
        + \frac{(N-1)\, 2dr \log(1 + 4 \chi \bar a / \tau)}{c M_2},

        \xi(\zeta) = \zeta + (1 - \zeta) \log(1 - \zeta),

    where F is 1 for odd functions and N - 1 for others, :math:`\omega` is :math:`\omega_N = 3 - 2/(N-1)` and
    N - 1, :math:`\delta` is Taylor's error plus what :math:`\varphi` may change over tau,
    :math:`\Delta = 2B + t_K` with Taylor's error :math:`t_K`, and lambda, c are those of
    :func:`pairint.theory.upper_bound`. Cells of which a matrix near the true one may have a Christoffel
    number above kappa are left out; p is their share of the scores. The bound is minimised over K, tau,
    kappa, zeta, lambda and the split.

    Parameters
    ----------
    n_samples : int
        M >= 2.
    setting : Setting
        All of it counts; ``sup_bound`` must be finite.
    density : callable
        Density of the score under the true matrix on [-score_bound, score_bound], where all scores must be;
        symmetric for odd functions. Its mass is checked by quadrature: not above 1, and not clearly below.
    odd : bool
        Whether the truth is odd, the tokens symmetric given Theta, and the estimator restricted to odd
        functions.
    support_ratio : float, optional
        See :func:`pairint.theory.covering.log_cover_interactions`; d (a cube) by default.
    n_intervals : int, optional
        Even; by default chosen to minimise the bound, up to the limit that ``at_limit`` of the result is
        about.
    """
    n_samples = check_integer("n_samples", n_samples, 2, 10**18)
    check_instance("setting", setting, Setting)
    odd = check_flag("odd", odd)
    setting.require_sup_bound("split_upper_bound")
    setting.require_score_bound("split_upper_bound")
    d, _ = setting.require_matrix("split_upper_bound")
    if not callable(density):
        raise TypeError(f"density must be a function of the score, got {density!r}")
    ratio = float(d) if support_ratio is None else check_real("support_ratio", support_ratio, 1)

    def at(half: int, accuracies: tuple[float, ...]) -> SplitUpperBound:
        bounds = [_best(n_samples, setting, density, odd, ratio, 2 * half, alpha) for alpha in accuracies]
        return min(bounds, key=float)

    if n_intervals is not None:
        n_intervals = check_integer("n_intervals", n_intervals, 2, 2 * MOST_HALVES)
        if n_intervals % 2:
            raise ValueError(f"n_intervals must be even, got {n_intervals}")
        return at(n_intervals // 2, FINE)
    # A grid of four in an octave, up to an octave beyond the best: the bound is flat around it.
    halves = sorted({round(2 ** (j / 4)) for j in range(4 * int(math.log2(MOST_HALVES)) + 1)})
    values: dict[int, float] = {}
    for half in halves:
        values[half] = at(half, COARSE).value
        best = min(values, key=lambda h: values[h])
        if half > 2 * best + 32:
            break
    return replace(at(best, FINE), at_limit=best == halves[-1])


def modulus(distance: float, setting: Setting) -> float:
    r"""Bound :math:`|\varphi(u) - \varphi(u')|` for scores at most this far apart.

    It is :math:`L \tau^\beta` for :math:`\beta \le 1`. For larger beta it is :math:`\Lambda \tau`, with

    .. math::

        \Lambda = \min_{0 < h \le \bar a} \frac{k^2 (B + L c(\beta) h^\beta)}{h}
        + L c(\beta - 1) h^{\beta - 1} :

    Markov's inequality for Taylor's polynomial on an interval of half-width h, and the error of its
    derivative. The minimum is over a grid, each point of which is valid.

    Parameters
    ----------
    distance : float
        tau >= 0.
    setting : Setting
        Of it ``beta``, ``holder_constant``, and for beta > 1 ``sup_bound`` and ``score_bound``.
    """
    distance = check_real("distance", distance, 0)
    beta, radius = setting.beta, setting.holder_constant
    if beta <= 1:
        return radius * distance**beta
    h = setting.require_score_bound("modulus") * np.logspace(-6, 0, 241)
    size = setting.require_sup_bound("modulus") + radius * taylor_constant(beta) * h**beta
    slope = setting.degree**2 * size / h + radius * taylor_constant(beta - 1) * h ** (beta - 1)
    return float(slope.min()) * distance


def fit_error(bias: Any, variance: Any, lost: Any) -> Any:
    r"""Return :math:`(\sqrt{(b + v) / (1 - \zeta)} + \sqrt b)^2`: bounded least squares on the good event."""
    return (np.sqrt((bias + variance) / (1 - lost)) + np.sqrt(bias)) ** 2


class MovedCells(NamedTuple):
    """What :func:`moved_cells` knows of each cell, arrays of shape (K,)."""

    christoffel: NDArray[np.float64]
    mass: NDArray[np.float64]


@functools.lru_cache(maxsize=512)
def moved_cells(
    density: Callable[[Any], Any], *, n_intervals: int, degree: int, score_bound: float, accuracy: float
) -> MovedCells:
    r"""Bound Christoffel number and mass of each cell for every score within tau of one with this density.

    Let :math:`|U_0 - U| \le \tau = \alpha h`, h the half-width of a cell, and let :math:`\kappa^-` be the
    largest :math:`q(u)^2` on the cell for polynomials q of degree k with
    :math:`E[q(U)^2; U \text{ in the cell, } \tau \text{ from its ends}] \le 1`. For :math:`U_0` the number is
    at most :math:`\kappa^- / (1 - \alpha k^2 \sqrt{\kappa^- P})^2`, P the mass of the smaller cell; infinite
    if the bracket is not positive. The mass for :math:`U_0` is at most that of the larger cell.

    Parameters
    ----------
    density : callable
    n_intervals, degree : int
        K >= 1, k >= 0.
    score_bound, accuracy : float
        abar > 0; alpha in (0, 1).
    """
    half = score_bound / n_intervals
    centres = -score_bound + half * (2 * np.arange(n_intervals) + 1)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    panels = np.linspace(-1, 1, 5)
    t = ((panels[:-1] + panels[1:])[:, None] / 2 + nodes / 4).ravel()
    inner = (1 - accuracy) * t
    shape = (n_intervals, len(t))
    weight = (1 - accuracy) * half * np.tile(weights / 4, 4)
    p = check_density_values(density(centres[:, None] + half * inner), shape) * weight
    inside = p.sum(axis=1)
    strips = []
    for side in (-1, 1):  # what the smaller cell lacks and the larger one has
        ends = np.clip(
            centres[:, None] + side * half * np.array([1 - accuracy, 1 + accuracy]), -score_bound, score_bound
        )
        middle, width = ends.mean(axis=1), np.abs(ends[:, 1] - ends[:, 0]) / 2
        strip = middle[:, None] + width[:, None] * nodes
        strips.append(check_density_values(density(strip), strip.shape) @ weights * width)
    left, right = strips
    # Two cells share a strip, but for the first and the last.
    shared = (left.sum() + right.sum() + left[0] + right[-1]) / 2
    check_whole_mass(float(inside.sum() + shared), score_bound)
    powers = np.polynomial.legendre.legvander(inner, degree)
    visited = inside > np.finfo(float).tiny
    # Of the law given the cell, so that its size does not count.
    gram = np.einsum("cq,qi,qj->cij", p[visited] / inside[visited, None], powers, powers)
    number = largest_squares(gram)
    rest = 1 - accuracy * degree**2 * np.sqrt(number)
    number = np.divide(number, rest**2, out=np.full(len(number), np.inf), where=rest > 0)
    moved = np.full(n_intervals, np.inf)
    moved[visited] = number / inside[visited]
    return MovedCells(moved, left + inside + right)


def _best(
    n_samples: int,
    setting: Setting,
    density: Callable[[Any], Any],
    odd: bool,
    support_ratio: float,
    k: int,
    alpha: float,
) -> SplitUpperBound:
    """Return the bound for one K and tau, minimised over the rest on grids: each point is valid."""
    n_tokens, noise_std, degree = setting.n_tokens, setting.noise_std, setting.degree
    sup_bound = setting.require_sup_bound("split_upper_bound")
    score_bound = setting.require_score_bound("split_upper_bound")
    d, rank = setting.require_matrix("split_upper_bound")
    partners = n_tokens - 1
    taylor = taylor_error(
        k, beta=setting.beta, holder_constant=setting.holder_constant, score_bound=score_bound
    )
    delta = taylor + modulus(alpha * score_bound / k, setting)
    envelope = 2 * sup_bound + taylor
    dimension = k * (degree + 1) // (2 if odd else 1)
    kappa, mass = _thresholds(
        moved_cells(density, n_intervals=k, degree=degree, score_bound=score_bound, accuracy=alpha), odd
    )
    b = (delta**2 + sup_bound**2 * mass) * (1 if odd else partners)
    share = np.geomspace(1e-3, 0.5, 14)
    fit = np.clip(n_samples * np.concatenate([share, 1 - share]), 1, n_samples - 1).astype(np.int64)
    v = partners / n_tokens * noise_std**2 * dimension / fit
    spread = range_factor(n_tokens, centred=True) if odd else float(partners)
    # Over (split, kappa, zeta).
    lost, b3, v3, fit3 = LOST, b[:, None], v[:, None, None], fit[:, None, None]
    exponent = lower_tail_exponent(lost) * fit3 / (spread * kappa[:, None])
    chance = np.minimum(1.0, dimension * np.exp(-exponent))
    failure = (1 if odd else partners) * envelope**2 * chance
    first = fit_error(b3, v3, lost) + failure
    flat = first.reshape(len(fit), -1)
    best = flat.argmin(axis=1)
    # Over (split, mu): the selection.
    log_net = float(log_cover_low_rank(1.0, d=d, rank=rank, radius=support_ratio * k / alpha))
    w = range_factor(n_tokens, centred=odd) * envelope**2 / partners
    temperature, c = _selection_grid(w, noise_std**2 / n_tokens)
    fitted = flat[np.arange(len(fit)), best][:, None]
    value = temperature / c * fitted + partners * log_net / (c * (n_samples - fit)[:, None])
    i, j = np.unravel_index(int(value.argmin()), value.shape)
    cell, which = np.unravel_index(int(best[i]), (len(kappa), len(lost)))
    factor = float(temperature[j] / c[j])
    plain = float(fit_error(b[cell], 0.0, lost[which]))
    noisy = float(fit_error(b[cell], v[i], lost[which]))
    return SplitUpperBound(
        bias=factor * plain,
        spline=factor * (noisy - plain),
        matrix=float(partners * log_net / (c[j] * (n_samples - fit[i]))),
        failure=factor * float(failure[i, cell, which]),
        n_intervals=k,
        dimension=dimension,
        n_fit=int(fit[i]),
        n_select=int(n_samples - fit[i]),
        accuracy=alpha,
        christoffel=float(kappa[cell]),
        dropped=float(mass[cell]),
        approximation=delta,
        lost=float(lost[which]),
        temperature=float(temperature[j]),
        log_net=log_net,
        spread=spread,
    )


def _thresholds(cells: MovedCells, odd: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return candidates for kappa_0, and the mass of the cells above each; cells come in mirror pairs."""
    number = np.maximum(cells.christoffel, cells.christoffel[::-1])
    # The norm of an odd function counts each pair twice.
    number = number / 2 if odd else number
    order = np.argsort(number)
    above = np.append(np.cumsum(cells.mass[order][::-1])[::-1][1:], 0.0)
    number = number[order]
    # The last of equal ones, finite; at most 40 of them.
    last = np.append(number[1:] > number[:-1], True) & np.isfinite(number)
    kappa, mass = number[last], np.minimum(above[last], 1.0)
    if not len(kappa):  # no cell is sure to be visited: all may be left out
        return np.ones(1), np.ones(1)
    which = np.unique(np.linspace(0, len(kappa) - 1, 40).astype(np.int64))
    return kappa[which], mass[which]


def _selection_grid(w: float, variance: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return lambda and c on a grid of mu; ``variance`` is sigma^2 / N."""
    mu = np.logspace(-5, 1, 121) / w
    if variance > 0:
        limit = 1 / (8 * variance)
        mu = np.append(mu[mu <= limit], limit)
    root = np.sqrt(np.maximum(1 - 8 * variance * mu, 0.0))
    return 2 * mu / (1 + root), size_bias_rate(mu, w)
