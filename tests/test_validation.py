"""Messages name the argument, what it got and what is allowed."""

import numpy as np
import pytest

from pairint.validation import check_choice, check_floats, check_integer, check_real, check_rng


def test_integers():
    assert check_integer("n", 3) == 3
    value = check_integer("n", np.int32(5), 1, 5)
    assert value == 5 and type(value) is int


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
    ],
)
def test_bad_integers(value, bounds, error, message):
    with pytest.raises(error, match=f"^{message}"):
        check_integer("n", value, *bounds)


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


def test_choices():
    assert check_choice("kind", "a", ("a", "b")) == "a"
    assert check_choice("kind", np.int64(2), (2, 3)) == 2
    assert check_choice("kind", "a", {"a": 1}) == "a"


@pytest.mark.parametrize("value", ["c", None, 3, ["a"], np.array(["a", "b"]), np.array([]), {"a": 1}])
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
    assert isinstance(check_rng(None), np.random.Generator)


@pytest.mark.parametrize("value", ["seed", 1.0, True, np.random.RandomState(0)])
def test_bad_generators(value):
    with pytest.raises(
        TypeError, match=r"^rng must be a numpy\.random\.Generator, .* an int >= 0 or None; got"
    ):
        check_rng(value)


def test_negative_seed():
    with pytest.raises(ValueError, match=r"^rng must be >= 0, got -1"):
        check_rng(-1)
