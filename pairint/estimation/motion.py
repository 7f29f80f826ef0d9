r"""Interaction kernels from motion: vector outputs whose pair weights and scores are known.

.. math::

    O_i = \sum_q c_q S_{iq}
        + \frac{1}{N-1} \sum_{j \ne i} \sum_\ell \varphi_\ell(s_{ij})\, P^\ell_{ij} + \eta_i

A term has a score for each pair (a distance, an inner product), a vector weight (the direction to the
partner, the difference of velocities, a projection of the partner) and an unknown function; ``S`` are known
vectors that depend on the token alone. Everything is linear in what is unknown, so that all the data say is
in sums over frames: :func:`motion_sums` takes them once, and fits, held-out errors and bootstrap samples
are made of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from pairint.backend import to_host
from pairint.model import Spline, SplineSpace
from pairint.model.attention import sample_chunks
from pairint.validation import (
    check_floats,
    check_instance,
    check_integer,
    check_real,
    check_rng,
    check_size,
    shortened,
)

__all__ = ["KernelTerm", "MotionSums", "block_weights", "motion_sums"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class KernelTerm:
    """One unknown function of a known score, with the vectors that it weighs.

    Book: :doc:`/book/fish`.

    Parameters
    ----------
    name : str
    scores : array_like, shape (M, N, N)
        ``s_ij``; what stands on the diagonal is not used.
    weights : array_like, shape (M, N, N, v)
        ``P_ij``, in the unit of the outputs over that of the function.
    space : SplineSpace
        Where the function is sought.
    """

    name: str
    scores: Any
    weights: Any
    space: SplineSpace

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise TypeError(f"name must be a text, got {shortened(self.name)}")
        check_instance("space", self.space, SplineSpace)
        scores = _plain(check_floats("scores", self.scores, (None, None, None)))
        if scores.shape[0] < 1 or scores.shape[1] < 2 or scores.shape[1] != scores.shape[2]:
            raise ValueError(f"scores must have shape (M >= 1, N >= 2, N), got {scores.shape}")
        weights = _plain(check_floats("weights", self.weights, (*scores.shape, None)))
        if weights.shape[-1] < 1:
            raise ValueError(f"weights must have shape (M, N, N, v) with v >= 1, got {weights.shape}")
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "weights", weights)

    def features(self, chunk: slice) -> Floats:
        """Return the basis at each pair times its weight: shape ``(m, N, N, v, K + s)``."""
        scores, weights = self.scores[chunk], self.weights[chunk]
        basis = self.space.design(scores.ravel()).reshape(*scores.shape, 1, self.space.dimension)
        return basis * weights[..., None]


@dataclass(frozen=True, eq=False)
class MotionSums:
    """Sums over the answers of each frame: all that the data say of the kernels.

    Book: :doc:`/book/fish`.

    Attributes
    ----------
    gram : ndarray, shape (M, p, p)
        Sums of products of the ``p`` averaged features.
    moment : ndarray, shape (M, p)
        Sums of products of features and answers.
    energy, count : ndarray, shape (M,)
        Sum of squared answers, and their number.
    pairs : ndarray, shape (M, p, p)
        Sums over answers of the *mean over partners* of the products of pair features (zero for own terms).
    partners : float
        Partners of an answer, on average.
    places : dict of str to slice
        Where the coefficients of each term are; ``"own"`` for what depends on the token alone.
    spaces : dict of str to SplineSpace
    """

    gram: Floats
    moment: Floats
    energy: Floats
    count: Floats
    pairs: Floats
    partners: float
    places: dict[str, slice]
    spaces: dict[str, SplineSpace]

    def coefficients(
        self, weights: Any = None, *, terms: Sequence[str] | None = None, ridge: float = 1e-10
    ) -> Floats:
        """Return the least-squares coefficients, with zeros for terms that are not asked for.

        Parameters
        ----------
        weights : array_like, shape (M,), optional
            How often each frame counts: one or zero for a split, whole numbers for a bootstrap sample.
        terms : sequence of str, optional
            Names in ``places``; all by default.
        ridge : float
            Added to the diagonal, as a share of the features' mean square: it decides where nothing is seen.

        Raises
        ------
        ValueError
            If a term is unknown or the weights have no answer.
        """
        ridge = check_real("ridge", ridge, 0)
        weights = self._frames(weights)
        chosen = list(self.places) if terms is None else list(terms)
        unknown = [term for term in chosen if term not in self.places]
        if unknown or not chosen:
            raise ValueError(f"terms must be among {', '.join(self.places)}, got {shortened(terms)}")
        index = np.concatenate([np.arange(self.moment.shape[1])[self.places[term]] for term in chosen])
        gram = np.einsum("m,mpq->pq", weights, self.gram[:, index[:, None], index])
        moment = weights @ self.moment[:, index]
        size = np.sqrt(np.maximum(np.diag(gram), 0))
        size[size == 0] = 1.0
        scaled = gram / np.outer(size, size) + ridge * np.eye(len(index))
        found = np.zeros(self.moment.shape[1])
        found[index] = linalg.lstsq(scaled, moment / size)[0] / size
        return found

    def explained(self, coefficients: Any, weights: Any = None) -> float:
        """Return the share of the squared answers that is explained (R^2 against zero; negative if worse)."""
        lost, energy = self.losses(coefficients)
        weights = self._frames(weights)
        return 1.0 - float(weights @ lost) / float(weights @ energy)

    def losses(self, coefficients: Any) -> tuple[Floats, Floats]:
        """Return, for each frame, the sum of squared errors and that of squared answers, shapes ``(M,)``."""
        theta = check_floats("coefficients", coefficients, (self.moment.shape[1],))
        quadratic = np.einsum("p,mpq,q->m", theta, self.gram, theta)
        return self.energy - 2 * self.moment @ theta + quadratic, self.energy

    def kernel(self, name: str, coefficients: Any) -> Spline:
        """Return the function of a term."""
        if name not in self.spaces:
            raise ValueError(f"name must be one of {', '.join(self.spaces)}, got {shortened(name)}")
        theta = check_floats("coefficients", coefficients, (self.moment.shape[1],))
        return self.spaces[name].spline(theta[self.places[name]])

    def coercivity(self, names: Sequence[str] | None = None, share: float = 0.0) -> float:
        """Return the mean number of partners times the smallest relative information of a function.

        One for independent partners whose vectors have mean zero; zero if some function is hidden. Basis
        functions with less than ``share`` of the largest mean square over pairs are left out.
        """
        share = check_real("share", share, 0, 1)
        chosen = list(self.spaces) if names is None else list(names)
        if not chosen or any(name not in self.spaces for name in chosen):
            raise ValueError(f"names must be among {', '.join(self.spaces)}, got {shortened(names)}")
        index = np.concatenate([np.arange(self.moment.shape[1])[self.places[name]] for name in chosen])
        total = self.count.sum()
        gram = self.gram.sum(axis=0)[index[:, None], index] / total
        pairs = self.pairs.sum(axis=0)[index[:, None], index] / total
        size = np.diag(pairs)
        kept = np.flatnonzero(size > share * size.max())
        if not len(kept):
            raise ValueError("the terms must have weights that are not all zero")
        gram, pairs = gram[kept[:, None], kept], pairs[kept[:, None], kept]
        scale = 1 / np.sqrt(np.diag(pairs))
        sizes, vectors = linalg.eigh(pairs * np.outer(scale, scale))
        seen = sizes > 1e-12 * sizes[-1]  # combinations that vanish at all pairs are no functions
        root = scale[:, None] * vectors[:, seen] / np.sqrt(sizes[seen])
        return self.partners * float(linalg.eigvalsh(root.T @ gram @ root)[0])

    def _frames(self, weights: Any) -> Floats:
        if weights is None:
            return np.ones(len(self.count))
        weights = _plain(check_floats("weights", weights, (len(self.count),)))
        if not (weights >= 0).all() or not weights @ self.count > 0:
            raise ValueError("weights must be >= 0, and positive for a frame with answers")
        return weights


def motion_sums(
    answers: Any, terms: Sequence[KernelTerm], *, own: Any = None, seen: Any = None, answered: Any = None
) -> MotionSums:
    """Take the sums of which the fit of kernels is made.

    Book: :doc:`/book/fish`.

    Parameters
    ----------
    answers : array_like, shape (M, N, v)
        What is explained: velocities or accelerations.
    terms : sequence of KernelTerm
        Of the same ``M``, ``N`` and ``v``.
    own : array_like, shape (M, N, v, q), optional
        Known vectors with unknown coefficients: friction, walls.
    seen : array_like of bool, shape (M, N), optional
        Which tokens count as partners; what stands at the others is not used, but must be finite.
    answered : array_like of bool, shape (M, N), optional
        Whose answers count. One without a partner never does.

    Raises
    ------
    ValueError
        If shapes do not fit or no answer is left.

    Notes
    -----
    The mean over partners divides by the number of tokens seen besides the receiver. Frames are taken in
    chunks, so that memory is bounded; the time is of the order ``M N^2 v p^2`` (most of it for ``pairs``).
    """
    answers = _plain(check_floats("answers", answers, (None, None, None)))
    n_frames, n_tokens, dimension = answers.shape
    if not isinstance(terms, list | tuple) or not terms:
        raise TypeError(f"terms must be a list of at least one KernelTerm, got {shortened(terms)}")
    for term in terms:
        check_instance("terms", term, KernelTerm)
        if term.weights.shape != (n_frames, n_tokens, n_tokens, dimension):
            raise ValueError(
                f"terms must have weights of shape {(n_frames, n_tokens, n_tokens, dimension)}, to go with "
                f"answers; got {term.weights.shape} for {term.name!r}"
            )
    names = [term.name for term in terms]
    if len({*names, "own"}) != len(names) + 1:
        raise ValueError(f"terms must have distinct names, none of them 'own'; got {', '.join(names)}")
    if own is None:
        own = np.zeros((*answers.shape, 0))
    own = _plain(check_floats("own", own, (*answers.shape, None)))
    seen, answered = (
        _flags(name, value, answers.shape[:2]) for name, value in (("seen", seen), ("answered", answered))
    )
    widths = [own.shape[-1], *(term.space.dimension for term in terms)]
    ends = np.cumsum(widths)
    p = int(ends[-1])
    places = {
        name: slice(int(end - width), int(end))
        for name, width, end in zip(["own", *names], widths, ends, strict=True)
        if width
    }
    check_size("answers and terms", n_frames, p, p)
    both = answered[:, :, None] & seen[:, None, :]
    both &= ~np.eye(n_tokens, dtype=bool)
    n_partners = both.sum(axis=2)
    used = answered & (n_partners > 0)
    if not used.any():
        raise ValueError("answered and seen must leave at least one token with a partner")
    share = np.where(both, 1.0 / np.maximum(n_partners, 1)[:, :, None], 0.0) * used[:, :, None]
    gram, pairs = np.zeros((2, n_frames, p, p))
    moment = np.zeros((n_frames, p))
    for chunk in sample_chunks(n_frames, n_tokens**2 * dimension * (p + 2)):
        m = answers[chunk].shape[0]
        each = np.concatenate([term.features(chunk) for term in terms], axis=-1)
        averaged = np.einsum("mij,mijvp->mivp", share[chunk], each)
        features = np.concatenate([own[chunk] * used[chunk, :, None, None], averaged], axis=-1)
        features = features.reshape(m, n_tokens * dimension, p)
        gram[chunk] = features.swapaxes(1, 2) @ features
        target = (answers[chunk] * used[chunk, :, None]).reshape(m, -1, 1)
        moment[chunk] = (features.swapaxes(1, 2) @ target)[..., 0]
        each *= np.sqrt(share[chunk])[..., None, None]
        each = each.reshape(m, n_tokens**2 * dimension, -1)
        pairs[chunk, widths[0] :, widths[0] :] = each.swapaxes(1, 2) @ each
    return MotionSums(
        gram=gram,
        moment=moment,
        energy=np.sum(answers**2 * used[..., None], axis=(1, 2)),
        count=used.sum(axis=1).astype(float),
        pairs=pairs,
        partners=float(n_partners[used].mean()),
        places=places,
        spaces={term.name: term.space for term in terms},
    )


def _plain(array: Any) -> Floats:
    return np.asarray(to_host(array), dtype=float)


def _flags(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if value is None:
        return np.ones(shape, dtype=bool)
    value = to_host(value)
    if value.dtype != np.bool_ or value.shape != shape:
        raise ValueError(f"{name} must be true or false, of shape {shape}; got {shortened(value)}")
    return value


def block_weights(n_frames: int, length: int, n_draws: int, rng: Any) -> Floats:
    """Draw moving-block bootstrap samples of a film: how often each frame counts.

    Book: :doc:`/book/fish`.

    Blocks of consecutive frames are drawn with replacement, from all places at which a block fits, until they
    have as many frames as the film; the last one is cut. Neighbouring frames stay together, as their errors
    do.

    Parameters
    ----------
    n_frames : int
    length : int
        Frames of a block, 1 to ``n_frames``: longer than the memory of the errors.
    n_draws : int
        At least 1, at most a million.
    rng : Generator, SeedSequence or int

    Returns
    -------
    ndarray, shape (n_draws, n_frames)
        Each row sums to ``n_frames``.

    Notes
    -----
    Kuensch (1989, Annals of Statistics 17, 1217-1241). With few blocks the intervals are too short: ten
    blocks are few.
    """
    n_frames = check_integer("n_frames", n_frames, 1, 10_000_000)
    length = check_integer("length", length, 1, n_frames)
    n_draws = check_integer("n_draws", n_draws, 1, 1_000_000)
    check_size("n_draws and n_frames", n_draws, n_frames)
    rng = check_rng(rng)
    n_blocks = math.ceil(n_frames / length)
    starts = rng.integers(n_frames - length + 1, size=(n_draws, n_blocks, 1))
    frames = (starts + np.arange(length)).reshape(n_draws, -1)[:, :n_frames]
    flat = frames + n_frames * np.arange(n_draws)[:, None]
    counts = np.bincount(flat.ravel().astype(np.intp), minlength=n_draws * n_frames)
    return counts.reshape(n_draws, n_frames).astype(float)
