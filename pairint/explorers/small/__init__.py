"""Small interactive figures, each where a chapter needs it: two controls and two panels at most."""

from pairint.explorers.small.aim_spectrum import SpectrumFigure

__all__ = ["SpectrumFigure"]
