"""Sums over token pairs: NumPy against a plain double loop, and the CUDA source without a GPU."""

import re

import fake_cupy
import numpy as np
import pytest
import rounding
from cuda_tools import (
    CompilationFailed,
    EmulatedKernel,
    compiler,
    nvrtc,
    nvrtc_architectures,
    nvrtc_compile,
    parameters,
)
from scipy.interpolate import BSpline

from pairint.kernels import pair_basis_sum
from pairint.kernels.pair_sum import cuda_launch, cuda_options, cuda_source, pair_basis_entries

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler to emulate CUDA with")
needs_nvrtc = pytest.mark.skipif(nvrtc()[0] is None, reason=nvrtc()[1])

#: (M, N, K, lower, upper): pairs, odd sizes, more cells than scores, an interval off zero.
SHAPES = [(1, 2, 1, -1.0, 1.0), (7, 3, 5, -0.7, 0.9), (3, 5, 64, 0.2, 0.8), (43, 3, 11, -2.0, 1.5)]


def draw_scores(n_samples, n_tokens, lower, upper, seed=0):
    """Scores of which about a third lie outside the interval, some of them at its very ends."""
    rng = np.random.default_rng(seed)
    scores = rng.uniform(
        lower - (upper - lower) / 4, upper + (upper - lower) / 4, (n_samples, n_tokens, n_tokens)
    )
    scores[0, 0, 1], scores[0, 1, 0] = lower, upper
    return scores


def brute_force(scores, lower, upper, n_intervals, degree):
    """The definition, by SciPy's B-splines and two loops."""
    n_samples, n_tokens = scores.shape[:2]
    width = (upper - lower) / n_intervals
    knots = lower + width * np.arange(-degree, n_intervals + degree + 1)
    result = np.zeros((n_samples, n_tokens, n_intervals + degree))
    for k in range(n_intervals + degree):
        coefficients = np.eye(n_intervals + degree)[k]
        basis = BSpline(knots, coefficients, degree)
        # Slopes at the ends, from inside; a step function (s = 0) is constant there.
        inside = np.clip(scores, lower, upper)
        slope = basis.derivative()(inside) if degree else 0.0
        values = basis(inside) + slope * (scores - inside)
        for i in range(n_tokens):
            for j in range(n_tokens):
                if j != i:
                    result[:, i, k] += values[:, i, j] / (n_tokens - 1)
    return result.reshape(n_samples * n_tokens, -1)


@pytest.mark.parametrize("degree", range(9))
@pytest.mark.parametrize("shape", SHAPES)
def test_numpy_against_the_definition(shape, degree):
    n_samples, n_tokens, n_intervals, lower, upper = shape
    scores = draw_scores(n_samples, n_tokens, lower, upper)
    if degree <= 1:  # SciPy's one-sided values at the right end differ for steps and hats
        scores[scores == upper] -= 1e-12
    F = pair_basis_sum(scores, lower, upper, n_intervals, degree)
    assert F.shape == (n_samples * n_tokens, n_intervals + degree)
    bound = rounding.pair_sum_error(scores, lower, upper, n_intervals, degree)
    assert np.abs(F - brute_force(scores, lower, upper, n_intervals, degree)).max() <= bound < 1e-9
    assert np.abs(F.sum(axis=1) - 1.0).max() <= (n_intervals + degree) * bound


def test_diagonal_is_ignored():
    scores = draw_scores(4, 3, -1, 1)
    other = scores.copy()
    other[:, np.arange(3), np.arange(3)] = 1e6
    np.testing.assert_array_equal(pair_basis_sum(scores, -1, 1, 6, 3), pair_basis_sum(other, -1, 1, 6, 3))


def test_receiver_comes_first():
    scores = np.zeros((1, 2, 2))
    scores[0, 0, 1], scores[0, 1, 0] = 0.1, 0.9
    np.testing.assert_array_equal(pair_basis_sum(scores, 0.0, 1.0, 2, 0), [[1, 0], [0, 1]])


@pytest.mark.parametrize("degree", [0, 3])
def test_entries_add_up_to_the_sum(degree):
    scores = draw_scores(5, 4, -1, 1)
    column, weight = pair_basis_entries(scores, -1, 1, 7, degree)
    assert column.shape == weight.shape == (20, 3, degree + 1)
    dense = np.zeros((20, 7 + degree))
    np.add.at(dense, (np.arange(20)[:, None, None], column), weight)
    bound = rounding.pair_sum_error(scores, -1, 1, 7, degree)
    assert np.abs(dense - pair_basis_sum(scores, -1, 1, 7, degree)).max() <= bound


# ------------------------------------------------------------------------------------ the CUDA source


def kernel_of(degree, dtype=np.float64, shared_sums=True, source=None):
    options = cuda_options(degree, dtype, shared_sums)
    return EmulatedKernel(cuda_source() if source is None else source, "pair_basis_sum", options)


def launch(kernel, scores, lower, upper, n_intervals, degree, threads, shared, backwards=False):
    """Run an emulated kernel between two guards that it must not touch."""
    n_samples, n_tokens = scores.shape[:2]
    n_rows, n_basis = n_samples * n_tokens, n_intervals + degree
    guard = 64
    memory = np.full(n_rows * n_basis + 2 * guard, 12345.0, dtype=scores.dtype)
    out = memory[guard:-guard]
    out[...] = np.nan
    arguments = (
        np.ascontiguousarray(scores), out, np.int64(n_rows), np.int32(n_tokens), np.int32(n_intervals),
        np.float64(lower), np.float64(upper),
    )  # fmt: skip
    kernel((-(-n_rows // threads),), (threads,), arguments, shared_mem=shared, backwards=backwards)
    assert np.all(memory[:guard] == 12345.0) and np.all(memory[-guard:] == 12345.0)
    return out.reshape(n_rows, n_basis)


def launched(scores, lower, upper, n_intervals, degree, kernel=None, **options):
    threads, shared, fits = cuda_launch(n_intervals + degree, scores.dtype)
    kernel = kernel_of(degree, scores.dtype, fits) if kernel is None else kernel
    return launch(kernel, scores, lower, upper, n_intervals, degree, threads, shared, **options)


@needs_compiler
@pytest.mark.parametrize("degree", range(9))
def test_emulated_kernel_is_its_numpy_twin(degree):
    kernel = kernel_of(degree)
    for n_samples, n_tokens, n_intervals, lower, upper in SHAPES:
        scores = draw_scores(n_samples, n_tokens, lower, upper, seed=degree)
        expected = pair_basis_sum(scores, lower, upper, n_intervals, degree)
        out = launched(scores, lower, upper, n_intervals, degree, kernel)
        bound = rounding.pair_sum_error(scores, lower, upper, n_intervals, degree)
        assert np.abs(out - expected).max() <= bound < 1e-12
        # No two threads write to one place: neither the order of the threads nor their number is of account.
        again = launched(scores, lower, upper, n_intervals, degree, kernel, backwards=True)
        np.testing.assert_array_equal(out, again)


@needs_compiler
@pytest.mark.parametrize(("n_intervals", "fits"), [(20, True), (150, True), (300, False)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_emulated_kernel_where_sums_fit_and_where_not(n_intervals, fits, dtype):
    """Blocks of 128, 64 and 32 rows with their sums in shared memory; beyond, sums in the output."""
    degree = 3
    if dtype == np.float32:
        n_intervals *= 2
    assert cuda_launch(n_intervals + degree, dtype)[2] is fits
    scores = draw_scores(5, 17, -1.0, 1.0).astype(dtype)  # more tokens than two tiles, not a multiple
    out = launched(scores, -1.0, 1.0, n_intervals, degree)
    assert out.dtype == dtype
    double = scores.astype(float)
    expected = pair_basis_sum(double, -1.0, 1.0, n_intervals, degree)
    bound = rounding.pair_sum_error(double, -1.0, 1.0, n_intervals, degree)
    assert np.abs(out - expected).max() <= bound * (1 if dtype == np.float64 else 2.0**29)
    # Inside, no long way beyond the interval multiplies the rounding.
    inside = np.clip(double, -1.0, 1.0).astype(dtype)
    out = launched(inside, -1.0, 1.0, n_intervals, degree)
    expected = pair_basis_sum(inside.astype(float), -1.0, 1.0, n_intervals, degree)
    assert np.abs(out - expected).max() <= (1e-12 if dtype == np.float64 else 1e-5)


@needs_compiler
def test_emulated_kernel_keeps_nan_in_its_row():
    scores = draw_scores(3, 3, -1, 1)
    scores[1, 0, 2] = np.nan
    out = launched(scores, -1.0, 1.0, 6, 3)
    assert np.isnan(out[3]).any()
    assert np.isfinite(np.delete(out, 3, axis=0)).all()


@needs_compiler
def test_emulator_notices_a_wrong_kernel():
    def wrong(old, new):
        assert old in cuda_source()
        return kernel_of(3, source=cuda_source().replace(old, new))

    scores = draw_scores(43, 11, -1, 1)
    expected = pair_basis_sum(scores, -1, 1, 6, 3)
    out = launched(scores, -1.0, 1.0, 6, 3, wrong("start + j == self", "start + j + 1 == self"))
    assert np.abs(out - expected).max() > 0.1
    # Without its barriers a thread reads what the others have not written yet: other numbers, or none.
    for barrier in (
        "__syncthreads();  // the tile before has been read",
        "        __syncthreads();\n        for",
    ):
        racing = wrong(barrier, barrier.replace("__syncthreads();", ""))
        outs = [launched(scores, -1.0, 1.0, 6, 3, racing, backwards=b) for b in (False, True)]
        assert any(not np.allclose(o, expected) for o in outs)
    with pytest.raises(AssertionError, match="only some threads of a block arrive"):
        launched(
            scores, -1.0, 1.0, 6, 3, wrong("        __syncthreads();\n", "if (thread) __syncthreads();\n")
        )
    threads, shared, _ = cuda_launch(9, scores.dtype)
    with pytest.raises(AssertionError, match=r"beyond its .* bytes of shared memory"):
        launch(kernel_of(3), scores, -1.0, 1.0, 6, 3, threads, shared - 8)
    with pytest.raises(AssertionError, match="argument 3 must be int32, got int"):
        kernel_of(3)((1,), (1,), (scores, scores, np.int64(9), 3, np.int32(6), np.float64(0), np.float64(1)))


@needs_compiler
@pytest.mark.parametrize("degree", [0, 3, 8])
def test_the_caller_launches_the_kernel_rightly(monkeypatch, degree):
    """Grid, block, shared memory, argument types and order, on the stand-in for CuPy."""
    cupy = fake_cupy.install(monkeypatch)
    scores = draw_scores(97, 3, -1, 1)  # 291 rows: not a multiple of the block
    for n_intervals, dtype in ((9, np.float64), (230, np.float64), (9, np.float32)):
        given = scores.astype(dtype)
        expected = pair_basis_sum(given.astype(float), -1, 1, n_intervals, degree)
        for device in (cupy.asarray(given), cupy.asarray(given.transpose(0, 2, 1).copy()).swapaxes(1, 2)):
            out = pair_basis_sum(device, -1, 1, n_intervals, degree)
            assert isinstance(out, cupy.ndarray) and out.dtype == dtype
            bound = rounding.pair_sum_error(scores, -1, 1, n_intervals, degree)
            assert np.abs(out.get() - expected).max() <= bound * (1 if dtype == np.float64 else 2.0**29)


def test_declaration_is_read_rightly():
    kinds = ["REAL*", "REAL*", "long long", "int", "int", "double", "double"]
    assert parameters(cuda_source(), "pair_basis_sum") == kinds


@needs_nvrtc
@pytest.mark.parametrize("degree", [0, 3, 8])
@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shared_sums", [True, False])
def test_nvrtc_compiles_the_source(degree, architecture, dtype, shared_sums):
    assert architecture in nvrtc_architectures()
    options = cuda_options(degree, dtype, shared_sums)
    ptx = nvrtc_compile(
        cuda_source(), (*options, f"--gpu-architecture=compute_{architecture}", "--std=c++17")
    )
    assert ".visible .entry pair_basis_sum(" in ptx
    assert f".target sm_{architecture}" in ptx
    assert ptx.count(".param .u64 pair_basis_sum_param_") == 3
    assert ptx.count(".param .f64 pair_basis_sum_param_") == 2
    # Coefficients are literals, and scores are read once: no other number comes from the card's memory.
    loads = re.findall(r"ld\.global\.\w+", ptx)
    assert not shared_sums or 1 <= len(loads) <= 8  # the loop over a tile may be unrolled
    assert "ld.local" not in ptx and "ld.const" not in ptx


@needs_nvrtc
def test_nvrtc_says_what_is_wrong():
    with pytest.raises(CompilationFailed, match="undeclared_name"):
        source = cuda_source().replace("const int size = blockDim.x", "const int size = undeclared_name")
        nvrtc_compile(source, cuda_options(3, np.float64, True))


# -------------------------------------------------------------------------------------- bad arguments


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scores": np.zeros((2, 3))}, r"scores must have shape \(any, any, any\), got \(2, 3\)"),
        ({"scores": np.zeros((2, 3, 2))}, r"scores must have shape \(M, N, N\), .* got \(2, 3, 2\)"),
        ({"scores": np.zeros((2, 1, 1))}, r"N >= 2; got \(2, 1, 1\)"),
        ({"scores": np.zeros((0, 3, 3))}, r"M >= 1, .* got \(0, 3, 3\)"),
        ({"scores": np.full((1, 2, 2), np.nan)}, "scores must be finite, got 4 NaN"),
        ({"lower": 1.0}, "upper must be > 1.0 and <= 1e\\+300, got 1.0"),
        ({"upper": np.inf}, "upper must be finite, got inf"),
        ({"n_intervals": 0}, "n_intervals must be >= 1, got 0"),
        ({"degree": -1}, "degree must be >= 0 and <= 50, got -1"),
    ],
)
def test_bad_arguments(changed, message):
    arguments = {"scores": np.zeros((2, 3, 3)), "lower": -1.0, "upper": 1.0, "n_intervals": 4, "degree": 3}
    with pytest.raises(ValueError, match=message):
        pair_basis_sum(**{**arguments, **changed})
