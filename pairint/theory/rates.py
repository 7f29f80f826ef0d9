"""Rates and leading-order error budgets: the numbers behind the minimax theory.

Everything here is a closed formula. The three terms of :func:`error_terms` are the ones of
the intermediate inequality, before the number of intervals is chosen; they keep the constants
that survive when logarithms and numerical factors of the proof are dropped, so they are a
*heuristic* guide. The proved bounds are in :mod:`pairint.theory.upper` and
:mod:`pairint.theory.lower`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pairint.validation import check_integer, check_real

__all__ = [
    "ErrorTerms",
    "best_intervals",
    "condition_holds",
    "error_terms",
    "holder_degree",
    "log_gap",
    "matrix_dimension",
    "minimax_exponent",
    "optimal_intervals",
    "samples_for_error",
    "samples_for_rank",
    "taylor_constant",
]


@dataclass(frozen=True)
class ErrorTerms:
    """The three terms of an error budget, in units of the squared interaction.

    Attributes
    ----------
    bias : float
        What the best piecewise polynomial misses.
    variance : float
        What estimating its coefficients costs.
    parametric : float
        What estimating the interaction matrix costs.
    total : float
        Their sum.
    """

    bias: float
    variance: float
    parametric: float

    @property
    def total(self) -> float:
        return self.bias + self.variance + self.parametric


def minimax_exponent(beta: float) -> float:
    """Return ``2 beta / (2 beta + 1)``, the exponent of 1/M in the minimax rate.

    Parameters
    ----------
    beta : float
        Smoothness of the activation, > 0.

    Notes
    -----
    Theorems 3.1 and 4.4 of Zucker, Wang, Lu and Seroussi, arXiv:2510.11789.
    """
    beta = check_real("beta", beta, 0, exclusive_minimum=True)
    return 2 * beta / (2 * beta + 1)


def holder_degree(beta: float) -> int:
    """Return the largest integer strictly below ``beta`` (k in Definition 2.2)."""
    beta = check_real("beta", beta, 0, exclusive_minimum=True)
    return math.ceil(beta) - 1


def taylor_constant(beta: float) -> float:
    """Return the sharp constant of Taylor's remainder for the Hölder class.

    If ``|f^(k)(x) - f^(k)(y)| <= L |x-y|^(beta-k)``, k the largest integer below beta, then the
    Taylor polynomial of degree k at a misses f(x) by at most ``L taylor_constant(beta) |x-a|^beta``,
    with equality for ``f(x) = L taylor_constant(beta) max(x-a, 0)^beta``.

    Returns
    -------
    float
        ``1 / (beta (beta-1) ... (beta-k+1))``, which is 1 for beta <= 1 and ``1/beta!`` for an integer.
    """
    k = holder_degree(beta)
    return 1.0 / math.prod(beta - j for j in range(k))


def optimal_intervals(n_samples: int, beta: float) -> int:
    """Return the theoretical number of intervals, ``floor((M / log M)^(1/(2 beta + 1)))``, at least 1.

    Parameters
    ----------
    n_samples : int
        M, at least 2.
    beta : float
        Smoothness, > 0.
    """
    n_samples = check_integer("n_samples", n_samples, 2)
    beta = check_real("beta", beta, 0, exclusive_minimum=True)
    return max(1, math.floor((n_samples / math.log(n_samples)) ** (1 / (2 * beta + 1))))


def matrix_dimension(d: int, rank: int) -> int:
    """Return ``r (2d - r)``, the number of free parameters of a d x d matrix of rank r."""
    d = check_integer("d", d, 1)
    rank = check_integer("rank", rank, 1, d)
    return rank * (2 * d - rank)


def error_terms(
    n_samples: int,
    n_intervals: int,
    beta: float,
    d: int,
    rank: int,
    n_tokens: int,
    noise_std: float,
    holder_constant: float,
    score_bound: float,
) -> ErrorTerms:
    """Return the leading-order bias, variance and parametric error for K intervals (heuristic).

    With k the largest integer below beta and c(beta) the constant of :func:`taylor_constant`,

    * bias ``(L c(beta) (abar / K)^beta)^2``: the proved bound for Taylor polynomials at the
      centres of K equal intervals of [-abar, abar];
    * variance ``sigma^2 K (k+1) (N-1)/(M N)``: least squares on K(k+1) coefficients with the
      interaction matrix known and the worst conditioning that coercivity allows;
    * parametric ``sigma^2 r(2d-r) (N-1)/(M N)``: the same price for each free entry of the matrix.

    Parameters
    ----------
    n_samples, n_intervals : int
        M and K, at least 1.
    beta, holder_constant : float
        Smoothness and radius L of the Hölder class, > 0.
    d, rank : int
        Embedding dimension and rank, 1 <= rank <= d.
    n_tokens : int
        N, at least 2.
    noise_std : float
        Noise standard deviation sigma, >= 0.
    score_bound : float
        abar > 0: scores lie in [-abar, abar].
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    n_intervals = check_integer("n_intervals", n_intervals, 1)
    bias, per_interval, parametric = _coefficients(
        n_samples, beta, d, rank, n_tokens, noise_std, holder_constant, score_bound
    )
    return ErrorTerms(bias * n_intervals ** (-2 * beta), per_interval * n_intervals, parametric)


def best_intervals(
    n_samples: int,
    beta: float,
    d: int,
    rank: int,
    n_tokens: int,
    noise_std: float,
    holder_constant: float,
    score_bound: float,
) -> int:
    """Return the integer K that minimises the total of :func:`error_terms` (``noise_std`` > 0)."""
    noise_std = check_real("noise_std", noise_std, 0, exclusive_minimum=True)
    n_samples = check_integer("n_samples", n_samples, 1)
    bias, per_interval, _ = _coefficients(
        n_samples, beta, d, rank, n_tokens, noise_std, holder_constant, score_bound
    )
    # The total is convex in K > 0, so the best integer is next to the real minimiser.
    continuous = (2 * beta * bias / per_interval) ** (1 / (2 * beta + 1))
    below = max(1, math.floor(continuous))
    return min((below, below + 1), key=lambda k: bias * k ** (-2 * beta) + per_interval * k)


def condition_holds(n_samples: Any, beta: Any, rank_times_d: Any) -> Any:
    """Say where ``rd <= (M / log M)^(1/(2 beta + 1))``, the condition of Theorem 3.1.

    Parameters
    ----------
    n_samples : float or array_like
        M, at least 2.
    beta, rank_times_d : float or array_like
        Positive; all arguments broadcast.

    Returns
    -------
    bool or ndarray of bool
    """
    m, b, rd = (np.asarray(v, dtype=float) for v in (n_samples, beta, rank_times_d))
    for name, value, ok in (
        ("n_samples", m, m >= 2),
        ("beta", b, b > 0),
        ("rank_times_d", rd, rd > 0),
    ):
        if not np.all(ok & np.isfinite(value)):
            allowed = ">= 2" if name == "n_samples" else "> 0"
            raise ValueError(f"{name} must be finite and {allowed}, got {value}")
    # Logarithms on both sides: rd^(2 beta + 1) overflows long before the condition is interesting.
    result = (2 * b + 1) * np.log(rd) <= np.log(m) - np.log(np.log(m))
    return bool(result) if result.ndim == 0 else result


def samples_for_rank(rank_times_d: int, beta: float) -> int:
    """Return the smallest M from which on ``rd <= (M / log M)^(1/(2 beta + 1))`` always holds.

    Parameters
    ----------
    rank_times_d : int
        rd, at least 1.
    beta : float
        Smoothness, > 0.
    """
    rank_times_d = check_integer("rank_times_d", rank_times_d, 1)
    beta = check_real("beta", beta, 0, exclusive_minimum=True)
    # M / log M falls until M = e and rises afterwards: 2 and 4 give the same value, 3 a smaller one.
    if condition_holds(3, beta, rank_times_d):
        return 2
    low, high = 3, 4
    while not condition_holds(high, beta, rank_times_d):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if condition_holds(middle, beta, rank_times_d):
            high = middle
        else:
            low = middle
    return high


def samples_for_error(
    error: float,
    beta: float,
    d: int,
    rank: int,
    n_tokens: int,
    noise_std: float,
    holder_constant: float,
    score_bound: float,
) -> int:
    """Return the smallest M at which the error budget with the best K is at most ``error`` (heuristic).

    Parameters
    ----------
    error : float
        Target for the squared L2(rho) error, > 0.
    beta, d, rank, n_tokens, noise_std, holder_constant, score_bound
        As in :func:`error_terms`; ``noise_std`` > 0.
    """
    error = check_real("error", error, 0, exclusive_minimum=True)
    rest = (beta, d, rank, n_tokens, noise_std, holder_constant, score_bound)

    def reached(n_samples: int) -> bool:
        return error_terms(n_samples, best_intervals(n_samples, *rest), *rest).total <= error

    high = 1
    while not reached(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high


def log_gap(n_samples: int, beta: float) -> float:
    """Return ``(log M)^(2 beta/(2 beta+1) + 4 max(2 beta, 1))``, the paper's gap between its two bounds.

    Parameters
    ----------
    n_samples : int
        M, at least 2.
    beta : float
        Smoothness, > 0.
    """
    n_samples = check_integer("n_samples", n_samples, 2)
    return math.log(n_samples) ** (minimax_exponent(beta) + 4 * max(2 * beta, 1))


def _coefficients(n_samples, beta, d, rank, n_tokens, noise_std, holder_constant, score_bound):
    """Coefficients of K^(-2 beta), of K and of 1 in the error budget."""
    beta = check_real("beta", beta, 0, exclusive_minimum=True)
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    noise_std = check_real("noise_std", noise_std, 0)
    holder_constant = check_real("holder_constant", holder_constant, 0, exclusive_minimum=True)
    score_bound = check_real("score_bound", score_bound, 0, exclusive_minimum=True)
    per_parameter = noise_std**2 * (n_tokens - 1) / (n_samples * n_tokens)
    return (
        (holder_constant * taylor_constant(beta) * score_bound**beta) ** 2,
        per_parameter * (holder_degree(beta) + 1),
        per_parameter * matrix_dimension(d, rank),
    )
