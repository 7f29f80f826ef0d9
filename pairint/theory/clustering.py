r"""What clustering hides: tokens that attract each other show less and less of the function that moves them.

Velocities of tokens on the unit sphere, ``V_i = (1/(N-1)) sum_j phi(u_ij) P_{X_i} X_j``, are observed at
one time. Let ``w = 1 - u`` and let ``c`` be the largest ``w`` of a sample. If ``phi`` is positive and
nowhere decreasing on [0, 1] and no two tokens are more than a right angle apart, then ``c`` falls at least
as fast as :func:`gap_bound`; and a polynomial of degree p has a direction, ``w^p``, of which velocities
show at most ``2 c^{2p+1}``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, linalg

from pairint.backend import to_host
from pairint.model.attention import sample_chunks
from pairint.model.flow import check_unit, tangent_weights
from pairint.result import Result
from pairint.validation import check_floats, check_integer, check_real, check_values, shortened

__all__ = [
    "SnapshotInformation",
    "gap_bound",
    "information_bound",
    "linearised_information",
    "snapshot_information",
]

Floats = NDArray[np.float64]

#: Largest score of a reference: its powers are numbers.
_LARGEST_SCORE = 1e6


def gap_bound(times: Any, gap: float, n_tokens: int, activation: Callable[[Any], Any]) -> Floats:
    r"""Return a bound of the largest ``1 - X_i'X_j`` at later times.

    Book: :doc:`/book/when_to_watch`.

    The solution of :math:`c' = -2 \varphi(1 - c)\, c\, (a - c)`, ``a = N / (N - 1)``. For a constant
    activation it is :math:`a c_0 / (c_0 + (a - c_0) e^{2 \varphi a t})`.

    Parameters
    ----------
    times : array_like, shape (T,)
        Increasing, from 0 on.
    gap : float
        The largest ``1 - X_i'X_j`` at time 0, in (0, 1]: no angle beyond a right one.
    n_tokens : int
        At least 2.
    activation : callable
        Positive and nowhere decreasing on ``[1 - gap, 1]``.

    Returns
    -------
    ndarray, shape (T,)
        To a relative accuracy of about 1e-8.

    Raises
    ------
    ValueError
        If the activation decreases or is not positive, on a grid of a thousand points.
    """
    times = np.asarray(to_host(check_floats("times", times, (None,))), dtype=float)
    if len(times) < 1 or times[0] < 0 or not (np.diff(times) > 0).all() or times[-1] > 1e6:
        raise ValueError(f"times must increase, from 0 to at most 1e6; got {shortened(times.tolist())}")
    gap = check_real("gap", gap, 0, 1, exclusive_minimum=True)
    n_tokens = check_integer("n_tokens", n_tokens, 2)
    if not callable(activation):
        raise TypeError(f"activation must be callable, got {shortened(activation)}")
    grid = np.linspace(1 - gap, 1, 1000)
    values = check_values("activation", activation(grid), grid)
    if not (values > 0).all() or not (np.diff(values) >= -1e-12 * values.max()).all():
        raise ValueError("activation must be positive and nowhere decreasing on [1 - gap, 1]")
    a = n_tokens / (n_tokens - 1)

    def slope(_: float, log_gap: Floats) -> Floats:
        c = np.exp(log_gap)
        return -2 * np.asarray(activation(1 - c), dtype=float) * (a - c)

    # In the logarithm: the gap spans many powers of ten.
    found = integrate.solve_ivp(
        slope, (0.0, max(float(times[-1]), 1e-9)), [math.log(gap)], t_eval=times, rtol=1e-9, atol=1e-9
    )
    return np.exp(found.y[0])


def information_bound(gap: Any, n_tokens: int, *, degree: int, reference: float) -> Floats:
    """Return a bound of the least relative information, times ``N - 1``, for polynomials of a degree.

    Book: :doc:`/book/when_to_watch`.

    ``2 (N - 1) c^{2p+1} / reference`` for ``c`` the largest ``1 - u`` of the samples and ``reference`` the
    mean square of ``w^p`` under the law of scores that errors are measured in.
    """
    gap = np.asarray(to_host(check_floats("gap", gap)), dtype=float)
    if gap.size and not ((gap >= 0) & (gap <= 2)).all():
        raise ValueError(f"gap must be in [0, 2], got {gap.min():g} to {gap.max():g}")
    n_tokens, degree = check_integer("n_tokens", n_tokens, 2), check_integer("degree", degree, 0, 20)
    reference = check_real("reference", reference, 0, exclusive_minimum=True)
    return 2 * (n_tokens - 1) * gap ** (2 * degree + 1) / reference


@dataclass(frozen=True, repr=False)
class SnapshotInformation(Result):
    """What the velocities at one time say of the powers of ``w = 1 - u``.

    Book: :doc:`/book/when_to_watch`.

    Attributes
    ----------
    values : ndarray, shape (p + 1,)
        Relative information of the directions, least first: eigenvalues of the second moments of the averaged
        features against those of a reference law of scores, times ``N - 1``.
    price : float
        Trace of the inverse, over ``(p + 1)``: the error of least squares, in units of that for values 1.
    """

    values: Floats
    price: float

    @property
    def least(self) -> float:
        """The smallest of the values."""
        return float(self.values[0])


def snapshot_information(X: Any, degree: int, reference: Any) -> SnapshotInformation:
    """Return the relative information on polynomials of the score in the velocities of one snapshot.

    Book: :doc:`/book/when_to_watch`.

    Parameters
    ----------
    X : array_like, shape (M, N, d)
        Tokens of length 1.
    degree : int
        Of the polynomials, 0 to 8.
    reference : array_like, shape (n,)
        Scores under whose law errors are measured, more than ``degree`` of them; those of time 0.

    Notes
    -----
    By singular values of the features themselves: squares of them would lose half of the digits.
    """
    X = check_unit(X)
    degree = check_integer("degree", degree, 0, 8)
    u = np.asarray(to_host(check_floats("reference", reference, (None,))), dtype=float)
    _check_reference(u, degree)
    powers = np.arange(degree + 1)
    root = _triangle((1 - u[:, None]) ** powers) / math.sqrt(len(u))
    n_tokens = X.shape[1]
    chunks = sample_chunks(X.shape[0], n_tokens**2 * (4 * X.shape[2] + 2 * degree + 3))
    features = np.concatenate([_triangle(_features(X[chunk], degree)) for chunk in chunks])
    whitened = linalg.solve_triangular(root, features.T, trans="T").T * math.sqrt(
        (n_tokens - 1) / (X.shape[0] * n_tokens)
    )
    singular = np.linalg.svd(_triangle(whitened), compute_uv=False)
    values = np.zeros(degree + 1)  # fewer velocities than powers leave directions that nothing shows
    values[degree + 1 - len(singular) :] = singular[::-1] ** 2
    price = float(np.mean(1 / values)) if values[0] > 0 else math.inf
    return SnapshotInformation(values, price)


def _check_reference(u: Floats, degree: int) -> None:
    """Raise if the reference scores do not tell the powers of ``1 - u`` apart."""
    if np.abs(u).max(initial=0.0) > _LARGEST_SCORE:
        raise ValueError(
            f"reference must hold scores of size at most {_LARGEST_SCORE:g}, got {np.abs(u).max():g}"
        )
    different = len(np.unique(1 - u))  # scores so small that 1 - u rounds to one are alike
    if different <= degree:
        raise ValueError(f"reference must hold more than {degree} different scores, got {different}")


def _triangle(matrix: Floats) -> Floats:
    """Return R of the QR decomposition: its products are those of the matrix with itself."""
    return np.asarray(np.linalg.qr(matrix, mode="r"), dtype=float)


def _features(X: Floats, degree: int) -> Floats:
    """Return averages of ``w^k P_{X_i} X_j`` over partners, a row for each coordinate."""
    weights = tangent_weights(X)
    w = np.sum((X[:, None] - X[:, :, None]) ** 2, axis=3) / 2  # 1 - u, without cancellation
    powers = np.stack([w**k for k in range(degree + 1)], axis=-1)
    return (np.einsum("mijk,mijv->mivk", powers, weights) / (X.shape[1] - 1)).reshape(-1, degree + 1)


def linearised_information(Y: Any, degree: int, reference: Any, decay: Any) -> Floats:
    r"""Return the least relative information, times ``N - 1``, along the linearised flow at a cluster.

    Book: :doc:`/book/when_to_watch`.

    In tangent coordinates tokens contract to their mean as :math:`e^{-\kappa t}`, ``kappa = phi(1) N / (N -
    1)``, and the k-th power of ``w`` is seen through :math:`e^{-(2k+1) \kappa t}`.

    Parameters
    ----------
    Y : array_like, shape (M, N, k)
        Tangent coordinates of the tokens at time 0.
    degree : int
    reference : array_like, shape (n,)
        As in :func:`snapshot_information`.
    decay : array_like, shape (T,)
        ``exp(-kappa t)``, in (0, 1].

    Returns
    -------
    ndarray, shape (2, T)
        The least value, and its asymptote :math:`(N-1) e^{-2(2p+1)\kappa t} / ((W^{-1})_{pp}
        (\Gamma_0)_{pp})`, which it approaches.
    """
    Y = np.asarray(to_host(check_floats("Y", Y, (None, None, None))), dtype=float)
    degree = check_integer("degree", degree, 0, 8)
    u = np.asarray(to_host(check_floats("reference", reference, (None,))), dtype=float)
    decay = np.asarray(to_host(check_floats("decay", decay, (None,))), dtype=float)
    if decay.size and not ((decay > 0) & (decay <= 1)).all():
        raise ValueError(f"decay must be in (0, 1], got {decay.min():g} to {decay.max():g}")
    _check_reference(u, degree)
    if Y.shape[0] < 1 or Y.shape[1] < 2:
        raise ValueError(f"Y must have shape (M >= 1, N >= 2, k), got {Y.shape}")
    apart = Y[:, None] - Y[:, :, None]
    w = np.sum(apart**2, axis=3) / 2
    powers = np.stack([w**k for k in range(degree + 1)], axis=-1)
    n_tokens = Y.shape[1]
    features = (np.einsum("mijk,mijv->mivk", powers, apart) / (n_tokens - 1)).reshape(-1, degree + 1)
    features = _triangle(features) / math.sqrt(Y.shape[0] * n_tokens)
    root = _triangle((1 - u[:, None]) ** np.arange(degree + 1)) / math.sqrt(len(u))
    exponents = 2 * np.arange(degree + 1) + 1
    least = np.array(
        [
            np.linalg.svd(
                linalg.solve_triangular(root, (features * e**exponents).T, trans="T"), compute_uv=False
            )[-1]
            ** 2
            for e in decay
        ]
    )
    if features.shape[0] <= degree or np.linalg.matrix_rank(features) <= degree:
        raise ValueError(f"Y must hold tokens that tell {degree + 1} powers apart, got shape {Y.shape}")
    inverse = np.linalg.inv(features)  # W^{-1} = inverse inverse'
    corner = float(inverse[-1] @ inverse[-1]) * float(root[:, -1] @ root[:, -1])
    return (n_tokens - 1) * np.stack([least, decay ** (2 * (2 * degree + 1)) / corner])
