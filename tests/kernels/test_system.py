"""Products of the columns of [J | F | Y]: blocks and their loops against the matrices written out."""

import fake_cupy
import numpy as np
import pytest
import rounding
from cuda_tools import compiler

from pairint.kernels import pair_basis_sum, pair_mean, piecewise_coefficients, system_products

LOWER, UPPER = -0.9, 0.8


def problem(n_samples, n_tokens, d, rank, n_intervals, degree, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1.0, 1.0, (n_samples, n_tokens, d)) / np.sqrt(d)
    left, right = rng.standard_normal((2, d, rank))
    Y = rng.standard_normal((n_samples, n_tokens))
    return X, Y, left, right, rng.uniform(-1, 1, n_intervals + degree), degree, rng.uniform(0, 2, Y.shape)


def written_out(X, Y, left, right, coefficients, degree, weight):
    """[J | F | Y] by loops: the derivative of every output by every factor, from its formula."""
    n_samples, n_tokens = X.shape[:2]
    n_intervals = len(coefficients) - degree
    polynomials = piecewise_coefficients(coefficients, degree)
    scores = (X @ left) @ (X @ right).swapaxes(1, 2)
    rows = []
    for m in range(n_samples):
        for i in range(n_tokens):
            by_left, by_right = np.zeros(left.shape), np.zeros(right.shape)
            for j in range(n_tokens):
                if j != i:
                    cell, t = place(scores[m, i, j], n_intervals)
                    slope = sum(p * c * t ** (p - 1) for p, c in enumerate(polynomials[cell]) if p)
                    slope *= n_intervals / (UPPER - LOWER) / (n_tokens - 1)
                    by_left += slope * np.outer(X[m, i], X[m, j] @ right)
                    by_right += slope * np.outer(X[m, j], X[m, i] @ left)
            rows.append(np.concatenate([by_left.ravel(), by_right.ravel()]))
    F = pair_basis_sum(scores, LOWER, UPPER, n_intervals, degree)
    table = np.column_stack([np.array(rows), F, Y.ravel()])
    return table if weight is None else table * np.sqrt(weight).reshape(-1, 1)


def place(score, n_intervals):
    position = (min(max(score, LOWER), UPPER) - LOWER) / (UPPER - LOWER) * n_intervals
    cell = min(int(position), n_intervals - 1)
    return cell, position - cell


def product_error(table, X, left, right, coefficients, degree):
    """How far two products of the table's columns are apart, for rows of which each is off by a little.

    A score is off by the products that make it; a slope moves by the second derivative times that, a basis
    function by at most one per cell; then columns are added up. Entries by the sizes of their columns.
    """
    n_intervals = len(coefficients) - degree
    scale = n_intervals / (UPPER - LOWER)
    size = (np.abs(X @ left) @ np.abs(X @ right).swapaxes(1, 2)).max()
    inner = (np.abs(X) @ np.abs(left)) @ (np.abs(X) @ np.abs(right)).swapaxes(1, 2)
    score = rounding.gamma(2 * sum(left.shape) + 8) * (inner.max() + size + 1)
    largest = np.abs(coefficients).max()
    second = 4 * degree**2 * largest * scale**2  # differences of differences of coefficients
    first = 2 * max(degree, 1) * largest * scale
    tokens = np.abs(X).sum(axis=2).max() * max(np.abs(left).max(), np.abs(right).max()) * np.abs(X).max()
    entry = tokens * (
        second * score + rounding.gamma(40 * (degree + 1) + 4 * X.shape[1] + 4 * X.shape[2]) * first
    )
    beyond = scale * max(size - UPPER, size + LOWER, 0.0)
    entry += 2 * scale * score * (1 + beyond) + 2 * rounding.basis_error(degree, beyond)
    sizes = np.abs(table).sum(axis=0)
    moved = 2 * entry * (sizes[:, None] + sizes[None, :] + len(table) * entry)
    return moved + 2 * rounding.gamma(len(table) + 8) * np.abs(table).T @ np.abs(table)


SHAPES = [
    (3, 2, 1, 1, 1, 0),
    (7, 3, 5, 2, 4, 3),
    (40, 5, 4, 3, 9, 1),
    (2, 20, 3, 1, 6, 8),
    (300, 3, 6, 2, 5, 2),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_against_the_matrix_written_out(shape, weighted):
    *given, weight = problem(*shape)
    weight = weight if weighted else None
    X, Y, left, right, coefficients, degree = given
    table = written_out(*given, weight)
    ours = system_products(X, Y, left, right, coefficients, LOWER, UPPER, degree, weight)
    assert ours.shape == (table.shape[1], table.shape[1])
    scale = np.sqrt(max(1.0, 0.0 if weight is None else weight.max()))
    bound = scale**2 * product_error(table / scale, X, left, right, coefficients, degree)
    assert np.all(np.abs(ours - table.T @ table) <= bound)
    assert bound.max() < 1e-6 * np.abs(table.T @ table).max()
    np.testing.assert_array_equal(ours, ours.T)


def test_jacobian_is_the_derivative_of_the_outputs():
    """J'Y against finite differences of Y' (outputs), factor by factor."""
    X, Y, left, right, coefficients, degree, _ = problem(20, 3, 4, 2, 5, 3)
    polynomials = piecewise_coefficients(coefficients, degree)
    factors = np.concatenate([left.ravel(), right.ravel()])

    def outputs(flat):
        left, right = flat.reshape(2, 4, 2)
        return pair_mean((X @ left) @ (X @ right).swapaxes(1, 2), polynomials, LOWER, UPPER)

    products = system_products(X, Y, left, right, coefficients, LOWER, UPPER, degree)
    step = 1e-6
    for k, direction in enumerate(np.eye(len(factors))):
        change = outputs(factors + step * direction) - outputs(factors - step * direction)
        # Central differences: step^2 times a third derivative of order (K / length)^3; rounding over step.
        assert abs(products[k, -1] - (change * Y).sum() / (2 * step)) <= 1e-9 * np.abs(Y).sum()


def test_single_precision_rows():
    X, Y, left, right, coefficients, degree, weight = problem(500, 3, 5, 2, 6, 3)
    double = system_products(X, Y, left, right, coefficients, LOWER, UPPER, degree, weight)
    single = system_products(X, Y, left, right, coefficients, LOWER, UPPER, degree, weight, dtype="float32")
    assert single.dtype == np.float64
    sizes = np.sqrt(np.diag(double))
    # Every entry of a row is rounded, and within a block (at most a thousand rows) every sum.
    assert np.all(np.abs(single - double) <= 2.0**-23 * 1500 * np.outer(sizes, sizes) + 1e-12)
    assert np.abs(single - double).max() > 0


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler to emulate CUDA with")
def test_on_the_device(monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    X, Y, left, right, coefficients, degree, weight = problem(50, 3, 4, 2, 5, 3)
    device = [cupy.asarray(a) for a in (X, Y, left, right, coefficients)]
    fake_cupy.transfers.clear()
    ours = system_products(*device, LOWER, UPPER, degree, cupy.asarray(weight))
    assert max(fake_cupy.transfers) == 1  # scalars of the checks
    table = written_out(X, Y, left, right, coefficients, degree, weight)
    bound = 2 * product_error(table, X, left, right, coefficients, degree)
    assert np.all(np.abs(ours.get() - table.T @ table) <= bound)


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"X": np.zeros((4, 1, 2))}, ValueError, r"N >= 2, d >= 1; got \(4, 1, 2\)"),
        ({"X": np.zeros((0, 3, 2))}, ValueError, r"M >= 1, .* got \(0, 3, 2\)"),
        ({"Y": np.zeros((4, 2))}, ValueError, r"Y must have shape \(4, 3\), got \(4, 2\)"),
        ({"left": np.zeros((3, 1))}, ValueError, r"left must have shape \(2, any\), got \(3, 1\)"),
        ({"right": np.zeros((2, 2))}, ValueError, r"right must have shape \(2, 1\), got \(2, 2\)"),
        ({"coefficients": np.zeros(3)}, ValueError, "coefficients must hold at least degree .* got 3"),
        ({"upper": -1.0}, ValueError, "upper must be > -1.0 and <= 1e\\+300, got -1.0"),
        ({"weight": np.zeros((4, 2))}, ValueError, r"weight must have shape \(4, 3\), got \(4, 2\)"),
        ({"weight": -np.ones((4, 3))}, ValueError, "weight must be >= 0, got -1"),
        ({"dtype": "int32"}, ValueError, "dtype must be 'float32' or 'float64', got int32"),
        ({"X": np.full((4, 3, 2), np.nan)}, ValueError, "X must be finite"),
        (
            {"X": np.zeros((4, 3, 2), dtype=complex)},
            TypeError,
            "X must hold real numbers, got dtype complex128",
        ),
    ],
)
def test_bad_arguments(changed, error, message):
    given = {
        "X": np.zeros((4, 3, 2)),
        "Y": np.zeros((4, 3)),
        "left": np.ones((2, 1)),
        "right": np.ones((2, 1)),
    }
    given |= {"coefficients": np.zeros(8), "lower": -1.0, "upper": 1.0, "degree": 3}
    with pytest.raises(error, match=message):
        system_products(**{**given, **changed})
