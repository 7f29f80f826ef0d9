"""Bad values for every argument: each public callable answers with a clear error, or with finite numbers.

A table (:mod:`valid_calls`) says how each public name is called rightly. Each argument in turn, those with
a default too, is replaced by each of :data:`BAD`; what comes back must be a ``TypeError`` or ``ValueError``
that names the argument, or a result without NaN and infinities.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import math
import re
import signal
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

#: What somebody may hand over by mistake.
BAD: dict[str, Any] = {
    "None": None,
    "text": "x",
    "NaN": math.nan,
    "inf": math.inf,
    "-1": -1,
    "0": 0,
    "10**12": 10**12,
    "10**400": 10**400,
    "complex": 1j,
    "masked": np.ma.MaskedArray([[1.0, 2.0], [3.0, 4.0]], mask=[[False, True], [False, False]]),
    "objects": np.array([[1.0, None], ["x", 2.0]], dtype=object),
    "five axes": np.ones((2, 2, 2, 2, 2)),
    "empty": np.ones(0),
}

#: CPU seconds after which a call hangs, whatever else the machine does.
HANGS = 60.0
#: Bytes that a call may ask for: enough for all that is computed rightly.
MEMORY = 16 * 2**30


@dataclasses.dataclass(frozen=True)
class Call:
    """A right call of a public name.

    Attributes
    ----------
    function : callable
    arguments : dict
        By name; those left out have defaults.
    names : dict of str to str
        What else a message may call an argument: the one that it contradicts, for example.
    spared : tuple of str
        Arguments that are not replaced: any value is right, a title for example.
    open : tuple of str
        Arguments that may be infinite or NaN, and are in the result.
    sources : tuple
        Whose docstrings say what the arguments are, if not the function's own.
    errors : tuple of type
        What it may raise besides, as its documentation says.
    documented : dict of str to (str, str)
        Type and description of arguments that no docstring lists.
    """

    function: Callable[..., Any]
    arguments: dict[str, Any]
    names: dict[str, str] = dataclasses.field(default_factory=dict)
    spared: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    sources: tuple[Any, ...] = ()
    errors: tuple[type[Exception], ...] = ()
    documented: dict[str, tuple[str, str]] = dataclasses.field(default_factory=dict)

    @property
    def parameters(self) -> list[str]:
        """The arguments to be replaced: those given, and those with a default."""
        declared = inspect.signature(self.function).parameters.values()
        plain = [p.name for p in declared if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        return [name for name in dict.fromkeys([*plain, *self.arguments]) if name not in self.spared]


class Hangs(BaseException):
    """A call took too long."""


def failures(call: Call) -> list[str]:
    """Return a line for each argument and bad value without a clear answer."""
    found = []
    for parameter in call.parameters:
        for label, value in BAD.items():
            problem = outcome(call, parameter, value)
            if problem:
                found.append(f"{parameter} = {label}: {problem}")
    return found


def outcome(call: Call, parameter: str, value: Any) -> str:
    """Return what is wrong with the answer to a bad value, or nothing."""
    try:
        with limits():
            result = call.function(**{**call.arguments, parameter: value})
            finite = is_finite(result)
    except (TypeError, ValueError, *call.errors) as error:
        if names_one({parameter, call.names.get(parameter, parameter)}, error):
            return ""
        return f"{type(error).__name__} that does not name it: {brief(error)}"
    except Hangs:
        return "hangs"
    except Exception as error:
        return f"{type(error).__name__}: {brief(error)}"
    if isinstance(value, np.ma.MaskedArray):
        return "the mask is dropped"
    return "" if finite or parameter in call.open else "a result that is not finite"


def is_finite(result: Any, depth: int = 5) -> bool:
    """Say whether all numbers in a result, its fields and its items are finite."""
    if result is None or isinstance(result, bool | str | bytes) or depth == 0:
        return True
    if isinstance(result, int):
        return True
    if isinstance(result, float | complex | np.number):
        return bool(np.isfinite(result))
    if isinstance(result, np.ndarray):
        return result.dtype.kind not in "fc" or bool(np.isfinite(result).all())
    if hasattr(result, "select_dtypes"):
        return bool(np.isfinite(result.select_dtypes("number").to_numpy(dtype=float)).all())
    if isinstance(result, Mapping):
        return all(is_finite(item, depth - 1) for item in result.values())
    if isinstance(result, list | tuple):
        return all(is_finite(item, depth - 1) for item in result)
    if dataclasses.is_dataclass(result):
        fields = (getattr(result, field.name, None) for field in dataclasses.fields(result))
        return all(is_finite(item, depth - 1) for item in fields)
    return True


def names_one(names: set[str], error: Exception) -> bool:
    """Say whether a message names one of some arguments."""
    return any(re.search(rf"\b{re.escape(name)}\b", str(error)) for name in names)


def brief(error: Exception) -> str:
    """Return the beginning of a message, on one line."""
    return " ".join(str(error).split())[:140]


@contextlib.contextmanager
def limits() -> Iterator[None]:
    """Bound the processor time and the memory of a call, and let it warn."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(np.errstate(all="ignore"))
        if hasattr(signal, "setitimer"):

            def stop(number: int, frame: Any) -> None:
                raise Hangs

            stack.callback(signal.signal, signal.SIGPROF, signal.signal(signal.SIGPROF, stop))
            signal.setitimer(signal.ITIMER_PROF, HANGS)
            stack.callback(signal.setitimer, signal.ITIMER_PROF, 0)
        stack.enter_context(bounded_memory())
        yield


@contextlib.contextmanager
def bounded_memory() -> Iterator[None]:
    """Let a call ask for :data:`MEMORY` bytes and no more, where the system can hold it to that."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ImportError):
            import resource

            before = resource.getrlimit(resource.RLIMIT_AS)
            allowed = MEMORY if before[1] == resource.RLIM_INFINITY else min(MEMORY, before[1])
            resource.setrlimit(resource.RLIMIT_AS, (allowed, before[1]))
            stack.callback(resource.setrlimit, resource.RLIMIT_AS, before)
        yield
