"""Compiled loops against NumPy where Numba is installed; what happens where it is not, or cannot write."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pairint.backend import usable_compiler
from pairint.kernels import (
    dispatch,
    evaluate_pieces,
    pair_basis_sum,
    pair_mean,
    pair_moments,
    piecewise_coefficients,
    system_products,
)
from pairint.kernels.pair_sum import pair_basis_entries

needs_numba = pytest.mark.skipif(not usable_compiler()[0], reason=usable_compiler()[1])

LOWER, UPPER = -1.0, 1.0


@pytest.fixture
def both(monkeypatch):
    """Call a function with compiled loops and without."""

    def call(function, *args, **kwargs):
        monkeypatch.setattr(dispatch, "LEAST_WORK", 0)
        monkeypatch.setenv("PAIRINT_COMPILED", "0")
        expected = function(*args, **kwargs)
        monkeypatch.delenv("PAIRINT_COMPILED")
        assert dispatch.compiled_loops(1) is not None
        return function(*args, **kwargs), expected

    return call


def draw(n_samples, n_tokens, d, n_intervals, degree, dtype=np.float64):
    """Scores of which a fifth lie outside, tokens, coefficients."""
    rng = np.random.default_rng([n_samples, n_tokens, d, n_intervals, degree])
    scores = rng.uniform(-1.25, 1.25, (n_samples, n_tokens, n_tokens)).astype(dtype)
    scores[0, 0, 1], scores[0, 1, 0] = LOWER, UPPER
    X = rng.uniform(-1.0, 1.0, (n_samples, n_tokens, d)).astype(dtype)
    return scores, X, rng.uniform(-1.0, 1.0, n_intervals + degree)


#: (M, N, d, K, s): the ends of each range, and long rows, with and without a rest, of the cubic.
SHAPES = [
    (1, 2, 1, 1, 0), (40, 3, 5, 20, 3), (40, 3, 5, 20, 8), (3, 15, 4, 7, 3), (3, 16, 4, 7, 3),
    (2, 300, 3, 30, 3), (1, 512, 2, 512, 3), (9, 2, 1024, 512, 1), (5, 6, 7, 512, 8), (4, 33, 20, 11, 2),
]  # fmt: skip


@needs_numba
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
def test_basis_and_values_have_the_same_bits(both, shape, dtype):
    """No operation is reordered, so that a result does not tell whether Numba is installed."""
    scores, _, coefficients = draw(*shape, dtype)
    n_intervals, degree = shape[3:]
    space = (LOWER, UPPER, n_intervals, degree)
    ours, expected = both(pair_basis_sum, scores, *space)
    assert ours.dtype == expected.dtype == dtype
    np.testing.assert_array_equal(ours, expected)
    for ours, expected in zip(*both(pair_basis_entries, scores, *space), strict=True):
        assert ours.dtype == expected.dtype
        np.testing.assert_array_equal(ours, expected)
    polynomials = piecewise_coefficients(coefficients, degree)
    for order in (0, 1):
        np.testing.assert_array_equal(*both(evaluate_pieces, scores, polynomials, LOWER, UPPER, order))


@needs_numba
@pytest.mark.parametrize(("dtype", "unit"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("shape", SHAPES)
def test_means_and_moments(both, shape, dtype, unit):
    """Equal to 1e-12 of the largest number that a mean could be, 1e-5 in single precision."""
    scores, X, coefficients = draw(*shape, dtype)
    polynomials = piecewise_coefficients(coefficients, shape[-1])
    ours, expected = both(pair_mean, scores, polynomials, LOWER, UPPER)
    assert ours.dtype == expected.dtype == dtype
    size = np.abs(evaluate_pieces(scores, polynomials, LOWER, UPPER)).max()
    assert np.abs(ours - expected).max() <= unit * size
    ours, expected = both(pair_moments, scores, X, polynomials, LOWER, UPPER)
    assert ours.dtype == expected.dtype == dtype
    size = np.abs(evaluate_pieces(scores, polynomials, LOWER, UPPER, 1)).max()
    assert np.abs(ours - expected).max() <= unit * size


@needs_numba
@pytest.mark.parametrize(("dtype", "unit"), [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("n_samples", "n_tokens", "d", "rank", "n_intervals", "degree"),
    [
        (500, 3, 6, 2, 15, 3),
        (1, 2, 1, 1, 1, 0),
        (3, 70, 5, 3, 9, 3),
        (400, 2, 9, 1, 200, 8),
        (2, 4, 300, 2, 5, 2),
    ],
)
def test_systems(both, n_samples, n_tokens, d, rank, n_intervals, degree, weighted, dtype, unit):
    """Equal to that share of the product of two columns' norms, each at least one.

    A basis function that a single score meets at its very foot is tiny, and known to rounding of one only.
    """
    rng = np.random.default_rng(n_samples)
    X = rng.uniform(-1.0, 1.0, (n_samples, n_tokens, d)) / np.sqrt(d)
    left, right = rng.uniform(-1.0, 1.0, (2, d, rank)) / np.sqrt(rank)
    Y, weight = rng.standard_normal(X.shape[:2]), rng.uniform(0, 2, X.shape[:2])
    coefficients = rng.uniform(-1.0, 1.0, n_intervals + degree)
    arguments = (X, Y, left, right, coefficients, LOWER, UPPER, degree, weight if weighted else None)
    ours, expected = both(system_products, *arguments, dtype=dtype)
    sizes = np.maximum(np.sqrt(np.diag(expected)), 1.0)
    assert np.all(np.abs(ours - expected) <= unit * np.outer(sizes, sizes))
    swapped = [np.asfortranarray(a) for a in arguments[:4]]
    for array in swapped:
        array.flags.writeable = False
    again, _ = both(system_products, *swapped, *arguments[4:], dtype=dtype)
    assert np.all(np.abs(again - ours) <= unit * np.outer(sizes, sizes))


@needs_numba
def test_layouts_of_the_input(both):
    """Transposed, strided, reversed and read-only arrays, and arrays of other numbers, give the same."""
    scores, X, coefficients = draw(6, 5, 4, 7, 3)
    polynomials = piecewise_coefficients(coefficients, 3)
    locked = scores.copy()
    locked.flags.writeable = False
    wide = np.zeros((6, 5, 10))
    wide[:, :, ::2] = scores
    layouts = [
        locked, wide[:, :, ::2], np.asfortranarray(scores), scores[::-1].copy()[::-1],
        scores.astype(scores.dtype.newbyteorder()),
    ]  # fmt: skip
    for function, rest in (
        (pair_basis_sum, (LOWER, UPPER, 7, 3)),
        (pair_mean, (polynomials, LOWER, UPPER)),
        (pair_moments, (X, polynomials, LOWER, UPPER)),
        (evaluate_pieces, (polynomials, LOWER, UPPER)),
    ):
        reference, _ = both(function, scores, *rest)
        for array in layouts:
            for result in both(function, array, *rest):
                # At most 40 operations, twice, on numbers of at most seven: 6e-14.
                np.testing.assert_allclose(result, reference, rtol=0, atol=1e-13)
    whole = np.arange(-2, 3).repeat(5).reshape(1, 5, 5)
    for function, rest in (
        (pair_basis_sum, (LOWER, UPPER, 7, 3)),
        (evaluate_pieces, (polynomials, LOWER, UPPER)),
    ):
        np.testing.assert_array_equal(*both(function, whole, *rest))


@needs_numba
def test_empty_and_single_numbers(both):
    polynomials = piecewise_coefficients(np.arange(6.0), 3)
    for u in (np.zeros(0), np.zeros((3, 0, 2)), np.float64(0.3), np.array(0.3), [0.1, 0.2]):
        ours, expected = both(evaluate_pieces, u, polynomials, LOWER, UPPER)
        assert np.shape(ours) == np.shape(expected) == np.shape(u) and type(ours) is type(expected)
        np.testing.assert_array_equal(ours, expected)
    for column in both(pair_basis_entries, np.zeros((0, 3, 3)), LOWER, UPPER, 4, 2):
        assert [a.shape for a in column] == [(0, 2, 3), (0, 2, 3)]


@needs_numba
@pytest.mark.parametrize("n_tokens", [3, 20])
@pytest.mark.parametrize("degree", [0, 2, 3])
def test_nan_stays_where_it_is(n_tokens, degree):
    """Checked arguments have none; if one came, it would touch no memory but its own row's."""
    from pairint.kernels import loops
    from pairint.kernels.pair_sum import basis_tables

    scores, _, _ = draw(3, n_tokens, 1, 6, degree)
    scores[1, 0, 2] = np.nan
    out = np.empty((3 * n_tokens, 6 + degree))
    loops.basis_sum(scores, LOWER, UPPER, 6, *basis_tables(n_tokens, degree), out)
    assert np.isnan(out[n_tokens]).any()
    assert np.isfinite(np.delete(out, n_tokens, axis=0)).all()


# ------------------------------------------------------------------------------ when Numba is imported


SMALL_THEN_LARGE = """
import sys
import numpy as np
import pairint.kernels as kernels
from pairint.kernels import dispatch
before = "numba" in sys.modules
scores = np.zeros((2, 3, 3))
kernels.pair_basis_sum(scores, -1.0, 1.0, 4, 3)
small = "numba" in sys.modules
scores = np.linspace(-1, 1, 9 * 5000).reshape(5000, 3, 3)
out = kernels.pair_basis_sum(scores, -1.0, 1.0, 4, 3)
print(before, small, "numba" in sys.modules, repr(float(out.sum())))
"""


def run(text=SMALL_THEN_LARGE, **environment):
    root = Path(__file__).resolve().parents[2]
    inherited = {key: value for key, value in os.environ.items() if key != "PAIRINT_COMPILED"}
    changed = {**inherited, "PYTHONPATH": str(root), **environment}
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, env=changed)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_numba_is_not_imported_for_little_nor_when_switched_off():
    *imported, total = run(PAIRINT_COMPILED="0")
    assert imported == ["False"] * 3
    hidden = "import sys; sys.modules['numba'] = None\n" + SMALL_THEN_LARGE.replace(
        '"numba" in sys.modules', "0"
    )
    assert run(hidden)[-1] == total
    if usable_compiler()[0]:
        *imported, compiled = run()
        assert imported == ["False", "False", "True"] and compiled == total


def test_reasons_are_told(monkeypatch):
    usable, reason = usable_compiler()
    assert isinstance(usable, bool) and reason
    question = usable_compiler.__wrapped__
    monkeypatch.setitem(sys.modules, "numba", None)
    assert question()[0] is False and "Numba cannot be imported" in question()[1]
    monkeypatch.setattr(sys, "platform", "emscripten")
    assert question() == (False, "WebAssembly cannot load compiled code")


@needs_numba
@pytest.mark.slow
def test_compiled_code_is_kept(tmp_path):
    run(NUMBA_CACHE_DIR=str(tmp_path))
    files = sorted(tmp_path.rglob("*.nbc"))
    assert files
    stamps = [file.stat().st_mtime_ns for file in files]
    run(NUMBA_CACHE_DIR=str(tmp_path))
    assert [file.stat().st_mtime_ns for file in sorted(tmp_path.rglob("*.nbc"))] == stamps


@needs_numba
@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["a file in its place", "a cache cut short"])
def test_a_cache_that_cannot_be_used_is_done_without(tmp_path, trouble):
    expected = run(PAIRINT_COMPILED="0")[-1]
    place = tmp_path / "cache"
    if trouble == "a file in its place":
        place.write_text("no folder")
    else:
        run(NUMBA_CACHE_DIR=str(place))
        cut = list(itertools.chain(place.rglob("*.nbi"), place.rglob("*.nbc")))
        assert cut
        for file in cut:
            file.write_bytes(file.read_bytes()[:40])
    assert run(NUMBA_CACHE_DIR=str(place)) == ["False", "False", "True", expected]


BOTH_PRECISIONS = (
    SMALL_THEN_LARGE
    + """
single = kernels.pair_basis_sum(scores.astype(np.float32), -1.0, 1.0, 4, 3)
print(single.dtype)
"""
)


@needs_numba
@pytest.mark.slow
def test_a_cache_in_which_two_processes_mixed_up_their_files_is_done_without(tmp_path):
    *_, total, kind = run(BOTH_PRECISIONS, NUMBA_CACHE_DIR=str(tmp_path))
    assert kind == "float32"
    by_name = {}
    for file in sorted(tmp_path.rglob("*.nbc")):
        by_name.setdefault(file.name.rsplit(".", 2)[0], []).append(file)
    pairs = [files for files in by_name.values() if len(files) == 2]
    assert pairs  # one loop, compiled for either precision
    for first, second in pairs:
        one, other = first.read_bytes(), second.read_bytes()
        first.write_bytes(other)
        second.write_bytes(one)
    assert run(BOTH_PRECISIONS, NUMBA_CACHE_DIR=str(tmp_path))[-2:] == [total, kind]
