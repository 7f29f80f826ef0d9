r"""Coercivity: how much of an interaction survives the sum over partners.

For exchangeable tokens and any h in L2(rho),

.. math::

    E |R_h[X]_1|^2 = \frac{E h(X_1, X_2)^2}{N-1} + \frac{N-2}{N-1}\, E[h(X_1, X_2)\, h(X_1, X_3)],

and the last expectation is :math:`E[m^2] \ge 0`, with :math:`m = E[h(X_1, X_2) \mid X_1, \Theta]`, when the
tokens are independent and identically distributed given some Theta. (Independent given Theta would not be
enough: let Theta be the order of permuted points.) On a space of functions of the score this reads
:math:`G_N = \Gamma / (N-1) + (N-2)/(N-1)\, C` for Gram matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from pairint.model import SplineSpace, TokenLaw, pair_scores
from pairint.steps import steps
from pairint.validation import check_floats, check_instance, check_integer, check_real, check_rng

__all__ = [
    "Coercivity",
    "GramMatrices",
    "PairMoments",
    "coercivity_constant",
    "exact_gram",
    "mixture_moments",
    "pair_moments",
    "product_coupling",
    "product_density",
    "product_moments",
    "product_quadrature",
    "sampled_gram",
    "variance_factor",
]


@dataclass(frozen=True)
class PairMoments:
    """Moments of an interaction h under a law of N tokens, with Monte-Carlo standard errors (0 if exact).

    Attributes
    ----------
    n_tokens : int
    second : float
        ``E h(X_1, X_2)^2``, the squared norm in L2(rho).
    aggregated : float
        ``E |R_h[X]_1|^2``, the excess risk that h causes.
    cross : float
        ``E h(X_1, X_2) h(X_1, X_3)`` (nan for two tokens).
    second_error, aggregated_error, cross_error, excess_error : float
        Standard errors.
    """

    n_tokens: int
    second: float
    aggregated: float
    cross: float
    second_error: float = 0.0
    aggregated_error: float = 0.0
    cross_error: float = 0.0
    excess_error: float = 0.0

    @property
    def excess(self) -> float:
        """``E |R_h|^2 - E h^2 / (N - 1)``: not negative if and only if coercivity holds for this h."""
        return self.aggregated - self.second / (self.n_tokens - 1)

    @property
    def ratio(self) -> float:
        """``E |R_h|^2 / E h^2``."""
        return self.aggregated / self.second


def pair_moments(values: Any) -> PairMoments:
    """Estimate the moments of h from its values on all pairs of the tokens of M samples.

    Parameters
    ----------
    values : array_like, shape (M, N, N)
        ``h(X_i, X_j)`` for each sample; the diagonal is ignored. M >= 2, N >= 2.

    Returns
    -------
    PairMoments
        All pairs and triples of a sample are averaged; standard errors are over samples. The identity
        of the module's docstring holds exactly between the three estimates.
    """
    values = check_floats("values", values, (None, None, None), copy=True)
    n_samples, n_tokens = values.shape[:2]
    if n_samples < 2 or n_tokens < 2 or values.shape[2] != n_tokens:
        raise ValueError(f"values must have shape (M >= 2, N >= 2, N), got {values.shape}")
    diagonal = np.arange(n_tokens)
    values[:, diagonal, diagonal] = 0.0
    sums, squares = values.sum(axis=2), (values**2).sum(axis=2)
    partners = n_tokens - 1
    second = squares.mean(axis=1) / partners
    aggregated = (sums**2).mean(axis=1) / partners**2
    triples = partners * (n_tokens - 2)
    cross = (sums**2 - squares).mean(axis=1) / triples if triples else np.full(n_samples, np.nan)

    def error(x: NDArray[np.float64]) -> float:
        return float(x.std(ddof=1)) / math.sqrt(n_samples)

    return PairMoments(
        n_tokens,
        *(float(x.mean()) for x in (second, aggregated, cross)),
        *(error(x) for x in (second, aggregated, cross, aggregated - second / partners)),
    )


def mixture_moments(h: Any, weights: Any, probabilities: Any, n_tokens: int) -> PairMoments:
    """Return the exact moments of h for tokens with finitely many values, i.i.d. given Theta.

    Parameters
    ----------
    h : array_like, shape (S, S)
        The interaction on the S values of a token.
    weights : array_like, shape (T,)
        Law of Theta.
    probabilities : array_like, shape (T, S)
        Row t is the law of a token given Theta = t.
    n_tokens : int
        N >= 2.
    """
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    h = check_floats("h", h, (None, None))
    weights = check_floats("weights", weights, (None,))
    probabilities = check_floats("probabilities", probabilities, (len(weights), len(h)))
    for name, rows in (("weights", weights[None]), ("probabilities", probabilities)):
        if np.any(rows < 0) or not np.allclose(rows.sum(axis=1), 1, atol=1e-12):
            raise ValueError(f"{name} must be nonnegative and sum to 1, got {rows.tolist()}")
    second = float(np.einsum("t,ta,tb,ab->", weights, probabilities, probabilities, h**2))
    conditional = probabilities @ h.T  # E[h(a, X_2) | Theta = t]
    cross = float(np.einsum("t,ta,ta->", weights, probabilities, conditional**2))
    aggregated = (second + (n_tokens - 2) * cross) / (n_tokens - 1)
    return PairMoments(n_tokens, second, aggregated, cross)


@dataclass(frozen=True, eq=False)
class GramMatrices:
    """Gram matrices of a spline space, in batches of independent samples (one batch if exact).

    Attributes
    ----------
    space : SplineSpace
    n_tokens : int
    pair_batches, aggregated_batches : ndarray, shape (batches, D, D)
    """

    space: SplineSpace
    n_tokens: int
    pair_batches: NDArray[np.float64]
    aggregated_batches: NDArray[np.float64]

    @property
    def pair(self) -> NDArray[np.float64]:
        """``Gamma = E[B(U) B(U)']``."""
        return self.pair_batches.mean(axis=0)

    @property
    def aggregated(self) -> NDArray[np.float64]:
        """``G_N = E[F F']``, F the average of B over the partners of a token."""
        return self.aggregated_batches.mean(axis=0)

    @property
    def cross(self) -> NDArray[np.float64]:
        """``C = E[B(U_12) B(U_13)']``, from the other two; N >= 3."""
        check_integer("n_tokens", self.n_tokens, 3)
        return ((self.n_tokens - 1) * self.aggregated - self.pair) / (self.n_tokens - 2)


def sampled_gram(
    space: SplineSpace,
    tokens: TokenLaw,
    matrix: Any,
    n_tokens: int,
    n_samples: int,
    rng: Any = None,
    *,
    n_batches: int = 20,
) -> GramMatrices:
    """Estimate the Gram matrices of a spline space of functions of the score (Monte Carlo).

    Parameters
    ----------
    space : SplineSpace
    tokens : TokenLaw
    matrix : array_like, shape (d, d)
    n_tokens, n_samples : int
        N >= 2; M >= n_batches in all.
    rng : numpy.random.Generator, SeedSequence, int or None
    n_batches : int
        Even, at least 4; standard errors come from the batches.
    """
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    n_batches = check_integer("n_batches", n_batches, 4)
    n_samples = check_integer("n_samples", n_samples, n_batches)
    matrix = check_floats("matrix", matrix, (tokens.d, tokens.d))
    rng = check_rng(rng)
    off_diagonal = ~np.eye(n_tokens, dtype=bool)
    pair, aggregated = [], []
    for _ in steps(range(n_batches), "batches"):
        scores = pair_scores(tokens.sample(n_samples // n_batches, n_tokens, rng), matrix)
        basis = space.design(scores[:, off_diagonal].ravel())
        average = basis.reshape(-1, n_tokens - 1, space.dimension).mean(axis=1)
        pair.append(basis.T @ basis / len(basis))
        aggregated.append(average.T @ average / len(average))
    return GramMatrices(space, n_tokens, np.stack(pair), np.stack(aggregated))


def product_density(u: Any, score_bound: float) -> NDArray[np.float64]:
    r"""Return the density :math:`\log(\bar a / |u|) / (2 \bar a)` of a product of two uniform variables.

    It is the law of the score for tokens uniform on a cube and a matrix of rank one with one nonzero
    entry a, in any dimension; ``score_bound`` is ``3 abs(a)`` for the cube of
    :class:`pairint.model.UniformCube`.
    """
    score_bound = check_real("score_bound", score_bound, 0, exclusive_minimum=True)
    u = np.abs(np.asarray(u, dtype=float))
    inside = (u > 0) & (u < score_bound)
    return np.where(inside, np.log(score_bound / np.where(inside, u, score_bound)), 0.0) / (2 * score_bound)


def product_coupling(width: float, score_bound: float) -> float:
    r"""Return :math:`E \min(1, hV/2)^2` for the law of :func:`product_density`, V the conditional variation.

    Given the first token the score is uniform on [-t abar, t abar], with t uniform on [0, 1]: its density
    has two jumps of height 1 / (2 t abar), so V = 1 / (t abar). With :math:`x = \min(1, h / (2 \bar a))`
    the expectation is :math:`2x - x^2`.

    Parameters
    ----------
    width : float
        h > 0, the width of a cell.
    score_bound : float
        abar > 0.
    """
    width = check_real("width", width, 0, exclusive_minimum=True)
    x = min(1.0, width / (2 * check_real("score_bound", score_bound, 0, exclusive_minimum=True)))
    return 2 * x - x**2


def product_quadrature(
    score_bound: float, breakpoints: Any = (), order: int = 16
) -> tuple[NDArray[np.float64], list[tuple[NDArray[np.float64], NDArray[np.float64]]]]:
    """Return the quadrature for the law of :func:`product_density`, seen from the first token.

    Given the first token x (taken positive), the score is uniform on [-x abar, x abar] with x uniform on
    [0, 1]. Integrands may be only piecewise smooth, between the given breakpoints in u.

    Returns
    -------
    outer : ndarray, shape (n,)
        Weights of the values of x; they sum to 1.
    inner : list of n pairs (u, weights)
        Scores and weights given x; the weights of each pair sum to 1.
    """
    score_bound = check_real("score_bound", score_bound, 0, exclusive_minimum=True)
    order = check_integer("order", order, 2)
    breakpoints = check_floats("breakpoints", np.asarray(breakpoints, dtype=float), (None,))
    levels = np.unique(np.concatenate([[0.0, 1.0], np.abs(breakpoints) / score_bound]))
    x, outer = _panels(levels[levels <= 1.0], order)
    inner = []
    for value in x:
        reach = value * score_bound
        cuts = breakpoints[np.abs(breakpoints) < reach]
        u, weight = _panels(np.unique(np.concatenate([[-reach, 0.0, reach], cuts])), order)
        inner.append((u, weight / (2 * reach)))
    return outer, inner


def exact_gram(space: SplineSpace, score_bound: float, n_tokens: int) -> GramMatrices:
    """Return the Gram matrices, by quadrature to rounding, for the law of :func:`product_density`.

    Parameters
    ----------
    space : SplineSpace
    score_bound : float
        abar > 0; the space may be narrower or wider than [-abar, abar].
    n_tokens : int
        N >= 2.
    """
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    knots = np.linspace(space.lower, space.upper, space.n_intervals + 1)
    # Between knots the integrands are polynomials in u; in x they are those divided by powers of x.
    outer, inner = product_quadrature(score_bound, knots, order=max(16, 2 * space.degree + 4))
    pair = np.zeros((space.dimension, space.dimension))
    cross = np.zeros_like(pair)
    for weight, (u, given) in zip(outer, inner, strict=True):
        basis = space.design(u)
        pair += weight * (basis.T @ (given[:, None] * basis))
        mean = given @ basis
        cross += weight * np.outer(mean, mean)
    aggregated = (pair + (n_tokens - 2) * cross) / (n_tokens - 1)
    return GramMatrices(space, n_tokens, pair[None], aggregated[None])


def product_moments(
    psi: Callable[[Any], Any], score_bound: float, n_tokens: int, breakpoints: Any = (), *, order: int = 24
) -> PairMoments:
    """Return the moments of psi(U), by quadrature, for the law of :func:`product_density`.

    Parameters
    ----------
    psi : callable
        Smooth between the breakpoints.
    score_bound : float
        abar > 0.
    n_tokens : int
        N >= 2.
    breakpoints : array_like
    order : int
        Gauss-Legendre nodes between breakpoints.
    """
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    outer, inner = product_quadrature(score_bound, breakpoints, order)
    values = [np.asarray(psi(u), dtype=float) for u, _ in inner]
    second = float(sum(w * (given @ v**2) for w, (_, given), v in zip(outer, inner, values, strict=True)))
    cross = float(sum(w * (given @ v) ** 2 for w, (_, given), v in zip(outer, inner, values, strict=True)))
    return PairMoments(n_tokens, second, (second + (n_tokens - 2) * cross) / (n_tokens - 1), cross)


@dataclass(frozen=True, eq=False)
class Coercivity:
    """The smallest ratio ``E |R_h|^2 / E h^2`` over a space of functions of the score.

    Attributes
    ----------
    value : float
        Smallest generalised eigenvalue of (G_N, Gamma). With sampled matrices it is biased downwards:
        the eigenvector fits the noise.
    eigenvalues : ndarray, shape (D,)
        All of them, increasing.
    coefficients : ndarray, shape (D, D)
        Column k holds the spline coefficients of the k-th eigenfunction, of unit norm in L2(rho).
    held_out : float
        The ratio of the minimiser found on one half of the batches, measured on the other half: at least
        the true constant in expectation (equal to ``value`` if exact).
    standard_error : float
        Of ``held_out``, by the jackknife over batches (0 if exact).
    """

    space: SplineSpace
    n_tokens: int
    value: float
    eigenvalues: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    held_out: float
    standard_error: float

    def function(self, index: int = 0) -> Callable[[Any], Any]:
        """Return the eigenfunction of the given rank (0: the one that is hardest to see) as a spline."""
        return self.space.spline(self.coefficients[:, index])


def coercivity_constant(gram: GramMatrices) -> Coercivity:
    """Return the coercivity constant of a spline space and the functions that attain it.

    Book: :doc:`/book/coercivity`.

    Raises
    ------
    ValueError
        If Gamma is singular: some basis function is never explored, take fewer cells or a smaller interval.
    """
    check_instance("gram", gram, GramMatrices)
    eigenvalues, vectors = _eigen(gram.aggregated, gram.pair)
    n_batches = len(gram.pair_batches)
    if n_batches == 1:
        held_out, error = float(eigenvalues[0]), 0.0
    else:
        half = n_batches // 2
        _, first = _eigen(gram.aggregated_batches[:half].mean(axis=0), gram.pair_batches[:half].mean(axis=0))
        v = first[:, 0]
        top = np.einsum("i,bij,j->b", v, gram.aggregated_batches[half:], v)
        bottom = np.einsum("i,bij,j->b", v, gram.pair_batches[half:], v)
        held_out = float(top.sum() / bottom.sum())
        dropped = (top.sum() - top) / (bottom.sum() - bottom)
        error = float(np.sqrt((len(top) - 1) * np.mean((dropped - dropped.mean()) ** 2)))
    return Coercivity(gram.space, gram.n_tokens, float(eigenvalues[0]), eigenvalues, vectors, held_out, error)


def variance_factor(gram: GramMatrices) -> float:
    r"""Return :math:`\mathrm{tr}(G_N^{-1} \Gamma) / N`, the variance of least squares over sigma^2 / M.

    With the matrix known and M large, estimating the D coefficients costs
    :math:`\sigma^2 \mathrm{tr}(G_N^{-1}\Gamma) / (MN)` in squared L2(rho) error; coercivity bounds the
    factor by :math:`D (N-1)/N`.

    Parameters
    ----------
    gram : GramMatrices
        Best exact: sampled matrices make it too large.
    """
    eigenvalues, _ = _eigen(gram.aggregated, gram.pair)
    return float(np.sum(1 / eigenvalues) / gram.n_tokens)


def _eigen(aggregated, pair):
    smallest = float(linalg.eigvalsh(pair, subset_by_index=[0, 0])[0])
    if smallest <= 1e-12 * float(np.trace(pair)):
        raise ValueError(
            "Gamma is singular: some basis function is never explored; "
            "use fewer cells, a smaller interval or more samples"
        )
    return linalg.eigh(aggregated, pair)


def _panels(cuts: NDArray[np.float64], order: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Gauss-Legendre nodes and weights on each panel between consecutive cuts."""
    t, weight = np.polynomial.legendre.leggauss(order)
    half = np.diff(cuts)[:, None] / 2
    centre = (cuts[:-1] + cuts[1:])[:, None] / 2
    return (centre + half * t).ravel(), (half * weight).ravel()
