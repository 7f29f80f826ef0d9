"""A stand-in for CuPy without a GPU, stricter than CuPy itself.

Its arrays live "on the device": NumPy functions refuse them, they do not mix with NumPy arrays, and only
``get()`` brings them to the host, which is recorded. A stray ``np.`` on the device path of the package is
then a ``TypeError``. The module holds what CuPy 13 has, and no more; raw kernels run on the CPU
(:mod:`cuda_tools`).
"""

from __future__ import annotations

import operator
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from cuda_tools import EmulatedKernel, compiler
from scipy import special

__all__ = ["compiler", "install", "ndarray", "transfers"]

#: Sizes of the arrays that were brought to the host since :func:`install`.
transfers: list[int] = []

_ARITHMETIC = (
    np.add, np.subtract, np.multiply, np.true_divide, np.power, np.less, np.greater, np.less_equal,
    np.greater_equal, np.equal, np.not_equal,
)  # fmt: skip


def _unwrap(value: Any) -> Any:
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, list | tuple):
        return type(value)(_unwrap(item) for item in value)
    if isinstance(value, np.ndarray):
        raise TypeError(f"a NumPy array of shape {value.shape} meets device arrays")
    return value


def _wrap(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return ndarray(np.asarray(value))
    if isinstance(value, tuple | list):  # broadcast_arrays returns a list before NumPy 2
        return tuple(_wrap(item) for item in value)
    return value


def _key(key: Any) -> Any:
    if isinstance(key, list):
        raise TypeError("device arrays are indexed by device arrays, not by lists")
    if isinstance(key, tuple):
        return tuple(_key(item) for item in key)
    return _unwrap(key)


class ndarray:
    """An array whose data are reached by :meth:`get` alone."""

    def __init__(self, host: np.ndarray) -> None:
        self._host = host

    # What CuPy refuses, or would answer by a hidden transfer.
    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("implicit conversion of a device array to NumPy: use .get()")

    def __array_function__(self, function: Any, *args: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} was called on a device array")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        # Only what `numpy_scalar * array` turns into.
        if ufunc in _ARITHMETIC and method == "__call__" and any(isinstance(x, np.generic) for x in inputs):
            return _wrap(ufunc(*_unwrap(inputs), **kwargs))
        raise TypeError(f"numpy.{ufunc.__name__} was called on a device array")

    def get(self) -> np.ndarray:
        transfers.append(self._host.size)
        return self._host.copy()

    def __getitem__(self, key: Any) -> Any:
        return _wrap(self._host[_key(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._host[_key(key)] = _unwrap(value)

    def __len__(self) -> int:
        return len(self._host)

    def __iter__(self) -> Any:
        return (_wrap(item) for item in self._host)

    def __float__(self) -> float:
        return float(self._scalar())

    def __int__(self) -> int:
        return int(self._scalar())

    def __bool__(self) -> bool:
        return bool(self._scalar())

    def _scalar(self) -> Any:
        if self._host.size != 1:
            raise TypeError("only arrays of one entry convert to Python scalars")
        transfers.append(1)
        return self._host.reshape(())[()]

    @property
    def T(self) -> Any:
        return _wrap(self._host.T)

    def __repr__(self) -> str:
        return f"device {self._host!r}"


ndarray.__module__ = "cupy"

for _name in ("shape", "ndim", "size", "dtype"):
    setattr(ndarray, _name, property(lambda self, name=_name: getattr(self._host, name)))

for _name in (
    "reshape", "ravel", "sum", "mean", "min", "max", "any", "all", "argmax", "astype", "copy", "diagonal",
    "swapaxes", "trace", "transpose",
):  # fmt: skip

    def _method(self: Any, *args: Any, _name: str = _name, **kwargs: Any) -> Any:
        return _wrap(getattr(self._host, _name)(*_unwrap(args), **kwargs))

    setattr(ndarray, _name, _method)

for _name in ("add", "sub", "mul", "truediv", "pow", "matmul"):
    _operator = getattr(operator, f"__{_name}__")

    def _forward(self: Any, other: Any, _operator: Any = _operator) -> Any:
        return _wrap(_operator(self._host, _unwrap(other)))

    def _reflected(self: Any, other: Any, _operator: Any = _operator) -> Any:
        return _wrap(_operator(_unwrap(other), self._host))

    def _inplace(self: Any, other: Any, _name: str = _name) -> Any:
        self._host = getattr(operator, f"__i{_name}__")(self._host, _unwrap(other))
        return self

    setattr(ndarray, f"__{_name}__", _forward)
    setattr(ndarray, f"__r{_name}__", _reflected)
    setattr(ndarray, f"__i{_name}__", _inplace)

for _name in ("lt", "le", "gt", "ge", "eq", "ne", "and", "or"):

    def _compare(self: Any, other: Any, _name: str = _name) -> Any:
        return _wrap(getattr(operator, f"__{_name}__")(self._host, _unwrap(other)))

    setattr(ndarray, f"__{_name}__", _compare)

for _name in ("neg", "abs", "invert"):

    def _unary(self: Any, _name: str = _name) -> Any:
        return _wrap(getattr(operator, f"__{_name}__")(self._host))

    setattr(ndarray, f"__{_name}__", _unary)


def _on_device(function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(x, ndarray) for x in _flat((*args, *kwargs.values()))):
            raise TypeError(f"cupy.{function.__name__} takes device arrays")
        return _wrap(function(*_unwrap(args), **{name: _unwrap(value) for name, value in kwargs.items()}))

    return call


def _flat(values: Any) -> Any:
    for value in values:
        yield from _flat(value) if isinstance(value, list | tuple) else (value,)


def _creation(function: Any) -> Any:
    return lambda *args, **kwargs: ndarray(function(*args, **kwargs))


def _asarray(a: Any, dtype: Any = None, order: Any = None) -> ndarray:
    """The one way in: an explicit transfer (CuPy 13 has no ``copy`` here)."""
    host = a._host if isinstance(a, ndarray) else np.array(a)
    if isinstance(a, ndarray) and dtype in (None, host.dtype):
        return a
    return ndarray(np.asarray(host, dtype=dtype, order=order))


def _empty(shape: Any, dtype: Any = np.float64) -> ndarray:
    """Uninitialised memory, at its worst."""
    host = np.empty(shape, dtype)
    host[...] = np.nan if host.dtype.kind == "f" else 77
    return ndarray(host)


def _arange(*args: Any, **kwargs: Any) -> ndarray:
    return ndarray(np.arange(*(int(x) if isinstance(x, ndarray) else x for x in args), **kwargs))


class _RawKernel:
    def __init__(self, code: str, name: str, options: tuple[str, ...] = ()) -> None:
        self._kernel = EmulatedKernel(code, name, options)

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple, *, shared_mem=0) -> None:
        self._kernel(grid, block, tuple(_unwrap(x) for x in args), shared_mem=shared_mem)


def _module() -> ModuleType:
    cupy = ModuleType("cupy")
    cupy.ndarray = ndarray
    cupy.generic = type("generic", (), {})
    for name in ("float64", "float32", "int64", "int32", "inf", "nan", "pi", "newaxis"):
        setattr(cupy, name, getattr(np, name))
    for name in ("zeros", "ones", "eye", "full"):
        setattr(cupy, name, _creation(getattr(np, name)))
    cupy.empty, cupy.arange, cupy.asarray = _empty, _arange, _asarray
    cupy.empty_like = lambda a: _empty(a.shape, a.dtype)
    cupy.full_like = _on_device(np.full_like)
    for name in (
        "abs", "all", "any", "arcsin", "argmax", "argmin", "argsort", "ascontiguousarray", "average",
        "broadcast_arrays", "clip", "concatenate", "cos", "cumsum", "einsum", "exp", "floor", "isfinite",
        "log", "matmul", "max", "nonzero",
        "maximum", "mean", "min", "minimum", "multiply", "ones_like", "partition", "sign", "sin", "sort",
        "sqrt", "stack", "sum", "swapaxes", "tanh", "trace", "transpose", "where", "zeros_like",
    ):  # fmt: skip
        setattr(cupy, name, _on_device(getattr(np, name)))
    cupy.linalg = SimpleNamespace(
        **{name: _on_device(getattr(np.linalg, name)) for name in ("eigh", "norm", "qr", "solve", "svd")},
        inv=_on_device(_inv),
    )
    cupy.RawKernel = _RawKernel
    cupy.cuda = SimpleNamespace(Device=lambda: SimpleNamespace(id=0))
    return cupy


def _inv(a: np.ndarray) -> np.ndarray:
    """Inverse matrices; for singular ones CuPy raises nothing, and returns garbage."""
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        return np.full_like(a, np.nan)


def _special() -> dict[str, ModuleType]:
    """The package ``cupyx`` with its special functions, as entries of ``sys.modules``."""
    cupyx, scipy, functions = (ModuleType(f"cupyx{tail}") for tail in ("", ".scipy", ".scipy.special"))
    cupyx.scipy, scipy.special = scipy, functions
    for name in ("log_ndtr", "ndtr"):
        setattr(functions, name, _on_device(getattr(special, name)))
    return {module.__name__: module for module in (cupyx, scipy, functions)}


def install(monkeypatch: Any) -> ModuleType:
    """Make ``import cupy`` (and ``cupyx``) give the stand-in for one test, and return it."""
    from pairint.kernels import moments, pair_sum

    cupy = _module()
    for name, module in {"cupy": cupy, **_special()}.items():
        monkeypatch.setitem(sys.modules, name, module)
    # Kernels are remembered per device; those of the stand-in must not outlive it.
    for module in (moments, pair_sum):
        monkeypatch.setattr(module, "_cuda_kernel", module._cuda_kernel.__wrapped__)
    transfers.clear()
    return cupy
