r"""What other weights do to an output of attention, and where a polynomial of the score is positive.

Weights :math:`w_j` and :math:`w'_j`, all positive, give two means of the same values. With
:math:`\omega = \max_j \log (w'_j / w_j) - \min_j \log(w'_j / w_j)` the means differ by at most
:math:`\tanh(\omega / 4)` times the largest distance of two values, and no smaller factor will do.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace
from pairint.validation import check_floats, check_integer, check_real

__all__ = ["attention_error_bound", "smallest_value", "taylor_coefficients", "weight_oscillation"]


def attention_error_bound(oscillation: Any, diameter: Any = 1.0) -> Any:
    r"""Return how far an output of attention can move if its weights change: :math:`D \tanh(\omega / 4)`.

    Book: :doc:`/book/polynomial_attention`.

    Parameters
    ----------
    oscillation : array_like
        The oscillation of the log-ratio of the weights over a row, at least 0: see
        :func:`weight_oscillation`. If all relative errors of the weights are at most eps, it is at most
        ``log((1 + eps) / (1 - eps))``.
    diameter : array_like
        The largest distance of two values in the row, at least 0.

    Returns
    -------
    array
        Attained, for every oscillation.

    Examples
    --------
    Two values, one apart; the weights 1 and 1 become 1 and 4.

    >>> round(float(attention_error_bound(np.log(4.0))), 9), round(abs(4 / 5 - 1 / 2), 9)
    (0.333333333, 0.3)
    """
    oscillation = check_floats("oscillation", oscillation)
    diameter = check_floats("diameter", diameter)
    for name, value in (("oscillation", oscillation), ("diameter", diameter)):
        if bool((value < 0).any()):
            raise ValueError(f"{name} must be >= 0, got {float(value.min()):.3g}")
    return array_namespace(oscillation).tanh(oscillation / 4) * diameter


def weight_oscillation(weights: Any, others: Any) -> Any:
    """Return the oscillation over the last axis of the logarithm of the ratio of two arrays of weights.

    Book: :doc:`/book/polynomial_attention`.

    A factor of a row changes nothing: this is the projective distance of Hilbert between the two rows.

    Parameters
    ----------
    weights, others : array_like, shape (..., N)
        Positive.

    Returns
    -------
    array, shape (...)
    """
    weights = check_floats("weights", weights)
    if weights.ndim < 1 or 0 in weights.shape:
        raise ValueError(f"weights must have shape (..., N), not empty, got {tuple(weights.shape)}")
    others = check_floats("others", others, weights.shape)
    for name, value in (("weights", weights), ("others", others)):
        if not bool((value > 0).all()):
            raise ValueError(f"{name} must be positive, got {float(value.min()):.3g}")
    ratio = array_namespace(weights).log(weights) - array_namespace(others).log(others)
    return ratio.max(axis=-1) - ratio.min(axis=-1)


def taylor_coefficients(degree: int, centre: float = 0.0) -> NDArray[np.float64]:
    r"""Return Taylor's polynomial of exp at ``centre``, in powers of its argument, over :math:`e^{c}`.

    Book: :doc:`/book/polynomial_attention`.

    Parameters
    ----------
    degree : int
        From 0 to 32.
    centre : float
        From -100 to 100.

    Returns
    -------
    ndarray, shape (degree + 1,)
        The constant first. Of an even degree it is positive everywhere.
    """
    degree = check_integer("degree", degree, 0, 32)
    centre = check_real("centre", centre, -100, 100)
    value = np.zeros(1)
    for m in range(degree, -1, -1):
        value = np.convolve(value, [-centre, 1.0])
        value[0] += 1 / math.factorial(m)
    return value[: degree + 1]


def smallest_value(coefficients: Any) -> float:
    """Return the smallest value of a polynomial on the line, minus infinity if there is none.

    Book: :doc:`/book/polynomial_attention`.

    Parameters
    ----------
    coefficients : array_like, shape (degree + 1,)
        The constant first.

    Returns
    -------
    float
        The least of the values at the zeros of the derivative. Exact up to the rounding of these zeros.
    """
    a = check_floats("coefficients", coefficients, (None,))
    if not len(a):
        raise ValueError("coefficients must have at least one entry, got none")
    a = np.trim_zeros(np.asarray(a, dtype=float), "b")
    if len(a) <= 1:
        return float(a.sum())
    if len(a) % 2 == 0 or a[-1] < 0:
        return -math.inf
    slope = np.polynomial.polynomial.polyder(a)
    zeros = np.roots(slope[::-1])
    # A double zero may come out as a pair with small imaginary parts: the real parts are tried as well.
    return float(np.polynomial.polynomial.polyval(zeros.real, a).min())
