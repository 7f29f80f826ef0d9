"""Small interactive figures, each where a chapter needs it: two controls and two panels at most."""

from pairint.explorers.small.steps import EstimatorSteps

__all__ = ["EstimatorSteps"]
