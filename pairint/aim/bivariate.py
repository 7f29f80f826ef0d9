r"""The bivariate normal distribution function, its derivatives and their ratios in the tails.

For standard normals of correlation :math:`c`, :math:`\Phi_2(x, y; c) = P(X < x, Y < y)`.
Its derivative in :math:`x` is :math:`\varphi(x)\Phi((y - cx)/\sqrt{1-c^2})`; its mixed second
derivative is the density :math:`\varphi_2(x, y; c)`. Arrays may be NumPy or CuPy.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from pairint.backend import array_namespace, is_cupy

__all__ = ["bivariate_log_cdf", "bivariate_log_density", "bivariate_scores", "normal_functions"]

_TAIL = 1e-7  # below this probability the plain formula has lost digits when the correlation is negative


def normal_functions(x: Any) -> Any:
    """Return ``(ndtr, log_ndtr)`` of SciPy or CuPy, whichever ``x`` belongs to."""
    if is_cupy(x):
        from cupyx.scipy import special
    else:
        from scipy import special
    return special.ndtr, special.log_ndtr


@functools.cache
def _legendre(n: int) -> Any:
    """Return the Gauss-Legendre nodes and weights on (0, 1)."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return (nodes + 1) / 2, weights / 2


@functools.cache
def _laguerre(n: int) -> Any:
    nodes, weights = np.polynomial.laguerre.laggauss(n)
    return nodes, np.log(weights)


def bivariate_log_cdf(x: Any, y: Any, correlation: Any) -> Any:
    r"""Return the logarithm of the distribution function :math:`\Phi_2(x, y; c)`, accurate also in the tails.

    Parameters
    ----------
    x, y : array, broadcastable
    correlation : array or float, broadcastable
        In absolute value at most 1/2 (the accuracy of the fixed quadratures relies on it).

    Returns
    -------
    array
        Absolute error about 1e-13, wherever the probability lies (it may underflow).

    Notes
    -----
    Plackett's identity, :math:`\partial\Phi_2/\partial c = \varphi_2`, integrated over
    :math:`c = \sin\theta` by Gauss-Legendre (Drezner and Wesolowsky, 1990). For negative correlations
    in the lower tail the sum cancels; there the integral over the smaller variable is used, in logs.
    """
    xp = array_namespace(x, y, correlation)
    x, y, correlation = xp.broadcast_arrays(xp.asarray(x), xp.asarray(y), xp.asarray(correlation))
    ndtr, _ = normal_functions(x)
    angle = xp.arcsin(correlation)
    squares, product = -0.5 * (x * x + y * y), x * y
    total = xp.zeros(x.shape, dtype=squares.dtype)
    for node, weight in zip(*_legendre(10), strict=True):
        sine = xp.sin(angle * node)
        total += weight * xp.exp((squares + product * sine) / (1 - sine * sine))
    p = ndtr(x) * ndtr(y) + angle * total / (2 * math.pi)
    tail = p < _TAIL
    log_p = xp.log(xp.where(tail, 1.0, p))
    if bool(tail.any()):
        log_p[tail] = _log_tail(x[tail], y[tail], correlation[tail])
    return log_p


def _log_tail(x: Any, y: Any, correlation: Any) -> Any:
    r"""Return the log of the distribution function in its lower tail.

    With :math:`u` the smaller argument and :math:`v` the other,
    :math:`\Phi_2 = \int_0^\infty \varphi(u - t)\,\Phi((v - c(u - t))/s)\,dt`; the exponential decay of
    the integrand is factored out and the rest is integrated by Gauss-Laguerre.
    """
    xp = array_namespace(x, y)
    _, log_ndtr = normal_functions(x)
    u, v = xp.minimum(x, y), xp.maximum(x, y)
    s = xp.sqrt(1 - correlation**2)

    def log_integrand(t: Any) -> Any:
        return -0.5 * (u - t) ** 2 + log_ndtr((v - correlation * (u - t)) / s)

    at_end = log_integrand(xp.zeros(u.shape, dtype=u.dtype))
    argument = (v - correlation * u) / s
    hazard = xp.exp(-0.5 * argument**2 - log_ndtr(argument)) / math.sqrt(2 * math.pi)
    rate = xp.maximum(-u - correlation * hazard / s, 1.0)
    total = xp.zeros(u.shape, dtype=u.dtype)
    for node, log_weight in zip(*_laguerre(24), strict=True):
        total += xp.exp(log_integrand(node / rate) - at_end + node + log_weight)
    return at_end + xp.log(total / rate) - 0.5 * math.log(2 * math.pi)


def bivariate_log_density(x: Any, y: Any, correlation: Any) -> Any:
    r"""Return the logarithm of the density :math:`\varphi_2(x, y; c) = \partial_x \partial_y \Phi_2`."""
    xp = array_namespace(x, y)
    determinant = 1 - correlation * correlation
    exponent = -0.5 * (x * x + y * y - 2 * correlation * x * y) / determinant
    return exponent - 0.5 * xp.log(determinant) - math.log(2 * math.pi)


def bivariate_scores(x: Any, y: Any, correlation: Any) -> Any:
    r"""Return the logarithm of the distribution function and its two derivatives.

    Returns
    -------
    log_p, score_x, score_y : array
        :math:`\log\Phi_2`, :math:`\partial_x\log\Phi_2` and :math:`\partial_y\log\Phi_2`.
    """
    xp = array_namespace(x, y, correlation)
    _, log_ndtr = normal_functions(x)
    s = xp.sqrt(1 - correlation * correlation)
    log_p = bivariate_log_cdf(x, y, correlation)

    def score(u: Any, v: Any) -> Any:
        log_derivative = -0.5 * u * u - 0.5 * math.log(2 * math.pi) + log_ndtr((v - correlation * u) / s)
        return xp.exp(log_derivative - log_p)

    return log_p, score(x, y), score(y, x)
