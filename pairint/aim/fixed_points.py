r"""All fixed points of a state evolution, and which of them is the Bayes-optimal error.

Along the curve of fixed points, from large noise to small, :math:`\alpha(\Delta)` usually grows all the way:
then there is one fixed point for each number of samples. Where it turns back there are three, and two of
them matter. An iteration that starts from nothing stops at the one of largest error, which is what message
passing reaches. The Bayes-optimal error belongs to the one of smallest mutual information between the matrix
and its labels. The gap between the two is called a hard phase: the data determine the matrix better than any
known fast algorithm can tell.

A further sample adds the information that its label still holds, so that along the curve
:math:`\mathrm d\phi/\mathrm d\alpha = \frac14\int_q^{Q_0} K`. Only differences at the same :math:`\alpha`
count; so the constant :math:`\frac14\int_{q_0}^{Q_0} K`, which may be infinite, is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.optimize import brentq

from pairint.result import Result

__all__ = ["Curve", "FixedPoint", "HardPhaseWarning"]

#: Steps of the curve, equal in log noise, from noise that hides all to noise that hides a part in 10**12.
_STEPS, _LOUDEST, _FAINTEST = 240, math.log(1e6), math.log(1e-12)
#: A curve that turns back by less than this, in log alpha, may do so for the errors of a sampled channel.
_JITTER = 1e-4
#: A sampled information is good to some percent; one that falls below this part of an earlier value is none.
_FALL = 0.8


class HardPhaseWarning(UserWarning):
    """An iteration that starts from nothing stops at another fixed point than the Bayes-optimal one.

    Book: :doc:`/book/aim_own`.
    """


@dataclass(frozen=True, repr=False)
class FixedPoint(Result):
    """One solution of the state evolution at a number of samples.

    Book: :doc:`/book/aim_own`.

    Attributes
    ----------
    alpha : float
        Samples over :math:`d^2`.
    delta : float
        Noise of the equivalent copy; 0 where the matrix is known exactly.
    error : float
        The mean squared error that belongs to it.
    potential : float
        The mutual information, up to what is common to all fixed points at the same number of samples;
        minus infinity where the error is zero.
    stable : bool
        Whether an iteration that starts near stays near.
    """

    _units = (("sample/d²", "alpha"),)

    alpha: float
    delta: float
    error: float
    potential: float
    stable: bool


class Curve:
    """The curve of fixed points of a prior and a channel.

    Parameters
    ----------
    at : callable
        ``at(delta)`` returns the error, and the logarithm of the sample ratio, at an equivalent noise.
    variance, second_moment : float
        Of the prior.
    """

    def __init__(
        self, at: Callable[[float], tuple[float, float]], variance: float, second_moment: float
    ) -> None:
        self._at = at
        x: list[float] = []
        error: list[float] = []
        log_alpha: list[float] = []
        self._falls: tuple[float, float, float] | None = None
        most = 0.0
        for value in (math.log(variance) + np.linspace(_LOUDEST, _FAINTEST, _STEPS + 1)).tolist():
            try:
                left, needed = at(math.exp(value))
            except ValueError:  # a class need not answer this far out; where it is needed, it raises
                if x:
                    break
                continue
            # K, with alpha = dimension / (K error) and dimension = error / delta.
            information = math.exp(-needed - value)
            if information < _FALL * most:  # a wrong class, or one that is not accurate this far out
                self._falls = second_moment - left, information, most
                break
            most = max(most, information)
            if math.isfinite(needed):  # labels may teach nothing to those who know nothing
                x.append(value)
                error.append(left)
                log_alpha.append(needed)
        self._x, self._error, self._log_alpha = np.array(x), np.array(error), np.array(log_alpha)
        #: What is known at its end.
        self.most_learned = second_moment - error[-1] if error else 0.0
        # K dq.
        rate, q = np.exp(-self._log_alpha - self._x), second_moment - self._error
        self._learned = _integral(rate, q) / 4
        self._potential = -_integral(self._learned, np.exp(self._log_alpha))

    @property
    def falls(self) -> tuple[float, float, float] | None:
        r"""The first q at which K falls by more than any sampling error: q, K(q), and the largest K before.

        The curve ends there.

        :math:`K = 4\Psi'` of a function that is convex: :math:`\Psi'' = \frac12\mathbb E\sum_y P\,
        \lVert\nabla^2\log P\rVert^2`, with the weights of the indices in the norm, for the probability of a
        label solves a heat equation. So no labels have such a K.
        """
        return self._falls

    @property
    def turns_back(self) -> bool:
        """Whether more than one fixed point exists for some number of samples."""
        if not len(self._x):
            return False
        highest = np.maximum.accumulate(self._log_alpha)
        return bool((highest - self._log_alpha).max() > _JITTER)

    @property
    def least_for_exact_recovery(self) -> float:
        """Sample ratio at the faint end of the curve, from which zero error is a fixed point; or infinity."""
        if len(self._x) < 2:
            return math.inf
        slope = np.diff(self._log_alpha[-2:])[0] / np.diff(self._x[-2:])[0]
        return float(np.exp(self._log_alpha[-1])) if abs(slope) < 1e-3 else math.inf

    def fixed_points(self, alpha: float) -> list[FixedPoint]:
        """Return the fixed points at a sample ratio, from the largest error to the smallest."""
        above = self._log_alpha - math.log(alpha)
        found = []
        for i in np.flatnonzero(np.sign(above[:-1]) * np.sign(above[1:]) <= 0):
            if above[i] == above[i + 1] or above[i + 1] == 0:
                continue  # counted where the next interval starts
            found.append(self._between(int(i), alpha))
        if alpha >= self.least_for_exact_recovery:
            found.append(FixedPoint(alpha, 0.0, 0.0, -math.inf, True))
        return found

    def _between(self, i: int, alpha: float) -> FixedPoint:
        x: NDArray[np.float64] = self._x
        root = brentq(
            lambda value: self._at(math.exp(value))[1] - math.log(alpha), x[i + 1], x[i], xtol=1e-14
        )
        share = (x[i] - root) / (x[i] - x[i + 1])
        learned = self._learned[i] + share * (self._learned[i + 1] - self._learned[i])
        step = alpha - math.exp(self._log_alpha[i])
        return FixedPoint(
            alpha=alpha,
            delta=math.exp(root),
            error=self._at(math.exp(root))[0],
            potential=float(self._potential[i] - step * (self._learned[i] + learned) / 2),
            stable=bool(self._log_alpha[i + 1] > self._log_alpha[i]),
        )


def _integral(values: NDArray[np.float64], along: NDArray[np.float64]) -> NDArray[np.float64]:
    return cumulative_trapezoid(values, along, initial=0.0) if len(values) else values
