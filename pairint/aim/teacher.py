r"""The teacher of an attention-indexed model: a random attention matrix, tokens, and labels.

.. math::

   S = \frac{WW^\top}{\sqrt{rd}}, \quad x_a \sim \mathcal N(0, I_d), \quad
   h_{ab} = \frac{x_a^\top S x_b - \delta_{ab}\operatorname{Tr}S}{\sqrt d}, \quad y = g(h),

with :math:`W \in \mathbb R^{d\times r}` of independent standard Gaussians, :math:`\rho = r/d`. In this
normalisation :math:`\operatorname{Tr} S^2/d \to Q_0 = 1 + \rho` and the error without data is 1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pairint.aim.channels import Channel, make_channel
from pairint.aim.indices import indices
from pairint.aim.priors import Prior, WishartPrior, make_prior
from pairint.validation import check_choice, check_floats, check_integer, check_real, check_rng, check_size

__all__ = ["NORMALISATIONS", "AIMTeacher", "convert_error", "convert_matrix", "matrix_error"]

#: Factors c(d, r) of S = c W W' in use; "aim" is the one of this package and of the AIM paper.
NORMALISATIONS = {
    "aim": lambda d, r: 1 / math.sqrt(r * d),
    "sqrt_width": lambda d, r: 1 / math.sqrt(r),
    "width": lambda d, r: 1 / r,
    "sqrt_dimension": lambda d, r: 1 / math.sqrt(d),
    "dimension": lambda d, r: 1 / d,
    "gram": lambda d, r: 1.0,
}


class AIMTeacher:
    r"""A tied attention layer with random weights, which labels Gaussian tokens.

    Book: :doc:`/book/aim_model`.

    Parameters
    ----------
    d : int
        Embedding dimension.
    rho : float or Prior
        Width ratio; the width is ``round(rho d)``, at least 1. Or the law of the matrix, which draws it.
    n_tokens : int
        Tokens per sample, T >= 2.
    channel : {"softmax", "hardmax", "linear"} or Channel
    rng : Generator, SeedSequence, int or None
        Source of the weights.

    Attributes
    ----------
    W : ndarray (d, r) or None
        ``None`` for a prior of your own, as is ``width``.
    S : ndarray (d, d)
    width : int or None
    rho : float
        ``width / d``, which differs from the argument if that is not a multiple of 1/d; or the prior.
    channel : Channel
    """

    def __init__(
        self,
        d: int,
        rho: float | Prior,
        n_tokens: int = 2,
        channel: str | Channel = "softmax",
        rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    ) -> None:
        self.d = check_integer("d", d, 1)
        check_size("d", self.d, self.d)
        self.channel = make_channel(channel, n_tokens, untied=True)
        self.n_tokens = self.channel.n_tokens
        rng = check_rng(rng)
        self._seed = rng.bit_generator.seed_seq
        self.rho: Any
        self.width: Any
        self.W: Any
        if isinstance(rho, WishartPrior):
            rho = rho.rho
        tied = rho.symmetric if isinstance(rho, Prior) else True
        if tied != self.channel.symmetric:
            raise ValueError(
                f"channel must be of the kind of rho, tied or untied, got {rho!r}, {self.channel!r}"
            )
        if isinstance(rho, Prior):
            self.width, self.W, self.rho = None, None, make_prior(rho)
            self.S = check_floats("the matrix that the prior draws", rho.draw(self.d, rng), (self.d, self.d))
            return
        rho = check_real("rho", rho, 0, exclusive_minimum=True)
        check_size("d and rho", self.d, self.d * math.ceil(rho))
        self.width = max(1, round(rho * self.d))
        self.rho = self.width / self.d
        self.W = rng.standard_normal((self.d, self.width))
        self.S = convert_matrix(self.W @ self.W.T, self.d, self.width, "gram", "aim")

    def sample(
        self, n_samples: int, rng: np.random.Generator | np.random.SeedSequence | int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw tokens X and label them.

        Parameters
        ----------
        n_samples : int
        rng : Generator, SeedSequence, int or None
            Source of the tokens. A seed that has also served the weights gives a stream of its own, lest the
            first tokens be the weights; a Generator is used as it is.

        Returns
        -------
        X : ndarray (n, T, d)
        y : ndarray (n, T, T)
        """
        n = check_integer("n_samples", n_samples, 1)
        check_size("n_samples", n, self.n_tokens, max(self.n_tokens, self.d))
        generator = check_rng(rng)
        seed: Any = generator.bit_generator.seed_seq
        if generator is not rng and _same_stream(seed, self._seed):
            # A stream of its own, by name: no number that a spawned child could have.
            key = (*seed.spawn_key, *b"tokens")
            child = np.random.SeedSequence(seed.entropy, spawn_key=key, pool_size=seed.pool_size)
            generator = np.random.default_rng(child)
        X = generator.standard_normal((n, self.n_tokens, self.d))
        return X, self.labels(X)

    def labels(self, X: np.ndarray) -> np.ndarray:
        """Return the labels (n, T, T) of the tokens ``X`` (n, T, d)."""
        X = check_floats("X", X, (None, self.n_tokens, self.d))
        return self.channel.output(check_floats("the indices of X", indices(X, self.S)))

    def error(self, estimate: np.ndarray) -> float:
        r"""Return the error :math:`\lVert S - \hat S\rVert_F^2/d` of an estimate of ``S``, shape (d, d)."""
        return matrix_error(self.S, check_floats("estimate", estimate, (self.d, self.d)))


def _same_stream(first: Any, second: Any) -> bool:
    """Say whether two seeds start the same stream (a Generator may have been made without a SeedSequence)."""
    both = all(isinstance(seed, np.random.SeedSequence) for seed in (first, second))
    return both and np.array_equal(first.generate_state(4), second.generate_state(4))


def matrix_error(truth: Any, estimate: Any) -> float:
    r"""Return :math:`\lVert S - \hat S\rVert_F^2/d` of an estimate (two (d, d) arrays of one library).

    Raises
    ------
    ValueError
        If the two are no square matrices of one size.
    """
    shapes: Any = tuple(getattr(matrix, "shape", ()) for matrix in (truth, estimate))
    if len(shapes[0]) != 2 or shapes[0][0] != shapes[0][1] or shapes[0] != shapes[1]:
        raise ValueError(
            f"truth and estimate must be square matrices of one size, got shapes {shapes[0]} and {shapes[1]}"
        )
    return float(((truth - estimate) ** 2).sum()) / truth.shape[0]


def convert_matrix(matrix: Any, d: int, width: int, source: str, target: str = "aim") -> Any:
    r"""Rescale an attention matrix from one normalisation of :math:`WW^\top` to another.

    Parameters
    ----------
    matrix : array (d, d)
    d, width : int
        Embedding dimension, and width r of the layer.
    source, target : str
        Keys of :data:`NORMALISATIONS`: ``"aim"`` is :math:`WW^\top/\sqrt{rd}`, ``"sqrt_width"``
        :math:`WW^\top/\sqrt r`, ``"width"`` :math:`WW^\top/r`, ``"sqrt_dimension"`` :math:`WW^\top/\sqrt d`,
        ``"dimension"`` :math:`WW^\top/d` and ``"gram"`` :math:`WW^\top`.
    """
    return matrix * _conversion(d, width, source, target)


def convert_error(error: Any, d: int, width: int, source: str, target: str = "aim") -> Any:
    r"""Rescale a squared error :math:`\lVert S - \hat S\rVert_F^2/d` between normalisations."""
    return error * _conversion(d, width, source, target) ** 2


def _conversion(d: int, width: int, source: str, target: str) -> float:
    d, width = check_integer("d", d, 1), check_integer("width", width, 1)
    for name, value in (("source", source), ("target", target)):
        check_choice(name, value, tuple(NORMALISATIONS))
    return NORMALISATIONS[target](d, width) / NORMALISATIONS[source](d, width)
