r"""What a longer context buys: the information in outputs about a function, about queries and about keys.

A change h of the interaction moves an output by the average of h over the partners, of mean square

.. math:: \mathbb{E} R_h^2 = \frac{\mathbb{E} h^2}{N-1} \big(1 + (N-2) \kappa\big), \qquad
    \kappa = \frac{\mathbb{E} m_h^2}{\mathbb{E} h^2}, \quad m_h(x) = \mathbb{E}[h(x, X_2)],

for independent tokens. The *share* :math:`\kappa` is what one token knows of h. A coefficient of h costs, in
the squared error and in units of :math:`\sigma^2 / M`, the :func:`direction_price`
:math:`\frac{N-1}{N} / (1 + (N-2) \kappa)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from pairint.model import SplineSpace, TokenLaw
from pairint.model.attention import sample_chunks
from pairint.model.tangent import Information, TangentBasis, measured_information, tangent_basis
from pairint.steps import steps
from pairint.validation import (
    check_choice,
    check_floats,
    check_instance,
    check_integer,
    check_real,
    check_rng,
    check_size,
    shortened,
)

__all__ = [
    "CHANNELS",
    "Information",
    "SampledPrice",
    "channel_prices",
    "cosine_query_share",
    "direction_price",
    "exact_information",
    "exponential_query_share",
    "function_shares",
    "hidden_directions",
    "learned_slope_factor",
    "query_share",
    "sampled_prices",
]

#: What can be observed: a mean of activations or a softmax, with a scalar value or the token itself.
CHANNELS = ("mean", "softmax", "mean, vector", "softmax, vector")
_LAWS = ("gaussian", "cube")
#: Reach of the quadrature for Gaussian coordinates, the width of its cells, the nodes of a cell.
_REACH, _CELL, _NODES = 14.0, 0.5, 10
#: Share of an integral that may lie in the outermost cells: more, and it hardly exists.
_TAIL = 1e-6
_LARGEST_N = 10**9


def direction_price(n_tokens: Any, share: Any = 0.0) -> Any:
    r"""Return :math:`\frac{N-1}{N} / (1 + (N-2) \kappa)`, what one coefficient costs in units of sigma^2/M.

    Book: :doc:`/book/longer_context`.

    Parameters
    ----------
    n_tokens : float or array_like
        N >= 2.
    share : float or array_like
        kappa in [0, 1]: what one token knows of the coefficient's direction. Zero for keys.

    Returns
    -------
    float or ndarray
        Between 1/N and (N-1)/N.
    """
    n, kappa = check_floats("n_tokens", n_tokens), check_floats("share", share)
    if np.any(n < 2):
        raise ValueError(f"n_tokens must be >= 2, got {float(np.min(n))}")
    if np.any(kappa < 0) or np.any(kappa > 1):
        raise ValueError(f"share must be in [0, 1], got values from {np.min(kappa)} to {np.max(kappa)}")
    try:
        np.broadcast_shapes(n.shape, kappa.shape)
    except ValueError as error:
        raise ValueError(f"n_tokens and share must broadcast, got {n.shape} and {kappa.shape}") from error
    price = (n - 1) / n / (1 + (n - 2) * kappa)
    return float(price) if np.ndim(price) == 0 else price


def hidden_directions(d: int, rank: int) -> int:
    r"""Return :math:`r(d-r) + r(r-1)/2`, the number of directions that Gaussian tokens never make cheaper.

    Book: :doc:`/book/longer_context`.

    They rotate the keys, :math:`A \mapsto A O`, and keep :math:`A A^\top`. For odd activations all directions
    of the matrix are hidden.

    Parameters
    ----------
    d : int
        At least 1.
    rank : int
        From 1 to ``d``.
    """
    d = check_integer("d", d, 1)
    rank = check_integer("rank", rank, 1, d)
    return rank * (d - rank) + rank * (rank - 1) // 2


def cosine_query_share(frequency: float) -> float:
    r"""Return the share of a query direction for ``cos(frequency u)``, a matrix of rank one, Gaussian tokens.

    Book: :doc:`/book/longer_context`.

    .. math:: \kappa = \frac{2 c^2 (1 + 2c^2)^{-3/2}}{1 - (1 + 4c^2)^{-3/2}}

    Parameters
    ----------
    frequency : float
        c in (0, 1e6], the frequency times the norm of the matrix.
    """
    square = check_real("frequency", frequency, 0.0, 1e6, exclusive_minimum=True) ** 2
    if square < 1e-30:
        return 1 / 3  # the limit
    # 1 - (1 + x)^(-3/2) without cancellation for small x.
    return 2 * square * (1 + 2 * square) ** -1.5 / -math.expm1(-1.5 * math.log1p(4 * square))


def exponential_query_share(rate: float) -> float:
    r"""Return the share of a query direction for ``exp(rate u)``, a matrix of rank one, Gaussian tokens.

    Book: :doc:`/book/longer_context`.

    .. math:: \kappa = c^2 \Big( \frac{1 - 4c^2}{1 - 2c^2} \Big)^{3/2}, \qquad |c| < \tfrac12 ;

    beyond, the interaction's derivative has no second moment.

    Parameters
    ----------
    rate : float
        c in (-1/2, 1/2), the rate times the norm of the matrix.
    """
    square = check_real("rate", rate, -0.5, 0.5, exclusive_minimum=True, exclusive_maximum=True) ** 2
    return square * ((1 - 4 * square) / (1 - 2 * square)) ** 1.5


def query_share(activation: Any, *, scale: float = 1.0, rank: int = 1, law: str = "gaussian") -> float:
    r"""Return the share of a query direction by quadrature.

    Book: :doc:`/book/longer_context`.

    For Gaussian tokens and r equal singular values, with t the norm of :math:`A^\top x`,

    .. math:: \kappa = \frac{\mathbb{E}\,(\mathbb{E}[\varphi'(tZ) Z \mid t])^2}
        {\mathbb{E}\, \varphi'(tZ)^2 (Z^2 + r - 1)} .

    Parameters
    ----------
    activation : Activation
        With a ``derivative``.
    scale : float
        Frobenius norm of the matrix, > 0.
    rank : int
        From 1 to 1000; one for the cube.
    law : {"gaussian", "cube"}
        Standard Gaussian tokens and any matrix, or tokens uniform on the cube and a matrix with one entry.

    Raises
    ------
    ValueError
        If a parameter is out of range, or the second moment is not finite or hardly exists.
    TypeError
        If the activation has no derivative.
    """
    _check_derivative(activation)
    scale = check_real("scale", scale, 0.0, 1e6, exclusive_minimum=True)
    check_choice("law", law, _LAWS)
    rank = check_integer("rank", rank, 1, 1 if law == "cube" else 1000)
    z, z_weight = _coordinate(law)
    t, t_weight = (z, z_weight) if law == "cube" else _radius(rank)
    slopes = _slopes(activation, scale / math.sqrt(rank) * t[:, None] * z)
    known = slopes @ (z_weight * z)
    second = slopes**2 * ((z**2 + rank - 1) * z_weight) * t_weight[:, None]
    total = float(second.sum())
    outermost = second[-1].sum() + second[:, [0, -1]].sum()
    if not math.isfinite(total) or total <= 0:
        raise ValueError(f"activation must have a slope of finite second moment, not zero; got {total}")
    if law == "gaussian" and outermost > _TAIL / _NODES * total:
        raise ValueError(
            "activation must have a slope whose second moment exists for Gaussian tokens; the integral does "
            f"not settle within {_REACH:g} standard deviations: lower scale, now {scale:g}"
        )
    return float(known**2 @ t_weight) / total


def function_shares(space: SplineSpace, *, scale: float = 1.0, law: str = "gaussian") -> NDArray[np.float64]:
    """Return what one token knows of the functions of a spline space: the shares, the largest first.

    Book: :doc:`/book/longer_context`.

    The matrix has rank one. The first is one, for constants; half of them are zero if the interval is
    symmetric, for odd functions.

    Parameters
    ----------
    space : SplineSpace
        Of at most 500 dimensions.
    scale, law
        As in :func:`query_share`.
    """
    pair, cross = _function_grams(space, scale, law)
    size = np.sqrt(np.where(np.diag(pair) > 0, np.diag(pair), np.inf))
    values, vectors = linalg.eigh(pair / np.outer(size, size))
    seen = values > 1e-12 * values[-1]
    root = vectors[:, seen] / size[:, None] / np.sqrt(values[seen])
    return np.clip(linalg.eigvalsh(root.T @ cross @ root)[::-1], 0.0, 1.0)


def exact_information(
    activation: Any,
    n_tokens: int,
    *,
    d: int,
    scale: float = 1.0,
    space: SplineSpace | None = None,
    law: str = "gaussian",
) -> Information:
    """Return the information of one output for a matrix of rank one, by quadrature.

    Book: :doc:`/book/longer_context`.

    Function, queries and keys are uncorrelated, see the page; within queries and within keys the directions
    are orthogonal, and all alike.

    Parameters
    ----------
    activation : Activation
        With a ``derivative``.
    n_tokens : int
        N >= 2.
    d : int
        Dimension, from 2 to 1000.
    scale, law
        As in :func:`query_share`.
    space : SplineSpace, optional
        Directions of the function are its basis functions; without it the function is known.

    Returns
    -------
    Information
    """
    n_tokens = check_integer("n_tokens", n_tokens, 2, _LARGEST_N)
    d = check_integer("d", d, 2, 1000)
    share = query_share(activation, scale=scale, law=law)
    scale = float(scale)
    z, weight = _coordinate(law)
    slopes = _slopes(activation, scale * z[:, None] * z)
    second = float(weight @ slopes**2 @ (weight * z**2))
    size, n_function = d - 1, 0
    blocks: dict[str, slice] = {}
    parts = []
    if space is not None:
        pair, cross = _function_grams(space, scale, law)
        n_function = space.dimension
        blocks["function"] = slice(0, n_function)
        parts.append((pair, cross))
    blocks |= {
        name: slice(n_function + place * size, n_function + (place + 1) * size)
        for place, name in enumerate(("queries", "keys"))
    }
    parts += [(second * np.eye(size), kappa * second * np.eye(size)) for kappa in (share, 0.0)]
    pair, cross = (linalg.block_diag(*matrices) for matrices in zip(*parts, strict=True))
    aggregated = (pair + (n_tokens - 2) * cross) / (n_tokens - 1)
    return Information(aggregated, pair, n_tokens, 1, 1.0, blocks)


def learned_slope_factor(
    activation: Any,
    n_tokens: int,
    *,
    space: SplineSpace,
    n_samples: int,
    noise_std: float,
    penalty: float = 0.1,
    scale: float = 1.0,
    law: str = "gaussian",
) -> float:
    r"""Return by what factor the noise of the fitted slope makes a key dearer, to leading order.

    Book: :doc:`/book/longer_context`.

    .. math:: 1 + \frac{\sigma^2}{MN\, s} \Big( \operatorname{tr}(S\, Q) - \frac{q^\top S\, q}{s} \Big), \quad
        S = (G + P)^{-1} G\, (G + P)^{-1},\quad Q_{kl} = \mathbb{E}\, B_k'(U) B_l'(U)\, a^2,

    with :math:`q_k = \mathbb{E}\, B_k'(U) \varphi'(U)\, a^2` and :math:`s = \mathbb{E}\, \varphi'(U)^2 a^2`,
    the score :math:`U = c\,a b` of two coordinates, the information G of one output about the coefficients,
    and the penalty P over MN. What of the noise is a multiple of the slope itself costs nothing, and is taken
    off. The matrix has rank one.

    Parameters
    ----------
    activation : Activation
        With a ``derivative``.
    n_tokens, n_samples : int
        N >= 2, M >= 1.
    space : SplineSpace
        Of the fit, of degree 1 or more and at most 500 dimensions.
    noise_std : float
        Standard deviation of the noise, from 0 to 1e6.
    penalty : float
        That of the fit, from 0 to 1e6.
    scale, law
        As in :func:`query_share`.

    Returns
    -------
    float
        At least one; infinite if the fit is not determined.

    Raises
    ------
    ValueError
        If a number is out of range, or the activation has no slope.
    """
    _check_derivative(activation)
    n_tokens = check_integer("n_tokens", n_tokens, 2, _LARGEST_N)
    n_samples = check_integer("n_samples", n_samples, 1, _LARGEST_N)
    noise_std = check_real("noise_std", noise_std, 0.0, 1e6)
    penalty = check_real("penalty", penalty, 0.0, 1e6)
    pair, cross = _function_grams(space, scale, law)
    check_integer("the degree of space", space.degree, 1)
    rows = n_samples * n_tokens
    gram = (pair + (n_tokens - 2) * cross) / (n_tokens - 1)
    system = gram + penalty / rows * space.difference_penalty()
    size = np.sqrt(np.where(np.diag(system) > 0, np.diag(system), 1.0))
    values, vectors = linalg.eigh(system / np.outer(size, size))
    if not values[0] > 1e-13 * values[-1]:
        return math.inf
    inverse = (vectors / values) @ vectors.T / np.outer(size, size)
    z, weight = _coordinate(law)
    lower = SplineSpace(space.lower, space.upper, space.n_intervals, space.degree - 1)
    slope = np.diff(np.eye(space.dimension), axis=0) / space.width
    slopes, along, second = np.zeros((lower.dimension,) * 2), np.zeros(lower.dimension), 0.0
    half = z > 0  # x and -x see the same scores, up to sign, and so do their slopes
    for x, w in zip(z[half], 2 * weight[half], strict=True):
        u = scale * x * z
        design = lower.design(np.clip(u, space.lower, space.upper))  # continued linearly outside
        true = _slopes(activation, u)
        slopes += w * x**2 * (design.T * weight) @ design
        along += w * x**2 * (weight * true) @ design
        second += w * x**2 * float(weight @ true**2)
    if not 0.0 < second < math.inf:
        raise ValueError(f"activation must have a slope that is not zero, with a mean square, got {second}")
    noise = slope @ inverse @ gram @ inverse @ slope.T
    across = np.sum(noise * slopes) - along @ noise @ along / second  # of the noise, not along the slope
    return float(1.0 + noise_std**2 / rows * max(float(across), 0.0) / second)


@dataclass(frozen=True)
class SampledPrice:
    """A price by Monte Carlo, in units of sigma^2/M, and its standard error.

    Book: :doc:`/book/longer_context`.
    """

    value: float
    standard_error: float


def sampled_prices(
    tokens: TokenLaw,
    matrix: Any,
    activation: Any,
    *,
    n_tokens: int,
    n_samples: int,
    space: SplineSpace | None = None,
    rng: Any = None,
    n_batches: int = 20,
) -> dict[str, SampledPrice]:
    """Estimate what a coefficient of each block costs, for any law, matrix and activation (Monte Carlo).

    Book: :doc:`/book/longer_context`.

    Parameters
    ----------
    tokens : TokenLaw
    matrix : array_like, shape (d, d)
        Its rank is the number of its nonzero singular values.
    activation : Activation
        With a ``derivative``.
    n_tokens, n_samples : int
        N >= 2; samples in all, at least ``n_batches``.
    space : SplineSpace, optional
        Directions of the function; without it the function is known.
    rng : numpy.random.Generator, SeedSequence, int or None
    n_batches : int
        At least 4. Standard errors are those of the jackknife over batches.

    Returns
    -------
    dict of str to SampledPrice
        For each block its :meth:`Information.price`, and for "matrix", if there is a function to be learned,
        :meth:`Information.matrix_price`.
    """
    _check_law(tokens)
    _check_derivative(activation)
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    n_batches = check_integer("n_batches", n_batches, 4, 1000)
    n_samples = check_integer("n_samples", n_samples, n_batches)
    matrix = check_floats("matrix", matrix, (tokens.d, tokens.d))
    if space is not None:
        check_instance("space", space, SplineSpace)
    rng = check_rng(rng)
    check_size("n_samples and n_tokens", n_samples // n_batches, n_tokens, n_tokens)
    batches = [
        measured_information(
            tokens.sample(n_samples // n_batches, n_tokens, rng), matrix, activation, space=space
        )
        for _ in steps(range(n_batches), "batches")
    ]
    first = batches[0]
    stacked = {name: np.array([getattr(b, name) for b in batches]) for name in ("aggregated", "pair")}

    def prices(without: int | None) -> dict[str, float]:
        kept = {n: np.delete(a, without, axis=0) if without is not None else a for n, a in stacked.items()}
        mean = {name: array.mean(axis=0) for name, array in kept.items()}
        information = Information(mean["aggregated"], mean["pair"], n_tokens, 1, 1.0, first.blocks)
        found = {name: information.price(name) for name in first.blocks}
        return found | ({"matrix": information.matrix_price()} if "function" in first.blocks else {})

    left_out = [prices(i) for i in range(n_batches)]
    factor = math.sqrt((n_batches - 1) ** 2 / n_batches)
    return {
        name: SampledPrice(value, factor * float(np.std([each[name] for each in left_out], ddof=1)))
        for name, value in prices(None).items()
    }


def channel_prices(
    channel: str,
    tokens: TokenLaw,
    matrix: Any,
    activation: Any,
    *,
    n_tokens: int,
    n_samples: int,
    value: Any = None,
    rng: Any = None,
    n_batches: int = 20,
) -> dict[str, SampledPrice]:
    r"""Estimate what queries and keys cost for each way to observe a head, the function known (Monte Carlo).

    Book: :doc:`/book/longer_context`.

    With weights :math:`w_{ij} = \varphi(U_{ij}) / (N - 1)`, or, for ``"softmax"``,
    :math:`\varphi(U_{ij}) / \sum_{k \ne i} \varphi(U_{ik})`, what is observed of token i, with noise, is
    :math:`\sum_{j \ne i} w_{ij} v_j`. A scalar value is one for a mean, and a coordinate of the token for a
    softmax, whose weights sum to one; a vector value is the token itself.

    Parameters
    ----------
    channel : str
        One of :data:`CHANNELS`.
    tokens, matrix, activation, n_tokens, n_samples, rng, n_batches
        As in :func:`sampled_prices`. For a softmax the activation must be positive; ``exp`` is the usual one.
    value : array_like, shape (d,), optional
        For ``"softmax"``: the scalar value of a token x is ``value' x``. By default the first right singular
        vector of the matrix, the coordinate that the score reads.

    Returns
    -------
    dict of str to SampledPrice
        The variance of the estimate of a direction of Frobenius norm one, on average over the queries and
        over the keys, in units of sigma^2/M. It is not weighted by L2(rho), in which channels differ.
    """
    check_choice("channel", channel, CHANNELS)
    _check_law(tokens)
    _check_derivative(activation)
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    n_batches = check_integer("n_batches", n_batches, 4, 1000)
    n_samples = check_integer("n_samples", n_samples, n_batches)
    matrix = np.asarray(check_floats("matrix", matrix, (tokens.d, tokens.d)), dtype=float)
    basis = tangent_basis(matrix)
    direction = basis.right[:, 0] if value is None else check_floats("value", value, (tokens.d,))
    rng = check_rng(rng)
    check_size("n_samples and n_tokens", n_samples // n_batches, n_tokens, n_tokens)
    batches = []
    for _ in steps(range(n_batches), "batches"):
        X = tokens.sample(n_samples // n_batches, n_tokens, rng)
        batches.append(_channel_information(channel, X, matrix, activation, basis, direction))
    stacked = np.array(batches)
    core, queries = basis.sizes["core"], basis.sizes["queries"]
    parts = {"queries": slice(core, core + queries), "keys": slice(core + queries, core + 2 * queries)}
    parts = {name: part for name, part in parts.items() if part.stop > part.start}  # none if rank = d

    def prices(kept: NDArray[np.float64]) -> dict[str, float]:
        variances = np.diag(linalg.pinvh(kept.mean(axis=0)))
        return {name: float(variances[part].mean()) for name, part in parts.items()}

    left_out = [prices(np.delete(stacked, i, axis=0)) for i in range(n_batches)]
    factor = math.sqrt((n_batches - 1) ** 2 / n_batches)
    return {
        name: SampledPrice(value, factor * float(np.std([each[name] for each in left_out], ddof=1)))
        for name, value in prices(stacked).items()
    }


def _channel_information(
    channel: str,
    X: NDArray[np.float64],
    matrix: NDArray[np.float64],
    activation: Any,
    basis: TangentBasis,
    direction: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the information of a sample, for noise of variance one, averaged over samples."""
    n_samples, n_tokens, d = X.shape
    diagonal = np.arange(n_tokens)
    width = sum(basis.sizes.values())
    vector, normalised = channel.endswith("vector"), channel.startswith("softmax")
    total = np.zeros((width, width))
    for chunk in sample_chunks(n_samples, n_tokens * (4 * n_tokens + (d if vector else 1) * (d + width))):
        tokens = X[chunk]
        scores = (tokens @ matrix) @ np.swapaxes(tokens, 1, 2)
        weights, slopes = (np.array(f(scores), dtype=float) for f in (activation, activation.derivative))
        for each in (weights, slopes):
            each[:, diagonal, diagonal] = 0.0
        if vector:
            values = tokens
        elif normalised:
            values = (tokens @ direction)[:, :, None]
        else:
            values = np.ones((*tokens.shape[:2], 1))
        if normalised:
            mass = weights.sum(axis=2, keepdims=True)
            if not np.all(mass > 0):
                raise ValueError("activation must be positive for a softmax, got a row whose sum is not")
            slopes = slopes / mass
            output = (weights @ values) / mass
        else:
            slopes = slopes / (n_tokens - 1)
        # The output of token i moves by sum_j slopes_ij (x_i' Delta x_j) (v_j - output_i): the pulled tokens,
        # one for each coordinate of the value.
        for c in range(values.shape[2]):
            pulled = slopes @ (tokens * values[:, :, c : c + 1])
            if normalised:
                pulled = pulled - output[:, :, c : c + 1] * (slopes @ tokens)
            J = basis.products(tokens.reshape(-1, d), pulled.reshape(-1, d))
            total += J.T @ J
    return total / n_samples


def _check_law(tokens: Any) -> None:
    if not isinstance(tokens, TokenLaw):
        raise TypeError(f"tokens must be a TokenLaw, got {shortened(tokens)}")


def _check_derivative(activation: Any) -> None:
    if not callable(activation) or not callable(getattr(activation, "derivative", None)):
        raise TypeError(f"activation must be a function with a derivative, got {type(activation).__name__}")


def _slopes(activation: Any, u: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        return np.asarray(activation.derivative(u), dtype=float)


def _pieces(ends: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Gauss's nodes and weights on the cells between the ends."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    width = np.diff(ends)[:, None]
    return (ends[:-1, None] + width * (nodes + 1) / 2).ravel(), (width / 2 * weights).ravel()


def _coordinate(law: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a quadrature for one coordinate of a token: zero is an end of cells, for kinks at zero."""
    reach = _REACH if law == "gaussian" else math.sqrt(3)
    x, weight = _pieces(np.linspace(-reach, reach, 2 * round(_REACH / _CELL) + 1))
    if law == "cube":
        return x, weight / (2 * reach)
    return x, weight * np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)


def _radius(rank: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a quadrature for the norm of a Gaussian vector in ``rank`` dimensions."""
    centre = math.sqrt(rank)
    low, high = max(0.0, centre - _REACH), centre + _REACH
    t, weight = _pieces(np.linspace(low, high, round((high - low) / _CELL) + 1))
    log_density = (rank - 1) * np.log(t) - t**2 / 2 - (rank / 2 - 1) * math.log(2) - math.lgamma(rank / 2)
    return t, weight * np.exp(log_density)


def _function_grams(
    space: SplineSpace, scale: float, law: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``E B(U) B(U)'`` and ``E Bbar Bbar'`` for a score that is a product of two coordinates."""
    check_instance("space", space, SplineSpace)
    check_integer("the dimension of space", space.dimension, 1, 500)
    scale = check_real("scale", scale, 0.0, 1e6, exclusive_minimum=True)
    z, weight = _coordinate(check_choice("law", law, _LAWS))
    pair, cross = np.zeros((space.dimension,) * 2), np.zeros((space.dimension,) * 2)
    half = z > 0  # x and -x see the same scores
    for x, w in zip(z[half], 2 * weight[half], strict=True):
        design = space.design(scale * x * z)
        mean = weight @ design
        pair += w * (design.T * weight) @ design
        cross += w * np.outer(mean, mean)
    return pair, cross
