"""Data that are read in blocks: the fit of the same data in memory, and clear words for bad blocks."""

import itertools
import operator
import subprocess
import sys

import numpy as np
import pytest

from pairint.estimation import InteractionRegressor
from pairint.estimation.blocks import PairwiseSum, Readings, block_samples, taken_in

#: Bytes: too few to hold the data below twice over, enough for the samples of the first stage.
MEMORY = 3 * 2**20
N, D = 3, 4


def drawn(n_samples, rng, n_tokens=N, d=D):
    X = rng.standard_normal((n_samples, n_tokens, d))
    A = np.outer(np.arange(1.0, d + 1), np.linspace(1.0, -1.0, d)) / d
    scores = np.tanh(np.einsum("mid,de,mje->mij", X, A, X))
    scores[:, range(n_tokens), range(n_tokens)] = 0.0
    return X, scores.sum(axis=-1) / (n_tokens - 1) + 0.1 * rng.standard_normal(X.shape[:2])


@pytest.fixture(scope="module")
def data():
    return drawn(24_000, np.random.default_rng(0))


def model(**changes):
    return InteractionRegressor(rank=1, solver="lbfgs", random_state=0, **changes)


@pytest.fixture(scope="module")
def whole(data):
    return model().fit(*data)


class OnDisk:
    """What Zarr and HDF5 have in common: a shape, and arrays when it is sliced."""

    def __init__(self, array, held=None):
        self._array, self._held = array, held
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows):
        return self._array[: self._held][rows]


def cut(arrays, rng, largest=700):
    """Return a function that gives blocks of unequal length, empty ones among them."""
    ends = np.cumsum(rng.integers(0, largest, size=4 * len(arrays[0]) // largest))
    ends = [0, 0, *ends[ends < len(arrays[0])].tolist(), len(arrays[0])]
    return lambda: (tuple(a[start:stop] for a in arrays) for start, stop in itertools.pairwise(ends))


def assert_same(found, expected, tolerance=1e-10):
    np.testing.assert_allclose(found.matrix_, expected.matrix_, rtol=0, atol=tolerance)
    np.testing.assert_allclose(
        found.activation_.coefficients, expected.activation_.coefficients, rtol=0, atol=tolerance
    )
    assert found.n_intervals_ == expected.n_intervals_
    assert found.n_iter_ == expected.n_iter_
    assert abs(found.risk_ - expected.risk_) < tolerance


def assert_equal(found, expected):
    """The same bits."""
    assert np.array_equal(found.matrix_, expected.matrix_)
    assert np.array_equal(found.activation_.coefficients, expected.activation_.coefficients)
    assert found.risk_ == expected.risk_


@pytest.fixture(scope="module")
def sliced(data):
    X, Y = data
    return model().fit(OnDisk(X), OnDisk(Y), memory=MEMORY)


def test_the_data_do_not_fit(data):
    *_, source = taken_in(OnDisk(data[0]), OnDisk(data[1]), None, MEMORY)
    assert isinstance(source, Readings)
    blocks = []
    source.total(lambda X, Y, weight: blocks.append(len(X)) or 0)
    assert max(blocks) == block_samples(MEMORY, N, D) < len(data[0]) / 40
    assert sum(blocks) == len(data[0])


def test_slices(sliced, whole):
    assert_same(sliced, whole)


def test_blocks_of_any_length_give_the_same_bits(data, sliced):
    assert_equal(model().fit(cut(data, np.random.default_rng(1)), memory=MEMORY), sliced)


def test_a_list_of_blocks(data, sliced):
    blocks = list(cut(data, np.random.default_rng(2), 5000)())
    assert_equal(model().fit(blocks, memory=MEMORY), sliced)


def test_memory_map(data, sliced, tmp_path):
    for name, array in zip("XY", data, strict=True):
        np.save(tmp_path / f"{name}.npy", array)
    X, Y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "XY")
    assert_equal(model().fit(X, Y, memory=MEMORY), sliced)


def test_hdf5(data, sliced, tmp_path):
    h5py = pytest.importorskip("h5py", reason="HDF5 is no dependency")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        X, Y = (file.create_dataset(name, data=array) for name, array in zip("XY", data, strict=True))
        assert_equal(model().fit(X, Y, memory=MEMORY), sliced)


def test_zarr(data, sliced, tmp_path):
    zarr = pytest.importorskip("zarr", reason="Zarr is no dependency")
    X, Y = (zarr.array(array, chunks=(1000, *array.shape[1:])) for array in data)
    assert_equal(model().fit(X, Y, memory=MEMORY), sliced)


def test_what_fits_is_read_and_held(data, whole):
    """Enough memory: the very fit of arrays, and a regressor that still has its data."""
    X, Y = data
    for fit in (model().fit(OnDisk(X), OnDisk(Y)), model().fit(cut(data, np.random.default_rng(3)))):
        assert_equal(fit, whole)
        assert np.all(np.isfinite(fit.interval(X[0, 0], X[0, 1])))


def test_weights(data):
    X, Y = data
    rng = np.random.default_rng(4)
    weight = rng.uniform(0.5, 2.0, Y.shape)
    weight[rng.random(Y.shape) < 0.1] = 0.0
    weight[::7] = 0.0  # whole samples
    whole = model().fit(X, Y, weight)
    assert_same(model().fit(OnDisk(X), OnDisk(Y), OnDisk(weight), memory=MEMORY), whole)
    assert_same(model().fit(cut((X, Y, weight), rng), memory=MEMORY), whole)


def test_weights_of_samples(data):
    X, Y = data
    weight = np.random.default_rng(5).uniform(0.0, 2.0, len(X))
    whole = model(n_intervals=12).fit(X, Y, weight)
    assert_same(model(n_intervals=12).fit(OnDisk(X), Y, weight.tolist(), memory=MEMORY), whole)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["lbfgs", "gauss-newton"])
def test_rank_from_the_data(data, solver):
    X, Y = data
    settings = {"rank": "auto", "solver": solver, "random_state": 0, "max_rank": 2}
    whole = InteractionRegressor(**settings).fit(X, Y)
    # Memory for the ten thousand first samples of which the starts of "gauss-newton" are computed.
    blocks = InteractionRegressor(**settings).fit(OnDisk(X), OnDisk(Y), memory=2**23)
    assert blocks.rank_ == whole.rank_ == 1
    assert_same(blocks, whole)


def test_float32_integers_strides_and_read_only(data):
    X, Y = data
    X = np.round(4 * X).astype(np.int16)
    whole = model(n_intervals=8).fit(X, Y.astype(np.float32))
    spread = np.zeros((len(X), 2 * N, D), dtype=np.int16)
    spread[:, ::2] = X
    spread.flags.writeable = False
    strided = spread[:, ::2]
    assert not strided.flags.c_contiguous
    blocks = model(n_intervals=8).fit(OnDisk(strided), OnDisk(Y.astype(np.float32)), memory=MEMORY)
    assert_same(blocks, whole)


def test_the_data_are_not_written_to(data):
    X, Y = (array.copy() for array in data)
    model(n_intervals=4).fit(OnDisk(X), OnDisk(Y), memory=MEMORY)
    assert np.array_equal(X, data[0])
    assert np.array_equal(Y, data[1])


def test_nothing_is_kept(sliced, data):
    with pytest.raises(ValueError, match="read its data in blocks"):
        sliced.interval(data[0][0, 0], data[0][0, 1])
    assert sliced.predict(data[0][:5]).shape == (5, N)


def test_passes_a_step(data):
    """One pass for the equations of a trial, one for its gradient."""
    X, Y = data
    passes = []

    def blocks():
        passes.append(0)
        for start in range(0, len(X), 1000):
            passes[-1] += 1
            yield X[start : start + 1000], Y[start : start + 1000]

    fit = model(n_intervals=8, start="linear").fit(blocks, memory=MEMORY)
    last = fit.history_[-1]["stage"]
    steps = sum(entry["stage"] == last for entry in fit.history_)
    trials = sum(count == len(X) // 1000 for count in passes)
    # The stage that sees all data: equations and gradient where it begins and of every step; the rest are
    # the survey, the interval of the scores, the tokens' norms, and steps that were cut.
    assert 2 * (steps + 1) <= trials <= 3 * (steps + 1) + 6


def bad(change, number=3):
    """Return blocks of which one was changed."""
    rng = np.random.default_rng(6)
    blocks = [drawn(100, rng) for _ in range(8)]
    blocks[number] = change(*blocks[number])
    return blocks


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda X, Y: (X[:, :2], Y[:, :2]), ValueError, r"X in block 3 must have shape \(any, 3, 4\)"),
        (lambda X, Y: (X[:, :, :2], Y), ValueError, r"X in block 3 must have shape \(any, 3, 4\)"),
        (lambda X, Y: (X, Y[:50]), ValueError, r"Y in block 3 must have shape \(100, 3\), got \(50, 3\)"),
        (lambda X, Y: (X + 0j, Y), TypeError, "X in block 3 must hold real numbers, got dtype complex128"),
        (lambda X, Y: (X, Y + 1j), TypeError, "Y in block 3 must hold real numbers, got dtype complex128"),
        (lambda X, Y: (X * np.nan, Y), ValueError, "X in block 3 must be finite, got 1200 NaN"),
        (lambda X, Y: (X, Y * np.inf), ValueError, "Y in block 3 must be finite, got 300 NaN"),
        (lambda X, Y: (X * 1e70, Y), ValueError, "X in block 3 must hold numbers of size at most 1e\\+60"),
        (lambda X, Y: (X,), TypeError, r"X must give pairs \(tokens, outputs\), or triples .* as block 3"),
        (lambda X, Y: X, TypeError, r"X must give pairs \(tokens, outputs\)"),
        (lambda X, Y: (X, Y, Y**2), ValueError, "X must give weights with every block or with none"),
        (lambda X, Y: (X[0], Y), ValueError, r"X in block 3 must have shape \(any, 3, 4\), got \(3, 4\)"),
    ],
)
def test_bad_blocks(change, kind, message):
    with pytest.raises(kind, match=message):
        model().fit(bad(change))


@pytest.mark.parametrize("number", [0, 3, 7])
def test_negative_weights(number):
    blocks = [(X, Y, np.where(i == number, -1.0, np.ones(100))) for i, (X, Y) in enumerate(bad(lambda *a: a))]
    with pytest.raises(ValueError, match=f"sample_weight in block {number} must have no negative entry"):
        model().fit(blocks)


def test_weights_of_zero():
    with pytest.raises(ValueError, match="sample_weight must have a positive entry, got zeros only"):
        model().fit([(X, Y, np.zeros(100)) for X, Y in bad(lambda *a: a)])


@pytest.mark.parametrize("blocks", [[], lambda: iter([]), [(np.zeros((0, N, D)), np.zeros((0, N)))] * 3])
def test_nothing_in_blocks(blocks):
    with pytest.raises(ValueError, match="X must hold at least one sample"):
        model().fit(blocks)


def test_an_iterator_that_can_be_used_once(data):
    blocks = cut(data, np.random.default_rng(7))
    with pytest.raises(TypeError, match="X must be something that can be read again and again"):
        model().fit(blocks())
    once = blocks()
    with pytest.raises(TypeError, match="X must be something that can be read again and again"):
        model().fit(lambda: once, memory=MEMORY)


def test_blocks_that_change(data):
    X, Y = data
    passes = []

    def fewer():
        passes.append(1)
        stop = len(X) if len(passes) == 1 else len(X) - 1
        return iter([(X[:stop], Y[:stop])])

    with pytest.raises(ValueError, match="X must give the same blocks in every pass, got 24000 samples"):
        model().fit(fewer, memory=MEMORY)


@pytest.mark.parametrize("held", [23_999, 0])
def test_a_file_that_ends_early(data, held):
    X, Y = data
    with pytest.raises(ValueError, match=r"X must have 24000 samples.*the file ends early"):
        model().fit(OnDisk(X, held), Y, memory=MEMORY)
    with pytest.raises(ValueError, match=r"Y must have 24000 samples.*the file ends early"):
        model().fit(OnDisk(X), OnDisk(Y, held))


def test_a_memory_map_whose_file_was_cut(data, tmp_path):
    path = tmp_path / "X.raw"
    data[0].tofile(path)
    X = np.memmap(path, dtype=float, mode="r", shape=data[0].shape)
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size // 2)
    with pytest.raises(ValueError, match=r"X and Y must be whole: .*X\.raw has \d+ bytes, its map \d+"):
        model().fit(X, data[1], memory=MEMORY)


@pytest.mark.parametrize(
    ("args", "kind", "message"),
    [
        ((np.zeros((5, 3, 2)),), TypeError, "Y must be given with an array X, got None"),
        (([[1.0, 2.0]],), TypeError, "Y must be given with an array X, got None"),
        ((7,), TypeError, "Y must be given with an array X, got None"),
        ((lambda: 7,), TypeError, "X must return an iterator over blocks when it is called, got 7"),
        ((lambda: iter([]), None, [1.0]), ValueError, "sample_weight must be None where X gives blocks"),
        ((OnDisk(np.zeros((5, 3, 2))), np.zeros((4, 3))), ValueError, r"Y must have shape \(5, 3\)"),
        ((OnDisk(np.zeros((5, 3, 2))), None), TypeError, "Y must be given with an array X"),
        (
            (OnDisk(np.zeros((5, 3, 2))), np.zeros((5, 3)), np.zeros(4)),
            ValueError,
            r"sample_weight must have shape \(5,\) or \(5, 3\), got \(4,\)",
        ),
        ((OnDisk(np.zeros((0, 3, 2))), np.zeros((0, 3))), ValueError, "X must hold samples, tokens and dim"),
    ],
)
def test_bad_data(args, kind, message):
    with pytest.raises(kind, match=message):
        model().fit(*args)


@pytest.mark.parametrize(("memory", "kind"), [(1000, ValueError), (1e9, TypeError), (True, TypeError)])
def test_bad_memory(data, memory, kind):
    with pytest.raises(kind, match="memory must be"):
        model().fit(*data, memory=memory)


def test_too_little_memory_for_the_first_stage():
    rng = np.random.default_rng(8)
    X, Y = drawn(3000, rng, n_tokens=2, d=60)
    with pytest.raises(ValueError, match=r"memory must be at least .* bytes, got 1048576"):
        model().fit(OnDisk(X), Y, memory=2**20)


@pytest.mark.parametrize("change", [{"loss": "huber"}, {"channel": "sum"}])
def test_other_fits_read_arrays_and_refuse_blocks(data, change):
    X, Y = (array[:600] for array in data)
    fit = model(n_intervals=4, max_iter=3, **change)
    whole = fit.fit(X, Y).matrix_
    assert np.array_equal(fit.fit(OnDisk(X), OnDisk(Y), memory=2**20).matrix_, whole)
    with pytest.raises(ValueError, match="X must be an array in a channel or with another loss, got blocks"):
        fit.fit([(X, Y)])


def test_sums_as_a_tree():
    for n in range(1, 40):
        sums = PairwiseSum(operator.add)
        for letter in range(n):
            sums.push(f"({letter})")
        layer = [f"({letter})" for letter in range(n)]
        assert sums.total == "".join(layer)  # in order
        depth = PairwiseSum(lambda a, b: 1 + max(a, b))
        for _ in range(n):
            depth.push(0)
        assert depth.total == (n - 1).bit_length()
    assert PairwiseSum().total is None


@pytest.fixture(scope="module")
def dask_array():
    return pytest.importorskip("dask.array", reason="Dask is an optional extra")


def test_dask_gives_the_bits_of_one_machine(dask_array, data):
    size = block_samples(MEMORY, N, D)
    X = dask_array.from_array(data[0], chunks=(size, 2, 3))
    Y = dask_array.from_array(data[1], chunks=(5000, 2))
    settings = {"n_intervals": 8, "start": "linear"}
    sliced = model(**settings).fit(OnDisk(data[0]), OnDisk(data[1]), memory=MEMORY)
    assert_equal(model(**settings).fit(X, Y, memory=MEMORY), sliced)


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_dask_with_any_scheduler_and_chunks(dask_array, data, whole, scheduler):
    import dask

    chunks = (0, 1, 9000, 0, 6000, 8999)
    X = dask_array.from_array(data[0], chunks=(chunks, 3, 4))
    with dask.config.set(scheduler=scheduler, num_workers=3):
        assert_same(model().fit(X, data[1]), whole)


@pytest.mark.slow
def test_dask_on_workers_of_their_own(dask_array, data):
    distributed = pytest.importorskip("distributed", reason="Dask is an optional extra")
    X, Y = (dask_array.from_array(array, chunks=(6000, *array.shape[1:])) for array in data)
    results = []
    for workers in (1, 2):
        with (
            distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None
            ) as cluster,
            distributed.Client(cluster),
        ):
            results.append(model(n_intervals=8).fit(X, Y))
    assert_same(*results)  # each worker links and compiles for itself: not the same bits
    assert_same(results[0], model(n_intervals=8).fit(*data))


def test_dask_with_weights(dask_array, data):
    X, Y = data
    weight = np.random.default_rng(9).uniform(0.5, 2.0, len(X))
    weight[:7000] = 0.0  # a whole chunk and more
    whole = model(n_intervals=8).fit(X, Y, weight)
    X, Y, weight = (dask_array.from_array(a, chunks=(5000, *a.shape[1:])) for a in (X, Y, weight))
    assert_same(model(n_intervals=8).fit(X, Y, weight, memory=MEMORY), whole)


def test_dask_in_other_fits_is_computed(dask_array, data):
    X, Y = (array[:600] for array in data)
    fit = model(n_intervals=4, max_iter=3, loss="huber")
    whole = fit.fit(X, Y).matrix_
    lazy = (dask_array.from_array(a, chunks=(100, *a.shape[1:])) for a in (X, Y))
    assert np.array_equal(fit.fit(*lazy).matrix_, whole)


def test_bad_dask(dask_array, data):
    X, Y = (dask_array.from_array(a, chunks=(6000, *a.shape[1:])) for a in data)
    with pytest.raises(ValueError, match=r"X must have shape .* with known chunks, got"):
        model().fit(X[X[:, 0, 0] > 0], Y)
    with pytest.raises(ValueError, match=r"Y must have shape \(24000, 3\), got \(23999, 3\)"):
        model().fit(X, Y[:-1])
    with pytest.raises(TypeError, match="Y must be given with an array X, got None"):
        model().fit(X)
    with pytest.raises(ValueError, match="X in chunk 1 must be finite, got 3 NaN"):
        model().fit(
            dask_array.where(dask_array.arange(24_000)[:, None, None] == 7000, np.nan, X[:, :, :1]), Y
        )
    with pytest.raises(TypeError, match=r"X in chunk \d must hold real numbers, got dtype complex128"):
        model().fit(X + 1j, Y)


def test_no_dask_without_a_dask_array(data):
    """The extra stays one: nothing else imports it."""
    code = (
        "import sys, numpy as np\n"
        "from pairint.estimation import InteractionRegressor\n"
        "rng = np.random.default_rng(0)\n"
        "blocks = [(rng.standard_normal((200, 3, 2)), rng.standard_normal((200, 3)))]\n"
        "import warnings; warnings.simplefilter('ignore')\n"
        "InteractionRegressor(n_intervals=2, max_iter=1).fit(blocks)\n"
        "print('dask' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
