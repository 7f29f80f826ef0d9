r"""Whether the labels can be believed together with the error that an algorithm of message passing claims.

The algorithm measures the information K in its scores, takes :math:`\Delta = 1/(\alpha K)` for its noise and
the response to that noise for its error V. All three are right if V was. If V is a share :math:`r < 1` of the
true error R, labels contradict their predictions, and contradicted labels have large scores: where they are
near to linear in the indices, :math:`K = \kappa R/V^2` in the place of :math:`\kappa/V`. Then

- the next claim is :math:`s\,r\,V`, where :math:`s \le 1` is the factor by which an iteration that is right
  lowers its error;
- the estimate goes only a share r of its way to the truth, so that the next error is
  :math:`(1-r)^2 R + s\,r\,V`.

With the averages of damping, of weight :math:`\gamma`, the ratio r of the two grows if and only if
:math:`\gamma(1+s)r^2 - (2+s)r + 1 < 0`. So **a claim below the smaller root feeds on itself**: r falls faster
and faster, the estimate stands still, far from the truth, and the claim goes to zero. The root falls with s;
at s = 1 it is :math:`1/c`,

.. math:: c(\gamma) = \frac{3 + \sqrt{9 - 8\gamma}}{2} ,

which is 2 without damping and 3 with much: no claim below R/c can recover, whatever s, and damping lets
recover more.

Whether V is below R/c the labels can tell, without the truth: at the error c V their scores are worth
:math:`K(q, cV)` on average if R = c V (Nishimori), less if R is smaller, more if it is larger. What they can
not tell is an error that changes no label (the scale of a matrix whose labels have none), or that of another
matrix which gives the same labels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import bdtrc, stdtrit

from pairint.aim.channels import Channel

__all__ = ["CHANCE", "NEGLIGIBLE", "beyond_repair", "contradiction", "refusable"]

#: Errors below this are as good as zero.
NEGLIGIBLE = 1e-3
#: Chance that the sampled scores refuse an error that is understated by the very factor c. One that is right
#: is far inside.
CHANCE = 1e-3
#: Multiples of the mean that are looked at: 2, 4, ..., a million.
_DOUBLINGS = 20


def beyond_repair(gamma: float) -> float:
    r"""Return the factor :math:`c(\gamma)` from which on an understated error falls for ever.

    Parameters
    ----------
    gamma : float
        Weight of a new estimate, in (0, 1].
    """
    return 0.5 * (3 + math.sqrt(9 - 8 * gamma))


def refusable(error: float, gamma: float) -> float:
    """Return the error at which labels are asked whether they refuse the one that is claimed."""
    return beyond_repair(gamma) * max(error, NEGLIGIBLE)


def contradiction(worth: Any, q: float, error: float, channel: Channel, strange: bool = False) -> str:
    r"""Say by how much the scores are too large at an error; empty where they may be as large as they are.

    Parameters
    ----------
    worth : array (n,)
        Weighted squares of the scores of the labels at ``error``, whose mean is the measured information.
    q : float
        Variance of the predictions.
    error : float
        The error at which the labels were scored: what :func:`refusable` returns.
    channel : Channel
    strange : bool
        Whether the labels are unlikely at this error in another way (:meth:`Channel.are_strange`).
    """
    n = len(worth)
    if n < 2 or not math.isfinite(q):  # the iteration has gone to infinity: no need of another witness
        return ""
    measured = float(worth.mean())
    spread = math.sqrt(float(((worth - measured) ** 2).sum()) / (n - 1) / n)
    expected, uncertain = channel.information_here(q, error)
    limit = -float(stdtrit(n - 1, CHANCE / 2))
    most = expected + limit * uncertain
    if measured > expected + limit * math.hypot(spread, uncertain) or _too_many(worth, most):
        times = f"{measured / expected:.2g} times" if expected > 0 else "above"
        what = f"their scores are {times} what they can be"
    elif strange:
        what = "too many of them are met by no draw"
    else:
        return ""
    return (
        f"the labels refuse the error that it believes (even at {error:.2g} {what}); try a smaller damping, "
        "or a start nearer to the truth"
    )


def _too_many(worth: Any, most: float) -> bool:
    """Say whether more labels are worth many times ``most`` than can be, if that is their mean (Markov).

    A few labels that the estimate has fitted, or fails, by far make the mean square a poor witness. That a
    label is worth m times the mean has a chance of 1/m at most, whatever the law.
    """
    n = len(worth)
    if not most > 0:
        return bool((worth > 0).any())
    times = 2.0 ** np.arange(1, _DOUBLINGS + 1)
    counts = np.array([int((worth > m * most).sum()) for m in times])
    return bool((bdtrc(counts - 1.0, n, 1 / times)[counts > 0] < CHANCE / 2 / _DOUBLINGS).any())
