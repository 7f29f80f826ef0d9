r"""How the range of an average of g spreads: the fourth moments behind the upper bound.

A sample shows averages over N - 1 partners. What such an average can be is as wide as the range of g; what
it usually is, is not. :func:`range_factor` says by how much, for the proof of
:func:`pairint.theory.upper_bound`.
"""

from __future__ import annotations

import math

from pairint.validation import check_integer, check_real

__all__ = ["exponential_rate", "range_factor"]


def range_factor(n_tokens: int, *, centred: bool = False) -> float:
    r"""Return :math:`\omega_N`: the squared range of h counts :math:`\omega_N / (N-1)` times in an average.

    For tokens that are i.i.d. given some Theta and :math:`|h| \le \Delta`, let v be the mean over i of
    :math:`R_h[X]_i^2`. Then, for every :math:`\mu > 0`,

    .. math::

        E e^{-\mu v} \le \exp\Big\{ -\frac{1 - e^{-\mu w}}{w} \cdot \frac{\|h\|^2_{L^2(\rho)}}{N-1} \Big\},
        \qquad w = \frac{\omega_N \Delta^2}{N-1},

    with :math:`\omega_N = 3 - 2/(N-1)` if h is centred, and else
    :math:`\min\{N-1,\ 3 + 6 (N-1)^{-2/3} + 4/(N-1)\}`.

    Parameters
    ----------
    n_tokens : int
        N >= 2.
    centred : bool
        Whether E[h(X_1, X_2) | X_1, Theta] = 0: odd functions of the score and symmetric tokens.
    """
    partners = check_integer("n_tokens", n_tokens, 2) - 1
    if centred:
        return 3 - 2 / partners
    return min(float(partners), 3 + 6 * partners ** (-2 / 3) + 4 / partners)


def exponential_rate(mu: float, *, envelope: float, n_tokens: int, centred: bool = False) -> float:
    r"""Return c with :math:`E e^{-\mu v} \le e^{-c \|h\|^2}` for all h of modulus at most Delta.

    Parameters
    ----------
    mu : float
        > 0.
    envelope : float
        Delta > 0.
    n_tokens, centred
        As in :func:`range_factor`.
    """
    mu = check_real("mu", mu, 0, exclusive_minimum=True)
    envelope = check_real("envelope", envelope, 0, exclusive_minimum=True)
    spread = range_factor(n_tokens, centred=centred) * envelope**2
    return -math.expm1(-mu * spread / (n_tokens - 1)) / spread
