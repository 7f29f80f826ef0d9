"""The sums over token pairs as loops that Numba compiles and keeps on disk; imported only where it is.

Each fills arrays that its caller made, and is the twin of NumPy code elsewhere in this package. Degree and
rank are known only when it runs; the cubic is written out. Whatever is stored, sums are kept in double
precision. In bases and values no operation is reordered or fused, so that they equal NumPy's to the last bit.
Sums of tokens, and the scores and sums of projected long rows, may fuse a product with the addition that
follows, or add in another order; they agree to rounding.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types

from pairint.kernels.dispatch import LONG_ROW

__all__ = [
    "basis_entries",
    "basis_sum",
    "compile_loop",
    "evaluate",
    "moments",
    "pair_mean",
    "pull_rows",
    "score_tails",
    "spline_rows",
    "spline_sums",
    "system_rows",
]


def basis_sum(
    scores: Any, lower: float, upper: float, n_intervals: int, pieces: Any, slopes: Any, out: Any
) -> None:
    """Fill ``out``, shape (M N, K + s), with the basis summed over partners.

    ``pieces`` and ``slopes``, of shape (s + 1, s + 1), hold the factor 1/(N - 1).
    """
    name = "basis_sum"
    if len(pieces) == 4:
        name = "cubic_sum" if scores.shape[1] < LONG_ROW else "long_cubic_sum"
    _call(name, (scores,), (lower, n_intervals / (upper - lower), n_intervals, pieces, slopes), (out,))


def basis_entries(
    scores: Any,
    lower: float,
    upper: float,
    n_intervals: int,
    pieces: Any,
    slopes: Any,
    column: Any,
    weight: Any,
) -> None:
    """Fill the triplets of the same matrix, both of shape (M N, N - 1, s + 1)."""
    numbers = (lower, n_intervals / (upper - lower), n_intervals, pieces, slopes)
    _call("basis_entries", (scores,), numbers, (column, weight))


def evaluate(
    u: Any, polynomials: Any, slopes: Any, lower: float, upper: float, derivative: int, out: Any
) -> None:
    """Fill ``out``, shape (n,), with values or derivatives; ``slopes`` are in the local coordinate."""
    scale = len(polynomials) / (upper - lower)
    _call("evaluate", (u,), (polynomials, slopes, lower, scale, derivative), (out,))


def pair_mean(scores: Any, polynomials: Any, slopes: Any, lower: float, upper: float, out: Any) -> None:
    """Fill ``out``, shape (M, N), with the mean of a spline over the partners of each token."""
    scale = len(polynomials) / (upper - lower)
    _call("pair_mean", (scores,), (polynomials, slopes, lower, scale), (out,))


def moments(scores: Any, tokens: Any, slopes: Any, lower: float, upper: float, out: Any) -> None:
    """Fill ``out``, shape (M, N, d), with the partners' tokens times a spline's slopes, averaged."""
    scale = len(slopes) / (upper - lower)
    _call("moments", (scores, tokens), (slopes, lower, scale), (out,))


def system_rows(
    tokens: Any, queries: Any, keys: Any, targets: Any, roots: Any, slopes: Any, lower: float, upper: float,
    pieces: Any, piece_slopes: Any, out: Any,
) -> None:  # fmt: skip
    """Fill ``out`` with rows ``[J | F | y]`` of some samples, each times the root of its weight."""
    numbers = (slopes, lower, len(slopes) / (upper - lower), pieces, piece_slopes)
    _call("system_rows", (tokens,), (queries, keys, targets, roots, *numbers), (out,))


def spline_rows(
    projected: Any, targets: Any, roots: Any, lower: float, upper: float, pieces: Any, piece_slopes: Any,
    out: Any,
) -> None:  # fmt: skip
    """Fill ``out`` with rows ``[F | y]`` of some samples, each times the root of its weight."""
    name = "spline_rows"
    if len(pieces) == 4 and projected.shape[1] >= LONG_ROW:
        name = "long_cubic_rows"
    _spline_call(name, projected, targets, roots, lower, upper, pieces, piece_slopes, out)


def spline_sums(
    projected: Any, targets: Any, roots: Any, lower: float, upper: float, pieces: Any, piece_slopes: Any,
    out: Any,
) -> None:  # fmt: skip
    """Add to ``out`` a matrix that with its transpose is the product of rows ``[F | y]`` with themselves.

    Entry by entry of those that are not zero: for few partners and many cells.
    """
    name = "cubic_sums" if len(pieces) == 4 else "spline_sums"
    _spline_call(name, projected, targets, roots, lower, upper, pieces, piece_slopes, out)


def score_tails(projected: Any, low: Any, high: Any) -> None:
    """Put the lowest and the highest scores of distinct tokens into arrays of infinities, sorted."""
    _call("score_tails", (projected,), (), (low, high))


def pull_rows(
    projected: Any, targets: Any, weights: Any, polynomials: Any, slopes: Any, lower: float, upper: float,
    out: Any,
) -> None:  # fmt: skip
    """Fill ``out``, shape (M, N, 2 r), with what weighted residuals pull at the factors with."""
    scale = len(polynomials) / (upper - lower)
    if projected.shape[1] >= LONG_ROW:
        # A table with a row for each power: the numbers of all cells that a power needs lie close together.
        _call("long_pull_rows", (projected,), (targets, weights, polynomials.T, lower, scale), (out,))
        return
    _call("pull_rows", (projected,), (targets, weights, polynomials, slopes, lower, scale), (out,))


def _spline_call(
    name: str, projected: Any, targets: Any, roots: Any, lower: float, upper: float, pieces: Any,
    piece_slopes: Any, out: Any,
) -> None:  # fmt: skip
    n_intervals = out.shape[1] - len(pieces)
    numbers = (lower, n_intervals / (upper - lower), n_intervals, pieces, piece_slopes)
    _call(name, (projected,), (targets, roots, *numbers), (out,))


def _call(name: str, given: tuple[Any, ...], numbers: tuple[Any, ...], filled: tuple[Any, ...]) -> None:
    given = tuple(np.ascontiguousarray(array) for array in given)
    loop = compile_loop(name, *(array.dtype for array in (*given, *filled)))
    loop(*given, *(np.ascontiguousarray(x) if isinstance(x, np.ndarray) else x for x in numbers), *filled)


@functools.cache
def compile_loop(name: str, *dtypes: np.dtype[Any]) -> Callable[..., None]:
    """Return a loop of this module for arrays of these types: compiled, or read from the disk.

    Where nothing can be written, in none of the places that :func:`pairint.backend.usable_compiler` names,
    every process compiles for itself.
    """
    function, signature, fused = _LOOPS[name]
    kinds = iter(numba.from_dtype(dtype) for dtype in dtypes)
    arguments = []
    for kind in signature:
        if isinstance(kind, tuple):
            what, ndim = kind
            element = types.float64 if what == "table" else next(kinds)
            # The type of a read-only array takes any: each loop is compiled once.
            arguments.append(types.Array(element, ndim, "C", readonly=what != "filled"))
        else:
            arguments.append(kind)
    options: dict[str, Any] = {"nogil": True, "fastmath": {"contract"} if fused else False}
    compiled = types.void(*arguments)
    try:
        loop: Any = numba.njit(compiled, cache=True, **options)(function)
        if tuple(arguments) in loop.overloads:  # two processes that write at once may mix up their files
            return loop
    except Exception:  # a folder where nobody may write, a full disk, a file that was cut short
        pass
    return numba.njit(compiled, **options)(function)


# ---------------------------------------------------------------------------------- what is compiled
# NaN goes to cell 0 and stays NaN: it spoils its own row, and no memory outside it.


def _basis_sum(scores, lower, scale, n_intervals, pieces, slopes, out):  # type: ignore[no-untyped-def]
    n_samples, n_tokens, _ = scores.shape
    order = pieces.shape[0]
    n_basis = n_intervals + order - 1
    row = np.zeros(n_basis)
    last = float(n_intervals)
    powers, rises = pieces.T.copy(), slopes.T.copy()
    value = np.empty(order)
    slope = np.empty(order)
    for m in range(n_samples):
        for i in range(n_tokens):
            for j in range(n_tokens):
                if j == i:
                    continue
                position = (float(scores[m, i, j]) - lower) * scale
                inside = min(position, last) if position > 0.0 else 0.0
                cell = min(int(inside), n_intervals - 1)
                _horner(powers, inside - cell, value)
                if position != inside:
                    _horner(rises, inside - cell, slope)
                    for l in range(order):
                        value[l] = value[l] + slope[l] * (position - inside)
                for l in range(order):
                    row[cell + l] += value[l]
            for k in range(n_basis):
                out[m * n_tokens + i, k] = row[k]
                row[k] = 0.0


@numba.njit(nogil=True)
def _horner(powers, t, value):  # type: ignore[no-untyped-def]
    # All pieces at once: the inner loop is vectorised.
    order = powers.shape[0]
    for l in range(order):
        value[l] = powers[order - 1, l]
    for q in range(order - 2, -1, -1):
        for l in range(order):
            value[l] = value[l] * t + powers[q, l]


def _cubic_sum(scores, lower, scale, n_intervals, pieces, slopes, out):  # type: ignore[no-untyped-def]
    n_samples, n_tokens, _ = scores.shape
    n_basis = n_intervals + 3
    row = np.zeros(n_basis)
    last = float(n_intervals)
    a0, a1, a2, a3 = pieces[0, 0], pieces[0, 1], pieces[0, 2], pieces[0, 3]
    b0, b1, b2, b3 = pieces[1, 0], pieces[1, 1], pieces[1, 2], pieces[1, 3]
    c0, c1, c2, c3 = pieces[2, 0], pieces[2, 1], pieces[2, 2], pieces[2, 3]
    d0, d1, d2, d3 = pieces[3, 0], pieces[3, 1], pieces[3, 2], pieces[3, 3]
    for m in range(n_samples):
        for i in range(n_tokens):
            for j in range(n_tokens):
                if j == i:
                    continue
                position = (float(scores[m, i, j]) - lower) * scale
                inside = min(position, last) if position > 0.0 else 0.0
                cell = min(int(inside), n_intervals - 1)
                t = inside - cell
                a = ((a3 * t + a2) * t + a1) * t + a0
                b = ((b3 * t + b2) * t + b1) * t + b0
                c = ((c3 * t + c2) * t + c1) * t + c0
                d = ((d3 * t + d2) * t + d1) * t + d0
                if position != inside:
                    far = position - inside
                    a = a + ((slopes[0, 2] * t + slopes[0, 1]) * t + slopes[0, 0]) * far
                    b = b + ((slopes[1, 2] * t + slopes[1, 1]) * t + slopes[1, 0]) * far
                    c = c + ((slopes[2, 2] * t + slopes[2, 1]) * t + slopes[2, 0]) * far
                    d = d + ((slopes[3, 2] * t + slopes[3, 1]) * t + slopes[3, 0]) * far
                row[cell] += a
                row[cell + 1] += b
                row[cell + 2] += c
                row[cell + 3] += d
            for k in range(n_basis):
                out[m * n_tokens + i, k] = row[k]
                row[k] = 0.0


def _long_cubic_sum(scores, lower, scale, n_intervals, pieces, slopes, out):  # type: ignore[no-untyped-def]
    n_samples, n_tokens, _ = scores.shape
    n_basis = n_intervals + 3
    row = np.zeros(n_basis)
    last = float(n_intervals)
    a0, a1, a2, a3 = pieces[0, 0], pieces[0, 1], pieces[0, 2], pieces[0, 3]
    b0, b1, b2, b3 = pieces[1, 0], pieces[1, 1], pieces[1, 2], pieces[1, 3]
    c0, c1, c2, c3 = pieces[2, 0], pieces[2, 1], pieces[2, 2], pieces[2, 3]
    d0, d1, d2, d3 = pieces[3, 0], pieces[3, 1], pieces[3, 2], pieces[3, 3]
    size = min(n_tokens, 256)  # the basis of so many pairs at once stays in the first cache
    cells = np.empty(size, np.int64)
    a, b, c, d = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    for m in range(n_samples):
        for i in range(n_tokens):
            for start in range(0, n_tokens, size):
                n = min(size, n_tokens - start)
                strayed = 0
                for j in range(n):
                    position = (float(scores[m, i, start + j]) - lower) * scale
                    inside = min(max(position, 0.0), last)
                    cell = min(np.floor(inside), last - 1.0)
                    cells[j] = np.int64(cell)
                    t = inside - cell
                    strayed |= position != inside
                    a[j] = ((a3 * t + a2) * t + a1) * t + a0
                    b[j] = ((b3 * t + b2) * t + b1) * t + b0
                    c[j] = ((c3 * t + c2) * t + c1) * t + c0
                    d[j] = ((d3 * t + d2) * t + d1) * t + d0
                if strayed:
                    for j in range(n):
                        position = (float(scores[m, i, start + j]) - lower) * scale
                        inside = min(position, last) if position > 0.0 else 0.0
                        if position != inside:
                            cells[j] = min(int(inside), n_intervals - 1)
                            t = inside - cells[j]
                            far = position - inside
                            a[j] = a[j] + ((slopes[0, 2] * t + slopes[0, 1]) * t + slopes[0, 0]) * far
                            b[j] = b[j] + ((slopes[1, 2] * t + slopes[1, 1]) * t + slopes[1, 0]) * far
                            c[j] = c[j] + ((slopes[2, 2] * t + slopes[2, 1]) * t + slopes[2, 0]) * far
                            d[j] = d[j] + ((slopes[3, 2] * t + slopes[3, 1]) * t + slopes[3, 0]) * far
                for j in range(n):
                    if start + j == i:
                        continue
                    cell = cells[j]
                    row[cell] += a[j]
                    row[cell + 1] += b[j]
                    row[cell + 2] += c[j]
                    row[cell + 3] += d[j]
            for k in range(n_basis):
                out[m * n_tokens + i, k] = row[k]
                row[k] = 0.0


def _basis_entries(  # type: ignore[no-untyped-def]
    scores, lower, scale, n_intervals, pieces, slopes, column, weight
):
    n_samples, n_tokens, _ = scores.shape
    order = pieces.shape[0]
    last = float(n_intervals)
    powers, rises = pieces.T.copy(), slopes.T.copy()
    value = np.empty(order)
    slope = np.empty(order)
    for m in range(n_samples):
        for i in range(n_tokens):
            r = m * n_tokens + i
            for j in range(n_tokens):
                if j == i:
                    continue
                p = j if j < i else j - 1
                position = (float(scores[m, i, j]) - lower) * scale
                inside = min(position, last) if position > 0.0 else 0.0
                cell = min(int(inside), n_intervals - 1)
                _horner(powers, inside - cell, value)
                if position != inside:
                    _horner(rises, inside - cell, slope)
                    for l in range(order):
                        value[l] = value[l] + slope[l] * (position - inside)
                for l in range(order):
                    column[r, p, l] = cell + l
                    weight[r, p, l] = value[l]


def _evaluate(u, polynomials, slopes, lower, scale, derivative, out):  # type: ignore[no-untyped-def]
    n_intervals, order = polynomials.shape
    below = slopes.shape[1]
    last = float(n_intervals)
    for n in range(u.shape[0]):
        position = (float(u[n]) - lower) * scale
        inside = min(position, last) if position > 0.0 else 0.0
        cell = min(int(inside), n_intervals - 1)
        t = inside - cell
        if position != position:
            t = position
        if derivative == 0:
            value = polynomials[cell, order - 1]
            for q in range(order - 2, -1, -1):
                value = value * t + polynomials[cell, q]
            if position == inside:
                out[n] = value
                continue
        slope = slopes[cell, below - 1]
        for q in range(below - 2, -1, -1):
            slope = slope * t + slopes[cell, q]
        out[n] = slope * scale if derivative == 1 else value + slope * (position - inside)


def _pair_mean(scores, polynomials, slopes, lower, scale, out):  # type: ignore[no-untyped-def]
    n_samples, n_tokens, _ = scores.shape
    n_intervals, order = polynomials.shape
    below = slopes.shape[1]
    last = float(n_intervals)
    for m in range(n_samples):
        for i in range(n_tokens):
            total = 0.0
            for j in range(n_tokens):
                if j == i:
                    continue
                position = (float(scores[m, i, j]) - lower) * scale
                inside = min(position, last) if position > 0.0 else 0.0
                cell = min(int(inside), n_intervals - 1)
                t = inside - cell
                value = polynomials[cell, order - 1]
                for q in range(order - 2, -1, -1):
                    value = value * t + polynomials[cell, q]
                if position != inside:
                    slope = slopes[cell, below - 1]
                    for q in range(below - 2, -1, -1):
                        slope = slope * t + slopes[cell, q]
                    value = value + slope * (position - inside)
                total += value
            out[m, i] = total / (n_tokens - 1)


def _moments(scores, tokens, slopes, lower, scale, out):  # type: ignore[no-untyped-def]
    n_samples, n_tokens, d = tokens.shape
    n_intervals, order = slopes.shape
    last = float(n_intervals)
    factor = scale / (n_tokens - 1)
    slope = np.empty(n_tokens)
    total = np.empty(d)
    for m in range(n_samples):
        for i in range(n_tokens):
            for j in range(n_tokens):
                position = (float(scores[m, i, j]) - lower) * scale
                inside = min(position, last) if position > 0.0 else 0.0
                cell = min(int(inside), n_intervals - 1)
                t = inside - cell
                if position != position:
                    t = position
                value = slopes[cell, order - 1]
                for q in range(order - 2, -1, -1):
                    value = value * t + slopes[cell, q]
                slope[j] = value * factor
            slope[i] = 0.0
            for k in range(d):
                total[k] = 0.0
            _add_tokens(tokens[m], slope, total)
            for k in range(d):
                out[m, i, k] = total[k]


def _system_rows(  # type: ignore[no-untyped-def]
    tokens, queries, keys, targets, roots, slopes, lower, scale, pieces, piece_slopes, out
):
    n_samples, n_tokens, d = tokens.shape
    rank = queries.shape[2]
    n_intervals = slopes.shape[0]
    order = pieces.shape[0]
    below = slopes.shape[1]
    n_factors = 2 * d * rank
    n_basis = n_intervals + order - 1
    last = float(n_intervals)
    factor = scale / (n_tokens - 1)
    cubic = order == 4
    slope = np.empty(n_tokens)
    basis = np.zeros(n_basis)
    pulled = np.empty(d)
    pulled_keys = np.empty(rank)
    a0, a1, a2, a3 = pieces[0, 0], 0.0, 0.0, 0.0
    b0, b1, b2, b3 = 0.0, 0.0, 0.0, 0.0
    c0, c1, c2, c3 = 0.0, 0.0, 0.0, 0.0
    d0, d1, d2, d3 = 0.0, 0.0, 0.0, 0.0
    if cubic:
        a1, a2, a3 = pieces[0, 1], pieces[0, 2], pieces[0, 3]
        b0, b1, b2, b3 = pieces[1, 0], pieces[1, 1], pieces[1, 2], pieces[1, 3]
        c0, c1, c2, c3 = pieces[2, 0], pieces[2, 1], pieces[2, 2], pieces[2, 3]
        d0, d1, d2, d3 = pieces[3, 0], pieces[3, 1], pieces[3, 2], pieces[3, 3]
    for m in range(n_samples):
        for i in range(n_tokens):
            root = float(roots[m, i])
            for j in range(n_tokens):
                slope[j] = 0.0
                if j == i:
                    continue
                score = 0.0
                for p in range(rank):
                    score += float(queries[m, i, p]) * float(keys[m, j, p])
                position = (score - lower) * scale
                inside = min(position, last) if position > 0.0 else 0.0
                cell = min(int(inside), n_intervals - 1)
                t = inside - cell
                if position != position:
                    t = position
                if cubic and position == inside:
                    basis[cell] += ((a3 * t + a2) * t + a1) * t + a0
                    basis[cell + 1] += ((b3 * t + b2) * t + b1) * t + b0
                    basis[cell + 2] += ((c3 * t + c2) * t + c1) * t + c0
                    basis[cell + 3] += ((d3 * t + d2) * t + d1) * t + d0
                else:
                    for l in range(order):
                        value = pieces[l, order - 1]
                        rise = piece_slopes[l, order - 1]
                        for q in range(order - 2, -1, -1):
                            value = value * t + pieces[l, q]
                            rise = rise * t + piece_slopes[l, q]
                        basis[cell + l] += value + rise * (position - inside)
                value = slopes[cell, below - 1]
                for q in range(below - 2, -1, -1):
                    value = value * t + slopes[cell, q]
                slope[j] = value * factor
            for k in range(d):
                pulled[k] = 0.0
            _add_tokens(tokens[m], slope, pulled)
            for p in range(rank):
                total = 0.0
                for j in range(n_tokens):
                    total += slope[j] * float(keys[m, j, p])
                pulled_keys[p] = total * root
            row = out[m * n_tokens + i]
            for p in range(rank):
                z = pulled_keys[p]
                query = float(queries[m, i, p]) * root
                at, to = p * d, (rank + p) * d
                for k in range(d):
                    row[at + k] = float(tokens[m, i, k]) * z
                    row[to + k] = pulled[k] * query
            for k in range(n_basis):
                row[n_factors + k] = basis[k] * root
                basis[k] = 0.0
            row[n_factors + n_basis] = float(targets[m, i]) * root


def _spline_rows(  # type: ignore[no-untyped-def]
    projected, targets, roots, lower, scale, n_intervals, pieces, piece_slopes, out
):
    n_samples, n_tokens, width = projected.shape
    rank = width // 2
    order = pieces.shape[0]
    n_basis = n_intervals + order - 1
    last = float(n_intervals)
    cubic = order == 4
    basis = np.zeros(n_basis)
    a0, a1, a2, a3 = pieces[0, 0], 0.0, 0.0, 0.0
    b0, b1, b2, b3 = 0.0, 0.0, 0.0, 0.0
    c0, c1, c2, c3 = 0.0, 0.0, 0.0, 0.0
    d0, d1, d2, d3 = 0.0, 0.0, 0.0, 0.0
    if cubic:
        a1, a2, a3 = pieces[0, 1], pieces[0, 2], pieces[0, 3]
        b0, b1, b2, b3 = pieces[1, 0], pieces[1, 1], pieces[1, 2], pieces[1, 3]
        c0, c1, c2, c3 = pieces[2, 0], pieces[2, 1], pieces[2, 2], pieces[2, 3]
        d0, d1, d2, d3 = pieces[3, 0], pieces[3, 1], pieces[3, 2], pieces[3, 3]
    for m in range(n_samples):
        for i in range(n_tokens):
            root = roots[m, i]
            for j in range(n_tokens):
                if j == i:
                    continue
                score = 0.0
                for p in range(rank):
                    score += projected[m, i, p] * projected[m, j, rank + p]
                position = (score - lower) * scale
                inside = min(position, last) if position > 0.0 else 0.0
                cell = min(int(inside), n_intervals - 1)
                t = inside - cell
                if cubic and position == inside:
                    basis[cell] += ((a3 * t + a2) * t + a1) * t + a0
                    basis[cell + 1] += ((b3 * t + b2) * t + b1) * t + b0
                    basis[cell + 2] += ((c3 * t + c2) * t + c1) * t + c0
                    basis[cell + 3] += ((d3 * t + d2) * t + d1) * t + d0
                else:
                    for l in range(order):
                        value = pieces[l, order - 1]
                        rise = piece_slopes[l, order - 1]
                        for q in range(order - 2, -1, -1):
                            value = value * t + pieces[l, q]
                            rise = rise * t + piece_slopes[l, q]
                        basis[cell + l] += value + rise * (position - inside)
            row = out[m * n_tokens + i]
            for k in range(n_basis):
                row[k] = basis[k] * root
                basis[k] = 0.0
            row[n_basis] = targets[m, i] * root


def _long_cubic_rows(  # type: ignore[no-untyped-def]
    projected, targets, roots, lower, scale, n_intervals, pieces, piece_slopes, out
):
    # What needs no look at other pairs is vectorised; the sums go to four rows in turn, so that few of them
    # wait for the one before.
    n_samples, n_tokens, width = projected.shape
    rank = width // 2
    n_basis = n_intervals + 3
    last = float(n_intervals)
    a0, a1, a2, a3 = pieces[0, 0], pieces[0, 1], pieces[0, 2], pieces[0, 3]
    b0, b1, b2, b3 = pieces[1, 0], pieces[1, 1], pieces[1, 2], pieces[1, 3]
    c0, c1, c2, c3 = pieces[2, 0], pieces[2, 1], pieces[2, 2], pieces[2, 3]
    d0, d1, d2, d3 = pieces[3, 0], pieces[3, 1], pieces[3, 2], pieces[3, 3]
    keys = np.empty((rank, n_tokens))
    position = np.empty(n_tokens)
    cells = np.empty(n_tokens, np.int64)
    value = np.empty((n_tokens, 4))
    first, second, third, fourth = np.zeros(n_basis), np.zeros(n_basis), np.zeros(n_basis), np.zeros(n_basis)
    whole = n_tokens // 4 * 4
    for m in range(n_samples):
        _transpose_keys(projected[m], keys)
        for i in range(n_tokens):
            _positions(projected[m, i], keys, lower, scale, position)
            strayed = 0
            for j in range(n_tokens):
                inside = position[j] if position[j] > 0.0 else 0.0
                inside = inside if inside < last else last
                cell = min(np.floor(inside), last - 1.0)
                cells[j] = np.int64(cell)
                t = inside - cell
                strayed |= position[j] != inside
                value[j, 0] = ((a3 * t + a2) * t + a1) * t + a0
                value[j, 1] = ((b3 * t + b2) * t + b1) * t + b0
                value[j, 2] = ((c3 * t + c2) * t + c1) * t + c0
                value[j, 3] = ((d3 * t + d2) * t + d1) * t + d0
            if strayed:
                for j in range(n_tokens):
                    inside = position[j] if position[j] > 0.0 else 0.0
                    far = position[j] - min(inside, last)
                    if far != 0.0:
                        t = min(inside, last) - cells[j]
                        for l in range(4):
                            rise = (piece_slopes[l, 2] * t + piece_slopes[l, 1]) * t + piece_slopes[l, 0]
                            value[j, l] += rise * far
            for l in range(4):
                value[i, l] = 0.0
            for j in range(0, whole, 4):
                _add_four(first, cells[j], value[j])
                _add_four(second, cells[j + 1], value[j + 1])
                _add_four(third, cells[j + 2], value[j + 2])
                _add_four(fourth, cells[j + 3], value[j + 3])
            for j in range(whole, n_tokens):
                _add_four(first, cells[j], value[j])
            root = roots[m, i]
            row = out[m * n_tokens + i]
            for k in range(n_basis):
                row[k] = ((first[k] + second[k]) + (third[k] + fourth[k])) * root
                first[k] = second[k] = third[k] = fourth[k] = 0.0
            row[n_basis] = targets[m, i] * root


def _spline_sums(  # type: ignore[no-untyped-def]
    projected, targets, roots, lower, scale, n_intervals, pieces, piece_slopes, out
):
    n_samples, n_tokens, width = projected.shape
    rank = width // 2
    order = pieces.shape[0]
    n_basis = n_intervals + order - 1
    last = float(n_intervals)
    cells = np.empty(n_tokens, np.int64)
    value = np.empty((n_tokens, order))
    for m in range(n_samples):
        for i in range(n_tokens):
            root = roots[m, i]
            target = targets[m, i] * root
            out[n_basis, n_basis] += 0.5 * target * target
            n = 0
            for j in range(n_tokens):
                if j == i:
                    continue
                score = 0.0
                for p in range(rank):
                    score += projected[m, i, p] * projected[m, j, rank + p]
                position = (score - lower) * scale
                inside = min(position, last) if position > 0.0 else 0.0
                cell = min(int(inside), n_intervals - 1)
                t = inside - cell
                for l in range(order):
                    number = pieces[l, order - 1]
                    rise = piece_slopes[l, order - 1]
                    for q in range(order - 2, -1, -1):
                        number = number * t + pieces[l, q]
                        rise = rise * t + piece_slopes[l, q]
                    value[n, l] = (number + rise * (position - inside)) * root
                # A partner's products with itself count twice when the transpose is added, others once.
                for l in range(order):
                    out[cell + l, n_basis] += value[n, l] * target
                    for k in range(order):
                        out[cell + l, cell + k] += 0.5 * value[n, l] * value[n, k]
                for b in range(n):
                    for l in range(order):
                        for k in range(order):
                            out[cells[b] + l, cell + k] += value[b, l] * value[n, k]
                cells[n] = cell
                n += 1


def _cubic_sums(  # type: ignore[no-untyped-def]
    projected, targets, roots, lower, scale, n_intervals, pieces, piece_slopes, out
):
    n_samples, n_tokens, width = projected.shape
    rank = width // 2
    n_basis = n_intervals + 3
    last = float(n_intervals)
    cells = np.empty(n_tokens, np.int64)
    value = np.empty((n_tokens, 4))
    moment = np.zeros(n_basis)
    square = 0.0
    a0, a1, a2, a3 = pieces[0, 0], pieces[0, 1], pieces[0, 2], pieces[0, 3]
    b0, b1, b2, b3 = pieces[1, 0], pieces[1, 1], pieces[1, 2], pieces[1, 3]
    c0, c1, c2, c3 = pieces[2, 0], pieces[2, 1], pieces[2, 2], pieces[2, 3]
    d0, d1, d2, d3 = pieces[3, 0], pieces[3, 1], pieces[3, 2], pieces[3, 3]
    for m in range(n_samples):
        for i in range(n_tokens):
            root = roots[m, i]
            target = targets[m, i] * root
            square += target * target
            n = 0
            for j in range(n_tokens):
                if j == i:
                    continue
                score = 0.0
                for p in range(rank):
                    score += projected[m, i, p] * projected[m, j, rank + p]
                position = (score - lower) * scale
                inside = min(position, last) if position > 0.0 else 0.0
                cell = min(int(inside), n_intervals - 1)
                t = inside - cell
                cells[n] = cell
                value[n, 0] = (((a3 * t + a2) * t + a1) * t + a0) * root
                value[n, 1] = (((b3 * t + b2) * t + b1) * t + b0) * root
                value[n, 2] = (((c3 * t + c2) * t + c1) * t + c0) * root
                value[n, 3] = (((d3 * t + d2) * t + d1) * t + d0) * root
                if position != inside:
                    for l in range(4):
                        rise = (piece_slopes[l, 2] * t + piece_slopes[l, 1]) * t + piece_slopes[l, 0]
                        value[n, l] += rise * (position - inside) * root
                moment[cell] += value[n, 0] * target
                moment[cell + 1] += value[n, 1] * target
                moment[cell + 2] += value[n, 2] * target
                moment[cell + 3] += value[n, 3] * target
                n += 1
            for a in range(n):
                cell = cells[a]
                w0, w1, w2, w3 = value[a, 0], value[a, 1], value[a, 2], value[a, 3]
                for l in range(4):
                    half = 0.5 * value[a, l]
                    row = out[cell + l, cell : cell + 4]
                    row[0] += half * w0
                    row[1] += half * w1
                    row[2] += half * w2
                    row[3] += half * w3
                for b in range(a):
                    for l in range(4):
                        number = value[b, l]
                        row = out[cells[b] + l, cell : cell + 4]
                        row[0] += number * w0
                        row[1] += number * w1
                        row[2] += number * w2
                        row[3] += number * w3
    for k in range(n_basis):
        out[k, n_basis] += moment[k]
    out[n_basis, n_basis] += 0.5 * square


def _score_tails(projected, low, high):  # type: ignore[no-untyped-def]
    # What is not a number is neither low nor high, and what is not finite is no score.
    n_samples, n_tokens, width = projected.shape
    rank = width // 2
    n_kept = low.shape[0]
    keys = np.empty((rank, n_tokens))
    scores = np.empty(n_tokens)
    for m in range(n_samples):
        if n_tokens >= LONG_ROW:
            _transpose_keys(projected[m], keys)
        for i in range(n_tokens):
            if n_tokens >= LONG_ROW:
                _positions(projected[m, i], keys, 0.0, 1.0, scores)
            else:
                for j in range(n_tokens):
                    score = 0.0
                    for p in range(rank):
                        score += projected[m, i, p] * projected[m, j, rank + p]
                    scores[j] = score
            for j in range(n_tokens):
                score = scores[j]
                if j != i and (score < low[n_kept - 1] or score > high[n_kept - 1]) and np.isfinite(score):
                    place = n_kept - 1
                    if score < low[place]:
                        while place > 0 and score < low[place - 1]:
                            low[place] = low[place - 1]
                            place -= 1
                        low[place] = score
                    place = n_kept - 1
                    if score > high[place]:
                        while place > 0 and score > high[place - 1]:
                            high[place] = high[place - 1]
                            place -= 1
                        high[place] = score


def _pull_rows(  # type: ignore[no-untyped-def]
    projected, targets, weights, polynomials, slopes, lower, scale, out
):
    n_samples, n_tokens, width = projected.shape
    rank = width // 2
    n_intervals, order = polynomials.shape
    below = slopes.shape[1]
    last = float(n_intervals)
    share = 1.0 / (n_tokens - 1)
    slope = np.empty(n_tokens)
    for m in range(n_samples):
        for i in range(n_tokens):
            for p in range(width):
                out[m, i, p] = 0.0
        for i in range(n_tokens):
            total = 0.0
            for j in range(n_tokens):
                slope[j] = 0.0
                if j == i:
                    continue
                score = 0.0
                for p in range(rank):
                    score += projected[m, i, p] * projected[m, j, rank + p]
                position = (score - lower) * scale
                inside = min(position, last) if position > 0.0 else 0.0
                cell = min(int(inside), n_intervals - 1)
                t = inside - cell
                value = polynomials[cell, order - 1]
                for q in range(order - 2, -1, -1):
                    value = value * t + polynomials[cell, q]
                rise = slopes[cell, below - 1]
                for q in range(below - 2, -1, -1):
                    rise = rise * t + slopes[cell, q]
                total += value + rise * (position - inside)
                slope[j] = rise
            error = weights[m, i] * (targets[m, i] - total * share) * share * scale
            for j in range(n_tokens):
                pull = error * slope[j]
                for p in range(rank):
                    out[m, i, p] += pull * projected[m, j, rank + p]
                    out[m, j, rank + p] += pull * projected[m, i, p]


def _long_pull_rows(  # type: ignore[no-untyped-def]
    projected, targets, weights, powers, lower, scale, out
):
    n_samples, n_tokens, width = projected.shape
    rank = width // 2
    order, n_intervals = powers.shape
    last = float(n_intervals)
    share = 1.0 / (n_tokens - 1)
    keys, pulled = np.empty((rank, n_tokens)), np.empty((rank, n_tokens))
    position, value, slope = np.empty(n_tokens), np.empty(n_tokens), np.empty(n_tokens)
    ones = np.ones(n_tokens)
    for m in range(n_samples):
        _transpose_keys(projected[m], keys)
        for p in range(rank):
            for j in range(n_tokens):
                pulled[p, j] = 0.0
        for i in range(n_tokens):
            _positions(projected[m, i], keys, lower, scale, position)
            for j in range(n_tokens):
                inside = position[j] if position[j] > 0.0 else 0.0
                inside = inside if inside < last else last
                cell = min(np.floor(inside), last - 1.0)
                c = np.int64(cell)
                t = inside - cell
                number = powers[order - 1, c]
                rise = 0.0
                for q in range(order - 2, -1, -1):
                    rise = rise * t + number
                    number = number * t + powers[q, c]
                value[j] = number + rise * (position[j] - inside)
                slope[j] = rise
            value[i] = 0.0
            slope[i] = 0.0
            total = _dot(value, ones)
            error = weights[m, i] * (targets[m, i] - total * share) * share * scale
            for p in range(rank):
                out[m, i, p] = error * _dot(slope, keys[p])
                query = error * projected[m, i, p]
                row = pulled[p]
                for j in range(n_tokens):
                    row[j] += query * slope[j]
        for j in range(n_tokens):
            for p in range(rank):
                out[m, j, rank + p] = pulled[p, j]


@numba.njit(nogil=True)
def _transpose_keys(projected, keys):  # type: ignore[no-untyped-def]
    rank, n_tokens = keys.shape
    for j in range(n_tokens):
        for p in range(rank):
            keys[p, j] = projected[j, rank + p]


@numba.njit(nogil=True, fastmath={"contract"})
def _positions(query, keys, lower, scale, position):  # type: ignore[no-untyped-def]
    # One token's scores, in units of cells from the lower end: vectorised over partners.
    rank, n_tokens = keys.shape
    for j in range(n_tokens):
        position[j] = query[0] * keys[0, j]
    for p in range(1, rank):
        for j in range(n_tokens):
            position[j] += query[p] * keys[p, j]
    for j in range(n_tokens):
        position[j] = (position[j] - lower) * scale


@numba.njit(nogil=True)
def _add_four(row, cell, value):  # type: ignore[no-untyped-def]
    row[cell] += value[0]
    row[cell + 1] += value[1]
    row[cell + 2] += value[2]
    row[cell + 3] += value[3]


@numba.njit(nogil=True, fastmath={"contract"})
def _dot(a, b):  # type: ignore[no-untyped-def]
    # Eight sums in a fixed order: on every machine the same one, and vectorised.
    n = a.shape[0]
    whole = n // 8 * 8
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
    for j in range(0, whole, 8):
        s0 += a[j] * b[j]
        s1 += a[j + 1] * b[j + 1]
        s2 += a[j + 2] * b[j + 2]
        s3 += a[j + 3] * b[j + 3]
        s4 += a[j + 4] * b[j + 4]
        s5 += a[j + 5] * b[j + 5]
        s6 += a[j + 6] * b[j + 6]
        s7 += a[j + 7] * b[j + 7]
    for j in range(whole, n):
        s0 += a[j] * b[j]
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))


@numba.njit(nogil=True, fastmath={"contract"})
def _add_tokens(tokens, weights, total):  # type: ignore[no-untyped-def]
    # Four partners at once: the sum is read and written a quarter as often.
    n_tokens, d = tokens.shape
    whole = n_tokens // 4 * 4
    for j in range(0, whole, 4):
        a, b, c, e = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
        first, second, third, fourth = tokens[j], tokens[j + 1], tokens[j + 2], tokens[j + 3]
        for k in range(d):
            total[k] += a * first[k] + b * second[k] + c * third[k] + e * fourth[k]
    for j in range(whole, n_tokens):
        a = weights[j]
        first = tokens[j]
        for k in range(d):
            total[k] += a * first[k]


_REAL, _INTEGER = types.float64, types.int64
_BASIS = (("given", 3), _REAL, _REAL, _INTEGER, ("table", 2), ("table", 2))
#: Each loop, the types of its arguments, and whether products and sums may fuse.
_LOOPS: dict[str, tuple[Callable[..., None], tuple[Any, ...], bool]] = {
    "basis_sum": (_basis_sum, (*_BASIS, ("filled", 2)), False),
    "cubic_sum": (_cubic_sum, (*_BASIS, ("filled", 2)), False),
    "long_cubic_sum": (_long_cubic_sum, (*_BASIS, ("filled", 2)), False),
    "basis_entries": (_basis_entries, (*_BASIS, ("filled", 3), ("filled", 3)), False),
    "evaluate": (
        _evaluate,
        (("given", 1), ("table", 2), ("table", 2), _REAL, _REAL, _INTEGER, ("filled", 1)),
        False,
    ),
    "pair_mean": (
        _pair_mean,
        (("given", 3), ("table", 2), ("table", 2), _REAL, _REAL, ("filled", 2)),
        False,
    ),
    "moments": (
        _moments,
        (("given", 3), ("given", 3), ("table", 2), _REAL, _REAL, ("filled", 3)),
        True,
    ),
    **{
        name: (
            function,
            (
                *(("given", 3), *(("table", 2),) * 2, _REAL, _REAL, _INTEGER),
                *(*(("table", 2),) * 2, ("filled", 2)),
            ),
            True,
        )
        for name, function in (
            ("spline_rows", _spline_rows),
            ("long_cubic_rows", _long_cubic_rows),
            ("spline_sums", _spline_sums),
            ("cubic_sums", _cubic_sums),
        )
    },
    "score_tails": (_score_tails, (("given", 3), ("filled", 1), ("filled", 1)), True),
    "long_pull_rows": (
        _long_pull_rows,
        (("given", 3), *(("table", 2),) * 3, _REAL, _REAL, ("filled", 3)),
        True,
    ),
    "pull_rows": (
        _pull_rows,
        (("given", 3), *(("table", 2),) * 4, _REAL, _REAL, ("filled", 3)),
        True,
    ),
    "system_rows": (
        _system_rows,
        (
            *(("given", 3), ("table", 3), ("table", 3), ("table", 2), ("table", 2)),
            *(("table", 2), _REAL, _REAL, ("table", 2), ("table", 2), ("filled", 2)),
        ),
        True,
    ),
}
