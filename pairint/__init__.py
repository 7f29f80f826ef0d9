"""pairint: learning pairwise interactions in attention-style models.

``import pairint as pi`` offers what a reader of the book needs; each name is imported when it is first used.
"""

import lazy_loader

from pairint._version import __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
