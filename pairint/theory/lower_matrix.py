r"""What the matrix costs, from below: no estimator learns r(2d - r) numbers for less.

The hypotheses are linear, :math:`g(x, y) = x^\top J y`, with matrices of rank r near a fixed one. There is
nothing nonparametric in them: what they show is the price of the matrix alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pairint.theory.rates import matrix_dimension
from pairint.theory.setting import Setting
from pairint.validation import check_integer, check_real

__all__ = ["MatrixLowerBound", "linear_range", "matrix_lower_bound"]


@dataclass(frozen=True)
class MatrixLowerBound:
    """A proved lower bound of the minimax risk, from the matrix alone.

    Book: :doc:`/book/lower_bound_matrix`.

    Attributes
    ----------
    value : float
        No estimator has a smaller worst mean squared error in L2(rho).
    parametric : float
        ``sigma^2 r (2d - r) (N - 1) / (M N)``: the value for M large.
    centre, width : float
        The hypotheses: singular values near ``centre``, entries within ``width`` of it.
    tilt : float
        zeta: how far the fourth block of the matrices bends, 0 for a plane.
    """

    value: float
    parametric: float
    centre: float
    width: float
    tilt: float

    def __float__(self) -> float:
        return self.value


def linear_range(setting: Setting) -> float:
    r"""Return B_1 such that :math:`x^\top J y` with modulus at most B_1 is in the class of the setting.

    It is :math:`\varphi(u) = (B_1 / \bar a) u` of a score bounded by abar: B_1 is B, and for
    :math:`\beta \le 1` at most :math:`L \bar a (2 \bar a)^{\beta - 1}`. For larger beta a linear function has
    Hölder constant 0.
    """
    reach = setting.sup_bound
    if setting.beta > 1:
        reach = setting.require_sup_bound("linear functions in a class with beta > 1")
    else:
        abar = setting.require_score_bound("linear_range")
        reach = min(reach, setting.holder_constant * abar * (2 * abar) ** (setting.beta - 1))
    return reach


def matrix_lower_bound(n_samples: int, setting: Setting, *, token_bound: float) -> MatrixLowerBound:
    r"""Bound the minimax risk from below by the price of the matrix.

    Book: :doc:`/book/lower_bound_matrix`.

    For tokens that are i.i.d. given some Theta, with mean zero and covariance I given it, and norm at most R;
    Gaussian noise. The hypotheses have the blocks :math:`J_{11}, J_{12}, J_{21}` and
    :math:`J_{21} J_{11}^{-1} J_{12}`; the entries of :math:`J_{11} - cI, J_{12}, J_{21}` are at most t in
    modulus. By van Trees' inequality, for every c > rt > 0 with all of them
    in the class,

    .. math::

        \inf_{\hat g} \sup_g E\|\hat g - g\|^2_{L^2(\rho)} \ge
        \frac{r (2d - r)}{(1 + \zeta^2) M N / (\sigma^2 (N-1)) + \pi^2 / t^2},
        \qquad \zeta = \frac{t \sqrt{r (d - r)}}{c - rt} \le 1.

    It is maximised over a grid of (c, t), each point of which is valid.

    Parameters
    ----------
    n_samples : int
        M >= 1.
    setting : Setting
        All of it counts; the noise must be positive, and the class must bound linear functions:
        ``sup_bound`` finite, or beta at most 1.
    token_bound : float
        R > 0, the largest norm of a token; at least ``sqrt(d)``, since the covariance is I.

    Returns
    -------
    MatrixLowerBound
        Its value is 0 if no matrix near the rank fits into the class at any size.
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    noise_std, n_tokens = setting.require_noise(), setting.n_tokens
    d, rank = setting.require_matrix("matrix_lower_bound")
    # Rounding of a computed norm is forgiven.
    token_bound = check_real("token_bound", token_bound, math.sqrt(d) * (1 - 1e-12))
    reach = linear_range(setting)
    operator = reach / token_bound**2  # operator norms up to it are in the class
    information = n_samples * n_tokens / (noise_std**2 * (n_tokens - 1))
    numbers = matrix_dimension(d, rank)
    # Everything scales with c: share = t / c. The largest c that the norm allows is best.
    share = np.geomspace(1e-8, 1 / rank, 2000, endpoint=False)
    tilt = share * math.sqrt(rank * (d - rank)) / (1 - rank * share)
    # Norm of J = [I; J_21 J_11^-1] [J_11, J_12], in units of c.
    norm = np.sqrt(1 + tilt**2) * (1 + rank * share + share * math.sqrt(rank * (d - rank)))
    width = share * operator / norm
    value = np.where(tilt <= 1, numbers / ((1 + tilt**2) * information + (math.pi / width) ** 2), 0.0)
    best = int(value.argmax())
    return MatrixLowerBound(
        value=float(value[best]),
        parametric=numbers / information,
        centre=float(width[best] / share[best]),
        width=float(width[best]),
        tilt=float(tilt[best]),
    )
