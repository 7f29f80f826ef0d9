"""pairint: learning pairwise interactions in attention-style models."""

from pairint._version import __version__

__all__ = ["__version__"]
