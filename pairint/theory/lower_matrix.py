r"""What the matrix costs, from below: the price of its r(2d - r) free numbers.

Two families of hypotheses. Linear functions, :math:`g(x, y) = x^\top J y`, with matrices of rank r near a
fixed one: there is nothing nonparametric in them, and they show the price of the matrix alone. And fast waves
of the score, which are invisible until the matrix is known to the length of a wave: they show its logarithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pairint.result import Result
from pairint.theory.rates import holder_degree, matrix_dimension, parameter_price
from pairint.theory.setting import Setting
from pairint.validation import check_instance, check_real

__all__ = [
    "MatrixLowerBound",
    "WaveLowerBound",
    "linear_range",
    "matrix_lower_bound",
    "wave_correlation",
    "wave_lower_bound",
]

#: Waves of matrices this far apart, in units of V^2 over the frequency, have correlations of at most 1/6.
_APART = 26.0


@dataclass(frozen=True, repr=False)
class MatrixLowerBound(Result):
    """A proved lower bound of the minimax risk, from the matrix alone.

    Book: :doc:`/book/lower_bound_matrix`.

    Attributes
    ----------
    value : float
        No estimator has a smaller worst mean squared error in L2(rho).
    parametric : float
        ``sigma^2 r (2d - r) (N - 1) / (M N)``: the value for M large.
    centre, width : float
        The hypotheses: a first block within ``width`` of ``centre`` times I, small blocks beside it. Infinite
        if the class allows linear functions of any slope.
    tilt : float
        zeta: how far the fourth block of the matrices bends, 0 for a plane.
    """

    _units = (
        ("output²", "value parametric"),
        ("output", "centre width"),
    )

    value: float
    parametric: float
    centre: float
    width: float
    tilt: float

    def __float__(self) -> float:
        return self.value


def linear_range(setting: Setting) -> float:
    r"""Return B_lin such that :math:`x^\top J y` with modulus at most B_lin is in the class of the setting.

    It is :math:`\varphi(u) = (B_{lin} / \bar a) u` of a score bounded by abar: B_lin is B, and for
    :math:`\beta \le 1` at most :math:`L \bar a (2 \bar a)^{\beta - 1}`. For larger beta a linear function has
    Hölder constant 0: without a bound B, any slope is allowed.
    """
    if setting.beta > 1:
        return setting.sup_bound
    abar = setting.require_score_bound("linear_range")
    return min(setting.sup_bound, setting.holder_constant * abar * (2 * abar) ** (setting.beta - 1))


def matrix_lower_bound(
    n_samples: int, setting: Setting, *, token_bound: float, coordinate_bound: float | None = None
) -> MatrixLowerBound:
    r"""Bound the minimax risk over linear interactions from below: the price of the matrix.

    Book: :doc:`/book/lower_bound_matrix`.

    For tokens that are i.i.d. given some Theta, with mean zero and covariance I given it, and norm at most
    R_out; Gaussian noise. The hypotheses have the blocks :math:`J_{11}, J_{12}, J_{21}` and
    :math:`J_{21} J_{11}^{-1} J_{12}`; the entries of :math:`J_{11} - a_0 I, J_{12}, J_{21}` are at most t in
    modulus. By van Trees' inequality, for all :math:`a_0 > rt > 0` with all of them in the class,

    .. math::

        \inf_{\hat g} \sup_J E\|\hat g - g_J\|^2_{L^2(\rho)} \ge
        \frac{r (2d - r)}{(1 + \zeta^2) M N / (\sigma^2 (N-1)) + \pi^2 / t^2},
        \qquad \zeta = \frac{t \sqrt{r (d - r)}}{a_0 - rt} \le 1.

    It is maximised over a grid of :math:`t / a_0`, each point of which is valid. If the class does not bound
    linear functions, t may be as large as one likes, and the price of all numbers is the bound. For few
    samples, below the size that the page states, the second term of the denominator rules and the bound is
    far below the price.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        All of it counts; the noise must be positive.
    token_bound : float
        R_out > 0, the largest norm of a token; at least ``sqrt(d)``, since the covariance is I.
    coordinate_bound : float, optional
        The largest modulus of a coordinate, at least 1, if that is known: for cubes it makes the bound hold
        from fewer samples on.

    Returns
    -------
    MatrixLowerBound
    """
    check_instance("setting", setting, Setting)
    d, rank = setting.require_matrix("matrix_lower_bound")
    # Rounding of a computed norm is forgiven.
    token_bound = check_real("token_bound", token_bound, math.sqrt(d) * (1 - 1e-12))
    reach = linear_range(setting)
    price = parameter_price(n_samples, n_tokens=setting.n_tokens, noise_std=setting.require_noise())
    numbers = matrix_dimension(d, rank)
    if coordinate_bound is not None:
        coordinate_bound = check_real("coordinate_bound", coordinate_bound, 1 - 1e-12)
    if reach == math.inf:
        return MatrixLowerBound(numbers * price, numbers * price, math.inf, math.inf, 0.0)
    # Everything scales with a_0: share = t / a_0. The largest a_0 that the class allows is best.
    share = np.geomspace(1e-8, 1 / rank, 2000, endpoint=False)
    tilt = share * math.sqrt(rank * (d - rank)) / (1 - rank * share)
    # |x' J y| <= R_out^2 ||J|| with J = [I; J_21 J_11^-1] [J_11, J_12], in units of a_0.
    norm = np.sqrt(1 + tilt**2) * (1 + rank * share + share * math.sqrt(rank * (d - rank)))
    size = token_bound**2 * norm
    if coordinate_bound is not None:
        # |x' J y| <= q^2 sum |J_ab|; an entry of the fourth block is at most r t^2 / (a_0 - r t).
        fourth = (d - rank) ** 2 * rank * share**2 / (1 - rank * share)
        size = np.minimum(size, coordinate_bound**2 * (rank + numbers * share + fourth))
    width = share * reach / size
    value = np.where(tilt <= 1, numbers / ((1 + tilt**2) / price + (math.pi / width) ** 2), 0.0)
    best = int(value.argmax())
    return MatrixLowerBound(
        value=float(value[best]),
        parametric=numbers * price,
        centre=float(width[best] / share[best]),
        width=float(width[best]),
        tilt=float(tilt[best]),
    )


@dataclass(frozen=True, repr=False)
class WaveLowerBound(Result):
    """A proved lower bound of the minimax risk, from waves of the score that are too fast to be found.

    Book: :doc:`/book/lower_bound_matrix`.

    Attributes
    ----------
    value : float
        No estimator has a smaller worst mean squared error in L2(rho).
    height, frequency : float
        The hypotheses: ``height sin(frequency x'Ay)`` for many matrices A.
    log_packing : float
        Logarithm of the number of matrices (at least).
    """

    _units = (
        ("output²", "value"),
        ("output", "height"),
        ("1/score", "frequency"),
        ("nat", "log_packing"),
    )

    value: float
    height: float
    frequency: float
    log_packing: float

    def __float__(self) -> float:
        return self.value


def wave_correlation(frequency: float, norm: float, *, variation: float) -> float:
    r"""Bound :math:`|E \cos(\omega x^\top J y)|` for independent tokens by :math:`z (1 + \log(1/z))`.

    Here :math:`z = V^2 / (\omega \|J\|)`; the bound is 1 if that is at least 1.

    Parameters
    ----------
    frequency, norm : float
        omega > 0, and the operator norm of J, > 0.
    variation : float
        V > 0: every one-dimensional projection of a token has a density of total variation at most V.
    """
    frequency = check_real("frequency", frequency, 0, exclusive_minimum=True)
    norm = check_real("norm", norm, 0, exclusive_minimum=True)
    variation = check_real("variation", variation, 0, exclusive_minimum=True)
    z = min(1.0, variation**2 / (frequency * norm))
    return z * (1 - math.log(z))


def wave_lower_bound(
    n_samples: int,
    setting: Setting,
    *,
    token_bound: float,
    variation: float,
    coordinate_bound: float | None = None,
) -> WaveLowerBound:
    r"""Bound the minimax risk from below by the number of matrices that a fast wave can tell apart.

    Book: :doc:`/book/lower_bound_matrix`.

    For tokens that are i.i.d. given some Theta with a symmetric law of norm at most R_out, whose projections
    on lines have, given Theta, densities of total variation at most V; Gaussian noise. By Fano's inequality,
    for all frequencies omega and heights a with :math:`a \sin(\omega u)` in the class,

    .. math::

        \inf_{\hat g} \sup_A E\|\hat g - g_A\|^2_{L^2(\rho)} \ge
        \frac{a^2}{8} \Big( 1 - \frac{7 n a^2 / 24 + \log 2}{H} \Big), \quad
        H = rd \log \frac{\omega \bar a}{78 V^2 S}, \quad n = \frac{M N}{\sigma^2 (N-1)},

    with :math:`S = \min\{R_{out}^2, q^2 \sqrt{rd}\}`. It is maximised over a and over a grid of omega. For M
    large it is of the order :math:`\sigma^2 rd \log(M) / M`: the logarithm of the upper bounds is real. For
    few samples it is below :func:`matrix_lower_bound`, or zero.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        All of it counts; the noise must be positive.
    token_bound : float
        R_out > 0.
    variation : float
        V > 0: 1 for spheres of radius ``sqrt(d)``, d >= 3; ``sqrt(2)`` for symmetric laws with a log-concave
        density and covariance I, such as cubes.
    coordinate_bound : float, optional
        q > 0, the largest modulus of a coordinate, if that is known.

    Returns
    -------
    WaveLowerBound
    """
    check_instance("setting", setting, Setting)
    d, rank = setting.require_matrix("wave_lower_bound")
    reach = setting.require_score_bound("wave_lower_bound")
    token_bound = check_real("token_bound", token_bound, 0, exclusive_minimum=True)
    size = token_bound**2
    # A density on an interval of length 2 R is at least 1 / (2 R) somewhere, and rises and falls by that.
    variation = check_real("variation", variation, (1 - 1e-12) / token_bound)
    if coordinate_bound is not None:
        coordinate_bound = check_real("coordinate_bound", coordinate_bound, 0, exclusive_minimum=True)
        size = min(size, coordinate_bound**2 * math.sqrt(rank * d))
    price = parameter_price(n_samples, n_tokens=setting.n_tokens, noise_std=setting.require_noise())
    # The matrices fill a ball of radius a_0 / 2 in operator norm, 2 abar / (3 S) = a_0.
    slowest = 3 * _APART * variation**2 * size / reach
    log_ratio = np.geomspace(1e-3, 300, 4000)
    frequency = slowest * np.exp(log_ratio)
    log_packing = rank * d * log_ratio
    alpha = setting.beta - holder_degree(setting.beta)
    highest = 2 ** (alpha - 1) * setting.holder_constant * frequency**-setting.beta
    square = np.minimum(setting.sup_bound, highest) ** 2
    square = np.minimum(square, np.maximum(log_packing - math.log(2), 0.0) * 12 / 7 * price)
    value = square / 8 * (1 - (7 / 24 * square / price + math.log(2)) / log_packing)
    best = int(value.argmax())
    return WaveLowerBound(
        value=float(max(value[best], 0.0)),
        height=float(math.sqrt(square[best])),
        frequency=float(frequency[best]),
        log_packing=float(log_packing[best]),
    )
