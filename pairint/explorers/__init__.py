"""Interactive figures: each is a Python module that computes and an ES module that draws.

With a kernel an explorer is a live widget; in a page it is a piece of HTML that needs no kernel and no
network.
"""

from pairint.explorers.aim import AIMExplorer
from pairint.explorers.coercivity import CoercivityExplorer
from pairint.explorers.curse import CurseExplorer
from pairint.explorers.eavesdropper import Eavesdropper
from pairint.explorers.fit import FitExplorer
from pairint.explorers.lower import LowerBoundExplorer
from pairint.explorers.rate import RateExplorer

__all__ = [
    "AIMExplorer",
    "CoercivityExplorer",
    "CurseExplorer",
    "Eavesdropper",
    "FitExplorer",
    "LowerBoundExplorer",
    "RateExplorer",
]
