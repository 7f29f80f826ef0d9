"""Which implementation of a kernel computes: the compiled loops, where Numba is there and the work pays."""

from __future__ import annotations

import os
from types import ModuleType
from typing import Any

import numpy as np

from pairint.backend import usable_compiler

__all__ = ["LEAST_WORK", "LONG_ROW", "compiled_loops", "native"]

#: Entries, of pairs times the coefficients of each, from which a call is compiled: to import Numba takes half
#: a second, and NumPy a few milliseconds for as many. A fit makes about a hundred calls.
LEAST_WORK = 100_000
#: From so many tokens on, a row's basis is computed before it is added up: several pairs at once.
LONG_ROW = 16


def compiled_loops(work: int) -> ModuleType | None:
    """Return the module of compiled loops if so many entries are worth it, else None: NumPy computes.

    The choice depends on the size of the call and on the installation, never on what was computed before.
    """
    if work < LEAST_WORK or os.environ.get("PAIRINT_COMPILED") == "0" or not usable_compiler()[0]:
        return None
    from pairint.kernels import loops

    return loops


def native(array: Any) -> Any:
    """Return a NumPy array in the byte order of the machine, the only one that is compiled for."""
    if not isinstance(array, np.ndarray) or array.dtype.isnative:
        return array
    return array.astype(array.dtype.newbyteorder("="))
