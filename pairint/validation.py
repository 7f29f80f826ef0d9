"""Checks of arguments: every message names the argument, the value and what is allowed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from pairint.backend import array_namespace

__all__ = ["check_choice", "check_floats", "check_integer", "check_real", "check_rng"]


def check_integer(name: str, value: Any, minimum: int | None = None, maximum: int | None = None) -> int:
    """Return ``value`` as an int within ``[minimum, maximum]``, or raise naming the argument."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    value = int(value)
    _check_range(name, value, minimum, maximum, False, False)
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
    """Return ``value`` as a finite float within the given range, or raise naming the argument."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a real number, got {value!r}")
    value = float(value)
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    _check_range(name, value, minimum, maximum, exclusive_minimum, exclusive_maximum)
    return value


def check_choice(name: str, value: Any, choices: Collection[Any]) -> Any:
    """Return ``value`` if it is one of ``choices``, or raise listing them."""
    try:
        known = value in choices
    except (TypeError, ValueError):  # an array, or something that cannot be a key
        known = False
    if not known:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}")
    return value


def check_floats(
    name: str,
    value: Any,
    shape: Sequence[int | None] | None = None,
    *,
    finite: bool = True,
    largest: float | None = None,
    copy: bool = False,
) -> Any:
    """Return ``value`` as a floating-point array of its own library.

    Parameters
    ----------
    name : str
        The argument's name, for the message.
    value : array_like
    shape : sequence of int or None, optional
        The required shape; ``None`` leaves an axis free.
    finite : bool
        Reject NaN and infinities.
    largest : float, optional
        Reject entries of larger absolute value.
    copy : bool
        Return a copy even if no conversion is needed.

    Raises
    ------
    TypeError
        If the entries are not real numbers.
    ValueError
        If the shape is wrong, or an entry is not finite or too large.
    """
    xp = array_namespace(value)
    try:
        array = xp.asarray(value)
    except (TypeError, ValueError) as error:  # rows of different lengths, for example
        message = f"{name} must be an array of real numbers, got {_shortened(value)}: {error}"
        raise ValueError(message) from error
    kind = getattr(array.dtype, "kind", "f")  # strict array-API dtypes have no kind
    if kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if kind != "f":
        array = xp.asarray(array, dtype=xp.float64)
    elif copy:  # NumPy 1 and CuPy 13 have no asarray(copy=...)
        array = array.copy() if hasattr(array, "copy") else xp.asarray(array, copy=True)
    if shape is not None:
        wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ")"
        matches = array.ndim == len(shape) and all(
            s is None or s == t for s, t in zip(shape, array.shape, strict=True)
        )
        if not matches:
            raise ValueError(f"{name} must have shape {wanted}, got {tuple(array.shape)}")
    if finite and not bool(xp.all(xp.isfinite(array))):
        count = int(xp.sum(xp.asarray(~xp.isfinite(array), dtype=xp.int64)))
        raise ValueError(f"{name} must be finite, got {count} NaN or infinite entries")
    if largest is not None and math.prod(array.shape):
        size = float(xp.max(xp.abs(array)))
        if size > largest:
            raise ValueError(f"{name} must hold numbers of size at most {largest:g}, got {size:g}")
    return array


def check_rng(rng: Any, name: str = "rng") -> np.random.Generator:
    """Return a NumPy Generator from a Generator, a SeedSequence, an int seed or ``None``."""
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None or isinstance(rng, np.random.SeedSequence):
        return np.random.default_rng(rng)
    if isinstance(rng, numbers.Integral) and not isinstance(rng, bool):
        return np.random.default_rng(check_integer(name, rng, 0))
    raise TypeError(
        f"{name} must be a numpy.random.Generator, a SeedSequence, an int >= 0 or None; got {rng!r}"
    )


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
    raise ValueError(f"{name} must be {' and '.join(parts)}, got {value}")


def _shortened(value: Any, length: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= length else text[:length] + "..."
