"""Trained attention: an encoder's weights, its tokens, its heads. NumPy alone, and nothing is unpickled."""

from pairint.pretrained.encoder import Encoder, Head, random_encoder
from pairint.pretrained.text import plain_prose, windows
from pairint.pretrained.tokenizer import WordPiece
from pairint.pretrained.weights import WeightsMissing, load_encoder, load_tokenizer, read_safetensors

__all__ = [
    "Encoder",
    "Head",
    "WeightsMissing",
    "WordPiece",
    "load_encoder",
    "load_tokenizer",
    "plain_prose",
    "random_encoder",
    "read_safetensors",
    "windows",
]
