"""Small interactive figures, each where a chapter needs it: two controls and two panels at most."""

from pairint.explorers.small.aim_amp import MessagePassing
from pairint.explorers.small.aim_gradient_descent import AveragedRuns
from pairint.explorers.small.aim_mismatch import WrongWidth
from pairint.explorers.small.aim_own import HardPhase
from pairint.explorers.small.aim_priors import SpectraAndSamples
from pairint.explorers.small.aim_spectrum import SplittingSpectrum
from pairint.explorers.small.aim_state_evolution import Staircase
from pairint.explorers.small.aim_untied import WorthOfSymmetry
from pairint.explorers.small.averages import HiddenByAveraging
from pairint.explorers.small.bands import BandsAndCells
from pairint.explorers.small.calm import CalmAverage
from pairint.explorers.small.cells import FollowingCells
from pairint.explorers.small.channels import MovingPartner
from pairint.explorers.small.context_price import ThreePrices
from pairint.explorers.small.covering import CountingBalls
from pairint.explorers.small.decay import HowMuchDecay
from pairint.explorers.small.diagram import OneDiagram
from pairint.explorers.small.effective import ForgottenRank
from pairint.explorers.small.filter import CutOrFade
from pairint.explorers.small.fish import FishAndGhosts
from pairint.explorers.small.game import DotsGame
from pairint.explorers.small.heads_added import HeadsAdded
from pairint.explorers.small.kept import KeptAndLost
from pairint.explorers.small.more_tokens import MoreTokens
from pairint.explorers.small.needle import WaveHidesMatrix
from pairint.explorers.small.polynomial import PolynomialOverExp
from pairint.explorers.small.rank_choice import KeepOrDrop
from pairint.explorers.small.rare import RareCells
from pairint.explorers.small.real_head import WhereAWordLooks
from pairint.explorers.small.sandwich import Sandwich
from pairint.explorers.small.smoothness import FoundSmoothness
from pairint.explorers.small.spike import SpikeInNoise
from pairint.explorers.small.split import WhereToSplit
from pairint.explorers.small.steps import EstimatorSteps
from pairint.explorers.small.surviving import SurvivingFunction
from pairint.explorers.small.tangent import TouchOrCut
from pairint.explorers.small.temperature import CoolingARow
from pairint.explorers.small.terms import ThreeTerms
from pairint.explorers.small.threshold import HowMuchToLose
from pairint.explorers.small.ties import NearTies
from pairint.explorers.small.tokens import TwoBounds
from pairint.explorers.small.trained import TrainedOrMinimised
from pairint.explorers.small.turning import TurningHeads
from pairint.explorers.small.watching import WhenToWatch
from pairint.explorers.small.weight import SignOrShape
from pairint.explorers.small.whole_layer import EnoughText
from pairint.explorers.small.whose_curve import WhoseCurve
from pairint.explorers.small.words import CodeWords

__all__ = [
    "AveragedRuns",
    "BandsAndCells",
    "CalmAverage",
    "CodeWords",
    "CoolingARow",
    "CountingBalls",
    "CutOrFade",
    "DotsGame",
    "EnoughText",
    "EstimatorSteps",
    "FishAndGhosts",
    "FollowingCells",
    "ForgottenRank",
    "FoundSmoothness",
    "HardPhase",
    "HeadsAdded",
    "HiddenByAveraging",
    "HowMuchDecay",
    "HowMuchToLose",
    "KeepOrDrop",
    "KeptAndLost",
    "MessagePassing",
    "MoreTokens",
    "MovingPartner",
    "NearTies",
    "OneDiagram",
    "PolynomialOverExp",
    "RareCells",
    "Sandwich",
    "SignOrShape",
    "SpectraAndSamples",
    "SpikeInNoise",
    "SplittingSpectrum",
    "Staircase",
    "SurvivingFunction",
    "ThreePrices",
    "ThreeTerms",
    "TouchOrCut",
    "TrainedOrMinimised",
    "TurningHeads",
    "TwoBounds",
    "WaveHidesMatrix",
    "WhenToWatch",
    "WhereAWordLooks",
    "WhereToSplit",
    "WhoseCurve",
    "WorthOfSymmetry",
    "WrongWidth",
]
