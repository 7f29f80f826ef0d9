r"""What the outputs of a channel know of its heads: Fisher information, and the error that it predicts.

A head moves by the coefficients of its activation and along the directions in which its matrix keeps its
rank (:func:`~pairint.model.tangent.tangent_basis`). A channel tells how each of these moves the outputs:
their mean products are the information in one output, for noise of variance one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pairint.backend import array_namespace, to_device, to_host
from pairint.estimation.channels.activation import LogSpline
from pairint.estimation.channels.channel import as_channel
from pairint.estimation.channels.fit import check_pair_data
from pairint.model.attention import check_tokens, sample_chunks
from pairint.model.splines import Spline
from pairint.model.tangent import Information, tangent_basis
from pairint.validation import check_flag, check_floats, shortened

__all__ = ["channel_information"]


def channel_information(
    X: Any,
    heads: Sequence[tuple[Any, Any]],
    *,
    channel: Any = "mean",
    values: Any = None,
    pairs: Any = None,
    relative: bool = False,
) -> Information:
    r"""Return the information that outputs of a channel hold about the heads whose outputs add up.

    Book: :doc:`/book/several_heads`.

    Parameters
    ----------
    X : array_like, shape (M, N, d)
        Tokens over which to average; NumPy or CuPy.
    heads : sequence of (A, phi)
        Matrices, shape ``(d, d)``, not zero, and activations. Of a :class:`~pairint.model.Spline` the
        coefficients are unknown; of a :class:`LogSpline` those of its logarithm; every other function with a
        method ``derivative`` is known.
    channel : str or ScoreChannel
        As of :class:`~pairint.estimation.InteractionRegressor`.
    values, pairs : array_like, optional
        As in its ``fit``.
    relative : bool
        Whether the error is that of :math:`g` after the best factor, for one head: all that a row-normalised
        channel can show. By default it is that of :math:`g`.

    Returns
    -------
    Information
        With the blocks ``"function 1"``, ``"matrix 1"``, and so on. ``price() * len(pair)`` is the expected
        squared error in L2(rho) of an efficient estimate, in units of sigma^2/M (``aggregated`` is a mean
        over tokens, and of vectors the sum over components). Directions that no output shows are left out.

    Raises
    ------
    ValueError
        For no heads, wrong shapes, a matrix that is zero, or ``relative`` with several heads.
    TypeError
        For an activation without derivative.

    Examples
    --------
    Two heads with known activations: a direction is lost if the matrices are proportional.

    >>> import numpy as np
    >>> from pairint.model import Tanh
    >>> X = np.random.default_rng(0).standard_normal((500, 3, 4))
    >>> A, B = np.outer([1, 0, 0, 0], [0, 1, 0, 0]), np.outer([0, 0, 1, 0], [0, 0, 0, 1])
    >>> one = channel_information(X, [(A, Tanh()), (B, Tanh())])
    >>> two = channel_information(X, [(A, Tanh()), (A, Tanh())])
    >>> [int(np.linalg.matrix_rank(found.aggregated)) for found in (one, two)]
    [12, 6]
    """
    X = check_floats("X", check_tokens(X))
    if not isinstance(heads, list | tuple) or not heads:
        raise ValueError(f"heads must be a list of pairs (A, phi), at least one, got {shortened(heads)}")
    relative = check_flag("relative", relative)
    if relative and len(heads) > 1:
        raise ValueError(f"relative must be False with several heads, got {len(heads)} of them")
    chosen = as_channel(channel)
    data = check_pair_data(X, chosen, values, pairs, None, None, False)
    parts = [_Head(*_checked(head, X)) for head in heads]
    names = [f"{what} {number + 1}" for number in range(len(parts)) for what in ("function", "matrix")]
    sizes = [size for part in parts for size in (part.n_function, len(part.directions))]
    ends = np.cumsum([0, *sizes])
    blocks = {
        name: slice(int(start), int(end))
        for name, start, end in zip(names, ends[:-1], ends[1:], strict=True)
        if end > start
    }
    xp = array_namespace(X)
    n_samples, n_tokens, d = X.shape
    width = int(ends[-1])
    aggregated, pair = np.zeros((width, width)), np.zeros((width, width))
    along, size = np.zeros(width), 0.0  # products of the changes of g with g itself, and its square
    here, partner = xp.arange(n_tokens), to_device(np.roll(np.arange(n_tokens), -1), X)
    n_values = max(
        int(np.prod(given.shape[2:])) if given is not None else 1 for given in (data.values, data.pairs)
    )
    columns = max(part.n_function for part in parts)  # of a dense design of all pairs
    per_token = (6 + 2 * columns) * n_tokens + width * (1 + n_values) + 2 * d
    for chunk in sample_chunks(n_samples, n_tokens * per_token):
        tokens, known = X[chunk], data[chunk]
        outputs, single = [], []
        for head in parts:
            scores = (tokens @ head.matrix) @ xp.swapaxes(tokens, -1, -2)
            H = xp.asarray(head.activation(scores), dtype=float)
            for change in head.changes(tokens, scores, H):
                outputs.append(chosen.jvp(H, change, known).reshape(-1))
                # One partner of each token is enough for the pairs: the tokens are exchangeable.
                single.append(change[:, here, partner].reshape(-1))
        rows, ones = (np.asarray(to_host(xp.stack(part))) for part in (outputs, single))
        aggregated += rows @ rows.T
        pair += ones @ ones.T
        itself = np.asarray(to_host(H[:, here, partner])).reshape(-1)
        along, size = along + ones @ itself, size + float(itself @ itself)
    n_rows = n_samples * n_tokens
    if relative and size > 0.0:
        pair = pair - np.outer(along, along) / size
    return Information(aggregated / n_rows, pair / n_rows, n_tokens, n_samples, 1.0, blocks)


def _checked(head: Any, X: Any) -> tuple[Any, Any]:
    if not isinstance(head, list | tuple) or len(head) != 2:
        raise ValueError(f"heads must hold pairs (A, phi), got {shortened(head)}")
    matrix, activation = head
    d = X.shape[2]
    matrix = np.asarray(to_host(check_floats("heads", matrix, (d, d))), dtype=float)
    if not matrix.any():
        raise ValueError("heads must have matrices that are not zero")
    if not callable(activation) or not callable(getattr(activation, "derivative", None)):
        raise TypeError(f"heads must have activations with a method derivative, got {shortened(activation)}")
    return to_device(matrix, X), activation


class _Head:
    """A head, and how its activated scores move."""

    def __init__(self, matrix: Any, activation: Any) -> None:
        self.matrix, self.activation = matrix, activation
        basis = tangent_basis(to_host(matrix))
        blocks = [basis.directions(block) for block, size in basis.sizes.items() if size]
        d = matrix.shape[0]
        self.directions = np.concatenate(blocks) if blocks else np.zeros((0, d, d))
        self.log = isinstance(activation, LogSpline)
        spline = activation.log if isinstance(activation, LogSpline) else activation
        self.space = spline.space if isinstance(spline, Spline) else None
        self.n_function = 0 if self.space is None else self.space.dimension

    def changes(self, tokens: Any, scores: Any, H: Any) -> Any:
        """Yield the derivatives of the activated scores in all parameters, shape (m, N, N) each."""
        xp = array_namespace(tokens)
        if self.space is not None:
            design: Any = self.space.design(scores.reshape(-1))
            design = design.toarray() if hasattr(design, "toarray") else design
            for column in design.T:
                change = column.reshape(scores.shape)
                yield H * change if self.log else change
        slope = self.activation.derivative(scores)
        for direction in self.directions:
            moved = (tokens @ to_device(direction, tokens)) @ xp.swapaxes(tokens, -1, -2)
            yield slope * moved
