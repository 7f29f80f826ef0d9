"""Which array library the data lives in, and the few places where NumPy and CuPy differ.

Functions of this package take the array module from their arguments, so that the same
code runs on NumPy and on CuPy. Random numbers are drawn on the host (the streams of the
two libraries differ) and moved with :func:`to_device`.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

__all__ = [
    "array_namespace",
    "is_cupy",
    "one_blas_thread",
    "to_device",
    "to_host",
    "usable_compiler",
    "usable_gpu",
]


def is_cupy(x: Any) -> bool:
    """Say whether ``x`` is a CuPy array (decided without importing CuPy)."""
    return type(x).__module__.split(".", 1)[0] == "cupy"


def array_namespace(*arrays: Any) -> ModuleType:
    """Return the module (``numpy`` or ``cupy``) that the arrays belong to.

    Book: :doc:`/book/how_results`.

    Python scalars and ``None`` are ignored; with nothing left, NumPy is returned. An
    array that brings its own namespace (``__array_namespace__``) is asked for it.

    Raises
    ------
    TypeError
        If arrays of different libraries are mixed: transfers are always explicit.
    """
    namespaces: dict[str, ModuleType] = {}
    for x in arrays:
        if x is None or isinstance(x, int | float | complex | np.generic):
            continue
        if isinstance(x, np.ndarray | list | tuple):
            namespaces["numpy"] = np
        elif is_cupy(x):
            import cupy

            namespaces["cupy"] = cupy
        elif hasattr(x, "__array_namespace__"):
            module = x.__array_namespace__()
            namespaces[module.__name__] = module
        else:
            namespaces["numpy"] = np
    if len(namespaces) > 1:
        raise TypeError(
            f"arrays of {' and '.join(sorted(namespaces))} are mixed; "
            "move them with pairint.backend.to_device or to_host first"
        )
    return next(iter(namespaces.values()), np)


def to_host(x: Any) -> Any:
    """Return ``x`` as a NumPy array (no copy when it is one already).

    Book: :doc:`/book/how_results`.
    """
    if is_cupy(x):
        return x.get()
    return np.asarray(x)


def to_device(x: Any, like: Any) -> Any:
    """Return ``x`` as an array of the library of ``like`` (no copy when it is one already).

    Book: :doc:`/book/how_results`.
    """
    xp = array_namespace(like)
    return to_host(x) if xp is np else xp.asarray(x)


@functools.cache
def usable_gpu() -> tuple[bool, str]:
    """Say whether CuPy can run a kernel here, and if not, why.

    Book: :doc:`/book/how_results`.

    Returns
    -------
    usable : bool
    reason : str
        The device's name, or the reason why none can be used.
    """
    try:
        import cupy
    except Exception as error:  # a broken CUDA install raises many kinds of error on import
        return False, f"CuPy cannot be imported ({type(error).__name__}: {error})"
    try:
        if cupy.cuda.runtime.getDeviceCount() == 0:
            return False, "CuPy sees no CUDA device"
        if float(cupy.arange(3.0).sum()) != 3.0:
            return False, "the CUDA device computes wrong sums"
        return True, cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    except Exception as error:
        return False, f"no usable CUDA device ({type(error).__name__}: {error})"


@functools.cache
def usable_compiler() -> tuple[bool, str]:
    """Say whether Numba can compile the sums over token pairs here, and if not, why.

    Book: :doc:`/book/how_results`.

    Numba is optional (``pip install "pairint[fast]"``) and imported by the first large sum, in half a second.
    What it has compiled is kept on disk: where ``NUMBA_CACHE_DIR`` says, beside the package, or in the
    user's cache. With the environment variable ``PAIRINT_COMPILED=0`` NumPy computes all sums.

    Returns
    -------
    usable : bool
    reason : str
        Numba's version, or the reason why it cannot be used.
    """
    if sys.platform == "emscripten":
        return False, "WebAssembly cannot load compiled code"
    try:
        import numba
    except Exception as error:  # one that does not know the NumPy beside it raises more than ImportError
        return False, f"Numba cannot be imported ({type(error).__name__}: {error})"
    return True, f"Numba {numba.__version__}"


_blas_lock = threading.Lock()
#: How many hold the limit at present, and the limit that the first of them set.
_blas_holders = 0
_blas_first: Any = None


#: Width of matrices from which products are worth several threads: those of narrower ones are so short that
#: threads wait for each other longer than they compute, above all on cores that others hold.
WIDE = 1024


@contextmanager
def one_blas_thread(width: int = 0) -> Iterator[None]:
    """Keep the linear algebra of NumPy and SciPy to one thread, for many products of small matrices.

    Those of width ``WIDE`` and more are left their threads.

    Threads that wait for each other after every small product cost more than they compute, many times more
    where other work holds some of the cores. Most libraries know one limit for the process, so that of
    several threads of Python that compute at once the last to leave takes back what the first one set. Where
    there is nothing to limit (WebAssembly), nothing happens.
    """
    global _blas_holders, _blas_first
    if width >= WIDE:
        yield
        return
    import scipy.linalg  # noqa: F401  SciPy brings its own BLAS: load it before the limit is set
    from threadpoolctl import threadpool_limits

    with _blas_lock:
        limit = threadpool_limits(limits=1, user_api="blas")
        _blas_first = limit if _blas_holders == 0 else _blas_first
        _blas_holders += 1
    try:
        with limit:
            yield
    finally:
        with _blas_lock:
            _blas_holders -= 1
            if _blas_holders == 0 and _blas_first is not limit:
                with _blas_first:  # it was set before ours, which has taken back what it had found: the limit
                    pass
