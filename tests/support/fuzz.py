"""Drawn values for every argument of every public name: strategies read from signatures and docstrings.

A docstring says of each argument its type and its range, ``n_tokens : int`` with ``N >= 2`` for example. From
these come values inside the range, at its ends, outside it, and of other types, alone and in combinations of
up to three arguments. What a call answers is judged by :func:`judge`: a ``TypeError`` or ``ValueError`` that
names an argument, or a result of finite numbers, in bounded time, with the arguments left as they were.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import dataclasses
import decimal
import fractions
import inspect
import math
import re
from typing import Any

import numpy as np
from bad_input import HANGS, Call, Hangs, brief, is_finite, limits, names_one
from hypothesis import strategies as st

#: Sizes that no call may try to serve; between these and the legal ones drawn, calls only take long.
HUGE = (10**11, 10**12, 2**63, 10**30, 10**400)


@dataclasses.dataclass(frozen=True)
class Range:
    """What a docstring says of a number: its ends, and whether they belong to it."""

    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False


@dataclasses.dataclass(frozen=True)
class Documented:
    """What a docstring says of an argument."""

    kind: str
    text: str


def documented(*sources: Any) -> dict[str, Documented]:
    """Return what the docstrings of functions and classes say of their arguments."""
    found: dict[str, Documented] = {}
    for source in sources:
        text = inspect.getdoc(source) or ""
        section = re.search(r"^Parameters\n-+\n(.*?)(?=\n\n\w[\w ]*\n-+\n|\Z)", text, re.S | re.M)
        if not section:
            continue
        entries = re.split(r"^(?=\S)", section[1], flags=re.M)
        for entry in filter(None, entries):
            head, _, body = entry.partition("\n")
            names, _, kind = head.partition(" : ")
            for name in re.split(r",\s*", names.replace("*", "")):
                found.setdefault(name.strip(), Documented(kind.strip(), " ".join(body.split())))
    return found


def range_of(entry: Documented) -> Range:
    r"""Read a range: ``>= 2``, ``> 0``, ``\ge 0``, ``at least 2``, ``in (0, 1]``, ``from 0 to 12``."""
    text = re.sub(r"\\ge(?![a-z])", ">=", re.sub(r"\\le(?![a-z])", "<=", f"{entry.kind} {entry.text}"))
    number = r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)"
    if match := re.search(rf"in ([\[(]){number}, {number}([\])])", text):
        return Range(float(match[2]), float(match[3]), match[1] == "(", match[4] == ")")
    if match := re.search(rf"from {number} to {number}", text):
        return Range(float(match[1]), float(match[2]))
    low, high, open_low = -math.inf, math.inf, False
    if match := re.search(rf"(>=?|at least) ?{number}", text):
        low, open_low = float(match[2]), match[1] == ">"
    elif match := re.search(rf"{number} (<=?) ", text):
        low, open_low = float(match[1]), match[2] == "<"
    elif "positive" in text:
        low, open_low = 0.0, True
    if match := re.search(rf"(?:<=|at most) ?{number}", text):
        high = float(match[1])
    return Range(low, high, open_low) if low < high else Range()


def integers(limits: Range) -> st.SearchStrategy[Any]:
    """Return integers, mostly of the range and small, and what is none."""
    low = int(limits.low) if math.isfinite(limits.low) else -2
    high = int(min(limits.high, low + 9))
    legal = st.integers(low, max(low, high))
    beside = st.sampled_from([low - 1, -(2**63), *HUGE])
    if math.isfinite(limits.high):
        beside |= st.just(int(limits.high) + 1)
    other = legal.map(np.int64) | legal.map(np.int8) | legal.map(float) | legal.map(lambda n: n + 0.5)
    return legal | legal | beside | other | st.booleans()


def reals(limits: Range) -> st.SearchStrategy[Any]:
    """Return real numbers, mostly of the range and of usual size, and what is none."""
    low, high = max(limits.low, -1e3), min(limits.high, 1e3)
    legal = st.floats(low, max(low, high), exclude_min=limits.open_low and low < high)
    usual = st.floats(max(low, 0.01), max(low, 0.01, min(high, 10.0)))
    ends = [value for value in (limits.low, limits.high) if math.isfinite(value)]
    beside = [math.nextafter(value, side) for value in ends for side in (-math.inf, math.inf)]
    other = usual.map(np.float32) | usual.map(np.longdouble) | usual.map(fractions.Fraction)
    odd = st.sampled_from([decimal.Decimal("0.5"), np.array(0.5), np.array([0.5]), True])
    return usual | usual | legal | st.floats() | st.sampled_from([*ends, *beside, 10**400, 0]) | other | odd


def arrays(base: Any) -> st.SearchStrategy[Any]:
    """Return variations of an array: its shape, its type, its scale, an entry, what holds it."""
    array = np.asarray(base)
    if array.dtype.kind not in "fiub":
        return st.just(base)
    entries = [math.nan, math.inf, 0.0, -1.0, 1e300, -1e300, 1e-300, 1e9]

    def with_entry(value: float, index: int) -> Any:
        changed = np.array(array, dtype=float)
        if changed.size:
            changed.flat[index % changed.size] = value
        return changed

    shapes = [
        lambda: array[..., None],
        lambda: array[None],
        lambda: array.T,
        lambda: array[:0],
        lambda: array[:1],
        lambda: array[:-1],
        lambda: array[..., :1],
        lambda: array[..., :0],
        lambda: np.concatenate([array, array]),
        lambda: array.ravel()[0] if array.size else array,
    ]
    types = ["float32", "float16", "longdouble", "int64", "uint8", "bool", "complex128", "object", "U8"]
    holders = [
        lambda: array.tolist(),
        lambda: np.asfortranarray(array),
        lambda: np.ma.masked_invalid(array),
        lambda: np.ma.MaskedArray(array, mask=np.arange(array.size).reshape(array.shape) == 0),
        lambda: np.full_like(array, 1),
        lambda: np.broadcast_to(array.ravel()[:1].reshape((1,) * array.ndim), array.shape),
        lambda: array[::-1] if array.ndim else array,
    ]

    def scale(power: int) -> Any:
        with np.errstate(all="ignore"):
            return array * float(f"1e{power}")

    scaled = st.integers(-320, 308).map(scale)
    near = st.integers(-6, 6).map(lambda k: array * 10.0**k)
    with np.errstate(all="ignore"):
        typed = [array.astype(name) for name in types]
    return (
        st.builds(with_entry, st.sampled_from(entries), st.integers(0, 99))
        | st.sampled_from(shapes if array.ndim else shapes[:2]).map(lambda make: make())
        | st.sampled_from(typed)
        | st.sampled_from(holders if array.ndim else holders[:1]).map(lambda make: make())
        | near
        | scaled
    )


def seeds() -> st.SearchStrategy[Any]:
    """Return what makes a generator, and what does not."""
    good = st.integers(0, 2**70) | st.none() | st.builds(np.random.default_rng, st.integers(0, 9))
    sequence = st.builds(np.random.SeedSequence, st.integers(0, 9))
    return good | sequence | st.sampled_from([-1, 1.0, True, "7", np.random.RandomState(0), np.random])


#: Functions that a function of scores may not be.
WRONG_FUNCTIONS = {
    "NaN": lambda u: np.full(np.shape(u), math.nan),
    "infinite": lambda u: np.full(np.shape(u), math.inf),
    "nothing": lambda u: None,
    "text": lambda u: "x",
    "an axis more": lambda u: np.asarray(u)[..., None],
    "complex": lambda u: np.asarray(u) * 1j,
    "a number": lambda u: 0.5,
}


def functions() -> st.SearchStrategy[Any]:
    """Return functions, most of them wrong."""
    good = st.sampled_from([np.tanh, np.sin, np.zeros_like])
    return good | st.sampled_from(list(WRONG_FUNCTIONS.values()))


def foreign() -> st.SearchStrategy[Any]:
    """Return values of any type: what an argument gets by mistake."""
    fixed = [None, "", "x", b"x", (), [], {}, set(), object(), 1j, math.nan, math.inf, 0, -1, NotImplemented]
    more = [
        np.ones(0),
        np.ones((2, 2, 2, 2, 2)),
        np.array([[1.0, None]], dtype=object),
        np.array("2020", "M8"),
    ]
    return (
        st.sampled_from([*fixed, *more]) | st.text(max_size=5) | st.floats() | st.sampled_from([-7, 3, *HUGE])
    )


def strategy(entry: Documented, base: Any) -> st.SearchStrategy[Any]:
    """Return what to draw for an argument: of its documented type and range, and foreign."""
    kind, parts = entry.kind, []
    limits = range_of(entry)
    if choices := re.search(r"\{(.*?)\}", kind):
        parts.append(st.sampled_from(re.findall(r"[\"'](.*?)[\"']", choices[1]) or [None]))
    parts += [st.just(text) for text in re.findall(r"[\"'](\w+)[\"']", kind)]
    if re.search(r"\bint\b", kind) and "Generator" not in kind:
        parts.append(integers(limits))
    if re.search(r"\bfloat\b", kind):
        parts.append(reals(limits))
    if re.search(r"\bbool\b", kind) and "array" not in kind:
        parts.append(st.booleans() | st.sampled_from([0, 1, np.True_, "yes"]))
    if "Generator" in kind:
        parts.append(seeds())
    if "callable" in kind or (callable(base) and not isinstance(base, type)):
        parts.append(functions())
    if isinstance(base, np.ndarray | list | tuple) or "array" in kind:
        numbers = base if base is not None and not callable(base) else 1.0
        with contextlib.suppress(ValueError, TypeError):
            parts.append(arrays(numbers))
    if not parts:  # nothing documented: what its usual value is
        if isinstance(base, bool):
            parts.append(st.booleans())
        elif isinstance(base, int):
            parts.append(integers(limits))
        elif isinstance(base, float):
            parts.append(reals(limits))
        else:
            parts.append(st.just(base))
    return st.one_of(*parts, *parts, foreign())


def strategies(call: Call) -> dict[str, st.SearchStrategy[Any]]:
    """Return what to draw for each argument of a call."""
    known = documented(*(call.sources or (call.function,)))
    known |= {name: Documented(*told) for name, told in call.documented.items()}
    declared = inspect.signature(call.function).parameters
    drawn = {}
    for name in call.parameters:
        default = declared[name].default if name in declared else None
        base = call.arguments.get(name, None if default is inspect.Parameter.empty else default)
        drawn[name] = strategy(known.get(name, Documented("", "")), base)
    return drawn


def cases(call: Call) -> st.SearchStrategy[dict[str, Any]]:
    """Return replacements of one argument, two or three."""
    drawn = strategies(call)
    if not drawn:
        return st.just({})
    names = st.lists(st.sampled_from(list(drawn)), min_size=1, max_size=3, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: drawn[name] for name in chosen}))


def judge(call: Call, replaced: dict[str, Any]) -> tuple[str, str]:
    """Return a class, and for those that are faults what happened.

    The classes are ``refused`` (a message names what was replaced), ``contradiction`` (it names another
    argument), ``finite``, and the faults ``obscure``, ``silent``, ``mask``, ``changed`` and ``hang``.
    """
    arguments = {**call.arguments, **replaced}
    before = {
        name: copy.deepcopy(value) for name, value in arguments.items() if isinstance(value, np.ndarray)
    }
    try:
        with limits():
            result = call.function(**arguments)
            finite = is_finite(result)
    except (TypeError, ValueError, *call.errors) as error:
        names = {*replaced, *(call.names[name] for name in replaced if name in call.names)}
        if names_one(names, error):
            return "refused", ""
        if names_one({*call.parameters, *call.names.values()}, error):
            return "contradiction", ""
        return "obscure", f"{type(error).__name__} that names no argument: {brief(error)}"
    except Hangs:
        return "hang", f"more than {HANGS:g} CPU seconds"
    except Exception as error:
        return "obscure", f"{type(error).__name__}: {brief(error)}"
    for name, value in before.items():
        if arguments[name].shape != value.shape or not _same(arguments[name], value):
            return "changed", f"{name} was overwritten"
    if any(isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value) for value in replaced.values()):
        return "mask", "the mask is dropped"
    if not finite and not set(replaced) & set(call.open):
        return "silent", "a result that is not finite"
    return "finite", ""


FAULTS = ("obscure", "silent", "mask", "changed", "hang")


def describe(replaced: dict[str, Any]) -> str:
    """Return the replaced arguments as a line."""
    parts = []
    for name, value in replaced.items():
        text = "10**400" if isinstance(value, int) and value.bit_length() > 1000 else repr(value)
        if isinstance(value, np.ndarray):
            text = f"{type(value).__name__}{value.shape} {value.dtype} {' '.join(text.split())}"
        parts.append(f"{name}={text[:150]}")
    return ", ".join(parts)


def tally(counts: collections.Counter[str]) -> str:
    """Return counts as a line."""
    return ", ".join(f"{kind} {n}" for kind, n in sorted(counts.items()))


def _same(one: Any, other: Any) -> bool:
    """Say whether two arrays hold the same bytes, masked or not."""
    if one.dtype.kind == "O":
        return True
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()
