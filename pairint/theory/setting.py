"""The setting of a theorem: the numbers that every rate and every bound depends on, checked once."""

from __future__ import annotations

import functools
import math
import numbers
from dataclasses import dataclass

from pairint.theory.integers import first_true
from pairint.theory.rates import (
    ErrorTerms,
    holder_degree,
    matrix_dimension,
    minimax_exponent,
    optimal_intervals,
    parameter_price,
    taylor_constant,
)
from pairint.validation import check_flag, check_integer, check_real

__all__ = ["Setting"]


@dataclass(frozen=True, kw_only=True)
class Setting:
    r"""What is to be learned, and from what: the parameters of the minimax theory.

    Book: :doc:`/book/notation`.

    What a rate or a bound does not depend on may be left out. What it does depend on is never guessed: it
    raises, and names what is missing.

    Parameters
    ----------
    beta : float
        Smoothness :math:`\beta > 0` of the activation.
    n_tokens : int
        N, at least 2.
    noise_std : float
        :math:`\sigma \ge 0`; its square is the variance proxy of the noise.
    holder_constant : float
        Radius L > 0 of the Hölder class.
    d, rank : int, optional
        Dimension of the tokens and rank of the matrix, 1 <= rank <= d. What knows the matrix needs neither.
    score_bound : float, optional
        :math:`\bar a > 0`: scores lie in :math:`[-\bar a, \bar a]`. Lower bounds do not need it.
    sup_bound : float
        :math:`B > 0`, a bound of the modulus of the activation; infinite by default: nothing is known.

    Raises
    ------
    TypeError, ValueError
        If a parameter is not a number, or outside its range; the message names it.

    Examples
    --------
    >>> import dataclasses
    >>> known = Setting(beta=2.0, n_tokens=3, noise_std=0.1, holder_constant=1.0, score_bound=3.0)
    >>> known.best_intervals(10_000)
    36

    A variation is checked like any other setting.

    >>> setting = dataclasses.replace(known, d=30, rank=1)
    >>> setting.samples_for_error(1e-3) < dataclasses.replace(setting, d=300).samples_for_error(1e-3)
    True
    """

    beta: float
    n_tokens: int
    noise_std: float
    holder_constant: float
    d: int | None = None
    rank: int | None = None
    score_bound: float | None = None
    sup_bound: float = math.inf

    def __post_init__(self) -> None:
        checked: dict[str, float] = {
            "beta": check_real("beta", self.beta, 0, exclusive_minimum=True),
            "n_tokens": check_integer("n_tokens", self.n_tokens, 2),
            "noise_std": check_real("noise_std", self.noise_std, 0),
            "holder_constant": check_real("holder_constant", self.holder_constant, 0, exclusive_minimum=True),
        }
        if self.d is not None:
            checked["d"] = check_integer("d", self.d, 1)
        if self.rank is not None:
            checked["rank"] = check_integer("rank", self.rank, 1, self.d)
        if self.score_bound is not None:
            checked["score_bound"] = check_real("score_bound", self.score_bound, 0, exclusive_minimum=True)
        if not (isinstance(self.sup_bound, numbers.Real) and self.sup_bound == math.inf):
            checked["sup_bound"] = check_real("sup_bound", self.sup_bound, 0, exclusive_minimum=True)
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    @property
    def exponent(self) -> float:
        """Of 1/M in the minimax rate; see :func:`pairint.theory.minimax_exponent`."""
        return minimax_exponent(self.beta)

    @property
    def degree(self) -> int:
        """The largest integer strictly below beta, the degree of the Taylor polynomials."""
        return holder_degree(self.beta)

    @property
    def n_matrix(self) -> int:
        """``r (2d - r)``, the number of free parameters of the matrix."""
        return matrix_dimension(*self.require_matrix("n_matrix"))

    @functools.cached_property
    def _bias(self) -> float:
        """Factor of ``K^(-2 beta)`` in the error budget."""
        score_bound = self.require_score_bound("the error budget")
        return (self.holder_constant * taylor_constant(self.beta) * score_bound**self.beta) ** 2

    def _per_parameter(self, n_samples: int) -> float:
        return parameter_price(n_samples, n_tokens=self.n_tokens, noise_std=self.noise_std)

    def budget(self, n_samples: int, n_intervals: int, *, matrix_known: bool = False) -> ErrorTerms:
        """Return the leading-order bias, variance and parametric error for K intervals (heuristic).

        With k the largest integer below beta and c(beta) the constant of Taylor's remainder,

        * bias ``(L c(beta) (abar / K)^beta)^2``: the proved bound for Taylor polynomials at the
          centres of K equal intervals of [-abar, abar];
        * variance ``sigma^2 K (k+1) (N-1)/(M N)``: least squares on K(k+1) coefficients with the
          interaction matrix known and the worst conditioning that coercivity allows;
        * parametric ``sigma^2 r(2d-r) (N-1)/(M N)``: the same price for each free entry of the matrix.

        Parameters
        ----------
        n_samples, n_intervals : int
            M and K, at least 1.
        matrix_known : bool
            Whether there is no matrix to learn: then the parametric term is zero, and needs no ``d``.
        """
        price = self._per_parameter(n_samples)
        n_intervals = check_integer("n_intervals", n_intervals, 1)
        known = check_flag("matrix_known", matrix_known)
        n_matrix = 0 if known else matrix_dimension(*self.require_matrix("the error budget"))
        bias = self._bias * n_intervals ** (-2 * self.beta)
        return ErrorTerms(bias, price * (self.degree + 1) * n_intervals, price * n_matrix)

    def best_intervals(self, n_samples: int) -> int:
        """Return the integer K that minimises the total of :meth:`budget`; the noise must be positive.

        What the matrix costs does not depend on K.
        """
        self.require_noise()
        per_interval = self._per_parameter(n_samples) * (self.degree + 1)
        # The total is convex in K > 0, so the best integer is next to the real minimiser.
        continuous = (2 * self.beta * self._bias / per_interval) ** (1 / (2 * self.beta + 1))
        below = max(1, math.floor(continuous))
        return min((below, below + 1), key=lambda k: self._bias * k ** (-2 * self.beta) + per_interval * k)

    def best_budget(self, n_samples: int, *, matrix_known: bool = False) -> ErrorTerms:
        """Return :meth:`budget` at the K of :meth:`best_intervals`."""
        return self.budget(n_samples, self.best_intervals(n_samples), matrix_known=matrix_known)

    def optimal_intervals(self, n_samples: int) -> int:
        """Return the K of the theorem; see :func:`pairint.theory.optimal_intervals`."""
        return optimal_intervals(n_samples, self.beta)

    def samples_for_error(self, error: float) -> int:
        """Return the smallest M at which the error budget with the best K is at most ``error`` (heuristic).

        Parameters
        ----------
        error : float
            Target for the squared L2(rho) error, > 0. The noise must be positive.
        """
        error = check_real("error", error, 0, exclusive_minimum=True)
        return first_true(lambda n_samples: self.best_budget(n_samples).total <= error)

    def require_matrix(self, what: str) -> tuple[int, int]:
        """Return ``d`` and ``rank``, or raise: ``what`` needs both."""
        if self.d is None or self.rank is None:
            missing = [name for name in ("d", "rank") if getattr(self, name) is None]
            raise ValueError(_missing(missing, what))
        return self.d, self.rank

    def require_score_bound(self, what: str) -> float:
        """Return ``score_bound``, or raise: ``what`` needs it."""
        if self.score_bound is None:
            raise ValueError(_missing(["score_bound"], what))
        return self.score_bound

    def require_noise(self) -> float:
        """Return ``noise_std``, or raise unless it is positive."""
        return check_real("noise_std", self.noise_std, 0, exclusive_minimum=True)

    def require_sup_bound(self, what: str) -> float:
        """Return ``sup_bound``, or raise: ``what`` needs a bounded activation."""
        if self.sup_bound == math.inf:
            raise ValueError(f"sup_bound must be finite for {what}: Setting(..., sup_bound=...)")
        return self.sup_bound


def _missing(names: list[str], what: str) -> str:
    given = ", ".join(f"{name}=..." for name in names)
    return f"{' and '.join(names)} must be given for {what}: Setting(..., {given})"
