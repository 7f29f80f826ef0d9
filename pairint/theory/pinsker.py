r"""The exact constant in one solvable case: odd functions of a uniform score in a Sobolev ball.

Tokens uniform on the sphere of three dimensions, score the cosine of their angle: uniform on [-1, 1], and
given one token the scores with the others are independent. :math:`\varphi = \sum_k \theta_k \psi_k` with
the odd Legendre polynomials :math:`\psi_k = \sqrt{4k-1} P_{2k-1}`, and the class is the ellipsoid
:math:`\sum_k a_k^2 \theta_k^2 \le Q` with :math:`a_k^2 = ((2k-1) 2k)^\beta`: what the Laplace operator of
the sphere to the power :math:`\beta` does to :math:`y \mapsto \varphi(x^\top y)`.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pairint.result import Result
from pairint.theory.rates import parameter_price
from pairint.validation import check_floats, check_integer, check_real

__all__ = [
    "PinskerFilter",
    "SobolevBounds",
    "averaged_basis",
    "ball_information",
    "filtered_coefficients",
    "odd_legendre",
    "pinsker_constant",
    "pinsker_filter",
    "projection_factor",
    "sobolev_bounds",
    "sobolev_weights",
]

#: Coefficients of a filter, at most.
_MOST = 10_000_000


@dataclass(frozen=True)
class PinskerFilter:
    r"""The best linear filter over an ellipsoid, and the least favourable truth.

    Book: :doc:`/book/exact_constant`.

    Attributes
    ----------
    cut : float
        t: the factors are :math:`c_k = (1 - t a_k)_+`.
    factors : ndarray, shape (D,)
        The positive ones among them.
    variances : ndarray, shape (D,)
        :math:`\epsilon^2 (1/(t a_k) - 1)`, the squares of the least favourable coefficients; they
        exhaust Q.
    bias : float
        :math:`t^2 Q`, the largest squared bias over the ellipsoid.
    variance : float
        :math:`\epsilon^2 \sum c_k^2`.
    """

    cut: float
    factors: np.ndarray
    variances: np.ndarray
    bias: float
    variance: float

    @property
    def risk(self) -> float:
        r"""Their sum, :math:`\epsilon^2 \sum_k c_k`: the largest mean squared error over the ellipsoid."""
        return self.bias + self.variance

    @property
    def size(self) -> int:
        """D, the number of coefficients that are not set to zero."""
        return len(self.factors)


@dataclass(frozen=True, repr=False)
class SobolevBounds(Result):
    r"""Proved bounds of the minimax risk at a finite number of samples.

    Book: :doc:`/book/exact_constant`.

    Attributes
    ----------
    lower, upper : float
        No estimator has a smaller worst mean squared error, and one has at most this.
    limit : float
        Pinsker's value with its exact constant. The bounds of the book are asymptotic to it as M grows, for
        beta > 1/2; the ones computed here, with at most twelve blocks, up to less than half a percent.
    linear : float
        The same before the limit: the risk of the best filter in the Gaussian sequence model.
    n_coefficients : int
        D of the estimator of the upper bound.
    blocks : tuple of int
        Sizes of the blocks of the prior of the lower bound.
    threshold : float or None
        :math:`\lambda_0`: the estimator is zero unless all eigenvalues of the Gram matrix are at least this.
        None if the estimator zero has the better bound.
    """

    _units = (("output²", "lower upper limit linear"),)

    lower: float
    upper: float
    limit: float
    linear: float
    n_coefficients: int
    blocks: tuple[int, ...]
    threshold: float | None


def _check_smoothness(beta: float) -> float:
    """Return beta, checked: beyond 100 the weights leave the range of double precision."""
    return check_real("beta", beta, 0, 100, exclusive_minimum=True)


def sobolev_weights(n_coefficients: int, beta: float) -> np.ndarray:
    r"""Return :math:`a_k = ((2k-1) 2k)^{\beta/2}` for k = 1, ..., ``n_coefficients``."""
    n_coefficients = check_integer("n_coefficients", n_coefficients, 1)
    beta = _check_smoothness(beta)
    degree = 2.0 * np.arange(1, n_coefficients + 1) - 1
    return np.asarray((degree * (degree + 1)) ** (beta / 2))


def odd_legendre(u: Any, n_coefficients: int) -> np.ndarray:
    r"""Return the odd polynomials :math:`\psi_k = \sqrt{4k-1} P_{2k-1}`, orthonormal for a uniform score.

    Parameters
    ----------
    u : array
        Scores in [-1, 1], of any shape.
    n_coefficients : int
        D.

    Returns
    -------
    ndarray, shape (D,) + shape of ``u``
    """
    u = check_floats("u", u)
    n_coefficients = check_integer("n_coefficients", n_coefficients, 1)
    values = np.empty((n_coefficients, *u.shape))
    before, now = np.ones_like(u), u
    for k in range(1, n_coefficients + 1):
        values[k - 1] = math.sqrt(4 * k - 1) * now
        for degree in (2 * k - 1, 2 * k):
            before, now = now, ((2 * degree + 1) * u * now - degree * before) / (degree + 1)
    return values


def pinsker_filter(price: float, *, beta: float, energy: float) -> PinskerFilter:
    r"""Return the filter that is best in the worst case: coefficients observed with variance ``price``.

    Book: :doc:`/book/exact_constant`.

    Parameters
    ----------
    price : float
        :math:`\epsilon^2 > 0`; here :math:`\sigma^2 (N-1) / (MN)`.
    beta : float
        Smoothness, > 0 and at most 100.
    energy : float
        Q > 0: the weighted sum of the squared coefficients is at most Q.

    Notes
    -----
    t solves :math:`\epsilon^2 \sum_k a_k (1 - t a_k)_+ = t Q`.
    Source: Pinsker (1980).
    """
    price = check_real("price", price, 0, exclusive_minimum=True)
    energy = check_real("energy", energy, 0, exclusive_minimum=True)
    beta = _check_smoothness(beta)
    # Asymptotically so many coefficients count; the exact number is smaller by a few at most.
    scale = (
        math.log((2 * beta + 1) * (1 + 1 / beta)) + math.log(energy) - math.log(price) - beta * math.log(4)
    )
    if scale > (2 * beta + 1) * math.log(_MOST):
        raise ValueError(
            f"energy / price must leave at most {_MOST:,} coefficients at beta = {beta:g}, "
            f"got {energy:g} / {price:g}"
        )
    count = 16
    while True:
        a = sobolev_weights(count, beta)
        # If the first n count, 1/t = (Q / epsilon^2 + sum a^2) / sum a; they do while this exceeds a_n.
        inverse = (energy / price + np.cumsum(a**2)) / np.cumsum(a)
        counts = inverse > a
        if not counts[-1]:
            break
        count *= 2
    size = int(np.argmin(counts))
    a, inverse_cut = a[:size], float(inverse[size - 1])
    factors = 1 - a / inverse_cut
    return PinskerFilter(
        cut=1 / inverse_cut,
        factors=factors,
        variances=price * (inverse_cut / a - 1),
        bias=energy / inverse_cut**2,
        variance=price * float(np.sum(factors**2)),
    )


def pinsker_constant(beta: float) -> float:
    r"""Return Pinsker's constant P for this class.

    Book: :doc:`/book/exact_constant`.

    The minimax risk is asymptotic to :math:`P Q^{1/(2\beta+1)} \epsilon^{4\beta/(2\beta+1)}`, with P =
    :math:`(2\beta+1)^{1/(2\beta+1)} (\beta / (2\beta+2))^{2\beta/(2\beta+1)}`.
    """
    beta = _check_smoothness(beta)
    share = 1 / (2 * beta + 1)
    return float((2 * beta + 1) ** share * (beta / (2 * beta + 2)) ** (2 * beta * share))


def projection_factor(beta: float) -> float:
    """Return how much worse the best cut-off series is than the best filter, in the limit; above one."""
    beta = _check_smoothness(beta)
    share = 1 / (2 * beta + 1)
    # min over D of Q (2D)^(-2 beta) + epsilon^2 D, in units of Q^share epsilon^(2 - 2 share).
    return float((1 + 1 / (2 * beta)) * (2 * beta / 4**beta) ** share / pinsker_constant(beta))


@functools.lru_cache(maxsize=4096)
def ball_information(n: int) -> float:
    r"""Return the Fisher information of a coordinate under the least informative prior on the unit ball.

    It is :math:`4 z^2 / n` with z the first zero of the Bessel function of order n/2 - 1: the least integral
    of :math:`4 |\nabla f|^2 / n` over densities :math:`f^2` on the ball of n dimensions. For n = 1 the prior
    is cos^2 on [-1, 1] and the value pi^2. Divided by n it tends to one: on a ball of many dimensions a prior
    can be as uninformative as a Gaussian of the same mean square.

    Returns
    -------
    float
        Of one coordinate on a ball of radius R it is this over R^2.
    """
    from scipy.optimize import brentq
    from scipy.special import jv

    n = check_integer("n", n, 1)
    if n == 1:
        return math.pi**2
    order = n / 2 - 1
    # No zero below the order; the second zero is further than this (Qu and Wong's upper bound of the first).
    top = order + 1.8558 * order ** (1 / 3) + 1.0332 * order ** (-1 / 3) if order else 3.0
    zero = brentq(lambda x: jv(order, x), max(order, 1.0), top, xtol=1e-12 * top)
    return 4 * zero**2 / n


def _lower(price: float, beta: float, energy: float, best: PinskerFilter) -> tuple[float, tuple[int, ...]]:
    """Return the best bound over a grid of priors: how many coefficients, in how many blocks."""
    value = 0.0
    chosen: tuple[int, ...] = ()
    for share in np.geomspace(0.3, 1.5, 24):
        size = max(1, round(share * best.size))
        a = sobolev_weights(size + 1, beta)
        # The profile of the least favourable truth whose last coefficient is this one.
        profile = a[:size] * (a[size] - a[:size])
        for n_blocks in range(1, min(size, 12) + 1):
            edges = np.linspace(0, size, n_blocks + 1).round().astype(np.intp)
            starts, sizes = edges[:-1], np.diff(edges)
            radius = energy * np.add.reduceat(profile, starts) / profile.sum()
            information = np.array([ball_information(int(n)) for n in sizes]) / radius
            total = float(np.sum(1 / (1 / price + a[:size] ** 2 * np.repeat(information, sizes))))
            if total > value:
                value, chosen = total, tuple(int(n) for n in sizes)
    return value, chosen


def _upper(
    n_samples: int, n_tokens: int, beta: float, energy: float, best: PinskerFilter
) -> tuple[float, float | None]:
    """Return the best bound over a grid of thresholds, or that of the estimator zero."""
    size = best.size
    partners = n_tokens - 1
    second = (size * (2 * size + 1) + (partners - 1) * (size + 2)) / partners
    spread = second / n_samples
    grid = np.unique(np.append(1 - np.geomspace(1e-4, 0.5, 120), np.linspace(0.05, 0.5, 46)))
    failure = np.minimum(1.0, size * np.exp(-(1 - grid + grid * np.log(grid)) / spread))
    zero = energy / 2**beta
    level, least = grid[:, None], grid[None, :]
    values = np.where(
        level >= least,
        best.bias * (1 + math.sqrt(spread) / least) ** 2
        + best.variance * (1 / level + failure[:, None] / least)
        + zero * failure[None, :],
        np.inf,
    )
    i, j = np.unravel_index(int(values.argmin()), values.shape)
    return (float(values[i, j]), float(grid[j])) if values[i, j] < zero else (zero, None)


def sobolev_bounds(
    n_samples: int, *, beta: float, energy: float, n_tokens: int, noise_std: float
) -> SobolevBounds:
    r"""Bound the minimax risk over the odd functions of a Sobolev ball from both sides.

    Book: :doc:`/book/exact_constant`.

    For tokens uniform on the sphere of three dimensions, the score the cosine of their angle, Gaussian noise.
    With :math:`\epsilon^2 = \sigma^2 (N-1)/(MN)` the lower bound is, for blocks b of :math:`n_b` coefficients
    with energies :math:`q_b` that sum to Q,

    .. math:: \sum_b \sum_{k \in b} \frac{1}{\epsilon^{-2} + a_k^2\, 4 z_b^2 / (n_b q_b)},

    and the upper bound, for :math:`0 < \lambda_0 \le \lambda < 1`,
    :math:`\delta^2 = [D (2D+1) + (N-2)(D+2)] / ((N-1) M)` and
    :math:`p(\lambda) = D e^{-(1 - \lambda + \lambda \log \lambda) / \delta^2}`,

    .. math::

        t^2 Q \Big(1 + \frac{\delta}{\lambda_0}\Big)^2
        + \epsilon^2 \sum c_k^2 \Big(\frac{1}{\lambda} + \frac{p(\lambda)}{\lambda_0}\Big)
        + \frac{Q}{2^\beta} p(\lambda_0).

    Both are optimised over grids, each point of which is valid.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    beta, energy : float
        Smoothness, at most 100, and Q; both positive.
    n_tokens : int
        N >= 2.
    noise_std : float
        sigma > 0.

    Returns
    -------
    SobolevBounds

    Raises
    ------
    TypeError, ValueError
        If a parameter is outside its range.
    """
    n_samples, n_tokens = check_integer("n_samples", n_samples, 1), check_integer("n_tokens", n_tokens, 2)
    noise_std = check_real("noise_std", noise_std, 0, exclusive_minimum=True)
    energy = check_real("energy", energy, 0, exclusive_minimum=True)
    beta = _check_smoothness(beta)
    price = parameter_price(n_samples, n_tokens=n_tokens, noise_std=noise_std)
    best = pinsker_filter(price, beta=beta, energy=energy)
    lower, blocks = _lower(price, beta, energy, best)
    upper, threshold = _upper(n_samples, n_tokens, beta, energy, best)
    share = 1 / (2 * beta + 1)
    return SobolevBounds(
        lower=lower,
        upper=upper,
        limit=pinsker_constant(beta) * energy**share * price ** (2 * beta * share),
        linear=best.risk,
        n_coefficients=best.size,
        blocks=blocks,
        threshold=threshold,
    )


def averaged_basis(scores: Any, n_coefficients: int) -> np.ndarray:
    r"""Return :math:`F_k = \frac{1}{N-1} \sum_{j \ne i} \psi_k(U_{ij})` for every token.

    Parameters
    ----------
    scores : array, shape (M, N, N)
        Cosines between the tokens of a sample; the diagonal is not used.
    n_coefficients : int
        D.

    Returns
    -------
    ndarray, shape (D, M, N)
        Their products have the mean 1/(N - 1) if k is the same and 0 if not.
    """
    scores = check_floats("scores", scores, shape=(None, None, None))
    n_tokens = check_integer("the number of tokens in scores", scores.shape[1], 2)
    scores = check_floats("scores", scores, shape=(None, n_tokens, n_tokens))
    off = np.where(np.eye(n_tokens, dtype=bool), 0.0, scores)  # odd polynomials vanish at zero
    return np.asarray(odd_legendre(off, n_coefficients).sum(axis=3) / (n_tokens - 1))


def filtered_coefficients(gram: Any, moments: Any, factors: Any, threshold: float = 0.1) -> np.ndarray:
    r"""Return filtered least squares, :math:`c_k (\hat G^{-1} z)_k`; zero if the Gram matrix is too small.

    Parameters
    ----------
    gram : array, shape (D, D)
        :math:`\hat G = \frac{N-1}{MN} \sum F F^\top`, of mean I.
    moments : array, shape (D,) or (D, R)
        :math:`z = \frac{N-1}{MN} \sum F Y`, of one or several data sets on the same tokens.
    factors : array, shape (D,)
        Those of :func:`pinsker_filter`; ones for a cut-off series.
    threshold : float
        :math:`\lambda_0`, in (0, 1): the least eigenvalue of ``gram`` must be at least this.

    Returns
    -------
    ndarray, shape of ``moments``
    """
    factors = check_floats("factors", factors, shape=(None,))
    gram = check_floats("gram", gram, shape=(len(factors), len(factors)))
    moments = check_floats("moments", moments)
    if moments.ndim not in (1, 2) or len(moments) != len(factors):
        raise ValueError(
            f"moments must have shape ({len(factors)},) or ({len(factors)}, any), got {moments.shape}"
        )
    threshold = check_real("threshold", threshold, 0, 1, exclusive_minimum=True, exclusive_maximum=True)
    values, vectors = np.linalg.eigh(gram)
    if values[0] < threshold:
        return np.zeros_like(moments)
    solved = vectors @ ((vectors.T @ moments).T / values).T
    return np.asarray((factors * solved.T).T)
