"""Messages name the argument, what it got and what is allowed."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from pairint.validation import (
    check_choice,
    check_floats,
    check_instance,
    check_integer,
    check_real,
    check_rng,
    check_size,
    check_values,
    shortened,
)


def test_integers():
    assert check_integer("n", 3) == 3
    value = check_integer("n", np.int32(5), 1, 5)
    assert value == 5 and type(value) is int
    assert check_integer("n", 10**308) == 10**308  # rates are defined for any number of samples


@pytest.mark.parametrize(
    ("value", "bounds", "error", "message"),
    [
        (2.0, (), TypeError, "n must be an integer, got 2.0"),
        ("2", (), TypeError, "n must be an integer, got '2'"),
        (True, (), TypeError, "n must be an integer, got True"),
        (np.True_, (), TypeError, "n must be an integer, got"),
        (None, (), TypeError, "n must be an integer, got None"),
        (0, (1,), ValueError, "n must be >= 1, got 0"),
        (9, (1, 8), ValueError, "n must be >= 1 and <= 8, got 9"),
        (9, (None, 8), ValueError, "n must be <= 8, got 9"),
        (-(10**400), (), ValueError, "n must have at most 308 digits, got an integer of about 401 digits"),
    ],
)
def test_bad_integers(value, bounds, error, message):
    with pytest.raises(error, match=f"^{message}"):
        check_integer("n", value, *bounds)


def test_integers_that_python_does_not_write():
    for value, message in (
        (10**5000, "n must be <= 3, got an integer of about 5001 digits"),
        ([10**5000], "a list"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            check_integer("n", value, maximum=3)


def test_real_numbers():
    assert check_real("x", 3) == 3.0 and type(check_real("x", 3)) is float
    assert check_real("x", np.float32(0.5), 0.5, 0.5) == 0.5


@pytest.mark.parametrize(
    ("value", "options", "error", "message"),
    [
        ("1.0", {}, TypeError, "x must be a real number, got '1.0'"),
        (False, {}, TypeError, "x must be a real number, got False"),
        (1j, {}, TypeError, "x must be a real number, got 1j"),
        (np.ones(1), {}, TypeError, "x must be a real number"),
        (float("nan"), {}, ValueError, "x must be finite, got nan"),
        (10**400, {}, ValueError, "x must be a number that double precision holds, got an integer of about"),
        (Fraction(10**400), {}, ValueError, "x must be a number that double precision holds, got Fraction"),
        (-np.inf, {"maximum": 0.0}, ValueError, "x must be finite, got -inf"),
        (-0.1, {"minimum": 0.0}, ValueError, "x must be >= 0.0, got -0.1"),
        (0.0, {"minimum": 0.0, "exclusive_minimum": True}, ValueError, "x must be > 0.0, got 0.0"),
        (
            1.0,
            {"minimum": 0.0, "maximum": 1.0, "exclusive_maximum": True},
            ValueError,
            "x must be >= 0.0 and < 1.0, got 1.0",
        ),
    ],
)
def test_bad_real_numbers(value, options, error, message):
    with pytest.raises(error, match=f"^{message}"):
        check_real("x", value, **options)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_and_the_smallest_number(sign):
    assert check_real("x", sign * 1e150) == sign * 1e150
    with pytest.raises(ValueError, match=r"^x must be of size at most 1e\+150, got -?1\.1e\+150"):
        check_real("x", sign * 1.1e150)
    assert check_real("x", sign * 1.1e150, maximum=1e300) == sign * 1.1e150  # a bound of its own
    positive = {"minimum": 0.0, "exclusive_minimum": True}
    assert check_real("x", 1e-150, **positive) == 1e-150
    with pytest.raises(ValueError, match=r"^x must be at least 1e-150, got 9e-151"):
        check_real("x", 9e-151, **positive)
    assert check_real("x", 9e-151) == check_real("x", 9e-151, 0.0) == 9e-151


def test_the_largest_number_of_an_array():
    assert check_floats("x", [1e150, -1e150]).tolist() == [1e150, -1e150]
    with pytest.raises(ValueError, match=r"^x must hold numbers of size at most 1e\+150, got 1\.1e\+150"):
        check_floats("x", [0.0, -1.1e150])


def test_instances():
    assert check_instance("x", "text", str) == "text"
    with pytest.raises(TypeError, match=r"^x must be a str, got 3$"):
        check_instance("x", 3, str)


def test_choices():
    assert check_choice("kind", "a", ("a", "b")) == "a"
    assert check_choice("kind", np.int64(2), (2, 3)) == 2
    assert check_choice("kind", "a", {"a": 1}) == "a"


@pytest.mark.parametrize(
    "value", ["c", None, 3, ["a"], np.array(["a"]), np.array(["a", "b"]), np.array([]), {"a": 1}]
)
@pytest.mark.parametrize("choices", [("a", "b"), {"a": 1, "b": 2}])
def test_bad_choices(value, choices):
    with pytest.raises(ValueError, match=r"^kind must be one of 'a', 'b'; got "):
        check_choice("kind", value, choices)


def test_arrays():
    assert check_floats("x", [[1, 2], [3, 4]], (2, None)).dtype == np.float64
    assert check_floats("x", np.ones(3, dtype=bool)).dtype == np.float64
    assert check_floats("x", np.ones(3, dtype=np.float32)).dtype == np.float32
    x = np.ones(3)
    assert check_floats("x", x) is x
    copy = check_floats("x", x, copy=True)
    assert copy is not x and not np.shares_memory(copy, x)
    integers = np.arange(3)
    assert not np.shares_memory(check_floats("x", integers, copy=True), integers)
    assert np.isnan(check_floats("x", [np.nan], finite=False)[0])


@pytest.mark.parametrize("kind", [np.float16, np.longdouble])
def test_other_precisions_become_double(kind):
    """Linear algebra refuses both, with a message about itself."""
    found = check_floats("x", np.array([0.5, 2.0], dtype=kind))
    assert found.dtype == np.float64 and found.tolist() == [0.5, 2.0]


MASKED = np.ma.MaskedArray([[1.0, 2.0], [3.0, 1e6]], mask=[[False, True], [False, True]])


@pytest.mark.parametrize("value", [MASKED, list(MASKED), tuple(list(MASKED)), [list(MASKED)]])
def test_a_mask_is_not_lost(value):
    """NumPy's asarray would take what stands under the mask for data."""
    with pytest.raises(ValueError, match=r"^x must have no masked entry, got 2: leave .* numpy\.ma\.filled$"):
        check_floats("x", value)


def test_a_masked_array_with_nothing_masked_is_an_array():
    assert type(check_floats("x", np.ma.MaskedArray([1.0, 2.0], mask=False))) is np.ndarray


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([1.0, None]), "x must hold real numbers, got dtype object with an entry None$"),
        (pd.DataFrame({"a": [1], "b": ["word"]}), "got dtype object with an entry 'word'$"),
        ([10**400], r"got dtype object: convert it .* as in ndarray\.astype\(float\)$"),
        (scipy.sparse.identity(2, format="csr"), r"x must be a dense array, got a sparse one: pass x\.to"),
        (scipy.sparse.csr_matrix([[1.0]]), "x must be a dense array"),
        (np.array(["2020-01-01"], dtype="datetime64[D]"), r"got dtype datetime64\[D\]$"),
        (np.zeros(2, dtype=[("a", float)]), "got dtype .*'a'"),
        (b"bytes", "got dtype "),
    ],
    ids=["None", "DataFrame", "long", "sparse", "matrix", "dates", "records", "bytes"],
)
def test_what_is_no_array_of_numbers(value, message):
    with pytest.raises(TypeError, match=message):
        check_floats("x", value)


def test_missing_values_of_pandas():
    """pandas 2 gives NumPy an array of objects, pandas 3 one of floats."""
    message = "^x must (hold real numbers, got dtype object with an entry <NA>|be finite, got 1 NaN)"
    with pytest.raises((TypeError, ValueError), match=message):
        check_floats("x", pd.array([1, None], dtype="Int64"))


def test_sizes():
    check_size("n", 10**5, 10**5)
    check_size("n", 10**12, 0)
    with pytest.raises(
        ValueError, match=r"^n and d must be smaller: .* shape \(100000, 100001\) .* 10,000,000,000"
    ):
        check_size("n and d", 10**5, 10**5 + 1)


@pytest.mark.parametrize(
    ("value", "shape", "error", "message"),
    [
        (np.ones((2, 3)), (2, 4), ValueError, r"x must have shape \(2, 4\), got \(2, 3\)"),
        (np.ones(2), (None, None), ValueError, r"x must have shape \(any, any\), got \(2,\)"),
        (1.0, (None,), ValueError, r"x must have shape \(any\), got \(\)"),
        ([np.nan, 1.0, np.inf], None, ValueError, "x must be finite, got 2 NaN or infinite entries"),
        (
            [[1.0], [1.0, 2.0]],
            None,
            ValueError,
            r"x must be an array of real numbers, got \[\[1.0\], \[1.0, 2.0\]\]",
        ),
        (["a"], None, TypeError, "x must hold real numbers, got dtype <U1"),
        (None, None, TypeError, "x must hold real numbers, got dtype object"),
        ([1j], None, TypeError, "x must hold real numbers, got dtype complex128"),
    ],
)
def test_bad_arrays(value, shape, error, message):
    with pytest.raises(error, match=f"^{message}"):
        check_floats("x", value, shape)


def test_message_about_a_large_ragged_list_is_short():
    with pytest.raises(ValueError) as caught:
        check_floats("x", [[0.0] * 5000, [1.0]])
    assert len(str(caught.value)) < 400


def test_generators():
    rng = np.random.default_rng(1)
    assert check_rng(rng) is rng
    first = check_rng(5).uniform()
    assert first == check_rng(np.random.SeedSequence(5)).uniform() == check_rng(np.int64(5)).uniform()
    assert check_rng(0).uniform() == np.random.default_rng(0).uniform()
    assert isinstance(check_rng(None), np.random.Generator)
    entropy = np.random.SeedSequence().entropy  # 128 bits, what NumPy recommends
    assert check_rng(entropy).uniform() == np.random.default_rng(entropy).uniform()


@pytest.mark.parametrize("value", ["seed", 1.0, True, np.random.RandomState(0)])
def test_bad_generators(value):
    with pytest.raises(
        TypeError, match=r"^rng must be a numpy\.random\.Generator, .* an int >= 0 or None; got"
    ):
        check_rng(value)


def test_negative_seed():
    with pytest.raises(ValueError, match=r"^rng must be >= 0, got -1"):
        check_rng(-1)


def test_what_a_function_returns_is_finite():
    given = np.zeros(2)
    with pytest.raises(ValueError, match=r"^f must return finite numbers, got NaN or infinite ones$"):
        check_values("f", np.array([0.0, np.nan]), given)
    assert np.isnan(check_values("f", np.array([0.0, np.nan]), given, finite=False)[1])
    assert check_values("f", np.ones(2), given).tolist() == [1.0, 1.0]


def test_a_value_is_shortened_when_it_must_be():
    assert shortened("a" * 58) == repr("a" * 58)  # sixty characters with its quotes
    assert shortened("a" * 59) == repr("a" * 59)[:60] + "..."
