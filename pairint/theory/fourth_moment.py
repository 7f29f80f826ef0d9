r"""How the range of an average of g spreads: the fourth moments behind the upper bounds.

A sample shows averages over N - 1 partners. What such an average can be is as wide as the range of g; what
it usually is, is not. :func:`range_factor` says by how much, for one function (in the proof of
:func:`pairint.theory.upper_bound`) and for a space of them (:func:`pairint.theory.oracle_upper_bound`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pairint.validation import check_integer

__all__ = ["lower_tail_exponent", "range_factor", "size_bias_rate"]


def range_factor(n_tokens: int, *, centred: bool = False) -> float:
    r"""Return :math:`\omega_N`: the squared range of h counts :math:`\omega_N / (N-1)` times in an average.

    For tokens that are i.i.d. given some Theta and :math:`|h| \le \Delta`, let v be the mean over i of
    :math:`R_h[X]_i^2`. Then, for every :math:`\mu > 0`,

    .. math::

        E e^{-\mu v} \le \exp\Big\{ -\frac{1 - e^{-\mu w}}{w} \cdot \frac{\|h\|^2_{L^2(\rho)}}{N-1} \Big\},
        \qquad w = \frac{\omega_N \Delta^2}{N-1},

    with :math:`\omega_N = 3 - 2/(N-1)` if h is centred, and else
    :math:`\min\{N-1,\ 3 + 6 (N-1)^{-2/3} + 4/(N-1)\}`. The first is that of Gram matrices of a centred
    space, too: see :doc:`/book/upper_bound_known_matrix`.

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


def size_bias_rate(mu: Any, ratio: float) -> Any:
    r"""Return :math:`(1 - e^{-\mu w}) / w`, at most :math:`(1 - E e^{-\mu v}) / E v` if E v^2 <= w E v.

    For v at most w it is the slope of the chord of the exponential. Source: the lemma on size bias in
    :doc:`/book/upper_bound_learned`.

    Parameters
    ----------
    mu : float or ndarray
        > 0.
    ratio : float
        w > 0.
    """
    return -np.expm1(-mu * ratio) / ratio


def lower_tail_exponent(loss: Any) -> Any:
    r"""Return :math:`\xi(\zeta) = \zeta + (1-\zeta) \log(1-\zeta)`, that of lost eigenvalues.

    Let S be an average of M independent copies of a random positive D x D matrix Z with :math:`E Z = I` and
    :math:`E Z^2 \preceq w I`. Its smallest eigenvalue is below :math:`1 - \zeta` with probability at most
    :math:`D e^{-\xi(\zeta) M / w}`. The matrix Chernoff inequality is the case :math:`Z \preceq w I`.

    Parameters
    ----------
    loss : float or ndarray
        zeta, in (0, 1).

    Notes
    -----
    Source: the lemma on lower tails in :doc:`/book/upper_bound_known_matrix`; it is
    :math:`\sup_\mu \{(1 - e^{-\mu}) - \mu (1 - \zeta)\}`, of :func:`size_bias_rate`.
    """
    return loss + (1 - loss) * np.log1p(-loss)
