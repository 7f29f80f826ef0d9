"""Checks of arguments: every message names the argument, the value and what is allowed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

import numpy as np

from pairint.backend import array_namespace

__all__ = [
    "MOST_STEPS",
    "check_choice",
    "check_flag",
    "check_floats",
    "check_instance",
    "check_integer",
    "check_real",
    "check_rng",
    "check_size",
    "check_values",
    "shortened",
]

T = TypeVar("T")

#: Steps that an iteration may be asked for: one that does not come to rest would go on for days.
MOST_STEPS = 100_000

#: Larger integers are no floating-point numbers, and formulas would fail somewhere inside.
_LARGEST_INTEGER = 10**308
#: Entries of arrays, unless their function says otherwise, and single numbers: their squares are finite.
#: Beyond lies no measurement, only a wrong unit or a damaged file.
_LARGEST_NUMBER, _LARGEST_SINGLE = 1e150, float(np.finfo(np.float32).max)
#: The least that a positive number may be: its square is not zero.
_SMALLEST_POSITIVE = 1e-150
#: Numbers in one array: 80 GB of doubles. More is a typing error, and may take the machine down with it.
_LARGEST_SIZE = 10**10
#: Numbers that are looked at together: they stay in the cache.
_CHECKED = 1 << 15


def check_integer(name: str, value: Any, minimum: int | None = None, maximum: int | None = None) -> int:
    """Return ``value`` as an int within ``[minimum, maximum]``, or raise naming the argument."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {shortened(value)}")
    value = int(value)
    _check_range(name, value, minimum, maximum, False, False)
    if abs(value) > _LARGEST_INTEGER:
        raise ValueError(f"{name} must have at most 308 digits, got {shortened(value)}")
    return value


def check_real(
    name: str,
    value: Any,
    minimum: float | None = None,
    maximum: float | None = None,
    *,
    exclusive_minimum: bool = False,
    exclusive_maximum: bool = False,
) -> float:
    """Return ``value`` as a finite float within the given range, or raise naming the argument.

    Without a maximum, sizes above ``1e150`` are refused; and positive ones below ``1e-150`` where zero is:
    their squares would be no numbers.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a real number, got {shortened(value)}")
    try:
        value = float(value)
    except OverflowError as error:
        message = f"{name} must be a number that double precision holds, got {shortened(value)}"
        raise ValueError(message) from error
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    _check_range(name, value, minimum, maximum, exclusive_minimum, exclusive_maximum)
    if maximum is None and abs(value) > _LARGEST_NUMBER:
        raise ValueError(f"{name} must be of size at most {_LARGEST_NUMBER:g}, got {value:g}")
    if minimum == 0 and exclusive_minimum and value < _SMALLEST_POSITIVE:
        raise ValueError(f"{name} must be at least {_SMALLEST_POSITIVE:g}, got {value:g}")
    return value


def check_flag(name: str, value: Any) -> bool:
    """Return ``value`` as a bool if it is True or False, or raise naming the argument."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {shortened(value)}")
    return bool(value)


def check_instance(name: str, value: Any, kind: type[T]) -> T:
    """Return ``value`` if it is of this class, or raise naming the argument."""
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be a {kind.__name__}, got {shortened(value)}")
    return value


def check_choice(name: str, value: Any, choices: Collection[Any]) -> Any:
    """Return the one of ``choices`` that equals ``value``, or raise listing them."""
    try:
        hash(value)  # an array of one entry equals that entry, and is no choice
        for choice in choices:
            # True equals 1, and is none: whoever writes it means something else.
            if choice == value and isinstance(choice, bool) == isinstance(value, bool | np.bool_):
                return choice
    except (TypeError, ValueError):
        pass
    raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {shortened(value)}")


def check_size(name: str, *sizes: int) -> None:
    """Refuse an array of these sizes before it is made, if no machine that runs this would hold it.

    Parameters
    ----------
    name : str
        The arguments that determine the sizes, for the message.
    *sizes : int
        The shape.

    Raises
    ------
    ValueError
        If the array would have more than ``10**10`` entries.
    """
    size = math.prod(sizes)
    if size > _LARGEST_SIZE:
        shape = ", ".join(map(shortened, sizes))
        raise ValueError(
            f"{name} must be smaller: an array of shape ({shape}) would have {shortened(size)} entries, "
            f"more than {_LARGEST_SIZE:,}"
        )


def check_floats(
    name: str,
    value: Any,
    shape: Sequence[int | None] | None = None,
    *,
    finite: bool = True,
    largest: float = _LARGEST_NUMBER,
    copy: bool = False,
) -> Any:
    """Return ``value`` as an array of its own library, in single precision if it is, else in double.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array_like
        Real numbers; a masked array without a masked entry is taken as it is.
    shape : sequence of int or None, optional
        The required shape; ``None`` leaves an axis free.
    finite : bool
        Reject NaN and infinities.
    largest : float
        Reject entries of larger absolute value, if they are to be finite.
    copy : bool
        Return a copy even if no conversion is needed.

    Raises
    ------
    TypeError
        If the entries are not real numbers.
    ValueError
        If the shape is wrong, or an entry is masked, not finite or too large.
    """
    xp = array_namespace(value)
    array = _real_numbers(xp, name, value)
    # Linear algebra knows single and double precision only.
    if getattr(array.dtype, "kind", "f") != "f" or getattr(array.dtype, "itemsize", 8) not in (4, 8):
        array = xp.asarray(array, dtype=xp.float64)
    elif copy:  # NumPy 1 and CuPy 13 have no asarray(copy=...)
        array = array.copy() if hasattr(array, "copy") else xp.asarray(array, copy=True)
    _check_shape(name, tuple(array.shape), shape)
    if getattr(array.dtype, "itemsize", 8) == 4:
        largest = min(largest, _LARGEST_SINGLE)
    if finite and not _all_within(xp, array, largest):
        if bool(xp.all(xp.isfinite(array))):
            size = float(xp.max(xp.abs(array)))
            raise ValueError(f"{name} must hold numbers of size at most {largest:g}, got {size:g}")
        count = int(xp.sum(xp.asarray(~xp.isfinite(array), dtype=xp.int64)))
        raise ValueError(f"{name} must be finite, got {count} NaN or infinite entries")
    return array


def check_values(name: str, values: Any, given: Any, *, finite: bool = True) -> Any:
    """Return what a function of the caller's made of an array: real numbers, that may be overwritten.

    Parameters
    ----------
    name : str
        The argument that the function is, for the message.
    values : array_like
        What it returned.
    given : array
        What it was given: the values have its shape, and are of its library.
    finite : bool
        Reject NaN and infinities.

    Raises
    ------
    TypeError, ValueError
        If there is not one real number for each entry.
    """
    xp = array_namespace(given)
    if array_namespace(values) is not xp:
        raise TypeError(
            f"{name} must return an array of {xp.__name__}, as it is given, got {shortened(values)}"
        )
    array = _real_numbers(xp, f"what {name} returns", values)
    if array.shape != given.shape:
        raise ValueError(
            f"{name} must return an array of the shape that it is given, {tuple(given.shape)}, "
            f"got {tuple(array.shape)}"
        )
    if getattr(array.dtype, "kind", "f") != "f":
        array = xp.asarray(array, dtype=xp.float64)
    if finite and not bool(xp.all(xp.isfinite(array))):
        raise ValueError(f"{name} must return finite numbers, got NaN or infinite ones")
    if isinstance(array, np.ndarray) and (not array.flags.writeable or np.shares_memory(array, given)):
        array = array.copy()
    return array


def _real_numbers(xp: Any, name: str, value: Any) -> Any:
    """Return an array of real numbers, none of them masked, of any type."""
    if callable(getattr(value, "toarray", None)):  # NumPy would make one object of a sparse matrix
        raise TypeError(f"{name} must be a dense array, got a sparse one: pass {name}.toarray()")
    try:
        array = xp.asarray(value)
    except (TypeError, ValueError) as error:  # rows of different lengths, for example
        message = f"{name} must be an array of real numbers, got {shortened(value)}: {error}"
        raise ValueError(message) from error
    kind = getattr(array.dtype, "kind", "f")  # strict array-API dtypes have no kind
    if kind == "O":
        raise TypeError(f"{name} must hold real numbers, got dtype object{_intruder(array)}")
    if kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if masked := _count_masked(value, array.ndim):
        raise ValueError(
            f"{name} must have no masked entry, got {masked}: leave these samples out, or fill the entries "
            f"in with numpy.ma.filled"
        )
    return array


def _all_within(xp: Any, array: Any, largest: float) -> bool:
    """Say whether no entry is larger, or is NaN: of NumPy's arrays without another array of their size."""
    if xp is not np or array.size == 0:
        return bool(xp.all(xp.abs(array) <= largest))
    if array.flags.c_contiguous:
        array = array.reshape(-1)
    step = max(1, _CHECKED // max(1, math.prod(array.shape[1:])))
    parts = (array[start : start + step] for start in range(0, len(array), step))
    with np.errstate(invalid="ignore"):  # the least of numbers and NaN is NaN, and that is not within
        return all(part.max() <= largest and part.min() >= -largest for part in parts)


def _check_shape(name: str, shape: tuple[int, ...], wanted: Sequence[int | None] | None) -> None:
    if wanted is None:
        return
    if len(shape) != len(wanted) or any(w not in (None, s) for w, s in zip(wanted, shape, strict=True)):
        listed = "(" + ", ".join("any" if w is None else str(w) for w in wanted) + ")"
        raise ValueError(f"{name} must have shape {listed}, got {shape}")


def check_rng(rng: Any, name: str = "rng") -> np.random.Generator:
    """Return a NumPy Generator from a Generator, a SeedSequence, an int seed or ``None``."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or isinstance(rng, np.random.SeedSequence):
        return np.random.default_rng(rng)
    if isinstance(rng, numbers.Integral) and not isinstance(rng, bool):
        _check_range(name, int(rng), 0, None, False, False)  # seeds may have any number of digits
        return np.random.default_rng(int(rng))
    raise TypeError(
        f"{name} must be a numpy.random.Generator, a SeedSequence, an int >= 0 or None; got {shortened(rng)}"
    )


def _count_masked(value: Any, depth: int) -> int:
    """Return how many entries of an array, or of the arrays in a list, are masked."""
    if isinstance(value, np.ma.MaskedArray):
        return int(np.ma.count_masked(value))
    if isinstance(value, list | tuple) and depth > 1:  # the rows of a list of numbers cannot be masked
        return sum(_count_masked(item, depth - 1) for item in value)
    return 0


def _intruder(array: Any) -> str:
    """Say which entry makes an array one of objects: what pandas makes of missing values, for example."""
    for entry in array.flat:
        if not isinstance(entry, numbers.Real):
            return f" with an entry {shortened(entry)}"
    return f": convert it to numbers that double precision holds, as in {type(array).__name__}.astype(float)"


def _check_range(
    name: str,
    value: float,
    minimum: float | None,
    maximum: float | None,
    exclusive_minimum: bool,
    exclusive_maximum: bool,
) -> None:
    below = minimum is not None and (value <= minimum if exclusive_minimum else value < minimum)
    above = maximum is not None and (value >= maximum if exclusive_maximum else value > maximum)
    if not (below or above):
        return
    parts = []
    if minimum is not None:
        parts.append(f"{'>' if exclusive_minimum else '>='} {minimum}")
    if maximum is not None:
        parts.append(f"{'<' if exclusive_maximum else '<='} {maximum}")
    raise ValueError(f"{name} must be {' and '.join(parts)}, got {shortened(value)}")


def shortened(value: Any, length: int = 60) -> str:
    """Return a value as a message shows it: its beginning, however long it is."""
    if isinstance(value, int) and value.bit_length() > 3 * length:  # Python refuses to write the longest
        return f"an integer of about {math.ceil(value.bit_length() * math.log10(2))} digits"
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # such an integer inside something else; lists in lists in lists
        text = f"a {type(value).__name__}"
    return text if len(text) <= length else text[:length] + "..."
