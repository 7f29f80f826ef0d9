r"""A polynomial in the place of the exponential: fitted to what a head of softmax attention returns.

With :math:`t_{ij}` the scores of a row less their mean, :math:`v_j` the values and :math:`y_i` the outputs of
the head, the polynomial :math:`p(t) = \sum_m a_m t^m` leaves the error

.. math:: \sum_i \frac{|N_i a|^2}{(d_i^\top a)^2}, \qquad (N_i)_{\cdot m} = \sum_j t_{ij}^m (v_j - y_i),
    \quad (d_i)_m = \sum_j t_{ij}^m .

Both are sums over pairs, formed once. What remains is least squares of a few unknowns, each row weighted by
the inverse square of its denominator, which is updated (Gauss-Newton steps with damping, no step to where a
denominator is not positive).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.backend import array_namespace, to_host
from pairint.steps import steps
from pairint.validation import check_flag, check_floats, check_integer, shortened

__all__ = ["PolynomialFit", "RowSums", "fit_polynomial", "score_truncation"]

#: Beyond this the powers of real scores leave double precision.
_HIGHEST = 12
#: Numbers in the powers of a chunk of samples (64 MB).
CHUNK = 8_000_000
_STEPS, _TOLERANCE = 200, 1e-8


@dataclass(frozen=True, eq=False)
class PolynomialFit:
    """A polynomial for the scores of a head.

    Book: :doc:`/book/polynomial_attention`.

    Attributes
    ----------
    coefficients : ndarray, shape (degree + 1,)
        Of the powers of the score less its row's mean, the constant first. Their common factor is chosen so
        that the weights of a row add up to its number of tokens in the mean.
    error : float
        Mean square of what is left of the outputs, over their variance, on the data of the fit.
    start_error : float
        The same at the start, the Taylor polynomial of the exponential at zero.
    smallest_denominator : float
        The smallest sum of weights of a row of the fit, over the number of tokens. Positive.
    n_iter : int
        Steps.
    converged : bool
        Whether the last step promised next to nothing.
    """

    coefficients: NDArray[np.float64]
    error: float
    start_error: float
    smallest_denominator: float
    n_iter: int
    converged: bool

    @property
    def degree(self) -> int:
        """The degree of the polynomial."""
        return len(self.coefficients) - 1

    def __call__(self, t: Any) -> Any:
        """Return the polynomial at scores less their rows' means."""
        value = 0.0 * t + self.coefficients[-1]
        for a in self.coefficients[-2::-1]:
            value = value * t + float(a)
        return value


@dataclass(frozen=True, eq=False)
class RowSums:
    """What a fit needs of its data: for each row a matrix and a vector of the size of the polynomial.

    Book: :doc:`/book/polynomial_attention`.

    Attributes
    ----------
    squares : ndarray, shape (n, degree + 1, degree + 1)
        The matrices :math:`N_i^T N_i`.
    totals : ndarray, shape (n, degree + 1)
        The vectors :math:`d_i`, over the number of tokens.
    variance : float
        Of the outputs: the sum over rows and coordinates of squared distances to the mean.
    spread : float
        Root mean square of the scores less their rows' means: the unit of the scores in the fit.
    """

    squares: NDArray[np.float64]
    totals: NDArray[np.float64]
    variance: float
    spread: float

    @classmethod
    def of(cls, scores: Any, values: Any, degree: int, outputs: Any = None) -> RowSums:
        """Form the sums over all pairs of each sample.

        Parameters
        ----------
        scores : array_like, shape (M, N, N)
            The scores that the polynomial will see. NumPy or CuPy.
        values : array_like, shape (M, N, v)
        degree : int
            From 0 to 12.
        outputs : array_like, shape (M, N, v), optional
            What is to be approximated: the softmax of these scores by default.
        """
        degree = check_integer("degree", degree, 0, _HIGHEST)
        scores = check_floats("scores", scores, (None, None, None))
        M, N, _ = scores.shape
        scores = check_floats("scores", scores, (M, N, N))
        values = check_floats("values", values, (M, N, None))
        if 0 in scores.shape or 0 in values.shape:
            shapes = f"{tuple(scores.shape)}, {tuple(values.shape)}"
            raise ValueError(f"scores and values must not be empty, got shapes {shapes}")
        if outputs is not None:
            outputs = check_floats("outputs", outputs, values.shape)
        xp, chunk = array_namespace(scores), max(1, CHUNK // (N * N))
        squares, totals, targets, sums = [], [], [], 0.0
        for start in range(0, M, chunk):
            part = slice(start, start + chunk)
            S, V = scores[part].astype(float), values[part].astype(float)
            T = S - S.mean(axis=2, keepdims=True)
            if outputs is None:
                W = xp.exp(T - T.max(axis=2, keepdims=True))
                O = (W / W.sum(axis=2, keepdims=True)) @ V
            else:
                O = outputs[part].astype(float)
            power, numerators, denominators = xp.ones_like(T), [], []
            for _ in range(degree + 1):
                total = power.sum(axis=2) / N
                numerators.append(power @ V / N - total[..., None] * O)
                denominators.append(total)
                power = power * T
            n = xp.stack(numerators, axis=2)
            squares.append(to_host(n @ xp.swapaxes(n, -1, -2)).reshape(-1, degree + 1, degree + 1))
            totals.append(to_host(xp.stack(denominators, axis=2)).reshape(-1, degree + 1))
            targets.append(to_host(O).reshape(-1, O.shape[2]))
            sums += float((T * T).sum())
        target = np.concatenate(targets)
        variance = float(((target - target.mean(axis=0)) ** 2).sum())
        # Outputs that differ by rounding only are equal.
        if variance <= (10 * N * np.finfo(float).eps) ** 2 * float((target**2).sum()):
            variance = 0.0
        spread = math.sqrt(sums / scores.size) or 1.0
        return cls(np.concatenate(squares), np.concatenate(totals), variance, spread)

    @classmethod
    def joined(cls, parts: Sequence[RowSums]) -> RowSums:
        """Return the sums of several heads together, each over its variance, for one polynomial."""
        parts = list(parts)
        if not parts or not all(isinstance(part, RowSums) for part in parts):
            raise TypeError(f"parts must be one or more RowSums, got {shortened(parts)}")
        if len({part.totals.shape[1] for part in parts}) > 1:
            degrees = ", ".join(str(part.totals.shape[1] - 1) for part in parts)
            raise ValueError(f"parts must be of one degree, got {degrees}")
        sizes = [len(part.totals) for part in parts]
        spread = math.sqrt(np.average([part.spread**2 for part in parts], weights=sizes))
        return cls(
            np.concatenate([part.squares / (part.variance or 1.0) for part in parts]),
            np.concatenate([part.totals for part in parts]),
            float(len(parts)),
            spread,
        )

    def error(self, coefficients: Any) -> float:
        """Return the mean squared error of a polynomial over the variance of the outputs.

        Infinite if a denominator is not positive.
        """
        a = check_floats("coefficients", coefficients, (self.totals.shape[1],))
        total = self.totals @ a
        if not total.min() > 0:
            return math.inf
        # A constant value is returned exactly by any weights.
        return float((np.einsum("nij,i,j->n", self.squares, a, a) / total**2).sum()) / (self.variance or 1.0)


def fit_polynomial(
    scores: Any, values: Any = None, degree: int = 4, *, outputs: Any = None, positive: bool = False
) -> PolynomialFit:
    """Fit the polynomial of a head: what it returns in the place of the exponential is to be nearest.

    Book: :doc:`/book/polynomial_attention`.

    Parameters
    ----------
    scores : array_like, shape (M, N, N), or RowSums
        Of all pairs of tokens of each window; NumPy or CuPy. Or the sums, formed before.
    values : array_like, shape (M, N, v)
    degree : int
        From 0 to 12.
    outputs : array_like, shape (M, N, v), optional
        What is to be approximated: by default the softmax of these scores. Another thing if the scores are
        of smaller rank than the head's.
    positive : bool
        Fit a polynomial that is nowhere negative, on any text: the squared modulus of a complex one. The
        degree must be even. Otherwise only the sums of weights are kept positive, on the data of the fit.

    Returns
    -------
    PolynomialFit

    Raises
    ------
    ValueError
        If shapes do not match, or ``positive`` goes with an odd degree.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> scores, values = 2 * rng.standard_normal((50, 8, 8)), rng.standard_normal((50, 8, 3))
    >>> fit = fit_polynomial(scores, values, 4)
    >>> fit.error < fit.start_error / 2
    True
    """
    positive = check_flag("positive", positive)
    if isinstance(scores, RowSums):
        sums, degree = scores, scores.totals.shape[1] - 1
    else:
        sums = RowSums.of(scores, values, degree, outputs)
    if positive and degree % 2:
        raise ValueError(f"degree must be even for a positive polynomial, got {degree}")
    # In units of the spread of the scores the powers are of like size.
    with np.errstate(over="ignore", under="ignore"):
        unit = sums.spread ** np.arange(degree + 1.0)
    if not 1e-150 < unit.min() <= unit.max() < 1e150 or not np.isfinite(sums.squares).all():
        raise ValueError(
            f"scores must have powers up to {degree} within double precision, got a spread of "
            f"{sums.spread:.3g}"
        )
    scaled = RowSums(
        sums.squares / np.multiply.outer(unit, unit), sums.totals / unit, sums.variance or 1.0, 1.0
    )
    taylor = np.array([sums.spread**m / math.factorial(m) for m in range(degree + 1)])
    start = taylor if scaled.error(taylor) < math.inf else np.eye(degree + 1)[0]
    if positive:
        root = _root(taylor)
        point, n_iter, converged = _descend(scaled, np.concatenate([root.real, root.imag]), _modulus)
        a = _modulus(point)[0]
    else:
        a, n_iter, converged = _descend(scaled, start, _itself)
    a = a / float((scaled.totals @ a).mean())
    return PolynomialFit(
        coefficients=a / unit,
        error=scaled.error(a),
        start_error=scaled.error(taylor),
        smallest_denominator=float((scaled.totals @ a).min()),
        n_iter=n_iter,
        converged=converged,
    )


def score_truncation(queries: Any, keys: Any, rank: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return maps of queries and of keys to fewer coordinates that keep most of the scores.

    Book: :doc:`/book/polynomial_attention`.

    If queries and keys of a pair are independent, no other score of this rank is closer in mean square to the
    score less its row's mean: by the theorem of Eckart and Young, applied to :math:`M_Q^{1/2} C_K^{1/2}` with
    the second moments of the queries and those of the keys less their mean in the window.

    Parameters
    ----------
    queries, keys : array_like, shape (..., N, k)
    rank : int
        From 1 to k.

    Returns
    -------
    left, right : ndarray, shape (k, rank)
        The score of smaller rank is the inner product of ``queries @ left`` and ``keys @ right``.
    """
    queries = check_floats("queries", queries)
    if queries.ndim < 2 or 0 in queries.shape:
        raise ValueError(f"queries must have shape (..., N, k), not empty, got {tuple(queries.shape)}")
    keys = check_floats("keys", keys, queries.shape)
    size = queries.shape[-1]
    rank = check_integer("rank", rank, 1, size)
    keys = keys - keys.mean(axis=-2, keepdims=True)
    root_q, back_q = _roots(queries.reshape(-1, size))
    root_k, back_k = _roots(keys.reshape(-1, size))
    U, s, Vt = np.linalg.svd(root_q @ root_k)
    weight = np.sqrt(s[:rank])
    return back_q @ U[:, :rank] * weight, back_k @ Vt[:rank].T * weight


def _roots(X: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the root of the second moments, and its inverse on their range."""
    X = to_host(X).astype(float)
    eigenvalues, vectors = np.linalg.eigh(X.T @ X / len(X))
    root = np.sqrt(np.maximum(eigenvalues, 0.0))
    floor = root.max() * len(root) * np.sqrt(np.finfo(float).eps)
    inverse = np.where(root > floor, 1 / np.where(root > floor, root, 1.0), 0.0)
    return (vectors * root) @ vectors.T, (vectors * inverse) @ vectors.T


def _itself(c: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return c, np.eye(len(c))


def _modulus(c: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coefficients of ``q1^2 + q2^2``, and their derivative in those of ``q1`` and ``q2``."""
    parts = np.split(c, 2)
    size = len(parts[0])
    value = sum(np.convolve(q, q) for q in parts)
    slope = np.zeros((2 * size - 1, 2 * size))
    for number, q in enumerate(parts):
        for m in range(size):
            slope[m : m + size, number * size + m] = 2 * q
    return np.asarray(value), slope


def _root(a: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return a complex polynomial whose squared modulus on the line is a positive polynomial ``a``."""
    roots = np.roots(a[::-1])
    upper = roots[np.argsort(-roots.imag)][: len(roots) // 2]
    return np.asarray(np.atleast_1d(np.poly(upper))[::-1] * np.sqrt(a[-1]), dtype=complex)


def _descend(
    sums: RowSums, c: NDArray[np.float64], coefficients: Callable[[Any], Any]
) -> tuple[NDArray[np.float64], int, bool]:
    """Minimise the error by Levenberg-Marquardt steps: the point, their number, whether at rest."""
    damping, value = 1e-3, sums.error(coefficients(c)[0])
    for step in steps(range(_STEPS), "steps", most=True):
        a, slope = coefficients(c)
        total = sums.totals @ a
        Ga = np.einsum("nij,j->ni", sums.squares, a)
        square = np.einsum("ni,i->n", Ga, a)
        w = 1 / total
        # Residuals are N a / (d a): the sums over rows of J'J and J'r.
        gradient = (Ga * w[:, None] ** 2 - (square * w**3)[:, None] * sums.totals).sum(axis=0)
        mixed = np.einsum("ni,nj,n->ij", Ga, sums.totals, w**3)
        hessian = np.einsum("nij,n->ij", sums.squares, w**2) - mixed - mixed.T
        hessian += np.einsum("ni,nj,n->ij", sums.totals, sums.totals, square * w**4)
        gradient, hessian = slope.T @ gradient, slope.T @ hessian @ slope
        # The factor common to all coefficients is not seen: the damping keeps the system regular.
        scale = np.diag(hessian).copy() + 1e-12 * max(np.trace(hessian), np.finfo(float).tiny)
        while damping < 1e15:
            move = -np.linalg.solve(hessian + np.diag(damping * scale), gradient)
            found = sums.error(coefficients(c + move)[0])
            if found <= value:
                break
            damping *= 4
        else:
            return c, step, True
        gain, c, value = value - found, c + move, found
        # Any factor will do: the one with denominators of one in the mean.
        a = coefficients(c)[0]
        factor = float((sums.totals @ a).mean())
        c = c / (factor if len(a) == len(c) else math.sqrt(factor))
        damping = max(damping / 8, 1e-12)
        if gain <= _TOLERANCE * (value + 1e-16):
            return c, step + 1, True
    return c, _STEPS, False
