"""Rates: the closed formulas behind the minimax theory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from pairint.result import Result
from pairint.theory.integers import first_true
from pairint.validation import check_integer, check_real

__all__ = [
    "ErrorTerms",
    "condition_holds",
    "holder_degree",
    "log_factor",
    "log_gap",
    "matrix_dimension",
    "minimax_exponent",
    "optimal_intervals",
    "parameter_price",
    "samples_for_rank",
    "taylor_constant",
]


@dataclass(frozen=True, repr=False)
class ErrorTerms(Result):
    """The three terms of an error budget, in units of the squared interaction.

    Book: :doc:`/book/upper_bound_proof`.

    They are those of the intermediate inequality, before the number of intervals is chosen, and keep the
    constants that survive when logarithms and numerical factors of the proof are dropped: a *heuristic*
    guide. The proved bounds are :func:`pairint.theory.upper_bound` and :func:`pairint.theory.lower_bound`.

    Attributes
    ----------
    bias : float
        What the best piecewise polynomial misses.
    variance : float
        What estimating its coefficients costs.
    parametric : float
        What estimating the interaction matrix costs.
    """

    _first = ("total",)
    _units = (("output²", "total bias variance parametric"),)

    bias: float
    variance: float
    parametric: float

    @property
    def total(self) -> float:
        """Their sum."""
        return self.bias + self.variance + self.parametric


def minimax_exponent(beta: float, n_variables: int = 1) -> float:
    """Return ``2 beta / (2 beta + 1)``, the exponent of 1/M in the minimax rate.

    Book: :doc:`/book/upper_vs_lower`.

    Parameters
    ----------
    beta : float
        Smoothness of the activation, > 0.
    n_variables : int
        D >= 1: for a function of D variables, without structure, it is ``2 beta / (2 beta + D)``.

    Notes
    -----
    Theorems 3.1 and 4.4 of Zucker, Wang, Lu and Seroussi, arXiv:2510.11789; for D variables Stone (1982).
    """
    beta = check_real("beta", beta, 0, exclusive_minimum=True)
    return 2 * beta / (2 * beta + check_integer("n_variables", n_variables, 1))


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

    Book: :doc:`/book/upper_bound`.

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


def parameter_price(n_samples: int, *, n_tokens: int, noise_std: float) -> float:
    """Return ``sigma^2 (N - 1) / (M N)``, what one parameter adds to the squared error (heuristic).

    Least squares pays ``sigma^2 / (M N)`` for a parameter in the aggregated norm, and coercivity makes of it
    at most N - 1 times as much in L2(rho).

    Parameters
    ----------
    n_samples : int
        M, at least 1.
    n_tokens : int
        N, at least 2.
    noise_std : float
        sigma >= 0.
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    noise_std = check_real("noise_std", noise_std, 0)
    return noise_std**2 * (n_tokens - 1) / (n_samples * n_tokens)


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

    Book: :doc:`/book/upper_bound`.

    Parameters
    ----------
    rank_times_d : int
        rd, at least 1.
    beta : float
        Smoothness, > 0.
    """
    rank_times_d = check_integer("rank_times_d", rank_times_d, 1)
    beta = check_real("beta", beta, 0, exclusive_minimum=True)
    if (2 * beta + 1) * math.log(rank_times_d) > 600:
        raise ValueError(
            f"beta and rank_times_d must ask for at most 1e260 samples, got {beta:g} and {rank_times_d}"
        )
    # M / log M falls until M = e and rises afterwards: 2 and 4 give the same value, 3 a smaller one.
    if condition_holds(3, beta, rank_times_d):
        return 2
    return first_true(lambda n_samples: condition_holds(n_samples, beta, rank_times_d), start=3)


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


def log_factor(n_samples: int, beta: float) -> float:
    """Return ``(log M)^(2 beta/(2 beta+1))``, what our bound for an unknown matrix has besides the rate.

    Parameters
    ----------
    n_samples : int
        M, at least 2.
    beta : float
        Smoothness, > 0.
    """
    return math.log(check_integer("n_samples", n_samples, 2)) ** minimax_exponent(beta)
