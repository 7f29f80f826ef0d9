"""What the experiments on attention heads share: an encoder, a text, and the hidden states of its windows."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

from pairint.validation import check_choice

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pairint.pretrained import Encoder

__all__ = ["RANDOM", "TRAINED", "check_source", "encoder_of", "windows_of"]

#: The trained encoder and the text that it reads: their SHA-256 (sixteen digits) are part of every cell.
TRAINED = {"encoder": "minilm-l6", "weights": "53aa51172d142c89", "text": "1ded2a12828e6dd6"}
#: An encoder that anybody has: small, with random weights, reading random tokens.
RANDOM = {"encoder": "random", "weights": "none", "text": "none"}
_RANDOM_SHAPE = {"d": 12, "n_layers": 2, "n_heads": 3, "n_vocabulary": 50, "max_tokens": 16}


def check_source(settings: dict[str, Any]) -> None:
    """Refuse an encoder, weights or a text that this version does not have."""
    check_choice("encoder", settings["encoder"], (TRAINED["encoder"], RANDOM["encoder"]))
    wanted = TRAINED if settings["encoder"] == TRAINED["encoder"] else RANDOM
    for key in ("weights", "text"):
        check_choice(key, settings[key], (wanted[key],))


@functools.lru_cache(maxsize=1)
def encoder_of(name: str) -> Encoder:
    """Return the encoder of this name.

    Raises
    ------
    pairint.pretrained.WeightsMissing
        If it is the trained one, and its weights are not installed.
    """
    from pairint.pretrained import load_encoder, random_encoder

    return load_encoder() if name == TRAINED["encoder"] else random_encoder(0, **_RANDOM_SHAPE)


@functools.lru_cache(maxsize=1)
def windows_of(name: str) -> NDArray[np.int32]:
    """Return all windows of the text that the encoder of this name reads, shape (M, N).

    Raises
    ------
    ValueError
        If the text of the package is not the one whose checksum the experiments state.
    """
    from pairint.pretrained import load_tokenizer, windows
    from pairint.pretrained.text import book_prose

    if name != TRAINED["encoder"]:
        shape = (400, _RANDOM_SHAPE["max_tokens"])
        numbers = np.random.default_rng(0).integers(0, _RANDOM_SHAPE["n_vocabulary"], shape, dtype=np.int32)
        numbers[:, 0], numbers[:, -1] = 1, 2
        return numbers
    text = book_prose()
    digest = hashlib.sha256(text.encode()).hexdigest()
    if not digest.startswith(TRAINED["text"]):
        raise ValueError(f"the stored prose must have SHA-256 {TRAINED['text']}..., got {digest[:16]}...")
    return windows(text, load_tokenizer())
