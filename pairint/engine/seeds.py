"""Every cell's random numbers: a function of its parameters and its replicate, and of nothing else.

Not of the cell's place in a list, so that adding cells changes no other; not of the number of workers;
not of the estimator, so that methods compared on a cell see the same data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pairint.engine.cells import canonical
from pairint.validation import shortened

__all__ = ["ROOT_SEED", "generator_for", "seed_sequence"]

#: The root of every seed; its digits carry no meaning.
ROOT_SEED = 251011789


def seed_sequence(
    cell: Mapping[str, Any], data_keys: Sequence[str], stream: str = "data"
) -> np.random.SeedSequence:
    """Return the seed of a cell.

    Parameters
    ----------
    cell : mapping
        The cell's parameters; ``cell["replicate"]`` is always part of the seed.
    data_keys : sequence of str
        The keys that the seed depends on. Their order does not matter, nor does 2 against 2.0.
    stream : str
        Independent streams of one cell: "data" for the data, another name for, say, the restarts
        of an optimiser.

    Raises
    ------
    KeyError
        If the cell lacks one of the keys.
    TypeError
        If an argument is of another kind.
    """
    if not isinstance(cell, Mapping):
        raise TypeError(f"cell must be a dictionary, got {shortened(cell)}")
    if not isinstance(data_keys, list | tuple) or not all(isinstance(key, str) for key in data_keys):
        raise TypeError(f"data_keys must be a list of names, got {shortened(data_keys)}")
    if not isinstance(stream, str):
        raise TypeError(f"stream must be a name, got {shortened(stream)}")
    keys = {*data_keys, "replicate"}
    missing = sorted(keys - set(cell))
    if missing:
        raise KeyError(f"the cell has no {', '.join(missing)}; its keys are {', '.join(cell)}")
    text = canonical({"stream": stream, "cell": {key: cell[key] for key in keys}})
    digest = hashlib.sha256(text.encode()).digest()
    words = np.frombuffer(digest[:16], dtype="<u4")
    return np.random.SeedSequence(ROOT_SEED, spawn_key=tuple(int(word) for word in words))


def generator_for(
    cell: Mapping[str, Any], data_keys: Sequence[str], stream: str = "data"
) -> np.random.Generator:
    """Return a fresh generator on the cell's seed; see :func:`seed_sequence`.

    Book: :doc:`/book/how_results`.
    """
    return np.random.Generator(np.random.PCG64(seed_sequence(cell, data_keys, stream)))
