"""Games against the bounds: guessing between two hypotheses, and predicting from the score alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.model import GaussianNoise, Noise, TokenLaw, UniformNoise, pair_average
from pairint.theory.lower import guessing_error_bound
from pairint.validation import check_floats, check_integer, check_rng

__all__ = ["GuessingGame", "ScoreReduction", "guessing_game", "score_reduction"]


@dataclass(frozen=True, eq=False)
class GuessingGame:
    """Outcome of the two-hypotheses game for several sample sizes.

    Attributes
    ----------
    n_samples : ndarray of int
    error, standard_error : ndarray
        Frequency of wrong guesses of the best test, and its Monte-Carlo error.
    divergence : ndarray
        ``M N E|R|^2 / (2 sigma^2)``: the divergence if the noise is Gaussian.
    bound : ndarray
        Phi(-sqrt(divergence / 2)), which no test beats when the noise is Gaussian.
    """

    n_samples: NDArray[np.int64]
    error: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    divergence: NDArray[np.float64]
    bound: NDArray[np.float64]


def guessing_game(
    difference: Callable[[Any], Any],
    tokens: TokenLaw,
    matrix: Any,
    noise: Noise,
    n_tokens: int,
    sample_sizes: Sequence[int],
    n_games: int = 400,
    rng: Any = None,
) -> GuessingGame:
    """Play the game: phi or phi + psi, equally likely; guess which from M samples by likelihood.

    Parameters
    ----------
    difference : callable
        psi. The common part phi plays no role: it is known and subtracted.
    tokens : TokenLaw
    matrix : array_like, shape (d, d)
    noise : GaussianNoise or UniformNoise
        Of positive standard deviation.
    n_tokens : int
    sample_sizes : sequence of int
        Values of M, >= 1.
    n_games : int
        Games for each M; the games of different M share their data.
    rng : numpy.random.Generator, SeedSequence, int or None
    """
    if not isinstance(noise, GaussianNoise | UniformNoise) or noise.std <= 0:
        raise ValueError(f"noise must be GaussianNoise or UniformNoise with std > 0, got {noise!r}")
    sizes = np.array([check_integer("sample_sizes", int(m), 1) for m in sample_sizes])
    n_games = check_integer("n_games", n_games, 2)
    rng = check_rng(rng)
    largest = int(sizes.max())
    X = tokens.sample(n_games * largest, n_tokens, rng)
    shift = np.concatenate(
        [pair_average(difference, part, matrix) for part in np.array_split(X, n_games // 50 + 1)]
    )
    shift = shift.reshape(n_games, largest, n_tokens)
    second = rng.integers(0, 2, n_games).astype(bool)
    residual = noise.sample(shift.shape, rng) + np.where(second[:, None, None], shift, 0.0)
    coin = rng.integers(0, 2, n_games).astype(bool)
    if isinstance(noise, GaussianNoise):
        evidence = (shift * (residual - shift / 2)).sum(axis=2).cumsum(axis=1)
        guess = evidence > 0
    else:
        side = np.sqrt(3) * noise.std
        first_fits = np.logical_and.accumulate((np.abs(residual) <= side).all(axis=2), axis=1)
        second_fits = np.logical_and.accumulate((np.abs(residual - shift) <= side).all(axis=2), axis=1)
        guess = np.where(first_fits & second_fits, coin[:, None], second_fits)
    wrong = (guess != second[:, None])[:, sizes - 1]
    divergence = sizes * n_tokens * np.mean(shift**2) / (2 * noise.std**2)
    return GuessingGame(
        n_samples=sizes,
        error=wrong.mean(axis=0),
        standard_error=wrong.std(axis=0, ddof=1) / np.sqrt(n_games),
        divergence=divergence,
        bound=guessing_error_bound(divergence),
    )


@dataclass(frozen=True, eq=False)
class ScoreReduction:
    """An estimate of the interaction against the best it becomes when it may look at the true score only.

    Attributes
    ----------
    total : float
        Mean square of the estimate's error.
    reduced : float
        The same for its conditional expectation given the (binned) true score.
    lost : float
        What depends on more than the score: ``total - reduced``.
    centres, mean, spread : ndarray
        Bin centres; conditional mean and standard deviation of the estimate in each bin.
    """

    total: float
    reduced: float
    lost: float
    centres: NDArray[np.float64]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]


def score_reduction(estimate: Any, truth: Any, scores: Any, n_bins: int = 40) -> ScoreReduction:
    """Illustrate the reduction lemma on sampled pairs.

    Parameters
    ----------
    estimate, truth, scores : array_like, shape (n,)
        ghat(x, y), phi(u) and the true score u on n pairs.
    n_bins : int
        Bins with equally many pairs.
    """
    scores = check_floats("scores", scores, (None,))
    estimate = check_floats("estimate", estimate, scores.shape)
    truth = check_floats("truth", truth, scores.shape)
    n_bins = check_integer("n_bins", n_bins, 1, len(scores))
    bins = np.array_split(np.argsort(scores, kind="stable"), n_bins)
    error = estimate - truth
    size = np.array([len(b) for b in bins])
    reduced = float(np.sum(size * np.array([error[b].mean() for b in bins]) ** 2) / len(scores))
    total = float(np.mean(error**2))
    return ScoreReduction(
        total=total,
        reduced=reduced,
        lost=total - reduced,
        centres=np.array([scores[b].mean() for b in bins]),
        mean=np.array([estimate[b].mean() for b in bins]),
        spread=np.array([estimate[b].std() for b in bins]),
    )
