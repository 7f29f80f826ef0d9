"""Means over partners with a known spline: NumPy against a double loop, and the CUDA source without a GPU."""

import fake_cupy
import numpy as np
import pytest
import rounding
from cuda_tools import EmulatedKernel, compiler, nvrtc, nvrtc_compile

from pairint.kernels import evaluate_pieces, pair_mean, pair_moments, piecewise_coefficients
from pairint.kernels.moments import cuda_launch, cuda_source

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler to emulate CUDA with")
needs_nvrtc = pytest.mark.skipif(nvrtc()[0] is None, reason=nvrtc()[1])

LOWER, UPPER = -0.7, 0.9


def problem(n_samples, n_tokens, d, n_intervals, degree, dtype=np.float64):
    """Scores of which some lie outside the interval, tokens, and a spline."""
    rng = np.random.default_rng([n_samples, n_tokens, d, n_intervals, degree])
    scores = rng.uniform(LOWER - 0.4, UPPER + 0.4, (n_samples, n_tokens, n_tokens)).astype(dtype)
    X = rng.uniform(-1.0, 1.0, (n_samples, n_tokens, d)).astype(dtype)
    return scores, X, piecewise_coefficients(rng.uniform(-1.0, 1.0, n_intervals + degree), degree)


def slope_error(polynomials, scores):
    """How far two computations of a slope are apart: of the place among the cells, and of the polynomials."""
    n_intervals, order = polynomials.shape
    powers = np.arange(order)
    first = (np.abs(polynomials) * powers).sum(axis=1).max()
    second = (np.abs(polynomials) * powers * (powers - 1)).sum(axis=1).max()
    scale = n_intervals / (UPPER - LOWER)
    place = rounding.gamma(6) * (np.abs(scores).max() + max(abs(LOWER), abs(UPPER))) * scale
    return 2 * scale * (second * place + rounding.gamma(4 * order) * first)


SHAPES = [(1, 2, 1, 1, 0), (7, 3, 5, 4, 3), (5, 9, 40, 20, 1), (3, 33, 2, 7, 8), (43, 3, 33, 11, 2)]


@pytest.mark.parametrize("shape", SHAPES)
def test_against_a_double_loop(shape):
    scores, X, polynomials = problem(*shape)
    n_samples, n_tokens = X.shape[:2]
    mean, Z = np.zeros((n_samples, n_tokens)), np.zeros(X.shape)
    for m in range(n_samples):
        for i in range(n_tokens):
            for j in range(n_tokens):
                if j != i:
                    u = scores[m, i, j]
                    mean[m, i] += evaluate_pieces(u, polynomials, LOWER, UPPER) / (n_tokens - 1)
                    Z[m, i] += evaluate_pieces(u, polynomials, LOWER, UPPER, 1) / (n_tokens - 1) * X[m, j]
    slope = slope_error(polynomials, scores)
    values = np.abs(evaluate_pieces(scores, polynomials, LOWER, UPPER)).max()
    # The same values, added in another order.
    assert (
        np.abs(pair_mean(scores, polynomials, LOWER, UPPER) - mean).max()
        <= rounding.gamma(4 * n_tokens) * values
    )
    steepest = np.abs(evaluate_pieces(scores, polynomials, LOWER, UPPER, 1)).max()
    bound = slope + rounding.gamma(4 * n_tokens) * steepest
    assert np.abs(pair_moments(scores, X, polynomials, LOWER, UPPER) - Z).max() <= bound


def test_diagonal_is_ignored():
    scores, X, polynomials = problem(4, 3, 2, 5, 3)
    other = scores.copy()
    other[:, np.arange(3), np.arange(3)] = 1e6
    for function, tokens in ((pair_mean, ()), (pair_moments, (X,))):
        ours = function(scores, *tokens, polynomials, LOWER, UPPER)
        np.testing.assert_array_equal(ours, function(other, *tokens, polynomials, LOWER, UPPER))


def test_moments_are_the_derivative_of_the_mean():
    """By the second factor of the matrix, in a direction: finite differences."""
    _, X, polynomials = problem(5, 4, 3, 6, 3)
    rng = np.random.default_rng(1)
    A, B = rng.uniform(-0.2, 0.2, (2, 3, 3))

    def mean(matrix):
        return pair_mean(X @ matrix @ X.swapaxes(1, 2), polynomials, LOWER, UPPER)

    Z = pair_moments(X @ A @ X.swapaxes(1, 2), X, polynomials, LOWER, UPPER)
    step = 1e-5
    difference = (mean(A + step * B) - mean(A - step * B)) / (2 * step)
    # Of the third derivative over a cell at most, and a knot between the two at worst.
    scale = (6 / (UPPER - LOWER)) ** 3
    third = 6 * np.abs(polynomials[:, 3]).max() * scale
    size = np.abs(X).sum(axis=2).max() ** 2 * np.abs(B).max()
    bound = step**2 * third * size**3 + 1e-15 / step * (1 + np.abs(polynomials).sum())
    assert np.abs((X @ B * Z).sum(axis=2) - difference).max() <= bound


# ------------------------------------------------------------------------------------ the CUDA source


def launched(scores, X, polynomials, backwards=False):
    n_samples, n_tokens, d = X.shape
    dtype = X.dtype
    slopes = (
        (polynomials[:, 1:] * np.arange(1, polynomials.shape[1]))
        if polynomials.shape[1] > 1
        else polynomials * 0
    )
    rows, shared = cuda_launch(n_tokens, dtype.itemsize)
    real = "float" if dtype == np.float32 else "double"
    kernel = EmulatedKernel(
        cuda_source(), "pair_moments", (f"-DDEGREE={slopes.shape[1] - 1}", f"-DREAL={real}")
    )
    guard = 64
    memory = np.full(X.size + 2 * guard, 12345.0, dtype=dtype)
    out = memory[guard:-guard]
    out[...] = np.nan
    n_rows = n_samples * n_tokens
    arguments = (
        scores, X, np.ascontiguousarray(slopes, dtype=dtype), out, np.int64(n_rows), np.int32(n_tokens),
        np.int32(d), np.int32(len(slopes)), np.float64(LOWER), np.float64(UPPER),
    )  # fmt: skip
    kernel((-(-n_rows // rows),), (32, rows), arguments, shared_mem=shared, backwards=backwards)
    assert np.all(memory[:guard] == 12345.0) and np.all(memory[-guard:] == 12345.0)
    return out.reshape(X.shape)


@needs_compiler
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", SHAPES)
def test_emulated_kernel_is_its_numpy_twin(shape, dtype):
    scores, X, polynomials = problem(*shape, dtype)
    out = launched(scores, X, polynomials)
    np.testing.assert_array_equal(out, launched(scores, X, polynomials, backwards=True))
    expected = pair_moments(scores.astype(float), X.astype(float), polynomials, LOWER, UPPER)
    steepest = np.abs(evaluate_pieces(scores.astype(float), polynomials, LOWER, UPPER, 1)).max()
    bound = slope_error(polynomials, scores) + rounding.gamma(4 * X.shape[1]) * steepest
    assert np.abs(out - expected).max() <= bound * (1 if dtype == np.float64 else 2.0**29)


@needs_compiler
def test_emulated_kernel_keeps_nan_in_its_row():
    scores, X, polynomials = problem(3, 3, 4, 6, 3)
    scores[1, 0, 2] = np.nan
    out = launched(scores, X, polynomials).reshape(9, 4)
    assert np.isnan(out[3]).all()
    assert np.isfinite(np.delete(out, 3, axis=0)).all()


@needs_compiler
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_tokens", [3, 2000, 8000])
def test_the_caller_launches_the_kernel_rightly(monkeypatch, n_tokens, dtype):
    """Four rows a block, two, and more tokens than shared memory holds: then library calls."""
    if n_tokens > 3:
        assert (cuda_launch(n_tokens, 8) is None) == (n_tokens == 8000)
        monkeypatch.setattr("pairint.kernels.moments.SHARED_BYTES", 48 * 12)
        n_tokens = n_tokens // 1000 * 12 + 1
    cupy = fake_cupy.install(monkeypatch)
    scores, X, polynomials = problem(5, n_tokens, 7, 9, 3, dtype)
    expected = pair_moments(scores.astype(float), X.astype(float), polynomials, LOWER, UPPER)
    out = pair_moments(*(cupy.asarray(a) for a in (scores, X, polynomials)), LOWER, UPPER)
    assert isinstance(out, cupy.ndarray) and out.dtype == dtype
    steepest = np.abs(evaluate_pieces(scores.astype(float), polynomials, LOWER, UPPER, 1)).max()
    bound = slope_error(polynomials, scores) + rounding.gamma(4 * n_tokens) * steepest
    assert np.abs(out.get() - expected).max() <= bound * (1 if dtype == np.float64 else 2.0**29)
    mean = pair_mean(cupy.asarray(scores), cupy.asarray(polynomials), LOWER, UPPER)
    assert isinstance(mean, cupy.ndarray)
    # A compiled sum adds in another order.
    size = (
        np.abs(polynomials).sum(axis=1).max()
        + np.abs(evaluate_pieces(scores, polynomials, LOWER, UPPER)).max()
    )
    bound = 2 * rounding.gamma(4 * polynomials.shape[1] + n_tokens) * size
    difference = np.abs(mean.get() - pair_mean(scores, polynomials, LOWER, UPPER)).max()
    assert difference <= bound * (1 if dtype == np.float64 else 2.0**29)


@needs_nvrtc
@pytest.mark.parametrize("degree", [0, 2, 7])
@pytest.mark.parametrize("real", ["double", "float"])
def test_nvrtc_compiles_the_source(degree, real):
    options = (f"-DDEGREE={degree}", f"-DREAL={real}", "--gpu-architecture=compute_80", "--std=c++17")
    ptx = nvrtc_compile(cuda_source(), options)
    assert ".visible .entry pair_moments(" in ptx
    assert ptx.count(".param .u64 pair_moments_param_") == 5


# -------------------------------------------------------------------------------------- bad arguments


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scores": np.zeros((2, 3))}, r"scores must have shape \(any, any, any\), got \(2, 3\)"),
        ({"scores": np.zeros((2, 1, 1))}, r"N >= 2; got \(2, 1, 1\)"),
        ({"scores": np.zeros((0, 3, 3))}, r"M >= 1, .* got \(0, 3, 3\)"),
        ({"scores": np.full((2, 3, 3), np.inf)}, "scores must be finite, got 18 NaN or infinite"),
        ({"X": np.zeros((2, 4, 5))}, r"X must have shape \(2, 3, any\), got \(2, 4, 5\)"),
        ({"X": np.full((2, 3, 5), np.nan)}, "X must be finite"),
        ({"polynomials": np.zeros((0, 4))}, r"polynomials must have shape \(K, s \+ 1\), .* got \(0, 4\)"),
        ({"polynomials": np.zeros(4)}, r"polynomials must have shape \(any, any\), got \(4,\)"),
        ({"lower": 1.0}, "upper must be > 1.0 and <= 1e\\+300, got 1.0"),
    ],
)
def test_bad_arguments(changed, message):
    given = {"scores": np.zeros((2, 3, 3)), "X": np.zeros((2, 3, 5)), "polynomials": np.zeros((2, 4))}
    given = {**given, "lower": -1.0, "upper": 1.0, **changed}
    with pytest.raises(ValueError, match=message):
        pair_moments(**given)
    if "X" not in changed:
        del given["X"]
        with pytest.raises(ValueError, match=message):
            pair_mean(**given)


def test_libraries_do_not_mix(monkeypatch):
    cupy = fake_cupy.install(monkeypatch)
    scores, X, polynomials = problem(2, 3, 4, 5, 3)
    with pytest.raises(TypeError, match="cupy and numpy are mixed"):
        pair_moments(cupy.asarray(scores), X, polynomials, LOWER, UPPER)
    with pytest.raises(TypeError, match="cupy and numpy are mixed"):
        pair_mean(cupy.asarray(scores), polynomials, LOWER, UPPER)


def test_tokens_of_no_dimension():
    assert pair_moments(np.zeros((2, 3, 3)), np.zeros((2, 3, 0)), np.ones((1, 1)), 0.0, 1.0).shape == (
        2,
        3,
        0,
    )
