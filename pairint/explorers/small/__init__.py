"""Small interactive figures, each where a chapter needs it: two controls and two panels at most."""

from pairint.explorers.small.aim_amp import MessagePassingFigure
from pairint.explorers.small.aim_gradient_descent import AveragingFigure
from pairint.explorers.small.aim_own import HardPhaseFigure
from pairint.explorers.small.aim_spectrum import SpectrumFigure
from pairint.explorers.small.aim_state_evolution import StaircaseFigure

__all__ = ["AveragingFigure", "HardPhaseFigure", "MessagePassingFigure", "SpectrumFigure", "StaircaseFigure"]
